//! Which repository: `owner/name`, and the patterns that allow some of them.

use std::fmt;

/// A GitHub repository's `owner/name`, equal to another whatever the case of its letters, as at GitHub.
#[derive(Clone, Debug)]
pub struct Repository {
    owner: String,
    name: String,
}

impl Repository {
    /// Reads `owner/name`; nothing but the characters that GitHub allows in either, so that the text can stand in
    /// a URL's path as it is.
    pub fn parse(text: &str) -> Option<Self> {
        let (owner, name) = text.split_once('/')?;
        (is_owner(owner) && is_name(name)).then(|| Self { owner: owner.to_owned(), name: name.to_owned() })
    }

    /// The account or organisation.
    pub fn owner(&self) -> &str {
        &self.owner
    }

    /// The name without its owner.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl PartialEq for Repository {
    fn eq(&self, other: &Self) -> bool {
        self.owner.eq_ignore_ascii_case(&other.owner) && self.name.eq_ignore_ascii_case(&other.name)
    }
}

impl Eq for Repository {}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.owner, self.name)
    }
}

/// One entry of `ALLOWED_REPOSITORIES`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RepositoryPattern {
    /// `owner/name`.
    One(Repository),
    /// `owner/*`.
    AllOf(String),
}

impl RepositoryPattern {
    /// Reads `owner/name` or `owner/*`.
    pub fn parse(text: &str) -> Option<Self> {
        match text.strip_suffix("/*") {
            Some(owner) => is_owner(owner).then(|| Self::AllOf(owner.to_owned())),
            None => Repository::parse(text).map(Self::One),
        }
    }

    /// Whether `repository` is one of those that this entry names.
    pub fn matches(&self, repository: &Repository) -> bool {
        match self {
            Self::One(allowed) => allowed == repository,
            Self::AllOf(owner) => owner.eq_ignore_ascii_case(&repository.owner),
        }
    }
}

/// Letters, digits and hyphens; also the underscore that managed users of an enterprise have. GitHub's own limit is
/// 39 characters, and managed users' names may be longer by their short code.
fn is_owner(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

fn is_name(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    (1..=100).contains(&text.len()) && text.bytes().all(allowed) && text != "." && text != ".."
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repository(text: &str) -> Repository {
        Repository::parse(text).expect("a repository")
    }

    #[test]
    fn only_owner_and_name_of_allowed_characters_are_a_repository() {
        for text in ["octo/app", "Octo-Org/my.app_2", "o/.github", "user_corp/x"] {
            assert_eq!(repository(text).to_string(), text);
        }
        let long = format!("o/{}", "x".repeat(101));
        for text in [
            "",
            "octo",
            "octo/",
            "/app",
            "octo/app/",
            "octo/app/..",
            "octo/..",
            "octo/.",
            "octo/a?b",
            "octo/a#b",
            "octo/a%2fb",
            "octo/a b",
            "octo/a\n",
            "../app",
            "octo\\app",
            "octo/\u{e9}",
            "https://x/app",
            "octo@evil/app",
            &long,
        ] {
            assert!(Repository::parse(text).is_none(), "{text:?}");
        }
    }

    #[test]
    fn patterns_match_whatever_the_case_and_never_another_owner() {
        let all = RepositoryPattern::parse("Octo/*").expect("a pattern");
        assert!(all.matches(&repository("octo/anything")));
        assert!(!all.matches(&repository("octopus/anything")));
        let one = RepositoryPattern::parse("octo/App").expect("a pattern");
        assert!(one.matches(&repository("OCTO/app")));
        assert!(!one.matches(&repository("octo/app2")));
        for text in ["*", "*/*", "octo/a*", "/*", "octo"] {
            assert!(RepositoryPattern::parse(text).is_none(), "{text:?}");
        }
    }
}
