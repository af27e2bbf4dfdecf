//! The run that releases: the first with the ticket has the approval, once and for ever, and says how it ended. Whoever
//! writes to the repository may try to be it.

use std::fs;

use serde_json::{Value, json};

use crate::{
    deployment::{ASKED, Channel, Someone, Surroundings, page_of, text},
    functions_host::{FunctionsHost, Mode},
    http1::{Answer, Request},
    stores::Store,
    tokens::Token,
};

in_one_mode! {
    the_run_with_the_ticket_has_the_approval_and_everybody_sees_it
    a_start_is_refused_in_the_order_of_the_contract
    what_is_not_approved_is_no_runs
    another_repository_or_a_pull_request_starts_nothing
    of_32_runs_at_once_one_has_the_approval
    only_the_run_that_has_it_says_how_it_ended
    the_first_word_of_each_attempt_counts_and_the_highest_attempt_is_shown
    a_body_that_says_neither_or_both_is_invalid
    a_decision_without_a_ticket_is_asked_for_again
    where_nothing_is_sent_the_asking_run_is_the_approvals
    a_dry_run_starts_nothing
    a_webhook_s_channel_hears_of_a_release_that_failed_and_of_no_other
    a_ticket_is_in_no_log_and_in_no_answer
}

impl FunctionsHost {
    /// A run says something about itself.
    async fn word_as(&self, job: &Token, id: &str, body: &Value) -> Answer {
        let request = Request::post(&format!("/api/RequestApproval/{id}")).json(body.to_string());
        self.send(request.header("Authorization", &format!("Bearer {}", job.sign()))).await
    }
}

/// A job of a run that a dispatch started.
fn released_by(around: &Surroundings, run_id: &str) -> Token {
    Token::of_job(&around.actions).claim("event_name", "repository_dispatch").claim("run_id", run_id)
}

/// An approved approval that GitHub has the event of: its id and its ticket.
async fn approved(around: &Surroundings, host: &FunctionsHost, job: &Token) -> (String, String) {
    let id = text(&host.ask_as(job, ASKED).await.assert_opened()["id"]);
    host.vote(&around.token_of(&Someone::alex()), &id, "approve").await.assert_outcome(200, "dispatched");
    (id.clone(), ticket_of(around, &id))
}

fn ticket_of(around: &Surroundings, id: &str) -> String {
    let payloads = around.github.dispatches().into_iter().map(|dispatch| {
        let payload: Value = serde_json::from_str(dispatch.client_payload()).expect("JSON");
        payload["approval"].clone()
    });
    text(&payloads.into_iter().find(|approval| approval["id"] == id).expect("its event")["ticket"])
}

fn start(ticket: &str) -> Value {
    json!({"run": "start", "ticket": ticket})
}

#[track_caller]
fn assert_run(answer: &Answer, run: Value) {
    assert_eq!((answer.status, answer.json()["run"].clone()), (200, run), "{}", answer.text());
}

fn run(around: &Surroundings, id: &str, attempt: &str, conclusion: Option<&str>) -> Value {
    let url = format!("{}/octo/app/actions/runs/{id}", around.github.url());
    json!({"id": id, "attempt": attempt, "url": url, "conclusion": conclusion})
}

async fn the_run_with_the_ticket_has_the_approval_and_everybody_sees_it(mode: Mode) {
    let (around, host) = Surroundings::with_host(mode).await;
    around.github.expect_dispatches(1);
    let (id, ticket) = approved(&around, &host, &Token::of_job(&around.actions)).await;
    assert_eq!(around.status(&host, &id).await["run"], Value::Null);
    let job = released_by(&around, "4711");

    assert_run(&host.word_as(&job, &id, &start(&ticket)).await, run(&around, "4711", "1", None));
    // Asked again, or by another attempt, it is the same run's; no other run ever gets it.
    assert_run(&host.word_as(&job, &id, &start(&ticket)).await, run(&around, "4711", "1", None));
    let again = job.clone().claim("run_attempt", "2");
    assert_run(&host.word_as(&again, &id, &start(&ticket)).await, run(&around, "4711", "2", None));
    let other = host.word_as(&released_by(&around, "4712"), &id, &start(&ticket)).await;
    assert!(other.assert_outcome(409, "conflict").contains("run 4711"));

    let page = host.send(Someone::alex().get(&page_of(&id))).await.text();
    for words in ["Releasing\u{2026} (run 4711)", "run 4711, attempt 2", "actions/runs/4711\"", "octocat"] {
        assert!(page.contains(words), "{words} in {page}");
    }
    let list = host.send(Someone::alex().get("/api/approvals")).await.text();
    assert!(list.contains("Releasing\u{2026} (run 4711)"), "{list}");
    let json = host.send(Someone::alex().browse(Request::get("/api/approvals?format=json"))).await.json();
    assert!(json.to_string().contains(&run(&around, "4711", "2", None).to_string()), "{json}");

    assert_run(
        &host.word_as(&again, &id, &json!({"conclusion": "success"})).await,
        run(&around, "4711", "2", Some("success")),
    );
    let page = host.send(Someone::alex().get(&page_of(&id))).await.text();
    assert!(page.contains(">Released<") && page.contains("actions/runs/4711\""), "{page}");
    assert_eq!(around.status(&host, &id).await["run"], run(&around, "4711", "2", Some("success")));
}

