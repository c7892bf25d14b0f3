//! The audit log: append-only segment files, hash-chained, two records for every flow.
//!
//! A record is *safe* when the kernel has it and *durable* when the disk has it. [`AuditLog::begin`] reserves the room of
//! the outcome on the disk, so that [`OpenIntent::complete`] never fails for lack of space. Who has a record writes it
//! where he stands, unless that might wait (another writes, a sync runs, room or a segment is due): then a thread writes
//! it. Another thread syncs; both end with the last handle.
//!
//! A failed write or sync is final: what the kernel did with the pages is then unknown, so nothing more is taken until
//! the gateway starts anew and reads what is really there. A full disk is not: nothing was half done.

mod disk;
mod frame;
mod recover;
mod sync;
mod tail;
mod verify;
mod writer;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use hitotsu_model::audit::{AuditEvent, AuditRecord, Durability, FlowEnd};
use hitotsu_model::ids::FlowId;
use hitotsu_model::time::Timestamp;
use serde::Serialize;
use tokio::sync::{Semaphore, oneshot, watch};

use disk::{Disk, Folder};
use frame::PAYLOAD_BYTES_MAX;
use recover::Found;
use sync::Syncer;
use writer::{Command, Start, Writer};

use crate::words::{InWords, Words};

pub use tail::{Entry, Follower, each, tail};
pub use verify::{VerifyReport, verify};

/// Records that wait for the writer. At 100,000 records a second this is what 40 ms bring; more wait outside.
const QUEUE_RECORDS_MAX: usize = 4096;

/// A segment is closed at this size: small enough to read whole when verifying, large enough that a year of a city
/// (some 40 GB) is some hundred files.
pub const SEGMENT_BYTES: u64 = 64 * 1024 * 1024;

/// Number of a record in the log, counted from 0 over all segments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Position(pub u64);

/// Whether the log takes records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuditState {
    /// It takes records.
    Writing,
    /// The disk is full: nothing new is taken, outcomes of open flows still are, and what is small may be. Ends by
    /// itself within a second of there being room for a flow again.
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
    #[error("the disk of the audit log is full; free space on it or move the log (`audit.dir`)")]
    Full,
    /// A write or sync failed, now or earlier.
    #[error("the audit log failed ({0}); mend the disk, run `hitotsu-gateway audit verify`, then restart the gateway")]
    Failed(String),
    /// The record is too large, or does not become JSON.
    #[error("the audit record is unfit: {0}")]
    Unfit(String),
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

impl InWords for AuditError {
    fn words(&self) -> Words {
        match self {
            Self::Full => Words::new("audit-full", &[]),
            Self::Failed(why) => Words::new("audit-failed", &[("why", why)]),
            Self::Unfit(why) => Words::new("audit-unfit", &[("why", why)]),
        }
    }
}

impl InWords for AuditOpenError {
    fn words(&self) -> Words {
        let Self::File { path, error } = self;
        if error.kind() == std::io::ErrorKind::WouldBlock {
            return Words::new("audit-in-use", &[("path", path)]);
        }
        Words::file("audit-file", Path::new(path), error)
    }
}

/// What was found when the log was opened.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Recovery {
    /// Records in the log.
    pub records: u64,
    /// Flows whose intent has no outcome: the last run died. To be closed by an [`AuditEvent::GatewayStarted`].
    pub orphans: Vec<FlowId>,
    /// The first flow number that was never used.
    pub next_flow: u64,
    /// What the last run was writing when it died; no record of it was ever acknowledged as durable.
    pub torn_tail: Option<TornTail>,
    /// What should not be: an alarm. The files are left as they are, and a new segment begins behind them.
    pub damage: Vec<Damage>,
}

/// The end of a segment that was cut aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TornTail {
    /// The segment.
    pub file: String,
    /// Where it was cut.
    pub offset: u64,
    /// How much was cut.
    pub bytes: u64,
    /// The file that keeps it.
    pub kept_as: PathBuf,
}

/// A place of the log that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{file}, byte {offset}, record {position}: {what}")]
pub struct Damage {
    /// The segment.
    pub file: String,
    /// Where in it.
    pub offset: u64,
    /// Number of the record that should stand there.
    pub position: u64,
    /// What is wrong.
    #[serde(serialize_with = "in_english")]
    pub what: Words,
}

impl InWords for Damage {
    fn words(&self) -> Words {
        let (offset, position) = (self.offset.to_string(), self.position.to_string());
        Words::new("damage-at", &[("file", &self.file), ("offset", &offset), ("position", &position)])
            .with("what", self.what.clone())
    }
}

/// Programs know a damage by its English words.
fn in_english<S: serde::Serializer>(words: &Words, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(words)
}

