//! A loopback GitHub that refuses what GitHub refuses, in GitHub's words, and keeps what it accepted.
//!
//! Dropping it fails the test unless exactly the announced dispatches came, and nothing else.

mod origin;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
};

use chrono::{TimeDelta, Utc};
use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate, matchers::any};

use crate::{
    app_desk::AppDesk,
    github_compare::{Compared, Written, commit},
    github_workflows,
    handler_process::until,
    wire::{GITHUB, GITHUB_ORIGIN, Operation, example},
};

/// The token that the stand-in takes.
pub const TOKEN: &str = "ghs_aTokenThatNobodyMaySee";

/// GitHub says "under 64 KB".
const BODY_LIMIT_BYTES: usize = 64 * 1024;

pub struct GitHub {
    server: MockServer,
    state: Arc<Mutex<State>>,
}

struct State {
    token: String,
    /// The time at which the token ends, as GitHub says it.
    token_ends: String,
    repositories: Vec<String>,
    desk: AppDesk,
    /// The answer about every run, if it knows any: status and body.
    run: Option<(u16, Value)>,
    /// The paths of the runs that it was asked about.
    asked_about: Vec<String>,
    /// True if it cannot name the run of a workflow that it starts.
    is_old: bool,
    /// True if each of its workflows has the trigger `workflow_dispatch`.
    has_trigger: bool,
    /// Each of them, as GitHub shows it to the token.
    shown: Value,
    /// Answers a question instead.
    told: Option<ResponseTemplate>,
    /// The comparisons that it has, each by `base...head`.
    compared: BTreeMap<String, Compared>,
    /// The commits that it shows.
    commits: BTreeMap<String, Written>,
    /// Answers each comparison in another way.
    answer_compare: Option<ResponseTemplate>,
    /// The comparisons that were asked for, each with its query.
    comparisons: Vec<String>,
    /// The commits that were asked for.
    commits_asked: Vec<String>,
    /// Answers a good dispatch instead of 204 or 200.
    answer: Option<ResponseTemplate>,
    dispatches: Vec<Dispatch>,
    refusals: Vec<String>,
    /// Faults of a request, or of an answer of ours, against GitHub's description.
    undescribed: Vec<String>,
    expected_dispatches: usize,
    expected_refusals: usize,
    origin: origin::Origin,
}

/// A dispatch that GitHub had nothing to say against.
#[derive(Clone, Debug)]
pub struct Dispatch {
    /// `owner/name`, as called.
    pub repository: String,
    /// The file of the workflow that it starts, if it is not an event.
    pub workflow: Option<String>,
    /// The body, byte for byte.
    pub body: Vec<u8>,
}

#[derive(Deserialize)]
struct DispatchBody<'a> {
    event_type: String,
    #[serde(borrow)]
    client_payload: &'a RawValue,
}

/// The properties of a JSON object, each as its text.
type Properties<'a> = BTreeMap<String, &'a RawValue>;

impl Dispatch {
    pub fn event_type(&self) -> String {
        self.parse().event_type
    }

    /// The text of `client_payload`, byte for byte.
    pub fn client_payload(&self) -> &str {
        self.parse().client_payload.get()
    }

    fn parse(&self) -> DispatchBody<'_> {
        serde_json::from_slice(&self.body).expect("a dispatch's body is JSON with both fields")
    }
}

