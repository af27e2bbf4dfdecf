//! GitHub's OIDC tokens, by which a job of a workflow says which repository and run it belongs to.
//!
//! After GitHub's "OpenID Connect reference", beyond the checks that every token gets. The audience is our own public
//! URL, with or without a slash at its end, so that a token for a cloud is worth nothing here, and ours nothing there.
//! The keys are those of the issuer that is configured: metadata that names another is not believed.
//!
//! 1. `repository` is an `owner/name`, and `repository_id` its number, which no later repository of that name has;
//! 2. `repository_visibility` is there; unless it says "private" or "internal", everybody may be reading;
//! 3. `sha` is a commit, and `ref` a name that fits into a line;
//! 4. `run_id` and `run_attempt` are numbers, and `event_name` is one of GitHub's names, since some of them mean less
//!    than the others: a token of a pull request is a good one, and what it may ask for is not decided here;
//! 5. `actor` is a name that fits into a line;
//! 6. what an older GitHub Enterprise Server does not say (`repository_owner_id`, `environment`, `workflow_ref`,
//!    `job_workflow_ref`, `actor_id`, `run_number`) may be missing; if it is there, it has its form.
//!
//! The subject (`sub`) is not looked at: repositories can choose what stands in it.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use url::Url;

use super::{Check, Issuer, METADATA, Rejection, Verifier, below};
use crate::approval::{Repository, Visibility, Workload};

/// Allowed difference of clocks, in seconds. GitHub's tokens live five minutes, and a leeway as long as Microsoft's would
/// double that.
const LEEWAY_S: i64 = 60;

/// The most digits of a number; GitHub's are 64 bits long.
const MAX_DIGITS: usize = 20;

/// The longest name of a branch, a tag, an account or an event, in characters; GitHub's are no longer.
const MAX_NAME: usize = 255;

/// The longest name of a workflow: repository, path and ref, in characters.
const MAX_WORKFLOW: usize = 1024;

/// Verifies the tokens of jobs.
pub struct JobTokens(Verifier);

/// The job that a token was issued to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// The job's repository, commit and run.
    pub workload: Workload,
    /// True if a pull request or a comment on one started it, or if it runs at a pull request's ref: perhaps nobody has
    /// read that code.
    pub is_pull_request: bool,
    /// The repository's visibility as the token states it, and the time of that.
    pub visibility: Visibility,
}

#[derive(Deserialize)]
struct Claims {
    iat: f64,
    repository: String,
    repository_id: String,
    repository_visibility: String,
    r#ref: String,
    sha: String,
    run_id: String,
    run_attempt: String,
    actor: String,
    event_name: String,
    repository_owner_id: Option<String>,
    environment: Option<String>,
    workflow_ref: Option<String>,
    job_workflow_ref: Option<String>,
    actor_id: Option<String>,
    run_number: Option<String>,
}

impl JobTokens {
    /// Verifies the tokens that `issuer` (`GITHUB_OIDC_ISSUER`) gives to jobs for `public_url`; nothing is loaded yet.
    pub fn new(issuer: Url, public_url: &Url) -> Self {
        Self(Verifier::new(Issuer {
            metadata: below(&issuer, METADATA),
            url: Some(issuer),
            audiences: audiences(public_url).into(),
            leeway_s: LEEWAY_S,
        }))
    }

    /// True if the issuer's keys are at hand, or can be had now.
    pub async fn reaches_keys(&self) -> bool {
        self.0.reaches_keys().await
    }

    /// The job that `token` was issued to.
    // T1
    pub async fn verify(&self, token: &str, now: DateTime<Utc>) -> Result<Job, Rejection> {
        let (claims, _): (Claims, _) = self.0.verify(token, now).await?;
        job(claims, now).map_err(Rejection::Failed)
    }
}

/// The URL as a workflow may write it: with the slash at its end, and without.
fn audiences(public_url: &Url) -> [String; 2] {
    let url = public_url.as_str();
    let bare = url.strip_suffix('/').unwrap_or(url);
    [bare.to_owned(), format!("{bare}/")]
}

