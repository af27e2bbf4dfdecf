//! Decided once: one decision is one dispatch, for any number of people, clicks and handlers. The same in every place
//! where decisions can live.

use futures_util::future::join_all;
use serde_json::Value;
use tokio::sync::Mutex;

use crate::{
    functions_host::{FunctionsHost, Mode},
    github::{GitHub, github_error},
    handler_process::found,
    invalid_clicks::click_of,
    relay::{CLICK, new_click},
    stores::Store,
};

in_every_store! {
    the_first_click_is_dispatched_and_every_other_is_already_decided
    another_spelling_of_the_repository_is_the_same_decision
    another_text_of_the_payload_is_another_decision
    the_same_event_for_another_repository_is_another_decision
}

in_every_lasting_store! {
    a_decision_outlives_the_handler
    of_64_simultaneous_clicks_on_4_handlers_one_is_dispatched
    of_the_first_clicks_in_a_new_place_one_is_dispatched
    a_click_leaves_a_decision_an_attempt_and_its_arrival
    a_decision_says_what_was_sent_to_the_letter
    a_dry_run_decides_apart
    in_a_dry_run_nothing_is_swept
    without_a_token_nothing_is_decided
    without_a_token_a_delivered_decision_is_still_already_decided
    what_is_refused_is_not_recorded
}

/// A host whose decisions live in `store`.
async fn host(github: &GitHub, store: &Store) -> FunctionsHost {
    FunctionsHost::relay(Mode::Payload, github).store(store).start().await
}

async fn the_first_click_is_dispatched_and_every_other_is_already_decided(store: Store) {
    let github = GitHub::start().await;
    github.expect_dispatches(1);
    let host = host(&github, &store).await;

    host.click(CLICK).await.assert_outcome(200, "dispatched");
    for _ in 0..2 {
        let sentence = host.click(CLICK).await.assert_outcome(200, "already-decided");
        assert!(sentence.contains("GitHub has accepted it"), "{sentence}");
    }
}

async fn another_spelling_of_the_repository_is_the_same_decision(store: Store) {
    let github = GitHub::start().await;
    github.expect_dispatches(1);
    let host = host(&github, &store).await;

    host.click(CLICK).await.assert_outcome(200, "dispatched");
    for query in ["&repository=octo/app", "&repository=OCTO/App", "&repository=octo%2FAPP"] {
        let click = host.click_with_query(query).json(CLICK);
        host.send(click).await.assert_outcome(200, "already-decided");
    }
    // Neither does it matter how the body is written around the payload's own text.
    let form = "client_payload={\"run_id\":\"7123456789\",\"run_attempt\":\"1\"}&event_type=release-approved";
    host.send(host.click_request().form(form)).await.assert_outcome(200, "already-decided");
}

