//! `POLICY`: the operator's rules decide who must agree, when, and about what.

use serde_json::{Value, json};
use wiremock::ResponseTemplate;

use crate::{
    actions::SHA,
    deployment::{ASKED, Someone, Surroundings, page_of, text, vote_body},
    functions_host::{Builder, Mode},
    github_compare::by,
    graph::{Graph, SECURITY},
    handler_process::until,
    http1::Request,
    stores::Store,
    tokens::Token,
};

/// A host with these rules, whose `APPROVERS` are one person whom no rule lists.
fn governed(around: &Surroundings, rules: &Value) -> Builder {
    around
        .host(Mode::Payload)
        .setting("APPROVERS", &operator().object_id)
        .setting("POLICY", &rules.to_string())
}

fn operator() -> Someone {
    Someone::number(99)
}

fn people(numbers: &[u32]) -> Value {
    numbers.iter().map(|number| Someone::number(*number).object_id).collect()
}

/// A rule for `go-live` by one of Security and one of Product; 2 is in both.
fn production() -> Value {
    json!({"name": "production", "repositories": ["octo/*"], "refs": ["refs/heads/*"], "event_types": ["go-*"],
    "requires": [
        {"name": "Security", "approvers": people(&[1, 2]), "approvals": 1},
        {"name": "Product", "approvers": people(&[2, 3]), "approvals": 1},
    ]})
}

#[tokio::test]
async fn each_requirement_is_met_by_people_of_its_own_and_the_rule_is_told_everywhere() {
    let around = Surroundings::start().await;
    around.github.expect_dispatches(1);
    let host = governed(&around, &json!([production()])).start().await;
    let id = around.ask_for_id(&host, ASKED).await;
    assert_eq!(around.status(&host, &id).await["policy"], json!({"name": "production"}));

    let refused = host.vote(&around.token_of(&operator()), &id, "approve").await;
    refused.assert_outcome(403, "forbidden");
    let token = |number| around.token_of(&Someone::number(number));
    host.vote(&token(1), &id, "approve").await.assert_outcome(200, "counted");
    let page = host.send(Someone::number(2).get(&page_of(&id))).await.text();
    assert!(page.contains("production") && page.contains("Security: 1 of 1, by Person 1"), "{page}");
    assert!(page.contains("Product: 0 of 1"), "{page}");
    host.vote(&token(2), &id, "approve").await.assert_outcome(200, "dispatched");

    let seen = around.status(&host, &id).await;
    assert_eq!((&seen["status"], &seen["policy"]), (&json!("approved"), &json!({"name": "production"})));
    let sent: Value = serde_json::from_str(around.github.only_dispatch().client_payload()).expect("JSON");
    assert_eq!(sent["approval"]["policy"], json!({"name": "production"}));
}

#[tokio::test]
async fn the_number_of_approvals_is_the_rule_s_whoever_asks_and_whenever() {
    let around = Surroundings::start().await;
    let mut rule = production();
    rule["requires"][1]["approvers"] = people(&[2, 3, 4]);
    rule["requires"][1]["approvals"] = json!(2);
    let by_approvers = json!({"name": "calm", "repositories": ["octo/*"], "refs": ["**"], "event_types": ["calm"],
        "approvals_required": 3});
    let host = governed(&around, &json!([rule, by_approvers])).setting("APPROVERS", "*").start().await;
    for body in [ASKED, r#"{"event_type":"calm"}"#] {
        let id = around.ask_for_id(&host, body).await;
        let required = async || {
            let list = host.send(operator().browse(Request::get("/api/approvals?format=json"))).await.json();
            let items = list["items"].as_array().expect("items").clone();
            let item = items.into_iter().find(|item| item["id"] == id).expect("it is listed");
            (
                around.status(&host, &id).await["approvals_required"].clone(),
                item["approvals_required"].clone(),
            )
        };
        assert_eq!(required().await, (json!(3), json!(3)));
        let somebody = around.token_of(&Someone::number(1));
        host.vote(&somebody, &id, "reject").await.assert_outcome(200, "rejected");
        assert_eq!(required().await, (json!(3), json!(3)));
    }
}

