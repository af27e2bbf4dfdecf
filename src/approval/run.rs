//! The run that has an approval: the one that may release it, and its end.

use chrono::{DateTime, TimeDelta, Utc};

use super::{Ending, Forbidden, MessageName, NamedRun, Outcome, Progress, RunConflict, Standing, Workload};

/// The run that has an approval.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Its id.
    pub id: String,
    /// The account whose action started it.
    pub actor: String,
    /// The highest attempt that started or ended.
    pub attempt: u64,
    /// The time at which that attempt started; at which it ended, if it never said that it started.
    pub started_at: DateTime<Utc>,
    /// The end of that attempt.
    pub end: Option<RunEnd>,
}

/// The end of an attempt of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunEnd {
    /// The way it ended.
    pub conclusion: Conclusion,
    /// The time at which that was told.
    pub at: DateTime<Utc>,
    /// True if GitHub was asked, since the run itself had been silent for too long.
    pub is_by_github: bool,
}

/// The way an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conclusion {
    /// It released.
    Success,
    /// It failed.
    Failure,
    /// Somebody stopped it.
    Cancelled,
}

impl Conclusion {
    /// The word that answers and records use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Cancelled => "cancelled",
        }
    }

    /// Reads that word.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Success, Self::Failure, Self::Cancelled].into_iter().find(|known| known.as_str() == text)
    }
}

/// The time after delivery by which a run has usually said that it is there.
const SILENCE: TimeDelta = TimeDelta::minutes(10);

/// The time after delivery for which a release is followed.
const FOLLOWED_FOR: TimeDelta = TimeDelta::hours(24);

