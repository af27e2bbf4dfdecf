//! The addresses that cards and pages lead to: our own page of an approval, and GitHub's of the run and the commit.

use url::Url;

use super::{Cards, content::Value};
use crate::{
    approval::{ApprovalId, Changes, Repository, Workload, is_commit},
    urls::below,
};

/// The longest part of a path that is taken from a token, in characters; what is longer is no name or id of GitHub's.
const MAX_SEGMENT: usize = 100;

impl Cards {
    /// The page of an approval.
    pub fn page_url(&self, id: &ApprovalId) -> String {
        address(&self.public_url, &["api", "approvals", id.as_str()])
    }

    /// The list of all.
    pub fn list_url(&self) -> String {
        address(&self.public_url, &["api", "approvals"])
    }

    /// The page of a fact's value, if it has one.
    pub fn address_of(&self, value: &Value) -> Option<String> {
        match value {
            Value::Repository(repository) => Some(self.repository_url(repository)),
            Value::Commit(workload) => Some(self.commit_url(workload)),
            Value::Run(workload) => Some(self.run_url(workload)),
            Value::Release(repository, id, _) => Some(self.release_url(repository, id)),
            Value::Code(_)
            | Value::Name(_)
            | Value::People(_)
            | Value::Time(_)
            | Value::Deadline(..)
            | Value::Requirement(..)
            | Value::Words(_) => None,
        }
    }

    /// The repository.
    fn repository_url(&self, repository: &Repository) -> String {
        address(&self.github, &[repository.owner(), repository.name()])
    }

    /// The attempt of the workflow run that asks.
    pub fn run_url(&self, workload: &Workload) -> String {
        let (owner, name) = (workload.repository.owner(), workload.repository.name());
        let run = ["runs", &workload.run_id, "attempts", &workload.run_attempt];
        address(&self.github, &[&[owner, name, "actions"], &run[..]].concat())
    }

    /// The run that releases.
    pub fn release_url(&self, repository: &Repository, run_id: &str) -> String {
        address(&self.github, &[repository.owner(), repository.name(), "actions", "runs", run_id])
    }

    /// The commit that the run is of.
    pub fn commit_url(&self, workload: &Workload) -> String {
        let (owner, name) = (workload.repository.owner(), workload.repository.name());
        address(&self.github, &[owner, name, "commit", &workload.sha])
    }

    /// The comparison of the last release with this one, if there is anything to compare.
    pub fn compare_url(&self, changes: &Changes, workload: &Workload) -> Option<String> {
        let (owner, name, head) = (workload.repository.owner(), workload.repository.name(), &workload.sha);
        let base = changes.base().filter(|base| is_commit(base) && is_commit(head) && base != head)?;
        Some(below(&self.github, [owner, name, "compare", &format!("{base}...{head}")]).into())
    }
}

/// The address of `segments` below `base`, each no longer than a part of a path can be.
fn address(base: &Url, segments: &[&str]) -> String {
    let cut = |segment: &&str| segment.chars().take(MAX_SEGMENT).collect::<String>();
    below(base, segments.iter().map(cut)).into()
}
