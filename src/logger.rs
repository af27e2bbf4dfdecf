//! The log: one line per record, where a Functions host takes it for what it is.
//!
//! The host makes an error of every line on stderr, so only warnings and errors go there. `RUST_LOG` is read as
//! env_logger reads it.

use std::{
    fmt::Arguments,
    io::{self, Write},
};

use chrono::{DateTime, SecondsFormat, Utc};
use env_filter::{Builder, Filter};
use log::{Level, LevelFilter, Log, Metadata, Record};

struct Logger(Filter);

/// Logs from now on what `filters` let through.
pub fn install(filters: &str) {
    // What the libraries note for themselves is noise unless asked for by name.
    let mut filter = Builder::new();
    filter.filter_module("actix_server", LevelFilter::Warn).filter_module("object_store", LevelFilter::Warn);
    let filter = filter.parse(filters).build();
    log::set_max_level(filter.filter());
    // Only a second logger is refused.
    let _ = log::set_boxed_logger(Box::new(Logger(filter)));
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.0.enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        if self.0.matches(record) {
            write(record.level(), &line(Utc::now(), record.level(), record.target(), record.args()));
        }
    }

    fn flush(&self) {}
}

/// Writes a line in one piece. Where nobody reads any more there is nobody to tell.
fn write(level: Level, line: &str) {
    let _ = match level {
        Level::Error | Level::Warn => io::stderr().lock().write_all(line.as_bytes()),
        Level::Info | Level::Debug | Level::Trace => io::stdout().lock().write_all(line.as_bytes()),
    };
}

/// The time is written by the library that writes all other times. A line's end in a library's words is not one here.
fn line(now: DateTime<Utc>, level: Level, target: &str, words: &Arguments<'_>) -> String {
    let time = now.to_rfc3339_opts(SecondsFormat::Secs, true);
    let words = words.to_string().replace('\n', "\\n").replace('\r', "\\r");
    format!("[{time} {level:<5} {target}] {words}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_one_line() {
        let line = line(DateTime::UNIX_EPOCH, Level::Info, "room", &format_args!("one\r\n{}", "two"));
        assert_eq!(line, "[1970-01-01T00:00:00Z INFO  room] one\\r\\ntwo\n");
    }
}
