//! Settings that people copy from somewhere, and easily take the wrong part of, or the right one in the wrong form.
//!
//! Each is [`Ok`], or says the likely cause, as the end of a sentence; never a part of the value.

use url::Url;

use super::reader::{safe_url, secret_url};
use crate::{approval::Guid, http_client::SecretUrl, urls::is_loopback};

/// The form of a channel's id, for people.
pub const CHANNEL_ID: &str = "a channel's id, 19:…@thread.tacv2 or 19:…@thread.skype";

/// The form of the address of the mail cards' buttons, for people.
pub const APPROVE_URL: &str =
    "ApproveRelease's URL with its key, https://…/api/ApproveRelease?code=…, without user or fragment";

/// The form of the provider's id, for people.
pub const MAIL_ORIGINATOR: &str = "the provider's id, a GUID";

/// The form of the address of GitHub's API, for people.
pub const GITHUB_API_URL: &str =
    "the https URL of GitHub's API, or http to this computer, without user, query or fragment";

/// The form of a GitHub App's id, for people.
pub const GITHUB_APP_ID: &str = "the GitHub App's id, a number, or its client id, such as Iv23liAbCd";

/// The form of a GitHub App's private key, for people.
pub const GITHUB_APP_PRIVATE_KEY: &str =
    "a private key of the GitHub App: the PEM file's text, also with \\n for its line ends, or base64 of it";

/// The form of an audience, for people.
pub const AUDIENCE: &str = "an Application ID URI, such as api://…";

/// No cause is known.
const UNKNOWN: &str = "";

/// The longest channel id; Teams' have some sixty characters.
const MAX_CHANNEL: usize = 256;

/// The path of `ApproveRelease` in every deployment.
const APPROVE_PATH: &str = "/api/ApproveRelease";

/// A channel's id as the Bot Connector knows it.
pub fn channel_id(text: &str) -> Result<String, &'static str> {
    let name = text
        .strip_prefix("19:")
        .and_then(|rest| rest.strip_suffix("@thread.tacv2").or_else(|| rest.strip_suffix("@thread.skype")));
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    match name {
        Some(name) if !name.is_empty() && text.len() <= MAX_CHANNEL && name.bytes().all(allowed) => {
            Ok(text.to_owned())
        }
        _ => Err(no_channel_id(text)),
    }
}

fn no_channel_id(text: &str) -> &'static str {
    let lower = text.to_ascii_lowercase();
    if lower.contains("://") || lower.contains("teams.microsoft.com") {
        "it is a link: copy the id out of it, decoded (%3a is a colon, %40 an @)"
    } else if lower.contains("%3a") || lower.contains("%40") {
        "it is still encoded, as it stands in a link: %3a is a colon, %40 an @"
    } else if lower.contains(";messageid=") {
        "it is a message's: leave out ;messageid= and what follows"
    } else if lower.ends_with("@thread.v2") || lower.ends_with("@unq.gbl.spaces") {
        "it is a chat's, and the bot posts to a channel"
    } else if !text.contains(':') && !text.contains('@') {
        "it looks like a name; the id stands in the channel's link, and in the bot's welcome message"
    } else {
        UNKNOWN
    }
}

/// The address that mail cards send votes to; it is a secret.
pub fn approve_url(text: &str) -> Result<SecretUrl, &'static str> {
    let secret = secret_url(text).ok_or(UNKNOWN)?;
    let url = Url::parse(text).map_err(|_| UNKNOWN)?;
    let path = url.path().strip_suffix('/').unwrap_or(url.path());
    if !path.eq_ignore_ascii_case(APPROVE_PATH) {
        return Err("its path is another");
    }
    let mut keys = url.query_pairs().filter(|(name, _)| name.eq_ignore_ascii_case("code"));
    match keys.next() {
        Some((_, key)) if !key.trim().is_empty() => Ok(secret),
        _ => Err("it has no key: add ?code= and the function's key"),
    }
}

/// The id that Microsoft gave the provider of actionable messages.
pub fn mail_originator(text: &str) -> Result<String, &'static str> {
    match Guid::parse(text) {
        Some(_) => Ok(text.to_owned()),
        None if text.contains('@') => {
            Err("it looks like a mail address; the id is in the Actionable Email Developer Dashboard")
        }
        None => Err(UNKNOWN),
    }
}

