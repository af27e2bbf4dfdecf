//! The changes of a release as jobs, approvers and channels get to see them.

use serde_json::{Value, json};

use crate::{
    connector::BotConnector,
    deployment::{ASKED, Someone, Surroundings, page_of, text},
    functions_host::{FunctionsHost, Mode},
    github::github_error,
    github_compare::{Compared, by, by_nobody},
    handler_process::until,
    http1::Request,
    stores::Store,
    tokens::Token,
};

in_one_mode! {
    a_job_and_the_list_get_the_changes_to_the_letter
    changes_that_come_after_the_card_change_the_bots_card
    the_press_that_sends_again_is_for_an_expiry_alone
}

const BASE: &str = "1111111111111111111111111111111111111111";
const HEAD: &str = "2222222222222222222222222222222222222222";

/// A job of a commit asks.
async fn ask(around: &Surroundings, host: &FunctionsHost, sha: &str) -> String {
    let job = Token::of_job(&around.actions).claim("sha", sha);
    text(&host.ask_as(&job, ASKED).await.assert_opened()["id"])
}

/// A release of the first commit, which GitHub accepted.
async fn released(around: &Surroundings, host: &FunctionsHost, store: &Store) -> String {
    around.github.expect_dispatches(1);
    let id = ask(around, host, BASE).await;
    host.vote(&around.token_of(&Someone::alex()), &id, "approve").await.assert_outcome(200, "dispatched");
    store.has_a_release().await;
    id
}

async fn a_job_and_the_list_get_the_changes_to_the_letter(mode: Mode) {
    let (around, store) = (Surroundings::start().await, Store::folder());
    let host = around.host(mode).store(&store).start().await;
    let first = released(&around, &host, &store).await;
    assert_eq!(around.status(&host, &first).await["changes"], Value::Null, "there is no base");
    let commits =
        vec![by("octocat", "One"), by_nobody("Kim", "Two"), by("hubot", "Three"), by("octocat", "4")];
    around.github.compares(BASE, HEAD, Compared { commits, ..Compared::default() });

    let id = ask(&around, &host, HEAD).await;
    until("the changes are known", async || !around.status(&host, &id).await["changes"].is_null()).await;
    let changes = json!({
        "base": BASE, "commits": 4, "authors": ["octocat", "Kim", "hubot"],
        "url": format!("{}/octo/app/compare/{BASE}...{HEAD}", around.github.url()),
    });
    assert_eq!(around.status(&host, &id).await["changes"], changes);
    let list = host.send(Someone::alex().browse(Request::get("/api/approvals?format=json"))).await.json();
    let item = list["items"].as_array().and_then(|items| items.iter().find(|item| item["id"] == id));
    assert_eq!(item.map(|item| &item["changes"]), Some(&changes), "{list}");

    // The same commit again brings nothing, and has no link.
    let again = ask(&around, &host, BASE).await;
    until("they are known", async || !around.status(&host, &again).await["changes"].is_null()).await;
    let nothing = json!({"base": BASE, "commits": 0, "authors": [], "url": null});
    assert_eq!(around.status(&host, &again).await["changes"], nothing);
}

async fn changes_that_come_after_the_card_change_the_bots_card(mode: Mode) {
    let (around, store) = (Surroundings::start().await, Store::folder());
    let connector = BotConnector::start(&around.authority.desk).await;
    let start = async || around.host(mode).settings(connector.settings()).store(&store).start().await;
    let host = start().await;
    released(&around, &host, &store).await;
    around.github.answer_comparisons_with(github_error(500, "Server Error"));
    let id = ask(&around, &host, HEAD).await;
    let card = || connector.messages().last().and_then(|message| message.cards.last().cloned());
    let shows = |words: &str| card().is_some_and(|card| card.to_string().contains(words));
    assert!(!shows("Change 2") && connector.messages().len() == 2);

    // Another instance has not been refused just now. An approver opens the page.
    around.github.answer_comparisons_with(None);
    around.github.compares(BASE, HEAD, Compared::of(2));
    let other = start().await;
    let page = other.send(Someone::alex().get(&page_of(&id))).await.text();
    assert!(page.contains("Change 2"), "{page}");
    until("the card is changed", async || shows("Change 2")).await;
    assert_eq!(connector.messages().len(), 2, "changed, not posted again");
}

async fn the_press_that_sends_again_is_for_an_expiry_alone(mode: Mode) {
    let (around, host) = Surroundings::with_host(mode).await;
    let id = ask(&around, &host, BASE).await;
    let pressed = host.send(Someone::alex().press(&id, "send", "")).await;
    assert_eq!(pressed.status, 400, "{}", pressed.text());
    let from_elsewhere = Someone::alex().browse(Request::post(&page_of(&id))).form("verdict=send".to_owned());
    assert_eq!(host.send(from_elsewhere.header("Sec-Fetch-Site", "cross-site")).await.status, 403);
    assert_eq!(around.status(&host, &id).await["status"], "pending");
}
