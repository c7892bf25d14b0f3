//! The agent's end of a connection: flows and requests go out.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, Method, Response};
use rustls_pki_types::CertificateDer;

use crate::datagram::{UdpFlow, UdpOptions};
use crate::fault::{Closed, FlowError, OpenError};
use crate::flow::{FlowRecv, FlowSend};
use crate::server::TransportKind;

/// A connection to a gateway. All clones are the same connection; when the last one is dropped, it is closed.
#[derive(Clone, Debug)]
pub struct ClientConnection {
    inner: Inner,
}

#[derive(Clone, Debug)]
enum Inner {}

impl ClientConnection {
    /// The exporter value of this connection, for [`crate::dialer::DialConfig::exporter_label`].
    #[must_use]
    pub fn binding(&self) -> [u8; 32] {
        match self.inner {}
    }

    /// Which HTTP it is.
    #[must_use]
    pub fn transport(&self) -> TransportKind {
        match self.inner {}
    }

    /// The gateway's certificates, its own first.
    #[must_use]
    pub fn peer_certificates(&self) -> &[CertificateDer<'static>] {
        match self.inner {}
    }

    /// Our own address on this connection, as far as the system tells.
    #[must_use]
    pub fn local_address(&self) -> Option<SocketAddr> {
        match self.inner {}
    }

    /// The gateway's address.
    #[must_use]
    pub fn remote_address(&self) -> SocketAddr {
        match self.inner {}
    }

    /// Asks for a TCP flow to `authority` (`host:port`). It may be written to at once: the gateway holds what comes
    /// before it has decided (optimistic data).
    ///
    /// # Errors
    /// [`OpenError::Draining`] after a GOAWAY, [`OpenError::Flow`] when the connection is gone. A refusal comes later,
    /// from [`PendingOpen::ready`].
    pub async fn open_tcp(&self, _authority: &str, _headers: HeaderMap) -> Result<ClientFlow, OpenError> {
        match self.inner {}
    }

    /// Asks for a UDP flow and waits for the answer.
    ///
    /// # Errors
    /// [`OpenError::Refused`], and everything that ends a flow.
    pub async fn open_udp(
        &self,
        _host: &str,
        _port: u16,
        _headers: HeaderMap,
        _options: UdpOptions,
    ) -> Result<ClientUdpFlow, OpenError> {
        match self.inner {}
    }

    /// An ordinary request with a bounded answer ([`crate::limits::RESPONSE_BODY_MAX`]). Any status is `Ok`.
    ///
    /// # Errors
    /// When no whole answer came.
    pub async fn request(
        &self,
        _method: Method,
        _path: &str,
        _headers: HeaderMap,
        _body: Bytes,
    ) -> Result<Response<Bytes>, OpenError> {
        match self.inner {}
    }

    /// A GET whose answer is read as it comes, such as the notices. Any status is `Ok`.
    ///
    /// # Errors
    /// When no head of an answer came.
    pub async fn stream(&self, _path: &str, _headers: HeaderMap) -> Result<(Response<()>, BodyReceiver), OpenError> {
        match self.inner {}
    }

    /// Completes when the gateway asks to open nothing more here (GOAWAY). At once when it already has.
    pub async fn goaway_received(&self) {
        match self.inner {}
    }

    /// Completes when the connection is over.
    pub async fn closed(&self) -> Closed {
        match self.inner {}
    }

    /// Moves to a fresh socket, for when the machine's addresses changed. Flows live on. HTTP/2 cannot move: `false`.
    pub fn rebind(&self) -> bool {
        match self.inner {}
    }

    /// Closes at once, with everything on it.
    pub fn close(&self, _reason: &str) {
        match self.inner {}
    }
}

/// A TCP flow that was asked for.
#[derive(Debug)]
pub struct ClientFlow {
    /// The number of its stream, by which notices name it.
    pub stream: u64,
    /// May be written to at once.
    pub send: FlowSend,
    /// The answer to come.
    pub response: PendingOpen,
}

/// The answer to an [`open_tcp`](ClientConnection::open_tcp) that has not come yet.
#[derive(Debug)]
pub struct PendingOpen {
    inner: Inner,
}

impl PendingOpen {
    /// Waits for the gateway's answer. Cancelling it resets the receiving half.
    ///
    /// # Errors
    /// [`OpenError::Refused`] with the problem document, and everything that ends a flow.
    pub async fn ready(self) -> Result<(HeaderMap, FlowRecv), OpenError> {
        match self.inner {}
    }
}

/// A UDP flow that was accepted.
#[derive(Debug)]
pub struct ClientUdpFlow {
    /// The number of its stream, by which notices name it.
    pub stream: u64,
    /// The flow.
    pub flow: UdpFlow,
    /// Headers of the answer.
    pub headers: HeaderMap,
}

/// A response body that is read piece by piece.
#[derive(Debug)]
pub struct BodyReceiver {
    inner: Inner,
}

impl BodyReceiver {
    /// The next piece; `None` at the end. Cancel-safe.
    ///
    /// # Errors
    /// When the body was cut off.
    pub async fn recv(&mut self) -> Result<Option<Bytes>, FlowError> {
        match self.inner {}
    }
}
