//! How long until the other side can be reached at all.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// Between two attempts.
const BETWEEN_ATTEMPTS: Duration = Duration::from_micros(300);

/// How long one attempt may take: a connection and an octet need two round trips, of 200 ms on the longest lines, and a lost
/// packet one more second.
const ATTEMPT_TIME_MAX: Duration = Duration::from_secs(2);

/// Tries until an octet has come back, and says when that was.
pub(super) fn run(target: SocketAddr, patience: Duration) -> io::Result<Value> {
    let begun = Instant::now();
    loop {
        match attempt(target) {
            Ok(()) => return Ok(json!({ "ms": begun.elapsed().as_secs_f64() * 1e3 })),
            Err(error) if begun.elapsed() > patience => return Err(error),
            Err(_) => thread::sleep(BETWEEN_ATTEMPTS),
        }
    }
}

fn attempt(target: SocketAddr) -> io::Result<()> {
    let mut stream = TcpStream::connect_timeout(&target, ATTEMPT_TIME_MAX)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(ATTEMPT_TIME_MAX))?;
    stream.write_all(&[1])?;
    stream.read_exact(&mut [0])
}