// T2
fn job(claims: Claims, now: DateTime<Utc>) -> Result<Job, Check> {
    // 1.
    let repository = Repository::parse(&claims.repository).filter(|_| is_number(&claims.repository_id));
    let repository = repository.ok_or(Check::Repository)?;
    // 2.
    let is_public = !matches!(claims.repository_visibility.as_str(), "private" | "internal");
    // 3. Where something is deployed by its commit alone, there is no `ref`.
    if !is_commit(&claims.sha) || !(claims.r#ref.is_empty() || is_name(&claims.r#ref)) {
        return Err(Check::Commit);
    }
    // 4.
    if !is_number(&claims.run_id) || !is_number(&claims.run_attempt) || !is_event(&claims.event_name) {
        return Err(Check::Run);
    }
    // 5.
    if !is_name(&claims.actor) {
        return Err(Check::Actor);
    }
    Ok(Job {
        // Seconds since 1970 fit a double exactly. What an issuer with a wrong clock says is no newer than what is said
        // now, or nobody could ever say otherwise.
        visibility: Visibility { said_at: (claims.iat as i64).min(now.timestamp()), is_public },
        is_pull_request: is_pull_request(&claims.event_name, &claims.r#ref),
        workload: Workload {
            repository,
            repository_id: claims.repository_id,
            is_public,
            git_ref: claims.r#ref,
            sha: claims.sha,
            run_id: claims.run_id,
            run_attempt: claims.run_attempt,
            actor: claims.actor,
            event_name: Some(claims.event_name),
            // The token does not tell.
            rerun_by: None,
            // 6.
            owner_id: optional(claims.repository_owner_id, is_number, Check::Repository)?,
            environment: optional(claims.environment, is_name, Check::Environment)?,
            workflow_ref: optional(claims.workflow_ref, is_workflow, Check::Workflow)?,
            job_workflow_ref: optional(claims.job_workflow_ref, is_workflow, Check::Workflow)?,
            actor_id: optional(claims.actor_id, is_number, Check::Actor)?,
            run_number: optional(claims.run_number, is_number, Check::Run)?,
        },
    })
}

/// True if the code that runs may exist in a pull request only. Events of pull requests begin alike, also those that
/// GitHub may add.
fn is_pull_request(event: &str, git_ref: &str) -> bool {
    event.starts_with("pull_request") || git_ref.starts_with("refs/pull/")
}

/// An optional claim; an empty one counts as none.
fn optional(
    claim: Option<String>,
    is_right: fn(&str) -> bool,
    check: Check,
) -> Result<Option<String>, Check> {
    match claim.filter(|text| !text.is_empty()) {
        Some(text) if !is_right(&text) => Err(check),
        claim => Ok(claim),
    }
}

fn is_number(text: &str) -> bool {
    (1..=MAX_DIGITS).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit())
}

