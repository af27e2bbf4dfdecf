//! The sources of a bot's token: Entra's token endpoint, and the endpoint of a managed identity that App Service adds.
//! The Bot Connector takes what either gives out.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use serde_json::json;
use wiremock::{
    Mock, MockServer, Request, Respond, ResponseTemplate,
    matchers::{any, path},
};

use crate::{
    authority::TENANT,
    connector::APP_ID,
    tokens::{in_seconds, new_number},
};

/// The bot's client secret: full of what a form must encode.
pub const APP_PASSWORD: &str = "aSecret~That&Nobody=May+See%";

/// The secret that App Service gives to the app alone.
pub const IDENTITY_HEADER: &str = "853b9a84-aHeaderThatNobodyMaySee";

/// The audience of a bot's token.
const RESOURCE: &str = "https://api.botframework.com";

/// One book for both ways to get a token.
#[derive(Clone)]
pub struct TokenDesk(Arc<Mutex<Book>>);

struct Book {
    issued: Vec<String>,
    withdrawn: usize,
    life_s: i64,
    delay: Duration,
    instead: Option<ResponseTemplate>,
    asked: usize,
    refusals: Vec<String>,
    expected_refusals: usize,
    resources: Vec<String>,
}

/// The standing of a token with the Bot Connector.
#[derive(Debug, PartialEq)]
pub enum Standing {
    Good,
    /// It was, and is not any more.
    Withdrawn,
    /// It never was one.
    Unknown,
}

impl Default for TokenDesk {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Book {
            issued: Vec::new(),
            withdrawn: 0,
            life_s: 3599,
            delay: Duration::ZERO,
            instead: None,
            asked: 0,
            refusals: Vec::new(),
            expected_refusals: 0,
            resources: vec![RESOURCE.to_owned()],
        })))
    }
}

impl TokenDesk {
    /// Entra's endpoint, for an [`Authority`](crate::authority::Authority) to have.
    pub fn of_entra(&self) -> Mock {
        Mock::given(path(format!("/{TENANT}/oauth2/v2.0/token"))).respond_with(Entra(self.clone()))
    }

    /// From now on gives out tokens for this resource as well.
    pub fn serve(&self, resource: &str) {
        self.book().resources.push(resource.to_owned());
    }

    /// The number of requests for a token, whatever came of them.
    pub fn asked(&self) -> usize {
        self.book().asked
    }

    /// All tokens that were given out.
    pub fn issued(&self) -> Vec<String> {
        self.book().issued.clone()
    }

    /// Expects so many requests that are refused for what they are.
    pub fn expect_refusals(&self, count: usize) {
        self.book().expected_refusals = count;
    }

    /// From now on no token counts that was given out before.
    pub fn withdraw_all(&self) {
        let mut book = self.book();
        book.withdrawn = book.issued.len();
    }

    /// From now on answers good requests otherwise, or as it should again.
    pub fn answer_with(&self, answer: Option<ResponseTemplate>) {
        self.book().instead = answer;
    }

    /// From now on takes this long.
    pub fn be_slow(&self, delay: Duration) {
        self.book().delay = delay;
    }

    pub fn standing(&self, token: &str) -> Standing {
        let book = self.book();
        match book.issued.iter().position(|issued| issued == token) {
            Some(number) if number >= book.withdrawn => Standing::Good,
            Some(_) => Standing::Withdrawn,
            None => Standing::Unknown,
        }
    }

    /// Fails unless exactly the announced requests were refused.
    pub fn assert_no_surprise(&self) {
        let book = self.book();
        assert_eq!(book.refusals.len(), book.expected_refusals, "no token for: {:?}", book.refusals);
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock().expect("nobody panicked")
    }

