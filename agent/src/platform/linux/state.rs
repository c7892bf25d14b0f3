//! Where the agent keeps its state.

use std::io;
use std::path::PathBuf;

/// The agent's state directory unless it is told otherwise: `/var/lib/hitotsu` for root, else `hitotsu` below
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
