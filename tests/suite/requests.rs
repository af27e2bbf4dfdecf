//! A job asks for an approval: what it gets, what it may ask for, and how it hears of the decision.

use serde_json::{Value, json};

use crate::{
    actions::{PUBLIC_URL, SHA},
    deployment::{ASKED, Someone, Surroundings, text},
    functions_host::{FunctionsHost, Mode},
    http1::Request,
    stores::Store,
    tokens::{ALEX, ALEX_NAME, ALEX_UPN, Token},
};

in_one_mode! {
    a_job_gets_an_id_a_page_and_a_card
    the_same_again_is_the_same_approval
    another_run_attempt_or_body_is_another_approval
    everything_that_can_be_asked_is_told_again
    a_fault_in_the_body_is_named_and_nothing_is_recorded
    what_the_deployment_does_not_allow_is_refused
    a_waiting_job_hears_of_the_decision
    jobs_of_another_repository_see_nothing
    a_recreated_repository_of_the_same_name_sees_nothing
    names_and_comments_stay_away_from_public_repositories
    methods_and_paths_that_lead_nowhere_say_so
    the_path_matches_whatever_its_case
}

async fn a_job_gets_an_id_a_page_and_a_card(mode: Mode) {
    let (around, host) = Surroundings::with_host(mode).await;

    let asked = around.ask(&host, ASKED).await;

    let id = text(&asked["id"]);
    assert!(id.len() == 44 && id.bytes().all(|b| b.is_ascii_hexdigit()), "{id}");
    assert_eq!(asked["status"], "pending");
    assert_eq!(asked["posted"], "none");
    assert_eq!(asked["url"], format!("{PUBLIC_URL}/api/approvals/{id}"));
    assert_eq!(asked["card"]["type"], "AdaptiveCard");
    assert_eq!(asked["mail_card"], Value::Null);
    assert!(asked["card"].to_string().contains(&format!("{PUBLIC_URL}/api/approvals/{id}")));
    chrono::DateTime::parse_from_rfc3339(&text(&asked["expires_at"])).expect("a time");
    let line = host.stderr_line(&id).await;
    assert!(line.contains("octo/app"), "{line}");
}

// T9
async fn the_same_again_is_the_same_approval(mode: Mode) {
    let (around, host) = Surroundings::with_host(mode).await;
    let job = Token::of_job(&around.actions);

    let first = host.ask_as(&job, ASKED).await;
    // Another token of the same run and attempt.
    let again = host.ask_as(&job.clone().claim("jti", "another"), ASKED).await;

    assert_eq!((first.status, again.status), (201, 200));
    assert_eq!(first.json()["id"], again.json()["id"]);
    assert_eq!(first.json()["expires_at"], again.json()["expires_at"]);
}