    /// Gives a token, unless `refusal` says why not; `written` is the answer but for the token.
    fn give(
        &self,
        refusal: Option<(u16, u32, &str)>,
        life: impl Fn(i64) -> serde_json::Value,
    ) -> ResponseTemplate {
        let mut book = self.book();
        book.asked += 1;
        let answer = match (refusal, book.instead.clone()) {
            (Some((status, code, why)), _) => {
                book.refusals.push(why.to_owned());
                entra_error(status, code, why)
            }
            (None, Some(instead)) => instead,
            (None, None) => {
                let token = format!("eyJ0eXAiOiJKV1Qi.aTokenThatNobodyMaySee-{}.x", new_number());
                let mut answer = life(book.life_s);
                answer["access_token"] = token.clone().into();
                book.issued.push(token);
                ResponseTemplate::new(200).set_body_json(answer)
            }
        };
        answer.set_delay(book.delay)
    }
}

/// A refusal as Entra writes it; it repeats what it was asked with.
fn entra_error(status: u16, code: u32, why: &str) -> ResponseTemplate {
    ResponseTemplate::new(status).set_body_json(json!({
        "error": "invalid_client",
        "error_description": format!("AADSTS{code}: {why} {APP_PASSWORD}"),
        "error_codes": [code],
        "trace_id": "0c4d4d6c-0000-0000-0000-000000000000",
    }))
}

struct Entra(TokenDesk);

impl Respond for Entra {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let form: BTreeMap<String, String> =
            url::form_urlencoded::parse(&request.body).into_owned().collect();
        let says = |name: &str, value: &str| form.get(name).is_some_and(|said| said == value);
        let resources = self.0.book().resources.clone();
        let is_form = header(request, "content-type") == "application/x-www-form-urlencoded";
        let refusal = if request.method != "POST" || request.url.query().is_some() || !is_form {
            Some((400, 900_144, "The request body must be a form."))
        } else if !says("grant_type", "client_credentials") {
            Some((400, 70_003, "Unsupported grant type."))
        } else if !says("client_id", APP_ID) {
            Some((400, 700_016, "The application was not found in the directory."))
        } else if !says("client_secret", APP_PASSWORD) {
            Some((401, 7_000_215, "Invalid client secret provided."))
        } else if !resources.iter().any(|resource| says("scope", &format!("{resource}/.default"))) {
            Some((400, 70_011, "The provided value for scope is not valid."))
        } else {
            None
        };
        self.0.give(
            refusal,
            |life_s| json!({"token_type": "Bearer", "expires_in": life_s, "ext_expires_in": life_s}),
        )
    }
}

/// App Service's endpoint of an app with the user-assigned identity that the bot is.
pub struct ManagedIdentity {
    server: MockServer,
}

impl ManagedIdentity {
    /// One that gives out what `desk` keeps book of.
    pub async fn start(desk: &TokenDesk) -> Self {
        let server = MockServer::builder().start().await;
        Mock::given(any()).respond_with(AppService(desk.clone())).mount(&server).await;
        Self { server }
    }

    /// The settings that App Service adds.
    pub fn settings(&self) -> [(&'static str, String); 2] {
        [
            ("IDENTITY_ENDPOINT", format!("{}/msi/token/", self.server.uri())),
            ("IDENTITY_HEADER", IDENTITY_HEADER.to_owned()),
        ]
    }
}

struct AppService(TokenDesk);

impl Respond for AppService {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let query: BTreeMap<String, String> = request.url.query_pairs().into_owned().collect();
        let expected = [("api-version", "2019-08-01"), ("client_id", APP_ID), ("resource", RESOURCE)];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let is_right = request.method == "GET"
            && request.url.path() == "/msi/token/"
            && header(request, "x-identity-header") == IDENTITY_HEADER
            && query == expected;
        let refusal = (!is_right).then_some((400, 0, "No identity has been found."));
        // Unlike Entra it tells the end, and as a text.
        self.0.give(refusal, |life_s| {
            json!({"expires_on": in_seconds(life_s).to_string(), "resource": RESOURCE, "token_type": "Bearer"})
        })
    }
}

fn header<'a>(request: &'a Request, name: &str) -> &'a str {
    request.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}
