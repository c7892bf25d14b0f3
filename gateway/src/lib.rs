//! The gateway: the only program that knows bytes, names and rules at once. In the order in which data passes through:
//!
//! ```text
//! serve: config -> credentials, audit, store, policy bundle -> gateway -> listener
//!   enrol     a machine that has nothing but its code -> issuer -> store -> audit
//!   session   handshaken -> admission::identify -> requests
//!     control   attest, notices, catalogue, why
//!     flow      admission: evidence -> name -> upstream::resolve -> admit (audit) -> upstream::connect -> relay
//!   watch     any change -> every live flow is decided again -> cut
//! ```
//!
//! - [`limits`] bounds everything that the network can grow.
//! - [`clock`] is the one place that reads the wall clock.
//! - [`config`] is the one configuration file.
//! - [`serve`] puts the parts together, serves, and drains.
//! - [`gateway`] is what all parts share; [`live`] are the sessions and flows of now.
//! - [`bundle_dir`] reads the policy bundle.
//! - [`enrol`] lets a new machine in, once, by its code.
//! - [`session`] is one connection of one device.
//! - [`control`] answers a device's questions; [`catalogue`] says what it may reach.
//! - [`admission`] decides, in proof types; [`denied`] is how a refusal is told.
//! - [`upstream`] resolves and connects; [`flow`] is the whole way of one flow.
//! - [`watch`] keeps decisions true.
//! - [`audit`] writes down every decision before it takes effect; [`records`] are those that nobody waits for.
//! - [`registry`] is what the gateway knows of devices and revocations, in memory.
//! - [`store`] keeps it in a database; [`revocation`] is in effect before it is written there.
//! - [`issuer`] is the process that holds the issuing key; [`authorities`] are all of them, as files.
//! - [`admin`] is what commands may ask; [`local`] is the socket that they speak to; [`operate`] is what they do with sessions and policy.
//! - [`metrics`] are figures and health; [`memory`] is given back at rest.
//! - [`init`] makes an organisation; [`cli`] are the commands, [`words`] what they say; [`files`] writes files whole or not at all.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic))]

pub mod admin;
pub mod admission;
pub mod audit;
pub mod authorities;
pub mod bundle_dir;
pub mod catalogue;
pub mod cli;
pub mod clock;
pub mod config;
pub mod control;
pub mod denied;
pub mod enrol;
pub mod files;
pub mod flow;
pub mod gateway;
pub mod init;
pub mod issuer;
pub mod limits;
pub mod live;
pub mod local;
pub mod memory;
pub mod metrics;
pub mod operate;
pub mod records;
pub mod registry;
pub mod revocation;
pub mod serve;
pub mod session;
pub mod store;
pub mod upstream;
pub mod watch;
pub mod words;
