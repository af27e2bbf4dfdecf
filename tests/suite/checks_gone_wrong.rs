//! Each thing that can go wrong with a deployment, one by one: its check says so and what to do, and all others stay as
//! they are. Nothing is posted and nothing is dispatched for it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU16, AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::future::join_all;
use serde_json::{Value, json};
use wiremock::ResponseTemplate;

use crate::{
    authority::{AUDIENCE, CLIENT_ID, TENANT},
    azurite::{self, ACCOUNT},
    checks::{checks, state, states},
    connector::{APP_ID, BotConnector, CHANNEL_ID},
    deployment::{CHANNEL_SECRET, Channel, Someone, Surroundings},
    functions_host::{Builder, FunctionsHost, Mode},
    github::{TOKEN, github_error, redirect},
    handler_process::{ANSWERED_WITHIN, free_port},
    http1::{Answer, Request},
    misbehaving::{Misbehaving, Misbehaviour, nobody},
    standalone::Standalone,
    token_desk::APP_PASSWORD,
    tokens::{ALEX, ALEX_UPN},
    web_server::WebServer,
};

/// The address that leads to the deployment, with App Service Authentication in front of it.
struct Front {
    server: WebServer,
    /// The status of what a made-up principal gets.
    to_forged: Arc<AtomicU16>,
    /// The status of what a job without a token gets.
    to_jobs: Arc<AtomicU16>,
    asked: Arc<AtomicUsize>,
}

impl Front {
    async fn start() -> Self {
        let (to_forged, to_jobs) = (Arc::new(AtomicU16::new(302)), Arc::new(AtomicU16::new(401)));
        let asked = Arc::new(AtomicUsize::new(0));
        let answers = (Arc::clone(&to_forged), Arc::clone(&to_jobs), Arc::clone(&asked));
        let server = WebServer::start(move |request: Request| {
            answers.2.fetch_add(1, Ordering::SeqCst);
            let (status, outcome) = match request.path() {
                "/api/RequestApproval/none" => (answers.1.load(Ordering::SeqCst), "unauthenticated"),
                _ => (answers.0.load(Ordering::SeqCst), "forbidden"),
            };
            let mut answer = Answer::with_status(status);
            answer.body = json!({"outcome": outcome}).to_string().into_bytes();
            async move { answer }
        })
        .await;
        Self { server, to_forged, to_jobs, asked }
    }

    fn url(&self) -> String {
        self.server.url("")
    }
}

/// A deployment of which everything is set up, with everybody around it.
struct Whole {
    around: Surroundings,
    connector: BotConnector,
    channel: Channel,
    front: Front,
}

impl Whole {
    async fn start() -> Self {
        let around = Surroundings::start().await;
        let connector = BotConnector::start(&around.authority.desk).await;
        Self { connector, channel: Channel::start().await, front: Front::start().await, around }
    }

    fn host(&self) -> Builder {
        let host = self.around.host(Mode::Payload).settings(self.connector.settings());
        let host = host.settings(self.channel.setting()).setting("APPROVERS", ALEX);
        host.setting("PUBLIC_URL", &self.front.url())
    }

    async fn look(&self) -> Vec<(String, String, String)> {
        self.look_at(self.host()).await
    }

    /// The checks of a host; nothing was posted for them, and no message says more than it may.
    async fn look_at(&self, host: Builder) -> Vec<(String, String, String)> {
        let found = checks(&host.start().await).await;
        self.assert_harmless(&found);
        found
    }

    #[track_caller]
    fn assert_harmless(&self, found: &[(String, String, String)]) {
        assert_eq!((self.channel.tried(), self.connector.calls().len()), (0, 0), "something was posted");
        for (name, _, message) in found {
            let others = message.replace(&self.front.url(), "");
            for hidden in [
                TOKEN,
                APP_PASSWORD,
                CHANNEL_SECRET,
                ACCOUNT,
                TENANT,
                CLIENT_ID,
                AUDIENCE,
                APP_ID,
                CHANNEL_ID,
                ALEX,
                ALEX_UPN,
                "Unicorn",
                "127.0.0.1",
                "localhost",
                "http",
            ] {
                assert!(!others.contains(hidden), "{hidden} in {name}: {message}");
            }
        }
    }
}

