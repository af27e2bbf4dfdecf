//! Withdrawals: by the run that asked, by a person on the page, and by a newer run that takes the place of an earlier.

use serde_json::{Value, json};

use crate::{
    deployment::{Channel, Someone, Surroundings, page_of, text},
    functions_host::{FunctionsHost, Mode},
    http1::{Answer, Request},
    stores::Store,
    tokens::{ALEX_NAME, Token},
};

in_one_mode! {
    the_run_that_asked_withdraws_and_nobody_can_decide_any_more
    no_other_run_withdraws
    what_is_decided_stays_decided
    an_approver_withdraws_on_the_page_and_says_why
    whoever_may_not_decide_may_not_withdraw
    a_newer_run_takes_the_place_of_earlier_ones_of_its_kind
    runs_whose_workflow_nobody_knows_take_nobodys_place
    the_channel_hears_of_a_withdrawal_once
    a_public_repository_hears_no_names_of_who_withdrew
    a_vote_and_a_withdrawal_at_once_are_one_decision
}

const BODY: &str = r#"{"event_type":"go-live","rejected_event_type":"no-go","title":"Release 1.4.2"}"#;

impl FunctionsHost {
    /// A job withdraws.
    async fn withdraw_as(&self, job: &Token, id: &str) -> Answer {
        let request = Request::new("DELETE", &format!("/api/RequestApproval/{id}"));
        self.send(request.header("Authorization", &format!("Bearer {}", job.sign()))).await
    }
}

async fn opened(host: &FunctionsHost, job: &Token, body: &str) -> String {
    text(&host.ask_as(job, body).await.assert_opened()["id"])
}

async fn status_of(around: &Surroundings, host: &FunctionsHost, id: &str) -> Value {
    around.status(host, id).await["status"].clone()
}

// T35
async fn the_run_that_asked_withdraws_and_nobody_can_decide_any_more(mode: Mode) {
    let (around, host) = Surroundings::with_host(mode).await;
    around.github.expect_dispatches(0);
    let job = Token::of_job(&around.actions);
    let id = opened(&host, &job, BODY).await;

    // Another attempt of the run may, too; the second time changes nothing.
    for attempt in ["1", "2"] {
        let answer = host.withdraw_as(&job.clone().claim("run_attempt", attempt), &id).await;
        let item = answer.json();
        assert_eq!((answer.status, &item["status"]), (200, &json!("withdrawn")), "{item}");
        assert_eq!(
            (&item["delivery"], &item["performers"], &item["comment"]),
            (&json!("none"), &json!([]), &Value::Null)
        );
    }
    let alex = around.token_of(&Someone::alex());
    for verdict in ["approve", "reject"] {
        let sentence = host.vote(&alex, &id, verdict).await.assert_outcome(409, "conflict");
        assert!(sentence.contains("withdrawn"), "{sentence}");
    }
    let page = host.send(Someone::alex().get(&page_of(&id))).await.text();
    assert!(page.contains("Withdrawn by") && page.contains("the run that asked for it"), "{page}");
    assert!(!page.contains("name=\"verdict\""), "{page}");
    // The same request again is the same approval, withdrawn as it is.
    let again = host.ask_as(&job, BODY).await;
    assert_eq!((again.status, &again.json()["status"]), (200, &json!("withdrawn")));
}

// T35
async fn no_other_run_withdraws(mode: Mode) {
    let (around, host) = Surroundings::with_host(mode).await;
    let job = Token::of_job(&around.actions);
    let id = opened(&host, &job, BODY).await;

    host.withdraw_as(&job.clone().claim("run_id", "1"), &id).await.assert_outcome(403, "forbidden");
    host.withdraw_as(&job.clone().claim("repository_id", "1"), &id).await.assert_outcome(404, "unknown");
    host.withdraw_as(&job.clone().claim("event_name", "pull_request"), &id)
        .await
        .assert_outcome(403, "forbidden");
    host.withdraw_as(&job.clone().claim("aud", "https://other.example"), &id)
        .await
        .assert_outcome(401, "unauthenticated");
    host.withdraw_as(&job, "0").await.assert_outcome(404, "unknown");
    let without = host.send(Request::new("DELETE", "/api/RequestApproval")).await;
    assert_eq!(without.status, 405);
    assert_eq!(status_of(&around, &host, &id).await, "pending");
}

