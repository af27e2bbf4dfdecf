//! The stories, straight lines: a request or a click is checked against the policy, then recorded, then
//! delivered, and the result is the outcome.
//!
//! Once begun, a story goes on to its end, even if nobody waits for the answer any more.

mod ask;
mod authors;
mod changes;
mod doubt;
mod groups;
mod list;
mod look;
mod origin;
mod relay;
mod run;
mod sample;
mod silent;
mod sweep;
mod vote;
mod withdraw;

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

pub use self::{
    ask::{NewRequest, Recording},
    list::{Cursor, List},
    sweep::Sweeper,
};
use crate::{
    approval::{
        AttemptResult, Click, Decision, DispatchName, Earlier, Forbidden, Memberships, Next, Outcome,
        Performer, Policy, Relay, Repository, RepositoryDispatch, Request, SendAnswer, Standing, Unreached,
    },
    ledger::Unreadable,
    outbox::{Delivered, Outbox, Sent},
    senders::graph::Graph,
    text::log::describe,
    timing::Timing,
};

/// The longest time for recording. A click that is not known to be recorded by then is answered `unavailable`, while
/// there is still time to answer.
const RECORDING_TIME: Duration = Duration::from_millis(3_200);

/// Decides clicks and carries them out.
pub struct Stories {
    /// The operator's rules.
    pub policy: Arc<Policy>,
    /// The ledger, and the way to GitHub and the channels.
    pub outbox: Outbox,
    /// The groups that approvers may be in.
    pub groups: Graph,
    /// The requests that are being recorded.
    recording: Recording,
    /// The requests about whose refs GitHub is asked.
    seen: origin::Seen,
    /// The memory of the comparisons.
    comparing: changes::Comparing,
    /// The memory of asking for authors.
    asking_authors: changes::Comparing,
    /// The memory of the sweeps.
    pub sweeper: Sweeper,
    /// The repositories whose runs may not be asked about.
    refusals: silent::Refusals,
}

/// A click, with its repository and performer.
#[derive(Debug)]
pub struct Clicked {
    /// The contents of the click.
    pub click: Click,
    /// The repository that the button's address names, if it names one.
    pub repository: Option<Repository>,
    /// The performer.
    pub performer: Performer,
}

/// The outcome of a click, and its details for the log.
#[derive(Debug)]
pub struct Report {
    /// The outcome.
    pub outcome: Outcome,
    /// Details for the operator; printable, without secrets.
    pub detail: String,
    /// The approval in question as it stands now, if there is one.
    pub standing: Option<Box<Standing>>,
}

impl Report {
    /// A report with something for the log.
    pub fn of(outcome: Outcome, detail: String) -> Self {
        Self { outcome, detail, standing: None }
    }

    /// The same report about an approval with this standing.
    fn about(self, standing: Standing) -> Self {
        Self { standing: Some(Box::new(standing)), ..self }
    }

    /// The same with `about` at the beginning of the log's detail.
    pub fn with(mut self, about: &str, separator: &str) -> Self {
        self.detail = match self.detail.as_str() {
            "" => about.to_owned(),
            detail => format!("{about}{separator}{detail}"),
        };
        self
    }
}

impl From<Outcome> for Report {
    fn from(outcome: Outcome) -> Self {
        let mut report = Self::of(outcome, String::new());
        if let Outcome::Misconfigured(setting) = report.outcome {
            report.detail = format!("the setting {setting} is missing");
        }
        report
    }
}

impl Stories {
    /// The stories of a deployment with these rules.
    pub fn new(policy: Arc<Policy>, outbox: Outbox, groups: Graph) -> Self {
        Self {
            policy,
            outbox,
            groups,
            recording: Recording::default(),
            sweeper: Sweeper::default(),
            refusals: silent::Refusals::default(),
            seen: origin::Seen::default(),
            comparing: changes::Comparing::default(),
            asking_authors: changes::Comparing::default(),
        }
    }

    /// Decides a click and carries it out, answering in time.
    pub async fn click(self: &Arc<Self>, clicked: Clicked, timing: Timing) -> Report {
        let Clicked { click, repository, performer } = clicked;
        let by = format!("by {performer}");
        let report = match click {
            Click::Vote(vote) => {
                self.ask_groups_ahead(&performer, timing);
                let mut ahead = self.ask_ahead(&vote, &performer, timing);
                let tell = |request: &Request| ahead.ask(self, request, (&vote, &performer), timing);
                match self.to_vote_on_telling(&vote.approval, tell, timing).await {
                    Ok(standing) => {
                        return self.vote_having_asked(standing, vote, performer, ahead, timing).await;
                    }
                    Err(report) => report,
                }
            }
            Click::Relay(relay) => match self.to_relay(relay, repository, &performer, timing).await {
                Err(report) => report,
                Ok(dispatch) => {
                    let decision = Decision::new(dispatch, performer, timing.now);
                    let stories = Arc::clone(self);
                    let story = self.outbox.beside(async move { stories.relay(decision, timing).await });
                    story.await.unwrap_or_else(|error| broken(&error.into()))
                }
            },
        };
        report.with(&by, ", ")
    }

