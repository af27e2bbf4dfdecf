//! The limit on the requests in work at once.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::Instant,
};

/// The most requests in work at once. Any more are refused at once: they would wait for longer than their senders
/// do, and take memory that the others need.
pub const MOST: usize = 1_000;

/// The time between log lines about refused requests.
const TOLD_EVERY: Duration = Duration::from_secs(60);

/// The places of the requests in work.
pub struct InWork {
    places: Semaphore,
    told_at: Mutex<Option<Instant>>,
}

impl InWork {
    /// A limit of this many places.
    pub fn new(places: usize) -> Self {
        Self { places: Semaphore::new(places), told_at: Mutex::default() }
    }

    /// A place, until it is dropped; `None` if all are taken.
    pub fn place(&self) -> Option<SemaphorePermit<'_>> {
        let place = self.places.try_acquire().ok();
        if place.is_none() && self.is_to_be_told(Instant::now()) {
            log::warn!("too many requests are in work: new ones are refused as unavailable");
        }
        place
    }

    /// The number of free places. Reading it takes none.
    #[cfg(test)]
    pub fn free(&self) -> usize {
        self.places.available_permits()
    }

    fn is_to_be_told(&self, now: Instant) -> bool {
        let mut told_at = self.told_at.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = told_at.is_none_or(|at| now.duration_since(at) >= TOLD_EVERY);
        if is_due {
            *told_at = Some(now);
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_free_again_when_it_is_left() {
        let in_work = InWork::new(1);
        let place = in_work.place().expect("a place");
        assert!(in_work.place().is_none());
        drop(place);
        assert!(in_work.place().is_some());
    }

    #[test]
    fn a_flood_is_told_once_a_minute() {
        let (in_work, now) = (InWork::new(0), Instant::now());
        assert!(in_work.is_to_be_told(now));
        assert!(!in_work.is_to_be_told(now + TOLD_EVERY - Duration::from_secs(1)));
        assert!(in_work.is_to_be_told(now + TOLD_EVERY));
    }
}
