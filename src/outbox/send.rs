//! Claim, send, note: the same for every message.

use std::{sync::Arc, time::Duration};

use anyhow::Context;
use chrono::{DateTime, Utc};
use futures_util::future::join_all;
use log::Level;
use tokio::{
    sync::oneshot,
    task::JoinHandle,
    time::{Instant, timeout_at},
};

use super::{
    Body, LeftOut, Outbox, Sender, Swept, Trace,
    plan::{Occasion, Step, is_revived, plan, plan_update, result_of, showing},
    wanted::{Effect, Wanted, event, wanted, wanted_by_relay},
};
use crate::{
    approval::{
        Attempt, AttemptResult, Dispatch, Kind, Message, MessageName, NamedRun, Next, Outcome, Progress,
        RelayStanding, Request, SendAnswer, SendResult, Standing, Subject,
    },
    cards::{content::Content, sentences::sentence},
    ledger::{Detail, Entry, Ledger, Line},
    senders::teams::Post,
    text::log::describe,
    timing::Timing,
};

/// The longest time for one call to GitHub or a channel.
const SENDING_TIME: Duration = Duration::from_secs(4);

/// The part of a click's time that is kept for noting the answer.
const NOTING_TIME: Duration = Duration::from_millis(500);

/// The least time in which an attempt is begun.
const LEAST_SENDING_TIME: Duration = Duration::from_millis(500);

/// The time for noting the result of an attempt: its lease still holds.
const NOTED_WITHIN: Duration = Duration::from_secs(20);

/// The time for one try of that.
const ONE_NOTE_TIME: Duration = Duration::from_secs(2);

/// The most passes over the messages of one approval: each message that was sent may make others due.
const MAX_PASSES: usize = 5;

/// An approval or a relay, with its standing.
#[derive(Clone, Copy)]
pub enum Matter<'a> {
    /// An approval.
    Approval(&'a Standing),
    /// A relay.
    Relay(&'a RelayStanding),
}

impl Matter<'_> {
    fn subject(self) -> Subject {
        match self {
            Self::Approval(standing) => standing.subject(),
            Self::Relay(relay) => Subject::Relayed(relay.decision.id.clone()),
        }
    }

    fn progress(self, name: &MessageName) -> Progress {
        match self {
            Self::Approval(standing) => standing.progress(name).clone(),
            Self::Relay(relay) => relay.progress.clone(),
        }
    }
}

/// The state of a message after a step, and the words of the receiver.
#[derive(Debug, PartialEq)]
pub struct Sent {
    /// The state of the message.
    pub delivered: Delivered,
    /// The receiver's words, for the log; empty if nothing was sent.
    pub detail: String,
    /// The message's progress, if this call has changed it.
    pub progress: Option<Progress>,
    /// The run that GitHub named, if this call has started a workflow.
    pub named_run: Option<NamedRun>,
}

impl Sent {
    fn nothing(delivered: Delivered) -> Self {
        Self { delivered, detail: String::new(), progress: None, named_run: None }
    }
}

/// The state of a message after a step.
#[derive(Debug, PartialEq)]
pub enum Delivered {
    /// The message has just arrived.
    Arrived,
    /// The message had arrived before.
    Before,
    /// Somebody else is sending the message, or it waits for its time; nothing was sent now.
    OnItsWay,
    /// The message was sent now and failed.
    Failed(AttemptResult),
    /// The message was given up, and is not sent now; the time before which nobody wants it sent, if there is one.
    Dead(Option<DateTime<Utc>>),
    /// The message was given up too long ago to be revived.
    TooLate,
    /// The message cannot be sent without this setting.
    Lacks(&'static str),
}

impl Delivered {
    /// True if a call was made.
    fn is_new(&self) -> bool {
        matches!(self, Self::Arrived | Self::Failed(_))
    }

