//! ApproveRelease: a click on *Approve* in a card becomes one `repository_dispatch` at GitHub, and the card says what
//! happened.
//!
//! A request comes in at [`server`], whichever form of the custom-handler protocol ([`host`]) the Functions host
//! uses. A surface ([`surfaces`]) reads it into a click; [`approve`] holds the click against the operator's policy
//! ([`approval`]) and sends it to [`github`]; what became of it is an outcome, for which [`cards`] has the sentence
//! that goes back to the card. [`config`] is read once, before anything else.

pub mod approval;
pub mod approve;
pub mod cards;
pub mod config;
pub mod delivery;
pub mod github;
pub mod host;
pub mod http_client;
pub mod ledger;
pub mod printable;
pub mod server;
pub mod surfaces;
