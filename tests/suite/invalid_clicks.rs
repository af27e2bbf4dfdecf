//! Clicks that can't be read, or that are beyond GitHub's limits, are `invalid`, and GitHub gets no request.

use crate::{
    functions_host::{FunctionsHost, Mode},
    github::GitHub,
    relay::CLICK,
};

in_one_mode! {
    an_empty_body_is_invalid
    a_body_that_is_not_one_json_object_is_invalid
    a_field_that_is_missing_or_of_the_wrong_type_is_invalid
    an_unknown_field_is_invalid
    a_duplicate_key_is_invalid_however_it_is_spelled
    more_than_github_takes_is_invalid
    the_key_approval_in_a_client_payload_is_reserved
    both_modes_at_once_are_invalid
    another_content_type_is_invalid
    an_unreadable_form_is_invalid
    a_crafted_repository_is_invalid
    a_repeated_repository_is_invalid
}

/// Clicks each body and expects `invalid`.
pub async fn assert_invalid(mode: Mode, bodies: &[&str]) {
    let github = GitHub::start().await;
    let host = FunctionsHost::relay(mode, &github).setting("RELAY_EVENT_TYPES", "*").start().await;
    for body in bodies {
        println!("body: {body:?}");
        host.click(*body).await.assert_outcome(400, "invalid");
    }
}

