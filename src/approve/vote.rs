//! The story of a vote on a requested approval. A vote that decides is recorded as the decision, with those that were
//! cast before. Any other is recorded, then all votes are counted again, and anyone who sees that they suffice decides:
//! the last to write sees them all, so nobody has to wait for anybody.

use std::sync::Arc;

use super::{
    Event, Report, Stories, broken, doubt, failed,
    groups::others_untold,
    origin::{Ahead, unasked},
};
use crate::{
    approval::{
        ApprovalId, Attempt, Ballot, DispatchName, Due, Earlier, Ending, Invalid, Memberships, MessageName,
        Outcome, Performer, Progress, Request, Ruling, Standing, Unreached, Verdict, Vote, Withdrawer,
    },
    ledger::{Detail, InDoubt, Recorded},
    outbox::{Claimed, Matter, Sent},
    senders::github::Access,
    text::line::{plain, visible},
    timing::Timing,
};

/// The longest name of a person that is kept, in characters.
const MAX_NAME: usize = 100;

impl Stories {
    /// The approval with this id, as it stands for somebody who is about to vote; ended, if its time is over. If the
    /// votes of others would suffice, they are left to be counted with this one.
    pub async fn to_vote_on(self: &Arc<Self>, id: &str, timing: Timing) -> Result<Standing, Report> {
        self.to_vote_on_telling(id, |_| {}, timing).await
    }

    /// The same; `tell` hears of the request as soon as it is read.
    pub(super) async fn to_vote_on_telling(
        self: &Arc<Self>,
        id: &str,
        tell: impl FnOnce(&Request),
        timing: Timing,
    ) -> Result<Standing, Report> {
        let read = async {
            let Some(id) = ApprovalId::parse(id) else { return Ok(None) };
            let timing = timing.until(Self::recorded_by(timing));
            let ledger = &self.outbox.ledger;
            let read = ledger.standing_telling(&id, Detail::Names, tell, timing.deadline).await?;
            let Some(standing) = read.map(|standing| self.policy.hold(standing, &Memberships::default()))
            else {
                return Ok(None);
            };
            self.see(&standing.request);
            if standing.ruling.is_some() || timing.now < standing.request.expires_at() {
                return Ok(Some(standing));
            }
            let (standing, has_ruled) = self.rule_if_due(standing, timing).await?;
            if has_ruled {
                self.follow_up(id, timing);
            }
            anyhow::Ok(Some(standing))
        };
        match read.await {
            Ok(standing) => standing.ok_or_else(|| Outcome::Unknown.into()),
            Err(error) => Err(failed(Unreached::Store, &error)),
        }
    }

    /// Casts a vote of `performer` on the approval with this standing. The story goes on even if the caller goes away.
    pub async fn vote(
        self: &Arc<Self>,
        standing: Standing,
        vote: Vote,
        performer: Performer,
        timing: Timing,
    ) -> Report {
        self.vote_having_asked(standing, vote, performer, Ahead::default(), timing).await
    }

    /// The same, with the answer to what GitHub was asked ahead.
    pub(super) async fn vote_having_asked(
        self: &Arc<Self>,
        standing: Standing,
        vote: Vote,
        performer: Performer,
        ahead: Ahead,
        timing: Timing,
    ) -> Report {
        let (by, id) = (format!("by {performer}"), standing.request.id.clone());
        let about = format!("{} of approval {}", vote.verdict.as_str(), id.short());
        let ballot = Ballot {
            performer: shown(performer),
            verdict: vote.verdict,
            comment: visible(&vote.comment),
            at: timing.now,
            groups: Vec::new(),
        };
        let stories = Arc::clone(self);
        let story = self.outbox.beside(async move { stories.count(standing, ballot, ahead, timing).await });
        let counted = match story.await {
            Ok(Ok(report)) => report,
            Ok(Err(error)) => failed(Unreached::Store, &error),
            Err(error) => broken(&error.into()),
        };
        counted.with(&about, ": ").with(&by, ", ")
    }

