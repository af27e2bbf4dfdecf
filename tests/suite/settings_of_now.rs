//! Requests and votes are held against the settings of now: who may decide, how many it takes, and what may be sent.

use approve_release::approval::{DeliveryError, DeliveryState, Forbidden, Repository, Verdict};
use chrono::TimeDelta;
use serde_json::json;

use crate::{
    deployment::{ASKED, Channel, Someone, Surroundings, page_of, vote_body},
    functions_host::Mode,
    github::{GitHub, github_error},
    instances::{Instances, allowing, approvers, asking, asking_of, object_id, person, relay, vote},
    relay::CLICK,
    stores::Store,
    tokens::{ALEX, Token},
};

/// Two people must approve.
const TWO: &str = r#"{"event_type":"go-live","approvals_required":2}"#;

// T27
#[tokio::test]
async fn an_anonymous_vote_does_not_count_once_identity_is_required() {
    let (around, store) = (Surroundings::start().await, Store::folder());
    around.github.expect_dispatches(1);
    let open = || around.host(Mode::Payload).setting("REQUIRE_IDENTITY", "false").store(&store);
    let host = open().start().await;
    let id = around.ask_for_id(&host, TWO).await;
    host.click(vote_body(&id, "approve", "")).await.assert_outcome(200, "counted");
    drop(host);

    let strict = around.host(Mode::Payload).store(&store).start().await;
    assert_eq!(around.status(&strict, &id).await["performers"], json!([]));
    drop(strict);
    let host = open().start().await;
    assert_eq!(around.status(&host, &id).await["performers"][0]["id"], "anonymous", "it is not forgotten");
    drop(host);

    let strict = around.host(Mode::Payload).store(&store).start().await;
    let alex = around.token_of(&Someone::alex());
    let sentence = strict.vote(&alex, &id, "approve").await.assert_outcome(200, "counted");
    assert!(sentence.contains("1 of 2"), "{sentence}");
    let sam = around.token_of(&Someone::number(1));
    strict.vote(&sam, &id, "approve").await.assert_outcome(200, "dispatched");
    let sent = around.github.only_dispatch();
    assert!(!sent.client_payload().contains("anonymous"), "{}", sent.client_payload());
}

// T26
#[tokio::test]
async fn a_vote_of_somebody_who_has_left_does_not_count_and_counts_again_once_they_are_back() {
    let by_id: fn(&Someone) -> String = |person| person.object_id.clone();
    let by_name: fn(&Someone) -> String = |person| person.upn.to_uppercase();
    for listed in [by_id, by_name] {
        let (around, store) = (Surroundings::start().await, Store::folder());
        around.github.expect_dispatches(1);
        let (alex, sam) = (Someone::alex(), Someone::number(1));
        let host = |people: [&Someone; 2]| {
            let people = people.map(listed).join(",");
            around.host(Mode::Payload).setting("APPROVERS", &people).store(&store)
        };
        let before = host([&alex, &sam]).start().await;
        let id = around.ask_for_id(&before, TWO).await;
        assert_eq!(before.send(alex.press(&id, "approve", "")).await.status, 200);
        assert_eq!(around.status(&before, &id).await["performers"][0]["id"], ALEX);
        drop(before);

        let without = host([&sam, &Someone::number(2)]).start().await;
        assert_eq!(around.status(&without, &id).await["performers"], json!([]));
        let vote = without.vote(&around.token_of(&sam), &id, "approve").await;
        let sentence = vote.assert_outcome(200, "counted");
        assert!(sentence.contains("1 of 2"), "{sentence}");
        drop(without);

        // Nobody has to vote again: the next look finds that the votes suffice.
        let back = host([&alex, &sam]).start().await;
        let seen = around.status(&back, &id).await;
        let performers = seen["performers"].as_array().map(Vec::len);
        assert_eq!((&seen["status"], performers), (&json!("approved"), Some(2)));
        around.github.until_asked().await;
    }
}

