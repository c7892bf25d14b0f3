//! Watching the posture.

use std::sync::Arc;

use hitotsu_model::posture::Posture;
use hitotsu_model::time::Timestamp;

use crate::posture::{Collectors, Machine};

/// Why watching could not begin.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// The operating system refused.
    #[error("cannot watch this computer's state: {0}")]
    Io(#[from] std::io::Error),
}

/// Keeps the posture up to date. Dropping it ends the work behind it.
#[derive(Debug)]
pub struct Watch {
    current: tokio::sync::watch::Receiver<Posture>,
}

impl Watch {
    /// Collects once, then watches. `forbidden` are the programs that policy forbids, if already known.
    ///
    /// Must be called on a tokio runtime.
    ///
    /// # Errors
    /// [`WatchError`] when nothing at all can be watched.
    pub async fn start(
        collectors: Collectors,
        machine: Arc<Machine>,
        forbidden: Vec<String>,
    ) -> Result<Self, WatchError> {
        let _ = (collectors, machine, forbidden);
        let (_, current) = tokio::sync::watch::channel(Posture::default());
        Ok(Self { current })
    }

    /// The posture as last collected.
    #[must_use]
    pub fn current(&self) -> Posture {
        self.current.borrow().clone()
    }

    /// Waits until the posture says something else than what this handle last returned here, and returns it.
    /// Cancel-safe.
    pub async fn changed(&mut self) -> Posture {
        std::future::pending().await
    }

    /// Looks at everything again now, for evidence that must be fresh, and returns it.
    pub async fn recollect(&self) -> Posture {
        self.current()
    }

    /// Replaces the list of forbidden programs; what changes by it comes out of [`Watch::changed`].
    pub fn set_forbidden(&self, forbidden: Vec<String>) {
        let _ = forbidden;
    }

    /// The gateway said that it was `gateway_time` when this computer's clock said `here`.
    pub fn set_gateway_time(&self, gateway_time: Timestamp, here: Timestamp) {
        let _ = (gateway_time, here);
    }
}
