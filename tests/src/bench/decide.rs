//! How long one answer of the rules takes. The bench itself is the policy crate's, so that it is measured in one way only.

use std::time::Instant;

use hitotsu_policy::bench::{Size, files, run as ask};
use hitotsu_policy::bundle::Bundle;

use super::Scale;
use super::process_figures::resident_kib;
use super::report::{Aim, Report, Unit};

/// Runs it.
///
/// # Panics
/// If the bundle of its making does not compile.
pub async fn run(scale: Scale) -> Report {
    let full = Size { rules: 2_000, resources: 500, people: 20_000, questions: 20_000 };
    let size = scale.pick(full, Size { rules: 40, resources: 10, people: 30, questions: 50 });
    let clock = Instant::now();
    let asking = tokio::task::spawn_blocking(move || (held_kib(size), ask(size, || clock.elapsed())));
    let (held, figures) = asking.await.expect("ran");
    let figures = figures.unwrap_or_else(|errors| panic!("{errors}"));
    let mut report = Report::new("decide");
    let Size { rules, resources, people, questions } = size;
    report.note(format!("{rules} rules, {resources} resources, {people} people; {questions} questions of each kind."));
    report.note("prepare: a person's facts made ready, once for each evidence. new: a question not asked before.");
    report.note("bundle: resident memory after compiling, less that before; what compiling left behind is in it.");
    report.aimed("bundle", held, Unit::Kibibytes, Aim::AtMost(100.0 * 1024.0));
    for (name, value) in figures.rows() {
        let (name, unit) = match name.rsplit_once('_') {
            Some((name, "us")) => (name, Unit::Microseconds),
            Some((name, "ms")) => (name, Unit::Milliseconds),
            Some((name, "percent")) => (name, Unit::Percent),
            _ => (name, Unit::Count),
        };
        match name {
            "new_p50" => report.aimed(name, value, unit, Aim::AtMost(50.0)),
            "new_p99" => report.aimed(name, value, unit, Aim::AtMost(200.0)),
            "remembered_p50" => report.aimed(name, value, unit, Aim::AtMost(2.0)),
            _ => report.figure(name, value, unit),
        }
    }
    report
}

/// What a compiled bundle of this size adds to our resident memory.
fn held_kib(size: Size) -> f64 {
    let files = files(size);
    let before = resident_kib(std::process::id());
    let bundle = Bundle::compile(&files).unwrap_or_else(|errors| panic!("{errors}"));
    let held = resident_kib(std::process::id()) - before;
    drop(bundle);
    held
}
