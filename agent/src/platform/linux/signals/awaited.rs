//! Waiting on a descriptor with tokio.

use std::io;
use std::os::fd::AsRawFd;

use inotify::Inotify;
use netlink_sys::Socket;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Owns its descriptor, always gives the same one, and closes it only when dropped.
pub(super) trait OneDescriptor: AsRawFd {}

impl OneDescriptor for Inotify {}
impl OneDescriptor for Socket {}

/// `inner`, to be waited on until it can be read.
pub(super) fn awaited<T: OneDescriptor>(inner: T) -> io::Result<AsyncFd<T>> {
    // SAFETY: what `OneDescriptor` promises, and both types that have it were looked through for it.
    #[expect(unsafe_code, reason = "tokio asks for this promise about the descriptor; its old safe call is unsound")]
    let registered = unsafe { AsyncFd::register_with_interest(inner, Interest::READABLE) };
    Ok(registered?)
}
