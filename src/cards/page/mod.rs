//! The web pages: one approval, the list of them, and a note if there is neither.
//!
//! Pages are text made of values, and nothing besides: no script, no address but our own and GitHub's, and within the page
//! our mark as the only image and one style sheet, which a Content-Security-Policy can name by its hash. All that others wrote
//! is escaped by the templates, and stands in elements of its own so that its direction cannot reorder what is ours.

mod approval;
mod checks;
mod list;
#[cfg(test)]
mod tests;

use std::{fmt, sync::LazyLock};

use askama::{Template, filters::HtmlSafe};
use base64::{Engine, prelude::BASE64_STANDARD};
use chrono::{DateTime, TimeDelta, Utc};
use ring::digest::{SHA256, digest};

pub use self::{
    approval::{Said, View, approval},
    checks::{Finding, FindingState, checks_page},
    list::{ListView, Listing, list},
};
use super::{content::State, words};
use crate::{
    approval::{Ending, Performer, rfc_3339},
    time_zone::TimeZone,
};

/// The text between `<style>` and `</style>`.
const STYLE: &str = include_str!("../../../templates/style.css");

/// Our mark, as an address that holds it.
static MARK: LazyLock<String> = LazyLock::new(|| {
    let mark = include_str!("../../../templates/mark.svg").trim_end();
    format!("data:image/svg+xml;base64,{}", BASE64_STANDARD.encode(mark))
});

/// The address of the list.
pub const LIST: &str = "/api/approvals";

/// The SHA-256 of the pages' style sheet, in base64, as `style-src 'sha256-…'` has it.
pub fn style_hash() -> &'static str {
    static HASH: LazyLock<String> =
        LazyLock::new(|| BASE64_STANDARD.encode(digest(&SHA256, STYLE.as_bytes())));
    &HASH
}

/// The address where the platform signs a person out, and says that it has.
/// Source: <https://learn.microsoft.com/azure/app-service/configure-authentication-customize-sign-in-out>.
pub const SIGN_OUT: &str = "/.auth/logout";

/// A page with one sentence in the place of another page, for `reader` if somebody is signed in, and a link: its
/// address and label.
pub fn note(title: &str, sentence: &str, reader: Option<&Performer>, link: Option<(&str, &str)>) -> String {
    #[derive(Template)]
    #[template(path = "note.html", whitespace = "minimize")]
    struct Note<'a> {
        title: &'a str,
        sentence: &'a str,
        reader: Option<&'a Performer>,
        link: Option<(&'a str, &'a str)>,
    }
    html(&Note { title, sentence, reader, link })
}

fn html(template: &impl Template) -> String {
    template.render().expect("writing values to a String cannot fail")
}

/// The class of a state in the style sheet. One that GitHub does not take is no good news, nor is a release that failed.
fn class(state: &State, is_bad: &bool) -> &'static str {
    match state {
        State::Ended(_) if *is_bad => "stuck",
        State::Waiting => "waiting",
        State::Ended(
            ending @ (Ending::Approved | Ending::Rejected | Ending::Expired | Ending::Withdrawn),
        ) => ending.as_str(),
    }
}

/// A time for people, in their zone, and for programs to read.
struct Time<'a>(DateTime<Utc>, &'a TimeZone);

impl fmt::Display for Time<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, r#"<time datetime="{}">{}</time>"#, rfc_3339(self.0), self.1.readable(self.0))
    }
}

/// Digits and letters of ours.
impl HtmlSafe for Time<'_> {}

/// The time that is left in its two largest units, for people whose clock does not show UTC.
fn left(time: &TimeDelta) -> String {
    let (days, hours, minutes) = (time.num_days(), time.num_hours() % 24, time.num_minutes() % 60);
    match (days, hours, minutes) {
        (1, 0, _) => "in 1 day".to_owned(),
        (1.., 0, _) => format!("in {days} days"),
        (1.., ..) => format!("in {days} {} {hours} h", if days == 1 { "day" } else { "days" }),
        (_, 1.., 0) => format!("in {hours} h"),
        (_, 1.., _) => format!("in {hours} h {minutes} min"),
        (_, _, 2..) => format!("in {minutes} min"),
        _ => "in about a minute".to_owned(),
    }
}
