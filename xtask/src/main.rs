//! The project's own commands, run as `cargo xtask`.

#![expect(
    clippy::disallowed_methods,
    reason = "the commands of the project are told things by the environment"
)]

mod dist;
mod package;
mod release;
mod teams_app;
mod tests;

use std::{env, process::ExitCode};

const HELP: &str = "\
cargo xtask dist
    make dist/, a complete function app for Linux, and dist.zip; print their sizes
cargo xtask teams-app --app-id GUID [--website URL]
    make teams-app.zip, which brings the bot with this app id into a team; URL is what people see as the app's website
cargo xtask release --tag v1.2.3 --repository OWNER/NAME
    make release/, all files of the release of this version with their checksums and its text
cargo xtask long [NAME]
    run the tests that take minutes, or those whose name contains NAME
cargo xtask screenshots
    make the pictures in docs/images again
cargo xtask busy [TIMES]
    run all other tests TIMES times (5) while every core is busy and a file is written and synced without end";

fn main() -> ExitCode {
    let mut arguments = env::args().skip(1);
    let done = match arguments.next().as_deref() {
        Some("dist") => dist::make(),
        Some("teams-app") => teams_app::make(arguments),
        Some("release") => release::make(arguments),
        Some("long") => tests::long(arguments),
        Some("screenshots") => tests::screenshots(),
        Some("busy") => tests::busy(arguments),
        Some("help" | "--help" | "-h") => {
            println!("{HELP}");
            Ok(())
        }
        _ => Err(anyhow::anyhow!("which command?\n{HELP}")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cargo xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
