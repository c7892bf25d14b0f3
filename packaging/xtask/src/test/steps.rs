//! The single steps.

use std::path::PathBuf;
use std::process::Command;

use super::{GROUPS, Group, Needs};
use crate::report::Outcome;
use crate::run::{self, Trouble};
use crate::tools;
use crate::workspace::Workspace;

/// Installs every tool, so that what is missing is known before the long builds.
pub(super) fn tools(workspace: &Workspace, everything: bool) -> Result<Outcome, Trouble> {
    tools::programs(workspace, tools::PLAIN)?;
    if everything {
        tools::programs(workspace, tools::NAMESPACES)?;
        tools::programs(workspace, tools::VALGRIND)?;
    }
    tools::cargo_deny(workspace)?;
    tools::python(workspace)?;
    if !tools::has_nextest(workspace) {
        println!("cargo-nextest is not installed: `cargo test` runs the same tests instead, slower");
    }
    Ok(Outcome::one(true))
}

/// A command that is one check.
pub(super) fn succeeds(command: &mut Command) -> Result<Outcome, Trouble> {
    let (status, _) = run::shown_and_captured(command)?;
    Ok(Outcome::one(status.success()))
}

pub(super) fn clippy(workspace: &Workspace) -> Result<Outcome, Trouble> {
    let words = ["clippy", "--quiet", "--workspace", "--all-targets", "--locked", "--", "--deny", "warnings"];
    succeeds(workspace.cargo().args(words))
}

/// Every link in the documentation leads somewhere, private items included: the readers are ourselves.
pub(super) fn doc(workspace: &Workspace) -> Result<Outcome, Trouble> {
    let mut command = workspace.cargo();
    command.env("RUSTDOCFLAGS", "--deny warnings --allow rustdoc::private-intra-doc-links");
    succeeds(command.args(["doc", "--quiet", "--workspace", "--no-deps", "--document-private-items", "--locked"]))
}

pub(super) fn deny(workspace: &Workspace) -> Result<Outcome, Trouble> {
    // Warnings here are licences and wrappers that the tree no longer meets; they are nobody's failure.
    let words = ["--log-level", "error", "check", "bans", "licenses", "sources"];
    succeeds(cargo_deny(workspace)?.args(words))
}

/// True when the advisories can be checked: their database is here, or could be fetched.
pub(super) fn advisories(workspace: &Workspace) -> Result<bool, Trouble> {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| std::env::home_dir().map(|home| home.join(".cargo")));
    let databases = home.map(|home| home.join("advisory-dbs")).and_then(|folder| std::fs::read_dir(folder).ok());
    let here = databases.is_some_and(|mut found| found.any(|entry| entry.is_ok_and(|entry| entry.path().is_dir())));
    Ok(here || run::succeeds(cargo_deny(workspace)?.args(["fetch", "db"])))
}

pub(super) fn deny_advisories(workspace: &Workspace) -> Result<Outcome, Trouble> {
    succeeds(cargo_deny(workspace)?.args(["--log-level", "error", "check", "--disable-fetch", "advisories"]))
}

fn cargo_deny(workspace: &Workspace) -> Result<Command, Trouble> {
    let mut command = Command::new(tools::cargo_deny(workspace)?);
    command.current_dir(workspace.root());
    Ok(command)
}

/// Builds every program and test once, with one set of features, so that everything later only runs.
pub(super) fn build(workspace: &Workspace) -> Result<Outcome, Trouble> {
    succeeds(workspace.cargo().args(["build", "--quiet", "--workspace", "--all-targets", "--locked"]))
}

/// The integration test binaries of a group.
fn binaries(workspace: &Workspace, group: &Group) -> Result<Vec<String>, Trouble> {
    let folder = workspace.root().join("tests/tests");
    let entries = match std::fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Trouble::new(format!("`{}` cannot be read: {error}", folder.display()))),
    };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut names: Vec<String> = names.filter_map(|name| name.strip_suffix(".rs").map(str::to_owned)).collect();
    names.retain(|name| group_of(name) == group.name);
    names.sort();
    Ok(names)
}

