//! Ours over bad lines, beside no tunnel, WireGuard in user space and OpenSSH: client and gateway are joined by
//! [`crate::link`], which is one line after another. On each line every peer takes its turn at each load and meets the same
//! losses.
//!
//! - [`profiles`] are the lines.

mod profiles;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Child;
use tokio::signal::unix::{SignalKind, signal};

use self::profiles::{Known, lines};
use super::Scale;
use super::peers::hosts::{Hosts, Link};
use super::peers::peer::{Line, Peer};
use super::peers::table::Table;
use super::peers::{all_that_stand, bears, number, reached};
use super::report::{Report, Unit};
use crate::process::program;

/// Pages in a row.
const PAGES: &str = "8";

/// Calls beside bulk.
const CALLS: &str = "3";

/// How long a packet of a call is waited for: longer than any of the lines holds it. One that takes more than half a second
/// is of no use, which the percentiles show.
const VOICE_PATIENCE_MS: &str = "2000";

/// Bulk has this long to fill the line before calls or pages begin beside it.
const FILLS_WITHIN: Duration = Duration::from_millis(1_500);

/// The line counts as quiet after this long without a packet.
const QUIET: Duration = Duration::from_millis(300);

/// And is waited for no longer than this.
const QUIET_PATIENCE: Duration = Duration::from_secs(8);

/// Runs it. Interrupted, it ends everything that it started and leaves.
pub async fn run(scale: Scale) -> Report {
    let mut report = Report::new("line");
    if !rustix::process::geteuid().is_root() {
        report.note("Left out: it needs root, for network namespaces.");
        return report;
    }
    let mut terminate = signal(SignalKind::terminate()).expect("a handler");
    let done = tokio::select! {
        report = measured(scale, report) => Some(report),
        _ = tokio::signal::ctrl_c() => None,
        _ = terminate.recv() => None,
    };
    done.unwrap_or_else(|| {
        eprintln!("line: interrupted; everything that it started has ended");
        std::process::exit(130)
    })
}

async fn measured(scale: Scale, mut report: Report) -> Report {
    for text in ABOUT {
        report.note(text);
    }
    report.note_load("before");
    let mut bench = Bench::start(scale, &mut report).await;
    for line in lines().into_iter().take(scale.pick(usize::MAX, 1)) {
        report.note(format!("{}: {}", line.name, line.about));
        bench.over(&line).await;
    }
    for trouble in &bench.troubles {
        report.note(trouble);
    }
    bench.table.write(&mut report);
    report.note_load("after");
    report
}

const ABOUT: [&str; 4] = [
    "bulk: what arrives of one TCP stream in a time, from its first octet on.",
    "page: a document and 30 objects of 2 to 30 KiB over 6 new connections, until all are there.",
    "voice: 3 calls of 50 packets a second, there and back, while one TCP stream takes all it gets in the named direction.",
    "direct has no tunnel; hitotsu has admission and the audit record of every flow on.",
];

