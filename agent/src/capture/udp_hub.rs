//! The UDP flows behind one local UDP port: one for each sender and target.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use hitotsu_model::code::Code;
use hitotsu_model::resource::Target;
use hitotsu_tunnel::datagram::Sent;
use hitotsu_tunnel::gate::Gated;
use hitotsu_tunnel::relay::Activity;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::Instant;

use super::Context;
use crate::limits::{UDP_IDLE_TIME_MAX, UDP_TARGETS_MAX, UDP_WAITING_MAX};
use crate::route::Route;
use crate::session::UdpFlowOpen;

/// Who talks to what.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    /// The application's address.
    pub(crate) source: SocketAddr,
    /// What it talks to.
    pub(crate) target: Arc<Target>,
}

/// The flows of one local port. Dropping it ends them.
pub(crate) struct Hub {
    socket: Arc<UdpSocket>,
    context: Context,
    header: fn(&Target) -> Bytes,
    flows: BTreeMap<Key, Slot>,
    tasks: JoinSet<Key>,
}

struct Slot {
    datagrams: mpsc::Sender<Bytes>,
    used: Instant,
    task: AbortHandle,
}

impl Hub {
    /// `header` is what goes before each answer of a target.
    pub(crate) fn new(socket: Arc<UdpSocket>, context: Context, header: fn(&Target) -> Bytes) -> Self {
        Self { socket, context, header, flows: BTreeMap::new(), tasks: JoinSet::new() }
    }

    /// Sends a datagram on its way; it is lost, as datagrams are, when its flow is refused or its queue is full.
    pub(crate) fn deliver(&mut self, key: Key, payload: Bytes) {
        if let Some(slot) = self.flows.get_mut(&key) {
            slot.used = Instant::now();
            match slot.datagrams.try_send(payload) {
                Ok(()) | Err(mpsc::error::TrySendError::Full(_)) => return,
                // The flow has just ended: a new one follows with the next datagram.
                Err(mpsc::error::TrySendError::Closed(_)) => {
                    self.flows.remove(&key);
                    return;
                }
            }
        }
        if self.flows.len() >= UDP_TARGETS_MAX {
            self.evict();
        }
        let (datagrams, waiting) = mpsc::channel(UDP_WAITING_MAX);
        let _ = datagrams.try_send(payload);
        let header = (self.header)(&key.target);
        let (socket, context, owned) = (Arc::clone(&self.socket), self.context.clone(), key.clone());
        let task = self.tasks.spawn(async move {
            carry(&owned, &context, &socket, &header, waiting).await;
            owned
        });
        self.flows.insert(key, Slot { datagrams, used: Instant::now(), task });
    }

    /// Whether there is a flow for this sender and target.
    pub(crate) fn knows(&self, key: &Key) -> bool {
        self.flows.contains_key(key)
    }

    /// Forgets one flow that has ended. Never completes while there is none. Cancel-safe.
    pub(crate) async fn tidy(&mut self) {
        match self.tasks.join_next().await {
            Some(Ok(key)) => {
                // A later flow of the same key lives on.
                if self.flows.get(&key).is_some_and(|slot| slot.task.is_finished()) {
                    self.flows.remove(&key);
                }
            }
            Some(Err(_)) => self.flows.retain(|_, slot| !slot.task.is_finished()),
            None => std::future::pending().await,
        }
    }

    fn evict(&mut self) {
        let idlest = self.flows.iter().min_by_key(|(_, slot)| slot.used).map(|(key, _)| key.clone());
        if let Some(slot) = idlest.and_then(|key| self.flows.remove(&key)) {
            slot.task.abort();
        }
    }
}

async fn carry(key: &Key, context: &Context, socket: &UdpSocket, header: &[u8], mut waiting: mpsc::Receiver<Bytes>) {
    // UDP straight out would need an answer path of its own; nothing asks for it yet, so it is refused aloud.
    if context.route(&key.target) != Route::Tunnel {
        let refused = context.refused(Code::NotRouted);
        context.session.flows().refused(&key.target, &refused.problem);
        return;
    }
    let UdpFlowOpen { flow, ticket } = match context.session.open_udp(&key.target).await {
        Ok(open) => open,
        // SOCKS5 has no way to tell: `status` shows it.
        Err(_) => return,
    };
    let (mut up, mut down) = flow.split();
    let mut cut = Gated::new(ticket.cut().cancelled_owned());
    let activity = Activity::default();
    let mut idle = std::pin::pin!(activity.idle(UDP_IDLE_TIME_MAX));
    loop {
        tokio::select! {
            () = &mut cut => return,
            () = &mut idle => return,
            payload = waiting.recv() => match payload {
                Some(payload) => {
                    let length = payload.len();
                    match up.send(payload).await {
                        Ok(Sent::Queued) => ticket.add_up(length),
                        Ok(Sent::TooLarge { limit }) => tracing::debug!(length, limit, "a datagram is too large"),
                        Err(error) => return tracing::debug!(%error, "a UDP flow ended"),
                    }
                }
                None => return,
            },
            payload = down.recv() => match payload {
                Ok(Some(payload)) => {
                    ticket.add_down(payload.len());
                    // What the socket has no room for is lost, as datagrams are.
                    let _ = socket.try_send_to(&headed(header, payload), key.source);
                }
                Ok(None) => return,
                Err(error) => return tracing::debug!(%error, "a UDP flow ended"),
            },
        }
        activity.touch();
    }
}

fn headed(header: &[u8], payload: Bytes) -> Bytes {
    if header.is_empty() {
        return payload;
    }
    let mut datagram = BytesMut::with_capacity(header.len() + payload.len());
    datagram.put_slice(header);
    datagram.put_slice(&payload);
    datagram.freeze()
}
