//! The action that asks, seen from the job that uses it: what it says while it waits, what it hands on, how it ends,
//! and what becomes of its request when nobody waits for it any more.

use std::{fs, iter, time::Duration};

use serde_json::{Value, json};
use wiremock::{Mock, MockServer, ResponseTemplate, matchers::any};

use crate::{
    approval_examples::{
        ACTION, Deployment, ID, REPORT, Service, VERIFY, ask, in_minutes, outcome, says, says_instead,
        verify_at,
    },
    deployment::Someone,
    github::html,
    handler_process::{repository_root, until},
    runner::{IdTokens, Jq, Ran, Runner, Step, Values},
    tokens::{ALEX, ALEX_NAME, Token},
    yaml::{members, parse_yaml, read_yaml},
};

const SAM: &str = "00000002-2222-4222-8333-444455556666";
const WAITS: (&str, &str) = ("inputs.wait", "true");

/// Words that would be commands to the runner, Markdown, HTML, or the end of an output, if they were not text.
const WILD: &str = "Fine\r\n::set-output name=sha::x\nsha=x\nEOF\u{2028}::error::y %0A::warning::z ##[error]v \
    ###[group]w <img src=x> `code` [here](https://evil.example) @octocat\u{202e}";

/// The same as one line of text.
const TAME: &str = "Fine :set-output name=sha:x sha=x EOF :error:y %0A:warning:z [error]v [group]w <img src=x> `code` \
    [here](https://evil.example) @octocat";

fn vote(id: &str, name: &str, verdict: &str, comment: &str) -> Value {
    let at = "2026-11-26T09:30:15.123Z";
    json!({"id": id, "name": name, "verdict": verdict, "comment": comment, "at": at})
}

fn with_votes(status: &str, votes: &[Value]) -> ResponseTemplate {
    says_instead(status, &json!({"performers": votes}))
}

/// Asserts that nothing which the script handed on can be taken for a command, whoever prints it.
#[track_caller]
fn assert_tame(ran: &Ran, commands: &[&str]) {
    let all = iter::once(&ran.log).chain(iter::once(&ran.summary)).chain(ran.outputs.values());
    for text in all {
        assert!(!text.contains("##["), "{text}");
        for line in text.lines().map(str::trim_start).filter(|line| line.starts_with("::")) {
            let is_ours = commands.iter().any(|command| line.starts_with(command));
            assert!(is_ours || line.starts_with("::add-mask::"), "{line}");
        }
    }
    let mut known: Vec<_> = ["id", "url", "status", "approved-by", "comment", "performers"].into();
    known.extend(["run-attempt", "posted", "mail-card"]);
    assert!(ran.outputs.keys().all(|name| known.contains(&name.as_str())), "{:?}", ran.outputs);
    assert!(!ran.summary.contains('<') || ran.summary.contains("`"), "{}", ran.summary);
}

// T11
#[tokio::test]
async fn a_wait_says_what_changes_and_ends_with_who_when_and_why() {
    let votes = [vote(ALEX, "Kim, Alex", "approve", WILD), vote(SAM, "www.evil.example", "approve", "")];
    for jq in Jq::ALL {
        println!("{jq:?}");
        let service = Service::saying(vec![
            says(201, "pending", 60),
            with_votes("pending", &[]),
            with_votes("pending", &[]),
            html(503),
            html(503),
            with_votes("pending", &votes[..1]),
            with_votes("pending", &votes[..1]),
            with_votes("approved", &votes),
        ])
        .await;
        let ran = service.ask_on(service.runner().with_jq(jq), &[WAITS]).await.assert_succeeded();

        assert_tame(&ran, &[]);
        let page = format!("https://approve.example/api/approvals/{ID}");
        let told: Vec<_> = ran.log.lines().filter(|line| !line.starts_with("::add-mask::")).collect();
        assert!(told[0].starts_with("Asked for an approval") && told[0].ends_with(&page), "{told:?}");
        let ends = [
            "Votes: nobody yet.".to_owned(),
            "No answer that counts (503).".to_owned(),
            format!("Votes: Kim Alex ({ALEX}) (approve)."),
            format!("Comment: {TAME}. {page} says more."),
        ];
        assert_eq!(told.len(), 1 + ends.len(), "a line for each change: {told:?}");
        for (line, end) in told[1..].iter().zip(&ends) {
            assert!(line.ends_with(end), "{end:?} in {told:?}");
        }
        let output = |name: &str| ran.outputs[name].as_str();
        assert_eq!((output("status"), output("posted")), ("approved", "bot"));
        assert_eq!(output("approved-by"), "Kim Alex, www evil example");
        assert_eq!(output("comment"), TAME);
        assert_eq!(serde_json::from_str::<Value>(output("performers")).unwrap(), json!(votes));
        let summary = format!(
            "### Approved: `Release main of octo/app`\n\n\
            Approved by Kim Alex ({ALEX}), www evil example ({SAM}). [More]({page})\n\n\
            - Kim Alex ({ALEX}), 2026-11-26 09:30 UTC: approve `{}`\n\
            - www evil example ({SAM}), 2026-11-26 09:30 UTC: approve\n",
            TAME.replace('`', "'")
        );
        assert_eq!(ran.summary, summary);
    }
}

