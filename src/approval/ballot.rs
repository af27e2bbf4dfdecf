//! Votes on a requested approval, and their result.

use std::fmt;

use anyhow::anyhow;
use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;

use super::{Dispatch, Ending, Guid, Performer, Request, Settled, Verdict, hash, hex};

/// A vote that was cast: one person's word on one approval, and the time of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ballot {
    /// The person who cast it.
    pub performer: Performer,
    /// Yes or no.
    pub verdict: Verdict,
    /// The person's remark; may be empty.
    pub comment: String,
    /// The time of the click.
    pub at: DateTime<Utc>,
    /// The groups that the person was in, as far as they were asked about at the vote.
    pub groups: Vec<Guid>,
}

/// The end of a requested approval, decided once and for good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ruling {
    /// The way it ended.
    pub ending: Ending,
    /// The votes that were seen then, earliest first, at most [`Ruling::MAX_BALLOTS`].
    pub ballots: Vec<Ballot>,
    /// The time of the decision.
    pub decided_at: DateTime<Utc>,
    /// The ticket that identifies the run that the dispatch starts; older versions gave none.
    pub ticket: Option<Ticket>,
    /// The withdrawal, if it ended so.
    pub withdrawal: Option<Withdrawal>,
    /// The operator's rule that held, if there was one.
    pub policy: Option<Box<Settled>>,
}

/// A withdrawal: an approval is taken back before anything is decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Withdrawal {
    /// The person or run that withdrew it.
    pub by: Withdrawer,
    /// The person's reason; a run gives none.
    pub comment: String,
}

impl Withdrawal {
    /// The withdrawal of an approval whose ref has moved.
    pub fn ref_moved() -> Self {
        Self { by: Withdrawer::RefMoved, comment: "the ref has moved".to_owned() }
    }
}

/// The person or run that withdraws an approval.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Withdrawer {
    /// An approver.
    Person(Performer),
    /// Nobody: the ref is no longer at the commit that was asked for.
    RefMoved,
    /// A run, by its id: the one that asked, or a newer one that takes its place.
    Run(String),
}

/// 128 random bits, as 32 hexadecimal digits; nothing but the dispatch of a decision holds them. Never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Ticket(String);

impl Ticket {
    /// A new ticket.
    pub fn new() -> anyhow::Result<Self> {
        let mut random = [0_u8; 16];
        getrandom::fill(&mut random).map_err(|error| anyhow!("no random numbers: {error}"))?;
        Ok(Self(hex(&random)))
    }

    /// Reads a ticket.
    pub fn parse(text: &str) -> Option<Self> {
        let digit = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        (text.len() == 32 && text.bytes().all(digit)).then(|| Self(text.to_owned()))
    }

    /// True if `text` is this ticket. The time that this takes tells nothing about it.
    // T37
    pub fn is(&self, text: &str) -> bool {
        hash([self.0.as_bytes()]) == hash([text.as_bytes()])
    }

    /// The digits, for the dispatch and the record.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ticket")
    }
}

impl Ruling {
    /// The word for a withdrawal where a vote's verdict stands.
    pub const WITHDRAW: &str = "withdraw";

    /// The word for sending an expiry's event again.
    pub const SEND_AGAIN: &str = "send";

    /// The end of an approval by `withdrawal`, after these votes.
    pub fn withdrawn(withdrawal: Withdrawal, ballots: &[Ballot], now: DateTime<Utc>) -> Self {
        let ballots = ballots.iter().take(Self::MAX_BALLOTS).cloned().collect();
        let (ending, withdrawal) = (Ending::Withdrawn, Some(withdrawal));
        Self { ending, ballots, decided_at: now, ticket: None, withdrawal, policy: None }
    }

    /// The most votes that are kept with a ruling, so that the dispatch stays within GitHub's limit.
    pub const MAX_BALLOTS: usize = 10;

    /// The call to GitHub that follows from the ruling, if one does.
    pub fn dispatch(&self, request: &Request) -> Option<Dispatch> {
        let ticket = self.ticket.as_ref().map(Ticket::expose);
        let approval = ApprovalJson {
            id: request.id.as_str(),
            ticket,
            verdict: self.ending.as_str(),
            performers: performers(&self.ballots, request.workload.is_public),
            requested_by: &request.workload.actor,
            run_id: &request.workload.run_id,
            sha: &request.workload.sha,
            git_ref: &request.workload.git_ref,
            decided_at: rfc_3339(self.decided_at),
            policy: self.policy.as_deref().map(PolicyJson::from),
        };
        let approval = serde_json::to_string(&approval).expect("texts under fixed keys are JSON");
        request.dispatch(self.ending, &approval, ticket.unwrap_or_default())
    }
}

/// The count of those who said yes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted {
    /// True if nobody else is needed.
    pub suffices: bool,
    /// The places of those who are needed.
    pub places: Vec<usize>,
}

