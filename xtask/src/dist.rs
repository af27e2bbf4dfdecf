//! `dist/`: a complete function app folder, to publish from, and the same as `dist.zip`.
//!
//! The binary is linked by Zig against an old glibc, so that it starts on every Linux that Azure Functions runs on,
//! whatever this machine runs.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, bail, ensure};
use serde_json::Value;

use crate::package::{File, mode, project_folder, write_zip};

/// The target: Azure's 64-bit Linux.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// The newest glibc that the binary may need, which is Debian 11's.
const GLIBC: (u32, u32) = (2, 31);

/// The binary's name, here and in the package.
const BINARY: &str = "approve-release";

/// The way to get the tools that the build needs besides Rust.
const MISSING_TOOLS: &str =
    "is it installed? `cargo install --locked cargo-zigbuild` and `pip install ziglang`";

/// Builds the package and prints the sizes.
pub fn make() -> anyhow::Result<()> {
    let root = project_folder()?;
    let binary = fs::read(build(root)?).context("cannot read the built binary")?;
    let needed = glibc_needed(&binary).context("the binary names no version of glibc")?;
    ensure!(
        needed <= GLIBC,
        "the binary needs glibc {}.{}, newer than {}.{}",
        needed.0,
        needed.1,
        GLIBC.0,
        GLIBC.1
    );

    let files = files(root, &binary)?;
    write_folder(&root.join("dist"), &files)?;
    let zip = write_zip(&root.join("dist.zip"), &files)?;
    println!("dist/{BINARY}  {}, needs glibc {}.{}", size(binary.len() as u64), needed.0, needed.1);
    println!(
        "dist/  {}, {} files",
        size(files.iter().map(|file| file.content.len() as u64).sum()),
        files.len()
    );
    println!("dist.zip  {}", size(zip));
    Ok(())
}

fn build(root: &Path) -> anyhow::Result<PathBuf> {
    let target = format!("{TARGET}.{}.{}", GLIBC.0, GLIBC.1);
    let status = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .current_dir(root)
        .args([
            "zigbuild",
            "--release",
            "--locked",
            "--package",
            BINARY,
            "--bin",
            BINARY,
            "--target",
            &target,
        ])
        .status()
        .context("cannot run cargo")?;
    if !status.success() {
        bail!("cargo zigbuild did not build the binary; {MISSING_TOOLS}");
    }
    let target_folder =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    Ok(target_folder.join(TARGET).join("release").join(BINARY))
}

/// The newest `GLIBC_x.y` among the versions that the binary asks the loader for.
fn glibc_needed(binary: &[u8]) -> Option<(u32, u32)> {
    let mark = b"GLIBC_";
    let starts = binary.windows(mark.len()).enumerate().filter(|(_, window)| *window == mark);
    let versions = starts.filter_map(|(at, _)| {
        let text = &binary[at + mark.len()..(at + mark.len() + 8).min(binary.len())];
        let text = std::str::from_utf8(text.split(|byte| *byte == 0).next()?).ok()?;
        let mut numbers = text.split('.').map(str::parse);
        Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
    });
    versions.max()
}

/// The binary, the `host.json` that starts it, and each function's folder.
fn files(root: &Path, binary: &[u8]) -> anyhow::Result<Vec<File>> {
    let mut files = vec![
        File { path: BINARY.into(), content: binary.to_vec(), executable: true },
        File { path: "host.json".into(), content: host_json(root)?, executable: false },
    ];
    for entry in fs::read_dir(root).context("cannot list the project's folder")? {
        let entry = entry?;
        let function = entry.path().join("function.json");
        if function.is_file() && entry.file_name() != "dist" {
            let path = format!("{}/function.json", entry.file_name().to_string_lossy());
            files.push(File { path, content: fs::read(function)?, executable: false });
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

/// The project's `host.json`, with the binary's path in the package.
fn host_json(root: &Path) -> anyhow::Result<Vec<u8>> {
    let text = fs::read_to_string(root.join("host.json")).context("cannot read host.json")?;
    let mut host: Value = serde_json::from_str(&text).context("host.json is not JSON")?;
    let path = host.pointer_mut("/customHandler/description/defaultExecutablePath");
    *path.context("host.json names no executable")? = BINARY.into();
    Ok(format!("{host:#}\n").into_bytes())
}

fn write_folder(folder: &Path, files: &[File]) -> anyhow::Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("cannot empty {}", folder.display()))?;
    }
    for file in files {
        let path = folder.join(&file.path);
        fs::create_dir_all(path.parent().unwrap_or(folder))?;
        fs::write(&path, &file.content).with_context(|| format!("cannot write {}", path.display()))?;
        #[cfg(unix)]
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(mode(file)))?;
    }
    Ok(())
}

fn size(bytes: u64) -> String {
    format!("{:.2} MB", bytes as f64 / 1_000_000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_glibc_is_found_by_number_and_not_by_letter() {
        let binary = b"\0GLIBC_2.9\0GLIBC_2.31\0x\0GLIBC_2.2.5\0GLIBC_PRIVATE\0";
        assert_eq!(glibc_needed(binary), Some((2, 31)));
        assert_eq!(glibc_needed(b"static"), None);
    }
}
