//! The approvals that the tests of cards and pages begin with.

use chrono::{DateTime, TimeDelta, Utc};
use url::Url;

use super::{Cards, Mail};
use crate::{
    approval::{
        ApprovalId, Author, Ballot, Changes, Commit, Comparison, EventType, Guid, Performer, Person, Policy,
        Repository, RepositoryPattern, Request, Standing, Terms, Verdict, Workload,
    },
    http_client::SecretUrl,
    time_zone::TimeZone,
};

fn url(text: &str) -> Url {
    Url::parse(text).expect("a URL")
}

pub fn cards() -> Cards {
    Cards {
        public_url: url("https://app.example"),
        github: url("https://github.com"),
        mail: Some(Mail {
            approve_url: SecretUrl::new(url("https://app.example/api/ApproveRelease?code=a-key")),
            originator: "65c680ef-36a6-4a1b-b84c-a7b5c6198792".into(),
        }),
        time_zone: TimeZone::UTC,
    }
}

pub fn noon() -> DateTime<Utc> {
    "2026-11-27T12:00:00Z".parse().expect("a time")
}

pub fn event_type(text: &str) -> EventType {
    let text: String = text.chars().take(EventType::MAX).collect();
    EventType::parse(&text).or_else(|| EventType::parse("none")).expect("an event type")
}

/// The object id of person 1.
pub const ALEX: &str = "0a0b0c0d-1111-2222-3333-000000000001";

pub fn person(number: usize, display_name: Option<&str>) -> Performer {
    let guid = |last| Guid::parse(&format!("0a0b0c0d-1111-2222-3333-{last:012}")).expect("a GUID");
    Performer::Person(Person {
        object_id: guid(number),
        tenant: guid(0),
        user_principal_name: Some(format!("secret-{number}@contoso.com")),
        display_name: display_name.map(str::to_owned),
    })
}

pub fn ballot(number: usize, name: &str, comment: &str) -> Ballot {
    let performer = person(number, Some(name));
    Ballot { performer, verdict: Verdict::Approve, comment: comment.into(), at: noon(), groups: Vec::new() }
}

/// An approval with `said` wherever a request can say something.
pub fn asked(said: &str) -> Standing {
    let terms = Terms {
        title: Some(said.into()),
        text: Some(said.into()),
        facts: vec![(said.into(), said.into()), ("Environment".into(), said.into())],
        approvals_required: 2,
        expires_in: TimeDelta::minutes(90),
        ..Terms::sample(event_type("release-approved"))
    };
    let repository = Repository::parse("octo/my_app").expect("a repository");
    let workload = Workload { run_id: "987".into(), run_attempt: "2".into(), ..Workload::sample(repository) };
    let request = Request { id: ApprovalId::new(noon(), [7; 16]), terms, workload, created_at: noon() };
    Standing { ballots: vec![ballot(1, "Alex Wilber", "")], ..Standing::new(request) }
}

/// An approval with `text` wherever anyone can write anything.
pub fn wild(text: &str) -> Standing {
    let mut approval = asked(text);
    approval.changes = Some(changes(text));
    let Request { terms, workload, .. } = &mut approval.request;
    terms.event_type = Some(event_type(text));
    terms.rejected_event_type = Some(event_type(text));
    for field in [
        &mut workload.git_ref,
        &mut workload.sha,
        &mut workload.run_id,
        &mut workload.run_attempt,
        &mut workload.actor,
    ] {
        *field = text.into();
    }
    approval.ballots = (1..=3).map(|number| ballot(number, text, text)).collect();
    approval
}

/// The most changes, with `said` wherever a commit can say something.
pub fn changes(said: &str) -> Changes {
    // No more is kept of any text.
    let said: String = said.chars().take(300).collect();
    let author = Author::Name(said.clone());
    let commit = Commit { sha: "ab".repeat(20), message: said.clone(), author: author.clone() };
    Changes::Since(Comparison {
        base: "cd".repeat(20),
        commits: 1_000,
        missing: 9,
        newest: vec![commit; Comparison::MAX_NEWEST],
        authors: vec![author, Author::Account(said.clone(), None)],
        commits_read: 250,
        guarded: vec![format!(".github/{said}"); Comparison::MAX_GUARDED],
        guarded_count: 300,
        files: 300,
    })
}

/// The rules of a deployment that sends.
pub fn policy() -> Policy {
    let allowed_repositories = vec![RepositoryPattern::parse("octo/*").expect("a pattern")];
    Policy { allowed_repositories, ..Policy::default() }
}
