//! `Messages`: the events in Teams, as the Bot Connector sends them.
//!
//! The token is verified, then the activity is checked against it, and only then it tells who clicked. Teams wants 200
//! with an answer inside for everything that can be read; 401 is for callers that cannot be believed.

mod activity;
mod words;

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use log::Level;
use serde_json::{Value, json};

pub use self::activity::Activity;
use self::words::words;
use super::{
    CARD_ACTION_STATUS,
    action_message::{parse_body, vote_of},
    bearer,
    fields::name as named,
    json_answer, log_line, rejected, report_answer, status,
};
use crate::{
    approval::{
        ApprovalId, Click, Forbidden, Guid, Invalid, Item, Memberships, Outcome, Performer, Person,
        SendAnswer, Standing, TargetName, Unreached, Verdict, Vote,
    },
    approve::{Clicked, Cursor, Report, Stories, failed},
    cards::{
        bot::{REFRESH, welcome},
        content::Content,
        sentences::{Reader, closed_now, only_reject, sentence_to},
    },
    host::{Answer, Body, Invocation},
    identity::{Check, Rejection, bot_connector::ConnectorTokens},
    senders::teams::connector::{Connector, plain_text},
    text::log::describe,
};

/// The function's name in the log.
const FUNCTION: &str = "Messages";

/// The one channel whose activities are believed.
const TEAMS: &str = "msteams";

/// The longest time for asking Teams for a name: the vote comes after it.
const NAME_TIME: Duration = Duration::from_millis(1_500);

/// The longest time for sending a text in answer to a message.
const REPLY_TIME: Duration = Duration::from_millis(3_000);

/// The type of a card in answer to a click.
const CARD: &str = "application/vnd.microsoft.card.adaptive";

/// The type of a text in answer to a click.
const MESSAGE: &str = "application/vnd.microsoft.activity.message";

/// The type of an error in answer to a click.
const ERROR: &str = "application/vnd.microsoft.error";

/// The function, with everything that it needs.
pub struct Messages {
    /// The stories of the approvals.
    pub stories: Arc<Stories>,
    /// The bot; or the settings without which there is none.
    pub bot: Result<Bot, Vec<&'static str>>,
}

/// The bot, as far as activities need it.
pub struct Bot {
    /// The verifier of the tokens that come with activities.
    pub tokens: ConnectorTokens,
    /// The client that sends to Teams.
    pub connector: Arc<Connector>,
    /// The tenant that everything must come from.
    pub tenant: Guid,
}

impl Messages {
    /// Answers one activity.
    pub async fn answer(&self, request: Invocation) -> Answer {
        match self.read(&request).await {
            Ok((bot, activity)) => self.act(bot, &activity, &request).await,
            Err(report) => report_answer(FUNCTION, Reader::Teams, &request, &report),
        }
    }

    /// The activity, once it can be believed.
    // T15
    async fn read(&self, request: &Invocation) -> Result<(&Bot, Activity), Report> {
        if !request.method.eq_ignore_ascii_case("POST") {
            return Err(Outcome::Invalid(Invalid::Method("POST")).into());
        }
        if request.body == Body::TooLarge {
            return Err(Outcome::TooLarge.into());
        }
        let bot = self.bot.as_ref().map_err(|missing| rejected(Rejection::NotConfigured(missing.clone())))?;
        let token = bearer(request, &["authorization"]).map_err(Rejection::Failed).map_err(rejected)?;
        let token = token.ok_or_else(|| rejected(Rejection::NoCredentials))?;
        let caller = bot.tokens.verify(token, request.timing.now).await.map_err(rejected)?;
        let Body::Whole(body) = &request.body else {
            return Err(Outcome::Invalid(Invalid::Incomplete).into());
        };
        let activity = Activity::parse(body).map_err(Outcome::Invalid)?;
        let failed = |check| rejected(Rejection::Failed(check));
        caller.vouches_for(&activity.channel_id, &activity.service_url).map_err(failed)?;
        if activity.channel_id != TEAMS {
            return Err(failed(Check::Channel));
        }
        if !activity.is_of(&bot.tenant) {
            return Err(failed(Check::Tenant));
        }
        Ok((bot, activity))
    }

