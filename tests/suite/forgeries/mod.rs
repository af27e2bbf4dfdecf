//! Bad tokens of any issuer: one for each check that all tokens get, and for each attack that is known.
//!
//! Checks that one issuer alone wants are added by its own tests.

mod claims;
mod shapes;
mod signatures;

use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};
use serde_json::{Value, json};

pub use self::shapes::hidden;
use crate::{
    functions_host::FunctionsHost,
    http1::Request,
    signing_keys::Key,
    tokens::{Token, encode},
};

/// The secret of a symmetric key that an issuer publishes by mistake.
const PUBLISHED_SECRET: &[u8] = b"a secret that is none any more!!";
const PUBLISHED_SECRET_ID: &str = "published-secret";

const ELLIPTIC_ID: &str = "elliptic";

pub struct BadToken {
    pub name: String,
    pub token: String,
    /// The check that it fails, in the log's words; the first of them, where there are two.
    pub check: &'static str,
}

/// Makes bad tokens of a good one.
pub struct Forger {
    pub issuer: String,
    pub good: Token,
    /// The key that signs good ones.
    pub key: Key,
    /// Each claim that is looked at, and the check that misses it.
    pub claims: Vec<(&'static str, &'static str)>,
    /// One of them, which says who it is.
    pub subject: &'static str,
    /// The check that looks into the claims before anything is verified, where there is one.
    pub peeks: Option<&'static str>,
    /// The largest difference of clocks that is allowed.
    pub leeway_s: i64,
    pub bad: Vec<BadToken>,
}

impl Forger {
    /// All that can be forged for any issuer; it publishes [`careless_keys`].
    pub fn forge(&mut self, elliptic: &EcdsaKeyPair, attackers_keys: &str) {
        self.forge_signatures(elliptic, attackers_keys);
        self.forge_claims();
        self.forge_shapes();
    }

    /// The good token but for this claim, with each of these values.
    pub fn with(&mut self, check: &'static str, claim: &str, values: &[&str]) {
        for value in values {
            let shown = value.chars().take(60).collect::<String>();
            let name = format!("{claim} {shown:?} of {} bytes", value.len());
            self.add(check, name, self.good().claim(claim, *value).sign());
        }
    }

    /// One more, and the check that it fails.
    pub fn add(&mut self, check: &'static str, name: impl Into<String>, token: impl Into<String>) {
        let name = format!("{}: {}", self.issuer, name.into());
        self.bad.push(BadToken { name, token: token.into(), check });
    }

    pub fn good(&self) -> Token {
        self.good.clone()
    }

    /// The check that fails if the claims cannot be read: the one that looks into them first, or else this one.
    fn peeked(&self, otherwise: &'static str) -> &'static str {
        self.peeks.unwrap_or(otherwise)
    }

    /// The check that fails if the claims are no base64, and so not those that were signed.
    fn spoiled(&self) -> &'static str {
        if self.peeks.is_some() { "Shape" } else { "Signature" }
    }
}

pub fn elliptic_key() -> EcdsaKeyPair {
    let random = SystemRandom::new();
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).expect("random");
    EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref(), &random).expect("just made")
}

/// Keys that nobody must verify with, for an issuer to publish besides its good ones.
pub fn careless_keys(elliptic: &EcdsaKeyPair) -> [Value; 5] {
    let (x, y) = elliptic.public_key().as_ref()[1..].split_at(32);
    [
        Key::Encryption.jwk(),
        Key::Rs512.jwk(),
        Key::Weak.jwk(),
        json!({"kty": "oct", "use": "sig", "kid": PUBLISHED_SECRET_ID, "k": encode(PUBLISHED_SECRET)}),
        json!({"kty": "EC", "use": "sig", "kid": ELLIPTIC_ID, "crv": "P-256", "x": encode(x), "y": encode(y)}),
    ]
}

/// Sends a request with each token; asserts that all are answered alike, and that the log names the check and no token.
pub async fn assert_none_counts(host: &FunctionsHost, request: &Request, corpus: &[BadToken]) {
    let expected = host.send(request.clone().header("Authorization", "Basic b2N0bzphcHA=")).await;
    expected.assert_said(401, "unauthenticated");
    let mut faults = Vec::new();
    for bad in corpus {
        let answer =
            host.send(request.clone().header("Authorization", &format!("Bearer {}", bad.token))).await;
        if (answer.status, answer.text()) != (401, expected.text()) {
            faults.push(format!("{} is answered {} {}", bad.name, answer.status, answer.text()));
        }
        let invocation = host.invocations().pop().expect("it was handed on");
        let line = host.stderr_line(&invocation).await;
        if !line.contains(&format!("[the credentials fail the check of {}]", bad.check)) {
            faults.push(format!("{} should fail the check of {}: {line}", bad.name, bad.check));
        }
    }
    let written = host.written();
    let told = corpus.iter().filter(|bad| bad.token.len() > 20 && written.contains(&bad.token));
    faults.extend(told.map(|bad| format!("{} is in the log", bad.name)));
    assert!(faults.is_empty(), "{faults:#?}");
}
