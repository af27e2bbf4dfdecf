//! The activities that Teams sends to a bot: good ones with their tokens, in which a test changes one thing.

use serde_json::{Value, json};

use crate::{
    authority::TENANT,
    connector::{APP_ID, BotConnector, CHANNEL, CHANNEL_ID, Message, OWN, PERSONAL_CHAT, Place, teams_id},
    connector_tokens::{verifier, verify},
    deployment::Someone,
    http1::Request,
    token_desk::TokenDesk,
    tokens::{Token, new_number},
};

/// An activity and the token that comes with it.
#[derive(Clone)]
pub struct Activity {
    pub token: Token,
    pub body: Value,
}

impl Activity {
    /// Somebody presses a button of a card (`Action.Execute`), whose data is merged with the inputs' values.
    pub fn click(
        connector: &BotConnector,
        person: &Someone,
        message: &Message,
        verb: &str,
        data: Value,
    ) -> Self {
        let action = json!({"type": "Action.Execute", "id": verb, "verb": verb, "data": data});
        Self::invoke(connector, person, "adaptiveCard/action")
            .on(message)
            .with("value", json!({"action": action, "trigger": "manual"}))
    }

    /// A client shows the card and wants it as it is now; nobody did anything.
    pub fn refresh(
        connector: &BotConnector,
        person: &Someone,
        message: &Message,
        verb: &str,
        data: Value,
    ) -> Self {
        Self::click(connector, person, message, verb, data).with("value/trigger", "automatic")
    }

    /// Somebody presses the button of a card in a client that is too old for `Action.Execute` (`Action.Submit`).
    pub fn submit(connector: &BotConnector, person: &Someone, message: &Message, data: Value) -> Self {
        Self::of(connector, person, "message").on(message).with("value", data)
    }

    /// Somebody presses a button of a MessageCard that a bot sent (`HttpPOST`), whose body is `body`.
    pub fn execute(connector: &BotConnector, person: &Someone, message: &Message, body: &str) -> Self {
        Self::invoke(connector, person, "actionableMessage/executeAction")
            .on(message)
            .with("value", json!({"actionId": "approve", "body": body}))
    }

    /// Somebody speaks to the bot.
    pub fn mention(connector: &BotConnector, person: &Someone, text: &str) -> Self {
        let mentioned = json!({"id": format!("28:{APP_ID}"), "name": "ApproveRelease"});
        Self::of(connector, person, "message")
            .with("text", format!("<at>ApproveRelease</at> {text}\n"))
            .with("textFormat", "plain")
            .with(
                "entities",
                json!([{"type": "mention", "mentioned": mentioned, "text": "<at>ApproveRelease</at>"}]),
            )
    }

    /// Somebody adds the bot to the team.
    pub fn added(connector: &BotConnector, person: &Someone) -> Self {
        Self::of(connector, person, "conversationUpdate")
            .with("membersAdded", json!([{"id": format!("28:{APP_ID}")}]))
            .with("channelData/eventType", "teamMemberAdded")
            .with("channelData/team/name", "Releases")
    }

    /// Somebody calls for an answer of this name.
    pub fn invoke(connector: &BotConnector, person: &Someone, name: &str) -> Self {
        Self::of(connector, person, "invoke").with("name", name)
    }

    /// An activity of this type in the channel that says no more than all do.
    pub fn of(connector: &BotConnector, person: &Someone, kind: &str) -> Self {
        let number = new_number();
        let body = json!({
            "type": kind,
            "id": format!("f:{number}-4e3f-8a9b"),
            "timestamp": "2026-11-24T09:00:00.000Z",
            "channelId": CHANNEL,
            "serviceUrl": connector.service_url(),
            "from": {"id": teams_id(person), "name": person.name, "aadObjectId": person.object_id},
            "recipient": {"id": format!("28:{APP_ID}"), "name": "ApproveRelease"},
            "conversation": {
                "isGroup": true,
                "conversationType": "channel",
                "tenantId": TENANT,
            },
            "channelData": {"tenant": {"id": TENANT}},
        });
        let activity = Self { token: Token::of_activity(connector), body };
        activity.in_thread(OWN, &number.to_string())
    }

