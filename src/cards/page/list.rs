//! The list of what waits and of what was decided.

use askama::Template;
use chrono::{DateTime, Utc};

use super::{
    super::{Cards, title},
    STYLE, Stage, Time, decided_at, deciders, delivery, dispatch, html, name, page_path,
};
use crate::approval::{Decision, Dispatched, Ending, Item, Repository, Seen, approvals};
use crate::text::line::visible;

/// What a page of the list shows.
#[derive(Clone, Debug)]
pub struct Listing<'a> {
    /// What waits for a decision.
    pub waiting: &'a [Item],
    /// Whether more may wait than is shown there.
    pub more_waiting: bool,
    /// What was decided.
    pub recent: &'a [Item],
    /// The address of the page with what was decided before that.
    pub next: Option<&'a str>,
    /// Whether nothing is sent to GitHub (`DRY_RUN`).
    pub is_dry_run: bool,
    /// The time of day.
    pub now: DateTime<Utc>,
}

/// The page of the list.
pub fn list(cards: &Cards, listing: &Listing) -> String {
    html(&Page {
        is_dry_run: listing.is_dry_run,
        more_waiting: listing.more_waiting,
        waiting: listing.waiting.iter().map(|item| Row::of(item, listing)).collect(),
        recent: listing.recent.iter().map(|item| Row::of(item, listing)).collect(),
        next: listing.next,
        request_url: format!("{}/api/RequestApproval", cards.public_url.as_str().trim_end_matches('/')),
    })
}

#[derive(Template)]
#[template(path = "list.html", whitespace = "minimize")]
struct Page<'a> {
    is_dry_run: bool,
    waiting: Vec<Row<'a>>,
    more_waiting: bool,
    recent: Vec<Row<'a>>,
    next: Option<&'a str>,
    request_url: String,
}

/// One entry.
struct Row<'a> {
    /// Its page, where it has one.
    href: Option<String>,
    title: String,
    repository: Option<&'a Repository>,
    /// Nothing where that cannot be read.
    stage: Option<Stage>,
    /// So many of so many, where people are still asked.
    approvals: Option<String>,
    /// Who decided.
    by: Vec<String>,
    /// What happened or will happen at `at`.
    when: &'static str,
    at: Time,
    /// How the dispatch stands, where it is decided.
    delivery: Option<&'static str>,
}

impl<'a> Row<'a> {
    fn of(item: &'a Item, listing: &Listing) -> Self {
        match item {
            Item::Requested(seen) => Self::requested(seen, listing),
            Item::Relayed(decision, dispatched) => Self::relayed(decision, dispatched, listing.is_dry_run),
            Item::Unreadable(id, at) => Self::unreadable(id, *at),
        }
    }

    fn requested(seen: &'a Seen, listing: &Listing) -> Self {
        let Seen { approval, dispatch: dispatched, .. } = seen;
        let request = &approval.request;
        let stage = Stage::of(approval, listing.now);
        let required = request.asked.approvals_required;
        let (when, at) = match decided_at(approval) {
            Some(at) => ("Decided", at),
            None if stage.is_waiting() => ("Expires", request.expires_at()),
            None => ("Expired", request.expires_at()),
        };
        Self {
            href: Some(page_path(&request.id)),
            title: title(request),
            repository: Some(&request.workload.repository),
            stage: Some(stage),
            approvals: stage.is_waiting().then(|| format!("{} of {required}", approvals(&approval.ballots))),
            by: deciders(approval, stage),
            when,
            at: Time(at),
            delivery: (!stage.is_waiting())
                .then(|| dispatch(approval, stage, dispatched, listing.is_dry_run)),
        }
    }

    fn relayed(decision: &'a Decision, dispatched: &Dispatched, is_dry_run: bool) -> Self {
        Self {
            href: None,
            title: visible(decision.dispatch.event_type.as_str()),
            repository: Some(&decision.dispatch.repository),
            stage: Some(Stage(Some(Ending::Approved))),
            approvals: None,
            by: vec![name(&decision.performer)],
            when: "Decided",
            at: Time(decision.decided_at),
            delivery: Some(delivery(dispatched, is_dry_run)),
        }
    }

    fn unreadable(id: &str, at: DateTime<Utc>) -> Self {
        Self {
            href: None,
            title: format!("{id}: a record of it cannot be read"),
            repository: None,
            stage: None,
            approvals: None,
            by: Vec::new(),
            when: "Recorded",
            at: Time(at),
            delivery: None,
        }
    }
}
