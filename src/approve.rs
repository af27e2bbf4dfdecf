//! The story of a click, a straight line: policy, then the ledger, then GitHub, then the outcome.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use crate::{
    approval::{Click, Decision, Dispatch, Outcome, Policy, Relay, Repository, Standing},
    delivery::{Delivered, Delivery, Occasion},
    host::Timing,
    ledger::{Message, Next, Recorded},
    printable::printable,
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
    /// Decides `click` and carries it out, answering in time. `repository` is the one that the button's address
    /// names.
    ///
    /// Once begun it goes on to its end even where nobody waits for the answer any more.
    pub async fn click(
        self: &Arc<Self>,
        click: Click,
        repository: Option<Repository>,
        timing: Timing,
    ) -> Report {
        match click {
            Click::Vote(_) => Outcome::Unknown.into(),
            Click::Relay(relay) => {
                let approvals = Arc::clone(self);
                let story = tokio::spawn(async move { approvals.relay(relay, repository, timing).await });
                story.await.unwrap_or_else(|error| unavailable(&error.into()))
            }
        }
    }

    async fn relay(&self, relay: Relay, repository: Option<Repository>, timing: Timing) -> Report {
        let dispatch = match self.policy.relay(relay, repository) {
            Ok(dispatch) => dispatch,
            Err(outcome) => return outcome.into(),
        };
        let decision = Decision::new(dispatch, timing.now);
        let mut report = match self.decide(&decision, timing).await {
            Ok(report) => report,
            Err(error) => unavailable(&error),
        };
        let event_type = printable(decision.dispatch.event_type.as_str(), 100);
        let about =
            format!("decision {}, {event_type} for {}", decision.id.short(), decision.dispatch.repository);
        report.detail = match report.detail.is_empty() {
            true => about,
            false => format!("{about}: {}", report.detail),
        };
        report
    }

    /// An error means that the decision is not known to be recorded, and that nothing was sent.
    async fn decide(&self, decision: &Decision, timing: Timing) -> anyhow::Result<Report> {
        let ledger = &self.delivery.ledger;
        let until = timing.deadline.min(Instant::now() + RECORDING_TIME);
        if let Some(before) = ledger.decision(&decision.id, until).await? {
            return self.decided_before(&before, timing).await;
        }
        if !self.dry_run {
            if self.delivery.github.is_none() {
                return Ok(Outcome::Misconfigured("GITHUB_TOKEN").into());
            }
            ledger.expect(&Message::Dispatch(decision.id.clone()), until).await?;
        }
        match ledger.record(decision, until).await? {
            Recorded::First => Ok(self.decided_now(decision, timing).await),
            Recorded::Before(before) => self.decided_before(&before, timing).await,
        }
    }

    async fn decided_now(&self, decision: &Decision, timing: Timing) -> Report {
        let Dispatch { event_type, repository, .. } = decision.dispatch.clone();
        if self.dry_run {
            return Outcome::DryRun(event_type, repository).into();
        }
        match self.delivery.deliver(decision, Occasion::Decided, timing).await {
            Ok((delivered, detail)) => {
                Report { outcome: outcome(delivered, decision, Occasion::Decided), detail }
            }
            // Recorded is recorded: the next sweep sends it.
            Err(error) => Report { outcome: Outcome::Recorded(repository, None), detail: printed(&error) },
        }
    }

    async fn decided_before(&self, decision: &Decision, timing: Timing) -> anyhow::Result<Report> {
        if self.dry_run {
            let repository = decision.dispatch.repository.clone();
            return Ok(Outcome::AlreadyDecided(repository, Standing::DryRun).into());
        }
        let (delivered, detail) = self.delivery.deliver(decision, Occasion::Click, timing).await?;
        Ok(Report { outcome: outcome(delivered, decision, Occasion::Click), detail })
    }
}

/// What a click says of its message.
fn outcome(delivered: Delivered, decision: &Decision, occasion: Occasion) -> Outcome {
    let Dispatch { event_type, repository, .. } = decision.dispatch.clone();
    match delivered {
        Delivered::Arrived => Outcome::Dispatched(event_type, repository),
        Delivered::Before => Outcome::AlreadyDecided(repository, Standing::Delivered),
        Delivered::OnItsWay if occasion == Occasion::Decided => Outcome::Recorded(repository, None),
        Delivered::OnItsWay => Outcome::AlreadyDecided(repository, Standing::OnItsWay),
        Delivered::Failed(answer, _) if answer.is_refusal() => Outcome::Refused(repository, answer),
        Delivered::Failed(answer, Next::NotBefore(_)) => Outcome::Recorded(repository, Some(answer)),
        Delivered::Failed(_, Next::Dead) | Delivered::Dead => Outcome::GivenUp(repository),
        Delivered::TooLate => Outcome::Expired(repository),
        Delivered::NoToken => Outcome::Misconfigured("GITHUB_TOKEN"),
    }
}

fn unavailable(error: &anyhow::Error) -> Report {
    Report { outcome: Outcome::Unavailable, detail: printed(error) }
}

fn printed(error: &anyhow::Error) -> String {
    printable(&format!("{error:#}"), 500)
}
