//! An approval that a workflow asks for: its contents, the job that asks, and the events that may follow.

use std::fmt;

use chrono::{DateTime, TimeDelta, Utc};

use super::{
    Approver, ClientPayload, Dispatch, DispatchName, EventType, Repository, RepositoryDispatch, Visibility,
    WorkflowCall, hex,
};

/// The id of a requested approval: 44 hexadecimal digits, the time in milliseconds and 128 random bits.
///
/// The id alone lets nobody look at anything or decide anything; it cannot be guessed all the same.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ApprovalId(String);

impl ApprovalId {
    /// The id of an approval that is asked for at `now`.
    pub fn new(now: DateTime<Utc>, random: [u8; 16]) -> Self {
        let milliseconds = u64::try_from(now.timestamp_millis()).unwrap_or(0);
        Self(format!("{}{}", hex(&milliseconds.to_be_bytes()[2..]), hex(&random)))
    }

    /// Reads an id. Nothing but ids becomes part of a path in the store.
    pub fn parse(text: &str) -> Option<Self> {
        let digit = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        (text.len() == 44 && text.bytes().all(digit)).then(|| Self(text.to_owned()))
    }

    /// The time of the request, to the millisecond.
    pub fn created_at(&self) -> DateTime<Utc> {
        let milliseconds = i64::from_str_radix(&self.0[..12], 16).unwrap_or(0);
        DateTime::from_timestamp_millis(milliseconds).unwrap_or_default()
    }

    /// The first digits, enough for a log line.
    pub fn short(&self) -> &str {
        &self.0[..18]
    }

    /// The whole id.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ApprovalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The contents of a request's body.
#[derive(Clone, Debug)]
pub struct Terms {
    /// The event type that is sent once it is approved. If there is no `workflow` either, nothing is sent, and the
    /// waiting job reads the decision.
    pub event_type: Option<EventType>,
    /// The workflow that is started once it is approved; never beside `event_type` or `client_payload`.
    pub workflow: Option<WorkflowCall>,
    /// The payload of the event, to which the decision is added.
    pub client_payload: Option<ClientPayload>,
    /// The event type that is sent once it is rejected, if there is one.
    pub rejected_event_type: Option<EventType>,
    /// The event type that is sent once it has expired, if there is one.
    pub expired_event_type: Option<EventType>,
    /// A line about the thing to approve.
    pub title: Option<String>,
    /// More about it, as markdown.
    pub text: Option<String>,
    /// Names and values, in the asker's order.
    pub facts: Vec<(String, String)>,
    /// Those of the deployment's approvers who may decide on this; `None` for all of them.
    pub approvers: Option<Vec<Approver>>,
    /// The number of people who must approve.
    pub approvals_required: usize,
    /// The time that people have to decide.
    pub expires_in: TimeDelta,
    /// True if the request named that time.
    pub has_own_expiry: bool,
    /// The time between reminders to the channel, if there are any.
    pub reminder: Option<TimeDelta>,
    /// A text that makes this request another than one that is otherwise equal.
    pub key: Option<String>,
    /// True if it withdraws the open approvals of the same kind that earlier runs of its workflow asked for.
    pub supersedes: bool,
    /// True if it may be approved only while the head of the job's ref is the commit that was asked for.
    pub ref_must_not_move: bool,
}

impl Terms {
    /// The most top-level properties of `client_payload`: GitHub's limit, less one for `approval`.
    pub const MAX_PROPERTIES: usize = ClientPayload::MAX_PROPERTIES - 1;

    /// The largest `client_payload`, in bytes: what is left of GitHub's limit beside the largest `approval`.
    pub const MAX_PAYLOAD_BYTES: usize = 32_000;

    /// The most people that may be required.
    pub const MAX_REQUIRED: usize = 10;

    /// The most groups in one list of approvers.
    pub const MAX_GROUPS: usize = 100;

    /// The longest time to decide in, in minutes: 30 days.
    pub const MAX_MINUTES: i64 = 43_200;

    /// The longest `key`, in characters.
    pub const MAX_KEY: usize = 100;

