//! The stories, straight lines: what is asked for or clicked is held against the policy, then recorded, then
//! delivered, and what became of it is the outcome.
//!
//! Once begun, a story goes on to its end even where nobody waits for the answer any more.

mod ask;
mod look;
mod relay;
mod vote;

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

pub use self::{
    ask::{Asking, Recording},
    look::List,
};
use crate::{
    approval::{
        Click, Decision, Dispatch, DispatchAnswer, EventType, Outcome, Performer, Policy, Repository,
        Standing, Unreached,
    },
    ledger::{AttemptResult, Next, Unreadable},
    outbox::{Delivered, Outbox, Said},
    text::log::describe,
    timing::Timing,
};

/// How long recording may take. What is not known to be recorded by then is answered `unavailable`, while there
/// still is time to answer.
const RECORDING_TIME: Duration = Duration::from_millis(3_200);

/// Decides clicks and carries them out.
pub struct Approvals {
    /// The operator's rules.
    pub policy: Arc<Policy>,
    /// The ledger, and the way to GitHub.
    pub outbox: Outbox,
    /// The requests that are being recorded.
    pub recording: Recording,
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

impl Report {
    /// A report with something for the log.
    pub fn of(outcome: Outcome, detail: String) -> Self {
        Self { outcome, detail }
    }
}

impl From<Outcome> for Report {
    fn from(outcome: Outcome) -> Self {
        let detail = match &outcome {
            Outcome::Misconfigured(setting) => format!("the setting {setting} is missing"),
            _ => String::new(),
        };
        Self::of(outcome, detail)
    }
}

impl Approvals {
    /// Decides a click and carries it out, answering in time.
    pub async fn click(self: &Arc<Self>, clicked: Clicked, timing: Timing) -> Report {
        let Clicked { click, repository, performer } = clicked;
        let by = performer.to_string();
        let mut report = match click {
            Click::Vote(vote) => {
                let approvals = Arc::clone(self);
                let story =
                    self.outbox.tasks.spawn(async move { approvals.vote(vote, performer, timing).await });
                story.await.unwrap_or_else(|error| broken(&error.into()))
            }
            Click::Relay(relay) => match self.policy.relay(relay, repository, &performer) {
                Err(outcome) => outcome.into(),
                Ok(dispatch) => {
                    let decision = Decision::new(dispatch, performer, timing.now);
                    let approvals = Arc::clone(self);
                    let story =
                        self.outbox.tasks.spawn(async move { approvals.relay(&decision, timing).await });
                    story.await.unwrap_or_else(|error| broken(&error.into()))
                }
            },
        };
        report.detail = [format!("by {by}"), report.detail].join(", ").trim_end_matches(", ").to_owned();
        report
    }

    /// Until when what is recorded first must be recorded.
    fn recorded_by(timing: Timing) -> Instant {
        timing.deadline.min(Instant::now() + RECORDING_TIME)
    }
}

/// An event, and the repository that is to get it.
type Event<'a> = (&'a EventType, &'a Repository);

/// What is said of a dispatch that this very click decided. Recorded is recorded: the next sweep sends what this did not.
fn sent_now(said: anyhow::Result<Said>, event: Event) -> Report {
    let recorded = |detail| Report::of(Outcome::Recorded(event.1.clone(), None), detail);
    match said {
        Ok(Said { delivered: Delivered::OnItsWay, detail }) => recorded(detail),
        Ok(Said { delivered, detail }) => Report::of(outcome(delivered, event), detail),
        Err(error) => recorded(describe(&error)),
    }
}

/// What is said of a dispatch that was decided before.
fn sent_again(said: anyhow::Result<Said>, event: Event) -> Report {
    match said {
        Ok(Said { delivered, detail }) => Report::of(outcome(delivered, event), detail),
        Err(error) => failed(Unreached::Progress, &error),
    }
}

fn event_of(dispatch: &Dispatch) -> Event<'_> {
    (&dispatch.event_type, &dispatch.repository)
}

/// What a click says of its message.
fn outcome(delivered: Delivered, (event_type, repository): Event) -> Outcome {
    let (event_type, repository) = (event_type.clone(), repository.clone());
    match delivered {
        Delivered::Arrived => Outcome::Dispatched(event_type, repository),
        Delivered::Before => Outcome::AlreadyDecided(repository, Standing::Delivered),
        Delivered::OnItsWay => Outcome::AlreadyDecided(repository, Standing::OnItsWay),
        Delivered::Failed(result) => failed_attempt(result, repository),
        Delivered::Dead(until) => Outcome::GivenUp(repository, until),
        Delivered::TooLate => Outcome::Expired(repository),
        Delivered::NoRoute => Outcome::Misconfigured("GITHUB_TOKEN"),
    }
}

fn failed_attempt(result: AttemptResult, repository: Repository) -> Outcome {
    let AttemptResult { answer, next, asked_to_wait_until, ended_at, .. } = result;
    let wait_s = asked_to_wait_until.map_or(0, |until| (until - ended_at).num_seconds());
    match (next, answer) {
        (_, answer) if answer.is_refusal() => Outcome::Refused(repository, answer),
        (Next::NotBefore(_), DispatchAnswer::ServerError(status)) if wait_s > 0 => {
            Outcome::Postponed(repository, status, wait_s.unsigned_abs())
        }
        (Next::NotBefore(_), answer) => Outcome::Recorded(repository, Some(answer)),
        (Next::Dead, _) => Outcome::GivenUp(repository, asked_to_wait_until),
    }
}

/// The report of a story that ended in an error of the store.
pub fn failed(unreached: Unreached, error: &anyhow::Error) -> Report {
    let unreached = if error.is::<Unreadable>() { Unreached::Record } else { unreached };
    Report::of(Outcome::Unavailable(unreached), describe(error))
}

/// A story that came to no end of its own, so that nobody knows how far it came.
fn broken(error: &anyhow::Error) -> Report {
    failed(Unreached::Progress, error)
}
