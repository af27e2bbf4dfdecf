//! Tells the program the commit it was built from. Without git, or outside a repository, there is none.

use std::{path::Path, process::Command};

/// The repository itself, or in a worktree a file that names it. A repository around an unpacked archive is not ours.
const REPOSITORY: &str = ".git";

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let commit = git(&["rev-parse", "HEAD"]);
    let is_id = |text: &String| text.len() >= 40 && text.bytes().all(|b| b.is_ascii_hexdigit());
    let commit = commit.filter(is_id).unwrap_or_else(|| "unknown".to_owned());
    println!("cargo:rustc-env=APPROVE_RELEASE_COMMIT={commit}");
    changing_files().iter().for_each(|file| println!("cargo:rerun-if-changed={file}"));
}

/// The files of which one changes with each commit and each checkout. A missing one would make every build
/// run this again.
fn changing_files() -> Vec<String> {
    let branch = git(&["symbolic-ref", "--quiet", "HEAD"]);
    let names = ["HEAD", "logs/HEAD", "packed-refs"].into_iter().map(str::to_owned).chain(branch);
    let paths = names.filter_map(|name| git(&["rev-parse", "--git-path", &name]));
    paths.filter(|path| Path::new(path).exists()).collect()
}

/// The output of git; none if it fails, or is not there.
#[expect(clippy::disallowed_methods, reason = "the program starts no other, but its build does")]
fn git(arguments: &[&str]) -> Option<String> {
    Path::new(REPOSITORY).exists().then_some(())?;
    let output = Command::new("git").arg("--git-dir").arg(REPOSITORY).args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok().filter(|_| output.status.success())?;
    Some(text.trim().to_owned())
}