impl GitHub {
    /// A GitHub that knows `octo/app` and `octo/other`, and expects nothing.
    pub async fn start() -> Self {
        let state = Arc::new(Mutex::new(State {
            token: TOKEN.to_owned(),
            token_ends: "2099-12-01 08:00:00 UTC".to_owned(),
            repositories: vec!["octo/app".to_owned(), "octo/other".to_owned()],
            desk: AppDesk::default(),
            is_old: false,
            has_trigger: false,
            shown: json!({"permissions": {"push": true}}),
            told: None,
            compared: BTreeMap::new(),
            commits: BTreeMap::new(),
            answer_compare: None,
            comparisons: Vec::new(),
            commits_asked: Vec::new(),
            answer: None,
            run: None,
            asked_about: Vec::new(),
            dispatches: Vec::new(),
            refusals: Vec::new(),
            undescribed: Vec::new(),
            expected_dispatches: 0,
            expected_refusals: 0,
            origin: origin::Origin::default(),
        }));
        // Not one of wiremock's pool: a straggler must never reach another test's GitHub.
        let server = MockServer::builder().start().await;
        let judge = Judge { state: Arc::clone(&state) };
        Mock::given(any()).respond_with(judge).mount(&server).await;
        Self { server, state }
    }

    /// The API's base URL.
    pub fn url(&self) -> String {
        self.server.uri()
    }

    /// Expects so many good dispatches in the end, whatever they were answered.
    pub fn expect_dispatches(&self, count: usize) {
        self.state().expected_dispatches = count;
    }

    /// Expects so many requests that GitHub refuses for what they are.
    pub fn expect_refusals(&self, count: usize) {
        self.state().expected_refusals = count;
    }

    /// From now on takes another token only.
    pub fn take_only_token(&self, token: &str) {
        self.state().token = token.to_owned();
    }

    /// From now on says that its token ends then.
    pub fn end_token_at(&self, time: &str) {
        self.state().token_ends = time.to_owned();
    }

    /// Changes, or looks at, the GitHub App.
    pub fn desk<T>(&self, with: impl FnOnce(&mut AppDesk) -> T) -> T {
        with(&mut self.state().desk)
    }

    /// From now on knows no repository.
    pub fn forget_repositories(&self) {
        self.state().repositories.clear();
    }

    /// From now on says of each run that it is asked about that its newest attempt is the second, and how that stands;
    /// before it knows of none.
    pub fn say_of_runs(&self, status: &str, conclusion: Option<&str>) {
        let mut run = example("workflow-run");
        run["run_attempt"] = 2.into();
        run["status"] = status.into();
        run["conclusion"] = conclusion.into();
        // Null is described in a way that this validator does not know.
        run["head_repository"]["description"] = "".into();
        self.state().run = Some((200, run));
    }

    /// From now on refuses to say anything of runs.
    pub fn hide_runs(&self) {
        let refusal = error_body(403, "Resource not accessible by personal access token");
        self.state().run = Some((403, refusal));
    }

    /// The paths of the runs that it was asked about.
    pub fn asked_about(&self) -> Vec<String> {
        self.state().asked_about.clone()
    }

    /// From now on shows each repository so.
    pub fn show_repositories_as(&self, shown: Value) {
        self.state().shown = shown;
    }

    /// From now on answers questions in another way.
    pub fn answer_questions_with(&self, answer: ResponseTemplate) {
        self.state().told = Some(answer);
    }

    /// From now on answers good dispatches in another way.
    pub fn answer_with(&self, answer: ResponseTemplate) {
        self.state().answer = Some(answer);
    }

    /// From now on refuses to name the run of a workflow that it starts, as older servers do.
    pub fn name_no_runs(&self) {
        self.state().is_old = true;
    }

    /// From now on has `workflow_dispatch` in the workflow that lacked it.
    pub fn add_trigger(&self) {
        self.state().has_trigger = true;
    }

    /// The paths of all requests so far.
    pub async fn paths(&self) -> Vec<String> {
        let requests = self.server.received_requests().await.expect("they are kept");
        requests.iter().map(|request| request.url.path().to_owned()).collect()
    }

    /// From now on accepts good dispatches again.
    pub fn answer_as_github(&self) {
        self.state().answer = None;
    }

    /// From now on has this comparison.
    pub fn compares(&self, base: &str, head: &str, compared: Compared) {
        self.state().compared.insert(format!("{base}...{head}"), compared);
    }

