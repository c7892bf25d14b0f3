//! From the first packet to the first answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hitotsu_tunnel::crypto;
use hitotsu_tunnel::dialer::{Dialer, Preference, other_protocol};
use hitotsu_tunnel::fault::{Closed, DialError};
use hitotsu_tunnel::listener::{Arrival, HandshakeLimits, OtherProtocol};
use hitotsu_tunnel::server::{Exchange, Request, TransportKind};
use http::{HeaderMap, Method, Response};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DistinguishedName, NamedGroup};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};

use crate::network::Nat;
use crate::world::{Authority, World, client_tls, dial_config, exchange, flow};

over_h3_and_h2! {
    a_client_without_a_certificate_is_told_and_never_arrives
    a_client_of_another_authority_is_told_and_never_arrives
    a_gateway_of_another_authority_is_not_trusted
    a_gateway_of_another_name_is_not_trusted
    a_resumed_session_shows_the_certificate_again
    connections_have_bindings_of_their_own
    a_dead_address_does_not_hold_the_others_up
    a_client_without_ml_kem_is_served
}

async fn a_client_without_a_certificate_is_told_and_never_arrives(preference: Preference) {
    let world = World::new().await;
    let config = dial_config(world.address(), client_tls(&world.authority, None), preference);

    is_not_accepted(&world, &Dialer::new(config).unwrap()).await;
}

async fn a_client_of_another_authority_is_told_and_never_arrives(preference: Preference) {
    let world = World::new().await;
    let stranger = Authority::new().issue("device.test");
    let config = dial_config(world.address(), client_tls(&world.authority, Some(stranger)), preference);

    is_not_accepted(&world, &Dialer::new(config).unwrap()).await;
}

/// TLS 1.3 tells a client after its own handshake is done, so either the dial or the connection says it.
async fn is_not_accepted(world: &World, dialer: &Dialer) {
    let told = async {
        match dialer.dial().await {
            Err(DialError::NotAccepted(_)) => {}
            Err(error) => panic!("{error}"),
            Ok(connection) => {
                let closed = connection.closed().await;
                assert!(matches!(closed, Closed::NotAccepted(_)), "{closed:?}");
            }
        }
    };
    tokio::select! {
        () = told => {}
        _ = world.listener.accept() => panic!("it arrived"),
    }
}

async fn a_gateway_of_another_authority_is_not_trusted(preference: Preference) {
    let world = World::new().await;
    let other = Authority::new();
    let config = dial_config(world.address(), client_tls(&other, Some(other.issue("device.test"))), preference);

    let error = Dialer::new(config).unwrap().dial().await.unwrap_err();

    assert!(matches!(error, DialError::GatewayUntrusted(_)), "{error}");
}

async fn a_gateway_of_another_name_is_not_trusted(preference: Preference) {
    let world = World::new().await;
    let mut config = world.dial_config(preference);
    config.server_name = ServerName::try_from("other.test").unwrap();

    let error = Dialer::new(config).unwrap().dial().await.unwrap_err();

    assert!(matches!(error, DialError::GatewayUntrusted(_)), "{error}");
}

async fn a_client_without_ml_kem_is_served(preference: Preference) {
    let world = World::new().await;
    let classical = rustls::crypto::CryptoProvider {
        kx_groups: vec![rustls::crypto::ring::kx_group::X25519],
        ..crypto::provider().as_ref().clone()
    };
    let identity = world.authority.issue("device.test");
    let tls = rustls::ClientConfig::builder_with_provider(Arc::new(classical))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(world.authority.roots())
        .with_client_auth_cert(identity.chain, identity.key)
        .unwrap();

    let dialer = Dialer::new(dial_config(world.address(), tls, preference)).unwrap();
    let (client, server) = tokio::join!(dialer.dial(), world.arrival());

    flow(&client.unwrap(), &server).await;
}

/// Counts full handshakes: resumed ones are not verified again by rustls.
#[derive(Debug)]
pub struct Counting {
    pub inner: Arc<dyn ClientCertVerifier>,
    pub full: Arc<AtomicUsize>,
}

