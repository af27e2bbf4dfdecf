//! A Workflows webhook: it posts cards to its channel.
//!
//! The URL is a secret. No id of a card comes back, so cards can never be changed.

use std::time::Duration;

use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};

use super::{CARD_TYPE, answered, unsent};
use crate::{
    approval::{SendAnswer, SendResult},
    http_client::{LazyClient, SecretUrl, failure},
    timing::Timing,
};

/// A connection that takes longer is given up: the card was surely not posted.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// A channel's webhook (`TEAMS_WEBHOOK_URL`).
pub struct Webhook {
    client: LazyClient,
    url: SecretUrl,
}

impl Webhook {
    /// The webhook at `url`; nothing is loaded or called yet.
    pub fn new(url: SecretUrl) -> Self {
        Self { client: LazyClient::new(url.expose().clone(), CONNECT_TIMEOUT), url }
    }

    /// Builds the client, unless it is there.
    pub fn prepare(&self) -> anyhow::Result<()> {
        self.client.get().map(drop)
    }

    /// Posts an Adaptive Card, at most once, and tells what the webhook said by the deadline.
    pub async fn post(&self, card: &Value, timing: Timing) -> SendResult {
        let client = match self.client.get() {
            Ok(client) => client,
            Err(error) => return unsent(SendAnswer::Unreachable, &error),
        };
        let request = client
            .post(self.url.expose().clone())
            .header(CONTENT_TYPE, "application/json")
            .body(message(card).to_string())
            .timeout(timing.left());
        match request.send().await {
            Ok(response) => answered("the webhook", response, self.url.expose().as_str()).await.0,
            Err(error) => failure("the webhook", &error.without_url()),
        }
    }
}

/// The trigger's input: a list of attachments, each with a `contentUrl`, which may be null.
fn message(card: &Value) -> Value {
    let attachment = json!({"contentType": CARD_TYPE, "contentUrl": null, "content": card});
    json!({"type": "message", "attachments": [attachment]})
}
