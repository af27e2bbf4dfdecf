//! The process starts, refuses to start, and stops.

use std::{fs, time::Duration};

use approve_release::config::Config;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
};
use wiremock::ResponseTemplate;

use crate::{
    azurite::{ACCOUNT, ACCOUNT_KEY},
    functions_host::{FunctionsHost, Mode},
    github::{GitHub, TOKEN},
    http1::Request,
    relay::{CLICK, new_click},
    stores::Store,
};

/// With this code the host starts a handler again, and does not count it as a fault.
const START_AGAIN: i32 = 200;

in_every_mode! {
    an_answer_in_flight_is_finished_after_sigterm
}

in_one_mode! {
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
    assert_eq!(host.until_exit().await.code(), Some(START_AGAIN));
}

async fn several_handlers_stand_side_by_side(mode: Mode) {
    let github = GitHub::start().await;
    github.expect_dispatches(2);
    let one = FunctionsHost::relay(mode, &github).start().await;
    let two = FunctionsHost::relay(mode, &github).start().await;
    assert_ne!((one.pid(), one.port()), (two.pid(), two.port()));

    let (first, second) = tokio::join!(one.click(new_click()), two.click(new_click()));

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
    assert_eq!(exit.code(), Some(START_AGAIN));
}

#[tokio::test]
async fn a_person_who_interrupts_a_host_does_not_want_the_handler_again() {
    let github = GitHub::start().await;
    let mut host = FunctionsHost::relay(Mode::Payload, &github).start().await;

    host.signal("-INT");

    assert_eq!(host.until_exit().await.code(), Some(0));
}

#[tokio::test]
async fn a_connection_that_was_idle_for_longer_than_libraries_keep_one_still_serves() {
    let github = GitHub::start().await;
    let host = FunctionsHost::relay(Mode::Payload, &github).start().await;
    let mut used = TcpStream::connect(("127.0.0.1", host.handler_port())).await.expect("connected");
    let mut in_reserve = TcpStream::connect(("127.0.0.1", host.handler_port())).await.expect("connected");

    assert_eq!(status_line(&mut used).await, "HTTP/1.1 200 OK");
    // Actix closes idle connections after 5 s unless told otherwise; the host keeps its own for 60 s.
    tokio::time::sleep(Duration::from_secs(6)).await;

    assert_eq!(status_line(&mut used).await, "HTTP/1.1 200 OK");
    assert_eq!(status_line(&mut in_reserve).await, "HTTP/1.1 200 OK");
}

/// Asks for `/` on a connection that stays open, and gives the first line of the answer.
async fn status_line(connection: &mut TcpStream) -> String {
    connection.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await.expect("sent");
    // The body is one JSON object without others in it.
    let mut answer = Vec::new();
    BufReader::new(connection).read_until(b'}', &mut answer).await.expect("an answer");
    String::from_utf8_lossy(&answer).lines().next().unwrap_or("the connection was closed").to_owned()
}

