//! From a recorded decision to GitHub: attempts under a lease, back-off, dead letters.
//!
//! A message goes out at least once, and never from two places at once: whoever wants to send it first claims the
//! next attempt in the ledger, and the claim holds for [`LEASE`], several times as long as an attempt can take. An
//! attempt that ends is either *done*, or has a result that says when the next may come; one that never ends was cut
//! off, and its lease runs out. So any instance can go on where another stopped. What to do next follows from the
//! records and the time alone ([`plan`]); the rest carries it out.

use std::time::Duration;

use anyhow::Context;
use chrono::{DateTime, TimeDelta, Utc};
use tokio::time::Instant;

use crate::{
    approval::{Decision, Dispatch, DispatchAnswer},
    github::{Answered, GitHub},
    host::Timing,
    ledger::{Attempt, AttemptResult, Ledger, Message, Next, Progress},
    printable::printable,
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

/// What one message may take in a sweep.
const SWEEP_MESSAGE_TIME: Duration = Duration::from_secs(10);

/// Sends messages, and keeps at it.
pub struct Delivery {
    /// Where it is noted how far they have come.
    pub ledger: Ledger,
    /// Where they go, if there is a token.
    pub github: Option<GitHub>,
    /// How long an undelivered message is tried again by itself (`DELIVER_FOR_HOURS`).
    pub deliver_for: TimeDelta,
}

/// Why a message is being sent now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occasion {
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
        Occasion::Click if is_over => Step::Send(Attempt { window_from: now, failures: 0, ..next }),
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
    }
}

/// How long to wait after `failures` failures before this one; `jitter`, from 0 to 1, spreads instances apart.
fn wait(answer: &DispatchAnswer, failures: u32, jitter: f64) -> TimeDelta {
    let doubled = FIRST_WAIT * 2_i32.pow(failures.min(10));
    let spread = |wait: TimeDelta| wait.min(MENDING) * (80 + (40.0 * jitter) as i32) / 100;
    match answer {
        DispatchAnswer::RateLimited { wait_s } => match wait_s {
            Some(seconds) => seconds_of(*seconds).max(TimeDelta::seconds(1)),
            None => spread(doubled.max(RATE_LIMIT_WAIT * 5 / 4)),
        },
        answer if answer.is_refusal() => MENDING,
        _ => spread(doubled),
    }
}

/// At most a month: what a broken clock or a hostile header asks for is not waited for longer.
fn seconds_of(seconds: u64) -> TimeDelta {
    TimeDelta::days(31).min(TimeDelta::seconds(i64::try_from(seconds).unwrap_or(i64::MAX / 1_000)))
}

/// The result of an attempt that failed with `answer` at `ended_at`.
fn result_of(
    attempt: &Attempt,
    Answered { answer, detail }: Answered,
    ended_at: DateTime<Utc>,
    (deliver_for, jitter): (TimeDelta, f64),
) -> AttemptResult {
    let not_before = ended_at + wait(&answer, attempt.failures, jitter);
    let asked_to_wait_until = match &answer {
        DispatchAnswer::RateLimited { wait_s: Some(_) } => Some(not_before),
        _ => None,
    };
    let is_over = not_before - attempt.window_from >= deliver_for;
    let next = match answer {
        DispatchAnswer::Unprocessable => Next::Dead,
        _ if is_over => Next::Dead,
        _ => Next::NotBefore(not_before),
    };
    AttemptResult { ended_at, answer, detail, asked_to_wait_until, next }
}

impl Delivery {
    /// Sends the dispatch of `decision`, if it is to be sent now, and says what became of it. An error means that
    /// the ledger did not say how far it had come, and nothing was sent.
    pub async fn deliver(
        &self,
        decision: &Decision,
        occasion: Occasion,
        timing: Timing,
    ) -> anyhow::Result<(Delivered, String)> {
        let message = Message::Dispatch(decision.id.clone());
        let progress = match occasion {
            Occasion::Decided => Progress::Untried,
            Occasion::Click | Occasion::Sweep => self.ledger.progress(&message, timing.deadline).await?,
        };
        match plan(progress, occasion, decision.decided_at, (timing.now, self.deliver_for)) {
            Step::Rest(delivered) => Ok((delivered, String::new())),
            Step::GiveUp(attempt) => self.give_up(&message, attempt, timing).await,
            Step::Send(attempt) => {
                let Some(github) = &self.github else { return Ok((Delivered::NoToken, String::new())) };
                if occasion == Occasion::Click {
                    // The entry of a dead letter is gone.
                    self.ledger.expect(&message, timing.deadline).await?;
                }
                self.send(github, (&message, &decision.dispatch), attempt, timing).await
            }
        }
    }

