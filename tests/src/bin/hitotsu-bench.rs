//! `hitotsu-bench [name..] [--tiny]`: runs benches; a table for each, and one JSON object on the last line. Interrupted, it
//! ends everything that it started and leaves.

use std::process::ExitCode;

use hitotsu_tests::bench::{self, Bench, Scale};
use tokio::signal::unix::{SignalKind, signal};

/// How a shell tells of a program that was interrupted.
const INTERRUPTED: u8 = 130;

#[tokio::main]
async fn main() -> ExitCode {
    let (flags, names): (Vec<String>, Vec<String>) = std::env::args().skip(1).partition(|word| word.starts_with("--"));
    let mut scale = Scale::Full;
    for flag in flags {
        if flag != "--tiny" {
            eprintln!("`{flag}` is unknown; there is only `--tiny`, which does just enough to show that a bench works");
            return ExitCode::from(2);
        }
        scale = Scale::Tiny;
    }
    let benches = match bench::chosen(&names) {
        Ok(benches) => benches,
        Err(wrong) => {
            eprintln!("{wrong}");
            return ExitCode::from(2);
        }
    };
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        eprintln!("no signal can be heard here");
        return ExitCode::FAILURE;
    };
    tokio::select! {
        () = run(benches, scale) => ExitCode::SUCCESS,
        _ = tokio::signal::ctrl_c() => interrupted(),
        _ = terminate.recv() => interrupted(),
    }
}

async fn run(benches: Vec<Bench>, scale: Scale) {
    let mut reports = Vec::new();
    for bench in benches {
        eprintln!("{}: {} ...", bench.name, bench.about);
        let report = bench.run(scale).await;
        println!("{report}");
        reports.push(report);
    }
    println!("{}", bench::summary(&reports));
}

/// The bench was dropped, and with it every program that it had started.
fn interrupted() -> ExitCode {
    eprintln!("interrupted; everything that the bench started has ended");
    ExitCode::from(INTERRUPTED)
}
