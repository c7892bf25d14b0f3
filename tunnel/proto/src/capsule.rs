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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::datagram::udp_payload;
    use crate::error::{Code, Scope};
    use crate::limits::UDP_PAYLOAD_BYTES_MAX;
    use proptest::prelude::*;

    fn capsule(kind: u64, value: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        write_header(kind, value.len() as u64, &mut out);
        out.extend_from_slice(value);
        out
    }

    fn meaning(wire: &[u8], step: usize) -> (Vec<Bytes>, Result<(), Error>) {
        let mut reader = CapsuleReader::default();
        let mut payloads = Vec::new();
        for chunk in wire.chunks(step) {
            let mut chunk = Bytes::copy_from_slice(chunk);
            loop {
                match reader.read(&mut chunk) {
                    Ok(None) => break,
                    Ok(Some(payload)) => payloads.push(payload),
                    Err(error) => return (payloads, Err(error)),
                }
            }
        }
        (payloads, reader.finish())
    }

    #[test]
    fn datagram_capsules_are_delivered_and_unknown_ones_skipped() {
        let wire =
            [capsule(0x29, b"grease"), capsule(DATAGRAM, b"\0one"), capsule(0xffff, b""), capsule(DATAGRAM, b"")]
                .concat();
        assert_eq!(meaning(&wire, usize::MAX), (vec![Bytes::from_static(b"\0one"), Bytes::new()], Ok(())));
    }

    #[test]
    fn a_capsule_truncated_by_the_end_is_malformed() {
        for wire in [capsule(DATAGRAM, b"abc"), capsule(0x29, b"abc")] {
            for length in 1..wire.len() {
                let error = meaning(&wire[..length], usize::MAX).1.unwrap_err();
                assert_eq!((error.code(), error.scope()), (Code::H3_MESSAGE_ERROR, Scope::Stream), "{length}");
            }
        }
        assert_eq!(meaning(&[], 1), (vec![], Ok(())));
    }

    #[test]
    fn a_datagram_capsule_over_the_limit_is_refused_by_its_length_alone() {
        let mut wire = Vec::new();
        write_header(DATAGRAM, DATAGRAM_CAPSULE_BYTES_MAX as u64 + 1, &mut wire);
        let error = CapsuleReader::default().read(&mut Bytes::from(wire)).unwrap_err();
        assert_eq!((error.code(), error.scope()), (Code::H3_MESSAGE_ERROR, Scope::Stream));
    }

    #[test]
    fn the_largest_udp_payload_fits() {
        let payload = vec![7; UDP_PAYLOAD_BYTES_MAX];
        let (read, end) = meaning(&encode_udp(&payload), 1000);
        assert_eq!(end, Ok(()));
        assert_eq!(udp_payload(read[0].clone()).unwrap().unwrap(), payload);
    }

    #[test]
    fn unknown_capsules_have_a_budget_of_octets_and_of_number() {
        let mut endless = Vec::new();
        write_header(0x29, varint::MAX, &mut endless);
        assert!(matches!(meaning(&endless, usize::MAX).1, Err(Error::StreamOverLimit(_))));
        let many = capsule(0x29, b"").repeat(CAPSULE_UNKNOWN_MAX as usize);
        assert_eq!(meaning(&many, usize::MAX).1, Ok(()));
        let between = [&many[..], &capsule(DATAGRAM, b"\0"), &many].concat();
        assert_eq!(meaning(&between, usize::MAX).1, Ok(()));
        let over = [&many[..], &capsule(0x29, b"")].concat();
        assert!(matches!(meaning(&over, usize::MAX).1, Err(Error::StreamOverLimit(_))));
    }

    #[test]
    fn a_capsule_in_one_chunk_is_not_copied() {
        let chunk = encode_udp(&[7; 100]);
        let payload = CapsuleReader::default().read(&mut chunk.clone()).unwrap().unwrap();
        assert_eq!(payload.as_ptr(), chunk[3..].as_ptr());
    }

    proptest! {
        #[test]
        fn how_the_stream_is_cut_changes_nothing(
            capsules in proptest::collection::vec((0u64..4, proptest::collection::vec(any::<u8>(), 0..50)), 0..10), step in 1usize..40,
        ) {
            let wire: Vec<u8> = capsules.iter().flat_map(|(kind, value)| capsule(*kind, value)).collect();
            prop_assert_eq!(meaning(&wire, usize::MAX), meaning(&wire, step));
        }

        #[test]
        fn no_octets_make_the_reader_panic(wire: Vec<u8>, step in 1usize..40) {
            prop_assert_eq!(meaning(&wire, usize::MAX), meaning(&wire, step));
        }
    }
}
