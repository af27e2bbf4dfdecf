//! The channels of the operator's rules, of several teams: each gets the cards of its own approvals, and what anybody
//! does in one of them says yes to nothing and shows nothing that is not theirs.

use std::{
    fs::File,
    time::{Duration, SystemTime},
};

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use wiremock::ResponseTemplate;

use crate::{
    activities::Activity,
    bot_messages::{TEXT, button},
    checks::{checks, state},
    connector::{BotConnector, Message, OWN, PLACES, PRODUCT, Place, SECURITY},
    deployment::{Channel, Someone, Surroundings, page_of, text},
    functions_host::{Builder, FunctionsHost, Mode},
    handler_process::until,
    http1::Answer,
    stores::Store,
    tokens::ALEX,
};

/// A company: a channel of security and one of product, by the bot; staging by a webhook; the rest in its own channel.
struct Company {
    around: Surroundings,
    connector: BotConnector,
    staging: Channel,
    store: Store,
}

/// The people of the rules; Alex alone is in `APPROVERS`.
fn of_security() -> Someone {
    Someone::number(1)
}

fn of_product() -> Someone {
    Someone::number(2)
}

fn of_staging() -> Someone {
    Someone::number(3)
}

fn rule(name: &str, approver: &str) -> Value {
    json!({"name": name, "repositories": ["octo/*"], "refs": ["**"], "event_types": [format!("to-{name}")],
        "approvers": [approver]})
}

/// The same rule with another member.
fn with(mut rule: Value, member: &str, value: impl Into<Value>) -> Value {
    rule[member] = value.into();
    rule
}

fn security() -> Value {
    with(rule("security", &of_security().object_id), "channel", SECURITY.channel)
}

fn product() -> Value {
    with(rule("product", &of_product().object_id), "channel", PRODUCT.channel)
}

fn staging() -> Value {
    with(rule("staging", &of_staging().object_id), "webhook", "STAGING")
}

/// A request that this rule governs, and whose title nobody else may see.
fn body(rule: &str) -> String {
    json!({"event_type": format!("to-{rule}"), "title": format!("The secret of {rule}")}).to_string()
}

impl Company {
    async fn start() -> Self {
        let around = Surroundings::start().await;
        let connector = BotConnector::start(&around.authority.desk).await;
        Self { around, connector, staging: Channel::start().await, store: Store::folder() }
    }

    /// A host without a bot, by these rules.
    fn without_bot(&self, rules: &[Value]) -> Builder {
        let [(_, staging)] = self.staging.setting();
        let host = self.around.host(Mode::Payload).store(&self.store).setting("APPROVERS", ALEX);
        host.setting("POLICY", &json!(rules).to_string()).setting("TEAMS_WEBHOOK_URL_STAGING", &staging)
    }

    fn builder(&self, rules: &[Value]) -> Builder {
        self.without_bot(rules).settings(self.connector.settings())
    }

    async fn host(&self, rules: &[Value]) -> FunctionsHost {
        self.builder(rules).start().await
    }

    async fn whole(&self) -> FunctionsHost {
        self.host(&[security(), product(), staging(), rule("rest", ALEX)]).await
    }

    /// Asks under a rule, and gives the id; it is `posted` so.
    async fn ask(&self, host: &FunctionsHost, rule: &str, posted: &str) -> String {
        let asked = self.around.ask(host, &body(rule)).await;
        assert_eq!(asked["posted"], posted, "{rule}: {asked}");
        text(&asked["id"])
    }

    async fn vote(&self, host: &FunctionsHost, person: &Someone, id: &str, verdict: &str) -> Answer {
        host.vote(&self.around.token_of(person), id, verdict).await
    }

    /// The only message in a channel.
    #[track_caller]
    fn message(&self, place: Place) -> Message {
        let messages = self.connector.messages_in(place);
        assert_eq!(messages.len(), 1, "{messages:?}");
        messages.into_iter().next().expect("a message")
    }

    /// Waits until the only card in a channel has ended so, and lets nobody vote.
    async fn until_ended(&self, place: Place, word: &str) {
        until("the card shows the end", async || {
            let card = self.message(place).cards.pop().expect("a card");
            card["body"][0]["text"].as_str().is_some_and(|text| text.starts_with(word))
                && button(&card, "Approve").is_none()
        })
        .await;
    }

