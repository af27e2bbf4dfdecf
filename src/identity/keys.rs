//! An issuer's published keys: OpenID metadata, then the key set that it names.
//!
//! Loaded once and kept for a day. A token of an unknown key makes us look again, since keys are rotated, but at
//! most once a minute, since anybody can send one. Keys that are known go on serving while the issuer is away.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::{Context, anyhow, ensure};
use jsonwebtoken::DecodingKey;
use reqwest::Url;
use serde::Deserialize;
use tokio::{
    sync::watch,
    time::{Instant, timeout},
};

use crate::{config::is_safe_url, http_client::LazyClient, text::log::printable};

/// How long keys serve before they are looked up again.
const FRESH: Duration = Duration::from_secs(24 * 3600);

/// How long after a look-up that an unknown key caused it causes no other.
const COOL_DOWN: Duration = Duration::from_secs(60);

/// How long after a failed first look-up the next may come.
const RETRY_AFTER: Duration = Duration::from_millis(200);

/// How long a caller waits for a look-up; the look-up itself goes on, so that the next caller profits.
const PATIENCE: Duration = Duration::from_millis(1_500);

/// How long a look-up may take, metadata and keys together. While one is under way no other begins.
const LOOK_UP_TIME: Duration = Duration::from_secs(6);

/// Connecting to the issuer.
const CONNECT_TIME: Duration = Duration::from_secs(2);

/// The largest document that is read, in bytes. Entra's keys are some 15 KB.
const MAX_DOCUMENT_BYTES: usize = 512 * 1024;

/// A key that signs tokens.
#[derive(Clone, Debug)]
pub struct Key {
    /// The public key.
    pub decoding_key: DecodingKey,
    /// The channels that the Bot Connector endorses this key for; other issuers say nothing.
    pub endorsements: Vec<String>,
}

/// What an issuer publishes.
#[derive(Debug)]
pub struct Published {
    /// What its tokens must say as `iss`.
    pub issuer: String,
    /// By key id.
    keys: HashMap<String, Arc<Key>>,
}

/// What is known about a key id.
#[derive(Debug)]
pub enum Found {
    /// The key, and what was published with it.
    Key(Arc<Key>, Arc<Published>),
    /// The issuer has no such key.
    Unknown,
    /// The issuer was not reached.
    NotReached,
}

/// The keys of one issuer.
pub struct Keys {
    source: Arc<Source>,
    cache: Arc<Mutex<Cache>>,
}

struct Source {
    client: LazyClient,
    issuer: Option<Url>,
}

#[derive(Default)]
struct Cache {
    published: Option<Arc<Published>>,
    loaded_at: Option<Instant>,
    looked_up_at: Option<Instant>,
    /// When an unknown key last made us look again.
    looked_again_at: Option<Instant>,
    last_failed: bool,
    /// Tells when the look-up under way has ended.
    under_way: Option<watch::Receiver<()>>,
}

impl Cache {
    fn find(&self, key_id: &str) -> Option<Found> {
        let published = self.published.as_ref()?;
        Some(Found::Key(Arc::clone(published.keys.get(key_id)?), Arc::clone(published)))
    }

    /// What to say of a key id that is not known.
    fn without(&self) -> Found {
        match self.published.is_some() && !self.last_failed {
            true => Found::Unknown,
            false => Found::NotReached,
        }
    }

    fn is_stale(&self, now: Instant) -> bool {
        self.loaded_at.is_none_or(|at| now.duration_since(at) >= FRESH)
    }

    /// Whether to look up now, for a key that `is_known` or not.
    fn should_look_up(&self, is_known: bool, now: Instant) -> bool {
        let passed = |since: Option<Instant>, pause| since.is_none_or(|at| now.duration_since(at) >= pause);
        let is_due = match self.published {
            None => passed(self.looked_up_at, RETRY_AFTER),
            Some(_) if is_known => self.is_stale(now) && passed(self.looked_up_at, COOL_DOWN),
            Some(_) => passed(self.looked_again_at, COOL_DOWN),
        };
        !self.is_under_way() && is_due
    }

    /// Whether a look-up is under way; one whose task is gone is not, however it ended.
    fn is_under_way(&self) -> bool {
        self.under_way.as_ref().is_some_and(|under_way| under_way.has_changed().is_ok())
    }
}

impl Keys {
    /// The keys of the issuer whose OpenID metadata is at `metadata`. Nothing is asked yet.
    ///
    /// Metadata that names another `issuer`, where one is given, is none (OpenID Connect Discovery, 4.3).
    pub fn new(metadata: Url, issuer: Option<Url>) -> Self {
        let source = Source { client: LazyClient::new(metadata, CONNECT_TIME), issuer };
        Self { source: Arc::new(source), cache: Arc::default() }
    }

