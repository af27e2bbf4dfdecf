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

use crate::{
    click,
    http::{self, Message},
    report::Column,
    tools::{self, Azurite, Go, Node},
};

const LONGEST_START: Duration = Duration::from_secs(30);
const LONGEST_END: Duration = Duration::from_secs(30);
const LINES_SHOWN: usize = 10;
const BETWEEN_PINGS: Duration = Duration::from_micros(50);

pub const APPROVE_RELEASE: &str = env!("CARGO_BIN_EXE_approve-release");

/// A program that listens on the port it is told.
#[derive(Clone, Copy, Debug)]
pub enum Program<'a> {
    ApproveRelease,
    /// Another build of it.
    Before(&'a Path),
    BareActix,
    Node(&'a Node),
    Go(&'a Go),
    GitHub,
    /// A GitHub that wants to be left alone.
    BusyGitHub,
    Azurite(&'a Azurite),
    /// Entra's stand-in.
    Authority(&'a Node),
    /// Another program under one of Valgrind's tools.
    Under(&'a Path, &'static [&'static str], &'a Program<'a>),
}

/// A program to compare, with the column that shows it.
pub type Contender<'a> = (Column, Program<'a>);

/// Settings that differ from the benchmark's own.
pub type Settings<'a> = &'a [(&'a str, &'a str)];

/// No line per click.
pub const QUIET: (&str, &str) = ("RUST_LOG", "warn");

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

/// The memory that a process holds, as Linux counts it.
pub struct Memory {
    pub resident_bytes: f64,
    pub anonymous_bytes: f64,
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
            Program::Before(binary) => Command::new(binary),
            Program::BareActix => with_arguments(&itself()?, &["bare", &port.to_string(), &self.github]),
            Program::GitHub => with_arguments(&itself()?, &["github", &port.to_string()]),
            Program::BusyGitHub => with_arguments(&itself()?, &["busy-github", &port.to_string()]),
            Program::Node(node) => node.run("twin.mjs"),
            Program::Go(go) => Command::new(&go.executable),
            Program::Azurite(azurite) => self.azurite(azurite, port),
            Program::Authority(node) => node.run("authority.mjs"),
            Program::Under(valgrind, options, program) => {
                let inner = self.command(*program, port)?;
                let mut command = Command::new(valgrind);
                command.args(options).arg(inner.get_program()).args(inner.get_args());
                command
            }
        };
        command.env_clear().envs(host_environment(port)).envs([
            ("GITHUB_TOKEN", "bench"),
            ("GITHUB_API_URL", &self.github),
            ("GITHUB_REPOSITORY", click::REPOSITORY),
            ("RELAY_EVENT_TYPES", click::EVENT_TYPE),
            ("REQUIRE_IDENTITY", "false"),
            ("STORE_URL", "memory:"),
            ("AZURITE_ACCOUNTS", tools::ACCOUNT),
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

    /// The body of the answer to one request.
    pub async fn ask(&self, request: &[u8]) -> Result<String> {
        let stream = TcpStream::connect(self.address).await.with_context(|| self.said())?;
        http::write_all(&stream, request).await?;
        let mut buffer = Vec::new();
        while http::read_more(&stream, &mut buffer).await? > 0 {
            if let Some(answer) = Message::parse(&buffer)? {
                return Ok(String::from_utf8_lossy(answer.body).into_owned());
            }
        }
        bail!("the connection was closed: {}", self.said())
    }

    /// Gets the body at `path`.
    pub async fn get(&self, path: &str) -> Result<String> {
        self.ask(format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").as_bytes()).await
    }

    /// Asks the program to end, and returns all that it has said.
    pub async fn end(mut self) -> Result<String> {
        Command::new("kill").arg(self.child.id().to_string()).status().context("cannot run kill")?;
        let ended = async {
            while self.child.try_wait()?.is_none() {
                tokio::time::sleep(BETWEEN_PINGS).await;
            }
            anyhow::Ok(())
        };
        timeout(LONGEST_END, ended).await.context("it does not end").flatten()?;
        Ok(std::fs::read_to_string(&self.log)?)
    }

    /// For how long its threads have been at work, in seconds. `None` where the system does not say so.
    pub fn cpu_time(&self) -> Option<f64> {
        let threads = std::fs::read_dir(format!("/proc/{}/task", self.child.id())).ok()?;
        let nanoseconds = threads.map(|thread| {
            let schedule = std::fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
            schedule.split(' ').next()?.parse::<f64>().ok()
        });
        Some(nanoseconds.sum::<Option<f64>>()? / 1e9)
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
