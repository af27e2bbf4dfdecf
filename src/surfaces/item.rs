//! An approval or a relayed decision as JSON, for programs.

use std::collections::HashSet;

use serde::Serialize;
use serde_json::value::RawValue;

use crate::{
    approval::{
        Author, Comparison, Delivery, Ending, EventType, Inputs, Item, PerformerJson, PolicyJson,
        RelayStanding, Standing, Verdict, Withdrawer, performers, rfc_3339, withdrawer,
    },
    approve::Stories,
    cards::{Cards, sentences},
};

/// The item that a waiting job, a release workflow and a reader of the list get. Absent values are `null`; three members
/// that few requests have are left out.
#[derive(Default, Serialize)]
pub struct ItemJson<'a> {
    id: &'a str,
    status: &'static str,
    dry_run: bool,
    title: Option<&'a str>,
    repository: Option<String>,
    event_type: Option<&'a str>,
    /// The workflow that is started in place of an event, its full ref, and its inputs.
    workflow: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dispatch_ref: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    inputs: Option<&'a RawValue>,
    rejected_event_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expired_event_type: Option<&'a str>,
    client_payload: Option<&'a RawValue>,
    #[serde(flatten)]
    asked_by: Option<AskedByJson<'a>>,
    performers: Vec<PerformerJson<'a>>,
    decided_at: Option<String>,
    delivered_at: Option<String>,
    delivery: &'static str,
    delivery_error: Option<String>,
    run: Option<RunJson<'a>>,
    changes: Option<ChangesJson<'a>>,
    /// The rule that held; while the approval is open, the one that would.
    policy: Option<PolicyJson<'a>>,
    /// The comment of a withdrawal.
    comment: Option<&'a str>,
}

/// The members that only a requested approval has.
#[derive(Serialize)]
struct AskedByJson<'a> {
    sha: &'a str,
    #[serde(rename = "ref")]
    git_ref: &'a str,
    environment: Option<&'a str>,
    job_workflow_ref: Option<&'a str>,
    run_id: &'a str,
    run_attempt: &'a str,
    requested_by: &'a str,
    key: Option<&'a str>,
    approvals_required: usize,
    created_at: String,
    expires_at: String,
    posted: &'static str,
    url: String,
}

/// The run that releases.
#[derive(Serialize)]
struct RunJson<'a> {
    id: &'a str,
    attempt: String,
    url: String,
    conclusion: Option<&'static str>,
}

/// The changes since the last release.
#[derive(Serialize)]
struct ChangesJson<'a> {
    base: &'a str,
    commits: usize,
    /// The logins, each once; the name where there is no account.
    authors: Vec<&'a str>,
    url: Option<String>,
}

/// The changes of an approval, once they are known and there is a last release.
fn changes<'a>(cards: &Cards, standing: &'a Standing) -> Option<ChangesJson<'a>> {
    let changes = standing.changes.as_ref()?;
    let Comparison { base, commits, authors, .. } = changes.comparison()?;
    let mut names: Vec<_> = authors.iter().map(Author::as_str).filter(|name| !name.is_empty()).collect();
    let mut seen = HashSet::new();
    names.retain(|name| seen.insert(*name));
    let url = cards.compare_url(changes, &standing.request.workload);
    Some(ChangesJson { base, commits: *commits, authors: names, url })
}

/// The names of the columns of a CSV line.
pub const CSV_HEAD: &str = "id,status,repository,event_type,workflow,environment,ref,sha,requested_by,approvers,created_at,decided_at,delivery,url";

