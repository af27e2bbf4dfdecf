//! The content of an approval: everything that a card, a page or a row of the list shows, as plain data.
//!
//! It holds no markup: identifiers stand as they came, times as times. Each rendering escapes and cuts them for its own
//! place. A new fact is one line here and its label in `labels`; a new kind of value is a variant of [`Value`].

use std::borrow::Cow;

use chrono::{DateTime, TimeDelta, Utc};

use super::{
    labels,
    sentences::delivery_error,
    words::{count, name, own_title, readable, reference, release_run, run, short_commit, title},
};
use crate::approval::{
    Author, Ballot, Changes, Conclusion, Delivery, DeliveryState, DispatchName, Due, Ending, EventType,
    Inputs, Members, Memberships, Met, NamedRun, Performer, Policy, Release, Repository, Request, Ruling,
    Run, Settled, Standing, Verdict, Vote, Withdrawal, Withdrawer, Workload,
};
use crate::text::{identifier::identifier, line::plain};

/// The content of an approval, at one time.
#[derive(Clone, Debug)]
pub struct Content<'a> {
    /// The request, for the addresses and the actions.
    pub request: &'a Request,
    /// The state.
    pub state: State,
    /// The state in words, with how its event stands if that is no good news, or its release.
    pub headline: Cow<'static, str>,
    /// The title, as one plain line.
    pub title: String,
    /// The facts that GitHub vouches for.
    pub proven: Vec<Fact<'a>>,
    /// The workflow's text, as Markdown.
    pub text: Option<&'a str>,
    /// The workflow's facts: names and values.
    pub facts: &'a [(String, String)],
    /// The JSON that is sent with the event, or as the workflow's inputs, to the letter.
    pub payload: Option<&'a str>,
    /// Its members, each with its JSON.
    pub members: Vec<(String, &'a str)>,
    /// The changes since the last release, if they are known or can be asked for.
    pub changes: Option<&'a Changes>,
    /// The authors for whom nobody is kept from approving, if that matters while it waits.
    pub unlisted_authors: Vec<&'a Author>,
    /// The consequences of a decision, and the conditions for it.
    pub decision: Vec<Fact<'a>>,
    /// The decision's people and time; empty while the approval waits.
    pub result: Vec<Fact<'a>>,
    /// The progress of the event; empty while the approval waits.
    pub delivery: Vec<Fact<'a>>,
    /// The number of people whose yes counts, and the number that is needed.
    pub approvals: (usize, usize),
    /// The votes, earliest first.
    pub votes: &'a [Ballot],
    /// The votes that can be cast now.
    pub verdicts: &'static [Verdict],
    /// True if GitHub will not get the event by itself.
    pub is_stuck: bool,
    /// True if it ended otherwise than people wanted: GitHub will not get the event, or the release failed.
    pub is_bad: bool,
    /// The press that has a stuck event sent again.
    pub send_again: Option<Again>,
    /// True if nothing is sent to GitHub (`DRY_RUN`).
    pub is_dry_run: bool,
}

/// A fact: its label and its value.
#[derive(Clone, Debug)]
pub struct Fact<'a> {
    /// The label, from the table.
    pub label: &'static str,
    /// The value.
    pub value: Value<'a>,
}

