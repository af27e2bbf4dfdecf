//! The standing of an approval or a relay, for everybody who looks: the decision, and the progress of its messages.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::{
    Authors, Ballot, Changes, Decision, DispatchName, Ending, Forbidden, Kind, MessageName, NamedRun,
    Performer, PostedMessage, Progress, Request, Ruling, Run, Subject, TargetName, Withdrawal, Withdrawer,
};

/// The standing of an approval.
#[derive(Clone, Debug)]
pub struct Standing {
    /// The request.
    pub request: Request,
    /// The votes, earliest first: those of the ruling once there is one.
    pub ballots: Vec<Ballot>,
    /// The ruling, if there is one.
    pub ruling: Option<Ruling>,
    /// The progress of the messages about it; one that is not here is untried.
    pub messages: BTreeMap<MessageName, Progress>,
    /// The channels that have its card and in which it can be changed, each with the place if that was read.
    pub places: BTreeMap<TargetName, Option<PostedMessage>>,
    /// The run that GitHub named when it started the workflow.
    pub named_run: Option<NamedRun>,
    /// The run that has it, if one has said so.
    pub run: Option<Run>,
    /// The changes since the last release, if they are known or can be asked for.
    pub changes: Option<Changes>,
    /// True if a card may have been posted before the changes were known.
    pub changes_are_late: bool,
    /// The authors of the commits that it brings, if they are on record.
    pub authors: Option<Authors>,
}

impl Standing {
    /// The standing of an approval before any vote and any message.
    pub fn new(request: Request) -> Self {
        let (messages, places) = (BTreeMap::new(), BTreeMap::new());
        let (changes, changes_are_late) = (None, false);
        Self {
            request,
            ballots: Vec::new(),
            ruling: None,
            messages,
            places,
            named_run: None,
            run: None,
            changes,
            changes_are_late,
            authors: None,
        }
    }

    /// The approval, as messages name it.
    pub fn subject(&self) -> Subject {
        Subject::Requested(self.request.id.clone())
    }

    /// The way the approval ended, if it has.
    pub fn ending(&self) -> Option<Ending> {
        self.ruling.as_ref().map(|ruling| ruling.ending)
    }

    /// The name of the call to GitHub that follows from the ending, if one does.
    pub fn dispatch_name(&self) -> Option<DispatchName> {
        self.request.dispatch_name(self.ending()?)
    }

    /// True if one does.
    pub fn sends(&self) -> bool {
        self.ending().is_some_and(|ending| self.request.sends(ending))
    }

    /// The progress of a message.
    pub fn progress(&self, name: &MessageName) -> &Progress {
        self.messages.get(name).unwrap_or(&Progress::Untried)
    }

    /// The same, decided by `ruling`.
    pub fn ruled(mut self, ruling: Ruling) -> Self {
        self.ballots.clone_from(&ruling.ballots);
        self.ruling = Some(ruling);
        self
    }

    /// The way the card was posted, if the deployment posts to `channels`.
    pub fn posted(&self, channels: &[Channel]) -> Posted {
        let has_arrived = |channel: &Channel| {
            matches!(self.progress(&MessageName::new(Kind::Card, &channel.name)), Progress::Done(_))
        };
        let is_posted = |(name, progress): (&MessageName, &Progress)| {
            name.kind == Kind::Card && matches!(progress, Progress::Done(_))
        };
        match channels {
            _ if !self.places.is_empty() => Posted::Bot,
            [] if self.messages.iter().any(is_posted) => Posted::Webhook,
            [] => Posted::None,
            channels => match channels.iter().find(|channel| has_arrived(channel)) {
                Some(Channel { means: Means::Bot, .. }) => Posted::Bot,
                Some(Channel { means: Means::Webhook, .. }) => Posted::Webhook,
                None => Posted::Pending,
            },
        }
    }

    /// The same without people's names and remarks, if everybody could read it.
    // T10
    pub fn without_names_if_public(&self) -> Self {
        let mut standing = self.clone();
        if self.request.workload.is_public {
            let ruled = standing.ruling.as_mut().map(|ruling| &mut ruling.ballots);
            ruled.into_iter().chain([&mut standing.ballots]).flatten().for_each(forget_names);
            let withdrawal = standing.ruling.as_mut().and_then(|ruling| ruling.withdrawal.as_mut());
            if let Some(Withdrawal { by, comment }) = withdrawal {
                if *by != Withdrawer::RefMoved {
                    comment.clear();
                }
                if let Withdrawer::Person(Performer::Person(person)) = by {
                    person.display_name = None;
                }
            }
        }
        standing
    }
}

