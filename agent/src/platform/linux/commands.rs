//! Running the system's own programs, bounded in time and output.

use std::io::Read;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command as Process, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, getpriority_process, setpriority_process};

use crate::posture::{Command, CommandError, Commands};

/// Where programs are looked for. Only root may write there; the caller's `PATH` could name a user's own `nft`.
const PROGRAM_DIRECTORIES: &[&str] = &["/usr/sbin", "/usr/bin", "/sbin", "/bin"];
/// Longest output that is read: the largest ruleset seen in the field is 2 MiB of JSON.
const OUTPUT_BYTES_MAX: u64 = 16 << 20;
/// Longest error text that is read; one line of it is shown.
const ERROR_BYTES_MAX: u64 = 4096;

/// A program that may take so long is waited for by nobody: it yields to what people do.
const YIELDS_FROM: Duration = Duration::from_secs(10);
/// How much it yields (nice(1)): beside one program that never rests it still gets a quarter of a processor, so that its
/// deadline holds.
const YIELDING_BY: i32 = 5;

/// The commands of this computer.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemCommands;

impl Commands for SystemCommands {
    fn run(&self, command: &Command<'_>) -> Result<Vec<u8>, CommandError> {
        let path = find(command.program).ok_or_else(|| CommandError::Absent(command.program.to_owned()))?;
        let failed = |error: std::io::Error| CommandError::Failed {
            program: command.program.to_owned(),
            message: error.to_string(),
        };
        let mut child = process(&path, command).spawn().map_err(failed)?;
        if command.deadline >= YIELDS_FROM {
            yield_to_others(&child);
        }
        finish(&mut child, command)
    }
}

fn find(program: &str) -> Option<PathBuf> {
    PROGRAM_DIRECTORIES.iter().map(|directory| Path::new(directory).join(program)).find(|path| path.is_file())
}

fn process(path: &Path, command: &Command<'_>) -> Process {
    let mut process = Process::new(path);
    process
        .args(command.arguments)
        .env_clear()
        .env("LC_ALL", "C")
        .env("PATH", PROGRAM_DIRECTORIES.join(":"))
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    if let Some(user) = command.user {
        process.env("HOME", &user.home);
        if user.uid != rustix::process::geteuid().as_raw() {
            process.uid(user.uid).gid(user.gid);
        }
    }
    process
}

fn yield_to_others(child: &Child) {
    // One that has ended already has nothing to yield.
    if let Some(id) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        let own = getpriority_process(None).unwrap_or_default();
        let _ = setpriority_process(Some(id), own.max(YIELDING_BY));
    }
}

fn finish(child: &mut Child, command: &Command<'_>) -> Result<Vec<u8>, CommandError> {
    let deadline = Instant::now() + command.deadline;
    let output = read_in_background(child.stdout.take(), OUTPUT_BYTES_MAX + 1);
    let errors = read_in_background(child.stderr.take(), ERROR_BYTES_MAX);
    let left = || deadline.saturating_duration_since(Instant::now());
    let (Ok(output), Ok(errors)) = (output.recv_timeout(left()), errors.recv_timeout(left())) else {
        stop(child);
        return Err(CommandError::Slow(command.program.to_owned()));
    };
    if u64::try_from(output.len()).unwrap_or(u64::MAX) > OUTPUT_BYTES_MAX {
        stop(child);
        return Err(CommandError::Long(command.program.to_owned()));
    }
    // Both pipes are closed, so the program is at its end; one that lingers is stopped.
    match wait_until(child, deadline) {
        Some(status) if status.success() => Ok(output),
        Some(status) => Err(CommandError::Failed {
            program: command.program.to_owned(),
            message: first_line(&errors).unwrap_or_else(|| status.to_string()),
        }),
        None => Err(CommandError::Slow(command.program.to_owned())),
    }
}

fn read_in_background(pipe: Option<impl Read + Send + 'static>, length: u64) -> mpsc::Receiver<Vec<u8>> {
    let (send, receive) = mpsc::sync_channel(1);
    // A thread that could not be started drops its end, which counts as no answer.
    drop(thread::Builder::new().name("posture-pipe".to_owned()).spawn(move || {
        let mut bytes = Vec::new();
        if let Some(pipe) = pipe
            && pipe.take(length).read_to_end(&mut bytes).is_ok()
        {
            drop(send.send(bytes));
        }
    }));
    receive
}

fn wait_until(child: &mut Child, deadline: Instant) -> Option<ExitStatus> {
    loop {
        if let Ok(Some(status)) = child.try_wait() {
            return Some(status);
        }
        if Instant::now() >= deadline {
            stop(child);
            return None;
        }
        // Both pipes are closed already: the status comes within microseconds.
        thread::sleep(Duration::from_millis(1));
    }
}

fn stop(child: &mut Child) {
    // It may have ended meanwhile; waiting takes its entry out of the process table either way.
    drop(child.kill());
    drop(child.wait());
}

fn first_line(errors: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(errors);
    text.lines().map(str::trim).find(|line| !line.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(program: &str, arguments: &[&str], seconds: u64) -> Result<Vec<u8>, CommandError> {
        SystemCommands.run(&Command { program, arguments, deadline: Duration::from_secs(seconds), user: None })
    }

    #[test]
    fn a_program_answers_in_the_c_locale_with_nothing_of_our_environment() {
        let output = run("env", &[], 10).expect("env");
        let text = String::from_utf8(output).expect("text");
        assert!(text.contains("LC_ALL=C\n"), "{text}");
        assert!(!text.contains("CARGO"), "{text}");
    }

    #[test]
    fn a_failure_says_what_the_program_said() {
        let error = run("ls", &["/no/such/place"], 10).expect_err("fails");
        assert!(error.to_string().contains("No such file"), "{error}");
        assert_eq!(run("no-such-program", &[], 10), Err(CommandError::Absent("no-such-program".to_owned())));
    }

    #[test]
    fn a_program_that_may_take_long_yields_to_others() {
        // Goes on until the priority is seen, and is stopped where it never is.
        let script = format!("until [ $(nice) -ge {YIELDING_BY} ]; do :; done; nice");
        let output = run("sh", &["-c", &script], YIELDS_FROM.as_secs()).expect("it yields");
        assert!(String::from_utf8(output).expect("text").trim().parse::<i32>().expect("a number") >= YIELDING_BY);
    }

    #[test]
    fn a_program_that_hangs_is_stopped() {
        let begun = Instant::now();
        let error = SystemCommands.run(&Command {
            program: "sleep",
            arguments: &["60"],
            deadline: Duration::from_millis(50),
            user: None,
        });
        assert_eq!(error, Err(CommandError::Slow("sleep".to_owned())));
        assert!(begun.elapsed() < Duration::from_secs(30));
    }

    #[test]
    fn more_output_than_is_read_is_an_error_and_not_a_part_of_it() {
        assert_eq!(run("yes", &[], 60), Err(CommandError::Long("yes".to_owned())));
    }
}
