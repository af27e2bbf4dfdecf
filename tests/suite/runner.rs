//! A runner for a step of an action, or of a workflow in `examples/`, like GitHub's, and the endpoint at which its job gets
//! GitHub's tokens.
//!
//! Script and `env` are those of the file; only the values of expressions (`${{ … }}`) are given by the test. `bash` and
//! `curl` are this machine's. So is `jq`, where there is one; a pinned one, which is slower to start, stands in for it.
//! The tests of numbers and letters name theirs ([`Jq`]).

use std::{
    collections::BTreeMap,
    env, fs,
    os::unix::fs::PermissionsExt,
    process::Command,
    sync::{Arc, Mutex},
};

use saphyr::YamlOwned;
use serde_json::{Value, json};
use tempfile::TempDir;
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate, matchers::any};

use crate::{
    handler_process::until,
    node_tools::node_tools,
    tokens::Token,
    yaml::{mappings, members, read_yaml, text_of},
};

/// The secret by which a job gets its tokens.
const REQUEST_TOKEN: &str = "aRequestTokenThatNobodyMaySee";

/// A step of one of the examples.
#[derive(Clone)]
pub struct Step {
    script: String,
    env: Vec<(String, String)>,
    /// The inputs of its action that have a default.
    defaults: Values,
}

/// Values by their names.
pub type Values = BTreeMap<String, String>;

/// The result of a step.
#[derive(Debug)]
pub struct Ran {
    pub succeeded: bool,
    /// All that it printed.
    pub log: String,
    pub outputs: Values,
    pub summary: String,
    /// The mail that it made for a later step to send.
    pub mail: String,
}

impl Step {
    /// The step of this name in a file.
    pub fn read(path: &str, name: &str) -> Self {
        Self::of(&read_yaml(path), name)
    }

    /// The step of this name in a document.
    pub fn of(file: &YamlOwned, name: &str) -> Self {
        let step = mappings(file).into_iter().find(|step| text_of(step, "name") == Some(name));
        let step = step.expect("the example has this step");
        let env = step.as_mapping_get("env").expect("the step has an environment");
        Self {
            script: text_of(step, "run").expect("the step has a script").to_owned(),
            env: members(env).map(|(name, value)| (name.to_owned(), plain(value))).collect(),
            defaults: inputs(file)
                .filter_map(|(name, input)| Some((name.to_owned(), plain(input.as_mapping_get("default")?))))
                .collect(),
        }
    }

    /// Another value than the file has for a variable.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        let entry = self.env.iter_mut().find(|(candidate, _)| candidate == name).expect("the step sets it");
        entry.1 = value.to_owned();
        self
    }

    /// Its environment, where expressions have these values; one that has none is empty, as on GitHub.
    fn environment(&self, expressions: &Values) -> Vec<(String, String)> {
        let value_of = |value: &str| {
            let expression = value.strip_prefix("${{ ").and_then(|rest| rest.strip_suffix(" }}"));
            let Some(expression) = expression else { return value.to_owned() };
            let default = expression.strip_prefix("inputs.").and_then(|input| self.defaults.get(input));
            expressions.get(expression).or(default).cloned().unwrap_or_default()
        };
        self.env.iter().map(|(name, value)| (name.clone(), value_of(value))).collect()
    }
}

/// A `jq` that machines have.
#[derive(Clone, Copy, Debug)]
pub enum Jq {
    /// The release that GitHub's runners have.
    Pinned,
    /// 1.6, which rewrites numbers.
    Old,
    /// The one of a Windows machine: its lines end with a carriage return and a line feed.
    Windows,
}

impl Jq {
    pub const ALL: [Self; 3] = [Self::Pinned, Self::Old, Self::Windows];
}

/// A machine for one job, whose environment has this besides what all have.
pub struct Runner {
    folder: TempDir,
    environment: Values,
}

