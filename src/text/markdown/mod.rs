//! A request's markdown, made safe: for cards ([`card()`]) and for pages ([`html()`]).
//!
//! Both are written from the same parts, and what is no part does not exist: HTML is shown as the text it is, an image
//! as its description, and a link leads over https to a host that stands beside it, or is no link.

mod card;
mod escape;
mod filter;
mod html;
mod link;

pub use card::card;
pub use escape::literal;
pub use html::html;
pub use link::link;
