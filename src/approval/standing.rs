//! How far what was decided has come, for whoever looks.

use chrono::{DateTime, Utc};

use super::{Approval, Decision};

/// Whether everybody can read a repository, as a job's token said it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Visibility {
    /// When the token was issued, in seconds since 1970.
    pub said_at: i64,
    /// What it said. Of two tokens of one second, that of a public repository is the greater one.
    pub is_public: bool,
}

/// How the dispatch stands that a decision is to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryState {
    /// There is none to be sent: nothing is decided, or nothing follows from it, or it is a dry run.
    None,
    /// It is being sent, or waits for its time.
    Pending,
    /// GitHub has accepted it.
    Delivered,
    /// It was given up; an approver can have it sent again.
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

/// Where the card that asks for a decision was posted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Posted {
    /// Nowhere is set to post to.
    None,
    /// Not yet.
    Pending,
    /// To the channel, through its webhook.
    Webhook,
    /// To the channel, by the bot.
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

/// A message that stands in Teams, by which it can be changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostedMessage {
    /// The thread that it began.
    pub conversation: String,
    /// The message itself.
    pub activity: String,
}

/// How the dispatch of a decision stands, with what is known about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dispatched {
    /// How it stands.
    pub delivery: DeliveryState,
    /// When GitHub accepted it.
    pub delivered_at: Option<DateTime<Utc>>,
    /// GitHub's status and words while it refuses it, or ours while it is not allowed.
    pub error: Option<String>,
}

impl Dispatched {
    /// There is nothing to be sent.
    pub const NOTHING: Self = Self { delivery: DeliveryState::None, delivered_at: None, error: None };
}

/// An approval, and how far what follows from it has come.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The approval.
    pub approval: Approval,
    /// The dispatch.
    pub dispatch: Dispatched,
    /// The card.
    pub posted: Posted,
}

/// One line of the list of what was decided and what waits.
#[derive(Clone, Debug)]
pub enum Item {
    /// A requested approval.
    Requested(Box<Seen>),
    /// A relayed decision, and how its dispatch stands.
    Relayed(Box<Decision>, Dispatched),
    /// Something of which a record cannot be read: its id, and when it was asked for or decided.
    Unreadable(String, DateTime<Utc>),
}
