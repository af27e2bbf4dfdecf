//! `Approvals`: the page of one approval, and the list of all, for approvers.
//!
//! Showing never decides: scanners fetch every address that they find. A vote is a POST that only our own page can
//! make a browser send. App Service Authentication tells who is signed in.

use std::sync::Arc;

use log::Level;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use url::Url;

use super::{
    CARD_ACTION_STATUS,
    action_message::{reason_of, vote_of},
    fields::{media_type, once, text_of},
    item::{self, ItemJson, ShownTo},
    json_answer,
    list_query::{Format, ListQuery},
    log_line, report_answer, status,
};
use crate::{
    approval::{
        ApprovalId, Approvers, Click, Forbidden, Guid, Invalid, Memberships, Outcome, Performer, Request,
        Ruling, Standing, Unreached, Withdrawal, Withdrawer,
    },
    approve::{Clicked, List, Report, Stories, failed},
    cards::{
        content::Content,
        page::{Finding, LIST, Listing, SIGN_OUT, Said, View, approval, checks_page, list, note, style_hash},
        sentences::{Reader, sentence_to},
    },
    host::{Answer, Body, Invocation, parse_urlencoded},
    identity::{Check, Rejection, app_service},
};

/// The function's name in the log.
const FUNCTION: &str = "Approvals";

/// The link to the list.
const TO_LIST: Option<(&str, &str)> = Some((LIST, "All approvals"));

/// The function, with everything that it needs.
pub struct Pages {
    /// The stories of the approvals.
    pub stories: Arc<Stories>,
    /// True if the platform signs people in (`WEBSITE_AUTH_ENABLED`, `SIGN_IN`).
    pub signs_in: bool,
    /// The tenant of all performers (`ENTRA_TENANT_ID`).
    pub tenant: Option<Guid>,
    /// The address of our own pages.
    pub public_url: Url,
    /// True if anyone who may see the list can have a sample to click.
    pub offers_samples: bool,
}

/// The reason why there is no page.
enum Refusal {
    /// Nobody is signed in; the rejection is for the log.
    SignIn(Rejection),
    /// Anything else, with its report.
    Report(Box<Report>),
}

impl<T: Into<Report>> From<T> for Refusal {
    fn from(report: T) -> Self {
        Self::Report(Box::new(report.into()))
    }
}

/// The checks, as JSON.
#[derive(Serialize)]
struct ChecksJson<'a> {
    checks: &'a [Finding],
}

/// A page of the list, as JSON.
#[derive(Serialize)]
struct ListJson<'a> {
    items: Vec<ItemJson<'a>>,
    next: Option<String>,
}

impl Pages {
    /// Answers one request.
    pub async fn answer(&self, request: Invocation) -> Answer {
        let answered = self.answered(&request).await;
        self.or_refused(answered, &request).await
    }

    async fn answered(&self, request: &Invocation) -> Result<Answer, Refusal> {
        match (request.method.to_ascii_uppercase().as_str(), &request.id) {
            ("GET", None) => self.list(request).await,
            ("GET", Some(id)) => self.show(request, id).await,
            ("POST", Some(id)) => self.vote(request, id).await,
            ("POST", None) if self.offers_samples => self.another_sample(request).await,
            (_, None) => Err(Outcome::Invalid(Invalid::Method("GET")).into()),
            (_, Some(_)) => Err(Outcome::Invalid(Invalid::Method("GET, POST")).into()),
        }
    }

    async fn or_refused(&self, answered: Result<Answer, Refusal>, request: &Invocation) -> Answer {
        match answered {
            Ok(answer) => answer,
            Err(Refusal::SignIn(rejection)) => sign_in(request, &rejection),
            Err(Refusal::Report(report)) => self.refused(request, &report).await,
        }
    }

