//! The bot calls the Bot Connector: with a token of its own, to the configured service alone, within its time.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use approve_release::{
    approval::{PostedMessage, SendAnswer, SendResult},
    config::Config,
    http_client::use_ring,
    senders::teams::{
        Post,
        connector::{Connector, plain_text},
    },
    timing::Timing,
};
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::join_all;
use serde_json::{Value, json};
use wiremock::ResponseTemplate;

use crate::{
    authority::Authority,
    connector::{BotConnector, CHANNEL_ID, Call, Fault, TEAM_ID, teams_id},
    deployment::Someone,
    handler_process::ANSWERED_WITHIN,
    misbehaving::{Misbehaving, Misbehaviour, nobody},
    token_desk::{APP_PASSWORD, IDENTITY_HEADER, ManagedIdentity},
    tokens::{ALEX_UPN, in_seconds},
};

/// Long enough for every call that shall succeed.
const AMPLE: Duration = Duration::from_secs(15);

/// Everybody around a bot.
struct Surroundings {
    authority: Authority,
    connector: BotConnector,
}

impl Surroundings {
    async fn start() -> Self {
        let authority = Authority::start().await;
        let connector = BotConnector::start(&authority.desk).await;
        Self { authority, connector }
    }

    /// The bot as the handler makes it of its settings, of which some are otherwise.
    fn bot_with(&self, others: &[(&str, &str)]) -> Connector {
        use_ring();
        let mut settings: BTreeMap<String, String> = BTreeMap::new();
        let given = self.authority.settings().into_iter().chain(self.connector.settings());
        settings.extend(given.map(|(name, value)| (name.to_owned(), value)));
        settings.extend(others.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        Connector::new(Config::parse(&settings).expect("a configuration").bot.expect("a bot"))
    }

    fn bot(&self) -> Connector {
        self.bot_with(&[])
    }

    /// Asserts how many tokens have been asked for when the bot has spoken so many seconds from now.
    async fn assert_tokens(&self, bot: &Connector, expected: &[(i64, usize)]) {
        let began = now();
        for (seconds, tokens) in expected {
            let at = began + TimeDelta::seconds(*seconds);
            let answered = bot.send(CHANNEL_ID, &plain_text("hello"), Timing::new(at, AMPLE)).await;
            assert_eq!(answered.what, SendAnswer::Accepted, "{}", answered.detail);
            assert_eq!(self.authority.desk.asked(), *tokens, "after {seconds} s");
        }
    }

    /// The numbers of requests for a token, and of calls with one.
    fn traffic(&self) -> (usize, usize) {
        (self.authority.desk.asked(), self.connector.calls().len())
    }
}

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp_secs(in_seconds(0)).expect("a time")
}

fn card(text: &str) -> Value {
    json!({"type": "AdaptiveCard", "version": "1.4", "body": [{"type": "TextBlock", "text": text}]})
}

fn with_card(text: &str) -> Post {
    Post { card: card(text), summary: text.to_owned() }
}

async fn post(bot: &Connector) -> (SendResult, Option<PostedMessage>) {
    bot.post(CHANNEL_ID, &with_card("pending"), Timing::new(now(), AMPLE)).await
}

async fn say(bot: &Connector) -> SendResult {
    bot.send(CHANNEL_ID, &plain_text("hello"), Timing::new(now(), AMPLE)).await
}

#[tokio::test]
async fn a_card_is_posted_to_the_channel_and_changed_for_everybody() {
    let around = Surroundings::start().await;
    let bot = around.bot();

    let (answered, posted) = post(&bot).await;
    assert_eq!(answered.what, SendAnswer::Accepted, "{}", answered.detail);
    let posted = posted.expect("ids");
    let changed = bot.update(&posted, &with_card("approved"), Timing::new(now(), AMPLE)).await;

    assert_eq!(changed.what, SendAnswer::Accepted, "{}", changed.detail);
    let [message] = &around.connector.messages()[..] else { panic!("one message") };
    assert_eq!((&posted.conversation, &posted.activity), (&message.conversation, &message.activity));
    assert_eq!(message.cards, [card("pending"), card("approved")]);
}

