//! Create-only objects on an object store, with a limit on every wait.
//!
//! The one question that matters is *who was first*, and a store's answer to it cannot be trusted alone: a store may
//! commit and then fail to say so, or say "exists already" about the very object that it has just written for us.
//! Therefore every object is unique to its writer, and after any doubt it is read back. For the same reason a call with
//! a broken connection can be made again: the second changes nothing that the first did not.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, anyhow};
use futures_util::TryStreamExt;
use object_store::{
    Error, ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload, path::Path,
};
use once_cell::sync::OnceCell;
use tokio::time::{Instant, timeout_at};

use super::{
    open::{Blobs, Location, open, remove_staged},
    records::Unreadable,
};

/// The longest time for one write, so that there is time left to read back the result.
const PUT_TIME: Duration = Duration::from_millis(1_500);

/// The most tries of a call before its failure counts, as far as there is time.
const TRIES: usize = 3;

/// The pause between two tries.
const PAUSE: Duration = Duration::from_millis(20);

/// The largest object that is read, in bytes; ours are far smaller.
const MAX_OBJECT_BYTES: u64 = 1024 * 1024;

/// An object store, opened at first use.
pub struct Store {
    location: Location,
    opened: OnceCell<Arc<dyn ObjectStore>>,
    blobs: OnceCell<Blobs>,
}

/// The writer of the object that is now at a path.
#[derive(Debug, PartialEq, Eq)]
pub enum Created {
    /// We are.
    Ours,
    /// Somebody else, before us; this is their content.
    Theirs(Vec<u8>),
}

impl Store {
    /// The store at `location`, not opened yet.
    pub fn new(location: Location) -> Self {
        Self { location, opened: OnceCell::new(), blobs: OnceCell::new() }
    }

    /// A store that is open already.
    pub fn of(store: Arc<dyn ObjectStore>) -> Self {
        Self { location: Location::Memory, opened: OnceCell::with_value(store), blobs: OnceCell::new() }
    }

    /// Opens the store unless it is open: for https that loads the trusted certificates, some milliseconds.
    fn opened(&self) -> anyhow::Result<&Arc<dyn ObjectStore>> {
        self.opened.get_or_try_init(|| open(&self.location).context("cannot open the store"))
    }

    /// Opens the store and makes sure that its container is there, before anybody needs them.
    pub async fn prepare(&self) -> anyhow::Result<()> {
        self.opened()?;
        self.create_container().await.context("cannot create the container")
    }

    async fn create_container(&self) -> anyhow::Result<()> {
        match self.blobs()? {
            Some(blobs) => blobs.create_container().await,
            None => Ok(()),
        }
    }

    /// Azure's own calls, if the store is there.
    fn blobs(&self) -> anyhow::Result<Option<&Blobs>> {
        let Location::Azure(container) = &self.location else { return Ok(None) };
        self.blobs.get_or_try_init(|| Blobs::new(container)).map(Some)
    }

    /// Removes the half-written files of killed writers, once they are so old that nobody can still be writing them.
    /// Only a folder has such files.
    pub async fn tidy(&self) -> anyhow::Result<()> {
        let Location::Folder(folder) = self.location.clone() else { return Ok(()) };
        let removed = tokio::task::spawn_blocking(move || remove_staged(&folder)).await??;
        if removed > 0 {
            log::info!("removed {removed} half-written files from the store's folder");
        }
        Ok(())
    }

    /// Creates the object, unless there is one. `content` must differ from any other writer's.
    ///
    /// After an error the object may be there or not.
    // T34
    pub async fn create(&self, path: &Path, content: Vec<u8>, until: Instant) -> anyhow::Result<Created> {
        let mut tries = 0;
        loop {
            let doubt = match self.put(path, &content, until).await {
                Ok(()) => return Ok(Created::Ours),
                Err(doubt) => doubt,
            };
            let doubt = match self.get(path, until).await {
                Ok(Some(found)) if found == content => return Ok(Created::Ours),
                Ok(Some(found)) => return Ok(Created::Theirs(found)),
                Ok(None) => doubt,
                Err(unread) => doubt.context(format!("{unread:#}")),
            };
            tries += 1;
            if tries == TRIES || !pause(until).await {
                return Err(doubt);
            }
        }
    }

    /// Creates the object, unless there is one; `false` if there is one, which may be ours after a repeated call.
    /// In doubt the object is read back, as by [`Store::create`].
    pub async fn create_if_none(
        &self,
        path: &Path,
        content: Vec<u8>,
        until: Instant,
    ) -> anyhow::Result<bool> {
        match self.put(path, &content, until).await {
            Ok(()) => Ok(true),
            Err(error) if is_there_already(&error) => Ok(false),
            Err(_) => Ok(self.create(path, content, until).await? == Created::Ours),
        }
    }

