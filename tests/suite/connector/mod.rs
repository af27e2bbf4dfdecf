//! A loopback Bot Connector: its OpenID metadata and endorsed keys, the tokens that come with activities, and what it
//! does for a bot ([`service`]).
//!
//! It counts what it is asked. Dropping it fails the test when it was asked for what it does not have, or without a
//! token of its [`TokenDesk`].

mod service;

use std::{
    ops::Deref,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use serde_json::{Value, json};
use wiremock::{Mock, ResponseTemplate, matchers::path_regex};

pub use self::service::{Call, Fault, Message};
use self::service::{Service, State};
use crate::{
    authority::TENANT,
    deployment::Someone,
    openid::{Document, OpenId, Published},
    signing_keys::Key,
    token_desk::{APP_PASSWORD, TokenDesk},
    tokens::{Token, in_seconds, new_number, object},
};

/// The bot.
pub const APP_ID: &str = "b07b07b0-1c2d-4e3f-8a9b-0c1d2e3f4a5b";

/// The `iss` of its tokens, in whichever cloud is played.
pub const ISSUER: &str = "https://api.botframework.com";

/// The name of Teams in activities.
pub const CHANNEL: &str = "msteams";

/// The channel of a team, and the team, whose general channel has the same id.
pub const CHANNEL_ID: &str = "19:LydFnezGKSkhYoiLNP6kZ8AuXQr36EDAkvG9CNJSPKc1@thread.tacv2";
pub const TEAM_ID: &str = "19:aTeamOfItsOwnKZ8AuXQr36EDAkvG9CNJSPKc1@thread.tacv2";

/// A channel and its team.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Place {
    pub channel: &'static str,
    pub team: &'static str,
}

/// The deployment's own channel, and those of two other teams.
pub const OWN: Place = Place { channel: CHANNEL_ID, team: TEAM_ID };
pub const SECURITY: Place = Place {
    channel: "19:securityReleasesKZ8AuXQr36EDAkvG9CNJSPKc1@thread.tacv2",
    team: "19:theSecurityTeamKZ8AuXQr36EDAkvG9CNJSPKc1@thread.tacv2",
};
pub const PRODUCT: Place = Place {
    channel: "19:productReleasesKZ8AuXQr36EDAkvG9CNJSPKc1@thread.tacv2",
    team: "19:theProductTeamKZ8AuXQr36EDAkvG9CNJSPKc1@thread.tacv2",
};

/// All places that it knows.
pub const PLACES: [Place; 3] = [OWN, SECURITY, PRODUCT];

impl Place {
    /// The place of this conversation: a channel or a thread of one.
    pub fn of(conversation: &str) -> Option<Self> {
        let channel = conversation.split_once(";messageid=").map_or(conversation, |(channel, _)| channel);
        PLACES.into_iter().find(|place| place.channel == channel)
    }
}

/// A chat of the bot with one person.
pub const PERSONAL_CHAT: &str = "a:1pL6i0oY3C0K8oAj8fIKk9Nfjyoe3VZqDoPnXyGb";

const METADATA_PATH: &str = "/v1/.well-known/openidconfiguration";
const KEYS_PATH: &str = "/v1/.well-known/keys";
const SERVICE_PATH: &str = "/teams";

pub struct BotConnector {
    documents: OpenId,
    service: Arc<Mutex<State>>,
}

impl BotConnector {
    /// One that takes what `desk` gives out, with some teams; the one member of the deployment's own is Alex.
    pub async fn start(desk: &TokenDesk) -> Self {
        let documents = OpenId::start(|url| vec![published(url)]).await;
        let service = Arc::new(Mutex::new(State::new(desk.clone())));
        let calls = Mock::given(path_regex(format!("^{SERVICE_PATH}(/.*)?$")));
        documents.share_with(calls.respond_with(Service(Arc::clone(&service)))).await;
        let connector = Self { documents, service };
        connector.add_member(&Someone::alex());
        connector
    }