impl Damage {
    fn new(path: &Path, offset: usize, position: u64, what: Words) -> Self {
        let offset = u64::try_from(offset).unwrap_or(u64::MAX);
        Self { file: recover::file_name(path), offset, position, what }
    }
}

/// The log. Clones share it; the last one ends it.
#[derive(Debug, Clone)]
pub struct AuditLog {
    inner: Arc<Inner>,
}

impl AuditLog {
    /// Opens or makes the log in `dir`, and begins a new segment. Blocks on the disk.
    ///
    /// # Errors
    /// [`AuditOpenError`] when a file cannot be read or written, or another process writes this log.
    pub fn open(dir: &Path, now: Timestamp) -> Result<(Self, Recovery), AuditOpenError> {
        Self::open_sized(dir, now, SEGMENT_BYTES)
    }

    fn open_sized(dir: &Path, now: Timestamp, segment_bytes: u64) -> Result<(Self, Recovery), AuditOpenError> {
        let at_dir = |error| AuditOpenError::File { path: dir.display().to_string(), error };
        let folder = Arc::new(Folder::open(dir).map_err(at_dir)?);
        let found = recover::recover(dir)?;
        let log = Self::start(folder, &found, now, segment_bytes).map_err(at_dir)?;
        Ok((log, found.recovery))
    }

    fn start(disk: Arc<dyn Disk>, found: &Found, now: Timestamp, segment_bytes: u64) -> std::io::Result<Self> {
        let next_flow = found.recovery.next_flow;
        let start = Start { number: found.next, hash: found.hash, next_flow, made_at: now, segment_bytes };
        let health = Health { state: Arc::new(watch::Sender::new(AuditState::Writing)) };
        let syncer = Syncer::new(found.next, found.hash);
        let (sender, commands) = mpsc::channel();
        let writer = Writer::new(Arc::clone(&disk), health.clone(), syncer.clone(), start)?;
        let writer = Arc::new(Mutex::new(writer));
        let sync_health = health.clone();
        let sync_thread =
            std::thread::Builder::new().name("audit-sync".to_owned()).spawn(move || syncer.run(sync_health, disk))?;
        let threads_writer = Arc::clone(&writer);
        let write_thread = std::thread::Builder::new()
            .name("audit-write".to_owned())
            .spawn(move || writer::run(&threads_writer, &commands))?;
        let queue = Arc::new(Semaphore::new(QUEUE_RECORDS_MAX));
        let threads = Mutex::new(vec![write_thread, sync_thread]);
        Ok(Self { inner: Arc::new(Inner { writer, sender, queue, health, threads }) })
    }

    /// Appends a record and returns once it is as safe as asked.
    ///
    /// # Errors
    /// [`AuditError`]; the record then counts as not written, though a failed sync may have left it on the disk.
    pub async fn append(&self, record: AuditRecord, durability: Durability) -> Result<Position, AuditError> {
        #[expect(clippy::wildcard_enum_match_arm, reason = "every other event uses no flow number")]
        let flow = match &record.event {
            AuditEvent::FlowDenied { flow, .. } => Some(*flow),
            _ => None,
        };
        let (reply, answer) = oneshot::channel();
        self.inner.hand_over(&record, durability, flow, Reply::Append(reply)).await?;
        answer.await.unwrap_or_else(|_| Err(gone()))
    }

    /// Appends the intent of `flow` and reserves the room of its outcome.
    ///
    /// # Errors
    /// [`AuditError`]; nothing may then be dialled.
    pub async fn begin(
        &self,
        flow: FlowId,
        intent: AuditRecord,
        durability: Durability,
    ) -> Result<OpenIntent, AuditError> {
        let (reply, answer) = oneshot::channel();
        let reply = Reply::Begin { reply, flow, log: Arc::clone(&self.inner) };
        self.inner.hand_over(&intent, durability, Some(flow), reply).await?;
        answer.await.unwrap_or_else(|_| Err(gone()))
    }

    /// Whether the log takes records; changes are seen by `changed()`.
    #[must_use]
    pub fn state(&self) -> watch::Receiver<AuditState> {
        self.inner.health.state.subscribe()
    }
}

/// An admitted flow whose outcome is owed. Its room on the disk is reserved.
#[derive(Debug)]
#[must_use = "a flow's outcome is owed to the audit log"]
pub struct OpenIntent {
    flow: FlowId,
    position: Position,
    log: Option<Arc<Inner>>,
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
    pub fn complete(mut self, at: Timestamp, bytes_up: u64, bytes_down: u64, end: FlowEnd) {
        self.hand_in(at, bytes_up, bytes_down, end);
    }

