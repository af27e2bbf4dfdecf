//! A request for an approval counts with a job's token: one, in `Authorization`, of the issuer that is configured, for
//! this deployment, and not of a pull request.

use approve_release::{
    http_client::use_ring,
    identity::{
        Check, Rejection,
        github_oidc::{Job, JobTokens},
    },
};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use url::Url;
use wiremock::ResponseTemplate;

use crate::{
    actions::{Actions, PUBLIC_URL, REPOSITORY, REPOSITORY_ID, SHA},
    authority::{Authority, Version},
    functions_host::{FunctionsHost, Mode},
    github::GitHub,
    handler_process::within,
    openid::Document,
    relay::CLICK,
    signing_keys::Key,
    stores::Store,
    tokens::{Token, in_seconds},
};

in_one_mode! {
    a_token_of_a_job_counts_for_the_public_url_with_a_slash_at_its_end_and_without
    a_token_of_a_pull_request_is_forbidden
    without_a_token_of_a_job_nothing_is_requested
    a_token_of_a_job_counts_whatever_the_case_of_scheme_and_header
    a_token_of_a_job_is_none_for_a_click
    while_the_issuer_is_down_requests_are_unavailable_and_count_later
    metadata_of_another_issuer_is_none
}

/// A verifier as the handler makes it of its settings.
pub fn verifier(actions: &Actions) -> JobTokens {
    use_ring();
    let url = |text: &str| Url::parse(text).expect("a URL");
    JobTokens::new(url(&actions.issuer()), &url(PUBLIC_URL))
}

/// Verifies a token at the present time.
pub async fn verify(verifier: &JobTokens, token: &str) -> Result<Job, Rejection> {
    verifier.verify(token, at(in_seconds(0))).await
}

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_secs(seconds).expect("a time")
}

#[tokio::test]
async fn a_token_says_which_job_it_is() {
    let actions = Actions::start().await;
    let token = Token::of_job(&actions).claim("run_attempt", "3").claim("repository_visibility", "internal");
    let token = token.claim("environment", "production");

    let job = verify(&verifier(&actions), &token.sign()).await.expect("a job");

    let workload = job.workload;
    assert_eq!(workload.repository.to_string(), REPOSITORY);
    assert_eq!(workload.repository_id, REPOSITORY_ID);
    assert_eq!((workload.git_ref.as_str(), workload.sha.as_str()), ("refs/heads/main", SHA));
    assert_eq!(json!(workload.run_id), token.claims["run_id"]);
    assert_eq!((workload.run_attempt.as_str(), workload.actor.as_str()), ("3", "octocat"));
    assert!(!workload.is_public && !job.is_pull_request);
    for (known, claim) in [
        (workload.owner_id, "repository_owner_id"),
        (workload.environment, "environment"),
        (workload.workflow_ref, "workflow_ref"),
        (workload.job_workflow_ref, "job_workflow_ref"),
        (workload.event_name, "event_name"),
        (workload.actor_id, "actor_id"),
        (workload.run_number, "run_number"),
    ] {
        assert_eq!(known.map(Value::from).as_ref(), token.claims.get(claim), "{claim}");
    }
    assert_eq!(actions.asked_of(0), [1, 1], "metadata and keys");
}

#[tokio::test]
async fn a_token_may_be_for_others_too() {
    let actions = Actions::start().await;
    for audience in [json!([PUBLIC_URL]), json!(["https://github.com/octo", PUBLIC_URL])] {
        let token = Token::of_job(&actions).claim("aud", audience.clone());
        assert!(verify(&verifier(&actions), &token.sign()).await.is_ok(), "{audience}");
    }
}

#[tokio::test]
async fn a_key_need_not_say_what_it_is_for() {
    let actions = Actions::start().await;
    let mut key = Key::Job.jwk();
    key.as_object_mut().expect("an object").remove("use");
    actions.publish_of(0, [key]);

    assert!(verify(&verifier(&actions), &Token::of_job(&actions).sign()).await.is_ok());
}

