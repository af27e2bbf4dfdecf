//! The decisions, and the progress of each message about them: create-only records on an object store.
//!
//! Nothing that matters is ever overwritten, so the first to create a record has decided, on whatever instance and
//! whatever fails afterwards. The stored shape is private here: every record says its format version, and one that
//! cannot be read is an error that names it.
//!
//! ```text
//! relayed/{id}/decision                  the event to send, by the first click, which has claimed the first attempt
//! relayed/{id}/dispatch.000002.attempt   somebody is sending it, until its lease ends
//! relayed/{id}/dispatch.000001.result    the result of a failed attempt, and the time of the next
//! relayed/{id}/dispatch.done             it has arrived
//! asked/{hash of run, or job, and body}  a request, once
//! requested/{id}/request                 the same, open to votes
//! requested/{id}/vote.{person}.{verdict} a vote, once
//! requested/{id}/decision                the result of the votes, or that nobody decided in time
//! requested/{id}/dispatch…|card…|result… the progress of each message, as above
//! requested/{id}/run                     the run that has the approval, by its first word
//! requested/{id}/run.000002.start|end    a further attempt of it; the end of one
//! requested/{id}/card.posted             the ids of the bot's card, by which it can be changed
//! requested/{id}/changes                 the changes since the last release of its kind, once they are known
//! requested/{id}/authors                 the authors of all its commits, once they are known, if they matter
//! open/{repository}/{run}.{expires}.{group}.{id}
//!                                        an approval that is open, until it is decided
//! visibility/{repository}/{time}.{public or private}
//!                                        a repository's visibility by a token, each time that it changed
//! pending/relayed.{id}.dispatch.{nonce}  an index of the events that have not arrived yet
//! pending/requested.{id}.{nonce}         and of the approvals that are not decided, or not all told
//! listed/{day}/{time}.{kind}.{id}        a line of everything, by the time of asking
//! decided/{day}/{time}.{kind}.{id}       a line of each decision, the newest with the first name
//! released/{repository}/{group}/{time}.{id}
//!                                        a line of each event that GitHub has accepted, likewise; where nothing is
//!                                        sent, of each approval
//! dry-run/…                              the same for dry runs; their events are never sent to GitHub
//! ```

mod attempts;
mod changes;
mod lines;
mod open;
mod pending;
mod records;
mod requests;
mod runs;
mod shapes;
mod standing;
mod store;
mod votes;

use object_store::path::Path;
use tokio::time::Instant;

pub use self::{
    attempts::Detail,
    lines::{Index, Line, LineCursor},
    open::{Container, Credential, Location},
    pending::{Entry, Pending},
    records::Unreadable,
    requests::{Open, OpenNote, RequestKeys},
    store::Store,
};
use self::{records::Record, shapes::StoredDecision, store::Created};
use crate::approval::{Attempt, Decision, RelayId};

/// A decision as it is recorded: with its writer's claim of the first attempt to send the event.
#[derive(Debug)]
pub struct Decided<T> {
    /// The decision.
    pub decision: T,
    /// The first attempt, if it was claimed.
    pub claim: Option<Attempt>,
}

/// The result of recording a decision.
#[derive(Debug)]
pub enum Recorded<T> {
    /// The decision is ours: nobody had decided before.
    First(T),
    /// This decision was made before.
    Before(Decided<T>),
    /// The store did not say whether the decision is recorded.
    InDoubt(InDoubt<T>, anyhow::Error),
}

/// A decision that may be recorded or not.
#[derive(Debug)]
pub struct InDoubt<T> {
    path: Path,
    content: Vec<u8>,
    /// The decision.
    pub decision: T,
}

/// The records of one deployment.
pub struct Ledger {
    store: Store,
    root: &'static str,
}

impl Ledger {
    /// The ledger in `store`; dry runs have one apart.
    pub fn new(store: Store, dry_run: bool) -> Self {
        Self { store, root: if dry_run { "dry-run/" } else { "" } }
    }

    /// Opens the store, or makes it, so that the first click need not wait for it.
    pub async fn prepare(&self) -> anyhow::Result<()> {
        self.store.prepare().await
    }

    /// Reads the store once, to see whether it can be read.
    pub async fn can_read(&self, until: Instant) -> anyhow::Result<()> {
        self.store.get(&self.path("check"), until).await.map(drop)
    }

    /// Removes the half-written files that killed writers left in a folder.
    pub async fn tidy(&self) -> anyhow::Result<()> {
        self.store.tidy().await
    }

    /// The relayed decision with this id, if there is one.
    pub async fn decision(&self, id: &RelayId, until: Instant) -> anyhow::Result<Option<Decided<Decision>>> {
        let path = self.decision_path(id);
        let Some(content) = self.store.get(&path, until).await? else { return Ok(None) };
        parse_decision(id, &path, &content).map(Some)
    }

    /// Records `decision`, with the claim of the first attempt to send it, unless it was decided before.
    // T25
    pub async fn record(
        &self,
        decision: Decision,
        claim: Option<&Attempt>,
        until: Instant,
    ) -> anyhow::Result<Recorded<Decision>> {
        let path = self.decision_path(&decision.id);
        let content = Record::of(StoredDecision::of(&decision, claim))?.to_json()?;
        Ok(match self.store.create(&path, content.clone(), until).await {
            Ok(Created::Ours) => Recorded::First(decision),
            Ok(Created::Theirs(content)) => Recorded::Before(parse_decision(&decision.id, &path, &content)?),
            Err(error) => {
                let error = error.context("cannot record the decision");
                Recorded::InDoubt(InDoubt { path, content, decision }, error)
            }
        })
    }

    /// True if the decision is recorded and ours; `None` while none is recorded.
    pub async fn is_ours<T>(&self, doubt: &InDoubt<T>, until: Instant) -> anyhow::Result<Option<bool>> {
        let found = self.store.get(&doubt.path, until).await?;
        Ok(found.map(|found| found == doubt.content))
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
        let path = format!("{}{path}", self.root);
        // To look for characters that a path must not have takes a tenth of the time of escaping them.
        let is_plain = path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/.@-".contains(&byte));
        match is_plain.then(|| Path::parse(&path)) {
            Some(Ok(plain)) => plain,
            _ => Path::from(path),
        }
    }

    fn decision_path(&self, id: &RelayId) -> Path {
        self.path(&format!("relayed/{id}/decision"))
    }
}

fn parse_decision(id: &RelayId, path: &Path, content: &[u8]) -> anyhow::Result<Decided<Decision>> {
    Record::parse_as(path, content, |stored: StoredDecision| {
        stored.decided().filter(|decided| decided.decision.id == *id)
    })
}
