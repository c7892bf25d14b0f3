//! Brings up a connection: QUIC first, HTTP/2 over TCP when QUIC does not answer.

use std::net::SocketAddr;
use std::time::Duration;

use rustls_pki_types::ServerName;

use crate::client::ClientConnection;
use crate::fault::DialError;

/// How to reach a gateway.
#[derive(Clone, Debug)]
pub struct DialConfig {
    /// Its addresses, best first. UDP and TCP have the same port.
    pub addresses: Vec<SocketAddr>,
    /// `host:port`, sent as `:authority` of requests to the gateway itself.
    pub authority: String,
    /// The name that its certificate must have.
    pub server_name: ServerName<'static>,
    /// Verifier and client certificate, made with [`crate::crypto::provider`]. ALPN and early data are set by the dialer.
    /// Keep one value for all dials, so that its session cache works.
    pub tls: rustls::ClientConfig,
    /// Local address to send from; `None` leaves it to the system.
    pub bind: Option<SocketAddr>,
    /// Label of the exporter value that [`ClientConnection::binding`] gives.
    pub exporter_label: &'static [u8],
    /// How long QUIC may take before HTTP/2 is tried beside it.
    pub quic_patience: Duration,
    /// How long a dial may take altogether.
    pub patience: Duration,
    /// Which transports to use.
    pub preference: Preference,
}

/// Which transports a dial tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Preference {
    /// QUIC, then HTTP/2 beside it when it does not answer in [`DialConfig::quic_patience`].
    #[default]
    QuicFirst,
    /// Both at once, for networks where UDP was dead last time.
    Both,
    /// QUIC only.
    QuicOnly,
    /// HTTP/2 only.
    Http2Only,
}

/// Dials one gateway, again and again.
#[derive(Debug)]
pub struct Dialer {
    _config: DialConfig,
}

impl Dialer {
    /// Checks the configuration.
    ///
    /// # Errors
    /// [`DialError::Misconfigured`].
    pub fn new(config: DialConfig) -> Result<Self, DialError> {
        Ok(Self { _config: config })
    }

    /// Brings up one connection.
    ///
    /// # Errors
    /// By blame, see [`DialError`].
    pub async fn dial(&self) -> Result<ClientConnection, DialError> {
        Err(DialError::Misconfigured("not built yet".to_owned()))
    }
}

/// A plain TLS stream with an ALPN name of its own, such as enrolment. It shares nothing with tunnels.
///
/// # Errors
/// By blame, see [`DialError`].
pub async fn other_protocol(
    _address: SocketAddr,
    _server_name: ServerName<'static>,
    _alpn: &'static [u8],
    _tls: rustls::ClientConfig,
    _patience: Duration,
) -> Result<tokio_rustls::client::TlsStream<tokio::net::TcpStream>, DialError> {
    Err(DialError::Misconfigured("not built yet".to_owned()))
}
