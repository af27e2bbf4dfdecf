//! The sample that a person finds who starts us by hand, to try the page with.

use std::sync::Arc;

use anyhow::{Context, anyhow};
use chrono::TimeDelta;

use crate::{
    approval::{ApprovalId, Asked, ClientPayload, EventType, Repository, Visibility, Workload},
    approve::{Approvals, Asking},
    timing::Timing,
};

/// What is sent once it is approved; in a dry run nothing is.
const EVENT_TYPE: &str = "release-approved-in-a-dry-run";

const TEXT: &str = "A **sample**, made when this process started: approve it, or reject it with a comment.\n\n\
    - Nothing is sent to GitHub: this is a dry run.\n- A workflow asks for an approval like this one with one step; \
    see `examples/`.";

/// Opens a sample approval, and returns its id.
pub async fn open(approvals: &Arc<Approvals>, timing: Timing) -> anyhow::Result<ApprovalId> {
    let repository = approvals.policy.default_repository.clone();
    let repository = repository.context("there is no GITHUB_REPOSITORY to make a sample for")?;
    let asking = Asking {
        asked: asked(approvals.policy.min_approvals)?,
        workload: workload(repository),
        visibility: Visibility { said_at: timing.now.timestamp(), is_public: false },
        // Each start has a sample of its own.
        body: timing.now.timestamp_micros().to_be_bytes().into(),
    };
    let asked = approvals.ask(asking, timing).await;
    let (seen, _) = asked.map_err(|report| anyhow!("a sample is refused: {}", report.outcome.name()))?;
    Ok(seen.approval.request.id)
}

fn asked(approvals_required: usize) -> anyhow::Result<Asked> {
    let payload = serde_json::from_str(r#"{"version":"1.4.2"}"#)?;
    Ok(Asked {
        event_type: EventType::parse(EVENT_TYPE).context("an event type")?,
        client_payload: ClientPayload::parse(payload).ok(),
        rejected_event_type: None,
        title: Some("Release 1.4.2 to production".to_owned()),
        text: Some(TEXT.to_owned()),
        facts: vec![("Environment".to_owned(), "production".to_owned())],
        approvers: None,
        approvals_required,
        expires_in: TimeDelta::minutes(Asked::DEFAULT_MINUTES),
        reminder: None,
        key: None,
    })
}

fn workload(repository: Repository) -> Workload {
    Workload {
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
        event_name: Some("push".to_owned()),
        environment: Some("production".to_owned()),
        workflow_ref: None,
        job_workflow_ref: None,
    }
}
