//! Microsoft Graph, which knows who is in a group and whose account may sign in.
//!
//! It is called as the bot, or else as the app's managed identity. An answer serves for a minute, also one that says no;
//! one request at a time for each person and list of groups. Groups within groups are Graph's own work:
//! <https://learn.microsoft.com/graph/api/directoryobject-checkmembergroups>.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context, anyhow};
use chrono::{DateTime, Utc};
use futures_util::future::try_join_all;
use reqwest::{
    Method, StatusCode,
    header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER},
};
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};
use url::Url;

use super::token::{App, AppToken};
use crate::{
    approval::{Guid, Memberships},
    http_client::{LazyClient, failure, read_start},
    refreshing::Refreshing,
    text::log::describe,
    timing::Timing,
    urls::below,
};

/// The permissions of the app in Graph without which it answers 403.
pub const PERMISSIONS: &str = "GroupMember.Read.All and User.Read.All";

/// The most groups that Graph takes in one call.
const GROUPS_OF_A_CALL: usize = 20;

/// The time for which an answer serves, from the moment at which it was asked for.
const SERVES: Duration = Duration::from_secs(60);

/// The longest that a story waits: the vote comes after it.
const WAIT: Duration = Duration::from_millis(1_800);

/// Limit on all calls about one person. A story that did not wait for them leaves them to the next click.
const REQUEST_TIME: Duration = Duration::from_secs(6);

const CONNECT_TIME: Duration = Duration::from_secs(2);

/// The longest pause that Graph can make us keep (`Retry-After`).
const MAX_PAUSE: Duration = Duration::from_secs(60);

/// The most answers that are kept. Nobody has that many approvers, and asking again costs little.
const MAX_ANSWERS: usize = 1_000;

/// The part of an answer that is read, in bytes: 20 ids, or two properties.
const MAX_ANSWER_BYTES: usize = 16 * 1024;

/// Graph, as it is configured.
#[derive(Clone, Debug)]
pub struct Setup {
    /// `GRAPH_URL`
    pub url: Url,
    /// The app that calls it, if there is one.
    pub app: Option<App>,
}

/// The reason why Graph did not tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Untold {
    /// The app has neither a bot nor an identity to call as.
    NoIdentity,
    /// Graph refuses the app (403): it lacks a permission.
    NoPermission,
    /// Anything else, printable and without secrets.
    Away(String),
}

impl Untold {
    /// The reason, for the operator.
    pub fn detail(&self) -> String {
        match self {
            Self::NoIdentity => {
                "Microsoft Graph needs a bot or a managed identity to be called as".to_owned()
            }
            Self::NoPermission => format!(
                "Microsoft Graph answered 403: grant the app's identity the application permissions {PERMISSIONS}, with \
                 an administrator's consent"
            ),
            Self::Away(detail) => detail.clone(),
        }
    }
}

/// The properties of a group that bear on who may be in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// `visibility`, such as `Public`; none for groups that have no such choice.
    pub visibility: Option<String>,
    /// True if a rule about people's properties makes its members.
    pub is_dynamic: bool,
}

/// The client of Graph, and its answers of the last minute.
pub struct Graph {
    calls: Arc<Calls>,
    answers: Mutex<HashMap<(Guid, Vec<Guid>), Answer>>,
}

type Answer = Refreshing<Told, Untold>;

/// Graph's word on one person.
#[derive(Clone)]
struct Told {
    asked_at: Instant,
    memberships: Memberships,
}

impl Told {
    fn serves(&self) -> bool {
        self.asked_at.elapsed() < SERVES
    }
}

struct Calls {
    client: LazyClient,
    token: Option<AppToken>,
    /// The end of the pause that Graph asked for.
    not_before: Mutex<Option<Instant>>,
}

impl Graph {
    /// The Graph of `setup`; nothing is loaded or called yet.
    pub fn new(setup: Setup) -> Self {
        let calls = Calls {
            client: LazyClient::new(setup.url, CONNECT_TIME),
            token: setup.app.map(AppToken::new),
            not_before: Mutex::default(),
        };
        Self { calls: Arc::new(calls), answers: Mutex::default() }
    }

