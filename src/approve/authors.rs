//! The authors of the commits that a release brings (`SELF_APPROVAL=deny-authors`): asked of GitHub beside asking, and
//! again by whoever looks or votes while they are not known. Until they are on record nobody can approve.

use std::{sync::Arc, time::Duration};

use tokio::{task::JoinHandle, time::timeout_at};

use super::{Report, Stories};
use crate::{
    approval::{Authors, Outcome, Own, Standing, Unknown, Unreached},
    senders::github::{Access, Uncompared},
    text::log::describe,
    timing::Timing,
};

/// The longest time that a person waits for GitHub.
const WAITING_TIME: Duration = Duration::from_millis(1_500);

/// The longest time for reading them all, while nobody waits.
const BESIDE_TIME: Duration = Duration::from_secs(10);

/// The authors, once they are on record; nobody has to wait for them.
pub struct AskedAuthors(Option<JoinHandle<Option<Authors>>>, Timing);

impl AskedAuthors {
    /// The authors, if they are on record within the time that a person waits.
    pub async fn known(self) -> Option<Authors> {
        timeout_at(self.1.deadline, self.0?).await.ok()?.ok()?
    }
}

impl Stories {
    /// Asks for the authors of an open approval, if an approve needs them and they are not on record: at once, and beside
    /// all else.
    pub fn ask_for_authors(self: &Arc<Self>, standing: &Standing, timing: Timing) -> AskedAuthors {
        let is_open = standing.ruling.is_none() && timing.now < standing.request.expires_at();
        let is_needed = is_open && self.policy.needs_authors(&standing.request) && standing.authors.is_none();
        let is_asked =
            is_needed && self.outbox.compares() && self.asking_authors.begin(&standing.request.id).is_ok();
        match is_asked {
            true => self.authors_beside(standing, timing),
            false => AskedAuthors(None, timing),
        }
    }

    /// The report of an approve that comes before the authors are on record. It has GitHub asked, so that the next finds
    /// them; whoever clicks waits for that.
    pub(super) async fn before_authors(self: &Arc<Self>, mut standing: Standing, timing: Timing) -> Report {
        let (github, repository) = (&self.outbox.targets.github, &standing.request.workload.repository);
        if github.lacks().is_some() {
            return Report::from(Outcome::Misconfigured(Own::LACKS_CREDENTIALS)).about(standing);
        }
        if let Some(setting) = github.lacks_for(repository, Access::ReadContents, timing).await {
            return Report::from(Outcome::Misconfigured(setting)).about(standing);
        }
        standing.authors = self.authors_beside(&standing, timing).known().await;
        let detail = match standing.authors {
            Some(_) => "the authors of its commits were not known, and are known now",
            None => "the authors of its commits are not known",
        };
        Report::of(Outcome::Unavailable(Unreached::Authors), detail.to_owned()).about(standing)
    }

    fn authors_beside(self: &Arc<Self>, standing: &Standing, timing: Timing) -> AskedAuthors {
        let (stories, standing) = (Arc::clone(self), standing.clone());
        let beside = Timing::new(timing.current(), BESIDE_TIME);
        let asked = self.outbox.beside(async move { stories.record_authors(&standing, beside).await });
        AskedAuthors(Some(asked), timing.within(WAITING_TIME))
    }

    async fn record_authors(&self, standing: &Standing, timing: Timing) -> Option<Authors> {
        let id = &standing.request.id;
        let unknown = |detail: String| {
            log::warn!("approval {}: its authors are not known: {detail}", id.short());
            self.asking_authors.failed(id, Unknown::Away);
            None
        };
        let authors = match self.all_authors(standing, timing).await {
            Ok(authors) => authors,
            // They can never be read, so nobody can tell that an approver wrote none of them.
            Err(Uncompared::Never(_)) => Authors::default(),
            Err(Uncompared::Now(_, detail)) => return unknown(detail),
        };
        match self.outbox.ledger.note_authors(id, authors, timing.deadline).await {
            Ok(recorded) => {
                // Votes of before may suffice now.
                self.sweeper.wake(id);
                Some(recorded)
            }
            Err(error) => unknown(describe(&error)),
        }
    }
}
