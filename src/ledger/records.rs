//! The stored shapes.
//!
//! Format 2 has a place for everything that the public contract names, also for what this version does not write yet;
//! what is not there is left out. Format 1 is the same with fewer members, so one shape reads both. A member that bears
//! on who may decide, and that a reader of format 2 would pass over, needs a new format.

use std::{collections::BTreeMap, fmt};

use anyhow::{Context, anyhow};
use chrono::{DateTime, TimeDelta, Utc};
use object_store::path::Path;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;

use crate::approval::{
    ApprovalId, Approver, Asked, Ballot, ClientPayload, Decision, Dispatch, DispatchAnswer, Ending,
    EventType, Guid, Performer, Person, PostedMessage, Repository, Request, Ruling, Ticket, Verdict,
    Workload, hex,
};

/// The format that is written.
const FORMAT: u32 = 2;

/// The formats that are read. An older instance beside a newer one says that it knows no other, instead of guessing.
const READABLE: std::ops::RangeInclusive<u32> = 1..=FORMAT;

/// A record that cannot be read, by anybody or by this version, however often it is tried.
#[derive(Debug)]
pub struct Unreadable(String);

impl Unreadable {
    /// The record at `path`.
    pub fn at(path: &Path) -> Self {
        Self(path.to_string())
    }
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot read {}", self.0)
    }
}

impl std::error::Error for Unreadable {}

/// What every object holds: a record, its format, and who wrote it.
#[derive(Serialize, Deserialize)]
pub struct Record<T> {
    format: u32,
    /// Unlike that of any other object, so that a writer knows its own again.
    writer: String,
    record: T,
}

impl<T> Record<T> {
    /// A record that is about to be written, by us.
    pub fn of(record: T) -> anyhow::Result<Self> {
        let mut random = [0_u8; 16];
        getrandom::fill(&mut random).map_err(|error| anyhow::anyhow!("no random numbers: {error}"))?;
        Ok(Self { format: FORMAT, writer: hex(&random), record })
    }
}

impl<T> Record<T> {
    /// What no other record has.
    pub fn writer(&self) -> &str {
        &self.writer
    }
}

impl<T: Serialize> Record<T> {
    /// The object's content.
    pub fn to_json(&self) -> anyhow::Result<Vec<u8>> {
        serde_json::to_vec(self).context("cannot write a record")
    }
}

impl<T: DeserializeOwned> Record<T> {
    /// Reads the content of the object at `path`; the error is [`Unreadable`].
    pub fn parse(path: &Path, content: &[u8]) -> anyhow::Result<T> {
        Self::parse_content(content).context(Unreadable::at(path))
    }

    fn parse_content(content: &[u8]) -> anyhow::Result<T> {
        #[derive(Deserialize)]
        struct Head {
            format: u32,
        }
        let Head { format } = serde_json::from_slice(content).context("it says no format")?;
        if !READABLE.contains(&format) {
            return Err(anyhow!("its format is {format}, and this version knows none above {FORMAT}"));
        }
        let record: Self =
            serde_json::from_slice(content).context("it is not of the shape that its format has")?;
        Ok(record.record)
    }

    /// Reads the content of the object at `path` and what it stands for; the error is [`Unreadable`].
    pub fn parse_as<U>(path: &Path, content: &[u8], read: impl FnOnce(T) -> Option<U>) -> anyhow::Result<U> {
        let meaning = read(Self::parse(path, content)?);
        meaning.ok_or_else(|| {
            anyhow!("it holds nothing that this version can act on").context(Unreadable::at(path))
        })
    }
}

/// A relayed decision.
#[derive(Serialize, Deserialize)]
pub struct StoredDecision {
    repository: String,
    event_type: String,
    client_payload: Option<Box<RawValue>>,
    /// Nobody, where nobody had to say who they are.
    performer: Option<StoredPerson>,
    decided_at: DateTime<Utc>,
    /// The first attempt to send it, which is claimed with the decision. Since format 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    claim: Option<Attempt>,
}

/// A person.
#[derive(Serialize, Deserialize)]
struct StoredPerson {
    object_id: String,
    tenant: String,
    display_name: Option<String>,
    /// Only a vote keeps it, to be held against `APPROVERS` when it is counted. Since format 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user_principal_name: Option<String>,
}

impl StoredPerson {
    fn of(performer: &Performer) -> Option<Self> {
        match performer {
            Performer::Anonymous => None,
            Performer::Person(person) => Some(Self {
                object_id: person.object_id.to_string(),
                tenant: person.tenant.to_string(),
                display_name: person.display_name.clone(),
                user_principal_name: None,
            }),
        }
    }

