//! Capsules (RFC 9297 §3): datagrams and more inside a request's DATA, where QUIC datagrams are not negotiated.

use bytes::{BufMut, Bytes, BytesMut};

use crate::error::Error;
use crate::frame::{HeaderReader, Payload, take};
use crate::limits::{CAPSULE_UNKNOWN_BYTES_MAX, CAPSULE_UNKNOWN_MAX, DATAGRAM_CAPSULE_BYTES_MAX};
use crate::varint;

/// An HTTP datagram (RFC 9297 §3.5).
pub const DATAGRAM: u64 = 0x0;

/// Reads the capsules of one stream direction and hands out the DATAGRAM ones. After an error it must not be used again.
#[derive(Debug)]
pub struct CapsuleReader {
    state: State,
    unknown: u32,
    unknown_bytes: u64,
}

#[derive(Debug)]
enum State {
    Header(HeaderReader),
    Datagram(Payload),
    Skip { left: u64 },
}

impl Default for CapsuleReader {
    fn default() -> Self {
        Self { state: State::Header(HeaderReader::default()), unknown: 0, unknown_bytes: 0 }
    }
}

impl CapsuleReader {
    /// Takes octets from the front of `input` and returns the payload of the next DATAGRAM capsule (for
    /// [`udp_payload`](crate::datagram::udp_payload)); `None` when `input` is used up. Unknown capsules are skipped
    /// (RFC 9297 §3.2).
    ///
    /// # Errors
    /// A DATAGRAM longer than [`DATAGRAM_CAPSULE_BYTES_MAX`], or more unknown capsules than the budget allows.
    pub fn read(&mut self, input: &mut Bytes) -> Result<Option<Bytes>, Error> {
        loop {
            match &mut self.state {
                State::Header(header) => {
                    let Some((kind, length)) = header.read(input) else { return Ok(None) };
                    self.state = self.begin(kind, length)?;
                }
                State::Datagram(payload) => {
                    let Some(payload) = payload.read(input) else { return Ok(None) };
                    self.state = State::Header(HeaderReader::default());
                    return Ok(Some(payload));
                }
                State::Skip { left: 0 } => self.state = State::Header(HeaderReader::default()),
                State::Skip { left } => {
                    if take(left, input).is_none() {
                        return Ok(None);
                    }
                }
            }
        }
    }

    /// The stream ended cleanly.
    ///
    /// # Errors
    /// The last capsule is truncated: the message is malformed (RFC 9297 §3.3).
    pub const fn finish(&self) -> Result<(), Error> {
        match &self.state {
            State::Header(header) if !header.is_partial() => Ok(()),
            State::Skip { left: 0 } => Ok(()),
            State::Header(_) | State::Datagram(_) | State::Skip { .. } => {
                Err(Error::Message("a capsule is truncated by the end of the stream"))
            }
        }
    }

    fn begin(&mut self, kind: u64, length: u64) -> Result<State, Error> {
        if kind == DATAGRAM {
            (self.unknown, self.unknown_bytes) = (0, 0);
            return match usize::try_from(length) {
                Ok(length) if length <= DATAGRAM_CAPSULE_BYTES_MAX => Ok(State::Datagram(Payload::new(length))),
                Ok(_) | Err(_) => Err(Error::Message("a datagram capsule is too long")),
            };
        }
        self.unknown += 1;
        self.unknown_bytes = self.unknown_bytes.saturating_add(length);
        if self.unknown > CAPSULE_UNKNOWN_MAX || self.unknown_bytes > CAPSULE_UNKNOWN_BYTES_MAX {
            return Err(Error::StreamOverLimit("unknown capsules"));
        }
        Ok(State::Skip { left: length })
    }
}

/// The DATAGRAM capsule that carries a UDP payload (context 0), for the body of a CONNECT-UDP stream.
#[must_use]
pub fn encode_udp(payload: &[u8]) -> Bytes {
    let length = payload.len() as u64 + 1;
    let mut out = BytesMut::with_capacity(2 + varint::size(length) + payload.len());
    write_header(DATAGRAM, length, &mut out);
    out.put_u8(0);
    out.put_slice(payload);
    out.freeze()
}

/// Writes a capsule's type and length; its value follows as it is.
pub fn write_header(kind: u64, length: u64, out: &mut impl BufMut) {
    varint::encode(kind, out);
    varint::encode(length, out);
}
