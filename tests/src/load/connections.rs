//! One connection after another: opened, one octet there and back, closed.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::bench::samples::Samples;

/// How long one may take before it counts as failed.
const PATIENCE: Duration = Duration::from_secs(2);

/// Opens some at once, for a time, each row of them on a thread of its own as separate programs would.
pub(super) fn run(target: SocketAddr, at_once: usize, lasting: Duration) -> io::Result<Value> {
    let begun = Instant::now();
    let rows: Vec<_> = (0..at_once).map(|_| thread::spawn(move || row(target, begun, lasting))).collect();
    let (mut samples, mut failed) = (Samples::default(), 0);
    for row in rows {
        let (times, failures) = row.join().expect("it does not panic");
        samples.merge(times);
        failed += failures;
    }
    let took = begun.elapsed();
    if samples.is_empty() {
        return Err(io::ErrorKind::ConnectionRefused.into());
    }
    #[expect(clippy::cast_precision_loss, reason = "millions at most")]
    let per_s = samples.len() as f64 / took.as_secs_f64();
    Ok(json!({
        "per_s": per_s,
        "failed": failed,
        "p50_us": samples.percentile_us(50),
        "p99_us": samples.percentile_us(99),
    }))
}

fn row(target: SocketAddr, begun: Instant, lasting: Duration) -> (Samples, u32) {
    let (mut samples, mut failed) = (Samples::default(), 0);
    while begun.elapsed() < lasting {
        let opened = Instant::now();
        match one(target) {
            Ok(()) => samples.push(opened.elapsed()),
            Err(_) => failed += 1,
        }
    }
    (samples, failed)
}

fn one(target: SocketAddr) -> io::Result<()> {
    let mut stream = TcpStream::connect_timeout(&target, PATIENCE)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(&[1])?;
    stream.read_exact(&mut [0])
}
