//! What bulk flows do to somebody who types: one octet there and back beside eight bulk flows, on the same tunnel and on
//! another one.
//!
//! Whoever moves octets has threads of his own, as another program has. On a machine whose processors are all busy with
//! bulk, each turn of each process waits for them, tunnel or not; so the same is measured without a tunnel, and beside bulk
//! flows that leave the processors some rest.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::{BufMut, Bytes, BytesMut};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;

use super::pipe::{Pipe, Way};
use super::report::{Aim, Report, Unit};
use super::samples::{Samples, median};
use super::scale::ground::Ground;
use super::throughput::Direction;
use super::{PARTS, Scale, is_chosen};
use crate::device::Connected;

/// Bulk flows at once.
const BULK_FLOWS: usize = 8;

/// Octets that a bulk flow moves at a time.
const PIECE_OCTETS: usize = 64 * 1024;

/// The pause between two pieces of a flow that is held back: all of them move 1 Gbit/s.
const PAUSE: Duration = Duration::from_micros(4_194);

/// How long bulk flows have to get going before anything is counted.
const WARM_UP: Duration = Duration::from_millis(300);

/// How much longer the 99th percentile may take beside bulk flows.
const TIMES_MAX: f64 = 3.0;

/// How fast bulk flows go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pace {
    Held,
    Unlimited,
}

impl Pace {
    fn word(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Unlimited => "unlimited",
        }
    }
}

