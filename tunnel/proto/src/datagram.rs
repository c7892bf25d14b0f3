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
