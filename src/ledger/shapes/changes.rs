//! The stored changes of an approval, and their authors.

use serde::{Deserialize, Serialize};

use crate::approval::{Author, Authors, Changes, Commit, Comparison, Incomparable};

/// The longest name of an author that is kept with all the others, in characters: a record has a limit.
const MAX_NAME: usize = 100;

/// The changes of an approval, once they are known.
#[derive(Debug, Serialize, Deserialize)]
pub struct StoredChanges {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    base: Option<String>,
    /// The reason why there is no comparison: `unreachable` or `too-large`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    incomparable: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    compared: Option<StoredComparison>,
    /// True if a card may have been posted before.
    #[serde(default)]
    is_late: bool,
}

#[derive(Debug, Serialize, Deserialize)]
struct StoredComparison {
    commits: usize,
    missing: usize,
    commits_read: usize,
    newest: Vec<StoredCommit>,
    authors: Vec<StoredAuthor>,
    guarded: Vec<String>,
    guarded_count: usize,
    files: usize,
}

#[derive(Debug, Serialize, Deserialize)]
struct StoredCommit {
    sha: String,
    message: String,
    author: StoredAuthor,
}

/// The authors of all commits of an approval.
#[derive(Debug, Serialize, Deserialize)]
pub struct StoredAuthors {
    authors: Vec<StoredAuthor>,
    /// True if every commit was read.
    are_all: bool,
}

#[derive(Debug, Serialize, Deserialize)]
struct StoredAuthor {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    login: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
}

impl StoredChanges {
    /// The stored form; nothing while they are not known. `is_late` if a card may have been posted before.
    pub fn of(changes: &Changes, is_late: bool) -> Option<Self> {
        let base = changes.base().map(str::to_owned);
        let known = Self { base, incomparable: None, compared: None, is_late };
        match changes {
            Changes::First => Some(known),
            Changes::Since(comparison) => Some(Self { compared: Some(comparison.into()), ..known }),
            Changes::Incomparable(_, reason) => {
                Some(Self { incomparable: Some(word(*reason).to_owned()), ..known })
            }
            Changes::Unknown(_) => None,
        }
    }

    /// The changes, and true if a card may have been posted before they were known.
    pub fn changes(self) -> Option<(Changes, bool)> {
        let Self { base, incomparable, compared, is_late } = self;
        let changes = match (base, compared, incomparable) {
            (None, ..) => Changes::First,
            (Some(base), Some(compared), _) => Changes::Since(compared.comparison(base)),
            (Some(base), None, reason) => {
                let all = [Incomparable::Unreachable, Incomparable::TooLarge];
                let reason = all.into_iter().find(|known| Some(word(*known)) == reason.as_deref())?;
                Changes::Incomparable(base, reason)
            }
        };
        Some((changes, is_late))
    }
}

fn word(reason: Incomparable) -> &'static str {
    match reason {
        Incomparable::Unreachable => "unreachable",
        Incomparable::TooLarge => "too-large",
    }
}

impl From<&Comparison> for StoredComparison {
    fn from(comparison: &Comparison) -> Self {
        let commit = |Commit { sha, message, author }: &Commit| StoredCommit {
            sha: sha.clone(),
            message: message.clone(),
            author: author.into(),
        };
        Self {
            commits: comparison.commits,
            missing: comparison.missing,
            commits_read: comparison.commits_read,
            newest: comparison.newest.iter().map(commit).collect(),
            authors: comparison.authors.iter().map(StoredAuthor::from).collect(),
            guarded: comparison.guarded.clone(),
            guarded_count: comparison.guarded_count,
            files: comparison.files,
        }
    }
}

impl StoredComparison {
    fn comparison(self, base: String) -> Comparison {
        let commit = |StoredCommit { sha, message, author }| Commit { sha, message, author: author.author() };
        Comparison {
            base,
            commits: self.commits,
            missing: self.missing,
            commits_read: self.commits_read,
            newest: self.newest.into_iter().map(commit).collect(),
            authors: self.authors.into_iter().map(StoredAuthor::author).collect(),
            guarded: self.guarded,
            guarded_count: self.guarded_count,
            files: self.files,
        }
    }
}

