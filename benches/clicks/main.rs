//! How light is ApproveRelease? `cargo bench` measures it beside a bare actix-web handler and a Node.js one
//! that do the same dispatch and check nothing, all in one run, and prints tables with ratios: that one, one of the
//! stores that decisions can live in, one of verified tokens, and one of short and long histories.
//!
//! Everything stays on loopback: GitHub is a stand-in. The contenders take turns in every round, so that a noisy
//! machine is noisy for all of them. An aim that is missed is printed, it never fails the run; a wrong answer does.
//! `cargo bench -- --quick` is a short run for a first impression; `cargo bench -- --approvals` makes only those tables, and
//! `cargo bench -- --history` only the last, with a million objects: that takes minutes and 6 GB of the disk for as long.

#![expect(clippy::disallowed_methods, reason = "the benchmark measures what is outside the program, too")]

mod approvals;
mod azurite;
mod bare;
mod click;
mod contender;
mod folder;
mod github;
mod history;
mod http;
mod identity;
mod lanes;
mod load;
mod measure;
mod report;
mod stores;
mod surfaces;

use std::{
    rc::Rc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

use crate::{
    azurite::Azurite,
    contender::{Contender, Node, Program, Running, Starter},
    report::{Column, Row},
};

/// How much is measured. Many short rounds: what disturbs the machine then disturbs everybody alike.
pub struct Plan {
    /// How often each program is started.
    pub spawns: usize,
    /// How many clicks follow each other on one connection.
    pub clicks_in_sequence: usize,
    /// How many rounds of those there are.
    pub rounds: usize,
    /// How long the clicks on many connections go on before they are counted.
    pub warm_up: Duration,
    /// How long they are counted.
    pub window: Duration,
    /// How many objects a short and a long history have.
    pub history_objects: [usize; 2],
    /// How many approvals few are, and many.
    pub approvals: [usize; 2],
}

const FULL: Plan = Plan {
    spawns: 60,
    clicks_in_sequence: 10_000,
    rounds: 15,
    warm_up: Duration::from_millis(60),
    window: Duration::from_millis(240),
    history_objects: [3_000, 30_000],
    approvals: [10, 10_000],
};

const QUICK: Plan = Plan { spawns: 10, clicks_in_sequence: 1_000, rounds: 3, approvals: [10, 1_000], ..FULL };

const LONG_HISTORY: Plan = Plan { history_objects: [10_000, 1_000_000], ..FULL };

/// What this process is: the benchmark, or one of the servers that it starts.
enum Role {
    Benchmark(Plan),
    Approvals(Plan),
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
        ["--history"] => Role::History(LONG_HISTORY),
        ["github", port] => Role::GitHub { port: port.parse()? },
        ["busy-github", port] => Role::BusyGitHub { port: port.parse()? },
        ["bare", port, github] => Role::BareActix { port: port.parse()?, github: github.to_owned() },
        _ => bail!("usage: cargo bench [-- --quick | --approvals | --history]"),
    })
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start the runtime")
}

async fn benchmark(plan: Plan) -> Result<()> {
    let start = Instant::now();
    let node = contender::find_node();
    let azurite = find_azurite(node.as_ref());
    let (starter, github) = Starter::with_github().await?;
    let github = Rc::new(github);
    let rows = measure_all(&plan, &starter, &contenders(node.as_ref()), &github).await?;
    let stores = stores::compare(&plan, &starter, azurite.as_ref().map_err(|reason| *reason)).await?;
    let identity = identity::compare(&plan, &starter, node.as_ref()).await?;
    let surfaces = surfaces::compare(&plan, &starter, node.as_ref()).await?;
    let approvals = approvals::compare(&plan, &starter, node.as_ref()).await?;
    let history = history::compare(&plan, &starter).await?;
    report::print(&rows, node.as_ref().map(|node| node.version.as_str()));
    stores.print();
    identity.print();
    surfaces.print();
    approvals.print();
    history.print();
    println!("\nThe run took {:.0} s.", start.elapsed().as_secs_f64());
    Ok(())
}

async fn approvals(plan: Plan) -> Result<()> {
    let (starter, _github) = Starter::with_github().await?;
    let node = contender::find_node();
    surfaces::compare(&plan, &starter, node.as_ref()).await?.print();
    approvals::compare(&plan, &starter, node.as_ref()).await?.print();
    Ok(())
}

async fn history(plan: Plan) -> Result<()> {
    let start = Instant::now();
    let (starter, _github) = Starter::with_github().await?;
    history::compare(&plan, &starter).await?.print();
    println!("\nThe run took {:.0} s.", start.elapsed().as_secs_f64());
    Ok(())
}

/// Or why there is none.
fn find_azurite(node: Option<&Node>) -> Result<Azurite, &'static str> {
    Azurite::installed(node.ok_or("no Node on this machine")?).map_err(|error| {
        eprintln!("No Azurite: {error:#}");
        "cannot be installed"
    })
}

fn contenders(node: Option<&Node>) -> Vec<Contender<'_>> {
    let ours = [(Column::ApproveRelease, Program::ApproveRelease), (Column::BareActix, Program::BareActix)];
    ours.into_iter().chain(node.map(|node| (Column::Node, Program::Node(node)))).collect()
}

async fn measure_all(
    plan: &Plan,
    starter: &Starter,
    contenders: &[Contender<'_>],
    github: &Rc<Running>,
) -> Result<Vec<Row>> {
    eprintln!("Spawning …");
    let mut rows = Vec::from(measure::spawns(plan, starter, contenders).await?);
    eprintln!("Clicking in sequence …");
    rows.extend(measure::memory(plan, starter, contenders).await?);
    rows.extend(measure::sizes());
    rows.extend(lanes::clicks(plan, starter, contenders, github.clone()).await?);
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
