//! The operator's rules, by the settings of now: also for requests and votes made under others.

use std::{borrow::Cow, collections::HashSet};

use chrono::{DateTime, Utc};

use super::{
    Approver, Approvers, Ballot, Delivery, Ending, EventType, Forbidden, GithubLogins, Guid, Invalid, Listed,
    Memberships, MessageName, Outcome, Own, Performer, Relay, RelayStanding, Repository, RepositoryDispatch,
    RepositoryPattern, Request, Ruling, SelfApproval, Standing, Terms, Verdict, Workload,
    governing::{ClosedNow, Governing, does_list, in_list},
    rules::{Requirement, Rules},
};

/// The operator's rules, from the settings.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// The repository for a card that names none (`GITHUB_REPOSITORY`).
    pub default_repository: Option<Repository>,
    /// The repositories that may get events (`ALLOWED_REPOSITORIES`).
    pub allowed_repositories: Vec<RepositoryPattern>,
    /// The event types that relay mode may send (`RELAY_EVENT_TYPES`).
    pub relay_event_types: EventTypes,
    /// The people who may decide (`APPROVERS`).
    pub approvers: Approvers,
    /// The least number of approvals that a request must ask for (`MIN_APPROVALS`).
    pub min_approvals: usize,
    /// The people who may not approve, although they are approvers (`SELF_APPROVAL`).
    pub self_approval: SelfApproval,
    /// The people behind accounts on GitHub (`GITHUB_LOGINS`).
    pub github_logins: GithubLogins,
    /// True if clicks without credentials count, as one person (`REQUIRE_IDENTITY` is `false`).
    pub anonymous: bool,
    /// True if GitHub is never called (`DRY_RUN`): such decisions are stored apart, and no event follows from them.
    pub dry_run: bool,
    /// The operator's rules (`POLICY`), if there are any.
    pub rules: Option<Rules>,
}

/// The things that a performer may do about an approval.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// The right to approve it.
    pub approve: Result<(), Forbidden>,
    /// The right to reject it.
    pub reject: Result<(), Forbidden>,
    /// The right to withdraw it, whose repository need not be allowed any more: nothing is sent.
    pub withdraw: Result<(), Forbidden>,
    /// True if the name that administrators gave the performer could change that: approvers are listed by name, and
    /// the performer's object id is not among them.
    pub needs_name: bool,
    /// True if that name could show that an approve would not be of their own run, or which requirement it meets.
    pub needs_name_to_approve: bool,
    /// True while the approval is not decided, and there is time.
    pub is_open: bool,
    /// The time during which nobody may approve, if that is now.
    pub closed: Option<ClosedNow>,
}

impl Judgement {
    /// True if the name that administrators gave the performer could change whether they may cast this vote.
    pub fn needs_name_for(&self, verdict: Verdict) -> bool {
        self.needs_name || (self.needs_name_to_approve && verdict == Verdict::Approve)
    }

    /// True if nobody knows yet whether the performer wrote what is to be approved: an approve has GitHub asked first.
    pub fn awaits_authors(&self) -> bool {
        self.approve == Err(Forbidden::Own(Own::UnknownAuthors))
    }

    /// True if a button for this vote helps: the vote is allowed, or may be once the authors are known.
    pub fn offers(&self, verdict: Verdict) -> bool {
        self.vote(verdict).is_ok() || (verdict == Verdict::Approve && self.awaits_authors())
    }

    /// The right to cast this vote.
    pub fn vote(&self, verdict: Verdict) -> &Result<(), Forbidden> {
        match verdict {
            Verdict::Approve => &self.approve,
            Verdict::Reject => &self.reject,
        }
    }
}

/// The event types that relay mode may send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventTypes {
    /// `*`: all of them.
    Any,
    /// These and no others.
    Only(Vec<EventType>),
}

impl Default for EventTypes {
    fn default() -> Self {
        Self::Only(Vec::new())
    }
}

impl EventTypes {
    /// True if `event_type` is one of them, to the letter.
    pub fn contains(&self, event_type: &EventType) -> bool {
        match self {
            Self::Any => true,
            Self::Only(listed) => listed.contains(event_type),
        }
    }
}

