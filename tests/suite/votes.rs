//! Votes on requested approvals, through mail and page: who may, how many it takes, and what each is answered.

use serde_json::{Value, json};

use crate::{
    deployment::{ASKED, Someone, Surroundings, vote_body},
    functions_host::{FunctionsHost, Mode},
    github::github_error,
    relay::CLICK,
    stores::Store,
    tokens::{ALEX, ALEX_UPN, Token},
};

in_one_mode! {
    one_approve_decides_and_every_other_click_hears_of_it
    a_reject_decides_and_sends_nothing_unless_it_was_asked_for
    a_rejection_is_sent_where_it_was_asked_for
    a_rejection_carries_what_everybody_said
    two_of_three_are_needed_and_each_counts_once
    one_reject_rejects_also_of_somebody_who_approved
    only_approvers_of_the_deployment_and_of_the_request_decide
    an_unknown_approval_is_unknown_whatever_its_id_looks_like
    a_relay_cannot_send_what_a_request_guards
    without_a_token_for_github_nothing_is_decided
    in_a_dry_run_nothing_is_sent
    without_an_event_the_waiting_job_reads_the_decision
    a_dry_run_gives_a_waiting_job_no_approval
    the_largest_decision_fits_into_githubs_limit
    a_given_up_dispatch_is_sent_by_another_click
}

async fn one_approve_decides_and_every_other_click_hears_of_it(mode: Mode) {
    let (around, host) = Surroundings::with_host(mode).await;
    around.github.expect_dispatches(1);
    let id = around.ask_for_id(&host, ASKED).await;
    let (alex, sam) = (around.token_of(&Someone::alex()), around.token_of(&Someone::number(1)));

    let sentence = host.vote(&alex, &id, "approve").await.assert_outcome(200, "dispatched");
    assert!(sentence.contains("go-live"), "{sentence}");
    host.vote(&alex, &id, "approve").await.assert_outcome(200, "already-decided");
    host.vote(&sam, &id, "approve").await.assert_outcome(200, "already-decided");
    host.vote(&sam, &id, "reject").await.assert_outcome(409, "conflict");
}

async fn a_reject_decides_and_sends_nothing_unless_it_was_asked_for(mode: Mode) {
    let (around, host) = Surroundings::with_host(mode).await;
    let id = around.ask_for_id(&host, ASKED).await;
    let alex = around.token_of(&Someone::alex());

    let vote = vote_body(&id, "reject", "Not on a Friday.");
    host.click_as(&alex, vote.as_str()).await.assert_outcome(200, "rejected");
    host.click_as(&alex, vote).await.assert_outcome(200, "already-decided");
    host.vote(&alex, &id, "approve").await.assert_outcome(409, "conflict");
    let seen = around.status(&host, &id).await;
    assert_eq!((&seen["status"], &seen["delivery"]), (&json!("rejected"), &json!("none")));
    assert_eq!(seen["performers"][0]["comment"], "Not on a Friday.");
}

const REJECTABLE: &str = r#"{"event_type":"go-live","rejected_event_type":"no-go","approvals_required":2}"#;

async fn a_rejection_is_sent_where_it_was_asked_for(mode: Mode) {
    let (around, host) = Surroundings::with_host(mode).await;
    around.github.expect_dispatches(1);
    let id = around.ask_for_id(&host, REJECTABLE).await;
    let alex = around.token_of(&Someone::alex());

    host.vote(&alex, &id, "reject").await.assert_outcome(200, "dispatched");
    host.vote(&alex, &id, "reject").await.assert_outcome(200, "already-decided");
    assert_eq!(around.github.only_dispatch().event_type(), "no-go");
}

