//! The changes since the last release: shown to who decides, asked of GitHub once, and never in the way of asking.

use std::{sync::Arc, time::Duration};

use approve_release::{
    approval::{
        ApprovalId, Author, Changes, Comparison, Incomparable, Standing, Terms, Unknown, Verdict, Workload,
    },
    approve::NewRequest,
    senders::github::Uncompared,
};
use chrono::TimeDelta;
use object_store::ObjectStore;
use serde_json::Value;
use wiremock::ResponseTemplate;

use crate::{
    faulty_store::{EVERY_FAULT, FaultyStore},
    github::{GitHub, github_error, html, permission_refused, rate_limited},
    github_compare::{Compared, by, by_nobody},
    instances::{Instances, asking, object_id, person, vote},
};

const BASE: &str = "1111111111111111111111111111111111111111";
const HEAD: &str = "2222222222222222222222222222222222222222";

/// The request of a run for this commit.
fn release(run: &str, sha: &str) -> NewRequest {
    let asking = asking(run, run);
    NewRequest { workload: Workload { sha: sha.to_owned(), ..asking.workload }, ..asking }
}

/// The same with nothing to send.
fn waiting(asking: NewRequest) -> NewRequest {
    NewRequest { terms: Terms { event_type: None, ..asking.terms }, ..asking }
}

async fn ask(deployment: &Instances, asking: NewRequest, minute: i64) -> Standing {
    let timing = deployment.after(TimeDelta::minutes(minute));
    let asked = deployment.start().ask(asking, timing).await;
    let standing = asked.map_err(|report| report.outcome).expect("it is open").0;
    deployment.settled().await;
    standing
}

async fn approve(deployment: &Instances, id: &ApprovalId, minute: i64) {
    let timing = deployment.after(TimeDelta::minutes(minute));
    vote(&deployment.start(), (id, person(&object_id(1), None)), Verdict::Approve, timing).await;
    deployment.settled().await;
}

/// A deployment whose last release was of [`BASE`].
async fn released(github: &GitHub) -> Instances {
    let deployment = Instances::sending_to(github);
    let first = ask(&deployment, release("1", BASE), 0).await;
    assert_eq!(first.changes, Some(Changes::First));
    approve(&deployment, &first.request.id, 1).await;
    github.expect_dispatches(1);
    deployment
}

/// The changes of the next release, as they are recorded.
async fn changes(deployment: &Instances) -> Changes {
    let asked = ask(deployment, release("2", HEAD), 5).await;
    deployment.look(&asked.request.id, TimeDelta::minutes(6)).await.changes.expect("they can be known")
}

async fn compared(compared: Compared) -> Comparison {
    let github = GitHub::start().await;
    let deployment = released(&github).await;
    github.compares(BASE, HEAD, compared);
    let changes = changes(&deployment).await;
    assert_eq!(github.comparisons(), [format!("{BASE}...{HEAD}")], "one call");
    changes.comparison().expect("a comparison").clone()
}

#[tokio::test]
async fn the_last_release_is_the_last_that_github_accepted_of_the_same_kind_in_the_same_repository() {
    let github = GitHub::start().await;
    let deployment = released(&github).await;
    github.compares(BASE, HEAD, Compared::of(3));
    // One that is only approved, another repository's, another environment's and another event's are none of it.
    let other = |change: fn(&mut NewRequest), run: &str| {
        let mut asking = release(run, &"3".repeat(40));
        change(&mut asking);
        asking
    };
    for (run, change) in [
        ("11", (|asking| asking.workload.repository_id = "7".to_owned()) as fn(&mut NewRequest)),
        ("12", |asking| asking.workload.environment = Some("staging".to_owned())),
        ("13", |asking| asking.terms.event_type = None),
    ] {
        let asked = ask(&deployment, other(change, run), 2).await;
        assert_eq!(asked.changes, Some(Changes::First), "{run}");
        approve(&deployment, &asked.request.id, 3).await;
    }
    github.expect_dispatches(3);
    ask(&deployment, other(|_| {}, "14"), 4).await;
    let comparison = changes(&deployment).await;
    assert_eq!(comparison.base(), Some(BASE));
    assert_eq!(comparison.comparison().expect("a comparison").commits, 3);
}

