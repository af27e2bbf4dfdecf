//! What follows from a requested approval: it is decided once its time has come, and whoever has to hear of it is
//! told.

use log::Level;

use super::{
    Content, Delivered, Delivery, Letter, Said,
    plan::Occasion,
    sweep::{Found, Swept},
};
use crate::{
    approval::{
        Approval, ApprovalId, Decision, DeliveryState, Dispatch, Posted, Request, Ruling, Seen, tally,
    },
    host::Timing,
    ledger::{Folder, Kind, Message, Next, Progress, Ruled, Subject},
    printable::describe,
};

/// What became of a message.
pub(super) type Told = (Message, anyhow::Result<Said>);

impl Delivery {
    /// The approval with this id, if there is one, decided where that is due; and whether this very look has decided
    /// it: its time was over, or its votes sufficed and nobody had said so.
    pub async fn look(&self, id: &ApprovalId, timing: Timing) -> anyhow::Result<Option<(Folder, bool)>> {
        match self.ledger.folder(id, timing.deadline).await? {
            Some(folder) => self.rule_if_due(folder, timing).await.map(Some),
            None => Ok(None),
        }
    }

    /// Decides the approval where that is due, and says whether it did.
    pub async fn rule_if_due(&self, mut folder: Folder, timing: Timing) -> anyhow::Result<(Folder, bool)> {
        let Approval { request, ballots, ruling } = &mut folder.approval;
        let due = match ruling {
            Some(_) => None,
            None => tally(request, ballots, timing.now),
        };
        let Some(due) = due else { return Ok((folder, false)) };
        let (ruled, has_ruled) = match self.ledger.rule(&request.id, &due, timing.deadline).await? {
            Ruled::First => (due, true),
            Ruled::Before(before) => (before, false),
        };
        ballots.clone_from(&ruled.ballots);
        *ruling = Some(ruled);
        Ok((folder, has_ruled))
    }

    /// How far what follows from it has come.
    pub async fn seen(&self, folder: Folder, timing: Timing) -> anyhow::Result<Seen> {
        let posted = match &self.routes.channel {
            _ if folder.is_posted_by_bot() => Posted::Bot,
            _ if folder.has_arrived(Kind::Card) => Posted::Webhook,
            Some(_) => Posted::Pending,
            None => Posted::None,
        };
        let approval = &folder.approval;
        let sends = approval.ruling.as_ref().is_some_and(|ruling| approval.request.dispatches(ruling.ending));
        let delivery = match sends && !self.dry_run {
            true => {
                let message = Message::dispatch(subject(&approval.request));
                state(&self.ledger.progress_in(&folder, &message, timing.deadline).await?)
            }
            false => DeliveryState::None,
        };
        Ok(Seen { approval: folder.approval, delivery, posted })
    }

    /// How the dispatch of a relayed decision stands.
    pub async fn relayed_state(&self, decision: &Decision, timing: Timing) -> anyhow::Result<DeliveryState> {
        if self.dry_run {
            return Ok(DeliveryState::None);
        }
        let subject = Subject::Relayed(decision.id.clone());
        let names = self.ledger.names(&subject, timing.deadline).await?;
        Ok(state(&self.ledger.progress(&Message::dispatch(subject), &names, timing.deadline).await?))
    }

    /// Sends the dispatch of what was ruled this very moment, by us. An error means that nothing was sent.
    pub async fn deliver_ruling(
        &self,
        request: &Request,
        (ruling, dispatch): (&Ruling, &Dispatch),
        timing: Timing,
    ) -> anyhow::Result<Said> {
        let letter = dispatch_letter(request, ruling, dispatch);
        self.deliver(letter, (Progress::Untried, Occasion::Decided), timing).await
    }

    /// Sends the dispatch of what was ruled before and a person has clicked again, if it is to be sent now.
    pub async fn deliver_ruling_again(
        &self,
        request: &Request,
        (ruling, dispatch): (&Ruling, &Dispatch),
        timing: Timing,
    ) -> anyhow::Result<Said> {
        self.deliver_clicked(dispatch_letter(request, ruling, dispatch), timing).await
    }