/// Fails unless these checks alone are wrong, with these words.
#[track_caller]
fn assert_wrong(found: &[(String, String, String)], expected: &[(&str, &str)]) {
    for (name, words) in expected {
        let (state, message) = state(found, name);
        assert!(state == "wrong" && message.contains(words), "{name}: {state} {message}");
    }
    let wrong = found.iter().filter(|(_, state, _)| state == "wrong").count();
    assert_eq!(wrong, expected.len(), "{found:?}");
}

#[tokio::test]
async fn of_a_whole_deployment_nothing_is_wrong() {
    let whole = Whole::start().await;
    let found = whole.look().await;
    assert_wrong(&found, &[]);
    let unused: Vec<_> = found.iter().filter(|(_, state, _)| state == "unused").collect();
    assert_eq!(unused.iter().map(|(name, ..)| name.as_str()).collect::<Vec<_>>(), ["webhook", "policy"]);
    for name in ["store", "github:octo/app", "bot", "public-url"] {
        assert!(state(&found, name).1.contains("not tried"), "{found:?}");
    }
    assert!(state(&found, "version").1.contains(env!("CARGO_PKG_VERSION")));
}

#[tokio::test]
async fn a_store_that_is_away_is_wrong() {
    let whole = Whole::start().await;
    let away = whole
        .host()
        .setting("STORE_URL", "az://approvals")
        .setting("AzureWebJobsStorage", &azurite::connection_string(free_port()));
    assert_wrong(&whole.look_at(away).await, &[("store", "STORE_URL")]);
}

#[tokio::test]
async fn a_github_that_is_away_is_wrong() {
    let whole = Whole::start().await;
    let url = nobody();
    let found = whole.look_at(whole.host().setting("GITHUB_API_URL", &url)).await;
    let words = "not reached. See GITHUB_API_URL";
    assert_wrong(&found, &[("github", words), ("github:octo/app", words)]);

    whole.around.github.answer_questions_with(github_error(503, "Unicorn"));
    assert_wrong(&whole.look().await, &[("github", "answered 503"), ("github:octo/app", "answered 503")]);
    whole.around.github.answer_questions_with(github_error(403, "Unicorn has blocked you"));
    assert_eq!(state(&whole.look().await, "github:octo/app").0, "wrong");
}

#[tokio::test]
async fn a_token_that_is_refused_is_wrong() {
    let whole = Whole::start().await;
    whole.around.github.take_only_token("another");
    assert_wrong(&whole.look().await, &[("github", "(401). Renew"), ("github:octo/app", "(401). Renew")]);
}

#[tokio::test]
async fn a_token_that_ends_within_14_days_is_wrong() {
    let whole = Whole::start().await;
    let end = |days| chrono::Utc::now() + chrono::TimeDelta::days(days);
    let write = |end: chrono::DateTime<_>| end.format("%Y-%m-%d %H:%M:%S UTC").to_string();
    whole.around.github.end_token_at(&write(end(15)));
    assert_wrong(&whole.look().await, &[]);
    whole.around.github.end_token_at(&write(end(13)));
    let date = end(13).format("%Y-%m-%d").to_string();
    assert_wrong(&whole.look().await, &[("github", &format!("ends on {date}. Renew it."))]);
}

#[tokio::test]
async fn a_repository_that_takes_no_event_is_wrong() {
    let whole = Whole::start().await;
    let github = &whole.around.github;
    for (shown, words) in [
        (json!({"archived": true}), "archived"),
        (json!({"permissions": {"push": false}}), "Contents: write"),
        (json!({"id": 8, "owner": {"id": 7}}), "another repository"),
    ] {
        github.show_repositories_as(shown);
        let host = whole.host().setting("ALLOWED_REPOSITORIES", "octo@7/app@9");
        assert_wrong(&whole.look_at(host).await, &[("github:octo/app", words)]);
    }
    github.forget_repositories();
    assert_wrong(&whole.look().await, &[("github:octo/app", "(404)")]);
}

#[tokio::test]
async fn a_repository_that_was_renamed_is_wrong() {
    let whole = Whole::start().await;
    whole.around.github.answer_questions_with(redirect(301, "https://github.example/repositories/1"));
    assert_eq!(state(&whole.look().await, "github:octo/app").0, "wrong");
}

#[tokio::test]
async fn keys_that_are_away_are_wrong() {
    let whole = Whole::start().await;
    whole.around.actions.go_down();
    assert_wrong(&whole.look().await, &[("github-keys", "See GITHUB_OIDC_ISSUER")]);
    whole.around.actions.recover();
    whole.around.authority.go_down();
    assert_wrong(&whole.look().await, &[("entra-keys", "See ENTRA_AUTHORITY")]);
    whole.around.authority.recover();
    whole.connector.go_down();
    assert_wrong(&whole.look().await, &[("bot", "See BOT_OPENID_METADATA")]);
}