#[tokio::test]
async fn where_nothing_is_sent_the_last_release_is_the_last_that_was_approved() {
    let github = GitHub::start().await;
    let deployment = Instances::sending_to(&github);
    github.compares(BASE, HEAD, Compared::of(1));
    let first = ask(&deployment, waiting(release("1", BASE)), 0).await;
    approve(&deployment, &first.request.id, 1).await;
    assert_eq!(deployment.names("released/").await.len(), 1, "at once, without a sweep");
    let next = ask(&deployment, waiting(release("2", HEAD)), 2).await;
    let next = deployment.look(&next.request.id, TimeDelta::minutes(3)).await;
    assert_eq!(next.changes.as_ref().and_then(Changes::base), Some(BASE));
    // Its own approval is not what it is compared with later.
    approve(&deployment, &next.request.id, 4).await;
    let later = deployment.look(&next.request.id, TimeDelta::minutes(5)).await;
    assert_eq!(later.changes, next.changes);
}

#[tokio::test]
async fn the_same_commit_again_brings_nothing_and_github_is_not_asked() {
    let github = GitHub::start().await;
    let deployment = released(&github).await;
    let again = ask(&deployment, release("2", BASE), 5).await;
    assert_eq!(again.changes, Some(Changes::Since(Comparison::of_same(BASE))));
    assert_eq!(github.comparisons(), [""; 0]);
}

#[tokio::test]
async fn a_comparison_tells_its_newest_commits_its_authors_and_the_files_that_change_what_runs() {
    let commits = vec![
        by("octocat", "Oldest"),
        by_nobody("Kim", "\n\nSquash (#7)\n\nbody"),
        by("hubot", "2"),
        by("octocat", "3"),
        by("fork-owner", "Merge pull request #8 from fork/main"),
        by("octocat", ""),
    ];
    let renamed = |name: &str, before: &str| (name.to_owned(), Some(before.to_owned()));
    let files = vec![
        ("src/main.rs".to_owned(), None),
        (".github/workflows/release.yml".to_owned(), None),
        renamed("old/ci.yml", ".github/workflows/ci.yml"),
        renamed(".github/actions/a/action.yml", "a/action.yml"),
        ("docs/.github/x".to_owned(), None),
        (".githubx/y".to_owned(), None),
    ];
    let told = compared(Compared { commits, files, behind: 0 }).await;
    assert_eq!((told.commits, told.missing, told.commits_read, told.files), (6, 0, 6, 6));
    let messages: Vec<_> = told.newest.iter().map(|commit| commit.message.as_str()).collect();
    assert_eq!(messages, ["", "Merge pull request #8 from fork/main", "3", "2", "Squash (#7)"]);
    let account = |login: &str| Author::Account(login.to_owned(), Some(583_231));
    let kim = Author::Name("Kim".to_owned());
    assert_eq!(told.authors, [account("octocat"), kim, account("hubot"), account("fork-owner")]);
    let guarded =
        [".github/workflows/release.yml", ".github/workflows/ci.yml", ".github/actions/a/action.yml"];
    assert_eq!((told.guarded_count, &told.guarded[..]), (3, &guarded.map(str::to_owned)[..]));
}

#[tokio::test]
async fn what_github_does_not_tell_in_one_answer_is_said() {
    let many = compared(Compared::of(251)).await;
    assert_eq!((many.commits, many.commits_read), (251, 250));
    assert_eq!(many.newest[0].message, "Change 251");
    let files = |count: usize| (0..count).map(|number| format!(".github/{number}"));
    let told = compared(Compared::of(1).files(files(301))).await;
    assert_eq!((told.files, told.guarded_count, told.guarded.len()), (300, 300, Comparison::MAX_GUARDED));
    assert!(told.may_lack_files());
    assert!(!compared(Compared::of(1).files(files(299))).await.may_lack_files());
}

#[tokio::test]
async fn a_history_that_was_rewritten_or_goes_back_says_what_is_missing() {
    let forced = compared(Compared { behind: 2, ..Compared::of(1) }).await;
    assert_eq!((forced.commits, forced.missing), (1, 2));
    let back = compared(Compared { behind: 4, ..Compared::default() }).await;
    assert_eq!((back.commits, back.missing), (0, 4));
}

