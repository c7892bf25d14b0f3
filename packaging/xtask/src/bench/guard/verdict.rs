//! What was counted against what was committed.

use std::fmt;

use serde_json::{Map, Value, json};

use super::callgrind::Counts;
use super::figures::{FILE, Figure, Figures, Machine};

/// Allocations for one operation that may come or go unseen: what comes once in a run, as the growth of a table, is spread
/// over its operations.
const ALLOCATIONS_SLACK: f64 = 0.05;

/// The same in percent. Five runs of the relays, where connection ids and keys are drawn anew, differ by up to 4.6 %; elsewhere
/// an allocation more for each operation is beyond it.
const ALLOCATIONS_PERCENT: f64 = 6.0;

/// All paths.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Verdict {
    rows: Vec<Row>,
    /// What may explain a difference on all of them.
    note: Option<String>,
}

/// One path.
#[derive(Debug, Clone, PartialEq)]
struct Row {
    path: String,
    committed: Option<Figure>,
    now: Option<Counts>,
}

/// How one path stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Fits,
    /// It takes more instructions or allocations than it may.
    Slower,
    /// It takes fewer than it may.
    Faster,
    /// It has no figure.
    New,
    /// It has a figure and is no path any more.
    Gone,
}

/// True when `now` differs from its figure by more than it may, either way.
pub(super) fn differs(figure: &Figure, now: &Counts) -> bool {
    beyond(figure, now, |more, less| more > less) || beyond(figure, now, |more, less| more < less)
}

