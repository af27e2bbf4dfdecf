//! The rule of the operator that governs an approval. It is found again each time, from what is proven about the job.

use std::borrow::Cow;

use chrono::{DateTime, TimeDelta, Utc};

use super::{
    Approver, Approvers, Ballot, Ending, EventType, Guid, Listed, Memberships, Performer, Policy, Request,
    Ruling, SelfApproval, Standing, Terms, Verdict, Workload,
    ballot::Counted,
    count_approvals,
    rules::{self, Claims, Needs, Requirement, Rule, RuleChannel, Sent, What, Who},
    tally,
};

/// The rule that governs an approval.
#[derive(Clone, Copy, Debug)]
pub enum Governing<'a> {
    /// `POLICY` is not set: the deployment's own settings decide.
    Deployment,
    /// `POLICY` is set, and no rule matches.
    Nothing,
    /// This rule.
    Rule(&'a Rule),
}

impl<'a> Governing<'a> {
    /// The rule, if there is one.
    pub fn rule(self) -> Option<&'a Rule> {
        match self {
            Self::Rule(rule) => Some(rule),
            Self::Deployment | Self::Nothing => None,
        }
    }

    /// The requirements of a rule that names its own people.
    pub fn requirements(self) -> Option<&'a [Requirement]> {
        self.rule().map(Rule::requirements).filter(|requirements| !requirements.is_empty())
    }

    /// The least number of people altogether, by the rule alone.
    pub fn approvals(self) -> usize {
        match self.rule().map(|rule| &rule.who) {
            None => 0,
            Some(Who::Deployment(approvals)) => *approvals,
            Some(Who::Requirements(all)) => all.iter().map(|one| one.approvals).sum(),
        }
    }

    /// All people of a rule that names its own.
    pub fn people(self) -> Option<Cow<'a, [Approver]>> {
        Some(match self.requirements()? {
            [one] => Cow::Borrowed(&one.approvers),
            several => Cow::Owned(several.iter().flat_map(|one| &one.approvers).cloned().collect()),
        })
    }
}

/// The rule by which an approval is or was decided, with its requirements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    /// The rule's name.
    pub name: String,
    /// Its requirements; one without a name where `APPROVERS` decide.
    pub requirements: Vec<Met>,
}

/// A requirement, and the people who count for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Met {
    /// The name, if it has one.
    pub name: Option<String>,
    /// The number of people that it asks for.
    pub approvals: usize,
    /// The people who have approved and count for it.
    pub met_by: Vec<Performer>,
}

/// The time during which nobody may approve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClosedNow {
    /// The time from which the rule is open again; none if it never is.
    pub until: Option<DateTime<Utc>>,
    /// The operator's reason; may be empty.
    pub why: String,
}

/// Everything that may be sent for an approval.
fn sent<'a>(terms: &'a Terms, workload: &'a Workload) -> Sent<'a> {
    let workflow = terms.workflow.as_ref();
    let workflow = workflow.map(|call| What::Workflow(call.file.as_str(), call.git_ref(workload)));
    let events = [&terms.event_type, &terms.rejected_event_type, &terms.expired_event_type];
    let events = events.into_iter().flatten().map(|event| What::EventType(event.as_str()));
    Sent(workflow.into_iter().chain(events).collect())
}

