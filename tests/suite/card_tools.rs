//! The client that cards are shown in works: with cards of these tests' own.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::{
    browser::Browser,
    card_page::CardPage,
    http1::{Answer, Request},
    web_server::{WebServer, html, ok},
};

#[tokio::test]
async fn a_card_is_rendered_and_its_link_is_followed() {
    let Some(browser) = Browser::open().await else { return };
    let site = WebServer::start(async |_| html("You are elsewhere.")).await;
    let card = json!({
        "type": "AdaptiveCard", "version": "1.4",
        "body": [
            {"type": "TextBlock", "text": "**Release** 1.4.2 <b>now</b>", "wrap": true},
            {"type": "FactSet", "facts": [{"title": "Environment", "value": "production"}]},
            {"type": "ActionSet", "actions": [
                {"type": "Action.OpenUrl", "title": "Approve or reject", "url": site.url("/elsewhere")},
            ]},
        ],
    });

    let page = CardPage::show(&browser, "", &card).await;
    assert_eq!(page.text().await, "Release 1.4.2 <b>now</b>\nEnvironment\nproduction\nApprove or reject");
    assert_eq!(page.buttons().await, ["Approve or reject"]);
    assert_eq!(browser.accessibility_violations().await, [""; 0]);
    page.click("Approve or reject").await;
    browser.text_with("body", "elsewhere").await;
    assert_eq!(browser.url().await, site.url("/elsewhere"));
}

#[tokio::test]
async fn an_action_of_a_mail_card_is_sent_with_its_inputs_and_answered_in_the_card() {
    let Some(browser) = Browser::open().await else { return };
    let calls = Arc::new(Mutex::new(Vec::new()));
    let function = function(Arc::clone(&calls)).await;

    let page = CardPage::show(&browser, "aToken", &mail_card(&function.url("/api/X?code=a%2Fb"))).await;
    page.fill("comment", r#"so "be" it"#).await;
    page.click("Approve").await;

    assert_eq!(page.status().await, "The release was approved.");
    assert_eq!((page.text().await.as_str(), page.buttons().await), ("Approved", vec![]));
    let calls = calls.lock().unwrap();
    let [call] = &calls[..] else { panic!("{calls:?}") };
    assert_eq!((call.method.as_str(), call.target.as_str()), ("POST", "/api/X?code=a%2Fb"));
    assert_eq!(call.body.bytes(), br#"{"verdict": "approve", "comment": "so \"be\" it"}"#);
    let expected = [
        ("Content-Type", Some("application/json")),
        ("Authorization", Some("Bearer aToken")),
        ("X-Card", Some("yes")),
        ("Card-Correlation-Id", Some("run 7")),
        ("Origin", None),
        ("Sec-Fetch-Site", None),
        ("User-Agent", None),
    ];
    for (name, value) in expected {
        assert_eq!(call.headers.get(name), value, "{name}");
    }
}

/// A function that answers every click with another card.
async fn function(calls: Arc<Mutex<Vec<Request>>>) -> WebServer {
    WebServer::start(move |request| {
        calls.lock().unwrap().push(request);
        let body = json!([{"type": "TextBlock", "text": "Approved"}]);
        let card = json!({"type": "AdaptiveCard", "version": "1.0", "body": body});
        let mut answer = ok("application/json", card.to_string());
        answer.headers.add("CARD-ACTION-STATUS", "The release was approved.");
        answer.headers.add("CARD-UPDATE-IN-BODY", "true");
        async { answer }
    })
    .await
}

fn mail_card(url: &str) -> Value {
    json!({
        "type": "AdaptiveCard", "version": "1.0", "correlationId": "run 7",
        "body": [{"type": "Input.Text", "id": "comment", "placeholder": "Comment"}],
        "actions": [{
            "type": "Action.Http", "title": "Approve", "method": "POST", "url": url,
            "headers": [{"name": "X-Card", "value": "yes"}],
            "body": r#"{"verdict": "approve", "comment": "{{comment.value}}"}"#,
        }],
    })
}

#[tokio::test]
async fn a_failed_action_leaves_the_card_and_says_why() {
    let Some(browser) = Browser::open().await else { return };
    let function = WebServer::start(async |request: Request| {
        let mut answer = Answer::with_status(401);
        if request.path() == "/said" {
            answer.headers.add("CARD-ACTION-STATUS", "Not you.");
        }
        answer
    })
    .await;

    for (path, status) in [("/said", "Not you."), ("/unsaid", "The action failed with status 401.")] {
        let page = CardPage::show(&browser, "aToken", &mail_card(&function.url(path))).await;
        page.click("Approve").await;
        assert_eq!((page.status().await.as_str(), page.buttons().await.len()), (status, 1));
    }
}

#[tokio::test]
#[should_panic(expected = "the renderer objects to")]
async fn a_card_that_the_renderer_objects_to_fails_the_test() {
    let Some(browser) = Browser::open().await else {
        panic!("the renderer objects to nothing without a browser")
    };
    let action =
        json!({"type": "Action.Http", "title": "Approve", "method": "POST", "url": "http://127.0.0.1:1/"});
    let card = json!({"type": "AdaptiveCard", "version": "1.4", "actions": [action]});
    CardPage::show(&browser, "", &card).await;
}
