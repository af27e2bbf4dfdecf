//! Files that a writer left which was killed between staging and linking, `name#1` beside `name`: ignored wherever the
//! store is read, in a container too, and removed once they are old.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use serde_json::Value;

use crate::{
    deployment::{Someone, Surroundings},
    functions_host::{FunctionsHost, Mode},
    github::github_error,
    handler_process::until,
    http1::Request,
    relay::new_click,
    stores::Store,
};

/// All files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

fn staged(store: &Store) -> Vec<PathBuf> {
    let is_staged = |path: &PathBuf| path.to_string_lossy().contains('#');
    files(&store.path()).into_iter().filter(is_staged).collect()
}

/// Leaves a half of every record in the store beside it, and gives how many there are.
fn leave_halves(store: &Store, age: Duration) -> usize {
    let records = files(&store.path());
    for record in &records {
        let content = fs::read(record).expect("a record");
        let half = PathBuf::from(format!("{}#1", record.display()));
        fs::write(&half, &content[..content.len() / 2]).expect("written");
        let file = File::options().write(true).open(&half).expect("it is there");
        #[expect(clippy::disallowed_methods, reason = "the age of a file is its age by the system's clock")]
        file.set_modified(SystemTime::now() - age).expect("its time is set");
    }
    records.len()
}

/// A store with an approval that two must approve and Alex did, one that is decided, and a relay on its way; with the
/// first one's id.
async fn busy_store(around: &Surroundings) -> (Store, String) {
    let store = Store::folder();
    let host = around.host(Mode::Payload).store(&store).start().await;
    let alex = around.token_of(&Someone::alex());
    let id = around.ask_for_id(&host, r#"{"event_type":"go-live","approvals_required":2}"#).await;
    host.vote(&alex, &id, "approve").await.assert_outcome(200, "counted");
    let decided = around.ask_for_id(&host, r#"{"event_type":"go-live"}"#).await;
    host.vote(&alex, &decided, "approve").await.assert_outcome(200, "dispatched");
    around.github.answer_with(github_error(503, "Server Error"));
    host.click_as(&alex, new_click()).await.assert_outcome(200, "recorded");
    around.github.answer_as_github();
    around.github.expect_dispatches(2);
    (store, id)
}

async fn listed(host: &FunctionsHost) -> Value {
    let answer = host.send(Someone::alex().browse(Request::get("/api/approvals?format=json"))).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

/// Kim's vote, as far as a killed process came with it.
fn leave_half_a_vote(store: &Store, id: &str) {
    let vote = format!("requested/{id}/vote.{}.approve#1", Someone::number(2).object_id);
    fs::write(store.path().join(vote), "{").expect("written");
}

#[tokio::test]
async fn they_are_ignored_and_removed_once_they_are_old() {
    let around = Surroundings::start().await;
    let (store, id) = busy_store(&around).await;
    let host = around.host(Mode::Payload).store(&store).start().await;
    let before = listed(&host).await;
    let old = leave_halves(&store, Duration::from_secs(2 * 3600));
    assert!(old > 15, "{old} records");

    assert_eq!(listed(&host).await, before);
    assert_eq!(host.fire_timer("Deliver").await, Ok(Vec::new()));
    until("old ones are removed", async || staged(&store).is_empty()).await;
    assert_eq!(files(&store.path()).len(), old, "and nothing else is");
    assert_eq!(listed(&host).await, before);
    around.github.expect_dispatches(3);
    let sam = around.token_of(&Someone::number(1));
    host.vote(&sam, &id, "approve").await.assert_outcome(200, "dispatched");
}

#[tokio::test]
async fn young_ones_are_ignored_and_stay() {
    let around = Surroundings::start().await;
    let (store, id) = busy_store(&around).await;
    let host = around.host(Mode::Payload).store(&store).start().await;
    let before = listed(&host).await;
    leave_half_a_vote(&store, &id);
    let young = leave_halves(&store, Duration::from_secs(60));
    let old = store.path().join("pending/old#12");
    fs::write(&old, "").expect("written");
    let file = File::options().write(true).open(&old).expect("it is there");
    #[expect(clippy::disallowed_methods, reason = "the age of a file is its age by the system's clock")]
    file.set_modified(SystemTime::now() - Duration::from_secs(3600)).expect("its time is set");

    assert_eq!(listed(&host).await, before);
    let sam = around.token_of(&Someone::number(1));
    let seen = around.status(&host, &id).await;
    assert_eq!((&seen["status"], seen["performers"].as_array().map(Vec::len)), (&"pending".into(), Some(1)));
    assert_eq!(host.fire_timer("Deliver").await, Ok(Vec::new()));
    until("the old one is removed", async || !old.exists()).await;
    assert!(staged(&store).len() > young, "its own, and half a vote");
    around.github.expect_dispatches(3);
    host.vote(&sam, &id, "approve").await.assert_outcome(200, "dispatched");
}

#[tokio::test]
async fn a_folder_is_moved_to_a_container_with_all_that_killed_writers_left() {
    let around = Surroundings::start().await;
    let (store, id) = busy_store(&around).await;
    leave_halves(&store, Duration::from_secs(60));
    leave_half_a_vote(&store, &id);
    let from = around.host(Mode::Payload).store(&store).start().await;
    let before = listed(&from).await;
    drop(from);
    let container = Store::azure();
    // The first start makes the container.
    let making = around.host(Mode::Payload).store(&container).start().await;
    making.stderr_line("is there").await;
    drop(making);
    for file in files(&store.path()) {
        let name = file.strip_prefix(store.path()).expect("below it").to_str().expect("a name").to_owned();
        container.write_named(&name, fs::read(&file).expect("a file")).await;
    }

    let host = around.host(Mode::Payload).store(&container).start().await;
    assert_eq!(listed(&host).await, before);
    assert_eq!(host.fire_timer("Deliver").await, Ok(Vec::new()));
    around.github.expect_dispatches(3);
    let seen = around.status(&host, &id).await;
    assert_eq!(seen["performers"].as_array().map(Vec::len), Some(1), "{seen}");
    let sam = around.token_of(&Someone::number(1));
    host.vote(&sam, &id, "approve").await.assert_outcome(200, "dispatched");
}
