//! Forged signatures: unsigned, of other algorithms, of other keys, and of keys that the token brings along.

use ring::{
    hmac,
    rand::SystemRandom,
    signature::{
        EcdsaKeyPair, Ed25519KeyPair, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256, RSA_PSS_SHA384,
        RSA_PSS_SHA512, RsaEncoding,
    },
};
use serde_json::{Value, json};

use super::{ELLIPTIC_ID, Forger, PUBLISHED_SECRET, PUBLISHED_SECRET_ID};
use crate::{signing_keys::Key, tokens::Token};

impl Forger {
    pub(super) fn forge_signatures(&mut self, elliptic: &EcdsaKeyPair, attackers_keys: &str) {
        self.unsigned();
        self.symmetric();
        self.of_other_algorithms(elliptic);
        self.of_other_keys();
        self.of_odd_key_ids();
        self.with_keys_of_their_own(attackers_keys);
        self.with_other_headers();
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
        for (spelling, secret) in self.key.public_spellings() {
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
            let key = self.key;
            let sign = |token: Token| token.sign_with(|message| key.sign_as(encoding, message));
            self.add("Algorithm", format!("{name} with the good key"), sign(self.good().header("alg", name)));
            self.add("Signature", format!("said to be RS256, and {name}"), sign(self.good()));
        }
        let random = SystemRandom::new();
        let es256 = |message: &[u8]| elliptic.sign(&random, message).expect("signed").as_ref().to_vec();
        let token = self.good().header("kid", ELLIPTIC_ID);
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
        self.add("Signature", "a foreign key with our kid", self.good().signed_by(Key::Foreign).sign());
        self.add("Key", "a foreign key with its own kid", self.good().of_key(Key::Foreign).sign());
        self.add("Key", "a key for encryption", self.good().of_key(Key::Encryption).sign());
        self.add("Key", "a key for RS512", self.good().of_key(Key::Rs512).sign());
        self.add("Signature", "a published key that is too short", self.good().of_key(Key::Weak).sign());
    }

    fn of_odd_key_ids(&mut self) {
        let id = self.key.id();
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
    fn with_keys_of_their_own(&mut self, attackers_keys: &str) {
        for (header, value) in [
            ("jwk", Key::Foreign.jwk()),
            ("jku", attackers_keys.into()),
            ("x5u", attackers_keys.into()),
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
}
