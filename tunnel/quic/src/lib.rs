//! QUIC connections and streams for many peers on one socket: quinn-proto decides what QUIC says, one task per socket
//! carries it.
//!
//! ```text
//!   socket ── receives ──► worker ── events ──► connections ── wakes ──► streams, datagrams, acceptors
//!     ▲                      │  ▲                                             │
//!     └──────── sends ───────┘  └──────────────── "there is something" ◄──────┘
//! ```
//!
//! - [`endpoint`] is a socket with its worker: what comes in, what is dialled.
//! - [`mod@worker`] moves packets and fires timers for all connections of the socket, with one buffer to send from.
//! - [`steering`] is for several workers behind one address, each on a thread of its own.
//! - [`mod@connection`] is one connection, [`mod@send`] and [`mod@recv`] are the halves of its streams.
//!
//! A connection has neither a task nor a channel nor a buffer of its own, so an idle one costs little more than the state
//! that QUIC and TLS demand. See `docs/decisions/0011-own-quic-driver.md`.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic))]

mod buffers;
pub mod connection;
pub mod endpoint;
mod limits;
pub mod recv;
pub mod send;
mod socket;
pub mod steering;
mod timers;
mod wakers;
pub mod worker;

pub use connection::{Connection, SendDatagramError};
pub use endpoint::{Connecting, Endpoint, Incoming, RetryError};
pub use recv::{ReadError, RecvStream};
pub use send::{SendStream, StoppedError, WriteError};
pub use steering::Steering;

pub use quinn_proto::{
    ClientConfig, ClosedStream, ConnectError, ConnectionError, ConnectionId, ConnectionIdGenerator, ConnectionStats,
    EndpointConfig, IdleTimeout, InvalidCid, MtuDiscoveryConfig, RttEstimator, ServerConfig, StreamId, TransportConfig,
    TransportErrorCode, VarInt, Written, congestion, crypto,
};
