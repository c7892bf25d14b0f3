//! Flows that all stall: what they make the gateway and the kernel hold, and what others feel of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::process::Command;
use tokio::task::JoinSet;

use super::Scale;
use super::memory::{Tunnel, bring_up, idle_cpu};
use super::pipe::{Pipe, Way};
use super::process_figures::resident_kib;
use super::report::{Aim, Report, Unit};
use super::samples::Samples;
use super::scale::ground::{ENDLESS, Ground, UNREAD};
use super::site::named;
use super::throughput::Direction;

/// Devices whose flows stall.
const DEVICES: usize = 10;

/// Stalled flows of each: what a session may have, less what is asked beside them.
const FLOWS_EACH: usize = 990;

/// Octets that a device sends at a time.
const PIECE_OCTETS: usize = 64 * 1024;

/// Flows count as stalled when none has moved anything for so long.
const STILL: Duration = Duration::from_secs(1);

/// What a stalled flow may cost the gateway, in KiB.
const FLOW_KIB_MAX: f64 = 64.0;

/// Echoes and control requests that are timed.
const TIMED: usize = 1_000;

/// Runs it.
pub async fn run(scale: Scale) -> Report {
    let mut report = Report::new("stalled");
    for text in ABOUT {
        report.note(text);
    }
    for direction in Direction::BOTH {
        let ground = Ground::start(scale.pick(DEVICES, 2) + 1).await;
        Bench { direction, ground, scale, report: &mut report }.measure().await;
    }
    report
}

const ABOUT: [&str; 6] = [
    "10 devices with 990 flows each. up: the devices send all that is taken, and the system reads nothing. down: the system",
    "sends all that is taken, and the devices read nothing. gateway: its resident memory, less what it had with the tunnels",
    "before, for each flow; open: before anything was sent. kernel: what the gateway's sockets to the system hold, for each",
    "flow, as `ss` tells it. moved: octets that a flow carried before it stalled, by the sender's count.",
    "beside: one octet there and back, and the catalogue asked for, one at a time: on a tunnel whose other flows stall, and",
    "on one of another device; before they stall and while they do.",
];

struct Bench<'r> {
    direction: Direction,
    ground: Ground,
    scale: Scale,
    report: &'r mut Report,
}

impl Bench<'_> {
    fn name(&self, what: &str) -> String {
        format!("{}_{what}", self.direction.word())
    }

    fn figure(&mut self, what: &str, value: f64, unit: Unit) {
        self.report.figure(self.name(what), value, unit);
    }

    async fn measure(&mut self) {
        let tunnels = bring_up(self.ground.devices.len(), &self.ground.devices).await;
        let (other, stalling) = tunnels.split_first().expect("one at least");
        self.beside("before", &stalling[0], other).await;
        let before = resident_kib(self.ground.gateway());
        let (system, name) = match self.direction {
            Direction::Up => (&self.ground.unread, UNREAD),
            Direction::Down => (&self.ground.endless, ENDLESS),
        };
        let port = system.address.port();
        let flows = open(&named(name, system.address), stalling, self.scale.pick(FLOWS_EACH, 5)).await;
        #[expect(clippy::cast_precision_loss, reason = "thousands")]
        let count = flows.len() as f64;
        self.figure("flows", count, Unit::Count);
        if self.direction == Direction::Up {
            let each = (resident_kib(self.ground.gateway()) - before) / count;
            self.figure("gateway_open", each, Unit::Kibibytes);
        }
        let mut stall = Stall::start(flows, self.direction);
        let moved = match self.direction {
            Direction::Up => Arc::clone(&stall.moved),
            Direction::Down => Arc::clone(&self.ground.endless_moved),
        };
        #[expect(clippy::cast_precision_loss, reason = "2^53 octets are never reached")]
        let moved = until_still(&moved).await as f64 / 1024.0;
        self.figure("moved", moved / count, Unit::Kibibytes);
        let (name, held) = (self.name("gateway"), (resident_kib(self.ground.gateway()) - before) / count);
        self.report.aimed_at(self.scale, name, held, Unit::Kibibytes, Aim::AtMost(FLOW_KIB_MAX));
        if let Some(held) = kernel_kib(port).await {
            self.figure("kernel", held / count, Unit::Kibibytes);
        }
        let watched = self.scale.pick(Duration::from_secs(3), Duration::from_millis(50));
        let idle = idle_cpu(self.ground.gateway(), watched).await;
        self.figure("gateway_cpu", idle, Unit::Percent);
        self.beside("while", &stalling[0], other).await;
        stall.give_up().await;
    }

    /// What others feel.
    async fn beside(&mut self, when: &str, same: &Tunnel, other: &Tunnel) {
        for (place, tunnel) in [("same_tunnel", same), ("other_tunnel", other)] {
            let count = self.scale.pick(TIMED, 10);
            let echo = echoes(&self.ground.echo_name, tunnel, count).await;
            let control = control(tunnel, count).await;
            for (what, times) in [("echo", echo), ("control", control)] {
                for percent in [50, 99] {
                    let name = format!("{place}_{what}_p{percent}_{when}");
                    self.figure(&name, times.percentile_us(percent), Unit::Microseconds);
                }
            }
        }
    }
}

