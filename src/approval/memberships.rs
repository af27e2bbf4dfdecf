//! Memberships: the groups that people are in, as far as somebody has asked. Rules take them as data, and ask nobody.

use std::collections::HashMap;

use super::{Approver, Approvers, Ballot, Guid, Performer, Person};

/// The groups that people are in, as far as that is known.
#[derive(Clone, Debug, Default)]
pub struct Memberships(HashMap<(Guid, Guid), bool>);

/// A person's place in a list of approvers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listed {
    /// The person is not listed.
    No,
    /// Only a group that was not asked can tell.
    Unknown,
    /// The person is listed, or in a listed group.
    Yes,
}

impl Listed {
    /// The place in one of two lists.
    pub fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Yes, _) | (_, Self::Yes) => Self::Yes,
            (Self::Unknown, _) | (_, Self::Unknown) => Self::Unknown,
            (Self::No, Self::No) => Self::No,
        }
    }

    /// The place in both of two lists.
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::No, _) | (_, Self::No) => Self::No,
            (Self::Unknown, _) | (_, Self::Unknown) => Self::Unknown,
            (Self::Yes, Self::Yes) => Self::Yes,
        }
    }
}

impl Memberships {
    /// The memberships by which these votes were cast; all others are unknown.
    pub fn of_votes(ballots: &[Ballot]) -> Self {
        let mut known = Self::default();
        for ballot in ballots {
            if let Performer::Person(person) = &ballot.performer {
                ballot.groups.iter().for_each(|group| known.note(&person.object_id, group, true));
            }
        }
        known
    }

    /// The groups that a person is known to be in, in order.
    pub fn groups_of(&self, performer: &Performer) -> Vec<Guid> {
        let Performer::Person(Person { object_id, .. }) = performer else { return Vec::new() };
        let is_theirs = |((person, group), is_in): (&(Guid, Guid), &bool)| {
            (*is_in && person == object_id).then(|| group.clone())
        };
        let mut groups: Vec<_> = self.0.iter().filter_map(is_theirs).collect();
        groups.sort_by_cached_key(Guid::to_string);
        groups
    }

    /// Notes that `person` is in `group` with an account that may sign in, or is not.
    pub fn note(&mut self, person: &Guid, group: &Guid, is_member: bool) {
        self.0.insert((person.clone(), group.clone()), is_member);
    }

    /// Adds what others have noted.
    pub fn extend(&mut self, others: Self) {
        self.0.extend(others.0);
    }

    /// The place of `performer` in `listed`; groups are looked at only if nothing else lists them.
    pub fn place(&self, listed: &[Approver], performer: &Performer) -> Listed {
        self.place_or(listed, performer, Approvers::includes(listed, performer))
    }

    /// The same for somebody who voted before: see [`Approvers::may_include`].
    pub fn place_of_voter(&self, listed: &[Approver], performer: &Performer) -> Listed {
        self.place_or(listed, performer, Approvers::may_include(listed, performer))
    }

    fn place_or(&self, listed: &[Approver], performer: &Performer, is_listed: bool) -> Listed {
        let Performer::Person(person) = performer else { return Listed::Yes };
        if is_listed {
            return Listed::Yes;
        }
        let known = |group: &Guid| self.0.get(&(person.object_id.clone(), group.clone())).copied();
        listed.iter().filter_map(Approver::group).map(known).fold(Listed::No, |place, known| {
            match (place, known) {
                (Listed::Yes, _) | (_, Some(true)) => Listed::Yes,
                (Listed::Unknown, _) | (_, None) => Listed::Unknown,
                (Listed::No, Some(false)) => Listed::No,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::approval::Person;

    fn guid(number: u8) -> Guid {
        Guid::parse(&format!("{number:08x}-1111-2222-3333-444455556666")).expect("a GUID")
    }

    fn person(number: u8) -> Performer {
        Performer::Person(Person {
            object_id: guid(number),
            tenant: guid(99),
            user_principal_name: None,
            display_name: None,
        })
    }

    fn listed(entries: &[String]) -> Vec<Approver> {
        entries.iter().map(|entry| Approver::parse(entry).expect("an approver")).collect()
    }

    #[test]
    fn one_group_suffices_and_one_that_nobody_asked_leaves_it_open() {
        let groups = listed(&[format!("group:{}", guid(1)), format!("group:{}", guid(2))]);
        let mut known = Memberships::default();
        assert_eq!(known.place(&groups, &person(7)), Listed::Unknown);
        known.note(&guid(7), &guid(1), false);
        assert_eq!(known.place(&groups, &person(7)), Listed::Unknown);
        known.note(&guid(7), &guid(2), false);
        assert_eq!(known.place(&groups, &person(7)), Listed::No);
        known.note(&guid(7), &guid(2), true);
        assert_eq!(known.place(&groups, &person(7)), Listed::Yes);
        assert_eq!(known.place(&groups, &person(8)), Listed::Unknown, "another person");
    }

    #[test]
    fn who_is_listed_by_id_needs_no_group_and_who_is_in_no_list_is_not_asked_about() {
        let known = Memberships::default();
        let both = listed(&[guid(7).to_string(), format!("group:{}", guid(1))]);
        assert_eq!(known.place(&both, &person(7)), Listed::Yes);
        assert_eq!(known.place(&both, &Performer::Anonymous), Listed::Yes);
        assert_eq!(known.place(&listed(&[guid(7).to_string()]), &person(8)), Listed::No);
        assert_eq!(Listed::Yes.and(Listed::Unknown), Listed::Unknown);
        assert_eq!(Listed::Unknown.and(Listed::No), Listed::No);
    }
}
