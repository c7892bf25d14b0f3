//! QUIC datagrams to the UDP flows that they belong to.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use futures_util::task::AtomicWaker;
use hitotsu_proto::datagram::Datagram;
use rustc_hash::FxHashMap;

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
    // Nobody can choose ids that collide: a peer opens streams in order.
    flows: FxHashMap<u64, Arc<Queue>>,
    /// Datagrams that overtook the head of their request, oldest first.
    early: VecDeque<(Instant, Datagram)>,
}

/// Datagrams that wait for one flow.
#[derive(Debug, Default)]
struct Queue {
    waiting: Mutex<VecDeque<Bytes>>,
    reader: AtomicWaker,
}

impl Queue {
    /// False if too many wait already.
    fn push(&self, datagram: Bytes) -> bool {
        let mut waiting = lock(&self.waiting);
        if waiting.len() == DATAGRAMS_PER_FLOW_MAX {
            return false;
        }
        // A payload keeps the whole received batch of packets alive. What is read at once may; what waits is copied.
        let datagram = if waiting.is_empty() { datagram } else { Bytes::copy_from_slice(&datagram) };
        waiting.push_back(datagram);
        drop(waiting);
        self.reader.wake();
        true
    }
}

/// The datagrams of one flow, for its only reader.
#[derive(Debug)]
pub(crate) struct Datagrams(Arc<Queue>);

impl Datagrams {
    /// The next one. The end of the flow is told elsewhere.
    pub(crate) fn poll_recv(&mut self, cx: &Context<'_>) -> Poll<Bytes> {
        if let Some(datagram) = self.try_recv() {
            return Poll::Ready(datagram);
        }
        self.0.reader.register(cx.waker());
        // One may have come in between.
        self.try_recv().map_or(Poll::Pending, Poll::Ready)
    }

    fn try_recv(&mut self) -> Option<Bytes> {
        lock(&self.0.waiting).pop_front()
    }
}

impl Demux {
    /// Takes a datagram that came in.
    pub(crate) fn deliver(&self, datagram: Datagram) {
        let mut inner = self.lock();
        let Some(flow) = inner.flows.get(&datagram.stream) else {
            self.hold(&mut inner, datagram);
            return;
        };
        if !flow.push(datagram.payload) {
            self.overflowed.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A flow begins to take datagrams; those that came before are given to it at once.
    pub(crate) fn register(&self, stream: u64) -> Datagrams {
        let queue = Arc::new(Queue::default());
        let mut inner = self.lock();
        let mut others = VecDeque::new();
        for (since, datagram) in inner.early.drain(..) {
            if datagram.stream == stream {
                // INVARIANT (early): fewer are held than the queue has room for.
                let _ = queue.push(datagram.payload);
            } else {
                others.push_back((since, datagram));
            }
        }
        inner.early = others;
        inner.flows.insert(stream, Arc::clone(&queue));
        Datagrams(queue)
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
        lock(&self.inner)
    }
}

/// Nothing in here panics half-way through a change.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Reads the connection's datagrams until it is over.
pub(crate) async fn run(shared: &Shared) -> Result<(), hitotsu_proto::error::Error> {
    let mut datagrams = Vec::new();
    while shared.quic.read_datagrams(&mut datagrams).await.is_ok() {
        for datagram in datagrams.drain(..) {
            shared.demux.deliver(hitotsu_proto::datagram::decode(datagram)?);
        }
        // A burst shall not be paid for as long as the connection lives.
        datagrams.shrink_to(DATAGRAMS_PER_FLOW_MAX);
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
        assert!(flow.try_recv().is_none());
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
