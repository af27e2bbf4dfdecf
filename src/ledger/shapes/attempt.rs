//! Attempts to send a message, and the places of cards, as they are stored.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::approval::{
    AppFault, Attempt, AttemptResult, NamedRun, Next, Permission, PostedMessage, SendAnswer,
};

/// One attempt to send a message.
#[derive(Serialize, Deserialize)]
pub struct StoredAttempt {
    number: u32,
    began_at: DateTime<Utc>,
    lease_until: DateTime<Utc>,
    window_from: DateTime<Utc>,
    failures: u32,
    /// The entry of the index that older versions take out when the message has arrived. They accept any text.
    entry: String,
}

impl From<&Attempt> for StoredAttempt {
    fn from(attempt: &Attempt) -> Self {
        let Attempt { number, began_at, lease_until, window_from, failures } = *attempt;
        Self { number, began_at, lease_until, window_from, failures, entry: String::new() }
    }
}

impl StoredAttempt {
    /// The attempt.
    pub fn attempt(self) -> Attempt {
        let Self { number, began_at, lease_until, window_from, failures, entry: _ } = self;
        Attempt { number, began_at, lease_until, window_from, failures }
    }
}

/// The arrival of a message: the attempt in which it arrived, and since format 2 the time, and the run if GitHub named
/// the one that it started.
#[derive(Serialize, Deserialize)]
pub struct StoredArrival {
    #[serde(flatten)]
    attempt: StoredAttempt,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    arrived_at: Option<DateTime<Utc>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    run: Option<StoredRun>,
}

/// A run of a workflow.
#[derive(Clone, Serialize, Deserialize)]
struct StoredRun {
    id: String,
    url: String,
}

impl StoredArrival {
    /// The arrival at `arrived_at`, in `attempt`.
    pub fn new(attempt: &Attempt, arrived_at: DateTime<Utc>, run: Option<&NamedRun>) -> Self {
        let run = run.cloned().map(|NamedRun { id, url }| StoredRun { id, url });
        Self { attempt: attempt.into(), arrived_at: Some(arrived_at), run }
    }

    /// The run that it started, if GitHub named it.
    pub fn run(&self) -> Option<NamedRun> {
        self.run.clone().map(|StoredRun { id, url }| NamedRun { id, url })
    }

    /// The time of arrival; if that is not known, the start of its attempt, some seconds before.
    pub fn at(&self) -> DateTime<Utc> {
        self.arrived_at.unwrap_or(self.attempt.began_at)
    }
}

/// The result of an attempt.
#[derive(Serialize, Deserialize)]
pub struct StoredResult {
    ended_at: DateTime<Utc>,
    answer: StoredAnswer,
    detail: String,
    asked_to_wait_until: Option<DateTime<Utc>>,
    next: StoredNext,
    /// The state that a card was made to show; of updates only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    shown: Option<String>,
    /// The fault of the GitHub App; versions without Apps go by `answer`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    app: Option<String>,
}

impl From<&AttemptResult> for StoredResult {
    fn from(result: &AttemptResult) -> Self {
        Self {
            ended_at: result.ended_at,
            answer: StoredAnswer::from(&result.what),
            detail: result.detail.clone(),
            asked_to_wait_until: result.asked_to_wait_until,
            next: match result.next {
                Next::NotBefore(time) => StoredNext::NotBefore(time),
                Next::Dead => StoredNext::Dead,
            },
            shown: result.shown.clone(),
            app: match result.what {
                SendAnswer::App(fault) => Some(fault.name().to_owned()),
                _ => None,
            },
        }
    }
}

impl StoredResult {
    /// The result, if this version knows its answer.
    pub fn result(self) -> Option<AttemptResult> {
        Some(AttemptResult {
            ended_at: self.ended_at,
            what: match self.app.as_deref().and_then(AppFault::parse) {
                Some(fault) => SendAnswer::App(fault),
                None => self.answer.answer()?,
            },
            detail: without_number(self.detail),
            asked_to_wait_until: self.asked_to_wait_until,
            next: match self.next {
                StoredNext::NotBefore(time) => Next::NotBefore(time),
                StoredNext::Dead => Next::Dead,
            },
            shown: self.shown,
        })
    }
}