// T37
async fn a_start_is_refused_in_the_order_of_the_contract(mode: Mode) {
    let (around, host) = Surroundings::with_host(mode).await;
    around.github.expect_dispatches(2);
    let asking = Token::of_job(&around.actions);
    let (id, ticket) = approved(&around, &host, &asking).await;
    let (_, others) = approved(&around, &host, &Token::of_job(&around.actions)).await;
    let job = released_by(&around, "4711");
    let dispatched = |token: &Token| token.clone().claim("event_name", "repository_dispatch");

    let refused = async |token: &Token, body: &Value, saying: &str| {
        let sentence = host.word_as(token, &id, body).await.assert_outcome(403, "forbidden");
        assert!(sentence.contains(saying), "{saying} in {sentence}");
    };
    for wrong in ["", "x", &others, &ticket.to_uppercase(), &format!("{ticket} "), &"0".repeat(32)] {
        refused(&job, &start(wrong), "ticket").await;
    }
    refused(&job, &json!({"run": "start"}), "ticket").await;
    for event in ["push", "workflow_dispatch", "schedule", "workflow_run", "repository_dispatch_"] {
        refused(&job.clone().claim("event_name", event), &start(&ticket), "repository_dispatch").await;
    }
    // Also under another event the asking run is no other.
    refused(&dispatched(&asking), &start(&ticket), "the run that asked").await;
    refused(&dispatched(&asking).claim("run_attempt", "2"), &start(&ticket), "the run that asked").await;
    assert_eq!(around.status(&host, &id).await["run"], Value::Null, "nobody has got it");

    // If another run has it, a wrong ticket is still a wrong ticket, and a right one a conflict.
    host.word_as(&job, &id, &start(&ticket)).await;
    refused(&released_by(&around, "9"), &start(&others), "ticket").await;
    refused(&Token::of_job(&around.actions), &start(&ticket), "repository_dispatch").await;
    host.word_as(&released_by(&around, "9"), &id, &start(&ticket)).await.assert_outcome(409, "conflict");
}

// T37
async fn what_is_not_approved_is_no_runs(mode: Mode) {
    let (around, host) = Surroundings::with_host(mode).await;
    around.github.expect_dispatches(1);
    let (asking, job, alex) =
        (Token::of_job(&around.actions), released_by(&around, "4711"), around.token_of(&Someone::alex()));
    let ask = async |key: &str| {
        let body = json!({"event_type": "go-live", "rejected_event_type": "no-go", "key": key}).to_string();
        text(&host.ask_as(&asking, &body).await.assert_opened()["id"])
    };
    let (pending, rejected, withdrawn) = (ask("1").await, ask("2").await, ask("3").await);
    host.vote(&alex, &rejected, "reject").await;
    host.send(Someone::alex().press(&withdrawn, "withdraw", "No")).await;
    for (id, status) in [(&pending, "pending"), (&rejected, "rejected"), (&withdrawn, "withdrawn")] {
        // Before anything else: not even the ticket of the rejection helps.
        let ticket = if status == "rejected" { ticket_of(&around, id) } else { "0".repeat(32) };
        for token in [&job, &asking] {
            let answer = host.word_as(token, id, &start(&ticket)).await.assert_outcome(409, "conflict");
            assert!(answer.contains(status), "{answer}");
            host.word_as(token, id, &json!({"conclusion": "success"})).await.assert_outcome(409, "conflict");
        }
        assert_eq!(around.status(&host, id).await["run"], Value::Null);
    }
    host.word_as(&job, &"0".repeat(44), &start("x")).await.assert_outcome(404, "unknown");
}

