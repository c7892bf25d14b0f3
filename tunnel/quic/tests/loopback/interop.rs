//! The driver that quinn brings, at the other end.

use hitotsu_quic::{ConnectionError, VarInt};

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn our_client_speaks_with_quinns_server() {
    let (config, trust) = configs();
    let server = quinn::Endpoint::server(config, (Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let dialler = dialler();
    let connecting = dialler.connect_with(trust, server.local_addr().unwrap(), "localhost").unwrap();
    let (client, server) = tokio::join!(connecting, async { server.accept().await.unwrap().await.unwrap() });
    let client = client.unwrap();

    let (mut send, mut recv) = client.open_bi().await.unwrap();
    let there = async {
        let (mut send, mut recv) = server.accept_bi().await.unwrap();
        send.write_all(&recv.read_to_end(1 << 20).await.unwrap()).await.unwrap();
        send.finish().unwrap();
    };
    let here = async {
        send.write_chunk(octets(1 << 20)).await.unwrap();
        send.finish().unwrap();
        read_to_end(&mut recv).await.unwrap()
    };
    let ((), came) = tokio::join!(there, here);
    assert!(came == octets(1 << 20));

    server.send_datagram(octets(900)).unwrap();
    assert_eq!(client.read_datagram().await.unwrap(), octets(900));
    client.send_datagram(octets(800)).unwrap();
    assert_eq!(server.read_datagram().await.unwrap(), octets(800));

    client.close(VarInt::from_u32(5), b"done");
    let ConnectionError::ApplicationClosed(close) = server.closed().await else { panic!() };
    assert_eq!((close.error_code, close.reason), (VarInt::from_u32(5), Bytes::from_static(b"done")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn quinns_client_speaks_with_our_server() {
    let taker = Server::new(TransportConfig::default());
    let mut dialler = quinn::Endpoint::client((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    dialler.set_default_client_config(taker.client.clone());
    let connecting = dialler.connect(taker.address(), "localhost").unwrap();
    let (client, server) = tokio::join!(connecting, taker.accept());
    let client = client.unwrap();
    tokio::spawn(echo(server.clone()));

    let (mut send, mut recv) = client.open_bi().await.unwrap();
    let write = async {
        send.write_all(&octets(1 << 20)).await.unwrap();
        send.finish().unwrap();
    };
    let ((), came) = tokio::join!(write, recv.read_to_end(1 << 20));
    assert!(came.unwrap() == octets(1 << 20));

    server.send_datagram(octets(900)).unwrap();
    assert_eq!(client.read_datagram().await.unwrap(), octets(900));

    let socket = udp_socket();
    let moved_to = socket.local_addr().unwrap();
    dialler.rebind(socket).unwrap();
    let (mut send, mut recv) = client.open_bi().await.unwrap();
    send.write_all(b"moved").await.unwrap();
    send.finish().unwrap();
    assert_eq!(recv.read_to_end(10).await.unwrap(), b"moved");
    assert_eq!(server.remote_address(), moved_to);

    server.close(VarInt::from_u32(5), b"done");
    let ConnectionError::ApplicationClosed(close) = client.closed().await else { panic!() };
    assert_eq!((close.error_code, close.reason), (VarInt::from_u32(5), Bytes::from_static(b"done")));
}
