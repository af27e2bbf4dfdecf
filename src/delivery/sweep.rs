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
    approval::{DispatchAnswer, RelayId},
    host::Timing,
    ledger::{Entry, Expected, Kind, Message, Next, Subject},
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
        let mut lines = Vec::new();
        if self.routes.github.is_none() && !self.dry_run {
            let all = expected.len();
            expected.retain(|expected| matches!(expected.subject, Subject::Requested(_)));
            let waiting = all - expected.len();
            if waiting > 0 {
                let waiting = format!("{waiting} messages wait: the setting GITHUB_TOKEN is missing");
                lines.push((Level::Error, waiting));
            }
        }
        // What the last sweep had no time for comes first.
        let swept_until = self.swept_until().take();
        let swept = expected.partition_point(|expected| expected.since() <= swept_until);
        expected.rotate_left(swept);
        lines.extend(self.sweep_each(expected, timing).await);
        lines
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
            let about = expected.subject.to_string();
            match self.sweep_one(expected, Timing::new(timing.current(), left)).await {
                Ok(swept) => {
                    sent += usize::from(!swept.lines.is_empty());
                    lines.extend(swept.lines);
                    if swept.limited {
                        // All messages share one token, and so its limit.
                        break;
                    }
                }
                Err(error) => lines.push((Level::Error, format!("{about}: {}", describe(&error)))),
            }
        }
        lines
    }

    /// One subject of a sweep.
    async fn sweep_one(&self, expected: Expected, timing: Timing) -> anyhow::Result<Swept> {
        let older_than = |age: TimeDelta| {
            let old = expected.entries.iter().filter(move |(_, since)| timing.now - *since >= age);
            old.map(|(entry, _)| entry.clone()).collect::<Vec<_>>()
        };
        // Younger entries are left to the stories that made them.
        let entries = older_than(FRESH);
        if entries.is_empty() {
            return Ok(Swept::default());
        }
        let (found, swept) = match &expected.subject {
            Subject::Relayed(id) => self.sweep_relayed(id, &entries, timing).await?,
            Subject::Requested(id) => self.sweep_requested(id, timing).await?,
        };
        match found {
            Found::Nothing => settle_all(&self.ledger, &older_than(UNDECIDED)).await,
            // Whoever ended it was cut off before the index said so.
            Found::AtRest => settle_all(&self.ledger, &entries).await,
            Found::Waiting => {}
        }
        Ok(swept)
    }

    async fn sweep_relayed(
        &self,
        id: &RelayId,
        entries: &[Entry],
        timing: Timing,
    ) -> anyhow::Result<(Found, Swept)> {
        let Some(decision) = self.ledger.decision(id, timing.deadline).await? else {
            return Ok((Found::Nothing, Swept::default()));
        };
        let letter = Letter { entries: entries.to_vec(), ..letter(&decision) };
        let names = self.ledger.names(&letter.message.subject, timing.deadline).await?;
        let progress = self.ledger.progress(&letter.message, &names, timing.deadline).await?;
        let message = letter.message.clone();
        let said = self.deliver(letter, (progress, Occasion::Sweep), timing).await?;
        let mut swept = Swept::default();
        swept.tell(&message, &said, &format!("to {}: ", decision.dispatch.repository));
        // What has just arrived or failed has been settled with its note.
        let was_over = matches!(said.delivered, Delivered::Before | Delivered::Dead | Delivered::TooLate);
        Ok((if was_over { Found::AtRest } else { Found::Waiting }, swept))
    }

    fn swept_until(&self) -> MutexGuard<'_, Option<DateTime<Utc>>> {
        self.swept_until.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a sweep found of a subject.
pub(super) enum Found {
    /// It was never decided, or never opened.
    Nothing,
    /// Something is still to be done.
    Waiting,
    /// Nothing is left to be done.
    AtRest,
}

/// What a sweep did about a subject.
#[derive(Default)]
pub struct Swept {
    /// A line for each thing that it did.
    pub lines: Vec<(Level, String)>,
    /// Whether GitHub limits our rate.
    pub limited: bool,
}

impl Swept {
    /// Tells what became of a message; `to` stands before it.
    pub fn tell(&mut self, message: &Message, Said { delivered, detail }: &Said, to: &str) {
        self.limited |= message.kind == Kind::Dispatch
            && matches!(delivered, Delivered::Failed(DispatchAnswer::RateLimited { .. }, _));
        let told = tell(delivered, detail);
        self.lines.extend(told.map(|(level, told)| (level, format!("{message} {to}{told}"))));
    }
}

/// What a sweep's line says, where it has anything to say.
fn tell(delivered: &Delivered, detail: &str) -> Option<(Level, String)> {
    match delivered {
        Delivered::OnItsWay | Delivered::Before | Delivered::Dead | Delivered::TooLate => None,
        Delivered::NoRoute => Some((
            Level::Error,
            "waits: the setting that leads there, such as GITHUB_TOKEN, is missing".to_owned(),
        )),
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