async fn a_rejection_carries_what_everybody_said(mode: Mode) {
    let (around, host) = Surroundings::with_host(mode).await;
    around.github.expect_dispatches(1);
    let id = around.ask_for_id(&host, REJECTABLE).await;

    host.vote(&around.token_of(&Someone::alex()), &id, "approve").await.assert_outcome(200, "counted");
    let sam = around.token_of(&Someone::number(1));
    host.click_as(&sam, vote_body(&id, "reject", "no \"quotes\"\nhere"))
        .await
        .assert_outcome(200, "dispatched");

    let sent: Value = serde_json::from_str(around.github.only_dispatch().client_payload()).expect("JSON");
    let said: Vec<_> = sent["approval"]["performers"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|performer| {
            (
                performer["name"].as_str().unwrap(),
                performer["verdict"].as_str().unwrap(),
                performer["comment"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(said, [("Alex Wilber", "approve", ""), ("Person 1", "reject", "no \"quotes\"\nhere")]);
    assert_eq!(sent["approval"]["verdict"], "rejected");
}

// T18
async fn two_of_three_are_needed_and_each_counts_once(mode: Mode) {
    let (around, host) = Surroundings::with_host(mode).await;
    around.github.expect_dispatches(1);
    let id = around.ask_for_id(&host, r#"{"event_type":"go-live","approvals_required":2}"#).await;
    let (alex, sam) = (around.token_of(&Someone::alex()), around.token_of(&Someone::number(1)));

    for _ in 0..3 {
        let sentence = host.vote(&alex, &id, "approve").await.assert_outcome(200, "counted");
        assert!(sentence.contains("1 of 2"), "{sentence}");
    }
    assert_eq!(around.status(&host, &id).await["status"], "pending");
    host.vote(&sam, &id, "approve").await.assert_outcome(200, "dispatched");
    let seen = around.status(&host, &id).await;
    assert_eq!(seen["performers"].as_array().map(Vec::len), Some(2), "{seen}");
}

async fn one_reject_rejects_also_of_somebody_who_approved(mode: Mode) {
    let (around, host) = Surroundings::with_host(mode).await;
    let id = around.ask_for_id(&host, r#"{"event_type":"go-live","approvals_required":2}"#).await;
    let alex = around.token_of(&Someone::alex());

    host.vote(&alex, &id, "approve").await.assert_outcome(200, "counted");
    host.vote(&alex, &id, "reject").await.assert_outcome(200, "rejected");
    host.vote(&around.token_of(&Someone::number(1)), &id, "approve").await.assert_outcome(409, "conflict");
}

async fn only_approvers_of_the_deployment_and_of_the_request_decide(mode: Mode) {
    let (around, store) = (Surroundings::start().await, Store::folder());
    around.github.expect_dispatches(1);
    let sam = Someone::number(1);
    let host = around.host(mode).setting("APPROVERS", &format!("{ALEX_UPN},{}", sam.object_id));
    let host = host.store(&store).start().await;
    let id = around
        .ask_for_id(&host, &json!({"event_type": "go-live", "approvers": [ALEX_UPN]}).to_string())
        .await;
    let before = store.objects_with_changes().await;

    for person in [sam, Someone::number(2)] {
        for verdict in ["approve", "reject"] {
            host.vote(&around.token_of(&person), &id, verdict).await.assert_outcome(403, "forbidden");
            assert_eq!(host.send(person.press(&id, verdict, "")).await.status, 403);
        }
    }
    assert_eq!(store.objects().await, before);
    host.vote(&around.token_of(&Someone::alex()), &id, "approve").await.assert_outcome(200, "dispatched");
}

async fn an_unknown_approval_is_unknown_whatever_its_id_looks_like(mode: Mode) {
    let (around, host) = Surroundings::with_host(mode).await;
    let alex = around.token_of(&Someone::alex());

    for id in ["", "x", "../pending", &"0".repeat(44), &"é".repeat(22), &"0".repeat(5000)] {
        host.vote(&alex, id, "approve").await.assert_outcome(404, "unknown");
    }
}

// T4
async fn a_relay_cannot_send_what_a_request_guards(mode: Mode) {
    let (around, host) = Surroundings::with_host(mode).await;
    let id = around.ask_for_id(&host, ASKED).await;
    let alex = around.token_of(&Someone::alex());

    host.click_as(&alex, r#"{"event_type":"go-live","client_payload":{}}"#)
        .await
        .assert_outcome(403, "forbidden");
    let forged = json!({"event_type": "release-approved", "client_payload": {"approval": {"id": id}}});
    host.click_as(&alex, forged.to_string()).await.assert_outcome(400, "invalid");
    let mixed = json!({"event_type": "release-approved", "approval": id, "verdict": "approve"});
    host.click_as(&alex, mixed.to_string()).await.assert_outcome(400, "invalid");
    assert_eq!(around.status(&host, &id).await["status"], "pending");
}

async fn without_a_token_for_github_nothing_is_decided(mode: Mode) {
    let around = Surroundings::start().await;
    let host = around.host(mode).without("GITHUB_TOKEN").start().await;
    let id = around.ask_for_id(&host, ASKED).await;

    host.vote(&around.token_of(&Someone::alex()), &id, "approve").await.assert_outcome(424, "misconfigured");
    assert_eq!(around.status(&host, &id).await["performers"], json!([]));
}

async fn in_a_dry_run_nothing_is_sent(mode: Mode) {
    let around = Surroundings::start().await;
    let host = around.host(mode).setting("DRY_RUN", "true").start().await;
    let id = around.ask_for_id(&host, ASKED).await;
    let alex = around.token_of(&Someone::alex());

    host.vote(&alex, &id, "approve").await.assert_outcome(200, "dry-run");
    host.vote(&alex, &id, "approve").await.assert_outcome(200, "already-decided");
    let seen = around.status(&host, &id).await;
    assert_eq!((&seen["status"], &seen["delivery"]), (&json!("dry-run"), &json!("none")));
    assert_eq!(seen["dry_run"], true, "nothing may take it for an approval");
    host.click_as(&alex, CLICK).await.assert_outcome(200, "dry-run");
}

const WAITS: &str = r#"{"client_payload":{"version":"1.4.2"},"approvals_required":2}"#;

async fn without_an_event_the_waiting_job_reads_the_decision(mode: Mode) {
    let around = Surroundings::start().await;
    // Nothing is sent to GitHub, so nothing is needed to send it with.
    let host = around.host(mode).without("GITHUB_TOKEN").start().await;
    let (alex, sam) = (around.token_of(&Someone::alex()), around.token_of(&Someone::number(1)));
    let id = around.ask_for_id(&host, WAITS).await;

    host.vote(&alex, &id, "approve").await.assert_outcome(200, "counted");
    let sentence = host.vote(&sam, &id, "approve").await.assert_outcome(200, "approved");
    assert!(sentence.contains("octo/app") && sentence.contains("waiting job goes on"), "{sentence}");
    let sentence = host.vote(&alex, &id, "approve").await.assert_outcome(200, "already-decided");
    assert!(sentence.contains("approved"), "{sentence}");
    host.vote(&alex, &id, "reject").await.assert_outcome(409, "conflict");
    let seen = around.status(&host, &id).await;
    assert_eq!((&seen["status"], &seen["delivery"]), (&json!("approved"), &json!("none")));
    assert_eq!((&seen["event_type"], &seen["client_payload"]["version"]), (&Value::Null, &json!("1.4.2")));

    let rejected = around.ask_for_id(&host, r#"{"key":"2"}"#).await;
    host.vote(&alex, &rejected, "reject").await.assert_outcome(200, "rejected");
    assert_eq!(around.status(&host, &rejected).await["status"], "rejected");
}

async fn a_dry_run_gives_a_waiting_job_no_approval(mode: Mode) {
    let around = Surroundings::start().await;
    let host = around.host(mode).setting("DRY_RUN", "true").without("GITHUB_TOKEN").start().await;
    let alex = around.token_of(&Someone::alex());
    let id = around.ask_for_id(&host, "{}").await;

    host.vote(&alex, &id, "approve").await.assert_outcome(200, "dry-run");
    host.vote(&alex, &id, "approve").await.assert_outcome(200, "already-decided");
    assert_eq!(around.status(&host, &id).await["status"], "dry-run");
}

async fn the_largest_decision_fits_into_githubs_limit(mode: Mode) {
    let around = Surroundings::start().await;
    let host = around.host(mode).start().await;
    decide_on_the_largest(&around, &host, "\u{1F680}".repeat(255)).await;
}

/// The name of the rule is in it to the letter, beside the longest of everything else.
#[tokio::test]
async fn the_largest_decision_by_a_rule_fits_too() {
    let (around, git_ref) = (Surroundings::start().await, format!("refs/heads/{}", "\u{1F680}".repeat(244)));
    let rule = "r".repeat(64);
    let rules = json!([{"name": rule, "repositories": ["octo/*"], "refs": [git_ref]}]);
    let host = around.host(Mode::Payload).setting("POLICY", &rules.to_string()).start().await;
    decide_on_the_largest(&around, &host, git_ref).await;
    let sent: Value = serde_json::from_str(around.github.only_dispatch().client_payload()).expect("JSON");
    assert_eq!(sent["approval"]["policy"], json!({"name": rule}));
    assert_eq!(sent["approval"]["performers"].as_array().map(Vec::len), Some(10));
}

async fn decide_on_the_largest(around: &Surroundings, host: &FunctionsHost, git_ref: String) {
    around.github.expect_dispatches(1);
    let payload = format!(r#"{{"x":"{}"}}"#, "x".repeat(32_000 - 8));
    let event_type = "\u{1F680}".repeat(100);
    let body =
        format!(r#"{{"event_type":"{event_type}","client_payload":{payload},"approvals_required":10}}"#);
    let job = Token::of_job(&around.actions)
        .claim("ref", git_ref)
        .claim("actor", "\u{1F680}".repeat(255))
        .claim("sha", "f".repeat(64));
    let id = host.ask_as(&job, &body).await.json()["id"].as_str().expect("an id").to_owned();

    for number in 0..10 {
        let mut person = Someone::number(number);
        person.name = "\u{1F680}".repeat(500);
        let comment = "\u{1F680}\"\\\u{1}".repeat(125);
        let answer = host.click_as(&around.token_of(&person), vote_body(&id, "approve", &comment)).await;
        answer.assert_outcome(200, if number < 9 { "counted" } else { "dispatched" });
    }
    assert!(around.github.only_dispatch().body.len() < 64_000);
}

async fn a_given_up_dispatch_is_sent_by_another_click(mode: Mode) {
    let (around, host) = Surroundings::with_host(mode).await;
    around.github.expect_dispatches(2);
    let id = around.ask_for_id(&host, ASKED).await;
    let alex = around.token_of(&Someone::alex());

    around.github.answer_with(github_error(422, "Nobody knows."));
    host.vote(&alex, &id, "approve").await.assert_outcome(424, "refused");
    assert_eq!(around.status(&host, &id).await["delivery"], "dead");
    let page = host.send(Someone::alex().get(&format!("/api/approvals/{id}"))).await.text();
    assert!(page.contains("Send again"), "{page}");
    around.github.answer_as_github();
    let answer = host.send(Someone::alex().press(&id, "approve", "")).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(around.status(&host, &id).await["delivery"], "delivered");
}

in_every_lasting_store! {
    of_three_who_approve_at_once_two_decide_and_it_is_dispatched_once
    approve_and_reject_at_once_come_to_one_decision
}

/// Four processes on one store.
async fn four_hosts(around: &Surroundings, store: &Store) -> Vec<FunctionsHost> {
    let mut hosts = Vec::new();
    for _ in 0..4 {
        hosts.push(around.host(Mode::Forwarding).store(store).start().await);
    }
    hosts
}

async fn of_three_who_approve_at_once_two_decide_and_it_is_dispatched_once(store: Store) {
    let around = Surroundings::start().await;
    let rounds = 5;
    around.github.expect_dispatches(rounds);
    let hosts = four_hosts(&around, &store).await;
    for round in 1..=rounds {
        let body = format!(r#"{{"event_type":"go-live","approvals_required":2,"title":"round {round}"}}"#);
        let id = around.ask_for_id(&hosts[0], &body).await;
        let people: Vec<_> = (0..3).map(|number| around.token_of(&Someone::number(number))).collect();
        // Each clicks in two places at once.
        let clicks = people.iter().enumerate().flat_map(|(number, token)| {
            [(&hosts[number], token), (&hosts[3], token)]
                .map(|(host, token)| host.vote(token, &id, "approve"))
        });
        let answers = futures_util::future::join_all(clicks).await;

        assert!(answers.iter().all(|answer| answer.status == 200), "{answers:?}");
        let outcome = |answer: &crate::http1::Answer| answer.json()["outcome"].as_str().unwrap().to_owned();
        let told = answers.iter().map(outcome).collect::<Vec<_>>();
        assert_eq!(told.iter().filter(|outcome| *outcome == "dispatched").count(), 1, "{told:?}");
        let dispatch = around.github.dispatches().pop().expect("a dispatch");
        let sent: Value = serde_json::from_str(dispatch.client_payload()).expect("JSON");
        let performers = sent["approval"]["performers"].as_array().expect("a list");
        assert!((2..=3).contains(&performers.len()), "{performers:?}");
        assert_eq!(performers, around.status(&hosts[1], &id).await["performers"].as_array().expect("a list"));
        assert_eq!(around.github.dispatches().len(), round);
    }
}

// T18
async fn approve_and_reject_at_once_come_to_one_decision(store: Store) {
    let around = Surroundings::start().await;
    let hosts = four_hosts(&around, &store).await;
    let (alex, sam) = (around.token_of(&Someone::alex()), around.token_of(&Someone::number(1)));
    let mut approved = 0;
    for round in 1..=5 {
        let id =
            around.ask_for_id(&hosts[0], &format!(r#"{{"event_type":"go-live","title":"{round}"}}"#)).await;
        let (yes, no) =
            tokio::join!(hosts[1].vote(&alex, &id, "approve"), hosts[2].vote(&sam, &id, "reject"));

        let status = around.status(&hosts[3], &id).await["status"].clone();
        // A no that was there when the yes was counted is a no.
        let expected = if status == "approved" { (200, 409) } else { (409, 200) };
        approved += usize::from(status == "approved");
        assert_eq!((yes.status, no.status), expected, "{status}: {} {}", yes.text(), no.text());
    }
    around.github.expect_dispatches(approved);
}

/// Without credentials there is one performer, however often it clicks.
#[tokio::test]
async fn the_anonymous_performer_is_one() {
    let around = Surroundings::start().await;
    around.github.expect_dispatches(0);
    let host = around.host(Mode::Payload).setting("REQUIRE_IDENTITY", "false").start().await;
    let id = around.ask_for_id(&host, r#"{"event_type":"go-live","approvals_required":2}"#).await;

    for _ in 0..2 {
        host.click(vote_body(&id, "approve", "")).await.assert_outcome(200, "counted");
    }
    let seen = around.status(&host, &id).await;
    assert_eq!(seen["performers"].as_array().map(Vec::len), Some(1));
    assert_eq!(seen["performers"][0]["id"], "anonymous");
    assert!(!seen.to_string().contains(ALEX));
}
