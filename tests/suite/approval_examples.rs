//! The examples that ask for an approval, wait for it and release on it: their own scripts, run against a deployment.
//!
//! A service that is told what to say takes the place of the deployment if that cannot be brought to say something in
//! time, such as that an approval has expired.

use std::{
    fs,
    path::Path,
    sync::{Arc, Mutex},
};

use chrono::{SecondsFormat, TimeDelta, Utc};
use saphyr::YamlOwned;
use serde_json::{Value, json};
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate, matchers::any};

use crate::{
    actions::SHA,
    deployment::{Someone, Surroundings, text},
    functions_host::{FunctionsHost, Mode},
    github::html,
    handler_process::{free_port, repository_root},
    runner::{IdTokens, Jq, Ran, Runner, Step, inputs_of},
    stores::Store,
    tokens::{ALEX, ALEX_NAME, ALEX_UPN, Token},
    yaml::{mappings, members, read_yaml, text_of},
};

pub const ACTION: &str = "request-approval/action.yml";
pub const VERIFY: &str = "verify-approval/action.yml";
pub const REPORT: &str = "report-release/action.yml";
const DRY_RUN: &str = "in a dry run: nothing was really approved.";
pub const ID: &str = "0123456789abcdef0123456789abcdef0123456789ab";

/// The action's step, which in tests is not as patient.
pub fn ask() -> Step {
    Step::read(ACTION, "Ask").with("RETRY_SECONDS", "0 0").with("POLL_SECONDS", "0.1")
}

/// The step that verifies an event with the ApproveRelease at this address, and is not as patient either.
pub fn verify_at(url: &str) -> Step {
    Step::read(VERIFY, "Verify").with("URL", url).with("RETRY_SECONDS", "0 0")
}

/// The step that tells how a release ended, and is not as patient either.
fn report_to(url: &str) -> Step {
    Step::read(REPORT, "Report").with("URL", url).with("RETRY_SECONDS", "0 0")
}

/// A deployment at an address that is known before it starts, and a job of a repository.
pub struct Deployment {
    pub around: Surroundings,
    pub tokens: IdTokens,
    store: Store,
    port: u16,
}

impl Deployment {
    pub async fn start() -> (Self, FunctionsHost) {
        Self::start_with(&[]).await
    }

