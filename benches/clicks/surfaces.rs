//! The ways in: the same vote, by a verified person, through each of them.

use std::rc::Rc;

use anyhow::{Context, Result};
use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

use crate::{
    click::{self, CLIENT, TENANT},
    contender::{Program, QUIET, Running, Starter},
    load::{self, Round, Target},
    measure::{in_turn, median},
    plan::Plan,
    report::{Comparison, Unit},
    tools::Node,
};

/// The voter.
pub const PERSON: &str = "0a0b0c0d-1111-4222-8333-444455556666";

/// One way in, and what it showed so far.
struct Surface {
    target: Target,
    rounds: Vec<Round>,
}

pub async fn compare(plan: &Plan, starter: &Starter, node: Option<&Node>) -> Result<Comparison> {
    let Some(node) = node else { return Ok(comparison(&[]).with_missing("no Node on this machine")) };
    let (issuers, _) = starter.start(Program::Authority(node), &[TENANT, CLIENT]).await?;
    let url = |path: &str| format!("http://{}{path}", issuers.address);
    let (jobs, bot, authority) = (url("/jobs"), url("/bot"), url(""));
    let metadata = url("/bot/.well-known/openidconfiguration");
    let settings = [
        QUIET,
        TENANT,
        CLIENT,
        ("ENTRA_AUTHORITY", authority.as_str()),
        ("GITHUB_OIDC_ISSUER", &jobs),
        ("PUBLIC_URL", "https://approve.example"),
        ("APPROVERS", "*"),
        ("REQUIRE_IDENTITY", "true"),
        ("WEBSITE_AUTH_ENABLED", "True"),
        ("MicrosoftAppId", CLIENT.1),
        ("MicrosoftAppPassword", "bench"),
        ("MicrosoftAppTenantId", TENANT.1),
        ("BOT_OPENID_METADATA", &metadata),
        ("BOT_SERVICE_URL", &bot),
    ];
    let (running, _) = starter.start(Program::ApproveRelease, &settings).await?;
    let mut surfaces = surfaces(&running.into(), &issuers, &bot).await?;
    for round in 1..=plan.rounds {
        eprintln!("Voting through every way in, round {round} of {} …", plan.rounds);
        for surface in in_turn(round, surfaces.iter_mut().collect()) {
            surface.rounds.push(load::burst(&surface.target, 1, plan).await?);
        }
    }
    Ok(comparison(&surfaces))
}

/// Every vote is the first person's again, and another is needed: it is counted, and nothing follows.
async fn surfaces(running: &Rc<Running>, issuers: &Running, bot: &str) -> Result<Vec<Surface>> {
    let approval = ask(running, &issuers.get("/jobs/token").await?, 2).await?;
    let counted = |request, contains| {
        let target = Target::handler(running.clone(), request).answering(contains);
        Surface { target, rounds: Vec::new() }
    };
    Ok(vec![
        counted(click::vote(&approval, Some(&issuers.get("/token").await?))?, "counted"),
        counted(click::vote_on_page(&approval, &principal())?, "counts: 1 of 2"),
        counted(
            click::vote_in_teams(&approval, &issuers.get("/bot/token").await?, (bot, PERSON))?,
            "counts: 1 of 2",
        ),
    ])
}

/// Asks for an approval by so many people, and gives its id.
pub async fn ask(running: &Running, token: &str, approvals_required: u32) -> Result<String> {
    let mut request = click::request_approval(token, approvals_required)?;
    let answer = running.ask(request.numbered(load::next_number())).await?;
    let answer: Value = serde_json::from_str(&answer).context("no approval")?;
    let id = answer["id"].as_str().map(str::to_owned);
    id.with_context(|| format!("no id in {answer}"))
}

/// The value of App Service's header about the person who is signed in.
fn principal() -> String {
    let claims = json!([{"typ": "oid", "val": PERSON}, {"typ": "tid", "val": TENANT.1}, {"typ": "preferred_username", "val": "alex@example.com"}]);
    BASE64_STANDARD.encode(json!({"auth_typ": "aad", "claims": claims}).to_string())
}

fn comparison(surfaces: &[Surface]) -> Comparison {
    let title = "The ways in: the same vote by a verified person, which is counted and decides nothing. Kept in memory.";
    let mut comparison = Comparison::new(title.to_owned(), ["mail", "page", "bot"].map(str::to_owned));
    let mut row = |label: &str, of: fn(&Round) -> f64| {
        let values = surfaces.iter().map(|surface| Some(median(surface.rounds.iter().map(of).collect())));
        comparison.row(label, Unit::Milliseconds, values);
    };
    row("click to answer p50, 1 connection", |round| round.p50);
    row("click to answer p99, 1 connection", |round| round.p99);
    comparison
}
