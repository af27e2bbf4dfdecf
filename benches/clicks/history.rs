//! Does it matter how many decisions were made before? Two histories in files, a short and a long one, each with the
//! same few messages waiting for their time, and then the same sweeps and clicks.
//!
//! The layout of the store is not known here: the objects of one delivered click are copied, and messages wait because
//! they were clicked while GitHub asked for patience.

use std::{
    ffi::OsString,
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
    rc::Rc,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use ring::digest::{SHA256, digest};

use crate::{
    click,
    contender::{Memory, Program, QUIET, Running, Starter},
    folder::Folder,
    load::{self, Target},
    measure::{at_rest, in_turn, median},
    plan::Plan,
    report::{Comparison, Unit},
};

/// Messages that every sweep looks at and leaves alone.
const WAITING: usize = 100;

/// So much older they are made, since a sweep leaves fresh ones to their click.
const AGE: Duration = Duration::from_secs(60);

const SWEEPS_PER_ROUND: usize = 3;
const CLICKS_PER_ROUND: usize = 20;

/// The number of decisions to copy before the next look at signals.
const DECISIONS_AT_ONCE: usize = 200;

/// One history, and what was measured with it.
struct History<'a> {
    folder: &'a Folder,
    running: Rc<Running>,
    memory_before: Option<Memory>,
    memory_after: Option<Memory>,
    sweeps: Vec<f64>,
    clicks: Vec<f64>,
}

pub async fn compare(plan: &Plan, starter: &Starter) -> Result<Comparison> {
    let folders = [Folder::new()?, Folder::new()?];
    // The long one first: clicks into a folder that was there before a million files came beside it were slower than
    // into that of the million, which would have hidden how the long one does.
    for (folder, objects) in folders.iter().zip(plan.history_objects).rev() {
        eprintln!("Making a history of {} objects …", thousands(objects));
        make(starter, folder, objects).await?;
    }
    settle_disk();
    let mut histories = Vec::new();
    for folder in &folders {
        histories.push(History::start(starter, folder).await?);
    }
    for round in 1..=plan.rounds {
        eprintln!("Sweeping and clicking, round {round} of {} …", plan.rounds);
        for history in in_turn(round, histories.iter_mut().collect()) {
            history.play().await?;
        }
    }
    for history in &mut histories {
        history.end().await?;
    }
    let comparison = comparison(plan, &histories);
    eprintln!("Deleting the histories …");
    Ok(comparison)
}

/// Decisions that were delivered, and [`WAITING`] that were not.
async fn make(starter: &Starter, folder: &Folder, objects: usize) -> Result<()> {
    let store = folder.store_url()?;
    let settings = [QUIET, ("STORE_URL", store.as_str())];
    clicks(starter, &settings, ("dispatched", 1)).await?;
    copy_decision(&folder.path().join("relayed"), objects).await?;

    let (busy, _) = starter.start(Program::BusyGitHub, &[]).await?;
    let busy = format!("http://{}", busy.address);
    clicks(starter, &[&settings[..], &[("GITHUB_API_URL", &busy)]].concat(), ("recorded", WAITING)).await?;
    entries(folder)?.iter().try_for_each(|entry| make_older(entry))
}

