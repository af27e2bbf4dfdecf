//! The project's own commands, run as `cargo xtask`.

mod dist;

use std::{env, process::ExitCode};

const HELP: &str = "\
cargo xtask dist    make dist/, a complete function app for Linux, and dist.zip; print their sizes";

fn main() -> ExitCode {
    let done = match env::args().nth(1).as_deref() {
        Some("dist") => dist::make(),
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
