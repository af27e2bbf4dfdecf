//! Groups of Entra: asked before a story judges anybody, and again where votes are counted for a decision.
//!
//! People who are listed by name or object id need none of it. Nothing is decided by a group that did not answer.

use chrono::{DateTime, Utc};
use futures_util::{StreamExt, stream};

use super::{List, Report, Stories};
use crate::{
    approval::{
        Ballot, Due, Guid, Item, Listed, Memberships, Outcome, Performer, Request, Standing, Unreached,
    },
    senders::graph::Untold,
    timing::Timing,
};

/// The most people who are asked about at the same time.
const ASKED_AT_ONCE: usize = 16;

impl Stories {
    /// The memberships that tell whether `performer` is an approver of the deployment and, if there is one, of the
    /// request; or the report of a click for which they are not known.
    pub async fn memberships(
        &self,
        performer: &Performer,
        request: Option<&Request>,
        timing: Timing,
    ) -> Result<Memberships, Report> {
        let mut known = Memberships::default();
        let asked = self.policy.groups_to_ask(request, performer, &known);
        if let Performer::Person(person) = performer {
            for told in stream::iter(asked)
                .map(|groups| self.told(&person.object_id, groups, timing))
                .buffer_unordered(ASKED_AT_ONCE)
                .collect::<Vec<_>>()
                .await
            {
                known.extend(told.map_err(untold)?);
            }
        }
        Ok(known)
    }

    /// True if `performer` is an approver of the deployment.
    pub async fn lists(&self, performer: &Performer, timing: Timing) -> Result<bool, Report> {
        let known = self.memberships(performer, None, timing).await?;
        Ok(self.policy.lists(None, performer, &known))
    }

    /// True if `performer` is an approver of the deployment, or a rule lists them. Anyone whom a rule lists without a group
    /// is admitted whatever Graph does.
    pub async fn admits(&self, performer: &Performer, timing: Timing) -> Result<bool, Report> {
        let place = |known: &Memberships| self.policy.place_in_rules(performer, known);
        if place(&Memberships::default()) == Listed::Yes || self.lists(performer, timing).await? {
            return Ok(true);
        }
        let known = self.memberships_in_rules(performer, timing).await?;
        Ok(place(&known) == Listed::Yes)
    }

    /// The memberships of `performer` in all groups of rules.
    async fn memberships_in_rules(
        &self,
        performer: &Performer,
        timing: Timing,
    ) -> Result<Memberships, Report> {
        let Performer::Person(person) = performer else { return Ok(Memberships::default()) };
        let groups = self.policy.groups_of_rules();
        match groups.is_empty() {
            true => Ok(Memberships::default()),
            false => self.told(&person.object_id, groups, timing).await.map_err(untold),
        }
    }

    /// The lines of a list that a reader may see: all for those in `APPROVERS`; for others those that a rule of theirs
    /// matches; and true if it is all there is. Graph is asked only if it alone can tell about one of them.
    // T45
    pub async fn seen_by(
        &self,
        reader: &Performer,
        mut page: List,
        timing: Timing,
    ) -> Result<(List, bool), Report> {
        let place = |item: &Item, known: &Memberships| match item {
            Item::Requested(standing) => self.policy.place_in_rule(&standing.request, reader, known),
            Item::Relayed(_) | Item::Unreadable(..) => Listed::No,
        };
        let mut known = Memberships::default();
        let items = || page.waiting.iter().chain(&page.decided);
        let sees_each = items().count() > 0 && items().all(|item| place(item, &known) == Listed::Yes);
        if sees_each || self.lists(reader, timing).await? {
            return Ok((page, true));
        }
        if items().any(|item| place(item, &known) == Listed::Unknown) {
            known = self.memberships_in_rules(reader, timing).await?;
        }
        let sees = |item: &Item| place(item, &known) == Listed::Yes;
        page.waiting.retain(sees);
        page.decided.retain(sees);
        Ok((page, false))
    }

    /// True if a reader may see the approval that `request` asks for.
    // T45
    pub async fn shows(&self, reader: &Performer, request: &Request, timing: Timing) -> Result<bool, Report> {
        let place = |known: &Memberships| self.policy.place_in_rule(request, reader, known);
        match place(&Memberships::default()) {
            Listed::Yes => Ok(true),
            _ if self.lists(reader, timing).await? => Ok(true),
            Listed::No => Ok(false),
            Listed::Unknown => Ok(place(&self.memberships_in_rules(reader, timing).await?) == Listed::Yes),
        }
    }

