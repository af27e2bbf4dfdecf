//! Clients for calling out: bounded, direct, and never led elsewhere.

use std::{fmt, time::Duration};

use anyhow::Context;
use once_cell::sync::OnceCell;
use reqwest::{Certificate, Client, Response, redirect};
use url::Url;

use crate::{
    approval::{SendAnswer, SendResult},
    text::log::printable,
};

/// The `User-Agent`; GitHub requires one.
const USER_AGENT: &str = concat!("ApproveRelease/", env!("CARGO_PKG_VERSION"));

/// Chooses the cryptography of TLS for the whole process; to be called before any client is built.
pub fn use_ring() {
    // Fails only when one is chosen already, and then that one serves.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// A URL that is itself a key: anyone who has it may use it. It is never printed.
#[derive(Clone)]
pub struct SecretUrl(Url);

impl SecretUrl {
    /// A secret one.
    pub fn new(url: Url) -> Self {
        Self(url)
    }

    /// The URL, for a call or for the card that needs it.
    pub fn expose(&self) -> &Url {
        &self.0
    }
}

impl fmt::Debug for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretUrl")
    }
}

/// A client that is built at first use, since that takes some milliseconds for https.
pub struct LazyClient {
    base: Url,
    connect_timeout: Duration,
    client: OnceCell<Client>,
}

impl LazyClient {
    /// A client for calls to `base`, not built yet.
    pub fn new(base: Url, connect_timeout: Duration) -> Self {
        Self { base, connect_timeout, client: OnceCell::new() }
    }

    /// The address that its calls go to.
    pub fn base(&self) -> &Url {
        &self.base
    }

    /// The client, built if it is not there.
    pub fn get(&self) -> anyhow::Result<&Client> {
        let build = || build(&self.base, self.connect_timeout);
        self.client.get_or_try_init(build).context("cannot build a client")
    }
}

/// A client for calls to `base`, which follows no redirect and uses no proxy. Each call sets its own total time-out.
///
/// For https it trusts what the platform trusts (a company's private authority, too) and the roots known when this
/// was built, for images that come without any: loading them takes some milliseconds. For http to loopback nothing
/// is loaded.
// T31
#[expect(clippy::disallowed_methods, reason = "this is where clients are built")]
pub fn build(base: &Url, connect_timeout: Duration) -> reqwest::Result<Client> {
    let builder = Client::builder()
        .user_agent(USER_AGENT)
        .connect_timeout(connect_timeout)
        .redirect(redirect::Policy::none())
        .no_proxy();
    if base.scheme() != "https" {
        return builder.tls_certs_only([]).build();
    }
    let roots = webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().map(|root| Certificate::from_der(root));
    builder.https_only(true).tls_certs_merge(roots.collect::<Result<Vec<_>, _>>()?).build()
}

/// The first `limit` bytes of the body, or fewer if it breaks off: the status is known already.
pub async fn read_start(response: &mut Response, limit: usize) -> Vec<u8> {
    let mut start = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        start.extend_from_slice(&chunk);
        if start.len() >= limit {
            start.truncate(limit);
            break;
        }
    }
    start
}

/// The meaning of a call to `whom` without an answer. The address, which may be a secret, is not repeated.
pub fn failure(whom: &str, error: &reqwest::Error) -> SendResult {
    let causes = || std::iter::successors(std::error::Error::source(error), |cause| cause.source());
    let (answer, detail) = if error.is_connect() {
        (SendAnswer::Unreachable, format!("{whom} could not be reached"))
    } else if error.is_timeout() {
        (SendAnswer::TimedOut, format!("{whom} did not answer in time"))
    } else {
        (SendAnswer::Broken, format!("the connection to {whom} broke"))
    };
    let causes = causes().map(|cause| format!(": {cause}")).collect::<String>();
    SendResult { what: answer, wait_s: None, detail: format!("{detail}{}", printable(&causes, 200)) }
}
