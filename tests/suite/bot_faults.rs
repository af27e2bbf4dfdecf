//! The bot's card with one thing going wrong: it is posted, and whatever happens it shows the truth in the end.

use std::sync::Arc;

use approve_release::{
    approval::{ApprovalId, Verdict},
    approve::Stories,
};
use chrono::TimeDelta;
use object_store::{ObjectStoreExt, path::Path};
use serde_json::Value;
use wiremock::ResponseTemplate;

use crate::{
    connector::{Fault as Answered, Message},
    faulty_store::{EVERY_FAULT, Fault},
    handler_process::until,
    request_faults::{Deployment, TIME_TO_DECIDE, stricken, until_ended, was_posting},
};

impl Deployment {
    fn messages(&self) -> Vec<Message> {
        self.bot.as_ref().expect("a bot").1.messages()
    }

    /// The card as it is by now, in the one message that there is.
    fn card(&self) -> Value {
        let messages = self.messages();
        let [message] = &messages[..] else { panic!("one message, not {messages:?}") };
        message.cards.last().expect("a card").clone()
    }

    fn fail_next(&self, faults: impl IntoIterator<Item = Answered>) {
        self.bot.as_ref().expect("a bot").1.fail_next(faults);
    }

    /// Rewrites how the first attempt to post the card ended: it was the last.
    async fn give_up_the_card(&self, id: &ApprovalId) {
        let path = Path::from(format!("requested/{id}/card.000001.result"));
        let found = self.store.get(&path).await.expect("a result").bytes().await.expect("its content");
        let mut record: Value = serde_json::from_slice(&found).expect("JSON");
        record["record"]["next"] = "dead".into();
        self.store.put(&path, record.to_string().into()).await.expect("written");
    }

    /// Waits until it is noted that the card with the result has arrived.
    async fn until_result_noted(&self) {
        until("the result is posted", async || {
            self.names("").await.iter().any(|name| name.ends_with("/result.done"))
        })
        .await;
    }

    /// The first card is as it was, and there is one more, which says what was decided.
    #[track_caller]
    fn assert_result_posted(&self, code: u16) {
        let messages = self.messages();
        let [first, result] = &messages[..] else { panic!("{code}: two messages, not {messages:?}") };
        assert_eq!((first.cards.len(), result.cards.len()), (1, 1), "{code}");
        assert_decided(&result.cards[0], "Approved");
    }

    async fn approve(&self, id: &ApprovalId, person: u8, minute: i64) -> String {
        let (instance, time) = (self.instance(), TimeDelta::minutes(minute));
        self.vote(&instance, (id, person), Verdict::Approve, time).await.name().to_owned()
    }
}

fn status(status: u16) -> Answered {
    Answered::Instead(ResponseTemplate::new(status))
}

#[track_caller]
fn assert_decided(card: &Value, word: &str) {
    let card = card.to_string();
    assert!(card.contains(word) && !card.contains("Action.Execute"), "{card}");
}

#[tokio::test]
async fn whatever_fails_while_it_is_asked_the_card_is_posted_and_can_be_changed() {
    for fault in EVERY_FAULT {
        for at in 1.. {
            let deployment = Deployment::with_bot(1, None).await;
            let ask = async |instance: &Arc<Stories>| deployment.ask(instance, TimeDelta::zero()).await;
            let (_, struck) = stricken(&deployment, (at, fault), ask).await;
            let Some(struck) = struck else { break };
            let about = format!("{fault:?} at {struck}");
            let (seen, _) =
                deployment.ask(&deployment.instance(), TimeDelta::minutes(1)).await.expect(&about);
            deployment.sweep_every_minute(2..=4).await;
            // The card may be posted twice if it was not noted that it stands there, or where.
            let is_noted = struck.ends_with("card.done") || struck.ends_with("card.posted");
            let most = if is_noted || was_posting(fault, &struck) { 2 } else { 1 };
            assert!(
                (1..=most).contains(&deployment.messages().len()),
                "{about}: {:?}",
                deployment.messages()
            );
            deployment.github.expect_dispatches(1);
            assert_eq!(deployment.approve(&seen.request.id, 1, 5).await, "dispatched", "{about}");
            deployment.settled().await;
            deployment.sweep_every_minute(6..=8).await;
            let shown = deployment.messages().iter().any(|message| {
                message.cards.last().is_some_and(|card| card.to_string().contains("Approved"))
            });
            assert!(shown, "{about}");
        }
    }
}