    async fn send(
        &self,
        github: &GitHub,
        (message, dispatch): (&Message, &Dispatch),
        attempt: Attempt,
        timing: Timing,
    ) -> anyhow::Result<(Delivered, String)> {
        let began = Instant::now();
        let time_left = || timing.deadline.saturating_duration_since(Instant::now() + NOTING_TIME);
        if time_left() < LEAST_DISPATCH_TIME || !self.ledger.claim(message, &attempt, timing.deadline).await?
        {
            return Ok((Delivered::OnItsWay, String::new()));
        }
        let mut answered = github.dispatch(dispatch, time_left().min(DISPATCH_TIME), timing.now).await;
        answered.detail = format!("attempt {}: {}", attempt.number, answered.detail);
        let detail = answered.detail.clone();
        if answered.answer == DispatchAnswer::Accepted {
            // It has arrived whether or not we manage to note it; if we don't, it will arrive once more.
            noted(message, self.ledger.arrived(message, &attempt, timing.deadline).await);
            return Ok((Delivered::Arrived, detail));
        }
        let ended_at = timing.now + began.elapsed();
        let result = result_of(&attempt, answered, ended_at, (self.deliver_for, jitter()));
        noted(message, self.ledger.failed(message, attempt.number, &result, timing.deadline).await);
        if result.next == Next::Dead {
            noted(message, self.ledger.settle(message, timing.deadline).await);
        }
        Ok((Delivered::Failed(result.answer, result.next), detail))
    }

    async fn give_up(
        &self,
        message: &Message,
        attempt: Attempt,
        timing: Timing,
    ) -> anyhow::Result<(Delivered, String)> {
        if !self.ledger.claim(message, &attempt, timing.deadline).await? {
            return Ok((Delivered::OnItsWay, String::new()));
        }
        let detail = "the time for delivering is over".to_owned();
        let result = AttemptResult {
            ended_at: timing.now,
            answer: DispatchAnswer::NotTried,
            detail: detail.clone(),
            asked_to_wait_until: None,
            next: Next::Dead,
        };
        self.ledger.failed(message, attempt.number, &result, timing.deadline).await?;
        self.ledger.settle(message, timing.deadline).await?;
        Ok((Delivered::Failed(result.answer, result.next), detail))
    }

    /// Goes through the index once, oldest first, and sends what is due. Bounded in time (until the deadline) and in
    /// number; safe beside clicks and other sweeps. Returns a line for each message that it did something about.
    pub async fn sweep(&self, timing: Timing) -> Vec<String> {
        let began = Instant::now();
        let mut lines = Vec::new();
        let expected = match self.ledger.expected(timing.deadline).await {
            Ok(expected) => expected,
            Err(error) => return vec![printable(&format!("cannot sweep: {error:#}"), 500)],
        };
        let mut sent = 0;
        for (message, since) in expected {
            let now = timing.now + began.elapsed();
            if Instant::now() >= timing.deadline || sent == MAX_SENT_PER_SWEEP {
                lines.push("the rest waits for the next sweep".to_owned());
                break;
            }
            if now - since < FRESH {
                continue;
            }
            let until = timing.deadline.min(Instant::now() + SWEEP_MESSAGE_TIME);
            let timing = Timing { now, deadline: until };
            match self.sweep_one(&message, since, timing).await {
                Ok(None) => {}
                Ok(Some((delivered, line))) => {
                    sent += 1;
                    lines.push(line);
                    if matches!(delivered, Delivered::Failed(DispatchAnswer::RateLimited { .. }, _)) {
                        // All messages share one token, and so its limit.
                        break;
                    }
                }
                Err(error) => lines.push(format!("{message}: {}", printable(&format!("{error:#}"), 500))),
            }
        }
        lines
    }

    /// One message of a sweep; `None` where nothing was to be done.
    async fn sweep_one(
        &self,
        message: &Message,
        since: DateTime<Utc>,
        timing: Timing,
    ) -> anyhow::Result<Option<(Delivered, String)>> {
        let Message::Dispatch(id) = message;
        let Some(decision) = self.ledger.decision(id, timing.deadline).await? else {
            if timing.now - since > UNDECIDED {
                self.ledger.settle(message, timing.deadline).await?;
            }
            return Ok(None);
        };
        let (delivered, detail) = self.deliver(&decision, Occasion::Sweep, timing).await?;
        let repository = &decision.dispatch.repository;
        let line = match &delivered {
            Delivered::OnItsWay => return Ok(None),
            Delivered::Before | Delivered::Dead | Delivered::TooLate => {
                // Whoever ended it was cut off before the index said so.
                self.ledger.settle(message, timing.deadline).await.context("cannot clear the index")?;
                return Ok(None);
            }
            Delivered::NoToken => {
                format!("{message} to {repository} waits: the setting GITHUB_TOKEN is missing")
            }
            Delivered::Arrived => format!("{message} to {repository} arrived ({detail})"),
            Delivered::Failed(_, Next::NotBefore(time)) => {
                format!(
                    "{message} to {repository} failed ({detail}); next attempt not before {}",
                    time.to_rfc3339()
                )
            }
            Delivered::Failed(_, Next::Dead) => {
                format!(
                    "{message} to {repository} is given up ({detail}); a click within 7 days sends it again"
                )
            }
        };
        Ok(Some((delivered, line)))
    }
}

/// What could not be noted is found out again later; nothing is lost by it, and one message may be sent twice.
fn noted(message: &Message, noted: anyhow::Result<()>) {
    if let Err(error) = noted {
        log::warn!("{message}: {}", printable(&format!("{error:#}"), 500));
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
        result_of(&attempt, Answered { answer, detail: String::new() }, at(ended), (DAY, 0.5))
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
        assert_eq!(limited(Some(u64::MAX)), TimeDelta::days(31).num_seconds());
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
