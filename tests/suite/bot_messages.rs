//! Approving inside Teams: what the bot posts, what a click in its card does, and what it answers to everything else.

use serde_json::{Value, json};
use wiremock::ResponseTemplate;

use crate::{
    actions::SHA,
    activities::Activity,
    connector::{BotConnector, CHANNEL_ID, Fault, Message, PERSONAL_CHAT, TEAM_ID, teams_id},
    deployment::{ASKED, Someone, Surroundings, text},
    functions_host::{Builder, FunctionsHost, Mode},
    github::github_error,
    github_compare::by,
    graph::{Graph, RELEASERS},
    handler_process::{ANSWERED_WITHIN, until},
    http1::{Answer, Request},
    relay::CLICK,
    stores::Store,
    tokens::{ALEX, ALEX_NAME, ALEX_UPN, Token, in_seconds},
};

in_one_mode! {
    a_click_in_the_card_decides_and_the_card_says_so_to_everybody
    the_comment_goes_along
    a_click_that_is_delivered_twice_counts_once
    a_refresh_shows_how_it_stands_and_never_decides
    a_reject_and_a_late_approve_are_told_what_happened
    each_vote_is_shown_to_everybody
    approvers_by_name_are_asked_for_at_teams
    who_is_no_approver_is_told_so
    an_old_client_votes_with_a_message
    a_message_cards_button_takes_the_relays_way
    a_team_that_adds_the_bot_is_told_the_channels_id
    who_asks_for_what_waits_gets_a_list
    everything_else_is_answered_and_does_nothing
    what_cannot_be_believed_is_401_and_does_nothing
    what_cannot_be_read_is_told_so
    a_vote_elsewhere_changes_the_card_too
    without_a_bot_nothing_is_believed
}

struct Teams {
    around: Surroundings,
    connector: BotConnector,
}

impl Teams {
    async fn start() -> Self {
        let around = Surroundings::start().await;
        let connector = BotConnector::start(&around.authority.desk).await;
        Self { around, connector }
    }

    async fn with_host(mode: Mode) -> (Self, FunctionsHost) {
        let teams = Self::start().await;
        let host = teams.host(mode).start().await;
        (teams, host)
    }

    fn host(&self, mode: Mode) -> Builder {
        self.around.host(mode).settings(self.connector.settings())
    }

    /// Asks, and gives the id and the message that the bot posted.
    async fn ask(&self, host: &FunctionsHost, body: &str) -> (String, Message) {
        let asked = self.around.ask(host, body).await;
        assert_eq!(asked["posted"], "bot", "{asked}");
        (text(&asked["id"]), self.message())
    }

    /// The newest message of the bot.
    fn message(&self) -> Message {
        self.connector.messages().pop().expect("a message")
    }

    /// Somebody presses this button of the newest state of the card, which sends what the card says it sends.
    fn press(&self, person: &Someone, message: &Message, title: &str, comment: &str) -> Activity {
        let card = message.cards.last().expect("a card");
        let button = button(card, title).unwrap_or_else(|| panic!("no {title} on {card}"));
        let mut data = button["data"].clone();
        if !comment.is_empty() {
            data["comment"] = comment.into();
        }
        Activity::click(&self.connector, person, message, button["verb"].as_str().expect("a verb"), data)
    }

    /// Waits until the newest message shows this, and can be decided on no more.
    async fn until_decided(&self, word: &str) -> Value {
        self.until(|card| card.to_string().contains(word) && button(card, "Approve").is_none()).await
    }

    /// Waits until the newest message shows this.
    async fn until_shown(&self, words: &str) -> Value {
        self.until(|card| card.to_string().contains(words)).await
    }

    async fn until(&self, shows: impl Fn(&Value) -> bool) -> Value {
        until("the card is changed", async || self.message().cards.last().is_some_and(&shows)).await;
        self.message().cards.pop().expect("a card")
    }
}

/// The button of this title, wherever it stands.
pub fn button(card: &Value, title: &str) -> Option<Value> {
    match card {
        Value::Object(members) if card["title"] == title && members.contains_key("type") => {
            Some(card.clone())
        }
        Value::Object(members) => members.values().find_map(|value| button(value, title)),
        Value::Array(values) => values.iter().find_map(|value| button(value, title)),
        _ => None,
    }
}

impl Answer {
    /// The answer that stands inside, whose type is this.
    #[track_caller]
    pub fn inside(&self, status: u16, kind: &str) -> Value {
        assert_eq!(self.status, 200, "{}", self.text());
        let json = self.json();
        assert_eq!((&json["statusCode"], &json["type"]), (&json!(status), &json!(kind)), "{json}");
        json["value"].clone()
    }

    #[track_caller]
    pub fn card(&self) -> Value {
        self.inside(200, "application/vnd.microsoft.card.adaptive")
    }

