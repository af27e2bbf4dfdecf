//! Requested approvals: how long a job that asks waits, and a person who looks; with few of them in the store, and with
//! many.
//!
//! Some wait for a decision. The others are copies of one that was decided, a hundred on each day before.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    rc::Rc,
};

use anyhow::{Context, Result, ensure};
use chrono::{Days, NaiveDate};

use crate::{
    click::{self, CLIENT, TENANT},
    contender::{Memory, Program, QUIET, Running, Starter},
    folder::Folder,
    load::{self, Target},
    measure::{at_rest, in_turn, median},
    plan::Plan,
    report::{Comparison, Unit},
    tools::Node,
};

/// All rounds together stay under the 300 approvals that a run may have open.
const LOOKS_PER_ROUND: usize = 15;

/// So many wait for a decision.
const WAITING: usize = 10;

/// So many were decided on each day.
const A_DAY: usize = 100;

/// A deployment with so many approvals, and what was measured with it.
struct Deployment {
    running: Rc<Running>,
    token: String,
    approval: String,
    memory: Option<Memory>,
    /// NewRequest, polling, the page, the list; in seconds.
    times: [Vec<f64>; 4],
}

pub async fn compare(plan: &Plan, starter: &Starter, node: Option<&Node>) -> Result<Comparison> {
    let Some(node) = node else { return Ok(comparison(plan, &[]).with_missing("no Node on this machine")) };
    let (issuer, _) = starter.start(Program::Authority(node), &[TENANT, CLIENT]).await?;
    let folders = [Folder::new()?, Folder::new()?];
    let mut deployments = Vec::new();
    for (folder, count) in folders.iter().zip(plan.approvals) {
        eprintln!("Making {count} approvals …");
        deployments.push(Deployment::with(count, starter, (folder, &issuer)).await?);
    }
    for round in 1..=plan.rounds {
        eprintln!("NewRequest and looking, round {round} of {} …", plan.rounds);
        for deployment in in_turn(round, deployments.iter_mut().collect()) {
            deployment.play().await?;
        }
    }
    for deployment in &mut deployments {
        deployment.memory = at_rest(&deployment.running).await;
    }
    Ok(comparison(plan, &deployments))
}

impl Deployment {
    /// In a dry run, so that the page needs no sign-in; GitHub has no part in asking and looking.
    async fn with(count: usize, starter: &Starter, (folder, issuer): (&Folder, &Running)) -> Result<Self> {
        let (store, oidc) = (folder.store_url()?, format!("http://{}/jobs", issuer.address));
        let settings = [
            QUIET,
            ("STORE_URL", store.as_str()),
            ("GITHUB_OIDC_ISSUER", &oidc),
            ("PUBLIC_URL", "https://approve.example"),
            ("APPROVERS", "*"),
            ("DRY_RUN", "true"),
        ];
        let (running, _) = starter.start(Program::ApproveRelease, &settings).await?;
        let (running, token) = (Rc::new(running), issuer.get("/jobs/token").await?);
        let decided = ask_one(&running, &token, folder).await?;
        let vote = Target::handler(running.clone(), click::vote(&decided, None)?).answering("dry-run");
        load::sequence(&vote, 1).await?;
        load::sequence(&asking(&running, &token)?, WAITING - 1).await?;
        let approval = ask_one(&running, &token, folder).await?;
        copy(folder.path(), &decided, count - WAITING)?;
        Ok(Self { running, token, approval, memory: None, times: Default::default() })
    }

    async fn play(&mut self) -> Result<()> {
        let look = |path: &str, token: Option<&str>, contains| {
            let request = click::look(path, token)?;
            anyhow::Ok(Target::handler(self.running.clone(), request).answering(contains))
        };
        let targets = [
            asking(&self.running, &self.token)?,
            look(&format!("/api/RequestApproval/{}", self.approval), Some(&self.token), "pending")?,
            look(&format!("/api/approvals/{}", self.approval), None, "Waiting for approval")?,
            look("/api/approvals", None, "Waiting for a decision")?,
        ];
        for (target, times) in targets.iter().zip(&mut self.times) {
            times.push(load::sequence(target, LOOKS_PER_ROUND).await?.p50);
        }
        Ok(())
    }
}

fn asking(running: &Rc<Running>, token: &str) -> Result<Target> {
    let target = Target::handler(running.clone(), click::request_approval(token, 1)?);
    Ok(target.with_status(201).answering("pending"))
}

/// Asks once more, and gives the new approval's id, which is the greatest.
async fn ask_one(running: &Rc<Running>, token: &str, folder: &Folder) -> Result<String> {
    load::sequence(&asking(running, token)?, 1).await?;
    let requested = folder.path().join("dry-run/requested");
    let entries = fs::read_dir(&requested).with_context(|| format!("cannot list {}", requested.display()))?;
    let ids = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    ids.max().context("there is no approval")
}

/// Copies all that there is about the approval `id` until there are so many of it, each under an id of its own.
fn copy(store: &Path, id: &str, count: usize) -> Result<()> {
    let files = files_about(store, id)?;
    ensure!(files.len() >= 3, "only {} files are about an approval", files.len());
    for number in 1..count {
        let other = format!("{}{number:012x}", &id[..id.len() - 12]);
        for (path, content) in &files {
            let path = path.replace(id, &other);
            let path = store.join(on_day_before(&path, number / A_DAY + 1));
            fs::create_dir_all(path.parent().context("no folder")?)?;
            fs::write(&path, content.replace(id, &other)).context("cannot copy a file")?;
        }
    }
    Ok(())
}

/// Paths and contents of the files that name `id`, without what leads the timer to it.
fn files_about(store: &Path, id: &str) -> Result<BTreeMap<String, String>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![store.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let path: PathBuf = entry?.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.strip_prefix(store)?.to_str().context("a path that is no text")?.to_owned();
            if name.contains(id) && !name.contains("/pending/") {
                files.insert(name, fs::read_to_string(&path)?);
            }
        }
    }
    Ok(files)
}

/// The same path, where a day stands in it so many days earlier.
fn on_day_before(path: &str, days: usize) -> String {
    let earlier = |part: &str| match part.parse::<NaiveDate>() {
        Ok(day) => (day - Days::new(days as u64)).to_string(),
        Err(_) => part.to_owned(),
    };
    path.split('/').map(earlier).collect::<Vec<_>>().join("/")
}

fn comparison(plan: &Plan, deployments: &[Deployment]) -> Comparison {
    let title = format!(
        "Requested approvals, in files: {WAITING} wait, the others were decided before, {A_DAY} a day. {} of each kind of \
         request, one connection; what is asked for waits, too.",
        LOOKS_PER_ROUND * plan.rounds
    );
    let columns = plan.approvals.map(|count| format!("{count} approvals"));
    let mut comparison = Comparison::new(title, columns);
    let labels = ["job asks, to answer p50", "job polls p50", "page p50", "list p50"];
    for (at, label) in labels.into_iter().enumerate() {
        let p50 = |deployment: &Deployment| Some(median(deployment.times[at].clone()));
        comparison.row(label, Unit::Milliseconds, deployments.iter().map(p50));
    }
    let resident = |deployment: &Deployment| Some(deployment.memory.as_ref()?.resident_bytes);
    comparison.row("resident after", Unit::Megabytes, deployments.iter().map(resident));
    comparison
}
