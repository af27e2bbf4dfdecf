//! The stand-ins keep their own promises: what the host refuses, the handler never sees, and a test that brings on
//! traffic or leaks that nobody announced fails.

use crate::{
    authority::{Authority, TENANT},
    connector::BotConnector,
    functions_host::{FunctionsHost, Mode},
    github::GitHub,
    http1::Request,
    relay::CLICK,
    token_desk::TokenDesk,
};

in_every_mode! {
    without_the_function_key_the_host_answers_401
    an_unknown_route_or_method_is_404
    a_handler_that_has_died_is_a_failure_and_no_click
}

async fn without_the_function_key_the_host_answers_401(mode: Mode) {
    let github = GitHub::start().await;
    let host = FunctionsHost::relay(mode, &github).start().await;

    for target in ["/api/ApproveRelease", "/api/ApproveRelease?code=", "/api/ApproveRelease?code=wrong"] {
        let answer = host.send(Request::post(target).json(CLICK)).await;
        assert_eq!((answer.status, answer.text().as_str()), (401, ""), "{target}");
    }
    assert!(host.invocations().is_empty());
}

async fn an_unknown_route_or_method_is_404(mode: Mode) {
    let github = GitHub::start().await;
    let host = FunctionsHost::relay(mode, &github).start().await;
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

async fn a_handler_that_has_died_is_a_failure_and_no_click(mode: Mode) {
    let github = GitHub::start().await;
    let mut host = FunctionsHost::relay(mode, &github).start().await;
    host.terminate();
    host.until_exit().await;

    let answer = host.click_request().json(CLICK).try_send(host.port()).await;

    match mode {
        Mode::Payload => {
            assert_eq!(answer.expect("the host answers").status, 500);
            assert_eq!(host.invocation_failures().len(), 1);
        }
        Mode::Forwarding => assert_eq!(answer.expect("the host answers").status, 502),
        Mode::Proxying => assert!(answer.is_err(), "nothing comes through"),
    }
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
