//! Clocks that are wrong, and waits that are absurd: nobody waits for what never comes, and an honest wait is kept.

use approve_release::{
    approval::Verdict,
    approval::{Attempt, Message, MessageName},
};
use chrono::TimeDelta;
use serde_json::json;
use wiremock::ResponseTemplate;

use crate::{
    deployment::{ASKED, Someone, Surroundings},
    functions_host::{FunctionsHost, Mode},
    github::{GitHub, github_error, rate_limited},
    instances::{Instances, asking, person, subject, vote},
    relay::new_click,
    tokens::ALEX,
};

#[tokio::test]
async fn an_attempt_of_a_clock_that_is_a_day_ahead_is_taken_over_at_once() {
    for occasion in ["sweep", "click"] {
        let github = GitHub::start().await;
        github.expect_dispatches(1);
        let deployment = Instances::sending_to(&github);
        let id = deployment.asked(asking("1", "{}")).await;
        deployment.decide_and_die(&id, TimeDelta::minutes(1)).await;
        let ahead = deployment.began + TimeDelta::days(1);
        let attempt = Attempt {
            number: 1,
            began_at: ahead,
            lease_until: ahead + TimeDelta::seconds(30),
            window_from: deployment.began,
            failures: 0,
        };
        let (message, timing) = (
            Message { subject: subject(&id), name: MessageName::DISPATCH },
            deployment.after(TimeDelta::minutes(1)),
        );
        let ledger = &deployment.start().outbox.ledger;
        assert!(ledger.claim(&message, &attempt, timing.deadline).await.expect("a store"));

        match occasion {
            "sweep" => drop(deployment.sweep(TimeDelta::minutes(2)).await),
            _ => {
                let timing = deployment.after(TimeDelta::minutes(2));
                let (instance, click) = (deployment.start(), (&id, person(ALEX, None)));
                let outcome = vote(&instance, click, Verdict::Approve, timing).await;
                assert_eq!(outcome.name(), "dispatched");
            }
        }
        assert_eq!(github.dispatches().len(), 1, "{occasion}");
    }
}

#[tokio::test]
async fn without_time_for_delivering_there_is_one_attempt_and_then_a_click_sends() {
    let around = Surroundings::start().await;
    let host = around.host(Mode::Payload).setting("DELIVER_FOR_HOURS", "0").start().await;
    let id = around.ask_for_id(&host, ASKED).await;
    let alex = around.token_of(&Someone::alex());
    around.github.answer_with(github_error(503, "Server Error"));
    let sentence = host.vote(&alex, &id, "approve").await.assert_outcome(424, "refused");
    assert!(sentence.contains("Click again"), "{sentence}");
    let seen = around.status(&host, &id).await;
    assert_eq!((&seen["status"], &seen["delivery"]), (&json!("approved"), &json!("dead")));
    assert_eq!(host.fire_timer("Deliver").await, Ok(Vec::new()));
    assert_eq!(around.github.dispatches().len(), 1);

    // The sentence was true: each click is an attempt, until one arrives.
    host.vote(&alex, &id, "approve").await.assert_outcome(424, "refused");
    around.github.answer_as_github();
    host.vote(&alex, &id, "approve").await.assert_outcome(200, "dispatched");
    assert_eq!(around.status(&host, &id).await["delivery"], "delivered");
    around.github.expect_dispatches(3);
}

/// Clicks until GitHub is asked no more, and gives the sentence of the first click and of the last.
async fn clicked_twice(host: &FunctionsHost, github: &GitHub, retry_after: &str) -> [String; 2] {
    clicked_twice_at(host, github, rate_limited(429).insert_header("retry-after", retry_after)).await
}

async fn clicked_twice_at(host: &FunctionsHost, github: &GitHub, answer: ResponseTemplate) -> [String; 2] {
    let click = new_click();
    github.answer_with(answer);
    let first = host.click(click.clone()).await;
    let asked = github.dispatches().len();
    github.answer_as_github();
    let second = host.click(click).await;
    assert_eq!(github.dispatches().len(), asked, "GitHub has asked to wait");
    github.expect_dispatches(asked);
    [first, second].map(|answer| answer.json()["message"].as_str().expect("a sentence").to_owned())
}

#[tokio::test]
async fn an_absurd_wait_never_ends_in_a_click_that_does_not_send() {
    let github = GitHub::start().await;
    let host = FunctionsHost::relay(Mode::Payload, &github).start().await;
    // Years, and milliseconds for seconds.
    for absurd in ["999999999", "3600000", "18446744073709551615"] {
        let [first, second] = clicked_twice(&host, &github, absurd).await;
        for sentence in [&first, &second] {
            assert!(!sentence.contains("lick again"), "{absurd}: {sentence}");
        }
        let (before, _) = first.split_once(" min").expect("a wait");
        let minutes: i64 =
            before.rsplit(' ').next().and_then(|number| number.parse().ok()).expect("a number");
        assert!((1..=24 * 60).contains(&minutes), "{first}");
    }
}

#[tokio::test]
async fn an_absurd_wait_without_time_for_delivering_names_the_time_from_which_a_click_sends() {
    let github = GitHub::start().await;
    let host = FunctionsHost::relay(Mode::Payload, &github).setting("DELIVER_FOR_HOURS", "0").start().await;
    for absurd in ["999999999", "3600000"] {
        for sentence in clicked_twice(&host, &github, absurd).await {
            let (_, until) = sentence.split_once("wants no call before ").expect(&sentence);
            let until = until.split_once(". Click again after that.").expect(&sentence).0;
            let until = chrono::NaiveDateTime::parse_from_str(until, "%Y-%m-%d %H:%M UTC").expect("a time");
            let wait = until.and_utc() - chrono::Utc::now();
            assert!(wait <= TimeDelta::hours(1) && wait > TimeDelta::minutes(50), "{sentence}");
        }
    }
}

#[tokio::test]
async fn an_honest_hour_is_kept_and_named() {
    let github = GitHub::start().await;
    let host = FunctionsHost::relay(Mode::Payload, &github).start().await;
    let fault = github_error(503, "Server Error").insert_header("retry-after", "3600");
    for answer in [rate_limited(429).insert_header("retry-after", "3600"), fault] {
        let [first, second] = clicked_twice_at(&host, &github, answer).await;
        assert!(first.contains("in 60 min"), "{first}");
        assert!(second.contains("on its way"), "{second}");
    }
}

#[tokio::test]
async fn a_wait_that_is_no_number_keeps_no_click_from_sending() {
    let github = GitHub::start().await;
    let host = FunctionsHost::relay(Mode::Payload, &github).start().await;
    let garbled = ["99999999999999999999", "-5", "soon", "1e3"];
    github.expect_dispatches(2 * garbled.len());
    for retry_after in garbled {
        let click = new_click();
        github.answer_with(rate_limited(429).insert_header("retry-after", retry_after));
        host.click(click.clone()).await.assert_outcome(200, "recorded");
        github.answer_as_github();
        host.click(click).await.assert_outcome(200, "dispatched");
    }
}
