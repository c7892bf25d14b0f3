//! Two ends on the loopback interface, with real sockets and real TLS.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    unreachable_pub
)]

mod endpoints;
mod ends;
mod fair;
mod interop;
mod many;
mod streams;

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;

use bytes::Bytes;
use hitotsu_quic::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use hitotsu_quic::{
    ClientConfig, Connection, Endpoint, EndpointConfig, ReadError, RecvStream, SendStream, ServerConfig,
    TransportConfig, WriteError,
};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};

/// An endpoint that takes connections, and how to dial it.
struct Server {
    endpoint: Endpoint,
    config: Arc<ServerConfig>,
    client: ClientConfig,
}

impl Server {
    fn new(transport: TransportConfig) -> Self {
        let (mut config, client) = configs();
        config.transport_config(Arc::new(transport));
        let endpoint = Endpoint::new(EndpointConfig::default(), Some(config.clone()), udp_socket()).unwrap();
        Self { endpoint, config: Arc::new(config), client }
    }

    fn address(&self) -> SocketAddr {
        self.endpoint.local_addr().unwrap()
    }

    async fn accept(&self) -> Connection {
        self.endpoint.accept().await.unwrap().accept_with(Arc::clone(&self.config)).unwrap().await.unwrap()
    }

    async fn dialled_by(&self, endpoint: &Endpoint) -> (Connection, Connection) {
        let connecting = endpoint.connect_with(self.client.clone(), self.address(), "localhost").unwrap();
        let (client, server) = tokio::join!(connecting, self.accept());
        (client.unwrap(), server)
    }
}

/// A connection, and the endpoints of both ends.
struct Pair {
    client: Connection,
    server: Connection,
    dialler: Endpoint,
    taker: Server,
}

impl Pair {
    async fn new() -> Self {
        Self::with(TransportConfig::default()).await
    }

    /// `transport` is the server's.
    async fn with(transport: TransportConfig) -> Self {
        let (taker, dialler) = (Server::new(transport), dialler());
        let (client, server) = taker.dialled_by(&dialler).await;
        Self { client, server, dialler, taker }
    }

    /// A stream both ways that the client opened and the server knows, after `octets` came through it.
    async fn stream(&self, octets: &'static [u8]) -> ((SendStream, RecvStream), (SendStream, RecvStream)) {
        let mut here = self.client.open_bi().await.unwrap();
        here.0.write_chunk(Bytes::from_static(octets)).await.unwrap();
        let mut there = self.server.accept_bi().await.unwrap();
        assert_eq!(there.1.read_chunk(usize::MAX).await.unwrap().unwrap(), octets);
        (here, there)
    }
}

fn dialler() -> Endpoint {
    Endpoint::new(EndpointConfig::default(), None, udp_socket()).unwrap()
}

/// With the room that the tunnel's sockets ask for: what the kernel drops of hundreds of connections says nothing about us.
fn udp_socket() -> UdpSocket {
    const OCTETS: usize = 8 * 1024 * 1024;
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    socket.set_nonblocking(true).unwrap();
    let state = quinn_udp::UdpSocketState::new((&socket).into()).unwrap();
    state.set_recv_buffer_size((&socket).into(), OCTETS).unwrap();
    socket
}

/// A server's configuration and that of clients that trust it.
fn configs() -> (ServerConfig, ClientConfig) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let certificate = CertificateDer::from(made.cert.der().to_vec());
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let server = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key.into())
        .unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(certificate).unwrap();
    let client = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    (
        ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(server).unwrap())),
        ClientConfig::new(Arc::new(QuicClientConfig::try_from(client).unwrap())),
    )
}

/// Sends everything back on each stream, until the connection is over.
async fn echo(connection: Connection) {
    while let Ok((send, recv)) = connection.accept_bi().await {
        tokio::spawn(echo_stream(send, recv));
    }
}

async fn echo_stream(mut send: SendStream, mut recv: RecvStream) -> Result<(), WriteError> {
    while let Ok(Some(piece)) = recv.read_chunk(usize::MAX).await {
        send.write_chunk(piece).await?;
    }
    let _ = send.finish();
    Ok(())
}

async fn read_to_end(recv: &mut RecvStream) -> Result<Vec<u8>, ReadError> {
    let mut all = Vec::new();
    while let Some(piece) = recv.read_chunk(usize::MAX).await? {
        all.extend_from_slice(&piece);
    }
    Ok(all)
}

/// Octets that differ all along, so that none can be lost or change places unnoticed.
fn octets(length: usize) -> Bytes {
    (0..length).map(|index| (index ^ (index >> 8) ^ (index >> 16)) as u8).collect::<Vec<u8>>().into()
}
