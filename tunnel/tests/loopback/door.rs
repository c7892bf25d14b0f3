//! What one stranger can hold of the front door.

use std::sync::Arc;
use std::time::Duration;

use hitotsu_tunnel::dialer::{Dialer, Preference};
use hitotsu_tunnel::fault::DialError;
use hitotsu_tunnel::limits;
use hitotsu_tunnel::listener::HandshakeLimits;
use rustls::NamedGroup;
use rustls::client::{ClientSessionStore, Resumption, Tls12ClientSessionValue, Tls13ClientSessionValue};
use rustls::pki_types::ServerName;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::world::{World, client_tls, flow};

async fn a_door_for(refuse_source_from: usize) -> World {
    World::with(|config| config.handshakes = HandshakeLimits { refuse_source_from, ..HandshakeLimits::default() }).await
}

#[tokio::test]
async fn silent_tcp_connections_of_one_source_shut_neither_others_nor_quic_out() {
    const SHARE: usize = 4;
    let world = a_door_for(SHARE).await;
    let mut silent = Vec::new();
    for _ in 0..SHARE {
        silent.push(TcpStream::connect(world.address()).await.unwrap());
    }

    // One more is closed at once, and so is one that would speak.
    let mut refused = TcpStream::connect(world.address()).await.unwrap();
    assert!(matches!(refused.read(&mut [0]).await, Ok(0) | Err(_)));
    let error = Dialer::new(world.dial_config(Preference::Http2Only)).unwrap().dial().await.unwrap_err();
    assert!(matches!(error, DialError::Unreachable { .. }), "{error}");

    let mut elsewhere = world.dial_config(Preference::Http2Only);
    elsewhere.bind = Some("127.0.0.2:0".parse().unwrap());
    let dialer = Dialer::new(elsewhere).unwrap();
    let (client, server) = tokio::join!(dialer.dial(), world.arrival());
    flow(&client.unwrap(), &server).await;
    let (client, server) = world.pair(Preference::QuicOnly).await;
    flow(&client, &server).await;
    let [_, tcp] = world.listener.doors();
    assert_eq!((tcp.figures().refused_full, tcp.figures().refused_source), (0, 2));
}

#[tokio::test]
async fn over_quic_only_a_proven_address_takes_from_the_share_of_its_source() {
    let unproven = a_door_for(0).await;
    let proven = World::with(|config| {
        config.handshakes = HandshakeLimits { retry_from: 0, refuse_source_from: 0, ..HandshakeLimits::default() };
    })
    .await;

    let (client, server) = unproven.pair(Preference::QuicOnly).await;
    flow(&client, &server).await;

    let mut config = proven.dial_config(Preference::QuicOnly);
    config.patience = Duration::from_millis(300);
    let error = Dialer::new(config).unwrap().dial().await.unwrap_err();
    assert!(matches!(error, DialError::Unreachable { .. }), "{error}");
    let [quic, _] = proven.listener.doors();
    assert!(quic.figures().refused_source > 0);
}

/// One thread: when the client sees what the gateway sends at the end of a handshake, the gateway has gone as far as it
/// can without somebody who takes the connection.
#[tokio::test]
async fn a_place_is_held_until_the_connection_is_handed_over() {
    let world = a_door_for(1).await;
    let mut waiting = Vec::new();
    for _ in 0..limits::ARRIVALS_WAITING_MAX {
        waiting.push(handshake(&world).await.unwrap());
    }
    let [_, tcp] = world.listener.doors();
    assert_eq!(tcp.figures().taken, 0);

    let _one_more = handshake(&world).await.unwrap();

    assert_eq!(tcp.figures().taken, 1);
    assert!(handshake(&world).await.is_err());
    world.arrival().await;
    let _let_in = handshake(&world).await.unwrap();
}

/// A TLS client whose handshake the gateway has finished.
async fn handshake(world: &World) -> std::io::Result<TlsStream<TcpStream>> {
    let finished = Arc::new(Finished::default());
    let mut tls = client_tls(&world.authority, Some(world.authority.issue("device.test")));
    tls.resumption = Resumption::store(Arc::clone(&finished) as Arc<dyn ClientSessionStore>);
    let tcp = TcpStream::connect(world.address()).await?;
    let name = ServerName::try_from("localhost").unwrap();
    let mut stream = TlsConnector::from(Arc::new(tls)).connect(name, tcp).await?;
    let mut octet = [0];
    tokio::select! {
        read = stream.read(&mut octet) => panic!("{read:?}"),
        () = finished.0.notified() => {}
    }
    Ok(stream)
}

/// Hears of the tickets, which a server of TLS 1.3 sends when the client has proven itself.
#[derive(Debug, Default)]
struct Finished(Notify);

impl ClientSessionStore for Finished {
    fn set_kx_hint(&self, _: ServerName<'static>, _: NamedGroup) {}

    fn kx_hint(&self, _: &ServerName<'_>) -> Option<NamedGroup> {
        None
    }

    fn set_tls12_session(&self, _: ServerName<'static>, _: Tls12ClientSessionValue) {}

    fn tls12_session(&self, _: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        None
    }

    fn remove_tls12_session(&self, _: &ServerName<'static>) {}

    fn insert_tls13_ticket(&self, _: ServerName<'static>, _: Tls13ClientSessionValue) {
        self.0.notify_one();
    }

    fn take_tls13_ticket(&self, _: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        None
    }
}
