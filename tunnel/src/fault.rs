//! What can go wrong, sorted by who has to act: the peer misbehaved, the network failed, a limit was reached, or our
//! own caller made a mistake.

use std::fmt;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use thiserror::Error;

/// Why a flow was reset. One meaning, three spellings: HTTP/3 and HTTP/2 error codes, and a TCP reset on HTTP/1.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ResetReason {
    /// The TCP connection behind the flow was reset (`H3_CONNECT_ERROR`, `CONNECT_ERROR`).
    Connect,
    /// The side that resets is no longer interested, or policy cut the flow (`H3_REQUEST_CANCELLED`, `CANCEL`).
    Cancelled,
    /// Nothing was done with the request, it can be sent again elsewhere (`H3_REQUEST_REJECTED`, `REFUSED_STREAM`).
    Rejected,
    /// The message broke a rule of HTTP (`H3_MESSAGE_ERROR`, `PROTOCOL_ERROR`).
    Message,
    /// A capsule or datagram broke RFC 9297 (`H3_DATAGRAM_ERROR`).
    Datagram,
    /// The peer sends more than we are willing to hold (`H3_EXCESSIVE_LOAD`, `ENHANCE_YOUR_CALM`).
    ExcessiveLoad,
    /// A fault of the side that resets (`H3_INTERNAL_ERROR`, `INTERNAL_ERROR`).
    Internal,
    /// Nothing is wrong, but the rest is not needed (`H3_NO_ERROR`, `NO_ERROR`).
    NoError,
    /// A code without a meaning of its own here.
    Other(u64),
}

/// Why a whole connection is over.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Closed {
    /// We closed it.
    #[error("the connection was closed by this side")]
    Here,
    /// The peer closed it in order; re-dial when a flow is wanted.
    #[error("the peer closed the connection")]
    Peer,
    /// The peer closed it with an error code.
    #[error("the peer closed the connection with error {code:#x}: `{reason}`")]
    PeerError {
        /// HTTP/3 or HTTP/2 error code.
        code: u64,
        /// Text that the peer sent, shortened and free of control characters.
        reason: String,
    },
    /// Nothing was heard from the peer for the idle time.
    #[error("nothing was heard from the peer in time")]
    TimedOut,
    /// The peer does not know this connection any more, most likely it was restarted.
    #[error("the peer no longer knows this connection")]
    Forgotten,
    /// The peer broke the protocol.
    #[error("the peer broke the protocol: {0}")]
    PeerMisbehaved(String),
    /// The gateway does not accept our certificate. TLS 1.3 tells a client only after its handshake.
    #[error("the gateway does not accept this certificate ({0})")]
    NotAccepted(String),
    /// TLS failed otherwise.
    #[error("tls failed: {0}")]
    Tls(String),
    /// The network or the operating system failed.
    #[error("the network failed: {0}")]
    Network(String),
}

/// Why a flow's next byte will not come or go.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum FlowError {
    /// The peer reset this flow.
    #[error("the peer reset the flow ({0:?})")]
    Reset(ResetReason),
    /// The peer broke the protocol on this flow; it was reset.
    #[error("the peer broke the protocol on this flow: {0}")]
    PeerMisbehaved(&'static str),
    /// The peer sent more than the limits allow; the flow was reset.
    #[error("the peer went over a limit: {0}")]
    OverLimit(&'static str),
    /// The connection under the flow is gone.
    #[error("the connection is gone: {0}")]
    Connection(#[from] Closed),
    /// Our caller used a half that it had finished or reset.
    #[error("this half of the flow was already finished")]
    Finished,
}

impl FlowError {
    /// How to reset what depends on the flow that failed so.
    #[must_use]
    pub fn reason(&self) -> ResetReason {
        match self {
            Self::Reset(reason) => *reason,
            Self::PeerMisbehaved(_) => ResetReason::Message,
            Self::OverLimit(_) => ResetReason::ExcessiveLoad,
            Self::Connection(_) => ResetReason::Connect,
            Self::Finished => ResetReason::Internal,
        }
    }
}

/// An answer other than 2xx to the opening of a flow.
#[derive(Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The status.
    pub status: StatusCode,
    /// Headers, `Proxy-Status` among them.
    pub headers: HeaderMap,
    /// Usually a problem document (RFC 9457), at most [`crate::limits::REFUSAL_BODY_MAX`] octets of it.
    pub body: Bytes,
}

impl fmt::Debug for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refusal").field("status", &self.status).field("body_length", &self.body.len()).finish()
    }
}

/// Why a flow could not be opened, or a request not answered.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum OpenError {
    /// The gateway answered, and the answer is no.
    #[error("the gateway refused with status {}", .0.status)]
    Refused(Box<Refusal>),
    /// Nothing was done with the request: the connection is draining or the gateway rejected it unprocessed. Ask again
    /// on a new connection.
    #[error("the connection takes no new requests")]
    Draining,
    /// The gateway lacks something this needs, such as extended CONNECT.
    #[error("the gateway does not support {0}")]
    Unsupported(&'static str),
    /// What our caller asked for cannot be written as a request.
    #[error("`{0}` cannot be asked for")]
    BadRequest(String),
    /// The stream or the connection failed.
    #[error(transparent)]
    Flow(#[from] FlowError),
}

/// Why no connection came up.
#[derive(Clone, Debug, Error)]
pub enum DialError {
    /// Neither UDP nor TCP reached the gateway.
    #[error("the gateway cannot be reached ({udp} over udp; {tcp} over tcp)")]
    Unreachable {
        /// What happened on UDP.
        udp: String,
        /// What happened on TCP.
        tcp: String,
    },
    /// The gateway's certificate is not the one we must see: wrong name, wrong root, or somebody in between.
    #[error("the gateway's certificate is not acceptable: {0}")]
    GatewayUntrusted(String),
    /// The gateway does not accept our certificate.
    #[error("the gateway does not accept this certificate: {0}")]
    NotAccepted(String),
    /// The gateway speaks another version or protocol.
    #[error("the gateway does not speak our protocol: {0}")]
    Incompatible(String),
    /// Our caller's configuration cannot work.
    #[error("the dialer is misconfigured: {0}")]
    Misconfigured(String),
}

/// Why the listener could not start.
#[derive(Debug, Error)]
pub enum ListenError {
    /// No socket.
    #[error("cannot listen on {address}: {source}; is another program using the port?")]
    Bind {
        /// Where.
        address: std::net::SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// Our caller's TLS configuration cannot work.
    #[error("the listener is misconfigured: {0}")]
    Misconfigured(String),
}
