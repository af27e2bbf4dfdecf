//! The documents that every issuer of tokens publishes, on loopback: OpenID metadata, and the keys that it names.
//!
//! It counts what it is asked. Dropping it fails the test when it was asked for anything but these documents.

use std::{
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use serde_json::{Value, json};
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate, matchers::any};

use crate::handler_process::until;

/// A document that each issuer publishes once.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Document {
    Metadata,
    Keys,
}

impl Document {
    pub const BOTH: [Self; 2] = [Self::Metadata, Self::Keys];
}

/// The documents of one issuer, and their paths.
pub struct Published {
    pub metadata_path: String,
    pub metadata: Value,
    pub keys_path: String,
    pub keys: Vec<Value>,
}

/// A server of one issuer, or of some that share a host.
pub struct OpenId {
    server: MockServer,
    state: Arc<Mutex<State>>,
}

struct State {
    issuers: Vec<Published>,
    /// The answers that are served in place of a document.
    instead: Vec<(Document, ResponseTemplate)>,
    delay: Duration,
    asked: Vec<(usize, Document)>,
    unexpected: Vec<String>,
}

impl OpenId {
    /// A server of what these issuers publish, who are told its URL.
    pub async fn start(issuers: impl FnOnce(&str) -> Vec<Published>) -> Self {
        // Not one of wiremock's pool: a straggler must never reach another test's issuer.
        let server = MockServer::builder().start().await;
        let state = Arc::new(Mutex::new(State {
            issuers: issuers(&server.uri()),
            instead: Vec::new(),
            delay: Duration::ZERO,
            asked: Vec::new(),
            unexpected: Vec::new(),
        }));
        let clerk = Clerk { state: Arc::clone(&state) };
        Mock::given(any()).respond_with(clerk).mount(&server).await;
        Self { server, state }
    }

    /// Has somebody else answer what is for them.
    pub async fn share_with(&self, others: Mock) {
        others.with_priority(1).mount(&self.server).await;
    }

    /// Its base URL.
    pub fn url(&self) -> String {
        self.server.uri()
    }

    /// From now on this issuer publishes these keys.
    pub fn publish_of(&self, issuer: usize, keys: impl Into<Vec<Value>>) {
        self.state().issuers[issuer].keys = keys.into();
    }

    /// From now on all issuers publish these keys as well.
    pub fn publish_too(&self, keys: &[Value]) {
        self.state().issuers.iter_mut().for_each(|issuer| issuer.keys.extend_from_slice(keys));
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

    /// The numbers of requests for an issuer's metadata and for its keys.
    pub fn asked_of(&self, issuer: usize) -> [usize; 2] {
        self.state().asked_of(issuer)
    }

    /// The number of requests that came, whatever for.
    pub fn requests(&self) -> usize {
        let state = self.state();
        state.asked.len() + state.unexpected.len()
    }

    /// Waits until all issuers' keys have been asked for, as happens soon after a start.
    pub async fn until_asked_for_all_keys(&self) {
        let is_unasked =
            |state: &State| (0..state.issuers.len()).any(|issuer| state.asked_of(issuer)[1] == 0);
        until("the keys of all issuers are asked for", async || !is_unasked(&self.state())).await;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panicked")
    }
}

impl Drop for OpenId {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert_eq!(self.state().unexpected, [""; 0], "an issuer was asked for what it does not have");
        }
    }
}

struct Clerk {
    state: Arc<Mutex<State>>,
}

impl Respond for Clerk {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let mut state = self.state.lock().expect("nobody panicked");
        let Some((issuer, document)) = state.asked_for(request) else {
            state.unexpected.push(format!("{} {}", request.method, request.url));
            return ResponseTemplate::new(404);
        };
        state.asked.push((issuer, document));
        let instead = state.instead.iter().rfind(|(of, _)| *of == document).map(|(_, answer)| answer.clone());
        instead.unwrap_or_else(|| state.serve(issuer, document)).set_delay(state.delay)
    }
}

impl State {
    fn asked_of(&self, issuer: usize) -> [usize; 2] {
        Document::BOTH.map(|document| self.asked.iter().filter(|asked| **asked == (issuer, document)).count())
    }

    fn asked_for(&self, request: &Request) -> Option<(usize, Document)> {
        let asked_right = request.method == "GET" && request.url.query().is_none();
        let document = |issuer: &Published| match request.url.path() {
            path if path == issuer.metadata_path => Some(Document::Metadata),
            path if path == issuer.keys_path => Some(Document::Keys),
            _ => None,
        };
        let mut issuers = self.issuers.iter().enumerate().filter(|_| asked_right);
        issuers.find_map(|(number, issuer)| Some((number, document(issuer)?)))
    }

    fn serve(&self, issuer: usize, document: Document) -> ResponseTemplate {
        let issuer = &self.issuers[issuer];
        let json = match document {
            Document::Metadata => issuer.metadata.clone(),
            Document::Keys => json!({"keys": issuer.keys}),
        };
        ResponseTemplate::new(200).set_body_json(json)
    }
}
