//! A UDP socket as the worker uses it.

#[cfg(not(unix))]
mod other;
#[cfg(unix)]
mod unix;

use std::io::{self, IoSliceMut};
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use quinn_udp::{RecvMeta, Transmit, UdpSocketState};

#[cfg(not(unix))]
use self::other::Readiness;
#[cfg(unix)]
use self::unix::Readiness;

#[derive(Debug)]
pub(crate) struct Socket {
    socket: Arc<UdpSocket>,
    state: UdpSocketState,
    readiness: Readiness,
}

impl Socket {
    pub(crate) fn new(socket: UdpSocket) -> io::Result<Self> {
        let socket = Arc::new(socket);
        let state = UdpSocketState::new((&*socket).into())?;
        Ok(Self { readiness: Readiness::new(&socket)?, socket, state })
    }

    /// Receives messages, or wakes the task when there are some. Fewer than there are buffers are all that there were.
    pub(crate) fn poll_receive(
        &self,
        cx: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        metas: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let wanted = buffers.len().min(metas.len());
        loop {
            let received = ready!(self.readiness.poll_read(cx, || {
                let count = self.state.recv((&*self.socket).into(), &mut *buffers, &mut *metas)?;
                Ok((count, count < wanted))
            }));
            match received {
                Err(error) if is_of_path(&error) => {}
                received => return Poll::Ready(received),
            }
        }
    }

    /// Sends, or wakes the task when the kernel has room.
    pub(crate) fn poll_send(&self, cx: &mut Context<'_>, transmit: &Transmit<'_>) -> Poll<io::Result<()>> {
        self.readiness.poll_write(cx, &self.socket, || self.try_send(transmit))
    }

    /// Sends if the kernel has room.
    pub(crate) fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        self.state.send((&*self.socket).into(), transmit)
    }

    pub(crate) fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    pub(crate) fn may_fragment(&self) -> bool {
        self.state.may_fragment()
    }

    /// Datagrams that the kernel takes in one call.
    pub(crate) fn segments_max(&self) -> usize {
        self.state.max_gso_segments()
    }
}

/// Whether it tells of an ICMP message about something that was sent. QUIC finds out itself what does not arrive, and whoever
/// forges such messages must not end the worker.
fn is_of_path(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionRefused, ConnectionReset, HostUnreachable, NetworkUnreachable};
    matches!(error.kind(), ConnectionRefused | ConnectionReset | HostUnreachable | NetworkUnreachable)
}
