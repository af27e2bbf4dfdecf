//! The card that Outlook shows in a mail: people vote inside it.

use serde_json::{Value, json};

use super::{
    Cards, Mail,
    adaptive::{Client, card, fitting, open_url, text_block},
    body::Body,
    content::Content,
    labels,
};
use crate::{
    approval::{ApprovalId, Verdict, Vote},
    text::markdown::link,
};

impl Cards {
    /// The card for a mail, if mail cards are configured. While the approval waits, it has a comment and two buttons
    /// that send a vote.
    pub fn mail(&self, content: &Content) -> Option<Value> {
        let (mail, id) = (self.mail.as_ref()?, &content.request.id);
        Some(fitting(|limits| {
            let Body { glance: mut body, rest } = self.body(content, Client::Outlook, limits);
            body.extend(rest);
            let page = self.page_url(id);
            let votes: Vec<_> = content.verdicts.iter().map(|verdict| mail.vote(*verdict, id)).collect();
            let actions = if votes.is_empty() {
                vec![open_url(labels::OPEN_PAGE, &page)]
            } else {
                // Apart from the votes: three buttons in a row are cut off where a mail is narrow.
                body.extend([text_block(&link(labels::OPEN_PAGE, &page)), comment()]);
                votes
            };
            let mut card = card("1.0", body);
            card["originator"] = json!(mail.originator);
            card["hideOriginalBody"] = json!(true);
            card["actions"] = json!(actions);
            card
        }))
    }
}

impl Mail {
    /// A button that votes. Outlook names the person in `Authorization`, since no other header of ours has that name.
    fn vote(&self, verdict: Verdict, id: &ApprovalId) -> Value {
        // Outlook puts the comment in the place of the template, as JSON.
        let body = format!(
            r#"{{"approval":"{id}","verdict":"{}","comment":"{{{{comment.value}}}}"}}"#,
            verdict.as_str()
        );
        json!({
            "type": "Action.Http",
            "title": labels::to_vote(&verdict),
            "method": "POST",
            "url": self.approve_url.expose().as_str(),
            "headers": [{"name": "Content-Type", "value": "application/json"}],
            "body": body,
        })
    }
}

/// The place for a comment.
pub fn comment() -> Value {
    json!({
        "type": "Input.Text",
        "id": "comment",
        "placeholder": "A comment, if you like",
        "isMultiline": true,
        "maxLength": Vote::MAX_COMMENT,
    })
}
