//! The tokens that calls to GitHub are made with: a GitHub App's, or `GITHUB_TOKEN` where the App is not installed.
//!
//! An App's token is for one repository and for the permissions that a call needs. It is asked for once, however many
//! need it, and serves until shortly before it expires. A request for one has a limit and goes on if its caller goes
//! away, so the next caller profits. Every refusal but "not installed" is an answer: `GITHUB_TOKEN` gets no call that
//! the App was refused.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::timeout_at;

use super::{
    app_key::GitHubApp,
    cache::Cache,
    call::{Answered, Api, Call},
};
use crate::{
    approval::{AppFault, Repository, SendAnswer, SendResult},
    http_client::read_start,
    timing::Timing,
};

/// Time before its end at which a token serves no more: a call takes far less.
const MARGIN: TimeDelta = TimeDelta::minutes(5);

/// The longest that a token is kept; GitHub's live for an hour.
const MAX_LIFE: TimeDelta = TimeDelta::hours(1);

/// The time for which an installation is believed. One that is gone is noticed before, when it gives no token.
const INSTALLED_FOR: TimeDelta = TimeDelta::hours(12);

/// The time for which it is believed that there is none: somebody may be installing the App just now.
const NOT_INSTALLED_FOR: TimeDelta = TimeDelta::seconds(30);

/// Limit on a request for an installation or a token. While it is under way no other begins.
const REQUEST_TIME: Duration = Duration::from_secs(6);

/// The longest that a vote waits to learn that the App is not installed.
const LOOK_TIME: Duration = Duration::from_millis(1500);

/// The largest answer that is read, in bytes.
const MAX_ANSWER_BYTES: usize = 256 * 1024;

/// The longest token that is accepted, in bytes.
const MAX_TOKEN_BYTES: usize = 16 * 1024;

/// A clock that differs from GitHub's by more than this is why the App's own token was refused.
const CLOCK_TOLERANCE: TimeDelta = TimeDelta::seconds(60);

/// The part of `misconfigured` that names the thing that is missing.
const NOT_INSTALLED: &str = AppFault::NOT_INSTALLED;

/// The right that a call needs. Each asks for the permissions it needs and no others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// To send a `repository_dispatch`: Contents, write.
    SendEvent,
    /// To start a workflow: Actions, write.
    StartWorkflow,
    /// To read commits and refs: Contents, read.
    ReadContents,
    /// To read runs: Actions, read.
    ReadActions,
    /// To see the repository: Metadata, read.
    ReadRepository,
}

impl Access {
    /// The permission as GitHub names it, and its level.
    pub fn permission(self) -> (&'static str, &'static str) {
        match self {
            Self::SendEvent => ("contents", "write"),
            Self::StartWorkflow => ("actions", "write"),
            Self::ReadContents => ("contents", "read"),
            Self::ReadActions => ("actions", "read"),
            Self::ReadRepository => ("metadata", "read"),
        }
    }
}

/// A token for one call.
#[derive(Clone)]
pub struct Token {
    /// The token.
    pub secret: SecretString,
    /// True if it is the App's, false if it is `GITHUB_TOKEN`.
    pub is_the_apps: bool,
}

/// The credentials of this deployment.
pub struct Credentials {
    token: Option<SecretString>,
    app: Option<Arc<App>>,
}

/// A GitHub App, with the installations and tokens that are known.
pub struct App {
    api: Arc<Api>,
    app: GitHubApp,
    installations: Cache<Repository, Seen>,
    tokens: Cache<(Repository, Access), AppToken>,
}

/// The installation of the App on a repository, if there is one, and the end of that knowledge.
#[derive(Clone)]
struct Seen {
    installation: Option<u64>,
    serves_until: DateTime<Utc>,
}

/// A token of an installation; or none, if there is no installation.
#[derive(Clone)]
struct AppToken {
    secret: Option<SecretString>,
    serves_until: DateTime<Utc>,
}

/// The installation of the App on a repository, as GitHub tells it.
#[derive(Clone, Deserialize)]
pub struct Installation {
    id: u64,
    #[serde(default)]
    suspended_at: Option<String>,
    #[serde(default)]
    permissions: Value,
}

