//! The Bot Connector: through it the bot posts cards, changes them, and asks for a person's name.
//!
//! Every call goes to `BOT_SERVICE_URL`, even if an activity names another service, with each id of it as one
//! segment of the path. Each has a limit on its whole length, the token included, and on what is read of the answer;
//! redirects are never followed. If a token is refused, another is fetched, once.

use std::{iter, time::Duration};

use anyhow::{Context, bail};
use chrono::{DateTime, Utc};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{
    Method, RequestBuilder,
    header::{AUTHORIZATION, CONTENT_TYPE},
};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::timeout_at;
use url::Url;

use super::{Bot, Post, answered, card_message, members::Members, unsent};
use crate::{
    approval::{Guid, PostedMessage, SendAnswer, SendResult},
    http_client::{LazyClient, failure},
    senders::token::{App, AppToken, Token},
    timing::Timing,
    urls::below,
};

/// A connection that takes longer is given up: nothing was sent.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// The longest id that is sent or kept, in bytes; those of Teams have some hundred.
const MAX_ID_BYTES: usize = 1024;

/// The longest user principal name that is believed, in bytes; Entra's longest, in the form that guests have.
const MAX_NAME_BYTES: usize = 512;

/// Characters of an id that are encoded in a path: all but RFC 3986's unreserved ones.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The Bot Connector, as the bot sees it.
pub struct Connector {
    client: LazyClient,
    token: AppToken,
    tenant: Guid,
    channel: Option<String>,
    members: Members,
}

/// One call, and how long it may take.
struct Call<'a> {
    method: Method,
    /// Below `/v3/conversations`; each is one segment.
    path: &'a [&'a str],
    body: Option<String>,
    timing: Timing,
}

/// An answer, and the start of its body.
struct Reply {
    answered: SendResult,
    body: Vec<u8>,
}

/// The answer to a conversation that was begun with a message.
#[derive(Deserialize)]
struct Begun {
    id: String,
    #[serde(rename = "activityId")]
    activity_id: String,
}

/// A member of a team or a channel, as far as we read it.
#[derive(Deserialize)]
struct Member {
    #[serde(rename = "userPrincipalName")]
    user_principal_name: Option<String>,
}

/// A message with a text that is shown to the letter.
pub fn plain_text(text: &str) -> Value {
    json!({"type": "message", "text": text, "textFormat": "plain"})
}

impl Connector {
    /// The Bot Connector for `bot`; nothing is loaded or called yet.
    pub fn new(bot: Bot) -> Self {
        Self {
            client: LazyClient::new(bot.service_url.clone(), CONNECT_TIMEOUT),
            tenant: bot.tenant.clone(),
            channel: bot.channel.clone(),
            token: AppToken::new(App::of(&bot, bot.resource, "the bot's token")),
            members: Members::default(),
        }
    }

    /// The deployment's own channel (`TEAMS_CHANNEL_ID`).
    pub fn channel(&self) -> Option<&str> {
        self.channel.as_deref()
    }

