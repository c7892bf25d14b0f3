//! What a peer did wrong, in the terms of the wire: an error code of the RFCs and whether it ends one stream or the
//! whole connection.

use std::fmt;

/// An HTTP/3 or QPACK application error code, as it goes into RESET_STREAM, STOP_SENDING and CONNECTION_CLOSE.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code(u64);

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $value:literal;)*) => {
        impl Code {
            $($(#[$doc])* pub const $name: Self = Self($value);)*

            /// The name in the RFCs, or `None` for a code that they do not define.
            #[must_use]
            pub const fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($value => Some(stringify!($name)),)*
                    _ => None,
                }
            }
        }
    };
}

codes! {
    /// An HTTP datagram could not be parsed (RFC 9297 §5.2).
    H3_DATAGRAM_ERROR = 0x33;
    /// Nothing is wrong; also how a request's remainder is declined after the answer (RFC 9114 §8.1).
    H3_NO_ERROR = 0x100;
    /// A violation that no other code names (RFC 9114 §8.1).
    H3_GENERAL_PROTOCOL_ERROR = 0x101;
    /// We are broken (RFC 9114 §8.1).
    H3_INTERNAL_ERROR = 0x102;
    /// The peer opened a stream that it must not open (RFC 9114 §8.1).
    H3_STREAM_CREATION_ERROR = 0x103;
    /// A critical stream was closed or reset (RFC 9114 §8.1).
    H3_CLOSED_CRITICAL_STREAM = 0x104;
    /// A frame where it must not be (RFC 9114 §8.1).
    H3_FRAME_UNEXPECTED = 0x105;
    /// A frame that breaks its layout or size (RFC 9114 §8.1).
    H3_FRAME_ERROR = 0x106;
    /// The peer asks for too much (RFC 9114 §8.1).
    H3_EXCESSIVE_LOAD = 0x107;
    /// A stream or push id out of order or out of range (RFC 9114 §8.1).
    H3_ID_ERROR = 0x108;
    /// A bad SETTINGS frame (RFC 9114 §8.1).
    H3_SETTINGS_ERROR = 0x109;
    /// The control stream does not begin with SETTINGS (RFC 9114 §8.1).
    H3_MISSING_SETTINGS = 0x10a;
    /// Refused before any processing: the client may send the request again (RFC 9114 §8.1).
    H3_REQUEST_REJECTED = 0x10b;
    /// The request or its answer is no longer wanted (RFC 9114 §8.1).
    H3_REQUEST_CANCELLED = 0x10c;
    /// The client's stream ended before its request was complete (RFC 9114 §8.1).
    H3_REQUEST_INCOMPLETE = 0x10d;
    /// A malformed message (RFC 9114 §4.1.2).
    H3_MESSAGE_ERROR = 0x10e;
    /// The TCP connection behind a CONNECT was reset or closed abnormally (RFC 9114 §4.4).
    H3_CONNECT_ERROR = 0x10f;
    /// Use HTTP/1.1 instead (RFC 9114 §8.1).
    H3_VERSION_FALLBACK = 0x110;
    /// A field section could not be decompressed (RFC 9204 §6).
    QPACK_DECOMPRESSION_FAILED = 0x200;
    /// A bad instruction on the encoder stream (RFC 9204 §6).
    QPACK_ENCODER_STREAM_ERROR = 0x201;
    /// A bad instruction on the decoder stream (RFC 9204 §6).
    QPACK_DECODER_STREAM_ERROR = 0x202;
}

impl Code {
    /// A code as received; any 62-bit value can arrive and unknown ones mean `H3_NO_ERROR` to policy (RFC 9114 §8).
    #[must_use]
    pub const fn from_wire(value: u64) -> Self {
        Self(value)
    }

    /// The value as it is written on the wire.
    #[must_use]
    pub const fn value(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "{:#x}", self.0),
        }
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// How far an error reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Reset and stop this stream; the others live on.
    Stream,
    /// Close the connection.
    Connection,
}

