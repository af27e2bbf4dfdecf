//! The checks of a deployment: all that it needs, asked about without changing anything. Nothing is posted and nothing
//! is dispatched; what only a write would prove says "not tried".

use std::{
    future::Future,
    sync::{Arc, PoisonError},
    time::Duration,
};

use base64::prelude::{BASE64_STANDARD, Engine};
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::{FutureExt, StreamExt, future::BoxFuture, stream};
use log::Level;
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};
use tokio::time::{Instant, timeout_at};

use super::{Rooms, channels, timing};
use crate::{
    approval::{
        AppFault, Guid, Repository, RepositoryPattern, SendAnswer, SendResult, TargetName,
        rules::{Rule, RuleChannel},
    },
    cards::page::{Finding, FindingState},
    command_line::VERSION,
    config::Listen,
    http_client::read_start,
    outbox::Sender,
    refreshing::Refreshing,
    senders::{
        github::{Access, Installation},
        graph::{Group, Untold},
    },
    text::log::describe,
    timing::Timing,
    urls::below,
};

/// The longest time of all checks together.
const CHECK_TIME: Duration = Duration::from_secs(10);

/// The most checks at the same time: a deployment may have hundreds of repositories, and GitHub dislikes bursts.
const CHECKED_AT_ONCE: usize = 16;

/// The time after the start at which the first look begins. The requests that woke the program come first, and a host
/// that has just started it does not lead `PUBLIC_URL` to it yet.
const FIRST_LOOK_AFTER: Duration = Duration::from_secs(2);
/// The most groups that are asked about at the same time.
const GROUPS_AT_ONCE: usize = 8;

/// The time for which a look serves everybody who asks.
const SERVES: Duration = Duration::from_secs(60);

/// The time before its end at which a credential is to be renewed.
const RENEW_BEFORE: TimeDelta = TimeDelta::days(14);

/// The time after which a timer that fires every minute is silent.
const SILENT_AFTER: Duration = Duration::from_secs(180);

/// Limit on connecting to `PUBLIC_URL`.
pub const CONNECT_TIME: Duration = Duration::from_secs(3);

/// The part of an answer that is read, in bytes.
const MAX_ANSWER_BYTES: usize = 64 * 1024;

/// The header in which GitHub says when a token ends, such as `2026-12-01 08:00:00 UTC`.
/// Source: <https://docs.github.com/authentication/keeping-your-account-and-data-secure/token-expiration-and-revocation>.
const TOKEN_ENDS: &str = "github-authentication-token-expiration";

/// The last look, and its time. A look never fails: it finds what does.
pub type Looked = Refreshing<(Instant, Arc<Vec<Finding>>), ()>;

fn well(message: impl Into<String>) -> (FindingState, String) {
    (FindingState::Well, message.into())
}

fn wrong(message: impl Into<String>) -> (FindingState, String) {
    (FindingState::Wrong, message.into())
}

fn unused(message: impl Into<String>) -> (FindingState, String) {
    (FindingState::Unused, message.into())
}

impl Rooms {
    /// All checks, of at most a minute ago. Those who ask at the same time share one look, which goes on if they go away.
    pub async fn checks(self: &Arc<Self>) -> Arc<Vec<Finding>> {
        let rooms = Arc::clone(self);
        let look = async move {
            let checks = Arc::new(rooms.look().await);
            Ok((Instant::now(), checks))
        };
        match self.looked.get(|(at, _)| at.elapsed() < SERVES, look).await {
            Some(Ok((_, checks))) => checks,
            // The look broke off, as when the process stops.
            _ => Arc::default(),
        }
    }

    /// Logs all checks soon after the start, a line each.
    pub async fn log_first_look(self: Arc<Self>) {
        tokio::time::sleep(FIRST_LOOK_AFTER).await;
        for Finding { name, state, message } in self.checks().await.iter() {
            let level = if *state == FindingState::Wrong { Level::Warn } else { Level::Info };
            log::log!(level, "check {name}: {}. {message}", state.as_str());
        }
    }

