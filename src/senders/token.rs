//! Our own tokens, the bot's and that for Microsoft Graph: from Entra by the app's secret, or from App Service by the
//! managed identity.
//!
//! One request at a time ([`Refreshing`]). A token serves until shortly before it expires, or until it is refused. Neither it nor the credential is ever printed, and the words of an issuer are not repeated.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, anyhow};
use chrono::{DateTime, TimeDelta, Utc};
use reqwest::{
    RequestBuilder, Response,
    header::{CONTENT_TYPE, HeaderValue},
};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::{Url, form_urlencoded::Serializer};

use super::teams::{Bot, BotCredential};
use crate::{
    approval::{Guid, SendAnswer, SendResult},
    http_client::{LazyClient, failure, read_start},
    refreshing::Refreshing,
    text::log::describe,
    urls::below,
};

/// Time before its end at which a token serves no more: a call takes far less.
const MARGIN: TimeDelta = TimeDelta::minutes(5);

/// The longest that a token is kept, in seconds; a managed identity's live for a day.
const MAX_LIFE_S: u64 = 48 * 3600;

/// Limit on connecting to the issuer.
const CONNECT_TIME: Duration = Duration::from_secs(2);

/// Limit on a request for a token. While it is under way no other begins.
const REQUEST_TIME: Duration = Duration::from_secs(6);

/// The largest answer that is read, in bytes; a token is some 2 KB.
const MAX_ANSWER_BYTES: usize = 32 * 1024;

/// The longest token that is accepted, in bytes.
const MAX_TOKEN_BYTES: usize = 16 * 1024;

/// The version of App Service's endpoint that the request is written for.
const IDENTITY_API_VERSION: &str = "2019-08-01";

/// An app of Entra that calls others in its own name.
#[derive(Clone, Debug)]
pub struct App {
    /// Its client id; none for the function app's own identity.
    pub client_id: Option<Guid>,
    /// Its credential.
    pub credential: BotCredential,
    /// Entra's endpoint for tokens in its tenant, for an app with a secret.
    pub token_url: Url,
    /// The resource that its tokens are for.
    pub resource: String,
    /// The token in words, for the log.
    pub words: &'static str,
}

impl App {
    /// The bot, as it calls this resource.
    pub fn of(bot: &Bot, resource: &str, words: &'static str) -> Self {
        Self {
            client_id: Some(bot.app_id.clone()),
            credential: bot.credential.clone(),
            token_url: below(&bot.authority, [&bot.tenant.to_string(), "oauth2", "v2.0", "token"]),
            resource: resource.to_owned(),
            words,
        }
    }
}

/// A token, fetched when it is needed.
pub struct AppToken {
    source: Arc<Source>,
    cache: Refreshing<Token, SendResult>,
}

type Fetched = Result<Token, SendResult>;

/// A token that others take for the app's.
#[derive(Clone)]
pub struct Token {
    authorization: HeaderValue,
    serves_until: DateTime<Utc>,
}

struct Source {
    client: LazyClient,
    app: App,
}

/// The answer of both issuers, with one of two ways to tell the end. Numbers may stand as texts.
#[derive(Deserialize)]
struct TokenAnswer {
    access_token: String,
    /// Entra's, in seconds.
    expires_in: Option<Number>,
    /// App Service's, in seconds since 1970.
    expires_on: Option<Number>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Number {
    Number(u64),
    Text(String),
}

/// Entra's refusal, as far as no words are in it.
#[derive(Default, Deserialize)]
struct ErrorAnswer {
    #[serde(default)]
    error_codes: Vec<u32>,
}

impl Token {
    /// The value of `Authorization`; marked as sensitive, so that it is never printed.
    pub fn authorization(&self) -> HeaderValue {
        self.authorization.clone()
    }
}

impl AppToken {
    /// The token of `app`; nothing is loaded or asked yet.
    pub fn new(app: App) -> Self {
        let base = match &app.credential {
            BotCredential::Password(_) => app.token_url.clone(),
            BotCredential::ManagedIdentity { endpoint, .. } => endpoint.clone(),
        };
        let source = Arc::new(Source { client: LazyClient::new(base, CONNECT_TIME), app });
        Self { source, cache: Refreshing::default() }
    }

    /// Builds the client, unless it is there.
    pub fn prepare(&self) -> anyhow::Result<()> {
        self.source.client.get().map(drop)
    }

