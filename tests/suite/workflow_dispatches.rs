//! A workflow in place of an event: what GitHub is sent to the letter, the run that it names, what it refuses, and
//! the events that go with a rejection and an expiry.

use approve_release::{
    approval::{
        ApprovalId, DeliveryState, Ending, NamedRun, Outcome, SendAnswer, Terms, Verdict, WorkflowFault,
    },
    approve::NewRequest,
    surfaces::request::parse_body,
};
use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::{
    deployment::{Someone, Surroundings, page_of},
    functions_host::{FunctionsHost, Mode},
    github::{GitHub, github_error, permission_refused},
    github_workflows::{RUN, RUN_URL},
    instances::{Instances, asking, person, sweep_by, vote},
    misbehaving::{Misbehaving, Misbehaviour},
    tokens::ALEX,
};

in_one_mode! {
    a_workflow_is_started_to_the_letter
    the_largest_inputs_are_taken
    a_server_that_cannot_name_the_run_is_asked_once_without_that
    each_refusal_says_what_to_fix
    a_rejection_sends_the_event_with_the_inputs
    a_ref_of_the_workflows_own_is_told_from_githubs_word
    in_a_dry_run_no_workflow_is_started
}

const ASKED: &str = r#"{"workflow":"release.yml","inputs":{"version":"1.10", "note":"\u0041\/"}}"#;

