//! One function for each thing that is put into words, the same on every card, page and row.

use chrono::{DateTime, Utc};

use super::labels;
use crate::{
    approval::{Performer, Request, Workload},
    text::line::plain,
};

/// The longest title, in characters.
const MAX_TITLE: usize = 200;

/// The longest name of a person or a fact, in characters.
pub const MAX_NAME: usize = 60;

/// The digits of a commit that are shown: long enough to be unambiguous.
const SHORT_COMMIT: usize = 12;

/// The workflow's own title as one plain line, if it gave one.
pub fn own_title(request: &Request) -> Option<String> {
    let title = request.terms.title.as_deref().map(|title| plain(title, MAX_TITLE));
    title.filter(|title| !title.is_empty())
}

/// The title of a request as one plain line: its own, or one of ours.
pub fn title(request: &Request) -> String {
    own_title(request).unwrap_or_else(|| format!("Release of {}", request.workload.repository))
}

/// The shown name of a performer: the display name, or the object id if that is not known.
pub fn name(performer: &Performer) -> String {
    match plain(performer.display_name().unwrap_or_default(), MAX_NAME) {
        empty if empty.is_empty() => performer.to_string(),
        name => name,
    }
}

/// A time for people: in UTC, since not every client can show it in its own zone.
pub fn readable(time: DateTime<Utc>) -> String {
    time.format("%Y-%m-%d %H:%M UTC").to_string()
}

/// A part and its whole.
pub fn count(part: usize, whole: usize) -> String {
    format!("{part} of {whole}")
}

/// The first digits of a job's commit.
pub fn short_commit(workload: &Workload) -> String {
    short(&workload.sha)
}

/// The first digits of a commit.
pub fn short(sha: &str) -> String {
    plain(sha, usize::MAX).chars().take(SHORT_COMMIT).collect()
}

/// The label and the name of a job's ref: a branch or a tag if it is plainly one, else the ref as it came.
// T11
pub fn reference(git_ref: &str) -> (&'static str, &str) {
    let kinds = [("refs/heads/", labels::BRANCH), ("refs/tags/", labels::TAG)];
    let named = kinds.into_iter().find_map(|(begin, label)| Some((label, git_ref.strip_prefix(begin)?)));
    // A branch may be called refs/tags/v1, and is not the tag.
    named.filter(|(_, name)| !name.is_empty() && !name.starts_with("refs/")).unwrap_or((labels::REF, git_ref))
}

/// The run that releases, with its attempt if that is not the first.
pub fn release_run(id: &str, attempt: u64) -> String {
    match attempt {
        1 => format!("run {id}"),
        attempt => format!("run {id}, attempt {attempt}"),
    }
}

/// The run of a job, by its number if that is known; with its attempt if that is not the first.
pub fn run(workload: &Workload) -> String {
    let is_number = |text: &&str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let number = workload.run_number.as_deref().filter(is_number);
    let run = number.map_or_else(|| workload.run_id.clone(), |number| format!("#{number}"));
    match workload.run_attempt.as_str() {
        "1" => run,
        attempt => format!("{run}, attempt {attempt}"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::approval::Repository;

    #[test]
    fn a_ref_is_a_branch_or_a_tag_only_if_it_is_plainly_one() {
        for (git_ref, shown) in [
            ("refs/heads/main", ("Branch", "main")),
            ("refs/heads/release/1.4", ("Branch", "release/1.4")),
            ("refs/tags/v1.2", ("Tag", "v1.2")),
            ("refs/heads/refs/tags/v1", ("Ref", "refs/heads/refs/tags/v1")),
            ("refs/tags/refs/heads/main", ("Ref", "refs/tags/refs/heads/main")),
            ("refs/heads/", ("Ref", "refs/heads/")),
            ("refs/pull/7/merge", ("Ref", "refs/pull/7/merge")),
            ("Refs/heads/main", ("Ref", "Refs/heads/main")),
            ("main", ("Ref", "main")),
            ("", ("Ref", "")),
        ] {
            assert_eq!(reference(git_ref), shown);
        }
    }

    #[test]
    fn a_run_has_its_number_and_a_later_attempt_says_so() {
        let job = |number: Option<&str>, attempt: &str| Workload {
            run_id: "987".to_owned(),
            run_number: number.map(str::to_owned),
            run_attempt: attempt.to_owned(),
            ..Workload::sample(Repository::parse("octo/app").expect("a repository"))
        };
        assert_eq!(run(&job(Some("42"), "1")), "#42");
        assert_eq!(run(&job(Some("42"), "3")), "#42, attempt 3");
        assert_eq!(run(&job(None, "1")), "987");
        assert_eq!(run(&job(Some("4 of 2"), "2")), "987, attempt 2");
    }

    proptest! {
        #[test]
        fn two_refs_that_differ_never_read_the_same(
            one in "(refs/(heads|tags)/){0,3}[a/]{0,3}", other in "(refs/(heads|tags)/){0,3}[a/]{0,3}"
        ) {
            let read = |git_ref: &str| {
                let (label, name) = reference(git_ref);
                format!("{label} {name}")
            };
            prop_assert_eq!(read(&one) == read(&other), one == other);
        }
    }
}
