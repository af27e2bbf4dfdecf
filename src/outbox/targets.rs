//! The receivers of messages: GitHub, and the deployment's channels.

use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};

use super::wanted::{Effect, Wanted};
use crate::{
    approval::{
        self, Dispatch, Means, NamedRun, PostedMessage, SendAnswer, SendResult, TargetName,
        rules::RuleChannel,
    },
    senders::{
        github::GitHub,
        teams::{Post, card_message, connector::Connector, webhook::Webhook},
    },
    timing::Timing,
};

/// The receivers of messages.
pub struct Targets {
    /// GitHub.
    pub github: GitHub,
    /// The channels, each under a name of its own.
    pub channels: Vec<Target>,
    /// The bot, which can change its cards wherever they stand.
    pub bot: Option<Arc<Connector>>,
}

/// A channel.
pub struct Target {
    /// Its name.
    pub name: TargetName,
    /// Its name for people: the setting, or the rule.
    pub called: String,
    /// The way to it.
    pub sender: Sender,
    /// The last card that was posted to it from here, if that failed.
    trouble: Mutex<Option<Trouble>>,
}

/// The failure of a card.
#[derive(Clone, Debug, PartialEq)]
pub struct Trouble {
    /// The time at which it was to be posted.
    pub at: DateTime<Utc>,
    /// The answer.
    pub answer: SendAnswer,
}

/// The time for which a sweep posts no other card to a channel that gave no answer: it would only wait again, and others
/// with it. The next attempt for the same approval is later anyhow.
const REST: TimeDelta = TimeDelta::seconds(20);

impl Target {
    /// A channel that is called so.
    pub fn new(name: TargetName, called: impl Into<String>, sender: Sender) -> Self {
        Self { name, called: called.into(), sender, trouble: Mutex::default() }
    }

    /// The failure of the last card that was posted to it from here.
    pub fn trouble(&self) -> Option<Trouble> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, answer: &SendAnswer, at: DateTime<Utc>) {
        let trouble = (*answer != SendAnswer::Accepted).then(|| Trouble { at, answer: answer.clone() });
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
    }
}

/// The way to a channel.
pub enum Sender {
    /// Through a Workflows webhook.
    Webhook(Webhook),
    /// By the bot, to the channel of this id.
    Bot(Arc<Connector>, String),
}

/// The content of a message.
pub enum Body {
    /// The event, for GitHub.
    Event(Dispatch),
    /// A card of its own.
    Card(Post),
    /// A card in the thread of another.
    Reply(PostedMessage, Post),
    /// A card that replaces another.
    Change(PostedMessage, Post),
}

/// The trace that a message leaves at its receiver.
pub enum Trace {
    /// The place of a card that can be changed.
    Card(PostedMessage),
    /// The run of the workflow that was started.
    Run(NamedRun),
}

impl Targets {
    /// Builds the clients unless they are there; for https that loads the trusted certificates (some milliseconds).
    /// Those of rules' webhooks are built when they are needed: there may be many.
    pub fn prepare(&self) -> anyhow::Result<()> {
        self.github.prepare()?;
        self.bot.as_ref().map_or(Ok(()), |bot| bot.prepare())?;
        match self.sender(&TargetName::default()) {
            Some(Sender::Webhook(webhook)) => webhook.prepare(),
            Some(Sender::Bot(..)) | None => Ok(()),
        }
    }

    /// The channels: the part that decides which messages they get.
    pub fn channels(&self) -> Vec<approval::Channel> {
        let means = |sender: &Sender| match sender {
            Sender::Webhook(_) => Means::Webhook,
            Sender::Bot(..) => Means::Bot,
        };
        let channel =
            |target: &Target| approval::Channel { name: target.name.clone(), means: means(&target.sender) };
        self.channels.iter().map(channel).collect()
    }

    /// The name of the channel of this id, if the bot posts to it.
    pub fn by_bot(&self, id: &str) -> Option<&TargetName> {
        let is_it = |target: &&Target| matches!(&target.sender, Sender::Bot(_, channel) if channel == id);
        self.channels.iter().find(is_it).map(|target| &target.name)
    }

    /// The name of a rule's channel. Without a way to it nothing else has that name, so that nothing is posted elsewhere.
    pub fn name_of(&self, channel: &RuleChannel) -> TargetName {
        match channel {
            // A rule may name the deployment's own.
            RuleChannel::Bot(id) => self.by_bot(id).cloned().unwrap_or_else(|| TargetName::from(channel)),
            RuleChannel::Webhook(_) | RuleChannel::Deployment => TargetName::from(channel),
        }
    }

