//! The origin of a request, asked of GitHub: at asking the account that re-ran the run, at a vote that would approve
//! the commit that the ref is at.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::task::JoinHandle;

use super::{Report, Stories};
use crate::{
    approval::{
        Ending, Forbidden, Memberships, Outcome, Performer, Request, Ruling, SendAnswer, SendResult,
        Standing, Unreached, Verdict, Vote, Withdrawal,
    },
    timing::Timing,
};

/// The longest time for asking GitHub: the answer is waited for before anything is recorded.
const ASKING_TIME: Duration = Duration::from_millis(1_500);

/// The most requests that are remembered.
const MAX_SEEN: usize = 256;

/// The newest requests of this process whose refs must not move: a vote on one of them has GitHub asked beside the first
/// look into the store.
#[derive(Default)]
pub struct Seen(Mutex<VecDeque<Request>>);

/// A question that GitHub was asked ahead of the answer's turn, if it was: true if the ref has moved.
#[derive(Default)]
pub(super) struct Ahead(Option<JoinHandle<Result<bool, SendResult>>>);

impl Ahead {
    /// Asks about the ref of `request`, unless that was done before, if the vote may be one that approves. Whoever may
    /// not approve makes nobody ask anything.
    pub(super) fn ask(
        &mut self,
        stories: &Arc<Stories>,
        request: &Request,
        (vote, performer): (&Vote, &Performer),
        timing: Timing,
    ) {
        let is_asked = vote.verdict == Verdict::Approve && stories.asks_about_ref(request);
        if self.0.is_some() || !is_asked || stories.outbox.targets.github.lacks().is_some() {
            return;
        }
        let judgement = stories.policy.judge(
            &Standing::new(request.clone()),
            (performer, &Memberships::default()),
            timing.now,
        );
        // Their authors may be on record.
        if judgement.offers(Verdict::Approve) && judgement.is_open && judgement.closed.is_none() {
            let (asking, job) = (Arc::clone(stories), request.workload.clone());
            let timing = timing.within(ASKING_TIME);
            let asked = async move { asking.outbox.targets.github.has_moved(&job, timing).await };
            self.0 = Some(stories.outbox.beside(asked));
        }
    }
}

impl Stories {
    /// Remembers a request, if GitHub is asked about its ref.
    pub(super) fn see(&self, request: &Request) {
        let mut seen = self.seen.0.lock().unwrap_or_else(PoisonError::into_inner);
        if self.asks_about_ref(request) && !seen.iter().any(|seen| seen.id == request.id) {
            seen.truncate(MAX_SEEN - 1);
            seen.push_front(request.clone());
        }
    }

    /// Asks GitHub at once what the vote will need, if its request is remembered.
    pub(super) fn ask_ahead(self: &Arc<Self>, vote: &Vote, performer: &Performer, timing: Timing) -> Ahead {
        let mut ahead = Ahead::default();
        let seen = self.seen.0.lock().unwrap_or_else(PoisonError::into_inner);
        let request = seen.iter().find(|request| request.id.as_str() == vote.approval).cloned();
        drop(seen);
        if let Some(request) = request {
            ahead.ask(self, &request, (vote, performer), timing);
        }
        ahead
    }

    /// The request, with the account that re-ran its run, if that must be known.
    // T40
    pub(super) async fn known_rerunner(
        &self,
        mut request: Request,
        timing: Timing,
    ) -> Result<Request, Report> {
        let job = &request.workload;
        if !self.policy.needs_rerunner(&request.terms, job) {
            return Ok(request);
        }
        let github = &self.outbox.targets.github;
        let refused = || Outcome::Forbidden(Forbidden::UnknownRerunner(job.repository.clone()));
        if let Some(setting) = github.lacks() {
            return Err(Report::of(refused(), format!("the setting {setting} is missing")));
        }
        match github.rerunner(job, timing.within(ASKING_TIME)).await {
            Ok(login) => {
                request.workload.rerun_by = Some(login.unwrap_or_default());
                let allowed = self.policy.request(&request.terms, &request.workload);
                allowed.map(|()| request).map_err(Report::from)
            }
            Err(SendResult { what, detail, .. }) if what.is_refusal() => Err(Report::of(refused(), detail)),
            Err(result) => Err(unasked(result)),
        }
    }

    /// True if nothing is approved before GitHub has said that the ref has not moved.
    pub(super) fn asks_about_ref(&self, request: &Request) -> bool {
        request.terms.ref_must_not_move && !self.policy.dry_run
    }

    /// The ruling that is to be recorded in place of one that is due: a withdrawal if it would approve a commit that the
    /// ref is no longer at.
    ///
    /// # Errors
    /// The reason why GitHub does not tell; then nothing may be recorded.
    // T41
    pub(super) async fn unless_moved(
        &self,
        standing: &Standing,
        due: Ruling,
        ahead: Ahead,
        timing: Timing,
    ) -> Result<Ruling, SendResult> {
        let request = &standing.request;
        if due.ending != Ending::Approved || !self.asks_about_ref(request) {
            return Ok(due);
        }
        let github = &self.outbox.targets.github;
        let has_moved = match ahead.0 {
            Some(asked) => asked.await.unwrap_or_else(|_| Err(SendResult::not_tried()))?,
            None => github.has_moved(&request.workload, timing.within(ASKING_TIME)).await?,
        };
        match has_moved {
            true => {
                let withdrawn = Ruling::withdrawn(Withdrawal::ref_moved(), &standing.ballots, due.decided_at);
                Ok(Ruling { policy: due.policy, ..withdrawn })
            }
            false => Ok(due),
        }
    }
}

/// The report of a request or vote about which GitHub could not be asked.
pub(super) fn unasked(result: SendResult) -> Report {
    let unreached = match result.what {
        SendAnswer::Unauthorized | SendAnswer::PermissionDenied { .. } => Unreached::Ref,
        _ => Unreached::GitHub,
    };
    Report::of(Outcome::Unavailable(unreached), result.detail)
}
