//! The tables: values side by side, ratios, and how they stand to the aims. They read as text and as Markdown.

use std::collections::BTreeMap;

/// A column, by the contender that it shows.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Column {
    ApproveRelease,
    /// An earlier build of ApproveRelease.
    Before,
    BareActix,
    Node,
    Go,
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
    Number,
}

/// An aim for a value of ApproveRelease.
#[derive(Clone, Copy)]
pub enum Aim {
    /// So many times another one's value.
    AtMost(f64, Column),
    AtLeast(f64, Column),
    /// In the unit of the values.
    Under(f64),
}

#[derive(Clone)]
pub struct Row {
    label: String,
    /// The place where ApproveRelease keeps its decisions.
    store: &'static str,
    unit: Unit,
    values: BTreeMap<Column, f64>,
    aims: Vec<Aim>,
}

impl Row {
    pub fn new(label: &str, unit: Unit, values: impl IntoIterator<Item = (Column, f64)>) -> Self {
        Self {
            label: label.to_owned(),
            store: "",
            unit,
            values: values.into_iter().collect(),
            aims: Vec::new(),
        }
    }

    pub fn with_store(mut self, store: &'static str) -> Self {
        self.store = store;
        self
    }

    pub fn aiming_at(mut self, aim: Aim) -> Self {
        self.aim(aim);
        self
    }

    pub fn aim(&mut self, aim: Aim) {
        self.aims.push(aim);
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
            self.store.to_owned(),
            value(Column::ApproveRelease),
            value(Column::Before),
            value(Column::BareActix),
            value(Column::Node),
            value(Column::Go),
            value(Column::Direct),
            ratio(Column::Before),
            ratio(Column::BareActix),
            ratio(Column::Node),
            ratio(Column::Go),
            ratio(Column::Direct),
            self.aims.iter().map(|aim| self.verdict(*aim)).collect::<Vec<_>>().join("; "),
        ]
    }

    fn verdict(&self, aim: Aim) -> String {
        let name = |column| if column == Column::BareActix { "bare" } else { "Go" };
        let (wanted, met) = match aim {
            Aim::AtMost(most, of) => {
                (format!("≤ {most}× {}", name(of)), self.ratio(of).map(|ratio| ratio <= most))
            }
            Aim::AtLeast(least, of) => {
                (format!("≥ {least}× {}", name(of)), self.ratio(of).map(|ratio| ratio >= least))
            }
            Aim::Under(limit) => (
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
            Self::Number => format!("{value:.1}"),
        }
    }
}

fn shown<T>(value: Option<T>, show: impl FnOnce(T) -> String) -> String {
    value.map_or_else(|| "–".to_owned(), show)
}

/// The same thing under different conditions, which are the columns: values side by side, and what the later ones are
/// of the first.
pub struct Comparison {
    title: String,
    columns: Vec<String>,
    missing: String,
    rows: Vec<(String, Unit, Vec<Option<f64>>)>,
    /// Those of rows, by their places.
    aims: BTreeMap<usize, Most>,
}

/// An aim for the last column of a comparison.
#[derive(Clone, Copy)]
pub enum Most {
    /// So many times the first column's value.
    Times(f64),
    /// In the unit of the values.
    Value(f64),
}

impl Comparison {
    pub fn new(title: String, columns: impl IntoIterator<Item = String>) -> Self {
        let columns = columns.into_iter().collect();
        Self { title, columns, missing: "–".to_owned(), rows: Vec::new(), aims: BTreeMap::new() }
    }

    /// Sets the text to show for a missing value.
    pub fn with_missing(mut self, missing: &str) -> Self {
        missing.clone_into(&mut self.missing);
        self
    }

    /// A value for each column; missing are those that are `None`, and those behind the last.
    pub fn row(&mut self, label: &str, unit: Unit, values: impl IntoIterator<Item = Option<f64>>) {
        let values = values.into_iter().chain(std::iter::repeat(None)).take(self.columns.len()).collect();
        self.rows.push((label.to_owned(), unit, values));
    }

    /// Sets the aim of the last row.
    pub fn aim(&mut self, most: Most) {
        self.aims.insert(self.rows.len().saturating_sub(1), most);
    }