    /// From now on shows this commit.
    pub fn shows(&self, sha: &str, written: Written) {
        self.state().commits.insert(sha.to_owned(), written);
    }

    /// From now on answers questions about commits in another way, or again as GitHub does.
    pub fn answer_comparisons_with(&self, answer: impl Into<Option<ResponseTemplate>>) {
        self.state().answer_compare = answer.into();
    }

    /// The commits that were asked for so far.
    pub fn commits_asked(&self) -> Vec<String> {
        self.state().commits_asked.clone()
    }

    /// The comparisons that were asked for so far.
    pub fn comparisons(&self) -> Vec<String> {
        self.state().comparisons.clone()
    }

    /// The good dispatches so far.
    pub fn dispatches(&self) -> Vec<Dispatch> {
        self.state().dispatches.clone()
    }

    /// The one dispatch that came.
    #[track_caller]
    pub fn only_dispatch(&self) -> Dispatch {
        let mut dispatches = self.dispatches();
        assert_eq!(dispatches.len(), 1, "one dispatch");
        dispatches.remove(0)
    }

    /// Waits until a dispatch has come in, answered or not.
    pub async fn until_asked(&self) {
        until("GitHub is asked", async || !self.state().dispatches.is_empty()).await;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panicked")
    }
}

impl Drop for GitHub {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        let state = self.state();
        assert_eq!(state.dispatches.len(), state.expected_dispatches, "dispatches: {:?}", state.dispatches);
        assert_eq!(state.refusals.len(), state.expected_refusals, "refused: {:?}", state.refusals);
        assert!(!state.origin.is_unexpected(), "asked about runs or refs");
        assert_eq!(state.undescribed, [""; 0], "not as GitHub describes it");
    }
}

struct Judge {
    state: Arc<Mutex<State>>,
}

impl Respond for Judge {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let mut state = self.state.lock().expect("nobody panicked");
        if let Some(answer) = at_the_desk(request, &mut state) {
            return answer;
        }
        if request.method.as_str() == "GET"
            && let Some(answer) = read(request, &mut state)
        {
            return answer;
        }
        if request.method.as_str() == "GET"
            && let Some(answer) = looked_at(request, &state)
        {
            return answer;
        }
        if request.method.as_str() == "GET"
            && let Some(answer) = origin::answered(request, &mut state)
        {
            return answer;
        }
        if request.method.as_str() == "GET" && api_path(request).starts_with("/repos/octo/app/actions/runs/")
        {
            check_headers(request, &state).unwrap_or_else(|Refusal(_, why)| panic!("{why}"));
            state.asked_about.push(api_path(request).to_owned());
            let (status, mut body) = state.run.clone().unwrap_or((404, error_body(404, "Not Found")));
            if status == 200 {
                body["id"] =
                    api_path(request).rsplit('/').next().and_then(|id| id.parse::<u64>().ok()).into();
            }
            let held = GITHUB_ORIGIN
                .request(request, api_path(request), None)
                .and_then(|operation| GITHUB_ORIGIN.answer(&operation, (status, Some(&body)), "basic-error"));
            state.undescribed.extend(held.err());
            return ResponseTemplate::new(status).set_body_json(body);
        }
        let operation = GITHUB.request(request, api_path(request), outline(&request.body).as_ref());
        let answer = match judge(request, &state) {
            Ok((dispatch, answer)) => {
                state.dispatches.push(dispatch);
                answer
            }
            Err(Refusal(status, message)) => {
                state.refusals.push(format!("{} {}: {message}", request.method, request.url));
                (status, Some(error_body(status, &message)))
            }
        };
        state.undescribed.extend(operation.and_then(|operation| hold(&operation, &answer)).err());
        match (&state.answer, answer) {
            (Some(instead), (200 | 204, _)) => instead.clone(),
            (_, (status, None)) => ResponseTemplate::new(status),
            (_, (status, Some(body))) => ResponseTemplate::new(status).set_body_json(body),
        }
    }
}

