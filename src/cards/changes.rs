//! The changes since the last release in words: sentences of ours, and what the commits say, apart from them.

use serde_json::Value as Json;

use super::{
    Cards,
    adaptive::{Client, Limits, Row, fact_set, frame, group, label, line, text_block},
    body::one_line,
    content::Content,
    labels,
    words::{MAX_NAME, short},
};
use crate::{
    approval::{Author, Changes, Commit, Comparison, Incomparable, Unknown},
    text::{
        identifier::identifier,
        line::{cut, plain},
        markdown::{link, literal},
    },
};

/// The longest first line of a commit's message that is shown, in characters.
const MAX_MESSAGE: usize = 100;

/// The longest path that is shown, in characters.
const MAX_PATH: usize = 120;

/// The most authors that are named.
const MAX_AUTHORS: usize = 10;

/// The first sentence about the changes.
pub fn summary(changes: &Changes) -> String {
    match changes {
        Changes::First => "No earlier release is on record: there is nothing to compare with.".to_owned(),
        Changes::Since(Comparison { commits: 0, missing: 0, .. }) => {
            "None: this is the commit of the last release.".to_owned()
        }
        Changes::Since(Comparison { commits: 0, .. }) => "None: this goes back.".to_owned(),
        Changes::Since(comparison) => format!("{}.", commits(comparison.commits)),
        Changes::Incomparable(_, Incomparable::Unreachable) => {
            "GitHub cannot compare this with the last release: its commit is gone, or has another history."
                .to_owned()
        }
        Changes::Incomparable(_, Incomparable::TooLarge) => {
            "Too many to show here: GitHub's page compares the two commits.".to_owned()
        }
        Changes::Unknown(Unknown::NotYet) => {
            "Not known yet. GitHub is asked again when an approver opens the page of this approval."
                .to_owned()
        }
        Changes::Unknown(Unknown::Away) => {
            "Not known: GitHub could not be asked. The page of this approval asks again.".to_owned()
        }
        Changes::Unknown(Unknown::Refused) => {
            "Not known: GitHub refused to tell. The token for GitHub must be valid, with Contents: read."
                .to_owned()
        }
    }
}

/// The sentences that nobody should overlook.
pub fn warnings(changes: &Changes) -> Vec<String> {
    let Some(comparison) = changes.comparison() else { return Vec::new() };
    let missing = (comparison.missing > 0).then(|| {
        let are = if comparison.missing == 1 { "is" } else { "are" };
        format!(
            "{} of the last release {are} not in this one; what they changed is not looked at.",
            commits(comparison.missing)
        )
    });
    let guarded = match comparison.guarded_count {
        0 => None,
        1 => Some("1 file under .github/ differs: it can change what runs.".to_owned()),
        count => Some(format!("{count} files under .github/ differ: they can change what runs.")),
    };
    let unread = comparison.commits.saturating_sub(comparison.commits_read);
    let unread = (unread > 0).then(|| format!("{} more were not looked at.", commits(unread)));
    let files = comparison
        .may_lack_files()
        .then(|| format!("{} files or more differ: not all of them were looked at.", Comparison::MAX_FILES));
    [missing, guarded, files, unread].into_iter().flatten().collect()
}

fn commits(count: usize) -> String {
    if count == 1 { "1 commit".to_owned() } else { format!("{count} commits") }
}

/// The newest commits, as far as they are kept.
pub fn newest(changes: &Changes) -> &[Commit] {
    changes.comparison().map_or(&[], |comparison| &comparison.newest)
}

/// The number of commits that are not named.
pub fn not_named(changes: &Changes) -> usize {
    changes.comparison().map_or(0, |comparison| comparison.commits.saturating_sub(comparison.newest.len()))
}

/// The paths under `.github/`, for people to read.
pub fn guarded(changes: &Changes) -> Vec<String> {
    let paths = changes.comparison().map_or(&[][..], |comparison| &comparison.guarded);
    paths.iter().map(|path| cut(&identifier(path), MAX_PATH)).collect()
}