// T3
async fn another_repository_or_a_pull_request_starts_nothing(mode: Mode) {
    let around = Surroundings::start().await;
    let host = around.host(mode).setting("ALLOWED_REPOSITORIES", "octo/*").start().await;
    around.github.expect_dispatches(1);
    let (id, ticket) = approved(&around, &host, &Token::of_job(&around.actions)).await;
    let job = released_by(&around, "4711");
    for body in [start(&ticket), json!({"conclusion": "failure"})] {
        let elsewhere = job.clone().claim("repository_id", "7");
        host.word_as(&elsewhere, &id, &body).await.assert_outcome(404, "unknown");
        for (claim, value) in [("event_name", "pull_request_target"), ("ref", "refs/pull/7/merge")] {
            host.word_as(&job.clone().claim(claim, value), &id, &body).await.assert_outcome(403, "forbidden");
        }
        let for_another = job.clone().claim("aud", "https://other.example");
        host.word_as(&for_another, &id, &body).await.assert_outcome(401, "unauthenticated");
    }
    assert_eq!(around.status(&host, &id).await["run"], Value::Null);
}

// T37
async fn of_32_runs_at_once_one_has_the_approval(mode: Mode) {
    let (around, store) = (Surroundings::start().await, Store::folder());
    around.github.expect_dispatches(1);
    let hosts =
        [around.host(mode).store(&store).start().await, around.host(mode).store(&store).start().await];
    let (id, ticket) = approved(&around, &hosts[0], &Token::of_job(&around.actions)).await;
    let jobs: Vec<_> = (0..32).map(|number| released_by(&around, &format!("47{number:02}"))).collect();
    let body = start(&ticket);
    let starts = jobs.iter().enumerate().map(|(number, job)| hosts[number % 2].word_as(job, &id, &body));
    let answers = futures_util::future::join_all(starts).await;

    let won: Vec<_> = answers.iter().filter(|answer| answer.status == 200).collect();
    assert_eq!(won.len(), 1);
    let winner = text(&won[0].json()["run"]["id"]);
    for answer in answers.iter().filter(|answer| answer.status != 200) {
        assert!(answer.assert_outcome(409, "conflict").contains(&format!("run {winner} ")));
    }
    for host in &hosts {
        assert_eq!(around.status(host, &id).await["run"], run(&around, &winner, "1", None));
    }
}

// T37
async fn only_the_run_that_has_it_says_how_it_ended(mode: Mode) {
    let (around, host) = Surroundings::with_host(mode).await;
    around.github.expect_dispatches(1);
    let asking = Token::of_job(&around.actions);
    let (id, ticket) = approved(&around, &host, &asking).await;
    let (job, other) = (released_by(&around, "4711"), released_by(&around, "4712"));
    let ended = json!({"conclusion": "failure"});
    for token in [&job, &other, &asking] {
        let sentence = host.word_as(token, &id, &ended).await.assert_outcome(409, "conflict");
        assert!(sentence.contains("no run has this approval"), "{sentence}");
    }
    host.word_as(&job, &id, &start(&ticket)).await;
    for token in [&other, &asking] {
        let sentence = host.word_as(token, &id, &ended).await.assert_outcome(403, "forbidden");
        assert!(sentence.contains("run 4711"), "{sentence}");
    }
    assert_run(&host.word_as(&job, &id, &ended).await, run(&around, "4711", "1", Some("failure")));
}

