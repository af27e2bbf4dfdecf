//! What was decided, and how far each message about it has come: create-only records on an object store.
//!
//! Nothing that matters is ever overwritten, so whoever creates a record first has decided, on whatever instance and
//! whatever fails afterwards. The stored shape is private here: every record says its format version, and one that
//! cannot be read is an error that names it.
//!
//! ```text
//! relayed/{id}/decision                  what is to be sent, by the first click, which has claimed the first attempt
//! relayed/{id}/dispatch.000002.attempt   somebody is sending it, until its lease ends
//! relayed/{id}/dispatch.000001.result    how that attempt failed, and when the next may come
//! relayed/{id}/dispatch.done             it has arrived
//! asked/{hash of run, or job, and body}  what was asked for, once
//! requested/{id}/request                 the same, open to votes
//! requested/{id}/vote.{person}.{verdict} a vote, once
//! requested/{id}/decision                what the votes came to, or that nobody decided in time
//! requested/{id}/dispatch…|card…|result… how far each message has come, as above
//! requested/{id}/card.posted             the ids of the bot's card, by which it can be changed
//! open/{repository}/{run}.{expires}.{group}.{id}
//!                                        what is open, until it is decided
//! visibility/{repository}/{time}.{public or private}
//!                                        what a token said of a repository, each time that it changed
//! pending/relayed.{id}.dispatch.{nonce}  an index of what has not arrived yet
//! pending/requested.{id}.{nonce}         and of what is not decided, or not all told
//! listed/{day}/{time}.{kind}.{id}        a list of everything, by time
//! dry-run/…                              the same for dry runs, of which nothing is ever sent to GitHub
//! ```

mod message;
mod open;
mod recent;
mod records;
mod requested;
mod store;

use std::collections::BTreeMap;

use anyhow::{Context, anyhow};
use chrono::{DateTime, Utc};
use object_store::{ObjectMeta, path::Path};
use tokio::time::Instant;

pub use self::{
    message::{Entry, Expected, Kind, Message, Subject},
    open::{Container, Credential, Location},
    recent::{Cursor, Listed},
    records::{Attempt, AttemptResult, Decided, Next, Unreadable},
    requested::{AskingKeys, Folder, Open, OpenNote, Ruled},
    store::Store,
};
use self::{
    records::{Record, StoredArrival, StoredDecision},
    store::Created,
};
use crate::{
    approval::{Decision, RelayId},
    text::log::printable,
};

/// How far a message has come.
#[derive(Debug, PartialEq)]
pub enum Progress {
    /// Nobody has tried to send it.
    Untried,
    /// The newest attempt, and how it failed if it has ended.
    Tried(Attempt, Option<AttemptResult>),
    /// It has arrived.
    Done,
}

/// Whether a decision is new.
#[derive(Debug)]
pub enum Recorded {
    /// It is ours: nobody had decided before.
    First,
    /// It was decided before.
    Before(Box<Decided>),
}

/// The records of one deployment.
pub struct Ledger {
    store: Store,
    root: &'static str,
}

impl Ledger {
    /// The ledger in `store`; that of dry runs stands apart.
    pub fn new(store: Store, dry_run: bool) -> Self {
        Self { store, root: if dry_run { "dry-run/" } else { "" } }
    }

    /// Opens the place where decisions live, or makes it, so that the first click need not wait for it.
    pub async fn prepare(&self) -> anyhow::Result<()> {
        self.store.prepare().await
    }

    /// Removes what killed writers left half written in a folder.
    pub async fn tidy(&self) -> anyhow::Result<()> {
        self.store.tidy().await
    }

    /// The decision with this id, if there is one.
    pub async fn decision(&self, id: &RelayId, until: Instant) -> anyhow::Result<Option<Decided>> {
        let path = self.decision_path(id);
        let Some(content) = self.store.get(&path, until).await? else { return Ok(None) };
        parse_decision(id, &path, &content).map(Some)
    }

