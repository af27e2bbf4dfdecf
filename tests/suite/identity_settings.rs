//! The settings of identity: what is unusable or missing is named, at start and by the click that needs it.

use crate::{
    authority::{AUDIENCE, Authority, CLIENT_ID, TENANT, Version},
    functions_host::{Builder, FunctionsHost, Mode},
    github::GitHub,
    relay::{CLICK, new_click},
    stores::Store,
    tokens::{ALEX, Token},
};

in_one_mode! {
    without_its_settings_no_token_counts_and_the_log_names_them
}

const ENTRA: [&str; 4] = ["ENTRA_AUTHORITY", "ENTRA_TENANT_ID", "ENTRA_CLIENT_ID", "ENTRA_AUDIENCE"];

async fn without_its_settings_no_token_counts_and_the_log_names_them(mode: Mode) {
    let (github, authority, store) = (GitHub::start().await, Authority::start().await, Store::folder());
    let token = Token::good(Version::Two, &authority).sign();
    for (taken, named) in [
        (vec!["ENTRA_TENANT_ID"], vec!["ENTRA_TENANT_ID"]),
        (vec!["ENTRA_CLIENT_ID", "ENTRA_AUDIENCE"], vec!["ENTRA_CLIENT_ID", "ENTRA_AUDIENCE"]),
        (ENTRA.to_vec(), ENTRA[1..].to_vec()),
    ] {
        for required in ["true", "false"] {
            println!("without {taken:?}, identity required: {required}");
            let builder = FunctionsHost::verifying(mode, &github, &authority, "*").store(&store);
            let builder = builder.setting("REQUIRE_IDENTITY", required);
            let host = taken.iter().fold(builder, |builder, name| builder.without(name)).start().await;

            host.click_as(&token, CLICK).await.assert_outcome(401, "unauthenticated");

            let line = host.stderr_line("ApproveRelease: unauthenticated").await;
            assert!(named.iter().all(|name| line.contains(name)), "{named:?} in: {line}");
        }
    }
    assert_eq!(store.objects().await, [""; 0], "nothing is recorded");
    assert_eq!(authority.requests(), 0, "nobody is asked for keys");
}

#[tokio::test]
async fn one_audience_is_enough() {
    let (github, authority) = (GitHub::start().await, Authority::start().await);
    github.expect_dispatches(2);
    for (name, left, audience) in
        [("ENTRA_AUDIENCE", "ENTRA_CLIENT_ID", CLIENT_ID), ("ENTRA_CLIENT_ID", "ENTRA_AUDIENCE", AUDIENCE)]
    {
        println!("with {left} alone");
        let builder = FunctionsHost::verifying(Mode::Payload, &github, &authority, ALEX);
        let host = builder.without(name).start().await;
        for version in Version::BOTH {
            let token = Token::good(version, &authority).claim("aud", audience).sign();
            let other = if audience == CLIENT_ID { AUDIENCE } else { CLIENT_ID };
            let for_other = Token::good(version, &authority).claim("aud", other).sign();
            host.click_as(&for_other, CLICK).await.assert_outcome(401, "unauthenticated");
            if version == Version::Two {
                host.click_as(&token, new_click()).await.assert_outcome(200, "dispatched");
            }
        }
    }
}

