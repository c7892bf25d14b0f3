//! The sessions and flows of now.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hitotsu_model::code::Code;
use hitotsu_model::ids::{DeviceId, FlowId, SessionId};

use crate::limits::{FLOWS_MAX, FLOWS_PER_SESSION_MAX, SESSIONS_MAX, SESSIONS_PER_DEVICE_MAX};
use crate::session::{LiveFlow, Session};

/// All sessions of this gateway.
#[derive(Debug, Default)]
pub struct Live {
    sessions: Mutex<BTreeMap<SessionId, Arc<Session>>>,
    flows: AtomicUsize,
}

/// A session's place in the table; dropping it takes the session out.
#[derive(Debug)]
pub struct SessionPlace<'l> {
    live: &'l Live,
    session: Arc<Session>,
}

impl SessionPlace<'_> {
    /// The session.
    #[must_use]
    pub fn session(&self) -> &Arc<Session> {
        &self.session
    }
}

impl Drop for SessionPlace<'_> {
    fn drop(&mut self) {
        self.live.lock().remove(&self.session.id);
    }
}

/// A flow's place in the table; dropping it takes the flow out.
#[derive(Debug)]
pub struct FlowPlace<'l> {
    live: &'l Live,
    session: Arc<Session>,
    flow: FlowId,
}

impl Drop for FlowPlace<'_> {
    fn drop(&mut self) {
        self.session.unregister(self.flow);
        self.live.flows.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Live {
    /// Takes a session in, unless there are too many.
    #[must_use]
    pub fn enter(&self, session: Session) -> Option<SessionPlace<'_>> {
        let mut sessions = self.lock();
        if sessions.len() >= SESSIONS_MAX {
            return None;
        }
        let device = session.identity.device();
        let mut of_device: Vec<&Arc<Session>> =
            sessions.values().filter(|other| other.identity.device() == device).collect();
        if of_device.len() >= SESSIONS_PER_DEVICE_MAX {
            of_device.sort_by_key(|other| other.opened_at);
            if let Some(oldest) = of_device.first() {
                oldest.end(Code::OverLimit);
            }
        }
        let session = Arc::new(session);
        sessions.insert(session.id, session.clone());
        drop(sessions);
        Some(SessionPlace { live: self, session })
    }

    /// Registers a flow, unless the gateway or the session has too many.
    #[must_use]
    pub fn register(&self, session: &Arc<Session>, flow: Arc<LiveFlow>) -> Option<FlowPlace<'_>> {
        let id = flow.id;
        if self.flows.fetch_add(1, Ordering::Relaxed) >= FLOWS_MAX || !session.register(flow, FLOWS_PER_SESSION_MAX) {
            self.flows.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        Some(FlowPlace { live: self, session: session.clone(), flow: id })
    }

    /// The sessions of now, by id.
    #[must_use]
    pub fn sessions(&self) -> Vec<Arc<Session>> {
        self.lock().values().cloned().collect()
    }

    /// The sessions of one device: more than one while it moves to a new connection.
    #[must_use]
    pub fn sessions_of(&self, device: DeviceId) -> Vec<Arc<Session>> {
        self.lock().values().filter(|session| session.identity.device() == device).cloned().collect()
    }

    /// One session.
    #[must_use]
    pub fn session(&self, id: SessionId) -> Option<Arc<Session>> {
        self.lock().get(&id).cloned()
    }

    /// How many sessions and flows there are.
    #[must_use]
    pub fn counts(&self) -> (usize, usize) {
        (self.lock().len(), self.flows.load(Ordering::Relaxed))
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<SessionId, Arc<Session>>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
