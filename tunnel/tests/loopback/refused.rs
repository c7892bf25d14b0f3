//! Peers whose certificate is in order and whose holder is not wanted, and what they can make the gateway hold.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::join_all;
use hitotsu_tunnel::dialer::Preference;
use hitotsu_tunnel::fault::{Closed, OpenError};
use hitotsu_tunnel::limits;
use hitotsu_tunnel::server::{Exchange, Request};
use http::{HeaderMap, Response, StatusCode};
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::world::{Judged, World, client_tls, exchange};

/// Longer than anything on loopback that is not stalled.
const STALL: Duration = Duration::from_millis(500);

over_h3_and_h2! {
    a_refused_peer_is_told_why
    a_refused_peer_that_sends_all_it_can_makes_the_gateway_hold_little
}

async fn a_refused_peer_is_told_why(preference: Preference) {
    let world = World::new().await;
    let (client, server) = world.refused_pair(preference).await;

    let asking = async { client.open_tcp("files.test:443", HeaderMap::new()).await?.response.ready().await };
    let refusing = async {
        let Exchange { request: Request::Tcp { pending, .. }, .. } = exchange(&server).await else { panic!() };
        pending.refuse(Response::builder().status(403).body(Bytes::from_static(b"revoked")).unwrap()).await;
    };
    let (asked, ()) = tokio::join!(asking, refusing);

    let Err(OpenError::Refused(refusal)) = asked else { panic!("it was let in") };
    assert_eq!((refusal.status, &refusal.body[..]), (StatusCode::FORBIDDEN, &b"revoked"[..]));
}

async fn a_refused_peer_that_sends_all_it_can_makes_the_gateway_hold_little(preference: Preference) {
    const PIECE: u64 = 256;
    let world = World::new().await;
    let (client, server) = world.refused_pair(preference).await;
    let taken = Arc::new(AtomicU64::new(0));
    let mut uploads = Vec::new();
    // Over HTTP/3 a request that is not permitted waits, over HTTP/2 it may be reset instead.
    while uploads.len() < 4 * limits::UNTRUSTED_STREAMS as usize
        && let Ok(Ok(mut flow)) = tokio::time::timeout(STALL, client.open_tcp("files.test:443", HeaderMap::new())).await
    {
        let count = Arc::clone(&taken);
        uploads.push(tokio::spawn(async move {
            let mut own = 0;
            while flow.send.send(Bytes::from_static(&[1; PIECE as usize])).await.is_ok() {
                count.fetch_add(PIECE, Ordering::SeqCst);
                own += PIECE;
            }
            count.fetch_sub(own, Ordering::SeqCst);
        }));
    }
    tokio::time::timeout(STALL, join_all(&mut uploads)).await.expect_err("no upload is stalled");

    let held = taken.load(Ordering::SeqCst);
    let window = u64::from(limits::UNTRUSTED_WINDOW);
    let with_heads = u64::from(limits::UNTRUSTED_STREAMS) * limits::HEAD_READ_OCTETS as u64;
    assert!((window / 2..=window + with_heads).contains(&held), "{held} octets are held");
    let requests = waiting(&server);
    assert!((1..=limits::UNTRUSTED_STREAMS as usize).contains(&requests), "{requests} requests are held");
    for upload in uploads {
        upload.abort();
    }
}

/// The requests that wait for the gateway.
fn waiting(server: &Judged) -> usize {
    let mut taken = Vec::new();
    while let Some(Some(exchange)) = server.connection.next_exchange().now_or_never() {
        taken.push(exchange);
    }
    taken.len()
}

/// Each stream is over for its client at once, so that the next is permitted; its request waits all the same.
#[tokio::test]
async fn requests_that_are_opened_and_reset_do_not_pile_up() {
    const AT_ONCE: usize = 8;
    let world = World::new().await;
    let mut tls = client_tls(&world.authority, Some(world.authority.issue("device.test")));
    tls.alpn_protocols = vec![b"h2".to_vec()];
    let tcp = TcpStream::connect(world.address()).await.unwrap();
    let connecting = TlsConnector::from(Arc::new(tls)).connect(ServerName::try_from("localhost").unwrap(), tcp);
    let (stream, server) = tokio::join!(connecting, world.arrival());
    let (mut sender, mut connection) = h2::client::handshake(stream.unwrap()).await.unwrap();
    let mut pings = connection.ping_pong().unwrap();
    let driving = tokio::spawn(connection);

    let flood = async {
        let mut opened = 0;
        loop {
            let mut streams = Vec::new();
            for _ in 0..AT_ONCE {
                sender = sender.ready().await?;
                let request = http::Request::connect("files.test:443").body(()).unwrap();
                streams.push(sender.send_request(request, false)?.1);
                opened += 1;
            }
            // The gateway has seen these; a reset that overtook its request would be counted by h2 itself.
            pings.ping(h2::Ping::opaque()).await?;
            for mut stream in streams {
                stream.send_reset(h2::Reason::CANCEL);
            }
            let most = limits::EXCHANGES_WAITING_MAX + limits::H2_STREAMS_MAX as usize + 2 * AT_ONCE;
            assert!(opened <= most, "{opened} requests pile up");
        }
    };
    let _ended: Result<std::convert::Infallible, h2::Error> = flood.await;

    let Closed::PeerMisbehaved(why) = server.connection.closed().await else { panic!() };
    assert!(why.contains("faster than they are taken"), "{why}");
    driving.abort();
}
