//! The list: the open approvals, first those that expire soonest; then the decisions, newest first.

use std::{collections::BTreeSet, sync::Arc};

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::{FutureExt, StreamExt, TryStreamExt, stream};

use super::Stories;
use crate::{
    approval::{ApprovalId, Item, RelayId, Standing, Subject},
    ledger::{Index, Line, LineCursor, Open, Unreadable},
    text::log::describe,
    timing::Timing,
};

/// The lines of a page.
pub const PAGE: usize = 30;

/// The items that are read at the same time.
const READ_AT_ONCE: usize = 16;

/// The most approvals that are looked up from the index of an old store, whose names do not give the expiry.
const MAX_UNSORTED: usize = 300;

/// The most lines that one page reads: if many of them lead to nothing, the rest is left to the next page.
const MAX_READ: usize = 4 * PAGE;

/// Two versions may run side by side for this long, and the older one leaves no lines in `decided/`.
const SIDE_BY_SIDE: TimeDelta = TimeDelta::days(1);

/// A page of the list.
#[derive(Debug)]
pub struct List {
    /// The approvals that wait for a decision, first those that expire soonest.
    pub waiting: Vec<Item>,
    /// The decided items, newest first.
    pub decided: Vec<Item>,
    /// The place where the next page begins, if there is one.
    pub next: Option<Cursor>,
}

/// The place where a page of the list begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cursor {
    /// After this open approval.
    Waiting(DateTime<Utc>, ApprovalId),
    /// At the beginning of the decisions.
    Decided,
    /// After this line.
    Line(LineCursor),
}

impl Cursor {
    /// Reads a cursor as [`Cursor::as_text`] writes it.
    pub fn parse(text: &str) -> Option<Self> {
        match text.split_once('/') {
            None if text == "decided" => Some(Self::Decided),
            None => None,
            Some(("waiting", rest)) => {
                let (expires_at, id) = rest.split_once('.')?;
                let expires_at = DateTime::from_timestamp_millis(expires_at.parse().ok()?)?;
                Some(Self::Waiting(expires_at, ApprovalId::parse(id)?))
            }
            Some(("decided", rest)) => LineCursor::parse(Index::Decided, rest).map(Self::Line),
            Some(("listed", rest)) => LineCursor::parse(Index::Listed, rest).map(Self::Line),
            Some(_) => None,
        }
    }

    /// The text for a link.
    pub fn as_text(&self) -> String {
        match self {
            Self::Waiting(expires_at, id) => format!("waiting/{}.{id}", expires_at.timestamp_millis()),
            Self::Decided => "decided".to_owned(),
            Self::Line(line) => match line.index() {
                Index::Decided => format!("decided/{}", line.as_text()),
                Index::Listed => format!("listed/{}", line.as_text()),
            },
        }
    }
}

/// The decisions that are older than `decided/`, and are found in `listed/`.
#[derive(Default)]
struct Earlier {
    /// The time of the first line in `decided/`, if there is one.
    since: Option<DateTime<Utc>>,
    /// The approvals that are open, and so shown as waiting.
    open: BTreeSet<ApprovalId>,
}

/// The next lines that may lead to a decision.
struct Candidates {
    lines: Vec<Line>,
    /// The last line that was read.
    last: Option<LineCursor>,
    is_end: bool,
    earlier: Earlier,
}

impl Earlier {
    /// True if the line leads to something that is shown elsewhere.
    fn passes_over(&self, line: &Line) -> bool {
        let is_open = matches!(&line.subject, Subject::Requested(id) if self.open.contains(id));
        is_open || self.since.is_some_and(|since| line.at >= since + SIDE_BY_SIDE)
    }
}

/// A page of the open approvals.
#[derive(Default)]
struct Waiting {
    items: Vec<Item>,
    /// The approvals that turned out to have ended.
    ended: Vec<Standing>,
    next: Option<Cursor>,
}