async fn another_text_of_the_payload_is_another_decision(store: Store) {
    const TEXTS: &[&str] =
        &[r#"{"v":1}"#, r#"{"v":1.0}"#, r#"{"v": 1}"#, r#"{"v":"1"}"#, r#"{"\u0076":1}"#, "{}"];
    let github = GitHub::start().await;
    github.expect_dispatches(TEXTS.len());
    let host = host(&github, &store).await;

    for text in TEXTS {
        let click = click_of(r#""release-approved""#, text);
        host.click(click.clone()).await.assert_outcome(200, "dispatched");
        host.click(click).await.assert_outcome(200, "already-decided");
    }
}

async fn the_same_event_for_another_repository_is_another_decision(store: Store) {
    let github = GitHub::start().await;
    github.expect_dispatches(2);
    let host = FunctionsHost::relay(Mode::Payload, &github)
        .setting("ALLOWED_REPOSITORIES", "octo/*")
        .store(&store)
        .start()
        .await;

    for repository in ["octo/app", "octo/other"] {
        let click = host.click_with_query(&format!("&repository={repository}")).json(CLICK);
        host.send(click).await.assert_outcome(200, "dispatched");
    }
}

async fn a_decision_outlives_the_handler(store: Store) {
    let github = GitHub::start().await;
    github.expect_dispatches(1);

    host(&github, &store).await.click(CLICK).await.assert_outcome(200, "dispatched");
    host(&github, &store).await.click(CLICK).await.assert_outcome(200, "already-decided");
}

/// Four handlers whose decisions live in `store`.
async fn four_hosts(github: &GitHub, store: &Store) -> Vec<FunctionsHost> {
    join_all((0..4).map(|_| host(github, store))).await
}

/// Clicks one button many times at once, on each handler in turn, and asserts that one of these clicks is dispatched
/// and every other is told so.
async fn race(clicks: usize, hosts: &[FunctionsHost]) {
    let answers = join_all((0..clicks).map(|click| hosts[click % hosts.len()].click(CLICK))).await;

    let count = |outcome: &str| answers.iter().filter(|answer| answer.json()["outcome"] == outcome).count();
    assert!(answers.iter().all(|answer| answer.status == 200), "{:#?}", lines(hosts));
    assert_eq!((count("dispatched"), count("already-decided")), (1, clicks - 1), "{:#?}", lines(hosts));
}

fn lines(hosts: &[FunctionsHost]) -> Vec<String> {
    hosts.iter().flat_map(FunctionsHost::logs).collect()
}

// T25
async fn of_64_simultaneous_clicks_on_4_handlers_one_is_dispatched(store: Store) {
    // One race at a time: it is about who is first, and not about how much a busy machine can do in a click's time.
    static ONE_RACE: Mutex<()> = Mutex::const_new(());
    let _alone = ONE_RACE.lock().await;
    let github = GitHub::start().await;
    github.expect_dispatches(4 + 1);
    let hosts = four_hosts(&github, &store).await;
    // Every handler has come to the start.
    for host in &hosts {
        host.click(new_click()).await.assert_outcome(200, "dispatched");
    }

    race(64, &hosts).await;
}

async fn of_the_first_clicks_in_a_new_place_one_is_dispatched(store: Store) {
    let github = GitHub::start().await;
    github.expect_dispatches(1);

    race(8, &four_hosts(&github, &store).await).await;
}

async fn a_click_leaves_a_decision_an_attempt_and_its_arrival(store: Store) {
    let github = GitHub::start().await;
    github.expect_dispatches(1);
    let host = host(&github, &store).await;

    host.click(CLICK).await.assert_outcome(200, "dispatched");

    let decision = store.object_that_ends_in("/decision").await;
    let folder = decision.strip_suffix("decision").expect("a folder");
    let expected = ["decision", "dispatch.done"].map(|name| folder.to_owned() + name);
    // The entry of the index goes beside the answer.
    let objects = found("nothing waits any more", async || {
        let objects = store.objects().await;
        (!objects.iter().any(|path| path.starts_with("pending/"))).then_some(objects)
    })
    .await;
    let (listed, rest): (Vec<_>, Vec<_>) = objects
        .into_iter()
        .partition(|path| ["listed/", "decided/"].iter().any(|index| path.starts_with(index)));
    assert_eq!(rest, expected);
    assert_eq!(listed.len(), 2, "{listed:?}");
    let id = folder.strip_prefix("relayed/").and_then(|id| id.strip_suffix('/')).expect("an id");
    assert!(id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
}

async fn a_decision_says_what_was_sent_to_the_letter(store: Store) {
    let github = GitHub::start().await;
    github.expect_dispatches(1);
    let host = host(&github, &store).await;
    let payload = r#"{ "n" : 1.10, "e":1e400, "s":"\u0061\/😀" }"#;

    host.click(click_of(r#""release-approved""#, payload)).await.assert_outcome(200, "dispatched");

    let text = store.read(&store.object_that_ends_in("/decision").await).await;
    assert!(text.contains(payload), "{text}");
    assert!(text.contains(r#""format":2"#) && text.contains(r#""repository":"octo/app""#), "{text}");
}

async fn a_dry_run_decides_apart(store: Store) {
    let github = GitHub::start().await;
    let builder = || FunctionsHost::relay(Mode::Payload, &github).store(&store);
    let dry = builder().setting("DRY_RUN", "true").start().await;

    dry.click(CLICK).await.assert_outcome(200, "dry-run");
    let sentence = dry.click(CLICK).await.assert_outcome(200, "already-decided");
    assert!(sentence.contains("dry run"), "{sentence}");
    let objects = store.objects().await;
    assert!(objects.iter().all(|path| path.starts_with("dry-run/")), "{objects:?}");
    assert!(objects.iter().all(|path| !path.contains("pending")), "{objects:?}");

    github.expect_dispatches(1);
    builder().start().await.click(CLICK).await.assert_outcome(200, "dispatched");
    // And the other way round.
    dry.click(CLICK).await.assert_outcome(200, "already-decided");
}

async fn in_a_dry_run_nothing_is_swept(store: Store) {
    let github = GitHub::start().await;
    github.answer_with(github_error(503, "Server Error"));
    github.expect_dispatches(1);
    host(&github, &store).await.click(CLICK).await.assert_outcome(200, "recorded");
    let before = store.objects().await;

    let dry =
        FunctionsHost::relay(Mode::Payload, &github).store(&store).setting("DRY_RUN", "true").start().await;
    assert_eq!(dry.fire_timer("Deliver").await, Ok(Vec::new()));

    assert_eq!(store.objects().await, before);
}

async fn without_a_token_nothing_is_decided(store: Store) {
    let github = GitHub::start().await;
    let builder = || FunctionsHost::relay(Mode::Payload, &github).store(&store);
    let without_token = builder().without("GITHUB_TOKEN").start().await;

    without_token.click(CLICK).await.assert_outcome(424, "misconfigured");
    without_token.stderr_line("GITHUB_TOKEN").await;
    assert_eq!(store.objects().await, [""; 0]);

    github.expect_dispatches(1);
    builder().start().await.click(CLICK).await.assert_outcome(200, "dispatched");
}

async fn without_a_token_a_delivered_decision_is_still_already_decided(store: Store) {
    let github = GitHub::start().await;
    github.expect_dispatches(1);
    host(&github, &store).await.click(CLICK).await.assert_outcome(200, "dispatched");

    let without_token =
        FunctionsHost::relay(Mode::Payload, &github).store(&store).without("GITHUB_TOKEN").start().await;

    without_token.click(CLICK).await.assert_outcome(200, "already-decided");
}

async fn what_is_refused_is_not_recorded(store: Store) {
    let github = GitHub::start().await;
    let host = host(&github, &store).await;

    host.click("release it").await.assert_outcome(400, "invalid");
    host.click(click_of(r#""deploy""#, "{}")).await.assert_outcome(403, "forbidden");
    let elsewhere = host.click_with_query("&repository=other/app").json(CLICK);
    host.send(elsewhere).await.assert_outcome(403, "forbidden");
    let vote: Value = serde_json::json!({"approval": "1", "verdict": "approve"});
    host.click(vote.to_string()).await.assert_outcome(404, "unknown");

    assert_eq!(store.objects().await, [""; 0]);
}
