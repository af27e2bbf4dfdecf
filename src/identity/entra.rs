//! Entra access tokens, as actionable messages bring them.
//!
//! After Microsoft's "Verify that requests come from Microsoft" for actionable messages and "Access tokens in the
//! Microsoft identity platform", beyond the checks that every token gets:
//!
//! 1. the version (`ver`) chooses the issuer, and with it the keys: a token of one never meets the other's;
//! 2. `tid` is our tenant;
//! 3. the caller (`appid` in version 1, `azp` in version 2) is Microsoft's Actions app;
//! 4. `scp` is there, which only tokens on behalf of a person have, and `idtyp` does not say "app";
//! 5. `oid` is the person. `sub` differs from app to app and `name` is chosen by people: neither identifies a person.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use url::Url;

use super::{Check, Issuer, METADATA, Rejection, Verifier, below};
use crate::approval::{Guid, Person};

/// Microsoft's app that sends the clicks of actionable messages.
const ACTIONS_APP: &str = "48af08dc-f6d2-435f-b2a7-069abd99c086";

/// Allowed difference of clocks, in seconds: the five minutes that Microsoft's own validators allow.
const LEEWAY_S: i64 = 5 * 60;

/// The tenant whose tokens are accepted, and the app that they must be for.
#[derive(Clone, Debug)]
pub struct EntraApp {
    /// `ENTRA_AUTHORITY`
    pub authority: Url,
    /// `ENTRA_TENANT_ID`
    pub tenant: Guid,
    /// `ENTRA_CLIENT_ID` and `ENTRA_AUDIENCE`
    pub audiences: Vec<String>,
}

/// Verifies action tokens.
pub struct ActionTokens {
    tenant: Guid,
    version_1: Verifier,
    version_2: Verifier,
}

#[derive(Deserialize)]
struct Claims {
    tid: String,
    oid: String,
    scp: Option<String>,
    idtyp: Option<String>,
    appid: Option<String>,
    azp: Option<String>,
    upn: Option<String>,
    preferred_username: Option<String>,
    name: Option<String>,
}

/// The two versions of tokens that Entra issues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// `1.0`
    One,
    /// `2.0`
    Two,
}

impl ActionTokens {
    /// Verifies tokens that are for `app`; nothing is loaded yet.
    pub fn new(app: EntraApp) -> Self {
        let tenant = app.tenant.to_string();
        let verifier = |path: &[&str]| {
            // Version 1 has an issuer of another name than its address.
            Verifier::new(Issuer {
                metadata: below(&app.authority, [&[tenant.as_str()], path, &METADATA].concat()),
                url: None,
                audiences: app.audiences.clone(),
                leeway_s: LEEWAY_S,
            })
        };
        Self { version_1: verifier(&[]), version_2: verifier(&["v2.0"]), tenant: app.tenant }
    }

    /// True if the issuer's keys are at hand, or can be had now.
    pub async fn reaches_keys(&self) -> bool {
        let (one, two) = tokio::join!(self.version_1.reaches_keys(), self.version_2.reaches_keys());
        one && two
    }

    /// Loads the keys before they are needed.
    pub fn warm_up(&self) {
        self.version_1.warm_up();
        self.version_2.warm_up();
    }

    /// The person on whose behalf `token` was issued.
    pub async fn verify(&self, token: &str, now: DateTime<Utc>) -> Result<Person, Rejection> {
        // 1.
        let version = unverified_version(token).map_err(Rejection::Failed)?;
        let verifier = match version {
            Version::One => &self.version_1,
            Version::Two => &self.version_2,
        };
        let (claims, _): (Claims, _) = verifier.verify(token, now).await?;
        self.person(claims, version).map_err(Rejection::Failed)
    }

    // T22
    fn person(&self, claims: Claims, version: Version) -> Result<Person, Check> {
        // 2.
        let tenant = Guid::parse(&claims.tid).filter(|tenant| *tenant == self.tenant).ok_or(Check::Tenant)?;
        // 3.
        let (caller, user_principal_name) = match version {
            Version::One => (claims.appid, claims.upn),
            Version::Two => (claims.azp, claims.preferred_username),
        };
        if caller.as_deref().and_then(Guid::parse) != Guid::parse(ACTIONS_APP) {
            return Err(Check::Caller);
        }
        // 4.
        let is_persons = claims.scp.is_some_and(|scope| !scope.trim().is_empty());
        if !is_persons || claims.idtyp.is_some_and(|kind| kind.eq_ignore_ascii_case("app")) {
            return Err(Check::Scope);
        }
        // 5.
        let object_id = Guid::parse(&claims.oid).ok_or(Check::Person)?;
        Ok(Person { object_id, tenant, user_principal_name, display_name: claims.name })
    }
}

/// The version that the token claims, unverified: good for choosing the verifier and for nothing else.
pub fn unverified_version(unverified_token: &str) -> Result<Version, Check> {
    #[derive(Deserialize)]
    struct UnverifiedClaims {
        ver: String,
    }
    if unverified_token.len() > super::verifier::MAX_TOKEN_BYTES {
        return Err(Check::Size);
    }
    let payload = unverified_token.split('.').nth(1).ok_or(Check::Shape)?;
    let json = URL_SAFE_NO_PAD.decode(payload).map_err(|_| Check::Shape)?;
    let claims: UnverifiedClaims = serde_json::from_slice(&json).map_err(|_| Check::Version)?;
    match claims.ver.as_str() {
        "1.0" => Ok(Version::One),
        "2.0" => Ok(Version::Two),
        _ => Err(Check::Version),
    }
}