/// The answer to a call of the GitHub App.
fn at_the_desk(request: &Request, state: &mut State) -> Option<ResponseTemplate> {
    let path = api_path(request).to_owned();
    let body: Option<Value> = serde_json::from_slice(&request.body).ok();
    let (status, answer) = state.desk.answer(request, &path)?;
    let held = GITHUB.request(request, &path, body.as_ref());
    let held = held.and_then(|operation| hold(&operation, &(status, Some(answer.clone()))));
    state.undescribed.extend(held.err());
    let is_token = status == 201;
    let template = match &state.desk.instead {
        Some(instead) if is_token => instead.clone(),
        _ => ResponseTemplate::new(status).set_body_json(answer),
    };
    let template = template.insert_header("Date", state.desk.date());
    Some(if is_token { template.set_delay(state.desk.delay) } else { template })
}

/// The answer to a question about commits.
fn read(request: &Request, state: &mut State) -> Option<ResponseTemplate> {
    let path = api_path(request).to_owned();
    let mut parts = path.strip_prefix("/repos/")?.splitn(3, '/');
    let (repository, rest) = (format!("{}/{}", parts.next()?, parts.next()?), parts.next()?);
    let (kind, name) = rest.split_once('/').filter(|(kind, _)| ["compare", "commits"].contains(kind))?;
    if kind == "commits" {
        state.commits_asked.push(name.to_owned());
    } else {
        let query = request.url.query().map_or(String::new(), |query| format!("?{query}"));
        state.comparisons.push(format!("{name}{query}"));
    }
    let found = check_headers(request, state).and_then(|()| match (kind, is_known(state, &repository)) {
        ("compare", true) => {
            let number = |name| {
                let pair = request.url.query_pairs().find(|(key, _)| key == name);
                pair.and_then(|(_, value)| value.parse().ok())
            };
            let paging = number("per_page").zip(number("page"));
            state.compared.get(name).map(|compared| compared.page(paging)).ok_or(not_found())
        }
        (_, true) => state.commits.get(name).map(|written| commit(written, 7)).ok_or(not_found()),
        (_, false) => Err(not_found()),
    });
    let (status, body) = match found {
        Ok(body) => (200, body),
        Err(Refusal(status, message)) => (status, error_body(status, &message)),
    };
    let operation = GITHUB.request(request, &path, None);
    let answer = (status, Some(body.clone()));
    state.undescribed.extend(operation.and_then(|operation| hold(&operation, &answer)).err());
    Some(state.answer_compare.clone().unwrap_or_else(|| ResponseTemplate::new(status).set_body_json(body)))
}

fn is_known(state: &State, repository: &str) -> bool {
    state.repositories.iter().any(|known| known.eq_ignore_ascii_case(repository))
}

fn not_found() -> Refusal {
    Refusal(404, "Not Found".to_owned())
}

/// The answer to a question of the checks: what a token may do, and a repository. To no other.
fn looked_at(request: &Request, state: &State) -> Option<ResponseTemplate> {
    let repository = match api_path(request) {
        "/rate_limit" => None,
        path => Some(path.strip_prefix("/repos/").filter(|name| name.matches('/').count() == 1)?),
    };
    if let Some(told) = &state.told {
        return Some(told.clone());
    }
    let authorization = request.headers.get("authorization").and_then(|value| value.to_str().ok());
    if authorization != Some(&format!("Bearer {}", state.token)) {
        return Some(ResponseTemplate::new(401).set_body_json(error_body(401, "Bad credentials")));
    }
    let is_known = |name: &str| state.repositories.iter().any(|known| known.eq_ignore_ascii_case(name));
    Some(match repository {
        None => ResponseTemplate::new(200)
            .insert_header("GitHub-Authentication-Token-Expiration", state.token_ends.as_str())
            .set_body_json(json!({"resources": {}})),
        Some(name) if is_known(name) => ResponseTemplate::new(200).set_body_json(&state.shown),
        Some(_) => ResponseTemplate::new(404).set_body_json(error_body(404, "Not Found")),
    })
}

