//! Announced changes: none yet; everything is looked at every few seconds.

use std::collections::BTreeSet;

use crate::posture::{Machine, Signal, Watched};

/// The announcements for a list of collectors.
#[derive(Debug)]
pub struct Signals;

impl Signals {
    /// Subscribes to nothing.
    #[must_use]
    pub fn open(_machine: &Machine, _watched: &[Watched]) -> Self {
        Self
    }

    /// Never.
    #[must_use]
    pub fn hears(&self, _signal: Signal) -> bool {
        false
    }

    /// Never.
    #[must_use]
    pub fn hears_files(&self) -> bool {
        false
    }

    /// Never returns.
    pub async fn next(&mut self) -> BTreeSet<usize> {
        std::future::pending().await
    }
}
