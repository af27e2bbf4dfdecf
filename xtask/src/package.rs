//! The files of a package, and the zip made of them.

use std::{
    fs,
    io::{Seek, Write},
    path::Path,
};

use anyhow::Context;
use zip::{ZipWriter, write::SimpleFileOptions};

pub struct File {
    /// The path below the package's folder, with `/`.
    pub path: String,
    pub content: Vec<u8>,
    pub executable: bool,
}

/// The project's folder, in which packages are put.
pub fn project_folder() -> anyhow::Result<&'static Path> {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask is not in the project's folder")
}

/// The project's version, from its `Cargo.toml`.
pub fn version() -> anyhow::Result<String> {
    let text = fs::read_to_string(project_folder()?.join("Cargo.toml")).context("cannot read Cargo.toml")?;
    let version = text.lines().find_map(|line| line.strip_prefix("version = \"")?.strip_suffix('"'));
    Ok(version.context("Cargo.toml says no version")?.to_owned())
}

/// Writes the zip, the same bytes for the same files, and returns its size.
pub fn write_zip(path: &Path, files: &[File]) -> anyhow::Result<u64> {
    let mut zip =
        ZipWriter::new(fs::File::create(path).with_context(|| format!("cannot write {}", path.display()))?);
    for file in files {
        let options = SimpleFileOptions::default().compression_level(Some(9)).unix_permissions(mode(file));
        zip.start_file(file.path.as_str(), options)?;
        zip.write_all(&file.content)?;
    }
    Ok(zip.finish()?.stream_position()?)
}

/// The file's permissions on Unix.
pub fn mode(file: &File) -> u32 {
    if file.executable { 0o755 } else { 0o644 }
}
