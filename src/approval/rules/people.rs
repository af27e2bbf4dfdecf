//! The people who must agree: several requirements, each met by people of its own.
//!
//! Each person counts for one requirement. They are assigned by augmenting paths, so if there is an assignment that meets
//! everything, it is found, whatever the order of the votes. People who are needed by no requirement count towards the
//! least number of people altogether.

use super::{Rule, Who};
use crate::approval::{Approver, Invalid, Performer};

/// So many of these people must agree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement {
    /// The name for people, if it has one: a rule's only requirement may have none.
    pub name: Option<String>,
    /// The people and groups.
    pub approvers: Vec<Approver>,
    /// The number of people, at least 1.
    pub approvals: usize,
}

/// True if a list has this performer in it, directly or by a group.
pub type Lists<'a> = &'a dyn Fn(&[Approver], &Performer) -> bool;

/// Everything that must be met before an approval is approved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Needs<'a> {
    /// The rule's requirements, never fewer.
    pub requirements: &'a [Requirement],
    /// The least number of people altogether: `MIN_APPROVALS`, and what the request asks for.
    pub people: usize,
    /// The people whom the request names, if it does.
    pub narrowed_to: Option<&'a [Approver]>,
}

/// The way in which votes meet requirements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Count {
    /// For each requirement, the places of the voters who count for it, in their order.
    pub met_by: Vec<Vec<usize>>,
    /// Those who count for the number of people altogether alone.
    pub others: Vec<usize>,
    /// Those who are listed and help nothing: their vote is `counted`, and not needed.
    pub unneeded: Vec<usize>,
    /// The number of people who are still missing.
    pub missing: usize,
}

impl Count {
    /// True if everything is met.
    pub fn is_met(&self) -> bool {
        self.missing == 0
    }
}

impl Rule {
    /// The rule's requirements; none of its own where `APPROVERS` decide.
    pub fn requirements(&self) -> &[Requirement] {
        match &self.who {
            Who::Deployment(_) => &[],
            Who::Requirements(requirements) => requirements,
        }
    }
}

impl<'a> Needs<'a> {
    /// True if the performer may say yes or no: a requirement lists them, and the request if it names anybody.
    pub fn list(&self, performer: &Performer, lists: Lists<'_>) -> bool {
        self.admits(performer, lists) && self.requirements.iter().any(|one| lists(&one.approvers, performer))
    }

    fn admits(&self, performer: &Performer, lists: Lists<'_>) -> bool {
        self.narrowed_to.is_none_or(|listed| lists(listed, performer))
    }

    /// The number of people that the requirements take, each once.
    fn required(&self) -> usize {
        self.requirements.iter().map(|one| one.approvals).sum()
    }

    /// Counts the yes of these people, each of them once, in the order of their votes.
    ///
    /// Whoever counts goes on to count when others vote, though perhaps for another requirement.
    // T44
    pub fn count(&self, approved_by: &[&Performer], lists: Lists<'_>) -> Count {
        let is_first = |(at, voter): &(usize, &&Performer)| {
            !approved_by[..*at].iter().any(|before| before.counts_as(voter))
        };
        let voters: Vec<(usize, &Performer)> = approved_by
            .iter()
            .enumerate()
            .filter(is_first)
            .map(|(at, voter)| (at, *voter))
            .filter(|(_, voter)| self.admits(voter, lists))
            .collect();
        let eligible = |(_, voter): &(usize, &Performer)| -> Vec<usize> {
            let lists = |at: &usize| lists(&self.requirements[*at].approvers, voter);
            (0..self.requirements.len()).filter(lists).collect()
        };
        let eligible: Vec<_> = voters.iter().map(eligible).collect();
        self.tell(&voters, &eligible)
    }

    fn tell(&self, voters: &[(usize, &Performer)], eligible: &[Vec<usize>]) -> Count {
        let capacities = self.requirements.iter().map(|one| one.approvals).collect();
        let mut met_by = Assignment::new(capacities, eligible).filled();
        let counts = |voter: usize| met_by.iter().any(|voters| voters.contains(&voter));
        let (required, extra) = (self.required(), self.people.saturating_sub(self.required()));
        let mut others: Vec<_> =
            (0..voters.len()).filter(|at| !counts(*at) && !eligible[*at].is_empty()).collect();
        let unneeded = others.split_off(extra.min(others.len()));
        let filled = met_by.iter().map(Vec::len).sum::<usize>() + others.len();
        let places = |list: Vec<usize>| list.into_iter().map(|at| voters[at].0).collect::<Vec<_>>();
        met_by.iter_mut().for_each(|list| list.sort_unstable());
        Count {
            met_by: met_by.into_iter().map(places).collect(),
            others: places(others),
            unneeded: places(unneeded),
            missing: required + extra - filled,
        }
    }