/// A status that the description does not have, such as 401, comes with GitHub's usual error.
fn hold(operation: &Operation, (status, body): &(u16, Option<Value>)) -> Result<(), String> {
    GITHUB.answer(operation, (*status, body.as_ref()), "basic-error")
}

/// A body without what stands deep in it: values stay text, for what is a number to GitHub may be none to serde_json,
/// such as 1e400.
fn outline(body: &[u8]) -> Option<Value> {
    let fields: Properties = serde_json::from_slice(body).ok()?;
    let value = |value: &RawValue| match serde_json::from_str::<Properties>(value.get()) {
        Ok(properties) => properties.into_keys().map(|key| (key, Value::Null)).collect(),
        Err(_) => serde_json::from_str(value.get()).unwrap_or(Value::Null),
    };
    Some(fields.into_iter().map(|(key, text)| (key, value(text))).collect())
}

struct Refusal(u16, String);

fn refuse<T>(status: u16, message: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal(status, message.into()))
}

fn judge(request: &Request, state: &State) -> Result<(Dispatch, (u16, Option<Value>)), Refusal> {
    check_headers(request, state)?;
    if let Some((repository, file)) = github_workflows::named(api_path(request)) {
        check_given(request, state, repository, "actions")?;
        check_known(repository, state)?;
        let answer = github_workflows::start(file, &request.body, (state.is_old, state.has_trigger))
            .map_err(|(status, message)| Refusal(status, message))?;
        let workflow = Some(file.to_owned());
        return Ok((
            Dispatch { repository: repository.to_owned(), workflow, body: request.body.clone() },
            answer,
        ));
    }
    let Some(repository) = dispatched_repository(request) else { return refuse(404, "Not Found") };
    check_given(request, state, repository, "contents")?;
    check_known(repository, state)?;
    check_body(&request.body)?;
    let dispatch = Dispatch { repository: repository.to_owned(), workflow: None, body: request.body.clone() };
    Ok((dispatch, (204, None)))
}

fn check_known(repository: &str, state: &State) -> Result<(), Refusal> {
    if is_known(state, repository) { Ok(()) } else { Err(not_found()) }
}

fn check_headers(request: &Request, state: &State) -> Result<(), Refusal> {
    let header = |name| request.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if header("user-agent").is_empty() {
        return refuse(
            403,
            "Request forbidden by administrative rules. Please make sure your request has a User-Agent header",
        );
    }
    let given = state.desk.given(header("authorization"));
    if given.is_none_or(|given| given.is_revoked)
        && header("authorization") != format!("Bearer {}", state.token)
    {
        return refuse(401, "Bad credentials");
    }
    if header("accept") != "application/vnd.github+json" {
        return refuse(415, "Must accept 'application/vnd.github+json'");
    }
    if !["2022-11-28", "2026-03-10"].contains(&header("x-github-api-version")) {
        return refuse(400, "Please specify a supported API version");
    }
    Ok(())
}

/// A token of the App is good for its repository and its permissions.
fn check_given(request: &Request, state: &State, repository: &str, needs: &str) -> Result<(), Refusal> {
    let authorization = request.headers.get("authorization").and_then(|value| value.to_str().ok());
    let Some(given) = state.desk.given(authorization.unwrap_or_default()) else { return Ok(()) };
    if !given.repository.eq_ignore_ascii_case(repository) {
        return refuse(404, "Not Found");
    }
    match given.permissions[needs] == "write" {
        true => Ok(()),
        false => refuse(403, "Resource not accessible by integration"),
    }
}

