//! A store that cannot be read, reached or written: nothing is sent that is not known to be recorded, and the click
//! that comes when the store works again counts once.

use std::fs;

use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

use wiremock::{Mock, MockServer, ResponseTemplate, matchers::any};

use crate::{
    azurite::{azurite, connection_string},
    functions_host::{Builder, FunctionsHost, Mode},
    github::{GitHub, github_error},
    handler_process::{ANSWERED_WITHIN, free_port},
    http1::Answer,
    misbehaving::{Misbehaving, Misbehaviour},
    relay::{CLICK, new_click},
    stores::{Store, folder_url},
};

in_one_mode! {
    a_store_that_cannot_be_reached_is_unavailable_in_time
    a_store_that_never_answers_is_unavailable_in_time
}

in_every_lasting_store! {
    a_decision_that_cannot_be_read_is_named_and_sends_nothing
    a_record_of_an_attempt_that_cannot_be_read_is_named_and_sends_nothing
    an_entry_that_this_version_does_not_know_is_named_and_left_alone
}

async fn click(host: &FunctionsHost) -> Answer {
    let click = host.send_once(host.click_request().json(CLICK));
    tokio::time::timeout(ANSWERED_WITHIN, click).await.expect("answered in time")
}

/// A host whose decisions live in a container of a storage account at this port.
fn in_azure_at(mode: Mode, github: &GitHub, port: u16) -> Builder {
    FunctionsHost::relay(mode, github)
        .store(&Store::azure())
        .setting("AzureWebJobsStorage", &connection_string(port))
}

async fn a_store_that_cannot_be_reached_is_unavailable_in_time(mode: Mode) {
    let github = GitHub::start().await;
    let host = in_azure_at(mode, &github, free_port()).start().await;

    let sentence = click(&host).await.assert_outcome(424, "unavailable");

    assert!(sentence.contains("Click again"), "{sentence}");
    host.stderr_line("unavailable").await;
}

async fn a_store_that_never_answers_is_unavailable_in_time(mode: Mode) {
    let github = GitHub::start().await;
    let stall = Misbehaving::start(Misbehaviour::Stall).await;
    let host = in_azure_at(mode, &github, stall.port()).start().await;

    click(&host).await.assert_outcome(424, "unavailable");
}

#[tokio::test]
async fn a_store_that_breaks_http_is_unavailable_in_time() {
    let github = GitHub::start().await;
    for misbehaviour in
        [Misbehaviour::Reset, Misbehaviour::Garbage, Misbehaviour::EndlessHead, Misbehaviour::HalfHead]
    {
        println!("the store: {misbehaviour:?}");
        let store = Misbehaving::start(misbehaviour).await;
        let host = in_azure_at(Mode::Payload, &github, store.port()).start().await;
        click(&host).await.assert_outcome(424, "unavailable");
    }
}

#[tokio::test]
async fn what_a_store_answers_cannot_forge_a_line() {
    let github = GitHub::start().await;
    let store = MockServer::builder().start().await;
    let answer = ResponseTemplate::new(403).set_body_string("no\r\n[INFO] forged \u{1b}[31m\u{202e}");
    Mock::given(any()).respond_with(answer).mount(&store).await;
    let host = in_azure_at(Mode::Payload, &github, store.address().port()).start().await;

    click(&host).await.assert_outcome(424, "unavailable");
    let swept = host.fire_timer("Deliver").await.expect("an answer");

    assert_eq!(swept.len(), 1, "{swept:?}");
    for line in host.logs() {
        assert!(line.contains("403") && line.len() < 1_000, "{line}");
        assert!(line.bytes().all(|byte| (0x20..0x7f).contains(&byte)), "escaped: {line:?}");
    }
}

/// Passes every connection on to the emulator, as long as it is kept.
async fn pass_on_to_azurite(port: u16) -> JoinHandle<()> {
    let listener = TcpListener::bind(("127.0.0.1", port)).await.expect("the port is free");
    let azurite = azurite().port();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut server = TcpStream::connect(("127.0.0.1", azurite)).await.expect("Azurite listens");
                // Either side may close when it likes.
                let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
            });
        }
    })
}

#[tokio::test]
async fn when_the_account_can_be_reached_again_a_click_counts_once() {
    let github = GitHub::start().await;
    let port = free_port();
    let host = in_azure_at(Mode::Payload, &github, port).start().await;
    click(&host).await.assert_outcome(424, "unavailable");
    let lines = host.fire_timer("Deliver").await.expect("an answer");
    assert!(lines.len() == 1 && lines[0].contains("cannot sweep"), "{lines:?}");

    let _passing_on = pass_on_to_azurite(port).await;
    github.expect_dispatches(1);

    click(&host).await.assert_outcome(200, "dispatched");
    click(&host).await.assert_outcome(200, "already-decided");
}

