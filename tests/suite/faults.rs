//! The story of a click with one thing going wrong, at every step and in every way, and what is left of it afterwards.
//!
//! Everything runs in this process, on a store that fails as told and a clock that is an argument; only GitHub is
//! reached over a socket. A *killed* process ends at its next call to the store.

use std::{cell::Cell, collections::BTreeMap, ops::RangeInclusive, sync::Arc, time::Duration};

use approve_release::{
    approval::{EventType, EventTypes, Outcome, Performer, Policy, Repository},
    approve::{Clicked, Report, Stories},
    http_client,
    surfaces::action_message::parse_body,
    surfaces::status,
    timing::Timing,
};
use chrono::{DateTime, TimeDelta, Utc};
use object_store::{ObjectStore, memory::InMemory};
use wiremock::ResponseTemplate;

use crate::{
    faulty_store::{EVERY_FAULT, Fault, FaultyStore},
    github::{GitHub, github_error, rate_limited},
    handler_process::{GLANCE, within},
    in_process::stories,
    instances::{allowing, names_in},
};

const CLICK: &[u8] = br#"{"event_type":"release-approved","client_payload":{"run_id":"1"}}"#;

/// A deployment at a GitHub: as many instances as one likes on one store.
struct Deployment {
    github: GitHub,
    store: Arc<InMemory>,
    began: DateTime<Utc>,
    deliver_for: TimeDelta,
    /// The number of dispatches that GitHub turned away.
    turned_away: Cell<usize>,
    /// The number that it had accepted when it began to turn them away.
    accepted: Cell<Option<usize>>,
}

impl Deployment {
    async fn new() -> Self {
        http_client::use_ring();
        let github = GitHub::start().await;
        Self {
            github,
            store: Arc::new(InMemory::new()),
            began: Utc::now(),
            deliver_for: TimeDelta::hours(24),
            turned_away: Cell::new(0),
            accepted: Cell::new(None),
        }
    }

    /// An instance that sees the store through `view`.
    fn instance_on(&self, view: Arc<dyn ObjectStore>) -> Arc<Stories> {
        let event_type = EventType::parse("release-approved").unwrap();
        let policy = Policy {
            default_repository: Repository::parse("octo/app"),
            allowed_repositories: allowing(&["octo/app"]),
            relay_event_types: EventTypes::Only(vec![event_type]),
            anonymous: true,
            ..Policy::default()
        };
        stories(policy, view, Some(&self.github.url()), None, self.deliver_for)
    }

    fn instance(&self) -> Arc<Stories> {
        self.instance_on(Arc::clone(&self.store) as Arc<dyn ObjectStore>)
    }

    /// A moment this long after the beginning, with a click's time to answer.
    fn after(&self, time: TimeDelta) -> Timing {
        Timing::new(self.began + time, Duration::from_millis(4_400))
    }

    /// A click on a new instance.
    async fn click(&self, time: TimeDelta) -> Report {
        self.click_on(&self.instance(), time).await
    }

    async fn click_on(&self, instance: &Arc<Stories>, time: TimeDelta) -> Report {
        let click = parse_body("application/json", CLICK).expect("a click");
        let clicked = Clicked { click, repository: None, performer: Performer::Anonymous };
        instance.click(clicked, self.after(time)).await
    }

    async fn sweep(&self, time: TimeDelta) -> Vec<(log::Level, String)> {
        self.instance().sweep(self.after(time)).await
    }

    async fn sweep_every_minute(&self, minutes: RangeInclusive<i64>) {
        for minute in minutes {
            self.sweep(TimeDelta::minutes(minute)).await;
        }
    }

    /// From now on GitHub answers otherwise than with 204.
    fn turn_away(&self, answer: ResponseTemplate) {
        if self.accepted.get().is_none() {
            self.accepted.set(Some(self.dispatched()));
        }
        self.github.answer_with(answer);
    }

    /// From now on GitHub accepts what comes.
    fn accept(&self) {
        self.turned_away.set(self.turned_away());
        self.accepted.set(None);
        self.github.answer_as_github();
    }

    fn turned_away(&self) -> usize {
        match self.accepted.get() {
            Some(accepted) => self.github.dispatches().len() - accepted,
            None => self.turned_away.get(),
        }
    }

    /// The number of dispatches that GitHub accepted.
    fn dispatched(&self) -> usize {
        self.github.dispatches().len() - self.turned_away()
    }

    async fn names(&self) -> Vec<String> {
        names_in(&self.store, "").await
    }

    async fn pending(&self) -> usize {
        self.names().await.iter().filter(|name| name.starts_with("pending/")).count()
    }

