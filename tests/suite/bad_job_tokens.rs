//! Bad tokens of jobs: each that [`forgeries`](crate::forgeries) knows, and those that only the checks of GitHub's
//! tokens refuse. All get one answer, which says nothing of what failed; the log names the check.

use ring::signature::EcdsaKeyPair;
use serde_json::json;

use crate::{
    actions::{Actions, PUBLIC_URL, REQUEST, SHA},
    authority::{Authority, Version},
    forgeries::{BadToken, Forger, assert_none_counts, careless_keys, elliptic_key, hidden},
    functions_host::{FunctionsHost, Mode, payload_to_json},
    github::GitHub,
    http1::Request,
    job_tokens::{verifier, verify},
    protocol::payload_of,
    signing_keys::Key,
    stores::Store,
    tokens::{Token, in_seconds},
};

in_one_mode! {
    no_bad_token_of_a_job_counts
    a_token_of_a_job_that_says_something_twice_does_not_count
}

/// All who issue tokens, good ones and bad ones.
struct Issuers {
    actions: Actions,
    authority: Authority,
    attacker: Actions,
    elliptic: EcdsaKeyPair,
}

impl Issuers {
    /// GitHub publishes what nobody must verify with, besides its good key.
    async fn start() -> Self {
        let (actions, elliptic) = (Actions::start().await, elliptic_key());
        actions.publish_too(&careless_keys(&elliptic));
        Self { actions, elliptic, authority: Authority::start().await, attacker: Actions::start().await }
    }

    fn corpus(&self) -> Vec<BadToken> {
        let mut corpus = Corpus { issuers: self, forger: forger(&self.actions) };
        corpus.forger.forge(&self.elliptic, &self.attacker.keys_url());
        corpus.of_entra();
        corpus.of_others();
        corpus.of_odd_repositories();
        corpus.of_odd_commits();
        corpus.of_odd_runs();
        assert!(corpus.forger.bad.len() >= 350, "{} tokens", corpus.forger.bad.len());
        corpus.forger.bad
    }
}