#[tokio::test]
async fn whether_a_vote_counts_follows_from_what_is_known_of_its_performer_and_the_list_of_now() {
    let other = object_id(9);
    let (named, nameless) = (person(ALEX, Some("alex@contoso.com")), person(ALEX, None));
    for (performer, listed_now, counts) in [
        (&named, vec!["ALEX@contoso.com", "sam@contoso.com"], true),
        (&named, vec!["sam@contoso.com", "kim@contoso.com"], false),
        (&named, vec!["sam@contoso.com", ALEX], true),
        (&named, vec![&other, "sam@contoso.com"], false),
        (&named, vec![&other, "alex@contoso.com"], true),
        (&nameless, vec![ALEX, &other], true),
        (&nameless, vec![&other, "sam@contoso.com"], false),
        (&nameless, vec!["sam@contoso.com", "kim@contoso.com"], true),
    ] {
        let mut deployment = Instances::dry_run();
        let id = deployment.asked(asking_of(2, asking("1", "{}"))).await;
        let cast = (&id, performer.clone());
        let time = TimeDelta::minutes(1);
        let outcome = vote(&deployment.start(), cast, Verdict::Approve, deployment.after(time)).await;
        assert_eq!(outcome.name(), "counted");
        deployment.policy.approvers = approvers(&listed_now);
        let seen = deployment.look(&id, TimeDelta::minutes(2)).await;
        assert_eq!(seen.ballots.len(), usize::from(counts), "{performer:?} {listed_now:?}");
    }
}

#[tokio::test]
async fn a_no_of_somebody_who_has_left_rejects_nothing_that_is_still_open() {
    let mut deployment = Instances::dry_run();
    let id = deployment.asked(asking("1", "{}")).await;
    // It was recorded, and its process killed before it was counted.
    let timing = deployment.after(TimeDelta::minutes(1));
    let no = approve_release::approval::Ballot {
        performer: person(ALEX, Some("alex@contoso.com")),
        verdict: Verdict::Reject,
        comment: String::new(),
        at: timing.now,
        groups: Vec::new(),
    };
    deployment.start().outbox.ledger.cast(&id, &no, &[], timing.deadline).await.expect("recorded");

    deployment.policy.approvers = approvers(&["sam@contoso.com"]);
    let sam = person(&object_id(1), Some("sam@contoso.com"));
    let time = TimeDelta::minutes(2);
    let outcome = vote(&deployment.start(), (&id, sam), Verdict::Approve, deployment.after(time)).await;
    assert_eq!(outcome.name(), "dry-run");
}

#[tokio::test]
async fn a_quorum_that_no_group_confirms_is_neither_counted_nor_lost() {
    let mut deployment = Instances::dry_run();
    let id = deployment.asked(asking_of(2, asking("1", "{}"))).await;
    // Both were recorded, and the process killed before they were counted.
    let timing = deployment.after(TimeDelta::minutes(1));
    for performer in [person(ALEX, None), person(&object_id(1), None)] {
        let yes = approve_release::approval::Ballot {
            performer,
            verdict: Verdict::Approve,
            comment: String::new(),
            at: timing.now,
            groups: Vec::new(),
        };
        deployment.start().outbox.ledger.cast(&id, &yes, &[], timing.deadline).await.expect("recorded");
    }
    // There is no Graph here that could be asked.
    let everybody = deployment.policy.approvers.clone();
    deployment.policy.approvers = approvers(&["group:11111111-aaaa-4bbb-8ccc-444455556666", &object_id(2)]);
    for time in [TimeDelta::minutes(2), TimeDelta::days(40)] {
        deployment.sweep(time).await;
        let seen = deployment.look(&id, time).await;
        assert!(seen.ruling.is_none(), "{:?}", seen.ruling);
    }
    let sam = person(&object_id(2), None);
    for verdict in [Verdict::Approve, Verdict::Reject] {
        let time = deployment.after(TimeDelta::days(40));
        let outcome = vote(&deployment.start(), (&id, sam.clone()), verdict, time).await;
        assert_eq!(outcome.name(), "unavailable");
    }
    deployment.policy.approvers = everybody;
    deployment.sweep(TimeDelta::days(41)).await;
    let seen = deployment.look(&id, TimeDelta::days(41)).await;
    let votes = seen.ruling.map(|ruling| (ruling.ending, ruling.ballots.len()));
    assert_eq!(votes, Some((approve_release::approval::Ending::Approved, 2)));
}

