//! Brings tunnels up, and the next one before the last is gone.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use hitotsu_model::code::Code;
use hitotsu_model::control::Problem;
use hitotsu_tunnel::fault::DialError;
use ring::rand::{SecureRandom, SystemRandom};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};

use super::backoff::Backoff;
use super::feed::Feed;
use super::handle::Shared;
use super::keeper::{KeepFailure, KeeperContext, keep};
use super::link::Link;
use super::requests::{self, RequestFailure};
use super::tunnel::{Failure, Phase, Tunnel};
use super::{Nudge, SessionConfig};
use crate::clock;
use crate::limits::{DRAIN_TIME_MAX, DRAINING_TUNNELS_MAX};

/// Runs until its task is aborted.
pub(crate) async fn supervise(shared: Arc<Shared>, config: SessionConfig, feed: Feed, nudges: mpsc::Receiver<Nudge>) {
    let context = KeeperContext { shared: Arc::clone(&shared), device: config.device, signer: config.signer, feed };
    let supervisor = Supervisor {
        backoff: Backoff::new(shared.timing.backoff),
        shared,
        context,
        link: config.link,
        nudges,
        tasks: JoinSet::new(),
        current: None,
        draining: VecDeque::new(),
        next_number: 0,
    };
    supervisor.run().await;
}

struct Supervisor {
    shared: Arc<Shared>,
    context: KeeperContext,
    link: Link,
    nudges: mpsc::Receiver<Nudge>,
    backoff: Backoff,
    /// Keepers and drains; they end with the supervisor.
    tasks: JoinSet<()>,
    current: Option<Arc<Tunnel>>,
    draining: VecDeque<Arc<Tunnel>>,
    next_number: u64,
}

/// A tunnel without flows is probed at every fourth beat only, in step with QUIC's own keep-alive (20 s), so that it
/// wakes no radio more often.
const IDLE_BEATS: u32 = 4;

/// Why a tunnel did not come up.
enum NoTunnel {
    /// The gateway does not want this device.
    Refused(Box<Problem>),
    /// Anything that may be gone next time.
    Failed(Failure),
}

impl Supervisor {
    async fn run(mut self) {
        loop {
            match self.bring_up().await {
                Ok(tunnel) => {
                    self.backoff.reset();
                    self.shared.note_failure(None);
                    if let Some(old) = self.current.replace(Arc::clone(&tunnel)) {
                        self.drain(old);
                    }
                    tracing::info!(tunnel = tunnel.number, transport = ?tunnel.connection.transport(), "connected");
                    self.shared.phase.send_replace(Phase::Up(Arc::clone(&tunnel)));
                    self.hold(&tunnel).await;
                }
                Err(no_tunnel) => {
                    let wait = self.after_failure(no_tunnel);
                    self.pause(wait).await;
                }
            }
        }
    }

    /// Dials, and waits until the first evidence is believed.
    async fn bring_up(&mut self) -> Result<Arc<Tunnel>, NoTunnel> {
        let connection = self.link.dial().await.map_err(|error| self.dial_failed(&error))?;
        let tunnel = Arc::new(Tunnel::new(self.next_number, connection, clock::now()));
        self.next_number += 1;
        let (first, attested) = oneshot::channel();
        // Ended tasks are let go here, so that the set does not grow with every tunnel.
        while self.tasks.try_join_next().is_some() {}
        self.tasks.spawn(keep(self.context.clone(), Arc::clone(&tunnel), first));
        match tokio::time::timeout(self.shared.timing.first_attest_time_max, attested).await {
            Ok(Ok(Ok(()))) => Ok(tunnel),
            Ok(Ok(Err(failure))) => Err(self.attest_failed(&tunnel, failure)),
            Ok(Err(_)) => Err(self.failed(Code::GatewayUnreachable, "the connection ended before it was attested")),
            Err(_) => {
                tunnel.connection.close("not attested in time");
                Err(self.failed(Code::GatewayUnreachable, "the gateway did not answer to the first statement"))
            }
        }
    }

