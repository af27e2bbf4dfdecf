//! Reading from GitHub: one question about one repository, with a limit on what is read of the answer.

use serde_json::Value;

use super::{Access, Call, GitHub};
use crate::{
    approval::{Repository, SendAnswer, SendResult},
    http_client::read_start,
    timing::Timing,
};

/// The largest answer that is read, in bytes: the comparison of two commits holds the changes of up to 300 files.
const MAX_READ_BYTES: usize = 8 * 1024 * 1024;

impl GitHub {
    /// The JSON at a path below `repos/owner/name`.
    ///
    /// # Errors
    /// Any answer but 200, by its meaning (404: [`SendAnswer::NotFound`]), and the reason why there is none: larger
    /// than 8 MB or no JSON is [`SendAnswer::Broken`].
    pub async fn read(
        &self,
        repository: &Repository,
        access: Access,
        path: &[&str],
        query: &[(&str, &str)],
        timing: Timing,
    ) -> Result<Value, SendResult> {
        let path = [&["repos", repository.owner(), repository.name()], path].concat();
        let mut answered = self.call(repository, access, &Call::get(&path, query), timing).await?;
        if answered.status() != 200 {
            return Err(answered.meaning(timing.now).await);
        }
        let body = read_start(&mut answered.response, MAX_READ_BYTES + 1).await;
        let unreadable =
            |detail: &str| SendResult { what: SendAnswer::Broken, wait_s: None, detail: detail.to_owned() };
        if body.len() > MAX_READ_BYTES {
            return Err(unreadable("GitHub's answer is larger than 8 MB"));
        }
        serde_json::from_slice(&body).map_err(|_| unreadable("GitHub's answer is no whole JSON"))
    }
}
