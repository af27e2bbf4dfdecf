//! Lists longer than one answer of a store, and more to do than one sweep can: nothing is hidden, nothing is lost, and
//! what is left is next.

use std::{collections::BTreeSet, time::Duration};

use approve_release::{
    approval::{DeliveryState, Item, Verdict},
    ledger::{Index, LineCursor},
    timing::Timing,
};
use chrono::TimeDelta;
use tokio::time::Instant;

use crate::{
    deployment::Channel,
    github::{GitHub, github_error, rate_limited},
    instances::{Instances, asking, person, sweep_by, vote},
    tokens::ALEX,
};
use wiremock::ResponseTemplate;

/// More than one answer of Azure Storage has, twice over.
const MANY: usize = 10_050;

const MINUTE: TimeDelta = TimeDelta::minutes(1);

/// A deployment whose index and list are full of approvals that came to nothing, all of one day long ago.
async fn overfull(deployment: &Instances) {
    for number in 0..MANY {
        let id = format!("{:012x}{number:032x}", 1_700_000_000_000_u64 + number as u64);
        deployment.write(&format!("pending/requested.{id}.{number:032x}"), "x").await;
        let (minute, second, millisecond) = (number / 60_000, number / 1_000 % 60, number % 1_000);
        let time = format!("12{minute:02}{second:02}{millisecond:03}");
        deployment.write(&format!("listed/2023-11-14/{time}.requested.{id}"), "x").await;
    }
}

#[tokio::test]
async fn a_new_approval_is_on_the_first_page_and_a_recorded_decision_is_sent_by_the_next_sweep() {
    let github = GitHub::start().await;
    let deployment = Instances::sending_to(&github);
    overfull(&deployment).await;
    let (open, decided) = (asking("1", "open"), asking("1", "decided"));
    let (open, decided) = (deployment.asked(open).await, deployment.asked(decided).await);
    deployment.decide_and_die(&decided, TimeDelta::zero()).await;

    let list = deployment.start().list(None, deployment.after(MINUTE)).await.expect("a list");
    let is_open = |item: &Item| matches!(item, Item::Requested(seen) if seen.request.id == open);
    assert!(list.waiting.iter().any(is_open), "{:?}", list.waiting);

    github.expect_dispatches(1);
    deployment.sweep(MINUTE).await;
    assert_eq!(github.dispatches().len(), 1);
    assert_eq!(deployment.delivery(&decided, MINUTE * 2).await.state, DeliveryState::Delivered);
}

#[tokio::test]
async fn every_line_is_reached_page_by_page_and_each_once() {
    let deployment = Instances::dry_run();
    for number in 0..MANY {
        let id = format!("{number:044x}");
        let (second, millisecond) = (number / 1_000 % 60, number % 1_000);
        let path = format!("dry-run/listed/2023-11-14/1200{second:02}{millisecond:03}.requested.{id}");
        deployment.write(&path, "x").await;
    }
    let ledger = &deployment.start().outbox.ledger;
    let (mut lines, mut after): (Vec<String>, Option<LineCursor>) = (Vec::new(), None);
    loop {
        let until = Instant::now() + Duration::from_secs(60);
        let page = ledger.lines(Index::Listed, after.as_ref(), 2_000, until).await.expect("a page");
        let Some(last) = page.last() else { break };
        after = Some(last.cursor.clone());
        lines.extend(page.into_iter().map(|line| format!("{:?}", line.subject)));
    }
    assert_eq!(lines.len(), MANY);
    assert_eq!(lines.iter().collect::<BTreeSet<_>>().len(), MANY);
}

