//! Settings, logger, server; the only exit.

use std::process::ExitCode;

use approve_release::{config::Config, http_client, server};

fn main() -> ExitCode {
    let config = match Config::load() {
        Ok(config) => config,
        Err(error) => {
            eprintln!("ApproveRelease cannot start: {error:#}");
            return ExitCode::FAILURE;
        }
    };
    // The web server's own notes are noise unless asked for by name.
    let quiet = log::LevelFilter::Warn;
    env_logger::Builder::new().filter_module("actix_server", quiet).parse_filters(&config.log_filter).init();
    http_client::use_ring();
    match actix_web::rt::System::new().block_on(server::serve(config)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}