    /// True if nothing more is done about the message without a click.
    pub(super) fn is_at_rest(&self) -> bool {
        match self {
            Self::Arrived
            | Self::Before
            | Self::Dead(_)
            | Self::TooLate
            | Self::Failed(AttemptResult { next: Next::Dead, .. }) => true,
            Self::OnItsWay
            | Self::Lacks(_)
            | Self::Failed(AttemptResult { next: Next::NotBefore(_), .. }) => false,
        }
    }
}

/// The first attempt to send an event, claimed with the decision by us.
pub struct Claimed {
    /// The attempt.
    pub attempt: Attempt,
    /// The entry in the index that is for this event alone.
    pub entry: Option<Entry>,
    /// The lines that must be written before that entry is taken out.
    pub lines: Vec<Line>,
}

/// A message that is about to be sent, under our claim.
struct Outgoing {
    message: Message,
    body: Body,
    /// The state that it shows, if it may later show another.
    state: Option<String>,
    entry: Option<Entry>,
    lines: Vec<Line>,
}

/// The end of an attempt.
struct Ended {
    attempt: Attempt,
    /// The result; none if the message has arrived for good.
    result: Option<AttemptResult>,
    /// The trace that the message has left.
    trace: Option<Trace>,
    at: DateTime<Utc>,
}

impl Outbox {
    /// Sends the event of a decision that we made just now. An approval's request must have its repository's visibility
    /// of now. An error means that nothing was sent.
    pub async fn send_event(
        &self,
        matter: Matter<'_>,
        claimed: Claimed,
        timing: Timing,
    ) -> anyhow::Result<Sent> {
        let body = Body::Event(match matter {
            Matter::Approval(standing) => dispatch(standing, &standing.request)?,
            Matter::Relay(relay) => Dispatch::Event(relay.decision.dispatch.clone()),
        });
        let Claimed { attempt, entry, lines } = claimed;
        let message = Message { subject: matter.subject(), name: MessageName::DISPATCH };
        Ok(self.send_claimed(Outgoing { message, body, state: None, entry, lines }, attempt, timing).await)
    }

    /// Sends the event of an earlier decision that a person has clicked again, if it is due. An error
    /// means that nothing was sent.
    pub async fn send_event_again(&self, matter: Matter<'_>, timing: Timing) -> anyhow::Result<Sent> {
        self.deliver(matter, &self.event(matter)?, Occasion::Again, timing).await
    }

    fn event(&self, matter: Matter<'_>) -> anyhow::Result<Wanted> {
        let event = match matter {
            Matter::Approval(standing) => event(standing, &self.policy),
            Matter::Relay(relay) => wanted_by_relay(relay, &self.policy),
        };
        event.context("there is nothing to send")
    }

    /// Posts the first card of an open approval to each channel that lacks it. If that fails, a sweep posts it later.
    pub async fn post_first_cards(&self, standing: &mut Standing, occasion: Occasion, timing: Timing) {
        let wanted = wanted(standing, &self.routes(standing), &self.policy, timing.now);
        let first = wanted.iter().filter(|wanted| wanted.name.kind == Kind::Card);
        let matter = Matter::Approval(standing);
        let sent =
            join_all(first.map(async |wanted| {
                (wanted.name.clone(), self.deliver(matter, wanted, occasion, timing).await)
            }))
            .await;
        for (name, sent) in sent {
            let message = Message { subject: standing.subject(), name };
            match sent {
                Ok(sent) => {
                    if matches!(sent.delivered, Delivered::Failed(_)) {
                        Swept::of(&message, &sent).log();
                    }
                    standing.messages.extend(sent.progress.map(|progress| (message.name, progress)));
                }
                Err(error) => log::warn!("{message}: {}", describe(&error)),
            }
        }
    }

    /// Sends every message of the approval that is due and that nobody else is sending, except for those `left_out`.
    pub async fn carry_on(&self, mut standing: Standing, left_out: LeftOut, timing: Timing) -> Swept {
        let mut swept = Swept::default();
        for pass in 0..MAX_PASSES {
            let wanted = wanted(&standing, &self.routes(&standing), &self.policy, timing.now);
            // An event that may arrive now comes before the cards, which say how it stands.
            let awaits_event = awaits_event(&standing, &wanted);
            let is_event_first = pass == 0 && !left_out.event && awaits_event;
            let is_left_out = |wanted: &&Wanted| match wanted.is_event() {
                // One that has arrived is not left out: there is nothing to do about it.
                true => left_out.event && awaits_event,
                false => left_out.channel || is_event_first,
            };
            let due: Vec<_> = wanted.iter().filter(|wanted| !is_left_out(wanted)).collect();
            let matter = Matter::Approval(&standing);
            let sends = due.iter().map(|wanted| self.deliver(matter, wanted, Occasion::Sweep, timing));
            let sent = join_all(sends).await;
            let is_new = sent.iter().any(|sent| sent.as_ref().is_ok_and(|sent| sent.delivered.is_new()));
            swept.begin_pass(due.len() == wanted.len() && standing.ruling.is_some());
            for (wanted, sent) in due.into_iter().zip(sent) {
                let message = Message { subject: standing.subject(), name: wanted.name.clone() };
                swept.add(&message, matter.progress(&wanted.name), sent, timing.now);
            }
            if !is_new && !is_event_first {
                break;
            }
            // A message may make another due, and more votes may have come in between.
            match self.standing(&standing.request.id, Detail::Attempts, timing.deadline).await {
                Ok(Some(now)) => standing = now,
                Ok(None) => break,
                Err(error) => {
                    log::warn!("{}: {}", standing.subject(), describe(&error));
                    swept.at_rest = false;
                    break;
                }
            }
        }
        let wanted = wanted(&standing, &self.routes(&standing), &self.policy, timing.now);
        let awaits_event = awaits_event(&standing, &wanted);
        swept.awaits_event = awaits_event || standing.ruling.is_none();
        swept.left_out = awaits_event && left_out.event;
        swept.standing = Some(standing);
        swept
    }

