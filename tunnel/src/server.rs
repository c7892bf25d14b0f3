//! The gateway's end of a connection: exchanges come in, each is accepted, refused or answered.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use hitotsu_proto::error::Code;
use http::header::{HeaderName, HeaderValue};
use http::{HeaderMap, Method, Response};
use tokio::net::TcpStream;
use tokio::sync::{Mutex, mpsc};
use tokio_rustls::server::TlsStream;

use crate::datagram::{DatagramPath, UdpFlow, UdpOptions};
use crate::fault::{Closed, FlowError, ResetReason};
use crate::flow::{FlowRecv, FlowSend};
use crate::link::Link;
use crate::message::Ask;
use crate::task::Task;
use crate::{h1, h2, h3, limits, message};

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

/// A connection whose certificate leads to our root, and whose holder nobody has judged. Until somebody does, nothing of
/// it is read, and it has [`limits::UNTRUSTED_WINDOW`] of credit. Dropping it ends it.
#[derive(Debug)]
pub struct Unjudged {
    kind: UnjudgedKind,
}

#[derive(Debug)]
enum UnjudgedKind {
    Quic(hitotsu_quic::Connection),
    Tcp { stream: Box<TlsStream<TcpStream>>, link: Arc<Link>, kind: TransportKind },
}

/// How a connection's holder was judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    Trusted,
    Refused,
}

impl Unjudged {
    pub(crate) fn quic(quic: hitotsu_quic::Connection) -> Self {
        Self { kind: UnjudgedKind::Quic(quic) }
    }

    pub(crate) fn tcp(stream: TlsStream<TcpStream>, link: Arc<Link>, kind: TransportKind) -> Self {
        Self { kind: UnjudgedKind::Tcp { stream: Box::new(stream), link, kind } }
    }

    /// The holder is known and welcome: the connection gets the credit of a tunnel.
    #[must_use]
    pub fn trust(self) -> ServerConnection {
        self.judge(Standing::Trusted)
    }

    /// The holder is not: it may ask and be told why, with no more credit than it had.
    #[must_use]
    pub fn refuse(self) -> ServerConnection {
        self.judge(Standing::Refused)
    }

    fn judge(self, standing: Standing) -> ServerConnection {
        match self.kind {
            UnjudgedKind::Quic(quic) => ServerConnection::h3(quic, standing),
            UnjudgedKind::Tcp { stream, link, kind: kind @ TransportKind::H2 } => {
                let (sender, exchanges) = mpsc::channel(limits::EXCHANGES_WAITING_MAX);
                let driver = Task::spawn(h2::server::drive(*stream, Arc::clone(&link), sender, standing));
                ServerConnection::new(exchanges, Kind::Tcp { link, kind }, driver)
            }
            // One exchange at a time, which is read as it is asked for.
            UnjudgedKind::Tcp { stream, link, kind: TransportKind::H1 | TransportKind::H3 } => {
                let (sender, exchanges) = mpsc::channel(1);
                let driver = Task::spawn(h1::server::drive(*stream, Arc::clone(&link), sender));
                ServerConnection::new(exchanges, Kind::Tcp { link, kind: TransportKind::H1 }, driver)
            }
        }
    }
}

/// A verified connection whose holder was judged. All clones are the same connection; when the last one is dropped, it is closed.
#[derive(Clone, Debug)]
pub struct ServerConnection {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    /// Boxed: the queue's blocks of 32 would cost an idle connection 15 KiB.
    exchanges: Mutex<mpsc::Receiver<Box<Exchange>>>,
    kind: Kind,
    /// Taken when the handle is dropped.
    driver: Option<Task>,
}

#[derive(Debug)]
enum Kind {
    Quic(Arc<h3::Shared>),
    Tcp { link: Arc<Link>, kind: TransportKind },
}

impl ServerConnection {
    fn h3(quic: hitotsu_quic::Connection, standing: Standing) -> Self {
        let shared = h3::Shared::new(quic, hitotsu_proto::frame::Side::Server);
        let (sender, exchanges) = mpsc::channel(limits::EXCHANGES_WAITING_MAX);
        let driver = Task::spawn(h3::server::drive(Arc::clone(&shared), sender, standing));
        Self::new(exchanges, Kind::Quic(shared), driver)
    }

    fn new(exchanges: mpsc::Receiver<Box<Exchange>>, kind: Kind, driver: Task) -> Self {
        Self { inner: Arc::new(Inner { exchanges: Mutex::new(exchanges), kind, driver: Some(driver) }) }
    }

    /// The next request, or `None` when the connection is over (or drained, after [`ServerConnection::goaway`]).
    /// Cancel-safe. Malformed requests never get here: they were answered with the right error.
    pub async fn next_exchange(&self) -> Option<Exchange> {
        self.inner.exchanges.lock().await.recv().await.map(|exchange| *exchange)
    }

    /// Which HTTP it is.
    #[must_use]
    pub fn transport(&self) -> TransportKind {
        match &self.inner.kind {
            Kind::Quic(_) => TransportKind::H3,
            Kind::Tcp { kind, .. } => *kind,
        }
    }

