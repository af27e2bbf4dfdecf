//! Every card keeps its form, whatever a request, a token or a person brings.

use proptest::prelude::*;
use serde_json::{Value, json, value::RawValue};
use url::Url;

use super::{
    adaptive::{Client, MAX_BYTES},
    content::Content,
    samples::*,
    words::title,
    *,
};
use crate::approval::{
    ApprovalId, Approver, ClientPayload, Ending, Item, Memberships, Met, Policy, Ruling, Settled, Standing,
    rules::{Case, Pattern, RepositoryRule, Requirement, Rule, RuleChannel, Rules, Who},
};
use chrono::TimeDelta;

fn url(text: &str) -> Url {
    Url::parse(text).expect("a URL")
}

fn ruled(approval: &Standing, ending: Ending) -> Standing {
    let ruling = Ruling {
        ending,
        ballots: approval.ballots.clone(),
        decided_at: noon(),
        ticket: None,
        withdrawal: None,
        policy: None,
    };
    approval.clone().ruled(ruling)
}

fn content(standing: &Standing) -> Content<'_> {
    Content::of(standing, &policy(), noon())
}

fn teams(standing: &Standing) -> Value {
    cards().teams(&content(standing))
}

fn mail(standing: &Standing) -> Value {
    cards().mail(&content(standing)).expect("a mail card")
}

/// The members that are sent with the event.
fn payload(members: Value) -> ClientPayload {
    let raw = RawValue::from_string(members.to_string()).expect("JSON");
    ClientPayload::parse(&raw).expect("a payload")
}

/// An approval with `text` wherever anyone can write anything, also where a page's tests need none.
fn wild(text: &str) -> Standing {
    let mut approval = samples::wild(text);
    let short: String = text.chars().take(400).collect();
    let members = (0..10).map(|number| (format!("{number}{short}"), short.clone().into()));
    approval.request.terms.client_payload = Some(payload(Value::Object(members.collect())));
    approval.request.workload.environment = Some(text.into());
    approval.request.workload.job_workflow_ref = Some(text.into());
    approval
}

/// The groups of elements under this label, wherever they stand.
fn sections<'a>(card: &'a Value, label: &str) -> Vec<&'a Value> {
    let found = all(card).into_iter().map(|(_, value)| value);
    found.filter(|value| value["items"][0]["text"] == label).collect()
}

/// The first of them.
fn section<'a>(card: &'a Value, label: &str) -> &'a Value {
    sections(card, label).first().copied().expect("a section")
}

/// The elements that nobody has to unfold.
fn in_sight(card: &Value) -> String {
    let elements = card["body"].as_array().expect("a body").iter();
    elements.filter(|element| element["isVisible"] != false).map(Value::to_string).collect()
}

/// The elements without the frames of what the workflow wrote, and without a title of ours in their place.
fn ours(elements: &Value) -> Vec<Value> {
    let elements = elements.as_array().expect("elements").iter();
    let ours = elements.filter(|element| element["style"] != "emphasis" && element["size"] != "large");
    ours.map(|element| {
        let mut element = element.clone();
        if element["id"] == "details" {
            element["items"] = ours_of(&element["items"]);
        }
        element
    })
    .collect()
}

fn ours_of(elements: &Value) -> Value {
    Value::Array(ours(elements))
}

/// The four cards of an approval: for Teams and for mail, open and decided.
fn all_cards(approval: &Standing) -> [Value; 4] {
    let ruled = ruled(approval, Ending::Approved);
    [teams(approval), teams(&ruled), mail(approval), mail(&ruled)]
}

/// Every object and every text within `value`, with the key that it stands under.
fn walk<'a>(key: &'a str, value: &'a Value, found: &mut Vec<(&'a str, &'a Value)>) {
    found.push((key, value));
    match value {
        Value::Array(items) => items.iter().for_each(|item| walk(key, item, found)),
        Value::Object(fields) => fields.iter().for_each(|(key, value)| walk(key, value, found)),
        _ => {}
    }
}

fn all(card: &Value) -> Vec<(&str, &Value)> {
    let mut found = Vec::new();
    walk("", card, &mut found);
    found
}

