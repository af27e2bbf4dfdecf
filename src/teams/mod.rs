//! Outbound to Microsoft Teams: as a bot through the Bot Connector, or to a Workflows webhook.
//!
//! What Teams answers is told as a value; of its words, which may hold an address or a name, none are kept. The bot's
//! token goes to the configured service alone.

mod bot;
pub mod connector;
mod members;
mod token;
pub mod webhook;

use reqwest::{Response, StatusCode, header::RETRY_AFTER};
use serde_json::{Value, json};

pub use self::bot::{Bot, BotCredential};
use crate::{
    approval::{Answered, DispatchAnswer},
    printable::describe,
};

/// A message with an Adaptive Card and nothing else.
pub fn card_message(card: &Value) -> Value {
    json!({"type": "message", "attachments": [
        {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": null, "content": card},
    ]})
}

/// What it means that nothing could be sent.
fn unsent(answer: DispatchAnswer, error: &anyhow::Error) -> Answered {
    Answered { answer, asked_to_wait_s: None, detail: describe(error) }
}

/// What `whom` means by the head of an answer.
fn answered(whom: &str, response: &Response) -> Answered {
    let status = response.status();
    let wait_s =
        response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
    let detail = format!("{whom} answered {}", status.as_u16());
    Answered { answer: meaning(status, wait_s), asked_to_wait_s: wait_s, detail }
}

fn meaning(status: StatusCode, wait_s: Option<u64>) -> DispatchAnswer {
    match status {
        _ if status.is_success() => DispatchAnswer::Accepted,
        StatusCode::UNAUTHORIZED => DispatchAnswer::Unauthorized,
        StatusCode::FORBIDDEN => DispatchAnswer::PermissionDenied { wanted: None },
        StatusCode::NOT_FOUND | StatusCode::GONE => DispatchAnswer::NotFound,
        // 412 is what the Bot Connector says when two messages of one thread meet: later is early enough.
        StatusCode::TOO_MANY_REQUESTS | StatusCode::PRECONDITION_FAILED => {
            DispatchAnswer::RateLimited { wait_s }
        }
        _ if status.is_redirection() => DispatchAnswer::Moved,
        _ if status.is_server_error() => DispatchAnswer::ServerError(status.as_u16()),
        _ => DispatchAnswer::Unexpected(status.as_u16()),
    }
}
