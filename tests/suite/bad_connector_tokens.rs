//! Bad tokens of the Bot Connector: each that [`forgeries`](crate::forgeries) knows, and those that are good for
//! somebody else. Each fails its own check.

use ring::signature::EcdsaKeyPair;
use serde_json::json;

use crate::{
    actions::Actions,
    authority::{Authority, TENANT, Version},
    connector::{APP_ID, BotConnector, ISSUER},
    connector_tokens::{verifier, verify},
    forgeries::{BadToken, Forger, careless_keys, elliptic_key, hidden},
    signing_keys::Key,
    token_desk::TokenDesk,
    tokens::{Token, in_seconds},
};

/// All who issue tokens, good ones and bad ones.
struct Issuers {
    connector: BotConnector,
    authority: Authority,
    actions: Actions,
    attacker: BotConnector,
    elliptic: EcdsaKeyPair,
}

impl Issuers {
    /// The Bot Connector publishes what nobody must verify with, besides its good keys.
    async fn start() -> Self {
        let (connector, elliptic) = (BotConnector::start(&TokenDesk::default()).await, elliptic_key());
        connector.publish_too(&careless_keys(&elliptic));
        let (authority, actions) = (Authority::start().await, Actions::start().await);
        Self {
            connector,
            elliptic,
            authority,
            actions,
            attacker: BotConnector::start(&TokenDesk::default()).await,
        }
    }

    fn corpus(&self) -> Vec<BadToken> {
        let mut corpus = Corpus { issuers: self, forger: forger(&self.connector) };
        corpus.forger.forge(&self.elliptic, &self.attacker.keys_url());
        corpus.of_other_issuers();
        corpus.of_others();
        corpus.of_odd_services();
        assert!(corpus.forger.bad.len() >= 250, "{} tokens", corpus.forger.bad.len());
        corpus.forger.bad
    }
}

#[tokio::test]
async fn each_bad_token_of_an_activity_fails_its_own_check() {
    let issuers = Issuers::start().await;
    let verifier = verifier(&issuers.connector);
    let mut faults = Vec::new();
    for bad in issuers.corpus().into_iter().chain(doubled(&issuers.connector)) {
        let caller = verify(&verifier, &bad.token).await.map(drop);
        let expected = format!("the credentials fail the check of {}", bad.check);
        if caller.as_ref().err().is_none_or(|rejection| rejection.to_string() != expected) {
            faults.push(format!("{} should fail the check of {}: {caller:?}", bad.name, bad.check));
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
    assert_eq!(issuers.attacker.requests(), 0, "the attacker's server is never asked");
}

#[tokio::test]
async fn nothing_can_be_hidden_in_a_token_of_an_activity() {
    let connector = BotConnector::start(&TokenDesk::default()).await;
    let verifier = verifier(&connector);
    for token in hidden(&Token::of_activity(&connector).sign()) {
        assert!(verify(&verifier, &token).await.is_err(), "{token:?}");
    }
}

fn forger(connector: &BotConnector) -> Forger {
    Forger {
        issuer: "of an activity".to_owned(),
        good: Token::of_activity(connector),
        key: Key::Connector,
        claims: ["iss", "aud", "exp", "nbf", "serviceurl"].map(|claim| (claim, "Claims")).into(),
        subject: "serviceurl",
        peeks: None,
        leeway_s: 300,
        bad: Vec::new(),
    }
}

fn doubled(connector: &BotConnector) -> Vec<BadToken> {
    forger(connector).doubled(&[
        ("iss", json!("https://api.botframework.us")),
        ("aud", json!(TENANT)),
        ("exp", json!(1)),
        ("nbf", json!(in_seconds(7200))),
        ("serviceurl", json!("https://evil.example")),
    ])
}

struct Corpus<'a> {
    issuers: &'a Issuers,
    forger: Forger,
}

impl Corpus<'_> {
    /// Good tokens of Entra and of GitHub, and such as the Bot Connector would have signed.
    fn of_other_issuers(&mut self) {
        let of_entra = Version::BOTH.map(|version| Token::good(version, &self.issuers.authority));
        for other in of_entra.into_iter().chain([Token::of_job(&self.issuers.actions)]) {
            let name = |what: &str| format!("a token of {}{what}", other.claims["iss"]);
            self.forger.add("Key", name(""), other.sign());
            let named = other.clone().header("kid", Key::Connector.id());
            self.forger.add("Signature", name(" that names our key"), named.sign());
            let ours = other.clone().of_key(Key::Connector);
            self.forger.add("Issuer", name(", signed by our key"), ours.sign());
            let ours = ours.claim("iss", ISSUER);
            self.forger.add("Audience", name(", signed and issued by ours"), ours.sign());
            self.forger.add("Claims", name(", and for us"), ours.claim("aud", APP_ID).sign());
        }
        // As the Bot Framework Emulator makes them: the bot's own token, of Entra.
        let own = Token::good(Version::Two, &self.issuers.authority).claim("aud", APP_ID);
        let own = own.claim("serviceurl", self.issuers.connector.service_url());
        self.forger.add("Key", "the bot's own token", own.sign());
    }

    /// Good tokens of another issuer, or for another bot.
    fn of_others(&mut self) {
        let padded = [format!("{ISSUER}/"), format!(" {ISSUER}"), ISSUER.to_uppercase()];
        self.forger.with("Issuer", "iss", &padded.each_ref().map(String::as_str));
        self.forger.with(
            "Issuer",
            "iss",
            &["https://api.botframework.us", "http://api.botframework.com", "", "*"],
        );
        let padded = [format!("{APP_ID} "), format!("api://{APP_ID}"), APP_ID.to_uppercase()];
        self.forger.with("Audience", "aud", &padded.each_ref().map(String::as_str));
        self.forger.with(
            "Audience",
            "aud",
            &[TENANT, ISSUER, &APP_ID[1..], &APP_ID.replace('-', ""), "*", ""],
        );
        for audience in [json!([TENANT, ISSUER]), json!([])] {
            self.forger.add(
                "Audience",
                format!("aud {audience}"),
                self.forger.good().claim("aud", audience).sign(),
            );
        }
    }

    /// The claim in another spelling is another claim.
    fn of_odd_services(&mut self) {
        let url = self.issuers.connector.service_url();
        for spelling in ["serviceUrl", "ServiceUrl", "SERVICEURL", "service_url"] {
            let token = self.forger.good().without("serviceurl").claim(spelling, url.clone());
            self.forger.add("Claims", spelling, token.sign());
        }
    }
}
