//! Readiness as epoll and its kind tell of it.

use std::io;
use std::net::UdpSocket;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::wakers::lock;

/// Wakes for what can be read. The kernel says after every packet that has left that there is room again, so it is asked about
/// that only while there is none: otherwise each sent packet would cost a wake-up.
#[derive(Debug)]
pub(super) struct Readiness {
    reading: AsyncFd<Arc<UdpSocket>>,
    writing: Mutex<Option<AsyncFd<Arc<UdpSocket>>>>,
}

impl Readiness {
    pub(super) fn new(socket: &Arc<UdpSocket>) -> io::Result<Self> {
        let reading = registered(Arc::clone(socket), Interest::READABLE)?;
        Ok(Self { reading, writing: Mutex::new(None) })
    }

    /// Calls `read` when something may be there. It says with what it read whether that was all.
    pub(super) fn poll_read<T>(
        &self,
        cx: &mut Context<'_>,
        mut read: impl FnMut() -> io::Result<(T, bool)>,
    ) -> Poll<io::Result<T>> {
        loop {
            let mut guard = ready!(self.reading.poll_read_ready(cx))?;
            match guard.try_io(|_| read()) {
                Ok(Ok((read, was_all))) => {
                    // Whatever came since the guard was made counts as new, so it is not missed.
                    if was_all {
                        guard.clear_ready();
                    }
                    return Poll::Ready(Ok(read));
                }
                Ok(Err(error)) => return Poll::Ready(Err(error)),
                // Not ready after all: ask again, which registers the task.
                Err(_would_block) => {}
            }
        }
    }

    /// Calls `write` until there is room.
    pub(super) fn poll_write(
        &self,
        cx: &mut Context<'_>,
        socket: &UdpSocket,
        mut write: impl FnMut() -> io::Result<()>,
    ) -> Poll<io::Result<()>> {
        match write() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            written => return Poll::Ready(written),
        }
        let mut writing = lock(&self.writing);
        let readiness = match &mut *writing {
            Some(readiness) => readiness,
            none => none.insert(registered(Arc::new(socket.try_clone()?), Interest::WRITABLE)?),
        };
        loop {
            let mut guard = ready!(readiness.poll_write_ready(cx))?;
            if let Ok(written) = guard.try_io(|_| write()) {
                drop(guard);
                *writing = None;
                return Poll::Ready(written);
            }
        }
    }
}

fn registered(socket: Arc<UdpSocket>, interest: Interest) -> io::Result<AsyncFd<Arc<UdpSocket>>> {
    // SAFETY: the descriptor is the socket's, and stays open and the same for as long as any owner of the socket lives.
    #[expect(unsafe_code, reason = "tokio asks for this promise about the descriptor; its old safe call is unsound")]
    let registered = unsafe { AsyncFd::register_with_interest(socket, interest) };
    registered.map_err(Into::into)
}
