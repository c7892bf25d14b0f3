//! Many calls at once: each a datagram of 172 octets (RTP with 20 ms of G.711, RFC 3551 §4.5.14) fifty times a second,
//! sent back by the other side.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{any_port, runtime};
use crate::bench::samples::Samples;

/// 12 octets of RTP header and 160 of sound.
const PACKET_OCTETS: usize = 172;

/// Between two packets of a call.
const BETWEEN_PACKETS: Duration = Duration::from_millis(20);

/// The sender wakes this often and sends what is due.
const SENDER_STEP: Duration = Duration::from_micros(250);

/// How long the first packet of a call may take, which opens its flow.
const OPENS_WITHIN: Duration = Duration::from_millis(500);

/// How often a first packet is sent again.
const OPENINGS_MAX: usize = 5;

/// A packet that is not back then is lost, unless more patience is asked for.
pub(super) const LOST_AFTER: Duration = Duration::from_millis(500);

/// Holds some calls for a time.
pub(super) fn run(target: SocketAddr, calls: usize, lasting: Duration, patience: Duration) -> io::Result<Value> {
    let sockets = (0..calls).map(|_| open(target)).collect::<io::Result<Arc<[UdpSocket]>>>()?;
    let begun = Instant::now();
    let end = begun + lasting + patience;
    let sending = {
        let sockets = sockets.clone();
        thread::spawn(move || send(&sockets, begun, lasting))
    };
    let samples = runtime()?.block_on(receive(&sockets, begun, end))?;
    let sent = sending.join().expect("it does not panic");
    if samples.is_empty() {
        return Err(io::ErrorKind::TimedOut.into());
    }
    #[expect(clippy::cast_precision_loss, reason = "millions at most")]
    let lost_percent = (sent - samples.len().min(sent)) as f64 * 100.0 / sent as f64;
    Ok(json!({
        "sent": sent,
        "back": samples.len(),
        "lost_percent": lost_percent,
        "p50_us": samples.percentile_us(50),
        "p99_us": samples.percentile_us(99),
    }))
}

/// A call whose first packet has come back.
fn open(target: SocketAddr) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind(any_port(target))?;
    socket.connect(target)?;
    socket.set_read_timeout(Some(OPENS_WITHIN))?;
    for _ in 0..OPENINGS_MAX {
        let _ = socket.send(&[0]);
        if socket.recv(&mut [0; PACKET_OCTETS]).is_ok() {
            break;
        }
    }
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// Sends each packet when it is due, calls evenly spread over the 20 ms, and says how many they were. Each carries when it
/// was due: a sender that is late does not make the tunnel look better.
fn send(sockets: &[UdpSocket], begun: Instant, lasting: Duration) -> usize {
    let gap = BETWEEN_PACKETS.as_secs_f64() / f64::from(u32::try_from(sockets.len()).unwrap_or(u32::MAX));
    let mut sent = 0_u32;
    loop {
        let due = Duration::from_secs_f64(gap * f64::from(sent));
        if due >= lasting {
            return sent as usize;
        }
        let now = begun.elapsed();
        if due > now {
            thread::sleep(SENDER_STEP.max(due - now));
            continue;
        }
        let mut packet = [0; PACKET_OCTETS];
        packet[..8].copy_from_slice(&u64::try_from(due.as_nanos()).unwrap_or(u64::MAX).to_be_bytes());
        let _ = sockets[sent as usize % sockets.len()].send(&packet);
        sent += 1;
    }
}

async fn receive(sockets: &[UdpSocket], begun: Instant, end: Instant) -> io::Result<Samples> {
    let mut calls = JoinSet::new();
    for socket in sockets {
        let socket = tokio::net::UdpSocket::from_std(socket.try_clone()?)?;
        calls.spawn(async move {
            let mut times = Samples::default();
            let _ = tokio::time::timeout_at(end.into(), listen(&socket, begun, &mut times)).await;
            times
        });
    }
    let mut samples = Samples::default();
    while let Some(times) = calls.join_next().await {
        samples.merge(times?);
    }
    Ok(samples)
}

async fn listen(socket: &tokio::net::UdpSocket, begun: Instant, times: &mut Samples) {
    let mut packet = [0; PACKET_OCTETS + 1];
    loop {
        // Openings that came back late are shorter.
        if let Ok(PACKET_OCTETS) = socket.recv(&mut packet).await {
            let due = u64::from_be_bytes(packet[..8].try_into().expect("eight octets"));
            times.push(begun.elapsed().saturating_sub(Duration::from_nanos(due)));
        }
    }
}
