//! Text from outside, made plain: nothing invisible in it, no template, and of bounded length.
//!
//! All text from a request, a token or a person passes through here before it becomes part of a card or a page.
//! It is then harmless as text; for markdown or HTML it must be escaped as well.

use unicode_script::{Script, UnicodeScript};

/// The end of a text that was cut.
pub const CUT: &str = " […]";

const JOINERS: [char; 2] = ['\u{200C}', '\u{200D}'];
/// The most marks on one character.
const MAX_MARKS: usize = 4;

/// Asks for the coloured form of the character before it.
const EMOJI_STYLE: char = '\u{FE0F}';

/// `text` as one plain line of at most `limit` characters, of which [`CUT`] is the end if it was longer.
pub fn plain(text: &str, limit: usize) -> String {
    cut(&without_templates(&one_line(&visible(text))), limit)
}

/// `text` as plain lines, with no more than one empty one between two, of at most `limit` characters, of which
/// [`CUT`] is the end if it was longer.
pub fn plain_lines(text: &str, limit: usize) -> String {
    let visible = visible(text);
    let mut lines: Vec<_> = visible.lines().map(one_line).collect();
    lines.dedup_by(|line, before| line.is_empty() && before.is_empty());
    cut(without_templates(&lines.join("\n")).trim(), limit)
}

/// `text` without invisible characters, such as controls of the writing direction; every line break becomes `\n`,
/// every other white space ` `.
// T11
pub fn visible(text: &str) -> String {
    let mut visible = String::with_capacity(text.len());
    let (mut before, mut marks) = (' ', 0);
    for character in text.replace("\r\n", "\n").chars() {
        let shown = match character {
            '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}' => '\n',
            white if white.is_whitespace() => ' ',
            hidden if is_hidden(hidden) && !belongs(hidden, before) => continue,
            other => other,
        };
        // More marks on one character than any language has would be drawn over the lines above and below.
        marks = if shown.script() == Script::Inherited { marks + 1 } else { 0 };
        if marks > MAX_MARKS {
            continue;
        }
        visible.push(shown);
        before = shown;
    }
    visible
}

/// `text` with a space between two opening braces: clients replace what `{{` begins.
pub fn without_templates(text: &str) -> String {
    let mut broken = String::with_capacity(text.len());
    for character in text.chars() {
        if character == '{' && broken.ends_with('{') {
            broken.push(' ');
        }
        broken.push(character);
    }
    broken
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// `text` of at most `limit` characters, of which [`CUT`] is the end if it was longer.
pub fn cut(text: &str, limit: usize) -> String {
    if text.chars().count() <= limit {
        return text.to_owned();
    }
    let kept: String = text.chars().take(limit.saturating_sub(CUT.chars().count())).collect();
    format!("{}{CUT}", kept.trim_end())
}

/// True if `hidden` is one that alphabets and emoji cannot do without, in a place in which they need it: beside ASCII it
/// could only make two texts differ that look the same.
fn belongs(hidden: char, before: char) -> bool {
    let joins = JOINERS.contains(&hidden) || hidden == EMOJI_STYLE;
    joins && !before.is_ascii() && !JOINERS.contains(&before) && before != hidden
}

/// True if the character itself is invisible: controls, formats, fillers, selectors and tags of Unicode.
pub(super) fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{AD}'
                | '\u{34F}'
                | '\u{61C}'
                | '\u{115F}'..='\u{1160}'
                | '\u{17B4}'..='\u{17B5}'
                | '\u{180B}'..='\u{180F}'
                | '\u{200B}'..='\u{200F}'
                | '\u{202A}'..='\u{202E}'
                | '\u{2060}'..='\u{206F}'
                | '\u{3164}'
                | '\u{FE00}'..='\u{FE0F}'
                | '\u{FEFF}'
                | '\u{FFA0}'
                | '\u{FFF0}'..='\u{FFFB}'
                | '\u{1BCA0}'..='\u{1BCA3}'
                | '\u{1D173}'..='\u{1D17A}'
                | '\u{E0000}'..='\u{E0FFF}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invisible_characters_are_gone() {
        let hidden = "\u{61c}\u{200e}\u{200f}\u{202a}\u{202e}\u{2066}\u{2069}\u{feff}\u{e0041}\u{e007f}\u{200b}\u{ad}\u{7}\u{9b}";
        assert_eq!(plain(&format!("a{hidden}b{hidden}"), 80), "ab");
        assert_eq!(plain("ap\u{200d}prove\u{fe0f}", 80), "approve");
    }

    #[test]
    fn a_character_has_no_more_marks_than_a_language_needs() {
        let marked = format!("Z{}a\u{301}", "\u{301}\u{335}".repeat(100));
        assert_eq!(plain(&marked, 800), "Z\u{301}\u{335}\u{301}\u{335}a\u{301}");
    }

    #[test]
    fn joiners_of_alphabets_and_emoji_stay() {
        for text in
            ["\u{2764}\u{fe0f}\u{200d}\u{1f525}", "\u{645}\u{6cc}\u{200c}\u{62e}", "Ærøskøbing", "山田"]
        {
            assert_eq!(plain(text, 80), text);
        }
        assert_eq!(plain("é\u{200d}\u{200d}\u{200c}\u{200d}", 80), "é\u{200d}");
    }

    #[test]
    fn a_name_is_one_line_and_a_comment_keeps_its_lines() {
        let text = "  a\tb\r\n\r\n\u{2028}\n  c\u{3000}d\u{85}e ";
        assert_eq!(plain(text, 80), "a b c d e");
        assert_eq!(plain_lines(text, 80), "a b\n\nc d\ne");
    }

    #[test]
    fn no_template_begins_whatever_stands_between_its_braces() {
        for text in ["{{DATE(x)}}", "{\u{202e}{DATE(x)}}", "{\u{0}{DATE(x)}}"] {
            assert_eq!(plain(text, 80), "{ {DATE(x)}}");
        }
        assert_eq!(plain("{{{", 80), "{ { {");
    }

    #[test]
    fn long_text_is_cut_with_a_visible_mark() {
        assert_eq!(plain(&"é".repeat(10), 10), "é".repeat(10));
        assert_eq!(plain(&"é".repeat(11), 10), "éééééé […]");
        assert_eq!(plain("abcde fghijkl", 10), "abcde […]");
        assert_eq!(plain_lines("a\n\nbcdefghij", 8), "a\n\nb […]");
    }
}
