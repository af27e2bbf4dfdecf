//! The story of a withdrawal: an approval is taken back before anything is decided, by a person, by the run that asked
//! or by a newer one that takes its place. It is a decision like the others: the first wins.

use std::sync::Arc;

use futures_util::{StreamExt, stream};

use super::{Report, Stories, broken, failed, vote::shown};
use crate::{
    approval::{
        ApprovalId, Earlier, Ending, Outcome, Request, Ruling, Standing, Unreached, Withdrawal, Withdrawer,
    },
    ledger::{Detail, Open, Recorded},
    text::log::{describe, printable},
    timing::Timing,
};

/// The most approvals that are withdrawn at the same time for a newer run.
const WITHDRAWN_AT_ONCE: usize = 8;

impl Stories {
    /// Withdraws the approval with this standing, unless it has ended. The story goes on even if the caller goes away.
    pub async fn withdraw(
        self: &Arc<Self>,
        standing: Standing,
        withdrawal: Withdrawal,
        timing: Timing,
    ) -> Report {
        let by = match withdrawal.by {
            Withdrawer::Person(performer) => Withdrawer::Person(shown(performer)),
            by @ (Withdrawer::Run(_) | Withdrawer::RefMoved) => by,
        };
        let withdrawal = Withdrawal { by, ..withdrawal };
        let (by, id) = (describe_withdrawer(&withdrawal.by), standing.request.id.clone());
        let stories = Arc::clone(self);
        let story = self.outbox.beside(async move { stories.take_back(standing, withdrawal, timing).await });
        let report = match story.await {
            Ok(Ok(report)) => report,
            Ok(Err(error)) => failed(Unreached::Store, &error),
            Err(error) => broken(&error.into()),
        };
        report.with(&format!("withdrawal of approval {}", id.short()), ": ").with(&by, ", ")
    }

    /// After an error it may be withdrawn or not.
    async fn take_back(
        self: &Arc<Self>,
        standing: Standing,
        withdrawal: Withdrawal,
        timing: Timing,
    ) -> anyhow::Result<Report> {
        // Votes that suffice have decided, also if nobody has counted them yet.
        let (standing, has_ruled) = self.rule_if_due(standing, timing).await?;
        if has_ruled {
            self.follow_up(standing.request.id.clone(), timing);
        }
        let repository = standing.request.workload.repository.clone();
        match standing.ending() {
            Some(Ending::Withdrawn) => {
                let already = Outcome::AlreadyDecided(repository, Earlier::Withdrawn);
                return Ok(Report::from(already).about(standing));
            }
            Some(ending) => {
                return Ok(Report::from(Outcome::TooLateToWithdraw(ending, repository)).about(standing));
            }
            None => {}
        }
        let (id, until) = (standing.request.id.clone(), Self::recorded_by(timing));
        let policy = self.policy.settled(&standing.request, &standing.ballots);
        let policy = policy.map(Box::new);
        let ruling = Ruling { policy, ..Ruling::withdrawn(withdrawal, &standing.ballots, timing.now) };
        match self.outbox.ledger.rule(&id, ruling, None, until).await? {
            Recorded::First(ruling) => {
                let standing = standing.ruled(ruling);
                self.close_beside(&standing, timing);
                self.follow_up(id, timing);
                Ok(Report::from(Outcome::Withdrawn(repository)).about(standing))
            }
            Recorded::Before(before) => {
                // T10. The request as it was seen, with its repository's newest visibility.
                let request = standing.request.clone();
                let now = self.outbox.standing(&id, Detail::Names, timing.deadline).await?;
                let now = now.unwrap_or_else(|| standing.ruled(before.decision));
                let standing = Standing { request, ..now };
                let outcome = match standing.ending() {
                    Some(ending) if ending != Ending::Withdrawn => {
                        Outcome::TooLateToWithdraw(ending, repository)
                    }
                    _ => Outcome::AlreadyDecided(repository, Earlier::Withdrawn),
                };
                Ok(Report::from(outcome).about(standing))
            }
            Recorded::InDoubt(doubt, error) => {
                self.resolve_ruling_beside(standing, doubt, None, timing);
                Err(error)
            }
        }
    }

    /// Withdraws what earlier runs of the workflow of `request` asked for and `request` takes the place of.
    ///
    /// Its own note stands by now, so that of two requests at the same moment one at least sees the other. The log says
    /// what stays open, because the store broke or time ran out; a sweep tries that again.
    pub(super) async fn supersede(self: &Arc<Self>, request: &Request, timing: Timing) {
        // Which workflow asked is not known then, and any could pass for it.
        if request.workload.workflow_ref.is_none() {
            return;
        }
        let open = match self.outbox.ledger.open_in(&request.workload.repository_id, timing.deadline).await {
            Ok(open) => open,
            Err(error) => {
                log::warn!("approval {} supersedes nothing yet: {}", request.id.short(), describe(&error));
                return;
            }
        };
        let own = Open::of(request);
        let earlier = open.iter().filter(|open| open.is_superseded_by(&own)).map(|open| &open.id);
        let run_id = &request.workload.run_id;
        stream::iter(earlier)
            .for_each_concurrent(WITHDRAWN_AT_ONCE, |id| self.take_place_of(id, run_id, timing))
            .await;
    }

    async fn take_place_of(self: &Arc<Self>, id: &ApprovalId, run_id: &str, timing: Timing) {
        let withdrawal = Withdrawal { by: Withdrawer::Run(run_id.to_owned()), comment: String::new() };
        let taken_back = async {
            match self.outbox.standing(id, Detail::Names, timing.deadline).await? {
                Some(standing) => self.take_back(standing, withdrawal, timing).await.map(Some),
                None => Ok(None),
            }
        };
        match taken_back.await {
            Ok(report) => log::info!(
                "approval {}: {}, by run {run_id}",
                id.short(),
                report.map_or("never opened", |report| report.outcome.name())
            ),
            Err(error) => log::warn!("approval {} is not superseded: {}", id.short(), describe(&error)),
        }
    }
}

fn describe_withdrawer(withdrawer: &Withdrawer) -> String {
    match withdrawer {
        Withdrawer::Person(performer) => format!("by {performer}"),
        Withdrawer::RefMoved => "since the ref has moved".to_owned(),
        Withdrawer::Run(id) => format!("by run {}", printable(id, 40)),
    }
}
