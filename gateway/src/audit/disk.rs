//! The disk as the log uses it. Tests put faults in its place.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Name of the file that says how far the log was known to be on the disk.
pub(super) const POSITIONS: &str = "positions";
/// Name of the file that a writer holds locked.
pub(super) const LOCK: &str = "lock";
/// What segment files end with.
pub(super) const SEGMENT_SUFFIX: &str = ".audit";

/// The folder of a log.
pub(super) trait Disk: Send + Sync + std::fmt::Debug {
    /// Makes a new segment file; it must not exist.
    fn create(&self, name: &str) -> io::Result<Arc<dyn SegmentFile>>;
    /// Removes a segment file that could not be begun.
    fn remove(&self, name: &str) -> io::Result<()>;
    /// Makes the names of new files durable.
    fn sync_folder(&self) -> io::Result<()>;
    /// Notes how far the log is on the disk. A hint: its loss costs nothing but a warning less.
    fn note_positions(&self, bytes: &[u8]) -> io::Result<()>;
}

/// One segment file.
pub(super) trait SegmentFile: Send + Sync + std::fmt::Debug {
    /// Writes all of `bytes` at `offset`.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// Makes the disk hold room for `length` bytes from `offset`, which read as zeros.
    fn reserve(&self, offset: u64, length: u64) -> io::Result<()>;
    /// `fdatasync`.
    fn sync(&self) -> io::Result<()>;
    /// Gives back what lies behind `length`.
    fn truncate(&self, length: u64) -> io::Result<()>;
}

/// The real disk.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    folder: File,
    positions: File,
    // Held for its lock.
    _lock: File,
}

impl Folder {
    /// Opens or makes the folder (mode 0700) and takes its lock.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)?;
        let lock = private().create(true).truncate(false).write(true).open(path.join(LOCK))?;
        lock.try_lock().map_err(|error| match error {
            std::fs::TryLockError::WouldBlock => {
                io::Error::new(io::ErrorKind::WouldBlock, "another process writes this log; stop it first")
            }
            std::fs::TryLockError::Error(error) => error,
        })?;
        let positions = private().create(true).truncate(false).write(true).open(path.join(POSITIONS))?;
        Ok(Self { path: path.to_owned(), folder: File::open(path)?, positions, _lock: lock })
    }
}

impl Disk for Folder {
    fn create(&self, name: &str) -> io::Result<Arc<dyn SegmentFile>> {
        let file = private().create_new(true).write(true).open(self.path.join(name))?;
        Ok(Arc::new(Segment(file)))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        std::fs::remove_file(self.path.join(name))
    }

    fn sync_folder(&self) -> io::Result<()> {
        self.folder.sync_all()
    }

    fn note_positions(&self, bytes: &[u8]) -> io::Result<()> {
        self.positions.write_all_at(bytes, 0)
    }
}

#[derive(Debug)]
struct Segment(File);

impl SegmentFile for Segment {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn reserve(&self, offset: u64, length: u64) -> io::Result<()> {
        match rustix::fs::fallocate(&self.0, rustix::fs::FallocateFlags::empty(), offset, length) {
            Ok(()) => Ok(()),
            // A file system without fallocate: zeros written in its place take the same room.
            Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => write_zeros(&self.0, offset, length),
            Err(error) => Err(error.into()),
        }
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.0.set_len(length)
    }
}

fn write_zeros(file: &File, mut offset: u64, length: u64) -> io::Result<()> {
    const ZEROS: [u8; 4096] = [0; 4096];
    let end = offset.saturating_add(length);
    while offset < end {
        let step = usize::try_from(end - offset).unwrap_or(usize::MAX).min(ZEROS.len());
        file.write_all_at(ZEROS.get(..step).unwrap_or_default(), offset)?;
        offset = offset.saturating_add(u64::try_from(step).unwrap_or(u64::MAX));
    }
    Ok(())
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(0o600);
    options
}

/// Whether an error means that there is no room, rather than that the disk is broken.
pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge)
}

/// Whether an error means that this process or the system has no file handle or memory left, which passes.
pub(super) fn is_shortage(error: &io::Error) -> bool {
    use rustix::io::Errno;
    [Errno::MFILE, Errno::NFILE, Errno::NOMEM].iter().any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}
