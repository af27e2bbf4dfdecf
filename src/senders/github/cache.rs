//! Values of others by key, of a bounded number: the one that was not needed for the longest time makes room.

use std::sync::{Mutex, PoisonError};

use crate::{approval::SendResult, refreshing::Refreshing};

/// The most keys that are known at a time.
const MOST: usize = 1_000;

/// Values by key; the most recently needed ones are at the end.
pub struct Cache<K, T>(Mutex<Vec<(K, Refreshing<T, SendResult>)>>);

impl<K, T> Default for Cache<K, T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: PartialEq + Clone, T: Clone + Send + Sync + 'static> Cache<K, T> {
    /// The value of this key, known or not.
    pub fn of(&self, key: &K) -> Refreshing<T, SendResult> {
        // A panic while the lock was held leaves the list as usable as before.
        let mut values = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = values.iter().position(|(other, _)| other == key);
        let value = match found {
            Some(place) => values.remove(place).1,
            None => Refreshing::default(),
        };
        if values.len() >= MOST {
            values.remove(0);
        }
        values.push((key.clone(), value.clone()));
        value
    }
}

#[cfg(test)]
mod tests {
    use std::future::ready;

    use super::*;

    #[tokio::test]
    async fn the_value_that_was_not_needed_for_longest_makes_room() {
        let cache = Cache::<usize, usize>::default();
        for key in 0..MOST {
            cache.of(&key).get(|_| true, ready(Ok(key))).await;
        }
        let is_known = |key: usize| cache.of(&key).known().value.is_some();
        assert!(is_known(0));
        cache.of(&MOST);
        assert!(is_known(0) && !is_known(1));
        assert_eq!(cache.0.lock().expect("nobody panicked").len(), MOST);
    }
}
