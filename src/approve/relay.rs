//! The story of a relayed click: the button carried what GitHub shall get.

use super::{Approvals, Report, event_of, failed, sent_again, sent_now};
use crate::{
    approval::{Decision, Dispatch, Outcome, Standing, Unreached},
    host::Timing,
    ledger::{Entry, Recorded, Subject},
    printable::printable,
};

impl Approvals {
    pub(super) async fn relay(&self, decision: &Decision, timing: Timing) -> Report {
        let mut report =
            self.decide(decision, timing).await.unwrap_or_else(|error| failed(Unreached::Store, &error));
        let Dispatch { event_type, repository, .. } = &decision.dispatch;
        let event_type = printable(event_type.as_str(), 100);
        let about = format!("decision {}, {event_type} for {repository}", decision.id.short());
        report.detail = [about, report.detail].join(": ").trim_end_matches(": ").to_owned();
        report
    }

    /// An error means that the decision is not known to be recorded, and that nothing was sent.
    async fn decide(&self, decision: &Decision, timing: Timing) -> anyhow::Result<Report> {
        let ledger = &self.delivery.ledger;
        let until = Self::recorded_by(timing);
        if let Some(before) = ledger.decision(&decision.id, until).await? {
            return Ok(self.decided_before(&before, timing).await);
        }
        let subject = Subject::Relayed(decision.id.clone());
        if self.delivery.dry_run {
            ledger.list_as(&subject, decision.decided_at, until).await?;
            return match ledger.record(decision, until).await? {
                Recorded::First => Ok(dry_run(decision)),
                Recorded::Before(before) => Ok(self.decided_before(&before, timing).await),
            };
        }
        if self.delivery.routes.github.is_none() {
            return Ok(Outcome::Misconfigured("GITHUB_TOKEN").into());
        }
        let (entry, ()) = tokio::try_join!(
            ledger.expect(&subject, until),
            ledger.list_as(&subject, decision.decided_at, until)
        )?;
        match ledger.record(decision, until).await? {
            Recorded::First => Ok(self.decided_now(decision, entry, timing).await),
            Recorded::Before(before) => {
                // Whoever was first has an entry of their own; should ours stay, a sweep finds it.
                let _ = ledger.settle(&entry, timing.deadline).await;
                Ok(self.decided_before(&before, timing).await)
            }
        }
    }

    async fn decided_now(&self, decision: &Decision, entry: Entry, timing: Timing) -> Report {
        sent_now(self.delivery.deliver_now(decision, entry, timing).await, event_of(&decision.dispatch))
    }

    async fn decided_before(&self, decision: &Decision, timing: Timing) -> Report {
        if self.delivery.dry_run {
            let repository = decision.dispatch.repository.clone();
            return Outcome::AlreadyDecided(repository, Standing::DryRun).into();
        }
        sent_again(self.delivery.deliver_again(decision, timing).await, event_of(&decision.dispatch))
    }
}

fn dry_run(decision: &Decision) -> Report {
    let Dispatch { event_type, repository, .. } = decision.dispatch.clone();
    Outcome::DryRun(event_type, repository).into()
}
