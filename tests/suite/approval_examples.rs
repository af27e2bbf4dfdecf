//! The examples that ask for an approval, wait for it and release on it: their own scripts, run against a deployment.
//!
//! Where the deployment cannot be brought to say something in time, such as that an approval has expired, a service
//! that is told what to say takes its place.

use std::{
    fs,
    sync::{Arc, Mutex},
};

use chrono::{SecondsFormat, TimeDelta, Utc};
use serde_json::{Value, json};
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate, matchers::any};

use crate::{
    actions::SHA,
    deployment::{Someone, Surroundings, text},
    functions_host::{FunctionsHost, Mode},
    github::{github_error, html},
    handler_process::{free_port, repository_root},
    runner::{IdTokens, Ran, Runner, Step, inputs_of},
    stores::Store,
    tokens::{ALEX, ALEX_NAME, ALEX_UPN, Token},
};

const ACTION: &str = "examples/request-approval/action.yml";
const RELEASE: &str = "examples/release-on-approval.yml";
const ID: &str = "0123456789abcdef0123456789abcdef0123456789ab";

/// The action's step, which in tests is not as patient.
fn ask() -> Step {
    Step::read(ACTION, "Ask").with("RETRY_SECONDS", "0 0").with("POLL_SECONDS", "0.1")
}

fn verify() -> Step {
    Step::read(RELEASE, "Verify").with("RETRY_SECONDS", "0 0")
}

/// A deployment at an address that is known before it starts, and a job of a repository.
struct Deployment {
    around: Surroundings,
    tokens: IdTokens,
    store: Store,
    port: u16,
}

impl Deployment {
    async fn start() -> (Self, FunctionsHost) {
        let around = Surroundings::start().await;
        let tokens = IdTokens::of(Token::of_job(&around.actions)).await;
        let deployment = Self { around, tokens, store: Store::folder(), port: free_port() };
        let host = deployment.host().await;
        (deployment, host)
    }