    /// Builds the clients, unless they are there.
    pub fn prepare(&self) -> anyhow::Result<()> {
        self.calls.client.get()?;
        self.calls.token.as_ref().map_or(Ok(()), AppToken::prepare)
    }

    /// Begins to ask, unless the answer is there or on its way.
    pub fn begin(&self, person: &Guid, groups: &[Guid], now: DateTime<Utc>) {
        let request = Arc::clone(&self.calls).told(person.clone(), groups.to_vec(), now);
        self.answer(person, groups).refresh(|known| !known.value.as_ref().is_some_and(Told::serves), request);
    }

    /// The groups of `groups` that `person` is in, at most a minute old. None of them if the account may not sign in,
    /// or if the tenant has no such person.
    pub async fn memberships(
        &self,
        person: &Guid,
        groups: &[Guid],
        timing: Timing,
    ) -> Result<Memberships, Untold> {
        let request = Arc::clone(&self.calls).told(person.clone(), groups.to_vec(), timing.now);
        let answer = self.answer(person, groups);
        let waited = timeout(timing.left().min(WAIT), answer.get(Told::serves, request)).await;
        match waited {
            Ok(Some(told)) => told.map(|told| told.memberships),
            Ok(None) => Err(Untold::Away("the request to Microsoft Graph broke off".to_owned())),
            Err(_) => Err(Untold::Away("Microsoft Graph did not answer in time".to_owned())),
        }
    }

    /// The properties of a group; none if the tenant has no such group.
    pub async fn group(&self, group: &Guid, timing: Timing) -> Result<Option<Group>, Untold> {
        let mut url = below(self.calls.client.base(), ["v1.0", "groups", &group.to_string()]);
        url.set_query(Some("$select=visibility,groupTypes"));
        let asked = self.calls.call(Method::GET, url, None, timing.now);
        let answer = timeout(timing.left(), asked)
            .await
            .map_err(|_| Untold::Away("Microsoft Graph did not answer in time".to_owned()))??;
        let Some(shown) = answer else { return Ok(None) };
        let types = shown["groupTypes"].as_array().ok_or_else(unexpected)?;
        let visibility = shown["visibility"].as_str().map(str::to_owned);
        Ok(Some(Group { visibility, is_dynamic: types.iter().any(|kind| kind == "DynamicMembership") }))
    }

    /// The answer about this person and these groups, which may still have to come.
    fn answer(&self, person: &Guid, groups: &[Guid]) -> Answer {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (person.clone(), groups.to_vec());
        if answers.len() >= MAX_ANSWERS && !answers.contains_key(&key) {
            answers.retain(|_, answer| {
                let known = answer.known();
                known.is_under_way() || known.value.is_some_and(|told| told.serves())
            });
            if answers.len() >= MAX_ANSWERS {
                answers.clear();
            }
        }
        answers.entry(key).or_default().clone()
    }
}

impl Calls {
    /// Asks about a person: the groups, at most 20 a call, and the account, side by side.
    async fn told(
        self: Arc<Self>,
        person: Guid,
        groups: Vec<Guid>,
        now: DateTime<Utc>,
    ) -> Result<Told, Untold> {
        let asked_at = Instant::now();
        let asked = async {
            let in_groups =
                groups.chunks(GROUPS_OF_A_CALL).map(|groups| self.groups_with(&person, groups, now));
            tokio::try_join!(try_join_all(in_groups), self.may_sign_in(&person, now))
        };
        let (in_groups, may_sign_in) = timeout(REQUEST_TIME, asked)
            .await
            .map_err(|_| Untold::Away("Microsoft Graph did not answer in time".to_owned()))??;
        // An account that is known, and whose groups are not: something else answers in place of Graph.
        if may_sign_in && in_groups.iter().any(Option::is_none) {
            return Err(Untold::Away(
                "Microsoft Graph answered 404 about the groups of an account that it has".to_owned(),
            ));
        }
        let mut memberships = Memberships::default();
        for group in &groups {
            let is_in = in_groups.iter().flatten().flatten().any(|found| found == group);
            memberships.note(&person, group, may_sign_in && is_in);
        }
        Ok(Told { asked_at, memberships })
    }