    /// The setting without which there is no such channel.
    pub fn lacks(&self) -> Option<&'static str> {
        self.channel.is_none().then_some("TEAMS_CHANNEL_ID")
    }

    /// Gets the bot's token, and sends nothing.
    pub async fn can_sign_in(&self, now: DateTime<Utc>) -> Result<(), ()> {
        self.token.get(now).await.map(drop).map_err(drop)
    }

    /// Builds the clients, unless they are there.
    pub fn prepare(&self) -> anyhow::Result<()> {
        self.client.get()?;
        self.token.prepare()
    }

    /// Posts an Adaptive Card to the channel of this id, at most once, and tells what Teams said by the deadline. A card
    /// that was taken and comes without ids stands there and cannot be changed.
    pub async fn post(
        &self,
        channel: &str,
        post: &Post,
        timing: Timing,
    ) -> (SendResult, Option<PostedMessage>) {
        let body = json!({
            "isGroup": true,
            "tenantId": self.tenant.to_string(),
            "channelData": {"channel": {"id": channel}},
            "activity": card_message(post),
        });
        let reply = self.call(Call::new(Method::POST, &[], timing).with(&body)).await;
        let posted = reply.is_accepted().then(|| posted_message(&reply.body)).flatten();
        (reply.answered, posted)
    }

    /// The link that opens a message in Teams.
    pub fn link(&self, message: &PostedMessage) -> String {
        let segment = |text: &str| utf8_percent_encode(text, SEGMENT).to_string();
        let thread = message.conversation.as_str();
        let channel = thread.split_once(";messageid=").map_or(thread, |(channel, _)| channel);
        format!(
            "https://teams.microsoft.com/l/message/{}/{}?tenantId={}",
            segment(channel),
            segment(&message.activity),
            self.tenant
        )
    }

    /// Replaces the card of a message, for everybody who sees it.
    pub async fn update(&self, message: &PostedMessage, post: &Post, timing: Timing) -> SendResult {
        let path = [message.conversation.as_str(), "activities", message.activity.as_str()];
        let call = Call::new(Method::PUT, &path, timing).with(&card_message(post));
        self.call(call).await.answered
    }

    /// Sends an activity, such as [`plain_text`], to the end of a conversation, at most once.
    pub async fn send(&self, conversation: &str, activity: &Value, timing: Timing) -> SendResult {
        let path = [conversation, "activities"];
        self.call(Call::new(Method::POST, &path, timing).with(activity)).await.answered
    }

    /// The user principal name of a member of a team or a channel; `None` if there is no such member, or the member has
    /// none. A name is believed for an hour.
    ///
    /// `roster` is the team's or the channel's id, and not that of a thread.
    pub async fn member(
        &self,
        roster: &str,
        user_id: &str,
        timing: Timing,
    ) -> anyhow::Result<Option<String>> {
        if let Some(name) = self.members.get(roster, user_id, timing.now) {
            return Ok(Some(name));
        }
        let path = [roster, "members", user_id];
        let reply = self.call(Call::new(Method::GET, &path, timing)).await;
        match reply.answered.what {
            SendAnswer::Accepted => {}
            SendAnswer::NotFound => return Ok(None),
            _ => bail!(reply.answered.detail),
        }
        let name = Member::read(&reply.body)?;
        if let Some(name) = &name {
            self.members.remember(roster, user_id, name, timing.now);
        }
        Ok(name)
    }

    /// Calls, and once more with a new token if the first is refused: nothing was done then.
    async fn call(&self, call: Call<'_>) -> Reply {
        let called = async {
            let url = address(self.client.base(), call.path)?;
            let token = self.token(&call).await?;
            let reply = self.call_with(&token, &call, url.clone()).await;
            if reply.answered.what != SendAnswer::Unauthorized {
                return Ok(reply);
            }
            self.token.forget(&token);
            let token = self.token(&call).await?;
            Ok(self.call_with(&token, &call, url).await)
        };
        called.await.unwrap_or_else(|answered| Reply { answered, body: Vec::new() })
    }

    async fn token(&self, call: &Call<'_>) -> Result<Token, SendResult> {
        match timeout_at(call.timing.deadline, self.token.get(call.timing.now)).await {
            Ok(Ok(token)) => Ok(token),
            Ok(Err(refusal)) => Err(refusal),
            Err(_) => Err(too_late()),
        }
    }

    async fn call_with(&self, token: &Token, call: &Call<'_>, url: Url) -> Reply {
        let request = match self.request(token, call, url) {
            Ok(request) => request,
            Err(answered) => return Reply { answered, body: Vec::new() },
        };
        match request.send().await {
            Ok(response) => {
                let secret = token.authorization();
                let secret = secret.to_str().unwrap_or_default();
                let (answered, body) = answered("the Bot Connector", response, secret).await;
                Reply { answered, body }
            }
            Err(error) => {
                Reply { answered: failure("the Bot Connector", &error.without_url()), body: Vec::new() }
            }
        }
    }

    fn request(&self, token: &Token, call: &Call<'_>, url: Url) -> Result<RequestBuilder, SendResult> {
        let left = call.timing.left();
        if left.is_zero() {
            return Err(too_late());
        }
        let client = self.client.get().map_err(|error| unsent(SendAnswer::Unreachable, &error))?;
        let request = client.request(call.method.clone(), url).timeout(left);
        let request = request.header(AUTHORIZATION, token.authorization());
        Ok(match &call.body {
            Some(body) => request.header(CONTENT_TYPE, "application/json").body(body.clone()),
            None => request,
        })
    }
}

