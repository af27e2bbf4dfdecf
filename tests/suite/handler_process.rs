//! The binary as a child process: started with exactly the environment it is given, watched, and never left behind.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Read},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU16, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use crate::http1::{Answer, Request};

/// The longest wait for a start, an exit, an answer or a log line before the test fails: far beyond any promise of
/// ours, since a busy machine may let a process wait for many seconds.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// The longest time of an answer in a test about time: our own limit is 4.5 s, and a busy machine adds to it.
pub const ANSWERED_WITHIN: Duration = Duration::from_secs(15);

/// The time between two looks at a condition while waiting for it.
pub const GLANCE: Duration = Duration::from_millis(2);

pub type Environment = BTreeMap<String, String>;

/// The binary under test, as cargo built it.
pub fn binary() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_approve-release"))
}

/// The repository root: the function app folder that `func start` runs in.
pub fn repository_root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// A loopback port that is free now: outside the range the system hands out by itself, never given twice. Another
/// program may take it before it is used, so [`start_on_a_free_port`] tries again.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = u16::try_from(std::process::id() % 15_000).expect("fits");
    loop {
        let port = 12_000 + (first + NEXT.fetch_add(1, Ordering::Relaxed)) % 20_000;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// Starts a handler on a free port and waits until it is ready; gives its answer to `GET /`, too.
pub async fn start_on_a_free_port(spawn: impl Fn(u16) -> HandlerProcess) -> (HandlerProcess, u16, Answer) {
    loop {
        let port = free_port();
        let mut handler = spawn(port);
        if let Some(readiness) = handler.until_ready_or_port_taken(port).await {
            return (handler, port, readiness);
        }
    }
}

/// A running binary; killed when dropped.
pub struct HandlerProcess {
    child: Child,
    output: Arc<Mutex<String>>,
    /// The part of that which came on stderr.
    errors: Arc<Mutex<String>>,
    readers: Vec<JoinHandle<()>>,
}

impl HandlerProcess {
    /// Starts a program with nothing inherited.
    pub fn spawn(program: &Path, folder: &Path, environment: &Environment) -> Self {
        Self::spawn_with(&[], program, folder, environment)
    }

    /// Starts a program with these arguments and nothing inherited.
    pub fn spawn_with(arguments: &[&str], program: &Path, folder: &Path, environment: &Environment) -> Self {
        let mut child = Command::new(program)
            .args(arguments)
            .current_dir(folder)
            .env_clear()
            .envs(environment)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {}: {error}", program.display()));
        let (output, errors) = (Arc::default(), Arc::default());
        let readers = vec![
            collect(child.stdout.take().expect("piped"), vec![Arc::clone(&output)]),
            collect(child.stderr.take().expect("piped"), vec![Arc::clone(&errors), Arc::clone(&output)]),
        ];
        Self { child, output, errors, readers }
    }

    /// Asks for `GET /` until any HTTP answer comes, as the host does, and gives that answer.
    pub async fn until_ready(&mut self, port: u16) -> Answer {
        self.until_ready_or_port_taken(port).await.unwrap_or_else(|| panic!("port {port} is taken"))
    }

    /// The same; `None` where another program has the port, so that this one has exited.
    async fn until_ready_or_port_taken(&mut self, port: u16) -> Option<Answer> {
        found("the handler is ready", async || {
            let answer = Request::get("/").try_send(port).await;
            if let Some(status) = self.exited() {
                let output = self.final_output();
                let is_taken = output.contains(&format!("cannot listen on 127.0.0.1:{port}"));
                assert!(is_taken, "the handler exited before it was ready ({status}):\n{output}");
                return Some(None);
            }
            answer.ok().map(Some)
        })
        .await
    }

    /// Everything written to stderr (and stdout) so far.
    pub fn output(&self) -> String {
        self.output.lock().expect("no reader panicked").clone()
    }

    /// The text on stderr alone, which is complete as far as [`HandlerProcess::output`] has it.
    pub fn errors(&self) -> String {
        self.errors.lock().expect("no reader panicked").clone()
    }

    /// Waits until a line that contains `needle` has come out, and gives that line.
    pub async fn line_with(&self, needle: &str) -> String {
        found(&format!("a line with {needle:?}"), async || {
            self.output().lines().find(|line| line.contains(needle)).map(str::to_owned)
        })
        .await
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends SIGTERM, as a platform does that stops an instance.
    pub fn terminate(&self) {
        self.signal("-TERM");
    }

    /// Sends a signal, such as `-INT`.
    pub fn signal(&self, signal: &str) {
        let status = Command::new("kill").args([signal, &self.pid().to_string()]).status();
        assert!(status.expect("kill runs").success(), "{signal} was not delivered");
    }

    /// The status of its exit, if it has ended.
    pub fn exited(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("the child can be asked")
    }

    /// Waits until the process has ended by itself; gives its status and everything it wrote.
    pub async fn until_exit(&mut self) -> (ExitStatus, String) {
        let status = found("the handler exits", async || self.exited()).await;
        (status, self.final_output())
    }

    /// Ends the process, and gives everything it ever wrote.
    pub fn kill(&mut self) -> String {
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.final_output()
    }

    fn final_output(&mut self) -> String {
        for reader in self.readers.drain(..) {
            reader.join().expect("no reader panicked");
        }
        self.output()
    }
}

impl Drop for HandlerProcess {
    fn drop(&mut self) {
        let output = self.kill();
        if std::thread::panicking() {
            eprintln!("the handler wrote:\n{output}");
        } else {
            assert!(!output.contains("panicked at"), "the handler panicked:\n{output}");
        }
    }
}

/// Gathers a stream's lines on a thread of its own, so that the child never waits for its reader.
fn collect(stream: impl Read + Send + 'static, outputs: Vec<Arc<Mutex<String>>>) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let mut lines = BufReader::new(stream);
        let mut line = Vec::new();
        while lines.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
            for output in &outputs {
                output.lock().expect("no writer panicked").push_str(&String::from_utf8_lossy(&line));
            }
            line.clear();
        }
    })
}

/// Waits for something that must happen soon.
pub async fn within<T>(what: &str, happening: impl AsyncFnOnce() -> T) -> T {
    let waited = tokio::time::timeout(PATIENCE, happening()).await;
    waited.unwrap_or_else(|_| panic!("waited too long until {what}"))
}

/// Looks again and again for something that must be there soon.
pub async fn found<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    within(what, async || {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(GLANCE).await;
        }
    })
    .await
}

/// Waits until something is so that must be so soon.
pub async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    found(what, async || is_so().await.then_some(())).await;
}
