//! The policy as an operator meets it: its schema and the program agree, the example means what its page says, and
//! `check --policy` answers.

use std::{
    fs,
    process::{Command, Output, Stdio},
};

use approve_release::config::policy;
use jsonschema::Validator;
use serde_json::{Value, json};

use crate::{
    docs::section,
    handler_process::{binary, repository_root},
};

fn read(path: &str) -> String {
    fs::read_to_string(repository_root().join(path)).expect(path)
}

fn schema() -> Validator {
    let schema = serde_json::from_str(&read("docs/policy.schema.json")).expect("JSON");
    jsonschema::draft7::new(&schema).expect("a schema")
}

/// A rule with more members.
fn with(more: Value) -> Value {
    let mut rule = json!({"name": "a", "repositories": ["octo/*"], "refs": ["refs/heads/main"]});
    rule.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    json!([rule])
}

fn person(number: usize) -> String {
    format!("person-{number}@contoso.com")
}

fn people(count: usize) -> Vec<String> {
    (0..count).map(person).collect()
}

const GROUP: &str = "group:0A0B0C0D-1111-2222-3333-444455556666";

const CI: &str = "octo/ci/.github/workflows/release.yml@refs/heads/main";

fn usable() -> Vec<Value> {
    let window = |more: Value| {
        let mut window = json!({"from": "22:00", "to": "06:00", "time_zone": "Europe/Berlin"});
        window.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        with(json!({"closed": [window]}))
    };
    let part = |name: &str, text: &str| with(json!({name: [text]}));
    vec![
        with(json!({})),
        with(json!({"name": "A.b_c-9"})),
        with(json!({"name": "x".repeat(64)})),
        with(json!({"waits": false})),
        with(json!({"waits": true, "event_types": ["go-live", "ü*", "a/b"], "workflows": ["a.yml", "*"]})),
        part("repositories", "octo@2020/app@424242"),
        part("repositories", "octo@2020/*"),
        part("repositories", "**"),
        part("repositories", "octo**"),
        part("repositories", "*/app-*"),
        part("refs", "**"),
        part("refs", "refs/"),
        part("refs", &format!("refs/{}", "ü".repeat(507))),
        part("event_types", &"ü".repeat(100)),
        part("environments", "Production (EU)"),
        part("job_workflows", CI),
        part("job_workflows", "o/.github/.github/workflows/a b.yaml@refs/tags/v*"),
        part("job_workflows", &format!("octo/ci/.github/workflows/a.yml@{}", "0a".repeat(20))),
        part("job_workflows", &format!("octo/ci/.github/workflows/a.yml@{}", "0a".repeat(32))),
        with(json!({"approvers": [GROUP, "alex@contoso.com"], "approvals_required": 10})),
        with(json!({"approvers": people(500)})),
        with(json!({"approvals_required": 2.0, "expires_in_minutes": 43200})),
        with(json!({"requires": [{"name": "Ä ö", "approvers": [GROUP]},
                                 {"name": "S", "approvers": ["a@x.com", "b@x.com"], "approvals": 2}]})),
        with(json!({"self_approval": "deny-authors", "channel": "19:a-b_c.d@thread.skype"})),
        with(json!({"self_approval": "allow", "webhook": "STAGING_2"})),
        window(json!({})),
        window(json!({"days": ["Mon", "Sun"], "from": "00:00", "to": "24:00", "why": "Ö".repeat(200)})),
    ]
}