/// A click of this event type and `client_payload`, both as JSON text.
pub fn click_of(event_type: &str, client_payload: &str) -> String {
    format!(r#"{{"event_type":{event_type},"client_payload":{client_payload}}}"#)
}

async fn an_empty_body_is_invalid(mode: Mode) {
    let (_github, host) = FunctionsHost::with_github(mode).await;

    host.click("").await.assert_outcome(400, "invalid");
    host.click(" \r\n").await.assert_outcome(400, "invalid");
    host.send(host.click_request()).await.assert_outcome(400, "invalid");
    host.send(host.click_request().form("")).await.assert_outcome(400, "invalid");
}

async fn a_body_that_is_not_one_json_object_is_invalid(mode: Mode) {
    let unfinished = CLICK.strip_suffix('}').expect("an object");
    let twice = format!("{CLICK}{CLICK}");
    let trailing_comma = format!("{unfinished},}}");
    let commented = format!("{CLICK} // yes");
    let single_quoted = CLICK.replace('"', "'");
    let bodies = [
        "release it",
        "null",
        "true",
        "1",
        "\"text\"",
        "[]",
        "{}",
        "[[]]",
        "{",
        "nul",
        "\u{0}",
        unfinished,
        &twice,
        &trailing_comma,
        &commented,
        &single_quoted,
        r#"{"event_type":"e","client_payload":{"n":01}}"#,
        r#"{"event_type":"e","client_payload":{"n":NaN}}"#,
        r#"{"event_type":"e","client_payload":{"n":1.}}"#,
        r#"{"event_type":"e","client_payload":{"s":"\x"}}"#,
        "{\"event_type\":\"e\",\"client_payload\":{\"s\":\"a\nb\"}}",
        r#"[{"event_type":"e","client_payload":{}}]"#,
        "event_type=release-approved&client_payload={}",
    ];
    assert_invalid(mode, &bodies).await;
}

async fn a_field_that_is_missing_or_of_the_wrong_type_is_invalid(mode: Mode) {
    let bodies = [
        r#"{"client_payload":{}}"#,
        r#"{"event_type":null,"client_payload":{}}"#,
        r#"{"event_type":1,"client_payload":{}}"#,
        r#"{"event_type":["e"],"client_payload":{}}"#,
        r#"{"event_type":"e","client_payload":[]}"#,
        r#"{"event_type":"e","client_payload":"{}"}"#,
        r#"{"event_type":"e","client_payload":1}"#,
        r#"{"event_type":"e","client_payload":true}"#,
    ];
    assert_invalid(mode, &bodies).await;
}

async fn an_unknown_field_is_invalid(mode: Mode) {
    let bodies = [
        r#"{"event_type":"e","client_payload":{},"repository":"octo/app"}"#,
        r#"{"event_type":"e","client_payload":{},"ref":null}"#,
        r#"{"event_type":"e","client_payload":{},"":0}"#,
        r#"{"event_type":"e","client_payload":{},"Event_Type":"e"}"#,
        r#"{"EVENT_TYPE":"e","client_payload":{}}"#,
    ];
    assert_invalid(mode, &bodies).await;
}

// T29
async fn a_duplicate_key_is_invalid_however_it_is_spelled(mode: Mode) {
    let bodies = [
        r#"{"event_type":"e","event_type":"e","client_payload":{}}"#,
        r#"{"event_type":"e","client_payload":{},"client_payload":{}}"#,
        r#"{"event_type":"e","\u0065vent_type":"f","client_payload":{}}"#,
        r#"{"event_type":"e","client_payload":{},"client\u005fpayload":{}}"#,
        r#"{"event_type":"e","client_payload":{"a":1,"a":1}}"#,
        r#"{"event_type":"e","client_payload":{"a":1,"b":2,"\u0061":3}}"#,
        r#"{"event_type":"e","client_payload":{"deep":{"a":1,"a":2}}}"#,
        r#"{"event_type":"e","client_payload":{"list":[[{"a":1,"\u0061":2}]]}}"#,
        r#"{"event_type":"e","client_payload":{"/":1,"\/":2}}"#,
        r#"{"event_type":"e","client_payload":{"😀":1,"\ud83d\ude00":2}}"#,
    ];
    assert_invalid(mode, &bodies).await;
}

async fn more_than_github_takes_is_invalid(mode: Mode) {
    let properties: Vec<String> = (0..11).map(|index| format!(r#""p{index}":{index}"#)).collect();
    let eleven = click_of(r#""e""#, &format!("{{{}}}", properties.join(",")));
    let too_long = click_of(&format!(r#""{}""#, "a".repeat(101)), "{}");
    let too_long_and_accented = click_of(&format!(r#""{}""#, "é".repeat(101)), "{}");
    let empty = click_of(r#""""#, "{}");
    assert_invalid(mode, &[&eleven, &too_long, &too_long_and_accented, &empty]).await;
}

async fn the_key_approval_in_a_client_payload_is_reserved(mode: Mode) {
    let bodies = [
        click_of(r#""e""#, r#"{"approval":{"verdict":"approved"}}"#),
        click_of(r#""e""#, r#"{"approval":null}"#),
        click_of(r#""e""#, r#"{"a":1,"\u0061pproval":1}"#),
        click_of(r#""e""#, r#"{"\u0061\u0070\u0070\u0072\u006F\u0076\u0061\u006c":1}"#),
    ];
    assert_invalid(mode, &bodies.each_ref().map(String::as_str)).await;

    let (github, host) = FunctionsHost::with_github(mode).await;
    github.expect_dispatches(1);
    let deeper = click_of(r#""release-approved""#, r#"{"nested":{"approval":1},"Approval":2}"#);
    host.click(deeper).await.assert_outcome(200, "dispatched");
}

async fn both_modes_at_once_are_invalid(mode: Mode) {
    let bodies = [
        r#"{"event_type":"e","client_payload":{},"approval":"1"}"#,
        r#"{"event_type":"e","client_payload":{},"approval":"1","verdict":"approve"}"#,
        r#"{"event_type":"e","client_payload":{},"verdict":"approve"}"#,
        r#"{"event_type":"e","client_payload":{},"comment":""}"#,
        r#"{"event_type":"e","approval":"1","verdict":"approve"}"#,
        r#"{"client_payload":{},"approval":"1","verdict":"approve"}"#,
        r#"{"event_type":"e","client_payload":{},"\u0061pproval":"1","verdict":"approve"}"#,
    ];
    assert_invalid(mode, &bodies).await;
}

async fn another_content_type_is_invalid(mode: Mode) {
    const TYPES: &[&str] = &[
        "text/plain",
        "text/html",
        "text/json",
        "application/xml",
        "application/octet-stream",
        "application/jsonp",
        "application/json-patch+json",
        "multipart/form-data; boundary=x",
        "json",
        "text/plain; application/json",
    ];
    let (_github, host) = FunctionsHost::with_github(mode).await;

    for content_type in TYPES {
        println!("type: {content_type}");
        host.send(host.click_request().body(content_type, CLICK)).await.assert_outcome(400, "invalid");
    }
}

async fn an_unreadable_form_is_invalid(mode: Mode) {
    const FORMS: &[&str] = &[
        "event_type=release-approved&client_payload=release",
        "event_type=release-approved&client_payload=[]",
        "event_type=release-approved&client_payload={}{}",
        "event_type=release-approved&client_payload={\"a\":1,\"a\":2}",
        "event_type=release-approved&client_payload={\"approval\":1}",
        "event_type=release-approved&client_payload=",
        "client_payload={}",
        "event_type=&client_payload={}",
        "event_type=release-approved&event_type=release-approved&client_payload={}",
        "event_type=release-approved&client_payload={}&client_payload={}",
        "event_type=release-approved&client_payload={}&%63lient_payload={}",
        "event_type=release-approved&client_payload={}&other=1",
        "event_type=release-approved&client_payload={}&approval=1&verdict=approve",
        "=&=",
        "{\"event_type\":\"release-approved\",\"client_payload\":{}}",
    ];
    let (_github, host) = FunctionsHost::with_github(mode).await;

    for form in FORMS {
        println!("form: {form}");
        host.send(host.click_request().form(*form)).await.assert_outcome(400, "invalid");
    }
}

async fn a_crafted_repository_is_invalid(mode: Mode) {
    // As in the URL, so that each of these is what a crafted link could say.
    const CRAFTED: &[&str] = &[
        "",
        "octo",
        "octo/",
        "/app",
        "/octo/app",
        "octo/app/",
        "octo//app",
        "octo/app/../../x",
        "octo/..",
        "octo/.",
        "../app",
        "./app",
        "../../user/repos",
        "octo/..%2Fapp",
        "octo/app%3Fx",
        "octo/app?x",
        "octo/app%23x",
        "octo%252fapp",
        "octo/app%252F..",
        "octo%5Capp",
        "octo/app%5C..",
        "octo/app%00",
        "octo/app%0D%0AX-Injected:%201",
        "octo/app%20",
        "+octo/app",
        "octo/app;x",
        "octo/app@evil.example",
        "evil.example:443/octo/app",
        "https://evil.example/octo/app",
        "octo/%C3%A4pp",
        "octo/%FF",
        "octo/app,octo/other",
        "*/*",
        "octo/*",
    ];
    let github = GitHub::start().await;
    let host = FunctionsHost::relay(mode, &github).setting("ALLOWED_REPOSITORIES", "octo/*").start().await;

    let long = format!("octo/{}", "a".repeat(2000));
    for repository in CRAFTED.iter().chain([&long.as_str()]) {
        println!("repository: {repository}");
        let request = host.click_with_query(&format!("&repository={repository}")).json(CLICK);
        host.send(request).await.assert_outcome(400, "invalid");
    }
}

async fn a_repeated_repository_is_invalid(mode: Mode) {
    let github = GitHub::start().await;
    let host = FunctionsHost::relay(mode, &github).setting("ALLOWED_REPOSITORIES", "octo/*").start().await;

    let queries = [
        "&repository=octo/app&repository=octo/other",
        "&repository=octo/app&repository=octo/app",
        "&repository=octo/app&Repository=octo/other",
        "&REPOSITORY=octo/app&repository=",
    ];
    for query in queries {
        host.send(host.click_with_query(query).json(CLICK)).await.assert_outcome(400, "invalid");
    }
}
