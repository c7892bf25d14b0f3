//! Benches, built for release: those of the whole product, which `hitotsu-bench` of the tests' crate runs against a real
//! gateway process, every example or program `bench_<name>` of the workspace, and [`guard`], which counts instead.

pub(crate) mod guard;

use std::process::ExitCode;

use clap::Args;
use serde_json::{Map, Value};

use crate::run::{self, Trouble};
use crate::workspace::Workspace;

/// The benches of `hitotsu-bench`. A test of that program fails when one is missing here.
const WHOLE: &[&str] = &[
    "throughput",
    "latency",
    "connections",
    "memory",
    "setup",
    "handshakes",
    "decide",
    "cut",
    "scale",
    "fairness",
    "stalled",
    "peers",
    "line",
];

/// Which bench.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// One bench; all of them without it.
    name: Option<String>,
    /// More words for that bench itself.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    more: Vec<String>,
}

/// One bench, as Cargo knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Bench {
    name: String,
    package: String,
    /// `--example` or `--bin`.
    kind: &'static str,
}

/// Runs the benches; `guard` only when it is named, for it measures no time. Each prints its table and one JSON object on its last line; the last line of all is one JSON object
/// with the object of each bench under its name.
///
/// # Errors
/// There is no such bench, or one fails or prints no object.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<ExitCode, Trouble> {
    let name = options.name.as_deref();
    if name == Some(guard::NAME) {
        return guard::run(workspace, &options.more);
    }
    // One of the same name is the part that a bench of the whole runs.
    let mut others = benches(workspace.packages());
    others.retain(|bench| !WHOLE.contains(&bench.name.as_str()));
    let mut names: Vec<&str> = WHOLE.iter().copied().chain(others.iter().map(|bench| bench.name.as_str())).collect();
    names.push(guard::NAME);
    if let Some(wrong) = name.filter(|name| !names.contains(name)) {
        return Err(Trouble::new(format!("there is no bench `{wrong}`; there are: {}", names.join(", "))));
    }
    let mut figures = Map::new();
    if name.is_none_or(|name| WHOLE.contains(&name)) {
        figures = whole(workspace, options)?;
    }
    for bench in others.iter().filter(|bench| name.is_none_or(|name| name == bench.name)) {
        let mut cargo = workspace.cargo();
        let target = format!("bench_{}", bench.name);
        cargo.args(["run", "--release", "--quiet", "--package", &bench.package, bench.kind, &target, "--"]);
        let (status, text) = run::shown_and_captured(cargo.args(&options.more))?;
        let object = text.lines().rev().find_map(|line| serde_json::from_str::<Map<String, Value>>(line).ok());
        match object {
            Some(object) if status.success() => figures.insert(bench.name.clone(), Value::Object(object)),
            Some(_) | None => {
                return Err(Trouble::new(format!("bench `{}` failed, or printed no JSON object", bench.name)));
            }
        };
    }
    println!("{}", Value::Object(figures));
    Ok(ExitCode::SUCCESS)
}

/// Runs one or all benches of the whole, and gives back their objects by name, and what the machine is.
fn whole(workspace: &Workspace, options: &Options) -> Result<Map<String, Value>, Trouble> {
    let mut build = workspace.cargo();
    build.args(["build", "--release"]);
    for package in ["hitotsu-agent", "hitotsu-gateway", "hitotsu-tests"] {
        build.args(["--package", package]);
    }
    for program in ["hitotsu", "hitotsu-gateway", "hitotsu-bench", "hitotsu-load"] {
        build.args(["--bin", program]);
    }
    let failed = |what: &str| Trouble::new(format!("`hitotsu-bench` {what}"));
    if !run::shown_and_captured(&mut build)?.0.success() {
        return Err(failed("cannot be built"));
    }
    let mut bench = std::process::Command::new(workspace.release_program("hitotsu-bench"));
    let (status, text) = run::shown_and_captured(bench.args(&options.name).args(&options.more))?;
    let object = text.lines().find_map(|line| serde_json::from_str::<Map<String, Value>>(line).ok());
    let mut object = object.filter(|_| status.success()).ok_or_else(|| failed("failed, or printed no JSON object"))?;
    let machine = object.remove("machine").unwrap_or_default();
    let Some(Value::Object(mut figures)) = object.remove("benches") else { return Err(failed("printed no figures")) };
    figures.insert("machine".to_owned(), machine);
    Ok(figures)
}

/// Every bench of these packages, by name.
fn benches<'a>(packages: impl Iterator<Item = &'a Value>) -> Vec<Bench> {
    let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let list = |value: &Value, key: &str| value.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
    let mut benches = Vec::new();
    for package in packages {
        for target in list(package, "targets") {
            let kinds = list(&target, "kind");
            let is = |kind: &str| kinds.iter().any(|own| own == kind);
            let kind = match (is("example"), is("bin")) {
                (true, _) => "--example",
                (false, true) => "--bin",
                (false, false) => continue,
            };
            if let Some(name) = text(&target, "name").strip_prefix("bench_") {
                benches.push(Bench { name: name.to_owned(), package: text(package, "name"), kind });
            }
        }
    }
    benches.sort_by(|one, other| one.name.cmp(&other.name));
    benches
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_bench_is_found_by_its_name_wherever_it_stands() {
        let packages = [json!({ "name": "hitotsu-policy", "targets": [
            { "name": "hitotsu_policy", "kind": ["lib"] },
            { "name": "bench_decide", "kind": ["example"] },
            { "name": "bench_shape", "kind": ["test"] },
        ] })];
        let decide = Bench { name: "decide".to_owned(), package: "hitotsu-policy".to_owned(), kind: "--example" };
        assert_eq!(benches(packages.iter()), [decide]);
    }
}
