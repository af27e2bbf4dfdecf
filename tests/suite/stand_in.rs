//! The stand-ins keep their own promises: what the host refuses, the handler never sees, and a test that brings on
//! traffic or leaks that nobody announced fails.

use std::{fs, os::unix::fs::PermissionsExt};

use serde_json::Value;
use tempfile::TempDir;

use crate::{
    authority::{Authority, TENANT},
    connector::BotConnector,
    functions_host::{FunctionsHost, Mode},
    github::GitHub,
    http1::Request,
    relay::{CLICK, new_click},
    token_desk::TokenDesk,
};

in_every_mode! {
    without_the_function_key_the_host_answers_401
    an_unknown_route_or_method_is_404
    a_handler_that_was_killed_is_started_again_and_at_the_third_time_the_host_stops
}

async fn without_the_function_key_the_host_answers_401(mode: Mode) {
    let (github, host) = FunctionsHost::with_github(mode).await;
    let key = host.key();

    let (good, wrong_first) = (format!("/api/ApproveRelease?code={key}"), format!("?code=wrong&code={key}"));
    let requests = [
        Request::post("/api/ApproveRelease"),
        Request::post("/api/ApproveRelease?code="),
        Request::post("/api/ApproveRelease?code=wrong"),
        Request::post(&format!("/api/ApproveRelease{wrong_first}")),
        Request::post(&good).header("x-functions-key", "wrong"),
        Request::post(&good).header("x-functions-key", ""),
    ];
    for request in requests {
        let answer = host.send(request.json(CLICK)).await;
        assert_eq!((answer.status, answer.text().as_str()), (401, ""));
    }
    assert!(host.invocations().is_empty());

    github.expect_dispatches(2);
    let by_header = Request::post("/api/ApproveRelease?code=wrong").header("x-functions-key", key);
    host.send(by_header.json(new_click())).await.assert_outcome(200, "dispatched");
    let twice = Request::post(&format!("{good}&code=wrong")).json(new_click());
    host.send(twice).await.assert_outcome(200, "dispatched");
}

async fn an_unknown_route_or_method_is_404(mode: Mode) {
    let (_github, host) = FunctionsHost::with_github(mode).await;
    let code = format!("?code={}", host.key());

    let requests = [
        Request::get(&format!("/api/ApproveRelease{code}")),
        Request::post(&format!("/api/Nope{code}")).json(CLICK),
        Request::post(&format!("/ApproveRelease{code}")).json(CLICK),
        Request::post(&format!("/api/ApproveRelease/42{code}")).json(CLICK),
    ];
    for request in requests {
        assert_eq!(host.send(request.clone()).await.status, 404, "{request}");
    }
    assert!(host.invocations().is_empty());
}

async fn a_handler_that_was_killed_is_started_again_and_at_the_third_time_the_host_stops(mode: Mode) {
    let github = GitHub::start().await;
    github.expect_dispatches(2);
    let mut host = FunctionsHost::relay(mode, &github).start().await;

    for _ in 0..2 {
        host.kill();
        host.until_exit().await;
        host.click(new_click()).await.assert_outcome(200, "dispatched");
    }
    host.kill();
    host.until_exit().await;
    let answer = host.click_request().json(CLICK).try_send(host.port()).await;
    assert!(answer.is_err(), "nobody answers");
}

/// A handler that tells what it saw, and exits with the code that it is asked for.
const ECHO: &str = r#"#!/usr/bin/env node
require("node:http").createServer((request, response) => {
    let body = "";
    request.on("data", (chunk) => body += chunk).on("end", () => {
        const exit = /exit=(\d+)/.exec(request.url + body);
        if (exit) process.exit(Number(exit[1]));
        const seen = JSON.stringify({ url: request.url, headers: request.rawHeaders, body });
        response.setHeader("Content-Type", "application/json");
        const outputs = { res: { statusCode: "200", body: seen } };
        response.end(request.url.startsWith("/Echo") ? JSON.stringify({ Outputs: outputs }) : seen);
    });
}).listen(process.env.FUNCTIONS_CUSTOMHANDLER_PORT, "127.0.0.1");
"#;

