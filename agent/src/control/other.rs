//! Elsewhere: not yet. Windows wants a named pipe with an access list of its own.

use std::path::Path;

use super::{Answer, Answerer, Ask, ControlError};

/// The agent's end. It answers nobody.
#[derive(Debug)]
pub struct Server {}

impl Server {
    /// Takes the state directory for this agent alone.
    ///
    /// # Errors
    /// None yet.
    pub fn claim(_state_dir: &Path) -> Result<Self, ControlError> {
        tracing::warn!("commands cannot talk to the running agent on this system yet");
        Ok(Self {})
    }

    /// Answers from now on.
    pub fn serve(&mut self, _answerer: Answerer) {}
}

/// Asks the agent of a state directory.
///
/// # Errors
/// Always [`ControlError::NotYet`].
pub async fn ask(_state_dir: &Path, _ask: &Ask) -> Result<Answer, ControlError> {
    Err(ControlError::NotYet)
}
