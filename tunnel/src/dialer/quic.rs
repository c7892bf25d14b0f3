//! A QUIC connection to the first address that answers.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use hitotsu_quic::crypto::rustls::QuicClientConfig;
use hitotsu_quic::{ConnectionError, EndpointConfig};

use super::{DialConfig, Fault, is_about_certificates, race, staggered};
use crate::client::{ClientConnection, Proofs};
use crate::congestion::Congestion;
use crate::fault::{Closed, DialError};
use crate::{crypto, endpoint, limits};

/// How a dial begins.
#[derive(Debug)]
pub(super) struct Configs {
    usual: hitotsu_quic::ClientConfig,
    /// For paths that lose what is longer than QUIC's minimum.
    narrow: hitotsu_quic::ClientConfig,
}

impl Configs {
    pub(super) fn new(tls: &rustls::ClientConfig, congestion: Congestion) -> Result<Self, DialError> {
        let tls = crypto::client_config(tls, &[b"h3"]);
        let tls = QuicClientConfig::try_from(tls).map_err(|error| DialError::Misconfigured(error.to_string()))?;
        let mut usual = hitotsu_quic::ClientConfig::new(Arc::new(tls));
        usual.transport_config(endpoint::client_transport(limits::MTU_AT_FIRST, congestion));
        let mut narrow = usual.clone();
        narrow.transport_config(endpoint::client_transport(limits::MTU_MIN, congestion));
        Ok(Self { usual, narrow })
    }
}

pub(super) async fn dial(config: &DialConfig, quic: &Configs) -> Result<ClientConnection, Fault> {
    let usual = staggered(&config.addresses).map(|(pause, address)| (pause, address, &quic.usual));
    let narrow = staggered(&config.addresses)
        .map(|(pause, address)| (pause + limits::NARROW_PATH_PATIENCE, address, &quic.narrow));
    race(usual.chain(narrow).map(|(pause, address, quic)| (pause, dial_one(config, quic.clone(), address)))).await
}

async fn dial_one(
    config: &DialConfig,
    quic: hitotsu_quic::ClientConfig,
    address: SocketAddr,
) -> Result<ClientConnection, Fault> {
    let io = |error: std::io::Error| Fault::Unreachable(error.to_string());
    let any = match address.ip() {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    let local = config.bind.filter(|bind| bind.is_ipv4() == address.is_ipv4()).unwrap_or(SocketAddr::new(any, 0));
    let socket = endpoint::udp_socket(local, false).map_err(io)?;
    // An endpoint of its own, so that the connection can move to another socket alone.
    let endpoint = hitotsu_quic::Endpoint::new(EndpointConfig::default(), None, socket).map_err(io)?;
    let connecting = endpoint
        .connect_with(quic, address, &config.server_name.to_str())
        .map_err(|error| Fault::Misconfigured(error.to_string()))?;
    let connection = connecting.await.map_err(|error| fault(&error))?;
    let binding = crypto::quic_binding(&connection, config.exporter_label)
        .ok_or_else(|| Fault::Misconfigured("the exporter label is not usable".to_owned()))?;
    let peer_certificates = crypto::quic_certificates(&connection).unwrap_or_default();
    let proofs = Proofs { binding, peer_certificates };
    Ok(ClientConnection::h3(connection, endpoint, proofs, config.authority.clone()))
}

fn fault(error: &ConnectionError) -> Fault {
    if let ConnectionError::TransportError(error) = error
        && let Some(alert) = endpoint::tls_alert(error.code)
    {
        return if is_about_certificates(alert) {
            Fault::Untrusted(error.reason.clone())
        } else {
            Fault::Incompatible(error.reason.clone())
        };
    }
    match endpoint::closed(error, None) {
        Closed::NotAccepted(why) => Fault::NotAccepted(why),
        Closed::Tls(why) | Closed::PeerMisbehaved(why) => Fault::Incompatible(why),
        closed @ (Closed::Here
        | Closed::Peer
        | Closed::PeerError { .. }
        | Closed::TimedOut
        | Closed::Forgotten
        | Closed::Network(_)) => Fault::Unreachable(closed.to_string()),
    }
}
