//! Requested approvals: what was asked, the votes, and what they came to.

use anyhow::{Context, anyhow, ensure};
use futures_util::future::try_join_all;
use object_store::path::Path;
use ring::digest::{Context as Hash, SHA256};
use tokio::time::Instant;

use super::{
    Kind, Ledger, Message, Progress, Subject,
    records::{Record, StoredBallot, StoredPosted, StoredRequest, StoredRuling},
    store::Created,
};
use crate::approval::{
    Approval, ApprovalId, Ballot, Performer, PostedMessage, Request, Ruling, Workload, hex,
};

/// The most votes that are read; people who vote at once can be a few more than are needed.
const MAX_BALLOTS: usize = 100;

/// What makes two requests one: the run, its attempt, and the body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AskingKey(String);

impl AskingKey {
    /// Says what is hashed and how; another way gets another tag.
    const TAG: &str = "ApproveRelease request 1";

    /// The key of what `workload` asks with `body`.
    pub fn of(workload: &Workload, body: &[u8]) -> Self {
        let Workload { repository_id, run_id, run_attempt, .. } = workload;
        let mut hash = Hash::new(&SHA256);
        for part in
            [Self::TAG.as_bytes(), repository_id.as_bytes(), run_id.as_bytes(), run_attempt.as_bytes(), body]
        {
            // With its length before it, no part can lend bytes to its neighbour.
            hash.update(&(part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        Self(hex(hash.finish().as_ref()))
    }
}

/// Everything that stands about an approval.
#[derive(Debug)]
pub struct Folder {
    /// The approval.
    pub approval: Approval,
    names: Vec<String>,
}

impl Folder {
    /// Whether this message about it has arrived for good.
    pub fn has_arrived(&self, kind: Kind) -> bool {
        self.names.contains(&format!("{}.done", kind.name()))
    }

    /// Whether anybody has begun to send this message about it.
    pub fn has_begun(&self, kind: Kind) -> bool {
        let begins = format!("{}.", kind.name());
        self.names.iter().any(|name| name.starts_with(&begins))
    }

    /// Whether it is known where the bot's card stands.
    pub fn is_posted_by_bot(&self) -> bool {
        self.names.iter().any(|name| name == POSTED)
    }
}

/// Whether a ruling is new.
#[derive(Debug)]
pub enum Ruled {
    /// It is ours: nobody had decided before.
    First,
    /// This was decided before.
    Before(Ruling),
}

impl Ledger {
    /// Records that `request` is asked for, unless the same was asked before: then what was asked before counts.
    /// An error means that it is not known to be recorded.
    pub async fn ask(&self, key: &AskingKey, request: &Request, until: Instant) -> anyhow::Result<Request> {
        let path = self.path(&format!("asked/{}", key.0));
        let content = Record::of(StoredRequest::from(request))?.to_json()?;
        match self.store.create(&path, content, until).await.context("cannot record the request")? {
            Created::Ours => Ok(request.clone()),
            Created::Theirs(content) => parse_request(&path, &content),
        }
    }

    /// Opens what was asked for to votes, unless it is open: the index first, so that it is never forgotten, the
    /// request last. An error means that it is not known to be open.
    pub async fn open(&self, request: &Request, until: Instant) -> anyhow::Result<()> {
        let path = self.request_path(&request.id);
        if self.store.get(&path, until).await?.is_some() {
            return Ok(());
        }
        let subject = Subject::Requested(request.id.clone());
        tokio::try_join!(self.expect(&subject, until), self.list_as(&subject, request.created_at, until))?;
        let content = Record::of(StoredRequest::from(request))?.to_json()?;
        self.store.create(&path, content, until).await.context("cannot open the approval").map(drop)
    }

    /// Everything about the approval with this id, if there is one.
    pub async fn folder(&self, id: &ApprovalId, until: Instant) -> anyhow::Result<Option<Folder>> {
        let path = self.request_path(id);
        let subject = Subject::Requested(id.clone());
        let (found, names) = tokio::try_join!(self.store.get(&path, until), self.names(&subject, until))?;
        let Some(content) = found else { return Ok(None) };
        let request = parse_request(&path, &content)?;
        ensure!(request.id == *id, "{path} holds another approval");
        let ruling = match names.iter().any(|name| name == DECISION) {
            true => self.ruling(id, until).await?,
            false => None,
        };
        let ballots = match &ruling {
            Some(ruling) => ruling.ballots.clone(),
            None => self.ballots(id, &names, until).await?,
        };
        Ok(Some(Folder { approval: Approval { request, ballots, ruling }, names }))
    }

    /// How far a message about the approval had come when its folder was read.
    pub async fn progress_in(
        &self,
        folder: &Folder,
        message: &Message,
        until: Instant,
    ) -> anyhow::Result<Progress> {
        self.progress(message, &folder.names, until).await
    }

    /// Records a vote, unless the same person has cast the same before.
    pub async fn cast(&self, id: &ApprovalId, ballot: &Ballot, until: Instant) -> anyhow::Result<()> {
        let who = match &ballot.performer {
            Performer::Anonymous => "anonymous".to_owned(),
            Performer::Person(person) => person.object_id.to_string(),
        };
        let path = self.requested_path(id, &format!("{VOTE}{who}.{}", ballot.verdict.as_str()));
        let content = Record::of(StoredBallot::from(ballot))?.to_json()?;
        self.store.create(&path, content, until).await.context("cannot record the vote").map(drop)
    }

    /// The votes so far, earliest first.
    pub async fn cast_so_far(&self, id: &ApprovalId, until: Instant) -> anyhow::Result<Vec<Ballot>> {
        let names = self.names(&Subject::Requested(id.clone()), until).await?;
        self.ballots(id, &names, until).await
    }

    /// Records how the approval was decided, unless it was decided before. An error means that it is not known.
    pub async fn rule(&self, id: &ApprovalId, ruling: &Ruling, until: Instant) -> anyhow::Result<Ruled> {
        let path = self.requested_path(id, DECISION);
        let content = Record::of(StoredRuling::from(ruling))?.to_json()?;
        match self.store.create(&path, content, until).await.context("cannot record the decision")? {
            Created::Ours => Ok(Ruled::First),
            Created::Theirs(content) => parse_ruling(&path, &content).map(Ruled::Before),
        }
    }

    /// Notes where the bot's card stands.
    pub async fn posted_at(
        &self,
        id: &ApprovalId,
        message: &PostedMessage,
        until: Instant,
    ) -> anyhow::Result<()> {
        let content = Record::of(StoredPosted::from(message))?.to_json()?;
        let path = self.requested_path(id, POSTED);
        self.store.create(&path, content, until).await.context("cannot note where the card stands").map(drop)
    }

    /// Where the bot's card stands, if it is known to stand somewhere.
    pub async fn posted(&self, folder: &Folder, until: Instant) -> anyhow::Result<Option<PostedMessage>> {
        if !folder.is_posted_by_bot() {
            return Ok(None);
        }
        let path = self.requested_path(&folder.approval.request.id, POSTED);
        let stored: Option<StoredPosted> = self.read(&path, until).await?;
        Ok(stored.map(StoredPosted::message))
    }

    async fn ruling(&self, id: &ApprovalId, until: Instant) -> anyhow::Result<Option<Ruling>> {
        let path = self.requested_path(id, DECISION);
        let found = self.store.get(&path, until).await?;
        found.map(|content| parse_ruling(&path, &content)).transpose()
    }

    async fn ballots(
        &self,
        id: &ApprovalId,
        names: &[String],
        until: Instant,
    ) -> anyhow::Result<Vec<Ballot>> {
        let votes = names.iter().filter(|name| name.starts_with(VOTE)).take(MAX_BALLOTS);
        let reads = votes.map(async |name| {
            let path = self.requested_path(id, name);
            let stored: Option<StoredBallot> = self.read(&path, until).await?;
            let ballot = stored.and_then(|stored| stored.ballot());
            ballot.ok_or_else(|| anyhow!("{path} holds no vote"))
        });
        let mut ballots = try_join_all(reads).await?;
        ballots.sort_by_key(|ballot| ballot.at);
        Ok(ballots)
    }

    fn request_path(&self, id: &ApprovalId) -> Path {
        self.requested_path(id, "request")
    }

    fn requested_path(&self, id: &ApprovalId, name: &str) -> Path {
        self.path(&format!("requested/{id}/{name}"))
    }
}

/// The name of the record that decides.
const DECISION: &str = "decision";

/// The name of the record that says where the bot's card stands.
const POSTED: &str = "card.posted";

/// What the names of votes begin with.
const VOTE: &str = "vote.";

fn parse_request(path: &Path, content: &[u8]) -> anyhow::Result<Request> {
    let stored: StoredRequest = Record::parse(content).with_context(|| format!("cannot read {path}"))?;
    stored.request().ok_or_else(|| anyhow!("{path} holds no request that can be decided"))
}

fn parse_ruling(path: &Path, content: &[u8]) -> anyhow::Result<Ruling> {
    let stored: StoredRuling = Record::parse(content).with_context(|| format!("cannot read {path}"))?;
    stored.ruling().ok_or_else(|| anyhow!("{path} holds no decision"))
}
