//! The lines in which approvals and relays are listed by time.
//!
//! ```text
//! listed/{day}/{time of day}.{kind}.{id}                 by the time of asking, or of the relay
//! decided/{day}/{time of day, counted down}.{kind}.{id}  by the time of the decision: the newest has the first name
//! released/{repository}/{group}/{time, counted down}.{id}  the events that GitHub has accepted, by kind of release
//! ```
//!
//! A line holds nothing but its name. The approval or relay that it names may not exist.

use anyhow::Context;
use chrono::{DateTime, NaiveDate, NaiveDateTime, TimeDelta, Utc};
use futures_util::{FutureExt, StreamExt, TryStreamExt, stream};
use object_store::ObjectMeta;
use tokio::time::Instant;

use super::{Ledger, records::Record};
use crate::approval::{
    ApprovalId, DispatchName, Ending, MessageName, Progress, RelayId, RelayStanding, Request, Ruling,
    Standing, Subject, hash,
};

/// The orders of the lines that people page through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Index {
    /// By the time of the decision.
    Decided,
    /// By the time of asking or, if nobody asked, of the decision.
    Listed,
}

impl Index {
    fn folder(self) -> &'static str {
        match self {
            Self::Decided => "decided",
            Self::Listed => "listed",
        }
    }
}

/// A line of one of the two indexes by day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The approval or relay.
    pub subject: Subject,
    /// Its time, to the millisecond.
    pub at: DateTime<Utc>,
    /// The cursor of a page that ends with this line.
    pub cursor: LineCursor,
}

/// The place of a line, where one page ends and the next begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineCursor {
    index: Index,
    day: NaiveDate,
    name: String,
}

impl LineCursor {
    /// The index of the line.
    pub fn index(&self) -> Index {
        self.index
    }

    /// Reads a cursor as [`LineCursor::as_text`] writes it.
    pub fn parse(index: Index, text: &str) -> Option<Self> {
        let (day, name) = text.split_once('/')?;
        Line::parse(index, day, name).map(|line| line.cursor)
    }

    /// The text for a link.
    pub fn as_text(&self) -> String {
        format!("{}/{}", self.day, self.name)
    }

    fn path(&self) -> String {
        format!("{}/{}/{}", self.index.folder(), self.day, self.name)
    }

    /// True if `other` comes after this line in the order of their index.
    fn is_before(&self, other: &Self) -> bool {
        match other.day.cmp(&self.day) {
            std::cmp::Ordering::Equal => match self.index {
                Index::Decided => self.name < other.name,
                Index::Listed => self.name > other.name,
            },
            order => order.is_lt(),
        }
    }
}

/// The time of day in `listed/`: always of the same length, so that names are ordered by time.
const TIME: &str = "%H%M%S%3f";

/// The last millisecond of a day, from which the times of day in `decided/` are counted down.
const LAST_OF_DAY: i64 = 24 * 3600 * 1000 - 1;

/// The time from which the times in `released/` are counted down, in milliseconds since 1970.
const LAST: i64 = 9_999_999_999_999;

impl Line {
    /// The line of an approval that was asked for at `at`, or of a relay of that time.
    pub fn listed(subject: &Subject, at: DateTime<Utc>) -> Self {
        Self::new(Index::Listed, subject.clone(), at)
    }

    /// The line of an approval or a relay that was decided at `at`.
    pub fn decided(subject: &Subject, at: DateTime<Utc>) -> Self {
        Self::new(Index::Decided, subject.clone(), at)
    }

    fn new(index: Index, subject: Subject, at: DateTime<Utc>) -> Self {
        let id = match &subject {
            Subject::Relayed(id) => format!("relayed.{id}"),
            Subject::Requested(id) => format!("requested.{id}"),
        };
        let time = match index {
            Index::Listed => at.format(TIME).to_string(),
            Index::Decided => {
                format!("{:08}", LAST_OF_DAY - at.timestamp_millis().rem_euclid(LAST_OF_DAY + 1))
            }
        };
        let cursor = LineCursor { index, day: at.date_naive(), name: format!("{time}.{id}") };
        Self { subject, at, cursor }
    }