    /// With the name that administrators gave them.
    fn with_name(performer: &Performer) -> Option<Self> {
        let user_principal_name = match performer {
            Performer::Anonymous => None,
            Performer::Person(person) => person.user_principal_name.clone(),
        };
        Self::of(performer).map(|person| Self { user_principal_name, ..person })
    }

    fn performer(&self) -> Option<Performer> {
        Some(Performer::Person(Person {
            object_id: Guid::parse(&self.object_id)?,
            tenant: Guid::parse(&self.tenant)?,
            user_principal_name: self.user_principal_name.clone(),
            display_name: self.display_name.clone(),
        }))
    }
}

impl StoredDecision {
    /// A decision, and the first attempt to send it, by whoever records it.
    pub fn of(decision: &Decision, claim: Option<&Attempt>) -> Self {
        let Dispatch { repository, event_type, client_payload } = &decision.dispatch;
        Self {
            repository: repository.to_string(),
            event_type: event_type.as_str().to_owned(),
            client_payload: client_payload.as_ref().map(|payload| payload.as_raw().to_owned()),
            performer: StoredPerson::of(&decision.performer),
            decided_at: decision.decided_at,
            claim: claim.cloned(),
        }
    }

    /// The decision, where it can still be sent, and the claim of its first attempt.
    pub fn decided(self) -> Option<Decided> {
        let client_payload = parsed(self.client_payload.as_ref(), |raw| ClientPayload::parse(raw).ok())?;
        let dispatch = Dispatch {
            repository: Repository::parse(&self.repository)?,
            event_type: EventType::parse(&self.event_type)?,
            client_payload,
        };
        let performer =
            self.performer.as_ref().map_or(Some(Performer::Anonymous), StoredPerson::performer)?;
        Some(Decided { decision: Decision::new(dispatch, performer, self.decided_at), claim: self.claim })
    }
}

/// A relayed decision, as it is recorded.
#[derive(Debug)]
pub struct Decided {
    /// What was decided.
    pub decision: Decision,
    /// The first attempt to send it, if it was claimed with the decision.
    pub claim: Option<Attempt>,
}

/// A requested approval.
#[derive(Serialize, Deserialize)]
pub struct StoredRequest {
    id: String,
    created_at: DateTime<Utc>,
    asked: StoredAsked,
    workload: StoredWorkload,
}

/// Since format 2, `event_type` may be missing, and the members after `reminder_minutes` may be there.
#[derive(Serialize, Deserialize)]
struct StoredAsked {
    event_type: Option<String>,
    client_payload: Option<Box<RawValue>>,
    rejected_event_type: Option<String>,
    title: Option<String>,
    text: Option<String>,
    facts: Vec<(String, String)>,
    approvers: Option<Vec<String>>,
    approvals_required: usize,
    expires_in_minutes: i64,
    reminder_minutes: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    #[serde(flatten)]
    later: LaterAsked,
}

/// What a request may say that this version cannot act on: a record with any of it is left to newer ones.
#[derive(Default, PartialEq, Serialize, Deserialize)]
struct LaterAsked {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expired_event_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    workflow: Option<String>,
    #[serde(default, rename = "ref", skip_serializing_if = "Option::is_none")]
    git_ref: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    inputs: Option<BTreeMap<String, String>>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    supersedes: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    ref_must_not_move: bool,
}

/// Since format 2, the members after `actor` may be there.
#[derive(Serialize, Deserialize)]
struct StoredWorkload {
    repository: String,
    repository_id: String,
    is_public: bool,
    #[serde(rename = "ref")]
    git_ref: String,
    sha: String,
    run_id: String,
    run_attempt: String,
    actor: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    repository_owner_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    environment: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    job_workflow_ref: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    workflow_ref: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    event_name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    actor_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    run_number: Option<String>,
}

impl From<&Request> for StoredRequest {
    fn from(Request { id, asked, workload, created_at }: &Request) -> Self {
        Self {
            id: id.to_string(),
            created_at: *created_at,
            asked: StoredAsked::from(asked),
            workload: StoredWorkload::from(workload),
        }
    }
}

impl StoredRequest {
    /// The request, where it can still be decided.
    pub fn request(self) -> Option<Request> {
        Some(Request {
            id: ApprovalId::parse(&self.id)?,
            asked: self.asked.asked()?,
            workload: self.workload.workload()?,
            created_at: self.created_at,
        })
    }
}

