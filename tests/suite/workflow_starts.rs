//! The run of a workflow that an approval started: the one of its file, on its full ref, and the one that GitHub named.

use serde_json::{Value, json};

use crate::{
    actions::SHA,
    deployment::{Someone, Surroundings, page_of, text},
    functions_host::{FunctionsHost, Mode},
    github_workflows::RUN,
    http1::{Answer, Request},
    tokens::Token,
};

in_one_mode! {
    the_run_that_github_named_has_the_approval_and_no_other
    where_github_named_no_run_the_first_of_the_file_and_the_ref_has_it
}

const ASKED: &str = r#"{"workflow":"release.yml","inputs":{"version":"1.4.2"}}"#;

/// Asks for a workflow and has it approved; gives the id and the ticket of its inputs.
async fn approved(around: &Surroundings, host: &FunctionsHost) -> (String, String) {
    around.github.expect_dispatches(1);
    let id = around.ask_for_id(host, ASKED).await;
    host.vote(&around.token_of(&Someone::alex()), &id, "approve").await.assert_outcome(200, "dispatched");
    let body: Value = serde_json::from_slice(&around.github.only_dispatch().body).expect("JSON");
    (id, text(&body["inputs"]["ticket"]))
}

/// A job of a run of release.yml on main that was started by `workflow_dispatch`.
fn started(around: &Surroundings, run_id: &str) -> Token {
    Token::of_job(&around.actions).claim("event_name", "workflow_dispatch").claim("run_id", run_id)
}

/// The same on a tag that is called like the branch.
fn on_a_tag(job: &Token) -> Token {
    let workflow_ref = "octo/app/.github/workflows/release.yml@refs/tags/main";
    let job = job.clone().claim("ref", "refs/tags/main").claim("ref_type", "tag");
    job.claim("sub", "repo:octo/app:ref:refs/tags/main").claim("workflow_ref", workflow_ref)
}

async fn start(host: &FunctionsHost, job: &Token, id: &str, ticket: &str) -> Answer {
    let body = json!({"run": "start", "ticket": ticket}).to_string();
    let request = Request::post(&format!("/api/RequestApproval/{id}")).json(body);
    host.send(request.header("Authorization", &format!("Bearer {}", job.sign()))).await
}

/// Tries to start as every run that must not.
async fn assert_refused(around: &Surroundings, host: &FunctionsHost, job: &Token, id: &str, ticket: &str) {
    let other = "octo/app/.github/workflows/other.yml@refs/heads/main";
    for (forged, ticket, saying) in [
        (on_a_tag(job), ticket, "release.yml on refs/heads/main"),
        (job.clone().claim("ref", "refs/tags/main"), ticket, "release.yml on refs/heads/main"),
        (job.clone().claim("workflow_ref", other), ticket, "release.yml on refs/heads/main"),
        (job.clone().claim("event_name", "repository_dispatch"), ticket, "workflow_dispatch"),
        (job.clone().claim("event_name", "push"), ticket, "workflow_dispatch"),
        (job.clone(), "0123456789abcdef0123456789abcdef", "ticket"),
        (job.clone(), "", "ticket"),
    ] {
        let told = start(host, &forged, id, ticket).await.assert_outcome(403, "forbidden");
        assert!(told.contains(saying), "{saying} in {told}");
    }
    assert_ne!(around.status(host, id).await["run"]["conclusion"], "success");
}

// T39
async fn the_run_that_github_named_has_the_approval_and_no_other(mode: Mode) {
    let (around, host) = Surroundings::with_host(mode).await;
    let (id, ticket) = approved(&around, &host).await;
    let named = RUN.to_string();
    let url = format!("{}/octo/app/actions/runs/{named}", around.github.url());
    let run = |attempt: &str, conclusion: Option<&str>| json!({"id": named, "attempt": attempt, "url": url, "conclusion": conclusion});
    assert_eq!(around.status(&host, &id).await["run"], run("1", None), "before it has said anything");

    let job = started(&around, &named);
    assert_refused(&around, &host, &job, &id, &ticket).await;
    let told = start(&host, &started(&around, "4712"), &id, &ticket).await.assert_outcome(409, "conflict");
    assert!(told.contains("run 4711 has this approval"), "{told}");

    let answer = start(&host, &job, &id, &ticket).await;
    let item = answer.json();
    assert_eq!((answer.status, &item["run"]), (200, &run("1", None)), "{item}");
    assert_eq!(
        (&item["workflow"], &item["dispatch_ref"]),
        (&json!("release.yml"), &json!("refs/heads/main"))
    );
    assert_eq!((&item["inputs"], &item["sha"]), (&json!({"version": "1.4.2"}), &json!(SHA)));
    let page = host.send(Someone::alex().get(&page_of(&id))).await.text();
    for words in ["Releasing\u{2026} (run 4711)", "started by GitHub"] {
        assert!(page.contains(words), "{words} in {page}");
    }
    let again = job.claim("run_attempt", "2");
    assert_eq!(start(&host, &again, &id, &ticket).await.json()["run"], run("2", None));
}

// T38, T39
async fn where_github_named_no_run_the_first_of_the_file_and_the_ref_has_it(mode: Mode) {
    let (around, host) = Surroundings::with_host(mode).await;
    around.github.name_no_runs();
    around.github.expect_refusals(1);
    let (id, ticket) = approved(&around, &host).await;
    assert_eq!(around.status(&host, &id).await["run"], Value::Null);
    let job = started(&around, "4713");
    assert_refused(&around, &host, &job, &id, &ticket).await;

    // Whoever reads the ticket can be first: the approval is used up then, and says by whom.
    let first = start(&host, &job.claim("actor", "mallory"), &id, &ticket).await;
    assert_eq!((first.status, &first.json()["run"]["id"]), (200, &json!("4713")), "{}", first.text());
    let told = start(&host, &started(&around, "4714"), &id, &ticket).await.assert_outcome(409, "conflict");
    assert!(told.contains("run 4713 has this approval"), "{told}");
    let page = host.send(Someone::alex().get(&page_of(&id))).await.text();
    assert!(page.contains("Releasing\u{2026} (run 4713)") && page.contains("mallory"), "{page}");
}
