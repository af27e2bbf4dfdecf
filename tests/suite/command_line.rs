//! The program as a person types it: what it says of itself, what it refuses, and the port of a local run.

use std::{
    fs,
    process::{Command, Output, Stdio},
};

use tempfile::TempDir;

use crate::{
    handler_process::{Environment, HandlerProcess, binary, found, free_port, repository_root},
    http1::Request,
};

/// A run to its end, with nothing inherited.
fn run(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut command = Command::new(binary());
    command.args(arguments).current_dir(folder.path()).env_clear().envs(environment.iter().copied());
    command.stdin(Stdio::null()).output().expect("the program runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("text")
}

/// A run that serves, in a folder of its own.
struct Local {
    handler: HandlerProcess,
    _folder: TempDir,
}

impl Local {
    fn start(arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let settings = r#"{"Values":{"STORE_URL":"memory:","DRY_RUN":"true","REQUIRE_IDENTITY":"false",
            "GITHUB_REPOSITORY":"octo/app","PORT":"1"}}"#;
        fs::write(folder.path().join("local.settings.json"), settings).expect("writable");
        let environment: Environment =
            environment.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
        let handler = HandlerProcess::spawn_with(arguments, &binary(), folder.path(), &environment);
        Self { handler, _folder: folder }
    }
}

#[tokio::test]
async fn a_local_run_listens_where_it_is_told() {
    let [told, other] = [free_port(), free_port()].map(|port| port.to_string());
    for (arguments, environment) in [
        (vec!["--port", &told], vec![]),
        (vec!["--port", &told], vec![("PORT", other.as_str())]),
        (vec!["--port", &told], vec![("PORT", "not a port")]),
        (vec![], vec![("PORT", told.as_str())]),
    ] {
        println!("{arguments:?} {environment:?}");
        let mut local = Local::start(&arguments, &environment);
        let port = told.parse().expect("a port");
        assert_eq!(local.handler.until_ready(port).await.status, 200);
        let sample = local.handler.line_with("a sample approval to click: ").await;
        assert!(sample.contains(&format!("http://localhost:{told}/api/approvals/")), "{sample}");
        assert_eq!(Request::get("/api/approvals").send(port).await.status, 200);
    }
}

#[tokio::test]
async fn a_local_run_ends_well_however_it_is_asked_to() {
    for signal in ["-TERM", "-INT"] {
        let port = free_port();
        let mut local = Local::start(&["--port", &port.to_string()], &[]);
        local.handler.until_ready(port).await;
        local.handler.signal(signal);
        assert_eq!(local.handler.until_exit().await.0.code(), Some(0), "{signal}");
    }
}

#[tokio::test]
async fn under_a_host_the_hosts_port_wins() {
    let [hosts, other] = [free_port(), free_port()].map(|port| port.to_string());
    let environment = [("FUNCTIONS_CUSTOMHANDLER_PORT", hosts.as_str()), ("STORE_URL", "memory:")];
    for (arguments, port) in [(vec!["--port", &other], "not a port"), (vec![], &other)] {
        let mut local = Local::start(&arguments, &[&environment[..], &[("PORT", port)]].concat());
        assert_eq!(local.handler.until_ready(hosts.parse().expect("a port")).await.status, 200);
    }
}

#[test]
fn a_port_that_is_none_is_named() {
    for (arguments, environment, name, code) in [
        (vec!["--port", "0"], vec![], "--port", 2),
        (vec!["--port=70000"], vec![], "--port", 2),
        (vec!["--port"], vec![], "--port", 2),
        (vec![], vec![("PORT", "70000"), ("STORE_URL", "memory:")], "PORT", 1),
    ] {
        let output = run(&arguments, &environment);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}");
        assert!(text(&output.stderr).contains(&format!("{name} must be")), "{}", text(&output.stderr));
        assert_eq!(text(&output.stdout), "");
    }
}

#[test]
fn help_tells_the_usage() {
    let output = run(&["--help"], &[]);

    assert_eq!((output.status.code(), text(&output.stderr).as_str()), (Some(0), ""));
    for part in ["Usage: approve-release", "--port N", "--help", "--version"] {
        assert!(text(&output.stdout).contains(part), "{part} in: {}", text(&output.stdout));
    }
}

#[test]
fn the_version_names_the_commit_that_it_was_built_from() {
    let output = run(&["--version"], &[]);

    assert_eq!((output.status.code(), text(&output.stderr).as_str()), (Some(0), ""));
    let head = Command::new("git").args(["rev-parse", "HEAD"]).current_dir(repository_root()).output();
    let head = head.ok().filter(|head| head.status.success() && repository_root().join(".git").exists());
    let commit = head.map_or("unknown".to_owned(), |head| text(&head.stdout).trim().to_owned());
    let expected = format!("approve-release {} ({commit})\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(text(&output.stdout), expected);
}

#[test]
fn anything_else_is_answered_with_the_usage() {
    for arguments in [&["check", "more"][..], &["serve"], &["-h"], &["--help", "more"], &["--verbose"], &[""]]
    {
        // Not even the settings are looked at.
        let output = run(arguments, &[("DRY_RUN", "perhaps")]);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert_eq!(text(&output.stdout), "", "{arguments:?}");
        assert!(text(&output.stderr).contains("Usage: approve-release"), "{}", text(&output.stderr));
    }
}

#[test]
fn a_reader_that_has_gone_does_no_harm() {
    for argument in ["--help", "--version"] {
        let mut command = Command::new(binary());
        command.arg(argument).env_clear().stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        drop(child.stdout.take());
        let output = child.wait_with_output().expect("it ends");
        assert_eq!(text(&output.stderr), "");
    }
}

#[tokio::test]
async fn whoever_reads_the_log_may_go() {
    let port = free_port();
    let mut command = Command::new(binary());
    let settings = [("DRY_RUN", "true"), ("REQUIRE_IDENTITY", "false"), ("STORE_URL", "memory:")];
    command.args(["--port", &port.to_string()]).env_clear().envs(settings).env("RUST_LOG", "trace");
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .stdin(Stdio::null())
        .spawn()
        .expect("it starts");
    drop((child.stdout.take(), child.stderr.take()));

    let answer = found("an answer", async || Request::get("/").try_send(port).await.ok());
    let statuses = [answer.await.status, Request::get("/api/nowhere").send(port).await.status];

    child.kill().expect("it still runs");
    child.wait().expect("it ends");
    assert_eq!(statuses, [200, 404]);
}