#[tokio::test]
async fn a_text_is_said_as_it_is() {
    let around = Surroundings::start().await;
    let thread = format!("{CHANNEL_ID};messageid=1");
    let text = "**no** <at>markup</at> [here](https://evil.example)";

    let answered = around.bot().send(&thread, &plain_text(text), Timing::new(now(), AMPLE)).await;

    assert_eq!(answered.what, SendAnswer::Accepted, "{}", answered.detail);
    let [(conversation, activity)] = &around.connector.said()[..] else { panic!("one activity") };
    assert_eq!(*conversation, thread);
    assert_eq!(*activity, json!({"type": "message", "text": text, "textFormat": "plain"}));
}

#[tokio::test]
async fn a_member_is_asked_for_once_an_hour() {
    let around = Surroundings::start().await;
    let (bot, alex, began) = (around.bot(), teams_id(&Someone::alex()), now());
    for (minutes, calls) in [(0, 1), (1, 1), (59, 1), (60, 2), (61, 2)] {
        let at = began + TimeDelta::minutes(minutes);
        let name = bot.member(TEAM_ID, &alex, Timing::new(at, AMPLE)).await.expect("an answer");
        assert_eq!(name.as_deref(), Some(ALEX_UPN));
        assert_eq!(around.connector.calls().len(), calls, "after {minutes} minutes");
    }
}

#[tokio::test]
async fn nobody_and_no_answer_are_not_remembered() {
    let around = Surroundings::start().await;
    let (bot, sam) = (around.bot(), Someone::number(1));
    let member = async || bot.member(CHANNEL_ID, &teams_id(&sam), Timing::new(now(), AMPLE)).await;

    assert_eq!(member().await.expect("an answer"), None);
    // A name that people or other tenants give to somebody is none to know them by.
    for nameless in [
        json!({"id": teams_id(&sam)}),
        json!({"id": teams_id(&sam), "userPrincipalName": null, "email": null}),
        json!({"id": teams_id(&sam), "userPrincipalName": "", "email": sam.upn, "name": sam.upn}),
    ] {
        around.connector.fail_next([Fault::Instead(ResponseTemplate::new(200).set_body_json(nameless))]);
        assert_eq!(member().await.expect("an answer"), None);
    }
    for answer in [
        ResponseTemplate::new(502),
        ResponseTemplate::new(429),
        ResponseTemplate::new(200).set_body_string("<html>alex@contoso.com"),
        ResponseTemplate::new(200).set_body_json(json!({"userPrincipalName": ["alex@contoso.com"]})),
    ] {
        around.connector.fail_next([Fault::Instead(answer)]);
        let error = format!("{:#}", member().await.expect_err("no answer"));
        assert!(!error.contains("contoso"), "{error}");
    }
    around.connector.add_member(&sam);
    assert_eq!(member().await.expect("an answer"), Some(sam.upn.clone()));
}

#[tokio::test]
async fn one_token_serves_until_shortly_before_it_expires() {
    let around = Surroundings::start().await;
    around.assert_tokens(&around.bot(), &[(0, 1), (3298, 1), (3299, 2), (3300, 2)]).await;
}

#[tokio::test]
async fn many_who_need_a_token_at_once_have_one_fetched() {
    let around = Surroundings::start().await;
    let bot = around.bot();
    around.authority.desk.be_slow(Duration::from_millis(50));

    let answers = join_all((0..20).map(|_| say(&bot))).await;

    assert!(answers.iter().all(|answered| answered.what == SendAnswer::Accepted), "{answers:?}");
    assert_eq!(around.traffic(), (1, 20));
}

#[tokio::test]
async fn a_token_that_is_refused_is_fetched_anew_and_one_for_all() {
    let around = Surroundings::start().await;
    let bot = around.bot();
    say(&bot).await;
    around.authority.desk.withdraw_all();
    around.authority.desk.be_slow(Duration::from_millis(50));

    let answers = join_all((0..10).map(|_| say(&bot))).await;

    assert!(answers.iter().all(|answered| answered.what == SendAnswer::Accepted), "{answers:?}");
    assert_eq!(around.traffic(), (2, 11));
}

#[tokio::test]
async fn who_is_refused_with_a_new_token_too_asks_no_more() {
    let around = Surroundings::start().await;
    around.connector.answer_calls_with(Some(ResponseTemplate::new(401)));

    let (answered, posted) = post(&around.bot()).await;

    assert_eq!((answered.what, posted), (SendAnswer::Unauthorized, None));
    assert_eq!(around.traffic(), (2, 2));
}

