//! The syncer thread: brings to the disk what the writer wrote. Who waits for durability is served at once, in groups;
//! everybody else within [`SYNC_INTERVAL`].

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::disk::{Disk, SegmentFile};
use super::frame::{Hash, sha256};
use super::{AuditError, Health, Position, Reply};

/// Longest time that a written record waits for the disk when nobody asks for it: what a power loss may cost.
const SYNC_INTERVAL: Duration = Duration::from_millis(100);

/// Records that wait for one sync together.
pub(super) type Group = Vec<(Position, Reply)>;

/// The writer's side.
#[derive(Debug, Clone)]
pub(super) struct Syncer {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    wake: Condvar,
    /// A hint: while it holds, writing to the file may wait for the disk.
    syncing: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    current: Option<Arc<dyn SegmentFile>>,
    /// Closed segments with their true length, not yet synced.
    closed: Vec<(Arc<dyn SegmentFile>, u64)>,
    folder_changed: bool,
    waiting: Group,
    dirty_since: Option<Instant>,
    /// Number of the next record, and the hash before it.
    head: (u64, Hash),
    ended: bool,
}

impl Syncer {
    /// For a log that stands before record `number`, behind `hash`.
    pub(super) fn new(number: u64, hash: Hash) -> Self {
        let state = State { head: (number, hash), ..State::default() };
        Self {
            shared: Arc::new(Shared {
                state: Mutex::new(state),
                wake: Condvar::new(),
                syncing: AtomicBool::new(false),
            }),
        }
    }

    /// A segment began.
    pub(super) fn opened(&self, file: Arc<dyn SegmentFile>) {
        let mut state = self.shared.lock();
        state.current = Some(file);
        state.folder_changed = true;
        state.dirty_since.get_or_insert_with(Instant::now);
    }

    /// A segment ended: what lies behind `length` is room that was reserved and not used.
    pub(super) fn closed(&self, file: Arc<dyn SegmentFile>, length: u64) {
        let mut state = self.shared.lock();
        state.current = None;
        state.closed.push((file, length));
        state.dirty_since.get_or_insert_with(Instant::now);
    }

    /// Records were written; `group` waits for the disk.
    pub(super) fn written(&self, number: u64, hash: Hash, mut group: Group) {
        let mut state = self.shared.lock();
        state.head = (number, hash);
        let first = state.dirty_since.is_none();
        state.dirty_since.get_or_insert_with(Instant::now);
        let urgent = !group.is_empty();
        state.waiting.append(&mut group);
        drop(state);
        if urgent || first {
            self.shared.wake.notify_one();
        }
    }

    /// Whether the disk is being synced right now.
    pub(super) fn is_syncing(&self) -> bool {
        self.shared.syncing.load(Ordering::Relaxed)
    }

    /// Sync what is left, then end.
    pub(super) fn end(&self) {
        self.shared.lock().ended = true;
        self.shared.wake.notify_one();
    }

    /// Serves until told to end; the last thing let go is `health`, whose watchers then know that the log is closed.
    pub(super) fn run(&self, health: Health, disk: Arc<dyn Disk>) {
        loop {
            let work = self.shared.wait();
            let ended = work.ended;
            match health.failed() {
                // A failed sync is not tried again as if nothing had happened: the kernel may have dropped the pages.
                Some(why) => answer(work.waiting, &Err(why)),
                None => {
                    self.shared.syncing.store(true, Ordering::Relaxed);
                    let synced = work.sync(disk.as_ref());
                    self.shared.syncing.store(false, Ordering::Relaxed);
                    if let Err(why) = &synced {
                        health.fail(why);
                    }
                    answer(work.waiting, &synced);
                }
            }
            if ended {
                drop(disk);
                return;
            }
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // A thread that panicked here left nothing half done: every change is a single assignment or push.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until there is something to sync, and takes it.
    fn wait(&self) -> Work {
        let mut state = self.lock();
        loop {
            let due = match state.dirty_since {
                _ if state.ended || !state.waiting.is_empty() => Duration::ZERO,
                Some(since) => SYNC_INTERVAL.saturating_sub(since.elapsed()),
                None => Duration::MAX,
            };
            if due.is_zero() {
                return Work {
                    closed: std::mem::take(&mut state.closed),
                    current: state.current.clone(),
                    folder_changed: std::mem::take(&mut state.folder_changed),
                    waiting: std::mem::take(&mut state.waiting),
                    head: state.head,
                    dirty: state.dirty_since.take().is_some(),
                    ended: state.ended,
                };
            }
            state = if due == Duration::MAX {
                self.wake.wait(state).unwrap_or_else(PoisonError::into_inner)
            } else {
                self.wake.wait_timeout(state, due).unwrap_or_else(PoisonError::into_inner).0
            };
        }
    }
}

struct Work {
    closed: Vec<(Arc<dyn SegmentFile>, u64)>,
    current: Option<Arc<dyn SegmentFile>>,
    folder_changed: bool,
    waiting: Group,
    head: (u64, Hash),
    dirty: bool,
    ended: bool,
}

impl Work {
    fn sync(&self, disk: &dyn Disk) -> Result<(), String> {
        if !self.dirty {
            return Ok(());
        }
        for (file, length) in &self.closed {
            file.truncate(*length).map_err(|error| format!("closing a segment: {error}"))?;
            file.sync().map_err(|error| format!("syncing: {error}"))?;
        }
        if let Some(file) = &self.current {
            file.sync().map_err(|error| format!("syncing: {error}"))?;
        }
        if self.folder_changed {
            disk.sync_folder().map_err(|error| format!("syncing the folder: {error}"))?;
        }
        if let Err(error) = disk.note_positions(&Positions { number: self.head.0, hash: self.head.1 }.encode()) {
            tracing::warn!(%error, "the audit log's positions could not be noted");
        }
        Ok(())
    }
}

fn answer(group: Group, synced: &Result<(), String>) {
    for (position, reply) in group {
        reply.answer(synced.clone().map(|()| position).map_err(AuditError::Failed));
    }
}

/// How far the log was on the disk: all records before `number`, the last of which has `hash`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Positions {
    pub(super) number: u64,
    pub(super) hash: Hash,
}

impl Positions {
    const MAGIC: &[u8; 8] = b"HITOPOS1";

    fn encode(&self) -> Vec<u8> {
        let mut bytes = Self::MAGIC.to_vec();
        bytes.extend_from_slice(&self.number.to_le_bytes());
        bytes.extend_from_slice(&self.hash);
        let check = sha256(&[&bytes]);
        bytes.extend_from_slice(&check);
        bytes
    }

    /// None where the file is missing its form: it is only a hint.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let (body, check) = bytes.split_at_checked(48)?;
        if check != sha256(&[body]) || body.get(..8)? != Self::MAGIC {
            return None;
        }
        let number = u64::from_le_bytes(body.get(8..16)?.try_into().ok()?);
        let hash = body.get(16..48)?.try_into().ok()?;
        Some(Self { number, hash })
    }
}
