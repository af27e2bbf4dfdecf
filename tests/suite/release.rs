//! The workflow that releases this project, and its scripts, with a `gh` that records its calls and answers as GitHub
//! would.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, process::Command};

use saphyr::YamlOwned;
use tempfile::TempDir;

use crate::{
    handler_process::repository_root,
    yaml::{mappings, members, read_yaml, text_of},
};

const WORKFLOW: &str = ".github/workflows/release.yml";
const PUBLISH: &str = ".github/scripts/publish-release.sh";
const MOVE: &str = ".github/scripts/move-major-tag.sh";

const COMMIT: &str = "3d3c42e5aac5ba805825da76410c181273ba90b1";

/// The calls that publish a release of which there is no draft.
const PUBLISHING: [&str; 4] = [
    "release view v1.2.3 --json isDraft --jq .isDraft",
    "release create v1.2.3 --draft --verify-tag --title v1.2.3 --notes-file release/notes.md release/SHA256SUMS \
     release/dist.zip release/azuredeploy.json",
    "release edit v1.2.3 --draft=false",
    "api repos/octo/approve-release/releases/tags/v1.2.3 --jq .immutable",
];

const GH: &str = r#"#!/usr/bin/env bash
[ "$GH_REPO" = octo/approve-release ] || exit 4
printf '%s\n' "$*" >>calls
[ "$(wc -l <calls)" != "${FAIL_AT:-0}" ] || { echo 'gh: HTTP 503' >&2; exit 1; }
case "$*" in
  'release view'*) [ -n "$DRAFT" ] || exit 1; echo "$DRAFT" ;;
  'release list'*) printf '%s\n' $RELEASES ;;
  *'/commits/v'*) echo "$COMMIT" ;;
  *'/git/ref/tags/'*) [ -n "$MAJOR" ] ;;
  *'/releases/tags/'*) echo "${IMMUTABLE:-true}" ;;
esac
"#;

/// A checkout in which `release/` has been handed over.
struct Checkout(TempDir);

struct Ran {
    succeeded: bool,
    said: String,
    calls: Vec<String>,
}