/// Policies that neither accepts.
fn unusable() -> Vec<Value> {
    let mut all = vec![json!([]), json!({}), json!([1]), json!([{}]), json!(null), json!("policy.json")];
    let part = |name: &str, text: &str| with(json!({name: [text]}));
    let one = |member: &str, text: &str| with(json!({member: text}));
    all.extend(["", "-a", "a b", "ä", "a\n", &"x".repeat(65)].map(|text| one("name", text)));
    all.extend(
        ["octo", "octo/", "/app", "a/b/c", "octo/a b", "octo/*@1", "octo/app@", "octo/app@1x", "*"]
            .map(|text| part("repositories", text)),
    );
    all.extend(["main", "", "refs/heads/\n", "/refs/x", "refs/\u{fffd}"].map(|text| part("refs", text)));
    all.push(part("refs", &format!("refs/{}", "x".repeat(508))));
    all.extend(["", "a\n", "\u{85}", &"x".repeat(101)].map(|text| part("event_types", text)));
    all.extend(["", "a/b.yml", "a b.yml"].map(|text| part("workflows", text)));
    all.extend(
        [
            "octo/ci/.github/workflows/release.yml@main",
            "octo/ci/.github/workflows/release.yml",
            "octo/ci/.github/workflows/release.yml@evil.yml@refs/heads/main",
            "octo/*/.github/workflows/release.yml@refs/heads/main",
            "octo/ci/.github/workflows/*.yml@refs/heads/main",
            "octo/ci/.github/workflows/a/b.yml@refs/heads/main",
            "octo/ci/.github/workflows/.yml@refs/heads/main",
            "octo/../.github/workflows/a.yml@refs/heads/main",
            "octo/ci/.github/workflows/a.yml@refs/",
            "octo/ci/.github/workflows/a.yml@0123456",
        ]
        .map(|text| part("job_workflows", text)),
    );
    all.extend(
        ["Alex", "*", "group:", "group:Security", "a@b@c", "a b@x.com", "<a@x.com>", "a@", "a\u{a0}b@x.com"]
            .map(|text| part("approvers", text)),
    );
    all.extend(
        ["Releases", "19:@thread.tacv2", "19:a@thread.tacv3", "https://x"].map(|text| one("channel", text)),
    );
    all.extend(["", "A-B", "https://x", &"A".repeat(65)].map(|text| one("webhook", text)));
    all.extend(["never", "Deny", ""].map(|text| one("self_approval", text)));
    all.extend(
        [
            json!({"unknown": 1}),
            json!({"waits": 1}),
            json!({"event_types": []}),
            json!({"environments": "production"}),
            json!({"environments": vec!["x"; 501]}),
            json!({"approvals_required": 0}),
            json!({"approvals_required": 11}),
            json!({"approvals_required": 1.5}),
            json!({"approvals_required": "1"}),
            json!({"expires_in_minutes": 43201}),
            json!({"approvers": ["a@x.com", "a@x.com"]}),
            json!({"requires": [{"name": "S", "approvers": [GROUP]}], "approvers": [GROUP]}),
            json!({"requires": [{"name": "S", "approvers": [GROUP]}], "approvals_required": 1}),
            json!({"requires": [{"name": " ", "approvers": [GROUP]}]}),
            json!({"requires": [{"approvers": [GROUP]}]}),
            json!({"requires": [{"name": "S"}]}),
            json!({"requires": [{"name": "S", "approvers": [GROUP], "more": 1}]}),
            json!({"channel": "19:a@thread.tacv2", "webhook": "A"}),
            json!({"closed": []}),
            json!({"closed": [{"from": "1:00", "to": "24:00", "time_zone": "UTC"}]}),
            json!({"closed": [{"from": "24:00", "to": "01:00", "time_zone": "UTC"}]}),
            json!({"closed": [{"from": "01:00", "to": "24:01", "time_zone": "UTC"}]}),
            json!({"closed": [{"from": "01:00", "to": "01:60", "time_zone": "UTC"}]}),
            json!({"closed": [{"from": "01:00", "to": "02:00"}]}),
            json!({"closed": [{"from": "01:00", "to": "02:00", "time_zone": "UTC", "days": ["Friday"]}]}),
            json!({"closed": [{"from": "01:00", "to": "02:00", "time_zone": "UTC", "days": ["Fri", "Fri"]}]}),
            json!({"closed": [{"from": "01:00", "to": "02:00", "time_zone": "UTC", "why": "a\nb"}]}),
        ]
        .map(with),
    );
    all
}

/// The sentences about all that a schema cannot say.
const OF_THE_PROGRAM_ALONE: [&str; 5] = [
    "is listed twice (case does not matter)",
    "different people cannot meet all of it: too few are listed",
    "must require at most 10 people in all",
    "must be the IANA's name of a time zone, such as Europe/Berlin",
    "from and to must differ; a whole day is from 00:00 to 24:00",
];

/// True if the program alone refuses it, and only for what a schema cannot say.
fn is_of_the_program_alone(policy: &Value) -> bool {
    let Err(told) = policy::rules(&policy.to_string()) else { return false };
    told.iter().all(|line| OF_THE_PROGRAM_ALONE.iter().any(|sentence| line.ends_with(sentence)))
}

#[test]
fn the_schema_and_the_program_accept_and_refuse_the_same() {
    let schema = schema();
    for policy in usable() {
        assert_eq!(policy::rules(&policy.to_string()).err(), None, "{policy}");
        assert!(schema.is_valid(&policy), "{policy}");
    }
    for policy in unusable() {
        assert!(policy::rules(&policy.to_string()).is_err(), "{policy}");
        assert!(!schema.is_valid(&policy), "{policy}");
    }
}

