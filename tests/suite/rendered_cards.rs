//! Every kind of card, as Microsoft's renderer reads it: with nothing to object to, in the version that the card says.

use std::{io::Write, process::Stdio};

use approve_release::{
    approval::{
        ApprovalId, Ballot, Ending, EventType, Guid, Performer, Person, Policy, Repository,
        RepositoryPattern, Request, Ruling, Standing, Terms, Verdict, Workload,
    },
    cards::{Cards, Mail, content::Content},
    http_client::SecretUrl,
    time_zone::TimeZone,
};
use chrono::{DateTime, TimeDelta};
use serde_json::{Value, json};

use crate::{
    authority::TENANT,
    node_tools::node,
    tokens::{ALEX, ALEX_NAME},
};

/// Reads cards, and says what is wrong with each: what the renderer tells while it parses, and what it finds afterwards.
const PARSE: &str = r#"
    globalThis.self = globalThis.window = globalThis;
    const { AdaptiveCard, CardObjectRegistry, GlobalRegistry, HttpAction, SerializationContext, Version } =
        require("adaptivecards/dist/adaptivecards.js");
    const problems = (source) => {
        const version = Version.parse(source.version, new SerializationContext());
        const context = new SerializationContext(version);
        // Action.Http is known to clients of cards below 1.4 alone.
        if (version.compareTo(new Version(1, 4)) < 0) {
            const actions = new CardObjectRegistry();
            GlobalRegistry.populateWithDefaultActions(actions);
            actions.register(HttpAction.JsonTypeName, HttpAction);
            context.setActionRegistry(actions);
        }
        const card = new AdaptiveCard();
        card.parse(source, context);
        const parsing = Array.from({ length: context.eventCount }, (_, index) => context.getEventAt(index));
        return parsing.concat(card.validateProperties().validationEvents).map((event) => event.message);
    };
    const cards = JSON.parse(require("fs").readFileSync(0, "utf8"));
    console.log(JSON.stringify(cards.map(problems)));
"#;