    /// Allows a request's `approvers` that only narrow the rule, and leave each requirement enough people.
    pub fn allow_narrowing(&self) -> Result<(), Invalid> {
        let is_group = |approver: &Approver| approver.group().is_some();
        let any_group = self.requirements.iter().any(|one| one.approvers.iter().any(is_group));
        let in_rule = |asked: &Approver| {
            self.requirements.iter().any(|one| one.approvers.iter().any(|listed| listed.is_same(asked)))
        };
        if !any_group && !self.narrowed_to.is_none_or(|asked| asked.iter().all(in_rule)) {
            return Err(Invalid::NotAnApprover);
        }
        if self.can_be_met() { Ok(()) } else { Err(Invalid::TooFewApprovers) }
    }

    /// True if there may be enough different people. Nobody knows here who is in a group: anybody may be.
    pub fn can_be_met(&self) -> bool {
        let is_group = |approver: &&Approver| approver.group().is_some();
        let all = || self.requirements.iter().flat_map(|one| &one.approvers);
        let is_endless = |list: &[Approver]| list.iter().any(|approver| is_group(&approver));
        let asks_group = self.narrowed_to.is_none_or(is_endless);
        let mut people: Vec<&Approver> = Vec::new();
        let listed = all().filter(|_| asks_group).chain(self.narrowed_to.into_iter().flatten());
        for person in listed.filter(|approver| !is_group(approver)) {
            if !people.iter().any(|before| before.is_same(person)) {
                people.push(person);
            }
        }
        // Behind a group that the request leaves open stand people without end: such a requirement meets itself.
        let is_open = |one: &Requirement| asks_group && is_endless(&one.approvers);
        let serves = |person: &Approver, one: &Requirement| {
            is_endless(&one.approvers) || one.approvers.iter().any(|listed| listed.is_same(person))
        };
        let closed: Vec<_> = self.requirements.iter().filter(|one| !is_open(one)).collect();
        let eligible: Vec<Vec<usize>> = people
            .iter()
            .map(|person| (0..closed.len()).filter(|at| serves(person, closed[*at])).collect())
            .collect();
        let capacities: Vec<_> = closed.iter().map(|one| one.approvals).collect();
        let needed: usize = capacities.iter().sum();
        let filled: usize = Assignment::new(capacities, &eligible).filled().iter().map(Vec::len).sum();
        let listed = eligible.iter().filter(|served| !served.is_empty()).count();
        filled == needed && (closed.len() < self.requirements.len() || listed >= self.people)
    }
}

/// People at the requirements that they count for.
struct Assignment<'a> {
    capacities: Vec<usize>,
    eligible: &'a [Vec<usize>],
    assigned: Vec<Vec<usize>>,
}

impl<'a> Assignment<'a> {
    fn new(capacities: Vec<usize>, eligible: &'a [Vec<usize>]) -> Self {
        let assigned = vec![Vec::new(); capacities.len()];
        Self { capacities, eligible, assigned }
    }

    /// As many people as possible, at the requirements.
    fn filled(mut self) -> Vec<Vec<usize>> {
        for person in 0..self.eligible.len() {
            self.place(person, &mut vec![false; self.capacities.len()]);
        }
        self.assigned
    }