impl Stories {
    /// A page of the list, from `after` on.
    pub async fn list(self: &Arc<Self>, after: Option<&Cursor>, timing: Timing) -> anyhow::Result<List> {
        let after_line = match after {
            Some(Cursor::Line(line)) => Some(line),
            None | Some(Cursor::Waiting(..) | Cursor::Decided) => None,
        };
        let waiting = async {
            match after {
                None => self.waiting(None, timing).await,
                Some(Cursor::Waiting(expires_at, id)) => self.waiting(Some((*expires_at, id)), timing).await,
                Some(Cursor::Decided | Cursor::Line(_)) => Ok(Waiting::default()),
            }
        };
        // Both at the same time, since each takes some rounds.
        let (waiting, candidates) = tokio::try_join!(waiting, self.candidates(after_line, timing))?;
        let Waiting { items: waiting, ended, next } = waiting;
        if next.is_some() {
            return Ok(List { waiting, decided: Vec::new(), next });
        }
        let room = PAGE.saturating_sub(waiting.len() + ended.len());
        let (lines, next) = match room {
            0 => (Vec::new(), Some(Cursor::Decided)),
            room => self.decided(candidates, room, timing).await?,
        };
        // An approval that this look ended may have its line by now, or not; an unreadable one may have two.
        let mut shown: BTreeSet<_> = waiting.iter().map(id_of).collect();
        let ended = ended.into_iter().map(|ended| Item::Requested(Box::new(ended)));
        let decided = ended.chain(lines).filter(|item| shown.insert(id_of(item))).collect();
        Ok(List { waiting, decided, next })
    }

    /// A page of the open approvals, after the one that expires at this time.
    async fn waiting(
        self: &Arc<Self>,
        after: Option<(DateTime<Utc>, &ApprovalId)>,
        timing: Timing,
    ) -> anyhow::Result<Waiting> {
        let mut open = self.open(timing).await?;
        open.retain(|open| after.is_none_or(|(at, id)| (open.expires_at, &open.id) > (at, id)));
        open.sort_by(|one, other| (one.expires_at, &one.id).cmp(&(other.expires_at, &other.id)));
        let next = open.get(PAGE).map(|_| {
            let last = &open[PAGE - 1];
            Cursor::Waiting(last.expires_at, last.id.clone())
        });
        open.truncate(PAGE);
        let looks = open.into_iter().map(|open| self.waiting_item(open.id, timing).boxed());
        let found: Vec<_> = stream::iter(looks).buffered(READ_AT_ONCE).try_collect().await?;
        let mut waiting = Waiting { next, ..Waiting::default() };
        for item in found.into_iter().flatten() {
            match item {
                Item::Requested(standing) if standing.ruling.is_some() => waiting.ended.push(*standing),
                item => waiting.items.push(item),
            }
        }
        Ok(waiting)
    }

    /// All open approvals, as far as the indexes show them.
    async fn open(self: &Arc<Self>, timing: Timing) -> anyhow::Result<Vec<Open>> {
        let ledger = &self.outbox.ledger;
        if self.sweeper.has_seen_all() {
            let open = ledger.all_open(timing.deadline).await?;
            return Ok(open.into_iter().map(|(open, _)| open).collect());
        }
        let (open, pending) =
            tokio::try_join!(ledger.all_open(timing.deadline), ledger.pending(timing.deadline))?;
        let mut open: Vec<_> = open.into_iter().map(|(open, _)| open).collect();
        let known: BTreeSet<_> = open.iter().map(|open| open.id.clone()).collect();
        let unsorted = pending.into_iter().filter_map(|pending| match pending.subject {
            Subject::Requested(id) => (!known.contains(&id)).then_some(id),
            Subject::Relayed(_) => None,
        });
        let looks = unsorted.take(MAX_UNSORTED).map(|id| self.open_of_old_store(id, timing).boxed());
        let found: Vec<_> = stream::iter(looks).buffer_unordered(READ_AT_ONCE).try_collect().await?;
        open.extend(found.into_iter().flatten());
        Ok(open)
    }

