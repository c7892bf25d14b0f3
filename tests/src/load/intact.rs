//! Octets that come back as they went.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// How long nothing may come.
const PATIENCE: Duration = Duration::from_secs(10);

/// Octets that are written and compared at a time.
const PIECE_OCTETS: usize = 16 * 1024;

/// Sends octets, no two rows of them alike, to a system that sends them back, and compares every one.
pub(super) fn run(target: SocketAddr, octets: usize) -> io::Result<Value> {
    let mut stream = TcpStream::connect(target)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let begun = Instant::now();
    let mut writer = stream.try_clone()?;
    let writing = thread::spawn(move || {
        let mut row = Row::default();
        let pieces = std::iter::repeat_with(|| row.piece()).take(octets.div_ceil(PIECE_OCTETS));
        pieces.enumerate().try_for_each(|(number, piece)| {
            let rest = octets - number * PIECE_OCTETS;
            writer.write_all(&piece[..rest.min(PIECE_OCTETS)])
        })
    });
    let (mut expected, mut back) = (Row::default(), 0);
    while back < octets {
        let length = (octets - back).min(PIECE_OCTETS);
        let mut piece = vec![0; length];
        stream.read_exact(&mut piece)?;
        if piece[..] != expected.piece()[..length] {
            return Err(io::Error::new(io::ErrorKind::InvalidData, format!("not what was sent, from octet {back} on")));
        }
        back += length;
    }
    writing.join().expect("it does not panic")?;
    Ok(json!({ "octets": back, "ms": begun.elapsed().as_secs_f64() * 1e3 }))
}

/// A row of octets that both sides can make (xorshift, Marsaglia 2003).
struct Row(u64);

impl Default for Row {
    fn default() -> Self {
        Self(0x2545_f491_4f6c_dd1d)
    }
}

impl Row {
    fn piece(&mut self) -> Vec<u8> {
        let words = std::iter::repeat_with(|| {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            self.0.to_le_bytes()
        });
        words.take(PIECE_OCTETS / 8).flatten().collect()
    }
}
