//! A request's body of any bytes is a request or a refusal; what is accepted fits into a card, and shows on a page.
#![no_main]

use std::sync::LazyLock;

use approve_release::{
    approval::{Approval, ApprovalId, Dispatched, Performer, Posted, Repository, Request, Seen, Workload},
    cards::{
        Cards,
        page::{View, approval},
    },
    surfaces::request::parse_body,
};
use chrono::DateTime;
use libfuzzer_sys::fuzz_target;

static CARDS: LazyLock<Cards> = LazyLock::new(|| Cards {
    public_url: "https://approve.example".parse().expect("a URL"),
    github: "https://github.com".parse().expect("a URL"),
    mail: None,
});

fuzz_target!(|body: &[u8]| {
    let Ok(asked) = parse_body(body, 1) else { return };
    let workload = Workload::sample(Repository::parse("octo/app").expect("a repository"));
    let now = DateTime::UNIX_EPOCH;
    let request = Request { id: ApprovalId::new(now, [0; 16]), asked, workload, created_at: now };
    let seen = Seen {
        approval: Approval { request, ballots: Vec::new(), ruling: None },
        dispatch: Dispatched::NOTHING,
        posted: Posted::None,
    };
    let card = CARDS.teams(&seen.approval).to_string();
    assert!(card.len() < 28_000 && !card.contains("{{"));
    let view =
        View { performer: &Performer::Anonymous, may_decide: true, said: None, is_dry_run: false, now };
    assert!(!approval(&CARDS, &seen, &view).contains("<script"));
});