#[tokio::test]
async fn a_token_of_a_job_counts_a_minute_before_and_after_its_life_and_no_longer() {
    let (actions, now) = (Actions::start().await, in_seconds(0));
    let (verifier, token) =
        (verifier(&actions), Token::of_job(&actions).claim("nbf", now).claim("exp", now + 300));
    for (seconds, expected) in [
        (-61, Err(Rejection::Failed(Check::NotYetValid))),
        (-60, Ok(())),
        (359, Ok(())),
        (360, Err(Rejection::Failed(Check::Expired))),
    ] {
        let verified = verifier.verify(&token.sign(), at(now + seconds)).await.map(|_| ());
        assert_eq!(verified, expected, "after {seconds} s");
    }
}

async fn a_token_of_a_job_counts_for_the_public_url_with_a_slash_at_its_end_and_without(mode: Mode) {
    let (github, actions) = (GitHub::start().await, Actions::start().await);
    for public_url in [PUBLIC_URL, "https://approve.example/", "https://gate.example/approve"] {
        let builder = FunctionsHost::requesting(mode, &github, &actions);
        let host = builder.setting("PUBLIC_URL", public_url).start().await;
        let bare = public_url.trim_end_matches('/');
        for audience in [bare.to_owned(), format!("{bare}/")] {
            println!("PUBLIC_URL {public_url}, aud {audience}");
            let answer =
                host.request_as(&Token::of_job(&actions).claim("aud", audience)).await.assert_opened();
            assert_eq!(answer["status"], "pending", "{answer}");
        }
        let other = Token::of_job(&actions).claim("aud", "https://gate.example");
        host.request_as(&other).await.assert_said(401, "unauthenticated");
    }
}

// T1
async fn a_token_of_a_pull_request_is_forbidden(mode: Mode) {
    let (github, actions, store) = (GitHub::start().await, Actions::start().await, Store::folder());
    let host = FunctionsHost::requesting(mode, &github, &actions).store(&store).start().await;

    let id = format!("{:044}", 0);
    for (event, git_ref) in [
        ("pull_request", "refs/pull/7/merge"),
        ("pull_request_target", "refs/heads/main"),
        ("pull_request_review", "refs/pull/7/merge"),
        ("pull_request_review_comment", "refs/pull/7/merge"),
        ("workflow_dispatch", "refs/pull/7/head"),
        ("push", "refs/pull/7/merge"),
    ] {
        println!("{event} at {git_ref}");
        let token = Token::of_job(&actions).claim("event_name", event).claim("ref", git_ref);
        host.request_as(&token).await.assert_said(403, "forbidden");
        host.status_as(&token, &id).await.assert_said(403, "forbidden");
    }

    assert_eq!(store.objects().await, [""; 0], "nothing is recorded");
    for event in ["push", "workflow_dispatch", "schedule", "release", "merge_group"] {
        let answer = host.request_as(&Token::of_job(&actions).claim("event_name", event)).await;
        assert_eq!(answer.status, 201, "{event}: {}", answer.text());
    }
}

// T1
async fn without_a_token_of_a_job_nothing_is_requested(mode: Mode) {
    let (actions, authority) = (Actions::start().await, Authority::start().await);
    let good = format!("Bearer {}", Token::of_job(&actions).sign());
    let action = format!("Bearer {}", Token::good(Version::Two, &authority).sign());
    // As an HTTP client joins them.
    let (joined, joined_with_nothing) = (format!("{good}, {good}"), format!(", {good}"));
    let bare = good.trim_start_matches("Bearer ");
    let (basic, tabbed) = (format!("Basic {bare}"), format!("Bearer\t{bare}"));
    let cases: Vec<Vec<(&str, &str)>> = vec![
        vec![],
        vec![("Authorization", "")],
        vec![("Authorization", "Bearer")],
        vec![("Authorization", bare)],
        vec![("Authorization", &basic)],
        vec![("Authorization", &tabbed)],
        vec![("Authorization", &action)],
        vec![("Action-Authorization", &good)],
        vec![("Authorization", ""), ("Action-Authorization", &good)],
        vec![("X-Authorization", &good), ("Proxy-Authorization", &good)],
        vec![("Authorization", &good), ("Authorization", &good)],
        vec![("Authorization", &good), ("authorization", &action)],
        vec![("Authorization", &good), ("AUTHORIZATION", "")],
        vec![("Authorization", ""), ("Authorization", &good)],
        vec![("Authorization", &joined)],
        vec![("Authorization", &joined_with_nothing)],
    ];
    assert_none_count(mode, &actions, &authority, &cases).await;
}

