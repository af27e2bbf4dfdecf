//! A request's body of any bytes is a request or a refusal; what is accepted fits into a card, and shows on a page.
#![no_main]

use std::sync::LazyLock;

use approve_release::{
    approval::{ApprovalId, Memberships, Performer, Policy, Repository, Request, Standing, Workload},
    cards::{
        Cards,
        content::Content,
        page::{View, approval},
    },
    surfaces::request::parse_body,
    time_zone::TimeZone,
};
use chrono::DateTime;
use libfuzzer_sys::fuzz_target;

static CARDS: LazyLock<Cards> = LazyLock::new(|| Cards {
    public_url: "https://approve.example".parse().expect("a URL"),
    github: "https://github.com".parse().expect("a URL"),
    mail: None,
    time_zone: TimeZone::UTC,
});

fuzz_target!(|body: &[u8]| {
    let Ok(terms) = parse_body(body, 1) else { return };
    let workload = Workload::sample(Repository::parse("octo/app").expect("a repository"));
    let now = DateTime::UNIX_EPOCH;
    let request = Request { id: ApprovalId::new(now, [0; 16]), terms, workload, created_at: now };
    let (standing, policy) = (Standing::new(request), Policy::default());
    let content = Content::of(&standing, &policy, now);
    let card = CARDS.teams(&content).to_string();
    assert!(card.len() < 28_000 && !card.contains("{{"));
    let view = View {
        performer: &Performer::Anonymous,
        judgement: &policy.judge(&standing, (&Performer::Anonymous, &Memberships::default()), now),
        said: None,
        offers_samples: false,
    };
    assert!(!approval(&CARDS, &content, &view).contains("<script"));
});
