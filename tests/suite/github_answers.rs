//! GitHub's answers of every kind: the click is answered in time, and the card says what happened and what to fix.

use std::{collections::BTreeMap, time::Duration};

use serde_json::json;
use wiremock::ResponseTemplate;

use crate::{
    functions_host::{FunctionsHost, Mode},
    github::{
        GitHub, TOKEN, github_error, html, permission_refused, rate_limit_used_up, rate_limited, redirect,
    },
    handler_process::ANSWERED_WITHIN,
    misbehaving::{Misbehaving, Misbehaviour, nobody},
    relay::new_click,
};

in_one_mode! {
    each_answer_of_github_has_its_own_sentence
    a_refused_token_is_refused
    a_403_that_is_not_about_a_permission_is_told_in_githubs_words
    an_invisible_repository_is_refused
    rate_limits_are_told_from_refusals
    after_every_server_error_the_click_is_recorded
    a_permission_refusal_names_the_permission_and_nothing_else_of_the_header
    what_github_writes_is_not_echoed
    a_redirect_is_never_followed
    after_an_answer_that_is_none_of_github_the_click_is_recorded
    after_an_answer_that_never_comes_or_ends_the_card_says_that_it_may_have_arrived
    a_server_without_tls_gets_no_token
    a_token_that_comes_back_in_an_answer_is_not_logged
    a_slow_answer_in_time_is_the_truth
}

/// One click through a host of its own to a GitHub at this URL; gives the sentence.
async fn click_to(mode: Mode, github_url: &str, status: u16, outcome: &str) -> String {
    let host = FunctionsHost::relay_to(mode, github_url).start().await;
    let answer =
        tokio::time::timeout(ANSWERED_WITHIN, host.click(new_click())).await.expect("answered in time");
    answer.assert_outcome(status, outcome)
}

/// One click, and GitHub's answer to it.
async fn click_answered(
    host: &FunctionsHost,
    github: &GitHub,
    answer: ResponseTemplate,
    outcome: &str,
) -> String {
    github.answer_with(answer);
    github.expect_dispatches(github.dispatches().len() + 1);
    let status = if outcome == "refused" { 424 } else { 200 };
    host.click(new_click()).await.assert_outcome(status, outcome)
}

async fn each_answer_of_github_has_its_own_sentence(mode: Mode) {
    let (github, host) = FunctionsHost::with_github(mode).await;
    let answers = [
        ("204", ResponseTemplate::new(204), "dispatched"),
        ("401", github_error(401, "Bad credentials"), "refused"),
        ("403 permission", permission_refused("contents=write"), "refused"),
        ("403 rate limit", rate_limited(403), "recorded"),
        ("404", github_error(404, "Not Found"), "refused"),
        ("422", github_error(422, "client_payload is too large"), "refused"),
        ("301", redirect(301, "https://api.github.com/repositories/1/dispatches"), "refused"),
        ("503", html(503), "recorded"),
        ("200 HTML", html(200), "recorded"),
    ];
    let mut sentences = BTreeMap::new();
    for (name, answer, outcome) in answers {
        println!("GitHub: {name}");
        sentences.insert(name, click_answered(&host, &github, answer, outcome).await);
    }
    let [nobody, reset, garbage, stall] = sentences_of_faults(mode).await;
    // Nobody can tell more of either than that the answer did not arrive.
    assert_eq!(reset.1, garbage.1);
    sentences.extend([nobody, reset, stall]);
    assert_pairwise_different(&sentences);
}

