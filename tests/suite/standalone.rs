//! The binary without a host, as `cargo run` starts it: it reads `local.settings.json` and listens on port 7071.
//!
//! The port is fixed, so one runs at a time.

use std::{fs, net::TcpListener, process::ExitStatus};

use serde_json::json;
use tempfile::TempDir;
use tokio::sync::{Mutex, MutexGuard};

use crate::{
    handler_process::{Environment, HandlerProcess, binary, repository_root},
    http1::{Answer, Request},
};

/// Where the binary listens when no host tells it a port.
pub const PORT: u16 = 7071;

static PORT_IS_OURS: Mutex<()> = Mutex::const_new(());

/// A running binary outside a host; killed when dropped.
pub struct Standalone {
    handler: HandlerProcess,
    readiness: Answer,
    _folder: TempDir,
    _port: MutexGuard<'static, ()>,
}

impl Standalone {
    /// Starts in a folder with the project's own `local.settings.json`.
    pub async fn start_with_our_settings(environment: &[(&str, &str)]) -> Self {
        let ours = fs::read_to_string(repository_root().join("local.settings.json")).expect("readable");
        Self::start_in(&ours, environment).await
    }

    /// Starts in a folder with a `local.settings.json` of these values.
    pub async fn start(values: &[(&str, &str)], environment: &[(&str, &str)]) -> Self {
        let values: Environment = to_environment(values);
        Self::start_in(&json!({"IsEncrypted": false, "Values": values}).to_string(), environment).await
    }

    async fn start_in(local_settings: &str, environment: &[(&str, &str)]) -> Self {
        let port = PORT_IS_OURS.lock().await;
        drop(take_port());
        let folder = folder_with(local_settings);
        let mut handler = spawn(&folder, environment);
        let readiness = handler.until_ready(PORT).await;
        Self { handler, readiness, _folder: folder, _port: port }
    }

    /// Starts with a `local.settings.json` of this text, and waits for the exit of one that cannot start.
    pub async fn run_to_exit(local_settings: &str) -> (ExitStatus, String) {
        let _port = PORT_IS_OURS.lock().await;
        spawn(&folder_with(local_settings), &[]).until_exit().await
    }

    /// Starts while another program has the port, and waits for the exit.
    pub async fn run_to_exit_on_a_taken_port() -> (ExitStatus, String) {
        let _port = PORT_IS_OURS.lock().await;
        let _listener = take_port();
        spawn(&folder_with("{}"), &[]).until_exit().await
    }

    /// What `GET /` answered.
    pub fn readiness(&self) -> &Answer {
        &self.readiness
    }

    pub async fn send(&self, request: Request) -> Answer {
        request.send(PORT).await
    }

    /// A click with a JSON body.
    pub async fn click(&self, body: &str) -> Answer {
        self.send(Request::post("/api/ApproveRelease").json(body)).await
    }

    /// The address of the sample approval that it offers.
    pub async fn sample(&self) -> String {
        let line = self.handler.line_with("a sample approval to click: ").await;
        line.split_once("to click: ").expect("an address").1.to_owned()
    }

    /// What the binary wrote to stderr so far.
    pub fn stderr(&self) -> String {
        self.handler.output()
    }
}

fn take_port() -> TcpListener {
    TcpListener::bind(("127.0.0.1", PORT)).unwrap_or_else(|error| {
        panic!("port {PORT} is taken ({error}): stop the `cargo run` or `func start` that has it")
    })
}

fn folder_with(local_settings: &str) -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::write(folder.path().join("local.settings.json"), local_settings).expect("writable");
    folder
}

fn spawn(folder: &TempDir, environment: &[(&str, &str)]) -> HandlerProcess {
    let mut environment = to_environment(environment);
    // The system's data folder is under it.
    environment.insert("HOME".to_owned(), folder.path().to_string_lossy().into_owned());
    HandlerProcess::spawn(&binary(), folder.path(), &environment)
}

fn to_environment(pairs: &[(&str, &str)]) -> Environment {
    pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
}
