//! Looking at approvals: whoever looks sees the truth, and what was due is decided first.

use std::{sync::Arc, time::Duration};

use futures_util::{FutureExt, future::try_join_all};
use tokio::time::Instant;

use super::Approvals;
use crate::{
    approval::{ApprovalId, Item, RelayId, Request, Seen, Visibility, Workload},
    ledger::{Cursor, Listed, Subject, Unreadable},
    outbox::LeftOut,
    text::log::describe,
    timing::Timing,
};

/// How many lines a page of the list has.
pub const PAGE: usize = 30;

/// The most approvals that are shown as waiting.
const MAX_WAITING: usize = 30;

/// What follows from a look has this long, beside the answer to whoever looked.
const FOLLOW_UP_TIME: Duration = Duration::from_secs(20);

/// A page of the list.
#[derive(Debug)]
pub struct List {
    /// What waits for a decision, on the first page only: the newest.
    pub waiting: Vec<Item>,
    /// Whether more may wait, which stands on this page and those that follow, by the time of asking.
    pub more_waiting: bool,
    /// The rest, newest first.
    pub recent: Vec<Item>,
    /// Where the next page begins, if there is one.
    pub next: Option<Cursor>,
}

impl Approvals {
    /// The approval with this id, if there is one. An error means that the store was not reached.
    pub async fn look(self: &Arc<Self>, id: &ApprovalId, timing: Timing) -> anyhow::Result<Option<Seen>> {
        let Some((folder, has_ruled)) = self.outbox.look(id, timing).await? else {
            return Ok(None);
        };
        if has_ruled {
            let ending = folder.approval.ruling.as_ref().map_or("", |ruling| ruling.ending.as_str());
            log::info!("approval {}: {ending}", id.short());
            self.follow_up(id.clone(), timing);
        }
        self.outbox.seen(folder, timing).await.map(Some)
    }

    /// The approval with this id for a job of its repository, whose token says whether that is public; nothing where it
    /// is another repository's, or where there is none.
    pub async fn look_as_job(
        self: &Arc<Self>,
        id: &ApprovalId,
        (workload, said): (&Workload, Visibility),
        timing: Timing,
    ) -> anyhow::Result<Option<Seen>> {
        let visibility = self.outbox.ledger.visibility(&workload.repository_id, timing.deadline);
        let (seen, known) = tokio::try_join!(self.look(id, timing), visibility)?;
        // T3. Another repository of the same name is another repository.
        let is_own = |seen: &Seen| seen.approval.request.workload.repository_id == workload.repository_id;
        let Some(mut seen) = seen.filter(is_own) else { return Ok(None) };
        let newest = self.note_visibility(workload, (said, known), timing.deadline).await?;
        seen.approval.request = seen.approval.request.seen_as(Some(newest));
        Ok(Some(seen))
    }

    /// Sends what follows from a ruling, while nobody waits for it. What does not arrive is left to the sweep.
    pub(super) fn follow_up(self: &Arc<Self>, id: ApprovalId, timing: Timing) {
        let approvals = Arc::clone(self);
        self.outbox.tasks.spawn(async move {
            let timing = Timing::new(timing.current(), FOLLOW_UP_TIME);
            approvals.outbox.wake(&id);
            match approvals.outbox.folder(&id, timing.deadline).await {
                Ok(Some(folder)) => {
                    // First, so that other instances know of it whatever becomes of this one.
                    if folder.approval.ruling.is_some() {
                        approvals.close(&folder.approval.request, timing).await;
                    }
                    let (_, swept) = approvals.outbox.carry_on(&folder, LeftOut::default(), timing).await;
                    swept.lines.iter().for_each(|(level, line)| log::log!(*level, "{line}"));
                }
                Ok(None) => {}
                Err(error) => log::warn!("approval {}: {}", id.short(), describe(&error)),
            }
        });
    }

    /// Takes what was just decided out of the index of what is open, while nobody waits for it.
    pub(super) fn close_beside(self: &Arc<Self>, request: &Request, timing: Timing) {
        let (approvals, request) = (Arc::clone(self), request.clone());
        self.outbox.tasks.spawn(async move {
            let timing = Timing::new(timing.current(), FOLLOW_UP_TIME);
            approvals.close(&request, timing).await;
        });
    }

    /// An entry that stays is found by a sweep.
    async fn close(&self, request: &Request, timing: Timing) {
        if let Err(error) = self.outbox.ledger.note_decided(request, timing.deadline).await {
            log::warn!("approval {}: {}", request.id.short(), describe(&error));
        }
    }

