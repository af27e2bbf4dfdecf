//! The RSA keys that sign tokens: made by Node.js once per run, so that no private key stands in the repository.

use std::{collections::BTreeMap, sync::OnceLock};

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use ring::{
    rand::SystemRandom,
    signature::{
        RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaEncoding, RsaKeyPair, RsaPublicKeyComponents,
    },
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::node_tools::node;

/// Makes a key of each length that the first argument names.
const MAKE: &str = r#"
const { generateKeyPairSync } = require("node:crypto");
const made = Object.entries(JSON.parse(process.argv[1])).map(([id, modulusLength]) => {
    const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength });
    const base64 = (key, type) => key.export({ type, format: "der" }).toString("base64");
    const { n, e } = publicKey.export({ format: "jwk" });
    const pem = publicKey.export({ type: "spki", format: "pem" });
    return [id, { pkcs8: base64(privateKey, "pkcs8"), pkcs1: base64(privateKey, "pkcs1"), spki: base64(publicKey, "spki"), pem, n, e }];
});
console.log(JSON.stringify(Object.fromEntries(made)));
"#;

/// Signs the second argument with the first, a private key; for keys that are too short for ring.
const SIGN: &str = r#"
const { createPrivateKey, sign } = require("node:crypto");
const [, pkcs8, message] = process.argv;
const key = createPrivateKey({ key: Buffer.from(pkcs8, "base64"), type: "pkcs8", format: "der" });
console.log(sign("sha256", message, key).toString("base64"));
"#;

/// A key, by what it is for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Key {
    /// Signs tokens of version 1.
    Version1,
    /// Signs tokens of version 2.
    Version2,
    /// Signs the tokens of jobs.
    Job,
    /// Signs the Bot Connector's tokens for activities of Teams.
    Connector,
    /// Signs the Bot Connector's tokens for activities of other channels.
    WebChat,
    /// Signs the GitHub App's own tokens.
    App,
    /// Will sign tokens after a rotation.
    Next,
    /// An attacker's.
    Foreign,
    /// Published with `use: enc`.
    Encryption,
    /// Published with `alg: RS512`.
    Rs512,
    /// Published, and only 1024 bits long.
    Weak,
}

#[derive(Deserialize)]
struct Made {
    pkcs8: String,
    pkcs1: String,
    spki: String,
    pem: String,
    n: String,
    e: String,
}

impl Key {
    const ALL: [Self; 11] = [
        Self::Version1,
        Self::Version2,
        Self::Job,
        Self::Connector,
        Self::WebChat,
        Self::App,
        Self::Next,
        Self::Foreign,
        Self::Encryption,
        Self::Rs512,
        Self::Weak,
    ];

    /// Its `kid`.
    pub fn id(self) -> String {
        format!("{self:?}-nOo3ZDrODXEK1jKWhXslHR")
    }

    /// As a key set has it.
    pub fn jwk(self) -> Value {
        let made = self.made();
        let mut jwk = json!({
            "kty": "RSA",
            "use": if self == Self::Encryption { "enc" } else { "sig" },
            "kid": self.id(),
            "x5t": self.id(),
            "n": made.n,
            "e": made.e,
            "x5c": ["MIIDBTCCAe2gAwIBAgIQ"],
        });
        if self == Self::Rs512 {
            jwk["alg"] = "RS512".into();
        }
        jwk
    }

    /// The public key in every spelling that somebody may mistake for a secret.
    pub fn public_spellings(self) -> [(&'static str, Vec<u8>); 5] {
        let made = self.made();
        [
            ("PEM", made.pem.clone().into()),
            ("PEM without its last line end", made.pem.trim_end().into()),
            ("DER", STANDARD.decode(&made.spki).expect("base64")),
            ("modulus", made.n.clone().into()),
            ("JWK", self.jwk().to_string().into()),
        ]
    }

    /// The private key as PEM, of PKCS#1 as GitHub gives it out.
    pub fn private_pem(self) -> String {
        pem("RSA PRIVATE KEY", &self.made().pkcs1)
    }

    /// The private key as PEM, of PKCS#8.
    pub fn private_pem_8(self) -> String {
        pem("PRIVATE KEY", &self.made().pkcs8)
    }

    /// True if this key made this RS256 signature.
    pub fn verifies(self, message: &[u8], signature: &[u8]) -> bool {
        let number = |text: &str| URL_SAFE_NO_PAD.decode(text).expect("base64");
        let (n, e) = (number(&self.made().n), number(&self.made().e));
        RsaPublicKeyComponents { n, e }.verify(&RSA_PKCS1_2048_8192_SHA256, message, signature).is_ok()
    }

    /// An RS256 signature.
    pub fn sign(self, message: &[u8]) -> Vec<u8> {
        match self {
            Self::Weak => self.sign_with_node(message),
            _ => self.sign_as(&RSA_PKCS1_SHA256, message),
        }
    }

    /// A signature of another algorithm.
    pub fn sign_as(self, encoding: &'static dyn RsaEncoding, message: &[u8]) -> Vec<u8> {
        let pkcs8 = STANDARD.decode(&self.made().pkcs8).expect("base64");
        let pair = RsaKeyPair::from_pkcs8(&pkcs8).expect("Node.js made it");
        let mut signature = vec![0; pair.public().modulus_len()];
        pair.sign(encoding, &SystemRandom::new(), message, &mut signature).expect("it signs");
        signature
    }

    fn sign_with_node(self, message: &[u8]) -> Vec<u8> {
        let message = std::str::from_utf8(message).expect("a token is ASCII");
        STANDARD.decode(run(SIGN, &[&self.made().pkcs8, message]).trim()).expect("base64")
    }

    fn made(self) -> &'static Made {
        static MADE: OnceLock<BTreeMap<String, Made>> = OnceLock::new();
        &MADE.get_or_init(make)[&format!("{self:?}")]
    }
}

fn pem(label: &str, der: &str) -> String {
    let lines: Vec<_> = der.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

fn make() -> BTreeMap<String, Made> {
    let bits = |key| if key == Key::Weak { 1024 } else { 2048 };
    let lengths: BTreeMap<_, _> = Key::ALL.map(|key| (format!("{key:?}"), bits(key))).into();
    serde_json::from_str(&run(MAKE, &[&json!(lengths).to_string()])).expect("the script wrote JSON")
}

fn run(script: &str, arguments: &[&str]) -> String {
    let output = node().args(["-e", script]).args(arguments).output().expect("Node.js runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}
