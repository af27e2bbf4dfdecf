//! Claims that are missing, of another type, out of time, no JSON, or said twice.

use serde_json::{Value, json};

use super::{BadToken, Forger};
use crate::tokens::in_seconds;

impl Forger {
    pub(super) fn forge_claims(&mut self) {
        self.with_missing_claims();
        self.with_claims_of_another_type();
        self.out_of_time();
        self.that_cannot_be_read();
    }

    /// The check that fails if a claim is there and cannot be read.
    fn unreadable(&self, claim: &str) -> &'static str {
        let is_peeked_at =
            |(name, check): &&(&str, &'static str)| *name == claim && Some(*check) == self.peeks;
        self.claims.iter().find(is_peeked_at).map_or("Claims", |(_, check)| check)
    }

    fn with_missing_claims(&mut self) {
        for (claim, check) in self.claims.clone() {
            self.add(check, format!("no {claim}"), self.good().without(claim).sign());
            self.add(check, format!("{claim} null"), self.good().claim(claim, Value::Null).sign());
        }
    }

    fn with_claims_of_another_type(&mut self) {
        for (claim, _) in self.claims.clone() {
            let value = self.good().claims[claim].clone();
            // A list of one audience is as good as that one.
            let list = if claim == "aud" { json!([[value]]) } else { json!([value]) };
            for odd in [list, json!({"value": value}), json!(true)] {
                self.add(
                    self.unreadable(claim),
                    format!("{claim} {odd}"),
                    self.good().claim(claim, odd).sign(),
                );
            }
        }
        for (claim, odd) in [
            ("exp", json!(in_seconds(3600).to_string())),
            ("nbf", json!(in_seconds(-60).to_string())),
            ("exp", json!("2099-01-01T00:00:00Z")),
            (self.subject, json!(7)),
        ] {
            self.add("Claims", format!("{claim} {odd}"), self.good().claim(claim, odd).sign());
        }
    }

    fn out_of_time(&mut self) {
        for (name, exp) in [
            ("expired beyond the leeway", json!(in_seconds(-self.leeway_s - 1))),
            ("expired yesterday", json!(in_seconds(-86_400))),
            ("expired in milliseconds", json!(1_700_000_000)),
            ("exp 0", json!(0)),
            ("exp below 0", json!(-1e300)),
        ] {
            self.add("Expired", name, self.good().claim("exp", exp).sign());
        }
        // Corpora take some seconds to be gone through.
        for (name, nbf) in [
            ("not yet valid beyond the leeway", json!(in_seconds(self.leeway_s + 60))),
            ("valid tomorrow", json!(in_seconds(86_400))),
            ("nbf in milliseconds", json!(in_seconds(0) * 1000)),
            ("nbf 1e300", json!(1e300)),
        ] {
            self.add("NotYetValid", name, self.good().claim("nbf", nbf).sign());
        }
    }

    fn that_cannot_be_read(&mut self) {
        let text = json!(self.good.claims).to_string();
        for claims in
            ["", "null", "[]", "7", "\"text\"", "{", "{}", &format!("{text}x"), &format!("\u{feff}{text}")]
        {
            let name = format!("the claims {:?}", claims.chars().take(20).collect::<String>());
            self.add(self.peeked("Claims"), name, self.good.sign_claims(claims));
        }
        let text = json!(self.good().without(self.subject).claims).to_string();
        let subject = format!(",\"{}\":", self.subject);
        let with_subject =
            |value: &[u8]| [&text.as_bytes()[..text.len() - 1], subject.as_bytes(), value, b"}"].concat();
        let no_text = self.good.sign_claims(with_subject(b"\"\xff\xfe\""));
        self.add("Claims", "claims that are no UTF-8", no_text);
        let deep = format!("{}{}", "[".repeat(5_000), "]".repeat(5_000));
        let deep = self.good.sign_claims(with_subject(deep.as_bytes()));
        self.add("Claims", "claims nested 5000 levels deep", deep);
    }

    /// Claims and headers that stand twice: nobody can say which of the two was meant.
    ///
    /// `others` are the claims, each as it is not in a good token.
    pub fn doubled(mut self, others: &[(&str, Value)]) -> Vec<BadToken> {
        for (name, other) in others {
            let text = json!(self.good.claims).to_string();
            let again = format!("{}:{other}", json!(name));
            for (order, claims) in [
                ("first", text.replacen('{', &format!("{{{again},"), 1)),
                ("last", format!("{},{again}}}", &text[..text.len() - 1])),
            ] {
                let token = self.good.sign_claims(claims);
                self.add(self.unreadable(name), format!("{name} twice, the other one {order}"), token);
            }
        }
        for (name, again) in [("alg", "none"), ("kid", "other")] {
            let text = json!(self.good.header).to_string();
            let text = text.replacen('{', &format!("{{\"{name}\":\"{again}\","), 1);
            self.add("Shape", format!("{name} twice"), self.good.sign_header(text));
        }
        self.bad
    }
}
