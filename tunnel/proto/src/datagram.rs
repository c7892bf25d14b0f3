//! HTTP datagrams in QUIC datagrams (RFC 9297 §2.1), and UDP payloads in HTTP datagrams (RFC 9298 §5).

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::error::Error;
use crate::limits::UDP_PAYLOAD_BYTES_MAX;
use crate::varint;

/// The largest quarter stream id: stream ids have 62 bits (RFC 9297 §2.1).
const QUARTER_STREAM_ID_MAX: u64 = (1 << 60) - 1;

/// The only context of CONNECT-UDP without extensions: whole UDP payloads (RFC 9298 §4).
const UDP_CONTEXT: u64 = 0;

/// One HTTP datagram, as it came in a QUIC datagram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Datagram {
    /// The request stream that it belongs to; it may overtake the head of that request, or come after its end.
    pub stream: u64,
    /// What the request's protocol makes of it, for [`udp_payload`].
    pub payload: Bytes,
}

/// Reads a QUIC datagram.
///
/// # Errors
/// [`Error::Datagram`] when the quarter stream id is truncated or beyond 2^60 - 1.
pub fn decode(mut datagram: Bytes) -> Result<Datagram, Error> {
    let (quarter, rest) = varint::decode(&datagram).ok_or(Error::Datagram("no quarter stream id"))?;
    if quarter > QUARTER_STREAM_ID_MAX {
        return Err(Error::Datagram("the quarter stream id is out of range"));
    }
    let used = datagram.len() - rest.len();
    datagram.advance(used);
    Ok(Datagram { stream: quarter * 4, payload: datagram })
}

/// Reads the payload of an HTTP datagram or DATAGRAM capsule of a CONNECT-UDP request. `None` is a context of an extension
/// that we did not agree on, to be dropped silently (RFC 9298 §4).
///
/// # Errors
/// [`Error::Message`] when the context id is truncated or a UDP payload is over 65,527 octets (RFC 9298 §5): the request
/// stream has to be aborted.
pub fn udp_payload(mut payload: Bytes) -> Result<Option<Bytes>, Error> {
    let (context, rest) = varint::decode(&payload).ok_or(Error::Message("a datagram without a context id"))?;
    let used = payload.len() - rest.len();
    payload.advance(used);
    if context != UDP_CONTEXT {
        return Ok(None);
    }
    if payload.len() > UDP_PAYLOAD_BYTES_MAX {
        return Err(Error::Message("a UDP payload is too long"));
    }
    Ok(Some(payload))
}

/// Octets before the UDP payload in a QUIC datagram of this request stream: what has to be subtracted from the largest
/// QUIC datagram to get the largest UDP payload.
#[must_use]
pub const fn udp_overhead(stream: u64) -> usize {
    varint::size(stream / 4) + 1
}

/// The QUIC datagram that carries a UDP payload for the request on `stream` (a client-initiated bidirectional id).
#[must_use]
pub fn encode_udp(stream: u64, payload: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(udp_overhead(stream) + payload.len());
    varint::encode(stream / 4, &mut out);
    varint::encode(UDP_CONTEXT, &mut out);
    out.put_slice(payload);
    out.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Code, Scope};
    use proptest::prelude::*;

    #[test]
    fn a_datagram_belongs_to_four_times_its_quarter_stream_id() {
        for (stream, first) in [(0, &[0][..]), (4, &[1]), (8, &[2]), (256, &[0x40, 64])] {
            let wire = encode_udp(stream, b"payload");
            assert!(wire.starts_with(first), "{stream}");
            assert_eq!(wire.len(), udp_overhead(stream) + 7);
            let read = decode(wire).unwrap();
            assert_eq!(read.stream, stream);
            assert_eq!(udp_payload(read.payload).unwrap().unwrap(), "payload");
        }
    }

    #[test]
    fn a_quarter_stream_id_beyond_2_to_the_60_is_a_datagram_error() {
        let mut wire = BytesMut::new();
        varint::encode(QUARTER_STREAM_ID_MAX, &mut wire);
        assert_eq!(decode(wire.clone().freeze()).unwrap().stream, (1 << 62) - 4);
        wire.clear();
        varint::encode(QUARTER_STREAM_ID_MAX + 1, &mut wire);
        let error = decode(wire.freeze()).unwrap_err();
        assert_eq!((error.code(), error.scope()), (Code::H3_DATAGRAM_ERROR, Scope::Connection));
    }

    #[test]
    fn a_datagram_too_short_for_its_quarter_stream_id_is_a_datagram_error() {
        for wire in [&[][..], &[0x40], &[0xc0, 0, 0]] {
            assert_eq!(decode(Bytes::copy_from_slice(wire)).unwrap_err().code(), Code::H3_DATAGRAM_ERROR);
        }
    }

    #[test]
    fn a_context_other_than_zero_is_dropped_silently() {
        for payload in [&[1][..], &[2, 1, 2, 3], &[0x40, 1, 9], &[0xff; 8]] {
            assert_eq!(udp_payload(Bytes::copy_from_slice(payload)), Ok(None));
        }
    }

    #[test]
    fn a_payload_without_a_whole_context_id_is_malformed() {
        for payload in [&[][..], &[0x40], &[0x80, 0]] {
            let error = udp_payload(Bytes::copy_from_slice(payload)).unwrap_err();
            assert_eq!((error.code(), error.scope()), (Code::H3_MESSAGE_ERROR, Scope::Stream));
        }
    }

    #[test]
    fn an_empty_udp_payload_is_delivered_and_an_impossible_one_is_refused() {
        assert_eq!(udp_payload(Bytes::from_static(&[0])), Ok(Some(Bytes::new())));
        assert_eq!(
            udp_payload(Bytes::from(vec![0; UDP_PAYLOAD_BYTES_MAX + 1])).unwrap().unwrap().len(),
            UDP_PAYLOAD_BYTES_MAX
        );
        assert!(udp_payload(Bytes::from(vec![0; UDP_PAYLOAD_BYTES_MAX + 2])).is_err());
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(stream in 0u64..=QUARTER_STREAM_ID_MAX, payload: Vec<u8>) {
            let read = decode(encode_udp(stream * 4, &payload)).unwrap();
            prop_assert_eq!(read.stream, stream * 4);
            prop_assert_eq!(udp_payload(read.payload).unwrap().unwrap(), payload);
        }

        #[test]
        fn no_octets_make_the_reader_panic(wire: Vec<u8>) {
            if let Ok(read) = decode(Bytes::from(wire)) {
                let _ = udp_payload(read.payload);
            }
        }
    }
}
