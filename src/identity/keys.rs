//! An issuer's published keys: OpenID metadata, then the key set that it names.
//!
//! Loaded once and kept for a day. A token of an unknown key makes us look again, since keys are rotated, but at
//! most once a minute, since anyone can send one. Keys that are known go on serving while the issuer is away.

use std::{collections::HashMap, sync::Arc, time::Duration};

use anyhow::{Context, anyhow, ensure};
use jsonwebtoken::DecodingKey;
use reqwest::Url;
use serde::Deserialize;
use tokio::time::{Instant, timeout};

use crate::{
    http_client::LazyClient,
    refreshing::{CoolDown, Known, Refreshing, has_passed},
    text::log::printable,
    urls::is_safe_url,
};

/// Time for which keys serve before they are looked up again.
const FRESH: Duration = Duration::from_secs(24 * 3600);

/// Shortest time between two look-ups that unknown keys cause.
const COOL_DOWN: Duration = Duration::from_secs(60);

/// Shortest time between two look-ups while no key is known.
const RETRY_AFTER: Duration = Duration::from_millis(200);

/// Time for which a caller waits for a look-up; the look-up itself goes on, so that the next caller profits.
const PATIENCE: Duration = Duration::from_millis(1_500);

/// Limit on a look-up, metadata and keys together. While one is under way no other begins.
const LOOK_UP_TIME: Duration = Duration::from_secs(6);

/// Limit on connecting to the issuer.
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

/// The metadata and keys of an issuer.
#[derive(Debug)]
pub struct Published {
    /// The `iss` that its tokens must have.
    pub issuer: String,
    /// By key id.
    keys: HashMap<String, Arc<Key>>,
}

/// The result of looking for a key id.
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
    cache: Cache,
    /// Begun by an unknown key that made us look again.
    looked_again: CoolDown,
}

/// Failures are logged by the look-up itself.
type Cache = Refreshing<Arc<Published>, ()>;

type Seen = Known<Arc<Published>, ()>;

struct Source {
    client: LazyClient,
    issuer: Option<Url>,
}

impl Keys {
    /// The keys of the issuer whose OpenID metadata is at `metadata`. Nothing is asked yet.
    ///
    /// Metadata that names another issuer than `issuer`, if that is given, is refused (OpenID Connect Discovery, 4.3).
    pub fn new(metadata: Url, issuer: Option<Url>) -> Self {
        let source = Arc::new(Source { client: LazyClient::new(metadata, CONNECT_TIME), issuer });
        Self { source, cache: Cache::default(), looked_again: CoolDown::new(COOL_DOWN) }
    }

    /// The key with this id, looked up if need be, as far as the issuer answers in time.
    pub async fn find(&self, key_id: &str) -> Found {
        self.find_at(key_id, Instant::now()).await
    }

    async fn find_at(&self, key_id: &str, now: Instant) -> Found {
        let mut known = self.look_up_if_due(|known| find(known, key_id).is_some(), now);
        if let Some(found) = find(&known, key_id)
            && !is_stale(&known, now)
        {
            return found;
        }
        // Stale keys may have been withdrawn: they serve only if the issuer does not say otherwise in time.
        let _ = timeout(PATIENCE, known.outcome()).await;
        let known = self.cache.known();
        match find(&known, key_id) {
            Some(found) => found,
            None if known.has_succeeded() => Found::Unknown,
            None => Found::NotReached,
        }
    }

    /// True if keys are known and fresh, or the issuer gives them now. Keys that are known are not looked up again, so
    /// that whoever asks this delays no token of a new key.
    pub async fn are_at_hand(&self) -> bool {
        let now = Instant::now();
        let mut known = self.look_up_if_due(|known| known.value.is_some(), now);
        if known.value.is_some() && !is_stale(&known, now) {
            return true;
        }
        let _ = timeout(LOOK_UP_TIME, known.outcome()).await;
        self.cache.known().has_succeeded()
    }

    /// Loads the keys before they are needed.
    pub fn warm_up(&self) {
        self.look_up_if_due(|_| true, Instant::now());
    }

    /// Begins a look-up if one is due, for a key that `is_known` or not.
    fn look_up_if_due(&self, is_known: impl FnOnce(&Seen) -> bool, now: Instant) -> Seen {
        let source = Arc::clone(&self.source);
        let is_due = |known: &Seen| self.is_due(known, is_known(known), now);
        self.cache.refresh(is_due, async move { source.look_up().await })
    }

    fn is_due(&self, known: &Seen, is_known: bool, now: Instant) -> bool {
        match known.value {
            None => has_passed(RETRY_AFTER, known.asked_at, now),
            Some(_) if is_known => is_stale(known, now) && has_passed(COOL_DOWN, known.asked_at, now),
            Some(_) => self.looked_again.begin(now),
        }
    }
}

fn find(known: &Seen, key_id: &str) -> Option<Found> {
    let published = known.value.as_ref()?;
    Some(Found::Key(Arc::clone(published.keys.get(key_id)?), Arc::clone(published)))
}

