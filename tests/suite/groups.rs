//! Approvers by their groups in Entra: asked of Microsoft Graph at the vote, and again where votes are counted.

use std::time::Duration;

use serde_json::json;
use wiremock::ResponseTemplate;

use crate::{
    connector::APP_ID,
    deployment::{ASKED, Someone, Surroundings, page_of},
    functions_host::{Builder, FunctionsHost, Mode},
    graph::{Graph, RELEASERS, SECURITY},
    http1::Request,
    relay::{CLICK, new_click},
    token_desk::APP_PASSWORD,
    tokens::{ALEX, ALEX_UPN},
};

/// Two people must approve.
const BY_TWO: &str = r#"{"event_type":"go-live","approvals_required":2}"#;

fn in_group(group: &str) -> String {
    format!("group:{group}")
}

/// A deployment whose approvers are these.
fn host(around: &Surroundings, graph: &Graph, approvers: &str) -> Builder {
    around.host(Mode::Payload).settings(graph.settings()).setting("APPROVERS", approvers)
}

async fn start() -> (Surroundings, Graph, FunctionsHost) {
    let (around, graph) = (Surroundings::start().await, Graph::start().await);
    let host =
        host(&around, &graph, &format!("{},{}", in_group(RELEASERS), in_group(SECURITY))).start().await;
    (around, graph, host)
}

#[tokio::test]
async fn a_member_decides_with_two_calls_and_a_warm_vote_costs_none() {
    let (around, graph, host) = start().await;
    around.github.expect_dispatches(2);
    graph.add(&Someone::alex(), RELEASERS);
    graph.add(&Someone::alex(), SECURITY);
    let alex = around.token_of(&Someone::alex());
    let (first, second) = (around.ask_for_id(&host, ASKED).await, around.ask_for_id(&host, ASKED).await);

    host.vote(&alex, &first, "approve").await.assert_outcome(200, "dispatched");
    let calls = graph.calls();
    assert_eq!(calls.len(), 2, "{calls:?}");
    assert!(calls.contains(&format!("POST /v1.0/users/{ALEX}/checkMemberGroups")), "{calls:?}");
    assert!(calls.contains(&format!("GET /v1.0/users/{ALEX}")), "{calls:?}");
    host.vote(&alex, &second, "approve").await.assert_outcome(200, "dispatched");
    assert_eq!(graph.calls().len(), 2);
}

#[tokio::test]
async fn who_is_in_no_group_or_may_not_sign_in_or_is_unknown_does_not_decide() {
    let (around, graph, host) = start().await;
    let id = around.ask_for_id(&host, ASKED).await;
    let [stranger, disabled, gone] = [1, 2, 3].map(Someone::number);
    graph.add(&disabled, RELEASERS);
    graph.disable(&disabled);
    graph.add(&gone, RELEASERS);
    graph.forget(&gone);

    for person in [stranger, disabled, gone] {
        let token = around.token_of(&person);
        host.vote(&token, &id, "approve").await.assert_outcome(403, "forbidden");
        host.vote(&token, &id, "reject").await.assert_outcome(403, "forbidden");
        assert_eq!(host.send(person.get("/api/approvals")).await.status, 403);
        assert_eq!(host.send(person.get(&page_of(&id))).await.status, 403);
        assert_eq!(host.send(person.press(&id, "approve", "")).await.status, 403);
    }
    assert_eq!(around.status(&host, &id).await["status"], "pending");
}

#[tokio::test]
async fn who_is_listed_by_name_or_id_needs_no_graph() {
    let (around, graph) = (Surroundings::start().await, Graph::start().await);
    around.github.expect_dispatches(2);
    graph.answer_with(Some(ResponseTemplate::new(500)));
    for listed in [ALEX, ALEX_UPN] {
        let host = host(&around, &graph, &format!("{},{listed}", in_group(RELEASERS))).start().await;
        let id = around.ask_for_id(&host, ASKED).await;
        assert_eq!(host.send(Someone::alex().get(&page_of(&id))).await.status, 200);
        host.vote(&around.token_of(&Someone::alex()), &id, "approve").await.assert_outcome(200, "dispatched");
    }
    assert_eq!(graph.calls(), Vec::<String>::new());
}

