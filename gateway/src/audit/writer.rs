//! The writer: the one place that appends, one at a time. Its thread takes what waits, writes it in one go, and answers.

use std::collections::BTreeSet;
use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use hitotsu_model::audit::Durability;
use hitotsu_model::ids::FlowId;
use hitotsu_model::time::Timestamp;
use tokio::sync::OwnedSemaphorePermit;

use super::disk::{Disk, SegmentFile, is_full, is_shortage};
use super::frame::{self, FRAME_BYTES, Hash, Header};
use super::recover::segment_name;
use super::sync::{Group, Syncer};
use super::{AuditError, Health, Position, Reply};

/// Room for one outcome on the disk, in bytes: the longest `flow-closed` is below 300 (tested), its frame 48.
pub(super) const OUTCOME_BYTES: u64 = 384;
/// Room for the intent of a flow, in bytes, the largest that is usual: a target of 253 octets, a dozen rules and the frame
/// are some 1,200. A full disk counts as full until this and an outcome fit, so that the small record that still does
/// is not taken for space.
pub(super) const INTENT_BYTES: u64 = 2048;
/// How often a full disk is asked for room when nobody has a record: `/readyz` says so this much later at the most.
const ROOM_INTERVAL: Duration = Duration::from_secs(1);
/// Room is asked for in steps of this many bytes, so that one call serves some 500 records.
const RESERVE_STEP: u64 = 256 * 1024;
/// Records written in one go. 256 of some 400 bytes are written in well under a millisecond, which bounds what the
/// last of them waits for the others.
const BATCH_RECORDS_MAX: usize = 256;

/// What the writer is asked for.
#[derive(Debug)]
pub(super) enum Command {
    /// A record.
    Append {
        /// Its JSON.
        payload: Vec<u8>,
        /// When to answer.
        durability: Durability,
        /// A flow number that it uses.
        flow: Option<FlowId>,
        /// Where the answer goes.
        reply: Reply,
        /// Its place in the queue.
        place: OwnedSemaphorePermit,
    },
    /// The outcome of an intent.
    Complete {
        /// The intent.
        intent: Position,
        /// The outcome's JSON.
        payload: Vec<u8>,
    },
    /// Write, sync and end.
    End,
}

/// Where the log stands when it begins to write.
#[derive(Debug, Clone, Copy)]
pub(super) struct Start {
    /// Number of the next record.
    pub(super) number: u64,
    /// The last hash.
    pub(super) hash: Hash,
    /// First flow number never used.
    pub(super) next_flow: u64,
    /// When this run began.
    pub(super) made_at: Timestamp,
    /// A segment is closed when it has this many bytes.
    pub(super) segment_bytes: u64,
}

/// The writer's state.
#[derive(Debug)]
pub(super) struct Writer {
    disk: Arc<dyn Disk>,
    health: Health,
    syncer: Syncer,
    segment_bytes: u64,
    file: Arc<dyn SegmentFile>,
    /// End of what is written in the file.
    end: u64,
    /// End of the room that the disk holds for the file.
    reserved: u64,
    number: u64,
    hash: Hash,
    next_flow: u64,
    /// Intents without outcome.
    open: BTreeSet<u64>,
    batch: Batch,
}

/// Serves what is handed over until told to end, or until nobody can ask any more.
pub(super) fn run(writer: &Mutex<Writer>, commands: &Receiver<Command>) {
    let mut asked = Instant::now();
    loop {
        let command = if lock(writer).health.is_full() {
            if asked.elapsed() >= ROOM_INTERVAL {
                lock(writer).seek_room();
                asked = Instant::now();
            }
            commands.recv_timeout(ROOM_INTERVAL.saturating_sub(asked.elapsed()))
        } else {
            commands.recv().map_err(|_| RecvTimeoutError::Disconnected)
        };
        let go_on = match command {
            Ok(command) => lock(writer).serve(command, commands),
            Err(RecvTimeoutError::Timeout) => true,
            Err(RecvTimeoutError::Disconnected) => false,
        };
        if !go_on {
            break;
        }
    }
    let writer = lock(writer);
    writer.syncer.closed(Arc::clone(&writer.file), writer.end);
    writer.syncer.end();
}