    /// Notes what a job's token says of its repository's visibility, for all instances, where it is news; returns what
    /// the newest token said. `known` is what was noted before.
    // T10
    pub(super) async fn note_visibility(
        &self,
        workload: &Workload,
        (said, known): (Visibility, Option<Visibility>),
        until: Instant,
    ) -> anyhow::Result<Visibility> {
        let newest = known.map_or(said, |known| known.max(said));
        if known.is_none_or(|known| known.is_public != newest.is_public) {
            self.outbox.ledger.note_visibility(&workload.repository_id, newest, until).await?;
        }
        Ok(newest)
    }

    /// A page of the list, from `after` on.
    pub async fn list(self: &Arc<Self>, after: Option<&Cursor>, timing: Timing) -> anyhow::Result<List> {
        let ((waiting, more_waiting), (lines, next)) = tokio::try_join!(
            self.waiting_ids(timing),
            self.outbox.ledger.listed(after, PAGE, timing.deadline)
        )?;
        let items = try_join_all(lines.iter().map(|line| self.item(line, timing)));
        let shown_first = async {
            match after {
                None => self.waiting(&waiting, timing).await,
                Some(_) => Ok(Vec::new()),
            }
        };
        let (items, shown_first) = tokio::try_join!(items, shown_first)?;
        // What waits has been shown on the first page, as far as there was room for it.
        let is_shown = |item: &Item| match item {
            Item::Requested(seen) => {
                seen.approval.ruling.is_none() && waiting.contains(&seen.approval.request.id)
            }
            Item::Unreadable(id, _) => waiting.iter().any(|waiting| waiting.as_str() == id),
            Item::Relayed(..) => false,
        };
        let recent = items.into_iter().flatten().filter(|item| !is_shown(item)).collect();
        Ok(List { waiting: shown_first, more_waiting: more_waiting && after.is_none(), recent, next })
    }

    /// What the index says may not be decided yet: the newest, newest first; and whether that is not all.
    async fn waiting_ids(&self, timing: Timing) -> anyhow::Result<(Vec<ApprovalId>, bool)> {
        let expected = self.outbox.ledger.expected(timing.deadline).await?;
        let requested = |subject| match subject {
            Subject::Requested(id) => Some(id),
            Subject::Relayed(_) => None,
        };
        let mut ids: Vec<_> =
            expected.into_iter().filter_map(|expected| requested(expected.subject)).collect();
        ids.sort_by(|one, other| other.cmp(one));
        let is_cut = ids.len() > MAX_WAITING;
        ids.truncate(MAX_WAITING);
        Ok((ids, is_cut))
    }

    /// Those of them that are not decided.
    async fn waiting(self: &Arc<Self>, ids: &[ApprovalId], timing: Timing) -> anyhow::Result<Vec<Item>> {
        let looks = ids.iter().map(|id| self.look(id, timing).map(|seen| waiting_item(id, seen)));
        Ok(try_join_all(looks).await?.into_iter().flatten().collect())
    }

    /// What a line of the list stands for; nothing where it came to nothing. A line of which a record cannot be read
    /// says so, and takes no other line away.
    async fn item(self: &Arc<Self>, line: &Listed, timing: Timing) -> anyhow::Result<Option<Item>> {
        let (id, item) = match &line.subject {
            Subject::Requested(id) => {
                let seen = self.look(id, timing).await;
                (id.to_string(), seen.map(|seen| seen.map(|seen| Item::Requested(Box::new(seen)))))
            }
            Subject::Relayed(id) => (id.to_string(), self.relayed(id, line, timing).await),
        };
        item.or_else(|error| match error.is::<Unreadable>() {
            true => {
                log::error!("{}", describe(&error));
                Ok(Some(Item::Unreadable(id, line.at)))
            }
            false => Err(error),
        })
    }

    async fn relayed(&self, id: &RelayId, line: &Listed, timing: Timing) -> anyhow::Result<Option<Item>> {
        let Some(decided) = self.outbox.ledger.decision(id, timing.deadline).await? else {
            return Ok(None);
        };
        // Clicks at the same moment each leave a line, and one of them has decided.
        if decided.decision.decided_at.timestamp_millis() != line.at.timestamp_millis() {
            return Ok(None);
        }
        let dispatched = self.outbox.relayed_state(&decided, timing).await?;
        Ok(Some(Item::Relayed(Box::new(decided.decision), dispatched)))
    }
}

/// The line of what waits, if it does; of what cannot be read nobody knows.
fn waiting_item(id: &ApprovalId, seen: anyhow::Result<Option<Seen>>) -> anyhow::Result<Option<Item>> {
    match seen {
        Err(error) if error.is::<Unreadable>() => {
            log::error!("{}", describe(&error));
            Ok(Some(Item::Unreadable(id.to_string(), id.created_at())))
        }
        Err(error) => Err(error),
        Ok(seen) => {
            let waiting = seen.filter(|seen| seen.approval.ruling.is_none());
            Ok(waiting.map(|seen| Item::Requested(Box::new(seen))))
        }
    }
}