impl Policy {
    /// The rule that governs what the job of `workload` asks for.
    // T43
    pub fn governing(&self, terms: &Terms, workload: &Workload) -> Governing<'_> {
        let Some(rules) = &self.rules else { return Governing::Deployment };
        rules
            .find(&Claims::from(workload), &sent(terms, workload))
            .map_or(Governing::Nothing, Governing::Rule)
    }

    /// The same for a request.
    pub fn governing_of(&self, request: &Request) -> Governing<'_> {
        self.governing(&request.terms, &request.workload)
    }

    /// The place that the cards about a request are posted to; none if no rule matches it, so that no other channel is told.
    // T45
    pub fn channel_of(&self, request: &Request) -> Option<&RuleChannel> {
        match self.governing_of(request) {
            Governing::Deployment => Some(&RuleChannel::Deployment),
            Governing::Nothing => None,
            Governing::Rule(rule) => Some(&rule.channel),
        }
    }

    /// True if a rule names the event type, so that no relayed button may send it.
    pub fn is_named(&self, event_type: &EventType) -> bool {
        self.rules.as_ref().is_some_and(|rules| rules.name_event_type(event_type.as_str()))
    }

    /// The stricter of `SELF_APPROVAL` and the rule's.
    pub(super) fn self_approval_of(&self, governing: Governing<'_>) -> SelfApproval {
        let of_rule = governing.rule().and_then(|rule| rule.self_approval);
        of_rule.map_or(self.self_approval, |of_rule| of_rule.max(self.self_approval))
    }

    /// The time that people have by the rule, if it says one and the request names none.
    pub fn default_expiry(&self, terms: &Terms, workload: &Workload) -> Option<TimeDelta> {
        let rule = self.governing(terms, workload).rule().filter(|_| !terms.has_own_expiry);
        rule.and_then(|rule| rule.expires_in)
    }

    /// The closing that holds at `now` for a request.
    pub fn closed(&self, request: &Request, now: DateTime<Utc>) -> Option<ClosedNow> {
        let closed = self.governing_of(request).rule()?.closed_at(now)?;
        Some(ClosedNow { until: closed.until, why: closed.why.to_owned() })
    }

    /// The people who decide: those of the rule, or `APPROVERS`; none for everybody.
    pub(super) fn deciders<'a>(&'a self, governing: Governing<'a>) -> Option<Cow<'a, [Approver]>> {
        match (governing.people(), &self.approvers) {
            (Some(people), _) => Some(people),
            (None, Approvers::Everybody) => None,
            (None, Approvers::Only(listed)) => Some(Cow::Borrowed(listed)),
        }
    }

    /// Everything that must be met before a request is approved, if its rule names its own people.
    pub(super) fn needs<'a>(&'a self, terms: &'a Terms, governing: Governing<'a>) -> Option<Needs<'a>> {
        Some(Needs {
            requirements: governing.requirements()?,
            people: terms.approvals_required.max(self.min_approvals),
            narrowed_to: terms.approvers.as_deref(),
        })
    }

    /// The number of people whose yes counts, by the groups that they were in as they voted, and the number that is needed.
    pub fn progress(&self, request: &Request, ballots: &[Ballot]) -> (usize, usize) {
        let governing = self.governing_of(request);
        match self.needs(&request.terms, governing) {
            None => (count_approvals(ballots), request.terms.approvals_required),
            Some(needs) => {
                let people = approving(ballots);
                let count = needs.count(&people, &as_voted(ballots));
                let needed = needs.people.max(governing.approvals());
                (needed.saturating_sub(count.missing), needed)
            }
        }
    }

    /// The number of people who said yes, and the number that is needed; after a decision as it was made, whatever the
    /// rules are now.
    pub fn approvals(&self, Standing { request, ballots, ruling, .. }: &Standing) -> (usize, usize) {
        let Some(ruling) = ruling else { return self.progress(request, ballots) };
        let counted = count_approvals(&ruling.ballots);
        let requirements = ruling.policy.iter().flat_map(|settled| &settled.requirements);
        let needed = request.terms.approvals_required.max(requirements.map(|one| one.approvals).sum());
        let met: usize = match &ruling.policy {
            // An approved one has as many as it needed.
            Some(settled) if ruling.ending != Ending::Approved => {
                settled.requirements.iter().map(|one| one.met_by.len().min(one.approvals)).sum()
            }
            Some(_) | None => counted,
        };
        (met.min(needed), needed)
    }

    /// True if the yes of `performer` is one that nothing needs any more.
    pub fn is_unneeded(&self, request: &Request, ballots: &[Ballot], performer: &Performer) -> bool {
        let Some(needs) = self.needs(&request.terms, self.governing_of(request)) else { return false };
        let people = approving(ballots);
        let count = needs.count(&people, &as_voted(ballots));
        count.unneeded.iter().any(|at| people[*at].is_same(performer))
    }

    /// The rule that governs a request, and its requirements as these votes meet them by the groups that people were in as
    /// they voted.
    pub fn settled(&self, request: &Request, ballots: &[Ballot]) -> Option<Settled> {
        self.settled_by(request, ballots, &as_voted(ballots))
    }

    /// The same for the record, by what is `known` now.
    pub fn settled_surely(
        &self,
        request: &Request,
        ballots: &[Ballot],
        known: &Memberships,
    ) -> Option<Settled> {
        self.settled_by(request, ballots, &does_list(known))
    }

    fn settled_by(&self, request: &Request, ballots: &[Ballot], lists: rules::Lists<'_>) -> Option<Settled> {
        let governing = self.governing_of(request);
        let rule = governing.rule()?;
        let needs = self.needs(&request.terms, governing);
        let people = approving(ballots);
        // The number of `APPROVERS` is a requirement like others, without a name.
        let of_approvers = || {
            let is_first =
                |(at, one): &(usize, &&Performer)| !people[..*at].iter().any(|other| other.counts_as(one));
            let met_by = people.iter().enumerate().filter(is_first).map(|(_, one)| (*one).clone()).collect();
            vec![Met { name: None, approvals: governing.approvals(), met_by }]
        };
        let requirements = needs.map_or_else(of_approvers, |needs| {
            let met = needs.count(&people, lists).met_by;
            let met = needs.requirements.iter().zip(met);
            met.map(|(one, met_by)| Met {
                name: one.name.clone(),
                approvals: one.approvals,
                met_by: met_by.into_iter().map(|at| people[at].clone()).collect(),
            })
            .collect()
        });
        Some(Settled { name: rule.name.clone(), requirements })
    }

    /// The ruling that `ballots` give at `now`, if those count whom `lists` finds in a list. While the rule is closed
    /// nothing is approved, and what expires expires.
    pub(super) fn tally(
        &self,
        request: &Request,
        ballots: &[Ballot],
        lists: rules::Lists<'_>,
        now: DateTime<Utc>,
    ) -> Option<Ruling> {
        let governing = self.governing_of(request);
        let is_closed = self.closed(request, now).is_some();
        let needs = self.needs(&request.terms, governing);
        let may_approve = !is_closed && !matches!(governing, Governing::Nothing);
        tally(request, ballots, now, |people| {
            let (is_met, places) = match &needs {
                None => (people.len() >= request.terms.approvals_required, (0..people.len()).collect()),
                Some(needs) => {
                    let count = needs.count(people, lists);
                    (count.is_met(), count.met_by.iter().flatten().chain(&count.others).copied().collect())
                }
            };
            Counted { suffices: may_approve && is_met, places }
        })
    }

    /// The place of `performer` among all whom rules list, for the pages.
    pub fn place_in_rules(&self, performer: &Performer, known: &Memberships) -> Listed {
        let people = self.people_of_rules();
        match performer {
            Performer::Anonymous => Listed::No,
            Performer::Person(_) => known.place(&people, performer),
        }
    }

    /// The groups in rules, each once.
    pub fn groups_of_rules(&self) -> Vec<Guid> {
        let mut groups: Vec<Guid> = Vec::new();
        for group in self.people_of_rules().iter().filter_map(Approver::group) {
            if !groups.contains(group) {
                groups.push(group.clone());
            }
        }
        groups
    }

    /// The place of `performer` among the people of the rule that matches a request.
    pub fn place_in_rule(&self, request: &Request, performer: &Performer, known: &Memberships) -> Listed {
        match (self.governing_of(request).requirements(), performer) {
            (Some(requirements), Performer::Person(_)) => {
                let places = requirements.iter().map(|one| known.place(&one.approvers, performer));
                places.fold(Listed::No, Listed::or)
            }
            (None, _) | (_, Performer::Anonymous) => Listed::No,
        }
    }

    /// True if the name that administrators gave `performer` could show them more of the list. Those in `APPROVERS` by
    /// their object id see all of it.
    pub fn needs_name_to_look(&self, performer: &Performer) -> bool {
        self.needs_name(performer) || (!self.approvers.include(performer) && self.has_names_in_rules())
    }

    /// True if a rule lists anybody by name.
    fn has_names_in_rules(&self) -> bool {
        let rules = self.rules.iter().flat_map(|rules| rules.all());
        rules.flat_map(Rule::requirements).flat_map(|one| &one.approvers).any(Approver::is_name)
    }

    /// All whom rules list.
    fn people_of_rules(&self) -> Vec<Approver> {
        let rules = self.rules.iter().flat_map(|rules| rules.all());
        rules.flat_map(Rule::requirements).flat_map(|one| &one.approvers).cloned().collect()
    }
}

/// The people who said yes, each once for each time they did.
fn approving(ballots: &[Ballot]) -> Vec<&Performer> {
    let approving = ballots.iter().filter(|ballot| ballot.verdict == Verdict::Approve);
    approving.map(|ballot| &ballot.performer).collect()
}

/// Finds people by the groups that they were in as they voted.
fn as_voted(ballots: &[Ballot]) -> impl Fn(&[Approver], &Performer) -> bool {
    let known = Memberships::of_votes(ballots);
    move |listed, performer| in_list(&known, listed, performer) == Listed::Yes
}

/// Finds people who are surely in a list.
pub(super) fn does_list(known: &Memberships) -> impl Fn(&[Approver], &Performer) -> bool {
    move |listed, performer| in_list(known, listed, performer) == Listed::Yes
}

/// The place of a voter in the list of a requirement. Nobody meets it without saying who they are; nor by a name that
/// nobody knows, since they may be in the list of another.
// T44
pub(super) fn in_list(known: &Memberships, listed: &[Approver], performer: &Performer) -> Listed {
    match performer {
        Performer::Anonymous => Listed::No,
        Performer::Person(_) => known.place(listed, performer),
    }
}