    /// The key with this id, looked up if need be, as far as the issuer answers in time.
    pub async fn find(&self, key_id: &str) -> Found {
        let under_way = {
            let now = Instant::now();
            let mut cache = lock(&self.cache);
            let found = cache.find(key_id);
            if cache.should_look_up(found.is_some(), now) {
                if found.is_none() && cache.published.is_some() {
                    cache.looked_again_at = Some(now);
                }
                self.look_up(&mut cache, now);
            }
            match (found, cache.is_stale(now)) {
                (Some(found), false) => return found,
                // Old keys may have been withdrawn: they serve only where the issuer does not say otherwise in time.
                (Some(_), true) | (None, _) => cache.under_way.clone(),
            }
        };
        if let Some(mut under_way) = under_way {
            // An error says that the look-up has ended, which is what is waited for.
            let _ = timeout(PATIENCE, under_way.changed()).await;
        }
        let cache = lock(&self.cache);
        match cache.find(key_id) {
            Some(found) => found,
            None if cache.is_under_way() => Found::NotReached,
            None => cache.without(),
        }
    }

    /// Loads the keys before anybody needs them.
    pub fn warm_up(&self) {
        let mut cache = lock(&self.cache);
        let now = Instant::now();
        if cache.should_look_up(true, now) {
            self.look_up(&mut cache, now);
        }
    }

    /// Begins a look-up, which goes on whoever waits for it.
    fn look_up(&self, cache: &mut Cache, now: Instant) {
        let (ended, under_way) = watch::channel(());
        cache.looked_up_at = Some(now);
        cache.under_way = Some(under_way);
        let (source, shared) = (Arc::clone(&self.source), Arc::clone(&self.cache));
        tokio::spawn(async move {
            let published = match timeout(LOOK_UP_TIME, source.load()).await {
                Ok(published) => published,
                Err(_) => Err(anyhow!("no answer in time")),
            };
            let mut cache = lock(&shared);
            cache.under_way = None;
            cache.last_failed = published.is_err();
            match published {
                Ok(published) => {
                    cache.published = Some(Arc::new(published));
                    cache.loaded_at = Some(Instant::now());
                }
                Err(error) => {
                    let error = printable(&format!("{error:#}"), 300);
                    log::warn!("cannot load the keys of {}: {error}", source.client.base());
                }
            }
            drop(ended);
        });
    }
}

/// A panic while the lock was held, of which there is none to be expected, leaves the cache as usable as before.
fn lock(cache: &Mutex<Cache>) -> MutexGuard<'_, Cache> {
    cache.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Deserialize)]
struct Metadata {
    issuer: String,
    jwks_uri: String,
}

#[derive(Deserialize)]
struct KeySet {
    keys: Vec<serde_json::Value>,
}

/// RFC 7517, as far as an RSA key that signs has it; what such a key is for need not be said.
#[derive(Deserialize)]
struct JsonWebKey {
    kid: String,
    kty: String,
    #[serde(rename = "use")]
    used_for: Option<String>,
    key_ops: Option<Vec<String>>,
    alg: Option<String>,
    n: String,
    e: String,
    #[serde(default)]
    endorsements: Vec<String>,
}

impl Source {
    async fn load(&self) -> anyhow::Result<Published> {
        let metadata: Metadata = self.get(self.client.base()).await.context("metadata")?;
        let is_issuer = self.issuer.as_ref().is_none_or(|issuer| names(&metadata.issuer, issuer));
        ensure!(is_issuer, "the metadata is another issuer's");
        let keys_at = Url::parse(&metadata.jwks_uri).ok().filter(is_safe_url);
        let keys_at = keys_at.context("the metadata names keys that are not at an https URL")?;
        let key_set: KeySet = self.get(&keys_at).await.context("keys")?;
        let keys: HashMap<_, _> = key_set.keys.into_iter().filter_map(signing_key).collect();
        ensure!(!keys.is_empty(), "there is no key that signs with RS256");
        Ok(Published { issuer: metadata.issuer, keys })
    }

    async fn get<T: serde::de::DeserializeOwned>(&self, url: &Url) -> anyhow::Result<T> {
        let mut response = self.client.get()?.get(url.clone()).timeout(LOOK_UP_TIME).send().await?;
        ensure!(response.status().as_u16() == 200, "status {}", response.status().as_u16());
        let mut document = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            document.extend_from_slice(&chunk);
            ensure!(document.len() <= MAX_DOCUMENT_BYTES, "more than {MAX_DOCUMENT_BYTES} bytes");
        }
        serde_json::from_slice(&document).context("not the JSON that was expected")
    }
}

/// Whether `text` is `issuer`, which as a URL may have a slash at its end that the issuer itself does not write.
fn names(text: &str, issuer: &Url) -> bool {
    let bare = |url: &Url| url.as_str().trim_end_matches('/').to_owned();
    Url::parse(text).is_ok_and(|url| bare(&url) == bare(issuer))
}