/// What is measured over each line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Work {
    Bulk(&'static str),
    Page,
    PageBeside(&'static str),
    VoiceBeside(&'static str),
}

impl Work {
    const ALL: [Self; 7] = [
        Self::Bulk("up"),
        Self::Bulk("down"),
        Self::Page,
        Self::PageBeside("up"),
        Self::PageBeside("down"),
        Self::VoiceBeside("up"),
        Self::VoiceBeside("down"),
    ];

    fn name(self) -> String {
        match self {
            Self::Bulk(way) => format!("bulk_{way}"),
            Self::Page => "page".to_owned(),
            Self::PageBeside(way) => format!("page_beside_{way}"),
            Self::VoiceBeside(way) => format!("voice_beside_{way}"),
        }
    }

    fn needs_datagrams(self) -> bool {
        match self {
            Self::VoiceBeside(_) => true,
            Self::Bulk(_) | Self::Page | Self::PageBeside(_) => false,
        }
    }
}

/// Figures of one work, each with the rest of its name.
type Values = Vec<(&'static str, Unit, f64)>;

/// Everything that stands, and what it showed so far.
struct Bench {
    scale: Scale,
    lines: Vec<(Line, PathBuf)>,
    hosts: Hosts,
    link: Link,
    table: Table,
    troubles: Vec<String>,
    // The lines' processes use the folders, so they go first.
    _dir: TempDir,
}

impl Bench {
    async fn start(scale: Scale, report: &mut Report) -> Self {
        let dir = tempfile::Builder::new().prefix("hitotsu-line-").tempdir().expect("a folder");
        let (hosts, link) = Hosts::over_a_link().await;
        let peers = scale.pick(&Peer::OVER_LINES[..], &Peer::OVER_LINES[..2]);
        let lines = all_that_stand(peers.iter().copied(), &hosts, dir.path(), report).await;
        Self { scale, lines, hosts, link, table: Table::default(), troubles: Vec::new(), _dir: dir }
    }

    async fn over(&mut self, known: &Known) {
        self.start_anew(known).await;
        for work in Work::ALL {
            for place in 0..self.lines.len() {
                let peer = self.lines[place].0.peer;
                if work.needs_datagrams() && !peer.carries_datagrams() {
                    continue;
                }
                self.link.quiet(self.scale.pick(QUIET, Duration::ZERO), QUIET_PATIENCE).await;
                self.link.be(&known.profile).await;
                let values = self.work(known, work, place).await;
                let told = self.link.told().await;
                eprintln!("{} {} {}: {values:?} {told:?}", known.name, work.name(), peer.name());
                for (part, unit, value) in values.into_iter().flatten() {
                    self.table.add(&format!("{}_{}{part}", known.name, work.name()), unit, peer, value);
                }
            }
        }
    }

    /// Every tunnel is set up over the line that it is measured on: what it learned on another one must not count.
    async fn start_anew(&mut self, known: &Known) {
        self.link.be(&known.profile).await;
        for (line, folder) in &mut self.lines {
            line.stop_client().await;
            let started = match line.start_client(&self.hosts, folder).await {
                Ok(()) => reached(line, &self.hosts).await,
                Err(why) => Err(why),
            };
            if let Err(why) = started {
                self.troubles.push(format!("{} does not start over {}: {why}", line.peer.name(), known.name));
            }
        }
    }

    async fn work(&mut self, known: &Known, work: Work, place: usize) -> Option<Values> {
        match work {
            Work::Bulk(way) => {
                let time = self.scale.pick(known.bulk, Duration::from_millis(200)).as_millis().to_string();
                let target = self.target(place, |line| line.ports.bulk);
                let said = self.load(place, &["bulk-for", &target, way, &time]).await?;
                Some(vec![("", Unit::MegabitsPerSecond, number(&said, "mbit_s"))])
            }
            Work::Page => self.pages(place).await,
            Work::PageBeside(way) => {
                let _bulk = self.bulk_beside(place, way).await;
                self.pages(place).await
            }
            Work::VoiceBeside(way) => {
                let _bulk = self.bulk_beside(place, way).await;
                self.calls(place).await
            }
        }
    }

    fn target(&self, place: usize, port: fn(&Line) -> u16) -> String {
        let line = &self.lines[place].0;
        SocketAddr::new(line.peer.entry(), port(line)).to_string()
    }

    async fn pages(&mut self, place: usize) -> Option<Values> {
        let target = self.target(place, |line| line.ports.http);
        let said = self.load(place, &["pages", &target, PAGES, self.scale.pick("4000", "1")]).await?;
        let of = |name: &str| number(&said, name) / 1e3;
        Some(vec![("_p50", Unit::Milliseconds, of("p50_us")), ("_p95", Unit::Milliseconds, of("p95_us"))])
    }

    async fn calls(&mut self, place: usize) -> Option<Values> {
        let target = self.target(place, |line| line.ports.voice);
        let time = self.scale.pick("3000", "200");
        let said = self.load(place, &["voice", &target, CALLS, time, VOICE_PATIENCE_MS]).await?;
        let of = |name: &str| number(&said, name) / 1e3;
        Some(vec![
            ("_lost", Unit::Percent, number(&said, "lost_percent")),
            ("_p50", Unit::Milliseconds, of("p50_us")),
            ("_p99", Unit::Milliseconds, of("p99_us")),
        ])
    }

    /// Bulk in a direction, until it is dropped.
    async fn bulk_beside(&self, place: usize, way: &str) -> Child {
        let target = self.target(place, |line| line.ports.bulk);
        let mut command = self.hosts.client.command(program("hitotsu-load"));
        command.args(["bulk-for", &target, way, "60000"]).stdout(Stdio::null()).kill_on_drop(true);
        let bulk = command.spawn().expect("it starts");
        tokio::time::sleep(self.scale.pick(FILLS_WITHIN, Duration::ZERO)).await;
        bulk
    }

    /// One load over one peer; what it does not bear is said.
    async fn load(&mut self, place: usize, words: &[&str]) -> Option<Value> {
        bears(&self.lines[place].0, &self.hosts, words).await.map_err(|text| self.troubles.push(text)).ok()
    }
}
