//! What a developer types: `cargo xtask demo | test | tidy | bench`.
//!
//! This program runs our programs and links none of our crates, so that it tests them as a person would meet them.
//! In the order in which a newcomer meets it:
//!
//! - [`demo`] makes an organisation in a temporary folder and tells the product's story with it.
//! - [`mod@test`] is everything that CI checks; [`tools`] installs what that needs.
//! - [`tidy`] checks what no compiler does: layers, names, sizes, messages, documents.
//! - [`mod@bench`] measures.
//! - [`workspace`] knows where things are, [`run`] runs programs, [`report`] sums up.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic))]

mod bench;
mod demo;
mod report;
mod run;
mod test;
mod tidy;
mod tools;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::run::Trouble;
use crate::workspace::Workspace;

/// Tasks of the Hitotsu repository.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version)]
struct Command {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Make an organisation in a temporary folder, and tell the product's story with real systems.
    Demo(demo::Options),
    /// Check everything that CI checks, installing the tools for it where possible.
    Test(test::Options),
    /// Check layers, names, sizes, messages and documents.
    Tidy,
    /// Measure; prints a table, and one JSON object on the last line.
    Bench(bench::Options),
}

fn main() -> ExitCode {
    let command = Command::parse();
    match Workspace::find().and_then(|workspace| perform(&workspace, command.task)) {
        Ok(code) => code,
        Err(trouble) => {
            eprintln!("cargo xtask: {trouble}");
            ExitCode::FAILURE
        }
    }
}

fn perform(workspace: &Workspace, task: Task) -> Result<ExitCode, Trouble> {
    match task {
        Task::Demo(options) => demo::run(workspace, &options),
        Task::Test(options) => test::run(workspace, &options),
        Task::Tidy => tidy::run(workspace),
        Task::Bench(options) => bench::run(workspace, &options),
    }
}
