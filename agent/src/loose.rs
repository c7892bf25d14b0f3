//! Why a file or folder that is its owner's alone is refused.

use std::io;
use std::path::PathBuf;

/// What is wrong with it, and what mends it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Loose {
    /// It is a symbolic link, and somebody else may decide what it leads to.
    #[error("`{}` is a symbolic link; put the file itself there", .0.display())]
    Link(PathBuf),
    /// It belongs to another user.
    #[error("`{0}` belongs to user {owner}; run: chown {own} '{0}'", path.display())]
    Owner {
        /// Which.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
        /// Whose it should be.
        own: u32,
    },
    /// Others may read or write it.
    #[error("`{0}` is open to other users (mode {mode:o}); run: chmod {tight} '{0}'", path.display())]
    Open {
        /// Which.
        path: PathBuf,
        /// Its mode.
        mode: u32,
        /// The mode that it should have, as `chmod` takes it.
        tight: &'static str,
    },
    /// It does not lie where the system keeps others out.
    #[error("`{}` may be open to other users; keep it below your own profile", .0.display())]
    Elsewhere(PathBuf),
}

impl From<Loose> for io::Error {
    fn from(loose: Loose) -> Self {
        Self::new(io::ErrorKind::PermissionDenied, loose)
    }
}
