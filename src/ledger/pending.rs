//! `pending/`: the index of everything still to be done, so that nothing is forgotten when a process ends.

use anyhow::Context;
use chrono::{DateTime, Utc};
use object_store::ObjectMeta;
use std::collections::BTreeMap;
use tokio::time::Instant;

use super::{Ledger, records::Record};
use crate::{
    approval::{ApprovalId, RelayId, Subject},
    text::log::printable,
};

/// An entry of the index. Each story makes one of its own, so that it never takes out another's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry(String);

/// A subject with something still to be done: a message to be sent, or a decision to be made.
#[derive(Debug)]
pub struct Pending {
    /// The approval or relay.
    pub subject: Subject,
    /// Its entries, each with the time at which it came.
    pub entries: Vec<(Entry, DateTime<Utc>)>,
}

impl Pending {
    /// The time at which its first entry came.
    pub fn since(&self) -> Option<DateTime<Utc>> {
        self.entries.iter().map(|(_, since)| *since).min()
    }
}

/// The name of an entry. It has no slash, so that no folders are left behind.
fn name_of(subject: &Subject, nonce: &str) -> String {
    match subject {
        Subject::Relayed(id) => format!("relayed.{id}.dispatch.{nonce}"),
        Subject::Requested(id) => format!("requested.{id}.{nonce}"),
    }
}

fn parse_name(name: &str) -> Option<Subject> {
    if let Some(requested) = name.strip_prefix("requested.") {
        return ApprovalId::parse(requested.split_once('.')?.0).map(Subject::Requested);
    }
    let (id, _) = name.strip_prefix("relayed.")?.split_once(".dispatch.")?;
    RelayId::parse(id).map(Subject::Relayed)
}

impl Ledger {
    /// Notes in the index that something is to be done about `subject`. Write this before the decision: after a crash in
    /// between, the sweep drops an entry without a decision; in the other order the message would be lost.
    pub async fn note_pending(&self, subject: &Subject, until: Instant) -> anyhow::Result<Entry> {
        let record = Record::of(())?;
        let entry = Entry(name_of(subject, record.writer()));
        let path = self.path(&format!("pending/{}", entry.0));
        self.store
            .create(&path, record.to_json()?, until)
            .await
            .context("cannot write an entry of the index")?;
        Ok(entry)
    }

    /// Takes an entry out of the index: everything that it stood for is done.
    pub async fn settle(&self, entry: &Entry, until: Instant) -> anyhow::Result<()> {
        self.store.delete(&self.path(&format!("pending/{}", entry.0)), until).await
    }

    /// Everything in the index, oldest first. Entries of other versions are named in the log and left alone.
    pub async fn pending(&self, until: Instant) -> anyhow::Result<Vec<Pending>> {
        let entry = |object: ObjectMeta| {
            let name = object.location.filename().unwrap_or_default().to_owned();
            let Some(subject) = parse_name(&name) else {
                let location = printable(object.location.as_ref(), 200);
                log::error!("{location} is not an entry that this version knows");
                return None;
            };
            Some((subject, Entry(name), object.last_modified))
        };
        let mut subjects: BTreeMap<Subject, Pending> = BTreeMap::new();
        for (subject, entry, since) in self.store.list(&self.path("pending"), entry, until).await? {
            let pending = subjects.entry(subject.clone()).or_insert(Pending { subject, entries: Vec::new() });
            pending.entries.push((entry, since));
        }
        let mut pending: Vec<_> = subjects.into_values().collect();
        pending.sort_by_key(Pending::since);
        Ok(pending)
    }
}
