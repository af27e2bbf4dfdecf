//! Outbound to Microsoft Teams.

pub mod webhook;