    /// Ends the test: what GitHub got is what it should have got.
    fn expect(self, dispatches: usize) {
        assert_eq!(self.dispatched(), dispatches);
        self.github.expect_dispatches(self.github.dispatches().len());
    }
}

/// The outcome of a click whose call number `at` went wrong: `None` if its process was killed.
struct Stricken {
    outcome: Option<Outcome>,
    /// The subject of the call; `None` if there was no such call.
    struck: Option<String>,
}

async fn stricken_click(deployment: &Deployment, at: usize, fault: Fault) -> Stricken {
    let view = FaultyStore::new(&deployment.store, Some((at, fault)));
    let instance = deployment.instance_on(Arc::clone(&view) as Arc<dyn ObjectStore>);
    let outcome = tokio::select! {
        biased;
        () = view.killed.notified() => None,
        report = deployment.click_on(&instance, TimeDelta::zero()) => Some(report.outcome),
    };
    let struck = view.struck().lock().unwrap().clone();
    Stricken { outcome, struck }
}

/// Runs `check` for every call of a click that can go wrong in this way, each with a deployment of its own, and
/// returns the paths of those calls.
async fn at_every_call(fault: Fault, check: impl AsyncFn(Deployment, Stricken)) -> Vec<String> {
    let mut struck = Vec::new();
    for at in 1.. {
        let deployment = Deployment::new().await;
        let stricken = stricken_click(&deployment, at, fault).await;
        let Some(path) = stricken.struck.clone() else {
            deployment.expect(1);
            break;
        };
        struck.push(path);
        check(deployment, stricken).await;
    }
    struck
}

/// True if the call noted that GitHub had accepted: only there may a fault make GitHub hear twice.
fn is_marker(path: &str) -> bool {
    path.ends_with(".done")
}

/// True if the process was killed while GitHub was being asked: the lines are written beside that.
fn is_cut_off(path: &str, fault: Fault) -> bool {
    let is_line = ["listed/", "decided/"].iter().any(|index| path.starts_with(index));
    is_line && matches!(fault, Fault::KilledBefore | Fault::KilledAfter)
}

/// The number of the call that a click makes about this.
async fn call_about(mark: &str, nth: usize) -> usize {
    let struck = at_every_call(Fault::FailsAfter, async |deployment, _| {
        let dispatched = deployment.dispatched();
        deployment.expect(dispatched);
    })
    .await;
    let mut calls = struck.iter().enumerate().filter(|(_, path)| path.contains(mark));
    calls.nth(nth).map(|(at, _)| at + 1).unwrap_or_else(|| panic!("no such call: {struck:?}"))
}

/// The process is stopped at each call in turn, while another decides the same; both orders of the two: the one that was
/// stopped has decided, or finds that the other has.
#[tokio::test]
async fn of_two_processes_one_decides_and_sends_wherever_the_other_is_stopped() {
    for at in 1.. {
        let deployment = Deployment::new().await;
        let view = FaultyStore::new(&deployment.store, Some((at, Fault::Stops)));
        let first = deployment.instance_on(Arc::clone(&view) as Arc<dyn ObjectStore>);
        let stopped = deployment.click_on(&first, TimeDelta::zero());
        let other = async {
            tokio::time::timeout(Duration::from_secs(1), view.killed.notified()).await.ok()?;
            let report = deployment.click(TimeDelta::zero()).await;
            view.go_on.notify_one();
            Some(report.outcome)
        };
        let (report, other) = tokio::join!(stopped, other);
        let about = format!("{at}: {:?}", view.struck().lock().unwrap());
        let Some(other) = other else {
            assert_eq!(report.outcome.name(), "dispatched", "{about}");
            assert!(at > 7, "a click makes seven calls: {about}");
            deployment.expect(1);
            break;
        };
        let mut names = [report.outcome.name(), other.name()];
        names.sort_unstable();
        assert_eq!(names, ["already-decided", "dispatched"], "{about}");
        drop((first, view));
        deployment.sweep_every_minute(1..=2).await;
        assert_eq!(deployment.pending().await, 0, "{about}");
        deployment.expect(1);
    }
}

