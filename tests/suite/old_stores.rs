//! Stores that other versions have written: `tests/golden/format-1` by the last version before format 2, and
//! `tests/golden/format-2` by the first with it. Each is carried on, for ever. These files are never changed; a new
//! format gets a folder of its own.

use std::{
    fs,
    path::{Path, PathBuf},
};

use approve_release::approval::{
    AppFault, ApprovalId, Author, Changes, Conclusion, DeliveryError, DeliveryState, Ending, Item,
    MessageName, Progress, SendAnswer, Verdict,
};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

use crate::{
    github::GitHub,
    handler_process::repository_root,
    instances::{Instances, allowing, approvers, asking, asking_of, object_id, person, relay, vote},
    request_faults::Deployment,
};

const FORMATS: [u32; 2] = [1, 2];

/// The cases of each format, each in a store of its own.
const CASES: [&str; 6] = ["open", "pending", "dead", "delivered", "relayed", "bot"];

/// The files of a case, each with its name in the store.
fn golden(format: u32, case: &str) -> Vec<(String, Vec<u8>)> {
    let root = repository_root().join(format!("tests/golden/format-{format}/{case}"));
    let name = |file: &Path| file.strip_prefix(&root).expect("below it").to_str().expect("a name").to_owned();
    let content = |file: &Path| fs::read(file).expect("a file");
    files(&root).iter().map(|file| (name(file), content(file))).collect()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let entries = entries.map(|entry| entry.expect("an entry").path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// The record in the one file whose name ends so.
fn record(format: u32, case: &str, end: &str) -> Value {
    let files = golden(format, case);
    let found: Vec<_> = files.iter().filter(|(name, _)| name.ends_with(end)).collect();
    let [(_, content)] = found[..] else { panic!("one …{end}") };
    serde_json::from_slice::<Value>(content).expect("JSON")["record"].take()
}

fn time(value: &Value) -> DateTime<Utc> {
    value.as_str().expect("a time").parse().expect("a time")
}

/// The approval of a case, and when it was asked for.
fn asked(format: u32, case: &str) -> (ApprovalId, DateTime<Utc>) {
    let request = record(format, case, "/request");
    (ApprovalId::parse(request["id"].as_str().expect("an id")).expect("an id"), time(&request["created_at"]))
}

/// A deployment on a case's store, whose clock begins when that was asked for.
async fn deployment_on(github: &GitHub, format: u32, case: &str) -> Instances {
    let mut deployment = Instances::sending_to(github);
    for (name, content) in golden(format, case) {
        deployment.write(&name, content).await;
    }
    deployment.began = match case {
        "relayed" => time(&record(format, case, "/decision")["decided_at"]),
        _ => asked(format, case).1,
    };
    deployment
}

/// From the beginning to today, or to a moment after the files were written.
fn today(deployment: &Instances) -> TimeDelta {
    (Utc::now() - deployment.began).max(TimeDelta::zero()) + TimeDelta::minutes(5)
}

#[test]
fn every_file_is_a_record_of_its_format_with_a_writer_of_its_own() {
    for format in FORMATS {
        let mut writers = std::collections::BTreeSet::new();
        let mut count = 0;
        for (name, content) in CASES.iter().flat_map(|case| golden(format, case)) {
            let record: Value = serde_json::from_slice(&content).expect(&name);
            assert_eq!(record["format"], format, "{name}");
            writers.insert(record["writer"].as_str().expect("a writer").to_owned());
            count += 1;
        }
        assert!(count > 40 && writers.len() == count, "{count} files of format {format}");
    }
}

#[tokio::test]
async fn an_open_request_keeps_its_vote_and_another_completes_it() {
    for format in FORMATS {
        let github = GitHub::start().await;
        github.expect_dispatches(1);
        let mut deployment = deployment_on(&github, format, "open").await;
        let (id, _) = asked(format, "open");
        // The name of a voter may be known or not; by name or by id they count.
        for listed in
            [[object_id(1), object_id(2)], ["person1@contoso.com", "person2@contoso.com"].map(str::to_owned)]
        {
            deployment.policy.approvers = approvers(&[&listed[0], &listed[1]]);
            let seen = deployment.look(&id, TimeDelta::minutes(5)).await;
            assert_eq!((seen.ballots.len(), seen.ruling), (1, None), "{format}: {listed:?}");
        }
        let other = person(&object_id(2), Some("person2@contoso.com"));
        let timing = deployment.after(TimeDelta::minutes(10));
        let outcome = vote(&deployment.start(), (&id, other), Verdict::Approve, timing).await;
        assert_eq!(outcome.name(), "dispatched");
        deployment.settled().await;
        let seen = deployment.look(&id, TimeDelta::minutes(11)).await;
        let ruling = seen.ruling.expect("it is decided");
        assert_eq!((ruling.ending, ruling.ballots.len()), (Ending::Approved, 2));
        let sent = github.only_dispatch();
        assert!(sent.client_payload().contains(r#""ticket":""#), "{}", sent.client_payload());
    }
}

#[tokio::test]
async fn what_waits_for_github_is_sent_by_the_next_sweep_and_once() {
    for format in FORMATS {
        for case in ["pending", "relayed"] {
            let github = GitHub::start().await;
            github.expect_dispatches(1);
            let deployment = deployment_on(&github, format, case).await;
            let today = today(&deployment);
            deployment.sweep(today).await;
            deployment.sweep(today + TimeDelta::minutes(1)).await;
            assert_eq!(github.dispatches().len(), 1, "{format}: {case}");
            let left = deployment.left_a_day_after(today + TimeDelta::minutes(2)).await;
            assert_eq!(left, [""; 0], "{format}: {case}");
            let list = deployment.start().list(None, deployment.after(today)).await.expect("a list");
            let policy = &deployment.policy;
            let delivery = match &list.decided[..] {
                [Item::Requested(standing)] => policy.delivery(standing),
                [Item::Relayed(relay)] => policy.delivery_of_relay(relay),
                other => panic!("one line, not {other:?}"),
            };
            assert_eq!(delivery.state, DeliveryState::Delivered, "{format}: {case}");
        }
    }
}

#[tokio::test]
async fn a_relay_that_was_decided_is_not_decided_again() {
    for format in FORMATS {
        let github = GitHub::start().await;
        github.expect_dispatches(1);
        let deployment = deployment_on(&github, format, "relayed").await;
        // The same card, clicked again.
        let click = async |minutes| {
            relay(&deployment.start(), 1, deployment.after(TimeDelta::minutes(minutes))).await.name()
        };
        assert_eq!((click(5).await, click(6).await), ("dispatched", "already-decided"), "{format}");
    }
}

#[tokio::test]
async fn a_dead_letter_stays_one_until_somebody_clicks() {
    for format in FORMATS {
        let github = GitHub::start().await;
        github.expect_dispatches(1);
        let deployment = deployment_on(&github, format, "dead").await;
        let (id, _) = asked(format, "dead");
        deployment.sweep(today(&deployment)).await;
        assert_eq!(github.dispatches().len(), 0);
        let delivery = deployment.delivery(&id, TimeDelta::hours(1)).await;
        assert_eq!(delivery.state, DeliveryState::Dead);
        let is_words = |error| matches!(error, DeliveryError::Refused(words) if words.contains("422"));
        assert!(delivery.error.is_some_and(is_words), "GitHub's words");
        let timing = deployment.after(TimeDelta::hours(2));
        let click = (&id, person(&object_id(1), None));
        let outcome = vote(&deployment.start(), click, Verdict::Approve, timing).await;
        assert_eq!(outcome.name(), "dispatched");
    }
}

#[tokio::test]
async fn what_was_delivered_says_when_and_is_not_sent_again() {
    for format in FORMATS {
        let github = GitHub::start().await;
        let deployment = deployment_on(&github, format, "delivered").await;
        let (id, _) = asked(format, "delivered");
        let delivery = deployment.delivery(&id, TimeDelta::minutes(5)).await;
        assert_eq!(delivery.state, DeliveryState::Delivered);
        let done = record(format, "delivered", "/dispatch.done");
        let expected = time(if format == 1 { &done["began_at"] } else { &done["arrived_at"] });
        assert_eq!(delivery.delivered_at, Some(expected));
        deployment.sweep(today(&deployment)).await;
        let timing = deployment.after(TimeDelta::minutes(6));
        let click = (&id, person(&object_id(1), None));
        let outcome = vote(&deployment.start(), click, Verdict::Approve, timing).await;
        assert_eq!(outcome.name(), "already-decided");
        assert_eq!(deployment.left_a_day_after(today(&deployment)).await, [""; 0]);
    }
}

/// The shapes of the run's records.
#[tokio::test]
async fn a_run_that_had_an_approval_has_it_for_ever() {
    let github = GitHub::start().await;
    let deployment = deployment_on(&github, 2, "released").await;
    let (id, _) = asked(2, "released");
    let run = deployment.look(&id, TimeDelta::hours(1)).await.run.expect("a run");
    let end = run.end.expect("an end");
    assert_eq!((run.id.as_str(), run.actor.as_str(), run.attempt), ("4711", "octocat", 2));
    assert_eq!((end.conclusion, end.is_by_github), (Conclusion::Success, true));
    assert_eq!(run.started_at, "2026-11-26T09:45:00Z".parse::<DateTime<Utc>>().expect("a time"));
    assert_eq!(end.at, "2026-11-26T09:50:00Z".parse::<DateTime<Utc>>().expect("a time"));
    // An end is told, so nothing is left to follow.
    deployment.sweep(today(&deployment)).await;
    assert_eq!(deployment.names("pending/").await, [""; 0]);
}

/// The shapes of a workflow's request, of the run that GitHub named, of the changes, and of a fault of the GitHub App.
#[tokio::test]
async fn a_workflow_that_was_started_keeps_its_run_and_its_changes() {
    let github = GitHub::start().await;
    let deployment = deployment_on(&github, 2, "workflow").await;
    let (id, _) = asked(2, "workflow");
    let seen = deployment.look(&id, TimeDelta::minutes(30)).await;
    let named = seen.named_run.as_ref().expect("a run");
    assert_eq!(
        (named.id.as_str(), named.url.as_str()),
        ("4711", "https://github.com/octo/app/actions/runs/4711")
    );
    let workflow = seen.request.terms.workflow.as_ref().expect("a workflow");
    assert_eq!(workflow.file.as_str(), "release.yml");
    assert_eq!(workflow.git_ref(&seen.request.workload), "refs/tags/v1.4.2");
    assert_eq!(workflow.inputs.as_ref().expect("inputs").as_raw().get(), r#"{"version":"1.4.2"}"#);
    let comparison = seen.changes.as_ref().and_then(Changes::comparison).expect("changes");
    let authors: Vec<_> = comparison.authors.iter().map(Author::as_str).collect();
    assert_eq!(
        (comparison.base.as_str(), comparison.commits, &authors[..]),
        ("1".repeat(40).as_str(), 2, &["octocat", "Kim"][..])
    );
    assert!(!seen.changes_are_late);
    let later = today(&deployment) + TimeDelta::hours(3);
    assert_eq!(deployment.left_a_day_after(later).await, [""; 0]);
}

#[tokio::test]
async fn a_workflow_that_the_app_could_not_start_says_so_and_is_started_by_the_next_sweep() {
    let github = GitHub::start().await;
    github.expect_dispatches(1);
    let mut deployment = Instances::sending_to(&github);
    deployment.began = asked(2, "workflow").1;
    // As the store was before the second attempt.
    let before = |name: &str| {
        !name.ends_with("/dispatch.done")
            && !name.contains("dispatch.000002")
            && !name.starts_with("released/")
    };
    for (name, content) in golden(2, "workflow").into_iter().filter(|(name, _)| before(name)) {
        deployment.write(&name, content).await;
    }
    let (id, _) = asked(2, "workflow");
    let seen = deployment.look(&id, TimeDelta::minutes(3)).await;
    let Progress::Tried(_, Some(result)) = seen.progress(&MessageName::DISPATCH) else { panic!("{seen:?}") };
    assert_eq!(result.what, SendAnswer::App(AppFault::Suspended));
    // A sweep passes over an entry that was written later than it looks.
    let later = today(&deployment).max(TimeDelta::hours(2));
    deployment.sweep(later).await;
    let told = deployment.delivery(&id, later + TimeDelta::hours(1)).await;
    assert_eq!(told.state, DeliveryState::Delivered);
    assert_eq!(github.only_dispatch().workflow.as_deref(), Some("release.yml"));
}

/// Older versions wrote no line in `released/`.
#[tokio::test]
async fn the_first_release_after_an_older_version_has_no_base_and_is_the_next_ones() {
    for format in FORMATS {
        let github = GitHub::start().await;
        github.expect_dispatches(1);
        let deployment = deployment_on(&github, format, "delivered").await;
        assert_eq!(deployment.names("released/").await, [""; 0]);
        let ask = async |run: &str, minute| {
            let timing = deployment.after(TimeDelta::minutes(minute));
            let asked = deployment.start().ask(asking(run, run), timing).await;
            let standing = asked.map_err(|report| report.outcome).expect("it is open").0;
            deployment.settled().await;
            standing
        };
        let first = ask("71", 5).await;
        assert_eq!(first.changes, Some(Changes::First), "{format}");
        let timing = deployment.after(TimeDelta::minutes(6));
        let click = (&first.request.id, person(&object_id(1), None));
        let outcome = vote(&deployment.start(), click, Verdict::Approve, timing).await;
        assert_eq!(outcome.name(), "dispatched");
        deployment.settled().await;
        let base = first.request.workload.sha.as_str();
        assert_eq!(ask("72", 7).await.changes.as_ref().and_then(Changes::base), Some(base), "{format}");
    }
}

#[tokio::test]
async fn a_card_that_the_bot_posted_is_followed_by_the_result_and_nobody_is_reminded_twice() {
    for format in FORMATS {
        let deployment = Deployment::with_bot(2, Some(TimeDelta::minutes(5))).await;
        let (_, connector) = deployment.bot.as_ref().expect("a bot");
        // This Bot Connector knows nothing of the message; asked to change it, it says so.
        connector.expect_refusals(1);
        for (name, content) in golden(format, "bot") {
            let path = object_store::path::Path::parse(&name).expect("a path");
            object_store::ObjectStoreExt::put(&*deployment.store, &path, content.into())
                .await
                .expect("written");
        }
        let (id, asked_at) = asked(format, "bot");
        let since = asked_at - deployment.after(TimeDelta::zero()).now;
        let seen = deployment.look(&id, since + TimeDelta::minutes(6)).await;
        assert_eq!((seen.ballots.len(), deployment.instance().outbox.posted(&seen).as_str()), (1, "bot"));
        deployment.github.expect_dispatches(1);
        let (instance, time) = (deployment.instance(), since + TimeDelta::minutes(7));
        let outcome = deployment.vote(&instance, (&id, 2), Verdict::Approve, time).await;
        assert_eq!(outcome.name(), "dispatched");
        drop(instance);
        deployment.settled().await;
        let [result] = &connector.messages()[..] else { panic!("the result") };
        assert!(result.cards[0].to_string().contains("pproved"), "{:?}", result.cards);
        assert_eq!(connector.said().len(), 0, "no reminder");
    }
}

#[tokio::test]
async fn the_list_shows_all_of_them_together() {
    let github = GitHub::start().await;
    let mut deployment = Instances::sending_to(&github);
    let (mut latest, mut count) = (DateTime::UNIX_EPOCH, 0);
    for (format, case) in FORMATS.into_iter().flat_map(|format| CASES.map(|case| (format, case))) {
        for (name, content) in golden(format, case) {
            deployment.write(&name, content).await;
        }
        // The relay is the same card in both formats, so one decision, which leaves a line each time.
        count += usize::from(case != "relayed" || format == 1);
        if case != "relayed" {
            latest = latest.max(asked(format, case).1);
        }
    }
    deployment.began = latest;
    let list = deployment.start().list(None, deployment.after(TimeDelta::minutes(1))).await.expect("a list");
    let unreadable = list.decided.iter().filter(|item| matches!(item, Item::Unreadable(..))).count();
    assert_eq!((list.waiting.len() + list.decided.len(), unreadable, list.next), (count, 0, None));
}

#[tokio::test]
async fn what_an_older_version_was_asked_for_is_found_again_whatever_the_rules_are_by_now() {
    let github = GitHub::start().await;
    let mut deployment = deployment_on(&github, 1, "open").await;
    let (id, _) = asked(1, "open");
    deployment.policy.approvers = approvers(&["nobody@contoso.com"]);
    deployment.policy.min_approvals = 3;
    deployment.policy.allowed_repositories = allowing(&["octo/other"]);
    let the_same = || {
        let mut asking = asking_of(2, asking("1", "the body"));
        asking.terms.expires_in = TimeDelta::minutes(30);
        asking
    };
    let ask = async |asking| {
        let asked = deployment.start().ask(asking, deployment.after(TimeDelta::minutes(2))).await;
        asked.map(|(seen, is_new)| (seen.request.id, is_new)).map_err(|report| report.outcome.name())
    };
    assert_eq!(ask(the_same()).await, Ok((id.clone(), false)));
    // It did not note which job of the run it was.
    let mut job = the_same();
    job.workload.environment = Some("production".to_owned());
    assert_eq!(ask(job).await, Ok((id, false)));
    let mut attempt = the_same();
    attempt.workload.run_attempt = "2".to_owned();
    assert!(ask(attempt).await.is_err(), "what is new is held to the rules");
}
