//! Bad tokens of Entra, of both versions: each that [`forgeries`](crate::forgeries) knows, and those that only Entra's
//! own checks refuse. All get one answer, which says nothing of what failed; the log names the check.

use ring::signature::EcdsaKeyPair;
use serde_json::json;
use tokio::{
    io::{AsyncWriteExt, BufReader},
    net::TcpStream,
};

use crate::{
    authority::{AUDIENCE, Authority, CLIENT_ID, TENANT, Version},
    forgeries::{BadToken, Forger, assert_none_counts, careless_keys, elliptic_key, hidden},
    functions_host::{FunctionsHost, Mode, payload_to_json},
    github::GitHub,
    http1::{Answer, Request},
    protocol::payload_of,
    relay::CLICK,
    stores::Store,
    tokens::{ACTIONS_APP, ALEX, Token, caller_claim, in_seconds, name_claim},
};

in_one_mode! {
    no_bad_token_counts
    no_bad_token_counts_where_identity_is_not_required_either
    a_token_that_says_something_twice_does_not_count
}

const SOMEBODY_ELSE: &str = "eeeeeeee-1111-4222-8333-444455556666";

/// An authority that publishes what nobody must verify with, besides its good keys.
async fn careless_authority(elliptic: &EcdsaKeyPair) -> Authority {
    let authority = Authority::start().await;
    authority.publish_too(&careless_keys(elliptic));
    authority
}

// T21, T22, T33
async fn no_bad_token_counts(mode: Mode) {
    let (github, elliptic, attacker) = (GitHub::start().await, elliptic_key(), Authority::start().await);
    let authority = careless_authority(&elliptic).await;
    let store = Store::folder();
    let host = FunctionsHost::verifying(mode, &github, &authority, "*").store(&store).start().await;
    let corpus = corpus(&authority, &attacker, &elliptic);
    assert!(corpus.len() >= 50, "{} tokens", corpus.len());

    assert_none_counts(&host, &click(&host), &corpus).await;

    assert_eq!(store.objects().await, [""; 0], "nothing is recorded");
    assert_eq!(attacker.requests(), 0, "the attacker's server is never asked");
    // Everybody would have been an approver, and everything else was in order.
    github.expect_dispatches(1);
    host.click_as(&Token::good(Version::Two, &authority).sign(), CLICK)
        .await
        .assert_outcome(200, "dispatched");
}

async fn no_bad_token_counts_where_identity_is_not_required_either(mode: Mode) {
    let (github, elliptic, attacker) = (GitHub::start().await, elliptic_key(), Authority::start().await);
    let authority = careless_authority(&elliptic).await;
    let store = Store::folder();
    let host = FunctionsHost::verifying(mode, &github, &authority, "*")
        .setting("REQUIRE_IDENTITY", "false")
        .store(&store)
        .start()
        .await;

    assert_none_counts(&host, &click(&host), &corpus(&authority, &attacker, &elliptic)).await;

    assert_eq!(store.objects().await, [""; 0], "nothing is recorded");
    assert_eq!(attacker.requests(), 0, "the attacker's server is never asked");
}

async fn a_token_that_says_something_twice_does_not_count(mode: Mode) {
    let (github, authority, store) = (GitHub::start().await, Authority::start().await, Store::folder());
    let host = FunctionsHost::verifying(mode, &github, &authority, "*").store(&store).start().await;

    let doubled = Version::BOTH.into_iter().flat_map(|version| doubled(&authority, version));
    assert_none_counts(&host, &click(&host), &doubled.collect::<Vec<_>>()).await;

    assert_eq!(store.objects().await, [""; 0], "nothing is recorded");
}

fn click(host: &FunctionsHost) -> Request {
    host.click_request().json(CLICK)
}

fn corpus(authority: &Authority, attacker: &Authority, elliptic: &EcdsaKeyPair) -> Vec<BadToken> {
    let of_version = |version| {
        let mut corpus = Corpus { version, authority, forger: forger(authority, version) };
        corpus.forger.forge(elliptic, &attacker.keys_url(version));
        corpus.of_the_other_version();
        corpus.with_claims_of_another_type();
        corpus.of_others();
        corpus.of_apps();
        corpus.with_odd_claims();
        corpus.forger.bad
    };
    Version::BOTH.into_iter().flat_map(of_version).collect()
}

