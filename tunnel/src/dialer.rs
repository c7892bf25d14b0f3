//! Brings up a connection: QUIC first, HTTP/2 over TCP when QUIC does not answer.

mod quic;

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use rustls::AlertDescription;
use rustls_pki_types::ServerName;

use crate::client::ClientConnection;
use crate::fault::DialError;
use crate::limits;

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
    config: DialConfig,
    quic: quinn::ClientConfig,
}

impl Dialer {
    /// Checks the configuration.
    ///
    /// # Errors
    /// [`DialError::Misconfigured`].
    pub fn new(config: DialConfig) -> Result<Self, DialError> {
        if config.addresses.is_empty() {
            return Err(DialError::Misconfigured("there is no address of the gateway".to_owned()));
        }
        let quic = quic::config(&config.tls)?;
        Ok(Self { config, quic })
    }

    /// Brings up one connection.
    ///
    /// # Errors
    /// By blame, see [`DialError`]. That the gateway does not accept our certificate comes later, from
    /// [`ClientConnection::closed`]: TLS 1.3 tells a client only after its handshake.
    pub async fn dial(&self) -> Result<ClientConnection, DialError> {
        quic::dial(&self.config, &self.quic).await.map_err(|fault| fault.into_error(None))
    }
}

/// Why one transport did not come up.
#[derive(Clone, Debug)]
enum Fault {
    /// Nothing, or no sense, came back.
    Unreachable(String),
    Untrusted(String),
    NotAccepted(String),
    Incompatible(String),
    Misconfigured(String),
}

/// Begins with the addresses one after another and takes the first connection.
async fn race<T, F>(addresses: &[SocketAddr], dial: impl Fn(SocketAddr) -> F) -> Result<T, Fault>
where
    F: Future<Output = Result<T, Fault>>,
{
    let mut attempts: FuturesUnordered<_> = addresses
        .iter()
        .zip(0u32..)
        .map(|(address, position)| {
            let attempt = dial(*address);
            async move {
                tokio::time::sleep(limits::ADDRESS_STAGGER * position).await;
                attempt.await
            }
        })
        .collect();
    let mut worst = None;
    while let Some(attempt) = attempts.next().await {
        match attempt {
            Ok(connection) => return Ok(connection),
            Err(fault) => worst = Some(worst.map_or(fault.clone(), |other: Fault| other.or(fault))),
        }
    }
    Err(worst.unwrap_or_else(|| Fault::Misconfigured("there is no address of the gateway".to_owned())))
}

impl Fault {
    /// The one that says more: a gateway that answered wrongly was reached.
    fn or(self, other: Self) -> Self {
        match self {
            Self::Unreachable(_) => other,
            Self::Untrusted(_) | Self::NotAccepted(_) | Self::Incompatible(_) | Self::Misconfigured(_) => self,
        }
    }

    fn into_error(self, tcp: Option<Self>) -> DialError {
        let why = |fault: Option<Self>| match fault {
            None => "not tried".to_owned(),
            Some(
                Self::Unreachable(why)
                | Self::Untrusted(why)
                | Self::NotAccepted(why)
                | Self::Incompatible(why)
                | Self::Misconfigured(why),
            ) => why,
        };
        let worst = tcp.clone().map_or(self.clone(), |tcp| self.clone().or(tcp));
        match worst {
            Self::Unreachable(_) => DialError::Unreachable { udp: why(Some(self)), tcp: why(tcp) },
            Self::Untrusted(why) => DialError::GatewayUntrusted(why),
            Self::NotAccepted(why) => DialError::NotAccepted(why),
            Self::Incompatible(why) => DialError::Incompatible(why),
            Self::Misconfigured(why) => DialError::Misconfigured(why),
        }
    }
}

/// Whether an alert that we would send says that the peer's certificate is not good enough.
fn is_about_certificates(alert: AlertDescription) -> bool {
    matches!(
        alert,
        AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
            | AlertDescription::DecryptError
    )
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