/// Its own claim keeps everybody else from sending until it ends.
#[tokio::test]
async fn a_decision_that_the_store_did_not_confirm_is_sent_by_its_writer() {
    let deployment = Deployment::new().await;
    let at = call_about("/decision", 1).await;
    let stricken = stricken_click(&deployment, at, Fault::FallsSilent).await;
    assert_eq!(stricken.outcome.map(|outcome| outcome.name()), Some("unavailable"));
    deployment.github.until_asked().await;
    within("it is noted", async || {
        while !deployment.names().await.iter().any(|name| name.ends_with(".done")) {
            tokio::time::sleep(GLANCE).await;
        }
    })
    .await;
    let again = deployment.click(TimeDelta::seconds(5)).await.outcome;
    assert_eq!(again.name(), "already-decided");
    deployment.sweep_every_minute(1..=2).await;
    deployment.expect(1);
}

// T34
#[tokio::test]
async fn whatever_fails_a_click_that_was_answered_with_200_arrives_once() {
    for fault in EVERY_FAULT {
        at_every_call(fault, async |deployment, stricken| {
            deployment.sweep_every_minute(1..=3).await;
            let about = format!("{fault:?} at {:?}: {:?}", stricken.struck, stricken.outcome);
            let dispatched = deployment.dispatched();
            let struck = stricken.struck.unwrap_or_default();
            if stricken.outcome.is_some_and(|outcome| status(&outcome) == 200) {
                assert!(dispatched >= 1, "lost: {about}");
            }
            let twice = is_marker(&struck) && fault == Fault::KilledBefore || is_cut_off(&struck, fault);
            assert!(dispatched <= if twice { 2 } else { 1 }, "{dispatched} times: {about}");
            deployment.expect(dispatched);
        })
        .await;
    }
}

#[tokio::test]
async fn whatever_fails_a_second_click_counts_once_and_everything_arrives() {
    for fault in EVERY_FAULT {
        at_every_call(fault, async |deployment, stricken| {
            let about = format!("{fault:?} at {:?}: {:?}", stricken.struck, stricken.outcome);
            let struck = stricken.struck.unwrap_or_default();
            deployment.click(TimeDelta::seconds(5)).await;
            deployment.sweep_every_minute(1..=3).await;
            let last = deployment.click(TimeDelta::minutes(4)).await.outcome;

            assert_eq!(last.name(), "already-decided", "{about}");
            let decisions =
                deployment.names().await.iter().filter(|name| name.ends_with("/decision")).count();
            assert_eq!(decisions, 1, "{about}");
            assert_eq!(deployment.pending().await, 0, "{about}");
            let twice = is_marker(&struck) && fault == Fault::KilledBefore || is_cut_off(&struck, fault);
            let dispatched = deployment.dispatched();
            assert!((1..=if twice { 2 } else { 1 }).contains(&dispatched), "{dispatched} times: {about}");
            deployment.expect(dispatched);
        })
        .await;
    }
}

#[tokio::test]
async fn a_winner_that_is_told_it_lost_still_wins() {
    let struck = at_every_call(Fault::CommitsAndDenies, async |deployment, stricken| {
        let is_create = stricken.struck.as_deref() != Some("delete");
        let reads = stricken.outcome.as_ref().is_some_and(|outcome| outcome.name() == "unavailable");
        if is_create && !reads {
            assert_eq!(
                stricken.outcome.map(|outcome| outcome.name()),
                Some("dispatched"),
                "{:?}",
                stricken.struck
            );
        }
        let dispatched = deployment.dispatched();
        deployment.expect(dispatched);
    })
    .await;
    assert!(struck.iter().any(|path| path.ends_with("/decision")));
}

#[tokio::test]
async fn what_is_not_known_to_be_recorded_is_unavailable_and_sends_nothing() {
    at_every_call(Fault::Refuses, async |deployment, stricken| {
        let struck = stricken.struck.unwrap_or_default();
        if struck.ends_with("/decision") || struck.starts_with("pending/") {
            assert_eq!(stricken.outcome.map(|outcome| outcome.name()), Some("unavailable"), "{struck}");
            deployment.expect(0);
        } else {
            let dispatched = deployment.dispatched();
            deployment.expect(dispatched);
        }
    })
    .await;
}

#[tokio::test]
async fn a_call_to_the_store_that_fails_once_is_made_again() {
    at_every_call(Fault::FailsBefore, async |deployment, stricken| {
        assert_eq!(
            stricken.outcome.map(|outcome| outcome.name()),
            Some("dispatched"),
            "{:?}",
            stricken.struck
        );
        deployment.expect(1);
    })
    .await;
}

#[tokio::test]
async fn an_outage_of_an_hour_is_sat_out() {
    let deployment = Deployment::new().await;
    deployment.turn_away(github_error(503, "down"));
    let report = deployment.click(TimeDelta::zero()).await;
    assert_eq!(report.outcome.name(), "recorded");
    deployment.sweep_every_minute(1..=60).await;
    let refused = deployment.turned_away();
    assert!((5..=12).contains(&refused), "{refused} attempts in an hour");

    deployment.accept();
    deployment.sweep_every_minute(61..=150).await;
    assert_eq!(deployment.dispatched(), 1);
    assert_eq!(deployment.pending().await, 0);
    deployment.expect(1);
}

