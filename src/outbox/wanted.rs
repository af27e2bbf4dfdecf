//! The messages that an approval wants sent, each with its target and time. Pure: they follow from the standing, the
//! channels, the settings and the time.
//!
//! By a webhook a channel gets one card that asks and another that shows the decision; by the bot one card that
//! changes. If a card cannot be made to show the decision, another that shows it follows.

use chrono::{DateTime, Utc};

use crate::approval::{
    Channel, Conclusion, DeliveryState, Forbidden, Kind, Means, MessageName, Next, Policy, PostedMessage,
    Progress, RelayStanding, Release, Request, SendAnswer, Standing,
};

use super::routes::{Part, Route};

/// The most reminders of one approval: nobody heeds the hundredth.
const MAX_REMINDERS: u32 = 100;

/// A message that is wanted, whether or not it has arrived.
#[derive(Clone, Debug, PartialEq)]
pub struct Wanted {
    /// Its name.
    pub name: MessageName,
    /// The time since which it is wanted.
    pub since: DateTime<Utc>,
    /// Its effect.
    pub effect: Effect,
    /// The reason why it may not be sent, by the settings of now.
    pub forbidden: Option<Forbidden>,
}

/// The effect of a message.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// It sends GitHub the event.
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

    /// The state that a card is to show, if it may later show another.
    pub fn state(&self) -> Option<&str> {
        match &self.effect {
            Effect::Change { state, .. } => Some(state),
            Effect::Event | Effect::Card | Effect::Reminder(_) => None,
        }
    }
}

/// The messages that an approval wants sent at `now`, of whose channels `routes` are.
pub fn wanted(standing: &Standing, routes: &[Route], policy: &Policy, now: DateTime<Utc>) -> Vec<Wanted> {
    let event = event(standing, policy).into_iter();
    event.chain(routes.iter().flat_map(|route| of_channel(standing, route, policy, now))).collect()
}

/// The event that a relay wants sent.
pub fn wanted_by_relay(standing: &RelayStanding, policy: &Policy) -> Option<Wanted> {
    let decision = &standing.decision;
    let forbidden = policy.allow_name(&decision.dispatch.repository).err();
    let event = Wanted::new(MessageName::DISPATCH, decision.decided_at, Effect::Event);
    (!policy.dry_run).then_some(Wanted { forbidden, ..event })
}

/// The event that an approval wants sent, if it is decided and one follows.
pub fn event(standing: &Standing, policy: &Policy) -> Option<Wanted> {
    let ruling = standing.ruling.as_ref().filter(|_| standing.sends() && !policy.dry_run)?;
    let event = Wanted::new(MessageName::DISPATCH, ruling.decided_at, Effect::Event);
    Some(Wanted { forbidden: policy.may_send(standing).err(), ..event })
}

fn of_channel(standing: &Standing, route: &Route, policy: &Policy, now: DateTime<Utc>) -> Vec<Wanted> {
    let Route { channel, part } = route;
    let place = standing.places.get(&channel.name).and_then(Option::as_ref);
    // Nobody is reminded of an approval whose event may not be sent any more, nor where it was asked for before.
    let is_asked = *part == Part::Chosen && policy.may_send(standing).is_ok();
    let reminder = reminder(standing, now).filter(|_| is_asked);
    let reminder = reminder.map(|(number, since)| {
        let name = MessageName::new(Kind::Reminder(number), &channel.name);
        Wanted::new(name, since, Effect::Reminder(place.cloned()))
    });
    let cards = match (channel.means, place) {
        // Its card cannot be taken back; the result will follow it.
        (Means::Webhook, _) if *part != Part::Chosen && standing.ruling.is_none() => Vec::new(),
        (Means::Webhook, _) => {
            let later = [delivered_card(standing, channel), failed_card(standing, channel)];
            [latest_card(standing, channel)].into_iter().chain(later.into_iter().flatten()).collect()
        }
        // Nobody knows where its card stands.
        (Means::Bot, None) if *part == Part::Gone => Vec::new(),
        (Means::Bot, None) => first_card(standing, channel),
        (Means::Bot, Some(place)) => {
            let mut changes = changes(standing, channel, place, policy, now);
            changes.retain(|change| *part != Part::Gone || change.name.kind == Kind::Update);
            changes
        }
    };
    let reminds = channel.means == Means::Webhook || place.is_some();
    cards.into_iter().chain(reminder.filter(|_| reminds)).collect()
}

