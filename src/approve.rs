//! The story of a click, a straight line: policy, then GitHub, then the outcome.

use std::time::Duration;

use tokio::time::Instant;

use crate::{
    approval::{Click, Dispatch, DispatchAnswer, Outcome, Policy, Relay, Repository},
    github::{Answered, GitHub},
    host::Timing,
    printable::printable,
};

/// The longest that one call to GitHub takes.
const DISPATCH_TIMEOUT: Duration = Duration::from_secs(4);

/// Decides clicks and carries them out.
pub struct Approvals {
    /// The operator's rules.
    pub policy: Policy,
    /// GitHub, where a token is set.
    pub github: Option<GitHub>,
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
    /// Decides `click` and carries it out, answering in time. `repository` is the one that the button's
    /// address names.
    pub async fn click(&self, click: Click, repository: Option<Repository>, timing: Timing) -> Report {
        match click {
            Click::Relay(relay) => self.relay(relay, repository, timing).await,
            Click::Vote(_) => Outcome::Unknown.into(),
        }
    }

    async fn relay(&self, relay: Relay, repository: Option<Repository>, timing: Timing) -> Report {
        match self.policy.relay(relay, repository) {
            Ok(dispatch) => self.dispatch(dispatch, timing).await,
            Err(outcome) => outcome.into(),
        }
    }

    async fn dispatch(&self, dispatch: Dispatch, timing: Timing) -> Report {
        if self.dry_run {
            return Outcome::DryRun(dispatch.event_type, dispatch.repository).into();
        }
        let Some(github) = &self.github else {
            return Outcome::Misconfigured("GITHUB_TOKEN").into();
        };
        let left = timing.deadline.saturating_duration_since(Instant::now());
        let Answered { answer, detail } =
            github.dispatch(&dispatch, left.min(DISPATCH_TIMEOUT), timing.now).await;
        let event_type = printable(dispatch.event_type.as_str(), 100);
        let detail = format!("{event_type} for {}: {detail}", dispatch.repository);
        Report { outcome: outcome(dispatch, answer), detail }
    }
}

fn outcome(Dispatch { event_type, repository, .. }: Dispatch, answer: DispatchAnswer) -> Outcome {
    match answer {
        DispatchAnswer::Accepted => Outcome::Dispatched(event_type, repository),
        DispatchAnswer::Unauthorized
        | DispatchAnswer::PermissionDenied { .. }
        | DispatchAnswer::NotFound
        | DispatchAnswer::Unprocessable
        | DispatchAnswer::Moved
        | DispatchAnswer::Unexpected(400..500) => Outcome::Refused(repository, answer),
        DispatchAnswer::RateLimited { .. }
        | DispatchAnswer::ServerError(_)
        | DispatchAnswer::Unexpected(_)
        | DispatchAnswer::Unreachable
        | DispatchAnswer::Broken
        | DispatchAnswer::Garbled
        | DispatchAnswer::TimedOut => Outcome::Unavailable(repository, answer),
    }
}
