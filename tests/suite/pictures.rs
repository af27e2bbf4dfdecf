//! Pictures of every state that people see: of cards, page and list, for phone and desktop, light and dark.

mod samples;

use std::{
    fs,
    path::PathBuf,
    sync::{Arc, Mutex},
};

use approve_release::{
    approval::{
        ApprovalId, Approvers, Attempt, AttemptResult, Ballot, ClientPayload, Ending, EventType, Guid, Item,
        Memberships, MessageName, Next, Performer, Person, Policy, Progress, Repository, RepositoryPattern,
        Request, Ruling, SendAnswer, Standing, Terms, Verdict, Workload,
    },
    cards::{
        content::Content,
        page::{self, ListView, Listing, Said, View},
    },
};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use crate::{
    authority::TENANT,
    browser::Browser,
    card_page::CardPage,
    handler_process::repository_root,
    rendered_cards::cards,
    tokens::ALEX_NAME,
    web_server::{WebServer, html},
};

/// The pictures that the documentation shows, each with its name there.
const SHOWN: [(&str, &str); 7] = [
    ("bot-one-of-two-390-light", "bot-card"),
    ("bot-one-of-two-390-dark", "bot-card-dark"),
    ("phone-one-of-two-390-light", "page"),
    ("phone-one-of-two-390-dark", "page-dark"),
    ("list-1280-light", "list"),
    ("webhook-delivered-390-light", "card"),
    ("channel-390-light", "channel"),
];

const WIDTHS: [u32; 3] = [320, 390, 1280];

/// The states in which a card has its fold also opened.
const OPENED: [&str; 7] =
    ["waiting", "one-of-two", "refused", "long", "changes", "release-failed", "requirements"];

/// A state, and what it is seen by.
struct Sample {
    name: &'static str,
    standing: Standing,
    policy: Policy,
    /// The sentence about a click that was refused.
    said: Option<String>,
}

impl Sample {
    fn of(name: &'static str, standing: Standing) -> Self {
        Self { name, standing, policy: policy(false), said: None }
    }

    fn in_dry_run(self) -> Self {
        Self { policy: policy(true), ..self }
    }
}

fn now() -> DateTime<Utc> {
    "2026-11-27T12:00:00Z".parse().expect("a time")
}

fn person(number: usize) -> Performer {
    let guid = |text: &str| Guid::parse(text).expect("a GUID");
    let display_name = if number == 1 { ALEX_NAME } else { "Megan Bowen" };
    Performer::Person(Person {
        object_id: guid(&format!("0a0b0c0d-1111-2222-3333-{number:012}")),
        tenant: guid(TENANT),
        user_principal_name: None,
        display_name: Some(display_name.to_owned()),
    })
}

/// A request that waits: the only one, or one of several.
fn waiting(number: u8, repository: &str, title: &str, version: &str, environment: &str) -> Standing {
    let payload = json!({"version": version, "image": format!("ghcr.io/{repository}:{version}")}).to_string();
    let payload = ClientPayload::parse(&serde_json::value::RawValue::from_string(payload).expect("JSON"));
    let terms = Terms {
        client_payload: Some(payload.expect("a payload")),
        title: Some(title.to_owned()),
        text: Some("**New**: invoices in euros.\n\n- Tested on staging\n- [Change log](https://github.com/octo/app/releases)".to_owned()),
        facts: vec![("Risk".to_owned(), "low".to_owned())],
        ..Terms::sample(EventType::parse("release-approved").expect("an event type"))
    };
    let workload = Workload {
        git_ref: format!("refs/tags/v{version}"),
        run_id: "17512345678".to_owned(),
        run_number: Some("42".to_owned()),
        environment: Some(environment.to_owned()),
        job_workflow_ref: Some(format!("{repository}/.github/workflows/release.yml@refs/heads/main")),
        ..Workload::sample(Repository::parse(repository).expect("a repository"))
    };
    let created_at = now() - TimeDelta::minutes(12 + 47 * i64::from(number));
    Standing::new(Request { id: ApprovalId::new(created_at, [number; 16]), terms, workload, created_at })
}

fn release() -> Standing {
    waiting(0, "octo/app", "Release 1.4.2 to production", "1.4.2", "production")
}

