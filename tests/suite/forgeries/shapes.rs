//! Parts of good tokens put together in another way, cut, or spelled otherwise.

use base64::{
    Engine,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD},
};
use serde_json::json;

use super::Forger;
use crate::tokens::encode;

impl Forger {
    pub(super) fn forge_shapes(&mut self) {
        self.altered();
        self.in_another_shape();
        self.spelled_otherwise();
    }

    /// Parts of good tokens put together in another way.
    fn altered(&mut self) {
        let (good, another) = (self.good().sign(), self.good().claim("jti", "another").sign());
        let ([header, claims, signature], [_, _, others]) = (parts(&good), parts(&another));
        let altered = encode(json!(self.good().claim(self.subject, "another").claims).to_string());
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
            (self.peeked("Shape"), "one dot", ".".to_owned()),
            (self.peeked("Shape"), "two dots", "..".to_owned()),
            ("Shape", "the header alone", header.to_owned()),
            ("Shape", "two parts", format!("{header}.{claims}")),
            ("Signature", "two parts and a dot", format!("{header}.{claims}.")),
            (self.peeked("Signature"), "no claims", format!("{header}..{signature}")),
            ("Shape", "no header", format!(".{claims}.{signature}")),
            ("Shape", "four parts", format!("{good}.{signature}")),
            ("Shape", "five parts", format!("{good}.{claims}.{signature}")),
            (
                self.peeked("Shape"),
                "an encrypted token",
                format!("{encrypted}..{claims}.{claims}.{signature}"),
            ),
            ("Shape", "a dot at its end", format!("{good}.")),
            (self.peeked("Shape"), "a dot before it", format!(".{good}")),
            ("Shape", "two tokens", format!("{good},{good}")),
            ("Shape", "two tokens and a space", format!("{good} {good}")),
            ("Shape", "the scheme twice", format!("Bearer {good}")),
            ("Shape", "a header that is cut", format!("{}.{claims}.{signature}", cut(header))),
            (
                self.spoiled(),
                "claims that are cut",
                format!("{header}.{}.{signature}", &claims[..claims.len() / 4 * 4 - 3]),
            ),
            ("Shape", "a signature that is cut", cut(&good)),
            (self.peeked("Shape"), "half of it", format!("{header}.{}", &claims[..claims.len() / 8 * 4])),
            (self.peeked("Shape"), "parts in another order", format!("{claims}.{header}.{signature}")),
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
            (self.spoiled(), "a space in the claims", format!("{header}. {claims}.{signature}")),
            (self.spoiled(), "a tab in it", format!("{header}.{claims}\t.{signature}")),
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

/// Tokens with something hidden in them that no HTTP host lets through; anyone who reaches the handler's port does not
/// need one.
pub fn hidden(good: &str) -> [String; 7] {
    let [header, claims, signature] = parts(good);
    [
        format!("{header}.{claims}.\n{signature}"),
        format!("{header}\r\n.{claims}.{signature}"),
        format!("{header}.{claims}\0.{signature}"),
        format!("\n{good}"),
        format!("{good}\0"),
        format!("{good}\r\nX-Evil: 1"),
        format!("{good}\u{200b}"),
    ]
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