    /// Sends whatever about the approval is due now and nobody else is sending. Says whether nothing is left to be
    /// done, and what was.
    pub async fn carry_on(&self, folder: &Folder, timing: Timing) -> (bool, Swept) {
        let (dispatched, told) =
            tokio::join!(self.carry_on_dispatch(folder, timing), self.tell_channel(folder, timing));
        let (mut at_rest, mut swept) = (folder.approval.ruling.is_some(), Swept::default());
        for (message, said) in dispatched.into_iter().chain(told) {
            match said {
                Ok(said) => {
                    at_rest &= is_at_rest(&said.delivered);
                    swept.tell(&message, &said, "");
                }
                Err(error) => {
                    at_rest = false;
                    swept.lines.push((Level::Error, format!("{message}: {}", describe(&error))));
                }
            }
        }
        (at_rest, swept)
    }

    async fn carry_on_dispatch(&self, folder: &Folder, timing: Timing) -> Option<Told> {
        let Approval { request, ruling, .. } = &folder.approval;
        let ruling = ruling.as_ref().filter(|_| !self.dry_run)?;
        let dispatch = ruling.dispatch(request)?;
        Some(self.send_due(dispatch_letter(request, ruling, &dispatch), folder, timing).await)
    }

    /// Sends a message about the approval, if it is due and nobody else is sending it.
    pub(super) async fn send_due(&self, letter: Letter<'_>, folder: &Folder, timing: Timing) -> Told {
        let message = letter.message.clone();
        match self.ledger.progress_in(folder, &message, timing.deadline).await {
            Ok(progress) => (message, self.deliver(letter, (progress, Occasion::Sweep), timing).await),
            Err(error) => (message, Err(error)),
        }
    }

    /// One approval of a sweep: decided where that is due, and what is due is sent.
    pub(super) async fn sweep_requested(
        &self,
        id: &ApprovalId,
        timing: Timing,
    ) -> anyhow::Result<(Found, Swept)> {
        let mut swept = Swept::default();
        let Some((folder, has_ruled)) = self.look(id, timing).await? else {
            return Ok((Found::Nothing, swept));
        };
        if let Some(ruling) = folder.approval.ruling.as_ref().filter(|_| has_ruled) {
            swept.lines.push((Level::Info, format!("approval {}: {}", id.short(), ruling.ending.as_str())));
        }
        let (at_rest, carried_on) = self.carry_on(&folder, timing).await;
        swept.lines.extend(carried_on.lines);
        swept.limited = carried_on.limited;
        Ok((if at_rest { Found::AtRest } else { Found::Waiting }, swept))
    }
}

/// How a dispatch stands that has come so far.
fn state(progress: &Progress) -> DeliveryState {
    match progress {
        Progress::Done => DeliveryState::Delivered,
        Progress::Tried(_, Some(result)) if result.next == Next::Dead => DeliveryState::Dead,
        Progress::Untried | Progress::Tried(..) => DeliveryState::Pending,
    }
}

fn is_at_rest(delivered: &Delivered) -> bool {
    match delivered {
        Delivered::Arrived
        | Delivered::Before
        | Delivered::Dead
        | Delivered::TooLate
        | Delivered::Failed(_, Next::Dead) => true,
        Delivered::OnItsWay | Delivered::NoRoute | Delivered::Failed(_, Next::NotBefore(_)) => false,
    }
}

pub(super) fn subject(request: &Request) -> Subject {
    Subject::Requested(request.id.clone())
}

fn dispatch_letter<'a>(request: &Request, ruling: &Ruling, dispatch: &'a Dispatch) -> Letter<'a> {
    Letter {
        message: Message::dispatch(subject(request)),
        content: Content::Dispatch(dispatch),
        since: ruling.decided_at,
        entries: Vec::new(),
    }
}
