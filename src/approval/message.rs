//! The messages that follow from an approval or a relay, and the progress of each.

use std::fmt;

use chrono::{DateTime, Utc};

use super::{ApprovalId, RelayId, SendAnswer, hash, rules::RuleChannel};

/// An approval or a relay: something that messages are about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// A relayed decision.
    Relayed(RelayId),
    /// A requested approval.
    Requested(ApprovalId),
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Relayed(id) => write!(f, "relayed {}", id.short()),
            Self::Requested(id) => write!(f, "approval {}", id.short()),
        }
    }
}

/// The kind of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// The event for GitHub.
    Dispatch,
    /// The card that asks for a decision.
    Card,
    /// The card that shows the decision, if the first card cannot be changed.
    Result,
    /// The card that says that GitHub has the event, if the result was posted before.
    Delivered,
    /// The card that says that the release failed, if the result was posted before.
    Failed,
    /// The change of a card, so that it shows the present state of the approval.
    Update,
    /// The n-th reminder that the approval is still open.
    Reminder(u32),
}

/// The name of a channel that cards are posted to; the deployment's own channel has none.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TargetName(String);

impl TargetName {
    /// The longest name, in characters.
    const MAX: usize = 64;

    /// Reads a name: letters, digits, `_` and `-`, so that it can be part of a path in the store.
    pub fn parse(text: &str) -> Option<Self> {
        let is_part = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
        ((1..=Self::MAX).contains(&text.len()) && text.bytes().all(is_part)).then(|| Self(text.to_owned()))
    }

    /// The name; empty for the deployment's own channel.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The name follows from the channel alone, since records have it: rules may be renamed and change places. No webhook's
/// name has a hyphen, so none is that of a bot's channel.
impl From<&RuleChannel> for TargetName {
    fn from(channel: &RuleChannel) -> Self {
        match channel {
            RuleChannel::Deployment => Self::default(),
            RuleChannel::Webhook(name) => Self(name.clone()),
            RuleChannel::Bot(id) => Self(format!("bot-{}", &hash([id.as_bytes()])[..32])),
        }
    }
}

/// The name of a message among all messages about one subject: its kind and its target.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageName {
    /// The kind.
    pub kind: Kind,
    /// The channel; for GitHub's event, the empty name.
    pub target: TargetName,
}

impl MessageName {
    /// The event for GitHub.
    pub const DISPATCH: Self = Self { kind: Kind::Dispatch, target: TargetName(String::new()) };

    /// A message for the channel `target`.
    pub fn new(kind: Kind, target: &TargetName) -> Self {
        Self { kind, target: target.clone() }
    }

    /// Reads a name as `Display` writes it.
    pub fn parse(text: &str) -> Option<Self> {
        let (kind, target) = match text.split_once('@') {
            None => (text, TargetName::default()),
            Some((kind, target)) => (kind, TargetName::parse(target)?),
        };
        let kind = match kind {
            "dispatch" => Kind::Dispatch,
            "card" => Kind::Card,
            "result" => Kind::Result,
            "delivered" => Kind::Delivered,
            "failed" => Kind::Failed,
            "update" => Kind::Update,
            reminder => Kind::Reminder(reminder.strip_prefix("reminder-")?.parse().ok()?),
        };
        Some(Self { kind, target })
    }
}

/// Writes the name with which the message's records in the store begin.
impl fmt::Display for MessageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            Kind::Dispatch => f.write_str("dispatch")?,
            Kind::Card => f.write_str("card")?,
            Kind::Result => f.write_str("result")?,
            Kind::Delivered => f.write_str("delivered")?,
            Kind::Failed => f.write_str("failed")?,
            Kind::Update => f.write_str("update")?,
            Kind::Reminder(number) => write!(f, "reminder-{number:04}")?,
        }
        match self.target.0.as_str() {
            "" => Ok(()),
            target => write!(f, "@{target}"),
        }
    }
}

