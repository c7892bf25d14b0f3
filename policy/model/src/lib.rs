//! The values that every part of Hitotsu speaks about.
//!
//! Nothing here decides, reads a clock, opens a file or talks to a network: these are the nouns. In the order in
//! which data passes through them:
//!
//! - [`ids`] names things: organisations, devices, people, resources, sessions, flows.
//! - [`time`] is the instant that the shell passes in; no pure code reads a clock.
//! - [`identity`] says what a certificate claims to be.
//! - [`posture`] says what state a device reports, from which source, observed when.
//! - [`resource`] says what a flow wants to reach.
//! - [`code`] is the closed list of reasons for a refusal, each with a 6-digit number.
//! - [`control`] is what agent and gateway say to each other as JSON.
//! - [`audit`] is what the audit log records.
//! - [`message`] turns codes into sentences, Japanese and English; [`html`] makes them safe in pages.

pub mod audit;
pub mod code;
pub mod control;
pub mod html;
pub mod identity;
pub mod ids;
pub mod message;
pub mod posture;
pub mod resource;
pub mod time;
