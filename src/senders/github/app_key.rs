//! The private key of a GitHub App, and the short-lived token that it signs: the App's own, for asking about its
//! installations.

use std::{fmt, sync::Arc};

use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD, Engine};
use chrono::{DateTime, TimeDelta, Utc};
use ring::{
    rand::SystemRandom,
    signature::{RSA_PKCS1_SHA256, RsaKeyPair},
};
use secrecy::SecretString;
use serde_json::json;

/// The time by which a token is dated back, since clocks differ.
/// Source: <https://docs.github.com/apps/creating-github-apps/authenticating-with-a-github-app/generating-a-json-web-token-jwt-for-a-github-app>.
const DATED_BACK: TimeDelta = TimeDelta::seconds(60);

/// The life of a token, from the time it is dated to: GitHub takes no more than 10 minutes.
const LIFE: TimeDelta = TimeDelta::minutes(10);

/// The longest text that is read as a key, in bytes: one of 16,384 bits has 13 KB.
const MAX_KEY_BYTES: usize = 32 * 1024;

/// A GitHub App: `GITHUB_APP_ID` and `GITHUB_APP_PRIVATE_KEY`.
#[derive(Clone, Debug)]
pub struct GitHubApp {
    /// The App's id, or its client id.
    pub id: String,
    /// The App's private key.
    pub key: AppKey,
}

/// An RSA key of 2048 bits or more. It is never printed.
#[derive(Clone)]
pub struct AppKey(Arc<RsaKeyPair>);

impl fmt::Debug for AppKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AppKey(***)")
    }
}

impl AppKey {
    /// Reads a PEM of PKCS#1 or PKCS#8, base64 of it, or one with `\n` for its line ends.
    ///
    /// # Errors
    /// The likely cause, as the end of a sentence; nothing of the text.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        if text.len() > MAX_KEY_BYTES {
            return Err("it is too long");
        }
        let pem = match text.contains("-----BEGIN") {
            true => text.to_owned(),
            false => decoded(text).and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default(),
        };
        let pem = pem.replace("\\r", "").replace("\\n", "\n");
        let (label, der) = block(&pem).ok_or("it is no whole PEM")?;
        let pair = match label {
            "RSA PRIVATE KEY" => RsaKeyPair::from_der(&der),
            "PRIVATE KEY" => RsaKeyPair::from_pkcs8(&der),
            "ENCRYPTED PRIVATE KEY" => return Err("it is encrypted: a key without a pass phrase is needed"),
            _ if label.ends_with("PUBLIC KEY") => return Err("it is a public key"),
            _ => return Err("it is something else"),
        };
        pair.map(|pair| Self(Arc::new(pair))).map_err(|_| "it is damaged, or no RSA key of 2048 bits or more")
    }
}

/// The label and the content of the first PEM block.
fn block(pem: &str) -> Option<(&str, Vec<u8>)> {
    let (label, rest) = pem.split_once("-----BEGIN ")?.1.split_once("-----")?;
    let (content, _) = rest.split_once(&format!("-----END {label}-----"))?;
    Some((label, decoded(content)?))
}

fn decoded(text: &str) -> Option<Vec<u8>> {
    let packed: String = text.split_whitespace().collect();
    BASE64_STANDARD.decode(packed).ok()
}

impl GitHubApp {
    /// A token of the App's own, which serves for some minutes from `now`. `None` if the key does not sign.
    pub fn token(&self, now: DateTime<Utc>) -> Option<SecretString> {
        let dated = now - DATED_BACK;
        let claims = json!({
            "iat": dated.timestamp(), "exp": (dated + LIFE).timestamp(), "iss": self.id,
        });
        let parts = [r#"{"alg":"RS256","typ":"JWT"}"#.to_owned(), claims.to_string()];
        let message = parts.map(|part| BASE64_URL_SAFE_NO_PAD.encode(part)).join(".");
        let mut signature = vec![0; self.key.0.public().modulus_len()];
        let signed =
            self.key.0.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message.as_bytes(), &mut signature);
        signed.ok()?;
        Some(format!("{message}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature)).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_private_rsa_key_names_its_fault_and_nothing_of_it() {
        let pem = |label: &str| format!("-----BEGIN {label}-----\nYWJj\n-----END {label}-----\n");
        for (text, cause) in [
            (String::new(), "no whole PEM"),
            ("hunter2".to_owned(), "no whole PEM"),
            ("-----BEGIN RSA PRIVATE KEY-----\nYWJj".to_owned(), "no whole PEM"),
            (pem("RSA PRIVATE KEY"), "damaged"),
            (pem("PRIVATE KEY"), "damaged"),
            (BASE64_STANDARD.encode(pem("PRIVATE KEY")), "damaged"),
            (pem("PRIVATE KEY").replace('\n', "\\n"), "damaged"),
            (pem("ENCRYPTED PRIVATE KEY"), "pass phrase"),
            (pem("PUBLIC KEY"), "public"),
            (pem("CERTIFICATE"), "something else"),
            ("x".repeat(MAX_KEY_BYTES + 1), "too long"),
        ] {
            let told = AppKey::parse(&text).expect_err("no key");
            assert!(told.contains(cause), "{text}: {told}");
        }
    }
}