impl From<&Authors> for StoredAuthors {
    fn from(Authors { authors, are_all }: &Authors) -> Self {
        let short = |author: &Author| match author {
            Author::Name(name) => Author::Name(name.chars().take(MAX_NAME).collect()),
            account @ Author::Account(..) => account.clone(),
        };
        let authors = authors.iter().map(|author| StoredAuthor::from(&short(author))).collect();
        Self { authors, are_all: *are_all }
    }
}

impl StoredAuthors {
    /// The authors.
    pub fn authors(self) -> Authors {
        let Self { authors, are_all } = self;
        Authors { authors: authors.into_iter().map(StoredAuthor::author).collect(), are_all }
    }
}

impl From<&Author> for StoredAuthor {
    fn from(author: &Author) -> Self {
        match author.clone() {
            Author::Account(login, id) => Self { login: Some(login), id, name: None },
            Author::Name(name) => Self { login: None, id: None, name: Some(name) },
        }
    }
}

impl StoredAuthor {
    fn author(self) -> Author {
        match self.login {
            Some(login) => Author::Account(login, self.id),
            None => Author::Name(self.name.unwrap_or_default()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_read_as_they_were_written() {
        let accounts = [Author::Account("octocat".to_owned(), Some(1)), Author::Name("Kim".to_owned())];
        let newest = accounts.clone().map(|author| Commit {
            sha: "ab".repeat(20),
            message: "Fix it".to_owned(),
            author,
        });
        let comparison = Comparison {
            base: "cd".repeat(20),
            commits: 2,
            missing: 1,
            newest: newest.to_vec(),
            authors: accounts.to_vec(),
            commits_read: 2,
            guarded: vec![".github/workflows/a.yml".to_owned()],
            guarded_count: 1,
            files: 3,
        };
        for changes in [
            Changes::First,
            Changes::Since(comparison),
            Changes::Since(Comparison::of_same("ab")),
            Changes::Incomparable("ab".to_owned(), Incomparable::Unreachable),
            Changes::Incomparable("ab".to_owned(), Incomparable::TooLarge),
        ] {
            for is_late in [false, true] {
                let stored = StoredChanges::of(&changes, is_late).expect("they are known");
                let json = serde_json::to_string(&stored).expect("JSON");
                let read: StoredChanges = serde_json::from_str(&json).expect("the same shape");
                assert_eq!(read.changes(), Some((changes.clone(), is_late)));
            }
        }
        let unknown = Changes::Unknown(crate::approval::Unknown::Away);
        assert!(StoredChanges::of(&unknown, false).is_none());
    }

    #[test]
    fn the_stored_shape_stays() {
        let stored = r#"{"base":"ab","compared":{"commits":1,"missing":0,"commits_read":1,"newest":[{"sha":"cd","message":"Fix it","author":{"login":"octocat","id":1}}],"authors":[{"login":"octocat","id":1},{"name":"Kim"}],"guarded":[".github/a"],"guarded_count":1,"files":2},"is_late":true}"#;
        let read: StoredChanges = serde_json::from_str(stored).expect("this shape");
        assert_eq!(serde_json::to_string(&read).expect("JSON"), stored);
        let first: StoredChanges = serde_json::from_str("{}").expect("all is optional");
        assert_eq!(first.changes(), Some((Changes::First, false)));
    }

    #[test]
    fn authors_are_read_as_they_were_written_and_their_shape_stays() {
        let stored =
            r#"{"authors":[{"login":"octocat","id":1},{"login":"hubot"},{"name":"Kim"}],"are_all":false}"#;
        let read: StoredAuthors = serde_json::from_str(stored).expect("this shape");
        let authors = read.authors();
        let account = |login: &str, id| Author::Account(login.to_owned(), id);
        let kim = Author::Name("Kim".to_owned());
        assert_eq!(authors.authors, [account("octocat", Some(1)), account("hubot", None), kim]);
        assert_eq!(serde_json::to_string(&StoredAuthors::from(&authors)).expect("JSON"), stored);
        // A thousand of the longest names fit into a record.
        let many = Authors { authors: vec![Author::Name("\u{1}".repeat(300)); 1_000], are_all: true };
        let json = serde_json::to_string(&StoredAuthors::from(&many)).expect("JSON");
        assert!(json.len() < 1024 * 1024, "{}", json.len());
    }
}
