//! Ours beside the tunnels that a user could choose, in one run: client, gateway and server are three hosts (network
//! namespaces) joined by links of MTU 1500, on one machine. Each peer stands the whole time and they take turns, so that
//! what else the machine does spoils all alike.
//!
//! - [`hosts`] are the three hosts, [`peer`] the peers, [`recipes`] how each is set up.
//! - [`table`] is what they showed. The load is [`crate::load`], one process for each side.

pub mod hosts;
pub mod peer;
mod recipes;
pub(super) mod table;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use self::hosts::Hosts;
use self::peer::{Line, Peer};
use self::table::Table;
use super::report::{Aim, Report, Unit};
use super::{PARTS, Scale, is_chosen};
use crate::process::{Running, program, run as run_command};

/// How long a peer may take until the first octet comes back.
const REACHED_WITHIN: Duration = Duration::from_secs(15);

/// Connections that ask for pages, as a browser with a few tabs or a small office has.
const CONNECTIONS: usize = 32;

/// New connections at once.
const AT_ONCE: usize = 16;

/// Calls at once: an office's, and as many as one gateway's telephones.
const CALLS: [u32; 2] = [50, 1_000];

/// How long our agent may look at the device before it is measured anyway, and how often we ask whether it has done.
const SETTLES_WITHIN: Duration = Duration::from_secs(60);
const ASKED_EVERY: Duration = Duration::from_millis(100);

/// How long the gateway is left alone before its idle memory is read.
const REST: Duration = Duration::from_secs(10);

/// As [`PARTS`], for peers.
const PEERS: &str = "HITOTSU_BENCH_PEERS";

/// Runs it.
pub async fn run(scale: Scale) -> Report {
    let mut report = Report::new("peers");
    if !rustix::process::geteuid().is_root() {
        report.note("Left out: it needs root, for network namespaces.");
        return report;
    }
    measured(scale, report).await
}

async fn measured(scale: Scale, mut report: Report) -> Report {
    for text in ABOUT {
        report.note(text);
    }
    report.note_load("before");
    let mut bench = Bench::start(scale, &mut report).await;
    bench.settle().await;
    if is_chosen(PARTS, "bulk") {
        bench.bulk().await;
        bench.gateway_memory("gateway_after_bulk");
    }
    if is_chosen(PARTS, "ping-pong") {
        bench.ping_pong().await;
    }
    if is_chosen(PARTS, "requests") {
        bench.requests().await;
    }
    if is_chosen(PARTS, "connections") {
        bench.connections().await;
    }
    if is_chosen(PARTS, "voice") {
        bench.voice().await;
    }
    if is_chosen(PARTS, "set-up") {
        tokio::time::sleep(scale.pick(REST, Duration::ZERO)).await;
        bench.gateway_memory("gateway_at_rest");
        bench.set_up().await;
    }
    bench.aims();
    for trouble in &bench.troubles {
        report.note(trouble);
    }
    bench.table.write(&mut report);
    bench.ratios(&mut report);
    report.note_load("after");
    report
}

const ABOUT: [&str; 4] = [
    "Load, client, gateway and server share this machine's processors: Gbit/s is what all of them do together.",
    "Each value: median (least..most) of runs by turns. CPU: processes of the tunnel's two sides, kernel time included.",
    "A link passes the kernel's large segments whole, as a network card with offloads does.",
    "direct has no tunnel; hitotsu has admission and the audit record of every flow on.",
];

/// Everything that stands, and what it showed so far.
#[derive(Debug)]
struct Bench {
    scale: Scale,
    lines: Vec<(Line, PathBuf)>,
    hosts: Hosts,
    table: Table,
    troubles: Vec<String>,
    // The lines' processes use the folders, so they go first.
    _dir: TempDir,
}

impl Bench {
    async fn start(scale: Scale, report: &mut Report) -> Self {
        let dir = tempfile::Builder::new().prefix("hitotsu-peers-").tempdir().expect("a folder");
        let hosts = Hosts::new().await;
        let chosen = Peer::ALL.into_iter().filter(|peer| is_chosen(PEERS, peer.name()));
        let lines = all_that_stand(chosen, &hosts, dir.path(), report).await;
        Self { scale, lines, hosts, table: Table::default(), troubles: Vec::new(), _dir: dir }
    }

