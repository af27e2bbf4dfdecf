//! The page as people use it, in a real browser: with mouse and keyboard, on a phone and in the dark; and the cards
//! that lead to it, drawn by Microsoft's own renderer.

use std::sync::Arc;

use serde_json::{Value, json};
use thirtyfour::Key;

use crate::{
    activities::Activity,
    browser::Browser,
    card_page::CardPage,
    connector::BotConnector,
    deployment::{Channel, Someone, Surroundings, page_of, text},
    functions_host::{FunctionsHost, Mode},
    http1::Request,
    standalone::Standalone,
    tokens::Token,
};

/// The request of these tests.
const BODY: &str = r#"{"event_type":"release-1.4.2","client_payload":{"version":"1.4.2"},
    "title":"Release 1.4.2 to production",
    "text":"**What is new**\n\n- Invoices in euros\n- [Change log](https://github.com/octo/app/releases)",
    "facts":{"Environment":"production","Risk":"low"},"approvals_required":2,
    "approvers":["alex@contoso.com","person1@contoso.com"]}"#;

/// A host under its own address, and a browser in which Alex is signed in.
struct Stage {
    around: Surroundings,
    channel: Channel,
    host: FunctionsHost,
    browser: Browser,
}

impl Stage {
    /// Nothing where there is no browser.
    async fn open() -> Option<Self> {
        let browser = Browser::open().await?;
        let (around, channel) = (Surroundings::start().await, Channel::start().await);
        let host = around.host(Mode::Proxying).settings(channel.setting()).local();
        let host = host.setting("MAIL_ORIGINATOR", "c7a1f2d0-0000-4000-8000-000000000001").start().await;
        browser.headers(&[("X-MS-CLIENT-PRINCIPAL", &Someone::alex().principal())]).await;
        Some(Self { around, channel, host, browser })
    }

    async fn ask(&self, body: &str) -> Value {
        let aud = format!("http://localhost:{}", self.host.port());
        let token = Token::of_job(&self.around.actions).claim("aud", aud).sign();
        let request = Request::post("/api/RequestApproval").json(body);
        let request = request.header("Authorization", &format!("Bearer {token}"));
        // The mail card in the answer holds the key, and has to.
        request.send(self.host.port()).await.json()
    }

    fn url(&self, path: &str) -> String {
        format!("http://localhost:{}{path}", self.host.port())
    }

    /// Asks for an approval and opens its page.
    async fn visit(&self, body: &str) -> String {
        let id = text(&self.ask(body).await["id"]);
        self.browser.goto(&self.url(&page_of(&id))).await;
        id
    }

    async fn said(&self) -> String {
        self.browser.text("[role=status]").await
    }
}

const ONE: &str = r#"{"event_type":"go-live","title":"Release 1.4.2 to production"}"#;

#[tokio::test]
async fn a_click_on_approve_approves() {
    let Some(stage) = Stage::open().await else { return };
    stage.around.github.expect_dispatches(1);
    stage.visit(ONE).await;

    assert!(stage.browser.text(".status").await.contains("Waiting"));
    stage.browser.click_text("Approve").await;
    let said = stage.said().await;
    assert!(said.contains("GitHub accepted go-live"), "{said}");
    assert_eq!(stage.browser.text(".status").await, "Approved");
    assert_eq!(stage.browser.count("form").await, 0);
    assert_eq!(stage.browser.console_errors().await, [""; 0]);
}

#[tokio::test]
async fn a_release_is_rejected_with_a_comment() {
    let Some(stage) = Stage::open().await else { return };
    stage.visit(ONE).await;

    stage.browser.fill("textarea", "Not on a Friday.\nWait for <b>Monday</b>.").await;
    stage.browser.click_text("Reject").await;
    assert!(stage.said().await.starts_with("Rejected"));
    let comment = stage.browser.text("blockquote").await;
    assert_eq!(comment, "Not on a Friday.\nWait for <b>Monday</b>.");
}

