//! The page of one approval.

use askama::Template;
use chrono::{DateTime, Utc};

use super::{
    super::{
        Cards, changes,
        content::{Again, Content, Fact, Value},
        labels, sentences, words,
    },
    LIST, MARK, SIGN_OUT, STYLE, Time, html,
};
use crate::{
    approval::{Changes, Forbidden, Judgement, Performer, Ruling, Verdict, Vote},
    text::{identifier, line, markdown},
};

/// The facts that GitHub vouches for and that matter most to who decides; the others are folded.
const FIRST: [&str; 7] = [
    labels::REPOSITORY,
    labels::REF,
    labels::BRANCH,
    labels::TAG,
    labels::COMMIT,
    labels::ENVIRONMENT,
    labels::STARTED_BY,
];

/// The facts that say until when and by how many people a decision is made.
const TIMES: [&str; 3] = [labels::APPROVALS, labels::REQUESTED, labels::OPEN_UNTIL];

/// The reader of a page, and the click that led there.
#[derive(Clone, Debug)]
pub struct View<'a> {
    /// The person who looks.
    pub performer: &'a Performer,
    /// The rights of that person.
    pub judgement: &'a Judgement,
    /// The outcome of the click that led here, if one did.
    pub said: Option<Said<'a>>,
    /// True if the page can make another sample.
    pub offers_samples: bool,
}

/// The outcome of a click.
#[derive(Clone, Copy, Debug)]
pub struct Said<'a> {
    /// Its sentence.
    pub sentence: &'a str,
    /// True if it is a failure.
    pub is_error: bool,
}

/// The page of an approval.
pub fn approval(cards: &Cards, content: &Content, view: &View) -> String {
    html(&Page { cards, content, view, is_dry_run: content.is_dry_run })
}

#[derive(Template)]
#[template(path = "approval.html", whitespace = "minimize")]
struct Page<'a> {
    cards: &'a Cards,
    content: &'a Content<'a>,
    view: &'a View<'a>,
    is_dry_run: bool,
}