/// The group that an integration test binary belongs to.
fn group_of(binary: &str) -> &'static str {
    let named = GROUPS.iter().find(|group| {
        let prefix = group.name.replace('-', "_");
        binary.strip_prefix(&prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
    });
    named.map_or("unit", |group| group.name)
}

/// True when a group has tests in this tree.
pub(super) fn has_tests(workspace: &Workspace, group: &Group) -> Result<bool, Trouble> {
    if group.name == "unit" || !binaries(workspace, group)?.is_empty() {
        return Ok(true);
    }
    let Some(prefix) = prefix_of_tests(group) else { return Ok(false) };
    let function = format!("fn {prefix}");
    let files = workspace.files()?;
    let mut sources = files.iter().filter(|file| file.extension().is_some_and(|ending| ending == "rs"));
    Ok(sources
        .any(|file| std::fs::read_to_string(workspace.root().join(file)).is_ok_and(|text| text.contains(&function))))
}

/// How a single test anywhere in the tree is named to belong to a group that needs root.
fn prefix_of_tests(group: &Group) -> Option<String> {
    (group.needs == Needs::Root).then(|| format!("{}_", group.name))
}

/// The crate whose own tests, which are `unit` too, belong to a group.
fn crate_of(group: &Group) -> Option<&'static str> {
    (group.name == "policy").then_some("hitotsu-policy")
}

/// Runs one group and counts its tests.
pub(super) fn group(workspace: &Workspace, group: &Group) -> Result<Outcome, Trouble> {
    if !has_tests(workspace, group)? {
        return Err(Trouble::new(format!("the group `{}` has no tests in this tree yet", group.name)));
    }
    let python = if group.needs == Needs::Nothing { None } else { Some(tools::python(workspace)?) };
    let own = binaries(workspace, group)?;
    let mut runs = if tools::has_nextest(workspace) {
        vec![nextest(workspace, group, &own)?]
    } else {
        cargo_test(workspace, group, &own)
    };
    if group.name == "unit" {
        // Examples in the documentation are tests too; nextest does not run them.
        let mut examples = workspace.cargo();
        examples.args(["test", "--quiet", "--doc", "--workspace", "--locked"]);
        runs.push(examples);
    }
    let (mut passed, mut failed) = (0, 0);
    for mut command in runs {
        if let Some(python) = &python {
            command.env(tools::PYTHON_VARIABLE, python);
        }
        let (status, text) = run::shown_and_captured(&mut command)?;
        let counted = counts(&text);
        passed += counted.0;
        // A run that dies before it counts (it does not compile, a binary aborts) is one failure.
        failed += if status.success() { counted.1 } else { counted.1.max(1) };
    }
    Ok(Outcome::Counted { passed, failed })
}

/// One run with nextest, which filters by binary and by name.
fn nextest(workspace: &Workspace, group: &Group, own: &[String]) -> Result<Command, Trouble> {
    let mut terms = Vec::new();
    if group.name == "unit" {
        for other in GROUPS.iter().filter(|other| other.name != "unit") {
            terms.extend(binaries(workspace, other)?.iter().map(|name| format!("binary(={name})")));
            terms.extend(prefix_of_tests(other).map(|prefix| format!("test(/(^|::){prefix}/)")));
        }
    } else {
        terms.extend(own.iter().map(|name| format!("binary(={name})")));
        terms.extend(prefix_of_tests(group).map(|prefix| format!("test(/(^|::){prefix}/)")));
        terms.extend(crate_of(group).map(|package| format!("package(={package})")));
    }
    let filter = terms.join(" | ");
    let filter = if group.name == "unit" { format!("not ({filter})") } else { filter };
    let mut command = workspace.cargo();
    command.args(["nextest", "run", "--workspace", "--locked", "-E", &filter]);
    if group.needs == Needs::Root {
        // Labs of network namespaces share the machine's names and two cores: one at a time.
        command.args(["--test-threads", "1"]);
    }
    Ok(command)
}

