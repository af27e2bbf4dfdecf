//! A click counts with a verified performer: whose token it was is known afterwards, and the token itself to nobody.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use crate::{
    authority::{AUDIENCE, Authority, CLIENT_ID, TENANT, Version},
    functions_host::{FunctionsHost, Mode, payload_to_json},
    github::GitHub,
    http1::Request,
    protocol::payload_of,
    relay::{CLICK, new_click},
    stores::Store,
    tokens::{ACTIONS_APP, ALEX, ALEX_NAME, ALEX_UPN, Token, caller_claim, in_seconds},
};

in_every_mode! {
    the_scheme_and_the_headers_name_match_whatever_their_case
    a_header_that_stands_twice_is_none
}

in_one_mode! {
    a_good_token_counts_and_the_record_and_the_log_say_whose_it_was
    a_token_counts_in_either_header
    no_token_and_no_name_is_in_a_log_or_an_answer
    a_token_counts_within_the_leeway_of_clocks
    a_token_counts_for_either_audience
    guids_are_the_same_whatever_their_case
    a_token_of_a_person_of_many_groups_counts
    the_same_token_in_both_headers_counts
    two_tokens_are_none
    what_is_no_bearer_token_is_none
    without_a_token_nothing_counts
    the_principal_of_app_service_is_none_here
}

async fn a_good_token_counts_and_the_record_and_the_log_say_whose_it_was(mode: Mode) {
    for version in Version::BOTH {
        println!("version: {version:?}");
        let (github, authority, store) = (GitHub::start().await, Authority::start().await, Store::folder());
        github.expect_dispatches(1);
        let host = FunctionsHost::verifying(mode, &github, &authority, ALEX).store(&store).start().await;

        let token = Token::good(version, &authority).sign();
        host.click_as(&token, CLICK).await.assert_outcome(200, "dispatched");

        let record = store.read(&store.object_that_ends_in("/decision").await).await;
        let performer = json!({"object_id": ALEX, "tenant": TENANT, "display_name": ALEX_NAME});
        let json: Value = serde_json::from_str(&record).expect("JSON");
        assert_eq!(json["record"]["performer"], performer, "{record}");
        assert!(!record.contains(ALEX_UPN), "{record}");
        let line = host.stderr_line("dispatched").await;
        assert!(line.contains(&format!("by {ALEX}")), "{line}");
    }
}

async fn a_token_counts_in_either_header(mode: Mode) {
    let (github, authority) = (GitHub::start().await, Authority::start().await);
    github.expect_dispatches(8);
    let host = FunctionsHost::verifying(mode, &github, &authority, ALEX).start().await;

    for version in Version::BOTH {
        let bearer = format!("Bearer {}", Token::good(version, &authority).sign());
        for headers in [
            vec![("Authorization", bearer.as_str())],
            vec![("Action-Authorization", &bearer)],
            vec![("Authorization", ""), ("Action-Authorization", &bearer)],
            vec![("Action-Authorization", ""), ("Authorization", &bearer)],
        ] {
            println!("version {version:?}: {:?}", headers.iter().map(|(name, _)| name).collect::<Vec<_>>());
            send_with(&host, &headers).await.assert_outcome(200, "dispatched");
        }
    }
}

/// A click of its own with these headers.
async fn send_with(host: &FunctionsHost, headers: &[(&str, &str)]) -> crate::http1::Answer {
    let click = host.click_request().json(new_click());
    host.send(headers.iter().fold(click, |click, (name, value)| click.header(name, value))).await
}

async fn no_token_and_no_name_is_in_a_log_or_an_answer(mode: Mode) {
    let (github, authority) = (GitHub::start().await, Authority::start().await);
    github.expect_dispatches(1);
    // At the loudest, of our own lines and of every library's.
    let host = FunctionsHost::verifying(mode, &github, &authority, ALEX_UPN)
        .setting("RUST_LOG", "trace")
        .start()
        .await;
    let good = Token::good(Version::Two, &authority);
    let stranger =
        good.clone().claim("preferred_username", "sam@contoso.com").claim("name", "sam@contoso.com");
    let tokens = [good.sign(), stranger.sign(), good.claim("aud", "api://sam@contoso.com").sign()];

    let mut written = String::new();
    for (token, outcome) in tokens.iter().zip(["dispatched", "forbidden", "unauthenticated"]) {
        let answer = host.click_as(token, CLICK).await;
        assert_eq!(answer.json()["outcome"], outcome, "{}", answer.text());
        written += &format!("{:?} {}", answer.headers, answer.text());
        host.stderr_line(&format!("ApproveRelease: {outcome}")).await;
    }

    written += &host.written();
    let parts = tokens.iter().flat_map(|token| token.split('.').skip(1));
    for secret in parts.chain(["contoso", "Bearer"]) {
        assert!(!written.contains(secret), "{secret} in: {written}");
    }
}

