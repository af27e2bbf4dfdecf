//! What it costs to know who clicked: the same clicks with and without a token that is verified.

use std::{
    io::{Read, Write},
    net::TcpStream,
};

use anyhow::{Context, Result};

use crate::{
    Plan, click,
    contender::{Node, Program, Running, Settings, Starter},
    lanes::QUIET,
    load::{self, Round, Target},
    measure::{in_turn, median},
    report::{Comparison, Unit},
};

pub const TENANT: (&str, &str) = ("ENTRA_TENANT_ID", "99999999-1111-4222-8333-444455556666");
pub const CLIENT: (&str, &str) = ("ENTRA_CLIENT_ID", "11111111-1111-4222-8333-444455556666");

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
        new(&verifying, click::forwarded_with_token(&get(&authority, "/token")?)?),
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

/// What the authority has there.
pub fn get(authority: &Running, path: &str) -> Result<String> {
    let mut stream = TcpStream::connect(authority.address).context("cannot reach the authority")?;
    write!(stream, "GET {path} HTTP/1.0\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (_, body) = answer.split_once("\r\n\r\n").context("nothing came")?;
    Ok(body.to_owned())
}
