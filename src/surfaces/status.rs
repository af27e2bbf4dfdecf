//! The HTTP status of each outcome. The statuses are public: they stay.

use crate::approval::{Invalid, Outcome};

/// The HTTP status of an outcome: the card shows success for 200 only.
pub fn status(outcome: &Outcome) -> u16 {
    match outcome {
        Outcome::TooLarge => 413,
        Outcome::Unauthenticated => 401,
        Outcome::Invalid(Invalid::Method(_)) => 405,
        Outcome::Invalid(_) => 400,
        Outcome::Forbidden(_) => 403,
        Outcome::Unknown => 404,
        Outcome::Conflict(..)
        | Outcome::RefMoved(_)
        | Outcome::TooLateToWithdraw(..)
        | Outcome::Run(_)
        | Outcome::Closed(..) => 409,
        Outcome::Expired(_) | Outcome::Ended(_) => 410,
        Outcome::Limited(_) => 429,
        Outcome::Misconfigured(_) | Outcome::Refused(..) | Outcome::GivenUp(..) | Outcome::Unavailable(_) => {
            424
        }
        Outcome::Dispatched(..)
        | Outcome::DryRun(..)
        | Outcome::AlreadyDecided(..)
        | Outcome::Recorded(..)
        | Outcome::Postponed(..)
        | Outcome::Counted { .. }
        | Outcome::CountedInVain { .. }
        | Outcome::Approved(_)
        | Outcome::Withdrawn(_)
        | Outcome::Rejected(_) => 200,
    }
}
