//! Literal text as markdown, so that no renderer of cards sees anything else in it.
//!
//! There are two kinds: the desktop's follows CommonMark with its tables and strikethrough, the phones' knows bold,
//! italic, links and lists alone, and no backslash except before `*`, `_` and brackets. So others are escaped only
//! if the desktop would see something in them.

/// `text` as markdown that shows it to the letter, each `\n` as a new paragraph.
pub fn literal(text: &str) -> String {
    let mut escaped = Escaped::default();
    for character in text.chars() {
        match character {
            '\n' => escaped.markup("\n\n"),
            _ => escaped.character(character),
        }
    }
    escaped.text
}

/// Markdown that is being written.
#[derive(Default)]
pub struct Escaped {
    /// The text so far.
    pub text: String,
    place: Place,
}

/// The place of the next character in its line.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Place {
    /// At the beginning, where a mark would make a list or a heading of it.
    #[default]
    Start,
    /// After digits only, which are a list's number if a mark follows.
    Digits,
    /// Further on.
    Within,
}

impl Escaped {
    /// Adds one character of literal text; white space at the beginning of a line says nothing and is left out.
    pub fn character(&mut self, character: char) {
        let is_mark = match character {
            '\\' | '`' | '*' | '_' | '[' | ']' | ')' | '~' => true,
            '#' | '+' | '-' => self.place == Place::Start,
            '.' => self.place == Place::Digits,
            _ => false,
        };
        if is_mark {
            self.text.push('\\');
        }
        match character {
            ' ' if self.place == Place::Start => {}
            '&' => self.text.push_str("&amp;"),
            '<' => self.text.push_str("&lt;"),
            '>' => self.text.push_str("&gt;"),
            _ => self.text.push(character),
        }
        self.place = match (self.place, character) {
            (Place::Start, ' ') => Place::Start,
            (Place::Start | Place::Digits, '0'..='9') => Place::Digits,
            _ => Place::Within,
        };
    }

    /// Adds markdown of our own.
    pub fn markup(&mut self, markup: &str) {
        self.text.push_str(markup);
        if markup.ends_with(['\n', ' ']) {
            self.place = Place::Start;
        }
    }
}

#[cfg(test)]
mod tests {
    use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

    use super::*;
    use crate::text::line::plain_lines;

    /// The text that a reader of markdown with all extensions sees, if it is paragraphs of text only.
    fn shown(markdown: &str) -> Option<String> {
        let all = Options::ENABLE_TABLES
            | Options::ENABLE_STRIKETHROUGH
            | Options::ENABLE_FOOTNOTES
            | Options::ENABLE_TASKLISTS
            | Options::ENABLE_GFM;
        let mut shown = String::new();
        for event in Parser::new_ext(markdown, all) {
            match event {
                Event::Text(text) => shown.push_str(&text),
                Event::Start(Tag::Paragraph) => {}
                Event::End(TagEnd::Paragraph) => shown.push('\n'),
                _ => return None,
            }
        }
        Some(shown)
    }

    #[track_caller]
    fn assert_literal(text: &str) {
        let lines = plain_lines(text, usize::MAX);
        let expected: String =
            lines.lines().filter(|line| !line.is_empty()).map(|line| format!("{line}\n")).collect();
        assert_eq!(shown(&literal(&lines)), Some(expected), "{:?}", literal(&lines));
    }

    #[test]
    fn marks_are_shown_as_they_are() {
        for text in [
            "**a** __b__ _c_ `d` ~~e~~ [f](https://g.example) ![h](i) <b>j</b> &lt; \\* \\",
            "# a\n## b\n- c\n* d\n+ e\n1. f\n2) g\n> h\n```\ni\n```\n~~~\n---\n***\n===\n    j",
            "a | b\n--- | ---\nc | d",
            "[a]: https://b.example\n[^1] [ ] <https://c.example> <at>Alex</at>",
            "1.4.2\n-1\n#12\n10.\n\u{a0}- a\n\t# b",
        ] {
            assert_literal(text);
        }
        assert_eq!(literal("v1.4.2 of a-b (c #1)"), "v1.4.2 of a-b (c #1\\)");
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_shown_as_it_is(text in "\\PC*", marks in "([-#+*_`~|:=>!.()\\[\\]\\\\<&; \n1a]|\\{){0,60}") {
            assert_literal(&text);
            assert_literal(&marks);
        }
    }
}