/// The renderer's objections to each of these cards.
fn problems(cards: &[Value]) -> Vec<Vec<String>> {
    let mut node =
        node().args(["-e", PARSE]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("node");
    let mut input = node.stdin.take().expect("a pipe");
    input.write_all(json!(cards).to_string().as_bytes()).expect("node reads");
    drop(input);
    let output = node.wait_with_output().expect("node ends");
    assert!(output.status.success(), "{}", output.status);
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn approval(text: &str, ending: Option<Ending>) -> Standing {
    let event_type = |text| EventType::parse(text).expect("an event type");
    let now = DateTime::UNIX_EPOCH + TimeDelta::days(20_000);
    let terms = Terms {
        rejected_event_type: Some(event_type("no-go")),
        title: Some(text.to_owned()),
        text: Some(text.to_owned()),
        facts: vec![("Environment".to_owned(), text.to_owned())],
        approvals_required: 2,
        expires_in: TimeDelta::hours(1),
        ..Terms::sample(event_type("go-live"))
    };
    let workload = Workload::sample(Repository::parse("octo/app").expect("a repository"));
    let guid = |text| Guid::parse(text).expect("a GUID");
    let performer = Performer::Person(Person {
        object_id: guid(ALEX),
        tenant: guid(TENANT),
        user_principal_name: None,
        display_name: Some(ALEX_NAME.to_owned()),
    });
    let ballots = vec![Ballot {
        performer,
        verdict: Verdict::Approve,
        comment: text.to_owned(),
        at: now,
        groups: Vec::new(),
    }];
    let ruling = ending.map(|ending| Ruling {
        ending,
        ballots: ballots.clone(),
        decided_at: now,
        ticket: None,
        withdrawal: None,
        policy: None,
    });
    let request = Request { id: ApprovalId::new(now, [7; 16]), terms, workload, created_at: now };
    Standing { ballots, ruling, ..Standing::new(request) }
}

/// The writer of the cards of a deployment that mails them, too.
pub fn cards() -> Cards {
    let url = |text: &str| text.parse().expect("a URL");
    Cards {
        public_url: url("https://approve.example"),
        github: url("https://github.com"),
        mail: Some(Mail {
            approve_url: SecretUrl::new(url("https://approve.example/api/ApproveRelease?code=a-key")),
            originator: "65c680ef-36a6-4a1b-b84c-a7b5c6198792".to_owned(),
        }),
        time_zone: TimeZone::UTC,
    }
}

fn content(standing: &Standing) -> Content<'_> {
    let allowed_repositories = vec![RepositoryPattern::parse("octo/*").expect("a pattern")];
    let policy = Policy { allowed_repositories, ..Policy::default() };
    Content::of(standing, &policy, standing.request.created_at)
}

const ENDINGS: [Option<Ending>; 4] =
    [None, Some(Ending::Approved), Some(Ending::Rejected), Some(Ending::Expired)];

#[test]
fn every_card_is_what_the_renderer_expects_of_its_version() {
    let cards = cards();
    let mut all = Vec::new();
    for text in ["Release 1.4.2", "", "**a** [b](https://c.example)\n- d", &"🚀 word ".repeat(1_000)] {
        for ending in ENDINGS {
            let standing = approval(text, ending);
            let approval = content(&standing);
            all.push(cards.teams(&approval));
            all.push(cards.bot(&approval, None));
            all.push(cards.bot(&approval, Some("GitHub accepted go-live for octo/app.")));
            all.push(cards.mail(&approval).expect("a mail card"));
            all.push(cards.reminder(&approval, "https://teams.microsoft.com/l/message/1/2"));
        }
    }
    for (card, problems) in all.iter().zip(problems(&all)) {
        assert_eq!(problems, [""; 0], "{card:#}");
    }
}

#[test]
fn the_renderer_objects_to_what_is_no_card_of_its_version() {
    let text = |more: Value| {
        let mut block = json!({"type": "TextBlock", "text": "x"});
        block.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        json!({"type": "AdaptiveCard", "version": "1.0", "body": [block]})
    };
    let http = json!({"type": "Action.Http", "title": "x", "method": "POST", "url": "https://a.example"});
    let bad = [
        text(json!({"weight": "bold"})),
        json!({"type": "AdaptiveCard", "version": "1.0", "body": [{"type": "ActionSet", "actions": []}]}),
        json!({"type": "AdaptiveCard", "version": "1.0", "body": [{"type": "Container", "style": "good", "items": []}]}),
        json!({"type": "AdaptiveCard", "version": "1.4", "body": [], "actions": [http]}),
    ];
    let problems = problems(&bad);
    assert!(
        problems.len() == bad.len() && problems.iter().all(|problems| !problems.is_empty()),
        "{problems:?}"
    );
}

#[test]
fn the_fallback_text_says_how_the_approval_stands() {
    let texts = ENDINGS.map(|ending| {
        let standing = approval("x", ending);
        cards().bot(&content(&standing), None)["fallbackText"].clone()
    });
    let states = [
        "Waiting for approval: ",
        "Approved, on its way to GitHub: ",
        "Rejected, on its way to GitHub: ",
        "Expired: ",
    ];
    for (text, state) in texts.iter().zip(states) {
        assert!(text.as_str().expect("a text").starts_with(state), "{text}");
    }
}

/// Version 1.0 has its values in lower case only, and a mail may be shown by a client of that version.
#[test]
fn a_mail_card_is_of_the_first_version_and_has_its_values_in_lower_case() {
    for ending in ENDINGS {
        let standing = approval("x", ending);
        let card = cards().mail(&content(&standing)).expect("a mail card");
        assert_eq!(card["version"], "1.0");
        assert_lower_case(&card);
    }
}

fn assert_lower_case(value: &Value) {
    match value {
        Value::Array(values) => values.iter().for_each(assert_lower_case),
        Value::Object(members) => {
            for name in ["weight", "size", "color", "style", "spacing"] {
                if let Some(value) = members.get(name).and_then(Value::as_str) {
                    assert_eq!(value, value.to_ascii_lowercase(), "{name}");
                }
            }
            members.values().for_each(assert_lower_case);
        }
        _ => {}
    }
}