    /// The token, fetched if there is none that serves at `now`. How long to wait is the caller's decision; the
    /// request itself has a limit and goes on.
    pub async fn get(&self, now: DateTime<Utc>) -> Fetched {
        let (source, words) = (Arc::clone(&self.source), self.source.app.words);
        let serves = |token: &Token| now < token.serves_until;
        let fetched = self.cache.get(serves, async move { source.fetch(now).await }).await;
        fetched.unwrap_or_else(|| Err(SendResult::unreachable(format!("the request for {words} broke off"))))
    }

    /// `refused` is not taken any more: the next caller who needs a token has another fetched.
    pub fn forget(&self, refused: &Token) {
        self.cache.forget(|token| token.authorization == refused.authorization);
    }
}

impl Source {
    async fn fetch(&self, now: DateTime<Utc>) -> Fetched {
        let request = match self.request() {
            Ok(request) => request.timeout(REQUEST_TIME),
            Err(error) => return Err(SendResult::unreachable(describe(&error))),
        };
        match request.send().await {
            Ok(response) => self.read(response, now).await,
            // Whatever became of the request, nothing was sent with the token.
            Err(error) => Err(SendResult::unreachable(failure(self.issuer(), &error.without_url()).detail)),
        }
    }

    fn issuer(&self) -> &'static str {
        match self.app.credential {
            BotCredential::Password(_) => "Entra",
            BotCredential::ManagedIdentity { .. } => "the managed identity's endpoint",
        }
    }

    fn request(&self) -> anyhow::Result<RequestBuilder> {
        match &self.app.credential {
            BotCredential::Password(password) => self.ask_entra(password),
            BotCredential::ManagedIdentity { header, .. } => self.ask_app_service(header),
        }
    }

    /// The client credentials grant: RFC 6749, 4.4.2.
    fn ask_entra(&self, password: &SecretString) -> anyhow::Result<RequestBuilder> {
        let client_id = self.app.client_id.as_ref().map(Guid::to_string).unwrap_or_default();
        let form = Serializer::new(String::new())
            .append_pair("grant_type", "client_credentials")
            .append_pair("client_id", &client_id)
            .append_pair("client_secret", password.expose_secret())
            .append_pair("scope", &format!("{}/.default", self.app.resource))
            .finish();
        let request = self.client.get()?.post(self.client.base().clone());
        Ok(request.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(form))
    }

    /// <https://learn.microsoft.com/azure/app-service/overview-managed-identity#rest-endpoint-reference>
    fn ask_app_service(&self, header: &SecretString) -> anyhow::Result<RequestBuilder> {
        let mut url = self.client.base().clone();
        url.query_pairs_mut()
            .append_pair("resource", &self.app.resource)
            .append_pair("api-version", IDENTITY_API_VERSION);
        // A bot is a user-assigned identity, and the app may have others besides.
        if let Some(client_id) = &self.app.client_id {
            url.query_pairs_mut().append_pair("client_id", &client_id.to_string());
        }
        let header = sensitive(header.expose_secret()).context("IDENTITY_HEADER")?;
        Ok(self.client.get()?.get(url).header("X-IDENTITY-HEADER", header))
    }

    async fn read(&self, mut response: Response, now: DateTime<Utc>) -> Fetched {
        let (issuer, status) = (self.issuer(), response.status().as_u16());
        let body = read_start(&mut response, MAX_ANSWER_BYTES).await;
        if status == 200 {
            let token = Token::read(&body, now);
            return token
                .map_err(|error| SendResult::unreachable(format!("{issuer} gave no token: {error:#}")));
        }
        // Entra's documentation explains these numbers.
        let codes = serde_json::from_slice::<ErrorAnswer>(&body).unwrap_or_default().error_codes;
        let code = codes.first().map(|code| format!(" (AADSTS{code})")).unwrap_or_default();
        let detail = format!("{issuer} answered {status}{code} to the request for {}", self.app.words);
        // These say that a setting is wrong; what others say changes by itself.
        match status {
            400 | 401 | 403 => Err(SendResult { wait_s: None, what: SendAnswer::Unauthorized, detail }),
            _ => Err(SendResult::unreachable(detail)),
        }
    }
}

