//! The messages that an approval wants sent: to whom, and since when. Pure: it follows from how the approval stands, the
//! channels, the settings and the time.
//!
//! Through a webhook a channel gets one card that asks and another that says what was decided; by the bot one card that
//! changes. A card that cannot be made to show what was decided is followed by one that says it.

use chrono::{DateTime, Utc};

use crate::approval::{
    Channel, DispatchAnswer, Forbidden, Kind, Means, MessageName, Next, Policy, PostedMessage, Progress,
    RelayStanding, Request, Standing,
};

/// The most reminders of one approval: nobody heeds the hundredth.
const MAX_REMINDERS: u32 = 100;

/// A message that is wanted, whether or not it has arrived.
#[derive(Clone, Debug, PartialEq)]
pub struct Wanted {
    /// Its name.
    pub name: MessageName,
    /// Since when it is wanted.
    pub since: DateTime<Utc>,
    /// What it does.
    pub effect: Effect,
    /// Why it may not be sent, by the settings of now.
    pub forbidden: Option<Forbidden>,
}

/// What a message does.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// It tells GitHub.
    Event,
    /// It posts a card.
    Card,
    /// It reminds the channel, in the thread of the card if that is known.
    Reminder(Option<PostedMessage>),
    /// It makes the card in this place show a state.
    Change {
        /// The place.
        place: PostedMessage,
        /// The state.
        state: String,
    },
}

impl Wanted {
    fn new(name: MessageName, since: DateTime<Utc>, effect: Effect) -> Self {
        Self { name, since, effect, forbidden: None }
    }

    /// True for the event.
    pub fn is_event(&self) -> bool {
        self.effect == Effect::Event
    }

    /// The state that a card is to show, if it can be made to show another later.
    pub fn state(&self) -> Option<&str> {
        match &self.effect {
            Effect::Change { state, .. } => Some(state),
            Effect::Event | Effect::Card | Effect::Reminder(_) => None,
        }
    }
}

/// The messages that an approval wants sent at `now`.
pub fn wanted(standing: &Standing, channels: &[Channel], policy: &Policy, now: DateTime<Utc>) -> Vec<Wanted> {
    let event = event(standing, policy).into_iter();
    event.chain(channels.iter().flat_map(|channel| of_channel(standing, channel, policy, now))).collect()
}

/// The event that a relay wants sent.
pub fn wanted_by_relay(standing: &RelayStanding, policy: &Policy) -> Option<Wanted> {
    let decision = &standing.decision;
    let forbidden = policy.allow_name(&decision.dispatch.repository).err();
    let event = Wanted::new(MessageName::DISPATCH, decision.decided_at, Effect::Event);
    (!policy.dry_run).then_some(Wanted { forbidden, ..event })
}

fn event(standing: &Standing, policy: &Policy) -> Option<Wanted> {
    let ruling = standing.ruling.as_ref().filter(|_| !policy.dry_run)?;
    standing.event_type()?;
    let event = Wanted::new(MessageName::DISPATCH, ruling.decided_at, Effect::Event);
    Some(Wanted { forbidden: policy.may_send(&standing.request).err(), ..event })
}

fn of_channel(standing: &Standing, channel: &Channel, policy: &Policy, now: DateTime<Utc>) -> Vec<Wanted> {
    let place = standing.places.get(&channel.name).and_then(Option::as_ref);
    // Nobody is reminded of what may not be sent any more.
    let reminder = reminder(standing, now).filter(|_| policy.may_send(&standing.request).is_ok());
    let reminder = reminder.map(|(number, since)| {
        let name = MessageName::new(Kind::Reminder(number), &channel.name);
        Wanted::new(name, since, Effect::Reminder(place.cloned()))
    });
    let cards = match (channel.means, place) {
        (Means::Webhook, _) => vec![latest_card(standing, channel)],
        (Means::Bot, None) => first_card(standing, channel),
        (Means::Bot, Some(place)) => changes(standing, channel, place),
    };
    let reminds = channel.means == Means::Webhook || place.is_some();
    cards.into_iter().chain(reminder.filter(|_| reminds)).collect()
}

