//! The page of the checks.

use askama::Template;
use serde::{Serialize, Serializer};

use super::{super::words, LIST, MARK, SIGN_OUT, STYLE, html};
use crate::approval::Performer;

/// One thing that a deployment needs, as it was found.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// Its name.
    pub name: String,
    /// Its state.
    pub state: FindingState,
    /// One sentence: if something is wrong, what to do.
    pub message: String,
}

/// The state of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FindingState {
    /// It works, as far as that can be seen without changing anything.
    Well,
    /// It does not work.
    Wrong,
    /// It is not set up, which is not wrong.
    Unused,
}

impl FindingState {
    /// The word that answers use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Well => "well",
            Self::Wrong => "wrong",
            Self::Unused => "unused",
        }
    }

    fn class(self) -> &'static str {
        match self {
            Self::Well => "approved",
            Self::Wrong => "rejected",
            Self::Unused => "expired",
        }
    }
}

impl Serialize for FindingState {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// The page of these checks.
pub fn checks_page(checks: &[Finding], reader: &Performer) -> String {
    #[derive(Template)]
    #[template(path = "checks.html", whitespace = "minimize")]
    struct Page<'a> {
        checks: &'a [Finding],
        reader: &'a Performer,
    }
    html(&Page { checks, reader })
}
