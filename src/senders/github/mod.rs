//! GitHub's side: `repository_dispatch` and questions, on one pooled client.
//!
//! Every call has a limit on connecting, on its whole length and on what is read of the answer. Redirects are never
//! followed, and tokens go to `GITHUB_API_URL` alone. GitHub's answer is a value; its consequences
//! are decided elsewhere.

mod answer;
mod call;
mod credentials;
mod read;

use anyhow::{Context, anyhow};
use reqwest::{Response, Url};
use secrecy::SecretString;

pub use self::credentials::Access;
use self::{
    call::{Answered, Api, Call},
    credentials::Credentials,
};
use crate::{
    approval::{AsksForRun, Dispatch, Repository, SendResult},
    timing::Timing,
};

/// GitHub, or a server that speaks its API.
pub struct GitHub {
    api: Api,
    credentials: Credentials,
}

impl GitHub {
    /// GitHub at `api` (`GITHUB_API_URL`), called with `token` (`GITHUB_TOKEN`). Nothing is loaded or called yet.
    pub fn new(api: Url, token: Option<SecretString>) -> Self {
        Self { api: Api::new(api), credentials: Credentials::new(token) }
    }

    /// The setting without which nothing can be sent.
    pub fn lacks(&self) -> Option<&'static str> {
        self.credentials.lacks()
    }

    /// Builds the client, which for https loads the trusted certificates (some milliseconds), unless it is there or
    /// nothing can be sent.
    pub fn prepare(&self) -> anyhow::Result<()> {
        match self.lacks() {
            Some(_) => Ok(()),
            None => self.api.prepare(),
        }
    }

    /// Sends `dispatch`, at most once, and tells what GitHub said by the deadline. `now` is what the end of a rate
    /// limit is counted from.
    pub async fn dispatch(&self, dispatch: &Dispatch, timing: Timing) -> SendResult {
        let (repository, access, path, body) = match dispatch {
            Dispatch::Event(event) => {
                (&event.repository, Access::SendEvent, vec!["dispatches"], event.body())
            }
            Dispatch::Workflow(workflow) => {
                let path = vec!["actions", "workflows", workflow.file.as_str(), "dispatches"];
                (&workflow.repository, Access::StartWorkflow, path, workflow.body(AsksForRun::No))
            }
        };
        let path: Vec<_> = ["repos", repository.owner(), repository.name()].into_iter().chain(path).collect();
        let call = Call::post(&path, body);
        match self.call(repository, access, &call, timing).await {
            Ok(answered) => answered.meaning(timing.now).await,
            Err(result) => result,
        }
    }

    /// GitHub's answer to a question that changes nothing, asked with `GITHUB_TOKEN`.
    pub async fn get(&self, path: &[&str], timing: Timing) -> anyhow::Result<Response> {
        let token = self.credentials.fixed().context("GITHUB_TOKEN is not set")?.clone();
        let answered = self.api.make(&Call::get(path, &[]), token, timing).await;
        Ok(answered.map_err(|result| anyhow!(result.detail))?.response)
    }

    /// The answer to a call about `repository`, made with a token that has `access`.
    async fn call(
        &self,
        repository: &Repository,
        access: Access,
        call: &Call<'_>,
        timing: Timing,
    ) -> Result<Answered, SendResult> {
        let token = self.credentials.token(repository, access, timing).await?;
        self.api.make(call, token, timing).await
    }
}
