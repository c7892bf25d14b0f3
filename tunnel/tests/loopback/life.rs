//! What happens to a connection while it lives: moves, drains and ends.

use std::num::NonZeroU8;
use std::time::Duration;

use bytes::Bytes;
use hitotsu_tunnel::dialer::{Dialer, Preference};
use hitotsu_tunnel::fault::{Closed, FlowError, OpenError};
use hitotsu_tunnel::listener::{Listener, Port};
use hitotsu_tunnel::server::{CloseCode, Unjudged};
use http::HeaderMap;

use crate::network::Nat;
use crate::world::{Authority, World, client_tls, dial_config, flow, judged, listener_config, read_all};

over_h3_and_h2! {
    a_draining_connection_finishes_its_flows_and_takes_no_new_ones
    a_connection_without_flows_drains_at_once
    a_client_that_closes_is_seen_to_have_left_in_order
    a_gateway_that_closes_ends_every_flow
    dropping_the_gateways_handle_closes
    dropping_the_clients_handle_closes
}

async fn a_draining_connection_finishes_its_flows_and_takes_no_new_ones(preference: Preference) {
    let world = World::new().await;
    let (client, server) = world.pair(preference).await;
    let ((mut send, mut recv), (mut back, mut there)) = flow(&client, &server).await;

    server.connection.goaway();
    let drained = {
        let connection = server.connection.clone();
        tokio::spawn(async move { connection.next_exchange().await.is_none() })
    };
    client.goaway_received().await;

    assert_eq!(client.open_tcp("files.test:443", HeaderMap::new()).await.unwrap_err(), OpenError::Draining);
    assert!(!drained.is_finished());
    send.send(Bytes::from_static(b"still here")).await.unwrap();
    send.finish().await.unwrap();
    assert_eq!(read_all(&mut there).await, b"still here");
    back.send(Bytes::from_static(b"so am I")).await.unwrap();
    back.finish().await.unwrap();
    assert_eq!(read_all(&mut recv).await, b"so am I");
    drop((send, recv, back, there));
    assert!(drained.await.unwrap());
}

async fn a_connection_without_flows_drains_at_once(preference: Preference) {
    let world = World::new().await;
    let (client, server) = world.pair(preference).await;

    server.connection.goaway();

    assert!(server.connection.next_exchange().await.is_none());
    client.goaway_received().await;
}

async fn a_client_that_closes_is_seen_to_have_left_in_order(preference: Preference) {
    let world = World::new().await;
    let (client, server) = world.pair(preference).await;
    flow(&client, &server).await;

    client.close("shutting down");

    assert!(server.connection.next_exchange().await.is_none());
    let closed = server.connection.closed().await;
    match preference {
        // A client of HTTP/2 ends TCP; whether TLS said so first is of no interest here.
        Preference::Http2Only => assert!(matches!(closed, Closed::Peer | Closed::Network(_)), "{closed}"),
        Preference::QuicFirst | Preference::Both | Preference::QuicOnly => assert_eq!(closed, Closed::Peer),
    }
    assert_eq!(client.closed().await, Closed::Here);
}

async fn a_gateway_that_closes_ends_every_flow(preference: Preference) {
    let world = World::new().await;
    let (client, server) = world.pair(preference).await;
    let ((mut send, mut recv), (_back, mut there)) = flow(&client, &server).await;

    server.connection.close(CloseCode::Denied, "revoked");

    assert!(matches!(client.closed().await, Closed::PeerError { .. }));
    assert!(matches!(recv.recv().await.unwrap_err(), FlowError::Connection(_)));
    assert!(matches!(send.stopped().await, FlowError::Connection(_)));
    assert!(matches!(there.recv().await.unwrap_err(), FlowError::Connection(_)));
    assert_eq!(server.connection.closed().await, Closed::Here);
    assert!(server.connection.next_exchange().await.is_none());
    assert!(matches!(
        client.open_tcp("files.test:443", HeaderMap::new()).await.unwrap_err(),
        OpenError::Flow(FlowError::Connection(_)) | OpenError::Draining
    ));
}

async fn dropping_the_gateways_handle_closes(preference: Preference) {
    let world = World::new().await;
    let (client, server) = world.pair(preference).await;
    flow(&client, &server).await;

    drop(server);

    assert_eq!(client.closed().await, Closed::Peer);
}

