//! Nothing lost: what GitHub did not take is safe, a click sends it when its time has come, and the timer function
//! looks after the rest.
//!
//! Waits and leases are longer than any test: what happens after them is tested with a clock of its own elsewhere.

use std::time::Duration;

use serde_json::{Value, json};
use wiremock::ResponseTemplate;

use crate::{
    functions_host::{FunctionsHost, Mode},
    github::{GitHub, github_error, permission_refused, rate_limit_used_up, rate_limited},
    handler_process::until,
    http1::{Answer, Request},
    misbehaving::{Misbehaving, Misbehaviour, nobody},
    relay::{CLICK, new_click},
    stores::Store,
};

in_one_mode! {
    when_github_works_again_a_click_delivers
    a_rate_limit_is_waited_for_whoever_clicks
    a_click_after_something_was_mended_delivers
    what_github_cannot_process_is_sent_again_by_a_click_only
    the_timer_finds_nothing_to_do_and_asks_nothing_of_github
    what_is_fresh_or_waits_is_left_alone_by_the_timer
}

in_every_lasting_store! {
    in_a_place_that_is_not_there_yet_there_is_nothing_to_deliver
    what_was_recorded_is_delivered_by_a_click_on_another_handler
    every_attempt_and_its_result_stays_on_record
    a_dead_letter_waits_for_a_click
    what_a_killed_handler_was_sending_is_not_sent_twice
}

async fn when_github_works_again_a_click_delivers(mode: Mode) {
    let (github, host) = FunctionsHost::with_github(mode).await;
    github.expect_dispatches(2);

    github.answer_with(github_error(503, "Server Error"));
    host.click(CLICK).await.assert_outcome(200, "recorded");
    github.answer_as_github();
    host.click(CLICK).await.assert_outcome(200, "dispatched");
    host.click(CLICK).await.assert_outcome(200, "already-decided");
}

async fn a_rate_limit_is_waited_for_whoever_clicks(mode: Mode) {
    let (github, host) = FunctionsHost::with_github(mode).await;
    let retry_after = |seconds: &str| rate_limited(429).insert_header("retry-after", seconds);

    for (count, limit) in [retry_after("600"), rate_limited(403), rate_limit_used_up(403)].iter().enumerate()
    {
        let click = new_click();
        github.expect_dispatches(count + 1);
        github.answer_with(limit.clone());
        host.click(click.clone()).await.assert_outcome(200, "recorded");
        github.answer_as_github();
        let sentence = host.click(click).await.assert_outcome(200, "already-decided");
        assert!(sentence.contains("on its way"), "{sentence}");
    }
}

async fn a_click_after_something_was_mended_delivers(mode: Mode) {
    let (github, host) = FunctionsHost::with_github(mode).await;
    let refusals = [
        github_error(401, "Bad credentials"),
        permission_refused("contents=write"),
        github_error(404, "Not Found"),
        github_error(301, "Moved Permanently"),
        github_error(410, "Gone"),
    ];

    for (count, refusal) in refusals.into_iter().enumerate() {
        let click = new_click();
        github.expect_dispatches(2 * count + 3);
        github.answer_with(refusal.clone());
        host.click(click.clone()).await.assert_outcome(424, "refused");
        host.click(click.clone()).await.assert_outcome(424, "refused");
        github.answer_as_github();
        host.click(click.clone()).await.assert_outcome(200, "dispatched");
        github.expect_dispatches(3 * (count + 1));
        host.click(click).await.assert_outcome(200, "already-decided");
    }
}

async fn what_github_cannot_process_is_sent_again_by_a_click_only(mode: Mode) {
    let (github, host) = FunctionsHost::with_github(mode).await;
    github.expect_dispatches(3);

    github.answer_with(github_error(422, "No more than 10 properties are allowed"));
    host.click(CLICK).await.assert_outcome(424, "refused");
    assert_eq!(host.fire_timer("Deliver").await, Ok(Vec::new()));
    host.click(CLICK).await.assert_outcome(424, "refused");
    github.answer_as_github();
    host.click(CLICK).await.assert_outcome(200, "dispatched");
    host.click(CLICK).await.assert_outcome(200, "already-decided");
}