impl Installation {
    /// True if it was given this right.
    pub fn grants(&self, access: Access) -> bool {
        let (name, level) = access.permission();
        let granted = self.permissions[name].as_str().unwrap_or_default();
        granted == level || matches!((granted, level), ("write", "read"))
    }
}

impl Credentials {
    /// `GITHUB_TOKEN` and the App, if they are set.
    pub fn new(api: &Arc<Api>, token: Option<SecretString>, app: Option<GitHubApp>) -> Self {
        Self { token, app: app.map(|app| Arc::new(App::new(Arc::clone(api), app))) }
    }

    /// The setting without which no call can be made at all.
    pub fn lacks(&self) -> Option<&'static str> {
        (self.token.is_none() && self.app.is_none()).then_some("GITHUB_TOKEN")
    }

    /// The setting without which no call about this repository can be made, as far as that is known after a short
    /// look. The token is asked for meanwhile, unless it is there.
    pub async fn lacks_for(
        &self,
        repository: &Repository,
        access: Access,
        timing: Timing,
    ) -> Option<&'static str> {
        let Some(app) = &self.app else { return self.lacks() };
        app.begin(repository, access, timing.current());
        if self.token.is_some() || app.has_token(repository, access, timing.current()) {
            return None;
        }
        match app.installation(repository, timing.within(LOOK_TIME)).await {
            Ok(None) => Some(NOT_INSTALLED),
            Ok(Some(_)) | Err(_) => None,
        }
    }

    /// `GITHUB_TOKEN`, if it is set.
    pub fn fixed(&self) -> Option<&SecretString> {
        self.token.as_ref()
    }

    /// The App, if it is set.
    pub fn app(&self) -> Option<&Arc<App>> {
        self.app.as_ref()
    }

    /// The token for a call about this repository, by the deadline.
    ///
    /// # Errors
    /// The result of the call that cannot be made.
    pub async fn token(
        &self,
        repository: &Repository,
        access: Access,
        timing: Timing,
    ) -> Result<Token, SendResult> {
        if let Some(app) = &self.app
            && let Some(secret) = app.token(repository, access, timing).await?
        {
            return Ok(Token { secret, is_the_apps: true });
        }
        match (&self.token, &self.app) {
            (Some(token), _) => Ok(Token { secret: token.clone(), is_the_apps: false }),
            (None, Some(_)) => Err(fault(AppFault::NotInstalled, "the GitHub App is not installed on it")),
            (None, None) => Err(SendResult::not_tried()),
        }
    }

    /// GitHub does not take `refused` any more; true if another token is worth a try.
    pub fn forget(&self, repository: &Repository, access: Access, refused: &Token) -> bool {
        match &self.app {
            Some(app) if refused.is_the_apps => {
                app.forget(repository, access, &refused.secret);
                true
            }
            _ => false,
        }
    }
}

impl App {
    fn new(api: Arc<Api>, app: GitHubApp) -> Self {
        Self { api, app, installations: Cache::default(), tokens: Cache::default() }
    }

    /// GitHub's answer about the App itself.
    ///
    /// # Errors
    /// The reason why there is none, or none that is good.
    pub async fn itself(&self, timing: Timing) -> Result<(), SendResult> {
        let answered = self.ask(&Call::get(&["app"], &[]), timing).await?;
        match answered.status().as_u16() {
            200 => Ok(()),
            _ => Err(refusal(answered, timing.current()).await),
        }
    }

    /// The App's installation on a repository, asked for now; `None` if there is none.
    ///
    /// # Errors
    /// The reason why it is not known, which is suspended too.
    pub async fn look(
        &self,
        repository: &Repository,
        timing: Timing,
    ) -> Result<Option<Installation>, SendResult> {
        let path = ["repos", repository.owner(), repository.name(), "installation"];
        let answered = self.ask(&Call::get(&path, &[]), timing).await?;
        if answered.status() == 200 {
            let installation: Installation = read(answered).await?;
            return match installation.suspended_at {
                Some(_) => Err(fault(AppFault::Suspended, "the GitHub App's installation is suspended")),
                None => Ok(Some(installation)),
            };
        }
        match refusal(answered, timing.current()).await {
            SendResult { what: SendAnswer::NotFound, .. } => Ok(None),
            other => Err(other),
        }
    }

