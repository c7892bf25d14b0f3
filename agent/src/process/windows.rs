//! Windows: console events, and the access list that a user's own folder has already.

use std::io;
use std::path::Path;

/// Completes when the system asks this process to stop (the console closes, or the machine shuts down). Never when it
/// cannot be told.
pub async fn terminated() {
    let (Ok(mut close), Ok(mut shutdown)) =
        (tokio::signal::windows::ctrl_close(), tokio::signal::windows::ctrl_shutdown())
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = close.recv() => {}
        _ = shutdown.recv() => {}
    }
}

/// Creates a directory, and those above it. Below a user's profile it inherits an access list that names that user.
///
/// # Errors
/// The system refuses.
pub fn create_private_directory(path: &Path) -> io::Result<()> {
    std::fs::create_dir_all(path)
}