// T44
#[tokio::test]
async fn a_name_that_passes_to_another_account_is_one_person_still() {
    let around = Surroundings::start().await;
    around.github.expect_dispatches(1);
    let mut rule = production();
    rule["requires"] = json!([{"name": "Both", "approvals": 2,
        "approvers": [Someone::number(1).upn, Someone::number(2).upn]}]);
    let host = governed(&around, &json!([rule])).start().await;
    let id = around.ask_for_id(&host, ASKED).await;
    let before = Someone { upn: Someone::number(1).upn.to_uppercase(), ..Someone::number(7) };
    for voter in [before, Someone::number(1)] {
        let pressed = host.send(voter.press(&id, "approve", "")).await;
        assert!(pressed.status == 200 && pressed.text().contains("1 of 2"), "{}", pressed.text());
    }
    assert_eq!(around.status(&host, &id).await["status"], "pending");
    let pressed = host.send(Someone::number(2).press(&id, "approve", "")).await;
    assert_eq!(pressed.status, 200, "{}", pressed.text());
    assert_eq!(around.status(&host, &id).await["status"], "approved");
}

#[tokio::test]
async fn a_vote_that_helps_nothing_any_more_is_counted_and_says_so() {
    let around = Surroundings::start().await;
    let mut rule = production();
    rule["requires"][0]["approvers"] = people(&[1, 4]);
    rule["requires"][1]["approvers"] = people(&[3]);
    let host = governed(&around, &json!([rule])).start().await;
    let id = around.ask_for_id(&host, ASKED).await;
    let token = |number| around.token_of(&Someone::number(number));
    host.vote(&token(1), &id, "approve").await.assert_outcome(200, "counted");
    let sentence = host.vote(&token(4), &id, "approve").await.assert_outcome(200, "counted");
    assert!(sentence.contains("1 of 2") && sentence.contains("Others have to approve"), "{sentence}");
    assert_eq!(around.status(&host, &id).await["status"], "pending");
    // One no of anybody whom the rule lists is enough.
    host.vote(&token(4), &id, "reject").await.assert_outcome(200, "rejected");
}

#[tokio::test]
async fn one_who_is_listed_here_and_a_member_there_counts_where_they_are_needed() {
    let (around, graph) = (Surroundings::start().await, Graph::start().await);
    around.github.expect_dispatches(1);
    let mut rule = production();
    rule["requires"][0]["approvers"] = json!([format!("group:{SECURITY}")]);
    rule["requires"][1]["approvers"] = people(&[1, 3]);
    let host = governed(&around, &json!([rule])).settings(graph.settings()).start().await;
    graph.add(&Someone::number(1), SECURITY);
    let id = around.ask_for_id(&host, ASKED).await;
    let token = |number| around.token_of(&Someone::number(number));
    host.vote(&token(9), &id, "approve").await.assert_outcome(403, "forbidden");
    host.vote(&token(3), &id, "approve").await.assert_outcome(200, "counted");
    // Person 3 keeps Product, and person 1 counts for Security.
    host.vote(&token(1), &id, "approve").await.assert_outcome(200, "dispatched");
}

