//! Summing up: what was checked, how long it took, what was left out.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use crate::run::Trouble;

/// How a step ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// So many checks passed and failed.
    Counted {
        /// Checks that passed.
        passed: u64,
        /// Checks that failed.
        failed: u64,
    },
    /// Not done, for this reason; said aloud in the summary.
    LeftOut(String),
}

impl Outcome {
    /// One check.
    pub(crate) fn one(passed: bool) -> Self {
        if passed { Self::Counted { passed: 1, failed: 0 } } else { Self::Counted { passed: 0, failed: 1 } }
    }
}

#[derive(Debug)]
struct Row {
    name: String,
    outcome: Outcome,
    took: Duration,
    note: String,
}

/// The steps so far.
#[derive(Debug, Default)]
pub(crate) struct Report {
    rows: Vec<Row>,
}

impl Report {
    /// Runs a step and notes how it ended; trouble is a failure with its sentence.
    pub(crate) fn step(&mut self, name: &str, work: impl FnOnce() -> Result<Outcome, Trouble>) {
        println!("\n== {name}");
        let begun = Instant::now();
        let (outcome, note) = match work() {
            Ok(outcome) => (outcome, String::new()),
            Err(trouble) => {
                eprintln!("{trouble}");
                (Outcome::one(false), trouble.to_string())
            }
        };
        self.rows.push(Row { name: name.to_owned(), outcome, took: begun.elapsed(), note });
    }

    /// Notes a step that is not done, and why.
    pub(crate) fn left_out(&mut self, name: &str, why: &str) {
        let outcome = Outcome::LeftOut(why.to_owned());
        self.rows.push(Row { name: name.to_owned(), outcome, took: Duration::ZERO, note: String::new() });
    }

    /// Prints the table and the closing line.
    pub(crate) fn close(&self) -> ExitCode {
        println!("\n{:<14} {:>8} {:>7} {:>7}", "step", "seconds", "passed", "failed");
        let (mut all_passed, mut all_failed) = (0, 0);
        for row in &self.rows {
            let seconds = row.took.as_secs_f64();
            match &row.outcome {
                Outcome::Counted { passed, failed } => {
                    all_passed += passed;
                    all_failed += failed;
                    let note = row.note.lines().next().unwrap_or_default();
                    println!("{:<14} {seconds:>8.1} {passed:>7} {failed:>7}  {note}", row.name);
                }
                Outcome::LeftOut(why) => println!("{:<14} not checked: {why}", row.name),
            }
        }
        let total: Duration = self.rows.iter().map(|row| row.took).sum();
        println!("{:<14} {:>8.1}\n", "in all", total.as_secs_f64());
        println!("{all_passed} passed, {all_failed} failed");
        if all_failed == 0 && all_passed > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}
