//! What the operator allows.

use super::{
    Approvers, Dispatch, EventType, Forbidden, Outcome, Performer, Relay, Repository, RepositoryPattern,
};

/// The operator's rules, from the settings.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// The repository that a card without one means (`GITHUB_REPOSITORY`).
    pub default_repository: Option<Repository>,
    /// What may be dispatched to (`ALLOWED_REPOSITORIES`).
    pub allowed_repositories: Vec<RepositoryPattern>,
    /// What relay mode may send (`RELAY_EVENT_TYPES`).
    pub relay_event_types: EventTypes,
    /// Who may decide (`APPROVERS`).
    pub approvers: Approvers,
    /// The least number of people that a request must want (`MIN_APPROVALS`).
    pub min_approvals: usize,
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
    /// The dispatch that a relayed click of `performer` asks for, or why it may not have it.
    ///
    /// `repository` is what the button's address names, if it names one.
    pub fn relay(
        &self,
        relay: Relay,
        repository: Option<Repository>,
        performer: &Performer,
    ) -> Result<Dispatch, Outcome> {
        let repository = repository.or_else(|| self.default_repository.clone());
        if let Some(repository) = &repository {
            self.allow(repository)?;
        }
        if !self.relay_event_types.contains(&relay.event_type) {
            return Err(Outcome::Forbidden(Forbidden::EventType(relay.event_type)));
        }
        if !self.approvers.include(performer) {
            return Err(Outcome::Forbidden(Forbidden::Performer));
        }
        let Some(repository) = repository else { return Err(Outcome::Misconfigured("GITHUB_REPOSITORY")) };
        Ok(Dispatch { repository, event_type: relay.event_type, client_payload: relay.client_payload })
    }

    /// Whether anything may be sent to `repository`.
    pub fn allow(&self, repository: &Repository) -> Result<(), Outcome> {
        match self.allowed_repositories.iter().any(|allowed| allowed.matches(repository)) {
            true => Ok(()),
            false => Err(Outcome::Forbidden(Forbidden::Repository(repository.clone()))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::approval::{Guid, Person};

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
        }
    }

    #[test]
    fn a_click_without_a_repository_means_the_default_one() {
        let dispatch = policy().relay(relay("go"), None, &Performer::Anonymous).expect("a dispatch");
        assert_eq!(dispatch.repository.to_string(), "octo/app");
    }

    #[test]
    fn repository_and_event_type_must_both_be_allowed() {
        let other = Repository::parse("evil/app");
        assert!(matches!(
            policy().relay(relay("go"), other, &Performer::Anonymous),
            Err(Outcome::Forbidden(Forbidden::Repository(_)))
        ));
        assert!(matches!(
            policy().relay(relay("Go"), None, &Performer::Anonymous),
            Err(Outcome::Forbidden(Forbidden::EventType(_)))
        ));
        let nothing = Policy { default_repository: Repository::parse("octo/app"), ..Policy::default() };
        assert!(matches!(
            nothing.relay(relay("go"), None, &Performer::Anonymous),
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
        assert!(forbidden(policy().relay(relay("go"), None, &alex)));
        assert!(!forbidden(policy().relay(relay("Go"), None, &alex)));
        let everybody = Policy { approvers: Approvers::Everybody, ..policy() };
        assert!(everybody.relay(relay("go"), None, &alex).is_ok());
    }

    #[test]
    fn without_any_repository_the_missing_setting_is_named() {
        let nowhere = Policy { default_repository: None, ..policy() };
        assert!(matches!(
            nowhere.relay(relay("go"), None, &Performer::Anonymous),
            Err(Outcome::Misconfigured("GITHUB_REPOSITORY"))
        ));
    }
}