fn forger(authority: &Authority, version: Version) -> Forger {
    Forger {
        issuer: format!("version {version:?}"),
        good: Token::good(version, authority),
        key: version.key(),
        claims: vec![
            ("iss", "Claims"),
            ("aud", "Claims"),
            ("exp", "Claims"),
            ("nbf", "Claims"),
            ("tid", "Claims"),
            ("oid", "Claims"),
            ("scp", "Scope"),
            ("ver", "Version"),
            (caller_claim(version), "Caller"),
        ],
        subject: "oid",
        peeks: Some("Version"),
        leeway_s: 300,
        bad: Vec::new(),
    }
}

/// The bad tokens of one version.
struct Corpus<'a> {
    version: Version,
    authority: &'a Authority,
    forger: Forger,
}

impl Corpus<'_> {
    fn of_the_other_version(&mut self) {
        let other = self.version.other().key();
        self.forger.add("Key", "the other version's key", self.forger.good().of_key(other).sign());
        self.forger.add(
            "Signature",
            "the other version's key with our kid",
            self.forger.good().signed_by(other).sign(),
        );
        self.forger.add(
            "Key",
            "our key with the other version's kid",
            self.forger.good().header("kid", other.id()).sign(),
        );
    }

    fn with_claims_of_another_type(&mut self) {
        for (claim, odd, check) in [
            ("ver", json!(2), "Version"),
            ("ver", json!(1.0), "Version"),
            ("tid", json!(7), "Claims"),
            ("aud", json!([CLIENT_ID, 7]), "Claims"),
            ("aud", json!({CLIENT_ID: AUDIENCE}), "Claims"),
            ("aud", json!([[CLIENT_ID]]), "Claims"),
            ("aud", json!([]), "Audience"),
            ("aud", json!([SOMEBODY_ELSE, ""]), "Audience"),
            ("aud", json!([format!("{CLIENT_ID} {AUDIENCE}")]), "Audience"),
            ("idtyp", json!(["user"]), "Claims"),
            (name_claim(self.version), json!(["*"]), "Claims"),
        ] {
            self.forger.add(check, format!("{claim} {odd}"), self.forger.good().claim(claim, odd).sign());
        }
    }

    /// Good tokens of another tenant, of another issuer, for another app, or from another caller.
    fn of_others(&mut self) {
        let ours = self.authority.issuer(self.version);
        for issuer in [
            self.authority.issuer(self.version.other()),
            ours.replace(TENANT, SOMEBODY_ELSE),
            ours.replacen('5', "6", 1),
            ours.to_uppercase(),
            ours.strip_suffix('/').map_or(format!("{ours}/"), str::to_owned),
            format!(" {ours}"),
            "https://substrate.office.com/sts/".to_owned(),
            String::new(),
        ] {
            self.forger.add(
                "Issuer",
                format!("iss {issuer:?}"),
                self.forger.good().claim("iss", issuer).sign(),
            );
        }
        for audience in [
            SOMEBODY_ELSE.to_owned(),
            "00000003-0000-0000-c000-000000000000".to_owned(),
            format!("{AUDIENCE}/"),
            AUDIENCE.to_uppercase(),
            AUDIENCE[..AUDIENCE.len() - 1].to_owned(),
            format!("{CLIENT_ID},{AUDIENCE}"),
            "*".to_owned(),
            String::new(),
        ] {
            self.forger.add(
                "Audience",
                format!("aud {audience:?}"),
                self.forger.good().claim("aud", audience).sign(),
            );
        }
        for tenant in [SOMEBODY_ELSE, "common", "", &format!("{{{TENANT}}}"), &TENANT.replace('-', "")] {
            self.forger.add(
                "Tenant",
                format!("tid {tenant:?}"),
                self.forger.good().claim("tid", tenant).sign(),
            );
        }
        let claim = caller_claim(self.version);
        for caller in [SOMEBODY_ELSE, CLIENT_ID, AUDIENCE, "", &format!("{ACTIONS_APP} ")] {
            self.forger.add(
                "Caller",
                format!("{claim} {caller:?}"),
                self.forger.good().claim(claim, caller).sign(),
            );
        }
        let of_other_version =
            self.forger.good().without(claim).claim(caller_claim(self.version.other()), ACTIONS_APP);
        self.forger.add("Caller", "the caller where the other version has it", of_other_version.sign());
    }

    fn of_apps(&mut self) {
        let of_app = (self.forger.good().without("scp").without("name").without(name_claim(self.version)))
            .claim("roles", json!(["Releases.Approve"]))
            .claim("idtyp", "app");
        self.forger.add("Scope", "a token of an app alone", of_app.sign());
        self.forger.add("Scope", "the same without idtyp", of_app.without("idtyp").sign());
        for kind in ["app", "App", "APP"] {
            self.forger.add(
                "Scope",
                format!("idtyp {kind} and a scope"),
                self.forger.good().claim("idtyp", kind).sign(),
            );
        }
        for scope in ["", " ", "\t\n"] {
            self.forger.add("Scope", format!("scp {scope:?}"), self.forger.good().claim("scp", scope).sign());
        }
    }

    fn with_odd_claims(&mut self) {
        for person in
            ["", "alex@contoso.com", "*", &format!("{{{ALEX}}}"), &ALEX.replace('-', ""), &ALEX[1..]]
        {
            self.forger.add(
                "Person",
                format!("oid {person:?}"),
                self.forger.good().claim("oid", person).sign(),
            );
        }
        let other = self.version.other();
        let of_other =
            self.forger.good().claim("ver", Token::good(other, self.authority).claims["ver"].clone());
        self.forger.add("Key", "said to be of the other version", of_other.sign());
        self.forger.add(
            "Issuer",
            "the same, signed by the other version's key",
            of_other.of_key(other.key()).sign(),
        );
        for version in ["", "1", "2", "3.0", "v2.0", " 2.0", "2.0\0"] {
            self.forger.add(
                "Version",
                format!("ver {version:?}"),
                self.forger.good().claim("ver", version).sign(),
            );
        }
    }
}

