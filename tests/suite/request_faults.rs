//! The stories of asking and voting with one thing going wrong, at every step and in every way; and with a clock that
//! is an argument, so that the last moment can be met exactly.

use std::{
    cell::RefCell,
    ops::RangeInclusive,
    sync::{Arc, Weak},
    time::Duration,
};

use approve_release::{
    approval::{
        ApprovalId, Approvers, Ballot, DeliveryState, Ending, Outcome, Performer, Policy, Standing, Terms,
        Verdict,
    },
    approve::{NewRequest, Stories},
    config::Config,
    http_client::{self, SecretUrl},
    outbox::Sender,
    senders::teams::{connector::Connector, webhook::Webhook},
    surfaces::status,
    timing::Timing,
};
use chrono::{DateTime, TimeDelta, Utc};
use object_store::{ObjectStore, memory::InMemory};

use crate::{
    authority::Authority,
    connector::BotConnector,
    deployment::Channel as TeamsChannel,
    faulty_store::{EVERY_FAULT, Fault, FaultyStore},
    github::{GitHub, github_error},
    handler_process::until,
    in_process::stories,
    instances::{self, allowing, names_in, object_id, person, vote},
};

/// For how long people may decide here.
pub const TIME_TO_DECIDE: TimeDelta = TimeDelta::minutes(30);

/// A deployment at a GitHub, with a channel: as many instances as one likes on one store.
pub struct Deployment {
    pub github: GitHub,
    pub channel: TeamsChannel,
    /// In the place of the webhook, where there is one.
    pub bot: Option<(Authority, BotConnector)>,
    pub store: Arc<InMemory>,
    /// The view of it that each instance has, held by all that the instance has under way.
    views: RefCell<Vec<Weak<FaultyStore>>>,
    began: DateTime<Utc>,
    required: usize,
    reminder: Option<TimeDelta>,
}

impl Deployment {
    async fn new() -> Self {
        Self::requiring(1).await
    }

    pub async fn requiring(required: usize) -> Self {
        http_client::use_ring();
        let (github, channel) = (GitHub::start().await, TeamsChannel::start().await);
        let (store, began) = (Arc::new(InMemory::new()), Utc::now());
        Self { github, channel, bot: None, store, views: RefCell::default(), began, required, reminder: None }
    }

    /// With a bot in its channel, that reminds this often.
    pub async fn with_bot(required: usize, reminder: Option<TimeDelta>) -> Self {
        let authority = Authority::start().await;
        let connector = BotConnector::start(&authority.desk).await;
        Self { bot: Some((authority, connector)), reminder, ..Self::requiring(required).await }
    }

    fn sender(&self) -> Sender {
        let Some((authority, connector)) = &self.bot else {
            let [(_, webhook)] = self.channel.setting();
            return Sender::Webhook(Webhook::new(SecretUrl::new(webhook.parse().expect("a URL"))));
        };
        let settings = authority.settings().into_iter().chain(connector.settings());
        let settings = settings.map(|(name, value)| (name.to_owned(), value)).collect();
        let bot = Config::parse(&settings).expect("a configuration").bot.expect("a bot");
        let channel = bot.channel.clone().expect("a channel");
        Sender::Bot(Arc::new(Connector::new(bot)), channel)
    }

    fn instance_on(&self, view: &Arc<FaultyStore>) -> Arc<Stories> {
        self.views.borrow_mut().push(Arc::downgrade(view));
        let policy = Policy {
            allowed_repositories: allowing(&["octo/app"]),
            approvers: Approvers::Everybody,
            ..Policy::default()
        };
        let (view, github) = (Arc::clone(view) as Arc<dyn ObjectStore>, self.github.url());
        stories(policy, view, Some(&github), Some(self.sender()), TimeDelta::hours(24))
    }

    pub fn instance(&self) -> Arc<Stories> {
        self.instance_on(&FaultyStore::new(&self.store, None))
    }

    /// A moment this long after the beginning, with a request's time to answer.
    pub fn after(&self, time: TimeDelta) -> Timing {
        Timing::new(self.began + time, Duration::from_millis(4_400))
    }

    pub async fn ask(&self, instance: &Arc<Stories>, time: TimeDelta) -> Result<(Standing, bool), Outcome> {
        let asked = instance.ask(asking(self.required, self.reminder), self.after(time)).await;
        asked.map_err(|report| report.outcome)
    }