/// The value of a fact.
#[derive(Clone, Debug)]
pub enum Value<'a> {
    /// A repository.
    Repository(&'a Repository),
    /// The commit of a job.
    Commit(&'a Workload),
    /// The run of a job, with its attempt.
    Run(&'a Workload),
    /// The run that releases in this repository: its id and attempt.
    Release(&'a Repository, &'a str, u64),
    /// An identifier from outside, such as an event type.
    Code(&'a str),
    /// A name from outside.
    Name(&'a str),
    /// People, each once.
    People(Vec<&'a Performer>),
    /// A time.
    Time(DateTime<Utc>),
    /// The time until which people may decide, and how long that still is.
    Deadline(DateTime<Utc>, Option<TimeDelta>),
    /// A requirement of a rule: its name, and how far it has come. Neither takes room from the other.
    Requirement(String, String),
    /// Words of ours, or GitHub's reason.
    Words(Cow<'static, str>),
}

/// The state of an approval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// People may still decide.
    Waiting,
    /// It has ended so.
    Ended(Ending),
}

impl<'a> Content<'a> {
    /// The content of an approval that stands so at `now`, by the rules of `policy`.
    pub fn of(standing: &'a Standing, policy: &Policy, now: DateTime<Utc>) -> Self {
        let Standing { request, ballots, .. } = standing;
        let (state, delivery) = (State::of(standing, policy, now), policy.delivery(standing));
        let release = Release::of(standing, now);
        let approvals = policy.approvals(standing);
        let settled = match &standing.ruling {
            Some(ruling) => ruling.policy.clone(),
            None => policy.settled(request, ballots).map(Box::new),
        };
        Self {
            request,
            state,
            headline: headline_of_release(release)
                .unwrap_or_else(|| headline(state, &delivery, policy.dry_run).into()),
            title: title(request),
            proven: proven(&request.workload),
            text: request.terms.text.as_deref(),
            facts: &request.terms.facts,
            payload: payload(request),
            members: members(request),
            // Nobody asks for them once it is over.
            changes: standing.changes.as_ref().filter(|known| state.is_waiting() || !known.is_unknown()),
            unlisted_authors: if state.is_waiting() { policy.unlisted_authors(standing) } else { Vec::new() },
            decision: decision(standing, (state, approvals, settled.as_deref()), now),
            result: result(standing, state, settled.as_deref()),
            approvals,
            verdicts: if state.is_waiting() { &[Verdict::Approve, Verdict::Reject] } else { &[] },
            is_stuck: is_stuck(&delivery),
            is_bad: is_stuck(&delivery) || release.failed().is_some(),
            send_again: state.again().filter(|_| is_stuck(&delivery)),
            delivery: delivery_of(request, state, delivery, policy.dry_run)
                .into_iter()
                .chain(release_of(request, release))
                .collect(),
            votes: ballots,
            is_dry_run: policy.dry_run,
        }
    }

    /// True if the workflow has any words of its own.
    pub fn says_anything(&self) -> bool {
        self.has_own_title() || self.text.is_some() || !self.facts.is_empty()
    }

    /// True if the title is the workflow's, and not one of ours.
    pub fn has_own_title(&self) -> bool {
        own_title(self.request).is_some()
    }

    /// One line of plain text that tells this approval from others: its state, its repository, the workflow's title.
    pub fn notification(&self) -> String {
        let repository = identifier(&self.request.workload.repository.to_string());
        let title = own_title(self.request).map(|title| format!(". {}: “{title}”", labels::SAID));
        let title = title.unwrap_or_default();
        format!("{}: {repository}{title}", self.headline)
    }
}

/// A fact under its label.
pub fn fact<'a>(label: &'static str, value: Value<'a>) -> Fact<'a> {
    Fact { label, value }
}

impl Value<'_> {
    /// The value as text, not escaped for any markup, and not cut. Identifiers are shown without loss.
    pub fn text(&self) -> String {
        match self {
            Self::Repository(repository) => identifier(&repository.to_string()),
            Self::Commit(workload) => identifier(&short_commit(workload)),
            Self::Run(workload) => identifier(&run(workload)),
            Self::Release(_, id, attempt) => identifier(&release_run(id, *attempt)),
            Self::Code(text) | Self::Name(text) => identifier(text),
            Self::People(people) if people.is_empty() => "nobody".to_owned(),
            Self::People(people) => people.iter().map(|one| name(one)).collect::<Vec<_>>().join(", "),
            Self::Time(time) | Self::Deadline(time, _) => readable(*time),
            Self::Requirement(name, met) => format!("{name}: {met}"),
            Self::Words(words) => words.clone().into_owned(),
        }
    }

    fn words(words: &'static str) -> Self {
        Self::Words(Cow::Borrowed(words))
    }
}

impl State {
    /// The state of an approval at `now`. Time that has run out ends it also before that is recorded, unless only a
    /// group could tell how.
    fn of(standing: &Standing, policy: &Policy, now: DateTime<Utc>) -> Self {
        let Standing { request, ballots, .. } = standing;
        let is_over = now >= request.expires_at();
        let run_out = || match policy.due(request, ballots, &Memberships::default(), now) {
            Due::Ruling(ruling) if is_over => Some(ruling.ending),
            Due::Ruling(_) | Due::Nothing | Due::Unknown => None,
        };
        standing.ending().or_else(run_out).map_or(Self::Waiting, Self::Ended)
    }

    /// True while people may decide.
    pub fn is_waiting(self) -> bool {
        self == Self::Waiting
    }

    /// The state in words: the heading.
    pub fn words(self) -> &'static str {
        match self {
            Self::Waiting => "Waiting for approval",
            Self::Ended(Ending::Approved) => "Approved",
            Self::Ended(Ending::Rejected) => "Rejected",
            Self::Ended(Ending::Expired) => "Expired",
            Self::Ended(Ending::Withdrawn) => "Withdrawn",
        }
    }

    /// The vote that leads to this end, if one does.
    fn verdict(self) -> Option<Verdict> {
        match self {
            Self::Ended(Ending::Approved) => Some(Verdict::Approve),
            Self::Ended(Ending::Rejected) => Some(Verdict::Reject),
            Self::Ended(Ending::Expired | Ending::Withdrawn) | Self::Waiting => None,
        }
    }

    /// The press that has the event of this end sent again.
    fn again(self) -> Option<Again> {
        match self {
            Self::Ended(Ending::Expired) => Some(Again::Expiry),
            Self::Ended(_) | Self::Waiting => self.verdict().map(Again::Vote),
        }
    }
}

/// The press that has the event of a decision sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// The vote that agrees with the decision.
    Vote(Verdict),
    /// No vote agrees with an expiry.
    Expiry,
}

impl Again {
    /// The word that the page's form sends.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Vote(verdict) => verdict.as_str(),
            Self::Expiry => Ruling::SEND_AGAIN,
        }
    }

    /// The vote that a person must be allowed to cast to press it.
    pub fn verdict(self) -> Verdict {
        match self {
            Self::Vote(verdict) => verdict,
            Self::Expiry => Verdict::Reject,
        }
    }
}

