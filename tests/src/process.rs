//! Programs under test.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, getpid, kill_process, set_child_subreaper, set_parent_process_death_signal,
    waitid,
};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

/// How long any one step of a program may take before the test fails and says so.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The path of one of our programs, beside the test binary.
///
/// # Panics
/// If it was not built.
#[must_use]
pub fn program(name: &str) -> PathBuf {
    let own = std::env::current_exe().expect("we have a path");
    let beside = own.parent().expect("we lie in a folder");
    // Programs lie in target/<profile>, tests in a folder of that.
    let folder = if beside.ends_with("deps") { beside.parent().expect("a profile's folder") } else { beside };
    let path = folder.join(name);
    assert!(path.exists(), "`{}` is missing; run `cargo build --workspace --bins` first", path.display());
    path
}

/// One of our programs as a command, behind the words that put it elsewhere, if there are any.
///
/// # Panics
/// If it was not built.
#[must_use]
pub fn placed(elsewhere: &[String], name: &str) -> Command {
    let program = program(name);
    let Some((first, rest)) = elsewhere.split_first() else { return Command::new(program) };
    let mut command = Command::new(first);
    command.args(rest).arg(program);
    command
}

/// A running program. Dropping it kills it with all that it started, and waits for their end. Where this process has no
/// time for that, because it is killed itself, the kernel kills the program.
#[derive(Debug)]
pub struct Running {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Running {
    /// Starts a program whose standard output is read line by line.
    ///
    /// # Panics
    /// If it cannot be started.
    #[must_use]
    pub fn start(command: Command) -> Self {
        Self::spawn(command, Stdio::null())
    }

    /// As [`Running::start`], for one that is told more on its standard input.
    ///
    /// # Panics
    /// If it cannot be started.
    #[must_use]
    pub fn start_told(command: Command) -> (Self, ChildStdin) {
        let mut running = Self::spawn(command, Stdio::piped());
        let input = running.child.stdin.take().expect("piped");
        (running, input)
    }

    fn spawn(mut command: Command, input: Stdio) -> Self {
        set_child_subreaper(Some(getpid())).expect("orphans come to us");
        die_with_us(&mut command);
        let mut child = command
            .stdin(input)
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let stdout = child.stdout.take().expect("piped");
        Self { child, lines: BufReader::new(stdout).lines() }
    }

    /// The next line of its output that is JSON.
    ///
    /// # Panics
    /// If it ends or says nothing for too long.
    pub async fn next_json(&mut self) -> Value {
        loop {
            let line = timeout(PATIENCE, self.lines.next_line()).await.expect("the program says nothing");
            let line = line.expect("readable").expect("the program ended before it said what it must");
            if let Ok(value) = serde_json::from_str(&line) {
                return value;
            }
        }
    }

    /// Its process id.
    ///
    /// # Panics
    /// If it has ended.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id().expect("it runs")
    }

    /// Ends it and what it started at once, as a power cut would (SIGKILL).
    pub async fn kill(&mut self) {
        self.end();
        let _ = self.child.wait().await;
    }

    fn end(&mut self) {
        // Without an id it has ended and was waited for.
        let Some(id) = self.child.id().and_then(pid) else { return };
        // A stopped process starts nothing while its own are looked up.
        let _ = kill_process(id, Signal::STOP);
        let own = below(id);
        let _ = self.child.start_kill();
        // Seen here and left for the runtime's own wait.
        let _ = waitid(WaitId::Pid(id), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT);
        let _ = self.child.try_wait();
        own.into_iter().for_each(end_orphan);
    }

    /// Asks it to stop (SIGTERM) and waits.
    ///
    /// # Panics
    /// If it does not stop in time.
    pub async fn terminate(&mut self) -> std::process::ExitStatus {
        let id = pid(self.id()).expect("a process");
        let own = below(id);
        kill_process(id, Signal::TERM).expect("sent");
        let status = timeout(PATIENCE, self.child.wait()).await.expect("it stops in time").expect("waited");
        own.into_iter().for_each(end_orphan);
        status
    }
}

/// No process of a test outlives it.
impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}

/// Has the kernel kill the program when this thread ends: that of the runtime that starts it, so the process's end at
/// the latest.
fn die_with_us(command: &mut Command) {
    let ask = || set_parent_process_death_signal(Some(Signal::KILL)).map_err(std::io::Error::from);
    #[expect(unsafe_code, reason = "there is no safe name for what a child does between fork and exec")]
    // SAFETY: the closure is one prctl(2), which is async-signal-safe, and it allocates nothing.
    unsafe {
        command.pre_exec(ask);
    }
}

fn pid(id: u32) -> Option<Pid> {
    i32::try_from(id).ok().and_then(Pid::from_raw)
}

/// The processes that a process started.
#[must_use]
pub fn children(id: u32) -> Vec<u32> {
    let tasks = std::fs::read_dir(format!("/proc/{id}/task")).into_iter().flatten().flatten();
    let lists = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok());
    lists.flat_map(|list| list.split_whitespace().filter_map(|id| id.parse().ok()).collect::<Vec<_>>()).collect()
}

/// The processes that a process started, and theirs.
fn below(id: Pid) -> Vec<Pid> {
    let children: Vec<Pid> = children(id.as_raw_nonzero().get().unsigned_abs()).into_iter().filter_map(pid).collect();
    let theirs: Vec<Pid> = children.iter().flat_map(|child| below(*child)).collect();
    [children, theirs].concat()
}

/// Ends a process whose parent is gone, and waits for it: this process takes in such orphans. One that ended before is
/// none of ours, and its number may be another's by now.
fn end_orphan(id: Pid) {
    let look = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
    if waitid(WaitId::Pid(id), look).is_ok() {
        let _ = kill_process(id, Signal::KILL);
        let _ = waitid(WaitId::Pid(id), WaitIdOptions::EXITED);
    }
}

/// Runs a command to its end and gives back its exit code, standard output and standard error.
///
/// # Panics
/// If it cannot be run or takes too long.
pub async fn run(mut command: Command) -> (i32, String, String) {
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output();
    let output = timeout(PATIENCE, output).await.expect("the command ends in time").expect("the command runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
}