/// The number of those that are not named.
pub fn not_listed(changes: &Changes) -> usize {
    changes
        .comparison()
        .map_or(0, |comparison| comparison.guarded_count.saturating_sub(comparison.guarded.len()))
}

/// The author of a commit. A name without an account says so, since anybody can write any name.
pub fn author(author: &Author) -> String {
    match author {
        Author::Account(login, _) => cut(&identifier(login), MAX_NAME),
        Author::Name(name) => match plain(name, MAX_NAME) {
            empty if empty.is_empty() => "nobody (no account)".to_owned(),
            name => format!("{name} (no account)"),
        },
    }
}

/// The authors of the commits that were read, in one line.
pub fn authors(changes: &Changes) -> Option<String> {
    names(changes.comparison()?.authors.iter())
}

/// The first authors, and the number of the others, in one line; nothing without any.
pub fn names<'a>(authors: impl ExactSizeIterator<Item = &'a Author>) -> Option<String> {
    let more = authors.len().saturating_sub(MAX_AUTHORS);
    let named: Vec<_> = authors.take(MAX_AUTHORS).map(author).collect();
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    (!named.is_empty()).then(|| format!("{}{more}", named.join(", ")))
}

/// The first line of a commit's message.
pub fn message(commit: &Commit) -> String {
    match plain(&commit.message, MAX_MESSAGE) {
        empty if empty.is_empty() => "(no message)".to_owned(),
        message => message,
    }
}

/// The first digits of a commit.
pub fn sha(commit: &Commit) -> String {
    short(&commit.sha)
}

impl Cards {
    /// One line about the changes, and what nobody should overlook: always in sight while the approval waits.
    pub(super) fn changes_at_a_glance(&self, content: &Content) -> Vec<Json> {
        let Some(changes) = content.changes.filter(|_| content.state.is_waiting()) else { return Vec::new() };
        let told = text_block(&format!("{}: {}", labels::CHANGES, literal(&summary(changes))));
        let warnings = warnings(changes).join(" ");
        let warned = (!warnings.is_empty()).then(|| line(&literal(&warnings), "attention"));
        [told].into_iter().chain(warned).collect()
    }

    /// The newest commits, the files that change what runs, and where GitHub shows all of it.
    pub(super) fn changes_in_full(&self, content: &Content, client: Client, limits: &Limits) -> Option<Json> {
        let changes = content.changes?;
        let mut shown = vec![label(labels::CHANGES)];
        // In a mail everything stands in one place.
        if !content.state.is_waiting() && client == Client::Teams {
            shown.push(text_block(&literal(&summary(changes))));
            shown.extend(warnings(changes).iter().map(|warning| text_block(&literal(warning))));
        }
        if limits.changes {
            shown.extend(said_by_commits(changes));
            shown.extend(guarded_files(changes));
        }
        let url = self.compare_url(changes, &content.request.workload);
        shown.extend(url.map(|url| text_block(&link(labels::COMPARE, &url))));
        (shown.len() > 1).then(|| group(shown))
    }
}

/// The commits' own words, in a frame of their own.
fn said_by_commits(changes: &Changes) -> Option<Json> {
    let row = |commit: &Commit| {
        let message = message(commit);
        Row::new(&one_line(&author(&commit.author), MAX_PATH), &message, literal(&message))
    };
    let mut rows = vec![fact_set(newest(changes).iter().map(row))];
    rows.extend((not_named(changes) > 0).then(|| text_block(&format!("and {} more", not_named(changes)))));
    (!newest(changes).is_empty()).then(|| frame(labels::COMMITS_SAY, rows))
}

fn guarded_files(changes: &Changes) -> Option<Json> {
    let mut paths: Vec<_> =
        guarded(changes).iter().map(|path| text_block(&literal(&one_line(path, MAX_PATH)))).collect();
    paths.extend((not_listed(changes) > 0).then(|| text_block(&format!("and {} more", not_listed(changes)))));
    (!paths.is_empty()).then(|| frame(labels::GUARDED, paths))
}

