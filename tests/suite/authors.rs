//! Nobody approves what they wrote (`SELF_APPROVAL=deny-authors`): the authors of all commits that a release brings.

use std::sync::Arc;

use approve_release::{
    approval::{
        Approver, Ballot, Ending, GithubLogins, Login, Outcome, SelfApproval, Terms, Unreached, Verdict,
        Workload,
    },
    approve::{NewRequest, Stories},
};
use chrono::TimeDelta;
use object_store::ObjectStore;

use crate::{
    actions::SHA,
    deployment::{ASKED, Someone, Surroundings, page_of, text},
    faulty_store::{EVERY_FAULT, FaultyStore},
    functions_host::{Builder, FunctionsHost, Mode},
    github::{GitHub, github_error, permission_refused},
    github_compare::{Compared, Written, by, by_nobody},
    handler_process::until,
    instances::{Instances, approvers, asking, asking_of, object_id, person, sweep_by, vote},
    stores::Store,
    tokens::{ALEX, Token},
};

const HEAD: &str = "2222222222222222222222222222222222222222";

in_one_mode! {
    who_wrote_the_commit_rejects_and_does_not_approve
    who_wrote_any_commit_since_the_last_release_does_not_approve
    beyond_a_thousand_commits_nobody_approves
    authors_without_an_entry_are_told_on_the_page_and_keep_nobody
    while_github_does_not_tell_the_authors_nothing_is_approved_and_each_approve_asks
    without_credentials_the_sentence_names_what_to_set
}

/// A host where octocat is nobody's, hubot is person 1, kim person 2, and nobody approves what they wrote.
fn denying(around: &Surroundings, mode: Mode, store: &Store) -> Builder {
    let (one, two) = (Someone::number(1).object_id, Someone::number(2).upn);
    let logins = format!("octocat={ALEX},Hubot={one},kim={two},renovate[bot]=none");
    let host = around.host(mode).store(store).setting("SELF_APPROVAL", "deny-authors");
    host.setting("GITHUB_LOGINS", &logins)
}

fn next_release(around: &Surroundings) -> Token {
    Token::of_job(&around.actions).claim("sha", HEAD)
}

/// Waits until so many approvals have their authors on record.
async fn until_known(store: &Store, count: usize) {
    until("the authors are on record", async || {
        store.objects().await.iter().filter(|path| path.ends_with("/authors")).count() == count
    })
    .await;
}

/// Asks with this token, once the authors of so many approvals will be known.
async fn ask(host: &FunctionsHost, job: &Token, (store, known): (&Store, usize)) -> String {
    let id = text(&host.ask_as(job, ASKED).await.assert_opened()["id"]);
    until_known(store, known).await;
    id
}

