//! A dialer and a listener of ours on loopback: real sockets, real TLS.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs, unreachable_pub)]

mod world;

mod tcp;
