//! A request, as it is stored.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::parsed;
use crate::approval::{
    ApprovalId, Approver, ClientPayload, EventType, GitRef, Inputs, Repository, Request, Terms, WorkflowCall,
    WorkflowFile, Workload,
};

/// A requested approval.
#[derive(Serialize, Deserialize)]
pub struct StoredRequest {
    id: String,
    created_at: DateTime<Utc>,
    asked: StoredAsked,
    workload: StoredWorkload,
}

/// Since format 2, `event_type` may be missing, and the members after `reminder_minutes` may be there.
#[derive(Serialize, Deserialize)]
struct StoredAsked {
    event_type: Option<String>,
    client_payload: Option<Box<RawValue>>,
    rejected_event_type: Option<String>,
    title: Option<String>,
    text: Option<String>,
    facts: Vec<(String, String)>,
    approvers: Option<Vec<String>>,
    approvals_required: usize,
    expires_in_minutes: i64,
    reminder_minutes: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    supersedes: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expired_event_type: Option<String>,
    /// The workflow in place of `event_type`, and with it `ref` and `inputs`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    workflow: Option<String>,
    #[serde(default, rename = "ref", skip_serializing_if = "Option::is_none")]
    git_ref: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    inputs: Option<Box<RawValue>>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    ref_must_not_move: bool,
}

/// Since format 2, the members after `actor` may be there.
#[derive(Serialize, Deserialize)]
struct StoredWorkload {
    repository: String,
    repository_id: String,
    is_public: bool,
    #[serde(rename = "ref")]
    git_ref: String,
    sha: String,
    run_id: String,
    run_attempt: String,
    actor: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    repository_owner_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    environment: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    job_workflow_ref: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    workflow_ref: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    event_name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    actor_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    run_number: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rerun_by: Option<String>,
}

impl From<&Request> for StoredRequest {
    fn from(Request { id, terms, workload, created_at }: &Request) -> Self {
        Self {
            id: id.to_string(),
            created_at: *created_at,
            asked: StoredAsked::from(terms),
            workload: StoredWorkload::from(workload),
        }
    }
}

impl StoredRequest {
    /// The request, if it can still be decided.
    pub fn request(self) -> Option<Request> {
        Some(Request {
            id: ApprovalId::parse(&self.id)?,
            terms: self.asked.terms()?,
            workload: self.workload.workload()?,
            created_at: self.created_at,
        })
    }
}

impl From<&Terms> for StoredAsked {
    fn from(terms: &Terms) -> Self {
        let text = |event_type: &EventType| event_type.as_str().to_owned();
        let workflow = terms.workflow.as_ref();
        Self {
            event_type: terms.event_type.as_ref().map(text),
            client_payload: terms.client_payload.as_ref().map(|payload| payload.as_raw().to_owned()),
            rejected_event_type: terms.rejected_event_type.as_ref().map(text),
            title: terms.title.clone(),
            text: terms.text.clone(),
            facts: terms.facts.clone(),
            approvers: terms.approvers.as_ref().map(|listed| listed.iter().map(Approver::as_text).collect()),
            approvals_required: terms.approvals_required,
            expires_in_minutes: terms.expires_in.num_minutes(),
            reminder_minutes: terms.reminder.map(|reminder| reminder.num_minutes()),
            key: terms.key.clone(),
            supersedes: terms.supersedes,
            expired_event_type: terms.expired_event_type.as_ref().map(text),
            workflow: workflow.map(|workflow| workflow.file.as_str().to_owned()),
            git_ref: workflow
                .and_then(|workflow| workflow.git_ref.as_ref())
                .map(|git_ref| git_ref.as_str().to_owned()),
            inputs: workflow
                .and_then(|workflow| workflow.inputs.as_ref())
                .map(|inputs| inputs.as_raw().to_owned()),
            ref_must_not_move: terms.ref_must_not_move,
        }
    }
}

impl StoredAsked {
    fn terms(self) -> Option<Terms> {
        let approvers = |listed: Vec<String>| listed.iter().map(|text| Approver::parse(text)).collect();
        let event_type = |text: String| EventType::parse(&text);
        let workflow = stored_workflow(self.workflow, self.git_ref, self.inputs)?;
        if workflow.is_some() && (self.event_type.is_some() || self.client_payload.is_some()) {
            return None;
        }
        Some(Terms {
            event_type: parsed(self.event_type, event_type)?,
            workflow,
            client_payload: parsed(self.client_payload, |raw| ClientPayload::parse(&raw).ok())?,
            rejected_event_type: parsed(self.rejected_event_type, event_type)?,
            expired_event_type: parsed(self.expired_event_type, event_type)?,
            title: self.title,
            text: self.text,
            facts: self.facts,
            approvers: parsed(self.approvers, approvers)?,
            approvals_required: self.approvals_required,
            expires_in: TimeDelta::try_minutes(self.expires_in_minutes)?,
            has_own_expiry: true,
            reminder: parsed(self.reminder_minutes, TimeDelta::try_minutes)?,
            key: self.key,
            supersedes: self.supersedes,
            ref_must_not_move: self.ref_must_not_move,
        })
    }
}