/// The words of an answer. Older versions wrote `attempt 1: ` before them.
fn without_number(detail: String) -> String {
    let words = detail.strip_prefix("attempt ").and_then(|rest| rest.split_once(": "));
    match words {
        Some((number, words)) if number.parse::<u32>().is_ok() => words.to_owned(),
        _ => detail,
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StoredNext {
    NotBefore(DateTime<Utc>),
    Dead,
}

/// The answer of GitHub or of a channel.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StoredAnswer {
    Accepted,
    Unauthorized,
    PermissionDenied {
        wanted: Option<String>,
    },
    RateLimited {
        wait_s: Option<u64>,
    },
    NotFound,
    Unprocessable,
    Moved,
    ServerError(u16),
    Unexpected(u16),
    Unreachable,
    /// `garbled` is the name in older versions for an answer that is not HTTP.
    #[serde(alias = "garbled")]
    Broken,
    TimedOut,
    NotTried,
}

impl From<&SendAnswer> for StoredAnswer {
    fn from(answer: &SendAnswer) -> Self {
        match answer {
            SendAnswer::Accepted => Self::Accepted,
            SendAnswer::Unauthorized => Self::Unauthorized,
            SendAnswer::PermissionDenied { wanted } => {
                Self::PermissionDenied { wanted: wanted.as_ref().map(Permission::to_string) }
            }
            SendAnswer::RateLimited { wait_s } => Self::RateLimited { wait_s: *wait_s },
            // The words stand in the detail, and older versions know no such answer.
            SendAnswer::Blocked(_) => Self::PermissionDenied { wanted: None },
            SendAnswer::App(AppFault::Clock | AppFault::Key | AppFault::Refused) => Self::Unauthorized,
            SendAnswer::App(AppFault::NotInstalled | AppFault::Suspended | AppFault::NotGranted) => {
                Self::PermissionDenied { wanted: None }
            }
            SendAnswer::NotFound => Self::NotFound,
            // The words stand in the detail.
            SendAnswer::Unprocessable | SendAnswer::WorkflowRefused(_) => Self::Unprocessable,
            SendAnswer::Moved => Self::Moved,
            SendAnswer::ServerError(status) => Self::ServerError(*status),
            SendAnswer::Unexpected(status) => Self::Unexpected(*status),
            SendAnswer::Unreachable => Self::Unreachable,
            SendAnswer::Broken => Self::Broken,
            SendAnswer::TimedOut => Self::TimedOut,
            SendAnswer::NotTried => Self::NotTried,
        }
    }
}

impl StoredAnswer {
    fn answer(self) -> Option<SendAnswer> {
        Some(match self {
            Self::Accepted => SendAnswer::Accepted,
            Self::Unauthorized => SendAnswer::Unauthorized,
            Self::PermissionDenied { wanted } => SendAnswer::PermissionDenied {
                wanted: super::parsed(wanted, |text| Permission::parse(&text))?,
            },
            Self::RateLimited { wait_s } => SendAnswer::RateLimited { wait_s },
            Self::NotFound => SendAnswer::NotFound,
            Self::Unprocessable => SendAnswer::Unprocessable,
            Self::Moved => SendAnswer::Moved,
            Self::ServerError(status) => SendAnswer::ServerError(status),
            Self::Unexpected(status) => SendAnswer::Unexpected(status),
            Self::Unreachable => SendAnswer::Unreachable,
            Self::Broken => SendAnswer::Broken,
            Self::TimedOut => SendAnswer::TimedOut,
            Self::NotTried => SendAnswer::NotTried,
        })
    }
}

/// The place of a card that can be changed.
#[derive(Serialize, Deserialize)]
pub struct StoredPlace {
    conversation: String,
    activity: String,
}

impl From<&PostedMessage> for StoredPlace {
    fn from(PostedMessage { conversation, activity }: &PostedMessage) -> Self {
        Self { conversation: conversation.clone(), activity: activity.clone() }
    }
}

impl StoredPlace {
    /// The place.
    pub fn place(self) -> PostedMessage {
        PostedMessage { conversation: self.conversation, activity: self.activity }
    }
}
