//! The agent's own program: still the file that was installed, and not open to changes by others.

use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hitotsu_model::posture::ClaimName;
use serde::{Deserialize, Serialize};

use crate::platform::linux::private::{check_private, create_private};
use crate::platform::program::{RECORD, sha256};
use crate::posture::{Collector, Context, Finding, Machine, Watched, WhyUnknown};

/// The running program, whatever has become of its path (proc_pid_exe(5)).
const RUNNING: &str = "/proc/self/exe";
/// Only the file's data is looked at each time, 20 µs; its content when that has changed.
const POLL: Duration = Duration::from_secs(4);
/// The hash that was computed last, in the state directory.
const HASHED: &str = "program.hashed.json";

/// Makes `agent_intact`.
///
/// The hash is kept over a restart, because computing it takes longer than all else that the first statement waits for
/// (0.7 ms for each MiB). It counts only for the very file that it was computed of: no user can change a file's content
/// and leave its time of change (`ctime`) as it was. Who can write the state directory could as well replace the
/// fingerprint itself.
#[derive(Debug)]
pub(super) struct AgentIntact {
    record: PathBuf,
    kept: PathBuf,
    hashed: Mutex<Option<Hashed>>,
}

/// A hash and the file that has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Hashed {
    of: Stamp,
    sha256: String,
}

impl AgentIntact {
    pub(super) fn new(state: &Path) -> Self {
        let kept = state.join(HASHED);
        let json = check_private(&kept).and_then(|()| fs::read(&kept)).unwrap_or_default();
        Self { record: state.join(RECORD), kept, hashed: Mutex::new(serde_json::from_slice(&json).ok()) }
    }

    fn intact(&self, machine: &Machine) -> io::Result<Finding> {
        let name = ClaimName::AgentIntact;
        let running = fs::read_link(machine.path(RUNNING))?;
        let (path, file) = (machine.path(&running), File::open(machine.path(RUNNING)));
        // The kernel marks a program whose file is gone; then the path names nothing or something else.
        let Ok(installed) = fs::metadata(&path) else { return Ok(Finding::yes_or_no(name, false)) };
        let file = file?;
        let stamp = Stamp::of(&file.metadata()?);
        if stamp != Stamp::of(&installed) || open_to_others(&path)? {
            return Ok(Finding::yes_or_no(name, false));
        }
        let recorded = match fs::read_to_string(&self.record) {
            Ok(recorded) => recorded,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Finding::unknown(name, WhyUnknown::NoRecordedHash));
            }
            Err(error) => return Err(error),
        };
        let same = self.hash(&file, stamp)? == recorded.trim();
        Ok(Finding::yes_or_no(name, same).on_own_word())
    }

    fn hash(&self, file: &File, stamp: Stamp) -> io::Result<String> {
        let mut hashed = self.hashed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = hashed.as_ref()
            && known.of == stamp
        {
            return Ok(known.sha256.clone());
        }
        let new = Hashed { of: stamp, sha256: sha256(file)? };
        new.keep(&self.kept);
        Ok(hashed.insert(new).sha256.clone())
    }
}

impl Hashed {
    /// Without it the next start has to compute the hash again, and no more than that. A state directory that is not
    /// there yet is made by enrolment.
    fn keep(&self, path: &Path) {
        if let Some(directory) = path.parent()
            && directory.is_dir()
            && let Ok(json) = serde_json::to_vec(self)
            && let Err(error) = create_private(path, &json)
        {
            tracing::debug!(%error, "the program's hash could not be kept");
        }
    }
}

impl Collector for AgentIntact {
    fn claims(&self) -> &'static [ClaimName] {
        &[ClaimName::AgentIntact]
    }

    fn collect(&self, context: &Context) -> Vec<Finding> {
        let finding = self.intact(&context.machine);
        let unknown = |error| Finding::unknown_because(ClaimName::AgentIntact, WhyUnknown::NotReadable, error);
        vec![finding.unwrap_or_else(unknown)]
    }

    fn watched(&self, machine: &Machine) -> Watched {
        let running = fs::read_link(machine.path(RUNNING)).ok();
        Watched::every(POLL).and_paths(running).and_paths([self.record.clone()])
    }
}

/// Remembers the hash of the running program in `state`, for the claim `agent_intact`. Call it when the agent is
/// installed or enrolled.
///
/// # Errors
/// The program cannot be read or the file cannot be written.
pub fn record_own_program(state: &Path) -> io::Result<()> {
    let file = File::open(RUNNING)?;
    let hashed = Hashed { of: Stamp::of(&file.metadata()?), sha256: sha256(&file)? };
    create_private(&state.join(RECORD), format!("{}\n", hashed.sha256).as_bytes())?;
    hashed.keep(&state.join(HASHED));
    Ok(())
}

/// Changes whenever the file's content may have changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    fn of(file: &Metadata) -> Self {
        Self {
            device: file.dev(),
            inode: file.ino(),
            size: file.size(),
            modified: (file.mtime(), file.mtime_nsec()),
            changed: (file.ctime(), file.ctime_nsec()),
        }
    }
}

