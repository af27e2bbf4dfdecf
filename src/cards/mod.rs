//! Everything that people read in a card; nothing else writes to them.

pub mod sentences;
