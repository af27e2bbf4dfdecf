//! The principal that App Service Authentication puts into a request, for pages that a browser opens.
//!
//! After Microsoft's "Work with user identities in Azure App Service authentication":
//!
//! 1. the header is believed only while the platform signs people in, since only then it is taken out of requests
//!    from outside;
//! 2. it stands there once;
//! 3. it can be read, and its provider (`auth_typ`) is Entra;
//! 4. its tenant is ours;
//! 5. it is a person's: it has a name to sign in with or a delegated scope, which only tokens on behalf of a person
//!    have, and `idtyp` does not say "app". An application that has a token for this one is let in by the platform too;
//! 6. its object id is the person.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::Deserialize;

use super::{Check, Rejection};
use crate::{
    approval::{Guid, Person},
    text::json::whole_characters,
};

/// The header.
pub const HEADER: &str = "X-MS-CLIENT-PRINCIPAL";

/// The longest principal that is read, in bytes; persons of many groups have long ones.
const MAX_PRINCIPAL_BYTES: usize = 64 * 1024;

const OBJECT_ID: [&str; 2] = ["http://schemas.microsoft.com/identity/claims/objectidentifier", "oid"];
const TENANT: [&str; 2] = ["http://schemas.microsoft.com/identity/claims/tenantid", "tid"];
const USER_PRINCIPAL_NAME: [&str; 2] =
    ["preferred_username", "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/upn"];
const DISPLAY_NAME: [&str; 1] = ["name"];

/// Claims that only a person has.
const OF_A_PERSON: [&str; 5] = [
    "preferred_username",
    "upn",
    "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/upn",
    "scp",
    "http://schemas.microsoft.com/identity/claims/scope",
];

/// The kind of the token; "app" is an application's own.
const KIND: &str = "idtyp";

#[derive(Deserialize)]
struct Principal {
    auth_typ: String,
    claims: Vec<Claim>,
}

#[derive(Deserialize)]
struct Claim {
    typ: String,
    val: String,
}

/// The person who is signed in, of `tenant`.
///
/// `is_on` says that the platform signs people in (`WEBSITE_AUTH_ENABLED` is `True`); `headers` are all values of
/// [`HEADER`].
// T17
pub fn person<'a>(
    is_on: bool,
    mut headers: impl Iterator<Item = &'a str>,
    tenant: &Guid,
) -> Result<Person, Rejection> {
    // 1.
    if !is_on {
        return Err(Rejection::Failed(Check::AuthenticationOff));
    }
    // 2.
    let header = headers.next().ok_or(Rejection::NoCredentials)?;
    if headers.next().is_some() {
        return Err(Rejection::Failed(Check::Headers));
    }
    read(header, tenant).map_err(Rejection::Failed)
}

fn read(header: &str, tenant: &Guid) -> Result<Person, Check> {
    // 3.
    if header.len() > MAX_PRINCIPAL_BYTES {
        return Err(Check::Size);
    }
    let json = STANDARD.decode(header).map_err(|_| Check::Principal)?;
    let json = std::str::from_utf8(&json).map_err(|_| Check::Principal)?;
    let principal: Principal = serde_json::from_str(&whole_characters(json)).map_err(|_| Check::Principal)?;
    if principal.auth_typ != "aad" {
        return Err(Check::Provider);
    }
    // 4.
    let of_tenant = principal.one(&TENANT)?.and_then(|text| Guid::parse(&text));
    let tenant = of_tenant.filter(|of_tenant| of_tenant == tenant).ok_or(Check::Tenant)?;
    // 5.
    if !principal.is_a_persons() {
        return Err(Check::Application);
    }
    // 6.
    let object_id = principal.one(&OBJECT_ID)?.and_then(|text| Guid::parse(&text)).ok_or(Check::Person)?;
    Ok(Person {
        object_id,
        tenant,
        // Guests have several names; one that is not certain is none.
        user_principal_name: principal.one(&USER_PRINCIPAL_NAME).unwrap_or_default(),
        display_name: principal.one(&DISPLAY_NAME).unwrap_or_default(),
    })
}

impl Principal {
    // T16
    fn is_a_persons(&self) -> bool {
        let says = |claim: &Claim| OF_A_PERSON.contains(&claim.typ.as_str()) && !claim.val.trim().is_empty();
        let is_app = |claim: &Claim| {
            claim.typ.eq_ignore_ascii_case(KIND) && claim.val.trim().eq_ignore_ascii_case("app")
        };
        self.claims.iter().any(says) && !self.claims.iter().any(is_app)
    }