impl Policy {
    /// The dispatch that a relayed click of `performer` asks for, or the reason why it is refused.
    ///
    /// `repository` is the one that the button's address names, if it names one.
    // T24
    pub fn relay(
        &self,
        relay: Relay,
        repository: Option<Repository>,
        (performer, known): (&Performer, &Memberships),
    ) -> Result<RepositoryDispatch, Outcome> {
        let repository = repository.or_else(|| self.default_repository.clone());
        if let Some(repository) = &repository {
            self.allow_name(repository).map_err(Outcome::Forbidden)?;
        }
        if !self.relay_event_types.contains(&relay.event_type) {
            return Err(Outcome::Forbidden(Forbidden::EventType(relay.event_type)));
        }
        if self.is_named(&relay.event_type) {
            return Err(Outcome::Forbidden(Forbidden::NamedEventType(relay.event_type)));
        }
        if !self.lists(None, performer, known) {
            return Err(Outcome::Forbidden(Forbidden::Performer));
        }
        let Some(repository) = repository else { return Err(Outcome::Misconfigured("GITHUB_REPOSITORY")) };
        Ok(RepositoryDispatch {
            repository,
            event_type: relay.event_type,
            client_payload: relay.client_payload,
        })
    }

    /// Allows or refuses to send anything to `repository`, by its name: a relay has no more than that.
    pub fn allow_name(&self, repository: &Repository) -> Result<(), Forbidden> {
        self.allow(repository, |allowed| allowed.has_name(repository))
    }

    /// Allows or refuses to ask from, or send to, the repository of `workload`.
    pub fn allow_workload(&self, workload: &Workload) -> Result<(), Forbidden> {
        let Workload { repository, repository_id, owner_id, .. } = workload;
        self.allow(repository, |allowed| allowed.matches(repository, repository_id, owner_id.as_deref()))
    }

    fn allow(
        &self,
        repository: &Repository,
        is_it: impl Fn(&RepositoryPattern) -> bool,
    ) -> Result<(), Forbidden> {
        match self.allowed_repositories.iter().any(is_it) {
            true => Ok(()),
            false => Err(Forbidden::Repository(repository.clone())),
        }
    }

    /// Allows or refuses to ask for `asked` from the repository of `workload`.
    // T4
    pub fn request(&self, asked: &Terms, workload: &Workload) -> Result<(), Outcome> {
        let invalid = |why| Err(Outcome::Invalid(why));
        if asked.event_type.as_ref().is_some_and(|event_type| self.relay_event_types.contains(event_type)) {
            return invalid(Invalid::RelayedEventType);
        }
        let governing = self.governing(asked, workload);
        if let Governing::Nothing = governing {
            self.allow_workload(workload).map_err(Outcome::Forbidden)?;
            return Err(Outcome::Forbidden(Forbidden::NoRule));
        }
        if let Some(rule) = governing.rule() {
            rule.expires_in(Some(asked.expires_in.num_minutes())).map_err(Outcome::Invalid)?;
        }
        if asked.approvals_required < self.min_approvals {
            return invalid(Invalid::TooFewApprovals(self.min_approvals));
        }
        if let Some(needs) = self.needs(asked, governing) {
            needs.allow_narrowing().map_err(Outcome::Invalid)?;
            self.allow_workload(workload).map_err(Outcome::Forbidden)?;
            return self.ask_others(asked, workload, None);
        }
        let has_anonymous = self.anonymous && self.rules.is_none();
        let here = match &self.approvers {
            Approvers::Everybody => None,
            Approvers::Only(listed) if listed.is_empty() && !has_anonymous => {
                self.allow_workload(workload).map_err(Outcome::Forbidden)?;
                return Err(Outcome::Misconfigured("APPROVERS"));
            }
            Approvers::Only(listed) => Some(listed),
        };
        let has_group = |listed: &[Approver]| listed.iter().any(|approver| approver.group().is_some());
        // Nobody knows here who is in a group: then both lists must hold at the vote.
        if let (Some(here), Some(asked)) = (here, &asked.approvers)
            && !has_group(here)
            && !asked.iter().all(|approver| here.iter().any(|listed| listed.is_same(approver)))
        {
            return invalid(Invalid::NotAnApprover);
        }
        let people = asked.approvers.as_ref().or(here).filter(|listed| !has_group(listed));
        let people = people.map(|listed| distinct(listed) + usize::from(has_anonymous));
        let required = asked.approvals_required.max(governing.approvals());
        if people.is_some_and(|people| required > people) {
            return invalid(Invalid::TooFewApprovers);
        }
        self.allow_workload(workload).map_err(Outcome::Forbidden)?;
        let known = asked.approvers.as_deref().or(here.map(Vec::as_slice));
        self.ask_others(asked, workload, known)
    }