    pub async fn asked(&self) -> ApprovalId {
        let (seen, _) = self.ask(&self.instance(), TimeDelta::zero()).await.expect("it is open");
        seen.request.id
    }

    pub async fn vote(
        &self,
        instance: &Arc<Stories>,
        (id, person): (&ApprovalId, u8),
        verdict: Verdict,
        time: TimeDelta,
    ) -> Outcome {
        vote(instance, (id, somebody(person)), verdict, self.after(time)).await
    }

    /// A yes that is recorded; the process is killed before it is counted.
    pub async fn vote_and_die(&self, (id, person): (&ApprovalId, u8), time: TimeDelta) {
        let timing = self.after(time);
        let ballot = Ballot {
            performer: somebody(person),
            verdict: Verdict::Approve,
            comment: String::new(),
            at: timing.now,
            groups: Vec::new(),
        };
        self.instance().outbox.ledger.cast(id, &ballot, &[], timing.deadline).await.expect("it is recorded");
    }

    pub async fn sweep_every_minute(&self, minutes: RangeInclusive<i64>) {
        for minute in minutes {
            self.instance().sweep(self.after(TimeDelta::minutes(minute))).await;
        }
    }

    pub async fn delivery(&self, id: &ApprovalId, time: TimeDelta) -> DeliveryState {
        let standing = self.look(id, time).await;
        self.instance().policy.delivery(&standing).state
    }

    pub async fn look(&self, id: &ApprovalId, time: TimeDelta) -> Standing {
        self.instance().look(id, self.after(time)).await.expect("a store").expect("an approval")
    }

    pub async fn names(&self, prefix: &str) -> Vec<String> {
        names_in(&self.store, prefix).await
    }

    /// The entries of the index that are left a day after everything: a release that nobody reports is followed until
    /// then.
    pub async fn left_in_the_end(&self) -> Vec<String> {
        self.settled().await;
        self.instance().sweep(self.after(TimeDelta::hours(26))).await;
        self.names("pending/").await
    }

    /// Waits until nothing is under way any more that began beside an answer: all of it sees the store. Instances must
    /// be dropped before.
    pub async fn settled(&self) {
        until("nothing is under way", async || {
            self.views.borrow().iter().all(|view| view.strong_count() == 0)
        })
        .await;
        self.views.borrow_mut().clear();
    }
}

fn asking(required: usize, reminder: Option<TimeDelta>) -> NewRequest {
    let asking = instances::asking("1", "the body");
    let terms = Terms { approvals_required: required, expires_in: TIME_TO_DECIDE, reminder, ..asking.terms };
    NewRequest { terms, ..asking }
}

pub fn somebody(number: u8) -> Performer {
    person(&object_id(number.into()), None)
}

/// The outcome of a story whose call number `at` went wrong: `None` if its process was killed.
pub async fn stricken<T>(
    deployment: &Deployment,
    (at, fault): (usize, Fault),
    story: impl AsyncFnOnce(&Arc<Stories>) -> T,
) -> (Option<T>, Option<String>) {
    let view = FaultyStore::new(&deployment.store, Some((at, fault)));
    let instance = deployment.instance_on(&view);
    let outcome = tokio::select! {
        biased;
        () = view.killed.notified() => None,
        outcome = story(&instance) => Some(outcome),
    };
    let struck = view.struck();
    drop((instance, view));
    deployment.settled().await;
    let struck = struck.lock().unwrap().clone();
    (outcome, struck)
}

/// Waits until an instance has nothing under way that it began beside an answer.
pub async fn until_ended(instance: &Arc<Stories>) {
    until("the instance's stories have ended", async || Arc::strong_count(instance) == 1).await;
}

/// True if the call noted that something had arrived: only there may a fault make it arrive twice.
pub fn is_marker(path: &str) -> bool {
    path.ends_with(".done")
}

/// True if the process was killed while its card may have been on its way: the changes are recorded beside that.
pub fn was_posting(fault: Fault, path: &str) -> bool {
    path.ends_with("/changes") && matches!(fault, Fault::KilledBefore | Fault::KilledAfter)
}

/// True if the process was killed while its message may have been on its way: a decision is taken out of the index of
/// open approvals, and listed as decided, beside that.
fn was_sending(fault: Fault, path: &str) -> bool {
    (path == "delete" || path.starts_with("decided/"))
        && matches!(fault, Fault::KilledBefore | Fault::KilledAfter)
}

