//! Rules × claims: which rule holds, the attacks of those who write workflows among them.

use super::*;
use crate::{approval::Repository, config::policy};

const POLICY: &str = r#"[
 {"name": "production", "repositories": ["octo/*"], "refs": ["refs/tags/v*"], "environments": ["Production"],
  "event_types": ["go-live"], "workflows": ["release.yml"], "waits": true},
 {"name": "reusable", "repositories": ["octo/**"], "refs": ["refs/heads/main"], "event_types": ["deploy-*"],
  "job_workflows": ["Octo/ci/.github/workflows/release.yml@refs/heads/main",
                    "octo/ci/.github/workflows/tagged.yml@refs/tags/v*"]},
 {"name": "pinned", "repositories": ["acme@2020/*", "acme/app@424242"], "refs": ["**"]},
 {"name": "waiting", "repositories": ["octo/app"], "refs": ["refs/heads/*"], "waits": true},
 {"name": "both", "repositories": ["octo/app"], "refs": ["refs/heads/main"], "event_types": ["yes", "no"]},
 {"name": "open", "repositories": ["octo/*", "evil/*"], "refs": ["refs/heads/**"]}]"#;

const EVIL: &str = "octo/ci/.github/workflows/release.yml@evil.yml@refs/heads/main";
const CI: &str = "octo/ci/.github/workflows/release.yml@refs/heads/main";
const LONG_LOST: &str = "octo/ci/.github/workflows/release.yml@0123456789012345678901234567890123456789";

/// Repository (with numbers of owner and repository), ref, environment, file of the job's workflow, all that is sent
/// (`=` a workflow, else an event type; nothing for a job that waits), and the rule.
type Row = (&'static str, &'static str, &'static str, &'static str, &'static [&'static str], &'static str);

