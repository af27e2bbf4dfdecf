//! The cost of a click however busy the machine is: instructions and allocations, as Valgrind counts them.

use std::{path::Path, rc::Rc};

use anyhow::{Context, Result};

use crate::{
    click,
    contender::{Contender, Program, QUIET, Starter},
    load::{self, Target},
    report::{Row, Unit},
};

/// The clicks of a shorter run and of a longer one. The difference gives the cost of a click.
const CLICKS: [usize; 2] = [100, 600];

/// One of Valgrind's tools.
struct Counter {
    label: &'static str,
    options: &'static [&'static str],
    /// The words before and after the sum, which it says at the end.
    around: [&'static str; 2],
}

const COUNTERS: [Counter; 2] = [
    Counter {
        label: "instructions a click",
        options: &["--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"],
        around: ["refs:", "\n"],
    },
    Counter {
        label: "allocations a click",
        options: &["--tool=memcheck"],
        around: ["total heap usage:", "allocs"],
    },
];

pub async fn rows(valgrind: &Path, starter: &Starter, contenders: &[Contender<'_>]) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for counter in COUNTERS {
        let mut values = Vec::new();
        // Node.js and Go compile or run with a collector of their own, whose work is not a click's.
        let native = |program: &Program| !matches!(program, Program::Node(_) | Program::Go(_));
        for (column, program) in contenders.iter().filter(|(_, program)| native(program)) {
            let program = Program::Under(valgrind, counter.options, program);
            let [fewer, more] = CLICKS;
            let before = counter.sum(starter, program, fewer).await?;
            let after = counter.sum(starter, program, more).await?;
            values.push((*column, (after - before) / (more - fewer) as f64));
        }
        rows.push(Row::new(counter.label, Unit::Number, values).with_store("memory"));
    }
    Ok(rows)
}

impl Counter {
    /// The count from a program's start to its end, with so many clicks.
    async fn sum(&self, starter: &Starter, program: Program<'_>, clicks: usize) -> Result<f64> {
        let (running, _) = starter.start(program, &[QUIET]).await?;
        let running = Rc::new(running);
        load::sequence(&Target::handler(running.clone(), click::forwarded()?), clicks).await?;
        let said = Rc::into_inner(running).context("it is still in use")?.end().await?;
        self.number(&said).with_context(|| format!("no count in {said}"))
    }

    fn number(&self, said: &str) -> Option<f64> {
        let [before, after] = self.around;
        let number = said.split_once(before)?.1.split_once(after)?.0;
        number.trim().replace(',', "").parse().ok()
    }
}
