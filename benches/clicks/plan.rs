//! The plans of the benchmark: all of it, a quick look, and a long history.

use std::time::Duration;

/// The amounts to measure. Many short rounds: what disturbs the machine then disturbs all contenders alike.
pub struct Plan {
    /// Starts of each program.
    pub spawns: usize,
    /// Clicks that follow each other on one connection.
    pub clicks_in_sequence: usize,
    /// Rounds, in each of which all contenders take their turn.
    pub rounds: usize,
    /// The time for which the clicks on many connections go on before they are counted.
    pub warm_up: Duration,
    /// The time for which they are counted.
    pub window: Duration,
    /// The objects of a short history and of a long one.
    pub history_objects: [usize; 2],
    /// Numbers of approvals: few, and many.
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
