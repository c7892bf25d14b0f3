//! Brings up a connection: QUIC first, HTTP/2 over TCP when QUIC does not answer.

mod quic;
mod tcp;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use rustls::AlertDescription;
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::client::ClientConnection;
use crate::congestion::Congestion;
use crate::fault::DialError;
use crate::{crypto, limits};

/// How to reach a gateway.
#[derive(Clone, Debug)]
pub struct DialConfig {
    /// Its addresses, best first. UDP and TCP have the same port.
    pub addresses: Vec<SocketAddr>,
    /// `host:port`, sent as `:authority` of requests to the gateway itself.
    pub authority: String,
    /// The name that its certificate must have.
    pub server_name: ServerName<'static>,
    /// Verifier and client certificate, made with [`crate::crypto::provider`]. ALPN, early data and the session cache are
    /// set by the dialer.
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
    /// How much is sent at a time over QUIC.
    pub congestion: Congestion,
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

/// Dials one gateway, again and again. It remembers TLS sessions, so keep it between dials.
#[derive(Debug)]
pub struct Dialer {
    config: DialConfig,
    quic: quic::Configs,
    tls: Arc<rustls::ClientConfig>,
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
        let quic = quic::Configs::new(&config.tls, config.congestion)?;
        let tls = Arc::new(crypto::client_config(&config.tls, &[b"h2"]));
        Ok(Self { config, quic, tls })
    }

    /// Brings up one connection.
    ///
    /// # Errors
    /// By blame, see [`DialError`]. That the gateway does not accept our certificate comes later, from
    /// [`ClientConnection::closed`]: TLS 1.3 tells a client only after its handshake.
    pub async fn dial(&self) -> Result<ClientConnection, DialError> {
        match tokio::time::timeout(self.config.patience, self.dial_patiently()).await {
            Ok(dialled) => dialled,
            Err(_) => {
                let why = || "no answer in time".to_owned();
                Err(DialError::Unreachable { udp: why(), tcp: why() })
            }
        }
    }

    async fn dial_patiently(&self) -> Result<ClientConnection, DialError> {
        let quic = quic::dial(&self.config, &self.quic);
        let tcp = tcp::dial(&self.config, &self.tls);
        let patience = match self.config.preference {
            Preference::QuicOnly => return quic.await.map_err(|fault| DialError::of(Some(fault), None)),
            Preference::Http2Only => return tcp.await.map_err(|fault| DialError::of(None, Some(fault))),
            Preference::QuicFirst => self.config.quic_patience,
            Preference::Both => Duration::ZERO,
        };
        let mut quic = std::pin::pin!(quic);
        let mut tcp = std::pin::pin!(tcp);
        let quic_fault = match tokio::time::timeout(patience, &mut quic).await {
            Ok(Ok(connection)) => return Ok(connection),
            Ok(Err(fault)) => fault,
            // Both go on; the first that comes up is taken.
            Err(_) => tokio::select! {
                dialled = &mut quic => match dialled {
                    Ok(connection) => return Ok(connection),
                    Err(fault) => fault,
                },
                dialled = &mut tcp => return match dialled {
                    Ok(connection) => Ok(connection),
                    Err(tcp_fault) => quic.await.map_err(|fault| DialError::of(Some(fault), Some(tcp_fault))),
                },
            },
        };
        tracing::debug!(?quic_fault, "QUIC did not come up");
        tcp.await.map_err(|fault| DialError::of(Some(quic_fault), Some(fault)))
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

/// Begins the attempts, each after its pause, and takes the first connection.
async fn race<T, F: Future<Output = Result<T, Fault>>>(
    attempts: impl Iterator<Item = (Duration, F)>,
) -> Result<T, Fault> {
    let mut attempts: FuturesUnordered<_> = attempts
        .map(|(pause, attempt)| async move {
            // The timer rounds up to whole milliseconds, also nothing at all.
            if !pause.is_zero() {
                tokio::time::sleep(pause).await;
            }
            attempt.await
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

/// The addresses with the pause before each.
fn staggered(addresses: &[SocketAddr]) -> impl Iterator<Item = (Duration, SocketAddr)> {
    addresses.iter().zip(0u32..).map(|(address, position)| (limits::ADDRESS_STAGGER * position, *address))
}

impl Fault {
    /// The one that says more: a gateway that answered wrongly was reached.
    fn or(self, other: Self) -> Self {
        match self {
            Self::Unreachable(_) => other,
            Self::Untrusted(_) | Self::NotAccepted(_) | Self::Incompatible(_) | Self::Misconfigured(_) => self,
        }
    }

    fn why(&self) -> &str {
        match self {
            Self::Unreachable(why)
            | Self::Untrusted(why)
            | Self::NotAccepted(why)
            | Self::Incompatible(why)
            | Self::Misconfigured(why) => why,
        }
    }
}

impl DialError {
    /// What both transports say, where they were tried.
    fn of(udp: Option<Fault>, tcp: Option<Fault>) -> Self {
        let why = |fault: &Option<Fault>| fault.as_ref().map_or("not tried", Fault::why).to_owned();
        let unreachable = Self::Unreachable { udp: why(&udp), tcp: why(&tcp) };
        let worst = match (udp, tcp) {
            (Some(udp), Some(tcp)) => Some(udp.or(tcp)),
            (udp, tcp) => udp.or(tcp),
        };
        match worst {
            None | Some(Fault::Unreachable(_)) => unreachable,
            Some(Fault::Untrusted(why)) => Self::GatewayUntrusted(why),
            Some(Fault::NotAccepted(why)) => Self::NotAccepted(why),
            Some(Fault::Incompatible(why)) => Self::Incompatible(why),
            Some(Fault::Misconfigured(why)) => Self::Misconfigured(why),
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
    address: SocketAddr,
    server_name: ServerName<'static>,
    alpn: &'static [u8],
    tls: rustls::ClientConfig,
    patience: Duration,
) -> Result<TlsStream<TcpStream>, DialError> {
    let tls = Arc::new(crypto::client_config(&tls, &[alpn]));
    let fault = match tokio::time::timeout(patience, tcp::connect(address, None, server_name, tls)).await {
        Ok(Ok(stream)) if stream.get_ref().1.alpn_protocol() == Some(alpn) => return Ok(stream),
        Ok(Ok(_)) => Fault::Incompatible("it does not offer this on its port".to_owned()),
        Ok(Err(fault)) => fault,
        Err(_) => Fault::Unreachable("no answer in time".to_owned()),
    };
    Err(DialError::of(None, Some(fault)))
}