#[test]
fn the_program_alone_knows_people_names_and_zones() {
    let schema = schema();
    let requirement = |name: &str, who: &[String]| json!({"name": name, "approvers": who});
    let half = |name: &str| json!({"name": name, "approvers": people(9), "approvals": 6});
    let policies = [
        json!([with(json!({}))[0], with(json!({"name": "A"}))[0]]),
        with(json!({"approvers": ["a@x.com", "A@X.com"]})),
        with(json!({"approvers": ["a@x.com"], "approvals_required": 2})),
        with(json!({"requires": [requirement("S", &people(1)), requirement("T", &people(1))]})),
        with(json!({"requires": [requirement("S", &people(2)), requirement("s", &people(2))]})),
        with(json!({"requires": [half("S"), half("T")]})),
        with(json!({"closed": [{"from": "01:00", "to": "02:00", "time_zone": "Mars/Phobos"}]})),
        with(json!({"closed": [{"from": "01:00", "to": "01:00", "time_zone": "UTC"}]})),
    ];
    for policy in policies {
        assert!(schema.is_valid(&policy) && is_of_the_program_alone(&policy), "{policy}");
    }
}

/// The places of all values within this one.
fn places(value: &Value, place: &str, all: &mut Vec<String>) {
    all.push(place.to_owned());
    match value {
        Value::Array(list) => {
            list.iter().enumerate().for_each(|(at, value)| places(value, &format!("{place}/{at}"), all));
        }
        Value::Object(members) => {
            members.iter().for_each(|(name, value)| places(value, &format!("{place}/{name}"), all));
        }
        _ => {}
    }
}

#[test]
fn whatever_stands_in_place_of_a_part_the_schema_and_the_program_agree() {
    let schema = schema();
    let example: Value = serde_json::from_str(&read("examples/policy.json")).expect("JSON");
    let mut all = Vec::new();
    places(&example, "", &mut all);
    let others = json!([
        null, true, 0, 1, 2.0, 10, 11, 1.5, -1, 43200, "", " ", "x", "a\n", "ü", "\u{fffd}", "*", "**", "a/b",
        "octo/*", "refs/heads/main", "a.yml", "a@x.com", GROUP, CI, "12:00", "24:00", "UTC", "Fri", "deny",
        "production", [], [[]], ["x"], ["a@x.com"], ["a@x.com", "A@x.com"], [1], {}, [{}], {"name": "x"}
    ]);
    let mut compared = 0;
    for place in &all {
        for other in others.as_array().expect("a list") {
            let mut policy = example.clone();
            *policy.pointer_mut(place).expect("the place") = other.clone();
            let accepted = (schema.is_valid(&policy), policy::rules(&policy.to_string()).is_ok());
            let agree = accepted.0 == accepted.1 || (accepted.0 && is_of_the_program_alone(&policy));
            assert!(agree, "{place} {other}: {accepted:?}");
            compared += 1;
        }
    }
    assert!(compared > 3000, "{compared}");
}

/// A run of `check` with a policy in a file.
fn check(policy: &str, arguments: &[&str]) -> Output {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::write(folder.path().join("policy.json"), policy).expect("writable");
    let mut command = Command::new(binary());
    // Settings that cannot be used do not matter: nothing but the file is read.
    command.args(["check", "--policy", "policy.json"]).args(arguments).env_clear().env("DRY_RUN", "perhaps");
    command.current_dir(folder.path()).stdin(Stdio::null()).output().expect("the program runs")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("text")
}

#[test]
fn the_example_means_for_each_job_what_its_page_says() {
    let (page, policy) = (read("docs/policy.md"), read("examples/policy.json"));
    let heading = "## An example: 25 repositories, three environments, a security team";
    let rows: Vec<Vec<&str>> = section(&page, heading)
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| line.trim_matches('|').split('|').map(|cell| cell.trim().trim_matches('`')).collect())
        .collect();
    assert!(rows.len() >= 15, "{rows:?}");
    for row in &rows {
        let [repository, sends, git_ref, environment, reusable, rule] = row[..] else { panic!("{row:?}") };
        let mut arguments = vec!["--repository", repository, "--ref", git_ref];
        match sends {
            "nothing" => arguments.push("--waits"),
            file if file.ends_with(".yml") => arguments.extend(["--workflow", file]),
            event_type => arguments.extend(["--event-type", event_type]),
        }
        if environment != "none" {
            arguments.extend(["--environment", environment]);
        }
        if reusable == "yes" {
            let ci = "contoso/ci/.github/workflows/release.yml@refs/heads/main";
            arguments.extend(["--job-workflow", ci]);
        }
        let output = check(&policy, &arguments);
        let (expected, code) = match rule {
            "forbidden" => ("No rule holds: ".to_owned(), 1),
            rule => (format!("Rule {rule} holds for "), 0),
        };
        assert!(text(&output.stdout).starts_with(&expected), "{row:?}: {}", text(&output.stdout));
        assert_eq!(output.status.code(), Some(code), "{row:?}");
    }
}

