//! One UDP and TCP port: handshakes run in tasks of their own, verified connections come out.

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::server::{ClientHello, ResolvesServerCert, danger::ClientCertVerifier};
use rustls_pki_types::CertificateDer;
use tokio::net::TcpStream;

use crate::fault::ListenError;
use crate::server::{ServerConnection, TransportKind};

/// What to listen on, and as whom.
#[derive(Clone, Debug)]
pub struct ListenerConfig {
    /// UDP and TCP; port 0 picks one that is free for both.
    pub address: SocketAddr,
    /// Judges client certificates, which are demanded on every transport.
    pub client_verifier: Arc<dyn ClientCertVerifier>,
    /// Our certificates.
    pub certificates: Arc<dyn ResolvesServerCert>,
    /// Label of the exporter value in [`Handshaken::binding`].
    pub exporter_label: &'static [u8],
    /// A protocol of its own over TLS on the same port, such as enrolment.
    pub other: Option<OtherProtocol>,
    /// This worker's number, carried in connection ids so that packets can be steered to it.
    pub worker: u8,
    /// Bounds on handshakes.
    pub handshakes: HandshakeLimits,
}

/// Another protocol on the TCP port, chosen by ALPN before any configuration is.
#[derive(Clone, Debug)]
pub struct OtherProtocol {
    /// Its ALPN name.
    pub alpn: &'static [u8],
    /// Its TLS configuration. It must share no session storage or ticketer with anything else.
    pub tls: Arc<rustls::ServerConfig>,
}

/// Bounds on connections that have not proven themselves.
#[derive(Clone, Copy, Debug)]
pub struct HandshakeLimits {
    /// From this many unfinished QUIC handshakes on, a client must prove its address first (Retry).
    pub retry_from: usize,
    /// From this many unfinished handshakes on, new ones are turned away.
    pub refuse_from: usize,
    /// How long a handshake may take.
    pub patience: std::time::Duration,
}

impl Default for HandshakeLimits {
    fn default() -> Self {
        Self { retry_from: 256, refuse_from: 2048, patience: std::time::Duration::from_secs(10) }
    }
}

/// What comes in.
#[derive(Debug)]
pub enum Arrival {
    /// A connection whose client certificate the verifier accepted.
    Connection(Box<Handshaken>),
    /// A TLS stream of the [`OtherProtocol`].
    Other {
        /// The stream, its handshake done.
        stream: Box<tokio_rustls::server::TlsStream<TcpStream>>,
        /// Where the peer is.
        remote: SocketAddr,
    },
}

/// A connection with its proofs.
#[derive(Debug)]
pub struct Handshaken {
    /// The peer's certificates, its own first, also after resumption. Never empty.
    pub peer_certificates: Vec<CertificateDer<'static>>,
    /// The exporter value of this connection.
    pub binding: [u8; 32],
    /// Where the peer was when the handshake was done.
    pub remote: SocketAddr,
    /// Which of our addresses it came to.
    pub local: SocketAddr,
    /// Which HTTP it speaks.
    pub transport: TransportKind,
    /// To be served.
    pub connection: ServerConnection,
}

/// A listening port.
#[derive(Debug)]
pub struct Listener {
    address: SocketAddr,
}

impl Listener {
    /// Starts to listen.
    ///
    /// # Errors
    /// See [`ListenError`].
    pub async fn bind(_config: ListenerConfig) -> Result<Self, ListenError> {
        let _: Option<ClientHello<'_>> = None;
        Err(ListenError::Misconfigured("not built yet".to_owned()))
    }

    /// The address, with the port that was chosen.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// The next arrival; `None` after [`Listener::stop`]. Cancel-safe.
    pub async fn accept(&self) -> Option<Arrival> {
        None
    }

    /// Accepts no new connections any more; those that are there live on.
    pub fn stop(&self) {}
}