/// The ruling that the votes give at `now`: none while more are needed and there is time.
///
/// `ballots` are the votes that count ([`Policy::hold`](super::Policy::hold)). A vote that came in time counts, however
/// late the tally is. One no is a no, also from a person who said yes before; each person's yes counts once, and `count`
/// tells of those who said it.
// T18
pub fn tally(
    request: &Request,
    ballots: &[Ballot],
    now: DateTime<Utc>,
    count: impl Fn(&[&Performer]) -> Counted,
) -> Option<Ruling> {
    let in_time = || ballots.iter().filter(|ballot| ballot.at < request.expires_at());
    let mut approved_by: Vec<&Performer> = Vec::new();
    for ballot in in_time().filter(|ballot| ballot.verdict == Verdict::Approve) {
        if !approved_by.iter().any(|performer| performer.counts_as(&ballot.performer)) {
            approved_by.push(&ballot.performer);
        }
    }
    let Counted { suffices, places } = count(&approved_by);
    let ending = if in_time().any(|ballot| ballot.verdict == Verdict::Reject) {
        Ending::Rejected
    } else if suffices {
        Ending::Approved
    } else if now >= request.expires_at() {
        Ending::Expired
    } else {
        return None;
    };
    // If there are more than are kept, those against go first, and then those that were needed.
    let mut ballots: Vec<_> = in_time().cloned().collect();
    let counts = |ballot: &Ballot| places.iter().any(|at| approved_by[*at].is_same(&ballot.performer));
    ballots.sort_by_cached_key(|ballot| (ballot.verdict == Verdict::Approve, !counts(ballot), ballot.at));
    ballots.truncate(Ruling::MAX_BALLOTS);
    ballots.sort_by_key(|ballot| ballot.at);
    Some(Ruling { ending, ballots, decided_at: now, ticket: None, withdrawal: None, policy: None })
}

/// The number of different people who said yes.
pub fn count_approvals(ballots: &[Ballot]) -> usize {
    let approving = || ballots.iter().filter(|ballot| ballot.verdict == Verdict::Approve);
    let is_first = |(index, ballot): &(usize, &Ballot)| {
        !approving().take(*index).any(|before| before.performer.counts_as(&ballot.performer))
    };
    approving().enumerate().filter(is_first).count()
}

#[derive(Serialize)]
struct ApprovalJson<'a> {
    id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    ticket: Option<&'a str>,
    verdict: &'a str,
    performers: Vec<PerformerJson<'a>>,
    requested_by: &'a str,
    run_id: &'a str,
    sha: &'a str,
    #[serde(rename = "ref")]
    git_ref: &'a str,
    decided_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<PolicyJson<'a>>,
}

/// The rule that held, in the form that others get.
#[derive(Serialize)]
pub struct PolicyJson<'a> {
    /// Its name.
    pub name: &'a str,
}

impl<'a> From<&'a Settled> for PolicyJson<'a> {
    fn from(settled: &'a Settled) -> Self {
        Self { name: &settled.name }
    }
}

/// A vote in the form that GitHub, a waiting job and a program that reads the list get.
#[derive(Serialize)]
pub struct PerformerJson<'a> {
    /// The object id; `anonymous` if nobody had to say who they are.
    pub id: String,
    /// The display name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<&'a str>,
    /// `approve`, `reject` or `withdraw`.
    pub verdict: &'static str,
    /// The person's remark.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<&'a str>,
    /// The time, in the form of RFC 3339.
    pub at: String,
}

impl<'a> PerformerJson<'a> {
    /// The click that made a relayed decision.
    pub fn clicked(performer: &'a Performer, at: DateTime<Utc>) -> Self {
        let (name, comment) = (performer.display_name(), None);
        Self {
            id: performer.to_string(),
            name,
            verdict: Verdict::Approve.as_str(),
            comment,
            at: rfc_3339(at),
        }
    }

    fn of(Ballot { performer, verdict, comment, at, .. }: &'a Ballot, is_public: bool) -> Self {
        Self {
            id: performer.to_string(),
            name: if is_public { None } else { performer.display_name() },
            verdict: verdict.as_str(),
            comment: (!is_public).then_some(comment.as_str()),
            at: rfc_3339(*at),
        }
    }
}

/// The votes in the form that others get; if `is_public`, without people's names and remarks.
pub fn performers(ballots: &[Ballot], is_public: bool) -> Vec<PerformerJson<'_>> {
    ballots.iter().map(|ballot| PerformerJson::of(ballot, is_public)).collect()
}

/// The person who withdrew an approval, in the form that others get; none if nobody did, or a run.
pub fn withdrawer(ruling: &Ruling, is_public: bool) -> Option<PerformerJson<'_>> {
    let Withdrawal { by: Withdrawer::Person(performer), comment } = ruling.withdrawal.as_ref()? else {
        return None;
    };
    Some(PerformerJson {
        id: performer.to_string(),
        name: if is_public { None } else { performer.display_name() },
        verdict: Ruling::WITHDRAW,
        comment: (!is_public).then_some(comment.as_str()),
        at: rfc_3339(ruling.decided_at),
    })
}

/// A time in the form of answers and records.
pub fn rfc_3339(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}
