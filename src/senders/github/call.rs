//! A call to GitHub: its headers, its limits, and an answer that keeps the token it was asked with.

use std::time::Duration;

use anyhow::Context;
use chrono::{DateTime, Utc};
use reqwest::{
    Method, RequestBuilder, Response, StatusCode, Url,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, DATE, HeaderValue},
};
use secrecy::{ExposeSecret, SecretString};

use super::{
    answer::{Read, read},
    credentials::{Token, is_suspended},
};
use crate::{
    approval::{AppFault, SendAnswer, SendResult},
    http_client::{LazyClient, failure},
    text::log::describe,
    timing::Timing,
    urls::below,
};

/// The version of GitHub's REST API that the calls are written for.
const API_VERSION: &str = "2022-11-28";

/// A connection that takes longer is given up: the call was surely not made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// GitHub's API at its address.
pub struct Api(LazyClient);

/// A call that can be made with one token, and again with another.
pub struct Call<'a> {
    /// The method.
    pub method: Method,
    /// The path below the API's address.
    pub path: &'a [&'a str],
    /// The query.
    pub query: &'a [(&'a str, &'a str)],
    /// The JSON to be sent, if any.
    pub body: Option<String>,
}

/// GitHub's answer, with the token that it was asked with.
pub struct Answered {
    /// The answer.
    pub response: Response,
    token: Token,
}

impl Api {
    /// The API at `base`. Nothing is loaded or called yet.
    pub fn new(base: Url) -> Self {
        Self(LazyClient::new(base, CONNECT_TIMEOUT))
    }

    /// Builds the client, unless it is there.
    pub fn prepare(&self) -> anyhow::Result<()> {
        self.0.get().map(drop)
    }

    /// Makes a call at most once. An error means that there is no answer.
    pub async fn make(&self, call: &Call<'_>, token: Token, timing: Timing) -> Result<Answered, SendResult> {
        let request =
            self.request(call, &token.secret).map_err(|error| SendResult::unreachable(describe(&error)))?;
        match request.timeout(timing.left()).send().await {
            Ok(response) => Ok(Answered { response, token }),
            Err(error) => Err(failure("GitHub", &error)),
        }
    }

    fn request(&self, call: &Call<'_>, token: &SecretString) -> anyhow::Result<RequestBuilder> {
        let mut url = below(self.0.base(), call.path.iter().copied());
        if !call.query.is_empty() {
            url.query_pairs_mut().extend_pairs(call.query);
        }
        let request = self
            .0
            .get()?
            .request(call.method.clone(), url)
            .header(AUTHORIZATION, authorization(token)?)
            .header(ACCEPT, "application/vnd.github+json")
            .header("X-GitHub-Api-Version", API_VERSION);
        Ok(match &call.body {
            Some(body) => request.header(CONTENT_TYPE, "application/json").body(body.clone()),
            None => request,
        })
    }
}

impl<'a> Call<'a> {
    /// A question that changes nothing.
    pub fn get(path: &'a [&'a str], query: &'a [(&'a str, &'a str)]) -> Self {
        Self { method: Method::GET, path, query, body: None }
    }

    /// A call that sends JSON.
    pub fn post(path: &'a [&'a str], body: String) -> Self {
        Self { method: Method::POST, path, query: &[], body: Some(body) }
    }
}

impl Answered {
    /// The status.
    pub fn status(&self) -> StatusCode {
        self.response.status()
    }

    /// The token that it was asked with.
    pub fn token(&self) -> &Token {
        &self.token
    }

    /// GitHub's clock.
    pub fn date(&self) -> Option<DateTime<Utc>> {
        let date = self.response.headers().get(DATE)?.to_str().ok()?;
        DateTime::parse_from_rfc2822(date).ok().map(|date| date.to_utc())
    }

    /// The meaning of the answer. `now` is what the end of a rate limit is counted from.
    pub async fn meaning(self, now: DateTime<Utc>) -> SendResult {
        self.read(now).await.result
    }

    /// The answer, as far as it is read.
    pub async fn read(self, now: DateTime<Utc>) -> Read {
        let mut read = read(self.response, &self.token.secret, now).await;
        if self.token.is_the_apps {
            read.result.what = of_the_app(read.result.what);
        }
        read
    }
}

/// The answer to a call with the App's token.
fn of_the_app(answer: SendAnswer) -> SendAnswer {
    match answer {
        SendAnswer::Unauthorized => SendAnswer::App(AppFault::Refused),
        SendAnswer::PermissionDenied { .. } => SendAnswer::App(AppFault::NotGranted),
        SendAnswer::Blocked(words) if is_suspended(&words) => SendAnswer::App(AppFault::Suspended),
        other => other,
    }
}

/// A header that is never printed.
fn authorization(token: &SecretString) -> anyhow::Result<HeaderValue> {
    let mut authorization = HeaderValue::try_from(format!("Bearer {}", token.expose_secret()))
        .context("the token for GitHub does not fit into a header")?;
    authorization.set_sensitive(true);
    Ok(authorization)
}
