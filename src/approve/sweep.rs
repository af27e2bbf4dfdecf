//! The sweep: pending deliveries are checked, and everything that is due is decided and sent.
//!
//! It goes through them twice, so that no event waits behind a channel that is down: first for the events alone, then
//! for the cards, too. For events, those not checked for longest come first, so that none that fails again and again
//! keeps another waiting. For cards, decided approvals come first, then expired ones, then open ones; within each again
//! those not checked for longest. So the next sweep checks those that one sweep has no time for.
//! Those that can only be tried again later are not read before that.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap, HashSet},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::{FutureExt, StreamExt, stream};
use log::Level;
use tokio::time::Instant;

use super::Stories;
use crate::{
    approval::{ApprovalId, RelayId, Subject, next_of_release},
    ledger::{Detail, OpenNote, Pending},
    outbox::{FRESH, LeftOut, Swept, next_event, settle_all},
    text::log::describe,
    timing::Timing,
};

/// An entry of the index without a decision is dropped at this age: its click died before it decided.
const UNDECIDED: TimeDelta = TimeDelta::minutes(10);

/// The most events that one sweep sends, the most decided approvals whose cards it sends, and the most open
/// ones: however many of one kind fail again and again, they keep no other waiting.
const MAX_SENT_PER_SWEEP: usize = 50;

/// The most releases about whose run GitHub may be asked in one sweep.
const MAX_ASKED_PER_SWEEP: usize = 20;

/// The longest time for one approval or relay.
const LOOK_TIME: Duration = Duration::from_secs(10);

/// The approvals and relays that are checked at the same time.
const LOOKED_AT_ONCE: usize = 8;

/// Everything that waits is checked again after this time: another instance may have been cut off.
const LOOK_AGAIN: TimeDelta = TimeDelta::minutes(10);

/// A release is looked at again after this time: another instance may have heard of its run, and been cut off.
const FOLLOW_AGAIN: TimeDelta = TimeDelta::hours(1);

/// The memory of a process's sweeps.
#[derive(Default)]
pub struct Sweeper {
    /// One sweep at a time.
    sweeping: tokio::sync::Mutex<()>,
    looked_at: Mutex<HashMap<Subject, Looked>>,
    /// The time at which the store was last tidied.
    tidied_at: Mutex<Option<DateTime<Utc>>>,
    stopping: AtomicBool,
    /// True once a sweep has gone through everything: then `open/` has all open approvals, also in an old store.
    has_seen_all: AtomicBool,
}

/// The last looks at one approval or relay.
#[derive(Clone, Copy)]
struct Looked {
    /// The last for its event.
    event: Option<DateTime<Utc>>,
    /// The last for all its messages.
    all: Option<DateTime<Utc>>,
    /// The time before which nothing is due.
    not_before: DateTime<Utc>,
    /// True if the index had it as open.
    was_open: bool,
    /// True if an event has not arrived, or may still come.
    awaits_event: bool,
}

impl Looked {
    /// True if a sweep that began at `begin` has come to `subject`.
    fn is_of(&self, subject: &Subject, begin: DateTime<Utc>) -> bool {
        let is_since = |at: Option<DateTime<Utc>>| at.is_some_and(|at| at >= begin);
        let is_relayed = matches!(subject, Subject::Relayed(_));
        (is_since(self.event) || !self.awaits_event) && (is_since(self.all) || is_relayed)
    }
}

impl Sweeper {
    /// Ends a sweep before its next message, since the process is about to end.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// True once `open/` is known to have all open approvals.
    pub fn has_seen_all(&self) -> bool {
        self.has_seen_all.load(Ordering::Relaxed)
    }

    /// Has the next sweep check the approval, whatever the last one found, since something has happened to it.
    pub fn wake(&self, id: &ApprovalId) {
        self.looked_at().remove(&Subject::Requested(id.clone()));
    }