fn is_stale(known: &Seen, now: Instant) -> bool {
    has_passed(FRESH, known.fetched_at, now)
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

/// RFC 7517, as far as an RSA key that signs has it; its use is optional.
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
    async fn look_up(&self) -> Result<Arc<Published>, ()> {
        let published = match timeout(LOOK_UP_TIME, self.load()).await {
            Ok(published) => published,
            Err(_) => Err(anyhow!("no answer in time")),
        };
        published.map(Arc::new).map_err(|error| {
            let error = printable(&format!("{error:#}"), 300);
            log::warn!("cannot load the keys of {}: {error}", self.client.base());
        })
    }

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

/// True if `text` is `issuer`; as a URL that may have a slash at its end which the issuer itself leaves out.
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
    use std::future::{pending, ready};

    use futures_util::FutureExt;
    use serde_json::json;
    use tokio::sync::oneshot;

    use super::*;

    /// Keys whose issuer cannot be called: every look-up fails at once.
    fn keys() -> Keys {
        Keys::new(Url::parse("nowhere:").expect("a URL"), None)
    }

    fn published(key_id: &str) -> Arc<Published> {
        let key = json!({"kid": key_id, "kty": "RSA", "n": "AQAB", "e": "AQAB"});
        Arc::new(Published { issuer: String::new(), keys: signing_key(key).into_iter().collect() })
    }

    /// The state after keys were loaded, if they were, and the latest look-up began.
    fn seen(loaded: Option<Instant>, asked: Instant) -> Seen {
        let mut known = Cache::default().known();
        (known.value, known.fetched_at) = (loaded.map(|_| published("old")), loaded);
        known.asked_at = Some(asked);
        known
    }

    #[test]
    fn an_unknown_key_makes_us_look_again_at_once_and_then_not_for_a_minute() {
        let (keys, now) = (keys(), Instant::now());
        let known = seen(Some(now), now);
        assert!(keys.is_due(&known, false, now), "keys are rotated at any time");
        assert!(!keys.is_due(&known, false, now + COOL_DOWN - Duration::from_secs(1)));
        assert!(keys.is_due(&known, false, now + COOL_DOWN));
    }

    #[test]
    fn known_keys_are_looked_up_once_a_day_and_every_minute_while_that_fails() {
        let (keys, now) = (keys(), Instant::now());
        assert!(!keys.is_due(&seen(Some(now), now), true, now + FRESH - Duration::from_secs(1)));
        assert!(keys.is_due(&seen(Some(now), now), true, now + FRESH));
        let failed = seen(Some(now), now + FRESH);
        assert!(!keys.is_due(&failed, true, now + FRESH + COOL_DOWN - Duration::from_secs(1)));
        assert!(keys.is_due(&failed, true, now + FRESH + COOL_DOWN));
    }

    #[test]
    fn while_nothing_is_known_look_ups_follow_each_other_closely_but_never_at_once() {
        let (keys, now) = (keys(), Instant::now());
        for is_known in [true, false] {
            assert!(!keys.is_due(&seen(None, now), is_known, now));
            assert!(keys.is_due(&seen(None, now), is_known, now + RETRY_AFTER));
        }
    }

    /// Keys that have loaded `old`, and the time of that.
    async fn loaded() -> (Keys, Instant) {
        let keys = keys();
        keys.cache.refresh(|_| true, ready(Ok(published("old")))).outcome().await;
        let at = keys.cache.known().fetched_at.expect("loaded");
        (keys, at)
    }

    #[tokio::test]
    async fn fresh_keys_serve_without_waiting_for_a_look_up() {
        let (keys, now) = loaded().await;
        keys.cache.refresh(|_| true, pending());
        assert!(matches!(keys.find_at("old", now).now_or_never(), Some(Found::Key(..))));
    }

    #[tokio::test]
    async fn stale_keys_wait_for_the_look_up_and_count_no_more_if_they_were_withdrawn() {
        let (keys, now) = loaded().await;
        let (answer, look_up) = oneshot::channel();
        keys.cache.refresh(|_| true, async { look_up.await.expect("the test answers") });
        let found = keys.find_at("old", now + FRESH);
        let (found, ()) =
            tokio::join!(found, async { answer.send(Ok(published("new"))).expect("a task waits") });
        assert!(matches!(found, Found::Unknown), "{found:?}");
        assert!(matches!(keys.find_at("new", now).await, Found::Key(..)));
    }

    #[tokio::test]
    async fn stale_keys_serve_on_and_unknown_ones_are_not_reached_if_the_look_up_fails() {
        let (keys, now) = loaded().await;
        let asked_at = keys.cache.known().asked_at;
        assert!(matches!(keys.find_at("old", now + FRESH).await, Found::Key(..)));
        assert!(keys.cache.known().asked_at > asked_at, "a look-up was due");
        assert!(matches!(keys.find_at("new", now + FRESH).await, Found::NotReached));
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
