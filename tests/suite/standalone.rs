//! The binary without a host, as `cargo run -- --port N` starts it: it reads `local.settings.json`.

use std::{fs, net::TcpListener, process::ExitStatus};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    handler_process::{
        Environment, HandlerProcess, binary, free_port, repository_root, start_on_a_free_port,
    },
    http1::{Answer, Request},
};

/// A running binary outside a host; killed when dropped.
pub struct Standalone {
    handler: HandlerProcess,
    port: u16,
    readiness: Answer,
    _folder: TempDir,
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
        let folder = folder_with(local_settings);
        let start = start_on_a_free_port(|port| spawn(&folder, port, environment));
        let (handler, port, readiness) = start.await;
        Self { handler, port, readiness, _folder: folder }
    }

    /// Starts with a `local.settings.json` of this text, and waits for the exit of one that cannot start.
    pub async fn run_to_exit(local_settings: &str) -> (ExitStatus, String) {
        spawn(&folder_with(local_settings), free_port(), &[]).until_exit().await
    }

    /// Runs `check --json` with these settings, and waits for the exit.
    pub async fn check(settings: Value) -> (ExitStatus, String) {
        let folder = folder_with(&json!({"IsEncrypted": false, "Values": settings}).to_string());
        let home = Environment::from([("HOME".to_owned(), folder.path().to_string_lossy().into_owned())]);
        HandlerProcess::spawn_with(&["check", "--json"], &binary(), folder.path(), &home).until_exit().await
    }

    /// Starts while another program has the port, and waits for the exit; gives the port, too.
    pub async fn run_to_exit_on_a_taken_port() -> (u16, ExitStatus, String) {
        let other = TcpListener::bind(("127.0.0.1", 0)).expect("a loopback port");
        let port = other.local_addr().expect("bound").port();
        let (status, output) = spawn(&folder_with("{}"), port, &[]).until_exit().await;
        (port, status, output)
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// The answer to `GET /`.
    pub fn readiness(&self) -> &Answer {
        &self.readiness
    }

    pub async fn send(&self, request: Request) -> Answer {
        request.send(self.port).await
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

    /// The output of the binary so far: stderr, and stdout.
    pub fn stderr(&self) -> String {
        self.handler.output()
    }
}

fn folder_with(local_settings: &str) -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::write(folder.path().join("local.settings.json"), local_settings).expect("writable");
    folder
}

fn spawn(folder: &TempDir, port: u16, environment: &[(&str, &str)]) -> HandlerProcess {
    let mut environment = to_environment(environment);
    // The system's data folder is under it.
    environment.insert("HOME".to_owned(), folder.path().to_string_lossy().into_owned());
    HandlerProcess::spawn_with(&["--port", &port.to_string()], &binary(), folder.path(), &environment)
}

fn to_environment(pairs: &[(&str, &str)]) -> Environment {
    pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
}
