//! The fields of a body, as JSON or as a form.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::{
    approval::{ClientPayload, Invalid},
    text::json::{REPLACEMENT, whole_characters},
};

/// The text of a body.
pub fn text_of(body: &[u8]) -> Result<&str, Invalid> {
    let text = std::str::from_utf8(body).map_err(|_| Invalid::NotUtf8)?;
    // The host drops a byte order mark when it puts the body into a payload. We drop it too, so that both forms agree.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.trim().is_empty() { Err(Invalid::Empty) } else { Ok(text) }
}

/// The JSON of a body, for parsing and hashing, with half surrogate pairs replaced.
pub fn json_of(body: &[u8]) -> Result<Cow<'_, str>, Invalid> {
    text_of(body).map(whole_characters)
}

/// `text`, if it can be a name that others match or send on: without the replacement of half a surrogate pair.
pub fn name(text: String, field: &'static str) -> Result<String, Invalid> {
    if text.contains(REPLACEMENT) { Err(Invalid::BrokenName(field)) } else { Ok(text) }
}

/// The media type without its parameters, in lower case.
pub fn media_type(content_type: &str) -> String {
    content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// A field's value: JSON, or a form's text.
pub enum Field<'a> {
    /// JSON.
    Json(&'a RawValue),
    /// A form's text.
    Text(String),
}

impl Field<'_> {
    /// The value as a text.
    pub fn text(self, name: &'static str) -> Result<String, Invalid> {
        match self {
            Self::Json(value) => serde_json::from_str(value.get()).map_err(|_| Invalid::NotText(name)),
            Self::Text(text) => Ok(text),
        }
    }

    /// The value as a payload; in a form, JSON text.
    pub fn client_payload(self) -> Result<ClientPayload, Invalid> {
        match self {
            Self::Json(value) => ClientPayload::parse(value),
            Self::Text(text) => {
                let json = whole_characters(&text);
                ClientPayload::parse(serde_json::from_str(&json).map_err(|_| Invalid::NotJson)?)
            }
        }
    }
}

/// Puts `value` into `slot`, once.
pub fn once<T>(slot: &mut Option<T>, name: &str, value: T) -> Result<(), Invalid> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(Invalid::DuplicateKey(name.to_owned())),
    }
}