    /// The rights of `performer` about an approval at `now`. A group that is not `known` makes nobody an approver.
    // T26, T27
    pub fn judge(
        &self,
        standing: &Standing,
        (performer, known): (&Performer, &Memberships),
        now: DateTime<Utc>,
    ) -> Judgement {
        let Standing { request, ruling, authors, .. } = standing;
        let is_listed = self.lists(Some(request), performer, known);
        let by_name = |listed: &Cow<'_, [Approver]>| listed.iter().any(Approver::is_name);
        let some_by_name = self.lists_of(Some(request)).iter().any(by_name);
        let governing = self.governing_of(request);
        let is_listed_here =
            || self.deciders(governing).is_none_or(|all| known.place(&all, performer) == Listed::Yes);
        let is_allowed = match governing.requirements() {
            _ if is_listed => Ok(()),
            _ if *performer == Performer::Anonymous && self.rules.is_some() => Err(Forbidden::Anonymous),
            _ if request.terms.approvers.is_some() && is_listed_here() => Err(Forbidden::NotAsked),
            None => Err(Forbidden::Performer),
            Some(_) => Err(Forbidden::NotInRule),
        };
        let vote = self.may_send(standing).and(is_allowed.clone());
        let is_open = ruling.is_none() && now < request.expires_at();
        let own = match self.not_own((request, authors.as_ref()), performer, Verdict::Approve) {
            // A decision waits for nobody: a click only has it sent again.
            Err(Own::UnknownAuthors) if ruling.is_some() => Ok(()),
            own => own,
        };
        let needs_name = some_by_name && !is_listed;
        Judgement {
            approve: vote.clone().and(own.map_err(Forbidden::Own)),
            reject: vote,
            withdraw: is_allowed,
            needs_name,
            needs_name_to_approve: own == Err(Own::Nameless) || self.may_meet_more(request, performer, known),
            closed: if is_open { self.closed(request, now) } else { None },
            is_open,
        }
    }

    /// True if a name could show that `performer` counts for another requirement of the rule.
    fn may_meet_more(&self, request: &Request, performer: &Performer, known: &Memberships) -> bool {
        let requirements = self.governing_of(request).requirements().unwrap_or_default();
        let may_meet = |one: &Requirement| {
            one.approvers.iter().any(Approver::is_name)
                && in_list(known, &one.approvers, performer) != Listed::Yes
        };
        requirements.len() > 1 && requirements.iter().any(may_meet)
    }

    /// True if the name that administrators gave `performer` could make them an approver of the deployment.
    pub fn needs_name(&self, performer: &Performer) -> bool {
        let by_name = |listed: &[Approver]| listed.iter().any(Approver::is_name);
        matches!(&self.approvers, Approvers::Only(listed) if by_name(listed))
            && !self.approvers.include(performer)
    }

    /// Allows or refuses to send the event that follows from an approval, by the settings of now.
    ///
    /// Decisions of people stay, also without their rule. An end without people, and without a rule, sends nothing.
    // T43
    pub fn may_send(&self, Standing { request, ruling, .. }: &Standing) -> Result<(), Forbidden> {
        self.allow_workload(&request.workload)?;
        let is_decided = |ruling: &Ruling| ruling.ending != Ending::Expired || ruling.policy.is_some();
        match self.governing_of(request) {
            Governing::Nothing if !ruling.as_ref().is_some_and(is_decided) => Err(Forbidden::NoRule),
            Governing::Nothing | Governing::Deployment | Governing::Rule(_) => Ok(()),
        }
    }

    /// True if `performer` is an approver of the deployment and, if there is one, of the request.
    pub fn lists(&self, request: Option<&Request>, performer: &Performer, known: &Memberships) -> bool {
        let place = |listed: &Cow<'_, [Approver]>| known.place(listed, performer) == Listed::Yes;
        let is_unknown = request.is_some() && self.rules.is_some() && *performer == Performer::Anonymous;
        !is_unknown && self.lists_of(request).iter().all(place)
    }

    /// The lists in all of which an approver must be. `*` is none.
    fn lists_of<'a>(&'a self, request: Option<&'a Request>) -> Vec<Cow<'a, [Approver]>> {
        let governing = request.map_or(Governing::Deployment, |request| self.governing_of(request));
        let of_request = request.and_then(|request| request.terms.approvers.as_deref());
        self.deciders(governing).into_iter().chain(of_request.map(Cow::Borrowed)).collect()
    }

