//! Nobody approves their own (`SELF_APPROVAL`, `GITHUB_LOGINS`): those who started or re-ran the run.

use std::time::Duration;

use serde_json::{Value, json};
use wiremock::ResponseTemplate;

use crate::{
    deployment::{ASKED, Someone, Surroundings, page_of, text, vote_body},
    functions_host::{Builder, Mode},
    github::{github_error, permission_refused},
    stores::Store,
    tokens::{ALEX, ALEX_UPN, Token},
};

in_one_mode! {
    who_started_the_run_rejects_and_does_not_approve
    who_re_ran_it_cannot_approve_either_and_github_is_asked_once
    a_job_whose_people_are_not_known_may_not_ask
    a_bot_may_start_runs_and_anybody_approves_them
}

/// A host where octocat is Alex, and nobody approves their own.
fn denying(around: &Surroundings, mode: Mode) -> Builder {
    let logins = format!("OctoCat={ALEX},octocat={ALEX_UPN},hubot={}", Someone::number(1).object_id);
    around.host(mode).setting("SELF_APPROVAL", "deny").setting("GITHUB_LOGINS", &logins)
}

// T40
async fn who_started_the_run_rejects_and_does_not_approve(mode: Mode) {
    let around = Surroundings::start().await;
    around.github.expect_dispatches(1);
    let host = denying(&around, mode).start().await;
    let (alex, sam) = (Someone::alex(), Someone::number(2));

    let id = around.ask_for_id(&host, ASKED).await;
    let refused = host.vote(&around.token_of(&alex), &id, "approve").await;
    let sentence = refused.assert_outcome(403, "forbidden");
    assert!(sentence.contains("you started or re-ran this run"), "{sentence}");
    let page = host.send(alex.get(&page_of(&id))).await.text();
    assert!(page.contains("You can reject this, but not approve it: you started"), "{page}");
    assert!(page.contains(r#"value="reject""#) && !page.contains(r#"value="approve""#), "{page}");
    let pressed = host.send(alex.press(&id, "approve", "")).await;
    assert!(pressed.status == 403 && pressed.text().contains("you started or re-ran"), "{}", pressed.text());
    assert_eq!(around.status(&host, &id).await["status"], "pending");

    let page = host.send(sam.get(&page_of(&id))).await.text();
    assert!(page.contains(r#"value="approve""#) && !page.contains("not approve it"), "{page}");
    host.vote(&around.token_of(&sam), &id, "approve").await.assert_outcome(200, "dispatched");

    let id = around.ask_for_id(&host, ASKED).await;
    host.vote(&around.token_of(&alex), &id, "reject").await.assert_outcome(200, "rejected");
}

// T40
async fn who_re_ran_it_cannot_approve_either_and_github_is_asked_once(mode: Mode) {
    let (around, store) = (Surroundings::start().await, Store::folder());
    around.github.expect_dispatches(1);
    let host = denying(&around, mode).store(&store).start().await;
    let job = Token::of_job(&around.actions).claim("run_id", "4711").claim("run_attempt", "2");
    around.github.know_attempt("4711", "2", "Hubot");

    let id = text(&host.ask_as(&job, ASKED).await.assert_opened()["id"]);
    assert_eq!(text(&host.ask_as(&job, ASKED).await.json()["id"]), id);
    assert_eq!(around.github.origin_calls(), ["actions/runs/4711/attempts/2"]);
    drop(host);
    // It is on record: no vote has to ask.
    let host = denying(&around, mode).store(&store).start().await;
    for own in [Someone::alex(), Someone::number(1)] {
        let refused = host.vote(&around.token_of(&own), &id, "approve").await;
        let sentence = refused.assert_outcome(403, "forbidden");
        assert!(sentence.contains("you started or re-ran"), "{sentence}");
    }
    host.vote(&around.token_of(&Someone::number(2)), &id, "approve").await.assert_outcome(200, "dispatched");
    assert_eq!(around.github.origin_calls().len(), 1);
}

// T40
async fn a_job_whose_people_are_not_known_may_not_ask(mode: Mode) {
    let around = Surroundings::start().await;
    let host = denying(&around, mode).start().await;
    let job = || Token::of_job(&around.actions);

    let stranger = host.ask_as(&job().claim("actor", "stranger"), ASKED).await;
    let sentence = stranger.assert_outcome(403, "forbidden");
    assert!(sentence.contains("stranger") && sentence.contains("GITHUB_LOGINS"), "{sentence}");
    host.ask_as(&job().claim("actor", "github-actions[bot]"), ASKED).await.assert_outcome(403, "forbidden");
    let alone = json!({"event_type": "go-live", "approvers": [ALEX, ALEX_UPN]}).to_string();
    let sentence = host.ask_as(&job(), &alone).await.assert_outcome(400, "invalid");
    assert!(sentence.contains("besides those who started"), "{sentence}");
    assert_eq!(around.github.origin_calls(), [""; 0], "nothing of this needs GitHub");

    let rerun = |attempt: &str| job().claim("run_id", "4711").claim("run_attempt", attempt);
    around.github.know_attempt("4711", "2", "stranger");
    let sentence = host.ask_as(&rerun("2"), ASKED).await.assert_outcome(403, "forbidden");
    assert!(sentence.contains("stranger"), "{sentence}");
    for answer in [None, Some(permission_refused("actions=read")), Some(github_error(404, "Not Found"))] {
        around.github.answer_about_origin(answer);
        let sentence = host.ask_as(&rerun("3"), ASKED).await.assert_outcome(403, "forbidden");
        assert!(sentence.contains("Actions: read"), "{sentence}");
    }
    let late = ResponseTemplate::new(200).set_delay(Duration::from_secs(20));
    for answer in
        [github_error(503, "Server Error"), late, ResponseTemplate::new(200).set_body_json(json!({}))]
    {
        around.github.answer_about_origin(Some(answer));
        let sentence = host.ask_as(&rerun("3"), ASKED).await.assert_outcome(424, "unavailable");
        assert!(
            sentence.contains("GitHub could not be asked") && sentence.contains("Ask again"),
            "{sentence}"
        );
    }
    around.github.answer_about_origin(None);
    around.github.know_attempt("4711", "3", "hubot");
    host.ask_as(&rerun("3"), ASKED).await.assert_opened();
}

async fn a_bot_may_start_runs_and_anybody_approves_them(mode: Mode) {
    let around = Surroundings::start().await;
    around.github.expect_dispatches(1);
    let host =
        around.host(mode).setting("SELF_APPROVAL", "deny").setting("GITHUB_LOGINS", "renovate[bot]=none");
    let host = host.start().await;
    let job = Token::of_job(&around.actions).claim("actor", "renovate[bot]");
    let id = text(&host.ask_as(&job, ASKED).await.assert_opened()["id"]);
    host.vote(&around.token_of(&Someone::alex()), &id, "approve").await.assert_outcome(200, "dispatched");
}

/// Settings of now hold for what was asked and voted on before.
// T40
#[tokio::test]
async fn what_was_asked_and_voted_on_before_is_held_to_the_accounts_of_now() {
    let (around, store) = (Surroundings::start().await, Store::folder());
    around.github.expect_dispatches(1);
    let before = around.host(Mode::Payload).store(&store).start().await;
    let two = r#"{"event_type":"go-live","approvals_required":2}"#;
    let id = around.ask_for_id(&before, two).await;
    let job = Token::of_job(&around.actions);
    let rerun = text(&before.ask_as(&job.claim("run_attempt", "2"), two).await.assert_opened()["id"]);
    let (alex, sam, kim) = (Someone::alex(), Someone::number(1), Someone::number(2));
    before.vote(&around.token_of(&alex), &id, "approve").await.assert_outcome(200, "counted");
    drop(before);

    let now = denying(&around, Mode::Payload).store(&store).start().await;
    assert_eq!(around.status(&now, &id).await["performers"], json!([]));
    let sentence = now.vote(&around.token_of(&sam), &id, "approve").await.assert_outcome(200, "counted");
    assert!(sentence.contains("1 of 2"), "{sentence}");
    now.vote(&around.token_of(&kim), &id, "approve").await.assert_outcome(200, "dispatched");
    let sent: Value = serde_json::from_str(around.github.only_dispatch().client_payload()).expect("JSON");
    assert_eq!(sent["approval"]["performers"].as_array().map(Vec::len), Some(2));
    // Nobody asked then for the account of the re-run.
    let sentence = now.vote(&around.token_of(&kim), &rerun, "approve").await.assert_outcome(403, "forbidden");
    assert!(sentence.contains("who re-ran it is not on record"), "{sentence}");
    now.vote(&around.token_of(&kim), &rerun, "reject").await.assert_outcome(200, "rejected");
    drop(now);

    let renamed = around.host(Mode::Payload).store(&store).setting("SELF_APPROVAL", "deny");
    let renamed = renamed.setting("GITHUB_LOGINS", "cat=alex@contoso.com").start().await;
    let sentence =
        renamed.vote(&around.token_of(&kim), &id, "approve").await.assert_outcome(403, "forbidden");
    assert!(sentence.contains("is not in GITHUB_LOGINS"), "{sentence}");
}

// T40
#[tokio::test]
async fn who_cannot_be_told_from_the_starter_does_not_approve() {
    let around = Surroundings::start().await;
    let listed = format!("octocat={ALEX_UPN}");
    let host = around.host(Mode::Payload).setting("SELF_APPROVAL", "deny").setting("GITHUB_LOGINS", &listed);
    let host = host.setting("REQUIRE_IDENTITY", "false").start().await;
    let id = around.ask_for_id(&host, ASKED).await;
    let token = Token::good(crate::authority::Version::Two, &around.authority);
    let nameless = token.claim("oid", ALEX).without("preferred_username").sign();
    let sentence = host.vote(&nameless, &id, "approve").await.assert_outcome(403, "forbidden");
    assert!(sentence.contains("yours is not known"), "{sentence}");
    let sentence = host.click(vote_body(&id, "approve", "")).await.assert_outcome(403, "forbidden");
    assert!(sentence.contains("you do not say who you are"), "{sentence}");
    host.click(vote_body(&id, "reject", "")).await.assert_outcome(200, "rejected");
}
