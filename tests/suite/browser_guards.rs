//! A web page must not be able to release through a handler on its visitor's machine: while no identity is required,
//! what a browser sends from another site is refused.

use crate::{
    functions_host::{FunctionsHost, Mode},
    github::GitHub,
    http1::Request,
    relay::{CLICK, new_click},
};

const PUBLIC_URL: &str = "https://releases.example";

in_every_mode! {
    a_request_from_another_site_is_forbidden
    a_request_with_a_foreign_origin_is_forbidden
    a_request_from_our_own_origin_or_a_local_one_is_relayed
    a_request_that_is_no_cross_site_one_is_relayed
    our_own_origin_is_the_host_name_that_the_platform_tells
}

async fn relay(mode: Mode, github: &GitHub) -> FunctionsHost {
    FunctionsHost::relay(mode, github).setting("PUBLIC_URL", PUBLIC_URL).start().await
}

// T30
async fn a_request_from_another_site_is_forbidden(mode: Mode) {
    let github = GitHub::start().await;
    let host = relay(mode, &github).await;

    for site in ["cross-site", "same-site", "anything-new"] {
        println!("site: {site}");
        let click = host.click_request().json(CLICK).header("Sec-Fetch-Site", site);
        host.send(click.clone()).await.assert_outcome(403, "forbidden");
        let from_here = click.header("Origin", PUBLIC_URL).header("Sec-Fetch-Site", "same-origin");
        host.send(from_here).await.assert_outcome(403, "forbidden");
    }
}

async fn a_request_with_a_foreign_origin_is_forbidden(mode: Mode) {
    const FOREIGN: &[&str] = &[
        "null",
        "https://evil.example",
        "http://evil.example:7071",
        "http://releases.example",
        "https://releases.example:8443",
        "https://releases.example.evil.example",
        "https://evilreleases.example",
        "https://releases.example@evil.example",
        "http://localhost.evil.example",
        "http://127.0.0.1.evil.example:7071",
        "http://127.0.0.1@evil.example",
        "http://10.0.0.1",
        "http://0.0.0.0:7071",
        "file://",
        "not an origin",
        "chrome-extension://abcdefghijklmnop",
    ];
    let github = GitHub::start().await;
    let host = relay(mode, &github).await;

    for origin in FOREIGN {
        println!("origin: {origin}");
        let click = host.click_request().json(CLICK).header("Origin", origin);
        host.send(click.clone()).await.assert_outcome(403, "forbidden");
        let from_here = click.header("Sec-Fetch-Site", "same-origin").header("Origin", PUBLIC_URL);
        host.send(from_here).await.assert_outcome(403, "forbidden");
    }
}

async fn a_request_from_our_own_origin_or_a_local_one_is_relayed(mode: Mode) {
    const OURS: &[&str] = &[
        PUBLIC_URL,
        "https://releases.example:443",
        "http://localhost",
        "http://localhost:7071",
        "https://localhost:8443",
        "http://127.0.0.1:3000",
    ];
    let github = GitHub::start().await;
    github.expect_dispatches(OURS.len());
    let host = relay(mode, &github).await;

    for origin in OURS {
        println!("origin: {origin}");
        let click = host.click_request().json(new_click()).header("Origin", origin);
        host.send(click).await.assert_outcome(200, "dispatched");
    }
}

async fn a_request_that_is_no_cross_site_one_is_relayed(mode: Mode) {
    let github = GitHub::start().await;
    github.expect_dispatches(3);
    let host = relay(mode, &github).await;

    for site in ["same-origin", "none"] {
        let click = host.click_request().json(new_click()).header("Sec-Fetch-Site", site);
        host.send(click).await.assert_outcome(200, "dispatched");
    }
    // Outlook's server is no browser: it sends neither header.
    host.click(CLICK).await.assert_outcome(200, "dispatched");
}

async fn our_own_origin_is_the_host_name_that_the_platform_tells(mode: Mode) {
    let github = GitHub::start().await;
    github.expect_dispatches(1);
    let host = FunctionsHost::relay(mode, &github)
        .setting("WEBSITE_HOSTNAME", "app.azurewebsites.example")
        .start()
        .await;
    let click = |origin| host.click_request().json(CLICK).header("Origin", origin);

    host.send(click("https://app.azurewebsites.example")).await.assert_outcome(200, "dispatched");
    host.send(click("http://app.azurewebsites.example")).await.assert_outcome(403, "forbidden");
}

#[tokio::test]
async fn a_preflight_is_given_no_permission() {
    let github = GitHub::start().await;
    let host = relay(Mode::Proxying, &github).await;

    for target in ["/api/ApproveRelease", "/ApproveRelease", "/"] {
        let preflight = Request::new("OPTIONS", target)
            .header("Origin", "https://evil.example")
            .header("Access-Control-Request-Method", "POST")
            .header("Access-Control-Request-Headers", "content-type")
            .header("Access-Control-Request-Private-Network", "true");
        let answer = host.send_to_handler(preflight).await;
        let allowed =
            answer.headers.iter().any(|(name, _)| name.to_ascii_lowercase().starts_with("access-control-"));
        assert!(!allowed, "{:?}", answer.headers);
    }
}

#[tokio::test]
async fn a_web_page_cannot_play_the_host_either() {
    let github = GitHub::start().await;
    let host = relay(Mode::Payload, &github).await;
    let payload = crate::protocol::payload_of(CLICK);

    for (name, value) in
        [("Origin", "https://evil.example"), ("Origin", "null"), ("Sec-Fetch-Site", "cross-site")]
    {
        // A page may send text/plain without asking first.
        for content_type in ["text/plain", "application/json"] {
            let request =
                Request::post("/ApproveRelease").body(content_type, payload.to_string()).header(name, value);
            let answer = host.send_to_handler(request).await;
            assert_eq!(answer.status, 403, "{name}: {value}, {content_type}: {}", answer.text());
            answer.assert_card_sentence();
        }
    }
}