    fn parse(index: Index, day: &str, name: &str) -> Option<Self> {
        let (time, id) = name.split_once('.')?;
        let at = match index {
            Index::Listed => {
                NaiveDateTime::parse_from_str(&format!("{day} {time}"), &format!("%Y-%m-%d {TIME}")).ok()?
            }
            Index::Decided => {
                let begin = day.parse::<NaiveDate>().ok()?.and_hms_opt(0, 0, 0)?;
                begin.checked_add_signed(TimeDelta::try_milliseconds(
                    LAST_OF_DAY - time.parse::<u32>().ok()? as i64,
                )?)?
            }
        };
        let subject = match id.split_once('.')? {
            ("relayed", id) => Subject::Relayed(RelayId::parse(id)?),
            ("requested", id) => Subject::Requested(ApprovalId::parse(id)?),
            _ => return None,
        };
        // Nothing is read but names that this version would write.
        Some(Self::new(index, subject, at.and_utc())).filter(|line| line.cursor.name == name)
    }
}

/// The folder of the releases of the same kind as `request`.
pub(super) fn releases(request: &Request) -> String {
    format!("released/{}/{}", request.workload.repository_id, release_group(request))
}

/// The time and the approval that the name of a release tells.
pub(super) fn released_at(name: &str) -> Option<(DateTime<Utc>, ApprovalId)> {
    let (time, id) = name.split_once('.')?;
    let time = LAST.checked_sub(time.parse().ok()?)?;
    Some((DateTime::from_timestamp_millis(time)?, ApprovalId::parse(id)?))
}

/// The most days that are read at the same time, since most of them have few lines.
const DAYS_AT_ONCE: usize = 8;

impl Ledger {
    /// Writes a line, unless it is there.
    pub async fn note_line(&self, line: &Line, until: Instant) -> anyhow::Result<()> {
        self.note(&line.cursor.path(), until).await
    }

    /// Writes the lines of a decided approval, as far as they are missing.
    pub async fn note_lines_of(&self, standing: &Standing, until: Instant) -> anyhow::Result<()> {
        let Some(ruling) = &standing.ruling else { return Ok(()) };
        let decided = Line::decided(&standing.subject(), ruling.decided_at);
        tokio::try_join!(self.note_line(&decided, until), self.note_release(standing, until)).map(drop)
    }

    /// Writes the lines of a relay, as far as they are missing.
    pub async fn note_lines_of_relay(&self, standing: &RelayStanding, until: Instant) -> anyhow::Result<()> {
        let (subject, at) = (Subject::Relayed(standing.decision.id.clone()), standing.decision.decided_at);
        let (listed, decided) = (Line::listed(&subject, at), Line::decided(&subject, at));
        tokio::try_join!(self.note_line(&listed, until), self.note_line(&decided, until)).map(drop)
    }

    /// Writes the line of a release: an event or a workflow that GitHub has accepted or, where nothing is sent, an
    /// approval. So the next release of the kind finds the last one.
    async fn note_release(&self, standing: &Standing, until: Instant) -> anyhow::Result<()> {
        let request = &standing.request;
        let Some(Ruling { ending: Ending::Approved, decided_at, .. }) = &standing.ruling else {
            return Ok(());
        };
        let name = request.dispatch_name(Ending::Approved);
        let at = match standing.progress(&MessageName::DISPATCH) {
            Progress::Done(Some(at)) => at,
            _ if name.is_none() => decided_at,
            _ => return Ok(()),
        };
        let time = LAST - at.timestamp_millis();
        self.note(&format!("{}/{time:013}.{}", releases(request), request.id), until).await
    }

    async fn note(&self, path: &str, until: Instant) -> anyhow::Result<()> {
        let content = Record::of(())?.to_json()?;
        self.store
            .create(&self.path(path), content, until)
            .await
            .context("cannot write a line of the list")
            .map(drop)
    }

    /// True if the line is there.
    pub async fn has_line(&self, line: &Line, until: Instant) -> anyhow::Result<bool> {
        Ok(self.store.get(&self.path(&line.cursor.path()), until).await?.is_some())
    }

    /// The next `count` lines of an index after `after`, newest first; fewer only at its end.
    pub async fn lines(
        &self,
        index: Index,
        after: Option<&LineCursor>,
        count: usize,
        until: Instant,
    ) -> anyhow::Result<Vec<Line>> {
        let mut lines = Vec::new();
        let days = self.days(index, after, until).await?.into_iter();
        let mut days =
            stream::iter(days.map(|day| self.lines_of_day(index, day, after, count, until).boxed()))
                .buffered(DAYS_AT_ONCE);
        while lines.len() < count
            && let Some(of_day) = days.try_next().await?
        {
            lines.extend(of_day);
        }
        lines.truncate(count);
        Ok(lines)
    }

