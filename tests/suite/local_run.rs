//! The binary outside a host: safe by its settings file, and deaf to web pages.

use crate::{
    github::{GitHub, TOKEN},
    handler_process::until,
    http1::Request,
    protocol::payload_of,
    relay::{CLICK, new_click},
    standalone::Standalone,
};

/// Settings with which a click would reach GitHub.
fn live_settings(github_url: &str) -> Vec<(&'static str, &str)> {
    vec![
        ("GITHUB_TOKEN", TOKEN),
        ("GITHUB_API_URL", github_url),
        ("GITHUB_REPOSITORY", "octo/app"),
        ("RELAY_EVENT_TYPES", "release-approved"),
        ("REQUIRE_IDENTITY", "false"),
        ("STORE_URL", "memory:"),
    ]
}

async fn start_live(github: &GitHub) -> Standalone {
    Standalone::start(&live_settings(&github.url()), &[]).await
}

#[tokio::test]
async fn our_local_settings_make_a_dry_run() {
    let github = GitHub::start().await;
    let environment = [("GITHUB_TOKEN", TOKEN), ("GITHUB_API_URL", &github.url())];
    let local = Standalone::start_with_our_settings(&environment).await;

    assert_eq!(local.readiness().status, 200);
    local.readiness().assert_card_sentence();
    local.click(CLICK).await.assert_outcome(200, "dry-run");
}

#[tokio::test]
async fn the_bare_address_leads_a_browser_to_the_list() {
    let local = Standalone::start_with_our_settings(&[]).await;

    let answer = local.send(Request::get("/").header("Accept", "text/html,*/*;q=0.8")).await;
    assert_eq!((answer.status, answer.header("Location")), (302, Some("/api/approvals")));
    let list = local.send(Request::get("/api/approvals").header("Accept", "text/html")).await;
    assert_eq!(list.status, 200);
    // A program still learns whether we are ready.
    assert_eq!(local.send(Request::get("/").header("Accept", "*/*")).await.status, 200);
}

#[tokio::test]
async fn another_sample_is_made_for_our_own_page_alone() {
    let local = Standalone::start_with_our_settings(&[]).await;
    let first = local.sample().await;
    let own = ("Sec-Fetch-Site", "same-origin");
    let ask = async |headers: &[(&str, &str)]| {
        let post = Request::post("/api/approvals").form("");
        local.send(headers.iter().fold(post, |post, (name, value)| post.header(name, value))).await
    };

    let mut pages = Vec::new();
    for _ in 0..12 {
        let answer = ask(&[own]).await;
        assert_eq!(answer.status, 303, "{}", answer.text());
        let page = answer.header("Location").expect("an address").to_owned();
        let shown = local.send(Request::get(&page)).await;
        assert_eq!(shown.status, 200);
        assert!(shown.text().contains("Another sample") && !first.ends_with(&page));
        assert!(!pages.contains(&page));
        pages.push(page);
    }
    for foreign in
        [&[][..], &[("Sec-Fetch-Site", "cross-site")], &[("Origin", "https://evil.example")], &[own, own]]
    {
        assert_eq!(ask(foreign).await.status, 403, "{foreign:?}");
    }
    let list = local.send(Request::get("/api/approvals?format=json")).await.json();
    assert_eq!(list["items"].as_array().map(Vec::len), Some(13), "{list}");
}

#[tokio::test]
async fn what_is_no_dry_run_makes_no_samples() {
    let github = GitHub::start().await;
    let local = start_live(&github).await;
    let post = Request::post("/api/approvals").form("").header("Sec-Fetch-Site", "same-origin");
    assert_eq!(local.send(post).await.status, 405);
}

#[tokio::test]
async fn the_environment_wins_over_the_settings_file() {
    let github = GitHub::start().await;
    github.expect_dispatches(1);
    let url = github.url();
    let environment =
        [("GITHUB_TOKEN", TOKEN), ("GITHUB_API_URL", &url), ("DRY_RUN", "false"), ("STORE_URL", "memory:")];
    let local = Standalone::start_with_our_settings(&environment).await;

    local.click(CLICK).await.assert_outcome(200, "dispatched");
    assert!(!local.stderr().contains(TOKEN));
}

#[tokio::test]
async fn the_settings_file_is_enough() {
    let github = GitHub::start().await;
    github.expect_dispatches(1);
    let local = start_live(&github).await;

    local.click(CLICK).await.assert_outcome(200, "dispatched");
}

#[tokio::test]
async fn the_url_is_the_same_as_in_a_host() {
    let github = GitHub::start().await;
    github.expect_dispatches(2);
    let local = start_live(&github).await;

    for target in ["/api/approverelease/?code=anything", "/API/ApproveRelease?repository=octo/app"] {
        local.send(Request::post(target).json(new_click())).await.assert_outcome(200, "dispatched");
    }
}