impl From<&Asked> for StoredAsked {
    fn from(asked: &Asked) -> Self {
        let text = |event_type: &EventType| event_type.as_str().to_owned();
        Self {
            event_type: Some(text(&asked.event_type)),
            client_payload: asked.client_payload.as_ref().map(|payload| payload.as_raw().to_owned()),
            rejected_event_type: asked.rejected_event_type.as_ref().map(text),
            title: asked.title.clone(),
            text: asked.text.clone(),
            facts: asked.facts.clone(),
            approvers: asked.approvers.as_ref().map(|listed| listed.iter().map(Approver::as_text).collect()),
            approvals_required: asked.approvals_required,
            expires_in_minutes: asked.expires_in.num_minutes(),
            reminder_minutes: asked.reminder.map(|reminder| reminder.num_minutes()),
            key: asked.key.clone(),
            later: LaterAsked::default(),
        }
    }
}

impl StoredAsked {
    fn asked(self) -> Option<Asked> {
        let approvers = |listed: Vec<String>| listed.iter().map(|text| Approver::parse(text)).collect();
        if self.later != LaterAsked::default() {
            return None;
        }
        Some(Asked {
            event_type: EventType::parse(&self.event_type?)?,
            client_payload: parsed(self.client_payload, |raw| ClientPayload::parse(&raw).ok())?,
            rejected_event_type: parsed(self.rejected_event_type, |text| EventType::parse(&text))?,
            title: self.title,
            text: self.text,
            facts: self.facts,
            approvers: parsed(self.approvers, approvers)?,
            approvals_required: self.approvals_required,
            expires_in: TimeDelta::try_minutes(self.expires_in_minutes)?,
            reminder: parsed(self.reminder_minutes, TimeDelta::try_minutes)?,
            key: self.key,
        })
    }
}

/// What is there and can be read, or is not there; `None` where it is there and cannot.
fn parsed<T, U>(value: Option<T>, parse: impl FnOnce(T) -> Option<U>) -> Option<Option<U>> {
    match value {
        None => Some(None),
        Some(value) => parse(value).map(Some),
    }
}

impl From<&Workload> for StoredWorkload {
    fn from(workload: &Workload) -> Self {
        let workload = workload.clone();
        Self {
            repository: workload.repository.to_string(),
            repository_id: workload.repository_id,
            is_public: workload.is_public,
            git_ref: workload.git_ref,
            sha: workload.sha,
            run_id: workload.run_id,
            run_attempt: workload.run_attempt,
            actor: workload.actor,
            repository_owner_id: workload.owner_id,
            environment: workload.environment,
            job_workflow_ref: workload.job_workflow_ref,
            workflow_ref: workload.workflow_ref,
            event_name: workload.event_name,
            actor_id: workload.actor_id,
            run_number: workload.run_number,
        }
    }
}

impl StoredWorkload {
    fn workload(self) -> Option<Workload> {
        Some(Workload {
            repository: Repository::parse(&self.repository)?,
            repository_id: self.repository_id,
            owner_id: self.repository_owner_id,
            is_public: self.is_public,
            git_ref: self.git_ref,
            sha: self.sha,
            run_id: self.run_id,
            run_number: self.run_number,
            run_attempt: self.run_attempt,
            actor: self.actor,
            actor_id: self.actor_id,
            event_name: self.event_name,
            environment: self.environment,
            workflow_ref: self.workflow_ref,
            job_workflow_ref: self.job_workflow_ref,
        })
    }
}

/// A vote.
#[derive(Serialize, Deserialize)]
pub struct StoredBallot {
    /// Nobody, where nobody had to say who they are.
    performer: Option<StoredPerson>,
    verdict: String,
    comment: String,
    at: DateTime<Utc>,
}

impl From<&Ballot> for StoredBallot {
    fn from(ballot: &Ballot) -> Self {
        Self {
            performer: StoredPerson::with_name(&ballot.performer),
            verdict: ballot.verdict.as_str().to_owned(),
            comment: ballot.comment.clone(),
            at: ballot.at,
        }
    }
}

impl StoredBallot {
    /// The vote.
    pub fn ballot(&self) -> Option<Ballot> {
        Some(Ballot {
            performer: self.performer.as_ref().map_or(Some(Performer::Anonymous), StoredPerson::performer)?,
            verdict: Verdict::parse(&self.verdict)?,
            comment: self.comment.clone(),
            at: self.at,
        })
    }
}

/// How a requested approval was decided. Since format 2, the members after `decided_at` may be there.
#[derive(Serialize, Deserialize)]
pub struct StoredRuling {
    verdict: String,
    votes: Vec<StoredBallot>,
    decided_at: DateTime<Utc>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ticket: Option<String>,
    /// The first attempt to send its dispatch, if it was claimed with the decision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    claim: Option<Attempt>,
    #[serde(flatten)]
    later: LaterRuling,
}