async fn dropping_the_clients_handle_closes(preference: Preference) {
    let world = World::new().await;
    let (client, server) = world.pair(preference).await;
    flow(&client, &server).await;

    drop(client);

    assert!(server.connection.next_exchange().await.is_none());
}

#[tokio::test]
async fn a_flow_lives_on_when_the_agent_moves_to_another_socket() {
    let world = World::new().await;
    let (client, server) = world.pair(Preference::QuicOnly).await;
    let ((mut send, mut recv), (mut back, mut there)) = flow(&client, &server).await;

    assert!(client.rebind());
    send.send(Bytes::from_static(b"from here")).await.unwrap();
    assert_eq!(there.recv().await.unwrap().unwrap().into_bytes(), "from here");

    let moved = server.connection.path_changed(server.remote).await;
    assert_ne!(moved, server.remote);
    assert_eq!(moved, client.local_address().unwrap());
    back.send(Bytes::from_static(b"welcome")).await.unwrap();
    assert_eq!(recv.recv().await.unwrap().unwrap().into_bytes(), "welcome");
}

#[tokio::test]
async fn a_flow_lives_on_when_its_device_moves_to_where_another_worker_hears_it() {
    let authority = Authority::new();
    let port = Port::bind(&listener_config(&authority), NonZeroU8::new(2).unwrap()).unwrap();
    let address = port.local_addr();
    let workers: Vec<Listener> = port.seats().into_iter().map(|seat| seat.listen().unwrap()).collect();
    let tls = client_tls(&authority, Some(authority.issue("device.test")));
    let dialer = Dialer::new(dial_config(address, tls, Preference::QuicOnly)).unwrap();
    let arrival = async {
        let [one, two] = &workers[..] else { panic!() };
        tokio::select! { arrival = one.accept() => arrival, arrival = two.accept() => arrival }
    };
    let (client, arrival) = tokio::join!(dialer.dial(), arrival);
    let (client, server) = (client.unwrap(), judged(arrival.unwrap(), Unjudged::trust));
    let ((mut send, mut recv), (mut back, mut there)) = flow(&client, &server).await;

    // The kernel chooses by the port, so all eight come to the first worker once in 256 runs.
    let mut known = server.remote;
    for _ in 0..8 {
        assert!(client.rebind());
        send.send(Bytes::from_static(b"?")).await.unwrap();
        assert_eq!(there.recv().await.unwrap().unwrap().into_bytes(), "?");
        known = server.connection.path_changed(known).await;
        back.send(Bytes::from_static(b"!")).await.unwrap();
        assert_eq!(recv.recv().await.unwrap().unwrap().into_bytes(), "!");
    }
}

#[tokio::test]
async fn a_flow_lives_on_when_a_nat_forgets_its_mapping() {
    let world = World::new().await;
    let nat = Nat::before(world.address(), Duration::ZERO).await;
    let mut config = world.dial_config(Preference::QuicOnly);
    config.addresses = vec![nat.address];
    let dialer = Dialer::new(config).unwrap();
    let (client, server) = tokio::join!(dialer.dial(), world.arrival());
    let client = client.unwrap();
    let ((mut send, mut recv), (mut back, mut there)) = flow(&client, &server).await;

    let outside = nat.rebind().await;
    send.send(Bytes::from_static(b"from elsewhere")).await.unwrap();
    assert_eq!(there.recv().await.unwrap().unwrap().into_bytes(), "from elsewhere");

    assert_eq!(server.connection.path_changed(server.remote).await, outside);
    assert_eq!(server.connection.remote_address(), outside);
    back.send(Bytes::from_static(b"found you")).await.unwrap();
    assert_eq!(recv.recv().await.unwrap().unwrap().into_bytes(), "found you");
}

#[tokio::test]
async fn http_2_cannot_move_and_says_so() {
    let world = World::new().await;
    let (client, _server) = world.pair(Preference::Http2Only).await;

    assert!(!client.rebind());
}

#[tokio::test]
async fn a_stopped_listener_takes_no_one_and_its_connections_live_on() {
    let world = World::new().await;
    let (client, server) = world.pair(Preference::QuicOnly).await;

    world.listener.stop();

    assert!(world.listener.accept().await.is_none());
    flow(&client, &server).await;
    let mut config = world.dial_config(Preference::QuicOnly);
    config.patience = Duration::from_millis(300);
    Dialer::new(config).unwrap().dial().await.unwrap_err();
}
