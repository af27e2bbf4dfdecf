//! Clicks as the bytes that arrive at a handler, and the dispatch that goes on to GitHub. Every click is another one,
//! because a handler may answer a repeated click from memory.

use anyhow::{Context, Result};
use serde_json::json;

use crate::http;

pub const REPOSITORY: &str = "octo/app";
pub const EVENT_TYPE: &str = "release-approved";
pub const TENANT: (&str, &str) = ("ENTRA_TENANT_ID", "99999999-1111-4222-8333-444455556666");
pub const CLIENT: (&str, &str) = ("ENTRA_CLIENT_ID", "11111111-1111-4222-8333-444455556666");

const NUMBER_DIGITS: usize = 16;
const NUMBER_PLACE: &str = "################";

/// A request in which only the number changes.
#[derive(Clone)]
pub struct Request {
    bytes: Vec<u8>,
    number_at: usize,
}

impl Request {
    fn new(head: &str, body: &str) -> Result<Self> {
        let bytes = [head.as_bytes(), b"\r\n\r\n", body.as_bytes()].concat();
        let number_at =
            http::position(&bytes, NUMBER_PLACE.as_bytes()).context("a request without a number")?;
        Ok(Self { bytes, number_at })
    }

    pub fn numbered(&mut self, number: u64) -> &[u8] {
        let digits = format!("{number:0NUMBER_DIGITS$}");
        self.bytes[self.number_at..self.number_at + NUMBER_DIGITS].copy_from_slice(digits.as_bytes());
        &self.bytes
    }
}

/// The body that the card's button sends and GitHub gets.
fn body() -> String {
    json!({
        "event_type": EVENT_TYPE,
        "client_payload": {
            "version": "1.4.2",
            "environment": "production",
            "ref": "refs/heads/main",
            "sha": "3f786850e387550fdab836ed7e6dc881de23001b",
            "actor": "octocat",
            "run_id": NUMBER_PLACE,
            "run_attempt": 1,
            "run_url": "https://github.com/octo/app/actions/runs/11895621034",
        },
    })
    .to_string()
}

/// The dispatch without any handler.
pub fn dispatch() -> Result<Request> {
    let body = body();
    let head = format!(
        "POST /repos/{REPOSITORY}/dispatches HTTP/1.1\r\nHost: api.github.com\r\nAuthorization: Bearer bench\r\n\
         Accept: application/vnd.github+json\r\nX-GitHub-Api-Version: 2022-11-28\r\nUser-Agent: direct\r\n\
         Content-Type: application/json\r\nContent-Length: {}",
        body.len()
    );
    Request::new(&head, &body)
}

/// A click as the Functions host forwards it.
pub fn forwarded() -> Result<Request> {
    forwarded_with("")
}

/// The same with the token of a person.
pub fn forwarded_with_token(token: &str) -> Result<Request> {
    forwarded_with(&format!("Authorization: Bearer {token}\r\n"))
}

fn forwarded_with(headers: &str) -> Result<Request> {
    let body = body();
    let head = format!(
        "POST /api/ApproveRelease?code=key HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n\
         User-Agent: Microsoft-Outlook, Azure-Functions-Host/4.1037.0\r\nAccept: */*\r\n\
         Card-Correlation-Id: 6e2c3d0a-0a3c-4a8e-9f36-5d7f1c1f6c11\r\n\
         Action-Request-Id: 0b7bb5f5-4d0f-4a0f-a7e4-52f3a2a1c6d9\r\n\
         X-Azure-Functions-InvocationId: f1a6e2f0-5c0c-4f4e-8f5e-1d2c3b4a5968\r\n\
         X-Azure-Functions-HostVersion: 4.1037.0\r\n{headers}Content-Length: {}",
        body.len()
    );
    Request::new(&head, &body)
}

/// A job's request for an approval, each of another title.
pub fn request_approval(token: &str, approvals_required: u32) -> Result<Request> {
    let body = json!({
        "event_type": "go-live",
        "approvals_required": approvals_required,
        "client_payload": {"version": "1.4.2"},
        "title": format!("Release {NUMBER_PLACE}"),
        "facts": {"Environment": "production"},
    })
    .to_string();
    post("/api/RequestApproval", &bearer(Some(token)), "application/json", &body)
}

