//! The tools of the contenders and the stores besides Rust: Node.js, Azurite, Go, Valgrind. A missing one leaves its
//! part of the tables empty.

use std::{
    fs::{self, File},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};

const SOURCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/clicks");
const TOOLS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/node");

/// The tools on this machine.
pub struct Tools {
    pub node: Option<Node>,
    pub go: Option<Go>,
    pub azurite: Option<Azurite>,
    /// Counts instructions and allocations.
    pub valgrind: Option<PathBuf>,
    /// An earlier build of ApproveRelease: the file that the variable `BEFORE` names.
    pub before: Option<PathBuf>,
}

impl Tools {
    pub fn found() -> Self {
        let node = found("Node.js", Node::found());
        let azurite = node.as_ref().and_then(|node| found("Azurite", Azurite::installed(node)));
        let valgrind = said("sh", &["-c", "command -v valgrind"]).map(PathBuf::from);
        let before = std::env::var_os("BEFORE").map(PathBuf::from);
        Self { node, azurite, go: found("Go", Go::built()), valgrind: found("Valgrind", valgrind), before }
    }
}

fn found<T>(name: &str, tool: Result<T>) -> Option<T> {
    tool.inspect_err(|error| eprintln!("{name} is left out: {error:#}")).ok()
}

/// Node.js.
#[derive(Debug)]
pub struct Node {
    pub executable: PathBuf,
    pub version: String,
}

impl Node {
    pub fn found() -> Result<Self> {
        let script = "console.log(process.execPath); console.log(process.version)";
        let output = said("node", &["-e", script])?;
        let (executable, version) = output.split_once('\n').context("node says no version")?;
        Ok(Self { executable: executable.trim_end().into(), version: version.to_owned() })
    }

    /// One of the programs that stand beside this file.
    pub fn run(&self, script: &str) -> Command {
        let mut command = Command::new(&self.executable);
        command.arg(Path::new(SOURCES).join(script));
        command
    }
}

/// Go's twin, built.
#[derive(Debug)]
pub struct Go {
    pub executable: PathBuf,
    pub version: String,
}

impl Go {
    pub fn built() -> Result<Self> {
        let executable = concat!(env!("CARGO_TARGET_TMPDIR"), "/twin-go");
        said("go", &["build", "-o", executable, &format!("{SOURCES}/twin.go")])?;
        Ok(Self { executable: executable.into(), version: said("go", &["env", "GOVERSION"])? })
    }
}

/// The output of a command, once it has succeeded.
fn said(program: &str, arguments: &[&str]) -> Result<String> {
    let output =
        Command::new(program).args(arguments).output().with_context(|| format!("cannot run {program}"))?;
    ensure!(output.status.success(), "{program} failed: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?.trim_end().to_owned())
}

/// The storage account that the emulator plays, and its key.
pub const ACCOUNT: &str = "releases:YWNjb3VudCBrZXkgdGhhdCBub2JvZHkgbWF5IHNlZQ==";

/// Azurite, Microsoft's emulator of Azure Storage, from the Node.js programs that `tests/node/package-lock.json` pins.
#[derive(Debug)]
pub struct Azurite {
    pub node: PathBuf,
    pub script: PathBuf,
}

impl Azurite {
    /// Installs what is missing, in the same way and place as the tests.
    pub fn installed(node: &Node) -> Result<Self> {
        let tools = Path::new(TOOLS);
        let installed = tools.join("node_modules/.installed-lock.json");
        let wanted = fs::read(tools.join("package-lock.json")).context("cannot read the lockfile")?;
        let lock = File::create(concat!(env!("CARGO_TARGET_TMPDIR"), "/node-tools.lock"))?;
        lock.lock().context("cannot wait for others that install the same")?;
        if fs::read(&installed).ok().as_ref() != Some(&wanted) {
            eprintln!("Installing Azurite: `npm ci --ignore-scripts` in tests/node …");
            // On Windows npm is a script, and scripts are only found by their full name.
            let npm = if cfg!(windows) { "npm.cmd" } else { "npm" };
            said(npm, &["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", TOOLS])?;
            // Written last, so that an installation that broke off is done again.
            fs::write(&installed, &wanted)?;
        }
        let script = tools.join("node_modules/azurite/dist/src/blob/main.js");
        Ok(Self { node: node.executable.clone(), script })
    }
}

/// The `AzureWebJobsStorage` that means the emulator at this address.
pub fn connection_string(address: SocketAddr) -> String {
    let (name, key) = ACCOUNT.split_once(':').unwrap_or((ACCOUNT, ""));
    format!(
        "DefaultEndpointsProtocol=http;AccountName={name};AccountKey={key};\
         BlobEndpoint=http://{address}/{name};"
    )
}
