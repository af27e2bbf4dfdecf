//! The answers to a repository's jobs follow its visibility, as the newest token says it: names and comments leave for
//! private repositories alone.

use serde_json::{Value, json};

use crate::{
    deployment::{ASKED, Channel, Someone, Surroundings, page_of, text, vote_body},
    functions_host::{Builder, FunctionsHost, Mode},
    github::github_error,
    stores::Store,
    tokens::{ALEX, ALEX_NAME, Token, in_seconds},
};

/// The comment that Alex writes beside the vote.
const COMMENT: &str = "a word for colleagues";

/// A token of a repository of this visibility, issued so many seconds ago.
fn said(around: &Surroundings, visibility: &str, seconds_ago: i64) -> Token {
    let job = Token::of_job(&around.actions);
    job.claim("repository_visibility", visibility).claim("iat", in_seconds(-seconds_ago))
}

fn in_folder(around: &Surroundings, store: &Store) -> Builder {
    around.host(Mode::Payload).store(store)
}

async fn ask(host: &FunctionsHost, job: &Token) -> String {
    text(&host.ask_as(job, ASKED).await.assert_opened()["id"])
}

/// Alex approves, and GitHub hears of it.
async fn approve(around: &Surroundings, host: &FunctionsHost, id: &str) {
    let alex = around.token_of(&Someone::alex());
    host.click_as(&alex, vote_body(id, "approve", COMMENT)).await.assert_outcome(200, "dispatched");
}

/// True if a text has the names and comments in it; it always has the object id.
fn has_names(text: &str) -> bool {
    assert!(text.contains(ALEX), "{text}");
    assert_eq!(text.contains(ALEX_NAME), text.contains(COMMENT), "{text}");
    text.contains(ALEX_NAME)
}

/// True if the dispatch that came has names.
fn sent_names(around: &Surroundings) -> bool {
    has_names(around.github.only_dispatch().client_payload())
}

// T10
#[tokio::test]
async fn what_became_public_before_the_decision_gets_no_names() {
    let (around, channel) = (Surroundings::start().await, Channel::start().await);
    around.github.expect_dispatches(1);
    let host = around.host(Mode::Payload).settings(channel.setting()).start().await;
    let id = ask(&host, &said(&around, "private", 60)).await;
    let public = said(&around, "public", 30);
    assert_eq!(host.status_as(&public, &id).await.status, 200);

    approve(&around, &host, &id).await;

    assert!(!sent_names(&around));
    assert!(!has_names(&host.status_as(&public, &id).await.text()));
    let page = host.send(Someone::alex().get(&page_of(&id))).await.text();
    assert!(page.contains(ALEX_NAME) && page.contains(COMMENT), "approvers see both");
    let card = channel.until_cards(2).await.pop().expect("the result").to_string();
    assert!(card.contains(ALEX_NAME), "and the channel who decided: {card}");
}

#[tokio::test]
async fn what_became_private_gets_names() {
    for visibility in ["private", "internal"] {
        let around = Surroundings::start().await;
        around.github.expect_dispatches(1);
        let host = around.host(Mode::Payload).start().await;
        let id = ask(&host, &said(&around, "public", 60)).await;
        let job = said(&around, visibility, 30);
        assert_eq!(host.status_as(&job, &id).await.status, 200);

        approve(&around, &host, &id).await;

        assert!(sent_names(&around));
        assert!(has_names(&host.status_as(&job, &id).await.text()));
    }
}

#[tokio::test]
async fn an_older_token_changes_nothing() {
    for (newest, older) in [("private", "public"), ("public", "private")] {
        let around = Surroundings::start().await;
        around.github.expect_dispatches(1);
        let host = around.host(Mode::Payload).start().await;
        let id = ask(&host, &said(&around, newest, 30)).await;
        let older = said(&around, older, 90);
        assert_eq!(host.status_as(&older, &id).await.status, 200);

        approve(&around, &host, &id).await;

        assert_eq!(sent_names(&around), newest == "private");
        // Not even for the person who brings it.
        assert_eq!(has_names(&host.status_as(&older, &id).await.text()), newest == "private");
    }
}

#[tokio::test]
async fn another_instance_knows_of_it() {
    let (around, store) = (Surroundings::start().await, Store::folder());
    around.github.expect_dispatches(1);
    let one = in_folder(&around, &store).start().await;
    let id = ask(&one, &said(&around, "private", 60)).await;
    let other = in_folder(&around, &store).start().await;
    assert_eq!(other.status_as(&said(&around, "public", 30), &id).await.status, 200);
    drop(other);

    approve(&around, &one, &id).await;

    assert!(!sent_names(&around));
    assert!(!has_names(&one.status_as(&said(&around, "private", 61), &id).await.text()));
}

