//! From a recorded decision to GitHub, and to the channel: attempts under a lease, back-off, dead letters.
//!
//! A message goes out at least once, and never from two places at once: whoever wants to send it first claims the
//! next attempt in the ledger, and the claim holds for half a minute, several times as long as an attempt can take. An
//! attempt that ends is either *done*, or has a result that says when the next may come; one that never ends was cut
//! off, and its lease runs out. So any instance can go on where another stopped. What to do next follows from the
//! records and the time alone (`plan`); the rest carries it out.

mod channel;
mod plan;
mod requested;
mod routes;
mod sweep;

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use tokio::{
    sync::oneshot,
    task::JoinHandle,
    time::{Instant, timeout_at},
};
use tokio_util::task::TaskTracker;

use self::plan::{Occasion, Step, first_attempt, is_revived, plan, plan_update, result_of, showing};
use self::{routes::Content, sweep::Looked};
pub use self::{
    routes::{Channel, Routes},
    sweep::{LeftOut, Swept},
};
use crate::{
    approval::{Answered, Decision, DispatchAnswer, Outcome, Policy, PostedMessage},
    cards::sentences::sentence,
    ledger::{Attempt, AttemptResult, Decided, Entry, Ledger, Message, Next, Progress, Subject},
    text::log::describe,
    timing::Timing,
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
pub struct Outbox {
    /// Where it is noted how far they have come.
    pub ledger: Arc<Ledger>,
    /// Where they go.
    pub routes: Routes,
    /// Everything but the call to GitHub.
    pub dry_run: bool,
    /// How long an undelivered message is tried again by itself (`DELIVER_FOR_HOURS`).
    deliver_for: TimeDelta,
    /// The operator's rules of now, which also hold for what was decided before.
    policy: Arc<Policy>,
    /// What goes on beside the answers: whoever ends the process waits for it first.
    pub tasks: TaskTracker,
    stopping: AtomicBool,
    /// One sweep at a time in one process.
    sweeping: tokio::sync::Mutex<()>,
    /// When the sweeps have looked at what, so that the next one begins with what was not looked at for longest.
    looked_at: Mutex<HashMap<Subject, Looked>>,
    /// When the store was last tidied.
    tidied_at: Mutex<Option<DateTime<Utc>>>,
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
    Failed(AttemptResult),
    /// It was given up, and is not sent now; until when nobody wants it sent, if somebody said so.
    Dead(Option<DateTime<Utc>>),
    /// It was given up too long ago to be revived.
    TooLate,
    /// There is no token to send it with, or no channel to send it to.
    NoRoute,
}

/// A message, since when it is to go out, and our entries in the index that are for it alone.
struct Letter<'a> {
    message: Message,
    content: Content<'a>,
    since: DateTime<Utc>,
    entries: Vec<Entry>,
    /// When its line of the list is, where it may have none yet: that must stand before its entries are taken out.
    listed_at: Option<DateTime<Utc>>,
    /// Why it may not be sent, by the settings of now.
    forbidden: Option<String>,
}

impl Outbox {
    /// An outbox for what stands in `ledger`, along `routes`, each message for `deliver_for`, as far as `policy` allows.
    pub fn new(
        ledger: Ledger,
        routes: Routes,
        policy: Arc<Policy>,
        (deliver_for, dry_run): (TimeDelta, bool),
    ) -> Self {
        Self {
            ledger: Arc::new(ledger),
            routes,
            policy,
            dry_run,
            deliver_for,
            tasks: TaskTracker::new(),
            stopping: AtomicBool::new(false),
            sweeping: tokio::sync::Mutex::default(),
            looked_at: Mutex::default(),
            tidied_at: Mutex::default(),
        }
    }

    /// Sends what was decided this very moment, by us, with `attempt` claimed by the decision and `entry` in the index.
    pub async fn deliver_now(
        &self,
        decision: &Decision,
        (attempt, entry): (Attempt, Entry),
        timing: Timing,
    ) -> Said {
        let letter = Letter { entries: vec![entry], ..self.letter(decision) };
        self.send_claimed(letter, attempt, timing).await
    }

    /// The claim of an attempt that begins with the decision. `entry` leads to it in the index.
    pub fn first_attempt(&self, entry: Option<&Entry>, timing: Timing) -> Attempt {
        first_attempt(timing.now, entry.map_or("", Entry::name))
    }

    /// Sends what was decided before and a person has clicked again, if it is to be sent now. An error means that
    /// it is not known how far it has come, and that nothing was sent.
    pub async fn deliver_again(&self, decided: &Decided, timing: Timing) -> anyhow::Result<Said> {
        let Decided { decision, claim } = decided;
        self.deliver_clicked(self.letter(decision), claim.as_ref(), timing).await
    }

