//! Create-only objects on an object store, with a limit on every wait.
//!
//! The one question that matters is *who was first*, and a store's answer to it cannot be trusted alone: it may
//! commit and then fail to say so, or say "exists already" about the very object that it has just written for us.
//! So every object is unique to its writer, and after any doubt it is read back.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use anyhow::{Context, anyhow};
use futures_util::{StreamExt, TryStreamExt};
use object_store::{
    Error, ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload, path::Path,
};
use tokio::time::{Instant, timeout_at};

use super::open::{Location, create_container, open};

/// How long one write may take, so that there is time left to read back what became of it.
const PUT_TIME: Duration = Duration::from_millis(1_500);

/// The most objects that one listing returns.
const MAX_LISTED: usize = 10_000;

/// The largest object that is read, in bytes; ours are smaller by far.
const MAX_OBJECT_BYTES: u64 = 1024 * 1024;

/// An object store, opened at first use.
pub struct Store {
    location: Location,
    opened: OnceLock<Arc<dyn ObjectStore>>,
}

/// Who made the object that now stands at a path.
#[derive(Debug, PartialEq, Eq)]
pub enum Created {
    /// We did.
    Ours,
    /// Somebody else did, before us; this is what they wrote.
    Theirs(Vec<u8>),
}

impl Store {
    /// The store at `location`, which is neither opened nor asked anything yet.
    pub fn new(location: Location) -> Self {
        Self { location, opened: OnceLock::new() }
    }

    /// A store that is open already.
    pub fn of(store: Arc<dyn ObjectStore>) -> Self {
        Self { location: Location::Memory, opened: OnceLock::from(store) }
    }

    /// Opens the store unless it is open: for https that loads the trusted certificates, some milliseconds.
    fn opened(&self) -> anyhow::Result<&Arc<dyn ObjectStore>> {
        if self.opened.get().is_none() {
            let store = open(&self.location).context("cannot open the store")?;
            // Two at once open one too many, and that one is dropped.
            let _ = self.opened.set(store);
        }
        self.opened.get().context("the store is not open")
    }

    /// Opens the store and makes sure that its container is there, before anybody needs them.
    pub async fn prepare(&self) -> anyhow::Result<()> {
        self.opened()?;
        create_container(&self.location).await.context("cannot create the container")
    }

    /// Creates the object, unless there is one. `content` must be unlike any other writer's.
    ///
    /// An error means that it is not known whether the object is there.
    pub async fn create(&self, path: &Path, content: Vec<u8>, until: Instant) -> anyhow::Result<Created> {
        let doubt = match self.put(path, &content, until).await {
            Ok(()) => return Ok(Created::Ours),
            Err(doubt) => doubt,
        };
        match self.get(path, until).await {
            Ok(Some(found)) if found == content => Ok(Created::Ours),
            Ok(Some(found)) => Ok(Created::Theirs(found)),
            Ok(None) => Err(doubt),
            Err(unread) => Err(doubt.context(format!("{unread:#}"))),
        }
    }

    async fn put(&self, path: &Path, content: &[u8], until: Instant) -> anyhow::Result<()> {
        let until = until.min(Instant::now() + PUT_TIME);
        match self.put_once(path, content, until).await? {
            // A create never finds a blob missing, so it is the container that is.
            Err(Error::NotFound { .. }) => {
                let made = timeout_at(until, create_container(&self.location));
                made.await.context("no answer in time")?.context("cannot create the container")?;
                self.put_once(path, content, until).await?.with_context(|| format!("cannot create {path}"))
            }
            put => put.with_context(|| format!("cannot create {path}")),
        }
    }

    /// The outer error is a time-out.
    async fn put_once(
        &self,
        path: &Path,
        content: &[u8],
        until: Instant,
    ) -> anyhow::Result<object_store::Result<()>> {
        let store = self.opened()?;
        let create = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        let put = store.put_opts(path, PutPayload::from(content.to_vec()), create);
        let put = timeout_at(until, put).await.with_context(|| format!("creating {path} took too long"))?;
        Ok(put.map(drop))
    }

    /// The object's content; `None` where there is none.
    pub async fn get(&self, path: &Path, until: Instant) -> anyhow::Result<Option<Vec<u8>>> {
        let read = async {
            let found = self.opened()?.get(path).await?;
            if found.meta.size > MAX_OBJECT_BYTES {
                return Err(anyhow!("{} bytes are more than any record has", found.meta.size));
            }
            Ok(found.bytes().await?.to_vec())
        };
        match timeout_at(until, read).await.with_context(|| format!("reading {path} took too long"))? {
            Ok(content) => Ok(Some(content)),
            Err(error) if is_not_found(&error) => Ok(None),
            Err(error) => Err(error.context(format!("cannot read {path}"))),
        }
    }

    /// What stands directly or deeper under `prefix`, in no order, and no more than `MAX_LISTED` of it.
    pub async fn list(&self, prefix: &Path, until: Instant) -> anyhow::Result<Vec<ObjectMeta>> {
        let list =
            async { anyhow::Ok(self.opened()?.list(Some(prefix)).take(MAX_LISTED).try_collect().await) };
        match timeout_at(until, list).await.with_context(|| format!("listing {prefix} took too long"))?? {
            Err(error) if is_missing(&error) => Ok(Vec::new()),
            listed => listed.with_context(|| format!("cannot list {prefix}")),
        }
    }

    /// The names of the folders directly under `prefix`, in no order.
    pub async fn folders(&self, prefix: &Path, until: Instant) -> anyhow::Result<Vec<String>> {
        let list = async { anyhow::Ok(self.opened()?.list_with_delimiter(Some(prefix)).await) };
        match timeout_at(until, list).await.with_context(|| format!("listing {prefix} took too long"))?? {
            Err(error) if is_missing(&error) => Ok(Vec::new()),
            listed => {
                let folders = listed.with_context(|| format!("cannot list {prefix}"))?.common_prefixes;
                Ok(folders.iter().filter_map(|folder| folder.filename().map(str::to_owned)).collect())
            }
        }
    }

    /// Deletes the object; none there is as good.
    pub async fn delete(&self, path: &Path, until: Instant) -> anyhow::Result<()> {
        let delete = async { anyhow::Ok(self.opened()?.delete(path).await?) };
        match timeout_at(until, delete).await.with_context(|| format!("deleting {path} took too long"))? {
            Err(error) if !is_not_found(&error) => Err(error.context(format!("cannot delete {path}"))),
            _ => Ok(()),
        }
    }
}

/// No folder yet, or no container yet, for which there is no error of its own when listing.
fn is_missing(error: &Error) -> bool {
    matches!(error, Error::NotFound { .. }) || error.to_string().contains("ContainerNotFound")
}

fn is_not_found(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(Error::NotFound { .. }))
}
