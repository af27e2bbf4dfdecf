//! JSON text from outside, before it is parsed or hashed.
//!
//! JSON can escape half of a surrogate pair (`\ud83d` alone), as a program does that cuts an emoji in two. Half a
//! character is no text to any strict parser, and nobody's click is to be lost over it: it is read as U+FFFD, the
//! character for what cannot be shown.

use std::borrow::Cow;

/// The replacement of half a character, which is no part of any name.
pub const REPLACEMENT: char = char::REPLACEMENT_CHARACTER;

/// The length of `\uXXXX`, in bytes.
const ESCAPE_BYTES: usize = 6;

/// `json` with `\ufffd` for each escape of half a surrogate pair; all else stays to the letter.
///
/// Outside of strings JSON has no backslash, so a text that has one there is refused afterwards in any case.
pub fn whole_characters(json: &str) -> Cow<'_, str> {
    let bytes = json.as_bytes();
    let (mut halves, mut at) = (Vec::new(), 0);
    while let Some(found) = bytes.get(at..).and_then(|rest| rest.iter().position(|byte| *byte == b'\\')) {
        at += found;
        at += match (code_unit(bytes, at), code_unit(bytes, at + ESCAPE_BYTES)) {
            (Some(0xD800..=0xDBFF), Some(0xDC00..=0xDFFF)) => 2 * ESCAPE_BYTES,
            (Some(0xD800..=0xDFFF), _) => {
                halves.push(at);
                ESCAPE_BYTES
            }
            // The character after a backslash is escaped by it, and no escape of its own.
            _ => 2,
        };
    }
    if halves.is_empty() {
        return Cow::Borrowed(json);
    }
    let mut whole = bytes.to_vec();
    for at in halves {
        whole[at..at + ESCAPE_BYTES].copy_from_slice(br"\ufffd");
    }
    Cow::Owned(String::from_utf8(whole).expect("ASCII in the place of ASCII"))
}

/// The code unit that is escaped here, if one is: `\u` and four hexadecimal digits.
fn code_unit(bytes: &[u8], at: usize) -> Option<u16> {
    let digits = bytes.get(at..at + ESCAPE_BYTES)?.strip_prefix(br"\u")?;
    let digit =
        |value: u16, digit: &u8| Some(value << 4 | u16::try_from(char::from(*digit).to_digit(16)?).ok()?);
    digits.iter().try_fold(0, digit)
}

/// JSON with one member or element a line, two spaces deeper each time; its texts and numbers stay to the letter.
pub fn pretty(json: &str) -> String {
    let (mut shown, mut depth, mut characters) =
        (String::with_capacity(json.len() * 2), 0, json.chars().peekable());
    let new_line = |shown: &mut String, depth: usize| {
        shown.push('\n');
        shown.extend(std::iter::repeat_n("  ", depth));
    };
    while let Some(character) = characters.next() {
        match character {
            '"' => {
                shown.push('"');
                copy_text(&mut characters, &mut shown);
            }
            '{' | '[' => {
                shown.push(character);
                while characters.next_if(|next| next.is_ascii_whitespace()).is_some() {}
                if let Some(end) = characters.next_if(|next| matches!(next, '}' | ']')) {
                    shown.push(end);
                } else {
                    depth += 1;
                    new_line(&mut shown, depth);
                }
            }
            '}' | ']' => {
                depth = usize::saturating_sub(depth, 1);
                new_line(&mut shown, depth);
                shown.push(character);
            }
            ',' => {
                shown.push(',');
                new_line(&mut shown, depth);
            }
            ':' => shown.push_str(": "),
            space if space.is_ascii_whitespace() => {}
            other => shown.push(other),
        }
    }
    shown
}

/// Copies a text after its first quotation mark, to its last.
fn copy_text(characters: &mut impl Iterator<Item = char>, shown: &mut String) {
    while let Some(character) = characters.next() {
        shown.push(character);
        match character {
            '\\' => shown.extend(characters.next()),
            '"' => return,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn half_a_character_becomes_the_replacement_character() {
        for (json, whole) in [
            (r#""\ud83d""#, r#""\ufffd""#),
            (r#""\uDE00 \uD83D!""#, r#""\ufffd \ufffd!""#),
            (r#""\ud83d\ud83d\ude00""#, r#""\ufffd\ud83d\ude00""#),
            (r#""\ude00\ud83d""#, r#""\ufffd\ufffd""#),
            (r#""\ud83d\u0041\\\ud83dA""#, r#""\ufffd\u0041\\\ufffdA""#),
            (r#"{"\ud83d":["é\ud83d"]}"#, r#"{"\ufffd":["é\ufffd"]}"#),
        ] {
            assert_eq!(whole_characters(json), whole);
            assert!(serde_json::from_str::<serde_json::Value>(&whole_characters(json)).is_ok(), "{json}");
        }
    }

    #[test]
    fn all_else_stays_to_the_letter() {
        for json in [
            r#""\ud83d\ude00""#,
            r#""\\ud83d \\\\ud83d \"\\""#,
            r#""\u00e9\uD7FF\uE000\uFFFD""#,
            r#""\u+d83 \ud83 \ud8"#,
            "\"\\é\\",
            "\\",
            "",
        ] {
            assert!(matches!(whole_characters(json), Cow::Borrowed(same) if same == json), "{json}");
        }
    }

    proptest! {
        #[test]
        fn pretty_json_is_the_same_json(text in ".{0,20}", number in any::<i64>()) {
            let value = serde_json::json!({"a": [text, number, {}, []], "b": {text: [[null, true]]}});
            let shown = pretty(&value.to_string());
            prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).expect("JSON"), value);
            prop_assert_eq!(pretty(&shown), shown);
        }

        /// Any text, written with an escape for each of its UTF-16 code units, is read as Rust reads its code units.
        #[test]
        fn escapes_are_read_as_their_code_units_are(units in prop::collection::vec(
            prop_oneof![any::<u16>(), 0xD7F0_u16..0xE010, Just(0x5C), Just(0x22)], 0..40,
        )) {
            let escaped: String = units.iter().map(|unit| format!("\\u{unit:04x}")).collect();
            let json = format!("\"{escaped}\"");
            let read: String = serde_json::from_str(&whole_characters(&json)).expect("a text");
            prop_assert_eq!(read, String::from_utf16_lossy(&units));
            prop_assert_eq!(whole_characters(&json).len(), json.len());
        }

        /// JSON that a strict parser takes is not touched, and neither is the result a second time.
        #[test]
        fn whole_text_is_not_touched(text in "[\\\\u\"d83e0-9A-Fé]{0,80}") {
            let whole = whole_characters(&text);
            prop_assert_eq!(&whole_characters(&whole), &whole);
            if serde_json::from_str::<serde_json::Value>(&text).is_ok() {
                prop_assert_eq!(&whole, &text);
            }
        }
    }
}
