//! The pages that people read: what they link to is there, their commands cannot go wrong for an empty variable, and the
//! README says the same in both languages.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

use crate::handler_process::repository_root;

const READMES: [&str; 2] = ["README.md", "README.ko.md"];

/// All pages, by their paths within the project.
fn pages() -> BTreeMap<PathBuf, String> {
    let root = repository_root();
    let folders = ["", "docs", "infra", "examples"].map(|folder| root.join(folder));
    let files = folders.iter().filter_map(|folder| fs::read_dir(folder).ok()).flatten();
    let files = files.map(|file| file.expect("an entry").path());
    let pages = files.filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    let text = |path: &Path| fs::read_to_string(path).expect("a page");
    pages.map(|path| (path.strip_prefix(&root).expect("ours").to_owned(), text(&path))).collect()
}

fn parse(page: &str) -> Parser<'_> {
    Parser::new_ext(page, Options::ENABLE_TABLES)
}

/// The destinations of links and pictures, those in HTML as well.
fn links(page: &str) -> Vec<String> {
    let in_html = |html: &str| {
        let values = ["src=\"", "srcset=\""].map(|name| html.split(name).skip(1));
        let ends: Vec<_> = values.into_iter().flatten().filter_map(|rest| rest.split('"').next()).collect();
        ends.into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    parse(page)
        .flat_map(|event| match event {
            Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                vec![dest_url.into_string()]
            }
            Event::Html(html) | Event::InlineHtml(html) => in_html(&html),
            _ => Vec::new(),
        })
        .collect()
}

/// The headings: their levels and texts.
fn headings(page: &str) -> Vec<(u8, String)> {
    let mut headings = Vec::new();
    let mut within = false;
    for event in parse(page) {
        match event {
            Event::Start(Tag::Heading { level, .. }) => {
                headings.push((level as u8, String::new()));
                within = true;
            }
            Event::End(TagEnd::Heading(_)) => within = false,
            Event::Text(text) | Event::Code(text) if within => {
                headings.last_mut().expect("a heading").1.push_str(&text);
            }
            _ => {}
        }
    }
    headings
}

/// The anchor that GitHub gives to a heading.
fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.flat_map(char::to_lowercase).map(|c| if c == ' ' { '-' } else { c }).collect()
}

/// The code blocks of a language, or of all where it is empty.
pub fn blocks(page: &str, language: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut within = false;
    for event in parse(page) {
        match event {
            Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(said)))
                if language.is_empty() || *said == *language =>
            {
                blocks.push(String::new());
                within = true;
            }
            Event::End(TagEnd::CodeBlock) => within = false,
            Event::Text(text) if within => blocks.last_mut().expect("a block").push_str(&text),
            _ => {}
        }
    }
    blocks
}

/// The part of a page below this heading, up to the next of its kind.
pub fn section<'a>(page: &'a str, heading: &str) -> &'a str {
    let (_, after) = page.split_once(&format!("\n{heading}\n")).expect("the section");
    after.split("\n## ").next().expect("a first part")
}

#[test]
fn each_link_within_the_project_leads_somewhere() {
    let pages = pages();
    let anchors: BTreeMap<_, BTreeSet<_>> = pages
        .iter()
        .map(|(path, page)| (path, headings(page).iter().map(|(_, heading)| anchor(heading)).collect()))
        .collect();
    let mut broken = Vec::new();
    for (path, page) in &pages {
        for link in links(page).into_iter().filter(|link| !link.contains("://")) {
            let (file, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let target = match file {
                "" => path.clone(),
                file => normal(&path.parent().expect("in the project").join(file)),
            };
            let is_there = repository_root().join(&target).exists();
            let has_anchor =
                anchor.is_empty() || anchors.get(&target).is_some_and(|all| all.contains(anchor));
            if !is_there || !has_anchor {
                broken.push(format!("{}: {link}", path.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

/// The path without `..`, which leads nowhere out of the project.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::ParentDir => assert!(normal.pop(), "{}", path.display()),
            part => normal.push(part),
        }
    }
    normal
}

#[test]
fn the_readme_is_short_and_in_the_order_in_which_a_stranger_asks() {
    let page = &pages()[Path::new("README.md")];
    assert!(page.lines().count() <= 200, "{} lines", page.lines().count());
    let headings: Vec<_> = headings(page).into_iter().map(|(_, heading)| heading).collect();
    let order = "ApproveRelease, Is it for you?, Try it, The ten-minute way, Ask, Decide, Release, Limits, Where to read on";
    assert_eq!(headings.join(", "), order);
    let limits = section(page, "## Limits").trim_start();
    assert!(limits.starts_with("- **Not tried against a real tenant.**"), "{limits}");
}

#[test]
fn both_readmes_have_the_same_headings_commands_and_links() {
    let pages = pages();
    let [english, korean] = READMES.map(|name| &pages[Path::new(name)]);
    let levels = |page: &str| headings(page).into_iter().map(|(level, _)| level).collect::<Vec<_>>();
    assert_eq!(levels(english), levels(korean));
    assert_eq!(blocks(english, ""), blocks(korean, ""));
    // Each leads to the other; the order within a sentence is the language's.
    let others = |page: &str| {
        let mut links: Vec<_> =
            links(page).into_iter().filter(|link| !READMES.contains(&link.as_str())).collect();
        links.sort();
        links
    };
    assert_eq!(others(english), others(korean));
}

/// The variables of a script's line that expand although they may be empty.
fn unguarded<'a>(line: &'a str, literal: &[&str]) -> Vec<&'a str> {
    let end_of_name = |text: &str| {
        text.find(|c: char| !(c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')).unwrap_or(text.len())
    };
    line.split('$')
        .skip(1)
        .filter_map(|after| {
            let braced = after.strip_prefix('{');
            let name = braced.unwrap_or(after);
            let (name, rest) = name.split_at(end_of_name(name));
            let is_guarded = braced.is_some() && rest.starts_with(":?");
            (name.len() > 2 && !is_guarded && !literal.contains(&name)).then_some(name)
        })
        .collect()
}

#[test]
fn no_command_goes_on_with_an_empty_variable() {
    for (path, page) in pages() {
        for block in blocks(&page, "sh") {
            let set = block.lines().filter_map(|line| {
                let (name, value) = line.split_once('=')?;
                let is_literal = value.starts_with(|c: char| c.is_ascii_alphanumeric());
                is_literal.then(|| name.trim_start_matches("export "))
            });
            let counted = block.lines().filter_map(|line| line.strip_prefix("for ")?.split(' ').next());
            let literal: Vec<_> = set.chain(counted).collect();
            let faults: Vec<_> = block.lines().flat_map(|line| unguarded(line, &literal)).collect();
            assert!(faults.is_empty(), "{}: {faults:?} in\n{block}", path.display());
        }
    }
}

#[test]
fn a_variable_is_guarded_or_known() {
    assert_eq!(unguarded(r#"az x --name "$APP" "${GROUP}" "${KEY:?}" "$URL""#, &["URL"]), ["APP", "GROUP"]);
    assert!(unguarded("awk '{ print $2 }' \"$(id -u)\" \"${APP:?no app}\"", &[]).is_empty());
}