    /// Finds a place for the person, and another for somebody who gives theirs up. Requirements that were `tried` in vain
    /// are not tried again, which also bounds the depth.
    fn place(&mut self, person: usize, tried: &mut Vec<bool>) -> bool {
        let eligible = self.eligible;
        if let Some(free) =
            eligible[person].iter().find(|at| self.assigned[**at].len() < self.capacities[**at])
        {
            self.assigned[*free].push(person);
            return true;
        }
        for at in &eligible[person] {
            if std::mem::replace(&mut tried[*at], true) {
                continue;
            }
            for place in 0..self.assigned[*at].len() {
                let other = self.assigned[*at][place];
                if self.place(other, tried) {
                    self.assigned[*at][place] = person;
                    return true;
                }
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::approval::{Approvers, Guid, Person};

    fn id(number: usize) -> String {
        format!("{number:08}-1111-2222-3333-444455556666")
    }

    fn person(number: usize) -> Performer {
        let guid = |text: &str| Guid::parse(text).expect("a GUID");
        let (object_id, tenant) = (guid(&id(number)), guid(&id(99)));
        Performer::Person(Person { object_id, tenant, user_principal_name: None, display_name: None })
    }

    fn approver(text: &str) -> Approver {
        Approver::parse(text).expect("an approver")
    }

    fn requirement(approvals: usize, people: &[usize]) -> Requirement {
        let approvers = people.iter().map(|number| approver(&id(*number))).collect();
        Requirement { name: None, approvers, approvals }
    }

    fn group(approvals: usize) -> Requirement {
        let approvers = vec![approver(&format!("group:{}", id(77)))];
        Requirement { name: None, approvers, approvals }
    }

    fn lists(listed: &[Approver], performer: &Performer) -> bool {
        *performer != Performer::Anonymous && Approvers::includes(listed, performer)
    }

    fn count(needs: &Needs<'_>, voters: &[usize]) -> Count {
        let voters: Vec<_> = voters.iter().map(|number| person(*number)).collect();
        needs.count(&voters.iter().collect::<Vec<_>>(), &lists)
    }

    fn needs(requirements: &[Requirement], people: usize) -> Needs<'_> {
        Needs { requirements, people, narrowed_to: None }
    }

    // T44
    #[test]
    fn a_person_counts_once_and_makes_way_for_whoever_can_do_less() {
        let both = [requirement(1, &[1, 2]), requirement(1, &[1])];
        let one = count(&needs(&both, 0), &[1]);
        assert_eq!((one.met_by, one.missing), (vec![vec![0], vec![]], 1));
        let two = count(&needs(&both, 0), &[1, 2]);
        assert_eq!((two.met_by.clone(), two.is_met()), (vec![vec![1], vec![0]], true));
        assert!(!count(&needs(&both, 0), &[1, 1, 1]).is_met(), "the same person again");
    }

    #[test]
    fn a_vote_that_cannot_help_is_told_and_the_people_altogether_count() {
        let one = [requirement(1, &[1, 2, 3])];
        assert_eq!(count(&needs(&one, 0), &[1, 2]).unneeded, [1]);
        let two = count(&needs(&one, 2), &[1, 2, 3]);
        assert_eq!((two.met_by, two.others, two.unneeded), (vec![vec![0]], vec![1], vec![2]));
        assert_eq!(count(&needs(&one, 3), &[1, 2]).missing, 1);
        assert_eq!(count(&needs(&one, 2), &[1, 9]).missing, 1, "who is not listed counts for nothing");
    }

    #[test]
    fn anonymous_clicks_meet_nothing_that_lists_people() {
        let one = [requirement(1, &[1])];
        assert!(!needs(&one, 0).list(&Performer::Anonymous, &lists));
        assert!(!needs(&one, 0).count(&[&Performer::Anonymous], &lists).is_met());
    }

    #[test]
    fn a_request_narrows_a_rule_and_leaves_each_requirement_enough_people() {
        let two = [requirement(1, &[1, 2]), requirement(1, &[2, 3])];
        for (asked, expected) in [
            (&[1, 3][..], Ok(())),
            (&[2, 3], Ok(())),
            (&[2], Err(Invalid::TooFewApprovers)),
            (&[1], Err(Invalid::TooFewApprovers)),
            (&[1, 4], Err(Invalid::NotAnApprover)),
        ] {
            let asked: Vec<_> = asked.iter().map(|number| approver(&id(*number))).collect();
            let needs = Needs { narrowed_to: Some(&asked), ..needs(&two, 0) };
            assert_eq!(needs.allow_narrowing(), expected, "{asked:?}");
        }
        assert_eq!(needs(&two, 4).allow_narrowing(), Err(Invalid::TooFewApprovers), "only three are listed");
    }

    #[test]
    fn where_a_rule_has_a_group_anybody_may_be_named_and_both_must_hold() {
        let rule = [group(2), requirement(1, &[1])];
        let asked = |texts: &[&str]| {
            let asked: Vec<_> = texts.iter().map(|text| approver(text)).collect();
            Needs { narrowed_to: Some(&asked), ..needs(&rule, 0) }.allow_narrowing()
        };
        assert_eq!(needs(&rule, 9).allow_narrowing(), Ok(()));
        assert_eq!(asked(&[&id(1), &id(5), "alex@contoso.com"]), Ok(()));
        assert_eq!(asked(&[&id(1), &id(5)]), Err(Invalid::TooFewApprovers));
        assert_eq!(asked(&[&id(4), &id(5), &id(6)]), Err(Invalid::TooFewApprovers));
        let named = [approver(&id(1))];
        let narrowed = Needs { narrowed_to: Some(&named), ..needs(&rule, 0) };
        let all = |listed: &[Approver], person: &Performer| {
            listed.iter().any(|one| one.group().is_some()) || lists(listed, person)
        };
        assert!(narrowed.list(&person(1), &all) && !narrowed.list(&person(2), &all));
    }

    /// The same by trying every place for everybody: the most that can be filled.
    fn most(capacities: &mut [usize], eligible: &[Vec<usize>]) -> usize {
        let Some((first, rest)) = eligible.split_first() else { return 0 };
        let mut best = most(capacities, rest);
        for at in first {
            if capacities[*at] > 0 {
                capacities[*at] -= 1;
                best = best.max(1 + most(capacities, rest));
                capacities[*at] += 1;
            }
        }
        best
    }

    fn rule() -> impl Strategy<Value = Vec<Requirement>> {
        let people = proptest::collection::btree_set(0_usize..6, 1..5);
        let one = (1_usize..3, people)
            .prop_map(|(approvals, people)| requirement(approvals, &people.into_iter().collect::<Vec<_>>()));
        proptest::collection::vec(one, 1..4)
    }

    proptest! {
        #[test]
        fn votes_suffice_exactly_if_some_assignment_does(
            rule in rule(),
            voters in proptest::collection::vec(0_usize..7, 0..7),
            people in 0_usize..5,
        ) {
            let needs = needs(&rule, people);
            let found = count(&needs, &voters);
            let mut distinct = voters.clone();
            distinct.sort_unstable();
            distinct.dedup();
            let served = |number: &usize| -> Vec<usize> {
                (0..rule.len()).filter(|at| lists(&rule[*at].approvers, &person(*number))).collect()
            };
            let eligible: Vec<_> = distinct.iter().map(served).collect();
            let most = most(&mut rule.iter().map(|one| one.approvals).collect::<Vec<_>>(), &eligible);
            let listed = eligible.iter().filter(|served| !served.is_empty()).count();
            let required = needs.required();
            prop_assert_eq!(found.met_by.iter().map(Vec::len).sum::<usize>(), most);
            prop_assert_eq!(found.is_met(), most == required && listed >= people);
            prop_assert_eq!(found.others.len() + found.unneeded.len(), listed - most);
            // The last vote helps exactly if less is missing with it.
            if let Some((last, before)) = voters.split_last() {
                let helps = count(&needs, before).missing > found.missing;
                let is_needed = !before.contains(last)
                    && !found.unneeded.contains(&(voters.len() - 1))
                    && needs.list(&person(*last), &lists);
                prop_assert_eq!(helps, is_needed);
            }
        }

        #[test]
        fn no_request_ends_with_fewer_requirements_than_its_rule(
            rule in rule(),
            voters in proptest::collection::vec(0_usize..7, 0..7),
            people in 0_usize..5,
            asked in proptest::option::of(proptest::collection::vec(0_usize..7, 1..6)),
        ) {
            let asked: Option<Vec<_>> =
                asked.map(|asked| asked.iter().map(|number| approver(&id(*number))).collect());
            let narrowed = Needs { requirements: &rule, people, narrowed_to: asked.as_deref() };
            // A request is allowed exactly if it names nobody else, and the votes of all can meet it.
            let in_rule = |one: &Approver| rule.iter().any(|rule| rule.approvers.contains(one));
            let names_no_other = asked.iter().flatten().all(in_rule);
            let can_be_met = count(&narrowed, &(0..7).collect::<Vec<_>>()).is_met();
            prop_assert_eq!(narrowed.allow_narrowing().is_ok(), names_no_other && can_be_met);
            let found = count(&narrowed, &voters);
            if found.is_met() {
                prop_assert!(count(&needs(&rule, 0), &voters).is_met());
                let counted = found.met_by.iter().flatten().chain(&found.others);
                let mut all: Vec<usize> = counted.map(|at| voters[*at]).collect();
                prop_assert!(all.len() >= people);
                for (requirement, met_by) in rule.iter().zip(&found.met_by) {
                    prop_assert_eq!(met_by.len(), requirement.approvals);
                    prop_assert!(met_by.iter().all(|at| lists(&requirement.approvers, &person(voters[*at]))));
                }
                all.sort_unstable();
                all.dedup();
                prop_assert_eq!(all.len(), found.met_by.concat().len() + found.others.len());
            }
        }
    }
}
