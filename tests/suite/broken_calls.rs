//! A store whose calls break, or take half a second each: people are told the truth in time all the same, and what was
//! decided reaches GitHub.

use std::{collections::BTreeSet, sync::Arc};

use approve_release::{
    approval::{Conclusion, Ending, Item, Outcome, Verdict, Visibility, Withdrawal, Withdrawer, Workload},
    approve::Stories,
    surfaces::status,
};
use chrono::TimeDelta;
use futures_util::{StreamExt, stream};
use object_store::ObjectStore;

use crate::{
    github::GitHub,
    instances::{Instances, asking, asking_of, object_id, person, relay, sweep_by, vote},
    rough_store::RoughStore,
    tokens::ALEX,
};

const CLICKS: usize = 300;

/// Many people click at once, and no more than so many.
const AT_ONCE: usize = 30;

/// Of so many clicks fewer than 5 % may be `unavailable`.
#[track_caller]
fn assert_few_unavailable(outcomes: &[Outcome], what: &str) {
    let unavailable = outcomes.iter().filter(|outcome| outcome.name() == "unavailable").count();
    println!("{unavailable} of {} {what} are unavailable", outcomes.len());
    assert!(unavailable * 20 < outcomes.len(), "{unavailable} of {}", outcomes.len());
}

fn breaking(deployment: &Instances) -> Arc<Stories> {
    deployment.start_on(RoughStore::breaking(&deployment.store, 20_260_101) as Arc<dyn ObjectStore>)
}

