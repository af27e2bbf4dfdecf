//! How much is in work at once.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::Instant,
};

/// How much may be in work at once. What comes on top is told so at once, since it would wait for longer than its sender
/// does, and take memory that the others need.
pub const MOST: usize = 1_000;

/// How often the log says that something was refused.
const TOLD_EVERY: Duration = Duration::from_secs(60);

/// Places for what is in work.
pub struct InWork {
    places: Semaphore,
    told_at: Mutex<Option<Instant>>,
}

impl InWork {
    /// So many places.
    pub fn new(places: usize) -> Self {
        Self { places: Semaphore::new(places), told_at: Mutex::default() }
    }

    /// A place, until it is dropped; `None` where all are taken.
    pub fn place(&self) -> Option<SemaphorePermit<'_>> {
        let place = self.places.try_acquire().ok();
        if place.is_none() && self.is_to_be_told(Instant::now()) {
            log::warn!("more is in work than can be: what comes now is refused as unavailable");
        }
        place
    }

    /// How many places are free. Whoever only looks takes none from those that come.
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
