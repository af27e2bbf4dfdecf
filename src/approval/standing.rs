//! How far what was decided has come, for whoever looks.

use super::{Approval, Decision};

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

/// An approval, and how far what follows from it has come.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The approval.
    pub approval: Approval,
    /// The dispatch.
    pub delivery: DeliveryState,
    /// The card.
    pub posted: Posted,
}

/// One line of the list of what was decided and what waits.
#[derive(Clone, Debug)]
pub enum Item {
    /// A requested approval.
    Requested(Box<Seen>),
    /// A relayed decision, and how its dispatch stands.
    Relayed(Box<Decision>, DeliveryState),
}
