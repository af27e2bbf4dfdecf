//! The stories of a release's run with one thing going wrong, at every call to the store and in every way; and with a
//! clock that is an argument, so that hours pass at once.

use std::sync::Arc;

use approve_release::{
    approval::{ApprovalId, Conclusion, Outcome, Standing, Unreached, Verdict, Workload},
    approve::Stories,
    surfaces::status,
};
use chrono::TimeDelta;
use serde_json::Value;
use wiremock::ResponseTemplate;

use crate::{
    faulty_store::EVERY_FAULT,
    request_faults::{Deployment, stricken},
};

/// The outcome while the store cannot be read.
const NOT_SEEN: Outcome = Outcome::Unavailable(Unreached::Progress);

const MINUTE: TimeDelta = TimeDelta::minutes(1);

impl Deployment {
    /// An approval that GitHub has the event of since the first minute, and its ticket.
    async fn delivered(&self) -> (ApprovalId, String) {
        let id = self.asked().await;
        let outcome = self.vote(&self.instance(), (&id, 1), Verdict::Approve, MINUTE).await;
        assert_eq!(outcome.name(), "dispatched");
        self.settled().await;
        let payload: Value =
            serde_json::from_str(self.github.dispatches()[0].client_payload()).expect("JSON");
        (id, payload["approval"]["ticket"].as_str().expect("a ticket").to_owned())
    }

    async fn start(
        &self,
        instance: &Arc<Stories>,
        (id, ticket): &(ApprovalId, String),
        run: &str,
        time: TimeDelta,
    ) -> Outcome {
        let Ok(Some(seen)) = instance.look(id, self.after(time)).await else { return NOT_SEEN };
        let job = released_by(&seen, run);
        told(instance.start_run(seen, job, Some(ticket), self.after(time)).await)
    }

    async fn end(&self, instance: &Arc<Stories>, id: &ApprovalId, run: &str, time: TimeDelta) -> Outcome {
        let Ok(Some(seen)) = instance.look(id, self.after(time)).await else { return NOT_SEEN };
        let job = released_by(&seen, run);
        told(instance.end_run(seen, job, Conclusion::Failure, self.after(time)).await)
    }

    fn last_card(&self) -> String {
        self.bot.as_ref().expect("a bot").1.messages()[0].cards.last().expect("a card").to_string()
    }
}

/// The outcome, where a standing is a success.
fn told(said: Result<Standing, approve_release::approve::Report>) -> Outcome {
    said.map_or_else(|report| report.outcome, |seen| Outcome::Approved(seen.request.workload.repository))
}

fn released_by(seen: &Standing, run: &str) -> Workload {
    let event_name = Some("repository_dispatch".to_owned());
    Workload { run_id: run.to_owned(), event_name, ..seen.request.workload.clone() }
}

// T37, T34
#[tokio::test]
async fn whatever_fails_while_a_run_starts_it_has_the_approval_or_another_has() {
    for fault in EVERY_FAULT {
        for at in 1.. {
            let deployment = Deployment::with_bot(1, None).await;
            deployment.github.expect_dispatches(1);
            let approval = deployment.delivered().await;
            let start = async |instance: &Arc<Stories>| {
                deployment.start(instance, &approval, "4711", MINUTE * 2).await
            };
            let (outcome, struck) = stricken(&deployment, (at, fault), start).await;
            let Some(struck) = struck else { break };
            let about = format!("{fault:?} at {struck}");
            let other = deployment.start(&deployment.instance(), &approval, "4712", MINUTE * 3).await;
            let has_it = deployment.look(&approval.0, MINUTE * 4).await.run.expect(&about).id;
            // A run that was told that it has the approval has it.
            assert_eq!(status(&other) == 200, has_it == "4712", "{about}: {other:?}");
            if let Some(outcome) = outcome {
                assert!(status(&outcome) != 200 || has_it == "4711", "{about}: {outcome:?}");
            }
            let again = deployment.start(&deployment.instance(), &approval, "4711", MINUTE * 4).await;
            assert_eq!(status(&again) == 200, has_it == "4711", "{about}: {again:?}");
            deployment.settled().await;
            deployment.sweep_every_minute(5..=7).await;
            assert!(deployment.last_card().contains(&format!("(run {has_it})")), "{about}");
            assert_eq!(deployment.left_in_the_end().await, [""; 0], "{about}");
        }
    }
}

#[tokio::test]
async fn whatever_fails_while_an_end_is_told_the_card_shows_it_in_the_end() {
    for fault in EVERY_FAULT {
        for at in 1.. {
            let deployment = Deployment::with_bot(1, None).await;
            deployment.github.expect_dispatches(1);
            let approval = deployment.delivered().await;
            deployment.start(&deployment.instance(), &approval, "4711", MINUTE * 2).await;
            deployment.settled().await;
            let end = async |instance: &Arc<Stories>| {
                deployment.end(instance, &approval.0, "4711", MINUTE * 3).await
            };
            let (outcome, struck) = stricken(&deployment, (at, fault), end).await;
            let Some(struck) = struck else { break };
            let about = format!("{fault:?} at {struck}");
            if outcome.as_ref().is_none_or(|outcome| status(outcome) != 200) {
                let again = deployment.end(&deployment.instance(), &approval.0, "4711", MINUTE * 4).await;
                assert_eq!(status(&again), 200, "{about}: {again:?}");
            }
            deployment.settled().await;
            deployment.sweep_every_minute(5..=7).await;
            assert!(deployment.last_card().contains("Release failed"), "{about}");
            assert_eq!(deployment.names("pending/").await, [""; 0], "{about}: nothing is left to follow");
        }
    }
}

