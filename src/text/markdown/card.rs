//! A request's text in a card.

use super::{
    escape::{Escaped, literal},
    filter::{Mark, Part, parts},
    link::Link,
};
use crate::text::line::{CUT, without_templates};

/// Between two paragraphs; cards have no smaller step.
const PARAGRAPH: &str = "\n\n";

/// A request's markdown as the markdown that cards show: paragraphs, lists, bold, italic and links.
///
/// Headings are bold, lists inside lists are one list. If it is longer than `limit` characters, the addresses of its
/// links and its marks among them, it ends there and says so.
pub fn card(markdown: &str, limit: usize) -> String {
    let mut writer = Writer::new(limit);
    let whole = parts(markdown).iter().try_for_each(|part| writer.write(part));
    if whole.is_none() {
        CUT.chars().for_each(|character| writer.out.character(character));
    }
    writer.close_all();
    without_templates(&writer.out.text)
}

struct Writer {
    out: Escaped,
    left: usize,
    /// Markdown that goes before the next text, unless it is the first.
    gap: &'static str,
    /// The bullet that follows it, if an item begins.
    bullet: String,
    /// The lists that are open, each with its next number if it has numbers.
    lists: Vec<Option<u64>>,
    /// True if the outermost of them has no line yet.
    is_new_list: bool,
    /// The inline marks that are open, of which the first `written` are written: an empty one never is.
    inlines: Vec<Inline>,
    written: usize,
}

#[derive(Default)]
struct Inline {
    opener: &'static str,
    closer: String,
}

impl Writer {
    fn new(limit: usize) -> Self {
        Self {
            out: Escaped::default(),
            left: limit,
            gap: "",
            bullet: String::new(),
            lists: Vec::new(),
            is_new_list: false,
            inlines: Vec::new(),
            written: 0,
        }
    }

    /// `None` says that there is no room for it.
    fn write(&mut self, part: &Part) -> Option<()> {
        match part {
            Part::Text(text) => return text.chars().try_for_each(|character| self.character(character)),
            Part::Break => self.separate(),
            Part::Open(mark) => return self.open(mark),
            Part::Close(mark) => self.close(mark),
        }
        Some(())
    }

    fn open(&mut self, mark: &Mark) -> Option<()> {
        match mark {
            Mark::Paragraph | Mark::Quote | Mark::CodeBlock => self.separate(),
            Mark::Heading => {
                self.separate();
                return self.open_inline("**", "**".to_owned());
            }
            Mark::Bullets => self.open_list(None),
            Mark::Numbers(first) => self.open_list(Some(*first)),
            Mark::Item => self.open_item(),
            Mark::Emphasis => return self.open_inline("_", "_".to_owned()),
            Mark::Strong => return self.open_inline("**", "**".to_owned()),
            Mark::Link(link) => return self.open_link(link),
            Mark::Code => {}
        }
        Some(())
    }

    fn close(&mut self, mark: &Mark) {
        match mark {
            Mark::Paragraph | Mark::Quote | Mark::CodeBlock => self.separate(),
            Mark::Heading => {
                self.close_inline();
                self.separate();
            }
            Mark::Bullets | Mark::Numbers(_) => self.close_list(),
            Mark::Emphasis | Mark::Strong | Mark::Link(_) => self.close_inline(),
            Mark::Item | Mark::Code => {}
        }
    }

    fn character(&mut self, character: char) -> Option<()> {
        match character {
            '\n' => self.separate(),
            ' ' if !self.gap.is_empty() => {}
            _ => {
                self.lead()?;
                self.spend(1)?;
                self.out.character(character);
            }
        }
        Some(())
    }

    /// The next text is apart from the one before: by a paragraph, or by a space if a paragraph would end more than
    /// it should.
    fn separate(&mut self) {
        if self.bullet.is_empty() {
            let is_inside = !self.lists.is_empty() || !self.inlines.is_empty();
            self.gap = if is_inside { " " } else { PARAGRAPH };
        }
    }

