//! Notices that wait to be told to a device. A channel would do, but costs an idle session 800 octets.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hitotsu_model::control::Notice;
use tokio::sync::Notify;

use crate::limits::NOTICES_MAX;

/// A new queue: who tells, and who listens.
pub(super) fn queue() -> (Teller, Listener) {
    let shared = Arc::new(Shared::default());
    (Teller(Arc::clone(&shared)), Listener(shared))
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Notice>,
    closed: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change is one assignment, push or pop.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_one();
    }
}

/// Dropping it lets the listener have what waits, then the end.
#[derive(Debug)]
pub(super) struct Teller(Arc<Shared>);

impl Teller {
    /// False when nobody listens, or too slowly.
    pub(super) fn tell(&self, notice: Notice) -> bool {
        let mut state = self.0.lock();
        if state.closed || state.waiting.len() >= NOTICES_MAX {
            return false;
        }
        state.waiting.push_back(notice);
        drop(state);
        self.0.changed.notify_one();
        true
    }
}

impl Drop for Teller {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// Dropping it tells the teller that nobody listens.
#[derive(Debug)]
pub struct Listener(Arc<Shared>);

impl Listener {
    /// The next notice; `None` when there is no teller any more and nothing waits. Cancel-safe.
    pub async fn recv(&mut self) -> Option<Notice> {
        loop {
            if let Some(next) = self.next() {
                return next;
            }
            self.0.changed.notified().await;
        }
    }

    /// A notice that waits, or `Some(None)` for the end.
    fn next(&self) -> Option<Option<Notice>> {
        let mut state = self.0.lock();
        match state.waiting.pop_front() {
            Some(notice) => Some(Some(notice)),
            None if state.closed => Some(None),
            None => {
                // A burst shall not cost for as long as the session lasts.
                state.waiting = VecDeque::new();
                None
            }
        }
    }

    /// Takes nothing more; what waits is still given.
    pub fn close(&mut self) {
        self.0.close();
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.0.close();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn a_listener_hears_everything_in_order_then_the_end() {
        let (teller, mut listener) = queue();
        assert!(listener.recv().now_or_never().is_none(), "nothing yet");
        assert!(teller.tell(Notice::Still) && teller.tell(Notice::Draining));
        drop(teller);
        assert!(matches!(listener.recv().await, Some(Notice::Still)));
        assert!(matches!(listener.recv().await, Some(Notice::Draining)));
        assert!(listener.recv().await.is_none());
    }

    #[tokio::test]
    async fn a_listener_that_waits_is_woken_by_a_notice_and_by_the_end() {
        let (teller, mut listener) = queue();
        let heard = tokio::spawn(async move { (listener.recv().await, listener.recv().await) });
        tokio::task::yield_now().await;
        assert!(teller.tell(Notice::Still));
        tokio::task::yield_now().await;
        drop(teller);
        assert!(matches!(heard.await.unwrap(), (Some(Notice::Still), None)));
    }

    #[test]
    fn nobody_is_told_once_the_listener_has_closed_or_gone() {
        let (teller, mut listener) = queue();
        assert!(teller.tell(Notice::Still));
        listener.close();
        assert!(!teller.tell(Notice::Still));
        let (teller, listener) = queue();
        drop(listener);
        assert!(!teller.tell(Notice::Still));
    }
}
