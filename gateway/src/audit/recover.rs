//! What a start finds: where the log ends, what the last run left torn or open.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use hitotsu_model::audit::{AuditEvent, AuditRecord};
use hitotsu_model::ids::FlowId;

use super::disk::{POSITIONS, SEGMENT_SUFFIX};
use super::frame::{Broken, HEADER_BYTES, Hash, Header, Step, Walk};
use super::sync::Positions;
use super::verify::ended_early;
use super::{AuditOpenError, Damage, Recovery, TornTail};
use crate::words::{InWords, Words};

/// Name of the segment whose first record is `first`; names sort as numbers do.
pub(super) fn segment_name(first: u64) -> String {
    format!("{first:020}{SEGMENT_SUFFIX}")
}

/// The segment files of a folder, in order.
pub(super) fn segments(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.strip_suffix(SEGMENT_SUFFIX).is_some_and(|stem| stem.parse::<u64>().is_ok()) {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

/// How far the log was known to be on the disk; none where that was never noted.
pub(super) fn positions(dir: &Path) -> Option<Positions> {
    Positions::decode(&std::fs::read(dir.join(POSITIONS)).ok()?)
}

/// Where the next run goes on, and what the last one left.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) next: u64,
    pub(super) hash: Hash,
    pub(super) recovery: Recovery,
}

/// Reads the end of the log, cuts a torn tail aside, and makes ready for a new segment.
pub(super) fn recover(dir: &Path) -> Result<Found, AuditOpenError> {
    let mut found = Found { next: 0, hash: [0; 32], recovery: Recovery::default() };
    let noted = positions(dir);
    let durable = noted.map_or(0, |noted| noted.number);
    let paths = segments(dir).map_err(|error| at(dir, error))?;
    let mut open = BTreeSet::new();
    let from = first_to_read(&paths)?;
    let mut last_is_empty = None;
    for (index, path) in paths.iter().enumerate().skip(from) {
        let is_last = index + 1 == paths.len();
        let bytes = std::fs::read(path).map_err(|error| at(path, error))?;
        let end = match Walk::new(&bytes) {
            Ok((header, walk)) => {
                found.recovery.next_flow = found.recovery.next_flow.max(header.next_flow);
                read_segment(path, walk, &mut open, &mut found, durable, is_last)
            }
            Err(broken) => {
                found.recovery.damage.push(Damage::new(path, 0, found.next, broken.words()));
                SegmentEnd { torn_at: (is_last && found.next >= durable).then_some(0), records: 0, before: None }
            }
        };
        if let Some(offset) = end.torn_at {
            let torn = cut_aside(dir, path, &bytes, offset).map_err(|error| at(path, error))?;
            found.recovery.damage.retain(|damage| damage.file != torn.file || damage.offset < torn.offset);
            found.recovery.torn_tail = Some(torn);
        } else if is_last {
            trim(path, &bytes).map_err(|error| at(path, error))?;
        }
        if is_last && end.records == 0 {
            last_is_empty = Some((path, end.before));
        }
    }
    if let Some((path, before)) = last_is_empty {
        // It would have the same name as the segment that is made next.
        if found.recovery.damage.iter().all(|damage| damage.file != file_name(path)) {
            remove_if_there(path).map_err(|error| at(path, error))?;
            found.hash = before.unwrap_or(found.hash);
        }
    }
    if let Some(noted) = noted.filter(|noted| noted.number > found.next) {
        let what = ended_early(found.next, noted.number);
        let path = paths.last().map_or(dir, PathBuf::as_path);
        found.recovery.damage.push(Damage { file: file_name(path), offset: 0, position: found.next, what });
        (found.next, found.hash) = (noted.number, noted.hash);
    }
    found.recovery.orphans = open.into_iter().map(FlowId).collect();
    found.recovery.records = found.next;
    Ok(found)
}

/// Index of the segment with the oldest intent that may still be open.
fn first_to_read(paths: &[PathBuf]) -> Result<usize, AuditOpenError> {
    let mut oldest = None;
    for (index, path) in paths.iter().enumerate().rev() {
        let Ok(header) = header(path).map_err(|error| at(path, error))? else { continue };
        let wanted = *oldest.get_or_insert(header.oldest_open);
        if header.first <= wanted {
            return Ok(index);
        }
    }
    Ok(0)
}

fn header(path: &Path) -> io::Result<Result<Header, Broken>> {
    let mut bytes = Vec::with_capacity(HEADER_BYTES);
    io::Read::read_to_end(&mut io::Read::take(File::open(path)?, 112), &mut bytes)?;
    Ok(Header::decode(&bytes).map(|(header, _)| header))
}

struct SegmentEnd {
    /// Where what was never on the disk for sure is broken.
    torn_at: Option<usize>,
    records: u64,
    /// What the segment's own header builds on.
    before: Option<Hash>,
}

fn read_segment(
    path: &Path,
    mut walk: Walk<'_>,
    open: &mut BTreeSet<u64>,
    found: &mut Found,
    durable: u64,
    is_last: bool,
) -> SegmentEnd {
    let first = walk.number;
    let before = Some(walk.before());
    let mut torn_at = None;
    loop {
        match walk.step() {
            Step::Frame(frame) => match serde_json::from_slice::<AuditRecord>(frame.payload) {
                Ok(record) => follow(&record.event, open, &mut found.recovery.next_flow),
                Err(error) => found.recovery.damage.push(Damage::new(
                    path,
                    frame.offset,
                    frame.number,
                    Words::new("damage-unknown", &[("error", &error.to_string())]),
                )),
            },
            Step::End => break,
            Step::Broken(broken) => {
                found.recovery.damage.push(Damage::new(path, walk.offset, walk.number, broken.words()));
                if is_last && walk.number >= durable {
                    torn_at = Some(walk.offset);
                    break;
                }
                if !walk.resync() {
                    break;
                }
            }
        }
    }
    found.next = walk.number;
    found.hash = walk.hash;
    SegmentEnd { torn_at, records: walk.number - first, before }
}

/// Keeps the books on open intents and used flow numbers.
pub(super) fn follow(event: &AuditEvent, open: &mut BTreeSet<u64>, next_flow: &mut u64) {
    #[expect(clippy::wildcard_enum_match_arm, reason = "every other event has no flow")]
    match event {
        AuditEvent::FlowIntent { flow, .. } => {
            open.insert(flow.0);
            *next_flow = (*next_flow).max(flow.0.saturating_add(1));
        }
        AuditEvent::FlowDenied { flow, .. } => *next_flow = (*next_flow).max(flow.0.saturating_add(1)),
        AuditEvent::FlowClosed { flow, .. } => {
            open.remove(&flow.0);
        }
        AuditEvent::GatewayStarted { closed_intents, .. } => {
            for flow in closed_intents {
                open.remove(&flow.0);
            }
        }
        _ => {}
    }
}

/// Keeps the torn bytes in a file beside the segment, then cuts the segment.
fn cut_aside(dir: &Path, path: &Path, bytes: &[u8], offset: usize) -> io::Result<TornTail> {
    let torn = bytes.get(offset..).unwrap_or_default();
    let significant = torn.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    let torn = torn.get(..significant).unwrap_or_default();
    let mut kept = path.as_os_str().to_owned();
    kept.push(format!(".{offset}.torn"));
    let kept = PathBuf::from(kept);
    crate::files::write_private(&kept, torn)?;
    let file = File::options().write(true).open(path)?;
    file.set_len(u64::try_from(offset).unwrap_or(u64::MAX))?;
    file.sync_all()?;
    File::open(dir)?.sync_all()?;
    Ok(TornTail {
        file: file_name(path),
        offset: u64::try_from(offset).unwrap_or(u64::MAX),
        bytes: u64::try_from(torn.len()).unwrap_or(u64::MAX),
        kept_as: kept,
    })
}

/// Gives back the room that the last run had reserved.
fn trim(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    if used < bytes.len() && used >= HEADER_BYTES {
        let file = File::options().write(true).open(path)?;
        file.set_len(u64::try_from(used).unwrap_or(u64::MAX))?;
        file.sync_all()?;
    }
    Ok(())
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// The last part of a path, for reports.
pub(super) fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

fn at(path: &Path, error: io::Error) -> AuditOpenError {
    AuditOpenError::File { path: path.display().to_string(), error }
}
