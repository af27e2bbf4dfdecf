//! The sample approval for a person who starts us by hand, to try the page with.

use std::sync::Arc;

use anyhow::{Context, anyhow};

use crate::{
    approval::{ApprovalId, ClientPayload, EventType, Repository, Terms, Visibility, Workload},
    approve::{NewRequest, Stories},
    timing::Timing,
};

/// The event type once it is approved; a dry run sends nothing.
const EVENT_TYPE: &str = "release-approved-in-a-dry-run";

const TEXT: &str = "A **sample**, made when this process started: approve it, or reject it with a comment.\n\n\
    - Nothing is sent to GitHub: this is a dry run.\n- A workflow asks for an approval like this one with one step; \
    see `examples/`.";

/// Opens a sample approval, and returns its id.
pub async fn open(stories: &Arc<Stories>, timing: Timing) -> anyhow::Result<ApprovalId> {
    let repository = stories.policy.default_repository.clone();
    let repository = repository.context("there is no GITHUB_REPOSITORY to make a sample for")?;
    let new = NewRequest {
        terms: terms(stories.policy.min_approvals)?,
        workload: workload(repository),
        visibility: Visibility { said_at: timing.now.timestamp(), is_public: false },
        // Each start has a sample of its own.
        body: timing.now.timestamp_micros().to_be_bytes().into(),
    };
    let asked = stories.ask(new, timing).await;
    let (standing, _) =
        asked.map_err(|report| anyhow!("the sample was refused: {}", report.outcome.name()))?;
    Ok(standing.request.id)
}

fn terms(approvals_required: usize) -> anyhow::Result<Terms> {
    let payload = serde_json::from_str(r#"{"version":"1.4.2"}"#)?;
    let event_type = EventType::parse(EVENT_TYPE).context("the sample has no event type")?;
    Ok(Terms {
        client_payload: ClientPayload::parse(payload).ok(),
        title: Some("Release 1.4.2 to production".to_owned()),
        text: Some(TEXT.to_owned()),
        facts: vec![("Environment".to_owned(), "production".to_owned())],
        approvals_required,
        ..Terms::sample(event_type)
    })
}

fn workload(repository: Repository) -> Workload {
    Workload {
        event_name: Some("push".to_owned()),
        environment: Some("production".to_owned()),
        ..Workload::sample(repository)
    }
}
