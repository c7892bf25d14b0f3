//! The flows that are open now, and what became of the last ones.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hitotsu_model::control::Problem;
use hitotsu_model::resource::Target;
use hitotsu_model::time::Timestamp;
use hitotsu_tunnel::relay::Counters;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::clock;
use crate::limits::{OPEN_FLOWS_MAX, RECENT_EVENTS_MAX};

/// Which tunnel of this process a flow is on.
pub type TunnelNumber = u64;

/// All flows of the agent. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Flows(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    table: Mutex<Table>,
    ended: Notify,
}

#[derive(Debug, Default)]
struct Table {
    next: u64,
    open: BTreeMap<u64, Record>,
    opened: u64,
    ended_up: u64,
    ended_down: u64,
    recent: VecDeque<Event>,
}

#[derive(Debug)]
struct Record {
    target: Target,
    since: Timestamp,
    carried_by: Option<(TunnelNumber, u64)>,
    counts: Counts,
    cut: CancellationToken,
}

/// What a flow carried: counted by a relay, and by fronts that relay in their own way.
#[derive(Debug, Clone, Default)]
struct Counts {
    relay: Counters,
    own: Arc<[AtomicU64; 2]>,
}

impl Counts {
    fn up(&self) -> u64 {
        let [up, _] = &*self.own;
        self.relay.to_tunnel().saturating_add(up.load(Ordering::Relaxed))
    }

    fn down(&self) -> u64 {
        let [_, down] = &*self.own;
        self.relay.to_socket().saturating_add(down.load(Ordering::Relaxed))
    }
}

/// A refusal or a cut, for `status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// When.
    pub at: Timestamp,
    /// What was asked for.
    pub target: Target,
    /// Whether the flow was open already.
    pub was_open: bool,
    /// Why.
    pub problem: Problem,
}

/// Sums for `status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct FlowSums {
    /// Open now.
    pub open: usize,
    /// Opened since the agent began.
    pub opened: u64,
    /// Bytes from this computer, of all flows.
    pub bytes_up: u64,
    /// Bytes to this computer, of all flows.
    pub bytes_down: u64,
}

/// One open flow, for `status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenFlow {
    /// What it reaches.
    pub target: Target,
    /// Since when.
    pub since: Timestamp,
    /// Bytes from this computer.
    pub bytes_up: u64,
    /// Bytes to this computer.
    pub bytes_down: u64,
}

impl Flows {
    /// Registers a flow that is about to be asked for; `None` when there are [`OPEN_FLOWS_MAX`] already.
    #[must_use]
    pub fn register(&self, target: &Target) -> Option<FlowTicket> {
        let mut table = self.table();
        if table.open.len() >= OPEN_FLOWS_MAX {
            return None;
        }
        let number = table.next;
        table.next = table.next.wrapping_add(1);
        table.opened = table.opened.saturating_add(1);
        let (counts, cut) = (Counts::default(), CancellationToken::new());
        let record = Record {
            target: target.clone(),
            since: clock::now(),
            carried_by: None,
            counts: counts.clone(),
            cut: cut.clone(),
        };
        table.open.insert(number, record);
        Some(FlowTicket { flows: self.clone(), number, counts, cut })
    }

    /// The gateway cut a flow: it ends here too, at once, and `status` shows why.
    pub fn cut(&self, tunnel: TunnelNumber, stream: u64, target: Target, problem: Problem) {
        let mut table = self.table();
        if let Some(record) = table.open.values().find(|record| record.carried_by == Some((tunnel, stream))) {
            record.cut.cancel();
        }
        table.note(Event { at: clock::now(), target, was_open: true, problem });
    }

    /// A flow was refused.
    pub fn refused(&self, target: &Target, problem: &Problem) {
        let event = Event { at: clock::now(), target: target.clone(), was_open: false, problem: problem.clone() };
        self.table().note(event);
    }

    /// How many flows a tunnel carries.
    #[must_use]
    pub fn carried_by(&self, tunnel: TunnelNumber) -> usize {
        let table = self.table();
        let on = |record: &&Record| record.carried_by.is_some_and(|(number, _)| number == tunnel);
        table.open.values().filter(on).count()
    }

    /// Completes when a tunnel carries no flow.
    pub async fn none_on(&self, tunnel: TunnelNumber) {
        loop {
            let ended = self.0.ended.notified();
            tokio::pin!(ended);
            // Registered before the look, so that an end between the two is not missed.
            ended.as_mut().enable();
            if self.carried_by(tunnel) == 0 {
                return;
            }
            ended.await;
        }
    }

