//! Reads a whole log and says whether it is what was written.

use std::collections::BTreeSet;
use std::path::Path;

use hitotsu_model::audit::AuditRecord;
use serde::Serialize;

use super::disk::LOCK;
use super::frame::{Hash, Step, Walk};
use super::recover::{file_name, follow, positions, segments};
use super::{AuditOpenError, Damage};
use crate::words::{InWords, Words};

/// What a verification found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VerifyReport {
    /// Segment files read.
    pub segments: usize,
    /// Whole records that fit the chain.
    pub records: u64,
    /// Number of the first record: above 0 where old segments were taken away.
    pub first: u64,
    /// The last hash, in hex: equal logs have equal last hashes. Write it down elsewhere to notice a rewritten log.
    pub last_hash: String,
    /// Intents without an outcome: flows that are open now, or were when the gateway died.
    pub open_intents: usize,
    /// Torn ends that starts cut aside.
    pub torn_files: Vec<String>,
    /// Whether a gateway writes this log now.
    pub live: bool,
    /// Everything that is not as it was written.
    pub damage: Vec<Damage>,
}

impl VerifyReport {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_intact(&self) -> bool {
        self.damage.is_empty()
    }
}

/// Reads the log in `dir` from its first record to its last. Blocks on the disk.
///
/// # Errors
/// [`AuditOpenError`] when a file cannot be read; damage is no error but part of the report.
pub fn verify(dir: &Path) -> Result<VerifyReport, AuditOpenError> {
    let at = |path: &Path, error| AuditOpenError::File { path: path.display().to_string(), error };
    // Before the segments: what is noted now is in them.
    let noted = positions(dir);
    let paths = segments(dir).map_err(|error| at(dir, error))?;
    let mut chain = Chain { next: 0, hash: [0; 32], records: 0, open: BTreeSet::new(), damage: Vec::new() };
    let mut first = None;
    let live = is_live(dir);
    for (index, path) in paths.iter().enumerate() {
        let bytes = std::fs::read(path).map_err(|error| at(path, error))?;
        let is_last = index + 1 == paths.len();
        match Walk::new(&bytes) {
            Ok((header, walk)) => {
                first.get_or_insert(header.first);
                if index > 0 && (header.first != chain.next || header.before != chain.hash) {
                    let what = Words::new("damage-gap", &[("first", &header.first.to_string())]);
                    chain.damage.push(Damage::new(path, 0, chain.next, what));
                }
                chain.segment(path, walk, noted.map(|noted| (noted.number, noted.hash)), live && is_last);
            }
            // The writer makes a segment and its header in two steps.
            Err(_) if live && is_last && bytes.iter().all(|byte| *byte == 0) => {}
            Err(broken) => chain.damage.push(Damage::new(path, 0, chain.next, broken.words())),
        }
    }
    if let Some(noted) = noted.filter(|noted| noted.number > chain.next) {
        let what = ended_early(chain.next, noted.number);
        chain.damage.push(Damage::new(paths.last().map_or(dir, |path| path), 0, chain.next, what));
    }
    Ok(VerifyReport {
        segments: paths.len(),
        records: chain.records,
        first: first.unwrap_or(0),
        last_hash: data_encoding::HEXLOWER.encode(&chain.hash),
        open_intents: chain.open.len(),
        torn_files: torn_files(dir).map_err(|error| at(dir, error))?,
        live,
        damage: chain.damage,
    })
}

/// The log has fewer records than the disk is known to have held.
pub(super) fn ended_early(next: u64, noted: u64) -> Words {
    Words::new("damage-end", &[("next", &next.to_string()), ("noted", &noted.to_string())])
}

struct Chain {
    next: u64,
    hash: Hash,
    records: u64,
    open: BTreeSet<u64>,
    damage: Vec<Damage>,
}

impl Chain {
    fn segment(&mut self, path: &Path, mut walk: Walk<'_>, noted: Option<(u64, Hash)>, still_written: bool) {
        let mut next_flow = 0;
        // A segment without records ends with the hash that it began with.
        let mut last = walk.before();
        loop {
            match walk.step() {
                Step::Frame(frame) => {
                    self.records += 1;
                    last = walk.hash;
                    if noted.is_some_and(|(number, hash)| number == walk.number && hash != walk.hash) {
                        let what = Words::new("damage-replaced", &[]);
                        self.damage.push(Damage::new(path, frame.offset, frame.number, what));
                    }
                    match serde_json::from_slice::<AuditRecord>(frame.payload) {
                        Ok(record) => follow(&record.event, &mut self.open, &mut next_flow),
                        Err(error) => {
                            let what = Words::new("damage-unknown", &[("error", &error.to_string())]);
                            self.damage.push(Damage::new(path, frame.offset, frame.number, what));
                        }
                    }
                }
                Step::End => break,
                // The last write is under way.
                Step::Broken(_) if still_written && noted.is_none_or(|(number, _)| walk.number >= number) => break,
                Step::Broken(broken) => {
                    self.damage.push(Damage::new(path, walk.offset, walk.number, broken.words()));
                    if !walk.resync() {
                        break;
                    }
                    last = walk.hash;
                }
            }
        }
        self.next = walk.number;
        self.hash = last;
    }
}

/// Whether a process holds the log's lock.
fn is_live(dir: &Path) -> bool {
    let Ok(lock) = std::fs::File::open(dir.join(LOCK)) else { return false };
    matches!(lock.try_lock_shared(), Err(std::fs::TryLockError::WouldBlock))
}

fn torn_files(dir: &Path) -> std::io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let name = file_name(&entry?.path());
        if name.ends_with(".torn") {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}
