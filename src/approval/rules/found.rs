//! The rules that were found lately. One vote asks for its rule a dozen times, and the next votes are about the same jobs.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::{Claims, Sent, What};
use crate::approval::Repository;

/// Answers that stay true for as long as the rules do not change. A copy begins without any.
#[derive(Debug, Default)]
pub(super) struct Found(Mutex<VecDeque<(Asked, Place)>>);

/// The place of a rule among all, if one matches.
type Place = Option<usize>;

/// All that a rule is matched against.
#[derive(Debug)]
struct Asked {
    repository: Repository,
    repository_id: String,
    owner_id: Option<String>,
    git_ref: String,
    environment: Option<String>,
    job_workflow_ref: Option<String>,
    /// Event types, and files of workflows with their refs.
    sent: Vec<(String, Option<String>)>,
}

impl Clone for Found {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl Found {
    /// The most answers that are kept.
    pub(super) const MAX: usize = 64;

    /// The answer to the same question, or that of `find`.
    pub(super) fn or_else(
        &self,
        claims: &Claims<'_>,
        sent: &Sent<'_>,
        find: impl FnOnce() -> Place,
    ) -> Place {
        if let Some((_, place)) = self.lock().iter().find(|(asked, _)| asked.is(claims, sent)) {
            return *place;
        }
        let place = find();
        let mut found = self.lock();
        found.push_front((Asked::new(claims, sent), place));
        found.truncate(Self::MAX);
        place
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<(Asked, Place)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Asked {
    fn new(claims: &Claims<'_>, sent: &Sent<'_>) -> Self {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        let sent = sent.0.iter().map(parts).map(|(name, git_ref)| (name.to_owned(), owned(git_ref)));
        Self {
            repository: claims.repository.clone(),
            repository_id: claims.repository_id.to_owned(),
            owner_id: owned(claims.owner_id),
            git_ref: claims.git_ref.to_owned(),
            environment: owned(claims.environment),
            job_workflow_ref: owned(claims.job_workflow_ref),
            sent: sent.collect(),
        }
    }

    fn is(&self, claims: &Claims<'_>, sent: &Sent<'_>) -> bool {
        let Claims { repository, repository_id, owner_id, git_ref, environment, job_workflow_ref } = *claims;
        let mine = self.sent.iter().map(|(name, git_ref)| (name.as_str(), git_ref.as_deref()));
        self.git_ref == git_ref
            && self.repository_id == repository_id
            && self.repository == *repository
            && self.owner_id.as_deref() == owner_id
            && self.environment.as_deref() == environment
            && self.job_workflow_ref.as_deref() == job_workflow_ref
            && mine.eq(sent.0.iter().map(parts))
    }
}

/// The name of an event type; or that of a workflow's file, and its ref.
fn parts<'a>(what: &What<'a>) -> (&'a str, Option<&'a str>) {
    match *what {
        What::EventType(event_type) => (event_type, None),
        What::Workflow(file, git_ref) => (file, Some(git_ref)),
    }
}