#[tokio::test]
async fn a_run_starts_before_the_delivery_is_noted_and_nothing_is_sent_again() {
    let deployment = Deployment::with_bot(1, None).await;
    deployment.github.expect_dispatches(1);
    let id = deployment.asked().await;
    // GitHub has the event; its answer was lost.
    deployment.github.answer_with(ResponseTemplate::new(502));
    deployment.vote(&deployment.instance(), (&id, 1), Verdict::Approve, MINUTE).await;
    deployment.settled().await;
    let payload: Value =
        serde_json::from_str(deployment.github.dispatches()[0].client_payload()).expect("JSON");
    let approval = (id, payload["approval"]["ticket"].as_str().expect("a ticket").to_owned());
    let started = deployment.start(&deployment.instance(), &approval, "4711", MINUTE * 2).await;
    assert_eq!(status(&started), 200, "{started:?}");
    deployment.settled().await;
    deployment.github.answer_as_github();
    deployment.sweep_every_minute(3..=70).await;
    let delivery = deployment.delivery(&approval.0, MINUTE * 71).await;
    assert_eq!(delivery, approve_release::approval::DeliveryState::Delivered);
}

#[tokio::test]
async fn ten_minutes_after_delivery_a_card_without_a_run_says_what_is_likely_wrong() {
    let deployment = Deployment::with_bot(1, None).await;
    deployment.github.expect_dispatches(1);
    let approval = deployment.delivered().await;
    deployment.sweep_every_minute(2..=10).await;
    assert!(!deployment.last_card().contains("verify-approval"), "not yet");
    deployment.sweep_every_minute(11..=12).await;
    let card = deployment.last_card();
    for words in ["no run has said", "default branch", "disabled", "verify-approval"] {
        assert!(card.contains(words), "{words} in {card}");
    }
    // One that comes later is shown all the same.
    deployment.start(&deployment.instance(), &approval, "4711", MINUTE * 20).await;
    deployment.settled().await;
    let card = deployment.last_card();
    assert!(card.contains("(run 4711)") && !card.contains("no run has said"), "{card}");
}

#[tokio::test]
async fn a_run_that_is_silent_for_an_hour_is_asked_about_and_its_end_is_githubs_word() {
    for (conclusion, shown) in
        [("success", "Released"), ("timed_out", "Release failed"), ("cancelled", "Release cancelled")]
    {
        let deployment = Deployment::with_bot(1, None).await;
        deployment.github.expect_dispatches(1);
        let approval = deployment.delivered().await;
        deployment.start(&deployment.instance(), &approval, "4711", MINUTE * 2).await;
        deployment.settled().await;
        deployment.github.say_of_runs("in_progress", None);
        let instance = deployment.instance();
        for minute in 5..=61 {
            instance.sweep(deployment.after(MINUTE * minute)).await;
        }
        assert_eq!(deployment.github.asked_about(), [""; 0], "not yet");
        for minute in 62..=100 {
            instance.sweep(deployment.after(MINUTE * minute)).await;
        }
        assert_eq!(deployment.github.asked_about(), ["/repos/octo/app/actions/runs/4711"], "once an hour");
        deployment.github.say_of_runs("completed", Some(conclusion));
        for minute in 122..=125 {
            instance.sweep(deployment.after(MINUTE * minute)).await;
        }
        drop(instance);
        deployment.settled().await;
        let seen = deployment.look(&approval.0, MINUTE * 126).await.run.expect("a run");
        let end = seen.end.expect("an end");
        assert!(end.is_by_github && seen.attempt == 2, "{seen:?}");
        assert!(deployment.last_card().contains(shown), "{shown} in {}", deployment.last_card());
        assert_eq!(deployment.github.asked_about().len(), 2);
    }
}

#[tokio::test]
async fn where_actions_may_not_be_read_nobody_asks_again_for_a_day() {
    let deployment = Deployment::with_bot(1, None).await;
    deployment.github.expect_dispatches(1);
    let approval = deployment.delivered().await;
    deployment.start(&deployment.instance(), &approval, "4711", MINUTE * 2).await;
    deployment.settled().await;
    deployment.github.hide_runs();
    let instance = deployment.instance();
    for hour in 1..=23 {
        instance.sweep(deployment.after(MINUTE * (hour * 60 + 5))).await;
    }
    assert_eq!(deployment.github.asked_about().len(), 1);
    drop(instance);
    assert_eq!(deployment.left_in_the_end().await, [""; 0], "a day after delivery nobody looks any more");
    assert!(deployment.last_card().contains("Releasing"), "what is not known is not said");
}
