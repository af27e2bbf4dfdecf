//! Questions about commits: the difference between two of them, and who wrote them.
//!
//! Everything in an answer that is not GitHub's own was written by anyone who ever contributed: it is cut here and
//! escaped where it is shown.

use serde::Deserialize;
use serde_json::Value;

use super::{Access, GitHub};
use crate::{
    approval::{
        Author, Authors, Commit, Comparison, Incomparable, Repository, SendAnswer, Unknown, is_commit,
    },
    timing::Timing,
};

/// The longest first line, login, name or path that is kept, in characters.
const MAX_TEXT: usize = 300;

/// The commits on a page, and the most pages that are read for their authors: 1,000 commits.
const PAGE: usize = 100;
const MAX_PAGES: usize = 10;

/// The folder whose files change what runs.
const GUARDED: &str = ".github/";

/// The reason why a comparison has no result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Uncompared {
    /// It can never have one.
    Never(Incomparable),
    /// It may have one later; with GitHub's words, for the log.
    Now(Unknown, String),
}

/// GitHub's answer: the part that is read.
#[derive(Deserialize)]
struct Compared {
    total_commits: usize,
    behind_by: usize,
    commits: Vec<WireCommit>,
    files: Option<Vec<WireFile>>,
}

#[derive(Deserialize)]
struct WireCommit {
    sha: String,
    commit: WireGitCommit,
    author: Option<WireAccount>,
}

#[derive(Deserialize)]
struct WireGitCommit {
    message: String,
    author: Option<WireGitAuthor>,
}

#[derive(Deserialize)]
struct WireGitAuthor {
    name: Option<String>,
}

/// An account; GitHub also answers an empty object.
#[derive(Deserialize)]
struct WireAccount {
    login: Option<String>,
    id: Option<u64>,
}

#[derive(Deserialize)]
struct WireFile {
    filename: String,
    previous_filename: Option<String>,
}

impl GitHub {
    /// The difference between the commits `base` and `head`. One call; another where GitHub does not find them.
    ///
    /// # Errors
    /// [`Uncompared`] tells whether another try may have a result.
    pub async fn compare(
        &self,
        repository: &Repository,
        (base, head): (&str, &str),
        timing: Timing,
    ) -> Result<Comparison, Uncompared> {
        let compared: Compared = self.compared(repository, (base, head), &[], timing).await?;
        Ok(compared.comparison(base))
    }

    /// The authors of all commits that `head` has and `base` has not, of at most 1,000.
    ///
    /// # Errors
    /// As those of [`GitHub::compare`].
    pub async fn authors_between(
        &self,
        repository: &Repository,
        (base, head): (&str, &str),
        timing: Timing,
    ) -> Result<Authors, Uncompared> {
        let (mut authors, mut read) = (Vec::new(), 0);
        for number in 1..=MAX_PAGES {
            let query = [("per_page", PAGE.to_string()), ("page", number.to_string())];
            let query: Vec<_> = query.iter().map(|(name, value)| (*name, value.as_str())).collect();
            let page: Compared = self.compared(repository, (base, head), &query, timing).await?;
            read += page.commits.len();
            authors.extend(page.commits.into_iter().map(WireCommit::author));
            if read >= page.total_commits {
                return Ok(Authors { authors: each_once(authors), are_all: true });
            }
            if page.total_commits > MAX_PAGES * PAGE {
                break;
            }
        }
        Ok(Authors { authors: each_once(authors), are_all: false })
    }

    /// The author of one commit.
    ///
    /// # Errors
    /// As those of [`GitHub::compare`].
    pub async fn author_of(
        &self,
        repository: &Repository,
        sha: &str,
        timing: Timing,
    ) -> Result<Authors, Uncompared> {
        if !is_commit(sha) {
            return Err(Uncompared::Never(Incomparable::Unreachable));
        }
        let commit: WireCommit = self.asked(repository, &["commits", sha], &[], timing).await?;
        Ok(Authors { authors: vec![commit.author()], are_all: true })
    }

