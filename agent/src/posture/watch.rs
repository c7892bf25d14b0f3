//! Watching the posture: looking again when something announces a change, and now and then where nothing can.
//!
//! Each collector has a time at which it is looked at next. An announcement brings that time forward, to shortly after
//! now so that a burst counts once, and never within the collector's gap after its last look. That bounds the cost
//! whatever happens on the computer.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use hitotsu_model::posture::{ClaimName, Posture};
use hitotsu_model::time::Timestamp;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use crate::clock;
use crate::platform::Signals;
use crate::posture::collector::insert;
use crate::posture::{Collectors, Context, Finding, Machine, Watched, WhyUnknown};

/// From an announcement to the look: a program that rewrites several files does it within this.
const SETTLE: Duration = Duration::from_millis(150);
/// How soon to ask again a collector that has not answered.
const RETRY: Duration = Duration::from_millis(250);
/// Longest that the first look waits: the agent must not start late because one claim takes long. Most collectors answer
/// within 10 ms; one that does not is unknown at first and announced when it answers. One that says that it takes seconds is
/// not waited for at all.
const FIRST_PATIENCE: Duration = Duration::from_millis(500);
/// Longest that every other look waits: half of the 5 s within which a change must reach the gateway.
const PATIENCE: Duration = Duration::from_millis(2500);
/// Requests for a whole new look that may wait: the session and a few people at once.
const REQUESTS_MAX: usize = 16;

/// Keeps the posture up to date. The work behind it ends when the last handle is dropped.
#[derive(Debug, Clone)]
pub struct Watch {
    current: watch::Receiver<Posture>,
    told: Posture,
    inputs: Arc<watch::Sender<Inputs>>,
    requests: mpsc::Sender<oneshot::Sender<Posture>>,
}

/// What others tell the collectors.
#[derive(Debug, Clone)]
struct Inputs {
    forbidden: Arc<[String]>,
    clock_skew_seconds: Option<i64>,
}

impl Watch {
    /// Collects once, then watches. `forbidden` are the programs that policy forbids, if already known. What the
    /// operating system does not announce is looked at every few seconds instead.
    ///
    /// Must be called on a tokio runtime with IO and time.
    pub async fn start(collectors: Collectors, machine: Arc<Machine>, forbidden: Vec<String>) -> Self {
        let inputs = Inputs { forbidden: forbidden.into(), clock_skew_seconds: None };
        let (inputs_send, inputs) = watch::channel(inputs);
        let (requests_send, requests) = mpsc::channel(REQUESTS_MAX);
        let (current_send, current) = watch::channel(all_unknown());
        let mut watcher = Watcher::new(collectors, machine, inputs, current_send);
        watcher.first_look().await;
        tokio::spawn(watcher.run(requests));
        let told = current.borrow().clone();
        Self { current, told, inputs: Arc::new(inputs_send), requests: requests_send }
    }

    /// The posture as last collected.
    #[must_use]
    pub fn current(&self) -> Posture {
        // A watcher that is gone can vouch for nothing.
        if self.current.has_changed().is_err() { all_unknown() } else { self.current.borrow().clone() }
    }

