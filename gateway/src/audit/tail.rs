//! Reads the end of a log, and goes on as it grows.

use std::path::{Path, PathBuf};

use hitotsu_model::audit::AuditRecord;
use serde::Serialize;

use super::frame::{Step, Walk};
use super::recover::segments;
use super::{AuditOpenError, Position};

/// A record and where it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// Its number.
    pub position: Position,
    /// The record.
    #[serde(flatten)]
    pub record: AuditRecord,
}

/// The last `count` records of the log in `dir`, oldest first. Damaged records are left out: [`super::verify()`] names
/// them. Blocks on the disk.
///
/// # Errors
/// [`AuditOpenError`] when a file cannot be read.
pub fn tail(dir: &Path, count: usize) -> Result<Vec<Entry>, AuditOpenError> {
    let mut entries = Vec::new();
    for path in list(dir)?.iter().rev() {
        let mut older = read(path, 0)?;
        let missing = count.saturating_sub(entries.len());
        older.drain(..older.len().saturating_sub(missing));
        older.append(&mut entries);
        entries = older;
        if entries.len() >= count {
            break;
        }
    }
    Ok(entries)
}

/// Gives what was appended since it was asked last.
#[derive(Debug)]
pub struct Follower {
    dir: PathBuf,
    next: u64,
}

impl Follower {
    /// Begins behind the record at `last`; with the whole log where there is none.
    #[must_use]
    pub fn new(dir: &Path, last: Option<Position>) -> Self {
        Self { dir: dir.to_owned(), next: last.map_or(0, |last| last.0 + 1) }
    }

    /// The records since then. Blocks on the disk.
    ///
    /// # Errors
    /// [`AuditOpenError`] when a file cannot be read.
    pub fn poll(&mut self) -> Result<Vec<Entry>, AuditOpenError> {
        let paths = list(&self.dir)?;
        let first_of = |path: &PathBuf| path.file_stem()?.to_str()?.parse::<u64>().ok();
        let from = paths.iter().rposition(|path| first_of(path).is_some_and(|first| first <= self.next)).unwrap_or(0);
        let mut entries = Vec::new();
        for path in paths.iter().skip(from) {
            entries.append(&mut read(path, self.next)?);
        }
        if let Some(last) = entries.last() {
            self.next = last.position.0 + 1;
        }
        Ok(entries)
    }
}

/// Visits every record of the log in `dir`, oldest first, one segment at a time. Damaged records are left out. Blocks on
/// the disk.
///
/// # Errors
/// [`AuditOpenError`] when a file cannot be read.
pub fn each(dir: &Path, mut visit: impl FnMut(AuditRecord)) -> Result<(), AuditOpenError> {
    for path in list(dir)? {
        read(&path, 0)?.into_iter().for_each(|entry| visit(entry.record));
    }
    Ok(())
}

fn list(dir: &Path) -> Result<Vec<PathBuf>, AuditOpenError> {
    segments(dir).map_err(|error| AuditOpenError::File { path: dir.display().to_string(), error })
}

fn read(path: &Path, from: u64) -> Result<Vec<Entry>, AuditOpenError> {
    let bytes =
        std::fs::read(path).map_err(|error| AuditOpenError::File { path: path.display().to_string(), error })?;
    let mut entries = Vec::new();
    let Ok((_, mut walk)) = Walk::new(&bytes) else { return Ok(entries) };
    loop {
        match walk.step() {
            Step::Frame(frame) if frame.number < from => {}
            Step::Frame(frame) => {
                if let Ok(record) = serde_json::from_slice(frame.payload) {
                    entries.push(Entry { position: Position(frame.number), record });
                }
            }
            Step::Broken(_) if walk.resync() => {}
            Step::End | Step::Broken(_) => return Ok(entries),
        }
    }
}
