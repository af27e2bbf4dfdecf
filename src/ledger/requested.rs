//! Requested approvals: what was asked, the votes, and what they came to.

use anyhow::{Context, anyhow};
use chrono::{DateTime, Utc};
use futures_util::{FutureExt, StreamExt, TryStreamExt, stream};
use object_store::{ObjectMeta, path::Path};
use ring::digest::{Context as Hash, SHA256};
use tokio::time::Instant;

use super::{
    Attempt, Kind, Ledger, Message, Progress, Subject,
    records::{Record, StoredBallot, StoredPosted, StoredRequest, StoredRuling, Unreadable},
    store::Created,
};
use crate::approval::{
    Approval, ApprovalId, Ballot, Performer, Policy, PostedMessage, Request, Ruling, Ticket, Visibility,
    Workload, hex,
};

/// How many votes are read at the same time.
const BALLOTS_AT_ONCE: usize = 16;

/// What makes two requests one: the run, its attempt, the job as far as its token tells it from others, and the body.
///
/// The first request of a run, attempt and body stands under the key that older versions know as well, so that one that
/// is asked for again during an upgrade is found by either. Another job that asks with the same body stands under its
/// own.
// T8
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AskingKeys {
    of_run: String,
    of_job: String,
}

impl AskingKeys {
    /// The keys of what `workload` asks with `body`.
    pub fn of(workload: &Workload, body: &[u8]) -> Self {
        let Workload { repository_id, run_id, run_attempt, environment, job_workflow_ref, .. } = workload;
        let run = [repository_id, run_id, run_attempt].map(|part| part.as_bytes());
        let job = [environment, job_workflow_ref].map(|part| part.as_deref().unwrap_or_default().as_bytes());
        // The first part says what is hashed and how; another way gets another one.
        Self {
            of_run: hash(
                [b"ApproveRelease request 1"].into_iter().map(|tag| &tag[..]).chain(run).chain([body]),
            ),
            of_job: hash(
                [b"ApproveRelease request 2"]
                    .into_iter()
                    .map(|tag| &tag[..])
                    .chain(run)
                    .chain(job)
                    .chain([body]),
            ),
        }
    }
}