/// The progress of a release, as far as its run tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Release<'a> {
    /// Nothing is released by this approval, or it is too early for anything to be known.
    Unknown,
    /// GitHub has had the event for ten minutes, and no run has said that it is there.
    Missing,
    /// GitHub named this run when it started the workflow; it has not said anything yet.
    Named(&'a NamedRun),
    /// This run is releasing.
    Running(&'a Run),
    /// This run has ended so.
    Ended(&'a Run, Conclusion),
}

impl<'a> Release<'a> {
    /// The progress at `now`.
    pub fn of(standing: &'a Standing, now: DateTime<Utc>) -> Self {
        let is_late = |at| now - at >= SILENCE && has_ticket(standing);
        match (&standing.run, &standing.named_run) {
            (Some(run), _) => run.end.map_or(Self::Running(run), |end| Self::Ended(run, end.conclusion)),
            (None, Some(named)) => Self::Named(named),
            (None, None) if delivered_at(standing).is_some_and(is_late) => Self::Missing,
            (None, None) => Self::Unknown,
        }
    }

    /// The conclusion, if that is no success.
    pub fn failed(self) -> Option<Conclusion> {
        match self {
            Self::Ended(_, end @ (Conclusion::Failure | Conclusion::Cancelled)) => Some(end),
            Self::Unknown
            | Self::Missing
            | Self::Named(_)
            | Self::Running(_)
            | Self::Ended(_, Conclusion::Success) => None,
        }
    }
}

/// The time at which something about the release may change although nobody reports; none if it is not followed, or
/// not any more.
pub fn next_of_release(standing: &Standing, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    if standing.run.as_ref().is_some_and(|run| run.end.is_some()) || !has_ticket(standing) {
        return None;
    }
    let since = delivered_at(standing).or(standing.run.as_ref().map(|run| run.started_at))?;
    let missed = since + SILENCE;
    let next = if standing.run.is_none() && now < missed { missed } else { since + FOLLOWED_FOR };
    (now < next).then_some(next)
}

/// The time at which GitHub accepted the event of an approval.
fn delivered_at(standing: &Standing) -> Option<DateTime<Utc>> {
    let is_sent = standing.ending() == Some(Ending::Approved) && standing.request.sends(Ending::Approved);
    match standing.progress(&MessageName::DISPATCH) {
        Progress::Done(at) if is_sent => *at,
        _ => None,
    }
}

fn has_ticket(standing: &Standing) -> bool {
    standing.ruling.as_ref().is_some_and(|ruling| ruling.ticket.is_some())
}

/// Checks that the run of `workload` may have the approval, as far as that is known before it is recorded.
// T37
pub fn may_start(
    standing: &Standing,
    is_dry_run: bool,
    workload: &Workload,
    ticket: Option<&str>,
) -> Result<(), Outcome> {
    approved(standing, is_dry_run)?;
    let asked_by = &standing.request.workload.run_id;
    if standing.request.sends(Ending::Approved) {
        let expected = standing.ruling.as_ref().and_then(|ruling| ruling.ticket.as_ref());
        let expected = expected.ok_or(Outcome::Run(RunConflict::Older))?;
        if !ticket.is_some_and(|ticket| expected.is(ticket)) {
            return Err(Outcome::Forbidden(Forbidden::Ticket));
        }
        is_dispatched(standing, workload).map_err(Outcome::Forbidden)?;
        if workload.run_id == *asked_by {
            return Err(Outcome::Forbidden(Forbidden::AskingRun));
        }
    }
    match owner(standing) {
        Some(id) if *id != workload.run_id => Err(Outcome::Run(RunConflict::Other(id.clone()))),
        Some(_) | None => Ok(()),
    }
}

/// Checks that the run of `workload` is of the event that was sent or, if that was a workflow's, of its file and ref: a
/// tag that is called like the branch is another ref.
// T39
fn is_dispatched(standing: &Standing, workload: &Workload) -> Result<(), Forbidden> {
    let request = &standing.request;
    let event = if request.terms.workflow.is_some() { "workflow_dispatch" } else { "repository_dispatch" };
    if workload.event_name.as_deref() != Some(event) {
        return Err(Forbidden::RunEvent(event));
    }
    let Some(workflow) = &request.terms.workflow else { return Ok(()) };
    let (file, git_ref) = (workflow.file.as_str(), workflow.git_ref(&request.workload));
    let expected = format!("{}/.github/workflows/{file}@{git_ref}", workload.repository);
    match workload.git_ref == git_ref && workload.workflow_ref.as_deref() == Some(&expected) {
        true => Ok(()),
        false => Err(Forbidden::RunOf(format!("{file} on {git_ref}"))),
    }
}

/// Checks that the run of `workload` has the approval, and so may say how it ended.
// T37
pub fn may_conclude(standing: &Standing, is_dry_run: bool, workload: &Workload) -> Result<(), Outcome> {
    let is_approved = approved(standing, is_dry_run).is_ok();
    match owner(standing).filter(|_| is_approved) {
        None => Err(Outcome::Run(RunConflict::Unknown)),
        Some(id) if *id == workload.run_id => Ok(()),
        Some(id) => Err(Outcome::Forbidden(Forbidden::NotItsRun(id.clone()))),
    }
}

/// The id of the run that has the approval, or that nobody but can have it: the one that GitHub named or, where nothing
/// is sent, the one that asked.
fn owner(standing: &Standing) -> Option<&String> {
    let asked_by = &standing.request.workload.run_id;
    let recorded = standing.run.as_ref().map(|run| &run.id);
    let named = standing.named_run.as_ref().map(|named| &named.id);
    recorded.or(named).or((!standing.request.sends(Ending::Approved)).then_some(asked_by))
}

fn approved(standing: &Standing, is_dry_run: bool) -> Result<(), Outcome> {
    let not_approved = |status| Err(Outcome::Run(RunConflict::NotApproved(status)));
    match standing.ending() {
        None => not_approved("pending"),
        Some(Ending::Approved) if is_dry_run => not_approved("dry-run"),
        Some(Ending::Approved) => Ok(()),
        Some(other) => not_approved(other.as_str()),
    }
}
