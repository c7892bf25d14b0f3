//! QUIC handshakes.

use std::net::SocketAddr;
use std::sync::Arc;

use hitotsu_quic::crypto::rustls::QuicServerConfig;
use hitotsu_quic::{EndpointConfig, Incoming};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{Arrival, HandshakeLimits, Handshaken, ListenerConfig};
use crate::door::{Door, Place};
use crate::fault::ListenError;
use crate::server::{TransportKind, Unjudged};
use crate::{crypto, endpoint, limits};

pub(super) struct Acceptor {
    endpoint: hitotsu_quic::Endpoint,
    config: Arc<hitotsu_quic::ServerConfig>,
    label: &'static [u8],
    limits: HandshakeLimits,
    door: Arc<Door>,
    address: SocketAddr,
}

impl Acceptor {
    pub(super) fn new(
        config: &ListenerConfig,
        socket: std::net::UdpSocket,
        door: Arc<Door>,
    ) -> Result<Self, ListenError> {
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
            .transport_config(endpoint::server_transport());
        let worker = config.worker;
        let reset_key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &config.reset_key);
        let mut ids = EndpointConfig::new(Arc::new(reset_key));
        ids.cid_generator(move || Box::new(endpoint::WorkerIds::new(worker)));
        let bind = |source| ListenError::Bind { address: config.address, source };
        let address = socket.local_addr().map_err(bind)?;
        let endpoint = hitotsu_quic::Endpoint::new(ids, Some(server.clone()), socket).map_err(bind)?;
        Ok(Self {
            endpoint,
            config: Arc::new(server),
            label: config.exporter_label,
            limits: config.handshakes,
            door,
            address,
        })
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
            let under_load = self.door.figures().taken >= self.limits.retry_from;
            if under_load && !proven && incoming.may_retry() && !self.door.is_full() {
                let _ = incoming.retry();
                continue;
            }
            let source = incoming.remote_address().ip();
            match self.door.enter(proven.then_some(source)) {
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
        let config = Arc::clone(&self.config);
        let (label, patience, listening) = (self.label, self.limits.patience, self.address);
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