    /// Where the peer is now. HTTP/3 peers move; a new address may be forged until its path is validated, so it may take
    /// a permission away but never give one.
    #[must_use]
    pub fn remote_address(&self) -> SocketAddr {
        match &self.inner.kind {
            Kind::Quic(shared) => shared.quic.remote_address(),
            Kind::Tcp { link, .. } => link.remote,
        }
    }

    /// Completes when the peer's address has become another than `known`; gives the new one. Never completes on TCP.
    pub async fn path_changed(&self, known: SocketAddr) -> SocketAddr {
        match &self.inner.kind {
            Kind::Quic(shared) => shared.quic.path_changed(known).await,
            Kind::Tcp { .. } => std::future::pending().await,
        }
    }

    /// Asks the peer to open nothing more here (GOAWAY). Open flows go on; later requests are rejected as retryable.
    /// When the last flow is over, [`ServerConnection::next_exchange`] gives `None`.
    pub fn goaway(&self) {
        match &self.inner.kind {
            Kind::Quic(shared) => shared.drain_wanted.notify_one(),
            Kind::Tcp { link, .. } => link.drain_wanted.notify_one(),
        }
    }

    /// Closes at once, with everything on it. The peer may read `reason`.
    pub fn close(&self, code: CloseCode, reason: &str) {
        match &self.inner.kind {
            Kind::Quic(shared) => shared.close(code.h3(), reason),
            Kind::Tcp { link, .. } => link.close(code),
        }
    }

    /// Completes when the connection is over.
    pub async fn closed(&self) -> Closed {
        match &self.inner.kind {
            Kind::Quic(shared) => {
                let error = shared.quic.closed().await;
                shared.closed(&error)
            }
            Kind::Tcp { link, .. } => link.closed().await,
        }
    }

    /// Counters of this connection.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        match &self.inner.kind {
            Kind::Quic(shared) => {
                let counted = shared.quic.stats();
                let [datagrams_unknown, datagrams_overflowed, datagrams_oversize] = shared.datagrams_dropped();
                Statistics {
                    round_trip: Some(counted.path.rtt),
                    octets_received: counted.udp_rx.bytes,
                    octets_sent: counted.udp_tx.bytes,
                    packets_lost: counted.path.lost_packets,
                    datagrams_unknown,
                    datagrams_overflowed,
                    datagrams_oversize,
                }
            }
            Kind::Tcp { .. } => Statistics::default(),
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        match &self.kind {
            Kind::Quic(shared) => shared.close(Code::H3_NO_ERROR, ""),
            Kind::Tcp { link, .. } => {
                link.close(CloseCode::NoError);
                if let Some(driver) = self.driver.take() {
                    driver.detach();
                }
            }
        }
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

impl CloseCode {
    fn h3(self) -> Code {
        match self {
            Self::NoError => Code::H3_NO_ERROR,
            Self::Denied => Code::H3_REQUEST_REJECTED,
            Self::ExcessiveLoad => Code::H3_EXCESSIVE_LOAD,
            Self::Internal => Code::H3_INTERNAL_ERROR,
        }
    }
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

/// A TCP flow that waits for its answer. Dropping it resets the stream.
#[derive(Debug)]
pub struct PendingFlow {
    responder: Responder,
    recv: FlowRecv,
}

impl PendingFlow {
    /// Answers 200 with `headers`.
    ///
    /// # Errors
    /// When the peer gave up meanwhile.
    pub async fn accept(self, headers: HeaderMap) -> Result<(FlowSend, FlowRecv), FlowError> {
        let mut response = Response::new(());
        *response.headers_mut() = headers;
        let send = self.responder.respond(response).await?;
        Ok((send, self.recv))
    }

    /// Answers no. Whether the peer still takes the answer does not matter to anybody.
    pub async fn refuse(self, response: Response<Bytes>) {
        answer(self.responder, self.recv, response).await;
    }

    /// Completes when the peer gives up waiting; never when it does not (HTTP/1.1 cannot tell). Cancel-safe.
    pub async fn abandoned(&mut self) {
        abandoned(&mut self.responder, &mut self.recv).await;
    }
}

/// A UDP flow that waits for its answer. Dropping it resets the stream.
#[derive(Debug)]
pub struct PendingUdp {
    responder: Responder,
    recv: FlowRecv,
    path: Option<DatagramPath>,
}

impl PendingUdp {
    /// Answers 200 (101 on HTTP/1.1) with `headers` and `capsule-protocol: ?1`.
    ///
    /// # Errors
    /// When the peer gave up meanwhile.
    pub async fn accept(self, headers: HeaderMap, options: UdpOptions) -> Result<UdpFlow, FlowError> {
        let mut response = Response::new(());
        *response.headers_mut() = headers;
        response.headers_mut().insert(CAPSULE_PROTOCOL, HeaderValue::from_static("?1"));
        let send = self.responder.respond(response).await?;
        Ok(UdpFlow::new(send, self.recv, self.path, options))
    }

    /// Answers no.
    pub async fn refuse(self, response: Response<Bytes>) {
        answer(self.responder, self.recv, response).await;
    }

