//! The agent's end of a connection: flows and requests go out.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use hitotsu_proto::head::{Authority, RequestHead};
use hitotsu_proto::masque;
use http::{HeaderMap, Method, Response};
use rustls_pki_types::CertificateDer;

use crate::datagram::{DatagramPath, UdpFlow, UdpOptions};
use crate::fault::{Closed, FlowError, OpenError, Refusal};
use crate::flow::{FlowRecv, FlowSend};
use crate::server::{CloseCode, TransportKind};
use crate::{endpoint, h2, h3, limits, message};

/// A connection to a gateway. All clones are the same connection; when the last one is dropped, it is closed.
#[derive(Clone, Debug)]
pub struct ClientConnection {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    link: Link,
    binding: [u8; 32],
    peer_certificates: Vec<CertificateDer<'static>>,
    /// `:authority` of requests to the gateway itself.
    authority: String,
}

#[derive(Debug)]
enum Link {
    Quic(h3::client::Client),
    Tcp(h2::client::Client),
}

/// What a finished handshake proves about the gateway.
#[derive(Debug)]
pub(crate) struct Proofs {
    pub(crate) binding: [u8; 32],
    pub(crate) peer_certificates: Vec<CertificateDer<'static>>,
}

impl ClientConnection {
    pub(crate) fn h3(
        quic: hitotsu_quic::Connection,
        endpoint: hitotsu_quic::Endpoint,
        proofs: Proofs,
        authority: String,
    ) -> Self {
        Self::new(Link::Quic(h3::client::Client::new(quic, endpoint)), proofs, authority)
    }

    pub(crate) fn h2(client: h2::client::Client, proofs: Proofs, authority: String) -> Self {
        Self::new(Link::Tcp(client), proofs, authority)
    }

    fn new(link: Link, proofs: Proofs, authority: String) -> Self {
        let Proofs { binding, peer_certificates } = proofs;
        Self { inner: Arc::new(Inner { link, binding, peer_certificates, authority }) }
    }

    /// The exporter value of this connection, for [`crate::dialer::DialConfig::exporter_label`].
    #[must_use]
    pub fn binding(&self) -> [u8; 32] {
        self.inner.binding
    }

    /// Which HTTP it is.
    #[must_use]
    pub fn transport(&self) -> TransportKind {
        match &self.inner.link {
            Link::Quic(_) => TransportKind::H3,
            Link::Tcp(_) => TransportKind::H2,
        }
    }

    /// The gateway's certificates, its own first.
    #[must_use]
    pub fn peer_certificates(&self) -> &[CertificateDer<'static>] {
        &self.inner.peer_certificates
    }

    /// Our own address on this connection, as far as the system tells.
    #[must_use]
    pub fn local_address(&self) -> Option<SocketAddr> {
        match &self.inner.link {
            Link::Quic(client) => {
                let mut address = client.endpoint.local_addr().ok()?;
                if address.ip().is_unspecified() {
                    address.set_ip(endpoint::route_from(client.shared.quic.remote_address()).ok()?);
                }
                Some(address)
            }
            Link::Tcp(client) => client.link.local,
        }
    }

    /// The gateway's address.
    #[must_use]
    pub fn remote_address(&self) -> SocketAddr {
        match &self.inner.link {
            Link::Quic(client) => client.shared.quic.remote_address(),
            Link::Tcp(client) => client.link.remote,
        }
    }

    /// Asks for a TCP flow to `authority` (`host:port`). It may be written to at once: the gateway holds what comes
    /// before it has decided (optimistic data). Waits only when the gateway permits no more flows at this moment.
    ///
    /// # Errors
    /// [`OpenError::Draining`] after a GOAWAY, [`OpenError::Flow`] when the connection is gone. A refusal comes later,
    /// from [`PendingOpen::ready`].
    pub async fn open_tcp(&self, authority: &str, headers: HeaderMap) -> Result<ClientFlow, OpenError> {
        let target = Authority::parse(authority).map_err(|_| OpenError::BadRequest(authority.to_owned()))?;
        let head = RequestHead { fields: message::fields(&headers), ..RequestHead::connect(target) };
        let Opened { stream, send, recv } = self.open(&head).await?;
        Ok(ClientFlow { stream, send, response: PendingOpen { recv } })
    }

    /// Asks for a UDP flow and waits for the answer.
    ///
    /// # Errors
    /// [`OpenError::Refused`], and everything that ends a flow.
    pub async fn open_udp(
        &self,
        host: &str,
        port: u16,
        headers: HeaderMap,
        options: UdpOptions,
    ) -> Result<ClientUdpFlow, OpenError> {
        let bad = || OpenError::BadRequest(format!("{host}:{port}"));
        let target = Authority::new(host, port).map_err(|_| bad())?;
        let path = masque::udp_path(&target);
        let head = RequestHead::extended(masque::CONNECT_UDP, &self.inner.authority, &path).map_err(|_| bad())?;
        let fields = message::fields(&headers).with("capsule-protocol", "?1").map_err(|_| bad())?;
        match &self.inner.link {
            Link::Quic(client) => client.extended_connect().await?,
            Link::Tcp(client) => client.extended_connect().await?,
        }
        let Opened { stream, send, recv } = self.open(&RequestHead { fields, ..head }).await?;
        let datagrams = match &self.inner.link {
            Link::Quic(client) => Some(DatagramPath::new(Arc::clone(&client.shared), stream)),
            Link::Tcp(_) => None,
        };
        let (headers, recv) = PendingOpen { recv }.ready().await?;
        Ok(ClientUdpFlow { stream, flow: UdpFlow::new(send, recv, datagrams, options), headers })
    }

