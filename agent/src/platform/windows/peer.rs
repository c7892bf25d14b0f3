//! Who is at the other end of a connection on loopback: not known here yet, so nobody is let in.

use std::io;
use std::net::SocketAddr;

/// A number that no peer has, so that a comparison with it never lets anybody in.
#[must_use]
pub fn own_user_id() -> u32 {
    u32::MAX
}

/// Always an error: the owner of a connection cannot be told.
///
/// # Errors
/// [`io::ErrorKind::Unsupported`].
pub fn peer_uid(_local: SocketAddr, _peer: SocketAddr) -> io::Result<u32> {
    Err(unsupported())
}

/// Always an error: the sender of a datagram cannot be told.
///
/// # Errors
/// [`io::ErrorKind::Unsupported`].
pub fn udp_peer_uid(_local: SocketAddr, _peer: SocketAddr) -> io::Result<u32> {
    Err(unsupported())
}

fn unsupported() -> io::Error {
    let why = "this version cannot tell on Windows which user a local connection belongs to, so it accepts none";
    io::Error::new(io::ErrorKind::Unsupported, why)
}