    /// Answers one request for the checks. They are looked at for an approver alone.
    pub async fn checks(
        &self,
        request: Invocation,
        looking: impl Future<Output = Arc<Vec<Finding>>>,
    ) -> Answer {
        let answered = match request.method.to_ascii_uppercase().as_str() {
            "GET" => self.show_checks(&request, looking).await,
            _ => Err(Outcome::Invalid(Invalid::Method("GET")).into()),
        };
        self.or_refused(answered, &request).await
    }

    async fn show_checks(
        &self,
        request: &Invocation,
        looking: impl Future<Output = Arc<Vec<Finding>>>,
    ) -> Result<Answer, Refusal> {
        let performer = self.approver(request).await?;
        // T36. Everybody of a tenant is no operator.
        if self.stories.policy.approvers == Approvers::Everybody {
            return Err(Outcome::Forbidden(Forbidden::Checks).into());
        }
        let checks = looking.await;
        Ok(match wants_json(request) {
            true => json_answer(200, &ChecksJson { checks: &checks }),
            false => html_answer(200, checks_page(&checks, &performer)),
        })
    }

    async fn list(&self, request: &Invocation) -> Result<Answer, Refusal> {
        let reader = &self.approver(request).await?;
        let query = ListQuery::parse(request, list_format(request)).map_err(Outcome::Invalid)?;
        let page =
            self.stories.list(query.after.as_ref(), request.timing).await.map_err(|e| unreached(&e))?;
        let (page, sees_all) = self.stories.seen_by(reader, query.filter(page), request.timing).await?;
        let next = page.next.as_ref().map(|next| query.at(next));
        let link = next.as_deref().map(|next| {
            let base = self.public_url.as_str().trim_end_matches('/');
            ("Link", format!("<{base}{next}>; rel=\"next\""))
        });
        let mut answer = match query.format {
            Format::Html => html_answer(
                200,
                self.list_html((&page, sees_all), (&query, next.as_deref()), reader, request),
            ),
            Format::Json => json_answer(200, &self.list_json(&page, next.clone())),
            Format::Csv => self.csv_answer(&page),
        };
        answer.headers.extend(link.filter(|_| query.format != Format::Html));
        Ok(answer)
    }

    /// Refuses to show an approval to those who are not in `APPROVERS`, and whom its rule does not list.
    // T45
    async fn allow_to_see(
        &self,
        reader: &Performer,
        shown: &Request,
        request: &Invocation,
    ) -> Result<(), Refusal> {
        match self.stories.shows(reader, shown, request.timing).await? {
            true => Ok(()),
            false => Err(Report::of(Outcome::Forbidden(Forbidden::NotInRule), format!("by {reader}")).into()),
        }
    }

    fn csv_answer(&self, page: &List) -> Answer {
        let items = page.waiting.iter().chain(&page.decided);
        let lines = items.map(|item| item::item(&self.stories, item).csv());
        let mut answer = json_answer(200, &());
        answer.headers[0] = ("Content-Type", "text/csv; charset=utf-8".to_owned());
        answer.body =
            [item::CSV_HEAD.to_owned()].into_iter().chain(lines).map(|line| line + "\r\n").collect();
        answer
    }

    fn list_json<'a>(&'a self, page: &'a List, next: Option<String>) -> ListJson<'a> {
        let items = page.waiting.iter().chain(&page.decided);
        ListJson { items: items.map(|item| item::item(&self.stories, item)).collect(), next }
    }

    fn list_html(
        &self,
        (page, sees_all): (&List, bool),
        (query, next): (&ListQuery, Option<&str>),
        reader: &Performer,
        request: &Invocation,
    ) -> String {
        let listing = Listing {
            reader,
            views: &query.views(),
            waiting: &page.waiting,
            recent: &page.decided,
            // Of what others wait for a reader may see nothing, and more may follow.
            is_first: query.is_whole()
                && (next.is_none() || !page.waiting.is_empty() || !page.decided.is_empty()),
            next,
            sees_all,
            policy: &self.stories.policy,
            offers_samples: self.offers_samples,
            now: request.timing.now,
        };
        list(&self.stories.outbox.cards, &listing)
    }