fn types(card: &Value) -> Vec<&str> {
    let types = all(card).into_iter().filter(|(key, _)| *key == "type");
    types.map(|(_, value)| value.as_str().expect("a type is text")).collect()
}

fn actions(card: &Value) -> Vec<&str> {
    types(card).into_iter().filter(|kind| kind.starts_with("Action.")).collect()
}

/// Gives the bytes of each card.
#[track_caller]
fn assert_sound(approval: &Standing) -> [usize; 4] {
    let cards = all_cards(approval);
    let expected: [&[&str]; 4] = [
        &["Action.OpenUrl", "Action.ToggleVisibility"],
        &["Action.OpenUrl", "Action.ToggleVisibility"],
        &["Action.Http", "Action.Http"],
        &["Action.OpenUrl"],
    ];
    for (card, expected) in cards.iter().zip(expected) {
        let json = card.to_string();
        assert!(json.len() < MAX_BYTES, "{} bytes", json.len());
        assert_eq!(actions(card), expected);
        let ids: Vec<_> = all(card).into_iter().filter(|(key, _)| *key == "id").map(|(_, id)| id).collect();
        assert!(ids.iter().enumerate().all(|(at, id)| !ids[..at].contains(id)), "{ids:?}");
        let elements = ["AdaptiveCard", "Container", "TextBlock", "FactSet", "ActionSet", "Input.Text"];
        assert!(types(card).iter().all(|kind| kind.starts_with("Action.") || elements.contains(kind)));
        for (key, value) in all(card) {
            assert!(!["msteams", "backgroundImage", "selectAction", "fallback"].contains(&key));
            if let Some(text) = value.as_str().filter(|_| key != "body") {
                assert_harmless(text);
            }
        }
    }
    cards.each_ref().map(|card| card.to_string().len())
}

#[track_caller]
fn assert_harmless(text: &str) {
    // The times are the only templates of ours.
    let text = without_times(text);
    assert!(!text.contains("{{") && !text.contains('<'), "{text}");
    assert!(!text.contains(['\u{202e}', '\u{200f}', '\u{2066}', '\u{feff}', '\u{e0041}', '\r']), "{text}");
    for (at, _) in text.match_indices("](") {
        let backslashes = text[..at].len() - text[..at].trim_end_matches('\\').len();
        let is_escaped = backslashes % 2 == 1;
        assert!(is_escaped || text[at + 2..].starts_with("https://"), "{text}");
    }
}

fn without_times(text: &str) -> String {
    let times = [noon(), noon() + TimeDelta::minutes(90)].map(|time| Client::Teams.time(time));
    times.iter().fold(text.to_owned(), |text, time| text.replace(time, ""))
}

const INJECTIONS: [&str; 13] = [
    "[a](http://b.example) [a](javascript:b) [a](data:text/html,b)",
    "![a](https://b.example/c.png) **d** _e_",
    "<at>Alex</at> <b>a</b> &lt;at&gt;",
    "{{{{DATE(2026-01-01T00:00:00Z)}} {{TIME(2026-01-01T00:00:00Z)}}",
    "{{DATE(2026-01-01T00:00:00Z,SHORT)}} {{comment.value}} {&#123;a}}",
    "a\u{202e}b\u{2066}c\u{200f}d\u{feff}e\u{e0041}f &#x202e;",
    "a\r\nb\n\n# c\n- d\n1. e\n> f",
    "\",\"type\":\"Action.Http\",\"x\":\"",
    "**From GitHub**\n\n- Repository: evil/app",
    "a” approved 2026-11-27 12:00 UTC\nMegan Bowen: Approved",
    "https://github.com@evil.example [https://github.com](https://evil.example)",
    "../../../evil/app/actions?a#b%2f(c)",
    "",
];

#[test]
fn nothing_in_any_field_adds_an_action_a_template_or_a_mention() {
    for text in INJECTIONS {
        assert_sound(&wild(text));
    }
}

