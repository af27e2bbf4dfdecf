//! From a recorded decision to GitHub: attempts under a lease, back-off, dead letters.
//!
//! A message goes out at least once, and never from two places at once: whoever wants to send it first claims the
//! next attempt in the ledger, and the claim holds for [`LEASE`], several times as long as an attempt can take. An
//! attempt that ends is either *done*, or has a result that says when the next may come; one that never ends was cut
//! off, and its lease runs out. So any instance can go on where another stopped. What to do next follows from the
//! records and the time alone ([`plan`]); the rest carries it out.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use log::Level;
use tokio::time::{Instant, timeout_at};

use crate::{
    approval::{Decision, Dispatch, DispatchAnswer},
    github::{Answered, GitHub},
    host::Timing,
    ledger::{Attempt, AttemptResult, Entry, Expected, Ledger, Message, Next, Progress},
    printable::describe,
};

/// How long a claimed attempt keeps others from sending.
const LEASE: TimeDelta = TimeDelta::seconds(30);

/// The longest that one call to GitHub takes.
const DISPATCH_TIME: Duration = Duration::from_secs(4);

/// What is kept of a click's time for noting what GitHub said.
const NOTING_TIME: Duration = Duration::from_millis(500);

/// With less time than this left for GitHub an attempt is not begun.
const LEAST_DISPATCH_TIME: Duration = Duration::from_millis(500);

/// A decision younger than this is left to the click that made it.
const FRESH: TimeDelta = TimeDelta::seconds(10);

/// An entry of the index without a decision is dropped at this age: its click died before it decided.
const UNDECIDED: TimeDelta = TimeDelta::minutes(10);

/// A click revives a dead letter until the decision is this old.
const REVIVABLE: TimeDelta = TimeDelta::days(7);

/// Between attempts when GitHub wants something mended, such as a new token.
const MENDING: TimeDelta = TimeDelta::hours(1);

/// The first wait between attempts when GitHub is down; it doubles up to [`MENDING`].
const FIRST_WAIT: TimeDelta = TimeDelta::seconds(30);

/// At least this long is waited where GitHub limits the rate and does not say for how long.
const RATE_LIMIT_WAIT: TimeDelta = TimeDelta::seconds(60);

/// The most messages that one sweep sends.
const MAX_SENT_PER_SWEEP: usize = 50;

/// How long it is tried to note how an attempt ended: for as long as its lease surely holds.
const NOTED_WITHIN: Duration = Duration::from_secs(20);

/// One try of that.
const ONE_NOTE_TIME: Duration = Duration::from_secs(2);

/// What one message may take in a sweep.
const SWEEP_MESSAGE_TIME: Duration = Duration::from_secs(10);

/// Sends messages, and keeps at it.
pub struct Delivery {
    /// Where it is noted how far they have come.
    pub ledger: Arc<Ledger>,
    /// Where they go, if there is a token.
    pub github: Option<GitHub>,
    /// How long an undelivered message is tried again by itself (`DELIVER_FOR_HOURS`).
    deliver_for: TimeDelta,
    stopping: AtomicBool,
    /// How far the last sweep came that did not come to the end.
    swept_until: Mutex<Option<DateTime<Utc>>>,
}

/// What became of a message, and the words of whoever made it so.
#[derive(Debug, PartialEq)]
pub struct Said {
    /// What became of it by now.
    pub delivered: Delivered,
    /// For the log; empty where nothing was sent.
    pub detail: String,
}

impl Said {
    fn nothing(delivered: Delivered) -> Self {
        Self { delivered, detail: String::new() }
    }
}

/// Why a message is being sent now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Occasion {
    /// It was decided this very moment, by us.
    Decided,
    /// A person clicked on what was decided before.
    Click,
    /// It is in the index.
    Sweep,
}

/// What became of a message by now.
#[derive(Debug, PartialEq)]
pub enum Delivered {
    /// It has just arrived.
    Arrived,
    /// It had arrived before.
    Before,
    /// Somebody else is sending it, or it waits for its time; nothing was sent now.
    OnItsWay,
    /// It was sent now and failed.
    Failed(DispatchAnswer, Next),
    /// It was given up, and the time for sending it has not come.
    Dead,
    /// It was given up too long ago to be revived.
    TooLate,
    /// There is no token to send it with.
    NoToken,
}

/// What to do about a message.
#[derive(Debug, PartialEq)]
enum Step {
    /// Claim this attempt and send.
    Send(Attempt),
    /// Claim this attempt and give up in it: the time for delivering is over.
    GiveUp(Attempt),
    /// Nothing is sent now.
    Rest(Delivered),
}