    async fn look(&self) -> Vec<Finding> {
        let timing = timing(CHECK_TIME);
        let literal = self.stories.policy.allowed_repositories.iter();
        let literal = literal.filter_map(|pattern| Some((pattern, pattern.repository()?)));
        let mut checks: Vec<BoxFuture<'_, Finding>> = vec![
            named("store".to_owned(), timing, self.store(timing)).boxed(),
            named("github".to_owned(), timing, self.github(timing)).boxed(),
        ];
        checks.extend(literal.map(|(pattern, repository)| {
            let name = format!("github:{repository}");
            named(name, timing, self.repository(pattern, repository, timing)).boxed()
        }));
        checks.extend([
            named("github-keys".to_owned(), timing, self.github_keys()).boxed(),
            named("entra-keys".to_owned(), timing, self.entra_keys()).boxed(),
            named("bot".to_owned(), timing, self.bot(timing)).boxed(),
            named("webhook".to_owned(), timing, async { self.webhook() }).boxed(),
            named("public-url".to_owned(), timing, self.public_url(timing)).boxed(),
            named("sign-in".to_owned(), timing, self.sign_in(timing)).boxed(),
            named("timer".to_owned(), timing, async { self.timer() }).boxed(),
            named("policy".to_owned(), timing, self.policy(timing)).boxed(),
            named("version".to_owned(), timing, async { well(VERSION.trim()) }).boxed(),
        ]);
        stream::iter(checks).buffered(CHECKED_AT_ONCE).collect().await
    }

    async fn store(&self, timing: Timing) -> (FindingState, String) {
        match self.stories.outbox.ledger.can_read(timing.deadline).await {
            Ok(()) => well("The store can be read; writing was not tried."),
            Err(error) => {
                log::debug!("{}", describe(&error));
                wrong("The store cannot be read. See STORE_URL or AzureWebJobsStorage, and who may read it.")
            }
        }
    }

    /// The reason why GitHub is not asked.
    fn without_github(&self) -> Option<&'static str> {
        let lacks = self.stories.outbox.targets.github.lacks();
        match self.stories.policy.dry_run {
            true => Some("This is a dry run: GitHub is never called."),
            false => {
                lacks.map(|_| "Neither GITHUB_TOKEN nor GITHUB_APP_ID is set: nothing can be sent to GitHub.")
            }
        }
    }

    async fn github(&self, timing: Timing) -> (FindingState, String) {
        if let Some(why) = self.without_github() {
            return unused(why);
        }
        let github = &self.stories.outbox.targets.github;
        let app = github.app(timing).await;
        match &app {
            Some(Err(result)) => return app_wrong(result),
            Some(Ok(())) if !github.has_token() => return well("GitHub takes the GitHub App's key."),
            Some(Ok(())) | None => {}
        }
        match github.get(&["rate_limit"], timing).await {
            Ok(answer) => token(&answer, timing.now),
            Err(_) => wrong("GitHub was not reached. See GITHUB_API_URL."),
        }
    }

    async fn repository(
        &self,
        pattern: &RepositoryPattern,
        repository: Repository,
        timing: Timing,
    ) -> (FindingState, String) {
        if let Some(why) = self.without_github() {
            return unused(why);
        }
        let github = &self.stories.outbox.targets.github;
        match github.app_on(&repository, timing).await {
            Some(Ok(Some(installation))) => return installed(&installation),
            Some(Err(result)) => return app_wrong(&result),
            Some(Ok(None)) if !github.has_token() => {
                return wrong(
                    "The GitHub App is not installed on the repository, or there is none of that name (404).                      Install it there, or set GITHUB_TOKEN.",
                );
            }
            Some(Ok(None)) | None => {}
        }
        match github.read(&repository, Access::ReadRepository, &[], &[], timing).await {
            Ok(shown) => readable(pattern, &repository, &shown),
            Err(result) => unseen(&result),
        }
    }

    async fn github_keys(&self) -> (FindingState, String) {
        match self.requests.tokens.reaches_keys().await {
            true => well("The keys of GitHub's tokens are at hand."),
            false => wrong(
                "The keys of GitHub's tokens were not reached, so no job can ask. See GITHUB_OIDC_ISSUER.",
            ),
        }
    }

    async fn entra_keys(&self) -> (FindingState, String) {
        match &self.action_messages.tokens {
            Err(missing) => unused(format!("Nobody clicks in a mail: not set are {}.", missing.join(", "))),
            Ok(tokens) => match tokens.reaches_keys().await {
                true => well("The keys of Entra's tokens are at hand."),
                false => wrong(
                    "The keys of Entra's tokens were not reached. See ENTRA_AUTHORITY and ENTRA_TENANT_ID.",
                ),
            },
        }
    }

    async fn bot(&self, timing: Timing) -> (FindingState, String) {
        let Ok(bot) = &self.messages.bot else {
            return match self.rule_by_bot() {
                Some(rule) => wrong(format!(
                    "The rule {rule} has a channel, and there is no bot to post to it: its settings are not set."
                )),
                None => unused("There is no bot: its settings are not set."),
            };
        };
        if !bot.tokens.reaches_keys().await {
            return wrong("The keys of the Bot Connector were not reached. See BOT_OPENID_METADATA.");
        }
        if bot.connector.can_sign_in(timing.now).await.is_err() {
            return wrong("The bot gets no token from Entra. See its id and its credentials.");
        }
        let targets = &self.stories.outbox.targets;
        let by_bot = || targets.channels.iter().filter(|target| matches!(target.sender, Sender::Bot(..)));
        match (bot.connector.lacks(), channels::trouble(by_bot()), self.rule_without_channel()) {
            (_, Some(trouble), _) => wrong(trouble),
            (Some(missing), None, _) if by_bot().next().is_none() => {
                wrong(format!("The bot posts nothing, since {missing} is not set."))
            }
            (Some(missing), None, Some(rule)) => wrong(format!(
                "The rule {rule} names no channel, and {missing} is not set: its cards are posted nowhere."
            )),
            _ => well("The bot gets its token; posting was not tried."),
        }
    }

    /// A rule whose cards go to the deployment's own channel, if there is none.
    fn rule_without_channel(&self) -> Option<&str> {
        let has_own =
            self.stories.outbox.targets.channels.iter().any(|target| target.name == TargetName::default());
        let rules = self.stories.policy.rules.iter().flat_map(|rules| rules.all());
        let mut to_own = rules.filter(|rule| rule.channel == RuleChannel::Deployment);
        to_own.next().filter(|_| !has_own).map(|rule| rule.name.as_str())
    }

    /// A rule that has cards posted by the bot.
    fn rule_by_bot(&self) -> Option<&str> {
        let mut rules = self.stories.policy.rules.iter().flat_map(|rules| rules.all());
        let by_bot = |rule: &&Rule| matches!(rule.channel, RuleChannel::Bot(_));
        rules.find(by_bot).map(|rule| rule.name.as_str())
    }

    fn webhook(&self) -> (FindingState, String) {
        let channels = &self.stories.outbox.targets.channels;
        let webhooks = || channels.iter().filter(|target| matches!(target.sender, Sender::Webhook(_)));
        let settings: Vec<_> = webhooks().map(|target| target.called.as_str()).collect();
        // Without a bot the deployment's own channel is a webhook.
        let posted_nowhere = self.rule_without_channel().filter(|_| self.messages.bot.is_err());
        match (channels::trouble(webhooks()), &settings[..]) {
            (Some(trouble), _) => wrong(trouble),
            (None, [_, ..]) if posted_nowhere.is_some() => wrong(format!(
                "The rule {} names no channel, and TEAMS_WEBHOOK_URL is not set: its cards are posted nowhere.",
                posted_nowhere.unwrap_or_default()
            )),
            (None, []) => unused("No webhook is used."),
            (None, [one]) => well(format!("{one} is set; posting was not tried.")),
            (None, [one, ..]) => {
                well(format!("{one} and {} more are set; posting was not tried.", settings.len() - 1))
            }
        }
    }

    /// Asks for an approval that nobody has, without a token: this program's refusal is like no other's.
    async fn public_url(&self, timing: Timing) -> (FindingState, String) {
        let url = self.public_url.as_str().trim_end_matches('/');
        match self.ask(&["api", "RequestApproval", "none"], None, timing).await {
            Some((StatusCode::UNAUTHORIZED, answer)) if answer["outcome"] == "unauthenticated" => {
                well(format!("{url} leads to this program; to which deployment of it was not tried."))
            }
            Some((status, _)) => wrong(format!(
                "{url} answers {}, and not as this program does. See PUBLIC_URL, and leave /api/RequestApproval out of \
                 App Service Authentication.",
                status.as_u16()
            )),
            None => wrong(format!("{url} was not reached. See PUBLIC_URL.")),
        }
    }

    /// Shows a principal that nobody has signed in as: only the platform may say who somebody is.
    async fn sign_in(&self, timing: Timing) -> (FindingState, String) {
        if !self.pages.signs_in {
            return unused("Nobody signs in to the page: App Service Authentication is off.");
        }
        let forged = forged_principal(self.pages.tenant.as_ref().map(ToString::to_string).as_deref());
        match self.ask(&["api", "approvals"], Some(&forged), timing).await {
            Some((status, answer)) => signed_in(status, &answer),
            None => {
                wrong("PUBLIC_URL was not reached, so nobody knows whether a made-up principal is believed.")
            }
        }
    }

    /// An answer at `PUBLIC_URL`: its status, and its JSON if it is any.
    async fn ask(
        &self,
        path: &[&str],
        principal: Option<&str>,
        timing: Timing,
    ) -> Option<(StatusCode, Value)> {
        let request = self.own_address.get().ok()?.get(below(&self.public_url, path.iter().copied()));
        let request = request.header("Accept", "application/json").timeout(timing.left());
        let request = match principal {
            Some(principal) => {
                let id = "00000000-0000-4000-8000-000000000000";
                request
                    .header("X-MS-CLIENT-PRINCIPAL", principal)
                    .header("X-MS-CLIENT-PRINCIPAL-ID", id)
                    .header("X-MS-CLIENT-PRINCIPAL-IDP", "aad")
            }
            None => request,
        };
        let mut answer = request.send().await.ok()?;
        let body = read_start(&mut answer, MAX_ANSWER_BYTES).await;
        Some((answer.status(), serde_json::from_slice(&body).unwrap_or_default()))
    }

    /// The groups of approvers: anyone may join a public one, and a dynamic one has whoever has certain properties.
    async fn policy(&self, timing: Timing) -> (FindingState, String) {
        let groups = self.stories.policy.groups();
        let rules = self.stories.policy.rules.as_ref().map(|rules| rules.all().len());
        match rules {
            None if groups.is_empty() => {
                return unused("POLICY is not set: one list of approvers holds for all.");
            }
            Some(rules) if groups.is_empty() => return well(format!("POLICY is in use, rules: {rules}.")),
            None | Some(_) => {}
        }
        let listed_in = if rules.is_some() { "Approvers and rules have" } else { "APPROVERS has" };
        let shown: Vec<BoxFuture<'_, _>> =
            groups.iter().map(|group| self.stories.groups.group(group, timing).boxed()).collect();
        let shown: Vec<_> = stream::iter(shown).buffered(GROUPS_AT_ONCE).collect().await;
        let found: Vec<_> =
            groups.iter().zip(&shown).filter_map(|(id, shown)| wrong_group(id, shown)).collect();
        match found.split_first() {
            None => well(format!("{listed_in} {}, which Microsoft Graph knows.", of_groups(groups.len()))),
            Some((first, [])) => wrong(first.as_str()),
            Some((first, more)) => {
                wrong(format!("{first} The same or another fault with {} more.", more.len()))
            }
        }
    }

    fn timer(&self) -> (FindingState, String) {
        if !matches!(self.listen, Listen::UnderHost(_)) {
            return unused("Outside a host the program looks after its messages by itself.");
        }
        let fired = *self.fired_at.lock().unwrap_or_else(PoisonError::into_inner);
        called(fired.map(|at| at.elapsed()), self.started_at.elapsed())
    }
}

