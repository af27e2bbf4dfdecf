//! The story of a request: a job asks, and people are told.

use std::sync::{Arc, Mutex, PoisonError};

use futures_util::{
    FutureExt,
    future::{Either, select},
};
use tokio::sync::oneshot;

use super::{Report, Stories, broken, failed};
use crate::{
    approval::{ApprovalId, Limited, Outcome, Request, Standing, Terms, Unreached, Visibility, Workload},
    ledger::{Detail, Open, RequestKeys},
    outbox::Occasion,
    timing::Timing,
};

/// A job's request, and the body in which it came.
#[derive(Debug)]
pub struct NewRequest {
    /// The contents of the body.
    pub terms: Terms,
    /// The job.
    pub workload: Workload,
    /// The repository's visibility by its token.
    pub visibility: Visibility,
    /// The body, byte for byte: the same body again is the same request.
    pub body: Vec<u8>,
}

/// The requests that this process is recording, in the order in which they came.
///
/// Each counts for those that come after it, before the ledger shows it: many at the same moment do not exceed the
/// limits.
#[derive(Default)]
pub struct Recording(Mutex<Vec<(RequestKeys, Request)>>);

/// The place of one request among those in work; given back when dropped.
struct Place<'a> {
    recording: &'a Recording,
    id: ApprovalId,
    /// The requests of the same repository that came before, without other tries of the same request.
    before: Vec<Open>,
}

impl Recording {
    fn enter(&self, keys: &RequestKeys, request: &Request) -> Place<'_> {
        let mut recording = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let counts = |(of_other, other): &&(RequestKeys, Request)| {
            other.workload.repository_id == request.workload.repository_id && of_other != keys
        };
        let before = recording.iter().filter(counts).map(|(_, other)| Open::of(other)).collect();
        recording.push((keys.clone(), request.clone()));
        Place { recording: self, id: request.id.clone(), before }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut recording = self.recording.0.lock().unwrap_or_else(PoisonError::into_inner);
        recording.retain(|(_, request)| request.id != self.id);
    }
}

impl Stories {
    /// Opens an approval to votes and posts its card; `true` if the approval is new.
    pub async fn ask(self: &Arc<Self>, new: NewRequest, timing: Timing) -> Result<(Standing, bool), Report> {
        let stories = Arc::clone(self);
        let story = self.outbox.beside(async move { stories.open_request(new, timing).await });
        let opened = story.await.map_err(|error| broken(&error.into()))?;
        opened.map_err(|error| failed(Unreached::Store, &error))?
    }

    /// After an error the approval may be open or not; if the job asks again it is the same approval.
    async fn open_request(
        self: &Arc<Self>,
        new: NewRequest,
        timing: Timing,
    ) -> anyhow::Result<Result<(Standing, bool), Report>> {
        let keys = RequestKeys::of(&new.workload, &new.body);
        let mut random = [0_u8; 16];
        getrandom::fill(&mut random).map_err(|error| anyhow::anyhow!("no random numbers: {error}"))?;
        let NewRequest { mut terms, workload, visibility, .. } = new;
        if let Some(expires_in) = self.policy.default_expiry(&terms, &workload) {
            terms.expires_in = expires_in;
        }
        let id = ApprovalId::new(timing.now, random);
        let request = Request { id, terms, workload, created_at: timing.now };

        // The changes are asked for beside all this: nothing waits for them.
        let (begin, gate) = oneshot::channel();
        let changes = Box::pin(Arc::clone(self).changes_of(request.clone(), gate, timing));
        let recorded = Box::pin(self.record_request((&keys, request), visibility, begin, timing));
        let (recorded, changes) = match select(recorded, changes).await {
            Either::Left((recorded, mut changes)) => {
                let known = (&mut changes).now_or_never();
                (recorded, known.map_or_else(|| Either::Right(changes), Either::Left))
            }
            Either::Right((known, recorded)) => (recorded.await, Either::Left(known)),
        };
        let (opened, newest, is_new) = match recorded? {
            Ok(recorded) => recorded,
            Err(report) => return Ok(Err(report)),
        };
        let looked = match is_new {
            true => None,
            false => self.look_in(&opened.id, Detail::Attempts, timing).await?,
        };
        let mut standing = looked.unwrap_or_else(|| self.outbox.asking(Standing::new(opened)));
        let late = match (changes, is_new) {
            (_, false) => None,
            (Either::Left(known), true) => self.show_changes(&mut standing, known, timing),
            (Either::Right(changes), true) => Some(self.await_changes(&standing.request.id, changes, timing)),
        };
        // They are known before anybody clicks, if GitHub answers.
        drop(is_new.then(|| self.ask_for_authors(&standing, timing)));
        if standing.request.terms.supersedes && standing.ruling.is_none() {
            self.supersede(&standing.request, timing).await;
        }
        if standing.ruling.is_none() {
            let occasion = if is_new { Occasion::New } else { Occasion::Again };
            self.outbox.post_first_cards(&mut standing, occasion, timing).await;
        }
        if let Some(late) = late {
            self.show_late_changes(standing.request.id.clone(), late, timing);
        }
        self.see(&standing.request);
        standing.request = standing.request.seen_as(Some(newest));
        Ok(Ok((standing, is_new)))
    }