fn forget_names(ballot: &mut Ballot) {
    ballot.comment.clear();
    if let Performer::Person(person) = &mut ballot.performer {
        person.display_name = None;
    }
}

/// A channel that the deployment posts to: the part that decides which messages it gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Channel {
    /// Its name.
    pub name: TargetName,
    /// The way it is reached.
    pub means: Means,
}

/// The way a channel is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Means {
    /// A Workflows webhook: a posted card stays as it is.
    Webhook,
    /// The bot, which can change the cards that it has posted.
    Bot,
}

/// The standing of a relay: a decision, and the progress of its event.
#[derive(Clone, Debug)]
pub struct RelayStanding {
    /// The decision.
    pub decision: Decision,
    /// The progress of the event.
    pub progress: Progress,
}

/// The visibility of a repository, as a job's token gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Visibility {
    /// The time at which the token was issued, in seconds since 1970.
    pub said_at: i64,
    /// True if everybody can read the repository. Of two tokens of one second, that of a public repository is greater.
    pub is_public: bool,
}

/// The state of the event that follows from a decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// The state.
    pub state: DeliveryState,
    /// The time at which GitHub accepted the event.
    pub delivered_at: Option<DateTime<Utc>>,
    /// The reason why it has not arrived, if there is a known one.
    pub error: Option<DeliveryError>,
}

impl Delivery {
    /// The delivery if there is nothing to send.
    pub const NOTHING: Self = Self { state: DeliveryState::None, delivered_at: None, error: None };

    /// The delivery of an event with this progress, which may be sent now or not.
    pub fn of(progress: &Progress, may_send: Result<(), Forbidden>) -> Self {
        let pending = Self { state: DeliveryState::Pending, ..Self::NOTHING };
        match (progress, may_send) {
            (Progress::Done(at), _) => {
                Self { state: DeliveryState::Delivered, delivered_at: *at, error: None }
            }
            (_, Err(forbidden)) => {
                let error = Some(DeliveryError::Forbidden(forbidden));
                Self { state: DeliveryState::Dead, delivered_at: None, error }
            }
            (Progress::Tried(_, Some(result)), Ok(())) => {
                let error = result.what.is_refusal().then(|| DeliveryError::Refused(result.detail.clone()));
                let state = match result.next {
                    super::Next::Dead => DeliveryState::Dead,
                    super::Next::NotBefore(_) => DeliveryState::Pending,
                };
                Self { state, error, ..pending }
            }
            (Progress::Untried | Progress::Begun | Progress::Tried(_, None), Ok(())) => pending,
        }
    }
}

/// The reason why an event has not arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeliveryError {
    /// GitHub refuses the event, with this status and these words.
    Refused(String),
    /// The event may not be sent, by the settings of now.
    Forbidden(Forbidden),
}

/// The state of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryState {
    /// No event: nothing is decided, or nothing follows from it, or it is a dry run.
    None,
    /// The event is being sent, or waits for its time.
    Pending,
    /// GitHub has accepted the event.
    Delivered,
    /// The event was given up; an approver can have it sent again.
    Dead,
}

impl DeliveryState {
    /// The word that answers use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Dead => "dead",
        }
    }
}

/// The way the card that asks for a decision was posted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Posted {
    /// Not posted: the deployment has no channel.
    None,
    /// Not posted yet.
    Pending,
    /// Posted to the channel through its webhook.
    Webhook,
    /// Posted to the channel by the bot.
    Bot,
}

impl Posted {
    /// The word that answers use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Pending => "pending",
            Self::Webhook => "webhook",
            Self::Bot => "bot",
        }
    }
}

/// One line of the list: an open or a decided item.
#[derive(Clone, Debug)]
pub enum Item {
    /// A requested approval.
    Requested(Box<Standing>),
    /// A relay.
    Relayed(Box<RelayStanding>),
    /// A line whose record cannot be read: its id, and the time of the request or the decision.
    Unreadable(String, DateTime<Utc>),
}