    /// Makes a sample and leads to its page. Only our own page can make a browser ask for it, as for a vote.
    async fn another_sample(&self, request: &Invocation) -> Result<Answer, Refusal> {
        if !is_from_own_page(request, &self.public_url) {
            return Err(Outcome::Forbidden(Forbidden::CrossSite).into());
        }
        self.approver(request).await?;
        let address = format!("{LIST}/{}", self.stories.open_sample(request.timing).await?);
        let link = Some((address.as_str(), "The sample"));
        let mut answer = html_answer(303, note("Another sample", "Here is another one.", None, link));
        answer.headers.push(("Location", address));
        Ok(answer)
    }

    // T13
    async fn show(&self, request: &Invocation, id: &str) -> Result<Answer, Refusal> {
        let performer = self.approver(request).await?;
        let id = ApprovalId::parse(id).ok_or(Outcome::Unknown)?;
        let standing = self.stories.look(&id, request.timing).await.map_err(|error| unreached(&error))?;
        let mut standing = standing.ok_or(Outcome::Unknown)?;
        self.allow_to_see(&performer, &standing.request, request).await?;
        let authors = self.stories.ask_for_authors(&standing, request.timing);
        self.stories.ask_for_changes(&mut standing, request.timing).await;
        standing.authors = standing.authors.or(authors.known().await);
        Ok(match wants_json(request) {
            true => json_answer(200, &item::requested(&self.stories, &standing, ShownTo::Approver)),
            false => {
                let known =
                    self.stories.memberships(&performer, Some(&standing.request), request.timing).await?;
                html_answer(200, self.html(&standing, (&performer, &known), None, request))
            }
        })
    }

    fn html(
        &self,
        standing: &Standing,
        (performer, known): (&Performer, &Memberships),
        said: Option<Said>,
        request: &Invocation,
    ) -> String {
        let policy = &self.stories.policy;
        let now = request.timing.now;
        let judgement = &policy.judge(standing, (performer, known), now);
        let view = View { performer, judgement, said, offers_samples: self.offers_samples };
        approval(&self.stories.outbox.cards, &Content::of(standing, policy, now), &view)
    }

    async fn vote(&self, request: &Invocation, id: &str) -> Result<Answer, Refusal> {
        if !is_from_own_page(request, &self.public_url) {
            return Err(Outcome::Forbidden(Forbidden::CrossSite).into());
        }
        if request.body == Body::TooLarge {
            return Err(Outcome::TooLarge.into());
        }
        let performer = self.approver(request).await?;
        let form = read_form(request).map_err(Outcome::Invalid)?;
        if form.verdict == Ruling::WITHDRAW {
            return self.withdraw(request, id, &performer, form.comment).await;
        }
        if form.verdict == Ruling::SEND_AGAIN {
            return self.send_again(request, id, &performer).await;
        }
        let vote = vote_of(id.to_owned(), &form.verdict, form.comment).map_err(Outcome::Invalid)?;
        let clicked = Clicked { click: Click::Vote(vote), repository: None, performer: performer.clone() };
        let report = self.stories.click(clicked, request.timing).await;
        Ok(self.voted(request, &performer, &report).await)
    }

    async fn withdraw(
        &self,
        request: &Invocation,
        id: &str,
        performer: &Performer,
        comment: String,
    ) -> Result<Answer, Refusal> {
        let comment = reason_of(comment).map_err(Outcome::Invalid)?;
        let id = ApprovalId::parse(id).ok_or(Outcome::Unknown)?;
        let standing = self.stories.look(&id, request.timing).await.map_err(|error| unreached(&error))?;
        let standing = standing.ok_or(Outcome::Unknown)?;
        let known = self.stories.memberships(performer, Some(&standing.request), request.timing).await?;
        let judgement = self.stories.policy.judge(&standing, (performer, &known), request.timing.now);
        judgement.withdraw.map_err(Outcome::Forbidden)?;
        let withdrawal = Withdrawal { by: Withdrawer::Person(performer.clone()), comment };
        let report = self.stories.withdraw(standing, withdrawal, request.timing).await;
        Ok(self.voted(request, performer, &report).await)
    }