    fn hand_in(&mut self, at: Timestamp, bytes_up: u64, bytes_down: u64, end: FlowEnd) {
        let Some(log) = self.log.take() else { return };
        let event = AuditEvent::FlowClosed { flow: self.flow, bytes_up, bytes_down, end };
        match serde_json::to_vec(&AuditRecord { at, event }) {
            Ok(payload) => log.send(Command::Complete { intent: self.position, payload }),
            Err(error) => tracing::error!(%error, flow = %self.flow, "an outcome could not be written as JSON"),
        }
    }
}

impl Drop for OpenIntent {
    fn drop(&mut self) {
        self.hand_in(crate::clock::now(), 0, 0, FlowEnd::Orphaned);
    }
}

#[derive(Debug)]
struct Inner {
    writer: Arc<Mutex<Writer>>,
    sender: Sender<Command>,
    queue: Arc<Semaphore>,
    health: Health,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Inner {
    /// Hands a record to the writer.
    async fn hand_over(
        &self,
        record: &AuditRecord,
        durability: Durability,
        flow: Option<FlowId>,
        reply: Reply,
    ) -> Result<(), AuditError> {
        let payload = serde_json::to_vec(record).map_err(|error| AuditError::Unfit(error.to_string()))?;
        if payload.len() > PAYLOAD_BYTES_MAX {
            return Err(AuditError::Unfit(format!("it has {} bytes", payload.len())));
        }
        let place = Arc::clone(&self.queue).acquire_owned().await.map_err(|_| gone())?;
        self.send(Command::Append { payload, durability, flow, reply, place });
        Ok(())
    }

    fn send(&self, command: Command) {
        if let Some(command) = self.write_here(command)
            && self.sender.send(command).is_err()
        {
            self.health.fail("the writer is gone");
        }
    }

    /// Writes on this thread and spares the way to the other and back, some 40 us; gives back what might have to wait.
    fn write_here(&self, command: Command) -> Option<Command> {
        match self.writer.try_lock() {
            Ok(mut writer) if writer.need_not_wait(&command) => {
                writer.carry_out(command);
                None
            }
            Ok(_) | Err(_) => Some(command),
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        drop(self.sender.send(Command::End));
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        // The last handle may have been inside a reply: then the threads end by themselves.
        if threads.iter().any(|thread| thread.thread().id() == std::thread::current().id()) {
            return;
        }
        for thread in threads {
            if thread.join().is_err() {
                tracing::error!("a thread of the audit log panicked");
            }
        }
    }
}

/// Where the answer about a record goes.
#[derive(Debug)]
enum Reply {
    Append(oneshot::Sender<Result<Position, AuditError>>),
    /// The intent is made where it was written, so that whoever stops waiting for it drops it, which closes it.
    Begin {
        reply: oneshot::Sender<Result<OpenIntent, AuditError>>,
        flow: FlowId,
        log: Arc<Inner>,
    },
}

impl Reply {
    fn opens(&self) -> bool {
        match self {
            Self::Append(_) => false,
            Self::Begin { .. } => true,
        }
    }

    /// Whoever asked may be gone; the answer then concerns nobody.
    fn answer(self, result: Result<Position, AuditError>) {
        match self {
            Self::Append(reply) => drop(reply.send(result)),
            Self::Begin { reply, flow, log } => {
                drop(reply.send(result.map(|position| OpenIntent { flow, position, log: Some(log) })));
            }
        }
    }
}

fn gone() -> AuditError {
    AuditError::Failed("the writer is gone".to_owned())
}

/// The state as both threads set it.
#[derive(Debug, Clone)]
struct Health {
    state: Arc<watch::Sender<AuditState>>,
}

impl Health {
    fn failed(&self) -> Option<String> {
        match &*self.state.borrow() {
            AuditState::Failed { why } => Some(why.clone()),
            AuditState::Writing | AuditState::Full => None,
        }
    }

    fn is_full(&self) -> bool {
        *self.state.borrow() == AuditState::Full
    }

    /// The first failure stays.
    fn fail(&self, why: &str) {
        let first = self.state.send_if_modified(|state| match state {
            AuditState::Failed { .. } => false,
            AuditState::Writing | AuditState::Full => {
                *state = AuditState::Failed { why: why.to_owned() };
                true
            }
        });
        if first {
            tracing::error!(why, "the audit log failed: nothing new is admitted until the gateway is restarted");
        }
    }

    fn full(&self) {
        if self.change(&AuditState::Writing, AuditState::Full) {
            tracing::error!("the disk of the audit log is full: nothing new is admitted until there is space");
        }
    }

    fn writing(&self) {
        if self.change(&AuditState::Full, AuditState::Writing) {
            tracing::warn!("the disk of the audit log has space again");
        }
    }

    fn change(&self, from: &AuditState, to: AuditState) -> bool {
        if *self.state.borrow() != *from {
            return false;
        }
        self.state.send_if_modified(|state| {
            let fits = state == from;
            if fits {
                *state = to;
            }
            fits
        })
    }
}
