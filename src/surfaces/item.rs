//! An approval or a relayed decision as JSON, for programs.

use serde::Serialize;
use serde_json::value::RawValue;

use crate::{
    approval::{Approval, Decision, DeliveryState, Item, PerformerJson, Seen, performers, rfc_3339},
    cards::Cards,
};

/// What a waiting job, a release workflow and a reader of the list get.
#[derive(Serialize)]
pub struct ItemJson<'a> {
    id: &'a str,
    status: &'static str,
    title: Option<&'a str>,
    repository: String,
    event_type: &'a str,
    rejected_event_type: Option<&'a str>,
    client_payload: &'a RawValue,
    #[serde(flatten)]
    asked_by: Option<AskedByJson<'a>>,
    performers: Vec<PerformerJson<'a>>,
    delivery: &'static str,
    decided_at: Option<String>,
}

/// What only a requested approval has.
#[derive(Serialize)]
struct AskedByJson<'a> {
    sha: &'a str,
    #[serde(rename = "ref")]
    git_ref: &'a str,
    run_id: &'a str,
    run_attempt: &'a str,
    requested_by: &'a str,
    approvals_required: usize,
    created_at: String,
    expires_at: String,
    posted: &'static str,
    url: String,
}

/// The JSON of a line of the list.
pub fn item<'a>(cards: &Cards, item: &'a Item) -> ItemJson<'a> {
    match item {
        Item::Requested(seen) => requested(cards, seen, false),
        Item::Relayed(decision, delivery) => relayed(decision, *delivery),
    }
}

/// The JSON of a requested approval. `for_github` leaves out what everybody would see at a public repository.
pub fn requested<'a>(cards: &Cards, seen: &'a Seen, for_github: bool) -> ItemJson<'a> {
    let Seen { approval: Approval { request, ballots, ruling }, delivery, posted } = seen;
    let (asked, workload) = (&request.asked, &request.workload);
    ItemJson {
        id: request.id.as_str(),
        status: status(seen),
        title: asked.title.as_deref(),
        repository: workload.repository.to_string(),
        event_type: asked.event_type.as_str(),
        rejected_event_type: asked.rejected_event_type.as_ref().map(|event_type| event_type.as_str()),
        client_payload: asked.client_payload.as_ref().map_or(empty(), |payload| payload.as_raw()),
        asked_by: Some(AskedByJson {
            sha: &workload.sha,
            git_ref: &workload.git_ref,
            run_id: &workload.run_id,
            run_attempt: &workload.run_attempt,
            requested_by: &workload.actor,
            approvals_required: asked.approvals_required,
            created_at: rfc_3339(request.created_at),
            expires_at: rfc_3339(request.expires_at()),
            posted: posted.as_str(),
            url: cards.page_url(&request.id),
        }),
        performers: performers(ballots, for_github && workload.is_public),
        delivery: delivery.as_str(),
        decided_at: ruling.as_ref().map(|ruling| rfc_3339(ruling.decided_at)),
    }
}

/// The word for how an approval stands.
pub fn status(seen: &Seen) -> &'static str {
    seen.approval.ruling.as_ref().map_or("pending", |ruling| ruling.ending.as_str())
}

fn relayed(decision: &Decision, delivery: DeliveryState) -> ItemJson<'_> {
    let dispatch = &decision.dispatch;
    ItemJson {
        id: decision.id.as_str(),
        status: "approved",
        title: None,
        repository: dispatch.repository.to_string(),
        event_type: dispatch.event_type.as_str(),
        rejected_event_type: None,
        client_payload: dispatch.client_payload.as_ref().map_or(empty(), |payload| payload.as_raw()),
        asked_by: None,
        performers: vec![PerformerJson::clicked(&decision.performer, decision.decided_at)],
        delivery: delivery.as_str(),
        decided_at: Some(rfc_3339(decision.decided_at)),
    }
}

/// A payload that is not there is as good as an empty one.
fn empty() -> &'static RawValue {
    serde_json::from_str("{}").expect("an empty object is JSON")
}
