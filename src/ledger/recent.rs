//! The list of what was asked for and decided, newest first, a page at a time.
//!
//! `listed/{day}/{time of day}.{kind}.{id}`: the days are found by one listing, and only those are read that the
//! page needs, so that a long history costs nothing.

use anyhow::Context;
use chrono::{DateTime, NaiveDate, Utc};
use futures_util::{FutureExt, StreamExt, TryStreamExt, stream};
use object_store::ObjectMeta;
use tokio::time::Instant;

use super::{Ledger, Subject, records::Record};
use crate::approval::{ApprovalId, RelayId};

/// A line of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// What.
    pub subject: Subject,
    /// When it was asked for or, where nobody asked, decided. To the millisecond.
    pub at: DateTime<Utc>,
    day: NaiveDate,
    name: String,
}

/// Where in the list a page ends and the next begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    day: NaiveDate,
    name: String,
}

impl Cursor {
    /// Reads a cursor as [`Cursor::as_text`] writes it.
    pub fn parse(text: &str) -> Option<Self> {
        let (day, name) = text.split_once('/')?;
        let listed = Listed::parse(day, name)?;
        Some(Self { day: listed.day, name: listed.name })
    }

    /// The text that stands in a link.
    pub fn as_text(&self) -> String {
        format!("{}/{}", self.day, self.name)
    }
}

impl Listed {
    fn new(subject: Subject, at: DateTime<Utc>) -> Self {
        let id = match &subject {
            Subject::Relayed(id) => format!("relayed.{id}"),
            Subject::Requested(id) => format!("requested.{id}"),
        };
        let name = format!("{}.{id}", at.format(TIME));
        Self { subject, at, day: at.date_naive(), name }
    }

    fn parse(day: &str, name: &str) -> Option<Self> {
        let (time, id) = name.split_once('.')?;
        let at = chrono::NaiveDateTime::parse_from_str(&format!("{day} {time}"), &format!("%Y-%m-%d {TIME}"));
        let subject = match id.split_once('.')? {
            ("relayed", id) => Subject::Relayed(RelayId::parse(id)?),
            ("requested", id) => Subject::Requested(ApprovalId::parse(id)?),
            _ => return None,
        };
        // Only what we would write ourselves is read.
        Some(Self::new(subject, at.ok()?.and_utc())).filter(|listed| listed.name == name)
    }
}

/// How the time of day is written: as long as any other, so that names are ordered by time.
const TIME: &str = "%H%M%S%3f";

/// How many days are read at the same time, since most of them have few lines.
const DAYS_AT_ONCE: usize = 4;

impl Ledger {
    /// Puts a line for `subject` into the list. Where it comes to nothing, the line stands for nothing.
    pub async fn list_as(&self, subject: &Subject, at: DateTime<Utc>, until: Instant) -> anyhow::Result<()> {
        let Listed { day, name, .. } = Listed::new(subject.clone(), at);
        let path = self.path(&format!("listed/{day}/{name}"));
        let content = Record::of(())?.to_json()?;
        self.store.create(&path, content, until).await.context("cannot note it in the list").map(drop)
    }

    /// The next `count` lines after `after`, newest first.
    pub async fn listed(
        &self,
        after: Option<&Cursor>,
        count: usize,
        until: Instant,
    ) -> anyhow::Result<(Vec<Listed>, Option<Cursor>)> {
        let mut lines = Vec::new();
        // One more than asked for tells that there is a next page.
        let days = self.days(after, until).await?.into_iter();
        let mut days = stream::iter(days.map(|day| self.listed_on(day, (after, count + 1), until).boxed()))
            .buffered(DAYS_AT_ONCE);
        while lines.len() <= count
            && let Some(of_day) = days.try_next().await?
        {
            lines.extend(of_day);
        }
        let more = lines.len() > count;
        lines.truncate(count);
        let cursor = lines.last().filter(|_| more);
        let cursor = cursor.map(|last| Cursor { day: last.day, name: last.name.clone() });
        Ok((lines, cursor))
    }

    /// The days with any line, the newest first.
    async fn days(&self, after: Option<&Cursor>, until: Instant) -> anyhow::Result<Vec<NaiveDate>> {
        let folders = self.store.folders(&self.path("listed"), until).await?;
        let day = |name: String| name.parse::<NaiveDate>().ok();
        let mut days: Vec<_> = folders.into_iter().filter_map(day).collect();
        days.retain(|day| after.is_none_or(|after| *day <= after.day));
        days.sort_by(|one, other| other.cmp(one));
        Ok(days)
    }

    /// The newest `count` lines of a day after `after`, newest first.
    async fn listed_on(
        &self,
        day: NaiveDate,
        (after, count): (Option<&Cursor>, usize),
        until: Instant,
    ) -> anyhow::Result<Vec<Listed>> {
        let day_text = day.to_string();
        let line = |object: ObjectMeta| {
            let line = Listed::parse(&day_text, object.location.filename()?)?;
            after.is_none_or(|after| (line.day, &line.name) < (after.day, &after.name)).then_some(line)
        };
        let mut lines = self.store.list(&self.path(&format!("listed/{day_text}")), line, until).await?;
        lines.sort_by(|one, other| other.name.cmp(&one.name));
        lines.truncate(count);
        Ok(lines)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_as_it_was_written_and_nothing_else_is() {
        let at = DateTime::from_timestamp_millis(1_800_000_000_007).expect("a time");
        let line = Listed::new(Subject::Requested(ApprovalId::new(at, [7; 16])), at);
        let cursor = Cursor { day: line.day, name: line.name.clone() };
        assert_eq!(Cursor::parse(&cursor.as_text()), Some(cursor.clone()));
        assert_eq!(Listed::parse(&line.day.to_string(), &line.name), Some(line));
        for bad in [
            "",
            "/",
            "2027-01-15/x",
            "../../x",
            &cursor.as_text().replace('.', "/"),
            &format!("{}x", cursor.as_text()),
        ] {
            assert_eq!(Cursor::parse(bad), None, "{bad}");
        }
    }
}