// T40
async fn who_wrote_the_commit_rejects_and_does_not_approve(mode: Mode) {
    let (around, store) = (Surroundings::start().await, Store::folder());
    around.github.expect_dispatches(1);
    around.github.shows(SHA, by("hubot", "Release it"));
    let host = denying(&around, mode, &store).start().await;
    let (author, sam) = (Someone::number(1), Someone::number(3));
    let job = || Token::of_job(&around.actions);

    let id = ask(&host, &job(), (&store, 1)).await;
    let refused = host.vote(&around.token_of(&author), &id, "approve").await;
    let sentence = refused.assert_outcome(403, "forbidden");
    assert!(sentence.contains("you wrote one of its commits"), "{sentence}");
    let page = host.send(author.get(&page_of(&id))).await.text();
    assert!(page.contains("You can reject this, but not approve it: you wrote one of its commits"), "{page}");
    assert!(page.contains(r#"value="reject""#) && !page.contains(r#"value="approve""#), "{page}");
    let pressed = host.send(author.press(&id, "approve", "")).await;
    assert!(pressed.status == 403 && pressed.text().contains("you wrote one"), "{}", pressed.text());
    // The starter of the run is held to the same as before.
    let sentence =
        host.vote(&around.token_of(&Someone::alex()), &id, "approve").await.assert_outcome(403, "forbidden");
    assert!(sentence.contains("you started or re-ran"), "{sentence}");
    assert_eq!(around.status(&host, &id).await["status"], "pending");
    let page = host.send(sam.get(&page_of(&id))).await.text();
    assert!(page.contains(r#"value="approve""#) && !page.contains("GITHUB_LOGINS"), "{page}");
    host.vote(&around.token_of(&sam), &id, "approve").await.assert_outcome(200, "dispatched");

    store.has_a_release().await;

    // The same commit again brings nothing that anybody wrote.
    let id = ask(&host, &job(), (&store, 2)).await;
    host.vote(&around.token_of(&author), &id, "reject").await.assert_outcome(200, "rejected");
    around.github.expect_dispatches(2);
    let id = ask(&host, &job(), (&store, 3)).await;
    host.vote(&around.token_of(&author), &id, "approve").await.assert_outcome(200, "dispatched");
    assert_eq!((around.github.commits_asked(), around.github.comparisons()), (vec![SHA.to_owned()], vec![]));
}

/// A deployment that has released [`SHA`], and a request for [`HEAD`], which brings these commits.
async fn asked_for(
    around: &Surroundings,
    (mode, store): (Mode, &Store),
    commits: Vec<Written>,
) -> (FunctionsHost, String) {
    around.github.shows(SHA, by_nobody("Nobody", "First"));
    around.github.compares(SHA, HEAD, Compared { commits, ..Compared::default() });
    let host = denying(around, mode, store).start().await;
    let id = ask(&host, &Token::of_job(&around.actions), (store, 1)).await;
    host.vote(&around.token_of(&Someone::number(9)), &id, "approve").await.assert_outcome(200, "dispatched");
    store.has_a_release().await;
    let id = ask(&host, &next_release(around), (store, 2)).await;
    (host, id)
}

// T40
async fn who_wrote_any_commit_since_the_last_release_does_not_approve(mode: Mode) {
    let (around, store) = (Surroundings::start().await, Store::folder());
    around.github.expect_dispatches(2);
    let mut commits = Compared::of(260).commits;
    commits[0] = by("kim", "The oldest of all, which a comparison of 250 does not show");
    commits[130] = by("HUBOT", "In between");
    let (host, id) = asked_for(&around, (mode, &store), commits).await;
    for author in [Someone::number(1), Someone::number(2)] {
        let refused = host.vote(&around.token_of(&author), &id, "approve").await;
        let sentence = refused.assert_outcome(403, "forbidden");
        assert!(sentence.contains("you wrote one of its commits"), "{sentence}");
    }
    // kim is listed by name alone, and this click hides its person's.
    let token = Token::good(crate::authority::Version::Two, &around.authority);
    let nameless = token.claim("oid", Someone::number(3).object_id).without("preferred_username").sign();
    let sentence = host.vote(&nameless, &id, "approve").await.assert_outcome(403, "forbidden");
    assert!(sentence.contains("yours is not known"), "{sentence}");
    host.vote(&around.token_of(&Someone::number(3)), &id, "approve").await.assert_outcome(200, "dispatched");
}

// T40
async fn beyond_a_thousand_commits_nobody_approves(mode: Mode) {
    let (around, store) = (Surroundings::start().await, Store::folder());
    around.github.expect_dispatches(1);
    let (host, id) = asked_for(&around, (mode, &store), Compared::of(1_001).commits).await;
    let sam = Someone::number(3);
    let sentence = host.vote(&around.token_of(&sam), &id, "approve").await.assert_outcome(403, "forbidden");
    assert!(sentence.contains("not all its commits can be read (over 1,000"), "{sentence}");
    let page = host.send(sam.get(&page_of(&id))).await.text();
    assert!(
        page.contains("not all its commits can be read") && !page.contains(r#"value="approve""#),
        "{page}"
    );
    host.vote(&around.token_of(&sam), &id, "reject").await.assert_outcome(200, "rejected");
}

async fn authors_without_an_entry_are_told_on_the_page_and_keep_nobody(mode: Mode) {
    let (around, store) = (Surroundings::start().await, Store::folder());
    around.github.expect_dispatches(2);
    let commits = vec![
        by("stranger", "1"),
        by_nobody("<b>hubot", "2"),
        by("renovate[bot]", "3"),
        by("kim", "4"),
        by("github-actions[bot]", "5"),
    ];
    let (host, id) = asked_for(&around, (mode, &store), commits).await;
    let page = host.send(Someone::number(1).get(&page_of(&id))).await.text();
    let told = "nobody is kept from approving for them: <bdi>stranger, &#60;b&#62;hubot (no account), github-actions[bot]</bdi>";
    assert!(page.contains(told), "{page}");
    host.vote(&around.token_of(&Someone::number(1)), &id, "approve").await.assert_outcome(200, "dispatched");
    let page = host.send(Someone::number(1).get(&page_of(&id))).await.text();
    assert!(!page.contains("nobody is kept"), "it is over: {page}");
}

// T40
async fn while_github_does_not_tell_the_authors_nothing_is_approved_and_each_approve_asks(mode: Mode) {
    let (around, store) = (Surroundings::start().await, Store::folder());
    around.github.expect_dispatches(1);
    around.github.shows(SHA, by("hubot", "Release it"));
    around.github.answer_comparisons_with(github_error(503, "Server Error"));
    let host = denying(&around, mode, &store).start().await;
    let (author, sam) = (Someone::number(1), Someone::number(3));
    let id = around.ask_for_id(&host, ASKED).await;
    let other = around.ask_for_id(&host, ASKED).await;

    for answer in [github_error(503, "Server Error"), permission_refused("contents=read")] {
        around.github.answer_comparisons_with(answer);
        let before = around.github.commits_asked().len();
        let refused = host.vote(&around.token_of(&sam), &id, "approve").await;
        let sentence = refused.assert_outcome(424, "unavailable");
        assert!(sentence.contains("who wrote these commits was not known yet"), "{sentence}");
        assert!(around.github.commits_asked().len() > before, "it asks");
    }
    let page = host.send(sam.get(&page_of(&id))).await.text();
    assert!(page.contains("It is not known yet who wrote these commits."), "{page}");
    assert!(page.contains(r#"value="approve""#) && !page.contains("not approve it"), "{page}");
    let recorded = store.objects().await;
    let is_vote =
        |path: &String| path.contains("/vote.") || path.contains("decision") || path.contains("authors");
    assert!(!recorded.iter().any(is_vote), "nothing is recorded: {recorded:?}");
    host.vote(&around.token_of(&sam), &other, "reject").await.assert_outcome(200, "rejected");
    // Whoever may not approve anyway makes nobody ask anything.
    let asked = around.github.commits_asked().len();
    host.vote(&around.token_of(&Someone::alex()), &id, "approve").await.assert_outcome(403, "forbidden");
    assert_eq!(around.github.commits_asked().len(), asked);

    // GitHub is back: this click asks, and the next one counts.
    around.github.answer_comparisons_with(None);
    host.vote(&around.token_of(&sam), &id, "approve").await.assert_outcome(424, "unavailable");
    let refused = host.vote(&around.token_of(&author), &id, "approve").await;
    let sentence = refused.assert_outcome(403, "forbidden");
    assert!(sentence.contains("you wrote one of its commits"), "{sentence}");
    host.vote(&around.token_of(&sam), &id, "approve").await.assert_outcome(200, "dispatched");
}

async fn without_credentials_the_sentence_names_what_to_set(mode: Mode) {
    let (around, store) = (Surroundings::start().await, Store::folder());
    let host = denying(&around, mode, &store).without("GITHUB_TOKEN").start().await;
    let waiting = r#"{"title":"Nothing is sent"}"#;
    let id = around.ask_for_id(&host, waiting).await;
    let sam = around.token_of(&Someone::number(3));
    let sentence = host.vote(&sam, &id, "approve").await.assert_outcome(424, "misconfigured");
    assert!(
        sentence.contains("deny-authors needs GITHUB_TOKEN or a GitHub App, with Contents: read"),
        "{sentence}"
    );
    host.vote(&sam, &id, "reject").await.assert_outcome(200, "rejected");
    assert!(host.written().contains("neither GITHUB_TOKEN nor GITHUB_APP_ID is set"), "{}", host.written());
}

#[tokio::test]
async fn a_dry_run_asks_nobody_who_wrote_it() {
    let (around, store) = (Surroundings::start().await, Store::folder());
    let host = denying(&around, Mode::Payload, &store).setting("DRY_RUN", "true").start().await;
    let id = around.ask_for_id(&host, ASKED).await;
    host.vote(&around.token_of(&Someone::number(1)), &id, "approve").await.assert_outcome(200, "dry-run");
    assert_eq!((around.github.commits_asked(), around.github.comparisons()), (vec![], vec![]));
}

/// A deployment in which nobody approves what they wrote: hubot is person 1.
fn strict(github: &GitHub) -> Instances {
    let mut deployment = Instances::sending_to(github);
    deny(&mut deployment);
    deployment
}

fn deny(deployment: &mut Instances) {
    let entry =
        |login: &str, id: u32| (Login::parse(login).expect("a login"), Approver::parse(&object_id(id)));
    deployment.policy.self_approval = SelfApproval::DenyAuthors;
    deployment.policy.github_logins = GithubLogins(vec![entry("octocat", 99), entry("hubot", 1)]);
}

/// A request for [`HEAD`] with nothing to send.
fn waiting(run: &str) -> NewRequest {
    let asking = asking(run, run);
    NewRequest {
        terms: Terms { event_type: None, ..asking.terms },
        workload: Workload { sha: HEAD.to_owned(), ..asking.workload },
        ..asking
    }
}

async fn approve(
    deployment: &Instances,
    instance: &Arc<Stories>,
    request: (&approve_release::approval::ApprovalId, u32),
    minute: i64,
) -> Outcome {
    let (id, number) = request;
    let timing = deployment.after(TimeDelta::minutes(minute));
    vote(instance, (id, person(&object_id(number), None)), Verdict::Approve, timing).await
}

const NOT_KNOWN: Outcome = Outcome::Unavailable(Unreached::Authors);

// T40
#[tokio::test]
async fn votes_of_before_count_once_the_authors_are_known_and_those_of_authors_never() {
    let github = GitHub::start().await;
    let mut deployment = Instances::sending_to(&github);
    let [quorum, authors] = ["1", "2"].map(|run| asking_of(2, waiting(run)));
    let (quorum, authors) = (deployment.asked(quorum).await, deployment.asked(authors).await);
    // Each has the votes of two, whose processes were killed before they counted them.
    for (id, voters) in [(&quorum, [2, 3]), (&authors, [1, 2])] {
        for voter in voters {
            let timing = deployment.after(TimeDelta::minutes(1));
            let performer = person(&object_id(voter), None);
            let ballot = Ballot {
                performer,
                verdict: Verdict::Approve,
                comment: String::new(),
                at: timing.now,
                groups: Vec::new(),
            };
            let ledger = &deployment.start().outbox.ledger;
            ledger.cast(id, &ballot, &[], timing.deadline).await.expect("it is recorded");
        }
    }
    deployment.settled().await;
    github.answer_comparisons_with(github_error(500, "Server Error"));
    deny(&mut deployment);
    let instance = deployment.start();
    for minute in 2..=3 {
        sweep_by(&instance, deployment.sweep_time(TimeDelta::minutes(minute))).await;
        for id in [&quorum, &authors] {
            assert_eq!(deployment.look(id, TimeDelta::minutes(minute)).await.ending(), None);
        }
        assert_eq!(approve(&deployment, &instance, (&quorum, 4), minute).await, NOT_KNOWN);
    }
    github.answer_comparisons_with(None);
    github.shows(HEAD, by("hubot", "Release it"));
    let instance = deployment.start();
    for minute in 20..=22 {
        sweep_by(&instance, deployment.sweep_time(TimeDelta::minutes(minute))).await;
        deployment.settled().await;
    }
    assert_eq!(deployment.look(&quorum, TimeDelta::minutes(23)).await.ending(), Some(Ending::Approved));
    let open = deployment.look(&authors, TimeDelta::minutes(23)).await;
    assert_eq!((open.ending(), open.ballots.len()), (None, 1), "hubot's does not count");
}

#[tokio::test]
async fn a_last_release_that_cannot_be_compared_leaves_nobody_who_may_approve() {
    let github = GitHub::start().await;
    let deployment = strict(&github);
    // GitHub does not have the commit, but shows the repository.
    let id = deployment.asked(waiting("1")).await;
    deployment.settled().await;
    let refused = approve(&deployment, &deployment.start(), (&id, 2), 1).await;
    assert_eq!(refused.name(), "forbidden");
    github.shows(HEAD, by("octocat", "It is there again"));
    assert_eq!(approve(&deployment, &deployment.start(), (&id, 2), 2).await, refused, "it is on record");
}

// T40
#[tokio::test]
async fn whatever_fails_in_the_store_an_author_never_approves_and_another_does_in_the_end() {
    for (is_struck_at_asking, fault) in
        [true, false].into_iter().flat_map(|at| EVERY_FAULT.map(|fault| (at, fault)))
    {
        for at in 1.. {
            let github = GitHub::start().await;
            github.shows(HEAD, by("hubot", "Release it"));
            let deployment = strict(&github);
            let view = FaultyStore::new(&deployment.store, Some((at, fault)));
            let on_view = || deployment.start_on(Arc::clone(&view) as Arc<dyn ObjectStore>);
            if !is_struck_at_asking {
                github.answer_comparisons_with(github_error(500, "Server Error"));
                deployment.asked(waiting("1")).await;
                deployment.settled().await;
                github.answer_comparisons_with(None);
            }
            let instance = on_view();
            let story = async {
                let asked = instance.ask(waiting("1"), deployment.after(TimeDelta::zero())).await;
                let Ok((seen, _)) = asked else { return };
                let by_author = approve(&deployment, &instance, (&seen.request.id, 1), 1).await;
                assert!(["forbidden", "unavailable"].contains(&by_author.name()), "{by_author:?}");
            };
            tokio::select! {
                biased;
                () = view.killed.notified() => {}
                () = story => {}
            }
            let struck = view.struck().lock().unwrap().clone();
            drop((instance, view));
            let Some(struck) = struck else { break };
            let id = deployment.asked(waiting("1")).await;
            let about = format!("{fault:?} at {struck}");
            let instance = deployment.start();
            let first = approve(&deployment, &instance, (&id, 2), 2).await;
            assert!([NOT_KNOWN.name(), "approved"].contains(&first.name()), "{about}: {first:?}");
            assert_eq!(approve(&deployment, &instance, (&id, 1), 3).await.name(), "forbidden", "{about}");
            let second = approve(&deployment, &instance, (&id, 2), 3).await;
            assert!(["approved", "already-decided"].contains(&second.name()), "{about}: {second:?}");
            let names = deployment.names(&format!("requested/{id}/authors")).await;
            assert_eq!(names.len(), 1, "{about}");
        }
    }
}

#[tokio::test]
async fn two_instances_that_ask_at_once_record_the_same_authors() {
    let github = GitHub::start().await;
    github.answer_comparisons_with(github_error(500, "Server Error"));
    let deployment = strict(&github);
    let id = deployment.asked(waiting("1")).await;
    deployment.settled().await;
    github.answer_comparisons_with(None);
    github.shows(HEAD, by("hubot", "Release it"));
    let (one, two) = (deployment.start(), deployment.start());
    let click = |instance| approve(&deployment, instance, (&id, 2), 1);
    assert_eq!(tokio::join!(click(&one), click(&two)), (NOT_KNOWN, NOT_KNOWN));
    assert_eq!(deployment.names(&format!("requested/{id}/authors")).await.len(), 1);
    for (instance, author) in [(&one, 1), (&two, 1)] {
        assert_eq!(approve(&deployment, instance, (&id, author), 2).await.name(), "forbidden");
    }
    assert_eq!(approve(&deployment, &two, (&id, 2), 2).await.name(), "approved");
}

#[tokio::test]
async fn an_author_who_is_no_approver_makes_nobody_ask() {
    let github = GitHub::start().await;
    github.answer_comparisons_with(github_error(500, "Server Error"));
    let mut deployment = strict(&github);
    deployment.policy.approvers = approvers(&[&object_id(2)]);
    let id = deployment.asked(waiting("1")).await;
    deployment.settled().await;
    let asked = github.commits_asked().len();
    assert_eq!(approve(&deployment, &deployment.start(), (&id, 3), 1).await.name(), "forbidden");
    assert_eq!(github.commits_asked().len(), asked);
}