/// Whoever panicked with the lock may have left a record half written: nothing is taken any more.
fn lock(writer: &Mutex<Writer>) -> MutexGuard<'_, Writer> {
    writer.lock().unwrap_or_else(|poisoned| {
        let writer = poisoned.into_inner();
        writer.health.fail("writing a record panicked");
        writer
    })
}

/// What is to be written in one go.
#[derive(Debug, Default)]
struct Batch {
    bytes: Vec<u8>,
    waiting: Vec<(Position, Durability, Reply, OwnedSemaphorePermit)>,
    records: usize,
}

impl Writer {
    /// Makes the first segment of this run.
    pub(super) fn new(disk: Arc<dyn Disk>, health: Health, syncer: Syncer, start: Start) -> io::Result<Self> {
        let first = Header {
            first: start.number,
            next_flow: start.next_flow,
            oldest_open: start.number,
            made_at: start.made_at,
            before: start.hash,
        };
        let made = make_segment(disk.as_ref(), &first, 0)?;
        syncer.opened(Arc::clone(&made.file));
        Ok(Self {
            disk,
            health,
            syncer,
            segment_bytes: start.segment_bytes,
            file: made.file,
            end: made.end,
            reserved: made.reserved,
            number: start.number,
            hash: made.hash,
            next_flow: start.next_flow,
            open: BTreeSet::new(),
            batch: Batch::default(),
        })
    }

    /// Whether a command can be carried out without a call that waits for the disk.
    pub(super) fn need_not_wait(&self, command: &Command) -> bool {
        let room = match command {
            Command::Append { payload, reply, .. } => self.need(payload.len(), reply.opens()) <= self.reserved,
            // Its room was reserved with its intent.
            Command::Complete { .. } => true,
            Command::End => false,
        };
        room && self.end < self.segment_bytes && !self.syncer.is_syncing()
    }

    /// Writes one command and answers.
    pub(super) fn carry_out(&mut self, command: Command) {
        self.take(command);
        self.write();
    }

    /// Takes a command and what waits behind it. False when it is time to end.
    fn serve(&mut self, command: Command, commands: &Receiver<Command>) -> bool {
        let mut go_on = self.take(command);
        while go_on && self.batch.records < BATCH_RECORDS_MAX {
            match commands.try_recv() {
                Ok(command) => go_on = self.take(command),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => go_on = false,
            }
        }
        self.write();
        if go_on && self.end >= self.segment_bytes {
            self.rotate();
        }
        go_on
    }

    /// Puts one command into the batch. False when it is time to end.
    fn take(&mut self, command: Command) -> bool {
        match command {
            Command::Append { payload, durability, flow, reply, place } => {
                let opens = reply.opens();
                match self.admit(payload.len(), opens) {
                    Ok(()) => {
                        if let Some(flow) = flow {
                            self.next_flow = self.next_flow.max(flow.0.saturating_add(1));
                        }
                        let position = self.add(&payload);
                        if opens {
                            self.open.insert(position.0);
                        }
                        self.batch.waiting.push((position, durability, reply, place));
                    }
                    Err(error) => reply.answer(Err(error)),
                }
                true
            }
            Command::Complete { intent, payload } => {
                self.open.remove(&intent.0);
                if self.health.failed().is_none() {
                    self.add(&payload);
                }
                true
            }
            Command::End => false,
        }
    }

    /// Whether there is room for a record, and for the outcomes that are owed with it.
    fn admit(&mut self, payload_bytes: usize, opens: bool) -> Result<(), AuditError> {
        if let Some(why) = self.health.failed() {
            return Err(AuditError::Failed(why));
        }
        let need = self.need(payload_bytes, opens);
        if need > self.reserved {
            match self.reserve(need) {
                Ok(true) => {}
                Ok(false) => {
                    self.health.full();
                    return Err(AuditError::Full);
                }
                Err(error) => return Err(AuditError::Failed(error.to_string())),
            }
        }
        if need + INTENT_BYTES + OUTCOME_BYTES <= self.reserved {
            self.health.writing();
        }
        Ok(())
    }

