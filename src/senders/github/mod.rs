//! GitHub's side: `repository_dispatch`, one call on one pooled client.
//!
//! Every call has a limit on connecting, on its whole length and on what is read of the answer. Redirects are never
//! followed, and the token goes to `GITHUB_API_URL` alone. GitHub's answer is a value; its consequences
//! are decided elsewhere.

use std::time::Duration;

use anyhow::Context;
use chrono::{DateTime, Utc};
use reqwest::{
    Response, StatusCode, Url,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue},
};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use crate::{
    approval::{Dispatch, Permission, SendAnswer, SendResult},
    http_client::{LazyClient, failure, read_start},
    text::log::printable,
    timing::Timing,
    urls::below,
};

/// The version of GitHub's REST API that the calls are written for.
const API_VERSION: &str = "2022-11-28";

/// A connection that takes longer is given up: the event was surely not sent.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// The part of a refusal that is read, in bytes: enough for GitHub's message.
const MAX_ANSWER_BYTES: usize = 16 * 1024;

/// The most of GitHub's `errors` that are repeated.
const MAX_ERRORS: usize = 5;

/// The longest message of GitHub's that is repeated, in characters.
const MAX_MESSAGE: usize = 400;

/// The beginning of GitHub's message if the token lacks a permission.
const NOT_ACCESSIBLE: &str = "Resource not accessible by";

/// GitHub, or a server that speaks its API.
pub struct GitHub {
    client: LazyClient,
    token: Option<SecretString>,
}

impl GitHub {
    /// GitHub at `api` (`GITHUB_API_URL`), called with `token` (`GITHUB_TOKEN`). Nothing is loaded or called yet.
    pub fn new(api: Url, token: Option<SecretString>) -> Self {
        Self { client: LazyClient::new(api, CONNECT_TIMEOUT), token }
    }

    /// The setting without which nothing can be sent.
    pub fn lacks(&self) -> Option<&'static str> {
        self.token.is_none().then_some("GITHUB_TOKEN")
    }

    /// Builds the client, which for https loads the trusted certificates (some milliseconds), unless it is there or
    /// nothing can be sent.
    pub fn prepare(&self) -> anyhow::Result<()> {
        match self.lacks() {
            Some(_) => Ok(()),
            None => self.client.get().map(drop),
        }
    }

    /// Sends `dispatch`, at most once, and tells what GitHub said by the deadline. `now` is what the end of a rate
    /// limit is counted from.
    pub async fn dispatch(&self, dispatch: &Dispatch, timing: Timing) -> SendResult {
        let Some(token) = &self.token else { return SendResult::not_tried() };
        let request = match self.request(dispatch, token) {
            Ok(request) => request,
            Err(error) => {
                return SendResult {
                    what: SendAnswer::Unreachable,
                    wait_s: None,
                    detail: printable(&format!("{error:#}"), 200),
                };
            }
        };
        match request.timeout(timing.left()).send().await {
            Ok(response) => classify(response, token, timing.now).await,
            Err(error) => failure("GitHub", &error),
        }
    }

    /// GitHub's answer to a question that changes nothing.
    pub async fn get(&self, path: &[&str], timing: Timing) -> anyhow::Result<Response> {
        let token = self.token.as_ref().context("GITHUB_TOKEN is not set")?;
        let url = below(self.client.base(), path.iter().copied());
        let request = self.client.get()?.get(url).header(AUTHORIZATION, authorization(token)?);
        let request = request.header(ACCEPT, "application/vnd.github+json");
        let request = request.header("X-GitHub-Api-Version", API_VERSION).timeout(timing.left());
        Ok(request.send().await?)
    }

    fn request(&self, dispatch: &Dispatch, token: &SecretString) -> anyhow::Result<reqwest::RequestBuilder> {
        let (owner, name) = (dispatch.repository.owner(), dispatch.repository.name());
        let url = below(self.client.base(), ["repos", owner, name, "dispatches"]);
        Ok(self
            .client
            .get()?
            .post(url)
            .header(AUTHORIZATION, authorization(token)?)
            .header(ACCEPT, "application/vnd.github+json")
            .header("X-GitHub-Api-Version", API_VERSION)
            .header(CONTENT_TYPE, "application/json")
            .body(dispatch.body()))
    }
}

fn authorization(token: &SecretString) -> anyhow::Result<HeaderValue> {
    let mut authorization = HeaderValue::try_from(format!("Bearer {}", token.expose_secret()))
        .context("GITHUB_TOKEN does not fit into a header")?;
    authorization.set_sensitive(true);
    Ok(authorization)
}

async fn classify(mut response: Response, token: &SecretString, now: DateTime<Utc>) -> SendResult {
    let status = response.status();
    let headers = response.headers().clone();
    // T32. A server that repeats the token must not make us log it.
    let message =
        message(&read_start(&mut response, MAX_ANSWER_BYTES).await).replace(token.expose_secret(), "***");
    let wait_s = rate_limit_wait(&headers, now);
    let answer = match status {
        StatusCode::NO_CONTENT => SendAnswer::Accepted,
        StatusCode::UNAUTHORIZED => SendAnswer::Unauthorized,
        StatusCode::TOO_MANY_REQUESTS => SendAnswer::RateLimited { wait_s },
        StatusCode::FORBIDDEN if is_rate_limit(&headers, &message) => SendAnswer::RateLimited { wait_s },
        StatusCode::FORBIDDEN if message.is_empty() || message.starts_with(NOT_ACCESSIBLE) => {
            let wanted = text(&headers, "x-accepted-github-permissions").and_then(Permission::parse);
            SendAnswer::PermissionDenied { wanted }
        }
        StatusCode::FORBIDDEN | StatusCode::UNAVAILABLE_FOR_LEGAL_REASONS => {
            SendAnswer::Blocked(printable(&message, MAX_MESSAGE))
        }
        StatusCode::NOT_FOUND => SendAnswer::NotFound,
        StatusCode::UNPROCESSABLE_ENTITY | StatusCode::BAD_REQUEST => SendAnswer::Unprocessable,
        _ if status.is_redirection() => SendAnswer::Moved,
        _ if status.is_server_error() => SendAnswer::ServerError(status.as_u16()),
        _ => SendAnswer::Unexpected(status.as_u16()),
    };
    let detail = match message.is_empty() {
        true => format!("GitHub answered {}", status.as_u16()),
        false => format!("GitHub answered {}: {}", status.as_u16(), printable(&message, MAX_MESSAGE)),
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