#[tokio::test]
async fn each_bad_token_of_a_job_fails_its_own_check() {
    let issuers = Issuers::start().await;
    let verifier = verifier(&issuers.actions);
    let mut faults = Vec::new();
    for bad in issuers.corpus().into_iter().chain(doubled(&issuers.actions)) {
        let job = verify(&verifier, &bad.token).await;
        let expected = format!("the credentials fail the check of {}", bad.check);
        if job.as_ref().err().is_none_or(|rejection| rejection.to_string() != expected) {
            faults.push(format!("{} should fail the check of {}: {job:?}", bad.name, bad.check));
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
    assert_eq!(issuers.attacker.requests(), 0, "the attacker's server is never asked");
}

async fn no_bad_token_of_a_job_counts(mode: Mode) {
    let (github, store, issuers) = (GitHub::start().await, Store::folder(), Issuers::start().await);
    let host = FunctionsHost::requesting(mode, &github, &issuers.actions).store(&store).start().await;

    let corpus = issuers.corpus();
    assert_none_counts(&host, &FunctionsHost::approval_request(), &corpus).await;
    assert_none_counts(&host, &Request::get(&format!("/api/RequestApproval/{:044}", 0)), &corpus).await;

    assert_eq!(store.objects().await, [""; 0], "nothing is recorded");
    assert_eq!(issuers.attacker.requests(), 0, "the attacker's server is never asked");
    // Everything else was in order.
    assert_eq!(host.request_as(&Token::of_job(&issuers.actions)).await.status, 201);
}

async fn a_token_of_a_job_that_says_something_twice_does_not_count(mode: Mode) {
    let (github, store, actions) = (GitHub::start().await, Store::folder(), Actions::start().await);
    let host = FunctionsHost::requesting(mode, &github, &actions).store(&store).start().await;

    assert_none_counts(&host, &FunctionsHost::approval_request(), &doubled(&actions)).await;

    assert_eq!(store.objects().await, [""; 0], "nothing is recorded");
}

fn forger(actions: &Actions) -> Forger {
    let claims = [
        "iss",
        "aud",
        "exp",
        "nbf",
        "repository",
        "repository_id",
        "repository_visibility",
        "ref",
        "sha",
        "run_id",
        "run_attempt",
        "actor",
        "event_name",
    ];
    Forger {
        issuer: "of a job".to_owned(),
        good: Token::of_job(actions),
        key: Key::Job,
        claims: claims.map(|claim| (claim, "Claims")).into(),
        subject: "repository",
        peeks: None,
        leeway_s: 60,
        bad: Vec::new(),
    }
}

fn doubled(actions: &Actions) -> Vec<BadToken> {
    forger(actions).doubled(&[
        ("iss", json!("https://token.actions.githubusercontent.com")),
        ("aud", json!("https://github.com/octo")),
        ("exp", json!(1)),
        ("nbf", json!(in_seconds(7200))),
        ("repository", json!("octo/other")),
        ("repository_id", json!("987654321")),
        ("repository_visibility", json!("public")),
        ("ref", json!("refs/heads/evil")),
        ("sha", json!("0".repeat(40))),
        ("run_id", json!("1")),
        ("run_attempt", json!("2")),
        ("actor", json!("nobody")),
        ("event_name", json!("pull_request")),
        ("repository_owner_id", json!("1")),
        ("workflow_ref", json!("octo/app/.github/workflows/evil.yml@refs/heads/main")),
        ("job_workflow_ref", json!("octo/app/.github/workflows/evil.yml@refs/heads/main")),
        ("actor_id", json!("1")),
        ("run_number", json!("1")),
    ])
}

struct Corpus<'a> {
    issuers: &'a Issuers,
    forger: Forger,
}

impl Corpus<'_> {
    /// Good action tokens, and such as a job's issuer would have signed.
    fn of_entra(&mut self) {
        for version in Version::BOTH {
            let action = Token::good(version, &self.issuers.authority);
            let name = |what: &str| format!("an action token of version {version:?}{what}");
            self.forger.add("Key", name(""), action.sign());
            self.forger.add(
                "Signature",
                name(" that names our key"),
                action.clone().header("kid", Key::Job.id()).sign(),
            );
            let ours = action.of_key(Key::Job);
            self.forger.add("Issuer", name(", signed by our key"), ours.sign());
            let ours = ours.claim("iss", self.issuers.actions.issuer());
            self.forger.add("Audience", name(", signed and issued by ours"), ours.sign());
            self.forger.add("Claims", name(", and for us"), ours.claim("aud", PUBLIC_URL).sign());
            let all_claims = self.forger.good().claims.into_iter();
            let action = Token::good(version, &self.issuers.authority);
            let both = all_claims.fold(action, |token, (name, value)| token.claim(&name, value));
            self.forger.add("Key", name(" that says all that a job's does"), both.sign());
        }
    }

    /// Good tokens of another issuer, or for somebody else.
    fn of_others(&mut self) {
        let ours = self.issuers.actions.issuer();
        let host = ours.replace("/_services/token", "");
        self.forger.with(
            "Issuer",
            "iss",
            &[
                "https://token.actions.githubusercontent.com",
                &format!("{ours}/"),
                &format!("{ours}/octo"),
                &format!(" {ours}"),
                &ours.to_uppercase(),
                &ours.replace("127.0.0.1", "localhost"),
                &ours.replace("http:", "https:"),
                &self.issuers.attacker.issuer(),
                &host,
                "",
            ],
        );
        self.forger.with(
            "Audience",
            "aud",
            &[
                "https://github.com/octo",
                "api://AzureADTokenExchange",
                "https://approve.example//",
                "https://approve.example/api",
                "https://approve.example/api/RequestApproval",
                "https://approve.example:443",
                "https://approve.example?",
                "https://approve.example#",
                "https://approve.example.evil",
                "https://approve.exampl",
                "https://APPROVE.EXAMPLE",
                "http://approve.example",
                "approve.example",
                " https://approve.example",
                "https://approve.example https://github.com/octo",
                "*",
                "/",
                "",
            ],
        );
        for (audience, check) in [
            (json!(["https://github.com/octo", "api://AzureADTokenExchange"]), "Audience"),
            (json!([]), "Audience"),
            (json!([[PUBLIC_URL]]), "Claims"),
            (json!([PUBLIC_URL, null]), "Claims"),
        ] {
            self.forger.add(
                check,
                format!("aud {audience}"),
                self.forger.good().claim("aud", audience).sign(),
            );
        }
    }

    fn of_odd_repositories(&mut self) {
        let long = format!("octo/{}", "x".repeat(200));
        self.forger.with(
            "Repository",
            "repository",
            &[
                "",
                "/",
                "app",
                "octo/",
                "/app",
                "octo/app/x",
                "octo/app/",
                "octo/*",
                "octo/..",
                "../app",
                "octo/app ",
                "octo/app\n",
                "octo/app\0",
                "octo/app?x",
                "octo%2Fapp",
                "octo\\app",
                "öcto/app",
                "https://github.com/octo/app",
                &long,
            ],
        );
        self.forger.with("Repository", "repository_id", &odd_numbers());
        self.forger.add(
            "Claims",
            "repository_id 7",
            self.forger.good().claim("repository_id", 123_456_789).sign(),
        );
    }

    fn of_odd_commits(&mut self) {
        let (upper, short, long) = (SHA.to_uppercase(), &SHA[1..], format!("{SHA}0"));
        let (shorter, longer) = ("a".repeat(63), "a".repeat(65));
        let odd = ["", "HEAD", "main", &upper, short, &long, &shorter, &longer];
        self.forger.with("Commit", "sha", &odd);
        self.forger.with(
            "Commit",
            "sha",
            &[&"g".repeat(40), &"é".repeat(20), &format!("{short} "), &format!("{short}\n")],
        );
        let long = format!("refs/heads/{}", "x".repeat(245));
        self.forger.with(
            "Commit",
            "ref",
            &[&long, "refs/heads/a\nb", "refs/heads/a\0", "\u{1b}[31m", "\u{7f}", "\u{85}"],
        );
    }

    fn of_odd_runs(&mut self) {
        self.forger.with("Run", "run_id", &odd_numbers());
        self.forger.with("Run", "run_attempt", &odd_numbers());
        self.forger.add("Claims", "run_id 7", self.forger.good().claim("run_id", 7).sign());
        self.forger.add("Claims", "run_attempt 1", self.forger.good().claim("run_attempt", 1).sign());
        let odd =
            ["", "Pull_Request", "pull request", "pull_request ", "pull_request\0", "pull-request", "*"];
        self.forger.with("Run", "event_name", &odd);
        self.forger.with("Run", "event_name", &[&"x".repeat(256)]);
        self.of_odd_optional_claims();
        self.forger.with("Actor", "actor", &["", "octo\ncat", "octo\0", "\u{9b}31m", &"x".repeat(256)]);
    }
}