    /// Records the request and opens it, unless the same was asked before. Returns it as it is recorded, with its
    /// repository's newest visibility, and `true` if it is new. `begin` is told once it is.
    async fn record_request(
        &self,
        (keys, request): (&RequestKeys, Request),
        visibility: Visibility,
        begin: oneshot::Sender<()>,
        timing: Timing,
    ) -> anyhow::Result<Result<(Request, Visibility, bool), Report>> {
        let (ledger, until) = (&self.outbox.ledger, Self::recorded_by(timing));
        let repository_id = &request.workload.repository_id;
        let place = self.recording.enter(keys, &request);
        let (before, open, known) = tokio::try_join!(
            ledger.asked(keys, &request.workload, until),
            ledger.open_in(repository_id, until),
            ledger.visibility(repository_id, until),
        )?;
        // A repeated request keeps its approval, whatever the limits and rules are by now.
        let opened = match before {
            Some(before) => before,
            None => {
                let allowed = self.policy.request(&request.terms, &request.workload);
                if let Err(outcome) = allowed.and(within_limits(&request, &open, &place.before)) {
                    return Ok(Err(outcome.into()));
                }
                match self.known_rerunner(request.clone(), timing).await {
                    Ok(request) => ledger.ask(keys, &request, until).await?,
                    Err(report) => return Ok(Err(report)),
                }
            }
        };
        let is_new = opened.id == request.id;
        if is_new {
            // Nobody listens where GitHub is not asked.
            let _ = begin.send(());
        }
        let opening = async {
            match !is_new && ledger.was_opened(&opened.id, until).await? {
                true => Ok(()),
                false => ledger.open(&opened, until).await,
            }
        };
        let newest = self.note_visibility(&request.workload, visibility, known, until);
        let ((), newest) = tokio::try_join!(opening, newest)?;
        drop(place);
        Ok(Ok((opened, newest, is_new)))
    }
}

/// Allows one more open approval of its run and repository, or refuses it. `noted` are those that the ledger shows,
/// `before` those that were in work when this one came.
// T9
fn within_limits(request: &Request, noted: &[Open], before: &[Open]) -> Result<(), Outcome> {
    let is_noted = |open: &&Open| !noted.iter().any(|noted| noted.id == open.id);
    let open = || {
        let all = noted.iter().chain(before.iter().filter(is_noted));
        all.filter(|open| open.expires_at > request.created_at && open.id != request.id)
    };
    if open().filter(|open| open.run_id == request.workload.run_id).count() >= Limited::MAX_OF_RUN {
        return Err(Outcome::Limited(Limited::Run));
    }
    match open().count() >= Limited::MAX_OF_REPOSITORY {
        true => Err(Outcome::Limited(Limited::Repository)),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{approval::Repository, surfaces::request::parse_body};

    fn request(run_id: usize, number: u64) -> Request {
        let mut random = [0; 16];
        random[..8].copy_from_slice(&number.to_be_bytes());
        let now = chrono::DateTime::from_timestamp(1_800_000_000, 0).expect("a time");
        let repository = Repository::parse("octo/app").expect("a repository");
        let workload = Workload { run_id: run_id.to_string(), ..Workload::sample(repository) };
        let terms = parse_body(br#"{"event_type":"go"}"#, 1).expect("a request");
        Request { id: ApprovalId::new(now, random), terms, workload, created_at: now }
    }

    /// This number of open approvals, each of another run.
    fn open(count: usize) -> Vec<Open> {
        (0..count).map(|number| Open::of(&request(number, number as u64))).collect()
    }

    #[test]
    fn a_repository_may_have_so_many_open_and_no_more() {
        let (new, most) = (request(9_999_999, u64::MAX), Limited::MAX_OF_REPOSITORY);
        let limited = Err(Outcome::Limited(Limited::Repository));
        assert_eq!(within_limits(&new, &open(most - 1), &[]), Ok(()));
        assert_eq!(within_limits(&new, &open(most), &[]), limited);
        // Those in work count too, and once, even if the ledger shows them by now.
        assert_eq!(within_limits(&new, &open(most - 1), &open(1)), Ok(()));
        assert_eq!(within_limits(&new, &open(most)[1..], &open(1)), limited);
        assert_eq!(within_limits(&new, &[], &open(most)), limited);
    }

    #[test]
    fn what_has_expired_counts_no_more_and_one_s_own_never() {
        let mut noted = open(Limited::MAX_OF_REPOSITORY);
        let new = request(9_999_999, u64::MAX);
        noted[0] = Open::of(&new);
        assert_eq!(within_limits(&new, &noted, &[]), Ok(()));
        noted[0] = open(1)[0].clone();
        noted[0].expires_at = new.created_at;
        assert_eq!(within_limits(&new, &noted, &[]), Ok(()));
        noted[0].expires_at += chrono::TimeDelta::milliseconds(1);
        assert_eq!(within_limits(&new, &noted, &[]), Err(Outcome::Limited(Limited::Repository)));
    }

    #[test]
    fn a_run_is_named_before_its_repository() {
        let of_run: Vec<_> =
            (0..Limited::MAX_OF_RUN).map(|number| Open::of(&request(1, number as u64))).collect();
        assert_eq!(within_limits(&request(1, u64::MAX), &of_run, &[]), Err(Outcome::Limited(Limited::Run)));
        assert_eq!(within_limits(&request(2, u64::MAX), &of_run, &[]), Ok(()));
    }
}
