//! The changes that a release brings: asked of GitHub once, beside the posting of the card, and again by whoever looks
//! while they are not known. Nobody waits for them to ask, to vote or to be told.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::oneshot, task::JoinHandle, time::Instant};

use super::Stories;
use crate::{
    approval::{ApprovalId, Authors, Changes, Comparison, Request, Standing, Unknown},
    senders::github::Uncompared,
    text::log::describe,
    timing::Timing,
};

/// The longest time that a person who looks waits for GitHub.
const LOOKING_TIME: Duration = Duration::from_millis(1_500);

/// The longest time while nobody waits.
const BESIDE_TIME: Duration = Duration::from_secs(10);

/// The most comparisons that a process asks for in a minute.
const MAX_A_MINUTE: usize = 30;

/// The time after a failure in which GitHub is not asked again about the same approval.
const PAUSE: Duration = Duration::from_secs(30);

/// The most failures that are remembered.
const MAX_FAILURES: usize = 1_000;

/// The memory of a process's comparisons.
#[derive(Default)]
pub struct Comparing(Mutex<Asked>);

#[derive(Default)]
struct Asked {
    /// The times of the last calls.
    at: VecDeque<Instant>,
    failures: HashMap<ApprovalId, (Instant, Unknown)>,
}

impl Comparing {
    fn lock(&self) -> MutexGuard<'_, Asked> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Allows one more comparison, or tells why there is none now.
    pub(super) fn begin(&self, id: &ApprovalId) -> Result<(), Unknown> {
        let (mut asked, now) = (self.lock(), Instant::now());
        asked.failures.retain(|_, (at, _)| now - *at < PAUSE);
        if let Some((_, unknown)) = asked.failures.get(id) {
            return Err(*unknown);
        }
        asked.at.retain(|at| now - *at < Duration::from_secs(60));
        if asked.at.len() >= MAX_A_MINUTE {
            return Err(Unknown::NotYet);
        }
        asked.at.push_back(now);
        Ok(())
    }

    /// Remembers that there was no answer.
    pub(super) fn failed(&self, id: &ApprovalId, unknown: Unknown) {
        let mut asked = self.lock();
        if asked.failures.len() < MAX_FAILURES {
            asked.failures.insert(id.clone(), (Instant::now(), unknown));
        }
    }
}

impl Stories {
    /// The changes that `request` brings, as soon as they are known; none if GitHub is never asked, or `gate` never
    /// opens. The last release is looked for at once, and GitHub is asked once the gate opens.
    pub(super) async fn changes_of(
        self: Arc<Self>,
        request: Request,
        gate: oneshot::Receiver<()>,
        timing: Timing,
    ) -> Option<Changes> {
        if !self.outbox.compares() {
            return None;
        }
        let timing = Timing::new(timing.current(), BESIDE_TIME);
        let base = self.outbox.ledger.last_release(&request, timing.deadline).await;
        gate.await.ok()?;
        Some(self.changes_since(&request, base, timing).await)
    }

    /// Shows changes that are known before the card is posted, and records them.
    pub(super) fn show_changes(
        self: &Arc<Self>,
        standing: &mut Standing,
        known: Option<Changes>,
        timing: Timing,
    ) -> Option<JoinHandle<bool>> {
        let changes = known?;
        standing.changes = Some(changes.clone());
        let (stories, id) = (Arc::clone(self), standing.request.id.clone());
        let timing = Timing::new(timing.current(), BESIDE_TIME);
        self.outbox.beside(async move { stories.note_changes(&id, changes, false, timing).await });
        None
    }

    /// Goes on asking for the changes beside the posting of the card; `true` once there are any.
    pub(super) fn await_changes(
        self: &Arc<Self>,
        id: &ApprovalId,
        changes: impl Future<Output = Option<Changes>> + Send + 'static,
        timing: Timing,
    ) -> JoinHandle<bool> {
        let (stories, id) = (Arc::clone(self), id.clone());
        self.outbox.beside(async move {
            let Some(changes) = changes.await.filter(|changes| !changes.is_unknown()) else { return false };
            let timing = Timing::new(timing.current(), BESIDE_TIME);
            stories.note_changes(&id, changes, true, timing).await;
            true
        })
    }