const ROWS: &[Row] = &[
    // The strict rule, and everything that is not quite what it asks for.
    ("octo/app", "refs/tags/v1", "production", "", &["go-live"], "production"),
    ("OCTO/App", "refs/tags/v1", "PRODUCTION", "", &["go-live"], "production"),
    ("octo/app", "refs/tags/v", "production", "", &["go-live"], "production"),
    ("octo/app", "refs/tags/v1", "", "", &["go-live"], ""),
    ("octo/app", "refs/tags/v1", "production2", "", &["go-live"], ""),
    ("octo/app", "refs/tags/v1", "production\n", "", &["go-live"], ""),
    ("octo/app", "refs/tags/v1/x", "production", "", &["go-live"], ""),
    ("octo/app", "refs/tags/V1", "production", "", &["go-live"], ""),
    ("octo/app", "refs/tags/v\u{200b}", "production", "", &["go-live"], ""),
    ("octo/app", "refs/tags/v1\u{0}", "production", "", &["go-live"], ""),
    ("octo/app", "", "production", "", &["go-live"], ""),
    ("octo/app", "refs/heads/refs/tags/v1", "production", "", &["go-live"], ""),
    ("octo/app", "refs/heads/v1", "production", "", &["go-live"], ""),
    ("octo/app", "refs/heads/main", "", "", &["go-live"], ""),
    ("octo/app", "refs/heads/main", "staging", "", &["go-live"], ""),
    ("evil/app", "refs/tags/v1", "production", "", &["go-live"], ""),
    ("evil/app", "refs/heads/main", "production", "", &["go-live"], ""),
    ("octo-evil/app", "refs/tags/v1", "production", "", &["go-live"], ""),
    ("octo/app", "refs/tags/v1", "production", "", &["Go-live"], ""),
    ("octo/app", "refs/heads/main", "", "", &["Go-live"], "open"),
    ("octo/app", "refs/heads/main", "", "", &["go-live "], "open"),
    // Workflows, on their own ref too.
    ("octo/app", "refs/tags/v1", "production", "", &["=release.yml refs/tags/v1"], "production"),
    ("octo/app", "refs/tags/v1", "production", "", &["=release.yml refs/heads/main"], ""),
    ("octo/app", "refs/tags/v1", "production", "", &["=release.yml "], ""),
    ("octo/app", "refs/heads/main", "", "", &["=release.yml refs/heads/main"], ""),
    ("octo/app", "refs/heads/main", "", "", &["=release.yml refs/tags/v1"], ""),
    ("octo/app", "refs/heads/main", "", "", &["=Release.yml refs/heads/main"], "open"),
    ("octo/app", "refs/heads/main", "", "", &["=test.yml refs/heads/main"], "open"),
    ("octo/app", "refs/heads/main", "", "", &["=test.yml refs/tags/v1"], ""),
    ("octo/app", "refs/heads/main", "", "", &["=go-live refs/heads/main"], "open"),
    ("octo/app", "refs/heads/main", "", "", &["release.yml"], "open"),
    // After a no and after the time something is sent as well.
    ("octo/app", "refs/tags/v1", "production", "", &["go-live", "stopped"], ""),
    ("octo/app", "refs/tags/v1", "production", "", &["go-live", "go-live"], "production"),
    ("octo/app", "refs/heads/main", "", "", &["yes", "no"], "both"),
    ("octo/app", "refs/heads/main", "", "", &["yes", "maybe"], ""),
    ("octo/app", "refs/heads/main", "", "", &["maybe", "yes"], ""),
    ("octo/app", "refs/heads/main", "", "", &["free", "go-live"], ""),
    ("octo/app", "refs/heads/main", "", "", &["free", "freer"], "open"),
    ("octo/app", "refs/tags/v1", "production", "", &["=release.yml refs/tags/v1", "go-live"], "production"),
    ("octo/app", "refs/tags/v1", "production", "", &["=release.yml refs/tags/v1", "other"], ""),
    // A wait.
    ("octo/app", "refs/tags/v1", "production", "", &[], "production"),
    ("octo/app", "refs/tags/v1", "", "", &[], ""),
    ("octo/app", "refs/heads/main", "production", "", &[], "waiting"),
    ("octo/app", "refs/heads/a/b", "", "", &[], ""),
    ("octo/api", "refs/heads/main", "", "", &[], ""),
    ("evil/app", "refs/heads/main", "", "", &[], ""),
    // The job's workflow.
    ("octo/app", "refs/heads/main", "", CI, &["deploy-app"], "reusable"),
    (
        "octo/app",
        "refs/heads/main",
        "",
        "OCTO/CI/.github/workflows/release.yml@refs/heads/main",
        &["deploy-app"],
        "reusable",
    ),
    (
        "octo/app",
        "refs/heads/main",
        "",
        "octo/ci/.github/workflows/Release.yml@refs/heads/main",
        &["deploy-app"],
        "",
    ),
    (
        "octo/app",
        "refs/heads/main",
        "",
        "octo/ci/.GITHUB/workflows/release.yml@refs/heads/main",
        &["deploy-app"],
        "",
    ),
    ("octo/app", "refs/heads/main", "", EVIL, &["deploy-app"], ""),
    ("octo/app", "refs/heads/main", "", LONG_LOST, &["deploy-app"], ""),
    ("octo/app", "refs/heads/main", "", "", &["deploy-app"], ""),
    (
        "octo/app",
        "refs/heads/main",
        "",
        "octo/ci/.github/workflows/release.yml@refs/heads/main2",
        &["deploy-app"],
        "",
    ),
    (
        "octo/app",
        "refs/heads/main",
        "",
        "octo/ci2/.github/workflows/release.yml@refs/heads/main",
        &["deploy-app"],
        "",
    ),
    (
        "octo/app",
        "refs/heads/main",
        "",
        "octo/ci/.github/workflows/tagged.yml@refs/tags/v2",
        &["deploy-app"],
        "reusable",
    ),
    (
        "octo/app",
        "refs/heads/main",
        "",
        "octo/ci/.github/workflows/tagged.yml@refs/tags/v2/x",
        &["deploy-app"],
        "",
    ),
    (
        "octo/app",
        "refs/heads/main",
        "",
        "octo/ci/.github/workflows/tagged.yml@refs/heads/refs/tags/v2",
        &["deploy-app"],
        "",
    ),
    ("octo/app", "refs/heads/main", "", CI, &["deploy-a/b"], "open"),
    ("octo/app", "refs/heads/main", "", "", &["deploy-ä"], "open"),
    // A renamed owner, whose name somebody else has taken.
    ("acme@2020/api@1", "refs/heads/main", "", "", &["free"], "pinned"),
    ("acme@2021/api@1", "refs/heads/main", "", "", &["free"], ""),
    ("acme/api", "refs/heads/main", "", "", &["free"], ""),
    ("acme@2021/app@424242", "refs/heads/main", "", "", &["free"], "pinned"),
    ("acme@2021/app@424243", "refs/heads/main", "", "", &["free"], ""),
    ("acme@2020/app@1", "refs/pull/1/merge", "", "", &["free"], "pinned"),
    ("acme@2020/app@1", "", "", "", &["free"], ""),
    ("acme@2020/app@1", "refs/heads/main", "", "", &["go-live"], ""),
];

