//! The computer that collectors look at: a directory that stands for `/`, and the commands that it answers.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Runs the few commands that collectors need.
pub trait Commands: fmt::Debug + Send + Sync {
    /// Standard output of `program` with `arguments`, bounded in time and size, in the `C` locale.
    ///
    /// # Errors
    /// Why there is no output that can be used.
    fn run(&self, program: &str, arguments: &[&str], deadline: Duration) -> Result<Vec<u8>, CommandError>;
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
}

/// The commands of this computer.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemCommands;

impl Commands for SystemCommands {
    fn run(&self, program: &str, _arguments: &[&str], _deadline: Duration) -> Result<Vec<u8>, CommandError> {
        Err(CommandError::Absent(program.to_owned()))
    }
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
        Self::new(PathBuf::from("/"), Arc::new(SystemCommands))
    }

    /// A computer whose files are below `root` and whose commands are `commands`.
    #[must_use]
    pub fn new(root: PathBuf, commands: Arc<dyn Commands>) -> Self {
        Self { root, commands }
    }
}