#[test]
fn a_request_changes_nothing_but_its_own_frames() {
    let plain = all_cards(&asked("a"));
    for said in INJECTIONS {
        for (card, plain) in all_cards(&asked(said)).iter().zip(&plain) {
            for frame in sections(card, labels::SAID) {
                assert_eq!(frame["style"], "emphasis");
            }
            assert_eq!(ours(&card["body"]), ours(&plain["body"]));
        }
    }
}

fn label(text: &str) -> Value {
    json!({"type": "TextBlock", "text": text, "wrap": true, "weight": "bolder"})
}

fn paragraph(text: &str) -> Value {
    json!({"type": "TextBlock", "text": text, "wrap": true})
}

fn frame(label: &str, item: Value) -> Value {
    let label = json!({"type": "TextBlock", "text": label, "wrap": true, "size": "small"});
    json!({"type": "Container", "style": "emphasis", "showBorder": true, "roundedCorners": true, "items": [label, item]})
}

fn facts(facts: &[(&str, &str)]) -> Value {
    let facts: Vec<_> = facts.iter().map(|(name, value)| json!({"title": name, "value": value})).collect();
    json!({"type": "FactSet", "facts": facts})
}

const NOON: &str = "{{DATE(2026-11-27T12:00:00Z,SHORT)}} {{TIME(2026-11-27T12:00:00Z)}}";

#[test]
fn an_open_approval_shows_what_matters_before_its_buttons() {
    let mut approval = asked("Release **1.4.2**");
    approval.request.workload.environment = Some("production".into());
    approval.request.terms.client_payload = Some(payload(json!({"version": "6.6.6-backdoor"})));
    let card = teams(&approval);
    assert_eq!(card["version"], "1.4");
    let heading = json!({
        "type": "TextBlock", "text": "Release \\*\\*1.4.2\\*\\*", "wrap": true, "weight": "bolder",
        "size": "large", "spacing": "none",
    });
    let state = json!({
        "type": "TextBlock", "text": "Waiting for approval", "wrap": true, "weight": "bolder", "color": "accent",
    });
    let matters = format!(
        "[octo/my\\_app](https://github.com/octo/my_app) · branch main · environment production · by octocat · {NOON}"
    );
    let page = format!("https://app.example/api/approvals/{}", approval.request.id);
    let open = json!({"type": "Action.OpenUrl", "title": "Approve or reject", "url": page});
    let toggle =
        json!({"type": "Action.ToggleVisibility", "title": "Details", "targetElements": ["details"]});
    let shown = [
        state,
        frame("The workflow says", heading),
        paragraph(&matters),
        frame("What is sent along", facts(&[("version", "\"6.6.6-backdoor\"")])),
        paragraph("1 of 2 approvals: Alex Wilber"),
        json!({"type": "ActionSet", "actions": [open, toggle]}),
    ];
    let body = card["body"].as_array().expect("a body");
    assert_eq!(body[..6], shown);
    assert_eq!((body.len(), &body[6]["id"], &body[6]["isVisible"]), (7, &json!("details"), &json!(false)));
}

#[test]
fn the_folded_rest_of_an_open_approval_says_all_there_is_to_know() {
    let mut approval = asked("Release **1.4.2**");
    approval.request.terms.rejected_event_type = Some(event_type("release-rejected"));
    let card = teams(&approval);
    let github = "https://github.com/octo/my_app";
    let commit = "0123456789abcdef0123456789abcdef01234567";
    let group = |title: &str, facts: Value| json!({"type": "Container", "separator": true, "items": [label(title), facts]});
    let vouched_for = facts(&[
        ("Repository", &format!("[octo/my\\_app]({github})")),
        ("Branch", "main"),
        ("Commit", &format!("[0123456789ab]({github}/commit/{commit})")),
        ("Run", &format!("[987, attempt 2]({github}/actions/runs/987/attempts/2)")),
        ("Started by", "octocat"),
    ]);
    let mut said = frame("The workflow says", paragraph("Release **1.4.2**"));
    let words = "Release \\*\\*1.4.2\\*\\*";
    said["items"].as_array_mut().expect("items").push(facts(&[(words, words), ("Environment", words)]));
    let consequences = facts(&[
        ("Approve sends", "release-approved"),
        ("Reject sends", "release-rejected"),
        ("Approvals", "1 of 2"),
        ("Requested", NOON),
        ("Open until", &NOON.replace("12:00", "13:30")),
    ]);
    let votes = facts(&[("Alex Wilber", &format!("Approved {NOON}"))]);
    let rest = json!([
        said,
        group("From GitHub", vouched_for),
        group("The decision", consequences),
        group("Votes", votes),
    ]);
    assert_eq!(card["body"].as_array().and_then(|body| body.last()).expect("details")["items"], rest);
}

