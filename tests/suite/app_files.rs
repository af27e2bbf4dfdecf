//! The files of the function app say what the contract promises.

use std::fs;

use serde_json::{Value, json};

use crate::handler_process::repository_root;

fn read(path: &str) -> Value {
    let text = fs::read_to_string(repository_root().join(path)).expect("the file is there");
    serde_json::from_str(&text).expect("the file is JSON")
}

#[test]
fn host_json_starts_our_binary_with_no_forwarding_flag_and_no_extension_bundle() {
    let host = read("host.json");

    let executable = json!({"defaultExecutablePath": "target/release/approve-release"});
    assert_eq!(host["customHandler"], json!({"description": executable}));
    assert_eq!(host.get("extensionBundle"), None);
    assert_eq!(host["extensions"]["http"].get("routePrefix"), None, "the prefix stays api");
}

// T19
#[test]
fn approve_release_takes_posts_with_the_function_key() {
    let bindings = &read("ApproveRelease/function.json")["bindings"];

    assert_eq!(bindings[0]["authLevel"], "function");
    assert_eq!(bindings[0]["methods"], json!(["post"]));
    assert_eq!(bindings[0].get("route"), None, "the route is the function's name");
}

#[test]
fn deliver_runs_every_minute_by_a_timer_and_nothing_else() {
    let timer =
        json!({"type": "timerTrigger", "direction": "in", "name": "timer", "schedule": "0 * * * * *"});

    assert_eq!(read("Deliver/function.json"), json!({"bindings": [timer]}));
}

#[test]
fn local_settings_are_harmless() {
    let values = json!({
        "FUNCTIONS_WORKER_RUNTIME": "custom",
        "DRY_RUN": "true",
        "REQUIRE_IDENTITY": "false",
        "GITHUB_REPOSITORY": "octo/app",
        "RELAY_EVENT_TYPES": "release-approved",
        "STORE_URL": "file:",
        "AzureWebJobsStorage": "UseDevelopmentStorage=true",
        "AzureWebJobs.Deliver.Disabled": "true",
    });

    assert_eq!(read("local.settings.json")["Values"], values);
}
