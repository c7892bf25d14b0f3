//! What every part of a running gateway shares.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use arc_swap::ArcSwap;
use hickory_resolver::TokioResolver;
use hitotsu_model::audit::AuditEvent;
use hitotsu_model::ids::{FlowId, ResourceId, RuleId};
use hitotsu_model::message::Sentences;
use hitotsu_model::time::Timestamp;
use hitotsu_pki::trust::Trust;
use hitotsu_policy::bundle::Bundle;
use hitotsu_tunnel::door::Door;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::audit::AuditLog;
use crate::limits::{ENROLMENTS_AT_ONCE_MAX, ENROLMENTS_PER_SOURCE_MAX, REFUSED_AT_ONCE_MAX, REFUSED_PER_SOURCE_MAX};
use crate::live::Live;
use crate::metrics::Metrics;
use crate::records::Records;
use crate::registry::Registry;

/// The shared state of a running gateway.
pub struct Gateway {
    /// Whom we trust.
    pub trust: Arc<Trust>,
    /// Devices and revocations, held in memory: the database may be away.
    pub registry: Registry,
    /// The audit log.
    pub audit: AuditLog,
    /// What is recorded without waiting.
    pub records: Records,
    /// The gateway's own resolver.
    pub resolver: TokioResolver,
    /// Sessions and flows of now.
    pub live: Live,
    /// Figures.
    pub metrics: Metrics,
    /// What people read.
    pub sentences: Sentences,
    /// Where the policy bundle lies.
    pub bundle_dir: PathBuf,
    /// Addresses and ports on which this gateway itself listens.
    pub own_listeners: Vec<SocketAddr>,
    /// Addresses of this machine.
    pub own_addresses: BTreeSet<IpAddr>,
    /// Places for refused peers that are being told why.
    pub refused_door: Arc<Door>,
    /// Places for machines that enrol.
    pub enrolment_door: Arc<Door>,
    bundle: ArcSwap<Bundle>,
    generation: watch::Sender<u64>,
    next_flow: AtomicU64,
    next_expiry: AtomicI64,
    draining: CancellationToken,
}

impl std::fmt::Debug for Gateway {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gateway").field("generation", &self.generation()).finish_non_exhaustive()
    }
}

/// The parts that a gateway is made of.
#[expect(missing_debug_implementations, reason = "a list of parts, taken apart at once")]
pub struct Parts {
    /// Whom we trust.
    pub trust: Arc<Trust>,
    /// Devices and revocations.
    pub registry: Registry,
    /// The audit log.
    pub audit: AuditLog,
    /// The first flow number that the audit log has not seen.
    pub next_flow: u64,
    /// The resolver.
    pub resolver: TokioResolver,
    /// Figures.
    pub metrics: Metrics,
    /// Where unfinished handshakes wait.
    pub front_doors: [Arc<Door>; 2],
    /// What people read.
    pub sentences: Sentences,
    /// The policy bundle's folder.
    pub bundle_dir: PathBuf,
    /// The policy bundle.
    pub bundle: Arc<Bundle>,
    /// Addresses and ports on which this gateway itself listens.
    pub own_listeners: Vec<SocketAddr>,
    /// Addresses of this machine.
    pub own_addresses: BTreeSet<IpAddr>,
}

impl Gateway {
    /// Puts the parts together. Needs a runtime.
    #[must_use]
    pub fn new(mut parts: Parts) -> Arc<Self> {
        let refused_door = Door::new("refused", REFUSED_AT_ONCE_MAX, REFUSED_PER_SOURCE_MAX);
        let enrolment_door = Door::new("enrolment", ENROLMENTS_AT_ONCE_MAX, ENROLMENTS_PER_SOURCE_MAX);
        let doors = parts.front_doors.into_iter().chain([refused_door.clone(), enrolment_door.clone()]);
        parts.metrics.collect_doors(doors.collect());
        Arc::new(Self {
            trust: parts.trust,
            registry: parts.registry,
            records: Records::start(parts.audit.clone(), &parts.metrics),
            audit: parts.audit,
            resolver: parts.resolver,
            live: Live::default(),
            metrics: parts.metrics,
            sentences: parts.sentences,
            bundle_dir: parts.bundle_dir,
            own_listeners: parts.own_listeners,
            own_addresses: parts.own_addresses,
            refused_door,
            enrolment_door,
            bundle: ArcSwap::new(parts.bundle),
            generation: watch::Sender::new(0),
            next_flow: AtomicU64::new(parts.next_flow),
            next_expiry: AtomicI64::new(i64::MAX),
            draining: CancellationToken::new(),
        })
    }