/// Runs it.
pub async fn run(scale: Scale) -> Report {
    let mut report = Report::new("fairness");
    for text in ABOUT {
        report.note(text);
    }
    let ground = Ground::start(2).await;
    let crowd = Arc::new(Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime"));
    let mut bench = Bench { tunnels: tunnels(&ground, &crowd).await, ground, crowd, scale, report };
    for pace in [Pace::Held, Pace::Unlimited] {
        for direction in Direction::BOTH {
            if is_chosen(PARTS, &format!("{}-{}", pace.word(), direction.word())) {
                bench.measure(pace, direction).await;
            }
        }
    }
    let Bench { report, crowd, tunnels, .. } = bench;
    drop(tunnels);
    Arc::into_inner(crowd).expect("nobody else has it").shutdown_background();
    report
}

const ABOUT: [&str; 5] = [
    "One octet there and back, again and again: alone, beside 8 bulk flows of the same tunnel, and of another device's.",
    "direct: the same without tunnels, so what this machine's processors make of it. held: the bulk flows move 1 Gbit/s",
    "together (up: the sender pauses; down: the receiver does); unlimited: all that the machine can. Client and systems of",
    "the bulk flows have threads of their own. Median of the runs' percentiles; alone and beside by turns.",
    "times: the 99th percentile beside bulk flows, over the one alone.",
];

/// Two devices' tunnels, which live where the bulk flows do: a tunnel's packets are sent by the program that has it.
async fn tunnels(ground: &Ground, crowd: &Runtime) -> [Arc<Connected>; 2] {
    let devices = ground.devices.clone();
    let dialling = crowd.spawn(async move { [devices[0].connect().await, devices[1].connect().await] });
    dialling.await.expect("dials").map(Arc::new)
}

struct Bench {
    ground: Ground,
    crowd: Arc<Runtime>,
    tunnels: [Arc<Connected>; 2],
    scale: Scale,
    report: Report,
}

/// Where the bulk flows go.
#[derive(Debug, Clone)]
enum Beside {
    Nobody,
    Tunnel(Arc<Connected>),
    Direct,
}

impl Bench {
    async fn measure(&mut self, pace: Pace, direction: Direction) {
        let [same, other] = self.tunnels.clone();
        let (pace_word, word) = (pace.word(), direction.word());
        for (name, echo, beside) in [
            ("direct", None, Beside::Direct),
            ("same_tunnel", Some(&same), Beside::Tunnel(Arc::clone(&same))),
            ("other_tunnel", Some(&same), Beside::Tunnel(other)),
        ] {
            let (mut p50, mut p99, mut times, mut rates) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
            for _ in 0..self.scale.pick(5, 1) {
                let (alone, _) = self.echo(echo, Beside::Nobody, pace, direction).await;
                let (beside, rate) = self.echo(echo, beside.clone(), pace, direction).await;
                p50.push(beside.percentile_us(50));
                p99.push(beside.percentile_us(99));
                times.push(beside.percentile_us(99) / alone.percentile_us(99));
                rates.push(rate);
            }
            let name = |what: &str| format!("{pace_word}_{word}_{name}_{what}");
            self.report.figure(name("bulk"), median(rates), Unit::GigabitsPerSecond);
            self.report.figure(name("p50"), median(p50), Unit::Microseconds);
            self.report.figure(name("p99"), median(p99), Unit::Microseconds);
            let (p99, times) = (name("p99"), median(times));
            if echo.is_some() {
                self.report.aimed_at(self.scale, p99, times, Unit::Times, Aim::AtMost(TIMES_MAX));
            } else {
                self.report.figure(p99, times, Unit::Times);
            }
        }
    }

    /// Times of echoes beside bulk flows, and how many Gbit/s these moved.
    async fn echo(
        &self,
        tunnel: Option<&Arc<Connected>>,
        beside: Beside,
        pace: Pace,
        direction: Direction,
    ) -> (Samples, f64) {
        let name = self.ground.echo_name.clone();
        let mut pipe = match tunnel {
            Some(tunnel) => Pipe::open(Way::Tunnel(tunnel, &name)).await,
            None => Pipe::open(Way::Direct(self.ground.echo)).await,
        };
        let bulk = Bulk::start(self, beside, pace, direction);
        tokio::time::sleep(self.scale.pick(WARM_UP, Duration::from_millis(5))).await;
        let lasting = self.scale.pick(Duration::from_millis(700), Duration::from_millis(20));
        let (octet, mut times) = (Bytes::from_static(b"x"), Samples::default());
        let (begun, moved) = (Instant::now(), bulk.moved());
        while begun.elapsed() < lasting {
            let sent = Instant::now();
            pipe.echo(&octet).await;
            times.push(sent.elapsed());
        }
        #[expect(clippy::cast_precision_loss, reason = "2^53 octets take days")]
        let octets = (bulk.moved() - moved) as f64;
        let rate = octets * 8.0 / 1e9 / begun.elapsed().as_secs_f64();
        bulk.stop().await;
        (times, rate)
    }
}

/// Running bulk flows.
struct Bulk {
    flows: JoinSet<()>,
    moved: Arc<AtomicU64>,
    over: Arc<AtomicBool>,
}

impl Bulk {
    fn start(bench: &Bench, beside: Beside, pace: Pace, direction: Direction) -> Self {
        let mut bulk = Self { flows: JoinSet::new(), moved: Arc::default(), over: Arc::default() };
        let count = if matches!(beside, Beside::Nobody) { 0 } else { BULK_FLOWS };
        for _ in 0..count {
            let (beside, name, direct) = (beside.clone(), bench.ground.bulk_name.clone(), bench.ground.bulk.address);
            let (moved, over) = (Arc::clone(&bulk.moved), Arc::clone(&bulk.over));
            let flow = async move {
                let pipe = match &beside {
                    Beside::Tunnel(tunnel) => Pipe::open(Way::Tunnel(tunnel, &name)).await,
                    Beside::Direct | Beside::Nobody => Pipe::open(Way::Direct(direct)).await,
                };
                carry(pipe, pace, direction, &moved, &over).await;
            };
            bulk.flows.spawn_on(flow, bench.crowd.handle());
        }
        bulk
    }

    fn moved(&self) -> u64 {
        self.moved.load(Ordering::Relaxed)
    }

    async fn stop(self) {
        self.over.store(true, Ordering::Relaxed);
        self.flows.join_all().await;
    }
}

/// Moves octets until it is over; what is under way then is not waited for.
async fn carry(mut pipe: Pipe, pace: Pace, direction: Direction, moved: &AtomicU64, over: &AtomicBool) {
    let mut order = BytesMut::new();
    order.put_u32(if direction == Direction::Up { 0 } else { u32::MAX });
    pipe.send(order.freeze()).await;
    let piece = Bytes::from(vec![0; PIECE_OCTETS]);
    let mut due = Instant::now();
    while !over.load(Ordering::Relaxed) {
        let mut octets = 0;
        while octets < PIECE_OCTETS {
            octets += match direction {
                Direction::Up => {
                    pipe.send(piece.clone()).await;
                    piece.len()
                }
                Direction::Down => pipe.receive().await,
            };
        }
        moved.fetch_add(octets as u64, Ordering::Relaxed);
        if pace == Pace::Held {
            due += PAUSE.mul_f64(f64::from(u32::try_from(octets).expect("small")) / 65_536.0);
            tokio::time::sleep_until(due.into()).await;
        }
    }
}
