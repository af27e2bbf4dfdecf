//! Votes and decisions, as they are stored.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{attempt::StoredAttempt, parsed};
use crate::approval::{
    Attempt, Ballot, ClientPayload, Decision, Ending, EventType, Guid, Met, Performer, Person, Repository,
    RepositoryDispatch, Ruling, Settled, Ticket, Verdict, Withdrawal, Withdrawer,
};
use crate::ledger::Decided;

/// A relayed decision.
#[derive(Serialize, Deserialize)]
pub struct StoredDecision {
    repository: String,
    event_type: String,
    client_payload: Option<Box<RawValue>>,
    /// The person; `None` if nobody had to say who they are.
    performer: Option<StoredPerson>,
    decided_at: DateTime<Utc>,
    /// The first attempt to send it, which is claimed with the decision. Since format 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    claim: Option<StoredAttempt>,
}

/// A person.
#[derive(Serialize, Deserialize)]
struct StoredPerson {
    object_id: String,
    tenant: String,
    display_name: Option<String>,
    /// The name, which only a vote keeps, to be checked against `APPROVERS` when it is counted. Since format 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user_principal_name: Option<String>,
}

impl StoredPerson {
    fn of(performer: &Performer) -> Option<Self> {
        match performer {
            Performer::Anonymous => None,
            Performer::Person(person) => Some(Self {
                object_id: person.object_id.to_string(),
                tenant: person.tenant.to_string(),
                display_name: person.display_name.clone(),
                user_principal_name: None,
            }),
        }
    }

    /// The person, with the name that administrators gave them.
    fn with_name(performer: &Performer) -> Option<Self> {
        let user_principal_name = match performer {
            Performer::Anonymous => None,
            Performer::Person(person) => person.user_principal_name.clone(),
        };
        Self::of(performer).map(|person| Self { user_principal_name, ..person })
    }

    fn performer(&self) -> Option<Performer> {
        Some(Performer::Person(Person {
            object_id: Guid::parse(&self.object_id)?,
            tenant: Guid::parse(&self.tenant)?,
            user_principal_name: self.user_principal_name.clone(),
            display_name: self.display_name.clone(),
        }))
    }
}

impl StoredDecision {
    /// A decision, and its writer's claim of the first attempt to send it.
    pub fn of(decision: &Decision, claim: Option<&Attempt>) -> Self {
        let RepositoryDispatch { repository, event_type, client_payload } = &decision.dispatch;
        Self {
            repository: repository.to_string(),
            event_type: event_type.as_str().to_owned(),
            client_payload: client_payload.as_ref().map(|payload| payload.as_raw().to_owned()),
            performer: StoredPerson::of(&decision.performer),
            decided_at: decision.decided_at,
            claim: claim.map(StoredAttempt::from),
        }
    }

    /// The decision, if it can still be sent, and the claim of its first attempt.
    pub fn decided(self) -> Option<Decided<Decision>> {
        let client_payload = parsed(self.client_payload.as_ref(), |raw| ClientPayload::parse(raw).ok())?;
        let dispatch = RepositoryDispatch {
            repository: Repository::parse(&self.repository)?,
            event_type: EventType::parse(&self.event_type)?,
            client_payload,
        };
        let performer =
            self.performer.as_ref().map_or(Some(Performer::Anonymous), StoredPerson::performer)?;
        let decision = Decision::new(dispatch, performer, self.decided_at);
        Some(Decided { decision, claim: self.claim.map(StoredAttempt::attempt) })
    }
}

/// A vote.
#[derive(Serialize, Deserialize)]
pub struct StoredBallot {
    /// The person; `None` if nobody had to say who they are.
    performer: Option<StoredPerson>,
    verdict: String,
    comment: String,
    at: DateTime<Utc>,
    /// The groups that the person was in, as far as they were asked about.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    groups: Vec<String>,
}

impl From<&Ballot> for StoredBallot {
    fn from(ballot: &Ballot) -> Self {
        Self {
            performer: StoredPerson::with_name(&ballot.performer),
            verdict: ballot.verdict.as_str().to_owned(),
            comment: ballot.comment.clone(),
            at: ballot.at,
            groups: ballot.groups.iter().map(Guid::to_string).collect(),
        }
    }
}