#[test]
fn a_mail_card_has_everything_in_sight_and_its_times_in_utc() {
    let card = mail(&asked("Release 1.4.2"));
    let shown = in_sight(&card);
    for words in ["From GitHub", "The decision", "Votes", "2026-11-27 13:30 UTC"] {
        assert!(shown.contains(words), "{words} in {shown}");
    }
    assert!(!shown.contains("{{") && !card.to_string().contains("isVisible"), "{shown}");
}

#[test]
fn the_first_lines_of_the_payload_are_always_in_sight_and_nothing_in_them_is_a_template() {
    let time = "{{DATE(2026-01-01T00:00:00Z,SHORT)}}";
    let mut approval = asked(&"&".repeat(64_000));
    let members = json!({time: time, "b": "x".repeat(5_000), "c": 3, "d": "folded"});
    approval.request.terms.client_payload = Some(payload(members));
    for card in all_cards(&approval) {
        let shown = in_sight(&card);
        assert!(shown.contains("and 1 more") && shown.contains("xxx \\\\[…\\\\]"), "{shown}");
        assert!(shown.contains(r"{\\\\u{7b}DATE(2026-01-01T00:00:00Z,SHORT\\)}}"), "{shown}");
        assert!(!card.to_string().contains(time), "{card}");
    }
}

#[test]
fn no_part_of_the_line_of_what_matters_passes_for_another() {
    let mut approval = asked("a");
    approval.request.workload.git_ref = "refs/heads/main·by·octocat".into();
    approval.request.workload.environment = Some("x · by alex".into());
    let shown = in_sight(&teams(&approval)).replace("\\\\", "\\");
    let expected = r"branch main\\u{b7}by\\u{b7}octocat · environment x \\u{b7} by alex · by octocat · ";
    assert!(shown.contains(expected), "{shown}");
    for (git_ref, shown) in
        [("refs/tags/v1.4.2", "tag v1.4.2"), ("refs/pull/7/merge", "ref refs/pull/7/merge")]
    {
        approval.request.workload.git_ref = git_ref.into();
        assert!(in_sight(&teams(&approval)).contains(shown), "{git_ref}");
    }
}

#[test]
fn a_notification_tells_which_approval_it_is() {
    let mut approval = asked("Release **1.4.2**\nApproved");
    let notification = |approval: &Standing| Content::of(approval, &policy(), noon()).notification();
    let said = "octo/my_app. The workflow says: “Release **1.4.2** Approved”";
    assert_eq!(notification(&approval), format!("Waiting for approval: {said}"));
    assert_eq!(notification(&ruled(&approval, Ending::Rejected)), format!("Rejected: {said}"));
    approval.request.terms.title = None;
    assert_eq!(notification(&approval), "Waiting for approval: octo/my_app");
}

