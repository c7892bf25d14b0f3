//! The agent against a gateway that the tests control, over real QUIC and TCP on loopback.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
#![allow(clippy::wildcard_enum_match_arm, reason = "each test waits for one kind of event")]
#![cfg(target_os = "linux")]

mod control;
mod enrol;
mod fronts;
mod session;
mod world;