impl StoredBallot {
    /// The vote.
    pub fn ballot(&self) -> Option<Ballot> {
        Some(Ballot {
            performer: self.performer.as_ref().map_or(Some(Performer::Anonymous), StoredPerson::performer)?,
            verdict: Verdict::parse(&self.verdict)?,
            comment: self.comment.clone(),
            at: self.at,
            groups: self.groups.iter().map(|group| Guid::parse(group)).collect::<Option<_>>()?,
        })
    }
}

/// The ruling on a requested approval. Since format 2, the members after `decided_at` may be there.
#[derive(Serialize, Deserialize)]
pub struct StoredRuling {
    verdict: String,
    votes: Vec<StoredBallot>,
    decided_at: DateTime<Utc>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ticket: Option<String>,
    /// The first attempt to send its dispatch, if it was claimed with the decision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    claim: Option<StoredAttempt>,
    /// The withdrawal, if it ended so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    withdrawn: Option<StoredWithdrawal>,
    #[serde(flatten)]
    later: LaterRuling,
}

/// The operator's rule that held. It changes nothing about the decision.
#[derive(Default, Serialize, Deserialize)]
struct LaterRuling {
    /// The name of the operator's rule that held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rule: Option<String>,
    /// The requirements of that rule, and the people who met them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    requirements: Option<Vec<StoredRequirement>>,
}

#[derive(Serialize, Deserialize)]
struct StoredRequirement {
    name: Option<String>,
    approvals: usize,
    met_by: Vec<StoredPerson>,
}

impl From<&Settled> for LaterRuling {
    fn from(Settled { name, requirements }: &Settled) -> Self {
        let stored = |one: &Met| StoredRequirement {
            name: one.name.clone(),
            approvals: one.approvals,
            met_by: one.met_by.iter().filter_map(StoredPerson::of).collect(),
        };
        Self { rule: Some(name.clone()), requirements: Some(requirements.iter().map(stored).collect()) }
    }
}

impl LaterRuling {
    /// The rule, if there was one; `None` in place of it all if it cannot be read.
    fn settled(self) -> Option<Option<Settled>> {
        let Some(name) = self.rule else { return Some(None) };
        let met = |one: StoredRequirement| {
            let met_by = one.met_by.iter().map(StoredPerson::performer).collect::<Option<_>>()?;
            Some(Met { name: one.name, approvals: one.approvals, met_by })
        };
        let requirements = self.requirements.into_iter().flatten().map(met).collect::<Option<_>>()?;
        Some(Some(Settled { name, requirements }))
    }
}

/// A withdrawal by a run, or by a person; by neither if the ref has moved, or if nobody had to say who they are.
#[derive(Serialize, Deserialize)]
struct StoredWithdrawal {
    by: Option<StoredPerson>,
    run_id: Option<String>,
    comment: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    ref_moved: bool,
}

impl From<&Withdrawal> for StoredWithdrawal {
    fn from(Withdrawal { by, comment }: &Withdrawal) -> Self {
        let ref_moved = *by == Withdrawer::RefMoved;
        let (by, run_id) = match by {
            Withdrawer::Person(performer) => (StoredPerson::of(performer), None),
            Withdrawer::Run(id) => (None, Some(id.clone())),
            Withdrawer::RefMoved => (None, None),
        };
        let comment = Some(comment.clone()).filter(|comment| !comment.is_empty());
        Self { by, run_id, comment, ref_moved }
    }
}

impl StoredWithdrawal {
    fn withdrawal(self) -> Option<Withdrawal> {
        let by = match (self.by, self.run_id) {
            _ if self.ref_moved => Withdrawer::RefMoved,
            (_, Some(id)) => Withdrawer::Run(id),
            (Some(person), None) => Withdrawer::Person(person.performer()?),
            (None, None) => Withdrawer::Person(Performer::Anonymous),
        };
        Some(Withdrawal { by, comment: self.comment.unwrap_or_default() })
    }
}