#[tokio::test]
async fn what_became_public_after_the_decision_and_before_the_delivery_gets_no_names() {
    let around = Surroundings::start().await;
    around.github.expect_dispatches(2);
    let host = around.host(Mode::Payload).start().await;
    let id = ask(&host, &said(&around, "private", 60)).await;
    around.github.answer_with(github_error(503, "Server Error"));
    let alex = around.token_of(&Someone::alex());
    let vote = vote_body(&id, "approve", COMMENT);
    host.click_as(&alex, vote.as_str()).await.assert_outcome(200, "recorded");
    assert_eq!(host.status_as(&said(&around, "public", 30), &id).await.status, 200);
    around.github.answer_as_github();

    host.click_as(&alex, vote).await.assert_outcome(200, "dispatched");

    let sent: Vec<_> =
        around.github.dispatches().iter().map(|sent| has_names(sent.client_payload())).collect();
    assert_eq!(sent, [true, false]);
}

#[tokio::test]
async fn another_repository_s_visibility_is_its_own() {
    let around = Surroundings::start().await;
    around.github.expect_dispatches(1);
    let host = around.host(Mode::Payload).setting("ALLOWED_REPOSITORIES", "octo/*").start().await;
    let id = ask(&host, &said(&around, "private", 60)).await;
    let other =
        said(&around, "public", 30).claim("repository", "octo/other").claim("repository_id", "12345678");
    ask(&host, &other).await;
    assert_eq!(host.status_as(&other, &id).await.status, 404);

    approve(&around, &host, &id).await;

    assert!(sent_names(&around));
}

// T10
#[tokio::test]
async fn a_public_repository_s_job_gets_no_mail_card_and_no_key() {
    let around = Surroundings::start().await;
    let with_mail = || {
        let host = around.host(Mode::Payload);
        host.setting("MAIL_ORIGINATOR", "c7a1f2d0-0000-4000-8000-000000000001")
            .setting("APPROVE_URL", "https://approve.example/api/ApproveRelease?code=aKeyThatNobodyMaySee")
    };
    let host = with_mail().start().await;
    let private = said(&around, "private", 90);
    let asked = host.ask_as(&private, ASKED).await;
    assert!(asked.text().contains("aKeyThatNobodyMaySee") && asked.json()["mail_card"].is_object());

    // The same job again, once it is public; and another one.
    for job in [private.clone().claim("iat", in_seconds(-30)), said(&around, "public", 20)] {
        let job = job.claim("repository_visibility", "public");
        let asked = host.ask_as(&job, ASKED).await;
        assert_eq!(asked.json()["mail_card"], Value::Null);
        let seen = host.status_as(&job, &text(&asked.json()["id"])).await;
        for answer in [&asked, &seen] {
            assert!(!answer.text().contains("aKeyThatNobodyMaySee"), "{}", answer.text());
        }
    }
    // A token of before, and one of a repository that does not say what it is.
    let silent = said(&around, "", 10).without("repository_visibility");
    for job in [private, silent] {
        let asked = host.ask_as(&job, ASKED).await;
        assert!(!asked.text().contains("aKeyThatNobodyMaySee"), "{}", asked.text());
    }
}

#[tokio::test]
async fn what_is_refused_writes_nothing() {
    let (around, store) = (Surroundings::start().await, Store::folder());
    let host = in_folder(&around, &store).start().await;
    let public = said(&around, "public", 30);
    for (job, body) in [
        (public.clone().claim("repository", "octo/other").claim("repository_id", "9"), ASKED),
        (public.clone(), r#"{"event_type":"go-live","evnt":1}"#),
        (public.clone(), "{"),
        (public.clone(), r#"{"event_type":"release-approved"}"#),
        (public.clone().claim("event_name", "pull_request"), ASKED),
        (public.clone().claim("event_name", "pull_request_review"), ASKED),
        (public.clone().claim("ref", "refs/pull/1/merge"), ASKED),
        (public.clone().claim("exp", in_seconds(-600)), ASKED),
    ] {
        let answer = host.ask_as(&job, body).await;
        assert!([400, 401, 403].contains(&answer.status), "{}", answer.text());
        let unknown = format!("{:044x}", 7);
        assert_ne!(host.status_as(&job, &unknown).await.status, 200);
    }
    assert_eq!(store.objects().await, [""; 0]);
    let id = ask(&host, &public).await;
    let before = store.objects_with_changes().await;
    // Nobody but the repository's own jobs says what it is.
    let other = said(&around, "private", 10).claim("repository_id", "9");
    host.status_as(&other, &id).await.assert_outcome(404, "unknown");
    let pull_request = said(&around, "private", 10).claim("event_name", "pull_request");
    host.status_as(&pull_request, &id).await.assert_outcome(403, "forbidden");
    assert_eq!(store.objects().await, before);
    assert_eq!(json!(around.status(&host, &id).await["status"]), "pending");
}
