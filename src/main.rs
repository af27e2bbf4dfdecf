//! Settings, logger, server; the only exit.

use std::process::ExitCode;

use approve_release::{config::Config, http_client, server};
use log::LevelFilter;

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
    logger.parse_filters(&config.log_filter).init();
    http_client::use_ring();
    match actix_web::rt::System::new().block_on(server::serve(config)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}