    /// Sends the event of a relay, if that is due and nobody else is sending it.
    pub async fn carry_on_relay(&self, relay: &RelayStanding, timing: Timing) -> Swept {
        let mut swept = Swept { at_rest: true, ..Swept::default() };
        let Some(wanted) = wanted_by_relay(relay, &self.policy) else { return swept };
        let matter = Matter::Relay(relay);
        let sent = self.deliver(matter, &wanted, Occasion::Sweep, timing).await;
        let message = Message { subject: matter.subject(), name: wanted.name };
        swept.awaits_event = !sent.as_ref().is_ok_and(|sent| sent.delivered.is_at_rest());
        swept.to = format!("to {}: ", relay.decision.dispatch.repository);
        swept.add(&message, relay.progress.clone(), sent, timing.now);
        swept
    }

    /// Sends a message if it is due.
    async fn deliver(
        &self,
        matter: Matter<'_>,
        wanted: &Wanted,
        occasion: Occasion,
        timing: Timing,
    ) -> anyhow::Result<Sent> {
        let (progress, times) = (matter.progress(&wanted.name), (timing.now, self.deliver_for));
        let step = match wanted.state() {
            Some(state) => plan_update(progress, state, (occasion, wanted.since), times),
            None => plan(progress, occasion, wanted.since, times),
        };
        let attempt = match step {
            Step::Rest(delivered) => return Ok(Sent::nothing(delivered)),
            Step::GiveUp(attempt) => {
                return self
                    .give_up(matter, wanted, attempt, "the time for delivering is over", timing)
                    .await;
            }
            Step::Send(attempt) => attempt,
        };
        if let Some(forbidden) = &wanted.forbidden {
            let why = sentence(&Outcome::Forbidden(forbidden.clone()));
            return self.give_up(matter, wanted, attempt, &why, timing).await;
        }
        if occasion == Occasion::Sweep && self.targets.rests(wanted, timing.now) {
            return Ok(Sent::nothing(Delivered::OnItsWay));
        }
        match self.targets.lacks(wanted) {
            Some(setting) => Ok(Sent::nothing(Delivered::Lacks(setting))),
            None => self.claim_and_send(matter, wanted, attempt, timing).await,
        }
    }

    async fn claim_and_send(
        &self,
        matter: Matter<'_>,
        wanted: &Wanted,
        attempt: Attempt,
        timing: Timing,
    ) -> anyhow::Result<Sent> {
        let message = Message { subject: matter.subject(), name: wanted.name.clone() };
        let body = self.body(matter, wanted, timing).await?;
        // Its entry was taken out of the index when it was given up.
        let entry = match is_revived(&attempt) {
            true => Some(self.ledger.note_pending(&message.subject, timing.deadline).await?),
            false => None,
        };
        if !may_begin(timing) {
            // A dead letter that is not revived is not on its way.
            let delivered = if is_revived(&attempt) { Delivered::Dead(None) } else { Delivered::OnItsWay };
            return Ok(Sent::nothing(delivered));
        }
        if !self.ledger.claim(&message, &attempt, timing.deadline).await? {
            return Ok(Sent::nothing(Delivered::OnItsWay));
        }
        // An approval's entry is for all its messages, and is left to the sweep.
        let entry = entry.filter(|_| matches!(matter, Matter::Relay(_)));
        let state = wanted.state().map(str::to_owned);
        let outgoing = Outgoing { message, body, state, entry, lines: Vec::new() };
        Ok(self.send_claimed(outgoing, attempt, timing).await)
    }