/// An object id of SHA-1, or of SHA-256.
fn is_commit(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

fn is_name(text: &str) -> bool {
    is_line(text, MAX_NAME)
}

fn is_workflow(text: &str) -> bool {
    is_line(text, MAX_WORKFLOW)
}

fn is_line(text: &str, longest: usize) -> bool {
    (1..=longest).contains(&text.chars().count()) && !text.chars().any(char::is_control)
}

fn is_event(text: &str) -> bool {
    is_name(text) && text.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(claim: &str, value: impl Into<Value>) -> Result<Job, Check> {
        let mut claims = json!({
            "repository": "octo/app", "repository_id": "123456789", "repository_visibility": "private",
            "ref": "refs/heads/main", "sha": "0123456789abcdef0123456789abcdef01234567",
            "run_id": "1", "run_attempt": "1", "actor": "octocat", "event_name": "push", "iat": 1_800_000_000,
        });
        claims[claim] = value.into();
        let now = DateTime::from_timestamp(1_800_000_010, 0).expect("a time");
        job(serde_json::from_value(claims).expect("claims"), now)
    }

    #[test]
    fn a_visibility_from_the_future_counts_from_now() {
        for (iat, said_at) in [
            (json!(1_800_000_000), 1_800_000_000),
            (json!(1_800_000_000.9), 1_800_000_000),
            (json!(1_800_000_060), 1_800_000_010),
            (json!(2_800_000_000_u64), 1_800_000_010),
            (json!(1e300), 1_800_000_010),
        ] {
            assert_eq!(read("iat", iat.clone()).expect("a job").visibility.said_at, said_at, "{iat}");
        }
    }

    #[test]
    fn only_the_public_url_itself_is_the_audience_with_a_slash_at_its_end_or_without() {
        let of = |url: &str| audiences(&Url::parse(url).expect("a URL"));
        assert_eq!(of("https://x"), ["https://x", "https://x/"]);
        assert_eq!(of("http://localhost:7071"), ["http://localhost:7071", "http://localhost:7071/"]);
        assert_eq!(of("https://x/apps/y"), ["https://x/apps/y", "https://x/apps/y/"]);
        assert_eq!(of("https://x/apps/y/"), ["https://x/apps/y", "https://x/apps/y/"]);
    }

    #[test]
    fn metadata_is_below_the_issuers_own_path() {
        for (issuer, expected) in [
            ("https://x", "https://x/.well-known/openid-configuration"),
            ("https://x/_services/token", "https://x/_services/token/.well-known/openid-configuration"),
            ("https://x/_services/token/", "https://x/_services/token/.well-known/openid-configuration"),
        ] {
            assert_eq!(below(&Url::parse(issuer).expect("a URL"), METADATA).as_str(), expected);
        }
    }

    #[test]
    fn everybody_may_be_reading_unless_the_token_says_otherwise() {
        for (visibility, is_public) in [
            ("private", false),
            ("internal", false),
            ("public", true),
            ("Private", true),
            ("secret", true),
            ("", true),
        ] {
            let job = read("repository_visibility", visibility).expect(visibility);
            assert_eq!(job.workload.is_public, is_public, "{visibility:?}");
        }
    }

    #[test]
    fn every_event_of_a_pull_request_and_every_ref_of_one_is_known() {
        for (event, is_pull_request) in [
            ("pull_request", true),
            ("pull_request_target", true),
            ("pull_request_review", true),
            ("pull_request_review_comment", true),
            ("pull_request_comment", true),
            ("push", false),
            ("merge_group", false),
            ("workflow_dispatch", false),
            ("workflow_run", false),
            ("schedule", false),
            ("release", false),
        ] {
            assert_eq!(read("event_name", event).expect(event).is_pull_request, is_pull_request, "{event}");
        }
        for (git_ref, is_pull_request) in [
            ("refs/pull/7/merge", true),
            ("refs/pull/7/head", true),
            ("refs/heads/pull/7", false),
            ("refs/heads/refs/pull/7/head", false),
            ("", false),
        ] {
            assert_eq!(read("ref", git_ref).expect(git_ref).is_pull_request, is_pull_request, "{git_ref}");
        }
    }

    #[test]
    fn claims_that_an_older_server_leaves_out_are_none() {
        let job = read("environment", Value::Null).expect("a job").workload;
        let (environment, workflow) = (job.environment, [job.workflow_ref, job.job_workflow_ref]);
        let numbers = [job.owner_id, job.actor_id, job.run_number];
        assert_eq!((environment, workflow, numbers), (None, [None, None], [None, None, None]));
        assert_eq!(job.event_name.as_deref(), Some("push"));
        assert_eq!(read("environment", "").expect("a job").workload.environment, None);
    }

    #[test]
    fn a_job_may_be_long_named_and_without_a_ref() {
        for (claim, value) in [
            ("ref", String::new()),
            ("ref", "é".repeat(255)),
            ("sha", "a".repeat(64)),
            ("run_id", "9".repeat(20)),
            ("actor", "dependabot[bot]".to_owned()),
            ("environment", "é".repeat(255)),
            ("workflow_ref", "é".repeat(1024)),
            ("job_workflow_ref", "é".repeat(1024)),
            ("run_number", "9".repeat(20)),
        ] {
            assert!(read(claim, value.clone()).is_ok(), "{claim} {value:?}");
        }
    }
}
