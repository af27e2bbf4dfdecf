//! `setup.sh`, with an `az`, a `gh` and a `curl` that record their calls, keep what was made, and answer as Azure would.

use std::{
    fs,
    io::Write,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Stdio},
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{handler_process::repository_root, node_tools::node_tools};

const ASKED: [&str; 4] = ["--repository", "octo/app", "--approvers", "alex@contoso.com"];

/// The SHA-256 of the package, which is empty here.
const DIGEST: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// A secret that somebody has set by hand.
const SECRET: &str = "github_pat_hunter2";

/// All three programs are this script. What exists is a file of its name in `azure/`.
const STAND_IN: &str = r#"#!/usr/bin/env bash
cd "$AZURE" || exit 9
program=${0##*/}
printf '%s\n' "$program $*" >>../calls
[ "$(wc -l <../calls)" != "${FAIL_AT:-0}" ] || { echo "$program: 503" >&2; exit 1; }
out() { [ ! -e "$1" ] || cat "$1"; }
case "$program $*" in
  'curl '*'/dist.zip') cp ../dist.zip "${@:(-2):1}" ;;
  'curl '*'/azuredeploy.json') cp ../azuredeploy.json "${@:(-2):1}" ;;
  'curl '*'/api/RequestApproval/none') [ ! -e tag ] || echo '{"outcome":"unauthenticated"}' ;;
  'curl '*'X-MS-CLIENT-PRINCIPAL: '*'/api/approvals') printf %s "${TO_FORGED:-401}" ;;
  'gh auth status'*) [ -n "${SIGNED_IN:-}" ] ;;
  'az group exists'*) if [ -e group ]; then echo true; else echo false; fi ;;
  'az group show'*made-by*) out group ;;
  'az group show'*tags.page*) out page ;;
  'az group show'*) out tag ;;
  'az group create'*) printf approve-release-setup >group ;;
  'az group update'*tags.page=*) printf client-1 >page ;;
  'az group update'*) printf '%s' "$*" | sed 's/.*tags.package=\([0-9a-f]*\).*/\1/' >tag ;;
  'az group delete'*) rm -f group page tag app ;;
  'az resource list'*) printf 'Microsoft.Web/sites\tapprove-release-abc123\n' ;;
  'az ad app list'*) out registration ;;
  'az ad app create'*) printf client-1 >registration; cat registration ;;
  'az ad app delete'*) rm registration ;;
  'az ad sp show --id 00000003-0000-0000-c000-000000000000 '*) echo graph-1 ;;
  'az rest --method get '*/servicePrincipals/principal-1/appRoleAssignments*) out roles ;;
  'az rest --method post '*/servicePrincipals/principal-1/appRoleAssignments*)
    [ -z "${NO_ADMINISTRATOR:-}" ] || { echo 'Authorization_RequestDenied' >&2; exit 1; }
    printf '%s\n' "$*" | sed 's/.*"appRoleId":"\([0-9a-f-]*\)".*/\1/' >>roles ;;
  'az ad sp list'*) out principal ;;
  'az ad sp create'*) printf sp-1 >principal ;;
  'az functionapp list'*) out app ;;
  'az functionapp config appsettings list'*) cat settings ;;
  'az deployment group create'*)
    for argument; do case $argument in @*) cp "${argument#@}" parameters ;; esac; done
    printf approve-release-abc123 >app
    cat ../outputs ;;
  'az ad app show'*) out redirect ;;
  'az ad app update'*) printf https://a.example/.auth/login/aad/callback >redirect ;;
  'az ad app federated-credential list'*) out credential ;;
  'az ad app federated-credential create'*) printf there >credential ;;
  'az account show'*) echo tenant-1 ;;
esac
"#;

pub struct CloudShell(TempDir);

struct Ran {
    succeeded: bool,
    said: String,
    calls: Vec<String>,
}

