//! `ref_must_not_move`: nothing is approved whose ref is no longer at the commit that was asked for.

use std::{sync::Arc, time::Duration};

use approve_release::approval::Verdict;
use chrono::TimeDelta;
use object_store::ObjectStore;
use serde_json::json;
use wiremock::ResponseTemplate;

use crate::{
    actions::SHA,
    deployment::{Someone, Surroundings, page_of, text},
    functions_host::Mode,
    github::{GitHub, github_error, permission_refused},
    instances::{Instances, approvers, asking, asking_of, object_id, person, vote},
    rough_store::RoughStore,
    tokens::Token,
};

const STAYING: &str = r#"{"event_type":"go-live","rejected_event_type":"no-go","ref_must_not_move":true}"#;
const OTHER: &str = "1111111111111111111111111111111111111111";
const TAGS: [&str; 2] =
    ["2222222222222222222222222222222222222222", "3333333333333333333333333333333333333333"];

in_one_mode! {
    a_ref_that_stays_is_approved_and_one_that_moved_withdraws_the_approval
    a_ref_that_is_gone_has_moved_and_a_repository_that_is_gone_says_nothing
    while_github_cannot_be_asked_nothing_is_approved_and_rejecting_works
    a_tag_is_no_branch_and_an_annotated_one_is_followed
    only_a_vote_that_would_approve_needs_the_answer
}