    async fn act(&self, bot: &Bot, activity: &Activity, request: &Invocation) -> Answer {
        match (activity.kind.as_str(), activity.name.as_deref()) {
            ("invoke", Some("adaptiveCard/action")) => self.card_action(bot, activity, request).await,
            ("invoke", Some("actionableMessage/executeAction")) => {
                self.action_message(bot, activity, request).await
            }
            ("invoke", _) => nothing(501),
            ("message", _) if activity.value.is_some() => self.submitted(bot, activity, request).await,
            ("message", _) => self.said(bot, activity, request).await,
            ("conversationUpdate", _) if has_come(activity) => {
                let welcome = match activity.is_in_channel() {
                    true => welcome(activity.channel()),
                    false => self.stories.outbox.cards.elsewhere(),
                };
                reply(bot, activity, &plain_text(&welcome), request).await
            }
            _ => nothing(200),
        }
    }

    /// A click on a button of our card, or a client that asks for the card's present state.
    async fn card_action(&self, bot: &Bot, activity: &Activity, request: &Invocation) -> Answer {
        let action = activity.value.as_ref().and_then(|value| value.get("action"));
        let data = action.and_then(|action| action.get("data")).unwrap_or(&Value::Null);
        let is_automatic = activity.value.as_ref().is_some_and(|value| value["trigger"] == "automatic");
        let is_refresh = action.is_some_and(|action| action["verb"] == REFRESH);
        if is_automatic || is_refresh {
            let refreshed = self.refreshed(bot, activity, data, request).await;
            return refreshed.unwrap_or_else(|report| refreshed_not(&report, request));
        }
        let report = self.vote(bot, activity, data, request).await;
        let mut answer = self.told(activity, &report, request.timing.now);
        answer.log.push(log_line(FUNCTION, Reader::Teams, request, &report));
        answer
    }

    /// The card's present state, for a person who may decide on it; nothing is decided by that. Everybody else sees the
    /// card that is in the channel.
    async fn refreshed(
        &self,
        bot: &Bot,
        activity: &Activity,
        data: &Value,
        request: &Invocation,
    ) -> Result<Answer, Report> {
        let cards = &self.stories.outbox.cards;
        if !activity.is_in_channel() {
            return Ok(inside(200, MESSAGE, json!(cards.elsewhere())));
        }
        let id = ApprovalId::parse(data["approval"].as_str().unwrap_or_default()).ok_or(Outcome::Unknown)?;
        let standing = self.stories.look(&id, request.timing).await;
        let standing = standing.map_err(|error| failed(Unreached::Store, &error))?.ok_or(Outcome::Unknown)?;
        let about = About::Vote(&standing, Verdict::Approve);
        let known = self.known(bot, activity, about, request).await?;
        let (policy, now) = (&self.stories.policy, request.timing.now);
        let groups =
            self.stories.memberships(&known.performer, Some(&standing.request), request.timing).await?;
        let content = Content::of(&standing, policy, now);
        let judgement = policy.judge(&standing, (&known.performer, &groups), now);
        // Anyone who may not decide is shown nothing that another channel may have been told.
        if let Err(not_listed) = judgement.withdraw {
            let report = Report::of(Outcome::Forbidden(not_listed), format!("by {}", known.performer));
            return Err(refused_as(report, known.lacks_name));
        }
        if let (Some(closed), Ok(())) = (&judgement.closed, &judgement.reject) {
            let content = Content { verdicts: &[Verdict::Reject], ..content };
            let said = format!("Nobody can approve this now: {}", closed_now(closed));
            return Ok(inside(200, CARD, cards.bot(&content, Some(&said))));
        }
        match judgement.approve {
            // Approving asks for the authors.
            _ if judgement.awaits_authors() => Ok(inside(200, CARD, cards.bot(&content, None))),
            Err(own @ Forbidden::Own(_)) if content.state.is_waiting() => {
                let content = Content { verdicts: &[Verdict::Reject], ..content };
                Ok(inside(200, CARD, cards.bot(&content, Some(&only_reject(&own)))))
            }
            Ok(()) | Err(_) => Ok(inside(200, CARD, cards.bot(&content, None))),
        }
    }

