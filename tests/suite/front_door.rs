//! The README's ten-minute way, as a stranger goes it: from an empty folder to the first approval, on a machine that has
//! bash, curl, jq and what every system brings along, with stand-ins for Azure and GitHub.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
    process::Command,
};

use saphyr::YamlOwned;

use crate::{
    approval_examples::{Deployment, ask},
    deployment::Someone,
    docs::{blocks, section},
    handler_process::repository_root,
    node_tools::node_tools,
    runner::Runner,
    setup::CloudShell,
    yaml::{members, parse_yaml, text_of},
};

/// All programs of that machine but the stand-ins.
const PROGRAMS: [&str; 14] = [
    "bash",
    "jq",
    "cat",
    "cp",
    "env",
    "grep",
    "mktemp",
    "printf",
    "rm",
    "sed",
    "sha256sum",
    "timeout",
    "wc",
    "date",
];

/// All programs of the machine on which the step runs.
const OF_A_JOB: [&str; 13] =
    ["bash", "curl", "jq", "cat", "date", "env", "mktemp", "rm", "sleep", "sort", "tee", "timeout", "tr"];

/// Downloads the script of a release into the folder where it is called; the rest is Azure's stand-in.
const DOWNLOAD: &str = r#"#!/usr/bin/env bash
case "$*" in
  '-fsSLO https://github.com/OWNER/approve-release/releases/download/v'*'/setup.sh') cp "$RELEASE/setup.sh" setup.sh ;;
  *) exec "$RELEASE/bin/curl" "$@" ;;
esac
"#;

fn machine(shell: &CloudShell) -> std::path::PathBuf {
    let folder = shell.path().join("machine");
    fs::create_dir(&folder).expect("a folder");
    let here = std::env::var_os("PATH").expect("a PATH");
    let jq = node_tools().parent().expect("in tests/node").join("bin");
    for name in PROGRAMS {
        let mut places = std::env::split_paths(&here).chain([jq.clone()]).map(|place| place.join(name));
        let program = places.find(|path| path.is_file()).unwrap_or_else(|| panic!("no {name} here"));
        symlink(program, folder.join(name)).expect("a link");
    }
    for name in ["az", "sleep"] {
        symlink(shell.path().join("bin").join(name), folder.join(name)).expect("a link");
    }
    fs::write(folder.join("curl"), DOWNLOAD).expect("a file");
    fs::set_permissions(folder.join("curl"), fs::Permissions::from_mode(0o755)).expect("a file of ours");
    folder
}

/// Types these lines, and gives what was printed.
fn typed(lines: &str, shell: &CloudShell, folder: &Path) -> String {
    let ran = Command::new("bash")
        .args(["-ec", lines])
        .current_dir(folder)
        .env_clear()
        .env("PATH", machine(shell))
        .env("AZURE", shell.path().join("azure"))
        .env("RELEASE", shell.path())
        .output()
        .expect("bash");
    let said = String::from_utf8_lossy(&[ran.stdout, ran.stderr].concat()).into_owned();
    assert!(ran.status.success(), "{said}");
    said
}

/// The workflow step that was printed to be pasted: what it needs, and itself.
fn pasted(said: &str) -> YamlOwned {
    let (_, after) = said.split_once("    permissions:\n").expect("a step to paste");
    let (step, _) = after.split_once("\n\n").expect("its end");
    parse_yaml(&format!("    permissions:\n{step}\n"))
}

#[tokio::test]
async fn two_commands_and_one_pasted_step_lead_to_the_first_approval() {
    let readme = fs::read_to_string(repository_root().join("README.md")).expect("the README");
    let way = section(&readme, "## The ten-minute way");
    let commands = blocks(way, "sh").remove(0);
    let shell = CloudShell::new();
    let folder = tempfile::tempdir().expect("an empty folder");

    let said = typed(&commands, &shell, folder.path());

    let step = pasted(&said);
    let steps = step.as_mapping_get("steps").and_then(YamlOwned::as_sequence).expect("steps");
    assert!(text_of(&steps[0], "uses").expect("an action").contains("/request-approval@v1"));
    let with: Vec<_> = members(steps[0].as_mapping_get("with").expect("inputs"))
        .map(|(name, value)| (name, value.as_str().expect("a text")))
        .collect();
    assert_eq!(with, [("url", "https://a.example"), ("wait", "true")]);

    // The counts that the README names.
    let typed = commands.lines().count();
    let values = commands.split_whitespace().filter(|word| word.starts_with("--")).count();
    let files = fs::read_dir(folder.path()).expect("a folder").filter_map(Result::ok);
    let copied = files.filter(|file| file.file_name() != "setup.sh").count();
    let calls = fs::read_to_string(shell.path().join("calls")).expect("calls");
    let counts = format!("{typed} commands, {values} values, 0 settings, and {copied} files copied");
    assert_eq!((steps.len(), calls.matches("appsettings set").count()), (1, 0));
    let readme = way.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(readme.contains(&counts), "{counts}");

    // The same step, with the address of an app that is there, and that knows no token of GitHub's.
    let (deployment, host) = Deployment::start_with(&[("GITHUB_TOKEN", "")]).await;
    let url = deployment.url();
    let runner = Runner::with_tokens(&deployment.tokens).with_programs_only(&OF_A_JOB);
    let inputs = [("inputs.url", url.as_str()), ("inputs.wait", "true")];
    let asked = runner.run(ask(), &inputs);
    let decide = async {
        deployment.tokens.until_issued_more(2).await;
        let id = deployment.only_id().await;
        assert_eq!(host.send(Someone::alex().press(&id, "approve", "")).await.status, 200);
    };
    let (ran, ()) = tokio::join!(asked, decide);
    assert_eq!(ran.assert_succeeded().outputs["status"], "approved");
}