// T41
async fn a_ref_that_stays_is_approved_and_one_that_moved_withdraws_the_approval(mode: Mode) {
    let (around, host) = Surroundings::with_host(mode).await;
    around.github.expect_dispatches(1);
    let (alex, sam) = (Someone::alex(), Someone::number(1));
    around.github.move_ref("refs/heads/main", SHA);
    let stays = around.ask_for_id(&host, STAYING).await;
    host.vote(&around.token_of(&alex), &stays, "approve").await.assert_outcome(200, "dispatched");

    let moves = around.ask_for_id(&host, STAYING).await;
    around.github.move_ref("refs/heads/main", OTHER);
    for person in [&alex, &alex, &sam] {
        let sentence =
            host.vote(&around.token_of(person), &moves, "approve").await.assert_outcome(409, "conflict");
        assert!(sentence.contains("the ref has moved"), "{sentence}");
    }
    let seen = around.status(&host, &moves).await;
    assert_eq!((&seen["status"], &seen["comment"]), (&json!("withdrawn"), &json!("the ref has moved")));
    assert_eq!((&seen["performers"], &seen["delivery"]), (&json!([]), &json!("none")));
    let page = host.send(sam.get(&page_of(&moves))).await.text();
    assert!(page.contains("the ref has moved") && !page.contains(r#"value="approve""#), "{page}");
    // It stays so, whatever the ref does then.
    around.github.move_ref("refs/heads/main", SHA);
    host.vote(&around.token_of(&sam), &moves, "approve").await.assert_outcome(409, "conflict");
}

// T41
async fn a_ref_that_is_gone_has_moved_and_a_repository_that_is_gone_says_nothing(mode: Mode) {
    let (around, host) = Surroundings::with_host(mode).await;
    let alex = around.token_of(&Someone::alex());
    around.github.move_ref("refs/heads/other", SHA);
    let id = around.ask_for_id(&host, STAYING).await;
    host.vote(&alex, &id, "approve").await.assert_outcome(409, "conflict");
    assert_eq!(around.status(&host, &id).await["comment"], "the ref has moved");

    let id = around.ask_for_id(&host, STAYING).await;
    around.github.forget_repositories();
    host.vote(&alex, &id, "approve").await.assert_outcome(424, "unavailable");
    assert_eq!(around.status(&host, &id).await["status"], "pending");
}

// T41
async fn while_github_cannot_be_asked_nothing_is_approved_and_rejecting_works(mode: Mode) {
    let (around, host) = Surroundings::with_host(mode).await;
    around.github.expect_dispatches(1);
    let alex = around.token_of(&Someone::alex());
    around.github.move_ref("refs/heads/main", SHA);
    let id = around.ask_for_id(&host, STAYING).await;
    let late = ResponseTemplate::new(200).set_delay(Duration::from_secs(20));
    let wrong = json!({"ref": "refs/heads/main2", "object": {"type": "commit", "sha": SHA}});
    let (away, refused) = ("GitHub could not be asked", "GitHub refused to say where the ref is");
    for (answer, told) in [
        (github_error(503, "Server Error"), away),
        (permission_refused("contents=read"), refused),
        (github_error(401, "Bad credentials"), refused),
        (github_error(409, "Git Repository is empty."), away),
        (ResponseTemplate::new(200).set_body_json(wrong), away),
        (ResponseTemplate::new(200).set_body_json(json!({"ref": "refs/heads/main"})), away),
        (late, away),
    ] {
        around.github.answer_about_origin(Some(answer));
        let sentence = host.vote(&alex, &id, "approve").await.assert_outcome(424, "unavailable");
        assert!(sentence.contains(told), "{sentence}");
        assert_eq!(around.status(&host, &id).await["status"], "pending");
    }
    host.vote(&alex, &id, "reject").await.assert_outcome(200, "dispatched");
}

// T41
async fn a_tag_is_no_branch_and_an_annotated_one_is_followed(mode: Mode) {
    let (around, host) = Surroundings::with_host(mode).await;
    around.github.expect_dispatches(2);
    let alex = around.token_of(&Someone::alex());
    let ask = async |git_ref: &str| {
        let job = Token::of_job(&around.actions).claim("ref", git_ref);
        text(&host.ask_as(&job, STAYING).await.assert_opened()["id"])
    };
    around.github.move_ref("refs/heads/release/v1", OTHER);
    around.github.tag_ref("refs/tags/release/v1", &TAGS, SHA);
    for (git_ref, outcome) in [
        ("refs/tags/release/v1", "dispatched"),
        ("refs/heads/release/v1", "conflict"),
        ("refs/tags/release", "conflict"),
    ] {
        let answer = host.vote(&alex, &ask(git_ref).await, "approve").await;
        assert_eq!(answer.json()["outcome"], outcome, "{git_ref}: {}", answer.text());
    }
    around.github.tag_ref("refs/tags/release/v1", &TAGS, OTHER);
    host.vote(&alex, &ask("refs/tags/release/v1").await, "approve").await.assert_outcome(409, "conflict");
    around.github.move_ref("refs/tags/release/v1", SHA);
    host.vote(&alex, &ask("refs/tags/release/v1").await, "approve").await.assert_outcome(200, "dispatched");
}

async fn only_a_vote_that_would_approve_needs_the_answer(mode: Mode) {
    let (around, host) = Surroundings::with_host(mode).await;
    around.github.expect_dispatches(1);
    around.github.move_ref("refs/heads/main", SHA);
    let two = r#"{"event_type":"go-live","ref_must_not_move":true,"approvals_required":2}"#;
    let id = around.ask_for_id(&host, two).await;
    around.github.answer_about_origin(Some(github_error(503, "Server Error")));
    let (alex, sam) = (around.token_of(&Someone::alex()), around.token_of(&Someone::number(1)));
    host.vote(&alex, &id, "approve").await.assert_outcome(200, "counted");
    host.vote(&sam, &id, "approve").await.assert_outcome(424, "unavailable");
    around.github.answer_about_origin(None);
    host.vote(&sam, &id, "approve").await.assert_outcome(200, "dispatched");
}

/// Votes that suffice, and that nobody has counted, are no way around the question.
// T41
#[tokio::test]
async fn a_look_and_a_sweep_approve_nothing_whose_ref_has_moved() {
    let github = GitHub::start().await;
    let mut deployment = Instances::sending_to(&github);
    for by_sweep in [false, true] {
        github.move_ref("refs/heads/main", &asking("1", "{}").workload.sha);
        let mut asked = asking_of(2, asking("1", if by_sweep { "{}" } else { "[]" }));
        asked.terms.ref_must_not_move = true;
        let id = deployment.asked(asked).await;
        let says_yes = async |deployment: &Instances, number| {
            let timing = deployment.after(TimeDelta::minutes(1));
            vote(&deployment.start(), (&id, person(&object_id(number), None)), Verdict::Approve, timing).await
        };
        assert_eq!(says_yes(&deployment, 1).await.name(), "counted");
        deployment.policy.min_approvals = 3;
        assert_eq!(says_yes(&deployment, 2).await.name(), "counted");
        deployment.policy.min_approvals = 1;
        github.answer_about_origin(Some(github_error(503, "Server Error")));
        assert_eq!(deployment.look(&id, TimeDelta::minutes(2)).await.ruling, None);
        github.answer_about_origin(None);
        github.move_ref("refs/heads/main", OTHER);
        if by_sweep {
            deployment.sweep(TimeDelta::minutes(3)).await;
        }
        let ruling = deployment.look(&id, TimeDelta::minutes(4)).await.ruling.expect("it has ended");
        assert_eq!(ruling.withdrawal.expect("a withdrawal").comment, "the ref has moved");
    }
    deployment.settled().await;
}

// T41
#[tokio::test]
async fn two_who_approve_at_once_while_the_ref_moves_come_to_one_decision() {
    let github = GitHub::start().await;
    let deployment = Instances::sending_to(&github);
    let mut approved = 0;
    for round in 0..10 {
        github.move_ref("refs/heads/main", &asking("1", "{}").workload.sha);
        let mut asked = asking("1", &round.to_string());
        asked.terms.ref_must_not_move = true;
        let id = deployment.asked(asked).await;
        let instances = [deployment.start(), deployment.start()];
        let says_yes = |number: u32| {
            let timing = deployment.after(TimeDelta::minutes(1));
            vote(
                &instances[number as usize],
                (&id, person(&object_id(number), None)),
                Verdict::Approve,
                timing,
            )
        };
        let moves = async {
            tokio::task::yield_now().await;
            github.move_ref("refs/heads/main", OTHER);
        };
        let (one, other, ()) = tokio::join!(says_yes(0), says_yes(1), moves);
        deployment.settled().await;
        let ending = deployment.look(&id, TimeDelta::minutes(2)).await.ending().expect("it has ended");
        let names = [one.name(), other.name()];
        match ending.as_str() {
            "approved" => {
                approved += 1;
                assert_eq!(names.iter().filter(|name| **name == "dispatched").count(), 1, "{names:?}");
            }
            _ => assert_eq!(names, ["conflict"; 2]),
        }
    }
    github.expect_dispatches(approved);
}

/// A vote on a request that the process knows asks GitHub beside the store; whoever may not approve asks nothing.
#[tokio::test]
async fn a_vote_on_a_known_request_waits_for_the_store_no_more_often_than_any_other() {
    let github = GitHub::start().await;
    github.expect_dispatches(1);
    github.move_ref("refs/heads/main", &asking("1", "{}").workload.sha);
    let mut deployment = Instances::sending_to(&github);
    let staying = |body: &str| {
        let mut asked = asking("1", body);
        asked.terms.ref_must_not_move = true;
        asked
    };
    deployment.policy.approvers = approvers(&[&object_id(1)]);
    let view = RoughStore::slow(&deployment.store);
    let instance = deployment.start_on(Arc::clone(&view) as Arc<dyn ObjectStore>);
    let asked = instance.ask(staying("{}"), deployment.after(TimeDelta::zero()));
    let (asked, _) = view.rounds(asked).await;
    let id = asked.map_err(|report| report.outcome).expect("it is open").0.request.id;
    let says_yes = |number| {
        vote(
            &instance,
            (&id, person(&object_id(number), None)),
            Verdict::Approve,
            deployment.after(TimeDelta::minutes(1)),
        )
    };
    assert_eq!(view.rounds(says_yes(2)).await.0.name(), "forbidden");
    assert_eq!(github.origin_calls(), [""; 0]);
    let (outcome, rounds) = view.rounds(says_yes(1)).await;
    assert_eq!(outcome.name(), "dispatched");
    // Two before GitHub gets the event, one after, and one beside it.
    assert!(rounds <= 4, "{rounds}");
    assert_eq!(github.origin_calls(), ["git/ref/heads/main"]);
}
