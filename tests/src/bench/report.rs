//! What a bench says: a table for people, and one JSON object for tools.

use std::fmt::{self, Write};

use serde_json::{Map, Value, json};

use super::Scale;
use super::grid::Grid;

/// The unit of a figure; it ends the figure's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Microseconds.
    Microseconds,
    /// Milliseconds.
    Milliseconds,
    /// 10⁹ bits a second.
    GigabitsPerSecond,
    /// 10⁶ bits a second.
    MegabitsPerSecond,
    /// Processor seconds for 10⁹ octets.
    CpuSecondsPerGigabyte,
    /// Things a second.
    PerSecond,
    /// 1,024 octets.
    Kibibytes,
    /// Hundredths.
    Percent,
    /// How many times as much.
    Times,
    /// A number of things.
    Count,
}

impl Unit {
    fn in_names(self) -> &'static str {
        match self {
            Self::Microseconds => "us",
            Self::Milliseconds => "ms",
            Self::GigabitsPerSecond => "gbit_s",
            Self::MegabitsPerSecond => "mbit_s",
            Self::CpuSecondsPerGigabyte => "cpu_s_gb",
            Self::PerSecond => "per_s",
            Self::Kibibytes => "kib",
            Self::Percent => "percent",
            Self::Times => "times",
            Self::Count => "count",
        }
    }

    pub(super) fn in_tables(self) -> &'static str {
        match self {
            Self::Microseconds => "µs",
            Self::Milliseconds => "ms",
            Self::GigabitsPerSecond => "Gbit/s",
            Self::MegabitsPerSecond => "Mbit/s",
            Self::CpuSecondsPerGigabyte => "CPU s/GB",
            Self::PerSecond => "/s",
            Self::Kibibytes => "KiB",
            Self::Percent => "%",
            Self::Times => "x",
            Self::Count => "",
        }
    }
}

/// What a figure should be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Aim {
    /// This or less.
    AtMost(f64),
    /// This or more.
    AtLeast(f64),
}

impl Aim {
    fn is_met(self, value: f64) -> bool {
        match self {
            Self::AtMost(most) => value <= most,
            Self::AtLeast(least) => value >= least,
        }
    }
}

impl fmt::Display for Aim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtMost(most) => write!(f, "≤ {most}"),
            Self::AtLeast(least) => write!(f, "≥ {least}"),
        }
    }
}

/// One figure.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    name: String,
    value: f64,
    unit: Unit,
    aim: Option<Aim>,
    /// It stands in a grid, so not in a line of its own.
    in_grid: bool,
}

impl Figure {
    /// Its name with the unit, as in JSON.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{}_{}", self.name, self.unit.in_names())
    }

    /// Its value.
    #[must_use]
    pub fn value(&self) -> f64 {
        self.value
    }

    /// Whether it is what it should be; nothing is demanded of a figure without an aim.
    #[must_use]
    pub fn is_met(&self) -> bool {
        self.aim.is_none_or(|aim| aim.is_met(self.value))
    }
}

/// What one bench measured.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    bench: &'static str,
    /// Exactly what was measured, in sentences.
    notes: Vec<String>,
    grids: Vec<String>,
    figures: Vec<Figure>,
}

impl Report {
    /// An empty one.
    #[must_use]
    pub fn new(bench: &'static str) -> Self {
        Self { bench, notes: Vec::new(), grids: Vec::new(), figures: Vec::new() }
    }

    /// The bench's name.
    #[must_use]
    pub fn bench(&self) -> &'static str {
        self.bench
    }

    /// Every figure.
    #[must_use]
    pub fn figures(&self) -> &[Figure] {
        &self.figures
    }

    /// Says what was measured.
    pub fn note(&mut self, text: impl Into<String>) {
        self.notes.push(text.into());
    }

    /// Adds a figure. Words of the name are joined by `_`.
    pub fn figure(&mut self, name: impl Into<String>, value: f64, unit: Unit) {
        self.figures.push(Figure { name: name.into(), value, unit, aim: None, in_grid: false });
    }

    /// Adds all figures of a grid.
    pub fn grid(&mut self, grid: &Grid) {
        self.grids.push(grid.to_string());
        let figures = grid.medians().map(|(name, value, unit)| Figure { name, value, unit, aim: None, in_grid: true });
        self.figures.extend(figures);
    }

    /// Adds a figure that should be something.
    pub fn aimed(&mut self, name: impl Into<String>, value: f64, unit: Unit, aim: Aim) {
        self.figures.push(Figure { name: name.into(), value, unit, aim: Some(aim), in_grid: false });
    }

    /// Adds a figure that should be something where the bench does enough for a figure.
    pub fn aimed_at(&mut self, scale: Scale, name: impl Into<String>, value: f64, unit: Unit, aim: Aim) {
        match scale {
            Scale::Full => self.aimed(name, value, unit, aim),
            Scale::Tiny => self.figure(name, value, unit),
        }
    }

    /// Notes how busy the machine is, `when` that was.
    pub fn note_load(&mut self, when: &str) {
        let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let load = text.split_whitespace().next().unwrap_or("unknown");
        self.note(format!("Load of the machine in the minute {when}: {load}."));
    }

    /// The figures as JSON, with the aims that were missed.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let figures: Map<String, Value> =
            self.figures.iter().map(|figure| (figure.key(), json!(rounded(figure.value)))).collect();
        let missed: Vec<String> = self.figures.iter().filter(|figure| !figure.is_met()).map(Figure::key).collect();
        json!({ "figures": figures, "missed": missed })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.bench)?;
        for note in &self.notes {
            writeln!(f, "  {note}")?;
        }
        for grid in &self.grids {
            writeln!(f, "{grid}")?;
        }
        let lines = || self.figures.iter().filter(|figure| !figure.in_grid);
        let width = lines().map(|figure| figure.name.len()).max().unwrap_or_default();
        for figure in lines() {
            let name = figure.name.replace('_', " ");
            let mut line = format!("  {name:<width$}  {:>12} {:<8}", shown(figure.value), figure.unit.in_tables());
            if let Some(aim) = figure.aim {
                let word = if figure.is_met() { "met" } else { "MISSED" };
                write!(line, "  aim {aim}: {word}")?;
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

/// Four digits that mean something are more than a busy machine gives.
fn rounded(value: f64) -> f64 {
    let digits = if value.abs() >= 1000.0 { 0 } else { 3 };
    format!("{value:.digits$}").parse().unwrap_or(value)
}

pub(super) fn shown(value: f64) -> String {
    let digits = match value.abs() {
        size if size >= 1000.0 => 0,
        size if size >= 10.0 => 1,
        _ => 2,
    };
    format!("{value:.digits$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missed_aim_is_named_in_the_table_and_in_json() {
        let mut report = Report::new("example");
        report.aimed("open_p50", 60.0, Unit::Microseconds, Aim::AtMost(50.0));
        report.aimed("flows", 60.0, Unit::PerSecond, Aim::AtLeast(50.0));
        report.figure("idle", 1234.5678, Unit::Kibibytes);
        let table = report.to_string();
        assert!(table.contains("open p50") && table.contains("aim ≤ 50: MISSED"), "{table}");
        assert!(table.contains("aim ≥ 50: met"), "{table}");
        let json = report.to_json();
        assert_eq!(json["missed"], json!(["open_p50_us"]));
        assert_eq!(json["figures"]["idle_kib"], json!(1235.0));
    }
}