    /// The answer for the clicker: the card as it is now if something was decided, or why nothing was.
    fn told(&self, activity: &Activity, report: &Report, now: DateTime<Utc>) -> Answer {
        let outcome = &report.outcome;
        let sentence = sentence_to(Reader::Teams, outcome);
        match (error_status(outcome), &report.standing) {
            (Some(status), _) => inside(status, ERROR, error(outcome, &sentence)),
            (None, Some(standing)) if activity.is_in_channel() => {
                let mut content = Content::of(standing, &self.stories.policy, now);
                if matches!(outcome, Outcome::Closed(..)) {
                    content.verdicts = &[Verdict::Reject];
                }
                inside(200, CARD, self.stories.outbox.cards.bot(&content, Some(&sentence)))
            }
            (None, _) => inside(200, MESSAGE, json!(sentence)),
        }
    }

    /// A vote of the activity's sender.
    async fn vote(&self, bot: &Bot, activity: &Activity, data: &Value, request: &Invocation) -> Report {
        match read_vote(data) {
            Ok(vote) => self.click(bot, activity, Click::Vote(vote), request).await,
            Err(invalid) => Outcome::Invalid(invalid).into(),
        }
    }

    /// A click of the activity's sender. An approval is read once, before the person is identified: only its contents
    /// tell whether their name is needed.
    async fn click(&self, bot: &Bot, activity: &Activity, click: Click, request: &Invocation) -> Report {
        match click {
            Click::Relay(_) => match self.known(bot, activity, About::Relay, request).await {
                Ok(known) => {
                    let lacks_name = known.lacks_name;
                    let clicked = Clicked { click, repository: None, performer: known.performer };
                    refused_as(self.stories.click(clicked, request.timing).await, lacks_name)
                }
                Err(report) => report,
            },
            Click::Vote(vote) => {
                if let Some(person) = person(bot, activity) {
                    self.stories.ask_groups_ahead(&Performer::Person(person), request.timing);
                }
                let standing = match self.stories.to_vote_on(&vote.approval, request.timing).await {
                    Ok(standing) => standing,
                    Err(report) => return report,
                };
                let about = About::Vote(&standing, vote.verdict);
                match self.known(bot, activity, about, request).await {
                    Ok(known) => {
                        let lacks_name = known.lacks_name;
                        let voted = self.stories.vote(standing, vote, known.performer, request.timing);
                        refused_as(voted.await, lacks_name)
                    }
                    Err(report) => report,
                }
            }
        }
    }

    /// The activity's sender, by name too if only that can tell whether they may decide on an approval, or at all, by this vote.
    async fn known(
        &self,
        bot: &Bot,
        activity: &Activity,
        about: About<'_>,
        request: &Invocation,
    ) -> Result<Known, Report> {
        let mut person = person(bot, activity).ok_or_else(|| {
            let detail = Rejection::Failed(Check::Person).to_string();
            Report::of(Outcome::Forbidden(Forbidden::NoObjectId), detail)
        })?;
        let (policy, performer) = (&self.stories.policy, Performer::Person(person.clone()));
        let (needs_name, is_sure) = match about {
            About::Relay => (policy.needs_name(&performer), false),
            About::List => (policy.needs_name_to_look(&performer), false),
            About::Vote(standing, verdict) => {
                let person = (&performer, &Memberships::default());
                let judgement = policy.judge(standing, person, request.timing.now);
                (judgement.needs_name_for(verdict), judgement.vote(verdict).is_ok())
            }
        };
        if !needs_name {
            return Ok(Known { performer, lacks_name: false });
        }
        match name(bot, activity, request).await {
            Ok(name) => {
                let lacks_name = name.is_none();
                person.user_principal_name = name;
                Ok(Known { performer: Performer::Person(person), lacks_name })
            }
            // The vote counts by the object id; a name could only have shown that it meets another requirement.
            Err(error) if is_sure => {
                log::warn!("{FUNCTION}: a vote counts without a name: {}", describe(&error));
                Ok(Known { performer, lacks_name: false })
            }
            Err(error) => Err(Report::of(Outcome::Unavailable(Unreached::Name), describe(&error))),
        }
    }

    /// A click on a MessageCard that a bot has sent: in the article's shape, by the article's rules.
    async fn action_message(&self, bot: &Bot, activity: &Activity, request: &Invocation) -> Answer {
        let report = match read_action(activity) {
            Ok(click) => self.click(bot, activity, click, request).await,
            Err(invalid) => Outcome::Invalid(invalid).into(),
        };
        let sentence = sentence_to(Reader::Teams, &report.outcome);
        let mut answer = match status(&report.outcome) {
            200 => inside(200, MESSAGE, json!(sentence)),
            _ => inside(400, ERROR, error(&report.outcome, &sentence)),
        };
        answer.headers.push((CARD_ACTION_STATUS, sentence));
        answer.log.push(log_line(FUNCTION, Reader::Teams, request, &report));
        answer
    }