/// An app of one function that anybody may call.
async fn echo(mode: Mode) -> (FunctionsHost, TempDir) {
    let app = tempfile::tempdir().expect("a temporary folder");
    let write = |path: &str, text: &str| fs::write(app.path().join(path), text).expect("written");
    fs::create_dir(app.path().join("Echo")).expect("made");
    write("host.json", r#"{"customHandler":{"description":{"defaultExecutablePath":"echo"}}}"#);
    let bindings = r#"{"bindings":[
        {"type":"httpTrigger","direction":"in","name":"req","authLevel":"anonymous"},
        {"type":"http","direction":"out","name":"res"}]}"#;
    write("Echo/function.json", bindings);
    write("echo", ECHO);
    fs::set_permissions(app.path().join("echo"), fs::Permissions::from_mode(0o755)).expect("allowed");
    let path = std::env::var_os("PATH").expect("a PATH").into_string().expect("UTF-8");
    let host = FunctionsHost::builder(mode).app_root(app.path()).setting("PATH", &path).start().await;
    (host, app)
}

/// The headers of this name that a handler saw.
fn seen_headers(seen: &Value, name: &str) -> Vec<String> {
    let headers = seen["headers"].as_array().expect("names and values");
    let pairs = headers.chunks(2).map(|pair| (pair[0].as_str().unwrap(), pair[1].as_str().unwrap()));
    pairs.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned()).collect()
}

/// Makes the handler exit with this code, in the middle of a request.
async fn exit(host: &mut FunctionsHost, code: u8) {
    let answer = Request::get(&format!("/api/Echo?exit={code}")).try_send(host.port()).await;
    // Proxying breaks off.
    assert!(answer.is_err() || answer.is_ok_and(|answer| answer.status == 500));
    host.until_exit().await;
}

#[tokio::test]
async fn an_exit_with_200_is_no_fault_one_with_0_is_the_end_and_others_are_counted() {
    let (mut host, _app) = echo(Mode::Payload).await;
    for code in [200, 200, 200, 3, 200, 3] {
        exit(&mut host, code).await;
        assert_eq!(Request::get("/api/Echo").send(host.port()).await.status, 200, "after {code}");
    }
    exit(&mut host, 3).await;
    Request::get("/api/Echo").try_send(host.port()).await.expect_err("the host has stopped");

    for mode in [Mode::Payload, Mode::Forwarding, Mode::Proxying] {
        let (mut host, _app) = echo(mode).await;
        exit(&mut host, 0).await;
        for _ in 0..3 {
            let answer = Request::get("/api/Echo").send(host.port()).await;
            assert_eq!((answer.status, answer.text().as_str()), (500, ""), "{mode:?}");
        }
    }
}