    /// Sends the event of an expiry again: no vote agrees with that. Anyone who may reject may do it.
    async fn send_again(
        &self,
        request: &Invocation,
        id: &str,
        performer: &Performer,
    ) -> Result<Answer, Refusal> {
        let id = ApprovalId::parse(id).ok_or(Outcome::Unknown)?;
        let standing = self.stories.look(&id, request.timing).await.map_err(|error| unreached(&error))?;
        let standing = standing.ok_or(Outcome::Unknown)?;
        let known = self.stories.memberships(performer, Some(&standing.request), request.timing).await?;
        let judgement = self.stories.policy.judge(&standing, (performer, &known), request.timing.now);
        judgement.reject.map_err(Outcome::Forbidden)?;
        let report = self.stories.send_expiry_again(standing, performer, request.timing).await;
        Ok(self.voted(request, performer, &report).await)
    }

    /// The page after a click, with the outcome of the click.
    async fn voted(&self, request: &Invocation, performer: &Performer, report: &Report) -> Answer {
        if wants_json(request) {
            return report_answer(FUNCTION, Reader::Browser, request, report);
        }
        let Some(standing) = &report.standing else { return self.refused(request, report).await };
        if self.allow_to_see(performer, &standing.request, request).await.is_err() {
            return self.refused(request, report).await;
        }
        let (sentence, status) = (sentence_to(Reader::Browser, &report.outcome), status(&report.outcome));
        let said = Said { sentence: &sentence, is_error: status != 200 };
        let known = self.stories.memberships(performer, Some(&standing.request), request.timing).await;
        let person = (performer, &known.unwrap_or_default());
        let mut answer = html_answer(status, self.html(standing, person, Some(said), request));
        answer.headers.push((CARD_ACTION_STATUS, sentence));
        answer.log.push(log_line(FUNCTION, Reader::Browser, request, report));
        answer
    }

    /// The page that tells why there is no other. The list would refuse whoever is no approver in the same words;
    /// another account of theirs may be one.
    async fn refused(&self, request: &Invocation, report: &Report) -> Answer {
        let reader = self.performer(request).ok();
        let is_approver = match &reader {
            Some(reader) => self.stories.admits(reader, request.timing).await.unwrap_or(false),
            None => false,
        };
        let link = match (&reader, &report.outcome) {
            // Nobody can tell now; the link is there to try again.
            (Some(_), Outcome::Unavailable(Unreached::Groups)) => TO_LIST,
            // The page says who is signed in, and there signs them out.
            (Some(_), _) if !is_approver => None,
            // Somebody is signed in whom we cannot believe.
            (None, Outcome::Forbidden(Forbidden::Performer)) => Some((SIGN_OUT, "Sign out")),
            _ => TO_LIST,
        };
        refusal_page(request, report, reader.as_ref(), link)
    }

    /// The approver of this deployment who is looking.
    async fn approver(&self, request: &Invocation) -> Result<Performer, Refusal> {
        let performer = self.performer(request)?;
        match self.stories.admits(&performer, request.timing).await? {
            true => Ok(performer),
            false => {
                Err(Report::of(Outcome::Forbidden(Forbidden::Performer), format!("by {performer}")).into())
            }
        }
    }