    /// Sums over all flows.
    #[must_use]
    pub fn sums(&self) -> FlowSums {
        let table = self.table();
        let up: u64 = table.open.values().map(|record| record.counts.up()).sum();
        let down: u64 = table.open.values().map(|record| record.counts.down()).sum();
        FlowSums {
            open: table.open.len(),
            opened: table.opened,
            bytes_up: table.ended_up.saturating_add(up),
            bytes_down: table.ended_down.saturating_add(down),
        }
    }

    /// The flows that are open, oldest first.
    #[must_use]
    pub fn open(&self) -> Vec<OpenFlow> {
        let open = |record: &Record| OpenFlow {
            target: record.target.clone(),
            since: record.since,
            bytes_up: record.counts.up(),
            bytes_down: record.counts.down(),
        };
        self.table().open.values().map(open).collect()
    }

    /// The last refusals and cuts, newest first.
    #[must_use]
    pub fn recent(&self) -> Vec<Event> {
        self.table().recent.iter().cloned().collect()
    }

    /// The table stays whole between any two statements that could panic, so a poisoned lock is as good as any.
    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn note(&mut self, event: Event) {
        self.recent.push_front(event);
        self.recent.truncate(RECENT_EVENTS_MAX);
    }
}

/// A place in the table; dropping it ends the flow there.
#[derive(Debug)]
pub struct FlowTicket {
    flows: Flows,
    number: u64,
    counts: Counts,
    cut: CancellationToken,
}

impl FlowTicket {
    /// Says which stream of which tunnel carries the flow, so that a notice about it finds it.
    pub fn carried_by(&self, tunnel: TunnelNumber, stream: u64) {
        if let Some(record) = self.flows.table().open.get_mut(&self.number) {
            record.carried_by = Some((tunnel, stream));
        }
    }

    /// The live counters, for the relay.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.counts.relay.clone()
    }

    /// Counts bytes from this computer that no relay counts.
    pub fn add_up(&self, bytes: usize) {
        let [up, _] = &*self.counts.own;
        up.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Counts bytes to this computer that no relay counts.
    pub fn add_down(&self, bytes: usize) {
        let [_, down] = &*self.counts.own;
        down.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Cancelled when the gateway cuts the flow.
    #[must_use]
    pub fn cut(&self) -> CancellationToken {
        self.cut.clone()
    }
}

impl Drop for FlowTicket {
    fn drop(&mut self) {
        let mut table = self.flows.table();
        if let Some(record) = table.open.remove(&self.number) {
            table.ended_up = table.ended_up.saturating_add(record.counts.up());
            table.ended_down = table.ended_down.saturating_add(record.counts.down());
        }
        drop(table);
        self.flows.0.ended.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hitotsu_model::code::Code;
    use hitotsu_model::message::{Language, Messages};
    use hitotsu_model::resource::Transport;

    #[test]
    fn a_cut_reaches_the_flow_on_that_stream_of_that_tunnel_only() {
        let flows = Flows::default();
        let (here, there) = (flows.register(&target()).expect("room"), flows.register(&target()).expect("room"));
        here.carried_by(1, 4);
        there.carried_by(2, 4);
        flows.cut(1, 4, target(), problem());
        assert!(here.cut().is_cancelled());
        assert!(!there.cut().is_cancelled());
        assert_eq!(flows.recent().len(), 1);
        assert_eq!(flows.carried_by(1), 1);
    }

    #[test]
    fn no_more_flows_than_the_bound_are_open_and_an_ended_one_makes_room() {
        let flows = Flows::default();
        let mut tickets: Vec<FlowTicket> = (0..OPEN_FLOWS_MAX).filter_map(|_| flows.register(&target())).collect();
        assert_eq!(tickets.len(), OPEN_FLOWS_MAX);
        assert!(flows.register(&target()).is_none());
        tickets.pop();
        assert!(flows.register(&target()).is_some());
        assert_eq!(flows.sums().open, OPEN_FLOWS_MAX - 1);
    }

    #[test]
    fn only_the_last_events_are_remembered() {
        let flows = Flows::default();
        for _ in 0..RECENT_EVENTS_MAX * 2 {
            flows.refused(&target(), &problem());
        }
        assert_eq!(flows.recent().len(), RECENT_EVENTS_MAX);
    }

    fn target() -> Target {
        Target::parse("files.example:443", Transport::Tcp).expect("parses")
    }

    fn problem() -> Problem {
        Problem::new(Code::FirewallOff, &Messages::new(Language::En, &[]).expect("messages"))
    }
}