/// The card that asks or, once it is decided, the one that says how.
fn latest_card(standing: &Standing, channel: &Channel) -> Wanted {
    let (kind, since) = match &standing.ruling {
        None => (Kind::Card, standing.request.created_at),
        Some(ruling) => (Kind::Result, ruling.decided_at),
    };
    Wanted::new(MessageName::new(kind, &channel.name), since, Effect::Card)
}

/// The bot's first card, and what follows one that cannot be changed.
fn first_card(standing: &Standing, channel: &Channel) -> Vec<Wanted> {
    let first =
        Wanted::new(MessageName::new(Kind::Card, &channel.name), standing.request.created_at, Effect::Card);
    let stays = match standing.progress(&first.name) {
        Progress::Done(_) => true,
        Progress::Tried(_, Some(result)) => result.next == Next::Dead,
        Progress::Untried | Progress::Begun | Progress::Tried(_, None) => false,
    };
    let result = (stays && standing.ruling.is_some()).then(|| latest_card(standing, channel));
    [first].into_iter().chain(result).collect()
}

/// The change of the bot's card, and what follows one that is not to be made.
fn changes(standing: &Standing, channel: &Channel, place: &PostedMessage) -> Vec<Wanted> {
    let (name, state) = (MessageName::new(Kind::Update, &channel.name), shown_state(standing));
    let progress = standing.progress(&name);
    if state == FRESH_STATE && *progress == Progress::Untried {
        return Vec::new();
    }
    let is_given_up = matches!(progress, Progress::Tried(_, Some(result))
        if result.shown.as_deref() == Some(state.as_str())
            && result.next == Next::Dead
            && result.answer != DispatchAnswer::Accepted);
    let change = Wanted::new(name, changed_at(standing), Effect::Change { place: place.clone(), state });
    let result = (is_given_up && standing.ruling.is_some()).then(|| latest_card(standing, channel));
    [change].into_iter().chain(result).collect()
}

/// How a bot's card shows an approval: two that differ in this look different.
pub fn shown_state(standing: &Standing) -> String {
    let ending = standing.ending().map_or("pending", |ending| ending.as_str());
    format!("{} {ending}", standing.ballots.len())
}

/// The state of a card on which nothing has happened yet.
const FRESH_STATE: &str = "0 pending";

/// When the approval last changed.
fn changed_at(standing: &Standing) -> DateTime<Utc> {
    let voted_at = standing.ballots.iter().map(|ballot| ballot.at).max();
    let ruled_at = standing.ruling.as_ref().map(|ruling| ruling.decided_at);
    ruled_at.or(voted_at).unwrap_or(standing.request.created_at)
}

/// The reminder that is due, and since when. Those that were missed before it are not made up for.
fn reminder(standing: &Standing, now: DateTime<Utc>) -> Option<(u32, DateTime<Utc>)> {
    let Request { asked, created_at, .. } = &standing.request;
    let every = asked.reminder.filter(|_| standing.ruling.is_none())?;
    let number = u32::try_from((now - *created_at).num_minutes() / every.num_minutes().max(1)).ok()?;
    (1..=MAX_REMINDERS)
        .contains(&number)
        .then(|| (number, *created_at + every * i32::try_from(number).unwrap_or(0)))
}

/// When the next thing happens to an open approval by itself: a reminder, or that it expires.
pub fn next_event(request: &Request, now: DateTime<Utc>) -> DateTime<Utc> {
    let next_reminder = request.asked.reminder.map(|every| {
        let passed = (now - request.created_at).num_minutes() / every.num_minutes().max(1);
        request.created_at + every * i32::try_from(passed + 1).unwrap_or(i32::MAX)
    });
    next_reminder.map_or(request.expires_at(), |next| next.min(request.expires_at()))
}