    /// An ordinary request with a bounded answer ([`limits::RESPONSE_BODY_MAX`]). Any status is `Ok`.
    ///
    /// # Errors
    /// When no whole answer came.
    pub async fn request(
        &self,
        method: Method,
        path: &str,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Response<Bytes>, OpenError> {
        let (head, mut recv) = self.exchange(&method, path, &headers, body).await?;
        let body = recv.body(limits::RESPONSE_BODY_MAX).await.map_err(open_error)?;
        Ok(head.map(|()| body))
    }

    /// A GET whose answer is read as it comes, such as the notices. Any status is `Ok`.
    ///
    /// # Errors
    /// When no head of an answer came.
    pub async fn stream(&self, path: &str, headers: HeaderMap) -> Result<(Response<()>, BodyReceiver), OpenError> {
        let (head, recv) = self.exchange(&Method::GET, path, &headers, Bytes::new()).await?;
        Ok((head, BodyReceiver { recv }))
    }

    /// Completes when the gateway asks to open nothing more here (GOAWAY). At once when it already has.
    pub async fn goaway_received(&self) {
        match &self.inner.link {
            Link::Quic(client) => {
                let _ = client.shared.drain.subscribe().wait_for(Option::is_some).await;
            }
            Link::Tcp(client) => {
                let _ = client.link.draining.subscribe().wait_for(|draining| *draining).await;
            }
        }
    }

    /// Completes when the connection is over.
    pub async fn closed(&self) -> Closed {
        match &self.inner.link {
            Link::Quic(client) => {
                let error = client.shared.quic.closed().await;
                client.shared.closed(&error)
            }
            Link::Tcp(client) => client.link.closed().await,
        }
    }

    /// Moves to a fresh socket, for when the machine's addresses changed. Flows live on. HTTP/2 cannot move: `false`.
    pub fn rebind(&self) -> bool {
        match &self.inner.link {
            Link::Quic(client) => {
                let Ok(mut address) = client.endpoint.local_addr() else { return false };
                address.set_port(0);
                let moved = endpoint::udp_socket(address, false).and_then(|socket| client.endpoint.rebind(socket));
                if let Err(error) = &moved {
                    tracing::warn!(%error, "cannot move to another socket");
                }
                moved.is_ok()
            }
            Link::Tcp(_) => false,
        }
    }

    /// Closes at once, with everything on it.
    pub fn close(&self, reason: &str) {
        match &self.inner.link {
            Link::Quic(client) => client.shared.close(hitotsu_proto::error::Code::H3_NO_ERROR, reason),
            Link::Tcp(client) => client.link.close(CloseCode::NoError),
        }
    }

    async fn exchange(
        &self,
        method: &Method,
        path: &str,
        headers: &HeaderMap,
        body: Bytes,
    ) -> Result<(Response<()>, FlowRecv), OpenError> {
        let bad = || OpenError::BadRequest(path.to_owned());
        let head = RequestHead::ordinary(method.as_str(), &self.inner.authority, path).map_err(|_| bad())?;
        let mut fields = message::fields(headers);
        if !body.is_empty() {
            fields.push("content-length", body.len().to_string()).map_err(|_| bad())?;
        }
        let Opened { send: mut out, mut recv, .. } = self.open(&RequestHead { fields, ..head }).await?;
        // A server that answers early stops the body; its answer counts all the same.
        let sending = async {
            out.send(body).await?;
            out.finish().await
        };
        let answering = recv.response();
        let (sent, head) = tokio::join!(sending, answering);
        let head = head.map_err(|error| open_error(sent.err().filter(is_rejection).unwrap_or(error)))?;
        Ok((head, recv))
    }

    async fn open(&self, head: &RequestHead) -> Result<Opened, OpenError> {
        match &self.inner.link {
            Link::Quic(client) => {
                let (stream, send, recv) = client.open(head).await?;
                Ok(Opened { stream, send: FlowSend::h3(send), recv: FlowRecv::h3(recv) })
            }
            Link::Tcp(client) => {
                let (stream, send, recv) = client.open(head).await?;
                Ok(Opened { stream, send: FlowSend::h2(send), recv: FlowRecv::h2(recv) })
            }
        }
    }
}

struct Opened {
    stream: u64,
    send: FlowSend,
    recv: FlowRecv,
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
    recv: FlowRecv,
}

impl PendingOpen {
    /// Waits for the gateway's answer. Cancelling it resets the receiving half.
    ///
    /// # Errors
    /// [`OpenError::Refused`] with the problem document, and everything that ends a flow.
    pub async fn ready(mut self) -> Result<(HeaderMap, FlowRecv), OpenError> {
        let (parts, ()) = self.recv.response().await.map_err(open_error)?.into_parts();
        if parts.status.is_success() {
            self.recv.tunnel();
            return Ok((parts.headers, self.recv));
        }
        // What came of the body is better than nothing: it says why.
        let body = self.recv.body_prefix(limits::REFUSAL_BODY_MAX).await;
        Err(OpenError::Refused(Box::new(Refusal { status: parts.status, headers: parts.headers, body })))
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
    recv: FlowRecv,
}

impl BodyReceiver {
    /// The next piece; `None` at the end. Cancel-safe.
    ///
    /// # Errors
    /// When the body was cut off.
    pub async fn recv(&mut self) -> Result<Option<Bytes>, FlowError> {
        Ok(self.recv.recv().await?.map(crate::flow::Batch::into_bytes))
    }
}

/// A rejected request was not processed: it belongs on another connection.
pub(crate) fn open_error(error: FlowError) -> OpenError {
    if is_rejection(&error) { OpenError::Draining } else { OpenError::Flow(error) }
}

fn is_rejection(error: &FlowError) -> bool {
    *error == FlowError::Reset(crate::fault::ResetReason::Rejected)
}
