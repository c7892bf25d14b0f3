//! The loads. Each says what was done in a second and what it cost the gateway.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use bytes::{BufMut, Bytes, BytesMut};
use futures_util::future::join_all;
use hitotsu_tunnel::datagram::{UdpFlow, UdpOptions, UdpRecv, UdpSend};
use http::HeaderMap;
use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tokio::time::{Instant as Deadline, timeout_at};

use super::ground::Ground;
use crate::bench::memory::Tunnel;
use crate::bench::pipe::{Pipe, Way};
use crate::bench::process_figures::cpu_time;
use crate::bench::samples::Samples;
use crate::bench::throughput::{Direction, carry};

/// Requests that are under way at once.
const REQUESTS_AT_ONCE: usize = 64;

/// Flows that are opened at once.
const OPENED_AT_ONCE: usize = 32;

/// A keystroke of SSH with its padding, a small query.
const REQUEST_OCTETS: usize = 64;

/// 12 octets of RTP header and 160 of sound (RFC 3551 §4.5.14), every 20 ms.
const PACKET_OCTETS: usize = 172;
const BETWEEN_PACKETS: Duration = Duration::from_millis(20);

/// The sender of all calls wakes this often and sends what is due.
const SENDER_STEP: Duration = Duration::from_micros(250);

/// A packet that is not back then is lost.
const LOST_AFTER: Duration = Duration::from_millis(500);

/// What a load showed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shown {
    /// Things done in a second.
    pub(super) per_s: f64,
    /// Processor time of the gateway for each of them, in seconds.
    pub(super) gateway_s: f64,
}

/// Measures what is done while `work` runs, which says how much it was.
async fn shown(ground: &Ground, work: impl Future<Output = usize>) -> Shown {
    let (cpu, begun) = (cpu_time(ground.gateway()), Instant::now());
    let done = work.await;
    let (took, cpu) = (begun.elapsed(), cpu_time(ground.gateway()).saturating_sub(cpu));
    #[expect(clippy::cast_precision_loss, reason = "2^53 is never reached")]
    let done = done as f64;
    Shown { per_s: done / took.as_secs_f64(), gateway_s: cpu.as_secs_f64() / done }
}

/// Octets, on so many flows of all tunnels in turn.
pub(super) async fn bulk(
    ground: &Ground,
    tunnels: &[Tunnel],
    flows: usize,
    direction: Direction,
    lasting: Duration,
) -> Shown {
    let name = ground.bulk_name.as_str();
    let each = tunnels.iter().cycle().take(flows);
    let carrying = each.map(|tunnel| carry(Way::Tunnel(&tunnel.connected, name), direction, lasting));
    let octets = async { join_all(carrying).await.into_iter().sum::<u64>() };
    shown(ground, async { usize::try_from(octets.await).expect("64 bits") }).await
}

/// Opens so many flows of all tunnels in turn to the system that sends back what comes.
pub(super) async fn open(ground: &Ground, tunnels: &[Tunnel], flows: usize) -> Vec<Pipe> {
    let mut open = Vec::with_capacity(flows);
    let tunnels: Vec<&Tunnel> = tunnels.iter().cycle().take(flows).collect();
    for some in tunnels.chunks(OPENED_AT_ONCE) {
        let opening = some.iter().map(|tunnel| Pipe::open(Way::Tunnel(&tunnel.connected, &ground.echo_name)));
        open.extend(join_all(opening).await);
    }
    open
}

/// Requests on open flows in turn. Gives the flows back.
pub(super) async fn requests(ground: &Ground, flows: &mut Vec<Pipe>, lasting: Duration) -> Shown {
    let octets = Bytes::from_static(&[7; REQUEST_OCTETS]);
    let each = flows.len().div_ceil(REQUESTS_AT_ONCE);
    let mut lanes = JoinSet::new();
    let end = Instant::now() + lasting;
    while !flows.is_empty() {
        let mut own = flows.split_off(flows.len().saturating_sub(each));
        let octets = octets.clone();
        lanes.spawn(async move {
            let mut done = 0;
            'all: loop {
                for flow in &mut own {
                    flow.echo(&octets).await;
                    done += 1;
                    if Instant::now() >= end {
                        break 'all (own, done);
                    }
                }
            }
        });
    }
    let all = async {
        let mut sum = 0;
        while let Some(lane) = lanes.join_next().await {
            let (own, done) = lane.expect("a lane goes on");
            flows.extend(own);
            sum += done;
        }
        sum
    };
    shown(ground, all).await
}

/// One octet there and back, one at a time, on open flows in turn.
pub(super) async fn echo(flows: &mut [Pipe], count: usize) -> Samples {
    let octet = Bytes::from_static(b"x");
    let mut times = Samples::default();
    let mut next = 0;
    while times.len() < count {
        let flow = &mut flows[next];
        let begun = Instant::now();
        flow.echo(&octet).await;
        times.push(begun.elapsed());
        next = (next + 1) % flows.len();
    }
    times
}

