//! A good click becomes one dispatch, unchanged, and the card says so.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::{
    functions_host::{FunctionsHost, Mode},
    github::GitHub,
    http1::Request,
};

/// The body of a card's button.
pub const CLICK: &str =
    r#"{"event_type":"release-approved","client_payload":{"run_id":"7123456789","run_attempt":"1"}}"#;

/// The body of another card's button: a decision of its own.
pub fn new_click() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(1);
    let run = COUNT.fetch_add(1, Ordering::Relaxed);
    format!(r#"{{"event_type":"release-approved","client_payload":{{"run_id":"{run}","run_attempt":"1"}}}}"#)
}

in_every_mode! {
    a_click_becomes_one_dispatch_and_the_card_says_so
    the_client_payload_reaches_github_byte_for_byte
    a_percent_encoded_repository_is_the_same_repository
    a_body_of_64000_bytes_is_relayed_even_when_escapes_make_it_six_times_larger
    the_path_matches_whatever_its_case_and_with_a_trailing_slash
    a_body_of_untold_length_counts_only_where_the_host_hands_it_on
}

in_one_mode! {
    white_space_and_field_order_around_the_client_payload_do_not_matter
    a_form_click_is_relayed_like_a_json_click
    the_repository_may_come_from_the_query
    any_event_type_may_be_relayed_when_the_operator_says_so
    as_much_as_github_takes_is_relayed
    a_dry_run_asks_nothing_of_github
    a_dry_run_needs_no_token
    an_enterprise_server_is_called_under_its_own_path
    the_repositorys_case_does_not_matter
    a_double_click_is_one_dispatch
    every_cards_click_is_a_dispatch_of_its_own
}