#[tokio::test]
async fn a_click_during_an_outage_tries_at_once_and_a_rate_limit_is_kept_by_everybody() {
    let deployment = Deployment::new().await;
    deployment.turn_away(github_error(503, "down"));
    let instance = deployment.instance();
    deployment.click_on(&instance, TimeDelta::zero()).await;
    assert_eq!(deployment.click_on(&instance, TimeDelta::seconds(3)).await.outcome.name(), "recorded");

    deployment.turn_away(rate_limited(429).insert_header("retry-after", "600"));
    assert_eq!(deployment.click_on(&instance, TimeDelta::seconds(6)).await.outcome.name(), "recorded");
    let later = deployment.click_on(&instance, TimeDelta::seconds(500)).await.outcome;
    assert_eq!(later.name(), "already-decided");
    deployment.sweep(TimeDelta::seconds(550)).await;
    assert_eq!(deployment.turned_away(), 3);

    deployment.accept();
    assert_eq!(deployment.click_on(&instance, TimeDelta::seconds(700)).await.outcome.name(), "dispatched");
    deployment.expect(1);
}

#[tokio::test]
async fn after_its_time_a_dispatch_is_dead_until_somebody_clicks() {
    let mut deployment = Deployment::new().await;
    deployment.deliver_for = TimeDelta::hours(2);
    deployment.turn_away(github_error(502, "down"));
    deployment.click(TimeDelta::zero()).await;
    deployment.sweep_every_minute(1..=180).await;
    assert_eq!(deployment.pending().await, 0);

    deployment.accept();
    deployment.sweep_every_minute(181..=200).await;
    assert_eq!(deployment.dispatched(), 0, "a release that comes hours late is worse than none");
    let report = deployment.click(TimeDelta::days(6)).await;
    assert_eq!(report.outcome.name(), "dispatched");
    deployment.expect(1);
}

// T26
#[tokio::test]
async fn a_revived_dispatch_is_retried_again_and_after_a_week_it_is_too_late() {
    let mut deployment = Deployment::new().await;
    deployment.deliver_for = TimeDelta::hours(1);
    deployment.turn_away(github_error(422, "No."));
    let day = TimeDelta::days(1);
    assert_eq!(deployment.click(TimeDelta::zero()).await.outcome.name(), "refused");
    assert_eq!(deployment.pending().await, 0, "dead at once");

    deployment.turn_away(github_error(503, "down"));
    assert_eq!(deployment.click(day).await.outcome.name(), "recorded");
    assert_eq!(deployment.pending().await, 1, "alive again");
    deployment.sweep(day + TimeDelta::minutes(5)).await;
    deployment.sweep(day + TimeDelta::hours(2)).await;
    let late = deployment.click(TimeDelta::days(8)).await;
    assert_eq!((late.outcome.name(), status(&late.outcome)), ("expired", 410));
    let refused = deployment.turned_away();
    assert_eq!(refused, 4, "what was planned for its hour is tried, however late the sweep comes");
    deployment.expect(0);
}

#[tokio::test]
async fn a_renewed_token_is_used_within_the_hour() {
    let deployment = Deployment::new().await;
    deployment.turn_away(github_error(401, "Bad credentials"));
    deployment.click(TimeDelta::zero()).await;
    deployment.sweep_every_minute(1..=59).await;
    assert_eq!(deployment.turned_away(), 1);
    deployment.accept();
    deployment.sweep_every_minute(60..=62).await;
    deployment.expect(1);
}

#[tokio::test]
async fn sweeps_and_clicks_at_once_send_once() {
    let deployment = Deployment::new().await;
    // The process that recorded it was killed before it sent anything.
    assert!(
        stricken_click(&deployment, call_about("/decision", 1).await, Fault::KilledAfter)
            .await
            .outcome
            .is_none()
    );
    let minute = TimeDelta::minutes(1);
    let [a, b, c] = [deployment.instance(), deployment.instance(), deployment.instance()];
    let (first, second, report) = tokio::join!(
        a.sweep(deployment.after(minute)),
        b.sweep(deployment.after(minute)),
        deployment.click_on(&c, minute),
    );
    let told = first.len() + second.len() + usize::from(report.outcome.name() == "dispatched");
    assert_eq!(told, 1, "{first:?} {second:?} {report:?}");
    deployment.expect(1);
}