/// One message about one subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The approval or the relay.
    pub subject: Subject,
    /// Its name among the messages about that subject.
    pub name: MessageName,
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.name, self.subject)
    }
}

/// A message that was posted to Teams, with the ids by which it can be changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostedMessage {
    /// The thread that it began.
    pub conversation: String,
    /// The message itself.
    pub activity: String,
}

/// The progress of a message.
#[derive(Clone, Debug, PartialEq)]
pub enum Progress {
    /// Nobody has tried to send it.
    Untried,
    /// Somebody has tried; the result was not read.
    Begun,
    /// The newest attempt, and its result if it has ended.
    Tried(Attempt, Option<AttemptResult>),
    /// The message has arrived, at this time if that was read.
    Done(Option<DateTime<Utc>>),
}

/// One attempt to send a message: the right to send it until the lease ends.
#[derive(Clone, Debug, PartialEq)]
pub struct Attempt {
    /// 1 for the first.
    pub number: u32,
    /// The time at which it began.
    pub began_at: DateTime<Utc>,
    /// The end of the lease: until then nobody else may send.
    pub lease_until: DateTime<Utc>,
    /// The start of the time for delivering: the decision, or the click that revived a dead letter.
    pub window_from: DateTime<Utc>,
    /// The attempts in that time that failed before this one.
    pub failures: u32,
}

/// The result of an attempt.
#[derive(Clone, Debug, PartialEq)]
pub struct AttemptResult {
    /// The time at which it ended.
    pub ended_at: DateTime<Utc>,
    /// The receiver's answer.
    pub what: SendAnswer,
    /// The answer in words, for the operator.
    pub detail: String,
    /// The time before which the receiver wants no other attempt, not even for a click.
    pub asked_to_wait_until: Option<DateTime<Utc>>,
    /// The next step if nobody clicks.
    pub next: Next,
    /// The state that the card shows, or should have shown; of updates only.
    pub shown: Option<String>,
}

/// The step after an attempt that failed.
#[derive(Clone, Debug, PartialEq)]
pub enum Next {
    /// Another attempt, not before this time.
    NotBefore(DateTime<Utc>),
    /// No other attempt: a dead letter.
    Dead,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_as_it_was_written_and_nothing_else_is() {
        let staging = TargetName::parse("STAGING").expect("a name");
        for kind in [
            Kind::Dispatch,
            Kind::Card,
            Kind::Result,
            Kind::Delivered,
            Kind::Failed,
            Kind::Update,
            Kind::Reminder(7),
        ] {
            for target in [&TargetName::default(), &staging] {
                let name = MessageName::new(kind, target);
                assert_eq!(MessageName::parse(&name.to_string()), Some(name));
            }
        }
        for other in
            ["", "vote", "request", "decision", "reminder-", "reminder-x", "card@", "card@a.b", "card@a/b"]
        {
            assert_eq!(MessageName::parse(other), None, "{other}");
        }
    }

    #[test]
    fn a_rule_s_channel_has_a_name_that_follows_from_it_alone() {
        let name = |channel| TargetName::from(&channel);
        let security = name(RuleChannel::Bot("19:security@thread.tacv2".to_owned()));
        assert_eq!(security.as_str(), "bot-bbf6dbea482509dcf027027b0245c418", "records have it");
        assert_eq!(TargetName::parse(security.as_str()), Some(security.clone()));
        assert_ne!(name(RuleChannel::Bot("19:Security@thread.tacv2".to_owned())), security);
        assert_eq!(name(RuleChannel::Webhook("STAGING".to_owned())).as_str(), "STAGING");
        assert_eq!(name(RuleChannel::Deployment), TargetName::default());
    }

    #[test]
    fn the_names_of_today_never_change() {
        let reminder = MessageName::new(Kind::Reminder(1), &TargetName::default());
        assert_eq!(
            (MessageName::DISPATCH.to_string(), reminder.to_string()),
            ("dispatch".into(), "reminder-0001".into())
        );
    }
}