    /// Begins the request for a token, unless one is there or under way.
    fn begin(self: &Arc<Self>, repository: &Repository, access: Access, now: DateTime<Utc>) {
        let cached = self.tokens.of(&(repository.clone(), access));
        let is_due = |token: Option<&AppToken>| token.is_none_or(|token| token.serves_until <= now);
        cached.refresh(|known| is_due(known.value.as_ref()), self.fetching(repository, access, now));
    }

    fn has_token(&self, repository: &Repository, access: Access, now: DateTime<Utc>) -> bool {
        let known = self.tokens.of(&(repository.clone(), access)).known();
        known.value.is_some_and(|token| token.secret.is_some() && now < token.serves_until)
    }

    /// The token, or `None` if the App is not installed on the repository.
    async fn token(
        self: &Arc<Self>,
        repository: &Repository,
        access: Access,
        timing: Timing,
    ) -> Result<Option<SecretString>, SendResult> {
        let now = timing.current();
        let cached = self.tokens.of(&(repository.clone(), access));
        let serves = |token: &AppToken| now < token.serves_until;
        let got = cached.get(serves, self.fetching(repository, access, now));
        Ok(within(got, timing).await?.secret)
    }

    /// The installation's id, or `None` if the App is not installed on the repository.
    async fn installation(
        self: &Arc<Self>,
        repository: &Repository,
        timing: Timing,
    ) -> Result<Option<u64>, SendResult> {
        let now = timing.current();
        let cached = self.installations.of(repository);
        let serves = |seen: &Seen| now < seen.serves_until;
        let (app, about) = (Arc::clone(self), repository.clone());
        let got = cached.get(serves, async move {
            let installation = app.look(&about, Timing::new(now, REQUEST_TIME)).await?.map(|seen| seen.id);
            let serves = if installation.is_some() { INSTALLED_FOR } else { NOT_INSTALLED_FOR };
            Ok(Seen { installation, serves_until: now + serves })
        });
        Ok(within(got, timing).await?.installation)
    }

    fn forget(&self, repository: &Repository, access: Access, refused: &SecretString) {
        let is_it = |token: &AppToken| {
            token.secret.as_ref().is_some_and(|secret| secret.expose_secret() == refused.expose_secret())
        };
        self.tokens.of(&(repository.clone(), access)).forget(is_it);
    }

    /// The request for a token, as a task of its own.
    fn fetching(
        self: &Arc<Self>,
        repository: &Repository,
        access: Access,
        now: DateTime<Utc>,
    ) -> impl Future<Output = Result<AppToken, SendResult>> + Send + 'static {
        let (app, repository) = (Arc::clone(self), repository.clone());
        async move { app.fetch(&repository, access, Timing::new(now, REQUEST_TIME)).await }
    }

    /// Asks for a token. An installation that gives none may have been replaced by another since it was seen, so it
    /// is looked for once more.
    async fn fetch(
        self: &Arc<Self>,
        repository: &Repository,
        access: Access,
        timing: Timing,
    ) -> Result<AppToken, SendResult> {
        let none = || AppToken { secret: None, serves_until: timing.current() };
        let Some(seen) = self.installation(repository, timing).await? else { return Ok(none()) };
        match self.exchange(seen, repository, access, timing).await {
            Err(refused) if is_about_installation(&refused.what) => {
                self.installations.of(repository).forget(|known| known.installation == Some(seen));
                match self.installation(repository, timing).await? {
                    None => Ok(none()),
                    Some(same) if same == seen => Err(refused),
                    Some(other) => self.exchange(other, repository, access, timing).await,
                }
            }
            exchanged => exchanged,
        }
    }

    async fn exchange(
        &self,
        installation: u64,
        repository: &Repository,
        access: Access,
        timing: Timing,
    ) -> Result<AppToken, SendResult> {
        let (permission, level) = access.permission();
        let body = json!({"repositories": [repository.name()], "permissions": {permission: level}});
        let id = installation.to_string();
        let path = ["app", "installations", &id, "access_tokens"];
        let answered = self.ask(&Call::post(&path, body.to_string()), timing).await?;
        match answered.status().as_u16() {
            201 => read::<TokenAnswer>(answered).await?.token(timing.current()),
            422 => {
                let refused = answered.meaning(timing.current()).await;
                Err(fault(AppFault::NotGranted, &refused.detail))
            }
            _ => Err(refusal(answered, timing.current()).await),
        }
    }

    /// GitHub's answer to a call of the App itself.
    async fn ask(&self, call: &Call<'_>, timing: Timing) -> Result<Answered, SendResult> {
        let Some(secret) = self.app.token(timing.current()) else {
            return Err(fault(AppFault::Key, "the GitHub App's key does not sign"));
        };
        let token = Token { secret, is_the_apps: false };
        // Nothing was sent yet of that for which a token is needed.
        self.api.make(call, token, timing).await.map_err(|result| SendResult::unreachable(result.detail))
    }
}