    /// The policy bundle of now.
    #[must_use]
    pub fn bundle(&self) -> Arc<Bundle> {
        self.bundle.load_full()
    }

    /// Replaces the policy bundle and announces the change.
    pub fn set_bundle(&self, bundle: Arc<Bundle>) {
        self.bundle.store(bundle);
        self.changed();
    }

    /// Counts changes of what decisions depend on: bundle, revocations, clock.
    #[must_use]
    pub fn generation(&self) -> u64 {
        *self.generation.borrow()
    }

    /// Announces that an input of decisions changed. Call it after the input has its new value.
    pub fn changed(&self) {
        self.generation.send_modify(|generation| *generation = generation.wrapping_add(1));
    }

    /// Wakes at every change.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.generation.subscribe()
    }

    /// The earliest instant at which time alone may change an answer that a live flow or session rests on.
    #[must_use]
    pub fn next_expiry(&self) -> Timestamp {
        Timestamp(self.next_expiry.load(Ordering::SeqCst))
    }

    /// An answer ends at this instant.
    pub fn expires_at(&self, at: Timestamp) {
        self.next_expiry.fetch_min(at.0, Ordering::SeqCst);
    }

    /// A sweep begins: it collects the expiries anew.
    pub fn forget_expiry(&self) {
        self.next_expiry.store(i64::MAX, Ordering::SeqCst);
    }

    /// A flow number that was never used.
    #[must_use]
    pub fn next_flow(&self) -> FlowId {
        FlowId(self.next_flow.fetch_add(1, Ordering::Relaxed))
    }

    /// True once the gateway takes nothing new.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.draining.is_cancelled()
    }

    /// From now on nothing new is taken.
    pub fn begin_drain(&self) {
        self.draining.cancel();
    }

    /// Completes when nothing new is taken any more.
    pub async fn drain_begun(&self) {
        self.draining.cancelled().await;
    }

    /// Whether the gateway may dial this address for these resources.
    ///
    /// Loopback, link-local (with the metadata address), unspecified, multicast and broadcast addresses and the
    /// machine's own are reachable only where each of the resources says so; the gateway's own listeners never are.
    #[must_use]
    pub fn may_dial(&self, bundle: &Bundle, resources: &[ResourceId], address: IpAddr, port: u16) -> bool {
        let own = address.is_loopback() || self.own_addresses.contains(&address);
        let own_listener = own
            && self.own_listeners.iter().any(|listener| {
                listener.port() == port && (listener.ip().is_unspecified() || listener.ip() == address)
            });
        if own_listener || never_a_system(address) {
            return false;
        }
        if !own && !is_link_local(address) {
            return true;
        }
        !resources.is_empty()
            && resources.iter().all(|id| bundle.resource(id).is_some_and(|resource| resource.allow_loopback))
    }

    /// Rules failed to evaluate: what they touch is refused; here it is counted, logged and recorded.
    pub fn policy_failed(&self, rules: &[RuleId]) {
        self.metrics.policy_errors.inc();
        tracing::error!(?rules, "policy rules could not be evaluated; what they touch is refused");
        self.record(AuditEvent::PolicyFailed { rules: rules.to_vec() });
    }

    /// Records something that need not be waited for, and that a flood may crowd out; see [`Records::record`].
    pub fn record(&self, event: AuditEvent) {
        self.records.record(event);
    }
}

fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    }
}

/// Addresses that no connected system has.
fn never_a_system(address: IpAddr) -> bool {
    let broadcast = match address {
        IpAddr::V4(v4) => v4.is_broadcast(),
        IpAddr::V6(_) => false,
    };
    address.is_unspecified() || address.is_multicast() || broadcast
}
