//! The GitHub App: tokens for one repository and one permission, asked for once; and a sentence for each of its faults.

use std::time::Duration;

use approve_release::senders::github::{AppKey, GitHubApp};
use base64::{Engine, engine::general_purpose::STANDARD};
use chrono::TimeDelta;
use serde_json::json;
use wiremock::ResponseTemplate;

use crate::{
    app_desk::{APP_ID, AppDesk, Installation},
    deployment::{ASKED, Someone, Surroundings},
    functions_host::{Builder, FunctionsHost, Mode},
    github::{GitHub, TOKEN, github_error, html},
    handler_process::until,
    http1::Request,
    relay::new_click,
    signing_keys::Key,
    tokens::ALEX,
};

const LOOK: &str = "GET /repos/octo/app/installation";
const GIVE: &str = "POST /app/installations/7/access_tokens";

fn with_app(builder: Builder) -> Builder {
    builder.setting("GITHUB_APP_ID", APP_ID).setting("GITHUB_APP_PRIVATE_KEY", &Key::App.private_pem())
}

/// A host with an App and no `GITHUB_TOKEN`.
async fn host(github: &GitHub) -> FunctionsHost {
    with_app(FunctionsHost::relay(Mode::Payload, github)).without("GITHUB_TOKEN").start().await
}

async fn github(change: impl FnOnce(&mut AppDesk)) -> GitHub {
    let github = GitHub::start().await;
    github.desk(change);
    github
}

/// One click at a GitHub whose App stands like this; gives the sentence.
async fn click(change: impl FnOnce(&mut AppDesk), status: u16, outcome: &str) -> String {
    let github = github(change).await;
    let host = host(&github).await;
    host.click(new_click()).await.assert_outcome(status, outcome)
}

/// The same where there is a `GITHUB_TOKEN`, too.
async fn click_beside_a_token(github: &GitHub, status: u16, outcome: &str) -> String {
    let host = with_app(FunctionsHost::relay(Mode::Payload, github)).start().await;
    host.click(new_click()).await.assert_outcome(status, outcome)
}

fn calls(github: &GitHub) -> Vec<String> {
    github.desk(|desk| desk.calls.clone())
}

#[tokio::test]
async fn a_click_is_sent_with_a_token_for_its_repository_and_for_contents_alone() {
    let github = github(|_| {}).await;
    github.expect_dispatches(2);
    let host = host(&github).await;
    host.click(new_click()).await.assert_outcome(200, "dispatched");
    let given = github.desk(|desk| desk.tokens.clone());
    assert_eq!(given.len(), 1);
    assert_eq!(
        (given[0].repository.as_str(), &given[0].permissions),
        ("octo/app", &json!({"contents": "write"}))
    );
    assert_eq!(calls(&github), [LOOK, GIVE]);
    // A warm click costs no extra call.
    host.click(new_click()).await.assert_outcome(200, "dispatched");
    assert_eq!(calls(&github), [LOOK, GIVE]);
    let (everything, key) = (format!("{}{}", host.written(), host.stderr()), Key::App.private_pem());
    for secret in [&given[0].text, key.lines().nth(3).expect("a line")] {
        assert!(!everything.contains(secret));
    }
}

#[test]
fn an_app_shows_its_id_and_nothing_of_its_key() {
    let pem = Key::App.private_pem();
    let app = GitHubApp { id: APP_ID.to_owned(), key: AppKey::parse(&pem).expect("a key") };
    for shown in [format!("{app:?}"), format!("{app:#?}")] {
        assert!(shown.contains(APP_ID) && shown.contains("***"), "{shown}");
        let lines = pem.lines().filter(|line| !line.starts_with("-----"));
        assert!(lines.into_iter().all(|line| !shown.contains(line)) && shown.len() < 100, "{shown}");
    }
}

#[tokio::test]
async fn an_approval_is_sent_with_the_apps_token() {
    let around = Surroundings::start().await;
    around.github.expect_dispatches(1);
    let host = with_app(around.host(Mode::Payload)).without("GITHUB_TOKEN").start().await;
    let id = around.ask_for_id(&host, ASKED).await;
    host.send(Someone::alex().press(&id, "approve", "")).await;
    until("it is sent", async || !around.github.dispatches().is_empty()).await;
    assert_eq!(calls(&around.github), [LOOK, GIVE]);
}

