//! Workflows webhooks: the deployment's own, and those that rules name.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    SECRET_URL, forms,
    reader::{Reader, secret_url},
};
use crate::http_client::SecretUrl;

/// The deployment's own.
const OWN: &str = "TEAMS_WEBHOOK_URL";

/// The beginning of all others, before the name.
const NAMED: &str = "TEAMS_WEBHOOK_URL_";

/// The longest name.
const MAX_NAME: usize = 64;

/// The webhooks that rules can name, by their names.
pub fn named(reader: &mut Reader<'_>) -> BTreeMap<String, SecretUrl> {
    let mut webhooks = BTreeMap::new();
    // In a folder names that differ by case only may be one.
    let mut known = BTreeSet::new();
    for name in names(reader) {
        let setting = format!("{NAMED}{name}");
        if !is_name(&name) {
            reader.cannot_use(format!(
                "{setting} must be named {NAMED} and up to {MAX_NAME} letters, digits and underscores"
            ));
        } else if !known.insert(name.to_ascii_lowercase()) {
            reader.cannot_use(format!("{setting} must differ from other settings by more than case"));
        } else if let Some(url) = reader.parse(&setting, SECRET_URL, secret_url) {
            webhooks.insert(name, url);
        }
    }
    webhooks
}

/// Warnings about usable addresses, in whole sentences.
pub fn unlikely(reader: &Reader<'_>) -> Vec<String> {
    let named = names(reader).into_iter().map(|name| format!("{NAMED}{name}"));
    let told = |setting: String| {
        let cause = forms::unlikely_webhook(&reader.text(&setting)?)?;
        Some(format!("{setting} {cause}"))
    };
    [OWN.to_owned()].into_iter().chain(named).filter_map(told).collect()
}

/// The names of those that are set.
pub fn names(reader: &Reader<'_>) -> Vec<String> {
    let named = reader.settings.keys().filter_map(|setting| setting.strip_prefix(NAMED));
    named.filter(|name| reader.text(&format!("{NAMED}{name}")).is_some()).map(str::to_owned).collect()
}

fn is_name(name: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    const URL: &str = "https://x.example/flow?sig=hunter2";

    fn config(settings: &[(&str, &str)]) -> Result<Config, Vec<String>> {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Config::parse(&settings.iter().map(owned).collect()).map_err(|unusable| unusable.0)
    }

    #[test]
    fn each_webhook_has_the_name_that_its_setting_ends_with() {
        let set = [("TEAMS_WEBHOOK_URL", URL), ("TEAMS_WEBHOOK_URL_STAGING", URL)];
        let set = [set[0], set[1], ("TEAMS_WEBHOOK_URL_eu_2", URL), ("TEAMS_WEBHOOK_URL_OLD", " ")];
        let config = config(&set).expect("a configuration");
        assert_eq!(config.teams_webhooks.keys().collect::<Vec<_>>(), ["STAGING", "eu_2"]);
        assert!(config.teams_webhook_url.is_some() && !format!("{config:?}").contains("hunter2"));
    }

    #[test]
    fn one_that_cannot_be_used_is_told_by_its_setting_and_never_by_its_address() {
        let long = format!("TEAMS_WEBHOOK_URL_{}", "X".repeat(MAX_NAME + 1));
        for (name, value) in [
            ("TEAMS_WEBHOOK_URL_STAGING", "http://x.example/hunter2"),
            ("TEAMS_WEBHOOK_URL_STAGING", "hunter2"),
            ("TEAMS_WEBHOOK_URL_", URL),
            ("TEAMS_WEBHOOK_URL_a-b", URL),
            (&long, URL),
        ] {
            let told = config(&[(name, value)]).expect_err(name).join("\n");
            assert!(told.starts_with(&format!("{name} must be ")) && !told.contains("hunter2"), "{told}");
        }
        let twice = [("TEAMS_WEBHOOK_URL_EU", URL), ("TEAMS_WEBHOOK_URL_eu", URL)];
        let told = config(&twice).expect_err("two that a folder may not tell apart").join("\n");
        assert!(told.starts_with("TEAMS_WEBHOOK_URL_eu must differ"), "{told}");
    }

    #[test]
    fn an_unlikely_one_is_told_by_its_setting() {
        let set = [("TEAMS_WEBHOOK_URL", URL), ("TEAMS_WEBHOOK_URL_EU", "https://x.example/hunter2")];
        let warnings = config(&set).expect("a configuration").warnings.join("\n");
        assert!(warnings.contains("TEAMS_WEBHOOK_URL_EU has no sig in its query"), "{warnings}");
        assert!(!warnings.contains("TEAMS_WEBHOOK_URL has") && !warnings.contains("hunter2"), "{warnings}");
    }
}
