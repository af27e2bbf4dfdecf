//! Outside text made safe to print: in a log line, a header or a sentence.
//!
//! All text from a card, a caller or GitHub passes through here before a person or a log reads it. The result
//! is visible ASCII with plain spaces, of bounded length, so that it can neither break a line nor start a new one.

/// `text` with everything but visible ASCII and single spaces escaped, cut to at most `limit` characters.
///
/// A cut ends in `...`, which counts towards the limit.
pub fn printable(text: &str, limit: usize) -> String {
    let mut printed = String::with_capacity(text.len().min(limit));
    for character in text.chars() {
        match character {
            '\\' => printed.push_str("\\\\"),
            ' '..='~' => printed.push(character),
            _ => printed.extend(character.escape_default()),
        }
        if printed.len() > limit {
            printed.truncate(limit.saturating_sub(3));
            printed.push_str("...");
            break;
        }
    }
    printed
}

/// A failure and its reason, in a printable line of bounded length: our own context, and the first cause. The errors
/// between them in a library's chain mostly repeat it.
pub fn describe(error: &anyhow::Error) -> String {
    let about: Vec<_> = error.chain().take(2).map(|cause| printable(&cause.to_string(), 200)).collect();
    let root = printable(&error.root_cause().to_string(), 200);
    let about = about.join(": ");
    if about.contains(&root) { about } else { format!("{about}: {root}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_controls_and_other_alphabets_are_escaped() {
        assert_eq!(printable("a\r\nb\u{7f}\u{202e}é\\", 80), r"a\r\nb\u{7f}\u{202e}\u{e9}\\");
    }

    #[test]
    fn an_error_says_what_was_done_and_the_first_cause() {
        let error = anyhow::anyhow!("refused\n").context("c").context("b").context("a");
        assert_eq!(describe(&error), r"a: b: refused\n");
        assert_eq!(describe(&anyhow::anyhow!("refused")), "refused");
    }

    #[test]
    fn long_text_is_cut_with_a_visible_mark() {
        assert_eq!(printable(&"x".repeat(11), 10), "xxxxxxx...");
        assert_eq!(printable(&"x".repeat(10), 10), "xxxxxxxxxx");
    }
}
