//! The clicks that count: the approvers' and nobody else's, in the order that outcomes have.

use serde_json::{Value, json};

use crate::{
    authority::{Authority, Version},
    functions_host::{FunctionsHost, Mode},
    github::GitHub,
    http1::Answer,
    relay::{CLICK, new_click},
    stores::Store,
    tokens::{ALEX, ALEX_NAME, ALEX_UPN, Token, name_claim},
};

in_one_mode! {
    approvers_are_known_by_object_id_or_user_principal_name
    who_is_not_an_approver_is_forbidden_and_nothing_is_recorded
    without_approvers_nobody_is_one
    no_other_name_makes_an_approver
    the_first_reason_in_the_order_of_the_table_is_the_answer
    where_identity_is_not_required_a_click_without_credentials_is_anonymous
    where_identity_is_not_required_credentials_are_verified_all_the_same
    where_a_token_is_required_a_browsers_headers_do_not_matter
}

async fn approvers_are_known_by_object_id_or_user_principal_name(mode: Mode) {
    let (github, authority) = (GitHub::start().await, Authority::start().await);
    let lists = [
        ALEX.to_owned(),
        ALEX.to_uppercase(),
        ALEX_UPN.to_owned(),
        ALEX_UPN.to_uppercase(),
        format!("sam@contoso.com, {ALEX_UPN} ,"),
        format!("eeeeeeee-1111-4222-8333-444455556666,{ALEX}"),
        "*".to_owned(),
    ];
    github.expect_dispatches(2 * 2 * lists.len());

    for list in lists {
        println!("APPROVERS: {list}");
        let host = FunctionsHost::verifying(mode, &github, &authority, &list).start().await;
        for version in Version::BOTH {
            let alex = Token::good(version, &authority);
            host.click_as(&alex.sign(), new_click()).await.assert_outcome(200, "dispatched");
            let capital = alex.claim(name_claim(version), ALEX_UPN.replace("alex", "Alex")).sign();
            host.click_as(&capital, new_click()).await.assert_outcome(200, "dispatched");
        }
    }
}

// T20
async fn who_is_not_an_approver_is_forbidden_and_nothing_is_recorded(mode: Mode) {
    let (github, authority) = (GitHub::start().await, Authority::start().await);
    let lists = [
        "eeeeeeee-1111-4222-8333-444455556666",
        "sam@contoso.com",
        "alex@contoso.co",
        "alex@contoso.com.evil.example",
        "xalex@contoso.com",
        "alex@fabrikam.com",
    ];

    for list in lists {
        println!("APPROVERS: {list}");
        for version in Version::BOTH {
            assert_forbidden(mode, &github, &authority, list, &Token::good(version, &authority)).await;
        }
    }
}

/// Asserts that a click with a good token is forbidden, and that only the log says whose it was.
async fn assert_forbidden(mode: Mode, github: &GitHub, authority: &Authority, list: &str, token: &Token) {
    let store = Store::folder();
    let host = FunctionsHost::verifying(mode, github, authority, list).store(&store).start().await;

    let sentence = host.click_as(&token.sign(), CLICK).await.assert_outcome(403, "forbidden");

    assert!(sentence.contains("APPROVERS") && !sentence.contains(ALEX), "{sentence}");
    let line = host.stderr_line("forbidden").await;
    assert!(line.contains(&format!("by {ALEX}")), "{line}");
    assert_eq!(store.objects().await, [""; 0], "nothing is recorded");
}

async fn without_approvers_nobody_is_one(mode: Mode) {
    let (github, authority) = (GitHub::start().await, Authority::start().await);
    for list in ["", " , ,"] {
        assert_forbidden(mode, &github, &authority, list, &Token::good(Version::Two, &authority)).await;
    }
}

// T12
async fn no_other_name_makes_an_approver(mode: Mode) {
    let (github, authority) = (GitHub::start().await, Authority::start().await);
    for version in Version::BOTH {
        let name = name_claim(version);
        let nameless = Token::good(version, &authority).without(name).without("unique_name");
        assert_forbidden(mode, &github, &authority, ALEX_UPN, &nameless).await;
        // Names that people, administrators of other tenants and other protocols give to somebody.
        for claim in ["name", "unique_name", "email", "sub", "given_name", "winaccountname"] {
            println!("version {version:?}: {claim}");
            let named = nameless.clone().claim(claim, ALEX_UPN);
            assert_forbidden(mode, &github, &authority, ALEX_UPN, &named).await;
            let named = named.claim(name, "sam@contoso.com");
            assert_forbidden(mode, &github, &authority, ALEX_UPN, &named).await;
        }
        // An approver's object id counts in no other claim.
        let named = nameless.claim("sub", "eeeeeeee-1111-4222-8333-444455556666");
        assert_forbidden(mode, &github, &authority, "eeeeeeee-1111-4222-8333-444455556666", &named).await;
    }
}