    /// The dispatch that a click asks for. Groups are asked only if they alone can tell whether it is allowed.
    async fn to_relay(
        &self,
        relay: Relay,
        repository: Option<Repository>,
        performer: &Performer,
        timing: Timing,
    ) -> Result<RepositoryDispatch, Report> {
        let unknown = Memberships::default();
        match self.policy.relay(relay.clone(), repository.clone(), (performer, &unknown)) {
            Err(Outcome::Forbidden(Forbidden::Performer)) => {
                let known = self.memberships(performer, None, timing).await?;
                Ok(self.policy.relay(relay, repository, (performer, &known))?)
            }
            allowed => Ok(allowed?),
        }
    }

    /// The time until which the first record must be written.
    fn recorded_by(timing: Timing) -> Instant {
        timing.within(RECORDING_TIME).deadline
    }
}

/// The name of a call to GitHub, and the repository that it is about.
#[derive(Clone, Copy)]
struct Event<'a> {
    name: &'a DispatchName,
    repository: &'a Repository,
}

impl Event<'_> {
    /// The report of the click that decided. The decision is recorded: if this click did not send it, a sweep does.
    fn sent_now(self, sent: anyhow::Result<Sent>) -> Report {
        let recorded =
            |detail| Report::of(Outcome::Recorded(self.name.clone(), self.repository.clone(), None), detail);
        match sent {
            Ok(Sent { delivered: Delivered::OnItsWay, detail, .. }) => recorded(detail),
            Ok(Sent { delivered, detail, .. }) => Report::of(self.outcome(delivered), detail),
            Err(error) => recorded(describe(&error)),
        }
    }

    /// The report of a later click.
    fn sent_again(self, sent: anyhow::Result<Sent>) -> Report {
        match sent {
            Ok(Sent { delivered, detail, .. }) => Report::of(self.outcome(delivered), detail),
            Err(error) => failed(Unreached::Progress, &error),
        }
    }

    fn outcome(self, delivered: Delivered) -> Outcome {
        let (name, repository) = (self.name.clone(), self.repository.clone());
        match delivered {
            Delivered::Arrived => Outcome::Dispatched(name, repository),
            Delivered::Before => Outcome::AlreadyDecided(repository, Earlier::Delivered),
            Delivered::OnItsWay => Outcome::AlreadyDecided(repository, Earlier::OnItsWay),
            Delivered::Failed(result) => failed_attempt(result, name, repository),
            Delivered::Dead(until) => Outcome::GivenUp(name, repository, until),
            Delivered::TooLate => Outcome::Expired(repository),
            Delivered::Lacks(setting) => Outcome::Misconfigured(setting),
        }
    }
}

fn failed_attempt(result: AttemptResult, name: DispatchName, repository: Repository) -> Outcome {
    let AttemptResult { what: answer, next, asked_to_wait_until, ended_at, .. } = result;
    let wait_s = asked_to_wait_until.map_or(0, |until| (until - ended_at).num_seconds());
    match (next, answer) {
        (_, answer) if answer.is_refusal() => Outcome::Refused(name, repository, answer),
        (Next::NotBefore(_), SendAnswer::ServerError(status)) if wait_s > 0 => {
            Outcome::Postponed(name, repository, status, wait_s.unsigned_abs())
        }
        (Next::NotBefore(_), answer) => Outcome::Recorded(name, repository, Some(answer)),
        (Next::Dead, _) => Outcome::GivenUp(name, repository, asked_to_wait_until),
    }
}

/// The report of a story that ended in an error of the store.
pub fn failed(unreached: Unreached, error: &anyhow::Error) -> Report {
    let unreached = if error.is::<Unreadable>() { Unreached::Record } else { unreached };
    Report::of(Outcome::Unavailable(unreached), describe(error))
}

/// The report of a story that broke off: nobody knows how far it came.
fn broken(error: &anyhow::Error) -> Report {
    failed(Unreached::Progress, error)
}