/// Requests with each set of headers, where Entra's tokens are good for clicks, and nobody needs one.
async fn assert_none_count(
    mode: Mode,
    actions: &Actions,
    authority: &Authority,
    cases: &[Vec<(&str, &str)>],
) {
    let (github, store) = (GitHub::start().await, Store::folder());
    let builder =
        FunctionsHost::verifying(mode, &github, authority, "*").setting("REQUIRE_IDENTITY", "false");
    let host = builder.settings(actions.settings()).store(&store).start().await;
    for headers in cases {
        println!("{:?}", headers.iter().map(|(name, _)| name).collect::<Vec<_>>());
        let request = FunctionsHost::approval_request();
        let request = headers.iter().fold(request, |request, (name, value)| request.header(name, value));
        host.send(request).await.assert_said(401, "unauthenticated");
    }
    assert_eq!(store.objects().await, [""; 0], "nothing is recorded");
}

async fn a_token_of_a_job_counts_whatever_the_case_of_scheme_and_header(mode: Mode) {
    let (github, actions) = (GitHub::start().await, Actions::start().await);
    let host = FunctionsHost::requesting(mode, &github, &actions).start().await;

    for (name, scheme) in
        [("Authorization", "Bearer"), ("authorization", "bearer"), ("AUTHORIZATION", "BEARER")]
    {
        let token = Token::of_job(&actions).sign();
        let request = FunctionsHost::approval_request().header(name, &format!("{scheme} {token}"));
        assert_eq!(host.send(request).await.status, 201, "{name}: {scheme}");
    }
}

async fn a_token_of_a_job_is_none_for_a_click(mode: Mode) {
    let (github, actions, authority) =
        (GitHub::start().await, Actions::start().await, Authority::start().await);
    let store = Store::folder();
    let builder = FunctionsHost::verifying(mode, &github, &authority, "*").settings(actions.settings());
    let host = builder.store(&store).start().await;

    let job = Token::of_job(&actions);
    let all_claims = Token::good(Version::Two, &authority).claims.into_iter();
    let both = all_claims.fold(job.clone(), |token, (name, value)| token.claim(&name, value));
    for token in [&job, &both, &job.clone().claim("ver", "2.0")] {
        host.click_as(&token.sign(), CLICK).await.assert_outcome(401, "unauthenticated");
    }

    assert_eq!(store.objects().await, [""; 0], "nothing is recorded");
}

async fn while_the_issuer_is_down_requests_are_unavailable_and_count_later(mode: Mode) {
    let (github, actions, store) = (GitHub::start().await, Actions::start().await, Store::folder());
    actions.go_down();
    let host = FunctionsHost::requesting(mode, &github, &actions).store(&store).start().await;

    host.request_as(&Token::of_job(&actions)).await.assert_said(424, "unavailable");
    assert_eq!(store.objects().await, [""; 0], "nothing is recorded");
    assert!(host.stderr_line("cannot load the keys").await.contains("503"));

    actions.recover();
    let token = Token::of_job(&actions);
    within("the request counts", async || {
        loop {
            let answer = host.request_as(&token).await;
            if answer.status == 201 {
                return;
            }
            answer.assert_said(424, "unavailable");
        }
    })
    .await;
}

async fn metadata_of_another_issuer_is_none(mode: Mode) {
    let (github, store) = (GitHub::start().await, Store::folder());
    for other in ["https://token.actions.githubusercontent.com", "", "http://127.0.0.1/_services/token"] {
        let actions = Actions::start().await;
        let metadata = ResponseTemplate::new(200).set_body_json(actions.metadata_of(other));
        actions.serve_instead(Document::Metadata, metadata);
        let host = FunctionsHost::requesting(mode, &github, &actions).store(&store).start().await;

        let token = Token::of_job(&actions).claim("iss", other);
        host.request_as(&token).await.assert_said(424, "unavailable");

        host.stderr_line("the metadata is another issuer's").await;
    }
    assert_eq!(store.objects().await, [""; 0], "nothing is recorded");
}
