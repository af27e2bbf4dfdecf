//! The package that is published: `cargo xtask dist` makes it, and it works as it stands.

use std::{fs, os::unix::fs::PermissionsExt, process::Command};

use crate::{
    functions_host::{FunctionsHost, Mode},
    github::GitHub,
    handler_process::repository_root,
};

const CLICK: &str = r#"{"event_type":"release-approved","client_payload":{"run_id":"1"}}"#;

#[tokio::test]
#[ignore = "builds the release for minutes, and needs cargo-zigbuild and Zig: cargo xtask long"]
async fn the_packaged_app_answers_a_click() {
    make_package();
    let github = GitHub::start().await;
    github.expect_dispatches(1);
    let dist = repository_root().join("dist");

    let host = FunctionsHost::relay(Mode::Payload, &github).app_root(&dist).start().await;
    host.click(CLICK).await.assert_outcome(200, "dispatched");

    assert_eq!(files_in("dist"), files_of_an_app());
    let mode = fs::metadata(dist.join("approve-release")).expect("the binary").permissions().mode();
    assert_eq!(mode & 0o777, 0o755);
}

/// Runs the command that the README names; it fails by itself where the binary needs too new a glibc.
fn make_package() {
    let xtask = Command::new(env!("CARGO")).args(["xtask", "dist"]).current_dir(repository_root()).output();
    let xtask = xtask.expect("cargo runs");
    assert!(xtask.status.success(), "{}", String::from_utf8_lossy(&xtask.stderr));
    let said = String::from_utf8(xtask.stdout).expect("text");
    assert!(said.contains("dist.zip") && said.contains(" MB"), "{said}");
}

fn files_in(folder: &str) -> Vec<String> {
    let entries = fs::read_dir(repository_root().join(folder)).expect("the folder is there");
    let mut names: Vec<_> =
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// The binary, its `host.json`, and a folder for each function that the project has.
fn files_of_an_app() -> Vec<String> {
    let functions = files_in(".")
        .into_iter()
        .filter(|name| name != "dist" && repository_root().join(name).join("function.json").is_file());
    let mut expected: Vec<_> =
        functions.chain(["approve-release".to_owned(), "host.json".to_owned()]).collect();
    expected.sort();
    expected
}
