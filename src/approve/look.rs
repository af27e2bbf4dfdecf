//! Looking at approvals: a decision that is due is made first, so that everybody who looks sees the present state.

use std::{sync::Arc, time::Duration};

use super::Stories;
use crate::{
    approval::{ApprovalId, Standing, Visibility, Workload},
    ledger::Detail,
    outbox::LeftOut,
    text::log::describe,
    timing::Timing,
};

/// The time for the work that follows a look or a decision, beside the answer.
const FOLLOW_UP_TIME: Duration = Duration::from_secs(20);

impl Stories {
    /// The approval with this id, if there is one. An error means that the store was not reached.
    pub async fn look(self: &Arc<Self>, id: &ApprovalId, timing: Timing) -> anyhow::Result<Option<Standing>> {
        self.look_in(id, Detail::Names, timing).await
    }

    /// The same, in this detail.
    pub(super) async fn look_in(
        self: &Arc<Self>,
        id: &ApprovalId,
        detail: Detail,
        timing: Timing,
    ) -> anyhow::Result<Option<Standing>> {
        let Some(standing) = self.outbox.standing(id, detail, timing.deadline).await? else {
            return Ok(None);
        };
        self.see(&standing.request);
        let (standing, has_ruled) = self.rule_if_due(standing, timing).await?;
        if has_ruled {
            let ending = standing.ending().map_or("", |ending| ending.as_str());
            log::info!("approval {}: {ending}", id.short());
            self.follow_up(id.clone(), timing);
        }
        Ok(Some(standing))
    }

    /// The approval with this id for a job of its repository, whose token tells whether that is public; none if the
    /// approval is another repository's, or if there is none.
    pub async fn look_as_job(
        self: &Arc<Self>,
        id: &ApprovalId,
        workload: &Workload,
        said: Visibility,
        timing: Timing,
    ) -> anyhow::Result<Option<Standing>> {
        let visibility = self.outbox.ledger.visibility(&workload.repository_id, timing.deadline);
        let (standing, known) = tokio::try_join!(self.look(id, timing), visibility)?;
        // T3. Another repository of the same name does not count.
        let is_own = |standing: &Standing| standing.request.workload.repository_id == workload.repository_id;
        let Some(mut standing) = standing.filter(is_own) else { return Ok(None) };
        let newest = self.note_visibility(workload, said, known, timing.deadline).await?;
        standing.request = standing.request.seen_as(Some(newest));
        Ok(Some(standing))
    }

    /// Sends the messages that follow from a vote or a decision, while nobody waits. The sweep sends what fails here.
    pub(super) fn follow_up(self: &Arc<Self>, id: ApprovalId, timing: Timing) {
        let stories = Arc::clone(self);
        self.outbox.beside(async move {
            let timing = Timing::new(timing.current(), FOLLOW_UP_TIME);
            stories.sweeper.wake(&id);
            match stories.outbox.standing(&id, Detail::Attempts, timing.deadline).await {
                Ok(Some(standing)) => {
                    // This comes first, so that other instances know of it even if this one ends.
                    if standing.ruling.is_some() {
                        stories.close(&standing, timing).await;
                    }
                    stories.outbox.carry_on(standing, LeftOut::default(), timing).await.log();
                }
                Ok(None) => {}
                Err(error) => log::warn!("approval {}: {}", id.short(), describe(&error)),
            }
        });
    }

    /// Moves an approval that was just decided to the index of decisions, while nobody waits.
    pub(super) fn close_beside(self: &Arc<Self>, standing: &Standing, timing: Timing) {
        let (stories, standing) = (Arc::clone(self), standing.clone());
        self.outbox.beside(async move {
            let timing = Timing::new(timing.current(), FOLLOW_UP_TIME);
            stories.close(&standing, timing).await;
        });
    }

    /// Takes the approval out of the index of open ones, and lists it as decided, and as released if it is. A sweep does
    /// what fails here.
    async fn close(&self, standing: &Standing, timing: Timing) {
        let (ledger, until) = (&self.outbox.ledger, timing.deadline);
        let closed = tokio::try_join!(
            ledger.remove_open(&standing.request, until),
            ledger.note_lines_of(standing, until)
        );
        if let Err(error) = closed {
            log::warn!("approval {}: {}", standing.request.id.short(), describe(&error));
        }
    }

    /// Notes a repository's visibility by a job's token, for all instances, if it is news; returns the one by the
    /// newest token. `known` was noted before.
    // T10
    pub(super) async fn note_visibility(
        &self,
        workload: &Workload,
        said: Visibility,
        known: Option<Visibility>,
        until: tokio::time::Instant,
    ) -> anyhow::Result<Visibility> {
        let newest = known.map_or(said, |known| known.max(said));
        if known.is_none_or(|known| known.is_public != newest.is_public) {
            self.outbox.ledger.note_visibility(&workload.repository_id, newest, until).await?;
        }
        Ok(newest)
    }
}