#[tokio::test]
async fn when_the_folder_can_be_made_again_a_click_counts_once() {
    let github = GitHub::start().await;
    let store = Store::folder();
    let parent = store.path().parent().expect("a parent").to_owned();
    fs::write(&parent, "a file where the folder should be").expect("written");
    let host = FunctionsHost::relay(Mode::Payload, &github)
        .setting("STORE_URL", &folder_url(&store.path()))
        .start()
        .await;
    click(&host).await.assert_outcome(424, "unavailable");
    host.stderr_line("cannot create").await;

    fs::remove_file(&parent).expect("removed");
    github.expect_dispatches(1);

    click(&host).await.assert_outcome(200, "dispatched");
    click(&host).await.assert_outcome(200, "already-decided");
}

#[tokio::test]
async fn what_cannot_be_written_is_not_sent_and_counts_once_later() {
    for blocked in ["pending", "relayed"] {
        println!("blocked: {blocked}");
        let github = GitHub::start().await;
        let store = Store::folder();
        // Whoever runs the tests may be allowed to write into what is read-only; nobody can write into a file.
        store.write(blocked, "a file where a folder should be").await;
        let host = FunctionsHost::relay(Mode::Payload, &github).store(&store).start().await;
        click(&host).await.assert_outcome(424, "unavailable");
        assert!(store.objects().await.iter().all(|path| !path.ends_with("/decision")));

        fs::remove_file(store.path().join(blocked)).expect("removed");
        github.expect_dispatches(1);

        click(&host).await.assert_outcome(200, "dispatched");
        click(&host).await.assert_outcome(200, "already-decided");
    }
}

/// Records that no version of ours can read, or not this one.
const UNREADABLE: &[&str] = &[
    "",
    "garbage",
    "{}",
    "[]",
    r#"{"format":2,"writer":"x","record":{}}"#,
    r#"{"format":1,"writer":"x","record":{}}"#,
    r#"{"format":1,"writer":"x"}"#,
    r#"{"format":"1"}"#,
    "\u{0}\u{0}\u{0}",
];

async fn a_decision_that_cannot_be_read_is_named_and_sends_nothing(store: Store) {
    let github = GitHub::start().await;
    github.expect_dispatches(1);
    let host = FunctionsHost::relay(Mode::Payload, &github).store(&store).start().await;
    click(&host).await.assert_outcome(200, "dispatched");
    let path = store.object_that_ends_in("/decision").await;

    let decision = store.read(&path).await;
    let of_another = decision.replace("7123456789", "7123456780");
    for content in UNREADABLE.iter().copied().chain([of_another.as_str()]) {
        println!("content: {content:?}");
        let lines = host.logs().len();
        store.write(&path, content).await;
        click(&host).await.assert_outcome(424, "unavailable");
        assert!(host.logs()[lines].contains(&path), "{path} in {:?}", &host.logs()[lines..]);
    }

    store.write(&path, &decision).await;
    click(&host).await.assert_outcome(200, "already-decided");
}

async fn a_record_of_an_attempt_that_cannot_be_read_is_named_and_sends_nothing(store: Store) {
    let github = GitHub::start().await;
    github.answer_with(github_error(503, "Server Error"));
    github.expect_dispatches(2);
    let host = FunctionsHost::relay(Mode::Payload, &github).store(&store).start().await;
    // The first attempt stands in the decision.
    for _ in 0..2 {
        click(&host).await.assert_outcome(200, "recorded");
    }

    for end in ["000002.attempt", "000002.result"] {
        let path = store.object_that_ends_in(end).await;
        let before = store.read(&path).await;
        for content in UNREADABLE {
            println!("{end}: {content:?}");
            let lines = host.logs().len();
            store.write(&path, content).await;
            click(&host).await.assert_outcome(424, "unavailable");
            assert!(host.logs()[lines].contains(&path), "{path} in {:?}", &host.logs()[lines..]);
        }
        store.write(&path, &before).await;
    }

    github.answer_as_github();
    github.expect_dispatches(3);
    click(&host).await.assert_outcome(200, "dispatched");
}

async fn an_entry_that_this_version_does_not_know_is_named_and_left_alone(store: Store) {
    let github = GitHub::start().await;
    github.expect_dispatches(1);
    let host = FunctionsHost::relay(Mode::Payload, &github).store(&store).start().await;
    host.click(new_click()).await.assert_outcome(200, "dispatched");
    let strangers = ["pending/garbage", "pending/relayed.0123.dispatch", "pending/requested.01JD.card"];
    for stranger in strangers {
        store.write(stranger, "garbage").await;
    }

    host.fire_timer("Deliver").await.expect("an answer");

    for stranger in strangers {
        host.stderr_line(stranger).await;
        assert!(store.objects().await.contains(&stranger.to_owned()), "{stranger} is gone");
    }
}
