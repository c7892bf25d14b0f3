//! The agent: it runs on the user's computer, says truly what state that computer is in, and carries flows to the
//! gateway. It decides nothing.
//!
//! In the order in which data passes through the modules:
//!
//! - [`identity`] keeps who this computer is: names, certificates, the private key.
//! - [`platform`] asks the operating system; one module for each.
//! - [`posture`] collects the claims about this computer, watches them, and describes them to people.
//! - [`capture`] takes flows from applications: SOCKS5, HTTP proxy, port forwards.
//! - [`loose`] says why a file that is its owner's alone is refused.
//! - [`config`] is the one configuration file, [`limits`] every bound.
//! - [`route`] says where a target goes: through the tunnel, straight out, nowhere.
//! - [`session`] keeps one attested tunnel for everything.
//! - [`message`] holds the agent's sentences, Japanese and English.
//! - [`enrol`] turns a code into an identity; [`run`] puts the running agent together.
//! - [`control`] is how commands talk to the running agent; [`cli`] is the commands, [`logs`] the log file.
//! - [`process`] is how this process is asked to stop.
//! - [`clock`] is the one place that reads the wall clock.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic))]

pub mod capture;
pub mod cli;
pub mod clock;
pub mod config;
pub mod control;
pub mod enrol;
pub mod identity;
pub mod limits;
pub mod logs;
pub mod loose;
pub mod message;
pub mod platform;
pub mod posture;
pub mod process;
pub mod route;
pub mod run;
pub mod session;
