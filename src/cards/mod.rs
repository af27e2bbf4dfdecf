//! Every word that goes to a person: the sentence for each outcome, and the cards and pages of a requested
//! approval.
//!
//! What a request says is shown as the request's word, apart from what GitHub vouches for; nothing of it can leave
//! its place, add an action, or pass for ours.

mod adaptive;
mod body;
pub mod bot;
mod links;
mod mail;
pub mod page;
pub mod sentences;
#[cfg(test)]
mod tests;

pub use body::title;
use url::Url;

use crate::http_client::SecretUrl;

/// What a mail card needs beside an approval.
#[derive(Clone, Debug)]
pub struct Mail {
    /// Where its buttons send a vote (`APPROVE_URL`), key and all.
    pub approve_url: SecretUrl,
    /// The actionable-message provider (`MAIL_ORIGINATOR`).
    pub originator: String,
}

/// Writes cards.
#[derive(Debug)]
pub struct Cards {
    /// Where our own pages are (`PUBLIC_URL`).
    pub public_url: Url,
    /// Where GitHub's pages are.
    pub github: Url,
    /// What mail cards need, where there are any.
    pub mail: Option<Mail>,
}