/// The host's timer, by the time since its last call and the time since the start.
fn called(ago: Option<Duration>, up: Duration) -> (FindingState, String) {
    match ago {
        Some(ago) if ago < SILENT_AFTER => well("The host calls Deliver."),
        None if up < SILENT_AFTER => well("The program has just begun: Deliver is not due yet."),
        _ => wrong(
            "The host does not call Deliver, so what failed waits. See its timer and AzureWebJobsStorage.",
        ),
    }
}

/// The answer to a principal that nobody has signed in as. Only this program's own answers tell that it was believed:
/// to others this `403` may come from a firewall.
fn signed_in(status: StatusCode, answer: &Value) -> (FindingState, String) {
    let is_ours = answer["items"].is_array() || answer["outcome"].is_string();
    match status {
        StatusCode::UNAUTHORIZED => well("A made-up principal is not believed."),
        status if status.is_redirection() => well("A made-up principal is not believed."),
        _ if is_ours => wrong(
            "Anyone can say who they are: a made-up principal was believed. Switch on App Service Authentication, or \
             take SIGN_IN out.",
        ),
        status => wrong(format!(
            "PUBLIC_URL answers {}, so nobody knows whether a made-up principal is believed. See App Service \
             Authentication.",
            status.as_u16()
        )),
    }
}

