//! The host stops a handler without notice, whatever it is doing: what it was about to do is done by the next.

use std::{
    fs::{self, File},
    path::Path,
    time::Duration,
};

use chrono::{TimeDelta, Utc};
use serde_json::Value;
use wiremock::ResponseTemplate;

use crate::{
    functions_host::{FunctionsHost, Mode},
    github::GitHub,
    misbehaving::nobody,
    relay::CLICK,
    stores::Store,
};

/// A store whose one decision was recorded a minute ago. It is in the index, and nobody has tried to send it yet.
async fn recorded_a_minute_ago() -> Store {
    let store = Store::folder();
    let host = FunctionsHost::relay_to(Mode::Payload, &nobody()).store(&store).start().await;
    host.click(CLICK).await.assert_outcome(200, "recorded");
    drop(host);
    for path in store.objects().await {
        let file = store.path().join(&path);
        if path.ends_with(".result") {
            fs::remove_file(file).expect("it is there");
            continue;
        }
        if path.ends_with("/decision") {
            end_the_lease(&store, &path, "/record/claim/lease_until").await;
        }
        make_older(&file);
    }
    store
}

fn make_older(file: &Path) {
    let file = File::options().write(true).open(file).expect("it is there");
    file.set_modified((Utc::now() - TimeDelta::minutes(1)).into()).expect("a time that files can have");
}

/// Rewrites a claim as one whose time is over.
async fn end_the_lease(store: &Store, path: &str, lease: &str) {
    let mut record: Value = serde_json::from_str(&store.read(path).await).expect("JSON");
    *record.pointer_mut(lease).expect("a lease") = "2026-01-01T00:00:00Z".into();
    store.write(path, &record.to_string()).await;
}

async fn count(store: &Store, end: &str) -> usize {
    store.objects().await.iter().filter(|path| path.ends_with(end)).count()
}

#[tokio::test]
async fn a_sweep_that_is_killed_between_its_claim_and_its_note_is_made_up_for() {
    let store = recorded_a_minute_ago().await;
    let github = GitHub::start().await;
    github.answer_with(ResponseTemplate::new(204).set_delay(Duration::from_secs(600)));
    github.expect_dispatches(2);
    let mut host = FunctionsHost::relay(Mode::Payload, &github).store(&store).start().await;

    let (swept, ()) = tokio::join!(host.fire_timer("Deliver"), async {
        github.until_asked().await;
        host.kill();
    });
    swept.expect_err("the handler was killed");
    host.until_exit().await;
    assert_eq!((count(&store, ".attempt").await, count(&store, ".done").await), (1, 0));

    // The host starts it again. GitHub may have taken the event, so it is sent again only once the claim has ended.
    github.answer_as_github();
    assert_eq!(host.fire_timer("Deliver").await, Ok(Vec::new()));
    let attempt = store.object_that_ends_in(".attempt").await;
    end_the_lease(&store, &attempt, "/record/lease_until").await;
    let lines = host.fire_timer("Deliver").await.expect("an answer");
    assert!(lines.len() == 1 && lines[0].contains("octo/app"), "{lines:?}");

    let dispatches = github.dispatches();
    assert_eq!(dispatches[0].body, dispatches[1].body, "the same event, at least once");
    assert_eq!((count(&store, "/decision").await, count(&store, ".done").await), (1, 1), "recorded once");
    assert_eq!(host.fire_timer("Deliver").await, Ok(Vec::new()));
    host.click(CLICK).await.assert_outcome(200, "already-decided");
}