    async fn open_of_old_store(
        self: &Arc<Self>,
        id: ApprovalId,
        timing: Timing,
    ) -> anyhow::Result<Option<Open>> {
        let standing = match self.look(&id, timing).await {
            // Nobody knows when it expires.
            Err(error) if error.is::<Unreadable>() => return Ok(Some(Open::unreadable(id))),
            standing => standing?,
        };
        let waiting = standing.filter(|standing| standing.ruling.is_none());
        Ok(waiting.map(|standing| Open::of(&standing.request)))
    }

    /// The item of an open approval, or of one that has ended meanwhile.
    async fn waiting_item(self: &Arc<Self>, id: ApprovalId, timing: Timing) -> anyhow::Result<Option<Item>> {
        match self.look(&id, timing).await {
            Err(error) if error.is::<Unreadable>() => {
                Ok(Some(unreadable(id.as_str(), id.created_at(), &error)))
            }
            Err(error) => Err(error),
            Ok(standing) => Ok(standing.map(|standing| Item::Requested(Box::new(standing)))),
        }
    }

    /// The first `count` decided items of the candidates and the lines after them, and the place where the next
    /// page begins if there is one.
    async fn decided(
        self: &Arc<Self>,
        mut candidates: Candidates,
        count: usize,
        timing: Timing,
    ) -> anyhow::Result<(Vec<Item>, Option<Cursor>)> {
        let (mut items, mut left) = (Vec::new(), MAX_READ);
        let next = loop {
            let Candidates { lines, last, is_end, earlier } = candidates;
            left = usize::saturating_sub(left, lines.len().max(1));
            let reads = lines.into_iter().map(|line| self.decided_item(line, &earlier, timing).boxed());
            let found: Vec<_> = stream::iter(reads).buffered(READ_AT_ONCE).try_collect().await?;
            items.extend(found.into_iter().filter_map(|(line, item)| Some((line.cursor, item?))));
            if items.len() > count {
                items.truncate(count);
                break items.last().map(|(cursor, _)| cursor.clone());
            }
            match last {
                Some(last) if !is_end && left > 0 => {
                    candidates = self.candidates(Some(&last), timing).await?
                }
                last => break last.filter(|_| !is_end),
            }
        };
        Ok((items.into_iter().map(|(_, item)| item).collect(), next.map(Cursor::Line)))
    }

    /// The next lines after `after`: by the time of the decision, then those of decisions older than that index, by the
    /// time of asking.
    async fn candidates(&self, after: Option<&LineCursor>, timing: Timing) -> anyhow::Result<Candidates> {
        // One more than fits on a page shows that there is a next one.
        let (ledger, until, wanted) = (&self.outbox.ledger, timing.deadline, PAGE + 1);
        let (decided, after_listed) = match after.map(LineCursor::index) {
            None | Some(Index::Decided) => (ledger.lines(Index::Decided, after, wanted, until).await?, None),
            Some(Index::Listed) => (Vec::new(), after),
        };
        let missing = wanted - decided.len();
        if missing == 0 {
            let last = decided.last().map(|line| line.cursor.clone());
            return Ok(Candidates { lines: decided, last, is_end: false, earlier: Earlier::default() });
        }
        let listed = ledger.lines(Index::Listed, after_listed, missing, until);
        let (listed, earlier) = tokio::try_join!(listed, self.earlier(timing))?;
        let last = listed.last().or(decided.last()).map(|line| line.cursor.clone()).or(after.cloned());
        let (is_end, known) = (listed.len() < missing, decided.len());
        let mut lines = decided;
        for line in listed {
            let is_known = lines[..known].iter().any(|known| known.subject == line.subject);
            if !is_known && !earlier.passes_over(&line) {
                lines.push(line);
            }
        }
        Ok(Candidates { lines, last, is_end, earlier })
    }

    /// The facts that tell which lines of `listed/` lead to decisions without a line in `decided/`.
    async fn earlier(&self, timing: Timing) -> anyhow::Result<Earlier> {
        let ledger = &self.outbox.ledger;
        let (since, open) =
            tokio::try_join!(ledger.decided_since(timing.deadline), ledger.all_open(timing.deadline))?;
        Ok(Earlier { since, open: open.into_iter().map(|(open, _)| open.id).collect() })
    }