#[tokio::test]
async fn an_entry_without_a_decision_is_dropped_after_some_minutes() {
    let deployment = Deployment::new().await;
    stricken_click(&deployment, call_about("/decision", 1).await, Fault::KilledBefore).await;
    deployment.sweep_every_minute(1..=9).await;
    assert_eq!(deployment.pending().await, 1, "a slow click may still come");
    deployment.sweep(TimeDelta::minutes(12)).await;
    assert_eq!(deployment.pending().await, 0);
    deployment.expect(0);
}

#[tokio::test]
async fn what_a_dead_click_left_in_the_index_does_not_take_a_later_click_along() {
    let deployment = Deployment::new().await;
    // A click died before it decided; after some minutes a sweep drops its entry, while another click decides.
    stricken_click(&deployment, call_about("/decision", 1).await, Fault::KilledBefore).await;
    deployment.turn_away(github_error(503, "down"));
    assert_eq!(deployment.click(TimeDelta::minutes(12)).await.outcome.name(), "recorded");
    assert_eq!(deployment.pending().await, 2, "each has an entry of its own");
    deployment.accept();
    deployment.sweep_every_minute(13..=14).await;
    assert_eq!(deployment.pending().await, 0);
    deployment.expect(1);
}

#[tokio::test]
async fn a_revived_dispatch_has_an_entry_of_its_own() {
    let deployment = Deployment::new().await;
    deployment.turn_away(github_error(422, "No."));
    // It is dead, and the process that sent it was killed before its entry was taken out.
    let at_delete = call_about("delete", 0).await;
    let stricken = stricken_click(&deployment, at_delete, Fault::KilledBefore).await;
    assert!(stricken.struck.is_some_and(|struck| struck.contains("delete")));
    deployment.turn_away(github_error(503, "down"));
    assert_eq!(deployment.click(TimeDelta::hours(1)).await.outcome.name(), "recorded");
    assert_eq!(deployment.pending().await, 2);
    deployment.accept();
    deployment.sweep_every_minute(61..=63).await;
    assert_eq!(deployment.pending().await, 0);
    deployment.expect(1);
}

#[tokio::test]
async fn githubs_wait_is_kept_whatever_its_status_and_size() {
    let far = (i64::MAX / 1_000 + 1).to_string();
    for (status, retry_after, later) in
        [(503, "600", 601), (429, "600", 601), (429, far.as_str(), 60 * 86_400)]
    {
        let mut deployment = Deployment::new().await;
        deployment.deliver_for = TimeDelta::days(60);
        deployment.turn_away(github_error(status, "wait").insert_header("retry-after", retry_after));
        deployment.click(TimeDelta::zero()).await;
        deployment.accept();
        let soon = deployment.click(TimeDelta::seconds(500)).await.outcome;
        assert_eq!(soon.name(), "already-decided", "{status} {retry_after}");
        deployment.sweep(TimeDelta::seconds(550)).await;
        assert_eq!(deployment.dispatched(), 0, "{status} {retry_after}");
        deployment.sweep(TimeDelta::seconds(later)).await;
        deployment.expect(1);
    }
}

#[tokio::test]
async fn a_sweep_that_is_stopped_sends_nothing_more() {
    let deployment = Deployment::new().await;
    stricken_click(&deployment, call_about("/decision", 1).await, Fault::KilledAfter).await;
    let instance = deployment.instance();
    instance.sweeper.stop();
    instance.sweep(deployment.after(TimeDelta::minutes(1))).await;
    assert_eq!(deployment.pending().await, 1);
    deployment.expect(0);
}

#[tokio::test]
async fn every_attempt_and_its_result_stay_on_record() {
    let deployment = Deployment::new().await;
    deployment.turn_away(github_error(503, "down"));
    deployment.click(TimeDelta::zero()).await;
    deployment.click(TimeDelta::minutes(1)).await;
    deployment.accept();
    deployment.click(TimeDelta::minutes(2)).await;

    let mut kinds = BTreeMap::new();
    for name in deployment.names().await.into_iter().filter(|name| name.starts_with("relayed/")) {
        *kinds.entry(name.rsplit('.').next().unwrap().rsplit('/').next().unwrap().to_owned()).or_insert(0) +=
            1;
    }
    // The first attempt stands in the decision.
    let expected = [("attempt", 2), ("decision", 1), ("done", 1), ("result", 2)];
    assert_eq!(kinds, expected.map(|(kind, count)| (kind.to_owned(), count)).into());
    deployment.expect(1);
}
