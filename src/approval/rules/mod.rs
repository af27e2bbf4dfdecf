//! The operator's rules (`POLICY`): which releases they are about, who must agree, and when nobody may.
//!
//! The first rule that matches what is proven decides. A rule that does not name an event type or workflow which some
//! rule names never matches it, so nobody gets around a strict rule by leaving a claim out. Requests narrow a rule, and
//! never widen it.

mod closed;
mod found;
mod matching;
mod pattern;
mod people;
#[cfg(test)]
mod table;

use std::ops::RangeInclusive;

use chrono::{DateTime, TimeDelta, Utc};

use super::{Invalid, SelfApproval, Terms};
use found::Found;

pub use closed::{Closed, Day, MINUTES_OF_A_DAY, Window, closed_at};
pub use matching::{Claims, JobWorkflow, Member, RepositoryRule, Sent, What, full_ref};
pub use pattern::{Case, Pattern};
pub use people::{Count, Lists, Needs, Requirement};

/// All rules, in the operator's order; at least one.
#[derive(Clone, Debug)]
pub struct Rules {
    all: Vec<Rule>,
    found: Found,
}

/// One rule.
#[derive(Clone, Debug)]
pub struct Rule {
    /// The name, for people and records; unique without case.
    pub name: String,
    /// The repositories that it is about.
    pub repositories: Vec<RepositoryRule>,
    /// The branches and tags that it is about.
    pub refs: Vec<Pattern>,
    /// The event types that it names.
    pub event_types: Vec<Pattern>,
    /// The workflows that it names.
    pub workflows: Vec<Pattern>,
    /// True if it is about approvals after which nothing is sent.
    pub waits: bool,
    /// The environments that it is about; empty if it does not ask.
    pub environments: Vec<Pattern>,
    /// The files of the job's workflow; empty if it does not ask.
    pub job_workflows: Vec<JobWorkflow>,
    /// The people who must agree.
    pub who: Who,
    /// Approving what one has started oneself, if the rule says it.
    pub self_approval: Option<SelfApproval>,
    /// The time to decide in, as the default and the most, if the rule says it.
    pub expires_in: Option<TimeDelta>,
    /// The place that cards are posted to.
    pub channel: RuleChannel,
    /// The times at which nobody may approve.
    pub closed: Vec<Window>,
}

/// The people who must agree by a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    /// So many of `APPROVERS`.
    Deployment(usize),
    /// All of these, at least one.
    Requirements(Vec<Requirement>),
}

/// The place that cards about a rule's approvals are posted to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RuleChannel {
    /// The deployment's own.
    Deployment,
    /// The bot's channel of this id.
    Bot(String),
    /// The webhook of the setting `TEAMS_WEBHOOK_URL_<NAME>`, by that name.
    Webhook(String),
}

impl Rules {
    /// The most rules.
    pub const MAX: usize = 1000;

    /// The rules in their order; none if there are none.
    pub fn new(rules: Vec<Rule>) -> Option<Self> {
        (!rules.is_empty()).then(|| Self { all: rules, found: Found::default() })
    }

    /// All rules.
    pub fn all(&self) -> &[Rule] {
        &self.all
    }

    /// The rule that decides about what would be sent: the first that matches it.
    pub fn find(&self, claims: &Claims<'_>, sent: &Sent<'_>) -> Option<&Rule> {
        let place = self.found.or_else(claims, sent, || {
            let named = sent.named_by(&self.all);
            let repository = claims.repository.to_string();
            self.all.iter().position(|rule| rule.matches(claims, &repository, sent, &named))
        });
        self.all.get(place?)
    }

    /// All rules in their order, each with the members by which it is not about the job.
    pub fn misses<'a>(
        &'a self,
        claims: &Claims<'_>,
        sent: &Sent<'_>,
    ) -> impl Iterator<Item = (&'a Rule, Vec<Member>)> {
        let (named, repository) = (sent.named_by(&self.all), claims.repository.to_string());
        self.all.iter().map(move |rule| (rule, rule.misses(claims, &repository, sent, &named)))
    }

    /// True if a rule names the event type, for any repository: no relayed button may send it.
    pub fn name_event_type(&self, event_type: &str) -> bool {
        What::EventType(event_type).is_named_by(&self.all)
    }

    /// The same rules without the numbers that pin repositories: for showing what would hold, never for deciding.
    pub fn by_name(mut self) -> Self {
        self.found = Found::default();
        self.all.iter_mut().flat_map(|rule| &mut rule.repositories).for_each(RepositoryRule::forget_numbers);
        self
    }
}

impl Rule {
    /// The time to decide in, for a request that asks for these minutes or for none. More than the rule allows are
    /// invalid.
    pub fn expires_in(&self, minutes: Option<i64>) -> Result<TimeDelta, Invalid> {
        let most = self.expires_in.map_or(Terms::MAX_MINUTES, |most| most.num_minutes());
        let default = self.expires_in.map_or(Terms::DEFAULT_MINUTES, |most| most.num_minutes());
        let range: RangeInclusive<i64> = 1..=most;
        match minutes.unwrap_or(default) {
            minutes if range.contains(&minutes) => Ok(TimeDelta::minutes(minutes)),
            _ => Err(Invalid::NotInRange("expires_in_minutes", 1, most)),
        }
    }

    /// The closing that holds at `now`, if one does.
    pub fn closed_at(&self, now: DateTime<Utc>) -> Option<Closed<'_>> {
        closed_at(&self.closed, now)
    }
}
