//! One UDP and TCP port: handshakes run in tasks of their own, verified connections come out. Several workers may share it,
//! each with a runtime of its own: [`Port`] is what they share, [`Seat`] one worker's part before it runs.

mod quic;
mod tcp;

use std::net::SocketAddr;
use std::num::NonZeroU8;
use std::sync::Arc;

use hitotsu_quic::Steering;
use rustls::server::ResolvesServerCert;
use rustls::server::danger::ClientCertVerifier;
use rustls_pki_types::CertificateDer;
use tokio::net::TcpStream;
use tokio::sync::{Mutex, mpsc};
use tokio_util::sync::CancellationToken;

use crate::congestion::Congestion;
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
    /// From this the tokens of stateless resets are made (RFC 9000 §10.3.2). The same key after a restart lets peers of the
    /// dead process learn at once that it forgot them; whoever has it can end connections.
    pub reset_key: [u8; 32],
    /// Bounds on handshakes.
    pub handshakes: HandshakeLimits,
    /// How much is sent at a time over QUIC.
    pub congestion: Congestion,
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

/// A port that is bound, with what its workers share: places of unfinished handshakes, sessions that can be resumed, keys.
#[derive(Debug)]
pub struct Port {
    address: SocketAddr,
    doors: [Arc<Door>; 2],
    seats: Vec<Seat>,
}

/// One worker's part of a [`Port`], not yet listening.
pub struct Seat {
    address: SocketAddr,
    doors: [Arc<Door>; 2],
    quic: quic::Shared,
    udp: std::net::UdpSocket,
    steering: Steering,
    tls: tcp::Shared,
    tcp: std::net::TcpListener,
}

impl std::fmt::Debug for Seat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Seat").field("address", &self.address).field("steering", &self.steering).finish_non_exhaustive()
    }
}

impl Port {
    /// Binds the port for so many workers, at least one. Their connection ids begin with their numbers.
    ///
    /// # Errors
    /// See [`ListenError`].
    pub fn bind(config: &ListenerConfig, workers: NonZeroU8) -> Result<Self, ListenError> {
        let failed = |source| ListenError::Bind { address: config.address, source };
        let (tcp, udp, address) = sockets(config.address, workers)?;
        let doors = [config.handshakes.door("quic"), config.handshakes.door("tcp")];
        let [quic_door, tcp_door] = &doors;
        let quic = quic::Shared::new(config, address, Arc::clone(quic_door))?;
        let tls = tcp::Shared::new(config, Arc::clone(tcp_door))?;
        let mut seats = Vec::new();
        for (udp, steering) in udp.into_iter().zip(Steering::among(workers.get())) {
            let tcp = tcp.try_clone().map_err(failed)?;
            let (doors, quic, tls) = (doors.clone(), quic.clone(), tls.clone());
            seats.push(Seat { address, doors, quic, udp, steering, tls, tcp });
        }
        Ok(Self { address, doors, seats })
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

    /// A part for each worker.
    #[must_use]
    pub fn seats(self) -> Vec<Seat> {
        self.seats
    }
}

impl Seat {
    /// Starts to listen, on the runtime that calls it.
    ///
    /// # Errors
    /// See [`ListenError`].
    pub fn listen(self) -> Result<Listener, ListenError> {
        let failed = |source| ListenError::Bind { address: self.address, source };
        let (sender, arrivals) = mpsc::channel(limits::ARRIVALS_WAITING_MAX);
        let stop = CancellationToken::new();
        let quic = quic::Acceptor::new(self.quic, self.udp, self.steering).map_err(failed)?;
        let tls = tcp::Acceptor::new(self.tls, self.tcp).map_err(failed)?;
        let endpoint = quic.endpoint();
        let tasks = [Task::spawn(quic.run(sender.clone(), stop.clone())), Task::spawn(tls.run(sender, stop.clone()))];
        let arrivals = Mutex::new(arrivals);
        Ok(Listener { address: self.address, endpoint, arrivals, stop, doors: self.doors, _tasks: tasks })
    }
}

/// A listening port, or one worker's part of it. Dropping it ends it; connections that came out of it live on.
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
    /// Starts to listen, as the only worker.
    ///
    /// # Errors
    /// See [`ListenError`].
    pub fn bind(config: &ListenerConfig) -> Result<Self, ListenError> {
        let seat = Port::bind(config, NonZeroU8::MIN)?.seats().pop();
        seat.ok_or_else(|| ListenError::Misconfigured("no worker".to_owned()))?.listen()
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

/// A TCP socket and a UDP socket for each worker on one port. TCP's is nobody else's, so neither is the port.
fn sockets(
    wanted: SocketAddr,
    workers: NonZeroU8,
) -> Result<(std::net::TcpListener, Vec<std::net::UdpSocket>, SocketAddr), ListenError> {
    let failed = |source| ListenError::Bind { address: wanted, source };
    let mut attempts = 0;
    loop {
        let tcp = endpoint::tcp_listener(wanted).map_err(failed)?;
        let address = tcp.local_addr().map_err(failed)?;
        let share = workers > NonZeroU8::MIN;
        match (0..workers.get()).map(|_| endpoint::udp_socket(address, share)).collect() {
            Ok(udp) => return Ok((tcp, udp, address)),
            // The system's choice for TCP may be taken for UDP.
            Err(_) if wanted.port() == 0 && attempts < 16 => attempts += 1,
            Err(source) => return Err(failed(source)),
        }
    }
}
