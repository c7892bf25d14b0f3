//! Clients that send before the handshake is done, because they say that they may: a CONNECT there could be replayed.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use hitotsu_proto::head::{Authority, RequestHead};
use hitotsu_tunnel::server::{Exchange, Request};
use http::Response;
use quinn::crypto::rustls::QuicClientConfig;
use rustls::client::{ClientSessionMemoryCache, ClientSessionStore, Resumption};
use rustls::client::{Tls12ClientSessionValue, Tls13ClientSessionValue};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, HandshakeKind, NamedGroup};

use crate::handshake::Counting;
use crate::world::{Judged, World, client_tls, exchange};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connect_in_the_early_data_of_quic_is_not_taken_and_the_session_resumes() {
    let full = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&full);
    let world = World::with(|config| {
        let inner = Arc::clone(&config.client_verifier);
        config.client_verifier = Arc::new(Counting { inner, full: count });
    })
    .await;
    let tls = QuicClientConfig::try_from(eager(&world, b"h3")).unwrap();
    let config = quinn::ClientConfig::new(Arc::new(tls));
    let endpoint = quinn::Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
    let dial = || endpoint.connect_with(config.clone(), world.address(), "localhost").unwrap();
    let (first, first_server) = tokio::join!(dial(), world.arrival());
    let first = first.unwrap();
    // A round trip, so that the tickets have come.
    let _flow = quic_connect(&first, "first.test").await;
    assert_eq!(asked(&first_server).await, "first.test:443");
    first.close(0u32.into(), b"");

    let Ok((early, accepted)) = dial().into_0rtt() else { panic!("the client does not try") };
    let (mut send, mut recv) = quic_connect(&early, "early.test").await;
    let (accepted, server) = tokio::join!(accepted, world.arrival());

    assert!(!accepted);
    assert!(matches!(recv.read(&mut [0]).await, Err(quinn::ReadError::ZeroRttRejected)));
    assert!(matches!(send.write(&[0]).await, Err(quinn::WriteError::ZeroRttRejected)));
    let _flow = quic_connect(&early, "after.test").await;
    assert_eq!(asked(&server).await, "after.test:443");
    assert_eq!(full.load(Ordering::SeqCst), 1, "it was not resumed");
    assert_eq!(server.peer_certificates, first_server.peer_certificates);
}

async fn quic_connect(quic: &quinn::Connection, host: &str) -> (quinn::SendStream, quinn::RecvStream) {
    let (mut send, recv) = quic.open_bi().await.unwrap();
    send.write_all(&RequestHead::connect(Authority::new(host, 443).unwrap()).encode_h3()).await.unwrap();
    (send, recv)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connect_in_the_early_data_of_tcp_is_not_taken_and_the_session_resumes() {
    let world = World::new().await;
    let tls = Arc::new(eager(&world, b"http/1.1"));
    let dial = |host: &'static str| {
        let (tls, address) = (Arc::clone(&tls), world.address());
        tokio::task::spawn_blocking(move || tcp_connect(tls, address, host))
    };
    let first = dial("first.test");
    let first_server = world.arrival().await;
    assert_eq!(asked(&first_server).await, "first.test:443");
    assert_eq!(first.await.unwrap(), (HandshakeKind::Full, false, false));

    let second = dial("after.test");
    let server = world.arrival().await;

    assert_eq!(asked(&server).await, "after.test:443");
    assert_eq!(second.await.unwrap(), (HandshakeKind::Resumed, true, false));
    assert_eq!(server.peer_certificates, first_server.peer_certificates);
}

/// Asks for a flow, before the handshake where it may. How the handshake was, whether it sent early, whether that was taken.
fn tcp_connect(tls: Arc<ClientConfig>, address: SocketAddr, host: &str) -> (HandshakeKind, bool, bool) {
    let mut session = rustls::ClientConnection::new(tls, ServerName::try_from("localhost").unwrap()).unwrap();
    let mut tcp = std::net::TcpStream::connect(address).unwrap();
    let early = session.early_data().map(|mut early| early.write_all(&connect("early.test")).unwrap());
    while session.is_handshaking() {
        session.complete_io(&mut tcp).unwrap();
    }
    let accepted = session.is_early_data_accepted();
    let kind = session.handshake_kind().unwrap();
    let mut stream = rustls::StreamOwned::new(session, tcp);
    stream.write_all(&connect(host)).unwrap();
    // The refusal; the tickets came before it.
    stream.read_exact(&mut [0; 12]).unwrap();
    (kind, early.is_some(), accepted)
}

fn connect(host: &str) -> Vec<u8> {
    format!("CONNECT {host}:443 HTTP/1.1\r\nHost: {host}:443\r\n\r\n").into_bytes()
}

/// What is asked for next; it is refused.
async fn asked(server: &Judged) -> String {
    let Exchange { request: Request::Tcp { authority, pending, .. }, .. } = exchange(server).await else { panic!() };
    pending.refuse(Response::builder().status(403).body(Bytes::new()).unwrap()).await;
    authority
}

/// A client that believes of every ticket that it permits early data.
fn eager(world: &World, alpn: &[u8]) -> ClientConfig {
    let mut tls = client_tls(&world.authority, Some(world.authority.issue("device.test")));
    tls.alpn_protocols = vec![alpn.to_vec()];
    tls.enable_early_data = true;
    tls.resumption = Resumption::store(Arc::new(Eager(ClientSessionMemoryCache::new(8))));
    tls
}

#[derive(Debug)]
struct Eager(ClientSessionMemoryCache);

impl ClientSessionStore for Eager {
    fn set_kx_hint(&self, name: ServerName<'static>, group: NamedGroup) {
        self.0.set_kx_hint(name, group);
    }

    fn kx_hint(&self, name: &ServerName<'_>) -> Option<NamedGroup> {
        self.0.kx_hint(name)
    }

    fn set_tls12_session(&self, _: ServerName<'static>, _: Tls12ClientSessionValue) {}

    fn tls12_session(&self, _: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        None
    }

    fn remove_tls12_session(&self, _: &ServerName<'static>) {}

    fn insert_tls13_ticket(&self, name: ServerName<'static>, mut ticket: Tls13ClientSessionValue) {
        assert_eq!(ticket.max_early_data_size(), 0, "the gateway offers early data");
        ticket._private_set_max_early_data_size(u32::MAX);
        self.0.insert_tls13_ticket(name, ticket);
    }

    fn take_tls13_ticket(&self, name: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        self.0.take_tls13_ticket(name)
    }
}
