//! Clicks under load: lanes of clicks that take turns, and the rows that come of them. Another row about
//! ApproveRelease itself (another store, a verified token) is one more entry in [`VARIANTS`].

use std::rc::Rc;

use anyhow::Result;

use crate::{
    Plan, click,
    contender::{Contender, Program, Running, Settings, Starter},
    load::{self, Round, Target},
    measure::{in_turn, median},
    report::{Aim, Column, Row, Unit},
};

const CONNECTIONS: [usize; 3] = [1, 16, 128];

const ONE_CONNECTION: &str = "1 connection";

/// No line per click.
const QUIET: (&str, &str) = ("RUST_LOG", "warn");

/// ApproveRelease once more, with other settings or another kind of click, at one connection.
struct Variant {
    name: &'static str,
    settings: Settings<'static>,
    click: fn() -> Result<click::Request>,
}

const VARIANTS: &[Variant] = &[
    Variant { name: "invocation payload", settings: &[QUIET], click: click::invocation },
    Variant { name: "a log line per click", settings: &[], click: click::forwarded },
];

/// Clicks of one kind to one process, so many at once, and the rounds so far.
struct Lane {
    column: Column,
    target: Target,
    connections: usize,
    rounds: Vec<Round>,
}

/// Lanes that are compared with each other.
struct Group {
    name: String,
    lanes: Vec<Lane>,
}

pub async fn clicks(
    plan: &Plan,
    starter: &Starter,
    contenders: &[Contender<'_>],
    github: Running,
) -> Result<Vec<Row>> {
    let mut groups = contender_groups(starter, contenders, Rc::new(github)).await?;
    groups.extend(variant_groups(starter).await?);
    for round in 1..=plan.rounds {
        eprintln!("Clicking, round {round} of {} …", plan.rounds);
        for lane in in_turn(round, groups.iter_mut().flat_map(|group| &mut group.lanes).collect()) {
            lane.rounds.push(load::burst(&lane.target, lane.connections, plan).await?);
        }
    }
    Ok(rows(&groups))
}

/// Every contender at every number of connections, one process each for all of them.
async fn contender_groups(
    starter: &Starter,
    contenders: &[Contender<'_>],
    github: Rc<Running>,
) -> Result<Vec<Group>> {
    let mut targets = vec![(Column::Direct, Target::github(github)?)];
    for (column, program) in contenders {
        let (running, _) = starter.start(*program, &[QUIET]).await?;
        targets.push((*column, Target::handler(running.into(), click::forwarded()?)));
    }
    let group = |connections| Group {
        name: if connections == 1 { ONE_CONNECTION.to_owned() } else { format!("{connections} connections") },
        lanes: targets
            .iter()
            .map(|(column, target)| Lane::new(*column, target.clone(), connections))
            .collect(),
    };
    Ok(CONNECTIONS.map(group).into())
}

async fn variant_groups(starter: &Starter) -> Result<Vec<Group>> {
    let mut groups = Vec::new();
    for variant in VARIANTS {
        let (running, _) = starter.start(Program::ApproveRelease, variant.settings).await?;
        let target = Target::handler(running.into(), (variant.click)()?);
        groups.push(Group {
            name: variant.name.to_owned(),
            lanes: vec![Lane::new(Column::ApproveRelease, target, 1)],
        });
    }
    Ok(groups)
}

impl Lane {
    fn new(column: Column, target: Target, connections: usize) -> Self {
        Self { column, target, connections, rounds: Vec::new() }
    }

    fn median(&self, of: fn(&Round) -> f64) -> f64 {
        median(self.rounds.iter().map(of).collect())
    }
}

fn rows(groups: &[Group]) -> Vec<Row> {
    let p50 = groups.iter().map(|group| {
        let row = row(groups, group, "click to answer p50", Unit::Milliseconds, |round| round.p50);
        if group.name == ONE_CONNECTION { row.aiming_at(Aim::TimesBareActix(1.25)) } else { row }
    });
    let p99 = groups
        .iter()
        .map(|group| row(groups, group, "click to answer p99", Unit::Milliseconds, |round| round.p99));
    let rate = groups
        .iter()
        .map(|group| row(groups, group, "clicks", Unit::PerSecond, |round| round.clicks_per_second));
    p50.chain(p99).chain(rate).collect()
}

/// Contenders that the group lacks are shown as they were in the first group, at one connection.
fn row(groups: &[Group], group: &Group, what: &str, unit: Unit, of: fn(&Round) -> f64) -> Row {
    let lanes = groups.iter().take(1).chain([group]).flat_map(|group| &group.lanes);
    Row::new(&format!("{what}, {}", group.name), unit, lanes.map(|lane| (lane.column, lane.median(of))))
}
