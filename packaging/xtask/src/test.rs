//! Everything that CI checks.

mod steps;
mod windows;

use std::process::ExitCode;

use clap::Args;

use crate::bench::guard;
use crate::report::{Outcome, Report};
use crate::run::Trouble;
use crate::tools;
use crate::workspace::Workspace;

/// What to check.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Only what needs no root; says what it leaves out.
    #[arg(long, conflicts_with = "only")]
    quick: bool,
    /// One group of tests, as in `--only interop`.
    #[arg(long, value_name = "GROUP")]
    only: Option<String>,
}

/// Groups of tests: a binary `tests/tests/<group>_*.rs` (or `<group>.rs`) belongs to the group that it is named for,
/// everything else to `unit`.
pub(crate) const GROUPS: &[Group] = &[
    Group { name: "unit", needs: Needs::Nothing },
    Group { name: "interop", needs: Needs::Programs },
    Group { name: "netns", needs: Needs::Root },
    Group { name: "attest", needs: Needs::Nothing },
    Group { name: "policy", needs: Needs::Nothing },
    Group { name: "personal-information", needs: Needs::Nothing },
    Group { name: "console", needs: Needs::Programs },
    Group { name: "audit", needs: Needs::Nothing },
    Group { name: "netlab", needs: Needs::Root },
];

/// A group of tests.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Group {
    /// What `--only` names it.
    pub(crate) name: &'static str,
    /// What it cannot run without.
    pub(crate) needs: Needs,
}

/// What a group cannot run without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Needs {
    /// Cargo alone.
    Nothing,
    /// Other people's programs.
    Programs,
    /// Those, and root for network namespaces.
    Root,
}

/// Runs the checks and sums up.
///
/// # Errors
/// There is no such group.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<ExitCode, Trouble> {
    let mut report = Report::default();
    match &options.only {
        Some(name) => one_group(workspace, &mut report, name)?,
        None => everything(workspace, &mut report, options.quick),
    }
    Ok(report.close())
}

fn one_group(workspace: &Workspace, report: &mut Report, name: &str) -> Result<(), Trouble> {
    let Some(group) = GROUPS.iter().find(|group| group.name == name) else {
        let names: Vec<&str> = GROUPS.iter().map(|group| group.name).collect();
        return Err(Trouble::new(format!("there is no group `{name}`; there are {}", names.join(", "))));
    };
    if group.needs != Needs::Nothing {
        report.step("tools", || steps::tools(workspace, group.needs == Needs::Root));
    }
    report.step("build", || steps::build(workspace));
    report.step(group.name, || steps::group(workspace, group));
    Ok(())
}

fn everything(workspace: &Workspace, report: &mut Report, quick: bool) {
    let root = tools::is_root();
    report.step("tools", || steps::tools(workspace, !quick));
    report.step("fmt", || steps::succeeds(workspace.cargo().args(["fmt", "--all", "--check"])));
    report.step("clippy", || steps::clippy(workspace));
    report.step("doc", || steps::doc(workspace));
    report.step("tidy", || crate::tidy::check(workspace));
    report.step("deny", || steps::deny(workspace));
    match steps::advisories(workspace) {
        Ok(true) => report.step("advisories", || steps::deny_advisories(workspace)),
        Ok(false) => report.left_out("advisories", "no advisory database here and none could be fetched"),
        Err(trouble) => report.step("advisories", || Err(trouble)),
    }
    report.step("build", || steps::build(workspace));
    match guard::unfit(workspace) {
        _ if quick => report.left_out("guard", "its build with optimisation takes minutes, and this is --quick"),
        Ok(Some(why)) => report.left_out("guard", &why),
        Ok(None) => report.step("guard", || guard::check(workspace).map(|()| Outcome::one(true))),
        Err(trouble) => report.step("guard", || Err(trouble)),
    }
    for group in GROUPS {
        match (group.needs, steps::has_tests(workspace, group)) {
            (_, Ok(false)) => {}
            (_, Err(trouble)) => report.step(group.name, || Err(trouble)),
            (Needs::Root, Ok(true)) if quick => report.left_out(group.name, "needs root, and this is --quick"),
            (Needs::Root, Ok(true)) if !root => report.step(group.name, || {
                Err(Trouble::new("needs root for network namespaces: run as root, or with --quick to leave it out"))
            }),
            (_, Ok(true)) => report.step(group.name, || steps::group(workspace, group)),
        }
    }
    if quick && !windows::installed(workspace) {
        report.left_out("windows", "installing its target needs root, and this is --quick");
    } else {
        report.step("windows", || windows::check(workspace));
    }
    report.step("demo", || steps::demo(workspace));
}