async fn the_first_word_of_each_attempt_counts_and_the_highest_attempt_is_shown(mode: Mode) {
    let (around, host) = Surroundings::with_host(mode).await;
    around.github.expect_dispatches(1);
    let (id, ticket) = approved(&around, &host, &Token::of_job(&around.actions)).await;
    let attempt = |number: &str| released_by(&around, "4711").claim("run_attempt", number);
    let ended = |word: &str| json!({"conclusion": word});
    host.word_as(&attempt("1"), &id, &start(&ticket)).await;
    assert_run(
        &host.word_as(&attempt("1"), &id, &ended("failure")).await,
        run(&around, "4711", "1", Some("failure")),
    );
    assert_run(
        &host.word_as(&attempt("1"), &id, &ended("success")).await,
        run(&around, "4711", "1", Some("failure")),
    );
    // The next attempt is under way, and a late word of the first changes nothing.
    assert_run(&host.word_as(&attempt("2"), &id, &start(&ticket)).await, run(&around, "4711", "2", None));
    assert_run(&host.word_as(&attempt("1"), &id, &ended("cancelled")).await, run(&around, "4711", "2", None));
    // One that never said that it started has ended all the same; numbers are compared as numbers.
    assert_run(
        &host.word_as(&attempt("10"), &id, &ended("cancelled")).await,
        run(&around, "4711", "10", Some("cancelled")),
    );
    assert_run(
        &host.word_as(&attempt("9"), &id, &ended("success")).await,
        run(&around, "4711", "10", Some("cancelled")),
    );
    assert_run(
        &host.word_as(&attempt("2"), &id, &ended("success")).await,
        run(&around, "4711", "10", Some("cancelled")),
    );
    let page = host.send(Someone::alex().get(&page_of(&id))).await.text();
    assert!(page.contains("Release cancelled") && page.contains("run 4711, attempt 10"), "{page}");
}

async fn a_body_that_says_neither_or_both_is_invalid(mode: Mode) {
    let (around, host) = Surroundings::with_host(mode).await;
    let id = around.ask_for_id(&host, ASKED).await;
    let job = released_by(&around, "4711");
    for (body, named) in [
        (json!({}), "either run"),
        (json!({"run": "stop"}), "run must be start"),
        (json!({"run": "start", "conclusion": "success"}), "either run"),
        (json!({"conclusion": "skipped"}), "success, failure or cancelled"),
        (json!({"run": "start", "attempt": "2"}), "attempt"),
        (json!([]), "object"),
    ] {
        let sentence = host.word_as(&job, &id, &body).await.assert_outcome(400, "invalid");
        assert!(sentence.contains(named), "{named} in {sentence}");
    }
    // A fault in the body is told before what the run may not do, as to a job that asks.
    let of_a_stranger = job.clone().claim("event_name", "pull_request");
    host.word_as(&of_a_stranger, &id, &json!({})).await.assert_outcome(400, "invalid");
    let large = json!({"run": "start", "ticket": "x".repeat(64_000)});
    host.word_as(&job, &id, &large).await.assert_outcome(413, "too-large");
    let put = Request::new("PUT", &format!("/api/RequestApproval/{id}"));
    let put = host.send(put.header("Authorization", &format!("Bearer {}", job.sign()))).await;
    assert!(matches!(put.status, 404 | 405), "{}", put.status);
}

async fn a_decision_without_a_ticket_is_asked_for_again(mode: Mode) {
    let (around, store) = (Surroundings::start().await, Store::folder());
    around.github.expect_dispatches(1);
    let host = around.host(mode).store(&store).start().await;
    let (id, ticket) = approved(&around, &host, &Token::of_job(&around.actions)).await;
    let path = store.path().join(format!("requested/{id}/decision"));
    let mut decision: Value = serde_json::from_slice(&fs::read(&path).expect("a record")).expect("JSON");
    decision["record"].as_object_mut().expect("a decision").remove("ticket").expect("a ticket");
    fs::write(&path, decision.to_string()).expect("written");
    let answer = host.word_as(&released_by(&around, "4711"), &id, &start(&ticket)).await;
    let sentence = answer.assert_outcome(409, "conflict");
    assert!(sentence.contains("decided by an older version, request it again"), "{sentence}");
}