/// Whether somebody but its owner could write the program, or put another in its place.
fn open_to_others(path: &Path) -> io::Result<bool> {
    if writable(&fs::metadata(path)?) {
        return Ok(true);
    }
    for directory in path.ancestors().skip(1) {
        let found = fs::metadata(directory)?;
        // In a directory with the sticky bit, such as /tmp, nobody else can replace the file.
        let sticky = found.mode() & 0o1000 != 0;
        if writable(&found) && !sticky {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A group that is the owner's own (user private groups: equal numbers) is the owner.
fn writable(found: &Metadata) -> bool {
    found.mode() & 0o002 != 0 || (found.mode() & 0o020 != 0 && found.gid() != found.uid())
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt as _;

    use hitotsu_model::posture::ClaimValue;

    use super::*;
    use crate::platform::linux::fixture::{Fixture, assert_unknown, this_machine};

    const PROGRAM: &str = "/opt/hitotsu";

    fn installed() -> Fixture {
        let machine = Fixture::new().file(PROGRAM, "program").link(RUNNING, PROGRAM);
        let hash = sha256(&File::open(machine.full(PROGRAM)).expect("open")).expect("hash");
        fs::set_permissions(machine.full(PROGRAM), Permissions::from_mode(0o755)).expect("chmod");
        machine.file("/state/program.sha256", hash)
    }

    fn collector(machine: &Fixture) -> AgentIntact {
        AgentIntact::new(&machine.full("/state"))
    }

    fn value(machine: &Fixture) -> ClaimValue {
        machine.value(&collector(machine), ClaimName::AgentIntact)
    }

    #[test]
    fn the_recorded_program_is_intact() {
        assert_eq!(value(&installed()), ClaimValue::Bool(true));
    }

    #[test]
    fn a_changed_program_is_not_intact_and_is_noticed_by_the_same_collector() {
        let machine = installed();
        let collector = collector(&machine);
        assert_eq!(machine.value(&collector, ClaimName::AgentIntact), ClaimValue::Bool(true));
        let machine = machine.file(PROGRAM, "programs");
        assert_eq!(machine.value(&collector, ClaimName::AgentIntact), ClaimValue::Bool(false));
    }

    /// Makes the kept hash a wrong one, and says where it is kept.
    fn falsify_kept(machine: &Fixture) -> PathBuf {
        let kept = machine.full("/state").join(HASHED);
        let mut hashed: Hashed = serde_json::from_slice(&fs::read(&kept).expect("kept")).expect("json");
        hashed.sha256 = "0".repeat(64);
        fs::write(&kept, serde_json::to_vec(&hashed).expect("json")).expect("written");
        kept
    }

    #[test]
    fn the_hash_is_kept_over_a_restart_for_the_very_file_only() {
        let machine = installed();
        assert_eq!(value(&machine), ClaimValue::Bool(true));
        // Shows that the kept hash is what is asked, and not the content.
        falsify_kept(&machine);
        assert_eq!(value(&machine), ClaimValue::Bool(false));
        let machine = machine.file(PROGRAM, "program");
        fs::set_permissions(machine.full(PROGRAM), Permissions::from_mode(0o755)).expect("chmod");
        assert_eq!(value(&machine), ClaimValue::Bool(true));
    }

    #[test]
    fn a_kept_hash_that_others_can_write_is_not_believed() {
        let machine = installed();
        assert_eq!(value(&machine), ClaimValue::Bool(true));
        let kept = falsify_kept(&machine);
        fs::set_permissions(&kept, Permissions::from_mode(0o666)).expect("chmod");
        assert_eq!(value(&machine), ClaimValue::Bool(true));
    }

    #[test]
    fn a_program_that_others_can_write_or_replace_is_not_intact() {
        let machine = installed();
        fs::set_permissions(machine.full(PROGRAM), Permissions::from_mode(0o757)).expect("chmod");
        assert_eq!(value(&machine), ClaimValue::Bool(false));
        let machine = installed();
        fs::set_permissions(machine.full("/opt"), Permissions::from_mode(0o777)).expect("chmod");
        assert_eq!(value(&machine), ClaimValue::Bool(false));
        fs::set_permissions(machine.full("/opt"), Permissions::from_mode(0o1777)).expect("chmod");
        assert_eq!(value(&machine), ClaimValue::Bool(true));
    }

    #[test]
    fn a_deleted_program_is_not_intact() {
        let machine = Fixture::new().link(RUNNING, "/opt/hitotsu (deleted)");
        assert_eq!(value(&machine), ClaimValue::Bool(false));
    }

    #[test]
    fn without_a_record_or_proc_it_is_unknown() {
        let machine = Fixture::new().file(PROGRAM, "program").link(RUNNING, PROGRAM);
        assert_unknown(&machine.collect(&collector(&machine)), ClaimName::AgentIntact, "no fingerprint");
        let nothing = Fixture::new();
        assert_unknown(&nothing.collect(&collector(&nothing)), ClaimName::AgentIntact, "may not be read");
    }

    #[test]
    fn the_program_of_this_test_has_the_hash_that_it_recorded() {
        let state = tempfile::tempdir().expect("tempdir");
        record_own_program(state.path()).expect("recorded");
        let collector = AgentIntact::new(state.path());
        let found = collector.collect(&this_machine());
        let open = open_to_others(&fs::read_link(RUNNING).expect("link")).expect("seen");
        assert_eq!(found.first().map(|finding| &finding.value), Some(&ClaimValue::Bool(!open)));
        assert!(
            AgentIntact::new(state.path()).hashed.lock().expect("whole").is_some(),
            "the next start need not hash it"
        );
    }
}