#[tokio::test]
async fn whatever_fails_while_it_is_asked_there_is_one_approval_in_the_end() {
    for fault in EVERY_FAULT {
        let mut calls = 0;
        for at in 1.. {
            let deployment = Deployment::new().await;
            let ask = async |instance: &Arc<Stories>| deployment.ask(instance, TimeDelta::zero()).await;
            let (outcome, struck) = stricken(&deployment, (at, fault), ask).await;
            let Some(struck) = struck else { break };
            calls += 1;
            let about = format!("{fault:?} at {struck}");
            // The job's own retry.
            let (seen, _) =
                deployment.ask(&deployment.instance(), TimeDelta::minutes(1)).await.expect(&about);
            if let Some(Ok((before, is_new))) = outcome {
                assert!(is_new, "{about}");
                assert_eq!(before.request.id, seen.request.id, "{about}");
            }
            deployment.sweep_every_minute(2..=4).await;
            assert_eq!(deployment.names("asked/").await.len(), 1, "{about}");
            let open = deployment.names("requested/").await;
            assert_eq!(open.iter().filter(|name| name.ends_with("/request")).count(), 1, "{about}: {open:?}");
            let most = if is_marker(&struck) || was_posting(fault, &struck) { 2 } else { 1 };
            assert!((1..=most).contains(&deployment.channel.cards().len()), "{about}");
            assert!(!deployment.names("pending/").await.is_empty(), "it is looked after: {about}");
        }
        assert!(calls >= 7, "{fault:?}: {calls} calls");
    }
}

#[tokio::test]
async fn what_was_answered_with_an_approval_needs_no_retry() {
    for fault in EVERY_FAULT {
        for at in 1.. {
            let deployment = Deployment::new().await;
            let ask = async |instance: &Arc<Stories>| deployment.ask(instance, TimeDelta::zero()).await;
            let (outcome, struck) = stricken(&deployment, (at, fault), ask).await;
            let Some(struck) = struck else { break };
            let Some(Ok((seen, _))) = outcome else { continue };
            deployment.sweep_every_minute(1..=3).await;
            let id = seen.request.id;
            assert!(!deployment.channel.cards().is_empty(), "{fault:?} at {struck}");
            deployment.github.expect_dispatches(1);
            let outcome = deployment
                .vote(&deployment.instance(), (&id, 1), Verdict::Approve, TimeDelta::minutes(4))
                .await;
            assert_eq!(outcome.name(), "dispatched", "{fault:?} at {struck}");
        }
    }
}

// T34
#[tokio::test]
async fn whatever_fails_while_it_is_decided_it_is_decided_once_and_everybody_hears_of_it() {
    for fault in EVERY_FAULT {
        let mut calls = 0;
        for at in 1.. {
            let deployment = Deployment::new().await;
            let id = deployment.asked().await;
            let vote = async |instance: &Arc<Stories>| {
                deployment.vote(instance, (&id, 1), Verdict::Approve, TimeDelta::minutes(1)).await
            };
            let (outcome, struck) = stricken(&deployment, (at, fault), vote).await;
            let Some(struck) = struck else {
                deployment.github.expect_dispatches(1);
                break;
            };
            calls += 1;
            let about = format!("{fault:?} at {struck}: {outcome:?}");
            deployment.sweep_every_minute(2..=4).await;
            let dispatched = deployment.github.dispatches().len();
            if outcome.as_ref().is_some_and(|outcome| status(outcome) == 200) {
                assert!(dispatched >= 1, "lost: {about}");
            }
            // Whoever was not told clicks again.
            let again = deployment
                .vote(&deployment.instance(), (&id, 1), Verdict::Approve, TimeDelta::minutes(5))
                .await;
            assert_eq!(status(&again), 200, "{again:?} after {about}");
            deployment.settled().await;
            deployment.sweep_every_minute(6..=8).await;
            let most = if is_marker(&struck) || was_sending(fault, &struck) { 2 } else { 1 };
            let dispatched = deployment.github.dispatches().len();
            assert!((1..=most).contains(&dispatched), "{dispatched} dispatches: {about}");
            let results = deployment.channel.cards().len() - 1;
            assert!((1..=most).contains(&results), "{results} results: {about}");
            let delivery = deployment.delivery(&id, TimeDelta::minutes(9)).await;
            assert_eq!(delivery, DeliveryState::Delivered, "{about}");
            assert_eq!(deployment.left_in_the_end().await, [""; 0], "{about}");
            deployment.github.expect_dispatches(dispatched);
        }
        assert!(calls >= 9, "{fault:?}: {calls} calls");
    }
}

