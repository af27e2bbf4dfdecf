//! Adaptive Cards: their elements, their size, and the one that is posted to Teams.

use std::mem;

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};

use super::{Cards, body::Body, content::Content, labels, words::readable};
use crate::text::markdown::literal;

/// The largest card that is made, in bytes: Teams takes about 28 KB with the message around it.
pub const MAX_BYTES: usize = 25_000;

/// The id of the part that is folded.
const DETAILS_ID: &str = "details";

/// The limits on what others wrote in a card; of texts in characters.
#[derive(Clone, Copy)]
pub struct Limits {
    /// True if the newest commits and the files that change what runs are shown, and not their numbers alone.
    pub changes: bool,
    /// Each member of the payload that is not in sight; at 0 they are left out.
    pub payload: usize,
    /// The request's text.
    pub text: usize,
    /// The number of its facts.
    pub facts: usize,
    /// The value of each.
    pub value: usize,
    /// The comment of each vote.
    pub comment: usize,
    /// Each value that GitHub vouches for, and each of ours.
    pub proven: usize,
    /// The name of each requirement of a rule, and likewise how far it has come.
    pub requirement: usize,
}

/// The limits that most cards are made with: as much as anyone reads.
const ROOMY: Limits = Limits {
    changes: true,
    payload: 300,
    text: 4_000,
    facts: 30,
    value: 300,
    comment: 500,
    proven: 300,
    requirement: 300,
};

/// The same without the changes in full.
const NO_CHANGES: Limits = Limits { changes: false, ..ROOMY };

/// The limits that a card is made with until it fits. The changes give way first, then the payload, then the text, the facts and the
/// comments, and at last the names in a rule's requirements; the last of them fit always, whatever the characters.
const LIMITS: [Limits; 8] = [
    ROOMY,
    NO_CHANGES,
    Limits { payload: 60, ..NO_CHANGES },
    Limits { payload: 0, ..NO_CHANGES },
    Limits { payload: 0, text: 600, ..NO_CHANGES },
    Limits { payload: 0, text: 600, facts: 10, value: 80, ..NO_CHANGES },
    TIGHT,
    Limits { text: 60, facts: 1, value: 30, comment: 10, requirement: 24, ..TIGHT },
];

/// The limits under which everything fits beside a rule of few requirements, whatever the characters.
const TIGHT: Limits = Limits {
    payload: 0,
    text: 100,
    facts: 4,
    value: 50,
    comment: 45,
    proven: 50,
    requirement: 50,
    ..NO_CHANGES
};

/// A client that shows cards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Client {
    /// It shows times in the reader's own zone.
    Teams,
    /// It is of version 1.0: all is in sight, and times are in UTC.
    Outlook,
}

impl Client {
    /// A time, as Markdown of ours: nobody else's text has two opening braces in a row.
    pub fn time(self, time: DateTime<Utc>) -> String {
        match self {
            Self::Teams => {
                let time = time.to_rfc3339_opts(SecondsFormat::Secs, true);
                format!("{{{{DATE({time},SHORT)}}}} {{{{TIME({time})}}}}")
            }
            Self::Outlook => readable(time),
        }
    }
}

impl Cards {
    /// The card that a webhook posts to a channel. While the approval waits, it leads to the page where people decide.
    pub fn teams(&self, content: &Content) -> Value {
        fitting(|limits| {
            let Body { glance, rest } = self.body(content, Client::Teams, limits);
            let title = if content.state.is_waiting() { "Approve or reject" } else { labels::OPEN_PAGE };
            let link = open_url(title, &self.page_url(&content.request.id));
            card("1.4", glance.into_iter().chain(with_details(link, rest)).collect())
        })
    }
}

