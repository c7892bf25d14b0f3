//! One connection of one device: who it is, what it has proven, what it has open.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

use hitotsu_model::code::Code;
use hitotsu_model::control::Notice;
use hitotsu_model::ids::{FlowId, PlaceId, ResourceId, SessionId};
use hitotsu_model::message::Language;
use hitotsu_model::posture::Posture;
use hitotsu_model::resource::Target;
use hitotsu_model::time::Timestamp;
use hitotsu_policy::bundle::Bundle;
use hitotsu_policy::memo::Memo;
use hitotsu_policy::subject::{PreparedSubject, Subject};
use hitotsu_tunnel::relay::Counters;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::admission::Identified;
use crate::limits::{REFUSALS_MAX, REFUSALS_WINDOW};

pub mod evidence;
pub mod notices;
pub mod serve;

use evidence::Nonces;
use notices::{Listener, Teller};

/// One live connection.
#[derive(Debug)]
pub struct Session {
    /// Its id.
    pub id: SessionId,
    /// Who it is: proof that the chain, the status and the device record were checked after the handshake.
    pub identity: Identified,
    /// `h3`, `h2` or `h1`.
    pub transport: &'static str,
    /// When it began.
    pub opened_at: Timestamp,
    /// Ends the session when cancelled.
    pub ended: CancellationToken,
    end_code: OnceLock<Code>,
    state: Mutex<State>,
    memo: Mutex<Memo>,
    flows: Mutex<BTreeMap<FlowId, Arc<LiveFlow>>>,
    notices: Mutex<Option<Teller>>,
    english: AtomicBool,
    first_evidence: watch::Sender<bool>,
}

/// What changes in the life of a session.
#[derive(Debug)]
struct State {
    place: Option<PlaceId>,
    source: IpAddr,
    refusals: Refusals,
    evidence: Option<Believed>,
    nonces: Nonces,
    subject: Option<Arc<Prepared>>,
}

/// How often a session was refused lately.
#[derive(Debug)]
struct Refusals {
    since: Instant,
    count: u32,
}

/// Evidence that was believed.
#[derive(Debug, Clone)]
pub struct Believed {
    /// The device's state.
    pub posture: Posture,
    /// When the gateway believed it, by the monotonic clock, which no one can set.
    pub at: Instant,
}

/// A subject prepared against one bundle.
#[derive(Debug)]
pub struct Prepared {
    bundle: String,
    /// The subject.
    pub subject: PreparedSubject,
}

/// A flow that is being opened or is open.
#[derive(Debug)]
pub struct LiveFlow {
    /// Its id.
    pub id: FlowId,
    /// The transport's stream number.
    pub stream: u64,
    /// What was asked for.
    pub target: Target,
    /// When it was asked for.
    pub opened_at: Timestamp,
    /// Cancelled when the flow must end.
    pub cut: CancellationToken,
    /// Bytes so far, both ways.
    pub counters: Counters,
    cut_code: OnceLock<Code>,
    admitted: Mutex<Option<Arc<AdmittedTo>>>,
}

/// What a flow was admitted to: the question that is asked again on every change.
#[derive(Debug, Clone)]
pub struct AdmittedTo {
    /// The address dialled.
    pub address: IpAddr,
    /// The resources that its name selected when it was asked for.
    pub named: Vec<ResourceId>,
    /// Every resource whose decision must hold.
    pub resources: Vec<ResourceId>,
}

impl LiveFlow {
    /// A flow that has just been asked for.
    #[must_use]
    pub fn new(id: FlowId, stream: u64, target: Target, opened_at: Timestamp) -> Self {
        Self {
            id,
            stream,
            target,
            opened_at,
            cut: CancellationToken::new(),
            counters: Counters::default(),
            cut_code: OnceLock::new(),
            admitted: Mutex::default(),
        }
    }

    /// Records what it was admitted to.
    pub fn admit_to(&self, to: AdmittedTo) {
        *lock(&self.admitted) = Some(Arc::new(to));
    }

    /// What it was admitted to, once it was.
    #[must_use]
    pub fn admitted_to(&self) -> Option<Arc<AdmittedTo>> {
        lock(&self.admitted).clone()
    }

    /// Ends it for a reason; the first reason stays. True for the call that ended it.
    pub fn cut(&self, code: Code) -> bool {
        let first = self.cut_code.set(code).is_ok();
        self.cut.cancel();
        first
    }

    /// Why it was cut, if it was.
    #[must_use]
    pub fn cut_code(&self) -> Option<Code> {
        self.cut_code.get().copied()
    }
}