/// The text on stderr before the first click, of a host that is ready.
async fn said_at_start(builder: Builder) -> String {
    let host = builder.start().await;
    host.click("x").await;
    host.stderr_line("ApproveRelease: ").await;
    let written = host.stderr();
    written.lines().take_while(|line| !line.contains("ApproveRelease: ")).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn a_deployment_that_can_accept_no_click_says_so_at_start() {
    let (github, authority) = (GitHub::start().await, Authority::start().await);
    let verifying = || FunctionsHost::verifying(Mode::Payload, &github, &authority, ALEX);
    let nothing = ENTRA.iter().fold(verifying().without("APPROVERS"), |builder, name| builder.without(name));
    for (builder, named) in [
        (nothing, vec!["ENTRA_TENANT_ID", "ENTRA_CLIENT_ID", "ENTRA_AUDIENCE", "APPROVERS"]),
        (verifying().without("APPROVERS"), vec!["APPROVERS"]),
        (verifying().setting("APPROVERS", " , "), vec!["APPROVERS"]),
        (verifying().without("ENTRA_TENANT_ID"), vec!["ENTRA_TENANT_ID"]),
        (
            verifying().without("ENTRA_CLIENT_ID").without("ENTRA_AUDIENCE"),
            vec!["ENTRA_CLIENT_ID", "ENTRA_AUDIENCE"],
        ),
    ] {
        let said = said_at_start(builder).await;
        let lines: Vec<_> = said.lines().filter(|line| line.contains("no click can be accepted")).collect();
        let [line] = lines[..] else { panic!("one line for {named:?}: {said}") };
        assert!(named.iter().all(|name| line.contains(name)), "{named:?} in: {line}");
        let others = ["ENTRA_TENANT_ID", "ENTRA_CLIENT_ID", "APPROVERS"];
        let others = others.iter().filter(|name| !named.contains(name));
        assert!(others.into_iter().all(|name| !line.contains(name)), "only {named:?} in: {line}");
    }
}

#[tokio::test]
async fn a_deployment_that_can_accept_clicks_says_nothing_at_start() {
    let (github, authority) = (GitHub::start().await, Authority::start().await);
    for approvers in [ALEX, "*"] {
        let builder = FunctionsHost::verifying(Mode::Payload, &github, &authority, approvers);
        let said = said_at_start(builder.store(&Store::folder())).await;
        assert!(!said.contains("accepted") && !said.contains("REQUIRE_IDENTITY"), "{said}");
    }
}

#[tokio::test]
async fn that_identity_is_not_required_is_said_at_start() {
    let (github, authority) = (GitHub::start().await, Authority::start().await);
    let verifying = FunctionsHost::verifying(Mode::Payload, &github, &authority, ALEX);
    for builder in [
        verifying.setting("REQUIRE_IDENTITY", "false"),
        FunctionsHost::relay(Mode::Payload, &github).setting("REQUIRE_IDENTITY", "False"),
    ] {
        let said = said_at_start(builder).await;
        assert_eq!(said.matches("REQUIRE_IDENTITY is false").count(), 1, "{said}");
        assert!(!said.contains("no click can be accepted"), "{said}");
    }
}

#[tokio::test]
async fn unusable_settings_are_named_together_and_no_value_is_repeated() {
    let unusable = [
        ("ENTRA_AUTHORITY", "http://hunter2.example"),
        ("ENTRA_TENANT_ID", "hunter2.onmicrosoft.com"),
        ("ENTRA_CLIENT_ID", "hunter2"),
        ("ENTRA_AUDIENCE", "hunter2"),
        ("APPROVERS", "alex@contoso.com,Hunter2 Wilber"),
        ("REQUIRE_IDENTITY", "hunter2"),
    ];
    let builder = FunctionsHost::builder(Mode::Payload);
    let builder = unusable.iter().fold(builder, |builder, (name, value)| builder.setting(name, value));

    let (status, output) = builder.run_to_exit().await;

    assert!(!status.success(), "{output}");
    for (name, _) in unusable {
        assert!(output.contains(name), "{name} in: {output}");
    }
    assert!(!output.to_lowercase().contains("hunter2") && !output.contains("contoso"), "{output}");
}

#[tokio::test]
async fn each_unusable_setting_stops_the_start() {
    for (name, value) in [
        ("ENTRA_AUTHORITY", "login.microsoftonline.com"),
        ("ENTRA_AUTHORITY", "http://login.microsoftonline.com"),
        ("ENTRA_AUTHORITY", "https://user@login.microsoftonline.com"),
        ("ENTRA_AUTHORITY", "https://login.microsoftonline.com/?p=1"),
        ("ENTRA_AUTHORITY", "file:///etc"),
        ("ENTRA_TENANT_ID", "common"),
        ("ENTRA_TENANT_ID", "organizations"),
        ("ENTRA_TENANT_ID", "contoso.com"),
        ("ENTRA_TENANT_ID", &TENANT[1..]),
        ("ENTRA_CLIENT_ID", AUDIENCE),
        ("ENTRA_AUDIENCE", "auth-am"),
        ("APPROVERS", "Alex Wilber"),
        ("APPROVERS", "alex"),
        ("APPROVERS", "@contoso.com"),
        ("APPROVERS", "alex@"),
        ("APPROVERS", "*,alex@contoso.com"),
        ("APPROVERS", "alex@contoso.com sam@contoso.com"),
    ] {
        assert_stops_the_start(name, value).await;
    }
}

#[tokio::test]
async fn a_name_that_nobody_can_have_stops_the_start() {
    for name in
        ["alex@contoso.com;sam@contoso.com", "*@contoso.com", "alex@@contoso.com", "<alex@contoso.com>"]
    {
        assert_stops_the_start("APPROVERS", name).await;
    }
}

async fn assert_stops_the_start(name: &str, value: &str) {
    println!("{name}={value}");
    let (status, output) = FunctionsHost::builder(Mode::Payload).setting(name, value).run_to_exit().await;
    assert!(!status.success() && output.contains(name), "{output}");
    assert!(!output.contains(value), "the value is repeated: {output}");
}