/// GitHub's answer to the request for a token.
#[derive(Deserialize)]
struct TokenAnswer {
    token: String,
    expires_at: DateTime<Utc>,
}

impl TokenAnswer {
    fn token(self, now: DateTime<Utc>) -> Result<AppToken, SendResult> {
        let is_token = (1..=MAX_TOKEN_BYTES).contains(&self.token.len())
            && self.token.bytes().all(|b| b.is_ascii_graphic());
        let serves_until = self.expires_at.min(now + MAX_LIFE) - MARGIN;
        match is_token {
            true => Ok(AppToken { secret: Some(self.token.into()), serves_until }),
            false => Err(SendResult::unreachable("GitHub gave no token that fits into a header")),
        }
    }
}

/// The value, if it comes by the deadline.
async fn within<T>(
    got: impl Future<Output = Option<Result<T, SendResult>>>,
    timing: Timing,
) -> Result<T, SendResult> {
    match timeout_at(timing.deadline, got).await {
        Ok(Some(got)) => got,
        Ok(None) => Err(SendResult::unreachable("the request for a token broke off")),
        Err(_) => Err(SendResult::unreachable("GitHub gave no token in time")),
    }
}

/// The JSON of a good answer. Nothing of it is repeated.
async fn read<T: serde::de::DeserializeOwned>(mut answered: Answered) -> Result<T, SendResult> {
    let body = read_start(&mut answered.response, MAX_ANSWER_BYTES).await;
    serde_json::from_slice(&body).map_err(|_| {
        SendResult::unreachable("GitHub's answer about the App is not the JSON that was expected")
    })
}

/// The meaning of a refusal of the App itself.
async fn refusal(answered: Answered, now: DateTime<Utc>) -> SendResult {
    let theirs = answered.date();
    let mut refused = answered.meaning(now).await;
    let app = match &refused.what {
        SendAnswer::Unauthorized if theirs.is_some_and(|theirs| (theirs - now).abs() > CLOCK_TOLERANCE) => {
            Some(AppFault::Clock)
        }
        SendAnswer::Unauthorized => Some(AppFault::Key),
        // GitHub knows no App with this id; a repository without the App is plainly "Not Found".
        SendAnswer::NotFound if refused.detail.contains("Integration not found") => Some(AppFault::Key),
        SendAnswer::Blocked(words) if is_suspended(words) => Some(AppFault::Suspended),
        SendAnswer::PermissionDenied { .. } => Some(AppFault::NotGranted),
        // Whatever came back, nothing was sent yet.
        SendAnswer::Unexpected(_) => {
            refused.what = SendAnswer::Unreachable;
            None
        }
        _ => None,
    };
    refused.what = app.map_or(refused.what, SendAnswer::App);
    refused
}

/// True if GitHub's words say that an installation is suspended.
pub fn is_suspended(words: &str) -> bool {
    words.to_ascii_lowercase().contains("suspended")
}

fn is_about_installation(answer: &SendAnswer) -> bool {
    matches!(answer, SendAnswer::NotFound | SendAnswer::App(AppFault::NotGranted | AppFault::Suspended))
}

/// The result of a call that cannot be made, since something is wrong with the App.
fn fault(fault: AppFault, detail: &str) -> SendResult {
    SendResult { what: SendAnswer::App(fault), wait_s: None, detail: detail.to_owned() }
}
