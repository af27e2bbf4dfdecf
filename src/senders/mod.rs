//! The ways out: GitHub, and the channel in Teams. Each sends one body within a deadline and says how it was answered.

pub mod github;
pub mod teams;
