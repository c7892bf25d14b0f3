//! How long one answer of the rules takes. The bench itself is the policy crate's, so that it is measured in one way only.

use std::time::Instant;

use hitotsu_policy::bench::{Size, run as ask};

use super::Scale;
use super::report::{Aim, Report, Unit};

/// Runs it.
///
/// # Panics
/// If the bundle of its making does not compile.
pub async fn run(scale: Scale) -> Report {
    let full = Size { rules: 500, resources: 200, people: 2_000, questions: 20_000 };
    let size = scale.pick(full, Size { rules: 40, resources: 10, people: 30, questions: 50 });
    let clock = Instant::now();
    let asking = tokio::task::spawn_blocking(move || ask(size, || clock.elapsed()));
    let figures = asking.await.expect("ran").unwrap_or_else(|errors| panic!("{errors}"));
    let mut report = Report::new("decide");
    let Size { rules, resources, people, questions } = size;
    report.note(format!("{rules} rules, {resources} resources, {people} people; {questions} questions of each kind."));
    report.note("prepare: a person's facts made ready, once for each evidence. new: a question not asked before.");
    for (name, value) in figures.rows() {
        let (name, unit) = match name.rsplit_once('_') {
            Some((name, "us")) => (name, Unit::Microseconds),
            Some((name, "ms")) => (name, Unit::Milliseconds),
            Some((name, "percent")) => (name, Unit::Percent),
            _ => (name, Unit::Count),
        };
        match name {
            "new_p50" => report.aimed(name, value, unit, Aim::AtMost(100.0)),
            "remembered_p50" => report.aimed(name, value, unit, Aim::AtMost(5.0)),
            _ => report.figure(name, value, unit),
        }
    }
    report
}