#[test]
fn each_policy_on_the_page_can_be_used() {
    let schema = schema();
    let page = read("docs/policy.md");
    let parts = crate::docs::blocks(&page, "json");
    assert_eq!(parts.len(), 2);
    for part in parts {
        let part: Value = serde_json::from_str(&part).expect("JSON");
        let policy = if part.is_array() { part } else { with(json!({"closed": [part]})) };
        assert_eq!(policy::rules(&policy.to_string()).err(), None, "{policy}");
        assert!(schema.is_valid(&policy), "{policy}");
    }
}

const LAYERED: &str = r#"[
 {"name": "both", "repositories": ["octo@2020/*"], "refs": ["refs/tags/v*"], "environments": ["production"], "waits": true,
  "job_workflows": ["octo/ci/.github/workflows/release.yml@refs/heads/main"], "expires_in_minutes": 60, "webhook": "MAIN",
  "self_approval": "deny", "closed": [
   {"days": ["Fri", "Sat"], "from": "15:00", "to": "24:00", "time_zone": "Europe/Berlin", "why": "weekend"},
   {"from": "00:00", "to": "06:00", "time_zone": "UTC"}],
  "requires": [{"name": "Security", "approvers": ["group:0a0b0c0d-1111-2222-3333-444455556666"], "approvals": 2},
               {"name": "Product", "approvers": ["alex@contoso.com", "sam@contoso.com"]}]},
 {"name": "workflow", "repositories": ["octo/*"], "refs": ["**"], "waits": true,
  "job_workflows": ["octo/ci/.github/workflows/release.yml@refs/heads/main"]},
 {"name": "mild", "repositories": ["octo/app"], "refs": ["**"], "waits": true, "approvals_required": 2}]"#;

