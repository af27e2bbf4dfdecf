//! The cards that the bot posts: people decide inside them.

use serde_json::{Value, json};

use super::{
    Cards,
    adaptive::{card, fitting, open_url, text_block},
    mail::comment,
    title,
};
use crate::approval::{ApprovalId, Ending, Item, Standing, Verdict};
use crate::text::markdown::literal;

/// The verb of a card that asks how it stands now.
pub const REFRESH: &str = "refresh";

/// The most approvals that a message lists.
const MAX_LISTED: usize = 20;

impl Cards {
    /// The card of an approval as it stands; while that is open, with a comment and two buttons that vote. `said` is
    /// told to whoever clicked.
    pub fn bot(&self, standing: &Standing, said: Option<&str>) -> Value {
        fitting(|limits| {
            let mut body: Vec<_> = said.map(|said| text_block(&literal(said))).into_iter().collect();
            body.extend(self.body(standing, limits));
            let id = &standing.request.id;
            let open = open_url("Open the page", &self.page_url(id));
            let mut card = if standing.ruling.is_none() {
                body.push(comment());
                let actions =
                    [vote("Approve", Verdict::Approve, id), vote("Reject", Verdict::Reject, id), open];
                body.push(json!({"type": "ActionSet", "actions": actions}));
                let mut card = card("1.4", body);
                // Those who look are shown how it stands now; a refresh never decides.
                let data = json!({"approval": id.as_str()});
                card["refresh"] =
                    json!({"action": {"type": "Action.Execute", "verb": REFRESH, "data": data}});
                card
            } else {
                body.push(json!({"type": "ActionSet", "actions": [open]}));
                card("1.4", body)
            };
            card["fallbackText"] = json!(fallback(standing));
            card
        })
    }

    /// The card that reminds of an approval that waits, with a link to where it can be decided.
    pub fn reminder(&self, standing: &Standing, link: &str) -> Value {
        let request = &standing.request;
        let until = request.expires_at().format("%Y-%m-%d %H:%M UTC");
        let text = format!(
            "Still waiting: **{}** for {}. Open until {until}.",
            literal(&title(request)),
            literal(&request.workload.repository.to_string()),
        );
        card(
            "1.4",
            vec![text_block(&text), json!({"type": "ActionSet", "actions": [open_url("Decide", link)]})],
        )
    }

    /// What waits, as plain text; `more` says that it is not all of it.
    pub fn waiting_list(&self, waiting: &[Item], more: bool) -> String {
        let line = |item: &Item| match item {
            Item::Requested(standing) => {
                let request = &standing.request;
                let (title, repository) = (title(request), &request.workload.repository);
                Some(format!("{title} ({repository}): {}", self.page_url(&request.id)))
            }
            Item::Unreadable(id, _) => Some(format!("{id}: a record of it cannot be read; the log names it")),
            Item::Relayed(..) => None,
        };
        let mut lines: Vec<_> = waiting.iter().filter_map(line).collect();
        let more = more || lines.len() > MAX_LISTED;
        lines.truncate(MAX_LISTED);
        if more {
            lines.push(format!("There is more: {}", self.list_url()));
        }
        match lines.len() {
            0 => "Nothing waits for a decision.".to_owned(),
            _ => format!("Waiting for a decision:\n\n{}", lines.join("\n\n")),
        }
    }
}

/// What a client says that cannot show the card.
fn fallback(standing: &Standing) -> String {
    let state = match standing.ruling.as_ref().map(|ruling| ruling.ending) {
        None => "An approval is waiting",
        Some(Ending::Approved) => "A release was approved",
        Some(Ending::Rejected) => "A release was rejected",
        Some(Ending::Expired) => "An approval has expired",
    };
    format!("{state}: this client cannot show its card.")
}

/// A button that votes; old clients send the same data as a message.
fn vote(title: &str, verdict: Verdict, id: &ApprovalId) -> Value {
    let data = json!({"approval": id.as_str(), "verdict": verdict.as_str()});
    json!({
        "type": "Action.Execute",
        "title": title,
        "verb": verdict.as_str(),
        "data": data,
        "fallback": {"type": "Action.Submit", "title": title, "data": data},
    })
}

impl Cards {
    /// What the bot says outside of a channel.
    pub fn elsewhere(&self) -> String {
        format!(
            "Approvals are decided in the channel, on their cards, and not in a chat. They also stand at {}",
            self.list_url()
        )
    }
}

/// What the bot says when it has been added to a team.
pub fn welcome(channel: Option<&str>) -> String {
    match channel {
        Some(channel) => format!(
            "ApproveRelease is here. To have approvals posted to this channel, set TEAMS_CHANNEL_ID to {channel} and \
             restart the function app."
        ),
        None => "ApproveRelease is here. Its setting TEAMS_CHANNEL_ID names the channel that it posts to."
            .to_owned(),
    }
}
