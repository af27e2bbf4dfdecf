//! The suite drives the real binary over HTTP, the way its users reach it, and asserts what came out at both ends.
//!
//! - [`functions_host`] is a stand-in for the Azure Functions host: it reads the app's own `host.json` and
//!   `function.json`s, starts the binary, and hands requests on in each of the three forms hosts have used.
//! - [`standalone`] starts the binary without a host, as `cargo run` does.
//! - [`github`] is a GitHub that refuses what GitHub refuses, and [`misbehaving`] a server that breaks HTTP itself.
//!   Both fail a test on traffic it did not announce.
//!   What goes over the wire between us and them is held to official descriptions ([`wire`]).
//! - [`graph`] is a Microsoft Graph, which knows who is in a group.
//! - [`authority`] is an Entra, and [`actions`] the issuer of GitHub Actions: both publish [`signing_keys`] by
//!   [`openid`]. [`tokens`] are what they issue, and [`forgeries`] what others make of them.
//! - [`connector`] is the Bot Connector, through which Teams and a bot speak with each other: the bot with a token of
//!   the [`token_desk`], Teams with [`activities`].
//! - [`browser`] is a real one, for pages; [`card_page`] shows a card in it as Teams and Outlook do.
//! - [`runner`] runs the steps of the actions, and of the workflows in `examples/`, as GitHub's runners do.
//! - [`stores`] are the places where decisions can live, one of them in [`azurite`], Microsoft's own emulator.
//! - [`bicep`] reads the template of a deployment, and [`azure_types`] are what Azure says of its resources.
//! - [`instances`] are of this process, with a clock that is an argument, on a store that may be a [`faulty_store`] or a
//!   [`rough_store`].
//!
//! The other modules are the behaviours, one file per theme; [`modes`] are the forms they run in.

#![expect(
    clippy::disallowed_methods,
    reason = "the tests have a clock, an environment and clients of their own"
)]

#[macro_use]
mod modes;
#[macro_use]
mod stores;

mod actions;
mod activities;
mod app_desk;
mod authority;
mod authors;
mod azure_types;
mod azurite;
mod bicep;
mod browser;
mod card_answer;
mod card_page;
mod connector;
mod deployment;
mod docs;
mod faulty_store;
mod forgeries;
mod functions_host;
mod github;
mod github_compare;
mod graph;
mod handler_process;
mod http1;
mod in_process;
mod instances;
mod misbehaving;
mod node_tools;
mod openid;
mod rough_store;
mod rule_channels;
mod runner;
mod signing_keys;
mod standalone;
mod token_desk;
mod tokens;
mod web_server;
mod wire;
mod withdrawals;
mod yaml;

mod app_files;
mod approval_examples;
mod approval_mail;
mod approvers;
mod asking_action;
mod bad_connector_tokens;
mod bad_job_tokens;
mod bad_tokens;
mod bot;
mod bot_faults;
mod bot_messages;
mod broken_calls;
mod broken_stores;
mod browser_guards;
mod browser_tools;
mod card_tools;
mod changes;
mod changes_shown;
mod channel;
mod channels;
mod checks;
mod checks_gone_wrong;
mod clocks;
mod command_line;
mod connector_tokens;
mod deliver;
mod faults;
mod forms;
mod front_door;
mod github_answers;
mod github_app;
mod github_workflows;
mod groups;
mod half_characters;
mod half_written;
mod identity_settings;
mod invalid_clicks;
mod issuer_keys;
mod job_tokens;
mod jobs;
mod killed;
mod ledger;
mod lifecycle;
mod limits;
mod local_run;
mod logs;
mod long_lists;
mod moved_refs;
mod old_stores;
mod operators_rules;
mod operators_rules_in_time;
mod package;
mod pages;
mod pages_in_a_browser;
mod performers;
mod pictures;
mod policy;
mod protocol;
mod refusals;
mod relay;
mod release;
mod release_runs;
mod rendered_cards;
mod request_faults;
mod requests;
mod run_faults;
mod self_approval;
mod settings_of_now;
mod setup;
mod stand_in;
mod teams_app;
mod template;
mod unreadable;
mod visibility;
mod votes;
mod workflow_dispatches;
mod workflow_starts;
mod workflows;
