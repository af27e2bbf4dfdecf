//! The bot: its id, its credential and its addresses.

use secrecy::SecretString;
use url::Url;

use super::{
    forms,
    reader::{Reader, known_url, secret},
};
use crate::{
    approval::Guid,
    senders::teams::{Bot, BotCredential},
};

/// Any of these says that a bot is meant.
const BOT_SETTINGS: [&str; 4] =
    ["MicrosoftAppId", "MicrosoftAppPassword", "MicrosoftAppTenantId", "TEAMS_CHANNEL_ID"];

/// `BOT_OPENID_METADATA`.
pub fn openid_metadata(reader: &mut Reader<'_>) -> Url {
    reader
        .url("BOT_OPENID_METADATA")
        .unwrap_or_else(|| known_url("https://login.botframework.com/v1/.well-known/openidconfiguration"))
}

/// The bot, which gets its tokens from `authority` for the cloud of `metadata`; or which settings are missing for one.
pub fn bot(reader: &mut Reader<'_>, authority: &Url, metadata: &Url) -> Result<Bot, Vec<&'static str>> {
    let app_id = reader.parse("MicrosoftAppId", "a GUID", Guid::parse);
    let tenant = tenant(reader);
    let credential = credential(reader);
    let service_url =
        reader.url("BOT_SERVICE_URL").unwrap_or_else(|| known_url("https://smba.trafficmanager.net/teams"));
    let channel = reader.parse_or_tell("TEAMS_CHANNEL_ID", forms::CHANNEL_ID, forms::channel_id);
    match (app_id, tenant, credential) {
        (Some(app_id), Some(tenant), Some(credential)) => Ok(Bot {
            app_id,
            credential,
            tenant,
            authority: authority.clone(),
            resource: resource(metadata),
            service_url,
            channel,
        }),
        (app_id, tenant, credential) => Err([
            app_id.is_none().then_some("MicrosoftAppId"),
            tenant.is_none().then_some("MicrosoftAppTenantId"),
            credential.is_none().then_some("MicrosoftAppPassword, or a managed identity"),
        ]
        .into_iter()
        .flatten()
        .collect()),
    }
}

/// The bot's tenant, which is that of all performers.
fn tenant(reader: &mut Reader<'_>) -> Option<Guid> {
    let of_performers = reader.text("ENTRA_TENANT_ID").as_deref().and_then(Guid::parse);
    let tenant = |text: &str| {
        Guid::parse(text).filter(|tenant| of_performers.as_ref().is_none_or(|other| tenant == other))
    };
    reader.parse("MicrosoftAppTenantId", "a GUID, and ENTRA_TENANT_ID if that is set", tenant)
}

/// A warning about a bot that is meant, and lacks settings.
pub fn unlikely(reader: &Reader<'_>, bot: &Result<Bot, Vec<&'static str>>) -> Option<String> {
    let missing = bot.as_ref().err()?;
    let is_meant = BOT_SETTINGS.iter().any(|name| reader.text(name).is_some());
    is_meant.then(|| format!("there is no bot, since these settings are missing: {}", missing.join("; ")))
}

fn credential(reader: &mut Reader<'_>) -> Option<BotCredential> {
    let password = reader.parse("MicrosoftAppPassword", "a client secret without spaces", secret);
    if let Some(password) = password {
        return Some(BotCredential::Password(password));
    }
    // Both are App Service's, which sets them if the app has an identity; without an app id there is no bot to ask for.
    reader.text("MicrosoftAppId")?;
    let endpoint = reader.parse("IDENTITY_ENDPOINT", "a URL", |text| Url::parse(text).ok())?;
    let header: Option<SecretString> = reader.parse("IDENTITY_HEADER", "a value without spaces", secret);
    Some(BotCredential::ManagedIdentity { endpoint, header: header? })
}

/// The resource of tokens for the Bot Connector: each cloud has its own, and the metadata's address says which cloud it is.
fn resource(metadata: &Url) -> &'static str {
    match metadata.host_str() {
        Some(host) if host.ends_with(".us") => "https://api.botframework.us",
        Some(host) if host.ends_with(".azure.cn") => "https://api.botframework.azure.cn",
        _ => "https://api.botframework.com",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::config::Config;

    const BOT: [(&str, &str); 4] = [
        ("MicrosoftAppId", "B07B07B0-1c2d-4e3f-8a9b-0c1d2e3f4a5b"),
        ("MicrosoftAppPassword", "hunter2~hunter2"),
        ("MicrosoftAppTenantId", "5f0c1a52-7d0e-4b4c-9a5e-1c2d3e4f5a6b"),
        ("TEAMS_CHANNEL_ID", "19:hunter2@thread.tacv2"),
    ];

    const IDENTITY: [(&str, &str); 2] =
        [("IDENTITY_ENDPOINT", "http://169.254.129.2:8081/msi/token"), ("IDENTITY_HEADER", "hunter2")];

    fn settings(of: &[(&str, &str)], without: &[&str]) -> BTreeMap<String, String> {
        let kept = of.iter().filter(|(name, _)| !without.contains(name));
        kept.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn config(of: &[(&str, &str)], without: &[&str]) -> Config {
        Config::parse(&settings(of, without)).expect("a configuration")
    }

    #[test]
    fn a_bot_has_an_app_a_tenant_and_a_password() {
        let config = config(&BOT, &[]);
        let bot = config.bot.as_ref().expect("a bot");
        assert_eq!(bot.app_id.to_string(), "b07b07b0-1c2d-4e3f-8a9b-0c1d2e3f4a5b");
        assert!(matches!(bot.credential, BotCredential::Password(_)));
        assert_eq!(bot.authority.as_str(), "https://login.microsoftonline.com/");
        assert_eq!(bot.service_url.as_str(), "https://smba.trafficmanager.net/teams");
        assert_eq!(bot.resource, "https://api.botframework.com");
        assert_eq!(bot.channel.as_deref(), Some("19:hunter2@thread.tacv2"));
        assert_eq!(config.bot_openid_metadata.host_str(), Some("login.botframework.com"));
        assert!(!config.warnings.join("\n").contains("bot"), "{:?}", config.warnings);
    }

    #[test]
    fn without_a_password_it_is_the_managed_identity() {
        let with_identity = [&BOT[..], &IDENTITY[..]].concat();
        let config = config(&with_identity, &["MicrosoftAppPassword"]);
        let bot = config.bot.expect("a bot");
        let BotCredential::ManagedIdentity { endpoint, .. } = bot.credential else { panic!("no identity") };
        assert_eq!(endpoint.path(), "/msi/token");
    }

    #[test]
    fn missing_settings_of_a_bot_are_named_at_start() {
        for missing in ["MicrosoftAppId", "MicrosoftAppPassword", "MicrosoftAppTenantId"] {
            let config = config(&BOT, &[missing]);
            let [named] = &config.bot.expect_err("no bot")[..] else { panic!("one is missing") };
            assert!(named.starts_with(missing), "{named}");
            let warning = config.warnings.iter().find(|warning| warning.contains("there is no bot"));
            assert!(warning.expect("a warning").contains(missing), "{:?}", config.warnings);
        }
        let channel_alone = config(&BOT, &["MicrosoftAppId", "MicrosoftAppPassword", "MicrosoftAppTenantId"]);
        assert!(channel_alone.warnings.iter().any(|warning| warning.contains("there is no bot")));
    }

    #[test]
    fn an_identity_alone_is_no_bot_and_nobody_misses_one() {
        for of in [&[][..], &IDENTITY] {
            let config = config(of, &[]);
            assert!(config.bot.is_err() && !config.warnings.join("\n").contains("bot"));
        }
    }

    #[test]
    fn other_clouds_have_other_addresses() {
        for (host, resource) in [
            ("login.botframework.azure.us", "https://api.botframework.us"),
            ("login.botframework.azure.cn", "https://api.botframework.azure.cn"),
            ("login.botframework.com", "https://api.botframework.com"),
        ] {
            let metadata = format!("https://{host}/v1/.well-known/openidconfiguration");
            let other = [
                ("BOT_OPENID_METADATA", metadata.as_str()),
                ("BOT_SERVICE_URL", "https://smba.infra.gov.teams.microsoft.us/teams"),
                ("ENTRA_AUTHORITY", "https://login.microsoftonline.us"),
            ];
            let config = config(&[&BOT[..], &other[..]].concat(), &[]);
            let bot = config.bot.expect("a bot");
            assert_eq!(bot.resource, resource);
            assert_eq!(bot.service_url.host_str(), Some("smba.infra.gov.teams.microsoft.us"));
            assert_eq!(bot.authority.host_str(), Some("login.microsoftonline.us"));
            assert_eq!(config.bot_openid_metadata.as_str(), metadata);
        }
    }

    #[test]
    fn an_unusable_value_is_named_once_and_not_repeated() {
        for (name, value) in [
            ("MicrosoftAppId", "hunter2"),
            ("MicrosoftAppTenantId", "hunter2.onmicrosoft.com"),
            ("MicrosoftAppPassword", "hunter2 hunter2"),
            ("BOT_OPENID_METADATA", "http://hunter2.example"),
            ("BOT_SERVICE_URL", "http://hunter2.example"),
            ("TEAMS_CHANNEL_ID", "hunter2 @thread.tacv2"),
            ("TEAMS_CHANNEL_ID", "https://teams.microsoft.com/l/channel/19%3Ahunter2%40thread.tacv2/hunter2"),
            ("TEAMS_CHANNEL_ID", "19:hunter2@thread.tacv2;messageid=1"),
            ("ENTRA_AUTHORITY", "hunter2"),
        ] {
            let mut settings = settings(&BOT, &[]);
            settings.insert(name.to_owned(), value.to_owned());
            let unusable = Config::parse(&settings).expect_err(name).to_string();
            assert_eq!(unusable.matches(name).count(), 1, "{unusable}");
            assert!(!unusable.contains("hunter2"), "{unusable}");
        }
    }

    #[test]
    fn no_secret_of_a_bot_is_in_debug_output() {
        for without in [&[][..], &["MicrosoftAppPassword"]] {
            let config = config(&[&BOT[..], &IDENTITY[..]].concat(), without);
            let debug = format!("{:?}", config.bot.map(|bot| bot.credential));
            assert!(!debug.contains("hunter2"), "{debug}");
        }
    }
}