fn ballot(number: usize, verdict: Verdict, comment: &str) -> Ballot {
    let at = now() - TimeDelta::minutes(5);
    Ballot { performer: person(number), verdict, comment: comment.to_owned(), at, groups: Vec::new() }
}

fn one_of_two(mut standing: Standing) -> Standing {
    standing.request.terms.approvals_required = 2;
    standing.ballots = vec![ballot(1, Verdict::Approve, "Tested on staging, looks good.")];
    standing
}

fn decided(ending: Ending, progress: Progress) -> Standing {
    let mut standing = release();
    let ballots = match ending {
        Ending::Approved => vec![ballot(1, Verdict::Approve, "Tested on staging, looks good.")],
        Ending::Rejected => vec![ballot(1, Verdict::Reject, "Not on a Friday.")],
        Ending::Expired | Ending::Withdrawn => Vec::new(),
    };
    let decided_at = now() - TimeDelta::minutes(5);
    standing.messages.insert(MessageName::DISPATCH, progress);
    standing.ruled(Ruling { ending, ballots, decided_at, ticket: None, withdrawal: None, policy: None })
}

fn tried(what: SendAnswer, detail: &str, next: Next) -> Progress {
    let attempt = Attempt { number: 1, began_at: now(), lease_until: now(), window_from: now(), failures: 0 };
    let detail = detail.to_owned();
    let result =
        AttemptResult { ended_at: now(), what, detail, asked_to_wait_until: None, next, shown: None };
    Progress::Tried(attempt, Some(result))
}

/// Words without a space wherever a request can have them.
fn long() -> Standing {
    let mut standing = one_of_two(release());
    let word = |letters: &str| letters.repeat(200 / letters.len());
    let Request { terms, workload, .. } = &mut standing.request;
    let payload = json!({"version": word("1.4.2-"), "digest": word("abcdef0123456789")}).to_string();
    let payload = serde_json::value::RawValue::from_string(payload).expect("JSON");
    terms.client_payload = ClientPayload::parse(&payload).ok();
    terms.title = Some(word("Release"));
    terms.facts.push((word("Name"), word("Value")));
    workload.git_ref = format!("refs/heads/{}", word("feature-"));
    workload.environment = Some(word("production_"));
    workload.actor = word("octocat-");
    standing.ballots[0].comment = word("Fine");
    standing.changes = Some(samples::changes(&word("Commit"), &word("folder-"), &word("Author")));
    standing
}

fn states() -> Vec<Sample> {
    let (approved, rejected) = (Ending::Approved, Ending::Rejected);
    let refused = "401: Bad credentials";
    let refused = tried(SendAnswer::Unauthorized, refused, Next::NotBefore(now() + TimeDelta::hours(1)));
    let given_up = tried(SendAnswer::ServerError(503), "503: Unavailable", Next::Dead);
    let mut expired = decided(Ending::Expired, Progress::Untried);
    expired.request.terms.expires_in = TimeDelta::minutes(5);
    vec![
        Sample::of("waiting", release()),
        Sample::of("one-of-two", one_of_two(release())),
        Sample::of("delivered", decided(approved, Progress::Done(Some(now())))),
        Sample::of("on-its-way", decided(approved, Progress::Untried)),
        Sample::of("refused", decided(approved, refused)),
        Sample::of("given-up", decided(approved, given_up)),
        Sample::of("rejected", decided(rejected, Progress::Untried)),
        Sample::of("expired", expired),
        Sample::of("dry-run", release()).in_dry_run(),
        Sample::of("dry-run-approved", decided(approved, Progress::Untried)).in_dry_run(),
        Sample::of("long", long()),
    ]
}

