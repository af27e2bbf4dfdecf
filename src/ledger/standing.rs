//! The standing of an approval or a relay, read in one call.

use anyhow::{Context, anyhow};
use futures_util::{FutureExt, StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use tokio::time::Instant;

use super::{
    Decided, Ledger,
    attempts::{Detail, Names},
    records::{Record, Unreadable},
    requests::parse_request,
    shapes::{StoredBallot, StoredRuling},
};
use crate::approval::{
    ApprovalId, Ballot, Decision, Message, MessageName, RelayId, RelayStanding, Request, Ruling, Standing,
    Subject,
};

/// The most votes that are read at the same time.
const BALLOTS_AT_ONCE: usize = 16;

/// The name of the record of the decision.
pub(super) const DECISION: &str = "decision";

/// The beginning of the names of votes.
pub(super) const VOTE: &str = "vote.";

impl Ledger {
    /// The standing of the approval with this id, if there is one, as it is recorded: no setting is applied to the
    /// votes. Two rounds; one if there is nothing but the request.
    pub async fn standing(
        &self,
        id: &ApprovalId,
        detail: Detail,
        until: Instant,
    ) -> anyhow::Result<Option<Standing>> {
        self.standing_telling(id, detail, |_| {}, until).await
    }

    /// The same; `tell` hears of the request as soon as it is read.
    pub async fn standing_telling(
        &self,
        id: &ApprovalId,
        detail: Detail,
        tell: impl FnOnce(&Request),
        until: Instant,
    ) -> anyhow::Result<Option<Standing>> {
        let (path, subject) = (self.request_path(id), Subject::Requested(id.clone()));
        let (found, names, changes, authors) = tokio::try_join!(
            self.store.get(&path, until),
            self.names(&subject, until),
            // These are not read after the names, so that they cost no round.
            self.changes(id, until),
            self.authors(id, until),
        )?;
        let Some(content) = found else { return Ok(None) };
        let request = parse_request(&path, &content)?;
        if request.id != *id {
            return Err(anyhow!("it holds another approval").context(Unreadable::at(&path)));
        }
        tell(&request);
        let decided = async {
            match names.contain(DECISION) {
                true => self.ruling(id, until).await,
                false => Ok(None),
            }
        };
        let ballots = async {
            match names.contain(DECISION) {
                true => Ok(Vec::new()),
                false => self.ballots(id, &names, until).await,
            }
        };
        let (decided, ballots, event, mut messages, places, run) = tokio::try_join!(
            decided,
            ballots,
            self.event(&subject, &names, until),
            self.channel_progress(&subject, &names, detail, until),
            self.places(&subject, &names, detail, until),
            self.run(id, &names, until),
        )?;
        let (ruling, claim) = decided.map_or((None, None), |decided| (Some(decided.decision), decided.claim));
        let message = Message { subject, name: MessageName::DISPATCH };
        let named_run = event.run.clone();
        messages.insert(MessageName::DISPATCH, event.progress(&message, claim)?);
        let (changes, changes_are_late) = changes.map_or((None, false), |(known, late)| (Some(known), late));
        let known = Standing { changes, changes_are_late, authors, ..Standing::new(request) };
        let standing = Standing { ballots, messages, places, named_run, run, ..known };
        Ok(Some(match ruling {
            Some(ruling) => standing.ruled(ruling),
            None => standing,
        }))
    }

    /// The standing of the relay with this id, if there is one. Two rounds.
    pub async fn relay_standing(
        &self,
        id: &RelayId,
        until: Instant,
    ) -> anyhow::Result<Option<RelayStanding>> {
        let subject = Subject::Relayed(id.clone());
        let (decided, names) = tokio::try_join!(self.decision(id, until), self.names(&subject, until))?;
        match decided {
            None => Ok(None),
            Some(decided) => self.standing_of(decided, &names, until).await.map(Some),
        }
    }

    /// The standing of a relay with this decision. Two rounds.
    pub async fn standing_of_relay(
        &self,
        decided: Decided<Decision>,
        until: Instant,
    ) -> anyhow::Result<RelayStanding> {
        let names = self.names(&Subject::Relayed(decided.decision.id.clone()), until).await?;
        self.standing_of(decided, &names, until).await
    }

    async fn standing_of(
        &self,
        Decided { decision, claim }: Decided<Decision>,
        names: &Names,
        until: Instant,
    ) -> anyhow::Result<RelayStanding> {
        let subject = Subject::Relayed(decision.id.clone());
        let event = self.event(&subject, names, until).await?;
        let progress = event.progress(&Message { subject, name: MessageName::DISPATCH }, claim)?;
        Ok(RelayStanding { decision, progress })
    }

    async fn ruling(&self, id: &ApprovalId, until: Instant) -> anyhow::Result<Option<Decided<Ruling>>> {
        let path = self.requested_path(id, DECISION);
        let found = self.store.get(&path, until).await?;
        let content = found.with_context(|| format!("{path} is gone"))?;
        parse_ruling(&path, &content).map(Some)
    }

    pub(super) async fn ballots(
        &self,
        id: &ApprovalId,
        names: &Names,
        until: Instant,
    ) -> anyhow::Result<Vec<Ballot>> {
        let paths: Vec<_> = names.beginning(VOTE).map(|name| self.requested_path(id, name)).collect();
        let reads = paths.into_iter().map(|path| self.ballot(path, until).boxed());
        let mut ballots: Vec<_> = stream::iter(reads).buffer_unordered(BALLOTS_AT_ONCE).try_collect().await?;
        ballots.sort_by_key(|ballot| ballot.at);
        Ok(ballots)
    }

    async fn ballot(&self, path: Path, until: Instant) -> anyhow::Result<Ballot> {
        let content = self.store.get(&path, until).await?;
        parse_ballot(&path, &content.with_context(|| format!("{path} is gone"))?)
    }

    pub(super) fn requested_path(&self, id: &ApprovalId, name: &str) -> Path {
        self.path(&format!("requested/{id}/{name}"))
    }
}

/// Reads the decision at `path`.
pub(super) fn parse_ruling(path: &Path, content: &[u8]) -> anyhow::Result<Decided<Ruling>> {
    Record::parse_as(path, content, StoredRuling::ruled)
}

/// Reads the vote at `path`.
pub(super) fn parse_ballot(path: &Path, content: &[u8]) -> anyhow::Result<Ballot> {
    Record::parse_as(path, content, |stored: StoredBallot| stored.ballot())
}