#[tokio::test]
async fn a_double_click_decides_once() {
    let Some(stage) = Stage::open().await else { return };
    stage.around.github.expect_dispatches(1);
    stage.visit(ONE).await;

    let twice =
        "const button = document.querySelector('button[value=approve]'); button.click(); button.click();";
    stage.browser.script(twice, vec![]).await;
    let said = stage.said().await;
    assert!(said.contains("accepted") || said.contains("Already decided"), "{said}");
}

#[tokio::test]
async fn going_back_shows_what_has_been_decided() {
    let Some(stage) = Stage::open().await else { return };
    stage.around.github.expect_dispatches(1);
    let id = stage.visit(ONE).await;
    // Another page before it, so that there is something to go back and forth between.
    stage.browser.goto(&stage.url("/api/approvals")).await;
    stage.browser.goto(&stage.url(&page_of(&id))).await;

    stage.browser.click_text("Approve").await;
    stage.said().await;
    stage.browser.back().await;
    stage.browser.text_with(".status", "Approved").await;
    assert_eq!(stage.browser.count("button").await, 0);
}

#[tokio::test]
async fn a_second_tab_that_comes_too_late_says_so() {
    let Some(stage) = Stage::open().await else { return };
    stage.around.github.expect_dispatches(1);
    let id = stage.visit(ONE).await;
    let first = stage.browser.tab().await;
    let second = stage.browser.new_tab().await;
    stage.browser.switch_to(&second).await;
    stage.browser.headers(&[("X-MS-CLIENT-PRINCIPAL", &Someone::number(1).principal())]).await;
    stage.browser.goto(&stage.url(&page_of(&id))).await;

    stage.browser.switch_to(&first).await;
    stage.browser.click_text("Approve").await;
    stage.said().await;
    stage.browser.switch_to(&second).await;
    stage.browser.click_text("Reject").await;
    let said = stage.said().await;
    assert!(said.contains("Already approved"), "{said}");
    assert_eq!(stage.browser.text(".status").await, "Approved");
}

#[tokio::test]
async fn the_decision_is_in_reach_however_long_the_request_is() {
    let Some(stage) = Stage::open().await else { return };
    let long = json!({"event_type": "go-live", "text": "A line of many.\n\n".repeat(200)}).to_string();
    stage.visit(&long).await;
    let bottom = "const bar = document.querySelector('.bar').getBoundingClientRect();
        const all = document.documentElement;
        return [bar.bottom, innerHeight, all.scrollHeight, bar.height]";
    for (width, height) in [(320, 700), (390, 844), (1280, 800)] {
        stage.browser.window_size(width, height).await;
        let [bar, window, page, tall]: [f64; 4] =
            serde_json::from_value(stage.browser.script(bottom, vec![]).await).expect("four numbers");
        assert!(bar <= window && page > 2.0 * window && tall < 100.0, "{bar} {window} {page} {tall}");
    }
    stage.browser.fill("textarea", "Too long.").await;
    stage.browser.click_text("Reject").await;
    assert!(stage.said().await.starts_with("Rejected"));
}

/// The places of the buttons that decide, as the window shows them before anyone scrolls.
const DECIDING: &str =
    "return [...document.querySelectorAll('#your-vote button[name=verdict]')].map(button => {
    const place = button.getBoundingClientRect();
    return [place.top, place.bottom, place.height, scrollY];
})";

