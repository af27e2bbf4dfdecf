//! The operator's rules and the clock: closed times that begin and end, and a policy that changes while they last.

use approve_release::{
    approval::{
        ApprovalId, DeliveryError, DeliveryState, Ending, EventType, Forbidden, Outcome, Terms, Verdict,
        rules::Rules,
    },
    approve::NewRequest,
    config::policy,
};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use crate::{
    github::GitHub,
    instances::{Instances, approvers, asking, object_id, person, sweep_by, vote},
};

/// A Friday, at noon in Berlin.
fn friday() -> DateTime<Utc> {
    "2026-11-27T11:00:00Z".parse().expect("a time")
}

/// One rule for `go-live` by two people, closed on Fridays from three in the afternoon and on Saturdays.
fn rules(approvals: u8) -> Option<Rules> {
    let people: Value = [1, 2, 3].map(object_id).into_iter().collect();
    let closed = |day: &str, from: &str| json!({"days": [day], "from": from, "to": "24:00", "time_zone": "Europe/Berlin", "why": "weekend"});
    let rule = json!([{"name": "production", "repositories": ["octo/*"], "refs": ["**"], "event_types": ["go-live"],
        "approvers": people, "approvals_required": approvals, "expires_in_minutes": 2880,
        "closed": [closed("Fri", "15:00"), closed("Sat", "00:00")]}]);
    Some(policy::rules(&rule.to_string()).expect("rules"))
}

async fn approve(deployment: &Instances, id: &ApprovalId, number: u32, hours: i64) -> Outcome {
    let somebody = (id, person(&object_id(number), None));
    let timing = deployment.after(TimeDelta::hours(hours));
    vote(&deployment.start(), somebody, Verdict::Approve, timing).await
}

async fn ending(deployment: &Instances, id: &ApprovalId, hours: i64) -> Option<Ending> {
    deployment.look(id, TimeDelta::hours(hours)).await.ending()
}

/// A dry run that begins on the Friday, with an approval that is open for two days.
async fn begun() -> (Instances, ApprovalId) {
    let mut deployment = Instances::dry_run();
    (deployment.began, deployment.policy.rules) = (friday(), rules(2));
    let id = deployment.asked(asking("1", "one")).await;
    (deployment, id)
}

#[tokio::test]
async fn closed_times_follow_one_another_and_the_first_click_after_them_decides() {
    let (deployment, id) = begun().await;
    assert!(matches!(
        approve(&deployment, &id, 1, 1).await,
        Outcome::Counted { approvals: 1, required: 2, .. }
    ));
    for hours in [3, 20, 35] {
        let Outcome::Closed(closed, _) = approve(&deployment, &id, 2, hours).await else { panic!("{hours}") };
        // Midnight before Sunday in Berlin, and not the end of Friday's time.
        assert_eq!(closed.until, Some("2026-11-28T23:00:00Z".parse().expect("a time")));
        assert_eq!(closed.why, "weekend");
    }
    assert!(matches!(approve(&deployment, &id, 2, 36).await, Outcome::DryRun(..)));
    assert_eq!(ending(&deployment, &id, 37).await, Some(Ending::Approved));
}

#[tokio::test]
async fn votes_that_suffice_only_by_a_later_rule_decide_when_it_opens() {
    let (mut deployment, id) = begun().await;
    approve(&deployment, &id, 1, 1).await;
    deployment.policy.rules = rules(1);
    // The request asked for one, so by the later rule one is enough.
    assert_eq!(ending(&deployment, &id, 4).await, None);
    assert_eq!(ending(&deployment, &id, 35).await, None);
    // Nobody has to look: a sweep comes back when it opens.
    let instance = deployment.start();
    for (minutes, decided) in [(36 * 60 - 5, 0), (36 * 60 + 1, 1)] {
        let lines = sweep_by(&instance, deployment.sweep_time(TimeDelta::minutes(minutes))).await;
        assert_eq!(lines.iter().filter(|line| line.contains("approved")).count(), decided, "{lines:?}");
    }
    assert_eq!(ending(&deployment, &id, 37).await, Some(Ending::Approved));
}

