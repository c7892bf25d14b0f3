//! How connections, endpoints and workers end.

use std::time::Duration;

use futures_util::FutureExt;
use hitotsu_quic::{ConnectError, ConnectionError, IdleTimeout, VarInt};
use tokio::runtime::{Builder, Runtime};

use super::*;

#[tokio::test]
async fn the_server_hears_why_the_client_closed() {
    let Pair { client, server, .. } = &Pair::new().await;

    client.close(VarInt::from_u32(42), b"so long");

    assert_eq!(client.closed().await, ConnectionError::LocallyClosed);
    assert_eq!(reason(server).await, (42, Bytes::from_static(b"so long")));
    assert_eq!(server.close_reason(), Some(server.closed().await));
}

#[tokio::test]
async fn the_client_hears_why_the_server_closed() {
    let Pair { client, server, .. } = &Pair::new().await;

    server.close(VarInt::from_u32(42), b"so long");

    assert_eq!(reason(client).await, (42, Bytes::from_static(b"so long")));
}

#[tokio::test]
async fn the_reason_arrives_although_everything_is_dropped_at_once() {
    let Pair { client, server, dialler, taker: _taker } = Pair::new().await;

    client.close(VarInt::from_u32(42), b"so long");
    drop((client, dialler));

    assert_eq!(reason(&server).await, (42, Bytes::from_static(b"so long")));
}

#[tokio::test]
async fn the_first_reason_stays() {
    let Pair { client, server, .. } = &Pair::new().await;

    client.close(VarInt::from_u32(1), b"first");
    client.close(VarInt::from_u32(2), b"second");

    assert_eq!(reason(server).await, (1, Bytes::from_static(b"first")));
}

#[tokio::test]
async fn a_connection_closes_with_its_last_handle_and_not_before() {
    let pair = Pair::new().await;
    let ((mut send, recv), (_, mut heard)) = pair.stream(b"?").await;
    let Pair { client, server, dialler: _dialler, taker: _taker } = pair;

    drop((client, recv));
    send.write_chunk(Bytes::from_static(b"!")).await.unwrap();
    assert_eq!(heard.read_chunk(1).await, Ok(Some(Bytes::from_static(b"!"))));
    drop(send);

    assert_eq!(reason(&server).await, (0, Bytes::new()));
}

#[tokio::test]
async fn a_handshake_that_is_dropped_ends_at_the_other_end_too() {
    let (taker, dialler) = (Server::new(TransportConfig::default()), dialler());
    let connecting = dialler.connect_with(taker.client.clone(), taker.address(), "localhost").unwrap();
    let incoming = taker.endpoint.accept().await.unwrap();
    let accepting = incoming.accept_with(Arc::clone(&taker.config)).unwrap();

    drop(connecting);

    assert!(matches!(
        accepting.await,
        Err(ConnectionError::ConnectionClosed(_) | ConnectionError::ApplicationClosed(_))
    ));
}

#[tokio::test]
async fn a_name_that_is_not_in_the_certificate_is_refused_at_both_ends() {
    let (taker, dialler) = (Server::new(TransportConfig::default()), dialler());
    let connecting = dialler.connect_with(taker.client.clone(), taker.address(), "elsewhere").unwrap();
    let incoming = taker.endpoint.accept().await.unwrap();
    let accepting = incoming.accept_with(Arc::clone(&taker.config)).unwrap();

    let (client, server) = tokio::join!(connecting, accepting);

    assert!(matches!(client, Err(ConnectionError::TransportError(_))));
    assert!(matches!(server, Err(ConnectionError::ConnectionClosed(_))));
}

#[tokio::test]
async fn a_silent_peer_times_out() {
    let mut transport = TransportConfig::default();
    transport.max_idle_timeout(Some(IdleTimeout::from(VarInt::from_u32(200))));
    let pair = Pair::with(transport).await;

    assert_eq!(
        tokio::join!(pair.client.closed(), pair.server.closed()),
        (ConnectionError::TimedOut, ConnectionError::TimedOut)
    );
    tokio::join!(pair.dialler.wait_idle(), pair.taker.endpoint.wait_idle());
}

#[tokio::test]
async fn an_endpoint_is_idle_only_when_its_last_connection_has_gone() {
    let Pair { client, server, dialler, taker } = Pair::new().await;
    let mut idle = Box::pin(taker.endpoint.wait_idle());
    assert!(idle.as_mut().now_or_never().is_none());

    drop(client);
    drop(server);

    idle.await;
    dialler.wait_idle().await;
}

#[tokio::test]
async fn a_worker_ends_with_the_last_connection_and_its_port_is_free() {
    let pair = Pair::new().await;
    let address = pair.dialler.local_addr().unwrap();
    pair.client.close(VarInt::from_u32(0), b"");
    pair.dialler.wait_idle().await;
    UdpSocket::bind(address).unwrap_err();

    drop(pair);
    // It was woken before us.
    tokio::task::yield_now().await;

    UdpSocket::bind(address).unwrap();
}

