//! An approval that a workflow asks for: what it says, who vouches for it, and what may be sent in the end.

use std::fmt;

use chrono::{DateTime, TimeDelta, Utc};

use super::{Approver, ClientPayload, Dispatch, EventType, Repository, Visibility, hex};

/// The id of a requested approval: 44 hexadecimal digits, the time in milliseconds and 128 random bits.
///
/// Whoever knows it can look at nothing and decide nothing by that alone; it cannot be guessed all the same.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ApprovalId(String);

impl ApprovalId {
    /// The id of an approval that is asked for at `now`.
    pub fn new(now: DateTime<Utc>, random: [u8; 16]) -> Self {
        let milliseconds = u64::try_from(now.timestamp_millis()).unwrap_or(0);
        Self(format!("{}{}", hex(&milliseconds.to_be_bytes()[2..]), hex(&random)))
    }

    /// Reads an id; nothing else ever becomes part of a path in the store.
    pub fn parse(text: &str) -> Option<Self> {
        let digit = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        (text.len() == 44 && text.bytes().all(digit)).then(|| Self(text.to_owned()))
    }

    /// When it was asked for, to the millisecond.
    pub fn created_at(&self) -> DateTime<Utc> {
        let milliseconds = i64::from_str_radix(&self.0[..12], 16).unwrap_or(0);
        DateTime::from_timestamp_millis(milliseconds).unwrap_or_default()
    }

    /// The first digits, enough for a log line.
    pub fn short(&self) -> &str {
        &self.0[..18]
    }

    /// All of it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ApprovalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What the body of a request says.
#[derive(Clone, Debug)]
pub struct Asked {
    /// What is dispatched once it is approved.
    pub event_type: EventType,
    /// What is dispatched with it, besides who decided.
    pub client_payload: Option<ClientPayload>,
    /// What is dispatched once it is rejected, if anything.
    pub rejected_event_type: Option<EventType>,
    /// A line about what is to be approved.
    pub title: Option<String>,
    /// More about it, as markdown.
    pub text: Option<String>,
    /// Names and values, in the asker's order.
    pub facts: Vec<(String, String)>,
    /// Those of the deployment's approvers who may decide on this; all of them where `None`.
    pub approvers: Option<Vec<Approver>>,
    /// How many people must approve.
    pub approvals_required: usize,
    /// For how long people may decide.
    pub expires_in: TimeDelta,
    /// How often the channel is reminded, where it is.
    pub reminder: Option<TimeDelta>,
    /// What makes this request another than one that is otherwise equal.
    pub key: Option<String>,
}

impl Asked {
    /// The most top-level properties of `client_payload`: GitHub's limit, less one for who decided.
    pub const MAX_PROPERTIES: usize = ClientPayload::MAX_PROPERTIES - 1;

    /// The largest `client_payload`, in bytes: what is left of GitHub's limit beside the largest `approval`.
    pub const MAX_PAYLOAD_BYTES: usize = 32_000;

    /// The most people that may be required.
    pub const MAX_REQUIRED: usize = 10;

    /// The longest time to decide in, in minutes: 30 days.
    pub const MAX_MINUTES: i64 = 43_200;

    /// The longest `key`, in characters.
    pub const MAX_KEY: usize = 100;

    /// For how long people may decide unless the request says it.
    pub const DEFAULT_MINUTES: i64 = 4_320;
}

/// The job that asks, as GitHub's token describes it: nothing here is the request's own word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workload {
    /// The repository, which is also where the dispatch goes.
    pub repository: Repository,
    /// Its id, which no later repository of the same name has.
    pub repository_id: String,
    /// The id of its owner, as far as that is known.
    pub owner_id: Option<String>,
    /// Whether everybody can read what is dispatched and printed there.
    pub is_public: bool,
    /// The branch or tag, such as `refs/heads/main`.
    pub git_ref: String,
    /// The commit.
    pub sha: String,
    /// The workflow run.
    pub run_id: String,
    /// The attempt of that run.
    pub run_attempt: String,
    /// The number of that run among those of its workflow.
    pub run_number: Option<String>,
    /// Whose action started it.
    pub actor: String,
    /// The id of that account.
    pub actor_id: Option<String>,
    /// The event that started it.
    pub event_name: Option<String>,
    /// The environment of the job.
    pub environment: Option<String>,
    /// The file of the run's workflow, and its ref.
    pub workflow_ref: Option<String>,
    /// The file of the job's workflow, which may be a reusable one, and its ref.
    pub job_workflow_ref: Option<String>,
}

/// An approval as it was asked for. It never changes.
#[derive(Clone, Debug)]
pub struct Request {
    /// Its id.
    pub id: ApprovalId,
    /// What the request says.
    pub asked: Asked,
    /// Who asks.
    pub workload: Workload,
    /// When.
    pub created_at: DateTime<Utc>,
}

impl Request {
    /// From this time on nobody may decide.
    pub fn expires_at(&self) -> DateTime<Utc> {
        self.created_at + self.asked.expires_in
    }

    /// The same, of a repository that has the visibility that is `known` of it by now.
    pub fn seen_as(mut self, known: Option<Visibility>) -> Self {
        self.workload.is_public = known.map_or(self.workload.is_public, |known| known.is_public);
        self
    }

    /// What is sent once it has ended so, where anything is: `client_payload` to the letter, and `approval` in it.
    pub fn dispatch(&self, ending: Ending, approval: &str) -> Option<Dispatch> {
        Some(Dispatch {
            repository: self.workload.repository.clone(),
            event_type: self.event_type(ending)?.clone(),
            client_payload: Some(ClientPayload::with_approval(self.asked.client_payload.as_ref(), approval)),
        })
    }

    /// The event that is sent once it has ended so, if any is.
    pub fn event_type(&self, ending: Ending) -> Option<&EventType> {
        match ending {
            Ending::Approved => Some(&self.asked.event_type),
            Ending::Rejected => self.asked.rejected_event_type.as_ref(),
            Ending::Expired => None,
        }
    }
}

/// How an approval has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Enough people said yes.
    Approved,
    /// Somebody said no.
    Rejected,
    /// Nobody said enough in time.
    Expired,
}

impl Ending {
    /// The word that answers and records use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Approved => "approved",
            Self::Rejected => "rejected",
            Self::Expired => "expired",
        }
    }

    /// Reads that word.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Approved, Self::Rejected, Self::Expired].into_iter().find(|ending| ending.as_str() == text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_ordered_by_time_and_parsed_strictly() {
        let at = |ms| DateTime::from_timestamp_millis(ms).expect("a time");
        let (early, late) = (
            ApprovalId::new(at(1_800_000_000_000), [255; 16]),
            ApprovalId::new(at(1_800_000_000_001), [0; 16]),
        );
        assert!(early < late);
        assert_eq!(early.created_at(), at(1_800_000_000_000));
        assert_eq!(ApprovalId::parse(early.as_str()), Some(early.clone()));
        let upper = early.as_str().to_uppercase();
        for bad in ["", "0", &early.as_str()[1..], &upper, &format!("../{}", &early.as_str()[3..])] {
            assert_eq!(ApprovalId::parse(bad), None, "{bad:?}");
        }
    }
}
