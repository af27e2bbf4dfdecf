//! The checks: what a deployment needs, told on a page, as JSON and by the command, and nothing is changed for it.

use serde_json::{Value, json};

use crate::{
    deployment::{Channel, Someone, Surroundings},
    functions_host::{FunctionsHost, Mode},
    http1::Request,
    standalone::Standalone,
    tokens::ALEX,
};

const NAMES: [&str; 12] = [
    "store",
    "github",
    "github:octo/app",
    "github-keys",
    "entra-keys",
    "bot",
    "webhook",
    "public-url",
    "sign-in",
    "timer",
    "policy",
    "version",
];

pub fn states(checks: &Value) -> Vec<(String, String, String)> {
    let checks = checks["checks"].as_array().expect("checks");
    let text = |check: &Value, name: &str| check[name].as_str().expect("a text").to_owned();
    checks.iter().map(|check| (text(check, "name"), text(check, "state"), text(check, "message"))).collect()
}

#[track_caller]
pub fn state(checks: &[(String, String, String)], name: &str) -> (String, String) {
    let found = checks.iter().find(|(other, ..)| other == name);
    let (_, state, message) = found.unwrap_or_else(|| panic!("{name} in {checks:?}"));
    (state.clone(), message.clone())
}

pub async fn checks(host: &FunctionsHost) -> Vec<(String, String, String)> {
    let answer = host.send(Someone::alex().browse(Request::get("/api/approvals/check?format=json"))).await;
    assert_eq!((answer.status, answer.header("Cache-Control")), (200, Some("no-store")), "{}", answer.text());
    states(&answer.json())
}

#[tokio::test]
async fn every_check_has_its_line_and_nothing_is_posted_or_sent() {
    let (around, channel) = (Surroundings::start().await, Channel::start().await);
    around.github.expect_dispatches(0);
    let host =
        around.host(Mode::Payload).settings(channel.setting()).setting("APPROVERS", ALEX).start().await;
    let found = checks(&host).await;
    let names: Vec<_> = found.iter().map(|(name, ..)| name.as_str()).collect();
    assert_eq!(names, NAMES);
    for (name, expected) in [
        ("store", "well"),
        ("github", "well"),
        ("github:octo/app", "well"),
        ("github-keys", "well"),
        ("bot", "unused"),
        ("webhook", "well"),
        ("timer", "well"),
        ("policy", "unused"),
        ("version", "well"),
    ] {
        assert_eq!(state(&found, name).0, expected, "{found:?}");
    }
    assert!(state(&found, "webhook").1.contains("not tried"));
    assert_eq!(channel.tried(), 0);
    // One look serves everybody for a minute.
    assert_eq!(checks(&host).await, found);
    let page = host.send(Someone::alex().get("/api/approvals/check")).await.text();
    assert!(page.contains("<h1>Checks</h1>") && page.contains("public-url"), "{page}");
    let page = host.send(Someone::alex().get("/API/Approvals/CHECK/")).await.text();
    assert!(page.contains("<h1>Checks</h1>"), "{page}");
}

#[tokio::test]
async fn each_thing_that_is_wrong_at_github_says_what_to_do() {
    let around = Surroundings::start().await;
    let looked = async || checks(&around.host(Mode::Payload).setting("APPROVERS", ALEX).start().await).await;
    let soon = chrono::Utc::now() + chrono::TimeDelta::days(13);
    around.github.end_token_at(&soon.format("%Y-%m-%d %H:%M:%S UTC").to_string());
    around.github.forget_repositories();
    let found = looked().await;
    let (github, message) = state(&found, "github");
    assert!(github == "wrong" && message.contains(&soon.format("%Y-%m-%d").to_string()), "{message}");
    let (repository, message) = state(&found, "github:octo/app");
    assert!(repository == "wrong" && message.contains("404"), "{message}");
    around.github.take_only_token("another");
    for name in ["github", "github:octo/app"] {
        let (found, message) = state(&looked().await, name);
        assert!(found == "wrong" && message.contains("Renew it"), "{name}: {message}");
    }
}

// T36
#[tokio::test]
async fn only_approvers_see_the_checks_and_where_all_are_nobody_does() {
    let around = Surroundings::start().await;
    let listed = around.host(Mode::Payload).setting("APPROVERS", ALEX).start().await;
    let path = "/api/approvals/check?format=json";
    assert_eq!(listed.send(Someone::number(1).browse(Request::get(path))).await.status, 403);
    assert_eq!(listed.send(Request::get(path)).await.status, 401);
    assert_eq!(listed.send(Someone::alex().browse(Request::post(path))).await.status, 405);
    let everybody = around.host(Mode::Payload).setting("APPROVERS", "*").start().await;
    assert_eq!(everybody.send(Someone::alex().browse(Request::get(path))).await.status, 403);
}

#[tokio::test]
async fn in_a_dry_run_github_is_not_asked_and_the_command_says_the_same() {
    let (status, output) = Standalone::check(json!({
        "DRY_RUN": "true", "REQUIRE_IDENTITY": "false", "GITHUB_REPOSITORY": "octo/app", "STORE_URL": "memory:",
        "GITHUB_OIDC_ISSUER": "http://127.0.0.1:9", "PUBLIC_URL": "http://127.0.0.1:9",
    }))
    .await;
    let found = states(&serde_json::from_str(&output).unwrap_or_else(|error| panic!("{error}: {output}")));
    for (name, expected) in [("github", "unused"), ("github:octo/app", "unused"), ("timer", "unused")] {
        assert_eq!(state(&found, name).0, expected, "{found:?}");
    }
    for name in ["github-keys", "public-url"] {
        let (found, message) = state(&found, name);
        assert!(found == "wrong" && message.contains("See "), "{name}: {message}");
    }
    assert_eq!(status.code(), Some(1));
}
