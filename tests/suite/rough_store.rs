//! A view of a store on which each call takes its time, or now and then breaks, as on a bad network.

use std::{
    fmt,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use futures_util::{StreamExt, stream, stream::BoxStream};
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, memory::InMemory, path::Path,
};
use tokio::sync::watch;

/// The behaviour of a view.
enum Weather {
    /// A call is done when the next round ends ([`RoughStore::rounds`]).
    Slow,
    /// One call in ten breaks, half of them after it was done. The number is the state of a random sequence.
    Breaking(Mutex<u64>),
}

#[derive(Clone, Copy, PartialEq)]
enum Fate {
    Good,
    BreaksBefore,
    BreaksAfter,
}

pub struct RoughStore {
    inner: Arc<InMemory>,
    weather: Weather,
    round: watch::Sender<usize>,
    waiting: Arc<AtomicUsize>,
}

impl RoughStore {
    /// Each call lasts for a round.
    pub fn slow(inner: &Arc<InMemory>) -> Arc<Self> {
        Self::new(inner, Weather::Slow)
    }

    /// One call in ten breaks; which of them follows from `seed`.
    pub fn breaking(inner: &Arc<InMemory>, seed: u64) -> Arc<Self> {
        Self::new(inner, Weather::Breaking(Mutex::new(seed)))
    }

    fn new(inner: &Arc<InMemory>, weather: Weather) -> Arc<Self> {
        Arc::new(Self {
            inner: Arc::clone(inner),
            weather,
            round: watch::Sender::new(0),
            waiting: Arc::default(),
        })
    }

    /// The result of a story, and its number of rounds: of calls that it waits for one after the other. A round ends
    /// once nothing goes on any more but waiting, so the machine's speed has no part in it.
    pub async fn rounds<T>(&self, story: impl Future<Output = T>) -> (T, usize) {
        let began = *self.round.borrow();
        let mut story = std::pin::pin!(story);
        loop {
            tokio::select! {
                biased;
                told = &mut story => return (told, *self.round.borrow() - began),
                () = all_have_gone_on() => if self.waiting.load(Ordering::SeqCst) > 0 {
                    self.round.send_modify(|round| *round += 1);
                },
            }
        }
    }

    /// Waits as long as a call takes, and says what becomes of it.
    fn fate(&self) -> impl Future<Output = Fate> + Send + 'static {
        let (mut round, waiting) = (self.round.subscribe(), Arc::clone(&self.waiting));
        let fate = match &self.weather {
            Weather::Slow => None,
            Weather::Breaking(state) => Some(next_fate(&mut state.lock().unwrap())),
        };
        async move {
            if let Some(fate) = fate {
                return fate;
            }
            waiting.fetch_add(1, Ordering::SeqCst);
            round.changed().await.expect("the view is there");
            waiting.fetch_sub(1, Ordering::SeqCst);
            Fate::Good
        }
    }

    async fn call<T>(&self, call: impl Future<Output = Result<T>>) -> Result<T> {
        match self.fate().await {
            Fate::Good => call.await,
            Fate::BreaksBefore => Err(broken()),
            Fate::BreaksAfter => {
                let _ = call.await;
                Err(broken())
            }
        }
    }

    /// A stream of a call; where it breaks, everything is done before.
    fn stream<T: Send + 'static>(
        &self,
        inner: BoxStream<'static, Result<T>>,
    ) -> BoxStream<'static, Result<T>> {
        let fate = self.fate();
        let stream = stream::once(async move {
            match fate.await {
                Fate::Good => inner,
                Fate::BreaksBefore => stream::iter([Err(broken())]).boxed(),
                Fate::BreaksAfter => {
                    let _: Vec<_> = inner.collect().await;
                    stream::iter([Err(broken())]).boxed()
                }
            }
        });
        stream.flatten().boxed()
    }
}

/// Lets everything else go on as far as it can.
async fn all_have_gone_on() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

/// Of a linear congruential generator, as Knuth chose it.
fn next_fate(state: &mut u64) -> Fate {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    match (*state >> 33) % 20 {
        0 => Fate::BreaksBefore,
        1 => Fate::BreaksAfter,
        _ => Fate::Good,
    }
}

fn broken() -> Error {
    Error::Generic { store: "rough", source: "connection reset by peer".into() }
}

impl fmt::Debug for RoughStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RoughStore")
    }
}

impl fmt::Display for RoughStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RoughStore")
    }
}

#[async_trait]
impl ObjectStore for RoughStore {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        self.call(self.inner.put_opts(location, payload, opts)).await
    }

    async fn put_multipart_opts(&self, _: &Path, _: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        unimplemented!("records are small")
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.call(self.inner.get_opts(location, options)).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.stream(self.inner.delete_stream(locations))
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.stream(self.inner.list(prefix))
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.call(self.inner.list_with_delimiter(prefix)).await
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> Result<()> {
        unimplemented!("nothing copies")
    }
}