/// The state in words, with how its event stands if that is no good news.
pub fn headline(state: State, delivery: &Delivery, is_dry_run: bool) -> &'static str {
    match (state, delivery.state, &delivery.error) {
        (State::Ended(Ending::Approved), ..) if is_dry_run => "Approved, in a dry run",
        (State::Ended(Ending::Approved), DeliveryState::Pending, None) => "Approved, on its way to GitHub",
        (State::Ended(Ending::Approved), DeliveryState::Pending, Some(_)) => {
            "Approved, but GitHub refused it"
        }
        (State::Ended(Ending::Approved), DeliveryState::Dead, _) => "Approved, but GitHub did not get it",
        (State::Ended(Ending::Rejected), DeliveryState::Pending, None) => "Rejected, on its way to GitHub",
        (State::Ended(Ending::Rejected), DeliveryState::Pending, Some(_)) => {
            "Rejected, but GitHub refused it"
        }
        (State::Ended(Ending::Rejected), DeliveryState::Dead, _) => "Rejected, but GitHub did not get it",
        (State::Ended(Ending::Expired), DeliveryState::Pending, None) => "Expired, on its way to GitHub",
        (State::Ended(Ending::Expired), DeliveryState::Pending, Some(_)) => "Expired, but GitHub refused it",
        (State::Ended(Ending::Expired), DeliveryState::Dead, _) => "Expired, but GitHub did not get it",
        (state, ..) => state.words(),
    }
}

/// The state of the release in words, once a run has it.
fn headline_of_release(release: Release) -> Option<Cow<'static, str>> {
    match release {
        Release::Unknown | Release::Missing => None,
        Release::Named(NamedRun { id, .. }) | Release::Running(Run { id, .. }) => {
            Some(format!("Releasing\u{2026} (run {})", plain(&identifier(id), MAX_RUN)).into())
        }
        Release::Ended(_, Conclusion::Success) => Some("Released".into()),
        Release::Ended(_, Conclusion::Failure) => Some("Release failed".into()),
        Release::Ended(_, Conclusion::Cancelled) => Some("Release cancelled".into()),
    }
}

/// The longest id of a run in a headline, in characters.
const MAX_RUN: usize = 40;

fn proven(workload: &Workload) -> Vec<Fact<'_>> {
    let environment = workload.environment.as_deref().filter(|environment| !environment.is_empty());
    let job_workflow = workload.job_workflow_ref.as_deref().filter(|workflow| !workflow.is_empty());
    let (ref_label, ref_name) = reference(&workload.git_ref);
    let always = [
        fact(labels::REPOSITORY, Value::Repository(&workload.repository)),
        fact(ref_label, Value::Code(ref_name)),
        fact(labels::COMMIT, Value::Commit(workload)),
        fact(labels::RUN, Value::Run(workload)),
        fact(labels::STARTED_BY, Value::Name(&workload.actor)),
    ];
    let of_job = [(labels::ENVIRONMENT, environment), (labels::JOB_WORKFLOW, job_workflow)];
    let of_job = of_job.into_iter().filter_map(|(label, text)| Some(fact(label, Value::Code(text?))));
    always.into_iter().chain(of_job).collect()
}

