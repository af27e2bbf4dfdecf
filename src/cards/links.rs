//! Where cards lead: to our own page of an approval, and to GitHub's of the run and the commit.

use url::Url;

use super::Cards;
use crate::approval::{ApprovalId, Repository, Workload};

/// The longest part of a path that is taken from a token, in characters; what is longer is no name or id of GitHub's.
const MAX_SEGMENT: usize = 100;

impl Cards {
    /// The page of an approval.
    pub fn page_url(&self, id: &ApprovalId) -> String {
        below(&self.public_url, &["api", "approvals", id.as_str()])
    }

    /// The list of all.
    pub fn list_url(&self) -> String {
        below(&self.public_url, &["api", "approvals"])
    }

    /// The repository.
    pub fn repository_url(&self, repository: &Repository) -> String {
        below(&self.github, &[repository.owner(), repository.name()])
    }

    /// The attempt of the workflow run that asks.
    pub fn run_url(&self, workload: &Workload) -> String {
        let (owner, name) = (workload.repository.owner(), workload.repository.name());
        let run = ["runs", &workload.run_id, "attempts", &workload.run_attempt];
        below(&self.github, &[&[owner, name, "actions"], &run[..]].concat())
    }

    /// The commit that the run is of.
    pub fn commit_url(&self, workload: &Workload) -> String {
        let (owner, name) = (workload.repository.owner(), workload.repository.name());
        below(&self.github, &[owner, name, "commit", &workload.sha])
    }
}

/// `base` with further parts of its path, each of which stays one part.
fn below(base: &Url, segments: &[&str]) -> String {
    let mut url = base.clone();
    url.set_query(None);
    url.set_fragment(None);
    // Only a URL without a path, such as `mailto:`, has no segments, and no setting takes one.
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty();
        path.extend(segments.iter().map(|segment| segment.chars().take(MAX_SEGMENT).collect::<String>()));
    }
    url.into()
}