/// What follows from the records and the time.
fn plan(
    progress: Progress,
    occasion: Occasion,
    decided_at: DateTime<Utc>,
    (now, deliver_for): (DateTime<Utc>, TimeDelta),
) -> Step {
    let (last, result) = match progress {
        Progress::Done => return Step::Rest(Delivered::Before),
        Progress::Untried if occasion == Occasion::Click && now - decided_at < FRESH => {
            return Step::Rest(Delivered::OnItsWay);
        }
        Progress::Untried => (None, None),
        Progress::Tried(attempt, None) if now < attempt.lease_until => {
            return Step::Rest(Delivered::OnItsWay);
        }
        Progress::Tried(attempt, result) => (Some(attempt), result),
    };
    let next = next_attempt(last.as_ref(), decided_at, now);
    let is_dead = result.as_ref().is_some_and(|result| result.next == Next::Dead);
    let is_over = is_dead || now - next.window_from >= deliver_for;
    let must_wait =
        result.as_ref().and_then(|result| result.asked_to_wait_until).is_some_and(|until| now < until);
    match occasion {
        Occasion::Sweep if is_dead => Step::Rest(Delivered::Dead),
        Occasion::Sweep if is_over => Step::GiveUp(next),
        Occasion::Sweep => match result.map(|result| result.next) {
            Some(Next::NotBefore(time)) if now < time => Step::Rest(Delivered::OnItsWay),
            _ => Step::Send(next),
        },
        _ if is_over && now - decided_at >= REVIVABLE => Step::Rest(Delivered::TooLate),
        _ if is_over && must_wait => Step::Rest(Delivered::Dead),
        _ if must_wait => Step::Rest(Delivered::OnItsWay),
        Occasion::Click if is_over => {
            Step::Send(Attempt { window_from: now, failures: 0, entry: String::new(), ..next })
        }
        Occasion::Click | Occasion::Decided => Step::Send(next),
    }
}

fn next_attempt(last: Option<&Attempt>, decided_at: DateTime<Utc>, now: DateTime<Utc>) -> Attempt {
    Attempt {
        number: last.map_or(1, |last| last.number + 1),
        began_at: now,
        lease_until: now + LEASE,
        window_from: last.map_or(decided_at, |last| last.window_from),
        failures: last.map_or(0, |last| last.failures + 1),
        entry: last.map_or_else(String::new, |last| last.entry.clone()),
    }
}

/// How long to wait after `failures` failures before this one; `jitter`, from 0 to 1, spreads instances apart.
fn wait(answer: &DispatchAnswer, failures: u32, jitter: f64) -> TimeDelta {
    let doubled = FIRST_WAIT * 2_i32.pow(failures.min(10));
    let spread = |wait: TimeDelta| wait.min(MENDING) * (80 + (40.0 * jitter) as i32) / 100;
    match answer {
        DispatchAnswer::RateLimited { wait_s: Some(seconds) } => {
            seconds_of(*seconds).max(TimeDelta::seconds(1))
        }
        DispatchAnswer::RateLimited { wait_s: None } => spread(doubled.max(RATE_LIMIT_WAIT * 5 / 4)),
        DispatchAnswer::NotTried => TimeDelta::zero(),
        answer if answer.is_refusal() => MENDING,
        _ => spread(doubled),
    }
}

/// At most a month: what a broken clock or a hostile header asks for is not waited for longer.
fn seconds_of(seconds: u64) -> TimeDelta {
    let month = TimeDelta::days(31);
    i64::try_from(seconds).ok().and_then(TimeDelta::try_seconds).map_or(month, |wait| wait.min(month))
}

/// The result of an attempt that failed with `answer` at `ended_at`.
fn result_of(
    attempt: &Attempt,
    Answered { answer, asked_to_wait_s, detail }: Answered,
    ended_at: DateTime<Utc>,
    (deliver_for, jitter): (TimeDelta, f64),
) -> AttemptResult {
    let asked_to_wait = asked_to_wait_s.map(|seconds| ended_at + seconds_of(seconds));
    let not_before =
        (ended_at + wait(&answer, attempt.failures, jitter)).max(asked_to_wait.unwrap_or(ended_at));
    let is_over = not_before - attempt.window_from >= deliver_for;
    let next = match answer {
        DispatchAnswer::Unprocessable => Next::Dead,
        _ if is_over => Next::Dead,
        _ => Next::NotBefore(not_before),
    };
    AttemptResult { ended_at, answer, detail, asked_to_wait_until: asked_to_wait, next }
}

