//! The Bot Connector's service for a bot: conversations, their messages, and their members.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex},
    time::Duration,
};

use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use wiremock::{Request, Respond, ResponseTemplate};

use super::{PERSONAL_CHAT, PLACES, Place, SERVICE_PATH};
use crate::{
    authority::TENANT,
    token_desk::{Standing, TokenDesk},
    tokens::new_number,
    wire::BOT_CONNECTOR,
};

/// Teams takes cards of "about 28 KB".
const MESSAGE_LIMIT_BYTES: usize = 28_000;

/// A message of the bot's with a card.
#[derive(Clone, Debug)]
pub struct Message {
    pub conversation: String,
    pub activity: String,
    /// The card as it was at first, and after each change.
    pub cards: Vec<Value>,
    /// The text that a phone's notification shows, likewise.
    pub summaries: Vec<Value>,
}

impl Message {
    /// The place where it was posted.
    pub fn place(&self) -> Place {
        Place::of(&self.conversation).expect("a place that is known")
    }
}

/// A call that came with a good token: its method, and what stands in its path, decoded.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    pub method: String,
    pub ids: Vec<String>,
}

/// An answer in place of the right one.
pub enum Fault {
    /// And nothing is done.
    Instead(ResponseTemplate),
    /// And yet it is done.
    After(ResponseTemplate),
}

pub struct State {
    pub desk: TokenDesk,
    pub messages: Vec<Message>,
    /// The number of them, the oldest, that cannot be found any more.
    pub lost: usize,
    /// Other activities that the bot sent, each with its conversation.
    pub said: Vec<(String, Value)>,
    /// By team and user id.
    pub members: BTreeMap<(String, String), Value>,
    pub faults: VecDeque<Fault>,
    pub always: Option<ResponseTemplate>,
    /// The same for the calls about one place.
    pub by_place: Vec<(Place, ResponseTemplate)>,
    pub delay: Duration,
    pub calls: Vec<Call>,
    pub refusals: Vec<String>,
    pub expected_refusals: usize,
    /// Faults of a call, or of an answer of ours, against Microsoft's description.
    pub undescribed: Vec<String>,
}

pub struct Service(pub Arc<Mutex<State>>);

impl Respond for Service {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let mut state = self.0.lock().expect("nobody panicked");
        let path = request.url.path().strip_prefix(SERVICE_PATH).unwrap_or_default();
        let operation =
            BOT_CONNECTOR.request(request, path, serde_json::from_slice(&request.body).ok().as_ref());
        let reply = match check_token(request, &state.desk) {
            Ok(()) => state.answer(request),
            Err(refusal) => Err(refusal),
        };
        let reply = reply.unwrap_or_else(|Refusal { status, code, is_a_fault }| {
            if is_a_fault {
                state.refusals.push(format!("{} {}: {status} {code}", request.method, request.url));
            }
            Reply::Own(status, json!({"error": {"code": code, "message": code}}))
        });
        let (described, answer) = match reply {
            Reply::Instead(answer) => (operation.map(drop), answer),
            Reply::Own(status, body) => (
                operation
                    .and_then(|call| BOT_CONNECTOR.answer(&call, (status, Some(&body)), "ErrorResponse")),
                ResponseTemplate::new(status).set_body_json(body),
            ),
        };
        state.undescribed.extend(described.err());
        if state.delay.is_zero() { answer } else { answer.set_delay(state.delay) }
    }
}

/// An answer: as the Bot Connector gives it, or as a test wants it.
enum Reply {
    Own(u16, Value),
    Instead(ResponseTemplate),
}

struct Refusal {
    status: u16,
    code: &'static str,
    /// Nobody should have asked.
    is_a_fault: bool,
}

type Answer = Result<Reply, Refusal>;

fn refuse<T>(status: u16, code: &'static str) -> Result<T, Refusal> {
    Err(Refusal { status, code, is_a_fault: true })
}

fn check_token(request: &Request, desk: &TokenDesk) -> Result<(), Refusal> {
    let authorization = request.headers.get("authorization").and_then(|value| value.to_str().ok());
    let token = authorization.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
    match desk.standing(token) {
        Standing::Good => Ok(()),
        Standing::Withdrawn => Err(Refusal { status: 401, code: "Unauthorized", is_a_fault: false }),
        Standing::Unknown => refuse(401, "Unauthorized"),
    }
}

impl State {
    pub fn new(desk: TokenDesk) -> Self {
        Self {
            desk,
            messages: Vec::new(),
            lost: 0,
            said: Vec::new(),
            members: BTreeMap::new(),
            faults: VecDeque::new(),
            always: None,
            by_place: Vec::new(),
            delay: Duration::ZERO,
            calls: Vec::new(),
            refusals: Vec::new(),
            expected_refusals: 0,
            undescribed: Vec::new(),
        }
    }

    fn answer(&mut self, request: &Request) -> Answer {
        let Some(ids) = ids_of(request) else { return refuse(404, "NotFound") };
        self.calls.push(Call { method: request.method.to_string(), ids: ids.clone() });
        if let Some(always) = &self.always {
            return Ok(Reply::Instead(always.clone()));
        }
        let place = place_of(request, &ids);
        if let Some((_, answer)) = self.by_place.iter().find(|(other, _)| Some(*other) == place) {
            return Ok(Reply::Instead(answer.clone()));
        }
        match self.faults.pop_front() {
            Some(Fault::Instead(answer)) => Ok(Reply::Instead(answer)),
            Some(Fault::After(answer)) => self.serve(request, &ids).map(|_| Reply::Instead(answer)),
            None => self.serve(request, &ids),
        }
    }

