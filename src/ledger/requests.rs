//! Requests, each recorded once; the approvals that are open; and the newest visibility of a repository.

use anyhow::Context;
use chrono::{DateTime, Utc};
use object_store::{ObjectMeta, path::Path};
use tokio::time::Instant;

use super::{Ledger, Line, records::Record, shapes::StoredRequest, store::Created};
use crate::approval::{ApprovalId, EventType, Request, Subject, Visibility, Workload, hash};

/// The identity of a request: the run, its attempt, the job as far as its token tells it from others, and the body.
///
/// The first request of a run, attempt and body has the key that older versions know too, so that a repeated one is
/// found by either version during an upgrade. Another job that asks with the same body has a key of its own.
// T8
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestKeys {
    of_run: String,
    of_job: String,
}

impl RequestKeys {
    /// The keys of the request of `workload` with `body`.
    pub fn of(workload: &Workload, body: &[u8]) -> Self {
        let Workload { repository_id, run_id, run_attempt, environment, job_workflow_ref, .. } = workload;
        let run = [repository_id, run_id, run_attempt].map(|part| part.as_bytes());
        let job = [environment, job_workflow_ref].map(|part| part.as_deref().unwrap_or_default().as_bytes());
        // The first part is the tag of this way of hashing; another way gets another tag.
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

/// An approval that is open, as told by its name in `open/{repository id}/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Open {
    /// The run that asked for it.
    pub run_id: String,
    /// The time at which it expires.
    pub expires_at: DateTime<Utc>,
    /// The approval's id.
    pub id: ApprovalId,
    /// The kind of approval: the same for all that can take each other's place.
    group: String,
}

/// The note that an approval is open.
#[derive(Clone, Debug)]
pub struct OpenNote(Path);

impl Open {
    /// `{run_id}.{expires_at}.{group}.{id}`: the time is in milliseconds since 1970, and the group is the same for
    /// all approvals that can supersede each other.
    fn name(request: &Request) -> String {
        let Request { id, workload, .. } = request;
        format!(
            "{}.{}.{}.{id}",
            workload.run_id,
            request.expires_at().timestamp_millis(),
            Self::group_of(request)
        )
    }

    fn group_of(request: &Request) -> String {
        let Request { terms, workload, .. } = request;
        let workflow_file = workload.workflow_ref.as_deref().unwrap_or_default();
        let group = [
            workflow_file.split('@').next().unwrap_or_default(),
            terms.event_type.as_ref().map_or("", EventType::as_str),
            workload.environment.as_deref().unwrap_or_default(),
            terms.key.as_deref().unwrap_or_default(),
        ];
        // A workflow is one part more, so that no event is called like it.
        let started = terms.workflow.as_ref().map(|workflow| workflow.file.as_str());
        hash(group.into_iter().chain(started).map(str::as_bytes))[..16].to_owned()
    }

    /// The note of `request`.
    pub fn of(request: &Request) -> Self {
        let (run_id, expires_at) = (request.workload.run_id.clone(), request.expires_at());
        Self { run_id, expires_at, id: request.id.clone(), group: Self::group_of(request) }
    }

    /// True if `newer`, which may supersede, takes the place of this one: it is of the same kind, and a later run's.
    pub fn is_superseded_by(&self, newer: &Self) -> bool {
        let number = |run_id: &str| run_id.parse::<u128>().ok();
        let is_later =
            number(&self.run_id).zip(number(&newer.run_id)).is_some_and(|(this, newer)| this < newer);
        is_later && self.group == newer.group
    }

    /// The note of an approval whose request cannot be read: nobody knows when it expires.
    pub fn unreadable(id: ApprovalId) -> Self {
        Self { run_id: String::new(), expires_at: id.created_at(), id, group: String::new() }
    }