async fn another_run_attempt_or_body_is_another_approval(mode: Mode) {
    let (around, host) = Surroundings::with_host(mode).await;
    let job = Token::of_job(&around.actions);
    let mut ids = vec![text(&host.ask_as(&job, ASKED).await.json()["id"])];

    for (token, body) in [
        (job.clone().claim("run_id", "77"), ASKED),
        (job.clone().claim("run_attempt", "2"), ASKED),
        (job.clone(), r#"{"event_type":"go-live"}"#),
        (job.clone().claim("repository_id", "5"), ASKED),
    ] {
        ids.push(text(&host.ask_as(&token, body).await.assert_opened()["id"]));
    }

    let distinct: std::collections::BTreeSet<_> = ids.iter().collect();
    assert_eq!(distinct.len(), ids.len());
    assert!(ids.is_sorted(), "ids are ordered by time: {ids:?}");
}

async fn everything_that_can_be_asked_is_told_again(mode: Mode) {
    let (around, host) = Surroundings::with_host(mode).await;
    let body = json!({
        "event_type": "go-live", "client_payload": {"version": "1.4.2"}, "rejected_event_type": "no-go",
        "title": "Release 1.4.2 to production", "text": "**What's new**", "facts": {"Environment": "production"},
        "approvers": [ALEX_UPN, ALEX], "approvals_required": 2, "expires_in_minutes": 30, "reminder_minutes": 5,
        "key": "production",
    });

    let asked = around.ask(&host, &body.to_string()).await;
    let seen = around.status(&host, &text(&asked["id"])).await;

    let expected = json!({
        "id": asked["id"], "status": "pending", "title": "Release 1.4.2 to production", "repository": "octo/app",
        "event_type": "go-live", "rejected_event_type": "no-go", "client_payload": {"version": "1.4.2"},
        "sha": SHA, "ref": "refs/heads/main", "requested_by": "octocat", "run_attempt": "1",
        "approvals_required": 2, "performers": [], "delivery": "none", "posted": "none", "decided_at": null,
        "expires_at": asked["expires_at"], "url": asked["url"],
        "run_id": seen["run_id"], "created_at": seen["created_at"], "dry_run": false, "workflow": null,
        "environment": null, "job_workflow_ref": "octo/app/.github/workflows/release.yml@refs/heads/main",
        "key": "production", "delivered_at": null, "delivery_error": null, "run": null, "changes": null,
        "policy": null, "comment": null,
    });
    assert_eq!(seen, expected);
    let time = |value: &Value| chrono::DateTime::parse_from_rfc3339(&text(value)).expect("a time");
    assert_eq!((time(&seen["expires_at"]) - time(&seen["created_at"])).num_minutes(), 30);
}

// T2
async fn a_fault_in_the_body_is_named_and_nothing_is_recorded(mode: Mode) {
    let (around, store) = (Surroundings::start().await, Store::folder());
    let host = around.host(mode).setting("MIN_APPROVALS", "2").store(&store).start().await;
    let job = Token::of_job(&around.actions);

    for (body, named) in [
        (r#"{"event_type":"go-live","aprovers":[]}"#, "aprovers"),
        (r#"{"event_type":"go-live","repository":"octo/other"}"#, "repository"),
        (r#"{"event_type":"release-approved"}"#, "RELAY_EVENT_TYPES"),
        (r#"{"event_type":"go-live","rejected_event_type":"go-live"}"#, "rejected_event_type"),
        (r#"{"event_type":"go-live","approvals_required":1}"#, "MIN_APPROVALS"),
        (r#"{"event_type":"go-live","approvals_required":11}"#, "approvals_required"),
        (r#"{"event_type":"go-live","approvers":["a@x.com"]}"#, "approvers"),
        (r#"{"event_type":"go-live","approvers":["a@x.com","A@X.com"]}"#, "approvers"),
        (r#"{"event_type":"go-live","approvers":[]}"#, "approvers"),
        (r#"{"event_type":"go-live","client_payload":{"approval":{}}}"#, "approval"),
        (r#"{"event_type":"go-live"}{}"#, "JSON"),
        ("", "body"),
    ] {
        println!("body: {body}");
        let message = host.ask_as(&job, body).await.assert_outcome(400, "invalid");
        assert!(message.contains(named), "{named} in {message}");
    }
    let large = format!(r#"{{"event_type":"go-live","text":"{}"}}"#, "x".repeat(64_000));
    host.ask_as(&job, &large).await.assert_outcome(413, "too-large");
    assert_eq!(store.objects().await, [""; 0]);
}

// T4
async fn what_the_deployment_does_not_allow_is_refused(mode: Mode) {
    let (around, store) = (Surroundings::start().await, Store::folder());
    let host = around.host(mode).setting("APPROVERS", ALEX_UPN).store(&store).start().await;
    let job = Token::of_job(&around.actions);

    let elsewhere = job.clone().claim("repository", "octo/other");
    host.ask_as(&elsewhere, ASKED).await.assert_outcome(403, "forbidden");
    for event in ["pull_request", "pull_request_target"] {
        let of_a_stranger = job.clone().claim("event_name", event);
        host.ask_as(&of_a_stranger, ASKED).await.assert_outcome(403, "forbidden");
        host.ask_as(&of_a_stranger, "{").await.assert_outcome(400, "invalid");
    }
    let widened = r#"{"event_type":"go-live","approvers":["sam@contoso.com"]}"#;
    host.ask_as(&job, widened).await.assert_outcome(400, "invalid");
    assert_eq!(store.objects().await, [""; 0]);

    let nobody = around.host(mode).without("APPROVERS").start().await;
    nobody.ask_as(&job, ASKED).await.assert_outcome(424, "misconfigured");
    nobody.stderr_line("APPROVERS is missing").await;
}

async fn a_waiting_job_hears_of_the_decision(mode: Mode) {
    let (around, host) = Surroundings::with_host(mode).await;
    around.github.expect_dispatches(1);
    let id = around.ask_for_id(&host, ASKED).await;
    assert_eq!(around.status(&host, &id).await["status"], "pending");

    host.vote(&around.token_of(&Someone::alex()), &id, "approve").await.assert_outcome(200, "dispatched");

    let seen = around.status(&host, &id).await;
    assert_eq!((&seen["status"], &seen["delivery"]), (&json!("approved"), &json!("delivered")));
    assert_eq!(seen["performers"][0]["name"], ALEX_NAME);
    // The dispatch has what was asked for, to the letter, and who decided.
    let dispatch = around.github.only_dispatch();
    assert_eq!(dispatch.event_type(), "go-live");
    let payload = dispatch.client_payload();
    assert!(payload.starts_with(r#"{"version":"1.10", "n": 1.10,"approval":{"#), "{payload}");
    let sent: Value = serde_json::from_str(payload).expect("JSON");
    assert_eq!(sent["approval"]["performers"], seen["performers"]);
    let expected = json!({"id": id, "ticket": sent["approval"]["ticket"], "verdict": "approved", "requested_by": "octocat", "run_id": seen["run_id"],
    "sha": SHA, "ref": "refs/heads/main", "decided_at": seen["decided_at"], "performers": [
        {"id": ALEX, "name": ALEX_NAME, "verdict": "approve", "comment": "", "at": seen["performers"][0]["at"]},
    ]});
    assert_eq!(sent["approval"], expected);
    assert!(!payload.contains(ALEX_UPN), "{payload}");
}

// T3
async fn jobs_of_another_repository_see_nothing(mode: Mode) {
    let around = Surroundings::start().await;
    let host = around.host(mode).setting("ALLOWED_REPOSITORIES", "octo/*").start().await;
    let id = around.ask_for_id(&host, ASKED).await;
    let other = Token::of_job(&around.actions).claim("repository", "octo/other").claim("repository_id", "7");

    host.status_as(&other, &id).await.assert_outcome(404, "unknown");
    for id in ["x", "..", "0", &"0".repeat(44), &"F".repeat(44), "%2e%2e%2fpending"] {
        host.status_as(&Token::of_job(&around.actions), id).await.assert_outcome(404, "unknown");
    }
}

// T3
async fn a_recreated_repository_of_the_same_name_sees_nothing(mode: Mode) {
    let (around, host) = Surroundings::with_host(mode).await;
    let id = around.ask_for_id(&host, ASKED).await;

    let recreated = Token::of_job(&around.actions).claim("repository_id", "987654321");
    host.status_as(&recreated, &id).await.assert_outcome(404, "unknown");
    // And a renamed one is the same.
    let renamed = Token::of_job(&around.actions).claim("repository", "octo/renamed");
    assert_eq!(host.status_as(&renamed, &id).await.status, 200);
}

async fn names_and_comments_stay_away_from_public_repositories(mode: Mode) {
    let (around, host) = Surroundings::with_host(mode).await;
    around.github.expect_dispatches(1);
    let public = Token::of_job(&around.actions).claim("repository_visibility", "public");
    let asked = host.ask_as(&public, ASKED).await.json();
    let id = text(&asked["id"]);

    let alex = Someone::alex();
    assert_eq!(host.send(alex.press(&id, "approve", "a secret word")).await.status, 200);

    let seen = host.status_as(&public, &id).await.text();
    let again = host.ask_as(&public, ASKED).await.text();
    let sent = around.github.only_dispatch().client_payload().to_owned();
    for text in [&seen, &again, &sent] {
        assert!(!text.contains(ALEX_NAME) && !text.contains("a secret word"), "{text}");
    }
    assert!(sent.contains(ALEX), "{sent}");
    // Approvers are shown both.
    let page = host.send(alex.get(&format!("/api/approvals/{id}"))).await.text();
    assert!(page.contains(ALEX_NAME) && page.contains("a secret word"));
}

async fn methods_and_paths_that_lead_nowhere_say_so(mode: Mode) {
    let (around, host) = Surroundings::with_host(mode).await;
    let id = around.ask_for_id(&host, ASKED).await;

    host.send(Request::get("/api/RequestApproval")).await.assert_outcome(405, "invalid");
    let put = Request::new("PUT", &format!("/api/RequestApproval/{id}"));
    assert!(matches!(host.send(put).await.status, 404 | 405));
}

async fn the_path_matches_whatever_its_case(mode: Mode) {
    let (around, host) = Surroundings::with_host(mode).await;
    let id = around.ask_for_id(&host, ASKED).await;
    let bearer = format!("Bearer {}", Token::of_job(&around.actions).sign());

    for path in ["/api/requestapproval/", "/API/REQUESTAPPROVAL/"] {
        for end in ["", "/"] {
            let request = Request::get(&format!("{path}{id}{end}")).header("Authorization", &bearer);
            assert_eq!(host.send(request).await.status, 200, "{path}…{end}");
        }
    }
}

/// Nobody needs the function key to ask: the token is what counts.
#[tokio::test]
async fn without_a_token_nobody_asks_and_no_key_is_needed() {
    let around = Surroundings::start().await;
    let host: FunctionsHost = around.host(Mode::Payload).start().await;
    host.send(Request::post("/api/RequestApproval").json(ASKED)).await.assert_outcome(401, "unauthenticated");
}