/// True when instructions or allocations differ by more than they may, in the direction of `compare`.
fn beyond(figure: &Figure, now: &Counts, compare: fn(f64, f64) -> bool) -> bool {
    let tolerance = figure.tolerance_percent / 100.0;
    let (before, after) = (float(figure.counts.instructions), float(now.instructions));
    let instructions = (after - before).abs() > before * tolerance && compare(after, before);
    let (before, after) = (figure.counts.allocations, now.allocations);
    let slack = (before * tolerance.max(ALLOCATIONS_PERCENT / 100.0)).max(ALLOCATIONS_SLACK);
    let allocations = (after - before).abs() > slack && compare(after, before);
    instructions || allocations
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn float(count: u64) -> f64 {
    count as f64
}

impl Verdict {
    pub(super) fn new(figures: &Figures, counts: &[Counts]) -> Self {
        let row = |now: &Counts| Row {
            path: now.path.clone(),
            committed: figures.of(&now.path).cloned(),
            now: Some(now.clone()),
        };
        Self { rows: counts.iter().map(row).collect(), note: figures.machine.older_than(&Machine::here()) }
    }

    /// Adds figures of paths that are not `known` any more.
    pub(super) fn forgotten(&mut self, figures: &Figures, known: &[String]) {
        let gone = figures.paths.iter().filter(|figure| !known.contains(&figure.counts.path));
        let row =
            |figure: &Figure| Row { path: figure.counts.path.clone(), committed: Some(figure.clone()), now: None };
        self.rows.extend(gone.map(row));
    }

    /// Why this may not pass, and what to do; `None` when every path fits.
    pub(super) fn refusal(&self) -> Option<String> {
        let named = |standing: Standing| {
            let rows = self.rows.iter().filter(move |row| row.standing() == standing);
            rows.map(|row| row.path.as_str()).collect::<Vec<_>>().join(", ")
        };
        let sentences: Vec<String> = [
            (Standing::Slower, "takes more than it may; find what it does that it did not do, or accept it"),
            (
                Standing::Faster,
                "takes less than its figure; accept it, for what is gained could be lost again without anybody noticing",
            ),
            (Standing::New, "has no figure yet; accept its first"),
            (Standing::Gone, "has a figure and is no path any more; accept that"),
        ]
        .into_iter()
        .map(|(standing, what)| (named(standing), what))
        .filter(|(paths, _)| !paths.is_empty())
        .map(|(paths, what)| format!("{paths}: {what}"))
        .collect();
        if sentences.is_empty() {
            return None;
        }
        let note = self.note.as_ref().map(|note| format!("\n{note}")).unwrap_or_default();
        Some(format!(
            "instruction counts differ from {FILE}\n{}{note}\nto accept: `cargo xtask bench guard --accept \"<why>\"`, and commit \
             the file with the change",
            sentences.join("\n")
        ))
    }

    /// For programs.
    pub(super) fn object(&self) -> Map<String, Value> {
        let row = |row: &Row| {
            let before = row.committed.as_ref().map(|figure| &figure.counts);
            let of = |counts: Option<&Counts>| {
                counts.map(|counts| json!({ "instructions": counts.instructions, "allocations": counts.allocations }))
            };
            let value = json!({
                "committed": of(before), "now": of(row.now.as_ref()), "change_percent": row.change_percent(),
                "fits": row.standing() == Standing::Fits,
            });
            (row.path.clone(), value)
        };
        let paths: Map<String, Value> = self.rows.iter().map(row).collect();
        let mut object = Map::new();
        object.insert(super::NAME.to_owned(), json!({ "paths": paths, "fits": self.refusal().is_none() }));
        object
    }
}

impl Row {
    fn standing(&self) -> Standing {
        match (&self.committed, &self.now) {
            (Some(figure), Some(now)) if beyond(figure, now, |after, before| after > before) => Standing::Slower,
            (Some(figure), Some(now)) if beyond(figure, now, |after, before| after < before) => Standing::Faster,
            (Some(_), Some(_)) => Standing::Fits,
            (None, _) => Standing::New,
            (Some(_), None) => Standing::Gone,
        }
    }

    /// Of the instructions.
    fn change_percent(&self) -> Option<f64> {
        let (before, after) = (self.committed.as_ref()?.counts.instructions, self.now.as_ref()?.instructions);
        (before > 0).then(|| (float(after) / float(before) - 1.0) * 100.0)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<22} {:>12} {:>12} {:>9} {:>9} {:>12} {:>12}",
            "instructions for one", "committed", "now", "change %", "may %", "allocations", "now"
        )?;
        for row in &self.rows {
            let number =
                |counts: Option<&Counts>| counts.map_or_else(|| "-".to_owned(), |one| one.instructions.to_string());
            let calls = |counts: Option<&Counts>| {
                counts.map_or_else(|| "-".to_owned(), |one| format!("{:.2}", one.allocations))
            };
            let committed = row.committed.as_ref().map(|figure| &figure.counts);
            let may =
                row.committed.as_ref().map_or_else(|| "-".to_owned(), |figure| figure.tolerance_percent.to_string());
            let change = row.change_percent().map_or_else(|| "-".to_owned(), |change| format!("{change:+.3}"));
            let mark = match row.standing() {
                Standing::Fits => "",
                Standing::Slower => "  MORE",
                Standing::Faster => "  LESS",
                Standing::New => "  NEW",
                Standing::Gone => "  GONE",
            };
            writeln!(
                f,
                "{:<22} {:>12} {:>12} {change:>9} {may:>9} {:>12} {:>12}{mark}",
                row.path,
                number(committed),
                number(row.now.as_ref()),
                calls(committed),
                calls(row.now.as_ref()),
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(path: &str, instructions: u64, allocations: f64) -> Counts {
        Counts { path: path.to_owned(), instructions, allocations }
    }

    fn figures() -> Figures {
        let (changed, why) = ("2026-11-24".to_owned(), "first".to_owned());
        let figure = Figure { counts: counts("relay", 10_000, 3.0), tolerance_percent: 1.0, changed, why };
        Figures { machine: Machine::here(), paths: vec![figure] }
    }

    fn refusal(instructions: u64, allocations: f64) -> Option<String> {
        Verdict::new(&figures(), &[counts("relay", instructions, allocations)]).refusal()
    }

    #[test]
    fn what_is_within_tolerance_passes_either_way() {
        for instructions in [9_900, 10_000, 10_100] {
            assert_eq!(refusal(instructions, 3.0), None);
        }
    }

    #[test]
    fn a_slow_down_is_refused() {
        let sentence = refusal(10_101, 3.0).unwrap();
        assert!(sentence.contains("relay: takes more than it may"), "{sentence}");
        assert!(sentence.contains("--accept"), "{sentence}");
    }

    #[test]
    fn an_improvement_asks_to_be_accepted() {
        let sentence = refusal(9_899, 3.0).unwrap();
        assert!(sentence.contains("relay: takes less than its figure"), "{sentence}");
        assert!(sentence.contains("--accept"), "{sentence}");
    }

    #[test]
    fn an_allocation_more_is_refused_though_no_instruction_shows_it() {
        assert_eq!(refusal(10_000, 3.1), None);
        assert!(refusal(10_000, 4.0).unwrap().contains("takes more"));
        assert!(refusal(10_000, 2.0).unwrap().contains("takes less"));
    }

    #[test]
    fn a_path_without_a_figure_is_refused() {
        let verdict = Verdict::new(&figures(), &[counts("new", 7, 0.0)]);
        assert!(verdict.refusal().unwrap().contains("new: has no figure yet"));
    }

    #[test]
    fn a_figure_without_a_path_is_refused() {
        let mut verdict = Verdict::new(&figures(), &[]);
        verdict.forgotten(&figures(), &["other".to_owned()]);
        assert!(verdict.refusal().unwrap().contains("relay: has a figure and is no path any more"));
    }

    #[test]
    fn what_explains_a_difference_everywhere_is_said_with_it() {
        let mut figures = figures();
        figures.machine.valgrind = "valgrind-0".to_owned();
        let verdict = Verdict::new(&figures, &[counts("relay", 20_000, 3.0)]);
        assert!(verdict.refusal().unwrap().contains("taken with valgrind-0"));
        assert_eq!(Verdict::new(&figures, &[counts("relay", 10_000, 3.0)]).refusal(), None);
    }

    #[test]
    fn the_object_says_what_the_table_says() {
        let verdict = Verdict::new(&figures(), &[counts("relay", 11_000, 3.0)]);
        let object = Value::Object(verdict.object());
        assert_eq!(object["guard"]["fits"], false);
        assert_eq!(object["guard"]["paths"]["relay"]["now"]["instructions"], 11_000);
        assert!(verdict.to_string().contains("MORE"));
    }
}