impl Checkout {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).expect("a file");
        write("gh", GH);
        fs::set_permissions(folder.path().join("gh"), fs::Permissions::from_mode(0o755))
            .expect("a file of ours");
        fs::create_dir(folder.path().join("release")).expect("a folder");
        write("release/notes.md", "All of it.");
        write("release/dist.zip", "");
        write("release/azuredeploy.json", "");
        let of_nothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        write("release/SHA256SUMS", &format!("{of_nothing}  dist.zip\n{of_nothing}  azuredeploy.json\n"));
        Self(folder)
    }

    fn run(&self, script: &str, settings: &[(&str, &str)]) -> Ran {
        let calls = self.0.path().join("calls");
        fs::write(&calls, "").expect("a file");
        let programs = std::env::var("PATH").expect("a PATH");
        let output = Command::new("timeout")
            .args(["60", "bash"])
            .arg(repository_root().join(script))
            .current_dir(self.0.path())
            .env_clear()
            .env("PATH", format!("{}:{programs}", self.0.path().display()))
            .envs([("TAG", "v1.2.3"), ("GITHUB_REPOSITORY", "octo/approve-release"), ("COMMIT", COMMIT)])
            .envs(settings.iter().copied())
            .output()
            .expect("GNU timeout and bash");
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        let calls = fs::read_to_string(calls).expect("text").lines().map(str::to_owned).collect();
        Ran { succeeded: output.status.success(), said, calls }
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

#[test]
fn a_release_is_complete_before_it_is_published() {
    let ran = Checkout::new().run(PUBLISH, &[]);

    assert!(ran.succeeded, "{}", ran.said);
    assert_eq!(ran.calls, PUBLISHING);
}

#[test]
fn the_draft_of_a_run_that_broke_off_is_replaced() {
    let ran = Checkout::new().run(PUBLISH, &[("DRAFT", "true")]);

    assert!(ran.succeeded, "{}", ran.said);
    assert_eq!(ran.calls[1], "release delete v1.2.3 --yes");
    assert_eq!(ran.calls[2..], PUBLISHING[1..]);
}

#[test]
fn a_release_that_is_out_is_not_touched() {
    let ran = Checkout::new().run(PUBLISH, &[("DRAFT", "false")]);

    assert!(!ran.succeeded && ran.said.contains("v1.2.3 is released already"), "{}", ran.said);
    assert_eq!(ran.calls, PUBLISHING[..1]);
}

#[test]
fn files_that_are_not_those_of_the_checksums_are_not_published() {
    let checkout = Checkout::new();
    fs::write(checkout.path().join("release/dist.zip"), "another").unwrap();
    let ran = checkout.run(PUBLISH, &[]);

    assert!(!ran.succeeded && ran.said.contains("dist.zip: FAILED"), "{}", ran.said);
    assert_eq!(ran.calls, PUBLISHING[..1]);
}

#[test]
fn a_release_that_can_be_changed_is_an_error() {
    let ran = Checkout::new().run(PUBLISH, &[("IMMUTABLE", "false")]);

    assert!(
        !ran.succeeded && ran.said.contains("::error::v1.2.3 is out, but its files can be changed"),
        "{}",
        ran.said
    );
}

#[test]
fn a_call_that_fails_ends_the_publication_there() {
    // The first asks whether there is a draft, and GitHub says no by a failure.
    for call in 2..=PUBLISHING.len() {
        let ran = Checkout::new().run(PUBLISH, &[("FAIL_AT", &call.to_string())]);
        assert!(!ran.succeeded && ran.said.contains("HTTP 503"), "{call}: {}", ran.said);
        assert_eq!(ran.calls, PUBLISHING[..call]);
    }
}

#[test]
fn the_tag_of_the_major_version_moves_to_the_newest_release() {
    let releases = "v2.0.0 v1.2.3 v1.2.2 v1.1.10 v10.0.0 nightly";
    let expected = |last: &str| {
        [
            "release list --exclude-drafts --exclude-pre-releases --limit 1000 --json tagName --jq .[].tagName",
            "api repos/octo/approve-release/commits/v1.2.3 --jq .sha",
            "api repos/octo/approve-release/git/ref/tags/v1 --silent",
            last,
        ]
        .map(str::to_owned)
    };
    let moves = format!(
        "api --method PATCH repos/octo/approve-release/git/refs/tags/v1 -f sha={COMMIT} -F force=true --silent"
    );
    let makes = format!(
        "api --method POST repos/octo/approve-release/git/refs -f ref=refs/tags/v1 -f sha={COMMIT} --silent"
    );
    for (major, last) in [("there", moves), ("", makes)] {
        let ran = Checkout::new().run(MOVE, &[("RELEASES", releases), ("MAJOR", major)]);
        assert!(ran.succeeded, "{}", ran.said);
        assert_eq!(ran.calls, expected(&last));
    }
}

#[test]
fn a_fix_of_an_older_release_does_not_move_the_tag_back() {
    let ran = Checkout::new().run(MOVE, &[("RELEASES", "v1.2.3 v1.10.0 v1.9.0"), ("MAJOR", "there")]);

    assert!(ran.succeeded && ran.said.contains("v1 stays: v1.10.0 is newer than v1.2.3."), "{}", ran.said);
    assert_eq!(ran.calls.len(), 1);
}

#[test]
fn a_call_that_fails_leaves_the_tag_and_fails_the_job() {
    // The third asks whether there is such a tag, and GitHub says no by a failure.
    for call in [1, 2, 4] {
        let settings = [("RELEASES", "v1.2.3"), ("MAJOR", "there"), ("FAIL_AT", &call.to_string())];
        let ran = Checkout::new().run(MOVE, &settings);
        assert!(!ran.succeeded, "{call}: {}", ran.said);
        assert_eq!(ran.calls.len(), call);
    }
}

fn jobs(workflow: &YamlOwned) -> impl Iterator<Item = (&str, &YamlOwned)> {
    members(workflow.as_mapping_get("jobs").expect("jobs"))
}

fn permissions(job: &YamlOwned) -> Vec<(&str, &str)> {
    let permissions = job.as_mapping_get("permissions").expect("permissions");
    members(permissions).map(|(name, value)| (name, value.as_str().expect("a text"))).collect()
}

#[test]
fn each_job_may_do_what_it_needs_and_no_more() {
    let workflow = read_yaml(WORKFLOW);
    let jobs: Vec<_> = jobs(&workflow).map(|(name, job)| (name, permissions(job))).collect();

    let write = |name| (name, "write");
    assert_eq!(
        jobs,
        [
            ("build", vec![("contents", "read")]),
            ("publish", vec![write("contents"), write("id-token"), write("attestations")]),
            ("major", vec![write("contents")]),
        ]
    );
    assert_eq!(
        workflow.as_mapping_get("permissions").and_then(YamlOwned::as_mapping).map(|all| all.len()),
        Some(0)
    );
}

/// A build runs the scripts of some hundred crates.
#[test]
fn whoever_may_write_builds_nothing_and_waits_for_an_environment() {
    let workflow = read_yaml(WORKFLOW);
    let mut environments = Vec::new();
    for (name, job) in
        jobs(&workflow).filter(|(_, job)| permissions(job).iter().any(|(_, may)| *may == "write"))
    {
        environments.push(text_of(job, "environment").unwrap_or_else(|| panic!("{name} has no environment")));
        for script in mappings(job).into_iter().filter_map(|step| text_of(step, "run")) {
            assert!(script.starts_with("bash .github/scripts/"), "{name}: {script}");
        }
    }
    assert_eq!(environments, ["release", "major-tag"]);
}