    /// The settings that make it the one that is believed, and its channel the one that is posted to.
    pub fn settings(&self) -> [(&'static str, String); 6] {
        [
            ("MicrosoftAppId", APP_ID.to_owned()),
            ("MicrosoftAppPassword", APP_PASSWORD.to_owned()),
            ("MicrosoftAppTenantId", TENANT.to_owned()),
            ("BOT_OPENID_METADATA", self.metadata_url()),
            ("BOT_SERVICE_URL", self.service_url()),
            ("TEAMS_CHANNEL_ID", CHANNEL_ID.to_owned()),
        ]
    }

    pub fn metadata_url(&self) -> String {
        format!("{}{METADATA_PATH}", self.url())
    }

    pub fn keys_url(&self) -> String {
        format!("{}{KEYS_PATH}", self.url())
    }

    /// The address at which bots call it, as its activities say.
    pub fn service_url(&self) -> String {
        format!("{}{SERVICE_PATH}", self.url())
    }

    /// From now on calls itself otherwise, as the Bot Connector of another cloud does.
    pub fn say_issuer(&self, issuer: &str) {
        let mut metadata = published(&self.url()).metadata;
        metadata["issuer"] = issuer.into();
        self.serve_instead(Document::Metadata, ResponseTemplate::new(200).set_body_json(metadata));
    }

    /// From now on knows this person as a member of the deployment's own team.
    pub fn add_member(&self, person: &Someone) {
        self.add_member_to(OWN, person);
    }

    /// The same of the team of this place.
    pub fn add_member_to(&self, place: Place, person: &Someone) {
        let member = json!({
            "id": teams_id(person),
            "name": person.name,
            "objectId": person.object_id,
            "userPrincipalName": person.upn,
            "email": person.upn,
            "tenantId": TENANT,
            "userRole": "user",
        });
        self.service().members.insert((place.team.to_owned(), teams_id(person)), member);
    }

    /// The next calls meet these faults, one each.
    pub fn fail_next(&self, faults: impl IntoIterator<Item = Fault>) {
        self.service().faults.extend(faults);
    }

    /// From now on answers every call with a good token so, or as it should again.
    pub fn answer_calls_with(&self, answer: Option<ResponseTemplate>) {
        self.service().always = answer;
    }

    /// From now on answers every call about this place so, or as it should again.
    pub fn answer_calls_to(&self, place: Place, answer: Option<ResponseTemplate>) {
        let answers = &mut self.service().by_place;
        answers.retain(|(other, _)| *other != place);
        answers.extend(answer.map(|answer| (place, answer)));
    }

    /// From now on the bot's app is not in the team of this place, or is there again.
    pub fn take_out_of_team(&self, place: Place, is_out: bool) {
        let error = json!({"error": {"code": "BotNotInConversationRoster",
            "message": "The bot is not part of the conversation roster."}});
        let answer = is_out.then(|| ResponseTemplate::new(403).set_body_json(error));
        self.answer_calls_to(place, answer);
    }

    /// From now on takes this long for each call.
    pub fn answer_calls_after(&self, delay: Duration) {
        self.service().delay = delay;
    }

    /// From now on knows nothing of the messages that stand there, although people see them, as Teams does now and then.
    pub fn lose_messages(&self) {
        let mut service = self.service();
        service.lost = service.messages.len();
    }

    /// Expects so many calls that are refused for what they are.
    pub fn expect_refusals(&self, count: usize) {
        self.service().expected_refusals = count;
    }

    /// The cards that stand in all channels, in the order in which they were posted.
    pub fn messages(&self) -> Vec<Message> {
        self.service().messages.clone()
    }

    /// Those that stand in the channel of this place.
    pub fn messages_in(&self, place: Place) -> Vec<Message> {
        self.messages().into_iter().filter(|message| message.place() == place).collect()
    }

    /// The other activities that the bot sent, each with its conversation.
    pub fn said(&self) -> Vec<(String, Value)> {
        self.service().said.clone()
    }

    /// All calls with a good token.
    pub fn calls(&self) -> Vec<Call> {
        self.service().calls.clone()
    }

    fn service(&self) -> MutexGuard<'_, State> {
        self.service.lock().expect("nobody panicked")
    }
}

impl Drop for BotConnector {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let service = self.service();
            assert_eq!(service.refusals.len(), service.expected_refusals, "refused: {:?}", service.refusals);
            assert_eq!(service.undescribed, [""; 0], "not as Microsoft describes it");
        }
    }
}

impl Deref for BotConnector {
    type Target = OpenId;

    fn deref(&self) -> &OpenId {
        &self.documents
    }
}

impl Token {
    /// A good one of an activity in Teams, issued a minute ago and good for an hour; like no other.
    pub fn of_activity(connector: &BotConnector) -> Self {
        Self::issued(
            Key::Connector,
            object(json!({
                "serviceurl": connector.service_url(),
                "nbf": in_seconds(-60),
                "exp": in_seconds(3600),
                "iss": ISSUER,
                "aud": APP_ID,
                "jti": new_number(),
            })),
        )
    }
}

/// The id that Teams gives to a person for this bot.
pub fn teams_id(person: &Someone) -> String {
    format!("29:1aK9mYhSZ3egG5Ve2UaOoEjrOppWz-{}", person.object_id)
}

/// The key, as the Bot Connector publishes it for these channels.
pub fn endorsed(key: Key, channels: &[&str]) -> Value {
    let mut jwk = key.jwk();
    jwk["endorsements"] = json!(channels);
    jwk
}

fn published(url: &str) -> Published {
    Published {
        metadata_path: METADATA_PATH.to_owned(),
        metadata: json!({
            "issuer": ISSUER,
            "authorization_endpoint": "https://invalid.botframework.com",
            "jwks_uri": format!("{url}{KEYS_PATH}"),
            "id_token_signing_alg_values_supported": ["RS256"],
            "token_endpoint_auth_methods_supported": ["private_key_jwt"],
        }),
        keys_path: KEYS_PATH.to_owned(),
        keys: vec![
            endorsed(Key::Connector, &["skype", CHANNEL, "msteams.internal"]),
            endorsed(Key::WebChat, &["webchat", "directline", "emulator"]),
        ],
    }
}