    /// A click in a client that is too old for cards that answer: it comes as a message, and is answered with one.
    async fn submitted(&self, bot: &Bot, activity: &Activity, request: &Invocation) -> Answer {
        let data = activity.value.as_ref().unwrap_or(&Value::Null);
        let report = self.vote(bot, activity, data, request).await;
        let mut answer =
            reply(bot, activity, &plain_text(&sentence_to(Reader::Teams, &report.outcome)), request).await;
        answer.log.push(log_line(FUNCTION, Reader::Teams, request, &report));
        answer
    }

    /// Answers a person who has written to the bot. Those who may decide at all get the open approvals, as on the page.
    async fn said(&self, bot: &Bot, activity: &Activity, request: &Invocation) -> Answer {
        let cards = &self.stories.outbox.cards;
        if !activity.is_in_channel() {
            return reply(bot, activity, &plain_text(&cards.elsewhere()), request).await;
        }
        let said = words(activity.text.as_deref().unwrap_or_default());
        let asks = said.iter().any(|word| word.eq_ignore_ascii_case("pending"));
        let target = activity.channel().and_then(|id| self.stories.outbox.targets.by_bot(id));
        let Some(target) = target.filter(|_| asks) else { return nothing(200) };
        match self.waiting(bot, activity, target, request).await {
            Ok(list) => reply(bot, activity, &plain_text(&list), request).await,
            Err(report) => {
                let told = plain_text(&sentence_to(Reader::Teams, &report.outcome));
                let mut answer = reply(bot, activity, &told, request).await;
                answer.log.push(log_line(FUNCTION, Reader::Teams, request, &report));
                answer
            }
        }
    }

    /// The open approvals, for a person who may decide at all. A channel is shown those that are posted there.
    async fn waiting(
        &self,
        bot: &Bot,
        activity: &Activity,
        target: &TargetName,
        request: &Invocation,
    ) -> Result<String, Report> {
        let known = self.known(bot, activity, About::List, request).await?;
        if !self.stories.admits(&known.performer, request.timing).await? {
            let no_approver = Outcome::Forbidden(Forbidden::Performer);
            let report = Report::of(no_approver, format!("by {}", known.performer));
            return Err(refused_as(report, known.lacks_name));
        }
        match self.stories.list(None, request.timing).await {
            Ok(list) => {
                let (mut list, sees_all) =
                    self.stories.seen_by(&known.performer, list, request.timing).await?;
                let outbox = &self.stories.outbox;
                list.waiting.retain(|item| match item {
                    Item::Requested(standing) => outbox.tells(standing, target),
                    Item::Relayed(_) | Item::Unreadable(..) => *target == TargetName::default(),
                });
                let more = matches!(list.next, Some(Cursor::Waiting(..)));
                Ok(self.stories.outbox.cards.waiting_list(&list.waiting, more, sees_all))
            }
            Err(error) => Err(failed(Unreached::Progress, &error)),
        }
    }
}

/// The report, with the reason that this person gets if they are not an approver.
fn refused_as(report: Report, lacks_name: bool) -> Report {
    match report.outcome {
        Outcome::Forbidden(Forbidden::Performer | Forbidden::NotInRule | Forbidden::NotAsked)
            if lacks_name =>
        {
            Report { outcome: Outcome::Forbidden(Forbidden::Nameless), ..report }
        }
        _ => report,
    }
}

/// The thing that somebody is asked about: their name may be needed to know whether they may have or do it.
enum About<'a> {
    /// An event without an approval.
    Relay,
    /// The open approvals.
    List,
    /// This vote, or the right to it.
    Vote(&'a Standing, Verdict),
}

/// A person, with the facts that bear on whether they may decide.
struct Known {
    performer: Performer,
    /// True if approvers are listed by name, and Teams gives none for the person.
    lacks_name: bool,
}

