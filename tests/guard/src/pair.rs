//! A device with a tunnel to its gateway, over loopback and in one thread.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hitotsu_model::control::ATTEST_EXPORTER_LABEL;
use hitotsu_pki::tls::{ClientVerifier, GatewayVerifier};
use hitotsu_tunnel::client::ClientConnection;
use hitotsu_tunnel::congestion::Congestion;
use hitotsu_tunnel::crypto;
use hitotsu_tunnel::dialer::{DialConfig, Dialer, Preference};
use hitotsu_tunnel::listener::{Arrival, HandshakeLimits, Listener, ListenerConfig};
use hitotsu_tunnel::server::{Exchange, Request, ServerConnection};
use rustls_pki_types::ServerName;

use crate::city::City;

/// The port of the gateway, and everything to reach it.
pub(crate) struct Site {
    city: City,
    listener: Listener,
}

/// Both ends of one connection.
pub(crate) struct Pair {
    pub(crate) client: ClientConnection,
    pub(crate) server: ServerConnection,
}

impl Site {
    /// As the gateway's only worker, in the runtime that this is called from.
    pub(crate) fn new() -> Self {
        let city = City::new();
        let listener = Listener::bind(&ListenerConfig {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            client_verifier: Arc::new(ClientVerifier::new(city.trust.clone())),
            certificates: city.gateway.certified(),
            exporter_label: ATTEST_EXPORTER_LABEL,
            other: None,
            reset_key: [7; 32],
            handshakes: HandshakeLimits::default(),
            congestion: Congestion::default(),
        })
        .unwrap();
        Self { city, listener }
    }

    /// A dialer that has never dialled.
    pub(crate) fn dialer(&self) -> Dialer {
        let tls = rustls::ClientConfig::builder_with_provider(crypto::provider())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(GatewayVerifier::new(self.city.trust.clone())))
            .with_client_cert_resolver(self.city.device.certified());
        Dialer::new(DialConfig {
            addresses: vec![self.listener.local_addr()],
            authority: "localhost:443".to_owned(),
            server_name: ServerName::try_from("localhost").unwrap(),
            tls,
            bind: None,
            exporter_label: ATTEST_EXPORTER_LABEL,
            quic_patience: Duration::from_secs(10),
            patience: Duration::from_secs(10),
            preference: Preference::QuicOnly,
            congestion: Congestion::default(),
        })
        .unwrap()
    }

    /// A connection.
    pub(crate) async fn pair(&self, dialer: &Dialer) -> Pair {
        let arrival = async {
            match self.listener.accept().await {
                Some(Arrival::Connection(handshaken)) => handshaken.connection.trust(),
                Some(Arrival::Other { .. }) | None => panic!("no connection of a device"),
            }
        };
        let (client, server) = tokio::join!(dialer.dial(), arrival);
        Pair { client: client.unwrap(), server }
    }
}

impl Pair {
    pub(crate) async fn request(&self) -> Request {
        let Exchange { request, .. } = self.server.next_exchange().await.expect("the connection is over");
        request
    }
}
