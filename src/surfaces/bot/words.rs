//! The words of a message to the bot. Teams writes a message as text with mentions in it, or as HTML.

/// The words of a message, without mentions, tags, entities, and the punctuation around each.
pub fn words(text: &str) -> Vec<String> {
    let text = unescaped(&without_tags(text));
    let word = |word: &str| word.trim_matches(|c: char| !c.is_alphanumeric()).to_owned();
    text.split_whitespace().map(word).filter(|word| !word.is_empty()).collect()
}

/// The text with a space in place of each tag and of each whole mention (`<at>…</at>`).
fn without_tags(text: &str) -> String {
    let mut words = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('<') {
        words.push_str(before);
        let is_tag = after.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '/' | '!'));
        rest = match after.split_once('>').filter(|_| is_tag) {
            // A tag that is never closed is text like any other.
            None => {
                words.push('<');
                after
            }
            Some((tag, after)) => {
                words.push(' ');
                match tag.split_whitespace().next() {
                    Some("at") => after.split_once("</at>").map_or("", |(_, after)| after),
                    _ => after,
                }
            }
        };
    }
    words + rest
}

/// The text with the character for each known entity.
fn unescaped(text: &str) -> String {
    /// The longest entity that is looked for, in bytes.
    const MAX_ENTITY: usize = 10;
    let mut words = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        words.push_str(before);
        let end = after.bytes().take(MAX_ENTITY).position(|byte| byte == b';');
        let known = end.and_then(|end| Some((character(&after[..end])?, &after[end + 1..])));
        rest = match known {
            Some((character, after)) => {
                words.push(character);
                after
            }
            None => {
                words.push('&');
                after
            }
        };
    }
    words + rest
}

/// The character that an entity stands for: the few that texts in HTML need, and all by number.
fn character(entity: &str) -> Option<char> {
    let number = |digits: &str, radix| char::from_u32(u32::from_str_radix(digits, radix).ok()?);
    match entity {
        "nbsp" => Some(' '),
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => match entity.strip_prefix('#')? {
            hex if hex.starts_with(['x', 'X']) => number(&hex[1..], 16),
            decimal => number(decimal, 10),
        },
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_word_is_found_however_the_client_writes_it() {
        for text in [
            "pending",
            "<at>Bot</at> pending\n",
            "<at>Bot</at>&nbsp;pending",
            "<at>Bot</at>&#160;pending?",
            "<at id=\"0\">Bot &amp; more</at>&#xA0;Pending.",
            "<p><at>Bot</at> pending</p>",
            "<div><p>&nbsp;pending</p>\n<p>&nbsp;</p></div>",
            "pending<br/>",
            "<b>pending</b>!",
            "&quot;pending&quot;",
            "\u{a0}pending\u{200b}",
            "\u{201c}pending\u{201d} \u{2026}",
        ] {
            let words: Vec<_> = words(text).iter().map(|word| word.to_lowercase()).collect();
            assert_eq!(words, ["pending"], "{text}");
        }
    }

    #[test]
    fn what_stands_in_a_mention_or_a_tag_is_not_said() {
        for text in [
            "<at>pending</at>",
            "<at>pending",
            "<a title=pending>x</a>",
            "impending",
            "<at id=1>pending</at>",
        ] {
            assert!(!words(text).contains(&"pending".to_owned()), "{text}");
        }
        assert_eq!(words("1 < 2 & x > y <3"), ["1", "2", "x", "y", "3"]);
        assert_eq!(words("&#x110000; &#; &; &#-1; é"), ["x110000", "1", "é"]);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "([<>&;#xat/ é😀]|&#x?[0-9a-f]{0,12};|<at>|</at>|&nbsp;|\\PC){0,40}") {
            let _ = words(&text);
        }
    }
}
