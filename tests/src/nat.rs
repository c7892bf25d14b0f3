//! A device's way to the gateway that can be moved: datagrams go out from one address, then from another, as when a PC
//! leaves one network for the next with its tunnel open.

use std::net::{IpAddr, SocketAddr};

use tokio::net::UdpSocket;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// The way. It ends with its handle.
#[derive(Debug)]
pub struct Nat {
    /// Where the device sends to.
    pub address: SocketAddr,
    source: watch::Sender<IpAddr>,
    task: JoinHandle<()>,
}

impl Drop for Nat {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Nat {
    /// A way to `gateway` on which everything comes from `source`.
    ///
    /// # Panics
    /// If a port cannot be had.
    pub async fn new(gateway: SocketAddr, source: IpAddr) -> Self {
        let inside = UdpSocket::bind("127.0.0.1:0").await.expect("binds");
        let address = inside.local_addr().expect("bound");
        let (sender, mut sources) = watch::channel(source);
        let mut outside = UdpSocket::bind((source, 0)).await.expect("binds");
        let task = tokio::spawn(async move {
            let mut device = None;
            let (mut up, mut down) = (vec![0; 65_536], vec![0; 65_536]);
            loop {
                tokio::select! {
                    received = inside.recv_from(&mut up) => if let Ok((length, from)) = received {
                        device = Some(from);
                        let _lost = outside.send_to(&up[..length], gateway).await;
                    },
                    received = outside.recv_from(&mut down) => if let (Ok((length, _)), Some(device)) = (received, device) {
                        let _lost = inside.send_to(&down[..length], device).await;
                    },
                    changed = sources.changed() => {
                        if changed.is_err() {
                            return;
                        }
                        let source = *sources.borrow_and_update();
                        outside = UdpSocket::bind((source, 0)).await.expect("binds");
                    }
                }
            }
        });
        Self { address, source: sender, task }
    }

    /// From now on everything comes from this address.
    pub fn move_to(&self, source: IpAddr) {
        self.source.send_replace(source);
    }
}
