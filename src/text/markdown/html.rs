//! A request's text on a page.

use super::filter::{Mark, Part, parts};
use crate::text::line::without_templates;

/// A request's markdown as HTML, for between two tags of a page.
pub fn html(markdown: &str) -> String {
    let mut html = String::new();
    for part in parts(markdown) {
        match part {
            Part::Text(text) => html.push_str(&escape(&text)),
            Part::Break => html.push_str("<br>"),
            Part::Open(mark) => html.push_str(&opening(&mark)),
            Part::Close(mark) => html.push_str(&closing(&mark)),
        }
    }
    without_templates(&html)
}

fn opening(mark: &Mark) -> String {
    let tag = match mark {
        Mark::Paragraph => "<p>",
        Mark::Heading => "<p><strong>",
        Mark::Quote => "<blockquote>",
        Mark::CodeBlock => "<pre><code>",
        Mark::Bullets => "<ul>",
        Mark::Numbers(first) => return format!("<ol start=\"{first}\">"),
        Mark::Item => "<li>",
        Mark::Emphasis => "<em>",
        Mark::Strong => "<strong>",
        Mark::Code => "<code>",
        Mark::Link(link) => {
            return format!("<a href=\"{}\" rel=\"nofollow noopener noreferrer\">", escape(&link.address));
        }
    };
    tag.to_owned()
}

fn closing(mark: &Mark) -> String {
    let tag = match mark {
        Mark::Paragraph => "</p>",
        Mark::Heading => "</strong></p>",
        Mark::Quote => "</blockquote>",
        Mark::CodeBlock => "</code></pre>",
        Mark::Bullets => "</ul>",
        Mark::Numbers(_) => "</ol>",
        Mark::Item => "</li>",
        Mark::Emphasis => "</em>",
        Mark::Strong => "</strong>",
        Mark::Code => "</code>",
        Mark::Link(link) => return format!(" ({})</a>", escape(&link.host)),
    };
    tag.to_owned()
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            _ => escaped.push(character),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn allowed_markdown_is_shown() {
        let markdown = "# A *b*\n\nc **d** `e<`  \nf\n\n- g\n- h\n\n3. i\n\n> j\n\n```sh\nk &\n  l\n```\n";
        assert_eq!(
            html(markdown),
            "<p><strong>A <em>b</em></strong></p><p>c <strong>d</strong> <code>e&lt;</code><br>f</p>\
             <ul><li>g</li><li>h</li></ul><ol start=\"3\"><li>i</li></ol><blockquote><p>j</p></blockquote>\
             <pre><code>k &amp;\n  l\n</code></pre>"
        );
    }

    #[test]
    fn a_link_says_where_it_leads_or_is_none() {
        assert_eq!(
            html("[https://github.com](https://evil.example/?a=1&b=\"2\")"),
            "<p><a href=\"https://evil.example/?a=1&amp;b=%222%22\" rel=\"nofollow noopener noreferrer\">\
             https://github.com (evil.example)</a></p>"
        );
        for text in [
            "[a](http://b.example)",
            "[a](javascript:alert%281%29)",
            "[a](//b.example)",
            "![a](https://b.example)",
        ] {
            assert_eq!(html(text), "<p>a</p>");
        }
    }

    #[test]
    fn html_is_text() {
        assert_eq!(html("a <b onclick='x()'>c</b>"), "<p>a &lt;b onclick=&#39;x()&#39;&gt;c&lt;/b&gt;</p>");
        assert_eq!(html("<script>\nx\n</script>"), "<p>&lt;script&gt;\nx\n&lt;/script&gt;</p>");
    }

    proptest::proptest! {
        #[test]
        fn any_text_has_only_the_tags_of_ours(text in "(\\PC|[-#*_`>!()\\[\\]<&;/ \n1a]|\\{|<script|https://|&#123;|&#x202e;){0,80}") {
            let html = html(&text);
            let tags = "p|strong|em|ul|ol|li|code|pre|blockquote|br";
            for (at, _) in html.match_indices('<') {
                let tag = &html[at + 1..at + html[at..].find('>').expect("a tag ends")];
                let is_link = tag.starts_with("a href=\"https://") && tag.ends_with("\" rel=\"nofollow noopener noreferrer\"");
                let name = tag.trim_start_matches('/');
                let is_list = name.starts_with("ol start=\"") && name.ends_with('"');
                assert!(is_link || is_list || name == "a" || tags.split('|').any(|known| known == name), "{html}");
            }
            assert!(!html.contains("{{") && !html.contains('\u{202e}'), "{html}");
        }
    }
}