impl Token {
    fn read(body: &[u8], now: DateTime<Utc>) -> anyhow::Result<Self> {
        // The error would repeat parts of the answer.
        let answer: TokenAnswer = serde_json::from_slice(body)
            .map_err(|_| anyhow!("the answer is not the JSON that was expected"))?;
        let life_s = answer.life_s(now).context("the answer does not say how long the token lives")?;
        let is_token = (1..=MAX_TOKEN_BYTES).contains(&answer.access_token.len())
            && answer.access_token.bytes().all(|b| b.is_ascii_graphic());
        let authorization = is_token.then(|| sensitive(&format!("Bearer {}", answer.access_token)));
        let life = TimeDelta::seconds(i64::try_from(life_s.min(MAX_LIFE_S))?);
        Ok(Self {
            authorization: authorization.context("the answer holds no token")??,
            serves_until: now + life - MARGIN,
        })
    }
}

impl TokenAnswer {
    fn life_s(&self, now: DateTime<Utc>) -> Option<u64> {
        match (&self.expires_in, &self.expires_on) {
            (Some(life), _) => life.read(),
            (None, Some(end)) => Some(end.read()?.saturating_sub(u64::try_from(now.timestamp()).ok()?)),
            (None, None) => None,
        }
    }
}

impl Number {
    fn read(&self) -> Option<u64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Text(text) => text.parse().ok(),
        }
    }
}

/// A header that is never printed.
fn sensitive(text: &str) -> anyhow::Result<HeaderValue> {
    let mut value = HeaderValue::try_from(text).map_err(|_| anyhow!("a value does not fit into a header"))?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use std::future::ready;

    use serde_json::{Value, json};

    use super::*;
    const NOW: i64 = 1_800_000_000;

    fn serves_s(answer: &Value) -> Option<i64> {
        let now = DateTime::from_timestamp_secs(NOW).expect("a time");
        Some((Token::read(answer.to_string().as_bytes(), now).ok()?.serves_until - now).num_seconds())
    }

    #[test]
    fn a_token_serves_until_five_minutes_before_its_end_however_that_is_told() {
        for (end, serves) in [
            (json!({"expires_in": 3599}), 3299),
            (json!({"expires_in": "3599"}), 3299),
            (json!({"expires_on": (NOW + 86_400).to_string()}), 86_100),
            (json!({"expires_on": NOW + 3_600}), 3_300),
            (json!({"expires_on": "5"}), -300),
            (json!({"expires_in": u64::MAX}), 48 * 3600 - 300),
        ] {
            let mut answer = json!({"access_token": "eyJ0eXAi.e30.x", "token_type": "Bearer"});
            answer.as_object_mut().expect("an object").extend(end.as_object().expect("an object").clone());
            assert_eq!(serves_s(&answer), Some(serves), "{answer}");
        }
    }

    fn app() -> App {
        App {
            client_id: Guid::parse("b07b07b0-1c2d-4e3f-8a9b-0c1d2e3f4a5b"),
            credential: BotCredential::Password("x".into()),
            token_url: Url::parse("http://localhost").expect("a URL"),
            resource: "https://api.botframework.com".to_owned(),
            words: "the bot's token",
        }
    }

    fn token(text: &str) -> Token {
        let answer = json!({"access_token": text, "expires_in": 3599});
        Token::read(answer.to_string().as_bytes(), DateTime::UNIX_EPOCH).expect("a token")
    }

    #[tokio::test]
    async fn a_token_that_was_refused_late_does_not_take_its_successor_along() {
        let bot = AppToken::new(app());
        bot.cache.refresh(|_| true, ready(Ok(token("new")))).outcome().await;

        bot.forget(&token("old"));
        assert!(bot.cache.known().value.is_some());
        bot.forget(&token("new"));
        assert!(bot.cache.known().value.is_none());
    }

    #[test]
    fn an_answer_without_a_valid_token_is_refused() {
        for answer in [
            json!({"access_token": "x"}),
            json!({"expires_in": 3599}),
            json!({"access_token": "", "expires_in": 3599}),
            json!({"access_token": "a b", "expires_in": 3599}),
            json!({"access_token": "a\r\nX: y", "expires_in": 3599}),
            json!({"access_token": "x".repeat(MAX_TOKEN_BYTES + 1), "expires_in": 3599}),
            json!({"access_token": 7, "expires_in": 3599}),
            json!({"access_token": "x", "expires_in": -1}),
            json!({"access_token": "x", "expires_in": "soon"}),
            json!({"access_token": "x", "expires_on": "2099-01-01T00:00:00Z"}),
            json!([]),
        ] {
            assert_eq!(serves_s(&answer), None, "{answer}");
        }
    }
}