impl StoredRuling {
    /// A ruling, and its writer's claim of the first attempt to send its dispatch.
    pub fn of(ruling: &Ruling, claim: Option<&Attempt>) -> Self {
        Self {
            verdict: ruling.ending.as_str().to_owned(),
            votes: ruling.ballots.iter().map(StoredBallot::from).collect(),
            decided_at: ruling.decided_at,
            ticket: ruling.ticket.as_ref().map(|ticket| ticket.expose().to_owned()),
            claim: claim.map(StoredAttempt::from),
            withdrawn: ruling.withdrawal.as_ref().map(StoredWithdrawal::from),
            later: ruling.policy.as_deref().map(LaterRuling::from).unwrap_or_default(),
        }
    }

    /// The ruling, and the claim of its dispatch's first attempt.
    pub fn ruled(self) -> Option<Decided<Ruling>> {
        let ruling = Ruling {
            ending: Ending::parse(&self.verdict)?,
            ballots: self.votes.iter().map(StoredBallot::ballot).collect::<Option<_>>()?,
            decided_at: self.decided_at,
            ticket: parsed(self.ticket, |ticket| Ticket::parse(&ticket))?,
            withdrawal: parsed(self.withdrawn, StoredWithdrawal::withdrawal)?,
            policy: self.later.settled()?.map(Box::new),
        };
        Some(Decided { decision: ruling, claim: self.claim.map(StoredAttempt::attempt) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vote_keeps_the_groups_that_were_known_and_one_without_is_read_as_before() {
        let vote = r#"{"performer":null,"verdict":"approve","comment":"","at":"2026-11-27T12:00:00Z"}"#;
        let group = "0a0b0c0d-1111-2222-3333-444455556666";
        let with_groups = vote.replace("}", &format!(r#","groups":["{group}"]}}"#));
        for (json, groups) in [(vote, 0), (&with_groups, 1)] {
            let ballot =
                serde_json::from_str::<StoredBallot>(json).expect("a record").ballot().expect("a vote");
            assert_eq!(ballot.groups.len(), groups);
            assert_eq!(serde_json::to_string(&StoredBallot::from(&ballot)).expect("JSON"), *json);
        }
        let damaged = with_groups.replace(group, "no group");
        assert!(serde_json::from_str::<StoredBallot>(&damaged).expect("a record").ballot().is_none());
    }

    #[test]
    fn a_withdrawal_is_read_as_it_was_written() {
        let by_run = r#"{"verdict":"withdrawn","votes":[],"decided_at":"2026-11-27T12:00:00Z","withdrawn":{"by":null,"run_id":"4712","comment":null}}"#;
        let person = r#"{"object_id":"0a0b0c0d-1111-2222-3333-444455556666","tenant":"99999999-1111-2222-3333-444455556666","display_name":"Alex Wilber"}"#;
        let by_person = format!(
            r#"{{"verdict":"withdrawn","votes":[],"decided_at":"2026-11-27T12:00:00Z","withdrawn":{{"by":{person},"run_id":null,"comment":"Wrong branch."}}}}"#
        );
        let read = |json: &str| {
            let stored: StoredRuling = serde_json::from_str(json).expect("a record");
            let ruling = stored.ruled().expect("a ruling").decision;
            assert_eq!(serde_json::to_string(&StoredRuling::of(&ruling, None)).expect("JSON"), json);
            (ruling.ending, ruling.withdrawal.expect("a withdrawal"))
        };
        let run = Withdrawal { by: Withdrawer::Run("4712".to_owned()), comment: String::new() };
        assert_eq!(read(by_run), (Ending::Withdrawn, run));
        let moved = r#"{"verdict":"withdrawn","votes":[],"decided_at":"2026-11-27T12:00:00Z","withdrawn":{"by":null,"run_id":null,"comment":"the ref has moved","ref_moved":true}}"#;
        assert_eq!(read(moved), (Ending::Withdrawn, Withdrawal::ref_moved()));
        let governed = by_run.replace(
            "}}",
            &format!(r#"}},"rule":"production","requirements":[{{"name":"Security","approvals":1,"met_by":[{person}]}}]}}"#),
        );
        assert_eq!(read(&governed).0, Ending::Withdrawn);
        let (_, withdrawal) = read(&by_person);
        assert_eq!(withdrawal.comment, "Wrong branch.");
        assert!(matches!(withdrawal.by, Withdrawer::Person(Performer::Person(_))));
    }
}