#[tokio::test]
async fn a_phone_shows_the_decision_before_anyone_scrolls_and_a_wide_window_shows_it_beside_the_rest() {
    let Some(stage) = Stage::open().await else { return };
    let paragraphs = "A line of many.\n\n".repeat(200);
    let long = json!({"event_type": "go-live", "title": "W".repeat(200), "text": paragraphs,
        "client_payload": {"list": "value ".repeat(4_000)}});
    for body in [BODY, &long.to_string()] {
        stage.visit(body).await;
        for (width, height) in [(320, 568), (390, 844), (844, 390), (800, 900), (1280, 800)] {
            stage.browser.window_size(width, height).await;
            let places: Vec<[f64; 4]> =
                serde_json::from_value(stage.browser.script(DECIDING, vec![]).await).expect("numbers");
            assert_eq!(places.len(), 2);
            for [top, bottom, tall, scrolled] in places {
                assert!(top >= 0.0 && bottom <= f64::from(height), "{top} to {bottom}, {width} wide");
                assert!((44.0..50.0).contains(&tall) && scrolled == 0.0, "{tall}, {width} wide");
            }
        }
    }
    // The link beside the buttons leads to the field, which is far down.
    stage.browser.window_size(390, 844).await;
    stage.browser.click_text("Comment").await;
    let is_seen = "const place = document.activeElement.getBoundingClientRect();
        const bar = document.querySelector('.bar').getBoundingClientRect();
        return document.activeElement.id === 'comment' && place.top >= 0 && place.bottom <= bar.top";
    assert_eq!(stage.browser.script(is_seen, vec![]).await, json!(true));
}

#[tokio::test]
async fn a_row_of_the_list_is_low_and_ten_can_be_told_apart() {
    let Some(stage) = Stage::open().await else { return };
    stage.around.github.expect_dispatches(1);
    stage.visit(ONE).await;
    stage.browser.click_text("Approve").await;
    stage.said().await;
    for number in 0..10 {
        let title = format!("{number}. Release of everything, {}", "with a long title ".repeat(number));
        let body = json!({"event_type": "go-live", "title": title.trim_end(), "approvals_required": 1 + number % 2,
            "expires_in_minutes": 20 + number * number * 60});
        stage.ask(&body.to_string()).await;
    }
    stage.browser.goto(&stage.url("/api/approvals")).await;
    let heights = "return [...document.querySelectorAll('tbody tr')].map(row => row.offsetHeight)";
    for width in [768, 1024, 1280] {
        stage.browser.window_size(width, 900).await;
        let heights: Vec<u32> =
            serde_json::from_value(stage.browser.script(heights, vec![]).await).expect("heights");
        assert!(heights.len() == 11 && heights.iter().all(|tall| *tall <= 72), "{width}: {heights:?}");
    }
    stage.browser.window_size(1280, 900).await;
    let first: Vec<_> = stage.browser.texts("tbody th a").await;
    assert_eq!(first.len(), 11);
    for number in 0..10 {
        assert!(first[number].starts_with(&format!("“{number}. Release of everything")), "{first:?}");
    }
    // Below that each stands by itself, and no part of it is cut.
    stage.browser.window_size(390, 844).await;
    let cut = "return [...document.querySelectorAll('.cut')].filter(e => e.scrollHeight > e.clientHeight + 1).length";
    let shown = stage.browser.texts("tbody th a").await;
    assert!(shown[9].ends_with("with a long title”"), "{shown:?}");
    assert_eq!(stage.browser.script(cut, vec![]).await, json!(0));
}

#[tokio::test]
async fn the_parts_of_the_list_are_one_press_away() {
    let Some(stage) = Stage::open().await else { return };
    stage.around.github.expect_dispatches(1);
    stage.visit(ONE).await;
    stage.browser.click_text("Approve").await;
    stage.said().await;
    stage.browser.window_size(320, 700).await;
    stage.browser.goto(&stage.url("/api/approvals")).await;
    let heights = "return [...document.querySelectorAll('.views a')].map(link => link.offsetHeight)";
    let heights: Vec<u32> =
        serde_json::from_value(stage.browser.script(heights, vec![]).await).expect("heights");
    assert!(heights.len() == 4 && heights.iter().all(|tall| *tall >= 44), "{heights:?}");
    for (label, rows) in [("Waiting", 0), ("Decided", 1), ("All", 1)] {
        stage.browser.click_text(label).await;
        stage.browser.text_with(".views [aria-current=page]", label).await;
        assert_eq!(stage.browser.count("tbody tr").await, rows, "{label}");
        assert_eq!(stage.browser.accessibility_violations().await, [""; 0], "{label}");
    }
}