    /// Those of the groups that the person is in; none if there is no such person.
    async fn groups_with(
        &self,
        person: &Guid,
        groups: &[Guid],
        now: DateTime<Utc>,
    ) -> Result<Option<Vec<Guid>>, Untold> {
        let path = ["v1.0", "users", &person.to_string(), "checkMemberGroups"];
        let ids: Vec<_> = groups.iter().map(Guid::to_string).collect();
        let body = json!({"groupIds": ids}).to_string();
        let url = below(self.client.base(), path);
        let Some(answer) = self.call(Method::POST, url, Some(body), now).await? else {
            return Ok(None);
        };
        let found = answer["value"].as_array().ok_or_else(unexpected)?;
        let found = found.iter().map(|id| id.as_str().and_then(Guid::parse).ok_or_else(unexpected));
        found.collect::<Result<_, _>>().map(Some)
    }

    async fn may_sign_in(&self, person: &Guid, now: DateTime<Utc>) -> Result<bool, Untold> {
        let mut url = below(self.client.base(), ["v1.0", "users", &person.to_string()]);
        url.set_query(Some("$select=accountEnabled"));
        match self.call(Method::GET, url, None, now).await? {
            Some(answer) => answer["accountEnabled"].as_bool().ok_or_else(unexpected),
            None => Ok(false),
        }
    }

    /// The JSON of an answer; none for 404.
    async fn call(
        &self,
        method: Method,
        url: Url,
        body: Option<String>,
        now: DateTime<Utc>,
    ) -> Result<Option<Value>, Untold> {
        self.pause()?;
        let source = self.token.as_ref().ok_or(Untold::NoIdentity)?;
        let token = source.get(now).await.map_err(|result| Untold::Away(result.detail))?;
        let client = self.client.get().map_err(|error| Untold::Away(describe(&error)))?;
        let mut request = client.request(method, url).header(AUTHORIZATION, token.authorization());
        if let Some(body) = body {
            request = request.header(CONTENT_TYPE, "application/json").body(body);
        }
        let sent = request.timeout(REQUEST_TIME).send().await;
        let mut answer =
            sent.map_err(|error| Untold::Away(failure("Microsoft Graph", &error.without_url()).detail))?;
        let status = answer.status();
        match status {
            StatusCode::OK => {
                let body = read_start(&mut answer, MAX_ANSWER_BYTES).await;
                read(&body).map(Some).map_err(|error| Untold::Away(describe(&error)))
            }
            StatusCode::NOT_FOUND => Ok(None),
            StatusCode::FORBIDDEN => {
                // A later token has the permission, once it is granted.
                source.forget(&token);
                Err(Untold::NoPermission)
            }
            _ => {
                if status == StatusCode::UNAUTHORIZED {
                    source.forget(&token);
                }
                let asked_to_wait = answer.headers().get(RETRY_AFTER);
                self.keep_pause(
                    status,
                    asked_to_wait.and_then(|value| value.to_str().ok()?.trim().parse().ok()),
                );
                Err(Untold::Away(format!("Microsoft Graph answered {}", status.as_u16())))
            }
        }
    }

    /// Keeps the pause that Graph asks for, for all calls: they share one limit.
    fn keep_pause(&self, status: StatusCode, asked_to_wait_s: Option<u64>) {
        let is_busy = matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
        if let Some(wait_s) = asked_to_wait_s.filter(|_| is_busy) {
            let until = Instant::now() + Duration::from_secs(wait_s).min(MAX_PAUSE);
            *self.not_before.lock().unwrap_or_else(PoisonError::into_inner) = Some(until);
        }
    }

    fn pause(&self) -> Result<(), Untold> {
        let not_before = *self.not_before.lock().unwrap_or_else(PoisonError::into_inner);
        match not_before {
            Some(until) if Instant::now() < until => {
                Err(Untold::Away("Microsoft Graph asked for a pause".to_owned()))
            }
            _ => Ok(()),
        }
    }
}

/// The error would repeat parts of the answer.
fn read(body: &[u8]) -> anyhow::Result<Value> {
    let answer = serde_json::from_slice::<Value>(body).map_err(|_| anyhow!("no JSON"));
    answer
        .and_then(|answer| answer.is_object().then_some(answer).context("no object"))
        .context("Microsoft Graph's answer cannot be read")
}

fn unexpected() -> Untold {
    Untold::Away("Microsoft Graph's answer lacks what was asked for".to_owned())
}