    fn performer(&self, request: &Invocation) -> Result<Performer, Refusal> {
        let mut headers = request.headers(app_service::HEADER).peekable();
        // Nobody has to say who they are if nothing is ever sent.
        if headers.peek().is_none() && self.stories.policy.dry_run && self.stories.policy.anonymous {
            return Ok(Performer::Anonymous);
        }
        let Some(tenant) = &self.tenant else { return Err(Outcome::Misconfigured("ENTRA_TENANT_ID").into()) };
        match app_service::person(self.signs_in, headers, tenant) {
            Ok(person) => Ok(Performer::Person(person)),
            Err(rejection @ (Rejection::NoCredentials | Rejection::Failed(Check::AuthenticationOff))) => {
                Err(Refusal::SignIn(rejection))
            }
            // The person is signed in, but cannot be believed: signing in again changes nothing.
            Err(rejection) => {
                Err(Report::of(Outcome::Forbidden(Forbidden::Performer), rejection.to_string()).into())
            }
        }
    }
}

/// The fields of the page's form.
fn read_form(request: &Invocation) -> Result<Form, Invalid> {
    let Body::Whole(body) = &request.body else { return Err(Invalid::Incomplete) };
    if media_type(request.header("content-type").unwrap_or_default()) != "application/x-www-form-urlencoded" {
        return Err(Invalid::ContentType);
    }
    let (mut verdict, mut comment) = (None, None);
    for (name, value) in parse_urlencoded(text_of(body)?).ok_or(Invalid::NotUtf8)? {
        match name.as_str() {
            "verdict" => once(&mut verdict, &name, value)?,
            "comment" => once(&mut comment, &name, value)?,
            _ => return Err(Invalid::UnknownField(name)),
        }
    }
    // Browsers count a line break as one character, and send two.
    let comment = comment.unwrap_or_default().replace("\r\n", "\n");
    Ok(Form { verdict: verdict.ok_or(Invalid::MissingField("verdict"))?, comment })
}

/// The fields of a form on the page.
struct Form {
    verdict: String,
    comment: String,
}

/// True if a browser says that our own page made this request; if it does not say, its origin decides.
// T14
fn is_from_own_page(request: &Invocation, public_url: &Url) -> bool {
    let one = |name| {
        let mut values = request.headers(name);
        (values.next(), values.next())
    };
    match one("sec-fetch-site") {
        (Some(site), None) => site == "same-origin",
        (Some(_), Some(_)) => false,
        (None, _) => match one("origin") {
            (Some(origin), None) => {
                Url::parse(origin).is_ok_and(|origin| origin.origin() == public_url.origin())
            }
            _ => false,
        },
    }
}

fn wants_json(request: &Invocation) -> bool {
    let accepts = |kind| request.headers("accept").any(|accept| accept.contains(kind));
    match request.query_value("format") {
        Some(format) => format == "json",
        None => accepts("application/json") && !accepts("text/html"),
    }
}

/// True if a browser asks.
pub fn wants_html(request: &Invocation) -> bool {
    request.headers("accept").any(|accept| accept.contains("text/html"))
}

/// The answer that leads a browser to the list.
pub fn to_list() -> Answer {
    let sentence = "The approvals have an address of their own.";
    let mut answer = html_answer(302, note("ApproveRelease", sentence, None, TO_LIST));
    answer.headers.push(("Location", LIST.to_owned()));
    answer
}

fn list_format(request: &Invocation) -> Format {
    match request.query_value("format") {
        Some("csv") => Format::Csv,
        _ if wants_json(request) => Format::Json,
        _ => Format::Html,
    }
}

fn unreached(error: &anyhow::Error) -> Report {
    failed(Unreached::Progress, error)
}