    /// The content, written at the last moment, so that it shows the approval as it stands.
    async fn body(&self, matter: Matter<'_>, wanted: &Wanted, timing: Timing) -> anyhow::Result<Body> {
        let standing = match matter {
            Matter::Relay(relay) => return Ok(Body::Event(Dispatch::Event(relay.decision.dispatch.clone()))),
            Matter::Approval(standing) => standing,
        };
        let content = Content::of(standing, &self.policy, timing.now);
        let sender = self.targets.sender(&wanted.name.target);
        let post = |card| Post { card, summary: content.notification() };
        Ok(match (&wanted.effect, sender) {
            (Effect::Event, _) => {
                let request = self.as_visible_now(&standing.request, timing.deadline).await?;
                Body::Event(dispatch(standing, &request)?)
            }
            (Effect::Card, Some(Sender::Bot(..))) => Body::Card(post(self.cards.bot(&content, None))),
            (Effect::Card, Some(Sender::Webhook(_)) | None) => Body::Card(post(self.cards.teams(&content))),
            (Effect::Change { place, .. }, _) => {
                Body::Change(place.clone(), post(self.cards.bot(&content, None)))
            }
            (Effect::Reminder(Some(place)), Some(Sender::Bot(bot, _))) => {
                Body::Reply(place.clone(), post(self.cards.reminder(&content, &bot.link(place))))
            }
            (Effect::Reminder(_), _) => {
                let link = self.cards.page_url(&standing.request.id);
                Body::Card(post(self.cards.reminder(&content, &link)))
            }
        })
    }

    /// Sends a message that nobody else may send while our claim holds.
    async fn send_claimed(&self, outgoing: Outgoing, attempt: Attempt, timing: Timing) -> Sent {
        let lines = self.note_lines(&outgoing.lines);
        let (answered, trace) = match may_begin(timing) {
            false => (SendResult::not_tried(), None),
            true => {
                let to_note = timing.deadline.checked_sub(NOTING_TIME).unwrap_or(timing.deadline);
                let timing = timing.until(to_note).within(SENDING_TIME);
                self.targets.send(&outgoing.message.name.target, &outgoing.body, timing).await
            }
        };
        let detail = format!("attempt {}: {}", attempt.number, answered.detail);
        let arrived = answered.what == SendAnswer::Accepted;
        // A card that can change is never done once and for all: the note says what it shows now.
        let result = (!arrived || outgoing.state.is_some()).then(|| {
            let result = result_of(&attempt, answered, timing.current(), (self.deliver_for, jitter()));
            showing(outgoing.state.clone(), result)
        });
        let progress = match &result {
            None => Progress::Done(Some(timing.current())),
            Some(result) => Progress::Tried(attempt.clone(), Some(result.clone())),
        };
        let delivered = match &result {
            Some(result) if !arrived => Delivered::Failed(result.clone()),
            _ => Delivered::Arrived,
        };
        let named_run = match &trace {
            Some(Trace::Run(run)) => Some(run.clone()),
            Some(Trace::Card(_)) | None => None,
        };
        let ended = Ended { attempt, result, trace, at: timing.current() };
        self.note(outgoing, lines, ended, timing.deadline).await;
        Sent { delivered, detail, progress: Some(progress), named_run }
    }

    /// Notes the end of an attempt, and waits for that until the deadline. If the store is slow the noting goes on,
    /// while the lease keeps everybody else from sending: a message without a note is sent twice. Nobody waits for
    /// the index.
    async fn note(
        &self,
        outgoing: Outgoing,
        lines: Vec<JoinHandle<anyhow::Result<()>>>,
        ended: Ended,
        deadline: Instant,
    ) {
        let ledger = Arc::clone(&self.ledger);
        let (noted, is_noted) = oneshot::channel();
        self.beside(async move {
            let message = &outgoing.message;
            if let Err(error) = note_during_lease(&ledger, message, &ended).await {
                log::warn!("{message}: {}", describe(&error));
                return;
            }
            let _ = noted.send(());
            let are_listed = join_all(lines).await.iter().all(|line| matches!(line, Ok(Ok(()))));
            let is_over = !matches!(&ended.result, Some(AttemptResult { next: Next::NotBefore(_), .. }));
            if let Some(entry) = outgoing.entry.filter(|_| is_over && are_listed) {
                settle_all(&ledger, &[entry]).await;
            }
        });
        // The noting goes on, whether or not it has ended by then.
        let _ = timeout_at(deadline, is_noted).await;
    }

    async fn give_up(
        &self,
        matter: Matter<'_>,
        wanted: &Wanted,
        attempt: Attempt,
        why: &str,
        timing: Timing,
    ) -> anyhow::Result<Sent> {
        let message = Message { subject: matter.subject(), name: wanted.name.clone() };
        if !self.ledger.claim(&message, &attempt, timing.deadline).await? {
            return Ok(Sent::nothing(Delivered::OnItsWay));
        }
        let result = AttemptResult {
            ended_at: timing.current(),
            what: SendAnswer::NotTried,
            detail: why.to_owned(),
            asked_to_wait_until: None,
            next: Next::Dead,
            shown: wanted.state().map(str::to_owned),
        };
        self.ledger.note_result(&message, attempt.number, &result, timing.deadline).await?;
        let progress = Some(Progress::Tried(attempt, Some(result.clone())));
        Ok(Sent { delivered: Delivered::Failed(result), detail: why.to_owned(), progress, named_run: None })
    }

