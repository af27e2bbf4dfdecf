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

/// The time after which a run that has said nothing is asked about.
const ASKED_AFTER: TimeDelta = TimeDelta::hours(1);

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
    let next = match silent_since(standing) {
        Some(silent) => silent + ASKED_AFTER,
        None => since + SILENCE,
    };
    let until = since + FOLLOWED_FOR;
    (now < until).then(|| if now < next { next.min(until) } else { until })
}

/// The id of the run that has the approval, if it has said nothing for an hour.
pub fn silent_run(standing: &Standing, now: DateTime<Utc>) -> Option<&String> {
    silent_since(standing).filter(|since| now - *since >= ASKED_AFTER)?;
    owner(standing)
}

/// The time since which the run that has the approval has said nothing, if it has not ended.
fn silent_since(standing: &Standing) -> Option<DateTime<Utc>> {
    match (&standing.run, &standing.named_run) {
        (Some(run), _) => run.end.is_none().then_some(run.started_at),
        (None, Some(_)) => delivered_at(standing),
        (None, None) => None,
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::approval::{
        ApprovalId, EventType, GitRef, Repository, Request, Ruling, Terms, Ticket, WorkflowCall, WorkflowFile,
    };

    const TICKET: &str = "0123456789abcdef0123456789abcdef";

    fn at(minutes: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000, 0).expect("a time") + TimeDelta::minutes(minutes)
    }

    /// An approval that was approved at 0 and delivered at 1.
    fn approved(terms: Terms) -> Standing {
        let workload = Workload::sample(Repository::parse("octo/app").expect("a repository"));
        let request = Request { id: ApprovalId::new(at(0), [7; 16]), terms, workload, created_at: at(0) };
        let ending = Ending::Approved;
        let ticket = Ticket::parse(TICKET);
        let mut standing = Standing::new(request).ruled(Ruling {
            ending,
            ballots: Vec::new(),
            decided_at: at(0),
            ticket,
            withdrawal: None,
            policy: None,
        });
        standing.messages.insert(MessageName::DISPATCH, Progress::Done(Some(at(1))));
        standing
    }

    fn event() -> Standing {
        approved(Terms::sample(EventType::parse("go-live").expect("an event type")))
    }

    /// One that starts release.yml on main.
    fn workflow() -> Standing {
        let git_ref = GitRef::parse("main");
        let file = WorkflowFile::parse("release.yml").expect("a file");
        let sample = Terms::sample(EventType::parse("go-live").expect("an event type"));
        let workflow = Some(WorkflowCall { file, git_ref, inputs: None });
        approved(Terms { event_type: None, workflow, ..sample })
    }

    /// A job of a run of release.yml on main that was started so.
    fn job(event: &str) -> Workload {
        Workload {
            run_id: "4711".to_owned(),
            event_name: Some(event.to_owned()),
            workflow_ref: Some("octo/app/.github/workflows/release.yml@refs/heads/main".to_owned()),
            ..Workload::sample(Repository::parse("octo/app").expect("a repository"))
        }
    }

    fn run(attempt: u64, minute: i64, end: Option<Conclusion>) -> Run {
        let end = end.map(|conclusion| RunEnd { conclusion, at: at(minute), is_by_github: false });
        Run { id: "4711".to_owned(), actor: "octocat".to_owned(), attempt, started_at: at(minute), end }
    }

    // T39
    #[test]
    fn a_workflow_s_approval_is_for_its_file_and_full_ref_and_for_the_run_that_github_named() {
        let start = |standing: &Standing, job: &Workload| may_start(standing, false, job, Some(TICKET));
        let good = job("workflow_dispatch");
        assert_eq!(start(&workflow(), &good), Ok(()));
        let file = |name: &str| Some(format!("octo/app/.github/workflows/{name}"));
        let refused = Outcome::Forbidden(Forbidden::RunOf("release.yml on refs/heads/main".to_owned()));
        for (git_ref, workflow_ref) in [
            // A tag that is called like the branch, in one of the claims or in both.
            ("refs/tags/main", file("release.yml@refs/tags/main")),
            ("refs/heads/main", file("release.yml@refs/tags/main")),
            ("refs/tags/main", file("release.yml@refs/heads/main")),
            ("refs/heads/other", file("release.yml@refs/heads/other")),
            ("refs/heads/main", file("other.yml@refs/heads/main")),
            ("refs/heads/main", file("x/release.yml@refs/heads/main")),
            ("refs/heads/main", Some("octo/ci/.github/workflows/release.yml@refs/heads/main".to_owned())),
            ("refs/heads/main", None),
            ("main", file("release.yml@main")),
        ] {
            let other = Workload { git_ref: git_ref.to_owned(), workflow_ref, ..good.clone() };
            assert_eq!(start(&workflow(), &other), Err(refused.clone()), "{other:?}");
        }
        let by_event = Outcome::Forbidden(Forbidden::RunEvent("workflow_dispatch"));
        assert_eq!(start(&workflow(), &job("repository_dispatch")), Err(by_event));
        let by_event = Outcome::Forbidden(Forbidden::RunEvent("repository_dispatch"));
        assert_eq!(start(&event(), &good), Err(by_event));

        let mut named = workflow();
        named.named_run = Some(NamedRun { id: "4712".to_owned(), url: String::new() });
        let conflict = |id: &str| Err(Outcome::Run(RunConflict::Other(id.to_owned())));
        assert_eq!(start(&named, &good), conflict("4712"));
        let it = Workload { run_id: "4712".to_owned(), ..good.clone() };
        assert_eq!(start(&named, &it), Ok(()));
        // It may report although it has not said that it started; no other may.
        assert_eq!(may_conclude(&named, false, &it), Ok(()));
        let forbidden = Outcome::Forbidden(Forbidden::NotItsRun("4712".to_owned()));
        assert_eq!(may_conclude(&named, false, &good), Err(forbidden));
    }

    #[test]
    fn a_release_is_followed_until_it_has_ended_and_for_a_day_at_most() {
        let with = |run| Standing { run: Some(run), ..event() };
        let day = 24 * 60;
        for (what, standing, minute, next) in [
            ("no run yet", event(), 5, Some(11)),
            ("missing", event(), 11, Some(1 + day)),
            ("missing for a day", event(), 1 + day, None),
            ("running", with(run(1, 3, None)), 5, Some(63)),
            ("silent", with(run(1, 3, None)), 70, Some(1 + day)),
            ("silent for a day", with(run(1, 3, None)), 1 + day, None),
            ("ended", with(run(1, 3, Some(Conclusion::Failure))), 5, None),
            ("run again after days", with(run(2, 3 * day, None)), 3 * day, None),
        ] {
            let next = next.map(at);
            assert_eq!(next_of_release(&standing, at(minute)), next, "{what}");
        }
        let mut older = event();
        older.ruling.as_mut().expect("a ruling").ticket = None;
        assert_eq!(next_of_release(&older, at(5)), None, "no run can start by it");
        assert_eq!(Release::of(&older, at(60)), Release::Unknown);
        assert_eq!(Release::of(&event(), at(10)), Release::Unknown);
        assert_eq!(Release::of(&event(), at(11)), Release::Missing);
        assert_eq!(silent_run(&with(run(1, 3, None)), at(62)), None);
        assert_eq!(silent_run(&with(run(1, 3, None)), at(63)).map(String::as_str), Some("4711"));
        assert_eq!(silent_run(&event(), at(63)), None, "nobody knows which");
    }
}