/// A message, and our entries in the index for it.
struct Letter<'a> {
    message: Message,
    dispatch: &'a Dispatch,
    entries: Vec<Entry>,
}

impl Delivery {
    /// A delivery of what stands in `ledger`, to `github` if there is a token, each message for `deliver_for`.
    pub fn new(ledger: Ledger, github: Option<GitHub>, deliver_for: TimeDelta) -> Self {
        let (stopping, swept_until) = (AtomicBool::new(false), Mutex::new(None));
        Self { ledger: Arc::new(ledger), github, deliver_for, stopping, swept_until }
    }

    /// Sends what was decided this very moment, by us, with `entry` in the index. An error means that nothing was
    /// sent.
    pub async fn deliver_now(
        &self,
        decision: &Decision,
        entry: Entry,
        timing: Timing,
    ) -> anyhow::Result<Said> {
        let letter = Letter { entries: vec![entry], ..letter(decision) };
        self.deliver(letter, decision, (Progress::Untried, Occasion::Decided), timing).await
    }

    /// Sends what was decided before and a person has clicked again, if it is to be sent now. An error means that
    /// it is not known how far it has come, and that nothing was sent.
    pub async fn deliver_again(&self, decision: &Decision, timing: Timing) -> anyhow::Result<Said> {
        let letter = letter(decision);
        let progress = self.ledger.progress(&letter.message, timing.deadline).await?;
        self.deliver(letter, decision, (progress, Occasion::Click), timing).await
    }

    async fn deliver(
        &self,
        mut letter: Letter<'_>,
        decision: &Decision,
        (progress, occasion): (Progress, Occasion),
        timing: Timing,
    ) -> anyhow::Result<Said> {
        match plan(progress, occasion, decision.decided_at, (timing.now, self.deliver_for)) {
            Step::Rest(delivered) => Ok(Said::nothing(delivered)),
            Step::GiveUp(attempt) => self.give_up(letter, attempt, timing).await,
            Step::Send(mut attempt) => {
                let Some(github) = &self.github else { return Ok(Said::nothing(Delivered::NoToken)) };
                if attempt.entry.is_empty() {
                    // The first attempt, or the first after it was dead, when its entry was taken out.
                    let entry = match letter.entries.first() {
                        Some(entry) => entry.clone(),
                        None => self.ledger.expect(&letter.message, timing.deadline).await?,
                    };
                    attempt.entry = entry.name().to_owned();
                }
                let entry = self.ledger.entry(&letter.message, &attempt);
                letter.entries.extend(entry.filter(|entry| !letter.entries.contains(entry)));
                self.send(github, letter, attempt, timing).await
            }
        }
    }

    async fn send(
        &self,
        github: &GitHub,
        letter: Letter<'_>,
        attempt: Attempt,
        timing: Timing,
    ) -> anyhow::Result<Said> {
        let began = Instant::now();
        let time_left = || timing.deadline.saturating_duration_since(Instant::now() + NOTING_TIME);
        let claimed = time_left() >= LEAST_DISPATCH_TIME
            && self.ledger.claim(&letter.message, &attempt, timing.deadline).await?;
        if !claimed {
            // A dead letter that is not revived is not on its way.
            let is_revived = attempt.number > 1 && attempt.window_from == attempt.began_at;
            return Ok(Said::nothing(if is_revived { Delivered::Dead } else { Delivered::OnItsWay }));
        }
        let mut answered = match time_left() {
            left if left < LEAST_DISPATCH_TIME => Answered::not_tried(),
            left => github.dispatch(letter.dispatch, left.min(DISPATCH_TIME), timing.now).await,
        };
        answered.detail = format!("attempt {}: {}", attempt.number, answered.detail);
        let detail = answered.detail.clone();
        let result = match answered.answer {
            DispatchAnswer::Accepted => None,
            _ => Some(result_of(
                &attempt,
                answered,
                timing.now + began.elapsed(),
                (self.deliver_for, jitter()),
            )),
        };
        let delivered = match &result {
            None => Delivered::Arrived,
            Some(result) => Delivered::Failed(result.answer.clone(), result.next.clone()),
        };
        self.note(letter, attempt, result, timing.deadline).await;
        Ok(Said { delivered, detail })
    }

