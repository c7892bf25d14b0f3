//! How to reach the gateway.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hitotsu_model::control::ATTEST_EXPORTER_LABEL;
use hitotsu_tunnel::client::ClientConnection;
use hitotsu_tunnel::congestion::Congestion;
use hitotsu_tunnel::dialer::{DialConfig, Dialer, Preference};
use hitotsu_tunnel::fault::DialError;
use hitotsu_tunnel::server::TransportKind;
use rustls_pki_types::ServerName;

use crate::config::GatewayAddress;

/// Time for QUIC alone before HTTP/2 is tried beside it: two lost first packets of a 300 ms path.
const QUIC_PATIENCE: Duration = Duration::from_millis(1500);
/// Time for a whole dial: a TCP and TLS handshake over a bad mobile path.
const DIAL_PATIENCE: Duration = Duration::from_secs(8);

/// Dials one gateway, again and again; remembers whether UDP worked.
#[derive(Debug)]
pub struct Link {
    gateway: GatewayAddress,
    tls: rustls::ClientConfig,
    preference: Preference,
    congestion: Congestion,
    quic_failed: AtomicBool,
}

impl Link {
    /// `tls` holds the verifier, this device's certificate and the session cache.
    #[must_use]
    pub fn new(gateway: GatewayAddress, tls: rustls::ClientConfig) -> Self {
        Self {
            gateway,
            tls,
            preference: Preference::QuicFirst,
            congestion: Congestion::default(),
            quic_failed: AtomicBool::new(false),
        }
    }

    /// The same, over these transports only.
    #[must_use]
    pub fn with_preference(mut self, preference: Preference) -> Self {
        self.preference = preference;
        self
    }

    /// The same, with another way to control congestion.
    #[must_use]
    pub fn with_congestion(mut self, congestion: Congestion) -> Self {
        self.congestion = congestion;
        self
    }

    /// The gateway.
    #[must_use]
    pub fn gateway(&self) -> &GatewayAddress {
        &self.gateway
    }

    /// Brings up one connection. Names are looked up anew each time: the network may be another one.
    ///
    /// # Errors
    /// By blame, see [`DialError`].
    pub async fn dial(&self) -> Result<ClientConnection, DialError> {
        let dialer = Dialer::new(self.dial_config().await?)?;
        let connection = dialer.dial().await?;
        self.quic_failed.store(connection.transport() != TransportKind::H3, Ordering::Relaxed);
        Ok(connection)
    }

    async fn dial_config(&self) -> Result<DialConfig, DialError> {
        let GatewayAddress { host, port } = &self.gateway;
        let lookup = tokio::time::timeout(DIAL_PATIENCE, tokio::net::lookup_host((host.as_str(), *port)));
        let looked_up = match lookup.await {
            Ok(Ok(addresses)) => Ok(addresses.collect::<Vec<_>>()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("the name could not be looked up in time".to_owned()),
        };
        let addresses = looked_up.map_err(|why| DialError::Unreachable { udp: why.clone(), tcp: why })?;
        let server_name = match host.parse::<IpAddr>() {
            Ok(address) => ServerName::IpAddress(address.into()),
            Err(_) => ServerName::try_from(host.clone())
                .map_err(|_| DialError::Misconfigured(format!("`{host}` cannot be in a certificate")))?,
        };
        let quic_failed = self.quic_failed.load(Ordering::Relaxed) && self.preference == Preference::QuicFirst;
        Ok(DialConfig {
            addresses,
            authority: self.gateway.to_string(),
            server_name,
            tls: self.tls.clone(),
            bind: None,
            exporter_label: ATTEST_EXPORTER_LABEL,
            quic_patience: QUIC_PATIENCE,
            patience: DIAL_PATIENCE,
            preference: if quic_failed { Preference::Both } else { self.preference },
            congestion: self.congestion,
        })
    }
}