async fn the_timer_finds_nothing_to_do_and_asks_nothing_of_github(mode: Mode) {
    let (github, host) = FunctionsHost::with_github(mode).await;

    assert_eq!(host.fire_timer("Deliver").await, Ok(Vec::new()));

    github.expect_dispatches(1);
    host.click(CLICK).await.assert_outcome(200, "dispatched");
    assert_eq!(host.fire_timer("Deliver").await, Ok(Vec::new()));
}

async fn what_is_fresh_or_waits_is_left_alone_by_the_timer(mode: Mode) {
    let (github, host) = FunctionsHost::with_github(mode).await;
    github.expect_dispatches(1);

    github.answer_with(github_error(503, "Server Error"));
    host.click(CLICK).await.assert_outcome(200, "recorded");
    github.answer_as_github();

    assert_eq!(host.fire_timer("Deliver").await, Ok(Vec::new()));
}

async fn in_a_place_that_is_not_there_yet_there_is_nothing_to_deliver(store: Store) {
    let github = GitHub::start().await;
    let host = FunctionsHost::relay(Mode::Payload, &github).store(&store).start().await;

    assert_eq!(host.fire_timer("Deliver").await, Ok(Vec::new()));
}

async fn what_was_recorded_is_delivered_by_a_click_on_another_handler(store: Store) {
    let github = GitHub::start().await;
    let unreachable = FunctionsHost::relay_to(Mode::Payload, &nobody()).store(&store).start().await;
    unreachable.click(CLICK).await.assert_outcome(200, "recorded");
    drop(unreachable);

    github.expect_dispatches(1);
    let host = FunctionsHost::relay(Mode::Payload, &github).store(&store).start().await;
    host.click(CLICK).await.assert_outcome(200, "dispatched");
}

async fn every_attempt_and_its_result_stays_on_record(store: Store) {
    let github = GitHub::start().await;
    github.expect_dispatches(3);
    let host = FunctionsHost::relay(Mode::Payload, &github).store(&store).start().await;

    github.answer_with(github_error(503, "Unicorn!"));
    host.click(CLICK).await.assert_outcome(200, "recorded");
    assert!(
        store.objects().await.iter().any(|path| path.starts_with("pending/relayed.")),
        "it is in the index"
    );
    github.answer_with(github_error(401, "Bad credentials"));
    host.click(CLICK).await.assert_outcome(424, "refused");
    github.answer_as_github();
    host.click(CLICK).await.assert_outcome(200, "dispatched");

    let objects = store.objects().await;
    let names: Vec<_> =
        objects.iter().filter_map(|path| path.strip_prefix("relayed/")?.rsplit('/').next()).collect();
    let expected = [
        "decision",
        "dispatch.000001.result",
        "dispatch.000002.attempt",
        "dispatch.000002.result",
        "dispatch.000003.attempt",
        "dispatch.done",
    ];
    assert_eq!(names, expected);
    for (number, words) in [(1, "GitHub answered 503: Unicorn!"), (2, "GitHub answered 401: Bad credentials")]
    {
        let result = store.read(&store.object_that_ends_in(&format!("{number:06}.result")).await).await;
        assert!(result.contains(words), "{words} in {result}");
    }
}

async fn a_dead_letter_waits_for_a_click(store: Store) {
    let github = GitHub::start().await;
    github.expect_dispatches(2);
    let host = FunctionsHost::relay(Mode::Payload, &github)
        .setting("DELIVER_FOR_HOURS", "0")
        .store(&store)
        .start()
        .await;

    github.answer_with(github_error(503, "Server Error"));
    let sentence = host.click(CLICK).await.assert_outcome(424, "refused");
    assert!(sentence.contains("Click again"), "{sentence}");
    // The index is cleared beside the answer; a dead letter is not looked at again.
    let is_waiting = |path: &String| path.starts_with("pending/");
    until("the index is clear", async || !store.objects().await.iter().any(is_waiting)).await;
    github.answer_as_github();
    assert_eq!(host.fire_timer("Deliver").await, Ok(Vec::new()));

    host.click(CLICK).await.assert_outcome(200, "dispatched");
    host.click(CLICK).await.assert_outcome(200, "already-decided");
}

