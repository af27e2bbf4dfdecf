//! The story of a relayed click: the button carried the event for GitHub.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{Event, Report, Stories, doubt, failed};
use crate::{
    approval::{Decision, Earlier, Outcome, Progress, RelayStanding, RepositoryDispatch, Subject, Unreached},
    ledger::{Decided, Entry, InDoubt, Line, Recorded},
    outbox::{Claimed, Matter},
    senders::github::Access,
    text::log::{describe, printable},
    timing::Timing,
};

/// The time for taking out an entry that nobody needs.
const SETTLED_WITHIN: Duration = Duration::from_secs(5);

impl Stories {
    pub(super) async fn relay(self: &Arc<Self>, decision: Decision, timing: Timing) -> Report {
        let RepositoryDispatch { event_type, repository, .. } = &decision.dispatch;
        let event_type = printable(event_type.as_str(), 100);
        let about = format!("decision {}, {event_type} for {repository}", decision.id.short());
        let report = self.decide(decision, timing).await;
        report.unwrap_or_else(|error| failed(Unreached::Store, &error)).with(&about, ": ")
    }

    /// After an error the decision may be recorded or not, and nothing was sent.
    async fn decide(self: &Arc<Self>, decision: Decision, timing: Timing) -> anyhow::Result<Report> {
        let ledger = &self.outbox.ledger;
        let until = Self::recorded_by(timing);
        let subject = Subject::Relayed(decision.id.clone());
        let lacks = match self.policy.dry_run {
            true => None,
            false => {
                let repository = &decision.dispatch.repository;
                self.outbox.targets.github.lacks_for(repository, Access::SendEvent, timing).await
            }
        };
        let sends = !self.policy.dry_run && lacks.is_none();
        // The index comes first, so that the decision is never forgotten. Nearly every click is a new decision, so this
        // does not wait to learn whether it is.
        let note = async { if sends { Some(ledger.note_pending(&subject, until).await) } else { None } };
        let (before, entry) = tokio::join!(ledger.decision(&decision.id, until), note);
        if let Some(before) = before? {
            self.settle_beside(entry.and_then(Result::ok));
            return Ok(self.decided_before(before, timing).await);
        }
        if self.policy.dry_run {
            return self.decide_dry(decision, until).await;
        }
        if let Some(setting) = lacks {
            return Ok(Outcome::Misconfigured(setting).into());
        }
        let entry = entry.transpose()?;
        let attempt = self.outbox.first_attempt(timing);
        match ledger.record(decision, Some(&attempt), until).await? {
            Recorded::First(decision) => {
                let claimed = Claimed { attempt, entry, lines: lines_of(&decision) };
                Ok(self.decided_now(decision, claimed, timing).await)
            }
            Recorded::Before(before) => {
                self.settle_beside(entry);
                Ok(self.decided_before(before, timing).await)
            }
            Recorded::InDoubt(doubt, error) => {
                let lines = lines_of(&doubt.decision);
                self.resolve_beside(doubt, Claimed { attempt, entry, lines }, timing);
                Err(error)
            }
        }
    }

    async fn decided_now(&self, decision: Decision, claimed: Claimed, timing: Timing) -> Report {
        let relay = RelayStanding { decision, progress: Progress::Untried };
        let sent = self.outbox.send_event(Matter::Relay(&relay), claimed, timing).await;
        let RepositoryDispatch { repository, .. } = &relay.decision.dispatch;
        Event { name: &relay.decision.dispatch.name(), repository }.sent_now(sent)
    }

    /// Sends a decision that turns out to be ours, while nobody waits.
    fn resolve_beside(self: &Arc<Self>, doubt: InDoubt<Decision>, claimed: Claimed, timing: Timing) {
        let stories = Arc::clone(self);
        self.outbox.beside(async move {
            match doubt::resolve(&stories.outbox.ledger, &doubt).await {
                Some(true) => {
                    let id = doubt.decision.id.clone();
                    let timing = Timing::new(timing.current(), doubt::SENDING_TIME);
                    let report = stories.decided_now(doubt.decision, claimed, timing).await;
                    log::info!("decision {}: {}, {}", id.short(), report.outcome.name(), report.detail);
                }
                Some(false) => stories.settle_beside(claimed.entry),
                None => {}
            }
        });
    }

    /// A dry run has no entry in the index, so its line comes first.
    async fn decide_dry(&self, decision: Decision, until: Instant) -> anyhow::Result<Report> {
        let ledger = &self.outbox.ledger;
        let lines = lines_of(&decision);
        futures_util::future::try_join_all(lines.iter().map(|line| ledger.note_line(line, until))).await?;
        match ledger.record(decision, None, until).await? {
            Recorded::First(decision) => {
                let dispatch = decision.dispatch;
                Ok(Outcome::DryRun(Some(dispatch.name()), dispatch.repository).into())
            }
            Recorded::Before(before) => Ok(decided_dry(&before)),
            Recorded::InDoubt(_, error) => Err(error),
        }
    }

    /// Takes our entry out of the index, beside the answer: the first click has one of its own. If ours stays, a sweep
    /// finds it.
    fn settle_beside(&self, entry: Option<Entry>) {
        let Some(entry) = entry else { return };
        let ledger = Arc::clone(&self.outbox.ledger);
        self.outbox.beside(async move {
            if let Err(error) = ledger.settle(&entry, Instant::now() + SETTLED_WITHIN).await {
                log::debug!("an entry of the index stays for now: {}", describe(&error));
            }
        });
    }

    async fn decided_before(&self, before: Decided<Decision>, timing: Timing) -> Report {
        if self.policy.dry_run {
            return decided_dry(&before);
        }
        let dispatch = before.decision.dispatch.clone();
        let sent = async {
            let relay = self.outbox.ledger.standing_of_relay(before, timing.deadline).await?;
            self.outbox.send_event_again(Matter::Relay(&relay), timing).await
        };
        Event { name: &dispatch.name(), repository: &dispatch.repository }.sent_again(sent.await)
    }
}

fn decided_dry(before: &Decided<Decision>) -> Report {
    Outcome::AlreadyDecided(before.decision.dispatch.repository.clone(), Earlier::DryRun).into()
}

/// The lines that a decision has in the list.
fn lines_of(decision: &Decision) -> Vec<Line> {
    let subject = Subject::Relayed(decision.id.clone());
    vec![Line::listed(&subject, decision.decided_at), Line::decided(&subject, decision.decided_at)]
}
