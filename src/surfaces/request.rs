//! `RequestApproval`: a job of a workflow asks for an approval, and later for its state.
//!
//! GitHub's token tells who asks; the body only tells what to decide on. The body is read strictly, so that
//! a misspelt field is named instead of passed over.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use log::Level;
use serde::Serialize;
use serde_json::value::RawValue;

use super::{
    bearer,
    fields::{Field, json_of, media_type, name, once},
    item::{self, ShownTo},
    json_answer, log_line, rejected, report_answer,
    run_word::{RunWord, parse_word},
};
use crate::{
    approval::{
        ApprovalId, Approver, ClientPayload, EventType, Forbidden, GitRef, Inputs, Invalid, Members, Outcome,
        Standing, Terms, Unreached, Withdrawal, Withdrawer, WorkflowCall, WorkflowFile, Workload, rfc_3339,
    },
    approve::{NewRequest, Report, Stories, failed},
    cards::content::Content,
    cards::sentences::Reader,
    host::{Answer, Body, Invocation},
    identity::{
        Rejection,
        github_oidc::{Job, JobTokens},
    },
    text::log::printable,
};

/// The function's name in the log.
const FUNCTION: &str = "RequestApproval";

/// The function, with everything that it needs.
pub struct Requests {
    /// The stories of the approvals.
    pub stories: Arc<Stories>,
    /// The verifier of the tokens of jobs.
    pub tokens: JobTokens,
    /// The audience that these must be for.
    pub audience: String,
}

/// The answer to a job that asks.
#[derive(Serialize)]
struct AskedJson<'a> {
    id: &'a str,
    status: &'static str,
    url: String,
    expires_at: String,
    posted: &'static str,
    card: serde_json::Value,
    mail_card: Option<serde_json::Value>,
}

impl Requests {
    /// Answers one request.
    pub async fn answer(&self, request: Invocation) -> Answer {
        let answered = match (request.method.to_ascii_uppercase().as_str(), &request.id) {
            ("POST", None) => self.ask(&request).await,
            ("GET", Some(id)) => self.show(&request, id).await,
            ("POST", Some(id)) => self.hear(&request, id).await,
            ("DELETE", Some(id)) => self.withdraw(&request, id).await,
            (_, None) => Err(Outcome::Invalid(Invalid::Method("POST")).into()),
            (_, Some(_)) => Err(Outcome::Invalid(Invalid::Method("GET, POST, DELETE")).into()),
        };
        answered
            .unwrap_or_else(|report| report_answer(FUNCTION, Reader::Job(&self.audience), &request, &report))
    }

    async fn ask(&self, request: &Invocation) -> Result<Answer, Report> {
        if request.body == Body::TooLarge {
            return Err(Outcome::TooLarge.into());
        }
        let job = self.job(request).await?;
        let (terms, body) = self.terms(request).map_err(Outcome::Invalid)?;
        let Job { workload, visibility, .. } = job?;
        let new = NewRequest { terms, workload, visibility, body };
        let (standing, is_new) = self.stories.ask(new, request.timing).await?;
        let mut answer =
            json_answer(if is_new { 201 } else { 200 }, &self.asked_json(&standing, request.timing.now));
        answer.log.push((Level::Info, self.asked_line(request, &standing)));
        Ok(answer)
    }

    /// The job that asks. The inner error is for a job that may not ask; errors in the body are reported before it.
    // T1
    async fn job(&self, request: &Invocation) -> Result<Result<Job, Report>, Report> {
        let token = bearer(request, &["authorization"]).map_err(Rejection::Failed).map_err(rejected)?;
        let token = token.ok_or_else(|| rejected(Rejection::NoCredentials))?;
        let job = self.tokens.verify(token, request.timing.now).await.map_err(rejected)?;
        Ok(match job {
            Job { is_pull_request: true, .. } => Err(Outcome::Forbidden(Forbidden::PullRequest).into()),
            job => Ok(job),
        })
    }

    /// The contents of the body, and the body as it was read.
    fn terms(&self, request: &Invocation) -> Result<(Terms, Vec<u8>), Invalid> {
        let body = body_of(request)?;
        let terms = parse_body(body, self.stories.policy.min_approvals)?;
        Ok((terms, json_of(body)?.into_owned().into_bytes()))
    }