/// The runs with `cargo test`, which filters by binary or by name, not by both at once.
fn cargo_test(workspace: &Workspace, group: &Group, own: &[String]) -> Vec<Command> {
    let test = |words: &[&str]| {
        let mut command = workspace.cargo();
        command.args(["test", "--no-fail-fast", "--locked"]).args(words);
        command
    };
    let mut runs = Vec::new();
    if group.name == "unit" {
        let mut command = test(&["--workspace", "--exclude", "hitotsu-tests", "--lib", "--bins", "--tests", "--"]);
        for prefix in GROUPS.iter().filter_map(prefix_of_tests) {
            command.args(["--skip", &prefix]);
        }
        runs.push(command);
    }
    if let Some(prefix) = prefix_of_tests(group) {
        let mut command = test(&["--workspace", "--exclude", "hitotsu-tests", "--lib", "--bins", "--tests"]);
        command.args([&prefix, "--", "--test-threads", "1"]);
        runs.push(command);
    }
    if let Some(package) = crate_of(group) {
        runs.push(test(&["--package", package]));
    }
    if !own.is_empty() {
        let mut command = test(&["--package", "hitotsu-tests"]);
        own.iter().for_each(|name| _ = command.args(["--test", name]));
        if group.needs == Needs::Root {
            command.args(["--", "--test-threads", "1"]);
        }
        runs.push(command);
    }
    runs
}

/// Passed and failed, summed over the closing lines of a run: nextest's one, or each of `cargo test`. A test that fails
/// under nextest shows a closing line of its own, which does not count again.
fn counts(text: &str) -> (u64, u64) {
    let plain = without_colours(text);
    let nextest = plain.lines().any(|line| line.contains("Summary ["));
    let closing = if nextest { "Summary [" } else { "test result:" };
    let (mut passed, mut failed) = (0, 0);
    for line in plain.lines().filter(|line| line.contains(closing)) {
        let words: Vec<&str> = line.split([' ', ',', ';', '(', ')']).filter(|word| !word.is_empty()).collect();
        for pair in words.windows(2) {
            if let [number, word] = pair
                && let Ok(number) = number.parse::<u64>()
            {
                match *word {
                    "passed" => passed += number,
                    "failed" | "timed" | "exec" => failed += number,
                    _ => {}
                }
            }
        }
    }
    (passed, failed)
}

fn without_colours(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut in_sequence = false;
    for character in text.chars() {
        match (in_sequence, character) {
            (false, '\u{1b}') => in_sequence = true,
            (false, other) => plain.push(other),
            (true, 'm') => in_sequence = false,
            (true, _) => {}
        }
    }
    plain
}

/// The demo's story, each of its steps a check.
pub(super) fn demo(workspace: &Workspace) -> Result<Outcome, Trouble> {
    // The one that the build step made; the file of this very process may have been replaced by it.
    let mut command = Command::new(workspace.program("xtask"));
    command.current_dir(workspace.root()).args(["demo", "--check", "--built"]);
    let (status, text) = run::shown_and_captured(&mut command)?;
    let closing = text.lines().rev().find_map(|line| {
        let (passed, failed) = line.strip_suffix(" failed")?.split_once(" passed, ")?;
        Some((passed.parse::<u64>().ok()?, failed.parse::<u64>().ok()?))
    });
    match closing {
        Some((passed, failed)) => {
            let failed = if status.success() { failed } else { failed.max(1) };
            Ok(Outcome::Counted { passed, failed })
        }
        None => Ok(Outcome::one(false)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closing_lines_of_both_runners_are_counted() {
        let nextest = "\u{1b}[32m     Summary\u{1b}[0m [   0.039s] 12 tests run: 10 passed (2 slow), 1 failed, 1 timed out, 3 skipped";
        assert_eq!(counts(&format!("test result: FAILED. 0 passed; 1 failed\n{nextest}")), (10, 2));
        let cargo = "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out\n\
                     test result: FAILED. 1 passed; 2 failed; 0 ignored";
        assert_eq!(counts(cargo), (4, 2));
    }

    #[test]
    fn a_test_binary_belongs_to_the_group_that_it_is_named_for() {
        assert_eq!(group_of("netns_firewall"), "netns");
        assert_eq!(group_of("personal_information_scan"), "personal-information");
        assert_eq!(group_of("policy"), "policy");
        assert_eq!(group_of("policies"), "unit");
        assert_eq!(group_of("world"), "unit");
    }
}