/// The card that asks or, once it is decided, the one that shows the decision.
fn latest_card(standing: &Standing, channel: &Channel) -> Wanted {
    let (kind, since) = match &standing.ruling {
        None => (Kind::Card, standing.request.created_at),
        Some(ruling) => (Kind::Result, ruling.decided_at),
    };
    Wanted::new(MessageName::new(kind, &channel.name), since, Effect::Card)
}

/// The card that says that GitHub has the event, if the result was posted before it had.
fn delivered_card(standing: &Standing, channel: &Channel) -> Option<Wanted> {
    let result = standing.progress(&MessageName::new(Kind::Result, &channel.name));
    match (standing.progress(&MessageName::DISPATCH), result) {
        (Progress::Done(Some(delivered_at)), Progress::Done(Some(told_at))) if told_at < delivered_at => {
            let name = MessageName::new(Kind::Delivered, &channel.name);
            Some(Wanted::new(name, *delivered_at, Effect::Card))
        }
        _ => None,
    }
}

/// The card that says that the release failed or was cancelled, if the result was posted before it had. Where it
/// succeeded the channel hears no more: the result said what follows.
fn failed_card(standing: &Standing, channel: &Channel) -> Option<Wanted> {
    let run = standing.run.as_ref()?;
    let end = run.end.filter(|end| end.conclusion != Conclusion::Success)?;
    match standing.progress(&MessageName::new(Kind::Result, &channel.name)) {
        Progress::Done(Some(told_at)) if *told_at < end.at => {
            Some(Wanted::new(MessageName::new(Kind::Failed, &channel.name), end.at, Effect::Card))
        }
        _ => None,
    }
}

/// The bot's first card, and the card that follows if it cannot be changed.
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

/// The change of the bot's card, and the card that follows if the change was given up.
fn changes(
    standing: &Standing,
    channel: &Channel,
    place: &PostedMessage,
    policy: &Policy,
    now: DateTime<Utc>,
) -> Vec<Wanted> {
    let (name, state) = (MessageName::new(Kind::Update, &channel.name), shown_state(standing, policy, now));
    let progress = standing.progress(&name);
    if state == FRESH_STATE && *progress == Progress::Untried {
        return Vec::new();
    }
    let is_given_up = matches!(progress, Progress::Tried(_, Some(result))
        if result.shown.as_deref() == Some(state.as_str())
            && result.next == Next::Dead
            && result.what != SendAnswer::Accepted);
    let change = Wanted::new(name, changed_at(standing), Effect::Change { place: place.clone(), state });
    let result = (is_given_up && standing.ruling.is_some()).then(|| latest_card(standing, channel));
    [change].into_iter().chain(result).collect()
}

/// The state that a bot's card shows: two cards that differ in this look different.
fn shown_state(standing: &Standing, policy: &Policy, now: DateTime<Utc>) -> String {
    let ending = standing.ending().map_or("pending", |ending| ending.as_str());
    let delivery = policy.delivery(standing);
    let delivery = match (delivery.state, delivery.error) {
        (DeliveryState::None, _) => "",
        (DeliveryState::Pending, None) => " pending",
        (DeliveryState::Pending, Some(_)) => " refused",
        (DeliveryState::Delivered, _) => " delivered",
        (DeliveryState::Dead, _) => " dead",
    };
    let release = match Release::of(standing, now) {
        Release::Unknown => String::new(),
        Release::Missing => " missing".to_owned(),
        Release::Named(_) => " named".to_owned(),
        Release::Running(run) => format!(" running {}", run.attempt),
        Release::Ended(run, conclusion) => format!(" {} {}", conclusion.as_str(), run.attempt),
    };
    // A card that was posted with them looks the same as one without the mark.
    let changes = if standing.changes_are_late { " changes" } else { "" };
    format!("{} {ending}{delivery}{release}{changes}", standing.ballots.len())
}

/// The state of a card on which nothing has happened yet.
const FRESH_STATE: &str = "0 pending";

/// The time of the approval's last change.
fn changed_at(standing: &Standing) -> DateTime<Utc> {
    let voted_at = standing.ballots.iter().map(|ballot| ballot.at).max();
    let ruled_at = standing.ruling.as_ref().map(|ruling| ruling.decided_at);
    let heard_at = standing.run.as_ref().map(|run| run.end.map_or(run.started_at, |end| end.at));
    heard_at.max(ruled_at).or(voted_at).unwrap_or(standing.request.created_at)
}

