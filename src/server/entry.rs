//! Requests and answers on the wire, in both forms of the custom-handler protocol.

use std::{sync::Arc, time::Duration};

use actix_web::{
    HttpRequest, HttpResponse,
    http::{
        StatusCode,
        header::{HeaderName, HeaderValue},
    },
    web,
};
use futures_util::StreamExt;
use tokio::time::{Instant, timeout_at};
use url::form_urlencoded;

use super::{
    Rooms,
    address::{Address, Function, address},
    log_lines, sweep, timing,
};
use crate::{
    approval::{Forbidden, Invalid, Outcome, Unreached},
    cards::sentences::{self, Reader},
    config::Listen,
    host::{self, Answer, Body, Invocation},
    surfaces::{CARD_ACTION_STATUS, action_message, is_cross_site, outcome_answer, page, plain_answer},
    timing::Timing,
};

/// The longest time of a click, from the arrival of its head to its answer.
const CLICK_TIME: Duration = Duration::from_millis(4_400);

/// The part of that in which its body must arrive.
const BODY_TIME: Duration = Duration::from_secs(2);

/// The largest invocation payload that is read, in bytes. With its escapes and its copy in `Metadata` a body grows to
/// 13 times its size; the rest is for headers, query and identities.
const MAX_PAYLOAD_BYTES: usize = 20 * action_message::MAX_BODY_BYTES;

/// The most bytes of an oversized body that are discarded before the answer, so that its sender reads the answer.
const MAX_DISCARDED_BYTES: usize = 110 * 1024 * 1024;

/// Answers any request.
pub async fn entry(rooms: web::Data<Rooms>, request: HttpRequest, payload: web::Payload) -> HttpResponse {
    let timing = timing(CLICK_TIME);
    let mut outer = outer_request(&request, timing);
    if !may_call(&rooms, &outer) {
        log::warn!("refused a request for a host name that is not this computer's own");
        return respond(outcome_answer(Reader::Outlook, &Outcome::Forbidden(Forbidden::CrossSite)));
    }
    match address(request.path()) {
        // A host asks here whether we are ready; outside one, the only browser is that of whoever tries us.
        Address::Ready if matches!(rooms.listen, Listen::Standalone(_)) && page::wants_html(&outer) => {
            respond(page::to_list())
        }
        Address::Ready => respond(plain_answer(200, "ready", sentences::READY)),
        Address::Nothing => respond(plain_answer(404, "unknown", sentences::no_such_address(request.path()))),
        // A sweep has its own limits, and needs nothing from the timer's payload.
        Address::Invocation(Function::Deliver) => {
            discard(payload, timing.deadline).await;
            respond(invoke(&rooms, Function::Deliver, outer).await)
        }
        Address::Forwarded(function, id) => {
            outer.id = id;
            let Some(_place) = rooms.in_work.place() else {
                discard(payload, timing.deadline).await;
                return respond(busy(function, &outer));
            };
            outer.body = read_body(payload, action_message::MAX_BODY_BYTES, timing.deadline).await;
            respond(call(&rooms, function, outer).await)
        }
        Address::Invocation(function) => {
            let Some(_place) = rooms.in_work.place() else {
                discard(payload, timing.deadline).await;
                return respond(wrap(&busy(function, &outer), function.output()));
            };
            outer.body = read_body(payload, MAX_PAYLOAD_BYTES, timing.deadline).await;
            respond(invoke(&rooms, function, outer).await)
        }
    }
}