#[tokio::test]
async fn whatever_fails_while_it_is_decided_the_card_shows_it_in_the_end() {
    for fault in EVERY_FAULT {
        for at in 1.. {
            let deployment = Deployment::with_bot(1, None).await;
            let id = deployment.asked().await;
            let vote = async |instance: &Arc<Stories>| {
                deployment.vote(instance, (&id, 1), Verdict::Approve, TimeDelta::minutes(1)).await
            };
            let (_, struck) = stricken(&deployment, (at, fault), vote).await;
            let Some(struck) = struck else {
                deployment.github.expect_dispatches(1);
                break;
            };
            let about = format!("{fault:?} at {struck}");
            deployment.approve(&id, 1, 2).await;
            deployment.settled().await;
            deployment.sweep_every_minute(3..=6).await;
            assert_decided(&deployment.card(), "Approved");
            assert_eq!(deployment.left_in_the_end().await, [""; 0], "{about}");
            let dispatched = deployment.github.dispatches().len();
            assert!((1..=2).contains(&dispatched), "{dispatched} dispatches: {about}");
            deployment.github.expect_dispatches(dispatched);
        }
    }
}

#[tokio::test]
async fn teams_may_fail_as_often_as_it_likes() {
    let retried = || [status(502), status(429), status(412), status(504), status(500)];
    for failure in retried() {
        let deployment = Deployment::with_bot(1, None).await;
        deployment.fail_next([failure]);
        let id = deployment.asked().await;
        assert_eq!(deployment.messages().len(), 0, "not yet");
        deployment.sweep_every_minute(2..=3).await;
        assert_eq!(deployment.messages().len(), 1);
        // Now the change fails, and then again.
        deployment.fail_next(retried());
        deployment.github.expect_dispatches(1);
        assert_eq!(deployment.approve(&id, 1, 4).await, "dispatched");
        deployment.settled().await;
        deployment.sweep_every_minute(5..=30).await;
        deployment.sweep_every_minute(60..=61).await;
        assert_decided(&deployment.card(), "Approved");
        assert_eq!(deployment.left_in_the_end().await, [""; 0]);
    }
}

#[tokio::test]
async fn a_change_that_was_made_and_answered_with_an_error_is_made_again() {
    let deployment = Deployment::with_bot(1, None).await;
    let id = deployment.asked().await;
    deployment.fail_next([Answered::After(ResponseTemplate::new(502))]);
    deployment.github.expect_dispatches(1);
    deployment.approve(&id, 1, 1).await;
    deployment.settled().await;
    deployment.sweep_every_minute(2..=3).await;
    assert_decided(&deployment.card(), "Approved");
    assert_eq!(deployment.messages()[0].cards.len(), 3);
}

#[tokio::test]
async fn votes_that_race_leave_the_last_state_on_the_card() {
    for _ in 0..8 {
        let deployment = Deployment::with_bot(3, None).await;
        let id = deployment.asked().await;
        deployment.github.expect_dispatches(1);
        let votes = (1..=4).map(|person| deployment.approve(&id, person, 1));
        futures_util::future::join_all(votes).await;
        deployment.settled().await;
        deployment.sweep_every_minute(2..=3).await;
        assert_decided(&deployment.card(), "Approved");
    }
}

#[tokio::test]
async fn decided_before_the_card_could_be_posted_it_is_posted_as_it_is() {
    let deployment = Deployment::with_bot(1, None).await;
    deployment.fail_next([status(502)]);
    let id = deployment.asked().await;
    // The follow-up of the vote tries at once, and fails too.
    deployment.fail_next([status(502)]);
    deployment.github.expect_dispatches(1);
    deployment.approve(&id, 1, 1).await;
    deployment.settled().await;
    deployment.sweep_every_minute(5..=7).await;
    assert_decided(&deployment.card(), "Approved");
    assert_eq!(deployment.left_in_the_end().await, [""; 0]);
}

