//! The sample approvals for a person who starts us by hand, to try the page with.

use std::sync::Arc;

use super::{NewRequest, Report, Stories};
use crate::{
    approval::{
        ApprovalId, Author, Changes, ClientPayload, Commit, Comparison, EventType, Outcome, Repository,
        Terms, Visibility, Workload,
    },
    timing::Timing,
};

/// The event type once it is approved; a dry run sends nothing.
const EVENT_TYPE: &str = "release-approved-in-a-dry-run";

const TEXT: &str = "A **sample**, made by this program: approve it, or reject it with a comment.\n\n\
    - Nothing is sent to GitHub: this is a dry run.\n- A workflow asks for an approval like this one with one step; \
    see `examples/`.";

impl Stories {
    /// Opens a sample approval, unlike any before it, and returns its id.
    pub async fn open_sample(self: &Arc<Self>, timing: Timing) -> Result<ApprovalId, Report> {
        let repository = self.policy.default_repository.clone();
        let repository = repository.ok_or(Outcome::Misconfigured("GITHUB_REPOSITORY"))?;
        let number = timing.now.timestamp_micros();
        let new = NewRequest {
            terms: terms(self.policy.min_approvals),
            workload: workload(repository, number),
            visibility: Visibility { said_at: timing.now.timestamp(), is_public: false },
            body: number.to_be_bytes().into(),
        };
        let id = self.ask(new, timing).await?.0.request.id;
        self.note_changes(&id, changes(), false, timing).await;
        Ok(id)
    }
}

fn terms(approvals_required: usize) -> Terms {
    let payload = serde_json::from_str(r#"{"version":"1.4.2"}"#).expect("an object");
    Terms {
        client_payload: ClientPayload::parse(payload).ok(),
        title: Some("Release 1.4.2 to production".to_owned()),
        text: Some(TEXT.to_owned()),
        facts: vec![("Risk".to_owned(), "low".to_owned())],
        approvals_required,
        ..Terms::sample(EventType::parse(EVENT_TYPE).expect("an event type"))
    }
}

/// The changes that a dry run, which never asks GitHub, has to show.
fn changes() -> Changes {
    let account = |login: &str| Author::Account(login.to_owned(), None);
    let commit = |sha: &str, login, message: &str| Commit {
        sha: sha.repeat(20),
        message: message.to_owned(),
        author: account(login),
    };
    Changes::Since(Comparison {
        base: "ab".repeat(20),
        commits: 3,
        newest: vec![
            commit("c3", "octocat", "Show prices with their currency (#42)"),
            commit("b2", "hubot", "Deploy with the new runner"),
            commit("a1", "octocat", "Fix the total of an empty cart (#41)"),
        ],
        authors: vec![account("octocat"), account("hubot")],
        commits_read: 3,
        guarded: vec![".github/workflows/release.yml".to_owned()],
        guarded_count: 1,
        files: 7,
        ..Comparison::default()
    })
}

/// A job of a run of its own: a run can have a few open approvals only.
fn workload(repository: Repository, run: i64) -> Workload {
    Workload {
        run_id: run.to_string(),
        run_number: Some("42".to_owned()),
        event_name: Some("push".to_owned()),
        environment: Some("production".to_owned()),
        ..Workload::sample(repository)
    }
}
