//! Many connections on one worker.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::watch;

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_hundred_connections_echo_at_once_and_none_is_left_behind() {
    const ROUNDS: usize = 40;
    let (taker, dialler) = (Server::new(TransportConfig::default()), dialler());
    let clients = connections(&taker, &dialler, 500).await;
    let done: Arc<Vec<AtomicUsize>> = Arc::new(clients.iter().map(|_| AtomicUsize::new(0)).collect());

    let echoes: Vec<_> = clients
        .into_iter()
        .enumerate()
        .map(|(number, client)| {
            let done = Arc::clone(&done);
            tokio::spawn(async move {
                let (mut send, mut recv) = client.open_bi().await.unwrap();
                for _ in 0..ROUNDS {
                    send.write_chunk(octets(100)).await.unwrap();
                    read_exactly(&mut recv, 100).await;
                    done[number].fetch_add(1, Ordering::Relaxed);
                }
                // How far the slowest was when this one was done.
                done.iter().map(|done| done.load(Ordering::Relaxed)).min().unwrap()
            })
        })
        .collect();
    let mut slowest = ROUNDS;
    for echo in echoes {
        slowest = slowest.min(echo.await.unwrap());
    }

    assert!(slowest > 0, "somebody was done before another one had his first turn");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_go_on_while_one_sends_all_it_can() {
    let (taker, dialler) = (Server::new(TransportConfig::default()), dialler());
    let mut clients = connections(&taker, &dialler, 21).await;
    let (flooder, (stop, stopped)) = (clients.pop().unwrap(), watch::channel(false));
    let flood = tokio::spawn(async move {
        let (mut send, mut recv) = flooder.open_bi().await.unwrap();
        let piece = octets(1 << 20);
        let write = async {
            let mut pieces = 0;
            while !*stopped.borrow() {
                send.write_chunk(piece.clone()).await.unwrap();
                pieces += 1;
            }
            send.finish().unwrap();
            pieces << 20
        };
        let read = async {
            let mut came = 0;
            while let Some(piece) = recv.read_chunk(usize::MAX).await.unwrap() {
                came += piece.len();
            }
            came
        };
        tokio::join!(write, read)
    });

    let echoes: Vec<_> = clients
        .into_iter()
        .map(|client| {
            tokio::spawn(async move {
                let (mut send, mut recv) = client.open_bi().await.unwrap();
                for _ in 0..50 {
                    send.write_chunk(octets(100)).await.unwrap();
                    read_exactly(&mut recv, 100).await;
                }
            })
        })
        .collect();
    for echo in echoes {
        echo.await.unwrap();
    }
    stop.send(true).unwrap();

    let (sent, came): (usize, usize) = flood.await.unwrap();
    assert_eq!(sent, came);
}

#[tokio::test]
async fn connections_come_and_go_on_the_same_worker() {
    let (taker, dialler) = (Server::new(TransportConfig::default()), dialler());
    let stays = connections(&taker, &dialler, 1).await;
    for _ in 0..3 {
        let clients = connections(&taker, &dialler, 20).await;
        for client in &clients {
            echo_once(client).await;
        }
        drop(clients);
        // Their handles are free when the worker has forgotten them, which it does while this one goes on.
        echo_once(&stays[0]).await;
    }

    drop(stays);
    tokio::join!(dialler.wait_idle(), taker.endpoint.wait_idle());
}

/// So many connections, whose other ends echo.
async fn connections(taker: &Server, dialler: &Endpoint, count: usize) -> Vec<Connection> {
    let mut clients = Vec::new();
    for _ in 0..count {
        let (client, server) = taker.dialled_by(dialler).await;
        tokio::spawn(echo(server));
        clients.push(client);
    }
    clients
}

async fn echo_once(client: &Connection) {
    let (mut send, mut recv) = client.open_bi().await.unwrap();
    send.write_chunk(octets(100)).await.unwrap();
    send.finish().unwrap();
    assert_eq!(read_to_end(&mut recv).await.unwrap(), octets(100));
}

async fn read_exactly(recv: &mut RecvStream, mut octets: usize) {
    while octets > 0 {
        octets -= recv.read_chunk(octets).await.unwrap().unwrap().len();
    }
}
