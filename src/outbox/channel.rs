//! What the channel in Teams is told of a requested approval: through a webhook by one card that asks and another that
//! says what was decided, by the bot through one card that changes.

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::{
    Channel, Content, Delivered, Letter, Outbox, Said,
    plan::Occasion,
    requested::{Told, subject},
    sweep::Swept,
};
use crate::{
    approval::{Approval, Posted, PostedMessage, Request},
    cards::bot::{FRESH_STATE, shown_state},
    ledger::{AttemptResult, Folder, Kind, Message, Next},
    senders::teams::connector::Connector,
    text::log::describe,
    timing::Timing,
};

/// The most changes of a card in a row.
const MAX_UPDATES: usize = 5;

/// The most reminders of one approval: nobody heeds the hundredth.
const MAX_REMINDERS: u32 = 100;

impl Outbox {
    pub(super) async fn tell_channel(&self, folder: &Folder, timing: Timing) -> Vec<Told> {
        let cards = &self.routes.cards;
        let approval = &folder.approval;
        match &self.routes.channel {
            None => Vec::new(),
            Some(Channel::Webhook(_)) => {
                let card = cards.teams(approval);
                let mut told = vec![self.send_due(card_letter(approval, &card), folder, timing).await];
                if let Some((number, since)) = self.reminder(approval, timing.now) {
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
        let Some(posted) = self.ledger.posted(folder, timing.deadline).await? else {
            let card = cards.bot(approval, None);
            let first = self.send_due(first_card_letter(approval, &card), folder, timing).await;
            // What stands there and cannot be changed, or was given up, is followed by a card that says what was decided.
            return Ok(match (is_before(&first.1) || is_given_up(&first.1)) && approval.ruling.is_some() {
                true => vec![first, self.send_due(card_letter(approval, &card), folder, timing).await],
                false => vec![first],
            });
        };
        let mut told = self.update_card(folder, &posted, timing).await;
        if let Some((number, since)) = self.reminder(approval, timing.now) {
            let card = cards.reminder(approval, &bot.link(&posted));
            let letter = reminder_letter(approval, (number, since), Content::Reply(&posted, &card));
            told.push(self.send_due(letter, folder, timing).await);
        }
        Ok(told)
    }

    /// Makes the bot's card show how the approval stands. The state is read again after each change, while nobody else
    /// may change it, so that the last state is shown however changes race. A card that cannot be made to show what was
    /// decided is followed by one that says it.
    async fn update_card(&self, folder: &Folder, posted: &PostedMessage, timing: Timing) -> Vec<Told> {
        let message = Message { subject: subject(&folder.approval.request), kind: Kind::Update };
        let mut told = None;
        let mut state_now = None;
        for _ in 0..MAX_UPDATES {
            let folder = state_now.as_ref().unwrap_or(folder);
            let approval = &folder.approval;
            let state = shown_state(approval);
            if state == FRESH_STATE && !folder.has_begun(Kind::Update) {
                break;
            }
            let card = self.routes.cards.bot(approval, None);
            let letter = Letter {
                message: message.clone(),
                content: Content::Update(posted, &card, &state),
                since: changed_at(approval),
                entries: Vec::new(),
                listed_at: None,
                forbidden: None,
            };
            let (message, said) = self.send_due(letter, folder, timing).await;
            if is_given_up(&said) && approval.ruling.is_some() {
                let result = self.send_due(card_letter(approval, &card), folder, timing).await;
                return vec![(message, said), result];
            }
            if !matches!(&said, Ok(Said { delivered: Delivered::Arrived, .. })) {
                return vec![told.filter(|_| is_before(&said)).unwrap_or((message, said))];
            }
            told = Some((message, said));
            match self.folder(&approval.request.id, timing.deadline).await {
                Ok(read_again) => state_now = read_again,
                Err(error) => log::warn!("approval {}: {}", approval.request.id.short(), describe(&error)),
            }
        }
        Vec::from_iter(told)
    }

    /// Which reminder is due, and since when. Nobody is reminded of what may not be sent any more.
    fn reminder(&self, approval: &Approval, now: DateTime<Utc>) -> Option<(u32, DateTime<Utc>)> {
        let is_allowed = self.policy.allow_workload(&approval.request.workload).is_ok();
        reminder(approval, now).filter(|_| is_allowed)
    }

    /// Posts the card of an approval that was asked for just now, or asked for again.
    pub async fn post_card(&self, folder: &Folder, timing: Timing) -> anyhow::Result<Posted> {
        let Approval { request, ruling, .. } = &folder.approval;
        let card = match &self.routes.channel {
            _ if ruling.is_some() || folder.is_posted_by_bot() => None,
            None => None,
            Some(Channel::Webhook(_)) => Some(self.routes.cards.teams(&folder.approval)),
            Some(Channel::Bot(_)) => Some(self.routes.cards.bot(&folder.approval, None)),
        };
        let Some(card) = card else { return Ok(Posted::Pending) };
        let letter = first_card_letter(&folder.approval, &card);
        let progress = self.ledger.progress_in(folder, &letter.message, timing.deadline).await?;
        let occasion = match timing.now == request.created_at {
            true => Occasion::Decided,
            false => Occasion::Click,
        };
        let message = letter.message.clone();
        let said = self.deliver(letter, (progress, occasion), timing).await?;
        if matches!(&said.delivered, Delivered::Failed(..)) {
            Swept::of(&message, &said).lines.iter().for_each(|(level, line)| log::log!(*level, "{line}"));
        }
        Ok(match (said.delivered, &self.routes.channel) {
            (Delivered::Arrived | Delivered::Before, Some(Channel::Bot(_))) => Posted::Bot,
            (Delivered::Arrived | Delivered::Before, _) => Posted::Webhook,
            _ => Posted::Pending,
        })
    }
}

/// Whether nothing was to be done.
fn is_before(said: &anyhow::Result<Said>) -> bool {
    matches!(said, Ok(Said { delivered: Delivered::Before, .. }))
}

/// Whether nothing more is done about it, though it has not arrived.
fn is_given_up(said: &anyhow::Result<Said>) -> bool {
    matches!(
        said,
        Ok(Said {
            delivered: Delivered::Dead(_)
                | Delivered::TooLate
                | Delivered::Failed(AttemptResult { next: Next::Dead, .. }),
            ..
        })
    )
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

/// When the next thing happens to an open approval by itself: a reminder, or that it expires.
pub(super) fn next_event(request: &Request, now: DateTime<Utc>) -> DateTime<Utc> {
    let next_reminder = request.asked.reminder.map(|every| {
        let passed = (now - request.created_at).num_minutes() / every.num_minutes().max(1);
        request.created_at + every * i32::try_from(passed + 1).unwrap_or(i32::MAX)
    });
    next_reminder.map_or(request.expires_at(), |next| next.min(request.expires_at()))
}

fn reminder_letter<'a>(
    approval: &Approval,
    (number, since): (u32, DateTime<Utc>),
    content: Content<'a>,
) -> Letter<'a> {
    let message = Message { subject: subject(&approval.request), kind: Kind::Reminder(number) };
    Letter { message, content, since, entries: Vec::new(), listed_at: None, forbidden: None }
}

/// The first card of an approval, whatever it says by now.
fn first_card_letter<'a>(approval: &Approval, card: &'a Value) -> Letter<'a> {
    let message = Message { subject: subject(&approval.request), kind: Kind::Card };
    Letter {
        message,
        content: Content::Card(card),
        since: approval.request.created_at,
        entries: Vec::new(),
        listed_at: None,
        forbidden: None,
    }
}

/// The card that the channel is to see now: the one that asks, or the one that says what was decided.
fn card_letter<'a>(approval: &Approval, card: &'a Value) -> Letter<'a> {
    let (kind, since) = match &approval.ruling {
        None => (Kind::Card, approval.request.created_at),
        Some(ruling) => (Kind::Result, ruling.decided_at),
    };
    let message = Message { subject: subject(&approval.request), kind };
    Letter {
        message,
        content: Content::Card(card),
        since,
        entries: Vec::new(),
        listed_at: None,
        forbidden: None,
    }
}
