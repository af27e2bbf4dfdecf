//! Every word that goes to a person: the sentence for each outcome, and the cards and pages of a requested
//! approval.
//!
//! Their content is built once, as plain data ([`content`]), under one table of labels, and rendered as an Adaptive
//! Card for Teams, a card for a mail, a page and a row of the list.
//!
//! The request's own words stand apart from the facts that GitHub vouches for. Nothing in them can leave its place, add
//! an action, or pass for ours.

mod adaptive;
mod body;
pub mod bot;
mod changes;
pub mod content;
mod labels;
mod links;
mod mail;
pub mod page;
#[cfg(test)]
mod samples;
pub mod sentences;
#[cfg(test)]
mod tests;
mod words;

use url::Url;

use crate::{http_client::SecretUrl, time_zone::TimeZone};

/// The settings of mail cards.
#[derive(Clone, Debug)]
pub struct Mail {
    /// The address that its buttons send a vote to (`APPROVE_URL`), key and all.
    pub approve_url: SecretUrl,
    /// The actionable-message provider (`MAIL_ORIGINATOR`).
    pub originator: String,
}

/// Writes cards.
#[derive(Debug)]
pub struct Cards {
    /// The base of our own pages (`PUBLIC_URL`).
    pub public_url: Url,
    /// The base of GitHub's pages.
    pub github: Url,
    /// The settings of mail cards, if there are any.
    pub mail: Option<Mail>,
    /// The zone of the times on pages (`TIME_ZONE`).
    pub time_zone: TimeZone,
}
