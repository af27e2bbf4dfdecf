//! The parts of a request's markdown that are kept.

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

use super::link::Link;
use crate::text::line::visible;

/// One part of a request's text. Each mark that is opened is closed, the last one first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// Literal text, visible throughout; lines end in `\n`.
    Text(String),
    /// A new line within a paragraph.
    Break,
    /// Here it begins.
    Open(Mark),
    /// Here it ends.
    Close(Mark),
}

/// A kind of text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mark {
    /// A paragraph.
    Paragraph,
    /// A heading of any level: the levels are ours.
    Heading,
    /// A quotation.
    Quote,
    /// Lines of code.
    CodeBlock,
    /// A list without numbers.
    Bullets,
    /// A list that begins at this number.
    Numbers(u64),
    /// One item of a list.
    Item,
    /// Italic.
    Emphasis,
    /// Bold.
    Strong,
    /// Code within a line.
    Code,
    /// A link that may be followed. Its host is to be shown at its end.
    Link(Link),
}

/// The most marks inside each other.
const MAX_DEPTH: usize = 12;

/// Between two cells of a table.
const CELLS: &str = " · ";

/// The parts of `markdown`. A table is a heading of its columns and a list of its rows, since cards have none.
// T11
pub fn parts(markdown: &str) -> Vec<Part> {
    let visible = visible(markdown);
    let mut filter = Filter::default();
    Parser::new_ext(&visible, Options::ENABLE_TABLES).for_each(|event| filter.take(event));
    filter.parts
}

#[derive(Default)]
struct Filter {
    parts: Vec<Part>,
    /// The open marks; `None` for one of which only the text is kept.
    open: Vec<Option<Mark>>,
    /// The number of open images: inside is a description, of which the text alone counts.
    images: usize,
}

impl Filter {
    fn take(&mut self, event: Event<'_>) {
        match event {
            Event::Start(Tag::Image { .. }) => self.images += 1,
            Event::End(TagEnd::Image) => self.images -= 1,
            Event::Start(_) | Event::End(_) if self.images > 0 => {}
            Event::Start(Tag::TableCell) => self.cell(),
            Event::Start(tag) => self.open(tag),
            Event::End(TagEnd::TableCell) => self.end_cell(),
            Event::End(end) => self.close(end),
            Event::Code(text) if self.images == 0 => self.code(&text),
            Event::Text(text) | Event::Code(text) | Event::Html(text) | Event::InlineHtml(text) => {
                self.text(&text);
            }
            Event::SoftBreak => self.text(" "),
            Event::HardBreak => self.parts.push(Part::Break),
            Event::Rule => {}
            // None of these is switched on.
            Event::InlineMath(text) | Event::DisplayMath(text) | Event::FootnoteReference(text) => {
                self.text(&text);
            }
            Event::TaskListMarker(_) => {}
        }
    }

    fn open(&mut self, tag: Tag<'_>) {
        // Nobody reads what is nested deeper, and browsers take minutes to lay it out.
        let is_too_deep = self.open.len() >= MAX_DEPTH;
        let mark = if is_too_deep { None } else { self.mark(tag) };
        if is_too_deep && !matches!(self.parts.last(), None | Some(Part::Break | Part::Open(_))) {
            self.parts.push(Part::Break);
        }
        self.parts.extend(mark.clone().map(Part::Open));
        self.open.push(mark);
    }

    fn close(&mut self, end: TagEnd) {
        self.parts.extend(self.open.pop().flatten().map(Part::Close));
        // The rows follow the heading of the columns, as a list that ends with the table.
        match end {
            TagEnd::TableHead => self.parts.push(Part::Open(Mark::Bullets)),
            TagEnd::Table => self.parts.push(Part::Close(Mark::Bullets)),
            _ => {}
        }
    }

    fn cell(&mut self) {
        let is_first = matches!(self.parts.last(), Some(Part::Open(Mark::Heading | Mark::Item)));
        if !is_first {
            self.text(CELLS);
        }
    }

    /// An empty cell has a mark, so that those after it keep their columns.
    fn end_cell(&mut self) {
        let is_empty = match self.parts.last() {
            Some(Part::Open(Mark::Heading | Mark::Item)) => true,
            Some(Part::Text(text)) => text == CELLS,
            _ => false,
        };
        if is_empty {
            self.text("–");
        }
    }

    fn code(&mut self, text: &str) {
        self.parts.push(Part::Open(Mark::Code));
        self.text(text);
        self.parts.push(Part::Close(Mark::Code));
    }

    /// Once more only what is visible: an entity can stand for anything.
    fn text(&mut self, text: &str) {
        self.parts.push(Part::Text(visible(text)));
    }

    fn mark(&self, tag: Tag<'_>) -> Option<Mark> {
        match tag {
            Tag::Paragraph | Tag::HtmlBlock => Some(Mark::Paragraph),
            Tag::Heading { .. } | Tag::TableHead => Some(Mark::Heading),
            Tag::BlockQuote(_) => Some(Mark::Quote),
            Tag::CodeBlock(_) => Some(Mark::CodeBlock),
            Tag::List(None) => Some(Mark::Bullets),
            Tag::List(Some(first)) => Some(Mark::Numbers(first)),
            Tag::Item | Tag::TableRow => Some(Mark::Item),
            Tag::Emphasis => Some(Mark::Emphasis),
            Tag::Strong => Some(Mark::Strong),
            Tag::Link { dest_url, .. } => self.link(&dest_url),
            _ => None,
        }
    }

    /// A link, unless it stands inside another, whose host it would borrow.
    fn link(&self, address: &str) -> Option<Mark> {
        let is_inside = self.open.iter().any(|mark| matches!(mark, Some(Mark::Link(_))));
        if is_inside { None } else { Link::parse(address).map(Mark::Link) }
    }
}