async fn a_token_counts_within_the_leeway_of_clocks(mode: Mode) {
    let (github, authority) = (GitHub::start().await, Authority::start().await);
    github.expect_dispatches(4);
    let host = FunctionsHost::verifying(mode, &github, &authority, ALEX).start().await;

    for version in Version::BOTH {
        let expired = Token::good(version, &authority).claim("exp", in_seconds(-240));
        host.click_as(&expired.sign(), new_click()).await.assert_outcome(200, "dispatched");
        let early = Token::good(version, &authority).claim("nbf", in_seconds(240));
        host.click_as(&early.sign(), new_click()).await.assert_outcome(200, "dispatched");
    }
}

async fn a_token_counts_for_either_audience(mode: Mode) {
    let (github, authority) = (GitHub::start().await, Authority::start().await);
    github.expect_dispatches(4);
    let host = FunctionsHost::verifying(mode, &github, &authority, ALEX).start().await;

    for version in Version::BOTH {
        for audience in [CLIENT_ID, AUDIENCE] {
            let token = Token::good(version, &authority).claim("aud", audience).sign();
            host.click_as(&token, new_click()).await.assert_outcome(200, "dispatched");
        }
    }
}

async fn guids_are_the_same_whatever_their_case(mode: Mode) {
    let (github, authority, store) = (GitHub::start().await, Authority::start().await, Store::folder());
    github.expect_dispatches(2);
    let host = FunctionsHost::verifying(mode, &github, &authority, ALEX)
        .setting("ENTRA_TENANT_ID", &TENANT.to_uppercase())
        .setting("ENTRA_CLIENT_ID", &CLIENT_ID.to_uppercase())
        .setting("ENTRA_AUTHORITY", &format!("{}/", authority.url()))
        .store(&store)
        .start()
        .await;

    for version in Version::BOTH {
        let token = (Token::good(version, &authority))
            .claim("aud", CLIENT_ID)
            .claim("oid", ALEX.to_uppercase())
            .claim("tid", TENANT.to_uppercase())
            .claim(caller_claim(version), ACTIONS_APP.to_uppercase());
        host.click_as(&token.sign(), new_click()).await.assert_outcome(200, "dispatched");
    }

    for path in store.objects().await.iter().filter(|path| path.ends_with("/decision")) {
        assert!(store.read(path).await.contains(ALEX), "{path}");
    }
}

async fn a_token_of_a_person_of_many_groups_counts(mode: Mode) {
    let (github, authority) = (GitHub::start().await, Authority::start().await);
    github.expect_dispatches(1);
    let host = FunctionsHost::verifying(mode, &github, &authority, ALEX).start().await;

    // Entra puts at most 200 of them into a token.
    let groups: Vec<_> = (0..200).map(|group| format!("{group:08x}-1111-4222-8333-444455556666")).collect();
    let token = Token::good(Version::Two, &authority).claim("groups", groups).sign();

    assert!(token.len() > 10_000, "{} bytes", token.len());
    host.click_as(&token, CLICK).await.assert_outcome(200, "dispatched");
}

async fn the_scheme_and_the_headers_name_match_whatever_their_case(mode: Mode) {
    let (github, authority) = (GitHub::start().await, Authority::start().await);
    github.expect_dispatches(5);
    let host = FunctionsHost::verifying(mode, &github, &authority, ALEX).start().await;
    let token = Token::good(Version::One, &authority).sign();

    for (name, scheme) in [
        ("authorization", "bearer"),
        ("AUTHORIZATION", "BEARER"),
        ("action-authorization", "bearer"),
        ("ACTION-AUTHORIZATION", "Bearer"),
        ("aCTION-aUTHORIZATION", "bEARER"),
    ] {
        println!("{name}: {scheme}");
        let bearer = format!("{scheme} {token}");
        send_with(&host, &[(name, &bearer)]).await.assert_outcome(200, "dispatched");
    }
}