    /// Has the card that was posted without the changes show them.
    pub(super) fn show_late_changes(
        self: &Arc<Self>,
        id: ApprovalId,
        late: JoinHandle<bool>,
        timing: Timing,
    ) {
        let stories = Arc::clone(self);
        self.outbox.beside(async move {
            if late.await.is_ok_and(|is_known| is_known) {
                stories.follow_up(id, timing);
            }
        });
    }

    /// Asks for the changes of an approval that is open, if they are not known yet. A person waits for it.
    pub async fn ask_for_changes(self: &Arc<Self>, standing: &mut Standing, timing: Timing) {
        let is_open = standing.ruling.is_none() && timing.now < standing.request.expires_at();
        if !is_open || !standing.changes.as_ref().is_some_and(Changes::is_unknown) {
            return;
        }
        let timing = timing.within(LOOKING_TIME);
        let request = &standing.request;
        let base = self.outbox.ledger.last_release(request, timing.deadline).await;
        let changes = self.changes_since(request, base, timing).await;
        let is_known = !changes.is_unknown();
        standing.changes = Some(self.note_changes(&request.id, changes, true, timing).await);
        standing.changes_are_late |= is_known;
        if is_known {
            // The cards show it, too.
            self.follow_up(standing.request.id.clone(), timing);
        }
    }

    /// Records the changes, if they are known. Whoever looks tries again where this fails.
    pub(super) async fn note_changes(
        &self,
        id: &ApprovalId,
        changes: Changes,
        is_late: bool,
        timing: Timing,
    ) -> Changes {
        match self.outbox.ledger.note_changes(id, changes.clone(), is_late, timing.deadline).await {
            Ok(recorded) => recorded,
            Err(error) => {
                log::warn!("approval {}: {}", id.short(), describe(&error));
                changes
            }
        }
    }

    async fn changes_since(
        &self,
        request: &Request,
        base: anyhow::Result<Option<String>>,
        timing: Timing,
    ) -> Changes {
        let (id, workload) = (&request.id, &request.workload);
        let base = match base {
            Ok(Some(base)) => base,
            Ok(None) => return Changes::First,
            Err(error) => {
                log::warn!("approval {}: {}", id.short(), describe(&error));
                return Changes::Unknown(Unknown::Away);
            }
        };
        if base == workload.sha {
            return Changes::Since(Comparison::of_same(&base));
        }
        if let Err(unknown) = self.comparing.begin(id) {
            return Changes::Unknown(unknown);
        }
        let github = &self.outbox.targets.github;
        match github.compare(&workload.repository, (&base, &workload.sha), timing).await {
            Ok(comparison) => Changes::Since(comparison),
            Err(Uncompared::Never(reason)) => Changes::Incomparable(base, reason),
            Err(Uncompared::Now(unknown, detail)) => {
                log::warn!("approval {}: the changes since {base} are not known: {detail}", id.short());
                self.comparing.failed(id, unknown);
                Changes::Unknown(unknown)
            }
        }
    }

    /// The authors of all commits that the approval brings, read to the end, at most 1,000 commits; without a last
    /// release the author of its own commit.
    ///
    /// # Errors
    /// The reason why they are not known, now or ever.
    pub async fn all_authors(&self, standing: &Standing, timing: Timing) -> Result<Authors, Uncompared> {
        let request = &standing.request;
        let (github, workload) = (&self.outbox.targets.github, &request.workload);
        let base = match &standing.changes {
            Some(Changes::First) => None,
            Some(Changes::Since(Comparison { base, .. }) | Changes::Incomparable(base, _)) => {
                Some(base.clone())
            }
            Some(Changes::Unknown(_)) | None => {
                let base = self.outbox.ledger.last_release(request, timing.deadline).await;
                base.map_err(|error| Uncompared::Now(Unknown::Away, describe(&error)))?
            }
        };
        match base {
            None => github.author_of(&workload.repository, &workload.sha, timing).await,
            Some(base) if base == workload.sha => Ok(Authors { authors: Vec::new(), are_all: true }),
            Some(base) => github.authors_between(&workload.repository, (&base, &workload.sha), timing).await,
        }
    }
}