    /// The item of a line; none if the line leads to nothing, or the item is shown elsewhere.
    async fn decided_item(
        self: &Arc<Self>,
        line: Line,
        earlier: &Earlier,
        timing: Timing,
    ) -> anyhow::Result<(Line, Option<Item>)> {
        let item = match &line.subject {
            Subject::Requested(id) => self.decided_approval(id, timing).await,
            Subject::Relayed(id) => self.decided_relay(id, &line, timing).await,
        };
        let item = match item {
            Err(error) if error.is::<Unreadable>() => {
                let id = match &line.subject {
                    Subject::Requested(id) => id.as_str(),
                    Subject::Relayed(id) => id.as_str(),
                };
                Some(unreadable(id, line.at, &error))
            }
            item => item?,
        };
        let is_elsewhere = match (line.cursor.index(), decided_at(item.as_ref()), earlier.since) {
            (Index::Listed, Some(at), Some(since)) if at >= since => {
                self.outbox.ledger.has_line(&Line::decided(&line.subject, at), timing.deadline).await?
            }
            _ => false,
        };
        Ok((line, item.filter(|_| !is_elsewhere)))
    }

    async fn decided_approval(
        self: &Arc<Self>,
        id: &ApprovalId,
        timing: Timing,
    ) -> anyhow::Result<Option<Item>> {
        let standing = self.look(id, timing).await?;
        let decided = standing.filter(|standing: &Standing| standing.ruling.is_some());
        Ok(decided.map(|standing| Item::Requested(Box::new(standing))))
    }

    async fn decided_relay(&self, id: &RelayId, line: &Line, timing: Timing) -> anyhow::Result<Option<Item>> {
        let relay = self.outbox.ledger.relay_standing(id, timing.deadline).await?;
        // Clicks at the same moment each leave a line, and one of them has decided.
        let is_it = |at: DateTime<Utc>| at.timestamp_millis() == line.at.timestamp_millis();
        let relay = relay.filter(|relay| is_it(relay.decision.decided_at));
        Ok(relay.map(|relay| Item::Relayed(Box::new(relay))))
    }
}

fn id_of(item: &Item) -> String {
    match item {
        Item::Requested(standing) => standing.request.id.to_string(),
        Item::Relayed(relay) => relay.decision.id.to_string(),
        Item::Unreadable(id, _) => id.clone(),
    }
}

/// The time of an item's decision; none if the item cannot be read.
fn decided_at(item: Option<&Item>) -> Option<DateTime<Utc>> {
    match item? {
        Item::Requested(standing) => standing.ruling.as_ref().map(|ruling| ruling.decided_at),
        Item::Relayed(relay) => Some(relay.decision.decided_at),
        Item::Unreadable(..) => None,
    }
}

/// The item of a line whose record cannot be read; the other lines are still shown.
fn unreadable(id: &str, at: DateTime<Utc>, error: &anyhow::Error) -> Item {
    log::error!("{}", describe(error));
    Item::Unreadable(id.to_owned(), at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_as_it_was_written_and_nothing_else_is() {
        let at = DateTime::from_timestamp_millis(1_800_000_000_007).expect("a time");
        let id = ApprovalId::new(at, [7; 16]);
        let subject = Subject::Requested(id.clone());
        let lines = [Line::listed(&subject, at), Line::decided(&subject, at)];
        let cursors = lines.map(|line| Cursor::Line(line.cursor));
        for cursor in cursors.into_iter().chain([Cursor::Decided, Cursor::Waiting(at, id)]) {
            assert_eq!(Cursor::parse(&cursor.as_text()), Some(cursor));
        }
        for bad in
            ["", "/", "waiting", "waiting/", "waiting/7", "waiting/x.y", "listed/2027-01-15/x", "../x/y"]
        {
            assert_eq!(Cursor::parse(bad), None, "{bad}");
        }
    }
}