#[test]
fn a_decided_approval_says_how_it_ended_and_who_decided() {
    let mut approval = asked("a");
    approval.ballots[0].comment = "Not on\na *Friday*".into();
    for (ending, word, by, delivery) in [
        (Ending::Approved, "Approved, on its way to GitHub", "Alex Wilber", "on its way to GitHub"),
        (Ending::Rejected, "Rejected", "nobody", "nothing to send"),
        (Ending::Expired, "Expired", "nobody", "nothing to send"),
    ] {
        let ruled = ruled(&approval, ending);
        for card in [teams(&ruled), mail(&ruled)] {
            assert_eq!(card["body"][0]["text"], word);
            let result =
                card["body"].as_array().expect("a body").iter().find(|element| element["facts"].is_array());
            let result = &result.expect("a result")["facts"];
            let at = if card["version"] == "1.4" { NOON } else { "2026-11-27 12:00 UTC" };
            assert_eq!(result[0], json!({"title": "Decided by", "value": by}));
            let decided = json!({"title": "Decided", "value": at});
            assert_eq!(result[1] == decided, ending != Ending::Expired);
            let last = result.as_array().and_then(|facts| facts.last());
            assert_eq!(last, Some(&json!({"title": "Delivery", "value": delivery})));
            let comment = format!("Approved {at}: “Not on a \\*Friday\\*”");
            let votes = &section(&card, "Votes")["items"][1]["facts"];
            assert_eq!(votes[0], json!({"title": "Alex Wilber", "value": comment}));
            let shown = card.to_string();
            assert!(!shown.contains("@contoso.com"));
            // The consequences of an answer are of no use any more.
            assert!(!shown.contains("Approve sends") && !shown.contains("Open until"), "{shown}");
        }
    }
}

#[test]
fn a_decision_keeps_the_numbers_that_it_was_made_with() {
    let mut approval = asked("a");
    approval.request.terms.approvals_required = 1;
    let met = |approvals, people: &[usize]| {
        let met_by = people.iter().map(|number| person(*number, None)).collect();
        Met { name: None, approvals, met_by }
    };
    let settled = |requirements| Some(Box::new(Settled { name: "production".to_owned(), requirements }));
    let numbers = |approval: &Standing, ending, policy| {
        let mut ruled = ruled(approval, ending);
        ruled.ruling = ruled.ruling.map(|ruling| Ruling { policy, ..ruling });
        content(&ruled).approvals
    };
    let by_one = settled(vec![met(1, &[1]), met(2, &[])]);
    assert_eq!(numbers(&approval, Ending::Rejected, by_one), (1, 3));
    approval.ballots.push(ballot(2, "Megan Bowen", ""));
    assert_eq!(numbers(&approval, Ending::Expired, settled(vec![met(1, &[]), met(2, &[1, 2])])), (2, 3));
    // Neither of them is in any list.
    assert_eq!(numbers(&approval, Ending::Expired, settled(vec![met(1, &[]), met(2, &[])])), (0, 3));
    assert_eq!(numbers(&approval, Ending::Approved, settled(vec![met(2, &[1, 2])])), (2, 2));
    // One more than was needed.
    assert_eq!(numbers(&approval, Ending::Approved, settled(vec![met(1, &[1])])), (1, 1));
}

