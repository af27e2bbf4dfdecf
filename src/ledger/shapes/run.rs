//! The run that has an approval, as it is stored.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::approval::{Conclusion, Run, RunEnd};

/// The run that has an approval, with the attempt that said so first.
#[derive(Serialize, Deserialize)]
pub struct StoredRun {
    run_id: String,
    actor: String,
    attempt: u64,
    at: DateTime<Utc>,
}

impl From<&Run> for StoredRun {
    fn from(Run { id, actor, attempt, started_at, end: _ }: &Run) -> Self {
        Self { run_id: id.clone(), actor: actor.clone(), attempt: *attempt, at: *started_at }
    }
}

impl StoredRun {
    /// The run, as far as its first record tells.
    pub fn run(self) -> Run {
        let Self { run_id: id, actor, attempt, at: started_at } = self;
        Run { id, actor, attempt, started_at, end: None }
    }
}

/// The start of another attempt of the run.
#[derive(Serialize, Deserialize)]
pub struct StoredStart {
    at: DateTime<Utc>,
}

impl StoredStart {
    /// A start at `at`.
    pub fn new(at: DateTime<Utc>) -> Self {
        Self { at }
    }

    /// The time of it.
    pub fn at(&self) -> DateTime<Utc> {
        self.at
    }
}

/// The end of an attempt.
#[derive(Serialize, Deserialize)]
pub struct StoredEnd {
    conclusion: String,
    at: DateTime<Utc>,
    /// True if it is GitHub's word, and not the run's own.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    by_github: bool,
}

impl From<&RunEnd> for StoredEnd {
    fn from(RunEnd { conclusion, at, is_by_github }: &RunEnd) -> Self {
        Self { conclusion: conclusion.as_str().to_owned(), at: *at, by_github: *is_by_github }
    }
}

impl StoredEnd {
    /// The end, if this version knows its word.
    pub fn end(self) -> Option<RunEnd> {
        let conclusion = Conclusion::parse(&self.conclusion)?;
        Some(RunEnd { conclusion, at: self.at, is_by_github: self.by_github })
    }
}
