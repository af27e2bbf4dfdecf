//! The story of a vote on a requested approval. One that decides, with those that were cast before, is recorded as the
//! decision. Any other is recorded, then all votes are counted again, and whoever sees that they suffice decides: the
//! last to write sees them all, so nobody has to wait for anybody.

use std::sync::Arc;

use anyhow::Context;

use super::{Approvals, Report, failed, sent_again, sent_now};
use crate::{
    approval::{
        Approval, ApprovalId, Ballot, Ending, Forbidden, Outcome, Performer, Request, Ruling, Standing,
        Unreached, Verdict, Vote, approvals, tally,
    },
    ledger::{Attempt, Folder, Ruled},
    outbox::Said,
    text::line::{plain, visible},
    timing::Timing,
};

/// The longest name that is kept of a person, in characters.
const MAX_NAME: usize = 100;

impl Approvals {
    pub(super) async fn vote(self: Arc<Self>, vote: Vote, performer: Performer, timing: Timing) -> Report {
        let Some(id) = ApprovalId::parse(&vote.approval) else { return Outcome::Unknown.into() };
        let ballot = Ballot {
            performer: shown(performer),
            verdict: vote.verdict,
            comment: visible(&vote.comment),
            at: timing.now,
        };
        let mut report = match self.count(&id, ballot, timing).await {
            Ok(report) => report,
            Err(error) => failed(Unreached::Store, &error),
        };
        let about = format!("{} of approval {}", vote.verdict.as_str(), id.short());
        report.detail = [about, report.detail].join(": ").trim_end_matches(": ").to_owned();
        report
    }

    /// An error means that the vote is not known to be recorded.
    async fn count(
        self: &Arc<Self>,
        id: &ApprovalId,
        ballot: Ballot,
        timing: Timing,
    ) -> anyhow::Result<Report> {
        let until = Self::recorded_by(timing);
        let Some(folder) = self.open_or_over(id, timing.until(until)).await? else {
            return Ok(Outcome::Unknown.into());
        };
        let claim = folder.claim().cloned();
        let names = folder.names().to_vec();
        let Approval { request, ballots, ruling } = folder.approval;
        if let Err(outcome) = self.may_vote(&request, &ballot.performer) {
            return Ok(outcome.into());
        }
        if let Some(ruling) = ruling {
            let ruled = (&ruling, claim.as_ref());
            return Ok(self.ruled_before(&request, ruled, ballot.verdict, timing).await);
        }
        if self.lacks_token(&request, ballot.verdict) {
            return Ok(Outcome::Misconfigured("GITHUB_TOKEN").into());
        }
        let verdict = ballot.verdict;
        // A vote that decides is recorded with the decision, and nowhere else.
        let due = match tally(&request, &with(ballots, &ballot), timing.now) {
            Some(due) => due,
            None => {
                self.outbox.ledger.cast((id, &names), &ballot, until).await?;
                let ballots = self.outbox.ledger.cast_so_far(id, until).await?;
                let approval = self.policy.hold(Approval { request: request.clone(), ballots, ruling: None });
                match tally(&request, &approval.ballots, timing.now) {
                    Some(due) => due,
                    None => {
                        // Where the card can be changed, it says so too.
                        self.follow_up(id.clone(), timing);
                        return Ok(counted(&request, &approval.ballots).into());
                    }
                }
            }
        };
        // What this vote has sent is claimed with the decision; anything else is sent by whoever comes first.
        let sends = answers(due.ending, verdict) && self.sends(&request, due.ending);
        let claim = sends.then(|| self.outbox.first_attempt(None, timing));
        let (ruled, newest) = tokio::join!(
            self.outbox.ledger.rule(id, (due, claim.as_ref()), until),
            self.outbox.ledger.visibility(&request.workload.repository_id, until)
        );
        match ruled? {
            Ruled::First(ruling) => {
                let request = (newest.map(|newest| request.clone().seen_as(newest)), request);
                Ok(self.ruled_now(request, (&ruling, claim), verdict, timing).await)
            }
            Ruled::Before(before, claim) => {
                Ok(self.ruled_before(&request, (&before, claim.as_ref()), verdict, timing).await)
            }
        }
    }

    /// The approval, and how it ended if its time is over. What other votes come to is left to be counted with this
    /// one.
    async fn open_or_over(
        self: &Arc<Self>,
        id: &ApprovalId,
        timing: Timing,
    ) -> anyhow::Result<Option<Folder>> {
        let Some(folder) = self.outbox.folder(id, timing.deadline).await? else { return Ok(None) };
        let approval = &folder.approval;
        if approval.ruling.is_some() || timing.now < approval.request.expires_at() {
            return Ok(Some(folder));
        }
        let (folder, has_ruled) = self.outbox.rule_if_due(folder, timing).await?;
        if has_ruled {
            self.follow_up(id.clone(), timing);
        }
        Ok(Some(folder))
    }

