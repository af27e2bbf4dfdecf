//! The program's command line.

use std::{collections::BTreeMap, ffi::OsString, fmt, path::PathBuf};

use crate::approval::{
    RepositoryPattern,
    rules::{JobWorkflow, full_ref},
};

/// The help, for a person who asks for it, or whose command line is wrong.
pub const USAGE: &str = "\
Usage: approve-release [--port N]
       approve-release check [--json]
       approve-release check --policy FILE --repository o/n (--event-type T | --workflow F | --waits)
                             [--ref R] [--environment E] [--job-workflow W]

Serves the functions of ApproveRelease: under an Azure Functions host at the port that the host says, else on
127.0.0.1. Everything else is set in the environment, or in local.settings.json.

  check        looks at what the deployment needs, and changes nothing; exit code 1 where something is wrong
  --json       the same for programs
  --policy     which rule of a policy holds for a job of the repository o/n, and who decides; exit code 1 where none does
               or the file cannot be used
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
    /// Show which rule of a policy holds.
    CheckPolicy(Box<PolicyQuestion>),
    /// Show [`USAGE`].
    Help,
    /// Show [`VERSION`].
    Version,
}

/// A question about a policy: which rule holds for this job, and what it sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyQuestion {
    /// The policy's file.
    pub file: PathBuf,
    /// The repository, perhaps with its numbers.
    pub repository: RepositoryPattern,
    /// The thing that is sent.
    pub sends: Sends,
    /// The ref; empty if it is left out.
    pub git_ref: String,
    /// The job's environment.
    pub environment: Option<String>,
    /// The file of the job's workflow, and its version.
    pub job_workflow: Option<String>,
}

/// The thing that is sent once an approval is approved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sends {
    /// An event of this type.
    EventType(String),
    /// The start of this workflow.
    Workflow(String),
    /// Nothing: the job waits.
    Nothing,
}

impl PolicyQuestion {
    /// Reads the options, each at most once and in any order.
    fn parse(mut arguments: &[&str]) -> Result<Self, Misused> {
        let mut options = BTreeMap::new();
        while let [option, rest @ ..] = arguments {
            let (name, joined) =
                option.split_once('=').map_or((*option, None), |(name, value)| (name, Some(value)));
            let (value, rest) = match (name, joined, rest) {
                ("--waits", None, rest) => ("", rest),
                (_, Some(value), rest) => (value, rest),
                (_, None, [value, rest @ ..]) => (*value, rest),
                _ => return misused(format!("{name} must be followed by a value")),
            };
            if options.insert(name, value).is_some() {
                return misused(format!("{name} is given twice"));
            }
            arguments = rest;
        }
        let mut take = |name| options.remove(name).map(str::to_owned);
        let sends = [
            take("--event-type").map(Sends::EventType),
            take("--workflow").map(Sends::Workflow),
            take("--waits").map(|_| Sends::Nothing),
        ];
        let mut sends = sends.into_iter().flatten();
        let (Some(sends), None) = (sends.next(), sends.next()) else {
            return misused("there must be one of --event-type, --workflow and --waits");
        };
        let Some(file) = take("--policy") else { return misused("there must be --policy and a file") };
        let Some(repository) = take("--repository").and_then(|text| one_repository(&text)) else {
            return misused("--repository must be owner/name, perhaps with numbers: owner@2020/name@424242");
        };
        let job_workflow = take("--job-workflow");
        if job_workflow.as_deref().is_some_and(|text| JobWorkflow::parse(text).is_none()) {
            return misused(
                "--job-workflow must be owner/name/.github/workflows/file.yml@ and a full ref or commit",
            );
        }
        let git_ref = take("--ref").map(|git_ref| full_ref(&git_ref)).unwrap_or_default();
        let environment = take("--environment");
        match options.keys().next() {
            None => Ok(Self { file: file.into(), repository, sends, git_ref, environment, job_workflow }),
            Some(other) => misused(format!("{other} cannot be used with --policy")),
        }
    }
}

fn misused(told: impl Into<String>) -> Result<PolicyQuestion, Misused> {
    Err(Misused::Question(told.into()))
}

fn one_repository(text: &str) -> Option<RepositoryPattern> {
    RepositoryPattern::parse(text).filter(|repository| repository.repository().is_some())
}

/// The error in a command line.
#[derive(Debug, PartialEq, Eq)]
pub enum Misused {
    /// `--port` comes without a port.
    Port,
    /// A question about a policy that cannot be read, for this reason.
    Question(String),
    /// An argument that does not exist, or not with the others.
    Arguments,
}

impl fmt::Display for Misused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Question(told) => told,
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
            ["check", ref question @ ..] => {
                PolicyQuestion::parse(question).map(|question| Self::CheckPolicy(Box::new(question)))
            }
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
    fn a_question_about_a_policy_is_read_in_any_order() {
        let arguments = ["check", "--waits", "--ref=main", "--repository", "octo/app", "--policy", "p.json"];
        let Ok(Command::CheckPolicy(question)) = parse(&arguments) else { panic!("no question") };
        assert_eq!((question.sends, question.git_ref.as_str()), (Sends::Nothing, "refs/heads/main"));
        assert_eq!((question.environment, question.job_workflow), (None, None));
    }

    #[test]
    fn a_question_that_cannot_be_read_says_why() {
        let asked = ["check", "--policy", "p.json", "--repository", "octo/app"];
        for (more, told) in [
            (&[][..], "there must be one of --event-type"),
            (&["--waits", "--event-type", "go"], "there must be one of --event-type"),
            (&["--waits", "--waits"], "--waits is given twice"),
            (&["--waits", "--ref"], "--ref must be followed by a value"),
            (&["--waits", "--json", ""], "--json cannot be used with --policy"),
            (&["--waits", "--rf=main"], "--rf cannot be used with --policy"),
            (&["--waits", "--job-workflow", "garbage"], "--job-workflow must be"),
        ] {
            let misused = parse(&[&asked[..], more].concat()).expect_err("misused").to_string();
            assert!(misused.starts_with(told), "{more:?}: {misused}");
        }
        for (arguments, told) in [
            (&["check", "--policy"][..], "--policy must be followed"),
            (&["check", "--repository", "octo/app", "--waits"], "there must be --policy"),
            (&["check", "--policy", "p.json", "--repository", "octo/*", "--waits"], "--repository must be"),
            (&["check", "--policy", "p.json", "--repository", "octo", "--waits"], "--repository must be"),
        ] {
            let misused = parse(arguments).expect_err("misused").to_string();
            assert!(misused.starts_with(told), "{arguments:?}: {misused}");
        }
    }

    #[test]
    fn everything_else_is_misused() {
        for arguments in [
            &["--json"][..],
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
