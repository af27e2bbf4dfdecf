//! Settings, logger, server; the only exit.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use approve_release::{
    cards::page::{Finding, FindingState},
    command_line::{Command, PolicyQuestion, USAGE, VERSION},
    config::{Config, Listen},
    http_client, logger,
    policy_check::{self, Unanswered},
    server::{self, Stop},
};

/// The exit code after which a Functions host starts the program again and counts no fault. After 0 it would not start
/// it, and any other counts as a fault.
const START_AGAIN: u8 = 200;

/// The exit code that shells use for a command line that cannot be understood.
const MISUSED: u8 = 2;

fn main() -> ExitCode {
    match Command::parse(std::env::args_os().skip(1)) {
        Ok(Command::Serve { port }) => serve(port),
        Ok(Command::Check { json }) => check(json),
        Ok(Command::CheckPolicy(question)) => check_policy(&question),
        Ok(Command::Help) => show(USAGE),
        Ok(Command::Version) => show(VERSION),
        Err(misused) => {
            complain(&format!("{misused}\n\n{USAGE}"));
            ExitCode::from(MISUSED)
        }
    }
}

fn show(text: &str) -> ExitCode {
    // The reader may be gone, as with `head`.
    let _ = io::stdout().write_all(text.as_bytes());
    ExitCode::SUCCESS
}

fn complain(text: &str) {
    // Nobody else can be told.
    let _ = io::stderr().write_all(text.as_bytes());
}

fn check(json: bool) -> ExitCode {
    let config = match Config::load(None) {
        Ok(config) => config,
        Err(error) => {
            complain(&format!("ApproveRelease cannot be checked: {error:#}\n"));
            return ExitCode::FAILURE;
        }
    };
    http_client::use_ring();
    let checks = actix_web::rt::System::new().block_on(server::check(config));
    let text = match json {
        true => format!("{}\n", serde_json::json!({"checks": *checks})),
        false => {
            let line =
                |check: &Finding| format!("{:6} {}: {}\n", check.state.as_str(), check.name, check.message);
            checks.iter().map(line).collect()
        }
    };
    show(&text);
    match checks.iter().any(|check| check.state == FindingState::Wrong) {
        true => ExitCode::FAILURE,
        false => ExitCode::SUCCESS,
    }
}

fn check_policy(question: &PolicyQuestion) -> ExitCode {
    match policy_check::answer(question) {
        Ok(text) => show(&text),
        Err(Unanswered::NoRule(text)) => {
            show(&text);
            ExitCode::FAILURE
        }
        Err(Unanswered::Unusable(text)) => {
            complain(&text);
            ExitCode::FAILURE
        }
    }
}

fn serve(port: Option<u16>) -> ExitCode {
    let config = match Config::load(port) {
        Ok(config) => config,
        Err(error) => {
            complain(&format!("ApproveRelease cannot start: {error:#}\n"));
            return ExitCode::FAILURE;
        }
    };
    logger::install(&config.log_filter);
    http_client::use_ring();
    let listen = config.listen;
    let system = actix_web::rt::System::new();
    let ended = system.block_on(server::serve(config));
    // Its end would wait for a name server that does not answer, and nobody waits for that name any more.
    std::mem::forget(system);
    match ended {
        Ok(Stop::Terminated) if matches!(listen, Listen::UnderHost(_)) => ExitCode::from(START_AGAIN),
        Ok(Stop::Terminated | Stop::Interrupted) => ExitCode::SUCCESS,
        Err(error) => {
            log::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}
