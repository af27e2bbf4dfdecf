//! The mail that `examples/ask-for-approval.yml` makes of `examples/card.json`: a card that Outlook takes, whose button
//! sends what the function takes, and which no value can turn into another.

use std::{fs, io::Write, process::Stdio};

use serde_json::{Map, Value, json};

use crate::{
    functions_host::{FunctionsHost, Mode},
    handler_process::repository_root,
    node_tools::node,
};

in_one_mode! {
    a_click_on_the_cards_button_is_dispatched
}

/// The body that a click on "Approve" sends, in the run that [`variables`] describes.
fn card_body() -> String {
    let card = card(&variables());
    http_post(&card)["body"].as_str().expect("a body is text").to_owned()
}

async fn a_click_on_the_cards_button_is_dispatched(mode: Mode) {
    let (github, host) = FunctionsHost::with_github(mode).await;
    github.expect_dispatches(1);

    host.click(card_body()).await.assert_outcome(200, "dispatched");

    let sent: Value = serde_json::from_str(github.only_dispatch().client_payload()).unwrap();
    assert_eq!((&sent["run_id"], &sent["run_attempt"]), (&json!("9876543210"), &json!("1")));
}

#[test]
fn the_card_keeps_the_rules_of_a_message_card() {
    let card = card(&variables());
    assert_eq!(card["@type"], "MessageCard");
    assert_eq!(card["@context"], "http://schema.org/extensions");
    for field in ["summary", "title", "originator", "correlationId"] {
        assert!(card[field].as_str().is_some_and(|text| !text.is_empty()), "{field}");
    }
    let color = card["themeColor"].as_str().unwrap();
    assert!(color.len() == 6 && color.bytes().all(|byte| byte.is_ascii_hexdigit()), "{color}");
    for fact in card["sections"][0]["facts"].as_array().unwrap() {
        assert!(fact["name"].is_string() && fact["value"].is_string(), "{fact}");
    }

    let actions = card["potentialAction"].as_array().unwrap();
    assert!((1..=4).contains(&actions.len()), "Outlook takes no more than four actions");
    let kinds: Vec<_> = actions.iter().map(|action| action["@type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["HttpPOST", "OpenUri"], "the link comes last");
    assert!(actions.iter().all(|action| action["name"].is_string()));
    let run = "https://github.com/octo/app/actions/runs/9876543210";
    assert_eq!(actions[1]["targets"], json!([{"os": "default", "uri": run}]));
}

#[test]
fn its_button_sends_a_body_that_the_function_takes() {
    let card = card(&variables());
    let http_post = http_post(&card);
    assert_eq!(http_post["target"], "https://app.example/api/ApproveRelease?code=a-key&repository=octo/app");
    assert_eq!(http_post["bodyContentType"], "application/json");

    let payload = json!({
        "version": "1.0.42",
        "sha": "0123456789abcdef0123456789abcdef01234567",
        "ref": "refs/heads/main",
        "run_id": "9876543210",
        "run_attempt": "1",
    });
    let body: Value = serde_json::from_str(&card_body()).unwrap();
    assert_eq!(body, json!({"event_type": "release-approved", "client_payload": payload}));
}

#[test]
fn each_attempt_of_a_run_is_a_decision_of_its_own() {
    let mut again = variables();
    again.insert("GITHUB_RUN_ATTEMPT".into(), "2".into());
    assert_ne!(http_post(&card(&again))["body"], card_body());
}

#[test]
fn a_value_stays_a_value_whatever_it_contains() {
    let hostile = r#"1"}},"x":{"y":"\</script><b>${GITHUB_SHA}{{id.value}}' \(1) "#;
    let mut variables = variables();
    variables.insert("VERSION".into(), hostile.into());

    let card = card(&variables);
    assert_eq!(card["title"], format!("Release {hostile} of octo/app"));
    let body: Value = serde_json::from_str(http_post(&card)["body"].as_str().unwrap()).unwrap();
    assert_eq!(body["client_payload"]["version"], hostile);
    assert_eq!(body.as_object().unwrap().len(), 2);
    assert_eq!(body["client_payload"].as_object().unwrap().len(), 5);

    let html = html(&mail(&variables).unwrap());
    assert_eq!(html.matches("</script>").count(), 1, "{html}");
    assert_eq!(html.matches("<b>").count(), 0, "{html}");
}

#[test]
fn a_card_with_a_hole_is_not_sent() {
    // GitHub makes a secret or variable that nobody set into an empty one.
    for name in ["APPROVE_URL", "MAIL_ORIGINATOR", "MAIL_TO"] {
        let mut variables = variables();
        variables.insert(name.into(), "".into());
        let error = mail(&variables).expect_err(name);
        assert!(error.contains(&format!("{name} is not set")), "{error}");
    }
}

#[test]
fn the_mail_goes_to_each_approver_openly() {
    let mail = mail(&variables()).unwrap();
    let address = |address| json!({"emailAddress": {"address": address}});
    let approvers = json!([address("alex@contoso.com"), address("megan@contoso.com")]);
    assert_eq!(mail["message"]["toRecipients"], approvers);
    assert_eq!(mail["message"]["subject"], "Release 1.0.42 waits for your approval");
}

#[test]
fn the_release_waits_for_the_event_that_the_card_sends() {
    let body: Value = serde_json::from_str(&card_body()).unwrap();
    let event_type = body["event_type"].as_str().unwrap();
    let release = read("examples/release.yml");
    assert!(release.contains(&format!("    types: [{event_type}]\n")));
    assert!(release.contains(&format!("    if: github.event.action == '{event_type}'\n")));

    let settings: Value = serde_json::from_str(&read("local.settings.json")).unwrap();
    assert_eq!(settings["Values"]["RELAY_EVENT_TYPES"], event_type);
}

/// The environment of the workflow's step, as a run on GitHub has it.
fn variables() -> Map<String, Value> {
    let variables = json!({
        "VERSION": "1.0.42",
        "APPROVE_URL": "https://app.example/api/ApproveRelease?code=a-key&repository=octo/app",
        "MAIL_ORIGINATOR": "65c680ef-36a6-4a1b-b84c-a7b5c6198792",
        "MAIL_TO": "alex@contoso.com, megan@contoso.com",
        "CORRELATION_ID": "0bd9ab5f-94a0-4a3c-8a6e-2ac1d0dc5a1f",
        "GITHUB_ACTOR": "octocat",
        "GITHUB_REF": "refs/heads/main",
        "GITHUB_REF_NAME": "main",
        "GITHUB_REPOSITORY": "octo/app",
        "GITHUB_RUN_ATTEMPT": "1",
        "GITHUB_RUN_ID": "9876543210",
        "GITHUB_SERVER_URL": "https://github.com",
        "GITHUB_SHA": "0123456789abcdef0123456789abcdef01234567",
    });
    variables.as_object().unwrap().clone()
}

/// The card as Outlook finds it in the mail.
fn card(variables: &Map<String, Value>) -> Value {
    let html = html(&mail(variables).unwrap());
    let (_, rest) = html.split_once(r#"<script type="application/ld+json">"#).unwrap();
    let (card, _) = rest.split_once("</script>").unwrap();
    serde_json::from_str(card).unwrap()
}

fn html(mail: &Value) -> String {
    assert_eq!(mail["message"]["body"]["contentType"], "HTML");
    mail["message"]["body"]["content"].as_str().unwrap().to_owned()
}

fn http_post(card: &Value) -> &Value {
    &card["potentialAction"][0]
}

/// The mail of the workflow, made by its own jq program with the jq release that GitHub's runners have.
fn mail(variables: &Map<String, Value>) -> Result<Value, String> {
    const RUN_JQ: &str = r#"
        const { card, program, env } = JSON.parse(require("fs").readFileSync(0, "utf8"));
        require("jq-wasm").raw(card, `${JSON.stringify(env)} as $ENV | ${program}`).then(console.log, error => {
            console.error(error.message);
            process.exitCode = 1;
        });"#;
    let input = json!({"card": read("examples/card.json"), "program": jq_program(), "env": variables});
    let mut jq = node()
        .args(["-e", RUN_JQ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("npm was found, so node should be");
    jq.stdin.take().unwrap().write_all(input.to_string().as_bytes()).unwrap();
    let output = jq.wait_with_output().unwrap();
    if !output.status.success() {
        return Err(String::from_utf8(output.stderr).unwrap());
    }
    Ok(serde_json::from_slice(&output.stdout).unwrap())
}

fn jq_program() -> String {
    let workflow = read("examples/ask-for-approval.yml");
    let (_, rest) = workflow.split_once("jq '\n").expect("the workflow fills the card with jq");
    let (program, _) =
        rest.split_once("\n          ' .github/card.json").expect("the jq program reads the card");
    assert!(!program.contains('\''), "the program stands between single quotes");
    program.to_owned()
}

fn read(path: &str) -> String {
    fs::read_to_string(repository_root().join(path)).unwrap()
}
