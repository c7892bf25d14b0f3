//! The demo's processes: each in a process group of its own, all ended by their id however the demo ends.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::Value;

use crate::run::{self, Trouble};

/// A server that has not said where it listens by then will not.
const ANNOUNCE_WITHIN: Duration = Duration::from_secs(20);

/// A program that was asked to end and has not by then is killed: longer than an idle gateway's drain.
const END_WITHIN: Duration = Duration::from_secs(5);

/// The process groups that live now; shared with the thread that waits for Ctrl-C.
#[derive(Debug, Clone, Default)]
pub(super) struct Groups(Arc<Mutex<Vec<Pid>>>);

impl Groups {
    fn add(&self, group: Pid) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(group);
    }

    fn remove(&self, group: Pid) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|other| *other != group);
    }

    /// Asks every group to end, so that whoever waits for one of them goes on.
    pub(super) fn interrupt(&self) {
        for group in self.0.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            let _gone = kill_process_group(*group, Signal::TERM);
        }
    }
}

/// One running program. Dropping it ends its whole process group.
#[derive(Debug)]
pub(super) struct Running {
    name: String,
    child: Child,
    group: Pid,
    groups: Groups,
    log: PathBuf,
    lines: Option<Receiver<String>>,
    // Held open: programs that end with their standard input never outlive us, not even when we are killed.
    _stdin: Option<ChildStdin>,
}

impl Running {
    /// Starts a program; its standard error goes to `<logs>/<name>.log`, its standard output comes line by line.
    ///
    /// # Errors
    /// It cannot be started.
    pub(super) fn start(groups: &Groups, logs: &Path, name: &str, mut command: Command) -> Result<Self, Trouble> {
        let log = logs.join(format!("{name}.log"));
        let file = File::create(&log).map_err(|error| Trouble::new(format!("`{}`: {error}", log.display())))?;
        command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(file);
        let mut child = command
            .spawn()
            .map_err(|error| Trouble::new(format!("`{}` cannot be started: {error}", run::shown(&command))))?;
        let group = Pid::from_child(&child);
        groups.add(group);
        let lines = child.stdout.take().map(|out| {
            let (sender, receiver) = mpsc::channel();
            thread::spawn(move || {
                for line in BufReader::new(out).lines().map_while(Result::ok) {
                    // Nobody may listen any more, but the program must not block on a full pipe.
                    let _unheard = sender.send(line);
                }
            });
            receiver
        });
        let stdin = child.stdin.take();
        Ok(Self { name: name.to_owned(), child, group, groups: groups.clone(), log, lines, _stdin: stdin })
    }

    /// The next line of standard output that is a JSON object.
    ///
    /// # Errors
    /// It ends, or says nothing in time; the end of its log is in the message.
    pub(super) fn announcement(&mut self) -> Result<Value, Trouble> {
        let deadline = Instant::now() + ANNOUNCE_WITHIN;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.lines.as_ref().map(|lines| lines.recv_timeout(left)) {
                Some(Ok(line)) => {
                    if let Ok(value @ Value::Object(_)) = serde_json::from_str(&line) {
                        return Ok(value);
                    }
                }
                Some(Err(_)) | None => {
                    return Err(Trouble::new(format!("`{}` did not start:\n{}", self.name, self.log_end())));
                }
            }
        }
    }

    /// Waits up to `within` for the program to end by itself; the lines that it printed.
    pub(super) fn ended(&mut self, within: Duration) -> Option<Vec<String>> {
        let deadline = Instant::now() + within;
        while !matches!(self.child.try_wait(), Ok(Some(_))) {
            if Instant::now() >= deadline {
                return None;
            }
            thread::sleep(Duration::from_millis(5));
        }
        Some(self.lines.as_ref().map(|lines| lines.iter().collect()).unwrap_or_default())
    }

    /// The next line of standard output.
    pub(super) fn line(&mut self, within: Duration) -> Option<String> {
        self.lines.as_ref()?.recv_timeout(within).ok()
    }

    /// The end of its log, for messages.
    pub(super) fn log_end(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines.iter().skip(lines.len().saturating_sub(12)).copied().collect::<Vec<_>>().join("\n")
    }

    /// True while it runs.
    pub(super) fn alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _gone = kill_process_group(self.group, Signal::TERM);
        if self.ended(END_WITHIN).is_none() {
            let _gone = kill_process_group(self.group, Signal::KILL);
            let _status = self.child.wait();
        }
        self.groups.remove(self.group);
    }
}

/// The command, started so that the kernel ends it when we are killed without a chance to clean up.
pub(super) fn leashed(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "TERM", "--"]).arg(program);
    command
}