    /// Watches over the current tunnel until another one is needed.
    async fn hold(&mut self, tunnel: &Arc<Tunnel>) {
        let mut heartbeat = tokio::time::interval(self.shared.timing.heartbeat_every);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut heard, mut beat) = (None, 0u32);
        loop {
            let nudge = tokio::select! {
                () = tunnel.leaving.cancelled() => return,
                nudge = self.nudges.recv() => nudge,
                _ = heartbeat.tick() => {
                    beat = beat.wrapping_add(1);
                    // Silent flows (an SSH session) would hang on a dead gateway until the idle time is over.
                    let down = self.shared.flows.sums().bytes_down;
                    let silent = heard.replace(down) == Some(down);
                    let due = self.shared.flows.carried_by(tunnel.number) > 0 || beat % IDLE_BEATS == 0;
                    if !(silent && due) {
                        continue;
                    }
                    Some(Nudge::Suspect(tunnel.number))
                }
            };
            let doubtful = match nudge {
                Some(Nudge::Suspect(number)) => number == tunnel.number,
                Some(Nudge::NetworkChanged) => {
                    tracing::info!(moved = tunnel.connection.rebind(), "the network changed");
                    true
                }
                Some(Nudge::Woke) => true,
                Some(Nudge::Wanted) => false,
                None => return,
            };
            if doubtful && !self.answers(tunnel).await {
                tracing::info!(tunnel = tunnel.number, "the tunnel does not answer; dialling anew");
                tunnel.abandon();
                return;
            }
        }
    }

    async fn answers(&self, tunnel: &Tunnel) -> bool {
        tokio::select! {
            () = tunnel.leaving.cancelled() => false,
            answers = requests::answers(&tunnel.connection, self.shared.timing.probe_time_max) => answers,
        }
    }

    /// Lets a replaced tunnel live for as long as it carries flows, within bounds. One that was given up for its silence
    /// and is silent still, now that the gateway can be reached, is dead: its flows are told so instead of hanging until
    /// QUIC's idle time is over.
    fn drain(&mut self, old: Arc<Tunnel>) {
        old.leaving.cancel();
        self.draining.retain(|tunnel| !tunnel.abandoned.is_cancelled());
        while self.draining.len() >= DRAINING_TUNNELS_MAX {
            if let Some(oldest) = self.draining.pop_front() {
                oldest.connection.close("replaced");
                oldest.abandon();
            }
        }
        self.draining.push_back(Arc::clone(&old));
        let flows = self.shared.flows.clone();
        let probe_time_max = self.shared.timing.probe_time_max;
        self.tasks.spawn(async move {
            if old.abandoned.is_cancelled() && !requests::answers(&old.connection, probe_time_max).await {
                tracing::info!(tunnel = old.number, "the replaced tunnel is dead; its flows end");
                return old.connection.close("answers nothing");
            }
            let drained = tokio::time::timeout(DRAIN_TIME_MAX, flows.none_on(old.number));
            tokio::select! {
                _ = drained => old.connection.close("replaced"),
                _ = old.connection.closed() => {}
            }
            old.abandon();
        });
    }

    fn after_failure(&mut self, no_tunnel: NoTunnel) -> Duration {
        let wanted = self.shared.waiting.load(Ordering::Relaxed) > 0;
        let wait = self.backoff.next(wanted, random_byte());
        let usable = self.current.as_ref().is_some_and(|tunnel| tunnel.takes_flows());
        match no_tunnel {
            NoTunnel::Refused(problem) => {
                tracing::warn!(code = problem.help_code, "the gateway refuses this device");
                self.shared.note_failure(None);
                self.shared.phase.send_replace(Phase::Refused(problem));
                wait.max(self.shared.timing.refused_retry)
            }
            NoTunnel::Failed(failure) => {
                tracing::info!(code = failure.problem.help_code, failures = self.backoff.failures(), "no tunnel yet");
                tracing::debug!(detail = failure.detail, "no tunnel yet");
                self.shared.note_failure(Some(failure.clone()));
                if !usable {
                    self.shared.phase.send_replace(Phase::Down(Some(failure)));
                }
                wait
            }
        }
    }

    /// Waits, but not longer than somebody who has just come is to wait, and not at all when the network changed.
    async fn pause(&mut self, wait: Duration) {
        let refused = matches!(*self.shared.phase.borrow(), Phase::Refused(_));
        let mut until = Instant::now() + wait;
        loop {
            tokio::select! {
                () = tokio::time::sleep_until(until) => return,
                nudge = self.nudges.recv() => match nudge {
                    Some(Nudge::NetworkChanged | Nudge::Woke) => return,
                    Some(Nudge::Wanted) if !refused => {
                        until = until.min(Instant::now() + self.shared.timing.backoff.longest_wanted);
                    }
                    Some(Nudge::Wanted | Nudge::Suspect(_)) => {}
                    None => return,
                },
            }
        }
    }

    fn attest_failed(&self, tunnel: &Tunnel, failure: KeepFailure) -> NoTunnel {
        tunnel.connection.close("not attested");
        match failure {
            KeepFailure::Request(RequestFailure::Problem(problem)) if passes(problem.code) => {
                NoTunnel::Failed(Failure { detail: problem.code.to_string(), problem: *problem })
            }
            KeepFailure::Request(RequestFailure::Problem(problem)) => NoTunnel::Refused(problem),
            KeepFailure::Request(
                error @ (RequestFailure::Connection(_) | RequestFailure::Late | RequestFailure::NotUnderstood(_)),
            ) => self.failed(Code::GatewayUnreachable, &error.to_string()),
            KeepFailure::Here(why) => self.failed(Code::EvidenceMissing, &why),
        }
    }

    fn dial_failed(&self, error: &DialError) -> NoTunnel {
        match error {
            DialError::NotAccepted(why) => {
                tracing::debug!(why, "the gateway does not accept this certificate");
                NoTunnel::Refused(Box::new(self.shared.problem(Code::CertificateUnfit)))
            }
            DialError::GatewayUntrusted(_) => self.failed(Code::EnrolWrongGateway, &error.to_string()),
            DialError::Unreachable { .. } | DialError::Incompatible(_) | DialError::Misconfigured(_) => {
                self.failed(Code::GatewayUnreachable, &error.to_string())
            }
        }
    }

    fn failed(&self, code: Code, detail: &str) -> NoTunnel {
        NoTunnel::Failed(Failure { problem: self.shared.problem(code), detail: detail.to_owned() })
    }
}

/// Whether a refusal passes by itself or with the next dial.
fn passes(code: Code) -> bool {
    code.number() / 100_000 == 6 && code != Code::SessionKilled
        || matches!(code, Code::EvidenceStale | Code::EvidenceReplayed | Code::EvidenceOtherConnection)
}

/// Without randomness the waits are the longest ones: slower, not wrong.
fn random_byte() -> u8 {
    let mut byte = [u8::MAX];
    let _ = SystemRandom::new().fill(&mut byte);
    let [byte] = byte;
    byte
}