#[tokio::test]
async fn without_a_password_the_managed_identity_is_the_bot() {
    let around = Surroundings::start().await;
    let identity = ManagedIdentity::start(&around.authority.desk).await;
    let identity = identity.settings();
    let mut others = vec![("MicrosoftAppPassword", "")];
    others.extend(identity.iter().map(|(name, value)| (*name, value.as_str())));
    // The end is told by a clock that goes on while the test runs.
    around.assert_tokens(&around.bot_with(&others), &[(0, 1), (3290, 1), (3500, 2)]).await;
}

#[tokio::test]
async fn a_bot_with_a_wrong_setting_is_refused_and_no_word_of_it_repeated() {
    let around = Surroundings::start().await;
    let identity = ManagedIdentity::start(&around.authority.desk).await;
    let [(_, endpoint), _] = identity.settings();
    let other = "eeeeeeee-1111-4222-8333-444455556666";
    let wrong = [
        (vec![("MicrosoftAppPassword", "hunter2")], "Entra answered 401 (AADSTS7000215)"),
        (vec![("MicrosoftAppId", other)], "Entra answered 400 (AADSTS700016)"),
        (
            vec![
                ("MicrosoftAppPassword", ""),
                ("IDENTITY_ENDPOINT", &endpoint),
                ("IDENTITY_HEADER", "hunter2"),
            ],
            "the managed identity's endpoint answered 400",
        ),
    ];
    around.authority.desk.expect_refusals(wrong.len());
    for (settings, said) in wrong {
        let (answered, posted) = post(&around.bot_with(&settings)).await;

        assert_eq!((answered.what, posted), (SendAnswer::Unauthorized, None), "{said}");
        assert!(answered.detail.contains(said), "{}", answered.detail);
        let told = ["hunter2", APP_PASSWORD, IDENTITY_HEADER, "secret"];
        assert!(told.iter().all(|secret| !answered.detail.contains(secret)), "{}", answered.detail);
    }
    assert_eq!(around.connector.calls(), []);
}

