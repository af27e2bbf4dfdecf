//! GitHub's side: `repository_dispatch`, `workflow_dispatch` and questions, on one pooled client.
//!
//! Every call has a limit on connecting, on its whole length and on what is read of the answer. Redirects are never
//! followed, and tokens go to `GITHUB_API_URL` alone. GitHub's answer is a value; its consequences
//! are decided elsewhere.

mod answer;
mod app_key;
mod cache;
mod call;
mod compare;
mod credentials;
mod origin;
mod read;
mod workflows;

use std::sync::Arc;

use anyhow::{Context, anyhow};
use reqwest::{Response, StatusCode, Url};
use secrecy::SecretString;

pub use self::{
    app_key::{AppKey, GitHubApp},
    compare::Uncompared,
    credentials::{Access, Installation},
};
use self::{
    call::{Answered, Api, Call},
    credentials::{Credentials, Token},
};
use crate::{
    approval::{AsksForRun, Dispatch, NamedRun, Repository, SendAnswer, SendResult, WorkflowDispatch},
    timing::Timing,
};

/// GitHub, or a server that speaks its API.
pub struct GitHub {
    api: Arc<Api>,
    credentials: Credentials,
}

impl GitHub {
    /// GitHub at `api` (`GITHUB_API_URL`), called with the tokens of `app` or, where that is not installed, with
    /// `token` (`GITHUB_TOKEN`). Nothing is loaded or called yet.
    pub fn new(api: Url, token: Option<SecretString>, app: Option<GitHubApp>) -> Self {
        let api = Arc::new(Api::new(api));
        Self { credentials: Credentials::new(&api, token, app), api }
    }

    /// The setting without which nothing can be sent.
    pub fn lacks(&self) -> Option<&'static str> {
        self.credentials.lacks()
    }

    /// The thing without which nothing can be sent to this repository, as far as that is known after a short look.
    /// The token is asked for meanwhile, if there is none.
    pub async fn lacks_for(
        &self,
        repository: &Repository,
        access: Access,
        timing: Timing,
    ) -> Option<&'static str> {
        self.credentials.lacks_for(repository, access, timing).await
    }

    /// True if `GITHUB_TOKEN` is set.
    pub fn has_token(&self) -> bool {
        self.credentials.fixed().is_some()
    }

    /// The App's state, if it is set: asked for without changing anything.
    pub async fn app(&self, timing: Timing) -> Option<Result<(), SendResult>> {
        Some(self.credentials.app()?.itself(timing).await)
    }

    /// The App's installation on a repository, if the App is set: asked for without changing anything.
    pub async fn app_on(
        &self,
        repository: &Repository,
        timing: Timing,
    ) -> Option<Result<Option<Installation>, SendResult>> {
        Some(self.credentials.app()?.look(repository, timing).await)
    }

    /// Builds the client, which for https loads the trusted certificates (some milliseconds), unless it is there or
    /// nothing can be sent.
    pub fn prepare(&self) -> anyhow::Result<()> {
        match self.lacks() {
            Some(_) => Ok(()),
            None => self.api.prepare(),
        }
    }

    /// Sends `dispatch`, at most once, and tells what GitHub said by the deadline, with the run if it started one and
    /// named it. `now` is what the end of a rate limit is counted from.
    pub async fn dispatch(&self, dispatch: &Dispatch, timing: Timing) -> (SendResult, Option<NamedRun>) {
        match dispatch {
            Dispatch::Event(event) => {
                let path = ["repos", event.repository.owner(), event.repository.name(), "dispatches"];
                let call = Call::post(&path, event.body());
                match self.call(&event.repository, Access::SendEvent, &call, timing).await {
                    Ok(answered) => (answered.meaning(timing.now).await, None),
                    Err(result) => (result, None),
                }
            }
            Dispatch::Workflow(workflow) => self.start(workflow, timing).await,
        }
    }

    /// Starts a workflow. A server that does not know how to name the run is asked once more without that: it has
    /// refused the first request, so this starts nothing twice.
    async fn start(&self, workflow: &WorkflowDispatch, timing: Timing) -> (SendResult, Option<NamedRun>) {
        let (repository, file) = (&workflow.repository, workflow.file.as_str());
        let path =
            ["repos", repository.owner(), repository.name(), "actions", "workflows", file, "dispatches"];
        let mut result = SendResult::not_tried();
        for asks in [AsksForRun::Yes, AsksForRun::No] {
            if timing.left().is_zero() {
                return (SendResult::not_tried(), None);
            }
            let call = Call::post(&path, workflow.body(asks));
            let read = match self.call(repository, Access::StartWorkflow, &call, timing).await {
                Ok(answered) => answered.read(timing.now).await,
                Err(failed) => return (failed, None),
            };
            let run = workflows::named_run(&read.body).filter(|_| read.status == StatusCode::OK);
            // GitHub says 200 to nothing but a run that it started, even if the run cannot be read of it.
            if read.status == StatusCode::OK {
                return (SendResult { what: SendAnswer::Accepted, ..read.result }, run);
            }
            let refuses_parameter = workflows::refuses_parameter(read.status, &read.message);
            result = workflows::refused(read.result, &read.message);
            if !refuses_parameter {
                break;
            }
        }
        (result, None)
    }

    /// GitHub's answer to a question that changes nothing, asked with `GITHUB_TOKEN`.
    pub async fn get(&self, path: &[&str], timing: Timing) -> anyhow::Result<Response> {
        let secret = self.credentials.fixed().context("GITHUB_TOKEN is not set")?.clone();
        let token = Token { secret, is_the_apps: false };
        let answered = self.api.make(&Call::get(path, &[]), token, timing).await;
        Ok(answered.map_err(|result| anyhow!(result.detail))?.response)
    }

    /// The answer to a call about `repository`, made with a token that has `access`. One that was taken back before its
    /// end is replaced once.
    async fn call(
        &self,
        repository: &Repository,
        access: Access,
        call: &Call<'_>,
        timing: Timing,
    ) -> Result<Answered, SendResult> {
        let token = self.credentials.token(repository, access, timing).await?;
        let answered = self.api.make(call, token, timing).await?;
        if answered.status() != 401 || !self.credentials.forget(repository, access, answered.token()) {
            return Ok(answered);
        }
        let token = self.credentials.token(repository, access, timing).await?;
        self.api.make(call, token, timing).await
    }
}
