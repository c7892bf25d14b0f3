//! Octets up and down, through device, gateway and system, beside a socket straight to the same system.

use std::time::{Duration, Instant};

use bytes::{BufMut, Bytes, BytesMut};
use futures_util::future::join_all;

use super::Scale;
use super::pipe::{Pipe, Way};
use super::process_figures::cpu_time;
use super::report::{Report, Unit};
use super::samples::median;
use super::site::{Site, named};

/// Octets that a sender gives away at a time.
const PIECE_OCTETS: usize = 256 * 1024;

/// Which way octets go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    /// From the device to the system.
    Up,
    /// From the system to the device.
    Down,
}

impl Direction {
    /// Both.
    pub(super) const BOTH: [Self; 2] = [Self::Up, Self::Down];

    /// Its word in figures' names.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
        }
    }
}

/// What one run showed.
#[derive(Debug, Clone, Copy)]
struct Run {
    gbit_s: f64,
    gateway_cpu_s_gb: f64,
}

/// Runs it.
pub async fn run(scale: Scale) -> Report {
    let site = Site::start().await;
    let connected = site.tunnel().await;
    let authority = named("bulk", site.bulk.address);
    let lasting = scale.pick(Duration::from_millis(1500), Duration::from_millis(50));
    let mut report = Report::new("throughput");
    report.note(
        "A device without an application writes into its tunnel (QUIC); the gateway relays to a system on loopback.",
    );
    report.note("Device and system share one process; with the gateway, all share this machine's processors.");
    report.note("Median of the runs; direct and tunnel by turns. CPU: the gateway process, kernel time included.");
    for flows in [1, 4] {
        for direction in Direction::BOTH {
            let (mut direct, mut tunnel) = (Vec::new(), Vec::new());
            for _ in 0..scale.pick(3, 1) {
                direct.push(one(&site, Way::Direct(site.bulk.address), direction, flows, lasting).await);
                tunnel.push(one(&site, Way::Tunnel(&connected, &authority), direction, flows, lasting).await);
            }
            add(&mut report, direction, flows, &direct, &tunnel);
        }
    }
    report
}

fn add(report: &mut Report, direction: Direction, flows: usize, direct: &[Run], tunnel: &[Run]) {
    let word = direction.word();
    let plural = if flows == 1 { "" } else { "s" };
    let name = |what: &str| format!("{word}_{flows}_flow{plural}_{what}");
    let rate = |runs: &[Run]| median(runs.iter().map(|run| run.gbit_s).collect());
    report.figure(name("direct"), rate(direct), Unit::GigabitsPerSecond);
    report.figure(name("tunnel"), rate(tunnel), Unit::GigabitsPerSecond);
    report.figure(name("tunnel_to_direct"), rate(tunnel) / rate(direct), Unit::Times);
    let cpu = median(tunnel.iter().map(|run| run.gateway_cpu_s_gb).collect());
    report.figure(name("gateway"), cpu, Unit::CpuSecondsPerGigabyte);
}

async fn one(site: &Site, way: Way<'_>, direction: Direction, flows: usize, lasting: Duration) -> Run {
    let cpu = cpu_time(site.gateway());
    let begun = Instant::now();
    let octets: u64 = join_all((0..flows).map(|_| carry(way, direction, lasting))).await.into_iter().sum();
    let took = begun.elapsed().as_secs_f64();
    let cpu = cpu_time(site.gateway()).saturating_sub(cpu).as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "2^53 octets take days")]
    let gigabytes = octets as f64 / 1e9;
    Run { gbit_s: gigabytes * 8.0 / took, gateway_cpu_s_gb: cpu / gigabytes }
}

/// Carries for a time over one pipe, until the last octet has arrived, and says how many there were.
pub(super) async fn carry(way: Way<'_>, direction: Direction, lasting: Duration) -> u64 {
    let mut pipe = Pipe::open(way).await;
    let mut order = BytesMut::new();
    let milliseconds = u32::try_from(lasting.as_millis()).expect("short");
    match direction {
        Direction::Down => {
            order.put_u32(milliseconds);
            pipe.send(order.freeze()).await;
            pipe.receive_to_end().await
        }
        Direction::Up => {
            order.put_u32(0);
            pipe.send(order.freeze()).await;
            let piece = Bytes::from(vec![0; PIECE_OCTETS]);
            let begun = Instant::now();
            let mut octets = 0;
            while begun.elapsed() < lasting {
                pipe.send(piece.clone()).await;
                octets += piece.len() as u64;
            }
            pipe.finish().await;
            // The system answers one octet when it has read the last.
            assert_eq!(pipe.receive_to_end().await, 1, "the system read to the end");
            octets
        }
    }
}
