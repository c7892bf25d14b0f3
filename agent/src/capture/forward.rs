//! Static forwards: a port of this machine that leads to one internal system.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use hitotsu_model::resource::Target;
use hitotsu_tunnel::flow::FlowSend;
use hitotsu_tunnel::relay;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpStream, UdpSocket};

use super::listening::{Guest, reset};
use super::udp_hub::{Hub, Key};
use super::{Context, owner};
use crate::limits::{OPTIMISTIC_BYTES_MAX, UDP_PAYLOAD_BYTES_MAX, UDP_WAITING_MAX};
use crate::session::FlowTicket;

/// Serves one TCP connection. What the application says first travels beside the question; a refusal resets the
/// connection, because nothing else could be told in a protocol that is not ours.
pub(crate) async fn serve_tcp(mut stream: TcpStream, mut guest: Guest, target: &Target, context: &Context) {
    if !guest.is_own() {
        return reset(stream);
    }
    guest.settled();
    let (mut send, ticket, answer) = match context.session.begin_tcp(target).await {
        Ok(pending) => pending.into_parts(),
        Err(_) => return reset(stream),
    };
    let answered = answer.ready();
    tokio::pin!(answered);
    let recv = tokio::select! {
        biased;
        answer = &mut answered => answer,
        // Ends when enough was said; the answer is waited for all the same.
        () = send_early(&mut stream, &mut send, &ticket) => answered.await,
    };
    match recv {
        Ok(recv) => {
            let outcome = relay::tcp(stream, send, recv, ticket.counters(), ticket.cut()).await;
            tracing::debug!(%target, ?outcome, "a forwarded flow ended");
        }
        Err(_) => reset(stream),
    }
}

/// Sends what the application says before the answer is there, within bounds. Cancel-safe: bytes are taken from the
/// socket only together with the (cancel-safe) call that sends them.
async fn send_early(stream: &mut TcpStream, send: &mut FlowSend, ticket: &FlowTicket) {
    let mut sent = 0;
    while sent < OPTIMISTIC_BYTES_MAX {
        let mut bytes = BytesMut::with_capacity(OPTIMISTIC_BYTES_MAX);
        match stream.read_buf(&mut bytes).await {
            // An early end or error is seen again by the relay.
            Ok(0) | Err(_) => return,
            Ok(length) => {
                sent += length;
                ticket.add_up(length);
            }
        }
        if send.send(bytes.freeze()).await.is_err() {
            return;
        }
    }
}

/// Serves one UDP port: a flow for each sender of this user.
pub(crate) async fn serve_udp(socket: UdpSocket, target: Target, context: Context) {
    let Ok(local) = socket.local_addr() else { return };
    let (socket, target) = (Arc::new(socket), Arc::new(target));
    let mut hub = Hub::new(Arc::clone(&socket), context, |_| Bytes::new());
    let mut buffer = vec![0; UDP_PAYLOAD_BYTES_MAX];
    loop {
        tokio::select! {
            readable = socket.readable() => if readable.is_err() { return },
            () = hub.tidy() => continue,
        }
        for _ in 0..UDP_WAITING_MAX {
            let (length, source) = match socket.try_recv_from(&mut buffer) {
                Ok(received) => received,
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => break,
                // An ICMP error about an earlier answer.
                Err(_) => continue,
            };
            let key = Key { source, target: Arc::clone(&target) };
            if hub.knows(&key) || owner::udp_is_own(local, source) {
                hub.deliver(key, Bytes::copy_from_slice(buffer.get(..length).unwrap_or_default()));
            }
        }
    }
}