impl ItemJson<'_> {
    /// The line of a CSV file, without its end (RFC 4180).
    pub fn csv(&self) -> String {
        let asked = |get: fn(&AskedByJson) -> String| self.asked_by.as_ref().map(get).unwrap_or_default();
        let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
        let approvers =
            self.performers.iter().filter(|performer| performer.verdict == Verdict::Approve.as_str());
        let approvers = approvers.map(|performer| performer.name.unwrap_or(&performer.id).to_owned());
        let cells = [
            self.id.to_owned(),
            self.status.to_owned(),
            text(self.repository.as_deref()),
            text(self.event_type),
            text(self.workflow),
            asked(|asked| asked.environment.unwrap_or_default().to_owned()),
            asked(|asked| asked.git_ref.to_owned()),
            asked(|asked| asked.sha.to_owned()),
            asked(|asked| asked.requested_by.to_owned()),
            approvers.collect::<Vec<_>>().join("; "),
            asked(|asked| asked.created_at.clone()),
            text(self.decided_at.as_deref()),
            self.delivery.to_owned(),
            asked(|asked| asked.url.clone()),
        ];
        cells.map(|cell| csv_cell(&cell)).join(",")
    }
}

/// A cell. A spreadsheet takes what begins like a formula for one, so a quotation mark stands before it.
fn csv_cell(text: &str) -> String {
    let is_formula = text.starts_with(['=', '+', '-', '@', '\t']);
    let text = if is_formula { format!("'{text}") } else { text.to_owned() };
    match text.contains([',', '"', '\r', '\n']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text,
    }
}

/// The JSON of a line of the list.
pub fn item<'a>(stories: &'a Stories, item: &'a Item) -> ItemJson<'a> {
    match item {
        Item::Requested(standing) => requested(stories, standing, ShownTo::Approver),
        Item::Relayed(relay) => relayed(stories, relay),
        Item::Unreadable(id, _) => ItemJson {
            id,
            status: "unreadable",
            dry_run: stories.policy.dry_run,
            delivery: "none",
            ..ItemJson::default()
        },
    }
}

/// The reader of an approval's JSON.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum ShownTo {
    /// An approver, who sees everything.
    Approver,
    /// A job, whose output everybody can read if its repository is public: then without names and comments.
    Job,
}

/// The JSON of a requested approval.
pub fn requested<'a>(stories: &'a Stories, standing: &'a Standing, reader: ShownTo) -> ItemJson<'a> {
    let Standing { request, ballots, ruling, .. } = standing;
    let (cards, is_dry_run) = (&stories.outbox.cards, stories.policy.dry_run);
    let (asked, workload) = (&request.terms, &request.workload);
    let workflow = asked.workflow.as_ref();
    let hides_names = reader == ShownTo::Job && workload.is_public;
    let withdrawer = ruling.as_ref().and_then(|ruling| withdrawer(ruling, hides_names));
    let ours = standing.ruling.as_ref().and_then(|ruling| ruling.withdrawal.as_ref());
    let ours = ours.filter(|withdrawal| withdrawal.by == Withdrawer::RefMoved);
    let comment = withdrawer.as_ref().and_then(|withdrawer| withdrawer.comment);
    let (run, named) = (standing.run.as_ref(), standing.named_run.as_ref());
    let id = run.map(|run| &run.id).or(named.map(|named| &named.id));
    let run = id.map(|id| RunJson {
        id,
        attempt: run.map_or(1, |run| run.attempt).to_string(),
        url: cards.release_url(&workload.repository, id),
        conclusion: run.and_then(|run| run.end).map(|end| end.conclusion.as_str()),
    });
    let comment = comment.or(ours.map(|withdrawal| withdrawal.comment.as_str()));
    ItemJson {
        id: request.id.as_str(),
        status: status(standing, is_dry_run),
        dry_run: is_dry_run,
        title: asked.title.as_deref(),
        repository: Some(workload.repository.to_string()),
        event_type: event_type(&asked.event_type),
        workflow: workflow.map(|workflow| workflow.file.as_str()),
        dispatch_ref: workflow.map(|workflow| workflow.git_ref(workload)),
        inputs: workflow.map(|workflow| workflow.inputs.as_ref().map_or(empty(), Inputs::as_raw)),
        rejected_event_type: event_type(&asked.rejected_event_type),
        expired_event_type: event_type(&asked.expired_event_type),
        client_payload: workflow
            .is_none()
            .then(|| asked.client_payload.as_ref().map_or(empty(), |payload| payload.as_raw())),
        asked_by: Some(AskedByJson {
            sha: &workload.sha,
            git_ref: &workload.git_ref,
            environment: workload.environment.as_deref(),
            job_workflow_ref: workload.job_workflow_ref.as_deref(),
            run_id: &workload.run_id,
            run_attempt: &workload.run_attempt,
            requested_by: &workload.actor,
            key: asked.key.as_deref(),
            approvals_required: stories.policy.approvals(standing).1,
            created_at: rfc_3339(request.created_at),
            expires_at: rfc_3339(request.expires_at()),
            posted: stories.outbox.posted(standing).as_str(),
            url: cards.page_url(&request.id),
        }),
        performers: performers(ballots, hides_names).into_iter().chain(withdrawer).collect(),
        comment,
        run,
        changes: changes(cards, standing),
        decided_at: ruling.as_ref().map(|ruling| rfc_3339(ruling.decided_at)),
        policy: match ruling {
            Some(ruling) => ruling.policy.as_deref().map(PolicyJson::from),
            None => stories.policy.governing_of(request).rule().map(|rule| PolicyJson { name: &rule.name }),
        },
        ..with_delivery(stories.policy.delivery(standing))
    }
}

