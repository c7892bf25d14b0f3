//! Counting.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use serde_json::Value;

use crate::run::{self, Trouble};
use crate::workspace::Workspace;

/// The package and program that does the hot paths.
const PROGRAM: &str = "hitotsu-guard";
/// The profile that it is built with; see `Cargo.toml`.
const PROFILE: &str = "guard";
/// What counts is between entry and return of this function: `hitotsu_guard::counted::collected`.
const COLLECTED: &str = "--toggle-collect=*hitotsu_guard*collected*";

/// What one path took.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Counts {
    pub(super) path: String,
    /// For one operation.
    pub(super) instructions: u64,
    /// Calls of the allocator for one operation.
    pub(super) allocations: f64,
}

/// Builds the program, and nothing else.
///
/// # Errors
/// It cannot be built.
pub(super) fn build(workspace: &Workspace) -> Result<PathBuf, Trouble> {
    let mut cargo = workspace.cargo();
    cargo.args(["build", "--quiet", "--locked", "--profile", PROFILE, "--package", PROGRAM]);
    if !run::shown_and_captured(&mut cargo)?.0.success() {
        return Err(Trouble::new(format!("`{PROGRAM}` cannot be built")));
    }
    Ok(workspace.built_with(PROFILE, PROGRAM))
}

/// The names of all paths, in their order.
///
/// # Errors
/// The program fails.
pub(super) fn paths(program: &Path) -> Result<Vec<String>, Trouble> {
    let text = run::captured(Command::new(program).arg("--list"))?;
    Ok(text.lines().map(str::to_owned).collect())
}

/// Counts these paths, as many at once as there are processors: counting is not timing.
///
/// # Errors
/// One of them fails.
pub(super) fn count(program: &Path, paths: &[String]) -> Result<Vec<Counts>, Trouble> {
    let at_once = thread::available_parallelism().map_or(1, usize::from);
    let folder = tempfile::tempdir().map_err(|error| Trouble::new(format!("no temporary folder: {error}")))?;
    let mut counted = Vec::new();
    for some in paths.chunks(at_once) {
        let results: Vec<_> = thread::scope(|scope| {
            let out = folder.path();
            let running: Vec<_> = some.iter().map(|path| scope.spawn(move || count_one(program, path, out))).collect();
            let joined = running.into_iter().map(thread::ScopedJoinHandle::join);
            joined.map(|counts| counts.unwrap_or_else(|_| Err(Trouble::new("counting panicked")))).collect()
        });
        for result in results {
            counted.push(result?);
        }
    }
    Ok(counted)
}

fn count_one(program: &Path, path: &str, folder: &Path) -> Result<Counts, Trouble> {
    let out = folder.join(path);
    let mut valgrind = Command::new("valgrind");
    // Nothing that a developer or a CI sets for itself may reach allocator, C library or program.
    valgrind.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    valgrind.args(["--tool=callgrind", "--quiet", "--collect-atstart=no", COLLECTED]);
    valgrind.arg(format!("--callgrind-out-file={}", out.display())).arg(program).arg(path);
    let printed = run::captured(&mut valgrind)?;
    let written = std::fs::read_to_string(&out)
        .map_err(|error| Trouble::new(format!("callgrind wrote nothing about `{path}`: {error}")))?;
    counts(path, &printed, &written).ok_or_else(|| Trouble::new(format!("nothing was counted of `{path}`")))
}

/// From what the program printed, and what callgrind wrote.
fn counts(path: &str, printed: &str, written: &str) -> Option<Counts> {
    let object: Value = serde_json::from_str(printed.trim()).ok()?;
    let number = |name: &str| object.get(name).and_then(Value::as_u64);
    let operations = number("operations").filter(|operations| *operations > 0)?;
    let total = written.lines().find_map(|line| line.strip_prefix("totals: "))?.trim().parse::<u64>().ok()?;
    #[expect(clippy::cast_precision_loss, reason = "both are far below 2^52")]
    let allocations = number("allocations")? as f64 / operations as f64;
    (total > 0).then(|| Counts { path: path.to_owned(), instructions: total / operations, allocations })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_counted_is_divided_by_the_operations() {
        let printed = "{\"path\":\"p\",\"operations\":4,\"allocations\":6,\"octets\":1}\n";
        let counted = counts("p", printed, "events: Ir\nfn=(1) x\n1 4000\n\ntotals: 4000\n");
        assert_eq!(counted, Some(Counts { path: "p".to_owned(), instructions: 1000, allocations: 1.5 }));
    }

    #[test]
    fn a_run_in_which_nothing_was_counted_is_no_figure() {
        let printed = "{\"path\":\"p\",\"operations\":4,\"allocations\":6}";
        assert_eq!(counts("p", printed, "totals: 0\n"), None);
        assert_eq!(counts("p", printed, ""), None);
        assert_eq!(counts("p", "", "totals: 4\n"), None);
    }
}
