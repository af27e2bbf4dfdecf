//! The processes: how they are started, as the Functions host starts a handler, and that they always end.

use std::{
    fs::File,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU16, Ordering},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use tokio::{net::TcpStream, time::timeout};

use crate::{azurite, azurite::Azurite, click, http, report::Column};

const LONGEST_START: Duration = Duration::from_secs(10);
const LINES_SHOWN: usize = 10;
const BETWEEN_PINGS: Duration = Duration::from_micros(50);

pub const APPROVE_RELEASE: &str = env!("CARGO_BIN_EXE_approve-release");

/// Node.js, where the machine has it.
#[derive(Debug)]
pub struct Node {
    pub executable: PathBuf,
    pub version: String,
}

/// A program that listens on the port it is told.
#[derive(Clone, Copy, Debug)]
pub enum Program<'a> {
    ApproveRelease,
    BareActix,
    Node(&'a Node),
    GitHub,
    /// A GitHub that wants to be left alone.
    BusyGitHub,
    Azurite(&'a Azurite),
    /// Entra's stand-in.
    Authority(&'a Node),
}

/// What is compared: a program and the column that shows it.
pub type Contender<'a> = (Column, Program<'a>);

/// Settings that differ from the benchmark's own.
pub type Settings<'a> = &'a [(&'a str, &'a str)];

/// Starts programs, and keeps what they say.
pub struct Starter {
    github: String,
    logs: tempfile::TempDir,
}

/// A started program. Dropping it kills the process.
pub struct Running {
    name: String,
    child: Child,
    pub address: SocketAddr,
    log: PathBuf,
}

/// What a process holds, as Linux counts it.
pub struct Memory {
    pub resident_bytes: f64,
    pub anonymous_bytes: f64,
}

pub fn find_node() -> Option<Node> {
    let script = "console.log(process.execPath); console.log(process.version)";
    let output = Command::new("node").args(["-e", script]).output().ok().filter(|it| it.status.success())?;
    let output = String::from_utf8(output.stdout).ok()?;
    let (executable, version) = output.trim_end().split_once('\n')?;
    Some(Node { executable: executable.trim_end().into(), version: version.to_owned() })
}

impl Starter {
    /// With GitHub's stand-in, which every other program speaks to.
    pub async fn with_github() -> Result<(Self, Running)> {
        let logs = tempfile::tempdir().context("cannot make a folder")?;
        let mut starter = Self { github: String::new(), logs };
        let (github, _) = starter.start(Program::GitHub, &[]).await?;
        starter.github = format!("http://{}", github.address);
        Ok((starter, github))
    }

    /// The started program, and the time from its spawn to its first answer.
    pub async fn start(&self, program: Program<'_>, settings: Settings<'_>) -> Result<(Running, Duration)> {
        let port = free_port()?;
        let log = self.logs.path().join(format!("{port}.log"));
        let mut command = self.command(program, port)?;
        command.envs(settings.iter().copied());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(&log)?);
        let name = format!("{program:?}");
        let start = Instant::now();
        let child = command.spawn().with_context(|| format!("cannot start {name}"))?;
        let mut running = Running { name, child, address: (Ipv4Addr::LOCALHOST, port).into(), log };
        let ready = timeout(LONGEST_START, running.wait_until_it_answers()).await;
        let elapsed = start.elapsed();
        ready.context("it does not answer").flatten().with_context(|| running.said())?;
        Ok((running, elapsed))
    }

    fn command(&self, program: Program, port: u16) -> Result<Command> {
        let itself = || std::env::current_exe().context("cannot find the benchmark itself");
        let mut command = match program {
            Program::ApproveRelease => Command::new(APPROVE_RELEASE),
            Program::BareActix => with_arguments(&itself()?, &["bare", &port.to_string(), &self.github]),
            Program::GitHub => with_arguments(&itself()?, &["github", &port.to_string()]),
            Program::BusyGitHub => with_arguments(&itself()?, &["busy-github", &port.to_string()]),
            Program::Node(node) => with_arguments(
                &node.executable,
                &[concat!(env!("CARGO_MANIFEST_DIR"), "/benches/clicks/twin.mjs")],
            ),
            Program::Azurite(azurite) => self.azurite(azurite, port),
            Program::Authority(node) => with_arguments(
                &node.executable,
                &[concat!(env!("CARGO_MANIFEST_DIR"), "/benches/clicks/authority.mjs")],
            ),
        };
        command.env_clear().envs(host_environment(port)).envs([
            ("GITHUB_TOKEN", "bench"),
            ("GITHUB_API_URL", &self.github),
            ("GITHUB_REPOSITORY", click::REPOSITORY),
            ("RELAY_EVENT_TYPES", click::EVENT_TYPE),
            ("REQUIRE_IDENTITY", "false"),
            ("STORE_URL", "memory:"),
            ("AZURITE_ACCOUNTS", azurite::ACCOUNT),
        ]);
        Ok(command)
    }

    fn azurite(&self, azurite: &Azurite, port: u16) -> Command {
        let mut command = Command::new(&azurite.node);
        command.arg(&azurite.script).args(["--blobPort", &port.to_string(), "--inMemoryPersistence"]);
        command.args(["--skipApiVersionCheck", "--disableTelemetry", "--silent"]);
        command.current_dir(self.logs.path());
        command
    }
}

