//! The stored shapes.

use anyhow::{Context, ensure};
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;

use crate::approval::{
    ApprovalId, Approver, Asked, Ballot, ClientPayload, Decision, Dispatch, DispatchAnswer, Ending,
    EventType, Guid, Performer, Person, PostedMessage, Repository, Request, Ruling, Verdict, Workload, hex,
};

/// The version of every shape here. A reader knows no other, so that an older instance beside a newer one says so
/// instead of guessing.
const FORMAT: u32 = 1;

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
    /// Reads an object's content.
    pub fn parse(content: &[u8]) -> anyhow::Result<T> {
        #[derive(Deserialize)]
        struct Head {
            format: u32,
        }
        let head: Head = serde_json::from_slice(content).context("it says no format")?;
        ensure!(head.format == FORMAT, "its format is {}, and this version knows only {FORMAT}", head.format);
        let record: Self =
            serde_json::from_slice(content).context("it is not of the shape that its format has")?;
        Ok(record.record)
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
}

/// A person, without the user principal name: that is looked at when the click comes, and not kept.
#[derive(Serialize, Deserialize)]
struct StoredPerson {
    object_id: String,
    tenant: String,
    display_name: Option<String>,
}

impl StoredPerson {
    fn of(performer: &Performer) -> Option<Self> {
        match performer {
            Performer::Anonymous => None,
            Performer::Person(person) => Some(Self {
                object_id: person.object_id.to_string(),
                tenant: person.tenant.to_string(),
                display_name: person.display_name.clone(),
            }),
        }
    }

    fn performer(&self) -> Option<Performer> {
        Some(Performer::Person(Person {
            object_id: Guid::parse(&self.object_id)?,
            tenant: Guid::parse(&self.tenant)?,
            user_principal_name: None,
            display_name: self.display_name.clone(),
        }))
    }
}

impl From<&Decision> for StoredDecision {
    fn from(decision: &Decision) -> Self {
        let Dispatch { repository, event_type, client_payload } = &decision.dispatch;
        Self {
            repository: repository.to_string(),
            event_type: event_type.as_str().to_owned(),
            client_payload: client_payload.as_ref().map(|payload| payload.as_raw().to_owned()),
            performer: StoredPerson::of(&decision.performer),
            decided_at: decision.decided_at,
        }
    }
}

impl StoredDecision {
    /// The decision, where it can still be sent.
    pub fn decision(&self) -> Option<Decision> {
        let client_payload = parsed(self.client_payload.as_ref(), |raw| ClientPayload::parse(raw).ok())?;
        let dispatch = Dispatch {
            repository: Repository::parse(&self.repository)?,
            event_type: EventType::parse(&self.event_type)?,
            client_payload,
        };
        let performer =
            self.performer.as_ref().map_or(Some(Performer::Anonymous), StoredPerson::performer)?;
        Some(Decision::new(dispatch, performer, self.decided_at))
    }
}

/// A requested approval.
#[derive(Serialize, Deserialize)]
pub struct StoredRequest {
    id: String,
    created_at: DateTime<Utc>,
    asked: StoredAsked,
    workload: StoredWorkload,
}

#[derive(Serialize, Deserialize)]
struct StoredAsked {
    event_type: String,
    client_payload: Option<Box<RawValue>>,
    rejected_event_type: Option<String>,
    title: Option<String>,
    text: Option<String>,
    facts: Vec<(String, String)>,
    approvers: Option<Vec<String>>,
    approvals_required: usize,
    expires_in_minutes: i64,
    reminder_minutes: Option<i64>,
}

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
            event_type: text(&asked.event_type),
            client_payload: asked.client_payload.as_ref().map(|payload| payload.as_raw().to_owned()),
            rejected_event_type: asked.rejected_event_type.as_ref().map(text),
            title: asked.title.clone(),
            text: asked.text.clone(),
            facts: asked.facts.clone(),
            approvers: asked.approvers.as_ref().map(|listed| listed.iter().map(Approver::as_text).collect()),
            approvals_required: asked.approvals_required,
            expires_in_minutes: asked.expires_in.num_minutes(),
            reminder_minutes: asked.reminder.map(|reminder| reminder.num_minutes()),
        }
    }
}

impl StoredAsked {
    fn asked(self) -> Option<Asked> {
        let approvers = |listed: Vec<String>| listed.iter().map(|text| Approver::parse(text)).collect();
        Some(Asked {
            event_type: EventType::parse(&self.event_type)?,
            client_payload: parsed(self.client_payload, |raw| ClientPayload::parse(&raw).ok())?,
            rejected_event_type: parsed(self.rejected_event_type, |text| EventType::parse(&text))?,
            title: self.title,
            text: self.text,
            facts: self.facts,
            approvers: parsed(self.approvers, approvers)?,
            approvals_required: self.approvals_required,
            expires_in: TimeDelta::try_minutes(self.expires_in_minutes)?,
            reminder: parsed(self.reminder_minutes, TimeDelta::try_minutes)?,
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
        let Workload {
            repository, repository_id, is_public, git_ref, sha, run_id, run_attempt, actor, ..
        } = workload.clone();
        let repository = repository.to_string();
        Self { repository, repository_id, is_public, git_ref, sha, run_id, run_attempt, actor }
    }
}

impl StoredWorkload {
    fn workload(self) -> Option<Workload> {
        let Self { repository, repository_id, is_public, git_ref, sha, run_id, run_attempt, actor } = self;
        let repository = Repository::parse(&repository)?;
        Some(Workload {
            repository,
            repository_id,
            is_public,
            git_ref,
            sha,
            run_id,
            run_attempt,
            actor,
            owner_id: None,
            environment: None,
            workflow_ref: None,
            job_workflow_ref: None,
            event_name: None,
            actor_id: None,
            run_number: None,
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
            performer: StoredPerson::of(&ballot.performer),
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

/// How a requested approval was decided.
#[derive(Serialize, Deserialize)]
pub struct StoredRuling {
    verdict: String,
    votes: Vec<StoredBallot>,
    decided_at: DateTime<Utc>,
}

impl From<&Ruling> for StoredRuling {
    fn from(ruling: &Ruling) -> Self {
        Self {
            verdict: ruling.ending.as_str().to_owned(),
            votes: ruling.ballots.iter().map(StoredBallot::from).collect(),
            decided_at: ruling.decided_at,
        }
    }
}

impl StoredRuling {
    /// The ruling.
    pub fn ruling(&self) -> Option<Ruling> {
        Some(Ruling {
            ending: Ending::parse(&self.verdict)?,
            ballots: self.votes.iter().map(StoredBallot::ballot).collect::<Option<_>>()?,
            decided_at: self.decided_at,
        })
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