/// Ten approvals of one approver.
fn ten() -> Vec<Standing> {
    let asked = [
        ("octo/app", "Release 1.4.2 to production", "1.4.2", "production"),
        ("octo/app", "Release 1.4.3 to staging", "1.4.3", "staging"),
        ("octo/billing", "Invoices in euros", "3.0.0", "production"),
        ("octo/billing", "Hotfix: rounding of VAT", "2.9.1", "production"),
        ("octo/web", "New start page", "2026.11.27", "production"),
        ("octo/web", "New start page", "2026.11.27", "preview"),
        (
            "octo/mobile-api",
            "Release 8.1.0 to production, with the long-awaited search",
            "8.1.0",
            "production-eu",
        ),
        (
            "octo/mobile-api",
            "Release 8.1.0 to production, with the long-awaited search",
            "8.1.0",
            "production-us",
        ),
        ("octo/infrastructure", "Databases: 16 to 17", "17.0", "production"),
        ("octo/docs", "Manual, second edition", "2.0.0", "github-pages"),
    ];
    let asked = asked.into_iter().zip(0..).map(|((repository, title, version, environment), number)| {
        waiting(number, repository, title, version, environment)
    });
    asked.enumerate().map(|(number, one)| if number % 4 == 2 { one_of_two(one) } else { one }).collect()
}

fn policy(dry_run: bool) -> Policy {
    let allowed_repositories = vec![RepositoryPattern::parse("octo/*").expect("a pattern")];
    Policy { allowed_repositories, approvers: Approvers::Everybody, dry_run, ..Policy::default() }
}

fn page_of(Sample { standing, policy, said, .. }: &Sample) -> String {
    let performer = &person(2);
    let judgement = &policy.judge(standing, (performer, &Memberships::default()), now());
    let said = said.as_deref().map(|sentence| Said { sentence, is_error: true });
    let view = View { performer, judgement, said, offers_samples: policy.dry_run };
    page::approval(&cards(), &Content::of(standing, policy, now()), &view)
}

/// The list with what waits, and with the decided ones of `states`.
fn list(waiting: Vec<Standing>, states: Vec<Sample>) -> String {
    let link = |label, query: &str| ListView {
        label,
        href: format!("{}{query}", page::LIST),
        is_current: query.is_empty(),
    };
    let views = [
        link("All", ""),
        link("Waiting", "?state=waiting"),
        link("Decided", "?state=decided"),
        link("This page as CSV", "?format=csv"),
    ];
    let items = |standings: Vec<Standing>| -> Vec<_> {
        standings.into_iter().map(|standing| Item::Requested(Box::new(standing))).collect()
    };
    let decided = states.into_iter().map(|sample| sample.standing).filter(|one| one.ruling.is_some());
    let listing = Listing {
        reader: &person(2),
        views: &views,
        waiting: &items(waiting),
        recent: &items(decided.take(6).collect()),
        is_first: true,
        sees_all: true,
        next: None,
        policy: &policy(false),
        offers_samples: false,
        now: now(),
    };
    page::list(&cards(), &listing)
}

/// A browser that is photographed, and a server with one page.
struct Studio {
    browser: Browser,
    server: WebServer,
    page: Arc<Mutex<String>>,
    folder: PathBuf,
    /// The things that are cut off.
    cut: Mutex<Vec<String>>,
}

impl Studio {
    /// Nothing where there is no browser.
    async fn open() -> Option<Self> {
        let browser = Browser::open().await?;
        let page = Arc::new(Mutex::new(String::new()));
        let shown = Arc::clone(&page);
        let server = WebServer::start(move |_| {
            let page = shown.lock().expect("nobody panicked").clone();
            async move { html(page) }
        });
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("screenshots");
        fs::create_dir_all(&folder).expect("a folder");
        Some(Self { server: server.await, browser, page, folder, cut: Mutex::default() })
    }

    /// Takes a picture of all that is shown, however tall, in each width, or of the window as it is.
    async fn picture(&self, name: &str, width: u32, dark: bool, height: Option<u32>) {
        self.browser.window_size(width, height.unwrap_or(200)).await;
        if height.is_none() {
            let tall = "return document.documentElement.scrollHeight";
            let tall = self.browser.script(tall, vec![]).await.as_u64().expect("a height");
            self.browser.window_size(width, u32::try_from(tall).expect("not too tall")).await;
        }
        let theme = if dark { "dark" } else { "light" };
        self.browser.screenshot(&self.folder.join(format!("{name}-{width}-{theme}.png"))).await;
    }

    /// Shows this page, in letters like those of most systems: a machine for tests has none of its own.
    fn serve(&self, page: &str) {
        *self.page.lock().expect("nobody panicked") = page.replace("system-ui", "'Liberation Sans'");
    }