#[tokio::test]
async fn while_graph_does_not_tell_nobody_decides_and_nothing_is_recorded() {
    let (around, graph, host) = start().await;
    around.github.expect_dispatches(1);
    graph.add(&Someone::alex(), RELEASERS);
    let id = around.ask_for_id(&host, ASKED).await;
    let alex = around.token_of(&Someone::alex());
    let json = |body: serde_json::Value| ResponseTemplate::new(200).set_body_json(body);
    for answer in [
        ResponseTemplate::new(500),
        ResponseTemplate::new(403),
        ResponseTemplate::new(401),
        ResponseTemplate::new(302).insert_header("Location", "https://evil.example"),
        json(json!({"value": [RELEASERS]})),
        json(json!({"accountEnabled": true})),
        json(json!({"value": [RELEASERS], "accountEnabled": null})),
        json(json!({"value": "x", "accountEnabled": true})),
        json(json!([])),
        ResponseTemplate::new(200).set_body_string("{"),
    ] {
        graph.answer_with(Some(answer));
        host.vote(&alex, &id, "approve").await.assert_outcome(424, "unavailable");
        host.vote(&alex, &id, "reject").await.assert_outcome(424, "unavailable");
        assert_eq!(host.send(Someone::alex().get(&page_of(&id))).await.status, 424);
    }
    let line = host.stderr_line("answered 403").await;
    assert!(line.contains("GroupMember.Read.All") && line.contains("User.Read.All"), "{line}");
    graph.answer_with(None);
    let seen = around.status(&host, &id).await;
    assert_eq!((&seen["status"], &seen["performers"]), (&json!("pending"), &json!([])));
    host.vote(&alex, &id, "approve").await.assert_outcome(200, "dispatched");
}

#[tokio::test]
async fn a_404_about_the_groups_of_a_known_account_makes_nobody_a_stranger() {
    let (around, graph, host) = start().await;
    graph.add(&Someone::alex(), RELEASERS);
    let id = around.ask_for_id(&host, ASKED).await;
    graph.lose_groups();
    let alex = around.token_of(&Someone::alex());
    host.vote(&alex, &id, "approve").await.assert_outcome(424, "unavailable");
    host.stderr_line("404 about the groups of an account").await;
}

#[tokio::test]
async fn a_slow_graph_is_waited_for_in_bounds_and_the_next_click_has_the_answer() {
    let (around, graph, host) = start().await;
    around.github.expect_dispatches(1);
    graph.add(&Someone::alex(), RELEASERS);
    graph.be_slow(Duration::from_millis(2_500));
    let id = around.ask_for_id(&host, ASKED).await;
    let alex = around.token_of(&Someone::alex());

    host.vote(&alex, &id, "approve").await.assert_outcome(424, "unavailable");
    host.vote(&alex, &id, "approve").await.assert_outcome(200, "dispatched");
    // The first look of the checks asks about the groups, perhaps by now.
    let of_people = graph.calls().into_iter().filter(|call| call.contains("/users/"));
    assert_eq!(of_people.count(), 2, "the request went on");
}

#[tokio::test]
async fn after_429_graph_is_left_alone_for_as_long_as_it_asks() {
    let (around, graph, host) = start().await;
    graph.add(&Someone::alex(), RELEASERS);
    graph.answer_with(Some(ResponseTemplate::new(429).insert_header("Retry-After", "3600")));
    let id = around.ask_for_id(&host, ASKED).await;
    let alex = around.token_of(&Someone::alex());

    host.vote(&alex, &id, "approve").await.assert_outcome(424, "unavailable");
    let calls = graph.calls().len();
    graph.answer_with(None);
    host.vote(&alex, &id, "approve").await.assert_outcome(424, "unavailable");
    assert_eq!(graph.calls().len(), calls);
}

