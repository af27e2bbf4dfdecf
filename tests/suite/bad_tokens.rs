//! Bad tokens: one for each check and for each attack that is known, of both versions. All get one answer, which says
//! nothing of what failed; the log names the check.

use base64::{
    Engine,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD},
};
use ring::{
    hmac,
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA384,
        RSA_PKCS1_SHA512, RSA_PSS_SHA256, RSA_PSS_SHA384, RSA_PSS_SHA512, RsaEncoding,
    },
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncWriteExt, BufReader},
    net::TcpStream,
};

use crate::{
    authority::{AUDIENCE, Authority, CLIENT_ID, TENANT, Version},
    functions_host::{FunctionsHost, Mode, payload_to_json},
    github::GitHub,
    http1::{Answer, Request},
    protocol::payload_of,
    relay::CLICK,
    signing_keys::Key,
    stores::Store,
    tokens::{ACTIONS_APP, ALEX, Token, caller_claim, encode, in_seconds, name_claim},
};

in_every_mode! {
    no_bad_token_counts
    no_bad_token_counts_where_identity_is_not_required_either
    a_token_that_says_something_twice_does_not_count
}

const SOMEBODY_ELSE: &str = "eeeeeeee-1111-4222-8333-444455556666";

/// The secret of a symmetric key that the authority publishes by mistake.
const PUBLISHED_SECRET: &[u8] = b"a secret that is none any more!!";
const PUBLISHED_SECRET_ID: &str = "published-secret";

struct BadToken {
    name: String,
    token: String,
    /// The check that it fails, in the log's words; the first of them, where there are two.
    check: &'static str,
}

/// An authority that publishes what nobody must verify with, besides its good keys.
async fn careless_authority(elliptic: &EcdsaKeyPair) -> Authority {
    let authority = Authority::start().await;
    let (x, y) = elliptic.public_key().as_ref()[1..].split_at(32);
    authority.publish_too(&[
        Key::Encryption.jwk(),
        Key::Rs512.jwk(),
        Key::Weak.jwk(),
        json!({"kty": "oct", "use": "sig", "kid": PUBLISHED_SECRET_ID, "k": encode(PUBLISHED_SECRET)}),
        json!({"kty": "EC", "use": "sig", "kid": "elliptic", "crv": "P-256", "x": encode(x), "y": encode(y)}),
    ]);
    authority
}

fn elliptic_key() -> EcdsaKeyPair {
    let random = SystemRandom::new();
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).expect("random");
    EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref(), &random).expect("just made")
}

async fn no_bad_token_counts(mode: Mode) {
    let (github, elliptic, attacker) = (GitHub::start().await, elliptic_key(), Authority::start().await);
    let authority = careless_authority(&elliptic).await;
    let store = Store::folder();
    let host = FunctionsHost::verifying(mode, &github, &authority, "*").store(&store).start().await;
    let corpus = corpus(&authority, &attacker, &elliptic);
    assert!(corpus.len() >= 50, "{} tokens", corpus.len());

    assert_none_counts(&host, &corpus).await;

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

    assert_none_counts(&host, &corpus(&authority, &attacker, &elliptic)).await;

    assert_eq!(store.objects().await, [""; 0], "nothing is recorded");
    assert_eq!(attacker.requests(), 0, "the attacker's server is never asked");
}

async fn a_token_that_says_something_twice_does_not_count(mode: Mode) {
    let (github, authority, store) = (GitHub::start().await, Authority::start().await, Store::folder());
    let host = FunctionsHost::verifying(mode, &github, &authority, "*").store(&store).start().await;

    let doubled = Version::BOTH.into_iter().flat_map(|version| doubled(&authority, version));
    assert_none_counts(&host, &doubled.collect::<Vec<_>>()).await;

    assert_eq!(store.objects().await, [""; 0], "nothing is recorded");
}

