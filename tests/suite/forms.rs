//! Whatever somebody sends, each function gets the same request in each form in which a host hands it on: the answers
//! are the same, and so is what GitHub hears. So other tests need one form only.

use serde_json::json;

use crate::{
    deployment::{ASKED, Someone, Surroundings, page_of, text},
    functions_host::Mode,
    http1::{Answer, Request},
    tokens::Token,
};

/// The event types that cards may send here.
const RELAYED: &str = "one,two,three,four,five,six,seven,eight,with-a-mark";

/// A text without what differs from one deployment to the next: ids, times, ports and keys, all of which have digits.
fn alike(text: &str) -> String {
    let is_boundary = |character: char| !character.is_ascii_alphanumeric();
    let words = text.split_inclusive(is_boundary).map(|word| {
        let end = word.chars().next_back().filter(|end| is_boundary(*end));
        let has_digit = word.bytes().any(|byte| byte.is_ascii_digit());
        if has_digit { format!("#{}", end.map(String::from).unwrap_or_default()) } else { word.to_owned() }
    });
    words.collect()
}

/// The parts of an answer that a caller sees.
fn seen(request: &Request, answer: &Answer) -> String {
    let header = |name: &str| answer.header(name).unwrap_or("-").to_ascii_lowercase();
    let content_type = header("Content-Type").split(';').next().unwrap_or_default().to_owned();
    let headers =
        ["CARD-ACTION-STATUS", "Location", "Allow", "Cache-Control", "Content-Security-Policy"].map(header);
    let body = alike(&answer.text());
    let headers = alike(&headers.join(" | "));
    format!(
        "{} {}: {} {content_type} {headers}\n{body}",
        request.method,
        alike(&request.target),
        answer.status
    )
}

