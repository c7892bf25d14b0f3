//! Readiness as tokio tells of it where there are no file descriptors.

use std::io;
use std::net::UdpSocket;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::Interest;

/// Wakes for what can be read, and for room to write.
#[derive(Debug)]
pub(super) struct Readiness {
    io: tokio::net::UdpSocket,
}

impl Readiness {
    pub(super) fn new(socket: &Arc<UdpSocket>) -> io::Result<Self> {
        Ok(Self { io: tokio::net::UdpSocket::from_std(socket.try_clone()?)? })
    }

    /// Calls `read` when something may be there. What it says about whether that was all is not needed here.
    pub(super) fn poll_read<T>(
        &self,
        cx: &mut Context<'_>,
        mut read: impl FnMut() -> io::Result<(T, bool)>,
    ) -> Poll<io::Result<T>> {
        loop {
            ready!(self.io.poll_recv_ready(cx))?;
            match self.io.try_io(Interest::READABLE, &mut read) {
                // Not ready after all: ask again, which registers the task.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => return Poll::Ready(read.map(|(read, _)| read)),
            }
        }
    }

    /// Calls `write` until there is room.
    pub(super) fn poll_write(
        &self,
        cx: &mut Context<'_>,
        _: &UdpSocket,
        mut write: impl FnMut() -> io::Result<()>,
    ) -> Poll<io::Result<()>> {
        loop {
            ready!(self.io.poll_send_ready(cx))?;
            match self.io.try_io(Interest::WRITABLE, &mut write) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                written => return Poll::Ready(written),
            }
        }
    }
}