/// The `owner/name` of a POST to `/repos/{owner}/{name}/dispatches`, on an enterprise server under `/api/v3`.
fn dispatched_repository(request: &Request) -> Option<&str> {
    let repository = api_path(request).strip_prefix("/repos/")?.strip_suffix("/dispatches")?;
    let called_right = request.method == "POST" && request.url.query().is_none();
    (called_right && repository.split('/').count() == 2).then_some(repository)
}

/// The path below the API's base, which an enterprise server has elsewhere.
fn api_path(request: &Request) -> &str {
    let path = request.url.path();
    path.strip_prefix("/api/v3").unwrap_or(path)
}

fn check_body(body: &[u8]) -> Result<(), Refusal> {
    if body.len() >= BODY_LIMIT_BYTES {
        return refuse(422, "client_payload is too large.");
    }
    // Values stay text: what is a number to GitHub may be none to serde_json, such as 1e400.
    let Ok(fields) = serde_json::from_slice::<Properties>(body) else {
        return refuse(400, "Problems parsing JSON");
    };
    if let Some(key) = fields.keys().find(|key| !["event_type", "client_payload"].contains(&key.as_str())) {
        return refuse(422, format!("Invalid request.\n\n\"{key}\" is not a permitted key."));
    }
    let event_type: Option<String> =
        fields.get("event_type").and_then(|value| serde_json::from_str(value.get()).ok());
    match event_type.map(|text| text.chars().count()) {
        Some(1..=100) => fields.get("client_payload").map_or(Ok(()), check_client_payload),
        _ => refuse(422, "Invalid request.\n\n\"event_type\" wasn't supplied, or is too long."),
    }
}

fn check_client_payload(client_payload: &&RawValue) -> Result<(), Refusal> {
    match serde_json::from_str::<Properties>(client_payload.get()).map(|properties| properties.len()) {
        Ok(0..=10) => Ok(()),
        Ok(count) => refuse(422, format!("No more than 10 properties are allowed; {count} were supplied.")),
        Err(_) => refuse(422, format!("Invalid request.\n\n{client_payload} is not an object.")),
    }
}

/// An error as GitHub writes it.
pub fn github_error(status: u16, message: &str) -> ResponseTemplate {
    ResponseTemplate::new(status).set_body_json(error_body(status, message))
}

fn error_body(status: u16, message: &str) -> Value {
    json!({
        "message": message,
        "documentation_url": "https://docs.github.com/rest/repos/repos#create-a-repository-dispatch-event",
        "status": status.to_string(),
    })
}

/// A token without the permission that the call wants.
pub fn permission_refused(wanted: &str) -> ResponseTemplate {
    github_error(403, "Resource not accessible by personal access token")
        .insert_header("X-Accepted-GitHub-Permissions", wanted)
}

/// The primary rate limit, used up for ten minutes more.
pub fn rate_limit_used_up(status: u16) -> ResponseTemplate {
    github_error(status, "API rate limit exceeded for installation ID 1234.")
        .insert_header("x-ratelimit-limit", "5000")
        .insert_header("x-ratelimit-remaining", "0")
        .insert_header("x-ratelimit-reset", (Utc::now() + TimeDelta::minutes(10)).timestamp())
}

/// A secondary rate limit.
pub fn rate_limited(status: u16) -> ResponseTemplate {
    github_error(
        status,
        "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.",
    )
    .insert_header("retry-after", "60")
    .insert_header("x-ratelimit-remaining", "4321")
}

/// A renamed repository, or any other redirect.
pub fn redirect(status: u16, location: &str) -> ResponseTemplate {
    github_error(status, "Moved Permanently").insert_header("Location", location)
}

/// A page for people where JSON is expected, as proxies and outages serve.
pub fn html(status: u16) -> ResponseTemplate {
    ResponseTemplate::new(status)
        .set_body_raw("<!DOCTYPE html><title>Unicorn!</title>", "text/html; charset=utf-8")
}
