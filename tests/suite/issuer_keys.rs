//! The keys are loaded once, looked up again when one is missing but rarely, and never from elsewhere. A fault of the
//! authority makes clicks `unavailable`, and those count when it works again.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::{Value, json};
use wiremock::ResponseTemplate;

use crate::{
    authority::{Authority, TENANT, Version},
    functions_host::{FunctionsHost, Mode},
    github::{GitHub, html, redirect},
    handler_process::{ANSWERED_WITHIN, within},
    http1::Answer,
    misbehaving::{Misbehaving, Misbehaviour, nobody},
    openid::Document,
    relay::new_click,
    signing_keys::Key,
    stores::Store,
    tokens::{ALEX, Token},
};

in_one_mode! {
    keys_are_loaded_once_whoever_clicks
    many_first_clicks_load_the_keys_once
    many_unknown_keys_cause_one_more_look_up
    many_clicks_while_nothing_is_known_cause_few_look_ups
    a_new_key_is_found_by_one_more_look_up_and_an_old_one_that_is_gone_counts_no_more
    while_the_authority_is_down_at_first_clicks_are_unavailable_and_count_later
    while_the_authority_is_slow_at_first_clicks_are_unavailable_in_time_and_count_later
    known_keys_go_on_serving_while_the_authority_is_down_and_unknown_ones_are_unavailable
    a_redirect_to_another_host_is_not_followed
}

async fn host(mode: Mode, github: &GitHub, authority: &Authority) -> FunctionsHost {
    FunctionsHost::verifying(mode, github, authority, ALEX).start().await
}

async fn click(host: &FunctionsHost, token: &Token) -> Answer {
    let token = token.sign();
    let click = host.click_request().json(new_click()).header("Authorization", &format!("Bearer {token}"));
    let click = host.send_once(click);
    tokio::time::timeout(ANSWERED_WITHIN, click).await.expect("answered in time")
}

