//! Identifiers for people: refs, repositories, event types, logins, keys and texts of a payload.
//!
//! Somebody approves what they read. So nothing is taken away from an identifier, and two that differ never look equal
//! because of what is invisible: it is written as an escape. Only the shown text is changed; what is compared, stored and
//! sent stays as it is.

use unicode_script::{Script, UnicodeScript};
use unicode_security::{RestrictionLevel, RestrictionLevelDetection};

use super::{json::pretty, line::is_hidden};

/// The mark behind an identifier with a word of mixed alphabets, in which one letter can pass for another.
const MIXED: &str = " (mixed alphabets)";

/// `text` with each character that is not plainly visible as `\u{200b}`, and a backslash as `\\`.
///
/// A word whose letters no single way of writing has gets a mark: one beyond *Highly Restrictive* in
/// [UTS 39](https://www.unicode.org/reports/tr39/#Restriction_Level_Detection).
// T11
pub fn identifier(text: &str) -> String {
    let mut shown = escaped(text);
    if has_mixed_alphabets(text) {
        shown.push_str(MIXED);
    }
    shown
}

/// JSON as it came, one member a line, with each character of its texts that is not plainly visible as `\u{200b}`.
///
/// JSON's own escapes stay: it has none with a brace, so that nothing else looks like this one. A text with a word of
/// mixed alphabets gets the same mark as an identifier, behind it.
pub fn json(json: &str) -> String {
    let mut shown = String::with_capacity(json.len());
    // The text that is open, and whether the next character is escaped.
    let (mut text, mut is_escaped): (Option<String>, bool) = (None, false);
    for character in pretty(json).chars() {
        match (character, &mut text) {
            ('"', None) => text = Some(String::new()),
            ('"', Some(inside)) if !is_escaped => {
                let mark = if has_mixed_alphabets(inside) { MIXED } else { "" };
                shown.push('"');
                shown.push_str(mark);
                text = None;
                continue;
            }
            (character, Some(inside)) => {
                inside.push(character);
                is_escaped = character == '\\' && !is_escaped;
            }
            (_, None) => {}
        }
        match character {
            ' ' | '\n' => shown.push(character),
            visible if is_visible(visible) => shown.push(visible),
            hidden => shown.extend(hidden.escape_unicode()),
        }
    }
    shown
}

fn escaped(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    let mut is_begin = true;
    while let Some(character) = characters.next() {
        // A space is visible between two other characters only.
        let next = characters.peek();
        let is_lone_space = character == ' ' && !is_begin && next.is_some_and(|next| *next != ' ');
        match character {
            '\\' => shown.push_str("\\\\"),
            ' ' if is_lone_space && !shown.ends_with("\\u{20}") => shown.push(' '),
            visible if is_visible(visible) => shown.push(visible),
            hidden => shown.extend(hidden.escape_unicode()),
        }
        is_begin = false;
    }
    shown
}

/// True if the character leaves a mark of its own, whatever stands around it.
fn is_visible(character: char) -> bool {
    match character {
        '!'..='~' => true,
        // Some that are empty or only join others, and belong to no list of the invisible.
        '\u{2800}' | '\u{1D159}' | '\u{2D7F}' | '\u{16FE4}' | '\u{13430}' | '\u{1107F}' => false,
        _ if character.is_ascii() || character.is_whitespace() || is_hidden(character) => false,
        // Unassigned, or for private use; or a mark on the character before it, which may look like a whole one.
        _ => !matches!(character.script(), Script::Unknown | Script::Inherited),
    }
}

fn has_mixed_alphabets(text: &str) -> bool {
    let words = text.split(|character: char| !character.is_alphanumeric() || !is_visible(character));
    words
        .filter(|word| !word.is_ascii())
        .any(|word| word.detect_restriction_level() > RestrictionLevel::HighlyRestrictive)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_plain_identifier_is_shown_as_it_is() {
        for plain in [
            "refs/heads/main",
            "release-approved",
            "octo/my_app",
            "v1.4.2+b(7)",
            "Ærøskøbing",
            "山田",
            "go live",
            "リリース-7",
        ] {
            assert_eq!(identifier(plain), plain);
        }
    }

    #[test]
    fn what_is_invisible_is_an_escape() {
        for (text, shown) in [
            ("ma\u{200b}in", r"ma\u{200b}in"),
            ("main\u{a0}", r"main\u{a0}"),
            ("m\u{ad}ain", r"m\u{ad}ain"),
            ("main\u{e0041}", r"main\u{e0041}"),
            ("main\u{3164}", r"main\u{3164}"),
            ("\u{202e}niam", r"\u{202e}niam"),
            ("a\tb\n", r"a\u{9}b\u{a}"),
            ("a\u{2800}\u{e000}", r"a\u{2800}\u{e000}"),
            (r"ma\u{200b}in", r"ma\\u{200b}in"),
            (" main ", r"\u{20}main\u{20}"),
            ("a  b", r"a\u{20}\u{20}b"),
            ("❤\u{fe0f}", r"❤\u{fe0f}"),
            ("cafe\u{301}", r"cafe\u{301}"),
            ("a\u{2d7f}\u{16fe4}", r"a\u{2d7f}\u{16fe4}"),
        ] {
            assert_eq!(identifier(text), shown, "{text:?}");
        }
    }

    #[test]
    fn words_of_mixed_alphabets_are_marked() {
        assert_eq!(identifier("m\u{430}in"), "m\u{430}in (mixed alphabets)");
        assert_eq!(identifier("refs/heads/\u{ff4d}ain"), "refs/heads/\u{ff4d}ain (mixed alphabets)");
        for one in ["релиз", "release-релиз", "東京タワー", "v2東京"] {
            assert_eq!(identifier(one), one, "{one}");
        }
    }

    #[test]
    fn a_text_in_json_with_mixed_alphabets_is_marked() {
        let shown = json("{\"ref\":\"m\u{430}in\",\"n\":\"a \\\" \u{ff14}.2\\\\\",\"ok\":\"релиз\"}");
        assert!(shown.contains("\"m\u{430}in\" (mixed alphabets),"), "{shown}");
        assert_eq!(
            shown.matches("(mixed").count(),
            1 + usize::from(has_mixed_alphabets("\u{ff14}")),
            "{shown}"
        );
        assert!(shown.contains("\"релиз\"\n"), "{shown}");
    }

    #[test]
    fn json_is_shown_to_the_letter_and_nothing_in_it_is_invisible() {
        let shown = json("{\"a\":\"x\u{200b}\\u200b\\\\\",\"b\":[1.0,{}],\"c\":{ \"d\" : \"e f\" }}");
        let expected = [
            "{",
            r#"  "a": "x\u{200b}\u200b\\\\","#.replace("\\\\", "\\").as_str(),
            r#"  "b": ["#,
            "    1.0,",
            "    {}",
            "  ],",
            r#"  "c": {"#,
            r#"    "d": "e f""#,
            "  }",
            "}",
        ]
        .join("\n");
        assert_eq!(shown, expected);
    }

    proptest! {
        /// Two identifiers that differ are shown differently, also once a browser has joined their spaces.
        #[test]
        fn two_that_differ_never_look_equal(
            one in "[ma\\\\u{} \u{200b}\u{a0}\u{ad}\u{3164}0-9]{0,12}",
            other in "[ma\\\\u{} \u{200b}\u{a0}\u{ad}\u{3164}0-9]{0,12}",
        ) {
            let seen = |text: &str| identifier(text).split_whitespace().collect::<Vec<_>>().join(" ");
            prop_assert_eq!(seen(&one) == seen(&other), one == other);
        }
    }
}
