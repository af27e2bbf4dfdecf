//! The body of a card: the content of an approval as elements, all of version 1.0.
//!
//! The request's words stand on a ground of their own, under a line that says whose they are.

use serde_json::Value as Json;

use super::{
    Cards,
    adaptive::{Limits, container, fact_set, heading, label, text_block},
    content::{Content, Fact, State},
    labels,
    words::{MAX_NAME, name, readable},
};
use crate::{
    approval::{Ballot, Ending, Ruling},
    text::{
        identifier::{self, identifier},
        line::{cut, plain},
        markdown::{card, link, literal},
    },
};

/// The longest value of a fact that is not the request's, in characters.
const MAX_VALUE: usize = 300;

impl Cards {
    /// The elements of a card.
    pub fn body(&self, content: &Content, limits: &Limits) -> Vec<Json> {
        let mut body = vec![heading(content.headline, color(content))];
        if content.says_anything() {
            body.push(container("default", said(content, limits)));
        }
        if !content.result.is_empty() {
            body.push(self.section(labels::RESULT, content.result.iter().chain(&content.delivery)));
        }
        body.push(self.section(labels::PROVEN, &content.proven));
        if !content.members.is_empty() {
            body.push(container("emphasis", payload(content, limits)));
        }
        // What an answer would do, and until when it counts, is of no use any more once there is one.
        if content.state.is_waiting() {
            body.push(self.section(labels::DECISION, &content.decision));
        }
        body.push(container("emphasis", votes(content.votes, limits)));
        body
    }

    fn section<'a>(&self, title: &str, facts: impl IntoIterator<Item = &'a Fact<'a>>) -> Json {
        container("emphasis", vec![label(title), fact_set(facts.into_iter().map(|fact| self.fact(fact)))])
    }

    fn fact(&self, Fact { label, value }: &Fact) -> (String, String) {
        let text = plain(&value.text(), MAX_VALUE);
        let markdown = match self.address_of(value) {
            Some(url) => link(&text, &url),
            None => literal(&text),
        };
        ((*label).to_owned(), markdown)
    }
}

/// A decision that GitHub refuses, or did not take in time, is no good news.
fn color(content: &Content) -> &'static str {
    match content.state {
        State::Ended(_) if content.is_stuck => "attention",
        State::Waiting => "accent",
        State::Ended(Ending::Approved) => "good",
        State::Ended(Ending::Rejected) => "attention",
        State::Ended(Ending::Expired) => "warning",
    }
}

fn said(content: &Content, limits: &Limits) -> Vec<Json> {
    let title = content.has_own_title().then(|| label(&literal(&content.title)));
    let mut said: Vec<_> = [label(labels::SAID)].into_iter().chain(title).collect();
    let text = content.text.map(|text| card(text, limits.text));
    said.extend(text.filter(|text| !text.is_empty()).map(|text| text_block(&text)));
    if !content.facts.is_empty() {
        let shown = content.facts.iter().take(limits.facts);
        let line = |text: &str, limit| literal(&plain(text, limit));
        said.push(fact_set(shown.map(|(name, value)| (line(name, MAX_NAME), line(value, limits.value)))));
    }
    said.extend(and_more(content.facts.len(), limits.facts));
    said
}

/// The members of the payload, each with its JSON to the letter, as far as there is room.
fn payload(content: &Content, limits: &Limits) -> Vec<Json> {
    let line = |text: &str, limit| literal(&cut(&identifier::json(text).replace('\n', " "), limit));
    let mut payload = vec![label(labels::PAYLOAD)];
    match limits.payload {
        0 => payload.push(text_block(labels::PAYLOAD_ON_PAGE)),
        limit => {
            let members = content.members.iter();
            payload.push(fact_set(
                members.map(|(key, json)| (literal(&cut(&identifier(key), MAX_NAME)), line(json, limit))),
            ));
        }
    }
    payload
}

/// Each vote is one row, so that no comment can look like another's vote.
fn votes(ballots: &[Ballot], limits: &Limits) -> Vec<Json> {
    if ballots.is_empty() {
        return vec![label(labels::VOTES), text_block(labels::NO_VOTES)];
    }
    let shown = ballots.iter().take(Ruling::MAX_BALLOTS).map(|ballot| vote(ballot, limits.comment));
    let mut votes = vec![label(labels::VOTES), fact_set(shown)];
    votes.extend(and_more(ballots.len(), Ruling::MAX_BALLOTS));
    votes
}

fn vote(Ballot { performer, verdict, comment, at }: &Ballot, limit: usize) -> (String, String) {
    let comment = match plain(comment, limit) {
        empty if empty.is_empty() => empty,
        comment => format!(": “{}”", literal(&comment)),
    };
    (literal(&name(performer)), format!("{} {}{comment}", labels::voted(verdict), readable(*at)))
}

fn and_more(all: usize, shown: usize) -> Option<Json> {
    let more = all.saturating_sub(shown);
    (more > 0).then(|| text_block(&format!("and {more} more")))
}
