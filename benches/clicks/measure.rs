//! The cost of a process before and between clicks: its start, its memory, its size.

use std::{path::Path, rc::Rc, time::Duration};

use anyhow::Result;

use crate::{
    click,
    contender::{APPROVE_RELEASE, Contender, Memory, Program, Running, Settings, Starter},
    folder::Folder,
    load::{self, Target},
    plan::Plan,
    report::{Aim, Column, Row, Unit},
};

/// Memory is read when what a handler does soon after its start is done, and allocators and threads have come to rest.
pub const REST: Duration = Duration::from_millis(400);

/// Users call https, for which certificates are loaded. In these rows nothing is sent to GitHub, and nobody listens
/// where the store should be.
const HTTPS: Settings = &[
    ("GITHUB_API_URL", "https://api.github.com"),
    ("STORE_URL", "az://approvals"),
    ("AzureWebJobsStorage", "AccountName=releases;AccountKey=a2V5;BlobEndpoint=https://127.0.0.1:1/releases"),
];

/// One program's spawns so far.
struct Spawns<'a> {
    column: Column,
    program: Program<'a>,
    settings: Settings<'a>,
    seconds: Vec<f64>,
}

/// Everybody as in all other rows, and ApproveRelease once more as its users have it.
pub async fn spawns(plan: &Plan, starter: &Starter, contenders: &[Contender<'_>]) -> Result<[Row; 2]> {
    let new = |(column, program), settings| Spawns { column, program, settings, seconds: Vec::new() };
    let mut all: Vec<Spawns> = contenders.iter().map(|contender| new(*contender, &[])).collect();
    all.push(new((Column::ApproveRelease, Program::ApproveRelease), HTTPS));
    for round in 1..=plan.spawns {
        for spawns in in_turn(round, all.iter_mut().collect()) {
            let (_, time) = starter.start(spawns.program, spawns.settings).await?;
            spawns.seconds.push(time.as_secs_f64());
        }
    }
    Ok([
        spawn_row("spawn to first answer p50", &all[..contenders.len()]).with_store("memory"),
        spawn_row("spawn to first answer p50, everything by https", &all).with_store("Azure"),
    ])
}

/// The row of the medians. If a column comes twice, the later one is shown.
fn spawn_row(label: &str, all: &[Spawns]) -> Row {
    let medians = all.iter().map(|spawns| (spawns.column, median(spawns.seconds.clone())));
    Row::new(label, Unit::Milliseconds, medians).aiming_at(Aim::AtMost(1.2, Column::BareActix))
}

/// Forwards and backwards by turns, so that nobody always comes after the same neighbour.
pub fn in_turn<T>(round: usize, mut contenders: Vec<T>) -> Vec<T> {
    if round.is_multiple_of(2) {
        contenders.reverse();
    }
    contenders
}

/// The middle one of at least one value.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}

/// With decisions in files: in memory they would stay there, and be what is measured.
pub async fn memory(plan: &Plan, starter: &Starter, contenders: &[Contender<'_>]) -> Result<Vec<Row>> {
    let folder = Folder::new()?;
    let settings = [("STORE_URL", folder.store_url()?)];
    let settings = settings.each_ref().map(|(name, value)| (*name, value.as_str()));
    let mut idle = Vec::new();
    let mut used = Vec::new();
    for (column, program) in contenders {
        let running = Rc::new(starter.start(*program, &settings).await?.0);
        idle.extend(memory_at_rest(*column, &running).await);
        let target = Target::handler(running.clone(), click::forwarded()?);
        load::sequence(&target, plan.clicks_in_sequence).await?;
        used.extend(memory_at_rest(*column, &running).await);
    }
    let (https, _) = starter.start(Program::ApproveRelease, HTTPS).await?;
    let https = memory_at_rest(Column::ApproveRelease, &https).await;
    let used_label = format!("resident after {} clicks in sequence", plan.clicks_in_sequence);
    let rows = [
        memory_rows("resident idle", &idle).map(|row| row.with_store("files")),
        memory_rows("resident idle, everything by https", https.as_slice())
            .map(|row| row.with_store("Azure")),
        memory_rows(&used_label, &used).map(|row| row.with_store("files")),
    ];
    Ok(rows.into_iter().flatten().collect())
}

async fn memory_at_rest(column: Column, running: &Running) -> Option<(Column, Memory)> {
    at_rest(running).await.map(|memory| (column, memory))
}

pub async fn at_rest(running: &Running) -> Option<Memory> {
    tokio::time::sleep(REST).await;
    running.memory()
}

fn memory_rows(label: &str, memory: &[(Column, Memory)]) -> [Row; 2] {
    let resident = memory.iter().map(|(column, memory)| (*column, memory.resident_bytes));
    let anonymous = memory.iter().map(|(column, memory)| (*column, memory.anonymous_bytes));
    [
        Row::new(label, Unit::Megabytes, resident).aiming_at(Aim::Under(8e6)),
        Row::new("– of it anonymous", Unit::Megabytes, anonymous),
    ]
}

pub fn sizes(before: Option<&Path>) -> [Row; 2] {
    let size = |column, path: &Path| path.metadata().ok().map(|metadata| (column, metadata.len() as f64));
    let ours = size(Column::ApproveRelease, Path::new(APPROVE_RELEASE));
    let before = before.and_then(|before| size(Column::Before, before));
    let zip = size(Column::ApproveRelease, Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/dist.zip")));
    [
        Row::new("binary", Unit::Megabytes, ours.into_iter().chain(before)),
        Row::new("dist.zip, as `cargo xtask dist` made it", Unit::Megabytes, zip)
            .aiming_at(Aim::Under(3.5e6)),
    ]
}