impl Session {
    /// A session that has proven who it is and nothing else.
    #[must_use]
    pub fn new(id: SessionId, identity: Identified, transport: &'static str, opened_at: Timestamp) -> Self {
        let place = identity.place().cloned();
        let source = identity.source();
        Self {
            id,
            identity,
            transport,
            opened_at,
            ended: CancellationToken::new(),
            end_code: OnceLock::new(),
            state: Mutex::new(State {
                place,
                source,
                refusals: Refusals { since: Instant::now(), count: 0 },
                evidence: None,
                nonces: Nonces::default(),
                subject: None,
            }),
            memo: Mutex::new(Memo::default()),
            flows: Mutex::default(),
            notices: Mutex::default(),
            english: AtomicBool::new(false),
            first_evidence: watch::Sender::new(false),
        }
    }

    /// The place of its path now.
    #[must_use]
    pub fn place(&self) -> Option<PlaceId> {
        lock(&self.state).place.clone()
    }

    /// The path moved. A place may be lost at once; it is gained only by a new handshake, because a peer's address is
    /// believed before its path is validated (RFC 9000 §9.3). True if the place was lost.
    pub fn path_moved(&self, source: IpAddr, bundle: &Bundle) -> bool {
        lock(&self.state).source = source;
        self.place_checked(bundle)
    }

    /// Whether the place of the path still is what it was at the handshake, by the bundle of now; it is lost if not, and
    /// then true is returned.
    pub fn place_checked(&self, bundle: &Bundle) -> bool {
        let mut state = lock(&self.state);
        let lost = state.place.is_some() && state.place.as_ref() != bundle.place_of(state.source);
        if lost {
            state.place = None;
            state.subject = None;
        }
        lost
    }

    /// The last evidence that was believed.
    #[must_use]
    pub fn believed(&self) -> Option<Believed> {
        lock(&self.state).evidence.clone()
    }

    /// Records evidence that was believed. True if the device's state differs from what it was.
    pub fn believe(&self, posture: Posture, at: Instant) -> bool {
        let mut state = lock(&self.state);
        let changed = state.evidence.as_ref().is_none_or(|before| !before.posture.says_the_same_as(&posture));
        state.evidence = Some(Believed { posture, at });
        state.subject = None;
        drop(state);
        self.first_evidence.send_replace(true);
        changed
    }

    /// Counts a refusal. True when there are so many that the session must end: a program gone wild, or an attack on the
    /// audit log's disk.
    pub fn refused_too_often(&self, at: Instant) -> bool {
        let refusals = &mut lock(&self.state).refusals;
        if at.saturating_duration_since(refusals.since) > REFUSALS_WINDOW {
            *refusals = Refusals { since: at, count: 0 };
        }
        refusals.count += 1;
        refusals.count > REFUSALS_MAX
    }

    /// Becomes true with the first evidence.
    #[must_use]
    pub fn first_evidence(&self) -> watch::Receiver<bool> {
        self.first_evidence.subscribe()
    }

    /// Runs `action` on the nonces of this session.
    pub fn with_nonces<T>(&self, action: impl FnOnce(&mut Nonces) -> T) -> T {
        action(&mut lock(&self.state).nonces)
    }

    /// Forgets what was prepared from the clock: the wall clock has jumped.
    pub fn clock_jumped(&self) {
        lock(&self.state).subject = None;
        *lock(&self.memo) = Memo::default();
    }

    /// The subject of this session under `bundle`, prepared once per evidence, place and bundle.
    #[must_use]
    pub fn subject(&self, bundle: &Bundle, now: Timestamp) -> Arc<Prepared> {
        let mut state = lock(&self.state);
        if let Some(prepared) = &state.subject
            && prepared.bundle == bundle.version()
        {
            return prepared.clone();
        }
        let evidence = state.evidence.as_ref();
        let subject = Subject {
            person: self.identity.person().cloned(),
            device: self.identity.device(),
            profile: self.identity.profile(),
            ownership: self.identity.ownership(),
            level: self.identity.level(),
            place: state.place.clone(),
            posture: evidence.map(|believed| believed.posture.clone()),
            attested_at: evidence.map(|believed| now.minus(believed.at.elapsed())),
            approvals: Vec::new(),
        };
        let prepared = Arc::new(Prepared { bundle: bundle.version().to_owned(), subject: bundle.prepare(subject) });
        state.subject = Some(prepared.clone());
        prepared
    }

    /// Runs `action` with the decisions remembered for this session.
    pub fn with_memo<T>(&self, action: impl FnOnce(&mut Memo) -> T) -> T {
        action(&mut lock(&self.memo))
    }

    /// Registers a flow before any input of its decision is read. Gives it back if the session has too many, or ended.
    #[must_use]
    pub fn register(&self, flow: Arc<LiveFlow>, flows_max: usize) -> bool {
        let mut flows = lock(&self.flows);
        if flows.len() >= flows_max || self.ended.is_cancelled() {
            return false;
        }
        flows.insert(flow.id, flow);
        true
    }