async fn the_same_token_in_both_headers_counts(mode: Mode) {
    let (github, authority) = (GitHub::start().await, Authority::start().await);
    github.expect_dispatches(1);
    let host = FunctionsHost::verifying(mode, &github, &authority, ALEX).start().await;
    let token = Token::good(Version::Two, &authority).sign();

    let (upper, lower) = (format!("Bearer {token}"), format!("bearer {token}"));
    let headers = [("Authorization", upper.as_str()), ("Action-Authorization", lower.as_str())];
    send_with(&host, &headers).await.assert_outcome(200, "dispatched");
}

async fn two_tokens_are_none(mode: Mode) {
    let good = |authority: &Authority| format!("Bearer {}", Token::good(Version::Two, authority).sign());
    let authority = Authority::start().await;
    let (one, another) = (good(&authority), good(&authority));
    assert_none_count(
        mode,
        &authority,
        &[
            vec![("Authorization", &one), ("Action-Authorization", &another)],
            vec![("Action-Authorization", &one), ("Authorization", &another)],
            vec![("Authorization", &one), ("Action-Authorization", "Bearer x")],
            vec![("Authorization", "Bearer x"), ("Action-Authorization", &one)],
            vec![("Authorization", "Basic b2N0bzphcHA="), ("Action-Authorization", &one)],
            vec![("Authorization", &one), ("Action-Authorization", "Basic b2N0bzphcHA=")],
        ],
    )
    .await;
}

async fn a_header_that_stands_twice_is_none(mode: Mode) {
    let authority = Authority::start().await;
    let one = format!("Bearer {}", Token::good(Version::Two, &authority).sign());
    // As an HTTP client joins them.
    let (joined, joined_with_nothing) = (format!("{one}, {one}"), format!(", {one}"));
    assert_none_count(
        mode,
        &authority,
        &[
            vec![("Authorization", &one), ("Authorization", &one)],
            vec![("Authorization", &one), ("authorization", &one)],
            vec![("Authorization", &one), ("AUTHORIZATION", "")],
            vec![("Authorization", ""), ("Authorization", &one)],
            vec![("Authorization", ""), ("Authorization", ""), ("Action-Authorization", &one)],
            vec![("Action-Authorization", &one), ("Action-Authorization", &one)],
            vec![("Action-Authorization", &one), ("action-authorization", "")],
            vec![("Action-Authorization", ""), ("Action-Authorization", ""), ("Authorization", &one)],
            vec![("Authorization", &joined)],
            vec![("Action-Authorization", &joined)],
            vec![("Authorization", &joined_with_nothing)],
        ],
    )
    .await;
}

async fn what_is_no_bearer_token_is_none(mode: Mode) {
    let authority = Authority::start().await;
    let token = Token::good(Version::Two, &authority).sign();
    let others = [
        "Basic b2N0bzphcHA=".to_owned(),
        token.clone(),
        "Bearer".to_owned(),
        "Bearer ".to_owned(),
        format!("Bearer{token}"),
        format!("Bearer,{token}"),
        format!("Bearer: {token}"),
        format!("Bearer\t{token}"),
        format!("Token {token}"),
        format!("JWT {token}"),
        format!("PoP {token}"),
        format!("Bearer token={token}"),
        format!("Bearer realm=\"x\", {token}"),
    ];
    let either = |value| [vec![("Authorization", value)], vec![("Action-Authorization", value)]];
    let headers: Vec<_> = others.iter().flat_map(|value| either(value.as_str())).collect();
    assert_none_count(mode, &authority, &headers).await;
}

/// Clicks with each set of headers, where anybody would be an approver.
async fn assert_none_count(mode: Mode, authority: &Authority, cases: &[Vec<(&str, &str)>]) {
    let (github, store) = (GitHub::start().await, Store::folder());
    for required in ["true", "false"] {
        let host = FunctionsHost::verifying(mode, &github, authority, "*")
            .setting("REQUIRE_IDENTITY", required)
            .store(&store)
            .start()
            .await;
        for headers in cases {
            println!("identity required: {required}, {headers:?}");
            send_with(&host, headers).await.assert_outcome(401, "unauthenticated");
        }
        host.stderr_line("the credentials fail the check of Headers").await;
    }
    assert_eq!(store.objects().await, [""; 0], "nothing is recorded");
}