#[tokio::test]
async fn a_last_release_that_github_does_not_find_is_told_from_a_repository_that_it_does_not_show() {
    let github = GitHub::start().await;
    let deployment = released(&github).await;
    let gone = Changes::Incomparable(BASE.to_owned(), Incomparable::Unreachable);
    assert_eq!(changes(&deployment).await, gone);

    let github = GitHub::start().await;
    let deployment = released(&github).await;
    github.forget_repositories();
    let asked = ask(&deployment, release("2", HEAD), 5).await;
    let seen = looked_at(&deployment, &asked.request.id, 6).await;
    assert_eq!(seen.changes, Some(Changes::Unknown(Unknown::Refused)));
}

/// The approval as an approver's page shows it.
async fn looked_at(deployment: &Instances, id: &ApprovalId, minute: i64) -> Standing {
    let (instance, timing) = (deployment.start(), deployment.after(TimeDelta::minutes(minute)));
    let mut standing = instance.look(id, timing).await.expect("a store").expect("an approval");
    instance.ask_for_changes(&mut standing, timing).await;
    deployment.settled().await;
    standing
}

#[tokio::test]
async fn whatever_github_answers_asking_is_not_in_its_way_and_a_later_look_asks_again() {
    for (answer, unknown) in [
        (github_error(500, "Server Error"), Unknown::Away),
        (html(200), Unknown::Away),
        (ResponseTemplate::new(200).set_body_json(Value::Null), Unknown::Away),
        (rate_limited(403), Unknown::Away),
        (permission_refused("contents=read"), Unknown::Refused),
        (github_error(401, "Bad credentials"), Unknown::Refused),
    ] {
        let github = GitHub::start().await;
        let deployment = released(&github).await;
        github.answer_comparisons_with(answer);
        let asked = ask(&deployment, release("2", HEAD), 5).await;
        let id = &asked.request.id;
        assert_eq!(looked_at(&deployment, id, 6).await.changes, Some(Changes::Unknown(unknown)));
        github.answer_comparisons_with(None);
        github.compares(BASE, HEAD, Compared::of(2));
        let seen = looked_at(&deployment, id, 7).await;
        assert_eq!(seen.changes.as_ref().and_then(Changes::base), Some(BASE));
        // It is known for good now.
        let asked = github.comparisons().len();
        assert_eq!(looked_at(&deployment, id, 8).await.changes, seen.changes);
        assert_eq!(github.comparisons().len(), asked);
    }
}

#[tokio::test]
async fn an_answer_without_end_is_not_read_again() {
    let github = GitHub::start().await;
    let deployment = released(&github).await;
    github.answer_comparisons_with(ResponseTemplate::new(200).set_body_bytes(vec![b' '; 9 << 20]));
    let large = Changes::Incomparable(BASE.to_owned(), Incomparable::TooLarge);
    assert_eq!(changes(&deployment).await, large);
}

#[tokio::test]
async fn while_github_is_silent_asking_is_answered_and_the_changes_come_later() {
    let github = GitHub::start().await;
    let deployment = released(&github).await;
    github.compares(BASE, HEAD, Compared::of(2));
    let answer = ResponseTemplate::new(200).set_body_json(Compared::of(2).page(None));
    github.answer_comparisons_with(answer.set_delay(Duration::from_secs(2)));
    let instance = deployment.start();
    let asked = instance.ask(release("2", HEAD), deployment.after(TimeDelta::minutes(5))).await;
    let standing = asked.map_err(|report| report.outcome).expect("it is open").0;
    assert_eq!(standing.changes, Some(Changes::Unknown(Unknown::NotYet)), "it was answered before");
    deployment.settled().await;
    let seen = deployment.look(&standing.request.id, TimeDelta::minutes(6)).await;
    assert_eq!(seen.changes.as_ref().and_then(Changes::base), Some(BASE));
    assert!(seen.changes_are_late);
}

