//! The body of a card: the content of an approval as elements, all of version 1.0.
//!
//! In sight is what tells this approval from others and what it would do; the rest can be folded. What the workflow
//! wrote stands on a ground of its own, under a line that says so; nothing of ours and nothing of GitHub's stands there.

use serde_json::Value as Json;

use super::{
    Cards,
    adaptive::{Client, Limits, Row, fact_set, frame, group, heading, label, line, text_block},
    content::{Content, Fact, State, Value},
    labels,
    words::{MAX_NAME, count, name, reference},
};
use crate::{
    approval::{Ballot, Ending, Ruling, Verdict, Workload},
    text::{
        identifier::{self, identifier},
        line::{cut, plain},
        markdown::{card, link, literal},
    },
};

/// The longest value in the line of what matters.
const MAX_IN_LINE: usize = 100;

/// The members of the payload that are always in sight, and the longest value of one.
const FIRST_MEMBERS: usize = 3;
const MAX_FIRST: usize = 100;

/// The most names in the line of votes.
const MAX_NAMES: usize = 5;

/// The elements of a card.
pub struct Body {
    /// The elements that are always in sight.
    pub glance: Vec<Json>,
    /// All the rest.
    pub rest: Vec<Json>,
}

impl Cards {
    /// The elements of a card for this client.
    pub fn body(&self, content: &Content, client: Client, limits: &Limits) -> Body {
        Body { glance: self.glance(content, client, limits), rest: self.rest(content, client, limits) }
    }

    /// The state, the title, what matters, how far it has come, and the first lines of what is sent along.
    fn glance(&self, content: &Content, client: Client, limits: &Limits) -> Vec<Json> {
        let mut glance = vec![line(&content.headline, color(content))];
        glance.extend(content.is_dry_run.then(|| text_block(labels::DRY_RUN)));
        glance.push(title(content));
        glance.push(text_block(&self.matters(&content.request.workload, content, client)));
        if !content.members.is_empty() {
            glance.push(first_members(content));
        }
        glance.extend(self.changes_at_a_glance(content));
        glance.extend(votes_so_far(content));
        if !content.result.is_empty() {
            glance.push(self.facts(content.result.iter().chain(&content.delivery), client, limits));
        }
        glance
    }

    fn rest(&self, content: &Content, client: Client, limits: &Limits) -> Vec<Json> {
        let mut rest: Vec<_> =
            said(content, limits).into_iter().chain(other_members(content, limits)).collect();
        rest.push(group(vec![label(labels::PROVEN), self.facts(&content.proven, client, limits)]));
        rest.extend(self.changes_in_full(content, client, limits));
        // The consequences of an answer, and its deadline, are of no use any more once there is one.
        if content.state.is_waiting() {
            rest.push(group(vec![label(labels::DECISION), self.facts(&content.decision, client, limits)]));
        }
        rest.push(group(votes(content.votes, client, limits)));
        rest
    }

    /// One line of what GitHub vouches for. Each part but the repository says what it is, and none can have a separator
    /// in it, so that no name passes for another part.
    fn matters(&self, workload: &Workload, content: &Content, client: Client) -> String {
        let part = |before: &str, text: &str| {
            let text = without_separators(&identifier(text));
            literal(&format!("{before}{}", one_line(&text, MAX_IN_LINE)))
        };
        let environment = workload.environment.as_deref().filter(|environment| !environment.is_empty());
        let (kind, name) = reference(&workload.git_ref);
        let parts = [
            Some(self.markdown(&Value::Repository(&workload.repository), client, MAX_IN_LINE)),
            Some(part(&format!("{} ", kind.to_lowercase()), name)),
            environment.map(|environment| part("environment ", environment)),
            Some(part("by ", &workload.actor)),
            Some(client.time(content.request.created_at)),
        ];
        parts.into_iter().flatten().collect::<Vec<_>>().join(" \u{b7} ")
    }

    fn facts<'a>(
        &self,
        facts: impl IntoIterator<Item = &'a Fact<'a>>,
        client: Client,
        limits: &Limits,
    ) -> Json {
        let row = |Fact { label, value }: &Fact| {
            let is_requirement = matches!(value, Value::Requirement(..));
            let limit = if is_requirement { limits.requirement } else { limits.proven };
            Row::new(label, &value.text(), self.markdown(value, client, limit))
        };
        fact_set(facts.into_iter().map(row))
    }

    fn markdown(&self, value: &Value, client: Client, limit: usize) -> String {
        let shown = |text: &str| plain(&without_braces(text), limit);
        let text = shown(&value.text());
        match (value, self.address_of(value)) {
            (Value::Time(time) | Value::Deadline(time, _), _) => client.time(*time),
            (Value::Requirement(name, met), _) => literal(&format!("{}: {}", shown(name), shown(met))),
            (_, Some(url)) => link(&text, &url),
            (_, None) => literal(&text),
        }
    }
}

/// A decision that GitHub refuses, or did not take in time, is no good news.
fn color(content: &Content) -> &'static str {
    match content.state {
        State::Ended(_) if content.is_bad => "attention",
        State::Waiting => "accent",
        State::Ended(Ending::Approved) => "good",
        State::Ended(Ending::Rejected) => "attention",
        // Not "warning": on white that is a yellow that nobody can read.
        State::Ended(Ending::Expired | Ending::Withdrawn) => "default",
    }
}

