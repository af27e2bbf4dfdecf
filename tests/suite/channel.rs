//! The cards that come to the channel through its Workflows webhook: the one that asks, and a second one that says what
//! became of it; each once, whatever fails.

use serde_json::{Value, json};
use wiremock::ResponseTemplate;

use crate::{
    actions::PUBLIC_URL,
    deployment::{ASKED, CHANNEL_SECRET, Channel, Someone, Surroundings, page_of, text},
    functions_host::Mode,
    handler_process::ANSWERED_WITHIN,
    misbehaving::{Misbehaving, Misbehaviour},
    stores::Store,
    tokens::{ALEX_NAME, Token},
};

in_one_mode! {
    the_card_is_posted_before_the_answer_and_the_result_after_the_decision
    asked_again_it_is_not_posted_again
    a_webhook_that_fails_fails_no_request_and_is_tried_again
    a_webhook_that_refuses_is_not_pestered
    in_a_dry_run_the_channel_hears_of_it_all_the_same
}

async fn the_card_is_posted_before_the_answer_and_the_result_after_the_decision(mode: Mode) {
    let (around, channel) = (Surroundings::start().await, Channel::start().await);
    around.github.expect_dispatches(1);
    let host = around.host(mode).settings(channel.setting()).start().await;

    let asked = around.ask(&host, ASKED).await;
    assert_eq!(asked["posted"], "webhook");
    assert_eq!(channel.cards(), [asked["card"].clone()]);
    let id = text(&asked["id"]);
    let kinds: Vec<_> = actions(&asked["card"]).iter().map(|action| text(&action["type"])).collect();
    assert_eq!(kinds, ["Action.OpenUrl", "Action.ToggleVisibility"]);
    assert_eq!(actions(&asked["card"])[0]["url"], format!("{PUBLIC_URL}{}", page_of(&id)));

    host.vote(&around.token_of(&Someone::alex()), &id, "approve").await.assert_outcome(200, "dispatched");
    let cards = channel.until_cards(2).await;
    assert_eq!(actions(&cards[1])[0]["title"], "Open the page", "{}", cards[1]);
    let result = cards[1].to_string();
    assert!(result.contains("Approved") && result.contains(ALEX_NAME), "{result}");
    assert_eq!(channel.tried(), 2);
    assert!(!host.stderr().contains(CHANNEL_SECRET));
}

/// Every action of a card, wherever it stands.
fn actions(card: &Value) -> Vec<Value> {
    match card {
        Value::Object(members) => {
            let here = members.get("type").and_then(Value::as_str).filter(|kind| kind.starts_with("Action."));
            here.map(|_| card.clone()).into_iter().chain(members.values().flat_map(actions)).collect()
        }
        Value::Array(values) => values.iter().flat_map(actions).collect(),
        _ => Vec::new(),
    }
}

async fn asked_again_it_is_not_posted_again(mode: Mode) {
    let (around, channel) = (Surroundings::start().await, Channel::start().await);
    let host = around.host(mode).settings(channel.setting()).start().await;
    let job = Token::of_job(&around.actions);

    for status in [201, 200, 200] {
        let answer = host.ask_as(&job, ASKED).await;
        assert_eq!((answer.status, &answer.json()["posted"]), (status, &"webhook".into()));
    }
    assert_eq!(channel.tried(), 1);
}

async fn a_webhook_that_fails_fails_no_request_and_is_tried_again(mode: Mode) {
    let (around, channel) = (Surroundings::start().await, Channel::start().await);
    let host = around.host(mode).settings(channel.setting()).start().await;
    let job = Token::of_job(&around.actions);

    channel.answer_with(Some(ResponseTemplate::new(502).set_body_string(CHANNEL_SECRET)));
    let answer = host.ask_as(&job, ASKED).await;
    assert_eq!((answer.status, &answer.json()["posted"]), (201, &"pending".into()));
    channel.answer_with(None);
    // Asked again after a while, or swept: here the job's own retry does it, once our back-off allows a click to.
    let answer = host.ask_as(&job, ASKED).await;
    assert_eq!((answer.status, &answer.json()["posted"]), (200, &"webhook".into()));
    assert_eq!(channel.cards().len(), 1);
    assert!(!host.stderr().contains(CHANNEL_SECRET));
}

