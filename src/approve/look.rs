//! Looking at approvals: whoever looks sees the truth, and what was due is decided first.

use std::{sync::Arc, time::Duration};

use futures_util::future::try_join_all;

use super::Approvals;
use crate::{
    approval::{ApprovalId, Item, RelayId, Seen},
    host::Timing,
    ledger::{Cursor, Listed, Subject},
    printable::describe,
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
    /// What waits for a decision; on the first page only.
    pub waiting: Vec<Item>,
    /// The rest, newest first.
    pub recent: Vec<Item>,
    /// Where the next page begins, if there is one.
    pub next: Option<Cursor>,
}

impl Approvals {
    /// The approval with this id, if there is one. An error means that the store was not reached.
    pub async fn look(self: &Arc<Self>, id: &ApprovalId, timing: Timing) -> anyhow::Result<Option<Seen>> {
        let Some((folder, has_ruled)) = self.delivery.look(id, timing).await? else {
            return Ok(None);
        };
        if has_ruled {
            let ending = folder.approval.ruling.as_ref().map_or("", |ruling| ruling.ending.as_str());
            log::info!("approval {}: {ending}", id.short());
            self.follow_up(id.clone(), timing);
        }
        self.delivery.seen(folder, timing).await.map(Some)
    }

    /// Sends what follows from a ruling, while nobody waits for it. What does not arrive is left to the sweep.
    pub(super) fn follow_up(self: &Arc<Self>, id: ApprovalId, timing: Timing) {
        let approvals = Arc::clone(self);
        tokio::spawn(async move {
            let timing = Timing::new(timing.current(), FOLLOW_UP_TIME);
            match approvals.delivery.ledger.folder(&id, timing.deadline).await {
                Ok(Some(folder)) => {
                    let (_, swept) = approvals.delivery.carry_on(&folder, timing).await;
                    swept.lines.iter().for_each(|(level, line)| log::log!(*level, "{line}"));
                }
                Ok(None) => {}
                Err(error) => log::warn!("approval {}: {}", id.short(), describe(&error)),
            }
        });
    }

    /// A page of the list, from `after` on.
    pub async fn list(self: &Arc<Self>, after: Option<&Cursor>, timing: Timing) -> anyhow::Result<List> {
        let waiting = self.waiting_ids(timing).await?;
        let (lines, next) = self.delivery.ledger.listed(after, PAGE, timing.deadline).await?;
        let items = try_join_all(lines.iter().map(|line| self.item(line, timing))).await?;
        // What waits has been shown on the first page, as far as there was room for it.
        let is_shown = |item: &Item| match item {
            Item::Requested(seen) => {
                seen.approval.ruling.is_none() && waiting.contains(&seen.approval.request.id)
            }
            Item::Relayed(..) => false,
        };
        let recent = items.into_iter().flatten().filter(|item| !is_shown(item)).collect();
        let waiting = match after {
            None => self.waiting(&waiting, timing).await?,
            Some(_) => Vec::new(),
        };
        Ok(List { waiting, recent, next })
    }

    /// What the index says may not be decided yet: the newest, newest first.
    async fn waiting_ids(&self, timing: Timing) -> anyhow::Result<Vec<ApprovalId>> {
        let expected = self.delivery.ledger.expected(timing.deadline).await?;
        let requested = |subject| match subject {
            Subject::Requested(id) => Some(id),
            Subject::Relayed(_) => None,
        };
        let mut ids: Vec<_> =
            expected.into_iter().filter_map(|expected| requested(expected.subject)).collect();
        ids.sort_by(|one, other| other.cmp(one));
        ids.truncate(MAX_WAITING);
        Ok(ids)
    }

    /// Those of them that are not decided.
    async fn waiting(self: &Arc<Self>, ids: &[ApprovalId], timing: Timing) -> anyhow::Result<Vec<Item>> {
        let seen = try_join_all(ids.iter().map(|id| self.look(id, timing))).await?;
        let waits = |seen: &Seen| seen.approval.ruling.is_none();
        Ok(seen.into_iter().flatten().filter(waits).map(|seen| Item::Requested(Box::new(seen))).collect())
    }

    /// What a line of the list stands for; nothing where it came to nothing.
    async fn item(self: &Arc<Self>, line: &Listed, timing: Timing) -> anyhow::Result<Option<Item>> {
        match &line.subject {
            Subject::Requested(id) => {
                let seen = self.look(id, timing).await?;
                Ok(seen.map(|seen| Item::Requested(Box::new(seen))))
            }
            Subject::Relayed(id) => self.relayed(id, line, timing).await,
        }
    }

    async fn relayed(&self, id: &RelayId, line: &Listed, timing: Timing) -> anyhow::Result<Option<Item>> {
        let Some(decision) = self.delivery.ledger.decision(id, timing.deadline).await? else {
            return Ok(None);
        };
        // Clicks at the same moment each leave a line, and one of them has decided.
        if decision.decided_at.timestamp_millis() != line.at.timestamp_millis() {
            return Ok(None);
        }
        let delivery = self.delivery.relayed_state(&decision, timing).await?;
        Ok(Some(Item::Relayed(Box::new(decision), delivery)))
    }
}