async fn what_a_killed_handler_was_sending_is_not_sent_twice(store: Store) {
    let github = GitHub::start().await;
    github.answer_with(ResponseTemplate::new(204).set_delay(Duration::from_secs(60)));
    github.expect_dispatches(1);
    let builder = || FunctionsHost::relay(Mode::Payload, &github).store(&store);
    let killed = builder().start().await;
    let (click, port) = (killed.click_request().json(CLICK), killed.port());
    let click = tokio::spawn(async move { click.try_send(port).await });
    github.until_asked().await;
    drop(killed);
    click.abort();

    // It may have arrived: the right to send it again comes with the end of the lease.
    github.answer_as_github();
    let host = builder().start().await;
    for _ in 0..2 {
        let sentence = host.click(CLICK).await.assert_outcome(200, "already-decided");
        assert!(sentence.contains("on its way"), "{sentence}");
    }
    assert_eq!(host.fire_timer("Deliver").await, Ok(Vec::new()));
}

#[tokio::test]
async fn a_click_says_already_decided_while_another_is_being_sent() {
    let stall = Misbehaving::start(Misbehaviour::Stall).await;
    let host = FunctionsHost::relay_to(Mode::Payload, &stall.url()).start().await;

    let (first, second) = tokio::join!(host.click(CLICK), async {
        stall.until_asked().await;
        host.click(CLICK).await
    });

    first.assert_outcome(200, "recorded");
    second.assert_outcome(200, "already-decided");
    assert_eq!(stall.requests(), 1);
}

/// The timer's payload, sent past the host as any text.
async fn invoke_deliver(host: &FunctionsHost, payload: impl Into<Vec<u8>>) -> Answer {
    host.send_to_handler(Request::post("/Deliver").json(payload).chunked()).await
}

#[tokio::test]
async fn the_timer_is_answered_without_outputs_whatever_it_says() {
    let github = GitHub::start().await;
    let host = FunctionsHost::relay(Mode::Payload, &github).start().await;
    let deep = "[".repeat(200_000);
    let payloads = [
        r#"{"Data":{"timer":{"IsPastDue":true}},"Metadata":{}}"#,
        r#"{"Data":{}}"#,
        r#"{"Data":{"req":{"Method":"GET"}}}"#,
        "{",
        "null",
        "",
        "\u{0}",
        &deep,
    ];

    for payload in payloads {
        let answer = invoke_deliver(&host, payload).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.header("Content-Type"), Some("application/json"));
        assert_eq!(answer.json(), json!({"Outputs": {}, "Logs": [], "ReturnValue": Value::Null}));
    }
}

#[tokio::test]
async fn nobody_but_the_host_runs_the_timer_function() {
    let github = GitHub::start().await;
    let host = FunctionsHost::relay(Mode::Payload, &github).start().await;
    let by_a_page = Request::post("/Deliver").json("{}").header("Origin", "https://evil.example");
    let requests = [
        (405, Request::get("/Deliver")),
        (405, Request::new("PUT", "/Deliver").json("{}")),
        (403, by_a_page),
        (403, Request::post("/Deliver").json("{}").header("Sec-Fetch-Site", "cross-site")),
        (404, Request::post("/deliver").json("{}")),
        (404, Request::post("/Deliver/").json("{}")),
        (404, Request::post("/api/Deliver").json("{}")),
        (404, Request::post("/api/deliver/").json("{}")),
    ];

    for (status, request) in requests {
        let answer = host.send_to_handler(request.clone()).await;
        assert_eq!(answer.status, status, "{request}: {}", answer.text());
        answer.assert_card_sentence();
    }
    let from_outside = Request::post(&format!("/api/Deliver?code={}", host.key())).json("{}");
    assert_eq!(host.send(from_outside).await.status, 404);
}