    /// One load over one peer. Ours must bear every load; what another does not is said.
    async fn load(&mut self, peer: usize, words: &[&str]) -> Option<Value> {
        let line = &self.lines[peer].0;
        match bears(line, &self.hosts, words).await {
            Ok(said) => Some(said),
            Err(text) => {
                assert_ne!(line.peer, Peer::Hitotsu, "{text}");
                self.troubles.push(text);
                None
            }
        }
    }

    async fn bulk(&mut self) {
        let time = self.scale.pick("1500", "50");
        for streams in ["1", "4"] {
            for way in ["up", "down"] {
                let name = format!("bulk_{way}_{streams}");
                for _ in 0..self.scale.pick(3, 1) {
                    for place in 0..self.lines.len() {
                        let line = &self.lines[place].0;
                        let (peer, before) = (line.peer, line.cpu_seconds());
                        let target = SocketAddr::new(peer.entry(), line.ports.bulk).to_string();
                        let Some(said) = self.load(place, &["bulk", &target, way, streams, time]).await else {
                            continue;
                        };
                        let after = self.lines[place].0.cpu_seconds();
                        let gigabytes = number(&said, "octets") / 1e9;
                        self.table.add(&name, Unit::GigabitsPerSecond, peer, number(&said, "gbit_s"));
                        if peer != Peer::Direct {
                            let (client, gateway) =
                                ((after.0 - before.0) / gigabytes, (after.1 - before.1) / gigabytes);
                            let unit = Unit::CpuSecondsPerGigabyte;
                            self.table.add(&format!("{name}_both_sides"), unit, peer, client + gateway);
                            self.table.add(&format!("{name}_gateway"), unit, peer, gateway);
                        }
                    }
                }
            }
        }
    }

    async fn ping_pong(&mut self) {
        let time = self.scale.pick("1000", "50");
        for transport in ["tcp", "udp"] {
            for _ in 0..self.scale.pick(3, 1) {
                for place in 0..self.lines.len() {
                    let line = &self.lines[place].0;
                    let peer = line.peer;
                    if transport == "udp" && !peer.carries_datagrams() {
                        continue;
                    }
                    let port = if transport == "tcp" { line.ports.echo } else { line.ports.voice };
                    let target = SocketAddr::new(peer.entry(), port).to_string();
                    let Some(said) = self.load(place, &["ping-pong", &target, transport, time]).await else { continue };
                    for percentile in ["p50", "p99"] {
                        let value = number(&said, &format!("{percentile}_us"));
                        self.table.add(&format!("{transport}_{percentile}"), Unit::Microseconds, peer, value);
                    }
                }
            }
        }
    }

    async fn requests(&mut self) {
        let (time, connections) = (self.scale.pick("1500", "50"), CONNECTIONS.to_string());
        for _ in 0..self.scale.pick(3, 1) {
            for place in 0..self.lines.len() {
                let line = &self.lines[place].0;
                let peer = line.peer;
                let target = SocketAddr::new(peer.entry(), line.ports.http).to_string();
                let Some(said) = self.load(place, &["requests", &target, &connections, time]).await else { continue };
                self.table.add("requests", Unit::PerSecond, peer, number(&said, "per_s"));
            }
        }
    }

    async fn connections(&mut self) {
        let (time, at_once) = (self.scale.pick("1500", "50"), AT_ONCE.to_string());
        for _ in 0..self.scale.pick(3, 1) {
            for place in 0..self.lines.len() {
                let line = &self.lines[place].0;
                let peer = line.peer;
                let target = SocketAddr::new(peer.entry(), line.ports.echo).to_string();
                let Some(said) = self.load(place, &["connections", &target, &at_once, time]).await else { continue };
                self.table.add("new_connections", Unit::PerSecond, peer, number(&said, "per_s"));
                self.table.add("new_connections_failed", Unit::Count, peer, number(&said, "failed"));
            }
        }
    }

    async fn voice(&mut self) {
        for calls in CALLS {
            for _ in 0..self.scale.pick(3, 1) {
                for place in 0..self.lines.len() {
                    if self.lines[place].0.peer.carries_datagrams() {
                        self.calls(place, calls).await;
                    }
                }
            }
        }
    }

