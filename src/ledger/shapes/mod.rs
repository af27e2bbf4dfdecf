//! The stored shapes, private to the ledger.
//!
//! Format 2 has a place for everything that the public contract names, also for things that this version does not
//! write yet; absent members are left out. Format 1 is the same with fewer members, so one shape reads both. A member
//! that bears on who may decide, and that a reader of format 2 would pass over, needs a new format. Stores of both
//! formats are kept under `tests/golden/`, and must load for ever.

mod attempt;
mod changes;
mod decision;
mod request;
mod run;

pub use self::{
    attempt::{StoredArrival, StoredAttempt, StoredPlace, StoredResult},
    changes::{StoredAuthors, StoredChanges},
    decision::{StoredBallot, StoredDecision, StoredRuling},
    request::StoredRequest,
    run::{StoredEnd, StoredRun, StoredStart},
};

/// The parsed value: `Some(None)` if there is no value, `None` if there is one that cannot be parsed.
fn parsed<T, U>(value: Option<T>, parse: impl FnOnce(T) -> Option<U>) -> Option<Option<U>> {
    match value {
        None => Some(None),
        Some(value) => parse(value).map(Some),
    }
}
