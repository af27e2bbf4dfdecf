//! A stand-in for the Azure Functions host: it keeps every fact we know of how the host starts a custom handler,
//! routes a request, checks its key, and hands it on.
//!
//! It serves the app's routes on a loopback port. What it cannot play (`arguments` in `host.json`, unknown
//! triggers) it refuses at start.

mod builder;
mod functions;
mod hand_on;
mod payload;
mod query;

use std::{
    process::ExitStatus,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicU32, Ordering},
    },
};

use tokio::task::JoinHandle;

use self::functions::{Function, Trigger};
pub use self::{builder::Builder, payload::to_json as payload_to_json};
use crate::{
    azurite::ACCOUNT_KEY,
    github::{GitHub, TOKEN},
    handler_process::HandlerProcess,
    http1::{Answer, Request},
};

/// How the host hands HTTP requests on to the handler.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Mode {
    /// As a JSON invocation payload: `host.json` without flags, and every host too old for the flag it names.
    Payload,
    /// As a rebuilt HTTP request: `enableForwardingHttpRequest`.
    Forwarding,
    /// As the caller's HTTP request, streamed: `enableProxyingHttpRequest`.
    Proxying,
}

/// A running host with a running handler; both end when dropped.
pub struct FunctionsHost {
    shared: Arc<Shared>,
    port: u16,
    handler: HandlerProcess,
    serving: JoinHandle<()>,
}

/// What every connection of the host needs.
struct Shared {
    mode: Mode,
    functions: Vec<Function>,
    /// The function key.
    key: String,
    port: u16,
    handler_port: u16,
    record: Mutex<Record>,
}

/// What the host would tell Application Insights.
#[derive(Default)]
struct Record {
    invocations: Vec<String>,
    logs: Vec<String>,
    failures: Vec<String>,
}

impl FunctionsHost {
    /// A host for the repository root, without any application setting.
    pub fn builder(mode: Mode) -> Builder {
        Builder::new(mode)
    }

    /// A host with the settings of a relay to [`GitHub`].
    pub fn relay(mode: Mode, github: &GitHub) -> Builder {
        Self::relay_to(mode, &github.url())
    }

    /// A host with the settings of a relay to a GitHub at this base URL.
    pub fn relay_to(mode: Mode, github_url: &str) -> Builder {
        Self::builder(mode)
            .setting("GITHUB_TOKEN", TOKEN)
            .setting("GITHUB_API_URL", github_url)
            .setting("GITHUB_REPOSITORY", "octo/app")
            .setting("RELAY_EVENT_TYPES", "release-approved")
            .setting("REQUIRE_IDENTITY", "false")
            .setting("STORE_URL", "memory:")
            .setting("RUST_LOG", "info")
    }

    /// Sends a request to the host's public port.
    pub async fn send(&self, request: Request) -> Answer {
        let answer = request.send(self.port).await;
        self.assert_no_secret(&format!("{:?} {}", answer.headers, answer.text()));
        answer
    }

    /// Sends a request to the handler itself, past the host.
    pub async fn send_to_handler(&self, request: Request) -> Answer {
        let answer = request.send(self.handler_port()).await;
        self.assert_no_secret(&format!("{:?} {}", answer.headers, answer.text()));
        answer
    }

    /// The card's click: a POST of a JSON body to `ApproveRelease`, with the function key.
    pub async fn click(&self, body: impl Into<Vec<u8>>) -> Answer {
        self.send(self.click_request().json(body)).await
    }

    /// A click without its body.
    pub fn click_request(&self) -> Request {
        self.click_with_query("")
    }

    /// A click without its body, with more query, such as `&repository=octo/app`.
    pub fn click_with_query(&self, more: &str) -> Request {
        Request::post(&format!("/api/ApproveRelease?code={}{more}", self.key()))
    }

    /// Fires a timer function once, as a payload whatever the mode, and gives its `Logs`; `Err` says why the
    /// invocation failed.
    pub async fn fire_timer(&self, function: &str) -> Result<Vec<String>, String> {
        let function = (self.shared.functions.iter())
            .find(|candidate| candidate.name == function)
            .unwrap_or_else(|| panic!("no function {function:?}"));
        let Trigger::Timer { binding } = &function.trigger else { panic!("{} has no timer", function.name) };
        let payload = payload::timer_payload(&function.name, binding);
        self.shared.invoke(function, &payload, &self.shared.new_invocation()).await.map(|answer| answer.logs)
    }

    /// The key that functions with `authLevel` `function` want.
    pub fn key(&self) -> &str {
        &self.shared.key
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn handler_port(&self) -> u16 {
        self.shared.handler_port
    }

    pub fn pid(&self) -> u32 {
        self.handler.pid()
    }

    /// The `Logs` of every invocation so far.
    pub fn logs(&self) -> Vec<String> {
        self.shared.record().logs.clone()
    }

    /// The ids of every invocation so far, in whatever form it was handed on.
    pub fn invocations(&self) -> Vec<String> {
        self.shared.record().invocations.clone()
    }

    /// Why invocations failed: answers that the host could not use, so that the caller got a bare 500.
    pub fn invocation_failures(&self) -> Vec<String> {
        self.shared.record().failures.clone()
    }

    /// What the handler wrote to stderr so far.
    pub fn stderr(&self) -> String {
        self.handler.output()
    }

    /// What of that the host makes errors of: what came on stderr itself.
    pub fn errors(&self) -> String {
        self.handler.errors()
    }

    /// Everything that an operator can read so far: stderr, and the `Logs` of every invocation.
    pub fn written(&self) -> String {
        format!("{}{}", self.stderr(), self.logs().join("\n"))
    }

    /// Waits for a line on stderr that contains `needle`.
    pub async fn stderr_line(&self, needle: &str) -> String {
        self.handler.line_with(needle).await
    }

    /// Tells the handler to stop.
    pub fn terminate(&self) {
        self.handler.terminate();
    }

    /// Sends the handler a signal, such as `-INT`.
    pub fn signal(&self, signal: &str) {
        self.handler.signal(signal);
    }

    /// Waits until the handler has stopped.
    pub async fn until_exit(&mut self) -> ExitStatus {
        self.handler.until_exit().await.0
    }

    /// Fails when a token or a key is in a text that others can read.
    fn assert_no_secret(&self, text: &str) {
        for secret in [TOKEN, ACCOUNT_KEY, self.key()] {
            assert!(!text.contains(secret), "a secret got out: {text}");
        }
    }
}

impl Drop for FunctionsHost {
    fn drop(&mut self) {
        self.serving.abort();
        let written = self.handler.kill();
        if !std::thread::panicking() {
            self.assert_no_secret(&written);
            self.assert_no_secret(&self.logs().join("\n"));
        }
    }
}

impl Shared {
    fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().expect("nobody panicked")
    }

    fn new_invocation(&self) -> String {
        static COUNT: AtomicU32 = AtomicU32::new(1);
        let id = format!("{:08x}-0000-4000-8000-000000000000", COUNT.fetch_add(1, Ordering::Relaxed));
        self.record().invocations.push(id.clone());
        id
    }
}
