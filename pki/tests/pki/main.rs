//! Everything that the crate promises, from outside.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod attesting;
mod enrolling;
mod forge;
mod handshakes;
mod issuing;
mod keys;
mod limbo;
mod lists;
mod openssl;
mod requests;
mod robustness;
mod verifying;
mod world;
