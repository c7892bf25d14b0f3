//! What an endpoint takes, refuses, and where it moves to.

use futures_util::FutureExt;
use hitotsu_quic::{ConnectionError, RetryError, TransportErrorCode};

use super::*;

#[tokio::test]
async fn a_client_that_is_asked_to_prove_its_address_does_so_once() {
    let (taker, dialler) = (Server::new(TransportConfig::default()), dialler());
    let connecting = dialler.connect_with(taker.client.clone(), taker.address(), "localhost").unwrap();
    let take = async {
        let first = taker.endpoint.accept().await.unwrap();
        assert!(first.may_retry() && !first.remote_address_validated());
        assert_eq!(first.remote_address(), dialler.local_addr().unwrap());
        first.retry().unwrap();
        let second = taker.endpoint.accept().await.unwrap();
        assert!(!second.may_retry() && second.remote_address_validated());
        second.accept_with(Arc::clone(&taker.config)).unwrap().await.unwrap()
    };

    let (client, server) = tokio::join!(connecting, take);

    assert_eq!(client.unwrap().remote_address(), taker.address());
    assert_eq!(server.remote_address(), dialler.local_addr().unwrap());
}

#[tokio::test]
async fn who_is_asked_twice_to_prove_his_address_can_ask_again() {
    let (taker, dialler) = (Server::new(TransportConfig::default()), dialler());
    let connecting = dialler.connect_with(taker.client.clone(), taker.address(), "localhost").unwrap();
    let take = async {
        taker.endpoint.accept().await.unwrap().retry().unwrap();
        assert_eq!(taker.endpoint.accept().await.unwrap().retry(), Err(RetryError));
        taker.accept().await
    };

    let (client, _server) = tokio::join!(connecting, take);

    client.unwrap();
}

#[tokio::test]
async fn who_is_refused_hears_it() {
    let (taker, dialler) = (Server::new(TransportConfig::default()), dialler());
    let connecting = dialler.connect_with(taker.client.clone(), taker.address(), "localhost").unwrap();

    taker.endpoint.accept().await.unwrap().refuse();

    let Err(ConnectionError::ConnectionClosed(close)) = connecting.await else { panic!() };
    assert_eq!(close.error_code, TransportErrorCode::CONNECTION_REFUSED);
}

#[tokio::test]
async fn who_is_ignored_or_dropped_asks_again() {
    let (taker, dialler) = (Server::new(TransportConfig::default()), dialler());
    let connecting = dialler.connect_with(taker.client.clone(), taker.address(), "localhost").unwrap();
    let take = async {
        taker.endpoint.accept().await.unwrap().ignore();
        drop(taker.endpoint.accept().await.unwrap());
        taker.accept().await
    };

    let (client, _server) = tokio::join!(connecting, take);

    client.unwrap();
}

#[tokio::test]
async fn nobody_new_is_taken_without_a_configuration() {
    let (taker, dialler) = (Server::new(TransportConfig::default()), dialler());
    let (client, server) = taker.dialled_by(&dialler).await;
    taker.endpoint.set_server_config(None);
    let _connecting = dialler.connect_with(taker.client.clone(), taker.address(), "localhost").unwrap();

    barrier(&client, &server).await;

    assert!(taker.endpoint.accept().now_or_never().is_none());
}

#[tokio::test]
async fn no_more_than_1024_wait_for_a_decision() {
    let (taker, dialler) = (Server::new(TransportConfig::default()), dialler());
    let (client, server) = taker.dialled_by(&dialler).await;
    let mut connecting = Vec::new();
    while connecting.len() < 1100 {
        for _ in 0..20 {
            connecting.push(dialler.connect_with(taker.client.clone(), taker.address(), "localhost").unwrap());
        }
        // What was sent before it has come before it.
        barrier(&client, &server).await;
    }

    let mut taken = Vec::new();
    while let Some(incoming) = taker.endpoint.accept().now_or_never() {
        taken.push(incoming);
    }

    assert_eq!(taken.len(), 1024);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_moves_to_another_socket_in_the_middle_of_a_transfer() {
    let Pair { client, server, dialler, taker } = &Pair::new().await;
    tokio::spawn(echo(server.clone()));
    let (mut send, mut recv) = client.open_bi().await.unwrap();
    let (sent, moved_to) = (octets(4 << 20), udp_socket());
    let address = moved_to.local_addr().unwrap();

    let write = async {
        send.write_chunk(sent.slice(..2 << 20)).await.unwrap();
        dialler.rebind(moved_to).unwrap();
        send.write_chunk(sent.slice(2 << 20..)).await.unwrap();
        send.finish().unwrap();
    };
    let ((), came) = tokio::join!(write, read_to_end(&mut recv));

    assert!(came.unwrap() == sent);
    assert_eq!(dialler.local_addr().unwrap(), address);
    assert_eq!(server.remote_address(), address);
    assert_eq!(client.remote_address(), taker.address());
}

#[tokio::test]
async fn the_socket_before_a_move_closes_when_the_other_one_receives() {
    let Pair { client, server, dialler, .. } = &Pair::new().await;
    let before = dialler.local_addr().unwrap();

    dialler.rebind(udp_socket()).unwrap();
    barrier(client, server).await;
    barrier(client, server).await;

    UdpSocket::bind(before).unwrap();
}

/// Completes when what the client sent before has come.
async fn barrier(client: &Connection, server: &Connection) {
    let (mut send, mut recv) = client.open_bi().await.unwrap();
    send.write_chunk(octets(1)).await.unwrap();
    send.finish().unwrap();
    let there = async {
        let (send, recv) = server.accept_bi().await.unwrap();
        echo_stream(send, recv).await.unwrap();
    };
    let ((), came) = tokio::join!(there, read_to_end(&mut recv));
    assert_eq!(came.unwrap(), octets(1));
}
