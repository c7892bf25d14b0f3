//! How this process is asked to stop, and where it keeps things.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
pub use unix::{create_private_directory, terminated};
#[cfg(windows)]
pub use windows::{create_private_directory, terminated};
