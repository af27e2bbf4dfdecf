//! The meaning of GitHub's answers: a value for each, and GitHub's words as far as they can be repeated.

use chrono::{DateTime, Utc};
use reqwest::{Response, StatusCode, header::HeaderMap};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use crate::{
    approval::{Permission, SendAnswer, SendResult},
    http_client::read_start,
    text::log::printable,
};

/// The part of a refusal that is read, in bytes: enough for GitHub's message.
const MAX_ANSWER_BYTES: usize = 16 * 1024;

/// The most of GitHub's `errors` that are repeated.
const MAX_ERRORS: usize = 5;

/// The longest message of GitHub's that is repeated, in characters.
const MAX_MESSAGE: usize = 400;

/// The beginning of GitHub's message if the token lacks a permission.
const NOT_ACCESSIBLE: &str = "Resource not accessible by";

/// An answer, as far as it is read.
pub struct Read {
    /// The status.
    pub status: StatusCode,
    /// The beginning of the body.
    pub body: Vec<u8>,
    /// GitHub's own words, without the token.
    pub message: String,
    /// The meaning.
    pub result: SendResult,
}

/// Reads the answer to a call with `token`. `now` is what the end of a rate limit is counted from.
pub async fn read(mut response: Response, token: &SecretString, now: DateTime<Utc>) -> Read {
    let (status, headers) = (response.status(), response.headers().clone());
    let body = read_start(&mut response, MAX_ANSWER_BYTES).await;
    // T32. A server that repeats the token must not make us log it.
    let message = message(&body).replace(token.expose_secret(), "***");
    let result = classify(status, &headers, &message, now);
    Read { status, body, message, result }
}

/// The meaning of an answer.
fn classify(status: StatusCode, headers: &HeaderMap, message: &str, now: DateTime<Utc>) -> SendResult {
    let wait_s = rate_limit_wait(headers, now);
    let answer = match status {
        StatusCode::NO_CONTENT => SendAnswer::Accepted,
        StatusCode::UNAUTHORIZED => SendAnswer::Unauthorized,
        StatusCode::TOO_MANY_REQUESTS => SendAnswer::RateLimited { wait_s },
        StatusCode::FORBIDDEN if is_rate_limit(headers, message) => SendAnswer::RateLimited { wait_s },
        StatusCode::FORBIDDEN if message.is_empty() || message.starts_with(NOT_ACCESSIBLE) => {
            let wanted = text(headers, "x-accepted-github-permissions").and_then(Permission::parse);
            SendAnswer::PermissionDenied { wanted }
        }
        StatusCode::FORBIDDEN | StatusCode::UNAVAILABLE_FOR_LEGAL_REASONS => {
            SendAnswer::Blocked(printable(message, MAX_MESSAGE))
        }
        StatusCode::NOT_FOUND => SendAnswer::NotFound,
        StatusCode::UNPROCESSABLE_ENTITY | StatusCode::BAD_REQUEST => SendAnswer::Unprocessable,
        _ if status.is_redirection() => SendAnswer::Moved,
        _ if status.is_server_error() => SendAnswer::ServerError(status.as_u16()),
        _ => SendAnswer::Unexpected(status.as_u16()),
    };
    let detail = match message.is_empty() {
        true => format!("GitHub answered {}", status.as_u16()),
        false => format!("GitHub answered {}: {}", status.as_u16(), printable(message, MAX_MESSAGE)),
    };
    SendResult { what: answer, wait_s, detail }
}

/// The `message` of GitHub's JSON and what it says of each of its `errors`, or nothing.
fn message(body: &[u8]) -> String {
    #[derive(serde::Deserialize)]
    struct Refusal {
        message: String,
        #[serde(default)]
        errors: Value,
    }
    let Ok(Refusal { message, errors }) = serde_json::from_slice(body) else { return String::new() };
    let errors = errors.as_array().map_or(&[][..], Vec::as_slice);
    let told = errors.iter().take(MAX_ERRORS).map(error).filter(|error| !error.is_empty());
    [message].into_iter().chain(told).collect::<Vec<_>>().join("; ")
}

/// One of GitHub's `errors`: a text, or what is wrong with which field of which resource.
fn error(error: &Value) -> String {
    let member = |name| error.get(name).and_then(Value::as_str);
    let place: Vec<_> = [member("resource"), member("field")].into_iter().flatten().collect();
    let parts = [error.as_str(), Some(place.join(".").as_str()), member("code"), member("message")]
        .map(|part| part.filter(|part| !part.is_empty()).map(str::to_owned));
    parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

fn is_rate_limit(headers: &HeaderMap, message: &str) -> bool {
    headers.contains_key("retry-after")
        || text(headers, "x-ratelimit-remaining") == Some("0")
        || message.to_ascii_lowercase().contains("rate limit")
}

/// The wait that GitHub asks for, in seconds: `retry-after` in seconds, else until `x-ratelimit-reset`, in epoch seconds.
fn rate_limit_wait(headers: &HeaderMap, now: DateTime<Utc>) -> Option<u64> {
    let seconds = |name| text(headers, name)?.trim().parse::<u64>().ok();
    if let Some(wait_s) = seconds("retry-after") {
        return Some(wait_s);
    }
    if text(headers, "x-ratelimit-remaining") != Some("0") {
        return None;
    }
    let reset = seconds("x-ratelimit-reset")?;
    Some(reset.saturating_sub(u64::try_from(now.timestamp()).unwrap_or(0)))
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_error_is_told_in_whichever_form_it_comes() {
        let told =
            |errors: Value| message(json!({"message": "Invalid", "errors": errors}).to_string().as_bytes());
        let object = json!({"resource": "Dispatch", "field": "event_type", "code": "missing_field"});
        assert_eq!(told(json!([object])), "Invalid; Dispatch.event_type missing_field");
        assert_eq!(
            told(json!(["too long", {"code": "custom", "message": "No."}])),
            "Invalid; too long; custom No."
        );
        for none in [json!(null), json!("x"), json!({}), json!([]), json!([7, null, {}, [], ""])] {
            assert_eq!(told(none), "Invalid");
        }
        assert_eq!(told(json!(vec!["x"; 100])).matches("; x").count(), MAX_ERRORS);
        assert_eq!(message(b"<html>"), "");
    }
}