    /// The number of messages in each place.
    fn counts(&self) -> [usize; 3] {
        PLACES.map(|place| self.connector.messages_in(place).len())
    }

    fn click(&self, person: &Someone, message: &Message, id: &str, verdict: &str) -> Activity {
        let data = json!({"approval": id, "verdict": verdict});
        Activity::click(&self.connector, person, message, verdict, data)
    }

    fn refresh(&self, person: &Someone, message: &Message, id: &str) -> Activity {
        Activity::refresh(&self.connector, person, message, "refresh", json!({"approval": id}))
    }

    /// The bot's answer to somebody who asks in this channel for what is pending.
    async fn pending(&self, host: &FunctionsHost, person: &Someone, place: Place) -> String {
        let before = self.connector.said().len();
        let said = Activity::mention(&self.connector, person, "pending").in_channel(place);
        assert_eq!(host.send(said.request()).await.status, 200);
        let said = self.connector.said();
        assert_eq!(said.len(), before + 1, "one answer");
        let (conversation, activity) = said.last().expect("an answer");
        assert_eq!(Place::of(conversation), Some(place), "in the thread of the question");
        text(&activity["text"])
    }

    /// Sweeps when whatever began before has long ended.
    async fn sweep(&self, host: &FunctionsHost) {
        let minute_ago = SystemTime::from(Utc::now() - TimeDelta::minutes(1));
        for path in self.store.objects().await.into_iter().filter(|path| path.starts_with("pending/")) {
            let entry = File::options().append(true).open(self.store.path().join(path));
            // An entry may be taken out meanwhile.
            entry.map(|entry| entry.set_modified(minute_ago).expect("it is ours")).unwrap_or_default();
        }
        host.fire_timer("Deliver").await.expect("a sweep");
    }

    /// Makes it an approval that was asked for so much earlier.
    async fn backdate(&self, id: &str, by: TimeDelta) {
        let path = format!("requested/{id}/request");
        let mut stored: Value = serde_json::from_str(&self.store.read(&path).await).expect("JSON");
        let created_at = &mut stored["record"]["created_at"];
        let at: DateTime<Utc> = text(created_at).parse().expect("a time");
        *created_at = json!(at - by);
        self.store.write(&path, &stored.to_string()).await;
    }
}

/// Nothing of any approval stands in it.
#[track_caller]
fn assert_tells_nothing(told: &str) {
    assert!(!told.contains("secret") && !told.contains("octo/app"), "{told}");
}

#[tokio::test]
async fn each_channel_gets_the_cards_of_its_own_approvals_and_the_decision_changes_the_right_one() {
    let company = Company::start().await;
    company.around.github.expect_dispatches(4);
    let host = company.whole().await;
    let of_place = [(SECURITY, "security", of_security()), (PRODUCT, "product", of_product())];
    let of_place = of_place.into_iter().chain([(OWN, "rest", Someone::alex())]);
    let mut asked = Vec::new();
    for (place, rule, person) in of_place {
        asked.push((company.ask(&host, rule, "bot").await, place, person));
        let card = company.message(place).cards[0].to_string();
        assert!(card.contains(&format!("The secret of {rule}")), "{card}");
    }
    let staged = company.ask(&host, "staging", "webhook").await;
    assert_eq!((company.counts(), company.staging.cards().len()), ([1, 1, 1], 1));

    for (at, (id, place, person)) in asked.iter().enumerate() {
        company.vote(&host, person, id, "approve").await.assert_outcome(200, "dispatched");
        company.until_ended(*place, "Approved").await;
        for (_, open, _) in &asked[at + 1..] {
            assert_eq!(company.message(*open).cards.len(), 1, "another's card stays as it is");
        }
    }
    company.vote(&host, &of_staging(), &staged, "approve").await.assert_outcome(200, "dispatched");
    let cards = company.staging.until_cards(2).await;
    assert!(cards[1].to_string().contains("Approved") && cards[1].to_string().contains("staging"));
    company.sweep(&host).await;
    assert_eq!((company.counts(), company.staging.tried()), ([1, 1, 1], 2));
}

