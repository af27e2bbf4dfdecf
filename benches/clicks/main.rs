//! The weight of ApproveRelease: `cargo bench` measures it beside a bare actix-web handler, a Node.js one and a Go one
//! that do the same dispatch and check nothing, all in one run, and prints tables with ratios: that one, one of the
//! stores that decisions can live in, one of verified tokens, one of the ways in, those of rules, groups, a GitHub App
//! and comparisons, each with it and without, and those of many approvals and of long histories.
//!
//! Everything stays on loopback: GitHub is a stand-in. The contenders take turns in every round, so that a noisy
//! machine is noisy for all of them. An aim that is missed is printed, it never fails the run; a wrong answer does.
//! The variable `BEFORE` names an earlier build, which then has a column of its own.
//! `cargo bench -- --quick` is a short run for a first impression; `cargo bench -- --approvals` makes only those tables,
//! `cargo bench -- --pairs` only those with a thing and without it, and `cargo bench -- --history` only the last, with a
//! million objects: that takes minutes and 6 GB of the disk for as long.

#![expect(clippy::disallowed_methods, reason = "the benchmark measures what is outside the program, too")]

mod approvals;
mod bare;
mod click;
mod contender;
mod counts;
mod distance;
mod folder;
mod github;
mod history;
mod http;
mod identity;
mod lanes;
mod load;
mod measure;
mod pairs;
mod plan;
mod report;
mod stores;
mod surfaces;
mod tools;

use std::{rc::Rc, time::Instant};

use anyhow::{Context, Result, bail};

use crate::{
    contender::{Contender, Program, Running, Starter},
    plan::{FULL, LONG_HISTORY, Plan, QUICK},
    report::{Column, Comparison, Row},
    tools::Tools,
};

/// The role of this process: the benchmark, or one of the servers that it starts.
enum Role {
    Benchmark(Plan),
    Approvals(Plan),
    Pairs(Plan),
    History(Plan),
    GitHub { port: u16 },
    BusyGitHub { port: u16 },
    BareActix { port: u16, github: String },
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match role(&arguments)? {
        Role::Benchmark(plan) => runtime()?.block_on(until_stopped(benchmark(plan))),
        Role::Approvals(plan) => runtime()?.block_on(until_stopped(approvals(plan))),
        Role::Pairs(plan) => runtime()?.block_on(until_stopped(pairs(plan))),
        Role::History(plan) => runtime()?.block_on(until_stopped(history(plan))),
        Role::GitHub { port } => runtime()?.block_on(github::serve(port)),
        Role::BusyGitHub { port } => runtime()?.block_on(github::serve_busy(port)),
        Role::BareActix { port, github } => bare::serve(port, github),
    }
}

fn role(arguments: &[String]) -> Result<Role> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).filter(|word| *word != "--bench").collect();
    Ok(match words[..] {
        [] => Role::Benchmark(FULL),
        ["--quick"] => Role::Benchmark(QUICK),
        ["--approvals"] => Role::Approvals(FULL),
        ["--pairs"] => Role::Pairs(FULL),
        ["--history"] => Role::History(LONG_HISTORY),
        ["github", port] => Role::GitHub { port: port.parse()? },
        ["busy-github", port] => Role::BusyGitHub { port: port.parse()? },
        ["bare", port, github] => Role::BareActix { port: port.parse()?, github: github.to_owned() },
        _ => bail!("usage: cargo bench [-- --quick | --approvals | --pairs | --history]"),
    })
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start the runtime")
}

async fn benchmark(plan: Plan) -> Result<()> {
    let start = Instant::now();
    let tools = Tools::found();
    let node = tools.node.as_ref();
    let (starter, github) = Starter::with_github().await?;
    let github = Rc::new(github);
    let rows = measure_all(&plan, &starter, &tools, &github).await?;
    report::print(
        &rows,
        &node.map_or("no Node".to_owned(), |node| format!("Node {}", node.version)),
        tools.go.as_ref().map_or("no Go", |go| &go.version),
    );
    stores::compare(&plan, &starter, tools.azurite.as_ref()).await?.print();
    identity::compare(&plan, &starter, node).await?.print();
    surfaces::compare(&plan, &starter, node).await?.print();
    pairs::compare(&plan, &starter, node).await?.iter().for_each(Comparison::print);
    approvals::compare(&plan, &starter, node).await?.print();
    history::compare(&plan, &starter).await?.print();
    println!("\nThe run took {:.0} s.", start.elapsed().as_secs_f64());
    Ok(())
}

async fn approvals(plan: Plan) -> Result<()> {
    let (starter, _github) = Starter::with_github().await?;
    let node = Tools::found().node;
    surfaces::compare(&plan, &starter, node.as_ref()).await?.print();
    approvals::compare(&plan, &starter, node.as_ref()).await?.print();
    Ok(())
}

async fn pairs(plan: Plan) -> Result<()> {
    let (starter, _github) = Starter::with_github().await?;
    pairs::compare(&plan, &starter, Tools::found().node.as_ref()).await?.iter().for_each(Comparison::print);
    Ok(())
}

async fn history(plan: Plan) -> Result<()> {
    let start = Instant::now();
    let (starter, _github) = Starter::with_github().await?;
    history::compare(&plan, &starter).await?.print();
    println!("\nThe run took {:.0} s.", start.elapsed().as_secs_f64());
    Ok(())
}

fn contenders(tools: &Tools) -> Vec<Contender<'_>> {
    let before = tools.before.as_ref().map(|before| (Column::Before, Program::Before(before)));
    let bare = (Column::BareActix, Program::BareActix);
    let ours = [(Column::ApproveRelease, Program::ApproveRelease)].into_iter().chain(before).chain([bare]);
    let node = tools.node.as_ref().map(|node| (Column::Node, Program::Node(node)));
    let go = tools.go.as_ref().map(|go| (Column::Go, Program::Go(go)));
    ours.chain(node).chain(go).collect()
}

async fn measure_all(
    plan: &Plan,
    starter: &Starter,
    tools: &Tools,
    github: &Rc<Running>,
) -> Result<Vec<Row>> {
    let contenders = contenders(tools);
    eprintln!("Spawning …");
    let mut rows = Vec::from(measure::spawns(plan, starter, &contenders).await?);
    eprintln!("Clicking in sequence …");
    rows.extend(measure::memory(plan, starter, &contenders).await?);
    rows.extend(measure::sizes(tools.before.as_deref()));
    if let Some(valgrind) = &tools.valgrind {
        eprintln!("Counting instructions and allocations …");
        rows.extend(counts::rows(valgrind, starter, &contenders).await?);
    }
    rows.extend(lanes::clicks(plan, starter, &contenders, github.clone()).await?);
    Ok(rows)
}

/// Dropping the run kills its servers, so a signal has to drop it rather than end the process.
async fn until_stopped(run: impl Future<Output = Result<()>>) -> Result<()> {
    tokio::select! {
        done = run => done,
        () = stopped() => bail!("stopped by a signal"),
    }
}

#[cfg(unix)]
async fn stopped() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else { return std::future::pending().await };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}

#[cfg(not(unix))]
async fn stopped() {
    let _ = tokio::signal::ctrl_c().await;
}
