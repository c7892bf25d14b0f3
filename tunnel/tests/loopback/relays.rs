//! The relays of both programs, from a socket through the tunnel to a socket.

use std::time::Duration;

use bytes::Bytes;
use hitotsu_tunnel::client::{ClientConnection, ClientFlow};
use hitotsu_tunnel::datagram::UdpOptions;
use hitotsu_tunnel::dialer::Preference;
use hitotsu_tunnel::fault::ResetReason;
use hitotsu_tunnel::relay::{self, Counters, RelayEnd, RelayOutcome};
use hitotsu_tunnel::server::{Exchange, Request};
use http::HeaderMap;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::world::{Judged, World, exchange, flow};

over_h3_and_h2! {
    a_connection_works_through_two_relays
    half_close_passes_both_ways
    a_reset_of_the_application_reaches_the_system
    a_reset_of_the_system_reaches_the_application
    a_cut_resets_both_sides_at_once
    the_counters_are_live
    a_slow_application_holds_the_system_back
    datagrams_pass_two_relays
    a_silent_udp_flow_ends
}

/// An application and a system, with both relays in between.
struct Path {
    application: TcpStream,
    system: TcpStream,
    agent: JoinHandle<RelayOutcome>,
    gateway: JoinHandle<RelayOutcome>,
    counters: Counters,
    cut: CancellationToken,
    _ends: (ClientConnection, Judged),
}

async fn socket_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (near, far) = tokio::join!(TcpStream::connect(address), listener.accept());
    (near.unwrap(), far.unwrap().0)
}

async fn path(preference: Preference) -> Path {
    let world = World::new().await;
    let (client, server) = world.pair(preference).await;
    let ((send, recv), (back, there)) = flow(&client, &server).await;
    let (application, accepted) = socket_pair().await;
    let (dialled, system) = socket_pair().await;
    let (counters, cut) = (Counters::default(), CancellationToken::new());
    let agent = tokio::spawn(relay::tcp(accepted, send, recv, Counters::default(), CancellationToken::new()));
    let gateway = tokio::spawn(relay::tcp(dialled, back, there, counters.clone(), cut.clone()));
    Path { application, system, agent, gateway, counters, cut, _ends: (client, server) }
}

async fn a_connection_works_through_two_relays(preference: Preference) {
    let mut path = path(preference).await;
    let upload = vec![5; 3_000_000];

    let (mut from_application, mut to_application) = path.application.split();
    let (mut from_system, mut to_system) = path.system.split();
    let echo = async {
        tokio::io::copy(&mut from_system, &mut to_system).await.unwrap();
        to_system.shutdown().await.unwrap();
    };
    let upload_it = async {
        to_application.write_all(&upload).await.unwrap();
        to_application.shutdown().await.unwrap();
    };
    let mut download = Vec::new();
    let ((), (), read) = tokio::join!(echo, upload_it, from_application.read_to_end(&mut download));
    read.unwrap();

    assert!(download == upload);
    let gateway = path.gateway.await.unwrap();
    assert_eq!(gateway.end, RelayEnd::Finished);
    assert_eq!((gateway.to_socket, gateway.to_tunnel), (3_000_000, 3_000_000));
    assert_eq!(path.agent.await.unwrap().end, RelayEnd::Finished);
}

async fn half_close_passes_both_ways(preference: Preference) {
    let mut path = path(preference).await;

    path.application.write_all(b"request").await.unwrap();
    path.application.shutdown().await.unwrap();
    let mut seen = Vec::new();
    path.system.read_to_end(&mut seen).await.unwrap();
    assert_eq!(seen, b"request");
    path.system.write_all(b"response").await.unwrap();
    path.system.shutdown().await.unwrap();

    let mut answer = Vec::new();
    path.application.read_to_end(&mut answer).await.unwrap();
    assert_eq!(answer, b"response");
    assert_eq!(path.agent.await.unwrap().end, RelayEnd::Finished);
    assert_eq!(path.gateway.await.unwrap().end, RelayEnd::Finished);
}

fn reset(stream: TcpStream) {
    socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
}

async fn is_reset(stream: &mut TcpStream) -> bool {
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).await.is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionReset)
}

async fn a_reset_of_the_application_reaches_the_system(preference: Preference) {
    let mut path = path(preference).await;

    reset(path.application);

    assert!(is_reset(&mut path.system).await);
    assert_eq!(path.agent.await.unwrap().end, RelayEnd::ResetBySocket);
    assert_eq!(path.gateway.await.unwrap().end, RelayEnd::ResetByPeer(ResetReason::Connect));
}

async fn a_reset_of_the_system_reaches_the_application(preference: Preference) {
    let mut path = path(preference).await;

    reset(path.system);

    assert!(is_reset(&mut path.application).await);
    assert_eq!(path.gateway.await.unwrap().end, RelayEnd::ResetBySocket);
    assert_eq!(path.agent.await.unwrap().end, RelayEnd::ResetByPeer(ResetReason::Connect));
}