#[tokio::test]
async fn the_keyboard_is_enough() {
    let Some(stage) = Stage::open().await else { return };
    stage.around.github.expect_dispatches(1);
    stage.visit(ONE).await;

    stage.browser.script("document.querySelector('textarea').focus()", vec![]).await;
    stage.browser.press("Fine.").await;
    stage.browser.press(Key::Tab + Key::Enter).await;
    stage.said().await;
    assert_eq!(stage.browser.text(".status").await, "Approved");
    assert_eq!(stage.browser.text("blockquote").await, "Fine.");
}

#[tokio::test]
async fn every_page_is_for_everybody_on_a_phone_and_in_the_dark() {
    let Some(stage) = Stage::open().await else { return };
    stage.around.github.expect_dispatches(1);
    let decided = stage.visit(ONE).await;
    stage.browser.click_text("Approve").await;
    stage.said().await;
    let waiting = text(&stage.ask(BODY).await["id"]);
    let pages = [page_of(&waiting), page_of(&decided), "/api/approvals".to_owned(), page_of("nothing")];

    for (width, dark) in [(1280, false), (1000, true), (360, false), (320, true)] {
        stage.browser.window_size(width, 900).await;
        stage.browser.dark_mode(dark).await;
        for page in &pages {
            let about = format!("{page}, {width} wide, dark: {dark}");
            stage.browser.goto(&stage.url(page)).await;
            assert_eq!(stage.browser.accessibility_violations().await, [""; 0], "{about}");
            let needed = stage.browser.script("return document.documentElement.scrollWidth", vec![]).await;
            assert!(needed.as_u64().is_some_and(|needed| needed <= u64::from(width)), "{needed}: {about}");
            let light = "return matchMedia('(prefers-color-scheme: dark)').matches";
            assert_eq!(stage.browser.script(light, vec![]).await, json!(dark), "{about}");
        }
    }
}

#[tokio::test]
async fn the_card_in_the_channel_leads_to_the_page() {
    let Some(stage) = Stage::open().await else { return };
    stage.ask(BODY).await;
    let posted = stage.channel.cards().pop().expect("a card");

    let card = CardPage::show(&stage.browser, "", &posted).await;
    assert!(!card.text().await.contains("Vouched for by GitHub"), "it is folded");
    card.click("Details").await;
    let shown = card.text().await;
    for words in ["Release 1.4.2 to production", "octo/app", "octocat", "From GitHub", "Invoices in euros"] {
        assert!(shown.contains(words), "{words} in {shown}");
    }
    let buttons = card.buttons().await;
    assert_eq!(buttons, ["Approve or reject", "Details"]);
    card.click(&buttons[0]).await;
    stage.browser.text_with(".title", "Release 1.4.2 to production").await;
    assert!(stage.browser.url().await.contains("/api/approvals/"));
}

// T11
#[tokio::test]
async fn hostile_words_stay_words_in_the_renderer() {
    let Some(stage) = Stage::open().await else { return };
    let evil = "<img src=x onerror=alert(1)> ![x](https://evil.example/x.png) <at>all</at> [here](javascript:alert(1)) \
        [GitHub](https://evil.example) **bold** {{x}}";
    let body = json!({"event_type": "go-live", "title": evil, "text": evil, "facts": {evil: evil}});
    stage.ask(&body.to_string()).await;

    let _card = CardPage::show(&stage.browser, "", &stage.channel.cards()[0]).await;
    assert_eq!(stage.browser.count("#card img, #card script, #card iframe, #card at").await, 0);
    let links = stage.browser.script(
        "return [...document.querySelectorAll('#card a')].map(a => [a.protocol, a.hostname, a.textContent])",
        vec![],
    );
    let links = links.await;
    for link in links.as_array().expect("a list") {
        let (scheme, host, label) = (text(&link[0]), text(&link[1]), text(&link[2]));
        // Our own links lead to where the issuer says that GitHub is; all others say where they lead.
        let is_ours = host == "127.0.0.1";
        assert!(is_ours || (scheme == "https:" && label.contains(&host)), "{link}");
    }
}