#[tokio::test]
async fn approvals_are_all_reached_page_by_page_and_each_once() {
    let deployment = Instances::dry_run();
    let instance = deployment.start();
    let mut ids = BTreeSet::new();
    for number in 0..95_i64 {
        // Three at each moment, over some days.
        let timing = deployment.after(TimeDelta::hours(number / 3));
        let asked = instance.ask(asking("1", &number.to_string()), timing).await.map_err(|r| r.outcome);
        let id = asked.expect("it is open").0.request.id;
        if number % 2 == 0 {
            vote(&instance, (&id, person(ALEX, None)), Verdict::Approve, timing).await;
        }
        ids.insert(id.to_string());
    }
    deployment.settled().await;
    let (mut shown, mut after, mut was_decided) = (Vec::new(), None, false);
    for _ in 0..=ids.len() {
        let list =
            instance.list(after.as_ref(), deployment.after(TimeDelta::hours(32))).await.expect("a list");
        assert!(!was_decided || list.waiting.is_empty(), "all that waits stands first");
        was_decided |= !list.decided.is_empty();
        shown.extend(list.waiting.into_iter().chain(list.decided).map(|item| match item {
            Item::Requested(seen) => seen.request.id.to_string(),
            other => panic!("not asked for: {other:?}"),
        }));
        match list.next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    assert_eq!(shown.len(), ids.len());
    assert_eq!(shown.into_iter().collect::<BTreeSet<_>>(), ids);
}

/// Approvals that were decided by processes that died before they sent anything.
async fn decided_and_died(deployment: &Instances, count: usize) {
    for number in 0..count {
        let id = deployment.asked(asking("1", &format!("body {number}"))).await;
        deployment.decide_and_die(&id, TimeDelta::zero()).await;
    }
}

#[tokio::test]
async fn a_sweep_that_has_no_time_says_so_and_the_next_begins_with_what_is_left() {
    let github = GitHub::start().await;
    let deployment = Instances::sending_to(&github);
    decided_and_died(&deployment, 9).await;
    let instance = deployment.start();

    let none = Timing::new(deployment.began + MINUTE, Duration::ZERO);
    let lines = sweep_by(&instance, none).await;
    assert!(lines.iter().any(|line| line.contains("9 of 9 are left to the next sweep")), "{lines:?}");
    assert_eq!(github.dispatches().len(), 0);
    github.expect_dispatches(9);
    let lines = sweep_by(&instance, deployment.sweep_time(MINUTE * 2)).await;
    assert!(lines.iter().all(|line| line.contains("arrived")), "{lines:?}");
    assert_eq!(github.dispatches().len(), 9);
}

#[tokio::test]
async fn a_process_that_is_stopped_leaves_what_it_has_not_sent_to_the_next() {
    let github = GitHub::start().await;
    let deployment = Instances::sending_to(&github);
    decided_and_died(&deployment, 5).await;
    let stopping = deployment.start();
    stopping.sweeper.stop();
    let lines = sweep_by(&stopping, deployment.sweep_time(MINUTE)).await;
    assert!(lines.iter().any(|line| line.contains("5 of 5 are left")), "{lines:?}");
    assert_eq!(github.dispatches().len(), 0);
    github.expect_dispatches(5);
    deployment.sweep(MINUTE * 2).await;
}

#[tokio::test]
async fn what_one_sweep_does_not_come_to_is_tried_by_the_next_before_all_that_failed() {
    let github = GitHub::start().await;
    let deployment = Instances::sending_to(&github);
    decided_and_died(&deployment, 110).await;
    github.answer_with(github_error(503, "Server Error"));
    let instance = deployment.start();
    // A failure is due again half a minute later.
    for sweep in 1..=3 {
        let lines = sweep_by(&instance, deployment.sweep_time(TimeDelta::minutes(sweep))).await;
        assert!(sweep > 1 || lines.iter().any(|line| line.contains("left to the next sweep")), "{lines:?}");
    }
    let attempts = deployment.names("requested/").await;
    let first = attempts.iter().filter(|name| name.ends_with("/dispatch.000001.attempt")).count();
    assert_eq!(first, 110);
    github.expect_dispatches(github.dispatches().len());
}

#[tokio::test]
async fn no_event_waits_for_the_cards_of_others() {
    let (github, channel) = (GitHub::start().await, Channel::start().await);
    let deployment = Instances::sending_to(&github).posting_to(&channel);
    channel.answer_with(Some(ResponseTemplate::new(500)));
    decided_and_died(&deployment, 70).await;
    for minutes in [1, 2] {
        deployment.sweep(TimeDelta::minutes(minutes)).await;
    }
    assert_eq!(github.dispatches().len(), 70);
    // More cards are due by now than one sweep posts.
    channel.answer_with(None);
    let id = deployment.asked(asking("2", "{}")).await;
    deployment.decide_and_die(&id, MINUTE * 2).await;
    deployment.sweep(MINUTE * 4).await;
    github.expect_dispatches(71);
    deployment.sweep(MINUTE * 5).await;
    assert_eq!(deployment.left_a_day_after(MINUTE * 8).await, [""; 0]);
}

#[tokio::test]
async fn a_card_that_one_sweep_has_no_room_for_is_posted_by_the_next() {
    let channel = Channel::start().await;
    let deployment = Instances::dry_run().posting_to(&channel);
    channel.answer_with(Some(ResponseTemplate::new(500)));
    for number in 0..70 {
        deployment.asked(asking("1", &number.to_string())).await;
    }
    deployment.settled().await;
    channel.answer_with(None);
    let instance = deployment.start();
    for sweep in 1..=2 {
        let lines = sweep_by(&instance, deployment.sweep_time(MINUTE * sweep)).await;
        let is_cut = lines.iter().any(|line| line.contains("left to the next sweep"));
        assert_eq!(is_cut, sweep == 1, "{lines:?}");
    }
    assert_eq!(channel.cards().len(), 70);
}

#[tokio::test]
async fn a_rate_limit_of_github_keeps_no_card_from_the_channel() {
    let (github, channel) = (GitHub::start().await, Channel::start().await);
    let deployment = Instances::sending_to(&github).posting_to(&channel);
    channel.answer_with(Some(ResponseTemplate::new(500)));
    decided_and_died(&deployment, 3).await;
    for number in 0..3 {
        deployment.asked(asking("2", &number.to_string())).await;
    }
    channel.answer_with(None);
    github.answer_with(rate_limited(403));
    let instance = deployment.start();
    sweep_by(&instance, deployment.sweep_time(MINUTE)).await;
    sweep_by(&instance, deployment.sweep_time(MINUTE * 2)).await;
    // Those that ask, and those that say what was decided.
    assert_eq!(channel.cards().len(), 6);
    let tried = github.dispatches().len();
    assert!((1..=6).contains(&tried), "{tried} calls");
    github.expect_dispatches(tried);
}

#[tokio::test]
async fn two_sweeps_at_once_send_each_message_once() {
    let github = GitHub::start().await;
    let deployment = Instances::sending_to(&github);
    decided_and_died(&deployment, 5).await;
    let instance = deployment.start();
    let timing = deployment.sweep_time(MINUTE);
    let (one, other) = tokio::join!(sweep_by(&instance, timing), sweep_by(&instance, timing));
    assert_eq!(one.len() + other.len(), 6, "{one:?} {other:?}");
    github.expect_dispatches(5);
}

#[tokio::test]
async fn what_another_instance_decided_is_looked_at_by_the_next_sweep() {
    let github = GitHub::start().await;
    let deployment = Instances::sending_to(&github);
    let id = deployment.asked(asking("1", "{}")).await;
    let staying = deployment.start();
    sweep_by(&staying, deployment.sweep_time(MINUTE)).await;

    github.answer_with(github_error(503, "Server Error"));
    let (leaving, timing) = (deployment.start(), deployment.after(MINUTE * 2));
    let outcome = vote(&leaving, (&id, person(ALEX, None)), Verdict::Approve, timing).await;
    assert_eq!(outcome.name(), "recorded");
    deployment.settled().await;
    github.answer_as_github();

    github.expect_dispatches(2);
    sweep_by(&staying, deployment.sweep_time(MINUTE * 3)).await;
    assert_eq!(github.dispatches().len(), 2);
}

#[tokio::test]
async fn what_another_instance_was_sending_when_it_was_killed_is_sent_once_its_lease_has_ended() {
    let github = GitHub::start().await;
    let deployment = Instances::sending_to(&github);
    let id = deployment.asked(asking("1", "{}")).await;
    let staying = deployment.start();
    sweep_by(&staying, deployment.sweep_time(MINUTE)).await;

    github.answer_with(ResponseTemplate::new(204).set_delay(Duration::from_secs(60)));
    let (killed, timing) = (deployment.start(), deployment.after(MINUTE * 2));
    tokio::select! {
        _ = vote(&killed, (&id, person(ALEX, None)), Verdict::Approve, timing) => panic!("it is being sent"),
        () = github.until_asked() => {}
    }
    github.answer_as_github();

    sweep_by(&staying, deployment.sweep_time(MINUTE * 2 + TimeDelta::seconds(20))).await;
    assert_eq!(github.dispatches().len(), 1, "it may have arrived");
    sweep_by(&staying, deployment.sweep_time(MINUTE * 3)).await;
    github.expect_dispatches(2);
}

/// A sweep sends some 50 events. What it has sent and what was at rest before is settled all the same.
#[tokio::test]
async fn a_sweep_that_has_sent_enough_puts_nothing_off_that_is_done() {
    let (github, channel) = (GitHub::start().await, Channel::start().await);
    github.expect_dispatches(140);
    let deployment = Instances::sending_to(&github).posting_to(&channel);
    github.answer_with(github_error(503, "Server Error"));
    for number in 0..70 {
        let id = deployment.asked(asking(&number.to_string(), "{}")).await;
        let (instance, timing) = (deployment.start(), deployment.after(MINUTE));
        vote(&instance, (&id, person(ALEX, None)), Verdict::Approve, timing).await;
    }
    deployment.settled().await;
    github.answer_as_github();
    let instance = deployment.start();
    for minute in 3..=8 {
        sweep_by(&instance, deployment.sweep_time(MINUTE * minute)).await;
    }
    assert_eq!(github.dispatches().len(), 140);
    assert_eq!(deployment.left_a_day_after(MINUTE * 8).await, [""; 0]);
    assert_eq!(deployment.names("released/").await.len(), 70);
}
