//! Files that only their owner may read: those below the user's own profile, which Windows closes to other users.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::loose::Loose;

/// Where the agent keeps its state unless told otherwise: `hitotsu` below `%LOCALAPPDATA%`.
///
/// # Errors
/// The variable is not set.
pub fn state_directory() -> io::Result<PathBuf> {
    let local = std::env::var_os("LOCALAPPDATA").map(PathBuf::from).filter(|path| path.is_absolute());
    local
        .map(|local| local.join("hitotsu"))
        .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "`LOCALAPPDATA` is not set; name the state directory"))
}

/// Creates `path` with `bytes` in one step: others see the whole file or none. An existing file is replaced; a missing
/// directory is created. It is as private as its directory, which [`check_private`] looks at.
///
/// # Errors
/// The directory cannot be written.
pub fn create_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(directory)?;
    let mut name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let fresh = directory.join(name);
    let written = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .open(&fresh)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&fresh, path));
    if written.is_err() {
        drop(fs::remove_file(&fresh));
    }
    written
}

/// Refuses a file or directory that is not below the user's profile.
///
/// # Errors
/// The message says where to put it.
pub fn check_private(path: &Path) -> io::Result<()> {
    let real = fs::canonicalize(path)?;
    let profile = std::env::var_os("USERPROFILE").map(PathBuf::from).and_then(|path| fs::canonicalize(path).ok());
    if profile.is_some_and(|profile| real.starts_with(profile)) {
        return Ok(());
    }
    Err(Loose::Elsewhere(path.to_owned()).into())
}
