//! A decision that the store did not confirm in time: its writer reads on for as long as its claim surely holds, and
//! sends if the decision is its own. Everybody else waits for the end of the claim.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::ledger::{InDoubt, Ledger};

/// The time for which a writer reads on: after it, and after sending, its claim still holds long enough to note the answer.
const READ_ON: Duration = Duration::from_secs(8);

/// The pause between two reads.
const PAUSE: Duration = Duration::from_millis(500);

/// The longest time for one read.
const READ_TIME: Duration = Duration::from_secs(2);

/// The time that is left for sending afterwards.
pub const SENDING_TIME: Duration = Duration::from_secs(6);

/// True if the decision is ours, `false` if another was recorded; `None` if nobody knows yet.
pub async fn resolve<T>(ledger: &Ledger, doubt: &InDoubt<T>) -> Option<bool> {
    let end = Instant::now() + READ_ON;
    while Instant::now() < end {
        if let Ok(Some(is_ours)) = ledger.is_ours(doubt, Instant::now() + READ_TIME).await {
            return Some(is_ours);
        }
        sleep(PAUSE).await;
    }
    None
}