    async fn compared<T: for<'de> Deserialize<'de>>(
        &self,
        repository: &Repository,
        (base, head): (&str, &str),
        query: &[(&str, &str)],
        timing: Timing,
    ) -> Result<T, Uncompared> {
        if !is_commit(base) || !is_commit(head) {
            return Err(Uncompared::Never(Incomparable::Unreachable));
        }
        self.asked(repository, &["compare", &format!("{base}...{head}")], query, timing).await
    }

    async fn asked<T: for<'de> Deserialize<'de>>(
        &self,
        repository: &Repository,
        path: &[&str],
        query: &[(&str, &str)],
        timing: Timing,
    ) -> Result<T, Uncompared> {
        let answer = self.read(repository, Access::ReadContents, path, query, timing).await;
        let answer: Value = match answer {
            Ok(answer) => answer,
            // GitHub says the same of a commit that is gone and of a repository that it does not show us.
            Err(result) if result.what == SendAnswer::NotFound => {
                return Err(match self.read(repository, Access::ReadRepository, &[], &[], timing).await {
                    Ok(_) => Uncompared::Never(Incomparable::Unreachable),
                    Err(result) => unread(result.what, result.detail),
                });
            }
            Err(result) => return Err(unread(result.what, result.detail)),
        };
        serde_json::from_value(answer).map_err(|error| {
            Uncompared::Now(Unknown::Away, format!("GitHub's answer has another form: {error}"))
        })
    }
}

fn unread(answer: SendAnswer, detail: String) -> Uncompared {
    match answer {
        SendAnswer::Broken if detail.contains("larger than") => Uncompared::Never(Incomparable::TooLarge),
        SendAnswer::Unprocessable => Uncompared::Never(Incomparable::Unreachable),
        answer if answer.is_refusal() => Uncompared::Now(Unknown::Refused, detail),
        _ => Uncompared::Now(Unknown::Away, detail),
    }
}

impl Compared {
    fn comparison(self, base: &str) -> Comparison {
        let files = self.files.unwrap_or_default();
        let guarded: Vec<_> = files.iter().filter_map(WireFile::guarded).collect();
        let guarded_count = guarded.len();
        let commits: Vec<_> = self.commits.into_iter().map(WireCommit::commit).collect();
        Comparison {
            base: base.to_owned(),
            commits: self.total_commits.max(commits.len()),
            missing: self.behind_by,
            authors: each_once(commits.iter().map(|commit| commit.author.clone()).collect()),
            commits_read: commits.len(),
            // The last is the most recent of all.
            newest: commits.into_iter().rev().take(Comparison::MAX_NEWEST).collect(),
            guarded: guarded.into_iter().take(Comparison::MAX_GUARDED).collect(),
            guarded_count,
            files: files.len(),
        }
    }
}

impl WireCommit {
    fn commit(self) -> Commit {
        let message = self.commit.message.lines().map(str::trim).find(|line| !line.is_empty());
        let message = start(message.unwrap_or_default());
        Commit { sha: start(&self.sha), message, author: self.author() }
    }

    fn author(self) -> Author {
        match self.author {
            Some(WireAccount { login: Some(login), id }) if !login.is_empty() => {
                Author::Account(start(&login), id)
            }
            _ => Author::Name(start(&self.commit.author.and_then(|author| author.name).unwrap_or_default())),
        }
    }
}

impl WireFile {
    /// The path under `.github/` that the file has or had.
    fn guarded(&self) -> Option<String> {
        let paths = [Some(&self.filename), self.previous_filename.as_ref()];
        paths.into_iter().flatten().find(|path| path.starts_with(GUARDED)).map(|path| start(path))
    }
}

fn each_once(authors: Vec<Author>) -> Vec<Author> {
    let mut each: Vec<Author> = Vec::new();
    for author in authors {
        if !each.contains(&author) {
            each.push(author);
        }
    }
    each
}

fn start(text: &str) -> String {
    text.chars().take(MAX_TEXT).collect()
}