#[tokio::test]
async fn a_payload_comes_in_chunks_and_a_kept_connection() {
    let (host, _app) = echo(Mode::Payload).await;
    let sent = Request::post("/api/Echo?a=1").json("{}").header("X-Azure-Functions-InvocationId", "theirs");
    let seen = sent.send(host.port()).await.json();

    assert_eq!(seen["url"], "/Echo");
    assert_eq!(seen_headers(&seen, "Content-Type"), ["application/json; charset=utf-8"]);
    assert_eq!(seen_headers(&seen, "Transfer-Encoding"), ["chunked"]);
    assert_eq!(seen_headers(&seen, "Connection"), [""; 0]);
    assert_eq!(seen_headers(&seen, "X-Azure-Functions-InvocationId"), host.invocations());
    let payload: Value = serde_json::from_str(seen["body"].as_str().expect("a text")).expect("JSON");
    assert_eq!(payload["Data"]["req"]["Body"], "{}");
    assert_eq!(payload["Metadata"]["a"], r#""1""#);
}

#[tokio::test]
async fn legacy_forwarding_rebuilds_the_request_and_loses_some_of_it() {
    let (host, _app) = echo(Mode::Forwarding).await;
    let sent = (Request::post("/api/Echo?b=1&a=%2f&B=2").json("{}"))
        .header("X-Azure-Functions-InvocationId", "theirs")
        .header("User-Agent", "Outlook")
        .header("Content-Encoding", "identity")
        .header("Content-Language", "de");
    let seen = sent.clone().send(host.port()).await.json();

    assert_eq!((&seen["url"], &seen["body"]), (&"/api/Echo?b=1%2C2&a=%2F".into(), &"{}".into()));
    let invocation = &host.invocations()[0];
    assert_eq!(seen_headers(&seen, "X-Azure-Functions-InvocationId"), [format!("theirs, {invocation}")]);
    assert_eq!(seen_headers(&seen, "User-Agent"), ["Outlook Azure-Functions-Host/4.1037.0.0"]);
    for lost in ["Content-Encoding", "Content-Language"] {
        assert_eq!(seen_headers(&seen, lost), [""; 0], "{lost}");
    }
    assert_eq!(sent.chunked().send(host.port()).await.status, 500);
}

#[tokio::test]
async fn proxying_changes_the_hosts_own_headers_alone() {
    let (host, _app) = echo(Mode::Proxying).await;
    let sent = (Request::post("/api/Echo?b=1&a=%2f&B=2").json("{}"))
        .header("X-Azure-Functions-InvocationId", "theirs")
        .header("User-Agent", "Outlook")
        .header("Content-Language", "de")
        .chunked();
    let seen = sent.send(host.port()).await.json();

    assert_eq!((&seen["url"], &seen["body"]), (&"/api/Echo?b=1&a=%2f&B=2".into(), &"{}".into()));
    for name in ["X-Azure-Functions-InvocationId", "x-ms-invocation-id"] {
        assert_eq!(seen_headers(&seen, name), host.invocations(), "{name}");
    }
    assert_eq!(seen_headers(&seen, "User-Agent"), ["Outlook"]);
    assert_eq!(seen_headers(&seen, "Content-Language"), ["de"]);
}

#[tokio::test]
#[should_panic(expected = "dispatches: ")]
async fn a_dispatch_that_nobody_announced_fails_the_test() {
    let github = GitHub::start().await;
    let host = FunctionsHost::relay(Mode::Payload, &github).start().await;

    host.click(CLICK).await;
}

#[tokio::test]
#[should_panic(expected = "refused: ")]
async fn a_request_that_is_no_dispatch_fails_the_test() {
    let github = GitHub::start().await;

    Request::get("/user").send(port_of(&github.url())).await;
}

#[tokio::test]
#[should_panic(expected = "refused: ")]
async fn a_call_to_teams_without_a_token_of_the_bot_fails_the_test() {
    let connector = BotConnector::start(&TokenDesk::default()).await;

    let call = Request::post("/teams/v3/conversations").header("Authorization", "Bearer other");
    assert_eq!(call.json("{}").send(port_of(&connector.url())).await.status, 401);
}

#[tokio::test]
#[should_panic(expected = "no token for: ")]
async fn a_wrong_request_for_a_token_fails_the_test() {
    let authority = Authority::start().await;

    let request = Request::post(&format!("/{TENANT}/oauth2/v2.0/token")).form("grant_type=password");
    assert_eq!(request.send(port_of(&authority.url())).await.status, 400);
}

fn port_of(url: &str) -> u16 {
    url.rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port")
}

#[tokio::test]
#[should_panic(expected = "a secret got out")]
async fn a_secret_in_an_answer_fails_the_test() {
    let github = GitHub::start().await;
    let host = FunctionsHost::relay(Mode::Payload, &github).setting("RELAY_EVENT_TYPES", "*").start().await;
    github.expect_dispatches(1);

    // The sentence names the event type.
    host.click(format!(r#"{{"event_type":"{}","client_payload":{{}}}}"#, host.key())).await;
}
