//! The ways out: GitHub, the channel in Teams, and Microsoft Graph. Each sends one body within a deadline and says how
//! it was answered.

pub mod github;
pub mod graph;
pub mod teams;
pub mod token;
