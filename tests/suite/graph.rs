//! A loopback Microsoft Graph with a handful of groups, and the endpoint of the managed identity that it is called as.
//!
//! It counts what it is asked. Dropping it fails the test when it was asked for what it does not have, or without a
//! token that it knows.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use serde_json::{Value, json};
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate, matchers::any};

use crate::{
    deployment::Someone,
    token_desk::{IDENTITY_HEADER, Standing, TokenDesk},
    tokens::in_seconds,
};

/// Two groups that people may be in.
pub const RELEASERS: &str = "11111111-aaaa-4bbb-8ccc-444455556666";
pub const SECURITY: &str = "22222222-aaaa-4bbb-8ccc-444455556666";

/// The token that the managed identity gets.
const TOKEN: &str = "eyJ0eXAiOiJKV1Qi.aTokenForGraphThatNobodyMaySee.x";

pub struct Graph {
    server: MockServer,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    url: String,
    desk: Option<TokenDesk>,
    members: BTreeSet<(String, String)>,
    /// The people of the tenant, each with their account's state.
    people: BTreeMap<String, bool>,
    groups: BTreeMap<String, Value>,
    instead: Option<ResponseTemplate>,
    has_no_groups: bool,
    delay: Duration,
    calls: Vec<String>,
    unexpected: Vec<String>,
}

impl Graph {
    /// One in whose tenant are Alex and some others, and two groups without members.
    pub async fn start() -> Self {
        let server = MockServer::builder().start().await;
        let people = [Someone::alex()].into_iter().chain((1..5).map(Someone::number));
        let group = || json!({"visibility": "Private", "groupTypes": ["Unified"]});
        let state = Arc::new(Mutex::new(State {
            url: server.uri(),
            people: people.map(|person| (person.object_id, true)).collect(),
            groups: [RELEASERS, SECURITY].map(|id| (id.to_owned(), group())).into(),
            ..State::default()
        }));
        Mock::given(any()).respond_with(Clerk(Arc::clone(&state))).mount(&server).await;
        Self { server, state }
    }

    /// The settings that make it the one that is asked, as the managed identity.
    pub fn settings(&self) -> [(&'static str, String); 3] {
        [
            ("GRAPH_URL", self.server.uri()),
            ("IDENTITY_ENDPOINT", format!("{}/msi/token", self.server.uri())),
            ("IDENTITY_HEADER", IDENTITY_HEADER.to_owned()),
        ]
    }

    /// From now on takes what `desk` gives out for it.
    pub fn take_tokens_of(&self, desk: &TokenDesk) {
        desk.serve(&self.server.uri());
        self.state().desk = Some(desk.clone());
    }

    pub fn add(&self, person: &Someone, group: &str) {
        self.state().members.insert((person.object_id.clone(), group.to_owned()));
    }

    pub fn remove(&self, person: &Someone, group: &str) {
        self.state().members.remove(&(person.object_id.clone(), group.to_owned()));
    }

    pub fn disable(&self, person: &Someone) {
        self.state().people.insert(person.object_id.clone(), false);
    }

    /// From now on the tenant has no such person.
    pub fn forget(&self, person: &Someone) {
        self.state().people.remove(&person.object_id);
    }

    /// From now on shows a group so; none is no such group.
    pub fn show_group(&self, group: &str, shown: Option<Value>) {
        match shown {
            Some(shown) => self.state().groups.insert(group.to_owned(), shown),
            None => self.state().groups.remove(group),
        };
    }

    /// From now on answers good requests otherwise, or as it should again.
    pub fn answer_with(&self, answer: Option<ResponseTemplate>) {
        self.state().instead = answer;
    }

    /// From now on takes this long.
    /// From now on answers 404 about the groups of anybody, as another service at its address may.
    pub fn lose_groups(&self) {
        self.state().has_no_groups = true;
    }

    pub fn be_slow(&self, delay: Duration) {
        self.state().delay = delay;
    }

    /// The calls so far, each with its method and path; those for tokens are left out.
    pub fn calls(&self) -> Vec<String> {
        self.state().calls.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panicked")
    }
}

impl Drop for Graph {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let unexpected = &self.state().unexpected;
            assert!(unexpected.is_empty(), "unexpected at Graph: {unexpected:?}");
        }
    }
}

