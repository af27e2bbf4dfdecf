//! Patterns: `*` is anything but `/`, `**` is anything, both also nothing; all else is itself.

/// A pattern for a whole text that is not empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    case: Case,
}

/// The meaning of the case of ASCII letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Case {
    /// `A` is not `a`.
    Matters,
    /// `A` is `a`.
    Ignored,
}

impl Pattern {
    /// The longest pattern, in characters.
    pub const MAX: usize = 512;

    /// Reads a pattern: any text that is not empty, without control characters.
    pub fn parse(text: &str, case: Case) -> Option<Self> {
        let is_pattern = (1..=Self::MAX).contains(&text.chars().count()) && !text.contains(char::is_control);
        is_pattern.then(|| Self { text: text.to_owned(), case })
    }

    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// True if it matches all of `text`. An empty text stands for an absent claim, and no pattern matches that.
    // T43
    pub fn matches(&self, text: &str) -> bool {
        let literal = self.text.find('*').unwrap_or(self.text.len());
        let (begin, wild) = self.text.split_at(literal);
        let Some((text_begin, rest)) = text.split_at_checked(literal) else { return false };
        let is_begun = !text.is_empty() && self.is_same(begin, text_begin);
        is_begun && if wild.is_empty() { rest.is_empty() } else { self.matches_wild(wild, rest) }
    }

    fn is_same(&self, one: &str, other: &str) -> bool {
        match self.case {
            Case::Matters => one == other,
            Case::Ignored => one.eq_ignore_ascii_case(other),
        }
    }

    /// Goes through the pattern, and keeps all places of `text` that it may have reached: no text takes longer than its
    /// length times the pattern's.
    fn matches_wild(&self, mut pattern: &str, text: &str) -> bool {
        let text: Vec<char> = text.chars().collect();
        let mut reached = vec![false; text.len() + 1];
        reached[0] = true;
        while let Some(first) = pattern.chars().next() {
            if first == '*' {
                let rest = pattern.trim_start_matches('*');
                let is_double = pattern.len() - rest.len() > 1;
                for (at, character) in text.iter().enumerate() {
                    let is_wild = character.is_ascii() && !character.is_ascii_control();
                    reached[at + 1] |= reached[at] && is_wild && (is_double || *character != '/');
                }
                pattern = rest;
            } else {
                for (at, character) in text.iter().enumerate().rev() {
                    reached[at + 1] = reached[at] && self.is_same_character(first, *character);
                }
                reached[0] = false;
                pattern = &pattern[first.len_utf8()..];
            }
        }
        reached[text.len()]
    }

    fn is_same_character(&self, one: char, other: char) -> bool {
        one == other || (self.case == Case::Ignored && one.eq_ignore_ascii_case(&other))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matches(pattern: &str, text: &str) -> bool {
        Pattern::parse(pattern, Case::Matters).expect(pattern).matches(text)
    }

    #[test]
    fn a_star_is_anything_but_a_slash_and_two_are_anything() {
        for (pattern, text, expected) in [
            ("refs/tags/v*", "refs/tags/v1.4.2", true),
            ("refs/tags/v*", "refs/tags/v", true),
            ("refs/tags/v*", "refs/tags/v1/x", false),
            ("refs/tags/v*", "xrefs/tags/v1", false),
            ("refs/tags/v**", "refs/tags/v1/x", true),
            ("refs/**", "refs/heads/a/b", true),
            ("**/main", "refs/heads/main", true),
            ("**/main", "refs/heads/main2", false),
            ("**", "refs/heads/main", true),
            ("*", "refs/heads/main", false),
            ("*", "go", true),
            ("*/*", "a/b", true),
            ("*/*", "a/b/c", false),
            ("a**b*c", "a/x/b/bc", true),
            ("a**b*c", "abx/c", false),
            ("***", "a/b", true),
            ("a.c", "abc", false),
            ("a?", "ab", false),
            ("[ab]", "a", false),
            ("a+", "aa", false),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn no_star_is_a_control_character_or_one_outside_ascii() {
        for text in ["go\n", "go\u{0}", "go\u{7f}", "gö", "go\u{200b}", "go\u{202e}x"] {
            assert!(!matches("go**", text) && !matches("*", text) && !matches("g**", text), "{text:?}");
        }
        assert!(matches("gö*", "gö-1"), "a letter that the pattern has itself");
    }

    #[test]
    fn nothing_matches_what_is_absent() {
        for pattern in ["*", "**", "a"] {
            assert!(!matches(pattern, ""), "{pattern}");
        }
    }

    #[test]
    fn case_matters_where_it_does_and_only_ascii_letters_have_one() {
        assert!(!matches("Go*", "go-live"));
        let loose =
            |pattern: &str, text: &str| Pattern::parse(pattern, Case::Ignored).expect(pattern).matches(text);
        assert!(loose("Production", "pRODUCTION") && loose("*ION", "production"));
        assert!(!loose("K", "\u{212a}") && !loose("Ä", "ä") && !loose("*K", "x\u{212a}"));
    }

    #[test]
    fn a_pattern_is_a_text_of_bounded_length_without_control_characters() {
        for bad in ["", "a\n", "\u{0}", "a\u{85}", &"x".repeat(Pattern::MAX + 1)] {
            assert_eq!(Pattern::parse(bad, Case::Matters), None, "{bad:?}");
        }
    }

    /// The same by trying everything.
    fn matches_slowly(pattern: &[char], text: &[char]) -> bool {
        match pattern {
            [] => text.is_empty(),
            ['*', '*', rest @ ..] => (0..=text.len()).any(|taken| matches_slowly(rest, &text[taken..])),
            ['*', rest @ ..] => (0..=text.len())
                .take_while(|taken| !text[..*taken].contains(&'/'))
                .any(|taken| matches_slowly(rest, &text[taken..])),
            [one, rest @ ..] => text.first() == Some(one) && matches_slowly(rest, &text[1..]),
        }
    }

    proptest! {
        #[test]
        fn a_pattern_matches_as_if_everything_was_tried(pattern in "[ab/*]{1,7}", text in "[ab/]{1,8}") {
            let characters = |text: &str| text.chars().collect::<Vec<_>>();
            let expected = matches_slowly(&characters(&pattern), &characters(&text));
            prop_assert_eq!(matches(&pattern, &text), expected);
        }
    }
}