// Claims that may be missing, and must be right if they are there.
impl Corpus<'_> {
    fn of_odd_optional_claims(&mut self) {
        let [_, numbers @ ..] = odd_numbers();
        for (claim, check) in
            [("repository_owner_id", "Repository"), ("actor_id", "Actor"), ("run_number", "Run")]
        {
            self.forger.with(check, claim, &numbers);
            self.forger.add("Claims", format!("{claim} 7"), self.forger.good().claim(claim, 7).sign());
        }
        let lines = ["a\nb", "a\0", "\u{1b}[31m", "\u{85}"];
        for (claim, check, longest) in [
            ("environment", "Environment", 255),
            ("workflow_ref", "Workflow", 1024),
            ("job_workflow_ref", "Workflow", 1024),
        ] {
            self.forger.with(check, claim, &lines);
            self.forger.with(check, claim, &[&"x".repeat(longest + 1)]);
            self.forger.add(
                "Claims",
                format!("{claim} []"),
                self.forger.good().claim(claim, json!([])).sign(),
            );
        }
    }
}

fn odd_numbers() -> [&'static str; 12] {
    ["", " ", "x", "-1", "+1", "1.0", "1e3", "0x1", " 1", "1\n", "１２", "123456789012345678901"]
}

#[tokio::test]
async fn a_payload_cannot_hide_anything_in_a_token_of_a_job() {
    let (github, actions, store) = (GitHub::start().await, Actions::start().await, Store::folder());
    let host = FunctionsHost::requesting(Mode::Payload, &github, &actions).store(&store).start().await;

    for token in hidden(&Token::of_job(&actions).sign()) {
        let mut payload = payload_of(REQUEST);
        payload["Data"]["req"]["Url"] = json!(format!("{PUBLIC_URL}/api/RequestApproval"));
        payload["Data"]["req"]["Headers"]["Authorization"] = json!([format!("Bearer {token}")]);
        payload["Metadata"]["sys"]["MethodName"] = json!("RequestApproval");
        let request = Request::post("/RequestApproval").json(payload_to_json(&payload)).chunked();
        let answer = host.send_to_handler(request).await;
        assert_eq!(answer.json()["Outputs"]["res"]["statusCode"], "401", "{token:?}: {}", answer.text());
    }
    assert_eq!(store.objects().await, [""; 0], "nothing is recorded");
}