/// The card as `make` makes it, with the first limits under which it is not too large.
pub fn fitting(make: impl Fn(&Limits) -> Value) -> Value {
    let [roomy, tighter @ ..] = LIMITS;
    let mut card = make(&roomy);
    for limits in tighter {
        if card.to_string().len() <= MAX_BYTES {
            break;
        }
        card = make(&limits);
    }
    card
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

/// Buttons within the body.
pub fn actions(actions: Vec<Value>) -> Value {
    json!({"type": "ActionSet", "actions": actions})
}

/// A paragraph or more of markdown.
pub fn text_block(markdown: &str) -> Value {
    json!({"type": "TextBlock", "text": markdown, "wrap": true})
}

/// The label of what stands below it.
pub fn label(text: &str) -> Value {
    json!({"type": "TextBlock", "text": text, "wrap": true, "weight": "bolder"})
}

/// The headline of the card.
pub fn heading(text: &str) -> Value {
    json!({"type": "TextBlock", "text": text, "wrap": true, "weight": "bolder", "size": "large", "spacing": "none"})
}

/// A line of words of ours that has a colour.
pub fn line(text: &str, color: &str) -> Value {
    json!({"type": "TextBlock", "text": text, "wrap": true, "weight": "bolder", "color": color})
}

/// A fact on a card.
pub struct Row {
    /// The name.
    name: String,
    /// The value, as Markdown.
    value: String,
    /// True if it needs the whole width: clients cut off a column that cannot be broken.
    is_wide: bool,
}

impl Row {
    /// The widest words of a name and a value that stand side by side on a phone, in narrow letters.
    const MAX_WIDTH: usize = 30;

    /// A fact whose value is `shown`, once its Markdown is read.
    pub fn new(name: &str, shown: &str, value: String) -> Self {
        let is_wide = widest_word(name) + widest_word(shown) > Self::MAX_WIDTH;
        Self { name: literal(name), value, is_wide }
    }
}

/// The width of the widest word, in narrow letters.
fn widest_word(text: &str) -> usize {
    let is_narrow = |letter: char| match letter {
        'm' | 'w' | '@' | '%' => false,
        _ => letter.is_ascii() && !letter.is_ascii_uppercase(),
    };
    let width = |word: &str| word.chars().map(|letter| if is_narrow(letter) { 1 } else { 2 }).sum();
    text.split_whitespace().map(width).max().unwrap_or(0)
}

/// Names and values: side by side, or one below the other where that needs more room.
pub fn fact_set(rows: impl IntoIterator<Item = Row>) -> Value {
    let (mut parts, mut narrow) = (Vec::new(), Vec::new());
    for Row { name, value, is_wide } in rows {
        if is_wide {
            parts.extend(narrow_facts(&mut narrow));
            parts.push(json!({"type": "TextBlock", "text": name, "wrap": true, "weight": "bolder", "spacing": "small"}));
            parts.push(json!({"type": "TextBlock", "text": value, "wrap": true, "spacing": "none"}));
        } else {
            narrow.push(json!({"title": name, "value": value}));
        }
    }
    parts.extend(narrow_facts(&mut narrow));
    match parts.len() {
        1 => parts.remove(0),
        _ => json!({"type": "Container", "items": parts}),
    }
}

fn narrow_facts(facts: &mut Vec<Value>) -> Option<Value> {
    let facts = mem::take(facts);
    (!facts.is_empty()).then(|| json!({"type": "FactSet", "facts": facts}))
}

/// A group of elements.
pub fn group(items: Vec<Value>) -> Value {
    json!({"type": "Container", "separator": true, "items": items})
}

/// The workflow's own words, on a ground of its own, below a line that says so. That ground is hard to see in the dark:
/// Teams draws a border too, of which other clients know nothing.
pub fn frame(label: &str, items: Vec<Value>) -> Value {
    let label = json!({"type": "TextBlock", "text": label, "wrap": true, "size": "small"});
    let items: Vec<_> = [label].into_iter().chain(items).collect();
    json!({"type": "Container", "style": "emphasis", "showBorder": true, "roundedCorners": true, "items": items})
}

/// A link and the button that unfolds the rest, and the rest below them.
pub fn with_details(link: Value, rest: Vec<Value>) -> [Value; 2] {
    let toggle =
        json!({"type": "Action.ToggleVisibility", "title": labels::DETAILS, "targetElements": [DETAILS_ID]});
    let folded = json!({"type": "Container", "id": DETAILS_ID, "isVisible": false, "items": rest});
    [actions(vec![link, toggle]), folded]
}
