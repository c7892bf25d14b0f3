//! A computer made of a temporary directory and prepared answers, for the collectors' tests.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::sync::Arc;

use hitotsu_model::posture::{ClaimName, ClaimValue, Source};
use hitotsu_model::time::Timestamp;
use tempfile::TempDir;

use crate::posture::{Collector, Command, CommandError, Commands, Context, Finding, Machine};

/// 2026-11-24T00:00:00Z.
pub(super) const NOW: Timestamp = Timestamp(1_795_478_400_000);

#[derive(Debug)]
pub(super) struct Fixture {
    root: TempDir,
    answers: BTreeMap<String, Result<String, CommandError>>,
    pub(super) forbidden: Vec<String>,
}

impl Fixture {
    pub(super) fn new() -> Self {
        Self { root: tempfile::tempdir().expect("tempdir"), answers: BTreeMap::new(), forbidden: Vec::new() }
    }

    /// With a file.
    pub(super) fn file(self, path: &str, content: impl AsRef<[u8]>) -> Self {
        let full = self.full(path);
        fs::create_dir_all(full.parent().expect("parent")).expect("directory");
        fs::write(full, content).expect("file");
        self
    }

    /// With an empty directory.
    pub(super) fn directory(self, path: &str) -> Self {
        fs::create_dir_all(self.full(path)).expect("directory");
        self
    }

    /// With a symbolic link to another path of this computer.
    pub(super) fn link(self, path: &str, target: &str) -> Self {
        let full = self.full(path);
        fs::create_dir_all(full.parent().expect("parent")).expect("directory");
        symlink(self.full(target), full).expect("link");
        self
    }

    /// With a command line that answers.
    pub(super) fn answers(mut self, line: &str, output: &str) -> Self {
        self.answers.insert(line.to_owned(), Ok(output.to_owned()));
        self
    }

    /// With a command line that fails.
    pub(super) fn fails(mut self, line: &str, message: &str) -> Self {
        let program = line.split(' ').next().unwrap_or_default().to_owned();
        self.answers.insert(line.to_owned(), Err(CommandError::Failed { program, message: message.to_owned() }));
        self
    }

    pub(super) fn full(&self, path: &str) -> std::path::PathBuf {
        self.root.path().join(path.trim_start_matches('/'))
    }

    pub(super) fn machine(&self) -> Machine {
        Machine::new(self.root.path().to_owned(), Arc::new(Answers(self.answers.clone())))
    }

    pub(super) fn context(&self) -> Context {
        Context {
            machine: Arc::new(self.machine()),
            forbidden: self.forbidden.clone().into(),
            now: NOW,
            clock_skew_seconds: None,
        }
    }

    /// What `collector` finds.
    pub(super) fn collect(&self, collector: &impl Collector) -> Vec<Finding> {
        collector.collect(&self.context())
    }

    /// The value of one claim.
    pub(super) fn value(&self, collector: &impl Collector, name: ClaimName) -> ClaimValue {
        value(&self.collect(collector), name)
    }
}

#[derive(Debug)]
struct Answers(BTreeMap<String, Result<String, CommandError>>);

impl Commands for Answers {
    fn run(&self, command: &Command<'_>) -> Result<Vec<u8>, CommandError> {
        let line = std::iter::once(command.program).chain(command.arguments.iter().copied()).collect::<Vec<_>>();
        match self.0.get(&line.join(" ")) {
            Some(answer) => answer.clone().map(String::into_bytes),
            None => Err(CommandError::Absent(command.program.to_owned())),
        }
    }
}

/// The context of the computer that runs the test.
pub(super) fn this_machine() -> Context {
    Context {
        machine: Arc::new(Machine::this()),
        forbidden: Arc::from([]),
        now: crate::clock::now(),
        clock_skew_seconds: None,
    }
}

/// The value of one claim among `findings`.
pub(super) fn value(findings: &[Finding], name: ClaimName) -> ClaimValue {
    findings.iter().find(|finding| finding.name == name).expect("the claim is made").value.clone()
}

/// Asserts that a claim is unknown, and that nobody vouches for it, for a reason that contains `why`.
#[track_caller]
pub(super) fn assert_unknown(findings: &[Finding], name: ClaimName, why: &str) {
    let finding = findings.iter().find(|finding| finding.name == name).expect("the claim is made");
    let ClaimValue::Unknown(text) = &finding.value else { panic!("{name} is {:?}", finding.value) };
    assert!(text.contains(why), "{text}");
    assert_eq!(finding.source, Source::Unknown);
}
