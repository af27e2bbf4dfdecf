//! Addresses: which of them can be called, and what stands below them. This room imports no other.

use url::{Host, Url};

/// True if a URL can be called without telling anyone else: https, or http to this computer; without user, query or
/// fragment.
pub fn is_safe_url(url: &Url) -> bool {
    let plain = url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none();
    let safe = url.scheme() == "https" || (url.scheme() == "http" && is_loopback(url));
    plain && safe && url.has_host()
}

/// True if a URL leads to this very computer.
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// `base`, with or without a slash at its end, and further parts of its path. Each stays one part, even with a slash in it.
pub fn below<S: AsRef<str>>(base: &Url, segments: impl IntoIterator<Item = S>) -> Url {
    let mut url = base.clone();
    // Only a URL without a path, such as `mailto:`, has no segments, and no setting takes one.
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(segments);
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).expect("a URL")
    }

    #[test]
    fn only_https_and_this_computer_are_safe_without_anything_of_a_callers_own() {
        for safe in
            ["https://x", "https://x:8443/a/b", "http://localhost:1", "http://127.0.0.2", "http://[::1]/a"]
        {
            assert!(is_safe_url(&url(safe)), "{safe}");
        }
        for other in [
            "http://x",
            "http://localhost.x",
            "http://[::2]",
            "ftp://localhost",
            "https://a@x",
            "https://:b@x",
            "https://x?",
            "https://x#",
            "mailto:a@x",
        ] {
            assert!(!is_safe_url(&url(other)), "{other}");
        }
    }

    #[test]
    fn each_segment_stays_one() {
        for base in ["https://x/a", "https://x/a/"] {
            assert_eq!(
                below(&url(base), ["b", "c/../d?e#f%2f"]).as_str(),
                "https://x/a/b/c%2F..%2Fd%3Fe%23f%252f"
            );
            assert_eq!(below(&url(base), ["..", ".", "b"]).as_str(), "https://x/a/b", "steps are left out");
        }
        for base in ["https://x", "https://x/"] {
            assert_eq!(below(&url(base), ["b", "c"]).as_str(), "https://x/b/c");
        }
    }
}
