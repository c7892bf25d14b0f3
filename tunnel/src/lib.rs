//! The tunnel: bytes between an agent and a gateway, over HTTP/3, HTTP/2 or HTTP/1.1.
//!
//! It knows nothing about people, devices or rules. Who a peer is (`hitotsu-pki`) and what it may do (`hitotsu-policy`)
//! is decided by the programs that use it. It is the only user of h2 and of our QUIC.
//!
//! Modules are listed in the order in which data passes through them:
//!
//! ```text
//!        agent                                                          gateway
//!
//!       dialer   QUIC, else HTTP/2 over TCP  ~~ TLS 1.3, mutual ~~       listener   UDP and TCP on one port, ALPN
//!          |                                    (crypto)                    |   (door)
//!       client   open_tcp, open_udp, request                             server     exchanges: accept, refuse, respond
//!          |                                                                |
//!          |     h3   QUIC: DATA frames, datagrams, SETTINGS , GOAWAY       |
//!          +---- h2   h2                                                ----+
//!          |     h1   one flow per connection (gateway only)                |
//!          |                                                                |
//!        flow    octets, FIN and reset both ways                          flow
//!      datagram  UDP payloads, as QUIC datagrams or capsules            datagram
//!          |                                                                |
//!        relay   a socket on the other side, cut at once when asked       relay
//! ```
//!
//! Three rules hold everywhere: a connection window is never smaller than all its stream windows together, so that
//! stalled flows cannot freeze the others; nothing is read from a connection before somebody has room for it; and a FIN
//! is a FIN, a reset is a reset, whatever carries them. What went wrong is said in [`fault`], by who has to act.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic))]

pub mod limits;

pub mod congestion;
pub mod crypto;
mod endpoint;

pub mod dialer;
pub mod door;
pub mod listener;

pub mod client;
pub mod server;

mod h1;
mod h2;
mod h3;
mod link;
mod message;
mod task;

pub mod datagram;
pub mod flow;
pub mod gate;

pub mod relay;

pub mod fault;
