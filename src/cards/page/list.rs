//! The list of the approvals that wait, and of what was decided.

use std::borrow::Cow;

use askama::Template;
use chrono::{DateTime, TimeDelta, Utc};

use super::{
    super::{
        Cards,
        content::{Content, State, Value, headline, is_stuck},
        labels, words,
    },
    LIST, MARK, SIGN_OUT, STYLE, Time, html,
};
use crate::{
    approval::{Ending, Item, Performer, Policy, RelayStanding, RepositoryDispatch, Standing},
    text::{
        identifier::{self, identifier},
        line::cut,
    },
};

/// The part of a relay's payload that a row shows, in characters.
const MAX_PAYLOAD: usize = 80;

/// A page of the list.
#[derive(Clone, Debug)]
pub struct Listing<'a> {
    /// The person who looks.
    pub reader: &'a Performer,
    /// The links to the parts of the list, and to its other forms.
    pub views: &'a [ListView],
    /// The approvals that wait for a decision.
    pub waiting: &'a [Item],
    /// The decisions.
    pub recent: &'a [Item],
    /// True if this is where the whole list begins: what is not here is nowhere, unless there is a next page.
    pub is_first: bool,
    /// True if the reader sees everything.
    pub sees_all: bool,
    /// The address of the next page, if there is one.
    pub next: Option<&'a str>,
    /// The operator's rules.
    pub policy: &'a Policy,
    /// True if the page can make another sample.
    pub offers_samples: bool,
    /// The time of day.
    pub now: DateTime<Utc>,
}

/// A link to a part of the list, or to another form of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListView {
    /// Its words.
    pub label: &'static str,
    /// Its address.
    pub href: String,
    /// True if this is the part that is shown.
    pub is_current: bool,
}

/// The page of the list.
pub fn list(cards: &Cards, listing: &Listing) -> String {
    let rows = |items: &[Item], is_open| items.iter().map(|item| Row::of(item, is_open, listing)).collect();
    html(&Page {
        cards,
        reader: listing.reader,
        views: listing.views,
        is_dry_run: listing.policy.dry_run,
        offers_samples: listing.offers_samples,
        waiting: rows(listing.waiting, true),
        recent: rows(listing.recent, false),
        is_first: listing.is_first,
        sees_all: listing.sees_all,
        next: listing.next,
        request_url: format!("{}/api/RequestApproval", cards.public_url.as_str().trim_end_matches('/')),
    })
}

#[derive(Template)]
#[template(path = "list.html", whitespace = "minimize")]
struct Page<'a> {
    cards: &'a Cards,
    reader: &'a Performer,
    views: &'a [ListView],
    is_dry_run: bool,
    offers_samples: bool,
    waiting: Vec<Row>,
    recent: Vec<Row>,
    is_first: bool,
    sees_all: bool,
    next: Option<&'a str>,
    request_url: String,
}

impl Page<'_> {
    fn time(&self, at: &DateTime<Utc>) -> Time<'_> {
        Time(*at, &self.cards.time_zone)
    }
}

/// A row: one approval or relay, all of it as text.
struct Row {
    /// True among those that wait.
    is_open: bool,
    /// The address of its page, if it has one.
    href: Option<String>,
    title: String,
    /// True if the title is the workflow's.
    is_said: bool,
    repository: String,
    /// The approvals so far, if one is not enough.
    approvals: Option<String>,
    /// The kind of the ref and its name.
    git_ref: Option<(&'static str, String)>,
    commit: String,
    environment: String,
    /// The state, if that can be read.
    state: Option<State>,
    headline: Cow<'static, str>,
    is_bad: bool,
    /// The account that started the run; of a decision, the people who made it.
    by: Vec<String>,
    /// The time left.
    left: Option<TimeDelta>,
    /// The deadline; of a decision, its time.
    at: DateTime<Utc>,
}

impl Row {
    fn of(item: &Item, is_open: bool, listing: &Listing) -> Self {
        match item {
            Item::Requested(standing) => Self::requested(standing, is_open, listing),
            Item::Relayed(relay) => Self::relayed(relay, listing.policy),
            Item::Unreadable(id, at) => Self { is_open, ..Self::unreadable(id, *at) },
        }
    }

    fn requested(standing: &Standing, is_open: bool, listing: &Listing) -> Self {
        let content = Content::of(standing, listing.policy, listing.now);
        let (workload, terms) = (&standing.request.workload, &standing.request.terms);
        let find = |label| content.decision.iter().chain(&content.result).find(|fact| fact.label == label);
        let approvals = find(labels::APPROVALS).filter(|_| is_open && terms.approvals_required > 1);
        let people = match find(labels::DECIDED_BY).or(find(labels::WITHDRAWN_BY)).map(|fact| &fact.value) {
            Some(Value::People(people)) => people.iter().map(|one| words::name(one)).collect(),
            Some(by) => vec![by.text()],
            None => Vec::new(),
        };
        let (label, name) = words::reference(&workload.git_ref);
        let ended_at = standing.ruling.as_ref().map(|ruling| ruling.decided_at);
        let expires_at = standing.request.expires_at();
        Self {
            is_open,
            href: Some(format!("{LIST}/{}", standing.request.id)),
            is_said: content.has_own_title(),
            repository: identifier(&workload.repository.to_string()),
            approvals: approvals.map(|fact| fact.value.text()),
            git_ref: Some((label, identifier(name))),
            commit: identifier(&words::short_commit(workload)),
            environment: identifier(workload.environment.as_deref().unwrap_or_default()),
            state: Some(content.state),
            headline: content.headline,
            is_bad: content.is_bad,
            by: if is_open { vec![identifier(&workload.actor)] } else { people },
            left: content.state.is_waiting().then(|| expires_at - listing.now),
            at: if is_open { expires_at } else { ended_at.unwrap_or(expires_at) },
            title: content.title,
        }
    }

    fn relayed(relay: &RelayStanding, policy: &Policy) -> Self {
        let (decision, delivery) = (&relay.decision, policy.delivery_of_relay(relay));
        Self {
            repository: identifier(&decision.dispatch.repository.to_string()),
            state: Some(State::Ended(Ending::Approved)),
            headline: headline(State::Ended(Ending::Approved), &delivery, policy.dry_run).into(),
            is_bad: is_stuck(&delivery),
            by: vec![words::name(&decision.performer)],
            ..Self::unlike(event(&decision.dispatch), decision.decided_at)
        }
    }

    fn unreadable(id: &str, at: DateTime<Utc>) -> Self {
        Self::unlike(format!("{id}: a record of it cannot be read"), at)
    }

    /// A row without a page, of which only this is known.
    fn unlike(title: String, at: DateTime<Utc>) -> Self {
        Self {
            is_open: false,
            href: None,
            title,
            is_said: false,
            repository: String::new(),
            approvals: None,
            git_ref: None,
            commit: String::new(),
            environment: String::new(),
            state: None,
            headline: Cow::Borrowed(""),
            is_bad: false,
            by: Vec::new(),
            left: None,
            at,
        }
    }
}

/// An event with the beginning of its payload, which tells it from others.
fn event(RepositoryDispatch { event_type, client_payload, .. }: &RepositoryDispatch) -> String {
    let event_type = identifier(event_type.as_str());
    match client_payload {
        Some(payload) => {
            let payload = identifier::json(payload.as_str()).split_whitespace().collect::<Vec<_>>().join(" ");
            format!("{event_type} {}", cut(&payload, MAX_PAYLOAD))
        }
        None => event_type,
    }
}
