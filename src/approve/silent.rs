//! Runs that are silent: one that has the approval and has said nothing for an hour is asked about, where the credentials
//! may read Actions. Its end is recorded as GitHub's word.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;

use super::Stories;
use crate::{
    approval::{Conclusion, Repository, Run, RunEnd, SendResult, Standing, silent_run},
    senders::github::Access,
    text::log::describe,
    timing::Timing,
};

/// The time for one question.
const ASKING_TIME: Duration = Duration::from_secs(4);

/// The time for which a repository is not asked about again once GitHub has refused.
const REFUSED_FOR: TimeDelta = TimeDelta::days(1);

/// The most repositories whose refusal is remembered.
const MAX_REFUSED: usize = 1_000;

/// The repositories whose runs the credentials may not read, each with the time before which nobody asks again.
#[derive(Default)]
pub struct Refusals(Mutex<HashMap<String, DateTime<Utc>>>);

impl Refusals {
    fn may_ask(&self, repository: &Repository, now: DateTime<Utc>) -> bool {
        let mut refused = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        refused.retain(|_, until| now < *until);
        !refused.contains_key(&repository.to_string()) && refused.len() < MAX_REFUSED
    }

    fn note(&self, repository: &Repository, now: DateTime<Utc>) {
        let mut refused = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        refused.insert(repository.to_string(), now + REFUSED_FOR);
    }
}

/// The part of GitHub's answer that says how a run stands.
#[derive(Deserialize)]
struct RunJson {
    id: u64,
    run_attempt: u64,
    status: String,
    conclusion: Option<String>,
    actor: Option<ActorJson>,
}

#[derive(Deserialize)]
struct ActorJson {
    login: String,
}

impl RunJson {
    /// The end of its newest attempt. Whatever is neither a success nor cancelled has failed.
    fn conclusion(&self) -> Option<Conclusion> {
        match (self.status.as_str(), self.conclusion.as_deref()) {
            ("completed", Some("success")) => Some(Conclusion::Success),
            ("completed", Some("cancelled")) => Some(Conclusion::Cancelled),
            ("completed", Some(_)) => Some(Conclusion::Failure),
            _ => None,
        }
    }
}

impl Stories {
    /// Asks GitHub about the run of an approval, if it has been silent for too long; true if its end is recorded now.
    pub(super) async fn ask_about_silent_run(self: &Arc<Self>, standing: &Standing, timing: Timing) -> bool {
        let (request, github) = (&standing.request, &self.outbox.targets.github);
        let repository = &request.workload.repository;
        let Some(id) = silent_run(standing, timing.now) else { return false };
        let may_ask = github.lacks().is_none()
            && self.policy.may_send(standing).is_ok()
            && self.refusals.may_ask(repository, timing.now);
        if !may_ask {
            return false;
        }
        let path = ["actions", "runs", id];
        let read = github.read(repository, Access::ReadActions, &path, &[], timing.within(ASKING_TIME)).await;
        let answered = match read.map(serde_json::from_value::<RunJson>) {
            Ok(Ok(answered)) if answered.id.to_string() == *id => answered,
            Ok(_) => return false,
            Err(SendResult { what, .. }) => {
                if what.is_refusal() {
                    self.refusals.note(repository, timing.now);
                }
                return false;
            }
        };
        let Some(conclusion) = answered.conclusion() else { return false };
        match self.note_answer(standing, &answered, conclusion, timing).await {
            Ok(()) => true,
            Err(error) => {
                log::warn!("approval {}: {}", request.id.short(), describe(&error));
                false
            }
        }
    }

    async fn note_answer(
        &self,
        standing: &Standing,
        answered: &RunJson,
        conclusion: Conclusion,
        timing: Timing,
    ) -> anyhow::Result<()> {
        let (id, ledger) = (&standing.request.id, &self.outbox.ledger);
        let end = RunEnd { conclusion, at: timing.now, is_by_github: true };
        if standing.run.is_none() {
            // GitHub named it, and it has never said anything itself.
            let actor = answered.actor.as_ref().map(|actor| actor.login.clone()).unwrap_or_default();
            let (run_id, attempt) = (answered.id.to_string(), answered.run_attempt);
            let run = Run { id: run_id, actor, attempt, started_at: timing.now, end: None };
            ledger.note_run(id, &run, timing.deadline).await?;
        }
        ledger.note_end(id, answered.run_attempt, end, timing.deadline).await.map(drop)
    }
}
