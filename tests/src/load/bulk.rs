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
    /// Read for a time from the first octet on, then say how many they were.
    Count(Duration),
}

/// The bit of an order that tells [`Order::Count`] from [`Order::Give`].
const COUNT: u32 = 1 << 31;

impl Order {
    /// Reads four octets: milliseconds to send or to count for, or none.
    pub(super) fn read(stream: &mut TcpStream) -> io::Result<Self> {
        let mut order = [0; 4];
        stream.read_exact(&mut order)?;
        Ok(match u32::from_be_bytes(order) {
            0 => Self::Take,
            time if time & COUNT != 0 => Self::Count(Duration::from_millis((time ^ COUNT).into())),
            time => Self::Give(Duration::from_millis(time.into())),
        })
    }

    fn write(self, stream: &mut TcpStream) -> io::Result<()> {
        let milliseconds = |time: Duration| u32::try_from(time.as_millis()).unwrap_or(u32::MAX).clamp(1, COUNT - 1);
        let time = match self {
            Self::Take => 0,
            Self::Give(lasting) => milliseconds(lasting),
            Self::Count(lasting) => milliseconds(lasting) | COUNT,
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

/// Moves octets on one stream and gives up in the midst: what has arrived in a time, from the first octet on. On a line with a
/// deep buffer the last octet may come long after that.
pub(super) fn run_for(target: SocketAddr, up: bool, lasting: Duration) -> io::Result<Value> {
    let mut stream = TcpStream::connect(target)?;
    // What is under way is worth nothing; a reset ends it on the whole way.
    rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO))?;
    let octets = if up { counted_there(&mut stream, lasting)? } else { counted_here(&mut stream, lasting)? };
    #[expect(clippy::cast_precision_loss, reason = "2^53 octets take days")]
    let mbit_s = octets as f64 * 8.0 / 1e6 / lasting.as_secs_f64();
    Ok(json!({ "octets": octets, "mbit_s": mbit_s }))
}

fn counted_there(stream: &mut TcpStream, lasting: Duration) -> io::Result<u64> {
    Order::Count(lasting).write(stream)?;
    let mut writer = stream.try_clone()?;
    let writing = thread::spawn(move || while writer.write_all(&[0; PIECE_OCTETS]).is_ok() {});
    let mut count = [0; 8];
    stream.set_read_timeout(Some(lasting + PATIENCE))?;
    let counted = stream.read_exact(&mut count);
    stream.shutdown(std::net::Shutdown::Both)?;
    writing.join().expect("it does not panic");
    counted.map(|()| u64::from_be_bytes(count))
}

fn counted_here(stream: &mut TcpStream, lasting: Duration) -> io::Result<u64> {
    Order::Give(lasting + PATIENCE).write(stream)?;
    count(stream, lasting)
}

/// How long the first octet or the count may take beyond what it should.
const PATIENCE: Duration = Duration::from_secs(10);

/// Counts octets for a time from the first one on.
pub(super) fn count(stream: &mut TcpStream, lasting: Duration) -> io::Result<u64> {
    let mut piece = vec![0; PIECE_OCTETS];
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut octets = stream.read(&mut piece)? as u64;
    let end = Instant::now() + lasting;
    while let Some(rest) = end.checked_duration_since(Instant::now()).filter(|rest| !rest.is_zero()) {
        stream.set_read_timeout(Some(rest))?;
        match stream.read(&mut piece) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(read) => octets += read as u64,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(octets)
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