#[tokio::test]
async fn the_votes_of_others_are_asked_about_again_where_they_decide() {
    let (around, graph) = (Surroundings::start().await, Graph::start().await);
    around.github.expect_dispatches(1);
    let store = crate::stores::Store::folder();
    let approvers = format!("{},{ALEX}", in_group(RELEASERS));
    let [sam, kim] = [1, 2].map(Someone::number);
    graph.add(&sam, RELEASERS);
    graph.add(&kim, RELEASERS);
    // Each process remembers for itself.
    let start = async || host(&around, &graph, &approvers).store(&store).start().await;
    let id = {
        let host = start().await;
        let id = around.ask_for_id(&host, BY_TWO).await;
        host.vote(&around.token_of(&sam), &id, "approve").await.assert_outcome(200, "counted");
        id
    };
    let alex = around.token_of(&Someone::alex());
    {
        let host = start().await;
        graph.answer_with(Some(ResponseTemplate::new(503)));
        host.vote(&alex, &id, "approve").await.assert_outcome(424, "unavailable");
        assert_eq!(around.status(&host, &id).await["status"], "pending");
        graph.answer_with(None);
    }
    graph.remove(&sam, RELEASERS);
    let host = start().await;
    host.vote(&alex, &id, "approve").await.assert_outcome(200, "counted");
    assert_eq!(around.status(&host, &id).await["status"], "pending");
    host.vote(&around.token_of(&kim), &id, "approve").await.assert_outcome(200, "dispatched");
    let seen = around.status(&host, &id).await;
    let ids: Vec<_> =
        seen["performers"].as_array().expect("performers").iter().map(|one| &one["id"]).collect();
    assert_eq!(ids, [&json!(ALEX), &json!(kim.object_id)]);
}

