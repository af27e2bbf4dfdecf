//! The user principal names of members of a team or a channel, remembered for a while.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use chrono::{DateTime, TimeDelta, Utc};

/// Time for which a name is believed without asking again.
const FRESH: TimeDelta = TimeDelta::hours(1);

/// The most names that are remembered.
const MAX_MEMBERS: usize = 1_000;

/// The user principal names of members, by team or channel and user id.
#[derive(Default)]
pub struct Members(Mutex<HashMap<(String, String), Member>>);

struct Member {
    user_principal_name: String,
    known_at: DateTime<Utc>,
}

impl Member {
    fn is_fresh(&self, now: DateTime<Utc>) -> bool {
        (TimeDelta::zero()..FRESH).contains(&(now - self.known_at))
    }
}

impl Members {
    /// The member's name, if it is known.
    pub fn get(&self, roster: &str, user_id: &str, now: DateTime<Utc>) -> Option<String> {
        let members = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let member = members.get(&(roster.to_owned(), user_id.to_owned()))?;
        member.is_fresh(now).then(|| member.user_principal_name.clone())
    }

    /// Remembers a name.
    pub fn remember(&self, roster: &str, user_id: &str, name: &str, now: DateTime<Utc>) {
        let mut members = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if members.len() >= MAX_MEMBERS {
            members.retain(|_, member| member.is_fresh(now));
        }
        if members.len() >= MAX_MEMBERS {
            // Nobody has that many approvers, and asking again costs little.
            members.clear();
        }
        let member = Member { user_principal_name: name.to_owned(), known_at: now };
        members.insert((roster.to_owned(), user_id.to_owned()), member);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEAM: &str = "19:a@thread.tacv2";

    fn at(minutes: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::days(20_000) + TimeDelta::minutes(minutes)
    }

    #[test]
    fn a_name_is_known_for_an_hour_in_its_team() {
        let members = Members::default();
        members.remember(TEAM, "29:alex", "alex@contoso.com", at(0));
        assert_eq!(members.get(TEAM, "29:alex", at(59)).as_deref(), Some("alex@contoso.com"));
        assert_eq!(members.get(TEAM, "29:alex", at(60)), None);
        assert_eq!(members.get(TEAM, "29:alex", at(-1)), None, "clocks are set back");
        assert_eq!(members.get(TEAM, "29:other", at(1)), None);
        assert_eq!(members.get("19:b@thread.tacv2", "29:alex", at(1)), None);
    }

    #[test]
    fn the_number_of_remembered_names_is_limited() {
        let members = Members::default();
        for number in 0..3 * MAX_MEMBERS {
            members.remember(TEAM, &number.to_string(), "x@y", at(0));
            assert!(members.0.lock().expect("no panic").len() <= MAX_MEMBERS);
        }
        assert!(members.get(TEAM, &(3 * MAX_MEMBERS - 1).to_string(), at(0)).is_some());
    }

    #[test]
    fn stale_names_are_forgotten_first_if_room_is_needed() {
        let members = Members::default();
        (1..MAX_MEMBERS).for_each(|number| members.remember(TEAM, &number.to_string(), "x@y", at(0)));
        members.remember(TEAM, "young", "x@y", at(50));
        members.remember(TEAM, "younger", "x@y", at(70));
        assert!(members.get(TEAM, "young", at(70)).is_some());
        assert_eq!(members.0.lock().expect("no panic").len(), 2);
    }
}
