//! The next step for a message: it follows from the records, the occasion and the time, and nothing else.

use chrono::{DateTime, TimeDelta, Utc};

use super::Delivered;
use crate::approval::{Attempt, AttemptResult, Next, Progress, SendAnswer, SendResult};

/// The time for which a claimed attempt keeps others from sending.
pub const LEASE: TimeDelta = TimeDelta::seconds(30);

/// The most by which the clocks of two instances may differ. A time further ahead was written by a wrong clock,
/// and nobody waits for it.
const CLOCK_SKEW: TimeDelta = TimeDelta::seconds(30);

/// A decision younger than this is left to the click that made it.
pub const FRESH: TimeDelta = TimeDelta::seconds(10);

/// A click revives a dead letter until the decision is this old.
// T26
const REVIVABLE: TimeDelta = TimeDelta::days(7);

/// The wait between attempts when GitHub wants something fixed, such as a new token. Also the longest wait beyond the
/// time for delivering if the receiver asked for it.
const FIXING: TimeDelta = TimeDelta::hours(1);

/// The first wait between attempts when GitHub is down; it doubles up to [`FIXING`].
const FIRST_WAIT: TimeDelta = TimeDelta::seconds(30);

/// The least wait if GitHub limits the rate and does not say for how long.
const RATE_LIMIT_WAIT: TimeDelta = TimeDelta::seconds(60);

/// The attempts without a result, one after the other, after which the time for delivering ends all the same. Such an
/// attempt was cut off.
const MAX_CUT_OFF: u32 = 5;

/// The reason for sending a message now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occasion {
    /// The decision or the request that wants the message was made just now, by us.
    New,
    /// A person or a job came again.
    Again,
    /// The message is in the index.
    Sweep,
}

/// The step to take for a message.
#[derive(Debug, PartialEq)]
pub enum Step {
    /// Claim this attempt and send.
    Send(Attempt),
    /// Claim this attempt and give up in it: the time for delivering is over.
    GiveUp(Attempt),
    /// Send nothing now.
    Rest(Delivered),
}

/// The step that follows from the records and the time.
pub fn plan(
    progress: Progress,
    occasion: Occasion,
    since: DateTime<Utc>,
    (now, deliver_for): (DateTime<Utc>, TimeDelta),
) -> Step {
    let (last, result) = match progress {
        Progress::Done(_) => return Step::Rest(Delivered::Before),
        Progress::Untried if occasion == Occasion::Again && is_fresh(since, now) => {
            return Step::Rest(Delivered::OnItsWay);
        }
        Progress::Untried => (None, None),
        // Nobody plans without having read the records.
        Progress::Begun => return Step::Rest(Delivered::OnItsWay),
        Progress::Tried(attempt, None) if holds(&attempt, now) => {
            return Step::Rest(Delivered::OnItsWay);
        }
        Progress::Tried(attempt, result) => (Some(attempt), result),
    };
    let next = next_attempt(last.as_ref(), since, now);
    let is_dead = result.as_ref().is_some_and(|result| result.next == Next::Dead);
    let is_over = is_dead || now - next.window_from >= deliver_for;
    let wait = result.as_ref().and_then(|result| asked_to_wait_until(result, now));
    match occasion {
        Occasion::Sweep if is_dead => Step::Rest(Delivered::Dead(wait)),
        Occasion::Sweep => match result {
            Some(result) if must_wait(&result, now) => Step::Rest(Delivered::OnItsWay),
            None if is_over && next.failures >= MAX_CUT_OFF => Step::GiveUp(next),
            // A planned attempt is made, even if its time has passed since.
            _ => Step::Send(next),
        },
        _ if is_over && last.is_some() && now - since >= REVIVABLE => Step::Rest(Delivered::TooLate),
        _ if is_over && wait.is_some() => Step::Rest(Delivered::Dead(wait)),
        _ if wait.is_some() => Step::Rest(Delivered::OnItsWay),
        Occasion::Again if is_over => Step::Send(Attempt { window_from: now, failures: 0, ..next }),
        Occasion::Again | Occasion::New => Step::Send(next),
    }
}

/// True if the click that made the decision may still be about to send.
fn is_fresh(since: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    (-CLOCK_SKEW..FRESH).contains(&(now - since))
}

