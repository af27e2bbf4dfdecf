//! The browser that pages are tested in works: on pages of these tests' own.

use std::path::Path;

use serde_json::json;

use crate::{
    browser::{Browser, Key},
    http1::{Answer, Request},
    web_server::{WebServer, html},
};

/// The policy that no page of ours may be without.
const POLICY: &str = "default-src 'none'; img-src data:; form-action 'self'";

/// A form that people can use.
const GOOD_FORM: &str = r#"<!doctype html>
    <html lang="en"><head><title>A good form</title><link rel="icon" href="data:,"></head>
    <body><main><h1>Release 1.4.2</h1><form method="post" action="/sent">
    <label>Comment <input name="comment"></label> <button name="verdict" value="approve">Approve</button>
    <button name="verdict" value="reject">Reject</button></form><p><a href="/elsewhere">Elsewhere</a></p></main></body></html>"#;

/// A form whose input nobody can tell the meaning of.
const BAD_FORM: &str = r#"<!doctype html>
    <html lang="en"><head><title>A bad form</title></head>
    <body><main><h1>Release 1.4.2</h1><form><input name="comment"></form></main></body></html>"#;

/// A site with both forms; `/sent` shows what was sent to it, `/headers` the value of `X-Person`.
async fn site() -> WebServer {
    WebServer::start(async |request: Request| {
        let mut answer = match request.path() {
            "/good" => html(GOOD_FORM),
            "/bad" => html(BAD_FORM),
            "/sent" => html(String::from_utf8_lossy(request.body.bytes()).into_owned()),
            "/headers" => html(request.headers.get("X-Person").unwrap_or("nobody")),
            "/elsewhere" => html("<title>Elsewhere</title>You are elsewhere."),
            _ => Answer::with_status(404),
        };
        answer.headers.add("Content-Security-Policy", POLICY);
        answer
    })
    .await
}

#[tokio::test]
async fn a_form_can_be_filled_and_clicked() {
    let Some(browser) = Browser::open().await else { return };
    let site = site().await;

    browser.goto(&site.url("/good")).await;
    assert_eq!(browser.title().await, "A good form");
    assert_eq!(browser.texts("button").await, ["Approve", "Reject"]);
    assert_eq!(browser.count("a").await, 1);
    browser.fill("[name=comment]", "not this").await;
    browser.fill("[name=comment]", "Grüße").await;
    browser.click("[value=reject]").await;
    let sent = browser.text_with("body", "verdict=").await;
    assert_eq!(sent, "comment=Gr%C3%BC%C3%9Fe&verdict=reject");

    browser.back().await;
    browser.click_text("Elsewhere").await;
    assert_eq!(browser.text_with("body", "are").await, "You are elsewhere.");
    assert_eq!(browser.url().await, site.url("/elsewhere"));
}

#[tokio::test]
async fn a_form_can_be_used_without_a_mouse() {
    let Some(browser) = Browser::open().await else { return };
    let site = site().await;

    browser.goto(&site.url("/good")).await;
    browser.press(Key::Tab).await;
    browser.press("fine").await;
    browser.press(Key::Tab + Key::Enter).await;
    assert_eq!(browser.text_with("body", "verdict=").await, "comment=fine&verdict=approve");
}

#[tokio::test]
async fn a_tab_has_its_own_page_size_and_colours() {
    let Some(browser) = Browser::open().await else { return };
    let site = site().await;
    let look = async || {
        let ask = "return [innerWidth, innerHeight, matchMedia('(prefers-color-scheme: dark)').matches]";
        browser.script(ask, vec![]).await
    };

    let first = browser.tab().await;
    browser.dark_mode(true).await;
    browser.window_size(360, 640).await;
    browser.goto(&site.url("/good")).await;
    assert_eq!(look().await, json!([360, 640, true]));
    browser.dark_mode(false).await;
    assert_eq!(look().await[2], false);

    let second = browser.new_tab().await;
    assert_ne!(look().await[0], 360);
    browser.goto(&site.url("/bad")).await;
    browser.switch_to(&first).await;
    assert_eq!(browser.title().await, "A good form");
    browser.switch_to(&second).await;
    assert_eq!(browser.title().await, "A bad form");
}

#[tokio::test]
async fn headers_of_a_proxy_come_with_every_request() {
    let Some(browser) = Browser::open().await else { return };
    let site = site().await;

    for person in ["Alex", "Adele"] {
        browser.headers(&[("X-Person", person)]).await;
        browser.goto(&site.url("/headers")).await;
        assert_eq!(browser.text("body").await, person);
    }
}

#[tokio::test]
async fn a_screenshot_shows_the_window() {
    let Some(browser) = Browser::open().await else { return };
    let site = site().await;

    browser.window_size(360, 640).await;
    browser.goto(&site.url("/good")).await;
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("a-good-form.png");
    browser.screenshot(&path).await;

    let picture = std::fs::read(path).expect("written just now");
    assert_eq!(&picture[..8], b"\x89PNG\r\n\x1a\n");
    assert_eq!(picture[16..24], [0, 0, 1, 104, 0, 0, 2, 128], "360 by 640 pixels");
}

#[tokio::test]
async fn the_console_tells_what_a_policy_blocked() {
    let Some(browser) = Browser::open().await else { return };
    let site = site().await;

    browser.goto(&site.url("/good")).await;
    assert_eq!(browser.console_errors().await, [""; 0]);

    let add_script = "document.body.append(Object.assign(document.createElement('script'), {src: '/x.js'}))";
    browser.script(add_script, vec![]).await;
    let errors = browser.console_errors().await;
    assert!(errors.len() == 1 && errors[0].contains("Content Security Policy"), "{errors:?}");
}

#[tokio::test]
async fn an_input_without_a_label_is_a_violation_and_a_good_form_has_none() {
    let Some(browser) = Browser::open().await else { return };
    let site = site().await;

    browser.goto(&site.url("/bad")).await;
    let violations = browser.accessibility_violations().await;
    assert_eq!(violations.len(), 1, "{violations:#?}");
    assert!(violations[0].starts_with("label: "), "{violations:#?}");
    assert!(violations[0].contains(r#"<input name="comment">"#), "{violations:#?}");

    browser.goto(&site.url("/good")).await;
    assert_eq!(browser.accessibility_violations().await, [""; 0]);
}
