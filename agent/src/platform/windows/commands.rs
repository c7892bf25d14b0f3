//! Commands: none. Their output is localised, and no collector here needs one.

use crate::posture::{Command, CommandError, Commands};

/// The commands of this computer.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemCommands;

impl Commands for SystemCommands {
    fn run(&self, command: &Command<'_>) -> Result<Vec<u8>, CommandError> {
        Err(CommandError::Absent(command.program.to_owned()))
    }
}
