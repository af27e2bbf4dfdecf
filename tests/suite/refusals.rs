//! Refusals before GitHub is asked, though a click could be read: too large, not allowed, not possible.
//!
//! In all of it GitHub gets no request: its stand-in expects none.

use crate::{
    functions_host::{FunctionsHost, Mode},
    github::GitHub,
    http1::Request,
    invalid_clicks::{assert_invalid, click_of},
    relay::{CLICK, click_of_bytes},
};

in_every_mode! {
    a_body_of_64001_bytes_is_too_large
    a_form_of_64001_bytes_is_too_large
    a_body_of_megabytes_is_too_large
}

in_one_mode! {
    a_repository_that_is_not_allowed_is_forbidden
    a_vote_on_an_approval_that_nobody_requested_is_unknown
    a_vote_that_is_none_is_invalid
    an_event_type_that_is_not_allowed_is_forbidden
    without_relay_event_types_nothing_is_relayed
    without_a_token_the_click_is_misconfigured
    without_a_repository_the_click_is_misconfigured
    the_first_reason_in_the_order_of_the_table_is_the_answer
    very_deep_nesting_is_answered_and_the_process_goes_on
}

async fn a_body_of_64001_bytes_is_too_large(mode: Mode) {
    let (_github, host) = FunctionsHost::with_github(mode).await;

    host.click(click_of_bytes(64_001)).await.assert_outcome(413, "too-large");
    host.click(format!("{CLICK:64001}")).await.assert_outcome(413, "too-large");
    host.click("é".repeat(32_001)).await.assert_outcome(413, "too-large");
}

async fn a_form_of_64001_bytes_is_too_large(mode: Mode) {
    let (_github, host) = FunctionsHost::with_github(mode).await;

    let start = "event_type=release-approved&client_payload=";
    let form = format!("{start}{}", "x".repeat(64_001 - start.len()));
    host.send(host.click_request().form(form)).await.assert_outcome(413, "too-large");
}

async fn a_body_of_megabytes_is_too_large(mode: Mode) {
    let (_github, host) = FunctionsHost::with_github(mode).await;

    host.click(click_of_bytes(5_000_000)).await.assert_outcome(413, "too-large");
    if mode == Mode::Proxying {
        let chunked = host.click_request().json(click_of_bytes(5_000_000)).chunked();
        host.send(chunked).await.assert_outcome(413, "too-large");
    }
}

// T24
async fn a_repository_that_is_not_allowed_is_forbidden(mode: Mode) {
    let (_github, host) = FunctionsHost::with_github(mode).await;

    for repository in ["octo/other", "other/app", "octo/app2", "octo/ap", "xocto/app", "octo/app.git"] {
        println!("repository: {repository}");
        let request = host.click_with_query(&format!("&repository={repository}")).json(CLICK);
        host.send(request).await.assert_outcome(403, "forbidden");
    }
}

// T24
async fn an_event_type_that_is_not_allowed_is_forbidden(mode: Mode) {
    let (_github, host) = FunctionsHost::with_github(mode).await;

    for event_type in ["deploy", "Release-Approved", "release-approved ", "release-approve", "*"] {
        println!("event type: {event_type}");
        let body = click_of(&format!("{event_type:?}"), "{}");
        host.click(body).await.assert_outcome(403, "forbidden");
    }
}

