//! The tokens that calls to GitHub are made with.

use secrecy::SecretString;

use crate::{
    approval::{Repository, SendResult},
    timing::Timing,
};

/// The right that a call needs. Each asks for the permissions it needs and no others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    /// To send a `repository_dispatch`: Contents, write.
    SendEvent,
    /// To start a workflow: Actions, write.
    StartWorkflow,
    /// To read commits and refs: Contents, read.
    ReadContents,
    /// To read runs: Actions, read.
    ReadActions,
    /// To see the repository: Metadata, read.
    ReadRepository,
}

/// The credentials of this deployment.
pub struct Credentials {
    token: Option<SecretString>,
}

impl Credentials {
    /// `GITHUB_TOKEN`, if it is set.
    pub fn new(token: Option<SecretString>) -> Self {
        Self { token }
    }

    /// The setting without which no call can be made.
    pub fn lacks(&self) -> Option<&'static str> {
        self.token.is_none().then_some("GITHUB_TOKEN")
    }

    /// `GITHUB_TOKEN`, if it is set.
    pub fn fixed(&self) -> Option<&SecretString> {
        self.token.as_ref()
    }

    /// The token for a call about this repository, by the deadline.
    ///
    /// # Errors
    /// The result of the call that cannot be made.
    pub async fn token(
        &self,
        _repository: &Repository,
        _access: Access,
        _timing: Timing,
    ) -> Result<SecretString, SendResult> {
        self.token.clone().ok_or_else(SendResult::not_tried)
    }
}
