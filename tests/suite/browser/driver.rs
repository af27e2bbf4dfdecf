//! chromedriver and the browser that fits it: one driver for all tests of this process.

use std::{
    env,
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::OnceLock,
};

use crate::node_tools::node;

/// The names a browser has on Debian, Ubuntu and macOS.
const BROWSERS: &[&str] =
    &["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "Google Chrome"];

/// A running chromedriver.
pub struct Driver {
    port: u16,
    browser: PathBuf,
    /// The folder of its browsers' profiles; deleted when it has ended.
    profiles: PathBuf,
    /// It ends, with every browser it still has, when its input is closed: with our process, however that ends.
    _process: Child,
}

/// The driver of this process, started when first needed; `Err` says what this machine has not got.
pub fn driver() -> Result<&'static Driver, &'static str> {
    static DRIVER: OnceLock<Result<Driver, String>> = OnceLock::new();
    DRIVER
        .get_or_init(|| find().map(|(driver, browser)| Driver::start(&driver, browser)))
        .as_ref()
        .map_err(String::as_str)
}

impl Driver {
    fn start(driver: &Path, browser: PathBuf) -> Self {
        // The driver and its browsers are a process group of their own, which is ended as a whole. An interrupt from
        // the keyboard reaches only us and this script: it stays until we are gone.
        const RUN_UNTIL_STDIN_CLOSES: &str = r#"
            const [, program, profiles] = process.argv;
            const driver = require("node:child_process").spawn(program, ["--port=0"],
                { detached: true, stdio: ["ignore", "inherit", "ignore"] });
            const forget = { recursive: true, force: true, maxRetries: 20, retryDelay: 100 };
            driver.on("exit", () => require("node:fs").rmSync(profiles, forget));
            process.on("SIGINT", () => {});
            process.stdin.resume().on("end", () => process.kill(-driver.pid));"#;
        let profiles = tempfile::tempdir().expect("a temporary folder").keep();
        let mut child = node()
            .args(["-e", RUN_UNTIL_STDIN_CLOSES])
            .arg(driver)
            .arg(&profiles)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("npm was found, so node should be");
        let port = told_port(child.stdout.take().expect("piped"));
        Self { port, browser, profiles, _process: child }
    }

    /// The address that takes WebDriver commands.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The folder of its browsers' profiles.
    pub fn profiles(&self) -> &Path {
        &self.profiles
    }

    /// The browser's executable.
    pub fn browser(&self) -> &str {
        self.browser.to_str().expect("a UTF-8 path")
    }
}

/// Reads on to the line in which the driver says where it listens; the rest of its output is thrown away.
fn told_port(stdout: impl Read + Send + 'static) -> u16 {
    let mut lines = BufReader::new(stdout).lines().map_while(Result::ok);
    let mut said = String::new();
    let port = lines.by_ref().find_map(|line| {
        said += &format!("{line}\n");
        line.split_once("started successfully on port ")?.1.trim_end_matches('.').parse().ok()
    });
    std::thread::spawn(move || lines.for_each(drop));
    port.unwrap_or_else(|| panic!("chromedriver did not start:\n{said}"))
}

/// A chromedriver and a browser of the same major version: a driver refuses any other.
fn find() -> Result<(PathBuf, PathBuf), String> {
    let (drivers, browsers) = (installed(&["chromedriver"]), installed(BROWSERS));
    let pair = drivers.iter().find_map(|driver| {
        let wanted = major_version(driver)?;
        let browser = browsers.iter().find(|browser| major_version(browser) == Some(wanted))?;
        Some((driver.clone(), browser.clone()))
    });
    pair.ok_or_else(|| {
        format!(
            "no chromedriver with a Chromium or Chrome of the same version was found (drivers: {drivers:?}, browsers: \
             {browsers:?}). On Debian: `apt-get install chromium chromium-driver`; elsewhere put both on the PATH"
        )
    })
}

/// All programs of these names. `CHROMEWEBDRIVER` is the folder of the driver on GitHub's runners.
fn installed(names: &[&str]) -> Vec<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = (env::var_os("CHROMEWEBDRIVER").map(PathBuf::from).into_iter())
        .chain(env::split_paths(&path))
        .chain(["/usr/bin", "/Applications/Google Chrome.app/Contents/MacOS"].map(PathBuf::from));
    let programs = folders.flat_map(|folder| names.iter().map(move |name| folder.join(name)));
    programs.filter(|program| program.is_file()).collect()
}

/// The first number of what `--version` says, as in `Chromium 156.0.8078.79 built on Debian`.
fn major_version(program: &Path) -> Option<u32> {
    let output = Command::new(program).arg("--version").stderr(Stdio::null()).output().ok()?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    said.split_whitespace().find_map(|word| word.split_once('.')?.0.parse().ok())
}
