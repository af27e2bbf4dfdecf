//! A deployment in which jobs ask for approvals and people decide on them, and what each of them sends.

use std::sync::{Arc, Mutex};

use base64::{Engine, engine::general_purpose::STANDARD};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use wiremock::{Mock, MockServer, Request as Received, Respond, ResponseTemplate, matchers::any};

use crate::{
    actions::{Actions, PUBLIC_URL},
    authority::{Authority, TENANT, Version},
    functions_host::{Builder, FunctionsHost, Mode},
    github::GitHub,
    handler_process::until,
    http1::{Answer, Request},
    tokens::{ALEX, ALEX_NAME, ALEX_UPN, Token},
};

/// The request of a job, in the tests that ask for nothing special.
pub const ASKED: &str = r#"{"event_type":"go-live","client_payload":{"version":"1.10", "n": 1.10}}"#;

/// Everybody around a deployment.
pub struct Surroundings {
    pub github: GitHub,
    pub actions: Actions,
    pub authority: Authority,
}

impl Surroundings {
    pub async fn start() -> Self {
        Self {
            github: GitHub::start().await,
            actions: Actions::start().await,
            authority: Authority::start().await,
        }
    }

    /// Everybody, and a host with all of them.
    pub async fn with_host(mode: Mode) -> (Self, FunctionsHost) {
        let around = Self::start().await;
        let host = around.host(mode).start().await;
        (around, host)
    }

    /// A host with all of them, whose approvers are everybody in the tenant, and where people sign in.
    pub fn host(&self, mode: Mode) -> Builder {
        FunctionsHost::requesting(mode, &self.github, &self.actions)
            .settings(self.authority.settings())
            .setting("WEBSITE_AUTH_ENABLED", "True")
    }

    /// Asks for an approval as a job of a run of its own.
    pub async fn ask(&self, host: &FunctionsHost, body: &str) -> Value {
        host.ask_as(&Token::of_job(&self.actions), body).await.assert_opened()
    }

    /// Asks, and gives the id alone.
    pub async fn ask_for_id(&self, host: &FunctionsHost, body: &str) -> String {
        text(&self.ask(host, body).await["id"])
    }

    /// The status of an approval, as a job of its repository sees it.
    pub async fn status(&self, host: &FunctionsHost, id: &str) -> Value {
        let answer = host.status_as(&Token::of_job(&self.actions), id).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    }

    /// A token of a person as Outlook brings it.
    pub fn token_of(&self, person: &Someone) -> String {
        let token = Token::good(Version::Two, &self.authority);
        token
            .claim("oid", person.object_id.clone())
            .claim("preferred_username", person.upn.clone())
            .claim("name", person.name.clone())
            .sign()
    }
}

/// A person of the tenant.
#[derive(Clone, Debug)]
pub struct Someone {
    pub object_id: String,
    pub upn: String,
    pub name: String,
}

impl Someone {
    pub fn alex() -> Self {
        Self { object_id: ALEX.to_owned(), upn: ALEX_UPN.to_owned(), name: ALEX_NAME.to_owned() }
    }

    /// One of many, each different.
    pub fn number(number: u32) -> Self {
        Self {
            object_id: format!("{number:08x}-2222-4222-8333-444455556666"),
            upn: format!("person{number}@contoso.com"),
            name: format!("Person {number}"),
        }
    }

    /// The header that App Service Authentication adds to a request of theirs.
    pub fn principal(&self) -> String {
        let claim = |typ: &str, val: &str| json!({"typ": typ, "val": val});
        let principal = json!({"auth_typ": "aad", "name_typ": "name", "role_typ": "roles", "claims": [
            claim("http://schemas.microsoft.com/identity/claims/objectidentifier", &self.object_id),
            claim("http://schemas.microsoft.com/identity/claims/tenantid", TENANT),
            claim("preferred_username", &self.upn),
            claim("name", &self.name),
        ]});
        STANDARD.encode(principal.to_string())
    }

    /// A request of theirs from a browser that is signed in.
    pub fn browse(&self, request: Request) -> Request {
        request.header("X-MS-CLIENT-PRINCIPAL", &self.principal())
    }

    /// Opens a page.
    pub fn get(&self, target: &str) -> Request {
        self.browse(Request::get(target)).header("Accept", "text/html,application/xhtml+xml,*/*;q=0.8")
    }

