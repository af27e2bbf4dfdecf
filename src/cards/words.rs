//! One function for each thing that is put into words, the same on every card, page and row.

use chrono::{DateTime, Utc};

use crate::{
    approval::{Performer, Request, Workload},
    text::line::plain,
};

/// The longest title, in characters.
const MAX_TITLE: usize = 200;

/// The longest name of a person or a fact, in characters.
pub const MAX_NAME: usize = 60;

/// The digits of a commit that are shown: long enough to be unambiguous.
const SHORT_COMMIT: usize = 12;

/// The title of a request as one plain line: its own, or one of ours.
pub fn title(request: &Request) -> String {
    let asked = request.terms.title.as_deref().map(|title| plain(title, MAX_TITLE));
    asked
        .filter(|title| !title.is_empty())
        .unwrap_or_else(|| format!("Release of {}", request.workload.repository))
}

/// The shown name of a performer: the display name, or the object id if that is not known.
pub fn name(performer: &Performer) -> String {
    match plain(performer.display_name().unwrap_or_default(), MAX_NAME) {
        empty if empty.is_empty() => performer.to_string(),
        name => name,
    }
}

/// A time for people: in UTC, since not every client can show it in its own zone.
pub fn readable(time: DateTime<Utc>) -> String {
    time.format("%Y-%m-%d %H:%M UTC").to_string()
}

/// A part and its whole.
pub fn count(part: usize, whole: usize) -> String {
    format!("{part} of {whole}")
}

/// The first digits of a job's commit.
pub fn short_commit(workload: &Workload) -> String {
    plain(&workload.sha, usize::MAX).chars().take(SHORT_COMMIT).collect()
}

/// The run of a job, with its attempt.
pub fn run(workload: &Workload) -> String {
    format!("{}, attempt {}", workload.run_id, workload.run_attempt)
}