    /// The approval, if the vote may be recorded; or the report of one that is not.
    async fn to_count(
        self: &Arc<Self>,
        standing: Standing,
        ballot: &mut Ballot,
        timing: Timing,
    ) -> Result<Standing, Box<Report>> {
        let (performer, verdict) = (&ballot.performer, ballot.verdict);
        let known = self.memberships(performer, Some(&standing.request), timing).await?;
        ballot.groups = known.groups_of(performer);
        let mut judgement = self.policy.judge(&standing, (performer, &known), timing.now);
        let refused = |outcome: Outcome, standing| Err(Box::new(Report::from(outcome).about(standing)));
        // The authors need not be known while nobody may approve.
        let closed = judgement.closed.take().filter(|_| verdict == Verdict::Approve);
        if let (Some(closed), true) = (closed, judgement.offers(verdict)) {
            return refused(Outcome::Closed(closed, standing.request.workload.repository.clone()), standing);
        }
        if verdict == Verdict::Approve && judgement.awaits_authors() {
            return Err(Box::new(self.before_authors(standing, timing).await));
        }
        if let Err(forbidden) = judgement.vote(verdict) {
            return refused(Outcome::Forbidden(forbidden.clone()), standing);
        }
        if standing.ruling.is_some() {
            return Err(Box::new(self.ruled_before(standing, verdict, timing).await));
        }
        match self.lacks(&standing.request, verdict, timing).await {
            Some(setting) => refused(Outcome::Misconfigured(setting), standing),
            None => Ok(standing),
        }
    }

    /// After an error the vote may be recorded or not.
    async fn count(
        self: &Arc<Self>,
        mut standing: Standing,
        mut ballot: Ballot,
        ahead: Ahead,
        timing: Timing,
    ) -> anyhow::Result<Report> {
        let (ledger, until, verdict) = (&self.outbox.ledger, Self::recorded_by(timing), ballot.verdict);
        let id = standing.request.id.clone();
        standing = match self.to_count(standing, &mut ballot, timing).await {
            Ok(standing) => standing,
            Err(report) => return Ok(*report),
        };
        // A vote that decides is recorded with the decision, and nowhere else.
        let mut due = self.due(&mut standing, Some(&ballot), timing).await;
        if due == Due::Unknown {
            return Ok(others_untold());
        }
        if due == Due::Nothing {
            ledger.cast(&id, &ballot, &standing.ballots, until).await?;
            standing.ballots = ledger.ballots_of(&id, until).await?;
            standing = self.policy.hold(standing, &Memberships::default());
            due = self.due(&mut standing, None, timing).await;
        }
        let Due::Ruling(due) = due else {
            // A card that can be changed shows the vote too.
            self.follow_up(id, timing);
            return Ok(Report::from(self.counted(&standing, &ballot)).about(standing));
        };
        let due = match self.unless_moved(&standing, due, ahead, timing).await {
            Ok(due) => due,
            Err(result) => return Ok(unasked(result).about(standing)),
        };
        // The event that this vote sends is claimed with the decision; any other is sent by the first who comes.
        let sends = answers(due.ending, verdict) && self.sends(&standing.request, due.ending);
        let claim = sends.then(|| self.outbox.first_attempt(timing));
        let (recorded, newest) = tokio::join!(
            ledger.rule(&id, due, claim.as_ref(), until),
            ledger.visibility(&standing.request.workload.repository_id, until)
        );
        match recorded? {
            Recorded::First(ruling) => {
                let standing = standing.ruled(ruling);
                let visible = newest.map(|newest| standing.request.clone().seen_as(newest));
                Ok(self.ruled_now(standing, visible, claim, verdict, timing).await)
            }
            Recorded::Before(before) => {
                // Another vote has decided, and GitHub may have the event by now.
                let now = self.outbox.standing(&id, Detail::Names, timing.deadline).await?;
                let standing = now.unwrap_or_else(|| standing.ruled(before.decision));
                Ok(self.ruled_before(standing, verdict, timing).await)
            }
            Recorded::InDoubt(doubt, error) => {
                self.resolve_ruling_beside(standing, doubt, claim, timing);
                Err(error)
            }
        }
    }

    /// The outcome of a vote that does not decide.
    fn counted(&self, Standing { request, ballots, .. }: &Standing, ballot: &Ballot) -> Outcome {
        let (approvals, required) = self.policy.progress(request, ballots);
        let repository = request.workload.repository.clone();
        match self.policy.is_unneeded(request, ballots, &ballot.performer) {
            true => Outcome::CountedInVain { approvals, required, repository },
            false => Outcome::Counted { approvals, required, repository },
        }
    }

