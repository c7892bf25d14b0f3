//! An HTTP/2 connection over TLS to the first address that answers.

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::{DialConfig, Fault, race, staggered};
use crate::client::{ClientConnection, Proofs};
use crate::fault::Closed;
use crate::link::{self, Link};
use crate::{crypto, h2};

pub(super) async fn dial(config: &DialConfig, tls: &Arc<ClientConfig>) -> Result<ClientConnection, Fault> {
    race(staggered(&config.addresses).map(|(pause, address)| (pause, dial_one(config, Arc::clone(tls), address)))).await
}

async fn dial_one(config: &DialConfig, tls: Arc<ClientConfig>, address: SocketAddr) -> Result<ClientConnection, Fault> {
    let local = config.bind.filter(|bind| bind.is_ipv4() == address.is_ipv4());
    let stream = connect(address, local, config.server_name.clone(), tls).await?;
    let (tcp, session) = stream.get_ref();
    if session.alpn_protocol() != Some(b"h2") {
        return Err(Fault::Incompatible("it speaks no HTTP/2".to_owned()));
    }
    let binding =
        crypto::binding(session, config.exporter_label).map_err(|error| Fault::Misconfigured(error.to_string()))?;
    let chain = session.peer_certificates().unwrap_or_default();
    let peer_certificates = chain.iter().map(|certificate| certificate.clone().into_owned()).collect();
    let link = Link::new(address, tcp.local_addr().ok());
    let client = h2::client::Client::new(stream, link).await.map_err(|closed| fault(&closed))?;
    Ok(ClientConnection::h2(client, Proofs { binding, peer_certificates }, config.authority.clone()))
}

/// TCP and TLS.
pub(super) async fn connect(
    address: SocketAddr,
    local: Option<SocketAddr>,
    server_name: ServerName<'static>,
    tls: Arc<ClientConfig>,
) -> Result<TlsStream<TcpStream>, Fault> {
    let io = |error: std::io::Error| Fault::Unreachable(error.to_string());
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    }
    .map_err(io)?;
    if let Some(mut local) = local {
        // The port was meant for UDP; two connections from one port would collide.
        local.set_port(0);
        socket.bind(local).map_err(io)?;
    }
    let stream = socket.connect(address).await.map_err(io)?;
    link::prepare(&stream);
    TlsConnector::from(tls).connect(server_name, stream).await.map_err(|error| tls_fault(&error))
}

fn tls_fault(error: &std::io::Error) -> Fault {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::InvalidCertificate(why)) => Fault::Untrusted(why.to_string()),
        Some(error @ rustls::Error::NoCertificatesPresented) => Fault::Untrusted(error.to_string()),
        Some(_) | None => fault(&link::closed(error)),
    }
}

fn fault(closed: &Closed) -> Fault {
    match closed {
        Closed::NotAccepted(why) => Fault::NotAccepted(why.clone()),
        Closed::Tls(why) | Closed::PeerMisbehaved(why) => Fault::Incompatible(why.clone()),
        Closed::Network(why) => Fault::Unreachable(why.clone()),
        Closed::Here | Closed::Peer | Closed::PeerError { .. } | Closed::TimedOut | Closed::Forgotten => {
            Fault::Unreachable(closed.to_string())
        }
    }
}
