//! The ways in. Each surface reads its own wire format into a click and answers in the same format; what they share
//! stands here.

pub mod action_message;

use serde::Serialize;
use url::Url;

use crate::{
    approval::{Invalid, Outcome},
    cards::sentences::sentence,
    config::is_loopback,
    host::{Answer, Request},
};

/// The header in which a card shows what happened.
pub const CARD_ACTION_STATUS: &str = "CARD-ACTION-STATUS";

/// The answer that says `sentence`, in its JSON and for the card.
pub fn plain_answer(status: u16, outcome: &str, sentence: &str) -> Answer {
    Answer {
        status,
        headers: vec![
            ("Content-Type", "application/json".to_owned()),
            ("Cache-Control", "no-store".to_owned()),
            ("X-Content-Type-Options", "nosniff".to_owned()),
            (CARD_ACTION_STATUS, sentence.to_owned()),
        ],
        body: to_json(&Said { outcome, message: sentence }),
        log: Vec::new(),
    }
}

#[derive(Serialize)]
struct Said<'a> {
    outcome: &'a str,
    message: &'a str,
}

fn to_json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("texts under fixed keys are JSON")
}

/// The answer that says what became of a click.
pub fn outcome_answer(outcome: &Outcome) -> Answer {
    plain_answer(outcome.status(), outcome.name(), &sentence(outcome))
}

/// The answer to a method that an address does not take.
pub fn invalid_method() -> Answer {
    let mut answer = outcome_answer(&Outcome::Invalid(Invalid::Method));
    answer.status = 405;
    answer.headers.push(("Allow", "POST".to_owned()));
    answer
}

/// Whether a browser says that a page of another site made this request. Programs and mail servers send neither
/// header; a page cannot leave them out.
///
/// `public_url` is where our own pages are.
pub fn is_cross_site(request: &Request, public_url: &Url) -> bool {
    let foreign_fetch = request.headers("sec-fetch-site").any(|site| !matches!(site, "same-origin" | "none"));
    let foreign_origin = request.headers("origin").any(|origin| !is_own_or_loopback(origin, public_url));
    foreign_fetch || foreign_origin
}

fn is_own_or_loopback(origin: &str, public_url: &Url) -> bool {
    let Ok(origin) = Url::parse(origin) else { return false };
    origin.origin() == public_url.origin() || is_loopback(&origin)
}