#[tokio::test]
async fn votes_that_suffice_are_counted_by_whoever_looks_next() {
    for heal in ["sweep", "look", "vote"] {
        let deployment = Deployment::requiring(2).await;
        let id = deployment.asked().await;
        let one =
            deployment.vote(&deployment.instance(), (&id, 1), Verdict::Approve, TimeDelta::minutes(1)).await;
        assert_eq!(one.name(), "counted");
        deployment.vote_and_die((&id, 2), TimeDelta::minutes(2)).await;
        assert_eq!(deployment.github.dispatches().len(), 0);
        match heal {
            "sweep" => deployment.sweep_every_minute(3..=3).await,
            "look" => drop(deployment.look(&id, TimeDelta::minutes(3)).await),
            _ => {
                let (other, time) = (deployment.instance(), TimeDelta::minutes(3));
                let third = deployment.vote(&other, (&id, 3), Verdict::Approve, time).await;
                assert_eq!(third.name(), "dispatched");
            }
        }
        deployment.settled().await;
        let seen = deployment.look(&id, TimeDelta::minutes(4)).await;
        assert_eq!(seen.ruling.map(|ruling| ruling.ending), Some(Ending::Approved), "{heal}");
        assert_eq!(deployment.delivery(&id, TimeDelta::minutes(4)).await, DeliveryState::Delivered, "{heal}");
        deployment.github.expect_dispatches(1);
    }
}

#[tokio::test]
async fn the_last_moment_to_decide_is_met_exactly() {
    let just_before = TIME_TO_DECIDE - TimeDelta::milliseconds(1);
    for (time, expected) in [(just_before, "dispatched"), (TIME_TO_DECIDE, "expired")] {
        let deployment = Deployment::new().await;
        let id = deployment.asked().await;
        let outcome = deployment.vote(&deployment.instance(), (&id, 1), Verdict::Approve, time).await;
        assert_eq!(outcome.name(), expected);
        deployment.settled().await;
        let seen = deployment.look(&id, TIME_TO_DECIDE * 2).await;
        let ending = if expected == "expired" { Ending::Expired } else { Ending::Approved };
        assert_eq!(seen.ruling.map(|ruling| ruling.ending), Some(ending));
        deployment.github.expect_dispatches(usize::from(expected == "dispatched"));
        assert_eq!(deployment.channel.cards().len(), 2);
    }
}

#[tokio::test]
async fn votes_that_came_in_time_win_over_the_time_that_is_over() {
    let deployment = Deployment::requiring(2).await;
    let id = deployment.asked().await;
    for person in [1, 2] {
        deployment.vote_and_die((&id, person), TIME_TO_DECIDE - TimeDelta::seconds(1)).await;
    }
    let late = deployment.vote(&deployment.instance(), (&id, 3), Verdict::Reject, TIME_TO_DECIDE * 2).await;
    assert_eq!(late.name(), "conflict", "it was approved in time");
    deployment.settled().await;
    deployment.github.expect_dispatches(1);
}

#[tokio::test]
async fn a_vote_and_the_end_of_the_time_at_once_come_to_one_decision() {
    for round in 0..40_u64 {
        let deployment = Deployment::new().await;
        let id = deployment.asked().await;
        let (voting, looking) = (deployment.instance(), deployment.instance());
        let in_time = TIME_TO_DECIDE - TimeDelta::milliseconds(1);
        let (outcome, seen) = tokio::join!(
            async {
                tokio::time::sleep(Duration::from_micros(round % 8 * 50)).await;
                deployment.vote(&voting, (&id, 1), Verdict::Approve, in_time).await
            },
            looking.look(&id, deployment.after(TIME_TO_DECIDE)),
        );
        let ending = seen.expect("a store").expect("an approval").ruling.expect("it is over").ending;
        let expected = if ending == Ending::Expired { "expired" } else { "approved" };
        let said = match outcome.name() {
            "dispatched" | "already-decided" | "recorded" => "approved",
            other => other,
        };
        assert_eq!(said, expected, "{outcome:?}");
        drop((voting, looking));
        deployment.settled().await;
        deployment.github.expect_dispatches(usize::from(ending == Ending::Approved));
    }
}