fn of_groups(count: usize) -> String {
    if count == 1 { "1 group".to_owned() } else { format!("{count} groups") }
}

/// The sentence about a group that is not to be relied on.
fn wrong_group(id: &Guid, shown: &Result<Option<Group>, Untold>) -> Option<String> {
    Some(match shown {
        Err(untold @ (Untold::NoPermission | Untold::NoIdentity)) => format!("{}.", untold.detail()),
        Err(Untold::Away(_)) => {
            "Microsoft Graph was not reached, so no group can be asked. See GRAPH_URL.".to_owned()
        }
        Ok(None) => format!("There is no group {id} in the tenant. Take it out of APPROVERS."),
        Ok(Some(Group { is_dynamic: true, .. })) => format!(
            "The group {id} is dynamic: whoever can change people's properties decides who may approve. Use one with \
             assigned members."
        ),
        Ok(Some(Group { visibility: Some(visibility), .. })) if visibility.eq_ignore_ascii_case("public") => {
            format!(
                "The group {id} is public: anyone in the tenant can join it, and then approve. Make it private, or use another."
            )
        }
        Ok(Some(_)) => return None,
    })
}

/// A check under its name, within the time of all.
async fn named(name: String, timing: Timing, check: impl Future<Output = (FindingState, String)>) -> Finding {
    let checked = timeout_at(timing.deadline, check).await;
    let (state, message) = checked.unwrap_or_else(|_| wrong("No answer within 10 seconds."));
    Finding { name, state, message }
}