    /// Waits until the posture says something else than this handle last returned here (or than at the start), and
    /// returns it. Cancel-safe.
    pub async fn changed(&mut self) -> Posture {
        loop {
            let ended = self.current.changed().await.is_err();
            let now = if ended { all_unknown() } else { self.current.borrow_and_update().clone() };
            if !now.says_the_same_as(&self.told) {
                self.told = now.clone();
                return now;
            }
            if ended {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Looks at everything again now, for evidence that must be fresh, and returns it.
    pub async fn recollect(&self) -> Posture {
        let (send, answer) = oneshot::channel();
        if self.requests.send(send).await.is_err() {
            return all_unknown();
        }
        answer.await.unwrap_or_else(|_| all_unknown())
    }

    /// Replaces the list of forbidden programs; what changes by it comes out of [`Watch::changed`].
    pub fn set_forbidden(&self, forbidden: Vec<String>) {
        self.inputs.send_if_modified(|inputs| {
            let differs = *inputs.forbidden != *forbidden;
            inputs.forbidden = forbidden.into();
            differs
        });
    }

    /// The gateway said that it was `gateway_time` when this computer's clock said `here`.
    ///
    /// Whole seconds, and only from two seconds on: less than that is the way of the message, and would make a new
    /// posture of every answer.
    pub fn set_gateway_time(&self, gateway_time: Timestamp, here: Timestamp) {
        let ahead_ms = here.0.saturating_sub(gateway_time.0);
        let seconds = if ahead_ms.abs() < 2000 { 0 } else { ahead_ms / 1000 };
        self.inputs.send_if_modified(|inputs| {
            // A reading that wavers by a second is the same reading.
            let differs = inputs.clock_skew_seconds.is_none_or(|before| before.abs_diff(seconds) > 1);
            if differs {
                inputs.clock_skew_seconds = Some(seconds);
            }
            differs
        });
    }
}

fn all_unknown() -> Posture {
    let mut posture = Posture::default();
    for name in ClaimName::ALL {
        insert(&mut posture, Finding::unknown(*name, WhyUnknown::Crashed), clock::now());
    }
    posture
}

/// The work behind a [`Watch`].
struct Watcher {
    collectors: Collectors,
    machine: Arc<Machine>,
    inputs: watch::Receiver<Inputs>,
    current: watch::Sender<Posture>,
    signals: Signals,
    plans: Vec<Plan>,
}

/// When a collector is looked at.
struct Plan {
    watched: Watched,
    poll: Duration,
    last: Instant,
    next: Instant,
}

impl Watcher {
    fn new(
        collectors: Collectors,
        machine: Arc<Machine>,
        inputs: watch::Receiver<Inputs>,
        current: watch::Sender<Posture>,
    ) -> Self {
        let watched: Vec<Watched> =
            (0..collectors.len()).filter_map(|index| collectors.watched(index, &machine)).collect();
        // Announcements are subscribed to before the first look, so that none falls between the two.
        let signals = Signals::open(&machine, &watched);
        let now = Instant::now();
        let plan = |watched: Watched| {
            let heard = watched.signal.is_some_and(|signal| signals.hears(signal));
            let poll = if heard { watched.poll_with_signal } else { watched.poll };
            Plan { watched, poll, last: now, next: now }
        };
        let plans = watched.into_iter().map(plan).collect();
        Self { collectors, machine, inputs, current, signals, plans }
    }

    async fn run(mut self, mut requests: mpsc::Receiver<oneshot::Sender<Posture>>) {
        loop {
            let wake = self.plans.iter().map(|plan| plan.next).min().unwrap_or_else(Instant::now);
            tokio::select! {
                changed = self.signals.next() => self.announced(&changed),
                () = tokio::time::sleep_until(wake) => {
                    let now = Instant::now();
                    let due: BTreeSet<usize> = self.due(now);
                    self.look(|index| due.contains(&index), |_| PATIENCE).await;
                }
                inputs = self.inputs.changed() => match inputs {
                    Ok(()) => self.told(),
                    Err(_) => return,
                },
                request = requests.recv() => match request {
                    Some(answer) => {
                        self.look(|_| true, |_| PATIENCE).await;
                        drop(answer.send(self.current.borrow().clone()));
                    }
                    None => return,
                },
            }
        }
    }

    fn due(&self, now: Instant) -> BTreeSet<usize> {
        self.plans.iter().enumerate().filter(|(_, plan)| plan.next <= now).map(|(index, _)| index).collect()
    }

    /// Something may have changed for these collectors.
    fn announced(&mut self, changed: &BTreeSet<usize>) {
        let soon = Instant::now() + SETTLE;
        for index in changed {
            if let Some(plan) = self.plans.get_mut(*index) {
                plan.next = plan.next.min(soon.max(plan.last + plan.watched.gap));
            }
        }
    }

    /// New inputs: those who use them look again at once.
    fn told(&mut self) {
        let now = Instant::now();
        for name in [ClaimName::ForbiddenSoftware, ClaimName::ClockSkewSeconds] {
            if let Some(plan) = self.collectors.making(name).and_then(|index| self.plans.get_mut(index)) {
                plan.next = now;
            }
        }
    }

    /// Looks at everything, and waits for what answers soon.
    async fn first_look(&mut self) {
        let takes_long = |index: &usize| self.collectors.takes_long(*index, &self.machine);
        let long: BTreeSet<usize> = (0..self.plans.len()).filter(takes_long).collect();
        self.look(|_| true, move |index| if long.contains(&index) { Duration::ZERO } else { FIRST_PATIENCE }).await;
    }

    async fn look(&mut self, wanted: impl Fn(usize) -> bool, patience: impl Fn(usize) -> Duration + Send + 'static) {
        let chosen: BTreeSet<usize> = (0..self.plans.len()).filter(|index| wanted(*index)).collect();
        let context = {
            let inputs = self.inputs.borrow();
            Context {
                machine: Arc::clone(&self.machine),
                forbidden: Arc::clone(&inputs.forbidden),
                now: clock::now(),
                clock_skew_seconds: inputs.clock_skew_seconds,
            }
        };
        let (collectors, picked, mut posture) =
            (self.collectors.clone(), chosen.clone(), self.current.borrow().clone());
        let work = tokio::task::spawn_blocking(move || {
            let late = collectors.collect_some(|index| picked.contains(&index), patience, &context, &mut posture);
            (posture, late)
        });
        let (posture, late) = match work.await {
            Ok(done) => done,
            // INVARIANT (collectors are supervised): only the runtime's end leads here.
            Err(_) => (all_unknown(), Vec::new()),
        };
        self.plan_next(&chosen, &late);
        self.current.send_if_modified(|current| {
            let differs = !current.says_the_same_as(&posture);
            *current = posture;
            differs
        });
    }

    fn plan_next(&mut self, looked: &BTreeSet<usize>, late: &[usize]) {
        let now = Instant::now();
        for (index, plan) in self.plans.iter_mut().enumerate() {
            if looked.contains(&index) {
                plan.last = now;
                plan.next = now + if late.contains(&index) { RETRY } else { plan.poll };
            }
        }
    }
}

#[cfg(test)]
mod tests;