    /// Begins to ask about a performer, while the store is read, unless their name might be enough.
    pub fn ask_groups_ahead(&self, performer: &Performer, timing: Timing) {
        let Performer::Person(person) = performer else { return };
        // With rules the approval tells whose groups matter.
        if self.policy.rules.is_some() {
            return;
        }
        if person.user_principal_name.is_none() && self.policy.needs_name(performer) {
            return;
        }
        for groups in self.policy.groups_to_ask(None, performer, &Memberships::default()) {
            self.groups.begin(&person.object_id, &groups, timing.now);
        }
    }

    /// The ruling that is due by the votes of `standing` and `one_more`. Groups are asked only if there may be one;
    /// votes of people who have left them are then left out of `standing`.
    pub(super) async fn due(
        &self,
        standing: &mut Standing,
        one_more: Option<&Ballot>,
        timing: Timing,
    ) -> Due {
        let all = |standing: &Standing| match one_more {
            Some(ballot) => with(&standing.ballots, ballot),
            None => standing.ballots.clone(),
        };
        let (mut known, ballots) = (Memberships::default(), all(standing));
        let due = self.policy.due(&standing.request, &ballots, &known, timing.now);
        if due == Due::Nothing {
            return due;
        }
        let request = &standing.request;
        let people = ballots.iter().filter_map(|ballot| match &ballot.performer {
            Performer::Person(person) => Some((person, &ballot.performer)),
            Performer::Anonymous => None,
        });
        let asked = people.flat_map(|(person, performer)| {
            let groups = self.policy.groups_to_count(request, performer, &known);
            groups.into_iter().map(|groups| (person.object_id.clone(), groups))
        });
        let asked: Vec<_> = asked.collect();
        if asked.is_empty() {
            return due;
        }
        let told = stream::iter(asked)
            .map(|(person, groups)| async move { self.told(&person, groups, timing).await })
            .buffer_unordered(ASKED_AT_ONCE)
            .collect::<Vec<_>>()
            .await;
        for told in told {
            match told {
                Ok(told) => known.extend(told),
                Err(untold) => log::warn!("approval {}: {}", request.id.short(), untold.detail()),
            }
        }
        *standing = self.policy.hold(standing.clone(), &known);
        self.policy.due(&standing.request, &all(standing), &known, timing.now)
    }

    /// The time from which the votes of before may suffice: now if that depends on groups that did not answer, else when a
    /// closed time ends.
    pub(super) fn may_be_due_at(
        &self,
        Standing { request, ballots, .. }: &Standing,
        timing: Timing,
    ) -> Option<DateTime<Utc>> {
        let due = self.policy.due(request, ballots, &Memberships::default(), timing.now);
        match due == Due::Unknown {
            true => Some(timing.now),
            false => self.policy.closed(request, timing.now)?.until,
        }
    }

    async fn told(&self, person: &Guid, groups: Vec<Guid>, timing: Timing) -> Result<Memberships, Untold> {
        self.groups.memberships(person, &groups, timing.until(Self::recorded_by(timing))).await
    }
}

/// The report of a click whose performer may be in a group, which nobody could tell.
fn untold(untold: Untold) -> Report {
    match untold {
        Untold::NoIdentity => Report::of(Outcome::Misconfigured("MicrosoftAppId"), untold.detail()),
        Untold::NoPermission | Untold::Away(_) => {
            Report::of(Outcome::Unavailable(Unreached::Groups), untold.detail())
        }
    }
}

/// The votes with one more, unless they have it.
fn with(ballots: &[Ballot], ballot: &Ballot) -> Vec<Ballot> {
    let mut ballots = ballots.to_vec();
    let is_it =
        |other: &Ballot| other.verdict == ballot.verdict && other.performer.is_same(&ballot.performer);
    if !ballots.iter().any(is_it) {
        ballots.push(ballot.clone());
    }
    ballots
}

/// The report of a vote that might decide together with others, about whom nobody could tell.
pub(super) fn others_untold() -> Report {
    let detail = "the votes of others could not be counted".to_owned();
    Report::of(Outcome::Unavailable(Unreached::Groups), detail)
}
