//! What follows from a requested approval: it is decided once its time has come, and whoever has to hear of it is
//! told.

use chrono::{DateTime, Utc};
use log::Level;
use serde_json::Value;

use super::{
    Channel, Content, Delivered, Delivery, Letter, Said,
    plan::Occasion,
    sweep::{Found, Swept},
};
use crate::{
    approval::{
        Approval, ApprovalId, Decision, DeliveryState, Dispatch, Posted, Request, Ruling, Seen, tally,
    },
    cards::bot::{FRESH_STATE, shown_state},
    host::Timing,
    ledger::{Folder, Kind, Message, Next, POSTED, Progress, Ruled, Subject},
    printable::describe,
    teams::connector::{Connector, PostedMessage},
};

/// The most changes of a card in a row.
const MAX_UPDATES: usize = 5;

/// The most reminders of one approval: nobody heeds the hundredth.
const MAX_REMINDERS: u32 = 100;

/// The record that says that a card has arrived.
const CARD_DONE: &str = "card.done";

/// What became of a message.
pub type Told = (Message, anyhow::Result<Said>);

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
        let has = |record: &str| names.iter().any(|name| name == record);
        let posted = match &self.routes.channel {
            _ if has(POSTED) => Posted::Bot,
            _ if has(CARD_DONE) => Posted::Webhook,
            Some(_) => Posted::Pending,
            None => Posted::None,
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
    pub async fn carry_on(&self, folder: &Folder, timing: Timing) -> Vec<Told> {
        let (dispatched, told) =
            tokio::join!(self.carry_on_dispatch(folder, timing), self.tell_channel(folder, timing));
        dispatched.into_iter().chain(told).collect()
    }

    async fn carry_on_dispatch(&self, folder: &Folder, timing: Timing) -> Option<Told> {
        let Approval { request, ruling, .. } = &folder.approval;
        let ruling = ruling.as_ref().filter(|_| !self.dry_run)?;
        let dispatch = ruling.dispatch(request)?;
        Some(self.send_due(dispatch_letter(request, ruling, &dispatch), folder, timing).await)
    }

    async fn send_due(&self, letter: Letter<'_>, folder: &Folder, timing: Timing) -> Told {
        let message = letter.message.clone();
        match self.ledger.progress(&message, &folder.names, timing.deadline).await {
            Ok(progress) => (message, self.deliver(letter, (progress, Occasion::Sweep), timing).await),
            Err(error) => (message, Err(error)),
        }
    }

    async fn tell_channel(&self, folder: &Folder, timing: Timing) -> Vec<Told> {
        let cards = &self.routes.cards;
        let approval = &folder.approval;
        match &self.routes.channel {
            None => Vec::new(),
            Some(Channel::Webhook(_)) => {
                let card = cards.teams(approval);
                let mut told = vec![self.send_due(card_letter(approval, &card), folder, timing).await];
                if let Some((number, since)) = reminder(approval, timing.now) {
                    let card = cards.reminder(approval, &cards.page_url(&approval.request.id));
                    let letter = reminder_letter(approval, (number, since), Content::Card(&card));
                    told.push(self.send_due(letter, folder, timing).await);
                }
                told
            }
            Some(Channel::Bot(bot)) => match self.tell_through(bot, folder, timing).await {
                Ok(told) => told,
                Err(error) => {
                    vec![(Message { subject: subject(&approval.request), kind: Kind::Card }, Err(error))]
                }
            },
        }
    }

    /// The bot's card is posted once, then changed as often as the approval does.
    async fn tell_through(
        &self,
        bot: &Connector,
        folder: &Folder,
        timing: Timing,
    ) -> anyhow::Result<Vec<Told>> {
        let (cards, approval) = (&self.routes.cards, &folder.approval);
        let posted = self.ledger.posted(&approval.request.id, &folder.names, timing.deadline).await?;
        let Some(posted) = posted else {
            let card = cards.bot(approval, None);
            // What stands in the channel and cannot be changed is followed by another that says what was decided.
            let stands = folder.names.iter().any(|name| name == CARD_DONE);
            let letter = match stands {
                true => card_letter(approval, &card),
                false => first_card_letter(approval, &card),
            };
            return Ok(vec![self.send_due(letter, folder, timing).await]);
        };
        let mut told: Vec<_> = self.update_card(folder, &posted, timing).await.into_iter().collect();
        if let Some((number, since)) = reminder(approval, timing.now) {
            let card = cards.reminder(approval, &bot.link(&posted));
            let letter = reminder_letter(approval, (number, since), Content::Reply(&posted, &card));
            told.push(self.send_due(letter, folder, timing).await);
        }
        Ok(told)
    }

    /// Makes the bot's card show how the approval stands. The state is read again after each change, while nobody else
    /// may change it, so that the last state is shown however changes race.
    async fn update_card(&self, folder: &Folder, posted: &PostedMessage, timing: Timing) -> Option<Told> {
        let message = Message { subject: subject(&folder.approval.request), kind: Kind::Update };
        let mut told = None;
        let mut state_now = None;
        for _ in 0..MAX_UPDATES {
            let folder = state_now.as_ref().unwrap_or(folder);
            let approval = &folder.approval;
            let state = shown_state(approval);
            let is_fresh =
                state == FRESH_STATE && !folder.names.iter().any(|name| name.starts_with("update."));
            if is_fresh {
                return told;
            }
            let card = self.routes.cards.bot(approval, None);
            let letter = Letter {
                message: message.clone(),
                content: Content::Update(posted, &card, &state),
                since: changed_at(approval),
                entries: Vec::new(),
            };
            let (message, said) = self.send_due(letter, folder, timing).await;
            let arrived = matches!(&said, Ok(Said { delivered: Delivered::Arrived, .. }));
            if !arrived {
                return Some(told.filter(|_| is_before(&said)).unwrap_or((message, said)));
            }
            told = Some((message, said));
            match self.ledger.folder(&approval.request.id, timing.deadline).await {
                Ok(read_again) => state_now = read_again,
                Err(error) => log::warn!("approval {}: {}", approval.request.id.short(), describe(&error)),
            }
        }
        told
    }

    /// Posts the card of an approval that was asked for just now, or asked for again.
    pub async fn post_card(&self, folder: &Folder, timing: Timing) -> anyhow::Result<Posted> {
        let Approval { request, ruling, .. } = &folder.approval;
        let card = match &self.routes.channel {
            _ if ruling.is_some() || folder.names.iter().any(|name| name == POSTED) => None,
            None => None,
            Some(Channel::Webhook(_)) => Some(self.routes.cards.teams(&folder.approval)),
            Some(Channel::Bot(_)) => Some(self.routes.cards.bot(&folder.approval, None)),
        };
        let Some(card) = card else { return Ok(Posted::Pending) };
        let letter = first_card_letter(&folder.approval, &card);
        let progress = self.ledger.progress(&letter.message, &folder.names, timing.deadline).await?;
        let occasion = match timing.now == request.created_at {
            true => Occasion::Decided,
            false => Occasion::Click,
        };
        let said = self.deliver(letter, (progress, occasion), timing).await?;
        Ok(match (said.delivered, &self.routes.channel) {
            (Delivered::Arrived | Delivered::Before, Some(Channel::Bot(_))) => Posted::Bot,
            (Delivered::Arrived | Delivered::Before, _) => Posted::Webhook,
            _ => Posted::Pending,
        })
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

/// Whether nothing was to be done.
fn is_before(said: &anyhow::Result<Said>) -> bool {
    matches!(said, Ok(Said { delivered: Delivered::Before, .. }))
}

/// When the approval last changed.
fn changed_at(approval: &Approval) -> DateTime<Utc> {
    let voted_at = approval.ballots.iter().map(|ballot| ballot.at).max();
    let ruled_at = approval.ruling.as_ref().map(|ruling| ruling.decided_at);
    ruled_at.or(voted_at).unwrap_or(approval.request.created_at)
}

/// Which reminder is due, and since when. Those that were missed before it are not made up for.
fn reminder(approval: &Approval, now: DateTime<Utc>) -> Option<(u32, DateTime<Utc>)> {
    let Request { asked, created_at, .. } = &approval.request;
    let every = asked.reminder.filter(|_| approval.ruling.is_none())?;
    let number = u32::try_from((now - *created_at).num_minutes() / every.num_minutes().max(1)).ok()?;
    (1..=MAX_REMINDERS)
        .contains(&number)
        .then(|| (number, *created_at + every * i32::try_from(number).unwrap_or(0)))
}

fn reminder_letter<'a>(
    approval: &Approval,
    (number, since): (u32, DateTime<Utc>),
    content: Content<'a>,
) -> Letter<'a> {
    let message = Message { subject: subject(&approval.request), kind: Kind::Reminder(number) };
    Letter { message, content, since, entries: Vec::new() }
}

/// The first card of an approval, whatever it says by now.
fn first_card_letter<'a>(approval: &Approval, card: &'a Value) -> Letter<'a> {
    let message = Message { subject: subject(&approval.request), kind: Kind::Card };
    Letter { message, content: Content::Card(card), since: approval.request.created_at, entries: Vec::new() }
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