#[tokio::test]
async fn nobody_has_to_look_for_an_approval_to_expire() {
    let deployment = Deployment::new().await;
    let id = deployment.asked().await;
    deployment.sweep_every_minute(29..=32).await;
    assert_eq!(deployment.left_in_the_end().await, [""; 0]);
    let cards = deployment.channel.cards();
    assert!(cards.len() == 2 && cards[1].to_string().contains("Expired"), "{cards:?}");
    let again = deployment.ask(&deployment.instance(), TimeDelta::hours(1)).await.expect("it was asked");
    assert_eq!(again.0.request.id, id);
    assert_eq!(deployment.channel.cards().len(), 2, "what is over is not announced again");
}

#[tokio::test]
async fn a_dispatch_that_github_refuses_waits_and_the_channel_hears_of_the_decision_all_the_same() {
    let deployment = Deployment::new().await;
    let id = deployment.asked().await;
    deployment.github.answer_with(github_error(401, "Bad credentials"));
    let outcome =
        deployment.vote(&deployment.instance(), (&id, 1), Verdict::Approve, TimeDelta::minutes(1)).await;
    assert_eq!(outcome.name(), "refused");
    deployment.settled().await;
    assert_eq!(deployment.channel.cards().len(), 2);
    assert_eq!(deployment.delivery(&id, TimeDelta::minutes(2)).await, DeliveryState::Pending);
    deployment.github.answer_as_github();
    deployment.sweep_every_minute(62..=63).await;
    assert_eq!(deployment.delivery(&id, TimeDelta::minutes(64)).await, DeliveryState::Delivered);
    assert_eq!(deployment.left_in_the_end().await, [""; 0]);
    deployment.github.expect_dispatches(2);
}

#[tokio::test]
async fn what_was_never_opened_is_not_counted_as_open_for_ever() {
    for at in 1.. {
        let deployment = Deployment::new().await;
        let ask = async |instance: &Arc<Stories>| deployment.ask(instance, TimeDelta::zero()).await;
        let (_, struck) = stricken(&deployment, (at, Fault::KilledBefore), ask).await;
        let struck = struck.expect("it is opened at some time");
        if !struck.ends_with("/request") || deployment.names("open/").await.is_empty() {
            continue;
        }
        deployment.sweep_every_minute(1..=9).await;
        assert_eq!(deployment.names("open/").await.len(), 1, "a slow job may still come");
        deployment.sweep_every_minute(12..=12).await;
        assert_eq!((deployment.names("open/").await.len(), deployment.names("pending/").await.len()), (0, 0));
        return;
    }
}

/// Two votes that suffice have not been counted. Whoever is first counts them, and a vote that decides also sends.
#[tokio::test]
async fn of_a_sweep_and_a_vote_one_decides_and_one_sends_wherever_the_sweep_is_stopped() {
    let mut decided_by_vote = 0;
    for at in 1.. {
        let deployment = Deployment::requiring(2).await;
        let id = deployment.asked().await;
        for person in [1, 2] {
            deployment.vote_and_die((&id, person), TimeDelta::minutes(1)).await;
        }
        let view = FaultyStore::new(&deployment.store, Some((at, Fault::Stops)));
        let sweeping = deployment.instance_on(&view);
        let vote = async {
            tokio::time::timeout(Duration::from_secs(1), view.killed.notified()).await.ok()?;
            let (other, time) = (deployment.instance(), TimeDelta::minutes(2));
            let outcome = deployment.vote(&other, (&id, 1), Verdict::Approve, time).await;
            view.go_on.notify_one();
            Some(outcome)
        };
        let (_, outcome) = tokio::join!(sweeping.sweep(deployment.after(TimeDelta::minutes(2))), vote);
        let about = format!("{at}: {:?}: {outcome:?}", view.struck().lock().unwrap());
        let Some(outcome) = outcome else {
            deployment.github.expect_dispatches(1);
            break;
        };
        decided_by_vote += usize::from(outcome.name() == "dispatched");
        assert_eq!(status(&outcome), 200, "{about}");
        drop((sweeping, view));
        deployment.settled().await;
        deployment.sweep_every_minute(3..=5).await;
        assert_eq!(deployment.github.dispatches().len(), 1, "{about}");
        assert_eq!(deployment.left_in_the_end().await, [""; 0], "{about}");
        deployment.github.expect_dispatches(1);
    }
    assert!(decided_by_vote > 3, "{decided_by_vote}");
}
