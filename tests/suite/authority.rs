//! A loopback Entra: the OpenID metadata and the keys of both versions of tokens, where the real one has them.
//!
//! It counts what it is asked. Dropping it fails the test when it was asked for anything but these documents.

use std::{
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use serde_json::{Value, json};
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate, matchers::any};

use crate::{
    functions_host::{Builder, FunctionsHost, Mode},
    github::GitHub,
    handler_process::within,
    signing_keys::Key,
};

/// The tenant of all performers.
pub const TENANT: &str = "5f0c1a52-7d0e-4b4c-9a5e-1c2d3e4f5a6b";

/// The app registration that tokens are for, and its Application ID URI.
pub const CLIENT_ID: &str = "0e1d2c3b-4a59-4687-9788-a9bacbdcedfe";
pub const AUDIENCE: &str = "api://auth-am-0e1d2c3b-4a59-4687-9788-a9bacbdcedfe";

/// The two versions of tokens.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Version {
    One,
    Two,
}

impl Version {
    pub const BOTH: [Self; 2] = [Self::One, Self::Two];

    pub fn other(self) -> Self {
        match self {
            Self::One => Self::Two,
            Self::Two => Self::One,
        }
    }

    /// The key that signs its tokens.
    pub fn key(self) -> Key {
        match self {
            Self::One => Key::Version1,
            Self::Two => Key::Version2,
        }
    }
}

/// What the authority serves, once per version.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Document {
    Metadata,
    Keys,
}

impl Document {
    pub const BOTH: [Self; 2] = [Self::Metadata, Self::Keys];
}

pub struct Authority {
    server: MockServer,
    state: Arc<Mutex<State>>,
}

struct State {
    url: String,
    /// The key sets of versions 1 and 2.
    published: [Vec<Value>; 2],
    /// What is served in place of a document.
    instead: Vec<(Document, ResponseTemplate)>,
    delay: Duration,
    asked: Vec<(Version, Document)>,
    unexpected: Vec<String>,
}

impl Authority {
    /// An authority with a key for each version.
    pub async fn start() -> Self {
        // Not one of wiremock's pool: a straggler must never reach another test's authority.
        let server = MockServer::builder().start().await;
        let state = Arc::new(Mutex::new(State {
            url: server.uri(),
            published: Version::BOTH.map(|version| vec![version.key().jwk()]),
            instead: Vec::new(),
            delay: Duration::ZERO,
            asked: Vec::new(),
            unexpected: Vec::new(),
        }));
        let clerk = Clerk { state: Arc::clone(&state) };
        Mock::given(any()).respond_with(clerk).mount(&server).await;
        Self { server, state }
    }

    /// `ENTRA_AUTHORITY`.
    pub fn url(&self) -> String {
        self.server.uri()
    }

    /// What its tokens say as `iss`.
    pub fn issuer(&self, version: Version) -> String {
        issuer(&self.url(), version)
    }

    /// Where a version's keys are.
    pub fn keys_url(&self, version: Version) -> String {
        keys_url(&self.url(), version)
    }

