//! A view of a store on which one call goes wrong, as told. A *killed* process is one whose tasks end at their next
//! call to the store.

use std::{
    fmt,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use futures_util::{FutureExt, StreamExt, stream::BoxStream};
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, memory::InMemory, path::Path,
};
use tokio::sync::Notify;

/// The way in which one call to the store goes wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fault {
    /// Nothing is done, and an error comes back.
    FailsBefore,
    /// Nothing is done, now and however often it is tried again, and an error comes back.
    Refuses,
    /// It is done, and an error comes back.
    FailsAfter,
    /// It is done, and "exists already" comes back, as when a store repeats a create by itself.
    CommitsAndDenies,
    /// Nothing is done, and "exists already" comes back: what was in the way is gone again.
    Denies,
    /// It is done, and errors come back, of this and of the next calls about it: nobody hears what became of it.
    FallsSilent,
    /// The process stops before it is done, until it is let go on.
    Stops,
    /// The process is killed before it is done.
    KilledBefore,
    /// The process is killed after it is done.
    KilledAfter,
}

/// A view of a store on which the call number `at` goes wrong, counted from 1.
pub struct FaultyStore {
    inner: Arc<InMemory>,
    fault: Option<(usize, Fault)>,
    calls: AtomicUsize,
    /// The subject of the faulty call.
    struck: Arc<Mutex<Option<String>>>,
    pub killed: Notify,
    /// Lets a process go on that was stopped.
    pub go_on: Arc<Notify>,
}

/// The calls about an object that fail after one at which the store fell silent: as many as a writer makes at once.
const SILENT_CALLS: usize = 11;

impl FaultyStore {
    pub fn new(inner: &Arc<InMemory>, fault: Option<(usize, Fault)>) -> Arc<Self> {
        Arc::new(Self {
            inner: Arc::clone(inner),
            fault,
            calls: AtomicUsize::new(0),
            struck: Arc::default(),
            killed: Notify::new(),
            go_on: Arc::default(),
        })
    }

    /// Does `call` as told.
    async fn call<T>(&self, about: &Path, call: impl Future<Output = Result<T>>) -> Result<T> {
        let number = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
        let is_refused = || self.struck.lock().unwrap().as_deref() == Some(about.as_ref());
        let fault = match self.fault {
            Some((at, Fault::Stops)) if at == number => {
                *self.struck.lock().unwrap() = Some(about.to_string());
                self.killed.notify_one();
                self.go_on.notified().await;
                return call.await;
            }
            Some((at, fault)) if at == number => fault,
            Some((at, Fault::Refuses)) if at < number && is_refused() => Fault::Refuses,
            Some((at, Fault::FallsSilent)) if at < number && number <= at + SILENT_CALLS && is_refused() => {
                Fault::Refuses
            }
            Some((at, Fault::KilledBefore | Fault::KilledAfter)) if at < number => return end().await,
            _ => return call.await,
        };
        *self.struck.lock().unwrap() = Some(about.to_string());
        if !matches!(fault, Fault::FailsBefore | Fault::Refuses | Fault::Denies | Fault::KilledBefore) {
            let _ = call.await;
        }
        match fault {
            Fault::FailsBefore | Fault::Refuses | Fault::FailsAfter | Fault::FallsSilent | Fault::Stops => {
                Err(Error::Generic { store: "faulty", source: "told to fail".into() })
            }
            Fault::CommitsAndDenies | Fault::Denies => {
                Err(Error::AlreadyExists { path: about.to_string(), source: "denied".into() })
            }
            Fault::KilledBefore | Fault::KilledAfter => {
                self.killed.notify_one();
                end().await
            }
        }
    }

    /// A stream that fails as told; of what it does, done and not done are one here.
    fn stream<T: Send + 'static>(
        &self,
        about: &str,
        call: impl FnOnce() -> BoxStream<'static, Result<T>>,
    ) -> BoxStream<'static, Result<T>> {
        let number = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
        match self.fault {
            Some((at, Fault::KilledBefore | Fault::KilledAfter)) if at < number => {
                futures_util::stream::once(end()).boxed()
            }
            Some((at, Fault::Stops)) if at == number => {
                *self.struck.lock().unwrap() = Some(about.to_owned());
                self.killed.notify_one();
                let (go_on, listed) = (Arc::clone(&self.go_on), call());
                let stopped = async move {
                    go_on.notified().await;
                    listed
                };
                stopped.flatten_stream().boxed()
            }
            Some((at, fault)) if at == number => {
                *self.struck.lock().unwrap() = Some(about.to_owned());
                if matches!(fault, Fault::KilledBefore | Fault::KilledAfter) {
                    self.killed.notify_one();
                    return futures_util::stream::once(end()).boxed();
                }
                let failure = Error::Generic { store: "faulty", source: "told to fail".into() };
                futures_util::stream::iter([Err(failure)]).boxed()
            }
            _ => call(),
        }
    }

    /// The subject of the faulty call; `None` if there was no such call. It may be yet to come, also when this view is
    /// gone.
    pub fn struck(&self) -> Arc<Mutex<Option<String>>> {
        Arc::clone(&self.struck)
    }
}

impl fmt::Debug for FaultyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FaultyStore({:?})", self.fault)
    }
}

impl fmt::Display for FaultyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

#[async_trait]
impl ObjectStore for FaultyStore {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        self.call(location, self.inner.put_opts(location, payload, opts)).await
    }

    async fn put_multipart_opts(&self, _: &Path, _: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        unimplemented!("records are small")
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.call(location, self.inner.get_opts(location, options)).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        // One at a time is all that is asked for; a fault here is a fault of the only one.
        self.stream("delete", || self.inner.delete_stream(locations))
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let about = format!("list {}", prefix.map(Path::to_string).unwrap_or_default());
        self.stream(&about, || self.inner.list(prefix))
    }

    async fn list_with_delimiter(&self, _: Option<&Path>) -> Result<ListResult> {
        unimplemented!("nothing lists folders")
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> Result<()> {
        unimplemented!("nothing copies")
    }
}

/// Ends the task that calls the store of a killed process, so that nothing of that process goes on. The test itself,
/// which is no task, waits for [`FaultyStore::killed`].
async fn end<T>() -> T {
    if tokio::task::try_id().is_some() {
        std::panic::resume_unwind(Box::new("killed"));
    }
    std::future::pending().await
}

/// Each of them.
pub const EVERY_FAULT: [Fault; 6] = [
    Fault::FailsBefore,
    Fault::FailsAfter,
    Fault::CommitsAndDenies,
    Fault::Denies,
    Fault::KilledBefore,
    Fault::KilledAfter,
];
