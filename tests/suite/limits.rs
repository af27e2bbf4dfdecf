//! The limit of a run's open approvals: the next is `limited`, whatever comes at once, and nothing else is.

use std::sync::Arc;

use approve_release::{
    approval::{Limited, Outcome, Standing, Verdict},
    approve::{NewRequest, Stories},
    surfaces::status,
};
use chrono::TimeDelta;
use futures_util::future::join_all;
use object_store::ObjectStore;

use crate::{
    actions::REPOSITORY_ID,
    deployment::{ASKED, Surroundings, text},
    functions_host::Mode,
    instances::{Instances, asking, person, vote},
    rough_store::RoughStore,
    stores::Store,
    tokens::{ALEX, Token, in_seconds},
};

const MOST: usize = Limited::MAX_OF_RUN;

/// The number-th of what a run asks for.
fn numbered(run_id: &str, number: usize) -> NewRequest {
    asking(run_id, &format!("body {number}"))
}

async fn ask(
    deployment: &Instances,
    instance: &Arc<Stories>,
    asking: NewRequest,
) -> Result<(Standing, bool), Outcome> {
    let asked = instance.ask(asking, deployment.after(TimeDelta::zero())).await;
    asked.map_err(|report| report.outcome)
}

/// A deployment in which run 1 has so many open, and an instance of it.
async fn with_open(count: usize) -> (Instances, Arc<Stories>) {
    let deployment = Instances::dry_run();
    let instance = deployment.start();
    for number in 0..count {
        ask(&deployment, &instance, numbered("1", number)).await.expect("there is room");
    }
    (deployment, instance)
}

#[track_caller]
fn assert_limited<T: std::fmt::Debug>(asked: Result<T, Outcome>) {
    let outcome = asked.expect_err("it is one too many");
    assert_eq!((status(&outcome), outcome.name()), (429, "limited"));
}

// T9
#[tokio::test]
async fn one_more_than_a_run_may_have_open_is_limited_and_what_was_asked_is_found_again() {
    let (deployment, instance) = with_open(MOST).await;
    let before = deployment.names("").await;
    assert_limited(ask(&deployment, &instance, numbered("1", MOST)).await);
    assert_limited(ask(&deployment, &deployment.start(), numbered("1", MOST)).await);
    assert_eq!(deployment.names("").await, before, "nothing is written");

    let (_, is_new) = ask(&deployment, &instance, numbered("1", 7)).await.expect("it was asked before");
    assert!(!is_new);
    // Neither another run nor another repository has to wait for it.
    assert!(ask(&deployment, &instance, numbered("2", MOST)).await.is_ok());
    let mut other = numbered("1", MOST);
    other.workload.repository_id = "2".to_owned();
    assert!(ask(&deployment, &instance, other).await.is_ok());
    let mut other = numbered("1", MOST + 1);
    other.workload.repository_id = "10".to_owned();
    assert!(ask(&deployment, &instance, other).await.is_ok(), "1 is no beginning of 10");
}

#[tokio::test]
async fn what_is_decided_or_expired_makes_room() {
    let (deployment, instance) = with_open(MOST).await;
    let (seen, _) = ask(&deployment, &instance, numbered("1", 0)).await.expect("it was asked before");
    let cast = (&seen.request.id, person(ALEX, None));
    let outcome = vote(&instance, cast, Verdict::Reject, deployment.after(TimeDelta::minutes(1))).await;
    assert_eq!(outcome.name(), "rejected");
    deployment.settled().await;
    assert!(ask(&deployment, &instance, numbered("1", MOST)).await.is_ok());
    assert_limited(ask(&deployment, &instance, numbered("1", MOST + 1)).await);

    // Nobody has looked at those that have expired since.
    let asked = instance.ask(numbered("1", MOST + 1), deployment.after(TimeDelta::hours(73))).await;
    assert!(asked.is_ok());
}

#[tokio::test]
async fn forty_that_ask_at_once_around_the_limit_are_never_more_than_the_limit() {
    let (deployment, _) = with_open(MOST - 10).await;
    let view = RoughStore::slow(&deployment.store);
    let instance = deployment.start_on(Arc::clone(&view) as Arc<dyn ObjectStore>);
    let asks = (0..40).map(|number| ask(&deployment, &instance, numbered("1", 1_000 + number)));
    let (asked, _) = view.rounds(join_all(asks)).await;
    let opened = asked.iter().filter(|asked| asked.is_ok()).count();
    assert_eq!(opened, 10);
    assert_eq!(deployment.names("dry-run/open/").await.len(), MOST);
    asked.into_iter().filter(Result::is_err).for_each(assert_limited);
}

#[tokio::test]
async fn tries_of_one_request_at_once_take_one_place() {
    let (deployment, _) = with_open(MOST - 1).await;
    let view = RoughStore::slow(&deployment.store);
    let instance = deployment.start_on(Arc::clone(&view) as Arc<dyn ObjectStore>);
    let asks = (0..8).map(|_| ask(&deployment, &instance, numbered("1", MOST)));
    let (asked, _) = view.rounds(join_all(asks)).await;
    let asked: Vec<_> = asked.into_iter().map(|asked| asked.expect("it is one and the same")).collect();
    assert_eq!(asked.iter().filter(|(_, is_new)| *is_new).count(), 1);
    assert_eq!(deployment.names("dry-run/open/").await.len(), MOST);
    assert_limited(ask(&deployment, &deployment.start(), numbered("1", MOST + 1)).await);
}

#[tokio::test]
async fn a_job_is_told_so_and_nothing_is_written() {
    let (around, store) = (Surroundings::start().await, Store::folder());
    let host = around.host(Mode::Payload).store(&store).start().await;
    let job = Token::of_job(&around.actions);
    let run_id = text(&job.claims["run_id"]);
    let expires_at = in_seconds(3600) * 1_000;
    let note = async |run_id: &str, number: usize| {
        let path = format!("open/{REPOSITORY_ID}/{run_id}.{expires_at}.0123456789abcdef.{number:044x}");
        store.write(&path, "{}").await;
    };
    for number in 1..MOST {
        note(&run_id, number).await;
    }
    assert_eq!(host.ask_as(&job, ASKED).await.status, 201, "the last that there is room for");
    let another = r#"{"event_type":"go-live","title":"another"}"#;
    let before = store.objects_with_changes().await;
    let sentence = host.ask_as(&job, another).await.assert_said(429, "limited");
    assert!(sentence.contains("this run has 300"), "{sentence}");
    assert_eq!(store.objects().await, before);
    assert_eq!(host.ask_as(&job, ASKED).await.status, 200);

    for number in MOST..Limited::MAX_OF_REPOSITORY {
        note(&number.to_string(), number).await;
    }
    let sentence = host.ask_as(&Token::of_job(&around.actions), another).await.assert_said(429, "limited");
    assert!(sentence.contains("this repository has 2000"), "{sentence}");
}