    async fn page(&self, name: &str, page: String) {
        self.serve(&page);
        for dark in [false, true] {
            self.browser.dark_mode(dark).await;
            for width in WIDTHS {
                self.browser.window_size(width, 844).await;
                self.browser.goto(&self.server.url("/")).await;
                self.look(name, width).await;
                self.picture(name, width, dark, None).await;
            }
        }
    }

    /// The page as a phone shows it before anybody scrolls.
    async fn phone(&self, name: &str, page: String) {
        self.serve(&page);
        for dark in [false, true] {
            self.browser.dark_mode(dark).await;
            self.browser.goto(&self.server.url("/")).await;
            self.picture(name, 390, dark, Some(844)).await;
        }
    }

    /// Cards, one below the other; with `open` their folds as well.
    async fn cards(&self, name: &str, cards: &[Value], open: bool) {
        let (first, others) = cards.split_first().expect("a card");
        for dark in [false, true] {
            self.browser.dark_mode(dark).await;
            let page = CardPage::show(&self.browser, "", first).await;
            for card in others {
                page.add(card).await;
            }
            if open {
                page.click("Details").await;
            }
            for width in WIDTHS {
                self.browser.window_size(width, 844).await;
                self.look(name, width).await;
                self.picture(name, width, dark, None).await;
            }
        }
    }

    /// Notes each label of a button and each text that is cut off, and a page that is wider than the window.
    async fn look(&self, name: &str, width: u32) {
        let cut = "const right = (part) => part.getBoundingClientRect().right;
            const holders = document.querySelectorAll('html, button, td, dd, pre, .ac-textBlock');
            const isFull = (part) => part.scrollWidth > part.clientWidth + 1 &&
                getComputedStyle(part).display !== 'inline';
            const leaves = (part) => right(part) > right(part.closest('.ac-adaptiveCard')) - 12;
            const inCards = document.querySelectorAll('.ac-adaptiveCard td, .ac-adaptiveCard p');
            return [...[...holders].filter(isFull), ...[...inCards].filter(leaves)]
                .map(part => part.outerHTML.slice(0, 200))";
        let cut = self.browser.script(cut, vec![]).await;
        if cut != json!([]) {
            self.cut.lock().expect("nobody panicked").push(format!("{name}, {width} wide: {cut}"));
        }
    }
}

#[tokio::test]
#[ignore = "it makes some hundred pictures to look at: cargo xtask long, or cargo xtask screenshots"]
async fn nothing_is_cut_off_in_the_pictures_of_any_state() {
    let Some(studio) = Studio::open().await else { return };
    let cards = cards();
    for sample in states().into_iter().chain(samples::all()) {
        let Sample { name, standing, policy, said } = &sample;
        let content = Content::of(standing, policy, now());
        let (webhook, mail) = (cards.teams(&content), cards.mail(&content).expect("it is set up"));
        for (kind, card) in
            [("webhook", webhook), ("bot", cards.bot(&content, said.as_deref())), ("mail", mail)]
        {
            studio.cards(&format!("{kind}-{name}"), std::slice::from_ref(&card), false).await;
            if kind != "mail" && OPENED.contains(name) {
                studio.cards(&format!("{kind}-{name}-open"), &[card], true).await;
            }
        }
        studio.page(&format!("page-{name}"), page_of(&sample)).await;
        studio.phone(&format!("phone-{name}"), page_of(&sample)).await;
    }
    studio.page("list", list(ten().into_iter().rev().collect(), states())).await;
    studio.page("list-releases", list(Vec::new(), samples::all())).await;
    let policy = policy(false);
    let ten: Vec<_> = ten().iter().map(|one| cards.bot(&Content::of(one, &policy, now()), None)).collect();
    studio.cards("channel", &ten, false).await;
    let cut = studio.cut.lock().expect("nobody panicked");
    assert!(cut.is_empty(), "{}", cut.join("\n"));
    if std::env::var_os("UPDATE_SCREENSHOTS").is_some() {
        for (from, to) in SHOWN {
            let to = repository_root().join("docs/images").join(format!("{to}.png"));
            fs::copy(studio.folder.join(format!("{from}.png")), to).expect("a picture");
        }
    }
}
