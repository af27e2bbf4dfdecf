//! The Bot Connector's tokens, with which Teams sends a bot what happens in a channel.
//!
//! After Microsoft's "Authenticate requests from the Bot Connector service to your bot", beyond the checks that every
//! token gets. The audience is the bot's app id, and the issuer the one that the metadata of our cloud names.
//!
//! 1. the claim `serviceurl`, in lower case, is there;
//! 2. the endorsements of the key that signed the token contain the activity's `channelId`;
//! 3. `serviceurl` is the activity's `serviceUrl`, letter by letter.
//!
//! The token does not name persons or tenants: those stand in the activity, to be believed after these checks. Checks
//! 2 and 3 hold the token against the activity, which is not read before the rest holds.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::Deserialize;
use url::Url;

use super::{Check, Issuer, Rejection, Verifier, keys::Key};
use crate::approval::Guid;

/// Allowed difference of clocks, in seconds: the five minutes that Microsoft's own validators allow.
const LEEWAY_S: i64 = 5 * 60;

/// Verifies the Bot Connector's tokens.
pub struct ConnectorTokens(Verifier);

/// The sender of an activity, as far as its token says.
#[derive(Clone, Debug)]
pub struct Caller {
    service_url: String,
    key: Arc<Key>,
}

#[derive(Deserialize)]
struct Claims {
    serviceurl: String,
}

impl ConnectorTokens {
    /// Verifies tokens that are for the bot `app_id`, of the issuer whose OpenID metadata is at `metadata`
    /// (`BOT_OPENID_METADATA`); nothing is loaded yet.
    pub fn new(metadata: Url, app_id: &Guid) -> Self {
        Self(Verifier::new(Issuer {
            metadata,
            // Each cloud's issuer has a name of its own, which is not below the metadata's address.
            url: None,
            audiences: vec![app_id.to_string()],
            leeway_s: LEEWAY_S,
        }))
    }

    /// True if the issuer's keys are at hand, or can be had now.
    pub async fn reaches_keys(&self) -> bool {
        self.0.reaches_keys().await
    }

    /// Loads the keys before they are needed.
    pub fn warm_up(&self) {
        self.0.warm_up();
    }

    /// The sender of a request that came with `token`. An activity is believed only if [`Caller::vouches_for`] it.
    pub async fn verify(&self, token: &str, now: DateTime<Utc>) -> Result<Caller, Rejection> {
        // 1.
        let (claims, key): (Claims, _) = self.0.verify(token, now).await?;
        Ok(Caller { service_url: claims.serviceurl, key })
    }
}

impl Caller {
    /// Checks that the token is one for an activity that says this `channelId` and this `serviceUrl`.
    pub fn vouches_for(&self, channel_id: &str, service_url: &str) -> Result<(), Check> {
        // 2.
        if !self.key.endorsements.iter().any(|channel| channel == channel_id) {
            return Err(Check::Endorsement);
        }
        // 3.
        if self.service_url != service_url {
            return Err(Check::ServiceUrl);
        }
        Ok(())
    }
}