fn rule_of(rules: &Rules, (repository, git_ref, environment, job_workflow, sent, _): &Row) -> String {
    let part = |text: &str| match text.split_once('@') {
        Some((name, id)) => (name.to_owned(), Some(id.to_owned())),
        None => (text.to_owned(), None),
    };
    let (owner, name) = repository.split_once('/').expect("a repository");
    let ((owner, owner_id), (name, id)) = (part(owner), part(name));
    let given = |text: &'static str| (!text.is_empty()).then_some(text);
    let claims = Claims {
        repository: &Repository::parse(&format!("{owner}/{name}")).expect("a repository"),
        repository_id: id.as_deref().unwrap_or_default(),
        owner_id: owner_id.as_deref(),
        git_ref,
        environment: given(environment),
        job_workflow_ref: given(job_workflow),
    };
    let sent = sent.iter().map(|sent| match sent.strip_prefix('=').and_then(|sent| sent.split_once(' ')) {
        Some((file, git_ref)) => What::Workflow(file, git_ref),
        None => What::EventType(sent),
    });
    rules.find(&claims, &Sent(sent.collect())).map(|rule| rule.name.clone()).unwrap_or_default()
}

// T43
#[test]
fn the_first_rule_that_matches_what_is_proven_holds_and_there_is_no_way_around() {
    assert!(ROWS.len() >= 60, "{}", ROWS.len());
    for row in ROWS {
        let rules = policy::rules(POLICY).expect("a policy");
        assert_eq!(rule_of(&rules, row), row.5, "{row:?}");
    }
}

// T43
#[test]
fn the_same_rule_is_found_whoever_asked_before() {
    let rules = policy::rules(POLICY).expect("a policy");
    for row in ROWS.iter().chain(ROWS.iter().rev()).chain(ROWS).flat_map(|row| [row, row]) {
        assert_eq!(rule_of(&rules, row), row.5, "{row:?}");
    }
}

#[test]
fn an_event_type_that_a_rule_names_is_known_for_relays() {
    let rules = policy::rules(POLICY).expect("a policy");
    for (event_type, is_named) in
        [("go-live", true), ("deploy-x", true), ("free", false), ("release.yml", false)]
    {
        assert_eq!(rules.name_event_type(event_type), is_named, "{event_type}");
    }
}

#[test]
fn a_request_may_shorten_the_time_and_never_lengthen_it() {
    let rule = |more: &str| {
        let json = format!(r#"[{{"name":"a","repositories":["o/*"],"refs":["**"]{more}}}]"#);
        policy::rules(&json).expect("a policy").all()[0].clone()
    };
    let hour = rule(r#","expires_in_minutes":60"#);
    assert_eq!(hour.expires_in(None), Ok(TimeDelta::minutes(60)));
    assert_eq!(hour.expires_in(Some(5)), Ok(TimeDelta::minutes(5)));
    assert_eq!(hour.expires_in(Some(61)), Err(Invalid::NotInRange("expires_in_minutes", 1, 60)));
    assert_eq!(rule("").expires_in(None), Ok(TimeDelta::minutes(Terms::DEFAULT_MINUTES)));
}

#[test]
#[ignore = "a measure: it prints how long it takes to find the last of 500 rules, and promises nothing"]
#[expect(clippy::print_stdout, reason = "the number is for whoever runs it")]
fn finding_the_last_of_many_rules_takes_a_moment() {
    let rule = |number: usize| {
        format!(
            r#"{{"name":"r{number}","repositories":["octo/app-{number}"],"event_types":["go-live-{number}"],
                 "refs":["refs/heads/main","refs/tags/v*"],"environments":["production"]}}"#
        )
    };
    let json = format!("[{}]", (0..500).map(rule).collect::<Vec<_>>().join(","));
    let rules = policy::rules(&json).expect("a policy");
    let claims = Claims {
        repository: &Repository::parse("octo/app-499").expect("a repository"),
        repository_id: "1",
        owner_id: Some("2"),
        git_ref: "refs/tags/v1.4.2",
        environment: Some("production"),
        job_workflow_ref: Some(CI),
    };
    let sent = Sent(vec![What::EventType("go-live-499")]);
    const ROUNDS: u32 = 50;
    // A copy remembers nothing.
    let copies = vec![rules; ROUNDS as usize];
    let begin = std::time::Instant::now();
    let found =
        copies.iter().filter(|rules| rules.find(&claims, &sent).is_some_and(|rule| rule.name == "r499"));
    assert_eq!(u32::try_from(found.count()), Ok(ROUNDS));
    println!("500 rules: {} ns each time", begin.elapsed().as_nanos() / u128::from(ROUNDS));
}