    /// Records `decision`, unless it was decided before, and with it the claim of the first attempt to send it. An error
    /// means that it is not known to be recorded.
    // T25
    pub async fn record(
        &self,
        decision: &Decision,
        claim: Option<&Attempt>,
        until: Instant,
    ) -> anyhow::Result<Recorded> {
        let path = self.decision_path(&decision.id);
        let content = Record::of(StoredDecision::of(decision, claim))?.to_json()?;
        match self.store.create(&path, content, until).await.context("cannot record the decision")? {
            Created::Ours => Ok(Recorded::First),
            Created::Theirs(content) => {
                let before = parse_decision(&decision.id, &path, &content)?;
                Ok(Recorded::Before(Box::new(before)))
            }
        }
    }

    /// Notes in the index that something about `subject` has to go out. Must come before the decision, since a crash
    /// between the two would lose the message the other way round.
    pub async fn expect(&self, subject: &Subject, until: Instant) -> anyhow::Result<Entry> {
        let entry = Record::of(())?;
        let name = Entry(subject.entry(entry.writer()));
        let path = self.entry_path(&name);
        self.store.create(&path, entry.to_json()?, until).await.context("cannot note the message")?;
        Ok(name)
    }

    /// The entry that an attempt names, if it is one of `subject`.
    pub fn entry(&self, subject: &Subject, attempt: &Attempt) -> Option<Entry> {
        let is_ours =
            Subject::parse_entry(&attempt.entry).as_ref() == Some(subject) && !attempt.entry.contains('/');
        is_ours.then(|| Entry(attempt.entry.clone()))
    }

    /// Takes an entry out of the index: its message has arrived, or never will, or was never decided on.
    pub async fn settle(&self, entry: &Entry, until: Instant) -> anyhow::Result<()> {
        self.store.delete(&self.entry_path(entry), until).await
    }

    /// What the index says has to be looked at, oldest first; entries of other versions are named in the log and left
    /// alone.
    pub async fn expected(&self, until: Instant) -> anyhow::Result<Vec<Expected>> {
        let entry = |object: ObjectMeta| {
            let name = object.location.filename().unwrap_or_default().to_owned();
            let Some(subject) = Subject::parse_entry(&name) else {
                let location = printable(object.location.as_ref(), 200);
                log::error!("{location} is not an entry that this version knows");
                return None;
            };
            Some((subject, Entry(name), object.last_modified))
        };
        let mut subjects: BTreeMap<Subject, Expected> = BTreeMap::new();
        for (subject, entry, since) in self.store.list(&self.path("pending"), entry, until).await? {
            let expected =
                subjects.entry(subject.clone()).or_insert(Expected { subject, entries: Vec::new() });
            expected.entries.push((entry, since));
        }
        let mut expected: Vec<_> = subjects.into_values().collect();
        expected.sort_by_key(Expected::since);
        Ok(expected)
    }

    /// The names of all records about `subject`.
    pub async fn names(&self, subject: &Subject, until: Instant) -> anyhow::Result<Vec<String>> {
        self.names_in(&subject.folder(), until).await
    }

    async fn names_in(&self, folder: &str, until: Instant) -> anyhow::Result<Vec<String>> {
        let name = |object: ObjectMeta| object.location.filename().map(str::to_owned);
        self.store.list(&self.path(folder), name, until).await
    }

