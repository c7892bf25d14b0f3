//! TLS handshakes over TCP. Which protocol it is, is known before a configuration is chosen.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use rustls::server::Acceptor as HelloAcceptor;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

use super::{Arrival, HandshakeLimits, Handshaken, ListenerConfig, OtherProtocol};
use crate::door::{Door, Place};
use crate::fault::ListenError;
use crate::link::{self, Link};
use crate::server::{TransportKind, Unjudged};
use crate::{crypto, limits};

/// What the workers share.
#[derive(Clone)]
pub(super) struct Shared {
    shake: Shake,
    limits: HandshakeLimits,
    door: Arc<Door>,
}

pub(super) struct Acceptor {
    listener: TcpListener,
    shared: Shared,
}

#[derive(Clone)]
struct Shake {
    tls: Arc<ServerConfig>,
    other: Option<OtherProtocol>,
    label: &'static [u8],
}

impl Shared {
    pub(super) fn new(config: &ListenerConfig, door: Arc<Door>) -> Result<Self, ListenError> {
        let verifier = Arc::clone(&config.client_verifier);
        let tls = crypto::server_config(verifier, Arc::clone(&config.certificates), &[b"h2", b"http/1.1"])
            .map_err(|error| ListenError::Misconfigured(error.to_string()))?;
        let shake = Shake { tls: Arc::new(tls), other: config.other.clone(), label: config.exporter_label };
        Ok(Self { shake, limits: config.handshakes, door })
    }
}

impl Acceptor {
    /// One worker's part, on the runtime that calls it.
    pub(super) fn new(shared: Shared, listener: std::net::TcpListener) -> std::io::Result<Self> {
        Ok(Self { listener: TcpListener::from_std(listener)?, shared })
    }

    pub(super) async fn run(self, arrivals: mpsc::Sender<Arrival>, stop: CancellationToken) {
        let mut handshakes = JoinSet::new();
        loop {
            while handshakes.try_join_next().is_some() {}
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                () = stop.cancelled() => break,
            };
            let (stream, remote) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Most likely no file descriptor is left; trying again at once would only burn the processor.
                    tracing::warn!(%error, "a tcp connection cannot be accepted");
                    tokio::time::sleep(limits::ACCEPT_PAUSE).await;
                    continue;
                }
            };
            // TCP's own handshake has proven the address.
            let Some(place) = self.shared.door.enter(Some(remote.ip())) else { continue };
            handshakes.spawn(handshake(
                stream,
                remote,
                self.shared.shake.clone(),
                self.shared.limits.patience,
                place,
                arrivals.clone(),
            ));
        }
        // The port is free from here on.
        drop(self.listener);
        while handshakes.join_next().await.is_some() {}
    }
}

async fn handshake(
    stream: TcpStream,
    remote: SocketAddr,
    shake: Shake,
    patience: Duration,
    place: Place,
    arrivals: mpsc::Sender<Arrival>,
) {
    link::prepare(&stream);
    let arrival = match tokio::time::timeout(patience, shake.run(stream, remote)).await {
        Ok(Ok(arrival)) => arrival,
        Ok(Err(error)) => return tracing::debug!(%error, "a tls handshake failed"),
        Err(_) => return tracing::debug!("a tls handshake took too long"),
    };
    if let Some(arrival) = arrival {
        let _ = arrivals.send(arrival).await;
    }
    // Only now somebody else answers for it.
    drop(place);
}

impl Shake {
    async fn run(self, stream: TcpStream, remote: SocketAddr) -> std::io::Result<Option<Arrival>> {
        let start = LazyConfigAcceptor::new(HelloAcceptor::default(), stream).await?;
        let offered = |wanted: &[u8]| {
            let hello = start.client_hello();
            hello.alpn().is_some_and(|mut names| names.any(|name| name == wanted))
        };
        if let Some(other) = self.other.filter(|other| offered(other.alpn)) {
            let stream = Box::new(start.into_stream(other.tls).await?);
            return Ok(Some(Arrival::Other { stream, remote }));
        }
        let stream = match start.into_stream(self.tls).into_fallible().await {
            Ok(stream) => stream,
            Err((error, stream)) => {
                linger(stream).await;
                return Err(error);
            }
        };
        Ok(handshaken(stream, remote, self.label).map(|handshaken| Arrival::Connection(Box::new(handshaken))))
    }
}

/// Closes only after the client has: closing with its requests unread would reset TCP, and the reset could overtake the
/// alert that tells it why. Bounded by the patience for handshakes.
async fn linger(mut stream: TcpStream) {
    let _ = stream.shutdown().await;
    let mut thrown_away = [0; 1024];
    for _ in 0..limits::LINGER_READS_MAX {
        match stream.read(&mut thrown_away).await {
            Ok(1..) => {}
            Ok(0) | Err(_) => return,
        }
    }
}

fn handshaken(stream: TlsStream<TcpStream>, remote: SocketAddr, label: &[u8]) -> Option<Handshaken> {
    let (tcp, tls) = stream.get_ref();
    let local = tcp.local_addr().ok()?;
    let chain = tls.peer_certificates().filter(|chain| !chain.is_empty())?;
    let peer_certificates = chain.iter().map(|certificate| certificate.clone().into_owned()).collect();
    let binding = crypto::binding(tls, label).ok()?;
    let transport = match tls.alpn_protocol() {
        Some(b"h2") => TransportKind::H2,
        // A client without ALPN speaks HTTP/1.1.
        Some(_) | None => TransportKind::H1,
    };
    let link = Link::new(remote, Some(local));
    let connection = Unjudged::tcp(stream, link, transport);
    Some(Handshaken { peer_certificates, binding, remote, local, transport, connection })
}
