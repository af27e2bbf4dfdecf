//! What follows from a requested approval: it is decided once its time has come, and whoever has to hear of it is
//! told.

use log::Level;

use tokio::time::Instant;

use super::{
    Content, Delivered, Letter, Outbox, Said,
    channel::next_event,
    forbidden,
    plan::Occasion,
    sweep::{Found, LeftOut, Swept},
};
use crate::{
    approval::{
        Approval, ApprovalId, DeliveryState, Dispatch, Dispatched, Posted, Request, Ruling, Seen, tally,
    },
    ledger::{Attempt, AttemptResult, Decided, Folder, Kind, Message, Next, Progress, Ruled, Subject},
    text::log::describe,
    timing::Timing,
};

/// What became of a message.
pub(super) type Told = (Message, anyhow::Result<Said>);

impl Outbox {
    /// The approval with this id, if there is one, held against the settings of now.
    pub async fn folder(&self, id: &ApprovalId, until: Instant) -> anyhow::Result<Option<Folder>> {
        let folder = self.ledger.folder(id, until).await?;
        Ok(folder.map(|folder| folder.held(&self.policy)))
    }

    /// The approval with this id, if there is one, decided where that is due; and whether this very look has decided
    /// it: its time was over, or its votes sufficed and nobody had said so.
    pub async fn look(&self, id: &ApprovalId, timing: Timing) -> anyhow::Result<Option<(Folder, bool)>> {
        match self.folder(id, timing.deadline).await? {
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
        // Whoever looks does not send, and so claims nothing.
        let (ruled, has_ruled) = match self.ledger.rule(&request.id, (due, None), timing.deadline).await? {
            Ruled::First(ruled) => (ruled, true),
            Ruled::Before(before, _) => (before, false),
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
        let Approval { request, ruling, .. } = &folder.approval;
        let is_sent = ruling.as_ref().is_some_and(|ruling| request.event_type(ruling.ending).is_some());
        let dispatch = match is_sent && !self.dry_run {
            true => {
                let message = Message::dispatch(subject(request));
                let progress = self.ledger.progress_in(&folder, &message, timing.deadline).await?;
                let forbidden = forbidden(self.policy.allow_workload(&request.workload));
                self.dispatched(&message, (progress, forbidden), timing.deadline).await?
            }
            false => Dispatched::NOTHING,
        };
        Ok(Seen { approval: folder.approval, dispatch, posted })
    }

    /// How the dispatch of a relayed decision stands.
    pub async fn relayed_state(&self, decided: &Decided, timing: Timing) -> anyhow::Result<Dispatched> {
        let Decided { decision, claim } = decided;
        if self.dry_run {
            return Ok(Dispatched::NOTHING);
        }
        let subject = Subject::Relayed(decision.id.clone());
        let names = self.ledger.names(&subject, timing.deadline).await?;
        let message = Message::dispatch(subject);
        let progress = self.ledger.progress(&message, (&names, claim.as_ref()), timing.deadline).await?;
        let forbidden = forbidden(self.policy.allow_name(&decision.dispatch.repository));
        self.dispatched(&message, (progress, forbidden), timing.deadline).await
    }

    /// How a dispatch stands that has come so far, and may or may not be sent by now.
    async fn dispatched(
        &self,
        message: &Message,
        (progress, forbidden): (Progress, Option<String>),
        until: Instant,
    ) -> anyhow::Result<Dispatched> {
        let refused = |result: &AttemptResult| {
            let is_refused = result.answer.is_refusal();
            is_refused.then(|| result.detail.split_once(": ").map_or("", |(_, said)| said).to_owned())
        };
        Ok(match progress {
            Progress::Done => Dispatched {
                delivery: DeliveryState::Delivered,
                delivered_at: self.ledger.arrived_at(message, until).await?,
                error: None,
            },
            _ if forbidden.is_some() => {
                Dispatched { delivery: DeliveryState::Dead, delivered_at: None, error: forbidden }
            }
            Progress::Tried(_, Some(result)) => Dispatched {
                delivery: match result.next {
                    Next::Dead => DeliveryState::Dead,
                    Next::NotBefore(_) => DeliveryState::Pending,
                },
                delivered_at: None,
                error: refused(&result),
            },
            Progress::Untried | Progress::Tried(_, None) => {
                Dispatched { delivery: DeliveryState::Pending, ..Dispatched::NOTHING }
            }
        })
    }

    /// Sends the dispatch of what was ruled this very moment, by us, with `attempt` claimed by the ruling; nothing where
    /// nothing is to be sent.
    pub async fn deliver_ruling(
        &self,
        request: &Request,
        (ruling, attempt): (&Ruling, Attempt),
        timing: Timing,
    ) -> Option<Said> {
        let dispatch = ruling.dispatch(request)?;
        let letter = self.dispatch_letter(request, ruling, &dispatch);
        Some(self.send_claimed(letter, attempt, timing).await)
    }

    /// Sends the dispatch of what was ruled before and a person has clicked again, if it is to be sent now.
    pub async fn deliver_ruling_again(
        &self,
        request: &Request,
        (ruling, claim): (&Ruling, Option<&Attempt>),
        timing: Timing,
    ) -> anyhow::Result<Option<Said>> {
        let request = self.as_visible_now(request, timing.deadline).await?;
        let Some(dispatch) = ruling.dispatch(&request) else { return Ok(None) };
        self.deliver_clicked(self.dispatch_letter(&request, ruling, &dispatch), claim, timing).await.map(Some)
    }

    /// The request, with the visibility that its repository has by now.
    async fn as_visible_now(&self, request: &Request, until: Instant) -> anyhow::Result<Request> {
        let known = self.ledger.visibility(&request.workload.repository_id, until).await?;
        Ok(request.clone().seen_as(known))
    }

    /// Sends whatever about the approval is due now and nobody else is sending, except what is `left_out`. Says whether
    /// nothing is left to be done, and what was.
    pub async fn carry_on(&self, folder: &Folder, left_out: LeftOut, timing: Timing) -> (bool, Swept) {
        let dispatch = async {
            match left_out.dispatch {
                true => None,
                false => self.carry_on_dispatch(folder, timing).await,
            }
        };
        let channel = async {
            match left_out.channel {
                true => Vec::new(),
                false => self.tell_channel(folder, timing).await,
            }
        };
        let (dispatched, told) = tokio::join!(dispatch, channel);
        let has_event = self.has_event_to_send(folder);
        let mut swept = Swept {
            awaits_event: has_event || folder.approval.ruling.is_none(),
            left_out: has_event && left_out.dispatch,
            ..Swept::default()
        };
        let mut at_rest = folder.approval.ruling.is_some() && !left_out.channel && !swept.left_out;
        for (message, said) in dispatched.into_iter().chain(told) {
            match said {
                Ok(said) => {
                    let is_at_rest = is_at_rest(&said.delivered);
                    (at_rest, swept.waits) = (at_rest && is_at_rest, swept.waits || !is_at_rest);
                    swept.tell(&message, &said, "");
                }
                Err(error) => {
                    at_rest = false;
                    swept.count(&message);
                    swept.lines.push((Level::Error, format!("{message}: {}", describe(&error))));
                }
            }
        }
        (at_rest, swept)
    }

    /// Whether an event follows from the decision, and has not arrived.
    fn has_event_to_send(&self, folder: &Folder) -> bool {
        let Approval { request, ruling, .. } = &folder.approval;
        let is_sent = ruling.as_ref().is_some_and(|ruling| request.event_type(ruling.ending).is_some());
        is_sent && !self.dry_run && !folder.has_arrived(Kind::Dispatch)
    }

    async fn carry_on_dispatch(&self, folder: &Folder, timing: Timing) -> Option<Told> {
        let Approval { request, ruling, .. } = &folder.approval;
        let ruling = ruling.as_ref().filter(|_| !self.dry_run)?;
        request.event_type(ruling.ending)?;
        let message = Message::dispatch(subject(request));
        if folder.has_arrived(Kind::Dispatch) {
            return Some((message, Ok(Said::nothing(Delivered::Before))));
        }
        let request = match self.as_visible_now(request, timing.deadline).await {
            Ok(request) => request,
            Err(error) => return Some((message, Err(error))),
        };
        let dispatch = ruling.dispatch(&request)?;
        Some(self.send_due(self.dispatch_letter(&request, ruling, &dispatch), folder, timing).await)
    }

    fn dispatch_letter<'a>(&self, request: &Request, ruling: &Ruling, dispatch: &'a Dispatch) -> Letter<'a> {
        Letter {
            message: Message::dispatch(subject(request)),
            content: Content::Dispatch(dispatch),
            since: ruling.decided_at,
            entries: Vec::new(),
            listed_at: None,
            forbidden: forbidden(self.policy.allow_workload(&request.workload)),
        }
    }

