//! `docs/settings.md`: held to the settings that are read.

use std::collections::{BTreeMap, BTreeSet};

use super::Config;

/// The page.
const PAGE: &str = include_str!("../../docs/settings.md");

/// A setting of which there may be several, with a name of their own at its end.
const NAMED: [(&str, &str); 1] = [("TEAMS_WEBHOOK_URL_NAME", "TEAMS_WEBHOOK_URL_<NAME>")];

/// Values with which further settings are looked for: each setting alone, and all but each.
const TELLING: [&str; 4] =
    ["1", "az://approvals", "https://a.example/b", "7b0c0d0e-1111-4222-8333-444455556666"];

/// All names that are looked for, whatever else is set.
fn read() -> BTreeSet<String> {
    let asked = |settings: &[(&str, &str)]| {
        let settings: BTreeMap<_, _> =
            settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Config::read(&settings).1
    };
    let mut known = asked(&NAMED.map(|(name, _)| (name, "1")));
    loop {
        let names: Vec<_> = known.iter().map(String::as_str).collect();
        let pairs = names.iter().flat_map(|name| TELLING.map(|value| (*name, value)));
        let found: BTreeSet<_> = pairs
            .flat_map(|(one, value)| {
                let others = names.iter().filter(|name| **name != one);
                let all_but_one: Vec<_> = others.map(|name| (*name, value)).collect();
                asked(&[(one, value)]).into_iter().chain(asked(&all_but_one))
            })
            .collect();
        let before = known.len();
        known.extend(found);
        if known.len() == before {
            return known;
        }
    }
}

/// The names in the first column of the page's tables.
fn documented() -> Vec<String> {
    let rows = PAGE.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.map(|row| row.split_once("` |").expect("one setting in a row").0.to_owned()).collect()
}

#[test]
fn each_setting_that_is_read_has_one_row_and_no_other_has() {
    let public = |name: String| match NAMED.iter().find(|(named, _)| *named == name) {
        Some((_, public)) => (*public).to_owned(),
        None => name,
    };
    let read: BTreeSet<_> = read().into_iter().map(public).collect();
    let rows = documented();
    let documented: BTreeSet<_> = rows.iter().cloned().collect();

    assert_eq!(rows.len(), documented.len(), "a setting stands twice: {rows:?}");
    let missing: Vec<_> = read.difference(&documented).collect();
    let unread: Vec<_> = documented.difference(&read).collect();
    assert!(missing.is_empty(), "docs/settings.md has no row for {missing:?}");
    assert!(unread.is_empty(), "docs/settings.md has rows for {unread:?}, which nothing reads");
}