#[tokio::test]
async fn a_requirement_of_a_group_is_shown_as_met_by_those_who_were_in_it_alone() {
    let (around, graph) = (Surroundings::start().await, Graph::start().await);
    around.github.expect_dispatches(1);
    let mut rule = production();
    rule["requires"][0]["approvers"] = json!([format!("group:{SECURITY}")]);
    rule["requires"][1]["approvers"] = people(&[1, 3]);
    rule["requires"][1]["approvals"] = json!(2);
    let host = governed(&around, &json!([rule])).settings(graph.settings()).start().await;
    graph.add(&Someone::number(2), SECURITY);
    let id = around.ask_for_id(&host, ASKED).await;
    let vote = async |number| {
        let vote = host.vote(&around.token_of(&Someone::number(number)), &id, "approve").await;
        let page = host.send(Someone::number(1).get(&page_of(&id))).await.text();
        (vote, page)
    };
    let (voted, page) = vote(1).await;
    assert!(voted.assert_outcome(200, "counted").contains("1 of 3"));
    assert!(page.contains("Security: 0 of 1<") && page.contains("Product: 1 of 2, by Person 1"), "{page}");
    let (voted, page) = vote(2).await;
    assert!(voted.assert_outcome(200, "counted").contains("2 of 3"));
    assert!(page.contains("Security: 1 of 1, by Person 2") && page.contains("Product: 1 of 2"), "{page}");
    let (voted, page) = vote(3).await;
    voted.assert_outcome(200, "dispatched");
    assert!(page.contains("Security: 1 of 1, by Person 2"), "{page}");
}

#[tokio::test]
async fn a_decision_keeps_the_votes_that_made_it_however_many_others_there_are() {
    let around = Surroundings::start().await;
    around.github.expect_dispatches(1);
    let mut rule = production();
    let all: Vec<u32> = (1..=14).collect();
    rule["requires"][0]["approvers"] = people(&all);
    rule["requires"][1]["approvers"] = people(&[20]);
    let host = governed(&around, &json!([rule])).start().await;
    let id = around.ask_for_id(&host, ASKED).await;
    for number in all {
        host.vote(&around.token_of(&Someone::number(number)), &id, "approve")
            .await
            .assert_outcome(200, "counted");
    }
    host.vote(&around.token_of(&Someone::number(20)), &id, "approve").await.assert_outcome(200, "dispatched");
    let seen = around.status(&host, &id).await;
    let performers = seen["performers"].as_array().expect("performers");
    let has = |number| performers.iter().any(|one| one["id"] == Someone::number(number).object_id.as_str());
    assert!(has(1) && has(20) && performers.len() == 10, "{performers:?}");
    assert_eq!(seen["approvals_required"], 2);
    let page = host.send(operator().get(&page_of(&id))).await.text();
    assert!(page.contains("Product: 1 of 1, by Person 20") && page.contains("2 of 2"), "{page}");
}

#[tokio::test]
async fn self_approval_of_a_rule_holds_beside_the_setting() {
    let around = Surroundings::start().await;
    around.github.expect_dispatches(1);
    let mut rule = production();
    rule["requires"] = json!([{"name": "Anyone", "approvers": people(&[1, 2])}]);
    rule["self_approval"] = json!("deny");
    let own = format!("octocat={}", Someone::number(1).object_id);
    let host = governed(&around, &json!([rule])).setting("GITHUB_LOGINS", &own).start().await;
    let id = around.ask_for_id(&host, ASKED).await;
    let token = |number| around.token_of(&Someone::number(number));
    let sentence = host.vote(&token(1), &id, "approve").await.assert_outcome(403, "forbidden");
    assert!(sentence.contains("started or re-ran"), "{sentence}");
    host.vote(&token(2), &id, "approve").await.assert_outcome(200, "dispatched");
}

