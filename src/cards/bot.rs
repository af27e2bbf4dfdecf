//! The cards that the bot posts: people decide inside them.

use serde_json::{Value, json};

use super::{
    Cards,
    adaptive::{Client, actions, card, fitting, open_url, text_block, with_details},
    body::Body,
    content::Content,
    labels,
    mail::comment,
    words::own_title,
};
use crate::approval::{ApprovalId, Item, Verdict};
use crate::text::{identifier::identifier, markdown::literal};

/// The verb of a card that asks how it stands now.
pub const REFRESH: &str = "refresh";

/// The most approvals that a message lists.
const MAX_LISTED: usize = 20;

impl Cards {
    /// The card that the bot posts. While the approval waits, it has a comment and two buttons that vote; `said` is
    /// shown first, to the person who clicked.
    pub fn bot(&self, content: &Content, said: Option<&str>) -> Value {
        let (id, is_waiting) = (&content.request.id, content.state.is_waiting());
        fitting(|limits| {
            let mut body: Vec<_> = said.map(|said| text_block(&literal(said))).into_iter().collect();
            let Body { glance, rest } = self.body(content, Client::Teams, limits);
            body.extend(glance);
            body.extend(is_waiting.then(comment));
            let votes: Vec<_> = content.verdicts.iter().map(|verdict| vote(*verdict, id)).collect();
            body.extend((!votes.is_empty()).then(|| actions(votes)));
            // On a line apart from the votes: three buttons in a row are cut off on a phone.
            body.extend(with_details(open_url(labels::OPEN_PAGE, &self.page_url(id)), rest));
            let mut card = card("1.4", body);
            if is_waiting {
                card["refresh"] = refresh(id);
            }
            card["fallbackText"] = json!(format!("{}: this client cannot show the card.", content.headline));
            card
        })
    }

    /// The card that reminds of an approval that waits, with a link to where it can be decided.
    pub fn reminder(&self, content: &Content, link: &str) -> Value {
        let title = own_title(content.request);
        let title = title.map(|title| format!(". {}: “**{}**”", labels::SAID, literal(&title)));
        let text = format!(
            "Still waiting: {}{}. {} {}.",
            literal(&identifier(&content.request.workload.repository.to_string())),
            title.unwrap_or_default(),
            labels::OPEN_UNTIL,
            Client::Teams.time(content.request.expires_at()),
        );
        card("1.4", vec![text_block(&text), actions(vec![open_url("Decide", link)])])
    }

    /// The approvals that wait, as plain text; with `more` it says that there are others.
    pub fn waiting_list(&self, waiting: &[Item], more: bool, sees_all: bool) -> String {
        let line = |item: &Item| match item {
            Item::Requested(standing) => {
                let request = &standing.request;
                let title = own_title(request).map(|title| format!(" ({}: “{title}”)", labels::SAID));
                let repository = identifier(&request.workload.repository.to_string());
                Some(format!("{repository}{}: {}", title.unwrap_or_default(), self.page_url(&request.id)))
            }
            Item::Unreadable(id, _) => Some(format!("{id}: a record of it cannot be read; the log names it")),
            Item::Relayed(..) => None,
        };
        let mut lines: Vec<_> = waiting.iter().filter_map(line).collect();
        let more = more || lines.len() > MAX_LISTED;
        lines.truncate(MAX_LISTED);
        let there_is_more = format!("There is more: {}", self.list_url());
        match lines.len() {
            0 if more => {
                format!("None of the first approvals that wait is one that you may see. {there_is_more}")
            }
            0 if sees_all => "Nothing waits for a decision.".to_owned(),
            0 => "Nothing that you may see waits for a decision.".to_owned(),
            _ => {
                lines.extend(more.then_some(there_is_more));
                format!("Waiting for a decision:\n\n{}", lines.join("\n\n"))
            }
        }
    }

    /// The bot's answer outside of a channel.
    pub fn elsewhere(&self) -> String {
        let list = self.list_url();
        format!(
            "Approvals are decided on their cards in the channel, not in a chat. They are also listed at {list}"
        )
    }
}

/// Shows the approval as it is now to anyone who looks; a refresh never decides.
fn refresh(id: &ApprovalId) -> Value {
    let data = json!({"approval": id.as_str()});
    json!({"action": {"type": "Action.Execute", "verb": REFRESH, "data": data}})
}

/// A button that votes; old clients send the same data as a message.
fn vote(verdict: Verdict, id: &ApprovalId) -> Value {
    let (title, verb) = (labels::to_vote(&verdict), verdict.as_str());
    let style = match verdict {
        Verdict::Approve => "positive",
        Verdict::Reject => "destructive",
    };
    let data = json!({"approval": id.as_str(), "verdict": verb});
    json!({
        "type": "Action.Execute",
        "title": title,
        "style": style,
        "verb": verb,
        "data": data,
        "fallback": {"type": "Action.Submit", "title": title, "data": data},
    })
}

/// The bot's words when it is added to a team.
pub fn welcome(channel: Option<&str>) -> String {
    match channel {
        Some(channel) => format!(
            "ApproveRelease is here. To have approvals posted to this channel, set TEAMS_CHANNEL_ID to {channel}, or let a \
             rule of POLICY name it, and restart the function app."
        ),
        None => "ApproveRelease is here. Its setting TEAMS_CHANNEL_ID names the channel that it posts to."
            .to_owned(),
    }
}