/// Clicks with each token; asserts that all are answered alike, and that the log names the check and no token.
async fn assert_none_counts(host: &FunctionsHost, corpus: &[BadToken]) {
    let basic = host.click_request().json(CLICK).header("Authorization", "Basic b2N0bzphcHA=");
    let expected = host.send(basic).await;
    expected.assert_outcome(401, "unauthenticated");
    let mut faults = Vec::new();
    for (number, bad) in corpus.iter().enumerate() {
        let answer = click_as_case(host, number, &bad.token).await;
        if (answer.status, answer.text()) != (401, expected.text()) {
            faults.push(format!("{} is answered {} {}", bad.name, answer.status, answer.text()));
        }
        let line = host.stderr_line(&format!("(card case-{number},")).await;
        if !line.contains(&format!("[the credentials fail the check of {}]", bad.check)) {
            faults.push(format!("{} should fail the check of {}: {line}", bad.name, bad.check));
        }
    }
    let written = host.stderr() + &host.logs().join("\n");
    let told = corpus.iter().filter(|bad| bad.token.len() > 20 && written.contains(&bad.token));
    faults.extend(told.map(|bad| format!("{} is in the log", bad.name)));
    assert!(faults.is_empty(), "{faults:#?}");
}

async fn click_as_case(host: &FunctionsHost, number: usize, token: &str) -> Answer {
    let click = (host.click_request().json(CLICK))
        .header("Authorization", &format!("Bearer {token}"))
        .header("Card-Correlation-Id", &format!("case-{number}"));
    host.send(click).await
}

fn corpus(authority: &Authority, attacker: &Authority, elliptic: &EcdsaKeyPair) -> Vec<BadToken> {
    let of_version = |version| {
        let mut corpus = Corpus { version, authority, bad: Vec::new() };
        corpus.unsigned();
        corpus.symmetric();
        corpus.of_other_algorithms(elliptic);
        corpus.of_other_keys();
        corpus.of_odd_key_ids();
        corpus.with_keys_of_their_own(attacker);
        corpus.with_other_headers();
        corpus.with_missing_claims();
        corpus.with_claims_of_another_type();
        corpus.of_others();
        corpus.of_apps();
        corpus.out_of_time();
        corpus.with_odd_claims();
        corpus.altered();
        corpus.in_another_shape();
        corpus.spelled_otherwise();
        corpus.bad
    };
    Version::BOTH.into_iter().flat_map(of_version).collect()
}

/// The bad tokens of one version.
struct Corpus<'a> {
    version: Version,
    authority: &'a Authority,
    bad: Vec<BadToken>,
}