async fn a_vote_on_an_approval_that_nobody_requested_is_unknown(mode: Mode) {
    let (_github, host) = FunctionsHost::with_github(mode).await;

    for id in
        ["01JDABCDEFGHJKMNPQRSTVWXYZ", "1", "", "../../x", "%2e%2e", "\\u0000", "é", &"x".repeat(10_000)]
    {
        let vote = format!(r#"{{"approval":"{id}","verdict":"approve"}}"#);
        host.click(vote).await.assert_outcome(404, "unknown");
        let vote = format!(r#"{{"approval":"{id}","verdict":"reject","comment":"{}"}}"#, "é".repeat(500));
        host.click(vote).await.assert_outcome(404, "unknown");
    }
    let form = "approval=1&verdict=approve&comment=why+not";
    host.send(host.click_request().form(form)).await.assert_outcome(404, "unknown");
}

async fn a_vote_that_is_none_is_invalid(mode: Mode) {
    let long_comment = format!(r#"{{"approval":"1","verdict":"approve","comment":"{}"}}"#, "é".repeat(501));
    let bodies = [
        r#"{"approval":"1"}"#,
        r#"{"verdict":"approve"}"#,
        r#"{"comment":"yes"}"#,
        r#"{"approval":1,"verdict":"approve"}"#,
        r#"{"approval":null,"verdict":"approve"}"#,
        r#"{"approval":"1","verdict":"approved"}"#,
        r#"{"approval":"1","verdict":"Approve"}"#,
        r#"{"approval":"1","verdict":""}"#,
        r#"{"approval":"1","verdict":true}"#,
        r#"{"approval":"1","verdict":"approve","comment":null}"#,
        r#"{"approval":"1","verdict":"approve","verdict":"reject"}"#,
        r#"{"approval":"1","verdict":"approve","performer":"me"}"#,
        &long_comment,
    ];
    assert_invalid(mode, &bodies).await;
}

async fn without_relay_event_types_nothing_is_relayed(mode: Mode) {
    let github = GitHub::start().await;
    let host = FunctionsHost::relay(mode, &github).without("RELAY_EVENT_TYPES").start().await;

    host.click(CLICK).await.assert_outcome(403, "forbidden");
}

async fn without_a_token_the_click_is_misconfigured(mode: Mode) {
    let github = GitHub::start().await;
    let host = FunctionsHost::relay(mode, &github).without("GITHUB_TOKEN").start().await;

    host.click(CLICK).await.assert_outcome(424, "misconfigured");

    host.stderr_line("GITHUB_TOKEN").await;
}

async fn without_a_repository_the_click_is_misconfigured(mode: Mode) {
    let github = GitHub::start().await;
    let host = (FunctionsHost::relay(mode, &github).without("GITHUB_REPOSITORY"))
        .setting("ALLOWED_REPOSITORIES", "octo/*")
        .start()
        .await;

    host.click(CLICK).await.assert_outcome(424, "misconfigured");

    host.stderr_line("GITHUB_REPOSITORY").await;
}

async fn the_first_reason_in_the_order_of_the_table_is_the_answer(mode: Mode) {
    let github = GitHub::start().await;
    let host = FunctionsHost::relay(mode, &github).without("GITHUB_TOKEN").start().await;
    let elsewhere = || host.click_with_query("&repository=other/app");

    let too_large_and_invalid = elsewhere().json("x".repeat(64_001));
    host.send(too_large_and_invalid).await.assert_outcome(413, "too-large");
    let invalid_and_forbidden = elsewhere().json("x");
    host.send(invalid_and_forbidden).await.assert_outcome(400, "invalid");
    let forbidden_and_misconfigured = elsewhere().json(CLICK);
    host.send(forbidden_and_misconfigured).await.assert_outcome(403, "forbidden");
}

async fn very_deep_nesting_is_answered_and_the_process_goes_on(mode: Mode) {
    let (github, host) = FunctionsHost::with_github(mode).await;
    let pid = host.pid();

    for (open, close) in [("[", "]"), (r#"{"a":"#, "}")] {
        let nested = format!("{}1{}", open.repeat(10_000), close.repeat(10_000));
        let click = click_of(r#""release-approved""#, &format!(r#"{{"deep":{nested}}}"#));
        host.click(click).await.assert_outcome(400, "invalid");
        host.click(open.repeat(12_000)).await.assert_outcome(400, "invalid");
    }

    github.expect_dispatches(1);
    host.click(CLICK).await.assert_outcome(200, "dispatched");
    assert_eq!(host.pid(), pid);
    assert_eq!(host.send_to_handler(Request::get("/")).await.status, 200);
}
