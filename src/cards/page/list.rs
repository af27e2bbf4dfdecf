//! The list of what waits and of what was decided.

use askama::Template;
use chrono::{DateTime, Utc};

use super::{
    super::{Cards, title},
    STYLE, Stage, Time, decided_at, deciders, delivery, dispatch, html, name, page_path,
};
use crate::approval::{Ending, Item, Policy, RelayStanding, Repository, Standing, count_approvals};
use crate::text::line::visible;

/// What a page of the list shows.
#[derive(Clone, Debug)]
pub struct Listing<'a> {
    /// What waits for a decision.
    pub waiting: &'a [Item],
    /// What was decided.
    pub recent: &'a [Item],
    /// The address of the page with what was decided before that.
    pub next: Option<&'a str>,
    /// The operator's rules.
    pub policy: &'a Policy,
    /// The time of day.
    pub now: DateTime<Utc>,
}

/// The page of the list.
pub fn list(cards: &Cards, listing: &Listing) -> String {
    html(&Page {
        is_dry_run: listing.policy.dry_run,
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
            Item::Requested(standing) => Self::requested(standing, listing),
            Item::Relayed(relay) => Self::relayed(relay, listing),
            Item::Unreadable(id, at) => Self::unreadable(id, *at),
        }
    }

    fn requested(standing: &'a Standing, listing: &Listing) -> Self {
        let request = &standing.request;
        let stage = Stage::of(standing, listing.now);
        let required = request.asked.approvals_required;
        let (when, at) = match decided_at(standing) {
            Some(at) => ("Decided", at),
            None if stage.is_waiting() => ("Expires", request.expires_at()),
            None => ("Expired", request.expires_at()),
        };
        Self {
            href: Some(page_path(&request.id)),
            title: title(request),
            repository: Some(&request.workload.repository),
            stage: Some(stage),
            approvals: stage
                .is_waiting()
                .then(|| format!("{} of {required}", count_approvals(&standing.ballots))),
            by: deciders(standing, stage),
            when,
            at: Time(at),
            delivery: (!stage.is_waiting()).then(|| {
                dispatch(standing, stage, &listing.policy.delivery(standing), listing.policy.dry_run)
            }),
        }
    }

    fn relayed(relay: &'a RelayStanding, listing: &Listing) -> Self {
        let RelayStanding { decision, .. } = relay;
        Self {
            href: None,
            title: visible(decision.dispatch.event_type.as_str()),
            repository: Some(&decision.dispatch.repository),
            stage: Some(Stage(Some(Ending::Approved))),
            approvals: None,
            by: vec![name(&decision.performer)],
            when: "Decided",
            at: Time(decision.decided_at),
            delivery: Some(delivery(&listing.policy.delivery_of_relay(relay), listing.policy.dry_run)),
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
