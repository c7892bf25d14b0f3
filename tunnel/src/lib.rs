//! The tunnel: bytes between an agent and a gateway, over HTTP/3, HTTP/2 or HTTP/1.1.
//!
//! It knows nothing about people, devices or rules. Who a peer is (`hitotsu-pki`) and what it may do (`hitotsu-policy`)
//! is decided by the programs that use it. It is the only user of quinn and h2.
//!
//! Modules are listed in the order in which data passes through them:
//!
//! ```text
//!  agent                                                                gateway
//!  relay -> flow, datagram -> client <- dialer ~~ TLS 1.3 ~~ listener -> server -> flow, datagram -> relay
//! ```
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic))]

pub mod limits;

pub mod crypto;
mod endpoint;

pub mod dialer;
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

pub mod relay;

pub mod fault;
