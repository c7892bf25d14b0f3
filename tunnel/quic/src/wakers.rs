//! Tasks that wait for something of a connection or an endpoint.

use std::future::poll_fn;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use quinn_proto::StreamId;
use rustc_hash::FxHashMap;

/// Tasks that wait for one thing. All are woken by it; who waited in vain waits again, and who gives up leaves.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    /// How often all were woken. A place of an earlier round is gone.
    round: u32,
    /// Places in the list that somebody left.
    holes: u32,
    tasks: Vec<Option<Waker>>,
}

/// Where a task stands in a list.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    round: u32,
    index: usize,
}

impl Waiting {
    /// Remembers the task, at the place that it has already or at a new one.
    pub(crate) fn add(&mut self, place: &mut Option<Place>, cx: &Context<'_>) {
        let stands = place.filter(|place| place.round == self.round);
        if let Some(task) = stands.and_then(|place| self.tasks.get_mut(place.index)?.as_mut()) {
            task.clone_from(cx.waker());
            return;
        }
        let waker = Some(cx.waker().clone());
        let hole = if self.holes > 0 { self.tasks.iter().position(Option::is_none) } else { None };
        let index = hole.unwrap_or(self.tasks.len());
        if let Some(hole) = self.tasks.get_mut(index) {
            *hole = waker;
            self.holes -= 1;
        } else {
            if self.tasks.is_empty() {
                // Most lists never hold another one.
                self.tasks.reserve_exact(1);
            }
            self.tasks.push(waker);
        }
        *place = Some(Place { round: self.round, index });
    }

    /// Gives the task back that stood there, if it was not woken since.
    pub(crate) fn leave(&mut self, place: Place) -> Option<Waker> {
        let left = self.tasks.get_mut(place.index).filter(|_| place.round == self.round)?.take()?;
        self.holes += 1;
        while self.tasks.pop_if(|task| task.is_none()).is_some() {
            self.holes -= 1;
        }
        Some(left)
    }

    /// Moves all of them to `woken`.
    pub(crate) fn take(&mut self, woken: &mut Vec<Waker>) {
        self.round = self.round.wrapping_add(1);
        self.holes = 0;
        woken.extend(self.tasks.drain(..).flatten());
    }
}

/// Looks at `state` until there is something, and stands in its list meanwhile. Cancel-safe if `look` changes nothing
/// where it gives nothing.
pub(crate) async fn wait<S, T>(
    state: &Mutex<S>,
    list: impl Fn(&mut S) -> &mut Waiting,
    mut look: impl FnMut(&mut S) -> Poll<T>,
) -> T {
    let mut stand = Stand { state, list, place: None };
    poll_fn(|cx| {
        let mut locked = lock(stand.state);
        let found = look(&mut locked);
        if found.is_pending() {
            (stand.list)(&mut locked).add(&mut stand.place, cx);
        }
        found
    })
    .await
}

/// A task that stands in a list until this is dropped.
struct Stand<'a, S, L: Fn(&mut S) -> &mut Waiting> {
    state: &'a Mutex<S>,
    list: L,
    place: Option<Place>,
}

impl<S, L: Fn(&mut S) -> &mut Waiting> Drop for Stand<'_, S, L> {
    fn drop(&mut self) {
        if let Some(place) = self.place {
            // Dropped when the lock is no more: what comes with a waker is not ours.
            let _left = (self.list)(&mut lock(self.state)).leave(place);
        }
    }
}

/// What a panic under the lock leaves behind is not memory that is unsafe: at worst QUIC was half-way through a change, the
/// peer sees nonsense and closes.
pub(crate) fn lock<S>(state: &Mutex<S>) -> MutexGuard<'_, S> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
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

/// The tasks that wait for room to write, at most one for each stream, each with when its stream last had some.
#[derive(Debug, Default)]
pub(crate) struct Writers {
    tasks: FxHashMap<StreamId, (Turn, Waker)>,
    now: Turn,
}

/// Counts writes on one connection. What never wrote is before all others.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Turn(u64);

impl Writers {
    /// A stream has written; gives what to wait with when it writes again.
    pub(crate) fn wrote(&mut self) -> Turn {
        self.now.0 += 1;
        self.now
    }

    pub(crate) fn add(&mut self, stream: StreamId, last: Turn, cx: &Context<'_>) {
        let waits = self.tasks.entry(stream).and_modify(|(_, waker)| waker.clone_from(cx.waker()));
        waits.or_insert_with(|| (last, cx.waker().clone()));
    }

    pub(crate) fn take(&mut self, stream: StreamId, room: &mut Vec<(Turn, Waker)>) {
        room.extend(self.tasks.remove(&stream));
    }

    pub(crate) fn take_all(&mut self, woken: &mut Vec<Waker>) {
        woken.extend(self.tasks.drain().map(|(_, (_, waker))| waker));
    }

    pub(crate) fn forget(&mut self, stream: StreamId) {
        self.tasks.remove(&stream);
    }
}

/// Any number of tasks for each stream.
#[derive(Debug, Default)]
pub(crate) struct AllByStream {
    tasks: FxHashMap<StreamId, Vec<(u64, Waker)>>,
    /// What the next task is called. A name is not used again, because streams come and go.
    next: u64,
}

impl AllByStream {
    /// Remembers the task under the name that it has already or under a new one.
    pub(crate) fn add(&mut self, stream: StreamId, name: &mut Option<u64>, cx: &Context<'_>) {
        let tasks = self.tasks.entry(stream).or_insert_with(|| Vec::with_capacity(1));
        if let Some((_, task)) = tasks.iter_mut().find(|(known, _)| Some(*known) == *name) {
            task.clone_from(cx.waker());
            return;
        }
        tasks.push((self.next, cx.waker().clone()));
        *name = Some(self.next);
        self.next += 1;
    }

    /// Gives the task of that name back, if it was not woken since.
    pub(crate) fn leave(&mut self, stream: StreamId, name: u64) -> Option<Waker> {
        let tasks = self.tasks.get_mut(&stream)?;
        let index = tasks.iter().position(|(known, _)| *known == name)?;
        let (_, left) = tasks.swap_remove(index);
        if tasks.is_empty() {
            self.tasks.remove(&stream);
        }
        Some(left)
    }

    pub(crate) fn take(&mut self, stream: StreamId, woken: &mut Vec<Waker>) {
        woken.extend(self.tasks.remove(&stream).into_iter().flatten().map(|(_, task)| task));
    }

    pub(crate) fn take_all(&mut self, woken: &mut Vec<Waker>) {
        woken.extend(self.tasks.drain().flat_map(|(_, tasks)| tasks).map(|(_, task)| task));
    }
}

#[cfg(test)]
mod tests;
