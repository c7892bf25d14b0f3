//! Who may depend on whom.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use super::Finding;
use crate::run::{self, Trouble};
use crate::workspace::Workspace;

/// Each crate of ours and those of ours that it may name. A crate that is not here is a finding.
const LAYERS: &[(&str, &[&str])] = &[
    ("hitotsu-model", &[]),
    ("hitotsu-policy", &["hitotsu-model"]),
    ("hitotsu-pki", &["hitotsu-model"]),
    ("hitotsu-proto", &[]),
    ("hitotsu-quic", &[]),
    ("hitotsu-tunnel", &["hitotsu-proto", "hitotsu-quic"]),
    ("hitotsu-agent", &["hitotsu-model", "hitotsu-pki", "hitotsu-tunnel"]),
    ("hitotsu-gateway", &["hitotsu-model", "hitotsu-pki", "hitotsu-policy", "hitotsu-tunnel"]),
    (
        "hitotsu-tests",
        &[
            "hitotsu-agent",
            "hitotsu-gateway",
            "hitotsu-model",
            "hitotsu-pki",
            "hitotsu-policy",
            "hitotsu-proto",
            "hitotsu-tunnel",
        ],
    ),
    ("hitotsu-guard", &["hitotsu-model", "hitotsu-pki", "hitotsu-policy", "hitotsu-proto", "hitotsu-tunnel"]),
    ("hitotsu-systems", &[]),
    ("xtask", &[]),
];

/// Crates that read no clock and open nothing, so nothing with a runtime may be under them.
pub(super) const PURE: &[&str] = &["hitotsu-model", "hitotsu-policy", "hitotsu-pki", "hitotsu-proto"];

/// What a pure crate may never reach, directly or through others.
const IMPURE: &[&str] = &["tokio", "mio", "async-std", "socket2", "quinn", "hyper", "sqlx", "reqwest"];

/// Crates whose home `deny.toml` fences too; said here as well so that `tidy` alone finds a breach in a second.
const HOMES: &[(&str, &[&str])] = &[
    ("cedar-policy", &["hitotsu-policy"]),
    ("rcgen", &["hitotsu-pki"]),
    ("x509-parser", &["hitotsu-pki"]),
    ("quinn", &[]),
    ("quinn-proto", &["hitotsu-quic"]),
    ("h2", &["hitotsu-tunnel"]),
    ("sqlx", &["hitotsu-gateway"]),
    ("sysinfo", &["hitotsu-agent"]),
];

/// Names that say nothing; a crate or module called so collects whatever has no place.
const GRAB_BAGS: &[&str] =
    &["common", "shared", "util", "utils", "helper", "helpers", "types", "manager", "misc", "stuff"];

/// Checks Cargo's view of the workspace.
pub(super) fn check(workspace: &Workspace) -> Result<Vec<Finding>, Trouble> {
    let ours: BTreeSet<&str> = workspace.packages().filter_map(name).collect();
    let mut findings: Vec<Finding> = workspace.packages().flat_map(|package| of_package(package, &ours)).collect();
    for pure in PURE.iter().filter(|pure| ours.contains(*pure)) {
        findings.extend(below(workspace, pure)?);
    }
    Ok(findings)
}

fn of_package(package: &Value, ours: &BTreeSet<&str>) -> Vec<Finding> {
    let Some(own) = name(package) else { return Vec::new() };
    let manifest = package.get("manifest_path").and_then(Value::as_str).unwrap_or(own);
    let finding = |what: String| Finding::at(Path::new(manifest), 0, what);
    let mut findings = Vec::new();
    if own.split(['-', '_']).any(|word| GRAB_BAGS.contains(&word)) {
        findings.push(finding(format!("the crate name `{own}` says nothing; name what it holds")));
    }
    let Some((_, may)) = LAYERS.iter().find(|(layer, _)| *layer == own) else {
        findings.push(finding(format!("`{own}` has no layer; give it one in packaging/xtask/src/tidy/layers.rs")));
        return findings;
    };
    let dependencies = package.get("dependencies").and_then(Value::as_array);
    for dependency in dependencies.into_iter().flatten() {
        let Some(other) = name(dependency) else { continue };
        let for_tests = dependency.get("kind").and_then(Value::as_str) == Some("dev");
        if ours.contains(other) && !may.contains(&other) && !for_tests {
            findings.push(finding(format!("`{own}` may not depend on `{other}`: see the layers in ARCHITECTURE.md")));
        }
        if for_tests && PURE.contains(&own) && IMPURE.contains(&other) {
            findings.push(finding(format!("`{own}` is pure, and its tests need no `{other}`")));
        }
        let home = HOMES.iter().find(|(fenced, _)| *fenced == other);
        if let Some((fenced, homes)) = home
            && !homes.contains(&own)
            && !for_tests
        {
            findings.push(finding(format!("`{fenced}` lives in {} only", homes.join(", "))));
        }
    }
    findings
}

/// The whole tree under a pure crate, as built alone.
fn below(workspace: &Workspace, pure: &str) -> Result<Vec<Finding>, Trouble> {
    let mut cargo = workspace.cargo();
    cargo.args(["tree", "--package", pure, "--edges", "normal", "--prefix", "none", "--format", "{p}", "--locked"]);
    let tree = run::captured(&mut cargo)?;
    let names: BTreeSet<&str> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
    let breaches = IMPURE.iter().filter(|impure| names.contains(*impure));
    Ok(breaches.map(|impure| Finding::at(Path::new(pure), 0, format!("a pure crate reaches `{impure}`"))).collect())
}

fn name(of: &Value) -> Option<&str> {
    of.get("name").and_then(Value::as_str)
}

/// True for a module or file name that says nothing.
pub(super) fn is_grab_bag(name: &str) -> bool {
    GRAB_BAGS.contains(&name)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn package(name: &str, dependency: &str, kind: Option<&str>) -> Value {
        json!({ "name": name, "manifest_path": "Cargo.toml", "dependencies": [{ "name": dependency, "kind": kind }] })
    }

    #[test]
    fn a_layer_that_looks_up_is_found_and_one_that_looks_down_is_not() {
        let ours = BTreeSet::from(["hitotsu-policy", "hitotsu-gateway", "hitotsu-model"]);
        assert_eq!(of_package(&package("hitotsu-policy", "hitotsu-model", None), &ours), []);
        assert_eq!(of_package(&package("hitotsu-policy", "hitotsu-gateway", None), &ours).len(), 1);
    }

    #[test]
    fn a_fenced_crate_outside_its_home_is_found() {
        let ours = BTreeSet::new();
        assert_eq!(of_package(&package("hitotsu-gateway", "cedar-policy", None), &ours).len(), 1);
        assert_eq!(of_package(&package("hitotsu-gateway", "sqlx", None), &ours), []);
    }

    #[test]
    fn a_crate_without_a_layer_or_with_an_empty_name_is_found() {
        assert_eq!(of_package(&package("hitotsu-utils", "serde", None), &BTreeSet::new()).len(), 2);
    }
}