/// GitHub's word on the token.
fn token(answer: &Response, now: DateTime<Utc>) -> (FindingState, String) {
    let ends = answer.headers().get(TOKEN_ENDS).and_then(|ends| token_end(ends.to_str().ok()?));
    match answer.status() {
        StatusCode::UNAUTHORIZED => wrong("GitHub refuses GITHUB_TOKEN (401). Renew it."),
        status if status.is_server_error() => wrong(format!("GitHub answered {}.", status.as_u16())),
        _ => match ends {
            Some(ends) if ends - now <= RENEW_BEFORE => {
                wrong(format!("GITHUB_TOKEN ends on {}. Renew it.", ends.format("%Y-%m-%d")))
            }
            Some(ends) => {
                well(format!("GitHub takes GITHUB_TOKEN, which ends on {}.", ends.format("%Y-%m-%d")))
            }
            None => well("GitHub takes GITHUB_TOKEN."),
        },
    }
}

/// The end of a token: `2026-12-01 08:00:00 UTC`, or with an offset such as `+0200`.
fn token_end(text: &str) -> Option<DateTime<Utc>> {
    let text = text.trim().replace("UTC", "+0000");
    DateTime::parse_from_str(&text, "%Y-%m-%d %H:%M:%S %z").ok().map(|ends| ends.to_utc())
}

