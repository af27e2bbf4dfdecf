//! Samples of releases and their ends, of the changes that they bring, and of those who may not approve them.

use approve_release::{
    approval::{
        Approver, Author, Changes, Commit, Comparison, Conclusion, Ending, Forbidden, GithubLogins, Login,
        Met, Outcome, Own, Policy, Progress, Run, RunEnd, SelfApproval, Settled, Standing, Ticket, Verdict,
        Withdrawal,
    },
    cards::sentences::sentence,
    config::policy::rules,
};
use chrono::TimeDelta;

use super::{Sample, ballot, decided, now, one_of_two, person, policy, release};

/// Two requirements: Alex is in the first, the reader in the second.
const RULES: &str = r#"[{"name": "production", "repositories": ["octo/*"], "refs": ["refs/tags/v*"],
    "environments": ["production"], "event_types": ["release-approved"],
    "requires": [
      {"name": "Security", "approvers": ["0a0b0c0d-1111-2222-3333-000000000001"]},
      {"name": "Product owners of the invoices", "approvals": 2, "approvers": [
        "0a0b0c0d-1111-2222-3333-000000000002", "0a0b0c0d-1111-2222-3333-000000000003"]}]"#;

/// A Friday, as today.
const CLOSED: &str = r#","closed": [{"days": ["Fri"], "from": "12:00", "to": "24:00", "time_zone": "Europe/Berlin",
    "why": "Nobody is here at the weekend to look after it."}]"#;

pub fn all() -> Vec<Sample> {
    let ended = |conclusion| Some(run(Some(conclusion)));
    vec![
        Sample::of("changes", changed()),
        Sample::of("releasing", released(Some(run(None)))),
        Sample::of("released", released(ended(Conclusion::Success))),
        Sample::of("release-failed", released(ended(Conclusion::Failure))),
        Sample::of("no-run", released(None)),
        own_run(),
        ref_moved(),
        Sample { policy: with_rules(""), ..Sample::of("requirements", some_met()) },
        closed(),
    ]
}

/// Changes with `said` wherever a commit can say something.
pub fn changes(said: &str, path: &str, name: &str) -> Changes {
    let author = |name: &str| Author::Account(name.to_owned(), Some(583_231));
    let commit = |message: &str, author| Commit { sha: "ab".repeat(20), message: message.to_owned(), author };
    let nobody = Author::Name(name.to_owned());
    Changes::Since(Comparison {
        base: "cd".repeat(20),
        commits: 312,
        missing: 2,
        newest: vec![
            commit(said, author("octocat")),
            commit("Round VAT per line, as the tax office asks for since 2026", author("hubot")),
            commit("Invoices in euros", nobody.clone()),
            commit("Bump actions/checkout", author("dependabot[bot]")),
            commit("", author("octocat")),
        ],
        authors: vec![author("octocat"), author("hubot"), author("dependabot[bot]"), nobody],
        commits_read: 250,
        guarded: vec![".github/workflows/release.yml".to_owned(), format!(".github/{path}")],
        guarded_count: 23,
        files: 300,
    })
}

fn changed() -> Standing {
    let changes = changes("Show the sum in the currency of the order", "actions/deploy/action.yml", "Sam");
    Standing { changes: Some(changes), ..release() }
}

fn run(end: Option<Conclusion>) -> Run {
    let at = now() - TimeDelta::minutes(1);
    Run {
        id: "17512399999".to_owned(),
        actor: "octocat".to_owned(),
        attempt: 2,
        started_at: now() - TimeDelta::minutes(4),
        end: end.map(|conclusion| RunEnd { conclusion, at, is_by_github: false }),
    }
}

/// A release by two people and a rule, which GitHub got a quarter of an hour ago.
fn released(run: Option<Run>) -> Standing {
    let delivered = Progress::Done(Some(now() - TimeDelta::minutes(15)));
    let mut standing = decided(Ending::Approved, delivered);
    let met =
        |name: &str, number| Met { name: Some(name.to_owned()), approvals: 1, met_by: vec![person(number)] };
    let requirements = vec![met("Security", 1), met("Product owners of the invoices", 2)];
    standing.ballots.push(ballot(2, Verdict::Approve, ""));
    if let Some(ruling) = &mut standing.ruling {
        ruling.ticket = Ticket::parse(&"0".repeat(32));
        ruling.policy = Some(Box::new(Settled { name: "production".to_owned(), requirements }));
    }
    Standing { run, ..standing }
}

/// The reader started the run.
fn own_run() -> Sample {
    let reader = Approver::parse("0a0b0c0d-1111-2222-3333-000000000002").expect("an approver");
    let github_logins = GithubLogins(vec![(Login::parse("octocat").expect("a login"), Some(reader))]);
    let policy = Policy { self_approval: SelfApproval::Deny, github_logins, ..policy(false) };
    let said = sentence(&Outcome::Forbidden(Forbidden::Own(Own::Run)));
    Sample { policy, said: Some(said), ..Sample::of("own-run", release()) }
}

fn ref_moved() -> Sample {
    let mut standing = decided(Ending::Withdrawn, Progress::Untried);
    if let Some(ruling) = &mut standing.ruling {
        ruling.withdrawal = Some(Withdrawal::ref_moved());
    }
    let said = sentence(&Outcome::RefMoved(standing.request.workload.repository.clone()));
    Sample { said: Some(said), ..Sample::of("ref-moved", standing) }
}

fn with_rules(more: &str) -> Policy {
    let rules = rules(&format!("{RULES}{more}}}]")).expect("rules");
    Policy { rules: Some(rules), ..policy(false) }
}

fn some_met() -> Standing {
    let mut standing = one_of_two(release());
    standing.request.terms.approvals_required = 1;
    standing
}

/// Nobody may approve now.
fn closed() -> Sample {
    let (standing, policy) = (some_met(), with_rules(CLOSED));
    let closed = policy.closed(&standing.request, now()).expect("it is closed");
    let said = sentence(&Outcome::Closed(closed, standing.request.workload.repository.clone()));
    Sample { policy, said: Some(said), ..Sample::of("closed", standing) }
}