/// Clicks until the authority is back: each click that comes too early must say so.
async fn click_until_dispatched(host: &FunctionsHost, token: &Token) {
    within("the click counts", async || {
        loop {
            let answer = click(host, token).await;
            if answer.status == 200 {
                answer.assert_outcome(200, "dispatched");
                return;
            }
            assert_unavailable(&answer);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    })
    .await;
}

#[track_caller]
fn assert_unavailable(answer: &Answer) {
    let sentence = answer.assert_outcome(424, "unavailable");
    assert!(sentence.contains("keys") && sentence.contains("Click again"), "{sentence}");
}

/// A token of a key that nobody ever published.
fn of_unknown_key(version: Version, authority: &Authority, number: usize) -> Token {
    Token::good(version, authority).header("kid", format!("unknown-{number}"))
}

/// Clicks with so many tokens of unknown keys at once, and asserts the answers' status.
async fn storm(host: &FunctionsHost, authority: &Authority, tokens: usize, status: u16) {
    let click = |number| async move {
        let version = if number % 2 == 0 { Version::One } else { Version::Two };
        click(host, &of_unknown_key(version, authority, number)).await.status
    };
    let answers = join_all((0..tokens).map(click)).await;
    assert!(answers.iter().all(|answer| *answer == status), "{status}: {answers:?}");
}

async fn keys_are_loaded_once_whoever_clicks(mode: Mode) {
    let (github, authority) = (GitHub::start().await, Authority::start().await);
    let host = host(mode, &github, &authority).await;
    authority.until_asked_for_all_keys().await;

    github.expect_dispatches(6);
    for version in Version::BOTH {
        for _ in 0..3 {
            click(&host, &Token::good(version, &authority)).await.assert_outcome(200, "dispatched");
        }
        assert_eq!(authority.asked(version), [1, 1], "metadata and keys of version {version:?}");
    }
}

async fn many_first_clicks_load_the_keys_once(mode: Mode) {
    let (github, authority) = (GitHub::start().await, Authority::start().await);
    github.expect_dispatches(20);
    let host = host(mode, &github, &authority).await;

    let tokens = (0..10).flat_map(|_| Version::BOTH.map(|version| Token::good(version, &authority)));
    let clicks = tokens.map(|token| {
        let host = &host;
        async move { click(host, &token).await.assert_outcome(200, "dispatched") }
    });
    join_all(clicks).await;

    authority.until_asked_for_all_keys().await;
    for version in Version::BOTH {
        assert_eq!(authority.asked(version), [1, 1], "metadata and keys of version {version:?}");
    }
}

async fn many_unknown_keys_cause_one_more_look_up(mode: Mode) {
    let (github, authority) = (GitHub::start().await, Authority::start().await);
    let host = host(mode, &github, &authority).await;

    for _ in 0..2 {
        storm(&host, &authority, 200, 401).await;
    }

    for version in Version::BOTH {
        assert_eq!(authority.asked(version), [2, 2], "metadata and keys of version {version:?}");
    }
    github.expect_dispatches(1);
    click(&host, &Token::good(Version::Two, &authority)).await.assert_outcome(200, "dispatched");
}

async fn many_clicks_while_nothing_is_known_cause_few_look_ups(mode: Mode) {
    let (github, authority, began) = (GitHub::start().await, Authority::start().await, Instant::now());
    authority.go_down();
    let host = host(mode, &github, &authority).await;

    storm(&host, &authority, 200, 424).await;

    for version in Version::BOTH {
        let ([asked, _], most) = (authority.asked(version), 1 + began.elapsed().as_millis() / 200);
        assert!(
            (1..=most).contains(&(asked as u128)),
            "{asked} look-ups, not {most}, for version {version:?}"
        );
    }
}

async fn a_new_key_is_found_by_one_more_look_up_and_an_old_one_that_is_gone_counts_no_more(mode: Mode) {
    let (github, authority) = (GitHub::start().await, Authority::start().await);
    let host = host(mode, &github, &authority).await;
    let old = |version| Token::good(version, &authority);
    let new = |version| Token::good(version, &authority).of_key(Key::Next);
    github.expect_dispatches(2 + 2 + 1);
    for version in Version::BOTH {
        click(&host, &old(version)).await.assert_outcome(200, "dispatched");
    }
    // Version 1 keeps the old key for a while, as Entra does; version 2 takes it away.
    authority.publish(Version::One, [Key::Version1.jwk(), Key::Next.jwk()]);
    authority.publish(Version::Two, [Key::Next.jwk()]);

    for version in Version::BOTH {
        click(&host, &new(version)).await.assert_outcome(200, "dispatched");
        assert_eq!(authority.asked(version), [2, 2], "one look-up more for version {version:?}");
    }
    click(&host, &old(Version::One)).await.assert_outcome(200, "dispatched");
    click(&host, &old(Version::Two)).await.assert_outcome(401, "unauthenticated");
    for version in Version::BOTH {
        assert_eq!(authority.asked(version), [2, 2], "no look-up after that for version {version:?}");
    }
}

async fn while_the_authority_is_down_at_first_clicks_are_unavailable_and_count_later(mode: Mode) {
    let (github, authority, store) = (GitHub::start().await, Authority::start().await, Store::folder());
    authority.go_down();
    let host = FunctionsHost::verifying(mode, &github, &authority, ALEX).store(&store).start().await;

    for version in Version::BOTH {
        assert_unavailable(&click(&host, &Token::good(version, &authority)).await);
    }
    // Nobody can say whether this one is good or bad.
    assert_unavailable(&click(&host, &of_unknown_key(Version::Two, &authority, 1)).await);
    let line = host.stderr_line(&format!("cannot load the keys of {}", authority.url())).await;
    assert!(line.contains("503"), "{line}");
    assert_eq!(store.objects().await, [""; 0], "nothing is recorded");

    authority.recover();
    github.expect_dispatches(2);
    for version in Version::BOTH {
        click_until_dispatched(&host, &Token::good(version, &authority)).await;
    }
}

async fn while_the_authority_is_slow_at_first_clicks_are_unavailable_in_time_and_count_later(mode: Mode) {
    let (github, authority, store) = (GitHub::start().await, Authority::start().await, Store::folder());
    // Twice, for metadata and keys: longer than a click waits, and far shorter than a look-up may take.
    authority.be_slow(Duration::from_millis(1_800));
    let host = FunctionsHost::verifying(mode, &github, &authority, ALEX).store(&store).start().await;

    let token = Token::good(Version::Two, &authority);
    assert_unavailable(&click(&host, &token).await);
    assert_eq!(store.objects().await, [""; 0], "nothing is recorded");

    github.expect_dispatches(1);
    click_until_dispatched(&host, &token).await;
    assert_eq!(authority.asked(Version::Two), [1, 1], "the first look-up went on");
}

async fn known_keys_go_on_serving_while_the_authority_is_down_and_unknown_ones_are_unavailable(mode: Mode) {
    let no_keys = ResponseTemplate::new(200).set_body_json(json!({"keys": []}));
    for (document, answer, asked) in [
        (Document::Metadata, ResponseTemplate::new(503), [2, 1]),
        (Document::Metadata, html(200), [2, 1]),
        (Document::Keys, html(502), [2, 2]),
        (Document::Keys, no_keys, [2, 2]),
    ] {
        println!("{document:?}: {answer:?}");
        let (github, authority) = (GitHub::start().await, Authority::start().await);
        github.expect_dispatches(4);
        let host = host(mode, &github, &authority).await;
        let good = Token::good(Version::Two, &authority);
        click(&host, &good).await.assert_outcome(200, "dispatched");

        authority.serve_instead(document, answer);

        for number in 0..3 {
            click(&host, &good).await.assert_outcome(200, "dispatched");
            assert_unavailable(&click(&host, &of_unknown_key(Version::Two, &authority, number)).await);
        }
        assert_eq!(authority.asked(Version::Two), asked, "one look-up more");
        host.stderr_line("cannot load the keys").await;
    }
}

async fn a_redirect_to_another_host_is_not_followed(mode: Mode) {
    let (github, other, store) = (GitHub::start().await, Authority::start().await, Store::folder());
    for document in Document::BOTH {
        for status in [301, 302, 303, 307, 308] {
            println!("{document:?}: {status}");
            let authority = Authority::start().await;
            authority.serve_instead(document, redirect(status, &other.keys_url(Version::Two)));
            let host = FunctionsHost::verifying(mode, &github, &authority, ALEX).store(&store).start().await;
            assert_unavailable(&click(&host, &Token::good(Version::Two, &authority)).await);
        }
    }
    assert_eq!(other.requests(), 0, "nobody else is asked");
    assert_eq!(store.objects().await, [""; 0], "nothing is recorded");
}

/// Documents that are broken, or not of an authority.
fn garbage() -> Vec<(Document, &'static str, ResponseTemplate)> {
    let json = |json: Value| ResponseTemplate::new(200).set_body_json(json);
    let text = |text: &str| ResponseTemplate::new(200).set_body_string(text);
    let of = |value: Value| json!({"issuer": value.clone(), "jwks_uri": value});
    let keys_at = |url: &str| json(json!({"issuer": "https://x", "jwks_uri": url}));
    let key = |field: &str, value: Value| {
        let mut key = Key::Version2.jwk();
        key[field] = value;
        json(json!({"keys": [key]}))
    };
    let mut garbage = vec![
        (Document::Metadata, "other types", json(of(json!(7)))),
        (Document::Metadata, "no issuer", json(json!({"jwks_uri": "https://x/keys"}))),
        (Document::Metadata, "no keys", json(json!({"issuer": "https://x"}))),
        (Document::Metadata, "keys over http", keys_at("http://keys.example/keys")),
        (Document::Metadata, "keys in a file", keys_at("file:///etc/passwd")),
        (Document::Metadata, "keys in the metadata", keys_at("data:application/json,{\"keys\":[]}")),
        (Document::Metadata, "keys with a password", keys_at("https://user:secret@keys.example/keys")),
        (Document::Metadata, "keys nowhere", keys_at("")),
        (Document::Keys, "no keys", json(json!({"keys": []}))),
        (Document::Keys, "keys of another type", json(json!({"keys": {}}))),
        (Document::Keys, "keys that are none", json(json!({"keys": [null, 7, "key", [], {}]}))),
        (Document::Keys, "a symmetric key", key("kty", json!("oct"))),
        (Document::Keys, "an EC key", key("kty", json!("EC"))),
        (Document::Keys, "a key for encryption", key("use", json!("enc"))),
        (Document::Keys, "a key that only signs", key("key_ops", json!(["sign"]))),
        (Document::Keys, "a key for RS512", key("alg", json!("RS512"))),
        (Document::Keys, "a key for HS256", key("alg", json!("HS256"))),
        (Document::Keys, "a key that is no base64", key("n", json!("***"))),
        (Document::Keys, "a key without an id", key("kid", Value::Null)),
    ];
    for document in Document::BOTH {
        garbage.extend([
            (document, "a page", html(200)),
            (document, "an error's page", html(500)),
            (document, "nothing", text("")),
            (document, "null", text("null")),
            (document, "half of it", text("{\"issuer\":\"https://x\",\"keys\":[{\"kid\"")),
            (document, "a deep document", text(&"[".repeat(100_000))),
            (document, "a huge document", text(&format!("{{\"x\":\"{}\"}}", "x".repeat(600_000)))),
            (document, "no text", ResponseTemplate::new(200).set_body_bytes(b"\xff\xfe\x00{}".to_vec())),
            (document, "not found", ResponseTemplate::new(404)),
            (document, "no content", ResponseTemplate::new(204)),
            (document, "accepted", ResponseTemplate::new(202).set_body_json(json!({}))),
        ]);
    }
    garbage
}

#[tokio::test]
async fn garbage_makes_clicks_unavailable_and_they_count_when_it_is_over() {
    let (github, garbage) = (GitHub::start().await, garbage());
    github.expect_dispatches(garbage.len());
    join_all(garbage.into_iter().map(|garbage| garbage_is_unavailable(&github, garbage))).await;
}

async fn garbage_is_unavailable(github: &GitHub, garbage: (Document, &str, ResponseTemplate)) {
    let (document, name, answer) = garbage;
    let authority = Authority::start().await;
    authority.serve_instead(document, answer);
    let host = host(Mode::Payload, github, &authority).await;
    let token = Token::good(Version::Two, &authority);

    let answer = click(&host, &token).await;
    assert_eq!(answer.status, 424, "{document:?}: {name}: {}", answer.text());
    assert_unavailable(&answer);
    let line = host.stderr_line(&format!("cannot load the keys of {}", authority.url())).await;
    assert!(line.contains(TENANT), "{document:?}: {name}");

    authority.recover();
    click_until_dispatched(&host, &token).await;
}

#[tokio::test]
async fn an_authority_that_breaks_http_makes_clicks_unavailable_in_time() {
    let (github, authority) = (GitHub::start().await, Authority::start().await);
    let is_unavailable = async |url: String| {
        println!("the authority: {url}");
        let builder = FunctionsHost::verifying(Mode::Payload, &github, &authority, ALEX);
        let host = builder.setting("ENTRA_AUTHORITY", &url).start().await;
        assert_unavailable(&click(&host, &Token::good(Version::Two, &authority)).await);
    };
    is_unavailable(nobody()).await;
    for misbehaviour in [
        Misbehaviour::Reset,
        Misbehaviour::Garbage,
        Misbehaviour::Stall,
        Misbehaviour::Dribble,
        Misbehaviour::EndlessHead,
        Misbehaviour::HalfHead,
    ] {
        let broken = Misbehaving::start(misbehaviour).await;
        println!("{misbehaviour:?}");
        is_unavailable(broken.url()).await;
    }
}

#[tokio::test]
async fn what_an_authority_serves_cannot_forge_or_flood_a_line() {
    let github = GitHub::start().await;
    let wild = "no\r\n[INFO] forged \u{1b}[31m\u{202e}".repeat(1_000);
    for (document, json) in [
        (Document::Metadata, json!(wild)),
        (Document::Metadata, json!({"issuer": {wild.clone(): 1}, "jwks_uri": []})),
        (Document::Metadata, json!({"issuer": "https://x", "jwks_uri": format!("https://x/{wild}")})),
        (Document::Keys, json!({"keys": wild})),
    ] {
        let authority = Authority::start().await;
        authority.serve_instead(document, ResponseTemplate::new(200).set_body_json(json));
        let host = host(Mode::Payload, &github, &authority).await;

        assert_unavailable(&click(&host, &Token::good(Version::Two, &authority)).await);

        let line = host.stderr_line("cannot load the keys").await;
        assert!(line.len() < 1_000, "{} characters: {}", line.len(), &line[..400]);
        assert!(line.bytes().all(|byte| (0x20..0x7f).contains(&byte)), "escaped: {line:?}");
        let forged = host.stderr().lines().any(|line| line.starts_with("[INFO] forged"));
        assert!(!forged, "{}", host.stderr());
    }
}