/// What a decision may say that this version does not write. It changes nothing about what was decided.
#[derive(Default, Serialize, Deserialize)]
struct LaterRuling {
    /// The name of the operator's rule that held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rule: Option<String>,
    /// What that rule required, and who met it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    requirements: Option<Vec<StoredRequirement>>,
    /// Who or what withdrew it, and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    withdrawn: Option<StoredWithdrawal>,
}

#[derive(Serialize, Deserialize)]
struct StoredRequirement {
    name: Option<String>,
    approvals: usize,
    met_by: Vec<StoredPerson>,
}

#[derive(Serialize, Deserialize)]
struct StoredWithdrawal {
    by: Option<StoredPerson>,
    run_id: Option<String>,
    comment: Option<String>,
}

impl StoredRuling {
    /// A ruling, and the first attempt to send its dispatch, by whoever records it.
    pub fn of(ruling: &Ruling, claim: Option<&Attempt>) -> Self {
        Self {
            verdict: ruling.ending.as_str().to_owned(),
            votes: ruling.ballots.iter().map(StoredBallot::from).collect(),
            decided_at: ruling.decided_at,
            ticket: ruling.ticket.as_ref().map(|ticket| ticket.expose().to_owned()),
            claim: claim.cloned(),
            later: LaterRuling::default(),
        }
    }

    /// The ruling, and the claim of its dispatch's first attempt.
    pub fn ruled(self) -> Option<(Ruling, Option<Attempt>)> {
        let ruling = Ruling {
            ending: Ending::parse(&self.verdict)?,
            ballots: self.votes.iter().map(StoredBallot::ballot).collect::<Option<_>>()?,
            decided_at: self.decided_at,
            ticket: parsed(self.ticket, |ticket| Ticket::parse(&ticket))?,
        };
        Some((ruling, self.claim))
    }
}

/// Where the bot's card stands.
#[derive(Serialize, Deserialize)]
pub struct StoredPosted {
    conversation: String,
    activity: String,
}

impl From<&PostedMessage> for StoredPosted {
    fn from(PostedMessage { conversation, activity }: &PostedMessage) -> Self {
        Self { conversation: conversation.clone(), activity: activity.clone() }
    }
}

impl StoredPosted {
    /// The message.
    pub fn message(self) -> PostedMessage {
        PostedMessage { conversation: self.conversation, activity: self.activity }
    }
}

/// That a message has arrived: with the attempt in which it did, and since format 2 when.
#[derive(Serialize, Deserialize)]
pub struct StoredArrival {
    #[serde(flatten)]
    attempt: Attempt,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    arrived_at: Option<DateTime<Utc>>,
}

impl StoredArrival {
    /// It arrived at `arrived_at`, in `attempt`.
    pub fn new(attempt: &Attempt, arrived_at: DateTime<Utc>) -> Self {
        Self { attempt: attempt.clone(), arrived_at: Some(arrived_at) }
    }

    /// When it arrived; if that is not known, when the attempt began in which it did, some seconds before.
    pub fn at(&self) -> DateTime<Utc> {
        self.arrived_at.unwrap_or(self.attempt.began_at)
    }
}

/// One attempt to send a message: the right to do so until its lease ends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Attempt {
    /// 1 for the first.
    pub number: u32,
    /// When it began.
    pub began_at: DateTime<Utc>,
    /// Until when nobody else may send.
    pub lease_until: DateTime<Utc>,
    /// When the time for delivering began: with the decision, or with the click that revived a dead letter.
    pub window_from: DateTime<Utc>,
    /// How many attempts in that time failed before.
    pub failures: u32,
    /// The entry of the index that says that the message has to go out.
    pub entry: String,
}

/// How an attempt failed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AttemptResult {
    /// When it ended.
    pub ended_at: DateTime<Utc>,
    /// What GitHub said.
    pub answer: DispatchAnswer,
    /// The same in words, for whoever reads the store.
    pub detail: String,
    /// Before this GitHub wants no other attempt, whoever asks.
    pub asked_to_wait_until: Option<DateTime<Utc>>,
    /// What comes next if nobody clicks.
    pub next: Next,
    /// What the card was made to show, or should have been; of updates only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shown: Option<String>,
}

/// What comes after a failed attempt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Next {
    /// Another attempt, not before this.
    NotBefore(DateTime<Utc>),
    /// None: a dead letter.
    Dead,
}
