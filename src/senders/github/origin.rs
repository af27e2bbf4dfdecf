//! The origin of a request, as GitHub tells it: the account that re-ran a run, and the commit that a ref is at now.

use serde_json::Value;

use super::{Access, GitHub};
use crate::{
    approval::{SendAnswer, SendResult, Workload},
    timing::Timing,
};

/// The most annotated tags that are followed from one to the next.
const MAX_TAGS: usize = 5;

impl GitHub {
    /// The login of the account that started this attempt of the run, if it still has one.
    ///
    /// # Errors
    /// The reason why GitHub does not tell ([`GitHub::read`]).
    pub async fn rerunner(&self, job: &Workload, timing: Timing) -> Result<Option<String>, SendResult> {
        let path = ["actions", "runs", &job.run_id, "attempts", &job.run_attempt];
        let attempt = self.read(&job.repository, Access::ReadActions, &path, &[], timing).await?;
        // Another attempt's account would be another person.
        let is_it =
            is_number(&attempt["id"], &job.run_id) && is_number(&attempt["run_attempt"], &job.run_attempt);
        match is_it {
            true => Ok(text(&attempt["triggering_actor"]["login"])),
            false => Err(not_as_described("the attempt of a run")),
        }
    }

    /// True if the job's ref is no longer at the job's commit, or is gone.
    ///
    /// # Errors
    /// The reason why GitHub does not tell ([`GitHub::read`]); also if the repository cannot be read.
    pub async fn has_moved(&self, job: &Workload, timing: Timing) -> Result<bool, SendResult> {
        // `refs/heads/v1` and `refs/tags/v1` are different refs.
        let Some(name) = job.git_ref.strip_prefix("refs/") else {
            return Err(not_as_described("a ref"));
        };
        let path: Vec<_> = ["git", "ref"].into_iter().chain(name.split('/')).collect();
        let found = match self.read(&job.repository, Access::ReadContents, &path, &[], timing).await {
            Err(SendResult { what: SendAnswer::NotFound, .. }) => {
                self.read(&job.repository, Access::ReadRepository, &[], &[], timing).await?;
                return Ok(true);
            }
            found => found?,
        };
        if found["ref"] != job.git_ref.as_str() {
            return Err(not_as_described("a ref"));
        }
        self.leads_elsewhere(found, job, timing).await
    }

    /// True if an object, or the commit that it tags, is not the job's commit.
    async fn leads_elsewhere(
        &self,
        mut found: Value,
        job: &Workload,
        timing: Timing,
    ) -> Result<bool, SendResult> {
        for _ in 0..MAX_TAGS {
            let object = &found["object"];
            let Some(sha) = text(&object["sha"]) else { return Err(not_as_described("a ref")) };
            if sha == job.sha || object["type"] != "tag" {
                return Ok(sha != job.sha);
            }
            let path = ["git", "tags", &sha];
            found = self.read(&job.repository, Access::ReadContents, &path, &[], timing).await?;
        }
        Err(not_as_described("a tag"))
    }
}

/// True if the value is the number that the text is.
fn is_number(value: &Value, text: &str) -> bool {
    value.as_u64().is_some_and(|number| text.parse() == Ok(number))
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

fn not_as_described(what: &str) -> SendResult {
    let detail = format!("GitHub's answer is not that of {what}");
    SendResult { what: SendAnswer::Broken, wait_s: None, detail }
}
