//! Half an emoji, as programs leave it that cut a text in two (`\ud83d` alone): in every text, no click and no
//! request is lost over it. A name that holds it is no name.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::json;

use crate::{
    actions::PUBLIC_URL,
    authority::Version,
    deployment::{Someone, Surroundings, page_of, text},
    functions_host::{FunctionsHost, Mode},
    github::GitHub,
    http1::Request,
    tokens::{ALEX_NAME, Token},
};

/// Half an emoji, as a JSON text has it; and what it is read as.
const HALF: &str = r"\ud83d";
const WHOLE: &str = r"\ufffd";

#[tokio::test]
async fn a_relayed_payload_with_half_a_character_arrives_and_is_one_decision_however_it_is_written() {
    let github = GitHub::start().await;
    github.expect_dispatches(1);
    let host = FunctionsHost::relay(Mode::Payload, &github).start().await;
    let payload = format!(r#"{{"note":"done {HALF}","\\ud83d":"\ud83d\ude00"}}"#);
    let click = format!(r#"{{"event_type":"release-approved","client_payload":{payload}}}"#);

    host.click(click.clone()).await.assert_outcome(200, "dispatched");
    assert_eq!(github.only_dispatch().client_payload(), payload.replace("done \\ud83d", "done \\ufffd"));

    host.click(click.replace("done \\ud83d", "done \\ufffd")).await.assert_outcome(200, "already-decided");
    let form = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("event_type", "release-approved")
        .append_pair("client_payload", &payload)
        .finish();
    host.send(host.click_request().form(form)).await.assert_outcome(200, "already-decided");
}

#[tokio::test]
async fn a_name_with_half_a_character_is_invalid_and_its_field_is_named() {
    let around = Surroundings::start().await;
    let host = around.host(Mode::Payload).setting("RELAY_EVENT_TYPES", "*").start().await;
    let token = around.token_of(&Someone::alex());

    for (body, field) in [
        (r#"{"event_type":"go\ud83d"}"#, "event_type"),
        ("{\"event_type\":\"go\u{fffd}\"}", "event_type"),
        (r#"{"approval":"\ude00","verdict":"approve"}"#, "approval"),
    ] {
        let sentence = host.click_as(&token, body).await.assert_outcome(400, "invalid");
        assert!(sentence.contains(&format!("{field} is a name")), "{sentence}");
    }
    let host = around.host(Mode::Payload).start().await;
    for (body, field) in [
        (r#"{"event_type":"go\ud83d"}"#, "event_type"),
        (r#"{"event_type":"go","rejected_event_type":"no\ud83d"}"#, "rejected_event_type"),
        (r#"{"event_type":"go","approvers":["al\ud83dex@contoso.com"]}"#, "approvers"),
    ] {
        let answer = host.ask_as(&Token::of_job(&around.actions), body).await;
        let sentence = answer.assert_outcome(400, "invalid");
        assert!(sentence.contains(&format!("{field} is a name")), "{sentence}");
    }
}

#[tokio::test]
async fn a_request_with_half_a_character_is_asked_and_the_same_again_is_the_same() {
    let around = Surroundings::start().await;
    let host = around.host(Mode::Payload).start().await;
    let job = Token::of_job(&around.actions);
    let body = format!(
        r#"{{"event_type":"go-live","title":"Release {HALF}","text":"{HALF}{HALF}","facts":{{"{HALF}":"x{HALF}"}},"client_payload":{{"v":"{HALF}"}}}}"#
    );

    let asked = host.ask_as(&job, &body).await.assert_opened();
    let card = asked["card"].to_string();
    assert!(card.contains("Release \u{fffd}"), "{card}");
    let again = host.ask_as(&job, &body.replace(HALF, WHOLE)).await;
    assert_eq!((again.status, &again.json()["id"]), (200, &asked["id"]));
    let seen = around.status(&host, &text(&asked["id"])).await;
    assert_eq!(seen["client_payload"], json!({"v": "\u{fffd}"}));
}

#[tokio::test]
async fn a_persons_comment_and_name_may_hold_half_a_character_in_a_mail_and_on_the_page() {
    let around = Surroundings::start().await;
    around.github.expect_dispatches(1);
    let host = around.host(Mode::Payload).start().await;
    let id = around.ask_for_id(&host, r#"{"event_type":"go-live","approvals_required":2}"#).await;
    let half = |json: String| json.replace(ALEX_NAME, &format!("Alex {HALF}"));

    let token = Token::good(Version::Two, &around.authority);
    let token = token.sign_claims(half(json!(token.claims).to_string()));
    let vote = format!(r#"{{"approval":"{id}","verdict":"approve","comment":"Yes {HALF}"}}"#);
    host.click_as(&token, vote).await.assert_outcome(200, "counted");

    // Somebody else of the same name, who is signed in.
    let sam = Someone { name: ALEX_NAME.to_owned(), ..Someone::number(1) };
    let principal = String::from_utf8(STANDARD.decode(sam.principal()).expect("base64")).expect("JSON");
    let press = Request::post(&page_of(&id))
        .form("verdict=approve")
        .header("X-MS-CLIENT-PRINCIPAL", &STANDARD.encode(half(principal)))
        .header("Sec-Fetch-Site", "same-origin")
        .header("Origin", PUBLIC_URL);
    assert_eq!(host.send(press).await.status, 200);

    let performers = around.status(&host, &id).await["performers"].clone();
    assert_eq!(
        [&performers[0]["comment"], &performers[0]["name"], &performers[1]["name"]],
        ["Yes \u{fffd}", "Alex \u{fffd}", "Alex \u{fffd}"]
    );
}