/// An installation, and the rights that it grants.
fn installed(installation: &Installation) -> (FindingState, String) {
    if !installation.grants(Access::SendEvent) {
        return wrong(
            "The GitHub App is installed and lacks Contents: write. Grant it in the App's settings, and accept it in \
             its installation.",
        );
    }
    let actions = match (installation.grants(Access::StartWorkflow), installation.grants(Access::ReadActions))
    {
        (true, _) => "Contents: write and Actions: write",
        (false, true) => "Contents: write and Actions: read",
        (false, false) => "Contents: write",
    };
    well(format!("The GitHub App is installed with {actions}; a dispatch was not tried."))
}

/// The reason why the App is of no use.
fn app_wrong(result: &SendResult) -> (FindingState, String) {
    match result.what {
        SendAnswer::App(AppFault::Suspended) => {
            wrong("The GitHub App's installation is suspended. An owner can lift that in its installation.")
        }
        SendAnswer::App(AppFault::Clock) => {
            wrong("This computer's clock differs from GitHub's. Set it right.")
        }
        SendAnswer::App(AppFault::Key) => {
            wrong("GITHUB_APP_PRIVATE_KEY is no key of the App GITHUB_APP_ID. Fix either.")
        }
        _ => unseen(result),
    }
}

/// The reason why a repository is not seen.
fn unseen(result: &SendResult) -> (FindingState, String) {
    match result.what {
        SendAnswer::Unauthorized => wrong("GitHub refuses GITHUB_TOKEN (401). Renew it."),
        SendAnswer::NotFound => {
            wrong("GitHub finds no such repository, or GITHUB_TOKEN may not see it (404). Fix either.")
        }
        SendAnswer::Moved => {
            wrong("The repository was renamed or moved. Put its new name into ALLOWED_REPOSITORIES.")
        }
        SendAnswer::Unreachable | SendAnswer::TimedOut | SendAnswer::NotTried => {
            wrong("GitHub was not reached. See GITHUB_API_URL.")
        }
        // GitHub's own words may name accounts.
        SendAnswer::PermissionDenied { .. } | SendAnswer::Blocked(_) => wrong(
            "GITHUB_TOKEN may not see the repository (403). The organization may have to allow the token.",
        ),
        SendAnswer::RateLimited { .. } => wrong("GitHub's rate limit of GITHUB_TOKEN is used up. Wait."),
        SendAnswer::ServerError(status) | SendAnswer::Unexpected(status) => {
            wrong(format!("GitHub answered {status}."))
        }
        _ => wrong("GitHub gave no answer that can be understood. See GITHUB_API_URL."),
    }
}

/// A repository that GitHub shows, and what the token may do there.
fn readable(pattern: &RepositoryPattern, repository: &Repository, shown: &Value) -> (FindingState, String) {
    let id = |value: &Value| value.as_u64().map(|id| id.to_string());
    let (own, owner) = (id(&shown["id"]), id(&shown["owner"]["id"]));
    let is_it = own.as_deref().is_none_or(|own| pattern.matches(repository, own, owner.as_deref()));
    if !is_it {
        return wrong("It is another repository than the one whose number ALLOWED_REPOSITORIES gives.");
    }
    if shown["archived"] == true {
        return wrong("The repository is archived, so it takes no event.");
    }
    match shown["permissions"]["push"] == false {
        true => wrong("GITHUB_TOKEN may not write there: it needs Contents: write."),
        false => well("GITHUB_TOKEN sees the repository; a dispatch was not tried."),
    }
}