/// The request as it came over the wire, without its body.
fn outer_request(request: &HttpRequest, timing: Timing) -> Invocation {
    let header = |(name, value): (&HeaderName, &HeaderValue)| {
        (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    let headers: Vec<_> = request.headers().iter().map(header).collect();
    let mut outer = Invocation {
        method: request.method().as_str().to_owned(),
        query: form_urlencoded::parse(request.query_string().as_bytes()).into_owned().collect(),
        id: None,
        headers,
        body: Body::Whole(Vec::new()),
        invocation_id: String::new(),
        timing,
    };
    outer.invocation_id = host::invocation_id(outer.headers("x-azure-functions-invocationid"));
    outer
}

/// True if the request may come in. Outside a host only this computer's own programs may call, by its own name: that
/// keeps out a web page that points another name at us.
// T30
fn may_call(rooms: &Rooms, outer: &Invocation) -> bool {
    match rooms.listen {
        Listen::UnderHost(_) => true,
        Listen::Standalone(_) => {
            let mut hosts =
                outer.headers("host").map(|host| host.rsplit_once(':').map_or(host, |(name, _)| name));
            let is_ours = |name: &str| name.eq_ignore_ascii_case("localhost") || name == "127.0.0.1";
            hosts.next().is_some_and(is_ours) && hosts.next().is_none()
        }
    }
}

/// Reads up to `limit` bytes within the time that a body has, and discards the rest so that the answer is read.
async fn read_body(mut payload: web::Payload, limit: usize, deadline: Instant) -> Body {
    let body_deadline = deadline - CLICK_TIME + BODY_TIME;
    let mut body = Vec::new();
    let mut discarded = 0;
    loop {
        let chunk = match timeout_at(body_deadline, payload.next()).await {
            Ok(Some(Ok(chunk))) => chunk,
            Ok(None) if discarded == 0 => return Body::Whole(body),
            Ok(Some(Err(_))) | Err(_) if discarded == 0 => return Body::Incomplete,
            _ => return Body::TooLarge,
        };
        if discarded == 0 && body.len() + chunk.len() <= limit {
            body.extend_from_slice(&chunk);
            continue;
        }
        body = Vec::new();
        discarded += chunk.len();
        if discarded > MAX_DISCARDED_BYTES {
            return Body::TooLarge;
        }
    }
}

/// Discards a body, so that its sender comes to read the answer.
async fn discard(payload: web::Payload, deadline: Instant) {
    read_body(payload, 0, deadline).await;
}

/// The answer while too much is in work. The body was not read.
fn busy(function: Function, outer: &Invocation) -> Answer {
    match function {
        Function::Approvals => page::busy(outer),
        Function::ApproveRelease | Function::RequestApproval | Function::Messages | Function::Deliver => {
            outcome_answer(Reader::Outlook, &Outcome::Unavailable(Unreached::Place))
        }
    }
}

/// Answers an invocation payload: always 200 if the function was called, with its own status inside.
async fn invoke(rooms: &Arc<Rooms>, function: Function, outer: Invocation) -> Answer {
    // The host never sends what browsers send; a page that talks to us directly would bypass the host's key.
    if outer.header("origin").is_some() || is_cross_site(&outer, &rooms.public_url) {
        log::warn!("{}: refused an invocation that a web page sent", function.name());
        return outcome_answer(Reader::Outlook, &Outcome::Forbidden(Forbidden::CrossSite));
    }
    if outer.method != "POST" {
        return outcome_answer(Reader::Outlook, &Outcome::Invalid(Invalid::Method("POST")));
    }
    let request = match &outer.body {
        _ if function == Function::Deliver => Ok(outer),
        Body::Whole(payload) => {
            let id = outer.invocation_id.clone();
            host::parse_payload(payload, id, action_message::MAX_BODY_BYTES, outer.timing)
        }
        // A payload of this size wraps a body that is too large: the caller should get that answer.
        Body::TooLarge => Ok(Invocation { headers: Vec::new(), query: Vec::new(), ..outer }),
        Body::Incomplete => return plain_answer(400, "invalid", sentences::BROKEN_PAYLOAD),
    };
    match request {
        Ok(request) => wrap(&call(rooms, function, request).await, function.output()),
        Err(error) => {
            // The error's own text may quote the payload.
            log::warn!(
                "{}: cannot read the invocation payload: {:?} error",
                function.name(),
                error.classify()
            );
            plain_answer(400, "invalid", sentences::BROKEN_PAYLOAD)
        }
    }
}

async fn call(rooms: &Arc<Rooms>, function: Function, request: Invocation) -> Answer {
    let answer = match function {
        Function::ApproveRelease => rooms.action_messages.answer(request).await,
        Function::RequestApproval => rooms.requests.answer(request).await,
        Function::Approvals if request.id.as_deref().is_some_and(|id| id.eq_ignore_ascii_case("check")) => {
            rooms.pages.checks(request, rooms.checks()).await
        }
        Function::Approvals => rooms.pages.answer(request).await,
        Function::Messages => rooms.messages.answer(request).await,
        Function::Deliver => {
            *rooms.fired_at.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(Instant::now());
            Answer { log: sweep(&rooms.stories).await, ..plain_answer(200, "swept", sentences::SWEPT) }
        }
    };
    log_lines(&answer.log);
    answer
}

/// The answer of an invocation, with the HTTP answer inside if the function has one.
fn wrap(answer: &Answer, output: Option<&'static str>) -> Answer {
    match host::invocation_answer(answer, output) {
        Ok(body) => {
            let mut wrapped = plain_answer(200, "", card_action_status(answer));
            wrapped.body = body;
            wrapped
        }
        Err(error) => {
            log::error!("cannot write the answer of an invocation: {error}");
            plain_answer(500, "unavailable", sentences::BROKEN_PAYLOAD)
        }
    }
}

fn card_action_status(answer: &Answer) -> &str {
    answer.headers.iter().find(|(name, _)| *name == CARD_ACTION_STATUS).map_or("", |(_, sentence)| sentence)
}

fn respond(answer: Answer) -> HttpResponse {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = HttpResponse::build(status);
    for (name, value) in answer.headers {
        response.insert_header((name, value));
    }
    response.body(answer.body)
}