#[tokio::test]
async fn a_card_that_was_given_up_is_followed_by_one_that_says_what_was_decided() {
    let deployment = Deployment::with_bot(1, None).await;
    // A fault that Teams will not take back: it is not tried again.
    deployment.fail_next([status(502)]);
    let id = deployment.asked().await;
    deployment.give_up_the_card(&id).await;
    deployment.github.expect_dispatches(1);
    assert_eq!(deployment.approve(&id, 1, 2).await, "dispatched");
    deployment.until_result_noted().await;
    deployment.sweep_every_minute(3..=4).await;
    assert_decided(&deployment.card(), "Approved");
    assert_eq!(deployment.left_in_the_end().await, [""; 0]);
}

/// Teams does not know the card any more, or does not let it be changed: the result stands there at once all the same,
/// and once.
#[tokio::test]
async fn a_card_that_cannot_be_changed_is_followed_at_once_by_one_that_says_what_was_decided() {
    for code in [404, 400, 403, 413, 410] {
        let deployment = Deployment::with_bot(1, None).await;
        let id = deployment.asked().await;
        deployment.fail_next([status(code)]);
        deployment.github.expect_dispatches(1);
        assert_eq!(deployment.approve(&id, 1, 1).await, "dispatched");
        // No sweep comes by.
        deployment.until_result_noted().await;
        deployment.assert_result_posted(code);
        assert_eq!(deployment.approve(&id, 2, 2).await, "already-decided");
        deployment.sweep_every_minute(3..=5).await;
        deployment.assert_result_posted(code);
        // No further card says what the card cannot say about the release.
        deployment.sweep_every_minute(63..=65).await;
        assert_eq!(deployment.messages().len(), 2, "{code}");
        assert_eq!(deployment.left_in_the_end().await, [""; 0], "{code}");
    }
}

#[tokio::test]
async fn an_open_card_that_cannot_be_changed_stays_as_it_is_and_its_result_comes_at_once() {
    let deployment = Deployment::with_bot(2, None).await;
    let id = deployment.asked().await;
    deployment.bot.as_ref().expect("a bot").1.lose_messages();
    assert_eq!(deployment.approve(&id, 1, 1).await, "counted");
    deployment.settled().await;
    deployment.sweep_every_minute(2..=4).await;
    assert_eq!(deployment.messages().len(), 1);
    assert_eq!(deployment.messages()[0].cards.len(), 1);

    deployment.github.expect_dispatches(1);
    assert_eq!(deployment.approve(&id, 2, 5).await, "dispatched");
    deployment.until_result_noted().await;
    deployment.assert_result_posted(404);
    deployment.sweep_every_minute(6..=8).await;
    deployment.assert_result_posted(404);
    assert_eq!(deployment.left_in_the_end().await, [""; 0]);
}

/// A sweep decides and tells it in one go, so that it can be struck at each step.
#[tokio::test]
async fn wherever_a_process_dies_that_decides_on_a_lost_card_the_result_is_posted() {
    for fault in [Fault::KilledBefore, Fault::KilledAfter] {
        for at in 1.. {
            let deployment = Deployment::with_bot(1, None).await;
            deployment.asked().await;
            deployment.bot.as_ref().expect("a bot").1.lose_messages();
            let sweep = async |instance: &Arc<Stories>| {
                let over = TIME_TO_DECIDE + TimeDelta::minutes(1);
                instance.sweep(deployment.after(over)).await
            };
            let (_, struck) = stricken(&deployment, (at, fault), sweep).await;
            deployment.sweep_every_minute(32..=36).await;
            let about = format!("{fault:?} at {struck:?}");
            let results = deployment.messages().split_off(1);
            // The result may be posted twice if it was not noted that it stands there.
            let was_posting = |name: &String| name.contains("/result.") || name.ends_with("card.posted");
            let most = if struck.as_ref().is_some_and(was_posting) { 2 } else { 1 };
            assert!((1..=most).contains(&results.len()), "{about}: {results:?}");
            for result in &results {
                assert_decided(&result.cards[0], "Expired");
            }
            assert_eq!(deployment.left_in_the_end().await, [""; 0], "{about}");
            if struck.is_none() {
                break;
            }
        }
    }
}