    async fn calls(&mut self, place: usize, calls: u32) {
        let (at_once, time) = (self.scale.pick(calls, 5).to_string(), self.scale.pick("2000", "100"));
        let line = &self.lines[place].0;
        let (peer, before) = (line.peer, line.cpu_seconds().1);
        let target = SocketAddr::new(peer.entry(), line.ports.voice).to_string();
        let Some(said) = self.load(place, &["voice", &target, &at_once, time]).await else { return };
        let gateway = self.lines[place].0.cpu_seconds().1 - before;
        let name = format!("voice_{calls}");
        self.table.add(&format!("{name}_lost"), Unit::Percent, peer, number(&said, "lost_percent"));
        self.table.add(&format!("{name}_p99"), Unit::Milliseconds, peer, number(&said, "p99_us") / 1e3);
        if peer != Peer::Direct {
            let each = gateway * 1e6 / number(&said, "back");
            self.table.add(&format!("{name}_gateway_cpu_each"), Unit::Microseconds, peer, each);
        }
    }

    /// Waits until our agent has looked at the device, which takes a processor of its own for some seconds.
    async fn settle(&self) {
        let begun = Instant::now();
        let settled = || self.lines.iter().all(|(line, _)| line.is_settled());
        while self.scale == Scale::Full && !settled() && begun.elapsed() < SETTLES_WITHIN {
            tokio::time::sleep(ASKED_EVERY).await;
        }
    }

    /// From the start of the client's process to the first octet that comes back.
    async fn set_up(&mut self) {
        for _ in 0..self.scale.pick(5, 1) {
            for place in 0..self.lines.len() {
                if self.lines[place].0.peer != Peer::Direct {
                    self.set_up_again(place).await;
                    self.settle().await;
                }
            }
        }
    }

    async fn set_up_again(&mut self, place: usize) {
        let (line, folder) = &mut self.lines[place];
        line.stop_client().await;
        let target = SocketAddr::new(line.peer.entry(), line.ports.echo).to_string();
        let mut command = self.hosts.client.command(program("hitotsu-load"));
        command.args(["reach", &target, &REACHED_WITHIN.as_millis().to_string()]);
        let mut reach = Running::start(command);
        let begun = Instant::now();
        match line.start_client(&self.hosts, folder).await {
            Ok(()) => {
                reach.next_json().await;
                let took = begun.elapsed().as_secs_f64() * 1e3;
                self.table.add("set_up", Unit::Milliseconds, line.peer, took);
            }
            Err(why) => self.troubles.push(format!("{} does not start again: {why}", line.peer.name())),
        }
    }

    fn gateway_memory(&mut self, name: &str) {
        for (line, _) in self.lines.iter().filter(|(line, _)| line.peer != Peer::Direct) {
            self.table.add(name, Unit::Kibibytes, line.peer, line.gateway_kib());
        }
    }

    /// What ours should show. The figures are those that the best of the others reaches on a machine of this size, and
    /// what makes ours worth choosing.
    fn aims(&mut self) {
        for way in ["up_1", "down_1", "up_4", "down_4"] {
            self.table.aim(&format!("bulk_{way}_both_sides"), Aim::AtMost(1.10));
            self.table.aim(&format!("bulk_{way}_gateway"), Aim::AtMost(0.50));
        }
        for (name, aim) in [
            ("requests", Aim::AtLeast(62_000.0)),
            ("new_connections", Aim::AtLeast(12_500.0)),
            ("new_connections_failed", Aim::AtMost(0.0)),
            ("voice_50_lost", Aim::AtMost(0.0)),
            ("voice_1000_lost", Aim::AtMost(0.0)),
            ("voice_1000_p99", Aim::AtMost(5.0)),
            ("voice_1000_gateway_cpu_each", Aim::AtMost(5.5)),
            ("set_up", Aim::AtMost(15.0)),
            ("gateway_after_bulk", Aim::AtMost(40.0 * 1024.0)),
            ("gateway_at_rest", Aim::AtMost(15.0 * 1024.0)),
        ] {
            self.table.aim(name, aim);
        }
    }

