//! Moves octets between a socket and a flow, for both programs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::net::{TcpStream, UdpSocket};
use tokio_util::sync::CancellationToken;

use crate::datagram::UdpFlow;
use crate::fault::{FlowError, ResetReason};
use crate::flow::{FlowRecv, FlowSend};

/// Live counters of a relay; clones share them.
#[derive(Clone, Debug, Default)]
pub struct Counters(Arc<[AtomicU64; 2]>);

impl Counters {
    /// Octets that went from the socket into the tunnel.
    #[must_use]
    pub fn to_tunnel(&self) -> u64 {
        let [to_tunnel, _] = &*self.0;
        to_tunnel.load(Ordering::Relaxed)
    }

    /// Octets that went from the tunnel to the socket.
    #[must_use]
    pub fn to_socket(&self) -> u64 {
        let [_, to_socket] = &*self.0;
        to_socket.load(Ordering::Relaxed)
    }
}

/// What a relay did.
#[derive(Clone, Debug)]
pub struct RelayOutcome {
    /// Octets from the socket into the tunnel.
    pub to_tunnel: u64,
    /// Octets from the tunnel to the socket.
    pub to_socket: u64,
    /// Why it ended.
    pub end: RelayEnd,
}

/// Why a relay ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RelayEnd {
    /// Both directions ended in order.
    Finished,
    /// The socket's peer reset it or it failed; the flow was reset.
    ResetBySocket,
    /// The tunnel's peer reset the flow; the socket was reset.
    ResetByPeer(ResetReason),
    /// The connection under the flow ended or the peer misbehaved; the socket was reset.
    Tunnel(FlowError),
    /// The cut token was cancelled; both sides were reset.
    Cut,
    /// Nothing passed for the idle time (UDP).
    Idle,
}

/// Relays a TCP flow until both directions have ended, one of them is reset, or `cut` is cancelled.
pub async fn tcp(
    _stream: TcpStream,
    _send: FlowSend,
    _recv: FlowRecv,
    _counters: Counters,
    _cut: CancellationToken,
) -> RelayOutcome {
    RelayOutcome { to_tunnel: 0, to_socket: 0, end: RelayEnd::Cut }
}

/// Relays a UDP flow over a connected socket until either side ends, nothing passes for `idle`, or `cut` is cancelled.
pub async fn udp(
    _socket: UdpSocket,
    _flow: UdpFlow,
    _counters: Counters,
    _cut: CancellationToken,
    _idle: Duration,
) -> RelayOutcome {
    RelayOutcome { to_tunnel: 0, to_socket: 0, end: RelayEnd::Cut }
}
