//! The places where decisions can live, each empty and of its own for every test.
//!
//! The handler's records are read with the `object_store` crate, past everything of ours.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use futures_util::TryStreamExt;
use object_store::{
    ObjectStore, ObjectStoreExt, azure::MicrosoftAzureBuilder, local::LocalFileSystem,
    path::Path as ObjectPath,
};
use tempfile::TempDir;

use crate::handler_process::until;
use url::Url;

use crate::azurite::{self, ACCOUNT, ACCOUNT_KEY, azurite};

/// Turns each `async fn behaviour(store: Store)` named into a test per place.
macro_rules! in_every_store {
    ($($behaviour:ident)*) => {
        in_every_store!(@module memory memory $($behaviour)*);
        in_every_store!(@module folder folder $($behaviour)*);
        in_every_store!(@module azure azure $($behaviour)*);
    };
    (@module $module:ident $store:ident $($behaviour:ident)*) => {
        mod $module {
            $(
                #[tokio::test]
                async fn $behaviour() {
                    super::$behaviour(crate::stores::Store::$store()).await;
                }
            )*
        }
    };
}

/// The same for the places that outlive a process and serve many.
macro_rules! in_every_lasting_store {
    ($($behaviour:ident)*) => {
        in_every_store!(@module lasting_folder folder $($behaviour)*);
        in_every_store!(@module lasting_azure azure $($behaviour)*);
    };
}

/// A place for decisions, in which there are none yet.
pub enum Store {
    /// In the memory of each process.
    Memory,
    /// A folder, deleted in the end.
    Folder(TempDir),
    /// The container of this name, which is not there yet, in [`azurite`].
    Azure(String),
}

impl Store {
    pub fn memory() -> Self {
        Self::Memory
    }

    /// A folder on a file system in memory, if there is one: a disk that others write to may hold a create back for
    /// seconds, and few tests are about that.
    pub fn folder() -> Self {
        let in_memory = Path::new("/dev/shm");
        let folder = if in_memory.is_dir() { tempfile::tempdir_in(in_memory) } else { tempfile::tempdir() };
        Self::Folder(folder.expect("a temporary folder"))
    }

    pub fn azure() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(1);
        Self::Azure(format!("test-{}", COUNT.fetch_add(1, Ordering::Relaxed)))
    }

    /// The settings that lead to it.
    pub fn settings(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::Memory => vec![("STORE_URL", "memory:".to_owned())],
            Self::Folder(_) => vec![("STORE_URL", folder_url(&self.path()))],
            Self::Azure(container) => vec![
                ("STORE_URL", format!("az://{container}")),
                ("AzureWebJobsStorage", azurite::connection_string(azurite().port())),
            ],
        }
    }

    /// The folder's path: one that is not there before the first decision, below one that is.
    pub fn path(&self) -> PathBuf {
        let Self::Folder(folder) = self else { panic!("no folder") };
        folder.path().join("made when missing/decisions")
    }

    /// The same, once the changes of each request are there: they are written beside the answer.
    pub async fn objects_with_changes(&self) -> Vec<String> {
        let count = |objects: &[String], end| objects.iter().filter(|path| path.ends_with(end)).count();
        until("the changes are on record", async || {
            let objects = self.objects().await;
            count(&objects, "/changes") == count(&objects, "/request")
        })
        .await;
        self.objects().await
    }

    /// Waits until a release is on record, which is written beside the answer to its vote.
    pub async fn has_a_release(&self) {
        until("there is a release", async || {
            self.objects().await.iter().any(|path| path.starts_with("released/"))
        })
        .await;
    }

    /// The paths of all objects, sorted.
    pub async fn objects(&self) -> Vec<String> {
        let listed: Result<Vec<_>, _> = self.open().list(None).try_collect().await;
        let mut paths: Vec<_> = match listed {
            Err(missing) if missing.to_string().contains("ContainerNotFound") => Vec::new(),
            listed => listed.expect("listed").into_iter().map(|meta| meta.location.to_string()).collect(),
        };
        paths.sort();
        paths
    }

    /// The path of the one object whose path ends so.
    pub async fn object_that_ends_in(&self, end: &str) -> String {
        let objects = self.objects().await;
        let found: Vec<_> = objects.iter().filter(|path| path.ends_with(end)).collect();
        let [path] = found[..] else { panic!("one …{end}, not {objects:?}") };
        path.clone()
    }

    pub async fn read(&self, path: &str) -> String {
        let found = self.open().get(&ObjectPath::from(path)).await.expect("an object");
        String::from_utf8(found.bytes().await.expect("its content").to_vec()).expect("text")
    }

    /// Writes, or overwrites, an object.
    pub async fn write(&self, path: &str, content: &str) {
        self.open().put(&ObjectPath::from(path), content.to_owned().into()).await.expect("written");
    }

    /// Writes an object of exactly this name, as a person does who copies a folder.
    pub async fn write_named(&self, name: &str, content: Vec<u8>) {
        let path = ObjectPath::parse(name).expect("a path");
        self.open().put(&path, content.into()).await.expect("written");
    }

    fn open(&self) -> Arc<dyn ObjectStore> {
        match self {
            Self::Memory => panic!("nobody sees into the memory of a process"),
            Self::Folder(_) => {
                std::fs::create_dir_all(self.path()).expect("a folder");
                Arc::new(LocalFileSystem::new_with_prefix(self.path()).expect("a folder"))
            }
            Self::Azure(container) => {
                // Every client wants one, even for plain http; only the first is taken.
                let _ = rustls::crypto::ring::default_provider().install_default();
                Arc::new(
                    MicrosoftAzureBuilder::new()
                        .with_account(ACCOUNT)
                        .with_access_key(ACCOUNT_KEY)
                        .with_container_name(container)
                        .with_endpoint(azurite::endpoint(azurite().port()))
                        .with_allow_http(true)
                        .build()
                        .expect("a container"),
                )
            }
        }
    }
}

/// The `STORE_URL` of a folder.
pub fn folder_url(folder: &Path) -> String {
    Url::from_directory_path(folder).expect("an absolute path").into()
}
