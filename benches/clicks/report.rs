//! The table: values side by side, ratios, and how they stand to the aims. It reads as text and as Markdown.

use std::collections::BTreeMap;

/// Who is shown in which column.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Column {
    ApproveRelease,
    BareActix,
    Node,
    /// Straight to GitHub's stand-in, without any handler.
    Direct,
}

#[derive(Clone, Copy)]
pub enum Unit {
    /// Shown so; the values are seconds.
    Milliseconds,
    /// Shown so, a million bytes each; the values are bytes.
    Megabytes,
    PerSecond,
}

/// What ApproveRelease wants to be.
#[derive(Clone, Copy)]
pub enum Aim {
    TimesBareActix(f64),
    /// In the unit of the values.
    Under(f64),
}

pub struct Row {
    label: String,
    unit: Unit,
    values: BTreeMap<Column, f64>,
    aim: Option<Aim>,
}

impl Row {
    pub fn new(label: &str, unit: Unit, values: impl IntoIterator<Item = (Column, f64)>) -> Self {
        Self { label: label.to_owned(), unit, values: values.into_iter().collect(), aim: None }
    }

    pub fn aiming_at(mut self, aim: Aim) -> Self {
        self.aim = Some(aim);
        self
    }

    fn value(&self, column: Column) -> Option<f64> {
        self.values.get(&column).copied()
    }

    fn ratio(&self, to: Column) -> Option<f64> {
        Some(self.value(Column::ApproveRelease)? / self.value(to)?)
    }

    fn cells(&self) -> Vec<String> {
        let value = |column| shown(self.value(column), |value| self.unit.show(value));
        let ratio = |to| shown(self.ratio(to), |ratio| format!("{ratio:.2}×"));
        vec![
            self.label.clone(),
            value(Column::ApproveRelease),
            value(Column::BareActix),
            value(Column::Node),
            value(Column::Direct),
            ratio(Column::BareActix),
            ratio(Column::Node),
            ratio(Column::Direct),
            self.verdict(),
        ]
    }

    fn verdict(&self) -> String {
        let (wanted, met) = match self.aim {
            None => return String::new(),
            Some(Aim::TimesBareActix(most)) => {
                (format!("≤ {most}× bare"), self.ratio(Column::BareActix).map(|ratio| ratio <= most))
            }
            Some(Aim::Under(limit)) => (
                format!("< {}", self.unit.show(limit)),
                self.value(Column::ApproveRelease).map(|value| value < limit),
            ),
        };
        format!("{wanted}: {}", shown(met, |met| if met { "met" } else { "MISSED" }.to_owned()))
    }
}

impl Unit {
    fn show(self, value: f64) -> String {
        match self {
            Self::Milliseconds => format!("{:.3} ms", value * 1e3),
            Self::Megabytes => format!("{:.2} MB", value / 1e6),
            Self::PerSecond => format!("{value:.0} /s"),
        }
    }
}

fn shown<T>(value: Option<T>, show: impl FnOnce(T) -> String) -> String {
    value.map_or_else(|| "–".to_owned(), show)
}

/// Without a version there was no Node.js.
pub fn print(rows: &[Row], node_version: Option<&str>) {
    let node = node_version
        .map_or_else(|| "no Node on this machine".to_owned(), |version| format!("Node {version}"));
    let head =
        ["", "ApproveRelease", "bare actix-web", &node, "direct", "to bare", "to Node", "to direct", "aim"];
    let mut table = vec![head.map(str::to_owned).to_vec()];
    table.extend(rows.iter().map(Row::cells));
    let widths: Vec<usize> = (0..head.len()).map(|column| width(&table, column)).collect();
    println!("\nMedians of interleaved rounds, all on this machine in this run. MB = 1,000,000 bytes.\n");
    for (at, cells) in table.iter().enumerate() {
        println!("{}", line(cells, &widths));
        if at == 0 {
            println!("{}", rule(&widths));
        }
    }
}

fn width(table: &[Vec<String>], column: usize) -> usize {
    table.iter().map(|cells| cells[column].chars().count()).max().unwrap_or_default()
}

/// The first and the last column hold words, the others numbers.
fn line(cells: &[String], widths: &[usize]) -> String {
    let last = cells.len() - 1;
    let cells = cells.iter().zip(widths).enumerate().map(|(at, (cell, width))| {
        if at == 0 || at == last { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
    });
    format!("| {} |", cells.collect::<Vec<_>>().join(" | "))
}

fn rule(widths: &[usize]) -> String {
    let last = widths.len() - 1;
    let cells = widths.iter().enumerate().map(|(at, width)| {
        if at == 0 || at == last { "-".repeat(width + 2) } else { format!("{}:", "-".repeat(width + 1)) }
    });
    format!("|{}|", cells.collect::<Vec<_>>().join("|"))
}