    /// Whether a decision of this kind could not be sent to GitHub, now or later.
    fn lacks_token(&self, request: &Request, verdict: Verdict) -> bool {
        let ending = match verdict {
            Verdict::Approve => Ending::Approved,
            Verdict::Reject => Ending::Rejected,
        };
        self.outbox.routes.github.is_none() && self.sends(request, ending)
    }

    /// Allows or refuses a vote of `performer` on `request`, by the settings of now.
    pub fn may_vote(&self, request: &Request, performer: &Performer) -> Result<(), Outcome> {
        self.policy.allow_workload(&request.workload)?;
        match self.policy.may_decide(request, performer) {
            true => Ok(()),
            false => Err(Outcome::Forbidden(Forbidden::Performer)),
        }
    }

    /// True if GitHub gets an event once the request has ended so.
    fn sends(&self, request: &Request, ending: Ending) -> bool {
        !self.outbox.dry_run && request.event_type(ending).is_some()
    }

    /// What follows from a ruling that was just made, by us, with the claim of its dispatch if this vote sends it.
    /// `visible` is the request with the visibility that its repository has by now, where that is known.
    async fn ruled_now(
        self: &Arc<Self>,
        (visible, request): (anyhow::Result<Request>, Request),
        (ruling, claim): (&Ruling, Option<Attempt>),
        verdict: Verdict,
        timing: Timing,
    ) -> Report {
        self.close_beside(&request, timing);
        let repository = &request.workload.repository;
        let report = match (request.event_type(ruling.ending), claim) {
            // Somebody's no came between.
            _ if !answers(ruling.ending, verdict) => too_late(ruling.ending, &request).into(),
            (Some(event_type), Some(claim)) => {
                let said = self.dispatch_now(visible, (ruling, claim), timing).await;
                sent_now(said, (event_type, repository))
            }
            (Some(event_type), None) => Outcome::DryRun(event_type.clone(), repository.clone()).into(),
            (None, _) => Outcome::Rejected(repository.clone()).into(),
        };
        self.follow_up(request.id.clone(), timing);
        report
    }

    async fn dispatch_now(
        &self,
        visible: anyhow::Result<Request>,
        ruled: (&Ruling, Attempt),
        timing: Timing,
    ) -> anyhow::Result<Said> {
        let said = self.outbox.deliver_ruling(&visible?, ruled, timing).await;
        said.context("there is nothing to send")
    }

    async fn ruled_before(
        &self,
        request: &Request,
        (ruling, claim): (&Ruling, Option<&Attempt>),
        verdict: Verdict,
        timing: Timing,
    ) -> Report {
        let repository = &request.workload.repository;
        let already = |standing| Outcome::AlreadyDecided(repository.clone(), standing).into();
        if !answers(ruling.ending, verdict) {
            return too_late(ruling.ending, request).into();
        }
        let Some(event_type) = request.event_type(ruling.ending) else { return already(Standing::Nothing) };
        if self.outbox.dry_run {
            return already(Standing::DryRun);
        }
        let said = self.outbox.deliver_ruling_again(request, (ruling, claim), timing).await;
        sent_again(said.and_then(|said| said.context("there is nothing to send")), (event_type, repository))
    }
}

/// The votes with one more, unless they have it.
fn with(mut ballots: Vec<Ballot>, ballot: &Ballot) -> Vec<Ballot> {
    let is_it =
        |other: &Ballot| other.verdict == ballot.verdict && other.performer.is_same(&ballot.performer);
    if !ballots.iter().any(is_it) {
        ballots.push(ballot.clone());
    }
    ballots
}

/// The performer, as a name that others read without harm, and that is not so long that the dispatch would not fit.
fn shown(mut performer: Performer) -> Performer {
    if let Performer::Person(person) = &mut performer {
        person.display_name = person.display_name.as_deref().map(|name| plain(name, MAX_NAME));
    }
    performer
}

/// Whether a vote is what was decided.
fn answers(ending: Ending, verdict: Verdict) -> bool {
    matches!((ending, verdict), (Ending::Approved, Verdict::Approve) | (Ending::Rejected, Verdict::Reject))
}

/// What is said of a vote that is not what was decided.
fn too_late(ending: Ending, request: &Request) -> Outcome {
    let repository = request.workload.repository.clone();
    match ending {
        Ending::Expired => Outcome::Ended(repository),
        Ending::Approved | Ending::Rejected => Outcome::Conflict(ending, repository),
    }
}

fn counted(request: &Request, ballots: &[Ballot]) -> Outcome {
    Outcome::Counted {
        approvals: approvals(ballots),
        required: request.asked.approvals_required,
        repository: request.workload.repository.clone(),
    }
}