    async fn host(&self) -> FunctionsHost {
        let host = self.around.host(Mode::Payload).setting("PUBLIC_URL", &self.url());
        host.store(&self.store).at_port(self.port).start().await
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Runs the action with these inputs besides the deployment's address.
    async fn ask(&self, inputs: &[(&str, &str)]) -> Ran {
        self.ask_on(Runner::with_tokens(&self.tokens), inputs).await
    }

    async fn ask_on(&self, runner: Runner, inputs: &[(&str, &str)]) -> Ran {
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
    async fn only_id(&self) -> String {
        let objects = self.store.objects().await;
        let ids: std::collections::BTreeSet<_> = objects
            .iter()
            .flat_map(|path| path.split(['/', '.']))
            .filter(|part| part.len() == 44 && part.bytes().all(|byte| byte.is_ascii_hexdigit()))
            .collect();
        assert_eq!(ids.len(), 1, "{objects:?}");
        ids.into_iter().next().unwrap().to_owned()
    }

    async fn seen(&self, host: &FunctionsHost, id: &str) -> Value {
        let job = Token::of_job(&self.around.actions).claim("aud", self.url());
        host.status_as(&job, id).await.json()
    }

    async fn vote(&self, host: &FunctionsHost, id: &str, verdict: &str) {
        let alex = self.around.token_of(&Someone::alex());
        assert_eq!(host.vote(&alex, id, verdict).await.status, 200);
    }

    /// Verifies an event as the release workflow does.
    async fn verify(&self, event: &Value) -> Ran {
        self.verify_on(Runner::with_tokens(&self.tokens), event).await
    }

    async fn verify_on(&self, runner: Runner, event: &Value) -> Ran {
        let runner = runner.event(event);
        runner.run(verify(), &[("vars.APPROVAL_URL", &self.url())]).await
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
    let runner = Runner::with_tokens(&deployment.tokens).with_pinned_jq();
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
    assert_eq!((&ran.outputs["url"], &ran.outputs["status"]), (&page, &"pending".to_owned()));
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
    assert_eq!((&seen["title"], &seen["rejected_event_type"]), (&Value::Null, &Value::Null));
    assert_eq!((&seen["client_payload"], &seen["approvals_required"]), (&json!({}), &json!(1)));
    let named = deployment.ask(&[("inputs.title", "Another")]).await.assert_succeeded();
    assert_ne!(&named.outputs["id"], id);
}

#[tokio::test]
async fn a_refusal_is_told_in_the_services_words() {
    let (deployment, _host) = Deployment::start().await;
    for (input, value, saying) in [
        ("inputs.event-type", "release-approved", "RELAY_EVENT_TYPES"),
        ("inputs.event-type", "", "event_type"),
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
    for url in ["", "http://approve.example", "approve.example", "https://"] {
        let ran = Runner::with_tokens(&deployment.tokens).run(ask(), &[("inputs.url", url)]).await;
        ran.assert_failed("https address");
    }
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
struct Service {
    server: MockServer,
    tokens: IdTokens,
    bearers: Arc<Mutex<Vec<String>>>,
}

struct Script {
    answers: Mutex<Vec<ResponseTemplate>>,
    bearers: Arc<Mutex<Vec<String>>>,
}

impl Respond for Script {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let bearer = request.headers["authorization"].to_str().unwrap().to_owned();
        self.bearers.lock().unwrap().push(bearer);
        let mut answers = self.answers.lock().unwrap();
        if answers.len() > 1 { answers.remove(0) } else { answers[0].clone() }
    }
}

impl Service {
    async fn saying(answers: Vec<ResponseTemplate>) -> Self {
        let around = Surroundings::start().await;
        let server = MockServer::builder().start().await;
        let bearers = Arc::new(Mutex::default());
        let script = Script { answers: Mutex::new(answers), bearers: Arc::clone(&bearers) };
        Mock::given(any()).respond_with(script).mount(&server).await;
        Self { server, tokens: IdTokens::of(Token::of_job(&around.actions)).await, bearers }
    }

    async fn wait(&self) -> Ran {
        let url = self.server.uri();
        let inputs =
            [("inputs.url", url.as_str()), ("inputs.event-type", "go-live"), ("inputs.wait", "true")];
        Runner::with_tokens(&self.tokens).run(ask(), &inputs).await
    }

    /// How many requests came, each with a token of its own.
    fn requests(&self) -> usize {
        let mut bearers = self.bearers.lock().unwrap().clone();
        let all = bearers.len();
        bearers.sort();
        bearers.dedup();
        assert_eq!(bearers.len(), all, "a token was used twice");
        all
    }
}

/// What it says of an approval that is open for so many minutes more.
fn says(code: u16, status: &str, minutes: i64) -> ResponseTemplate {
    let until = (Utc::now() + TimeDelta::minutes(minutes)).to_rfc3339_opts(SecondsFormat::Millis, true);
    ResponseTemplate::new(code).set_body_json(json!({
        "id": ID, "status": status, "url": format!("https://approve.example/api/approvals/{ID}"),
        "expires_at": until, "posted": "bot", "performers": [
            {"id": ALEX, "name": "::error::<b>`\n[Alex](x)", "verdict": "approve", "comment": "", "at": until},
        ],
    }))
}

fn outcome(code: u16, outcome: &str) -> ResponseTemplate {
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
    assert!(ran.summary.contains(&format!("Approved by errorbAlex(x) ({ALEX}).")), "{}", ran.summary);
}

#[tokio::test]
async fn a_wait_fails_on_every_other_end() {
    for (answers, saying, requests) in [
        (vec![says(201, "pending", 60), says(200, "expired", 60)], "Nobody decided in time.", 2),
        (vec![says(201, "pending", 60), says(200, "postponed", 60)], "a status that", 2),
        (
            vec![says(201, "pending", 60), outcome(404, "unknown")],
            "answered 404: A sentence about unknown. ::error::It",
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
    deployment.ask(&[]).await.assert_failed("could not be reached");
    assert_eq!(deployment.tokens.issued(), 3, "it was tried again");
}

#[tokio::test]
async fn a_release_takes_the_event_that_people_approved() {
    let (deployment, host) = Deployment::start().await;
    let event = deployment.approved(&host).await;
    let id = text(&event["client_payload"]["approval"]["id"]);

    let runner = Runner::with_tokens(&deployment.tokens).with_pinned_jq();
    let ran = deployment.verify_on(runner, &event).await.assert_succeeded();

    assert_eq!((&ran.outputs["id"], ran.outputs["sha"].as_str()), (&id, SHA));
    let payload: Value = serde_json::from_str(&ran.outputs["payload"]).unwrap();
    assert_eq!(payload, json!({"version": "1.4.2", "n": [1, 2.5]}));
    let said = format!("Commit {SHA} was approved by {ALEX_NAME} ({ALEX}): {}", deployment.url());
    assert!(ran.summary.contains(&said) && ran.log.contains(&said), "{ran:?}");
    assert_eq!(deployment.tokens.audiences(), vec![deployment.url(); 2]);
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
        (set("/client_payload/approval/id", json!(pending)), "It is pending, not approved."),
        (set("/client_payload/approval/id", json!(rejected)), "It is rejected, not approved."),
        (
            set("/client_payload/approval/id", json!("0".repeat(44))),
            "Nothing is known of this approval (404).",
        ),
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
    let (mut deployment, host) = Deployment::start().await;
    let event = deployment.approved(&host).await;
    let other = Token::of_job(&deployment.around.actions).claim("repository_id", "7");
    deployment.tokens = IdTokens::of(other).await;

    deployment.verify(&event).await.assert_failed("Nothing is known of this approval (404).");
}

#[tokio::test]
async fn nothing_is_released_while_the_service_is_away() {
    let (deployment, host) = Deployment::start().await;
    let event = deployment.approved(&host).await;
    drop(host);

    deployment.verify(&event).await.assert_failed("ApproveRelease did not answer.");
    let runner = Runner::with_tokens(&deployment.tokens).event(&event);
    runner.run(verify(), &[]).await.assert_failed("Set the variable APPROVAL_URL");
}

/// GitHub's refs: each can be made once.
struct Refs {
    made: Arc<Mutex<Vec<Value>>>,
    answer: Option<ResponseTemplate>,
}

impl Respond for Refs {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let header = |name| request.headers.get(name).and_then(|value| value.to_str().ok());
        assert_eq!((request.method.as_str(), request.url.path()), ("POST", "/repos/octo/app/git/refs"));
        assert_eq!(header("authorization"), Some("Bearer ghs_ofThisRun"));
        assert_eq!(header("accept"), Some("application/vnd.github+json"));
        let (mut made, asked) = (self.made.lock().unwrap(), serde_json::from_slice(&request.body).unwrap());
        if let Some(answer) = &self.answer {
            return answer.clone();
        }
        if made.contains(&asked) {
            return github_error(422, "Reference already exists");
        }
        made.push(asked);
        ResponseTemplate::new(201).set_body_json(json!({}))
    }
}

/// The runs of a release for the same approval, at a GitHub that answers as it should or in another way.
async fn use_up(runs: usize, answer: Option<ResponseTemplate>) -> (Vec<Ran>, Vec<Value>) {
    let github = MockServer::builder().start().await;
    let made = Arc::default();
    Mock::given(any()).respond_with(Refs { made: Arc::clone(&made), answer }).mount(&github).await;
    let run = || {
        let runner = Runner::new()
            .setting("GITHUB_API_URL", &github.uri())
            .setting("GITHUB_REPOSITORY", "octo/app")
            .setting("GITHUB_SHA", SHA);
        let step = Step::read(RELEASE, "Use the approval up");
        runner.run(step, &[("github.token", "ghs_ofThisRun"), ("needs.verify.outputs.id", ID)])
    };
    let ran = futures_util::future::join_all((0..runs).map(|_| run())).await;
    let made = made.lock().unwrap().clone();
    (ran, made)
}

#[tokio::test]
async fn an_approval_releases_once_however_many_runs_there_are() {
    let (ran, made) = use_up(4, None).await;

    assert_eq!(made, [json!({"ref": format!("refs/approvals/{ID}"), "sha": SHA})]);
    let (first, others): (Vec<_>, Vec<_>) = ran.into_iter().partition(|ran| ran.succeeded);
    assert_eq!((first.len(), others.len()), (1, 3));
    others.into_iter().for_each(|ran| drop(ran.assert_failed("This approval is used up")));
}

#[tokio::test]
async fn what_could_not_be_noted_is_not_released() {
    for (answer, saying) in [
        (github_error(422, "Object does not exist"), "(422). Object does not exist"),
        (github_error(403, "Resource not accessible by integration"), "(403). Resource not"),
        (html(502), "(502)"),
        (ResponseTemplate::new(200), "(200)"),
    ] {
        let (ran, _) = use_up(1, Some(answer)).await;
        let ran = ran.into_iter().next().unwrap().assert_failed(saying);
        ran.assert_failed("Nothing is released");
    }
}

#[test]
fn the_release_waits_for_the_event_that_is_asked_for_and_no_other_does() {
    let read = |name: &str| fs::read_to_string(repository_root().join("examples").join(name)).unwrap();
    assert!(read("request-approval.yml").contains("          event-type: go-live\n"));
    assert!(read("release-on-approval.yml").contains("    types: [go-live]\n"));
    assert!(read("wait-for-approval.yml").contains("          event-type: approved-in-run\n"));
    for name in ["release.yml", "release-on-approval.yml"] {
        assert!(!read(name).contains("approved-in-run"), "{name} would release a second time");
    }
    let settings: Value =
        serde_json::from_str(&fs::read_to_string(repository_root().join("local.settings.json")).unwrap())
            .unwrap();
    assert_ne!(settings["Values"]["RELAY_EVENT_TYPES"], "go-live", "a click without an approval would do");
}

#[test]
fn the_workflows_give_the_action_inputs_that_it_has() {
    let inputs = inputs_of(ACTION);
    assert!(inputs.contains(&"url".to_owned()) && inputs.len() == 12, "{inputs:?}");
    for name in ["request-approval.yml", "wait-for-approval.yml"] {
        let workflow = fs::read_to_string(repository_root().join("examples").join(name)).unwrap();
        let (_, call) =
            workflow.split_once("uses: $/.github/actions/request-approval\n        with:\n").expect(name);
        let given = call.lines().take_while(|line| line.starts_with("          "));
        let given: Vec<_> = given
            .map(|line| &line[10..])
            .filter(|line| !line.starts_with([' ', '#']))
            .map(|line| line.split_once(':').expect("an input").0)
            .collect();
        assert!(given.starts_with(&["url", "event-type"]), "{given:?}");
        assert!(given.iter().all(|input| inputs.iter().any(|name| name == input)), "{given:?}");
    }
}