    /// Ours compared.
    fn ratios(&self, report: &mut Report) {
        for way in ["up_1", "down_1", "up_4", "down_4"] {
            let name = format!("bulk_{way}");
            for (peer, least) in [(Peer::Ssh, 0.9), (Peer::Haproxy, 1.0), (Peer::WireguardGo, 3.5)] {
                let (ours, theirs) = (self.table.median(&name, Peer::Hitotsu), self.table.median(&name, peer));
                if let (Some(ours), Some(theirs)) = (ours, theirs) {
                    let name = format!("{name}_hitotsu_to_{}", peer.name());
                    report.aimed(name, ours / theirs, Unit::Times, Aim::AtLeast(least));
                }
            }
        }
        for (name, most) in [("tcp_p50", 33.0), ("tcp_p99", 70.0), ("udp_p50", 30.0)] {
            let (ours, direct) = (self.table.median(name, Peer::Hitotsu), self.table.median(name, Peer::Direct));
            if let (Some(ours), Some(direct)) = (ours, direct) {
                report.aimed(format!("{name}_added_hitotsu"), ours - direct, Unit::Microseconds, Aim::AtMost(most));
            }
        }
    }
}

/// Each peer that this machine has and that starts, with the folder of its files below `dir`. The others are said; ours must
/// start.
pub(super) async fn all_that_stand(
    peers: impl IntoIterator<Item = Peer>,
    hosts: &Hosts,
    dir: &Path,
    report: &mut Report,
) -> Vec<(Line, PathBuf)> {
    let mut lines = Vec::new();
    for peer in peers {
        let missing = peer.missing();
        if !missing.is_empty() {
            report.note(format!("{} is left out: this machine has no {}.", peer.name(), missing.join(", ")));
            continue;
        }
        let folder = dir.join(peer.name());
        std::fs::create_dir(&folder).expect("made");
        match stands(peer, hosts, &folder).await {
            Ok(line) => lines.push((line, folder)),
            Err(why) => {
                assert_ne!(peer, Peer::Hitotsu, "{why}");
                report.note(format!("{} is left out: it does not start: {why}", peer.name()));
            }
        }
    }
    lines
}

/// What one load over a peer showed, or in what it failed.
pub(super) async fn bears(line: &Line, hosts: &Hosts, words: &[&str]) -> Result<Value, String> {
    let mut command = hosts.client.command(program("hitotsu-load"));
    command.args(words);
    let (code, output, errors) = run_command(command).await;
    let failed = || format!("{} failed at `{}`: {}", line.peer.name(), words.join(" "), errors.trim());
    if code != 0 {
        return Err(failed());
    }
    serde_json::from_str(&output).map_err(|_| failed())
}

/// A peer that stands, over which an octet has come back.
///
/// # Errors
/// What failed.
pub async fn stands(peer: Peer, hosts: &Hosts, folder: &Path) -> Result<Line, String> {
    let mut line = Line::new(peer, hosts, folder).await?;
    line.start_client(hosts, folder).await?;
    match reached(&line, hosts).await {
        Ok(()) => Ok(line),
        Err(why) => Err(format!("{why}{}", logs(folder))),
    }
}

/// Waits until an octet has come back.
pub(super) async fn reached(line: &Line, hosts: &Hosts) -> Result<(), String> {
    let target = SocketAddr::new(line.peer.entry(), line.ports.echo).to_string();
    let mut command = hosts.client.command(program("hitotsu-load"));
    command.args(["reach", &target, &REACHED_WITHIN.as_millis().to_string()]);
    let (code, _, errors) = run_command(command).await;
    if code == 0 { Ok(()) } else { Err(format!("nothing comes back: {}", errors.trim())) }
}

/// What the peer's programs complained about.
fn logs(folder: &Path) -> String {
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let logs = files.filter(|path| path.extension().is_some_and(|extension| extension == "log"));
    logs.filter_map(|path| std::fs::read_to_string(path).ok()).map(|text| format!("\n{}", text.trim())).collect()
}

pub(super) fn number(said: &Value, name: &str) -> f64 {
    said[name].as_f64().unwrap_or_else(|| panic!("no number `{name}`: {said}"))
}
