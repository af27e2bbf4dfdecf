//! ApproveRelease: a click on *Approve* in a card becomes one `repository_dispatch` at GitHub, and the card says what
//! happened.
//!
//! A request comes in at [`server`], whichever form of the custom-handler protocol ([`host`]) the Functions host
//! uses. A surface ([`surfaces`]) has [`identity`] verify who sent it and reads what it asks for. [`approve`] holds
//! that click against the operator's policy ([`approval`]), records the decision in the [`ledger`], once, and hands
//! it to [`delivery`], which sends it to [`github`] until it has arrived. What became of it is an outcome, for which
//! [`cards`] has the sentence that goes back to the card. [`config`] is read before anything else.

pub mod approval;
pub mod approve;
pub mod cards;
pub mod config;
pub mod delivery;
pub mod github;
pub mod host;
pub mod http_client;
pub mod identity;
pub mod ledger;
pub mod printable;
pub mod server;
pub mod surfaces;
pub mod teams;
