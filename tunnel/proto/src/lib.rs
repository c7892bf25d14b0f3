//! The bytes of the tunnel: HTTP/3, QPACK, capsules, datagrams and HTTP/1.1 heads.
//!
//! Pure: bytes in, values out. Nothing here opens a socket, waits, reads a clock or draws a random number. A chunk of a
//! stream is a `Bytes`; readers take octets from its front, keep what is incomplete (bounded by [`limits`]) and return
//! the next whole thing. How the octets were cut into chunks changes no result.
//!
//! ```text
//!  unidirectional stream            request stream                       QUIC datagram      TCP (HTTP/1.1)
//!         |                               |                                    |                  |
//!     [`stream`] what is it?          [`frame`] HEADERS | DATA                 |                [`h1`]
//!         |                               |          |                         |                  |
//!     [`control`] SETTINGS, GOAWAY    [`qpack`]      |                         |                  |
//!         |                               |          |                         |                  |
//!     [`settings`]                    [`fields`]     +--> [`capsule`] -+   [`datagram`]           |
//!                                         |          |                 |       |                  |
//!                                     [`head`] <-----|-----------------|-------|------------------+
//!                                      |      |      |                 +---+---+
//!                                 [`masque`]  |   octets of TCP            |
//!                                      |  [`proxy_status`]            UDP payload
//!                                 UDP target  |
//!                                          why not
//! ```
//!
//! What a peer did wrong is an [`error::Error`], with the code of the RFCs and whether it ends the stream or the
//! connection. In the order of the path:

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic))]

pub mod limits;
pub mod varint;

pub mod stream;

pub mod control;
pub mod settings;

pub mod frame;

pub mod qpack;

pub mod fields;
mod sf;

pub mod head;
pub mod masque;

pub mod capsule;
pub mod datagram;

pub mod proxy_status;

pub mod h1;

pub mod error;

#[cfg(any(test, feature = "fuzz"))]
pub mod fuzz;