async fn where_nothing_is_sent_the_asking_run_is_the_approvals(mode: Mode) {
    let (around, host) = Surroundings::with_host(mode).await;
    around.github.expect_dispatches(0);
    let asking = Token::of_job(&around.actions).claim("run_id", "100");
    let ask = async |key: &str| {
        let id = text(&host.ask_as(&asking, &json!({"key": key}).to_string()).await.assert_opened()["id"]);
        host.word_as(&asking, &id, &json!({"run": "start"})).await.assert_outcome(409, "conflict");
        host.vote(&around.token_of(&Someone::alex()), &id, "approve").await.assert_outcome(200, "approved");
        id
    };
    let (id, ended) = (ask("1").await, json!({"conclusion": "success"}));
    for event in ["push", "repository_dispatch"] {
        let other = asking.clone().claim("run_id", "101").claim("event_name", event);
        let sentence =
            host.word_as(&other, &id, &json!({"run": "start"})).await.assert_outcome(409, "conflict");
        assert!(sentence.contains("run 100"), "{sentence}");
        host.word_as(&other, &id, &ended).await.assert_outcome(403, "forbidden");
    }
    let later = asking.clone().claim("run_attempt", "2");
    assert_run(&host.word_as(&asking, &id, &json!({"run": "start"})).await, run(&around, "100", "1", None));
    assert_run(
        &host.word_as(&later, &id, &start("no ticket is looked at")).await,
        run(&around, "100", "2", None),
    );
    assert_run(&host.word_as(&later, &id, &ended).await, run(&around, "100", "2", Some("success")));
    // It may also say at once how it ended.
    let id = ask("2").await;
    assert_run(&host.word_as(&asking, &id, &ended).await, run(&around, "100", "1", Some("success")));
}

// T7
async fn a_dry_run_starts_nothing(mode: Mode) {
    let around = Surroundings::start().await;
    around.github.expect_dispatches(0);
    let host = around.host(mode).setting("DRY_RUN", "true").start().await;
    let asking = Token::of_job(&around.actions);
    for body in [ASKED, "{}"] {
        let id = text(&host.ask_as(&asking, body).await.assert_opened()["id"]);
        host.vote(&around.token_of(&Someone::alex()), &id, "approve").await.assert_outcome(200, "dry-run");
        for token in [&asking, &released_by(&around, "4711")] {
            let sentence = host.word_as(token, &id, &start("x")).await.assert_outcome(409, "conflict");
            assert!(sentence.contains("dry-run"), "{sentence}");
            host.word_as(token, &id, &json!({"conclusion": "success"})).await.assert_outcome(409, "conflict");
        }
    }
}

async fn a_webhook_s_channel_hears_of_a_release_that_failed_and_of_no_other(mode: Mode) {
    for (conclusion, words) in
        [("failure", Some("Release failed")), ("cancelled", Some("Release cancelled")), ("success", None)]
    {
        let (around, channel) = (Surroundings::start().await, Channel::start().await);
        around.github.expect_dispatches(1);
        let host = around.host(mode).settings(channel.setting()).start().await;
        let (id, ticket) = approved(&around, &host, &Token::of_job(&around.actions)).await;
        channel.until_cards(2).await;
        let job = released_by(&around, "4711");
        host.word_as(&job, &id, &start(&ticket)).await;
        for _ in 0..2 {
            host.word_as(&job, &id, &json!({"conclusion": conclusion})).await;
        }
        if let Some(words) = words {
            let card = channel.until_cards(3).await[2].to_string();
            assert!(card.contains(words) && card.contains("actions/runs/4711"), "{card}");
        }
        // A further attempt that fails is no further card.
        if words.is_some() {
            let again = job.clone().claim("run_attempt", "2");
            host.word_as(&again, &id, &json!({"conclusion": "failure"})).await;
        }
        host.fire_timer("Deliver").await.expect("a sweep");
        assert_eq!(channel.cards().len(), if words.is_some() { 3 } else { 2 });
    }
}

// T32
async fn a_ticket_is_in_no_log_and_in_no_answer(mode: Mode) {
    let (around, host) = Surroundings::with_host(mode).await;
    around.github.expect_dispatches(1);
    let (id, ticket) = approved(&around, &host, &Token::of_job(&around.actions)).await;
    let job = released_by(&around, "4711");
    let wrong = "f".repeat(32);
    let refused = host.word_as(&job, &id, &start(&wrong)).await.text();
    let started = host.word_as(&job, &id, &start(&ticket)).await.text();
    let page = host.send(Someone::alex().get(&page_of(&id))).await.text();
    let line = host.stderr_line("run 4711, attempt 1: started").await;
    assert!(line.contains(&id) && line.contains("octo/app"), "{line}");
    for text in [refused, started, page, host.stderr()] {
        assert!(!text.contains(&ticket) && !text.contains(&wrong), "{text}");
    }
}