impl<'a> Call<'a> {
    fn new(method: Method, path: &'a [&'a str], timing: Timing) -> Self {
        Self { method, path, body: None, timing }
    }

    fn with(self, body: &Value) -> Self {
        Self { body: Some(body.to_string()), ..self }
    }
}

impl Reply {
    fn is_accepted(&self) -> bool {
        self.answered.what == SendAnswer::Accepted
    }
}

/// The place of the message that began a conversation.
fn posted_message(body: &[u8]) -> Option<PostedMessage> {
    let begun: Begun = serde_json::from_slice(body).ok()?;
    let are_ids = is_id(&begun.id) && is_id(&begun.activity_id);
    are_ids.then_some(PostedMessage { conversation: begun.id, activity: begun.activity_id })
}

impl Member {
    fn read(body: &[u8]) -> anyhow::Result<Option<String>> {
        // The error would repeat parts of the answer.
        let member: Self = serde_json::from_slice(body)
            .ok()
            .context("what the Bot Connector says of a member is not the JSON that was expected")?;
        let is_name = |name: &String| (1..=MAX_NAME_BYTES).contains(&name.trim().len());
        Ok(member.user_principal_name.filter(is_name))
    }
}

/// The answer if the token took all the time: nothing was sent.
fn too_late() -> SendResult {
    unsent(SendAnswer::Unreachable, &anyhow::anyhow!("the bot's token did not come in time"))
}

/// The address of a call. An invalid id has none.
fn address(service: &Url, path: &[&str]) -> Result<Url, SendResult> {
    if !path.iter().all(|segment| is_id(segment)) {
        let error = anyhow::anyhow!("this is no id of Teams, and the Bot Connector is not asked for it");
        return Err(unsent(SendAnswer::NotFound, &error));
    }
    let mut url = below(service, ["v3", "conversations"]);
    let ids = path.iter().map(|segment| format!("/{}", utf8_percent_encode(segment, SEGMENT)));
    let path: String = iter::once(url.path().to_owned()).chain(ids).collect();
    url.set_path(&path);
    Ok(url)
}

/// True if a text can be one segment of a path: to a URL one or two dots are steps, however they are encoded.
fn is_id(text: &str) -> bool {
    (1..=MAX_ID_BYTES).contains(&text.len()) && !matches!(text, "." | "..")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(service: &str, segments: &[&str]) -> Option<String> {
        let service = Url::parse(service).expect("a URL");
        Some(address(&service, segments).ok()?.as_str().strip_prefix("https://x")?.to_owned())
    }

    #[test]
    fn each_id_is_one_segment_below_the_service() {
        for service in ["https://x/teams", "https://x/teams/"] {
            assert_eq!(path(service, &[]).as_deref(), Some("/teams/v3/conversations"));
            assert_eq!(
                path(service, &["19:a@thread.tacv2;messageid=1", "activities", "1"]).as_deref(),
                Some("/teams/v3/conversations/19%3Aa%40thread.tacv2%3Bmessageid%3D1/activities/1")
            );
        }
        for (id, encoded) in [
            ("../x", "..%2Fx"),
            ("a/b\\c", "a%2Fb%5Cc"),
            ("?a=b#c", "%3Fa%3Db%23c"),
            ("%2e%2e", "%252e%252e"),
            ("...", "..."),
            ("a b\r\n\0é", "a%20b%0D%0A%00%C3%A9"),
        ] {
            assert_eq!(path("https://x", &[id]), Some(format!("/v3/conversations/{encoded}")));
        }
    }

    #[test]
    fn an_invalid_id_is_never_part_of_an_address() {
        for id in ["", ".", "..", &"x".repeat(MAX_ID_BYTES + 1)] {
            assert_eq!(path("https://x", &[id, "activities"]), None, "{id:?}");
        }
    }
}
