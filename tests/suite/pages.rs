//! The page and the list: who sees them, what they say, and that only a button of ours decides.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use crate::{
    actions::PUBLIC_URL,
    authority::TENANT,
    deployment::{ASKED, Someone, Surroundings, page_of, text},
    functions_host::{FunctionsHost, Mode},
    http1::{Answer, Request},
    relay::CLICK,
    stores::Store,
    tokens::{ALEX, ALEX_NAME, ALEX_UPN, Token},
};

in_one_mode! {
    the_page_shows_what_is_asked_and_takes_a_vote
    every_page_is_sealed_off
    the_not_signed_in_are_sent_to_sign_in
    principals_that_are_not_ours_see_nothing
    applications_are_not_people
    who_is_no_approver_sees_nothing
    who_is_no_approver_of_the_request_sees_it_and_cannot_decide
    no_get_ever_decides
    a_form_that_is_not_ours_decides_nothing
    the_fields_of_the_form_are_read_strictly
    hostile_words_are_only_words
    programs_get_the_same_as_json
    the_list_shows_what_waits_and_what_was_decided
    unknown_pages_say_so
}

async fn the_page_shows_what_is_asked_and_takes_a_vote(mode: Mode) {
    let (around, host) = Surroundings::with_host(mode).await;
    around.github.expect_dispatches(1);
    let body = r#"{"event_type":"go-live","title":"Release 1.4.2","facts":{"Environment":"production"}}"#;
    let id = around.ask_for_id(&host, body).await;
    let alex = Someone::alex();

    let page = host.send(alex.get(&page_of(&id))).await.assert_page(200);
    for words in ["Release 1.4.2", "Environment", "production", "octo/app", "octocat", "go-live", "verdict"] {
        assert!(page.contains(words), "{words} in {page}");
    }
    let voted = host.send(alex.press(&id, "approve", "Looks good.")).await;
    let sentence = voted.assert_card_sentence();
    assert!(sentence.contains("accepted"), "{sentence}");
    let page = voted.assert_page(200);
    for words in [sentence.as_str(), "Approved", ALEX_NAME, "Looks good."] {
        assert!(page.contains(words), "{words} in {page}");
    }
    let later = host.send(alex.get(&page_of(&id))).await.assert_page(200);
    assert!(!later.contains("name=\"verdict\""), "{later}");
    let line = host.stderr_line("Approvals: dispatched").await;
    assert!(line.contains(&format!("by {ALEX}")) && !line.contains(ALEX_NAME), "{line}");
}

impl Answer {
    /// Asserts what is true of every page, and gives it.
    #[track_caller]
    fn assert_page(&self, status: u16) -> String {
        let text = self.text();
        assert_eq!(self.status, status, "{text}");
        assert_eq!(self.header("Content-Type"), Some("text/html; charset=utf-8"));
        assert_eq!(self.header("Cache-Control"), Some("no-store"));
        assert_eq!(self.header("Referrer-Policy"), Some("same-origin"));
        assert_eq!(self.header("X-Content-Type-Options"), Some("nosniff"));
        let policy = self.header("Content-Security-Policy").expect("a policy");
        assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
        let rest = "'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
        assert!(policy.ends_with(rest) && policy.matches(';').count() == 5, "{policy}");
        // Our mark holds itself.
        let sealed = text.replace("<link rel=\"icon\" href=\"data:image/svg+xml;base64,", "");
        let sealed = sealed.replace("<img src=\"data:image/svg+xml;base64,", "");
        for outside in ["<script", "javascript:", "<img", "<iframe", "<link", "@import", "url("] {
            assert!(!sealed.contains(outside), "{outside} in {text}");
        }
        text
    }
}