// T20
async fn without_a_token_nothing_counts(mode: Mode) {
    let (github, authority, store) = (GitHub::start().await, Authority::start().await, Store::folder());
    let host = FunctionsHost::verifying(mode, &github, &authority, "*").store(&store).start().await;
    let bad = host.click_as("x.y.z", CLICK).await.assert_outcome(401, "unauthenticated");

    for headers in [
        vec![],
        vec![("Authorization", "")],
        vec![("Authorization", ""), ("Action-Authorization", "")],
        vec![("Authorization", "  ")],
        vec![("Proxy-Authorization", "Bearer x.y.z"), ("X-Authorization", "Bearer x.y.z")],
    ] {
        println!("{headers:?}");
        let sentence = send_with(&host, &headers).await.assert_outcome(401, "unauthenticated");
        assert_eq!(sentence, bad, "a bad token is told no more than none");
    }

    host.stderr_line("no credentials").await;
    assert_eq!(store.objects().await, [""; 0], "nothing is recorded");
}

// T23
async fn the_principal_of_app_service_is_none_here(mode: Mode) {
    let (github, authority, store) = (GitHub::start().await, Authority::start().await, Store::folder());
    let principal = json!({"auth_typ": "aad", "name_typ": "name", "role_typ": "roles", "claims": [
        {"typ": "http://schemas.microsoft.com/identity/claims/objectidentifier", "val": ALEX},
        {"typ": "http://schemas.microsoft.com/identity/claims/tenantid", "val": TENANT},
        {"typ": "preferred_username", "val": ALEX_UPN},
    ]});
    let principal = STANDARD.encode(principal.to_string());

    for authentication in ["True", "False"] {
        let host = FunctionsHost::verifying(mode, &github, &authority, "*")
            .setting("WEBSITE_AUTH_ENABLED", authentication)
            .store(&store)
            .start()
            .await;
        let headers = [
            ("X-MS-CLIENT-PRINCIPAL", principal.as_str()),
            ("X-MS-CLIENT-PRINCIPAL-ID", ALEX),
            ("X-MS-CLIENT-PRINCIPAL-NAME", ALEX_UPN),
            ("X-MS-CLIENT-PRINCIPAL-IDP", "aad"),
        ];
        send_with(&host, &headers).await.assert_outcome(401, "unauthenticated");
    }

    assert_eq!(store.objects().await, [""; 0], "nothing is recorded");
}

/// Header names of a payload are the keys of an object, where one name can stand in two spellings.
#[tokio::test]
async fn header_names_of_a_payload_are_merged_whatever_their_case() {
    let (github, authority) = (GitHub::start().await, Authority::start().await);
    github.expect_dispatches(3);
    let host = FunctionsHost::verifying(Mode::Payload, &github, &authority, ALEX).start().await;
    let bearer = || format!("Bearer {}", Token::good(Version::Two, &authority).sign());
    let (one, another) = (bearer(), bearer());

    for (headers, status) in [
        (json!({"authorization": [one]}), "200"),
        (json!({"ACTION-AUTHORIZATION": one}), "200"),
        (json!({"Authorization": [], "Action-Authorization": [one]}), "200"),
        (json!({"Authorization": [one], "authorization": [one]}), "401"),
        (json!({"Authorization": [one], "AUTHORIZATION": [another]}), "401"),
        (json!({"Authorization": [one, one]}), "401"),
        (json!({"Authorization": [one, ""]}), "401"),
        (json!({"Action-Authorization": [another], "action-authorization": [one]}), "401"),
        (json!({"Authorization ": [one]}), "401"),
    ] {
        let mut payload = payload_of(&new_click());
        payload["Data"]["req"]["Headers"] = headers.clone();
        let request = Request::post("/ApproveRelease").json(payload_to_json(&payload)).chunked();
        let answer = host.send_to_handler(request).await;
        assert_eq!(answer.json()["Outputs"]["res"]["statusCode"], status, "{headers}: {}", answer.text());
    }
}
