//! A loopback Entra: the OpenID metadata and the keys of both versions of tokens, where the real one has them; and a desk
//! where the bot gets its own.
//!
//! It counts what it is asked, and fails the test when it was asked for anything else ([`OpenId`], [`TokenDesk`]).

use std::ops::Deref;

use serde_json::{Value, json};

use crate::{
    functions_host::{Builder, FunctionsHost, Mode},
    github::GitHub,
    openid::{OpenId, Published},
    signing_keys::Key,
    token_desk::TokenDesk,
};

/// The tenant of all performers.
pub const TENANT: &str = "5f0c1a52-7d0e-4b4c-9a5e-1c2d3e4f5a6b";

/// The app registration that tokens are for, and its Application ID URI.
pub const CLIENT_ID: &str = "0e1d2c3b-4a59-4687-9788-a9bacbdcedfe";
pub const AUDIENCE: &str = "api://auth-am-0e1d2c3b-4a59-4687-9788-a9bacbdcedfe";

/// The two versions of tokens.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Version {
    One,
    Two,
}

impl Version {
    pub const BOTH: [Self; 2] = [Self::One, Self::Two];

    pub fn other(self) -> Self {
        match self {
            Self::One => Self::Two,
            Self::Two => Self::One,
        }
    }

    /// The key that signs its tokens.
    pub fn key(self) -> Key {
        match self {
            Self::One => Key::Version1,
            Self::Two => Key::Version2,
        }
    }
}

pub struct Authority {
    documents: OpenId,
    /// The desk at which the bot gets its token.
    pub desk: TokenDesk,
}

impl Authority {
    /// An authority with a key for each version.
    pub async fn start() -> Self {
        let published = |url: &str| Version::BOTH.map(|version| published(url, version)).into();
        let (documents, desk) = (OpenId::start(published).await, TokenDesk::default());
        documents.share_with(desk.of_entra()).await;
        Self { documents, desk }
    }

    /// The `iss` of its tokens.
    pub fn issuer(&self, version: Version) -> String {
        issuer(&self.url(), version)
    }

    pub fn keys_url(&self, version: Version) -> String {
        format!("{}{}", self.url(), keys_path(version))
    }

    /// The settings that make it the one that is believed.
    pub fn settings(&self) -> [(&'static str, String); 4] {
        [
            ("ENTRA_AUTHORITY", self.url()),
            ("ENTRA_TENANT_ID", TENANT.to_owned()),
            ("ENTRA_CLIENT_ID", CLIENT_ID.to_owned()),
            ("ENTRA_AUDIENCE", AUDIENCE.to_owned()),
        ]
    }

    /// From now on publishes these keys for a version.
    pub fn publish(&self, version: Version, keys: impl Into<Vec<Value>>) {
        self.publish_of(version as usize, keys);
    }

    /// The numbers of requests for a version's metadata and for its keys.
    pub fn asked(&self, version: Version) -> [usize; 2] {
        self.asked_of(version as usize)
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.desk.assert_no_surprise();
        }
    }
}

/// All that does not depend on the version.
impl Deref for Authority {
    type Target = OpenId;

    fn deref(&self) -> &OpenId {
        &self.documents
    }
}

impl FunctionsHost {
    /// A host that relays to [`GitHub`] what `approvers` click, and verifies them with an authority.
    pub fn verifying(mode: Mode, github: &GitHub, authority: &Authority, approvers: &str) -> Builder {
        let relay = Self::relay(mode, github).without("REQUIRE_IDENTITY").setting("APPROVERS", approvers);
        relay.settings(authority.settings())
    }
}

fn issuer(url: &str, version: Version) -> String {
    match version {
        Version::One => format!("https://sts.windows.net/{TENANT}/"),
        Version::Two => format!("{url}/{TENANT}/v2.0"),
    }
}

fn keys_path(version: Version) -> String {
    match version {
        Version::One => format!("/{TENANT}/discovery/keys"),
        Version::Two => format!("/{TENANT}/discovery/v2.0/keys"),
    }
}

/// The documents that an authority at `url` publishes for a version.
fn published(url: &str, version: Version) -> Published {
    let folder = if version == Version::One { "" } else { "/v2.0" };
    Published {
        metadata_path: format!("/{TENANT}{folder}/.well-known/openid-configuration"),
        metadata: json!({
            "token_endpoint": format!("{url}/{TENANT}/oauth2/token"),
            "jwks_uri": format!("{url}{}", keys_path(version)),
            "subject_types_supported": ["pairwise"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "issuer": issuer(url, version),
            "tenant_region_scope": "EU",
            "cloud_instance_name": "microsoftonline.com",
        }),
        keys_path: keys_path(version),
        keys: vec![version.key().jwk()],
    }
}