impl Runner {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name).display().to_string();
        let environment = [
            ("PATH", format!("{}:{}", programs_here(), jq_in("bin"))),
            ("RUNNER_TEMP", path("")),
            ("GITHUB_JOB", "approval".to_owned()),
            ("GITHUB_REPOSITORY", "octo/app".to_owned()),
            ("GITHUB_REF_NAME", "main".to_owned()),
            ("GITHUB_RUN_ATTEMPT", "1".to_owned()),
            ("GITHUB_RUN_ID", "4711".to_owned()),
            ("GITHUB_OUTPUT", path("output")),
            ("GITHUB_STEP_SUMMARY", path("summary")),
            ("GITHUB_EVENT_PATH", path("event.json")),
        ];
        let environment = environment.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Self { folder, environment }
    }

    /// A machine for a job with `id-token: write`.
    pub fn with_tokens(tokens: &IdTokens) -> Self {
        Self::new()
            .setting(
                "ACTIONS_ID_TOKEN_REQUEST_URL",
                &format!("{}/token?api-version=2.0", tokens.server.uri()),
            )
            .setting("ACTIONS_ID_TOKEN_REQUEST_TOKEN", REQUEST_TOKEN)
    }

    /// Has this jq, also where this machine has another.
    pub fn with_jq(self, jq: Jq) -> Self {
        let folder = match jq {
            Jq::Pinned => jq_in("bin"),
            Jq::Old => jq_in("bin-1.6"),
            Jq::Windows => self.jq_of_windows(),
        };
        self.setting("PATH", &format!("{folder}:{}", programs_here()))
    }

    fn jq_of_windows(&self) -> String {
        let path = format!("{}:{}", programs_here(), jq_in("bin"));
        self.program("jq", &format!("set -o pipefail; PATH='{path}' jq \"$@\" | sed 's/$/\\r/'\n"))
    }

    /// Finds this bash script under a program's name before any other.
    pub fn with_program(self, name: &str, script: &str) -> Self {
        let folder = self.program(name, script);
        let path = format!("{folder}:{}", self.environment["PATH"]);
        self.setting("PATH", &path)
    }

    /// Has these programs and no others.
    pub fn with_programs_only(self, names: &[&str]) -> Self {
        let folder = self.folder.path().join("only");
        fs::create_dir_all(&folder).expect("a folder");
        for name in names {
            let mut places = env::split_paths(&self.environment["PATH"]).map(|place| place.join(name));
            let program = places.find(|path| path.is_file()).unwrap_or_else(|| panic!("no {name} here"));
            std::os::unix::fs::symlink(program, folder.join(name)).expect("a link");
        }
        self.setting("PATH", &folder.display().to_string())
    }

    /// The folder of a program that is this bash script.
    fn program(&self, name: &str, script: &str) -> String {
        let folder = self.folder.path().join("bin");
        fs::create_dir_all(&folder).expect("a folder");
        let path = folder.join(name);
        fs::write(&path, format!("#!/usr/bin/env bash\n{script}")).expect("a file");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("a file of ours");
        folder.display().to_string()
    }

    /// A home in which curl finds this configuration.
    pub fn curlrc(self, text: &str) -> Self {
        fs::write(self.folder.path().join(".curlrc"), text).expect("a file");
        let home = self.folder.path().display().to_string();
        self.setting("HOME", &home)
    }

    pub fn setting(mut self, name: &str, value: &str) -> Self {
        self.environment.insert(name.to_owned(), value.to_owned());
        self
    }

    /// The event that started the run.
    pub fn event(self, event: &Value) -> Self {
        fs::write(self.folder.path().join("event.json"), event.to_string()).expect("a file");
        self
    }

    /// Runs a step, in which expressions have these values.
    pub async fn run(self, step: Step, expressions: &[(&str, &str)]) -> Ran {
        let expressions =
            expressions.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let running = tokio::task::spawn_blocking(move || self.run_here(&step, &expressions));
        running.await.expect("the step ran")
    }

    /// Runs a step, and sends it a signal as GitHub's runner does when its job is cancelled: to the script alone.
    pub async fn cancel(
        self,
        step: Step,
        expressions: &[(&str, &str)],
        signal: &str,
        once: impl Future<Output = ()>,
    ) -> Ran {
        let process = self.folder.path().join("process");
        let cancel = async {
            once.await;
            let process = fs::read_to_string(process).expect("the script has begun");
            let sent = Command::new("kill").args(["-s", signal, process.trim()]).status();
            assert!(sent.expect("kill is everywhere").success(), "the script has ended by itself");
        };
        tokio::join!(self.run(step, expressions), cancel).0
    }

    fn run_here(&self, step: &Step, expressions: &Values) -> Ran {
        let [script, printed, process] =
            ["step.sh", "log", "process"].map(|name| self.folder.path().join(name));
        fs::write(&script, &step.script).expect("a file");
        let log = fs::File::create(&printed).expect("a file");
        // `shell: bash`, an end to a script that would never find one, and no signal that it cannot heed.
        let status = Command::new("timeout")
            .args(["60", "env", "--default-signal=INT,TERM", "bash", "-c"])
            .arg(r#"echo $$ > "$0" && exec bash --noprofile --norc -eo pipefail "$1""#)
            .args([&process, &script])
            .env_clear()
            .envs(&self.environment)
            .envs(step.environment(expressions))
            .stdout(log.try_clone().expect("a file"))
            .stderr(log)
            .status()
            .expect("GNU timeout, bash and curl are needed to run the examples");
        let read = |name: &str| fs::read_to_string(self.folder.path().join(name)).unwrap_or_default();
        let outputs = read("output");
        let outputs = outputs.lines().map(|line| line.split_once('=').expect("a name and a value"));
        Ran {
            succeeded: status.success(),
            log: fs::read_to_string(&printed).expect("UTF-8"),
            outputs: outputs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            summary: read("summary"),
            mail: read("mail.json"),
        }
    }
}