/// The first attempt too, and with the code by which Microsoft's documentation tells what to do.
#[tokio::test]
async fn a_webhook_that_refuses_is_logged_at_once_with_its_code() {
    let (around, channel) = (Surroundings::start().await, Channel::start().await);
    let host = around.host(Mode::Payload).settings(channel.setting()).start().await;

    let refusal = |code: &str| {
        let words = format!("the sig {CHANNEL_SECRET} is not enough");
        ResponseTemplate::new(401).set_body_json(json!({"error": {"code": code, "message": words}}))
    };
    channel.answer_with(Some(refusal("DirectApiAuthorizationRequired")));
    around.ask(&host, ASKED).await;
    let line = host.stderr_line("card of approval").await;
    assert!(line.contains("WARN") && line.contains("attempt 1: "), "{line}");
    assert!(line.contains("answered 401 (DirectApiAuthorizationRequired)"), "{line}");
    assert!(line.contains("next attempt not before 20"), "{line}");
    // A flow that shows what it was called with is not repeated.
    channel.answer_with(Some(refusal(CHANNEL_SECRET)));
    around.ask(&host, ASKED).await;
    host.stderr_line("the webhook answered 401);").await;
    assert!(!host.stderr().contains(CHANNEL_SECRET));
}

async fn a_webhook_that_refuses_is_not_pestered(mode: Mode) {
    let (around, channel) = (Surroundings::start().await, Channel::start().await);
    let host = around.host(mode).settings(channel.setting()).start().await;
    let job = Token::of_job(&around.actions);

    channel.answer_with(Some(ResponseTemplate::new(429).insert_header("retry-after", "600")));
    for status in [201, 200, 200] {
        let answer = host.ask_as(&job, ASKED).await;
        assert_eq!((answer.status, &answer.json()["posted"]), (status, &"pending".into()));
    }
    assert_eq!(channel.tried(), 1, "it asked us to wait");
}

async fn in_a_dry_run_the_channel_hears_of_it_all_the_same(mode: Mode) {
    let (around, channel) = (Surroundings::start().await, Channel::start().await);
    let host = around.host(mode).setting("DRY_RUN", "true").settings(channel.setting()).start().await;
    let id = around.ask_for_id(&host, ASKED).await;

    host.vote(&around.token_of(&Someone::alex()), &id, "reject").await.assert_outcome(200, "rejected");
    let cards = channel.until_cards(2).await;
    assert!(cards[1].to_string().contains("Rejected"), "{}", cards[1]);
}

/// A webhook that takes the connection and never answers costs the request no more than its time.
#[tokio::test]
async fn a_webhook_that_never_answers_leaves_the_answer_in_time() {
    let (around, store) = (Surroundings::start().await, Store::folder());
    let silent = Misbehaving::start(Misbehaviour::Stall).await;
    let host = around.host(Mode::Forwarding).store(&store);
    let host =
        host.setting("TEAMS_WEBHOOK_URL", &format!("{}/x?sig={CHANNEL_SECRET}", silent.url())).start().await;

    let began = std::time::Instant::now();
    let asked = around.ask(&host, ASKED).await;
    assert_eq!(asked["posted"], "pending");
    assert!(began.elapsed() < ANSWERED_WITHIN, "{:?}", began.elapsed());
    assert!(!host.stderr().contains(CHANNEL_SECRET));
}

/// A mail card's key goes to whom the card is for, and into no log.
#[tokio::test]
async fn mail_cards_come_where_they_are_set_up_and_a_vote_is_answered_with_the_new_one() {
    const KEY: &str = "aFunctionKeyThatNobodyMaySee";
    let around = Surroundings::start().await;
    around.github.expect_dispatches(1);
    let host = around
        .host(Mode::Payload)
        .setting("APPROVE_URL", &format!("https://approve.example/api/ApproveRelease?code={KEY}"))
        .setting("MAIL_ORIGINATOR", "c7a1f2d0-0000-4000-8000-000000000001")
        .start()
        .await;
    let body = r#"{"event_type":"go-live","approvals_required":2}"#;
    let asked = around.ask(&host, body).await;
    let id = text(&asked["id"]);
    let buttons = actions(&asked["mail_card"]);
    let titles: Vec<_> = buttons.iter().map(|button| button["type"].as_str().unwrap()).collect();
    assert_eq!(titles, ["Action.Http", "Action.Http"]);
    assert!(!asked["card"].to_string().contains(KEY));

    for (person, outcome, left) in [(Someone::alex(), "counted", 2), (Someone::number(1), "dispatched", 1)] {
        let answer = host.vote(&around.token_of(&person), &id, "approve").await;
        assert_eq!((answer.status, answer.header("CARD-UPDATE-IN-BODY")), (200, Some("true")));
        answer.assert_card_sentence();
        assert_eq!(actions(&answer.json()).len(), left, "{outcome}: {}", answer.text());
        host.stderr_line(&format!("ApproveRelease: {outcome}")).await;
    }
    // A click that failed keeps the card that is there.
    let answer = host.vote(&around.token_of(&Someone::number(2)), &id, "reject").await;
    answer.assert_outcome(409, "conflict");
    assert_eq!(answer.header("CARD-UPDATE-IN-BODY"), None);
    assert!(!host.stderr().contains(KEY));
}