    /// How far `message` has come, where `names` are the records about its subject, and its first attempt may have been
    /// claimed with the decision.
    pub async fn progress(
        &self,
        message: &Message,
        (names, claim): (&[String], Option<&Attempt>),
        until: Instant,
    ) -> anyhow::Result<Progress> {
        if names.contains(&format!("{}.done", message.kind.name())) {
            return Ok(Progress::Done);
        }
        let message_name = message.kind.name();
        let number = |name: &str| {
            let number = name.strip_prefix(&message_name)?.strip_prefix('.')?.strip_suffix(".attempt")?;
            number.parse::<u32>().ok()
        };
        let Some(newest) = names.iter().filter_map(|name| number(name)).max() else {
            let Some(claim) = claim else { return Ok(Progress::Untried) };
            let result = self.read(&self.result_path(message, claim.number), until).await?;
            return Ok(Progress::Tried(claim.clone(), result));
        };
        let (attempt, result) = (self.attempt_path(message, newest), self.result_path(message, newest));
        let (attempt, result) = tokio::try_join!(self.read(&attempt, until), self.read(&result, until))?;
        let attempt = attempt.ok_or_else(|| anyhow!("attempt {newest} of {message} is gone"))?;
        Ok(Progress::Tried(attempt, result))
    }

    /// Claims `attempt`; `false` where somebody else has it.
    pub async fn claim(&self, message: &Message, attempt: &Attempt, until: Instant) -> anyhow::Result<bool> {
        let path = self.attempt_path(message, attempt.number);
        let content = Record::of(attempt)?.to_json()?;
        Ok(self.store.create(&path, content, until).await.context("cannot claim an attempt")?
            == Created::Ours)
    }

    /// Notes how the attempt `number` failed.
    pub async fn failed(
        &self,
        message: &Message,
        number: u32,
        result: &AttemptResult,
        until: Instant,
    ) -> anyhow::Result<()> {
        let content = Record::of(result)?.to_json()?;
        let path = self.result_path(message, number);
        self.store
            .create(&path, content, until)
            .await
            .map(drop)
            .context("cannot note the result of an attempt")
    }

    /// Notes that `message` has arrived, at `arrived_at`.
    pub async fn arrived(
        &self,
        message: &Message,
        (attempt, arrived_at): (&Attempt, DateTime<Utc>),
        until: Instant,
    ) -> anyhow::Result<()> {
        let content = Record::of(StoredArrival::new(attempt, arrived_at))?.to_json()?;
        let path = self.done_path(message);
        self.store.create(&path, content, until).await.map(drop).context("cannot note that a message arrived")
    }

    /// When `message` arrived, if it has.
    pub async fn arrived_at(
        &self,
        message: &Message,
        until: Instant,
    ) -> anyhow::Result<Option<DateTime<Utc>>> {
        let arrival: Option<StoredArrival> = self.read(&self.done_path(message), until).await?;
        Ok(arrival.map(|arrival| arrival.at()))
    }

    async fn read<T: serde::de::DeserializeOwned>(
        &self,
        path: &Path,
        until: Instant,
    ) -> anyhow::Result<Option<T>> {
        let Some(content) = self.store.get(path, until).await? else { return Ok(None) };
        Record::parse(path, &content).map(Some)
    }

    fn path(&self, path: &str) -> Path {
        Path::from(format!("{}{path}", self.root))
    }

    fn entry_path(&self, entry: &Entry) -> Path {
        self.path(&format!("pending/{}", entry.name()))
    }

    fn decision_path(&self, id: &RelayId) -> Path {
        self.path(&format!("relayed/{id}/decision"))
    }

    fn done_path(&self, message: &Message) -> Path {
        self.path(&format!("{}/{}.done", message.subject.folder(), message.kind.name()))
    }

    fn attempt_path(&self, message: &Message, number: u32) -> Path {
        self.path(&format!("{}/{}.{number:06}.attempt", message.subject.folder(), message.kind.name()))
    }

    fn result_path(&self, message: &Message, number: u32) -> Path {
        self.path(&format!("{}/{}.{number:06}.result", message.subject.folder(), message.kind.name()))
    }
}

fn parse_decision(id: &RelayId, path: &Path, content: &[u8]) -> anyhow::Result<Decided> {
    Record::parse_as(path, content, |stored: StoredDecision| {
        stored.decided().filter(|decided| decided.decision.id == *id)
    })
}
