//! The bot, as it is configured.

use secrecy::SecretString;
use url::Url;

use crate::approval::Guid;

/// A bot, and where it is one.
#[derive(Clone, Debug)]
pub struct Bot {
    /// `MicrosoftAppId`
    pub app_id: Guid,
    /// `MicrosoftAppPassword`, or the managed identity whose client id the app id is.
    pub credential: BotCredential,
    /// `MicrosoftAppTenantId`
    pub tenant: Guid,
    /// `ENTRA_AUTHORITY`
    pub authority: Url,
    /// What the bot's tokens are for, as the cloud calls it.
    pub resource: &'static str,
    /// `BOT_SERVICE_URL`
    pub service_url: Url,
    /// `TEAMS_CHANNEL_ID`
    pub channel: Option<String>,
}

/// By what the bot gets its token.
#[derive(Clone, Debug)]
pub enum BotCredential {
    /// The app's client secret, shown to Entra.
    Password(SecretString),
    /// The function app's user-assigned identity.
    ManagedIdentity {
        /// App Service's endpoint for tokens (`IDENTITY_ENDPOINT`).
        endpoint: Url,
        /// What it wants as `X-IDENTITY-HEADER` (`IDENTITY_HEADER`).
        header: SecretString,
    },
}
