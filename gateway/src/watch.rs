//! Keeps every decision true: asks again on each change, and cuts what is no longer permitted.
//!
//! Inputs that change: the bundle, the registry (devices, revocations), a session's posture, evidence age and place,
//! and time itself. A change has its new value before it is announced, and a flow is registered before its inputs are
//! read; so each flow is either asked again here, or sees the new generation before its first byte.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use hitotsu_model::code::Code;
use hitotsu_model::control::Notice;
use hitotsu_model::resource::Target;
use hitotsu_model::time::Timestamp;
use hitotsu_policy::bundle::Bundle;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::admission::{self, still_standing};
use crate::clock::JumpDetector;
use crate::denied::Denied;
use crate::gateway::Gateway;
use crate::limits::{CLOCK_JUMP, WATCH_TICK};
use crate::session::{AdmittedTo, LiveFlow, Session};

/// Watches until `stop`; `wall` reads the wall clock.
pub async fn run(gateway: Arc<Gateway>, wall: impl Fn() -> Timestamp + Send, stop: CancellationToken) {
    let mut changes = gateway.changes();
    let mut registry_changes = gateway.registry.changes();
    let mut ticks = interval(WATCH_TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut jumps = JumpDetector::new(Instant::now(), wall(), CLOCK_JUMP);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            changed = changes.changed() => {
                if changed.is_err() {
                    return;
                }
                sweep_all(&gateway, wall());
            }
            changed = registry_changes.changed() => {
                if changed.is_err() {
                    return;
                }
                gateway.changed();
            }
            _ = ticks.tick() => {
                let now = wall();
                if let Some(milliseconds) = jumps.jumped(Instant::now(), now) {
                    tracing::warn!(milliseconds, "the wall clock jumped; every decision is made again");
                    for session in gateway.live.sessions() {
                        session.clock_jumped();
                    }
                    gateway.changed();
                } else if now >= gateway.next_expiry() {
                    sweep_all(&gateway, now);
                }
            }
        }
    }
}

/// Asks again about every session and flow.
pub fn sweep_all(gateway: &Gateway, now: Timestamp) {
    let begun = Instant::now();
    let bundle = gateway.bundle();
    gateway.forget_expiry();
    for session in gateway.live.sessions() {
        sweep(gateway, &bundle, &session, now);
    }
    gateway.metrics.sweep_seconds.observe(begun.elapsed().as_secs_f64());
}

/// Asks again about one session and its flows.
pub fn sweep(gateway: &Gateway, bundle: &Bundle, session: &Arc<Session>, now: Timestamp) {
    if let Err(code) = still_standing(session, &gateway.registry, now) {
        end_session(gateway, session, code);
        return;
    }
    gateway.expires_at(session.identity.peer().not_after);
    // A place that the bundle no longer gives to the path is lost like one that the path left.
    session.place_checked(bundle);
    // One question for many flows is asked once.
    let mut answers: BTreeMap<(Target, IpAddr), Result<Timestamp, Denied>> = BTreeMap::new();
    for flow in session.flows() {
        let Some(asked) = flow.admitted_to() else { continue };
        let answer = answers
            .entry((flow.target.clone(), asked.address))
            .or_insert_with(|| ask(gateway, bundle, session, &flow.target, &asked, now));
        match answer {
            Ok(expires_at) => gateway.expires_at(*expires_at),
            Err(denied) => cut(gateway, session, &flow, denied),
        }
    }
}

/// Asks again about an admitted flow, from nothing but the inputs of now.
///
/// # Errors
/// The refusal.
pub fn ask(
    gateway: &Gateway,
    bundle: &Bundle,
    session: &Session,
    target: &Target,
    asked: &AdmittedTo,
    now: Timestamp,
) -> Result<Timestamp, Denied> {
    let evidence = admission::evidence(session, bundle, Instant::now())?;
    admission::readmit(&evidence, gateway, bundle, target, asked, now).map(|(_, verdict)| verdict.expires_at)
}

/// Ends a flow and tells its device why; whoever ended it first has told it.
pub fn cut(gateway: &Gateway, session: &Session, flow: &LiveFlow, denied: &Denied) {
    if !flow.cut(denied.code()) {
        return;
    }
    gateway.metrics.flows_cut.inc();
    tracing::info!(session = %session.id, flow = %flow.id, code = %denied.code(), rules = ?denied.rules, "flow cut");
    let problem = denied.problem(gateway.sentences.of(session.language()), Some(flow.id));
    session.notify(Notice::Cut { flow: flow.id, stream: flow.stream, target: flow.target.clone(), problem });
}

/// Ends a session with all its flows.
pub fn end_session(gateway: &Gateway, session: &Session, code: Code) {
    let denied = Denied::new(code);
    for flow in session.flows() {
        cut(gateway, session, &flow, &denied);
    }
    session.end(code);
    tracing::info!(session = %session.id, %code, "session ended by the gateway");
}

#[cfg(test)]
mod tests;
