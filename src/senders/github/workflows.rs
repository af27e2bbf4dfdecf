//! GitHub's answers to the start of a workflow: the run that it names, and the reasons why it starts none.

use reqwest::StatusCode;
use url::Url;

use crate::approval::{NamedRun, Permission, SendAnswer, SendResult, WorkflowFault};

/// The parameter by which GitHub is asked to name the run.
const PARAMETER: &str = "return_run_details";

/// The longest address of a run, in characters.
const MAX_URL: usize = 500;

/// The run that an answer names, if it is one of GitHub's.
pub fn named_run(body: &[u8]) -> Option<NamedRun> {
    #[derive(serde::Deserialize)]
    struct Details {
        workflow_run_id: u64,
        html_url: String,
    }
    let Details { workflow_run_id, html_url } = serde_json::from_slice(body).ok()?;
    let html_url = Url::parse(&html_url).ok()?;
    let is_page = matches!(html_url.scheme(), "https" | "http") && html_url.as_str().len() <= MAX_URL;
    is_page.then(|| NamedRun { id: workflow_run_id.to_string(), url: html_url.into() })
}

/// True if the server refuses the parameter, and so has started nothing: older ones do not know it.
pub fn refuses_parameter(status: StatusCode, message: &str) -> bool {
    matches!(status, StatusCode::UNPROCESSABLE_ENTITY | StatusCode::BAD_REQUEST)
        && message.contains(PARAMETER)
}

/// The answer, with what it means where a workflow was to be started. `message` is GitHub's own.
pub fn refused(result: SendResult, message: &str) -> SendResult {
    let what = match result.what {
        SendAnswer::PermissionDenied { wanted: None } => {
            SendAnswer::PermissionDenied { wanted: Permission::parse("actions=write") }
        }
        SendAnswer::Unprocessable => {
            fault(message).map_or(SendAnswer::Unprocessable, SendAnswer::WorkflowRefused)
        }
        other => other,
    };
    SendResult { what, ..result }
}

fn fault(message: &str) -> Option<WorkflowFault> {
    let message = message.to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|words| message.contains(words));
    if says(&["does not have 'workflow_dispatch' trigger"]) {
        Some(WorkflowFault::NoTrigger)
    } else if says(&["no ref found for"]) {
        Some(WorkflowFault::NoRef)
    } else if says(&["disabled workflow"]) {
        Some(WorkflowFault::Disabled)
    } else if says(&["unexpected inputs provided", "required input", "for input"]) {
        Some(WorkflowFault::Inputs)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_run_of_github_is_one() {
        let run = named_run(
            br#"{"workflow_run_id":4711,"run_url":"https://api.github.com/x","html_url":"https://github.com/octo/app/actions/runs/4711"}"#,
        );
        let url = "https://github.com/octo/app/actions/runs/4711".to_owned();
        assert_eq!(run, Some(NamedRun { id: "4711".to_owned(), url }));
        let long =
            format!(r#"{{"workflow_run_id":1,"html_url":"https://github.com/{}"}}"#, "a".repeat(MAX_URL));
        for bad in [
            "",
            "{}",
            "<html>",
            r#"{"workflow_run_id":"1","html_url":"https://github.com/"}"#,
            r#"{"workflow_run_id":-1,"html_url":"https://github.com/"}"#,
            r#"{"workflow_run_id":1,"html_url":"javascript:alert(1)"}"#,
            r#"{"workflow_run_id":1}"#,
            &long,
        ] {
            assert_eq!(named_run(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn each_fault_is_told_from_the_others() {
        for (message, fault_of_it) in [
            ("Workflow does not have 'workflow_dispatch' trigger", Some(WorkflowFault::NoTrigger)),
            ("No ref found for: refs/heads/gone", Some(WorkflowFault::NoRef)),
            ("Unexpected inputs provided: [\"x\"]", Some(WorkflowFault::Inputs)),
            ("Required input 'version' not provided", Some(WorkflowFault::Inputs)),
            (
                "Provided value 'x' for input 'to' not in the list of allowed values",
                Some(WorkflowFault::Inputs),
            ),
            ("Cannot trigger a 'workflow_dispatch' on a disabled workflow", Some(WorkflowFault::Disabled)),
            ("Something else", None),
            ("", None),
        ] {
            assert_eq!(fault(message), fault_of_it, "{message}");
        }
    }
}
