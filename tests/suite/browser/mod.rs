//! A real browser: Chromium or Chrome, without a window, driven through [`driver`].
//!
//! Every [`Browser`] is a person at a computer of their own: nothing is shared with another at the same time. Starting
//! one takes seconds of a processor, so a few are started and each test gets one that is idle, with an empty tab, cache
//! and console; one whose test failed is thrown away. What cannot be done fails the test, and says what the page showed.
//!
//! A machine without a browser skips the test and says so on stderr; if `CI` is `true`, the test fails.

mod accessibility;
mod driver;

use std::{
    env, fmt,
    io::{self, Write},
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::{Value, json};
use tempfile::TempDir;
pub use thirtyfour::Key;
use thirtyfour::{
    By, ChromeCapabilities, ChromiumLikeCapabilities, DesiredCapabilities, LoggingPrefsLogLevel, TypingData,
    WebDriver, WebElement, WindowHandle,
    error::WebDriverResult,
    extensions::query::{ElementPollerWithTimeout, ElementQueryable},
};

use tokio::sync::{Semaphore, SemaphorePermit};

use self::driver::Driver;
use crate::handler_process::{until, within};

/// The longest wait for an element before the test fails.
const PATIENCE: Duration = Duration::from_secs(10);

/// The time between two looks at the page while waiting for it.
const GLANCE: Duration = Duration::from_millis(20);

/// The longest time of one command: opening a browser on a busy machine takes longest.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(60);

/// No window, no sandbox (a container's root has none to offer), and no traffic of the browser's own.
const FLAGS: &[&str] = &[
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
];

/// A browser with one empty tab; another test's once it is dropped.
pub struct Browser {
    session: WebDriver,
    /// Both, until the browser is given back.
    running: Option<Running>,
    _turn: SemaphorePermit<'static>,
}

/// A browser that was started.
struct Running {
    /// Dropped first, which waits until the browser has ended and let go of its profile.
    session: WebDriver,
    profile: TempDir,
}

/// The number of browsers at once: as many as the smallest machine has cores.
static TURNS: Semaphore = Semaphore::const_new(2);

/// The browsers that no test has. They end with the driver.
static IDLE: Mutex<Vec<Running>> = Mutex::new(Vec::new());

/// A tab of a browser, to come back to.
pub struct Tab(WindowHandle);

impl Browser {
    /// Opens a browser; `None` where the machine has none, which has been said.
    pub async fn open() -> Option<Self> {
        match driver::driver() {
            Ok(driver) => Some(Self::open_with(driver).await),
            Err(missing) => {
                skip(missing);
                None
            }
        }
    }

    async fn open_with(driver: &Driver) -> Self {
        let turn = TURNS.acquire().await.expect("it is never closed");
        let idle = IDLE.lock().expect("nobody panicked").pop();
        let running = match idle {
            Some(running) => running,
            None => Running::start(driver).await,
        };
        let browser = Self { session: running.session.clone(), running: Some(running), _turn: turn };
        browser.start_afresh().await;
        browser
    }

    /// Forgets what the last test left: its tabs with all that was set for them, cookies, cache and console.
    async fn start_afresh(&self) {
        let old = worked("tell the tabs", self.session.windows().await);
        let tab = self.new_tab().await;
        for window in old {
            worked("switch to a tab", self.session.switch_to_window(window).await);
            worked("close a tab", self.session.close_window().await);
        }
        self.switch_to(&tab).await;
        self.devtools("Network.clearBrowserCookies", json!({})).await;
        self.devtools("Network.clearBrowserCache", json!({})).await;
        worked("read the console", self.session.browser_log().await);
    }

    /// Goes to a page and waits until it is loaded.
    pub async fn goto(&self, url: &str) {
        worked(format_args!("go to {url}"), self.session.goto(url).await);
    }

    /// The address of the page that is shown.
    pub async fn url(&self) -> String {
        worked("tell the address", self.session.current_url().await).into()
    }

    pub async fn title(&self) -> String {
        worked("tell the title", self.session.title().await)
    }

    /// Goes back, as the browser's button does.
    pub async fn back(&self) {
        worked("go back", self.session.back().await);
    }

    /// Clicks an element. If that loads a page, wait for something on it with [`Browser::text_with`]: until then it may
    /// still be the old page that is looked at.
    pub async fn click(&self, css: &str) {
        worked(format_args!("click {css}"), self.element(css).await.click().await);
    }

    /// Clicks the button or link with this visible text. What is said of [`Browser::click`] holds here as well.
    pub async fn click_text(&self, text: &str) {
        let query = self.session.query(By::Css("button, a, summary")).with_text(text.to_owned());
        let element = self.found(&format!("a button or link {text:?}"), query.first().await).await;
        worked(format_args!("click {text:?}"), element.click().await);
    }

    /// Types into an emptied field.
    pub async fn fill(&self, css: &str, text: &str) {
        let field = self.element(css).await;
        worked(format_args!("empty {css}"), field.clear().await);
        worked(format_args!("type into {css}"), field.send_keys(text).await);
    }

    /// Presses keys on whatever has the focus, such as [`Key::Tab`]. What is said of [`Browser::click`] holds as well.
    pub async fn press(&self, keys: impl Into<TypingData>) {
        worked("press keys", self.session.action_chain().send_keys(keys).perform().await);
    }

    /// The visible text of an element, which may be yet to come.
    pub async fn text(&self, css: &str) -> String {
        worked(format_args!("read {css}"), self.element(css).await.text().await)
    }

    /// The visible texts of all such elements that there are now.
    pub async fn texts(&self, css: &str) -> Vec<String> {
        let mut texts = Vec::new();
        for element in worked(format_args!("find {css}"), self.session.find_all(By::Css(css)).await) {
            texts.push(worked(format_args!("read {css}"), element.text().await));
        }
        texts
    }

    /// The number of such elements now.
    pub async fn count(&self, css: &str) -> usize {
        worked(format_args!("find {css}"), self.session.find_all(By::Css(css)).await).len()
    }

    /// Waits until an element's visible text contains `needle`, and gives the text.
    pub async fn text_with(&self, css: &str, needle: &str) -> String {
        within(&format!("{css} says {needle:?}"), async || {
            loop {
                // An element that is being replaced cannot be read: its successor will be.
                if let Ok(element) = self.session.find(By::Css(css)).await
                    && let Ok(text) = element.text().await
                    && text.contains(needle)
                {
                    return text;
                }
                tokio::time::sleep(GLANCE).await;
            }
        })
        .await
    }

    /// Runs a function's body in the page, whatever its policy, with these `arguments`; gives what it returned.
    pub async fn script(&self, body: &str, arguments: Vec<Value>) -> Value {
        worked("run a script", self.session.execute(body, arguments).await).json().clone()
    }

    /// Opens another tab and shows it.
    pub async fn new_tab(&self) -> Tab {
        let tab = Tab(worked("open a tab", self.session.new_tab().await));
        self.switch_to(&tab).await;
        tab
    }

    /// The tab that is shown.
    pub async fn tab(&self) -> Tab {
        Tab(worked("tell the tab", self.session.window().await))
    }

    /// Shows a tab.
    pub async fn switch_to(&self, tab: &Tab) {
        worked("switch to a tab", self.session.switch_to_window(tab.0.clone()).await);
    }

    /// Gives the tab's pages a window of this size, in CSS pixels: also one smaller than a window on a desktop can be.
    pub async fn window_size(&self, width: u32, height: u32) {
        let metrics = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        self.devtools("Emulation.setDeviceMetricsOverride", metrics).await;
    }

    /// Tells the tab's pages that the person likes them dark, or light.
    pub async fn dark_mode(&self, dark: bool) {
        let scheme = if dark { "dark" } else { "light" };
        let media = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.devtools("Emulation.setEmulatedMedia", media).await;
    }

    /// Sends these headers with every request of the tab, as a proxy between would add them.
    pub async fn headers(&self, headers: &[(&str, &str)]) {
        let headers: serde_json::Map<_, _> =
            headers.iter().map(|&(name, value)| (name.to_owned(), value.into())).collect();
        self.devtools("Network.enable", json!({})).await;
        self.devtools("Network.setExtraHTTPHeaders", json!({"headers": headers})).await;
    }

    /// Writes what the window shows as a PNG, without scroll bars, which take no room on a phone.
    pub async fn screenshot(&self, path: &Path) {
        self.devtools("Emulation.setScrollbarsHidden", json!({"hidden": true})).await;
        worked(format_args!("write {}", path.display()), self.session.screenshot(path).await);
    }

    /// The errors in the browser's console since the last call: scripts that failed, what a policy blocked, and every
    /// answer of 400 or above.
    pub async fn console_errors(&self) -> Vec<String> {
        let log = worked("read the console", self.session.browser_log().await);
        log.into_iter().filter(|entry| entry.level == "SEVERE").map(|entry| entry.message).collect()
    }

    async fn devtools(&self, method: &str, parameters: Value) {
        worked(method, self.session.cdp().send_raw(method, parameters).await);
    }

    async fn element(&self, css: &str) -> WebElement {
        let first = self.session.query(By::Css(css)).first().await;
        self.found(css, first).await
    }

    /// The element, or a failure that shows where it was looked for.
    async fn found(&self, what: &str, element: WebDriverResult<WebElement>) -> WebElement {
        if let Ok(element) = element {
            return element;
        }
        let page = self.script("return document.body.innerText", vec![]).await;
        panic!("there is no {what} on {}, which says: {page:#}", self.url().await)
    }
}

impl Running {
    async fn start(driver: &Driver) -> Self {
        let profile = tempfile::tempdir_in(driver.profiles()).expect("a temporary folder");
        let capabilities = worked("describe the browser", capabilities(driver, profile.path()));
        let session = WebDriver::builder(driver.url(), capabilities)
            .client(client())
            .poller(Arc::new(ElementPollerWithTimeout::new(PATIENCE, GLANCE)))
            .connect()
            .await;
        Self { session: worked("open a browser", session), profile }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // A test that fails leaves a browser in which nobody knows what is going on.
        if !std::thread::panicking() {
            IDLE.lock().expect("nobody panicked").extend(self.running.take());
        }
    }
}

/// Says that a test did not happen. This way of writing is not captured, so it is seen even though the test passes.
fn skip(missing: &str) {
    let test = std::thread::current().name().unwrap_or_default().to_owned();
    assert!(env::var_os("CI").is_none_or(|ci| ci != "true"), "{test} needs a browser: {missing}");
    let _ = writeln!(io::stderr(), "\nSKIPPED {test}: {missing}.");
}

fn capabilities(driver: &Driver, profile: &Path) -> WebDriverResult<ChromeCapabilities> {
    let mut capabilities = DesiredCapabilities::chrome();
    capabilities.set_binary(driver.browser())?;
    for flag in FLAGS {
        capabilities.add_arg(flag)?;
    }
    capabilities.add_arg(&format!("--user-data-dir={}", profile.display()))?;
    capabilities.set_browser_log_level(LoggingPrefsLogLevel::Severe)?;
    Ok(capabilities)
}

/// A client that knows no proxy, since the driver is on this machine, and keeps no connection: a browser that is dropped
/// is closed while the runtime that its connections belong to stands still.
fn client() -> reqwest::Client {
    // The binary chooses its provider of cryptography by itself; here nobody else does.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .no_proxy()
        .pool_max_idle_per_host(0)
        .timeout(COMMAND_TIMEOUT)
        .build()
        .expect("nothing unusual")
}

/// The result of a command, or a failure that names it.
fn worked<T>(what: impl fmt::Display, result: WebDriverResult<T>) -> T {
    result.unwrap_or_else(|error| panic!("cannot {what}: {error}"))
}

#[cfg(test)]
mod tests {
    use std::{fs, thread};

    use super::*;

    /// True if a process was started with this path in an argument; if there is no `/proc`, none is found.
    fn is_used(path: &Path) -> bool {
        let path = path.to_str().expect("a UTF-8 path");
        let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
        processes
            .filter_map(|process| fs::read(process.path().join("cmdline")).ok())
            .any(|command| String::from_utf8_lossy(&command).contains(path))
    }

    #[tokio::test]
    async fn nothing_is_left_of_a_browser_whose_test_failed() {
        let Some(browser) = Browser::open().await else { return };
        let profile = browser.running.as_ref().expect("it is ours").profile.path().to_owned();
        assert!(profile.exists());
        assert_eq!(is_used(&profile), Path::new("/proc").exists());

        let failed = thread::spawn(move || {
            let _browser = browser;
            panic!("as a test that fails");
        });
        assert!(failed.join().is_err());

        assert!(!profile.exists());
        until("all of the browser's processes have ended", async || !is_used(&profile)).await;
    }
}
