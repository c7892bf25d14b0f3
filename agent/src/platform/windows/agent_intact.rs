//! The agent's own program: still the file that was installed.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hitotsu_model::posture::ClaimName;

use crate::platform::program::{RECORD, sha256};
use crate::platform::windows::private::create_private;
use crate::posture::{Collector, Context, Finding, Machine, Watched, WhyUnknown};

/// Windows lets nobody write a program that runs; it may be renamed and replaced, which is seen this late.
const POLL: Duration = Duration::from_secs(60);

/// Makes `agent_intact`.
#[derive(Debug)]
pub(super) struct AgentIntact {
    record: PathBuf,
}

impl AgentIntact {
    pub(super) fn new(state: &Path) -> Self {
        Self { record: state.join(RECORD) }
    }

    fn intact(&self) -> io::Result<Finding> {
        let name = ClaimName::AgentIntact;
        if !self.record.exists() {
            return Ok(Finding::unknown(name, WhyUnknown::NoRecordedHash));
        }
        let same = own_hash()? == fs::read_to_string(&self.record)?.trim();
        Ok(Finding::yes_or_no(name, same).on_own_word())
    }
}

impl Collector for AgentIntact {
    fn claims(&self) -> &'static [ClaimName] {
        &[ClaimName::AgentIntact]
    }

    fn collect(&self, _context: &Context) -> Vec<Finding> {
        let unknown = |error| Finding::unknown_because(ClaimName::AgentIntact, WhyUnknown::NotReadable, error);
        vec![self.intact().unwrap_or_else(unknown)]
    }

    fn watched(&self, _machine: &Machine) -> Watched {
        Watched::every(POLL)
    }
}

fn own_hash() -> io::Result<String> {
    sha256(&File::open(std::env::current_exe()?)?)
}

/// Remembers the hash of the running program in `state`, for the claim `agent_intact`. Call it when the agent is
/// installed or enrolled.
///
/// # Errors
/// The program cannot be read or the file cannot be written.
pub fn record_own_program(state: &Path) -> io::Result<()> {
    create_private(&state.join(RECORD), format!("{}\n", own_hash()?).as_bytes())
}