async fn open(name: &str, tunnels: &[Tunnel], each: usize) -> Vec<Pipe> {
    let mut flows = Vec::new();
    for tunnel in tunnels {
        for _ in 0..each {
            flows.push(Pipe::open(Way::Tunnel(&tunnel.connected, name)).await);
        }
    }
    flows
}

async fn echoes(name: &str, tunnel: &Tunnel, count: usize) -> Samples {
    let octet = Bytes::from_static(b"x");
    let mut pipe = Pipe::open(Way::Tunnel(&tunnel.connected, name)).await;
    let mut times = Samples::default();
    for _ in 0..count {
        let begun = Instant::now();
        pipe.echo(&octet).await;
        times.push(begun.elapsed());
    }
    times
}

async fn control(tunnel: &Tunnel, count: usize) -> Samples {
    let mut times = Samples::default();
    for _ in 0..count {
        let begun = Instant::now();
        let (status, _) = tunnel.connected.get("catalogue").await;
        times.push(begun.elapsed());
        assert_eq!(status, http::StatusCode::OK);
    }
    times
}

/// Flows that move what they can and stall.
struct Stall {
    /// Those that send, each until it is given up.
    sending: JoinSet<()>,
    /// Those that are not read.
    unread: Vec<Pipe>,
    moved: Arc<AtomicU64>,
}

impl Stall {
    fn start(flows: Vec<Pipe>, direction: Direction) -> Self {
        let mut stall = Self { sending: JoinSet::new(), unread: Vec::new(), moved: Arc::default() };
        match direction {
            Direction::Up => {
                for flow in flows {
                    stall.sending.spawn(send(flow, Arc::clone(&stall.moved)));
                }
            }
            Direction::Down => stall.unread = flows,
        }
        stall
    }

    async fn give_up(&mut self) {
        self.sending.shutdown().await;
        self.unread.clear();
    }
}

async fn send(mut flow: Pipe, moved: Arc<AtomicU64>) {
    let piece = Bytes::from(vec![0; PIECE_OCTETS]);
    loop {
        flow.send(piece.clone()).await;
        moved.fetch_add(piece.len() as u64, Ordering::Relaxed);
    }
}

/// Waits until nothing moves any more, and says how much has moved.
async fn until_still(moved: &AtomicU64) -> u64 {
    let (mut last, mut since) = (0, Instant::now());
    let mut looks = tokio::time::interval(STILL / 10);
    loop {
        looks.tick().await;
        let now = moved.load(Ordering::Relaxed);
        if now > last {
            (last, since) = (now, Instant::now());
        } else if since.elapsed() >= STILL {
            return now;
        }
    }
}

/// What the kernel holds for the sockets that are connected to this port, in KiB; nothing where `ss` is missing.
async fn kernel_kib(port: u16) -> Option<f64> {
    let mut command = Command::new("ss");
    command.args(["--tcp", "--numeric", "--memory", "--no-header", "--oneline", "dport", "="]).arg(format!(":{port}"));
    let said = command.output().await.ok().filter(|output| output.status.success())?;
    let said = String::from_utf8_lossy(&said.stdout);
    let octets: u64 = said.split("skmem:(").skip(1).map(held).sum();
    #[expect(clippy::cast_precision_loss, reason = "2^53 octets are never reached")]
    Some(octets as f64 / 1024.0)
}

/// ss(8): r is what was received and not read, w what waits to be sent or acknowledged, f what is reserved for either.
fn held(skmem: &str) -> u64 {
    let fields = skmem.split(')').next().unwrap_or_default().split(',');
    let number = |field: &str, letter: char| field.strip_prefix(letter).and_then(|rest| rest.parse::<u64>().ok());
    fields.filter_map(|field| ['r', 'w', 'f'].iter().find_map(|letter| number(field, *letter))).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_socket_holds_is_neither_its_limits_nor_counted_twice() {
        let said = "r100,rb131072,t30,tb87040,f4,w2000,o0,bl0,d0) cubic";
        assert_eq!(held(said), 2104);
    }
}
