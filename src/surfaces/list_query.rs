//! The query of the list: which lines, in which format, from where on.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::{
    approval::{Invalid, Item},
    approve::{Cursor, List},
    cards::page::{LIST, ListView},
    host::Invocation,
};

/// The form in which the list is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A page for people.
    Html,
    /// For programs.
    Json,
    /// For spreadsheets.
    Csv,
}

/// The part of the list that is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Waiting,
    Decided,
}

/// The form and the part of the list that a request wants.
#[derive(Clone, Debug)]
pub struct ListQuery<'a> {
    /// The form.
    pub format: Format,
    /// The place to begin at.
    pub after: Option<Cursor>,
    repository: Option<&'a str>,
    state: Option<State>,
}

impl<'a> ListQuery<'a> {
    /// Reads the query of a request.
    pub fn parse(request: &'a Invocation, format: Format) -> Result<Self, Invalid> {
        for name in ["state", "repository", "after"] {
            if request.query.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name)).count() > 1 {
                return Err(Invalid::DuplicateKey(name.to_owned()));
            }
        }
        let state = match request.query_value("state") {
            None | Some("") => None,
            Some("waiting") => Some(State::Waiting),
            Some("decided") => Some(State::Decided),
            Some(_) => return Err(Invalid::State),
        };
        let after = match request.query_value("after") {
            None => (state == Some(State::Decided)).then_some(Cursor::Decided),
            Some(text) => Some(Cursor::parse(text).ok_or(Invalid::Cursor)?),
        };
        let repository = request.query_value("repository").filter(|repository| !repository.is_empty());
        Ok(Self { format, after, repository, state })
    }

    /// True if the whole list is wanted, from its beginning.
    pub fn is_whole(&self) -> bool {
        self.after.is_none() && self.repository.is_none() && self.state.is_none()
    }

    /// The part of a page that is wanted. A filtered page may hold fewer lines; the next leads on.
    pub fn filter(&self, mut page: List) -> List {
        if self.state == Some(State::Waiting) {
            page.decided.clear();
            page.next = page.next.filter(|next| matches!(next, Cursor::Waiting(..)));
        }
        if self.state == Some(State::Decided) {
            page.waiting.clear();
        }
        let is_wanted = |item: &Item| {
            let repository = match item {
                Item::Requested(standing) => standing.request.workload.repository.to_string(),
                Item::Relayed(relay) => relay.decision.dispatch.repository.to_string(),
                // Nobody knows whose it is.
                Item::Unreadable(..) => return self.repository.is_none(),
            };
            self.repository.is_none_or(|wanted| wanted.eq_ignore_ascii_case(&repository))
        };
        page.waiting.retain(is_wanted);
        page.decided.retain(is_wanted);
        page
    }

    /// The links to the parts of the list, for people, and to this page of it for spreadsheets.
    pub fn views(&self) -> Vec<ListView> {
        let part = |label, state| {
            let href = address(&Self { format: Format::Html, after: None, state, ..*self }.text());
            ListView { label, href, is_current: self.state == state }
        };
        let csv = address(&Self { format: Format::Csv, ..self.clone() }.text());
        let every_repository = address(&Self { repository: None, after: None, ..self.clone() }.text());
        let link = |label, href| ListView { label, href, is_current: false };
        let parts = [
            Some(part("All", None)),
            Some(part("Waiting", Some(State::Waiting))),
            Some(part("Decided", Some(State::Decided))),
            self.repository.map(|_| link("All repositories", every_repository)),
            Some(link("This page as CSV", csv)),
        ];
        parts.into_iter().flatten().collect()
    }

    /// The address of the page that begins at `next`, with the same filters and in the same form.
    pub fn at(&self, next: &Cursor) -> String {
        address(&Self { after: Some(next.clone()), ..self.clone() }.text())
    }

    fn text(&self) -> String {
        let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let format = match self.format {
            Format::Html => None,
            Format::Json => Some("format=json".to_owned()),
            Format::Csv => Some("format=csv".to_owned()),
        };
        let state = self.state.map(|state| match state {
            State::Waiting => "state=waiting".to_owned(),
            State::Decided => "state=decided".to_owned(),
        });
        let repository = self.repository.map(|repository| format!("repository={}", encoded(repository)));
        let after = self.after.as_ref().map(|after| format!("after={}", encoded(&after.as_text())));
        [format, repository, state, after].into_iter().flatten().collect::<Vec<_>>().join("&")
    }
}

/// The address of the list with this query.
fn address(query: &str) -> String {
    let mark = if query.is_empty() { "" } else { "?" };
    format!("{LIST}{mark}{query}")
}
