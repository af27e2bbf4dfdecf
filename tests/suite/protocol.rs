//! The custom-handler protocol itself, spoken to the handler past the host.

use serde_json::{Value, json};

use crate::{
    functions_host::{FunctionsHost, Mode, payload_to_json},
    github::GitHub,
    handler_process::ANSWERED_WITHIN,
    http1::{Answer, Request},
    relay::{CLICK, new_click},
};

/// The payload of a click, as a host of today sends it.
pub fn payload_of(body: &str) -> Value {
    json!({
        "Data": {"req": {
            "Url": "https://app.azurewebsites.net/api/ApproveRelease",
            "Method": "POST",
            "Query": {},
            "Headers": {"Content-Type": ["application/json"]},
            "Params": {},
            "Identities": [],
            "Body": body,
        }},
        "Metadata": {"sys": {"MethodName": "ApproveRelease", "UtcNow": "2026-11-24T04:00:00Z", "RandGuid": "1"}},
    })
}

async fn relay(github: &GitHub) -> FunctionsHost {
    FunctionsHost::relay(Mode::Payload, github).start().await
}

/// POSTs a payload as the host does.
async fn invoke(host: &FunctionsHost, payload: &Value) -> Answer {
    let request = Request::post("/ApproveRelease").json(payload_to_json(payload)).chunked();
    host.send_to_handler(request).await
}

/// Asserts a well-formed answer to an invocation, and gives its `res`.
fn res_of(answer: &Answer) -> Value {
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("Content-Type"), Some("application/json"));
    answer.json()["Outputs"]["res"].clone()
}

#[tokio::test]
async fn readiness_is_answered_with_a_sentence() {
    let github = GitHub::start().await;
    let host = relay(&github).await;

    let answer = host.send_to_handler(Request::get("/")).await;

    assert_eq!(answer.status, 200);
    answer.assert_card_sentence();
}

#[tokio::test]
async fn an_invocation_is_answered_with_strings_and_its_log_line() {
    let github = GitHub::start().await;
    github.expect_dispatches(1);
    let host = relay(&github).await;

    let answer = invoke(&host, &payload_of(CLICK)).await;

    let res = res_of(&answer);
    assert_eq!(res["statusCode"], "200");
    let body: Value = serde_json::from_str(res["body"].as_str().expect("a string")).expect("JSON in it");
    assert_eq!(body["outcome"], "dispatched");
    assert_eq!(res["headers"]["CARD-ACTION-STATUS"], body["message"]);
    assert_eq!(res["headers"]["Content-Type"], "application/json");
    let answer = answer.json();
    assert_eq!(answer["Logs"].as_array().map(Vec::len), Some(1), "{answer}");
    assert_eq!(answer["ReturnValue"], Value::Null);
}

