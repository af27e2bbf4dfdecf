//! A record that cannot be read, damaged or of a newer version, takes its own line of the list and no other; anyone who
//! asks for it is told so, and nothing is overwritten.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::{
    activities::Activity,
    connector::BotConnector,
    deployment::{Someone, Surroundings, page_of, text},
    functions_host::{FunctionsHost, Mode},
    github::github_error,
    relay::new_click,
    stores::Store,
    tokens::Token,
};

/// Everything in the store.
async fn contents(store: &Store) -> BTreeMap<String, String> {
    let mut contents = BTreeMap::new();
    for path in store.objects().await {
        let content = store.read(&path).await;
        contents.insert(path, content);
    }
    contents
}

/// A request's record, made unreadable in this way.
fn spoilt(record: &str, how: &str) -> String {
    let mut json: Value = serde_json::from_str(record).expect("JSON");
    match how {
        "cut off" => return record[..record.len() / 2].to_owned(),
        "empty" => return String::new(),
        "of format 3" => json["format"] = 3.into(),
        "of format 0" => json["format"] = 0.into(),
        "of another approval" => json["record"]["id"] = "0".repeat(44).into(),
        "for an event and a workflow" => json["record"]["asked"]["workflow"] = "release.yml".into(),
        "with inputs of no workflow" => json["record"]["asked"]["inputs"] = json!({"version": "1"}),
        "for a workflow elsewhere" => {
            json["record"]["asked"]["event_type"] = Value::Null;
            json["record"]["asked"]["workflow"] = "../release.yml".into();
        }
        "of a size that no record has" => {
            json["record"]["asked"]["text"] = "x".repeat(1_100_000).into();
        }
        other => panic!("how is a record made {other}?"),
    }
    json.to_string()
}

const HOW: [&str; 9] = [
    "cut off",
    "empty",
    "of format 3",
    "of format 0",
    "of another approval",
    "for an event and a workflow",
    "with inputs of no workflow",
    "for a workflow elsewhere",
    "of a size that no record has",
];

struct Asked {
    job: Token,
    body: String,
    id: String,
}

async fn ask(around: &Surroundings, host: &FunctionsHost, title: &str, required: usize) -> Asked {
    let job = Token::of_job(&around.actions);
    let body = json!({"event_type": "go-live", "title": title, "approvals_required": required}).to_string();
    let asked = host.ask_as(&job, &body).await.assert_opened();
    Asked { job, body, id: text(&asked["id"]) }
}

#[tokio::test]
async fn each_takes_its_own_line_and_no_other() {
    let (around, store) = (Surroundings::start().await, Store::folder());
    let connector = BotConnector::start(&around.authority.desk).await;
    around.github.expect_dispatches(2);
    let host = around.host(Mode::Payload).settings(connector.settings()).store(&store).start().await;
    let (alex, sam) = (Someone::alex(), Someone::number(1));
    let alex_s_token = around.token_of(&alex);
    let healthy = ask(&around, &host, "Release nine", 1).await;
    let mut unreadable = Vec::new();
    for how in HOW {
        let asked = ask(&around, &host, how, 1).await;
        let path = format!("requested/{}/request", asked.id);
        store.write(&path, &spoilt(&store.read(&path).await, how)).await;
        unreadable.push(asked);
    }
    let decided = ask(&around, &host, "with a spoilt decision", 1).await;
    host.vote(&alex_s_token, &decided.id, "approve").await.assert_outcome(200, "dispatched");
    store.write(&format!("requested/{}/decision", decided.id), "{").await;
    unreadable.push(decided);
    let voted = ask(&around, &host, "with a spoilt vote", 2).await;
    host.vote(&alex_s_token, &voted.id, "approve").await.assert_outcome(200, "counted");
    store.write(&format!("requested/{}/vote.{}.approve", voted.id, alex.object_id), "{}").await;
    unreadable.push(voted);
    around.github.answer_with(github_error(503, "Server Error"));
    host.click_as(&alex_s_token, new_click()).await.assert_outcome(200, "recorded");
    let relayed = store
        .objects()
        .await
        .into_iter()
        .find(|path| path.starts_with("relayed/") && path.ends_with("/decision"));
    store.write(&relayed.expect("a relayed decision"), "[]").await;
    // Work that was begun beside the answers ends with the process.
    host.terminate();
    drop(host);
    let host = around.host(Mode::Payload).settings(connector.settings()).store(&store).start().await;
    let before = contents(&store).await;

    let listed = host.send(alex.browse(crate::http1::Request::get("/api/approvals?format=json"))).await;
    assert_eq!(listed.status, 200, "{}", listed.text());
    let items = listed.json()["items"].as_array().expect("items").clone();
    let with = |status: &str| items.iter().filter(|item| item["status"] == status).count();
    assert_eq!((items.len(), with("unreadable"), with("pending")), (HOW.len() + 4, HOW.len() + 3, 1));
    assert_eq!(items.iter().filter(|item| item["title"] == "Release nine").count(), 1);
    let page = host.send(alex.get("/api/approvals")).await;
    assert_eq!(page.status, 200, "{}", page.text());
    assert_eq!(page.text().matches("or it is damaged").count(), HOW.len() + 3);
    assert!(page.text().contains("Release nine"));
    host.send(Activity::mention(&connector, &alex, "pending").request()).await;
    let (_, said) = connector.said().pop().expect("an answer");
    let said = text(&said["text"]);
    assert!(said.contains("Release nine") && said.contains("cannot be read"), "{said}");

    for asked in &unreadable {
        let id = &asked.id;
        println!("{id}: {}", asked.body);
        host.status_as(&asked.job, id).await.assert_said(424, "unavailable");
        host.ask_as(&asked.job, &asked.body).await.assert_said(424, "unavailable");
        assert_eq!(host.send(alex.get(&page_of(id))).await.status, 424);
        for verdict in ["approve", "reject"] {
            host.vote(&around.token_of(&sam), id, verdict).await.assert_outcome(424, "unavailable");
            assert_eq!(host.send(sam.press(id, verdict, "")).await.status, 424);
        }
    }
    host.fire_timer("Deliver").await.expect("a sweep");
    assert_eq!(contents(&store).await, before, "nothing is overwritten");
    around.github.answer_as_github();
    host.vote(&alex_s_token, &healthy.id, "approve").await.assert_outcome(200, "dispatched");
    around.github.expect_dispatches(3);
}

#[tokio::test]
async fn what_was_asked_in_a_format_to_come_is_not_asked_for_once_more() {
    let (around, store) = (Surroundings::start().await, Store::folder());
    let host = around.host(Mode::Payload).store(&store).start().await;
    let asked = ask(&around, &host, "Release nine", 1).await;
    let objects = store.objects_with_changes().await;
    let path = objects.into_iter().find(|path| path.starts_with("asked/")).expect("a record");
    store.write(&path, &spoilt(&store.read(&path).await, "of format 3")).await;
    let before = contents(&store).await;

    host.ask_as(&asked.job, &asked.body).await.assert_said(424, "unavailable");

    assert_eq!(contents(&store).await, before);
}