    fn parse(name: &str) -> Option<Self> {
        let mut parts = name.split('.');
        let (run_id, expires_at, group, id) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        Some(Self {
            run_id: run_id.to_owned(),
            expires_at: DateTime::from_timestamp_millis(expires_at.parse().ok()?)?,
            id: ApprovalId::parse(id)?,
            group: group.to_owned(),
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

impl Ledger {
    /// The request that a job like `workload` made under these keys, if there is one.
    pub async fn asked(
        &self,
        keys: &RequestKeys,
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

    /// Records `request`, unless the same was asked before: then returns the earlier one.
    /// After an error it may be recorded or not.
    pub async fn ask(
        &self,
        keys: &RequestKeys,
        request: &Request,
        until: Instant,
    ) -> anyhow::Result<Request> {
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

    /// Opens the request to votes: the indexes first, so that it is never forgotten, the request last. After an error
    /// it may be open or not.
    pub async fn open(&self, request: &Request, until: Instant) -> anyhow::Result<()> {
        let path = self.request_path(&request.id);
        let subject = Subject::Requested(request.id.clone());
        let line = Line::listed(&subject, request.created_at);
        tokio::try_join!(
            self.note_pending(&subject, until),
            self.note_line(&line, until),
            self.note_open(request, until),
        )?;
        let content = Record::of(StoredRequest::from(request))?.to_json()?;
        self.store.create(&path, content, until).await.context("cannot open the approval").map(drop)
    }

    /// Notes that the approval is open, for counting those of its repository.
    pub async fn note_open(&self, request: &Request, until: Instant) -> anyhow::Result<()> {
        let content = Record::of(())?.to_json()?;
        self.store
            .create(&self.open_path(request), content, until)
            .await
            .context("cannot note that the approval is open")
            .map(drop)
    }

    /// Removes the note that the approval is open, since it is decided.
    pub async fn remove_open(&self, request: &Request, until: Instant) -> anyhow::Result<()> {
        self.store.delete(&self.open_path(request), until).await
    }

    /// The open approvals of a repository, as far as they are noted.
    pub async fn open_in(&self, repository_id: &str, until: Instant) -> anyhow::Result<Vec<Open>> {
        let names = self.names_in(&format!("open/{repository_id}"), until).await?;
        Ok(names.iter().filter_map(|name| Open::parse(name)).collect())
    }

    /// The open approvals of all repositories, as far as they are noted, each with its note.
    pub async fn all_open(&self, until: Instant) -> anyhow::Result<Vec<(Open, OpenNote)>> {
        let note =
            |object: ObjectMeta| Some((Open::parse(object.location.filename()?)?, OpenNote(object.location)));
        self.store.list(&self.path("open"), note, until).await
    }

    /// Removes the note of an approval that was never opened.
    pub async fn forget_open(&self, note: &OpenNote, until: Instant) -> anyhow::Result<()> {
        self.store.delete(&note.0, until).await
    }

    /// The visibility of a repository by the newest token, if it is noted.
    pub async fn visibility(
        &self,
        repository_id: &str,
        until: Instant,
    ) -> anyhow::Result<Option<Visibility>> {
        let names = self.names_in(&format!("visibility/{repository_id}"), until).await?;
        Ok(names.iter().filter_map(|name| parse_visibility(name)).max())
    }

    /// Notes the visibility of a repository by a token.
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

    fn asked_path(&self, key: &str) -> Path {
        self.path(&format!("asked/{key}"))
    }

    fn open_path(&self, request: &Request) -> Path {
        self.path(&format!("open/{}/{}", request.workload.repository_id, Open::name(request)))
    }

    pub(super) fn request_path(&self, id: &ApprovalId) -> Path {
        self.requested_path(id, "request")
    }
}

/// True if the two jobs count as one for the same body. A record of an older version does not tell which job
/// asked: it counts for any job of the run.
fn is_same_job(recorded: &Workload, asking: &Workload) -> bool {
    recorded.event_name.is_none()
        || (&recorded.environment, &recorded.job_workflow_ref)
            == (&asking.environment, &asking.job_workflow_ref)
}

/// Reads the request at `path`.
pub(super) fn parse_request(path: &Path, content: &[u8]) -> anyhow::Result<Request> {
    Record::parse_as(path, content, StoredRequest::request)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{super::lines::release_group, *};
    use crate::{approval::Repository, surfaces::request::parse_body};

    fn request(body: &str, environment: Option<&str>) -> Request {
        let now = DateTime::from_timestamp(1_800_000_000, 0).expect("a time");
        let repository = Repository::parse("octo/app").expect("a repository");
        let environment = environment.map(str::to_owned);
        let workload = Workload { environment, ..Workload::sample(repository) };
        let terms = parse_body(body.as_bytes(), 1).expect(body);
        Request { id: ApprovalId::new(now, [7; 16]), terms, workload, created_at: now }
    }

    #[test]
    fn only_what_leads_to_the_same_is_of_one_kind() {
        let bodies = [
            "{}",
            r#"{"event_type":"go"}"#,
            r#"{"event_type":"a.yml"}"#,
            r#"{"workflow":"a.yml"}"#,
            r#"{"workflow":"b.yml"}"#,
        ];
        let requests = || {
            let both = |body| [None, Some("a.yml")].map(|environment| request(body, environment));
            bodies.into_iter().flat_map(both)
        };
        let kinds: BTreeSet<_> = requests().map(|request| Open::group_of(&request)).collect();
        assert_eq!(kinds.len(), 2 * bodies.len());
        let kinds: BTreeSet<_> = requests().map(|request| release_group(&request)).collect();
        assert_eq!(kinds.len(), 2 * bodies.len());
        let (one, other) = (
            request(r#"{"workflow":"a.yml","ref":"v1","title":"One"}"#, None),
            request(r#"{"workflow":"a.yml","inputs":{"v":"2"}}"#, None),
        );
        assert_eq!(Open::group_of(&one), Open::group_of(&other));
        assert_eq!(release_group(&one), release_group(&other));
        // Names that are in stores already.
        let event = request(r#"{"event_type":"go-live"}"#, None);
        assert_eq!(
            (Open::group_of(&event), release_group(&event)),
            ("a1b54b1b24eb0bd6".into(), "1a84ff53ceb5608a".into())
        );
    }

    #[test]
    fn the_newest_visibility_is_the_greatest_and_public_in_doubt() {
        let names = ["000000000009.private", "000000000010.private", "000000000010.public", "x", "1.secret"];
        let newest = names.into_iter().filter_map(parse_visibility).max();
        assert_eq!(newest, Some(Visibility { said_at: 10, is_public: true }));
        assert_eq!(newest.map(name_of).as_deref(), Some("000000000010.public"));
    }
}