    /// Makes the disk hold room until `need`, more where it has more. False where it has no room.
    fn reserve(&mut self, need: u64) -> io::Result<bool> {
        // The generous step first, the bare need where that is too much.
        for until in [need.next_multiple_of(RESERVE_STEP), need] {
            match self.file.reserve(self.reserved, until - self.reserved) {
                Ok(()) => {
                    self.reserved = until;
                    return Ok(true);
                }
                Err(error) if is_full(&error) => {}
                Err(error) => {
                    self.health.fail(&format!("reserving space: {error}"));
                    return Err(error);
                }
            }
        }
        Ok(false)
    }

    /// Asks a disk that was full for the room of a flow.
    fn seek_room(&mut self) {
        let need = self.need(0, true) + INTENT_BYTES;
        if need <= self.reserved || self.reserve(need).is_ok_and(|room| room) {
            self.health.writing();
        }
    }

    /// Where the file would end with a record more and all outcomes that are owed.
    fn need(&self, payload_bytes: usize, opens: bool) -> u64 {
        let owed = as_u64(self.open.len() + usize::from(opens)) * OUTCOME_BYTES;
        self.end + as_u64(self.batch.bytes.len() + FRAME_BYTES + payload_bytes) + owed
    }

    fn add(&mut self, payload: &[u8]) -> Position {
        let position = Position(self.number);
        self.hash = frame::encode(&mut self.batch.bytes, self.number, &self.hash, payload);
        self.number += 1;
        self.batch.records += 1;
        position
    }

    /// Writes the batch; then everything in it is safe.
    fn write(&mut self) {
        let batch = std::mem::take(&mut self.batch);
        if batch.records == 0 {
            return;
        }
        let written = match self.health.failed() {
            Some(why) => Err(why),
            None => self.file.write_at(&batch.bytes, self.end).map_err(|error| {
                let why = format!("writing: {error}");
                self.health.fail(&why);
                why
            }),
        };
        if let Err(why) = written {
            for (_, _, reply, _) in batch.waiting {
                reply.answer(Err(AuditError::Failed(why.clone())));
            }
            return;
        }
        self.end += as_u64(batch.bytes.len());
        let mut group = Group::default();
        for (position, durability, reply, _place) in batch.waiting {
            match durability {
                Durability::Safe => reply.answer(Ok(position)),
                Durability::Durable => group.push((position, reply)),
            }
        }
        self.syncer.written(self.number, self.hash, group);
    }

    /// Closes the segment and opens the next. Where there is no room for it, or no file handle, the old one goes on.
    fn rotate(&mut self) {
        let header = Header {
            first: self.number,
            next_flow: self.next_flow,
            oldest_open: self.open.first().copied().unwrap_or(self.number),
            made_at: crate::clock::now(),
            before: self.hash,
        };
        match make_segment(self.disk.as_ref(), &header, as_u64(self.open.len()) * OUTCOME_BYTES) {
            Ok(made) => {
                self.syncer.closed(Arc::clone(&self.file), self.end);
                self.syncer.opened(Arc::clone(&made.file));
                self.file = made.file;
                self.end = made.end;
                self.reserved = made.reserved;
                self.hash = made.hash;
            }
            Err(error) if is_full(&error) || is_shortage(&error) => {
                tracing::warn!(%error, "the next segment of the audit log cannot be made now; the last one goes on");
                self.segment_bytes = self.segment_bytes.saturating_add(RESERVE_STEP);
            }
            Err(error) => self.health.fail(&format!("making a segment: {error}")),
        }
    }
}

struct Made {
    file: Arc<dyn SegmentFile>,
    end: u64,
    reserved: u64,
    hash: Hash,
}

fn make_segment(disk: &dyn Disk, header: &Header, owed: u64) -> io::Result<Made> {
    let (bytes, hash) = header.encode();
    let end = as_u64(bytes.len());
    let file = disk.create(&segment_name(header.first))?;
    let made = file.reserve(0, end + owed).and_then(|()| file.write_at(&bytes, 0));
    if let Err(error) = made {
        // An empty file would be taken for a torn one.
        disk.remove(&segment_name(header.first))?;
        return Err(error);
    }
    Ok(Made { file, end, reserved: end + owed, hash })
}

fn as_u64(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}