/// Sends a browser to sign in, and back here. A posted form is not sent again by that, and a program cannot
/// sign in: both get an answer that says so.
fn sign_in(request: &Invocation, rejection: &Rejection) -> Answer {
    let report = Report::of(Outcome::Unauthenticated, rejection.to_string());
    let here = request.id.as_deref().and_then(ApprovalId::parse).map(|id| format!("{LIST}/{id}"));
    let here = utf8_percent_encode(here.as_deref().unwrap_or(LIST), NON_ALPHANUMERIC).to_string();
    let address = format!("/.auth/login/aad?post_login_redirect_uri={here}");
    let mut answer = if wants_json(request) {
        return report_answer(FUNCTION, Reader::Browser, request, &report);
    } else if request.method.eq_ignore_ascii_case("GET") {
        let mut answer = html_answer(302, note("Sign in", SIGN_IN, None, Some((&address, "Sign in"))));
        answer.headers.push(("Location", address));
        answer
    } else {
        html_answer(401, note("Sign in", NOT_SIGNED_IN, None, Some((&address, "Sign in"))))
    };
    answer.log.push(match rejection {
        Rejection::NoCredentials => (Level::Debug, format!("{FUNCTION}: nobody is signed in")),
        _ => {
            let line = "WEBSITE_AUTH_ENABLED is not True: nobody can sign in; if the platform signs people in all the \
                        same, set SIGN_IN to platform";
            (Level::Warn, format!("{FUNCTION}: {line}"))
        }
    });
    answer
}

/// The page, or the answer for programs, while too much else is in work.
pub fn busy(request: &Invocation) -> Answer {
    let mut answer = refusal_page(request, &Outcome::Unavailable(Unreached::Place).into(), None, TO_LIST);
    // The one who counts logs it from time to time; this does not log each.
    answer.log.clear();
    answer
}

const SIGN_IN: &str = "Approvals are shown to those who may decide on them.";

const NOT_SIGNED_IN: &str =
    "Nothing was recorded: you are not signed in any more. Sign in, then decide again.";

/// The page that tells `reader` why there is no other, with a link that leads on.
fn refusal_page(
    request: &Invocation,
    report: &Report,
    reader: Option<&Performer>,
    link: Option<(&str, &str)>,
) -> Answer {
    let plain = report_answer(FUNCTION, Reader::Browser, request, report);
    if wants_json(request) {
        return plain;
    }
    let title = match report.outcome {
        Outcome::Unknown => "No such approval",
        Outcome::Forbidden(_) => "Not allowed",
        Outcome::Unavailable(_) => "Not available now",
        Outcome::TooLarge
        | Outcome::Unauthenticated
        | Outcome::Invalid(_)
        | Outcome::Misconfigured(_)
        | Outcome::Dispatched(..)
        | Outcome::DryRun(..)
        | Outcome::AlreadyDecided(..)
        | Outcome::Conflict(..)
        | Outcome::Run(_)
        | Outcome::RefMoved(_)
        | Outcome::Expired(_)
        | Outcome::Ended(_)
        | Outcome::Counted { .. }
        | Outcome::CountedInVain { .. }
        | Outcome::Closed(..)
        | Outcome::Approved(_)
        | Outcome::Withdrawn(_)
        | Outcome::TooLateToWithdraw(..)
        | Outcome::Rejected(_)
        | Outcome::Recorded(..)
        | Outcome::Postponed(..)
        | Outcome::Refused(..)
        | Outcome::GivenUp(..)
        | Outcome::Limited(_) => "That did not work",
    };
    let sentence = sentence_to(Reader::Browser, &report.outcome);
    let mut answer = html_answer(plain.status, note(title, &sentence, reader, link));
    let kept = |name: &&str| ["Allow", CARD_ACTION_STATUS].contains(name);
    answer.headers.extend(plain.headers.into_iter().filter(|(name, _)| kept(name)));
    answer.log = plain.log;
    answer
}

// T11
fn html_answer(status: u16, body: String) -> Answer {
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{}'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
        style_hash()
    );
    Answer {
        status,
        headers: vec![
            ("Content-Type", "text/html; charset=utf-8".to_owned()),
            ("Cache-Control", "no-store".to_owned()),
            ("X-Content-Type-Options", "nosniff".to_owned()),
            ("Referrer-Policy", "same-origin".to_owned()),
            ("Content-Security-Policy", policy),
        ],
        body,
        log: Vec::new(),
    }
}
