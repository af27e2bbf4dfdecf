//! A stand-in for the Azure Functions host: it keeps every fact we know of how the host starts a custom handler,
//! routes a request, checks its key, and hands it on.
//!
//! It serves the app's routes on a loopback port. What it cannot play (`arguments` in `host.json`, unknown
//! triggers) it refuses at start.

mod builder;
mod functions;
mod hand_on;
mod handler;
mod payload;
mod query;

use std::{
    process::ExitStatus,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::task::JoinHandle;

pub use self::{builder::Builder, payload::to_json as payload_to_json};
use self::{
    functions::{Function, Trigger},
    handler::{Handler, Standing, until_answering},
};
use crate::{
    azurite::ACCOUNT_KEY,
    github::{GitHub, TOKEN},
    handler_process::{found, within},
    http1::{Answer, Connection, Request},
};

/// The form in which the host hands HTTP requests on to the handler.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Mode {
    /// As a JSON invocation payload: `host.json` without flags, and every host too old for the flag it names.
    Payload,
    /// As a rebuilt HTTP request: `enableForwardingHttpRequest`.
    Forwarding,
    /// As the caller's HTTP request, streamed: `enableProxyingHttpRequest`.
    Proxying,
}

/// The shortest of the time limits that make a click `unavailable`. One that comes sooner has another cause, which no
/// click again may hide.
const LEAST_TIME_LIMIT: Duration = Duration::from_millis(1_400);

/// The time after which people click again.
const BETWEEN_CLICKS: Duration = Duration::from_millis(200);

/// A running host with a running handler; both end when dropped.
pub struct FunctionsHost {
    shared: Arc<Shared>,
    port: u16,
    serving: JoinHandle<()>,
}

/// The parts that every connection of the host needs.
struct Shared {
    mode: Mode,
    functions: Vec<Function>,
    /// The function key.
    key: String,
    port: u16,
    handler_port: u16,
    /// `None` once the host is dropped.
    handler: Mutex<Option<Handler>>,
    /// The connections to the handler that are kept, and since when each is idle.
    idle: Mutex<Vec<(Connection, Instant)>>,
    record: Mutex<Record>,
}

/// The telemetry that the host would send to Application Insights.
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

    /// A GitHub, and a host that relays to it.
    pub async fn with_github(mode: Mode) -> (GitHub, Self) {
        let github = GitHub::start().await;
        let host = Self::relay(mode, &github).start().await;
        (github, host)
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

    /// Sends a request to the host's public port, and does as people do where the answer asks for it: a machine that
    /// is too busy for one click's time is no reason for a test to fail that is not about time. Such a click counts once;
    /// where it was recorded after all, it is sent some seconds later.
    pub async fn send(&self, request: Request) -> Answer {
        within("an answer is more than \"click again\"", async || {
            let mut is_unknown = false;
            loop {
                let sent = Instant::now();
                let answer = self.send_once(request.clone()).await;
                let is_too_late = asks_to_click_again(&answer) && sent.elapsed() >= LEAST_TIME_LIMIT;
                is_unknown |= is_too_late;
                if !(is_too_late || is_unknown && answer.text().contains("on its way")) {
                    return answer;
                }
                tokio::time::sleep(BETWEEN_CLICKS).await;
            }
        })
        .await
    }

    /// Sends a request to the host's public port once, for a test that is about a time that is over.
    pub async fn send_once(&self, request: Request) -> Answer {
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
        self.shared.with_handler(|handler| handler.process().pid())
    }

    /// The `Logs` of every invocation so far.
    pub fn logs(&self) -> Vec<String> {
        self.shared.record().logs.clone()
    }

    /// The ids of every invocation so far, in whatever form it was handed on.
    pub fn invocations(&self) -> Vec<String> {
        self.shared.record().invocations.clone()
    }

    /// The reasons for failed invocations: answers that the host could not use, so that the caller got a bare 500.
    pub fn invocation_failures(&self) -> Vec<String> {
        self.shared.record().failures.clone()
    }

    /// The output of the handler so far: stderr, and stdout.
    pub fn stderr(&self) -> String {
        self.shared.with_handler(|handler| handler.output())
    }

    /// The part of that which the host makes errors of: stderr itself.
    pub fn errors(&self) -> String {
        self.shared.with_handler(|handler| handler.errors())
    }

    /// Everything that an operator can read so far: stderr, and the `Logs` of every invocation.
    pub fn written(&self) -> String {
        format!("{}{}", self.stderr(), self.logs().join("\n"))
    }

    /// Waits for a line on stderr that contains `needle`.
    pub async fn stderr_line(&self, needle: &str) -> String {
        found(&format!("a line with {needle:?}"), async || {
            self.stderr().lines().find(|line| line.contains(needle)).map(str::to_owned)
        })
        .await
    }

    /// Tells the handler to stop, which a host never does.
    pub fn terminate(&self) {
        self.shared.with_handler(|handler| handler.process().terminate());
    }

    /// Stops the handler as a host does: without notice. The next request finds it started again.
    pub fn kill(&self) {
        self.signal("-KILL");
    }

    /// Sends the handler a signal, such as `-INT`.
    pub fn signal(&self, signal: &str) {
        self.shared.with_handler(|handler| handler.process().signal(signal));
    }

    /// Waits until the handler has stopped.
    pub async fn until_exit(&mut self) -> ExitStatus {
        found("the handler exits", async || self.shared.with_handler(|handler| handler.process().exited()))
            .await
    }

    /// Fails when a token or a key is in a text that others can read.
    fn assert_no_secret(&self, text: &str) {
        for secret in [TOKEN, ACCOUNT_KEY, self.key()] {
            assert!(!text.contains(secret), "a secret got out: {text}");
        }
    }
}

/// True if an answer says that nothing is known for lack of time, on a card, a page or to a program.
fn asks_to_click_again(answer: &Answer) -> bool {
    let text = answer.text();
    answer.status == 424 && (text.contains("the store failed") || text.contains("could not be reached"))
}

impl Drop for FunctionsHost {
    fn drop(&mut self) {
        self.serving.abort();
        let handler = self.shared.handler.lock().expect("nobody panicked").take();
        let mut handler = handler.expect("it is taken here alone");
        handler.process().kill();
        if !std::thread::panicking() {
            self.assert_no_secret(&handler.output());
            self.assert_no_secret(&self.logs().join("\n"));
        }
    }
}

impl Shared {
    fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().expect("nobody panicked")
    }

    fn with_handler<T>(&self, look: impl FnOnce(&mut Handler) -> T) -> T {
        look(self.handler.lock().expect("nobody panicked").as_mut().expect("the host runs"))
    }

    /// The state of the handler, once it is ready if it had to be started again.
    async fn look_after_handler(&self) -> Standing {
        loop {
            match self.with_handler(Handler::look_after) {
                Standing::Started => {
                    let has_exited = || self.with_handler(|handler| handler.process().exited().is_some());
                    until_answering(self.handler_port, has_exited).await;
                }
                standing => return standing,
            }
        }
    }

    fn new_invocation(&self) -> String {
        static COUNT: AtomicU32 = AtomicU32::new(1);
        let id = format!("{:08x}-0000-4000-8000-000000000000", COUNT.fetch_add(1, Ordering::Relaxed));
        self.record().invocations.push(id.clone());
        id
    }
}
