//! HTTP/1.1: a client of a few lines against the listener.

use std::sync::Arc;

use bytes::Bytes;
use hitotsu_tunnel::fault::FlowError;
use hitotsu_tunnel::server::{Exchange, Request, TransportKind};
use http::{HeaderMap, Response};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::world::{Judged, World, accept, client_tls, exchange, read_all};

async fn connect(world: &World) -> (TlsStream<TcpStream>, Judged) {
    let mut tls = client_tls(&world.authority, Some(world.authority.issue("device.test")));
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    let tcp = TcpStream::connect(world.address()).await.unwrap();
    let connector = TlsConnector::from(Arc::new(tls));
    let connecting = connector.connect(ServerName::try_from("localhost").unwrap(), tcp);
    let (client, server) = tokio::join!(connecting, world.arrival());
    assert_eq!(server.transport, TransportKind::H1);
    (client.unwrap(), server)
}

async fn read_head(client: &mut TlsStream<TcpStream>) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap()
}

#[tokio::test]
async fn a_flow_echoes_with_half_close_both_ways() {
    let world = World::new().await;
    let (mut client, server) = connect(&world).await;

    client.write_all(b"CONNECT files.test:443 HTTP/1.1\r\nHost: files.test:443\r\n\r\nearly").await.unwrap();
    let (mut back, mut there) = accept(&server).await;
    assert!(read_head(&mut client).await.starts_with("HTTP/1.1 200 "));
    client.write_all(b" and late").await.unwrap();
    client.shutdown().await.unwrap();
    assert_eq!(read_all(&mut there).await, b"early and late");
    back.send(Bytes::from_static(b"after your end")).await.unwrap();
    back.finish().await.unwrap();

    let mut rest = String::new();
    client.read_to_string(&mut rest).await.unwrap();
    assert_eq!(rest, "after your end");
}

#[tokio::test]
async fn a_connection_cut_without_close_notify_is_no_orderly_end() {
    let world = World::new().await;
    let (mut client, server) = connect(&world).await;
    client.write_all(b"CONNECT files.test:443 HTTP/1.1\r\nHost: files.test:443\r\n\r\n").await.unwrap();
    let (_back, mut there) = accept(&server).await;

    drop(client);

    assert!(matches!(there.recv().await.unwrap_err(), FlowError::Connection(_)));
}

#[tokio::test]
async fn ordinary_requests_follow_each_other_on_one_connection() {
    let world = World::new().await;
    let (mut client, server) = connect(&world).await;

    for round in 0..3u64 {
        client.write_all(b"POST /status HTTP/1.1\r\nHost: gw\r\nContent-Length: 4\r\n\r\nping").await.unwrap();
        let Exchange { stream, request: Request::Http { path, mut pending, .. } } = exchange(&server).await else {
            panic!()
        };
        assert_eq!((stream, path.as_str()), (round, "/status"));
        assert_eq!(pending.body(10).await.unwrap(), "ping");
        pending.respond(Response::new(Bytes::from_static(b"pong"))).await;
        assert!(read_head(&mut client).await.contains("content-length: 4\r\n"));
        let mut body = [0; 4];
        client.read_exact(&mut body).await.unwrap();
        assert_eq!(&body, b"pong");
    }
}

#[tokio::test]
async fn a_stream_of_notices_is_chunked_and_the_connection_lives_on() {
    let world = World::new().await;
    let (mut client, server) = connect(&world).await;
    client.write_all(b"GET /notices HTTP/1.1\r\nHost: gw\r\n\r\n").await.unwrap();
    let Exchange { request: Request::Http { pending, .. }, .. } = exchange(&server).await else { panic!() };

    let mut sender = pending.respond_stream(Response::new(())).await.unwrap();
    sender.send(Bytes::from_static(b"news")).await.unwrap();
    sender.finish().await.unwrap();

    assert!(read_head(&mut client).await.contains("transfer-encoding: chunked\r\n"));
    let mut body = [0; 14];
    client.read_exact(&mut body).await.unwrap();
    assert_eq!(&body, b"4\r\nnews\r\n0\r\n\r\n");
    client.write_all(b"GET /again HTTP/1.1\r\nHost: gw\r\n\r\n").await.unwrap();
    exchange(&server).await;
}

#[tokio::test]
async fn a_refused_connect_carries_its_problem_document() {
    let world = World::new().await;
    let (mut client, server) = connect(&world).await;
    client.write_all(b"CONNECT secret.test:22 HTTP/1.1\r\nHost: secret.test:22\r\n\r\n").await.unwrap();
    let Exchange { request: Request::Tcp { pending, .. }, .. } = exchange(&server).await else { panic!() };

    pending.refuse(Response::builder().status(403).body(Bytes::from_static(b"{}")).unwrap()).await;

    assert!(read_head(&mut client).await.starts_with("HTTP/1.1 403 "));
    let mut rest = String::new();
    client.read_to_string(&mut rest).await.unwrap();
    assert_eq!(rest, "{}");
}

#[tokio::test]
async fn udp_goes_as_capsules_after_an_upgrade() {
    let world = World::new().await;
    let (mut client, server) = connect(&world).await;
    client
        .write_all(
            b"GET /.well-known/masque/udp/192.0.2.6/443/ HTTP/1.1\r\nHost: gw\r\nConnection: Upgrade\r\n\
              Upgrade: connect-udp\r\nCapsule-Protocol: ?1\r\n\r\n",
        )
        .await
        .unwrap();
    let Exchange { request: Request::Udp { host, port, pending, .. }, .. } = exchange(&server).await else { panic!() };
    assert_eq!((host.as_str(), port), ("192.0.2.6", 443));

    let mut flow = pending.accept(HeaderMap::new(), hitotsu_tunnel::datagram::UdpOptions::default()).await.unwrap();
    let head = read_head(&mut client).await;
    assert!(head.starts_with("HTTP/1.1 101 ") && head.contains("capsule-protocol: ?1"), "{head}");
    client.write_all(b"\x00\x05\x00ping").await.unwrap();
    assert_eq!(flow.recv().await.unwrap().unwrap(), "ping");
    flow.send(Bytes::from_static(b"pong")).await.unwrap();

    let mut capsule = [0; 7];
    client.read_exact(&mut capsule).await.unwrap();
    assert_eq!(&capsule, b"\x00\x05\x00pong");
}

#[tokio::test]
async fn a_malformed_head_is_answered_and_the_connection_closed() {
    let world = World::new().await;
    let (mut client, server) = connect(&world).await;

    client.write_all(b"GET / HTTP/1.1\nHost: gw\n\n").await.unwrap();

    assert!(read_head(&mut client).await.starts_with("HTTP/1.1 400 "));
    assert!(server.connection.next_exchange().await.is_none());
}