/// True if somebody else may be sending.
fn holds(attempt: &Attempt, now: DateTime<Utc>) -> bool {
    now < attempt.lease_until && attempt.lease_until <= now + LEASE + CLOCK_SKEW
}

/// True if the result's times can be believed.
fn has_right_clock(result: &AttemptResult, now: DateTime<Utc>) -> bool {
    result.ended_at <= now + CLOCK_SKEW
}

/// The time before which the receiver wants no attempt, not even for a click, if there is one.
fn asked_to_wait_until(result: &AttemptResult, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    result.asked_to_wait_until.filter(|until| now < *until && has_right_clock(result, now))
}

/// True if the time for the next attempt has not come.
fn must_wait(result: &AttemptResult, now: DateTime<Utc>) -> bool {
    matches!(result.next, Next::NotBefore(time) if now < time) && has_right_clock(result, now)
}

/// The step for a message that is to show `state`, and may later have to show another.
///
/// If it shows another by now, or could not be made to, that says nothing about this one.
pub fn plan_update(
    progress: Progress,
    state: &str,
    (occasion, since): (Occasion, DateTime<Utc>),
    (now, deliver_for): (DateTime<Utc>, TimeDelta),
) -> Step {
    if let Progress::Tried(attempt, Some(result)) = &progress {
        let is_shown = result.what == SendAnswer::Accepted;
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

/// True if the attempt is the first after the message was dead.
pub fn is_revived(attempt: &Attempt) -> bool {
    attempt.number > 1 && attempt.window_from == attempt.began_at
}

/// The attempt that is claimed with a decision at `now`.
pub fn first_attempt(now: DateTime<Utc>) -> Attempt {
    next_attempt(None, now, now)
}

fn next_attempt(last: Option<&Attempt>, since: DateTime<Utc>, now: DateTime<Utc>) -> Attempt {
    Attempt {
        number: last.map_or(1, |last| last.number + 1),
        began_at: now,
        lease_until: now + LEASE,
        window_from: last.map_or(since, |last| last.window_from),
        failures: last.map_or(0, |last| last.failures + 1),
    }
}

/// The wait after `failures` failures before this one; `jitter`, from 0 to 1, spreads instances apart.
fn wait(answer: &SendAnswer, failures: u32, jitter: f64) -> TimeDelta {
    let doubled = FIRST_WAIT * 2_i32.pow(failures.min(10));
    let spread = |wait: TimeDelta| wait.min(FIXING) * (80 + (40.0 * jitter) as i32) / 100;
    match answer {
        SendAnswer::RateLimited { wait_s: Some(seconds) } => seconds_of(*seconds).max(TimeDelta::seconds(1)),
        SendAnswer::RateLimited { wait_s: None } => spread(doubled.max(RATE_LIMIT_WAIT * 5 / 4)),
        SendAnswer::NotTried => TimeDelta::zero(),
        answer if answer.is_refusal() => FIXING,
        _ => spread(doubled),
    }
}

/// The time, but at most a year, so that it can be added to a time of day.
fn seconds_of(seconds: u64) -> TimeDelta {
    let most = TimeDelta::days(365);
    i64::try_from(seconds).ok().and_then(TimeDelta::try_seconds).map_or(most, |wait| wait.min(most))
}

/// The result of an attempt that failed with `answer` at `ended_at`.
///
/// A wait that the receiver asked for is kept, up to the end of the time for delivering, when the last attempt is made:
/// a server that asks for years, or for milliseconds in seconds, does not hold the message for ever.
pub fn result_of(
    attempt: &Attempt,
    SendResult { what: answer, wait_s, detail }: SendResult,
    ended_at: DateTime<Utc>,
    (deliver_for, jitter): (TimeDelta, f64),
) -> AttemptResult {
    let window_end = attempt.window_from + deliver_for;
    let longest = (window_end - ended_at).max(FIXING);
    let capped_s = |seconds: u64| seconds.min(u64::try_from(longest.num_seconds()).unwrap_or(0));
    let answer = match answer {
        SendAnswer::RateLimited { wait_s } => SendAnswer::RateLimited { wait_s: wait_s.map(capped_s) },
        answer => answer,
    };
    let asked_to_wait = wait_s.map(|seconds| ended_at + seconds_of(capped_s(seconds)));
    let not_before =
        (ended_at + wait(&answer, attempt.failures, jitter)).max(asked_to_wait.unwrap_or(ended_at));
    let next = match answer {
        SendAnswer::Unprocessable => Next::Dead,
        _ if not_before > window_end => Next::Dead,
        _ => Next::NotBefore(not_before),
    };
    // After a refusal, the click that follows the fix sends at once, as its sentence says; only the clock has to wait.
    let asked_to_wait_until = asked_to_wait.filter(|_| !answer.is_refusal());
    AttemptResult { ended_at, what: answer, detail, asked_to_wait_until, next, shown: None }
}

/// The result of an attempt to show a state. A card that cannot be changed any more (gone, not ours, or too large) is
/// not tried again: another message shows that state.
pub fn showing(state: Option<String>, result: AttemptResult) -> AttemptResult {
    let is_fixed = matches!(
        result.what,
        SendAnswer::NotFound
            | SendAnswer::PermissionDenied { .. }
            | SendAnswer::Blocked(_)
            | SendAnswer::Unexpected(400 | 413)
    );
    let next = if state.is_some() && is_fixed { Next::Dead } else { result.next };
    AttemptResult { next, shown: state, ..result }
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

    fn failed(answer: SendAnswer, ended: i64) -> AttemptResult {
        let attempt = next_attempt(None, at(0), at(ended));
        let wait_s = match answer {
            SendAnswer::RateLimited { wait_s } => wait_s,
            _ => None,
        };
        result_of(&attempt, SendResult { what: answer, wait_s, detail: String::new() }, at(ended), (DAY, 0.5))
    }

    fn sends(step: Step) -> bool {
        matches!(step, Step::Send(_))
    }

    #[test]
    fn a_fresh_decision_is_left_to_its_click() {
        assert!(sends(step(Progress::Untried, Occasion::New, 0)));
        assert_eq!(step(Progress::Untried, Occasion::Again, 9), Step::Rest(Delivered::OnItsWay));
        assert!(sends(step(Progress::Untried, Occasion::Again, 10)));
    }

    #[test]
    fn nobody_sends_during_a_lease_and_anybody_after_it() {
        for occasion in [Occasion::Again, Occasion::Sweep] {
            assert_eq!(step(tried(1, 0, None), occasion, 29), Step::Rest(Delivered::OnItsWay));
            let Step::Send(attempt) = step(tried(1, 0, None), occasion, 30) else { panic!("not sent") };
            assert_eq!((attempt.number, attempt.failures, attempt.lease_until), (2, 1, at(60)));
        }
    }

    #[test]
    fn a_click_passes_over_our_back_off_and_never_over_githubs_wait() {
        let down = || tried(1, 0, Some(failed(SendAnswer::ServerError(503), 1)));
        assert_eq!(step(down(), Occasion::Sweep, 20), Step::Rest(Delivered::OnItsWay));
        assert!(sends(step(down(), Occasion::Again, 20)));
        assert!(sends(step(down(), Occasion::Sweep, 40)));
        let limited = || tried(1, 0, Some(failed(SendAnswer::RateLimited { wait_s: Some(600) }, 1)));
        assert_eq!(step(limited(), Occasion::Again, 600), Step::Rest(Delivered::OnItsWay));
        assert!(sends(step(limited(), Occasion::Again, 601)));
    }

    #[test]
    fn what_was_mended_is_sent_by_the_click_that_its_sentence_asks_for() {
        let refused =
            SendResult { what: SendAnswer::Unauthorized, wait_s: Some(7200), detail: String::new() };
        let result = result_of(&next_attempt(None, at(0), at(0)), refused, at(0), (DAY, 0.5));
        assert_eq!(result.next, Next::NotBefore(at(7200)));
        assert!(sends(step(tried(1, 0, Some(result)), Occasion::Again, 60)));
    }

    #[test]
    fn what_needs_fixing_is_tried_every_hour_and_an_unprocessable_event_never_again() {
        for answer in [
            SendAnswer::Unauthorized,
            SendAnswer::PermissionDenied { wanted: None },
            SendAnswer::NotFound,
            SendAnswer::Moved,
        ] {
            assert_eq!(failed(answer, 0).next, Next::NotBefore(at(3600)));
        }
        assert_eq!(failed(SendAnswer::Unprocessable, 0).next, Next::Dead);
    }

    #[test]
    fn the_wait_doubles_from_half_a_minute_to_an_hour() {
        let seconds = |failures, jitter| wait(&SendAnswer::TimedOut, failures, jitter).num_seconds();
        assert_eq!((seconds(0, 0.0), seconds(0, 0.5), seconds(0, 1.0)), (24, 30, 36));
        assert_eq!((seconds(1, 0.5), seconds(6, 0.5), seconds(7, 0.5)), (60, 1920, 3600));
        assert_eq!((seconds(u32::MAX, 0.0), seconds(u32::MAX, 1.0)), (2880, 4320));
        let limited = |wait_s| wait(&SendAnswer::RateLimited { wait_s }, 0, 0.0).num_seconds();
        assert_eq!((limited(None), limited(Some(0)), limited(Some(7))), (60, 1, 7));
        for far in [u64::MAX, i64::MAX as u64, i64::MAX as u64 / 1_000 + 1, 366 * 86_400] {
            assert_eq!(limited(Some(far)), TimeDelta::days(365).num_seconds());
        }
    }

    #[test]
    fn every_message_is_tried_at_least_once_however_late() {
        let late = 30 * 24 * 3600;
        for occasion in [Occasion::Sweep, Occasion::Again, Occasion::New] {
            assert!(sends(step(Progress::Untried, occasion, late)), "{occasion:?}");
        }
        assert!(
            sends(step(tried(1, 0, None), Occasion::Sweep, late)),
            "a claim without a result is no attempt"
        );
        let planned = tried(1, 0, Some(failed(SendAnswer::ServerError(503), 1)));
        assert!(sends(step(planned, Occasion::Sweep, late)), "what was planned while we were away");
    }

    #[test]
    fn without_any_time_for_delivering_there_is_one_attempt() {
        let plan = |progress| plan(progress, Occasion::Sweep, at(0), (at(3), TimeDelta::zero()));
        let Step::Send(attempt) = plan(Progress::Untried) else { panic!("not tried") };
        let answered = SendResult { detail: String::new(), ..SendResult::not_tried() };
        let answered = SendResult { what: SendAnswer::ServerError(503), ..answered };
        let result = result_of(&attempt, answered, at(4), (TimeDelta::zero(), 0.5));
        assert_eq!(result.next, Next::Dead);
        assert_eq!(plan(Progress::Tried(attempt, Some(result))), Step::Rest(Delivered::Dead(None)));
    }

    #[test]
    fn what_is_always_cut_off_is_given_up_in_the_end() {
        let over = 24 * 3600;
        assert!(matches!(step(tried(MAX_CUT_OFF, 0, None), Occasion::Sweep, over), Step::GiveUp(_)));
        assert!(sends(step(tried(MAX_CUT_OFF, 0, None), Occasion::Sweep, over - 1)));
    }

    #[test]
    fn only_a_click_revives_a_dead_letter() {
        let over = 24 * 3600;
        let dead =
            || tried(9, 0, Some(AttemptResult { next: Next::Dead, ..failed(SendAnswer::NotTried, over) }));
        assert_eq!(step(dead(), Occasion::Sweep, over + 1), Step::Rest(Delivered::Dead(None)));
        let Step::Send(attempt) = step(dead(), Occasion::Again, over + 1) else { panic!("not revived") };
        assert_eq!((attempt.number, attempt.failures, attempt.window_from), (10, 0, at(over + 1)));
        assert_eq!(step(dead(), Occasion::Again, 7 * over), Step::Rest(Delivered::TooLate));
    }

    #[test]
    fn an_honest_wait_is_kept_and_an_absurd_one_ends_with_the_time_for_delivering() {
        let limited = |wait_s, ended| failed(SendAnswer::RateLimited { wait_s: Some(wait_s) }, ended);
        assert_eq!(limited(3600, 0).next, Next::NotBefore(at(3600)));
        for absurd in [999_999_999, 3_600_000, u64::MAX] {
            let result = limited(absurd, 0);
            assert_eq!(result.next, Next::NotBefore(at(24 * 3600)));
            assert_eq!(result.what, SendAnswer::RateLimited { wait_s: Some(24 * 3600) });
            // The last attempt is made when the time is over, and no click has to wait for years after it.
            assert!(sends(step(tried(1, 0, Some(result)), Occasion::Sweep, 24 * 3600)));
        }
        let attempt = Attempt { began_at: at(24 * 3600), ..next_attempt(None, at(0), at(0)) };
        let answer = SendAnswer::RateLimited { wait_s: Some(u64::MAX) };
        let answered = SendResult { what: answer, wait_s: Some(u64::MAX), detail: String::new() };
        let last = result_of(&attempt, answered, at(24 * 3600), (DAY, 0.5));
        assert_eq!(last.next, Next::Dead);
        let until = at(25 * 3600);
        let dead = || Progress::Tried(attempt.clone(), Some(last.clone()));
        assert_eq!(step(dead(), Occasion::Again, 24 * 3600 + 1), Step::Rest(Delivered::Dead(Some(until))));
        assert!(sends(step(dead(), Occasion::Again, 25 * 3600)));
    }

    #[test]
    fn nobody_waits_for_a_clock_that_is_wrong() {
        let ahead = 12 * 3600;
        assert!(sends(step(tried(1, ahead, None), Occasion::Sweep, 0)), "a lease of tonight");
        assert_eq!(
            step(tried(1, 20, None), Occasion::Sweep, 0),
            Step::Rest(Delivered::OnItsWay),
            "some seconds"
        );
        let down = || tried(1, ahead, Some(failed(SendAnswer::ServerError(503), ahead)));
        let limited = || tried(1, ahead, Some(failed(SendAnswer::RateLimited { wait_s: Some(600) }, ahead)));
        for occasion in [Occasion::Sweep, Occasion::Again] {
            assert!(sends(step(down(), occasion, 60)) && sends(step(limited(), occasion, 60)));
        }
        assert!(sends(step(Progress::Untried, Occasion::Again, -ahead)), "a decision of tonight");
    }

    #[test]
    fn an_attempt_that_would_come_too_late_is_not_planned() {
        let last = failed(SendAnswer::ServerError(503), 24 * 3600 - 10);
        assert_eq!(last.next, Next::Dead);
    }

    #[test]
    fn what_shows_another_state_is_made_to_show_this_one_and_no_more_than_that() {
        let showing = |shown: &str, answer| {
            let result = AttemptResult { shown: Some(shown.to_owned()), ..failed(answer, 1) };
            tried(1, 0, Some(result))
        };
        let step = |progress, now| plan_update(progress, "two", (Occasion::Sweep, at(0)), (at(now), DAY));
        assert_eq!(step(showing("two", SendAnswer::Accepted), 5), Step::Rest(Delivered::Before));
        assert!(sends(step(showing("one", SendAnswer::Accepted), 5)));
        assert!(sends(step(showing("one", SendAnswer::Unprocessable), 5)), "that one was given up, not this");
        assert_eq!(step(showing("two", SendAnswer::Unprocessable), 5), Step::Rest(Delivered::Dead(None)));
        let down = SendAnswer::ServerError(502);
        assert_eq!(step(showing("two", down.clone()), 5), Step::Rest(Delivered::OnItsWay));
        assert_eq!(step(showing("one", down.clone()), 5), Step::Rest(Delivered::OnItsWay));
        assert!(sends(step(showing("one", down), 60)));
        assert_eq!(step(tried(1, 0, None), 29), Step::Rest(Delivered::OnItsWay), "one at a time");
    }

    #[test]
    fn what_cannot_be_changed_any_more_is_not_tried_again_and_a_new_message_is() {
        for answer in [
            SendAnswer::NotFound,
            SendAnswer::PermissionDenied { wanted: None },
            SendAnswer::Unexpected(400),
            SendAnswer::Unexpected(413),
        ] {
            let ended =
                |state: Option<&str>| showing(state.map(str::to_owned), failed(answer.clone(), 1)).next;
            assert_eq!(
                (ended(Some("two")), ended(None)),
                (Next::Dead, Next::NotBefore(at(3601))),
                "{answer:?}"
            );
        }
        for answer in [SendAnswer::Unauthorized, SendAnswer::ServerError(502), SendAnswer::Unexpected(408)] {
            assert_ne!(showing(Some("two".to_owned()), failed(answer, 1)).next, Next::Dead);
        }
    }

    #[test]
    fn what_has_arrived_is_never_sent_again() {
        for occasion in [Occasion::Again, Occasion::Sweep] {
            assert_eq!(step(Progress::Done(None), occasion, 1_000_000), Step::Rest(Delivered::Before));
        }
    }
}