async fn a_click_becomes_one_dispatch_and_the_card_says_so(mode: Mode) {
    let (github, host) = FunctionsHost::with_github(mode).await;
    github.expect_dispatches(1);

    host.click(CLICK).await.assert_outcome(200, "dispatched");

    let dispatch = github.only_dispatch();
    assert_eq!(dispatch.repository, "octo/app");
    assert_eq!(dispatch.event_type(), "release-approved");
    assert_eq!(dispatch.client_payload(), r#"{"run_id":"7123456789","run_attempt":"1"}"#);
}

// T29
async fn the_client_payload_reaches_github_byte_for_byte(mode: Mode) {
    const PAYLOADS: &[&str] = &[
        r#"{"id":123456789012345678901234567890,"min":-9223372036854775809}"#,
        r#"{"version":1.10,"huge":1e400,"tiny":1E-400,"zero":-0,"exact":0.10000000000000000555}"#,
        r#"{"z":1,"a":2,"m":{"y":1,"b":2}}"#,
        r#"{"escaped":"\u0061\/\"\\\b\f\n\r\t\u00e9\ud83d\ude00","plain":"é😀 <b>&'+`"}"#,
        r#"{ "spaced" : [ 1 ,2, { } ,[ ] ] , "":null,"t":true }"#,
        "{\n\t\"lines\": \"kept\"\r\n}",
        "{}",
    ];
    let (github, host) = FunctionsHost::with_github(mode).await;
    github.expect_dispatches(PAYLOADS.len());

    for payload in PAYLOADS {
        let body = format!(r#"{{"event_type":"release-approved","client_payload":{payload}}}"#);
        host.click(body).await.assert_outcome(200, "dispatched");
    }

    let dispatches = github.dispatches();
    let arrived: Vec<&str> = dispatches.iter().map(|dispatch| dispatch.client_payload()).collect();
    assert_eq!(arrived, PAYLOADS);
}

async fn white_space_and_field_order_around_the_client_payload_do_not_matter(mode: Mode) {
    let (github, host) = FunctionsHost::with_github(mode).await;
    github.expect_dispatches(1);

    let body =
        "\r\n { \"client_payload\" : {\"a\": 1} ,\t\"\\u0065vent_type\":\"release\\u002dapproved\" } \n";
    host.click(body).await.assert_outcome(200, "dispatched");

    assert_eq!(github.only_dispatch().client_payload(), r#"{"a": 1}"#);
    assert_eq!(github.only_dispatch().event_type(), "release-approved");
}

async fn a_form_click_is_relayed_like_a_json_click(mode: Mode) {
    let (github, host) = FunctionsHost::with_github(mode).await;
    github.expect_dispatches(2);

    let content_types =
        ["application/x-www-form-urlencoded", "application/x-www-form-urlencoded; charset=UTF-8"];
    for (run, content_type) in content_types.iter().enumerate() {
        let form = format!(
            "event_type=release-approved&client_payload=%7B%22run%22%3A{run}.0%2C%22text%22%3A%22a+b%2Bc%22%7D"
        );
        let click = host.click_request().body(content_type, form);
        host.send(click).await.assert_outcome(200, "dispatched");
    }

    for (run, dispatch) in github.dispatches().iter().enumerate() {
        assert_eq!(dispatch.event_type(), "release-approved");
        assert_eq!(dispatch.client_payload(), format!(r#"{{"run":{run}.0,"text":"a b+c"}}"#));
    }
}

async fn the_repository_may_come_from_the_query(mode: Mode) {
    let github = GitHub::start().await;
    github.expect_dispatches(2);
    let host = FunctionsHost::relay(mode, &github).setting("ALLOWED_REPOSITORIES", "octo/*").start().await;

    let elsewhere = host.click_with_query("&repository=octo/other").json(CLICK);
    host.send(elsewhere).await.assert_outcome(200, "dispatched");
    host.click(CLICK).await.assert_outcome(200, "dispatched");

    let repositories: Vec<String> = github.dispatches().into_iter().map(|one| one.repository).collect();
    assert_eq!(repositories, ["octo/other", "octo/app"]);
}

async fn a_percent_encoded_repository_is_the_same_repository(mode: Mode) {
    let (github, host) = FunctionsHost::with_github(mode).await;
    github.expect_dispatches(1);

    let encoded = host.click_with_query("&repository=octo%2Fapp").json(CLICK);
    host.send(encoded).await.assert_outcome(200, "dispatched");

    assert_eq!(github.only_dispatch().repository, "octo/app");
}

async fn any_event_type_may_be_relayed_when_the_operator_says_so(mode: Mode) {
    let github = GitHub::start().await;
    github.expect_dispatches(1);
    let host = FunctionsHost::relay(mode, &github).setting("RELAY_EVENT_TYPES", "*").start().await;

    let body = r#"{"event_type":"any thing: é 😀","client_payload":{}}"#;
    host.click(body).await.assert_outcome(200, "dispatched");

    assert_eq!(github.only_dispatch().event_type(), "any thing: é 😀");
}

async fn as_much_as_github_takes_is_relayed(mode: Mode) {
    let github = GitHub::start().await;
    github.expect_dispatches(1);
    let host = FunctionsHost::relay(mode, &github).setting("RELAY_EVENT_TYPES", "*").start().await;

    let event_type = "é".repeat(100);
    let properties: Vec<String> = (0..10).map(|index| format!(r#""p{index}":{index}"#)).collect();
    let body = format!(r#"{{"event_type":"{event_type}","client_payload":{{{}}}}}"#, properties.join(","));
    host.click(body).await.assert_outcome(200, "dispatched");

    assert_eq!(github.only_dispatch().event_type(), event_type);
}

/// A good click of exactly this many bytes, nearly all of which the host must escape.
pub fn click_of_bytes(length: usize) -> String {
    let (start, end) = (r#"{"event_type":"release-approved","client_payload":{"text":""#, r#""}}"#);
    format!("{start}{}{end}", "+".repeat(length - start.len() - end.len()))
}

async fn a_body_of_64000_bytes_is_relayed_even_when_escapes_make_it_six_times_larger(mode: Mode) {
    let (github, host) = FunctionsHost::with_github(mode).await;
    github.expect_dispatches(1);

    host.click(click_of_bytes(64_000)).await.assert_outcome(200, "dispatched");
}

async fn a_dry_run_asks_nothing_of_github(mode: Mode) {
    let github = GitHub::start().await;
    let host = FunctionsHost::relay(mode, &github).setting("DRY_RUN", "true").start().await;

    host.click(CLICK).await.assert_outcome(200, "dry-run");
}

async fn a_dry_run_needs_no_token(mode: Mode) {
    let github = GitHub::start().await;
    let host =
        FunctionsHost::relay(mode, &github).setting("DRY_RUN", "true").without("GITHUB_TOKEN").start().await;

    host.click(CLICK).await.assert_outcome(200, "dry-run");
}

async fn the_path_matches_whatever_its_case_and_with_a_trailing_slash(mode: Mode) {
    const PATHS: &[&str] =
        &["/api/approverelease", "/API/APPROVERELEASE", "/api/ApproveRelease/", "/Api/approveRelease/"];
    let (github, host) = FunctionsHost::with_github(mode).await;
    github.expect_dispatches(PATHS.len());

    for path in PATHS {
        let request = Request::post(path).header("x-functions-key", host.key()).json(new_click());
        host.send(request).await.assert_outcome(200, "dispatched");
    }
}

async fn an_enterprise_server_is_called_under_its_own_path(mode: Mode) {
    let github = GitHub::start().await;
    github.expect_dispatches(2);

    for base in ["/api/v3", "/api/v3/"] {
        let url = format!("{}{base}", github.url());
        let host = FunctionsHost::relay_to(mode, &url).start().await;
        host.click(CLICK).await.assert_outcome(200, "dispatched");
    }
}

async fn the_repositorys_case_does_not_matter(mode: Mode) {
    let (github, host) = FunctionsHost::with_github(mode).await;
    github.expect_dispatches(1);

    let shouted = host.click_with_query("&repository=OCTO/App").json(CLICK);
    host.send(shouted).await.assert_outcome(200, "dispatched");
}

async fn a_double_click_is_one_dispatch(mode: Mode) {
    let (github, host) = FunctionsHost::with_github(mode).await;
    github.expect_dispatches(1);

    let (one, two) = tokio::join!(host.click(CLICK), host.click(CLICK));
    let (first, second) = if one.json()["outcome"] == "dispatched" { (one, two) } else { (two, one) };

    first.assert_outcome(200, "dispatched");
    second.assert_outcome(200, "already-decided");
    let sentence = host.click(CLICK).await.assert_outcome(200, "already-decided");
    assert!(sentence.contains("octo/app"), "{sentence}");
}

async fn every_cards_click_is_a_dispatch_of_its_own(mode: Mode) {
    let (github, host) = FunctionsHost::with_github(mode).await;
    github.expect_dispatches(2);

    let (one, two) = tokio::join!(host.click(new_click()), host.click(new_click()));

    one.assert_outcome(200, "dispatched");
    two.assert_outcome(200, "dispatched");
}

async fn a_body_of_untold_length_counts_only_where_the_host_hands_it_on(mode: Mode) {
    let (github, host) = FunctionsHost::with_github(mode).await;

    let chunked = host.click_request().json(CLICK).chunked();
    github.expect_dispatches(usize::from(mode == Mode::Proxying));
    let answer = host.send(chunked).await;
    // Legacy forwarding fails by itself.
    let expected = match mode {
        Mode::Payload => (400, Some("invalid")),
        Mode::Forwarding => (500, None),
        Mode::Proxying => (200, Some("dispatched")),
    };
    assert_eq!(answer.status, expected.0);
    if let Some(outcome) = expected.1 {
        answer.assert_outcome(expected.0, outcome);
    }
}