/// A principal as the platform writes them, of nobody.
fn forged_principal(tenant: Option<&str>) -> String {
    let claim = |name: &str, value: &str| json!({"typ": name, "val": value});
    let claims = [
        claim(
            "http://schemas.microsoft.com/identity/claims/objectidentifier",
            "00000000-0000-4000-8000-000000000000",
        ),
        claim("http://schemas.microsoft.com/identity/claims/tenantid", tenant.unwrap_or_default()),
        claim("preferred_username", "nobody@example.com"),
        claim("name", "Nobody"),
    ];
    BASE64_STANDARD.encode(json!({"auth_typ": "aad", "claims": claims}).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_token_is_read_in_both_forms() {
        for text in ["2026-12-01 08:00:00 UTC", "2026-12-01 10:00:00 +0200"] {
            assert_eq!(
                token_end(text).map(|at| at.to_rfc3339()).as_deref(),
                Some("2026-12-01T08:00:00+00:00")
            );
        }
        assert_eq!(token_end("soon"), None);
    }

    #[test]
    fn a_timer_is_silent_after_three_minutes_without_a_call() {
        let seconds = Duration::from_secs;
        for (ago, up, expected) in [
            (None, seconds(1), FindingState::Well),
            (None, SILENT_AFTER, FindingState::Wrong),
            (Some(seconds(60)), seconds(3600), FindingState::Well),
            (Some(SILENT_AFTER), seconds(3600), FindingState::Wrong),
        ] {
            let (state, message) = called(ago, up);
            assert_eq!(state, expected, "{ago:?} {up:?}: {message}");
            assert_eq!(message.contains("See its timer"), state == FindingState::Wrong);
        }
    }

    #[test]
    fn a_made_up_principal_is_believed_only_where_this_program_says_so() {
        let (ours, theirs) = (json!({"outcome": "forbidden"}), json!({"error": "blocked"}));
        for (status, answer, expected, words) in [
            (401, &ours, FindingState::Well, "not believed"),
            (302, &Value::Null, FindingState::Well, "not believed"),
            (200, &json!({"items": []}), FindingState::Wrong, "was believed"),
            (403, &ours, FindingState::Wrong, "was believed"),
            (424, &json!({"outcome": "unavailable"}), FindingState::Wrong, "was believed"),
            (403, &theirs, FindingState::Wrong, "nobody knows"),
            (200, &Value::Null, FindingState::Wrong, "nobody knows"),
            (502, &Value::Null, FindingState::Wrong, "answers 502"),
        ] {
            let status = StatusCode::from_u16(status).expect("a status");
            let (state, message) = signed_in(status, answer);
            assert!(state == expected && message.contains(words), "{status} {answer}: {message}");
        }
    }

    #[test]
    fn a_repository_is_well_if_it_is_the_one_and_takes_events() {
        let pattern = RepositoryPattern::parse("octo@7/app@9").expect("a pattern");
        let repository = pattern.repository().expect("one alone");
        let shown = |id: u64, archived: bool, push: bool| json!({"id": id, "owner": {"id": 7}, "archived": archived, "permissions": {"push": push}});
        for (shown, expected, words) in [
            (shown(9, false, true), FindingState::Well, "not tried"),
            (shown(8, false, true), FindingState::Wrong, "another repository"),
            (shown(9, true, true), FindingState::Wrong, "archived"),
            (shown(9, false, false), FindingState::Wrong, "Contents: write"),
            (json!({}), FindingState::Well, "not tried"),
        ] {
            let (state, message) = readable(&pattern, &repository, &shown);
            assert!(state == expected && message.contains(words), "{message}");
        }
        assert_eq!(RepositoryPattern::parse("octo/*").expect("a pattern").repository(), None);
    }
}
