//! The story of a click, a straight line: policy, then the ledger, then GitHub, then the outcome.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use crate::{
    approval::{Click, Decision, Dispatch, Outcome, Performer, Policy, Repository, Standing, Unreached},
    delivery::{Delivered, Delivery, Said},
    host::Timing,
    ledger::{Entry, Message, Next, Recorded},
    printable::{describe, printable},
};

/// How long recording may take. What is not known to be recorded by then is answered `unavailable`, while there
/// still is time to answer.
const RECORDING_TIME: Duration = Duration::from_millis(2_500);

/// Decides clicks and carries them out.
pub struct Approvals {
    /// The operator's rules.
    pub policy: Policy,
    /// The ledger, and the way to GitHub.
    pub delivery: Delivery,
    /// Everything but the call to GitHub.
    pub dry_run: bool,
}

/// A click, and what is known besides.
#[derive(Debug)]
pub struct Clicked {
    /// What it asks for.
    pub click: Click,
    /// The repository that the button's address names, if it names one.
    pub repository: Option<Repository>,
    /// Whose click it is.
    pub performer: Performer,
}

/// What became of a click, and what the log says of it besides.
#[derive(Debug)]
pub struct Report {
    /// What became of it.
    pub outcome: Outcome,
    /// For the operator; printable, and no secret in it.
    pub detail: String,
}

impl From<Outcome> for Report {
    fn from(outcome: Outcome) -> Self {
        let detail = match &outcome {
            Outcome::Misconfigured(setting) => format!("the setting {setting} is missing"),
            _ => String::new(),
        };
        Self { outcome, detail }
    }
}

impl Approvals {
    /// Decides a click and carries it out, answering in time.
    ///
    /// Once begun it goes on to its end even where nobody waits for the answer any more.
    pub async fn click(self: &Arc<Self>, clicked: Clicked, timing: Timing) -> Report {
        let Clicked { click, repository, performer } = clicked;
        let by = performer.to_string();
        let mut report = match click {
            Click::Vote(_) => Outcome::Unknown.into(),
            Click::Relay(relay) => match self.policy.relay(relay, repository, &performer) {
                Err(outcome) => outcome.into(),
                Ok(dispatch) => {
                    let decision = Decision::new(dispatch, performer, timing.now);
                    let approvals = Arc::clone(self);
                    let story = tokio::spawn(async move { approvals.relay(&decision, timing).await });
                    story.await.unwrap_or_else(|error| broken(&error.into()))
                }
            },
        };
        report.detail = [format!("by {by}"), report.detail].join(", ").trim_end_matches(", ").to_owned();
        report
    }

    async fn relay(&self, decision: &Decision, timing: Timing) -> Report {
        let mut report = self.decide(decision, timing).await.unwrap_or_else(|error| Report {
            outcome: Outcome::Unavailable(Unreached::Store),
            detail: describe(&error),
        });
        let Dispatch { event_type, repository, .. } = &decision.dispatch;
        let event_type = printable(event_type.as_str(), 100);
        let about = format!("decision {}, {event_type} for {repository}", decision.id.short());
        report.detail = [about, report.detail].join(": ").trim_end_matches(": ").to_owned();
        report
    }

    /// An error means that the decision is not known to be recorded, and that nothing was sent.
    async fn decide(&self, decision: &Decision, timing: Timing) -> anyhow::Result<Report> {
        let ledger = &self.delivery.ledger;
        let until = timing.deadline.min(Instant::now() + RECORDING_TIME);
        if let Some(before) = ledger.decision(&decision.id, until).await? {
            return Ok(self.decided_before(&before, timing).await);
        }
        if self.dry_run {
            return match ledger.record(decision, until).await? {
                Recorded::First => Ok(dry_run(decision)),
                Recorded::Before(before) => Ok(self.decided_before(&before, timing).await),
            };
        }
        if self.delivery.github.is_none() {
            return Ok(Outcome::Misconfigured("GITHUB_TOKEN").into());
        }
        let entry = ledger.expect(&Message::Dispatch(decision.id.clone()), until).await?;
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
        match self.delivery.deliver_now(decision, entry, timing).await {
            Ok(Said { delivered: Delivered::OnItsWay, detail }) => recorded(decision, detail),
            Ok(Said { delivered, detail }) => Report { outcome: outcome(delivered, decision), detail },
            // Recorded is recorded: the next sweep sends it.
            Err(error) => recorded(decision, describe(&error)),
        }
    }

    async fn decided_before(&self, decision: &Decision, timing: Timing) -> Report {
        if self.dry_run {
            let repository = decision.dispatch.repository.clone();
            return Outcome::AlreadyDecided(repository, Standing::DryRun).into();
        }
        match self.delivery.deliver_again(decision, timing).await {
            Ok(Said { delivered, detail }) => Report { outcome: outcome(delivered, decision), detail },
            Err(error) => {
                Report { outcome: Outcome::Unavailable(Unreached::Progress), detail: describe(&error) }
            }
        }
    }
}

fn dry_run(decision: &Decision) -> Report {
    let Dispatch { event_type, repository, .. } = decision.dispatch.clone();
    Outcome::DryRun(event_type, repository).into()
}

fn recorded(decision: &Decision, detail: String) -> Report {
    Report { outcome: Outcome::Recorded(decision.dispatch.repository.clone(), None), detail }
}

/// What a click says of its message.
fn outcome(delivered: Delivered, decision: &Decision) -> Outcome {
    let Dispatch { event_type, repository, .. } = decision.dispatch.clone();
    match delivered {
        Delivered::Arrived => Outcome::Dispatched(event_type, repository),
        Delivered::Before => Outcome::AlreadyDecided(repository, Standing::Delivered),
        Delivered::OnItsWay => Outcome::AlreadyDecided(repository, Standing::OnItsWay),
        Delivered::Failed(answer, _) if answer.is_refusal() => Outcome::Refused(repository, answer),
        Delivered::Failed(answer, Next::NotBefore(_)) => Outcome::Recorded(repository, Some(answer)),
        Delivered::Failed(_, Next::Dead) | Delivered::Dead => Outcome::GivenUp(repository),
        Delivered::TooLate => Outcome::Expired(repository),
        Delivered::NoToken => Outcome::Misconfigured("GITHUB_TOKEN"),
    }
}

/// A story that came to no end of its own, so that nobody knows how far it came.
fn broken(error: &anyhow::Error) -> Report {
    Report { outcome: Outcome::Unavailable(Unreached::Progress), detail: describe(error) }
}
