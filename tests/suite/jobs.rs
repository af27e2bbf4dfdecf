//! Requests are one and the same if they are of one job with one body, whatever has changed since they were asked.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::{
    deployment::{ASKED, Someone, Surroundings, text},
    functions_host::Mode,
    stores::Store,
    tokens::Token,
};

const STAGING: &str = "octo/ci/.github/workflows/staging.yml@refs/heads/main";
const PRODUCTION: &str = "octo/ci/.github/workflows/production.yml@refs/heads/main";

/// The value of a claim, or `null`.
fn claim(job: &Token, name: &str) -> Value {
    job.claims.get(name).cloned().unwrap_or_default()
}

// T8
#[tokio::test]
async fn two_jobs_of_one_run_are_two_approvals_also_with_equal_bodies() {
    let around = Surroundings::start().await;
    let host = around.host(Mode::Payload).start().await;
    let run = Token::of_job(&around.actions);
    let jobs = [
        run.clone(),
        run.clone().claim("environment", "staging"),
        run.clone().claim("environment", "production"),
        run.clone().claim("environment", "production").claim("job_workflow_ref", STAGING),
        run.clone().claim("environment", "production").claim("job_workflow_ref", PRODUCTION),
        run.clone().claim("job_workflow_ref", PRODUCTION),
        run.clone().without("job_workflow_ref"),
    ];
    let mut ids = Vec::new();
    for job in &jobs {
        ids.push(text(&host.ask_as(job, ASKED).await.assert_opened()["id"]));
    }
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), jobs.len());
    // Each finds its own again, in any order; an absent claim and an empty one are the same.
    for (job, id) in jobs.iter().zip(&ids).rev() {
        let answer = host.ask_as(job, ASKED).await;
        assert_eq!((answer.status, text(&answer.json()["id"])), (200, id.clone()));
        let seen = around.status(&host, id).await;
        assert_eq!(seen["environment"], claim(job, "environment"));
        assert_eq!(seen["job_workflow_ref"], claim(job, "job_workflow_ref"));
    }
    let empty = run.claim("environment", "");
    assert_eq!(text(&host.ask_as(&empty, ASKED).await.json()["id"]), ids[0]);
}

#[tokio::test]
async fn two_jobs_that_ask_at_once_are_two_approvals_and_two_tries_of_one_are_one() {
    let (around, store) = (Surroundings::start().await, Store::folder());
    let hosts = [
        around.host(Mode::Payload).store(&store).start().await,
        around.host(Mode::Payload).store(&store).start().await,
    ];
    for _ in 0..5 {
        let run = Token::of_job(&around.actions);
        let jobs = ["staging", "production"].map(|name| run.clone().claim("environment", name));
        let asks = jobs.iter().flat_map(|job| hosts.iter().map(|host| host.ask_as(job, ASKED)));
        let answers = futures_util::future::join_all(asks).await;
        let ids: Vec<_> = answers.iter().map(|answer| text(&answer.json()["id"])).collect();
        assert_eq!((&ids[0], &ids[2]), (&ids[1], &ids[3]));
        assert_ne!(ids[0], ids[2]);
        for (job, id) in jobs.iter().zip([&ids[0], &ids[2]]) {
            assert_eq!(text(&hosts[0].ask_as(job, ASKED).await.json()["id"]), *id);
        }
    }
}

#[tokio::test]
async fn a_key_makes_two_approvals_of_one_job() {
    let around = Surroundings::start().await;
    let host = around.host(Mode::Payload).start().await;
    let job = Token::of_job(&around.actions);
    let mut ids = BTreeSet::new();
    for key in [None, Some("a"), Some("b")] {
        let body = match key {
            None => json!({"event_type": "go-live"}),
            Some(key) => json!({"event_type": "go-live", "key": key}),
        };
        let asked = host.ask_as(&job, &body.to_string()).await.assert_opened();
        let id = text(&asked["id"]);
        assert_eq!(around.status(&host, &id).await["key"], json!(key));
        ids.insert(id);
    }
    assert_eq!(ids.len(), 3);
    let merged = json!({"event_type": "go-live", "key": "a", "title": "another"}).to_string();
    assert_eq!(host.ask_as(&job, &merged).await.status, 201, "equal keys merge nothing");
}

#[tokio::test]
async fn what_was_asked_is_found_again_whatever_the_rules_are_by_then() {
    let (around, store) = (Surroundings::start().await, Store::folder());
    let job = Token::of_job(&around.actions).claim("environment", "production");
    let body = json!({"event_type": "go-live", "approvers": [Someone::alex().object_id]}).to_string();
    let host = around.host(Mode::Payload).store(&store).start().await;
    let asked = host.ask_as(&job, &body).await.assert_opened();
    drop(host);

    for (name, value) in [
        ("APPROVERS", Someone::number(1).object_id.as_str()),
        ("APPROVERS", ""),
        ("MIN_APPROVALS", "2"),
        ("ALLOWED_REPOSITORIES", "octo/other"),
        ("RELAY_EVENT_TYPES", "go-live"),
    ] {
        let host = around.host(Mode::Payload).store(&store).setting(name, value).start().await;
        let again = host.ask_as(&job, &body).await;
        assert_eq!((again.status, &again.json()["id"]), (200, &asked["id"]), "{name}={value}");
        let other = job.clone().claim("run_attempt", "2");
        assert_ne!(host.ask_as(&other, &body).await.status, 201, "what is new is held to {name}={value}");
    }
}