/// One of everything that people, jobs and Teams may send, to a deployment of its own.
async fn everything(mode: Mode) -> Vec<String> {
    let around = Surroundings::start().await;
    let host = around.host(mode).setting("RELAY_EVENT_TYPES", RELAYED).start().await;
    let alex = Someone::alex();
    let token = around.token_of(&alex);
    let job = Token::of_job(&around.actions).sign();
    let asked = text(&around.ask(&host, ASKED).await["id"]);
    let other = text(&around.ask(&host, r#"{"event_type":"go-on"}"#).await["id"]);

    let bearer = |request: Request, token: &str| request.header("Authorization", &format!("Bearer {token}"));
    let ask = |body: &str| bearer(Request::post("/api/RequestApproval").json(body), &job);
    let status = |id: &str| bearer(Request::get(&format!("/api/RequestApproval/{id}")), &job);
    let click = |query: &str, body: String| bearer(host.click_with_query(query).json(body), &token);
    let relay =
        |event: &str, payload: &str| format!(r#"{{"event_type":"{event}","client_payload":{payload}}}"#);
    let vote = |id: &str, comment: &str| {
        json!({"approval": id, "verdict": "approve", "comment": comment}).to_string()
    };
    let mut utf8 = b"\xEF\xBB\xBF".to_vec();
    utf8.extend_from_slice(relay("with-a-mark", "{}").as_bytes());
    let requests = [
        ask("{\"event_type\":\"go\",\"title\":\"Gr\u{fc}\u{df}e \u{1f600} \\\" \\\\ \\n \u{2028} \u{85}\"}"),
        ask(r#"{"event_type":"go","nonsense":1}"#),
        ask(""),
        Request::post("/api/RequestApproval").json(ASKED),
        status(&asked),
        status("nothing"),
        status("%C3%A9%2F"),
        bearer(Request::new("PUT", "/api/RequestApproval"), &job),
        alex.get("/api/approvals"),
        alex.get("/API/Approvals/"),
        alex.browse(Request::get("/api/approvals?format=json&x=%20y&x=z")),
        alex.get(&page_of(&asked)),
        Request::get(&page_of(&asked)),
        alex.press(&asked, "approve", "Gr\u{fc}\u{df}e & <b>50%</b> + \u{1f600}"),
        alex.press(&asked, "perhaps", ""),
        alex.press(&asked, "approve", "").header("Sec-Fetch-Site", "cross-site"),
        click("", vote(&other, "Fine \u{1f600}")),
        click("", vote(&other, "")),
        click("&repository=octo%2Fother", relay("one", r#"{"n": 1.50, "t": "é+<>&'"}"#)),
        click("&repository=octo/app&repository=octo/other", relay("two", "{}")),
        click("&Repository=OCTO/APP", relay("three", "{}")),
        bearer(
            host.click_request().form("event_type=four&client_payload=%7B%22a%22%3A%22%2B+%C3%A9%22%7D"),
            &token,
        ),
        bearer(host.click_request().json(utf8), &token),
        bearer(host.click_request().body("text/plain", relay("five", "{}")), &token),
        bearer(host.click_request(), &token),
        host.click_request().json(relay("six", "{}")),
        click("", relay("seven", "{}")).header("Authorization", "Bearer other"),
        click("", relay("eight", "{}")).header("Origin", "https://evil.example"),
        click("", "x".repeat(64_001)),
        Request::post("/api/messages").json("{}"),
        bearer(Request::post("/api/messages").json("{}"), &token),
    ];
    let mut all = Vec::new();
    for request in requests {
        let answer = host.send(request.clone()).await;
        all.push(seen(&request, &answer));
    }
    let dispatches = around.github.dispatches();
    around.github.expect_dispatches(dispatches.len());
    assert!(dispatches.len() >= 4, "{dispatches:?}");
    let body = |body: &[u8]| alike(&String::from_utf8_lossy(body));
    all.extend(dispatches.iter().map(|one| format!("{}: {}", one.repository, body(&one.body))));
    all
}

#[tokio::test]
async fn whatever_is_sent_comes_to_the_same_in_every_form() {
    let (payload, forwarding, proxying) =
        tokio::join!(everything(Mode::Payload), everything(Mode::Forwarding), everything(Mode::Proxying));

    for (others, mode) in [(forwarding, Mode::Forwarding), (proxying, Mode::Proxying)] {
        assert_eq!(payload.len(), others.len(), "{mode:?}");
        for (one, other) in payload.iter().zip(&others) {
            assert_eq!(one, other, "{mode:?}");
        }
    }
}

/// The host's own `sys` gives way to a caller's in the payload: nothing of ours may depend on it.
#[tokio::test]
async fn what_a_caller_calls_sys_is_like_everything_else_that_nobody_asked_for() {
    let around = Surroundings::start().await;
    around.github.expect_dispatches(2);
    let host = around.host(Mode::Payload).setting("RELAY_EVENT_TYPES", RELAYED).start().await;
    let alex = Someone::alex();
    let (token, job) = (around.token_of(&alex), Token::of_job(&around.actions).sign());
    let id = text(&around.ask(&host, ASKED).await["id"]);
    let bearer = |request: Request, token: &str| request.header("Authorization", &format!("Bearer {token}"));
    let code = host.key();
    let click = |body: &str| {
        bearer(Request::post(&format!("/api/ApproveRelease?code={code}&sys=1")).json(body), &token)
    };
    let at = |path: &str| format!("{path}?sys=1");
    let sys = r#"{"sys":{"RandGuid":7},"$sys":"1"}"#;
    let approvals = "/api/RequestApproval";
    let requests = [
        (click(r#"{"event_type":"one","client_payload":{"sys":1}}"#), 200),
        (click(sys), 400),
        (bearer(Request::post(&at(approvals)).json(ASKED), &job), 201),
        (bearer(Request::post(&at(approvals)).json(sys), &job), 400),
        (bearer(Request::get(&at(&format!("{approvals}/{id}"))), &job), 200),
        (alex.get("/api/approvals?sys=1&SYS=2&$sys=3"), 200),
        (alex.get(&at(&page_of(&id))), 200),
        (alex.press(&id, "approve", "sys=1"), 200),
        (Request::post("/api/messages?sys=1").json(sys), 401),
    ];

    for (request, status) in requests {
        let answer = host.send(request.clone()).await;
        assert_eq!(answer.status, status, "{request}: {}", answer.text());
    }
    assert_eq!(host.invocation_failures(), [""; 0]);
}
