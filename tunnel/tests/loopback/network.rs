//! A UDP network between a dialer and a listener: a NAT that can be watched, slowed down and rebound.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;

type Entrance = mpsc::UnboundedSender<(Vec<u8>, SocketAddr)>;

/// Forwards datagrams of one client to a gateway and back.
pub struct Nat {
    pub address: SocketAddr,
    /// First octets of what the gateway sent.
    pub from_gateway: Arc<Mutex<Vec<u8>>>,
    outside: Arc<Mutex<Entrance>>,
    gateway: SocketAddr,
    client: Arc<Mutex<Option<SocketAddr>>>,
    inside: Arc<UdpSocket>,
    delay: Duration,
    /// Longer datagrams are lost, both ways.
    width: Arc<AtomicUsize>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

impl Nat {
    /// `delay` is added to each datagram each way.
    pub async fn before(gateway: SocketAddr, delay: Duration) -> Self {
        let inside = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
        let outside = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
        let (entrance, task) = wire(Arc::clone(&outside), delay);
        let nat = Self {
            address: inside.local_addr().unwrap(),
            from_gateway: Arc::default(),
            outside: Arc::new(Mutex::new(entrance)),
            gateway,
            client: Arc::default(),
            inside: Arc::clone(&inside),
            delay,
            width: Arc::new(AtomicUsize::new(usize::MAX)),
            tasks: Mutex::new(vec![task]),
        };
        nat.spawn_downward(outside);
        let (mapping, client, width) = (Arc::clone(&nat.outside), Arc::clone(&nat.client), Arc::clone(&nat.width));
        nat.tasks.lock().unwrap().push(tokio::spawn(async move {
            let mut buffer = vec![0; 65_536];
            loop {
                let (count, from) = inside.recv_from(&mut buffer).await.unwrap();
                *client.lock().unwrap() = Some(from);
                if count > width.load(Ordering::SeqCst) {
                    continue;
                }
                let _ = mapping.lock().unwrap().send((buffer[..count].to_vec(), gateway));
            }
        }));
        nat
    }

    /// The mapping is lost: what the client sends from now on comes from another port.
    pub async fn rebind(&self) -> SocketAddr {
        let outside = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
        let address = outside.local_addr().unwrap();
        let (entrance, task) = wire(Arc::clone(&outside), self.delay);
        *self.outside.lock().unwrap() = entrance;
        self.tasks.lock().unwrap().push(task);
        self.spawn_downward(outside);
        address
    }

    /// From now on longer datagrams are lost.
    pub fn narrow_to(&self, octets: usize) {
        self.width.store(octets, Ordering::SeqCst);
    }

    fn spawn_downward(&self, outside: Arc<UdpSocket>) {
        let (inside, client, seen) =
            (Arc::clone(&self.inside), Arc::clone(&self.client), Arc::clone(&self.from_gateway));
        let (gateway, width) = (self.gateway, Arc::clone(&self.width));
        let (entrance, task) = wire(inside, self.delay);
        self.tasks.lock().unwrap().push(task);
        self.tasks.lock().unwrap().push(tokio::spawn(async move {
            let mut buffer = vec![0; 65_536];
            loop {
                let (count, from) = outside.recv_from(&mut buffer).await.unwrap();
                assert_eq!(from, gateway);
                seen.lock().unwrap().push(buffer[0]);
                if count > width.load(Ordering::SeqCst) {
                    continue;
                }
                let to = client.lock().unwrap().unwrap();
                let _ = entrance.send((buffer[..count].to_vec(), to));
            }
        }));
    }
}

impl Drop for Nat {
    fn drop(&mut self) {
        for task in self.tasks.lock().unwrap().drain(..) {
            task.abort();
        }
    }
}

/// A wire of a length: first in, first out.
fn wire(socket: Arc<UdpSocket>, delay: Duration) -> (Entrance, JoinHandle<()>) {
    let (sender, mut receiver) = mpsc::unbounded_channel::<(Instant, (Vec<u8>, SocketAddr))>();
    let (entrance, mut entering) = mpsc::unbounded_channel();
    let task = tokio::spawn(async move {
        let enter = async {
            while let Some(datagram) = entering.recv().await {
                sender.send((Instant::now() + delay, datagram)).unwrap();
            }
        };
        let leave = async {
            while let Some((arrival, (datagram, to))) = receiver.recv().await {
                // The time that light needs.
                let _ = tokio::time::timeout_at(arrival, std::future::pending::<()>()).await;
                let _ = socket.send_to(&datagram, to).await;
            }
        };
        tokio::join!(enter, leave);
    });
    (entrance, task)
}