// T11, T14
async fn every_page_is_sealed_off(mode: Mode) {
    let (around, host) = Surroundings::with_host(mode).await;
    let id = around.ask_for_id(&host, ASKED).await;
    let (alex, post) = (Someone::alex(), Request::post(&page_of(&id)));

    host.send(alex.get("/api/approvals")).await.assert_page(200);
    host.send(alex.get(&page_of("nothing"))).await.assert_page(404);
    host.send(alex.press(&id, "maybe", "")).await.assert_page(400);
    host.send(alex.browse(post.clone()).form("verdict=approve")).await.assert_page(403);
    host.send(Request::get(&page_of(&id))).await.assert_page(302);
    host.send(post.form("verdict=approve").header("Origin", PUBLIC_URL)).await.assert_page(401);
    host.send(alex.browse(Request::post("/api/approvals")).form("verdict=approve")).await.assert_page(405);
}

async fn the_not_signed_in_are_sent_to_sign_in(mode: Mode) {
    let (around, host) = Surroundings::with_host(mode).await;
    let id = around.ask_for_id(&host, ASKED).await;

    let location =
        |answer: &Answer| (answer.status, answer.header("Location").unwrap_or_default().to_owned());
    let there = format!("/.auth/login/aad?post_login_redirect_uri=%2Fapi%2Fapprovals%2F{id}");
    assert_eq!(location(&host.send(Request::get(&page_of(&id))).await), (302, there));
    for target in ["/api/approvals", "/api/approvals/x%22%0d%0ay", "/api/approvals/%2f%2fevil.example"] {
        let list = "/.auth/login/aad?post_login_redirect_uri=%2Fapi%2Fapprovals".to_owned();
        assert_eq!(location(&host.send(Request::get(target)).await), (302, list), "{target}");
    }
    let json = Request::get("/api/approvals?format=json");
    host.send(json).await.assert_outcome(401, "unauthenticated");
}

// T17
async fn principals_that_are_not_ours_see_nothing(mode: Mode) {
    let (around, host) = Surroundings::with_host(mode).await;
    let off = around.host(mode).without("WEBSITE_AUTH_ENABLED").start().await;
    let id = around.ask_for_id(&host, ASKED).await;
    let principal = |typ: &str, tenant: &str| {
        let claims = json!([{"typ": "oid", "val": ALEX}, {"typ": "tid", "val": tenant}]);
        STANDARD.encode(json!({"auth_typ": typ, "claims": claims}).to_string())
    };

    for bad in [principal("github", TENANT), principal("aad", ALEX), "x".to_owned(), String::new()] {
        let request = || Request::get(&page_of(&id)).header("X-MS-CLIENT-PRINCIPAL", &bad);
        assert_eq!(host.send(request()).await.status, 403, "{bad}");
        let vote =
            Request::post(&page_of(&id)).form("verdict=approve").header("Sec-Fetch-Site", "same-origin");
        assert_eq!(host.send(vote.header("X-MS-CLIENT-PRINCIPAL", &bad)).await.status, 403, "{bad}");
    }
    // The header is anybody's word while the platform does not take it out.
    let alex = Someone::alex();
    assert_eq!(off.send(alex.get(&page_of(&id))).await.status, 302);
    assert_eq!(off.send(alex.press(&id, "approve", "")).await.status, 401);
    off.stderr_line("WEBSITE_AUTH_ENABLED").await;
    assert_eq!(around.status(&host, &id).await["status"], "pending");
}

