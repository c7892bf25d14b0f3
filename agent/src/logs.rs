//! The log file in the state directory: JSON lines, put aside by size.
//!
//! People's names, addresses and host names are written at DEBUG at most, and DEBUG is off unless asked for.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use hitotsu_model::time::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::limits::{LOG_FILE_BYTES_MAX, LOG_FILES_KEPT_MAX};
use crate::{clock, platform};

/// Name of the current file; older ones have `.1`, `.2`, … after it.
pub const LOG_FILE: &str = "agent.log";

/// The environment variable that asks for more, such as `debug` or `hitotsu_agent=trace`.
pub const LOG_VARIABLE: &str = "HITOTSU_LOG";

/// Sends this process's log to the file from now on.
///
/// # Errors
/// The file cannot be opened, or a log was started before.
pub fn start(state_dir: &Path) -> io::Result<()> {
    let file = RotatingFile::open(state_dir)?;
    let filter = EnvFilter::try_from_env(LOG_VARIABLE).unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .json()
        .with_env_filter(filter)
        .with_writer(Shared(Mutex::new(file)))
        .try_init()
        .map_err(io::Error::other)
}

/// A file that is put aside when it is full.
#[derive(Debug)]
struct RotatingFile {
    path: PathBuf,
    file: File,
    written: u64,
    size_max: u64,
}

impl RotatingFile {
    fn open(state_dir: &Path) -> io::Result<Self> {
        Self::open_with(state_dir, LOG_FILE_BYTES_MAX)
    }

    fn open_with(state_dir: &Path, size_max: u64) -> io::Result<Self> {
        let path = state_dir.join(LOG_FILE);
        let file = open_private(&path)?;
        let written = file.metadata()?.len();
        Ok(Self { path, file, written, size_max })
    }

    fn put_aside(&mut self) -> io::Result<()> {
        for number in (1..LOG_FILES_KEPT_MAX).rev() {
            let _ = std::fs::rename(numbered(&self.path, number), numbered(&self.path, number + 1));
        }
        std::fs::rename(&self.path, numbered(&self.path, 1))?;
        self.file = open_private(&self.path)?;
        self.written = 0;
        Ok(())
    }
}

impl Write for RotatingFile {
    /// Takes the whole buffer, which is one event, so that no line is torn between two files.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.written > 0 && self.written.saturating_add(bytes.len() as u64) > self.size_max {
            self.put_aside()?;
        }
        self.file.write_all(bytes)?;
        self.written = self.written.saturating_add(bytes.len() as u64);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

fn open_private(path: &Path) -> io::Result<File> {
    if !path.exists() {
        platform::create_private(path, b"")?;
    }
    OpenOptions::new().append(true).open(path)
}

fn numbered(path: &Path, number: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    PathBuf::from(name)
}

#[derive(Debug)]
struct Shared(Mutex<RotatingFile>);

impl<'a> MakeWriter<'a> for Shared {
    type Writer = Locked<'a>;

    fn make_writer(&'a self) -> Locked<'a> {
        Locked(self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[derive(Debug)]
struct Locked<'a>(std::sync::MutexGuard<'a, RotatingFile>);

impl Write for Locked<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// The last `count` lines of the log, oldest first, as they are written.
///
/// # Errors
/// A file cannot be read. No log yet is an empty one.
pub fn tail(state_dir: &Path, count: usize) -> io::Result<Vec<String>> {
    let current = state_dir.join(LOG_FILE);
    let older = (1..=LOG_FILES_KEPT_MAX).map(|number| numbered(&current, number));
    let mut lines = Vec::new();
    for path in std::iter::once(current.clone()).chain(older) {
        if lines.len() >= count {
            break;
        }
        match std::fs::read_to_string(&path) {
            Ok(text) => {
                let mut whole: Vec<String> = text.lines().map(str::to_owned).collect();
                whole.append(&mut lines);
                lines = whole;
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => break,
            Err(error) => return Err(error),
        }
    }
    let surplus = lines.len().saturating_sub(count);
    Ok(lines.split_off(surplus))
}

#[derive(Deserialize)]
struct Line {
    timestamp: String,
    level: String,
    fields: Map<String, Value>,
}

/// A line of the log for people, with its instant as `local` tells it; a line that is none of ours as it is.
#[must_use]
pub fn readable(line: &str, local: impl Fn(Timestamp) -> String) -> String {
    let Ok(Line { timestamp, level, mut fields }) = serde_json::from_str::<Line>(line) else {
        return line.to_owned();
    };
    let text = |value: Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let message = fields.remove("message").map(text).unwrap_or_default();
    let rest: String = fields.into_iter().map(|(name, value)| format!("  {name}={}", text(value))).collect();
    let at = clock::read(&timestamp).map_or(timestamp, local);
    format!("{at} {level:>5} {message}{rest}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_file_is_put_aside_and_only_so_many_are_kept() {
        let dir = tempfile::tempdir().expect("directory");
        let mut file = RotatingFile::open_with(dir.path(), 10).expect("opens");
        for number in 0..20 {
            file.write_all(format!("line {number:02}\n").as_bytes()).expect("writes");
        }
        let names: Vec<_> = std::fs::read_dir(dir.path()).expect("reads").collect();
        assert_eq!(names.len(), 1 + LOG_FILES_KEPT_MAX as usize);
        let kept = tail(dir.path(), 100).expect("reads");
        assert_eq!(kept, ["line 15", "line 16", "line 17", "line 18", "line 19"]);
        assert_eq!(tail(dir.path(), 2).expect("reads"), ["line 18", "line 19"]);
    }

    #[test]
    fn a_file_that_is_opened_again_goes_on_where_it_was() {
        let dir = tempfile::tempdir().expect("directory");
        RotatingFile::open_with(dir.path(), 100).expect("opens").write_all(b"one\n").expect("writes");
        RotatingFile::open_with(dir.path(), 100).expect("opens").write_all(b"two\n").expect("writes");
        assert_eq!(tail(dir.path(), 9).expect("reads"), ["one", "two"]);
    }

    #[test]
    fn a_line_reads_as_time_level_words_and_values() {
        let line = r#"{"timestamp":"2026-11-24T08:00:00Z","level":"INFO","fields":{"message":"connected","tunnel":3},"target":"x"}"#;
        assert_eq!(readable(line, |at| at.to_string()), "2026-11-24T08:00:00.000Z  INFO connected  tunnel=3");
        assert_eq!(readable("not ours", |at| at.to_string()), "not ours");
    }
}
