//! The story of a relayed click: the button carried what GitHub shall get.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{Approvals, Report, event_of, failed, sent_again, sent_now};
use crate::{
    approval::{Decision, Dispatch, Outcome, Standing, Unreached},
    ledger::{Decided, Entry, Recorded, Subject},
    text::log::printable,
    timing::Timing,
};

/// How long it is tried to take out an entry that nobody needs.
const WITHDRAWN_WITHIN: Duration = Duration::from_secs(5);

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
        let ledger = &self.outbox.ledger;
        let until = Self::recorded_by(timing);
        let subject = Subject::Relayed(decision.id.clone());
        let sends = !self.outbox.dry_run && self.outbox.routes.github.is_some();
        // The index first, so that the decision is never forgotten: nearly every click decides something new, and so need
        // not wait for the answer to whether it does.
        let expect = async { if sends { Some(ledger.expect(&subject, until).await) } else { None } };
        let (before, entry) = tokio::join!(ledger.decision(&decision.id, until), expect);
        if let Some(before) = before? {
            self.withdraw(entry.and_then(Result::ok));
            return Ok(self.decided_before(&before, timing).await);
        }
        if self.outbox.dry_run {
            ledger.list_as(&subject, decision.decided_at, until).await?;
            return match ledger.record(decision, None, until).await? {
                Recorded::First => Ok(dry_run(decision)),
                Recorded::Before(before) => Ok(self.decided_before(&before, timing).await),
            };
        }
        let Some(entry) = entry.transpose()? else {
            return Ok(Outcome::Misconfigured("GITHUB_TOKEN").into());
        };
        let attempt = self.outbox.first_attempt(Some(&entry), timing);
        match ledger.record(decision, Some(&attempt), until).await? {
            Recorded::First => {
                let said = self.outbox.deliver_now(decision, (attempt, entry), timing).await;
                Ok(sent_now(Ok(said), event_of(&decision.dispatch)))
            }
            Recorded::Before(before) => {
                self.withdraw(Some(entry));
                Ok(self.decided_before(&before, timing).await)
            }
        }
    }

    /// Takes out our entry in the index, beside the answer: whoever was first has one of their own. Should ours stay, a
    /// sweep finds it.
    fn withdraw(&self, entry: Option<Entry>) {
        let Some(entry) = entry else { return };
        let ledger = Arc::clone(&self.outbox.ledger);
        self.outbox
            .tasks
            .spawn(async move { ledger.settle(&entry, Instant::now() + WITHDRAWN_WITHIN).await });
    }

    async fn decided_before(&self, before: &Decided, timing: Timing) -> Report {
        let dispatch = &before.decision.dispatch;
        if self.outbox.dry_run {
            return Outcome::AlreadyDecided(dispatch.repository.clone(), Standing::DryRun).into();
        }
        sent_again(self.outbox.deliver_again(before, timing).await, event_of(dispatch))
    }
}

fn dry_run(decision: &Decision) -> Report {
    let Dispatch { event_type, repository, .. } = decision.dispatch.clone();
    Outcome::DryRun(event_type, repository).into()
}
