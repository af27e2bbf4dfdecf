//! What administrators call the members of a conversation, remembered for a while.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use chrono::{DateTime, TimeDelta, Utc};

/// How long a name is believed without asking again.
const FRESH: TimeDelta = TimeDelta::hours(1);

/// The most names that are remembered.
const MAX_MEMBERS: usize = 1_000;

/// The user principal names of members, by conversation and user id.
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
    pub fn get(&self, conversation: &str, user_id: &str, now: DateTime<Utc>) -> Option<String> {
        let members = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let member = members.get(&key(conversation, user_id))?;
        member.is_fresh(now).then(|| member.user_principal_name.clone())
    }

    /// Remembers a name.
    pub fn remember(&self, conversation: &str, user_id: &str, name: &str, now: DateTime<Utc>) {
        let mut members = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if members.len() >= MAX_MEMBERS {
            members.retain(|_, member| member.is_fresh(now));
        }
        if members.len() >= MAX_MEMBERS {
            // So many approvers there are not; and asking again costs little.
            members.clear();
        }
        let member = Member { user_principal_name: name.to_owned(), known_at: now };
        members.insert(key(conversation, user_id), member);
    }
}

/// All threads of a channel (`19:…;messageid=…`) have its members.
fn key(conversation: &str, user_id: &str) -> (String, String) {
    let channel = conversation.split_once(';').map_or(conversation, |(channel, _)| channel);
    (channel.to_owned(), user_id.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const THREAD: &str = "19:a@thread.tacv2;messageid=1";

    fn at(minutes: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::days(20_000) + TimeDelta::minutes(minutes)
    }

    #[test]
    fn a_name_is_known_for_an_hour_in_all_threads_of_its_channel() {
        let members = Members::default();
        members.remember(THREAD, "29:alex", "alex@contoso.com", at(0));
        for conversation in [THREAD, "19:a@thread.tacv2", "19:a@thread.tacv2;messageid=2"] {
            assert_eq!(members.get(conversation, "29:alex", at(59)).as_deref(), Some("alex@contoso.com"));
        }
        assert_eq!(members.get(THREAD, "29:alex", at(60)), None);
        assert_eq!(members.get(THREAD, "29:alex", at(-1)), None, "clocks are set back");
        assert_eq!(members.get(THREAD, "29:other", at(1)), None);
        assert_eq!(members.get("19:b@thread.tacv2", "29:alex", at(1)), None);
    }

    #[test]
    fn no_more_are_remembered_than_there_is_room_for() {
        let members = Members::default();
        for number in 0..3 * MAX_MEMBERS {
            members.remember(THREAD, &number.to_string(), "x@y", at(0));
            assert!(members.0.lock().expect("no panic").len() <= MAX_MEMBERS);
        }
        assert!(members.get(THREAD, &(3 * MAX_MEMBERS - 1).to_string(), at(0)).is_some());
    }

    #[test]
    fn room_is_made_by_forgetting_what_is_not_believed_any_more() {
        let members = Members::default();
        (1..MAX_MEMBERS).for_each(|number| members.remember(THREAD, &number.to_string(), "x@y", at(0)));
        members.remember(THREAD, "young", "x@y", at(50));
        members.remember(THREAD, "younger", "x@y", at(70));
        assert!(members.get(THREAD, "young", at(70)).is_some());
        assert_eq!(members.0.lock().expect("no panic").len(), 2);
    }
}
