//! The target of a CONNECT-UDP request in its path (RFC 9298 §3), by the default template
//! `/.well-known/masque/udp/{target_host}/{target_port}/`.

use crate::error::Error;
use crate::fields::Ascii;
use crate::head::Authority;

/// `:protocol` of CONNECT-UDP.
pub const CONNECT_UDP: &str = "connect-udp";

/// The target in a path; `None` when the path is not of the template at all.
///
/// # Errors
/// [`Error::Message`] when it is of the template and host or port are malformed.
pub fn udp_target(path: &str) -> Result<Option<Authority>, Error> {
    let _ = path;
    Ok(None)
}

/// The path for a target.
#[must_use]
pub fn udp_path(target: &Authority) -> Ascii {
    let _ = target;
    Ascii::fixed("/")
}