async fn a_workflow_is_started_to_the_letter(mode: Mode) {
    let (around, host) = Surroundings::with_host(mode).await;
    around.github.expect_dispatches(1);
    let id = around.ask_for_id(&host, ASKED).await;
    let alex = around.token_of(&Someone::alex());
    let pending = around.status(&host, &id).await;
    assert_eq!((&pending["workflow"], &pending["event_type"]), (&json!("release.yml"), &Value::Null));
    assert_eq!((&pending["inputs"]["version"], &pending["client_payload"]), (&json!("1.10"), &Value::Null));

    let sentence = host.vote(&alex, &id, "approve").await.assert_outcome(200, "dispatched");
    assert_eq!(sentence, "GitHub accepted release.yml for octo/app.");
    host.vote(&alex, &id, "approve").await.assert_outcome(200, "already-decided");

    let sent = around.github.only_dispatch();
    assert_eq!((sent.repository.as_str(), sent.workflow.as_deref()), ("octo/app", Some("release.yml")));
    let body = String::from_utf8(sent.body).expect("text");
    let ticket = body.split(r#""ticket":""#).nth(1).and_then(|rest| rest.get(..32)).expect("a ticket");
    let inputs = format!(r#"{{"version":"1.10", "note":"\u0041\/","approval":"{id}","ticket":"{ticket}"}}"#);
    assert_eq!(body, format!(r#"{{"ref":"refs/heads/main","inputs":{inputs},"return_run_details":true}}"#));
    let seen = around.status(&host, &id).await;
    assert_eq!((&seen["status"], &seen["delivery"]), (&json!("approved"), &json!("delivered")));
    let list =
        host.send(Someone::alex().browse(crate::http1::Request::get("/api/approvals?format=csv"))).await;
    assert!(list.text().contains(&format!("{id},approved,octo/app,,release.yml,")), "{}", list.text());
    assert!(!list.text().contains(ticket) && !seen.to_string().contains(ticket));
}

async fn the_largest_inputs_are_taken(mode: Mode) {
    let (around, host) = Surroundings::with_host(mode).await;
    around.github.expect_dispatches(1);
    let small = (0..22).map(|at| format!("\"k{at}\":\"\",")).collect::<String>();
    let rest = 64_000 - format!(r#"{{"workflow":"release.yml","inputs":{{{small}"note":""}}}}"#).len();
    let body = format!(r#"{{"workflow":"release.yml","inputs":{{{small}"note":"{}"}}}}"#, "x".repeat(rest));
    let id = around.ask_for_id(&host, &body).await;
    host.vote(&around.token_of(&Someone::alex()), &id, "approve").await.assert_outcome(200, "dispatched");
}

async fn a_server_that_cannot_name_the_run_is_asked_once_without_that(mode: Mode) {
    let (around, host) = Surroundings::with_host(mode).await;
    around.github.name_no_runs();
    around.github.expect_refusals(1);
    around.github.expect_dispatches(1);
    let id = around.ask_for_id(&host, ASKED).await;

    host.vote(&around.token_of(&Someone::alex()), &id, "approve").await.assert_outcome(200, "dispatched");

    let body = String::from_utf8(around.github.only_dispatch().body).expect("text");
    assert!(!body.contains("return_run_details"), "{body}");
    assert_eq!(around.status(&host, &id).await["delivery"], "delivered");
}

/// Asks for an approval, has it approved, and gives GitHub's refusal as the card says it.
async fn refusal(around: &Surroundings, host: &FunctionsHost, body: &str) -> String {
    let id = around.ask_for_id(host, body).await;
    host.vote(&around.token_of(&Someone::alex()), &id, "approve").await.assert_outcome(424, "refused")
}

async fn each_refusal_says_what_to_fix(mode: Mode) {
    let (around, host) = Surroundings::with_host(mode).await;
    let refused = [
        (r#"{"workflow":"gone.yml"}"#, "finds no gone.yml on the default branch of octo/app (404)"),
        (r#"{"workflow":"push.yml"}"#, "push.yml of octo/app has no trigger workflow_dispatch"),
        (r#"{"workflow":"disabled.yaml"}"#, "disabled.yaml of octo/app is disabled"),
        (r#"{"workflow":"release.yml","ref":"gone"}"#, "cannot run on a ref that is not there"),
        (r#"{"workflow":"release.yml","inputs":{"other":""}}"#, "does not take these inputs"),
    ];
    around.github.expect_refusals(refused.len());
    for (body, words) in refused {
        let sentence = refusal(&around, &host, body).await;
        assert!(sentence.contains(words), "{sentence}");
    }
    // The missing permission is named, also if the server does not say it.
    around.github.expect_dispatches(2);
    for answer in
        [permission_refused("actions=write"), github_error(403, "Resource not accessible by integration")]
    {
        around.github.answer_with(answer);
        let sentence = refusal(&around, &host, ASKED).await;
        assert!(sentence.contains("asks for actions=write"), "{sentence}");
    }
}

async fn a_rejection_sends_the_event_with_the_inputs(mode: Mode) {
    let (around, host) = Surroundings::with_host(mode).await;
    around.github.expect_dispatches(1);
    let body = r#"{"workflow":"release.yml","rejected_event_type":"no-go","inputs":{"version":"1.10"}}"#;
    let id = around.ask_for_id(&host, body).await;

    host.vote(&around.token_of(&Someone::alex()), &id, "reject").await.assert_outcome(200, "dispatched");

    let sent = around.github.only_dispatch();
    assert_eq!((sent.workflow.as_deref(), sent.event_type().as_str()), (None, "no-go"));
    let payload: Value = serde_json::from_str(sent.client_payload()).expect("JSON");
    assert_eq!(payload["version"], "1.10");
    assert_eq!(
        (&payload["approval"]["id"], &payload["approval"]["verdict"]),
        (&json!(id), &json!("rejected"))
    );
}

async fn a_ref_of_the_workflows_own_is_told_from_githubs_word(mode: Mode) {
    let (around, host) = Surroundings::with_host(mode).await;
    around.github.expect_dispatches(1);
    let alex = Someone::alex();
    let other = r#"{"workflow":"release.yml","ref":"refs/tags/v1.4.2","expired_event_type":"release-late"}"#;
    let same = r#"{"workflow":"release.yml","ref":"main"}"#;
    for (body, is_marked) in [(other, true), (same, false), (ASKED, false)] {
        let asked = around.ask(&host, body).await;
        let id = asked["id"].as_str().expect("an id");
        let page = host.send(alex.get(&page_of(id))).await.text();
        for shown in [page, asked["card"].to_string()] {
            assert!(shown.contains("Approve starts") && shown.contains("release.yml"), "{shown}");
            assert_eq!(shown.contains("On a ref that the workflow names"), is_marked, "{shown}");
            assert_eq!(shown.contains("refs/tags/v1.4.2"), is_marked, "{shown}");
            assert_eq!(shown.contains("Expiry sends"), is_marked, "{shown}");
        }
        if is_marked {
            host.vote(&around.token_of(&alex), id, "approve").await.assert_outcome(200, "dispatched");
            let body: Value = serde_json::from_slice(&around.github.only_dispatch().body).expect("JSON");
            assert_eq!(body["ref"], "refs/tags/v1.4.2");
        }
    }
}

async fn in_a_dry_run_no_workflow_is_started(mode: Mode) {
    let around = Surroundings::start().await;
    let host = around.host(mode).setting("DRY_RUN", "true").start().await;
    let id = around.ask_for_id(&host, ASKED).await;
    let sentence =
        host.vote(&around.token_of(&Someone::alex()), &id, "approve").await.assert_outcome(200, "dry-run");
    assert!(sentence.contains("release.yml"), "{sentence}");
}

/// The request of a run's job with this body.
fn request(run_id: &str, body: &str) -> NewRequest {
    let terms: Terms = parse_body(body.as_bytes(), 1).expect("a request");
    NewRequest { terms, ..asking(run_id, body) }
}

fn minutes(minutes: i64) -> TimeDelta {
    TimeDelta::minutes(minutes)
}

async fn approve(deployment: &Instances, id: &ApprovalId, time: TimeDelta) -> Outcome {
    vote(&deployment.start(), (id, person(ALEX, None)), Verdict::Approve, deployment.after(time)).await
}

#[tokio::test]
async fn the_run_that_github_names_is_kept_with_the_delivery() {
    let github = GitHub::start().await;
    github.expect_dispatches(1);
    let deployment = Instances::sending_to(&github);
    let id = deployment.asked(request("1", ASKED)).await;
    assert_eq!(deployment.look(&id, minutes(1)).await.named_run, None);

    assert_eq!(approve(&deployment, &id, minutes(2)).await.name(), "dispatched");
    deployment.settled().await;

    let run = NamedRun { id: RUN.to_string(), url: RUN_URL.to_owned() };
    assert_eq!(deployment.look(&id, minutes(3)).await.named_run, Some(run));
    deployment.sweep(minutes(4)).await;
    assert_eq!(deployment.names("released/").await.len(), 1);
}

#[tokio::test]
async fn after_a_fault_of_github_the_workflow_is_started_by_a_sweep_and_once() {
    let github = GitHub::start().await;
    github.expect_dispatches(2);
    github.answer_with(github_error(503, "Server Error"));
    let deployment = Instances::sending_to(&github);
    let id = deployment.asked(request("1", ASKED)).await;
    assert!(matches!(
        approve(&deployment, &id, minutes(1)).await,
        Outcome::Recorded(_, _, Some(SendAnswer::ServerError(503)))
    ));
    deployment.settled().await;

    github.answer_as_github();
    for minute in 10..13 {
        deployment.sweep(minutes(minute)).await;
    }

    let [first, second] = github.dispatches().try_into().expect("two attempts");
    assert_eq!(first.body, second.body, "with the same ticket");
    let seen = deployment.look(&id, minutes(20)).await;
    assert_eq!(seen.named_run.map(|run| run.id), Some(RUN.to_string()));
}

#[tokio::test]
async fn an_answer_that_does_not_come_is_told_as_what_it_is() {
    for (misbehaviour, expected) in
        [(Misbehaviour::Reset, SendAnswer::Broken), (Misbehaviour::Stall, SendAnswer::TimedOut)]
    {
        let github = GitHub::start().await;
        github.expect_dispatches(1);
        let silent = Misbehaving::start(misbehaviour).await;
        let deployment = Instances::sending_to(&github);
        let id = deployment.asked(request("1", ASKED)).await;
        let broken = deployment.at(&silent.url());
        let timing = deployment.after(minutes(1));
        let outcome = vote(&broken, (&id, person(ALEX, None)), Verdict::Approve, timing).await;
        let is_told = matches!(&outcome, Outcome::Recorded(_, _, Some(answer)) if *answer == expected);
        assert!(is_told, "{misbehaviour:?}: {outcome:?}");
        deployment.settled().await;

        deployment.sweep(minutes(10)).await;
        assert_eq!(deployment.delivery(&id, minutes(11)).await.state, DeliveryState::Delivered);
    }
}

#[tokio::test]
async fn a_workflow_without_its_trigger_is_started_once_it_has_one() {
    let github = GitHub::start().await;
    github.expect_refusals(2);
    github.expect_dispatches(1);
    let deployment = Instances::sending_to(&github);
    let id = deployment.asked(request("1", r#"{"workflow":"push.yml"}"#)).await;
    let outcome = approve(&deployment, &id, minutes(1)).await;
    let fault = SendAnswer::WorkflowRefused(WorkflowFault::NoTrigger);
    assert!(matches!(&outcome, Outcome::Refused(_, _, answer) if *answer == fault), "{outcome:?}");
    deployment.settled().await;
    let delivery = deployment.delivery(&id, minutes(2)).await;
    assert_eq!(delivery.state, DeliveryState::Pending, "it is tried again");
    deployment.sweep(minutes(90)).await;
    assert_eq!(deployment.delivery(&id, minutes(91)).await.state, DeliveryState::Pending);

    github.add_trigger();
    deployment.sweep(minutes(180)).await;
    assert_eq!(deployment.delivery(&id, minutes(181)).await.state, DeliveryState::Delivered);
    assert_eq!(github.only_dispatch().workflow.as_deref(), Some("push.yml"));
}

#[tokio::test]
async fn an_expiry_is_sent_once_whoever_notices_it() {
    for body in [
        r#"{"event_type":"go-live","expired_event_type":"too-late","expires_in_minutes":10}"#,
        r#"{"workflow":"release.yml","expired_event_type":"too-late","expires_in_minutes":10,"inputs":{"v":"1"}}"#,
    ] {
        for is_looked_at in [false, true] {
            let github = GitHub::start().await;
            github.expect_dispatches(1);
            let deployment = Instances::sending_to(&github);
            let id = deployment.asked(request("1", body)).await;
            if is_looked_at {
                deployment.look(&id, minutes(11)).await;
                deployment.settled().await;
                assert_eq!(github.dispatches().len(), 1, "a look is followed by the event");
            }
            let (one, other) = (deployment.start(), deployment.start());
            let timing = deployment.sweep_time(minutes(12));
            tokio::join!(sweep_by(&one, timing), sweep_by(&other, timing));
            deployment.sweep(minutes(13)).await;

            let sent = github.only_dispatch();
            assert_eq!(sent.event_type(), "too-late");
            let payload: Value = serde_json::from_str(sent.client_payload()).expect("JSON");
            assert_eq!(payload["approval"]["verdict"], "expired");
            assert_eq!(payload["approval"]["performers"], json!([]));
            let seen = deployment.look(&id, minutes(14)).await;
            assert_eq!(seen.ending(), Some(Ending::Expired));
            assert_eq!(deployment.delivery(&id, minutes(14)).await.state, DeliveryState::Delivered);
            assert_eq!(deployment.names("pending/").await, [""; 0], "nothing is left to do");
            assert_eq!(deployment.names("released/").await, [""; 0], "an expiry is no release");
        }
    }
}

#[tokio::test]
async fn an_expiry_that_github_did_not_take_is_tried_again() {
    let github = GitHub::start().await;
    github.expect_dispatches(2);
    github.answer_with(github_error(500, "Server Error"));
    let deployment = Instances::sending_to(&github);
    let body = r#"{"event_type":"go-live","expired_event_type":"too-late","expires_in_minutes":10}"#;
    let id = deployment.asked(request("1", body)).await;
    deployment.sweep(minutes(12)).await;
    assert_eq!(deployment.delivery(&id, minutes(12)).await.state, DeliveryState::Pending);
    github.answer_as_github();
    for minute in [25, 26] {
        deployment.sweep(minutes(minute)).await;
    }
    assert_eq!(deployment.delivery(&id, minutes(27)).await.state, DeliveryState::Delivered);
}

#[tokio::test]
async fn an_expiry_that_was_given_up_is_sent_again_by_a_press() {
    let github = GitHub::start().await;
    github.expect_dispatches(3);
    github.answer_with(github_error(422, "client_payload is too large."));
    let deployment = Instances::sending_to(&github);
    let body = r#"{"event_type":"go-live","expired_event_type":"too-late","expires_in_minutes":10}"#;
    let id = deployment.asked(request("1", body)).await;
    deployment.sweep(minutes(12)).await;
    let state = async |minute| deployment.delivery(&id, minutes(minute)).await.state;
    assert_eq!(state(13).await, DeliveryState::Dead);
    let press = async |minute| {
        let (instance, alex) = (deployment.start(), person(ALEX, None));
        let seen = deployment.look(&id, minutes(minute)).await;
        let report = instance.send_expiry_again(seen, &alex, deployment.after(minutes(minute))).await;
        deployment.settled().await;
        report.outcome.name()
    };
    // A vote is late, and sends nothing.
    assert_eq!(approve(&deployment, &id, minutes(14)).await.name(), "expired");
    assert_eq!(press(15).await, "refused");
    github.answer_as_github();
    assert_eq!(press(16).await, "dispatched");
    assert_eq!((press(17).await, state(18).await), ("already-decided", DeliveryState::Delivered));

    // Nothing is sent by it that has not expired.
    let open = deployment.asked(request("2", body)).await;
    let seen = deployment.look(&open, minutes(1)).await;
    let report =
        deployment.start().send_expiry_again(seen, &person(ALEX, None), deployment.after(minutes(1))).await;
    assert_eq!(report.outcome.name(), "invalid");
}
