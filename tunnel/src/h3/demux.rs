//! QUIC datagrams to the UDP flows that they belong to.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use hitotsu_proto::datagram::Datagram;
use tokio::sync::mpsc;

use super::Shared;
use crate::limits::{DATAGRAMS_PER_FLOW_MAX, EARLY_DATAGRAM_PATIENCE, EARLY_DATAGRAMS_MAX};

/// The flows of one connection that take datagrams.
#[derive(Debug, Default)]
pub(crate) struct Demux {
    inner: Mutex<Inner>,
    /// Datagrams for flows that are not there (any more).
    pub(crate) unknown: AtomicU64,
    /// Datagrams for flows that do not keep up.
    pub(crate) overflowed: AtomicU64,
}

#[derive(Debug, Default)]
struct Inner {
    flows: HashMap<u64, mpsc::Sender<Bytes>>,
    /// Datagrams that overtook the head of their request, oldest first.
    early: VecDeque<(Instant, Datagram)>,
}

impl Demux {
    /// Takes a datagram that came in.
    pub(crate) fn deliver(&self, datagram: Datagram) {
        let mut inner = self.lock();
        let Some(flow) = inner.flows.get(&datagram.stream) else {
            self.hold(&mut inner, datagram);
            return;
        };
        // A payload keeps the whole received batch of packets alive. What is read at once may; what waits is copied.
        let waits = flow.capacity() < flow.max_capacity();
        let payload = if waits { Bytes::copy_from_slice(&datagram.payload) } else { datagram.payload };
        if flow.try_send(payload).is_err() {
            self.overflowed.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A flow begins to take datagrams; those that came before are given to it at once.
    pub(crate) fn register(&self, stream: u64) -> mpsc::Receiver<Bytes> {
        let (sender, receiver) = mpsc::channel(DATAGRAMS_PER_FLOW_MAX);
        let mut inner = self.lock();
        let mut others = VecDeque::new();
        for (since, datagram) in inner.early.drain(..) {
            if datagram.stream == stream {
                // INVARIANT (early): fewer are held than the queue has room for.
                let _ = sender.try_send(datagram.payload);
            } else {
                others.push_back((since, datagram));
            }
        }
        inner.early = others;
        inner.flows.insert(stream, sender);
        receiver
    }

    /// The flow is over.
    pub(crate) fn remove(&self, stream: u64) {
        self.lock().flows.remove(&stream);
    }

    fn hold(&self, inner: &mut Inner, datagram: Datagram) {
        let now = Instant::now();
        while inner.early.front().is_some_and(|(since, _)| now.duration_since(*since) > EARLY_DATAGRAM_PATIENCE) {
            inner.early.pop_front();
            self.unknown.fetch_add(1, Ordering::Relaxed);
        }
        if inner.early.len() == EARLY_DATAGRAMS_MAX {
            self.unknown.fetch_add(1, Ordering::Relaxed);
            return;
        }
        // Copied for the same reason.
        let payload = Bytes::copy_from_slice(&datagram.payload);
        inner.early.push_back((now, Datagram { payload, ..datagram }));
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing in here panics half-way through a change.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads the connection's datagrams until it is over.
pub(crate) async fn run(shared: &Shared) -> Result<(), hitotsu_proto::error::Error> {
    while let Ok(datagram) = shared.quic.read_datagram().await {
        shared.demux.deliver(hitotsu_proto::datagram::decode(datagram)?);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn datagram(stream: u64, text: &'static str) -> Datagram {
        Datagram { stream, payload: Bytes::from_static(text.as_bytes()) }
    }

    #[test]
    fn a_datagram_that_overtakes_its_request_reaches_it() {
        let demux = Demux::default();
        demux.deliver(datagram(4, "early"));
        demux.deliver(datagram(8, "other"));

        let mut flow = demux.register(4);

        assert_eq!(flow.try_recv().unwrap(), "early");
        assert!(flow.try_recv().is_err());
    }

    #[test]
    fn datagrams_for_unknown_flows_are_counted_and_take_bounded_room() {
        let demux = Demux::default();

        for stream in 0..1000 {
            demux.deliver(datagram(stream * 4, "x"));
        }

        assert_eq!(demux.lock().early.len(), EARLY_DATAGRAMS_MAX);
        assert_eq!(demux.unknown.load(Ordering::Relaxed), 1000 - EARLY_DATAGRAMS_MAX as u64);
    }

    #[test]
    fn datagrams_that_wait_do_not_keep_the_packets_alive_that_came_with_them() {
        let demux = Demux::default();
        let mut flow = demux.register(0);
        let batch = Bytes::from(vec![7; 65_536]);

        for start in 0..3 {
            demux.deliver(Datagram { stream: 0, payload: batch.slice(start..=start) });
        }

        let _at_once = flow.try_recv().unwrap();
        let waited = [flow.try_recv().unwrap(), flow.try_recv().unwrap()];
        let alone = |payload: Bytes| payload.try_into_mut().is_ok();
        assert!(waited.into_iter().all(alone));
    }

    #[test]
    fn a_flow_that_does_not_keep_up_loses_datagrams_and_they_are_counted() {
        let demux = Demux::default();
        let _flow = demux.register(0);

        for _ in 0..DATAGRAMS_PER_FLOW_MAX + 3 {
            demux.deliver(datagram(0, "x"));
        }

        assert_eq!(demux.overflowed.load(Ordering::Relaxed), 3);
    }
}
