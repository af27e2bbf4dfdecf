//! The ways in. Each surface reads its own wire format into a click and answers in the same format; the parts that
//! they share are here.

pub mod action_message;
pub mod bot;
mod fields;
mod item;
mod list_query;
pub mod page;
pub mod request;
mod run_word;
mod status;

pub use self::status::status;
use log::Level;
use serde::Serialize;
use url::Url;

use crate::{
    approval::{Invalid, Outcome, Unreached},
    approve::Report,
    cards::sentences::{Reader, sentence_to},
    host::{Answer, Invocation},
    identity::{Check, Rejection},
    text::log::printable,
    urls::is_loopback,
};

/// The header in which a card shows what happened.
pub const CARD_ACTION_STATUS: &str = "CARD-ACTION-STATUS";

/// The answer with `sentence`, in its JSON and for the card.
pub fn plain_answer(status: u16, outcome: &str, sentence: &str) -> Answer {
    let mut answer = json_answer(status, &OutcomeJson { outcome, message: sentence });
    answer.headers.push((CARD_ACTION_STATUS, sentence.to_owned()));
    answer
}

/// The answer with `value`, for a program.
fn json_answer(status: u16, value: &impl Serialize) -> Answer {
    Answer {
        status,
        headers: vec![
            ("Content-Type", "application/json".to_owned()),
            ("Cache-Control", "no-store".to_owned()),
            ("X-Content-Type-Options", "nosniff".to_owned()),
        ],
        body: to_json(value),
        log: Vec::new(),
    }
}

#[derive(Serialize)]
struct OutcomeJson<'a> {
    outcome: &'a str,
    message: &'a str,
}

fn to_json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("texts under fixed keys are JSON")
}

/// The answer that tells the outcome of a click.
pub fn outcome_answer(reader: Reader, outcome: &Outcome) -> Answer {
    let mut answer = plain_answer(status(outcome), outcome.name(), &sentence_to(reader, outcome));
    if let Outcome::Invalid(Invalid::Method(allowed)) = outcome {
        answer.headers.push(("Allow", (*allowed).to_owned()));
    }
    answer
}

/// The answer that tells the outcome of a request, and the line for the log.
fn report_answer(function: &str, reader: Reader, request: &Invocation, report: &Report) -> Answer {
    let mut answer = outcome_answer(reader, &report.outcome);
    answer.log.push(log_line(function, reader, request, report));
    answer
}

/// One line that reads alone: the outcome of a request, with the ids that the client and the host gave it,
/// by which people look for it.
// T32
fn log_line(function: &str, reader: Reader, request: &Invocation, report: &Report) -> (Level, String) {
    let level = match status(&report.outcome) {
        200 => Level::Info,
        _ => Level::Warn,
    };
    let id = |text: Option<&str>| printable(text.filter(|text| !text.is_empty()).unwrap_or("-"), 80);
    let line = format!(
        "{function}: {}: {}{} (card {}, action {}, invocation {})",
        report.outcome.name(),
        sentence_to(reader, &report.outcome),
        if report.detail.is_empty() { String::new() } else { format!(" [{}]", report.detail) },
        id(request.header("card-correlation-id")),
        id(request.header("action-request-id")),
        id(Some(&request.invocation_id)),
    );
    (level, line)
}

/// The report of a rejection. The caller hears the same, whatever failed; the log tells which.
// T33
fn rejected(rejection: Rejection) -> Report {
    let outcome = match rejection {
        Rejection::KeysNotReached => Outcome::Unavailable(Unreached::Keys),
        Rejection::NoCredentials | Rejection::Failed(_) | Rejection::NotConfigured(_) => {
            Outcome::Unauthenticated
        }
    };
    Report::of(outcome, rejection.to_string())
}

/// The one bearer token in the headers of these names, if there is one.
fn bearer<'a>(request: &'a Invocation, names: &'static [&'static str]) -> Result<Option<&'a str>, Check> {
    let mut token = None;
    for name in names {
        let mut values = request.headers(name);
        let (first, second) = (values.next(), values.next());
        if second.is_some() {
            return Err(Check::Headers);
        }
        let value = first.unwrap_or_default().trim_matches([' ', '\t']);
        if value.is_empty() {
            continue;
        }
        let (scheme, credentials) = value.split_once(' ').ok_or(Check::Headers)?;
        if !scheme.eq_ignore_ascii_case("bearer") || token.is_some_and(|token| token != credentials) {
            return Err(Check::Headers);
        }
        token = Some(credentials);
    }
    Ok(token)
}

/// True if a browser says that a page of another site made this request. Programs and mail servers send neither
/// header; a page cannot leave them out.
///
/// `public_url` is the address of our own pages.
// T30
pub fn is_cross_site(request: &Invocation, public_url: &Url) -> bool {
    let foreign_fetch = request.headers("sec-fetch-site").any(|site| !matches!(site, "same-origin" | "none"));
    let foreign_origin = request.headers("origin").any(|origin| !is_own_or_loopback(origin, public_url));
    foreign_fetch || foreign_origin
}

fn is_own_or_loopback(origin: &str, public_url: &Url) -> bool {
    let Ok(origin) = Url::parse(origin) else { return false };
    origin.origin() == public_url.origin() || is_loopback(&origin)
}
