//! What the operator allows.

use super::{Dispatch, EventType, Forbidden, Invalid, Outcome, Relay, Repository, RepositoryPattern};

/// The operator's rules, from the settings.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// The repository that a card without one means (`GITHUB_REPOSITORY`).
    pub default_repository: Option<Repository>,
    /// What may be dispatched to (`ALLOWED_REPOSITORIES`).
    pub allowed_repositories: Vec<RepositoryPattern>,
    /// What relay mode may send (`RELAY_EVENT_TYPES`).
    pub relay_event_types: EventTypes,
}

/// Which event types relay mode may send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventTypes {
    /// `*`
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
    /// Whether `event_type` is one of them, to the letter.
    pub fn contains(&self, event_type: &EventType) -> bool {
        match self {
            Self::Any => true,
            Self::Only(listed) => listed.contains(event_type),
        }
    }
}

impl Policy {
    /// The dispatch that a relayed click asks for, or why it may not have it.
    ///
    /// `repository` is what the button's address names, if it names one.
    pub fn relay(&self, relay: Relay, repository: Option<Repository>) -> Result<Dispatch, Outcome> {
        let Some(repository) = repository.or_else(|| self.default_repository.clone()) else {
            return Err(Outcome::Misconfigured("GITHUB_REPOSITORY"));
        };
        if !self.allowed_repositories.iter().any(|allowed| allowed.matches(&repository)) {
            return Err(Outcome::Forbidden(Forbidden::Repository(repository)));
        }
        if !self.relay_event_types.contains(&relay.event_type) {
            return Err(Outcome::Forbidden(Forbidden::EventType(relay.event_type)));
        }
        let dispatch =
            Dispatch { repository, event_type: relay.event_type, client_payload: relay.client_payload };
        match dispatch.body().len() <= Dispatch::MAX_BODY_BYTES {
            true => Ok(dispatch),
            false => Err(Outcome::Invalid(Invalid::DispatchTooLarge)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn relay(event_type: &str) -> Relay {
        Relay { event_type: EventType::parse(event_type).expect("an event type"), client_payload: None }
    }

    fn policy() -> Policy {
        Policy {
            default_repository: Repository::parse("octo/app"),
            allowed_repositories: vec![RepositoryPattern::parse("octo/*").expect("a pattern")],
            relay_event_types: EventTypes::Only(vec![EventType::parse("go").expect("an event type")]),
        }
    }

    #[test]
    fn a_click_without_a_repository_means_the_default_one() {
        let dispatch = policy().relay(relay("go"), None).expect("a dispatch");
        assert_eq!(dispatch.repository.to_string(), "octo/app");
    }

    #[test]
    fn repository_and_event_type_must_both_be_allowed() {
        let other = Repository::parse("evil/app");
        assert!(matches!(
            policy().relay(relay("go"), other),
            Err(Outcome::Forbidden(Forbidden::Repository(_)))
        ));
        assert!(matches!(
            policy().relay(relay("Go"), None),
            Err(Outcome::Forbidden(Forbidden::EventType(_)))
        ));
        let nothing = Policy { default_repository: Repository::parse("octo/app"), ..Policy::default() };
        assert!(matches!(
            nothing.relay(relay("go"), None),
            Err(Outcome::Forbidden(Forbidden::Repository(_)))
        ));
    }

    #[test]
    fn without_any_repository_the_missing_setting_is_named() {
        let nowhere = Policy { default_repository: None, ..policy() };
        assert!(matches!(nowhere.relay(relay("go"), None), Err(Outcome::Misconfigured("GITHUB_REPOSITORY"))));
    }
}
