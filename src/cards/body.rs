//! What the card of an approval shows, wherever it is shown.
//!
//! On a ground of its own, and first, stands what the request cannot write: what GitHub's token says, what an answer
//! does, who has answered. The request's words stand apart, under a line that says whose they are.

use std::iter::once;

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::{
    Cards,
    adaptive::{Limits, container, fact_set, heading, label, text_block},
};
use crate::approval::{
    Asked, Ballot, Ending, EventType, Request, Ruling, Standing, Verdict, Workload, count_approvals,
};
use crate::text::{
    line::plain,
    markdown::{card, link, literal},
};

/// The longest title, in characters.
const MAX_TITLE: usize = 200;

/// The longest name: a fact's, a person's, an account's, in characters.
const MAX_NAME: usize = 60;

/// The most digits of a commit that are shown, as at GitHub.
const SHORT_SHA: usize = 7;

impl Cards {
    /// The elements, all of version 1.0.
    pub fn body(&self, standing: &Standing, limits: &Limits) -> Vec<Value> {
        let request = &standing.request;
        vec![
            result(standing.ruling.as_ref()),
            container("emphasis", self.vouched_for(&request.workload)),
            container("default", said(request, limits)),
            container("emphasis", consequences(request)),
            container("emphasis", votes(standing, limits)),
        ]
    }

    fn vouched_for(&self, workload: &Workload) -> Vec<Value> {
        let Workload { repository, sha, git_ref, run_id, run_attempt, actor, .. } = workload;
        let sha: String = plain(sha, usize::MAX).chars().take(SHORT_SHA).collect();
        let run = format!("{}, attempt {}", plain(run_id, MAX_NAME), plain(run_attempt, MAX_NAME));
        let facts = [
            ("Repository", literal(&repository.to_string())),
            ("Commit", link(&sha, &self.commit_url(workload))),
            ("Ref", literal(&plain(git_ref, 100))),
            ("Run", link(&run, &self.run_url(workload))),
            ("Started by", literal(&plain(actor, MAX_NAME))),
        ];
        vec![label("Vouched for by GitHub"), fact_set(named(facts))]
    }
}

/// What the request is about, as plain text: its title, or one of ours.
pub fn title(request: &Request) -> String {
    let asked = request.asked.title.as_deref().map(|title| plain(title, MAX_TITLE));
    asked
        .filter(|title| !title.is_empty())
        .unwrap_or_else(|| format!("Release of {}", request.workload.repository))
}

fn result(ruling: Option<&Ruling>) -> Value {
    match ruling.map(|ruling| ruling.ending) {
        None => heading("Waiting for approval", "accent"),
        Some(Ending::Approved) => heading("Approved", "good"),
        Some(Ending::Rejected) => heading("Rejected", "attention"),
        Some(Ending::Expired) => heading("Expired", "warning"),
    }
}

fn said(request: &Request, limits: &Limits) -> Vec<Value> {
    let Asked { text, facts, .. } = &request.asked;
    let mut said = vec![label("What the workflow says"), label(&literal(&title(request)))];
    let text = text.as_deref().map(|text| card(text, limits.text));
    said.extend(text.filter(|text| !text.is_empty()).map(|text| text_block(&text)));
    if !facts.is_empty() {
        let shown = facts.iter().take(limits.facts);
        said.push(fact_set(
            shown
                .map(|(name, value)| (literal(&plain(name, MAX_NAME)), literal(&plain(value, limits.value)))),
        ));
    }
    said.extend(and_more(facts.len(), limits.facts));
    said
}

fn consequences(request: &Request) -> Vec<Value> {
    let Asked { event_type, rejected_event_type, approvals_required, .. } = &request.asked;
    let sent = |event_type: &EventType| literal(&plain(event_type.as_str(), EventType::MAX));
    let facts = [
        ("Approve sends", sent(event_type)),
        ("Reject sends", rejected_event_type.as_ref().map_or("nothing".to_owned(), sent)),
        ("Approvals needed", approvals_required.to_string()),
        ("Open until", readable(request.expires_at())),
    ];
    vec![label("What an answer does"), fact_set(named(facts))]
}

/// Each vote is one row, so that no comment can look like another's vote.
fn votes(standing: &Standing, limits: &Limits) -> Vec<Value> {
    let ballots = standing.ruling.as_ref().map_or(&standing.ballots, |ruling| &ruling.ballots);
    let sum = format!("{} of {}", count_approvals(ballots), standing.request.asked.approvals_required);
    let decided = standing.ruling.as_ref().map(|ruling| ("Decided", readable(ruling.decided_at)));
    let sums = named(once(("Approvals", sum)).chain(decided));
    let shown = ballots.iter().take(Ruling::MAX_BALLOTS).map(|ballot| vote(ballot, limits.comment));
    let mut votes = vec![label("Votes"), fact_set(sums.chain(shown))];
    votes.extend(and_more(ballots.len(), Ruling::MAX_BALLOTS));
    votes
}

fn vote(Ballot { performer, verdict, comment, at }: &Ballot, limit: usize) -> (String, String) {
    let verdict = match verdict {
        Verdict::Approve => "Approved",
        Verdict::Reject => "Rejected",
    };
    let name = plain(performer.display_name().unwrap_or_default(), MAX_NAME);
    let name = if name.is_empty() { performer.to_string() } else { name };
    let comment = match plain(comment, limit) {
        empty if empty.is_empty() => empty,
        comment => format!(": “{}”", literal(&comment)),
    };
    (literal(&name), format!("{verdict} {}{comment}", readable(*at)))
}

fn and_more(all: usize, shown: usize) -> Option<Value> {
    let more = all.saturating_sub(shown);
    (more > 0).then(|| text_block(&format!("and {more} more")))
}

fn named(facts: impl IntoIterator<Item = (&'static str, String)>) -> impl Iterator<Item = (String, String)> {
    facts.into_iter().map(|(name, value)| (name.to_owned(), value))
}

/// A time as people read it; everybody the same, since not every client can show it in its own zone.
fn readable(time: DateTime<Utc>) -> String {
    time.format("%Y-%m-%d %H:%M UTC").to_string()
}