/// The JSON that is sent with the event, or as the workflow's inputs.
fn payload(request: &Request) -> Option<&str> {
    let inputs = request.terms.workflow.as_ref().and_then(|workflow| workflow.inputs.as_ref());
    let payload = request.terms.client_payload.as_ref().map(|payload| payload.as_str());
    payload.or(inputs.map(Inputs::as_str))
}

/// The members of what is sent along.
fn members(request: &Request) -> Vec<(String, &str)> {
    let members = payload(request).and_then(|payload| Members::parse(payload).ok());
    let members = members.map_or_else(Vec::new, |members| members.0);
    members.into_iter().map(|(key, value)| (key, value.get())).collect()
}

fn decision<'a>(
    standing: &'a Standing,
    (state, (approvals, required), settled): (State, (usize, usize), Option<&Settled>),
    now: DateTime<Utc>,
) -> Vec<Fact<'a>> {
    let request = &standing.request;
    let approvals = count(approvals, required);
    let mut facts = consequences(request);
    facts.push(fact(labels::APPROVALS, Value::Words(approvals.into())));
    facts.extend(by_rule(settled.filter(|_| state.is_waiting())));
    facts.push(fact(labels::REQUESTED, Value::Time(request.created_at)));
    // After a decision it is not open until then.
    if matches!(state, State::Waiting | State::Ended(Ending::Expired)) {
        let until = request.expires_at();
        let left = state.is_waiting().then(|| until - now);
        facts.push(fact(labels::OPEN_UNTIL, Value::Deadline(until, left)));
    }
    facts
}

/// The operator's rule, and each of its requirements with the people who have met it.
fn by_rule<'a>(settled: Option<&Settled>) -> Vec<Fact<'a>> {
    let Some(Settled { name: rule, requirements }) = settled else { return Vec::new() };
    let requirement = |one: &Met| {
        let shown = plain(&identifier(one.name.as_deref()?), MAX_REQUIREMENT);
        let people: Vec<_> = one.met_by.iter().map(name).collect();
        let by = if people.is_empty() { String::new() } else { format!(", by {}", people.join(", ")) };
        let met = format!("{}{by}", count(one.met_by.len(), one.approvals));
        Some(fact(labels::REQUIRES, Value::Requirement(shown, met)))
    };
    let rule = fact(labels::RULE, Value::Words(identifier(rule).into()));
    [rule].into_iter().chain(requirements.iter().filter_map(requirement)).collect()
}

/// The longest name of a requirement that is shown, in characters.
const MAX_REQUIREMENT: usize = 64;

/// The calls to GitHub that each end leads to.
fn consequences<'a>(request: &'a Request) -> Vec<Fact<'a>> {
    let (terms, workload) = (&request.terms, &request.workload);
    let event = |event_type: &'a Option<EventType>| Some(Value::Code(event_type.as_ref()?.as_str()));
    let mut facts = match &terms.workflow {
        Some(workflow) => vec![fact(labels::APPROVE_STARTS, Value::Code(workflow.file.as_str()))],
        None => {
            let event = event(&terms.event_type);
            let nothing = Value::words("nothing; the waiting job goes on");
            vec![fact(labels::APPROVE_SENDS, event.unwrap_or(nothing))]
        }
    };
    // T11. GitHub vouches for the job's own ref alone.
    let other_ref = terms.workflow.as_ref().and_then(|workflow| workflow.other_ref(workload));
    facts.extend(other_ref.map(|git_ref| fact(labels::STARTS_ON, Value::Code(git_ref))));
    let rejected = event(&terms.rejected_event_type);
    facts.push(fact(labels::REJECT_SENDS, rejected.unwrap_or(Value::words("nothing"))));
    facts.extend(event(&terms.expired_event_type).map(|event| fact(labels::EXPIRY_SENDS, event)));
    facts
}