    /// A deployment with these settings as well.
    pub async fn start_with(settings: &[(&'static str, &str)]) -> (Self, FunctionsHost) {
        let around = Surroundings::start().await;
        let tokens = IdTokens::of(Token::of_job(&around.actions)).await;
        let deployment = Self { around, tokens, store: Store::folder(), port: free_port() };
        let host = deployment.host_with(settings).await;
        (deployment, host)
    }

    async fn host(&self) -> FunctionsHost {
        self.host_with(&[]).await
    }

    async fn host_with(&self, settings: &[(&'static str, &str)]) -> FunctionsHost {
        let host = self.around.host(Mode::Payload).setting("PUBLIC_URL", &self.url());
        let host = host.settings(settings.iter().map(|(name, value)| (*name, (*value).to_owned())));
        host.store(&self.store).at_port(self.port).start().await
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Runs the action with these inputs besides the deployment's address.
    pub async fn ask(&self, inputs: &[(&str, &str)]) -> Ran {
        self.ask_on(Runner::with_tokens(&self.tokens), inputs).await
    }

    pub async fn ask_on(&self, runner: Runner, inputs: &[(&str, &str)]) -> Ran {
        let url = self.url();
        let inputs = [&[("inputs.url", url.as_str()), ("inputs.event-type", "go-live")], inputs].concat();
        runner.run(ask(), &inputs).await
    }

    /// Runs the action so that it waits, and does something once it does, of which the result stays until the end.
    async fn wait<T>(&self, meanwhile: impl AsyncFnOnce(String) -> T) -> Ran {
        let asks = [("inputs.wait", "true"), ("inputs.client-payload", r#"{"version":"1.4.2"}"#)];
        let decide = async {
            // One token to ask with, and one for each look.
            self.tokens.until_issued_more(2).await;
            meanwhile(self.only_id().await).await
        };
        tokio::join!(self.ask(&asks), decide).0
    }

    /// The id of the one approval that there is.
    pub async fn only_id(&self) -> String {
        let objects = self.store.objects().await;
        let ids: std::collections::BTreeSet<_> = objects
            .iter()
            .flat_map(|path| path.split(['/', '.']))
            .filter(|part| part.len() == 44 && part.bytes().all(|byte| byte.is_ascii_hexdigit()))
            .collect();
        assert_eq!(ids.len(), 1, "{objects:?}");
        ids.into_iter().next().unwrap().to_owned()
    }

    pub async fn seen(&self, host: &FunctionsHost, id: &str) -> Value {
        let job = Token::of_job(&self.around.actions).claim("aud", self.url());
        host.status_as(&job, id).await.json()
    }

    async fn vote(&self, host: &FunctionsHost, id: &str, verdict: &str) {
        let alex = self.around.token_of(&Someone::alex());
        assert_eq!(host.vote(&alex, id, verdict).await.status, 200);
    }

    /// The tokens of a run that the event of an approval started.
    async fn run(&self, run_id: &str) -> IdTokens {
        let job = Token::of_job(&self.around.actions).claim("event_name", "repository_dispatch");
        IdTokens::of(job.claim("run_id", run_id)).await
    }

    /// Verifies an event as the release workflow does, in run 4711.
    async fn verify(&self, event: &Value) -> Ran {
        self.verify_in(&self.run("4711").await, "4711", event).await
    }

    async fn verify_in(&self, tokens: &IdTokens, run_id: &str, event: &Value) -> Ran {
        self.verify_on(Runner::with_tokens(tokens).setting("GITHUB_RUN_ID", run_id), event).await
    }

    async fn verify_on(&self, runner: Runner, event: &Value) -> Ran {
        runner.event(event).run(verify_at(&self.url()), &[]).await
    }

    /// An approved release, and the event that GitHub makes of its dispatch.
    async fn approved(&self, host: &FunctionsHost) -> Value {
        self.around.github.expect_dispatches(1);
        let asked = self.ask(&[("inputs.client-payload", r#"{"version":"1.4.2","n":[1,2.50]}"#)]).await;
        self.vote(host, &asked.assert_succeeded().outputs["id"], "approve").await;
        let dispatch = self.around.github.only_dispatch();
        let payload: Value = serde_json::from_str(dispatch.client_payload()).unwrap();
        json!({"action": dispatch.event_type(), "branch": "main", "client_payload": payload})
    }
}

#[tokio::test]
async fn the_action_asks_for_what_its_inputs_say() {
    let (deployment, host) = Deployment::start().await;
    let runner = Runner::with_tokens(&deployment.tokens).with_jq(Jq::Pinned);
    let ran = deployment
        .ask_on(
            runner,
            &[
                ("inputs.client-payload", "{\"version\": \"1.4.2\",\n \"n\": 12345678901234567890}"),
                ("inputs.rejected-event-type", "no-go"),
                ("inputs.title", "Release \"1.4.2\" $(id) `id` ${{ x }}"),
                ("inputs.text", "**What's new**\n\n- \\this\n"),
                ("inputs.facts", r#"{"Environment": "production"}"#),
                ("inputs.approvers", &format!("{ALEX_UPN}\n  sam@contoso.com , {ALEX}\n")),
                ("inputs.approvals-required", "2"),
                ("inputs.expires-in-minutes", "30"),
                ("inputs.reminder-minutes", "5"),
            ],
        )
        .await
        .assert_succeeded();

    let id = &ran.outputs["id"];
    let seen = deployment.seen(&host, id).await;
    for (field, expected) in [
        ("event_type", json!("go-live")),
        ("rejected_event_type", json!("no-go")),
        ("client_payload", json!({"version": "1.4.2", "n": 12345678901234567890_u64})),
        ("title", json!("Release \"1.4.2\" $(id) `id` ${{ x }}")),
        ("approvals_required", json!(2)),
        ("sha", json!(SHA)),
    ] {
        assert_eq!(seen[field], expected, "{field}");
    }
    let time = |field: &str| chrono::DateTime::parse_from_rfc3339(&text(&seen[field])).unwrap();
    assert_eq!((time("expires_at") - time("created_at")).num_minutes(), 30);
    let page = text(&seen["url"]);
    assert_eq!(page, format!("{}/api/approvals/{id}", deployment.url()));
    assert_eq!((&ran.outputs["url"], ran.outputs["status"].as_str()), (&page, "pending"));
    assert_eq!(ran.outputs["run-attempt"], "1");
    assert!(ran.summary.contains(&page) && ran.log.contains("::notice::No card was posted"), "{ran:?}");
    assert_eq!(deployment.tokens.audiences(), [deployment.url()], "the token is for the deployment");
    let masked: Vec<_> = ran.log.lines().filter_map(|line| line.strip_prefix("::add-mask::")).collect();
    let [token] = masked[..] else { panic!("one token: {}", ran.log) };
    assert_eq!(ran.log.matches(token).count(), 1, "{}", ran.log);
    // The page has what the job is not told again.
    let shown = host.send(Someone::alex().get(&format!("/api/approvals/{id}"))).await.text();
    assert!(shown.contains("Environment") && shown.contains("new</strong>"), "{shown}");
    let other = deployment.around.token_of(&Someone::number(3));
    host.vote(&other, id, "approve").await.assert_outcome(403, "forbidden");
}

#[tokio::test]
async fn what_is_left_empty_is_not_asked_for_and_the_same_job_asks_once() {
    let (deployment, host) = Deployment::start().await;

    let first = deployment.ask(&[]).await.assert_succeeded();
    let again = deployment.ask(&[("inputs.client-payload", "{}"), ("inputs.title", "")]).await;

    let id = &first.outputs["id"];
    assert_eq!(&again.assert_succeeded().outputs["id"], id);
    let seen = deployment.seen(&host, id).await;
    assert_eq!(
        (&seen["title"], &seen["rejected_event_type"]),
        (&json!("Release main of octo/app"), &Value::Null)
    );
    assert_eq!((&seen["client_payload"], &seen["approvals_required"]), (&json!({}), &json!(1)));
    let named = deployment.ask(&[("inputs.title", "Another")]).await.assert_succeeded();
    assert_ne!(&named.outputs["id"], id);
}

#[tokio::test]
async fn a_refusal_is_told_in_the_services_words() {
    let (deployment, _host) = Deployment::start().await;
    for (input, value, saying) in [
        ("inputs.event-type", "release-approved", "RELAY_EVENT_TYPES"),
        ("inputs.client-payload", "not JSON", "client_payload"),
        ("inputs.client-payload", "null", "client_payload"),
        ("inputs.facts", r#"{"n": 1}"#, "facts"),
        ("inputs.approvers", "nobody", "approvers"),
        ("inputs.approvals-required", "two", "approvals_required"),
        ("inputs.expires-in-minutes", "0", "expires_in_minutes"),
    ] {
        println!("{input}: {value}");
        let ran = deployment.ask(&[(input, value)]).await.assert_failed("ApproveRelease answered 400: ");
        ran.assert_failed(saying);
    }
    assert_eq!(deployment.store.objects().await, [""; 0]);
}

#[tokio::test]
async fn what_a_job_lacks_is_named_before_anything_is_sent() {
    let (deployment, _host) = Deployment::start().await;
    let url = deployment.url();
    let all = [("inputs.url", url.as_str()), ("inputs.event-type", "go-live")];
    Runner::new().run(ask(), &all).await.assert_failed("Add id-token: write");
    deployment.ask(&[("inputs.wait", "yes")]).await.assert_failed("wait");
    assert_eq!(deployment.tokens.issued(), 0);
}

#[tokio::test]
async fn a_wait_ends_well_with_an_approval_alone() {
    for (verdict, dispatches) in [("approve", 1), ("reject", 0)] {
        let (deployment, host) = Deployment::start().await;
        deployment.around.github.expect_dispatches(dispatches);
        let ran = deployment.wait(async |id| deployment.vote(&host, &id, verdict).await).await;

        let who = format!("by {ALEX_NAME} ({ALEX}).");
        let ran = match verdict {
            "approve" => ran.assert_succeeded(),
            _ => ran.assert_failed(&format!("Rejected {who}")),
        };
        let expected = if verdict == "approve" { "approved" } else { "rejected" };
        assert_eq!(ran.outputs["status"], expected);
        assert_eq!(ran.summary.contains(&format!("Approved {who}")), verdict == "approve", "{}", ran.summary);
    }
}

#[tokio::test]
async fn a_wait_outlives_the_service() {
    let (deployment, host) = Deployment::start().await;
    deployment.around.github.expect_dispatches(1);

    let restart = async |id: String| {
        drop(host);
        deployment.tokens.until_issued_more(3).await;
        let host = deployment.host().await;
        deployment.vote(&host, &id, "approve").await;
        host
    };
    let ran = deployment.wait(restart).await.assert_succeeded();

    assert!(ran.log.contains("No answer that counts (000)"), "{}", ran.log);
}

/// A service that is told what to say, one answer after the other, the last one for ever.
pub struct Service {
    pub server: MockServer,
    pub tokens: IdTokens,
    methods: Arc<Mutex<Vec<String>>>,
    bearers: Arc<Mutex<Vec<String>>>,
    bodies: Arc<Mutex<Vec<String>>>,
}

struct Script {
    methods: Arc<Mutex<Vec<String>>>,
    answers: Mutex<Vec<ResponseTemplate>>,
    bearers: Arc<Mutex<Vec<String>>>,
    bodies: Arc<Mutex<Vec<String>>>,
}

impl Respond for Script {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let bearer = request.headers["authorization"].to_str().unwrap().to_owned();
        self.bearers.lock().unwrap().push(bearer);
        self.methods.lock().unwrap().push(request.method.to_string());
        self.bodies.lock().unwrap().push(String::from_utf8(request.body.clone()).unwrap());
        let mut answers = self.answers.lock().unwrap();
        if answers.len() > 1 { answers.remove(0) } else { answers[0].clone() }
    }
}

impl Service {
    pub async fn saying(answers: Vec<ResponseTemplate>) -> Self {
        let around = Surroundings::start().await;
        let server = MockServer::builder().start().await;
        let (bearers, bodies, methods) = (Arc::default(), Arc::default(), Arc::default());
        let (answers, all_bearers, all_bodies) =
            (Mutex::new(answers), Arc::clone(&bearers), Arc::clone(&bodies));
        let script =
            Script { answers, bearers: all_bearers, bodies: all_bodies, methods: Arc::clone(&methods) };
        Mock::given(any()).respond_with(script).mount(&server).await;
        Self { server, tokens: IdTokens::of(Token::of_job(&around.actions)).await, bearers, bodies, methods }
    }

    pub fn runner(&self) -> Runner {
        Runner::with_tokens(&self.tokens)
    }

    pub async fn ask_on(&self, runner: Runner, inputs: &[(&str, &str)]) -> Ran {
        let url = self.server.uri();
        let inputs = [&[("inputs.url", url.as_str()), ("inputs.event-type", "go-live")], inputs].concat();
        runner.run(ask(), &inputs).await
    }

    async fn wait(&self) -> Ran {
        self.ask_on(self.runner(), &[("inputs.wait", "true")]).await
    }

    /// Verifies the event of what it says, as the release workflow does.
    pub async fn verify_on(&self, runner: Runner) -> Ran {
        let payload = json!({"version": "1.4.2", "n": 1.1, "long": 12_345_678_901_234_567_890_u64});
        self.verify_of_on(runner, &payload).await
    }

    /// Verifies an event with another payload.
    pub async fn verify_of(&self, payload: &Value) -> Ran {
        self.verify_of_on(self.runner(), payload).await
    }

    async fn verify_of_on(&self, runner: Runner, payload: &Value) -> Ran {
        let mut event = json!({"action": "go-live", "client_payload": payload});
        event["client_payload"]["approval"] = json!({"id": ID, "sha": SHA, "verdict": "approved"});
        runner.event(&event).run(verify_at(&self.server.uri()), &[]).await
    }

    pub async fn verify(&self) -> Ran {
        self.verify_on(self.runner()).await
    }

    /// The methods of the requests so far.
    pub fn methods(&self) -> Vec<String> {
        self.methods.lock().unwrap().clone()
    }

    /// The body of the request for an approval.
    pub fn asked(&self) -> String {
        self.bodies.lock().unwrap()[0].clone()
    }

    /// The number of requests, each with a token of its own.
    fn requests(&self) -> usize {
        let mut bearers = self.bearers.lock().unwrap().clone();
        let all = bearers.len();
        bearers.sort();
        bearers.dedup();
        assert_eq!(bearers.len(), all, "a token was used twice");
        all
    }
}

/// The service's answer about an approval that is open for so many minutes more.
pub fn says(code: u16, status: &str, minutes: i64) -> ResponseTemplate {
    ResponseTemplate::new(code).set_body_json(item(status, minutes))
}

/// The same, but for these members.
pub fn says_instead(status: &str, changes: &Value) -> ResponseTemplate {
    let mut item = item(status, 60);
    item.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    // Numbers as people write them.
    let written = item.to_string().replace("1.1,", "1.10,");
    ResponseTemplate::new(200).set_body_raw(written, "application/json")
}

fn item(status: &str, minutes: i64) -> Value {
    let until = in_minutes(minutes);
    json!({
        "id": ID, "status": status, "dry_run": false, "run_attempt": "1",
        "url": format!("https://approve.example/api/approvals/{ID}"),
        "expires_at": until, "posted": "bot", "performers": [
            {"id": ALEX, "name": "::error::<b>`\n[Alex](x)", "verdict": "approve", "comment": "", "at": until},
        ],
        "event_type": "go-live", "workflow": null, "sha": SHA, "delivery": "delivered",
        "run": {"id": "4711", "attempt": "1", "url": "https://github.com/octo/app/actions/runs/4711", "conclusion": null},
        "client_payload": {"n": 1.1, "version": "1.4.2", "long": 12_345_678_901_234_567_890_u64},
        "decided_at": in_minutes(-9000), "delivered_at": in_minutes(-1430),
    })
}

pub fn in_minutes(minutes: i64) -> String {
    (Utc::now() + TimeDelta::minutes(minutes)).to_rfc3339_opts(SecondsFormat::Millis, true)
}

pub fn outcome(code: u16, outcome: &str) -> ResponseTemplate {
    let message = format!("A sentence about {outcome}.\n::error::It has a second line.");
    ResponseTemplate::new(code).set_body_json(json!({"outcome": outcome, "message": message}))
}

#[tokio::test]
async fn a_wait_outlives_every_answer_that_will_pass() {
    let answers = vec![
        outcome(424, "unavailable"),
        html(503),
        says(201, "pending", 60),
        html(502),
        outcome(424, "unavailable"),
        ResponseTemplate::new(429),
        // The platform, while the app is moved: not the service's word, whatever the status.
        html(200),
        html(403),
        html(404),
        says(200, "pending", 60),
        says(200, "approved", 60),
    ];
    let count = answers.len();
    let service = Service::saying(answers).await;

    let ran = service.wait().await.assert_succeeded();

    assert_eq!(service.requests(), count);
    assert_eq!(service.tokens.issued(), count);
    // Whatever somebody calls themselves is a name.
    assert_eq!(
        ran.log.lines().filter(|line| line.starts_with("Approved by error")).count(),
        1,
        "{}",
        ran.log
    );
    assert!(ran.summary.contains(&format!("Approved by errorbAlexx ({ALEX}).")), "{}", ran.summary);
}

#[tokio::test]
async fn a_wait_fails_on_every_other_end() {
    for (answers, saying, requests) in [
        (vec![says(201, "pending", 60), says(200, "expired", 60)], "Nobody decided in time.", 2),
        (vec![says(201, "pending", 60), says(200, "withdrawn", 60)], "Withdrawn", 2),
        (vec![says(201, "pending", 60), says(200, "dry-run", 60)], DRY_RUN, 2),
        (vec![says(201, "pending", 60), says(200, "postponed", 60)], "a status that", 2),
        (
            vec![says(201, "pending", 60), outcome(404, "unknown")],
            "answered 404: A sentence about unknown. :error:It",
            2,
        ),
        (vec![says(201, "pending", 60), outcome(401, "unauthenticated")], "unauthenticated", 2),
        // Five minutes past its end nothing more is to be expected.
        (vec![says(201, "pending", -6)], "The time for a decision is over", 1),
        (vec![outcome(424, "misconfigured")], "answered 424: A sentence about misconfigured.", 1),
        (vec![outcome(424, "unavailable")], "answered 424: A sentence about unavailable.", 3),
        (vec![html(503)], "answered 503: nothing that explains it", 3),
        (vec![html(200)], "answered 200: nothing that explains it", 3),
    ] {
        println!("{saying}");
        let service = Service::saying(answers).await;
        service.wait().await.assert_failed(saying);
        assert_eq!(service.requests(), requests);
    }
}

#[tokio::test]
async fn a_service_that_is_not_there_is_told_so() {
    let (deployment, host) = Deployment::start().await;
    drop(host);
    deployment.ask(&[]).await.assert_failed("could not be reached (without a proxy)");
    assert_eq!(deployment.tokens.issued(), 3, "it was tried again");
}

#[tokio::test]
async fn a_release_takes_the_event_that_people_approved() {
    let (deployment, host) = Deployment::start().await;
    let event = deployment.approved(&host).await;
    let id = text(&event["client_payload"]["approval"]["id"]);

    let tokens = deployment.run("4711").await;
    let runner = Runner::with_tokens(&tokens).with_jq(Jq::Pinned).setting("GITHUB_RUN_ID", "4711");
    let ran = deployment.verify_on(runner, &event).await.assert_succeeded();

    assert_eq!((&ran.outputs["id"], ran.outputs["sha"].as_str()), (&id, SHA));
    let payload: Value = serde_json::from_str(&ran.outputs["payload"]).unwrap();
    assert_eq!(payload, json!({"version": "1.4.2", "n": [1, 2.5]}));
    assert_eq!(ran.outputs["run-attempt"], "1");
    let said = format!("Commit {SHA} was approved by {ALEX_NAME} ({ALEX}): {}", deployment.url());
    assert!(ran.summary.contains(&said) && ran.log.contains(&said), "{ran:?}");
    assert_eq!(tokens.audiences(), [deployment.url()], "one call, which looks and starts");
    // The ticket is a secret from the first line on.
    let ticket = text(&event["client_payload"]["approval"]["ticket"]);
    assert!(ran.log.starts_with(&format!("::add-mask::{ticket}\n")), "{}", ran.log);
    assert_eq!(ran.log.matches(&ticket).count(), 1, "{}", ran.log);
    assert!(ran.outputs.values().all(|output| !output.contains(&ticket)) && !ran.summary.contains(&ticket));
}

#[tokio::test]
async fn a_release_takes_no_other_event() {
    let (deployment, host) = Deployment::start().await;
    let genuine = deployment.approved(&host).await;
    let pending = deployment.ask(&[("inputs.title", "Another")]).await.outputs["id"].clone();
    let rejected = deployment.ask(&[("inputs.title", "A third")]).await.outputs["id"].clone();
    deployment.vote(&host, &rejected, "reject").await;

    let set = |pointer: &str, value: Value| (pointer.to_owned(), value);
    let forged = "f".repeat(40);
    for ((pointer, value), saying) in [
        (set("/action", json!("clean-up")), "It is for another event."),
        (set("/client_payload/version", json!("1.4.3")), "It is for another payload."),
        (set("/client_payload/n", json!([1])), "It is for another payload."),
        (set("/client_payload/more", json!(true)), "It is for another payload."),
        (set("/client_payload/approval/sha", json!(forged)), "It is for another commit."),
        (set("/client_payload/approval/verdict", json!("rejected")), "was not approved"),
        (set("/client_payload/approval/id", json!(pending)), "it is pending, not approved"),
        (set("/client_payload/approval/id", json!(rejected)), "it is rejected, not approved"),
        (set("/client_payload/approval/id", json!("0".repeat(44))), "ApproveRelease answered 404: "),
        (
            set("/client_payload/approval/id", json!(format!("{ID}\n::notice::x"))),
            "The event names no approval.",
        ),
        (set("/client_payload/approval/id", json!("../../x?")), "The event names no approval."),
        (set("/client_payload/approval/id", json!(7)), "The event names no approval."),
        (set("/client_payload/approval", json!("x")), "The event names no approval."),
        (set("/client_payload/approval", Value::Null), "The event names no approval."),
        (set("/client_payload", json!([])), "The event names no approval."),
    ] {
        println!("{pointer}: {value}");
        let mut event = genuine.clone();
        put(&mut event, &pointer, value);
        let ran = deployment.verify(&event).await.assert_failed(saying);
        assert!(ran.outputs.is_empty() && ran.summary.is_empty(), "{ran:?}");
    }
}

/// Sets a value, whether it was there before or not.
fn put(event: &mut Value, pointer: &str, value: Value) {
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    event.pointer_mut(parent).unwrap()[name] = value;
}

#[tokio::test]
async fn another_repositorys_release_knows_nothing_of_an_approval() {
    let (deployment, host) = Deployment::start().await;
    let event = deployment.approved(&host).await;
    let other = Token::of_job(&deployment.around.actions).claim("event_name", "repository_dispatch");
    let tokens = IdTokens::of(other.claim("repository_id", "7").claim("run_id", "4711")).await;

    deployment.verify_in(&tokens, "4711", &event).await.assert_failed("ApproveRelease answered 404: ");
}

#[tokio::test]
async fn nothing_is_released_while_the_service_is_away() {
    let (deployment, host) = Deployment::start().await;
    let event = deployment.approved(&host).await;
    drop(host);

    deployment.verify(&event).await.assert_failed("could not be reached (without a proxy)");
}

/// Texts that are no address of a deployment, though some look like one.
const NO_ADDRESSES: [&str; 28] = [
    "",
    " ",
    "approve.example",
    "https://",
    "https:///api",
    "http://approve.example",
    "HTTP://localhost:7071",
    "ftp://approve.example",
    "file:///etc/passwd",
    "http://localhost:@evil.example/",
    "http://localhost:7071@evil.example/",
    "http://localhost@evil.example/",
    "http://localhost.evil.example/",
    "http://127.0.0.1.evil.example/",
    "http://127.0.0.1:@evil.example/",
    "https://a@evil.example/",
    "https://a:b@evil.example/",
    "https://approve.example\\@evil.example",
    "https://approve.example?x=y",
    "https://approve.example/?code=key",
    "https://approve.example/#x",
    "https://approve.example:port",
    "https://{approve,evil}.example",
    "https://approve.example/%0a",
    "https://approve.example evil.example",
    "https://approve.example\nhttps://evil.example",
    "https://approve.example\r\n::notice::x",
    "\n::notice::x",
];

// T5
#[tokio::test]
async fn no_address_leads_to_anybody_but_the_deployment() {
    let service = Service::saying(vec![says(200, "approved", 60)]).await;
    for url in NO_ADDRESSES {
        println!("{url:?}");
        for ran in [
            service.runner().run(ask(), &[("inputs.url", url)]).await,
            service.runner().event(&json!({})).run(verify_at(url), &[]).await,
        ] {
            let ran = ran.assert_failed("https address");
            assert_eq!(ran.log.lines().count(), 1, "{}", ran.log);
        }
    }
    assert_eq!((service.tokens.issued(), service.requests()), (0, 0));
}

#[tokio::test]
async fn white_space_around_the_address_is_no_part_of_it() {
    let service = Service::saying(vec![says(200, "approved", 60)]).await;
    let url = format!(" {}/\r\n", service.server.uri());

    let inputs = [("inputs.url", url.as_str()), ("inputs.event-type", "go-live"), ("inputs.wait", "true")];
    service.runner().run(ask(), &inputs).await.assert_succeeded();

    assert_eq!(service.tokens.audiences(), vec![service.server.uri(); 2]);
}

#[tokio::test]
async fn the_examples_address_has_to_be_replaced() {
    let service = Service::saying(vec![says(200, "approved", 60)]).await;
    let url = "https://APP.azurewebsites.net";
    let saying = "is still the example's.";
    service.runner().run(ask(), &[("inputs.url", url)]).await.assert_failed(saying);
    let verify = Step::read(VERIFY, "Verify").with("URL", url);
    service.runner().event(&json!({})).run(verify, &[]).await.assert_failed(saying);
    assert_eq!(service.tokens.issued(), 0);
}

#[tokio::test]
async fn a_proxy_is_for_github_alone_and_a_curlrc_for_nobody() {
    let service = Service::saying(vec![says(200, "approved", 60)]).await;
    let proxy = service.tokens.url();
    // Only a proxy finds this host. It fails the test if it is asked for anything but a token.
    let runner = || {
        let runner = service.runner().curlrc("connect-to = \"::127.0.0.1:1\"\n");
        ["http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"]
            .into_iter()
            .fold(runner, |runner, name| runner.setting(name, &proxy))
            .setting("ACTIONS_ID_TOKEN_REQUEST_URL", "http://tokens.invalid/token?api-version=2.0")
    };

    service.ask_on(runner(), &[("inputs.wait", "true")]).await.assert_succeeded();
    service.verify_on(runner()).await.assert_succeeded();

    assert_eq!(service.requests(), 3);
}

// T5
#[tokio::test]
async fn no_redirect_is_followed() {
    let other = Service::saying(vec![says(200, "approved", 60)]).await;
    let to_other = ResponseTemplate::new(307).insert_header("location", other.server.uri());
    let service = Service::saying(vec![to_other]).await;
    service.wait().await.assert_failed("answered 307");
    service.verify().await.assert_failed("ApproveRelease answered 307: ");
    assert_eq!(other.requests(), 0);
}

// T7
#[tokio::test]
async fn a_dry_run_is_no_approval() {
    for (status, dry_run, saying) in [
        ("dry-run", json!(true), DRY_RUN),
        ("dry-run", json!(false), DRY_RUN),
        ("approved", json!(true), DRY_RUN),
        ("approved", Value::Null, "does not say whether it is in a dry run"),
        ("approved", json!("false"), "does not say whether it is in a dry run"),
    ] {
        println!("{status}, {dry_run}");
        let answer = || says_instead(status, &json!({"dry_run": dry_run}));
        let waiting = Service::saying(vec![says(201, "pending", 60), answer()]).await;
        let ran = waiting.wait().await.assert_failed(saying);
        let expected = if dry_run == json!(true) || status == "dry-run" { Some("dry-run") } else { None };
        assert_eq!(ran.outputs.get("status").map(String::as_str), expected, "{ran:?}");
        assert!(!ran.summary.contains("Approved"), "{}", ran.summary);
        let ran = Service::saying(vec![answer()]).await.verify().await.assert_failed(saying);
        assert!(ran.outputs.is_empty() && ran.summary.is_empty(), "{ran:?}");
    }
}

#[tokio::test]
async fn a_wait_is_over_with_the_approval_of_this_very_attempt() {
    for (changes, saying) in [
        (json!({"run_attempt": "2"}), "Another attempt of this run asked for it."),
        (json!({"run_attempt": null}), "Another attempt of this run asked for it."),
        (json!({"id": "f".repeat(44)}), "about another approval"),
    ] {
        let service =
            Service::saying(vec![says(201, "pending", 60), says_instead("approved", &changes)]).await;
        service.wait().await.assert_failed(saying);
    }
    // The word of the answer to the request itself has none of that, and is looked at again.
    let service = Service::saying(vec![says(200, "approved", 60), says(200, "rejected", 60)]).await;
    service.wait().await.assert_failed("Rejected");
}

// T6
#[tokio::test]
async fn a_job_that_is_run_again_alone_deploys_nothing() {
    let (file, step) = ("examples/wait-for-approval.yml", "Refuse what an earlier attempt asked for");
    let run = async |attempt: &str, kept: &str| {
        let runner = Runner::new().setting("GITHUB_RUN_ATTEMPT", attempt);
        runner.run(Step::read(file, step), &[("needs.approval.outputs.run-attempt", kept)]).await
    };
    run("1", "1").await.assert_succeeded();
    run("12", "12").await.assert_succeeded();
    for (attempt, kept) in [("2", "1"), ("1", ""), ("1", "*"), ("1", "11")] {
        run(attempt, kept).await.assert_failed("Re-run all jobs");
    }
    // Nothing comes before it in its job, and the output reaches that.
    let workflow = read_yaml(file);
    let jobs = workflow.as_mapping_get("jobs").unwrap();
    let job = |name| jobs.as_mapping_get(name).unwrap();
    let steps = job("deploy").as_mapping_get("steps").unwrap().as_sequence().unwrap();
    assert_eq!(text_of(&steps[0], "name"), Some(step));
    let outputs = job("approval").as_mapping_get("outputs").unwrap();
    assert_eq!(text_of(outputs, "run-attempt"), Some("${{ steps.ask.outputs.run-attempt }}"));
}

// T6
#[tokio::test]
async fn an_approval_is_good_for_a_day() {
    let old = "It was sent more than 1440 minutes ago.";
    let unsaid = "ApproveRelease does not say when it was sent.";
    for (changes, saying) in [
        (json!({}), None),
        (json!({"delivered_at": in_minutes(-1441)}), Some(old)),
        (json!({"delivered_at": null}), Some(unsaid)),
        (json!({"delivered_at": "yesterday"}), Some(unsaid)),
        (json!({"delivered_at": 1}), Some(unsaid)),
        // The decision itself counts if nothing is sent, and only then.
        (json!({"delivery": "none", "delivered_at": null, "decided_at": in_minutes(-1430)}), None),
        (json!({"delivery": "none", "delivered_at": in_minutes(0)}), Some(old)),
        (json!({"delivery": "none", "decided_at": null}), Some(unsaid)),
        (json!({"delivery": "dead", "delivered_at": null, "decided_at": in_minutes(0)}), Some(unsaid)),
    ] {
        println!("{changes}");
        let service = Service::saying(vec![says_instead("approved", &changes)]).await;
        match (service.verify().await, saying) {
            (ran, Some(saying)) => drop(ran.assert_failed(saying)),
            (ran, None) => drop(ran.assert_succeeded()),
        }
    }
    for age in ["", "a day", "0", "-1", "1440\n1"] {
        let service = Service::saying(vec![says(200, "approved", 60)]).await;
        let verify = verify_at(&service.server.uri()).with("MAX_AGE_MINUTES", age);
        let ran = service.runner().event(&json!({})).run(verify, &[]).await;
        ran.assert_failed("The input max-age-minutes must be a number of minutes.");
    }
}

#[tokio::test]
async fn an_event_may_be_here_before_it_is_noted_that_it_was_sent() {
    let pending = || says_instead("approved", &json!({"delivery": "pending", "delivered_at": null}));
    let service = Service::saying(vec![pending(), pending(), says(200, "approved", 60)]).await;
    service.verify().await.assert_succeeded();
    assert_eq!(service.requests(), 3);

    let service = Service::saying(vec![pending()]).await;
    service.verify().await.assert_failed("re-run all jobs later");
}

#[tokio::test]
async fn numbers_stay_what_they_are_whatever_jq_there_is() {
    let payload =
        "{\"n\": 1.10,\r\n \"long\": 12345678901234567890, \"e\": -1.50E+3, \"s\": \"\\u00e9 2.0\"}";
    for jq in Jq::ALL {
        println!("{jq:?}");
        let service = Service::saying(vec![says(200, "approved", 60)]).await;
        let inputs = [
            ("inputs.client-payload", payload),
            ("inputs.facts", "{\"Cost\": \"1.10 \u{20ac}\"}"),
            ("inputs.title", "A \"title\"\r\nof two lines, \u{e9}"),
            ("inputs.approvers", "a@contoso.com,\r\n b@contoso.com \n"),
            ("inputs.approvals-required", "2"),
            ("inputs.wait", "true"),
        ];
        let ran = service.ask_on(service.runner().with_jq(jq), &inputs).await.assert_succeeded();
        let asked = service.asked();
        for expected in [
            format!(",\"client_payload\":{payload},\"facts\":"),
            "\"facts\":{\"Cost\": \"1.10 \u{20ac}\"},\"approvals_required\":2}".to_owned(),
            "\"title\":\"A \\\"title\\\"\\r\\nof two lines, \u{e9}\"".to_owned(),
            "\"approvers\":[\"a@contoso.com\",\"b@contoso.com\"]".to_owned(),
            "{\"key\":\"approval/0\",".to_owned(),
        ] {
            assert!(asked.contains(&expected), "{expected} in {asked}");
        }
        assert_eq!(serde_json::from_str::<Value>(&asked).unwrap().as_object().unwrap().len(), 7, "{asked}");
        let page = format!("https://approve.example/api/approvals/{ID}");
        assert_eq!((ran.outputs["id"].as_str(), &ran.outputs["url"]), (ID, &page));
        assert!(ran.outputs.values().all(|value| !value.contains('\r')), "{ran:?}");

        let service = Service::saying(vec![says_instead("approved", &json!({}))]).await;
        let ran = service.verify_on(service.runner().with_jq(jq)).await.assert_succeeded();
        let payload = r#""n":1.10,"#;
        assert!(ran.outputs["payload"].contains(payload), "{ran:?}");
        assert!(ran.outputs["payload"].contains(r#""long":12345678901234567890"#), "{ran:?}");
        assert!(ran.outputs.values().all(|value| !value.contains('\r')), "{ran:?}");
        assert_eq!(ran.outputs["sha"], SHA);
    }
}

#[tokio::test]
async fn an_input_adds_no_field_to_the_request() {
    let inputs = ["{}, \"event_type\": \"other\"", "{}}", "{} {}", "{\"a\": 1", "\"", "[],{}"];
    for input in inputs {
        println!("{input}");
        let service = Service::saying(vec![outcome(400, "invalid")]).await;
        let inputs = [("inputs.client-payload", input), ("inputs.facts", input)];
        service.ask_on(service.runner(), &inputs).await.assert_failed("answered 400");
        let asked: Value = serde_json::from_str(&service.asked()).unwrap();
        let texts = json!({"key": "approval/0", "title": "Release main of octo/app", "event_type": "go-live", "client_payload": input, "facts": input});
        assert_eq!(asked, texts);
    }
}

// T8
#[tokio::test]
async fn two_jobs_of_one_run_have_an_approval_each() {
    let (deployment, _host) = Deployment::start().await;
    let ask = async |job: &str, index: &str, key: &str| {
        let runner = Runner::with_tokens(&deployment.tokens).setting("GITHUB_JOB", job);
        let inputs = [("strategy.job-index", index), ("inputs.key", key)];
        deployment.ask_on(runner, &inputs).await.assert_succeeded().outputs["id"].clone()
    };
    let long = "j".repeat(200);
    let ids = [
        ask("staging", "0", "").await,
        ask("production", "0", "").await,
        ask("production", "1", "").await,
        ask("staging", "0", "another").await,
        ask(&long, "255", "").await,
    ];
    assert_eq!(ids.iter().collect::<std::collections::BTreeSet<_>>().len(), ids.len(), "{ids:?}");
    // The same job asks once, and a key of one's own replaces job and matrix.
    assert_eq!(ask("staging", "0", "").await, ids[0]);
    assert_eq!(ask("production", "1", "another").await, ids[3]);
}

// T37
#[tokio::test]
async fn an_approval_releases_in_one_run_however_many_there_are_and_in_each_attempt_of_that() {
    let (deployment, host) = Deployment::start().await;
    let event = deployment.approved(&host).await;
    let id = text(&event["client_payload"]["approval"]["id"]);
    let verify = async |run_id: &str| {
        let tokens = deployment.run(run_id).await;
        deployment.verify_in(&tokens, run_id, &event).await
    };
    let ran = futures_util::future::join_all(["4711", "4712", "4713", "4714"].map(verify)).await;
    let winner = text(&deployment.seen(&host, &id).await["run"]["id"]);
    let (first, others): (Vec<_>, Vec<_>) = ran.into_iter().partition(|ran| ran.succeeded);
    assert_eq!((first.len(), others.len()), (1, 3));
    for ran in others {
        let ran =
            ran.assert_failed(&format!("answered 409: Nothing is released: run {winner} has this approval."));
        assert!(ran.outputs.is_empty() && ran.summary.is_empty(), "{ran:?}");
    }
    // Run again, it is the same run.
    let again = Token::of_job(&deployment.around.actions).claim("event_name", "repository_dispatch");
    let tokens = IdTokens::of(again.claim("run_id", winner.as_str()).claim("run_attempt", "2")).await;
    deployment.verify_in(&tokens, &winner, &event).await.assert_succeeded();
    assert_eq!(deployment.seen(&host, &id).await["run"]["attempt"], "2");
}

#[tokio::test]
async fn a_job_that_waited_verifies_its_own_approval_and_no_other_run_does() {
    let (deployment, host) = Deployment::start().await;
    deployment.around.github.expect_dispatches(0);
    let run_id = text(&deployment.tokens.claim("run_id"));
    let url = deployment.url();
    let asked = Runner::with_tokens(&deployment.tokens).run(ask(), &[("inputs.url", url.as_str())]).await;
    let id = asked.assert_succeeded().outputs["id"].clone();
    let verify = async |tokens: &IdTokens, run_id: &str, approval: &str| {
        let runner = Runner::with_tokens(tokens).setting("GITHUB_RUN_ID", run_id);
        let runner = runner.event(&json!({"ref": "refs/heads/main"}));
        runner.run(verify_at(&url), &[("inputs.approval", approval)]).await
    };
    verify(&deployment.tokens, &run_id, &id).await.assert_failed("it is pending, not approved");
    deployment.vote(&host, &id, "approve").await;
    let other = IdTokens::of(Token::of_job(&deployment.around.actions).claim("run_id", "1")).await;
    verify(&other, "1", &id).await.assert_failed(&format!("run {run_id} has this approval"));
    let ran = verify(&deployment.tokens, &run_id, &id).await.assert_succeeded();
    assert_eq!((&ran.outputs["id"], ran.outputs["sha"].as_str()), (&id, SHA));
    verify(&deployment.tokens, &run_id, "x").await.assert_failed("The input approval must be");
    verify(&deployment.tokens, &run_id, "").await.assert_failed("The event names no approval");
}

#[tokio::test]
async fn a_workflow_s_inputs_name_its_approval_and_are_what_people_approved() {
    let item = json!({"event_type": null, "workflow": "release.yml", "client_payload": null,
        "inputs": {"version": "1.4.2", "n": "1.10"}});
    let event = |inputs: Value| {
        let mut event =
            json!({"inputs": {"approval": ID, "ticket": "0".repeat(32), "version": "1.4.2", "n": "1.10"}});
        event["inputs"].as_object_mut().unwrap().extend(inputs.as_object().unwrap().clone());
        event
    };
    let verify = async |event: Value| {
        let service = Service::saying(vec![says_instead("approved", &item)]).await;
        let ran = service.runner().event(&event).run(verify_at(&service.server.uri()), &[]).await;
        (ran, service.asked())
    };
    // An input with a default comes along.
    let (ran, asked) = verify(event(json!({"slow": "false"}))).await;
    assert_eq!(ran.assert_succeeded().outputs["payload"], r#"{"version":"1.4.2","n":"1.10"}"#);
    assert_eq!(asked.trim(), format!(r#"{{"run":"start","ticket":"{}"}}"#, "0".repeat(32)));
    for other in [json!({"version": "1.4.3"}), json!({"n": "1.1"}), json!({"n": null})] {
        verify(event(other)).await.0.assert_failed("It is for other inputs.");
    }
    // The example declares both that verify-approval reads, and trusts neither them nor any other input.
    let example = fs::read_to_string(repository_root().join("examples/workflow-on-approval.yml")).unwrap();
    for name in ["approval", "ticket"] {
        let declared = example.lines().filter(|line| line.starts_with(&format!("      {name}: {{ ")));
        assert!(declared.into_iter().all(|line| line.contains("required: true, type: string")), "{name}");
        assert!(example.contains(&format!("      {name}: {{ ")), "{name}");
    }
    let used: Vec<_> = example.lines().filter(|line| line.contains("event.inputs")).collect();
    assert_eq!(used, ["run-name: Workflow on approval [${{ github.event.inputs.approval }}]"]);
    let dispatched = json!({"action": "go-live", "client_payload": {"approval": {"id": ID, "sha": SHA}}});
    verify(dispatched).await.0.assert_failed("It starts no run by such an event.");
}

#[tokio::test]
async fn a_report_tells_how_the_release_ended() {
    let (deployment, host) = Deployment::start().await;
    let event = deployment.approved(&host).await;
    let id = text(&event["client_payload"]["approval"]["id"]);
    let tokens = deployment.run("4711").await;
    let report = async |approval: &str, conclusion: &str| {
        let inputs = [("inputs.approval", approval), ("inputs.conclusion", conclusion)];
        Runner::with_tokens(&tokens).run(report_to(&deployment.url()), &inputs).await
    };
    // A report that does not come through is a warning, and fails nothing.
    let assert_warned = |ran: Ran, saying: &str| {
        let ran = ran.assert_succeeded();
        let warnings: Vec<_> = ran.log.lines().filter(|line| line.starts_with("::warning::")).collect();
        assert!(warnings.len() == 1 && warnings[0].contains(saying), "{saying} in {}", ran.log);
    };
    assert_warned(
        report(&id, "failure").await,
        "answered 409: Nothing was recorded: no run has this approval",
    );
    deployment.verify_in(&tokens, "4711", &event).await.assert_succeeded();
    assert_warned(report(&id, "skipped").await, "must be success, failure or cancelled");
    assert_warned(report("", "success").await, "The input approval must be");
    let ran = report(&id, "failure").await.assert_succeeded();
    assert!(!ran.log.contains("::warning::"), "{}", ran.log);
    assert_eq!(deployment.seen(&host, &id).await["run"]["conclusion"], "failure");

    let inputs = [("inputs.approval", ID), ("inputs.conclusion", "success")];
    assert_warned(Runner::new().run(report_to(&deployment.url()), &inputs).await, "Add id-token: write");
    let service =
        Service::saying(vec![html(503), outcome(424, "unavailable"), says(200, "approved", 60)]).await;
    let ran = service.runner().run(report_to(&service.server.uri()), &inputs).await.assert_succeeded();
    assert!(service.requests() == 3 && !ran.log.contains("::warning::"), "{}", ran.log);
    let service = Service::saying(vec![html(503)]).await;
    assert_warned(service.runner().run(report_to(&service.server.uri()), &inputs).await, "answered 503");
    assert_eq!(service.requests(), 3, "not for ever");
    let runner = Runner::with_tokens(&deployment.tokens).with_program("jq", "#!/bin/sh\nexit 5\n");
    assert_warned(runner.run(report_to(&deployment.url()), &inputs).await, "failed where none should");
    // Without an input it is what the job has come to.
    let file = read_yaml(REPORT);
    let conclusion = file.as_mapping_get("inputs").unwrap().as_mapping_get("conclusion").unwrap();
    assert_eq!(text_of(conclusion, "default"), Some("${{ job.status }}"));
}

/// The workflows that call our actions, with the action that each calls and the inputs that it gives.
const CALLS: [(&str, &str, &[&str]); 7] = [
    ("request-approval.yml", ACTION, &["url", "event-type", "client-payload", "title", "reminder-minutes"]),
    ("mail-for-approval.yml", ACTION, &["url", "event-type", "client-payload"]),
    ("wait-for-approval.yml", ACTION, &["url", "wait", "expires-in-minutes", "supersedes"]),
    ("release-on-approval.yml", VERIFY, &["url"]),
    ("release-on-approval.yml", REPORT, &["url", "approval"]),
    ("workflow-on-approval.yml", VERIFY, &["url"]),
    ("workflow-on-approval.yml", REPORT, &["url", "approval"]),
];

#[test]
fn the_workflows_call_the_actions_with_inputs_that_they_have() {
    for (name, action, inputs) in CALLS {
        let workflow = read_yaml(Path::new("examples").join(name));
        let uses = format!("OWNER/approve-release/{}@v1", action.strip_suffix("/action.yml").unwrap());
        let call = |step: &&YamlOwned| text_of(step, "uses") == Some(&uses);
        let call = mappings(&workflow).into_iter().find(call).expect(name);
        let given = call.as_mapping_get("with").expect("inputs");
        assert_eq!(members(given).map(|(name, _)| name).collect::<Vec<_>>(), inputs, "{name}");
        let known = inputs_of(action);
        assert!(inputs.iter().all(|input| known.iter().any(|name| name == input)), "{name}: {known:?}");
    }
}

#[test]
fn the_address_is_written_out_in_each_workflow() {
    for (name, ..) in CALLS {
        let text = fs::read_to_string(repository_root().join("examples").join(name)).unwrap();
        assert!(text.contains("          url: https://APP.azurewebsites.net\n"), "{name}");
        assert!(text.contains("@v1 # better, since nobody can move it: @<commit> # v1.0.0\n"), "{name}");
        // The variables of the mail say who gets it, and vouch for nothing.
        let text = text.replace("github.event.inputs.approval", "");
        let sources = ["vars.", "env.", "inputs.", "secrets."].into_iter();
        let source = sources.filter(|source| *source != "vars." || name != "mail-for-approval.yml");
        let source = source.into_iter().find(|source| text.contains(source));
        assert_eq!(source, None, "{name} takes something from where no review sees it");
    }
}

#[test]
fn a_workflow_that_calls_our_actions_is_read_at_a_glance() {
    for (name, ..) in CALLS.into_iter().filter(|(name, ..)| *name != "mail-for-approval.yml") {
        let text = fs::read_to_string(repository_root().join("examples").join(name)).unwrap();
        assert!((20..=60).contains(&text.lines().count()), "{name} has {} lines", text.lines().count());
    }
}

#[test]
fn the_release_waits_for_the_event_that_is_asked_for() {
    let read = |name: &str| fs::read_to_string(repository_root().join("examples").join(name)).unwrap();
    for name in ["request-approval.yml", "mail-for-approval.yml"] {
        assert!(read(name).contains("          event-type: go-live\n"), "{name}");
    }
    assert!(read("release-on-approval.yml").contains("on: { repository_dispatch: { types: [go-live] } }\n"));
    assert!(!read("wait-for-approval.yml").contains("event-type"), "it would be released a second time");
    assert!(!read("release.yml").contains("go-live"), "a relay would release what nobody approved");
    let settings: Value =
        serde_json::from_str(&fs::read_to_string(repository_root().join("local.settings.json")).unwrap())
            .unwrap();
    assert_ne!(settings["Values"]["RELAY_EVENT_TYPES"], "go-live", "a click without an approval would do");
}

/// The actions begin alike: the address, the token, the request, the words. Each can so be read, and copied, alone.
#[test]
fn the_actions_begin_with_the_same_lines() {
    let beginning = |path: &str| {
        let text = fs::read_to_string(repository_root().join(path)).unwrap();
        let (_, script) = text.split_once("      run: |\n").expect("a script");
        let (beginning, _) = script.split_once("\n        '\n\n").expect("the words for jq");
        beginning.to_owned()
    };
    assert!(beginning(ACTION).len() > 5_000);
    assert_eq!(beginning(ACTION), beginning(VERIFY));
    // Whatever happens to a report is a warning.
    let (common, _) =
        beginning(ACTION).split_once("        # For jq.").map(|(common, _)| (common.to_owned(), ())).unwrap();
    let warning = common.replace("::error::", "::warning::").replace("exit 1", "exit 0");
    assert!(fs::read_to_string(repository_root().join(REPORT)).unwrap().contains(&warning));
}
