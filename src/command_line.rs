//! The program's command line.

use std::{ffi::OsString, fmt};

/// The help, for a person who asks for it, or whose command line is wrong.
pub const USAGE: &str = "\
Usage: approve-release [--port N]
       approve-release check [--json]

Serves the functions of ApproveRelease: under an Azure Functions host at the port that the host says, else on
127.0.0.1. Everything else is set in the environment, or in local.settings.json.

  check        looks at what the deployment needs, and changes nothing; exit code 1 where something is wrong
  --json       the same for programs
  --port N     the port outside a host; without it PORT, else 7071
  --help       shows this
  --version    shows the version and the commit it was built from
";

/// The version, and the commit that the program was built from.
pub const VERSION: &str =
    concat!("approve-release ", env!("CARGO_PKG_VERSION"), " (", env!("APPROVE_RELEASE_COMMIT"), ")\n");

/// The command that the command line gives.
#[derive(Debug, PartialEq, Eq)]
pub enum Command {
    /// Serve.
    Serve {
        /// The port outside a host.
        port: Option<u16>,
    },
    /// Look at what the deployment needs.
    Check {
        /// For programs.
        json: bool,
    },
    /// Show [`USAGE`].
    Help,
    /// Show [`VERSION`].
    Version,
}

/// The error in a command line.
#[derive(Debug, PartialEq, Eq)]
pub enum Misused {
    /// `--port` comes without a port.
    Port,
    /// An argument that does not exist, or not with the others.
    Arguments,
}

impl fmt::Display for Misused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Port => "--port must be followed by a port number, from 1 to 65535",
            Self::Arguments => "these arguments cannot be used",
        })
    }
}

impl Command {
    /// Reads the arguments that follow the program's name.
    pub fn parse(arguments: impl Iterator<Item = OsString>) -> Result<Self, Misused> {
        let arguments: Vec<_> = arguments
            .map(|argument| argument.into_string().map_err(|_| Misused::Arguments))
            .collect::<Result<_, _>>()?;
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        match arguments[..] {
            [] => Ok(Self::Serve { port: None }),
            ["check"] => Ok(Self::Check { json: false }),
            ["check", "--json"] => Ok(Self::Check { json: true }),
            ["--help"] => Ok(Self::Help),
            ["--version"] => Ok(Self::Version),
            ["--port", number] => serve_at(number),
            ["--port"] => Err(Misused::Port),
            [argument] => match argument.strip_prefix("--port=") {
                Some(number) => serve_at(number),
                None => Err(Misused::Arguments),
            },
            _ => Err(Misused::Arguments),
        }
    }
}

fn serve_at(number: &str) -> Result<Command, Misused> {
    port(number).map(|port| Command::Serve { port: Some(port) }).ok_or(Misused::Port)
}

/// A port to listen on.
pub fn port(text: &str) -> Option<u16> {
    text.parse().ok().filter(|port| *port != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Command, Misused> {
        Command::parse(arguments.iter().map(OsString::from))
    }

    #[test]
    fn a_port_can_be_written_in_two_ways() {
        for arguments in [&["--port", "8080"][..], &["--port=8080"]] {
            assert_eq!(parse(arguments), Ok(Command::Serve { port: Some(8080) }));
        }
        assert_eq!(parse(&[]), Ok(Command::Serve { port: None }));
    }

    #[test]
    fn what_is_no_port_is_named() {
        for number in ["", "0", "65536", "-1", "http", "80 80"] {
            assert_eq!(parse(&["--port", number]), Err(Misused::Port), "{number:?}");
            assert_eq!(parse(&[&format!("--port={number}")]), Err(Misused::Port), "{number:?}");
        }
        assert_eq!(parse(&["--port"]), Err(Misused::Port));
    }

    #[test]
    fn everything_else_is_misused() {
        for arguments in [
            &["check", "--policy"][..],
            &["--json"],
            &[""],
            &["-p", "8080"],
            &["--ports=1"],
            &["--help", "--version"],
            &["--port", "1", "--port", "2"],
            &["--port=1", "more"],
        ] {
            assert_eq!(parse(arguments), Err(Misused::Arguments), "{arguments:?}");
        }
    }
}
