//! An activity is the Bot Connector's with its token: for our bot, of a key that is endorsed for the activity's channel,
//! and for the service that the activity names.

use approve_release::{
    approval::Guid,
    http_client::use_ring,
    identity::{
        Check, Rejection,
        bot_connector::{Caller, ConnectorTokens},
    },
};
use chrono::{DateTime, Utc};
use url::Url;

use crate::{
    connector::{APP_ID, BotConnector, CHANNEL, endorsed},
    signing_keys::Key,
    token_desk::TokenDesk,
    tokens::{Token, in_seconds},
};

/// A verifier as the handler makes it of its settings.
pub fn verifier(connector: &BotConnector) -> ConnectorTokens {
    use_ring();
    let metadata = Url::parse(&connector.metadata_url()).expect("a URL");
    ConnectorTokens::new(metadata, &Guid::parse(APP_ID).expect("a GUID"))
}

/// Verifies a token at the present time.
pub async fn verify(verifier: &ConnectorTokens, token: &str) -> Result<Caller, Rejection> {
    verifier.verify(token, at(in_seconds(0))).await
}

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_secs(seconds).expect("a time")
}

#[tokio::test]
async fn a_good_token_vouches_for_activities_of_its_channel_and_service() {
    let connector = BotConnector::start(&TokenDesk::default()).await;
    let verifier = verifier(&connector);

    let caller = verify(&verifier, &Token::of_activity(&connector).sign()).await.expect("a caller");

    assert_eq!(caller.vouches_for(CHANNEL, &connector.service_url()), Ok(()));
    assert_eq!(connector.asked_of(0), [1, 1], "metadata and keys");
}

#[tokio::test]
async fn a_token_vouches_for_no_other_channel() {
    let connector = BotConnector::start(&TokenDesk::default()).await;
    let (verifier, service) = (verifier(&connector), connector.service_url());
    let teams = verify(&verifier, &Token::of_activity(&connector).sign()).await.expect("a caller");
    for channel in ["", "webchat", "MSTEAMS", " msteams", "msteams,skype", "msteam", "*"] {
        assert_eq!(teams.vouches_for(channel, &service), Err(Check::Endorsement), "{channel:?}");
    }
    let web_chat = Token::of_activity(&connector).of_key(Key::WebChat).sign();
    let web_chat = verify(&verifier, &web_chat).await.expect("a caller");
    assert_eq!(web_chat.vouches_for("webchat", &service), Ok(()));
    assert_eq!(web_chat.vouches_for(CHANNEL, &service), Err(Check::Endorsement));
}

#[tokio::test]
async fn a_key_that_is_endorsed_for_nothing_vouches_for_nothing() {
    let bare = Key::Connector.jwk();
    for key in [bare, endorsed(Key::Connector, &[]), endorsed(Key::Connector, &["msteams "])] {
        let connector = BotConnector::start(&TokenDesk::default()).await;
        connector.publish_of(0, [key.clone()]);
        let caller = verify(&verifier(&connector), &Token::of_activity(&connector).sign()).await;
        let vouched = caller.expect("a caller").vouches_for(CHANNEL, &connector.service_url());
        assert_eq!(vouched, Err(Check::Endorsement), "{}", key["endorsements"]);
    }
}

#[tokio::test]
async fn a_token_vouches_for_no_other_service() {
    let connector = BotConnector::start(&TokenDesk::default()).await;
    let (verifier, service) = (verifier(&connector), connector.service_url());
    let caller = verify(&verifier, &Token::of_activity(&connector).sign()).await.expect("a caller");
    for other in [
        String::new(),
        format!("{service}/"),
        service.to_uppercase(),
        service.replace("127.0.0.1", "localhost"),
        format!("{service}/../evil"),
        "https://evil.example".to_owned(),
    ] {
        assert_eq!(caller.vouches_for(CHANNEL, &other), Err(Check::ServiceUrl), "{other:?}");
    }
    let evil = Token::of_activity(&connector).claim("serviceurl", "https://evil.example").sign();
    let evil = verify(&verifier, &evil).await.expect("a caller");
    assert_eq!(evil.vouches_for(CHANNEL, &service), Err(Check::ServiceUrl));
}

#[tokio::test]
async fn a_token_counts_five_minutes_before_and_after_its_life_and_no_longer() {
    let (connector, now) = (BotConnector::start(&TokenDesk::default()).await, in_seconds(0));
    let verifier = verifier(&connector);
    let token = Token::of_activity(&connector).claim("nbf", now).claim("exp", now + 3600).sign();
    for (seconds, expected) in [
        (-301, Err(Rejection::Failed(Check::NotYetValid))),
        (-300, Ok(())),
        (3899, Ok(())),
        (3900, Err(Rejection::Failed(Check::Expired))),
    ] {
        let verified = verifier.verify(&token, at(now + seconds)).await.map(drop);
        assert_eq!(verified, expected, "after {seconds} s");
    }
}

#[tokio::test]
async fn while_the_keys_are_not_reached_nobody_can_say() {
    let connector = BotConnector::start(&TokenDesk::default()).await;
    connector.go_down();

    let verified = verify(&verifier(&connector), &Token::of_activity(&connector).sign()).await;

    assert_eq!(verified.map(drop), Err(Rejection::KeysNotReached));
}

#[tokio::test]
async fn another_clouds_issuer_is_the_one_that_its_metadata_names() {
    let connector = BotConnector::start(&TokenDesk::default()).await;
    connector.say_issuer("https://api.botframework.us");
    let verifier = verifier(&connector);

    let (token, theirs) = (Token::of_activity(&connector), "https://api.botframework.us");

    assert!(verify(&verifier, &token.clone().claim("iss", theirs).sign()).await.is_ok());
    let ours = verify(&verifier, &token.sign()).await.map(drop);
    assert_eq!(ours, Err(Rejection::Failed(Check::Issuer)));
}
