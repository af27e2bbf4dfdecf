//! What follows from a requested approval: it is decided once its time has come, and whoever has to hear of it is
//! told.

use futures_util::future::join_all;
use log::Level;
use serde_json::Value;

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
};

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
        let Folder { approval, names } = folder;
        let posted = match names.iter().any(|name| name == "card.done") {
            true => Posted::Webhook,
            false if self.routes.webhook.is_some() => Posted::Pending,
            false => Posted::None,
        };
        let sends = approval.ruling.as_ref().is_some_and(|ruling| approval.request.dispatches(ruling.ending));
        let delivery = match sends && !self.dry_run {
            true => self.state(&Message::dispatch(subject(&approval.request)), &names, timing).await?,
            false => DeliveryState::None,
        };
        Ok(Seen { approval, delivery, posted })
    }

    /// How the dispatch of a relayed decision stands.
    pub async fn relayed_state(&self, decision: &Decision, timing: Timing) -> anyhow::Result<DeliveryState> {
        if self.dry_run {
            return Ok(DeliveryState::None);
        }
        let subject = Subject::Relayed(decision.id.clone());
        let names = self.ledger.names(&subject, timing.deadline).await?;
        self.state(&Message::dispatch(subject), &names, timing).await
    }

    async fn state(
        &self,
        message: &Message,
        names: &[String],
        timing: Timing,
    ) -> anyhow::Result<DeliveryState> {
        Ok(match self.ledger.progress(message, names, timing.deadline).await? {
            Progress::Done => DeliveryState::Delivered,
            Progress::Tried(_, Some(result)) if result.next == Next::Dead => DeliveryState::Dead,
            Progress::Untried | Progress::Tried(..) => DeliveryState::Pending,
        })
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

    /// Sends whatever about the approval is due now and nobody else is sending; says what became of each message.
    pub async fn carry_on(&self, folder: &Folder, timing: Timing) -> Vec<(Message, anyhow::Result<Said>)> {
        let Approval { request, ruling, .. } = &folder.approval;
        let dispatch = ruling.as_ref().filter(|_| !self.dry_run).and_then(|ruling| ruling.dispatch(request));
        let card = self.routes.webhook.as_ref().map(|_| self.routes.cards.teams(&folder.approval));
        let mut letters = Vec::new();
        if let (Some(ruling), Some(dispatch)) = (ruling, &dispatch) {
            letters.push(dispatch_letter(request, ruling, dispatch));
        }
        letters.extend(card.as_ref().map(|card| card_letter(&folder.approval, card)));
        let sent = letters.into_iter().map(async |letter| {
            let message = letter.message.clone();
            let progress = self.ledger.progress(&message, &folder.names, timing.deadline).await;
            match progress {
                Ok(progress) => (message, self.deliver(letter, (progress, Occasion::Sweep), timing).await),
                Err(error) => (message, Err(error)),
            }
        });
        join_all(sent).await
    }

    /// Posts the card of an approval that was asked for just now, or asked for again.
    pub async fn post_card(&self, folder: &Folder, timing: Timing) -> anyhow::Result<bool> {
        let Approval { request, ruling, .. } = &folder.approval;
        if self.routes.webhook.is_none() || ruling.is_some() {
            return Ok(false);
        }
        let card = self.routes.cards.teams(&folder.approval);
        let letter = card_letter(&folder.approval, &card);
        let progress = self.ledger.progress(&letter.message, &folder.names, timing.deadline).await?;
        let occasion = match timing.now == request.created_at {
            true => Occasion::Decided,
            false => Occasion::Click,
        };
        let said = self.deliver(letter, (progress, occasion), timing).await?;
        Ok(matches!(said.delivered, Delivered::Arrived | Delivered::Before))
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
        let ruling = folder.approval.ruling.as_ref();
        if let Some(ruling) = ruling.filter(|_| has_ruled) {
            swept.lines.push((Level::Info, format!("approval {}: {}", id.short(), ruling.ending.as_str())));
        }
        let mut at_rest = ruling.is_some();
        for (message, said) in self.carry_on(&folder, timing).await {
            let said = said?;
            at_rest &= is_at_rest(&said.delivered);
            swept.tell(&message, &said, "");
        }
        Ok((if at_rest { Found::AtRest } else { Found::Waiting }, swept))
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

fn subject(request: &Request) -> Subject {
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

/// The card that the channel is to see now: the one that asks, or the one that says what was decided.
fn card_letter<'a>(approval: &Approval, card: &'a Value) -> Letter<'a> {
    let (kind, since) = match &approval.ruling {
        None => (Kind::Card, approval.request.created_at),
        Some(ruling) => (Kind::Result, ruling.decided_at),
    };
    let message = Message { subject: subject(&approval.request), kind };
    Letter { message, content: Content::Card(card), since, entries: Vec::new() }
}
