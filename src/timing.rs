//! The time that a request has.

use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::time::Instant;

/// The time of a request, and the deadline of its answer.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// The time of day at which it came.
    pub now: DateTime<Utc>,
    /// The time by which the answer must be on its way.
    pub deadline: Instant,
    began: Instant,
}

impl Timing {
    /// The timing of a request that comes at `now` and may take `time`.
    pub fn new(now: DateTime<Utc>, time: Duration) -> Self {
        let began = Instant::now();
        Self { now, deadline: began + time, began }
    }

    /// The same with an earlier deadline.
    pub fn until(self, deadline: Instant) -> Self {
        Self { deadline: self.deadline.min(deadline), ..self }
    }

    /// The same with at most this much time from now on.
    pub fn within(self, time: Duration) -> Self {
        self.until(Instant::now() + time)
    }

    /// The time that is left.
    pub fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// The present time of day.
    pub fn current(&self) -> DateTime<Utc> {
        self.now + self.began.elapsed()
    }
}