impl ClientCertVerifier for Counting {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.inner.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        self.full.fetch_add(1, Ordering::SeqCst);
        self.inner.verify_client_cert(leaf, chain, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

async fn a_resumed_session_shows_the_certificate_again(preference: Preference) {
    let full = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&full);
    let world = World::with(move |config| {
        let inner = Arc::clone(&config.client_verifier);
        config.client_verifier = Arc::new(Counting { inner, full: count });
    })
    .await;
    let dialer = Dialer::new(world.dial_config(preference)).unwrap();
    let (client, first) = tokio::join!(dialer.dial(), world.arrival());
    let client = client.unwrap();
    // A round trip, so that the tickets have come.
    flow(&client, &first).await;
    client.close("enough");

    let (_client, second) = tokio::join!(dialer.dial(), world.arrival());

    assert_eq!(full.load(Ordering::SeqCst), 1, "the second handshake was not resumed");
    assert_eq!(second.peer_certificates, first.peer_certificates);
    assert!(!second.peer_certificates.is_empty());
    assert_ne!(second.binding, first.binding);
}

async fn connections_have_bindings_of_their_own(preference: Preference) {
    let world = World::new().await;
    let (one, one_server) = world.pair(preference).await;
    let (two, two_server) = world.pair(preference).await;

    assert_eq!(one.binding(), one_server.binding);
    assert_eq!(two.binding(), two_server.binding);
    assert_ne!(one.binding(), two.binding());
}

async fn a_dead_address_does_not_hold_the_others_up(preference: Preference) {
    let world = World::new().await;
    // Bound, but silent: no error comes back that would hurry the dialer.
    let dead = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let mut config = world.dial_config(preference);
    config.addresses.insert(0, dead.local_addr().unwrap());

    let dialer = Dialer::new(config).unwrap();
    let (client, _server) = tokio::join!(dialer.dial(), world.arrival());

    assert_eq!(client.unwrap().remote_address(), world.address());
}

#[tokio::test]
async fn the_agent_falls_back_to_http_2_when_udp_is_dropped() {
    let world = World::new().await;
    // A network that forwards TCP and swallows UDP.
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = tcp.local_addr().unwrap();
    let _swallows = UdpSocket::bind(address).await.unwrap();
    let gateway = world.address();
    let forwarding = tokio::spawn(async move {
        let (mut near, _) = tcp.accept().await.unwrap();
        let mut far = TcpStream::connect(gateway).await.unwrap();
        let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
    });
    let mut config = world.dial_config(Preference::QuicFirst);
    config.addresses = vec![address];
    config.quic_patience = Duration::from_millis(100);

    let dialer = Dialer::new(config).unwrap();
    let (client, server) = tokio::join!(dialer.dial(), world.arrival());

    let client = client.unwrap();
    assert_eq!((client.transport(), server.transport), (TransportKind::H2, TransportKind::H2));
    flow(&client, &server).await;
    forwarding.abort();
}

#[tokio::test]
async fn an_unreachable_gateway_is_said_to_be_so_on_both_transports() {
    let world = World::new().await;
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let mut config = world.dial_config(Preference::QuicFirst);
    config.addresses = vec![free];
    config.quic_patience = Duration::from_millis(50);
    config.patience = Duration::from_millis(500);

    let error = Dialer::new(config).unwrap().dial().await.unwrap_err();

    assert!(matches!(error, DialError::Unreachable { .. }), "{error}");
}

#[tokio::test]
async fn under_load_a_client_has_to_prove_its_address_first() {
    let world = World::with(|config| {
        config.handshakes = HandshakeLimits { retry_from: 0, ..HandshakeLimits::default() };
    })
    .await;
    let nat = Nat::before(world.address(), Duration::ZERO).await;
    let mut config = world.dial_config(Preference::QuicOnly);
    config.addresses = vec![nat.address];

    let dialer = Dialer::new(config).unwrap();
    let (client, server) = tokio::join!(dialer.dial(), world.arrival());

    flow(&client.unwrap(), &server).await;
    assert_eq!(long_packet_type(&nat), 3, "no Retry");
}

#[tokio::test]
async fn without_load_no_round_trip_is_spent_on_proving_the_address() {
    let world = World::new().await;
    let nat = Nat::before(world.address(), Duration::ZERO).await;
    let mut config = world.dial_config(Preference::QuicOnly);
    config.addresses = vec![nat.address];

    let dialer = Dialer::new(config).unwrap();
    let (_client, _server) = tokio::join!(dialer.dial(), world.arrival());

    assert_eq!(long_packet_type(&nat), 0, "no Initial");
}

/// The type of the gateway's first packet (RFC 9000 §17.2); the bit before it may be greased.
fn long_packet_type(nat: &Nat) -> u8 {
    (nat.from_gateway.lock().unwrap()[0] & 0x30) >> 4
}

#[tokio::test]
async fn a_path_too_narrow_for_the_first_packets_is_still_used_by_quic() {
    let world = World::new().await;
    let nat = Nat::before(world.address(), Duration::ZERO).await;
    // UDP payloads of IPv6 on a link of 1280 octets.
    nat.narrow_to(1232);
    let mut config = world.dial_config(Preference::QuicOnly);
    config.addresses = vec![nat.address];

    let dialer = Dialer::new(config).unwrap();
    let (client, server) = tokio::join!(dialer.dial(), world.arrival());

    flow(&client.unwrap(), &server).await;
}

#[tokio::test]
async fn beyond_the_limit_handshakes_are_turned_away() {
    let world = World::with(|config| {
        config.handshakes = HandshakeLimits { refuse_from: 0, ..HandshakeLimits::default() };
    })
    .await;
    let mut config = world.dial_config(Preference::QuicFirst);
    config.quic_patience = Duration::from_millis(50);
    config.patience = Duration::from_millis(300);

    let error = Dialer::new(config).unwrap().dial().await.unwrap_err();

    assert!(matches!(error, DialError::Unreachable { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_answer_comes_after_two_round_trips() {
    const ONE_WAY: Duration = Duration::from_millis(150);
    let world = World::new().await;
    let nat = Nat::before(world.address(), ONE_WAY).await;
    let mut config = world.dial_config(Preference::QuicOnly);
    config.addresses = vec![nat.address];
    let dialer = Dialer::new(config).unwrap();

    let start = Instant::now();
    let asking = async {
        let client = dialer.dial().await.unwrap();
        client.request(Method::GET, "/first", HeaderMap::new(), Bytes::new()).await.unwrap()
    };
    let answering = async {
        let server = world.arrival().await;
        let Exchange { request: Request::Http { pending, .. }, .. } = exchange(&server).await else { panic!() };
        pending.respond(Response::new(Bytes::new())).await;
        server
    };
    let (_, _server) = tokio::join!(asking, answering);
    let round_trips = start.elapsed().as_secs_f64() / (2.0 * ONE_WAY.as_secs_f64());

    assert!((2.0..2.9).contains(&round_trips), "{round_trips}");
}

#[tokio::test]
async fn another_protocol_on_the_port_gets_its_own_configuration() {
    let world = World::with(|config| {
        let mut tls = rustls::ServerConfig::builder_with_provider(crypto::provider())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&config.certificates));
        tls.alpn_protocols = vec![b"test-enrol/1".to_vec()];
        config.other = Some(OtherProtocol { alpn: b"test-enrol/1", tls: Arc::new(tls) });
    })
    .await;

    let dialling = other_protocol(
        world.address(),
        ServerName::try_from("localhost").unwrap(),
        b"test-enrol/1",
        client_tls(&world.authority, None),
        Duration::from_secs(5),
    );
    let (client, arrival) = tokio::join!(dialling, world.listener.accept());
    let Some(Arrival::Other { mut stream, .. }) = arrival else { panic!() };
    let mut client = client.unwrap();
    let group = client.get_ref().1.negotiated_key_exchange_group().unwrap().name();
    assert_eq!(group, NamedGroup::X25519MLKEM768);
    client.write_all(b"code").await.unwrap();
    let mut seen = [0; 4];
    stream.read_exact(&mut seen).await.unwrap();

    assert_eq!(&seen, b"code");
}

#[tokio::test]
async fn another_protocol_that_is_not_served_is_said_so() {
    let world = World::new().await;

    let dialled = other_protocol(
        world.address(),
        ServerName::try_from("localhost").unwrap(),
        b"test-enrol/1",
        client_tls(&world.authority, None),
        Duration::from_secs(5),
    )
    .await;

    assert!(matches!(dialled, Err(DialError::Incompatible(_))), "{dialled:?}");
}
