//! The sweep: pending deliveries are checked, and what is due is sent.
//!
//! It goes through them twice, so that no event waits behind a channel that is down: first for the dispatches alone, then
//! for the cards, too. For dispatches what was not looked at for longest comes first, so that none that fails again and
//! again keeps another waiting. For cards what is decided comes first, then what has expired, then what waits for people;
//! within each again what was not looked at for longest. So what one sweep has no time for is looked at by the next.

use std::{
    cmp::Reverse,
    collections::{HashMap, HashSet},
    sync::{
        Arc, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use futures_util::{FutureExt, StreamExt, stream};
use log::Level;
use tokio::time::Instant;

use super::{
    Delivered, Letter, Outbox, Said,
    plan::{FRESH, Occasion},
    settle_all,
};
use crate::{
    approval::{ApprovalId, DispatchAnswer, RelayId},
    ledger::{AttemptResult, Decided, Entry, Expected, Kind, Message, Next, OpenNote, Subject},
    text::log::describe,
    timing::Timing,
};

/// An entry of the index without a decision is dropped at this age: its click died before it decided.
const UNDECIDED: TimeDelta = TimeDelta::minutes(10);

/// The most dispatches that one sweep sends, the most approvals whose decision it tells the channel, and the most others
/// that it tells it of: however many of one kind fail again and again, they keep no other waiting.
const MAX_SENT_PER_SWEEP: usize = 50;

/// What one message may take in a sweep.
const SWEEP_MESSAGE_TIME: Duration = Duration::from_secs(10);

/// How many approvals and decisions are looked at at the same time.
const LOOKED_AT_ONCE: usize = 8;

/// An open approval for which nothing is due is looked at again after this time all the same: a vote on another
/// instance may have been cut off.
const LOOK_AGAIN: TimeDelta = TimeDelta::minutes(10);

/// What a sweep remembers of what it has looked at.
#[derive(Clone, Copy)]
pub(super) struct Looked {
    /// When it was last looked at for its dispatch.
    event: Option<DateTime<Utc>>,
    /// When it was last looked at for all that follows from it.
    all: Option<DateTime<Utc>>,
    /// Until when nothing is due.
    quiet_until: DateTime<Utc>,
    /// Whether an event has not arrived, or may still come.
    awaits_event: bool,
}

impl Looked {
    /// Whether a sweep that began at `begin` has come to `subject`.
    fn is_of(&self, subject: &Subject, begin: DateTime<Utc>) -> bool {
        let is_since = |at: Option<DateTime<Utc>>| at.is_some_and(|at| at >= begin);
        let is_relayed = matches!(subject, Subject::Relayed(_));
        (is_since(self.event) || !self.awaits_event) && (is_since(self.all) || is_relayed)
    }
}

/// What the looks of one sweep share.
struct Sweep {
    /// The approvals that the index has as open, when each expires, and where it says so.
    open: HashMap<ApprovalId, (DateTime<Utc>, OpenNote)>,
    deadline: Instant,
    events: AtomicUsize,
    /// Approvals of which the channel was told, and that the index has as decided.
    told_decided: AtomicUsize,
    told_open: AtomicUsize,
    /// GitHub limits our rate: all messages share one token, and so its limit.
    limited: AtomicBool,
}

impl Sweep {
    /// When the approval expires that the index has as open; nothing where it is decided, or a relay.
    fn expires_at(&self, subject: &Subject) -> Option<DateTime<Utc>> {
        match subject {
            Subject::Relayed(_) => None,
            Subject::Requested(id) => self.open.get(id).map(|(expires_at, _)| *expires_at),
        }
    }

    /// Of how many approvals the channel was told that are as far as `subject`.
    fn told(&self, subject: &Subject) -> &AtomicUsize {
        match self.expires_at(subject) {
            None => &self.told_decided,
            Some(_) => &self.told_open,
        }
    }

    fn has_sent_enough(&self) -> bool {
        self.events.load(Ordering::Relaxed) >= MAX_SENT_PER_SWEEP
    }
}

impl Outbox {
    /// Goes through the index once and sends what is due. Bounded in time (until the deadline) and in number; safe
    /// beside clicks and other instances' sweeps. Returns a line for each message that it did something about.
    pub async fn sweep(&self, timing: Timing) -> Vec<(Level, String)> {
        let Ok(_alone) = self.sweeping.try_lock() else {
            return vec![(Level::Debug, "another sweep is under way".to_owned())];
        };
        let ledger = &self.ledger;
        let (mut expected, open) =
            match tokio::try_join!(ledger.expected(timing.deadline), ledger.all_open(timing.deadline)) {
                Ok(found) => found,
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
        let sweep = Sweep {
            open: open.into_iter().map(|(open, note)| (open.id, (open.expires_at, note))).collect(),
            deadline: timing.deadline,
            events: AtomicUsize::new(0),
            told_decided: AtomicUsize::new(0),
            told_open: AtomicUsize::new(0),
            limited: AtomicBool::new(false),
        };
        let due = self.due(expected, &sweep, timing.now);
        lines.extend(self.sweep_each(due, &sweep, timing).await);
        self.tidy_if_due(timing.now);
        lines
    }

    /// Once a day, and first after the start: whoever was killed before it may have left something half written.
    fn tidy_if_due(&self, now: DateTime<Utc>) {
        let mut tidied_at = self.tidied_at.lock().unwrap_or_else(PoisonError::into_inner);
        if tidied_at.is_some_and(|at| now - at < TimeDelta::days(1)) {
            return;
        }
        *tidied_at = Some(now);
        let ledger = Arc::clone(&self.ledger);
        self.tasks.spawn(async move {
            if let Err(error) = ledger.tidy().await {
                log::warn!("half-written files stay in the store's folder for now: {}", describe(&error));
            }
        });
    }

    /// What is to be looked at.
    fn due(&self, expected: Vec<Expected>, sweep: &Sweep, now: DateTime<Utc>) -> Vec<Expected> {
        let mut looked_at = self.looked_at();
        let known: HashSet<_> = expected.iter().map(|expected| &expected.subject).collect();
        looked_at.retain(|subject, _| known.contains(subject));
        let looked = |expected: &Expected| looked_at.get(&expected.subject).copied();
        // What is open no more was decided since, perhaps by an instance that is gone.
        let is_due = |expected: &Expected| {
            let is_open = sweep.expires_at(&expected.subject).is_some();
            looked(expected).is_none_or(|looked| !is_open || looked.quiet_until <= now)
        };
        expected.into_iter().filter(is_due).collect()
    }

    /// What of it has its turn in this round, the most urgent first.
    fn turns<'a>(
        &self,
        due: &'a [Expected],
        (sweep, round): (&Sweep, Round),
        now: DateTime<Utc>,
    ) -> Vec<&'a Expected> {
        let looked_at = self.looked_at();
        let looked = |expected: &Expected| looked_at.get(&expected.subject);
        let has_turn = |expected: &&Expected| match (&expected.subject, round) {
            // Nothing but its dispatch follows from it.
            (Subject::Relayed(_), round) => round == Round::Events,
            (Subject::Requested(_), Round::Events) => {
                looked(expected).is_none_or(|looked| looked.awaits_event)
            }
            (Subject::Requested(_), Round::All) => true,
        };
        let mut turns: Vec<_> = due.iter().filter(has_turn).collect();
        turns.sort_by_cached_key(|expected| {
            let expires_at = sweep.expires_at(&expected.subject);
            let is_over = expires_at.is_some_and(|expires_at| expires_at <= now);
            let urgency = Reverse((expires_at.is_none(), is_over));
            let last = looked(expected).and_then(|looked| match round {
                Round::Events => looked.event,
                Round::All => looked.all,
            });
            let by_urgency = (round == Round::All).then_some(urgency);
            (by_urgency, last, urgency, expected.since())
        });
        turns
    }

    async fn sweep_each(&self, due: Vec<Expected>, sweep: &Sweep, timing: Timing) -> Vec<(Level, String)> {
        let all = due.len();
        let mut lines = Vec::new();
        for round in [Round::Events, Round::All] {
            let turns = self.turns(&due, (sweep, round), timing.now);
            let looks = turns.into_iter().map(|turn| self.look_in(turn, (sweep, round), timing).boxed());
            let looks = stream::iter(looks.collect::<Vec<_>>()).buffer_unordered(LOOKED_AT_ONCE);
            lines.extend(looks.collect::<Vec<_>>().await.into_iter().flatten());
        }
        let looked_at = self.looked_at();
        let is_done = |Expected { subject, .. }: &&Expected| {
            looked_at.get(subject).is_some_and(|looked| looked.is_of(subject, timing.now))
        };
        let left = all - due.iter().filter(is_done).count();
        if left > 0 {
            let line = format!("{left} of {all} are left to the next sweep, which begins with them");
            lines.push((Level::Warn, line));
        }
        lines
    }

    /// One look, unless the sweep is over.
    async fn look_in(
        &self,
        expected: &Expected,
        (sweep, round): (&Sweep, Round),
        timing: Timing,
    ) -> Vec<(Level, String)> {
        let subject = &expected.subject;
        let has_done_enough = match round {
            Round::Events => sweep.has_sent_enough(),
            Round::All => sweep.told(subject).load(Ordering::Relaxed) >= MAX_SENT_PER_SWEEP,
        };
        let is_over =
            has_done_enough || Instant::now() >= sweep.deadline || self.stopping.load(Ordering::Relaxed);
        if is_over {
            return Vec::new();
        }
        let left = sweep.deadline.saturating_duration_since(Instant::now()).min(SWEEP_MESSAGE_TIME);
        let timing = Timing::new(timing.current(), left);
        let is_all = round == Round::All || matches!(subject, Subject::Relayed(_));
        let (quiet_until, swept) = match self.sweep_one(expected, (sweep, round), timing).await {
            Ok(done) => done,
            Err(error) => {
                let line = (Level::Error, format!("{subject}: {}", describe(&error)));
                // The next round says it.
                let lines = if is_all { vec![line] } else { Vec::new() };
                (timing.now, Swept { lines, awaits_event: true, ..Swept::default() })
            }
        };
        sweep.events.fetch_add(swept.events, Ordering::Relaxed);
        sweep.told(subject).fetch_add(usize::from(swept.cards > 0), Ordering::Relaxed);
        sweep.limited.fetch_or(swept.limited, Ordering::Relaxed);
        let never = Looked { event: None, all: None, quiet_until: timing.now, awaits_event: true };
        let mut looked_at = self.looked_at();
        let looked = looked_at.entry(subject.clone()).or_insert(never);
        looked.awaits_event = swept.awaits_event;
        if !swept.left_out {
            looked.event = Some(timing.now);
        }
        if round == Round::All {
            (looked.all, looked.quiet_until) = (Some(timing.now), quiet_until);
        }
        swept.lines
    }

    /// One subject of a sweep, and until when nothing more is due about it.
    async fn sweep_one(
        &self,
        expected: &Expected,
        (sweep, round): (&Sweep, Round),
        timing: Timing,
    ) -> anyhow::Result<(DateTime<Utc>, Swept)> {
        let older_than = |age: TimeDelta| {
            let old = expected.entries.iter().filter(move |(_, since)| timing.now - *since >= age);
            old.map(|(entry, _)| entry.clone()).collect::<Vec<_>>()
        };
        // Younger entries are left to the stories that made them.
        let entries = older_than(FRESH);
        if entries.is_empty() {
            return Ok((timing.now, Swept { awaits_event: true, ..Swept::default() }));
        }
        let is_limited = sweep.limited.load(Ordering::Relaxed);
        let left_out =
            LeftOut { dispatch: is_limited || sweep.has_sent_enough(), channel: round == Round::Events };
        let (found, swept) = match &expected.subject {
            Subject::Relayed(_) if left_out.dispatch => {
                (Found::Waiting, Swept { left_out: true, ..Swept::default() })
            }
            Subject::Relayed(id) => self.sweep_relayed(id, &entries, timing).await?,
            Subject::Requested(id) => {
                let is_noted_open = sweep.open.contains_key(id);
                self.sweep_requested(id, (is_noted_open, left_out), timing).await?
            }
        };
        let quiet_until = match found {
            Found::Open(next) => next.min(timing.now + LOOK_AGAIN),
            Found::Nothing | Found::Waiting | Found::AtRest => timing.now,
        };
        match found {
            // Whoever began it was cut off before it was opened or decided.
            Found::Nothing => {
                let dropped = older_than(UNDECIDED);
                if let (Subject::Requested(id), false) = (&expected.subject, dropped.is_empty())
                    && let Some((_, note)) = sweep.open.get(id)
                {
                    self.ledger.forget_open(note, timing.deadline).await?;
                }
                settle_all(&self.ledger, &dropped).await;
            }
            // Whoever ended it was cut off before the index said so.
            Found::AtRest => settle_all(&self.ledger, &entries).await,
            Found::Waiting | Found::Open(_) => {}
        }
        Ok((quiet_until, swept))
    }

    /// Something has happened to the approval: the next sweep looks at it, whatever the last one found.
    pub fn wake(&self, id: &ApprovalId) {
        self.looked_at().remove(&Subject::Requested(id.clone()));
    }

    async fn sweep_relayed(
        &self,
        id: &RelayId,
        entries: &[Entry],
        timing: Timing,
    ) -> anyhow::Result<(Found, Swept)> {
        let Some(Decided { decision, claim }) = self.ledger.decision(id, timing.deadline).await? else {
            return Ok((Found::Nothing, Swept::default()));
        };
        let letter = Letter { entries: entries.to_vec(), ..self.letter(&decision) };
        let names = self.ledger.names(&letter.message.subject, timing.deadline).await?;
        let progress =
            self.ledger.progress(&letter.message, (&names, claim.as_ref()), timing.deadline).await?;
        let message = letter.message.clone();
        let said = self.deliver(letter, (progress, Occasion::Sweep), timing).await?;
        let mut swept = Swept::default();
        swept.tell(&message, &said, &format!("to {}: ", decision.dispatch.repository));
        if matches!(said.delivered, Delivered::Before | Delivered::Dead(_) | Delivered::TooLate) {
            // Whoever was cut off before its entry was taken out may not have listed it.
            self.ledger.list_as(&message.subject, decision.decided_at, timing.deadline).await?;
        }
        // What has just arrived or failed has been settled with its note.
        let was_over = matches!(said.delivered, Delivered::Before | Delivered::Dead(_) | Delivered::TooLate);
        Ok((if was_over { Found::AtRest } else { Found::Waiting }, swept))
    }

    fn looked_at(&self) -> MutexGuard<'_, HashMap<Subject, Looked>> {
        self.looked_at.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The rounds of a sweep.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Round {
    /// For dispatches alone, wherever one may be due.
    Events,
    /// For all that is due.
    All,
}

/// What is left out, though it may be due.
#[derive(Clone, Copy, Default)]
pub struct LeftOut {
    /// Since GitHub limits our rate, or enough was sent.
    pub dispatch: bool,
    /// Since dispatches come first.
    pub channel: bool,
}

/// What a sweep found of a subject.
pub(super) enum Found {
    /// It was never decided, or never opened.
    Nothing,
    /// Something is still to be done.
    Waiting,
    /// People are still asked, and nothing happens before this time unless they answer.
    Open(DateTime<Utc>),
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
    /// Whether a message waits for its time.
    pub waits: bool,
    /// How many dispatches it did something about.
    pub events: usize,
    /// How many messages to the channel it did something about.
    pub cards: usize,
    /// Whether an event had not arrived, or may still come.
    pub awaits_event: bool,
    /// Whether a dispatch was left out.
    pub left_out: bool,
}

impl Swept {
    /// What became of one message.
    pub fn of(message: &Message, said: &Said) -> Self {
        let mut swept = Self::default();
        swept.tell(message, said, "");
        swept
    }

    /// Counts a message about which something was done.
    pub fn count(&mut self, message: &Message) {
        match message.kind {
            Kind::Dispatch => self.events += 1,
            _ => self.cards += 1,
        }
    }

    /// Tells what became of a message; `to` stands before it.
    pub fn tell(&mut self, message: &Message, Said { delivered, detail }: &Said, to: &str) {
        let is_limited = |result: &AttemptResult| matches!(result.answer, DispatchAnswer::RateLimited { .. });
        self.limited |= message.kind == Kind::Dispatch
            && matches!(delivered, Delivered::Failed(result) if is_limited(result));
        let told = tell(message.kind, delivered, detail);
        if told.is_some() {
            self.count(message);
        }
        self.lines.extend(told.map(|(level, told)| (level, format!("{message} {to}{told}"))));
    }
}

/// What a sweep's line says, where it has anything to say.
fn tell(kind: Kind, delivered: &Delivered, detail: &str) -> Option<(Level, String)> {
    match delivered {
        Delivered::OnItsWay | Delivered::Before | Delivered::Dead(_) | Delivered::TooLate => None,
        Delivered::NoRoute => Some((
            Level::Error,
            "waits: the setting that leads there, such as GITHUB_TOKEN, is missing".to_owned(),
        )),
        Delivered::Arrived => Some((Level::Info, format!("arrived ({detail})"))),
        Delivered::Failed(AttemptResult { next: Next::NotBefore(time), .. }) => {
            let time = time.to_rfc3339_opts(SecondsFormat::Secs, true);
            Some((Level::Warn, format!("failed ({detail}); next attempt not before {time}")))
        }
        Delivered::Failed(AttemptResult { next: Next::Dead, .. }) if kind != Kind::Dispatch => {
            Some((Level::Error, format!("given up ({detail})")))
        }
        Delivered::Failed(AttemptResult { next: Next::Dead, .. }) => {
            let told = format!("given up ({detail}); a click within 7 days of the decision sends it again");
            Some((Level::Error, told))
        }
    }
}