    fn looked_at(&self) -> MutexGuard<'_, HashMap<Subject, Looked>> {
        self.looked_at.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The rounds of a sweep.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Round {
    /// For events alone, of all subjects that may have one due.
    Events,
    /// For all messages that are due.
    All,
}

/// One sweep, and the data that its looks share.
struct Sweep<'a> {
    stories: &'a Arc<Stories>,
    timing: Timing,
    /// The approvals that the index has as open, each with its expiry and its note.
    open: HashMap<ApprovalId, (DateTime<Utc>, OpenNote)>,
    events: AtomicUsize,
    /// The approvals whose channels got a message, and that the index has as decided.
    told_decided: AtomicUsize,
    told_open: AtomicUsize,
    /// The releases whose run may have been asked about.
    asked: AtomicUsize,
    /// True if GitHub limits our rate: all events share one token, and so its limit.
    limited: AtomicBool,
    /// The settings without which messages wait, each with their number.
    lacks: Mutex<BTreeMap<&'static str, usize>>,
}

/// The result of a look.
enum Found {
    /// The approval was never opened, or the relay never decided.
    Nothing,
    /// Something is still to be done, not before this time.
    Waiting(DateTime<Utc>),
    /// Nothing is left to be done but to follow the release, of which nothing is due before this time.
    Following(DateTime<Utc>),
    /// Nothing is left to be done.
    AtRest,
}

impl Stories {
    /// Goes through the index once, decides what is due and sends the messages that follow. Bounded in time (until
    /// the deadline) and in number; safe beside clicks and other instances' sweeps. Returns a line for each thing done.
    pub async fn sweep(self: &Arc<Self>, timing: Timing) -> Vec<(Level, String)> {
        let Ok(_alone) = self.sweeper.sweeping.try_lock() else {
            return vec![(Level::Debug, "another sweep is under way".to_owned())];
        };
        self.tidy_if_due(timing.now);
        let ledger = &self.outbox.ledger;
        let (pending, open) =
            match tokio::try_join!(ledger.pending(timing.deadline), ledger.all_open(timing.deadline)) {
                Ok(found) => found,
                Err(error) => return vec![(Level::Error, format!("cannot sweep: {}", describe(&error)))],
            };
        let sweep = Sweep {
            stories: self,
            timing,
            open: open.into_iter().map(|(open, note)| (open.id, (open.expires_at, note))).collect(),
            events: AtomicUsize::new(0),
            told_decided: AtomicUsize::new(0),
            told_open: AtomicUsize::new(0),
            asked: AtomicUsize::new(0),
            limited: AtomicBool::new(false),
            lacks: Mutex::default(),
        };
        sweep.go_through(pending).await
    }

    /// Tidies once a day, and first after the start: a process that was killed may have left half-written files.
    fn tidy_if_due(&self, now: DateTime<Utc>) {
        let mut tidied_at = self.sweeper.tidied_at.lock().unwrap_or_else(PoisonError::into_inner);
        if tidied_at.is_some_and(|at| now - at < TimeDelta::days(1)) {
            return;
        }
        *tidied_at = Some(now);
        let ledger = Arc::clone(&self.outbox.ledger);
        self.outbox.beside(async move {
            if let Err(error) = ledger.tidy().await {
                log::warn!("half-written files stay in the store's folder for now: {}", describe(&error));
            }
        });
    }
}