#[tokio::test]
async fn whoever_was_renamed_votes_again_and_is_counted_once() {
    let mut deployment = Instances::dry_run();
    let sam = person(&object_id(1), Some("sam@contoso.com"));
    deployment.policy.approvers = approvers(&["alex@contoso.com", "sam@contoso.com"]);
    let id = deployment.asked(asking_of(2, asking("1", "{}"))).await;
    let says_yes = async |deployment: &Instances, performer, minutes| {
        let timing = deployment.after(TimeDelta::minutes(minutes));
        vote(&deployment.start(), (&id, performer), Verdict::Approve, timing).await
    };
    let old = person(ALEX, Some("alex@contoso.com"));
    assert_eq!(says_yes(&deployment, old.clone(), 1).await.name(), "counted");

    deployment.policy.approvers = approvers(&["alex.wilber@contoso.com", "sam@contoso.com"]);
    assert!(deployment.look(&id, TimeDelta::minutes(2)).await.ballots.is_empty());
    let new = person(ALEX, Some("Alex.Wilber@contoso.com"));
    for minutes in [3, 4] {
        assert_eq!(says_yes(&deployment, new.clone(), minutes).await.name(), "counted");
    }
    let votes = deployment.names("dry-run/requested/").await;
    let votes: Vec<_> = votes.iter().filter(|name| name.contains("/vote.")).collect();
    assert_eq!(votes.len(), 2, "{votes:?}");
    // While both names are listed it is one person all the same.
    deployment.policy.approvers =
        approvers(&["alex@contoso.com", "alex.wilber@contoso.com", "sam@contoso.com"]);
    let seen = deployment.look(&id, TimeDelta::minutes(5)).await;
    assert_eq!((seen.ballots.len(), seen.ruling), (1, None));
    assert_eq!(says_yes(&deployment, sam, 6).await.name(), "dry-run");
    let seen = deployment.look(&id, TimeDelta::minutes(7)).await;
    assert_eq!(seen.ruling.expect("it is approved").ballots.len(), 2);
}

