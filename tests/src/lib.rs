//! The world that system tests run in: a real gateway process with a fresh organisation, real internal systems on
//! loopback, and devices that tests drive themselves, honest or not.
//!
//! - [`process`] starts programs and ends them by their id, whatever happens.
//! - [`bundle`] writes the policy bundle of the tests.
//! - [`systems`] are small internal systems: echo over TCP and UDP, a source that never ends, a port that refuses.
//! - [`world`] puts an organisation and its gateway together.
//! - [`relay`] is a client without our agent: files that other programs read.
//! - [`fleet`] are thousands of devices that are on record already.
//! - [`device`] is a device without our agent: it enrols, dials, attests and says what a test wants it to say.
//! - [`agent`] is our own agent as a process, with its SOCKS5 and HTTP fronts.
//! - [`link`] is a line between two hosts, as bad as one likes.
//! - [`nat`] lies between a device and the gateway, and moves.
//! - [`load`] is work for two hosts with a tunnel between them.
//! - [`mod@bench`] measures with all of these.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

pub mod agent;
pub mod bench;
pub mod bundle;
pub mod device;
pub mod fleet;
pub mod link;
pub mod load;
pub mod nat;
pub mod process;
pub mod relay;
pub mod systems;
pub mod world;