/// The address of GitHub's API, which is not that of its pages.
pub fn github_api_url(text: &str) -> Result<Url, &'static str> {
    let url = safe_url(text).ok_or(UNKNOWN)?;
    match url.host_str() {
        Some("github.com" | "www.github.com") => {
            Err("this is where GitHub's pages are; its API is https://api.github.com")
        }
        _ => Ok(url),
    }
}

/// The id of a GitHub App, or its client id.
pub fn github_app_id(text: &str) -> Result<String, &'static str> {
    let is_id = text.bytes().all(|b| b.is_ascii_digit()) && text.len() <= 20;
    let is_client_id = text.len() <= 64
        && text.starts_with("Iv")
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.');
    match is_id || is_client_id {
        true => Ok(text.to_owned()),
        false => Err("its name is not its id"),
    }
}

/// An Application ID URI.
pub fn audience(text: &str) -> Result<String, &'static str> {
    match Url::parse(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(_) if Guid::parse(text).is_some() => Err("it is a GUID: the client id goes into ENTRA_CLIENT_ID"),
        Err(_) => Err(UNKNOWN),
    }
}

/// Warnings about usable addresses, in whole sentences.
pub fn unlikely_urls(public_url: &Url, github_api_url: &Url, entra_authority: &Url) -> Vec<&'static str> {
    let segments = |url: &Url| url.path().split('/').map(str::to_ascii_lowercase).collect::<Vec<_>>();
    let host = github_api_url.host_str().unwrap_or_default();
    let is_api = host.starts_with("api.") || is_loopback(github_api_url) || github_api_url.path() != "/";
    [
        segments(public_url).contains(&"api".to_owned()).then_some(
            "PUBLIC_URL has /api in it: it is where the app is, and links add /api/approvals to it",
        ),
        (!is_api).then_some(
            "GITHUB_API_URL has no path: on GitHub Enterprise Server the API is at https://HOST/api/v3",
        ),
        (entra_authority.path() != "/").then_some(
            "ENTRA_AUTHORITY has a path: the tenant goes into ENTRA_TENANT_ID, and is added to it",
        ),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// A warning about a webhook's address, which is a secret: the end of a sentence that begins with the setting.
pub fn unlikely_webhook(text: &str) -> Option<&'static str> {
    let url = Url::parse(text).ok()?;
    let host = url.host_str().unwrap_or_default();
    if ["webhook.office.com", "outlook.office.com", "outlook.office365.com"]
        .iter()
        .any(|of| host.ends_with(of))
    {
        return Some(
            "is that of an Office connector, which Teams has switched off: make a Workflows webhook",
        );
    }
    let is_signed =
        url.query_pairs().any(|(name, value)| name.eq_ignore_ascii_case("sig") && !value.is_empty());
    (!is_signed).then_some("has no sig in its query: is it the whole URL of the webhook?")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_is_known_by_its_id_and_by_nothing_else() {
        for id in [
            "19:LydFnezGKSkhYoiLNP6kZ8AuXQr36EDAkvG9CNJSPKc1@thread.tacv2",
            "19:0a1b2c3d4e5f60718293a4b5c6d7e8f9@thread.skype",
            "19:a-b_c.d@thread.tacv2",
        ] {
            assert_eq!(channel_id(id).as_deref(), Ok(id));
        }
        for (text, cause) in [
            ("https://teams.microsoft.com/l/channel/19%3aa%40thread.tacv2/General?groupId=1", "link"),
            ("teams.microsoft.com/l/channel/19:a@thread.tacv2", "link"),
            ("19%3Aa%40thread.tacv2", "encoded"),
            ("19:a%40thread.tacv2", "encoded"),
            ("19:a@thread.tacv2;messageid=17", "message's"),
            ("19:a@thread.v2", "chat"),
            ("19:1_2@unq.gbl.spaces", "chat"),
            ("Releases", "name"),
            ("19:@thread.tacv2", ""),
            ("19:a b@thread.tacv2", ""),
            ("19:a@thread.tacv2 ", ""),
            ("19:a/../b@thread.tacv2", ""),
            ("29:a@thread.tacv2", ""),
            ("19:a@thread.TACV2", ""),
            (&format!("19:{}@thread.tacv2", "x".repeat(MAX_CHANNEL)), ""),
        ] {
            let told = channel_id(text).expect_err(text);
            assert!(told.contains(cause) && told.is_empty() == cause.is_empty(), "{text}: {told}");
        }
    }

    #[test]
    fn buttons_of_mails_lead_to_approve_release_with_its_key() {
        for url in [
            "https://x.example/api/ApproveRelease?code=k",
            "https://x.example/API/approverelease/?repository=octo/app&Code=k",
            "http://127.0.0.1:7071/api/ApproveRelease?code=k",
        ] {
            assert!(approve_url(url).is_ok(), "{url}");
        }
        for (url, cause) in [
            ("https://x.example/api/ApproveRelease", "no key"),
            ("https://x.example/api/ApproveRelease?code=", "no key"),
            ("https://x.example/api/ApproveRelease?key=k", "no key"),
            ("https://x.example/?code=k", "path"),
            ("https://x.example/api/RequestApproval?code=k", "path"),
            ("https://x.example/api/ApproveRelease//?code=k", "path"),
            ("https://x.example/v1/api/ApproveRelease?code=k", "path"),
            ("http://x.example/api/ApproveRelease?code=k", ""),
            ("x.example/api/ApproveRelease?code=k", ""),
        ] {
            let told = approve_url(url).expect_err(url);
            assert!(told.contains(cause) && told.is_empty() == cause.is_empty(), "{url}: {told}");
        }
    }

    #[test]
    fn other_copied_values_are_told_apart_from_their_neighbours() {
        let guid = "c7a1f2d0-0000-4000-8000-000000000001";
        assert_eq!(mail_originator(guid).as_deref(), Ok(guid));
        assert!(mail_originator("releases@contoso.com").is_err_and(|told| told.contains("mail address")));
        assert!(mail_originator("provider").is_err());
        assert!(github_api_url("https://github.com").is_err_and(|told| told.contains("api.github.com")));
        assert!(github_api_url("https://ghe.example/api/v3").is_ok());
        assert!(audience(guid).is_err_and(|told| told.contains("ENTRA_CLIENT_ID")));
        assert!(audience("api://approve").is_ok());
    }

    #[test]
    fn unlikely_addresses_are_told() {
        let told = |public: &str, api: &str, authority: &str| {
            let [public, api, authority] =
                [public, api, authority].map(|text| Url::parse(text).expect("a URL"));
            unlikely_urls(&public, &api, &authority).join("\n")
        };
        let (public, api, authority) =
            ("https://x.example/apis", "https://api.github.com", "https://login.microsoftonline.com");
        assert_eq!(told(public, api, authority), "");
        for api in ["https://api.octo.ghe.com", "https://ghe.example/api/v3", "http://127.0.0.1:9/"] {
            assert_eq!(told(public, api, authority), "", "{api}");
        }
        assert!(told("https://x.example/api", api, authority).starts_with("PUBLIC_URL"));
        assert!(told("https://x.example/API/approvals", api, authority).starts_with("PUBLIC_URL"));
        assert!(told(public, "https://ghe.example", authority).starts_with("GITHUB_API_URL"));
        assert!(told(public, api, "https://login.microsoftonline.com/common").starts_with("ENTRA_AUTHORITY"));
    }

    #[test]
    fn a_webhook_has_a_signature_and_is_of_no_connector() {
        for url in [
            "https://prod-1.westeurope.logic.azure.com:443/workflows/1/triggers/manual/paths/invoke?sv=1.0&sig=s",
            "https://default1.2.environment.api.powerplatform.com/powerautomate/automations/direct/invoke?sig=s",
        ] {
            assert_eq!(unlikely_webhook(url), None, "{url}");
        }
        for (url, told) in [
            ("https://x.example/workflows/1", "no sig"),
            ("https://x.example/workflows/1?sig=", "no sig"),
            ("https://contoso.webhook.office.com/webhookb2/1", "connector"),
        ] {
            assert!(unlikely_webhook(url).expect(url).contains(told), "{url}");
        }
    }
}
