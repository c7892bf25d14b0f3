//! Unidirectional streams (RFC 9114 §6.2, RFC 9204 §4.2): each says first what it is.

use bytes::{BufMut, Bytes};

use crate::error::Error;
use crate::frame::{self, Side};
use crate::varint;

const CONTROL: u64 = 0x0;
const PUSH: u64 = 0x1;
const QPACK_ENCODER: u64 = 0x2;
const QPACK_DECODER: u64 = 0x3;

/// What a unidirectional stream of the peer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UniStream {
    /// Frames, for [`ControlReader`](crate::control::ControlReader). Critical.
    Control,
    /// Instructions, for [`EncoderStream`](crate::qpack::EncoderStream). Critical.
    QpackEncoder,
    /// Instructions, for [`DecoderStream`](crate::qpack::DecoderStream). Critical.
    QpackDecoder,
    /// Of a type that we do not know or that is reserved: to be stopped (`H3_STREAM_CREATION_ERROR`) or read and thrown
    /// away, and never an error (RFC 9114 §6.2.3).
    Ignored,
}

/// Reads the type at the front of one unidirectional stream. A stream that ends before its type is complete is no error
/// (RFC 9114 §6.2).
#[derive(Debug, Default)]
pub struct UniStreamReader {
    partial: varint::Partial,
}

impl UniStreamReader {
    /// Takes octets from the front of `input`; the type once it is complete, for [`UniStreams::open`].
    pub fn read(&mut self, input: &mut Bytes) -> Option<u64> {
        self.partial.read(input)
    }
}

/// Which critical streams the peer has opened on one connection.
#[derive(Debug)]
pub struct UniStreams {
    side: Side,
    control: bool,
    encoder: bool,
    decoder: bool,
}

impl UniStreams {
    /// None yet; `side` is the one that we are.
    #[must_use]
    pub const fn new(side: Side) -> Self {
        Self { side, control: false, encoder: false, decoder: false }
    }

    /// The peer opened a stream of this type.
    ///
    /// # Errors
    /// A second critical stream of one kind, or a push stream.
    pub fn open(&mut self, stream_type: u64) -> Result<UniStream, Error> {
        let (seen, kind) = match stream_type {
            CONTROL => (&mut self.control, UniStream::Control),
            QPACK_ENCODER => (&mut self.encoder, UniStream::QpackEncoder),
            QPACK_DECODER => (&mut self.decoder, UniStream::QpackDecoder),
            PUSH => {
                return Err(match self.side {
                    Side::Server => Error::StreamCreation("a client cannot push"),
                    // RFC 9114 §4.6: we sent no MAX_PUSH_ID.
                    Side::Client => Error::Id("a push, though none was allowed"),
                });
            }
            _ => return Ok(UniStream::Ignored),
        };
        if std::mem::replace(seen, true) {
            return Err(Error::StreamCreation("a second control or QPACK stream"));
        }
        Ok(kind)
    }
}

/// Writes the type of our control stream; SETTINGS follow.
pub fn write_control_type(out: &mut impl BufMut) {
    varint::encode(CONTROL, out);
}

/// Writes the type of a reserved stream, which every peer has to ignore.
pub fn write_grease_type(seed: u64, out: &mut impl BufMut) {
    varint::encode(frame::reserved(seed), out);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Code;

    #[test]
    fn each_critical_stream_may_be_opened_once() {
        for (stream_type, kind) in [
            (CONTROL, UniStream::Control),
            (QPACK_ENCODER, UniStream::QpackEncoder),
            (QPACK_DECODER, UniStream::QpackDecoder),
        ] {
            let mut streams = UniStreams::new(Side::Server);
            assert_eq!(streams.open(stream_type), Ok(kind));
            assert_eq!(streams.open(stream_type).unwrap_err().code(), Code::H3_STREAM_CREATION_ERROR);
        }
    }

    #[test]
    fn a_push_stream_is_an_error_on_both_sides() {
        assert_eq!(UniStreams::new(Side::Server).open(PUSH).unwrap_err().code(), Code::H3_STREAM_CREATION_ERROR);
        assert_eq!(UniStreams::new(Side::Client).open(PUSH).unwrap_err().code(), Code::H3_ID_ERROR);
    }

    #[test]
    fn unknown_and_reserved_streams_are_ignored_however_many() {
        let mut streams = UniStreams::new(Side::Server);
        for stream_type in [0x21, 0x21, 0x40, 0x54, varint::MAX] {
            assert_eq!(streams.open(stream_type), Ok(UniStream::Ignored));
        }
    }

    #[test]
    fn a_type_may_come_octet_by_octet_and_leaves_what_follows() {
        let mut reader = UniStreamReader::default();
        assert_eq!(reader.read(&mut Bytes::from_static(&[0x40])), None);
        let mut rest = Bytes::from_static(&[0x21, 9, 9]);
        assert_eq!(reader.read(&mut rest), Some(0x21));
        assert_eq!(&rest[..], [9, 9]);
    }

    #[test]
    fn our_own_streams_are_understood() {
        let mut wire = Vec::new();
        write_control_type(&mut wire);
        write_grease_type(77, &mut wire);
        let (mut input, mut streams) = (Bytes::from(wire), UniStreams::new(Side::Client));
        let mut next = || UniStreamReader::default().read(&mut input).unwrap();
        assert_eq!(streams.open(next()), Ok(UniStream::Control));
        assert_eq!(streams.open(next()), Ok(UniStream::Ignored));
    }
}