impl CloudShell {
    /// A shell with a released copy of the script.
    pub fn new() -> Self {
        let shell = Self(tempfile::tempdir().expect("a folder"));
        let script = fs::read_to_string(repository_root().join("setup.sh")).expect("the script");
        let script = script
            .replace("RELEASE_REPOSITORY=''", "RELEASE_REPOSITORY='octo/approve-release'")
            .replace("RELEASE_TAG=''", "RELEASE_TAG='v1.2.3'")
            .replace("PACKAGE_SHA256=''", &format!("PACKAGE_SHA256='{DIGEST}'"));
        shell.write("setup.sh", &script);
        shell.write("dist.zip", "");
        shell.write("azuredeploy.json", &json!({"variables": {"packageSha256": DIGEST}}).to_string());
        let output = |value: &str| json!({"value": value});
        let outputs = json!({"url": output("https://a.example"), "appName": output("approve-release-abc123"),
            "redirectUri": output("https://a.example/.auth/login/aad/callback"), "principalId": output("principal-1"),
            "botAppId": output("bot-1")});
        shell.write("outputs", &outputs.to_string());
        for folder in ["azure", "bin", "temporary"] {
            fs::create_dir(shell.path().join(folder)).expect("a folder");
        }
        shell.write(
            "azure/settings",
            &json!([
                {"name": "GITHUB_TOKEN", "value": SECRET}, {"name": "MIN_APPROVALS", "value": "2"},
                {"name": "TEAMS_CHANNEL_ID", "value": ""}, {"name": "SIGN_IN", "value": "platform"},
                {"name": "AzureWebJobsStorage__accountName", "value": "old"},
            ])
            .to_string(),
        );
        for program in ["az", "gh", "curl", "sleep"] {
            let path = format!("bin/{program}");
            shell.write(&path, if program == "sleep" { "#!/bin/sh\n" } else { STAND_IN });
            fs::set_permissions(shell.path().join(path), fs::Permissions::from_mode(0o755))
                .expect("a file of ours");
        }
        shell
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path().join(name), text).expect("a file");
    }

    fn has(&self, name: &str) -> bool {
        self.path().join("azure").join(name).exists()
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        self.run_with(arguments, &[], "")
    }

    fn failing_at(&self, call: usize, arguments: &[&str], answer: &str) -> Ran {
        self.run_with(arguments, &[("FAIL_AT", &call.to_string())], answer)
    }

    fn run_with(&self, arguments: &[&str], settings: &[(&str, &str)], answer: &str) -> Ran {
        self.write("calls", "");
        let bin = self.path().join("bin");
        let jq = node_tools().parent().expect("in tests/node").join("bin");
        let programs = std::env::var("PATH").expect("a PATH");
        let mut child = Command::new("timeout")
            .args(["60", "bash"])
            .arg(self.path().join("setup.sh"))
            .args(arguments)
            .env_clear()
            .env("PATH", format!("{}:{programs}:{}", bin.display(), jq.display()))
            .env("AZURE", self.path().join("azure"))
            .env("TMPDIR", self.path().join("temporary"))
            .envs(settings.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("GNU timeout and bash");
        // A script that ends without reading its answer closes the pipe.
        drop(child.stdin.take().expect("a pipe").write_all(answer.as_bytes()));
        let output = child.wait_with_output().expect("it ended");
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        let calls = fs::read_to_string(self.path().join("calls")).expect("text");
        let left = fs::read_dir(self.path().join("temporary")).expect("a folder").count();
        assert_eq!(left, 0, "files of the script are left: {said}");
        assert!(!said.contains(SECRET) && !calls.contains(SECRET), "{said}{calls}");
        Ran { succeeded: output.status.success(), said, calls: calls.lines().map(str::to_owned).collect() }
    }

    /// The parameters of the deployment, by their names.
    fn parameters(&self) -> Value {
        let text = fs::read_to_string(self.path().join("azure/parameters")).expect("a deployment");
        let parameters = serde_json::from_str::<Value>(&text).expect("JSON")["parameters"].clone();
        let values = parameters.as_object().expect("an object").iter();
        values
            .map(|(name, value)| (name.clone(), value["value"].clone()))
            .collect::<serde_json::Map<_, _>>()
            .into()
    }
}

