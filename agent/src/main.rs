//! `hitotsu`, the agent's program.

use std::process::ExitCode;

fn main() -> ExitCode {
    hitotsu_agent::cli::main()
}