fn result<'a>(standing: &'a Standing, state: State, settled: Option<&Settled>) -> Vec<Fact<'a>> {
    if state.is_waiting() {
        return Vec::new();
    }
    let withdrawal = standing.ruling.as_ref().and_then(|ruling| ruling.withdrawal.as_ref());
    let mut facts = match withdrawal {
        Some(withdrawal) => withdrawn(&standing.request, withdrawal),
        None => vec![fact(labels::DECIDED_BY, Value::People(deciders(standing, state)))],
    };
    // An approval expires at its deadline, and not when that was noticed.
    let ruling = standing.ruling.as_ref().filter(|ruling| ruling.ending != Ending::Expired);
    facts.extend(ruling.map(|ruling| fact(labels::DECIDED, Value::Time(ruling.decided_at))));
    facts.extend(by_rule(settled));
    facts
}

fn withdrawn<'a>(request: &Request, Withdrawal { by, comment }: &'a Withdrawal) -> Vec<Fact<'a>> {
    let by = match by {
        Withdrawer::Person(performer) => Value::People(vec![performer]),
        Withdrawer::RefMoved => Value::words("this program: the ref moved"),
        Withdrawer::Run(id) if *id == request.workload.run_id => Value::words("the run that asked for it"),
        Withdrawer::Run(id) => Value::Words(format!("run {}, which takes its place", identifier(id)).into()),
    };
    let comment = Some(plain(comment, Vote::MAX_COMMENT)).filter(|comment| !comment.is_empty());
    let comment = comment.map(|comment| fact(labels::COMMENT, Value::Words(comment.into())));
    [fact(labels::WITHDRAWN_BY, by)].into_iter().chain(comment).collect()
}

/// The people whose votes decided, each once.
fn deciders(standing: &Standing, state: State) -> Vec<&Performer> {
    let mut deciders: Vec<&Performer> = Vec::new();
    for ballot in standing.ballots.iter().filter(|ballot| Some(ballot.verdict) == state.verdict()) {
        if !deciders.iter().any(|performer| performer.is_same(&ballot.performer)) {
            deciders.push(&ballot.performer);
        }
    }
    deciders
}

fn delivery_of<'a>(request: &Request, state: State, of: Delivery, is_dry_run: bool) -> Vec<Fact<'a>> {
    let State::Ended(ending) = state else { return Vec::new() };
    let words = match request.dispatch_name(ending) {
        Some(DispatchName::Workflow(_)) if of.state == DeliveryState::Delivered => "started by GitHub",
        Some(_) => delivery_words(&of, is_dry_run),
        None if ending == Ending::Approved && is_dry_run => "dry run: the waiting job gets no approval",
        None if ending == Ending::Approved => "nothing to send; the waiting job goes on",
        None => "nothing to send",
    };
    let mut facts = vec![fact(labels::DELIVERY, Value::words(words))];
    let reason = of.error.map(|error| Value::Words(delivery_error(&error).into()));
    facts.extend(reason.map(|reason| fact(labels::REASON, reason)));
    facts
}

/// The run that releases, and while it has not ended, the account that started it.
fn release_of<'a>(request: &'a Request, release: Release<'a>) -> Vec<Fact<'a>> {
    let run = |id, attempt| fact(labels::RELEASE, Value::Release(&request.workload.repository, id, attempt));
    match release {
        Release::Unknown => Vec::new(),
        Release::Missing => vec![fact(labels::RELEASE, Value::words(NO_RUN))],
        Release::Named(named) => vec![run(&named.id, 1)],
        Release::Running(Run { id, attempt, actor, .. }) => {
            vec![run(id, *attempt), fact(labels::RELEASE_BY, Value::Name(actor))]
        }
        Release::Ended(Run { id, attempt, .. }, _) => vec![run(id, *attempt)],
    }
}

/// The likely reasons why no run has started.
const NO_RUN: &str = "no run has said that it is there. Is the workflow on the default branch, for this event, and not \
    disabled? Does it use verify-approval?";

fn delivery_words(of: &Delivery, is_dry_run: bool) -> &'static str {
    match of.state {
        DeliveryState::None if is_dry_run => "dry run: not sent",
        DeliveryState::None => "not sent yet",
        DeliveryState::Pending if of.error.is_some() => "refused by GitHub, and tried again every hour",
        DeliveryState::Pending => "on its way to GitHub",
        DeliveryState::Delivered => "delivered to GitHub",
        DeliveryState::Dead => "given up",
    }
}

/// True if GitHub will not get the event by itself.
pub fn is_stuck(delivery: &Delivery) -> bool {
    delivery.state == DeliveryState::Dead || delivery.error.is_some()
}