    /// The setting without which `wanted` cannot be sent.
    pub fn lacks(&self, wanted: &Wanted) -> Option<&'static str> {
        wanted.is_event().then(|| self.github.lacks()).flatten()
    }

    pub(super) fn sender(&self, name: &TargetName) -> Option<&Sender> {
        self.target(name).map(|target| &target.sender)
    }

    fn target(&self, name: &TargetName) -> Option<&Target> {
        self.channels.iter().find(|target| target.name == *name)
    }

    /// True if `wanted` is a card for a channel that gave no answer just now.
    pub(super) fn rests(&self, wanted: &Wanted, now: DateTime<Utc>) -> bool {
        let trouble = match wanted.effect {
            Effect::Card => self.target(&wanted.name.target).and_then(Target::trouble),
            Effect::Event | Effect::Reminder(_) | Effect::Change { .. } => None,
        };
        trouble.is_some_and(|Trouble { at, answer }| {
            let is_silent =
                matches!(answer, SendAnswer::Unreachable | SendAnswer::TimedOut | SendAnswer::Broken);
            is_silent && (at..at + REST).contains(&now)
        })
    }

    /// Sends `body`. Returns the answer, and the trace that the message has left, if that is known.
    pub async fn send(
        &self,
        target: &TargetName,
        body: &Body,
        timing: Timing,
    ) -> (SendResult, Option<Trace>) {
        let (answered, trace) = self.send_to(target, body, timing).await;
        if let (Body::Card(_), Some(target)) = (body, self.target(target)) {
            target.note(&answered.what, timing.now);
        }
        (answered, trace)
    }

    async fn send_to(&self, target: &TargetName, body: &Body, timing: Timing) -> (SendResult, Option<Trace>) {
        let answered = match (body, self.sender(target)) {
            (Body::Event(dispatch), _) => {
                let (answered, run) = self.github.dispatch(dispatch, timing).await;
                return (answered, run.map(Trace::Run));
            }
            (Body::Card(post), Some(Sender::Webhook(webhook))) => webhook.post(&post.card, timing).await,
            (Body::Card(post), Some(Sender::Bot(bot, channel))) => {
                let (answered, place) = bot.post(channel, post, timing).await;
                return (answered, place.map(Trace::Card));
            }
            (Body::Reply(place, post), Some(Sender::Bot(bot, _))) => {
                bot.send(&place.conversation, &card_message(post), timing).await
            }
            (Body::Change(place, post), _) => match &self.bot {
                Some(bot) => bot.update(place, post, timing).await,
                None => SendResult::not_tried(),
            },
            (Body::Reply(..), Some(Sender::Webhook(_))) | (Body::Card(_) | Body::Reply(..), None) => {
                SendResult::not_tried()
            }
        };
        (answered, None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        approval::{Kind, MessageName},
        http_client::SecretUrl,
    };

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000, 0).expect("a time")
    }

    #[test]
    fn a_channel_that_is_silent_gets_no_other_card_for_a_moment_and_the_rest_go_on() {
        let url = |text: &str| text.parse::<url::Url>().expect("a URL");
        let names = ["A", "B"].map(|name| TargetName::parse(name).expect("a name"));
        let webhook = |name: &TargetName| {
            let sender = Sender::Webhook(Webhook::new(SecretUrl::new(url("http://localhost:9"))));
            Target::new(name.clone(), "", sender)
        };
        let github = GitHub::new(url("http://localhost:9"), None, None);
        let targets = Targets { github, channels: names.iter().map(webhook).collect(), bot: None };
        let [one, other] = names.map(|name| Wanted {
            name: MessageName::new(Kind::Card, &name),
            since: now(),
            effect: Effect::Card,
            forbidden: None,
        });
        let after = |seconds| now() + TimeDelta::seconds(seconds);
        for (answer, rests) in [
            (SendAnswer::TimedOut, true),
            (SendAnswer::Unreachable, true),
            (SendAnswer::NotFound, false),
            (SendAnswer::Accepted, false),
        ] {
            targets.channels[0].note(&answer, now());
            assert_eq!(targets.rests(&one, after(19)), rests, "{answer:?}");
            assert!(!targets.rests(&one, after(20)) && !targets.rests(&other, after(1)), "{answer:?}");
            let changed = Wanted { effect: Effect::Reminder(None), ..one.clone() };
            assert!(!targets.rests(&changed, after(1)));
        }
    }
}
