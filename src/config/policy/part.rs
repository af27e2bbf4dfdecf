//! A part of the policy's JSON and its place: `POLICY[0].requires[1]`.

use std::collections::BTreeSet;

use serde_json::value::RawValue;

use crate::{
    approval::{Invalid, Members},
    text::identifier::identifier,
};

/// The most entries of a list.
pub const MAX_ENTRIES: usize = 500;

/// A value and its place.
pub struct Part<'a> {
    place: String,
    json: &'a RawValue,
}

/// An object of which each member is taken once.
pub struct Object<'a> {
    place: String,
    members: Vec<(String, &'a RawValue)>,
}

/// Everything that cannot be used, a line each.
pub type Unusable = Vec<String>;

impl<'a> Part<'a> {
    /// The whole text.
    pub fn whole(place: &str, json: &'a str, unusable: &mut Unusable) -> Option<Self> {
        match serde_json::from_str(json) {
            Ok(json) => Some(Self { place: place.to_owned(), json }),
            Err(error) => {
                let (line, column) = (error.line(), error.column());
                unusable.push(format!("{place}: is not JSON (line {line}, column {column})"));
                None
            }
        }
    }

    /// Adds a complaint about this part: "must be …".
    pub fn refuse(&self, told: &str, unusable: &mut Unusable) {
        unusable.push(format!("{}: {told}", self.place));
    }

    /// The text, as `parse` reads it; `expected` completes the sentence "must be …".
    pub fn text<T>(
        &self,
        expected: &str,
        unusable: &mut Unusable,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let parsed = serde_json::from_str::<String>(self.json.get()).ok().and_then(|text| parse(&text));
        if parsed.is_none() {
            self.refuse(&format!("must be {expected}"), unusable);
        }
        parsed
    }

    /// A whole number from 1 to `most`.
    pub fn number(&self, most: u16, unusable: &mut Unusable) -> Option<u16> {
        let number = serde_json::from_str::<f64>(self.json.get()).ok();
        // In JSON 2.0 is 2.
        let found = number.and_then(|number| (1..=most).find(|whole| f64::from(*whole) == number));
        if found.is_none() {
            self.refuse(&format!("must be a whole number from 1 to {most}"), unusable);
        }
        found
    }

    /// True or false.
    pub fn boolean(&self, unusable: &mut Unusable) -> Option<bool> {
        let found = serde_json::from_str(self.json.get()).ok();
        if found.is_none() {
            self.refuse("must be true or false", unusable);
        }
        found
    }

    /// The entries of a list that is not empty and has at most `most`.
    pub fn list(&self, most: usize, unusable: &mut Unusable) -> Vec<Part<'a>> {
        let entries: Vec<&RawValue> = match serde_json::from_str(self.json.get()) {
            Ok(entries) => entries,
            Err(_) => {
                self.refuse("must be a list", unusable);
                return Vec::new();
            }
        };
        if !(1..=most).contains(&entries.len()) {
            self.refuse(&format!("must have 1 to {most} entries"), unusable);
            return Vec::new();
        }
        let part = |(at, json)| Part { place: format!("{}[{at}]", self.place), json };
        entries.into_iter().enumerate().map(part).collect()
    }

    /// The members of an object, no two of one name.
    pub fn object(&self, unusable: &mut Unusable) -> Option<Object<'a>> {
        match Members::parse(self.json.get()) {
            Ok(members) => Some(Object { place: self.place.clone(), members: members.0 }),
            Err(Invalid::DuplicateKey(name)) => {
                self.refuse(&format!("has {} twice", shown(&name)), unusable);
                None
            }
            Err(_) => {
                self.refuse("must be an object", unusable);
                None
            }
        }
    }
}

impl<'a> Object<'a> {
    /// The member of this name, if there is one.
    pub fn take(&mut self, name: &str) -> Option<Part<'a>> {
        let at = self.members.iter().position(|(member, _)| member == name)?;
        let (name, json) = self.members.swap_remove(at);
        Some(Part { place: format!("{}.{name}", self.place), json })
    }

    /// The member of this name, which must be there.
    pub fn need(&mut self, name: &str, unusable: &mut Unusable) -> Option<Part<'a>> {
        let part = self.take(name);
        if part.is_none() {
            unusable.push(format!("{}.{name}: is missing", self.place));
        }
        part
    }

    /// True if the object has this member.
    pub fn has(&self, name: &str) -> bool {
        self.members.iter().any(|(member, _)| member == name)
    }

    /// Adds a complaint about the object.
    pub fn refuse(&self, told: &str, unusable: &mut Unusable) {
        unusable.push(format!("{}: {told}", self.place));
    }

    /// Names the members that nothing took.
    pub fn finish(self, unusable: &mut Unusable) {
        for (name, _) in &self.members {
            unusable.push(format!("{}: {} is unknown", self.place, shown(name)));
        }
    }
}

/// A list in which each entry is a text of the same kind.
pub fn texts<T>(
    part: &Part<'_>,
    expected: &str,
    unusable: &mut Unusable,
    parse: impl Fn(&str) -> Option<T>,
) -> Vec<T> {
    let entries = part.list(MAX_ENTRIES, unusable);
    entries.iter().filter_map(|entry| entry.text(expected, unusable, &parse)).collect()
}

/// Names the entries that stand there before, by the `key` of each.
pub fn refuse_doubles<'k>(
    parts: &[Part<'_>],
    keys: impl Iterator<Item = Option<&'k String>>,
    unusable: &mut Unusable,
) {
    let mut seen = BTreeSet::new();
    for (part, key) in parts.iter().zip(keys) {
        if let Some(key) = key
            && !seen.insert(key.to_ascii_lowercase())
        {
            part.refuse("is listed twice (case does not matter)", unusable);
        }
    }
}

/// A member's name for people, not too long.
fn shown(name: &str) -> String {
    const MAX: usize = 60;
    identifier(&name.chars().take(MAX).collect::<String>())
}
