//! Callers and their identity: tokens and principals in, a verified person, job or caller out.
//!
//! One [`Verifier`] does what all tokens have in common; an issuer is a description of its keys' place and of the audience
//! its tokens are for, and a file of its own for what it alone wants checked. Nothing is believed before it is
//! verified, and a failed check is told to the operator's log, never to the caller.

pub mod app_service;
pub mod bot_connector;
pub mod entra;
pub mod github_oidc;
mod keys;
mod rs256;
mod verifier;

use std::fmt;

pub use self::verifier::{Issuer, Verifier, unverified_key_id};
use crate::urls::below;

/// The path of OpenID metadata below an issuer's address.
const METADATA: [&str; 2] = [".well-known", "openid-configuration"];

/// The reason why a caller is not believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// There are no credentials.
    NoCredentials,
    /// They fail this check.
    Failed(Check),
    /// They cannot be checked, since these settings are missing.
    NotConfigured(Vec<&'static str>),
    /// They cannot be checked now, since the issuer's keys were not reached.
    KeysNotReached,
}

/// A check that failed, for the operator's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// One header, one bearer token.
    Headers,
    /// Not longer than a token can be.
    Size,
    /// Three parts, the first of them a header that can be read.
    Shape,
    /// `alg` is RS256.
    Algorithm,
    /// `crit` asks for nothing.
    Critical,
    /// `kid` names a key that the issuer publishes.
    Key,
    /// Signed by that key.
    Signature,
    /// Every claim is there and of its type.
    Claims,
    /// `iss`
    Issuer,
    /// `aud`
    Audience,
    /// `exp`
    Expired,
    /// `nbf`
    NotYetValid,
    /// `ver`
    Version,
    /// `tid`, or every tenant that an activity says
    Tenant,
    /// `channelId` of an activity
    Channel,
    /// `appid` or `azp`
    Caller,
    /// `scp`, which only a person's token has
    Scope,
    /// `oid`
    Person,
    /// `repository`, `repository_id` and `repository_owner_id`
    Repository,
    /// `ref` and `sha`
    Commit,
    /// `run_id`, `run_attempt`, `run_number` and `event_name`
    Run,
    /// `actor` and `actor_id`
    Actor,
    /// `environment`
    Environment,
    /// `workflow_ref` and `job_workflow_ref`
    Workflow,
    /// The signing key's `endorsements` contain the activity's `channelId`.
    Endorsement,
    /// `serviceurl` is the activity's `serviceUrl`.
    ServiceUrl,
    /// The platform signs people in.
    AuthenticationOff,
    /// The principal can be read.
    Principal,
    /// `auth_typ`
    Provider,
    /// The principal is a person's, not an application's.
    Application,
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoCredentials => write!(f, "no credentials"),
            Self::Failed(check) => write!(f, "the credentials fail the check of {check:?}"),
            Self::NotConfigured(settings) => {
                write!(f, "cannot check credentials without {}", settings.join(", "))
            }
            Self::KeysNotReached => write!(f, "the issuer's keys were not reached"),
        }
    }
}
