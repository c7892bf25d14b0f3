//! One octet there and back, again and again: what a tunnel adds to a key press.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::any_port;
use crate::bench::samples::Samples;

/// Times that are not counted, because caches and routes are cold.
const WARM_UP: usize = 50;

/// When a datagram counts as lost.
const LOST_AFTER: Duration = Duration::from_millis(300);

/// How long an octet over TCP may take before the whole fails.
const PATIENCE: Duration = Duration::from_secs(5);

/// Over TCP.
pub(super) fn tcp(target: SocketAddr, lasting: Duration) -> io::Result<Value> {
    let mut stream = TcpStream::connect(target)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut once = || {
        stream.write_all(&[1])?;
        stream.read_exact(&mut [0])
    };
    for _ in 0..WARM_UP {
        once()?;
    }
    let begun = Instant::now();
    let mut samples = Samples::default();
    while begun.elapsed() < lasting {
        let sent = Instant::now();
        once()?;
        samples.push(sent.elapsed());
    }
    Ok(said(&samples, 0))
}

/// Over UDP.
pub(super) fn udp(target: SocketAddr, lasting: Duration) -> io::Result<Value> {
    let socket = UdpSocket::bind(any_port(target))?;
    socket.connect(target)?;
    socket.set_read_timeout(Some(LOST_AFTER))?;
    let mut number = 0_u8;
    let mut once = || {
        number = number.wrapping_add(1);
        // A connected socket also tells of a port that was closed a moment ago.
        socket.send(&[number]).ok()?;
        let mut answer = [0];
        while socket.recv(&mut answer).ok()? != 1 || answer[0] != number {}
        Some(())
    };
    for _ in 0..WARM_UP {
        let _ = once();
    }
    let begun = Instant::now();
    let (mut samples, mut lost) = (Samples::default(), 0);
    while begun.elapsed() < lasting {
        let sent = Instant::now();
        match once() {
            Some(()) => samples.push(sent.elapsed()),
            None => lost += 1,
        }
    }
    if samples.is_empty() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(said(&samples, lost)) }
}

fn said(samples: &Samples, lost: usize) -> Value {
    json!({
        "count": samples.len(),
        "lost": lost,
        "p50_us": samples.percentile_us(50),
        "p99_us": samples.percentile_us(99),
    })
}