impl Ran {
    #[track_caller]
    pub fn assert_succeeded(self) -> Self {
        assert!(self.succeeded, "{}", self.log);
        assert!(!self.log.contains("::error::"), "{}", self.log);
        self
    }

    /// Asserts that it failed with one error, and that the error says this.
    #[track_caller]
    pub fn assert_failed(self, saying: &str) -> Self {
        assert!(!self.succeeded, "{}", self.log);
        let errors: Vec<_> = self.log.lines().filter(|line| line.starts_with("::error::")).collect();
        assert!(errors.len() == 1 && errors[0].contains(saying), "{saying:?} in {}", self.log);
        self
    }
}

fn programs_here() -> String {
    env::var_os("PATH").expect("a PATH").into_string().expect("UTF-8")
}

/// A folder of `tests/node` with a pinned `jq`.
fn jq_in(folder: &str) -> String {
    node_tools().parent().expect("in tests/node").join(folder).display().to_string()
}

/// A value as it becomes part of an environment.
fn plain(value: &YamlOwned) -> String {
    value.as_str().expect("examples have texts only").to_owned()
}

fn inputs(action: &YamlOwned) -> impl Iterator<Item = (&str, &YamlOwned)> {
    action.as_mapping_get("inputs").into_iter().flat_map(members)
}

/// The names of an action's inputs.
pub fn inputs_of(path: &str) -> Vec<String> {
    inputs(&read_yaml(path)).map(|(name, _)| name.to_owned()).collect()
}

/// The endpoint at which a job gets GitHub's tokens, for the audience that it names. Fails the test when it is asked in
/// another way.
pub struct IdTokens {
    server: MockServer,
    state: Arc<Mutex<State>>,
}

struct State {
    job: Token,
    issued: usize,
    audiences: Vec<String>,
    unexpected: Vec<String>,
}

impl IdTokens {
    /// Tokens of this job.
    pub async fn of(job: Token) -> Self {
        let server = MockServer::builder().start().await;
        let state = State { job, issued: 0, audiences: Vec::new(), unexpected: Vec::new() };
        let state = Arc::new(Mutex::new(state));
        Mock::given(any()).respond_with(Issuer { state: Arc::clone(&state) }).mount(&server).await;
        Self { server, state }
    }

    /// The address at which it listens.
    pub fn url(&self) -> String {
        self.server.uri()
    }

    /// The number of tokens that it gave.
    pub fn issued(&self) -> usize {
        self.state.lock().unwrap().issued
    }

    /// A claim of its tokens.
    pub fn claim(&self, name: &str) -> Value {
        self.state.lock().unwrap().job.claims[name].clone()
    }

    pub fn audiences(&self) -> Vec<String> {
        self.state.lock().unwrap().audiences.clone()
    }

    /// Waits until it has given so many more.
    pub async fn until_issued_more(&self, count: usize) {
        let wanted = self.issued() + count;
        until("the script asks for tokens", async || self.issued() >= wanted).await;
    }
}

impl Drop for IdTokens {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert_eq!(self.state.lock().unwrap().unexpected, [""; 0], "GitHub gives no token for this");
        }
    }
}

struct Issuer {
    state: Arc<Mutex<State>>,
}

impl Respond for Issuer {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let mut state = self.state.lock().unwrap();
        let query: BTreeMap<_, _> = request.url.query_pairs().into_owned().collect();
        let bearer = request.headers.get("authorization").and_then(|value| value.to_str().ok());
        let is_right = request.method == "GET"
            && request.url.path() == "/token"
            && query.get("api-version").is_some_and(|version| version == "2.0")
            && bearer == Some(&format!("Bearer {REQUEST_TOKEN}"));
        let audience = query.get("audience").filter(|_| is_right).cloned();
        let Some(audience) = audience else {
            state.unexpected.push(format!("{} {}", request.method, request.url));
            return ResponseTemplate::new(401);
        };
        state.issued += 1;
        state.audiences.push(audience.clone());
        let token = state.job.clone().claim("aud", audience).claim("jti", format!("token-{}", state.issued));
        ResponseTemplate::new(200).set_body_json(json!({"value": token.sign()}))
    }
}
