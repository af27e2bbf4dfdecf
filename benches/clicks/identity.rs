//! The cost of knowing who clicked: the same clicks with and without a token that is verified.

use anyhow::Result;

use crate::{
    click::{self, CLIENT, TENANT},
    contender::{Program, QUIET, Settings, Starter},
    load::{self, Round, Target},
    measure::{in_turn, median},
    plan::Plan,
    report::{Comparison, Unit},
    tools::Node,
};

/// One kind of handler: what it is told, how its clicks look, and what it showed so far.
struct Kind<'a> {
    settings: Settings<'a>,
    click: click::Request,
    spawns: Vec<f64>,
    rounds: Vec<Round>,
}

/// Without Node.js there is nobody who signs tokens.
pub async fn compare(plan: &Plan, starter: &Starter, node: Option<&Node>) -> Result<Comparison> {
    let Some(node) = node else { return Ok(comparison(&[]).with_missing("no Node on this machine")) };
    let (authority, _) = starter.start(Program::Authority(node), &[TENANT, CLIENT]).await?;
    let url = format!("http://{}", authority.address);
    let verifying = [
        QUIET,
        TENANT,
        CLIENT,
        ("ENTRA_AUTHORITY", url.as_str()),
        ("REQUIRE_IDENTITY", "true"),
        ("APPROVERS", "*"),
    ];
    let new = |settings, click| Kind { settings, click, spawns: Vec::new(), rounds: Vec::new() };
    let mut kinds = [
        new(&[QUIET], click::forwarded()?),
        new(&verifying, click::forwarded_with_token(&authority.get("/token").await?)?),
    ];
    for round in 1..=plan.rounds {
        eprintln!("Clicking with and without a token, round {round} of {} …", plan.rounds);
        for kind in in_turn(round, kinds.iter_mut().collect()) {
            kind.play(plan, starter).await?;
        }
    }
    Ok(comparison(&kinds))
}

impl Kind<'_> {
    async fn play(&mut self, plan: &Plan, starter: &Starter) -> Result<()> {
        let (running, spawn) = starter.start(Program::ApproveRelease, self.settings).await?;
        self.spawns.push(spawn.as_secs_f64());
        let target = Target::handler(running.into(), self.click.clone());
        self.rounds.push(load::burst(&target, 1, plan).await?);
        Ok(())
    }
}

fn comparison(kinds: &[Kind]) -> Comparison {
    let title = "Identity: the same clicks with and without a token, whose issuer's keys are known after the first. \
                 Decisions are kept in memory.";
    let mut comparison = Comparison::new(title.to_owned(), ["no token", "verified token"].map(str::to_owned));
    let mut row = |label: &str, of: fn(&Kind) -> f64| {
        comparison.row(label, Unit::Milliseconds, kinds.iter().map(of).map(Some));
    };
    row("spawn to first answer p50", |kind| median(kind.spawns.clone()));
    row("click to answer p50, 1 connection", |kind| median(kind.rounds.iter().map(|it| it.p50).collect()));
    row("click to answer p99, 1 connection", |kind| median(kind.rounds.iter().map(|it| it.p99).collect()));
    comparison
}
