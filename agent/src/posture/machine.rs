//! The computer that collectors look at: a directory that stands for `/`, and the commands that it answers.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use hitotsu_model::time::Timestamp;

use crate::platform;

/// Largest file that a collector reads whole: dpkg's status of a full desktop is about 5 MiB.
const FILE_BYTES_MAX: u64 = 32 << 20;
/// Most entries of a directory that a collector looks at: Linux has at most 4,194,304 processes, desktops 1,000.
const DIRECTORY_ENTRIES_MAX: usize = 65_536;

/// A program to run.
#[derive(Debug, Clone, Copy)]
pub struct Command<'a> {
    /// Its name; it is looked for in the system's own directories only, never where a user may write.
    pub program: &'a str,
    /// Its arguments.
    pub arguments: &'a [&'a str],
    /// Stopped after so long.
    pub deadline: Duration,
    /// Run as this user instead of the agent's own.
    pub user: Option<&'a Account>,
}

/// A user of this computer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
    /// Home directory.
    pub home: String,
}

/// Runs the few commands that collectors need.
pub trait Commands: fmt::Debug + Send + Sync {
    /// Standard output of `command`, bounded in time and size, in the `C` locale.
    ///
    /// # Errors
    /// Why there is no output that can be used.
    fn run(&self, command: &Command<'_>) -> Result<Vec<u8>, CommandError>;
}

/// Why a command gave no output.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// There is no such program.
    #[error("`{0}` is not installed")]
    Absent(String),
    /// It ended with a failure; its own words, one line.
    #[error("`{program}` failed: {message}")]
    Failed {
        /// The program.
        program: String,
        /// First line of standard error.
        message: String,
    },
    /// It did not end in time and was stopped.
    #[error("`{0}` did not answer in time")]
    Slow(String),
    /// It wrote more than is read.
    #[error("`{0}` wrote too much")]
    Long(String),
}

/// What collectors look at.
#[derive(Debug, Clone)]
pub struct Machine {
    root: PathBuf,
    commands: Arc<dyn Commands>,
}

impl Machine {
    /// This computer.
    #[must_use]
    pub fn this() -> Self {
        Self::new(PathBuf::from("/"), Arc::new(platform::SystemCommands))
    }

    /// A computer whose files are below `root` and whose commands are `commands`.
    #[must_use]
    pub fn new(root: PathBuf, commands: Arc<dyn Commands>) -> Self {
        Self { root, commands }
    }

    /// Where `absolute` really lies. A path that already lies below the root stays.
    #[must_use]
    pub fn path(&self, absolute: impl AsRef<Path>) -> PathBuf {
        let absolute = absolute.as_ref();
        if absolute.starts_with(&self.root) {
            return absolute.to_owned();
        }
        self.root.join(absolute.strip_prefix("/").unwrap_or(absolute))
    }

    /// A whole text file; bytes that are no UTF-8 are replaced.
    ///
    /// # Errors
    /// It cannot be read or is longer than 32 MiB.
    pub fn read(&self, absolute: impl AsRef<Path>) -> io::Result<String> {
        let mut bytes = Vec::new();
        File::open(self.path(absolute))?.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
        if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > FILE_BYTES_MAX {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "longer than is read"));
        }
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The first `length` bytes of a file, fewer if it is shorter.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn read_head(&self, absolute: impl AsRef<Path>, length: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        File::open(self.path(absolute))?.take(length).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// The names in a directory, sorted.
    ///
    /// # Errors
    /// It cannot be read or has more than 65,536 entries.
    pub fn list(&self, absolute: impl AsRef<Path>) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(self.path(absolute))? {
            if names.len() >= DIRECTORY_ENTRIES_MAX {
                return Err(io::Error::new(io::ErrorKind::FileTooLarge, "more entries than are read"));
            }
            names.push(entry?.file_name().to_string_lossy().into_owned());
        }
        names.sort_unstable();
        Ok(names)
    }

    /// Whether something is there that can be seen.
    #[must_use]
    pub fn exists(&self, absolute: impl AsRef<Path>) -> bool {
        self.path(absolute).exists()
    }

    /// When a file's content was last changed.
    ///
    /// # Errors
    /// It cannot be seen.
    pub fn modified(&self, absolute: impl AsRef<Path>) -> io::Result<Timestamp> {
        let since = fs::metadata(self.path(absolute))?.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
        Ok(Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX)))
    }

    /// Runs a command and returns its standard output as text.
    ///
    /// # Errors
    /// [`CommandError`].
    pub fn run(&self, command: &Command<'_>) -> Result<String, CommandError> {
        self.commands.run(command).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    }
}