#[test]
fn the_check_names_the_people_and_what_leaving_a_claim_out_would_give() {
    let all = ["--environment", "Production", "--waits", "--ref", "refs/tags/v1", "--repository", "Octo/App"];
    let ci = ["--job-workflow", "octo/ci/.github/workflows/release.yml@refs/heads/main"];
    let output = check(LAYERED, &[&all[..], &ci].concat());
    let expected = "\
Rule both holds for a job that waits in Octo/App.
Security: decided by 2 of group:0a0b0c0d-1111-2222-3333-444455556666.
Product: decided by 1 of alex@contoso.com, sam@contoso.com.
self_approval is deny.
Within 60 minutes at most.
Closed Fri, Sat from 15:00 to 24:00, Europe/Berlin: weekend.
Closed every day from 00:00 to 06:00, UTC.
Posted to the webhook of TEAMS_WEBHOOK_URL_MAIN.
For a repository with the numbers of octo@2020/*.
Without the ref: no rule holds, so it is forbidden.
Without the environment: rule workflow holds.
Without the job's workflow: rule mild holds.
Without both: rule mild holds.
By another ref, environment or workflow of the job these may hold: workflow, mild.
";
    assert_eq!((text(&output.stdout), text(&output.stderr)), (expected, ""));
    assert_eq!(output.status.code(), Some(0));

    let output = check(LAYERED, &all);
    let expected = "\
Rule mild holds for a job that waits in Octo/App.
Decided by 2 of APPROVERS.
Without the ref: no rule holds, so it is forbidden.
Without the environment: the same rule.
By another ref, environment or workflow of the job these may hold: both, workflow.
";
    assert_eq!((text(&output.stdout), output.status.code()), (expected, Some(0)));
    // Another owner of the same name.
    let output =
        check(LAYERED, &[&["--waits", "--repository", "octo@2021/app"], &all[..2], &all[3..5], &ci].concat());
    assert!(text(&output.stdout).starts_with("Rule workflow holds"), "{}", text(&output.stdout));
}

#[test]
fn the_check_names_what_a_workflow_on_another_ref_would_get() {
    let policy = r#"[
 {"name": "strict", "repositories": ["octo/*"], "refs": ["refs/tags/v*"], "workflows": ["release.yml"]},
 {"name": "mild", "repositories": ["octo/*"], "refs": ["refs/heads/**"], "workflows": ["release.yml"]}]"#;
    let asked = ["--repository", "octo/app", "--workflow", "release.yml", "--ref", "refs/tags/v1"];
    let stdout = text(&check(policy, &asked).stdout).to_owned();
    assert!(stdout.contains("of the job these may hold: mild.\n"), "{stdout}");
    let stdout = text(&check(policy, &[&asked[..5], &["refs/tags/x"]].concat()).stdout).to_owned();
    assert!(stdout.contains("Rule mild does not match by its refs.\n"), "{stdout}");
}

#[test]
fn a_check_without_a_rule_says_why() {
    let policy = r#"[
 {"name": "strict", "repositories": ["octo/app"], "refs": ["refs/tags/v*"], "environments": ["production"], "event_types": ["go"],
  "approvers": ["alex@contoso.com"]},
 {"name": "mild", "repositories": ["octo/*"], "refs": ["**"]},
 {"name": "others", "repositories": ["acme/*"], "refs": ["**"]}]"#;
    let ask = |repository: &str, git_ref: &str, event_type: &str| {
        let output =
            check(policy, &["--repository", repository, "--ref", git_ref, "--event-type", event_type]);
        assert_eq!((text(&output.stderr), output.status.code()), ("", Some(1)));
        text(&output.stdout).to_owned()
    };
    let expected = "\
No rule holds: event type go in octo/app is forbidden.
Rule strict does not match by its refs, environments.
Rule mild does not match by its event types and workflows (another rule names this one).
";
    assert_eq!(ask("octo/app", "main", "go"), expected);
    assert!(ask("fabrikam/app", "main", "stop").ends_with("\nNo rule is about this repository.\n"));
    assert!(
        ask("octo/app", "refs/pull/1/merge", "stop").ends_with("\nJobs of pull requests may never ask.\n")
    );
    assert!(ask("octo/app", "main", "").ends_with("\nNo request can have that.\n"));
}

#[test]
fn a_check_without_a_rule_ends_with_one() {
    for sends in [&["--event-type", "go"][..], &["--workflow", "release.yml"], &["--event-type", ""]] {
        let output = check(LAYERED, &[&["--repository", "octo/app", "--ref", "main"], sends].concat());
        let stdout = text(&output.stdout);
        assert!(stdout.starts_with("No rule holds: ") && stdout.contains(sends[1]), "{stdout}");
        assert_eq!((text(&output.stderr), output.status.code()), ("", Some(1)));
    }
}

#[test]
fn a_policy_that_cannot_be_used_is_told_on_stderr_in_all_its_parts() {
    let twice = with(json!({"waits": 1, "closed": [], "more": 1})).to_string();
    for (policy, lines) in [
        (twice.as_str(), &["POLICY[0].waits: ", "POLICY[0].closed: ", "POLICY[0]: more is unknown"][..]),
        ("[", &["POLICY: is not JSON (line 1, column 1)"]),
        ("[]", &["POLICY: must have 1 to 1000 entries"]),
    ] {
        let output = check(policy, &["--waits", "--repository", "octo/app"]);
        let told: Vec<_> = text(&output.stderr).lines().collect();
        assert!(told.iter().zip(lines).all(|(line, begin)| line.starts_with(begin)), "{told:?}");
        assert_eq!((told.len(), text(&output.stdout), output.status.code()), (lines.len(), "", Some(1)));
    }
    let missing = ["check", "--policy", "nowhere.json", "--waits", "--repository", "octo/app"];
    let output = Command::new(binary()).args(missing).env_clear().stdin(Stdio::null()).output();
    let output = output.expect("the program runs");
    assert!(
        text(&output.stderr).starts_with("POLICY: the file cannot be read: "),
        "{}",
        text(&output.stderr)
    );
    assert_eq!((text(&output.stdout), output.status.code()), ("", Some(1)));
}

#[test]
fn options_that_cannot_be_used_end_with_two_and_the_usage() {
    for arguments in [
        &[][..],
        &["--repository", "octo/app"],
        &["--waits"],
        &["--repository", "octo/app", "--waits", "--workflow", "a.yml"],
        &["--repository", "octo/*", "--waits"],
        &["--repository", "octo/app", "--waits", "--ref"],
        &["--repository", "octo/app", "--waits", "--ref", "main", "--ref", "main"],
        &["--repository", "octo/app", "--waits", "--json"],
        &["--repository", "octo/app", "--waits", "--approvers", "alex@contoso.com"],
    ] {
        let output = check(LAYERED, arguments);
        assert!(text(&output.stderr).contains("check --policy FILE"), "{arguments:?}");
        assert_eq!((text(&output.stdout), output.status.code()), ("", Some(2)), "{arguments:?}");
    }
}
