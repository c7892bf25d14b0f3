//! Changed files.
//!
//! Programs replace files rather than write into them, and files appear that were not there. So the directory of each
//! file is watched, and where that is missing the nearest one above it until it appears.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use inotify::{EventMask, Inotify, WatchDescriptor, WatchMask};
use tokio::io::unix::AsyncFd;

use super::awaited::awaited;
use crate::posture::{Machine, Watched};

/// Room for a few hundred events; what does not fit is read next.
const EVENT_BYTES: usize = 16 * 1024;

/// The files that collectors watch.
#[derive(Debug)]
pub(super) struct Files {
    inotify: AsyncFd<Inotify>,
    wanted: Vec<(PathBuf, usize)>,
    /// What an event in a directory means: for which name, or any, for which collector.
    meanings: Vec<(WatchDescriptor, Meaning)>,
}

#[derive(Debug)]
struct Meaning {
    /// `None` for every name.
    name: Option<OsString>,
    collector: usize,
    /// The name is a part of the way to the file: when it appears, the file may be watched itself.
    on_the_way: bool,
}

impl Files {
    pub(super) fn open(machine: &Machine, watched: &[Watched]) -> io::Result<Self> {
        let inotify = awaited(Inotify::init()?)?;
        let paths = |(index, one): (usize, &Watched)| {
            one.paths.iter().map(|path| (machine.path(path), index)).collect::<Vec<_>>()
        };
        let wanted = watched.iter().enumerate().flat_map(paths).collect();
        let mut files = Self { inotify, wanted, meanings: Vec::new() };
        files.arm();
        Ok(files)
    }

    /// Watches everything that exists by now. Watching again what is watched changes nothing.
    fn arm(&mut self) {
        self.meanings.clear();
        let mut seen = BTreeMap::new();
        for (path, collector) in &self.wanted {
            for (directory, name, on_the_way) in places(path) {
                let watched = seen.entry(directory.clone()).or_insert_with(|| add(self.inotify.get_ref(), &directory));
                if let Some(descriptor) = watched {
                    self.meanings.push((descriptor.clone(), Meaning { name, collector: *collector, on_the_way }));
                }
            }
        }
    }

    /// The collectors of the files that changed. Cancel-safe.
    pub(super) async fn next(&mut self) -> BTreeSet<usize> {
        loop {
            let (mut changed, mut appeared) = (BTreeSet::new(), false);
            {
                let Ok(mut ready) = self.inotify.readable_mut().await else { return std::future::pending().await };
                let mut buffer = vec![0; EVENT_BYTES];
                let read = ready.try_io(|inotify| {
                    let events = inotify.get_mut().read_events(&mut buffer)?;
                    let owned = events.map(|event| (event.wd.clone(), event.mask, event.name.map(ToOwned::to_owned)));
                    Ok(owned.collect::<Vec<_>>())
                });
                let Ok(Ok(events)) = read else { continue };
                for (descriptor, mask, name) in events {
                    if mask.contains(EventMask::Q_OVERFLOW) {
                        changed.extend(self.wanted.iter().map(|(_, collector)| *collector));
                    }
                    // A watched directory that goes takes its watch along.
                    appeared |= mask.intersects(EventMask::IGNORED | EventMask::DELETE_SELF | EventMask::MOVE_SELF);
                    for (of, meaning) in &self.meanings {
                        let named = meaning.name.is_none() || meaning.name == name;
                        if *of == descriptor && named {
                            changed.insert(meaning.collector);
                            appeared |= meaning.on_the_way;
                        }
                    }
                }
            }
            if appeared {
                self.arm();
            }
            if !changed.is_empty() {
                return changed;
            }
        }
    }
}

fn add(inotify: &Inotify, directory: &Path) -> Option<WatchDescriptor> {
    let mask = WatchMask::CREATE
        | WatchMask::CLOSE_WRITE
        | WatchMask::MODIFY
        | WatchMask::MOVED_TO
        | WatchMask::MOVED_FROM
        | WatchMask::DELETE
        | WatchMask::ATTRIB
        | WatchMask::DELETE_SELF
        | WatchMask::MOVE_SELF
        | WatchMask::ONLYDIR;
    inotify.watches().add(directory, mask).ok()
}

/// Where events about `path` come from: its entry in the directory above, and any entry in it if it is a directory;
/// where the directory is missing, the first part of the way that does not exist.
fn places(path: &Path) -> Vec<(PathBuf, Option<OsString>, bool)> {
    let mut places = Vec::new();
    if path.is_dir() {
        places.push((path.to_owned(), None, false));
    }
    let mut child = path;
    let mut on_the_way = path.is_dir();
    while let Some(directory) = child.parent() {
        if directory.is_dir() {
            places.push((directory.to_owned(), child.file_name().map(ToOwned::to_owned), on_the_way || child != path));
            break;
        }
        child = directory;
        on_the_way = true;
    }
    places
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::Duration;

    use super::*;
    use crate::platform::linux::fixture::Fixture;

    /// Fails rather than hangs when nothing is announced.
    const PATIENCE: Duration = Duration::from_secs(20);

    fn watching(machine: &Fixture, paths: &[&str]) -> Files {
        let watched: Vec<Watched> =
            paths.iter().map(|path| Watched::every(PATIENCE).and_paths([(*path).to_owned()])).collect();
        Files::open(&machine.machine(), &watched).expect("inotify")
    }

    /// Reads until collector `wanted` is announced; others may be announced on the way.
    async fn announced(files: &mut Files, wanted: usize) {
        let wait = async { while !files.next().await.contains(&wanted) {} };
        tokio::time::timeout(PATIENCE, wait).await.expect("announced");
    }

    #[tokio::test]
    async fn a_file_that_is_written_replaced_or_deleted_is_announced_to_its_collector_only() {
        let machine = Fixture::new().file("/etc/a", "1").file("/etc/b", "1");
        let mut files = watching(&machine, &["/etc/a", "/etc/b"]);
        fs::write(machine.full("/etc/b"), "2").expect("write");
        assert_eq!(files.next().await, BTreeSet::from([1]));
        fs::write(machine.full("/etc/new"), "2").expect("write");
        fs::rename(machine.full("/etc/new"), machine.full("/etc/a")).expect("rename");
        announced(&mut files, 0).await;
        fs::remove_file(machine.full("/etc/b")).expect("remove");
        announced(&mut files, 1).await;
    }

    #[tokio::test]
    async fn a_file_whose_directories_appear_later_is_announced() {
        let machine = Fixture::new().directory("/home/a");
        let mut files = watching(&machine, &["/home/a/.config/dconf/user"]);
        let machine = machine.directory("/home/a/.config");
        announced(&mut files, 0).await;
        let machine = machine.directory("/home/a/.config/dconf");
        announced(&mut files, 0).await;
        let _machine = machine.file("/home/a/.config/dconf/user", "GVariant");
        announced(&mut files, 0).await;
    }

    #[tokio::test]
    async fn anything_in_a_watched_directory_is_announced() {
        let machine = Fixture::new().directory("/run/sessions");
        let mut files = watching(&machine, &["/run/sessions"]);
        let _machine = machine.file("/run/sessions/7", "UID=1");
        announced(&mut files, 0).await;
    }
}
