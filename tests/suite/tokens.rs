//! Tokens in which a test changes one thing; and Entra's access tokens, as actionable messages bring them.

use std::sync::atomic::{AtomicU32, Ordering};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::Utc;
use serde_json::{Map, Value, json};

use crate::{
    authority::{AUDIENCE, Authority, CLIENT_ID, TENANT, Version},
    functions_host::FunctionsHost,
    http1::Answer,
    signing_keys::Key,
};

/// Microsoft's app that sends the clicks of actionable messages.
pub const ACTIONS_APP: &str = "48af08dc-f6d2-435f-b2a7-069abd99c086";

/// The person who clicks: object id, user principal name, display name.
pub const ALEX: &str = "0a0b0c0d-1111-4222-8333-444455556666";
pub const ALEX_UPN: &str = "alex@contoso.com";
pub const ALEX_NAME: &str = "Alex Wilber";

/// A token before it is signed.
#[derive(Clone, Debug)]
pub struct Token {
    pub header: Map<String, Value>,
    pub claims: Map<String, Value>,
    key: Key,
}

impl Token {
    /// A good one of Alex's, issued a minute ago and good for an hour; like no other.
    pub fn good(version: Version, authority: &Authority) -> Self {
        let claims = [common_claims(authority, version), claims_of(version)];
        Self::issued(version.key(), claims.into_iter().flatten().collect())
    }

    /// A token with these claims, of a key's owner.
    pub fn issued(key: Key, claims: Map<String, Value>) -> Self {
        let header = object(json!({"typ": "JWT", "alg": "RS256", "x5t": key.id(), "kid": key.id()}));
        Self { header, claims, key }
    }

    pub fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.claims.insert(name.to_owned(), value.into());
        self
    }

    pub fn without(mut self, claim: &str) -> Self {
        self.claims.remove(claim);
        self
    }

    pub fn header(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.header.insert(name.to_owned(), value.into());
        self
    }

    pub fn without_header(mut self, name: &str) -> Self {
        self.header.remove(name);
        self
    }

    /// Signed by another key, whose id it names.
    pub fn of_key(self, key: Key) -> Self {
        Self { key, ..self }.header("kid", key.id())
    }

    /// Signed by another key than it names.
    pub fn signed_by(self, key: Key) -> Self {
        Self { key, ..self }
    }

    /// The token, signed as its key's owner would.
    pub fn sign(&self) -> String {
        self.sign_with(|message| self.key.sign(message))
    }

    /// The token, signed in another way.
    pub fn sign_with(&self, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
        compact(json!(self.header).to_string(), json!(self.claims).to_string(), sign)
    }

    /// The token with claims of this text.
    pub fn sign_claims(&self, claims: impl AsRef<[u8]>) -> String {
        compact(json!(self.header).to_string(), claims, |message| self.key.sign(message))
    }

    /// The token with a header of this text.
    pub fn sign_header(&self, header: impl AsRef<[u8]>) -> String {
        compact(header, json!(self.claims).to_string(), |message| self.key.sign(message))
    }
}

/// A number that no other token of this run has.
pub fn new_number() -> u32 {
    static COUNT: AtomicU32 = AtomicU32::new(1);
    COUNT.fetch_add(1, Ordering::Relaxed)
}

/// Now, and so many seconds later.
pub fn in_seconds(seconds: i64) -> i64 {
    Utc::now().timestamp() + seconds
}

pub fn encode(part: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(part)
}

/// The claim in which a version names the app that asked for the token.
pub fn caller_claim(version: Version) -> &'static str {
    match version {
        Version::One => "appid",
        Version::Two => "azp",
    }
}

/// The claim in which a version has the user principal name.
pub fn name_claim(version: Version) -> &'static str {
    match version {
        Version::One => "upn",
        Version::Two => "preferred_username",
    }
}

impl FunctionsHost {
    /// A click with a token in `Authorization`.
    pub async fn click_as(&self, token: &str, body: impl Into<Vec<u8>>) -> Answer {
        let click = self.click_request().json(body);
        self.send(click.header("Authorization", &format!("Bearer {token}"))).await
    }
}

fn compact(
    header: impl AsRef<[u8]>,
    claims: impl AsRef<[u8]>,
    sign: impl FnOnce(&[u8]) -> Vec<u8>,
) -> String {
    let message = format!("{}.{}", encode(header), encode(claims));
    let signature = encode(sign(message.as_bytes()));
    format!("{message}.{signature}")
}

fn common_claims(authority: &Authority, version: Version) -> Map<String, Value> {
    object(json!({
        "iss": authority.issuer(version),
        "iat": in_seconds(-60),
        "nbf": in_seconds(-60),
        "exp": in_seconds(3600),
        "aio": "AXQAi/8UAAAAfn4n",
        "name": ALEX_NAME,
        "oid": ALEX,
        "scp": "user_impersonation",
        "sub": "S7oyLTBSjNO4_3uT2dpDbrTnQh5S4QTkAfsQPnTeMyo",
        "tid": TENANT,
        "uti": format!("uti-{}", new_number()),
    }))
}

fn claims_of(version: Version) -> Map<String, Value> {
    object(match version {
        Version::One => json!({
            "ver": "1.0",
            "aud": AUDIENCE,
            "appid": ACTIONS_APP,
            "appidacr": "2",
            "acr": "1",
            "amr": ["pwd", "mfa"],
            "unique_name": ALEX_UPN,
            "upn": ALEX_UPN,
        }),
        Version::Two => json!({
            "ver": "2.0",
            "aud": CLIENT_ID,
            "azp": ACTIONS_APP,
            "azpacr": "2",
            "preferred_username": ALEX_UPN,
        }),
    })
}

pub fn object(json: Value) -> Map<String, Value> {
    let Value::Object(members) = json else { panic!("no object: {json}") };
    members
}