impl Corpus<'_> {
    fn good(&self) -> Token {
        Token::good(self.version, self.authority)
    }

    fn add(&mut self, check: &'static str, name: impl Into<String>, token: impl Into<String>) {
        let name = format!("version {:?}: {}", self.version, name.into());
        self.bad.push(BadToken { name, token: token.into(), check });
    }

    /// `alg: none`, in every spelling, and whatever else is no algorithm.
    fn unsigned(&mut self) {
        let spelled =
            ["none", "None", "NONE", "nOnE", "none ", "", "rs256", "RS256 ", "RSA", "A128KW", "ES256K"];
        let others = [json!(null), json!(0), json!(["RS256"]), json!({"none": null})];
        for algorithm in spelled.map(Value::from).into_iter().chain(others) {
            let token = self.good().header("alg", algorithm.clone());
            self.add("Shape", format!("alg {algorithm}, no signature"), token.sign_with(|_| Vec::new()));
            self.add("Shape", format!("alg {algorithm}, any signature"), token.sign_with(|_| vec![1; 256]));
            self.add("Shape", format!("alg {algorithm}, a good signature"), token.sign());
        }
        self.add("Shape", "no alg", self.good().without_header("alg").sign());
        self.add("Signature", "RS256, no signature", self.good().sign_with(|_| Vec::new()));
    }

    /// HS256 and the like, with a secret that everybody knows.
    fn symmetric(&mut self) {
        let sign = |algorithm, secret: &[u8]| {
            let key = hmac::Key::new(algorithm, secret);
            move |message: &[u8]| hmac::sign(&key, message).as_ref().to_vec()
        };
        for (spelling, secret) in self.version.key().public_spellings() {
            for (name, algorithm) in
                [("HS256", hmac::HMAC_SHA256), ("HS384", hmac::HMAC_SHA384), ("HS512", hmac::HMAC_SHA512)]
            {
                let token = self.good().header("alg", name).sign_with(sign(algorithm, &secret));
                self.add("Algorithm", format!("{name} with the public key as {spelling}"), token);
            }
            let token = self.good().sign_with(sign(hmac::HMAC_SHA256, &secret));
            self.add("Signature", format!("said to be RS256, signed with the {spelling} as secret"), token);
        }
        let nothing = self.good().header("alg", "HS256").sign_with(sign(hmac::HMAC_SHA256, b""));
        self.add("Algorithm", "HS256 with an empty secret", nothing);
        let published = self.good().header("kid", PUBLISHED_SECRET_ID);
        let signed = |token: Token| token.sign_with(sign(hmac::HMAC_SHA256, PUBLISHED_SECRET));
        self.add(
            "Algorithm",
            "HS256 with a published secret",
            signed(published.clone().header("alg", "HS256")),
        );
        self.add("Key", "RS256 with a published secret", signed(published));
    }

    /// Good signatures of other algorithms, named and unnamed.
    fn of_other_algorithms(&mut self, elliptic: &EcdsaKeyPair) {
        let encodings: [(&str, &'static dyn RsaEncoding); 5] = [
            ("RS384", &RSA_PKCS1_SHA384),
            ("RS512", &RSA_PKCS1_SHA512),
            ("PS256", &RSA_PSS_SHA256),
            ("PS384", &RSA_PSS_SHA384),
            ("PS512", &RSA_PSS_SHA512),
        ];
        for (name, encoding) in encodings {
            let key = self.version.key();
            let sign = |token: Token| token.sign_with(|message| key.sign_as(encoding, message));
            self.add("Algorithm", format!("{name} with the good key"), sign(self.good().header("alg", name)));
            self.add("Signature", format!("said to be RS256, and {name}"), sign(self.good()));
        }
        let random = SystemRandom::new();
        let es256 = |message: &[u8]| elliptic.sign(&random, message).expect("signed").as_ref().to_vec();
        let token = self.good().header("kid", "elliptic");
        self.add(
            "Algorithm",
            "ES256 with a published key",
            token.clone().header("alg", "ES256").sign_with(es256),
        );
        self.add("Key", "said to be RS256, with a published EC key", token.sign_with(es256));
        let edwards = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).expect("a seed");
        let eddsa = |message: &[u8]| edwards.sign(message).as_ref().to_vec();
        self.add("Algorithm", "EdDSA", self.good().header("alg", "EdDSA").sign_with(eddsa));
    }

    fn of_other_keys(&mut self) {
        let other = self.version.other().key();
        self.add("Signature", "a foreign key with our kid", self.good().signed_by(Key::Foreign).sign());
        self.add("Key", "a foreign key with its own kid", self.good().of_key(Key::Foreign).sign());
        self.add("Key", "the other version's key", self.good().of_key(other).sign());
        self.add("Signature", "the other version's key with our kid", self.good().signed_by(other).sign());
        self.add("Key", "our key with the other version's kid", self.good().header("kid", other.id()).sign());
        self.add("Key", "a key for encryption", self.good().of_key(Key::Encryption).sign());
        self.add("Key", "a key for RS512", self.good().of_key(Key::Rs512).sign());
        self.add("Signature", "a published key that is too short", self.good().of_key(Key::Weak).sign());
    }

    fn of_odd_key_ids(&mut self) {
        let id = self.version.key().id();
        self.add("Key", "no kid", self.good().without_header("kid").sign());
        self.add("Key", "kid null", self.good().header("kid", Value::Null).sign());
        for odd in [json!(7), json!([id]), json!({"kid": id}), json!(true)] {
            self.add("Shape", format!("kid {odd}"), self.good().header("kid", odd).sign());
        }
        let texts = [
            String::new(),
            id.to_uppercase(),
            format!("{id} "),
            format!("{id}\0"),
            format!("./{id}"),
            "../../../../dev/null".to_owned(),
            "/proc/self/environ".to_owned(),
            "file:///dev/null".to_owned(),
            "' UNION SELECT 'secret' -- ".to_owned(),
            "x' OR '1'='1".to_owned(),
            "$(reboot)|reboot;`reboot`".to_owned(),
            "{{7*7}}\r\nX-Evil: 1".to_owned(),
            "x".repeat(257),
            "x".repeat(10_000),
        ];
        for odd in texts {
            let name = format!("kid {:?} of {} bytes", &odd[..odd.len().min(40)], odd.len());
            self.add("Key", name, self.good().header("kid", odd).sign());
        }
    }

    /// Keys, or where to find them, in the token's own header.
    fn with_keys_of_their_own(&mut self, attacker: &Authority) {
        let keys_url = attacker.keys_url(self.version);
        for (header, value) in [
            ("jwk", Key::Foreign.jwk()),
            ("jku", keys_url.clone().into()),
            ("x5u", keys_url.into()),
            ("x5c", json!(["MIIDBTCCAe2gAwIBAgIQ"])),
        ] {
            let token = self.good().header(header, value);
            self.add(
                "Key",
                format!("{header} and a kid of its own"),
                token.clone().of_key(Key::Foreign).sign(),
            );
            self.add("Signature", format!("{header} and our kid"), token.signed_by(Key::Foreign).sign());
        }
    }

    fn with_other_headers(&mut self) {
        for critical in [json!(["exp"]), json!(["b64"]), json!(["alg", "kid"]), json!([])] {
            let token = self.good().header("b64", false).header("crit", critical.clone());
            self.add("Critical", format!("crit {critical}"), token.sign());
        }
        self.add("Shape", "crit of another type", self.good().header("crit", "exp").sign());
        for text in ["", "null", "[]", "\"RS256\"", "{", "\u{feff}{\"alg\":\"RS256\"}"] {
            self.add("Shape", format!("the header {text:?}"), self.good().sign_header(text));
        }
        self.add(
            "Shape",
            "a header that is no UTF-8",
            self.good().sign_header(b"{\"alg\":\"RS256\",\"kid\":\"\xff\"}"),
        );
    }

    /// Each claim that is looked at, and the check that misses it.
    fn claims(&self) -> [(&'static str, &'static str); 9] {
        [
            ("iss", "Claims"),
            ("aud", "Claims"),
            ("exp", "Claims"),
            ("nbf", "Claims"),
            ("tid", "Claims"),
            ("oid", "Claims"),
            ("scp", "Scope"),
            ("ver", "Version"),
            (caller_claim(self.version), "Caller"),
        ]
    }

    fn with_missing_claims(&mut self) {
        for (claim, check) in self.claims() {
            self.add(check, format!("no {claim}"), self.good().without(claim).sign());
            self.add(check, format!("{claim} null"), self.good().claim(claim, Value::Null).sign());
        }
    }

    fn with_claims_of_another_type(&mut self) {
        for (claim, _) in self.claims() {
            let check = if claim == "ver" { "Version" } else { "Claims" };
            let value = self.good().claims[claim].clone();
            for odd in [json!([value]), json!({"value": value}), json!(true)] {
                self.add(check, format!("{claim} {odd}"), self.good().claim(claim, odd).sign());
            }
        }
        for (claim, odd, check) in [
            ("exp", json!(in_seconds(3600).to_string()), "Claims"),
            ("nbf", json!(in_seconds(-60).to_string()), "Claims"),
            ("exp", json!("2099-01-01T00:00:00Z"), "Claims"),
            ("ver", json!(2), "Version"),
            ("ver", json!(1.0), "Version"),
            ("tid", json!(7), "Claims"),
            ("oid", json!(7), "Claims"),
            ("aud", json!([CLIENT_ID, AUDIENCE]), "Claims"),
            ("idtyp", json!(["user"]), "Claims"),
            (name_claim(self.version), json!(["*"]), "Claims"),
        ] {
            self.add(check, format!("{claim} {odd}"), self.good().claim(claim, odd).sign());
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
            self.add("Issuer", format!("iss {issuer:?}"), self.good().claim("iss", issuer).sign());
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
            self.add("Audience", format!("aud {audience:?}"), self.good().claim("aud", audience).sign());
        }
        for tenant in [SOMEBODY_ELSE, "common", "", &format!("{{{TENANT}}}"), &TENANT.replace('-', "")] {
            self.add("Tenant", format!("tid {tenant:?}"), self.good().claim("tid", tenant).sign());
        }
        let claim = caller_claim(self.version);
        for caller in [SOMEBODY_ELSE, CLIENT_ID, AUDIENCE, "", &format!("{ACTIONS_APP} ")] {
            self.add("Caller", format!("{claim} {caller:?}"), self.good().claim(claim, caller).sign());
        }
        let of_other_version =
            self.good().without(claim).claim(caller_claim(self.version.other()), ACTIONS_APP);
        self.add("Caller", "the caller where the other version has it", of_other_version.sign());
    }

    fn of_apps(&mut self) {
        let of_app = (self.good().without("scp").without("name").without(name_claim(self.version)))
            .claim("roles", json!(["Releases.Approve"]))
            .claim("idtyp", "app");
        self.add("Scope", "a token of an app alone", of_app.sign());
        self.add("Scope", "the same without idtyp", of_app.without("idtyp").sign());
        for kind in ["app", "App", "APP"] {
            self.add("Scope", format!("idtyp {kind} and a scope"), self.good().claim("idtyp", kind).sign());
        }
        for scope in ["", " ", "\t\n"] {
            self.add("Scope", format!("scp {scope:?}"), self.good().claim("scp", scope).sign());
        }
    }

    fn out_of_time(&mut self) {
        for (name, exp) in [
            ("expired beyond the leeway", json!(in_seconds(-301))),
            ("expired yesterday", json!(in_seconds(-86_400))),
            ("expired in milliseconds", json!(1_700_000_000)),
            ("exp 0", json!(0)),
            ("exp below 0", json!(-1e300)),
        ] {
            self.add("Expired", name, self.good().claim("exp", exp).sign());
        }
        // Corpora take some seconds to be gone through.
        for (name, nbf) in [
            ("not yet valid beyond the leeway", json!(in_seconds(360))),
            ("valid tomorrow", json!(in_seconds(86_400))),
            ("nbf in milliseconds", json!(in_seconds(0) * 1000)),
            ("nbf 1e300", json!(1e300)),
        ] {
            self.add("NotYetValid", name, self.good().claim("nbf", nbf).sign());
        }
    }

    fn with_odd_claims(&mut self) {
        for person in
            ["", "alex@contoso.com", "*", &format!("{{{ALEX}}}"), &ALEX.replace('-', ""), &ALEX[1..]]
        {
            self.add("Person", format!("oid {person:?}"), self.good().claim("oid", person).sign());
        }
        let other = self.version.other();
        let of_other = self.good().claim("ver", Token::good(other, self.authority).claims["ver"].clone());
        self.add("Key", "said to be of the other version", of_other.sign());
        self.add(
            "Issuer",
            "the same, signed by the other version's key",
            of_other.of_key(other.key()).sign(),
        );
        for version in ["", "1", "2", "3.0", "v2.0", " 2.0", "2.0\0"] {
            self.add("Version", format!("ver {version:?}"), self.good().claim("ver", version).sign());
        }
        let (good, text) = (self.good(), json!(self.good().claims).to_string());
        for claims in
            ["", "null", "[]", "7", "\"text\"", "{", "{}", &format!("{text}x"), &format!("\u{feff}{text}")]
        {
            let name = format!("the claims {:?}", claims.chars().take(20).collect::<String>());
            self.add("Version", name, good.sign_claims(claims));
        }
        let text = json!(self.good().without("name").claims).to_string();
        let with_name =
            |name: &[u8]| [&text.as_bytes()[..text.len() - 1], b",\"name\":", name, b"}"].concat();
        self.add("Claims", "claims that are no UTF-8", good.sign_claims(with_name(b"\"\xff\xfe\"")));
        let deep = format!("{}{}", "[".repeat(5_000), "]".repeat(5_000));
        self.add("Claims", "claims nested 5000 levels deep", good.sign_claims(with_name(deep.as_bytes())));
    }

    /// Parts of good tokens put together anew.
    fn altered(&mut self) {
        let (good, another) = (self.good().sign(), self.good().sign());
        let ([header, claims, signature], [_, _, others]) = (parts(&good), parts(&another));
        let altered = encode(json!(self.good().claim("oid", SOMEBODY_ELSE).claims).to_string());
        let renamed = encode(json!(self.good().header("typ", "at+jwt").header).to_string());
        let mut bytes = URL_SAFE_NO_PAD.decode(signature).expect("base64");
        bytes[100] ^= 1;
        let flipped = encode(&bytes);
        bytes[100] ^= 1;
        for (name, token) in [
            ("the signature of another token", format!("{header}.{claims}.{others}")),
            ("claims altered after signing", format!("{header}.{altered}.{signature}")),
            ("a header altered after signing", format!("{renamed}.{claims}.{signature}")),
            ("a signature with one bit turned", format!("{header}.{claims}.{flipped}")),
            ("a signature of zeros", format!("{header}.{claims}.{}", encode([0; 256]))),
            ("a signature of ones", format!("{header}.{claims}.{}", encode([255; 256]))),
            (
                "a signature with a zero before it",
                format!("{header}.{claims}.{}", encode([&[0], &bytes[..]].concat())),
            ),
            ("a signature and more", format!("{header}.{claims}.{}", encode([&bytes[..], &[0]].concat()))),
            ("a signature cut by some bytes", format!("{header}.{claims}.{}", encode(&bytes[..253]))),
        ] {
            self.add("Signature", name, token);
        }
    }

    /// Parts too few, too many, or cut.
    fn in_another_shape(&mut self) {
        let good = self.good().sign();
        let [header, claims, signature] = parts(&good);
        let cut = |part: &str| part[..part.len() - 1].to_owned();
        let encrypted = encode(r#"{"alg":"RSA-OAEP","enc":"A256GCM"}"#);
        for (check, name, token) in [
            ("Shape", "no token", "-".to_owned()),
            ("Shape", "null", "null".to_owned()),
            ("Version", "one dot", ".".to_owned()),
            ("Version", "two dots", "..".to_owned()),
            ("Shape", "the header alone", header.to_owned()),
            ("Shape", "two parts", format!("{header}.{claims}")),
            ("Signature", "two parts and a dot", format!("{header}.{claims}.")),
            ("Version", "no claims", format!("{header}..{signature}")),
            ("Shape", "no header", format!(".{claims}.{signature}")),
            ("Shape", "four parts", format!("{good}.{signature}")),
            ("Shape", "five parts", format!("{good}.{claims}.{signature}")),
            ("Version", "an encrypted token", format!("{encrypted}..{claims}.{claims}.{signature}")),
            ("Shape", "a dot at its end", format!("{good}.")),
            ("Version", "a dot before it", format!(".{good}")),
            ("Shape", "two tokens", format!("{good},{good}")),
            ("Shape", "two tokens and a space", format!("{good} {good}")),
            ("Shape", "the scheme twice", format!("Bearer {good}")),
            ("Shape", "a header that is cut", format!("{}.{claims}.{signature}", cut(header))),
            (
                "Shape",
                "claims that are cut",
                format!("{header}.{}.{signature}", &claims[..claims.len() / 4 * 4 - 3]),
            ),
            ("Shape", "a signature that is cut", cut(&good)),
            ("Version", "half of it", format!("{header}.{}", &claims[..claims.len() / 8 * 4])),
            ("Version", "parts in another order", format!("{claims}.{header}.{signature}")),
            (
                "Shape",
                "JSON",
                json!({"protected": header, "payload": claims, "signature": signature}).to_string(),
            ),
        ] {
            self.add(check, name, token);
        }
        let large = |bytes: usize| self.good().claim("groups", "x".repeat(bytes)).sign();
        let (large, larger) = (large(20_000), large(60_000));
        self.add("Size", "20 KB", large);
        self.add("Size", "60 KB", larger);
        self.add("Size", "dots", ".".repeat(20_000));
    }

    /// The good token in another spelling.
    fn spelled_otherwise(&mut self) {
        let good = self.good().claim("name", "???>>>~~~").sign();
        let [header, claims, signature] = parts(&good);
        let bytes = |part: &str| URL_SAFE_NO_PAD.decode(part).expect("base64");
        let padded = |part: &str| URL_SAFE.encode(bytes(part));
        let standard = STANDARD_NO_PAD.encode(bytes(signature));
        assert!(padded(signature) != signature && standard != signature, "spelled otherwise");
        for (check, name, token) in [
            ("Shape", "with padding", format!("{header}.{claims}.{}", padded(signature))),
            ("Shape", "with padding and too much of it", format!("{header}={claims}={signature}=")),
            ("Shape", "in the other alphabet", format!("{header}.{claims}.{standard}")),
            ("Shape", "its last letter otherwise", otherwise(&good)),
            ("Shape", "a space before the signature", format!("{header}.{claims}. {signature}")),
            ("Shape", "a space in the claims", format!("{header}. {claims}.{signature}")),
            ("Shape", "a tab in it", format!("{header}.{claims}\t.{signature}")),
            ("Shape", "two spaces before it", format!(" {good}")),
            ("Shape", "a byte order mark before it", format!("\u{feff}{good}")),
            ("Shape", "a letter that is not ASCII", format!("{header}.{claims}.{signature}\u{e9}")),
            ("Shape", "a letter of another width", format!("{header}.{claims}\u{ff0e}{signature}")),
            ("Shape", "percent-encoded", good.replace('.', "%2E")),
            ("Shape", "in quotes", format!("\"{good}\"")),
            ("Shape", "its header in capitals", format!("{}.{claims}.{signature}", header.to_uppercase())),
        ] {
            self.add(check, name, token);
        }
    }
}

