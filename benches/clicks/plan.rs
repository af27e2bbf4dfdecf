//! How much is measured.

use std::time::Duration;

/// How much is measured. Many short rounds: what disturbs the machine then disturbs all contenders alike.
pub struct Plan {
    /// How often each program is started.
    pub spawns: usize,
    /// How many clicks follow each other on one connection.
    pub clicks_in_sequence: usize,
    /// How many rounds of those there are.
    pub rounds: usize,
    /// How long the clicks on many connections go on before they are counted.
    pub warm_up: Duration,
    /// How long they are counted.
    pub window: Duration,
    /// How many objects a short and a long history have.
    pub history_objects: [usize; 2],
    /// How many approvals few are, and many.
    pub approvals: [usize; 2],
}

pub const FULL: Plan = Plan {
    spawns: 60,
    clicks_in_sequence: 10_000,
    rounds: 15,
    warm_up: Duration::from_millis(60),
    window: Duration::from_millis(240),
    history_objects: [3_000, 30_000],
    approvals: [10, 10_000],
};

pub const QUICK: Plan =
    Plan { spawns: 10, clicks_in_sequence: 1_000, rounds: 3, approvals: [10, 1_000], ..FULL };

pub const LONG_HISTORY: Plan = Plan { history_objects: [10_000, 1_000_000], ..FULL };