    fn serve(&mut self, request: &Request, ids: &[String]) -> Answer {
        let ids: Vec<_> = ids.iter().map(String::as_str).collect();
        match (request.method.as_str(), &ids[..]) {
            ("POST", []) => self.begin(request),
            ("PUT", [conversation, "activities", activity]) => self.update(request, conversation, activity),
            ("POST", [conversation, "activities"]) => self.say(request, conversation),
            ("GET", [conversation, "members", user_id]) => self.member(conversation, user_id),
            _ => refuse(404, "NotFound"),
        }
    }

    fn begin(&mut self, request: &Request) -> Answer {
        let body = json_of(request)?;
        if body["isGroup"] != true || body["tenantId"] != TENANT || body["activity"].is_null() {
            return refuse(400, "BadSyntax");
        }
        let Some(Place { channel, .. }) = body["channelData"]["channel"]["id"].as_str().and_then(Place::of)
        else {
            return refuse(404, "ConversationNotFound");
        };
        let activity = format!("17763902573{:02}", new_number());
        let conversation = format!("{channel};messageid={activity}");
        let answer = json!({"id": conversation, "activityId": activity});
        let cards = vec![card_of(&body["activity"])?];
        let summaries = vec![body["activity"]["summary"].clone()];
        self.messages.push(Message { conversation, activity, cards, summaries });
        Ok(Reply::Own(201, answer))
    }

    fn update(&mut self, request: &Request, conversation: &str, activity: &str) -> Answer {
        let changed = json_of(request)?;
        let card = card_of(&changed)?;
        let is_it =
            |message: &Message| (&*message.conversation, &*message.activity) == (conversation, activity);
        let gone = |is_a_fault| Refusal { status: 404, code: "ActivityNotFoundInConversation", is_a_fault };
        let found = self.messages.iter().position(is_it).ok_or(gone(true))?;
        if found < self.lost {
            return Err(gone(false));
        }
        let message = &mut self.messages[found];
        message.cards.push(card);
        message.summaries.push(changed["summary"].clone());
        Ok(Reply::Own(200, json!({"id": activity})))
    }

    fn say(&mut self, request: &Request, conversation: &str) -> Answer {
        check_conversation(conversation)?;
        let activity = json_of(request)?;
        if activity["type"] != "message" {
            return refuse(400, "BadSyntax");
        }
        self.said.push((conversation.to_owned(), activity));
        Ok(Reply::Own(201, json!({"id": new_number().to_string()})))
    }

    fn member(&self, conversation: &str, user_id: &str) -> Answer {
        // Teams has no members of a thread (botframework-sdk#3062).
        if conversation.contains(";messageid=") {
            return refuse(404, "ThreadNotFound");
        }
        let is_it = |place: &Place| [place.channel, place.team].contains(&conversation);
        let Some(Place { team, .. }) = PLACES.into_iter().find(is_it) else {
            return refuse(404, "ConversationNotFound");
        };
        match self.members.get(&(team.to_owned(), user_id.to_owned())) {
            Some(member) => Ok(Reply::Own(200, member.clone())),
            None => Err(Refusal { status: 404, code: "MemberNotFoundInConversation", is_a_fault: false }),
        }
    }
}

/// The segments of the path below the conversations, decoded.
fn ids_of(request: &Request) -> Option<Vec<String>> {
    let path = request.url.path().strip_prefix(SERVICE_PATH)?.strip_prefix("/v3/conversations")?;
    let decoded = |segment| percent_decode_str(segment).decode_utf8().ok().map(|id| id.into_owned());
    match (request.url.query(), path.strip_prefix('/')) {
        (None, None) if path.is_empty() => Some(Vec::new()),
        (None, Some(ids)) => ids.split('/').map(decoded).collect(),
        _ => None,
    }
}

/// The place that a call is about, if it is a channel.
fn place_of(request: &Request, ids: &[String]) -> Option<Place> {
    match ids {
        [] => Place::of(json_of(request).ok()?["channelData"]["channel"]["id"].as_str()?),
        [conversation, ..] => Place::of(conversation),
    }
}

/// A channel, a thread of it, or a chat.
fn check_conversation(conversation: &str) -> Result<(), Refusal> {
    match conversation == PERSONAL_CHAT || Place::of(conversation).is_some() {
        true => Ok(()),
        false => refuse(404, "ConversationNotFound"),
    }
}

fn json_of(request: &Request) -> Result<Value, Refusal> {
    let is_json = request.headers.get("content-type").is_some_and(|value| value == "application/json");
    match serde_json::from_slice(&request.body) {
        _ if request.body.len() > MESSAGE_LIMIT_BYTES => refuse(413, "MessageSizeTooBig"),
        Ok(json) if is_json => Ok(json),
        _ => refuse(400, "BadSyntax"),
    }
}

fn card_of(activity: &Value) -> Result<Value, Refusal> {
    let attachments = activity["attachments"].as_array().map_or(&[][..], Vec::as_slice);
    match attachments {
        [card] if activity["type"] == "message" && is_card(card) => Ok(card["content"].clone()),
        _ => refuse(400, "BadSyntax"),
    }
}

fn is_card(attachment: &Value) -> bool {
    attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
        && attachment["content"]["type"] == "AdaptiveCard"
}