impl Ran {
    #[track_caller]
    fn assert_succeeded(self) -> Self {
        assert!(self.succeeded, "{}", self.said);
        self
    }

    #[track_caller]
    fn assert_failed(self, saying: &str) -> Self {
        assert!(!self.succeeded && self.said.contains(saying), "{saying:?} in {}", self.said);
        self
    }

    /// The calls that change something.
    fn changes(&self) -> Vec<&str> {
        let changing = [
            "deployment group create",
            "group create",
            "group update",
            "app create",
            "app update",
            "app delete",
            "sp create",
            "federated-credential create",
            "rest --method post",
            "config-zip",
            "group delete",
        ];
        let calls = self.calls.iter().map(String::as_str);
        calls
            .filter_map(|call| changing.into_iter().find(|change| call.contains(&format!(" {change} "))))
            .collect()
    }
}

#[test]
fn from_nothing_to_an_app_that_answers() {
    let shell = CloudShell::new();
    let ran = shell.run(&ASKED).assert_succeeded();

    assert_eq!(
        ran.changes(),
        [
            "group create",
            "app create",
            "group update",
            "sp create",
            "deployment group create",
            "app update",
            "federated-credential create",
            "config-zip",
            "group update"
        ]
    );
    assert_eq!(
        shell.parameters(),
        json!({"repositories": "octo/app", "approvers": "alex@contoso.com", "signInClientId": "client-1",
            "withBot": true, "alertEmail": "", "withPackage": false, "settings": {}})
    );
    for said in [
        "answers at https://a.example",
        "id-token: write",
        "url: https://a.example",
        "uses: octo/approve-release/request-approval@v1",
        "--delete",
        "bot-1",
        "look at https://a.example/api/approvals/check, which says",
    ] {
        assert!(ran.said.contains(said), "{said} in {}", ran.said);
    }
}

/// Behind an address that believes it, anyone could approve as anyone.
#[test]
fn an_app_that_believes_a_made_up_principal_is_not_done() {
    for (status, is_done) in [("401", true), ("302", true), ("200", false), ("403", false), ("503", false)] {
        let ran = CloudShell::new().run_with(&ASKED, &[("TO_FORGED", status)], "");
        let told = ran.said.contains(&format!("answers {status} to a made-up principal"));
        assert_eq!((ran.succeeded, told), (is_done, !is_done), "{status}: {}", ran.said);
        let asked = ran.calls.iter().find(|call| call.contains("X-MS-CLIENT-PRINCIPAL: ")).expect("a call");
        assert!(asked.ends_with(" https://a.example/api/approvals"), "{asked}");
    }
}

/// The page refuses everybody where everybody approves.
#[test]
fn where_everybody_approves_the_log_has_the_checks() {
    let everybody = ["--repository", "octo/app", "--approvers", "*"];
    let said = CloudShell::new().run(&everybody).assert_succeeded().said;
    assert!(
        said.contains("the app's log has the same lines") && !said.contains("/api/approvals/check"),
        "{said}"
    );
}

#[test]
fn run_again_it_changes_what_differs_and_keeps_the_settings_of_others() {
    let shell = CloudShell::new();
    shell.run(&ASKED).assert_succeeded();
    let again = shell.run(&ASKED).assert_succeeded();

    // The template itself changes only what differs.
    assert_eq!(again.changes(), ["deployment group create"]);
    assert_eq!(shell.parameters()["settings"], json!({"GITHUB_TOKEN": SECRET, "MIN_APPROVALS": "2"}));
}

