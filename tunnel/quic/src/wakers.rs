//! Tasks that wait for something of a connection.

use std::task::{Context, Waker};

use quinn_proto::StreamId;
use rustc_hash::FxHashMap;

/// Tasks that wait for one thing. All are woken by it; who waited in vain waits again.
#[derive(Debug, Default)]
pub(crate) struct Waiting(Vec<Waker>);

impl Waiting {
    /// Remembers the task, once.
    pub(crate) fn add(&mut self, cx: &Context<'_>) {
        if !self.0.iter().any(|waker| waker.will_wake(cx.waker())) {
            self.0.push(cx.waker().clone());
        }
    }

    /// Moves all of them to `woken`.
    pub(crate) fn take(&mut self, woken: &mut Vec<Waker>) {
        woken.append(&mut self.0);
    }
}

/// At most one task for each stream.
#[derive(Debug, Default)]
pub(crate) struct ByStream(FxHashMap<StreamId, Waker>);

impl ByStream {
    pub(crate) fn add(&mut self, stream: StreamId, cx: &Context<'_>) {
        self.0.entry(stream).and_modify(|waker| waker.clone_from(cx.waker())).or_insert_with(|| cx.waker().clone());
    }

    pub(crate) fn take(&mut self, stream: StreamId, woken: &mut Vec<Waker>) {
        woken.extend(self.0.remove(&stream));
    }

    pub(crate) fn take_all(&mut self, woken: &mut Vec<Waker>) {
        woken.extend(self.0.drain().map(|(_, waker)| waker));
    }

    pub(crate) fn forget(&mut self, stream: StreamId) {
        self.0.remove(&stream);
    }
}
