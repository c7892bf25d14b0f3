//! Clients that share no code with us, held against a real gateway process. What they may rely on is the RFCs.
//!
//! - `aioquic`: HTTP/3, well formed; `hostile`: malformed, and what the RFCs say to ignore.
//! - `node`: HTTP/2 with the `http2` module of Node.
//! - `curl`: an HTTPS proxy over HTTP/1.1 with the system's curl, and over HTTP/2 with the libcurl that `pycurl` brings,
//!   because curl speaks HTTP/2 to proxies only from 8.1 on and Debian has 7.88.
//! - `strangers`: whoever has no certificate of ours gets nothing, on each transport.
//!
//! `cargo xtask test --only interop` installs what they need.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

#[path = "interop_clients/aioquic.rs"]
mod aioquic;
#[path = "interop_clients/curl.rs"]
mod curl;
#[path = "interop_clients/hostile.rs"]
mod hostile;
#[path = "interop_clients/node.rs"]
mod node;
#[path = "interop_clients/setup.rs"]
mod setup;
#[path = "interop_clients/strangers.rs"]
mod strangers;