#[tokio::test]
async fn while_it_is_closed_people_reject_and_time_goes_on() {
    let (deployment, id) = begun().await;
    approve(&deployment, &id, 1, 1).await;
    let somebody = (&id, person(&object_id(2), None));
    let timing = deployment.after(TimeDelta::hours(5));
    let rejected = vote(&deployment.start(), somebody, Verdict::Reject, timing).await;
    assert!(matches!(rejected, Outcome::Rejected(_) | Outcome::DryRun(..)), "{rejected:?}");

    // It ends in the evening of the Friday.
    let asking = asking("3", "three");
    let terms = Terms { expires_in: TimeDelta::hours(6), has_own_expiry: true, ..asking.terms };
    let id = deployment.asked(NewRequest { terms, ..asking }).await;
    approve(&deployment, &id, 1, 1).await;
    assert_eq!(ending(&deployment, &id, 5).await, None);
    assert_eq!(ending(&deployment, &id, 6).await, Some(Ending::Expired));

    let mut later = deployment;
    later.began = friday() + TimeDelta::hours(3);
    let id = later.asked(crate::instances::asking("2", "two")).await;
    // Two days on it is Sunday, and open; the rule that never opens is another.
    assert_eq!(ending(&later, &id, 48).await, Some(Ending::Expired));
}

// T43
#[tokio::test]
async fn an_event_that_follows_by_itself_is_sent_by_no_rule_that_does_not_name_it() {
    let github = GitHub::start().await;
    let mut deployment = Instances::sending_to(&github);
    let rules = |repository: &str| {
        let rule = json!([{"name": "late", "repositories": [repository], "refs": ["**"],
            "event_types": ["go-live", "late"], "approvers": [object_id(1)]}]);
        Some(policy::rules(&rule.to_string()).expect("rules"))
    };
    deployment.policy.rules = rules("octo/*");
    let late = EventType::parse("late");
    let asking = asking("1", "one");
    let terms = Terms { expired_event_type: late, expires_in: TimeDelta::hours(1), ..asking.terms };
    let id = deployment.asked(NewRequest { terms, ..asking }).await;
    deployment.policy.rules = rules("acme/*");
    assert_eq!(ending(&deployment, &id, 2).await, Some(Ending::Expired));
    deployment.sweep(TimeDelta::hours(2)).await;
    deployment.settled().await;
    assert_eq!(github.dispatches().len(), 0);
    let delivery = deployment.delivery(&id, TimeDelta::hours(2)).await;
    assert_eq!(
        (delivery.state, delivery.error),
        (DeliveryState::Dead, Some(DeliveryError::Forbidden(Forbidden::NoRule)))
    );
}

// T44
#[tokio::test]
async fn votes_without_a_name_count_for_no_names_that_a_later_policy_lists() {
    let (mut deployment, id) = begun().await;
    let somebody = (&id, person(&object_id(1), None));
    vote(&deployment.start(), somebody, Verdict::Approve, deployment.after(TimeDelta::zero())).await;
    let by_approvers = json!([{"name": "calm", "repositories": ["octo/*"], "refs": ["**"]}]);
    deployment.policy.rules = Some(policy::rules(&by_approvers.to_string()).expect("rules"));
    deployment.policy.approvers = approvers(&["zed@contoso.com"]);
    assert_eq!(ending(&deployment, &id, 1).await, None);
    deployment.sweep(TimeDelta::hours(1)).await;
    assert_eq!(ending(&deployment, &id, 2).await, None);
    let zed = (&id, person(&object_id(7), Some("zed@contoso.com")));
    vote(&deployment.start(), zed, Verdict::Approve, deployment.after(TimeDelta::hours(3))).await;
    let decided = deployment.look(&id, TimeDelta::hours(3)).await;
    assert_eq!(
        decided.ruling.map(|ruling| (ruling.ending, ruling.ballots.len())),
        Some((Ending::Approved, 1))
    );
}
