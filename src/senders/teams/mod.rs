//! Outbound to Microsoft Teams: as a bot through the Bot Connector, or to a Workflows webhook.
//!
//! The answer of Teams is a value. Its words may hold an address or a name, so only the code of an error is kept. The bot's token goes to the configured service alone.

mod bot;
pub mod connector;
mod members;
pub mod webhook;

use reqwest::{Response, StatusCode, header::RETRY_AFTER};
use serde_json::{Value, json};

pub use self::bot::{Bot, BotCredential};
use crate::{
    approval::{SendAnswer, SendResult},
    http_client::read_start,
    text::log::describe,
};

/// The part of an answer that is read, in bytes: more than ids, a member or an error ever take.
const MAX_ANSWER_BYTES: usize = 16 * 1024;

/// The longest code of an error that is repeated, in bytes.
const MAX_CODE_BYTES: usize = 60;

/// The content type of an attachment with an Adaptive Card.
const CARD_TYPE: &str = "application/vnd.microsoft.card.adaptive";

/// An Adaptive Card, and the plain text that stands for it where it is not drawn, as in a phone's notification.
#[derive(Clone, Debug)]
pub struct Post {
    /// The card.
    pub card: Value,
    /// The text: one line.
    pub summary: String,
}

/// An activity with an Adaptive Card and nothing else, as the Bot Connector takes it.
pub fn card_message(Post { card, summary }: &Post) -> Value {
    json!({"type": "message", "summary": summary, "attachments": [{"contentType": CARD_TYPE, "content": card}]})
}

/// The answer if nothing could be sent.
fn unsent(answer: SendAnswer, error: &anyhow::Error) -> SendResult {
    SendResult { what: answer, wait_s: None, detail: describe(error) }
}

/// The meaning of an answer of `whom`, and the start of its body. `secret` is the credential of the call.
async fn answered(whom: &str, mut response: Response, secret: &str) -> (SendResult, Vec<u8>) {
    let status = response.status();
    let wait_s =
        response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
    let body = read_start(&mut response, MAX_ANSWER_BYTES).await;
    // A server that repeats what it was called with must not make us log it.
    let code = error_code(&body).filter(|code| !status.is_success() && !secret.contains(code.as_str()));
    let code = code.map(|code| format!(" ({code})")).unwrap_or_default();
    let detail = format!("{whom} answered {}{code}", status.as_u16());
    (SendResult { what: meaning(status, wait_s), wait_s, detail }, body)
}

/// The code of an error, such as `BotNotInConversationRoster`, if it looks like one.
fn error_code(body: &[u8]) -> Option<String> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let code = body["error"]["code"].as_str()?;
    let is_code =
        (1..=MAX_CODE_BYTES).contains(&code.len()) && code.bytes().all(|b| b.is_ascii_alphanumeric());
    is_code.then(|| code.to_owned())
}

fn meaning(status: StatusCode, wait_s: Option<u64>) -> SendAnswer {
    match status {
        _ if status.is_success() => SendAnswer::Accepted,
        StatusCode::UNAUTHORIZED => SendAnswer::Unauthorized,
        StatusCode::FORBIDDEN => SendAnswer::PermissionDenied { wanted: None },
        StatusCode::NOT_FOUND | StatusCode::GONE => SendAnswer::NotFound,
        // 412 is what the Bot Connector says when two messages of one thread meet: later is early enough.
        StatusCode::TOO_MANY_REQUESTS | StatusCode::PRECONDITION_FAILED => SendAnswer::RateLimited { wait_s },
        _ if status.is_redirection() => SendAnswer::Moved,
        _ if status.is_server_error() => SendAnswer::ServerError(status.as_u16()),
        _ => SendAnswer::Unexpected(status.as_u16()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_looks_like_a_code_is_one() {
        let code = |json: Value| error_code(json.to_string().as_bytes());
        for known in
            ["BotNotInConversationRoster", "MessageSizeTooBig", "DirectApiAuthorizationRequired", "502"]
        {
            assert_eq!(code(json!({"error": {"code": known, "message": "x"}})).as_deref(), Some(known));
        }
        for other in [
            json!({"error": {"code": "the bot of alex@contoso.com"}}),
            json!({"error": {"code": "a\r\nb"}}),
            json!({"error": {"code": ""}}),
            json!({"error": {"code": "x".repeat(61)}}),
            json!({"error": {"code": 7}}),
            json!({"error": "Forbidden"}),
            json!({"code": "Forbidden"}),
            json!(["error"]),
        ] {
            assert_eq!(code(other.clone()), None, "{other}");
        }
        assert_eq!(error_code(b"Forbidden"), None);
    }
}