impl Sweep<'_> {
    async fn go_through(self, pending: Vec<Pending>) -> Vec<(Level, String)> {
        let due = self.due(pending);
        let mut lines = Vec::new();
        for round in [Round::Events, Round::All] {
            let turns = self.turns(&due, round);
            let looks: Vec<_> =
                turns.into_iter().map(|turn| self.look_in_turn(turn, round).boxed()).collect();
            let looks = stream::iter(looks).buffer_unordered(LOOKED_AT_ONCE);
            lines.extend(looks.collect::<Vec<_>>().await.into_iter().flatten());
        }
        match self.left(&due) {
            0 => self.stories.sweeper.has_seen_all.store(true, Ordering::Relaxed),
            left => {
                let all = due.len();
                let line = format!("{left} of {all} are left to the next sweep, which begins with them");
                lines.push((Level::Warn, line));
            }
        }
        let lacks = self.lacks.into_inner().unwrap_or_else(PoisonError::into_inner);
        lines.extend(lacks.into_iter().map(|(setting, waiting)| {
            let waiting =
                if waiting == 1 { "1 message waits".to_owned() } else { format!("{waiting} messages wait") };
            (Level::Error, format!("{waiting}: the setting {setting} is missing"))
        }));
        lines
    }

    /// The part of the index that may have something due.
    fn due(&self, pending: Vec<Pending>) -> Vec<Pending> {
        let mut looked_at = self.stories.sweeper.looked_at();
        let known: HashSet<_> = pending.iter().map(|pending| &pending.subject).collect();
        looked_at.retain(|subject, _| known.contains(subject));
        // An approval that is no longer open was decided since, perhaps by an instance that is gone.
        let is_due = |pending: &Pending| {
            looked_at.get(&pending.subject).is_none_or(|looked| {
                looked.not_before <= self.timing.now || (looked.was_open && !self.is_open(&pending.subject))
            })
        };
        pending.into_iter().filter(is_due).collect()
    }

    /// The subjects that have their turn in this round, the most urgent first.
    fn turns<'a>(&self, due: &'a [Pending], round: Round) -> Vec<&'a Pending> {
        let looked_at = self.stories.sweeper.looked_at();
        let looked = |pending: &Pending| looked_at.get(&pending.subject);
        let has_turn = |pending: &&Pending| match (&pending.subject, round) {
            // A relay has no message but its event.
            (Subject::Relayed(_), round) => round == Round::Events,
            (Subject::Requested(_), Round::Events) => {
                looked(pending).is_none_or(|looked| looked.awaits_event)
            }
            (Subject::Requested(_), Round::All) => true,
        };
        let mut turns: Vec<_> = due.iter().filter(has_turn).collect();
        turns.sort_by_cached_key(|pending| {
            let expires_at = self.expires_at(&pending.subject);
            let is_over = expires_at.is_some_and(|expires_at| expires_at <= self.timing.now);
            let urgency = Reverse((expires_at.is_none(), is_over));
            let last = looked(pending).and_then(|looked| match round {
                Round::Events => looked.event,
                Round::All => looked.all,
            });
            let by_urgency = (round == Round::All).then_some(urgency);
            (by_urgency, last, urgency, pending.since())
        });
        turns
    }

    /// The number of those that this sweep has not come to.
    fn left(&self, due: &[Pending]) -> usize {
        let looked_at = self.stories.sweeper.looked_at();
        let is_done = |Pending { subject, .. }: &&Pending| {
            looked_at.get(subject).is_some_and(|looked| looked.is_of(subject, self.timing.now))
        };
        due.len() - due.iter().filter(is_done).count()
    }

    /// One look, unless the sweep is over.
    async fn look_in_turn(&self, pending: &Pending, round: Round) -> Vec<(Level, String)> {
        let subject = &pending.subject;
        let has_done_enough = match round {
            Round::Events => self.has_sent_enough(),
            Round::All => self.told(subject).load(Ordering::Relaxed) >= MAX_SENT_PER_SWEEP,
        };
        let is_stopping = self.stories.sweeper.stopping.load(Ordering::Relaxed);
        if has_done_enough || is_stopping || Instant::now() >= self.timing.deadline {
            return Vec::new();
        }
        let timing = Timing::new(self.timing.current(), self.timing.left().min(LOOK_TIME));
        let is_complete = round == Round::All || matches!(subject, Subject::Relayed(_));
        let (not_before, swept) = match self.look(pending, round, timing).await {
            Ok(done) => done,
            Err(error) => {
                let line = (Level::Error, format!("{subject}: {}", describe(&error)));
                // The next round reports it.
                let lines = if is_complete { vec![line] } else { Vec::new() };
                (timing.now, Swept { lines, awaits_event: true, ..Swept::default() })
            }
        };
        self.count(subject, &swept, is_complete);
        let was_open = self.is_open(subject);
        let mut looked_at = self.stories.sweeper.looked_at();
        let looked = looked_at.entry(subject.clone()).or_insert(Looked {
            event: None,
            all: None,
            not_before: timing.now,
            was_open,
            awaits_event: true,
        });
        (looked.awaits_event, looked.was_open) = (swept.awaits_event, was_open);
        if !swept.left_out {
            looked.event = Some(timing.now);
        }
        if round == Round::All {
            looked.all = Some(timing.now);
        }
        if is_complete {
            looked.not_before = if swept.left_out { timing.now } else { not_before };
        }
        swept.lines
    }

    fn count(&self, subject: &Subject, swept: &Swept, is_complete: bool) {
        self.events.fetch_add(swept.events, Ordering::Relaxed);
        self.told(subject).fetch_add(usize::from(swept.cards > 0), Ordering::Relaxed);
        self.limited.fetch_or(swept.limited, Ordering::Relaxed);
        if is_complete {
            let mut lacks = self.lacks.lock().unwrap_or_else(PoisonError::into_inner);
            swept.lacks.iter().for_each(|setting| *lacks.entry(setting).or_default() += 1);
        }
    }

    /// Checks one approval or relay, and tells from when on something more may be due.
    async fn look(
        &self,
        pending: &Pending,
        round: Round,
        timing: Timing,
    ) -> anyhow::Result<(DateTime<Utc>, Swept)> {
        let older_than = |age: TimeDelta| {
            let old = pending.entries.iter().filter(move |(_, since)| timing.now - *since >= age);
            old.map(|(entry, _)| entry.clone()).collect::<Vec<_>>()
        };
        // Younger entries are left to the stories that made them.
        let entries = older_than(FRESH);
        if entries.is_empty() {
            return Ok((timing.now, Swept { awaits_event: true, ..Swept::default() }));
        }
        let is_limited = self.limited.load(Ordering::Relaxed) || self.has_sent_enough();
        let left_out = LeftOut { event: is_limited, channel: round == Round::Events };
        let (found, swept) = match &pending.subject {
            Subject::Relayed(_) if left_out.event => {
                (Found::Waiting(timing.now), Swept { left_out: true, ..Swept::default() })
            }
            Subject::Relayed(id) => self.look_at_relay(id, timing).await?,
            Subject::Requested(id) => self.look_at_approval(id, left_out, timing).await?,
        };
        let ledger = &self.stories.outbox.ledger;
        let not_before = match found {
            // The story was cut off before the approval was opened or the relay decided.
            Found::Nothing => {
                let dropped = older_than(UNDECIDED);
                if let (Subject::Requested(id), false) = (&pending.subject, dropped.is_empty())
                    && let Some((_, note)) = self.open.get(id)
                {
                    ledger.forget_open(note, timing.deadline).await?;
                }
                settle_all(ledger, &dropped).await;
                timing.now
            }
            // The story was cut off before the index was updated, or leaves that to the sweep.
            Found::AtRest => {
                settle_all(ledger, &entries).await;
                timing.now
            }
            Found::Waiting(not_before) => not_before.min(timing.now + LOOK_AGAIN),
            Found::Following(not_before) => not_before.min(timing.now + FOLLOW_AGAIN),
        };
        Ok((not_before, swept))
    }

    async fn look_at_relay(&self, id: &RelayId, timing: Timing) -> anyhow::Result<(Found, Swept)> {
        let outbox = &self.stories.outbox;
        let Some(relay) = outbox.ledger.relay_standing(id, timing.deadline).await? else {
            return Ok((Found::Nothing, Swept::default()));
        };
        let swept = outbox.carry_on_relay(&relay, timing).await;
        if !swept.at_rest {
            return Ok((Found::Waiting(swept.not_before.unwrap_or(timing.now)), swept));
        }
        // A click that was cut off before its entry was taken out may not have listed the decision.
        outbox.ledger.note_lines_of_relay(&relay, timing.deadline).await?;
        Ok((Found::AtRest, swept))
    }

    async fn look_at_approval(
        &self,
        id: &ApprovalId,
        left_out: LeftOut,
        timing: Timing,
    ) -> anyhow::Result<(Found, Swept)> {
        let (stories, ledger) = (self.stories, &self.stories.outbox.ledger);
        let Some(standing) = stories.outbox.standing(id, Detail::Attempts, timing.deadline).await? else {
            return Ok((Found::Nothing, Swept::default()));
        };
        let (standing, has_ruled) = stories.rule_if_due(standing, timing).await?;
        // A crash, or an older version, has left the index otherwise.
        match (self.open.contains_key(id), standing.ruling.is_some()) {
            (false, false) => ledger.note_open(&standing.request, timing.deadline).await?,
            (true, true) => ledger.remove_open(&standing.request, timing.deadline).await?,
            (true, false) | (false, true) => {}
        }
        if standing.ruling.is_none() && standing.request.terms.supersedes {
            stories.supersede(&standing.request, timing).await;
        }
        let line = has_ruled.then(|| {
            let ending = standing.ending().map_or("", |ending| ending.as_str());
            (Level::Info, format!("approval {}: {ending}", id.short()))
        });
        let mut standing = standing;
        let mut authors_are_news = false;
        if !left_out.channel {
            let authors = stories.ask_for_authors(&standing, timing);
            stories.ask_for_changes(&mut standing, timing).await;
            authors_are_news = authors.known().await.is_some();
        }
        let next = next_event(&standing.request, timing.now);
        let mut swept = stories.outbox.carry_on(standing, left_out, timing).await;
        swept.lines.splice(0..0, line);
        let Some(standing) = &swept.standing else { return Ok((Found::Waiting(timing.now), swept)) };
        if swept.at_rest {
            ledger.note_lines_of(standing, timing.deadline).await?;
            let Some(next) = next_of_release(standing, timing.now) else { return Ok((Found::AtRest, swept)) };
            if self.may_ask_about_a_run() && stories.ask_about_silent_run(standing, timing).await {
                stories.follow_up(id.clone(), timing);
                return Ok((Found::Waiting(timing.now), swept));
            }
            return Ok((Found::Following(next), swept));
        }
        let next = match standing.ruling {
            Some(_) => timing.now + LOOK_AGAIN,
            None if authors_are_news => timing.now,
            None => stories.may_be_due_at(standing, timing).map_or(next, |due| due.min(next)),
        };
        Ok((Found::Waiting(swept.not_before.map_or(next, |waits| waits.min(next))), swept))
    }

    fn is_open(&self, subject: &Subject) -> bool {
        self.expires_at(subject).is_some()
    }

    /// The expiry of an approval that the index has as open; none if it is decided, or a relay.
    fn expires_at(&self, subject: &Subject) -> Option<DateTime<Utc>> {
        match subject {
            Subject::Relayed(_) => None,
            Subject::Requested(id) => self.open.get(id).map(|(expires_at, _)| *expires_at),
        }
    }

    /// The number of approvals whose channels got a message: of the open ones or of the decided ones, as `subject` is.
    fn told(&self, subject: &Subject) -> &AtomicUsize {
        if self.is_open(subject) { &self.told_open } else { &self.told_decided }
    }

    /// True for each of the first few that ask: a sweep puts few questions to GitHub.
    fn may_ask_about_a_run(&self) -> bool {
        self.asked.fetch_add(1, Ordering::Relaxed) < MAX_ASKED_PER_SWEEP
    }

    fn has_sent_enough(&self) -> bool {
        self.events.load(Ordering::Relaxed) >= MAX_SENT_PER_SWEEP
    }
}
