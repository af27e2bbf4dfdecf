//! Azurite, Microsoft's emulator of Azure Storage, from the Node.js programs that `tests/node/package-lock.json` pins.

use std::{
    fs::{self, File},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};

use crate::contender::Node;

const TOOLS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/node");

/// The storage account that the emulator plays, and its key.
pub const ACCOUNT: &str = "releases:YWNjb3VudCBrZXkgdGhhdCBub2JvZHkgbWF5IHNlZQ==";

/// What to start.
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
            npm_ci(tools)?;
            // Written last, so that an installation that broke off is done again.
            fs::write(&installed, &wanted)?;
        }
        let script = tools.join("node_modules/azurite/dist/src/blob/main.js");
        Ok(Self { node: node.executable.clone(), script })
    }
}

fn npm_ci(tools: &Path) -> Result<()> {
    // On Windows npm is a script, and scripts are only found by their full name.
    let npm = if cfg!(windows) { "npm.cmd" } else { "npm" };
    let mut command = Command::new(npm);
    command.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(tools);
    let output = command.output().with_context(|| format!("cannot run {npm}"))?;
    ensure!(output.status.success(), "{npm} failed: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// The `AzureWebJobsStorage` that means the emulator at this address.
pub fn connection_string(address: SocketAddr) -> String {
    let (name, key) = ACCOUNT.split_once(':').unwrap_or((ACCOUNT, ""));
    format!(
        "DefaultEndpointsProtocol=http;AccountName={name};AccountKey={key};\
         BlobEndpoint=http://{address}/{name};"
    )
}
