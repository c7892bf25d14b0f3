//! Benches: the program `bench` of the tests' crate, built for release.

use std::process::ExitCode;

use clap::Args;
use serde_json::Value;

use crate::run::{self, Trouble};
use crate::workspace::Workspace;

/// Which bench.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// One bench; all of them without it.
    name: Option<String>,
    /// More words for the bench itself.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    more: Vec<String>,
}

/// Runs the benches and checks that the last line is one JSON object, on which later tools rely.
///
/// # Errors
/// The benches cannot be built or started.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<ExitCode, Trouble> {
    let mut cargo = workspace.cargo();
    cargo.args(["run", "--release", "--package", "hitotsu-tests", "--bin", "bench", "--"]);
    cargo.args(&options.name).args(&options.more);
    let (status, text) = run::shown_and_captured(&mut cargo)?;
    if !status.success() {
        return Ok(ExitCode::FAILURE);
    }
    // Standard output comes first in the text; Cargo's own words are on standard error.
    let object = text.lines().any(|line| matches!(serde_json::from_str(line), Ok(Value::Object(_))));
    if object { Ok(ExitCode::SUCCESS) } else { Err(Trouble::new("the bench printed no JSON object on its last line")) }
}