    /// In another channel, where it begins a thread.
    pub fn in_channel(self, place: Place) -> Self {
        self.in_thread(place, &new_number().to_string())
    }

    fn in_thread(self, place: Place, first: &str) -> Self {
        self.with("conversation/id", format!("{};messageid={first}", place.channel))
            .with("channelData/team", json!({"id": place.team}))
            .with("channelData/channel", json!({"id": place.channel}))
    }

    /// In the thread of a message, and about it.
    pub fn on(self, message: &Message) -> Self {
        let activity = self.in_channel(message.place()).with("conversation/id", message.conversation.clone());
        activity.with("replyToId", message.activity.clone())
    }

    /// In a chat of the person with the bot.
    pub fn in_chat(self) -> Self {
        self.without("conversation/isGroup")
            .with("conversation/conversationType", "personal")
            .with("conversation/id", PERSONAL_CHAT)
            .with("channelData", json!({"tenant": {"id": TENANT}}))
    }

    /// With another value at this path, such as `from/aadObjectId`.
    pub fn with(mut self, path: &str, value: impl Into<Value>) -> Self {
        *path.split('/').fold(&mut self.body, |value, name| &mut value[name]) = value.into();
        self
    }

    /// Without what stands at this path.
    pub fn without(mut self, path: &str) -> Self {
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
        let names = parent.split('/').filter(|name| !name.is_empty());
        let parent = names.fold(&mut self.body, |value, name| &mut value[name]);
        parent.as_object_mut().expect("an object").remove(name);
        self
    }

    /// With another token.
    pub fn token(mut self, change: impl FnOnce(Token) -> Token) -> Self {
        self.token = change(self.token);
        self
    }

    /// As the Bot Connector sends it.
    pub fn request(&self) -> Request {
        self.request_of(self.body.to_string())
    }

    /// With this JSON in its place.
    pub fn request_of(&self, json: String) -> Request {
        let request = Request::post("/api/messages").json(json);
        request.header("Authorization", &format!("Bearer {}", self.token.sign()))
    }
}

#[tokio::test]
async fn every_activity_comes_with_a_token_that_vouches_for_it() {
    let connector = BotConnector::start(&TokenDesk::default()).await;
    let (verifier, alex) = (verifier(&connector), Someone::alex());
    let message = Message {
        conversation: format!("{CHANNEL_ID};messageid=1"),
        activity: "1".into(),
        cards: vec![],
        summaries: vec![],
    };
    for activity in [
        Activity::click(&connector, &alex, &message, "approve", json!({})),
        Activity::refresh(&connector, &alex, &message, "approve", json!({})),
        Activity::submit(&connector, &alex, &message, json!({})),
        Activity::execute(&connector, &alex, &message, "{}"),
        Activity::mention(&connector, &alex, "pending"),
        Activity::added(&connector, &alex),
    ] {
        let request = activity.request();
        let token = request.headers.get("Authorization").and_then(|value| value.strip_prefix("Bearer "));
        let caller = verify(&verifier, token.expect("a token")).await.expect("a caller");
        let body: Value = serde_json::from_slice(request.body.bytes()).expect("JSON");
        let says = |name: &str| body[name].as_str().expect("a text").to_owned();
        assert_eq!(caller.vouches_for(&says("channelId"), &says("serviceUrl")), Ok(()), "{body}");
    }
}

#[tokio::test]
async fn one_thing_of_an_activity_is_changed_and_no_other() {
    let connector = BotConnector::start(&TokenDesk::default()).await;
    let activity = Activity::added(&connector, &Someone::alex());

    let other = activity.clone().with("channelData/tenant/id", "other").without("from/aadObjectId");
    let other = other.without("id").token(|token| token.claim("aud", "other"));

    let mut expected = activity.body;
    expected["channelData"]["tenant"]["id"] = "other".into();
    expected["from"].as_object_mut().expect("an object").remove("aadObjectId");
    expected.as_object_mut().expect("an object").remove("id");
    assert_eq!(other.body, expected);
    assert_eq!(other.token.claims["aud"], "other");
}
