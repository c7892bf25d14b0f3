//! Unix: signals and permission bits.

use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use tokio::signal::unix::{SignalKind, signal};

/// Completes when the system asks this process to stop (SIGTERM). Never when it cannot be told.
pub async fn terminated() {
    if let Ok(mut terminate) = signal(SignalKind::terminate())
        && terminate.recv().await.is_some()
    {
        return;
    }
    std::future::pending().await
}

/// Creates a directory, and those above it, that only its owner may enter.
///
/// # Errors
/// The system refuses.
pub fn create_private_directory(path: &Path) -> io::Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}
