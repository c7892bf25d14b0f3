//! The programs that run, from `/proc`.

use std::fs;
use std::io;
use std::path::Path;

use crate::posture::Machine;

/// The kernel cuts a process's own name after so many bytes (proc_pid_comm(5)).
pub(super) const COMM_BYTES_MAX: usize = 15;

/// A process.
#[derive(Debug)]
pub(super) struct Process<'a> {
    machine: &'a Machine,
    directory: String,
}

impl Process<'_> {
    /// Its own name, at most [`COMM_BYTES_MAX`] bytes. A process may choose it.
    pub(super) fn comm(&self) -> Option<String> {
        let text = self.machine.read(format!("{}/comm", self.directory)).ok()?;
        Some(text.trim_end_matches('\n').to_owned())
    }

    /// The file name of its program; of other users' processes only root can see it, and the file name that it was
    /// started by stands in.
    pub(super) fn program(&self) -> Option<String> {
        let path = match fs::read_link(self.machine.path(format!("{}/exe", self.directory))) {
            Ok(target) => target.to_string_lossy().trim_end_matches(" (deleted)").to_owned(),
            // The kernel's own threads have no program.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(_) => {
                let started = self.machine.read(format!("{}/cmdline", self.directory)).ok()?;
                started.split('\0').next().unwrap_or_default().to_owned()
            }
        };
        Path::new(&path).file_name().map(|name| name.to_string_lossy().into_owned())
    }

    /// The user that it acts as: the effective one of the four in its status (proc_pid_status(5)).
    pub(super) fn user(&self) -> Option<u32> {
        let status = self.machine.read(format!("{}/status", self.directory)).ok()?;
        let users = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
        users.split_whitespace().nth(1)?.parse().ok()
    }
}

/// All processes that can be seen.
///
/// # Errors
/// `/proc` cannot be read.
pub(super) fn running(machine: &Machine) -> io::Result<impl Iterator<Item = Process<'_>>> {
    let names = machine.list("/proc")?;
    let numbers = names.into_iter().filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()));
    Ok(numbers.map(move |number| Process { machine, directory: format!("/proc/{number}") }))
}

/// Whether other users' processes can be seen: not where `/proc` is mounted with `hidepid` and we are not root.
pub(super) fn all_visible(machine: &Machine) -> bool {
    machine.read("/proc/1/comm").is_ok()
}