/// SHA-256 of the parts, each with its length before it, so that none can lend bytes to its neighbour.
fn hash<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut hash = Hash::new(&SHA256);
    for part in parts {
        hash.update(&(part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hex(hash.finish().as_ref())
}

/// An approval that is open, as its name in `open/{repository id}/` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Open {
    /// The run that asked for it.
    pub run_id: String,
    /// When it expires.
    pub expires_at: DateTime<Utc>,
    /// Which it is.
    pub id: ApprovalId,
}

/// Where it is noted that an approval is open.
#[derive(Clone, Debug)]
pub struct OpenNote(Path);

impl Open {
    /// `{run_id}.{expires_at}.{group}.{id}`, where the time is in milliseconds since 1970 and the group the same for
    /// all that can supersede each other.
    fn name(request: &Request) -> String {
        let Request { id, asked, workload, .. } = request;
        let workflow_file = workload.workflow_ref.as_deref().unwrap_or_default();
        let group = [
            workflow_file.split('@').next().unwrap_or_default(),
            asked.event_type.as_str(),
            workload.environment.as_deref().unwrap_or_default(),
            asked.key.as_deref().unwrap_or_default(),
        ];
        let group = hash(group.map(str::as_bytes));
        format!("{}.{}.{}.{id}", workload.run_id, request.expires_at().timestamp_millis(), &group[..16])
    }

    /// That of `request`.
    pub fn of(request: &Request) -> Self {
        let (run_id, expires_at) = (request.workload.run_id.clone(), request.expires_at());
        Self { run_id, expires_at, id: request.id.clone() }
    }

    fn parse(name: &str) -> Option<Self> {
        let mut parts = name.split('.');
        let (run_id, expires_at, _group, id) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        Some(Self {
            run_id: run_id.to_owned(),
            expires_at: DateTime::from_timestamp_millis(expires_at.parse().ok()?)?,
            id: ApprovalId::parse(id)?,
        })
    }
}

/// The name of the record that notes a visibility.
fn name_of(visibility: Visibility) -> String {
    format!("{:012}.{}", visibility.said_at, if visibility.is_public { "public" } else { "private" })
}

fn parse_visibility(name: &str) -> Option<Visibility> {
    let (said_at, visibility) = name.split_once('.')?;
    let is_public = match visibility {
        "public" => true,
        "private" => false,
        _ => return None,
    };
    Some(Visibility { said_at: said_at.parse().ok()?, is_public })
}

/// Everything that stands about an approval.
#[derive(Debug)]
pub struct Folder {
    /// The approval.
    pub approval: Approval,
    names: Vec<String>,
    /// The first attempt to send its dispatch, if it was claimed with the decision.
    claim: Option<Attempt>,
}

impl Folder {
    /// That of an approval that was opened just now, by us.
    pub fn fresh(request: Request) -> Self {
        Self {
            approval: Approval { request, ballots: Vec::new(), ruling: None },
            names: Vec::new(),
            claim: None,
        }
    }

    /// The first attempt to send its dispatch, if it was claimed with the decision.
    pub fn claim(&self) -> Option<&Attempt> {
        self.claim.as_ref()
    }

    /// The same, held against the settings of now.
    pub fn held(self, policy: &Policy) -> Self {
        Self { approval: policy.hold(self.approval), ..self }
    }

    /// The names of the records about it, when it was read.
    pub fn names(&self) -> &[String] {
        &self.names
    }

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
    /// It is ours, with its ticket: nobody had decided before.
    First(Ruling),
    /// This was decided before, and this attempt to send its dispatch claimed with it.
    Before(Ruling, Option<Attempt>),
}

impl Ledger {
    /// What was asked for under these keys by a job like `workload`, if it was.
    pub async fn asked(
        &self,
        keys: &AskingKeys,
        workload: &Workload,
        until: Instant,
    ) -> anyhow::Result<Option<Request>> {
        let read = async |path: Path| match self.store.get(&path, until).await? {
            Some(content) => parse_request(&path, &content).map(Some),
            None => Ok(None),
        };
        let (of_run, of_job) =
            tokio::try_join!(read(self.asked_path(&keys.of_run)), read(self.asked_path(&keys.of_job)))?;
        Ok(of_run.filter(|asked| is_same_job(&asked.workload, workload)).or(of_job))
    }

    /// Records that `request` is asked for, unless the same was asked before: then what was asked before counts.
    /// An error means that it is not known to be recorded.
    pub async fn ask(&self, keys: &AskingKeys, request: &Request, until: Instant) -> anyhow::Result<Request> {
        let of_run = self.ask_once(self.asked_path(&keys.of_run), request, until).await?;
        match is_same_job(&of_run.workload, &request.workload) {
            true => Ok(of_run),
            false => self.ask_once(self.asked_path(&keys.of_job), request, until).await,
        }
    }

    async fn ask_once(&self, path: Path, request: &Request, until: Instant) -> anyhow::Result<Request> {
        let content = Record::of(StoredRequest::from(request))?.to_json()?;
        match self.store.create(&path, content, until).await.context("cannot record the request")? {
            Created::Ours => Ok(request.clone()),
            Created::Theirs(content) => parse_request(&path, &content),
        }
    }

    /// True if the approval with this id was opened to votes.
    pub async fn was_opened(&self, id: &ApprovalId, until: Instant) -> anyhow::Result<bool> {
        Ok(self.store.get(&self.request_path(id), until).await?.is_some())
    }

    /// Opens what was asked for to votes: the indexes first, so that it is never forgotten, the request last. An error
    /// means that it is not known to be open.
    pub async fn open(&self, request: &Request, until: Instant) -> anyhow::Result<()> {
        let path = self.request_path(&request.id);
        let subject = Subject::Requested(request.id.clone());
        tokio::try_join!(
            self.expect(&subject, until),
            self.list_as(&subject, request.created_at, until),
            self.note_open(request, until),
        )?;
        let content = Record::of(StoredRequest::from(request))?.to_json()?;
        self.store.create(&path, content, until).await.context("cannot open the approval").map(drop)
    }

    /// Notes that the approval is open, for whoever counts those of its repository.
    pub async fn note_open(&self, request: &Request, until: Instant) -> anyhow::Result<()> {
        let content = Record::of(())?.to_json()?;
        self.store
            .create(&self.open_path(request), content, until)
            .await
            .context("cannot note what is open")
            .map(drop)
    }

    /// The approval is not open any more.
    pub async fn note_decided(&self, request: &Request, until: Instant) -> anyhow::Result<()> {
        self.store.delete(&self.open_path(request), until).await
    }

    /// What is open of a repository, as far as it is noted.
    pub async fn open_in(&self, repository_id: &str, until: Instant) -> anyhow::Result<Vec<Open>> {
        let names = self.names_in(&format!("open/{repository_id}"), until).await?;
        Ok(names.iter().filter_map(|name| Open::parse(name)).collect())
    }

    /// What is open of all repositories, as far as it is noted, and where that stands.
    pub async fn all_open(&self, until: Instant) -> anyhow::Result<Vec<(Open, OpenNote)>> {
        let note =
            |object: ObjectMeta| Some((Open::parse(object.location.filename()?)?, OpenNote(object.location)));
        self.store.list(&self.path("open"), note, until).await
    }

    /// Takes out the note of something that was never opened.
    pub async fn forget_open(&self, note: &OpenNote, until: Instant) -> anyhow::Result<()> {
        self.store.delete(&note.0, until).await
    }

    /// What the newest token said of a repository's visibility, if it is noted.
    pub async fn visibility(
        &self,
        repository_id: &str,
        until: Instant,
    ) -> anyhow::Result<Option<Visibility>> {
        let names = self.names_in(&format!("visibility/{repository_id}"), until).await?;
        Ok(names.iter().filter_map(|name| parse_visibility(name)).max())
    }

    /// Notes what a token said of a repository's visibility.
    pub async fn note_visibility(
        &self,
        repository_id: &str,
        visibility: Visibility,
        until: Instant,
    ) -> anyhow::Result<()> {
        let path = self.path(&format!("visibility/{repository_id}/{}", name_of(visibility)));
        let content = Record::of(())?.to_json()?;
        self.store.create(&path, content, until).await.context("cannot note the visibility").map(drop)
    }

    /// Everything about the approval with this id, if there is one.
    pub async fn folder(&self, id: &ApprovalId, until: Instant) -> anyhow::Result<Option<Folder>> {
        let path = self.request_path(id);
        let subject = Subject::Requested(id.clone());
        let (found, names) = tokio::try_join!(self.store.get(&path, until), self.names(&subject, until))?;
        let Some(content) = found else { return Ok(None) };
        let request = parse_request(&path, &content)?;
        if request.id != *id {
            return Err(anyhow!("it holds another approval").context(Unreadable::at(&path)));
        }
        let ruled = match names.iter().any(|name| name == DECISION) {
            true => self.ruling(id, until).await?,
            false => None,
        };
        let (ruling, claim) = ruled.map_or((None, None), |(ruling, claim)| (Some(ruling), claim));
        let ballots = match &ruling {
            Some(ruling) => ruling.ballots.clone(),
            None => self.ballots(id, &names, until).await?,
        };
        Ok(Some(Folder { approval: Approval { request, ballots, ruling }, names, claim }))
    }

    /// How far a message about the approval had come when its folder was read.
    pub async fn progress_in(
        &self,
        folder: &Folder,
        message: &Message,
        until: Instant,
    ) -> anyhow::Result<Progress> {
        let claim = folder.claim.as_ref().filter(|_| message.kind == Kind::Dispatch);
        self.progress(message, (&folder.names, claim), until).await
    }

    /// Records a vote, unless the same person has cast the same before. One by the same person under another name is
    /// recorded beside it: by which name they are listed may have changed. `known` are the votes that were there before,
    /// by their names, as far as somebody has looked: it saves asking for them again.
    pub async fn cast(
        &self,
        (id, known): (&ApprovalId, &[String]),
        ballot: &Ballot,
        until: Instant,
    ) -> anyhow::Result<()> {
        let (who, name) = match &ballot.performer {
            Performer::Anonymous => ("anonymous".to_owned(), None),
            Performer::Person(person) => {
                (person.object_id.to_string(), person.user_principal_name.as_deref())
            }
        };
        let vote = format!("{VOTE}{who}.{}", ballot.verdict.as_str());
        let beside =
            name.map(|name| format!("{vote}.{}", &hash([name.to_ascii_lowercase().as_bytes()])[..16]));
        let content = Record::of(StoredBallot::from(ballot))?.to_json()?;
        let path = self.requested_path(id, &vote);
        let before = match known.contains(&vote) {
            true if beside.as_ref().is_none_or(|beside| known.contains(beside)) => return Ok(()),
            true => Some(self.ballot(path, until).await?),
            false => match self.store.create(&path, content.clone(), until).await.context(CANNOT_CAST)? {
                Created::Ours => None,
                Created::Theirs(before) => Some(parse_ballot(&path, &before)?),
            },
        };
        let (Some(before), Some(name), Some(beside)) = (before, name, beside) else { return Ok(()) };
        let has_same_name = match &before.performer {
            Performer::Anonymous => true,
            Performer::Person(person) => {
                person.user_principal_name.as_ref().is_some_and(|before| before.eq_ignore_ascii_case(name))
            }
        };
        if has_same_name {
            return Ok(());
        }
        self.store
            .create(&self.requested_path(id, &beside), content, until)
            .await
            .context(CANNOT_CAST)
            .map(drop)
    }

    /// The votes so far, earliest first.
    pub async fn cast_so_far(&self, id: &ApprovalId, until: Instant) -> anyhow::Result<Vec<Ballot>> {
        let names = self.names(&Subject::Requested(id.clone()), until).await?;
        self.ballots(id, &names, until).await
    }

    /// Records how the approval was decided, with a new ticket, unless it was decided before, and with it the claim of
    /// the first attempt to send its dispatch by whoever is about to. An error means that it is not known.
    // T18
    pub async fn rule(
        &self,
        id: &ApprovalId,
        (ruling, claim): (Ruling, Option<&Attempt>),
        until: Instant,
    ) -> anyhow::Result<Ruled> {
        let ruling = Ruling { ticket: Some(Ticket::new()?), ..ruling };
        let path = self.requested_path(id, DECISION);
        let content = Record::of(StoredRuling::of(&ruling, claim))?.to_json()?;
        match self.store.create(&path, content, until).await.context("cannot record the decision")? {
            Created::Ours => Ok(Ruled::First(ruling)),
            Created::Theirs(content) => {
                parse_ruling(&path, &content).map(|(ruling, claim)| Ruled::Before(ruling, claim))
            }
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

    async fn ruling(
        &self,
        id: &ApprovalId,
        until: Instant,
    ) -> anyhow::Result<Option<(Ruling, Option<Attempt>)>> {
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
        let votes = names.iter().filter(|name| name.starts_with(VOTE));
        let paths: Vec<_> = votes.map(|name| self.requested_path(id, name)).collect();
        let reads = paths.into_iter().map(|path| self.ballot(path, until).boxed());
        let mut ballots: Vec<_> = stream::iter(reads).buffer_unordered(BALLOTS_AT_ONCE).try_collect().await?;
        ballots.sort_by_key(|ballot| ballot.at);
        Ok(ballots)
    }

    async fn ballot(&self, path: Path, until: Instant) -> anyhow::Result<Ballot> {
        let content = self.store.get(&path, until).await?;
        parse_ballot(&path, &content.with_context(|| format!("{path} is gone"))?)
    }

    fn asked_path(&self, key: &str) -> Path {
        self.path(&format!("asked/{key}"))
    }

    fn open_path(&self, request: &Request) -> Path {
        self.path(&format!("open/{}/{}", request.workload.repository_id, Open::name(request)))
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

const CANNOT_CAST: &str = "cannot record the vote";

/// True if the two jobs ask for the same with the same body. What an older version recorded does not say which job it
/// was: that is any of the run.
fn is_same_job(recorded: &Workload, asking: &Workload) -> bool {
    recorded.event_name.is_none()
        || (&recorded.environment, &recorded.job_workflow_ref)
            == (&asking.environment, &asking.job_workflow_ref)
}

fn parse_request(path: &Path, content: &[u8]) -> anyhow::Result<Request> {
    Record::parse_as(path, content, StoredRequest::request)
}

fn parse_ruling(path: &Path, content: &[u8]) -> anyhow::Result<(Ruling, Option<Attempt>)> {
    Record::parse_as(path, content, StoredRuling::ruled)
}

fn parse_ballot(path: &Path, content: &[u8]) -> anyhow::Result<Ballot> {
    Record::parse_as(path, content, |stored: StoredBallot| stored.ballot())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_visibility_is_the_greatest_and_public_in_doubt() {
        let names = ["000000000009.private", "000000000010.private", "000000000010.public", "x", "1.secret"];
        let newest = names.into_iter().filter_map(parse_visibility).max();
        assert_eq!(newest, Some(Visibility { said_at: 10, is_public: true }));
        assert_eq!(newest.map(name_of).as_deref(), Some("000000000010.public"));
    }
}
