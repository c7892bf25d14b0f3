//! Linux: the kernel's own notifications of addresses and routes (rtnetlink(7)).

use std::io;

use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{Socket, SocketAddr};
use tokio::io::unix::AsyncFd;

/// RTMGRP_IPV4_IFADDR, RTMGRP_IPV4_ROUTE, RTMGRP_IPV6_IFADDR, RTMGRP_IPV6_ROUTE of linux/rtnetlink.h. Links are left
/// out: what matters of them shows as addresses and routes.
const GROUPS: u32 = 0x10 | 0x40 | 0x100 | 0x400;

/// Longest notification that is read; the rest of a longer one is cut off, and nobody looks inside anyway.
const NOTIFICATION_BYTES_MAX: usize = 8192;

/// Changes of the machine's addresses and routes.
#[derive(Debug)]
pub(super) struct Changes {
    socket: AsyncFd<Socket>,
}

impl Changes {
    /// Begins to listen. Needs no privilege.
    pub(super) fn new() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        socket.bind(&SocketAddr::new(0, GROUPS))?;
        socket.set_non_blocking(true)?;
        // SAFETY: `Socket` owns its descriptor, always gives the same one, and nothing closes or replaces it while
        // `AsyncFd` holds it.
        #[expect(
            unsafe_code,
            reason = "tokio asks for this promise about the descriptor; the old safe call is unsound"
        )]
        let socket = unsafe { AsyncFd::register(socket) }?;
        Ok(Self { socket })
    }

    /// Waits for a change. Cancel-safe.
    pub(super) async fn next(&mut self) -> io::Result<()> {
        loop {
            let mut ready = self.socket.readable().await?;
            let mut buffer = Vec::with_capacity(NOTIFICATION_BYTES_MAX);
            match ready.try_io(|socket| socket.get_ref().recv(&mut buffer, 0)) {
                Ok(Ok(_)) => return Ok(()),
                // More changes than the kernel's buffer holds are a change, too.
                Ok(Err(error)) if error.raw_os_error() == Some(ENOBUFS) => return Ok(()),
                Ok(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(Err(error)) => return Err(error),
                Err(_would_block) => {}
            }
        }
    }
}

/// errno(3): "No buffer space available"; netlink(7) reports lost messages by it.
const ENOBUFS: i32 = 105;
