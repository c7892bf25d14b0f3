//! Streams of one connection share what may be under way on it.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

const BULK_STREAMS: usize = 8;
const CHUNK: usize = 16 * 1024;

/// Two chunks fit, so that most streams wait.
fn little_room() -> TransportConfig {
    let mut transport = TransportConfig::default();
    transport.send_window(2 * CHUNK as u64);
    transport
}

#[tokio::test]
async fn streams_that_wait_for_room_get_it_by_turns() {
    let Pair { client, server, .. } = &Pair::with(little_room()).await;
    tokio::spawn(discard(client.clone()));
    let bulk = Bulk::start(server).await;

    bulk.writes(1000).await;

    let each: Vec<usize> = bulk.writes.iter().map(|writes| writes.load(Ordering::Relaxed)).collect();
    let (least, most) = (each.iter().min().unwrap(), each.iter().max().unwrap());
    assert!(most <= &(2 * least), "{each:?}");
}

#[tokio::test]
async fn an_octet_waits_for_no_more_than_one_write_of_each_other_stream() {
    let Pair { client, server, .. } = &Pair::with(little_room()).await;
    tokio::spawn(discard(client.clone()));
    let mut typed = server.open_uni().await.unwrap();
    typed.write_chunk(octets(1)).await.unwrap();
    let bulk = Bulk::start(server).await;

    // A task of its own, as bulk has: the test's own future is polled when it suits the runtime.
    let typing = tokio::spawn(async move {
        let mut waited_for = Vec::new();
        for _ in 0..100 {
            bulk.writes(100).await;
            let before = bulk.count();
            typed.write_chunk(octets(1)).await.unwrap();
            waited_for.push(bulk.count() - before);
        }
        waited_for
    });

    let waited_for = typing.await.unwrap();
    assert!(waited_for.iter().all(|writes| *writes <= BULK_STREAMS), "{waited_for:?}");
}

/// Streams that write without an end, and how often each of them did.
struct Bulk {
    writes: Vec<Arc<AtomicUsize>>,
}

impl Bulk {
    async fn start(connection: &Connection) -> Self {
        let mut bulk = Self { writes: Vec::new() };
        let piece = octets(CHUNK);
        for _ in 0..BULK_STREAMS {
            let piece = piece.clone();
            let (mut send, writes) = (connection.open_uni().await.unwrap(), Arc::<AtomicUsize>::default());
            bulk.writes.push(Arc::clone(&writes));
            tokio::spawn(async move {
                loop {
                    let mut chunks = [piece.clone()];
                    while !chunks[0].is_empty() {
                        if send.write_chunks(&mut chunks).await.is_err() {
                            return;
                        }
                        writes.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
        bulk
    }

    fn count(&self) -> usize {
        self.writes.iter().map(|writes| writes.load(Ordering::Relaxed)).sum()
    }

    /// Completes after so many more.
    async fn writes(&self, more: usize) {
        let goal = self.count() + more;
        while self.count() < goal {
            tokio::task::yield_now().await;
        }
    }
}

/// Reads all streams of a connection.
async fn discard(connection: Connection) {
    while let Ok(mut recv) = connection.accept_uni().await {
        tokio::spawn(async move { while let Ok(Some(_)) = recv.read_chunk(usize::MAX).await {} });
    }
}
