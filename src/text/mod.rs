//! Text from outside, made harmless for its destination. Nothing here writes a word of its own.
//!
//! | the text goes into | use |
//! |---|---|
//! | a log line, a header, a sentence | [`log::printable`]; for an error [`log::describe`] |
//! | one line that people read | [`line::plain`] |
//! | an identifier that people read | [`identifier::identifier`]: nothing is taken away, invisible characters are escapes |
//! | several lines that people read | [`line::plain_lines`] |
//! | HTML, whose template escapes it | [`line::visible`] |
//! | the Markdown of a card | [`markdown::literal`] for a value, [`markdown::card`] for Markdown from a request |
//! | HTML, as rendered Markdown from a request | [`markdown::html`] |
//! | a parser of JSON | [`json::whole_characters`] |

pub mod identifier;
pub mod json;
pub mod line;
pub mod log;
pub mod markdown;