    /// Decides the approval if that is due; true if it did. A look does not send, and so claims nothing. Where a group
    /// did not answer, it is left to the next look.
    pub(super) async fn rule_if_due(
        &self,
        mut standing: Standing,
        timing: Timing,
    ) -> anyhow::Result<(Standing, bool)> {
        let due = match standing.ruling {
            Some(_) => Due::Nothing,
            None => self.due(&mut standing, None, timing).await,
        };
        let Due::Ruling(due) = due else { return Ok((standing, false)) };
        let due = match self.unless_moved(&standing, due, Ahead::default(), timing).await {
            Ok(due) => due,
            Err(result) => {
                log::warn!("approval {} stays open: {}", standing.request.id.short(), result.detail);
                return Ok((standing, false));
            }
        };
        match self.outbox.ledger.rule(&standing.request.id, due, None, timing.deadline).await? {
            Recorded::First(ruling) => Ok((standing.ruled(ruling), true)),
            Recorded::Before(before) => {
                // A click that decides sends, and its claim stands in the decision.
                let claimed = before.claim.map(|claim| (MessageName::DISPATCH, Progress::Tried(claim, None)));
                let mut standing = standing.ruled(before.decision);
                standing.messages.extend(claimed);
                Ok((standing, false))
            }
            Recorded::InDoubt(_, error) => Err(error),
        }
    }

    /// The setting without which a decision of this kind could not be made, or not be sent to GitHub, now or later.
    async fn lacks(&self, request: &Request, verdict: Verdict, timing: Timing) -> Option<&'static str> {
        let ending = match verdict {
            Verdict::Approve => Ending::Approved,
            Verdict::Reject => Ending::Rejected,
        };
        let name = request.dispatch_name(ending).filter(|_| !self.policy.dry_run);
        let access = match name {
            Some(DispatchName::Event(_)) => Access::SendEvent,
            Some(DispatchName::Workflow(_)) => Access::StartWorkflow,
            None if verdict == Verdict::Approve && self.asks_about_ref(request) => Access::ReadContents,
            None => return None,
        };
        let repository = &request.workload.repository;
        self.outbox.targets.github.lacks_for(repository, access, timing).await
    }

    /// True if GitHub is called after this ending.
    fn sends(&self, request: &Request, ending: Ending) -> bool {
        !self.policy.dry_run && request.sends(ending)
    }

    /// The report of a ruling that we made just now, with the claim of its event if this vote sends it. `visible`
    /// is the request with its repository's visibility of now, if that is known.
    async fn ruled_now(
        self: &Arc<Self>,
        mut standing: Standing,
        visible: anyhow::Result<Request>,
        claim: Option<Attempt>,
        verdict: Verdict,
        timing: Timing,
    ) -> Report {
        self.close_beside(&standing, timing);
        let Some(ending) = standing.ending() else { return Outcome::Unknown.into() };
        let repository = standing.request.workload.repository.clone();
        let report = match (standing.dispatch_name(), claim) {
            // Somebody else's no came in between.
            _ if !answers(ending, verdict) => too_late(ending, &standing).into(),
            (Some(name), Some(claim)) => {
                let sent = self.send_ruling(&mut standing, visible, claim, timing).await;
                Event { name: &name, repository: &repository }.sent_now(sent)
            }
            (Some(name), None) => Outcome::DryRun(Some(name), repository).into(),
            (None, _) if ending == Ending::Rejected => Outcome::Rejected(repository).into(),
            (None, _) if self.policy.dry_run => Outcome::DryRun(None, repository).into(),
            (None, _) => Outcome::Approved(repository).into(),
        };
        self.follow_up(standing.request.id.clone(), timing);
        report.about(standing)
    }

    async fn send_ruling(
        &self,
        standing: &mut Standing,
        visible: anyhow::Result<Request>,
        attempt: Attempt,
        timing: Timing,
    ) -> anyhow::Result<Sent> {
        standing.request = visible?;
        let claimed = Claimed { attempt, entry: None, lines: Vec::new() };
        let mut sent = self.outbox.send_event(Matter::Approval(standing), claimed, timing).await?;
        note_sent(standing, &mut sent);
        Ok(sent)
    }

    /// Sends a ruling that turns out to be ours, while nobody waits.
    pub(super) fn resolve_ruling_beside(
        self: &Arc<Self>,
        standing: Standing,
        doubt: InDoubt<Ruling>,
        claim: Option<Attempt>,
        timing: Timing,
    ) {
        let stories = Arc::clone(self);
        self.outbox.beside(async move {
            let id = standing.request.id.clone();
            if doubt::resolve(&stories.outbox.ledger, &doubt).await != Some(true) {
                return;
            }
            let timing = Timing::new(timing.current(), doubt::SENDING_TIME);
            let mut standing = standing.ruled(doubt.decision);
            if let Some(claim) = claim {
                let until = timing.deadline;
                let newest =
                    stories.outbox.ledger.visibility(&standing.request.workload.repository_id, until);
                let visible = newest.await.map(|newest| standing.request.clone().seen_as(newest));
                if let Err(error) = stories.send_ruling(&mut standing, visible, claim, timing).await {
                    log::warn!("approval {}: {}", id.short(), crate::text::log::describe(&error));
                }
            }
            stories.close_beside(&standing, timing);
            stories.follow_up(id, timing);
        });
    }

    /// Sends the event of an expiry again, for a person who asks for it. The story goes on even if the caller goes away.
    pub async fn send_expiry_again(
        self: &Arc<Self>,
        standing: Standing,
        performer: &Performer,
        timing: Timing,
    ) -> Report {
        let about = format!("expiry of approval {}, sent again", standing.request.id.short());
        let sends = standing.sends() && !self.policy.dry_run;
        let report = if standing.ending() == Some(Ending::Expired) && sends {
            let stories = Arc::clone(self);
            let story = async move { stories.send_again(standing, timing).await };
            self.outbox.beside(story).await.unwrap_or_else(|error| broken(&error.into()))
        } else {
            Report::from(Outcome::Invalid(Invalid::Verdict)).about(standing)
        };
        report.with(&about, ": ").with(&format!("by {performer}"), ", ")
    }

    async fn send_again(self: &Arc<Self>, mut standing: Standing, timing: Timing) -> Report {
        let Some(name) = standing.dispatch_name() else { return Outcome::Unknown.into() };
        let repository = standing.request.workload.repository.clone();
        let mut sent = self.outbox.send_event_again(Matter::Approval(&standing), timing).await;
        if sent.as_mut().is_ok_and(|sent| note_sent(&mut standing, sent)) {
            // The cards say how the event stands.
            self.follow_up(standing.request.id.clone(), timing);
        }
        Event { name: &name, repository: &repository }.sent_again(sent).about(standing)
    }

    async fn ruled_before(self: &Arc<Self>, standing: Standing, verdict: Verdict, timing: Timing) -> Report {
        let repository = standing.request.workload.repository.clone();
        let already = |earlier| Report::from(Outcome::AlreadyDecided(repository.clone(), earlier));
        let report = match (standing.ending(), standing.dispatch_name()) {
            (Some(ending), _) if !answers(ending, verdict) => too_late(ending, &standing).into(),
            (Some(Ending::Rejected), None) => already(Earlier::Rejected),
            _ if self.policy.dry_run => already(Earlier::DryRun),
            (_, None) => already(Earlier::Approved),
            (_, Some(_)) => return self.send_again(standing, timing).await,
        };
        report.about(standing)
    }
}

