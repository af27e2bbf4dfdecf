//! How light is ApproveRelease? `cargo bench` measures it beside a bare actix-web handler and a Node.js one
//! that do the same dispatch and check nothing, all in one run, and prints one table with ratios.
//!
//! Everything stays on loopback: GitHub is a stand-in. The contenders take turns in every round, so that a noisy
//! machine is noisy for all of them. An aim that is missed is printed, it never fails the run; a wrong answer does.
//! `cargo bench -- --quick` is a short run for a first impression.

mod bare;
mod click;
mod contender;
mod github;
mod http;
mod lanes;
mod load;
mod measure;
mod report;

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::{
    contender::{Contender, Node, Program, Starter},
    report::{Column, Row},
};

/// How much is measured. Many short rounds: what disturbs the machine then disturbs everybody alike.
pub struct Plan {
    pub spawns: usize,
    pub clicks_in_sequence: usize,
    pub rounds: usize,
    pub warm_up: Duration,
    pub window: Duration,
}

const FULL: Plan = Plan {
    spawns: 60,
    clicks_in_sequence: 10_000,
    rounds: 15,
    warm_up: Duration::from_millis(60),
    window: Duration::from_millis(240),
};

const QUICK: Plan = Plan { spawns: 10, clicks_in_sequence: 1_000, rounds: 3, ..FULL };

/// What this process is: the benchmark, or one of the servers that it starts.
enum Role {
    Benchmark(Plan),
    GitHub { port: u16 },
    BareActix { port: u16, github: String },
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match role(&arguments)? {
        Role::Benchmark(plan) => runtime()?.block_on(until_stopped(benchmark(plan))),
        Role::GitHub { port } => runtime()?.block_on(github::serve(port)),
        Role::BareActix { port, github } => bare::serve(port, github),
    }
}

fn role(arguments: &[String]) -> Result<Role> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).filter(|word| *word != "--bench").collect();
    Ok(match words[..] {
        [] => Role::Benchmark(FULL),
        ["--quick"] => Role::Benchmark(QUICK),
        ["github", port] => Role::GitHub { port: port.parse()? },
        ["bare", port, github] => Role::BareActix { port: port.parse()?, github: github.to_owned() },
        _ => bail!("usage: cargo bench [-- --quick]"),
    })
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start the runtime")
}

async fn benchmark(plan: Plan) -> Result<()> {
    let start = Instant::now();
    let node = contender::find_node();
    let rows = measure_all(&plan, &contenders(node.as_ref())).await?;
    report::print(&rows, node.as_ref().map(|node| node.version.as_str()));
    println!("\nThe run took {:.0} s.", start.elapsed().as_secs_f64());
    Ok(())
}

fn contenders(node: Option<&Node>) -> Vec<Contender<'_>> {
    let ours = [(Column::ApproveRelease, Program::ApproveRelease), (Column::BareActix, Program::BareActix)];
    ours.into_iter().chain(node.map(|node| (Column::Node, Program::Node(node)))).collect()
}

async fn measure_all(plan: &Plan, contenders: &[Contender<'_>]) -> Result<Vec<Row>> {
    let (starter, github) = Starter::with_github().await?;
    eprintln!("Spawning …");
    let mut rows = Vec::from(measure::spawns(plan, &starter, contenders).await?);
    eprintln!("Clicking in sequence …");
    rows.extend(measure::memory(plan, &starter, contenders).await?);
    rows.extend(measure::sizes());
    rows.extend(lanes::clicks(plan, &starter, contenders, github).await?);
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