    async fn deliver_clicked(
        &self,
        letter: Letter<'_>,
        claim: Option<&Attempt>,
        timing: Timing,
    ) -> anyhow::Result<Said> {
        let names = self.ledger.names(&letter.message.subject, timing.deadline).await?;
        let progress = self.ledger.progress(&letter.message, (&names, claim), timing.deadline).await?;
        self.deliver(letter, (progress, Occasion::Click), timing).await
    }

    async fn deliver(
        &self,
        mut letter: Letter<'_>,
        (progress, occasion): (Progress, Occasion),
        timing: Timing,
    ) -> anyhow::Result<Said> {
        let times = (timing.now, self.deliver_for);
        let step = match letter.content.state() {
            Some(state) => plan_update(progress, state, (occasion, letter.since), times),
            None => plan(progress, occasion, letter.since, times),
        };
        match step {
            Step::Rest(delivered) => Ok(Said::nothing(delivered)),
            Step::GiveUp(attempt) => {
                self.give_up(letter, attempt, "the time for delivering is over", timing).await
            }
            Step::Send(attempt) if letter.forbidden.is_some() => {
                let why = letter.forbidden.take().unwrap_or_default();
                self.give_up(letter, attempt, &why, timing).await
            }
            Step::Send(_) if !letter.content.has_route(&self.routes) => Ok(Said::nothing(Delivered::NoRoute)),
            Step::Send(mut attempt) => {
                self.expect(&mut letter, &mut attempt, timing.deadline).await?;
                self.send(letter, attempt, timing).await
            }
        }
    }

    /// Makes sure that the index leads to the message until it has arrived.
    async fn expect(
        &self,
        letter: &mut Letter<'_>,
        attempt: &mut Attempt,
        until: Instant,
    ) -> anyhow::Result<()> {
        let subject = &letter.message.subject;
        if matches!(subject, Subject::Requested(_)) {
            // An approval's entry is for all its messages, and stays until the last of them has come to rest.
            if is_revived(attempt) {
                self.ledger.expect(subject, until).await?;
            }
            return Ok(());
        }
        if attempt.entry.is_empty() {
            // The first attempt, or the first after it was dead, when its entry was taken out.
            let entry = match letter.entries.first() {
                Some(entry) => entry.clone(),
                None => self.ledger.expect(subject, until).await?,
            };
            attempt.entry = entry.name().to_owned();
        }
        let entry = self.ledger.entry(subject, attempt);
        letter.entries.extend(entry.filter(|entry| !letter.entries.contains(entry)));
        Ok(())
    }

    async fn send(&self, letter: Letter<'_>, attempt: Attempt, timing: Timing) -> anyhow::Result<Said> {
        let claimed = time_left(timing) >= LEAST_DISPATCH_TIME
            && self.ledger.claim(&letter.message, &attempt, timing.deadline).await?;
        if !claimed {
            // A dead letter that is not revived is not on its way.
            let delivered = if is_revived(&attempt) { Delivered::Dead(None) } else { Delivered::OnItsWay };
            return Ok(Said::nothing(delivered));
        }
        Ok(self.send_claimed(letter, attempt, timing).await)
    }

    /// Sends what nobody else may send while our claim holds.
    async fn send_claimed(&self, letter: Letter<'_>, attempt: Attempt, timing: Timing) -> Said {
        let line = self.list(&letter);
        let (mut answered, posted) = match time_left(timing) {
            left if left < LEAST_DISPATCH_TIME => (Answered::not_tried(), None),
            left => letter.content.send(&self.routes, left.min(DISPATCH_TIME), timing.now).await,
        };
        answered.detail = format!("attempt {}: {}", attempt.number, answered.detail);
        let (detail, shown) = (answered.detail.clone(), letter.content.state().map(str::to_owned));
        let arrived = answered.answer == DispatchAnswer::Accepted;
        // What can change is never done once and for all: it is noted what it shows now.
        let result = (!arrived || shown.is_some()).then(|| {
            let result = result_of(&attempt, answered, timing.current(), (self.deliver_for, jitter()));
            showing(shown, result)
        });
        let delivered = match &result {
            Some(result) if !arrived => Delivered::Failed(result.clone()),
            _ => Delivered::Arrived,
        };
        let ended = Ended { result, posted, ended_at: timing.current() };
        self.note((letter, line), attempt, ended, timing.deadline).await;
        Said { delivered, detail }
    }

