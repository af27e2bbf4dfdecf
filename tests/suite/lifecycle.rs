//! How the process starts, refuses to start, and stops.

use std::time::Duration;

use tokio::net::TcpStream;
use wiremock::ResponseTemplate;

use crate::{
    functions_host::{FunctionsHost, Mode},
    github::{GitHub, TOKEN},
    http1::Request,
    relay::CLICK,
};

in_every_mode! {
    an_answer_in_flight_is_finished_after_sigterm
    several_handlers_stand_side_by_side
}

async fn an_answer_in_flight_is_finished_after_sigterm(mode: Mode) {
    let github = GitHub::start().await;
    github.answer_with(ResponseTemplate::new(204).set_delay(Duration::from_millis(1500)));
    github.expect_dispatches(1);
    let mut host = FunctionsHost::relay(mode, &github).start().await;

    let (answer, ()) = tokio::join!(host.click(CLICK), async {
        github.until_asked().await;
        host.terminate();
    });

    answer.assert_outcome(200, "dispatched");
    assert!(host.until_exit().await.success());
}

async fn several_handlers_stand_side_by_side(mode: Mode) {
    let github = GitHub::start().await;
    github.expect_dispatches(2);
    let one = FunctionsHost::relay(mode, &github).start().await;
    let two = FunctionsHost::relay(mode, &github).start().await;
    assert_ne!((one.pid(), one.port()), (two.pid(), two.port()));

    let (first, second) = tokio::join!(one.click(CLICK), two.click(CLICK));

    first.assert_outcome(200, "dispatched");
    second.assert_outcome(200, "dispatched");
}

#[tokio::test]
async fn readiness_is_answered_while_a_click_waits_for_github() {
    let github = GitHub::start().await;
    github.answer_with(ResponseTemplate::new(204).set_delay(Duration::from_millis(1500)));
    github.expect_dispatches(1);
    let host = FunctionsHost::relay(Mode::Payload, &github).start().await;

    let mut click = std::pin::pin!(host.click(CLICK));
    let ready = async {
        github.until_asked().await;
        host.send_to_handler(Request::get("/")).await
    };
    tokio::select! {
        _ = &mut click => panic!("readiness waited for the click"),
        answer = ready => assert_eq!(answer.status, 200),
    }
    click.await.assert_outcome(200, "dispatched");
}

#[tokio::test]
async fn an_idle_handler_stops_at_once_on_sigterm() {
    let github = GitHub::start().await;
    let mut host = FunctionsHost::relay(Mode::Payload, &github).start().await;
    // An idle connection must not hold it back.
    let _idle = TcpStream::connect(("127.0.0.1", host.handler_port())).await.expect("connected");

    host.terminate();

    let exit = tokio::time::timeout(Duration::from_secs(5), host.until_exit()).await.expect("stopped soon");
    assert!(exit.success());
}

#[tokio::test]
async fn settings_that_are_needed_by_no_start_may_be_missing() {
    let host = FunctionsHost::builder(Mode::Payload).start().await;

    assert!(host.invocation_failures().is_empty());
}

#[tokio::test]
async fn all_unusable_settings_are_named_together_and_the_process_exits() {
    const UNUSABLE: &[(&str, &str)] = &[
        ("GITHUB_API_URL", "ftp://ghe.example"),
        ("GITHUB_REPOSITORY", "octo"),
        ("ALLOWED_REPOSITORIES", "octo/app, */app"),
        ("DRY_RUN", "perhaps"),
        ("PUBLIC_URL", "not a url"),
        ("GITHUB_TOKEN", "two\nlines-of-a-secret"),
    ];
    let unusable = UNUSABLE
        .iter()
        .fold(FunctionsHost::builder(Mode::Payload), |builder, (name, value)| builder.setting(name, value));

    let (status, output) = unusable.run_to_exit().await;

    assert!(!status.success(), "{output}");
    for (name, _) in UNUSABLE {
        assert!(output.contains(name), "{name} in: {output}");
    }
    assert!(!output.contains("lines-of-a-secret"), "{output}");
}

#[tokio::test]
async fn an_unusable_setting_alone_is_named_alone() {
    const UNUSABLE: &[(&str, &str)] = &[
        ("GITHUB_API_URL", "http://ghe.example/api/v3"),
        ("GITHUB_API_URL", "https://user:password@ghe.example"),
        ("GITHUB_REPOSITORY", "octo/app/x"),
        ("ALLOWED_REPOSITORIES", "*"),
        ("ALLOWED_REPOSITORIES", "octo/a*"),
        ("DRY_RUN", "yes please"),
        ("PUBLIC_URL", "http://releases.example"),
    ];
    let github = GitHub::start().await;
    for (name, value) in UNUSABLE {
        println!("{name}={value}");
        let (status, output) =
            FunctionsHost::relay(Mode::Payload, &github).setting(name, value).run_to_exit().await;
        assert!(!status.success(), "{output}");
        assert!(output.contains(name), "{output}");
        assert!(!output.contains("GITHUB_TOKEN") && !output.contains(TOKEN), "{output}");
    }
}