#[tokio::test]
async fn a_mail_card_is_voted_on_and_becomes_the_new_one() {
    let Some(stage) = Stage::open().await else { return };
    let asked = stage.ask(BODY).await;
    let token = stage.around.token_of(&Someone::alex());

    let card = CardPage::show(&stage.browser, &token, &asked["mail_card"]).await;
    assert_eq!(card.buttons().await, ["Approve", "Reject"]);
    assert_eq!(stage.browser.texts("#card a").await.last().map(String::as_str), Some("Open the page"));
    card.fill("comment", "Quotes \" and \\ and {{x}}").await;
    card.click("Approve").await;
    let said = card.status().await;
    assert!(said.contains("1 of 2"), "{said}");
    let shown = card.text().await;
    assert!(shown.contains("Alex Wilber") && shown.contains("Quotes \" and \\ and"), "{shown}");
    card.click("Reject").await;
    stage.browser.text_with("#status", "Rejected").await;
    assert_eq!(card.buttons().await, ["Open the page"]);
}

#[tokio::test]
async fn the_bots_card_is_voted_on_inside_teams() {
    let Some(browser) = Browser::open().await else { return };
    let around = Surroundings::start().await;
    let connector = Arc::new(BotConnector::start(&around.authority.desk).await);
    around.github.expect_dispatches(0);
    let host = around.host(Mode::Payload).settings(connector.settings()).start().await;
    around.ask(&host, BODY).await;
    let message = connector.messages().pop().expect("a card");

    let (teams, on) = (Arc::clone(&connector), message.clone());
    let activity =
        move |verb: &str, data: Value| Activity::click(&teams, &Someone::alex(), &on, verb, data).request();
    let card = CardPage::show_of_bot(&browser, host.port(), &message.cards[0], activity).await;
    assert_eq!(card.buttons().await, ["Approve", "Reject", "Open the page", "Details"]);
    card.fill("comment", "Fine with \"quotes\"").await;
    card.click("Approve").await;
    assert_eq!(card.status().await, "ok");
    let shown = card.text().await;
    assert!(shown.contains("counts: 1 of 2") && !shown.contains("Fine with \"quotes\""), "{shown}");
    card.click("Details").await;
    let shown = card.text().await;
    assert!(shown.contains("Fine with \"quotes\"") && shown.contains("From GitHub"), "{shown}");
    card.click("Reject").await;
    browser.text_with("#card", "Rejected. Nothing is sent").await;
    assert_eq!(card.buttons().await, ["Open the page", "Details"]);
}

#[tokio::test]
async fn who_starts_it_by_hand_has_a_sample_to_click() {
    let Some(browser) = Browser::open().await else { return };
    let standalone = Standalone::start_with_our_settings(&[]).await;
    let url = standalone.sample().await;

    browser.goto(&url).await;
    assert!(browser.text("body").await.contains("Dry run"));
    browser.click_text("Approve").await;
    let said = browser.text("[role=status]").await;
    assert!(said.starts_with("Dry run:"), "{said}");

    browser.click_text("Another sample").await;
    browser.text_with(".status", "Waiting for approval").await;
    assert_ne!(browser.url().await, url);
    assert_eq!(browser.accessibility_violations().await, [""; 0]);
    assert_eq!(browser.console_errors().await, [""; 0]);
}

/// The one who asks is on the page in GitHub's words.
#[tokio::test]
async fn what_github_vouches_for_stands_apart() {
    let Some(stage) = Stage::open().await else { return };
    stage.visit(BODY).await;
    let vouched = stage.browser.text("section[aria-labelledby=vouched]").await;
    for words in ["From GitHub", "octo/app", "octocat", "Branch\nmain"] {
        assert!(vouched.contains(words), "{words} in {vouched}");
    }
    assert!(!vouched.contains("production"), "{vouched}");
}
