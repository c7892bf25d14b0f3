//! `hitotsu-bench [name..] [--tiny]`: runs benches; a table for each, and one JSON object on the last line.

use std::process::ExitCode;

use hitotsu_tests::bench::{self, Scale};

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
    let mut reports = Vec::new();
    for bench in benches {
        eprintln!("{}: {} ...", bench.name, bench.about);
        let report = bench.run(scale).await;
        println!("{report}");
        reports.push(report);
    }
    println!("{}", bench::summary(&reports));
    ExitCode::SUCCESS
}