#[tokio::test]
async fn a_higher_min_approvals_holds_for_what_is_open_and_a_lower_one_takes_nothing_away() {
    let (around, store) = (Surroundings::start().await, Store::folder());
    around.github.expect_dispatches(1);
    let host = |least: &str| around.host(Mode::Payload).setting("MIN_APPROVALS", least).store(&store);
    let before = host("1").start().await;
    let id = around.ask_for_id(&before, ASKED).await;
    assert_eq!(around.status(&before, &id).await["approvals_required"], 1);
    drop(before);

    let now = host("2").start().await;
    assert_eq!(around.status(&now, &id).await["approvals_required"], 2);
    let page = now.send(Someone::alex().get(&page_of(&id))).await.text();
    assert!(page.contains("0 of 2"), "{page}");
    let alex = around.token_of(&Someone::alex());
    let sentence = now.vote(&alex, &id, "approve").await.assert_outcome(200, "counted");
    assert!(sentence.contains("1 of 2"), "{sentence}");
    let three = around.ask_for_id(&now, r#"{"event_type":"go-live","approvals_required":3}"#).await;
    let sam = around.token_of(&Someone::number(1));
    now.vote(&sam, &id, "approve").await.assert_outcome(200, "dispatched");
    drop(now);

    let after = host("1").start().await;
    assert_eq!(around.status(&after, &three).await["approvals_required"], 3, "what the job asked for stays");
}

#[tokio::test]
async fn what_left_allowed_repositories_is_not_sent_and_a_click_sends_it_once_it_is_back() {
    for is_relayed in [false, true] {
        println!("relayed: {is_relayed}");
        let github = GitHub::start().await;
        let mut deployment = Instances::sending_to(&github);
        let id = deployment.asked(asking("1", "{}")).await;
        let click = async |deployment: &Instances, minutes| {
            let (instance, timing) = (deployment.start(), deployment.after(TimeDelta::minutes(minutes)));
            match is_relayed {
                true => relay(&instance, 1, timing).await,
                false => vote(&instance, (&id, person(ALEX, None)), Verdict::Approve, timing).await,
            }
        };
        github.answer_with(github_error(503, "Server Error"));
        github.expect_dispatches(1);
        assert_eq!(click(&deployment, 1).await.name(), "recorded");
        deployment.settled().await;
        github.answer_as_github();

        deployment.policy.allowed_repositories = allowing(&["octo/other"]);
        let state = async |deployment: &Instances, minutes| {
            let (instance, timing) = (deployment.start(), deployment.after(TimeDelta::minutes(minutes)));
            if !is_relayed {
                let standing = instance.look(&id, timing).await.expect("a store").expect("an approval");
                return instance.policy.delivery(&standing);
            }
            let list = instance.list(None, timing).await.expect("a list");
            let relayed = list.decided.into_iter().find_map(|item| match item {
                approve_release::approval::Item::Relayed(relay) => {
                    Some(instance.policy.delivery_of_relay(&relay))
                }
                _ => None,
            });
            relayed.expect("a line")
        };
        // At once, and after a sweep.
        for minutes in [2, 4] {
            let dispatch = state(&deployment, minutes).await;
            assert_eq!(dispatch.state, DeliveryState::Dead);
            let octo = Repository::parse("octo/app").expect("a repository");
            assert_eq!(dispatch.error, Some(DeliveryError::Forbidden(Forbidden::Repository(octo))));
            deployment.sweep(TimeDelta::minutes(minutes + 1)).await;
        }
        assert_eq!(click(&deployment, 6).await.name(), "forbidden");
        assert_eq!(github.dispatches().len(), 1);

        deployment.policy.allowed_repositories = allowing(&["octo/app"]);
        deployment.sweep(TimeDelta::minutes(7)).await;
        assert_eq!(github.dispatches().len(), 1, "only a click sends what was given up");
        assert_eq!(state(&deployment, 8).await.state, DeliveryState::Dead);
        assert_eq!(click(&deployment, 9).await.name(), "dispatched");
        assert_eq!(state(&deployment, 10).await.state, DeliveryState::Delivered);
        github.expect_dispatches(2);
    }
}

// T28
#[tokio::test]
async fn nobody_is_reminded_of_what_left_allowed_repositories() {
    let (github, channel) = (GitHub::start().await, Channel::start().await);
    let mut deployment = Instances::sending_to(&github).posting_to(&channel);
    let mut asking = asking("1", "{}");
    asking.terms.reminder = Some(TimeDelta::minutes(5));
    deployment.asked(asking).await;
    assert_eq!(channel.cards().len(), 1);

    deployment.policy.allowed_repositories = allowing(&["octo/other"]);
    for minutes in 1..=6 {
        deployment.sweep(TimeDelta::minutes(minutes)).await;
    }
    assert_eq!(channel.cards().len(), 1);
    deployment.policy.allowed_repositories = allowing(&["octo/*"]);
    deployment.sweep(TimeDelta::minutes(7)).await;
    assert_eq!(channel.cards().len(), 2);
}

#[tokio::test]
async fn a_job_hears_that_what_left_allowed_repositories_is_dead_and_why() {
    let (around, store) = (Surroundings::start().await, Store::folder());
    around.github.expect_dispatches(1);
    let host = around.host(Mode::Payload).store(&store).start().await;
    let id = around.ask_for_id(&host, ASKED).await;
    around.github.answer_with(github_error(503, "Server Error"));
    let alex = around.token_of(&Someone::alex());
    host.vote(&alex, &id, "approve").await.assert_outcome(200, "recorded");
    assert_eq!(around.status(&host, &id).await["delivery"], "pending");
    drop(host);

    let gone = around.host(Mode::Payload).setting("ALLOWED_REPOSITORIES", "octo/other").store(&store);
    let gone = gone.start().await;
    let seen = around.status(&gone, &id).await;
    assert_eq!((&seen["status"], &seen["delivery"]), (&json!("approved"), &json!("dead")));
    let why = seen["delivery_error"].as_str().expect("a sentence");
    assert!(why.contains("octo/app"), "{why}");
    gone.vote(&alex, &id, "approve").await.assert_outcome(403, "forbidden");
}

// T28
#[tokio::test]
async fn numbers_in_allowed_repositories_pin_requests_and_a_relay_matches_by_name() {
    let around = Surroundings::start().await;
    let job = Token::of_job(&around.actions);
    let allowed = ["octo/app@123456789", "octo@9919/app@123456789", "octo@9919/*", "OCTO@9919/App"];
    let refused = ["octo/app@1", "octo@1/app@123456789", "octo@1/*", "octo@123456789/app@9919"];
    around.github.expect_dispatches(allowed.len() + refused.len());
    for (listed, status) in allowed.map(|listed| (listed, 201)).into_iter().chain(refused.map(|r| (r, 403))) {
        let host = around.host(Mode::Payload).setting("ALLOWED_REPOSITORIES", listed).start().await;
        let answer = host.ask_as(&job, ASKED).await;
        assert_eq!(answer.status, status, "{listed}: {}", answer.text());
        if status == 201 {
            let nameless = job.clone().without("repository_owner_id").claim("run_attempt", "2");
            let without_owner = host.ask_as(&nameless, ASKED).await.status;
            assert_eq!(without_owner, if listed.contains("9919") { 403 } else { 201 }, "{listed}");
        }
        let alex = around.token_of(&Someone::alex());
        host.click_as(&alex, CLICK).await.assert_outcome(200, "dispatched");
    }
}