#[tokio::test]
async fn without_a_rule_nothing_may_be_asked_for_and_nothing_open_be_decided() {
    let (around, store) = (Surroundings::start().await, Store::folder());
    let host = governed(&around, &json!([production()])).store(&store).start().await;
    let id = around.ask_for_id(&host, ASKED).await;
    let job = Token::of_job(&around.actions);
    for other in [r#"{"event_type":"other"}"#, "{}", r#"{"event_type":"go-live","rejected_event_type":"no"}"#]
    {
        let refused = host.ask_as(&job, other).await;
        let sentence = refused.assert_outcome(403, "forbidden");
        assert!(sentence.contains("no rule of POLICY"), "{sentence}");
    }
    drop(host);

    let mut rule = production();
    rule["repositories"] = json!(["acme/*"]);
    let host = governed(&around, &json!([rule])).store(&store).start().await;
    for verdict in ["approve", "reject"] {
        let refused = host.vote(&around.token_of(&Someone::number(1)), &id, verdict).await;
        refused.assert_outcome(403, "forbidden");
    }
    assert_eq!(around.status(&host, &id).await["policy"], Value::Null);
    drop(host);
    let host = governed(&around, &json!([production()])).store(&store).start().await;
    host.vote(&around.token_of(&Someone::number(1)), &id, "reject").await.assert_outcome(200, "rejected");
}

#[tokio::test]
async fn votes_count_by_the_policy_of_now() {
    let (around, store) = (Surroundings::start().await, Store::folder());
    around.github.expect_dispatches(1);
    let host = governed(&around, &json!([production()])).store(&store).start().await;
    let id = around.ask_for_id(&host, ASKED).await;
    let token = |number| around.token_of(&Someone::number(number));
    host.vote(&token(1), &id, "approve").await.assert_outcome(200, "counted");
    drop(host);
    let mut rule = production();
    rule["name"] = json!("later");
    rule["requires"][0]["approvers"] = people(&[5]);
    let host = governed(&around, &json!([rule])).store(&store).start().await;
    host.vote(&token(1), &id, "approve").await.assert_outcome(403, "forbidden");
    host.vote(&token(3), &id, "approve").await.assert_outcome(200, "counted");
    host.vote(&token(5), &id, "approve").await.assert_outcome(200, "dispatched");
    assert_eq!(around.status(&host, &id).await["policy"], json!({"name": "later"}));
    drop(host);
    // A decision stays, whatever holds by now.
    let host = governed(&around, &json!([production()])).store(&store).start().await;
    let seen = around.status(&host, &id).await;
    assert_eq!((&seen["status"], &seen["policy"]), (&json!("approved"), &json!({"name": "later"})));
}

#[tokio::test]
async fn while_a_rule_is_closed_nobody_approves_and_rejecting_works() {
    let around = Surroundings::start().await;
    let mut rule = production();
    rule["closed"] = json!([{"days": ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"], "from": "00:00", "to": "24:00",
        "time_zone": "Europe/Berlin", "why": "Code freeze"}]);
    let host = governed(&around, &json!([rule])).start().await;
    let id = around.ask_for_id(&host, ASKED).await;
    let token = around.token_of(&Someone::number(1));
    let sentence = host.vote(&token, &id, "approve").await.assert_outcome(409, "closed");
    assert!(sentence.contains("closed for good (Code freeze)"), "{sentence}");
    let page = host.send(Someone::number(1).get(&page_of(&id))).await.text();
    assert!(page.contains("Code freeze") && !page.contains(r#"value="approve""#), "{page}");
    assert_eq!(around.status(&host, &id).await["performers"], json!([]));
    host.vote(&token, &id, "reject").await.assert_outcome(200, "rejected");
}

#[tokio::test]
async fn a_request_narrows_a_rule_and_never_widens_it() {
    let around = Surroundings::start().await;
    let mut rule = production();
    rule["expires_in_minutes"] = json!(60);
    let host = governed(&around, &json!([rule])).start().await;
    let job = Token::of_job(&around.actions);
    let with = |field: &str| format!(r#"{{"event_type":"go-live",{field}}}"#);
    let listed = |numbers| format!(r#""approvers":{}"#, people(numbers));
    for (body, expected) in [
        (with(&listed(&[1, 9])), "approvers"),
        (with(&listed(&[1])), "asks for more people than there are approvers"),
        (with(r#""expires_in_minutes":61"#), "expires_in_minutes"),
    ] {
        let sentence = host.ask_as(&job, &body).await.assert_outcome(400, "invalid");
        assert!(sentence.contains(expected), "{body}: {sentence}");
    }
    let opened = host.ask_as(&job, ASKED).await.assert_opened();
    let seen = around.status(&host, &text(&opened["id"])).await;
    let time = |name: &str| text(&seen[name]).parse::<chrono::DateTime<chrono::Utc>>().expect("a time");
    assert_eq!((time("expires_at") - time("created_at")).num_minutes(), 60);
    assert_eq!(seen["approvals_required"], 2);
    host.ask_as(&job, &with(&listed(&[1, 3]))).await.assert_opened();
}

#[tokio::test]
async fn a_rule_shows_its_people_what_it_matches_and_nothing_else() {
    let around = Surroundings::start().await;
    let other = json!({"name": "other", "repositories": ["octo/*"], "refs": ["**"], "event_types": ["other"],
        "approvers": people(&[7])});
    let host = governed(&around, &json!([production(), other])).start().await;
    let (one, two) =
        (around.ask_for_id(&host, ASKED).await, around.ask_for_id(&host, r#"{"event_type":"other"}"#).await);
    for (reader, seen, hidden) in [(1, &one, Some(&two)), (7, &two, Some(&one)), (99, &one, None)] {
        let reader = Someone::number(reader);
        let list = host.send(reader.get("/api/approvals")).await;
        assert_eq!(list.status, 200);
        let list = list.text();
        assert!(list.contains(seen.as_str()), "{list}");
        assert_eq!(host.send(reader.get(&page_of(seen))).await.status, 200);
        if let Some(hidden) = hidden {
            assert!(!list.contains(hidden.as_str()), "{list}");
            assert_eq!(host.send(reader.get(&page_of(hidden))).await.status, 403);
        }
    }
    let stranger = host.send(Someone::number(50).get("/api/approvals")).await;
    assert_eq!(stranger.status, 403);
}

/// A page is shown to who may see it, also after a press.
#[tokio::test]
async fn a_press_shows_nothing_of_an_approval_to_people_of_another_rule() {
    let around = Surroundings::start().await;
    let other = json!({"name": "other", "repositories": ["octo/*"], "refs": ["**"], "event_types": ["other"],
        "approvers": people(&[7])});
    let host = governed(&around, &json!([production(), other])).start().await;
    let id = around.ask_for_id(&host, r#"{"event_type":"go-live","title":"Secret plans"}"#).await;
    for press in ["approve", "reject", "withdraw"] {
        let refused = host.send(Someone::number(7).press(&id, press, "A reason")).await;
        assert_eq!(refused.status, 403);
        let page = refused.text();
        assert!(
            page.contains("not one of the approvers of the rule") && !page.contains("Secret plans"),
            "{page}"
        );
    }
    // Those in APPROVERS see everything, and decide nothing that a rule has people for.
    let page = host.send(operator().get(&page_of(&id))).await.text();
    assert!(
        page.contains("Secret plans") && page.contains("the rule that holds has other approvers"),
        "{page}"
    );
    let refused = host.send(operator().press(&id, "approve", "")).await;
    assert_eq!(refused.status, 403);
    assert_eq!(around.status(&host, &id).await["status"], "pending");
}

// T40
#[tokio::test]
async fn by_a_rule_that_denies_authors_nobody_approves_what_they_wrote() {
    let around = Surroundings::start().await;
    around.github.expect_dispatches(1);
    around.github.shows(SHA, by("hubot", "Release it"));
    let mut rule = production();
    rule["requires"] = json!([{"name": "Anyone", "approvers": people(&[1, 2])}]);
    rule["self_approval"] = json!("deny-authors");
    let logins = format!("octocat={},hubot={}", Someone::number(5).object_id, Someone::number(1).object_id);
    let store = Store::folder();
    let host =
        governed(&around, &json!([rule])).setting("GITHUB_LOGINS", &logins).store(&store).start().await;
    let id = around.ask_for_id(&host, ASKED).await;
    until("the authors are on record", async || {
        store.objects().await.iter().any(|path| path.ends_with("/authors"))
    })
    .await;
    let token = |number| around.token_of(&Someone::number(number));
    let sentence = host.vote(&token(1), &id, "approve").await.assert_outcome(403, "forbidden");
    assert!(sentence.contains("you wrote one of its commits"), "{sentence}");
    host.vote(&token(2), &id, "approve").await.assert_outcome(200, "dispatched");
}

#[tokio::test]
async fn nobody_meets_a_rule_without_saying_who_they_are() {
    let around = Surroundings::start().await;
    let anybody = json!({"name": "anybody", "repositories": ["octo/*"], "refs": ["**"]});
    let host =
        around.host(Mode::Payload).setting("APPROVERS", "*").setting("POLICY", &json!([anybody]).to_string());
    let host = host.setting("REQUIRE_IDENTITY", "false").start().await;
    let id = around.ask_for_id(&host, ASKED).await;
    for verdict in ["approve", "reject"] {
        let blank = host.click_request().json(vote_body(&id, verdict, "")).header("Authorization", "");
        let refused = host.send(blank.header("Action-Authorization", "")).await;
        let sentence = refused.assert_outcome(403, "forbidden");
        assert!(sentence.contains("with POLICY nobody decides without saying who they are"), "{sentence}");
    }
    host.stderr_line("can only relay").await;
    assert_eq!(around.status(&host, &id).await["performers"], json!([]));
}

#[tokio::test]
async fn while_graph_is_away_people_of_groups_see_nothing_and_others_see_theirs() {
    let (around, graph) = (Surroundings::start().await, Graph::start().await);
    let mut rule = production();
    rule["requires"][0]["approvers"] = json!([format!("group:{SECURITY}")]);
    let other = json!({"name": "other", "repositories": ["octo/*"], "refs": ["**"], "event_types": ["other"],
        "approvers": people(&[7])});
    let host = governed(&around, &json!([rule, other])).settings(graph.settings()).start().await;
    graph.add(&Someone::number(1), SECURITY);
    let id = around.ask_for_id(&host, ASKED).await;
    around.ask_for_id(&host, r#"{"event_type":"other"}"#).await;
    graph.answer_with(Some(ResponseTemplate::new(503)));
    for path in ["/api/approvals", &page_of(&id), "/api/approvals/check"] {
        let away = host.send(Someone::number(1).get(path)).await;
        assert_eq!(away.status, 424, "{path}: {}", away.text());
        // Whoever is listed by name needs no Graph.
        let seen = host.send(Someone::number(3).get(path)).await;
        assert_eq!(seen.status, 200, "{path}: {}", seen.text());
        // The page says if one may decide, which nobody knows about who might be in the group.
        let expected = if path == page_of(&id) { 424 } else { 200 };
        let seen = host.send(operator().get(path)).await;
        assert_eq!(seen.status, expected, "{path}: {}", seen.text());
    }
    host.vote(&around.token_of(&Someone::number(1)), &id, "approve").await.assert_outcome(424, "unavailable");
    graph.answer_with(None);
    let list = host.send(Someone::number(1).get("/api/approvals")).await.text();
    assert!(list.contains(&id), "{list}");
}

#[tokio::test]
async fn no_relay_sends_an_event_type_that_a_rule_names() {
    let around = Surroundings::start().await;
    let host =
        governed(&around, &json!([production()])).setting("RELAY_EVENT_TYPES", "go-live").start().await;
    let click = host.click_as(&around.token_of(&operator()), r#"{"event_type":"go-live"}"#.to_owned()).await;
    let sentence = click.assert_outcome(403, "forbidden");
    assert!(sentence.contains("rule of POLICY"), "{sentence}");
    host.stderr_line("RELAY_EVENT_TYPES has go-live, which a rule of POLICY names").await;
}

#[tokio::test]
async fn every_unusable_part_is_named_at_start_with_its_place() {
    let mut rule = production();
    rule["requires"][1]["approvers"] = json!(["Hunter2 Wilber"]);
    rule["colour"] = json!("red");
    let around = Surroundings::start().await;
    let (status, output) = governed(&around, &json!([rule])).run_to_exit().await;
    assert!(!status.success(), "{output}");
    for line in ["POLICY[0].requires[1].approvers[0]", "colour"] {
        assert!(output.contains(line), "{output}");
    }
    assert!(!output.contains("Hunter2"), "{output}");
}