/// The permissions GroupMember.Read.All and User.Read.All.
const ROLES: [&str; 2] = ["98830695-27a2-44f7-8c18-0c3ebc9698f6", "df021288-bdef-4463-88db-98f22de89214"];

const BY_GROUP: [&str; 4] = [
    "--repository",
    "octo/app",
    "--approvers",
    "alex@contoso.com,group:11111111-aaaa-4bbb-8ccc-444455556666",
];

#[test]
fn for_a_group_the_identity_gets_two_permissions_in_graph_once() {
    let shell = CloudShell::new();
    let ran = shell.run(&BY_GROUP).assert_succeeded();
    let granted: Vec<_> =
        ran.calls.iter().filter(|call| call.starts_with("az rest --method post ")).collect();
    assert_eq!(granted.len(), 2, "{granted:?}");
    for (call, role) in granted.into_iter().zip(ROLES) {
        let body = format!(r#"{{"principalId":"principal-1","resourceId":"graph-1","appRoleId":"{role}"}}"#);
        assert!(call.contains(&body) && call.contains("https://graph.microsoft.com/v1.0/"), "{call}");
    }
    let place = |what: &str| ran.calls.iter().position(|call| call.contains(what)).expect("a call");
    assert!(place("rest --method post") < place("config-zip"), "the app begins with the permissions");
    assert!(!ran.said.contains("administrator run"), "{}", ran.said);
    assert_eq!(shell.run(&BY_GROUP).assert_succeeded().changes(), ["deployment group create"]);
}

#[test]
fn who_may_not_grant_permissions_hears_what_an_administrator_has_to_run() {
    let shell = CloudShell::new();
    let ran = shell.run_with(&BY_GROUP, &[("NO_ADMINISTRATOR", "1")], "").assert_succeeded();
    for said in ["Privileged Role Administrator", "GroupMember.Read.All", "az rest --method post"] {
        assert!(ran.said.contains(said), "{said} in {}", ran.said);
    }
    for role in ROLES {
        let body = format!(
            r#"--body '{{"principalId":"principal-1","resourceId":"graph-1","appRoleId":"{role}"}}'"#
        );
        assert!(ran.said.contains(&body), "{body} in {}", ran.said);
    }
    // Once an administrator was here, nothing is left.
    assert!(!shell.run(&BY_GROUP).assert_succeeded().said.contains("administrator run"));
}

#[test]
fn a_call_that_fails_ends_it_and_names_the_step() {
    let calls = CloudShell::new().run(&ASKED).assert_succeeded().calls;
    for (at, call) in (1..).zip(&calls) {
        let shell = CloudShell::new();
        let ran = shell.failing_at(at, &ASKED, "");
        if call.starts_with("gh auth status") || call.ends_with("/api/RequestApproval/none") {
            // It goes without the first, and waits for the second.
            ran.assert_succeeded();
            continue;
        }
        let ran = ran.assert_failed("setup.sh: not done, it ended while ");
        assert!(!ran.said.contains("Left to do"), "{call}: {}", ran.said);
        assert_eq!(ran.calls.len(), at, "{call}");
        shell.run(&ASKED).assert_succeeded();
    }
}

#[test]
fn an_app_that_never_answers_is_said_to_be_silent() {
    let shell = CloudShell::new();
    let curl = STAND_IN.replace("{\"outcome\":\"unauthenticated\"}", "Your function app is up and running");
    shell.write("bin/curl", &curl);

    shell.run(&ASKED).assert_failed("https://a.example does not answer as ApproveRelease does");
}

#[test]
fn a_package_with_another_digest_reaches_nobody() {
    let shell = CloudShell::new();
    shell.write("dist.zip", "another");
    let ran = shell.run(&ASKED).assert_failed("dist.zip is not the one");
    assert_eq!(ran.changes(), [""; 0]);

    let shell = CloudShell::new();
    shell.write("azuredeploy.json", r#"{"variables": {"packageSha256": ""}}"#);
    let ran = shell.run(&ASKED).assert_failed("azuredeploy.json is of another release");
    assert_eq!(ran.changes(), [""; 0]);
}

#[test]
fn whoever_has_gh_signed_in_has_the_build_verified() {
    let shell = CloudShell::new();
    let ran = shell.run_with(&ASKED, &[("SIGNED_IN", "yes")], "").assert_succeeded();
    let verify =
        ran.calls.iter().find(|call| call.starts_with("gh attestation verify")).expect("it is verified");
    let signer = "--signer-workflow octo/approve-release/.github/workflows/release.yml";
    assert!(verify.contains(signer) && verify.contains("--source-ref refs/tags/v1.2.3"), "{verify}");

    let at = ran.calls.iter().position(|call| call == verify).expect("it is there") + 1;
    let settings = [("SIGNED_IN", "yes"), ("FAIL_AT", &*at.to_string())];
    let ran =
        CloudShell::new().run_with(&ASKED, &settings, "").assert_failed("verifying where dist.zip was built");
    assert_eq!(ran.changes(), [""; 0]);
}

#[test]
fn a_copy_that_is_not_released_says_so() {
    let shell = CloudShell::new();
    fs::copy(repository_root().join("setup.sh"), shell.path().join("setup.sh")).expect("a copy");
    let ran = shell.run(&ASKED).assert_failed("this is no released copy");
    assert_eq!(ran.calls, [""; 0]);
}

#[test]
fn arguments_that_cannot_be_meant_are_refused_before_any_call() {
    let good = ["--repository", "octo/app", "--approvers", "alex@contoso.com"];
    for (arguments, error) in [
        (&[][..], "--repository must be OWNER/NAME"),
        (&good[..2], "--approvers must be"),
        (&["--repository", "octo", "--approvers", "a"], "--repository must be"),
        (&["--repository", "octo/app,", "--approvers", "a"], "--repository must be"),
        (&["--repository", "octo/app", "--approvers", "a b"], "--approvers must be"),
        (&["--repository", "octo@x/app", "--approvers", "a@b"], "--repository must be"),
        (&["--repository", "octo/app\nevil/app", "--approvers", "a@b"], "--repository must be"),
        (&["--repository", "octo/app", "--approvers", "alex"], "--approvers must be"),
        (&["--repository", "octo/app", "--approvers", "*,alex@contoso.com"], "--approvers must be"),
        (&["--repository", "octo/app", "--approvers", "alex@contoso.com,"], "--approvers must be"),
        (&["--repository", "octo/app", "--approvers", "\"alex@contoso.com\""], "--approvers must be"),
        (
            &["--repository", "octo/app", "--approvers", "alex@contoso.com;sam@contoso.com"],
            "--approvers must be",
        ),
        (&["--repository", "octo/app", "--approvers", "group:Releasers"], "--approvers must be"),
        (&["--repository"], "--repository needs a value"),
        (&["--repository", "octo/app", "--approvers", "--no-bot"], "--approvers needs a value"),
        (&["--group", "--delete"], "--group needs a value"),
        (&["--group", "a'b", "--delete"], "--group: letters"),
        (&["--purge"], "--purge is no option"),
    ] {
        let ran = CloudShell::new().run(arguments).assert_failed(error);
        assert_eq!(ran.calls, [""; 0]);
    }
}

#[test]
fn what_the_settings_take_the_options_take() {
    let ids = "alex.o'brien@contoso.com,0A0b0c0d-1111-2222-3333-444455556666";
    let ran = ["--repository", "octo@2020/app@424242,octo/*", "--approvers", ids];
    let shell = CloudShell::new();
    shell.run(&ran).assert_succeeded();
    let parameters = shell.parameters();
    assert_eq!(
        (&parameters["repositories"], &parameters["approvers"]),
        (&json!("octo@2020/app@424242,octo/*"), &json!(ids))
    );
}

/// A closed window, or a shell that Azure takes away.
#[test]
fn a_run_that_is_stopped_says_how_far_it_came() {
    for signal in ["HUP", "TERM"] {
        let shell = CloudShell::new();
        let stopped = format!("kill -{signal} $PPID; printf approve-release-setup >group");
        shell.write("bin/az", &STAND_IN.replace("printf approve-release-setup >group", &stopped));
        let ran = shell.run(&ASKED);
        ran.assert_failed("setup.sh: not done, it ended while making the resource group approve-release.");
    }
}

#[test]
fn a_group_of_somebody_else_is_neither_used_nor_deleted() {
    for arguments in [&ASKED[..], &["--delete"]] {
        let shell = CloudShell::new();
        shell.write("azure/group", "");
        let ran = shell.run_with(arguments, &[], "y\n").assert_failed("is not one that setup.sh made");
        assert_eq!(ran.changes(), [""; 0]);
        assert!(shell.has("group"));
    }
}

/// Whoever owns the registration could sign in to the page as others do.
#[test]
fn a_registration_of_the_same_name_is_taken_only_if_it_is_ones_own() {
    let ran = CloudShell::new().run(&ASKED).assert_succeeded();
    let lists: Vec<_> = ran.calls.iter().filter(|call| call.contains("ad app list")).collect();
    assert!(lists.len() == 1 && lists[0].contains("--show-mine"), "{lists:?}");

    let shell = CloudShell::new();
    shell.run(&ASKED).assert_succeeded();
    let again = shell.run(&ASKED).assert_succeeded();
    let lists: Vec<_> = again.calls.iter().filter(|call| call.contains("ad app list")).collect();
    assert!(lists.len() == 1 && lists[0].contains("appId eq 'client-1'"), "{lists:?}");
}

#[test]
fn registrations_that_cannot_be_told_apart_are_left_alone() {
    let shell = CloudShell::new();
    shell.write("azure/registration", "client-1\nclient-2\n");
    let ran = shell.run_with(&["--delete"], &[], "y\n").assert_failed("several app registrations");
    assert_eq!(ran.changes(), [""; 0]);
}

#[test]
fn it_is_taken_away_after_a_list_and_a_yes() {
    let shell = CloudShell::new();
    shell.run(&ASKED).assert_succeeded();
    for answer in ["", "n\n", "yes please\n"] {
        let ran = shell.run_with(&["--delete"], &[], answer).assert_succeeded();
        assert!(
            ran.said.contains("approve-release-abc123") && ran.said.contains("(client-1)"),
            "{}",
            ran.said
        );
        assert!(ran.said.contains("Nothing was deleted.") && ran.changes().is_empty(), "{}", ran.said);
    }
    let ran = shell.run_with(&["--delete"], &[], "y\n").assert_succeeded();
    assert_eq!(ran.changes(), ["app delete", "group delete"]);
    assert!(!shell.has("group") && !shell.has("registration"));

    let ran = shell.run_with(&["--delete"], &[], "y\n").assert_succeeded();
    assert!(ran.said.contains("There is nothing to delete."), "{}", ran.said);
}

#[test]
fn a_deletion_that_breaks_off_says_so_and_is_finished_by_the_next() {
    let calls = {
        let shell = CloudShell::new();
        shell.run(&ASKED).assert_succeeded();
        shell.run_with(&["--delete"], &[], "y\n").assert_succeeded().calls
    };
    for at in 1..=calls.len() {
        let shell = CloudShell::new();
        shell.run(&ASKED).assert_succeeded();
        let ran = shell.failing_at(at, &["--delete"], "y\n").assert_failed("it ended while ");
        assert!(!ran.said.contains("All of it is deleted."), "{}", ran.said);
        shell.run_with(&["--delete"], &[], "y\n").assert_succeeded();
        assert!(!shell.has("group") && !shell.has("registration"));
    }
}
