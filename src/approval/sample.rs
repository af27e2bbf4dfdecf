//! A made-up job and the shortest request: a dry run shows them, and tests begin with them.

use chrono::TimeDelta;

use super::{EventType, Repository, Terms, Workload};

impl Terms {
    /// A request for one person's approval of this event, without any optional field.
    pub fn sample(event_type: EventType) -> Self {
        Self {
            event_type: Some(event_type),
            workflow: None,
            client_payload: None,
            rejected_event_type: None,
            expired_event_type: None,
            supersedes: false,
            ref_must_not_move: false,
            title: None,
            text: None,
            facts: Vec::new(),
            approvers: None,
            approvals_required: 1,
            expires_in: TimeDelta::minutes(Self::DEFAULT_MINUTES),
            has_own_expiry: false,
            reminder: None,
            key: None,
        }
    }
}

impl Workload {
    /// A push to the main branch of a private repository, without any optional claim.
    pub fn sample(repository: Repository) -> Self {
        Self {
            repository,
            repository_id: "1".to_owned(),
            owner_id: None,
            is_public: false,
            git_ref: "refs/heads/main".to_owned(),
            sha: "0123456789abcdef0123456789abcdef01234567".to_owned(),
            run_id: "1".to_owned(),
            run_attempt: "1".to_owned(),
            run_number: None,
            actor: "octocat".to_owned(),
            actor_id: None,
            rerun_by: None,
            event_name: None,
            environment: None,
            workflow_ref: None,
            job_workflow_ref: None,
        }
    }
}