/// The number and time of the reminder that is due. Earlier ones that were missed are left out.
fn reminder(standing: &Standing, now: DateTime<Utc>) -> Option<(u32, DateTime<Utc>)> {
    let Request { terms, created_at, .. } = &standing.request;
    let every = terms.reminder.filter(|_| standing.ruling.is_none())?;
    let number = u32::try_from((now - *created_at).num_minutes() / every.num_minutes().max(1)).ok()?;
    (1..=MAX_REMINDERS)
        .contains(&number)
        .then(|| (number, *created_at + every * i32::try_from(number).unwrap_or(0)))
}

/// The time of the next thing that happens to an open approval without a click: a reminder, or its expiry.
pub fn next_event(request: &Request, now: DateTime<Utc>) -> DateTime<Utc> {
    let next_reminder = request.terms.reminder.and_then(|every| {
        let passed = (now - request.created_at).num_minutes() / every.num_minutes().max(1);
        let next = u32::try_from(passed + 1).ok().filter(|next| *next <= MAX_REMINDERS)?;
        Some(request.created_at + every * i32::try_from(next).ok()?)
    });
    next_reminder.map_or(request.expires_at(), |next| next.min(request.expires_at()))
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;
    use crate::approval::{
        ApprovalId, Attempt, AttemptResult, Ballot, Ending, EventType, Performer, Repository,
        RepositoryPattern, Ruling, Run, RunEnd, TargetName, Terms, Verdict, Workload,
    };

    fn at(minutes: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000, 0).expect("a time") + TimeDelta::minutes(minutes)
    }

    fn policy() -> Policy {
        let allowed_repositories = vec![RepositoryPattern::parse("octo/app").expect("a pattern")];
        Policy { allowed_repositories, ..Policy::default() }
    }

    /// An approval that was asked for at 0, expires at 60 and reminds every 20 minutes.
    fn open() -> Standing {
        let event_type = |text| EventType::parse(text).expect("an event type");
        let terms = Terms {
            reminder: Some(TimeDelta::minutes(20)),
            expires_in: TimeDelta::minutes(60),
            ..Terms::sample(event_type("go-live"))
        };
        let workload = Workload::sample(Repository::parse("octo/app").expect("a repository"));
        Standing::new(Request { id: ApprovalId::new(at(0), [7; 16]), terms, workload, created_at: at(0) })
    }

    fn voted(mut standing: Standing) -> Standing {
        let (performer, verdict) = (Performer::Anonymous, Verdict::Approve);
        standing.ballots.push(Ballot {
            performer,
            verdict,
            comment: String::new(),
            at: at(5),
            groups: Vec::new(),
        });
        standing
    }

    fn decided(ending: Ending) -> Standing {
        let standing = voted(open());
        let ballots = standing.ballots.clone();
        standing.ruled(Ruling {
            ending,
            ballots,
            decided_at: at(6),
            ticket: None,
            withdrawal: None,
            policy: None,
        })
    }

    /// The same, with the bot's card in the channel.
    fn posted(mut standing: Standing) -> Standing {
        let place = PostedMessage { conversation: "19:x".to_owned(), activity: "1".to_owned() };
        standing.places.insert(TargetName::default(), Some(place));
        with(standing, Kind::Card, Progress::Done(None))
    }

    fn with(mut standing: Standing, kind: Kind, progress: Progress) -> Standing {
        standing.messages.insert(MessageName::new(kind, &TargetName::default()), progress);
        standing
    }

    /// An attempt with this result.
    fn tried(answer: SendAnswer, next: Next, shown: Option<&str>) -> Progress {
        let attempt =
            Attempt { number: 1, began_at: at(6), lease_until: at(7), window_from: at(6), failures: 0 };
        let result = AttemptResult {
            ended_at: at(6),
            what: answer,
            detail: String::new(),
            asked_to_wait_until: None,
            next,
            shown: shown.map(str::to_owned),
        };
        Progress::Tried(attempt, Some(result))
    }

    fn done(minute: i64) -> Progress {
        Progress::Done(Some(at(minute)))
    }

    fn channel(means: Means) -> Channel {
        Channel { name: TargetName::default(), means }
    }

    /// The names of the wanted messages, each with the minute since which it is wanted.
    fn names(standing: &Standing, channels: &[Channel], minute: i64) -> Vec<String> {
        let chosen = |channel: &Channel| Route { channel: channel.clone(), part: Part::Chosen };
        names_by(standing, &channels.iter().map(chosen).collect::<Vec<_>>(), minute)
    }

    fn names_by(standing: &Standing, routes: &[Route], minute: i64) -> Vec<String> {
        let wanted = wanted(standing, routes, &policy(), at(minute)).into_iter();
        wanted.map(|wanted| format!("{} {}", wanted.name, (wanted.since - at(0)).num_minutes())).collect()
    }

    #[test]
    fn a_webhook_s_channel_gets_a_card_reminders_and_a_result() {
        let webhook = [channel(Means::Webhook)];
        for (standing, minute, expected) in [
            (open(), 1, &["card 0"][..]),
            (voted(open()), 5, &["card 0"]),
            (open(), 21, &["card 0", "reminder-0001 20"]),
            (open(), 59, &["card 0", "reminder-0002 40"]),
            (decided(Ending::Approved), 30, &["dispatch 6", "result 6"]),
            (decided(Ending::Rejected), 30, &["result 6"]),
            (decided(Ending::Expired), 90, &["result 6"]),
            // A card of its own says what the result could not say yet.
            (
                with(with(decided(Ending::Approved), Kind::Result, done(7)), Kind::Dispatch, done(9)),
                30,
                &["dispatch 6", "result 6", "delivered 9"],
            ),
            (
                with(with(decided(Ending::Approved), Kind::Result, done(9)), Kind::Dispatch, done(7)),
                30,
                &["dispatch 6", "result 6"],
            ),
            (with(decided(Ending::Approved), Kind::Dispatch, done(7)), 30, &["dispatch 6", "result 6"]),
        ] {
            assert_eq!(names(&standing, &webhook, minute), expected);
        }
    }

    #[test]
    fn the_bot_s_channel_gets_one_card_that_changes() {
        let bot = [channel(Means::Bot)];
        let shown = |state| tried(SendAnswer::Accepted, Next::NotBefore(at(7)), Some(state));
        let refused = |state| tried(SendAnswer::NotFound, Next::Dead, Some(state));
        for (standing, minute, expected) in [
            (open(), 21, &["card 0"][..]),
            (posted(open()), 1, &[]),
            (posted(open()), 21, &["reminder-0001 20"]),
            (posted(voted(open())), 6, &["update 5"]),
            // A vote that does not count any more is taken back from the card.
            (with(posted(open()), Kind::Update, shown("1 pending")), 6, &["update 0"]),
            (posted(decided(Ending::Approved)), 7, &["dispatch 6", "update 6"]),
            // A card that cannot be changed is followed by another, once that state was given up.
            (with(posted(decided(Ending::Rejected)), Kind::Update, refused("1 pending")), 7, &["update 6"]),
            (
                with(posted(decided(Ending::Rejected)), Kind::Update, refused("1 rejected")),
                7,
                &["update 6", "result 6"],
            ),
            (with(posted(voted(open())), Kind::Update, refused("1 pending")), 7, &["update 5"]),
            // A card that arrived at an unknown place, or never, is followed by another too.
            (with(decided(Ending::Rejected), Kind::Card, Progress::Done(None)), 7, &["card 0", "result 6"]),
            (
                with(decided(Ending::Rejected), Kind::Card, tried(SendAnswer::NotFound, Next::Dead, None)),
                7,
                &["card 0", "result 6"],
            ),
            (decided(Ending::Rejected), 7, &["card 0"]),
        ] {
            assert_eq!(names(&standing, &bot, minute), expected);
        }
    }

    #[test]
    fn the_card_changes_with_each_state_of_the_event() {
        let state = |progress| {
            shown_state(&with(decided(Ending::Approved), Kind::Dispatch, progress), &policy(), at(8))
        };
        let failed = |answer, next| tried(answer, next, None);
        let later = || Next::NotBefore(at(60));
        assert_eq!(state(Progress::Untried), "1 approved pending");
        assert_eq!(state(failed(SendAnswer::ServerError(503), later())), "1 approved pending");
        assert_eq!(state(failed(SendAnswer::Unauthorized, later())), "1 approved refused");
        assert_eq!(state(failed(SendAnswer::Unprocessable, Next::Dead)), "1 approved dead");
        assert_eq!(state(done(7)), "1 approved delivered");
        assert_eq!(
            shown_state(&decided(Ending::Rejected), &policy(), at(8)),
            "1 rejected",
            "no event follows"
        );
        let dry = Policy { dry_run: true, ..policy() };
        assert_eq!(shown_state(&decided(Ending::Approved), &dry, at(8)), "1 approved");
    }

    #[test]
    fn the_card_changes_with_the_run_and_a_webhook_s_channel_hears_of_a_failure_once() {
        let released = |conclusion: Option<Conclusion>| {
            let end = conclusion.map(|conclusion| RunEnd { conclusion, at: at(20), is_by_github: false });
            let run = Run { id: "4711".into(), actor: "octocat".into(), attempt: 2, started_at: at(15), end };
            let standing = with(decided(Ending::Approved), Kind::Dispatch, done(7));
            with(Standing { run: Some(run), ..standing }, Kind::Result, done(8))
        };
        let state = |conclusion| shown_state(&released(conclusion), &policy(), at(30));
        assert_eq!(state(None), "1 approved delivered running 2");
        assert_eq!(state(Some(Conclusion::Success)), "1 approved delivered success 2");
        assert_eq!(state(Some(Conclusion::Failure)), "1 approved delivered failure 2");
        let told = |conclusion| names(&released(conclusion), &[channel(Means::Webhook)], 30);
        for quiet in [None, Some(Conclusion::Success)] {
            assert_eq!(told(quiet), ["dispatch 6", "result 6"]);
        }
        for loud in [Conclusion::Failure, Conclusion::Cancelled] {
            assert_eq!(told(Some(loud)), ["dispatch 6", "result 6", "failed 20"]);
        }
        // A result that is posted after the end says it itself.
        let late = with(released(Some(Conclusion::Failure)), Kind::Result, done(21));
        assert_eq!(names(&late, &[channel(Means::Webhook)], 30), ["dispatch 6", "result 6"]);
        assert_eq!(names(&posted(released(None)), &[channel(Means::Bot)], 30), ["dispatch 6", "update 15"]);
        let missing = with(decided(Ending::Approved), Kind::Dispatch, done(7));
        assert_eq!(shown_state(&missing, &policy(), at(17)), "1 approved delivered", "it has no ticket");
    }

    #[test]
    fn each_channel_has_messages_of_its_own() {
        let staging = Channel { name: TargetName::parse("STAGING").expect("a name"), means: Means::Webhook };
        let channels = [channel(Means::Bot), staging];
        assert_eq!(names(&posted(open()), &channels, 1), ["card@STAGING 0"]);
        let decided = posted(decided(Ending::Approved));
        assert_eq!(names(&decided, &channels, 7), ["dispatch 6", "update 6", "result@STAGING 6"]);
        assert_eq!(names(&decided, &[], 7), ["dispatch 6"], "without any channel the event is still sent");
    }

    #[test]
    fn a_channel_that_was_left_is_asked_for_nothing_more_and_keeps_no_card_that_looks_open() {
        let left = |means, part| [Route { channel: channel(means), part }];
        let (webhook, bot) = (left(Means::Webhook, Part::Left), left(Means::Bot, Part::Left));
        let card = |standing| with(standing, Kind::Card, done(1));
        let lost = tried(SendAnswer::NotFound, Next::Dead, Some("1 rejected"));
        let lost = with(posted(decided(Ending::Rejected)), Kind::Update, lost);
        for (standing, routes, expected) in [
            (card(open()), &webhook, &[][..]),
            (card(decided(Ending::Rejected)), &webhook, &["result 6"]),
            (posted(open()), &bot, &[]),
            (posted(voted(open())), &bot, &["update 5"]),
            (posted(decided(Ending::Rejected)), &bot, &["update 6"]),
            (card(decided(Ending::Rejected)), &bot, &["card 0", "result 6"]),
            (lost.clone(), &bot, &["update 6", "result 6"]),
            (lost, &left(Means::Bot, Part::Gone), &["update 6"]),
        ] {
            assert_eq!(names_by(&standing, routes, 21), expected);
        }
    }

    #[test]
    fn a_dry_run_sends_no_event_and_one_that_may_not_be_sent_says_why() {
        let webhook = [Route { channel: channel(Means::Webhook), part: Part::Chosen }];
        let approved = decided(Ending::Approved);
        let dry = Policy { dry_run: true, ..policy() };
        assert!(wanted(&approved, &webhook, &dry, at(7)).iter().all(|wanted| !wanted.is_event()));
        let left = Policy { allowed_repositories: Vec::new(), ..policy() };
        let wanted_now = wanted(&approved, &webhook, &left, at(7));
        let forbidden: Vec<_> = wanted_now.iter().map(|wanted| wanted.forbidden.is_some()).collect();
        assert_eq!(forbidden, [true, false], "the channel is told all the same");
        let reminded = |policy| wanted(&open(), &webhook, policy, at(21)).len();
        assert_eq!((reminded(&policy()), reminded(&left)), (2, 1), "nobody is reminded of it");
    }
}