#[tokio::test]
async fn an_expired_approval_is_marked_on_its_card() {
    let deployment = Deployment::with_bot(1, None).await;
    deployment.asked().await;
    deployment.sweep_every_minute(29..=32).await;
    assert_decided(&deployment.card(), "Expired");
    assert_eq!(deployment.left_in_the_end().await, [""; 0]);
}

#[tokio::test]
async fn the_channel_is_reminded_as_often_as_was_asked_for_and_no_more() {
    let deployment = Deployment::with_bot(1, Some(TimeDelta::minutes(10))).await;
    let id = deployment.asked().await;
    let said = || deployment.bot.as_ref().expect("a bot").1.said();
    deployment.sweep_every_minute(1..=9).await;
    assert_eq!(said().len(), 0);
    deployment.sweep_every_minute(10..=19).await;
    assert_eq!(said().len(), 1);
    let (conversation, reminder) = said().pop().expect("a reminder");
    assert_eq!(conversation, deployment.messages()[0].conversation, "in the thread of the card");
    let reminder = reminder.to_string();
    assert!(
        reminder.contains("Still waiting") && reminder.contains(&deployment.messages()[0].activity),
        "{reminder}"
    );
    // A missed reminder is not made up for.
    deployment.sweep_every_minute(28..=29).await;
    assert_eq!(said().len(), 2);
    deployment.github.expect_dispatches(1);
    assert_eq!(deployment.approve(&id, 1, 29).await, "dispatched");
    deployment.settled().await;
    deployment.sweep_every_minute(30..=45).await;
    assert_eq!(said().len(), 2, "what is decided needs no reminder");
    assert!(TIME_TO_DECIDE > TimeDelta::minutes(29));
}

#[tokio::test]
async fn a_webhooks_channel_is_reminded_too() {
    let mut deployment = Deployment::with_bot(1, Some(TimeDelta::minutes(10))).await;
    deployment.bot = None;
    let id = deployment.asked().await;
    deployment.sweep_every_minute(9..=12).await;
    let cards = deployment.channel.cards();
    assert_eq!(cards.len(), 2, "{cards:?}");
    let reminder = cards[1].to_string();
    assert!(reminder.contains("Still waiting") && reminder.contains(id.as_str()), "{reminder}");
}

#[tokio::test]
async fn a_channel_that_was_told_by_webhook_hears_of_the_decision_from_the_bot() {
    let mut deployment = Deployment::with_bot(1, None).await;
    let bot = deployment.bot.take();
    let id = deployment.asked().await;
    assert_eq!(deployment.channel.cards().len(), 1);
    deployment.bot = bot;
    deployment.github.expect_dispatches(1);
    assert_eq!(deployment.approve(&id, 1, 1).await, "dispatched");
    deployment.until_result_noted().await;
    deployment.sweep_every_minute(2..=3).await;
    assert_decided(&deployment.card(), "Approved");
}

/// The processes that change one card take turns, also where one of them dies in its turn.
#[tokio::test]
async fn who_dies_while_changing_the_card_is_followed_by_another() {
    let deployment = Deployment::with_bot(2, None).await;
    let id = deployment.asked().await;
    let mut at = 1;
    loop {
        let vote = async |instance: &Arc<Stories>| {
            let outcome = deployment.vote(instance, (&id, 1), Verdict::Approve, TimeDelta::minutes(1)).await;
            // The work that follows beside the answer is part of the story here.
            until_ended(instance).await;
            outcome
        };
        let (_, struck) = stricken(&deployment, (at, Fault::KilledAfter), vote).await;
        if struck.expect("the card is changed").contains("/update.000001.attempt") {
            break;
        }
        at += 1;
    }
    assert_eq!(deployment.messages()[0].cards.len(), 1);
    deployment.sweep_every_minute(2..=3).await;
    assert!(deployment.card().to_string().contains("1 of 2"), "{}", deployment.card());
}