    /// Notes how an attempt ended, and waits for that until the deadline. Where the store is slow it goes on
    /// afterwards, while the lease keeps everybody else from sending: what is not noted is sent twice.
    async fn note(
        &self,
        letter: Letter<'_>,
        attempt: Attempt,
        result: Option<AttemptResult>,
        deadline: Instant,
    ) {
        let (ledger, Letter { message, entries, .. }) = (Arc::clone(&self.ledger), letter);
        let noting = tokio::spawn(async move {
            if let Err(error) = note_during_lease(&ledger, &message, &attempt, result.as_ref()).await {
                log::warn!("{message}: {}", describe(&error));
                return;
            }
            if !matches!(&result, Some(AttemptResult { next: Next::NotBefore(_), .. })) {
                settle_all(&ledger, &entries).await;
            }
        });
        // It goes on whether or not it has ended by then.
        let _ = timeout_at(deadline, noting).await;
    }

    async fn give_up(&self, letter: Letter<'_>, attempt: Attempt, timing: Timing) -> anyhow::Result<Said> {
        if !self.ledger.claim(&letter.message, &attempt, timing.deadline).await? {
            return Ok(Said::nothing(Delivered::OnItsWay));
        }
        let detail = "the time for delivering is over".to_owned();
        let result = AttemptResult {
            ended_at: timing.now,
            answer: DispatchAnswer::NotTried,
            detail: detail.clone(),
            asked_to_wait_until: None,
            next: Next::Dead,
        };
        self.ledger.failed(&letter.message, attempt.number, &result, timing.deadline).await?;
        settle_all(&self.ledger, &letter.entries).await;
        Ok(Said { delivered: Delivered::Failed(result.answer, result.next), detail })
    }

