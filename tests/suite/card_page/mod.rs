//! A client that shows an Adaptive Card with Microsoft's own renderer, in a real [`Browser`].
//!
//! `Action.OpenUrl` goes to its page. `Action.Http`, on cards below version 1.4, is sent the way Outlook's server does
//! it: from no browser, with the token of the person, and the answer is shown in the card's place. Anything else is
//! said not to be supported. `Action.Execute` goes to the bot that sent the card.

use std::fs;

use serde::Deserialize;
use serde_json::{Value, json};
use url::{Position, Url};

use crate::{
    browser::Browser,
    http1::{Answer, Request},
    node_tools::node_tools,
    web_server::{WebServer, html, ok},
};

/// A card, shown.
pub struct CardPage<'a> {
    browser: &'a Browser,
    _server: WebServer,
}

/// A click on an `Action.Http`, with the inputs' values in it.
#[derive(Deserialize)]
struct Click {
    method: String,
    url: String,
    headers: Vec<(String, String)>,
    body: Option<String>,
    correlation_id: String,
}

impl<'a> CardPage<'a> {
    /// Shows a card to a person for whom the client has this token; fails when the renderer objects to the card.
    pub async fn show(browser: &'a Browser, token: &str, card: &Value) -> Self {
        let token = token.to_owned();
        let server = WebServer::start(move |request| answer(request, token.clone())).await;
        Self::show_from(server, browser, card).await
    }

    /// Shows the card of a bot, which has this port, and gets a click's verb and data as Teams makes an activity of
    /// them.
    pub async fn show_of_bot(
        browser: &'a Browser,
        port: u16,
        card: &Value,
        activity: impl Fn(&str, Value) -> Request + Clone + Send + Sync + 'static,
    ) -> Self {
        let server = WebServer::start(move |request| {
            let activity = activity.clone();
            async move {
                match request.path() {
                    "/execute" => {
                        let click: Value =
                            serde_json::from_slice(request.body.bytes()).expect("our own page's");
                        let verb = click["verb"].as_str().expect("a verb");
                        let answer = activity(verb, click["data"].clone()).send(port).await;
                        ok("application/json", invoked(&answer).to_string())
                    }
                    _ => answer(request, String::new()).await,
                }
            }
        })
        .await;
        Self::show_from(server, browser, card).await
    }

    async fn show_from(server: WebServer, browser: &'a Browser, card: &Value) -> Self {
        browser.goto(&server.url("/")).await;
        let problems = browser.script("return showCard(arguments[0])", vec![card.clone()]).await;
        assert_eq!(problems, json!([]), "the renderer objects to {card:#}");
        Self { browser, _server: server }
    }

    /// Shows one more card below the others.
    pub async fn add(&self, card: &Value) {
        let problems = self.browser.script("return addCard(arguments[0])", vec![card.clone()]).await;
        assert_eq!(problems, json!([]), "the renderer objects to {card:#}");
    }

    /// Everything that the card says.
    pub async fn text(&self) -> String {
        self.browser.text("#card").await
    }

    /// The titles of its buttons, in order.
    pub async fn buttons(&self) -> Vec<String> {
        self.browser.texts("#card button").await
    }

    /// Clicks the button with this title.
    pub async fn click(&self, title: &str) {
        self.browser.click_text(title).await;
    }

    /// Types into the input with this id.
    pub async fn fill(&self, id: &str, text: &str) {
        self.browser.fill(&format!("#card [name={id:?}]"), text).await;
    }

    /// Waits until the client says something below the card about the last click, and gives that.
    pub async fn status(&self) -> String {
        self.browser.text("#status:not(:empty)").await
    }
}

/// The client's own pages, and the way out for its actions.
async fn answer(request: Request, token: String) -> Answer {
    match request.path() {
        "/" => html(include_str!("page.html")),
        "/client.js" => ok("text/javascript", include_str!("client.js")),
        "/teams.js" => ok("text/javascript", include_str!("teams.js")),
        "/teams.css" => ok("text/css", include_str!("teams.css")),
        "/adaptivecards.js" => ok("text/javascript", package("adaptivecards/dist/adaptivecards.min.js")),
        "/adaptivecards.css" => ok("text/css", package("adaptivecards/dist/adaptivecards.css")),
        "/markdown-it.js" => {
            ok("text/javascript", package("markdown-it/dist/browser/markdown-it.umd.min.js"))
        }
        "/send" => ok("application/json", send(&request, &token).await.to_string()),
        _ => Answer::with_status(404),
    }
}

fn package(path: &str) -> Vec<u8> {
    fs::read(node_tools().join(path)).unwrap_or_else(|error| panic!("npm installed no {path}: {error}"))
}

/// Sends a click, and gives what the client shows of the answer: a sentence and, when the answer has one, a new card.
async fn send(request: &Request, token: &str) -> Value {
    let click: Click = serde_json::from_slice(request.body.bytes()).expect("our own page's");
    let url: Url = click.url.parse().unwrap_or_else(|error| panic!("{error}: {:?}", click.url));
    assert_eq!(url.host_str(), Some("127.0.0.1"), "tests call nobody else");
    let port = url.port_or_known_default().expect("http has one");
    let target = &url[Position::BeforePath..Position::AfterQuery];
    let answer = click.into_request(target, token).send(port).await;
    // A body is not read unless the answer says that it is a card.
    let updates = answer.header("CARD-UPDATE-IN-BODY") == Some("true");
    let sentence = answer.header("CARD-ACTION-STATUS").map(str::to_owned);
    json!({
        "sentence": sentence.unwrap_or_else(|| format!("The action failed with status {}.", answer.status)),
        "card": updates.then(|| answer.json()),
    })
}

/// The part of a bot's answer that the client shows: a new card, or why there is none.
fn invoked(answer: &Answer) -> Value {
    let json = answer.json();
    match json["type"].as_str() {
        Some("application/vnd.microsoft.card.adaptive") => json!({"sentence": "ok", "card": json["value"]}),
        Some("application/vnd.microsoft.activity.message") => json!({"sentence": json["value"]}),
        _ => json!({"sentence": json["value"]["message"]}),
    }
}

impl Click {
    fn into_request(self, target: &str, token: &str) -> Request {
        let mut request = Request::new(&self.method, target).json(self.body.unwrap_or_default());
        for (name, value) in &self.headers {
            request.headers.set(name, value);
        }
        // A card may claim `Authorization` for itself by blanking it.
        let blanked = request.headers.get("Authorization").is_some_and(str::is_empty);
        let authorization = if blanked { "Action-Authorization" } else { "Authorization" };
        request.headers.set(authorization, &format!("Bearer {token}"));
        request.headers.set("Card-Correlation-Id", &self.correlation_id);
        request
    }
}
