//! `hitotsu-guard <path> [operations]`: does one hot path some times, for `cargo xtask bench guard` to count its
//! instructions under callgrind. `hitotsu-guard --list` names the paths.
//!
//! A crate of its own, without the gateway and the agent, so that it is built with optimisation in a minute or two.
//! Counts are only worth something when they are the same each time:
//!
//! - [`clock`] is a clock that nothing but this program's own doings move.
//! - [`counted`] marks what counts, and counts allocations.
//! - [`city`] and [`pair`] are an organisation, and a device with a tunnel to its gateway, all in one thread.
//! - [`paths`] are the hot paths.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod city;
#[cfg(target_os = "linux")]
mod clock;
mod counted;
mod pair;
mod paths;

use std::process::ExitCode;

use crate::paths::PATHS;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let (name, operations) = match words.as_slice() {
        ["--list"] => {
            PATHS.iter().for_each(|path| println!("{}", path.name));
            return ExitCode::SUCCESS;
        }
        [name] => (*name, None),
        [name, number] => (*name, number.parse::<u64>().ok().filter(|number| *number > 0)),
        _ => ("", None),
    };
    let Some(path) = PATHS.iter().find(|path| path.name == name) else {
        let names: Vec<&str> = PATHS.iter().map(|path| path.name).collect();
        eprintln!("there is no path `{name}`; there are: {}", names.join(", "));
        return ExitCode::from(2);
    };
    let operations = operations.unwrap_or(path.operations);
    let spent = (path.run)(operations);
    let object = serde_json::json!({
        "path": path.name,
        "operations": operations,
        "allocations": spent.allocations,
        "octets": spent.octets,
    });
    println!("{object}");
    ExitCode::SUCCESS
}
