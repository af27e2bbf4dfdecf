//! The list of the approvals that wait, and of what was decided.

use askama::Template;
use chrono::{DateTime, Utc};

use super::{
    super::{
        Cards,
        content::{Content, Fact, State, Value, fact, headline, is_stuck, of_relay},
        labels, words,
    },
    LIST, SIGN_OUT, STYLE, Time, html,
};
use crate::{
    approval::{Ending, Item, Performer, Policy, RelayStanding, Standing},
    text::identifier::identifier,
};

/// A page of the list.
#[derive(Clone, Debug)]
pub struct Listing<'a> {
    /// The person who looks.
    pub reader: &'a Performer,
    /// The approvals that wait for a decision.
    pub waiting: &'a [Item],
    /// The decisions.
    pub recent: &'a [Item],
    /// The address of the next page, if there is one.
    pub next: Option<&'a str>,
    /// The operator's rules.
    pub policy: &'a Policy,
    /// The time of day.
    pub now: DateTime<Utc>,
}

/// The page of the list.
pub fn list(cards: &Cards, listing: &Listing) -> String {
    html(&Page {
        cards,
        reader: listing.reader,
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
    cards: &'a Cards,
    reader: &'a Performer,
    is_dry_run: bool,
    waiting: Vec<Row<'a>>,
    recent: Vec<Row<'a>>,
    next: Option<&'a str>,
    request_url: String,
}

impl Page<'_> {
    fn time(&self, at: &DateTime<Utc>) -> Time<'_> {
        Time(*at, &self.cards.time_zone)
    }

    /// A row leads to the page of its approval, and nowhere else.
    fn address_of(&self, _: &Value) -> Option<String> {
        None
    }
}

/// A row: one approval or relay.
struct Row<'a> {
    /// The address of its page, if it has one.
    href: Option<String>,
    title: String,
    /// True if the title is the workflow's.
    is_said: bool,
    /// The state, if that can be read.
    state: Option<State>,
    headline: &'static str,
    is_stuck: bool,
    facts: Vec<Fact<'a>>,
}

impl<'a> Row<'a> {
    fn of(item: &'a Item, listing: &Listing) -> Self {
        match item {
            Item::Requested(standing) => Self::requested(standing, listing),
            Item::Relayed(relay) => Self::relayed(relay, listing.policy),
            Item::Unreadable(id, at) => Self::unreadable(id, *at),
        }
    }

    fn requested(standing: &'a Standing, listing: &Listing) -> Self {
        let mut content = Content::of(standing, listing.policy, listing.now);
        Self {
            href: Some(format!("{LIST}/{}", standing.request.id)),
            is_said: content.has_own_title(),
            title: std::mem::take(&mut content.title),
            state: Some(content.state),
            headline: content.headline,
            is_stuck: content.is_stuck,
            facts: content.summary(),
        }
    }

    fn relayed(relay: &'a RelayStanding, policy: &Policy) -> Self {
        let delivery = policy.delivery_of_relay(relay);
        Self {
            href: None,
            is_said: false,
            title: identifier(relay.decision.dispatch.event_type.as_str()),
            state: Some(State::Ended(Ending::Approved)),
            headline: headline(State::Ended(Ending::Approved), &delivery),
            is_stuck: is_stuck(&delivery),
            facts: of_relay(relay, policy),
        }
    }

    fn unreadable(id: &str, at: DateTime<Utc>) -> Self {
        Self {
            href: None,
            is_said: false,
            title: format!("{id}: a record of it cannot be read"),
            state: None,
            headline: "",
            is_stuck: false,
            facts: vec![fact(labels::RECORDED, Value::Time(at))],
        }
    }
}
