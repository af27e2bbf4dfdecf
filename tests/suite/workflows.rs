//! The workflows in `examples/`, the actions, and this project's own workflows: what GitHub takes, and what nobody can inject
//! into.

use std::{
    env, fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
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
        assert_eq!(schema_errors(&as_the_schema_knows_it(&path)), None, "{}", path.display());
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
    let action = fs::read_to_string(repository_root().join("request-approval/action.yml")).unwrap();
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
        for script in scripts(&workflow) {
            assert!(!script.contains("${{"), "{}: {script}", path.display());
        }
    }
}

#[test]
fn shellcheck_has_nothing_to_say_about_a_script() {
    for path in workflows() {
        for script in scripts(&read_yaml(&path)) {
            let Some(complaints) = shellcheck(script) else { return };
            assert_eq!(complaints, "", "{}", path.display());
        }
    }
    let complaints = shellcheck("rm -rf $RUNNER_TEMP/*").expect("it was there before");
    assert!(complaints.contains("SC2086"), "{complaints}");
}

/// The complaints about a script; none if this machine has no shellcheck, which in CI fails the test.
fn shellcheck(script: &str) -> Option<String> {
    let command = Command::new("shellcheck")
        // A file that is sourced is looked at by itself.
        .args(["--shell", "bash", "--format", "gcc", "--exclude", "SC1091", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let mut running = match command {
        Ok(running) => running,
        Err(error) if env::var_os("CI").is_some() => panic!("shellcheck is missing: {error}"),
        Err(_) => {
            eprintln!("SKIPPED: there is no shellcheck here");
            return None;
        }
    };
    running.stdin.take().expect("a pipe").write_all(script.as_bytes()).expect("it reads");
    let output = running.wait_with_output().expect("it ends");
    Some(String::from_utf8(output.stdout).expect("UTF-8"))
}

// An inner action would not be what the caller has pinned.
#[test]
fn an_action_calls_no_other() {
    for path in actions() {
        let action = read_yaml(&path);
        assert!(
            mappings(&action).into_iter().all(|step| text_of(step, "uses").is_none()),
            "{}",
            path.display()
        );
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
                assert!(is_pinned(action) || is_ours(action), "{}: {action}", path.display());
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
    [workflows_in("examples"), workflows_in(".github/workflows"), actions()].concat()
}

fn actions() -> Vec<PathBuf> {
    ["request-approval", "verify-approval", "report-release"]
        .map(|name| repository_root().join(name).join("action.yml"))
        .into()
}

/// The file, or a copy without the permission that GitHub has and the validator's schema lacks.
fn as_the_schema_knows_it(path: &Path) -> PathBuf {
    let text = fs::read_to_string(path).unwrap();
    let is_newer = |line: &&str| line.trim_start().starts_with("attestations: ");
    if !text.lines().any(|line| is_newer(&line)) {
        return path.to_owned();
    }
    let kept: Vec<_> = text.lines().filter(|line| !is_newer(line)).collect();
    let copy = Path::new(env!("CARGO_TARGET_TMPDIR")).join(path.file_name().unwrap());
    fs::write(&copy, kept.join("\n")).unwrap();
    copy
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

/// True for an action of this project at the tag that a release moves; the reader puts in the name.
fn is_ours(action: &str) -> bool {
    action.starts_with("OWNER/approve-release/")
        && action.contains("@v1 # ")
        && action.ends_with("@<commit> # v1.0.0")
}

fn is_pinned(action: &str) -> bool {
    let Some((name, version)) = action.split_once(" # v") else { return false };
    let Some((_, commit)) = name.split_once('@') else { return false };
    commit.len() == 40
        && commit.bytes().all(|byte| byte.is_ascii_hexdigit())
        && version.starts_with(|first: char| first.is_ascii_digit())
}