// T16
async fn applications_are_not_people(mode: Mode) {
    let (around, host) = Surroundings::with_host(mode).await;
    let body = json!({"event_type": "go-live", "approvals_required": 3}).to_string();
    let id = around.ask_for_id(&host, &body).await;
    let principal = |number: u32, more: &[(&str, &str)]| {
        let own = [("oid", format!("{number:08x}-2222-4222-8333-444455556666")), ("tid", TENANT.to_owned())];
        let own = own.iter().map(|(typ, val)| (*typ, val.as_str())).chain(more.iter().copied());
        let claims: Vec<_> = own.map(|(typ, val)| json!({"typ": typ, "val": val})).collect();
        STANDARD.encode(json!({"auth_typ": "aad", "claims": claims}).to_string())
    };

    for application in [
        principal(1, &[("idtyp", "app"), ("roles", "Everything")]),
        principal(2, &[("name", "Robot"), ("azpacr", "2")]),
        principal(3, &[("preferred_username", "robot@contoso.com"), ("idtyp", "app")]),
    ] {
        let look = Request::get(&page_of(&id)).header("X-MS-CLIENT-PRINCIPAL", &application);
        assert_eq!(host.send(look).await.status, 403);
        let vote =
            Request::post(&page_of(&id)).form("verdict=approve").header("Sec-Fetch-Site", "same-origin");
        assert_eq!(host.send(vote.header("X-MS-CLIENT-PRINCIPAL", &application)).await.status, 403);
    }

    host.stderr_line("the check of Application").await;
    let seen = around.status(&host, &id).await;
    assert_eq!((&seen["status"], &seen["performers"]), (&json!("pending"), &json!([])));
    let alex = principal(4, &[("scp", "user_impersonation")]);
    let look = Request::get(&page_of(&id)).header("X-MS-CLIENT-PRINCIPAL", &alex);
    assert_eq!(host.send(look).await.status, 200);
}

// T17
#[tokio::test]
async fn the_operator_can_say_that_people_sign_in_where_the_host_does_not_say_it() {
    let around = Surroundings::start().await;
    let flex = || around.host(Mode::Payload).without("WEBSITE_AUTH_ENABLED");
    let alex = Someone::alex();

    let told = flex().setting("SIGN_IN", "platform").start().await;
    told.send(alex.get("/api/approvals")).await.assert_page(200);
    told.send(Request::get("/api/approvals")).await.assert_page(302);
    // The platform's word counts if it says that nobody signs in there: the header may be anybody's.
    let off = flex().setting("SIGN_IN", "platform").setting("WEBSITE_AUTH_ENABLED", "False").start().await;
    off.send(alex.get("/api/approvals")).await.assert_page(302);
    off.stderr_line("SIGN_IN is platform, but WEBSITE_AUTH_ENABLED says").await;

    let (status, output) = flex().setting("SIGN_IN", "yes").run_to_exit().await;
    assert!(!status.success() && output.contains("SIGN_IN must be platform"), "{output}");
}

