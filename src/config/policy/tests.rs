//! Policies that can be used, and those that cannot, each with the place that is named.

use super::*;

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
