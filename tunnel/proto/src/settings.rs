//! SETTINGS (RFC 9114 §7.2.4): what each side can take.

use bytes::BufMut;

use crate::error::Error;
use crate::frame;
use crate::limits::{FIELD_SECTION_BYTES_MAX, SETTINGS_MAX};
use crate::varint;

/// RFC 9204 §5.
const QPACK_MAX_TABLE_CAPACITY: u64 = 0x1;
/// RFC 9114 §7.2.4.1.
const MAX_FIELD_SECTION_SIZE: u64 = 0x6;
/// RFC 9204 §5.
const QPACK_BLOCKED_STREAMS: u64 = 0x7;
/// RFC 9220 §3.
const ENABLE_CONNECT_PROTOCOL: u64 = 0x8;
/// RFC 9297 §2.1.1.
const H3_DATAGRAM: u64 = 0x33;

/// One side's settings. `Default` is what holds before SETTINGS arrive and for settings that they leave out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Octets of dynamic table that the sender would hold for us; we use none.
    pub qpack_max_table_capacity: u64,
    /// Streams that may wait for the dynamic table; we use none.
    pub qpack_blocked_streams: u64,
    /// Size of the largest field section that the sender takes (RFC 9114 §4.2.2); `None` is no limit.
    pub max_field_section_size: Option<u64>,
    /// The sender (a server) takes extended CONNECT (RFC 9220).
    pub enable_connect_protocol: bool,
    /// The sender takes HTTP datagrams in QUIC datagrams (RFC 9297).
    pub h3_datagram: bool,
}

impl Settings {
    /// What we announce, as gateway and as agent.
    #[must_use]
    pub const fn ours() -> Self {
        Self {
            qpack_max_table_capacity: 0,
            qpack_blocked_streams: 0,
            max_field_section_size: Some(FIELD_SECTION_BYTES_MAX as u64),
            enable_connect_protocol: true,
            h3_datagram: true,
        }
    }

    /// Checks the peer's settings against what QUIC's transport parameters said.
    ///
    /// # Errors
    /// HTTP datagrams without QUIC datagrams (RFC 9297 §2.1.1).
    pub const fn check(&self, peer_takes_quic_datagrams: bool) -> Result<(), Error> {
        if self.h3_datagram && !peer_takes_quic_datagrams {
            return Err(Error::Settings("HTTP datagrams without QUIC datagrams"));
        }
        Ok(())
    }

    /// Writes the SETTINGS frame; `grease` adds a setting of a reserved identifier, which every peer has to ignore.
    pub fn encode(&self, grease: Option<u64>, out: &mut impl BufMut) {
        let mut payload = Vec::with_capacity(48);
        let mut put = |id: u64, value: u64| {
            varint::encode(id, &mut payload);
            varint::encode(value, &mut payload);
        };
        put(QPACK_MAX_TABLE_CAPACITY, self.qpack_max_table_capacity);
        put(QPACK_BLOCKED_STREAMS, self.qpack_blocked_streams);
        if let Some(size) = self.max_field_section_size {
            put(MAX_FIELD_SECTION_SIZE, size);
        }
        if self.enable_connect_protocol {
            put(ENABLE_CONNECT_PROTOCOL, 1);
        }
        if self.h3_datagram {
            put(H3_DATAGRAM, 1);
        }
        if let Some(seed) = grease {
            put(frame::reserved(seed), seed & 0xff);
        }
        frame::write_header(frame::SETTINGS, payload.len() as u64, out);
        out.put_slice(&payload);
    }

    /// Reads a SETTINGS frame's payload.
    ///
    /// # Errors
    /// A truncated pair ([`Error::Frame`]); a duplicate, an identifier reserved from HTTP/2 or a value out of range
    /// ([`Error::Settings`]); more than [`SETTINGS_MAX`] settings.
    pub fn decode(mut payload: &[u8]) -> Result<Self, Error> {
        let mut settings = Self::default();
        let mut seen = Vec::new();
        while !payload.is_empty() {
            let (id, rest) = varint::decode(payload).ok_or(Error::Frame("truncated setting"))?;
            let (value, rest) = varint::decode(rest).ok_or(Error::Frame("truncated setting"))?;
            payload = rest;
            if seen.contains(&id) {
                return Err(Error::Settings("a setting occurs twice"));
            }
            if seen.len() == SETTINGS_MAX {
                return Err(Error::ConnectionOverLimit("settings"));
            }
            seen.push(id);
            match id {
                QPACK_MAX_TABLE_CAPACITY => settings.qpack_max_table_capacity = value,
                QPACK_BLOCKED_STREAMS => settings.qpack_blocked_streams = value,
                MAX_FIELD_SECTION_SIZE => settings.max_field_section_size = Some(value),
                ENABLE_CONNECT_PROTOCOL => settings.enable_connect_protocol = flag(value)?,
                H3_DATAGRAM => settings.h3_datagram = flag(value)?,
                0x0 | 0x2..=0x5 => return Err(Error::Settings("an identifier reserved from HTTP/2")),
                _ => {}
            }
        }
        Ok(settings)
    }
}

fn flag(value: u64) -> Result<bool, Error> {
    match value {
        0 => Ok(false),
        1 => Ok(true),
        2.. => Err(Error::Settings("a switch is neither 0 nor 1")),
    }
}