/// Claims and headers that stand twice: nobody can say which of the two was meant.
fn doubled(authority: &Authority, version: Version) -> Vec<BadToken> {
    let good = Token::good(version, authority);
    let other_tenant =
        good.clone().claim("iss", SOMEBODY_ELSE).claim("aud", SOMEBODY_ELSE).claim("tid", SOMEBODY_ELSE);
    let other = other_tenant.claim("oid", SOMEBODY_ELSE).claim("exp", 1).claim("nbf", in_seconds(7200));
    let other = other.claim("scp", "").claim("ver", "3.0").claim(caller_claim(version), SOMEBODY_ELSE);
    let mut doubled = Vec::new();
    for name in
        ["iss", "aud", "exp", "nbf", "tid", "oid", "scp", "ver", caller_claim(version), name_claim(version)]
    {
        let text = json!(good.claims).to_string();
        let again = format!("{}:{}", json!(name), other.claims[name]);
        for (order, claims) in [
            ("first", text.replacen('{', &format!("{{{again},"), 1)),
            ("last", format!("{},{again}}}", &text[..text.len() - 1])),
        ] {
            let name = format!("version {version:?}: {name} twice, the other one {order}");
            let check = if again.starts_with("\"ver\"") { "Version" } else { "Claims" };
            doubled.push(BadToken { name, token: good.sign_claims(claims), check });
        }
    }
    for (name, again) in [("alg", "none"), ("kid", "other")] {
        let text = json!(good.header).to_string().replacen('{', &format!("{{\"{name}\":\"{again}\","), 1);
        let name = format!("version {version:?}: {name} twice");
        doubled.push(BadToken { name, token: good.sign_header(text), check: "Shape" });
    }
    doubled
}