#[test]
fn nothing_on_a_card_is_in_the_yellow_that_cannot_be_read_on_white() {
    let mut approval = asked("a");
    approval.changes = Some(changes("a"));
    let waiting = all_cards(&approval).into_iter();
    let ended = [Ending::Approved, Ending::Rejected, Ending::Expired, Ending::Withdrawn];
    for card in waiting.chain(ended.into_iter().flat_map(|ending| all_cards(&ruled(&approval, ending)))) {
        assert!(!card.to_string().to_lowercase().contains(r#""warning""#), "{card}");
    }
}

#[test]
fn a_card_without_votes_says_so_and_a_late_one_has_no_buttons() {
    let approval = Standing { ballots: Vec::new(), ..asked("a") };
    assert_eq!(section(&teams(&approval), "Votes")["items"][1]["text"], "Nobody has voted.");
    let late = Content::of(&approval, &policy(), approval.request.expires_at());
    let card = cards().bot(&late, None);
    assert_eq!(card["body"][0]["text"], "Expired");
    assert_eq!(actions(&card), ["Action.OpenUrl", "Action.ToggleVisibility"]);
}

#[test]
fn a_fact_has_one_label_on_the_card_and_on_the_page() {
    for standing in [asked("a"), ruled(&asked("a"), Ending::Approved)] {
        let (content, card) = (content(&standing), teams(&standing).to_string());
        let view = page::View {
            offers_samples: false,
            performer: &person(1, None),
            judgement: &policy().judge(&standing, (&person(1, None), &Memberships::default()), noon()),
            said: None,
        };
        let page = page::approval(&cards(), &content, &view);
        let of_state = if content.state.is_waiting() { &content.decision } else { &content.result };
        for fact in content.proven.iter().chain(of_state) {
            assert!(card.contains(&format!("\"title\":\"{}\"", fact.label)), "{fact:?} in {card}");
            assert!(page.contains(&format!("<dt>{}</dt>", fact.label)), "{fact:?} in {page}");
        }
    }
}

#[test]
fn a_request_without_words_has_a_title_of_ours() {
    let mut approval = asked("\u{202e} ");
    assert_eq!(title(&approval.request), "Release of octo/my_app");
    approval.request.terms.title = None;
    approval.request.terms.text = None;
    approval.request.terms.facts.clear();
    let card = teams(&approval);
    assert!(!card.to_string().contains("The workflow says"), "it says nothing");
}

#[test]
fn a_mail_card_votes_with_what_the_function_takes() {
    let card = mail(&asked("a"));
    assert_eq!((&card["version"], &card["hideOriginalBody"]), (&json!("1.0"), &json!(true)));
    assert_eq!(card["originator"], "65c680ef-36a6-4a1b-b84c-a7b5c6198792");
    let input = card["body"].as_array().and_then(|body| body.last()).expect("an input");
    assert_eq!((&input["id"], &input["maxLength"]), (&json!("comment"), &json!(500)));
    for (action, title, verdict) in [(0, "Approve", "approve"), (1, "Reject", "reject")] {
        let action = &card["actions"][action];
        assert_eq!((&action["title"], &action["method"]), (&json!(title), &json!("POST")));
        assert_eq!(action["url"], "https://app.example/api/ApproveRelease?code=a-key");
        assert_eq!(action["headers"], json!([{"name": "Content-Type", "value": "application/json"}]));
        let body = action["body"].as_str().expect("a body is text").replace("{{comment.value}}", "Yes.");
        let id = ApprovalId::new(noon(), [7; 16]);
        let expected = json!({"approval": id.as_str(), "verdict": verdict, "comment": "Yes."});
        assert_eq!(serde_json::from_str::<Value>(&body).expect("JSON"), expected);
    }
    assert_eq!(Cards { mail: None, ..cards() }.mail(&content(&asked("a"))), None);
}

#[test]
fn links_stay_below_their_base() {
    let cards = Cards {
        public_url: url("https://app.example/base/"),
        github: url("https://ghes.example/x/"),
        ..cards()
    };
    let mut workload = asked("").request.workload;
    assert!(
        cards
            .page_url(&ApprovalId::new(noon(), [7; 16]))
            .starts_with("https://app.example/base/api/approvals/")
    );
    assert_eq!(cards.run_url(&workload), "https://ghes.example/x/octo/my_app/actions/runs/987/attempts/2");
    workload.sha = "../../evil/app?a#b".into();
    assert_eq!(
        cards.commit_url(&workload),
        "https://ghes.example/x/octo/my_app/commit/..%2F..%2Fevil%2Fapp%3Fa%23b"
    );
}

#[test]
fn the_largest_of_everything_fits_and_says_what_is_left_out() {
    let bits = ["&", "\\", "🚀", "{", "\n", "[a](https://b.example/\"🚀) "];
    // Each takes a second of a processor where nothing is optimized.
    let largest = std::thread::scope(|scope| {
        let sizes: Vec<_> = bits.into_iter().map(|bit| scope.spawn(move || the_largest_of(bit))).collect();
        let sizes = sizes.into_iter().map(|sizes| sizes.join().expect("no panic"));
        sizes.reduce(|one, other| std::array::from_fn(|kind| one[kind].max(other[kind]))).expect("sizes")
    });
    assert!(largest.iter().all(|bytes| *bytes <= MAX_BYTES), "{largest:?}");
}

/// An approval in which everything is as large as it can be, if `text` is the longest.
fn the_largest(text: &str) -> Standing {
    let mut approval = wild(text);
    let comment: String = text.chars().take(500).collect();
    approval.request.terms.facts = vec![(comment.clone(), comment.clone()); 2_000];
    approval.ballots = (1..=10).map(|number| ballot(number, text, &comment)).collect();
    approval
}

/// The bytes of the largest card of a webhook, a bot and a mail.
fn the_largest_of(bit: &str) -> [usize; 3] {
    let approval = the_largest(&bit.repeat(64_000 / bit.len()));
    let [open, decided, open_mail, decided_mail] = assert_sound(&approval);
    let said = "x".repeat(300);
    let bot = |standing: &Standing| cards().bot(&content(standing), Some(&said)).to_string().len();
    let bot = bot(&approval).max(bot(&ruled(&approval, Ending::Approved)));
    [open.max(decided), bot, open_mail.max(decided_mail)]
}

/// The rules of one whose name is the longest and whose ten requirements, of names as long, ten people meet.
fn with_the_largest_rule(bit: &str) -> Policy {
    let name: String = bit.replace('\n', "\u{85}").chars().cycle().take(64).collect();
    let requirement = |number: usize| {
        let person = format!("0a0b0c0d-1111-2222-3333-{number:012}");
        let approvers = vec![Approver::parse(&person).expect("an approver")];
        Requirement { name: Some(name.clone()), approvers, approvals: 1 }
    };
    let rule = Rule {
        name: "W".repeat(64),
        repositories: vec![RepositoryRule::parse("octo/*").expect("a pattern")],
        refs: vec![Pattern::parse("**", Case::Matters).expect("a pattern")],
        event_types: Vec::new(),
        workflows: Vec::new(),
        waits: false,
        environments: Vec::new(),
        job_workflows: Vec::new(),
        who: Who::Requirements((1..=10).map(requirement).collect()),
        self_approval: None,
        expires_in: None,
        channel: RuleChannel::Deployment,
        closed: Vec::new(),
    };
    Policy { rules: Rules::new(vec![rule]), ..policy() }
}

/// Every card of the largest approval under the largest rule: open and decided, of a webhook, a bot and a mail.
fn under_the_largest_rule(bit: &str) -> Vec<Value> {
    // Longer texts are cut as these are, and take long.
    let mut approval = the_largest(&bit.repeat(6_000 / bit.len()));
    approval.request.workload.git_ref = format!("refs/heads/{}", "&".repeat(244));
    let policy = with_the_largest_rule(bit);
    let settled = policy.settled(&approval.request, &approval.ballots).expect("a rule");
    assert!(settled.requirements.iter().all(|one| one.met_by.len() == 1));
    let mut decided = ruled(&approval, Ending::Approved);
    decided.ruling.as_mut().expect("a ruling").policy = Some(Box::new(settled));
    let said = "x".repeat(300);
    let all = [approval, decided].map(|standing| {
        let content = Content::of(&standing, &policy, noon());
        let mail = cards().mail(&content).expect("a mail card");
        [cards().teams(&content), cards().bot(&content, Some(&said)), mail]
    });
    all.into_iter().flatten().collect()
}

#[test]
fn the_largest_rule_fits_beside_the_largest_of_everything_and_hides_no_requirement() {
    let bits = ["&", "\\", "🚀", "{", "\n"];
    let cards = std::thread::scope(|scope| {
        let made: Vec<_> = bits.map(|bit| scope.spawn(move || under_the_largest_rule(bit))).into();
        made.into_iter().flat_map(|cards| cards.join().expect("no panic")).collect::<Vec<_>>()
    });
    for card in cards {
        let text = card.to_string();
        assert!(text.len() <= MAX_BYTES, "{} bytes", text.len());
        assert_eq!(text.matches("1 of 1").count(), 10, "how far each has come is never cut: {text}");
        assert!(text.contains(" \\\\[…\\\\]") && text.contains("WWW"), "{text}");
    }
}

#[test]
fn each_cut_says_so() {
    let mut approval = asked(&"&".repeat(64_000));
    approval.request.terms.facts = vec![("&".repeat(500), "&".repeat(500)); 2_000];
    approval.request.terms.client_payload = Some(payload(json!({"a": "x".repeat(9_000)})));
    approval.ballots = (1..=10).map(|number| ballot(number, "Alex", &"&".repeat(500))).collect();
    let card = teams(&approval);
    assert_eq!(section(&card, labels::PAYLOAD_REST)["items"][1]["text"], labels::PAYLOAD_ON_PAGE);
    let said = sections(&card, labels::SAID)[1];
    assert!(said["items"][1]["text"].as_str().is_some_and(|text| text.ends_with(" \\[…\\]")), "{said}");
    assert_eq!(said["items"][3]["text"], "and 1996 more");
    let vote = &section(&card, labels::VOTES)["items"][1]["items"][1]["text"];
    assert!(vote.as_str().is_some_and(|vote| vote.ends_with(" \\[…\\]”")), "{vote}");
}

/// Microsoft's renderer cuts off the column of a value that it cannot break.
#[test]
fn a_value_that_cannot_be_broken_has_the_whole_width() {
    let mut approval = asked("a");
    let workload = &mut approval.request.workload;
    (workload.git_ref, workload.actor) = (format!("refs/heads/{}", "x".repeat(200)), "octo cat ".repeat(20));
    workload.environment = Some("W".repeat(10));
    workload.job_workflow_ref = Some("main".into());
    let proven = section(&teams(&approval), labels::PROVEN)["items"][1].clone();
    let items = proven["items"].as_array().expect("several parts");
    let below = |at: usize| {
        assert_eq!((&items[at]["weight"], &items[at + 1]["spacing"]), (&json!("bolder"), &json!("none")));
        (&items[at]["text"], &items[at + 1]["text"])
    };
    assert_eq!(items[0]["facts"].as_array().map(Vec::len), Some(1), "the repository: {proven}");
    assert_eq!(below(1), (&json!("Branch"), &json!("x".repeat(200))));
    let beside = items[3]["facts"].as_array().expect("facts").iter().map(|fact| &fact["title"]);
    assert_eq!(beside.collect::<Vec<_>>(), ["Commit", "Run", "Started by"]);
    // Ten wide letters take as much room as twenty narrow ones.
    assert_eq!(below(4), (&json!("Environment"), &json!("W".repeat(10))));
    assert_eq!(items[6]["facts"], json!([{"title": "Workflow", "value": "main"}]));
}

#[test]
fn a_card_says_that_it_is_a_dry_run() {
    let approval = asked("a");
    let shown = |dry_run| {
        let policy = Policy { dry_run, ..policy() };
        let content = Content::of(&approval, &policy, noon());
        [cards().teams(&content), cards().bot(&content, None), cards().mail(&content).expect("a card")]
    };
    assert!(shown(true).iter().all(|card| in_sight(card).contains(labels::DRY_RUN)));
    assert!(!shown(false).iter().any(|card| card.to_string().contains(labels::DRY_RUN)));
}

#[test]
fn a_text_that_fits_is_shown_whole() {
    let mut approval = asked(&"word ".repeat(400));
    approval.ballots = (1..=10).map(|number| ballot(number, "Alex", &"x".repeat(500))).collect();
    let json = mail(&approval).to_string();
    assert_eq!(json.matches(&"x".repeat(500)).count(), 10);
    assert!(json.contains(&"word ".repeat(399)));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(50) })]

    #[test]
    fn any_text_in_any_field_makes_a_sound_card(
        text in "(\\PC|[-#*_`>!()\\[\\]<&;/\"\\\\ \n\r1.a]|\\{|<at>|\\]\\(https://a.example\\)|http://|&#123;|&#x202e;|\u{202e}){0,100}",
        many in 1usize..20,
    ) {
        assert_sound(&wild(&text));
        assert_sound(&wild(&text.repeat(many)));
    }
}

#[test]
fn a_title_of_ours_is_not_said_to_be_the_workflows() {
    let mut approval = asked("Release 1.4.2");
    for (title, is_said) in
        [(Some("Release 1.4.2".to_owned()), true), (Some("\u{200b}".to_owned()), false), (None, false)]
    {
        approval.request.terms.title = title;
        let item = Item::Requested(Box::new(approval.clone()));
        let reminder = cards().reminder(&content(&approval), "https://app.example/").to_string();
        for shown in [cards().waiting_list(&[item], false, true), content(&approval).notification(), reminder]
        {
            assert_eq!(shown.contains("The workflow says"), is_said, "{shown}");
        }
    }
}
