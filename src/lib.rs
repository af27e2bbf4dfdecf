//! ApproveRelease: a workflow asks, a person presses *Approve*, GitHub gets one dispatch (an event, or the start
//! of a workflow) if the job does not wait itself, and the card tells the result.
//!
//! A request comes in at [`server`], in either form of the custom-handler protocol ([`host`]). A surface ([`surfaces`])
//! has [`identity`] verify the sender (a job, or a person in a mail, in a browser or in Teams), and reads the request.
//! [`approve`] has the stories: a job asks, a person votes or relays, either withdraws, the run that releases says that
//! it has begun and how it ended, somebody looks. Each is checked against the operator's policy ([`approval`]),
//! recorded once in the [`ledger`], and handed to the [`outbox`], which has the messages sent to GitHub and to the
//! channels in Teams ([`senders`]) until they have arrived. The result of a click is an outcome, for which [`cards`] has
//! the sentence, the card and the page. [`config`] is read before anything else.

// All output goes to the log, in its format.
#![warn(clippy::print_stdout, clippy::print_stderr, clippy::dbg_macro)]

pub mod approval;
pub mod approve;
pub mod cards;
pub mod command_line;
pub mod config;
pub mod host;
pub mod http_client;
pub mod identity;
pub mod ledger;
pub mod logger;
pub mod outbox;
pub mod policy_check;
pub mod refreshing;
pub mod senders;
pub mod server;
pub mod surfaces;
pub mod text;
pub mod time_zone;
pub mod timing;
pub mod urls;
