//! Policies that can be used, and those that cannot, each with the place that is named.

use super::*;
use crate::approval::{Approver, EventType};

/// A rule with more members.
fn with(more: &str) -> String {
    format!(r#"[{{"name":"a","repositories":["octo/*"],"refs":["refs/heads/main"]{more}}}]"#)
}

#[test]
fn each_part_that_cannot_be_used_is_named_with_its_place() {
    let id = "0a0b0c0d-1111-2222-3333-444455556666";
    for (more, place) in [
        (r#","unknown":1"#, "POLICY[0]: unknown is unknown"),
        (r#","name":"b""#, "POLICY[0]: has name twice"),
        (r#","waits":1"#, "POLICY[0].waits: "),
        (r#","event_types":[]"#, "POLICY[0].event_types: "),
        (r#","event_types":["a\n"]"#, "POLICY[0].event_types[0]: "),
        (r#","workflows":["a/b.yml"]"#, "POLICY[0].workflows[0]: "),
        (r#","environments":"x""#, "POLICY[0].environments: "),
        (r#","job_workflows":["octo/*/.github/workflows/a.yml@refs/x"]"#, "POLICY[0].job_workflows[0]: "),
        (r#","job_workflows":["octo/a/.github/workflows/a.yml@main"]"#, "POLICY[0].job_workflows[0]: "),
        (r#","approvers":["Alex"]"#, "POLICY[0].approvers[0]: "),
        (r#","approvers":["a@x.com","A@X.com"]"#, "POLICY[0].approvers[1]: "),
        (r#","approvers":["a@x.com"],"approvals_required":2"#, "POLICY[0].approvers: different people"),
        (r#","requires":[{"name":"S","approvers":["*"]}]"#, "POLICY[0].requires[0].approvers[0]: "),
        (
            r#","requires":[{"name":"S","approvers":["a@x.com"]}],"approvals_required":1"#,
            "POLICY[0]: must have either",
        ),
        (
            r#","requires":[{"name":"S","approvers":["a@x.com"]},{"name":"s","approvers":["b@x.com"]}]"#,
            "POLICY[0].requires[1]: ",
        ),
        (
            r#","requires":[{"name":"S","approvers":["a@x.com"]},{"name":"T","approvers":["a@x.com"]}]"#,
            "POLICY[0].requires: different",
        ),
        (r#","self_approval":"never""#, "POLICY[0].self_approval: "),
        (r#","expires_in_minutes":43201"#, "POLICY[0].expires_in_minutes: "),
        (r#","channel":"Releases""#, "POLICY[0].channel: "),
        (r#","webhook":"https://hunter2""#, "POLICY[0].webhook: "),
        (r#","channel":"19:a@thread.tacv2","webhook":"A""#, "POLICY[0]: must have either channel"),
        (
            r#","closed":[{"from":"15:00","to":"24:00","time_zone":"Mars/Phobos"}]"#,
            "POLICY[0].closed[0].time_zone: ",
        ),
        (r#","closed":[{"from":"24:00","to":"25:00","time_zone":"UTC"}]"#, "POLICY[0].closed[0].to: "),
        (
            r#","closed":[{"days":["Fri","Fri"],"from":"1:00","to":"24:00","time_zone":"UTC"}]"#,
            "POLICY[0].closed[0].days[1]: ",
        ),
        (
            r#","closed":[{"from":"15:00","to":"15:00","time_zone":"UTC"}]"#,
            "POLICY[0].closed[0]: from and to",
        ),
    ] {
        let told = rules(&with(more)).expect_err(more).join("\n");
        assert!(
            told.lines().any(|line| line.starts_with(place)) && !told.contains("hunter2"),
            "{more}: {told}"
        );
    }
    for json in ["", "[]", "{}", "[1]", "[{}]", "[", &format!("[{id}]")] {
        assert!(rules(json).is_err_and(|told| told[0].starts_with("POLICY")), "{json}");
    }
    assert!(rules(&with("")).is_ok());
}

#[test]
fn groups_are_counted_over_all_rules() {
    let entry = |number: usize| format!(r#""group:{number:08x}-1111-2222-3333-444455556666""#);
    let rule = |name: &str, groups: std::ops::Range<usize>| {
        let listed = groups.map(entry).collect::<Vec<_>>().join(",");
        format!(r#"{{"name":"{name}","repositories":["octo/*"],"refs":["**"],"approvers":[{listed}]}}"#)
    };
    let both = |more| format!("[{},{}]", rule("a", 0..300), rule("b", 100..more));
    assert!(rules(&both(400)).is_ok());
    assert_eq!(
        rules(&both(401)).err(),
        Some(vec!["POLICY: must have at most 400 groups, and has 401".to_owned()])
    );
}

/// The rules of a setting beside others, with the lines about all that cannot be used.
fn told(policy: &str, approvers: &str, min_approvals: usize, relay_event_types: EventTypes) -> Vec<String> {
    let listed = approvers.split_whitespace().map(|text| Approver::parse(text).expect("an approver"));
    let approvers = match approvers {
        "*" => Approvers::Everybody,
        _ => Approvers::Only(listed.collect()),
    };
    let beside = Beside {
        approvers: &approvers,
        min_approvals,
        relay_event_types: &relay_event_types,
        webhooks: BTreeSet::from(["STAGING".to_owned()]),
    };
    setting(policy, Path::new("nowhere"), &beside).err().unwrap_or_default()
}

fn relayed(event_type: &str) -> EventTypes {
    EventTypes::Only(vec![EventType::parse(event_type).expect("an event type")])
}

#[test]
fn rules_must_fit_to_the_settings_beside_them() {
    let two = r#","approvers":["a@x.com","b@x.com"]"#;
    let parts = r#","requires":[{"name":"S","approvers":["a@x.com"]},{"name":"T","approvers":["b@x.com"]}]"#;
    let group = r#","approvers":["group:0a0b0c0d-1111-2222-3333-444455556666"]"#;
    let too_few = "POLICY[0]: it lists fewer people than MIN_APPROVALS, which is 3";
    for (more, approvers, min_approvals, expected) in [
        (r#","webhook":"STAGING""#, "*", 1, ""),
        (r#","webhook":"LIVE""#, "*", 1, "POLICY[0].webhook: the setting TEAMS_WEBHOOK_URL_LIVE is missing"),
        (
            r#","webhook":"Staging""#,
            "*",
            1,
            "POLICY[0].webhook: the setting TEAMS_WEBHOOK_URL_Staging is missing",
        ),
        (two, "", 2, ""),
        (two, "a@x.com b@x.com c@x.com", 3, too_few),
        (parts, "", 2, ""),
        (parts, "*", 3, too_few),
        (group, "", 10, ""),
        ("", "a@x.com", 1, ""),
        ("", "", 1, "POLICY[0]: APPROVERS lists fewer people than it requires"),
        (
            r#","approvals_required":2"#,
            "a@x.com",
            1,
            "POLICY[0]: APPROVERS lists fewer people than it requires",
        ),
        (r#","approvals_required":2"#, "*", 10, ""),
    ] {
        let told = told(&with(more), approvers, min_approvals, relayed("deploy")).join("\n");
        assert_eq!(told, expected, "{more} {approvers}");
    }
}

#[test]
fn all_that_cannot_be_used_is_told_at_once_that_of_settings_too() {
    let relay = "POLICY: RELAY_EVENT_TYPES must list event types beside it, and not be *";
    let policy = r#"[{"name":"a","repositories":["octo"],"refs":[],"webhook":"LIVE","more":1},
                     {"name":"b","repositories":["octo/*"],"refs":["**"],"webhook":"LIVE"},
                     {"name":"A","repositories":["octo/*"],"refs":["**"],"waits":1},
                     {"name":"c","repositories":["octo/*"],"refs":["**"],"approvals_required":3},
                     7]"#;
    let told_of = told(policy, "a@x.com", 1, EventTypes::Any);
    let expected = [
        "POLICY[0].repositories[0]: must be ",
        "POLICY[0].refs: must have 1 to 500 entries",
        "POLICY[0]: more is unknown",
        "POLICY[2].waits: must be true or false",
        "POLICY[4]: must be an object",
        "POLICY[2]: is listed twice",
        relay,
        "POLICY[1].webhook: the setting TEAMS_WEBHOOK_URL_LIVE is missing",
        "POLICY[3]: APPROVERS lists fewer people than it requires",
    ];
    assert_eq!(told_of.len(), expected.len(), "{told_of:#?}");
    for (line, begin) in told_of.iter().zip(expected) {
        assert!(line.starts_with(begin), "{line} instead of {begin}");
    }
    // Nothing but the settings is wrong, or nothing but the text can be read.
    assert_eq!(told(&with(""), "*", 1, EventTypes::Any), [relay]);
    assert_eq!(told("[", "*", 1, EventTypes::Any), ["POLICY: is not JSON (line 1, column 1)", relay]);
}

#[test]
fn no_key_stands_twice_however_it_is_written() {
    for (json, place) in [
        (with(r#","refs":["**"]"#), "POLICY[0]: has refs twice"),
        (with(r#","waits":true,"w\u0061its":false"#), "POLICY[0]: has waits twice"),
        (
            with(r#","requires":[{"name":"S","approvers":["a@x.com"],"approvals":1,"approvals":1}]"#),
            "POLICY[0].requires[0]: has approvals twice",
        ),
        (
            with(r#","closed":[{"from":"01:00","from":"02:00","to":"03:00","time_zone":"UTC"}]"#),
            "POLICY[0].closed[0]: has from twice",
        ),
    ] {
        assert_eq!(rules(&json).expect_err("unusable"), [place], "{json}");
    }
}

#[test]
fn a_policy_may_stand_in_a_file_of_the_folder_and_nowhere_else() {
    let outside = tempfile::tempdir().expect("a folder");
    let folder = outside.path().join("app");
    let write = |name: &str, text: &[u8]| std::fs::write(folder.join(name), text).expect("writable");
    std::fs::create_dir_all(folder.join("folder.json")).expect("writable");
    write("policy.json", with("").as_bytes());
    write("mark.json", format!("\u{feff}{}", with("")).as_bytes());
    write("faulty.json", b"[{}]");
    write("bytes.json", b"[\xff]");
    let padded = |length: usize| format!("{}{}", with(""), " ".repeat(length - with("").len()));
    write("full.json", padded(1_000_000).as_bytes());
    write("large.json", padded(1_000_001).as_bytes());
    write("policy.txt", with("").as_bytes());
    std::fs::write(outside.path().join("outside.json"), with("")).expect("writable");
    let (approvers, relayed) = (Approvers::Everybody, relayed("deploy"));
    let beside = Beside {
        approvers: &approvers,
        min_approvals: 1,
        relay_event_types: &relayed,
        webhooks: BTreeSet::new(),
    };
    let read = |name: &str| setting(name, &folder, &beside).map(|rules| rules.all().len());
    for name in ["policy.json", "mark.json", "full.json", &with(""), &format!(" \n{}", with(""))] {
        assert_eq!(read(name), Ok(1), "{name}");
    }
    let absolute = outside.path().join("outside.json").to_str().expect("text").to_owned();
    for name in
        ["../outside.json", "app/../../outside.json", "./policy.json", "policy.txt", ".json", "", &absolute]
    {
        let told = read(name).expect_err(name).join("\n");
        assert!(told.starts_with("POLICY: must be a list of rules in JSON, or the name"), "{name}: {told}");
    }
    for name in ["missing.json", "folder.json", "large.json", "bytes.json"] {
        let told = read(name).expect_err(name).join("\n");
        assert!(told.starts_with("POLICY: the file cannot be read: "), "{name}: {told}");
    }
    assert!(read("large.json").is_err_and(|told| told[0].contains("larger than 1000000 bytes")));
    assert_eq!(read("faulty.json").expect_err("unusable").len(), 3);
}
