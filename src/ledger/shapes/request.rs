//! A request, as it is stored.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::parsed;
use crate::approval::{ApprovalId, Approver, ClientPayload, EventType, Repository, Request, Terms, Workload};

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
    #[serde(flatten)]
    later: LaterAsked,
}

/// Members of a request that this version cannot act on: a record with any of them is left to newer versions.
#[derive(Default, PartialEq, Serialize, Deserialize)]
struct LaterAsked {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expired_event_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    workflow: Option<String>,
    #[serde(default, rename = "ref", skip_serializing_if = "Option::is_none")]
    git_ref: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    inputs: Option<BTreeMap<String, String>>,
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
            later: LaterAsked::default(),
        }
    }
}

impl StoredAsked {
    fn terms(self) -> Option<Terms> {
        let approvers = |listed: Vec<String>| listed.iter().map(|text| Approver::parse(text)).collect();
        if self.later != LaterAsked::default() {
            return None;
        }
        Some(Terms {
            event_type: parsed(self.event_type, |text| EventType::parse(&text))?,
            client_payload: parsed(self.client_payload, |raw| ClientPayload::parse(&raw).ok())?,
            rejected_event_type: parsed(self.rejected_event_type, |text| EventType::parse(&text))?,
            title: self.title,
            text: self.text,
            facts: self.facts,
            approvers: parsed(self.approvers, approvers)?,
            approvals_required: self.approvals_required,
            expires_in: TimeDelta::try_minutes(self.expires_in_minutes)?,
            reminder: parsed(self.reminder_minutes, TimeDelta::try_minutes)?,
            key: self.key,
            supersedes: self.supersedes,
        })
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
            event_name: self.event_name,
            environment: self.environment,
            workflow_ref: self.workflow_ref,
            job_workflow_ref: self.job_workflow_ref,
        })
    }
}