#[cfg(test)]
mod tests {
    use super::{
        super::{adaptive::MAX_BYTES, samples},
        *,
    };
    use crate::approval::Standing;

    fn since(commits: usize, missing: usize) -> Comparison {
        Comparison { commits, missing, commits_read: commits.min(250), ..Comparison::of_same("ab") }
    }

    fn said(comparison: Comparison) -> String {
        let changes = Changes::Since(comparison);
        [summary(&changes)].into_iter().chain(warnings(&changes)).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn each_kind_of_change_has_its_sentence() {
        for (comparison, sentences) in [
            (since(0, 0), "None: this is the commit of the last release."),
            (since(1, 0), "1 commit."),
            (since(3, 0), "3 commits."),
            (
                since(0, 2),
                "None: this goes back. 2 commits of the last release are not in this one; what they changed is not looked at.",
            ),
            (
                since(3, 1),
                "3 commits. 1 commit of the last release is not in this one; what they changed is not looked at.",
            ),
            (since(251, 0), "251 commits. 1 commit more were not looked at."),
            (
                Comparison { guarded_count: 2, files: 300, ..since(1, 0) },
                "1 commit. 2 files under .github/ differ: they can change what runs. 300 files or more differ: not all of them were looked at.",
            ),
            (Comparison { files: 299, ..since(1, 0) }, "1 commit."),
        ] {
            assert_eq!(said(comparison), sentences);
        }
    }

    #[test]
    fn every_sentence_is_short_plain_and_its_own() {
        let all = [
            Changes::First,
            Changes::Since(since(0, 0)),
            Changes::Since(since(0, 1)),
            Changes::Incomparable("ab".to_owned(), Incomparable::Unreachable),
            Changes::Incomparable("ab".to_owned(), Incomparable::TooLarge),
            Changes::Unknown(Unknown::NotYet),
            Changes::Unknown(Unknown::Away),
            Changes::Unknown(Unknown::Refused),
        ];
        let mut sentences: Vec<_> = all.iter().map(summary).collect();
        assert!(sentences.iter().all(|sentence| sentence.len() < 200 && sentence.is_ascii()));
        sentences.sort();
        sentences.dedup();
        assert_eq!(sentences.len(), all.len());
    }

    /// An approval that waits, with the most changes, and this text of the workflow's.
    fn approval(text: &str, said: &str) -> Standing {
        Standing { changes: Some(samples::changes(said)), ..samples::asked(text) }
    }

    #[test]
    fn in_a_card_s_budget_the_commits_give_way_first_and_what_matters_stays() {
        let card = |standing: &Standing| {
            let content = Content::of(standing, &samples::policy(), samples::noon());
            samples::cards().teams(&content).to_string()
        };
        let small = card(&approval("a", "Fix it"));
        assert!(small.contains("Fix it") && small.contains(labels::COMMITS_SAY), "{small}");
        let large = card(&approval(&"&".repeat(3_000), &"&".repeat(300)));
        assert!(large.len() <= MAX_BYTES && !large.contains(labels::COMMITS_SAY), "{}", large.len());
        for text in ["1000 commits", "300 files under", "750 commits more were not", labels::COMPARE] {
            assert!(large.contains(text), "{text}: {large}");
        }
        assert!(large.matches('&').count() > 3_000, "the workflow's text is whole");
    }

    #[test]
    fn nobody_is_taken_for_an_account() {
        let name = |text: &str| author(&Author::Name(text.to_owned()));
        assert_eq!(author(&Author::Account("octocat".to_owned(), Some(1))), "octocat");
        assert_eq!(name("octocat"), "octocat (no account)");
        assert_eq!(name(" "), "nobody (no account)");
        assert_eq!(name("a\u{202e}b\nc{{d"), "ab c{ {d (no account)");
        assert!(name(&"x".repeat(1_000)).ends_with(" […] (no account)"));
        assert!(author(&Author::Account("octo\u{441}at".to_owned(), None)).contains("mixed alphabets"));
    }
}