async fn who_is_no_approver_sees_nothing(mode: Mode) {
    let around = Surroundings::start().await;
    let host = around.host(mode).setting("APPROVERS", ALEX_UPN).start().await;
    let id = around.ask_for_id(&host, ASKED).await;
    let stranger = Someone::number(1);

    for request in
        [stranger.get("/api/approvals"), stranger.get(&page_of(&id)), stranger.press(&id, "approve", "")]
    {
        let page = host.send(request).await.assert_page(403);
        assert!(!page.contains("octo/app"), "{page}");
        // The list would say the same; another account may be an approver.
        assert!(page.contains("Signed in as") && page.contains(r#"href="/.auth/logout""#), "{page}");
        assert!(!page.contains("All approvals"), "{page}");
    }
    let json = stranger.browse(Request::get("/api/approvals?format=json"));
    host.send(json).await.assert_outcome(403, "forbidden");
}

async fn who_is_no_approver_of_the_request_sees_it_and_cannot_decide(mode: Mode) {
    let around = Surroundings::start().await;
    let sam = Someone::number(1);
    let host = around.host(mode).setting("APPROVERS", &format!("{ALEX_UPN},{}", sam.upn)).start().await;
    let body = json!({"event_type": "go-live", "approvers": [ALEX_UPN]}).to_string();
    let id = around.ask_for_id(&host, &body).await;

    let page = host.send(sam.get(&page_of(&id))).await.assert_page(200);
    assert!(page.contains("octo/app") && !page.contains("name=\"verdict\""), "{page}");
    let page = host.send(sam.press(&id, "approve", "")).await.assert_page(403);
    assert!(page.contains("APPROVERS") || page.contains("approver"), "{page}");
    assert_eq!(around.status(&host, &id).await["status"], "pending");
}

// T13
async fn no_get_ever_decides(mode: Mode) {
    let (around, store) = (Surroundings::start().await, Store::folder());
    let host = around.host(mode).store(&store).start().await;
    let asked = around.ask(&host, ASKED).await;
    let id = text(&asked["id"]);
    let before = store.objects_with_changes().await;

    // The addresses that a scanner finds: all in the card and on the page, and what it may add to them.
    let page = host.send(Someone::alex().get(&page_of(&id))).await.text();
    let found = page.split('"').filter(|text| text.starts_with('/')).map(str::to_owned);
    let from_card = asked["card"].to_string();
    let in_card = from_card.split('"').filter_map(|text| text.strip_prefix(PUBLIC_URL)).map(str::to_owned);
    let guessed = [
        format!("{}?verdict=approve", page_of(&id)),
        format!("{}?verdict=approve&comment=x&_method=POST", page_of(&id)),
        format!("/api/RequestApproval/{id}?verdict=approve"),
        format!("/api/ApproveRelease?code={}&approval={id}&verdict=approve", host.key()),
    ];
    for target in found.chain(in_card).chain(guessed).collect::<std::collections::BTreeSet<_>>() {
        for request in [Request::get(&target), Someone::alex().get(&target), Request::new("HEAD", &target)] {
            let _ = request.header("X-HTTP-Method-Override", "POST").send(host.port()).await;
        }
    }
    assert_eq!(store.objects().await, before);
    assert_eq!(around.status(&host, &id).await["performers"], json!([]));
}

// T14
async fn a_form_that_is_not_ours_decides_nothing(mode: Mode) {
    let (around, host) = Surroundings::with_host(mode).await;
    around.github.expect_dispatches(2);
    let id = around.ask_for_id(&host, ASKED).await;
    let alex = Someone::alex();
    let post = || alex.browse(Request::post(&page_of(&id))).form("verdict=approve");

    let foreign = [
        vec![],
        vec![("Origin", "null")],
        vec![("Origin", "https://evil.example")],
        vec![("Origin", "https://approve.example.evil.example")],
        vec![("Origin", "http://approve.example")],
        vec![("Origin", "https://approve.example:8443")],
        vec![("Origin", PUBLIC_URL), ("Sec-Fetch-Site", "cross-site")],
        vec![("Origin", PUBLIC_URL), ("Sec-Fetch-Site", "same-site")],
        vec![("Origin", PUBLIC_URL), ("Sec-Fetch-Site", "none")],
        vec![("Referer", "https://approve.example/api/approvals")],
    ];
    for headers in foreign {
        let request = headers.iter().fold(post(), |request, (name, value)| request.header(name, value));
        assert_eq!(host.send(request).await.status, 403, "{headers:?}");
    }
    assert_eq!(around.status(&host, &id).await["status"], "pending");
    // A browser too old for the one header sends the other.
    let old = host.send(post().header("Origin", PUBLIC_URL)).await;
    assert_eq!(old.status, 200, "{}", old.text());
    let other = around.ask_for_id(&host, ASKED).await;
    let new = alex.browse(Request::post(&page_of(&other))).form("verdict=approve");
    assert_eq!(host.send(new.header("Sec-Fetch-Site", "same-origin")).await.status, 200);
}

async fn the_fields_of_the_form_are_read_strictly(mode: Mode) {
    let (around, host) = Surroundings::with_host(mode).await;
    let id = around.ask_for_id(&host, ASKED).await;
    let post =
        || Someone::alex().browse(Request::post(&page_of(&id))).header("Sec-Fetch-Site", "same-origin");

    let long = format!("verdict=approve&comment={}", "x".repeat(501));
    let huge = format!("verdict=approve&comment={}", "x".repeat(64_001));
    for (status, form) in [
        (400, ""),
        (400, "verdict="),
        (400, "verdict=Approve"),
        (400, "comment=x"),
        (400, "verdict=approve&verdict=reject"),
        (400, "verdict=approve&approval=x"),
        (400, "verdict=approve&event_type=x"),
        (400, "verdict=approve&comment=%ff"),
        (400, &long),
        (413, &huge),
    ] {
        assert_eq!(host.send(post().form(form)).await.status, status, "{form:.60}");
    }
    assert_eq!(host.send(post().json(r#"{"verdict":"approve"}"#)).await.status, 400);
    assert_eq!(around.status(&host, &id).await["status"], "pending");
    let lines = format!("verdict=reject&comment={}", "%0D%0A".repeat(500));
    assert_eq!(host.send(post().form(lines)).await.status, 200, "each line's end is one character");
}

// T11
async fn hostile_words_are_only_words(mode: Mode) {
    let (around, host) = Surroundings::with_host(mode).await;
    let evil =
        "\"><script>alert(1)</script><img src=x onerror=alert(1)>{{x}}<at>all</at>\r\nX-Evil: 1\u{202e}";
    let body = json!({"event_type": evil.chars().take(100).collect::<String>(), "title": evil, "text": evil,
        "facts": {evil: evil}, "client_payload": {evil: evil}, "approvals_required": 2});
    let job = Token::of_job(&around.actions).claim("actor", "\"><script>alert(1)</script>");
    let answer = host.ask_as(&job, &body.to_string()).await.assert_opened();
    let id = text(&answer["id"]);
    let mut person = Someone::number(1);
    person.name = evil.to_owned();

    let voted = host.send(person.press(&id, "approve", evil)).await;
    let page = voted.assert_page(200);
    let list = host.send(person.get("/api/approvals")).await.assert_page(200);
    for text in [&page, &list] {
        assert!(!text.contains("<script>alert") && !text.contains("onerror=alert(1)>"), "{text}");
        assert!(!text.contains('\u{202e}'), "{text}");
    }
    assert!(voted.header("X-Evil").is_none());
    let log = host.stderr();
    assert!(!log.contains("\nX-Evil") && !log.contains('\u{202e}'), "{log}");
}

async fn programs_get_the_same_as_json(mode: Mode) {
    let (around, host) = Surroundings::with_host(mode).await;
    let id = around.ask_for_id(&host, ASKED).await;
    let alex = Someone::alex();

    let seen = around.status(&host, &id).await;
    let by_query = alex.browse(Request::get(&format!("{}?format=json", page_of(&id))));
    let by_header = alex.browse(Request::get(&page_of(&id))).header("Accept", "application/json");
    for request in [by_query, by_header] {
        assert_eq!(host.send(request).await.json(), seen);
    }
    let list = host.send(alex.browse(Request::get("/api/approvals?format=json"))).await.json();
    assert_eq!(list, json!({"items": [seen], "next": null}));
}

async fn the_list_shows_what_waits_and_what_was_decided(mode: Mode) {
    let (around, host) = Surroundings::with_host(mode).await;
    around.github.expect_dispatches(2);
    let alex = Someone::alex();
    let ask = async |title: &str| {
        around.ask_for_id(&host, &json!({"event_type": "go-live", "title": title}).to_string()).await
    };
    let (decided, waiting) = (ask("first").await, ask("second").await);
    host.vote(&around.token_of(&alex), &decided, "approve").await.assert_outcome(200, "dispatched");
    host.click_as(&around.token_of(&alex), CLICK).await.assert_outcome(200, "dispatched");

    let page = host.send(alex.get("/api/approvals")).await.assert_page(200);
    for words in ["first", "second", "release-approved", ALEX_NAME, &page_of(&waiting), &page_of(&decided)] {
        assert!(page.contains(words), "{words} in {page}");
    }
    let list = host.send(alex.browse(Request::get("/api/approvals?format=json"))).await.json();
    let items = list["items"].as_array().expect("a list");
    let told: Vec<_> =
        items.iter().map(|item| (&item["event_type"], &item["status"], &item["delivery"])).collect();
    let expected = [
        (&json!("go-live"), &json!("pending"), &json!("none")),
        (&json!("release-approved"), &json!("approved"), &json!("delivered")),
        (&json!("go-live"), &json!("approved"), &json!("delivered")),
    ];
    assert_eq!(told, expected);
    assert_eq!(items[1]["performers"][0]["id"], ALEX);
}

async fn unknown_pages_say_so(mode: Mode) {
    let (_around, host) = Surroundings::with_host(mode).await;
    let alex = Someone::alex();

    for id in ["x", &"0".repeat(44), "..%2f..%2fpending", "%00"] {
        host.send(alex.get(&page_of(id))).await.assert_page(404);
        host.send(alex.press(id, "approve", "")).await.assert_page(404);
    }
    for after in ["x", "2026-11-24/x", "../../x", ""] {
        host.send(alex.get(&format!("/api/approvals?after={after}"))).await.assert_page(400);
    }
}

#[tokio::test]
async fn times_are_in_the_zone_that_is_set() {
    let around = Surroundings::start().await;
    let host = around.host(Mode::Payload).setting("TIME_ZONE", "Asia/Kathmandu").start().await;
    let id = around.ask_for_id(&host, ASKED).await;
    for page in ["/api/approvals", &page_of(&id)] {
        let page = host.send(Someone::alex().get(page)).await.assert_page(200);
        assert!(page.contains(" UTC+5:45</time>") && !page.contains(" UTC</time>"), "{page}");
    }
    // Programs read UTC.
    let seen = around.status(&host, &id).await;
    assert!(text(&seen["expires_at"]).ends_with('Z'), "{seen}");

    let (status, output) = around.host(Mode::Payload).setting("TIME_ZONE", "Berlin").run_to_exit().await;
    assert!(!status.success() && output.contains("TIME_ZONE must be the IANA's name"), "{output}");
}

/// Also what waits and has no room on the first page.
#[tokio::test]
async fn everything_that_waits_is_somewhere_in_the_list_and_once() {
    let (around, store) = (Surroundings::start().await, Store::folder());
    let host: FunctionsHost = around.host(Mode::Payload).store(&store).start().await;
    let mut asked = Vec::new();
    for number in 0..70 {
        asked.push(
            around.ask_for_id(&host, &format!(r#"{{"event_type":"go-live","title":"{number}"}}"#)).await,
        );
    }

    let (mut ids, mut next) = (Vec::new(), Some("/api/approvals?format=json".to_owned()));
    while let Some(target) = next {
        let page: Value = host.send(Someone::alex().browse(Request::get(&target))).await.json();
        ids.extend(page["items"].as_array().expect("a list").iter().map(|item| text(&item["id"])));
        next = page["next"].as_str().map(str::to_owned);
    }
    assert_eq!(ids, asked, "what expires soonest stands first");
}

#[tokio::test]
async fn the_list_comes_in_pages_that_miss_nothing() {
    let (around, store) = (Surroundings::start().await, Store::folder());
    let host: FunctionsHost =
        around.host(Mode::Payload).store(&store).setting("DRY_RUN", "true").start().await;
    let alex = Someone::alex();
    let token = around.token_of(&alex);
    for number in 0..75 {
        let click = json!({"event_type": "release-approved", "client_payload": {"n": number}});
        host.click_as(&token, click.to_string()).await.assert_outcome(200, "dry-run");
    }

    let (mut numbers, mut next) = (Vec::new(), Some("/api/approvals?format=json".to_owned()));
    while let Some(target) = next {
        let page: Value = host.send(alex.browse(Request::get(&target))).await.json();
        let items = page["items"].as_array().expect("a list");
        assert!((1..=30).contains(&items.len()), "{}", items.len());
        numbers.extend(items.iter().map(|item| item["client_payload"]["n"].as_i64().expect("a number")));
        next = page["next"].as_str().map(str::to_owned);
    }
    assert_eq!(numbers, (0..75).rev().collect::<Vec<_>>());
}

#[tokio::test]
async fn the_list_is_filtered_and_comes_as_csv() {
    let (around, store) = (Surroundings::start().await, Store::folder());
    around.github.expect_dispatches(1);
    let host: FunctionsHost = around.host(Mode::Payload).store(&store).start().await;
    let mut asked = Vec::new();
    for number in 0..40 {
        let body = format!(r#"{{"event_type":"go-live","title":"{number}"}}"#);
        asked.push(around.ask_for_id(&host, &body).await);
    }
    host.vote(&around.token_of(&Someone::alex()), &asked[7], "approve")
        .await
        .assert_outcome(200, "dispatched");
    let get = async |query: &str| {
        host.send(Someone::alex().browse(Request::get(&format!("/api/approvals?{query}")))).await
    };
    let ids = |page: &Value| -> Vec<String> {
        page["items"].as_array().expect("a list").iter().map(|item| text(&item["id"])).collect()
    };

    let decided = get("format=json&state=decided").await;
    assert_eq!((ids(&decided.json()), decided.header("link")), (vec![asked[7].clone()], None));
    let (mut waiting, mut next) =
        (Vec::new(), Some("format=json&state=waiting&repository=OCTO/App".to_owned()));
    while let Some(query) = next {
        let page = get(&query).await;
        waiting.extend(ids(&page.json()));
        next = page.json()["next"].as_str().map(|next| next.replace("/api/approvals?", ""));
        let link = next.as_ref().map(|next| format!("<{PUBLIC_URL}/api/approvals?{next}>; rel=\"next\""));
        assert_eq!(page.header("link").map(str::to_owned), link);
    }
    let expected: Vec<_> = asked.iter().filter(|id| **id != asked[7]).cloned().collect();
    assert_eq!(waiting, expected);
    assert_eq!(ids(&get("format=json&repository=octo/other").await.json()), [""; 0]);
    get("format=json&state=open").await.assert_outcome(400, "invalid");
    get("format=json&state=waiting&state=decided").await.assert_outcome(400, "invalid");

    let page = get("state=waiting&repository=OCTO/App").await.text();
    for link in [
        r#"<a href="/api/approvals?repository=OCTO%2FApp">All</a>"#,
        r#"<a href="/api/approvals?repository=OCTO%2FApp&#38;state=waiting" aria-current="page">Waiting</a>"#,
        r#"<a href="/api/approvals?repository=OCTO%2FApp&#38;state=decided">Decided</a>"#,
        r#"<a href="/api/approvals?state=waiting">All repositories</a>"#,
        r#"<a href="/api/approvals?format=csv&#38;repository=OCTO%2FApp&#38;state=waiting">This page as CSV</a>"#,
    ] {
        assert!(page.contains(link), "{link} in {page}");
    }
    assert!(get("").await.text().contains(r#"<a href="/api/approvals" aria-current="page">All</a>"#));

    let csv = get("format=csv&state=decided").await;
    assert_eq!(csv.header("content-type"), Some("text/csv; charset=utf-8"));
    let lines: Vec<_> = csv.text().split("\r\n").map(str::to_owned).collect();
    let head = "id,status,repository,event_type,workflow,environment,ref,sha,requested_by,approvers,created_at,decided_at,delivery,url";
    assert_eq!((lines.len(), lines[0].as_str(), lines[2].as_str()), (3, head, ""));
    let begin = format!("{},approved,octo/app,go-live,,,refs/heads/main,", asked[7]);
    assert!(lines[1].starts_with(&begin) && lines[1].contains(ALEX_NAME), "{}", lines[1]);
    assert!(
        lines[1].ends_with(&format!(",delivered,{PUBLIC_URL}/api/approvals/{}", asked[7])),
        "{}",
        lines[1]
    );
}
