//! Moves octets between a socket and a flow, for both programs.

mod activity;
mod tcp;
mod udp;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

pub use self::activity::Activity;
pub use self::tcp::tcp;
pub use self::udp::udp;
use crate::fault::{FlowError, ResetReason};

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

impl Counters {
    fn outcome(&self, end: RelayEnd) -> RelayOutcome {
        RelayOutcome { to_tunnel: self.to_tunnel(), to_socket: self.to_socket(), end }
    }

    fn add_to_tunnel(&self, octets: usize) {
        let [to_tunnel, _] = &*self.0;
        to_tunnel.fetch_add(octets as u64, Ordering::Relaxed);
    }

    fn add_to_socket(&self, octets: usize) {
        let [_, to_socket] = &*self.0;
        to_socket.fetch_add(octets as u64, Ordering::Relaxed);
    }
}

impl RelayEnd {
    fn of(error: FlowError) -> Self {
        match error {
            FlowError::Reset(reason) => Self::ResetByPeer(reason),
            error @ (FlowError::PeerMisbehaved(_)
            | FlowError::OverLimit(_)
            | FlowError::Connection(_)
            | FlowError::Finished) => Self::Tunnel(error),
        }
    }

    /// What the flow's peer is told.
    fn reason(&self) -> ResetReason {
        match self {
            Self::ResetBySocket => ResetReason::Connect,
            Self::ResetByPeer(reason) => *reason,
            Self::Tunnel(error) => error.reason(),
            Self::Finished | Self::Cut | Self::Idle => ResetReason::Cancelled,
        }
    }
}