    /// Presses a button of the page.
    pub fn press(&self, id: &str, verdict: &str, comment: &str) -> Request {
        let comment = utf8_percent_encode(comment, NON_ALPHANUMERIC);
        self.browse(Request::post(&page_of(id)))
            .form(format!("comment={comment}&verdict={verdict}"))
            .header("Sec-Fetch-Site", "same-origin")
            .header("Origin", PUBLIC_URL)
    }
}

impl FunctionsHost {
    /// A job asks.
    pub async fn ask_as(&self, token: &Token, body: &str) -> Answer {
        let request = Request::post("/api/RequestApproval").json(body);
        self.send(request.header("Authorization", &format!("Bearer {}", token.sign()))).await
    }

    /// A job looks.
    pub async fn status_as(&self, token: &Token, id: &str) -> Answer {
        let request = Request::get(&format!("/api/RequestApproval/{id}"));
        self.send(request.header("Authorization", &format!("Bearer {}", token.sign()))).await
    }

    /// A person votes in a mail.
    pub async fn vote(&self, token: &str, id: &str, verdict: &str) -> Answer {
        self.click_as(token, vote_body(id, verdict, "")).await
    }
}

/// The body of a mail card's button.
pub fn vote_body(id: &str, verdict: &str, comment: &str) -> String {
    json!({"approval": id, "verdict": verdict, "comment": comment}).to_string()
}

/// The address of an approval's page.
pub fn page_of(id: &str) -> String {
    format!("/api/approvals/{id}")
}

/// A JSON value that is a text.
pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("a text, not {value}")).to_owned()
}

/// A loopback Workflows webhook, whose URL is a secret.
pub struct Channel {
    server: MockServer,
    state: Arc<Mutex<ChannelState>>,
}

#[derive(Default)]
struct ChannelState {
    answer: Option<ResponseTemplate>,
    posted: Vec<Value>,
    tried: usize,
}

/// The secret that stands in its address and nowhere else.
pub const CHANNEL_SECRET: &str = "aSignatureThatNobodyMaySee";

impl Channel {
    pub async fn start() -> Self {
        let server = MockServer::builder().start().await;
        let state = Arc::new(Mutex::new(ChannelState::default()));
        let flow = Flow { state: Arc::clone(&state) };
        Mock::given(any()).respond_with(flow).mount(&server).await;
        Self { server, state }
    }

    pub fn setting(&self) -> [(&'static str, String); 1] {
        [("TEAMS_WEBHOOK_URL", format!("{}/workflows/1/run?sig={CHANNEL_SECRET}", self.server.uri()))]
    }

    /// From now on answers otherwise, or as it should again.
    pub fn answer_with(&self, answer: Option<ResponseTemplate>) {
        self.state.lock().unwrap().answer = answer;
    }

    /// The cards that stand in the channel.
    pub fn cards(&self) -> Vec<Value> {
        self.state.lock().unwrap().posted.clone()
    }

    /// The number of calls to it.
    pub fn tried(&self) -> usize {
        self.state.lock().unwrap().tried
    }

    /// Waits until so many cards stand in the channel.
    pub async fn until_cards(&self, count: usize) -> Vec<Value> {
        until("the cards are posted", async || self.cards().len() >= count).await;
        self.cards()
    }
}

struct Flow {
    state: Arc<Mutex<ChannelState>>,
}

impl Respond for Flow {
    fn respond(&self, request: &Received) -> ResponseTemplate {
        let mut state = self.state.lock().unwrap();
        state.tried += 1;
        if let Some(answer) = &state.answer {
            return answer.clone();
        }
        match card_of(request) {
            Some(card) => {
                state.posted.push(card);
                ResponseTemplate::new(202)
            }
            None => ResponseTemplate::new(400),
        }
    }
}

/// The card of a message that the trigger "When a Teams webhook request is received" takes.
fn card_of(request: &Received) -> Option<Value> {
    let mut message: Value = serde_json::from_slice(&request.body).ok()?;
    let attachments = message["attachments"].as_array_mut()?;
    let is_right = request.method == "POST" && request.url.query() == Some(&format!("sig={CHANNEL_SECRET}"));
    let [attachment] = &mut attachments[..] else { return None };
    let is_card = attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
        && attachment.get("contentUrl") == Some(&Value::Null);
    (is_right && is_card && request.body.len() < 28_000).then(|| attachment["content"].take())
}
