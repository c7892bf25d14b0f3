//! `hitotsu-load`: one side of a load between two hosts. It prints one JSON object.

use std::process::ExitCode;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match hitotsu_tests::load::run(&words) {
        Ok(measured) => {
            println!("{measured}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("hitotsu-load: {error}");
            ExitCode::FAILURE
        }
    }
}
