//! The two ways to a system that are compared: through the tunnel, and by a socket of our own.

use std::net::SocketAddr;

use bytes::Bytes;
use hitotsu_tunnel::flow::{FlowRecv, FlowSend};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::device::Connected;

/// Octets that are read from a socket at a time.
const READ_OCTETS: usize = 256 * 1024;

/// Where a pipe leads and by which way.
#[derive(Debug, Clone, Copy)]
pub enum Way<'c> {
    /// A socket straight to the system.
    Direct(SocketAddr),
    /// A flow of this tunnel to the system of this name.
    Tunnel(&'c Connected, &'c str),
}

/// A byte stream to a system.
#[derive(Debug)]
pub enum Pipe {
    /// A socket, and room for what is read.
    Direct(TcpStream, Vec<u8>),
    /// A flow.
    Tunnel(Box<(FlowSend, FlowRecv)>),
}

impl Pipe {
    /// Connects, and waits until the system is connected.
    ///
    /// # Panics
    /// If it is not.
    pub async fn open(way: Way<'_>) -> Self {
        match way {
            Way::Direct(address) => {
                let stream = TcpStream::connect(address).await.expect("connects");
                stream.set_nodelay(true).expect("a socket");
                Self::Direct(stream, vec![0; READ_OCTETS])
            }
            Way::Tunnel(connected, authority) => {
                let (send, recv) = connected.open(authority).await.unwrap_or_else(|problem| panic!("{problem:?}"));
                Self::Tunnel(Box::new((send, recv)))
            }
        }
    }

    /// Sends octets.
    ///
    /// # Panics
    /// If the stream has ended.
    pub async fn send(&mut self, octets: Bytes) {
        match self {
            Self::Direct(stream, _) => stream.write_all(&octets).await.expect("sent"),
            Self::Tunnel(flow) => flow.0.send(octets).await.expect("sent"),
        }
    }

    /// Says that nothing more is sent.
    ///
    /// # Panics
    /// If the stream has ended.
    pub async fn finish(&mut self) {
        match self {
            Self::Direct(stream, _) => stream.shutdown().await.expect("ended"),
            Self::Tunnel(flow) => flow.0.finish().await.expect("ended"),
        }
    }

    /// Receives what is there, and says how much; 0 at the end.
    ///
    /// # Panics
    /// If the stream is reset.
    pub async fn receive(&mut self) -> usize {
        match self {
            Self::Direct(stream, buffer) => stream.read(buffer).await.expect("received"),
            Self::Tunnel(flow) => flow.1.recv().await.expect("received").map_or(0, |batch| batch.len()),
        }
    }

    /// Receives to the end, and says how much it was.
    ///
    /// # Panics
    /// If the stream is reset.
    pub async fn receive_to_end(&mut self) -> u64 {
        let mut octets = 0;
        loop {
            match self.receive().await {
                0 => return octets,
                more => octets += more as u64,
            }
        }
    }

    /// Sends octets and waits until as many have come back.
    ///
    /// # Panics
    /// If the stream ends before.
    pub async fn echo(&mut self, octets: &Bytes) {
        self.send(octets.clone()).await;
        let mut missing = octets.len();
        while missing > 0 {
            let came = self.receive().await;
            assert!(came > 0, "the echo ended early");
            missing -= came.min(missing);
        }
    }
}
