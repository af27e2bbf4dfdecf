//! The checks that every token gets, of any issuer.
//!
//! After RFC 8725 (JSON Web Token Best Current Practices) and RFC 7519, section 4.1:
//!
//! 1. the token is no longer than a token can be, and has a header that can be read;
//! 2. the algorithm is RS256, even if the header asks for another (RFC 8725, 3.1);
//! 3. the header asks for no extension (`crit`, RFC 7515, 4.1.11), and nothing else in it is believed: no `jku`, no
//!    `jwk`, no `x5u` (RFC 8725, 3.10);
//! 4. `kid` names a key that this issuer publishes for signing, and that key has signed the token (3.2, 3.3);
//! 5. the claims are there and of their types;
//! 6. `iss` is this issuer, as its own metadata says it (3.8);
//! 7. `aud` is ours (3.9), alone or in a list with others (RFC 7519, 4.1.3): it is the issuer who says that the token is
//!    meant for us too;
//! 8. `exp` has not passed, and `nbf` has (RFC 7519, 4.1.4 and 4.1.5).

use std::sync::Arc;

use chrono::{DateTime, Utc};
use jsonwebtoken::{Algorithm, Header, Validation, decode, decode_header, errors::ErrorKind};
use reqwest::Url;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::value::RawValue;

use super::{
    Check, Rejection,
    keys::{Found, Key, Keys, Published},
    rs256,
};
use crate::text::json::whole_characters;

/// The longest token that is looked at, in bytes. Entra's are some 2 KB, and larger for persons of many groups.
pub const MAX_TOKEN_BYTES: usize = 16 * 1024;

/// The longest key id that is looked up, in bytes.
const MAX_KEY_ID_BYTES: usize = 256;

/// An issuer of tokens, and the audience that they must be for.
#[derive(Clone, Debug)]
pub struct Issuer {
    /// Its OpenID metadata.
    pub metadata: Url,
    /// The `issuer` that the metadata must have, if that is known beforehand.
    pub url: Option<Url>,
    /// The values that its tokens may have as `aud`.
    pub audiences: Vec<String>,
    /// Allowed difference of its clock and ours, in seconds.
    pub leeway_s: i64,
}

/// Verifies the tokens of one issuer.
pub struct Verifier {
    audiences: Vec<String>,
    leeway_s: i64,
    keys: Keys,
}

/// The claims that every token must have.
#[derive(Deserialize)]
struct RegisteredClaims {
    iss: String,
    aud: Audience,
    exp: f64,
    nbf: f64,
}

/// The audience of a token.
#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

impl Audience {
    fn is_one_of(&self, ours: &[String]) -> bool {
        match self {
            Self::One(audience) => ours.contains(audience),
            Self::Many(audiences) => audiences.iter().any(|audience| ours.contains(audience)),
        }
    }
}

impl Verifier {
    /// A verifier for `issuer`'s tokens; nothing is loaded yet.
    pub fn new(issuer: Issuer) -> Self {
        rs256::install();
        let keys = Keys::new(issuer.metadata, issuer.url);
        Self { audiences: issuer.audiences, leeway_s: issuer.leeway_s, keys }
    }

    /// True if the issuer's keys are at hand, or can be had now.
    pub async fn reaches_keys(&self) -> bool {
        self.keys.are_at_hand().await
    }

    /// Loads the issuer's keys before they are needed.
    pub fn warm_up(&self) {
        self.keys.warm_up();
    }

    /// The claims of `token`, and the key that signed it, if all checks hold at `now`.
    pub async fn verify<C: DeserializeOwned>(
        &self,
        token: &str,
        now: DateTime<Utc>,
    ) -> Result<(C, Arc<Key>), Rejection> {
        let key_id = unverified_key_id(token).map_err(Rejection::Failed)?;
        let (key, published) = match self.keys.find(&key_id).await {
            Found::Key(key, published) => (key, published),
            Found::Unknown => return Err(Rejection::Failed(Check::Key)),
            Found::NotReached => return Err(Rejection::KeysNotReached),
        };
        let claims = signed_claims(token, &key).map_err(Rejection::Failed)?;
        self.check(&claims, &published, now).map_err(Rejection::Failed)?;
        let claims = serde_json::from_str(&whole_characters(claims.get()))
            .map_err(|_| Rejection::Failed(Check::Claims))?;
        Ok((claims, key))
    }

    fn check(&self, claims: &RawValue, published: &Published, now: DateTime<Utc>) -> Result<(), Check> {
        // 5.
        let claims: RegisteredClaims = serde_json::from_str(claims.get()).map_err(|_| Check::Claims)?;
        // 6.
        if claims.iss != published.issuer {
            return Err(Check::Issuer);
        }
        // 7.
        if !claims.aud.is_one_of(&self.audiences) {
            return Err(Check::Audience);
        }
        // 8. Seconds since 1970 fit a double exactly.
        let (now, leeway) = (now.timestamp() as f64, self.leeway_s as f64);
        if claims.exp + leeway <= now {
            return Err(Check::Expired);
        }
        if claims.nbf - leeway > now {
            return Err(Check::NotYetValid);
        }
        Ok(())
    }
}

/// Checks 1 to 3, and the id of the key to look up.
pub fn unverified_key_id(token: &str) -> Result<String, Check> {
    // 1.
    if token.len() > MAX_TOKEN_BYTES {
        return Err(Check::Size);
    }
    let header: Header = decode_header(token).map_err(|_| Check::Shape)?;
    // 2.
    if header.alg != Algorithm::RS256 {
        return Err(Check::Algorithm);
    }
    // 3.
    if header.crit.is_some() {
        return Err(Check::Critical);
    }
    header.kid.filter(|key_id| key_id.len() <= MAX_KEY_ID_BYTES).ok_or(Check::Key)
}

/// Check 4: the claims, if `key` has signed them. They stay a text, so that a claim that stands twice is noticed.
// T21
fn signed_claims(token: &str, key: &Key) -> Result<Box<RawValue>, Check> {
    let mut validation = Validation::new(Algorithm::RS256);
    // The verifier checks these claims itself, against a time that is an argument.
    validation.required_spec_claims.clear();
    (validation.validate_exp, validation.validate_nbf, validation.validate_aud) = (false, false, false);
    match decode::<Box<RawValue>>(token, &key.decoding_key, &validation) {
        Ok(token) => Ok(token.claims),
        Err(error) => Err(match error.kind() {
            ErrorKind::InvalidSignature => Check::Signature,
            ErrorKind::Json(_) | ErrorKind::Utf8(_) => Check::Claims,
            _ => Check::Shape,
        }),
    }
}
