//! From a recorded decision to GitHub: attempts under a lease, back-off, dead letters.
//!
//! A message goes out at least once, and never from two places at once: whoever wants to send it first claims the
//! next attempt in the ledger, and the claim holds for half a minute, several times as long as an attempt can take. An
//! attempt that ends is either *done*, or has a result that says when the next may come; one that never ends was cut
//! off, and its lease runs out. So any instance can go on where another stopped. What to do next follows from the
//! records and the time alone (`plan`); the rest carries it out.

mod plan;
mod sweep;

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use tokio::time::{Instant, timeout_at};

use self::plan::{Occasion, Step, plan, result_of};
use crate::{
    approval::{Decision, Dispatch, DispatchAnswer},
    github::{Answered, GitHub},
    host::Timing,
    ledger::{Attempt, AttemptResult, Entry, Ledger, Message, Next, Progress},
    printable::describe,
};

/// The longest that one call to GitHub takes.
const DISPATCH_TIME: Duration = Duration::from_secs(4);

/// What is kept of a click's time for noting what GitHub said.
const NOTING_TIME: Duration = Duration::from_millis(500);

/// With less time than this left for GitHub an attempt is not begun.
const LEAST_DISPATCH_TIME: Duration = Duration::from_millis(500);

/// How long it is tried to note how an attempt ended: for as long as its lease surely holds.
const NOTED_WITHIN: Duration = Duration::from_secs(20);

/// One try of that.
const ONE_NOTE_TIME: Duration = Duration::from_secs(2);

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
            _ => Some(result_of(&attempt, answered, timing.current(), (self.deliver_for, jitter()))),
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
            ended_at: timing.current(),
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
}

fn letter(decision: &Decision) -> Letter<'_> {
    let message = Message::Dispatch(decision.id.clone());
    Letter { message, dispatch: &decision.dispatch, entries: Vec::new() }
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