    async fn put(&self, path: &Path, content: &[u8], until: Instant) -> anyhow::Result<()> {
        let until = until.min(Instant::now() + PUT_TIME);
        match self.put_once(path, content, until).await? {
            // A create never finds a blob missing, so the container is.
            Err(Error::NotFound { .. }) => {
                let made = timeout_at(until, self.create_container());
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

    /// The object's content, if there is an object.
    pub async fn get(&self, path: &Path, until: Instant) -> anyhow::Result<Option<Vec<u8>>> {
        let read = || async {
            let found = self.opened()?.get(path).await?;
            if found.meta.size > MAX_OBJECT_BYTES {
                let error = anyhow!("{} bytes are more than any record has", found.meta.size);
                return Err(error.context(Unreadable::at(path)));
            }
            Ok(found.bytes().await?.to_vec())
        };
        match tried(read, until).await.with_context(|| format!("reading {path} took too long"))? {
            Ok(content) => Ok(Some(content)),
            Err(error) if is_not_found(&error) => Ok(None),
            Err(error) if error.is::<Unreadable>() => Err(error),
            Err(error) => Err(error.context(format!("cannot read {path}"))),
        }
    }

    /// Everything that `pick` takes of the objects at any depth under `prefix`, in no order.
    ///
    /// Files that are half written, or were left so, are skipped.
    pub async fn list<T>(
        &self,
        prefix: &Path,
        pick: impl Fn(ObjectMeta) -> Option<T>,
        until: Instant,
    ) -> anyhow::Result<Vec<T>> {
        self.list_until(prefix, pick, |_| false, until).await
    }

    /// The same, until enough are found.
    async fn list_until<T>(
        &self,
        prefix: &Path,
        pick: impl Fn(ObjectMeta) -> Option<T>,
        is_enough: impl Fn(usize) -> bool,
        until: Instant,
    ) -> anyhow::Result<Vec<T>> {
        let list = || async {
            let mut listed = Vec::new();
            let mut objects = self.opened()?.list(Some(prefix));
            while !is_enough(listed.len())
                && let Some(object) = objects.try_next().await?
            {
                if !object.location.filename().is_some_and(is_staged) {
                    listed.extend(pick(object));
                }
            }
            Ok(listed)
        };
        match tried(list, until).await.with_context(|| format!("listing {prefix} took too long"))? {
            Err(error) if is_missing(&error) => Ok(Vec::new()),
            listed => listed.with_context(|| format!("cannot list {prefix}")),
        }
    }

    /// The first `count` that `pick` takes of the objects under `prefix`, by name. From a folder, which has no order
    /// of its own, all of them in no order.
    pub async fn list_first<T>(
        &self,
        prefix: &Path,
        pick: impl Fn(ObjectMeta) -> Option<T>,
        count: usize,
        until: Instant,
    ) -> anyhow::Result<Vec<T>> {
        let is_ordered = !matches!(self.location, Location::Folder(_));
        self.list_until(prefix, pick, |found| is_ordered && found >= count, until).await
    }

    /// The names of the folders directly under `prefix`, in no order.
    pub async fn folders(&self, prefix: &Path, until: Instant) -> anyhow::Result<Vec<String>> {
        let list = || async { Ok(self.opened()?.list_with_delimiter(Some(prefix)).await?) };
        match tried(list, until).await.with_context(|| format!("listing {prefix} took too long"))? {
            Err(error) if is_missing(&error) => Ok(Vec::new()),
            listed => {
                let folders = listed.with_context(|| format!("cannot list {prefix}"))?.common_prefixes;
                Ok(folders.iter().filter_map(|folder| folder.filename().map(str::to_owned)).collect())
            }
        }
    }

    /// Deletes the object; a missing one is fine.
    pub async fn delete(&self, path: &Path, until: Instant) -> anyhow::Result<()> {
        let delete = || async {
            match self.blobs()? {
                Some(blobs) => blobs.delete(path).await,
                None => Ok(self.opened()?.delete(path).await?),
            }
        };
        match tried(delete, until).await.with_context(|| format!("deleting {path} took too long"))? {
            Err(error) if !is_not_found(&error) => Err(error.context(format!("cannot delete {path}"))),
            _ => Ok(()),
        }
    }
}

/// Makes a call that is safe to repeat, until it has an answer; the outer error is a time-out.
async fn tried<T, F: Future<Output = anyhow::Result<T>>>(
    call: impl Fn() -> F,
    until: Instant,
) -> anyhow::Result<anyhow::Result<T>> {
    let mut tries = 0;
    loop {
        let answer = timeout_at(until, call()).await?;
        tries += 1;
        match &answer {
            Err(error) if tries < TRIES && !is_an_answer(error) && pause(until).await => {}
            _ => return Ok(answer),
        }
    }
}

/// Waits before another try; true if there is time for one.
async fn pause(until: Instant) -> bool {
    let next = Instant::now() + PAUSE;
    tokio::time::sleep_until(next.min(until)).await;
    next < until
}

/// True if the store would give the same answer again.
fn is_an_answer(error: &anyhow::Error) -> bool {
    is_missing(error) || error.is::<Unreadable>()
}

/// True for the name under which `object_store` writes a file before it links it to its own name: `name#1`. A killed
/// writer leaves such a file, and a copy of the folder contains it.
pub fn is_staged(name: &str) -> bool {
    let number = name.rsplit_once('#').map_or("", |(_, number)| number);
    !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit())
}

/// True if there is no object, folder or container yet; when listing, the last has no error of its own.
fn is_missing(error: &anyhow::Error) -> bool {
    is_not_found(error) || error.to_string().contains("ContainerNotFound")
}

/// True if the object exists; stores have two errors for it.
fn is_there_already(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(Error::AlreadyExists { .. } | Error::Precondition { .. }))
}

fn is_not_found(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(Error::NotFound { .. }))
}
