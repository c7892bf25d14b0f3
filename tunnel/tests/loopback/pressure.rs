//! Slow, stalled and many: what one flow does must not reach the others, nor the memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use hitotsu_tunnel::client::ClientConnection;
use hitotsu_tunnel::dialer::Preference;
use hitotsu_tunnel::limits;
use hitotsu_tunnel::server::{Exchange, Request};
use http::{HeaderMap, Method, Response};

use crate::world::{Judged, World, exchange, flow};

over_h3_and_h2! {
    a_slow_reader_of_small_frames_keeps_memory_flat
    fifty_stalled_uploads_delay_neither_control_nor_keystrokes
    fifty_stalled_downloads_delay_neither_control_nor_keystrokes
    two_hundred_flows_open_at_once
}

/// A control request and its answer: a round trip for everything that was sent before it.
async fn control(client: &ClientConnection, server: &Judged) {
    let asking = client.request(Method::GET, "/control", HeaderMap::new(), Bytes::new());
    let answering = async {
        let Exchange { request: Request::Http { pending, .. }, .. } = exchange(server).await else { panic!() };
        pending.respond(Response::new(Bytes::new())).await;
    };
    let (answer, ()) = tokio::join!(asking, answering);
    answer.unwrap();
}

/// What a stream of this transport may hold that nobody reads.
fn window(preference: Preference) -> u64 {
    u64::from(match preference {
        Preference::Http2Only => limits::H2_GATEWAY_STREAM_WINDOW,
        Preference::QuicOnly | Preference::QuicFirst | Preference::Both => limits::GATEWAY_STREAM_WINDOW,
    })
}

/// Octets of memory that this process really uses.
fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

async fn a_slow_reader_of_small_frames_keeps_memory_flat(preference: Preference) {
    const FRAME: usize = 50;
    const FRAMES: u64 = 400_000;
    let world = World::new().await;
    let (client, server) = world.pair(preference).await;
    let ((mut send, _recv), (_back, mut there)) = flow(&client, &server).await;
    let taken = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&taken);
    let sending = tokio::spawn(async move {
        for _ in 0..FRAMES {
            send.send(Bytes::from_static(&[7; FRAME])).await.unwrap();
            count.fetch_add(FRAME as u64, Ordering::SeqCst);
        }
    });
    // The first window's worth, and all that it makes the allocator keep.
    while taken.load(Ordering::SeqCst) < window(preference) / 2 {
        control(&client, &server).await;
    }
    let before = resident();

    let mut read = 0;
    while read < 10_000 * FRAME as u64 {
        read += there.recv().await.unwrap().unwrap().len() as u64;
        for _ in 0..4 {
            control(&client, &server).await;
        }
        // A frame may be read before its sender has counted it.
        let held = taken.load(Ordering::SeqCst).saturating_sub(read);
        // The window counts frame headers too; beyond it there is one batch here and what waits in the sender.
        let bound = window(preference) + 2 * limits::BATCH_OCTETS_MAX as u64;
        assert!(held <= bound, "{held} octets were taken from the sender and not read");
    }

    assert!(!sending.is_finished());
    let grown = resident().saturating_sub(before);
    assert!(grown < 8 * 1024 * 1024, "memory grew by {grown} octets");
}

async fn fifty_stalled_uploads_delay_neither_control_nor_keystrokes(preference: Preference) {
    let world = World::new().await;
    let (client, server) = world.pair(preference).await;
    let ((mut keys, mut screen), (mut shell_out, mut shell_in)) = flow(&client, &server).await;
    let taken = Arc::new(AtomicU64::new(0));
    let mut stalled = Vec::new();
    for _ in 0..50 {
        let ((mut send, recv), ends) = flow(&client, &server).await;
        let count = Arc::clone(&taken);
        let upload = tokio::spawn(async move {
            loop {
                send.send(Bytes::from_static(&[1; 16 * 1024])).await.unwrap();
                count.fetch_add(16 * 1024, Ordering::SeqCst);
            }
        });
        stalled.push((upload, recv, ends));
    }
    while taken.load(Ordering::SeqCst) < 50 * (window(preference) - 16 * 1024) {
        control(&client, &server).await;
    }

    let unaffected = async {
        for _ in 0..20 {
            control(&client, &server).await;
            keys.send(Bytes::from_static(b"k")).await.unwrap();
            assert_eq!(shell_in.recv().await.unwrap().unwrap().into_bytes(), "k");
            shell_out.send(Bytes::from_static(b"k")).await.unwrap();
            assert_eq!(screen.recv().await.unwrap().unwrap().into_bytes(), "k");
        }
    };

    tokio::time::timeout(Duration::from_secs(2), unaffected).await.expect("the stalled uploads hold the others up");
    assert!(taken.load(Ordering::SeqCst) <= 50 * (window(preference) + 16 * 1024));
    for (upload, ..) in stalled {
        upload.abort();
    }
}

async fn fifty_stalled_downloads_delay_neither_control_nor_keystrokes(preference: Preference) {
    let world = World::new().await;
    let (client, server) = world.pair(preference).await;
    let ((mut keys, _screen), (_shell_out, mut shell_in)) = flow(&client, &server).await;
    let mut stalled = Vec::new();
    for _ in 0..50 {
        let (near, (mut back, there)) = flow(&client, &server).await;
        let download = tokio::spawn(async move {
            loop {
                back.send(Bytes::from_static(&[1; 16 * 1024])).await.unwrap();
            }
        });
        stalled.push((download, near, there));
    }

    let unaffected = async {
        for _ in 0..50 {
            control(&client, &server).await;
            keys.send(Bytes::from_static(b"k")).await.unwrap();
            assert_eq!(shell_in.recv().await.unwrap().unwrap().into_bytes(), "k");
        }
    };

    tokio::time::timeout(Duration::from_secs(5), unaffected).await.expect("the stalled downloads hold the others up");
    for (download, ..) in stalled {
        download.abort();
    }
}

async fn two_hundred_flows_open_at_once(preference: Preference) {
    many_flows_echo(preference, 200).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_flows_open_at_once() {
    many_flows_echo(Preference::QuicOnly, 1000).await;
}

/// All of them are open together before the first is closed.
async fn many_flows_echo(preference: Preference, count: usize) {
    let world = World::new().await;
    let (client, server) = world.pair(preference).await;
    let all_open = Arc::new(tokio::sync::Barrier::new(count));
    let serving = tokio::spawn(async move {
        while let Some(Exchange { request: Request::Tcp { pending, .. }, .. }) = server.connection.next_exchange().await
        {
            tokio::spawn(async move {
                let (mut back, mut there) = pending.accept(HeaderMap::new()).await.unwrap();
                while let Some(batch) = there.recv().await.unwrap() {
                    back.send(batch.into_bytes()).await.unwrap();
                }
                back.finish().await.unwrap();
            });
        }
    });

    let mut flows = Vec::new();
    for number in 0..count {
        let (client, all_open) = (client.clone(), Arc::clone(&all_open));
        flows.push(tokio::spawn(async move {
            let mut flow = client.open_tcp("files.test:443", HeaderMap::new()).await.unwrap();
            let text = Bytes::from(number.to_string());
            flow.send.send(text.clone()).await.unwrap();
            let (_, mut recv) = flow.response.ready().await.unwrap();
            assert_eq!(recv.recv().await.unwrap().unwrap().into_bytes(), text);
            all_open.wait().await;
            flow.send.finish().await.unwrap();
            assert!(recv.recv().await.unwrap().is_none());
        }));
    }
    for flow in flows {
        flow.await.unwrap();
    }
    serving.abort();
}
