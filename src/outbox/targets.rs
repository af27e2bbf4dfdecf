//! The receivers of messages: GitHub, and the deployment's channels.

use std::sync::Arc;

use super::wanted::Wanted;
use crate::{
    approval::{self, Dispatch, Means, NamedRun, PostedMessage, SendResult, TargetName},
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
}

/// A channel.
pub struct Target {
    /// Its name.
    pub name: TargetName,
    /// The way to it.
    pub sender: Sender,
}

/// The way to a channel.
pub enum Sender {
    /// Through a Workflows webhook.
    Webhook(Webhook),
    /// By the bot.
    Bot(Arc<Connector>),
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
    pub fn prepare(&self) -> anyhow::Result<()> {
        self.github.prepare()?;
        self.channels.iter().try_for_each(|target| match &target.sender {
            Sender::Webhook(webhook) => webhook.prepare(),
            Sender::Bot(connector) => connector.prepare(),
        })
    }

    /// The channels: the part that decides which messages they get.
    pub fn channels(&self) -> Vec<approval::Channel> {
        let means = |sender: &Sender| match sender {
            Sender::Webhook(_) => Means::Webhook,
            Sender::Bot(_) => Means::Bot,
        };
        let channel =
            |target: &Target| approval::Channel { name: target.name.clone(), means: means(&target.sender) };
        self.channels.iter().map(channel).collect()
    }

    /// The setting without which `wanted` cannot be sent.
    pub fn lacks(&self, wanted: &Wanted) -> Option<&'static str> {
        match wanted.is_event() {
            true => self.github.lacks(),
            false => self.sender(&wanted.name.target).map_or(Some("TEAMS_CHANNEL_ID"), Sender::lacks),
        }
    }

    pub(super) fn sender(&self, name: &TargetName) -> Option<&Sender> {
        self.channels.iter().find(|target| target.name == *name).map(|target| &target.sender)
    }

    /// Sends `body`. Returns the answer, and the trace that the message has left, if that is known.
    pub async fn send(
        &self,
        target: &TargetName,
        body: &Body,
        timing: Timing,
    ) -> (SendResult, Option<Trace>) {
        let answered = match (body, self.sender(target)) {
            (Body::Event(dispatch), _) => {
                let (answered, run) = self.github.dispatch(dispatch, timing).await;
                return (answered, run.map(Trace::Run));
            }
            (Body::Card(post), Some(Sender::Webhook(webhook))) => webhook.post(&post.card, timing).await,
            (Body::Card(post), Some(Sender::Bot(bot))) => {
                let (answered, place) = bot.post(post, timing).await;
                return (answered, place.map(Trace::Card));
            }
            (Body::Reply(place, post), Some(Sender::Bot(bot))) => {
                bot.send(&place.conversation, &card_message(post), timing).await
            }
            (Body::Change(place, post), Some(Sender::Bot(bot))) => bot.update(place, post, timing).await,
            (Body::Reply(..) | Body::Change(..), Some(Sender::Webhook(_)))
            | (Body::Card(_) | Body::Reply(..) | Body::Change(..), None) => SendResult::not_tried(),
        };
        (answered, None)
    }
}

impl Sender {
    fn lacks(&self) -> Option<&'static str> {
        match self {
            Self::Webhook(_) => None,
            Self::Bot(bot) => bot.lacks(),
        }
    }
}
