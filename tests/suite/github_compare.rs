//! Comparisons and commits as the stand-in of GitHub gives them, each as GitHub describes it.

use serde_json::{Value, json};

/// A commit: its message, the login of its author if there is an account, and the name that it gives itself.
#[derive(Clone, Debug)]
pub struct Written {
    pub message: String,
    pub login: Option<String>,
    pub name: String,
}

/// A comparison.
#[derive(Clone, Debug, Default)]
pub struct Compared {
    /// The oldest first.
    pub commits: Vec<Written>,
    pub behind: usize,
    /// Each with its name before, if it had another.
    pub files: Vec<(String, Option<String>)>,
}

pub fn by(login: &str, message: &str) -> Written {
    Written { message: message.to_owned(), login: Some(login.to_owned()), name: login.to_owned() }
}

pub fn by_nobody(name: &str, message: &str) -> Written {
    Written { message: message.to_owned(), login: None, name: name.to_owned() }
}

impl Compared {
    /// Of so many commits of octocat's.
    pub fn of(count: usize) -> Self {
        Self {
            commits: (1..=count).map(|n| by("octocat", &format!("Change {n}"))).collect(),
            ..Self::default()
        }
    }

    pub fn files(self, names: impl IntoIterator<Item = String>) -> Self {
        Self { files: names.into_iter().map(|name| (name, None)).collect(), ..self }
    }

    /// A page of it; the first 300 files stand on the first. Without paging the newest 250 commits.
    pub fn page(&self, paging: Option<(usize, usize)>) -> Value {
        let count = self.commits.len();
        let shown = match paging {
            None => count.saturating_sub(250)..count,
            Some((size, page)) => {
                let from = (size * (page - 1)).min(count);
                from..(from + size).min(count)
            }
        };
        let is_first = paging.is_none_or(|(_, page)| page == 1);
        let commits: Vec<_> = shown.map(|place| commit(&self.commits[place], place)).collect();
        let files: Vec<_> = self.files.iter().take(if is_first { 300 } else { 0 }).map(file).collect();
        let status = match (count, self.behind) {
            (0, 0) => "identical",
            (0, _) => "behind",
            (_, 0) => "ahead",
            _ => "diverged",
        };
        let base = commit(&by("octocat", "The last release"), 9_999);
        let at = |part: &str| format!("https://github.com/octo/app/compare/{part}");
        json!({
            "url": at("1"), "html_url": at("2"), "permalink_url": at("3"), "diff_url": at("4"), "patch_url": at("5"),
            "base_commit": base, "merge_base_commit": base, "status": status,
            "ahead_by": count, "behind_by": self.behind, "total_commits": count,
            "commits": commits, "files": files,
        })
    }
}

fn file((name, before): &(String, Option<String>)) -> Value {
    let url = "https://api.github.com/x";
    let mut file = json!({
        "sha": "ab".repeat(20), "filename": name, "status": if before.is_some() { "renamed" } else { "modified" },
        "additions": 1, "deletions": 0, "changes": 1, "blob_url": url, "raw_url": url, "contents_url": url,
        "patch": "@@ -1 +1 @@",
    });
    if let Some(before) = before {
        file["previous_filename"] = json!(before);
    }
    file
}

pub fn commit(written: &Written, number: usize) -> Value {
    let (url, sha) = ("https://api.github.com/x", format!("{number:040x}"));
    let author = json!({"name": written.name, "email": "x@example.com", "date": "2026-11-01T08:00:00Z"});
    json!({
        "url": url, "sha": sha, "node_id": "C_1", "html_url": url, "comments_url": url,
        "commit": {
            "url": url, "author": author, "committer": author, "message": written.message, "comment_count": 0,
            "tree": {"sha": sha, "url": url},
        },
        "author": written.login.as_deref().map(account), "committer": {}, "parents": [],
    })
}

fn account(login: &str) -> Value {
    let url = "https://api.github.com/users/x";
    json!({
        "login": login, "id": 583_231, "node_id": "U_1", "avatar_url": url, "gravatar_id": "", "url": url,
        "html_url": url, "followers_url": url, "following_url": url, "gists_url": url, "starred_url": url,
        "subscriptions_url": url, "organizations_url": url, "repos_url": url, "events_url": url,
        "received_events_url": url, "type": "User", "site_admin": false,
    })
}