    /// The value of the claim that goes by one of `names`; two that differ are none that can be believed.
    fn one(&self, names: &[&str]) -> Result<Option<String>, Check> {
        let mut values =
            self.claims.iter().filter(|claim| names.contains(&claim.typ.as_str())).map(|claim| &claim.val);
        let first = values.next();
        match values.all(|value| Some(value) == first) {
            true => Ok(first.cloned()),
            false => Err(Check::Principal),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const TENANT_ID: &str = "99999999-1111-2222-3333-444455556666";
    const ALEX: &str = "0a0b0c0d-1111-2222-3333-444455556666";

    fn principal() -> Value {
        json!({"auth_typ": "aad", "name_typ": "n", "role_typ": "r", "claims": [
            {"typ": OBJECT_ID[0], "val": ALEX},
            {"typ": TENANT[0], "val": TENANT_ID.to_uppercase()},
            {"typ": "preferred_username", "val": "alex@contoso.com"},
            {"typ": "name", "val": "Alex"},
            {"typ": "groups", "val": "a"}, {"typ": "groups", "val": "b"},
        ]})
    }

    fn read_of(headers: &[String]) -> Result<Person, Rejection> {
        person(true, headers.iter().map(String::as_str), &Guid::parse(TENANT_ID).expect("a GUID"))
    }

    fn encoded(principal: &Value) -> String {
        STANDARD.encode(principal.to_string())
    }

    fn check(principal: &Value) -> Rejection {
        read_of(&[encoded(principal)]).expect_err("refused")
    }

    #[test]
    fn a_principal_is_a_person() {
        let alex = read_of(&[encoded(&principal())]).expect("a person");
        assert_eq!(Some(alex.object_id), Guid::parse(ALEX));
        assert_eq!(alex.user_principal_name.as_deref(), Some("alex@contoso.com"));
        assert_eq!(alex.display_name.as_deref(), Some("Alex"));
    }

    #[test]
    fn half_a_character_in_a_name_refuses_nobody() {
        let header = STANDARD.encode(principal().to_string().replace("\"Alex\"", r#""Alex \ud83d""#));
        let alex = read_of(&[header]).expect("a person");
        assert_eq!(alex.display_name.as_deref(), Some("Alex \u{fffd}"));
    }

    #[test]
    fn it_is_believed_once_and_only_while_the_platform_signs_people_in() {
        let header = encoded(&principal());
        let tenant = Guid::parse(TENANT_ID).expect("a GUID");
        assert_eq!(
            person(false, [header.as_str()].into_iter(), &tenant),
            Err(Rejection::Failed(Check::AuthenticationOff))
        );
        assert_eq!(read_of(&[header.clone(), header]), Err(Rejection::Failed(Check::Headers)));
        assert_eq!(read_of(&[]), Err(Rejection::NoCredentials));
    }

    #[test]
    fn an_application_is_no_person() {
        let with = |claims: &[(&str, &str)]| {
            let mut principal = principal();
            let kept = ["objectidentifier", "tenantid"];
            let own = principal["claims"].as_array().expect("claims").iter();
            let own = own.filter(|claim| kept.iter().any(|name| claim["typ"].to_string().contains(name)));
            let more = claims.iter().map(|(typ, val)| json!({"typ": typ, "val": val}));
            principal["claims"] = own.cloned().chain(more).collect();
            principal
        };
        for claim in OF_A_PERSON {
            assert!(read_of(&[encoded(&with(&[(claim, "x")]))]).is_ok(), "{claim}");
            assert!(read_of(&[encoded(&with(&[(claim, "x"), (KIND, "user")]))]).is_ok(), "{claim}");
            for kind in ["app", "App", " app "] {
                let principal = with(&[(claim, "x"), (KIND, kind)]);
                assert_eq!(check(&principal), Rejection::Failed(Check::Application), "{principal}");
            }
            assert_eq!(check(&with(&[(claim, " ")])), Rejection::Failed(Check::Application), "{claim}");
        }
        for claims in [
            &[][..],
            &[("name", "Robot")],
            &[
                ("roles", "Approver"),
                ("azpacr", "2"),
                ("http://schemas.microsoft.com/identity/claims/identityprovider", "x"),
            ],
            &[(KIND, "user")],
            &[("Preferred_Username", "x")],
        ] {
            assert_eq!(check(&with(claims)), Rejection::Failed(Check::Application), "{claims:?}");
        }
    }

    #[test]
    fn every_other_principal_is_refused() {
        let with = |pointer: &str, value: Value| {
            let mut principal = principal();
            *principal.pointer_mut(pointer).expect("the field") = value;
            principal
        };
        for (principal, expected) in [
            (with("/auth_typ", json!("github")), Check::Provider),
            (with("/auth_typ", json!("AAD")), Check::Provider),
            (with("/claims/1/val", json!(ALEX)), Check::Tenant),
            (with("/claims/1/typ", json!("tenant")), Check::Tenant),
            (with("/claims/0/val", json!("alex@contoso.com")), Check::Person),
            (with("/claims/0/typ", json!("sub")), Check::Person),
            (with("/claims/3", json!({"typ": "oid", "val": TENANT_ID})), Check::Principal),
            (with("/claims/0/val", json!(7)), Check::Principal),
            (with("/claims", json!({})), Check::Principal),
        ] {
            assert_eq!(check(&principal), Rejection::Failed(expected), "{principal}");
        }
        for header in ["", "%", "bm8=", &"A".repeat(MAX_PRINCIPAL_BYTES + 4)] {
            assert!(read_of(&[header.to_owned()]).is_err());
        }
    }
}