    fn open_list(&mut self, first: Option<u64>) {
        self.is_new_list |= self.lists.is_empty();
        self.lists.push(first);
    }

    fn close_list(&mut self) {
        self.lists.pop();
        self.bullet.clear();
        self.is_new_list = false;
        self.separate();
    }

    fn open_item(&mut self) {
        self.gap = if self.is_new_list { PARAGRAPH } else { "\n" };
        self.bullet = match self.lists.last_mut() {
            Some(Some(number)) => {
                *number += 1;
                format!("{}. ", *number - 1)
            }
            _ => "- ".to_owned(),
        };
    }

    /// Writes what is to stand before a character.
    fn lead(&mut self) -> Option<()> {
        let gap = if self.out.text.is_empty() { "" } else { self.gap };
        let lead = format!("{gap}{}", self.bullet);
        self.spend(lead.len())?;
        self.out.markup(&lead);
        self.gap = "";
        self.bullet.clear();
        self.is_new_list = false;
        self.open_pending();
        Some(())
    }

    fn open_pending(&mut self) {
        for inline in &self.inlines[self.written..] {
            // An exclamation mark in front would make an image of a link.
            if inline.opener == "[" && self.out.text.ends_with('!') {
                self.out.markup(" ");
            }
            self.out.markup(inline.opener);
        }
        self.written = self.inlines.len();
    }

    fn open_link(&mut self, link: &Link) -> Option<()> {
        let closer = format!(" ({})]({})", literal(&link.host), link.address);
        // A link for which there is no room is text.
        match closer.len() < self.left {
            true => self.open_inline("[", closer),
            false => self.open_inline("", String::new()),
        }
    }

    /// Bold within bold is bold.
    fn open_inline(&mut self, opener: &'static str, closer: String) -> Option<()> {
        let is_open = self.inlines.iter().any(|inline| inline.closer == closer);
        let inline = if is_open { Inline::default() } else { Inline { opener, closer } };
        self.spend(inline.opener.len() + inline.closer.len())?;
        self.inlines.push(inline);
        Some(())
    }

    fn close_inline(&mut self) {
        let closed = self.inlines.pop();
        if let Some(inline) = closed.filter(|_| self.written > self.inlines.len()) {
            self.out.markup(&inline.closer);
            self.written = self.inlines.len();
        }
    }

    fn close_all(&mut self) {
        while !self.inlines.is_empty() {
            self.close_inline();
        }
    }