    fn asked_json<'a>(&self, standing: &'a Standing, now: DateTime<Utc>) -> AskedJson<'a> {
        let cards = &self.stories.outbox.cards;
        let request = &standing.request;
        // T10. Everybody can read the output of a public repository's jobs: no names there, and no key.
        let shown = standing.without_names_if_public();
        let content = Content::of(&shown, &self.stories.policy, now);
        let mail_card = cards.mail(&content).filter(|_| !request.workload.is_public);
        AskedJson {
            id: request.id.as_str(),
            status: item::status(standing, self.stories.policy.dry_run),
            url: cards.page_url(&request.id),
            expires_at: rfc_3339(request.expires_at()),
            posted: self.stories.outbox.posted(standing).as_str(),
            card: cards.teams(&content),
            mail_card,
        }
    }

    /// The job that calls, and the approval of its repository that it names.
    async fn approval(&self, request: &Invocation, id: &str) -> Result<(Workload, Standing), Report> {
        let job = self.job(request).await??;
        self.approval_of(job, request, id).await
    }

    async fn approval_of(
        &self,
        job: Job,
        request: &Invocation,
        id: &str,
    ) -> Result<(Workload, Standing), Report> {
        let Job { workload, visibility, .. } = job;
        let unknown = || Report::from(Outcome::Unknown);
        let id = ApprovalId::parse(id).ok_or_else(unknown)?;
        let standing = self.stories.look_as_job(&id, &workload, visibility, request.timing).await;
        let standing = standing.map_err(|error| failed(Unreached::Progress, &error))?.ok_or_else(unknown)?;
        Ok((workload, standing))
    }

    async fn show(&self, request: &Invocation, id: &str) -> Result<Answer, Report> {
        let (_, standing) = self.approval(request, id).await?;
        Ok(json_answer(200, &item::requested(&self.stories, &standing, ShownTo::Job)))
    }

    /// The approval, as it stands once it is known what a run says about itself.
    async fn hear(&self, request: &Invocation, id: &str) -> Result<Answer, Report> {
        if request.body == Body::TooLarge {
            return Err(Outcome::TooLarge.into());
        }
        let job = self.job(request).await?;
        let word = body_of(request).and_then(parse_word).map_err(Outcome::Invalid)?;
        let (workload, standing) = self.approval_of(job?, request, id).await?;
        let Workload { run_id, run_attempt, .. } = &workload;
        let run = format!("run {run_id}, attempt {run_attempt}");
        let (said, standing) = match word {
            RunWord::Start(ticket) => {
                let story = self.stories.start_run(standing, workload, ticket.as_deref(), request.timing);
                ("started", story.await)
            }
            RunWord::End(conclusion) => {
                let story = self.stories.end_run(standing, workload, conclusion, request.timing);
                (conclusion.as_str(), story.await)
            }
        };
        let standing =
            standing.map_err(|report| report.with(&format!("approval {id}, {run}, {said}"), ", "))?;
        let mut answer = json_answer(200, &item::requested(&self.stories, &standing, ShownTo::Job));
        answer.log.push((Level::Info, self.line(request, &standing, &format!("{run}: {said}"))));
        Ok(answer)
    }

    /// The approval, withdrawn by the run that asked for it.
    async fn withdraw(&self, request: &Invocation, id: &str) -> Result<Answer, Report> {
        let (workload, standing) = self.approval(request, id).await?;
        // T35. A run may take back its own word, and nobody else's.
        if standing.request.workload.run_id != workload.run_id {
            return Err(Outcome::Forbidden(Forbidden::OtherRun).into());
        }
        let withdrawal = Withdrawal { by: Withdrawer::Run(workload.run_id), comment: String::new() };
        let report = self.stories.withdraw(standing, withdrawal, request.timing).await;
        match (&report.outcome, &report.standing) {
            (Outcome::Withdrawn(_) | Outcome::AlreadyDecided(..), Some(standing)) => {
                let mut answer = json_answer(200, &item::requested(&self.stories, standing, ShownTo::Job));
                answer.log.push(log_line(FUNCTION, Reader::Job(&self.audience), request, &report));
                Ok(answer)
            }
            _ => Err(report),
        }
    }

    /// One line that reads alone: the repository and run that asked, and the approval.
    fn asked_line(&self, request: &Invocation, standing: &Standing) -> String {
        let Workload { run_id, run_attempt, .. } = &standing.request.workload;
        let status = item::status(standing, self.stories.policy.dry_run);
        let posted = self.stories.outbox.posted(standing).as_str();
        let about = format!("run {run_id}, attempt {run_attempt}: {status}, posted: {posted}");
        self.line(request, standing, &about)
    }

    fn line(&self, request: &Invocation, standing: &Standing, about: &str) -> String {
        format!(
            "{FUNCTION}: approval {} for {}, {about} (invocation {})",
            standing.request.id,
            standing.request.workload.repository,
            printable(Some(request.invocation_id.as_str()).filter(|id| !id.is_empty()).unwrap_or("-"), 80),
        )
    }
}