/// A vote in a mail, with the token of whoever votes where there is one.
pub fn vote(approval: &str, token: Option<&str>) -> Result<Request> {
    let body = json!({"approval": approval, "verdict": "approve", "comment": NUMBER_PLACE}).to_string();
    post("/api/ApproveRelease?code=key", &bearer(token), "application/json", &body)
}

/// The same on the page, by whoever `principal` says.
pub fn vote_on_page(approval: &str, principal: &str) -> Result<Request> {
    let headers = format!("X-MS-CLIENT-PRINCIPAL: {principal}\r\nSec-Fetch-Site: same-origin\r\n");
    let body = format!("verdict=approve&comment={NUMBER_PLACE}");
    post(&format!("/api/approvals/{approval}"), &headers, "application/x-www-form-urlencoded", &body)
}

/// The same inside Teams, as the Bot Connector at `service_url` sends it.
pub fn vote_in_teams(approval: &str, token: &str, (service_url, person): (&str, &str)) -> Result<Request> {
    let tenant = TENANT.1;
    let data = json!({"approval": approval, "verdict": "approve", "comment": NUMBER_PLACE});
    let body = json!({
        "type": "invoke", "name": "adaptiveCard/action", "channelId": "msteams", "serviceUrl": service_url,
        "from": {"id": "29:1", "name": "Alex", "aadObjectId": person},
        "conversation": {"id": "19:x@thread.tacv2;messageid=1", "tenantId": tenant},
        "channelData": {"tenant": {"id": tenant}},
        "value": {"action": {"type": "Action.Execute", "verb": "approve", "data": data}, "trigger": "manual"},
    });
    post("/api/messages", &bearer(Some(token)), "application/json", &body.to_string())
}

fn bearer(token: Option<&str>) -> String {
    token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default()
}

fn post(path: &str, headers: &str, content_type: &str, body: &str) -> Result<Request> {
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {content_type}\r\n{headers}Content-Length: {}",
        body.len()
    );
    Request::new(&head, body)
}

/// Looking at what is there, as a browser does, or as a job with a token.
pub fn look(path: &str, token: Option<&str>) -> Result<Request> {
    let token = bearer(token);
    let head = format!(
        "GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{token}X-Azure-Functions-InvocationId: {NUMBER_PLACE}"
    );
    Request::new(&head, "")
}

/// The timer's invocation, which makes the handler look through what has not arrived yet.
pub fn sweep() -> Result<Request> {
    let body = r#"{"Data":{"timer":{}},"Metadata":{}}"#;
    let head = format!(
        "POST /Deliver HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json; charset=utf-8\r\n\
         X-Azure-Functions-InvocationId: {NUMBER_PLACE}\r\nContent-Length: {}",
        body.len()
    );
    Request::new(&head, body)
}

/// A click as the Functions host describes it in an invocation payload, chunked.
pub fn invocation() -> Result<Request> {
    let payload = json!({
        "Data": {"req": {
            "Url": "https://approve.azurewebsites.net/api/ApproveRelease?code=key",
            "Method": "POST",
            "Query": {"code": "key"},
            "Headers": {
                "Content-Type": ["application/json"],
                "Host": ["approve.azurewebsites.net"],
                "User-Agent": ["Microsoft-Outlook"],
                "Card-Correlation-Id": ["6e2c3d0a-0a3c-4a8e-9f36-5d7f1c1f6c11"],
                "Action-Request-Id": ["0b7bb5f5-4d0f-4a0f-a7e4-52f3a2a1c6d9"],
            },
            "Params": {},
            "Identities": [],
            "Body": body(),
        }},
        "Metadata": {"sys": {
            "MethodName": "ApproveRelease",
            "UtcNow": "2026-11-24T04:00:00.0000000Z",
            "RandGuid": "f1a6e2f0-5c0c-4f4e-8f5e-1d2c3b4a5968",
        }},
    })
    .to_string();
    let head = "POST /ApproveRelease HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json; charset=utf-8\r\n\
                X-Azure-Functions-InvocationId: f1a6e2f0-5c0c-4f4e-8f5e-1d2c3b4a5968\r\n\
                Transfer-Encoding: chunked";
    Request::new(head, &format!("{:x}\r\n{payload}\r\n0\r\n\r\n", payload.len()))
}