fn event_type(event_type: &Option<EventType>) -> Option<&str> {
    event_type.as_ref().map(EventType::as_str)
}

/// The members about the delivery of the event.
fn with_delivery<'a>(delivery: Delivery) -> ItemJson<'a> {
    ItemJson {
        delivery: delivery.state.as_str(),
        delivered_at: delivery.delivered_at.map(rfc_3339),
        delivery_error: delivery.error.as_ref().map(sentences::delivery_error),
        ..ItemJson::default()
    }
}

/// The word for the state of an approval. An approval in a dry run approves nothing, and gets another word.
// T7
pub fn status(standing: &Standing, is_dry_run: bool) -> &'static str {
    match standing.ending() {
        None => "pending",
        Some(Ending::Approved) => approved(is_dry_run),
        Some(ending @ (Ending::Rejected | Ending::Expired | Ending::Withdrawn)) => ending.as_str(),
    }
}

fn approved(is_dry_run: bool) -> &'static str {
    if is_dry_run { "dry-run" } else { Ending::Approved.as_str() }
}

fn relayed<'a>(stories: &Stories, relay: &'a RelayStanding) -> ItemJson<'a> {
    let (decision, is_dry_run) = (&relay.decision, stories.policy.dry_run);
    let dispatch = &decision.dispatch;
    ItemJson {
        id: decision.id.as_str(),
        status: approved(is_dry_run),
        dry_run: is_dry_run,
        repository: Some(dispatch.repository.to_string()),
        event_type: Some(dispatch.event_type.as_str()),
        client_payload: Some(dispatch.client_payload.as_ref().map_or(empty(), |payload| payload.as_raw())),
        performers: vec![PerformerJson::clicked(&decision.performer, decision.decided_at)],
        decided_at: Some(rfc_3339(decision.decided_at)),
        ..with_delivery(stories.policy.delivery_of_relay(relay))
    }
}

/// The empty payload, in place of none.
fn empty() -> &'static RawValue {
    serde_json::from_str("{}").expect("an empty object is JSON")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_no_formula_and_stays_in_its_place() {
        for (text, cell) in [
            ("octo/app", "octo/app"),
            ("=1+1", "'=1+1"),
            ("@a", "'@a"),
            ("-a,b", "\"'-a,b\""),
            ("\ta", "'\ta"),
            ("a \"b\"", "\"a \"\"b\"\"\""),
            ("a\r\nb", "\"a\r\nb\""),
            ("", ""),
        ] {
            assert_eq!(csv_cell(text), cell);
        }
    }
}