/// The workflow, if there is one. Its ref and its inputs stand for nothing without it.
fn stored_workflow(
    file: Option<String>,
    git_ref: Option<String>,
    inputs: Option<Box<RawValue>>,
) -> Option<Option<WorkflowCall>> {
    let git_ref = parsed(git_ref, |text| GitRef::parse(&text).filter(|git_ref| git_ref.as_str() == text))?;
    let inputs = parsed(inputs, |raw| Inputs::parse(&raw).ok())?;
    match parsed(file, |text| WorkflowFile::parse(&text))? {
        Some(file) => Some(Some(WorkflowCall { file, git_ref, inputs })),
        None => (git_ref.is_none() && inputs.is_none()).then_some(None),
    }
}

impl From<&Workload> for StoredWorkload {
    fn from(workload: &Workload) -> Self {
        let workload = workload.clone();
        Self {
            repository: workload.repository.to_string(),
            repository_id: workload.repository_id,
            is_public: workload.is_public,
            git_ref: workload.git_ref,
            sha: workload.sha,
            run_id: workload.run_id,
            run_attempt: workload.run_attempt,
            actor: workload.actor,
            repository_owner_id: workload.owner_id,
            environment: workload.environment,
            job_workflow_ref: workload.job_workflow_ref,
            workflow_ref: workload.workflow_ref,
            event_name: workload.event_name,
            actor_id: workload.actor_id,
            run_number: workload.run_number,
            rerun_by: workload.rerun_by,
        }
    }
}

impl StoredWorkload {
    fn workload(self) -> Option<Workload> {
        Some(Workload {
            repository: Repository::parse(&self.repository)?,
            repository_id: self.repository_id,
            owner_id: self.repository_owner_id,
            is_public: self.is_public,
            git_ref: self.git_ref,
            sha: self.sha,
            run_id: self.run_id,
            run_number: self.run_number,
            run_attempt: self.run_attempt,
            actor: self.actor,
            actor_id: self.actor_id,
            rerun_by: self.rerun_by,
            event_name: self.event_name,
            environment: self.environment,
            workflow_ref: self.workflow_ref,
            job_workflow_ref: self.job_workflow_ref,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The contents of a request as the last version without workflows wrote them, with more members at the end.
    fn asked(event: &str, more: &str) -> String {
        let rest = r#""title":null,"text":null,"facts":[],"approvers":null,"approvals_required":1,"expires_in_minutes":4320,"reminder_minutes":null"#;
        format!("{{{event},{rest}{more}}}")
    }

    const NOTHING: &str = r#""event_type":null,"client_payload":null,"rejected_event_type":null"#;

    fn read(json: &str) -> Option<Terms> {
        serde_json::from_str::<StoredAsked>(json).expect(json).terms()
    }

    #[test]
    fn a_request_is_read_as_it_was_written() {
        let event = r#""event_type":"go","client_payload":{"v":1.10},"rejected_event_type":"no""#;
        let workflow = r#","workflow":"release.yml","ref":"refs/tags/v1","inputs":{"b":"\u0041", "a":""}"#;
        for json in [
            asked(event, ""),
            asked(event, r#","expired_event_type":"late","ref_must_not_move":true"#),
            asked(NOTHING, r#","key":"a","supersedes":true,"ref_must_not_move":true"#),
            asked(NOTHING, r#","workflow":"release.yml""#),
            asked(NOTHING, workflow),
            asked(NOTHING, &format!(r#","expired_event_type":"late"{workflow}"#)),
        ] {
            let terms = read(&json).expect(&json);
            assert_eq!(serde_json::to_string(&StoredAsked::from(&terms)).expect("JSON"), json);
        }
    }

    #[test]
    fn what_could_start_another_workflow_is_not_read() {
        for json in [
            asked(
                r#""event_type":"go","client_payload":null,"rejected_event_type":null"#,
                r#","workflow":"a.yml""#,
            ),
            asked(
                r#""event_type":null,"client_payload":{},"rejected_event_type":null"#,
                r#","workflow":"a.yml""#,
            ),
            asked(NOTHING, r#","workflow":"../a.yml""#),
            asked(NOTHING, r#","workflow":"a.yml","ref":"main""#),
            asked(NOTHING, r#","workflow":"a.yml","ref":"refs/pull/7/merge""#),
            asked(NOTHING, r#","workflow":"a.yml","inputs":{"ticket":""}"#),
            asked(NOTHING, r#","workflow":"a.yml","inputs":{"a":1}"#),
            asked(NOTHING, r#","ref":"refs/heads/main""#),
            asked(NOTHING, r#","inputs":{}"#),
        ] {
            assert!(read(&json).is_none(), "{json}");
        }
    }

    #[test]
    fn a_job_is_read_as_it_was_written_with_and_without_who_re_ran_it() {
        let claims = r#""ref":"refs/heads/main","sha":"ab","run_id":"9","run_attempt":"2","actor":"octocat""#;
        let repository = r#"{"repository":"octo/app","repository_id":"1","is_public":false"#;
        for more in ["", r#","rerun_by":"hubot""#, r#","run_number":"17","rerun_by":"hubot""#] {
            let json = format!("{repository},{claims}{more}}}");
            let stored: StoredWorkload = serde_json::from_str(&json).expect(&json);
            let workload = stored.workload().expect(&json);
            assert_eq!(workload.rerun_by.is_some(), more.contains("rerun_by"));
            assert_eq!(serde_json::to_string(&StoredWorkload::from(&workload)).expect("JSON"), json);
        }
    }
}
