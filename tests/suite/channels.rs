//! Several channels: each gets its own cards, and one that is wrong stops no other.

use serde_json::json;
use wiremock::ResponseTemplate;

use crate::{
    checks::{checks, state},
    connector::BotConnector,
    deployment::{ASKED, CHANNEL_SECRET, Channel, Someone, Surroundings, text},
    functions_host::{Builder, Mode},
    handler_process::until,
    standalone::Standalone,
    stores::Store,
    tokens::ALEX,
};

impl Channel {
    /// The setting that makes it the webhook of this name.
    fn named(&self, name: &str) -> [(&'static str, String); 1] {
        let [(own, url)] = self.setting();
        // The settings of a test are few, and live as long as it.
        [(Box::leak(format!("{own}_{name}").into_boxed_str()), url)]
    }
}

/// A host whose one approver may see the checks.
fn host_of(around: &Surroundings) -> Builder {
    around.host(Mode::Payload).setting("APPROVERS", ALEX)
}

#[tokio::test]
async fn a_webhook_that_no_rule_names_gets_nothing() {
    let (around, own, staging) =
        (Surroundings::start().await, Channel::start().await, Channel::start().await);
    let host = host_of(&around).settings(staging.named("STAGING")).start().await;
    assert_eq!(around.ask(&host, ASKED).await["posted"], "none");
    let found = checks(&host).await;
    let told = "TEAMS_WEBHOOK_URL_STAGING is set; posting was not tried.";
    assert_eq!(state(&found, "webhook"), ("well".to_owned(), told.to_owned()));

    let host = host_of(&around).settings(staging.named("STAGING")).settings(own.setting());
    let host = host.start().await;
    assert_eq!(around.ask(&host, ASKED).await["posted"], "webhook");
    assert_eq!((own.cards().len(), staging.tried()), (1, 0));
    let told = "TEAMS_WEBHOOK_URL and 1 more are set; posting was not tried.";
    assert_eq!(state(&checks(&host).await, "webhook"), ("well".to_owned(), told.to_owned()));
    assert!(!host.stderr().contains(CHANNEL_SECRET));
}

#[tokio::test]
async fn a_webhook_whose_name_or_address_cannot_be_used_is_named_at_start() {
    let values = json!({
        "TEAMS_WEBHOOK_URL_a-b": "https://x.example/?sig=hunter2",
        "TEAMS_WEBHOOK_URL_STAGING": "http://hunter2.example",
    });
    let (status, output) = Standalone::run_to_exit(&json!({"Values": values}).to_string()).await;
    assert!(!status.success() && !output.contains("hunter2"), "{output}");
    assert!(output.contains("TEAMS_WEBHOOK_URL_a-b must be named"), "{output}");
    assert!(output.contains("TEAMS_WEBHOOK_URL_STAGING must be an https URL"), "{output}");
}

#[tokio::test]
async fn the_check_names_a_channel_that_refused_the_last_card() {
    let (around, channel) = (Surroundings::start().await, Channel::start().await);
    let host = host_of(&around).settings(channel.setting()).start().await;
    channel.answer_with(Some(ResponseTemplate::new(404).set_body_string(CHANNEL_SECRET)));
    assert_eq!(around.ask(&host, ASKED).await["posted"], "pending");
    let told = "TEAMS_WEBHOOK_URL: the last card was refused (404).";
    assert_eq!(state(&checks(&host).await, "webhook"), ("wrong".to_owned(), told.to_owned()));
}

/// As with a rule that is taken out together with its channel: the record of the card says where it stands.
#[tokio::test]
async fn a_card_where_no_setting_leads_any_more_shows_the_decision_all_the_same() {
    let (around, store) = (Surroundings::start().await, Store::folder());
    let connector = BotConnector::start(&around.authority.desk).await;
    around.github.expect_dispatches(1);
    let host =
        |around: &Surroundings| around.host(Mode::Payload).settings(connector.settings()).store(&store);
    let before = host(&around).start().await;
    let id = text(&around.ask(&before, ASKED).await["id"]);
    drop(before);

    let after = host(&around).without("TEAMS_CHANNEL_ID").start().await;
    after.vote(&around.token_of(&Someone::alex()), &id, "approve").await.assert_outcome(200, "dispatched");
    until("the card shows the decision", async || {
        let shown = connector.messages()[0].cards.last().expect("a card").to_string();
        shown.contains("Approved") && !shown.contains("Action.Execute")
    })
    .await;
    assert_eq!(connector.messages().len(), 1);
    assert_eq!(around.status(&after, &id).await["posted"], "bot");
}
