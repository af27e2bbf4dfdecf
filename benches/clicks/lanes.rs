//! Clicks under load: lanes of clicks that take turns, and the rows that come of them. Another row about
//! ApproveRelease itself (a verified token, say) is one more entry in [`VARIANTS`].
//!
//! Decisions are kept in memory here, so that it is our own code that is compared; what the stores cost is a table of
//! its own.

use std::rc::Rc;

use anyhow::Result;

use crate::{
    click,
    contender::{Contender, Program, QUIET, Running, Settings, Starter},
    load::{self, Round, Target},
    measure::{in_turn, median},
    plan::Plan,
    report::{Aim, Column, Row, Unit},
};

const CONNECTIONS: [usize; 3] = [1, 16, 128];

/// The place in [`CONNECTIONS`] of the number that the aims for throughput are about.
const AIMED_AT: usize = 1;

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

/// A process, and the clicks that it gets.
struct Handler<'a> {
    program: Program<'a>,
    settings: Settings<'static>,
    click: fn() -> Result<click::Request>,
    target: Target,
}

/// Clicks to one handler, so many at once, and the rounds so far.
struct Lane {
    column: Column,
    /// The place of the handler in their list.
    handler: usize,
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
    github: Rc<Running>,
) -> Result<Vec<Row>> {
    let mut handlers = handlers(starter, contenders, github).await?;
    let mut groups = groups(contenders);
    for round in 1..=plan.rounds {
        eprintln!("Clicking, round {round} of {} …", plan.rounds);
        for handler in &mut handlers {
            handler.renew(starter).await?;
        }
        for lane in in_turn(round, groups.iter_mut().flat_map(|group| &mut group.lanes).collect()) {
            let target = &handlers[lane.handler].target;
            lane.rounds.push(load::burst(target, lane.connections, plan).await?);
        }
    }
    Ok(rows(&groups))
}

/// GitHub's stand-in, the contenders and the variants, in this order.
async fn handlers<'a>(
    starter: &Starter,
    contenders: &[Contender<'a>],
    github: Rc<Running>,
) -> Result<Vec<Handler<'a>>> {
    let direct = Target::github(github)?;
    let mut handlers =
        vec![Handler { program: Program::GitHub, settings: &[], click: click::dispatch, target: direct }];
    for (_, program) in contenders {
        handlers.push(Handler::start(starter, *program, &[QUIET], click::forwarded).await?);
    }
    for variant in VARIANTS {
        let Variant { settings, click, .. } = variant;
        handlers.push(Handler::start(starter, Program::ApproveRelease, settings, *click).await?);
    }
    Ok(handlers)
}

/// Every contender at every number of connections, and every variant at one.
fn groups(contenders: &[Contender<'_>]) -> Vec<Group> {
    let columns = || [Column::Direct].into_iter().chain(contenders.iter().map(|(column, _)| *column));
    let everybody = CONNECTIONS.map(|connections| Group {
        name: format!("{connections} connection{}", if connections == 1 { "" } else { "s" }),
        lanes: columns().enumerate().map(|(at, column)| Lane::new(column, at, connections)).collect(),
    });
    let variants = VARIANTS.iter().zip(columns().count()..).map(|(variant, at)| Group {
        name: variant.name.to_owned(),
        lanes: vec![Lane::new(Column::ApproveRelease, at, 1)],
    });
    everybody.into_iter().chain(variants).collect()
}

impl<'a> Handler<'a> {
    async fn start(
        starter: &Starter,
        program: Program<'a>,
        settings: Settings<'static>,
        click: fn() -> Result<click::Request>,
    ) -> Result<Self> {
        let (running, _) = starter.start(program, settings).await?;
        Ok(Self { program, settings, click, target: Target::handler(running.into(), click()?) })
    }

    /// Starts ApproveRelease again, whose memory is slower the more decisions it holds. The others hold none, and
    /// Node.js would have to warm up again.
    async fn renew(&mut self, starter: &Starter) -> Result<()> {
        if matches!(self.program, Program::ApproveRelease | Program::Before(_)) {
            *self = Self::start(starter, self.program, self.settings, self.click).await?;
        }
        Ok(())
    }
}

impl Lane {
    fn new(column: Column, handler: usize, connections: usize) -> Self {
        Self { column, handler, connections, rounds: Vec::new() }
    }

    fn median(&self, of: fn(&Round) -> Option<f64>) -> Option<f64> {
        Some(median(self.rounds.iter().map(of).collect::<Option<_>>()?))
    }
}

fn rows(groups: &[Group]) -> Vec<Row> {
    let each = |what, unit, of: fn(&Round) -> Option<f64>| {
        groups.iter().map(|group| row(groups, group, what, unit, of)).collect::<Vec<_>>()
    };
    let mut p50 = each("click to answer p50", Unit::Milliseconds, |round| Some(round.p50));
    let p99 = each("click to answer p99", Unit::Milliseconds, |round| Some(round.p99));
    let mut rate = each("clicks", Unit::PerSecond, |round| Some(round.clicks_per_second));
    let cpu = each("CPU time a click", Unit::Milliseconds, |round| round.cpu_per_click);
    p50[0].aim(Aim::AtMost(1.25, Column::BareActix));
    rate[AIMED_AT].aim(Aim::AtLeast(0.85, Column::BareActix));
    rate[AIMED_AT].aim(Aim::AtLeast(1.0, Column::Go));
    [p50, p99, rate, cpu].concat()
}

/// Contenders that the group lacks are shown as they were in the first group, at one connection. The time of GitHub's
/// stand-in is nobody's.
fn row(groups: &[Group], group: &Group, what: &str, unit: Unit, of: fn(&Round) -> Option<f64>) -> Row {
    let lanes = groups.iter().take(1).chain([group]).flat_map(|group| &group.lanes);
    let values = lanes.filter_map(|lane| Some((lane.column, lane.median(of)?)));
    Row::new(&format!("{what}, {}", group.name), unit, values).with_store("memory")
}