fn parts(token: &str) -> [&str; 3] {
    token.split('.').collect::<Vec<_>>().try_into().expect("three parts")
}

/// The token with the last letter of its signature replaced by another that stands for the same bits.
fn otherwise(token: &str) -> String {
    const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let (start, last) = token.split_at(token.len() - 1);
    // 256 bytes leave the last letter four bits that stand for nothing.
    let next = ALPHABET.find(last).expect("a letter") + 1;
    format!("{start}{}", &ALPHABET[next..=next])
}

/// What no HTTP host lets through; whoever reaches the handler's port does not need one.
#[tokio::test]
async fn a_payload_cannot_hide_anything_in_a_token() {
    let (github, authority) = (GitHub::start().await, Authority::start().await);
    let host = FunctionsHost::verifying(Mode::Payload, &github, &authority, "*").start().await;
    let good = Token::good(Version::Two, &authority).sign();
    let [header, claims, signature] = parts(&good);

    for token in [
        format!("{header}.{claims}.\n{signature}"),
        format!("{header}\r\n.{claims}.{signature}"),
        format!("{header}.{claims}\0.{signature}"),
        format!("\n{good}"),
        format!("{good}\0"),
        format!("{good}\r\nX-Evil: 1"),
        format!("{good}\u{200b}"),
    ] {
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