async fn clicks(
    starter: &Starter,
    settings: &[(&str, &str)],
    (outcome, clicks): (&'static str, usize),
) -> Result<()> {
    let (running, _) = starter.start(Program::ApproveRelease, settings).await?;
    let running = Rc::new(running);
    let target = Target::handler(running.clone(), click::forwarded()?).answering(outcome);
    load::sequence(&target, clicks).await?;
    drop(target);
    // The entry of a message that has arrived goes after the answer, and before the end.
    Rc::into_inner(running).context("it is still in use")?.end().await.map(drop)
}

/// Copies the only decision in `relayed` until there are so many objects.
async fn copy_decision(relayed: &Path, objects: usize) -> Result<()> {
    let [decision] = &children(relayed)?[..] else { anyhow::bail!("one click made several decisions") };
    let records = children(decision)?
        .iter()
        .map(|path| Ok((path.file_name().context("no name")?.to_owned(), fs::read(path)?)))
        .collect::<Result<Vec<(OsString, Vec<u8>)>>>()?;
    for number in 1..objects.div_ceil(records.len()) {
        let copy = relayed.join(id(number));
        fs::create_dir(&copy).with_context(|| format!("cannot make {}", copy.display()))?;
        for (name, content) in &records {
            fs::write(copy.join(name), content).context("cannot copy a record")?;
        }
        if number.is_multiple_of(DECISIONS_AT_ONCE) {
            tokio::task::yield_now().await;
        }
    }
    Ok(())
}

/// As long and as random as a real one.
fn id(number: usize) -> String {
    digest(&SHA256, &number.to_be_bytes()).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn children(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    entries.map(|entry| Ok(entry?.path())).collect()
}

/// The messages that wait.
fn entries(folder: &Folder) -> Result<Vec<PathBuf>> {
    let entries = children(&folder.path().join("pending"))?;
    ensure!(entries.len() == WAITING, "{} messages wait and not {WAITING}", entries.len());
    Ok(entries)
}

fn make_older(path: &Path) -> Result<()> {
    let file = File::options().write(true).open(path)?;
    let modified = file.metadata()?.modified()?;
    file.set_modified(modified - AGE).with_context(|| format!("cannot date {}", path.display()))
}

/// Writes all files to the disk now rather than during the measurements. If there is no `sync`, those are less quiet.
fn settle_disk() {
    if let Err(error) = Command::new("sync").status() {
        eprintln!("Cannot wait for the disk: {error}");
    }
}

impl<'a> History<'a> {
    async fn start(starter: &Starter, folder: &'a Folder) -> Result<Self> {
        let settings = [QUIET, ("STORE_URL", &folder.store_url()?)];
        let (running, _) = starter.start(Program::ApproveRelease, &settings).await?;
        let memory_before = at_rest(&running).await;
        Ok(Self {
            folder,
            running: running.into(),
            memory_before,
            memory_after: None,
            sweeps: Vec::new(),
            clicks: Vec::new(),
        })
    }

    async fn play(&mut self) -> Result<()> {
        // A sweep that did anything would say so.
        let sweep = Target::handler(self.running.clone(), click::sweep()?).answering(r#""Logs":[]"#);
        self.sweeps.push(load::sequence(&sweep, SWEEPS_PER_ROUND).await?.p50);
        let click = Target::handler(self.running.clone(), click::forwarded()?);
        self.clicks.push(load::sequence(&click, CLICKS_PER_ROUND).await?.p50);
        Ok(())
    }

    async fn end(&mut self) -> Result<()> {
        self.memory_after = at_rest(&self.running).await;
        entries(self.folder).map(drop)
    }
}

fn comparison(plan: &Plan, histories: &[History<'_>]) -> Comparison {
    let [sweeps, clicks] = [SWEEPS_PER_ROUND, CLICKS_PER_ROUND].map(|per_round| per_round * plan.rounds);
    let title = format!(
        "History: files with so many objects of delivered decisions. {WAITING} messages wait for their time and are \
         looked at by every sweep; {sweeps} sweeps and {clicks} clicks."
    );
    let columns = plan.history_objects.map(|objects| format!("{} objects", thousands(objects)));
    let mut comparison = Comparison::new(title, columns);
    let mut row = |label: &str, unit, of: fn(&History<'_>) -> Option<f64>| {
        comparison.row(label, unit, histories.iter().map(of));
    };
    row("sweep p50", Unit::Milliseconds, |history| Some(median(history.sweeps.clone())));
    row("click to answer p50, 1 connection", Unit::Milliseconds, |history| {
        Some(median(history.clicks.clone()))
    });
    row("resident before", Unit::Megabytes, |history| Some(history.memory_before.as_ref()?.resident_bytes));
    row("resident after", Unit::Megabytes, |history| Some(history.memory_after.as_ref()?.resident_bytes));
    comparison
}

/// With commas.
fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let groups = digits.as_bytes().rchunks(3).rev();
    groups.map(String::from_utf8_lossy).collect::<Vec<_>>().join(",")
}
