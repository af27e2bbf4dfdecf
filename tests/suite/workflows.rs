//! The workflows and the action in `examples/`, and this project's own: what GitHub takes, and what nobody can inject
//! into.

use std::{
    fs,
    path::{Path, PathBuf},
};

use saphyr::YamlOwned;

use crate::{
    handler_process::repository_root,
    node_tools::{node, node_tools},
    yaml::{mappings, parse_yaml, read_yaml, text_of},
};

#[test]
fn every_workflow_is_valid_by_githubs_schema() {
    for path in workflows() {
        assert_eq!(schema_errors(&path), None, "{}", path.display());
    }
}

#[test]
fn a_workflow_that_github_would_refuse_is_found() {
    let release = fs::read_to_string(repository_root().join("examples/release.yml")).unwrap();
    let mistakes = [
        ("repository_dispatch:", "repository_dispatched:"),
        ("runs-on:", "run-on:"),
        ("contents: read", "content: read"),
        ("fetch-depth: 0", "fetch-depth: [0]"),
        ("jobs:\n", "jobs: none\nmore:\n"),
    ];
    for (right, wrong) in mistakes {
        assert!(release.contains(right), "{right}");
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("wrong-workflow.yml");
        fs::write(&path, release.replace(right, wrong)).unwrap();
        assert!(schema_errors(&path).is_some(), "nobody minds {wrong}");
    }
}

#[test]
fn an_action_that_github_would_refuse_is_found() {
    let action = fs::read_to_string(repository_root().join("examples/request-approval/action.yml")).unwrap();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("wrong-action");
    fs::create_dir_all(&folder).unwrap();
    for (right, wrong) in [
        ("using: composite", "using: bash"),
        ("POLL_SECONDS: \"30\"", "POLL_SECONDS: 30"),
        ("    value:", "    values:"),
    ] {
        assert!(action.contains(right), "{right}");
        // By its name it is known to be an action.
        let path = folder.join("action.yml");
        fs::write(&path, action.replace(right, wrong)).unwrap();
        assert!(schema_errors(&path).is_some(), "nobody minds {wrong}");
    }
}

#[test]
fn no_expression_stands_inside_a_script() {
    for path in workflows() {
        let workflow = read_yaml(&path);
        let scripts = scripts(&workflow);
        assert!(!scripts.is_empty(), "{} has no script", path.display());
        for script in scripts {
            assert!(!script.contains("${{"), "{}: {script}", path.display());
        }
    }
}

#[test]
fn a_script_is_found_however_it_is_written() {
    let workflow = parse_yaml(
        "
    steps:
      - run: one ${{ a }}
      - name: two
        run: |
          two

          ${{ b }}
        env:
          THREE: ${{ c }}
      - {name: four, \"run\": \"d ${{ d }}\"}
",
    );
    assert_eq!(scripts(&workflow), ["one ${{ a }}", "two\n\n${{ b }}\n", "d ${{ d }}"]);
}

#[test]
fn every_action_is_pinned_by_its_commit_and_says_its_version() {
    for path in workflows() {
        for line in fs::read_to_string(&path).unwrap().lines() {
            if let Some((_, action)) = line.split_once("uses: ") {
                // "$/" is the workflow's own commit.
                assert!(is_pinned(action) || action.starts_with("$/"), "{}: {action}", path.display());
            }
        }
    }
    assert!(!is_pinned("actions/checkout@v7 # v7.0.1"));
    assert!(!is_pinned("actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1"));
}

fn workflows() -> Vec<PathBuf> {
    let workflows_in = |folder: &str| {
        let files = fs::read_dir(repository_root().join(folder)).unwrap();
        let workflows: Vec<_> = files
            .map(|file| file.unwrap().path())
            .filter(|path| path.extension().is_some_and(|end| end == "yml"))
            .collect();
        assert!(!workflows.is_empty(), "{folder} has no workflow");
        workflows
    };
    let actions = vec![repository_root().join("examples/request-approval/action.yml")];
    [workflows_in("examples"), workflows_in(".github/workflows"), actions].concat()
}

fn schema_errors(workflow: &Path) -> Option<String> {
    let output = node()
        .arg(node_tools().join("@action-validator/cli/cli.mjs"))
        .arg(workflow)
        .output()
        .expect("npm was found, so node should be");
    let errors = String::from_utf8(output.stderr).unwrap();
    // A validator that could not do its work is not one that found an error.
    assert!(output.status.success() || errors.contains(r#""actionType": ""#), "{errors}");
    (!output.status.success()).then_some(errors)
}

/// The scripts of a workflow or an action.
fn scripts(workflow: &YamlOwned) -> Vec<&str> {
    mappings(workflow).into_iter().filter_map(|step| text_of(step, "run")).collect()
}

fn is_pinned(action: &str) -> bool {
    let Some((name, version)) = action.split_once(" # v") else { return false };
    let Some((_, commit)) = name.split_once('@') else { return false };
    commit.len() == 40
        && commit.bytes().all(|byte| byte.is_ascii_hexdigit())
        && version.starts_with(|first: char| first.is_ascii_digit())
}
