//! QUIC handshakes.

use std::net::SocketAddr;
use std::sync::Arc;

use hitotsu_quic::crypto::rustls::QuicServerConfig;
use hitotsu_quic::{EndpointConfig, Incoming, Steering};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{Arrival, HandshakeLimits, Handshaken, ListenerConfig};
use crate::door::{Door, Place};
use crate::fault::ListenError;
use crate::server::{TransportKind, Unjudged};
use crate::{crypto, endpoint, limits};

/// What the workers share.
#[derive(Clone)]
pub(super) struct Shared {
    reset_key: Arc<ring::hmac::Key>,
    config: Arc<hitotsu_quic::ServerConfig>,
    label: &'static [u8],
    limits: HandshakeLimits,
    door: Arc<Door>,
    address: SocketAddr,
}

pub(super) struct Acceptor {
    endpoint: hitotsu_quic::Endpoint,
    shared: Shared,
}

impl Shared {
    pub(super) fn new(config: &ListenerConfig, address: SocketAddr, door: Arc<Door>) -> Result<Self, ListenError> {
        let verifier = Arc::clone(&config.client_verifier);
        let misconfigured = |error: &dyn std::fmt::Display| ListenError::Misconfigured(error.to_string());
        let tls = crypto::server_config(verifier, Arc::clone(&config.certificates), &[b"h3"])
            .map_err(|error| misconfigured(&error))?;
        let tls = QuicServerConfig::try_from(tls).map_err(|error| misconfigured(&error))?;
        let mut server = hitotsu_quic::ServerConfig::with_crypto(Arc::new(tls));
        server
            .max_incoming(limits::INCOMING_MAX)
            .incoming_buffer_size(limits::INCOMING_OCTETS_MAX)
            .incoming_buffer_size_total(limits::INCOMING_OCTETS_MAX * limits::INCOMING_MAX as u64)
            .migration(true)
            .transport_config(endpoint::server_transport(config.congestion));
        Ok(Self {
            reset_key: Arc::new(ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &config.reset_key)),
            config: Arc::new(server),
            label: config.exporter_label,
            limits: config.handshakes,
            door,
            address,
        })
    }
}

impl Acceptor {
    /// One worker's part, on the runtime that calls it.
    pub(super) fn new(shared: Shared, socket: std::net::UdpSocket, steering: Steering) -> std::io::Result<Self> {
        let worker = steering.worker();
        let mut ids = EndpointConfig::new(shared.reset_key.clone());
        ids.cid_generator(move || Box::new(endpoint::WorkerIds::new(worker)));
        let server = hitotsu_quic::ServerConfig::clone(&shared.config);
        let endpoint = hitotsu_quic::Endpoint::steered(ids, Some(server), socket, Some(steering))?;
        Ok(Self { endpoint, shared })
    }

    pub(super) fn endpoint(&self) -> hitotsu_quic::Endpoint {
        self.endpoint.clone()
    }

    pub(super) async fn run(self, arrivals: mpsc::Sender<Arrival>, stop: CancellationToken) {
        let mut handshakes = JoinSet::new();
        loop {
            while handshakes.try_join_next().is_some() {}
            let incoming = tokio::select! {
                incoming = self.endpoint.accept() => incoming,
                () = stop.cancelled() => None,
            };
            let Some(incoming) = incoming else { break };
            let proven = incoming.remote_address_validated();
            let under_load = self.shared.door.figures().taken >= self.shared.limits.retry_from;
            if under_load && !proven && incoming.may_retry() && !self.shared.door.is_full() {
                let _ = incoming.retry();
                continue;
            }
            let source = incoming.remote_address().ip();
            match self.shared.door.enter(proven.then_some(source)) {
                Some(place) => drop(handshakes.spawn(self.handshake(incoming, place, arrivals.clone()))),
                // Silence costs us nothing, and honest clients ask again.
                None => incoming.ignore(),
            }
        }
        while handshakes.join_next().await.is_some() {}
    }

    fn handshake(
        &self,
        incoming: Incoming,
        place: Place,
        arrivals: mpsc::Sender<Arrival>,
    ) -> impl Future<Output = ()> + Send + use<> {
        let config = Arc::clone(&self.shared.config);
        let (label, patience, listening) = (self.shared.label, self.shared.limits.patience, self.shared.address);
        // The handshake proves this path. By the time it is done, one forged datagram may have moved the connection already.
        let remote = incoming.remote_address();
        async move {
            let connecting = match incoming.accept_with(config) {
                Ok(connecting) => connecting,
                Err(error) => return tracing::debug!(%error, "a QUIC connection cannot begin"),
            };
            let connection = match tokio::time::timeout(patience, connecting).await {
                Ok(Ok(connection)) => connection,
                Ok(Err(error)) => return tracing::debug!(%error, "a QUIC handshake failed"),
                Err(_) => return tracing::debug!("a QUIC handshake took too long"),
            };
            if let Some(handshaken) = handshaken(connection, label, (remote, listening)) {
                let _ = arrivals.send(Arrival::Connection(Box::new(handshaken))).await;
            }
            // Only now somebody else answers for it.
            drop(place);
        }
    }
}

fn handshaken(
    connection: hitotsu_quic::Connection,
    label: &[u8],
    (remote, listening): (SocketAddr, SocketAddr),
) -> Option<Handshaken> {
    let peer_certificates = crypto::quic_certificates(&connection).filter(|chain| !chain.is_empty())?;
    let binding = crypto::quic_binding(&connection, label)?;
    let local = SocketAddr::new(connection.local_ip().unwrap_or(listening.ip()), listening.port());
    Some(Handshaken {
        peer_certificates,
        binding,
        remote,
        local,
        transport: TransportKind::H3,
        connection: Unjudged::quic(connection),
    })
}
