//! How long an answer takes: `cargo run --release -p hitotsu-policy --example bench_decide [rules] [resources] [people]`.
//! The last line is one JSON object.

use hitotsu_policy::bench::{Size, run};

fn main() -> Result<(), hitotsu_policy::error::BundleErrors> {
    let mut numbers = std::env::args().skip(1).map(|word| word.parse::<usize>().unwrap_or(0));
    let mut next = |default: usize| numbers.next().filter(|number| *number > 0).unwrap_or(default);
    let size = Size { rules: next(500), resources: next(200), people: next(2_000), questions: next(20_000) };
    let clock = std::time::Instant::now();
    let figures = run(size, || clock.elapsed())?;
    for (name, value) in figures.rows() {
        println!("{name:>24}  {value:>12.2}");
    }
    println!("{}", figures.to_json());
    Ok(())
}