/// The body of a request, if it is all there and JSON.
fn body_of(request: &Invocation) -> Result<&[u8], Invalid> {
    let Body::Whole(body) = &request.body else { return Err(Invalid::Incomplete) };
    match media_type(request.header("content-type").unwrap_or("application/json")).as_str() {
        "application/json" => Ok(body),
        _ => Err(Invalid::ContentType),
    }
}

/// The fields of a request, each at most once.
#[derive(Default)]
struct Fields {
    event_type: Option<EventType>,
    client_payload: Option<ClientPayload>,
    workflow: Option<WorkflowFile>,
    git_ref: Option<GitRef>,
    inputs: Option<Inputs>,
    rejected_event_type: Option<EventType>,
    expired_event_type: Option<EventType>,
    title: Option<String>,
    text: Option<String>,
    facts: Option<Vec<(String, String)>>,
    approvers: Option<Vec<Approver>>,
    approvals_required: Option<i64>,
    expires_in_minutes: Option<i64>,
    reminder_minutes: Option<i64>,
    key: Option<String>,
    supersedes: Option<bool>,
    ref_must_not_move: Option<bool>,
}

/// Reads the body of a request. The default number of approvals is `min_approvals`.
pub fn parse_body(body: &[u8], min_approvals: usize) -> Result<Terms, Invalid> {
    let mut read = Fields::default();
    for (name, value) in Members::parse(&json_of(body)?)?.0 {
        parse_field(&mut read, &name, value)?;
    }
    terms(read, min_approvals)
}

fn parse_field(read: &mut Fields, name: &str, value: &RawValue) -> Result<(), Invalid> {
    let text = |name| Field::Json(value).text(name);
    match name {
        "event_type" => once(&mut read.event_type, name, event_type(value, "event_type")?),
        "client_payload" => once(&mut read.client_payload, name, client_payload(value)?),
        "workflow" => once(&mut read.workflow, name, workflow(text("workflow")?)?),
        "ref" => once(&mut read.git_ref, name, git_ref(text("ref")?)?),
        "inputs" => once(&mut read.inputs, name, Inputs::parse(value)?),
        "rejected_event_type" => {
            once(&mut read.rejected_event_type, name, event_type(value, "rejected_event_type")?)
        }
        "expired_event_type" => {
            once(&mut read.expired_event_type, name, event_type(value, "expired_event_type")?)
        }
        "title" => once(&mut read.title, name, text("title")?),
        "text" => once(&mut read.text, name, text("text")?),
        "facts" => once(&mut read.facts, name, facts(value)?),
        "approvers" => once(&mut read.approvers, name, approvers(value)?),
        "approvals_required" => {
            let most = Terms::MAX_REQUIRED as i64;
            once(&mut read.approvals_required, name, number(value, "approvals_required", most)?)
        }
        "expires_in_minutes" => {
            let minutes = number(value, "expires_in_minutes", Terms::MAX_MINUTES)?;
            once(&mut read.expires_in_minutes, name, minutes)
        }
        "reminder_minutes" => {
            once(&mut read.reminder_minutes, name, number(value, "reminder_minutes", Terms::MAX_MINUTES)?)
        }
        "key" => once(&mut read.key, name, key(text("key")?)?),
        "supersedes" => once(&mut read.supersedes, name, boolean(value, "supersedes")?),
        "ref_must_not_move" => once(&mut read.ref_must_not_move, name, boolean(value, "ref_must_not_move")?),
        _ => Err(Invalid::UnknownField(name.to_owned())),
    }
}

