//! What has to go out, and the index of it.

use std::fmt;

use chrono::{DateTime, Utc};

use crate::approval::{ApprovalId, RelayId};

/// What was decided, or is to be decided.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// A relayed decision.
    Relayed(RelayId),
    /// A requested approval.
    Requested(ApprovalId),
}

impl Subject {
    /// The folder in which everything about it stands.
    pub(super) fn folder(&self) -> String {
        match self {
            Self::Relayed(id) => format!("relayed/{id}"),
            Self::Requested(id) => format!("requested/{id}"),
        }
    }

    /// The name of an entry in the index, in which no slash stands, so that no folders are left behind.
    pub(super) fn entry(&self, nonce: &str) -> String {
        match self {
            Self::Relayed(id) => format!("relayed.{id}.dispatch.{nonce}"),
            Self::Requested(id) => format!("requested.{id}.{nonce}"),
        }
    }

    pub(super) fn parse_entry(entry: &str) -> Option<Self> {
        if let Some(requested) = entry.strip_prefix("requested.") {
            return ApprovalId::parse(requested.split_once('.')?.0).map(Self::Requested);
        }
        let (id, _) = entry.strip_prefix("relayed.")?.split_once(".dispatch.")?;
        RelayId::parse(id).map(Self::Relayed)
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Relayed(id) => write!(f, "relayed {}", id.short()),
            Self::Requested(id) => write!(f, "approval {}", id.short()),
        }
    }
}

/// Which of the messages about a subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The `repository_dispatch`.
    Dispatch,
    /// The card that asks for a decision, for the channel.
    Card,
    /// The card that says what was decided, where the first cannot be changed.
    Result,
    /// The card made to show how it stands now.
    Update,
    /// So manieth reminder that it waits.
    Reminder(u32),
}

impl Kind {
    /// What the names of its records begin with.
    pub(super) fn name(self) -> String {
        match self {
            Self::Dispatch => "dispatch".to_owned(),
            Self::Card => "card".to_owned(),
            Self::Result => "result".to_owned(),
            Self::Update => "update".to_owned(),
            Self::Reminder(number) => format!("reminder-{number:04}"),
        }
    }
}

/// A message that has to go out, and arrive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// What it is about.
    pub subject: Subject,
    /// Which of the messages about it.
    pub kind: Kind,
}

impl Message {
    /// The dispatch of what was decided about `subject`.
    pub fn dispatch(subject: Subject) -> Self {
        Self { subject, kind: Kind::Dispatch }
    }
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.kind.name(), self.subject)
    }
}

/// An entry of the index. Each story makes one of its own, so that nobody who takes out theirs takes out another's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry(pub(super) String);

impl Entry {
    /// Its name in the index.
    pub fn name(&self) -> &str {
        &self.0
    }
}

/// What the index says has to be looked at, since something about it has to go out or to be decided.
#[derive(Debug)]
pub struct Expected {
    /// What.
    pub subject: Subject,
    /// Its entries, each with when it came.
    pub entries: Vec<(Entry, DateTime<Utc>)>,
}

impl Expected {
    /// When its first entry came.
    pub fn since(&self) -> Option<DateTime<Utc>> {
        self.entries.iter().map(|(_, since)| *since).min()
    }
}