#[tokio::test]
async fn a_request_may_name_anybody_beside_a_group_and_both_must_hold() {
    let (around, graph, host) = start().await;
    around.github.expect_dispatches(2);
    let [sam, kim] = [1, 2].map(Someone::number);
    for person in [&Someone::alex(), &sam] {
        graph.add(person, RELEASERS);
    }
    graph.add(&sam, SECURITY);
    let by_name = format!(r#"{{"event_type":"go-live","approvers":["{}","{ALEX_UPN}"]}}"#, kim.upn);
    let id = around.ask_for_id(&host, &by_name).await;
    host.vote(&around.token_of(&sam), &id, "approve").await.assert_outcome(403, "forbidden");
    host.vote(&around.token_of(&kim), &id, "approve").await.assert_outcome(403, "forbidden");
    host.vote(&around.token_of(&Someone::alex()), &id, "approve").await.assert_outcome(200, "dispatched");

    let by_group = format!(r#"{{"event_type":"go-live","approvers":["group:{SECURITY}"]}}"#);
    let id = around.ask_for_id(&host, &by_group).await;
    host.vote(&around.token_of(&Someone::alex()), &id, "approve").await.assert_outcome(403, "forbidden");
    host.vote(&around.token_of(&sam), &id, "approve").await.assert_outcome(200, "dispatched");
}

#[tokio::test]
async fn a_relayed_click_is_checked_against_groups_last() {
    let (around, graph) = (Surroundings::start().await, Graph::start().await);
    around.github.expect_dispatches(1);
    graph.add(&Someone::alex(), RELEASERS);
    let host = host(&around, &graph, &in_group(RELEASERS)).start().await;
    let (alex, sam) = (around.token_of(&Someone::alex()), around.token_of(&Someone::number(1)));

    host.click_as(&alex, CLICK.replace("release-approved", "other")).await.assert_outcome(403, "forbidden");
    assert_eq!(graph.calls(), Vec::<String>::new());
    host.click_as(&sam, new_click()).await.assert_outcome(403, "forbidden");
    graph.answer_with(Some(ResponseTemplate::new(500)));
    host.click_as(&alex, new_click()).await.assert_outcome(424, "unavailable");
    graph.answer_with(None);
    host.click_as(&alex, new_click()).await.assert_outcome(200, "dispatched");
}

#[tokio::test]
async fn more_than_twenty_groups_are_asked_in_several_calls() {
    let (around, graph) = (Surroundings::start().await, Graph::start().await);
    around.github.expect_dispatches(1);
    let groups: Vec<_> = (0..45).map(|number| format!("{number:08x}-aaaa-4bbb-8ccc-444455556666")).collect();
    graph.add(&Someone::alex(), &groups[44]);
    let list: Vec<_> = groups.iter().map(|group| in_group(group)).collect();
    let host = host(&around, &graph, &list.join(",")).start().await;
    let id = around.ask_for_id(&host, ASKED).await;
    host.vote(&around.token_of(&Someone::alex()), &id, "approve").await.assert_outcome(200, "dispatched");
    assert_eq!(graph.calls().len(), 4);
}

#[tokio::test]
async fn where_there_is_a_bot_graph_is_called_as_it() {
    let (around, graph) = (Surroundings::start().await, Graph::start().await);
    around.github.expect_dispatches(1);
    graph.take_tokens_of(&around.authority.desk);
    graph.add(&Someone::alex(), RELEASERS);
    let host = host(&around, &graph, &in_group(RELEASERS))
        .setting("MicrosoftAppId", APP_ID)
        .setting("MicrosoftAppPassword", APP_PASSWORD)
        .setting("MicrosoftAppTenantId", crate::authority::TENANT)
        .start()
        .await;
    let id = around.ask_for_id(&host, ASKED).await;
    host.vote(&around.token_of(&Someone::alex()), &id, "approve").await.assert_outcome(200, "dispatched");
}

#[tokio::test]
async fn without_an_identity_a_group_is_misconfigured_and_the_log_says_so() {
    let around = Surroundings::start().await;
    let host = around.host(Mode::Payload).setting("APPROVERS", &in_group(RELEASERS)).start().await;
    let id = around.ask_for_id(&host, ASKED).await;
    host.vote(&around.token_of(&Someone::alex()), &id, "approve").await.assert_outcome(424, "misconfigured");
    let line = host.stderr_line("Microsoft Graph").await;
    assert!(line.contains("managed identity"), "{line}");
}

#[tokio::test]
async fn the_check_calls_public_dynamic_and_unknown_groups_wrong() {
    let (around, graph) = (Surroundings::start().await, Graph::start().await);
    let approvers = format!("{},{},{ALEX}", in_group(RELEASERS), in_group(SECURITY));
    let looked = async || {
        let host = host(&around, &graph, &approvers).start().await;
        let request = Someone::alex().browse(Request::get("/api/approvals/check?format=json"));
        let answer = host.send(request).await.json();
        let checks = answer["checks"].as_array().expect("checks").clone();
        let policy = checks.into_iter().find(|check| check["name"] == "policy").expect("policy");
        let text = |name: &str| policy[name].as_str().expect("a text").to_owned();
        (text("state"), text("message"))
    };
    let (state, message) = looked().await;
    assert_eq!(state, "well", "{message}");
    for (shown, words) in [
        (Some(json!({"visibility": "Public", "groupTypes": ["Unified"]})), "public"),
        (Some(json!({"visibility": null, "groupTypes": ["DynamicMembership"]})), "dynamic"),
        (None, "no group"),
    ] {
        graph.show_group(SECURITY, shown);
        let (state, message) = looked().await;
        assert!(state == "wrong" && message.contains(words) && message.contains(SECURITY), "{message}");
    }
    graph.answer_with(Some(ResponseTemplate::new(403)));
    let (state, message) = looked().await;
    assert!(state == "wrong" && message.contains("GroupMember.Read.All"), "{message}");
}