    /// The settings that make it the one that is believed.
    pub fn settings(&self) -> [(&'static str, String); 4] {
        [
            ("ENTRA_AUTHORITY", self.url()),
            ("ENTRA_TENANT_ID", TENANT.to_owned()),
            ("ENTRA_CLIENT_ID", CLIENT_ID.to_owned()),
            ("ENTRA_AUDIENCE", AUDIENCE.to_owned()),
        ]
    }

    /// From now on publishes these keys for a version.
    pub fn publish(&self, version: Version, keys: impl Into<Vec<Value>>) {
        self.state().published[version as usize] = keys.into();
    }

    /// From now on publishes these keys as well, for both versions.
    pub fn publish_too(&self, keys: &[Value]) {
        self.state().published.iter_mut().for_each(|published| published.extend_from_slice(keys));
    }

    /// From now on serves something else in place of a document.
    pub fn serve_instead(&self, document: Document, answer: ResponseTemplate) {
        self.state().instead.push((document, answer));
    }

    /// From now on has an outage.
    pub fn go_down(&self) {
        for document in Document::BOTH {
            self.serve_instead(document, ResponseTemplate::new(503).set_body_string("Service Unavailable"));
        }
    }

    /// From now on takes this long for each document.
    pub fn be_slow(&self, delay: Duration) {
        self.state().delay = delay;
    }

    /// From now on serves as it should again.
    pub fn recover(&self) {
        let mut state = self.state();
        state.instead.clear();
        state.delay = Duration::ZERO;
    }

    /// How often a version's metadata and keys were asked for.
    pub fn asked(&self, version: Version) -> [usize; 2] {
        let state = self.state();
        Document::BOTH
            .map(|document| state.asked.iter().filter(|asked| **asked == (version, document)).count())
    }

    /// How many requests came, whatever for.
    pub fn requests(&self) -> usize {
        let state = self.state();
        state.asked.len() + state.unexpected.len()
    }

    /// Waits until both versions' keys have been asked for, as happens soon after a start.
    pub async fn until_asked_for_all_keys(&self) {
        within("the keys of both versions are asked for", async || {
            while Version::BOTH.iter().any(|version| self.asked(*version)[1] == 0) {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        })
        .await;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panicked")
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert_eq!(self.state().unexpected, [""; 0], "the authority was asked for what it does not have");
        }
    }
}

impl FunctionsHost {
    /// A host that relays to [`GitHub`] what `approvers` click, and verifies them with an authority.
    pub fn verifying(mode: Mode, github: &GitHub, authority: &Authority, approvers: &str) -> Builder {
        let relay = Self::relay(mode, github).without("REQUIRE_IDENTITY").setting("APPROVERS", approvers);
        authority.settings().iter().fold(relay, |builder, (name, value)| builder.setting(name, value))
    }
}

struct Clerk {
    state: Arc<Mutex<State>>,
}

impl Respond for Clerk {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let mut state = self.state.lock().expect("nobody panicked");
        let Some((version, document)) = asked_for(request) else {
            state.unexpected.push(format!("{} {}", request.method, request.url));
            return ResponseTemplate::new(404);
        };
        state.asked.push((version, document));
        let instead = state.instead.iter().rfind(|(of, _)| *of == document).map(|(_, answer)| answer.clone());
        instead.unwrap_or_else(|| state.serve(version, document)).set_delay(state.delay)
    }
}

fn asked_for(request: &Request) -> Option<(Version, Document)> {
    let path = request.url.path().strip_prefix(&format!("/{TENANT}/"))?;
    let asked_right = request.method == "GET" && request.url.query().is_none();
    match path {
        _ if !asked_right => None,
        ".well-known/openid-configuration" => Some((Version::One, Document::Metadata)),
        "v2.0/.well-known/openid-configuration" => Some((Version::Two, Document::Metadata)),
        "discovery/keys" => Some((Version::One, Document::Keys)),
        "discovery/v2.0/keys" => Some((Version::Two, Document::Keys)),
        _ => None,
    }
}

impl State {
    fn serve(&self, version: Version, document: Document) -> ResponseTemplate {
        let json = match document {
            Document::Metadata => metadata(&self.url, version),
            Document::Keys => json!({"keys": self.published[version as usize]}),
        };
        ResponseTemplate::new(200).set_body_json(json)
    }
}

fn issuer(url: &str, version: Version) -> String {
    match version {
        Version::One => format!("https://sts.windows.net/{TENANT}/"),
        Version::Two => format!("{url}/{TENANT}/v2.0"),
    }
}

fn keys_url(url: &str, version: Version) -> String {
    match version {
        Version::One => format!("{url}/{TENANT}/discovery/keys"),
        Version::Two => format!("{url}/{TENANT}/discovery/v2.0/keys"),
    }
}

/// The metadata that an authority at `url` serves.
fn metadata(url: &str, version: Version) -> Value {
    json!({
        "token_endpoint": format!("{url}/{TENANT}/oauth2/token"),
        "jwks_uri": keys_url(url, version),
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "issuer": issuer(url, version),
        "tenant_region_scope": "EU",
        "cloud_instance_name": "microsoftonline.com",
    })
}
