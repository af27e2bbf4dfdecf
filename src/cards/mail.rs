//! The card that Outlook shows in a mail: people vote inside it.

use serde_json::{Value, json};

use super::{
    Cards, Mail,
    adaptive::{card, fitting, open_url},
};
use crate::approval::{ApprovalId, Standing, Verdict, Vote};

impl Cards {
    /// The card for a mail, where mail cards are configured: the approval as it stands and, while that is open, a
    /// comment and two buttons that send a vote.
    pub fn mail(&self, standing: &Standing) -> Option<Value> {
        let mail = self.mail.as_ref()?;
        Some(fitting(|limits| {
            let mut body = self.body(standing, limits);
            let mut actions = Vec::new();
            if standing.ruling.is_none() {
                body.push(comment());
                let id = &standing.request.id;
                actions.push(mail.vote("Approve", Verdict::Approve, id));
                actions.push(mail.vote("Reject", Verdict::Reject, id));
            }
            // Where there is nothing left to decide, there is still something to look at.
            actions.push(open_url("Open the page", &self.page_url(&standing.request.id)));
            let mut card = card("1.0", body);
            card["originator"] = json!(mail.originator);
            card["hideOriginalBody"] = json!(true);
            card["actions"] = json!(actions);
            card
        }))
    }
}

impl Mail {
    /// Outlook sends who clicked in `Authorization`, since nothing here takes that header for itself.
    fn vote(&self, title: &str, verdict: Verdict, id: &ApprovalId) -> Value {
        let verdict = verdict.as_str();
        // Outlook puts the comment in the place of the template, as JSON.
        let body =
            format!(r#"{{"approval":"{id}","verdict":"{verdict}","comment":"{{{{comment.value}}}}"}}"#);
        json!({
            "type": "Action.Http",
            "title": title,
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
