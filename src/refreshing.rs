//! A value of others that has to be fetched again from time to time, such as an issuer's keys or a token.
//!
//! - One request at a time: callers who come meanwhile share its outcome.
//! - A request is a task of its own. It goes on if its callers go away, so the next caller profits. Each request limits
//!   its own time; how long to wait for it is the caller's decision.
//! - The value outlives failures. It stays until a newer one arrives or it is forgotten.
//! - The caller says when a request is due. [`CoolDown`] helps if others can cause requests.
//!
//! One value per [`Refreshing`], which is cheap to make and to clone: a map holds one for each key.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::watch, time::Instant};

/// A value `T`, or why the latest request for it failed.
pub struct Refreshing<T, E>(Arc<Mutex<Known<T, E>>>);

/// The state at one moment.
#[derive(Clone)]
pub struct Known<T, E> {
    /// The newest value.
    pub value: Option<T>,
    /// The time at which it arrived.
    pub fetched_at: Option<Instant>,
    /// The time at which the latest request began.
    pub asked_at: Option<Instant>,
    latest: Option<watch::Receiver<Option<Result<T, E>>>>,
}

impl<T, E> Clone for Refreshing<T, E> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T, E> Default for Refreshing<T, E> {
    fn default() -> Self {
        let nothing = Known { value: None, fetched_at: None, asked_at: None, latest: None };
        Self(Arc::new(Mutex::new(nothing)))
    }
}

impl<T, E> Known<T, E> {
    /// True if a request has begun and not ended. One whose task is gone has ended, too.
    pub fn is_under_way(&self) -> bool {
        let waits =
            |latest: &watch::Receiver<Option<_>>| latest.borrow().is_none() && latest.has_changed().is_ok();
        self.latest.as_ref().is_some_and(waits)
    }

    /// True if the latest request has brought a value.
    pub fn has_succeeded(&self) -> bool {
        self.latest.as_ref().is_some_and(|latest| matches!(*latest.borrow(), Some(Ok(_))))
    }
}

impl<T: Clone, E: Clone> Known<T, E> {
    /// The outcome of the latest request, waited for. `None` if there was none, or if its task is gone.
    pub async fn outcome(&mut self) -> Option<Result<T, E>> {
        let outcome = self.latest.as_mut()?.wait_for(Option::is_some).await.ok()?;
        outcome.clone()
    }
}

