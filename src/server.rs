//! Wires the rooms: which address is which function, what is read of a request, and how its answer goes out.

use std::{
    net::Ipv4Addr,
    sync::Arc,
    time::{Duration, SystemTime},
};

use actix_web::{
    App, HttpRequest, HttpResponse, HttpServer,
    http::StatusCode,
    web::{self, Bytes},
};
use anyhow::Context;
use tokio::time::{Instant, timeout_at};
use url::{Url, form_urlencoded};

use crate::{
    approval::{Forbidden, Outcome},
    approve::Approvals,
    cards::sentences,
    config::{Config, Listen},
    github::GitHub,
    host::{self, Answer, Body, Request, Timing},
    surfaces::{CARD_ACTION_STATUS, action_message, is_cross_site, outcome_answer, plain_answer},
};

/// How long a click may take from its head's arrival to its answer.
const CLICK_TIME: Duration = Duration::from_millis(4_400);

/// How much of that its body may take to arrive.
const BODY_TIME: Duration = Duration::from_secs(2);

/// The largest invocation payload that is read, in bytes: a body of the largest size, each byte escaped as six, and
/// as much again for headers, query and identities.
const MAX_PAYLOAD_BYTES: usize = 12 * action_message::MAX_BODY_BYTES;

/// How much of an oversized body is thrown away before the answer, so that its sender comes to read that answer.
const MAX_DISCARDED_BYTES: usize = 110 * 1024 * 1024;

/// How long answers in flight are waited for when the process is asked to stop, in seconds.
const SHUTDOWN_SECONDS: u64 = 5;

/// The functions, each a folder with a `function.json`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Function {
    ApproveRelease,
}

impl Function {
    const ALL: [Self; 1] = [Self::ApproveRelease];

    /// The folder's name, which is the path of an invocation payload.
    fn name(self) -> &'static str {
        match self {
            Self::ApproveRelease => "ApproveRelease",
        }
    }

    /// The path under `/api/`.
    fn route(self) -> &'static str {
        match self {
            Self::ApproveRelease => "ApproveRelease",
        }
    }
}

/// Where a path leads.
#[derive(Debug, PartialEq, Eq)]
enum Address {
    /// The readiness and health check of the host.
    Ready,
    /// An invocation payload.
    Invocation(Function),
    /// A caller's request, handed on.
    Forwarded(Function),
    /// Nowhere.
    Nothing,
}

fn address(path: &str) -> Address {
    if path == "/" {
        return Address::Ready;
    }
    if let Some(function) =
        Function::ALL.into_iter().find(|function| path.strip_prefix('/') == Some(function.name()))
    {
        return Address::Invocation(function);
    }
    let route = path.get(..5).filter(|prefix| prefix.eq_ignore_ascii_case("/api/")).map(|_| &path[5..]);
    let route = route.map(|route| route.strip_suffix('/').unwrap_or(route));
    let forwarded = |route: &str| Function::ALL.into_iter().find(|f| f.route().eq_ignore_ascii_case(route));
    route.and_then(forwarded).map_or(Address::Nothing, Address::Forwarded)
}

/// What every request needs.
struct Rooms {
    approvals: Approvals,
    public_url: Url,
    listen: Listen,
}

/// Serves until the process is asked to stop, then finishes the answers in flight.
pub async fn serve(config: Config) -> anyhow::Result<()> {
    let listen = config.listen;
    let rooms = Arc::new(rooms(config));
    let app = web::Data::from(Arc::clone(&rooms));
    // One worker: a person's clicks are few, and GitHub takes no more than some hundred a minute.
    let server = HttpServer::new(move || App::new().app_data(app.clone()).default_service(web::to(entry)))
        .workers(1)
        .shutdown_timeout(SHUTDOWN_SECONDS)
        .bind((Ipv4Addr::LOCALHOST, listen.port()))
        .with_context(|| {
            format!("cannot listen on 127.0.0.1:{}; is another one running there?", listen.port())
        })?;
    announce(&rooms);
    // The certificates take some milliseconds to load, so they come after readiness and before the first click.
    tokio::task::spawn_blocking(move || {
        rooms.approvals.github.as_ref().map(|github| github.client().map(drop))
    });
    server.run().await.context("the server failed")
}

fn rooms(config: Config) -> Rooms {
    let github = match config.dry_run {
        true => None,
        false => config.github_token.map(|token| GitHub::new(config.github_api_url, token)),
    };
    let approvals = Approvals { policy: config.policy, github, dry_run: config.dry_run };
    Rooms { approvals, public_url: config.public_url, listen: config.listen }
}

/// Tells a person who started us by hand what to do next.
fn announce(rooms: &Rooms) {
    let Listen::Standalone(port) = rooms.listen else { return };
    let mode = if rooms.approvals.dry_run { " in dry run: nothing is sent to GitHub" } else { "" };
    log::info!("listening on http://localhost:{port}{mode}");
    log::info!(
        "try: curl -i http://localhost:{port}/api/ApproveRelease -H 'Content-Type: application/json' \
         -d '{{\"event_type\":\"release-approved\",\"client_payload\":{{\"run_id\":\"1\"}}}}'"
    );
}