#[tokio::test]
async fn a_workflow_is_started_with_a_token_for_actions_alone() {
    for (grants_actions, status, outcome) in [(true, 200, "dispatched"), (false, 424, "refused")] {
        let around = Surroundings::start().await;
        around.github.expect_dispatches(usize::from(grants_actions));
        if !grants_actions {
            let granted = json!({"contents": "write", "actions": "read", "metadata": "read"});
            around.github.desk(|desk| desk.installations[0].permissions = granted);
        }
        let host = with_app(around.host(Mode::Payload)).without("GITHUB_TOKEN").start().await;
        let id = around.ask_for_id(&host, r#"{"workflow":"release.yml"}"#).await;
        let alex = around.token_of(&Someone::alex());
        let sentence = host.vote(&alex, &id, "approve").await.assert_outcome(status, outcome);
        let given = around.github.desk(|desk| desk.tokens.clone());
        let permissions: Vec<_> = given.iter().map(|given| given.permissions.clone()).collect();
        match grants_actions {
            true => assert_eq!(permissions.last(), Some(&json!({"actions": "write"}))),
            false => assert!(sentence.contains("lacks Actions: write on octo/app"), "{sentence}"),
        }
    }
}

#[tokio::test]
async fn on_an_enterprise_server_every_call_of_the_app_is_below_its_path() {
    let github = github(|_| {}).await;
    github.expect_dispatches(1);
    let builder = FunctionsHost::relay_to(Mode::Payload, &format!("{}/api/v3", github.url()));
    let host = with_app(builder).without("GITHUB_TOKEN").start().await;
    host.click(new_click()).await.assert_outcome(200, "dispatched");
    let paths = github.paths().await;
    assert!(paths.len() >= 3 && paths.iter().all(|path| path.starts_with("/api/v3/")), "{paths:?}");
}

#[tokio::test]
async fn the_key_may_be_pkcs8_base64_or_have_its_line_ends_written_out() {
    let (pem, pem_8) = (Key::App.private_pem(), Key::App.private_pem_8());
    for key in [pem_8.clone(), STANDARD.encode(&pem), STANDARD.encode(pem_8), pem.replace('\n', "\\n")] {
        let github = github(|_| {}).await;
        github.expect_dispatches(1);
        let builder = with_app(FunctionsHost::relay(Mode::Payload, &github)).without("GITHUB_TOKEN");
        let host = builder.setting("GITHUB_APP_PRIVATE_KEY", &key).start().await;
        host.click(new_click()).await.assert_outcome(200, "dispatched");
    }
}

#[tokio::test]
async fn half_an_app_and_an_unusable_key_are_named_at_start_without_the_key() {
    let start = async |id: &str, key: &str| {
        let builder = FunctionsHost::builder(Mode::Payload).setting("GITHUB_APP_ID", id);
        let (status, output) = builder.setting("GITHUB_APP_PRIVATE_KEY", key).run_to_exit().await;
        assert!(!status.success(), "{output}");
        output
    };
    let output = start(APP_ID, "").await;
    assert!(output.contains("GITHUB_APP_ID is of no use without GITHUB_APP_PRIVATE_KEY"), "{output}");
    let output = start("", &Key::App.private_pem()).await;
    assert!(output.contains("GITHUB_APP_PRIVATE_KEY is of no use without GITHUB_APP_ID"), "{output}");
    let output = start("my app", "hunter2").await;
    assert!(output.contains("GITHUB_APP_ID must be") && output.contains("GITHUB_APP_PRIVATE_KEY must be"));
    assert!(!output.contains("hunter2") && !output.contains("my app"), "{output}");
    let output = start(APP_ID, &Key::Weak.private_pem()).await;
    assert!(output.contains("2048 bits"), "{output}");
}

#[tokio::test]
async fn thirty_two_clicks_at_once_ask_for_one_token() {
    let github = github(|desk| desk.delay = Duration::from_millis(300)).await;
    github.expect_dispatches(32);
    let host = host(&github).await;
    let clicks = (0..32).map(|_| host.click(new_click()));
    for answer in futures_util::future::join_all(clicks).await {
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    until("all are sent", async || github.dispatches().len() == 32).await;
    assert_eq!(calls(&github), [LOOK, GIVE]);
}

#[tokio::test]
async fn a_token_that_ends_soon_is_used_once() {
    let github = github(|desk| desk.life = TimeDelta::minutes(4)).await;
    github.expect_dispatches(2);
    let host = host(&github).await;
    for _ in 0..2 {
        host.click(new_click()).await.assert_outcome(200, "dispatched");
    }
    let given = calls(&github).iter().filter(|call| *call == GIVE).count();
    assert!(given >= 2, "{:?}", calls(&github));
    assert_eq!(calls(&github).iter().filter(|call| *call == LOOK).count(), 1);
}

#[tokio::test]
async fn a_revoked_token_is_replaced_once_and_the_event_sent_once() {
    let github = github(|_| {}).await;
    github.expect_dispatches(2);
    github.expect_refusals(1);
    let host = host(&github).await;
    host.click(new_click()).await.assert_outcome(200, "dispatched");
    github.desk(|desk| desk.tokens[0].is_revoked = true);
    host.click(new_click()).await.assert_outcome(200, "dispatched");
    assert_eq!(calls(&github), [LOOK, GIVE, GIVE]);
}

#[tokio::test]
async fn a_token_that_is_refused_again_is_told_and_not_tried_a_third_time() {
    let github = github(|_| {}).await;
    github.answer_with(github_error(401, "Bad credentials"));
    github.expect_dispatches(2);
    let host = host(&github).await;
    let sentence = host.click(new_click()).await.assert_outcome(424, "refused");
    assert!(sentence.contains("GitHub App's new token"), "{sentence}");
}

#[tokio::test]
async fn an_app_that_was_installed_a_second_time_is_found_again() {
    let github = github(|desk| desk.life = TimeDelta::minutes(4)).await;
    github.expect_dispatches(2);
    let host = host(&github).await;
    host.click(new_click()).await.assert_outcome(200, "dispatched");
    github.desk(|desk| desk.installations = vec![Installation::new(8, "octo/app")]);
    host.click(new_click()).await.assert_outcome(200, "dispatched");
    let calls = calls(&github);
    assert_eq!(calls[calls.len() - 2..], [LOOK, "POST /app/installations/8/access_tokens"]);
}

#[tokio::test]
async fn another_repository_has_an_installation_and_a_token_of_its_own() {
    let github = github(|desk| desk.installations.push(Installation::new(9, "octo/other"))).await;
    github.expect_dispatches(2);
    let builder = with_app(FunctionsHost::relay(Mode::Payload, &github)).without("GITHUB_TOKEN");
    let host = builder.setting("ALLOWED_REPOSITORIES", "octo/*").start().await;
    host.click(new_click()).await.assert_outcome(200, "dispatched");
    let other = host.click_with_query("&repository=octo/other").json(new_click());
    host.send(other).await.assert_outcome(200, "dispatched");
    let given = github.desk(|desk| desk.tokens.clone());
    assert_eq!(given[1].repository, "octo/other");
}

#[tokio::test]
async fn a_new_key_counts_after_a_restart() {
    let github = github(|desk| desk.keys = vec![Key::App, Key::Next]).await;
    github.expect_dispatches(1);
    let builder = with_app(FunctionsHost::relay(Mode::Payload, &github)).without("GITHUB_TOKEN");
    let host = builder.setting("GITHUB_APP_PRIVATE_KEY", &Key::Next.private_pem()).start().await;
    github.desk(|desk| desk.keys = vec![Key::Next]);
    host.click(new_click()).await.assert_outcome(200, "dispatched");
}

#[tokio::test]
async fn where_the_app_is_not_installed_nothing_is_recorded_and_it_is_asked_about_once() {
    let github = github(|desk| desk.installations.clear()).await;
    let host = host(&github).await;
    for _ in 0..2 {
        let told = host.click(new_click()).await.assert_outcome(424, "misconfigured");
        assert!(told.contains("GitHub App is not installed") && told.contains("GITHUB_TOKEN"), "{told}");
    }
    assert_eq!(calls(&github), [LOOK]);
}

#[tokio::test]
async fn a_vote_where_the_app_is_not_installed_decides_nothing() {
    let around = Surroundings::start().await;
    around.github.desk(|desk| desk.installations.clear());
    let host = with_app(around.host(Mode::Payload)).without("GITHUB_TOKEN").start().await;
    let id = around.ask_for_id(&host, ASKED).await;
    let page = host.send(Someone::alex().press(&id, "approve", "")).await.text();
    assert!(page.contains("GitHub App is not installed"), "{page}");
    assert_eq!(around.status(&host, &id).await["status"], "pending");
}

#[tokio::test]
async fn github_token_is_for_repositories_without_the_app_alone() {
    let github = github(|desk| desk.installations.clear()).await;
    github.expect_dispatches(1);
    click_beside_a_token(&github, 200, "dispatched").await;
}

#[tokio::test]
async fn a_suspended_app_is_not_gone_around_by_github_token() {
    let github = github(|desk| desk.installations[0].is_suspended = true).await;
    let sentence = click_beside_a_token(&github, 424, "refused").await;
    assert!(sentence.contains("suspended"), "{sentence}");
    github.take_only_token(TOKEN);
}

#[tokio::test]
async fn each_fault_of_the_app_has_its_sentence_and_nothing_is_sent() {
    let read_only = json!({"contents": "read", "metadata": "read"});
    let granted = click(|desk| desk.installations[0].permissions = read_only, 424, "refused").await;
    assert!(granted.contains("lacks Contents: write on octo/app"), "{granted}");
    let fast = click(|desk| desk.clock = TimeDelta::minutes(-10), 424, "refused").await;
    let slow = click(|desk| desk.clock = TimeDelta::minutes(20), 424, "refused").await;
    assert!(fast.contains("clock") && slow.contains("clock"), "{fast} {slow}");
    let key = click(|desk| desk.keys = vec![Key::Foreign], 424, "refused").await;
    assert!(key.contains("GITHUB_APP_PRIVATE_KEY"), "{key}");
    let moved = click(|desk| desk.renamed = vec!["octo/app".to_owned()], 424, "refused").await;
    assert!(moved.contains("renamed"), "{moved}");
}

#[tokio::test]
async fn an_unknown_app_id_is_told_as_such_even_beside_github_token() {
    let github = github(|_| {}).await;
    let builder = with_app(FunctionsHost::relay(Mode::Payload, &github));
    let host = builder.setting("GITHUB_APP_ID", "99").start().await;
    let sentence = host.click(new_click()).await.assert_outcome(424, "refused");
    assert!(sentence.contains("GITHUB_APP_ID"), "{sentence}");
}

#[tokio::test]
async fn a_decision_is_recorded_where_no_token_comes() {
    for instead in [html(503), html(201), ResponseTemplate::new(201).set_body_json(json!({"token": "a b"}))] {
        click(|desk| desk.instead = Some(instead), 200, "recorded").await;
    }
    click(|desk| desk.delay = Duration::from_secs(30), 200, "recorded").await;
}

#[tokio::test]
async fn the_checks_say_how_the_app_stands_and_give_out_no_token() {
    let look = async |change: fn(&mut AppDesk)| {
        let around = Surroundings::start().await;
        around.github.desk(change);
        let builder = with_app(around.host(Mode::Payload)).without("GITHUB_TOKEN");
        let host = builder.setting("APPROVERS", ALEX).start().await;
        let request = Someone::alex().browse(Request::get("/api/approvals/check?format=json"));
        let checks = host.send(request).await.json()["checks"].clone();
        assert!(around.github.desk(|desk| desk.tokens.is_empty()));
        let message = |name: &str| {
            let all = checks.as_array().expect("checks");
            let found = all.iter().find(|check| check["name"] == name).expect("it is there");
            format!(
                "{} {}",
                found["state"].as_str().expect("a state"),
                found["message"].as_str().expect("words")
            )
        };
        (message("github"), message("github:octo/app"))
    };
    let (app, repository) = look(|_| {}).await;
    assert!(app.starts_with("well") && repository.starts_with("well"), "{app} {repository}");
    assert!(repository.contains("Contents: write") && repository.contains("not tried"), "{repository}");
    let (_, repository) = look(|desk| desk.installations[0].permissions = json!({"contents": "read"})).await;
    assert!(repository.starts_with("wrong") && repository.contains("lacks Contents: write"), "{repository}");
    let (_, repository) = look(|desk| desk.installations[0].is_suspended = true).await;
    assert!(repository.starts_with("wrong") && repository.contains("suspended"), "{repository}");
    let (app, repository) = look(|desk| desk.installations.clear()).await;
    assert!(app.starts_with("well") && repository.contains("not installed"), "{app} {repository}");
    let (app, _) = look(|desk| desk.keys.clear()).await;
    assert!(app.starts_with("wrong") && app.contains("GITHUB_APP_PRIVATE_KEY"), "{app}");
}