#[tokio::test]
async fn each_channel_is_reminded_of_its_own_approvals() {
    let company = Company::start().await;
    let host = company.whole().await;
    let mut ids = Vec::new();
    for rule in ["security", "product", "staging", "rest"] {
        let body = json!({"event_type": format!("to-{rule}"), "reminder_minutes": 10});
        ids.push(company.around.ask_for_id(&host, &body.to_string()).await);
    }
    // Of product and of what is the deployment's own it is not time yet.
    for at in [0, 2] {
        company.backdate(&ids[at], TimeDelta::minutes(15)).await;
    }
    company.sweep(&host).await;
    let reminded: Vec<_> = company.connector.said().into_iter().map(|(thread, _)| thread).collect();
    assert_eq!(reminded, [company.message(SECURITY).conversation]);
    let cards = company.staging.cards();
    assert_eq!(cards.len(), 2, "{cards:?}");
    assert!(cards[1].to_string().contains("Still waiting") && cards[1].to_string().contains(&ids[2]));
    company.sweep(&host).await;
    assert_eq!(
        (company.connector.said().len(), company.staging.tried(), company.counts()),
        (1, 2, [1, 1, 1])
    );
}

#[tokio::test]
async fn a_rule_that_names_the_deployments_own_channel_posts_once() {
    let company = Company::start().await;
    company.around.github.expect_dispatches(1);
    let host = company.host(&[with(security(), "channel", OWN.channel), rule("rest", ALEX)]).await;
    let id = company.ask(&host, "security", "bot").await;
    company.sweep(&host).await;
    assert_eq!(company.counts(), [1, 0, 0]);
    company.vote(&host, &of_security(), &id, "approve").await.assert_outcome(200, "dispatched");
    company.until_ended(OWN, "Approved").await;
    company.sweep(&host).await;
    assert_eq!(company.counts(), [1, 0, 0]);
    let (state, told) = state(&checks(&host).await, "bot");
    assert_eq!(state, "well", "{told}");
}

#[tokio::test]
async fn a_rules_channel_without_a_bot_gets_nothing_and_nothing_is_posted_elsewhere() {
    let (company, own) = (Company::start().await, Channel::start().await);
    company.around.github.expect_dispatches(1);
    let host = company.without_bot(&[security(), staging(), rule("rest", ALEX)]).settings(own.setting());
    let host = host.start().await;
    let id = company.ask(&host, "security", "none").await;
    company.sweep(&host).await;
    assert_eq!((own.tried(), company.staging.tried()), (0, 0));
    let (bot, told) = state(&checks(&host).await, "bot");
    assert!(bot == "wrong" && told.contains("The rule security has a channel"), "{told}");
    company.ask(&host, "rest", "webhook").await;
    // It is decided on its page, and tells no other channel.
    let page = host.send(of_security().press(&id, "approve", "")).await;
    assert_eq!(page.status, 200, "{}", page.text());
    company.sweep(&host).await;
    assert_eq!((own.tried(), company.staging.tried()), (1, 0));
    assert_eq!(company.around.status(&host, &id).await["posted"], "none");
}

#[tokio::test]
async fn where_the_app_is_not_in_the_team_its_own_approvals_are_pending_and_others_get_theirs() {
    let company = Company::start().await;
    company.connector.take_out_of_team(SECURITY, true);
    let host = company.whole().await;
    let id = company.ask(&host, "security", "pending").await;
    let line = host.stderr_line("card@bot-").await;
    assert!(line.contains("answered 403 (BotNotInConversationRoster)"), "{line}");
    company.ask(&host, "product", "bot").await;
    company.ask(&host, "rest", "bot").await;
    company.ask(&host, "staging", "webhook").await;
    company.sweep(&host).await;
    assert_eq!((company.counts(), company.staging.tried()), ([1, 0, 1], 1));
    assert_eq!(company.around.status(&host, &id).await["posted"], "pending");
    let found = checks(&host).await;
    let told = "The channel of the rule security: the last card was refused (403).";
    assert_eq!(state(&found, "bot"), ("wrong".to_owned(), told.to_owned()));
    assert_eq!(state(&found, "webhook").0, "well");
    company.connector.take_out_of_team(SECURITY, false);
    company.ask(&host, "security", "bot").await;
    assert_eq!(company.counts(), [1, 1, 1]);
}