#[tokio::test]
async fn payloads_of_older_hosts_are_read() {
    let github = GitHub::start().await;
    let host = relay(&github).await;
    let mut payloads = Vec::new();
    let mut query_as_text = payload_of(&new_click());
    query_as_text["Data"]["req"]["Query"] = json!(r#"{"code":"k","repository":"octo/app"}"#);
    payloads.push(query_as_text);
    let mut without_metadata = payload_of(&new_click());
    without_metadata.as_object_mut().expect("an object").remove("Metadata");
    payloads.push(without_metadata);
    let mut with_more = payload_of(&new_click());
    with_more["Metadata"]["RetryContext"] = json!({"RetryCount": 1, "MaxRetryCount": 2, "Exception": {}});
    with_more["Data"]["req"]["SomethingNew"] = json!([1]);
    payloads.push(with_more);
    let mut lower_case = payload_of(&new_click());
    lower_case["Data"]["req"]["Headers"] = json!({"content-type": ["application/json; charset=utf-8"]});
    payloads.push(lower_case);

    github.expect_dispatches(payloads.len());
    for payload in payloads {
        assert_eq!(res_of(&invoke(&host, &payload).await)["statusCode"], "200", "{payload}");
    }
}

#[tokio::test]
async fn what_a_caller_puts_into_metadata_changes_nothing() {
    let github = GitHub::start().await;
    let host = relay(&github).await;
    let metadata = [
        // `?sys=1`, and bodies with a member `sys`: the caller's wins over the host's.
        r#"{"sys":"1","$sys":{"MethodName":"X","RandGuid":"real"}}"#,
        r#"{"sys":"{\"RandGuid\":7}","$sys":{"MethodName":"X","RandGuid":"real"}}"#,
        r#"{"sys":{"RandGuid":["forged"]},"sys":{"RandGuid":"forged"}}"#,
        r#"{"text":"half of it: \ud83d","sys":{}}"#,
    ];

    github.expect_dispatches(metadata.len());
    for metadata in metadata {
        let mut payload = payload_of(&new_click());
        payload["Metadata"] = json!("here");
        let payload = payload.to_string().replace(r#""here""#, metadata);
        let request = Request::post("/ApproveRelease").json(payload).chunked();
        let request = request.header("X-Azure-Functions-InvocationId", "theirs-1f3c, 9a51-of-the-host");
        let answer = host.send_to_handler(request).await;
        assert_eq!(res_of(&answer)["statusCode"], "200", "{metadata}");
        let line = answer.json()["Logs"][0].to_string();
        assert!(line.contains("invocation 9a51-of-the-host)") && !line.contains("forged"), "{line}");
    }
}

#[tokio::test]
async fn a_payload_may_be_much_larger_than_the_body_in_it() {
    let github = GitHub::start().await;
    github.expect_dispatches(1);
    let host = relay(&github).await;
    let mut click: Value = serde_json::from_str(&new_click()).expect("JSON");
    click["client_payload"]["notes"] = "\u{1}".repeat(10_000).into();
    let mut payload = payload_of(&click.to_string());
    // The host copies the body's members, as texts in a text, until the payload is 13 times as large as the body.
    payload["Metadata"]["client_payload"] = "x".repeat(13 * 64_000 - payload.to_string().len()).into();

    let answer = invoke(&host, &payload).await;

    assert_eq!(res_of(&answer)["statusCode"], "200", "{}", answer.text());
}

#[tokio::test]
async fn a_query_as_text_decides_as_much_as_an_object() {
    let github = GitHub::start().await;
    let host = relay(&github).await;

    for query in [json!(r#"{"repository":"other/app"}"#), json!({"repository": "other/app"})] {
        let mut payload = payload_of(CLICK);
        payload["Data"]["req"]["Query"] = query;
        assert_eq!(res_of(&invoke(&host, &payload).await)["statusCode"], "403");
    }
}

#[tokio::test]
async fn payload_paths_match_exactly_and_unknown_functions_are_not_found() {
    let github = GitHub::start().await;
    let host = relay(&github).await;
    let paths = [
        "/approverelease",
        "/APPROVERELEASE",
        "/ApproveRelease/",
        "/ApproveReleaseX",
        "/Nope",
        "//ApproveRelease",
    ];

    for path in paths {
        let request = Request::post(path).json(payload_of(CLICK).to_string()).chunked();
        let answer = host.send_to_handler(request).await;
        assert_eq!(answer.status, 404, "{path}: {}", answer.text());
        answer.assert_card_sentence();
    }
}

#[tokio::test]
async fn what_is_not_served_is_answered_with_a_sentence() {
    let github = GitHub::start().await;
    let host = relay(&github).await;
    let requests = [
        Request::get("/nope"),
        Request::get("/api"),
        Request::get("/api/"),
        Request::post("/api/Nope").json(CLICK),
        Request::post("/api/ApproveRelease/42").json(CLICK),
        Request::post("/api/ApproveRelease//").json(CLICK),
        Request::post("/api/%41pproveRelease%00").json(CLICK),
        Request::new("OPTIONS", "/api/ApproveRelease"),
        Request::new("PUT", "/api/ApproveRelease").json(CLICK),
        Request::new("DELETE", "/api/ApproveRelease"),
        Request::get("/api/ApproveRelease"),
        Request::get("/ApproveRelease"),
        Request::new("BREW", "/api/ApproveRelease"),
    ];

    for request in requests {
        let answer = host.send_to_handler(request.clone()).await;
        assert!((400..500).contains(&answer.status), "{request}: {} {}", answer.status, answer.text());
        answer.assert_card_sentence();
    }
}

/// Payloads that no host sends.
fn broken_payloads() -> Vec<Vec<u8>> {
    let good = payload_of(CLICK).to_string();
    let mut broken: Vec<Vec<u8>> = [
        "",
        "{",
        "null",
        "[]",
        "1",
        "\"text\"",
        "{}",
        r#"{"Data":null}"#,
        r#"{"Data":{}}"#,
        r#"{"Data":[]}"#,
        r#"{"Data":{"req":null}}"#,
        r#"{"Data":{"req":[]}}"#,
        r#"{"Data":{"req":"text"}}"#,
        r#"{"Data":{"req":{"Headers":5}}}"#,
        r#"{"Data":{"req":{"Query":5}}}"#,
        r#"{"Data":{"req":{"Query":"not JSON"}}}"#,
        r#"{"Data":{"req":{"Body":{"a":1}}}}"#,
        r#"{"Data":{"req":{"Body":[1,2,300]}}}"#,
        r#"{"Data":{"req":{"Body":[-1]}}}"#,
        r#"{"Data":{"req":{"Method":7}}}"#,
        r#"{"Data":{"timer":{}}}"#,
        r#"{"Metadata":{}}"#,
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec();
    broken.push(good[..good.len() / 2].into());
    broken.push([good.as_bytes(), b"}"].concat());
    broken.push(b"\xff\xfe\x00".to_vec());
    broken.push("[".repeat(200_000).into());
    broken.push(r#"{"Data":"#.repeat(20_000).into());
    broken.push(payload_of(&"+".repeat(6_000_000)).to_string().into());
    broken
}

#[tokio::test]
async fn a_broken_payload_is_refused_and_the_process_goes_on() {
    let github = GitHub::start().await;
    github.expect_dispatches(1);
    let host = relay(&github).await;
    let pid = host.pid();

    for payload in broken_payloads() {
        let shown = String::from_utf8_lossy(&payload[..payload.len().min(60)]).into_owned();
        println!("payload: {shown}");
        let answer = host.send_to_handler(Request::post("/ApproveRelease").json(payload).chunked()).await;
        assert_refused(&answer);
    }

    host.click(CLICK).await.assert_outcome(200, "dispatched");
    assert_eq!(host.pid(), pid);
}

/// A payload that can't be read is a 4xx; one that can be, of a request that can't, is a 4xx in `res`.
fn assert_refused(answer: &Answer) {
    if answer.status == 200 {
        let res = res_of(answer);
        assert!(res["statusCode"].as_str().is_some_and(|status| status.starts_with('4')), "{res}");
        assert!(res["headers"]["CARD-ACTION-STATUS"].is_string(), "{res}");
    } else {
        assert!((400..500).contains(&answer.status), "{} {}", answer.status, answer.text());
        answer.assert_card_sentence();
    }
}

#[tokio::test]
async fn a_body_that_never_comes_is_refused_in_time() {
    let github = GitHub::start().await;
    let host = relay(&github).await;

    for target in ["/api/ApproveRelease", "/ApproveRelease"] {
        let promised =
            Request::post(target).header("Content-Type", "application/json").header("Content-Length", "100");
        let answer = tokio::time::timeout(ANSWERED_WITHIN, host.send_to_handler(promised));
        let answer = answer.await.expect("answered in time");
        assert_eq!(answer.status, 400, "{}", answer.text());
        answer.assert_card_sentence();
    }
}

#[tokio::test]
async fn what_is_no_http_does_no_harm() {
    let github = GitHub::start().await;
    github.expect_dispatches(1);
    let host = relay(&github).await;

    for target in ["/api/ApproveRelease HTTP/9.9\r\nX:", "\u{1}\u{2}", "http://[", "*", "/\r\n\r\n"] {
        // Any answer will do, and so will none.
        let _ = Request::post(target).json(CLICK).try_send(host.handler_port()).await;
    }
    let long_header = Request::get("/").header("X-Long", &"x".repeat(1_000_000));
    let _ = long_header.try_send(host.handler_port()).await;

    host.click(CLICK).await.assert_outcome(200, "dispatched");
}