    /// Writes lines beside the other work.
    fn note_lines(&self, lines: &[Line]) -> Vec<JoinHandle<anyhow::Result<()>>> {
        let note = |line: &Line| {
            let (ledger, line) = (Arc::clone(&self.ledger), line.clone());
            self.beside(async move {
                let noted = ledger.note_line(&line, Instant::now() + NOTED_WITHIN).await;
                noted.inspect_err(|error| log::warn!("{}: {}", line.subject, describe(error)))
            })
        };
        lines.iter().map(note).collect()
    }
}

impl Ended {
    async fn note(&self, ledger: &Ledger, message: &Message, until: Instant) -> anyhow::Result<()> {
        // The place comes first: a card that has arrived at an unknown place is never changed.
        let run = match &self.trace {
            Some(Trace::Card(place)) => {
                ledger.note_place(message, place, until).await?;
                None
            }
            Some(Trace::Run(run)) => Some(run),
            None => None,
        };
        match &self.result {
            None => ledger.note_arrival(message, &self.attempt, (self.at, run), until).await,
            Some(result) => ledger.note_result(message, self.attempt.number, result, until).await,
        }
    }
}

/// True if an event is wanted, and has not arrived.
fn awaits_event(standing: &Standing, wanted: &[Wanted]) -> bool {
    wanted.iter().any(Wanted::is_event)
        && !matches!(standing.progress(&MessageName::DISPATCH), Progress::Done(_))
}

fn dispatch(standing: &Standing, request: &Request) -> anyhow::Result<Dispatch> {
    let ruling = standing.ruling.as_ref();
    ruling.and_then(|ruling| ruling.dispatch(request)).context("there is nothing to send")
}

/// True if there is time for an attempt and for noting the answer.
fn may_begin(timing: Timing) -> bool {
    timing.left() >= NOTING_TIME + LEAST_SENDING_TIME
}

async fn note_during_lease(ledger: &Ledger, message: &Message, ended: &Ended) -> anyhow::Result<()> {
    let give_up_at = Instant::now() + NOTED_WITHIN;
    let mut pause = Duration::from_millis(50);
    loop {
        let until = Instant::now() + ONE_NOTE_TIME;
        match ended.note(ledger, message, until).await {
            Err(_) if Instant::now() + pause < give_up_at => tokio::time::sleep(pause).await,
            noted => return noted,
        }
        pause = (pause * 2).min(ONE_NOTE_TIME);
    }
}

/// Takes entries out of the index. One that stays is found by a later sweep.
pub async fn settle_all(ledger: &Ledger, entries: &[Entry]) {
    for entry in entries {
        if let Err(error) = ledger.settle(entry, Instant::now() + ONE_NOTE_TIME).await {
            log::warn!("an entry of the index stays for now: {}", describe(&error));
        }
    }
}

/// A number from 0 to 1; 0.5 without random numbers.
fn jitter() -> f64 {
    let mut random = [0_u8; 1];
    match getrandom::fill(&mut random) {
        Ok(()) => f64::from(random[0]) / 255.0,
        Err(_) => 0.5,
    }
}

/// A line for the log, if there is anything to say; `to` says where the message goes.
pub(super) fn line(message: &Message, to: &str, sent: &Sent) -> Option<(Level, String)> {
    let (detail, is_event) = (&sent.detail, message.name == MessageName::DISPATCH);
    let (level, said) = match &sent.delivered {
        Delivered::OnItsWay
        | Delivered::Before
        | Delivered::Dead(_)
        | Delivered::TooLate
        | Delivered::Lacks(_) => return None,
        Delivered::Arrived => (Level::Info, format!("arrived ({detail})")),
        Delivered::Failed(AttemptResult { next: Next::NotBefore(time), .. }) => {
            let time = time.to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
            (Level::Warn, format!("failed ({detail}); next attempt not before {time}"))
        }
        Delivered::Failed(AttemptResult { next: Next::Dead, .. }) if !is_event => {
            (Level::Error, format!("given up ({detail})"))
        }
        Delivered::Failed(AttemptResult { next: Next::Dead, .. }) => {
            let said = format!("given up ({detail}); a click within 7 days of the decision sends it again");
            (Level::Error, said)
        }
    };
    Some((level, format!("{message} {to}{said}")))
}