#[tokio::test]
async fn a_rejection_s_reason_is_an_annotation() {
    let answers =
        || vec![says(201, "pending", 60), with_votes("rejected", &[vote(ALEX, ALEX_NAME, "reject", WILD)])];
    let reason = format!("Rejected by {ALEX_NAME} ({ALEX}). Comment: {TAME}.").replace('%', "%25");

    let service = Service::saying(answers()).await;
    let ran = service.ask_on(service.runner(), &[WAITS]).await.assert_failed(&reason);
    assert_tame(&ran, &["::error::Rejected by"]);
    assert!(
        ran.summary.starts_with("### Rejected: ") && ran.summary.contains("reject `Fine"),
        "{}",
        ran.summary
    );

    let service = Service::saying(answers()).await;
    let inputs = [WAITS, ("inputs.fail-on-rejection", "false")];
    let ran = service.ask_on(service.runner(), &inputs).await.assert_succeeded();
    assert_tame(&ran, &["::warning::Rejected by"]);
    assert!(ran.log.contains(&format!("::warning::{reason}")), "{}", ran.log);
    let output = |name: &str| ran.outputs[name].as_str();
    assert_eq!((output("status"), output("approved-by"), output("comment")), ("rejected", "", TAME));
}

#[tokio::test]
async fn a_rejection_alone_is_let_pass() {
    let lenient = [WAITS, ("inputs.fail-on-rejection", "false")];
    for (answer, saying) in [
        (says(200, "expired", 60), "Nobody decided in time."),
        (says(200, "withdrawn", 60), "Withdrawn"),
        (says(200, "dry-run", 60), "dry run"),
        (says(200, "postponed", 60), "a status that"),
        (says_instead("rejected", &json!({"id": "f".repeat(44)})), "about another approval"),
        (says_instead("rejected", &json!({"run_attempt": "2"})), "Another attempt of this run"),
    ] {
        println!("{saying}");
        let service = Service::saying(vec![says(201, "pending", 60), answer]).await;
        service.ask_on(service.runner(), &lenient).await.assert_failed(saying);
    }
}

#[tokio::test]
async fn a_withdrawal_by_a_person_is_told_with_its_reason() {
    let votes = [vote(ALEX, ALEX_NAME, "withdraw", "Wrong version")];
    let withdrawn = says_instead("withdrawn", &json!({"performers": votes, "comment": "Wrong version"}));
    let service = Service::saying(vec![says(201, "pending", 60), withdrawn]).await;

    let ran = service.ask_on(service.runner(), &[WAITS]).await;

    let ran =
        ran.assert_failed(&format!("Withdrawn by {ALEX_NAME} ({ALEX}), so nobody can decide it any more."));
    assert!(ran.log.contains("Comment: Wrong version."), "{}", ran.log);
    assert_eq!(
        (ran.outputs["status"].as_str(), ran.outputs["comment"].as_str()),
        ("withdrawn", "Wrong version")
    );
}

#[tokio::test]
async fn a_step_that_does_not_wait_says_where_to_decide() {
    let (deployment, _host) = Deployment::start().await;
    let ran = deployment.ask(&[("inputs.title", WILD)]).await.assert_succeeded();
    assert_tame(&ran, &["::notice::No card was posted"]);
    let title = TAME.replace('`', "'");
    let head = format!("### Asked for an approval: `{title}`\n\nOpen until ");
    assert!(ran.summary.starts_with(&head) && ran.summary.contains(&ran.outputs["url"]), "{}", ran.summary);
    assert_eq!((ran.outputs["posted"].as_str(), ran.outputs["mail-card"].as_str()), ("none", ""));
}

