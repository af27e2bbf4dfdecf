//! A loopback issuer of GitHub Actions, at a path as on GitHub Enterprise Server, and the tokens that it gives to jobs.

use std::ops::Deref;

use serde_json::{Value, json};

use crate::{
    functions_host::{Builder, FunctionsHost, Mode},
    github::GitHub,
    http1::{Answer, Request},
    openid::{OpenId, Published},
    signing_keys::Key,
    tokens::{Token, in_seconds, new_number, object},
};

/// `PUBLIC_URL`, which tokens are for.
pub const PUBLIC_URL: &str = "https://approve.example";

/// The job's repository, the number of it, and its commit.
pub const REPOSITORY: &str = "octo/app";
pub const REPOSITORY_ID: &str = "123456789";
pub const SHA: &str = "0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c";

/// A request for an approval that says no more than it must.
pub const REQUEST: &str = r#"{"event_type":"go-live"}"#;

const ISSUER_PATH: &str = "/_services/token";

/// Counts what it is asked, and fails the test when it was asked for what it does not have ([`OpenId`]).
pub struct Actions {
    documents: OpenId,
}

impl Actions {
    pub async fn start() -> Self {
        Self { documents: OpenId::start(|url| vec![published(&issuer(url))]).await }
    }

    /// The `iss` of its tokens.
    pub fn issuer(&self) -> String {
        issuer(&self.url())
    }

    pub fn keys_url(&self) -> String {
        keys_url(&self.issuer())
    }

    /// The settings that make it the one that is believed.
    pub fn settings(&self) -> [(&'static str, String); 2] {
        [("GITHUB_OIDC_ISSUER", self.issuer()), ("PUBLIC_URL", PUBLIC_URL.to_owned())]
    }

    /// The metadata that it serves, of an issuer that it calls otherwise.
    pub fn metadata_of(&self, issuer: &str) -> Value {
        let mut metadata = published(&self.issuer()).metadata;
        metadata["issuer"] = issuer.into();
        metadata
    }
}

impl Deref for Actions {
    type Target = OpenId;

    fn deref(&self) -> &OpenId {
        &self.documents
    }
}

impl Token {
    /// A good one of a job that a push started, issued a minute ago and good for four more; like no other.
    pub fn of_job(actions: &Actions) -> Self {
        Self::issued(Key::Job, object(claims(&actions.issuer())))
    }
}

impl FunctionsHost {
    /// A host of which jobs can request approvals, and everybody of the tenant may decide on them.
    pub fn requesting(mode: Mode, github: &GitHub, actions: &Actions) -> Builder {
        let relay = Self::relay(mode, github).without("REQUIRE_IDENTITY").setting("APPROVERS", "*");
        relay.settings(actions.settings())
    }

    /// A request for an approval, without a token.
    pub fn approval_request() -> Request {
        Request::post("/api/RequestApproval").json(REQUEST)
    }

    /// A request for an approval with a job's token.
    pub async fn request_as(&self, token: &Token) -> Answer {
        let request = Self::approval_request();
        self.send_once(request.header("Authorization", &format!("Bearer {}", token.sign()))).await
    }
}

fn issuer(url: &str) -> String {
    format!("{url}{ISSUER_PATH}")
}

fn keys_url(issuer: &str) -> String {
    format!("{issuer}/.well-known/jwks")
}

fn published(issuer: &str) -> Published {
    Published {
        metadata_path: format!("{ISSUER_PATH}/.well-known/openid-configuration"),
        metadata: json!({
            "issuer": issuer,
            "jwks_uri": keys_url(issuer),
            "subject_types_supported": ["public", "pairwise"],
            "response_types_supported": ["id_token"],
            "claims_supported": ["sub", "aud", "exp", "iat", "iss", "jti", "nbf", "ref", "repository", "sha"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "scopes_supported": ["openid"],
        }),
        keys_path: keys_url(ISSUER_PATH),
        keys: vec![Key::Job.jwk()],
    }
}

/// Each job is of a run of its own.
fn claims(issuer: &str) -> Value {
    let number = new_number();
    json!({
        "jti": format!("6a1b2c3d-0000-4000-8000-{number:012}"),
        "sub": "repo:octo/app:ref:refs/heads/main",
        "aud": PUBLIC_URL,
        "ref": "refs/heads/main",
        "sha": SHA,
        "repository": REPOSITORY,
        "repository_owner": "octo",
        "repository_owner_id": "9919",
        "run_id": format!("{}", 9_000_000_000_u64 + u64::from(number)),
        "run_number": "17",
        "run_attempt": "1",
        "repository_visibility": "private",
        "repository_id": REPOSITORY_ID,
        "actor_id": "583231",
        "actor": "octocat",
        "workflow": "Release",
        "head_ref": "",
        "base_ref": "",
        "event_name": "push",
        "ref_protected": "true",
        "ref_type": "branch",
        "workflow_ref": "octo/app/.github/workflows/release.yml@refs/heads/main",
        "workflow_sha": SHA,
        "job_workflow_ref": "octo/app/.github/workflows/release.yml@refs/heads/main",
        "job_workflow_sha": SHA,
        "runner_environment": "github-hosted",
        "iss": issuer,
        "nbf": in_seconds(-660),
        "exp": in_seconds(240),
        "iat": in_seconds(-60),
    })
}
