//! `cargo xtask bench guard`: instructions and allocations of the hot paths, held against committed figures.
//!
//! - [`callgrind`] builds `hitotsu-guard` and counts what each of its paths does.
//! - [`figures`] is the committed file.
//! - [`verdict`] holds one against the other.

mod callgrind;
mod figures;
mod verdict;

use std::process::ExitCode;

use clap::Parser;
use serde_json::Value;

use self::figures::Machine;
use self::verdict::Verdict;
use crate::run::{self, Trouble};
use crate::tools;
use crate::workspace::Workspace;

/// The name of this bench.
pub(crate) const NAME: &str = "guard";

/// Words behind `cargo xtask bench guard`.
#[derive(Debug, Default, Parser)]
#[command(name = "cargo xtask bench guard", no_binary_name = true)]
struct Options {
    /// Write what was counted into the committed figures where it differs by more than they allow, with this reason.
    #[arg(long, value_name = "WHY")]
    accept: Option<String>,
    /// Only these paths; all of them without.
    paths: Vec<String>,
}

/// Counts, prints a table and, on the last line, one JSON object.
///
/// # Errors
/// Valgrind is missing and cannot be installed, the machine is of another kind than that of the figures, or a path cannot be
/// run.
pub(crate) fn run(workspace: &Workspace, words: &[String]) -> Result<ExitCode, Trouble> {
    let options = match Options::try_parse_from(words) {
        Ok(options) => options,
        Err(error) => error.exit(),
    };
    if let Some(why) = unfit(workspace)? {
        return Err(Trouble::new(why));
    }
    let verdict = count(workspace, &options.paths, options.accept.as_deref())?;
    print!("{verdict}");
    let refused = verdict.refusal();
    if let Some(sentence) = &refused {
        eprintln!("{sentence}");
    }
    println!("{}", Value::Object(verdict.object()));
    Ok(if refused.is_none() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// As one check among others.
///
/// # Errors
/// As [`run()`], and when a path differs from its figure.
pub(crate) fn check(workspace: &Workspace) -> Result<(), Trouble> {
    let mut verdict = count(workspace, &[], None)?;
    print!("{verdict}");
    if verdict.refusal().is_some() {
        // Now and then the kernel delivers a packet late, which costs a flow work of its own. A slow-down comes again.
        println!("counting again");
        verdict = count(workspace, &[], None)?;
        print!("{verdict}");
    }
    verdict.refusal().map_or(Ok(()), |sentence| Err(Trouble::new(sentence)))
}

/// Why the figures say nothing on this machine, where they do not.
///
/// # Errors
/// The figures cannot be read.
pub(crate) fn unfit(workspace: &Workspace) -> Result<Option<String>, Trouble> {
    Ok(figures::read(workspace)?.machine.unlike(&Machine::here()))
}

fn count(workspace: &Workspace, only: &[String], accept: Option<&str>) -> Result<Verdict, Trouble> {
    tools::programs(workspace, tools::VALGRIND)?;
    let program = callgrind::build(workspace)?;
    let known = callgrind::paths(&program)?;
    if let Some(wrong) = only.iter().find(|name| !known.contains(name)) {
        return Err(Trouble::new(format!("there is no path `{wrong}`; there are: {}", known.join(", "))));
    }
    let wanted: Vec<String> = known.iter().filter(|name| only.is_empty() || only.contains(name)).cloned().collect();
    let counts = callgrind::count(&program, &wanted)?;
    let mut figures = figures::read(workspace)?;
    if let Some(why) = accept {
        let today = run::captured(std::process::Command::new("date").args(["-u", "+%F"]))?;
        let changed = figures.accept(&counts, &known, today.trim(), why);
        figures::write(workspace, &figures)?;
        println!("accepted: {}", if changed.is_empty() { "nothing differed".to_owned() } else { changed.join(", ") });
    }
    let mut verdict = Verdict::new(&figures, &counts);
    if only.is_empty() {
        verdict.forgotten(&figures, &known);
    }
    Ok(verdict)
}