    /// The groups that must be asked to know whether `performer` is an approver of the deployment and of the request:
    /// one list for each list of approvers. None if that is known without.
    pub fn groups_to_ask<'a>(
        &'a self,
        request: Option<&'a Request>,
        performer: &Performer,
        known: &Memberships,
    ) -> Vec<Vec<Guid>> {
        let lists = self.lists_of(request);
        let places: Vec<_> =
            lists.iter().map(|listed| self.place_of_voter(listed, performer, known)).collect();
        if places.contains(&Listed::No) {
            return Vec::new();
        }
        if let Some(request) = request
            && self.governing_of(request).requirements().is_some()
            && places.contains(&Listed::Unknown)
        {
            // One question serves the vote and the count.
            return self.groups_to_count(request, performer, known);
        }
        let open = lists.iter().zip(places).filter(|(_, place)| *place == Listed::Unknown);
        open.map(|(listed, _)| listed.iter().filter_map(Approver::group).cloned().collect()).collect()
    }

    /// The groups that must be asked to count the vote of `performer`: for each requirement of a rule, whether they are
    /// in its list.
    pub fn groups_to_count(
        &self,
        request: &Request,
        performer: &Performer,
        known: &Memberships,
    ) -> Vec<Vec<Guid>> {
        let Some(needs) = self.needs(&request.terms, self.governing_of(request)) else {
            return self.groups_to_ask(Some(request), performer, known);
        };
        let place = |listed: &[Approver]| in_list(known, listed, performer);
        if needs.narrowed_to.is_some_and(|listed| place(listed) == Listed::No) {
            return Vec::new();
        }
        let lists = needs.requirements.iter().map(|one| one.approvers.as_slice()).chain(needs.narrowed_to);
        let unknown = lists.filter(|listed| place(listed) == Listed::Unknown);
        let mut groups: Vec<Guid> = unknown.flatten().filter_map(Approver::group).cloned().collect();
        let mut seen = HashSet::new();
        groups.retain(|group| seen.insert(group.clone()));
        if groups.is_empty() { Vec::new() } else { vec![groups] }
    }

    /// The groups in `APPROVERS` and in rules, each once.
    pub fn groups(&self) -> Vec<Guid> {
        let here = self.lists_of(None);
        let mut groups: Vec<Guid> =
            here.iter().flat_map(|listed| listed.iter()).filter_map(Approver::group).cloned().collect();
        let of_rules = self.groups_of_rules().into_iter();
        let more: Vec<Guid> = of_rules.filter(|group| !groups.contains(group)).collect();
        groups.extend(more);
        groups
    }

    /// The delivery of the event that follows from an approval.
    pub fn delivery(&self, standing: &Standing) -> Delivery {
        match standing.sends() && !self.dry_run {
            true => Delivery::of(standing.progress(&MessageName::DISPATCH), self.may_send(standing)),
            false => Delivery::NOTHING,
        }
    }

    /// The delivery of the event of a relay.
    pub fn delivery_of_relay(&self, standing: &RelayStanding) -> Delivery {
        match self.dry_run {
            true => Delivery::NOTHING,
            false => {
                Delivery::of(&standing.progress, self.allow_name(&standing.decision.dispatch.repository))
            }
        }
    }

    /// The approval under the settings of now: votes that no longer count are left out, and it needs at least
    /// `min_approvals`. Those stay that only a group could tell about which is not `known`. A decision stays as it was
    /// made.
    // T26, T27
    pub fn hold(&self, mut standing: Standing, known: &Memberships) -> Standing {
        if standing.ruling.is_none() {
            let Standing { request, ballots, authors, .. } = &mut standing;
            let least = self.min_approvals.max(self.governing_of(request).approvals());
            request.terms.approvals_required = request.terms.approvals_required.max(least);
            ballots.retain(|ballot| {
                let Ballot { performer, verdict, .. } = ballot;
                let is_anothers = self.not_own((request, authors.as_ref()), performer, *verdict).is_ok();
                self.counts(request, performer, known) != Listed::No && is_anothers
            });
            keep_first_of_each(ballots);
        }
        standing
    }

    /// The ruling that `ballots` give at `now`, if it is the same whoever is in the groups that are not `known`.
    pub fn due(&self, request: &Request, ballots: &[Ballot], known: &Memberships, now: DateTime<Utc>) -> Due {
        let sure = |ballot: &&Ballot| self.counts(request, &ballot.performer, known) == Listed::Yes;
        let sure: Vec<_> = ballots.iter().filter(sure).cloned().collect();
        let may = |listed: &[Approver], voter: &Performer| in_list(known, listed, voter) != Listed::No;
        let at_most = self.tally(request, ballots, &may, now);
        let sure = self.tally(request, &sure, &does_list(known), now);
        // One no is enough, and each yes only adds: whatever lies between these two gives the same, too.
        match (at_most, sure) {
            (None, None) => Due::Nothing,
            (Some(at_most), Some(sure)) if at_most.ending == sure.ending => {
                let policy = self.settled_surely(request, &sure.ballots, known).map(Box::new);
                Due::Ruling(Ruling { policy, ..sure })
            }
            (Some(_), _) | (None, Some(_)) => Due::Unknown,
        }
    }

    /// The place of a voter in a list of now. With rules the lists may be others than those of the vote, so that only what
    /// is known counts; without them a vote that came without a name counts as it did when it was cast.
    fn place_of_voter(&self, listed: &[Approver], performer: &Performer, known: &Memberships) -> Listed {
        match self.rules {
            Some(_) => known.place(listed, performer),
            None => known.place_of_voter(listed, performer),
        }
    }

    /// The place of `performer`, who voted on `request`, in the lists of now.
    fn counts(&self, request: &Request, performer: &Performer, known: &Memberships) -> Listed {
        match performer {
            Performer::Anonymous if self.anonymous && self.rules.is_none() => Listed::Yes,
            Performer::Anonymous => Listed::No,
            Performer::Person(_) if matches!(self.governing_of(request), Governing::Nothing) => Listed::No,
            Performer::Person(_) => {
                let lists = self.lists_of(Some(request));
                let places = lists.iter().map(|listed| self.place_of_voter(listed, performer, known));
                places.fold(Listed::Yes, Listed::and)
            }
        }
    }
}

