//! One UDP and TCP port: handshakes run in tasks of their own, verified connections come out.

mod quic;
mod tcp;

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::server::ResolvesServerCert;
use rustls::server::danger::ClientCertVerifier;
use rustls_pki_types::CertificateDer;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, mpsc};
use tokio_util::sync::CancellationToken;

use crate::door::Door;
use crate::fault::ListenError;
use crate::server::{TransportKind, Unjudged};
use crate::task::Task;
use crate::{endpoint, limits};

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
    /// From this the tokens of stateless resets are made (RFC 9000 §10.3.2). The same key after a restart lets peers of the
    /// dead process learn at once that it forgot them; whoever has it can end connections.
    pub reset_key: [u8; 32],
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

/// Bounds on connections that have not proven themselves, for each transport.
#[derive(Clone, Copy, Debug)]
pub struct HandshakeLimits {
    /// From this many unfinished handshakes on, a client of QUIC must prove its address first (Retry).
    pub retry_from: usize,
    /// From this many unfinished handshakes on, new ones are turned away.
    pub refuse_from: usize,
    /// From this many of one source on, its new ones are turned away. Over QUIC only proven addresses count.
    pub refuse_source_from: usize,
    /// How long a handshake may take.
    pub patience: std::time::Duration,
}

impl Default for HandshakeLimits {
    fn default() -> Self {
        Self {
            retry_from: limits::HANDSHAKES_UNPROVEN_MAX,
            refuse_from: limits::HANDSHAKES_MAX,
            refuse_source_from: limits::HANDSHAKES_PER_SOURCE_MAX,
            patience: limits::HANDSHAKE_PATIENCE,
        }
    }
}

impl HandshakeLimits {
    fn door(&self, name: &'static str) -> Arc<Door> {
        Door::new(name, self.refuse_from, self.refuse_source_from)
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
    /// To be judged by its certificates, then served.
    pub connection: Unjudged,
}

/// A listening port. Dropping it ends it; connections that came out of it live on.
#[derive(Debug)]
pub struct Listener {
    address: SocketAddr,
    endpoint: hitotsu_quic::Endpoint,
    arrivals: Mutex<mpsc::Receiver<Arrival>>,
    stop: CancellationToken,
    doors: [Arc<Door>; 2],
    _tasks: [Task; 2],
}

impl Listener {
    /// Starts to listen.
    ///
    /// # Errors
    /// See [`ListenError`].
    pub async fn bind(config: ListenerConfig) -> Result<Self, ListenError> {
        let (tcp, udp, address) = sockets(config.address).await?;
        let (sender, arrivals) = mpsc::channel(limits::ARRIVALS_WAITING_MAX);
        let stop = CancellationToken::new();
        let doors = [config.handshakes.door("quic"), config.handshakes.door("tcp")];
        let [quic_door, tcp_door] = doors.clone();
        let quic = quic::Acceptor::new(&config, udp, quic_door)?;
        let tls = tcp::Acceptor::new(&config, tcp, tcp_door)?;
        let endpoint = quic.endpoint();
        let tasks = [Task::spawn(quic.run(sender.clone(), stop.clone())), Task::spawn(tls.run(sender, stop.clone()))];
        Ok(Self { address, endpoint, arrivals: Mutex::new(arrivals), stop, doors, _tasks: tasks })
    }

    /// The address, with the port that was chosen.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// The doors of QUIC and of TCP, where handshakes that are not finished are counted.
    #[must_use]
    pub fn doors(&self) -> [Arc<Door>; 2] {
        self.doors.clone()
    }

    /// The next arrival; `None` after [`Listener::stop`]. Cancel-safe.
    pub async fn accept(&self) -> Option<Arrival> {
        self.arrivals.lock().await.recv().await
    }

    /// Accepts no new connections any more; those that are there live on.
    pub fn stop(&self) {
        self.endpoint.set_server_config(None);
        self.stop.cancel();
    }

    /// Completes when everything that was sent on closed QUIC connections has left.
    pub async fn wait_idle(&self) {
        self.endpoint.wait_idle().await;
    }
}

/// A TCP and a UDP socket on one port.
async fn sockets(wanted: SocketAddr) -> Result<(TcpListener, std::net::UdpSocket, SocketAddr), ListenError> {
    let failed = |source| ListenError::Bind { address: wanted, source };
    let mut attempts = 0;
    loop {
        let tcp = TcpListener::bind(wanted).await.map_err(failed)?;
        let address = tcp.local_addr().map_err(failed)?;
        match endpoint::udp_socket(address) {
            Ok(udp) => return Ok((tcp, udp, address)),
            // The system's choice for TCP may be taken for UDP.
            Err(_) if wanted.port() == 0 && attempts < 16 => attempts += 1,
            Err(source) => return Err(failed(source)),
        }
    }
}