/// The key, if it is one for RSA signatures; everything else in a key set is passed over.
fn signing_key(json: serde_json::Value) -> Option<(String, Arc<Key>)> {
    let key: JsonWebKey = serde_json::from_value(json).ok()?;
    let verifies = key.used_for.is_none_or(|used_for| used_for == "sig")
        && key.key_ops.is_none_or(|operations| operations.iter().any(|operation| operation == "verify"));
    let signs = key.kty == "RSA" && verifies && key.alg.as_deref().is_none_or(|alg| alg == "RS256");
    let decoding_key = signs.then(|| DecodingKey::from_rsa_components(&key.n, &key.e).ok())??;
    Some((key.kid, Arc::new(Key { decoding_key, endorsements: key.endorsements })))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn cache(loaded: Option<Instant>, looked_up: Option<Instant>) -> Cache {
        let published = loaded.map(|_| Arc::new(Published { issuer: String::new(), keys: HashMap::new() }));
        Cache { published, loaded_at: loaded, looked_up_at: looked_up, ..Cache::default() }
    }

    #[test]
    fn keys_are_stale_after_a_day() {
        let now = Instant::now();
        assert!(cache(None, None).is_stale(now));
        assert!(!cache(Some(now), None).is_stale(now + FRESH - Duration::from_secs(1)));
        assert!(cache(Some(now), None).is_stale(now + FRESH));
    }

    #[test]
    fn an_unknown_key_makes_us_look_again_at_once_and_then_not_for_a_minute() {
        let now = Instant::now();
        let mut known = cache(Some(now), Some(now));
        assert!(known.should_look_up(false, now), "keys are rotated at any time");
        known.looked_again_at = Some(now);
        assert!(!known.should_look_up(false, now + COOL_DOWN - Duration::from_secs(1)));
        assert!(known.should_look_up(false, now + COOL_DOWN));
    }

    #[test]
    fn known_keys_are_looked_up_once_a_day_and_every_minute_while_that_fails() {
        let now = Instant::now();
        assert!(!cache(Some(now), Some(now)).should_look_up(true, now + COOL_DOWN));
        assert!(cache(Some(now), Some(now)).should_look_up(true, now + FRESH));
        assert!(!cache(Some(now), Some(now + FRESH)).should_look_up(true, now + FRESH));
    }

    #[test]
    fn while_nothing_is_known_look_ups_follow_each_other_closely_but_never_at_once() {
        let now = Instant::now();
        let mut nothing = cache(None, Some(now));
        assert!(!nothing.should_look_up(false, now));
        assert!(nothing.should_look_up(false, now + RETRY_AFTER));
        let (ended, under_way) = watch::channel(());
        nothing.under_way = Some(under_way);
        assert!(!nothing.should_look_up(false, now + RETRY_AFTER));
        drop(ended);
        assert!(
            nothing.should_look_up(false, now + RETRY_AFTER),
            "a task that is gone is waited for by nobody"
        );
    }

    #[test]
    fn an_issuer_is_the_same_with_a_slash_at_its_end_and_no_other_is() {
        let is_named = |text: &str, issuer: &str| names(text, &Url::parse(issuer).expect("a URL"));
        let (cloud, server) = ("https://token.actions.githubusercontent.com", "https://host/_services/token");
        assert!(is_named(cloud, cloud) && is_named(server, server));
        assert!(is_named("https://Host/_services/token", server), "as people write their server's name");
        assert!(is_named(server, &format!("{server}/")) && is_named(&format!("{server}/"), server));
        for other in ["", "token.actions.githubusercontent.com", &format!("{cloud}.evil"), "https://host"] {
            assert!(!is_named(other, cloud) && !is_named(other, server), "{other}");
        }
    }

    #[test]
    fn only_rsa_keys_that_sign_are_taken() {
        let good = json!({"kid": "a", "kty": "RSA", "use": "sig", "n": "AQAB", "e": "AQAB", "x5c": ["…"]});
        assert!(signing_key(good.clone()).is_some());
        for (field, value) in [
            ("use", json!(null)),
            ("key_ops", json!(["verify"])),
            ("key_ops", json!(["encrypt", "verify"])),
            ("alg", json!("RS256")),
        ] {
            let mut as_good = good.clone();
            as_good[field] = value;
            assert!(signing_key(as_good.clone()).is_some(), "{as_good}");
        }
        let bare = json!({"kid": "a", "kty": "RSA", "n": "AQAB", "e": "AQAB"});
        assert!(signing_key(bare).is_some(), "RFC 7517, 4.2: use is optional");
        for (field, value) in [
            ("kty", json!("oct")),
            ("use", json!("enc")),
            ("use", json!("")),
            ("use", json!(["sig"])),
            ("key_ops", json!([])),
            ("key_ops", json!(["sign", "encrypt"])),
            ("key_ops", json!("verify")),
            ("alg", json!("RS512")),
            ("alg", json!("HS256")),
            ("kid", json!(null)),
            ("n", json!("***")),
            ("n", json!(7)),
        ] {
            let mut bad = good.clone();
            bad[field] = value;
            assert!(signing_key(bad.clone()).is_none(), "{bad}");
        }
    }
}
