//! Microsoft Graph: its address, and the app that calls it.

use url::Url;

use super::reader::{Reader, known_url, secret};
use crate::{
    approval::Guid,
    senders::{
        graph::Setup,
        teams::{Bot, BotCredential},
        token::App,
    },
};

/// The token, in the words of the log.
const TOKEN: &str = "the token for Microsoft Graph";

/// `GRAPH_URL`, called as the bot where there is one, else as the managed identity that the store is opened with.
pub fn setup(reader: &mut Reader<'_>, bot: Option<&Bot>) -> Setup {
    let url = reader.url("GRAPH_URL").unwrap_or_else(|| known_url("https://graph.microsoft.com"));
    let resource = url.as_str().trim_end_matches('/');
    let app = match bot {
        Some(bot) => Some(App::of(bot, resource, TOKEN)),
        None => identity(reader, resource),
    };
    Setup { url, app }
}

fn identity(reader: &mut Reader<'_>, resource: &str) -> Option<App> {
    let endpoint = reader.parse("IDENTITY_ENDPOINT", "a URL", |text| Url::parse(text).ok())?;
    let header = reader.parse("IDENTITY_HEADER", "a value without spaces", secret)?;
    Some(App {
        client_id: reader.text("AzureWebJobsStorage__clientId").as_deref().and_then(Guid::parse),
        token_url: endpoint.clone(),
        credential: BotCredential::ManagedIdentity { endpoint, header },
        resource: resource.to_owned(),
        words: TOKEN,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::config::Config;

    const IDENTITY: [(&str, &str); 4] = [
        ("IDENTITY_ENDPOINT", "http://169.254.129.2:8081/msi/token"),
        ("IDENTITY_HEADER", "hunter2"),
        ("AzureWebJobsStorage__clientId", "1d1d1d1d-1c2d-4e3f-8a9b-0c1d2e3f4a5b"),
        ("AzureWebJobsStorage__accountName", "decisions"),
    ];

    const BOT: [(&str, &str); 3] = [
        ("MicrosoftAppId", "b07b07b0-1c2d-4e3f-8a9b-0c1d2e3f4a5b"),
        ("MicrosoftAppPassword", "hunter2~hunter2"),
        ("MicrosoftAppTenantId", "5f0c1a52-7d0e-4b4c-9a5e-1c2d3e4f5a6b"),
    ];

    fn graph(settings: &[(&str, &str)]) -> Setup {
        let settings: BTreeMap<_, _> =
            settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Config::parse(&settings).expect("a configuration").graph
    }

    #[test]
    fn graph_is_called_as_the_bot_and_else_as_the_managed_identity() {
        let client =
            |setup: &Setup| setup.app.as_ref().and_then(|app| app.client_id.clone()).map(|id| id.to_string());
        let both = graph(&[&BOT[..], &IDENTITY[..]].concat());
        assert_eq!(client(&both).as_deref(), Some(BOT[0].1));
        assert_eq!(both.app.expect("an app").resource, "https://graph.microsoft.com");
        let identity = graph(&IDENTITY);
        assert_eq!(client(&identity).as_deref(), Some(IDENTITY[2].1));
        assert!(graph(&IDENTITY[..2]).app.expect("the system's identity").client_id.is_none());
        assert!(graph(&[]).app.is_none());
    }

    #[test]
    fn other_clouds_have_another_address_which_is_the_resource_too() {
        let us = graph(&[&BOT[..], &[("GRAPH_URL", "https://graph.microsoft.us/")]].concat());
        assert_eq!(us.url.as_str(), "https://graph.microsoft.us/");
        assert_eq!(us.app.expect("an app").resource, "https://graph.microsoft.us");
    }
}