    /// Ends a sweep before its next message, since the process is about to end.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

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
        let began = Instant::now();
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
            let deadline = timing.deadline.min(Instant::now() + SWEEP_MESSAGE_TIME);
            let about = expected.message.to_string();
            match self.sweep_one(expected, Timing { now: timing.now + began.elapsed(), deadline }).await {
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

fn letter(decision: &Decision) -> Letter<'_> {
    let message = Message::Dispatch(decision.id.clone());
    Letter { message, dispatch: &decision.dispatch, entries: Vec::new() }
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

async fn note_during_lease(
    ledger: &Ledger,
    message: &Message,
    attempt: &Attempt,
    result: Option<&AttemptResult>,
) -> anyhow::Result<()> {
    let give_up_at = Instant::now() + NOTED_WITHIN;
    let mut pause = Duration::from_millis(50);
    loop {
        let until = Instant::now() + ONE_NOTE_TIME;
        let noted = match result {
            None => ledger.arrived(message, attempt, until).await,
            Some(result) => ledger.failed(message, attempt.number, result, until).await,
        };
        match noted {
            Err(_) if Instant::now() + pause < give_up_at => tokio::time::sleep(pause).await,
            noted => return noted,
        }
        pause = (pause * 2).min(ONE_NOTE_TIME);
    }
}

/// An entry that stays is found and settled by a later sweep.
async fn settle_all(ledger: &Ledger, entries: &[Entry]) {
    for entry in entries {
        if let Err(error) = ledger.settle(entry, Instant::now() + ONE_NOTE_TIME).await {
            log::warn!("an entry of the index stays for now: {}", describe(&error));
        }
    }
}

/// From 0 to 1; without random numbers in the middle.
fn jitter() -> f64 {
    let mut random = [0_u8; 1];
    match getrandom::fill(&mut random) {
        Ok(()) => f64::from(random[0]) / 255.0,
        Err(_) => 0.5,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: TimeDelta = TimeDelta::hours(24);

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + seconds, 0).expect("a time")
    }

    /// The step at `now`, for a decision made at 0 that is delivered for a day.
    fn step(progress: Progress, occasion: Occasion, now: i64) -> Step {
        plan(progress, occasion, at(0), (at(now), DAY))
    }

    fn tried(number: u32, began: i64, result: Option<AttemptResult>) -> Progress {
        let mut attempt = next_attempt(None, at(0), at(began));
        attempt.number = number;
        attempt.failures = number - 1;
        Progress::Tried(attempt, result)
    }

    fn failed(answer: DispatchAnswer, ended: i64) -> AttemptResult {
        let attempt = next_attempt(None, at(0), at(ended));
        let asked_to_wait_s = match answer {
            DispatchAnswer::RateLimited { wait_s } => wait_s,
            _ => None,
        };
        result_of(
            &attempt,
            Answered { answer, asked_to_wait_s, detail: String::new() },
            at(ended),
            (DAY, 0.5),
        )
    }

    fn sends(step: Step) -> bool {
        matches!(step, Step::Send(_))
    }

    #[test]
    fn a_fresh_decision_is_left_to_its_click() {
        assert!(sends(step(Progress::Untried, Occasion::Decided, 0)));
        assert_eq!(step(Progress::Untried, Occasion::Click, 9), Step::Rest(Delivered::OnItsWay));
        assert!(sends(step(Progress::Untried, Occasion::Click, 10)));
    }

    #[test]
    fn nobody_sends_during_a_lease_and_anybody_after_it() {
        for occasion in [Occasion::Click, Occasion::Sweep] {
            assert_eq!(step(tried(1, 0, None), occasion, 29), Step::Rest(Delivered::OnItsWay));
            let Step::Send(attempt) = step(tried(1, 0, None), occasion, 30) else { panic!("not sent") };
            assert_eq!((attempt.number, attempt.failures, attempt.lease_until), (2, 1, at(60)));
        }
    }

    #[test]
    fn a_click_passes_over_our_back_off_and_never_over_githubs_wait() {
        let down = || tried(1, 0, Some(failed(DispatchAnswer::ServerError(503), 1)));
        assert_eq!(step(down(), Occasion::Sweep, 20), Step::Rest(Delivered::OnItsWay));
        assert!(sends(step(down(), Occasion::Click, 20)));
        assert!(sends(step(down(), Occasion::Sweep, 40)));
        let limited = || tried(1, 0, Some(failed(DispatchAnswer::RateLimited { wait_s: Some(600) }, 1)));
        assert_eq!(step(limited(), Occasion::Click, 600), Step::Rest(Delivered::OnItsWay));
        assert!(sends(step(limited(), Occasion::Click, 601)));
    }

    #[test]
    fn what_needs_mending_is_tried_every_hour_and_an_unprocessable_event_never_again() {
        for answer in [
            DispatchAnswer::Unauthorized,
            DispatchAnswer::PermissionDenied { wanted: None },
            DispatchAnswer::NotFound,
            DispatchAnswer::Moved,
        ] {
            assert_eq!(failed(answer, 0).next, Next::NotBefore(at(3600)));
        }
        assert_eq!(failed(DispatchAnswer::Unprocessable, 0).next, Next::Dead);
    }

    #[test]
    fn the_wait_doubles_from_half_a_minute_to_an_hour() {
        let seconds = |failures, jitter| wait(&DispatchAnswer::TimedOut, failures, jitter).num_seconds();
        assert_eq!((seconds(0, 0.0), seconds(0, 0.5), seconds(0, 1.0)), (24, 30, 36));
        assert_eq!((seconds(1, 0.5), seconds(6, 0.5), seconds(7, 0.5)), (60, 1920, 3600));
        assert_eq!((seconds(u32::MAX, 0.0), seconds(u32::MAX, 1.0)), (2880, 4320));
        let limited = |wait_s| wait(&DispatchAnswer::RateLimited { wait_s }, 0, 0.0).num_seconds();
        assert_eq!((limited(None), limited(Some(0)), limited(Some(7))), (60, 1, 7));
        for far in [u64::MAX, i64::MAX as u64, i64::MAX as u64 / 1_000 + 1, 32 * 86_400] {
            assert_eq!(limited(Some(far)), TimeDelta::days(31).num_seconds());
        }
    }

    #[test]
    fn after_its_time_a_message_is_given_up_and_only_a_click_revives_it() {
        let over = 24 * 3600;
        for progress in [Progress::Untried, tried(3, 0, None)] {
            assert!(matches!(step(progress, Occasion::Sweep, over), Step::GiveUp(_)));
        }
        let dead = || {
            tried(9, 0, Some(AttemptResult { next: Next::Dead, ..failed(DispatchAnswer::NotTried, over) }))
        };
        assert_eq!(step(dead(), Occasion::Sweep, over + 1), Step::Rest(Delivered::Dead));
        let Step::Send(attempt) = step(dead(), Occasion::Click, over + 1) else { panic!("not revived") };
        assert_eq!((attempt.number, attempt.failures, attempt.window_from), (10, 0, at(over + 1)));
        assert_eq!(step(dead(), Occasion::Click, 7 * over), Step::Rest(Delivered::TooLate));
    }

    #[test]
    fn an_attempt_that_would_come_too_late_is_not_planned() {
        let last = failed(DispatchAnswer::ServerError(503), 24 * 3600 - 10);
        assert_eq!(last.next, Next::Dead);
    }

    #[test]
    fn what_has_arrived_is_never_sent_again() {
        for occasion in [Occasion::Click, Occasion::Sweep] {
            assert_eq!(step(Progress::Done, occasion, 1_000_000), Step::Rest(Delivered::Before));
        }
    }
}