    /// Notes how an attempt ended, and waits for that until the deadline. Where the store is slow it goes on
    /// afterwards, while the lease keeps everybody else from sending: what is not noted is sent twice. Nobody waits for
    /// the index.
    async fn note(
        &self,
        (letter, line): (Letter<'_>, Option<JoinHandle<anyhow::Result<()>>>),
        attempt: Attempt,
        ended: Ended,
        deadline: Instant,
    ) {
        let (ledger, Letter { message, entries, .. }) = (Arc::clone(&self.ledger), letter);
        let (noted, is_noted) = oneshot::channel();
        self.tasks.spawn(async move {
            if let Err(error) = note_during_lease(&ledger, &message, &attempt, &ended).await {
                log::warn!("{message}: {}", describe(&error));
                return;
            }
            let _ = noted.send(());
            let is_listed = match line {
                Some(line) => matches!(line.await, Ok(Ok(()))),
                None => true,
            };
            let is_over = !matches!(&ended.result, Some(AttemptResult { next: Next::NotBefore(_), .. }));
            if is_over && is_listed {
                settle_all(&ledger, &entries).await;
            }
        });
        // It goes on whether or not it has ended by then.
        let _ = timeout_at(deadline, is_noted).await;
    }

    async fn give_up(
        &self,
        letter: Letter<'_>,
        attempt: Attempt,
        why: &str,
        timing: Timing,
    ) -> anyhow::Result<Said> {
        if !self.ledger.claim(&letter.message, &attempt, timing.deadline).await? {
            return Ok(Said::nothing(Delivered::OnItsWay));
        }
        let detail = why.to_owned();
        let result = AttemptResult {
            ended_at: timing.current(),
            answer: DispatchAnswer::NotTried,
            detail: detail.clone(),
            asked_to_wait_until: None,
            next: Next::Dead,
            shown: letter.content.state().map(str::to_owned),
        };
        self.ledger.failed(&letter.message, attempt.number, &result, timing.deadline).await?;
        settle_all(&self.ledger, &letter.entries).await;
        Ok(Said { delivered: Delivered::Failed(result), detail })
    }

    fn letter<'a>(&self, decision: &'a Decision) -> Letter<'a> {
        let allowed = self.policy.allow_name(&decision.dispatch.repository);
        Letter {
            message: Message::dispatch(Subject::Relayed(decision.id.clone())),
            content: Content::Dispatch(&decision.dispatch),
            since: decision.decided_at,
            entries: Vec::new(),
            listed_at: Some(decision.decided_at),
            forbidden: forbidden(allowed),
        }
    }

    /// Puts a message's line into the list, if it may have none yet, beside whatever else is done.
    fn list(&self, letter: &Letter<'_>) -> Option<JoinHandle<anyhow::Result<()>>> {
        let (ledger, subject, at) =
            (Arc::clone(&self.ledger), letter.message.subject.clone(), letter.listed_at?);
        Some(self.tasks.spawn(async move {
            let listed = ledger.list_as(&subject, at, Instant::now() + NOTED_WITHIN).await;
            listed.inspect_err(|error| log::warn!("{subject}: {}", describe(error)))
        }))
    }

    /// Ends a sweep before its next message, since the process is about to end.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }
}

/// How an attempt ended.
struct Ended {
    /// Nothing where the message has arrived for good.
    result: Option<AttemptResult>,
    /// Where a card now stands that can be changed.
    posted: Option<PostedMessage>,
    /// When.
    ended_at: DateTime<Utc>,
}

impl Ended {
    async fn note(
        &self,
        ledger: &Ledger,
        message: &Message,
        attempt: &Attempt,
        until: Instant,
    ) -> anyhow::Result<()> {
        // Where it stands comes first: a card that is known to have arrived and not where is never changed.
        if let (Subject::Requested(id), Some(posted)) = (&message.subject, &self.posted) {
            ledger.posted_at(id, posted, until).await?;
        }
        match &self.result {
            None => ledger.arrived(message, (attempt, self.ended_at), until).await,
            Some(result) => ledger.failed(message, attempt.number, result, until).await,
        }
    }
}

/// What is left for sending, when time is kept for noting what came of it.
fn time_left(timing: Timing) -> Duration {
    timing.deadline.saturating_duration_since(Instant::now() + NOTING_TIME)
}

/// Why something is not allowed, in words.
fn forbidden(allowed: Result<(), Outcome>) -> Option<String> {
    allowed.err().map(|outcome| sentence(&outcome))
}

async fn note_during_lease(
    ledger: &Ledger,
    message: &Message,
    attempt: &Attempt,
    ended: &Ended,
) -> anyhow::Result<()> {
    let give_up_at = Instant::now() + NOTED_WITHIN;
    let mut pause = Duration::from_millis(50);
    loop {
        let until = Instant::now() + ONE_NOTE_TIME;
        match ended.note(ledger, message, attempt, until).await {
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