/// The status of the error that an outcome is in Teams; none if the clicker may see the card, which says more.
fn error_status(outcome: &Outcome) -> Option<u16> {
    match outcome {
        Outcome::Unavailable(_) | Outcome::Misconfigured(_) => Some(500),
        Outcome::TooLarge
        | Outcome::Unauthenticated
        | Outcome::Invalid(_)
        | Outcome::Forbidden(_)
        | Outcome::Unknown
        | Outcome::Limited(_) => Some(400),
        Outcome::Dispatched(..)
        | Outcome::DryRun(..)
        | Outcome::AlreadyDecided(..)
        | Outcome::Conflict(..)
        | Outcome::Run(_)
        | Outcome::RefMoved(_)
        | Outcome::Expired(_)
        | Outcome::Ended(_)
        | Outcome::Counted { .. }
        | Outcome::CountedInVain { .. }
        | Outcome::Closed(..)
        | Outcome::Approved(_)
        | Outcome::Withdrawn(_)
        | Outcome::TooLateToWithdraw(..)
        | Outcome::Rejected(_)
        | Outcome::Recorded(..)
        | Outcome::Postponed(..)
        | Outcome::Refused(..)
        | Outcome::GivenUp(..) => None,
    }
}

/// The answer to a client that may not have the card again. If its person may not decide, that is no error of theirs:
/// they only looked.
fn refreshed_not(report: &Report, request: &Invocation) -> Answer {
    let outcome = &report.outcome;
    let sentence = sentence_to(Reader::Teams, outcome);
    let mut answer = match (outcome, error_status(outcome)) {
        (Outcome::Forbidden(_), _) | (_, None) => inside(200, MESSAGE, json!(sentence)),
        (_, Some(status)) => inside(status, ERROR, error(outcome, &sentence)),
    };
    let (_, line) = log_line(FUNCTION, Reader::Teams, request, report);
    answer.log.push((Level::Info, line));
    answer
}

/// A vote in the form that our buttons send, with the comment from the card's input.
pub fn read_vote(data: &Value) -> Result<Vote, Invalid> {
    let text = |name: &'static str| data[name].as_str().map(str::to_owned);
    let approval = named(text("approval").ok_or(Invalid::MissingField("approval"))?, "approval")?;
    let verdict = text("verdict").ok_or(Invalid::MissingField("verdict"))?;
    let comment = text("comment").unwrap_or_default().replace("\r\n", "\n");
    vote_of(approval, &verdict, comment)
}

/// A click of a MessageCard's button, whose body is in the activity.
fn read_action(activity: &Activity) -> Result<Click, Invalid> {
    let body = activity.value.as_ref().and_then(|value| value["body"].as_str()).ok_or(Invalid::Empty)?;
    parse_body("application/json", body.as_bytes())
}

/// The name that administrators gave the activity's sender, from Teams.
async fn name(bot: &Bot, activity: &Activity, request: &Invocation) -> anyhow::Result<Option<String>> {
    bot.connector.member(activity.roster(), &activity.from.id, request.timing.within(NAME_TIME)).await
}

/// The activity's sender. The activity does not give the name from the administrators.
fn person(bot: &Bot, activity: &Activity) -> Option<Person> {
    Some(Person {
        object_id: Guid::parse(activity.from.aad_object_id.as_deref()?)?,
        tenant: bot.tenant.clone(),
        user_principal_name: None,
        display_name: activity.from.name.clone(),
    })
}

/// True if the bot itself was added.
fn has_come(activity: &Activity) -> bool {
    activity.members_added.iter().any(|member| !member.id.is_empty() && member.id == activity.recipient.id)
}

/// Answers a message with another in its thread. A failure is logged.
async fn reply(bot: &Bot, activity: &Activity, message: &Value, request: &Invocation) -> Answer {
    let timing = request.timing.within(REPLY_TIME);
    let sent = bot.connector.send(&activity.conversation.id, message, timing).await;
    let mut answer = nothing(200);
    if sent.what != SendAnswer::Accepted {
        answer.log.push((Level::Warn, format!("{FUNCTION}: cannot answer a message: {}", sent.detail)));
    }
    answer
}

/// The answer to an invoke, inside the HTTP answer.
fn inside(status: u16, kind: &str, value: Value) -> Answer {
    json_answer(200, &json!({"statusCode": status, "type": kind, "value": value}))
}

fn error(outcome: &Outcome, sentence: &str) -> Value {
    json!({"code": outcome.name(), "message": sentence})
}

/// The empty answer to an activity that needs none.
fn nothing(status: u16) -> Answer {
    let mut answer = json_answer(status, &json!({}));
    answer.body = String::new();
    answer
}