#[tokio::test]
async fn the_check_names_a_rule_whose_cards_are_posted_nowhere() {
    let company = Company::start().await;
    let look = async |rules: &[Value]| {
        let host = company.builder(rules).without("TEAMS_CHANNEL_ID").start().await;
        state(&checks(&host).await, "bot")
    };
    let (found, told) = look(&[security(), rule("rest", ALEX)]).await;
    assert!(found == "wrong" && told.contains("The rule rest names no channel"), "{told}");
    let (found, told) = look(&[security(), staging()]).await;
    assert_eq!(found, "well", "{told}");
    // Without a bot, and with another webhook alone.
    let host = company.without_bot(&[staging(), rule("rest", ALEX)]).start().await;
    let (found, told) = state(&checks(&host).await, "webhook");
    assert!(found == "wrong" && told.contains("The rule rest names no channel"), "{told}");
}

#[tokio::test]
async fn a_channel_that_hangs_does_not_delay_what_is_asked_under_other_rules() {
    let company = Company::start().await;
    let silence = ResponseTemplate::new(201).set_delay(Duration::from_secs(60));
    company.connector.answer_calls_to(SECURITY, Some(silence));
    let host = company.whole().await;
    let hanging = company.ask(&host, "security", "pending");
    let others = async {
        until("the channel hangs", async || !company.connector.calls().is_empty()).await;
        company.ask(&host, "product", "bot").await;
        company.ask(&host, "rest", "bot").await;
        company.ask(&host, "staging", "webhook").await;
    };
    tokio::join!(hanging, others);
    assert_eq!((company.counts(), company.staging.tried()), ([1, 0, 1], 1));
}

#[tokio::test]
async fn a_card_follows_its_rule_to_another_channel_and_both_show_the_end() {
    let company = Company::start().await;
    company.around.github.expect_dispatches(2);
    let host = company.whole().await;
    let (moved, staged) =
        (company.ask(&host, "security", "bot").await, company.ask(&host, "staging", "webhook").await);
    drop(host);

    let moves = with(security(), "channel", PRODUCT.channel);
    let mut to_own = staging();
    to_own.as_object_mut().expect("an object").remove("webhook");
    let host = company.host(&[moves, to_own]).await;
    company.sweep(&host).await;
    assert_eq!((company.counts(), company.staging.tried()), ([1, 1, 1], 1));
    // A click on the old card is as good as one on the new: people decide, not places.
    let click = company.click(&of_security(), &company.message(SECURITY), &moved, "approve");
    assert!(host.send(click.request()).await.card().to_string().contains("Approved"));
    company.until_ended(SECURITY, "Approved").await;
    company.until_ended(PRODUCT, "Approved").await;
    company.vote(&host, &of_staging(), &staged, "approve").await.assert_outcome(200, "dispatched");
    company.until_ended(OWN, "Approved").await;
    assert!(company.staging.until_cards(2).await[1].to_string().contains("Approved"));
    company.sweep(&host).await;
    assert_eq!((company.counts(), company.staging.tried()), ([1, 1, 1], 2));
}

/// Only what anybody can see of it stays: nobody decides on it, and the card is told its end.
#[tokio::test]
async fn once_a_rule_is_gone_nobody_decides_nor_sees_and_its_card_is_told_the_end() {
    let company = Company::start().await;
    let host = company.whole().await;
    let id = company.ask(&host, "security", "bot").await;
    drop(host);

    let host = company.host(&[product(), staging()]).await;
    company.sweep(&host).await;
    assert_eq!((company.counts(), company.staging.tried()), ([0, 1, 0], 0), "no other channel is told");
    let card = company.message(SECURITY);
    for verdict in ["approve", "reject"] {
        for person in [of_security(), of_product(), Someone::alex()] {
            let told = host.send(company.click(&person, &card, &id, verdict).request()).await;
            assert_tells_nothing(&told.error(400, "forbidden"));
        }
    }
    for stranger in [of_security(), of_product(), Someone::number(9)] {
        let told = text(&host.send(company.refresh(&stranger, &card, &id).request()).await.inside(200, TEXT));
        assert!(told.contains("not one of the APPROVERS"), "{told}");
        assert_eq!(host.send(stranger.get(&page_of(&id))).await.status, 403);
    }
    // Those in APPROVERS see everything, and may take it back.
    host.send(company.refresh(&Someone::alex(), &card, &id).request()).await.card();
    let page = host.send(Someone::alex().press(&id, "withdraw", "Its rule is gone")).await;
    assert_eq!(page.status, 200, "{}", page.text());
    company.until_ended(SECURITY, "Withdrawn").await;
}

