//! The program's rooms, wired in this process: on a store that may fail as told, and with a clock that is an argument.

use std::sync::Arc;

use approve_release::{
    approval::{Policy, TargetName},
    approve::Stories,
    cards::Cards,
    ledger::{Ledger, Store},
    outbox::{Outbox, Sender, Target, Targets},
    senders::{
        github::GitHub,
        graph::{Graph, Setup},
    },
    time_zone::TimeZone,
};
use chrono::TimeDelta;
use object_store::ObjectStore;

use crate::github::TOKEN;

/// An instance on this store that sends to the GitHub at this URL, if there is one, and posts by this sender.
pub fn stories(
    policy: Policy,
    store: Arc<dyn ObjectStore>,
    github: Option<&str>,
    sender: Option<Sender>,
    deliver_for: TimeDelta,
) -> Arc<Stories> {
    let url = |text: &str| text.parse().expect("a URL");
    let token = github.map(|_| TOKEN.into());
    let github = GitHub::new(url(github.unwrap_or("http://localhost:9")), token, None);
    let bot = match &sender {
        Some(Sender::Bot(bot, _)) => Some(Arc::clone(bot)),
        Some(Sender::Webhook(_)) | None => None,
    };
    let channel = sender.map(|sender| Target::new(TargetName::default(), "TEAMS_WEBHOOK_URL", sender));
    let targets = Targets { github, channels: channel.into_iter().collect(), bot };
    let cards = Arc::new(Cards {
        public_url: url("https://approve.example"),
        github: url("https://github.com"),
        mail: None,
        time_zone: TimeZone::UTC,
    });
    let (policy, ledger) = (Arc::new(policy.clone()), Ledger::new(Store::of(store), policy.dry_run));
    let outbox = Outbox::new(ledger, targets, cards, Arc::clone(&policy), deliver_for);
    Arc::new(Stories::new(policy, outbox, Graph::new(Setup { url: url("http://localhost:9"), app: None })))
}
