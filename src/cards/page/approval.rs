//! The page of one approval.

use askama::Template;
use chrono::{DateTime, Utc};

use super::{
    super::{Cards, sentences::delivery_error, title},
    LIST, STYLE, Stage, Time, decided_at, deciders, dispatch, html, name,
};
use crate::approval::{
    Asked, Ballot, Delivery, DeliveryState, Guid, Performer, Request, Standing, Verdict, Vote, Workload,
    count_approvals,
};
use crate::text::markdown;

/// What the page of an approval depends on besides the approval.
#[derive(Clone, Debug)]
pub struct View<'a> {
    /// Who looks.
    pub performer: &'a Performer,
    /// Whether that person may decide on this approval.
    pub may_decide: bool,
    /// What became of the click that led here, if one did.
    pub said: Option<Said<'a>>,
    /// How the event stands that follows.
    pub delivery: &'a Delivery,
    /// Whether nothing is sent to GitHub (`DRY_RUN`).
    pub is_dry_run: bool,
    /// The time of day.
    pub now: DateTime<Utc>,
}

/// What became of a click.
#[derive(Clone, Copy, Debug)]
pub struct Said<'a> {
    /// Its sentence.
    pub sentence: &'a str,
    /// Whether it is a failure.
    pub is_error: bool,
}

/// The page of the approval that stands so.
pub fn approval(cards: &Cards, standing: &Standing, view: &View) -> String {
    let is_stuck = view.delivery.state == DeliveryState::Dead || view.delivery.error.is_some();
    let Request { asked, workload, .. } = &standing.request;
    let stage = Stage::of(standing, view.now);
    html(&Page {
        is_dry_run: view.is_dry_run,
        view,
        stage,
        title: title(&standing.request),
        asked_at: Time(standing.request.created_at),
        expires_at: Time(standing.request.expires_at()),
        asked,
        workload,
        repository_url: cards.repository_url(&workload.repository),
        commit_url: cards.commit_url(workload),
        run_url: cards.run_url(workload),
        text_html: asked.text.as_deref().map(markdown::html),
        payload: asked.client_payload.as_ref().map(|payload| unmoved(payload.as_str())),
        ballots: &standing.ballots,
        cast: standing.ballots.iter().map(Cast::of).collect(),
        deciders: deciders(standing, stage),
        decided_at: decided_at(standing).map(Time),
        dispatch: dispatch(standing, stage, view.delivery, view.is_dry_run),
        dispatch_error: view.delivery.error.as_ref().map(delivery_error),
        send_again: stage.verdict().filter(|_| is_stuck && view.may_decide),
    })
}

#[derive(Template)]
#[template(path = "approval.html", whitespace = "minimize")]
struct Page<'a> {
    is_dry_run: bool,
    view: &'a View<'a>,
    stage: Stage,
    title: String,
    asked_at: Time,
    expires_at: Time,
    asked: &'a Asked,
    workload: &'a Workload,
    repository_url: String,
    commit_url: String,
    run_url: String,
    text_html: Option<String>,
    payload: Option<String>,
    ballots: &'a [Ballot],
    cast: Vec<Cast<'a>>,
    deciders: Vec<String>,
    decided_at: Option<Time>,
    dispatch: &'static str,
    /// Why it has not arrived, where somebody said so.
    dispatch_error: Option<String>,
    send_again: Option<Verdict>,
}

impl Page<'_> {
    /// As many digits as nobody finds a second commit for in passing; the link has them all.
    fn short_sha(&self) -> &str {
        self.workload.sha.get(..12).unwrap_or(&self.workload.sha)
    }

    fn approvals(&self) -> String {
        format!("{} of {}", count_approvals(self.ballots), self.asked.approvals_required)
    }

    /// The time to decide in, for those whose clock does not show UTC.
    fn left(&self) -> Option<String> {
        let minutes = (self.expires_at.0 - self.view.now).num_minutes();
        self.stage.is_waiting().then(|| match minutes {
            ..2 => "about a minute left".to_owned(),
            2..120 => format!("{minutes} minutes left"),
            120..2880 => format!("{} hours left", minutes / 60),
            2880.. => format!("{} days left", minutes / 1440),
        })
    }

    fn has_words(&self) -> bool {
        self.text_html.is_some() || !self.asked.facts.is_empty() || self.payload.is_some()
    }

    fn has_approved(&self) -> bool {
        let is_own = |ballot: &Ballot| ballot.performer.is_same(self.view.performer);
        self.ballots.iter().any(|ballot| ballot.verdict == Verdict::Approve && is_own(ballot))
    }

    /// Who gets to read a comment, said before it is written.
    fn about_comment(&self) -> String {
        let readers = match self.workload.is_public {
            true => "Other approvers can read it.",
            false => "Other approvers can read it, and it is sent to GitHub with your name.",
        };
        format!("At most {} characters. {readers}", Vote::MAX_COMMENT)
    }
}

/// A vote.
struct Cast<'a> {
    name: String,
    /// Of a person, whatever that one is called at the moment.
    object_id: Option<&'a Guid>,
    did: &'static str,
    comment: &'a str,
    at: Time,
}

impl<'a> Cast<'a> {
    fn of(Ballot { performer, verdict, comment, at }: &'a Ballot) -> Self {
        let object_id = match performer {
            Performer::Anonymous => None,
            Performer::Person(person) => Some(&person.object_id),
        };
        let did = match verdict {
            Verdict::Approve => "approved",
            Verdict::Reject => "rejected",
        };
        Self { name: name(performer), object_id, did, comment, at: Time(*at) }
    }
}

/// JSON in which nothing reorders what is seen: the characters that would, which only texts can have, as escapes.
fn unmoved(json: &str) -> String {
    let mut unmoved = String::with_capacity(json.len());
    for character in json.chars() {
        match reorders(character) {
            true => unmoved.push_str(&format!("\\u{:04x}", u32::from(character))),
            false => unmoved.push(character),
        }
    }
    unmoved
}

/// Whether it is one of Unicode's controls of direction.
fn reorders(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