fn terms(read: Fields, min_approvals: usize) -> Result<Terms, Invalid> {
    check_ways(&read)?;
    check_event_types(&read)?;
    let required = read.approvals_required.and_then(|required| usize::try_from(required).ok());
    Ok(Terms {
        event_type: read.event_type,
        workflow: read.workflow.map(|file| WorkflowCall { file, git_ref: read.git_ref, inputs: read.inputs }),
        client_payload: read.client_payload,
        rejected_event_type: read.rejected_event_type,
        expired_event_type: read.expired_event_type,
        title: read.title,
        text: read.text,
        facts: read.facts.unwrap_or_default(),
        approvers: read.approvers,
        approvals_required: required.unwrap_or(min_approvals),
        expires_in: TimeDelta::minutes(read.expires_in_minutes.unwrap_or(Terms::DEFAULT_MINUTES)),
        has_own_expiry: read.expires_in_minutes.is_some(),
        reminder: read.reminder_minutes.map(TimeDelta::minutes),
        key: read.key,
        supersedes: read.supersedes.unwrap_or_default(),
        ref_must_not_move: read.ref_must_not_move.unwrap_or_default(),
    })
}

/// Checks that it is an event, a workflow, or nothing that follows.
fn check_ways(read: &Fields) -> Result<(), Invalid> {
    let is_event = read.event_type.is_some() || read.client_payload.is_some();
    let is_workflow = read.workflow.is_some() || read.git_ref.is_some() || read.inputs.is_some();
    match read {
        _ if is_event && is_workflow => Err(Invalid::BothWays),
        Fields { workflow: None, git_ref: Some(_), .. } => Err(Invalid::WithoutWorkflow("ref")),
        Fields { workflow: None, inputs: Some(_), .. } => Err(Invalid::WithoutWorkflow("inputs")),
        _ => Ok(()),
    }
}

/// Checks the events against each other, and that each can carry what is sent along.
fn check_event_types(read: &Fields) -> Result<(), Invalid> {
    let others = [
        ("rejected_event_type", &read.rejected_event_type),
        ("expired_event_type", &read.expired_event_type),
    ];
    let mut seen = vec![("event_type", read.event_type.as_ref())];
    for (field, event_type) in others {
        let Some(event_type) = event_type else { continue };
        if read.event_type.is_none() && read.workflow.is_none() {
            return Err(Invalid::WithoutEventType(field));
        }
        if let Some((other, _)) = seen.iter().find(|(_, seen)| *seen == Some(event_type)) {
            return Err(Invalid::SameEventTypes(field, other));
        }
        if !read.inputs.as_ref().is_none_or(Inputs::fit_an_event) {
            return Err(Invalid::InputsTooLarge);
        }
        seen.push((field, Some(event_type)));
    }
    Ok(())
}

fn workflow(text: String) -> Result<WorkflowFile, Invalid> {
    WorkflowFile::parse(&name(text, "workflow")?).ok_or(Invalid::Workflow)
}

fn git_ref(text: String) -> Result<GitRef, Invalid> {
    GitRef::parse(&name(text, "ref")?).ok_or(Invalid::Ref)
}

fn key(text: String) -> Result<String, Invalid> {
    match text.chars().count() <= Terms::MAX_KEY {
        true => Ok(text),
        false => Err(Invalid::KeyTooLong),
    }
}

fn event_type(value: &RawValue, field: &'static str) -> Result<EventType, Invalid> {
    EventType::parse(&name(Field::Json(value).text(field)?, field)?).ok_or(Invalid::EventTypeLength(field))
}

