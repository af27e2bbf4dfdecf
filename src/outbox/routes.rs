//! Where messages go, and what goes there.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::{
    approval::{Answered, Dispatch, PostedMessage},
    cards::Cards,
    senders::github::GitHub,
    senders::teams::{card_message, connector::Connector, webhook::Webhook},
};

/// Where messages go.
pub struct Routes {
    /// GitHub, if there is a token; never in a dry run.
    pub github: Option<GitHub>,
    /// The channel in Teams, if there is one.
    pub channel: Option<Channel>,
    /// What writes the cards that go there.
    pub cards: Arc<Cards>,
}

/// How a channel is reached.
pub enum Channel {
    /// Through a Workflows webhook: what was posted stays as it is.
    Webhook(Webhook),
    /// By the bot, which can change what it has posted.
    Bot(Arc<Connector>),
}

impl Routes {
    /// Builds the clients, which for https loads the trusted certificates (some milliseconds), unless they are there.
    pub fn prepare(&self) -> anyhow::Result<()> {
        self.github.as_ref().map_or(Ok(()), GitHub::prepare)?;
        match &self.channel {
            None => Ok(()),
            Some(Channel::Webhook(webhook)) => webhook.prepare(),
            Some(Channel::Bot(connector)) => connector.prepare(),
        }
    }
}

/// What goes out.
#[derive(Clone, Copy)]
pub enum Content<'a> {
    /// The event, for GitHub.
    Dispatch(&'a Dispatch),
    /// A card of its own.
    Card(&'a Value),
    /// A card in the thread of another.
    Reply(&'a PostedMessage, &'a Value),
    /// A card in the place of another, and the state that it shows.
    Update(&'a PostedMessage, &'a Value, &'a str),
}

impl<'a> Content<'a> {
    /// Whether it could be sent at all.
    pub fn has_route(self, routes: &Routes) -> bool {
        match self {
            Self::Dispatch(_) => routes.github.is_some(),
            Self::Card(_) => routes.channel.is_some(),
            Self::Reply(..) | Self::Update(..) => matches!(routes.channel, Some(Channel::Bot(_))),
        }
    }

    /// The state that is to be shown, where that can change.
    pub fn state(self) -> Option<&'a str> {
        match self {
            Self::Update(_, _, state) => Some(state),
            Self::Dispatch(_) | Self::Card(_) | Self::Reply(..) => None,
        }
    }

    /// What was answered, and where a card now stands that can be changed.
    pub async fn send(
        self,
        routes: &Routes,
        timeout: Duration,
        now: DateTime<Utc>,
    ) -> (Answered, Option<PostedMessage>) {
        let answered = match (self, &routes.github, &routes.channel) {
            (Self::Dispatch(dispatch), Some(github), _) => github.dispatch(dispatch, timeout, now).await,
            (Self::Card(card), _, Some(Channel::Webhook(webhook))) => webhook.post(card, timeout).await,
            (Self::Card(card), _, Some(Channel::Bot(bot))) => return bot.post(card, timeout, now).await,
            (Self::Reply(to, card), _, Some(Channel::Bot(bot))) => {
                bot.send(&to.conversation, &card_message(card), timeout, now).await
            }
            (Self::Update(message, card, _), _, Some(Channel::Bot(bot))) => {
                bot.update(message, card, timeout, now).await
            }
            _ => Answered::not_tried(),
        };
        (answered, None)
    }
}