    /// The time of the first line in `decided/`: older versions wrote none.
    pub async fn decided_since(&self, until: Instant) -> anyhow::Result<Option<DateTime<Utc>>> {
        let days = self.days(Index::Decided, None, until).await?;
        let Some(first) = days.last() else { return Ok(None) };
        let lines = self.lines_of_day(Index::Decided, *first, None, usize::MAX, until).await?;
        Ok(lines.last().map(|line| line.at))
    }

    /// The days that have a line, newest first.
    async fn days(
        &self,
        index: Index,
        after: Option<&LineCursor>,
        until: Instant,
    ) -> anyhow::Result<Vec<NaiveDate>> {
        let folders = self.store.folders(&self.path(index.folder()), until).await?;
        let mut days: Vec<NaiveDate> = folders.into_iter().filter_map(|name| name.parse().ok()).collect();
        days.retain(|day| after.is_none_or(|after| *day <= after.day));
        days.sort_by(|one, other| other.cmp(one));
        Ok(days)
    }

    /// The newest `count` lines of a day after `after`, newest first.
    async fn lines_of_day(
        &self,
        index: Index,
        day: NaiveDate,
        after: Option<&LineCursor>,
        count: usize,
        until: Instant,
    ) -> anyhow::Result<Vec<Line>> {
        let day = day.to_string();
        let line = |object: ObjectMeta| {
            let line = Line::parse(index, &day, object.location.filename()?)?;
            after.is_none_or(|after| after.is_before(&line.cursor)).then_some(line)
        };
        let folder = self.path(&format!("{}/{day}", index.folder()));
        let mut lines = match index {
            // The names are in the wanted order, so only as many are read as are needed.
            Index::Decided => self.store.list_first(&folder, line, count, until).await?,
            Index::Listed => self.store.list(&folder, line, until).await?,
        };
        lines.sort_by(|one, other| match one.cursor.is_before(&other.cursor) {
            true => std::cmp::Ordering::Less,
            false => std::cmp::Ordering::Greater,
        });
        lines.truncate(count);
        Ok(lines)
    }
}

/// The kind of a release, by which the last one before it is found: its event type or workflow, and its environment.
pub fn release_group(request: &Request) -> String {
    let name = request.dispatch_name(Ending::Approved);
    let way = match &name {
        Some(DispatchName::Workflow(_)) => "workflow",
        Some(DispatchName::Event(_)) | None => "event",
    };
    let name = name.as_ref().map_or("", DispatchName::as_str);
    let environment = request.workload.environment.as_deref().unwrap_or_default();
    hash([way, name, environment].map(str::as_bytes))[..16].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milliseconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(1_800_000_000_000 + milliseconds).expect("a time")
    }

    fn subject() -> Subject {
        Subject::Requested(ApprovalId::new(at(0), [7; 16]))
    }

    #[test]
    fn a_line_is_read_as_it_was_written_and_nothing_else_is() {
        for index in [Index::Listed, Index::Decided] {
            let line = Line::new(index, subject(), at(7));
            let cursor = &line.cursor;
            assert_eq!(LineCursor::parse(index, &cursor.as_text()).as_ref(), Some(cursor));
            assert_eq!(Line::parse(index, &cursor.day.to_string(), &cursor.name).as_ref(), Some(&line));
            let bad = [
                "".to_owned(),
                "/".to_owned(),
                "2027-01-15/x".to_owned(),
                "2027-01-15/99999999.requested.01a3".to_owned(),
                "../../x".to_owned(),
                cursor.as_text().replace('.', "/"),
                format!("{}x", cursor.as_text()),
            ];
            for bad in bad {
                assert_eq!(LineCursor::parse(index, &bad), None, "{bad}");
            }
        }
    }

    #[test]
    fn the_newest_line_of_a_day_has_the_first_name_in_decided_and_the_last_in_listed() {
        let (early, late) = (at(0), at(1));
        let name = |index, at| Line::new(index, subject(), at).cursor.name;
        assert!(name(Index::Decided, late) < name(Index::Decided, early));
        assert!(name(Index::Listed, late) > name(Index::Listed, early));
        for index in [Index::Listed, Index::Decided] {
            let cursor = |at| Line::new(index, subject(), at).cursor;
            assert!(cursor(late).is_before(&cursor(early)) && !cursor(early).is_before(&cursor(late)));
            assert!(cursor(at(24 * 3600 * 1000)).is_before(&cursor(late)));
            assert!(!cursor(late).is_before(&cursor(late)));
        }
    }
}