fn client_payload(value: &RawValue) -> Result<ClientPayload, Invalid> {
    let payload = ClientPayload::parse(value)?;
    let properties = payload.properties();
    if properties > Terms::MAX_PROPERTIES {
        return Err(Invalid::TooManyProperties(properties, Terms::MAX_PROPERTIES));
    }
    match payload.as_str().len() <= Terms::MAX_PAYLOAD_BYTES {
        true => Ok(payload),
        false => Err(Invalid::PayloadTooLarge),
    }
}

fn facts(value: &RawValue) -> Result<Vec<(String, String)>, Invalid> {
    let members = match value.get().starts_with('{') {
        true => Members::parse(value.get())?,
        false => return Err(Invalid::Facts),
    };
    let text = |value: &RawValue| serde_json::from_str(value.get()).map_err(|_| Invalid::Facts);
    members.0.into_iter().map(|(name, value)| Ok((name, text(value)?))).collect()
}

fn approvers(value: &RawValue) -> Result<Vec<Approver>, Invalid> {
    let texts: Vec<String> = serde_json::from_str(value.get()).map_err(|_| Invalid::NotAList("approvers"))?;
    let approver = |text| Approver::parse(name(text, "approvers")?.trim()).ok_or(Invalid::Approver);
    let approvers = texts.into_iter().map(approver).collect::<Result<Vec<_>, _>>()?;
    match approvers.iter().filter_map(Approver::group).count() {
        0..=Terms::MAX_GROUPS => Ok(approvers),
        _ => Err(Invalid::TooManyGroups),
    }
}

fn boolean(value: &RawValue, name: &'static str) -> Result<bool, Invalid> {
    serde_json::from_str(value.get()).map_err(|_| Invalid::NotABoolean(name))
}