async fn a_cut_resets_both_sides_at_once(preference: Preference) {
    let mut path = path(preference).await;
    path.application.write_all(b"in the middle").await.unwrap();
    path.system.read_u8().await.unwrap();

    path.cut.cancel();

    assert_eq!(path.gateway.await.unwrap().end, RelayEnd::Cut);
    assert!(is_reset(&mut path.system).await);
    assert!(is_reset(&mut path.application).await);
    assert_eq!(path.agent.await.unwrap().end, RelayEnd::ResetByPeer(ResetReason::Cancelled));
}

async fn the_counters_are_live(preference: Preference) {
    let mut path = path(preference).await;

    path.application.write_all(&[1; 1000]).await.unwrap();
    path.system.read_exact(&mut [0; 1000]).await.unwrap();
    path.system.write_all(&[1; 50]).await.unwrap();
    path.application.read_exact(&mut [0; 50]).await.unwrap();

    assert_eq!(path.counters.to_tunnel(), 50);
    // The write to the socket is seen before the counter moves; another round makes the order certain.
    path.application.write_all(&[1]).await.unwrap();
    path.system.read_u8().await.unwrap();
    assert!(path.counters.to_socket() >= 1000);
}

async fn a_slow_application_holds_the_system_back(preference: Preference) {
    let path = path(preference).await;
    let mut written = 0u64;

    // The application reads nothing; the system writes until nothing moves any more.
    loop {
        match path.system.try_write(&[0; 64 * 1024]) {
            Ok(count) => written += count as u64,
            Err(_) => {
                let writable = tokio::time::timeout(Duration::from_millis(500), path.system.writable()).await;
                if writable.is_err() {
                    break;
                }
            }
        }
    }

    // Kernel buffers of four sockets, the stream window, and one batch on each side.
    assert!(written < 32 * 1024 * 1024, "{written}");
}

struct UdpPath {
    application: UdpSocket,
    system: UdpSocket,
    agent: JoinHandle<RelayOutcome>,
    gateway: JoinHandle<RelayOutcome>,
    _ends: (ClientConnection, Judged),
}

async fn udp_pair() -> (UdpSocket, UdpSocket) {
    let near = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let far = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    near.connect(far.local_addr().unwrap()).await.unwrap();
    far.connect(near.local_addr().unwrap()).await.unwrap();
    (near, far)
}

async fn udp_path(preference: Preference, idle: Duration) -> UdpPath {
    let world = World::new().await;
    let (client, server) = world.pair(preference).await;
    let opening = client.open_udp("dns.test", 53, HeaderMap::new(), UdpOptions::default());
    let accepting = async {
        let Exchange { request: Request::Udp { pending, .. }, .. } = exchange(&server).await else { panic!() };
        pending.accept(HeaderMap::new(), UdpOptions::default()).await.unwrap()
    };
    let (opened, accepted) = tokio::join!(opening, accepting);
    let (application, near) = udp_pair().await;
    let (far, system) = udp_pair().await;
    let agent = tokio::spawn(relay::udp(
        near,
        opened.unwrap().flow,
        Counters::default(),
        CancellationToken::new(),
        Duration::from_secs(60),
    ));
    let gateway = tokio::spawn(relay::udp(far, accepted, Counters::default(), CancellationToken::new(), idle));
    UdpPath { application, system, agent, gateway, _ends: (client, server) }
}

async fn datagrams_pass_two_relays(preference: Preference) {
    let path = udp_path(preference, Duration::from_secs(60)).await;
    let mut buffer = [0; 2000];

    for size in [1, 512, 1100] {
        path.application.send(&vec![9; size]).await.unwrap();
        assert_eq!(path.system.recv(&mut buffer).await.unwrap(), size);
        path.system.send(&vec![9; size]).await.unwrap();
        assert_eq!(path.application.recv(&mut buffer).await.unwrap(), size);
    }
}

async fn a_silent_udp_flow_ends(preference: Preference) {
    let path = udp_path(preference, Duration::from_millis(50)).await;

    assert_eq!(path.gateway.await.unwrap().end, RelayEnd::Idle);
    assert_eq!(path.agent.await.unwrap().end, RelayEnd::Finished);
}

#[tokio::test]
async fn the_application_may_speak_before_the_gateway_has_answered() {
    let world = World::new().await;
    let (client, server) = world.pair(Preference::QuicOnly).await;
    let ClientFlow { mut send, response, .. } = client.open_tcp("files.test:443", HeaderMap::new()).await.unwrap();
    send.send(Bytes::from_static(b"hello, ")).await.unwrap();
    let (mut application, accepted) = socket_pair().await;
    application.write_all(b"world").await.unwrap();

    let (back, there) = crate::world::accept(&server).await;
    let (_, recv) = response.ready().await.unwrap();
    let (dialled, mut system) = socket_pair().await;
    tokio::spawn(relay::tcp(accepted, send, recv, Counters::default(), CancellationToken::new()));
    tokio::spawn(relay::tcp(dialled, back, there, Counters::default(), CancellationToken::new()));

    let mut seen = [0; 12];
    system.read_exact(&mut seen).await.unwrap();
    assert_eq!(&seen, b"hello, world");
}