    pub fn print(&self) {
        let ratios = self.columns.iter().skip(1).map(|column| format!("{column} to {}", self.columns[0]));
        let head = [String::new()].into_iter().chain(self.columns.iter().cloned()).chain(ratios);
        let mut table = vec![head.collect::<Vec<_>>()];
        table.extend(self.rows.iter().map(|(label, unit, values)| self.cells(label, *unit, values)));
        let mut words = vec![0];
        if !self.aims.is_empty() {
            words.push(table[0].len());
            table[0].push("aim".to_owned());
            table[1..].iter_mut().enumerate().for_each(|(at, cells)| cells.push(self.verdict(at)));
        }
        println!("\n{}\n", self.title);
        print_table(&table, &words);
    }

    fn verdict(&self, at: usize) -> String {
        let Some(most) = self.aims.get(&at) else { return String::new() };
        let (_, unit, values) = &self.rows[at];
        let last = values.last().copied().flatten();
        let (wanted, met) = match *most {
            Most::Times(times) => {
                let most = values.first().copied().flatten().map(|first| first * times);
                (format!("≤ {times}× {}", self.columns[0]), last.zip(most).map(|(last, most)| last <= most))
            }
            Most::Value(most) => (format!("≤ {}", unit.show(most)), last.map(|last| last <= most)),
        };
        format!("{wanted}: {}", shown(met, |met| if met { "met" } else { "MISSED" }.to_owned()))
    }

    fn cells(&self, label: &str, unit: Unit, values: &[Option<f64>]) -> Vec<String> {
        let value =
            |value: &Option<f64>| value.map_or_else(|| self.missing.clone(), |value| unit.show(value));
        let ratio = |value: &Option<f64>| {
            let ratio = value.zip(values[0]).map(|(value, first)| value / first);
            let ratio = ratio.filter(|ratio| ratio.is_finite());
            shown(ratio, |ratio| format!("{ratio:.2}×"))
        };
        let values_shown = values.iter().map(value);
        [label.to_owned()].into_iter().chain(values_shown).chain(values.iter().skip(1).map(ratio)).collect()
    }
}

/// The columns of Node.js and Go are named as `node` and `go` say.
pub fn print(rows: &[Row], node: &str, go: &str) {
    let values = ["ApproveRelease", "before", "bare actix-web", node, go, "direct"];
    let head =
        [&["", "store"], &values[..], &["to before", "to bare", "to Node", "to Go", "to direct", "aim"]]
            .concat();
    let mut table = vec![head.into_iter().map(str::to_owned).collect()];
    table.extend(rows.iter().map(Row::cells));
    if rows.iter().all(|row| row.value(Column::Before).is_none()) {
        let of_before = |name: &String| matches!(name.as_str(), "before" | "to before");
        let kept: Vec<_> = table[0].iter().map(|name| !of_before(name)).collect();
        for cells in &mut table {
            let mut kept = kept.iter();
            cells.retain(|_| kept.next().is_some_and(|kept| *kept));
        }
    }
    let last = table[0].len() - 1;
    println!("\nMedians of interleaved rounds, all on this machine in this run. MB = 1,000,000 bytes.");
    println!("The store is where ApproveRelease keeps its decisions; the others keep none.\n");
    print_table(&table, &[0, 1, last]);
}

/// Its first line is the head; those columns hold words, the others numbers.
fn print_table(table: &[Vec<String>], words: &[usize]) {
    let columns = table.first().map_or(0, Vec::len);
    let columns: Vec<Shape> = (0..columns)
        .map(|column| Shape { width: width(table, column), is_words: words.contains(&column) })
        .collect();
    for (at, cells) in table.iter().enumerate() {
        println!("{}", line(cells, &columns));
        if at == 0 {
            println!("{}", rule(&columns));
        }
    }
}

/// A column's.
struct Shape {
    width: usize,
    is_words: bool,
}

fn width(table: &[Vec<String>], column: usize) -> usize {
    table.iter().map(|cells| cells[column].chars().count()).max().unwrap_or_default()
}

fn line(cells: &[String], columns: &[Shape]) -> String {
    let cells = cells.iter().zip(columns).map(|(cell, Shape { width, is_words })| {
        if *is_words { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
    });
    format!("| {} |", cells.collect::<Vec<_>>().join(" | "))
}

fn rule(columns: &[Shape]) -> String {
    let cells = columns.iter().map(|Shape { width, is_words }| {
        if *is_words { "-".repeat(width + 2) } else { format!("{}:", "-".repeat(width + 1)) }
    });
    format!("|{}|", cells.collect::<Vec<_>>().join("|"))
}