/// Moves what a call to GitHub has changed into the standing; true if it has changed anything.
fn note_sent(standing: &mut Standing, sent: &mut Sent) -> bool {
    let progress = sent.progress.take();
    let is_new = progress.is_some();
    standing.messages.extend(progress.map(|progress| (MessageName::DISPATCH, progress)));
    standing.named_run = sent.named_run.take().or(standing.named_run.take());
    is_new
}

/// The performer, under a name that is harmless to read, and short enough for the event to fit.
pub(super) fn shown(mut performer: Performer) -> Performer {
    if let Performer::Person(person) = &mut performer {
        person.display_name = person.display_name.as_deref().map(|name| plain(name, MAX_NAME));
    }
    performer
}

/// True if the vote agrees with the decision.
fn answers(ending: Ending, verdict: Verdict) -> bool {
    matches!((ending, verdict), (Ending::Approved, Verdict::Approve) | (Ending::Rejected, Verdict::Reject))
}

/// The outcome of a vote that does not agree with the decision.
fn too_late(ending: Ending, standing: &Standing) -> Outcome {
    let repository = standing.request.workload.repository.clone();
    let withdrawal = standing.ruling.as_ref().and_then(|ruling| ruling.withdrawal.as_ref());
    match ending {
        _ if withdrawal.is_some_and(|withdrawal| withdrawal.by == Withdrawer::RefMoved) => {
            Outcome::RefMoved(repository)
        }
        Ending::Expired => Outcome::Ended(repository),
        Ending::Approved | Ending::Rejected | Ending::Withdrawn => Outcome::Conflict(ending, repository),
    }
}
