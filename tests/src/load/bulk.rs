//! Octets in one direction, as fast as they go.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// Octets that a sender gives away at a time, and that a receiver takes.
pub(super) const PIECE_OCTETS: usize = 128 * 1024;

/// The last octet in either direction; all before it are zero. An end of the stream would say the same, but some
/// tunnels close both directions then.
pub(super) const LAST: u8 = 1;

/// What a client wants of the system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// Read up to the last octet, then answer with one.
    Take,
    /// Send for a time, then the last octet.
    Give(Duration),
}

impl Order {
    /// Reads four octets: milliseconds to send for, or none.
    pub(super) fn read(stream: &mut TcpStream) -> io::Result<Self> {
        let mut order = [0; 4];
        stream.read_exact(&mut order)?;
        Ok(match u32::from_be_bytes(order) {
            0 => Self::Take,
            time => Self::Give(Duration::from_millis(time.into())),
        })
    }

    fn write(self, stream: &mut TcpStream) -> io::Result<()> {
        let time = match self {
            Self::Take => 0,
            Self::Give(lasting) => u32::try_from(lasting.as_millis()).unwrap_or(u32::MAX).max(1),
        };
        stream.write_all(&time.to_be_bytes())
    }
}

/// Moves octets on some streams at once for a time, until the last has arrived.
pub(super) fn run(target: SocketAddr, up: bool, streams: usize, lasting: Duration) -> io::Result<Value> {
    let begun = Instant::now();
    let one = move || if up { send(target, lasting) } else { receive(target, lasting) };
    let threads: Vec<_> = (0..streams).map(|_| thread::spawn(one)).collect();
    let mut octets = 0;
    for thread in threads {
        octets += thread.join().expect("it does not panic")?;
    }
    let took = begun.elapsed();
    #[expect(clippy::cast_precision_loss, reason = "2^53 octets take days")]
    let gbit_s = octets as f64 * 8.0 / 1e9 / took.as_secs_f64();
    Ok(json!({ "octets": octets, "gbit_s": gbit_s, "ms": took.as_secs_f64() * 1e3 }))
}

fn send(target: SocketAddr, lasting: Duration) -> io::Result<u64> {
    let mut stream = TcpStream::connect(target)?;
    Order::Take.write(&mut stream)?;
    let piece = vec![0; PIECE_OCTETS];
    let begun = Instant::now();
    let mut octets = 1;
    while begun.elapsed() < lasting {
        stream.write_all(&piece)?;
        octets += piece.len() as u64;
    }
    stream.write_all(&[LAST])?;
    stream.read_exact(&mut [0])?;
    Ok(octets)
}

fn receive(target: SocketAddr, lasting: Duration) -> io::Result<u64> {
    let mut stream = TcpStream::connect(target)?;
    Order::Give(lasting).write(&mut stream)?;
    let mut piece = vec![0; PIECE_OCTETS];
    let mut octets = 0;
    loop {
        let read = stream.read(&mut piece)?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        octets += read as u64;
        if piece[read - 1] == LAST {
            return Ok(octets);
        }
    }
}
