//! Starting a host: the settings an operator made, what the host adds to them, and the executable `host.json` names.

use std::{
    path::{Path, PathBuf},
    process::ExitStatus,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
};

use tokio::net::TcpListener;

use super::{
    FunctionsHost, Mode, Shared,
    functions::{HostJson, read_functions},
    hand_on,
    handler::Handler,
};
use crate::{
    handler_process::{
        Environment, HandlerProcess, binary, free_port, repository_root, start_on_a_free_port,
    },
    stores::Store,
};

/// A host that is yet to be started.
pub struct Builder {
    mode: Mode,
    app_root: PathBuf,
    settings: Environment,
    is_local: bool,
    /// The public port; any free one if 0.
    port: u16,
}

impl Builder {
    /// A host for the repository root, without any application setting.
    pub fn new(mode: Mode) -> Self {
        Self { mode, app_root: repository_root(), settings: Environment::new(), is_local: false, port: 0 }
    }

    /// An application setting.
    pub fn setting(mut self, name: &str, value: &str) -> Self {
        self.settings.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Application settings that belong together.
    pub fn settings(self, settings: impl IntoIterator<Item = (&'static str, String)>) -> Self {
        settings.into_iter().fold(self, |builder, (name, value)| builder.setting(name, &value))
    }

    /// Another place for decisions.
    pub fn store(self, store: &Store) -> Self {
        self.settings(store.settings())
    }

    /// Takes a setting away.
    pub fn without(mut self, name: &str) -> Self {
        self.settings.remove(name);
        self
    }

    /// Under its own address, as `func start` runs it, so that links lead back to it; and mail cards have its key.
    pub fn local(mut self) -> Self {
        self.is_local = true;
        self.without("PUBLIC_URL")
    }

    /// Another app folder than the repository root, such as a package; its own executable is started.
    pub fn app_root(mut self, app_root: &Path) -> Self {
        self.app_root = app_root.to_owned();
        self
    }

    /// A port that is known before the host starts, for settings that name it.
    pub fn at_port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Starts the handler and serves, once it is ready.
    pub async fn start(mut self) -> FunctionsHost {
        let listener = TcpListener::bind(("127.0.0.1", self.port)).await.expect("a loopback port");
        let port = listener.local_addr().expect("bound").port();
        let key = generate_key();
        if self.is_local {
            let approve_url = format!("http://127.0.0.1:{port}/api/ApproveRelease?code={key}");
            self = self.setting("WEBSITE_HOSTNAME", &format!("localhost:{port}"));
            self = self.setting("APPROVE_URL", &approve_url);
        }
        let (process, handler_port, _) = start_on_a_free_port(|port| self.spawn_handler(port)).await;
        let (mode, functions) = (self.mode, read_functions(&self.app_root));
        let handler = Handler::new(process, move || self.spawn_handler(handler_port));
        let shared = Arc::new(Shared {
            mode,
            functions,
            key,
            port,
            handler_port,
            handler: Mutex::new(Some(handler)),
            idle: Mutex::default(),
            record: Mutex::default(),
        });
        let serving = tokio::spawn(hand_on::serve(listener, Arc::clone(&shared)));
        FunctionsHost { shared, port, serving }
    }

    /// Starts the handler and waits for it to exit, as one does that cannot start.
    pub async fn run_to_exit(self) -> (ExitStatus, String) {
        self.spawn_handler(free_port()).until_exit().await
    }

    fn spawn_handler(&self, port: u16) -> HandlerProcess {
        let mut environment = self.settings.clone();
        environment.extend(host_environment(&self.app_root, port));
        HandlerProcess::spawn(&self.executable(), &self.app_root, &environment)
    }

    /// The executable that `host.json` names. In the repository root that is the release build, which only users
    /// make: there the build under test takes its place.
    fn executable(&self) -> PathBuf {
        let host_json = HostJson::read(&self.app_root);
        if self.app_root != repository_root() {
            return self.app_root.join(host_json.executable());
        }
        assert_eq!(host_json.executable(), Path::new("target/release/approve-release"));
        binary()
    }
}

/// The variables that the host adds to the application settings.
fn host_environment(app_root: &Path, port: u16) -> Environment {
    let port = port.to_string();
    let worker = "9f1c6f0e-6b0c-4a8e-8a39-0d9b0c6a7f11";
    let pairs = [
        ("FUNCTIONS_CUSTOMHANDLER_PORT", port.as_str()),
        ("FUNCTIONS_CUSTOMHANDLER_WORKER_ID", worker),
        ("FUNCTIONS_HTTPWORKER_PORT", &port),
        ("FUNCTIONS_HTTPWORKER_ID", worker),
        ("FUNCTIONS_APP_ROOT_PATH", app_root.to_str().expect("a UTF-8 path")),
    ];
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// A key like the host's: long, and in need of encoding nowhere.
fn generate_key() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(1);
    format!("functionkey{:08x}Zq5v{:08x}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}
