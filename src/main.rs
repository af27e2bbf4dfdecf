//! Settings, logger, server; the only exit.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use approve_release::{config::Config, http_client, server};
use chrono::{SecondsFormat, Utc};
use env_logger::fmt::Formatter;
use log::{LevelFilter, Record};

fn main() -> ExitCode {
    let config = match Config::load() {
        Ok(config) => config,
        Err(error) => {
            eprintln!("ApproveRelease cannot start: {error:#}");
            return ExitCode::FAILURE;
        }
    };
    // What the libraries note for themselves is noise unless asked for by name.
    let mut logger = env_logger::Builder::new();
    logger.filter_module("actix_server", LevelFilter::Warn).filter_module("object_store", LevelFilter::Warn);
    logger.parse_filters(&config.log_filter).format(line).init();
    http_client::use_ring();
    match actix_web::rt::System::new().block_on(server::serve(config)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// One line of the log. The time is written by the library that writes all other times.
fn line(to: &mut Formatter, record: &Record<'_>) -> io::Result<()> {
    let time = Utc::now().to_rfc3339_opts(SecondsFormat::Secs, true);
    writeln!(to, "[{time} {:<5} {}] {}", record.level(), record.target(), record.args())
}