/// The title: in the workflow's frame if it is the workflow's.
fn title(content: &Content) -> Json {
    let title = heading(&literal(&content.title));
    if content.has_own_title() { frame(labels::SAID, vec![title]) } else { title }
}

/// `text` with everything beyond ASCII that is neither a letter nor a digit as an escape: many such characters look like
/// the point between two parts.
fn without_separators(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        match character.is_ascii() || character.is_alphanumeric() {
            true => shown.push(character),
            false => shown.extend(character.escape_unicode()),
        }
    }
    shown
}

/// An identifier or JSON, which has nothing invisible in it any more, as one line.
pub(super) fn one_line(shown: &str, limit: usize) -> String {
    cut(&without_braces(&shown.replace('\n', " ")), limit)
}

/// Clients replace what `{{` begins: of two opening braces, the second is an escape.
fn without_braces(shown: &str) -> String {
    shown.replace("{{", r"{\u{7b}")
}

fn said(content: &Content, limits: &Limits) -> Option<Json> {
    let text = content.text.map(|text| card(text, limits.text)).filter(|text| !text.is_empty());
    let mut said: Vec<_> = text.map(|text| text_block(&text)).into_iter().collect();
    if !content.facts.is_empty() {
        let shown = content.facts.iter().take(limits.facts);
        let row = |name: &str, value: &str| Row::new(name, value, literal(value));
        said.push(fact_set(
            shown.map(|(name, value)| row(&plain(name, MAX_NAME), &plain(value, limits.value))),
        ));
    }
    said.extend(and_more(content.facts.len(), limits.facts));
    (!said.is_empty()).then(|| frame(labels::SAID, said))
}

fn first_members(content: &Content) -> Json {
    let shown = content.members.iter().take(FIRST_MEMBERS);
    let mut first = vec![fact_set(shown.map(|member| shown_member(member, MAX_FIRST)))];
    first.extend(and_more(content.members.len(), FIRST_MEMBERS));
    frame(labels::PAYLOAD, first)
}

/// The members of the payload that are not in sight, or not all of them, as far as there is room.
fn other_members(content: &Content, limits: &Limits) -> Option<Json> {
    let is_whole = |(key, json): &(String, &str)| {
        let is_short = |text: &str, limit| text.chars().count() <= limit;
        is_short(&identifier(key), MAX_NAME) && is_short(&identifier::json(json), MAX_FIRST)
    };
    let (first, others) = content.members.split_at(content.members.len().min(FIRST_MEMBERS));
    let hidden: Vec<_> = first.iter().filter(|member| !is_whole(member)).chain(others).collect();
    let shown = match limits.payload {
        0 => text_block(labels::PAYLOAD_ON_PAGE),
        limit => fact_set(hidden.iter().map(|member| shown_member(member, limit))),
    };
    (!hidden.is_empty()).then(|| frame(labels::PAYLOAD_REST, vec![shown]))
}

/// A member of the payload: its key, and its JSON to the letter.
fn shown_member((key, json): &(String, &str), limit: usize) -> Row {
    let shown = one_line(&identifier::json(json), limit);
    Row::new(&one_line(&identifier(key), MAX_NAME), &shown, literal(&shown))
}

/// The people who have approved, and their number, while that does not suffice.
fn votes_so_far(content: &Content) -> Option<Json> {
    let (approvals, required) = content.approvals;
    if !content.state.is_waiting() || (required == 1 && content.votes.is_empty()) {
        return None;
    }
    let voted = content.votes.iter().filter(|ballot| ballot.verdict == Verdict::Approve);
    let names: Vec<_> = voted.map(|ballot| literal(&name(&ballot.performer))).collect();
    let shown = names.iter().take(MAX_NAMES).cloned().collect::<Vec<_>>().join(", ");
    let more = if names.len() > MAX_NAMES { ", \u{2026}" } else { "" };
    let colon = if names.is_empty() { "" } else { ": " };
    let counted = count(approvals, required);
    Some(text_block(&format!("{counted} approvals{colon}{shown}{more}")))
}

/// Each vote is one row, so that no comment can look like another's vote.
fn votes(ballots: &[Ballot], client: Client, limits: &Limits) -> Vec<Json> {
    if ballots.is_empty() {
        return vec![label(labels::VOTES), text_block(labels::NO_VOTES)];
    }
    let shown = ballots.iter().take(Ruling::MAX_BALLOTS).map(|ballot| vote(ballot, client, limits.comment));
    let mut votes = vec![label(labels::VOTES), fact_set(shown)];
    votes.extend(and_more(ballots.len(), Ruling::MAX_BALLOTS));
    votes
}

fn vote(Ballot { performer, verdict, comment, at, .. }: &Ballot, client: Client, limit: usize) -> Row {
    let comment = plain(comment, limit);
    let quoted = if comment.is_empty() { String::new() } else { format!(": “{}”", literal(&comment)) };
    let vote = format!("{} {}{quoted}", labels::voted(verdict), client.time(*at));
    Row::new(&name(performer), &comment, vote)
}

fn and_more(all: usize, shown: usize) -> Option<Json> {
    let more = all.saturating_sub(shown);
    (more > 0).then(|| text_block(&format!("and {more} more")))
}
