//! The Node.js programs that tests run: pinned by `tests/node/package-lock.json`, installed when first needed.
//!
//! The test fails and says so if Node.js is missing: a check that silently did not happen is worse than none.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use crate::handler_process::repository_root;

/// The folder `node_modules` with everything in it that the lockfile names.
pub fn node_tools() -> PathBuf {
    static NODE_MODULES: OnceLock<PathBuf> = OnceLock::new();
    NODE_MODULES.get_or_init(install).clone()
}

/// `node`, to be given a script of [`node_tools`] and its arguments.
pub fn node() -> Command {
    let mut node = Command::new("node");
    node.current_dir(node_tools());
    node
}

fn install() -> PathBuf {
    let folder = repository_root().join("tests/node");
    let node_modules = folder.join("node_modules");
    let installed = node_modules.join(".installed-lock.json");
    let wanted = fs::read(folder.join("package-lock.json"))
        .expect("tests/node/package-lock.json is part of the repository");

    // Tests may run in many processes at once: one installs and the others wait for it.
    let lock_path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("node-tools.lock");
    let lock = File::create(lock_path).expect("cargo made this folder for the tests");
    lock.lock().expect("cannot wait for another test that installs the Node.js tools");

    // npm deletes `node_modules` first and the copy of the lockfile is written last, so an install that broke off is
    // done again.
    if fs::read(&installed).ok().as_ref() != Some(&wanted) {
        npm_ci(&folder);
        fs::write(&installed, &wanted).expect("npm made this folder just now");
    }
    node_modules
}

fn npm_ci(folder: &Path) {
    // On Windows npm is a script, and scripts are only found by their full name.
    let npm = if cfg!(windows) { "npm.cmd" } else { "npm" };
    let output = Command::new(npm)
        .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
        .current_dir(folder)
        .output()
        .unwrap_or_else(|error| {
            panic!("These tests need Node.js 20 or newer with npm (https://nodejs.org): cannot run {npm}: {error}")
        });
    assert!(
        output.status.success(),
        "`npm ci --ignore-scripts` failed in tests/node ({}): it needs the npm registry.\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
}
