//! What the disk itself takes to make a small record durable.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Instant;

use rustix::fs::{FallocateFlags, fallocate};

use super::samples::Samples;

/// Octets of one record: an intent with its frame.
const RECORD_OCTETS: usize = 400;

/// Writes records into reserved room, as the audit log does, and syncs after each (`fdatasync`). In `folder`, so that it
/// is the same disk.
///
/// # Panics
/// If the disk fails.
#[must_use]
pub fn sync_times(folder: &Path, records: usize) -> Samples {
    let path = folder.join("disk-bench");
    let file = OpenOptions::new().create_new(true).write(true).open(&path).expect("made");
    let room = u64::try_from(records * RECORD_OCTETS).expect("small");
    fallocate(&file, FallocateFlags::empty(), 0, room).expect("there is room");
    file.sync_all().expect("synced");
    let record = [1; RECORD_OCTETS];
    let mut times = Samples::default();
    for number in 0..records {
        let offset = u64::try_from(number * RECORD_OCTETS).expect("small");
        let begun = Instant::now();
        file.write_all_at(&record, offset).expect("written");
        file.sync_data().expect("synced");
        times.push(begun.elapsed());
    }
    std::fs::remove_file(&path).expect("removed");
    times
}
