//! One line per click, where an operator finds it, with the ids that tie it together and nothing that must not be seen.

use serde_json::json;

use crate::{
    functions_host::{FunctionsHost, Mode, payload_to_json},
    github::GitHub,
    http1::Request,
    protocol::payload_of,
    relay::CLICK,
};

in_every_mode! {
    a_click_leaves_one_line_with_its_ids
    a_refused_click_leaves_a_line_too
    no_secret_and_no_body_is_in_a_line
    long_ids_are_cut
}

/// The lines that belong to clicks: in payload mode those of the invocation, else those on stderr.
async fn click_line(host: &FunctionsHost, mode: Mode, needle: &str) -> String {
    let on_stderr = host.stderr_line(needle).await;
    if mode != Mode::Payload {
        return on_stderr;
    }
    let logs = host.logs();
    let [line] = logs.as_slice() else { panic!("one line, not {logs:?}") };
    assert!(on_stderr.contains(line), "stderr says the same: {on_stderr} / {line}");
    line.clone()
}

async fn a_click_leaves_one_line_with_its_ids(mode: Mode) {
    let (github, host) = FunctionsHost::with_github(mode).await;
    github.expect_dispatches(1);

    let click = (host.click_request().json(CLICK))
        .header("Card-Correlation-Id", "card-1f3c")
        .header("Action-Request-Id", "action-77aa");
    host.send(click).await.assert_outcome(200, "dispatched");

    let line = click_line(&host, mode, "card-1f3c").await;
    let invocation = host.invocations().remove(0);
    for part in ["card-1f3c", "action-77aa", &invocation, "octo/app", "dispatched"] {
        assert!(line.contains(part), "{part} in: {line}");
    }
    assert_eq!(host.stderr().matches("card-1f3c").count(), 1, "{}", host.stderr());
}

async fn a_refused_click_leaves_a_line_too(mode: Mode) {
    let (_github, host) = FunctionsHost::with_github(mode).await;

    let click = host.click_request().json("release it").header("Card-Correlation-Id", "card-1f3c");
    host.send(click).await.assert_outcome(400, "invalid");

    let line = click_line(&host, mode, "card-1f3c").await;
    assert!(line.contains("invalid"), "{line}");
    assert!(line.contains(&host.invocations()[0]), "{line}");
}

// T32
async fn no_secret_and_no_body_is_in_a_line(mode: Mode) {
    let github = GitHub::start().await;
    github.expect_dispatches(1);
    // At the loudest, of our own lines and of every library's.
    let host = FunctionsHost::relay(mode, &github).setting("RUST_LOG", "trace").start().await;

    let body =
        r#"{"event_type":"release-approved","client_payload":{"who":"alex@contoso.com","n":"a-body-value"}}"#;
    let click = || {
        (host.click_request().json(body))
            .header("x-functions-key", host.key())
            .header("Card-Correlation-Id", "card-1f3c")
    };
    host.send(click().header("Authorization", "Bearer aTokenOfMicrosoft"))
        .await
        .assert_outcome(401, "unauthenticated");
    host.send(click()).await.assert_outcome(200, "dispatched");

    host.stderr_line("card-1f3c").await;
    let written = host.written();
    for secret in [host.key(), crate::github::TOKEN, "aTokenOfMicrosoft", "alex@contoso.com", "a-body-value"]
    {
        assert!(!written.contains(secret), "{secret} in: {written}");
    }
}

async fn long_ids_are_cut(mode: Mode) {
    let (github, host) = FunctionsHost::with_github(mode).await;
    github.expect_dispatches(1);

    let click = (host.click_request().json(CLICK))
        .header("Card-Correlation-Id", &format!("card-{}", "x".repeat(10_000)))
        .header("Action-Request-Id", &"y".repeat(10_000));
    host.send(click).await.assert_outcome(200, "dispatched");

    let line = click_line(&host, mode, "card-xxx").await;
    assert!(line.len() < 1_000, "{} characters", line.len());
}

#[tokio::test]
async fn hostile_text_cannot_forge_a_line() {
    let github = GitHub::start().await;
    github.expect_dispatches(1);
    let host = FunctionsHost::relay(Mode::Payload, &github).start().await;
    // No HTTP host lets these through; anyone who reaches the handler's port does not need one.
    let mut payload = payload_of(CLICK);
    payload["Data"]["req"]["Headers"] = json!({
        "Content-Type": ["application/json"],
        "Card-Correlation-Id": ["card-1f3c\r\n[INFO] forged line\u{2028}\u{85}\u{1b}[31mred\u{202e}\u{0}\u{7f}"],
        "Action-Request-Id": ["a\nb", "c"],
    });

    let request = Request::post("/ApproveRelease").json(payload_to_json(&payload)).chunked();
    let request = request.header("X-Azure-Functions-InvocationId", "id\u{9f}\u{2028}forged");
    let answer = host.send_to_handler(request).await;

    assert_eq!(answer.status, 200, "{}", answer.text());
    let answer = answer.json();
    let line = answer["Logs"][0].as_str().expect("a line");
    assert!(line.contains("card-1f3c"), "{line}");
    assert!(line.bytes().all(|byte| (0x20..0x7f).contains(&byte)), "escaped: {line:?}");
    host.stderr_line("card-1f3c").await;
    let forged = host.stderr().lines().any(|line| line.starts_with("[INFO] forged"));
    assert!(!forged, "{}", host.stderr());
}

#[tokio::test]
async fn a_hostile_event_type_cannot_forge_a_line() {
    let github = GitHub::start().await;
    github.expect_dispatches(1);
    let host = FunctionsHost::relay(Mode::Payload, &github).setting("RELAY_EVENT_TYPES", "*").start().await;

    host.click(r#"{"event_type":"a\r\n[INFO] forged \u001b[31m\u202e","client_payload":{}}"#)
        .await
        .assert_outcome(200, "dispatched");

    let logs = host.logs();
    assert!(logs[0].bytes().all(|byte| (0x20..0x7f).contains(&byte)), "escaped: {logs:?}");
}

#[tokio::test]
async fn what_is_no_error_is_not_on_stderr() {
    let github = GitHub::start().await;
    github.expect_dispatches(1);
    let host = FunctionsHost::relay(Mode::Payload, &github).start().await;

    let click = |id: &str| host.click_request().header("Card-Correlation-Id", id);
    host.send(click("card-good").json(CLICK)).await.assert_outcome(200, "dispatched");
    host.send(click("card-bad").json("release it")).await.assert_outcome(400, "invalid");

    let [good, bad] = [host.stderr_line("card-good").await, host.stderr_line("card-bad").await];
    let warned = host.stderr_line("STORE_URL is memory").await;
    let errors = host.errors();
    assert!(good.contains(" INFO ") && !errors.contains(&good), "{good} in: {errors}");
    assert!(bad.contains(" WARN ") && errors.contains(&bad), "{bad} in: {errors}");
    assert!(warned.contains(" WARN ") && errors.contains(&warned), "{warned} in: {errors}");
}

#[tokio::test]
async fn what_is_written_to_find_a_fault_is_no_error_either() {
    let github = GitHub::start().await;
    github.expect_dispatches(1);
    let host = FunctionsHost::relay(Mode::Payload, &github).setting("RUST_LOG", "trace").start().await;

    host.click(CLICK).await.assert_outcome(200, "dispatched");

    host.stderr_line("dispatched: ").await;
    let loud = |text: &str| [" TRACE ", " DEBUG ", " INFO "].iter().any(|level| text.contains(level));
    assert!(loud(&host.stderr()) && !loud(&host.errors()), "{}", host.errors());
}
