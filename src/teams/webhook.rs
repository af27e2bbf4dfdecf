//! A Workflows webhook: what is posted to it stands in the channel.
//!
//! The URL is a secret. No id of what was posted comes back, so it can never be changed.

use std::time::Duration;

use reqwest::{
    Response, StatusCode,
    header::{CONTENT_TYPE, RETRY_AFTER},
};
use serde_json::{Value, json};

use crate::{
    approval::{Answered, DispatchAnswer},
    http_client::{LazyClient, SecretUrl, failure, read_start},
};

/// A connection that takes longer is given up: the card was surely not posted.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// How much of an answer is read, in bytes, so that its connection can serve again.
const MAX_ANSWER_BYTES: usize = 16 * 1024;

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

    /// Posts an Adaptive Card, at most once, and tells what the webhook said within `timeout`.
    pub async fn post(&self, card: &Value, timeout: Duration) -> Answered {
        let client = match self.client.get() {
            Ok(client) => client,
            Err(error) => return unprepared(&error),
        };
        let request = client
            .post(self.url.expose().clone())
            .header(CONTENT_TYPE, "application/json")
            .body(message(card).to_string())
            .timeout(timeout);
        match request.send().await {
            Ok(response) => classify(response).await,
            Err(error) => failure("the webhook", &error.without_url()),
        }
    }
}

/// The message in which a webhook takes a card.
fn message(card: &Value) -> Value {
    json!({"type": "message", "attachments": [
        {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": null, "content": card},
    ]})
}

fn unprepared(error: &anyhow::Error) -> Answered {
    let detail = crate::printable::describe(error);
    Answered { answer: DispatchAnswer::Unreachable, asked_to_wait_s: None, detail }
}

async fn classify(mut response: Response) -> Answered {
    let status = response.status();
    let wait_s =
        response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
    // The words of a flow may hold its address, so none of them are kept.
    read_start(&mut response, MAX_ANSWER_BYTES).await;
    let answer = match status {
        _ if status.is_success() => DispatchAnswer::Accepted,
        StatusCode::UNAUTHORIZED => DispatchAnswer::Unauthorized,
        StatusCode::FORBIDDEN => DispatchAnswer::PermissionDenied { wanted: None },
        StatusCode::NOT_FOUND | StatusCode::GONE => DispatchAnswer::NotFound,
        StatusCode::TOO_MANY_REQUESTS => DispatchAnswer::RateLimited { wait_s },
        _ if status.is_redirection() => DispatchAnswer::Moved,
        _ if status.is_server_error() => DispatchAnswer::ServerError(status.as_u16()),
        _ => DispatchAnswer::Unexpected(status.as_u16()),
    };
    Answered { answer, asked_to_wait_s: wait_s, detail: format!("the webhook answered {}", status.as_u16()) }
}
