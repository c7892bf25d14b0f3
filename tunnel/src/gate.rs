//! Futures that are looked at only when they asked for it. A task that waits for five things at once would otherwise look at
//! all five, each with its locks, whenever one of them happens.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use futures_util::task::AtomicWaker;

/// Remembers whether what stands behind it woke its task.
#[derive(Debug)]
pub(crate) struct Gate {
    woken: AtomicBool,
    task: AtomicWaker,
}

impl Gate {
    /// Lets the first look through.
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { woken: AtomicBool::new(true), task: AtomicWaker::new() })
    }

    /// Looks, if there may be something: `look` must leave the waker of its context with what it waits for, also where it is
    /// dropped afterwards.
    pub(crate) fn poll<T>(
        self: &Arc<Self>,
        cx: &Context<'_>,
        look: impl FnOnce(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        // Before the flag is read: what happens afterwards wakes the task.
        self.task.register(cx.waker());
        if !self.woken.swap(false, Ordering::AcqRel) {
            return Poll::Pending;
        }
        let waker = Waker::from(Arc::clone(self));
        let looked = look(&mut Context::from_waker(&waker));
        if looked.is_ready() {
            self.woken.store(true, Ordering::Release);
        }
        looked
    }
}

impl Wake for Gate {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.woken.store(true, Ordering::Release);
        self.task.wake();
    }
}

/// A future behind a gate of its own.
pub struct Gated<F> {
    gate: Arc<Gate>,
    future: Pin<Box<F>>,
}

impl<F> Gated<F> {
    /// Puts it behind one.
    pub fn new(future: F) -> Self {
        Self { gate: Gate::new(), future: Box::pin(future) }
    }
}

impl<F> std::fmt::Debug for Gated<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gated").field("gate", &self.gate).finish_non_exhaustive()
    }
}

impl<F: Future> Future for Gated<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { gate, future } = &mut *self;
        gate.poll(cx, |cx| future.as_mut().poll(cx))
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::future::poll_fn;

    use super::*;

    #[test]
    fn a_future_is_looked_at_first_and_then_only_when_it_was_woken() {
        let (looks, waker, ready) = (Cell::new(0), Cell::new(None::<Waker>), Cell::new(false));
        let mut gated = Gated::new(poll_fn(|cx| {
            looks.set(looks.get() + 1);
            waker.set(Some(cx.waker().clone()));
            if ready.get() { Poll::Ready(()) } else { Poll::Pending }
        }));
        let mut look = || Pin::new(&mut gated).poll(&mut Context::from_waker(Waker::noop()));

        assert!(look().is_pending() && look().is_pending() && look().is_pending());
        assert_eq!(looks.get(), 1);
        waker.take().expect("left").wake();
        assert!(look().is_pending() && look().is_pending());
        assert_eq!(looks.get(), 2);
        ready.set(true);
        waker.take().expect("left").wake();
        assert!(look().is_ready());
    }
}
