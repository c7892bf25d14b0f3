//! Names: who is who, and who says so.
//!
//! Pure: nothing here reads a clock, a file or a network. The instant, the randomness and the signing key are passed
//! in. In the order in which a certificate lives:
//!
//! ```text
//!  offline root (P-384) ──> issuing CA ──> device, relay │ gateway │ staff     authority, profile, serial
//!                               │
//!  key ──> csr ── enrol ────────┘          the name comes from us, never from the request
//!                               │
//!  trust ──> path ──> peer ─────┴──> tls   what a handshake and `identify` believe
//!                      │
//!  revocation, crl ────┘                   what stops being believed
//!
//!  peer ──> attest                         what a believed device says about itself
//! ```
//!
//! - [`limits`] bounds everything that the network can grow.
//! - [`profile`] says what each kind of certificate may be and how long it lives.
//! - [`serial`] numbers certificates.
//! - [`key`] holds private keys, which are only ever used through [`key::Signer`].
//! - [`export`] is the only place that turns a private key into bytes without encrypting them.
//! - [`csr`] takes a request for a certificate and keeps nothing of it but the proven key.
//! - [`authority`] is the root, and the issuing authorities below it.
//! - [`rules`] is what our own certificates look like.
//! - [`path`] checks a path of certificates by RFC 5280, more strictly than rustls does.
//! - [`trust`] is one organisation's root.
//! - [`peer`] says who a peer is, or why it is nobody; `verdicts` keeps what a handshake has just found out for it.
//! - [`revocation`] is the list of what is believed no longer; [`crl`] is the same from outside.
//! - [`tls`] puts all that into rustls.
//! - [`enrol`] is the code that a person carries from the security office to a new PC.
//! - [`attest`] signs and checks what a device says about its own state.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic))]

pub mod attest;
pub mod authority;
mod certificate;
pub mod crl;
pub mod csr;
pub mod enrol;
pub mod export;
pub mod key;
pub mod limits;
pub mod path;
pub mod peer;
pub mod profile;
pub mod revocation;
pub mod rules;
pub mod serial;
mod signed;
mod signing;
mod spki;
pub mod tls;
pub mod trust;
mod verdicts;
