//! From a recorded decision to GitHub, and to the channels: attempts under a lease, back-off, dead letters.
//!
//! The messages that an approval wants sent follow from its standing ([`wanted()`]). Each goes out at least once, and
//! never from two places at once: the sender first claims the next attempt in the ledger, and the claim holds for
//! half a minute, several times as long as an attempt can take. An attempt that ends is either *done*, or has a result
//! that says when the next may come; one that never ends was cut off, and its lease runs out. So any instance can go on
//! where another stopped. The next step follows from the records and the time alone (`plan`); `send` carries it out.

mod plan;
mod routes;
mod send;
mod swept;
mod targets;
mod wanted;

use std::sync::Arc;

use chrono::TimeDelta;
use tokio::{task::JoinHandle, time::Instant};
use tokio_util::task::TaskTracker;

pub use self::{
    plan::{FRESH, Occasion},
    routes::{Part, Route},
    send::{Claimed, Delivered, Matter, Sent, settle_all},
    swept::{LeftOut, Swept},
    targets::{Body, Sender, Target, Targets, Trace, Trouble},
    wanted::{Effect, Wanted, next_event, wanted},
};
use crate::{
    approval::{
        ApprovalId, Attempt, Changes, Channel, Memberships, Policy, Posted, Request, Standing, TargetName,
        Unknown,
    },
    cards::Cards,
    ledger::{Detail, Ledger},
    timing::Timing,
};

/// Sends messages, and tries again until they arrive or the time is over.
pub struct Outbox {
    /// The records of the messages' progress.
    pub ledger: Arc<Ledger>,
    /// The receivers of the messages.
    pub targets: Targets,
    /// The writer of the cards.
    pub cards: Arc<Cards>,
    /// The channels among the targets.
    channels: Vec<Channel>,
    /// The time for which an undelivered message is tried again without a click (`DELIVER_FOR_HOURS`).
    deliver_for: TimeDelta,
    /// The operator's rules of now, which also hold for older decisions.
    policy: Arc<Policy>,
    /// Work beside the answers; it is awaited before the process ends.
    pub tasks: TaskTracker,
}

impl Outbox {
    /// An outbox for the records in `ledger`; each message is tried for `deliver_for`, as far as `policy` allows.
    pub fn new(
        ledger: Ledger,
        targets: Targets,
        cards: Arc<Cards>,
        policy: Arc<Policy>,
        deliver_for: TimeDelta,
    ) -> Self {
        Self {
            ledger: Arc::new(ledger),
            channels: targets.channels(),
            targets,
            cards,
            policy,
            deliver_for,
            tasks: TaskTracker::new(),
        }
    }

    /// Starts work beside the answers. It goes on to its end, even if nobody waits for it any more.
    pub fn beside<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
        // A story holds some kilobytes; in a box, the runtime moves a pointer about instead of these.
        self.tasks.spawn(Box::pin(work))
    }

    /// The approval with this id, if there is one, under the settings of now. No group was asked about its voters.
    pub async fn standing(
        &self,
        id: &ApprovalId,
        detail: Detail,
        until: Instant,
    ) -> anyhow::Result<Option<Standing>> {
        let standing = self.ledger.standing(id, detail, until).await?;
        Ok(standing.map(|standing| self.asking(self.policy.hold(standing, &Memberships::default()))))
    }

    /// True if GitHub can be asked for the changes of a release.
    pub fn compares(&self) -> bool {
        !self.policy.dry_run && self.targets.github.lacks().is_none()
    }

    /// The standing of an open approval says that its changes are not known yet, if they can be.
    pub fn asking(&self, standing: Standing) -> Standing {
        match standing.changes.is_none() && standing.ruling.is_none() && self.compares() {
            true => Standing { changes: Some(Changes::Unknown(Unknown::NotYet)), ..standing },
            false => standing,
        }
    }

    /// The way the card of an approval was posted.
    pub fn posted(&self, standing: &Standing) -> Posted {
        let channels: Vec<_> = self.routes(standing).into_iter().map(|route| route.channel).collect();
        standing.posted(&channels)
    }

    /// The channels that hear of an approval, by the rules of now.
    pub fn routes(&self, standing: &Standing) -> Vec<Route> {
        let chosen = self.policy.channel_of(&standing.request).map(|channel| self.targets.name_of(channel));
        routes::routes(standing, chosen.as_ref(), &self.channels, self.targets.bot.is_some())
    }

    /// True if the approval's cards are posted to `target`, or one stands there.
    pub fn tells(&self, standing: &Standing, target: &TargetName) -> bool {
        self.routes(standing).iter().any(|route| route.channel.name == *target)
    }

    /// The claim of an attempt that is recorded with the decision, if its writer sends.
    pub fn first_attempt(&self, timing: Timing) -> Attempt {
        plan::first_attempt(timing.now)
    }

    /// The request, with its repository's visibility of now.
    async fn as_visible_now(&self, request: &Request, until: Instant) -> anyhow::Result<Request> {
        let known = self.ledger.visibility(&request.workload.repository_id, until).await?;
        Ok(request.clone().seen_as(known))
    }
}