impl<T, E> Refreshing<T, E>
where
    T: Clone + Send + Sync + 'static,
    E: Clone + Send + Sync + 'static,
{
    /// The state now.
    pub fn known(&self) -> Known<T, E> {
        self.lock().clone()
    }

    /// The state now, after `request` has begun if none is under way and one `is_due`.
    pub fn refresh<F>(&self, is_due: impl FnOnce(&Known<T, E>) -> bool, request: F) -> Known<T, E>
    where
        F: Future<Output = Result<T, E>> + Send + 'static,
    {
        let mut known = self.lock();
        if !known.is_under_way() && is_due(&known) {
            known.asked_at = Some(Instant::now());
            known.latest = Some(self.begin(request));
        }
        known.clone()
    }

    /// The value if it `serves`, else the outcome of the request under way or, if there is none, of `request`. `None`
    /// if that task is gone.
    pub async fn get<F>(&self, serves: impl Fn(&T) -> bool, request: F) -> Option<Result<T, E>>
    where
        F: Future<Output = Result<T, E>> + Send + 'static,
    {
        let mut known = self.refresh(|known| !known.value.as_ref().is_some_and(&serves), request);
        match known.value.take().filter(serves) {
            Some(value) => Some(Ok(value)),
            None => known.outcome().await,
        }
    }

    /// Forgets the value if it is one that others refused. Of many callers who are refused at once, one begins the next
    /// request: a newer value is not taken along.
    pub fn forget(&self, is_refused: impl FnOnce(&T) -> bool) {
        let mut known = self.lock();
        if known.value.as_ref().is_some_and(is_refused) {
            known.value = None;
            known.latest.take_if(|latest| latest.borrow().is_some());
        }
    }

    fn begin<F>(&self, request: F) -> watch::Receiver<Option<Result<T, E>>>
    where
        F: Future<Output = Result<T, E>> + Send + 'static,
    {
        let (outcome, latest) = watch::channel(None);
        let this = self.clone();
        tokio::spawn(async move {
            let ended = request.await;
            let mut known = this.lock();
            if let Ok(value) = &ended {
                known.value = Some(value.clone());
                known.fetched_at = Some(Instant::now());
            }
            outcome.send_replace(Some(ended));
        });
        latest
    }

    /// A panic while the lock was held leaves the state as usable as before.
    fn lock(&self) -> MutexGuard<'_, Known<T, E>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Something that happens once in a while at most, however often others cause it.
pub struct CoolDown {
    pause: Duration,
    last: Mutex<Option<Instant>>,
}

impl CoolDown {
    /// One that ends `pause` after the last time.
    pub fn new(pause: Duration) -> Self {
        Self { pause, last: Mutex::default() }
    }

    /// True if it may happen at `now`; the next time is counted from here.
    pub fn begin(&self, now: Instant) -> bool {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let is_over = has_passed(self.pause, *last, now);
        if is_over {
            *last = Some(now);
        }
        is_over
    }
}

/// True if `pause` has passed since the last time, or if there was none.
pub fn has_passed(pause: Duration, last: Option<Instant>, now: Instant) -> bool {
    last.is_none_or(|last| now.duration_since(last) >= pause)
}

#[cfg(test)]
mod tests {
    use std::future::ready;

    use tokio::{sync::oneshot, task::yield_now, time::timeout};

    use super::*;

    type Subject = Refreshing<u32, &'static str>;

    /// A request whose outcome the test says.
    fn request()
    -> (oneshot::Sender<Result<u32, &'static str>>, impl Future<Output = Result<u32, &'static str>>) {
        let (answer, outcome) = oneshot::channel();
        (answer, async move { outcome.await.expect("the test answers") })
    }

    fn never(_: &u32) -> bool {
        false
    }

    fn always(_: &u32) -> bool {
        true
    }

    async fn fetched(subject: &Subject, value: u32) {
        assert_eq!(subject.get(never, ready(Ok(value))).await, Some(Ok(value)));
    }

    #[tokio::test]
    async fn callers_share_one_request_and_its_value() {
        let subject = Subject::default();
        let (answer, first) = request();
        let (first, second) =
            (subject.get(always, first), subject.get(always, async { panic!("a second request") }));
        let (first, second, ()) =
            tokio::join!(first, second, async { answer.send(Ok(1)).expect("a task waits") });
        assert_eq!((first, second), (Some(Ok(1)), Some(Ok(1))));
        assert_eq!(subject.get(always, async { panic!("a third request") }).await, Some(Ok(1)));
    }

    #[tokio::test]
    async fn callers_share_a_failure_and_the_next_caller_tries_again() {
        let subject = Subject::default();
        let (answer, first) = request();
        let (first, second) =
            (subject.get(always, first), subject.get(always, async { panic!("a second request") }));
        let (first, second, ()) =
            tokio::join!(first, second, async { answer.send(Err("away")).expect("a task waits") });
        assert_eq!((first, second), (Some(Err("away")), Some(Err("away"))));
        fetched(&subject, 2).await;
    }

    #[tokio::test]
    async fn a_request_goes_on_after_its_caller_has_lost_patience() {
        let subject = Subject::default();
        let (answer, request) = request();
        let patience = Duration::from_millis(1);
        assert!(timeout(patience, subject.get(always, request)).await.is_err());
        assert!(subject.known().is_under_way());
        answer.send(Ok(1)).expect("the task goes on");
        assert_eq!(subject.get(always, async { panic!("a second request") }).await, Some(Ok(1)));
    }

    #[tokio::test]
    async fn a_value_outlives_failures() {
        let subject = Subject::default();
        fetched(&subject, 1).await;
        assert!(subject.known().has_succeeded());
        assert_eq!(subject.get(never, ready(Err("away"))).await, Some(Err("away")));
        let known = subject.known();
        assert_eq!((known.value, known.has_succeeded(), known.is_under_way()), (Some(1), false, false));
    }

    #[tokio::test]
    async fn a_task_that_dies_is_waited_for_by_nobody() {
        let subject = Subject::default();
        assert_eq!(subject.get(never, async { panic!("as if the request had a fault") }).await, None);
        assert!(!subject.known().is_under_way() && !subject.known().has_succeeded());
        fetched(&subject, 1).await;
    }

    #[tokio::test]
    async fn a_request_begins_only_if_it_is_due_and_none_is_under_way() {
        let subject = Subject::default();
        let known = subject.refresh(|_| false, async { panic!("not due") });
        assert!(!known.is_under_way() && known.asked_at.is_none());
        let (answer, request) = request();
        assert!(subject.refresh(|_| true, request).is_under_way());
        subject
            .refresh(|_| panic!("nobody asks while one is under way"), async { panic!("a second request") });
        answer.send(Ok(1)).expect("a task waits");
        while subject.known().is_under_way() {
            yield_now().await;
        }
        assert!(subject.known().fetched_at >= subject.known().asked_at);
    }

    #[tokio::test]
    async fn a_refused_value_is_fetched_again_and_its_successor_stays() {
        let subject = Subject::default();
        fetched(&subject, 1).await;
        subject.forget(|value| *value == 1);
        assert_eq!(subject.get(always, ready(Ok(2))).await, Some(Ok(2)));
        subject.forget(|value| *value == 1);
        assert_eq!(subject.get(always, async { panic!("2 was not refused") }).await, Some(Ok(2)));
    }

    #[test]
    fn a_cool_down_lets_one_through_until_it_has_ended() {
        let (minute, now) = (Duration::from_secs(60), Instant::now());
        let cool_down = CoolDown::new(minute);
        assert!(cool_down.begin(now));
        assert!(!cool_down.begin(now + minute / 2));
        assert!(
            !cool_down.begin(now + minute - Duration::from_secs(1)),
            "a try that was refused prolongs nothing"
        );
        assert!(cool_down.begin(now + minute));
        assert!(!cool_down.begin(now + minute));
    }
}
