//! The sweep: what the index says has to go out is looked through, and sent where its time has come.

use std::{
    sync::{MutexGuard, PoisonError, atomic::Ordering},
    time::Duration,
};

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use log::Level;
use tokio::time::Instant;

use super::{
    Delivered, Delivery, Letter, Said, letter,
    plan::{FRESH, Occasion},
    settle_all,
};
use crate::{
    approval::DispatchAnswer,
    host::Timing,
    ledger::{Expected, Message, Next},
    printable::describe,
};

/// An entry of the index without a decision is dropped at this age: its click died before it decided.
const UNDECIDED: TimeDelta = TimeDelta::minutes(10);

/// The most messages that one sweep sends.
const MAX_SENT_PER_SWEEP: usize = 50;

/// What one message may take in a sweep.
const SWEEP_MESSAGE_TIME: Duration = Duration::from_secs(10);

impl Delivery {
    /// Goes through the index once, oldest first, and sends what is due. Bounded in time (until the deadline) and in
    /// number; safe beside clicks and other sweeps. Returns a line for each message that it did something about.
    pub async fn sweep(&self, timing: Timing) -> Vec<(Level, String)> {
        let mut expected = match self.ledger.expected(timing.deadline).await {
            Ok(expected) => expected,
            Err(error) => return vec![(Level::Error, format!("cannot sweep: {}", describe(&error)))],
        };
        if self.github.is_none() && !expected.is_empty() {
            let waiting = format!("{} messages wait: the setting GITHUB_TOKEN is missing", expected.len());
            return vec![(Level::Error, waiting)];
        }
        // What the last sweep had no time for comes first.
        let swept_until = self.swept_until().take();
        let swept = expected.partition_point(|expected| expected.since() <= swept_until);
        expected.rotate_left(swept);
        self.sweep_each(expected, timing).await
    }

    async fn sweep_each(&self, expected: Vec<Expected>, timing: Timing) -> Vec<(Level, String)> {
        let (mut lines, mut sent, mut last) = (Vec::new(), 0, None);
        for expected in expected {
            if Instant::now() >= timing.deadline
                || sent == MAX_SENT_PER_SWEEP
                || self.stopping.load(Ordering::Relaxed)
            {
                *self.swept_until() = last;
                break;
            }
            last = expected.since();
            let left = timing.deadline.saturating_duration_since(Instant::now()).min(SWEEP_MESSAGE_TIME);
            let about = expected.message.to_string();
            match self.sweep_one(expected, Timing::new(timing.current(), left)).await {
                Ok(None) => {}
                Ok(Some((delivered, level, line))) => {
                    sent += 1;
                    lines.push((level, format!("{about} {line}")));
                    if matches!(delivered, Delivered::Failed(DispatchAnswer::RateLimited { .. }, _)) {
                        // All messages share one token, and so its limit.
                        break;
                    }
                }
                Err(error) => lines.push((Level::Error, format!("{about}: {}", describe(&error)))),
            }
        }
        lines
    }

    /// One message of a sweep; `None` where nothing was to be done.
    async fn sweep_one(
        &self,
        expected: Expected,
        timing: Timing,
    ) -> anyhow::Result<Option<(Delivered, Level, String)>> {
        let older_than = |age: TimeDelta| {
            let old = expected.entries.iter().filter(move |(_, since)| timing.now - *since >= age);
            old.map(|(entry, _)| entry.clone()).collect::<Vec<_>>()
        };
        // Younger entries are left to the clicks that made them.
        let entries = older_than(FRESH);
        if entries.is_empty() {
            return Ok(None);
        }
        let Message::Dispatch(id) = &expected.message;
        let Some(decision) = self.ledger.decision(id, timing.deadline).await? else {
            settle_all(&self.ledger, &older_than(UNDECIDED)).await;
            return Ok(None);
        };
        let letter = Letter { entries: entries.clone(), ..letter(&decision) };
        let progress = self.ledger.progress(&letter.message, timing.deadline).await?;
        let Said { delivered, detail } =
            self.deliver(letter, &decision, (progress, Occasion::Sweep), timing).await?;
        if matches!(delivered, Delivered::Before | Delivered::Dead | Delivered::TooLate) {
            // Whoever ended it was cut off before the index said so.
            settle_all(&self.ledger, &entries).await;
        }
        let told = tell(&delivered, &detail).map(|(level, told)| {
            let line = format!("to {}: {told}", decision.dispatch.repository);
            (delivered, level, line)
        });
        Ok(told)
    }

    fn swept_until(&self) -> MutexGuard<'_, Option<DateTime<Utc>>> {
        self.swept_until.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a sweep's line says, where it has anything to say.
fn tell(delivered: &Delivered, detail: &str) -> Option<(Level, String)> {
    match delivered {
        Delivered::OnItsWay
        | Delivered::Before
        | Delivered::Dead
        | Delivered::TooLate
        | Delivered::NoToken => None,
        Delivered::Arrived => Some((Level::Info, format!("arrived ({detail})"))),
        Delivered::Failed(_, Next::NotBefore(time)) => {
            let time = time.to_rfc3339_opts(SecondsFormat::Secs, true);
            Some((Level::Warn, format!("failed ({detail}); next attempt not before {time}")))
        }
        Delivered::Failed(_, Next::Dead) => {
            let told = format!("given up ({detail}); a click within 7 days of the decision sends it again");
            Some((Level::Error, told))
        }
    }
}
