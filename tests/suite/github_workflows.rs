//! The stand-in's side of `workflow_dispatch`: three workflows on a few refs, and GitHub's refusals in its words.

use serde::Deserialize;
use serde_json::{Map, Value, json};

/// The run that it starts.
pub const RUN: u64 = 4711;

/// The page of that run.
pub const RUN_URL: &str = "https://github.com/octo/app/actions/runs/4711";

/// The workflows that it has: the first starts, the second has no trigger for that, the third is disabled.
const FILES: [&str; 3] = ["release.yml", "push.yml", "disabled.yaml"];

/// The refs that it has.
const REFS: [&str; 3] = ["refs/heads/main", "refs/heads/release/1.4", "refs/tags/v1.4.2"];

/// The inputs that the workflow has, beside those whose names begin with `k`.
const INPUTS: [&str; 4] = ["approval", "ticket", "version", "note"];

/// GitHub's limits.
const MAX_INPUTS: usize = 25;
const MAX_CHARACTERS: usize = 65_535;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    #[serde(rename = "ref")]
    git_ref: String,
    #[serde(default)]
    inputs: Map<String, Value>,
    #[serde(default)]
    return_run_details: bool,
}

/// The repository and the file that a path below the API's base names.
pub fn named(path: &str) -> Option<(&str, &str)> {
    let (repository, file) =
        path.strip_prefix("/repos/")?.strip_suffix("/dispatches")?.split_once("/actions/workflows/")?;
    (repository.split('/').count() == 2 && !file.contains('/')).then_some((repository, file))
}

/// GitHub's answer to the start of a workflow: status and body, or status and message of a refusal. `is_old`: it does
/// not know how to name the run. `has_trigger`: the second workflow has one by now.
pub fn start(
    file: &str,
    body: &[u8],
    (is_old, has_trigger): (bool, bool),
) -> Result<(u16, Option<Value>), (u16, String)> {
    let refuse = |message: &str| Err((422, message.to_owned()));
    let Ok(body) = serde_json::from_slice::<Body>(body) else {
        return Err((400, "Problems parsing JSON".into()));
    };
    if is_old && body.return_run_details {
        return refuse("Invalid request.\n\n\"return_run_details\" is not a permitted key.");
    }
    let inputs = serde_json::to_string(&body.inputs).expect("JSON");
    if body.inputs.len() > MAX_INPUTS || inputs.chars().count() > MAX_CHARACTERS {
        return refuse("inputs are too large.");
    }
    let unknown = |name: &&String| !name.starts_with('k') && !INPUTS.contains(&name.as_str());
    match FILES.iter().position(|known| *known == file) {
        None => Err((404, "Not Found".to_owned())),
        _ if !REFS.contains(&body.git_ref.as_str()) => refuse(&format!("No ref found for: {}", body.git_ref)),
        Some(1) if !has_trigger => refuse("Workflow does not have 'workflow_dispatch' trigger"),
        Some(2) => refuse("Cannot trigger a 'workflow_dispatch' on a disabled workflow"),
        Some(_) => match body.inputs.keys().find(unknown) {
            Some(name) => refuse(&format!("Unexpected inputs provided: [\"{name}\"]")),
            None if body.return_run_details => {
                let run_url = format!("https://api.github.com/repos/octo/app/actions/runs/{RUN}");
                Ok((200, Some(json!({"workflow_run_id": RUN, "run_url": run_url, "html_url": RUN_URL}))))
            }
            None => Ok((204, None)),
        },
    }
}