/// A look that sought a key that nobody has would spend the one look-up a minute that a new key needs.
#[tokio::test]
async fn a_look_asks_for_no_keys_that_are_there() {
    let whole = Whole::start().await;
    let host = whole.host().start().await;
    whole.around.authority.until_asked_for_all_keys().await;
    checks(&host).await;
    for version in crate::authority::Version::BOTH {
        assert_eq!(whole.around.authority.asked(version), [1, 1]);
    }
    assert_eq!(whole.around.actions.asked_of(0), [1, 1]);
}

#[tokio::test]
async fn a_bot_that_gets_no_token_is_wrong() {
    let whole = Whole::start().await;
    let desk = &whole.around.authority.desk;
    for answer in [ResponseTemplate::new(401), ResponseTemplate::new(503)] {
        desk.answer_with(Some(answer));
        assert_wrong(&whole.look().await, &[("bot", "no token from Entra")]);
    }
}

#[tokio::test]
async fn a_bot_without_a_channel_is_wrong() {
    let whole = Whole::start().await;
    let found = whole.look_at(whole.host().without("TEAMS_CHANNEL_ID")).await;
    assert_wrong(&found, &[("bot", "TEAMS_CHANNEL_ID is not set")]);
    // Then the webhook is used, and not even asked.
    assert!(state(&found, "webhook").1.contains("not tried"), "{found:?}");
}

#[tokio::test]
async fn an_address_that_leads_elsewhere_is_wrong() {
    let whole = Whole::start().await;
    for status in [200, 302, 404, 502] {
        whole.front.to_jobs.store(status, Ordering::SeqCst);
        let words = format!("{} answers {status}, and not as this program does", whole.front.url());
        assert_wrong(&whole.look().await, &[("public-url", &words)]);
    }
}

#[tokio::test]
async fn an_address_that_leads_nowhere_is_wrong() {
    let whole = Whole::start().await;
    let url = nobody();
    let found = checks(&whole.host().setting("PUBLIC_URL", &url).start().await).await;
    let words = format!("{url} was not reached. See PUBLIC_URL.");
    assert_wrong(&found, &[("public-url", &words), ("sign-in", "not reached, so nobody knows")]);
}

#[tokio::test]
async fn a_made_up_principal_that_is_believed_is_wrong() {
    let whole = Whole::start().await;
    for status in [200, 403] {
        whole.front.to_forged.store(status, Ordering::SeqCst);
        assert_wrong(
            &whole.look().await,
            &[("sign-in", "was believed. Switch on App Service Authentication")],
        );
    }
    // The program itself, which anybody reaches past the platform.
    let open = || whole.around.host(Mode::Payload).local().without("WEBSITE_AUTH_ENABLED");
    let open = open().setting("SIGN_IN", "platform").setting("APPROVERS", ALEX).start().await;
    let found = checks(&open).await;
    assert_wrong(&found, &[("sign-in", "was believed")]);
    assert_eq!(state(&found, "public-url").0, "well");
}

#[tokio::test]
async fn a_timer_that_has_fired_is_well() {
    let whole = Whole::start().await;
    let host = whole.host().start().await;
    host.fire_timer("Deliver").await.expect("swept");
    assert_eq!(
        state(&checks(&host).await, "timer"),
        ("well".to_owned(), "The host calls Deliver.".to_owned())
    );
}

#[tokio::test]
async fn where_everybody_approves_the_command_alone_shows_the_checks() {
    let whole = Whole::start().await;
    let host = whole.host().setting("APPROVERS", "*").start().await;
    for path in ["/api/approvals/check", "/api/approvals/check?format=json"] {
        let answer = host.send(Someone::alex().get(path)).await;
        assert_eq!((answer.status, answer.header("Cache-Control")), (403, Some("no-store")), "{path}");
        assert!(!answer.text().contains("github-keys"), "{}", answer.text());
    }
    let settings = (whole.around.authority.settings().into_iter()).chain(whole.connector.settings());
    let settings = settings.chain(whole.around.actions.settings()).chain([
        ("APPROVERS", "*".to_owned()),
        ("GITHUB_TOKEN", TOKEN.to_owned()),
        ("GITHUB_API_URL", whole.around.github.url()),
        ("GITHUB_REPOSITORY", "octo/app".to_owned()),
        ("STORE_URL", "memory:".to_owned()),
        ("SIGN_IN", "platform".to_owned()),
        ("PUBLIC_URL", whole.front.url()),
    ]);
    let settings: serde_json::Map<_, _> =
        settings.map(|(name, value)| (name.to_owned(), value.into())).collect();
    let (status, output) = Standalone::check(Value::Object(settings)).await;
    let found = states(&serde_json::from_str(&output).unwrap_or_else(|error| panic!("{error}: {output}")));
    assert_wrong(&found, &[]);
    whole.assert_harmless(&found);
    assert_eq!(status.code(), Some(0));
}

