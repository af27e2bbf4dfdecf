//! A workflow that is started in place of an event: `workflow_dispatch`, within GitHub's limits.

use std::fmt;

use serde_json::value::RawValue;

use super::{ClientPayload, EventType, Invalid, Members, Repository, Terms, Workload};

/// The file of a workflow in `.github/workflows`, such as `release.yml`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkflowFile(String);

impl WorkflowFile {
    /// The longest name, in bytes: that of files.
    const MAX: usize = 255;

    /// Reads a file name, `[A-Za-z0-9._-]+\.ya?ml`: nothing that leads out of the folder, or is an id.
    pub fn parse(text: &str) -> Option<Self> {
        let stem = text.strip_suffix(".yml").or_else(|| text.strip_suffix(".yaml"))?;
        let is_part = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        let is_name = !stem.is_empty() && text.len() <= Self::MAX && stem.bytes().all(is_part);
        is_name.then(|| Self(text.to_owned()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A full ref, of a branch or a tag: `refs/heads/main`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GitRef(String);

impl GitRef {
    /// The longest ref, in bytes.
    const MAX: usize = 255;

    /// Reads a full ref, or a branch's name, by the rules of git. A full ref is that of a branch or a tag: any other,
    /// such as a pull request's, names code that nobody has accepted.
    pub fn parse(text: &str) -> Option<Self> {
        let full = if text.starts_with("refs/") { text.to_owned() } else { format!("refs/heads/{text}") };
        let name = full.strip_prefix("refs/heads/").or_else(|| full.strip_prefix("refs/tags/"))?;
        let is_part = |part: &str| !part.is_empty() && !part.starts_with('.') && !part.ends_with(".lock");
        let is_forbidden = |c: char| c.is_control() || " ~^:?*[\\\u{fffd}".contains(c);
        let is_ref = full.len() <= Self::MAX
            && name.split('/').all(is_part)
            && !name.ends_with('.')
            && !name.starts_with('-')
            && !name.contains(is_forbidden)
            && !name.contains("..")
            && !name.contains("@{");
        is_ref.then_some(Self(full))
    }

    /// The full ref.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The inputs of a workflow, an object of texts, kept to the letter.
#[derive(Clone, Debug)]
pub struct Inputs(Box<RawValue>);

impl Inputs {
    /// The most inputs: GitHub's limit, less two for [`Self::RESERVED`].
    pub const MAX: usize = 23;

    /// The inputs that say which approval started the run. No request may give them.
    pub const RESERVED: [&str; 2] = ["approval", "ticket"];

    /// Checks inputs against GitHub's limits and ours. To GitHub the names of inputs have no case.
    // T29
    pub fn parse(raw: &RawValue) -> Result<Self, Invalid> {
        if !raw.get().starts_with('{') {
            return Err(Invalid::Inputs);
        }
        let members = Members::parse(raw.get())?;
        if members.0.len() > Self::MAX {
            return Err(Invalid::TooManyInputs(members.0.len()));
        }
        let is_reserved = |key: &str| Self::RESERVED.iter().any(|name| key.eq_ignore_ascii_case(name));
        if members.0.iter().any(|(key, _)| is_reserved(key)) {
            return Err(Invalid::ReservedInput);
        }
        let is_text = |value: &RawValue| serde_json::from_str::<String>(value.get()).is_ok();
        match members.0.iter().all(|(_, value)| is_text(value)) {
            true => Ok(Self(raw.to_owned())),
            false => Err(Invalid::Inputs),
        }
    }

    /// The JSON text.
    pub fn as_str(&self) -> &str {
        self.0.get()
    }

    /// The JSON, to be put into other JSON to the letter.
    pub fn as_raw(&self) -> &RawValue {
        &self.0
    }

    /// True if an event can carry them as its payload.
    pub fn fit_an_event(&self) -> bool {
        let count = Members::parse(self.as_str()).map_or(0, |members| members.0.len());
        count <= Terms::MAX_PROPERTIES && self.as_str().len() <= Terms::MAX_PAYLOAD_BYTES
    }

    /// The inputs to the letter, and at their end the id of the approval and its ticket.
    fn with_approval(inputs: Option<&Self>, id: &str, ticket: &str) -> String {
        let open = inputs.and_then(|inputs| inputs.as_str().trim_end().strip_suffix('}')).unwrap_or("{");
        let is_empty =
            inputs.is_none_or(|inputs| Members::parse(inputs.as_str()).is_ok_and(|all| all.0.is_empty()));
        let comma = if is_empty { "" } else { "," };
        let [approval_key, ticket_key] = Self::RESERVED;
        format!(r#"{open}{comma}"{approval_key}":"{id}","{ticket_key}":"{ticket}"}}"#)
    }
}

/// The workflow that an approval starts.
#[derive(Clone, Debug)]
pub struct WorkflowCall {
    /// Its file.
    pub file: WorkflowFile,
    /// The ref that it runs on, if the request names one; else the one of the job that asks.
    pub git_ref: Option<GitRef>,
    /// Its inputs, to which the approval is added.
    pub inputs: Option<Inputs>,
}

impl WorkflowCall {
    /// The full ref that it runs on, for the job that asks.
    pub fn git_ref<'a>(&'a self, workload: &'a Workload) -> &'a str {
        self.git_ref.as_ref().map_or(&workload.git_ref, GitRef::as_str)
    }

    /// The ref, if it is another than the job's, so that nobody but the workflow vouches for it.
    pub fn other_ref(&self, workload: &Workload) -> Option<&str> {
        self.git_ref.as_ref().map(GitRef::as_str).filter(|git_ref| *git_ref != workload.git_ref)
    }

    /// The inputs, as events carry them that are sent about the same approval.
    pub fn client_payload(&self) -> Option<ClientPayload> {
        self.inputs.as_ref().and_then(|inputs| ClientPayload::parse(inputs.as_raw()).ok())
    }

    /// The dispatch that starts it for the approval with this id and ticket, if the job of `workload` asked.
    pub fn dispatch(&self, workload: &Workload, id: &str, ticket: &str) -> WorkflowDispatch {
        WorkflowDispatch {
            repository: workload.repository.clone(),
            file: self.file.clone(),
            git_ref: self.git_ref(workload).to_owned(),
            inputs: Inputs::with_approval(self.inputs.as_ref(), id, ticket),
        }
    }
}

/// One `workflow_dispatch`, ready to be sent. Never printed: its inputs hold the ticket.
#[derive(Clone)]
pub struct WorkflowDispatch {
    /// The repository whose workflow it starts.
    pub repository: Repository,
    /// The file of the workflow.
    pub file: WorkflowFile,
    /// The full ref that it runs on.
    pub git_ref: String,
    /// The inputs, as JSON.
    inputs: String,
}

impl WorkflowDispatch {
    /// The body of the call, with the inputs to the letter. `asks_for_run`: GitHub is to name the run that it starts.
    pub fn body(&self, asks_for_run: AsksForRun) -> String {
        let (git_ref, inputs) = (serde_json::Value::from(self.git_ref.as_str()), &self.inputs);
        match asks_for_run {
            AsksForRun::Yes => format!(r#"{{"ref":{git_ref},"inputs":{inputs},"return_run_details":true}}"#),
            AsksForRun::No => format!(r#"{{"ref":{git_ref},"inputs":{inputs}}}"#),
        }
    }
}

impl fmt::Debug for WorkflowDispatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { repository, file, git_ref, inputs: _ } = self;
        write!(f, "WorkflowDispatch({} of {repository}, {git_ref})", file.as_str())
    }
}

/// The wish to be told which run GitHub starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AsksForRun {
    /// GitHub is to name the run.
    Yes,
    /// A server that does not know the parameter is asked without it.
    No,
}

/// The name of a dispatch: the type of an event, or the file of a workflow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DispatchName {
    /// An event.
    Event(EventType),
    /// The start of a workflow.
    Workflow(WorkflowFile),
}

impl DispatchName {
    /// The text.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Event(event_type) => event_type.as_str(),
            Self::Workflow(file) => file.as_str(),
        }
    }
}

/// The run that GitHub named when it started a workflow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedRun {
    /// Its id, digits.
    pub id: String,
    /// Its page at GitHub.
    pub url: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inputs(json: &str) -> Result<Inputs, Invalid> {
        Inputs::parse(serde_json::from_str(json).expect("JSON"))
    }

    #[test]
    fn a_workflow_is_named_by_its_file_alone() {
        for good in ["release.yml", "a.yaml", "Deploy_2-x.test.yml", "..yml"] {
            assert_eq!(WorkflowFile::parse(good).expect(good).as_str(), good);
        }
        let long = format!("{}.yml", "a".repeat(252));
        for bad in [
            "",
            ".yml",
            ".yaml",
            "release",
            "release.yml ",
            "a/b.yml",
            "../a.yml",
            "4711",
            "a.YML",
            "é.yml",
            &long,
        ] {
            assert_eq!(WorkflowFile::parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn a_ref_is_a_full_one_or_the_name_of_a_branch() {
        for (text, full) in [
            ("main", "refs/heads/main"),
            ("release/1.4", "refs/heads/release/1.4"),
            ("refs/heads/main", "refs/heads/main"),
            ("refs/tags/v1.2", "refs/tags/v1.2"),
            ("heads/main", "refs/heads/heads/main"),
            ("Refs/heads/main", "refs/heads/Refs/heads/main"),
            ("@", "refs/heads/@"),
        ] {
            assert_eq!(GitRef::parse(text).expect(text).as_str(), full);
        }
        let long = "a".repeat(250);
        for bad in [
            "",
            "/",
            "a//b",
            "/a",
            "a/",
            "a b",
            "a..b",
            "a@{1}",
            "a~1",
            "a^",
            "a:b",
            "a?",
            "a*",
            "a[b",
            "a\\b",
            ".a",
            "a/.b",
            "a.lock",
            "a.lock/b",
            "a.",
            "-a",
            "a\u{7f}",
            "a\n",
            "\u{fffd}",
            "refs/",
            "refs/heads/",
            "refs/pull/7/merge",
            "refs/notes/x",
            &long,
        ] {
            assert_eq!(GitRef::parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn inputs_are_texts_within_githubs_limits() {
        let many = |count: usize| {
            let all = (0..count).map(|at| format!("\"k{at}\":\"\"")).collect::<Vec<_>>();
            format!("{{{}}}", all.join(","))
        };
        for good in ["{}", r#"{"a":"","b\u0031":"\n"}"#, &many(23)] {
            assert_eq!(inputs(good).expect(good).as_str(), good);
        }
        for (bad, why) in [
            ("[]", Invalid::Inputs),
            ("\"\"", Invalid::Inputs),
            ("null", Invalid::Inputs),
            (r#"{"a":1}"#, Invalid::Inputs),
            (r#"{"a":null}"#, Invalid::Inputs),
            (r#"{"a":{}}"#, Invalid::Inputs),
            (r#"{"a":"1","\u0061":"2"}"#, Invalid::DuplicateKey("a".to_owned())),
            (r#"{"approval":"1"}"#, Invalid::ReservedInput),
            (r#"{"\u0074icket":"1"}"#, Invalid::ReservedInput),
            (r#"{"Ticket":"1"}"#, Invalid::ReservedInput),
            (&many(24), Invalid::TooManyInputs(24)),
        ] {
            assert_eq!(inputs(bad).unwrap_err(), why, "{bad}");
        }
    }

    #[test]
    fn the_inputs_stay_to_the_letter_and_the_approval_comes_after_them() {
        let with = |json: Option<&str>| {
            let inputs = json.map(|json| inputs(json).expect(json));
            Inputs::with_approval(inputs.as_ref(), "1", "2")
        };
        assert_eq!(with(None), r#"{"approval":"1","ticket":"2"}"#);
        assert_eq!(with(Some("{ }")), r#"{ "approval":"1","ticket":"2"}"#);
        assert_eq!(
            with(Some(r#"{"b":"\u0041", "a":"}" }"#)),
            r#"{"b":"\u0041", "a":"}" ,"approval":"1","ticket":"2"}"#
        );
    }

    #[test]
    fn the_largest_inputs_are_within_githubs_limit_of_characters() {
        // A request has 64,000 bytes at most; GitHub takes 65,535 characters.
        let added = Inputs::with_approval(None, &"0".repeat(44), &"0".repeat(32)).len();
        assert!(64_000 + added <= 65_535);
    }

    #[test]
    fn the_body_names_the_ref_and_asks_for_the_run_or_does_not() {
        let call = WorkflowCall {
            file: WorkflowFile::parse("release.yml").expect("a file"),
            git_ref: GitRef::parse("a\"b"),
            inputs: None,
        };
        let workload = Workload::sample(Repository::parse("octo/app").expect("a repository"));
        let dispatch = call.dispatch(&workload, "1", "2");
        let body = r#"{"ref":"refs/heads/a\"b","inputs":{"approval":"1","ticket":"2"}"#;
        assert_eq!(dispatch.body(AsksForRun::No), format!("{body}}}"));
        assert_eq!(dispatch.body(AsksForRun::Yes), format!(r#"{body},"return_run_details":true}}"#));
        assert_eq!(format!("{dispatch:?}"), "WorkflowDispatch(release.yml of octo/app, refs/heads/a\"b)");
        let own = WorkflowCall { git_ref: None, ..call.clone() };
        assert_eq!((own.git_ref(&workload), own.other_ref(&workload)), ("refs/heads/main", None));
        assert_eq!(call.other_ref(&workload), Some("refs/heads/a\"b"));
    }
}