async fn the_first_reason_in_the_order_of_the_table_is_the_answer(mode: Mode) {
    let (github, authority, store) = (GitHub::start().await, Authority::start().await, Store::folder());
    let host = FunctionsHost::verifying(mode, &github, &authority, "sam@contoso.com")
        .without("GITHUB_TOKEN")
        .store(&store)
        .start()
        .await;
    let (good, bad) = (Token::good(Version::Two, &authority).sign(), "x.y.z");
    let elsewhere = async |token: &str, body: String| -> Answer {
        let click = host.click_with_query("&repository=other/app").json(body);
        host.send(click.header("Authorization", &format!("Bearer {token}"))).await
    };
    let another_event = CLICK.replace("release-approved", "deploy");
    let vote = r#"{"approval":"1","verdict":"approve"}"#;

    elsewhere(bad, "x".repeat(64_001)).await.assert_outcome(413, "too-large");
    host.click("x".repeat(64_001)).await.assert_outcome(413, "too-large");
    elsewhere(bad, "x".to_owned()).await.assert_outcome(401, "unauthenticated");
    host.click("x").await.assert_outcome(401, "unauthenticated");
    elsewhere(good.as_str(), "x".to_owned()).await.assert_outcome(400, "invalid");
    let sentence = elsewhere(good.as_str(), CLICK.to_owned()).await.assert_outcome(403, "forbidden");
    assert!(sentence.contains("ALLOWED_REPOSITORIES"), "{sentence}");
    let sentence = host.click_as(&good, another_event).await.assert_outcome(403, "forbidden");
    assert!(sentence.contains("RELAY_EVENT_TYPES"), "{sentence}");
    host.click_as(bad, vote).await.assert_outcome(401, "unauthenticated");
    host.click_as(&good, vote).await.assert_outcome(404, "unknown");
    let sentence = host.click_as(&good, CLICK).await.assert_outcome(403, "forbidden");
    assert!(sentence.contains("APPROVERS"), "{sentence}");

    assert_eq!(store.objects().await, [""; 0], "nothing is recorded");
}

async fn where_identity_is_not_required_a_click_without_credentials_is_anonymous(mode: Mode) {
    for list in ["", "sam@contoso.com"] {
        let (github, authority, store) = (GitHub::start().await, Authority::start().await, Store::folder());
        github.expect_dispatches(1);
        let host = FunctionsHost::verifying(mode, &github, &authority, list)
            .setting("REQUIRE_IDENTITY", "false")
            .store(&store)
            .start()
            .await;

        let blank = host.click_request().json(CLICK).header("Authorization", "");
        host.send(blank.header("Action-Authorization", "")).await.assert_outcome(200, "dispatched");

        let record = store.read(&store.object_that_ends_in("/decision").await).await;
        let record: Value = serde_json::from_str(&record).expect("JSON");
        assert_eq!(record["record"]["performer"], Value::Null);
        let line = host.stderr_line("dispatched").await;
        assert!(line.contains("by anonymous"), "{line}");
    }
}

async fn where_identity_is_not_required_credentials_are_verified_all_the_same(mode: Mode) {
    let (github, authority, store) = (GitHub::start().await, Authority::start().await, Store::folder());
    let host = FunctionsHost::verifying(mode, &github, &authority, ALEX)
        .setting("REQUIRE_IDENTITY", "false")
        .store(&store)
        .start()
        .await;
    let alex = Token::good(Version::One, &authority);

    let expired = alex.clone().claim("exp", 1).sign();
    host.click_as(&expired, CLICK).await.assert_outcome(401, "unauthenticated");
    let sam = alex.clone().claim("oid", "eeeeeeee-1111-4222-8333-444455556666").sign();
    host.click_as(&sam, CLICK).await.assert_outcome(403, "forbidden");
    assert_eq!(store.objects().await, [""; 0], "nothing is recorded");

    github.expect_dispatches(1);
    host.click_as(&alex.sign(), CLICK).await.assert_outcome(200, "dispatched");
    let record = store.read(&store.object_that_ends_in("/decision").await).await;
    assert!(record.contains(&json!(ALEX).to_string()) && record.contains(ALEX_NAME), "{record}");
}

async fn where_a_token_is_required_a_browsers_headers_do_not_matter(mode: Mode) {
    let (github, authority) = (GitHub::start().await, Authority::start().await);
    github.expect_dispatches(3);
    let host = FunctionsHost::verifying(mode, &github, &authority, ALEX).start().await;
    let good = Token::good(Version::Two, &authority).sign();

    for (name, value) in
        [("Origin", "https://outlook.office.com"), ("Origin", "null"), ("Sec-Fetch-Site", "cross-site")]
    {
        println!("{name}: {value}");
        let click = || host.click_request().json(new_click()).header(name, value);
        let with = |token: &str| click().header("Authorization", &format!("Bearer {token}"));
        host.send(with(&good)).await.assert_outcome(200, "dispatched");
        host.send(with("x.y.z")).await.assert_outcome(401, "unauthenticated");
        host.send(click()).await.assert_outcome(401, "unauthenticated");
    }
}
