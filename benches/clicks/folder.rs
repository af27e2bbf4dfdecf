//! Folders for stores of files: on the disk that the build is on, since a temporary folder may well be memory, and
//! gone when they are no longer needed.

use std::{fs, path::Path};

use anyhow::{Context, Result};
use url::Url;

const PARENT: &str = env!("CARGO_TARGET_TMPDIR");

/// A new folder. Dropping it deletes it with everything in it; whoever writes into it must have ended before.
pub struct Folder(Option<tempfile::TempDir>);

impl Folder {
    pub fn new() -> Result<Self> {
        fs::create_dir_all(PARENT).with_context(|| format!("cannot make {PARENT}"))?;
        let folder = tempfile::Builder::new().prefix("clicks-").tempdir_in(PARENT);
        folder.map(|folder| Self(Some(folder))).with_context(|| format!("cannot make a folder in {PARENT}"))
    }

    pub fn path(&self) -> &Path {
        self.0.as_ref().map_or(Path::new(PARENT), tempfile::TempDir::path)
    }

    /// The `STORE_URL` that means this folder.
    pub fn store_url(&self) -> Result<String> {
        let url = Url::from_directory_path(self.path()).ok().context("the folder's path is not absolute")?;
        Ok(url.into())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let Some(folder) = self.0.take() else { return };
        let path = folder.path().to_owned();
        if let Err(error) = folder.close() {
            eprintln!("Cannot delete {}: {error}", path.display());
        }
    }
}
