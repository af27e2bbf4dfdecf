//! Repositories: `owner/name`, and the patterns that allow some of them.

use std::fmt;

/// A GitHub repository's `owner/name`; the case of its letters does not matter, as at GitHub.
#[derive(Clone, Debug)]
pub struct Repository {
    owner: String,
    name: String,
}

impl Repository {
    /// Reads `owner/name`. Only the characters that GitHub allows in either are accepted, so the text can be put into
    /// a URL's path unchanged.
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

/// One entry of `ALLOWED_REPOSITORIES`: `owner/name` or `owner/*`, each part with or without its number.
///
/// A number pins its part against renaming: a later owner or repository of the same name has another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepositoryPattern {
    owner: String,
    owner_id: Option<String>,
    /// `None` for all of the owner's repositories.
    name: Option<(String, Option<String>)>,
}

impl RepositoryPattern {
    /// Reads `owner/name`, `owner@2020/name@424242`, `owner/name@424242`, `owner/*` or `owner@2020/*`.
    pub fn parse(text: &str) -> Option<Self> {
        let (owner, name) = text.split_once('/')?;
        let (owner, owner_id) = pinned(owner)?;
        let name = match name {
            "*" => None,
            name => Some(pinned(name)?),
        };
        let is_pattern = is_owner(&owner) && name.as_ref().is_none_or(|(name, _)| is_name(name));
        is_pattern.then_some(Self { owner, owner_id, name })
    }

    /// The repository, if the entry names one alone.
    pub fn repository(&self) -> Option<Repository> {
        let (name, _) = self.name.as_ref()?;
        Some(Repository { owner: self.owner.clone(), name: name.clone() })
    }

    /// The numbers of owner and repository, as far as the entry has them.
    pub fn numbers(&self) -> (Option<&str>, Option<&str>) {
        (self.owner_id.as_deref(), self.name.as_ref().and_then(|(_, id)| id.as_deref()))
    }

    /// The entry that allows `repository` and no other.
    pub fn one(repository: &Repository) -> Self {
        Self { owner: repository.owner.clone(), owner_id: None, name: Some((repository.name.clone(), None)) }
    }

    /// True if the entry names `repository`, whatever the numbers.
    pub fn has_name(&self, repository: &Repository) -> bool {
        let is_named = |(name, _): &(String, _)| name.eq_ignore_ascii_case(&repository.name);
        self.owner.eq_ignore_ascii_case(&repository.owner) && self.name.as_ref().is_none_or(is_named)
    }

    /// True if the entry names `repository`, with the numbers that it has. A number that is not known matches none.
    // T28
    pub fn matches(&self, repository: &Repository, repository_id: &str, owner_id: Option<&str>) -> bool {
        let id = self.name.as_ref().and_then(|(_, id)| id.as_deref());
        self.has_name(repository)
            && self.owner_id.as_deref().is_none_or(|pinned| owner_id == Some(pinned))
            && id.is_none_or(|pinned| repository_id == pinned)
    }
}

/// A name, and the number after its `@`.
fn pinned(text: &str) -> Option<(String, Option<String>)> {
    match text.split_once('@') {
        None => Some((text.to_owned(), None)),
        Some((name, id)) => {
            let is_number = (1..=20).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_digit());
            is_number.then(|| (name.to_owned(), Some(id.to_owned())))
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

    fn pattern(text: &str) -> RepositoryPattern {
        RepositoryPattern::parse(text).expect("a pattern")
    }

    #[test]
    fn patterns_match_whatever_the_case_and_never_another_owner() {
        let all = pattern("Octo/*");
        assert!(all.has_name(&repository("octo/anything")));
        assert!(!all.has_name(&repository("octopus/anything")));
        let one = pattern("octo/App");
        assert!(one.has_name(&repository("OCTO/app")));
        assert!(!one.has_name(&repository("octo/app2")));
        assert_eq!(RepositoryPattern::one(&repository("octo/App")), one);
        for text in [
            "*",
            "*/*",
            "octo/a*",
            "/*",
            "octo",
            "octo/*@1",
            "octo@/app",
            "octo/app@x",
            "@1/app",
            "octo@1@2/app",
        ] {
            assert!(RepositoryPattern::parse(text).is_none(), "{text:?}");
        }
    }

    #[test]
    fn a_number_pins_against_renaming_and_a_relay_has_only_the_name() {
        let app = repository("octo/app");
        for (text, repository_id, owner_id, matches) in [
            ("octo/app", "424242", None, true),
            ("octo/app@424242", "424242", None, true),
            ("octo/app@424242", "424243", Some("2020"), false),
            ("octo@2020/app@424242", "424242", Some("2020"), true),
            ("octo@2020/app@424242", "424242", Some("2021"), false),
            ("octo@2020/*", "1", Some("2020"), true),
            ("octo@2020/*", "1", Some("02020"), false),
            ("octo@2020/*", "1", None, false),
        ] {
            let pattern = pattern(text);
            assert_eq!(
                pattern.matches(&app, repository_id, owner_id),
                matches,
                "{text} {repository_id} {owner_id:?}"
            );
            assert!(pattern.has_name(&app), "{text}");
        }
    }
}