    #[track_caller]
    pub fn error(&self, status: u16, code: &str) -> String {
        let error = self.inside(status, "application/vnd.microsoft.error");
        assert_eq!(error["code"], code, "{error}");
        text(&error["message"])
    }
}

async fn a_click_in_the_card_decides_and_the_card_says_so_to_everybody(mode: Mode) {
    let (teams, host) = Teams::with_host(mode).await;
    teams.around.github.expect_dispatches(1);
    let (id, message) = teams.ask(&host, ASKED).await;
    assert_eq!(message.cards[0]["version"], "1.4");

    let answer = host.send(teams.press(&Someone::alex(), &message, "Approve", "").request()).await;
    let card = answer.card();
    let shown = card.to_string();
    assert!(shown.contains("GitHub accepted go-live") && shown.contains("Approved"), "{shown}");
    assert!(button(&card, "Approve").is_none(), "{shown}");
    let seen = teams.around.status(&host, &id).await;
    assert_eq!((&seen["status"], &seen["posted"]), (&json!("approved"), &json!("bot")));
    assert_eq!(
        (&seen["performers"][0]["id"], &seen["performers"][0]["name"]),
        (&json!(ALEX), &json!(ALEX_NAME))
    );
    let card = teams.until_decided("Approved").await;
    assert!(card.to_string().contains(ALEX_NAME), "{card}");
    let posted = teams.connector.messages().pop().expect("a message");
    assert_eq!(posted.summaries.first(), Some(&json!("Waiting for approval: octo/app")));
    assert_eq!(posted.summaries.last(), Some(&json!("Approved: octo/app")));
    let line = host.stderr_line("Messages: dispatched").await;
    assert!(line.contains(&format!("by {ALEX}")) && !line.contains(ALEX_NAME), "{line}");
}

async fn the_comment_goes_along(mode: Mode) {
    let (teams, host) = Teams::with_host(mode).await;
    let (id, message) = teams.ask(&host, ASKED).await;

    let click = teams.press(&Someone::alex(), &message, "Reject", "Not on a Friday.\r\nSorry.");
    host.send(click.request()).await.card();
    let seen = teams.around.status(&host, &id).await;
    assert_eq!(seen["performers"][0]["comment"], "Not on a Friday.\nSorry.");
}

async fn a_click_that_is_delivered_twice_counts_once(mode: Mode) {
    let (teams, host) = Teams::with_host(mode).await;
    teams.around.github.expect_dispatches(1);
    let (_, message) = teams.ask(&host, ASKED).await;
    let click = teams.press(&Someone::alex(), &message, "Approve", "");

    let (once, twice) = tokio::join!(host.send(click.request()), host.send(click.request()));
    for answer in [once, twice, host.send(click.request()).await] {
        assert!(answer.card().to_string().contains("Approved"), "{}", answer.text());
    }
}

async fn a_refresh_shows_how_it_stands_and_never_decides(mode: Mode) {
    let (teams, store) = (Teams::start().await, Store::folder());
    let host = teams.host(mode).store(&store).start().await;
    let (id, message) = teams.ask(&host, ASKED).await;
    let before = store.objects_with_changes().await;

    let data = json!({"approval": id, "verdict": "approve"});
    let alex = Someone::alex();
    for activity in [
        Activity::refresh(&teams.connector, &alex, &message, "approve", data.clone()),
        Activity::refresh(&teams.connector, &alex, &message, "refresh", data.clone()),
        Activity::click(&teams.connector, &alex, &message, "refresh", data),
    ] {
        let card = host.send(activity.request()).await.card();
        assert!(button(&card, "Approve").is_some(), "{card}");
    }
    assert_eq!(store.objects().await, before);
}

async fn a_reject_and_a_late_approve_are_told_what_happened(mode: Mode) {
    let (teams, host) = Teams::with_host(mode).await;
    let (_, message) = teams.ask(&host, ASKED).await;
    let (alex, sam) = (Someone::alex(), Someone::number(1));

    let rejected = host.send(teams.press(&alex, &message, "Reject", "").request()).await.card().to_string();
    assert!(rejected.contains("Rejected. Nothing is sent"), "{rejected}");
    let late = host.send(teams.press(&sam, &message, "Approve", "").request()).await.card().to_string();
    assert!(late.contains("Already rejected"), "{late}");
    teams.until_decided("Rejected").await;
}