// T44
#[tokio::test]
async fn nobody_in_teams_meets_a_requirement_of_names_without_the_name() {
    let company = Company::start().await;
    company.around.github.expect_dispatches(2);
    let (one, two, five) = (Someone::number(1), Someone::number(2), Someone::number(5));
    let mut rule = rule("both", ALEX);
    rule.as_object_mut().expect("an object").remove("approvers");
    let ids = json!([one.object_id, two.object_id]);
    rule["requires"] =
        json!([{"name": "Security", "approvers": [five.upn]}, {"name": "Product", "approvers": ids}]);
    let host = company.host(std::slice::from_ref(&rule)).await;
    for person in [&one, &two, &five] {
        company.connector.add_member_to(OWN, person);
    }
    let id = company.ask(&host, "both", "bot").await;
    let press = async |host: &FunctionsHost, person: &Someone, id: &str| {
        let card = company.connector.messages_in(OWN).pop().expect("a card");
        host.send(company.click(person, &card, id, "approve").request()).await.card().to_string()
    };
    // The vote counts by the object id, also while Teams gives no name.
    company.connector.answer_calls_with(Some(ResponseTemplate::new(500)));
    assert!(press(&host, &one, &id).await.contains("1 of 2"));
    company.connector.answer_calls_with(None);
    assert!(press(&host, &two, &id).await.contains("no requirement needs it any more"));
    assert_eq!(company.around.status(&host, &id).await["status"], "pending");
    assert!(press(&host, &five, &id).await.contains("Approved"));
    drop(host);

    // Somebody who is listed here by id and there by name counts where they are needed.
    rule["requires"][0]["approvers"] = json!([one.upn]);
    let host = company.host(&[rule]).await;
    let id = company.ask(&host, "both", "bot").await;
    assert!(press(&host, &two, &id).await.contains("1 of 2"));
    assert!(press(&host, &one, &id).await.contains("Approved"));
}

#[tokio::test]
async fn a_rule_whose_webhook_is_not_set_stops_the_start() {
    let company = Company::start().await;
    let (status, output) = company
        .builder(&[with(staging(), "webhook", "STAGING_2"), security()])
        .setting("TEAMS_WEBHOOK_URL", "https://x.example/flow?sig=hunter2")
        .run_to_exit()
        .await;
    assert!(!status.success(), "{output}");
    let told = "POLICY[0].webhook: the setting TEAMS_WEBHOOK_URL_STAGING_2 is missing";
    assert!(output.contains(told) && !output.contains("hunter2"), "{output}");
}

#[tokio::test]
async fn pending_shows_a_channels_own_approvals_to_those_of_its_rule_and_to_approvers() {
    let company = Company::start().await;
    let by_name = Someone::number(5);
    company.connector.add_member_to(SECURITY, &by_name);
    company.connector.add_member_to(SECURITY, &Someone::number(9));
    let listed = json!([of_security().object_id, by_name.upn]);
    let rules = [with(security(), "approvers", listed), product(), rule("rest", ALEX)];
    let host = company.host(&rules).await;
    let (id, others) =
        (company.ask(&host, "security", "bot").await, company.ask(&host, "product", "bot").await);
    company.ask(&host, "rest", "bot").await;

    for person in [of_security(), by_name, Someone::alex()] {
        let told = company.pending(&host, &person, SECURITY).await;
        assert!(told.contains(&id) && !told.contains(&others), "{}: {told}", person.name);
        assert!(!told.contains("The secret of rest"), "{told}");
    }
    // Whoever may see everything is known by the object id alone.
    let asked = || company.connector.calls().iter().filter(|call| call.method == "GET").count();
    let before = asked();
    company.pending(&host, &Someone::alex(), OWN).await;
    assert_eq!(asked(), before);
    let told = company.pending(&host, &of_product(), SECURITY).await;
    assert_eq!(told, "Nothing that you may see waits for a decision.");
    assert!(company.pending(&host, &of_product(), PRODUCT).await.contains(&others));
    let told = company.pending(&host, &of_security(), OWN).await;
    assert_eq!(told, "Nothing that you may see waits for a decision.");
    let told = company.pending(&host, &Someone::number(9), SECURITY).await;
    assert!(told.contains("not one of the APPROVERS"), "{told}");
    assert_tells_nothing(&told);
}

