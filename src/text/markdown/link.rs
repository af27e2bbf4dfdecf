//! Links: the targets that are allowed, and the form of an address.

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use url::{Host, Position, Url};

use super::literal;

/// Characters that could end a link's address early, in markdown or in HTML, or be read as something else inside it. A
/// URL means the same with these encoded.
const UNQUIET: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'\'')
    .add(b'(')
    .add(b')')
    .add(b';')
    .add(b'<')
    .add(b'>')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// The target of a link in a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The address, which can stand in markdown's parentheses and between HTML's quotes.
    pub address: String,
    /// The host, in ASCII, and its port if it has one: people judge the link by it.
    pub host: String,
}

impl Link {
    /// Reads an address that may be followed: https, to a host that has a name, for nobody in particular. A user name
    /// before the host would be taken for it.
    pub fn parse(text: &str) -> Option<Self> {
        let url = Url::parse(text).ok()?;
        let host = &url[Position::BeforeHost..Position::AfterPort];
        let is_named = matches!(url.host(), Some(Host::Domain(_)))
            && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._:".contains(&b));
        let is_open = url.username().is_empty() && url.password().is_none();
        (url.scheme() == "https" && is_named && is_open)
            .then(|| Self { address: address(url.as_str()), host: host.to_owned() })
    }
}

/// A link of our own, as markdown; `label` is literal text.
pub fn link(label: &str, url: &str) -> String {
    format!("[{}]({})", literal(label), address(url))
}

fn address(url: &str) -> String {
    utf8_percent_encode(url, UNQUIET).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_https_to_a_named_host_is_a_link() {
        let link = Link::parse("https://GitHub.com:8443/a_b?c=(d)&e;f{{").expect("a link");
        assert_eq!(link.host, "github.com:8443");
        assert_eq!(link.address, "https://github.com:8443/a_b?c=%28d%29&e%3Bf%7B%7B");
        for text in [
            "",
            "/api/approvals",
            "//evil.example",
            "github.com",
            "http://github.com",
            "javascript:alert(1)",
            "data:text/html,x",
            "mailto:alex@contoso.com",
            "https://github.com@evil.example",
            "https://a:b@evil.example",
            "https://:b@evil.example",
            "https://10.0.0.1/",
            "https://0x7f000001/",
            "https://[::1]/",
            "https://evil(github.com)/",
            "https://github.com%2f.evil.example/",
            "https://",
        ] {
            assert_eq!(Link::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_host_is_shown_as_the_client_will_look_it_up() {
        let host = |text| Link::parse(text).expect("a link").host;
        assert_eq!(host("https://gіthub.com/"), "xn--gthub-n2e.com");
        assert_eq!(host("https:\\\\evil.example\\github.com"), "evil.example");
        assert_eq!(host("https://github.com。evil.example/"), "github.com.evil.example");
    }
}
