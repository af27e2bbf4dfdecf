//! The bot, as it is configured.

use secrecy::SecretString;
use url::Url;

use crate::approval::Guid;

/// A bot, its tenant and its channel.
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
    /// The resource that the bot's tokens are for; each cloud has a name for it.
    pub resource: &'static str,
    /// `BOT_SERVICE_URL`
    pub service_url: Url,
    /// `TEAMS_CHANNEL_ID`
    pub channel: Option<String>,
}

/// The credential for which the bot gets its token.
#[derive(Clone, Debug)]
pub enum BotCredential {
    /// The app's client secret, shown to Entra.
    Password(SecretString),
    /// The function app's user-assigned identity.
    ManagedIdentity {
        /// App Service's endpoint for tokens (`IDENTITY_ENDPOINT`).
        endpoint: Url,
        /// The value of `X-IDENTITY-HEADER` (`IDENTITY_HEADER`).
        header: SecretString,
    },
}