// T30
#[tokio::test]
async fn a_host_name_that_is_not_this_computers_is_forbidden() {
    const FOREIGN: &[&str] = &[
        "evil.example",
        "evil.example:7071",
        "localhost.evil.example:7071",
        "127.0.0.1.evil.example",
        "localhost@evil.example",
        "127.0.0.2.nip.io",
        "0.0.0.0:7071",
        "10.0.0.1:7071",
        "",
        "xlocalhost",
        "127.0.0.1x",
    ];
    let github = GitHub::start().await;
    let local = start_live(&github).await;

    for host in FOREIGN {
        println!("host: {host}");
        let click = Request::post("/api/ApproveRelease").json(CLICK).header("Host", host);
        let answer = local.send(click).await;
        assert!([400, 403].contains(&answer.status), "{host}: {} {}", answer.status, answer.text());
        answer.assert_card_sentence();
        let as_payload =
            Request::post("/ApproveRelease").json(payload_of(CLICK).to_string()).header("Host", host);
        let answer = local.send(as_payload).await;
        assert!((400..500).contains(&answer.status), "{host}: {} {}", answer.status, answer.text());
    }
}

#[tokio::test]
async fn this_computers_names_are_served() {
    let names = ["localhost", "127.0.0.1", "LocalHost:7071", "127.0.0.1:7071", "localhost:9000"];
    let github = GitHub::start().await;
    github.expect_dispatches(names.len());
    let local = start_live(&github).await;

    for name in names {
        println!("host: {name}");
        let click = Request::post("/api/ApproveRelease").json(new_click()).header("Host", name);
        local.send(click).await.assert_outcome(200, "dispatched");
    }
}

#[tokio::test]
async fn a_web_page_cannot_release_through_a_local_run() {
    let github = GitHub::start().await;
    let local = start_live(&github).await;
    let own_host = format!("localhost:{}", local.port());
    let from_a_page =
        [("Origin", "https://evil.example"), ("Origin", "null"), ("Sec-Fetch-Site", "cross-site")];

    for (name, value) in from_a_page {
        let requests = [
            Request::post("/api/ApproveRelease").json(CLICK),
            Request::post("/api/ApproveRelease").form("event_type=release-approved&client_payload={}"),
            Request::post("/ApproveRelease").json(payload_of(CLICK).to_string()),
            Request::post("/ApproveRelease").body("text/plain", payload_of(CLICK).to_string()),
        ];
        for request in requests {
            let answer = local.send(request.header("Host", &own_host).header(name, value)).await;
            assert!(
                [403, 404].contains(&answer.status),
                "{name}: {value}: {} {}",
                answer.status,
                answer.text()
            );
            answer.assert_card_sentence();
        }
    }
}

#[tokio::test]
async fn a_payload_cannot_hide_a_web_page_behind_headers_of_its_own() {
    let github = GitHub::start().await;
    let local = start_live(&github).await;

    let mut payload = payload_of(CLICK);
    payload["Data"]["req"]["Headers"]["Origin"] = serde_json::json!(["http://localhost:7071"]);
    payload["Data"]["req"]["Headers"]["Host"] = serde_json::json!(["localhost:7071"]);
    let request = Request::post("/ApproveRelease").body("text/plain", payload.to_string());
    let answer = local.send(request.header("Origin", "https://evil.example")).await;

    assert!([403, 404].contains(&answer.status), "{} {}", answer.status, answer.text());
}

#[tokio::test]
async fn an_unreadable_settings_file_is_named_and_the_process_exits() {
    for broken in
        ["", "{", r#"{"Values":[]}"#, r#"{"IsEncrypted":true,"Values":{}}"#, r#"{"DRY_RUN":"true"}"#]
    {
        let (status, output) = Standalone::run_to_exit(broken).await;
        assert!(!status.success(), "{broken}: {output}");
        assert!(output.contains("local.settings.json"), "{broken}: {output}");
    }
}

#[tokio::test]
async fn unusable_values_in_the_settings_file_are_named_and_the_process_exits() {
    let (status, output) =
        Standalone::run_to_exit(r#"{"Values":{"DRY_RUN":"perhaps","GITHUB_REPOSITORY":"octo"}}"#).await;

    assert!(!status.success(), "{output}");
    assert!(output.contains("DRY_RUN") && output.contains("GITHUB_REPOSITORY"), "{output}");
}

#[tokio::test]
async fn a_setting_that_is_nearly_one_of_ours_is_asked_about() {
    let standalone = Standalone::start_with_our_settings(&[("DRYRUN", "true")]).await;
    let asked = "nothing reads the setting DRYRUN: is it meant to be DRY_RUN?";
    until("it asks", async || standalone.stderr().contains(asked)).await;
}

#[tokio::test]
async fn a_taken_port_is_named_and_the_process_exits() {
    let (port, status, output) = Standalone::run_to_exit_on_a_taken_port().await;

    assert!(!status.success(), "{output}");
    assert!(output.contains(&port.to_string()), "{output}");
}