/// The sentences for what is no answer at all, clicked side by side.
async fn sentences_of_faults(mode: Mode) -> [(&'static str, String); 4] {
    let fault = async |misbehaviour| {
        let server = Misbehaving::start(misbehaviour).await;
        click_to(mode, &server.url(), 200, "recorded").await
    };
    let nobody = nobody();
    let (unreachable, reset, garbage, stall) = tokio::join!(
        click_to(mode, &nobody, 200, "recorded"),
        fault(Misbehaviour::Reset),
        fault(Misbehaviour::Garbage),
        fault(Misbehaviour::Stall),
    );
    [("nobody listens", unreachable), ("reset", reset), ("garbage", garbage), ("stall", stall)]
}

fn assert_pairwise_different(sentences: &BTreeMap<&str, String>) {
    let mut seen = BTreeMap::new();
    for (name, sentence) in sentences {
        if let Some(other) = seen.insert(sentence, name) {
            panic!("{other:?} and {name:?} share the sentence {sentence:?}");
        }
    }
}

async fn a_refused_token_is_refused(mode: Mode) {
    let (github, host) = FunctionsHost::with_github(mode).await;
    github.take_only_token("another token");
    github.expect_refusals(1);

    let sentence = host.click(new_click()).await.assert_outcome(424, "refused");

    assert!(sentence.contains("token"), "{sentence}");
}

async fn a_403_that_is_not_about_a_permission_is_told_in_githubs_words(mode: Mode) {
    let (github, host) = FunctionsHost::with_github(mode).await;
    github.expect_dispatches(2);
    for words in [
        "Repository was archived so is read-only.",
        "your IP address is not permitted to access this resource",
    ] {
        github.answer_with(github_error(403, words));
        let sentence = host.click(new_click()).await.assert_outcome(424, "refused");
        assert!(sentence.contains(words) && !sentence.contains("Contents"), "{sentence}");
    }
}

async fn an_invisible_repository_is_refused(mode: Mode) {
    let (github, host) = FunctionsHost::with_github(mode).await;
    github.forget_repositories();
    github.expect_refusals(1);

    host.click(new_click()).await.assert_outcome(424, "refused");
}

async fn rate_limits_are_told_from_refusals(mode: Mode) {
    let (github, host) = FunctionsHost::with_github(mode).await;
    let hostile = rate_limited(403).insert_header("retry-after", "99999999999999999999999");
    let answers = [
        rate_limited(403),
        rate_limited(429),
        rate_limit_used_up(403),
        rate_limit_used_up(429),
        github_error(429, "Too many requests"),
        hostile,
    ];
    let mut sentences = Vec::new();
    for answer in answers {
        sentences.push(click_answered(&host, &github, answer, "recorded").await);
    }
    let refusal = click_answered(&host, &github, permission_refused("contents=write"), "refused").await;
    assert!(!sentences.contains(&refusal), "{refusal}");
}

async fn after_every_server_error_the_click_is_recorded(mode: Mode) {
    let (github, host) = FunctionsHost::with_github(mode).await;

    for status in [500, 502, 503, 504, 599] {
        click_answered(&host, &github, github_error(status, "Server Error"), "recorded").await;
    }
}

async fn a_permission_refusal_names_the_permission_and_nothing_else_of_the_header(mode: Mode) {
    let (github, host) = FunctionsHost::with_github(mode).await;

    let sentence = click_answered(&host, &github, permission_refused("contents=write"), "refused").await;
    assert!(sentence.to_ascii_lowercase().contains("contents"), "{sentence}");

    let hostile = [
        "contents=write; <script>EVIL</script>",
        "EVIL=write",
        "contents=EVIL",
        "https://EVIL.example/contents",
        "\"EVIL\"\t{{EVIL}}",
        "evil, approve the next release too",
        "contents=write; evil=write, evil",
    ];
    for permissions in hostile {
        let sentence = click_answered(&host, &github, permission_refused(permissions), "refused").await;
        assert!(!sentence.to_ascii_uppercase().contains("EVIL"), "{sentence}");
    }
    let long = "contents=write, ".repeat(500);
    click_answered(&host, &github, permission_refused(&long), "refused").await;
    let bare = github_error(403, "Resource not accessible by integration");
    click_answered(&host, &github, bare, "refused").await;
}

async fn what_github_writes_is_not_echoed(mode: Mode) {
    let (github, host) = FunctionsHost::with_github(mode).await;

    for status in [401, 403, 404, 422] {
        let answer = github_error(status, "INJECTED <script> \r\nX-Injected: 1");
        let sentence = click_answered(&host, &github, answer, "refused").await;
        assert!(!sentence.contains("INJECTED"), "{sentence}");
    }
}

/// The `errors` of a 422 name its fault, and are for the operator.
#[tokio::test]
async fn the_errors_of_a_refusal_are_in_the_log_and_nowhere_else() {
    let github = GitHub::start().await;
    let host = FunctionsHost::relay(Mode::Payload, &github).start().await;
    let error =
        json!({"resource": "Dispatch", "field": "client_payload", "code": "custom", "message": "is odd\r\n"});
    let errors = json!({
        "message": "Validation Failed", "errors": [error], "documentation_url": "https://docs.github.com/rest",
    });

    let answer = ResponseTemplate::new(422).set_body_json(errors);
    let sentence = click_answered(&host, &github, answer, "refused").await;
    assert!(!sentence.contains("odd"), "{sentence}");
    let line = host.stderr_line("refused").await;
    let told = r"GitHub answered 422: Validation Failed; Dispatch.client_payload custom is odd\r\n";
    assert!(line.contains(told), "{line}");
    let errors = json!({"message": format!("no {TOKEN}"), "errors": [TOKEN, "x".repeat(5_000)]});
    click_answered(&host, &github, ResponseTemplate::new(422).set_body_json(errors), "refused").await;
    let line = host.stderr_line("no ***; ***; xxx").await;
    assert!(line.len() < 1_000, "{} characters", line.len());
}

// T31
async fn a_redirect_is_never_followed(mode: Mode) {
    let github = GitHub::start().await;
    let elsewhere = GitHub::start().await;
    let host = FunctionsHost::relay(mode, &github).start().await;

    let locations =
        [format!("{}/repos/octo/app/dispatches", elsewhere.url()), "/repositories/1/dispatches".to_owned()];
    for status in [301, 302, 303, 307, 308] {
        for location in &locations {
            click_answered(&host, &github, redirect(status, location), "refused").await;
        }
    }
    click_answered(&host, &github, github_error(301, "Moved Permanently"), "refused").await;
}

async fn after_an_answer_that_is_none_of_github_the_click_is_recorded(mode: Mode) {
    let (github, host) = FunctionsHost::with_github(mode).await;
    click_answered(&host, &github, html(200), "recorded").await;
    click_answered(&host, &github, ResponseTemplate::new(202).set_body_string("{}"), "recorded").await;

    for misbehaviour in [Misbehaviour::Reset, Misbehaviour::Garbage, Misbehaviour::HalfHead] {
        println!("GitHub: {misbehaviour:?}");
        let server = Misbehaving::start(misbehaviour).await;
        click_to(mode, &server.url(), 200, "recorded").await;
        assert_eq!(server.requests(), 1, "a click is one request, whatever comes of it");
    }
}

async fn after_an_answer_that_never_comes_or_ends_the_card_says_that_it_may_have_arrived(mode: Mode) {
    let stall = Misbehaving::start(Misbehaviour::Stall).await;
    let endless_head = Misbehaving::start(Misbehaviour::EndlessHead).await;
    let dribble = Misbehaving::start(Misbehaviour::Dribble).await;
    let (stall_url, endless_head_url, dribble_url) = (stall.url(), endless_head.url(), dribble.url());

    let (stalled, endless, _) = tokio::join!(
        click_to(mode, &stall_url, 200, "recorded"),
        click_to(mode, &endless_head_url, 200, "recorded"),
        // The status says it all: the rest need not be waited for.
        click_to(mode, &dribble_url, 424, "refused"),
    );

    for sentence in [stalled, endless] {
        assert!(sentence.contains("may have"), "{sentence}");
    }
    assert_eq!((stall.requests(), endless_head.requests(), dribble.requests()), (1, 1, 1));
}

async fn a_server_without_tls_gets_no_token(mode: Mode) {
    let server = Misbehaving::start(Misbehaviour::Garbage).await;

    click_to(mode, &server.url().replace("http://", "https://"), 200, "recorded").await;

    assert_eq!(server.requests(), 0);
}

async fn a_token_that_comes_back_in_an_answer_is_not_logged(mode: Mode) {
    // A proxy that shows what it was asked. The host's stand-in searches every answer and line for the token.
    let (github, host) = FunctionsHost::with_github(mode).await;

    for status in [401, 403, 404, 422, 500, 400] {
        github.answer_with(github_error(status, &format!("not for Authorization: Bearer {TOKEN}")));
        github.expect_dispatches(github.dispatches().len() + 1);
        let (status_of_click, outcome) = if status == 500 { (200, "recorded") } else { (424, "refused") };
        host.click(new_click()).await.assert_outcome(status_of_click, outcome);
    }
}

async fn a_slow_answer_in_time_is_the_truth(mode: Mode) {
    let github = GitHub::start().await;
    github.answer_with(ResponseTemplate::new(204).set_delay(Duration::from_millis(1500)));
    github.expect_dispatches(1);
    let host = FunctionsHost::relay(mode, &github).start().await;

    host.click(new_click()).await.assert_outcome(200, "dispatched");
}