async fn entry(rooms: web::Data<Rooms>, request: HttpRequest, payload: web::Payload) -> HttpResponse {
    #[expect(clippy::disallowed_methods, reason = "this is where a request begins")]
    let timing = Timing { now: SystemTime::now(), deadline: Instant::now() + CLICK_TIME };
    let mut outer = outer_request(&request, timing);
    if !may_call(&rooms, &outer) {
        return respond(outcome_answer(&Outcome::Forbidden(Forbidden::CrossSite)));
    }
    match address(request.path()) {
        Address::Ready => respond(plain_answer(200, "ready", sentences::READY)),
        Address::Nothing => respond(plain_answer(404, "unknown", sentences::NO_SUCH_ADDRESS)),
        Address::Forwarded(function) => {
            outer.body = read_body(payload, action_message::MAX_BODY_BYTES, timing.deadline).await;
            respond(call(&rooms, function, outer).await)
        }
        Address::Invocation(function) => {
            outer.body = read_body(payload, MAX_PAYLOAD_BYTES, timing.deadline).await;
            respond(invoke(&rooms, function, outer).await)
        }
    }
}

/// The request as it came over the wire, its body not yet read.
fn outer_request(request: &HttpRequest, timing: Timing) -> Request {
    let header =
        |(name, value): (&actix_web::http::header::HeaderName, &actix_web::http::header::HeaderValue)| {
            (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
        };
    let headers: Vec<_> = request.headers().iter().map(header).collect();
    let mut outer = Request {
        method: request.method().as_str().to_owned(),
        query: form_urlencoded::parse(request.query_string().as_bytes()).into_owned().collect(),
        headers,
        body: Body::Whole(Vec::new()),
        invocation_id: String::new(),
        timing,
    };
    outer.invocation_id = outer.header("x-azure-functions-invocationid").unwrap_or_default().to_owned();
    outer
}

/// Outside a host nobody but this computer's own programs may call, by its own name: a web page that points another
/// name at us is kept out.
fn may_call(rooms: &Rooms, outer: &Request) -> bool {
    match rooms.listen {
        Listen::UnderHost(_) => true,
        Listen::Standalone(_) => outer.headers("host").all(|host| {
            let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
            name.eq_ignore_ascii_case("localhost") || name == "127.0.0.1"
        }),
    }
}

/// Reads up to `limit` bytes within the time that a body has, and discards the rest so that the answer is read.
async fn read_body(mut payload: web::Payload, limit: usize, deadline: Instant) -> Body {
    let body_deadline = deadline - CLICK_TIME + BODY_TIME;
    let mut body = Vec::new();
    let mut discarded = 0;
    loop {
        let chunk = match timeout_at(body_deadline, next_chunk(&mut payload)).await {
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

async fn next_chunk(payload: &mut web::Payload) -> Option<Result<Bytes, actix_web::error::PayloadError>> {
    std::future::poll_fn(|context| futures_core::Stream::poll_next(std::pin::Pin::new(payload), context))
        .await
}

/// Answers an invocation payload: always 200 where the function was called, its own status inside.
async fn invoke(rooms: &Rooms, function: Function, outer: Request) -> Answer {
    // The host never sends what browsers send; a page that talks to us directly would bypass the host's key.
    if outer.header("origin").is_some() || is_cross_site(&outer, &rooms.public_url) {
        return outcome_answer(&Outcome::Forbidden(Forbidden::CrossSite));
    }
    let invocation_id = Some(outer.invocation_id.clone()).filter(|id| !id.is_empty());
    let request = match &outer.body {
        Body::Whole(payload) => {
            host::parse_payload(payload, invocation_id, action_message::MAX_BODY_BYTES, outer.timing)
        }
        // So large a payload is the wrapping of too large a body: the caller deserves to hear that.
        Body::TooLarge => Ok(Request { headers: Vec::new(), query: Vec::new(), ..outer }),
        Body::Incomplete => return plain_answer(400, "invalid", sentences::BROKEN_PAYLOAD),
    };
    match request {
        Ok(request) => wrap(&call(rooms, function, request).await),
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

async fn call(rooms: &Rooms, function: Function, request: Request) -> Answer {
    let answer = match function {
        Function::ApproveRelease => {
            action_message::answer(&rooms.approvals, &rooms.public_url, request).await
        }
    };
    answer.log.iter().for_each(|(level, line)| log::log!(*level, "{line}"));
    answer
}

fn wrap(answer: &Answer) -> Answer {
    match host::invocation_answer(answer) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn api_paths_match_whatever_the_case_and_payload_paths_exactly() {
        let forwarded = Address::Forwarded(Function::ApproveRelease);
        for path in ["/api/ApproveRelease", "/API/approverelease", "/api/APPROVERELEASE/"] {
            assert_eq!(address(path), forwarded, "{path}");
        }
        assert_eq!(address("/ApproveRelease"), Address::Invocation(Function::ApproveRelease));
        assert_eq!(address("/"), Address::Ready);
        for path in [
            "/approverelease",
            "/ApproveRelease/",
            "/api/ApproveRelease//",
            "/api/",
            "/api",
            "/Nope",
            "",
            "/é",
            "/apié",
        ] {
            assert_eq!(address(path), Address::Nothing, "{path}");
        }
    }
}
