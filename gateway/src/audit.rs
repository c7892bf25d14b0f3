//! The audit log: append-only segment files, hash-chained, written in two writes for every flow.
//!
//! A record is *safe* when the kernel has it and *durable* when the disk has it. [`AuditLog::begin`] reserves the space
//! of the outcome on the disk, so that [`OpenIntent::complete`] never fails for lack of space.

use std::path::Path;
use std::sync::Arc;

use hitotsu_model::audit::{AuditRecord, Durability, FlowEnd};
use hitotsu_model::ids::FlowId;
use hitotsu_model::time::Timestamp;
use tokio::sync::watch;

/// Number of a record in the log, counted from 0 over all segments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position(pub u64);

/// Whether the log takes records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuditState {
    /// It takes records.
    Writing,
    /// The disk is full: nothing new is taken, outcomes of open flows still are. Ends when there is space again.
    Full,
    /// A write or sync failed. Nothing is taken until the gateway is started anew.
    Failed {
        /// What the system said.
        why: String,
    },
}

/// Why a record was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuditError {
    /// No space is left for it and its outcome.
    #[error("the disk of the audit log is full; free space on it, or move `audit.dir`")]
    Full,
    /// A write or sync failed, now or earlier.
    #[error("the audit log failed: {0}; mend the disk, run `hitotsu-gateway audit verify`, then restart the gateway")]
    Failed(String),
    /// The record is too large.
    #[error("an audit record of {0} bytes is too large")]
    TooLarge(usize),
}

/// Why the log could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum AuditOpenError {
    /// A file or folder could not be read or written.
    #[error("audit log `{path}`: {error}")]
    File {
        /// Which.
        path: String,
        /// Why.
        error: std::io::Error,
    },
}

/// What was found when the log was opened.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Recovery {
    /// Flows whose intent has no outcome: the last run died. To be closed by `GatewayStarted`.
    pub orphans: Vec<FlowId>,
    /// The first flow number that was never used.
    pub next_flow: u64,
}

/// The log. Clones share it.
#[derive(Debug, Clone)]
pub struct AuditLog {
    state: Arc<watch::Sender<AuditState>>,
}

impl AuditLog {
    /// Opens or makes the log in `dir`. Blocks on the disk.
    ///
    /// # Errors
    /// [`AuditOpenError`] when a file cannot be read or written.
    pub fn open(dir: &Path, now: Timestamp) -> Result<(Self, Recovery), AuditOpenError> {
        let _ = (dir, now);
        Ok((Self { state: Arc::new(watch::Sender::new(AuditState::Writing)) }, Recovery::default()))
    }

    /// Appends a record and returns once it is as safe as asked.
    ///
    /// # Errors
    /// [`AuditError`]; the record then counts as not written, though a failed sync may have left it on the disk.
    pub async fn append(&self, record: AuditRecord, durability: Durability) -> Result<Position, AuditError> {
        let _ = (record, durability);
        Err(AuditError::Full)
    }

    /// Appends a flow's intent and reserves the space of its outcome.
    ///
    /// # Errors
    /// [`AuditError`]; nothing may then be dialled.
    pub async fn begin(
        &self,
        flow: FlowId,
        intent: AuditRecord,
        durability: Durability,
    ) -> Result<OpenIntent, AuditError> {
        let _ = (flow, intent, durability);
        Err(AuditError::Full)
    }

    /// Whether the log takes records; changes are seen by `changed()`.
    #[must_use]
    pub fn state(&self) -> watch::Receiver<AuditState> {
        self.state.subscribe()
    }
}

/// An admitted flow whose outcome is owed. Its space on the disk is reserved.
#[derive(Debug)]
#[must_use = "a flow's outcome is owed to the audit log"]
pub struct OpenIntent {
    flow: FlowId,
    position: Position,
}

impl OpenIntent {
    /// The flow.
    #[must_use]
    pub fn flow(&self) -> FlowId {
        self.flow
    }

    /// Where its intent stands.
    #[must_use]
    pub fn position(&self) -> Position {
        self.position
    }

    /// Hands the outcome to the writer at once, without waiting; safe to call in `Drop`. Never fails for lack of space.
    /// Dropping the intent instead records the outcome [`FlowEnd::Orphaned`].
    pub fn complete(self, at: Timestamp, bytes_up: u64, bytes_down: u64, end: FlowEnd) {
        let _ = (at, bytes_up, bytes_down, end);
    }
}