async fn what_is_decided_stays_decided(mode: Mode) {
    let (around, host) = Surroundings::with_host(mode).await;
    around.github.expect_dispatches(2);
    let (job, alex) = (Token::of_job(&around.actions), Someone::alex());
    for (verdict, ended) in [("approve", "approved"), ("reject", "rejected")] {
        let body =
            json!({"event_type": "go-live", "rejected_event_type": "no-go", "key": verdict}).to_string();
        let id = opened(&host, &job, &body).await;
        host.vote(&around.token_of(&alex), &id, verdict).await.assert_outcome(200, "dispatched");
        let sentence = host.withdraw_as(&job, &id).await.assert_outcome(409, "conflict");
        assert!(sentence.contains(ended) && sentence.contains("cannot be withdrawn"), "{sentence}");
        assert_eq!(host.send(alex.press(&id, "withdraw", "Too late")).await.status, 409);
        assert_eq!(status_of(&around, &host, &id).await, ended);
    }
}

async fn an_approver_withdraws_on_the_page_and_says_why(mode: Mode) {
    let (around, host) = Surroundings::with_host(mode).await;
    around.github.expect_dispatches(0);
    let (job, alex) = (Token::of_job(&around.actions), Someone::alex());
    let id = opened(&host, &job, BODY).await;

    for comment in ["", "  ", "\u{200b}", &"x".repeat(501)] {
        assert_eq!(host.send(alex.press(&id, "withdraw", comment)).await.status, 400, "{comment:?}");
    }
    assert_eq!(status_of(&around, &host, &id).await, "pending");
    host.click_as(&around.token_of(&alex), json!({"approval": id, "verdict": "withdraw"}).to_string())
        .await
        .assert_outcome(400, "invalid");

    let answer = host.send(alex.press(&id, "withdraw", "Wrong branch.")).await;
    let sentence = answer.assert_card_sentence();
    assert!(answer.status == 200 && sentence.starts_with("Withdrawn"), "{sentence}");
    let page = answer.text();
    for words in ["Withdrawn by", ALEX_NAME, "Wrong branch."] {
        assert!(page.contains(words), "{words} in {page}");
    }
    let again = host.send(alex.press(&id, "withdraw", "Again").header("Accept", "application/json")).await;
    again.assert_outcome(200, "already-decided");
    let item = around.status(&host, &id).await;
    assert_eq!((&item["status"], &item["comment"]), (&json!("withdrawn"), &json!("Wrong branch.")));
    let performer = &item["performers"][0];
    assert_eq!((&performer["verdict"], &performer["name"]), (&json!("withdraw"), &json!(ALEX_NAME)));
}

async fn whoever_may_not_decide_may_not_withdraw(mode: Mode) {
    let around = Surroundings::start().await;
    let host = around.host(mode).start().await;
    let body = json!({"event_type": "go-live", "approvers": [Someone::alex().object_id]}).to_string();
    let id = opened(&host, &Token::of_job(&around.actions), &body).await;

    let sam = Someone::number(1);
    assert_eq!(host.send(sam.press(&id, "withdraw", "Mine now")).await.status, 403);
    let page = host.send(sam.get(&page_of(&id))).await.text();
    assert!(!page.contains("Withdraw"), "{page}");
    let elsewhere = Someone::alex().press(&id, "withdraw", "x").header("Sec-Fetch-Site", "cross-site");
    assert_eq!(host.send(elsewhere).await.status, 403);
    assert_eq!(status_of(&around, &host, &id).await, "pending");
}

