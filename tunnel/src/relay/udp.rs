//! UDP: datagrams both ways until nobody sends any more.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use hitotsu_proto::limits::UDP_PAYLOAD_BYTES_MAX;
use tokio::net::UdpSocket;
use tokio_util::sync::CancellationToken;

use super::{Activity, Counters, RelayEnd, RelayOutcome};
use crate::datagram::{UdpFlow, UdpRecv, UdpSend};
use crate::fault::{FlowError, ResetReason};
use crate::gate::Gated;

/// Relays a UDP flow over a connected socket until the tunnel's side ends, nothing passes for `idle`, or `cut` is
/// cancelled. What does not fit either path is dropped, as datagrams are.
pub async fn udp(
    socket: UdpSocket,
    flow: UdpFlow,
    counters: Counters,
    cut: CancellationToken,
    idle: Duration,
) -> RelayOutcome {
    let (mut send, mut recv) = flow.split();
    let activity = Activity::default();
    let mut cut = Gated::new(cut.cancelled_owned());
    let end = tokio::select! {
        biased;
        () = &mut cut => RelayEnd::Cut,
        end = to_socket(&socket, &mut recv, &counters, &activity) => end,
        end = to_tunnel(&socket, &mut send, &counters, &activity) => end,
        () = activity.idle(idle) => RelayEnd::Idle,
    };
    match &end {
        // UDP has no half-close: the end of one direction is the end.
        RelayEnd::Finished | RelayEnd::Idle => {
            let _ = send.finish().await;
            recv.stop(ResetReason::NoError);
        }
        RelayEnd::ResetBySocket | RelayEnd::ResetByPeer(_) | RelayEnd::Tunnel(_) | RelayEnd::Cut => {
            send.reset(end.reason());
            recv.stop(end.reason());
        }
    }
    counters.outcome(end)
}

async fn to_socket(socket: &UdpSocket, recv: &mut UdpRecv, counters: &Counters, activity: &Activity) -> RelayEnd {
    loop {
        match recv.recv().await {
            Ok(Some(payload)) => {
                activity.touch();
                match socket.send(&payload).await {
                    Ok(octets) => counters.add_to_socket(octets),
                    Err(error) if is_passing(&error) => tracing::trace!(%error, "a datagram was not sent"),
                    Err(_) => return RelayEnd::ResetBySocket,
                }
            }
            Ok(None) => return RelayEnd::Finished,
            Err(error) => return RelayEnd::of(error),
        }
    }
}

async fn to_tunnel(socket: &UdpSocket, send: &mut UdpSend, counters: &Counters, activity: &Activity) -> RelayEnd {
    loop {
        let ready = tokio::select! {
            biased;
            ready = poll_fn(|cx| socket.poll_recv_ready(cx)) => ready,
            stopped = send.stopped() => return match stopped {
                // The other side has ended the flow in order.
                FlowError::Reset(ResetReason::NoError) => RelayEnd::Finished,
                error @ (FlowError::Reset(_)
                | FlowError::PeerMisbehaved(_)
                | FlowError::OverLimit(_)
                | FlowError::Connection(_)
                | FlowError::Finished) => RelayEnd::of(error),
            },
        };
        if ready.is_err() {
            return RelayEnd::ResetBySocket;
        }
        loop {
            match try_recv(socket) {
                Ok(payload) => {
                    activity.touch();
                    counters.add_to_tunnel(payload.len());
                    if let Err(error) = send.send(payload).await {
                        return RelayEnd::of(error);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if is_passing(&error) => {}
                Err(_) => return RelayEnd::ResetBySocket,
            }
        }
    }
}

/// A payload in memory of its own size: flows that hold a buffer for the largest one would cost 64 KiB each.
fn try_recv(socket: &UdpSocket) -> io::Result<Bytes> {
    thread_local! {
        static LARGEST: RefCell<Vec<u8>> = RefCell::new(vec![0; UDP_PAYLOAD_BYTES_MAX]);
    }
    LARGEST.with_borrow_mut(|buffer| {
        let octets = socket.try_recv(buffer)?;
        Ok(Bytes::copy_from_slice(buffer.get(..octets).unwrap_or_default()))
    })
}

/// Errors that tell of one datagram or of a peer that may come back: port unreachable, message too long, no buffer.
fn is_passing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::PermissionDenied
            | io::ErrorKind::OutOfMemory
    ) || matches!(error.raw_os_error(), Some(EMSGSIZE | ENOBUFS | WSAEMSGSIZE))
}

const EMSGSIZE: i32 = 90;
const ENOBUFS: i32 = 105;
const WSAEMSGSIZE: i32 = 10040;
