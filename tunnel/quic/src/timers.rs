//! When to look at which connection.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use quinn_proto::ConnectionHandle;
use tokio::time::Sleep;

use crate::connection::State;

/// An entry may be too early: then it is put off when it is due, so that a deadline that moves with every packet costs
/// nothing. INVARIANT (scheduled): a connection has one entry at `State::scheduled`, or none.
#[derive(Default)]
pub(crate) struct Timers {
    entries: BTreeSet<(Instant, ConnectionHandle)>,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Timers {
    pub(crate) fn schedule(&mut self, state: &mut State) {
        if let Some(deadline) = state.proto.poll_timeout() {
            self.put(&mut state.scheduled, deadline, state.handle);
        }
    }

    fn put(&mut self, scheduled: &mut Option<Instant>, deadline: Instant, handle: ConnectionHandle) {
        if scheduled.is_some_and(|scheduled| scheduled <= deadline) {
            return;
        }
        self.forget(scheduled, handle);
        *scheduled = Some(deadline);
        self.entries.insert((deadline, handle));
    }

    pub(crate) fn forget(&mut self, scheduled: &mut Option<Instant>, handle: ConnectionHandle) {
        if let Some(scheduled) = scheduled.take() {
            self.entries.remove(&(scheduled, handle));
        }
    }

    /// Takes out what is due. Whoever it is has no entry any more.
    pub(crate) fn due(&mut self, time: Instant) -> Vec<ConnectionHandle> {
        let mut due = Vec::new();
        while let Some((deadline, handle)) = self.entries.first().copied()
            && deadline <= time
        {
            self.entries.pop_first();
            due.push(handle);
        }
        due
    }

    /// Ready when something is due; wakes the task then otherwise. Where tokio says that the task has had its share, it wakes
    /// it at once.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some((deadline, _)) = self.entries.first() else { return Poll::Pending };
        let deadline = tokio::time::Instant::from_std(*deadline);
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        if sleep.deadline() != deadline {
            sleep.as_mut().reset(deadline);
        }
        sleep.as_mut().poll(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_deadline_that_moves_later_leaves_the_earlier_entry() {
        let (mut timers, mut scheduled, start) = (Timers::default(), None, Instant::now());
        timers.put(&mut scheduled, at(start, 1), ConnectionHandle(7));

        timers.put(&mut scheduled, at(start, 5), ConnectionHandle(7));

        assert_eq!(scheduled, Some(at(start, 1)));
        assert_eq!(timers.due(at(start, 1)), [ConnectionHandle(7)]);
        assert_eq!(timers.due(at(start, 9)), []);
    }

    #[test]
    fn a_deadline_that_moves_earlier_takes_the_place_of_the_later_entry() {
        let (mut timers, mut scheduled, start) = (Timers::default(), None, Instant::now());
        timers.put(&mut scheduled, at(start, 5), ConnectionHandle(7));

        timers.put(&mut scheduled, at(start, 1), ConnectionHandle(7));

        assert_eq!(timers.due(at(start, 1)), [ConnectionHandle(7)]);
        assert_eq!(timers.due(at(start, 9)), []);
    }

    #[test]
    fn whoever_was_due_can_be_put_off() {
        let (mut timers, mut scheduled, start) = (Timers::default(), None, Instant::now());
        timers.put(&mut scheduled, at(start, 1), ConnectionHandle(7));
        assert_eq!(timers.due(at(start, 1)), [ConnectionHandle(7)]);

        // As the worker does with whoever is due.
        scheduled = None;
        timers.put(&mut scheduled, at(start, 5), ConnectionHandle(7));

        assert_eq!(timers.due(at(start, 4)), []);
        assert_eq!(timers.due(at(start, 5)), [ConnectionHandle(7)]);
    }

    #[test]
    fn a_handle_that_is_used_again_inherits_no_entry() {
        let (mut timers, mut before, start) = (Timers::default(), None, Instant::now());
        timers.put(&mut before, at(start, 1), ConnectionHandle(7));

        timers.forget(&mut before, ConnectionHandle(7));
        let mut after = None;
        timers.put(&mut after, at(start, 5), ConnectionHandle(7));

        assert_eq!(before, None);
        assert_eq!(timers.due(at(start, 4)), []);
        assert_eq!(timers.due(at(start, 5)), [ConnectionHandle(7)]);
    }

    #[test]
    fn the_earliest_is_due_first_and_the_others_stay() {
        let (mut timers, start) = (Timers::default(), Instant::now());
        for (after, handle) in [(3, 1), (1, 2), (2, 3)] {
            timers.put(&mut None, at(start, after), ConnectionHandle(handle));
        }

        assert_eq!(timers.due(at(start, 2)), [ConnectionHandle(2), ConnectionHandle(3)]);
        assert_eq!(timers.due(at(start, 3)), [ConnectionHandle(1)]);
    }

    fn at(start: Instant, after: u64) -> Instant {
        start + Duration::from_secs(after)
    }
}