    /// The time that people have to decide, in minutes, unless the request says it.
    pub const DEFAULT_MINUTES: i64 = 4_320;
}

/// The job that asks, as GitHub describes it: nothing here is the request's own word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workload {
    /// The repository, which also gets the dispatch.
    pub repository: Repository,
    /// Its id, which no later repository of the same name has.
    pub repository_id: String,
    /// The id of its owner, if it is known.
    pub owner_id: Option<String>,
    /// True if everybody can read the events and logs there.
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
    /// The account whose action started it.
    pub actor: String,
    /// The id of that account.
    pub actor_id: Option<String>,
    /// The account that re-ran it, if it was re-run and GitHub was asked about that.
    pub rerun_by: Option<String>,
    /// The event that started it.
    pub event_name: Option<String>,
    /// The environment of the job.
    pub environment: Option<String>,
    /// The file of the run's workflow, and its ref.
    pub workflow_ref: Option<String>,
    /// The file of the job's workflow, which may be a reusable one, and its ref.
    pub job_workflow_ref: Option<String>,
}

impl Workload {
    /// The number of the run's attempt.
    pub fn attempt(&self) -> u64 {
        self.run_attempt.parse().unwrap_or(u64::MAX)
    }

    /// True if this is not the first attempt of its run.
    pub fn is_rerun(&self) -> bool {
        self.run_attempt != "1"
    }
}

/// An approval as it was asked for. It never changes.
#[derive(Clone, Debug)]
pub struct Request {
    /// The id.
    pub id: ApprovalId,
    /// The contents of the request.
    pub terms: Terms,
    /// The job that asks.
    pub workload: Workload,
    /// The time of the request.
    pub created_at: DateTime<Utc>,
}

impl Request {
    /// The time from which nobody may decide any more.
    pub fn expires_at(&self) -> DateTime<Utc> {
        self.created_at + self.terms.expires_in
    }

    /// The same request, with the repository's visibility if a newer one is `known`.
    pub fn seen_as(mut self, known: Option<Visibility>) -> Self {
        self.workload.is_public = known.map_or(self.workload.is_public, |known| known.is_public);
        self
    }

    /// The call to GitHub that is made after this ending, if there is one. An event has the payload to the letter, and
    /// `approval` in it; a workflow its inputs to the letter, and in them the approval's id and `ticket`.
    pub fn dispatch(&self, ending: Ending, approval: &str, ticket: &str) -> Option<Dispatch> {
        let Self { id, terms, workload, .. } = self;
        if let (Ending::Approved, Some(workflow)) = (ending, &terms.workflow) {
            return Some(Dispatch::Workflow(workflow.dispatch(workload, id.as_str(), ticket)));
        }
        let inputs = terms.workflow.as_ref().and_then(WorkflowCall::client_payload);
        let payload = terms.client_payload.as_ref().or(inputs.as_ref());
        Some(Dispatch::Event(RepositoryDispatch {
            repository: workload.repository.clone(),
            event_type: self.event_type(ending)?.clone(),
            client_payload: Some(ClientPayload::with_approval(payload, approval)),
        }))
    }

    /// The name of that call.
    pub fn dispatch_name(&self, ending: Ending) -> Option<DispatchName> {
        match (ending, &self.terms.workflow) {
            (Ending::Approved, Some(workflow)) => Some(DispatchName::Workflow(workflow.file.clone())),
            _ => self.event_type(ending).cloned().map(DispatchName::Event),
        }
    }

    /// True if there is one.
    pub fn sends(&self, ending: Ending) -> bool {
        self.dispatch_name(ending).is_some()
    }

    /// The type of the event that is sent after this ending, if there is one.
    fn event_type(&self, ending: Ending) -> Option<&EventType> {
        match ending {
            Ending::Approved => self.terms.event_type.as_ref(),
            Ending::Rejected => self.terms.rejected_event_type.as_ref(),
            Ending::Expired => self.terms.expired_event_type.as_ref(),
            Ending::Withdrawn => None,
        }
    }
}

/// The end of an approval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Enough people said yes.
    Approved,
    /// Somebody said no.
    Rejected,
    /// Too few people said yes in time.
    Expired,
    /// Taken back before anything was decided.
    Withdrawn,
}

impl Ending {
    /// The word that answers and records use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Approved => "approved",
            Self::Rejected => "rejected",
            Self::Expired => "expired",
            Self::Withdrawn => "withdrawn",
        }
    }

    /// Reads that word.
    pub fn parse(text: &str) -> Option<Self> {
        let all = [Self::Approved, Self::Rejected, Self::Expired, Self::Withdrawn];
        all.into_iter().find(|ending| ending.as_str() == text)
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