/// What a peer did wrong. Every variant but the two `OverLimit` ones is a violation of an RFC; those two are bounds of
/// ours (`limits`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A frame of this type must not come here.
    #[error("a frame of type {0:#x} must not come here")]
    FrameUnexpected(u64),
    /// A frame breaks its layout.
    #[error("the frame is malformed: {0}")]
    Frame(&'static str),
    /// SETTINGS holds something forbidden.
    #[error("the settings are invalid: {0}")]
    Settings(&'static str),
    /// The control stream began with another frame than SETTINGS.
    #[error("the control stream does not begin with settings")]
    MissingSettings,
    /// A stream that has to live as long as the connection was closed.
    #[error("the {0} stream was closed")]
    ClosedCriticalStream(&'static str),
    /// A stream that the peer must not open.
    #[error("the stream must not be opened: {0}")]
    StreamCreation(&'static str),
    /// A stream or push id breaks the rules.
    #[error("the id is invalid: {0}")]
    Id(&'static str),
    /// A field section cannot be decompressed.
    #[error("the field section cannot be decompressed: {0}")]
    Decompression(&'static str),
    /// A bad instruction on the QPACK encoder stream.
    #[error("the QPACK encoder stream is invalid: {0}")]
    EncoderStream(&'static str),
    /// A bad instruction on the QPACK decoder stream.
    #[error("the QPACK decoder stream is invalid: {0}")]
    DecoderStream(&'static str),
    /// A QUIC datagram that is no HTTP datagram.
    #[error("the datagram is malformed: {0}")]
    Datagram(&'static str),
    /// A malformed request, response or capsule.
    #[error("the message is malformed: {0}")]
    Message(&'static str),
    /// A client's stream ended before its request's head.
    #[error("the stream ended before the request")]
    RequestIncomplete,
    /// The head is larger than we take; answered with 431 where an answer is possible.
    #[error("the fields are too large: {0}")]
    HeadOverLimit(&'static str),
    /// One stream asks for more than we give.
    #[error("the stream is over a limit: {0}")]
    StreamOverLimit(&'static str),
    /// The connection asks for more than we give.
    #[error("the connection is over a limit: {0}")]
    ConnectionOverLimit(&'static str),
}

impl Error {
    /// The code to close the stream or the connection with.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::FrameUnexpected(_) => Code::H3_FRAME_UNEXPECTED,
            Self::Frame(_) => Code::H3_FRAME_ERROR,
            Self::Settings(_) => Code::H3_SETTINGS_ERROR,
            Self::MissingSettings => Code::H3_MISSING_SETTINGS,
            Self::ClosedCriticalStream(_) => Code::H3_CLOSED_CRITICAL_STREAM,
            Self::StreamCreation(_) => Code::H3_STREAM_CREATION_ERROR,
            Self::Id(_) => Code::H3_ID_ERROR,
            Self::Decompression(_) => Code::QPACK_DECOMPRESSION_FAILED,
            Self::EncoderStream(_) => Code::QPACK_ENCODER_STREAM_ERROR,
            Self::DecoderStream(_) => Code::QPACK_DECODER_STREAM_ERROR,
            Self::Datagram(_) => Code::H3_DATAGRAM_ERROR,
            Self::Message(_) => Code::H3_MESSAGE_ERROR,
            Self::RequestIncomplete => Code::H3_REQUEST_INCOMPLETE,
            Self::HeadOverLimit(_) | Self::StreamOverLimit(_) | Self::ConnectionOverLimit(_) => Code::H3_EXCESSIVE_LOAD,
        }
    }

    /// Whether the stream or the whole connection has to end.
    #[must_use]
    pub const fn scope(&self) -> Scope {
        match self {
            Self::Message(_) | Self::RequestIncomplete | Self::HeadOverLimit(_) | Self::StreamOverLimit(_) => {
                Scope::Stream
            }
            Self::FrameUnexpected(_)
            | Self::Frame(_)
            | Self::Settings(_)
            | Self::MissingSettings
            | Self::ClosedCriticalStream(_)
            | Self::StreamCreation(_)
            | Self::Id(_)
            | Self::Decompression(_)
            | Self::EncoderStream(_)
            | Self::DecoderStream(_)
            | Self::Datagram(_)
            | Self::ConnectionOverLimit(_) => Scope::Connection,
        }
    }

    /// The HTTP status for a peer that can still be answered (an HTTP/1.1 head, or a request before its reset).
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self {
            Self::HeadOverLimit(_) => 431,
            Self::FrameUnexpected(_)
            | Self::Frame(_)
            | Self::Settings(_)
            | Self::MissingSettings
            | Self::ClosedCriticalStream(_)
            | Self::StreamCreation(_)
            | Self::Id(_)
            | Self::Decompression(_)
            | Self::EncoderStream(_)
            | Self::DecoderStream(_)
            | Self::Datagram(_)
            | Self::Message(_)
            | Self::RequestIncomplete
            | Self::StreamOverLimit(_)
            | Self::ConnectionOverLimit(_) => 400,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_the_values_and_names_of_the_rfcs() {
        for (code, value, name) in [
            (Code::H3_DATAGRAM_ERROR, 0x33, "H3_DATAGRAM_ERROR"),
            (Code::H3_NO_ERROR, 0x100, "H3_NO_ERROR"),
            (Code::H3_MESSAGE_ERROR, 0x10e, "H3_MESSAGE_ERROR"),
            (Code::H3_CONNECT_ERROR, 0x10f, "H3_CONNECT_ERROR"),
            (Code::QPACK_DECODER_STREAM_ERROR, 0x202, "QPACK_DECODER_STREAM_ERROR"),
        ] {
            assert_eq!((code.value(), code.to_string().as_str()), (value, name));
            assert_eq!(Code::from_wire(value), code);
        }
        assert_eq!(Code::from_wire(0x21).to_string(), "0x21");
        assert_eq!(Code::from_wire(0x21).name(), None);
    }

    #[test]
    fn an_error_says_what_it_is_and_how_far_it_reaches() {
        let error = Error::FrameUnexpected(0x2);
        assert_eq!(error.to_string(), "a frame of type 0x2 must not come here");
        assert_eq!((error.code(), error.scope()), (Code::H3_FRAME_UNEXPECTED, Scope::Connection));
        assert_eq!(Error::HeadOverLimit("x").status(), 431);
        assert_eq!(Error::ConnectionOverLimit("x").scope(), Scope::Connection);
        assert_eq!(Error::RequestIncomplete.scope(), Scope::Stream);
    }
}