#[tokio::test]
async fn a_sweep_asks_for_what_nobody_has_looked_at_and_what_is_decided_is_left_alone() {
    let github = GitHub::start().await;
    let deployment = released(&github).await;
    github.answer_comparisons_with(github_error(500, "Server Error"));
    let [open, decided] = [
        ask(&deployment, release("2", HEAD), 5).await.request.id,
        ask(&deployment, release("3", HEAD), 5).await.request.id,
    ];
    approve(&deployment, &decided, 6).await;
    github.expect_dispatches(2);
    github.answer_comparisons_with(None);
    github.compares(BASE, HEAD, Compared::of(1));
    deployment.sweep(TimeDelta::minutes(8)).await;
    deployment.settled().await;
    assert!(
        deployment.look(&open, TimeDelta::minutes(9)).await.changes.expect("known").comparison().is_some()
    );
    assert_eq!(looked_at(&deployment, &decided, 9).await.changes, None);
    assert_eq!(github.comparisons().len(), 3);
}

#[tokio::test]
async fn whatever_fails_in_the_store_the_changes_are_known_in_the_end_and_asking_is_not_lost() {
    for fault in EVERY_FAULT {
        for at in 1.. {
            let github = GitHub::start().await;
            let deployment = released(&github).await;
            github.compares(BASE, HEAD, Compared::of(2));
            let view = FaultyStore::new(&deployment.store, Some((at, fault)));
            let instance = deployment.start_on(Arc::clone(&view) as Arc<dyn ObjectStore>);
            let timing = deployment.after(TimeDelta::minutes(5));
            tokio::select! {
                biased;
                () = view.killed.notified() => {}
                _ = instance.ask(release("2", HEAD), timing) => {}
            }
            let struck = view.struck().lock().unwrap().clone();
            drop((instance, view));
            let Some(struck) = struck else { break };
            let id = ask(&deployment, release("2", HEAD), 6).await.request.id;
            let seen = looked_at(&deployment, &id, 7).await;
            assert_eq!(seen.changes.as_ref().and_then(Changes::base), Some(BASE), "{fault:?} at {struck}");
        }
    }
}

#[tokio::test]
async fn two_instances_that_look_at_once_record_one_and_the_same() {
    let github = GitHub::start().await;
    let deployment = released(&github).await;
    github.answer_comparisons_with(github_error(500, "Server Error"));
    let id = ask(&deployment, release("2", HEAD), 5).await.request.id;
    github.answer_comparisons_with(None);
    github.compares(BASE, HEAD, Compared::of(2));
    let (one, other) = tokio::join!(looked_at(&deployment, &id, 6), looked_at(&deployment, &id, 6));
    assert_eq!(one.changes, other.changes);
    let records = deployment.names(&format!("requested/{id}/changes")).await;
    assert_eq!(records.len(), 1);
}

#[tokio::test]
async fn authors_are_read_to_the_end_of_a_thousand_commits() {
    let github = GitHub::start().await;
    let deployment = released(&github).await;
    let read = async |compared: Compared| {
        github.compares(BASE, HEAD, compared);
        let mut standing = Standing::new(deployment_request(&deployment).await);
        standing.changes = Some(Changes::Since(Comparison::of_same(BASE)));
        let timing = deployment.after(TimeDelta::minutes(6));
        deployment.start().all_authors(&standing, timing).await.expect("GitHub answers")
    };
    let with_first = |count: usize| {
        let mut compared = Compared::of(count);
        compared.commits[0] = by_nobody("Kim", "First");
        compared
    };
    let account = Author::Account("octocat".to_owned(), Some(583_231));
    let all = read(with_first(1_000)).await;
    assert!(all.are_all);
    assert_eq!(all.authors, [Author::Name("Kim".to_owned()), account.clone()]);
    assert!(!read(with_first(1_001)).await.are_all);
    assert_eq!(read(Compared::of(1)).await.authors, [account]);
}

async fn deployment_request(deployment: &Instances) -> approve_release::approval::Request {
    ask(deployment, release("2", HEAD), 5).await.request
}

#[tokio::test]
async fn without_a_last_release_the_author_is_that_of_the_commit() {
    let github = GitHub::start().await;
    let deployment = Instances::sending_to(&github);
    let asked = ask(&deployment, release("1", HEAD), 0).await;
    let timing = deployment.after(TimeDelta::minutes(1));
    let gone = deployment.start().all_authors(&asked, timing).await;
    assert_eq!(gone, Err(Uncompared::Never(Incomparable::Unreachable)));
    github.shows(HEAD, by("hubot", "Release it"));
    let authors = deployment.start().all_authors(&asked, timing).await.expect("GitHub answers");
    assert_eq!(authors.authors, [Author::Account("hubot".to_owned(), Some(583_231))]);
}