#[tokio::test]
async fn what_is_no_token_is_not_sent_and_the_message_waits() {
    let around = Surroundings::start().await;
    let text = |text: &str| ResponseTemplate::new(200).set_body_string(text);
    let token = |token: &str| text(&json!({"access_token": token, "expires_in": 3599}).to_string());
    for answer in [
        ResponseTemplate::new(500),
        ResponseTemplate::new(429),
        ResponseTemplate::new(404),
        ResponseTemplate::new(204),
        text("<html>aTokenThatNobodyMaySee"),
        text(r#"{"access_token":{"aTokenThatNobodyMaySee":1}}"#),
        token("aTokenThatNobodyMaySee\r\nX-Evil: 1"),
        token(&"aTokenThatNobodyMaySee".repeat(1_000)),
        text(&format!("{{\"x\":\"{}\"}}", "x".repeat(2_000_000))),
    ] {
        around.authority.desk.answer_with(Some(answer));
        let answered = say(&around.bot()).await;
        assert_eq!(answered.what, SendAnswer::Unreachable, "{}", answered.detail);
        assert!(!answered.detail.contains("aToken") && answered.detail.len() < 500, "{}", answered.detail);
    }
    assert_eq!(around.connector.calls(), []);
    around.authority.desk.answer_with(None);
    assert_eq!(say(&around.bot()).await.what, SendAnswer::Accepted);
}

// T31
#[tokio::test]
async fn a_redirect_is_not_followed_with_a_token_nor_with_a_password() {
    let (around, other) = (Surroundings::start().await, Surroundings::start().await);
    for status in [301, 302, 303, 307, 308] {
        let to = |url: String| Some(ResponseTemplate::new(status).insert_header("Location", url));
        around.connector.answer_calls_with(to(other.connector.service_url() + "/v3/conversations"));
        assert_eq!(post(&around.bot()).await.0.what, SendAnswer::Moved, "{status}");

        around.authority.desk.answer_with(to(other.authority.url()));
        assert_eq!(post(&around.bot()).await.0.what, SendAnswer::Unreachable, "{status}");
        around.authority.desk.answer_with(None);
    }
    assert_eq!(other.traffic(), (0, 0));
    assert_eq!((other.connector.requests(), other.authority.requests()), (0, 0), "nobody else is asked");
}

#[tokio::test]
async fn an_id_leads_nowhere_but_to_what_it_names() {
    let around = Surroundings::start().await;
    let bot = around.bot();
    let hostile =
        ["../../evil", "a/../b", "?x=1", "#x", "/", "//evil.example/", "%2e%2e", "\\..\\", "a b", "\r\nX: y"];
    around.connector.expect_refusals(3 * hostile.len());
    for id in hostile {
        let message = PostedMessage { conversation: id.to_owned(), activity: id.to_owned() };
        let before = around.connector.calls().len();

        let changed = bot.update(&message, &with_card("evil"), Timing::new(now(), AMPLE)).await;
        let said = bot.send(id, &plain_text("evil"), Timing::new(now(), AMPLE)).await;
        let member = bot.member(id, id, Timing::new(now(), AMPLE)).await.expect("an answer");

        assert_eq!((changed.what, said.what), (SendAnswer::NotFound, SendAnswer::NotFound), "{id:?}");
        assert_eq!(member, None, "{id:?}");
        let call = |method: &str, ids: &[&str]| Call {
            method: method.to_owned(),
            ids: ids.iter().map(|id| (*id).to_owned()).collect(),
        };
        let expected = [
            call("PUT", &[id, "activities", id]),
            call("POST", &[id, "activities"]),
            call("GET", &[id, "members", id]),
        ];
        assert_eq!(around.connector.calls()[before..], expected, "{id:?}");
    }
}

#[tokio::test]
async fn what_can_be_no_id_is_not_asked_for() {
    let around = Surroundings::start().await;
    let bot = around.bot();
    for id in ["", ".", "..", &"x".repeat(2_000)] {
        assert_eq!(
            bot.send(id, &plain_text("evil"), Timing::new(now(), AMPLE)).await.what,
            SendAnswer::NotFound
        );
        assert_eq!(bot.member(CHANNEL_ID, id, Timing::new(now(), AMPLE)).await.expect("an answer"), None);
    }
    assert_eq!(around.traffic(), (0, 0));
}

#[tokio::test]
async fn each_answer_of_teams_is_told_for_what_it_is() {
    let around = Surroundings::start().await;
    let bot = around.bot();
    let limited = |wait_s| SendAnswer::RateLimited { wait_s };
    for (status, expected) in [
        (200, SendAnswer::Accepted),
        (202, SendAnswer::Accepted),
        (400, SendAnswer::Unexpected(400)),
        (403, SendAnswer::PermissionDenied { wanted: None }),
        (404, SendAnswer::NotFound),
        (410, SendAnswer::NotFound),
        (412, limited(None)),
        (413, SendAnswer::Unexpected(413)),
        (429, limited(None)),
        (500, SendAnswer::ServerError(500)),
        (502, SendAnswer::ServerError(502)),
        (503, SendAnswer::ServerError(503)),
        (504, SendAnswer::ServerError(504)),
    ] {
        let answer = || ResponseTemplate::new(status).set_body_string("what nobody may see");
        let retryable = matches!(status, 412 | 429 | 500..);
        around.connector.fail_next([
            Fault::Instead(answer()),
            Fault::Instead(answer().insert_header("Retry-After", "7")),
        ]);

        let (answered, posted) = post(&bot).await;
        assert_eq!((&answered.what, posted), (&expected, None), "{status}");
        assert_eq!(!answered.what.is_refusal() && status > 299, retryable, "{status}");
        assert_eq!(answered.detail, format!("the Bot Connector answered {status}"));

        let answered = say(&bot).await;
        assert_eq!(answered.wait_s, Some(7), "{status}");
        let is_limit = matches!(answered.what, SendAnswer::RateLimited { .. });
        assert_eq!(answered.what, if is_limit { limited(Some(7)) } else { expected }, "{status}");
    }
    assert_eq!(around.connector.messages().len(), 0);
}

#[tokio::test]
async fn a_card_that_was_taken_without_usable_ids_was_taken() {
    let around = Surroundings::start().await;
    let bot = around.bot();
    for ids in [
        "",
        "{}",
        r#"{"id":"19:x"}"#,
        r#"{"id":"","activityId":"1"}"#,
        r#"{"id":"..","activityId":"1"}"#,
        &json!({"id": "x".repeat(2_000), "activityId": "1"}).to_string(),
        &json!({"id": "19:x", "activityId": "1", "more": "x".repeat(20_000)}).to_string(),
    ] {
        around.connector.fail_next([Fault::After(ResponseTemplate::new(201).set_body_string(ids))]);
        let (answered, posted) = post(&bot).await;
        assert_eq!((answered.what, posted), (SendAnswer::Accepted, None), "{ids:.60}");
    }
    assert_eq!(around.connector.messages().len(), 7);
}

#[tokio::test]
async fn whoever_is_slow_does_not_hold_up_the_caller() {
    let around = Surroundings::start().await;
    let (bot, brief) = (around.bot(), Duration::from_secs(1));
    let say = async || bot.send(CHANNEL_ID, &plain_text("hello"), Timing::new(now(), brief)).await;
    let began = Instant::now();

    around.authority.desk.be_slow(Duration::from_secs(3));
    let answered = say().await;
    assert_eq!(answered.what, SendAnswer::Unreachable, "nothing was sent: {}", answered.detail);
    assert_eq!(around.connector.calls(), []);

    // The request goes on, and the next who needs a token waits for the same.
    let answered = bot.send(CHANNEL_ID, &plain_text("hello"), Timing::new(now(), AMPLE)).await;
    assert_eq!((answered.what, around.traffic()), (SendAnswer::Accepted, (1, 1)));

    around.connector.answer_calls_after(Duration::from_secs(30));
    let answered = say().await;
    assert_eq!(answered.what, SendAnswer::TimedOut, "it may have arrived: {}", answered.detail);
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
}

#[tokio::test]
async fn servers_that_break_http_are_given_up_in_time() {
    let around = Surroundings::start().await;
    join_all([
        breaks(&around, Misbehaviour::Reset, SendAnswer::Broken),
        breaks(&around, Misbehaviour::Garbage, SendAnswer::Broken),
        breaks(&around, Misbehaviour::Stall, SendAnswer::TimedOut),
        breaks(&around, Misbehaviour::Dribble, SendAnswer::PermissionDenied { wanted: None }),
        breaks(&around, Misbehaviour::EndlessHead, SendAnswer::TimedOut),
    ])
    .await;
    for setting in ["BOT_SERVICE_URL", "ENTRA_AUTHORITY"] {
        assert_eq!(say_to(&around, setting, &nobody()).await, SendAnswer::Unreachable, "{setting}");
    }
    assert_eq!(around.connector.calls(), []);
}

/// A Bot Connector with a fault comes to `expected`; and with such an Entra nothing is sent.
async fn breaks(around: &Surroundings, misbehaviour: Misbehaviour, expected: SendAnswer) {
    let broken = Misbehaving::start(misbehaviour).await;
    let answer = say_to(around, "BOT_SERVICE_URL", &broken.url()).await;
    assert_eq!(answer, expected, "{misbehaviour:?}");
    let answer = say_to(around, "ENTRA_AUTHORITY", &broken.url()).await;
    assert_eq!(answer, SendAnswer::Unreachable, "{misbehaviour:?} in place of Entra");
}

async fn say_to(around: &Surroundings, setting: &str, url: &str) -> SendAnswer {
    let (bot, began) = (around.bot_with(&[(setting, url)]), Instant::now());
    let answered =
        bot.send(CHANNEL_ID, &plain_text("hello"), Timing::new(now(), Duration::from_secs(2))).await;
    assert!(began.elapsed() < ANSWERED_WITHIN, "{:?}", began.elapsed());
    answered.what
}

#[tokio::test]
async fn no_token_is_in_what_is_told_of_a_call() {
    let around = Surroundings::start().await;
    let bot = around.bot();
    post(&bot).await;
    let [token] = &around.authority.desk.issued()[..] else { panic!("one token") };
    let echo = |status| {
        let answer = ResponseTemplate::new(status).set_body_string(token.clone());
        Fault::Instead(answer.insert_header("Location", format!("https://evil.example/{token}")))
    };
    for status in [201, 307, 400, 403, 500] {
        around.connector.fail_next([echo(status), echo(status)]);
        let (answered, posted) = post(&bot).await;
        let member = bot.member(CHANNEL_ID, "29:x", Timing::new(now(), AMPLE)).await;
        let told = format!("{answered:?} {posted:?} {member:?}");
        assert!(!told.contains("aToken"), "{told}");
    }
}