#[tokio::test]
async fn connections_outlive_their_endpoint() {
    let Pair { client, server, dialler, taker } = Pair::new().await;
    drop((dialler, taker));
    tokio::spawn(echo(server));

    let (mut send, mut recv) = client.open_bi().await.unwrap();
    send.write_chunk(octets(1000)).await.unwrap();
    send.finish().unwrap();

    assert_eq!(read_to_end(&mut recv).await.unwrap(), octets(1000));
}

#[test]
fn a_runtime_that_shuts_down_frees_the_port_and_tells_whoever_holds_a_handle() {
    let runtime = runtime();
    let (pair, incoming) = runtime.block_on(async {
        let pair = Pair::new().await;
        let address = pair.taker.address();
        let _connecting = pair.dialler.connect_with(pair.taker.client.clone(), address, "localhost").unwrap();
        let incoming = pair.taker.endpoint.accept().await.unwrap();
        (pair, incoming)
    });
    let addresses = [pair.dialler.local_addr().unwrap(), pair.taker.address()];

    drop(runtime);

    for address in addresses {
        UdpSocket::bind(address).unwrap();
    }
    assert!(matches!(pair.client.close_reason(), Some(ConnectionError::TransportError(_))));
    assert!(pair.server.open_bi().now_or_never().unwrap().is_err());
    assert!(pair.taker.endpoint.accept().now_or_never().unwrap().is_none());
    assert!(pair.dialler.wait_idle().now_or_never().is_some());
    assert!(pair.dialler.local_addr().is_err());
    let again = pair.dialler.connect_with(pair.taker.client.clone(), addresses[1], "localhost");
    assert!(matches!(again, Err(ConnectError::EndpointStopping)));
    let late = incoming.accept_with(Arc::clone(&pair.taker.config));
    assert!(matches!(late, Err(ConnectionError::TransportError(_))));
}

#[test]
fn an_endpoint_without_a_worker_takes_no_other_socket() {
    let runtime = runtime();
    let endpoint = runtime.block_on(async { dialler() });
    drop(runtime);

    let socket = udp_socket();
    let address = socket.local_addr().unwrap();
    let rebound = Runtime::new().unwrap().block_on(async { endpoint.rebind(socket) });

    assert!(rebound.is_err());
    UdpSocket::bind(address).unwrap();
}

#[tokio::test]
async fn a_server_that_forgot_a_connection_says_so() {
    let key = Arc::new(ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &[7; 64]));
    let mut config = EndpointConfig::new(key);
    config.cid_generator(|| Box::new(quinn_proto::RandomConnectionIdGenerator::new(8)));
    let (server, mut client) = configs();
    let mut transport = TransportConfig::default();
    transport.keep_alive_interval(Some(Duration::from_millis(50)));
    client.transport_config(Arc::new(transport));
    let before = runtime();
    let (endpoint_config, server_config) = (config.clone(), server.clone());
    let (sender, address) = tokio::sync::oneshot::channel();
    let accepted = before.spawn(async move {
        let endpoint = Endpoint::new(endpoint_config, Some(server_config.clone()), udp_socket()).unwrap();
        sender.send(endpoint.local_addr().unwrap()).unwrap();
        (endpoint.accept().await.unwrap().accept_with(Arc::new(server_config)).unwrap().await.unwrap(), endpoint)
    });
    let address = address.await.unwrap();
    let dialler = dialler();
    let connection = dialler.connect_with(client, address, "localhost").unwrap().await.unwrap();
    let _held = accepted.await.unwrap();
    tokio::task::spawn_blocking(move || drop(before)).await.unwrap();

    let socket = UdpSocket::bind(address).unwrap();
    socket.set_nonblocking(true).unwrap();
    let _after = Endpoint::new(config, Some(server), socket).unwrap();

    assert_eq!(connection.closed().await, ConnectionError::Reset);
    dialler.wait_idle().await;
}

#[tokio::test]
async fn an_error_on_receiving_does_not_end_the_worker() {
    // Held, so that nobody else answers there, and closed to all but its peer: itself.
    let nobody = udp_socket();
    nobody.connect(nobody.local_addr().unwrap()).unwrap();
    let socket = udp_socket();
    socket.connect(nobody.local_addr().unwrap()).unwrap();
    // The system says at once that nobody is there. The socket keeps that for whoever receives next.
    socket.send(b"?").unwrap();
    let dials = udp_socket();
    socket.connect(dials.local_addr().unwrap()).unwrap();
    let (config, client) = configs();
    let endpoint = Endpoint::new(EndpointConfig::default(), Some(config.clone()), socket).unwrap();
    let taker = Server { endpoint, config: Arc::new(config), client };
    let dialler = Endpoint::new(EndpointConfig::default(), None, dials).unwrap();

    let (client, _server) = taker.dialled_by(&dialler).await;

    assert_eq!(client.close_reason(), None);
}

async fn reason(connection: &Connection) -> (u64, Bytes) {
    let ConnectionError::ApplicationClosed(close) = connection.closed().await else { panic!("nobody gave a reason") };
    (close.error_code.into_inner(), close.reason)
}

fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}
