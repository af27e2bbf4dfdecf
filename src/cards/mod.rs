//! Every word that goes to a person.

pub mod sentences;

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
