//! The gateway: the only program that knows bytes, names and rules at once. In the order in which data passes through:
//!
//! - [`config`] is the one configuration file.
//! - [`enrol`] lets a new machine in, once, by its code.
//! - [`audit`] writes down every decision before it takes effect.
//! - [`registry`] is what the gateway knows of devices and revocations, in memory.
//! - [`store`] keeps it in a database.
//! - [`issuer`] is the process that holds the issuing key.
//! - [`admin`] is the socket that commands speak to.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic))]

pub mod admin;
pub mod audit;
pub mod config;
pub mod enrol;
pub mod issuer;
pub mod registry;
pub mod store;