    /// Completes when the peer gives up waiting; never when it does not. Cancel-safe.
    pub async fn abandoned(&mut self) {
        abandoned(&mut self.responder, &mut self.recv).await;
    }
}

/// RFC 9297 §3.4.
pub(crate) const CAPSULE_PROTOCOL: HeaderName = HeaderName::from_static("capsule-protocol");

/// An ordinary request that waits for its answer. Dropping it resets the stream.
#[derive(Debug)]
pub struct PendingHttp {
    responder: Responder,
    recv: FlowRecv,
}

impl PendingHttp {
    /// The whole body of the request. To be called before the answer, if the body matters.
    ///
    /// # Errors
    /// [`FlowError::OverLimit`] when there are more than `limit` octets.
    pub async fn body(&mut self, limit: usize) -> Result<Bytes, FlowError> {
        self.recv.body(limit).await
    }

    /// Answers with a whole response.
    pub async fn respond(self, response: Response<Bytes>) {
        answer(self.responder, self.recv, response).await;
    }

    /// Answers with a head now and a body as it comes, such as a stream of notices.
    ///
    /// # Errors
    /// When the peer gave up meanwhile.
    pub async fn respond_stream(self, head: Response<()>) -> Result<BodySender, FlowError> {
        let send = self.responder.respond(head).await?;
        self.recv.stop(ResetReason::NoError);
        Ok(BodySender { send })
    }

    /// Completes when the peer gives up waiting; never when it does not. Cancel-safe.
    pub async fn abandoned(&mut self) {
        abandoned(&mut self.responder, &mut self.recv).await;
    }
}

/// A response body that is written piece by piece. Dropping it unfinished resets the stream.
#[derive(Debug)]
pub struct BodySender {
    send: FlowSend,
}

impl BodySender {
    /// Sends a piece, waiting for as long as the peer gives no credit.
    ///
    /// # Errors
    /// When the peer no longer listens.
    pub async fn send(&mut self, piece: Bytes) -> Result<(), FlowError> {
        self.send.send(piece).await
    }

    /// Ends the body.
    ///
    /// # Errors
    /// When the peer no longer listens.
    pub async fn finish(mut self) -> Result<(), FlowError> {
        self.send.finish().await
    }

    /// Completes when the peer no longer listens. Cancel-safe.
    pub async fn abandoned(&mut self) {
        let _ = self.send.stopped().await;
    }
}

/// What was asked for, with what answers it; `None` when it was answered here because nobody could.
pub(crate) fn assemble(
    asked: Ask,
    responder: Responder,
    mut recv: FlowRecv,
    path: Option<DatagramPath>,
) -> Option<Request> {
    match asked {
        Ask::Tcp { authority, headers } => {
            recv.tunnel();
            Some(Request::Tcp { authority, headers, pending: PendingFlow { responder, recv } })
        }
        Ask::Udp { host, port, headers } => {
            recv.tunnel();
            Some(Request::Udp { host, port, headers, pending: PendingUdp { responder, recv, path } })
        }
        Ask::Http { method, scheme, authority, path, headers } => {
            let pending = PendingHttp { responder, recv };
            Some(Request::Http { method, scheme, authority, path, headers, pending })
        }
        Ask::Unknown(status) => {
            // A few octets; the task ends when they are sent or the peer is gone.
            tokio::spawn(answer(responder, recv, message::bare(status)));
            None
        }
    }
}

/// Where an answer goes.
#[derive(Debug)]
pub(crate) enum Responder {
    H3(h3::send::SendHalf),
    H2(h2::server::Answer),
    H1(Box<h1::server::Answer>),
}

impl Responder {
    /// Sends the head of the answer; what follows is its body, or the flow.
    async fn respond(self, response: Response<()>) -> Result<FlowSend, FlowError> {
        match self {
            Self::H3(mut send) => {
                send.frame(message::response_head(response.status(), response.headers()).encode_h3()).await?;
                Ok(FlowSend::h3(send))
            }
            Self::H2(answer) => answer.respond(response),
            Self::H1(answer) => answer.respond(response).await,
        }
    }

    async fn stopped(&mut self) {
        match self {
            Self::H3(send) => drop(send.stopped().await),
            Self::H2(answer) => answer.stopped().await,
            Self::H1(_) => std::future::pending().await,
        }
    }
}

async fn answer(responder: Responder, recv: FlowRecv, response: Response<Bytes>) {
    let (head, body) = message::with_length(response);
    let sent: Result<(), FlowError> = async {
        let mut send = responder.respond(head).await?;
        send.send(body).await?;
        send.finish().await
    }
    .await;
    if let Err(error) = sent {
        tracing::debug!(%error, "an answer was not taken");
    }
    // After the answer: what the client still sends is not needed (RFC 9114 §4.1).
    recv.stop(ResetReason::NoError);
}

async fn abandoned(responder: &mut Responder, recv: &mut FlowRecv) {
    tokio::select! {
        () = responder.stopped() => {}
        () = recv.received_reset() => {}
    }
}