    /// Sends a message about the approval, if it is due and nobody else is sending it.
    pub(super) async fn send_due(&self, letter: Letter<'_>, folder: &Folder, timing: Timing) -> Told {
        let message = letter.message.clone();
        match self.ledger.progress_in(folder, &message, timing.deadline).await {
            Ok(progress) => (message, self.deliver(letter, (progress, Occasion::Sweep), timing).await),
            Err(error) => (message, Err(error)),
        }
    }

    /// One approval of a sweep: decided where that is due, and what is due is sent. `is_noted_open` says whether the
    /// index has it as open.
    pub(super) async fn sweep_requested(
        &self,
        id: &ApprovalId,
        (is_noted_open, left_out): (bool, LeftOut),
        timing: Timing,
    ) -> anyhow::Result<(Found, Swept)> {
        let mut swept = Swept::default();
        let Some((folder, has_ruled)) = self.look(id, timing).await? else {
            return Ok((Found::Nothing, swept));
        };
        let Approval { request, ruling, .. } = &folder.approval;
        if let Some(ruling) = ruling.as_ref().filter(|_| has_ruled) {
            swept.lines.push((Level::Info, format!("approval {}: {}", id.short(), ruling.ending.as_str())));
        }
        // A crash, or an older version, has left it otherwise.
        match (is_noted_open, ruling.is_some()) {
            (false, false) => self.ledger.note_open(request, timing.deadline).await?,
            (true, true) => self.ledger.note_decided(request, timing.deadline).await?,
            (true, false) | (false, true) => {}
        }
        let (at_rest, carried_on) = self.carry_on(&folder, left_out, timing).await;
        let is_quiet = carried_on.lines.is_empty() && !carried_on.waits;
        let lines = swept.lines.into_iter().chain(carried_on.lines).collect();
        let swept = Swept { lines, ..carried_on };
        let found = match at_rest {
            true => Found::AtRest,
            false if ruling.is_none() && is_quiet => Found::Open(next_event(request, timing.now)),
            false => Found::Waiting,
        };
        Ok((found, swept))
    }
}

fn is_at_rest(delivered: &Delivered) -> bool {
    match delivered {
        Delivered::Arrived
        | Delivered::Before
        | Delivered::Dead(_)
        | Delivered::TooLate
        | Delivered::Failed(AttemptResult { next: Next::Dead, .. }) => true,
        Delivered::OnItsWay
        | Delivered::NoRoute
        | Delivered::Failed(AttemptResult { next: Next::NotBefore(_), .. }) => false,
    }
}

pub(super) fn subject(request: &Request) -> Subject {
    Subject::Requested(request.id.clone())
}