    fn spend(&mut self, characters: usize) -> Option<()> {
        self.left = self.left.checked_sub(characters)?;
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use pulldown_cmark::{Event, Options, Parser, Tag};

    use super::*;

    fn whole(markdown: &str) -> String {
        card(markdown, usize::MAX)
    }

    #[test]
    fn allowed_markdown_is_shown() {
        let markdown = "# A *b*\n\nc **d**\ne  \nf `g_h`\n- i\n  - j\n\n    k\n- l\n\n3. m\n4. n\n\n> o\n\n```\np\n  q\n```\n";
        assert_eq!(
            whole(markdown),
            "**A _b_**\n\nc **d** e\n\nf g\\_h\n\n- i\n- j k\n- l\n\n3. m\n4. n\n\no\n\np\n\nq"
        );
    }

    #[test]
    fn a_table_is_a_bold_line_and_a_list() {
        let table = "| Service | Version |\n| --- | :-: |\n| api | **1.4.2** |\n| web | [2](https://b.example) |\n\nc";
        let shown =
            "**Service · Version**\n\n- api · **1.4.2**\n- web · [2 (b.example)](https://b.example/)\n\nc";
        assert_eq!(whole(table), shown);
        assert_eq!(whole("a | b\n--- | ---\n| | d"), "**a · b**\n\n- – · d");
    }

    #[test]
    fn a_link_says_where_it_leads_or_is_none() {
        for (markdown, shown) in [
            ("[a](https://b.example/c)", "[a (b.example)](https://b.example/c)"),
            ("<https://b.example>", "[https://b.example (b.example)](https://b.example/)"),
            ("[github.com](https://b_c.example)", "[github.com (b\\_c.example)](https://b_c.example/)"),
            ("[a][1]\n\n[1]: <https://b.example/(c>", "[a (b.example)](https://b.example/%28c)"),
            ("[](https://b.example)", ""),
            ("[a](http://b.example)", "a"),
            ("[a](javascript:alert%281%29)", "a"),
            ("[a](data:text/html,b)", "a"),
            ("[a](https://github.com@b.example)", "a"),
            ("<mailto:alex@contoso.com> <javascript:b>", "mailto:alex@contoso.com javascript:b"),
            ("![a [b](https://c.example) `d`](https://e.example)", "a b d"),
            ("[![a](https://b.example/c.png)](https://d.example)", "[a (d.example)](https://d.example/)"),
            ("\\![a](https://b.example/c.png)", "! [a (b.example)](https://b.example/c.png)"),
            ("!**[a](https://b.example)**", "!**[a (b.example)](https://b.example/)**"),
        ] {
            assert_eq!(whole(markdown), shown);
        }
    }

    #[test]
    fn html_mentions_and_templates_are_text() {
        assert_eq!(whole("<at>Alex</at> <b>c</b>"), "&lt;at&gt;Alex&lt;/at&gt; &lt;b&gt;c&lt;/b&gt;");
        assert_eq!(whole("{&#123;DATE(a)}} {\u{202e}{ *{*{"), "{ {DATE(a\\)}} { { _{_{");
        assert_eq!(whole("&lt;at&gt; &#x202e;a&#8238;b \\*c\\*"), "&lt;at&gt; ab \\*c\\*");
    }

    #[test]
    fn long_text_is_cut_with_a_visible_mark_and_closed_marks() {
        assert_eq!(card("abc **def**", 100), "abc **def**");
        assert_eq!(card("abc **defghi**", 10), "abc **de \\[…\\]**");
        assert_eq!(card("[abc](https://d.example/)", 30), "abc");
        assert_eq!(card("[abcd](https://e.example/)", 37), "[abc \\[…\\] (e.example)](https://e.example/)");
    }

    #[test]
    fn what_is_nested_too_deeply_is_text() {
        for (bit, end) in [("> ", "a"), ("- ", "a"), ("1. ", "a")] {
            let html = super::super::html::html(&format!("{}{end}", bit.repeat(3_000)));
            assert!(html.len() < 1_000 && html.contains('a'), "{bit}: {} bytes", html.len());
        }
    }

    #[test]
    fn deep_and_long_text_takes_no_time() {
        for bit in [">", "- ", "[", "*a ", "![", "<", "`", "1. ", "[a](https://b.example) ", "&lt;", "_*"] {
            let text = bit.repeat(64_000 / bit.len());
            assert!(card(&text, 1000).chars().count() < 5_100, "{bit}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_shows_only_what_a_card_may_show(
            text in "(\\PC|[-#*_`>!()\\[\\]<&;/ \n1.a]|\\{|<at>|\\]\\(https://a.example\\)|https://|&#123;|&#x202e;){0,80}",
            limit in 0usize..120,
        ) {
            for card in [card(&text, limit), whole(&text)] {
                let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS;
                for event in Parser::new_ext(&card, options) {
                    match event {
                        Event::Start(Tag::Link { dest_url, .. }) => assert!(dest_url.starts_with("https://"), "{card}"),
                        Event::Start(
                            Tag::Paragraph | Tag::Emphasis | Tag::Strong | Tag::List(_) | Tag::Item,
                        ) => {}
                        Event::End(_) | Event::Text(_) | Event::SoftBreak => {}
                        other => panic!("{other:?} in {card}"),
                    }
                }
                assert!(!card.contains("{{") && !card.contains('<') && !card.contains('\u{202e}'), "{card}");
            }
        }
    }
}
