//! What the kernel announces: changed files (`inotify(7)`), changed packet filter rules (nftables over `netlink(7)`,
//! needs `CAP_NET_ADMIN`), started and ended programs (the process connector, needs that and the first network
//! namespace). What may not be heard is looked at every few seconds instead.

use std::collections::BTreeSet;
use std::io;

use netlink_sys::protocols::{NETLINK_CONNECTOR, NETLINK_NETFILTER};
use netlink_sys::{Socket, SocketAddr};
use tokio::io::unix::AsyncFd;

use crate::posture::{Machine, Signal, Watched};

mod awaited;
mod files;

use awaited::awaited;
use files::Files;

/// Multicast group of nftables' changes (`NFNLGRP_NFTABLES`, linux/netfilter/nfnetlink.h).
const NFTABLES_GROUP: u32 = 7;
/// Multicast group of the process connector (`CN_IDX_PROC`, linux/connector.h).
const PROCESSES_GROUP: u32 = 1;
/// The kinds of process events that count (linux/cn_proc.h): a program was started, changed its name, or ended. Forks
/// do not: they run the same program.
const EXEC: u32 = 0x0000_0002;
const COMM: u32 = 0x0000_0200;
const EXIT: u32 = 0x8000_0000;
/// Messages read before others get their turn. What is left is read next.
const MESSAGES_PER_TURN: usize = 256;
/// Longest message that is read whole; the rest of a longer one does not matter.
const MESSAGE_BYTES: usize = 4096;

/// The announcements for a list of collectors, told apart by their place in it.
#[derive(Debug)]
pub struct Signals {
    files: Option<Files>,
    firewall: Option<Heard>,
    processes: Option<Heard>,
}

/// An announcing socket, and the collectors that it is for.
#[derive(Debug)]
struct Heard {
    socket: AsyncFd<Socket>,
    collectors: BTreeSet<usize>,
}

impl Signals {
    /// Subscribes to what the collectors watch, as far as this process may. Must be called on a tokio runtime.
    #[must_use]
    pub fn open(machine: &Machine, watched: &[Watched]) -> Self {
        let of = |signal: Signal| {
            let wants = |(index, one): (usize, &Watched)| (one.signal == Some(signal)).then_some(index);
            watched.iter().enumerate().filter_map(wants).collect::<BTreeSet<usize>>()
        };
        let hear = |signal, subscribed: fn() -> io::Result<Socket>| {
            let collectors = of(signal);
            if collectors.is_empty() {
                return None;
            }
            match subscribed().and_then(awaited) {
                Ok(socket) => Some(Heard { socket, collectors }),
                Err(error) => {
                    tracing::debug!(?signal, %error, "not announced by the kernel; looking every few seconds");
                    None
                }
            }
        };
        let files = Files::open(machine, watched);
        if let Err(error) = &files {
            tracing::debug!(%error, "files cannot be watched; looking every few seconds");
        }
        Self {
            files: files.ok(),
            firewall: hear(Signal::Firewall, nftables),
            processes: hear(Signal::Processes, process_events),
        }
    }

    /// Whether the kernel announces `signal` to us.
    #[must_use]
    pub fn hears(&self, signal: Signal) -> bool {
        match signal {
            Signal::Firewall => self.firewall.is_some(),
            Signal::Processes => self.processes.is_some(),
        }
    }

    /// Whether changed files are announced to us.
    #[must_use]
    pub fn hears_files(&self) -> bool {
        self.files.is_some()
    }

    /// The collectors for which something may have changed. Cancel-safe; never returns where nothing is heard.
    pub async fn next(&mut self) -> BTreeSet<usize> {
        tokio::select! {
            changed = next_file(&mut self.files) => changed,
            changed = next_heard(&self.firewall, |_| true) => changed,
            changed = next_heard(&self.processes, is_program_change) => changed,
        }
    }
}

async fn next_file(files: &mut Option<Files>) -> BTreeSet<usize> {
    match files {
        Some(files) => files.next().await,
        None => std::future::pending().await,
    }
}

async fn next_heard(heard: &Option<Heard>, counts: impl Fn(&[u8]) -> bool) -> BTreeSet<usize> {
    let Some(heard) = heard else { return std::future::pending().await };
    loop {
        let Ok(mut ready) = heard.socket.readable().await else { return std::future::pending().await };
        let (mut message, mut any) = (vec![0; MESSAGE_BYTES], false);
        for _ in 0..MESSAGES_PER_TURN {
            match ready.try_io(|socket| socket.get_ref().recv(&mut message.as_mut_slice(), 0)) {
                Ok(Ok(length)) => any |= counts(message.get(..length).unwrap_or_default()),
                // Messages were lost (ENOBUFS): anything may have changed.
                Ok(Err(_)) => any = true,
                Err(_would_block) => break,
            }
        }
        if any {
            return heard.collectors.clone();
        }
    }
}

fn nftables() -> io::Result<Socket> {
    let mut socket = Socket::new(NETLINK_NETFILTER)?;
    socket.bind_auto()?;
    socket.add_membership(NFTABLES_GROUP)?;
    socket.set_non_blocking(true)?;
    Ok(socket)
}

fn process_events() -> io::Result<Socket> {
    let mut socket = Socket::new(NETLINK_CONNECTOR)?;
    socket.bind(&SocketAddr::new(0, PROCESSES_GROUP))?;
    socket.set_non_blocking(true)?;
    socket.send_to(&listen(), &SocketAddr::new(0, 0), 0)?;
    // The kernel answers the subscription within the send; one that is refused has no effect, and polling goes on.
    let mut answer = vec![0; MESSAGE_BYTES];
    let length = socket.recv(&mut answer.as_mut_slice(), 0)?;
    match event(answer.get(..length).unwrap_or_default()) {
        // PROC_EVENT_NONE carries the result: 0 is success.
        Some((0, 0)) => Ok(socket),
        Some(_) | None => Err(io::ErrorKind::PermissionDenied.into()),
    }
}

/// `PROC_CN_MCAST_LISTEN` in a connector message in a netlink message, all in the machine's byte order.
fn listen() -> Vec<u8> {
    const LISTEN: u32 = 1;
    const NLMSG_DONE: u16 = 3;
    let mut message = Vec::new();
    message.extend(40_u32.to_ne_bytes());
    message.extend(NLMSG_DONE.to_ne_bytes());
    message.extend([0; 2 + 4]);
    message.extend(std::process::id().to_ne_bytes());
    // cn_msg: index and value of the connector, sequence and acknowledgement, length of the payload, flags.
    for word in [PROCESSES_GROUP, 1, 0, 0] {
        message.extend(word.to_ne_bytes());
    }
    message.extend(4_u16.to_ne_bytes());
    message.extend(0_u16.to_ne_bytes());
    message.extend(LISTEN.to_ne_bytes());
    message
}

/// Kind of a process event, and the first word of what follows it.
fn event(message: &[u8]) -> Option<(u32, u32)> {
    /// Lengths of `nlmsghdr` and `cn_msg`, then `what`, `cpu`, `timestamp_ns` of `proc_event`.
    const KIND: usize = 16 + 20;
    const BODY: usize = KIND + 4 + 4 + 8;
    let word = |at: usize| message.get(at..at + 4)?.try_into().ok().map(u32::from_ne_bytes);
    Some((word(KIND)?, word(BODY)?))
}

fn is_program_change(message: &[u8]) -> bool {
    event(message).is_some_and(|(kind, _)| matches!(kind, EXEC | COMM | EXIT))
}
