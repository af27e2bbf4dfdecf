//! The web pages: one approval, the list of them, and a note where there is neither.
//!
//! Pages are text made of values, and nothing besides: no script, no image, no address but our own and GitHub's,
//! and one style sheet within the page, which a Content-Security-Policy can name by its hash. All that others wrote
//! is escaped by the templates, and stands in elements of its own so that its direction cannot reorder what is ours.

mod approval;
mod list;
#[cfg(test)]
mod tests;

use std::{fmt, sync::LazyLock};

use askama::{Template, filters::HtmlSafe};
use base64::{Engine, prelude::BASE64_STANDARD};
use chrono::{DateTime, Utc};
use ring::digest::{SHA256, digest};

pub use self::{
    approval::{Said, View, approval},
    list::{Listing, list},
};
use crate::approval::{
    ApprovalId, Delivery, DeliveryState, Ending, Performer, Standing, Verdict, rfc_3339, tally,
};

/// All that stands between `<style>` and `</style>`.
const STYLE: &str = include_str!("../../../templates/style.css");

/// Where the list is.
const LIST: &str = "/api/approvals";

/// The SHA-256 of the pages' style sheet, in base64, as `style-src 'sha256-…'` has it.
pub fn style_hash() -> &'static str {
    static HASH: LazyLock<String> =
        LazyLock::new(|| BASE64_STANDARD.encode(digest(&SHA256, STYLE.as_bytes())));
    &HASH
}

/// The page that says `sentence` in the place of another, with a link (its address and label) to where to go on.
pub fn note(title: &str, sentence: &str, link: Option<(&str, &str)>) -> String {
    #[derive(Template)]
    #[template(path = "note.html", whitespace = "minimize")]
    struct Note<'a> {
        title: &'a str,
        sentence: &'a str,
        link: Option<(&'a str, &'a str)>,
    }
    html(&Note { title, sentence, link })
}

fn html(template: &impl Template) -> String {
    template.render().expect("writing values to a String cannot fail")
}

/// How an approval has ended; [`None`] while it has not.
#[derive(Clone, Copy)]
struct Stage(Option<Ending>);

impl Stage {
    /// The stage of an approval at `now`. Time that has run out is an end also before anybody has recorded it.
    fn of(standing: &Standing, now: DateTime<Utc>) -> Self {
        let Standing { request, ballots, ruling, .. } = standing;
        let run_out = || (now >= request.expires_at()).then(|| tally(request, ballots, now)).flatten();
        Self(ruling.as_ref().map(|ruling| ruling.ending).or_else(|| Some(run_out()?.ending)))
    }

    fn is_waiting(self) -> bool {
        self.0.is_none()
    }

    fn class(self) -> &'static str {
        self.0.map_or("waiting", Ending::as_str)
    }

    fn words(self) -> &'static str {
        match self.0 {
            None => "Waiting for approval",
            Some(Ending::Approved) => "Approved",
            Some(Ending::Rejected) => "Rejected",
            Some(Ending::Expired) => "Expired",
        }
    }

    /// The vote that brings about such an end, where one does.
    fn verdict(self) -> Option<Verdict> {
        match self.0? {
            Ending::Approved => Some(Verdict::Approve),
            Ending::Rejected => Some(Verdict::Reject),
            Ending::Expired => None,
        }
    }
}

/// A time for people and programs to read.
struct Time(DateTime<Utc>);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let for_people = self.0.format("%-d %B %Y, %H:%M UTC");
        write!(f, r#"<time datetime="{}">{for_people}</time>"#, rfc_3339(self.0))
    }
}

/// Digits and the names of months.
impl HtmlSafe for Time {}

/// What `performer` is called; the object id where that is not known.
fn name(performer: &Performer) -> String {
    match performer.display_name().filter(|name| !name.trim().is_empty()) {
        Some(name) => name.to_owned(),
        None => performer.to_string(),
    }
}

/// The people whose votes decided an approval, each once.
fn deciders(standing: &Standing, stage: Stage) -> Vec<String> {
    let mut deciders: Vec<&Performer> = Vec::new();
    for ballot in standing.ballots.iter().filter(|ballot| Some(ballot.verdict) == stage.verdict()) {
        if !deciders.iter().any(|performer| performer.is_same(&ballot.performer)) {
            deciders.push(&ballot.performer);
        }
    }
    deciders.into_iter().map(name).collect()
}

/// When somebody decided. That nobody did is decided by the time it expires, not by when that was noticed.
fn decided_at(standing: &Standing) -> Option<DateTime<Utc>> {
    let ruling = standing.ruling.as_ref().filter(|ruling| ruling.ending != Ending::Expired)?;
    Some(ruling.decided_at)
}

/// How the dispatch stands that is to follow.
fn delivery(of: &Delivery, is_dry_run: bool) -> &'static str {
    match of.state {
        DeliveryState::None if is_dry_run => "dry run: not sent",
        DeliveryState::None => "not sent yet",
        DeliveryState::Pending if of.error.is_some() => "refused by GitHub, and tried again every hour",
        DeliveryState::Pending => "on its way to GitHub",
        DeliveryState::Delivered => "delivered to GitHub",
        DeliveryState::Dead => "given up",
    }
}

/// How the dispatch of an approval that is over stands.
fn dispatch(standing: &Standing, stage: Stage, of: &Delivery, is_dry_run: bool) -> &'static str {
    match stage.0 {
        Some(ending) if standing.request.event_type(ending).is_some() => delivery(of, is_dry_run),
        _ => "nothing to send",
    }
}

/// The address of an approval's page.
fn page_path(id: &ApprovalId) -> String {
    format!("{LIST}/{id}")
}