async fn a_newer_run_takes_the_place_of_earlier_ones_of_its_kind(mode: Mode) {
    let (around, channel) = (Surroundings::start().await, Channel::start().await);
    let host = around.host(mode).settings(channel.setting()).start().await;
    let run =
        |id: &str| Token::of_job(&around.actions).claim("run_id", id).claim("environment", "production");
    let kind = |event_type: &str, key: &str| {
        json!({"event_type": event_type, "key": key, "supersedes": true}).to_string()
    };
    let waits = json!({"key": "a", "supersedes": true}).to_string();

    let earlier = opened(&host, &run("99"), &kind("go-live", "a")).await;
    let staging = run("99").claim("environment", "staging");
    let others = [
        opened(&host, &run("99"), &kind("go-live", "b")).await,
        opened(&host, &run("99"), &kind("stop", "a")).await,
        opened(&host, &run("99"), &waits).await,
        opened(&host, &staging, &kind("go-live", "a")).await,
        opened(
            &host,
            &run("98").claim("workflow_ref", "octo/app/.github/workflows/other.yml@refs/heads/main"),
            &kind("go-live", "a"),
        )
        .await,
        opened(&host, &run("101"), &kind("go-live", "a")).await,
    ];
    // An earlier run takes nobody's place, and numbers are compared as numbers. Another ref of the file is the same file.
    let gone = status_of(&around, &host, &earlier).await;
    assert_eq!(gone, "withdrawn", "by run 101");
    let late = opened(
        &host,
        &run("100").claim("workflow_ref", "octo/app/.github/workflows/release.yml@refs/heads/old"),
        &kind("go-live", "a"),
    )
    .await;
    for id in others.iter().chain([&late]) {
        assert_eq!(status_of(&around, &host, id).await, "pending");
    }
    let page = host.send(Someone::alex().get(&page_of(&earlier))).await.text();
    assert!(page.contains("run 101, which takes its place"), "{page}");
    let modest = json!({"event_type": "go-live", "key": "a"}).to_string();
    opened(&host, &run("200"), &modest).await;
    assert_eq!(status_of(&around, &host, &late).await, "pending", "nobody asked to supersede");
    // A request that waits takes the place of one that waits.
    opened(&host, &run("200"), &waits).await;
    assert_eq!(status_of(&around, &host, &others[2]).await, "withdrawn");
    let answer = host.ask_as(&run("201"), r#"{"supersedes": "yes"}"#).await;
    assert!(answer.assert_outcome(400, "invalid").contains("supersedes"));
}

async fn runs_whose_workflow_nobody_knows_take_nobodys_place(mode: Mode) {
    let (around, host) = Surroundings::with_host(mode).await;
    let run = |id: &str| Token::of_job(&around.actions).claim("run_id", id);
    let body = json!({"event_type": "go-live", "supersedes": true}).to_string();
    let unknown = opened(&host, &run("1").without("workflow_ref"), &body).await;
    opened(&host, &run("2").without("workflow_ref"), &body).await;
    assert_eq!(status_of(&around, &host, &unknown).await, "pending");
    // Twenty digits are a number, too.
    let huge = opened(&host, &run("18446744073709551615"), &body).await;
    opened(&host, &run("18446744073709551616"), &body).await;
    assert_eq!(status_of(&around, &host, &huge).await, "withdrawn");
}

async fn the_channel_hears_of_a_withdrawal_once(mode: Mode) {
    let (around, channel) = (Surroundings::start().await, Channel::start().await);
    let host = around.host(mode).settings(channel.setting()).start().await;
    let job = Token::of_job(&around.actions);
    let id = opened(&host, &job, BODY).await;
    host.withdraw_as(&job, &id).await;
    host.withdraw_as(&job, &id).await;
    let cards = channel.until_cards(2).await;
    assert!(cards[1].to_string().contains("Withdrawn"), "{}", cards[1]);
    host.fire_timer("Deliver").await.expect("a sweep");
    assert_eq!(channel.cards().len(), 2);
}

// T10
async fn a_public_repository_hears_no_names_of_who_withdrew(mode: Mode) {
    let (around, host) = Surroundings::with_host(mode).await;
    let job = Token::of_job(&around.actions).claim("repository_visibility", "public");
    let id = opened(&host, &job, BODY).await;
    host.send(Someone::alex().press(&id, "withdraw", "Secret reason")).await;
    let item = host.status_as(&job, &id).await.text();
    assert!(item.contains("withdraw") && !item.contains(ALEX_NAME) && !item.contains("Secret"), "{item}");
    let again = host.ask_as(&job, BODY).await.text();
    assert!(
        again.contains("Withdrawn by") && !again.contains(ALEX_NAME) && !again.contains("Secret"),
        "{again}"
    );
}

async fn a_vote_and_a_withdrawal_at_once_are_one_decision(mode: Mode) {
    let (around, store) = (Surroundings::start().await, Store::folder());
    let hosts =
        [around.host(mode).store(&store).start().await, around.host(mode).store(&store).start().await];
    let (job, alex) = (Token::of_job(&around.actions), around.token_of(&Someone::alex()));
    let mut approved = 0_usize;
    for round in 0..10 {
        let body = json!({"event_type": "go-live", "key": round.to_string()}).to_string();
        let id = opened(&hosts[0], &job, &body).await;
        let (vote, taken_back) =
            tokio::join!(hosts[0].vote(&alex, &id, "approve"), hosts[1].withdraw_as(&job, &id));
        let status = status_of(&around, &hosts[0], &id).await;
        let expected = if status == "approved" { (200, 409) } else { (409, 200) };
        assert_eq!((vote.status, taken_back.status), expected, "{status}");
        approved += usize::from(status == "approved");
    }
    around.github.expect_dispatches(approved);
}