    /// Forgets a flow that ended.
    pub fn unregister(&self, flow: FlowId) {
        lock(&self.flows).remove(&flow);
    }

    /// The flows of now.
    #[must_use]
    pub fn flows(&self) -> Vec<Arc<LiveFlow>> {
        lock(&self.flows).values().cloned().collect()
    }

    /// How many flows there are.
    #[must_use]
    pub fn flow_count(&self) -> usize {
        lock(&self.flows).len()
    }

    /// The language that its user reads.
    #[must_use]
    pub fn language(&self) -> Language {
        if self.english.load(Ordering::Relaxed) { Language::En } else { Language::Ja }
    }

    /// Opens the stream of notices, in a language; an older one ends.
    #[must_use]
    pub fn open_notices(&self, language: Language) -> Listener {
        self.english.store(language == Language::En, Ordering::Relaxed);
        let (teller, listener) = notices::queue();
        *lock(&self.notices) = Some(teller);
        listener
    }

    /// Tells the device something, if it listens. A device that does not read loses its stream and asks anew.
    pub fn notify(&self, notice: Notice) {
        let mut notices = lock(&self.notices);
        if let Some(teller) = notices.as_ref()
            && !teller.tell(notice)
        {
            *notices = None;
        }
    }

    /// Ends the session and every flow of it for a reason.
    pub fn end(&self, code: Code) {
        let _ = self.end_code.set(code);
        for flow in self.flows() {
            flow.cut(code);
        }
        self.ended.cancel();
    }

    /// Why it was ended, if the gateway ended it.
    #[must_use]
    pub fn end_code(&self) -> Option<Code> {
        self.end_code.get().copied()
    }
}

/// A poisoned lock means that a thread panicked while it held it; what these locks guard is whole at every step.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;
    use crate::admission::tests::identified;
    use crate::limits::NOTICES_MAX;

    fn session(place: Option<&str>) -> Session {
        Session::new(SessionId(uuid::Uuid::nil()), identified(place), "h3", Timestamp(0))
    }

    fn flow(id: u64) -> Arc<LiveFlow> {
        let target = Target::parse("chat.example:443", hitotsu_model::resource::Transport::Tcp).unwrap();
        Arc::new(LiveFlow::new(FlowId(id), 0, target, Timestamp(0)))
    }

    #[test]
    fn a_path_that_moves_may_lose_a_place_and_never_gains_one() {
        let settings = hitotsu_policy::sample::SampleSettings {
            org: "test.example".parse().unwrap(),
            demo: None,
            firewall_for_tier3: true,
        };
        let bundle = Bundle::compile(&hitotsu_policy::sample::sample(&settings)).unwrap();
        let (office, home) = (IpAddr::from([203, 0, 113, 130]), IpAddr::from([192, 0, 2, 1]));
        let at_home = session(bundle.place_of(home).map(PlaceId::as_str));
        at_home.path_moved(office, &bundle);
        assert_ne!(at_home.place().as_ref(), bundle.place_of(office), "a forged source address gains nothing");
        let in_office = session(bundle.place_of(office).map(PlaceId::as_str));
        assert!(!in_office.path_moved(office, &bundle), "the same place stays");
        assert!(in_office.path_moved(home, &bundle));
        assert!(!in_office.path_moved(office, &bundle), "and does not come back without a handshake");
        assert_eq!(in_office.place(), None);
    }

    #[test]
    fn an_ended_session_takes_no_flow_and_has_cut_all_of_its_own() {
        let session = session(None);
        let open = flow(1);
        assert!(session.register(open.clone(), 10));
        session.end(Code::DeviceRevoked);
        assert!(open.cut.is_cancelled());
        assert_eq!(open.cut_code(), Some(Code::DeviceRevoked));
        assert!(!session.register(flow(2), 10));
    }

    #[test]
    fn one_session_cannot_take_all_flows() {
        let session = session(None);
        assert!(session.register(flow(1), 1));
        assert!(!session.register(flow(2), 1));
        session.unregister(FlowId(1));
        assert!(session.register(flow(2), 1));
    }

    #[test]
    fn a_device_that_does_not_read_its_notices_loses_the_stream_and_holds_no_memory() {
        let session = session(None);
        let mut stream = session.open_notices(Language::En);
        for _ in 0..=NOTICES_MAX {
            session.notify(Notice::Still);
        }
        let mut kept = 0;
        while stream.recv().now_or_never().flatten().is_some() {
            kept += 1;
        }
        assert_eq!(kept, NOTICES_MAX);
        assert!(matches!(stream.recv().now_or_never(), Some(None)), "the stream is over");
        assert_eq!(session.language(), Language::En);
    }
}