fn with_arguments(executable: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(executable);
    command.args(arguments);
    command
}

fn host_environment(port: u16) -> [(&'static str, String); 6] {
    let worker = "0d1a2b3c-4d5e-4f60-8171-92a3b4c5d6e7";
    [
        ("FUNCTIONS_CUSTOMHANDLER_PORT", port.to_string()),
        ("FUNCTIONS_CUSTOMHANDLER_WORKER_ID", worker.to_owned()),
        ("FUNCTIONS_HTTPWORKER_PORT", port.to_string()),
        ("FUNCTIONS_HTTPWORKER_ID", worker.to_owned()),
        ("FUNCTIONS_APP_ROOT_PATH", env!("CARGO_MANIFEST_DIR").to_owned()),
        ("FUNCTIONS_WORKER_RUNTIME", "custom".to_owned()),
    ]
}

/// Below the ports that systems give to outgoing connections: pinging one of those before anybody listens can end in
/// a connection to oneself.
fn free_port() -> Result<u16> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = 20_000 + (std::process::id() % 80) as u16 * 100;
    for _ in 0..1_000 {
        let port = first + NEXT.fetch_add(1, Ordering::Relaxed) % 4_000;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no free port from {first} on")
}

impl Running {
    async fn wait_until_it_answers(&mut self) -> Result<()> {
        while !self.answers().await {
            ensure!(self.child.try_wait()?.is_none(), "it ended at once");
            pause();
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    /// The host's ping: any HTTP answer counts.
    async fn answers(&self) -> bool {
        let Ok(stream) = TcpStream::connect(self.address).await else { return false };
        let mut answer = Vec::new();
        http::write_all(&stream, b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").await.is_ok()
            && http::read_more(&stream, &mut answer).await.is_ok()
            && answer.starts_with(b"HTTP/1.1 ")
    }

    /// For an error's context: who it was and what it last wrote.
    pub fn said(&self) -> String {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        format!("{}, which said: {}", self.name, lines[lines.len().saturating_sub(LINES_SHOWN)..].join("\n"))
    }

    /// `None` where the system has no `/proc`.
    pub fn memory(&self) -> Option<Memory> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        Some(Memory {
            resident_bytes: bytes(&status, "VmRSS:")?,
            anonymous_bytes: bytes(&status, "RssAnon:")?,
        })
    }
}

fn pause() {
    std::thread::sleep(BETWEEN_PINGS);
}

fn bytes(status: &str, name: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    let kibibytes: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024.0)
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself; there is nothing more to do about either error.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
