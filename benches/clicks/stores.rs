//! The cost of the ledger: the same clicks, with each store in turn.

use anyhow::Result;

use crate::{
    click,
    contender::{Program, QUIET, Running, Starter},
    distance::{Distance, ROUND},
    folder::Folder,
    load::{self, Round, Target},
    measure::{REST, in_turn, median},
    plan::Plan,
    report::{Comparison, Unit},
    tools::{Azurite, connection_string},
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
    /// The same, with [`ROUND`] between it and us.
    Distant(&'a Azurite),
}

/// A store, and the settings that mean it. Dropping it ends its programs.
#[derive(Default)]
struct Place {
    settings: Vec<(&'static str, String)>,
    _emulator: Option<Running>,
    distance: Option<Distance>,
}

/// The rounds of one kind of store so far: one click after the other, and many at once.
struct Store<'a> {
    kind: Kind<'a>,
    single: Vec<Round>,
    many: Vec<Round>,
    /// The calls of a click, in each of the single rounds.
    calls: Vec<f64>,
}

pub async fn compare(plan: &Plan, starter: &Starter, azurite: Option<&Azurite>) -> Result<Comparison> {
    let plan = Plan { warm_up: plan.warm_up * LONGER, window: plan.window * LONGER, ..*plan };
    let folder = Folder::new()?;
    let mut kinds = vec![Kind::Memory, Kind::Files(&folder)];
    kinds.extend(azurite.into_iter().flat_map(|azurite| [Kind::Azurite(azurite), Kind::Distant(azurite)]));
    let new = |kind| Store { kind, single: Vec::new(), many: Vec::new(), calls: Vec::new() };
    let mut stores: Vec<Store> = kinds.into_iter().map(new).collect();
    for round in 1..=plan.rounds {
        eprintln!("Clicking with every store, round {round} of {} …", plan.rounds);
        for store in in_turn(round, stores.iter_mut().collect()) {
            store.play(&plan, starter).await?;
        }
    }
    Ok(comparison(&stores))
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
        // The store is opened now, and what the first click leaves to do is done.
        load::sequence(&target, 1).await?;
        tokio::time::sleep(REST).await;
        let calls = || place.distance.as_ref().map_or(0, Distance::calls);
        let calls_before = calls();
        let single = load::burst(&target, 1, plan).await?;
        self.calls.push((calls() - calls_before) as f64 / single.clicks as f64);
        self.single.push(single);
        self.many.push(load::burst(&target, MANY, plan).await?);
        Ok(())
    }

    fn single(&self, of: fn(&Round) -> f64) -> f64 {
        median(self.single.iter().map(of).collect())
    }
}

impl Place {
    async fn new(kind: Kind<'_>, starter: &Starter) -> Result<Self> {
        let at = |url: &str| vec![("STORE_URL", url.to_owned())];
        let (azurite, is_distant) = match kind {
            Kind::Memory => return Ok(Self { settings: at("memory:"), ..Self::default() }),
            Kind::Files(folder) => return Ok(Self { settings: at(&folder.store_url()?), ..Self::default() }),
            Kind::Azurite(azurite) => (azurite, false),
            Kind::Distant(azurite) => (azurite, true),
        };
        let (emulator, _) = starter.start(Program::Azurite(azurite), &[]).await?;
        let distance = if is_distant { Some(Distance::to(emulator.address).await?) } else { None };
        let address = distance.as_ref().map_or(emulator.address, |distance| distance.address);
        let mut settings = at("az://approvals");
        settings.push(("AzureWebJobsStorage", connection_string(address)));
        Ok(Self { settings, _emulator: Some(emulator), distance })
    }
}

fn comparison(stores: &[Store]) -> Comparison {
    let away = format!("{} ms away", ROUND.as_millis());
    let title = format!(
        "The ledger: the same clicks with every store, each click another decision. Files are on the disk before a click \
         is answered; Azurite keeps its blobs in memory, and {away} each of its answers comes so much later. A click waits \
         for so many rounds as make up the difference; calls side by side are one round."
    );
    let columns = ["memory", "files", "Azurite", &away].map(str::to_owned);
    let mut comparison = Comparison::new(title, columns).with_missing("–");
    let mut row = |label: &str, unit, of: fn(&Store) -> f64| {
        comparison.row(label, unit, stores.iter().map(of).map(Some));
    };
    row("click to answer p50, 1 connection", Unit::Milliseconds, |store| store.single(|it| it.p50));
    row("click to answer p99, 1 connection", Unit::Milliseconds, |store| store.single(|it| it.p99));
    row(&format!("clicks, {MANY} connections"), Unit::PerSecond, |store| {
        median(store.many.iter().map(|it| it.clicks_per_second).collect())
    });
    if let [.., near, distant] = stores
        && matches!(distant.kind, Kind::Distant(_))
    {
        let rounds = (distant.single(|it| it.p50) - near.single(|it| it.p50)) / ROUND.as_secs_f64();
        let only = |value| [None, None, None, Some(value)];
        comparison.row("rounds waited for", Unit::Number, only(rounds));
        comparison.row(
            "calls, with those beside the answer",
            Unit::Number,
            only(median(distant.calls.clone())),
        );
    }
    comparison
}