#[tokio::test]
async fn while_a_rule_is_closed_its_people_are_shown_reject_alone_and_why() {
    let company = Company::start().await;
    let always = json!([{"days": ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"], "from": "00:00", "to": "24:00",
        "time_zone": "Europe/Berlin", "why": "Code freeze"}]);
    let host = company.host(&[with(security(), "closed", always), product()]).await;
    let id = company.ask(&host, "security", "bot").await;
    let message = company.message(SECURITY);
    for _ in 0..2 {
        let refresh = company.refresh(&of_security(), &message, &id);
        let card = host.send(refresh.request()).await.card();
        assert!(button(&card, "Approve").is_none() && button(&card, "Reject").is_some(), "{card}");
        let said = text(&card["body"][0]["text"]);
        assert!(said.contains("Nobody can approve this now") && said.contains("Code freeze"), "{said}");
        // A click on the card that all see changes nothing.
        let click = company.click(&of_security(), &message, &id, "approve");
        let told = host.send(click.request()).await.card().to_string();
        assert!(told.contains("closed for good") && told.contains("Code freeze"), "{told}");
    }
    for other in [of_product(), Someone::alex()] {
        let told = host.send(company.refresh(&other, &message, &id).request()).await.inside(200, TEXT);
        assert!(text(&told).contains("not one of the approvers of the rule"), "{told}");
    }
    assert_eq!(company.around.status(&host, &id).await["performers"], json!([]));
    host.send(company.click(&of_security(), &message, &id, "reject").request()).await.card();
    company.until_ended(SECURITY, "Rejected").await;
}

#[tokio::test]
async fn a_click_counts_for_who_clicks_wherever_and_tells_others_nothing() {
    let company = Company::start().await;
    company.around.github.expect_dispatches(1);
    let host = company.whole().await;
    let id = company.ask(&host, "security", "bot").await;
    company.ask(&host, "product", "bot").await;
    let (own, elsewhere) = (company.message(SECURITY), company.message(PRODUCT));

    // Somebody of another rule, and one in APPROVERS whom the rule does not list: on the card, on another with the id
    // put in, and where no card is.
    for person in [of_product(), of_staging(), Someone::alex(), Someone::number(9)] {
        for message in [&own, &elsewhere] {
            for verdict in ["approve", "reject"] {
                let click = company.click(&person, message, &id, verdict);
                assert_tells_nothing(&host.send(click.request()).await.error(400, "forbidden"));
            }
            let refresh = company.refresh(&person, message, &id);
            assert_tells_nothing(&text(&host.send(refresh.request()).await.inside(200, TEXT)));
        }
    }
    let body = json!({"approval": id, "verdict": "approve"}).to_string();
    let execute = Activity::execute(&company.connector, &of_product(), &elsewhere, &body);
    assert_tells_nothing(&host.send(execute.request()).await.error(400, "forbidden"));
    assert_eq!(company.around.status(&host, &id).await["performers"], json!([]));
    assert!(company.connector.messages().iter().all(|message| message.cards.len() == 1));

    // Their own click says yes in any channel: it is theirs. The card changes where it was posted, and there alone.
    let click = company.click(&of_security(), &elsewhere, &id, "approve");
    let card = host.send(click.request()).await.card();
    assert!(card.to_string().contains("Approved") && button(&card, "Approve").is_none(), "{card}");
    company.until_ended(SECURITY, "Approved").await;
    company.sweep(&host).await;
    assert_eq!(company.message(PRODUCT).cards.len(), 1, "the message of the click is another's");
    assert_eq!(company.counts(), [0, 1, 1]);
}