impl Page<'_> {
    fn address_of(&self, value: &Value) -> Option<String> {
        self.cards.address_of(value)
    }

    fn repository(&self) -> String {
        identifier::identifier(&self.content.request.workload.repository.to_string())
    }

    fn time(&self, at: &DateTime<Utc>) -> Time<'_> {
        Time(*at, &self.cards.time_zone)
    }

    /// True if the reader finds a form here, or the reason why there is none.
    fn is_open(&self) -> bool {
        self.content.state.is_waiting() && self.view.judgement.is_open
    }

    /// The page of GitHub's that compares the last release with this one.
    fn compare_url(&self, changes: &Changes) -> Option<String> {
        self.cards.compare_url(changes, &self.content.request.workload)
    }

    fn may_withdraw(&self) -> bool {
        self.is_open() && self.view.judgement.withdraw.is_ok()
    }

    fn vouched(&self) -> impl Iterator<Item = &Fact<'_>> {
        FIRST.iter().filter_map(|label| self.content.proven.iter().find(|fact| fact.label == *label))
    }

    fn times(&self) -> impl Iterator<Item = &Fact<'_>> {
        self.content.decision.iter().filter(|fact| TIMES.contains(&fact.label))
    }

    /// The events that an answer sends.
    fn answers(&self) -> impl Iterator<Item = &Fact<'_>> {
        self.content.decision.iter().filter(|fact| !TIMES.contains(&fact.label))
    }

    /// The rest, for who looks closer. Beside the form the answers stand open.
    fn folded(&self) -> impl Iterator<Item = &Fact<'_>> {
        let more = self.content.proven.iter().filter(|fact| !FIRST.contains(&fact.label));
        more.chain(self.answers().filter(|_| !self.is_open()))
    }

    /// The contents of the fold, in one line.
    fn more(&self) -> String {
        let short = |fact: &Fact| match (fact.label, &fact.value) {
            (labels::REJECT_SENDS | labels::REQUIRES | labels::EXPIRY_SENDS | labels::STARTS_ON, _) => None,
            (labels::APPROVE_SENDS | labels::APPROVE_STARTS, _) => Some("what an answer sends".to_owned()),
            (label, value @ (Value::Commit(_) | Value::Run(_))) => {
                Some(format!("{} {}", label.to_lowercase(), value.text()))
            }
            (label, _) => Some(label.to_lowercase()),
        };
        format!("More: {}", self.folded().filter_map(short).collect::<Vec<_>>().join(", "))
    }

    /// True if the workflow says more than its title.
    fn has_text(&self) -> bool {
        self.content.text.is_some() || !self.content.facts.is_empty()
    }

    /// The result together with the delivery of its event.
    fn result(&self) -> impl Iterator<Item = &Fact<'_>> {
        self.content.result.iter().chain(&self.content.delivery)
    }

    fn send_again(&self) -> Option<Again> {
        self.content.send_again.filter(|again| self.view.judgement.vote(again.verdict()).is_ok())
    }

    /// The votes that would change something: who has approved can approve again only if that decides.
    fn verdicts(&self) -> impl Iterator<Item = &Verdict> {
        let waits = self.waits_for_others();
        let judgement = self.view.judgement;
        let is_closed = |verdict: Verdict| verdict == Verdict::Approve && judgement.closed.is_some();
        let may = move |verdict: &&Verdict| judgement.offers(**verdict) && !is_closed(**verdict);
        let verdicts = self.content.verdicts.iter().filter(may);
        verdicts.filter(move |verdict| !waits || **verdict != Verdict::Approve)
    }

    /// True if the person has approved, and others have to as well.
    fn waits_for_others(&self) -> bool {
        let approvals = self.content.votes.iter().filter(|ballot| ballot.verdict == Verdict::Approve);
        let has_approved =
            approvals.map(|ballot| &ballot.performer).any(|performer| performer.is_same(self.view.performer));
        let (counted, required) = self.content.approvals;
        has_approved && counted < required
    }

    /// The reason why the person may reject and not approve, if that is so.
    fn only_reject(&self) -> Option<String> {
        let Judgement { approve, reject, closed, .. } = self.view.judgement;
        if let (Some(closed), Ok(())) = (closed, reject) {
            return Some(format!("Nobody can approve this now: {}", sentences::closed_now(closed)));
        }
        let is_sure = !self.view.judgement.awaits_authors();
        let why = approve.as_ref().err().filter(|_| reject.is_ok() && is_sure);
        why.map(sentences::only_reject)
    }

    /// The authors for whom nobody is kept from approving.
    fn unlisted_authors(&self) -> Option<String> {
        changes::names(self.content.unlisted_authors.iter().copied())
    }

    /// The reason why the person may not decide, if they may not.
    fn refusal(&self) -> Option<String> {
        match &self.view.judgement.reject {
            Ok(()) => None,
            Err(Forbidden::Performer | Forbidden::NotAsked) => Some(
                "You can look at this, but not decide on it: the workflow asked other approvers.".to_owned(),
            ),
            Err(anonymous @ Forbidden::Anonymous) => Some(format!(
                "You can look at this, but not decide on it: {}",
                sentences::forbidden(anonymous)
            )),
            Err(Forbidden::NotInRule) => Some(
                "You can look at this, but not decide on it: the rule that holds has other approvers."
                    .to_owned(),
            ),
            Err(forbidden) => {
                Some(format!("Nobody can decide on this now: {}", sentences::forbidden(forbidden)))
            }
        }
    }

    /// The readers of a comment, named before it is written.
    fn about_comment(&self) -> String {
        let request = &self.content.request;
        let sent = match (self.is_dry_run, request.workload.is_public, &request.terms.rejected_event_type) {
            (true, ..) => ". In a dry run it is not sent to GitHub.",
            (false, true, _) => ". It is not sent to GitHub, as everybody can read the repository.",
            (false, false, Some(_)) => ", and it is sent to GitHub with your name.",
            (false, false, None) => ". If this is approved, it is sent to GitHub with your name.",
        };
        format!("At most {} characters. Other approvers can read it{sent}", Vote::MAX_COMMENT)
    }
}