/// Claims and headers that stand twice: nobody can say which of the two was meant.
fn doubled(authority: &Authority, version: Version) -> Vec<BadToken> {
    let other = |claim| (claim, json!(SOMEBODY_ELSE));
    forger(authority, version).doubled(&[
        other("iss"),
        other("aud"),
        ("exp", json!(1)),
        ("nbf", json!(in_seconds(7200))),
        other("tid"),
        other("oid"),
        ("scp", json!("")),
        ("ver", json!("3.0")),
        other(caller_claim(version)),
        other(name_claim(version)),
    ])
}

/// Headers that no HTTP host lets through; anyone who reaches the handler's port does not need a host.
#[tokio::test]
async fn a_payload_cannot_hide_anything_in_a_token() {
    let (github, authority) = (GitHub::start().await, Authority::start().await);
    let host = FunctionsHost::verifying(Mode::Payload, &github, &authority, "*").start().await;

    for token in hidden(&Token::good(Version::Two, &authority).sign()) {
        let mut payload = payload_of(CLICK);
        payload["Data"]["req"]["Headers"]["Authorization"] = json!([format!("Bearer {token}")]);
        let request = Request::post("/ApproveRelease").json(payload_to_json(&payload)).chunked();
        let answer = host.send_to_handler(request).await;
        assert_eq!(answer.json()["Outputs"]["res"]["statusCode"], "401", "{token:?}: {}", answer.text());
    }
}

#[tokio::test]
async fn bytes_that_are_no_text_are_no_token() {
    let (github, authority) = (GitHub::start().await, Authority::start().await);
    let host = FunctionsHost::verifying(Mode::Proxying, &github, &authority, "*").start().await;
    let good = Token::good(Version::Two, &authority).sign();

    for bytes in [&b"\xff\xfe"[..], b"\x80", b"\xc0\xae", b"\xed\xa0\x80"] {
        let head = format!("Host: x\r\nContent-Length: {}\r\nConnection: close\r\n", CLICK.len());
        let mut wire =
            format!("POST /api/ApproveRelease HTTP/1.1\r\n{head}Authorization: Bearer {good}").into_bytes();
        wire.extend_from_slice(bytes);
        wire.extend_from_slice(format!("\r\n\r\n{CLICK}").as_bytes());
        let mut stream = TcpStream::connect(("127.0.0.1", host.handler_port())).await.expect("it listens");
        stream.write_all(&wire).await.expect("it reads");
        let answer = Answer::read(&mut BufReader::new(stream)).await.expect("it answers");
        answer.assert_outcome(401, "unauthenticated");
    }
}