#[tokio::test]
async fn settings_that_are_needed_by_no_start_may_be_missing() {
    // Without STORE_URL decisions live under the home of the user who runs it.
    let home = tempfile::tempdir().expect("a temporary folder");
    let path = home.path().to_str().expect("a UTF-8 path");
    let host = FunctionsHost::builder(Mode::Payload).setting("HOME", path).start().await;

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

/// Settings of a place for decisions that cannot be used, each with the name that must be told.
const UNUSABLE_PLACES: &[(&str, &str)] = &[
    ("STORE_URL", "s3://a-secret-place"),
    ("STORE_URL", "file:a-secret-place"),
    ("STORE_URL", "memory:a-secret-place"),
    ("STORE_URL", "az://A-Secret-Place"),
    ("AzureWebJobsStorage", "AccountName=acct"),
    ("AzureWebJobsStorage", "AccountName=acct;AccountKey=a-secret-place;DefaultEndpointsProtocol=http"),
    ("AzureWebJobsStorage__blobServiceUri", "http://a-secret-place.example"),
    ("AzureWebJobsStorage__credential", "a-secret-place"),
    ("DELIVER_FOR_HOURS", "-1"),
    ("DELIVER_FOR_HOURS", "a-secret-place"),
    ("DELIVER_FOR_HOURS", "8761"),
];

#[tokio::test]
async fn a_place_or_time_that_cannot_be_used_is_named_and_the_process_exits() {
    for (name, value) in UNUSABLE_PLACES {
        println!("{name}={value}");
        let (status, output) = FunctionsHost::builder(Mode::Payload).setting(name, value).run_to_exit().await;
        assert!(!status.success(), "{output}");
        assert!(output.contains(name.split("__").next().expect("a name")), "{output}");
        assert!(!output.to_lowercase().contains("a-secret-place"), "{output}");
    }
}

#[tokio::test]
async fn an_unusable_place_and_an_unusable_time_are_named_together() {
    for (name, value) in [("STORE_URL", "s3://bucket"), ("AzureWebJobsStorage", "AccountName=acct")] {
        let (_, output) = FunctionsHost::builder(Mode::Payload)
            .setting(name, value)
            .setting("DELIVER_FOR_HOURS", "a day")
            .run_to_exit()
            .await;
        assert!(output.contains(name) && output.contains("DELIVER_FOR_HOURS"), "{output}");
    }
}

#[tokio::test]
async fn an_empty_setting_is_not_set() {
    let github = GitHub::start().await;
    let home = tempfile::tempdir().expect("a temporary folder");
    let empty = ["STORE_URL", "AzureWebJobsStorage", "AzureWebJobsStorage__accountName", "DELIVER_FOR_HOURS"];
    let builder = FunctionsHost::relay(Mode::Payload, &github)
        .setting("HOME", home.path().to_str().expect("a UTF-8 path"))
        .setting("DRY_RUN", "true");
    let host = empty.iter().fold(builder, |builder, name| builder.setting(name, "")).start().await;

    host.click(CLICK).await.assert_outcome(200, "dry-run");

    let decisions = home.path().join(".local/share/approve-release/dry-run/relayed");
    assert_eq!(fs::read_dir(decisions).expect("the system's data folder").count(), 1);
}

#[tokio::test]
async fn decisions_in_memory_are_warned_about() {
    let github = GitHub::start().await;
    let host = FunctionsHost::relay(Mode::Payload, &github).start().await;

    let line = host.stderr_line("STORE_URL is memory:").await;

    assert!(line.contains("WARN"), "{line}");
}

#[tokio::test]
async fn a_folder_is_warned_about_only_where_other_instances_do_not_see_it() {
    let github = GitHub::start().await;
    let store = Store::folder();
    let builder = || FunctionsHost::relay(Mode::Payload, &github).store(&store);

    let in_azure = builder().setting("WEBSITE_INSTANCE_ID", "1f3c").start().await;
    in_azure.stderr_line("STORE_URL is a folder").await;

    let elsewhere = builder().setting("DRY_RUN", "true").start().await;
    elsewhere.click(CLICK).await.assert_outcome(200, "dry-run");
    assert!(!elsewhere.stderr().contains("STORE_URL"), "{}", elsewhere.stderr());
}

#[tokio::test]
async fn no_key_of_the_storage_account_is_in_the_loudest_log() {
    let github = GitHub::start().await;
    github.expect_dispatches(1);
    let host = FunctionsHost::relay(Mode::Payload, &github)
        .store(&Store::azure())
        .setting("RUST_LOG", "trace")
        .start()
        .await;

    // The stand-in for the host searches everything that it wrote.
    host.click(CLICK).await.assert_outcome(200, "dispatched");
    host.stderr_line("dispatched").await;
}

#[test]
fn no_key_of_the_storage_account_is_in_debug_output() {
    let settings = Store::azure().settings().into_iter().map(|(name, value)| (name.to_owned(), value));
    let config = Config::parse(&settings.collect()).expect("a configuration");

    let shown = format!("{config:?}");

    assert!(shown.contains(ACCOUNT) && !shown.contains(ACCOUNT_KEY), "{shown}");
}