#[tokio::test]
async fn of_relayed_clicks_few_are_unavailable_and_each_decision_is_sent() {
    let github = GitHub::start().await;
    let deployment = Instances::sending_to(&github);
    let instance = breaking(&deployment);
    let clicks = (0..CLICKS).map(|number| relay(&instance, number, deployment.after(TimeDelta::zero())));
    let outcomes: Vec<_> = stream::iter(clicks).buffered(AT_ONCE).collect().await;
    assert_few_unavailable(&outcomes, "relayed clicks");
    deployment.settled().await;

    // A decision that was told to be safe is sent without another click, even while every tenth call still breaks.
    for minutes in [2, 4, 6, 8, 10] {
        sweep_by(&instance, deployment.sweep_time(TimeDelta::minutes(minutes))).await;
        deployment.settled().await;
    }
    let sent: BTreeSet<_> =
        github.dispatches().iter().map(|dispatch| dispatch.client_payload().to_owned()).collect();
    let payload = |number: usize| format!(r#"{{"run_id":"{number}"}}"#);
    for (number, outcome) in outcomes.iter().enumerate().filter(|(_, outcome)| status(outcome) == 200) {
        assert!(sent.contains(&payload(number)), "{number}: {outcome:?}");
    }
    for decision in deployment.names("relayed/").await.iter().filter(|name| name.ends_with("/decision")) {
        let done = decision.replace("/decision", "/dispatch.done");
        assert_eq!(deployment.names(&done).await.len(), 1, "{decision}");
    }
    let twice = github.dispatches().len() - sent.len();
    println!("{twice} of {} dispatches came twice", github.dispatches().len());
    assert!(twice <= 3, "{twice}");
    github.expect_dispatches(github.dispatches().len());
}

#[tokio::test]
async fn of_votes_few_are_unavailable_and_none_is_lost() {
    let deployment = Instances::dry_run();
    let mut ids = Vec::new();
    for number in 0..100 {
        ids.push(deployment.asked(asking_of(2, asking("1", &number.to_string()))).await);
    }
    let instance = breaking(&deployment);
    let votes = ids.iter().flat_map(|id| [1, 2, 3].map(|person| (id, person)));
    let votes = votes.map(|(id, number)| {
        let timing = deployment.after(TimeDelta::minutes(1));
        vote(&instance, (id, person(&object_id(number), None)), Verdict::Approve, timing)
    });
    let outcomes: Vec<_> = stream::iter(votes).buffered(AT_ONCE).collect().await;
    assert_few_unavailable(&outcomes, "votes");
    deployment.settled().await;
    for (id, outcomes) in ids.iter().zip(outcomes.chunks(3)) {
        let safe = outcomes.iter().filter(|outcome| status(outcome) == 200).count();
        let seen = deployment.look(id, TimeDelta::minutes(2)).await;
        assert!(safe < 2 || seen.ruling.is_some(), "{outcomes:?}");
    }
}

#[tokio::test]
async fn of_requests_few_are_unavailable_and_each_is_one_approval() {
    let deployment = Instances::dry_run();
    let instance = breaking(&deployment);
    let asks = (0..200).map(|number| {
        let timing = deployment.after(TimeDelta::zero());
        let instance = &instance;
        async move {
            let asked = instance.ask(asking("1", &number.to_string()), timing).await;
            asked.map(|(seen, _)| seen.request.id).map_err(|report| report.outcome)
        }
    });
    let asked: Vec<_> = stream::iter(asks).buffered(AT_ONCE).collect().await;
    let failed: Vec<_> = asked.iter().filter_map(|asked| asked.as_ref().err().cloned()).collect();
    println!("{} of {} requests are unavailable", failed.len(), asked.len());
    assert!(failed.len() * 20 < asked.len(), "{failed:?}");
    deployment.settled().await;
    for (number, before) in asked.iter().enumerate() {
        let id = deployment.asked(asking("1", &number.to_string())).await;
        assert!(before.as_ref().map_or(true, |before| *before == id));
    }
    let opened = deployment.names("dry-run/requested/").await;
    assert_eq!(opened.iter().filter(|name| name.ends_with("/request")).count(), asked.len());
}

#[tokio::test]
async fn of_withdrawals_none_is_lost_and_none_is_sent() {
    let github = GitHub::start().await;
    let deployment = Instances::sending_to(&github);
    let mut ids = Vec::new();
    for number in 0..100 {
        ids.push(deployment.asked(asking_of(1, asking("1", &number.to_string()))).await);
    }
    let instance = breaking(&deployment);
    let withdrawals = ids.iter().map(|id| {
        let (instance, timing) = (&instance, deployment.after(TimeDelta::minutes(1)));
        async move {
            let Ok(Some(standing)) = instance.look(id, timing).await else { return None };
            let by = Withdrawer::Run(standing.request.workload.run_id.clone());
            let withdrawal = Withdrawal { by, comment: String::new() };
            Some(instance.withdraw(standing, withdrawal, timing).await.outcome)
        }
    });
    let outcomes: Vec<_> = stream::iter(withdrawals).buffered(AT_ONCE).collect().await;
    let told: Vec<_> = outcomes.iter().flatten().cloned().collect();
    assert_few_unavailable(&told, "withdrawals");
    deployment.settled().await;
    for (id, outcome) in ids.iter().zip(&outcomes) {
        let is_safe = outcome.as_ref().is_some_and(|outcome| status(outcome) == 200);
        let seen = deployment.look(id, TimeDelta::minutes(2)).await;
        assert!(!is_safe || seen.ending() == Some(Ending::Withdrawn), "{outcome:?}");
    }
    assert_eq!(github.dispatches().len(), 0);
}

#[tokio::test]
async fn runs_that_ask_at_once_leave_the_latest_open_after_a_sweep_at_most() {
    let deployment = Instances::dry_run();
    let instances = [deployment.start(), deployment.start()];
    let asks = (1..=20).map(|run| {
        let mut asking = asking(&run.to_string(), "{}");
        asking.terms.supersedes = true;
        asking.workload.workflow_ref = Some("octo/app/.github/workflows/release.yml@refs/heads/main".to_owned());
        let (instance, timing) = (&instances[run % 2], deployment.after(TimeDelta::zero()));
        async move { instance.ask(asking, timing).await.map_err(|report| report.outcome).expect("it is open") }
    });
    let asked = futures_util::future::join_all(asks).await;
    deployment.settled().await;
    deployment.sweep(TimeDelta::minutes(2)).await;
    deployment.settled().await;
    for (place, (standing, _)) in asked.iter().enumerate() {
        let seen = deployment.look(&standing.request.id, TimeDelta::minutes(3)).await;
        let expected = if place + 1 < asked.len() { Some(Ending::Withdrawn) } else { None };
        assert_eq!(seen.ending(), expected, "run {}", standing.request.workload.run_id);
    }
}

/// The time of one call, in milliseconds.
const CALL_MS: usize = 500;

/// Within this a decision must be recorded, and within this a person is answered, in milliseconds.
const RECORDED_MS: usize = 3_200;
const ANSWERED_MS: usize = 4_400;

/// An instance whose calls take a round each, and the view on which it is.
fn slow(deployment: &Instances) -> (Arc<RoughStore>, Arc<Stories>) {
    let view = RoughStore::slow(&deployment.store);
    let instance = deployment.start_on(Arc::clone(&view) as Arc<dyn ObjectStore>);
    (view, instance)
}

#[track_caller]
fn assert_in_time(what: &str, rounds: usize, within_ms: usize) {
    println!("{what}: {rounds} calls one after the other, {} ms", rounds * CALL_MS);
    assert!(rounds * CALL_MS < within_ms, "{what}: {rounds} calls");
}

#[tokio::test]
async fn where_each_call_takes_half_a_second_votes_are_recorded_in_time() {
    let deployment = Instances::dry_run();
    let id = deployment.asked(asking_of(3, asking("1", "{}"))).await;
    let says = async |name: &str, number: u32, verdict| {
        let (view, instance) = slow(&deployment);
        let performer = person(&object_id(number), Some(name));
        let timing = deployment.after(TimeDelta::minutes(1));
        let (outcome, rounds) = view.rounds(vote(&instance, (&id, performer), verdict, timing)).await;
        (outcome.name(), rounds)
    };
    for (what, name, number, expected) in [
        ("the first vote", "alex@contoso.com", 1, "counted"),
        ("the second", "sam@contoso.com", 2, "counted"),
        ("the same again", "sam@contoso.com", 2, "counted"),
        ("one under a new name", "samuel@contoso.com", 2, "counted"),
        ("one that decides", "kim@contoso.com", 3, "dry-run"),
        ("one that comes later", "kim@contoso.com", 3, "already-decided"),
    ] {
        let (outcome, rounds) = says(name, number, Verdict::Approve).await;
        assert_eq!(outcome, expected, "{what}");
        assert_in_time(what, rounds, RECORDED_MS);
    }
}

#[tokio::test]
async fn where_each_call_takes_half_a_second_asking_looking_and_clicking_come_to_an_end_in_time() {
    let deployment = Instances::dry_run();
    for what in ["asking", "asking again"] {
        let (view, instance) = slow(&deployment);
        let ask = instance.ask(asking("1", "{}"), deployment.after(TimeDelta::zero()));
        let (asked, rounds) = view.rounds(ask).await;
        assert!(asked.is_ok());
        assert_in_time(what, rounds, RECORDED_MS);
    }
    let id = deployment.asked(asking("1", "{}")).await;
    let (view, instance) = slow(&deployment);
    let workload = asking("1", "{}").workload;
    let said = approve_release::approval::Visibility { said_at: 2, is_public: true };
    let look = instance.look_as_job(&id, &workload, said, deployment.after(TimeDelta::minutes(1)));
    let (seen, rounds) = view.rounds(look).await;
    assert!(seen.expect("a store").is_some());
    assert_in_time("looking", rounds, ANSWERED_MS);

    for (what, expected) in [("relaying", "dry-run"), ("relaying again", "already-decided")] {
        let (view, instance) = slow(&deployment);
        let click = relay(&instance, 1, deployment.after(TimeDelta::minutes(1)));
        let (outcome, rounds) = view.rounds(click).await;
        assert_eq!(outcome.name(), expected);
        assert_in_time(what, rounds, RECORDED_MS);
    }
}

#[tokio::test]
async fn where_each_call_takes_half_a_second_the_list_of_ten_lines_over_six_days_comes_in_time() {
    let deployment = Instances::dry_run();
    let instance = deployment.start();
    for number in 0..10_i64 {
        let timing = deployment.after(TimeDelta::hours(number * 15));
        let asked = instance.ask(asking_of(2, asking("1", &number.to_string())), timing).await;
        let id = asked.map_err(|report| report.outcome).expect("it is open").0.request.id;
        // Some are decided, some have one vote, and the first have expired.
        let verdict = if number % 3 == 0 { Verdict::Reject } else { Verdict::Approve };
        vote(&instance, (&id, person(ALEX, None)), verdict, timing).await;
    }
    relay(&instance, 1, deployment.after(TimeDelta::hours(1))).await;
    deployment.settled().await;
    let (view, instance) = slow(&deployment);
    let list = instance.list(None, deployment.after(TimeDelta::hours(140)));
    let (list, rounds) = view.rounds(list).await;
    let list = list.expect("a list");
    let lines: Vec<&Item> = list.waiting.iter().chain(&list.decided).collect();
    assert_eq!(lines.len(), 11);
    assert_in_time("the list", rounds, ANSWERED_MS);
}

/// Beside GitHub's answer one more is counted, of what nobody waits for.
#[tokio::test]
async fn no_story_waits_for_the_store_more_often_than_it_must() {
    const BESIDE: usize = 1;
    let github = GitHub::start().await;
    github.expect_dispatches(3);
    let deployment = Instances::sending_to(&github);
    let ask = async |required, body: &str| {
        let (view, instance) = slow(&deployment);
        let asked = instance.ask(asking_of(required, asking("1", body)), deployment.after(TimeDelta::zero()));
        let (asked, rounds) = view.rounds(asked).await;
        println!("asking: {rounds}");
        (asked.map_err(|report| report.outcome).expect("it is open").0.request.id, rounds)
    };
    let approve = async |id: &approve_release::approval::ApprovalId, number, expected, most| {
        let (view, instance) = slow(&deployment);
        let (performer, timing) = (person(&object_id(number), None), deployment.after(TimeDelta::minutes(1)));
        let (outcome, rounds) = view.rounds(vote(&instance, (id, performer), Verdict::Approve, timing)).await;
        println!("{expected}: {rounds}");
        assert_eq!(outcome.name(), expected);
        assert!(rounds <= most, "{expected}: {rounds}");
    };
    let (one, asking) = ask(1, "1").await;
    assert_eq!((asking, ask(1, "1").await.1), (4, 3), "asking, and asking again");
    // Two before GitHub, one after; three before where another has voted.
    approve(&one, 1, "dispatched", 3 + BESIDE).await;
    approve(&one, 2, "already-decided", 2).await;
    // The run that releases: a look, the entry, the record; and another attempt, and the end.
    let sent: serde_json::Value =
        serde_json::from_str(github.dispatches()[0].client_payload()).expect("JSON");
    let ticket = sent["approval"]["ticket"].as_str().expect("a ticket");
    for (attempt, conclusion, most) in [
        ("1", None, 4),
        ("1", None, 2),
        ("2", None, 4),
        ("2", Some(Conclusion::Success), 4),
        ("2", Some(Conclusion::Failure), 2),
    ] {
        let (view, instance) = slow(&deployment);
        let workload = Workload {
            run_id: "4711".to_owned(),
            run_attempt: attempt.to_owned(),
            event_name: Some("repository_dispatch".to_owned()),
            ..crate::instances::asking("1", "1").workload
        };
        let (timing, said) =
            (deployment.after(TimeDelta::minutes(2)), Visibility { said_at: 1, is_public: false });
        let story = async {
            let seen = instance.look_as_job(&one, &workload, said, timing).await;
            let seen = seen.expect("a store").expect("an approval");
            match conclusion {
                None => instance.start_run(seen, workload.clone(), Some(ticket), timing).await,
                Some(conclusion) => instance.end_run(seen, workload.clone(), conclusion, timing).await,
            }
        };
        let (told, rounds) = view.rounds(story).await;
        println!("attempt {attempt} of a run, {conclusion:?}: {rounds}");
        assert!(told.is_ok() && rounds <= most, "{rounds}");
    }
    let (two, _) = ask(2, "2").await;
    approve(&two, 1, "counted", 4).await;
    approve(&two, 2, "dispatched", 4 + BESIDE).await;
    for (expected, most) in [("dispatched", 3 + BESIDE), ("already-decided", 3)] {
        let (view, instance) = slow(&deployment);
        let click = relay(&instance, 1, deployment.after(TimeDelta::minutes(1)));
        let (outcome, rounds) = view.rounds(click).await;
        println!("a relay, {expected}: {rounds}");
        assert_eq!(outcome.name(), expected);
        assert!(rounds <= most, "{rounds}");
    }
}
