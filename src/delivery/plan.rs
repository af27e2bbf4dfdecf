//! What to do next about a message: what follows from its records, the occasion and the time, and nothing else.

use chrono::{DateTime, TimeDelta, Utc};

use super::Delivered;
use crate::{
    approval::{Answered, DispatchAnswer},
    ledger::{Attempt, AttemptResult, Next, Progress},
};

/// How long a claimed attempt keeps others from sending.
pub const LEASE: TimeDelta = TimeDelta::seconds(30);

/// A decision younger than this is left to the click that made it.
pub const FRESH: TimeDelta = TimeDelta::seconds(10);

/// A click revives a dead letter until the decision is this old.
const REVIVABLE: TimeDelta = TimeDelta::days(7);

/// Between attempts when GitHub wants something mended, such as a new token.
const MENDING: TimeDelta = TimeDelta::hours(1);

/// The first wait between attempts when GitHub is down; it doubles up to [`MENDING`].
const FIRST_WAIT: TimeDelta = TimeDelta::seconds(30);

/// At least this long is waited where GitHub limits the rate and does not say for how long.
const RATE_LIMIT_WAIT: TimeDelta = TimeDelta::seconds(60);

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

/// What to do about a message.
#[derive(Debug, PartialEq)]
pub enum Step {
    /// Claim this attempt and send.
    Send(Attempt),
    /// Claim this attempt and give up in it: the time for delivering is over.
    GiveUp(Attempt),
    /// Nothing is sent now.
    Rest(Delivered),
}

/// What follows from the records and the time.
pub fn plan(
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

/// What follows for what is to show `state`, and may be made to show another later.
///
/// That it shows another by now, or that it could not be made to, says nothing about this one.
pub fn plan_update(
    progress: Progress,
    state: &str,
    (occasion, since): (Occasion, DateTime<Utc>),
    (now, deliver_for): (DateTime<Utc>, TimeDelta),
) -> Step {
    if let Progress::Tried(attempt, Some(result)) = &progress {
        let is_shown = result.answer == DispatchAnswer::Accepted;
        if result.shown.as_deref() == Some(state) && is_shown {
            return Step::Rest(Delivered::Before);
        }
        if result.shown.as_deref() != Some(state) && (is_shown || result.next == Next::Dead) {
            let next = next_attempt(Some(attempt), since, now);
            return Step::Send(Attempt { window_from: since, failures: 0, ..next });
        }
    }
    plan(progress, occasion, since, (now, deliver_for))
}

/// Whether the attempt is the first after the message was dead.
pub fn is_revived(attempt: &Attempt) -> bool {
    attempt.number > 1 && attempt.window_from == attempt.began_at
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
pub fn result_of(
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
    AttemptResult { ended_at, answer, detail, asked_to_wait_until: asked_to_wait, next, shown: None }
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
    fn what_shows_another_state_is_made_to_show_this_one_and_no_more_than_that() {
        let showing = |shown: &str, answer| {
            let result = AttemptResult { shown: Some(shown.to_owned()), ..failed(answer, 1) };
            tried(1, 0, Some(result))
        };
        let step = |progress, now| plan_update(progress, "two", (Occasion::Sweep, at(0)), (at(now), DAY));
        assert_eq!(step(showing("two", DispatchAnswer::Accepted), 5), Step::Rest(Delivered::Before));
        assert!(sends(step(showing("one", DispatchAnswer::Accepted), 5)));
        assert!(
            sends(step(showing("one", DispatchAnswer::Unprocessable), 5)),
            "that one was given up, not this"
        );
        assert_eq!(step(showing("two", DispatchAnswer::Unprocessable), 5), Step::Rest(Delivered::Dead));
        let down = DispatchAnswer::ServerError(502);
        assert_eq!(step(showing("two", down.clone()), 5), Step::Rest(Delivered::OnItsWay));
        assert_eq!(step(showing("one", down.clone()), 5), Step::Rest(Delivered::OnItsWay));
        assert!(sends(step(showing("one", down), 60)));
        assert_eq!(step(tried(1, 0, None), 29), Step::Rest(Delivered::OnItsWay), "one at a time");
    }

    #[test]
    fn what_has_arrived_is_never_sent_again() {
        for occasion in [Occasion::Click, Occasion::Sweep] {
            assert_eq!(step(Progress::Done, occasion, 1_000_000), Step::Rest(Delivered::Before));
        }
    }
}
