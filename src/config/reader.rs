//! Reading settings one by one: the form of each, and the complaint about one that does not have it.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
};

use chrono::TimeDelta;
use secrecy::SecretString;
use url::Url;

use crate::{approval::Terms, http_client::SecretUrl, urls::is_safe_url};

/// Reads settings one by one and collects what is wrong with them.
pub struct Reader<'a> {
    pub settings: &'a BTreeMap<String, String>,
    pub unusable: Vec<String>,
    /// The names that were asked for.
    pub asked: RefCell<BTreeSet<String>>,
}

impl Reader<'_> {
    /// The setting, without space around it; an empty one is not set.
    pub fn text(&self, name: &str) -> Option<String> {
        self.asked.borrow_mut().insert(name.to_owned());
        let value = self.settings.get(name)?.trim();
        (!value.is_empty()).then(|| value.to_owned())
    }

    /// The setting as `parse` reads it; `expected` completes the sentence "NAME must be …".
    pub fn parse<T>(&mut self, name: &str, expected: &str, parse: impl Fn(&str) -> Option<T>) -> Option<T> {
        self.parse_or_tell(name, expected, |text| parse(text).ok_or(""))
    }

    /// The same, if `parse` may know the cause: "NAME must be …; it is a link".
    pub fn parse_or_tell<T>(
        &mut self,
        name: &str,
        expected: &str,
        parse: impl Fn(&str) -> Result<T, &'static str>,
    ) -> Option<T> {
        let text = self.text(name)?;
        if text.starts_with("@Microsoft.KeyVault(") {
            self.cannot_use(format!("{name} is a Key Vault reference that Azure could not resolve"));
            return None;
        }
        match parse(&text) {
            Ok(parsed) => return Some(parsed),
            Err("") => self.cannot_use(format!("{name} must be {expected}")),
            Err(cause) => self.cannot_use(format!("{name} must be {expected}; {cause}")),
        }
        None
    }

    /// Adds a complaint, once also for a setting that is read for two purposes.
    pub fn cannot_use(&mut self, line: String) {
        if !self.unusable.contains(&line) {
            self.unusable.push(line);
        }
    }

    /// A comma list; empty entries are passed over.
    pub fn list<T>(
        &mut self,
        name: &str,
        expected: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<Vec<T>> {
        self.parse(name, expected, |text| {
            text.split(',').map(str::trim).filter(|entry| !entry.is_empty()).map(&parse).collect()
        })
    }

    pub fn url(&mut self, name: &str) -> Option<Url> {
        self.parse(name, "an https URL, or http to this computer, without user, query or fragment", safe_url)
    }
}

/// The least number of people who must approve.
pub fn approvals(text: &str) -> Option<usize> {
    text.parse().ok().filter(|least| (1..=Terms::MAX_REQUIRED).contains(least))
}

/// An https URL, or http to this computer, that may hold a key in its query.
pub fn secret_url(text: &str) -> Option<SecretUrl> {
    let url = Url::parse(text).ok()?;
    let mut without_key = url.clone();
    without_key.set_query(None);
    is_safe_url(&without_key).then(|| SecretUrl::new(url))
}

/// A number of hours; with one attempt an hour, what is kept of them can still be listed.
pub fn hours(text: &str) -> Option<TimeDelta> {
    text.parse().ok().filter(|hours| (0..=4000).contains(hours)).map(TimeDelta::hours)
}

/// `true` or `false`, in any case.
pub fn boolean(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}

/// A token, as it fits into a header.
pub fn secret(text: &str) -> Option<SecretString> {
    text.bytes().all(|b| b.is_ascii_graphic()).then(|| SecretString::from(text))
}

/// A filter of env_logger.
pub fn log_filter(text: &str) -> Option<String> {
    env_filter::Builder::new().try_parse(text).is_ok().then(|| text.to_owned())
}

/// A URL as [`is_safe_url`] says.
pub fn safe_url(text: &str) -> Option<Url> {
    Url::parse(text).ok().filter(is_safe_url)
}

/// One of the defaults.
pub fn known_url(text: &str) -> Url {
    Url::parse(text).expect("the defaults are URLs")
}