#[tokio::test]
async fn an_input_that_is_none_is_named_before_anything_is_sent() {
    let (deployment, _host) = Deployment::start().await;
    for (input, value) in [
        ("wait", "yes"),
        ("supersedes", "1"),
        ("ref-must-not-move", "yes"),
        ("workflow", "../release.yml"),
        ("workflow", "release"),
        ("fail-on-rejection", "no"),
        ("timeout-minutes", "0"),
        ("timeout-minutes", "an hour"),
        ("timeout-minutes", "1\n2"),
    ] {
        let expression = format!("inputs.{input}");
        let ran = deployment.ask(&[(&expression, value)]).await;
        ran.assert_failed(&format!("The input {input} must be "));
    }
    assert_eq!(deployment.tokens.issued(), 0);
}

#[tokio::test]
async fn a_workflow_and_an_event_on_expiry_are_asked_for_to_the_letter() {
    let (deployment, host) = Deployment::start().await;
    let ran = deployment
        .ask(&[
            ("inputs.event-type", ""),
            ("inputs.workflow", "release.yml"),
            ("inputs.ref", "release/1.4"),
            ("inputs.inputs", r#"{"version": "1.10"}"#),
            ("inputs.expired-event-type", "too-late"),
            ("inputs.ref-must-not-move", "true"),
        ])
        .await
        .assert_succeeded();
    let seen = deployment.seen(&host, &ran.outputs["id"]).await;
    assert_eq!((&seen["workflow"], &seen["event_type"]), (&json!("release.yml"), &Value::Null));
    assert_eq!(seen["dispatch_ref"], "refs/heads/release/1.4");
    assert_eq!(
        (&seen["inputs"], &seen["expired_event_type"]),
        (&json!({"version": "1.10"}), &json!("too-late"))
    );

    let asked = deployment.tokens.issued();
    for (inputs, says) in [
        ([("inputs.workflow", "a.yml"), ("inputs.event-type", "go")], "event-type is the other way"),
        ([("inputs.ref", "main"), ("inputs.event-type", "go")], "need the input workflow"),
        ([("inputs.inputs", "{}"), ("inputs.event-type", "go")], "need the input workflow"),
    ] {
        deployment.ask(&inputs).await.assert_failed(says);
    }
    assert_eq!(deployment.tokens.issued(), asked);
}

/// A clock on which a minute is over with the second look.
fn hasty(runner: Runner) -> Runner {
    let clock = "now=$(cat \"$RUNNER_TEMP/clock\" 2> /dev/null || /bin/date +%s)\n\
        [[ $1 == +%s ]] || exec /bin/date \"$@\"\n\
        echo $((now + 25)) | tee \"$RUNNER_TEMP/clock\"\n";
    runner.with_program("date", clock)
}

const A_MINUTE: [(&str, &str); 2] = [WAITS, ("inputs.timeout-minutes", "1")];

#[tokio::test]
async fn a_wait_that_is_over_takes_its_request_back() {
    let (deployment, host) = Deployment::start().await;

    let ran = deployment.ask_on(hasty(Runner::with_tokens(&deployment.tokens)), &A_MINUTE).await;

    let ran = ran.assert_failed("Withdrawn: nobody decided within 1 min.");
    assert_eq!(ran.outputs["status"], "withdrawn");
    assert_eq!(deployment.seen(&host, &ran.outputs["id"]).await["status"], "withdrawn");
}

#[tokio::test]
async fn a_decision_in_the_last_moment_counts() {
    let pending = || says(200, "pending", 60);
    let answers = |last: ResponseTemplate| {
        [
            vec![says(201, "pending", 60)],
            iter::repeat_with(pending).take(1).collect(),
            vec![outcome(409, "conflict"), last],
        ]
        .concat()
    };
    for (last, ends) in [(says(200, "approved", 60), true), (says(200, "rejected", 60), false)] {
        let service = Service::saying(answers(last)).await;
        let ran = service.ask_on(hasty(service.runner()), &A_MINUTE).await;
        assert_eq!(ran.succeeded, ends, "{}", ran.log);
        assert_eq!(service.methods(), ["POST", "GET", "DELETE", "GET"]);
        assert_eq!(ran.outputs["status"], if ends { "approved" } else { "rejected" });
    }
    // A request that could not be taken back is still open, and the step says so.
    let service = Service::saying(vec![says(201, "pending", 60), pending(), html(503)]).await;
    let ran = service.ask_on(hasty(service.runner()), &A_MINUTE).await;
    let ran = ran.assert_failed("the request could not be withdrawn (503)");
    assert_eq!(ran.outputs["status"], "pending");
}

// T35
#[tokio::test]
async fn a_cancelled_step_takes_its_request_back() {
    for signal in ["INT", "TERM"] {
        println!("{signal}");
        let (deployment, host) = Deployment::start().await;
        let url = deployment.url();
        let inputs = [("inputs.url", url.as_str()), WAITS];
        // Far longer than the test may take: only a signal ends the pause.
        let step = ask().with("POLL_SECONDS", "600");
        let runner = Runner::with_tokens(&deployment.tokens);
        let ran = runner.cancel(step, &inputs, signal, deployment.tokens.until_issued_more(2)).await;

        assert!(!ran.succeeded && ran.log.contains("Withdrawn: this step was cancelled."), "{}", ran.log);
        assert!(ran.summary.contains("Withdrawn: this step was cancelled."), "{}", ran.summary);
        assert_eq!(ran.outputs["status"], "withdrawn");
        assert_eq!(deployment.seen(&host, &ran.outputs["id"]).await["status"], "withdrawn");
    }
}

#[tokio::test]
async fn a_step_that_is_cancelled_while_it_asks_takes_its_request_back() {
    let slow = says(201, "pending", 60).set_delay(Duration::from_secs(2));
    for (last, told) in [
        (says(200, "withdrawn", 60), "Withdrawn: this step was cancelled."),
        (html(503), "The request could not be withdrawn (503): it is still open."),
    ] {
        let service = Service::saying(vec![slow.clone(), says(200, "pending", 60), last]).await;
        let url = service.server.uri();
        let asked = until("it asks", async || !service.methods().is_empty());
        let ran = service.runner().cancel(ask(), &[("inputs.url", url.as_str()), WAITS], "INT", asked).await;

        assert!(!ran.succeeded && ran.log.contains(told), "{}", ran.log);
        assert_eq!(service.methods(), ["POST", "POST", "DELETE"]);
    }
}

#[tokio::test]
async fn a_step_that_is_cancelled_before_it_asks_asks_nobody() {
    let slow = MockServer::builder().start().await;
    let late = ResponseTemplate::new(503).set_delay(Duration::from_secs(2));
    Mock::given(any()).respond_with(late).mount(&slow).await;
    let service = Service::saying(vec![says(201, "pending", 60)]).await;
    let url = service.server.uri();
    let runner =
        service.runner().setting("ACTIONS_ID_TOKEN_REQUEST_URL", &format!("{}/token?a=b", slow.uri()));

    let asked = until("it asks for a token", async || {
        slow.received_requests().await.is_some_and(|all| !all.is_empty())
    });
    let ran = runner.cancel(ask(), &[("inputs.url", url.as_str()), WAITS], "TERM", asked).await;

    assert!(!ran.succeeded && ran.log.contains("This step was cancelled before it asked."), "{}", ran.log);
    assert_eq!(service.methods(), [""; 0]);
}

#[tokio::test]
async fn the_readme_s_own_step_withdraws_too() {
    let readme = fs::read_to_string(repository_root().join("README.md")).unwrap();
    let (_, after) = readme.split_once("      - name: Withdraw\n").expect("the step");
    let (step, _) = after.split_once("```").expect("its end");
    let step = parse_yaml(&format!("steps:\n      - name: Withdraw\n{step}"));
    let (deployment, host) = Deployment::start().await;
    let id = deployment.ask(&[]).await.assert_succeeded().outputs["id"].clone();

    let step = Step::of(&step, "Withdraw").with("URL", &deployment.url());
    let runner = Runner::with_tokens(&deployment.tokens);
    let ran = runner.run(step, &[("steps.ask.outputs.id", &id)]).await.assert_succeeded();

    assert!(ran.log.contains("\"withdrawn\""), "{}", ran.log);
    assert_eq!(deployment.seen(&host, &id).await["status"], "withdrawn");
}

// T35
#[tokio::test]
async fn a_newer_run_takes_the_place_of_an_older() {
    let (mut deployment, host) = Deployment::start().await;
    let mut ids = Vec::new();
    for run in ["100", "101", "102"] {
        deployment.tokens =
            IdTokens::of(Token::of_job(&deployment.around.actions).claim("run_id", run)).await;
        let supersedes = if run == "101" { "true" } else { "false" };
        let ran = deployment.ask(&[("inputs.supersedes", supersedes)]).await;
        ids.push(ran.assert_succeeded().outputs["id"].clone());
    }
    for (id, status) in ids.iter().zip(["withdrawn", "pending", "pending"]) {
        assert_eq!(deployment.seen(&host, id).await["status"], status);
    }
}

#[tokio::test]
async fn each_failure_names_its_cause() {
    let (deployment, _host) = Deployment::start().await;
    let url = deployment.url();
    for missing in ["jq", "curl"] {
        let programs: Vec<_> =
            ["timeout", "env", "bash", "jq", "curl"].into_iter().filter(|name| *name != missing).collect();
        let runner = Runner::with_tokens(&deployment.tokens).with_programs_only(&programs);
        runner
            .run(ask(), &[("inputs.url", &url)])
            .await
            .assert_failed(&format!("This runner has no {missing}."));
    }
    let failed = "::error::A program of this runner failed where none should; see above.";
    let broken = || Runner::with_tokens(&deployment.tokens).with_program("jq", "#!/bin/sh\nexit 5\n");
    deployment.ask_on(broken(), &[]).await.assert_failed(failed);
    // The log gets the cause, also if a file gets the output of jq.
    let rest =
        "#!/bin/sh\ncase \"$*\" in *'{run: '*) exit 5 ;; esac\nprintf %s 0123456789abcdef0123456789abcdef\n";
    let runner = Runner::with_tokens(&deployment.tokens).with_program("jq", rest).event(&json!({}));
    runner.run(verify_at(&url), &[("inputs.approval", ID)]).await.assert_failed(failed);
    let ran = Runner::new().event(&json!({})).run(verify_at(&url), &[]).await;
    ran.assert_failed("Add id-token: write");
    let runner = Runner::with_tokens(&deployment.tokens)
        .setting("ACTIONS_ID_TOKEN_REQUEST_URL", "http://127.0.0.1:1/token?api-version=2.0");
    let ran = deployment.ask_on(runner, &[]).await;
    ran.assert_failed(&format!("GitHub gave this job no token, so {url} was not asked"));
    let other = url.replace("127.0.0.1", "localhost");
    let ran = Runner::with_tokens(&deployment.tokens).run(ask(), &[("inputs.url", &other)]).await;
    let ran = ran.assert_failed(&format!("must be for the audience {url}."));
    ran.assert_failed(&format!("The input url must be its PUBLIC_URL, letter by letter, and is {other}."));
}

#[tokio::test]
async fn a_mail_card_leaves_the_job_s_step_and_its_key_no_log() {
    let (written, key) = ("aKey%2Bwith_-more%3D%3D", "aKey+with_-more==");
    let approve_url = format!("https://approve.example/api/ApproveRelease?code={written}");
    let settings =
        [("APPROVE_URL", approve_url.as_str()), ("MAIL_ORIGINATOR", "c7a1f2d0-0000-4000-8000-000000000001")];
    let (deployment, host) = Deployment::start_with(&settings).await;
    let title = "Release </script><script>alert(1)</script> ##[error]x";

    let ran = deployment.ask(&[("inputs.title", title)]).await.assert_succeeded();

    assert_tame(&ran, &["::notice::No card was posted"]);
    let card = &ran.outputs["mail-card"];
    let read: Value = serde_json::from_str(card).unwrap();
    assert!(read["type"] == "AdaptiveCard" && card.contains(&approve_url), "{card}");
    for mask in [written, key] {
        let line = format!("::add-mask::{}", mask.replace('%', "%25"));
        assert_eq!(ran.log.lines().filter(|other| *other == line).count(), 1, "{}", ran.log);
    }
    assert_eq!((ran.log.matches(written).count(), ran.log.matches(key).count()), (0, 1), "{}", ran.log);
    assert!(!ran.summary.contains("aKey"), "{}", ran.summary);

    let mail = async |card: &str| {
        let made = Step::read("examples/mail-for-approval.yml", "Make the mail");
        let values = [
            ("steps.ask.outputs.mail-card", card),
            ("steps.ask.outputs.url", "https://approve.example/api/approvals/0"),
            ("vars.MAIL_TO", "alex@contoso.com, sam@contoso.com"),
        ];
        Runner::new().run(made, &values).await
    };
    let made: Value = serde_json::from_str(&mail(card).await.assert_succeeded().mail).unwrap();
    let message = &made["message"];
    assert_eq!(message["toRecipients"][1], json!({"emailAddress": {"address": "sam@contoso.com"}}));
    let content = message["body"]["content"].as_str().unwrap();
    let (_, script) =
        content.split_once("<script type=\"application/adaptivecard+json\">").expect("the card");
    let (script, _) = script.split_once("</script></head>").expect("its end");
    assert_eq!(serde_json::from_str::<Value>(script).unwrap(), read);
    assert_eq!(content.matches("</script>").count(), 1, "{content}");
    mail("").await.assert_failed("There is no mail card");
    drop(host);
}

#[tokio::test]
async fn a_public_repository_s_job_gets_no_mail_card() {
    let settings = [
        ("APPROVE_URL", "https://approve.example/api/ApproveRelease?code=aKey"),
        ("MAIL_ORIGINATOR", "c7a1f2d0-0000-4000-8000-000000000001"),
    ];
    let (mut deployment, host) = Deployment::start_with(&settings).await;
    let public = Token::of_job(&deployment.around.actions).claim("repository_visibility", "public");
    deployment.tokens = IdTokens::of(public).await;
    deployment.around.github.expect_dispatches(1);

    let ran = deployment.ask(&[]).await.assert_succeeded();
    assert_eq!((ran.outputs["mail-card"].as_str(), ran.log.contains("aKey")), ("", false));
    let alex = deployment.around.token_of(&Someone::alex());
    assert_eq!(host.vote(&alex, &ran.outputs["id"], "approve").await.status, 200);

    // Nor names: an object id stands in the place of each.
    let ran = deployment.ask(&[WAITS]).await.assert_succeeded();
    assert_eq!((ran.outputs["approved-by"].as_str(), ran.outputs["comment"].as_str()), (ALEX, ""));
    assert!(
        ran.summary.contains(&format!("Approved by {ALEX}. ")) && !ran.log.contains(ALEX_NAME),
        "{}",
        ran.summary
    );
}

// T11
#[tokio::test]
async fn what_the_service_says_is_never_a_command() {
    let answers = [
        json!({"outcome": "invalid", "message": WILD}),
        json!({"outcome": "invalid", "message": {"n": 1}}),
        json!({"outcome": WILD, "message": WILD}),
        json!({"id": format!("{ID}\nsha=x"), "status": "pending", "url": "https://x/", "expires_at": in_minutes(9)}),
        json!({"id": ID, "status": "pending", "url": "https://x/\n::error::y", "expires_at": in_minutes(9)}),
        json!({"id": ID, "status": "pending", "url": "https://x/", "expires_at": "::error::y"}),
    ];
    for answer in answers {
        println!("{answer}");
        let code = if answer["id"].is_null() { 400 } else { 201 };
        let service = Service::saying(vec![ResponseTemplate::new(code).set_body_json(&answer)]).await;
        let ran = service.ask_on(service.runner(), &[]).await.assert_failed("ApproveRelease answered");
        assert_tame(&ran, &["::error::ApproveRelease answered"]);
        assert_eq!(ran.outputs, Values::new());
    }
    let wild = with_votes("approved", &[vote(ALEX, WILD, "approve", WILD)]);
    let ran = Service::saying(vec![wild]).await.verify().await.assert_succeeded();
    assert_eq!(
        ran.log.lines().filter(|line| line.starts_with("::") && !line.starts_with("::add-mask::")).count(),
        0
    );
    let payload = json!({"note": "##[error]x"});
    let answer = says_instead("approved", &json!({"client_payload": payload}));
    let service = Service::saying(vec![answer]).await;
    let ran = service.verify_of(&payload).await.assert_succeeded();
    assert_eq!(ran.outputs["payload"], r###"{"note":"#\u0023[error]x"}"###);
}

#[test]
fn the_actions_have_the_inputs_and_outputs_that_are_promised() {
    let asks = "url event-type client-payload workflow ref inputs rejected-event-type expired-event-type \
        ref-must-not-move title text facts approvers approvals-required expires-in-minutes \
        reminder-minutes key supersedes wait timeout-minutes fail-on-rejection";
    let told = "id url status approved-by comment performers run-attempt posted mail-card";
    for (action, of, expected) in [
        (ACTION, "inputs", asks),
        (ACTION, "outputs", told),
        (VERIFY, "inputs", "url max-age-minutes approval"),
        (VERIFY, "outputs", "id sha payload run-attempt"),
        (REPORT, "inputs", "url approval conclusion"),
    ] {
        let file = read_yaml(action);
        let names: Vec<_> = members(file.as_mapping_get(of).unwrap()).map(|(name, _)| name).collect();
        assert_eq!(names.join(" "), expected);
    }
}
