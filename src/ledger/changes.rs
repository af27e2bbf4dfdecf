//! The changes of an approval and their authors, and the last release that they are counted from.

use anyhow::Context;
use object_store::ObjectMeta;
use tokio::time::Instant;

use super::{
    Ledger,
    lines::{released_at, releases},
    records::Record,
    requests::parse_request,
    shapes::{StoredAuthors, StoredChanges},
    store::Created,
};
use crate::approval::{ApprovalId, Authors, Changes, Request};

/// The name of the record of the changes.
const CHANGES: &str = "changes";

/// The name of the record of their authors.
const AUTHORS: &str = "authors";

/// The most lines of releases that are looked at: the record that a line names may be gone.
const MAX_LINES: usize = 3;

impl Ledger {
    /// The commit of the last release of the same kind in the same repository, before `request` was made. Two rounds;
    /// one if there is none.
    pub async fn last_release(&self, request: &Request, until: Instant) -> anyhow::Result<Option<String>> {
        let earlier = |object: ObjectMeta| {
            let (at, id) = released_at(object.location.filename()?)?;
            (at <= request.created_at && id != request.id).then_some((at, id))
        };
        let folder = self.path(&releases(request));
        let mut lines = self.store.list_first(&folder, earlier, MAX_LINES, until).await?;
        // A folder's names come in no order.
        lines.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
        for (_, id) in lines.into_iter().take(MAX_LINES) {
            let path = self.request_path(&id);
            if let Some(content) = self.store.get(&path, until).await? {
                return Ok(Some(parse_request(&path, &content)?.workload.sha));
            }
        }
        Ok(None)
    }

    /// Records the changes of an approval, unless they are; `is_late` if a card may have been posted before. Returns
    /// the recorded ones.
    pub async fn note_changes(
        &self,
        id: &ApprovalId,
        changes: Changes,
        is_late: bool,
        until: Instant,
    ) -> anyhow::Result<Changes> {
        let Some(stored) = StoredChanges::of(&changes, is_late) else { return Ok(changes) };
        let path = self.requested_path(id, CHANGES);
        let content = Record::of(stored)?.to_json()?;
        match self.store.create(&path, content, until).await.context("cannot record the changes")? {
            Created::Ours => Ok(changes),
            Created::Theirs(content) => {
                Record::parse_as(&path, &content, StoredChanges::changes).map(|(changes, _)| changes)
            }
        }
    }

    /// The changes of an approval if they are known, and true if a card may have been posted before.
    pub(super) async fn changes(
        &self,
        id: &ApprovalId,
        until: Instant,
    ) -> anyhow::Result<Option<(Changes, bool)>> {
        let path = self.requested_path(id, CHANGES);
        let Some(content) = self.store.get(&path, until).await? else { return Ok(None) };
        Record::parse_as(&path, &content, StoredChanges::changes).map(Some)
    }

    /// Records the authors of an approval, unless they are. Returns the recorded ones.
    pub async fn note_authors(
        &self,
        id: &ApprovalId,
        authors: Authors,
        until: Instant,
    ) -> anyhow::Result<Authors> {
        let path = self.requested_path(id, AUTHORS);
        let content = Record::of(StoredAuthors::from(&authors))?.to_json()?;
        match self.store.create(&path, content, until).await.context("cannot record the authors")? {
            Created::Ours => Ok(authors),
            Created::Theirs(content) => {
                Record::parse_as(&path, &content, |stored: StoredAuthors| Some(stored.authors()))
            }
        }
    }

    /// The authors of an approval, if they are on record.
    pub(super) async fn authors(&self, id: &ApprovalId, until: Instant) -> anyhow::Result<Option<Authors>> {
        let path = self.requested_path(id, AUTHORS);
        let Some(content) = self.store.get(&path, until).await? else { return Ok(None) };
        Record::parse_as(&path, &content, |stored: StoredAuthors| Some(stored.authors())).map(Some)
    }
}