async fn each_vote_is_shown_to_everybody(mode: Mode) {
    let (teams, host) = Teams::with_host(mode).await;
    teams.around.github.expect_dispatches(1);
    let (_, message) = teams.ask(&host, r#"{"event_type":"go-live","approvals_required":2}"#).await;

    let counted = host.send(teams.press(&Someone::alex(), &message, "Approve", "").request()).await.card();
    assert!(counted.to_string().contains("1 of 2"), "{counted}");
    let card = teams.until_shown(ALEX_NAME).await;
    assert!(button(&card, "Approve").is_some(), "{card}");
    host.send(teams.press(&Someone::number(1), &message, "Approve", "").request()).await.card();
    teams.until_shown("Person 1").await;
}

async fn approvers_by_name_are_asked_for_at_teams(mode: Mode) {
    let teams = Teams::start().await;
    teams.around.github.expect_dispatches(2);
    let host = teams.host(mode).setting("APPROVERS", ALEX_UPN).start().await;
    let (_, message) = teams.ask(&host, ASKED).await;
    let alex = Someone::alex();

    teams.connector.fail_next([Fault::Instead(ResponseTemplate::new(502))]);
    let told = host.send(teams.press(&alex, &message, "Approve", "").request()).await;
    assert!(told.error(500, "unavailable").contains("object id"), "{}", told.text());
    host.send(teams.press(&alex, &message, "Approve", "").request()).await.card();
    // The same for a card of the article's kind.
    let relayed = Activity::execute(&teams.connector, &alex, &message, CLICK);
    host.send(relayed.request()).await.inside(200, "application/vnd.microsoft.activity.message");
    // Somebody with Alex's name, which people choose, is not Alex.
    let impostor = Someone { name: ALEX_UPN.to_owned(), ..Someone::number(1) };
    teams.connector.add_member(&impostor);
    let told = host.send(teams.press(&impostor, &message, "Approve", "").request()).await;
    told.error(400, "forbidden");
}

#[tokio::test]
async fn in_teams_a_member_of_a_group_decides_and_others_do_not() {
    let (teams, graph) = (Teams::start().await, Graph::start().await);
    teams.around.github.expect_dispatches(1);
    graph.take_tokens_of(&teams.around.authority.desk);
    let [graph_url, ..] = graph.settings();
    let approvers = format!("group:{RELEASERS},sam@contoso.com");
    let host = teams.host(Mode::Payload).settings([graph_url]).setting("APPROVERS", &approvers).start().await;
    let (_, message) = teams.ask(&host, ASKED).await;
    let (alex, other) = (Someone::alex(), Someone::number(1));
    teams.connector.add_member(&other);
    graph.add(&alex, RELEASERS);

    host.send(teams.press(&other, &message, "Approve", "").request()).await.error(400, "forbidden");
    graph.answer_with(Some(ResponseTemplate::new(500)));
    let told = host.send(teams.press(&alex, &message, "Approve", "").request()).await;
    assert!(told.error(500, "unavailable").contains("group"), "{}", told.text());
    graph.answer_with(None);
    host.send(teams.press(&alex, &message, "Approve", "").request()).await.card();
}

#[tokio::test]
async fn a_card_that_teams_refuses_is_logged_at_once_with_the_code() {
    let teams = Teams::start().await;
    let host = teams.host(Mode::Payload).start().await;
    let error =
        json!({"error": {"code": "BotNotInConversationRoster", "message": "The bot is not part of it."}});
    teams.connector.fail_next([Fault::Instead(ResponseTemplate::new(403).set_body_json(error))]);

    let asked = teams.around.ask(&host, ASKED).await;
    assert_eq!(asked["posted"], "pending");
    let line = host.stderr_line("card of approval").await;
    assert!(line.contains("WARN") && line.contains(&text(&asked["id"])[..12]), "{line}");
    assert!(
        line.contains("attempt 1: the Bot Connector answered 403 (BotNotInConversationRoster)"),
        "{line}"
    );
    assert!(line.contains("next attempt not before 20") && !line.contains("not part of it"), "{line}");
}

/// Nobody can know whether they are listed: they are told what to do about it, and not that they are no approver.
#[tokio::test]
async fn of_whom_teams_tells_no_name_is_told_to_have_the_object_id_listed() {
    let teams = Teams::start().await;
    let host = teams.host(Mode::Payload).setting("APPROVERS", ALEX_UPN).start().await;
    let (id, message) = teams.ask(&host, ASKED).await;
    let alex = Someone::alex();
    let member = |name: Value| {
        let member = json!({"id": teams_id(&alex), "email": ALEX_UPN, "userPrincipalName": name});
        Fault::Instead(ResponseTemplate::new(200).set_body_json(member))
    };
    let only_email = json!({"id": teams_id(&alex), "email": ALEX_UPN});
    let only_email = Fault::Instead(ResponseTemplate::new(200).set_body_json(only_email));

    for fault in [only_email, member(Value::Null), member(json!(""))] {
        teams.connector.fail_next([fault]);
        let told =
            host.send(teams.press(&alex, &message, "Approve", "").request()).await.error(400, "forbidden");
        assert!(told.contains("object id") && !told.contains("contoso"), "{told}");
    }
    // Somebody who is not in the team.
    let stranger = teams.press(&Someone::number(7), &message, "Approve", "");
    let told = host.send(stranger.request()).await.error(400, "forbidden");
    assert!(told.contains("object id"), "{told}");
    assert_eq!(teams.around.status(&host, &id).await["performers"], json!([]));

    // Asked by the team, or by the channel where no team is named; never by the thread.
    teams.around.github.expect_dispatches(1);
    let press = teams.press(&alex, &message, "Approve", "").without("channelData/team");
    host.send(press.request()).await.card();
    let asked: Vec<_> = teams.connector.calls().into_iter().filter(|call| call.method == "GET").collect();
    let rosters: Vec<_> = asked.iter().map(|call| call.ids[0].as_str()).collect();
    assert_eq!(rosters, [TEAM_ID, TEAM_ID, TEAM_ID, TEAM_ID, CHANNEL_ID]);
}

/// A message in answer to a click or a refresh, in place of a card.
pub const TEXT: &str = "application/vnd.microsoft.activity.message";

#[tokio::test]
async fn a_refresh_shows_the_card_to_those_who_may_decide_and_tells_everybody_else_why_not() {
    let teams = Teams::start().await;
    let host =
        teams.host(Mode::Payload).setting("APPROVERS", &format!("{ALEX},sam@contoso.com")).start().await;
    let (alex, sam, other) = (Someone::alex(), Someone::number(1), Someone::number(2));
    let sam = Someone { upn: "sam@contoso.com".to_owned(), ..sam };
    teams.connector.add_member(&sam);
    teams.connector.add_member(&other);
    let (id, message) = teams.ask(&host, ASKED).await;
    let refresh = |person: &Someone, id: &str| {
        Activity::refresh(&teams.connector, person, &message, "refresh", json!({"approval": id}))
    };

    for person in [&alex, &sam] {
        let card = host.send(refresh(person, &id).request()).await.card();
        assert!(button(&card, "Approve").is_some(), "{card}");
    }
    let told = async |activity: Activity| text(&host.send(activity.request()).await.inside(200, TEXT));
    assert!(told(refresh(&other, &id)).await.contains("not one of the APPROVERS"));
    assert!(told(refresh(&Someone::number(3), &id)).await.contains("list your object id"));
    for nobody in [
        refresh(&alex, &id).without("from/aadObjectId"),
        refresh(&alex, &id).with("from/aadObjectId", Value::Null),
        refresh(&alex, &id).with("from/aadObjectId", "alex@contoso.com"),
    ] {
        assert!(told(nobody).await.contains("no object id"));
    }
    // A request that only Alex may decide on shows itself to Alex.
    let narrow = format!(r#"{{"event_type":"go-live","approvers":["{ALEX}"]}}"#);
    let (narrow, _) = teams.ask(&host, &narrow).await;
    host.send(refresh(&alex, &narrow).request()).await.card();
    assert!(told(refresh(&sam, &narrow)).await.contains("the request names other approvers"));
    host.send(refresh(&alex, &"0".repeat(44)).request()).await.error(400, "unknown");
    assert!(teams.connector.messages().iter().all(|message| message.cards.len() == 1), "no card is changed");
}

#[tokio::test]
async fn who_has_no_object_id_gets_a_sentence_for_every_click() {
    let teams = Teams::start().await;
    let host = teams.host(Mode::Payload).start().await;
    let (id, message) = teams.ask(&host, ASKED).await;
    let alex = Someone::alex();

    for click in [
        teams.press(&alex, &message, "Approve", "").without("from/aadObjectId"),
        teams.press(&alex, &message, "Approve", "").with("from/aadObjectId", "8:orgid:alex"),
        Activity::execute(&teams.connector, &alex, &message, CLICK).without("from/aadObjectId"),
    ] {
        let told = host.send(click.request()).await.error(400, "forbidden");
        assert!(told.contains("no object id") && !told.contains("Outlook"), "{told}");
    }
    host.stderr_line("Messages: forbidden").await;
    let submit =
        Activity::submit(&teams.connector, &alex, &message, json!({"approval": id, "verdict": "approve"}));
    assert_eq!(host.send(submit.without("from/aadObjectId").request()).await.status, 200);
    let said = text(&teams.connector.said().pop().expect("an answer").1["text"]);
    assert!(said.contains("no object id"), "{said}");
    assert_eq!(teams.around.status(&host, &id).await["performers"], json!([]));
    assert_eq!(teams.message().cards.len(), 1);
}

#[tokio::test]
async fn in_a_chat_the_bot_says_where_to_click_and_shows_no_card() {
    let teams = Teams::start().await;
    let host = teams.host(Mode::Payload).start().await;
    let (id, message) = teams.ask(&host, r#"{"event_type":"go-live","approvals_required":2}"#).await;
    let alex = Someone::alex();
    let chat = |activity: Activity| activity.in_chat().request();

    for activity in [
        Activity::mention(&teams.connector, &alex, "pending"),
        Activity::of(&teams.connector, &alex, "message").with("text", "hello"),
        Activity::added(&teams.connector, &alex),
    ] {
        assert_eq!(host.send(chat(activity)).await.status, 200);
        let (conversation, said) = teams.connector.said().pop().expect("an answer");
        let said = text(&said["text"]);
        assert_eq!(conversation, PERSONAL_CHAT);
        assert!(said.contains("in the channel") && said.contains("/api/approvals"), "{said}");
    }
    assert_eq!(teams.connector.said().len(), 3);

    let data = json!({"approval": id});
    let refresh = Activity::refresh(&teams.connector, &alex, &message, "refresh", data);
    let told = text(&host.send(chat(refresh)).await.inside(200, TEXT));
    assert!(told.contains("in the channel"), "{told}");
    // Whoever may vote has voted, wherever the card has come to.
    let told = text(&host.send(chat(teams.press(&alex, &message, "Approve", ""))).await.inside(200, TEXT));
    assert!(told.contains("1 of 2"), "{told}");
    teams.until_shown("1 of 2").await;
}

#[tokio::test]
async fn pending_is_understood_however_it_is_written_and_answered_to_those_who_may_decide() {
    let teams = Teams::start().await;
    let host = teams.host(Mode::Payload).setting("APPROVERS", ALEX).start().await;
    let alex = Someone::alex();
    let say = |person: &Someone, text: &str| {
        Activity::mention(&teams.connector, person, "").with("text", text).request()
    };
    let said = || text(&teams.connector.said().pop().expect("an answer").1["text"]);

    let texts = [
        "<at>ApproveRelease</at>&nbsp;pending",
        "<p><at>ApproveRelease</at> pending</p>",
        "<at id=\"0\">ApproveRelease</at> pending?",
        "Pending.",
    ];
    for (count, text) in (1..).zip(texts) {
        host.send(say(&alex, text)).await;
        assert_eq!(teams.connector.said().len(), count, "{text}");
        assert!(said().contains("Nothing waits"), "{}", said());
    }
    host.send(say(&Someone::number(1), "pending")).await;
    assert!(said().contains("not one of the APPROVERS"), "{}", said());
    let nobody = Activity::mention(&teams.connector, &alex, "pending").without("from/aadObjectId");
    host.send(nobody.request()).await;
    assert!(said().contains("no object id"), "{}", said());
}

async fn who_is_no_approver_is_told_so(mode: Mode) {
    let teams = Teams::start().await;
    let host = teams.host(mode).setting("APPROVERS", ALEX).start().await;
    let (id, message) = teams.ask(&host, ASKED).await;

    let told = host.send(teams.press(&Someone::number(1), &message, "Approve", "").request()).await;
    assert!(told.error(400, "forbidden").contains("APPROVERS"), "{}", told.text());
    let unknown = json!({"approval": "0".repeat(44), "verdict": "approve"});
    let unknown = Activity::click(&teams.connector, &Someone::alex(), &message, "approve", unknown);
    host.send(unknown.request()).await.error(400, "unknown");
    assert_eq!(teams.around.status(&host, &id).await["performers"], json!([]));
}

async fn an_old_client_votes_with_a_message(mode: Mode) {
    let (teams, host) = Teams::with_host(mode).await;
    teams.around.github.expect_dispatches(1);
    let (_, message) = teams.ask(&host, ASKED).await;
    let fallback = button(&message.cards[0], "Approve").expect("a button")["fallback"].clone();
    assert_eq!(fallback["type"], "Action.Submit");

    let submit = Activity::submit(&teams.connector, &Someone::alex(), &message, fallback["data"].clone());
    assert_eq!(host.send(submit.request()).await.status, 200);
    let (conversation, said) = teams.connector.said().pop().expect("an answer");
    assert_eq!(conversation, message.conversation);
    assert!(text(&said["text"]).contains("GitHub accepted go-live"), "{said}");
    teams.until_decided("Approved").await;
}

async fn a_message_cards_button_takes_the_relays_way(mode: Mode) {
    let (teams, host) = Teams::with_host(mode).await;
    teams.around.github.expect_dispatches(1);
    let (_, message) = teams.ask(&host, ASKED).await;
    let execute =
        |body: &str| Activity::execute(&teams.connector, &Someone::alex(), &message, body).request();

    let sentence = host.send(execute(CLICK)).await.inside(200, "application/vnd.microsoft.activity.message");
    assert!(text(&sentence).contains("GitHub accepted release-approved"), "{sentence}");
    host.send(execute(r#"{"event_type":"go-live"}"#)).await.error(400, "forbidden");
    host.send(execute("{")).await.error(400, "invalid");
}

async fn a_team_that_adds_the_bot_is_told_the_channels_id(mode: Mode) {
    let teams = Teams::start().await;
    let host = teams.host(mode).without("TEAMS_CHANNEL_ID").start().await;

    let added = Activity::added(&teams.connector, &Someone::alex());
    assert_eq!(host.send(added.request()).await.status, 200);
    let (_, said) = teams.connector.said().pop().expect("a welcome");
    let said = text(&said["text"]);
    assert!(said.contains(CHANNEL_ID) && said.contains("TEAMS_CHANNEL_ID"), "{said}");
    // Others who come are none of its business.
    let other = added.with("membersAdded", json!([{"id": "29:somebody"}]));
    assert_eq!(host.send(other.request()).await.status, 200);
    assert_eq!(teams.connector.said().len(), 1);
}

async fn who_asks_for_what_waits_gets_a_list(mode: Mode) {
    let (teams, host) = Teams::with_host(mode).await;
    let (alex, said) =
        (Someone::alex(), || text(&teams.connector.said().pop().expect("an answer").1["text"]));

    host.send(Activity::mention(&teams.connector, &alex, "pending").request()).await;
    assert!(said().contains("Nothing waits"), "{}", said());
    let (id, _) = teams.ask(&host, r#"{"event_type":"go-live","title":"Release <b>1.4.2</b>"}"#).await;
    host.send(Activity::mention(&teams.connector, &alex, "what is Pending?").request()).await;
    host.send(Activity::mention(&teams.connector, &alex, "pending").request()).await;
    assert!(said().contains("Release <b>1.4.2</b>") && said().contains(&id), "{}", said());
    let count = teams.connector.said().len();
    for activity in [
        Activity::mention(&teams.connector, &alex, "hello"),
        Activity::mention(&teams.connector, &alex, "pending")
            .with("channelData/channel/id", "19:elsewhere@thread.tacv2"),
    ] {
        assert_eq!(host.send(activity.request()).await.status, 200);
    }
    assert_eq!(teams.connector.said().len(), count);
}

async fn everything_else_is_answered_and_does_nothing(mode: Mode) {
    let (teams, store) = (Teams::start().await, Store::folder());
    let host = teams.host(mode).store(&store).start().await;
    let alex = Someone::alex();

    for (kind, status) in
        [("messageReaction", 200), ("installationUpdate", 200), ("typing", 200), ("event", 200)]
    {
        let answer = host.send(Activity::of(&teams.connector, &alex, kind).request()).await;
        assert_eq!(answer.status, status, "{kind}: {}", answer.text());
    }
    for name in ["composeExtension/query", "task/fetch", "signin/verifyState"] {
        assert_eq!(
            host.send(Activity::invoke(&teams.connector, &alex, name).request()).await.status,
            501,
            "{name}"
        );
    }
    assert_eq!(store.objects().await, [""; 0]);
    assert!(teams.connector.said().is_empty());
}

// T15
async fn what_cannot_be_believed_is_401_and_does_nothing(mode: Mode) {
    let (teams, store) = (Teams::start().await, Store::folder());
    let host = teams.host(mode).store(&store).start().await;
    let (_, message) = teams.ask(&host, ASKED).await;
    let before = store.objects_with_changes().await;
    let good = || teams.press(&Someone::alex(), &message, "Approve", "");

    let other = "11111111-2222-4333-8444-555566667777";
    for (about, bad) in [
        ("another channel", good().with("channelId", "webchat")),
        ("no channel", good().without("channelId")),
        ("another service", good().with("serviceUrl", "https://evil.example/teams")),
        ("no service", good().without("serviceUrl")),
        ("another tenant", good().with("conversation/tenantId", other)),
        ("another tenant, said by Teams", good().with("channelData/tenant/id", other)),
        ("no GUID", good().with("channelData/tenant/id", "contoso.com")),
        ("no tenant", good().without("conversation/tenantId").without("channelData/tenant")),
        ("another bot's token", good().token(|token| token.claim("aud", other))),
        ("an old token", good().token(|token| token.claim("exp", in_seconds(-301)))),
        ("another issuer's", good().token(|token| token.claim("iss", "https://sts.windows.net/x/"))),
        ("no service in the token", good().token(|token| token.without("serviceurl"))),
        ("a person's token", good().token(|_| Token::of_job(&teams.around.actions))),
    ] {
        println!("{about}");
        host.send(bad.request()).await.assert_outcome(401, "unauthenticated");
    }
    let bare = Request::post("/api/messages").json(good().body.to_string());
    host.send(bare).await.assert_outcome(401, "unauthenticated");
    // Nobody: the object id is who clicked, and nothing else is.
    let nobody = good().without("from/aadObjectId");
    host.send(nobody.request()).await.error(400, "forbidden");
    assert_eq!(store.objects().await, before);
    assert_eq!(teams.message().cards.len(), 1);
}

async fn what_cannot_be_read_is_told_so(mode: Mode) {
    let (teams, host) = Teams::with_host(mode).await;
    let token = Activity::of(&teams.connector, &Someone::alex(), "message").token.sign();
    let post = |body: &str| {
        Request::post("/api/messages").json(body).header("Authorization", &format!("Bearer {token}"))
    };

    for body in
        ["{", "[]", "null", r#"{"type":1}"#, r#"{"type":"invoke","from":7}"#, r#"{"channelId":"msteams"}"#]
    {
        host.send(post(body)).await.assert_outcome(400, "invalid");
    }
    host.send(post(&format!(r#"{{"type":"{}"}}"#, "x".repeat(64_000))))
        .await
        .assert_outcome(413, "too-large");
    let (_, message) = teams.ask(&host, ASKED).await;
    for data in [json!(null), json!([]), json!({"approval": 1}), json!({"approval": "x", "verdict": "maybe"})]
    {
        let click = Activity::click(&teams.connector, &Someone::alex(), &message, "approve", data.clone());
        host.send(click.request()).await.error(400, "invalid");
    }
}

async fn a_vote_elsewhere_changes_the_card_too(mode: Mode) {
    let (teams, host) = Teams::with_host(mode).await;
    teams.around.github.expect_dispatches(1);
    let (id, _) = teams.ask(&host, r#"{"event_type":"go-live","approvals_required":2}"#).await;

    let page = host.send(Someone::alex().press(&id, "approve", "from the page")).await;
    assert_eq!(page.status, 200, "{}", page.text());
    teams.until_shown("from the page").await;
    host.vote(&teams.around.token_of(&Someone::number(1)), &id, "approve")
        .await
        .assert_outcome(200, "dispatched");
    teams.until_decided("Approved").await;
}

async fn without_a_bot_nothing_is_believed(mode: Mode) {
    let teams = Teams::start().await;
    let host = teams.around.host(mode).start().await;
    let message = Message {
        conversation: CHANNEL_ID.to_owned(),
        activity: "1".to_owned(),
        cards: Vec::new(),
        summaries: Vec::new(),
    };
    let click = Activity::click(&teams.connector, &Someone::alex(), &message, "approve", json!({}));

    host.send(click.request()).await.assert_outcome(401, "unauthenticated");
    host.stderr_line("MicrosoftAppId").await;
}

/// A client may cut an emoji in two: in a name, in a comment, and in the body of a button.
#[tokio::test]
async fn half_a_character_loses_no_click() {
    let teams = Teams::start().await;
    teams.around.github.expect_dispatches(2);
    let host = teams.host(Mode::Payload).start().await;
    let (id, message) = teams.ask(&host, ASKED).await;
    let half =
        |activity: Activity| activity.request_of(activity.body.to_string().replace('\u{fffd}', r"\ud83d"));

    let alex = Someone { name: "Alex \u{fffd}".to_owned(), ..Someone::alex() };
    host.send(half(teams.press(&alex, &message, "Approve", "Yes \u{fffd}"))).await.card();
    let seen = teams.around.status(&host, &id).await;
    assert_eq!(
        (&seen["performers"][0]["name"], &seen["performers"][0]["comment"]),
        (&json!("Alex \u{fffd}"), &json!("Yes \u{fffd}"))
    );
    let body = r#"{"event_type":"release-approved","client_payload":{"note":"\ud83d"}}"#;
    let relayed = Activity::execute(&teams.connector, &alex, &message, body);
    host.send(relayed.request()).await.inside(200, "application/vnd.microsoft.activity.message");
    let dispatched = teams.around.github.dispatches().pop().expect("a dispatch");
    assert_eq!(dispatched.client_payload(), r#"{"note":"\ufffd"}"#);
}

/// Teams shows an error after five seconds, so an answer comes before that, whatever Teams itself does.
#[tokio::test]
async fn an_answer_comes_in_time_though_teams_is_slow() {
    let teams = Teams::start().await;
    let host = teams.host(Mode::Payload).setting("APPROVERS", ALEX_UPN).start().await;
    let (_, message) = teams.ask(&host, ASKED).await;
    teams.connector.answer_calls_after(std::time::Duration::from_secs(30));

    let began = std::time::Instant::now();
    let told = host.send(teams.press(&Someone::alex(), &message, "Approve", "").request()).await;
    assert!(told.error(500, "unavailable").contains("object id"), "{}", told.text());
    let submit = Activity::mention(&teams.connector, &Someone::alex(), "pending");
    assert_eq!(host.send(submit.request()).await.status, 200);
    assert!(began.elapsed() < 2 * ANSWERED_WITHIN, "{:?} for both", began.elapsed());
}

/// Bot, page and mail at once: one decision, and the card shows it in the end.
#[tokio::test]
async fn bot_page_and_mail_at_once_come_to_one_decision_that_the_card_shows() {
    let (teams, store) = (Teams::start().await, Store::folder());
    let mut hosts = [
        teams.host(Mode::Payload).store(&store).start().await,
        teams.host(Mode::Forwarding).store(&store).start().await,
    ];
    let rounds = 6;
    let (mut dispatched, mut words) = (0, Vec::new());
    for round in 0..rounds {
        let (id, message) =
            teams.ask(&hosts[0], &format!(r#"{{"event_type":"go-live","title":"{round}"}}"#)).await;
        let mail = teams.around.token_of(&Someone::number(2));
        let (bot, page, mail) = tokio::join!(
            hosts[0].send(teams.press(&Someone::alex(), &message, "Approve", "").request()),
            hosts[1].send(Someone::number(1).press(&id, "reject", "")),
            hosts[round % 2].vote(&mail, &id, "approve"),
        );
        assert!([bot.status, page.status, mail.status].iter().all(|status| [200, 409].contains(status)));
        let status = text(&teams.around.status(&hosts[1], &id).await["status"]);
        let word = if status == "approved" { "Approved" } else { "Rejected" };
        dispatched += usize::from(status == "approved");
        teams.until_decided(word).await;
        words.push(word);
    }
    // Once they have ended no card changes any more.
    for host in &mut hosts {
        host.terminate();
        host.until_exit().await;
    }
    for (message, word) in teams.connector.messages().iter().zip(words) {
        let last = message.cards.last().expect("a card");
        assert!(last.to_string().contains(word) && button(last, "Approve").is_none(), "{last}");
    }
    teams.around.github.expect_dispatches(dispatched);
}

// T40
#[tokio::test]
async fn who_started_the_run_sees_a_card_in_teams_that_lets_them_reject_alone() {
    let teams = Teams::start().await;
    teams.around.github.expect_dispatches(1);
    let logins = format!("octocat={ALEX_UPN}");
    let host = teams.host(Mode::Payload).setting("SELF_APPROVAL", "deny").setting("GITHUB_LOGINS", &logins);
    let host = host.start().await;
    let (alex, sam, stranger) = (Someone::alex(), Someone::number(1), Someone::number(7));
    teams.connector.add_member(&sam);
    let (id, message) = teams.ask(&host, ASKED).await;
    let refresh = |person: &Someone| {
        Activity::refresh(&teams.connector, person, &message, "refresh", json!({"approval": id}))
    };
    // Only the names of Teams tell them apart.
    let card = host.send(refresh(&alex).request()).await.card();
    assert!(button(&card, "Approve").is_none() && button(&card, "Reject").is_some(), "{card}");
    assert!(card.to_string().contains("You can reject this, but not approve it: you started"), "{card}");
    assert!(button(&host.send(refresh(&sam).request()).await.card(), "Approve").is_some());
    let told = host.send(teams.press(&alex, &message, "Approve", "").request()).await.error(400, "forbidden");
    assert!(told.contains("you started or re-ran"), "{told}");
    let told =
        host.send(teams.press(&stranger, &message, "Approve", "").request()).await.error(400, "forbidden");
    assert!(told.contains("yours is not known"), "{told}");
    host.send(teams.press(&sam, &message, "Approve", "").request()).await.card();

    // Rejecting needs no name.
    let (_, message) = teams.ask(&host, ASKED).await;
    let asked = teams.connector.calls().iter().filter(|call| call.method == "GET").count();
    host.send(teams.press(&Someone::number(8), &message, "Reject", "").request()).await.card();
    let calls = teams.connector.calls();
    assert_eq!(calls.iter().filter(|call| call.method == "GET").count(), asked);
}

// T40
#[tokio::test]
async fn an_author_sees_a_card_in_teams_that_lets_them_reject_alone() {
    let teams = Teams::start().await;
    let github = &teams.around.github;
    github.expect_dispatches(1);
    github.shows(SHA, by("hubot", "Release it"));
    github.answer_comparisons_with(github_error(503, "Server Error"));
    let (author, sam) = (Someone::number(1), Someone::number(2));
    for person in [&author, &sam] {
        teams.connector.add_member(person);
    }
    // They are told apart by the names of Teams alone.
    let logins = format!("octocat={ALEX},hubot={}", author.upn);
    let host = teams.host(Mode::Payload).setting("SELF_APPROVAL", "deny-authors");
    let host = host.setting("GITHUB_LOGINS", &logins).start().await;
    let (id, message) = teams.ask(&host, ASKED).await;
    let refresh = |person: &Someone| {
        Activity::refresh(&teams.connector, person, &message, "refresh", json!({"approval": id}))
    };
    let card = host.send(refresh(&sam).request()).await.card();
    assert!(button(&card, "Approve").is_some() && button(&card, "Reject").is_some(), "{card}");
    let press = |person: &Someone| teams.press(person, &message, "Approve", "").request();
    let told = host.send(press(&sam)).await.error(500, "unavailable");
    assert!(told.contains("who wrote these commits was not known yet"), "{told}");
    github.answer_comparisons_with(None);
    host.send(press(&sam)).await.error(500, "unavailable");

    let card = host.send(refresh(&author).request()).await.card();
    assert!(button(&card, "Approve").is_none() && button(&card, "Reject").is_some(), "{card}");
    assert!(card.to_string().contains("You can reject this, but not approve it: you wrote one"), "{card}");
    let told = host.send(press(&author)).await.error(400, "forbidden");
    assert!(told.contains("you wrote one of its commits"), "{told}");
    host.send(press(&sam)).await.card();
}
