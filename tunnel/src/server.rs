//! The gateway's end of a connection: exchanges come in, each is accepted, refused or answered.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, Method, Response};

use crate::datagram::{UdpFlow, UdpOptions};
use crate::fault::{Closed, FlowError};
use crate::flow::{FlowRecv, FlowSend};

/// Which HTTP carries the tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TransportKind {
    /// HTTP/3 over QUIC.
    H3,
    /// HTTP/2 over TLS over TCP.
    H2,
    /// HTTP/1.1 over TLS over TCP: one flow per connection.
    H1,
}

/// A verified connection. All clones are the same connection; when the last one is dropped, it is closed.
#[derive(Clone, Debug)]
pub struct ServerConnection {
    inner: Inner,
}

#[derive(Clone, Debug)]
enum Inner {}

impl ServerConnection {
    /// The next request, or `None` when the connection is over (or drained, after [`ServerConnection::goaway`]).
    /// Cancel-safe. Malformed requests never get here: they were answered with the right error.
    pub async fn next_exchange(&self) -> Option<Exchange> {
        match self.inner {}
    }

    /// Which HTTP it is.
    #[must_use]
    pub fn transport(&self) -> TransportKind {
        match self.inner {}
    }

    /// Where the peer is now. HTTP/3 peers move; a new address may be forged until its path is validated, so it may take
    /// a permission away but never give one.
    #[must_use]
    pub fn remote_address(&self) -> SocketAddr {
        match self.inner {}
    }

    /// Completes when the peer's address has become another than `known`; gives the new one. Never completes on TCP.
    pub async fn path_changed(&self, _known: SocketAddr) -> SocketAddr {
        match self.inner {}
    }

    /// Asks the peer to open nothing more here (GOAWAY). Open flows go on; later requests are rejected as retryable.
    pub fn goaway(&self) {
        match self.inner {}
    }

    /// Closes at once, with everything on it. The peer may read `reason`.
    pub fn close(&self, _code: CloseCode, _reason: &str) {
        match self.inner {}
    }

    /// Completes when the connection is over.
    pub async fn closed(&self) -> Closed {
        match self.inner {}
    }

    /// Counters of this connection.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        match self.inner {}
    }
}

/// What a close says to the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseCode {
    /// All is well; dial again when a flow is wanted.
    NoError,
    /// The device may not use the tunnel any more (revoked, killed by an operator).
    Denied,
    /// The peer is too demanding.
    ExcessiveLoad,
    /// Our fault.
    Internal,
}

/// Counters of a connection since it began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Smoothed round-trip time, where the transport measures it.
    pub round_trip: Option<std::time::Duration>,
    /// UDP payload octets (HTTP/3) received.
    pub octets_received: u64,
    /// UDP payload octets (HTTP/3) sent.
    pub octets_sent: u64,
    /// Packets that were lost on the way to the peer.
    pub packets_lost: u64,
    /// Datagrams that belonged to no open UDP flow.
    pub datagrams_unknown: u64,
    /// Datagrams dropped because a queue was full.
    pub datagrams_overflowed: u64,
    /// Datagrams dropped because they did not fit the path.
    pub datagrams_oversize: u64,
}

/// One request of a peer.
#[derive(Debug)]
pub struct Exchange {
    /// The number of its stream: the QUIC or HTTP/2 stream id; on HTTP/1.1 the count of requests before it.
    pub stream: u64,
    /// What is asked for.
    pub request: Request,
}

/// What a peer can ask for.
#[derive(Debug)]
pub enum Request {
    /// CONNECT: a TCP flow.
    Tcp {
        /// `host:port` as it was asked for, well formed: an IPv6 address is in brackets, a port is always there.
        authority: String,
        /// The other headers.
        headers: HeaderMap,
        /// To be answered.
        pending: PendingFlow,
    },
    /// CONNECT-UDP: a UDP flow.
    Udp {
        /// Host name or address, percent-decoded, an IPv6 address without brackets.
        host: String,
        /// Port, never 0.
        port: u16,
        /// The other headers.
        headers: HeaderMap,
        /// To be answered.
        pending: PendingUdp,
    },
    /// Any other request, such as those of the control path.
    Http {
        /// Method.
        method: Method,
        /// `https` for requests to the gateway itself; a client that takes us for a forward proxy may ask for `http`.
        scheme: String,
        /// Host, with a port if the client named one.
        authority: String,
        /// Path with query, beginning with `/`, or `*`.
        path: String,
        /// Headers.
        headers: HeaderMap,
        /// To be answered.
        pending: PendingHttp,
    },
}

/// A TCP flow that waits for its answer. Dropping it resets the stream as an internal error.
#[derive(Debug)]
pub struct PendingFlow {
    inner: Inner,
}

impl PendingFlow {
    /// Answers 200 with `headers`.
    ///
    /// # Errors
    /// When the peer gave up meanwhile.
    pub async fn accept(self, _headers: HeaderMap) -> Result<(FlowSend, FlowRecv), FlowError> {
        match self.inner {}
    }

    /// Answers no. Errors of the peer meanwhile do not matter to anybody.
    pub async fn refuse(self, _response: Response<Bytes>) {
        match self.inner {}
    }

    /// Completes when the peer gives up waiting; never when it does not. Cancel-safe.
    pub async fn abandoned(&mut self) {
        match self.inner {}
    }
}

/// A UDP flow that waits for its answer.
#[derive(Debug)]
pub struct PendingUdp {
    inner: Inner,
}

impl PendingUdp {
    /// Answers 200 (101 on HTTP/1.1) with `headers` and `capsule-protocol: ?1`.
    ///
    /// # Errors
    /// When the peer gave up meanwhile.
    pub async fn accept(self, _headers: HeaderMap, _options: UdpOptions) -> Result<UdpFlow, FlowError> {
        match self.inner {}
    }

    /// Answers no.
    pub async fn refuse(self, _response: Response<Bytes>) {
        match self.inner {}
    }

    /// Completes when the peer gives up waiting; never when it does not. Cancel-safe.
    pub async fn abandoned(&mut self) {
        match self.inner {}
    }
}

/// An ordinary request that waits for its answer.
#[derive(Debug)]
pub struct PendingHttp {
    inner: Inner,
}

impl PendingHttp {
    /// The whole body of the request.
    ///
    /// # Errors
    /// [`FlowError::OverLimit`] when there are more than `limit` octets.
    pub async fn body(&mut self, _limit: usize) -> Result<Bytes, FlowError> {
        match self.inner {}
    }

    /// Answers with a whole response.
    pub async fn respond(self, _response: Response<Bytes>) {
        match self.inner {}
    }

    /// Answers with a head now and a body as it comes, such as a stream of notices.
    ///
    /// # Errors
    /// When the peer gave up meanwhile.
    pub async fn respond_stream(self, _head: Response<()>) -> Result<BodySender, FlowError> {
        match self.inner {}
    }
}

/// A response body that is written piece by piece. Dropping it unfinished resets the stream.
#[derive(Debug)]
pub struct BodySender {
    inner: Inner,
}

impl BodySender {
    /// Sends a piece, waiting for as long as the peer gives no credit.
    ///
    /// # Errors
    /// When the peer no longer listens.
    pub async fn send(&mut self, _piece: Bytes) -> Result<(), FlowError> {
        match self.inner {}
    }

    /// Ends the body.
    ///
    /// # Errors
    /// When the peer no longer listens.
    pub async fn finish(self) -> Result<(), FlowError> {
        match self.inner {}
    }

    /// Completes when the peer no longer listens. Cancel-safe.
    pub async fn abandoned(&mut self) {
        match self.inner {}
    }
}
