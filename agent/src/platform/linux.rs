//! Linux: files under `/proc`, `/sys`, `/etc` and `/var`, netlink, and few commands whose output is not localised.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::posture::Collector;

/// The collectors of this platform, in the order of the claims. `state` is the agent's state directory.
#[must_use]
pub fn collectors(state: &Path) -> Vec<Arc<dyn Collector>> {
    let _ = state;
    Vec::new()
}

/// Remembers the hash of the running program in `state`, for the claim `agent_intact`. Call it when the agent is
/// installed or enrolled.
///
/// # Errors
/// The program cannot be read or the file cannot be written.
pub fn record_own_program(state: &Path) -> io::Result<()> {
    let _ = state;
    Ok(())
}

/// The user id that owns the other end of a TCP connection on loopback.
///
/// `local` is our end, `peer` the other. Fails closed: no answer, several answers or an answer about another socket is
/// an error.
///
/// # Errors
/// The kernel does not know such a connection, or could not be asked.
pub fn peer_uid(local: SocketAddr, peer: SocketAddr) -> io::Result<u32> {
    Err(io::Error::new(io::ErrorKind::Unsupported, format!("not written yet: {local} {peer}")))
}

/// The user id that this process acts as.
#[must_use]
pub fn user_id() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// Where the agent keeps its state unless told otherwise: `/var/lib/hitotsu` for root, else below
/// `$XDG_STATE_HOME` (XDG Base Directory Specification), which is `~/.local/state` by default.
///
/// # Errors
/// Neither variable nor home directory is known.
pub fn state_directory() -> io::Result<PathBuf> {
    if rustix::process::geteuid().is_root() {
        return Ok(PathBuf::from("/var/lib/hitotsu"));
    }
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    absolute("XDG_STATE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".local/state")))
        .map(|base| base.join("hitotsu"))
        .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "`HOME` is not set; name the state directory"))
}

/// Creates `path` with `bytes`, readable and writable by its owner only, in one step: others see the whole file or
/// none. An existing file is replaced.
///
/// # Errors
/// The directory cannot be written.
pub fn create_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let _ = (path, bytes);
    Err(io::Error::new(io::ErrorKind::Unsupported, "not written yet"))
}

/// Refuses a file or directory that others than its owner may read or write, or that another user owns.
///
/// # Errors
/// The message says what is loose and which command mends it.
pub fn check_private(path: &Path) -> io::Result<()> {
    let _ = path;
    Ok(())
}
