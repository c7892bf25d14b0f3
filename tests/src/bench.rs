//! Benches: what the product costs and how fast it is, measured on a real gateway process on this machine.
//!
//! Each prints figures with the aims that they should meet. Every figure is taken beside what it is compared with, in the
//! same run, because a machine that does other work spoils both alike. The same code runs with tiny numbers as a test, so
//! that no bench rots.
//!
//! - [`report`] is what a bench says, [`grid`] the same at several sizes, [`samples`] what times say together.
//! - [`site`] is what it measures on, [`pipe`] the two ways that are compared, [`process_figures`] what the gateway costs.
//! - [`throughput`], [`latency`], [`connections`], [`memory`], [`setup`], [`handshakes`], [`decide`] and [`cut`] are the
//!   benches; [`scale`] measures what grows with devices, flows and rules, [`fairness`] what bulk does to others, [`stalled`]
//!   what flows hold that move no more, [`peers`] the whole product beside others, [`mod@line`] the same over links that
//!   are bad.

pub mod connections;
pub mod cut;
pub mod decide;
pub mod disk;
pub mod fairness;
pub mod grid;
pub mod handshakes;
pub mod latency;
pub mod line;
pub mod memory;
pub mod peers;
pub mod pipe;
pub mod process_figures;
pub mod report;
pub mod samples;
pub mod scale;
pub mod setup;
pub mod site;
pub mod stalled;
pub mod throughput;

use std::pin::Pin;

use serde_json::{Map, Value, json};

use self::report::Report;

/// An environment variable that leaves out what nobody asks about while working on one thing: names with commas between.
const PARTS: &str = "HITOTSU_BENCH_PARTS";

/// Whether the variable names it, or is not set.
fn is_chosen(variable: &str, name: &str) -> bool {
    std::env::var(variable).map_or(true, |names| names.split(',').any(|chosen| chosen == name))
}

/// How much work a bench does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// Enough for a figure.
    Full,
    /// Just enough to show that it works.
    Tiny,
}

impl Scale {
    /// One of two values.
    pub(crate) fn pick<T>(self, full: T, tiny: T) -> T {
        match self {
            Self::Full => full,
            Self::Tiny => tiny,
        }
    }
}

type Running = Pin<Box<dyn Future<Output = Report> + Send>>;

/// One bench.
#[derive(Debug, Clone, Copy)]
pub struct Bench {
    /// What to call it by.
    pub name: &'static str,
    /// What it measures.
    pub about: &'static str,
    run: fn(Scale) -> Running,
}

impl Bench {
    /// Runs it.
    pub async fn run(&self, scale: Scale) -> Report {
        (self.run)(scale).await
    }
}

/// Every bench, in the order in which they run when none is named.
pub const BENCHES: &[Bench] = &[
    Bench {
        name: "throughput",
        about: "octets up and down through the gateway, 1 and 4 flows, beside loopback",
        run: |scale| Box::pin(throughput::run(scale)),
    },
    Bench {
        name: "latency",
        about: "one small message there and back, TCP and UDP, beside loopback",
        run: |scale| Box::pin(latency::run(scale)),
    },
    Bench {
        name: "connections",
        about: "opening flows, admission and audit included, beside a bare dial and the disk",
        run: |scale| Box::pin(connections::run(scale)),
    },
    Bench { name: "memory", about: "what idle tunnels cost the gateway", run: |scale| Box::pin(memory::run(scale)) },
    Bench {
        name: "setup",
        about: "from a dial, and from the start of the agent, to the first octet that comes back",
        run: |scale| Box::pin(setup::run(scale)),
    },
    Bench {
        name: "handshakes",
        about: "what a handshake costs the gateway, full, attested and resumed",
        run: |scale| Box::pin(handshakes::run(scale)),
    },
    Bench {
        name: "decide",
        about: "one answer of the rules, new and remembered",
        run: |scale| Box::pin(decide::run(scale)),
    },
    Bench {
        name: "cut",
        about: "from a change to the end of every flow that it forbids",
        run: |scale| Box::pin(cut::run(scale)),
    },
    Bench {
        name: "scale",
        about: "the same loads with 1 to 10,000 devices, 1 to 1,000 flows of one device, 10 to 5,000 rules",
        run: |scale| Box::pin(scale::run(scale)),
    },
    Bench {
        name: "fairness",
        about: "one octet there and back beside bulk flows, on the same tunnel and on another",
        run: |scale| Box::pin(fairness::run(scale)),
    },
    Bench {
        name: "stalled",
        about: "10,000 flows that all stall: what they hold, and what others feel of them",
        run: |scale| Box::pin(stalled::run(scale)),
    },
    Bench {
        name: "peers",
        about: "agent and gateway beside the tunnels that a user could choose, in three network namespaces (root)",
        run: |scale| Box::pin(peers::run(scale)),
    },
    Bench {
        name: "line",
        about: "the same beside three of them over links that delay, lose, reorder and queue (root)",
        run: |scale| Box::pin(line::run(scale)),
    },
];

/// The benches of these names; all of them for none.
///
/// # Errors
/// The name that is none, with those that are.
pub fn chosen(names: &[String]) -> Result<Vec<Bench>, String> {
    if names.is_empty() {
        return Ok(BENCHES.to_vec());
    }
    let one = |name: &String| {
        let found = BENCHES.iter().find(|bench| bench.name == name).copied();
        found.ok_or_else(|| {
            let rows: Vec<String> =
                BENCHES.iter().map(|bench| format!("  {:<12} {}", bench.name, bench.about)).collect();
            format!("`{name}` is not a bench; these are:\n{}", rows.join("\n"))
        })
    };
    names.iter().map(one).collect()
}

/// The one JSON object of a run.
#[must_use]
pub fn summary(reports: &[Report]) -> Value {
    let benches: Map<String, Value> =
        reports.iter().map(|report| (report.bench().to_owned(), report.to_json())).collect();
    json!({ "benches": benches, "machine": machine() })
}

/// What figures depend on besides our code.
fn machine() -> Value {
    let first_word = |path: &str| {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        text.split_whitespace().next().unwrap_or_default().to_owned()
    };
    json!({
        "processors": std::thread::available_parallelism().map_or(0, usize::from),
        "kernel": first_word("/proc/sys/kernel/osrelease"),
        "load_1_minute": first_word("/proc/loadavg").parse::<f64>().unwrap_or_default(),
        "optimised": !cfg!(debug_assertions),
    })
}
