//! Adaptive Cards: their elements, their size, and the one that is posted to Teams.

use serde_json::{Value, json};

use super::Cards;
use crate::approval::Standing;

/// The largest card that is made, in bytes: Teams takes about 28 KB with the message around it.
pub const MAX_BYTES: usize = 27_500;

/// How much of what others wrote a card shows; texts in characters.
pub struct Limits {
    /// The request's text.
    pub text: usize,
    /// How many of its facts.
    pub facts: usize,
    /// The value of each.
    pub value: usize,
    /// The comment of each vote.
    pub comment: usize,
}

/// As much as anybody reads.
const ROOMY: Limits = Limits { text: 4_000, facts: 30, value: 300, comment: 500 };

/// So little that it fits whatever characters it consists of.
const TIGHT: Limits = Limits { text: 600, facts: 10, value: 80, comment: 100 };

impl Cards {
    /// The card that is posted to a channel: it shows the approval as it stands, and while that is open, leads to the
    /// page where people decide.
    pub fn teams(&self, standing: &Standing) -> Value {
        fitting(|limits| {
            let mut body = self.body(standing, limits);
            if standing.ruling.is_none() {
                let open = open_url("Approve or reject", &self.page_url(&standing.request.id));
                body.push(json!({"type": "ActionSet", "actions": [open]}));
            }
            card("1.4", body)
        })
    }
}

/// The card as `make` makes it with limits under which it is not too large.
pub fn fitting(make: impl Fn(&Limits) -> Value) -> Value {
    let roomy = make(&ROOMY);
    if roomy.to_string().len() <= MAX_BYTES { roomy } else { make(&TIGHT) }
}

/// A card of these elements, which are all of `version` or older.
///
/// Values such as `bolder` are in lower case: so version 1.0 has them, and later ones read them in any case.
pub fn card(version: &str, body: Vec<Value>) -> Value {
    json!({
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": version,
        "body": body,
    })
}

/// A button that opens a page.
pub fn open_url(title: &str, url: &str) -> Value {
    json!({"type": "Action.OpenUrl", "title": title, "url": url})
}

/// A paragraph or more of markdown.
pub fn text_block(markdown: &str) -> Value {
    json!({"type": "TextBlock", "text": markdown, "wrap": true})
}

/// A line that says what stands below it.
pub fn label(text: &str) -> Value {
    json!({"type": "TextBlock", "text": text, "wrap": true, "weight": "bolder"})
}

/// The largest line of the card.
pub fn heading(text: &str, color: &str) -> Value {
    json!({"type": "TextBlock", "text": text, "wrap": true, "weight": "bolder", "size": "large", "color": color})
}

/// Names and values, both markdown.
pub fn fact_set(facts: impl IntoIterator<Item = (String, String)>) -> Value {
    let facts = facts.into_iter().map(|(title, value)| json!({"title": title, "value": value}));
    json!({"type": "FactSet", "facts": facts.collect::<Vec<_>>()})
}

/// What belongs together; of `style` `emphasis` on a ground of its own.
pub fn container(style: &str, items: Vec<Value>) -> Value {
    json!({"type": "Container", "style": style, "separator": true, "items": items})
}
