//! The log: one line per record, on the stream that makes a Functions host log it at the right level.
//!
//! The host logs every line on stderr as an error, so only warnings and errors go there. `RUST_LOG` is read as
//! env_logger reads it.

use std::io::Write;

use chrono::{DateTime, SecondsFormat, Utc};
use env_logger::{Builder, Target};
use log::{Level, LevelFilter, Log, Metadata, Record};

/// Two loggers, since each writes to one stream: the level chooses between them.
struct ByLevel {
    stdout: env_logger::Logger,
    stderr: env_logger::Logger,
}

/// Logs from now on the records that `filters` let through.
#[expect(clippy::disallowed_methods, reason = "a line of the log is of the time at which it is written")]
pub fn install(filters: &str) {
    let [stdout, stderr] = [Target::Stdout, Target::Stderr].map(|target| {
        let mut logger = Builder::new();
        // The libraries' own records are left out unless `filters` name them.
        logger
            .filter_module("actix_server", LevelFilter::Warn)
            .filter_module("object_store", LevelFilter::Warn);
        logger
            .parse_filters(filters)
            .target(target)
            .format(|to, record| to.write_all(line(Utc::now(), record).as_bytes()));
        logger.build()
    });
    log::set_max_level(stdout.filter());
    // This fails only if there is a logger already.
    let _ = log::set_boxed_logger(Box::new(ByLevel { stdout, stderr }));
}

impl Log for ByLevel {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.stdout.enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        match record.level() {
            Level::Error | Level::Warn => self.stderr.log(record),
            Level::Info | Level::Debug | Level::Trace => self.stdout.log(record),
        }
    }

    fn flush(&self) {}
}

/// The time comes from the library that writes all other times. A line break in a library's words does not end it.
fn line(now: DateTime<Utc>, record: &Record<'_>) -> String {
    let time = now.to_rfc3339_opts(SecondsFormat::Secs, true);
    let words = record.args().to_string().replace('\n', "\\n").replace('\r', "\\r");
    format!("[{time} {:<5} {}] {words}\n", record.level(), record.target())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_one_line() {
        let line = |words: std::fmt::Arguments<'_>| {
            let record = Record::builder().level(Level::Info).target("room").args(words).build();
            line(DateTime::UNIX_EPOCH, &record)
        };
        assert_eq!(line(format_args!("one\r\ntwo")), "[1970-01-01T00:00:00Z INFO  room] one\\r\\ntwo\n");
    }
}