struct Clerk(Arc<Mutex<State>>);

impl Respond for Clerk {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let mut state = self.0.lock().expect("nobody panicked");
        let header = |name: &str| {
            request.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
        };
        let (path, query) =
            (request.url.path().to_owned(), request.url.query().unwrap_or_default().to_owned());
        let line = format!("{} {path}", request.method);
        if path == "/msi/token" {
            let asked: BTreeMap<_, _> = request.url.query_pairs().into_owned().collect();
            let is_right = header("x-identity-header") == IDENTITY_HEADER
                && asked.get("resource") == Some(&state.url)
                && asked.get("api-version").is_some_and(|version| version == "2019-08-01")
                && asked.len() == 2;
            return match is_right {
                true => ResponseTemplate::new(200).set_body_json(
                    json!({"access_token": TOKEN, "expires_on": in_seconds(3600).to_string()}),
                ),
                false => unexpected(&mut state, line),
            };
        }
        let authorization = header("authorization");
        let token = authorization.strip_prefix("Bearer ").unwrap_or_default();
        let is_known = match &state.desk {
            Some(desk) => desk.standing(token) == Standing::Good,
            None => token == TOKEN,
        };
        if !is_known {
            return unexpected(&mut state, format!("{line} without a token"));
        }
        let answer = state.answer(request, &path, &query, &header("content-type"));
        let Some(answer) = answer else { return unexpected(&mut state, format!("{line}?{query}")) };
        state.calls.push(line);
        state.instead.clone().unwrap_or(answer).set_delay(state.delay)
    }
}

impl State {
    fn answer(
        &self,
        request: &Request,
        path: &str,
        query: &str,
        content_type: &str,
    ) -> Option<ResponseTemplate> {
        let parts: Vec<_> = path.split('/').skip(1).collect();
        let not_found = || {
            ResponseTemplate::new(404).set_body_json(json!({"error": {"code": "Request_ResourceNotFound"}}))
        };
        let json = |value: Value| ResponseTemplate::new(200).set_body_json(value);
        match (request.method.as_str(), parts.as_slice(), query) {
            ("GET", ["v1.0", "users", person], "$select=accountEnabled") => Some(
                self.people
                    .get(*person)
                    .map_or_else(not_found, |enabled| json(json!({"accountEnabled": enabled}))),
            ),
            ("POST", ["v1.0", "users", person, "checkMemberGroups"], "")
                if content_type == "application/json" =>
            {
                let body: Value = serde_json::from_slice(&request.body).ok()?;
                let ids: Vec<String> = serde_json::from_value(body["groupIds"].clone()).ok()?;
                if ids.is_empty() || ids.len() > 20 || body.as_object()?.len() != 1 {
                    return None;
                }
                if self.has_no_groups || !self.people.contains_key(*person) {
                    return Some(not_found());
                }
                let is_in = |id: &String| self.members.contains(&((*person).to_owned(), id.clone()));
                let found: Vec<_> = ids.into_iter().filter(is_in).collect();
                Some(json(
                    json!({"@odata.context": "https://graph/$metadata#Collection(Edm.String)", "value": found}),
                ))
            }
            ("GET", ["v1.0", "groups", group], "$select=visibility,groupTypes") => {
                Some(self.groups.get(*group).map_or_else(not_found, |group| json(group.clone())))
            }
            _ => None,
        }
    }
}

fn unexpected(state: &mut State, line: String) -> ResponseTemplate {
    state.unexpected.push(line);
    ResponseTemplate::new(400)
}
