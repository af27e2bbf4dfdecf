//! What the ledger costs: the same clicks, with each store in turn.

use anyhow::Result;

use crate::{
    Plan,
    azurite::{self, Azurite},
    click,
    contender::{Program, Running, Starter},
    folder::Folder,
    lanes::QUIET,
    load::{self, Round, Target},
    measure::{in_turn, median},
    report::{Comparison, Unit},
};

/// Stores work for every click, so they are given more time than handlers that have none.
const LONGER: u32 = 3;

/// So many click at once where it is counted how many clicks a store takes.
const MANY: usize = 16;

#[derive(Clone, Copy)]
enum Kind<'a> {
    Memory,
    Files(&'a Folder),
    Azurite(&'a Azurite),
}

/// A store, and the settings that mean it.
struct Place {
    settings: Vec<(&'static str, String)>,
    _emulator: Option<Running>,
}

/// The rounds of one kind of store so far: one click after the other, and many at once.
struct Store<'a> {
    kind: Kind<'a>,
    single: Vec<Round>,
    many: Vec<Round>,
}

/// `azurite` is what to start, or why there is none.
pub async fn compare(plan: &Plan, starter: &Starter, azurite: Result<&Azurite, &str>) -> Result<Comparison> {
    let plan = Plan { warm_up: plan.warm_up * LONGER, window: plan.window * LONGER, ..*plan };
    let folder = Folder::new()?;
    let kinds = [Kind::Memory, Kind::Files(&folder)].into_iter().chain(azurite.ok().map(Kind::Azurite));
    let mut stores: Vec<Store> =
        kinds.map(|kind| Store { kind, single: Vec::new(), many: Vec::new() }).collect();
    for round in 1..=plan.rounds {
        eprintln!("Clicking with every store, round {round} of {} …", plan.rounds);
        for store in in_turn(round, stores.iter_mut().collect()) {
            store.play(&plan, starter).await?;
        }
    }
    Ok(comparison(&stores, azurite.err()))
}

impl Store<'_> {
    /// With a new store each time, since memory and Azurite get slower with every decision that they hold. Files do
    /// not, and deleting them would keep the disk busy.
    async fn play(&mut self, plan: &Plan, starter: &Starter) -> Result<()> {
        let place = Place::new(self.kind, starter).await?;
        let settings = place.settings.iter().map(|(name, value)| (*name, value.as_str()));
        let settings: Vec<_> = settings.chain([QUIET]).collect();
        let (running, _) = starter.start(Program::ApproveRelease, &settings).await?;
        let target = Target::handler(running.into(), click::forwarded()?);
        self.single.push(load::burst(&target, 1, plan).await?);
        self.many.push(load::burst(&target, MANY, plan).await?);
        Ok(())
    }
}

impl Place {
    async fn new(kind: Kind<'_>, starter: &Starter) -> Result<Self> {
        let store_url = |url: &str| ("STORE_URL", url.to_owned());
        Ok(match kind {
            Kind::Memory => Self { settings: vec![store_url("memory:")], _emulator: None },
            Kind::Files(folder) => Self { settings: vec![store_url(&folder.store_url()?)], _emulator: None },
            Kind::Azurite(azurite) => {
                let (emulator, _) = starter.start(Program::Azurite(azurite), &[]).await?;
                let account = azurite::connection_string(emulator.address);
                let settings = vec![store_url("az://approvals"), ("AzureWebJobsStorage", account)];
                Self { settings, _emulator: Some(emulator) }
            }
        })
    }
}

fn comparison(stores: &[Store], no_azurite: Option<&str>) -> Comparison {
    let title = "The ledger: the same clicks with every store, each click another decision. Files are on the disk \
                 before a click is answered; Azurite keeps its blobs in memory.";
    let mut comparison = Comparison::new(title.to_owned(), ["memory", "files", "Azurite"].map(str::to_owned))
        .with_missing(no_azurite.unwrap_or("–"));
    let mut row = |label: &str, unit, of: fn(&Store) -> f64| {
        comparison.row(label, unit, stores.iter().map(of).map(Some));
    };
    row("click to answer p50, 1 connection", Unit::Milliseconds, |store| over(&store.single, |it| it.p50));
    row("click to answer p99, 1 connection", Unit::Milliseconds, |store| over(&store.single, |it| it.p99));
    row(&format!("clicks, {MANY} connections"), Unit::PerSecond, |store| {
        over(&store.many, |it| it.clicks_per_second)
    });
    comparison
}

fn over(rounds: &[Round], of: fn(&Round) -> f64) -> f64 {
    median(rounds.iter().map(of).collect())
}
