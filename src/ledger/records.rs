//! The stored shapes.

use anyhow::{Context, ensure};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;

use crate::approval::{
    ClientPayload, Decision, Dispatch, DispatchAnswer, EventType, Guid, Performer, Person, Repository, hex,
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
        let client_payload = match &self.client_payload {
            Some(raw) => Some(ClientPayload::parse(raw).ok()?),
            None => None,
        };
        let dispatch = Dispatch {
            repository: Repository::parse(&self.repository)?,
            event_type: EventType::parse(&self.event_type)?,
            client_payload,
        };
        let performer = match &self.performer {
            Some(person) => person.performer()?,
            None => Performer::Anonymous,
        };
        Some(Decision::new(dispatch, performer, self.decided_at))
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