/// A whole number from 1 to `most`.
fn number(value: &RawValue, name: &'static str, most: i64) -> Result<i64, Invalid> {
    let number = serde_json::from_str::<i64>(value.get()).ok();
    number.filter(|number| (1..=most).contains(number)).ok_or(Invalid::NotInRange(name, 1, most))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(body: &str) -> Result<Terms, Invalid> {
        parse_body(body.as_bytes(), 1)
    }

    #[test]
    fn nothing_is_needed() {
        let asked = parse_body(b"{}", 2).expect("a request");
        assert_eq!((asked.approvals_required, asked.expires_in), (2, TimeDelta::days(3)));
        assert!(asked.approvers.is_none() && asked.reminder.is_none() && asked.facts.is_empty());
    }

    /// So many inputs.
    fn inputs(count: usize) -> String {
        let all = (0..count).map(|at| format!("\"k{at}\":\"\"")).collect::<Vec<_>>();
        format!("{{{}}}", all.join(","))
    }

    #[test]
    fn a_workflow_may_stand_in_place_of_an_event() {
        let workflow = |body: &str| parse(body).expect(body).workflow.expect("a workflow");
        let shortest = workflow(r#"{"workflow":"release.yml"}"#);
        assert_eq!(shortest.file.as_str(), "release.yml");
        assert!(shortest.git_ref.is_none() && shortest.inputs.is_none());
        let tag = workflow(r#"{"workflow":"a.yaml","ref":"refs/tags/v1","inputs":{"v":"1"}}"#);
        assert_eq!(tag.git_ref.as_ref().map(GitRef::as_str), Some("refs/tags/v1"));
        let branch = workflow(r#"{"workflow":"a.yaml","ref":"main"}"#);
        assert_eq!(branch.git_ref.as_ref().map(GitRef::as_str), Some("refs/heads/main"));
        // Only where an event carries them, too, are its limits theirs.
        let most = format!(r#"{{"workflow":"a.yml","inputs":{}}}"#, inputs(23));
        assert!(workflow(&most).inputs.is_some());
        let long = format!(r#"{{"workflow":"a.yml","inputs":{{"x":"{}"}}}}"#, "x".repeat(60_000));
        assert!(workflow(&long).inputs.is_some());
        let events = r#""rejected_event_type":"no","expired_event_type":"late""#;
        let most = format!(r#"{{"workflow":"a.yml",{events},"inputs":{}}}"#, inputs(9));
        assert!(workflow(&most).inputs.is_some());
        let asked = parse(r#"{"event_type":"go","expired_event_type":"late","ref_must_not_move":true}"#);
        let asked = asked.expect("a request");
        assert_eq!(asked.expired_event_type.as_ref().map(EventType::as_str), Some("late"));
        assert!(asked.ref_must_not_move && !parse("{}").expect("a request").ref_must_not_move);
    }

    #[test]
    fn half_a_character_is_taken_wherever_a_workflow_writes() {
        let asked = parse(
            r#"{"event_type":"go","title":"a\ud83d","text":"\ude00b","facts":{"\ud83d":"c\ud83d"},"client_payload":{"v":"\ud83d"}}"#,
        );
        let asked = asked.expect("a request");
        assert_eq!((asked.title.as_deref(), asked.text.as_deref()), (Some("a\u{fffd}"), Some("\u{fffd}b")));
        assert_eq!(asked.facts, [("\u{fffd}".to_owned(), "c\u{fffd}".to_owned())]);
        assert_eq!(asked.client_payload.expect("a payload").as_str(), r#"{"v":"\ufffd"}"#);
    }

    #[test]
    fn each_fault_has_its_own_name() {
        let long = format!(r#"{{"x":"{}"}}"#, "x".repeat(32_000));
        let big = format!(r#"{{"event_type":"go","client_payload":{{"x":"{}"}}}}"#, "x".repeat(32_000));
        let ten = (0..10).map(|i| format!("\"k{i}\":1")).collect::<Vec<_>>().join(",");
        let ten = format!(r#"{{"event_type":"go","client_payload":{{{ten}}}}}"#);
        for (body, expected) in [
            ("", Invalid::Empty),
            ("[]", Invalid::NotAnObject),
            (r#"{"rejected_event_type":"no"}"#, Invalid::WithoutEventType("rejected_event_type")),
            (r#"{"event_type":""}"#, Invalid::EventTypeLength("event_type")),
            (r#"{"event_type":1}"#, Invalid::NotText("event_type")),
            (r#"{"event_type":"go","event_type":"go"}"#, Invalid::DuplicateKey("event_type".into())),
            (
                r#"{"event_type":"go","rejected_event_type":"go"}"#,
                Invalid::SameEventTypes("rejected_event_type", "event_type"),
            ),
            (
                r#"{"event_type":"go","expired_event_type":"go"}"#,
                Invalid::SameEventTypes("expired_event_type", "event_type"),
            ),
            (
                r#"{"event_type":"go","rejected_event_type":"no","expired_event_type":"no"}"#,
                Invalid::SameEventTypes("expired_event_type", "rejected_event_type"),
            ),
            (
                r#"{"workflow":"a.yml","expired_event_type":"no","rejected_event_type":"no"}"#,
                Invalid::SameEventTypes("expired_event_type", "rejected_event_type"),
            ),
            (r#"{"expired_event_type":"no"}"#, Invalid::WithoutEventType("expired_event_type")),
            (
                r#"{"event_type":"go","expired_event_type":""}"#,
                Invalid::EventTypeLength("expired_event_type"),
            ),
            (
                r#"{"event_type":"go","expired_event_type":"\ud83d"}"#,
                Invalid::BrokenName("expired_event_type"),
            ),
            (r#"{"event_type":"go","workflow":"a.yml"}"#, Invalid::BothWays),
            (r#"{"event_type":"go","ref":"main"}"#, Invalid::BothWays),
            (r#"{"event_type":"go","inputs":{}}"#, Invalid::BothWays),
            (r#"{"workflow":"a.yml","client_payload":{}}"#, Invalid::BothWays),
            (r#"{"client_payload":{},"inputs":{}}"#, Invalid::BothWays),
            (r#"{"ref":"main"}"#, Invalid::WithoutWorkflow("ref")),
            (r#"{"inputs":{}}"#, Invalid::WithoutWorkflow("inputs")),
            (r#"{"workflow":1}"#, Invalid::NotText("workflow")),
            (r#"{"workflow":null}"#, Invalid::NotText("workflow")),
            (r#"{"workflow":"release"}"#, Invalid::Workflow),
            (r#"{"workflow":".github/workflows/a.yml"}"#, Invalid::Workflow),
            (r#"{"workflow":"a\ud83d.yml"}"#, Invalid::BrokenName("workflow")),
            (r#"{"workflow":"a.yml","workflow":"a.yml"}"#, Invalid::DuplicateKey("workflow".into())),
            (r#"{"workflow":"a.yml","ref":7}"#, Invalid::NotText("ref")),
            (r#"{"workflow":"a.yml","ref":""}"#, Invalid::Ref),
            (r#"{"workflow":"a.yml","ref":"refs/pull/7/head"}"#, Invalid::Ref),
            ("{\"workflow\":\"a.yml\",\"ref\":\"ma\u{fffd}in\"}", Invalid::BrokenName("ref")),
            (r#"{"workflow":"a.yml","inputs":[]}"#, Invalid::Inputs),
            (r#"{"workflow":"a.yml","inputs":{"a":true}}"#, Invalid::Inputs),
            (r#"{"workflow":"a.yml","inputs":{"approval":""}}"#, Invalid::ReservedInput),
            (&format!(r#"{{"workflow":"a.yml","inputs":{}}}"#, inputs(24)), Invalid::TooManyInputs(24)),
            (
                &format!(r#"{{"workflow":"a.yml","expired_event_type":"no","inputs":{}}}"#, inputs(10)),
                Invalid::InputsTooLarge,
            ),
            (
                &format!(r#"{{"workflow":"a.yml","rejected_event_type":"no","inputs":{long}}}"#),
                Invalid::InputsTooLarge,
            ),
            (r#"{"ref_must_not_move":1}"#, Invalid::NotABoolean("ref_must_not_move")),
            (r#"{"event_type":"go","evnt":1}"#, Invalid::UnknownField("evnt".into())),
            (r#"{"event_type":"go","title":null}"#, Invalid::NotText("title")),
            (r#"{"event_type":"go","facts":["a"]}"#, Invalid::Facts),
            (r#"{"event_type":"go","facts":{"a":1}}"#, Invalid::Facts),
            (r#"{"event_type":"go","facts":{"a":"1","a":"2"}}"#, Invalid::DuplicateKey("a".into())),
            (r#"{"event_type":"go","approvers":"a@x.com"}"#, Invalid::NotAList("approvers")),
            (r#"{"event_type":"go","approvers":["Alex"]}"#, Invalid::Approver),
            (
                r#"{"event_type":"go","approvals_required":0}"#,
                Invalid::NotInRange("approvals_required", 1, 10),
            ),
            (
                r#"{"event_type":"go","approvals_required":11}"#,
                Invalid::NotInRange("approvals_required", 1, 10),
            ),
            (
                r#"{"event_type":"go","expires_in_minutes":43201}"#,
                Invalid::NotInRange("expires_in_minutes", 1, 43_200),
            ),
            (
                r#"{"event_type":"go","expires_in_minutes":1.5}"#,
                Invalid::NotInRange("expires_in_minutes", 1, 43_200),
            ),
            (
                r#"{"event_type":"go","reminder_minutes":"1"}"#,
                Invalid::NotInRange("reminder_minutes", 1, 43_200),
            ),
            (r#"{"event_type":"go","client_payload":[]}"#, Invalid::ClientPayloadNotAnObject),
            (r#"{"event_type":"go","client_payload":{"approval":1}}"#, Invalid::ReservedKey),
            (r#"{"event_type":"go\ud83d"}"#, Invalid::BrokenName("event_type")),
            (
                r#"{"event_type":"go","rejected_event_type":"\ude00"}"#,
                Invalid::BrokenName("rejected_event_type"),
            ),
            (r#"{"event_type":"go","approvers":["a\ud83d@x.com"]}"#, Invalid::BrokenName("approvers")),
            (&ten, Invalid::TooManyProperties(10, 9)),
            (&big, Invalid::PayloadTooLarge),
        ] {
            assert_eq!(parse(body).expect_err(body), expected, "{body}");
        }
    }
}