/// The end of an approval that is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Due {
    /// More votes are needed, and there is time.
    Nothing,
    /// This ruling.
    Ruling(Ruling),
    /// Only a group that was not asked can tell.
    Unknown,
}

/// Keeps the first of equal votes of one person, by the last name that came with any of them.
fn keep_first_of_each(ballots: &mut Vec<Ballot>) {
    let mut kept: Vec<Ballot> = Vec::with_capacity(ballots.len());
    for ballot in ballots.drain(..) {
        let is_same =
            |before: &Ballot| before.verdict == ballot.verdict && before.performer.is_same(&ballot.performer);
        match kept.iter().position(is_same) {
            None => kept.push(ballot),
            Some(at) if ballot.performer.has_name() => kept[at].performer = ballot.performer,
            Some(_) => {}
        }
    }
    *ballots = kept;
}

/// The number of different entries, whatever their spelling.
pub(super) fn distinct(listed: &[Approver]) -> usize {
    let is_first = |(index, approver): &(usize, &Approver)| {
        !listed[..*index].iter().any(|before| before.is_same(approver))
    };
    listed.iter().enumerate().filter(is_first).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::approval::{ApprovalId, Person};

    fn relay(event_type: &str) -> Relay {
        Relay::new(EventType::parse(event_type).expect("an event type"), None).expect("a relay")
    }

    fn policy() -> Policy {
        Policy {
            default_repository: Repository::parse("octo/app"),
            allowed_repositories: vec![RepositoryPattern::parse("octo/*").expect("a pattern")],
            relay_event_types: EventTypes::Only(vec![EventType::parse("go").expect("an event type")]),
            approvers: Approvers::default(),
            min_approvals: 1,
            anonymous: true,
            ..Policy::default()
        }
    }

    #[test]
    fn a_click_without_a_repository_means_the_default_one() {
        let dispatch = policy()
            .relay(relay("go"), None, (&Performer::Anonymous, &Memberships::default()))
            .expect("a dispatch");
        assert_eq!(dispatch.repository.to_string(), "octo/app");
    }

    #[test]
    fn repository_and_event_type_must_both_be_allowed() {
        let other = Repository::parse("evil/app");
        assert!(matches!(
            policy().relay(relay("go"), other, (&Performer::Anonymous, &Memberships::default())),
            Err(Outcome::Forbidden(Forbidden::Repository(_)))
        ));
        assert!(matches!(
            policy().relay(relay("Go"), None, (&Performer::Anonymous, &Memberships::default())),
            Err(Outcome::Forbidden(Forbidden::EventType(_)))
        ));
        let nothing = Policy { default_repository: Repository::parse("octo/app"), ..Policy::default() };
        assert!(matches!(
            nothing.relay(relay("go"), None, (&Performer::Anonymous, &Memberships::default())),
            Err(Outcome::Forbidden(Forbidden::Repository(_)))
        ));
    }

    #[test]
    fn a_person_must_be_an_approver_and_hears_of_it_last() {
        let guid = |text| Guid::parse(text).expect("a GUID");
        let alex = Performer::Person(Person {
            object_id: guid("0a0b0c0d-1111-2222-3333-444455556666"),
            tenant: guid("99999999-1111-2222-3333-444455556666"),
            user_principal_name: None,
            display_name: None,
        });
        let forbidden = |outcome| matches!(outcome, Err(Outcome::Forbidden(Forbidden::Performer)));
        assert!(forbidden(policy().relay(relay("go"), None, (&alex, &Memberships::default()))));
        assert!(!forbidden(policy().relay(relay("Go"), None, (&alex, &Memberships::default()))));
        let everybody = Policy { approvers: Approvers::Everybody, ..policy() };
        assert!(everybody.relay(relay("go"), None, (&alex, &Memberships::default())).is_ok());
    }

    #[test]
    fn without_any_repository_the_missing_setting_is_named() {
        let nowhere = Policy { default_repository: None, ..policy() };
        assert!(matches!(
            nowhere.relay(relay("go"), None, (&Performer::Anonymous, &Memberships::default())),
            Err(Outcome::Misconfigured("GITHUB_REPOSITORY"))
        ));
    }

    #[test]
    fn votes_decide_only_if_groups_that_nobody_asked_change_nothing() {
        use crate::approval::Ending::{Approved, Expired, Rejected};
        let guid =
            |number: u32| Guid::parse(&format!("{number:08x}-1111-2222-3333-444455556666")).expect("a GUID");
        let listed = [guid(1).to_string(), format!("group:{}", guid(77))];
        let listed = listed.map(|entry| Approver::parse(&entry).expect("an approver"));
        let policy = Policy { approvers: Approvers::Only(listed.into()), ..policy() };
        let opened = DateTime::from_timestamp_secs(1_800_000_000).expect("a time");
        let terms =
            Terms { approvals_required: 2, ..Terms::sample(EventType::parse("go").expect("an event type")) };
        let workload = Workload::sample(Repository::parse("octo/app").expect("a repository"));
        let id = ApprovalId::new(opened, [7; 16]);
        let standing = Standing::new(Request { id, terms, workload, created_at: opened });
        let over = standing.request.expires_at();
        let vote = |number: u32, verdict| {
            let (object_id, tenant) = (guid(number), guid(99));
            let person = Person { object_id, tenant, user_principal_name: None, display_name: None };
            Ballot {
                performer: Performer::Person(person),
                verdict,
                comment: String::new(),
                at: opened,
                groups: Vec::new(),
            }
        };
        let (yes, no) = (Verdict::Approve, Verdict::Reject);
        for (votes, now, member, expected) in [
            (vec![vote(1, yes)], opened, None, Ok(None)),
            (vec![vote(2, yes)], opened, None, Ok(None)),
            (vec![vote(1, yes), vote(2, yes)], opened, None, Err(())),
            (vec![vote(1, yes), vote(2, yes)], opened, Some(true), Ok(Some((Approved, 2)))),
            (vec![vote(1, yes), vote(2, yes)], opened, Some(false), Ok(None)),
            (vec![vote(1, yes), vote(2, yes)], over, None, Err(())),
            (vec![vote(1, yes), vote(2, yes)], over, Some(false), Ok(Some((Expired, 1)))),
            (vec![vote(2, yes)], over, None, Ok(Some((Expired, 0)))),
            (vec![vote(2, no)], opened, None, Err(())),
            (vec![vote(2, no)], opened, Some(true), Ok(Some((Rejected, 1)))),
            (vec![vote(2, no)], opened, Some(false), Ok(None)),
            (vec![vote(1, no), vote(2, yes)], opened, None, Ok(Some((Rejected, 1)))),
        ] {
            let mut known = Memberships::default();
            member.into_iter().for_each(|is_in| known.note(&guid(2), &guid(77), is_in));
            let held = policy.hold(Standing { ballots: votes, ..standing.clone() }, &known);
            let due = match policy.due(&held.request, &held.ballots, &known, now) {
                Due::Nothing => Ok(None),
                Due::Ruling(ruling) => Ok(Some((ruling.ending, ruling.ballots.len()))),
                Due::Unknown => Err(()),
            };
            assert_eq!(due, expected, "{:?} {member:?}", held.ballots);
        }
    }
}
