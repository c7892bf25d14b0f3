//! The agent: it runs on the user's computer, says truly what state that computer is in, and carries flows to the
//! gateway. It decides nothing.
//!
//! In the order in which data passes through the modules:
//!
//! - [`identity`] keeps who this computer is: names, certificates, the private key.
//! - [`platform`] asks the operating system; one module for each.
//! - [`posture`] collects the claims about this computer, watches them, and describes them to people.
//! - [`config`] is the one configuration file, [`limits`] every bound.
//! - [`route`] says where a target goes: through the tunnel, straight out, nowhere.
//! - [`session`] keeps one attested tunnel for everything.
//! - [`message`] holds the agent's sentences, Japanese and English.
//! - [`clock`] is the one place that reads the wall clock.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic))]

pub mod clock;
pub mod config;
pub mod identity;
pub mod limits;
pub mod message;
pub mod platform;
pub mod posture;
pub mod route;
pub mod session;