/// The lines of the first look, in its order.
async fn first_look(host: &FunctionsHost) -> Vec<String> {
    host.stderr_line(" check version: ").await;
    // Warnings come by another stream.
    host.stderr_line(" check github: ").await;
    host.stderr().lines().filter(|line| line.contains(" check ")).map(str::to_owned).collect()
}

#[tokio::test]
async fn the_log_begins_with_a_line_of_each_check() {
    let whole = Whole::start().await;
    whole.around.github.take_only_token("another");
    let host = whole.host().start().await;
    let lines = first_look(&host).await;
    let found = checks(&host).await;
    whole.assert_harmless(&found);
    assert_eq!(lines.len(), found.len(), "{lines:#?}");
    for (name, state, message) in found {
        let end = format!("check {name}: {state}. {message}");
        let line =
            lines.iter().find(|line| line.ends_with(&end)).unwrap_or_else(|| panic!("{end} in {lines:#?}"));
        let level = if state == "wrong" { " WARN " } else { " INFO " };
        assert!(line.contains(level), "{line}");
        assert_eq!(host.errors().contains(line), state == "wrong", "{line}");
    }
}

#[tokio::test]
async fn one_look_a_minute_serves_all_who_ask_and_the_log() {
    let whole = Whole::start().await;
    let host = whole.host().start().await;
    let asked = join_all((0..20).map(|_| checks(&host))).await;
    assert!(asked.windows(2).all(|pair| pair[0] == pair[1]), "{asked:?}");
    first_look(&host).await;
    checks(&host).await;
    // PUBLIC_URL is asked twice in a look: as a job, and with a made-up principal.
    assert_eq!((whole.front.asked.load(Ordering::SeqCst), whole.around.authority.desk.asked()), (2, 1));
    whole.assert_harmless(&asked[0]);
}

#[tokio::test]
async fn a_look_goes_on_for_others_if_who_asked_for_it_goes_away() {
    let whole = Whole::start().await;
    whole.around.actions.be_slow(Duration::from_millis(300));
    let host = whole.host().start().await;
    for _ in 0..5 {
        let asking = host.send_once(Someone::alex().browse(Request::get("/api/approvals/check?format=json")));
        let _ = tokio::time::timeout(Duration::from_millis(50), asking).await;
    }
    assert_wrong(&checks(&host).await, &[]);
    assert_eq!(whole.front.asked.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn whatever_does_not_answer_the_checks_come_within_their_time() {
    let whole = Whole::start().await;
    let silent = Misbehaving::start(Misbehaviour::Stall).await;
    let silence =
        ["GITHUB_API_URL", "GITHUB_OIDC_ISSUER", "ENTRA_AUTHORITY", "PUBLIC_URL", "BOT_OPENID_METADATA"];
    let host = silence.iter().fold(whole.host(), |host, name| host.setting(name, &silent.url()));
    let host = host.start().await;
    let found = tokio::time::timeout(ANSWERED_WITHIN, checks(&host)).await.expect("answered in time");
    for name in ["github", "github:octo/app", "github-keys", "entra-keys", "bot", "public-url", "sign-in"] {
        assert_eq!(state(&found, name).0, "wrong", "{found:?}");
    }
}

#[tokio::test]
async fn a_look_that_waits_keeps_no_process_from_its_end() {
    for (signal, code) in [("-TERM", 200), ("-INT", 0)] {
        let whole = Whole::start().await;
        let silent = Misbehaving::start(Misbehaviour::Stall).await;
        let mut host = whole.host().setting("GITHUB_API_URL", &silent.url()).start().await;
        silent.until_questioned().await;
        host.signal(signal);
        let exit =
            tokio::time::timeout(Duration::from_secs(5), host.until_exit()).await.expect("stopped soon");
        assert_eq!(exit.code(), Some(code));
    }
}
