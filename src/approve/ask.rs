//! The story of a request: a job asks, and people are told.

use std::sync::Arc;

use anyhow::Context;

use super::{Approvals, Report, broken, failed};
use crate::{
    approval::{ApprovalId, Asked, Posted, Request, Seen, Unreached, Workload},
    host::Timing,
    ledger::{AskingKey, Folder},
    printable::describe,
};

/// What a job asks for, and the body in which it did.
#[derive(Debug)]
pub struct Asking {
    /// What the body says.
    pub asked: Asked,
    /// The job.
    pub workload: Workload,
    /// The body, byte for byte: the same again is the same request.
    pub body: Vec<u8>,
}

impl Approvals {
    /// Opens an approval to votes and posts its card; `true` where it was not asked for before.
    pub async fn ask(self: &Arc<Self>, asking: Asking, timing: Timing) -> Result<(Seen, bool), Report> {
        let Asking { asked, workload, .. } = &asking;
        self.policy.request(asked, &workload.repository, self.anonymous)?;
        let approvals = Arc::clone(self);
        let story = tokio::spawn(async move { approvals.open(asking, timing).await });
        let opened = story.await.map_err(|error| broken(&error.into()))?;
        opened.map_err(|error| failed(Unreached::Store, &error))
    }

    /// An error means that it is not known to be open; asked again it is the same approval.
    async fn open(&self, asking: Asking, timing: Timing) -> anyhow::Result<(Seen, bool)> {
        let (ledger, until) = (&self.delivery.ledger, Self::recorded_by(timing));
        let key = AskingKey::of(&asking.workload, &asking.body);
        let mut random = [0_u8; 16];
        getrandom::fill(&mut random).map_err(|error| anyhow::anyhow!("no random numbers: {error}"))?;
        let Asking { asked, workload, .. } = asking;
        let id = ApprovalId::new(timing.now, random);
        let request = Request { id, asked, workload, created_at: timing.now };
        let opened = ledger.ask(&key, &request, until).await?;
        ledger.open(&opened, until).await?;
        let (folder, _) =
            self.delivery.look(&opened.id, timing).await?.context("what was just opened is gone")?;
        Ok((self.tell(folder, timing).await?, opened.id == request.id))
    }

    /// Posts the card. That it cannot be posted now is no failure of the request: it will be.
    async fn tell(&self, folder: Folder, timing: Timing) -> anyhow::Result<Seen> {
        let id = folder.approval.request.id.clone();
        let posted = self.delivery.post_card(&folder, timing).await;
        let mut seen = self.delivery.seen(folder, timing).await?;
        match posted {
            Ok(posted @ (Posted::Bot | Posted::Webhook)) => seen.posted = posted,
            Ok(Posted::Pending | Posted::None) => {}
            Err(error) => log::warn!("card of approval {}: {}", id.short(), describe(&error)),
        }
        Ok(seen)
    }
}
