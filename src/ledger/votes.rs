//! Votes, and the decision that follows from them.

use anyhow::Context;
use tokio::time::Instant;

use super::{
    Created, InDoubt, Ledger, Recorded,
    records::Record,
    shapes::{StoredBallot, StoredRuling},
    standing::{DECISION, VOTE, parse_ruling},
};
use crate::approval::{ApprovalId, Attempt, Ballot, Performer, Ruling, Subject, Ticket, hash};

const CANNOT_CAST: &str = "cannot record the vote";

impl Ledger {
    /// Records a vote, unless it is one of those `known`. If the same person has cast the same before, this one is
    /// recorded beside it: the name by which they are listed may have changed.
    pub async fn cast(
        &self,
        id: &ApprovalId,
        ballot: &Ballot,
        known: &[Ballot],
        until: Instant,
    ) -> anyhow::Result<()> {
        if known.iter().any(|known| is_repeated(ballot, known)) {
            return Ok(());
        }
        let (person, name) = match &ballot.performer {
            Performer::Anonymous => ("anonymous".to_owned(), None),
            Performer::Person(person) => {
                (person.object_id.to_string(), person.user_principal_name.as_deref())
            }
        };
        let vote = format!("{VOTE}{person}.{}", ballot.verdict.as_str());
        let content = Record::of(StoredBallot::from(ballot))?.to_json()?;
        let path = self.requested_path(id, &vote);
        let is_new = self.store.create_if_none(&path, content.clone(), until).await.context(CANNOT_CAST)?;
        let Some(name) = name.filter(|_| !is_new) else { return Ok(()) };
        let name = hash([name.to_ascii_lowercase().as_bytes()]);
        let path = self.requested_path(id, &format!("{vote}.{}", &name[..16]));
        self.store.create_if_none(&path, content, until).await.context(CANNOT_CAST).map(drop)
    }

    /// The votes so far, earliest first.
    pub async fn ballots_of(&self, id: &ApprovalId, until: Instant) -> anyhow::Result<Vec<Ballot>> {
        let names = self.names(&Subject::Requested(id.clone()), until).await?;
        self.ballots(id, &names, until).await
    }

    /// Records the ruling with a new ticket, unless one was recorded before, and with it the claim of
    /// the first attempt to send its event, if the caller is about to.
    // T18
    pub async fn rule(
        &self,
        id: &ApprovalId,
        ruling: Ruling,
        claim: Option<&Attempt>,
        until: Instant,
    ) -> anyhow::Result<Recorded<Ruling>> {
        let ruling = Ruling { ticket: Some(Ticket::new()?), ..ruling };
        let path = self.requested_path(id, DECISION);
        let content = Record::of(StoredRuling::of(&ruling, claim))?.to_json()?;
        Ok(match self.store.create(&path, content.clone(), until).await {
            Ok(Created::Ours) => Recorded::First(ruling),
            Ok(Created::Theirs(content)) => Recorded::Before(parse_ruling(&path, &content)?),
            Err(error) => {
                let error = error.context("cannot record the decision");
                Recorded::InDoubt(InDoubt { path, content, decision: ruling }, error)
            }
        })
    }
}

/// True if the vote is the same as a known one, by the same name.
fn is_repeated(ballot: &Ballot, known: &Ballot) -> bool {
    let name = |performer: &Performer| match performer {
        Performer::Anonymous => None,
        Performer::Person(person) => person.user_principal_name.as_deref().map(str::to_ascii_lowercase),
    };
    ballot.verdict == known.verdict
        && ballot.performer.is_same(&known.performer)
        && name(&ballot.performer).is_none_or(|of_ballot| name(&known.performer) == Some(of_ballot))
}