/// Flows that are opened, used for one octet and closed.
pub(super) async fn new_flows(ground: &Ground, tunnels: &Arc<[Tunnel]>, lasting: Duration) -> Shown {
    let end = Instant::now() + lasting;
    let mut lanes = JoinSet::new();
    for lane in 0..OPENED_AT_ONCE {
        let (tunnels, name) = (Arc::clone(tunnels), ground.echo_name.clone());
        lanes.spawn(async move {
            let octet = Bytes::from_static(b"x");
            let mut done = 0;
            while Instant::now() < end {
                let tunnel = &tunnels[(lane + done * OPENED_AT_ONCE) % tunnels.len()];
                let mut pipe = Pipe::open(Way::Tunnel(&tunnel.connected, &name)).await;
                pipe.echo(&octet).await;
                pipe.finish().await;
                done += 1;
            }
            done
        });
    }
    shown(ground, async { lanes.join_all().await.into_iter().sum() }).await
}

/// What calls showed.
#[derive(Debug, Clone)]
pub(super) struct Calls {
    /// Packets that did not come back, in hundredths.
    pub(super) lost_percent: f64,
    /// From when a packet was due until it was back.
    pub(super) times: Samples,
    /// Processor time of the gateway for each packet that came back, in seconds.
    pub(super) gateway_s: f64,
}

/// So many calls of all tunnels in turn, for a time.
pub(super) async fn calls(ground: &Ground, tunnels: &[Tunnel], calls: usize, lasting: Duration) -> Calls {
    let (mut sending, mut receiving) = (Vec::new(), Vec::new());
    let each: Vec<&Tunnel> = tunnels.iter().cycle().take(calls).collect();
    for some in each.chunks(OPENED_AT_ONCE) {
        for flow in join_all(some.iter().map(|tunnel| call(ground, tunnel))).await {
            let (send, recv) = flow.split();
            sending.push(send);
            receiving.push(recv);
        }
    }
    let (cpu, begun) = (cpu_time(ground.gateway()), Instant::now());
    let end = Deadline::from_std(begun + lasting + LOST_AFTER);
    let mut listening = JoinSet::new();
    for recv in receiving {
        listening.spawn(listen(recv, begun, end));
    }
    let runtime = Handle::current();
    let sender = thread::spawn(move || send(&runtime, sending, begun, lasting));
    let mut times = Samples::default();
    while let Some(own) = listening.join_next().await {
        times.merge(own.expect("a call goes on"));
    }
    let cpu = cpu_time(ground.gateway()).saturating_sub(cpu).as_secs_f64();
    // The flows end only here, so that their end is not measured.
    let (sent, _flows) = sender.join().expect("it does not panic");
    #[expect(clippy::cast_precision_loss, reason = "millions at most")]
    let (sent, back) = (sent as f64, times.len() as f64);
    Calls { lost_percent: (sent - back) * 100.0 / sent, times, gateway_s: cpu / back }
}

async fn call(ground: &Ground, tunnel: &Tunnel) -> UdpFlow {
    let connection = &tunnel.connected.connection;
    let port = ground.voice.port();
    connection.open_udp("voice.test.internal", port, HeaderMap::new(), UdpOptions::default()).await.expect("opens").flow
}

/// Sends each packet when it is due, calls evenly spread over the 20 ms, and says how many they were. Each carries when it
/// was due: a sender that is late does not make the tunnel look better.
fn send(runtime: &Handle, mut calls: Vec<UdpSend>, begun: Instant, lasting: Duration) -> (usize, Vec<UdpSend>) {
    let gap = BETWEEN_PACKETS.as_secs_f64() / f64::from(u32::try_from(calls.len()).expect("thousands"));
    let mut sent = 0_u32;
    loop {
        let due = Duration::from_secs_f64(gap * f64::from(sent));
        if due >= lasting {
            return (sent as usize, calls);
        }
        let now = begun.elapsed();
        if due > now {
            thread::sleep(SENDER_STEP.max(due - now));
            continue;
        }
        let mut packet = BytesMut::with_capacity(PACKET_OCTETS);
        packet.put_u64(u64::try_from(due.as_nanos()).expect("seconds"));
        packet.put_bytes(0, PACKET_OCTETS - packet.len());
        let next = sent as usize % calls.len();
        runtime.block_on(calls[next].send(packet.freeze())).expect("sent");
        sent += 1;
    }
}

async fn listen(mut call: UdpRecv, begun: Instant, end: Deadline) -> Samples {
    let mut times = Samples::default();
    while let Ok(Ok(Some(packet))) = timeout_at(end, call.recv()).await {
        let due = u64::from_be_bytes(packet[..8].try_into().expect("eight octets"));
        times.push(begun.elapsed().saturating_sub(Duration::from_nanos(due)));
    }
    times
}
