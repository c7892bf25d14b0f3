//! apt: the signed lists that it fetched, and what it would install from them.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use hitotsu_model::posture::ClaimName;
use hitotsu_model::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::{LIST_DEADLINE, dates};
use crate::platform::linux::private::{check_private, create_private};
use crate::posture::{Command, CommandError, Finding, Machine, WhyUnknown};

/// Lists fetched from the archives.
pub(super) const LISTS: &str = "/var/lib/apt/lists";
/// What is installed.
pub(super) const STATUS: &str = "/var/lib/dpkg/status";
/// Touched by apt's own timer after a fetch without errors.
pub(super) const STAMP: &str = "/var/lib/apt/periodic/update-success-stamp";
const HISTORY: &str = "/var/log/apt/history.log";
/// A signed Release file begins with its fields, before the long lists of hashes.
const RELEASE_HEAD_BYTES: u64 = 4096;

/// The record in the state directory.
const RECORD: &str = "updates.json";

/// The number of waiting security updates, remembered while neither the lists nor what is installed changes: also
/// over a restart, because listing them takes seconds in which the claim would be unknown.
#[derive(Debug)]
pub(super) struct Waiting {
    record: PathBuf,
    remembered: Mutex<Option<Counted>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Counted {
    lists_changed_at: Timestamp,
    status_changed_at: Timestamp,
    waiting: usize,
}

impl Counted {
    fn is_of(&self, stamps: (Timestamp, Timestamp)) -> bool {
        (self.lists_changed_at, self.status_changed_at) == stamps
    }
}

pub(super) fn update_age(machine: &Machine, now: Timestamp, waiting: &Waiting) -> Finding {
    let name = ClaimName::SecurityUpdateAgeDays;
    let Some(looked_at) = looked_at(machine) else {
        return Finding::unknown(name, WhyUnknown::NoSecuritySource);
    };
    match waiting.count(machine) {
        Err(error) => Finding::unknown_because(name, WhyUnknown::UpdatesNotListed, error),
        Ok(0) => Finding::number(name, dates::whole_days(looked_at, now)),
        Ok(count) => match upgraded_at(machine) {
            Some(upgraded_at) => Finding::number(name, dates::whole_days(upgraded_at.min(looked_at), now)),
            None => Finding::unknown_because(name, WhyUnknown::UpdatesWait, count),
        },
    }
}

/// Until when the fetched lists are known to have been complete.
///
/// The archive signs a date with its list, so that is the earliest. A fetch that succeeded later found nothing newer,
/// unless the list had run out by then: a mirror that has stood still proves nothing.
fn looked_at(machine: &Machine) -> Option<Timestamp> {
    let names = machine.list(LISTS).ok()?;
    let releases = names.iter().filter(|name| name.ends_with("_InRelease") || name.ends_with("_Release"));
    let security: Vec<Release> = releases.filter_map(|name| security_release(machine, name)).collect();
    let fetched = machine.modified(STAMP).ok();
    let complete = |release: &Release| match fetched {
        Some(fetched) => release.dated.max(fetched.min(release.valid_until.unwrap_or(fetched))),
        None => release.dated,
    };
    // Several security archives: all must have been looked at.
    security.iter().map(complete).min()
}

struct Release {
    dated: Timestamp,
    valid_until: Option<Timestamp>,
}

fn security_release(machine: &Machine, name: &str) -> Option<Release> {
    let head = machine.read_head(format!("{LISTS}/{name}"), RELEASE_HEAD_BYTES).ok()?;
    let text = String::from_utf8_lossy(&head);
    let field = |key: &str| text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':')).map(str::trim);
    let security = field("Label").is_some_and(|label| label.ends_with("-Security"))
        || field("Suite").is_some_and(|suite| suite.ends_with("-security"));
    let dated = field("Date").and_then(dates::parse_release)?;
    security.then(|| Release { dated, valid_until: field("Valid-Until").and_then(dates::parse_release) })
}

impl Waiting {
    pub(super) fn new(state: &Path) -> Self {
        let record = state.join(RECORD);
        let json = check_private(&record).and_then(|()| fs::read(&record)).unwrap_or_default();
        Self { record, remembered: Mutex::new(serde_json::from_slice(&json).ok()) }
    }

    /// Whether the number is remembered, so that it need not be listed.
    pub(super) fn is_known(&self, machine: &Machine) -> bool {
        let remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        stamps(machine).is_some_and(|stamps| remembered.is_some_and(|counted| counted.is_of(stamps)))
    }

    fn count(&self, machine: &Machine) -> Result<usize, CommandError> {
        let stamps = stamps(machine);
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        if let (Some(stamps), Some(counted)) = (stamps, *remembered)
            && counted.is_of(stamps)
        {
            return Ok(counted.waiting);
        }
        let waiting = list_waiting(machine)?;
        *remembered = stamps.map(|(lists_changed_at, status_changed_at)| Counted {
            lists_changed_at,
            status_changed_at,
            waiting,
        });
        // Without the record the next start has to list them again, and no more than that. A state directory that is
        // not there yet is made by enrolment.
        if let Some(directory) = self.record.parent()
            && directory.is_dir()
            && let Ok(json) = serde_json::to_vec(&*remembered)
            && let Err(error) = create_private(&self.record, &json)
        {
            tracing::debug!(%error, "the number of waiting updates could not be recorded");
        }
        Ok(waiting)
    }
}

/// When the lists changed last, and what is installed.
fn stamps(machine: &Machine) -> Option<(Timestamp, Timestamp)> {
    machine.modified(LISTS).ok().zip(machine.modified(STATUS).ok())
}

/// How many security updates a full upgrade would install. A simulation needs no rights and takes no lock.
fn list_waiting(machine: &Machine) -> Result<usize, CommandError> {
    let output = machine.run(&Command {
        program: "apt-get",
        arguments: &["--simulate", "-o", "Debug::NoLocking=1", "dist-upgrade"],
        deadline: LIST_DEADLINE,
        user: None,
    })?;
    // `Inst openssl [3.0.1] (3.0.2 Debian-Security:12/stable-security [amd64])`, `... Ubuntu:24.04/noble-security ...`
    let from_security = |line: &&str| {
        let origin = line.strip_prefix("Inst ").and_then(|rest| rest.split_once('('));
        origin.is_some_and(|(_, origin)| origin.contains("ecurity"))
    };
    Ok(output.lines().filter(from_security).count())
}

/// When everything was last upgraded, by apt's history. Upgrading single packages does not count.
fn upgraded_at(machine: &Machine) -> Option<Timestamp> {
    let history = machine.read(HISTORY).ok()?;
    let complete = |block: &str| {
        let field = |key: &str| block.lines().find_map(|line| line.strip_prefix(key)).map(str::trim);
        let by = field("Commandline:")?;
        let whole = by.split_whitespace().any(|word| {
            matches!(word, "upgrade" | "dist-upgrade" | "full-upgrade" | "safe-upgrade" | "role='update-packages'")
                || word.ends_with("/unattended-upgrade")
        });
        // Without an end it was interrupted, and an error is noted.
        let done = field("End-Date:").is_some() && field("Error:").is_none();
        (whole && done).then(|| field("Start-Date:").and_then(dates::parse_history)).flatten()
    };
    history.split("\n\n").filter_map(complete).max()
}

#[cfg(test)]
mod tests {
    use hitotsu_model::posture::ClaimValue;

    use crate::platform::linux::fixture::{Fixture, assert_unknown, this_machine};
    use crate::platform::linux::updates::Updates;
    use crate::posture::Collector as _;

    use super::*;

    const SIMULATION: &str = "apt-get --simulate -o Debug::NoLocking=1 dist-upgrade";
    const RELEASE: &str = "Origin: Debian\nLabel: Debian-Security\nSuite: stable-security\n\
                           Date: Fri, 20 Nov 2026 10:00:00 UTC\nValid-Until: Fri, 27 Nov 2026 10:00:00 UTC\n";
    const ONE_WAITS: &str = "Reading package lists...\n\
                             Inst libssl3 [3.0.16] (3.0.17 Debian-Security:12/stable-security [amd64])\n\
                             Inst vim [9.0] (9.1 Debian:12.9/stable [amd64])\nConf libssl3\n";

    fn machine(simulation: &str) -> Fixture {
        Fixture::new()
            .file("/var/lib/apt/lists/a_dists_stable_InRelease", RELEASE.replace("ecurity", "other"))
            .file("/var/lib/apt/lists/a_dists_stable-security_InRelease", RELEASE)
            .file(STATUS, "")
            .answers(SIMULATION, simulation)
    }

    fn value(machine: &Fixture) -> ClaimValue {
        machine.value(&updates(), ClaimName::SecurityUpdateAgeDays)
    }

    /// Remembers nothing over a restart.
    fn updates() -> Updates {
        Updates::new(Path::new("/nowhere"))
    }

    #[test]
    fn with_nothing_waiting_it_is_the_age_of_the_signed_list() {
        let none = "Inst vim [9.0] (9.1 Debian:12.9/stable [amd64])\n";
        assert_eq!(value(&machine(none)), ClaimValue::Integer(3));
    }

    #[test]
    fn a_later_fetch_counts_only_as_long_as_the_list_is_valid() {
        let machine = machine("").file(STAMP, "");
        let touched = std::fs::File::options().write(true).open(machine.full(STAMP)).expect("stamp");
        let at = |seconds: u64| std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
        touched.set_modified(at(1_795_478_400 - 3600)).expect("an hour before");
        assert_eq!(value(&machine), ClaimValue::Integer(0));
        let stale = RELEASE.replace("Nov", "May");
        let machine = machine.file("/var/lib/apt/lists/a_dists_stable-security_InRelease", stale);
        assert_eq!(value(&machine), ClaimValue::Integer(180));
    }

    #[test]
    fn with_updates_waiting_it_is_the_age_of_the_last_whole_upgrade() {
        let history = "\nStart-Date: 2026-10-01  10:00:00\nCommandline: apt full-upgrade\nUpgrade: x\nEnd-Date: 2026-10-01  10:01:00\n\
                       \nStart-Date: 2026-11-20  10:00:00\nCommandline: apt-get install --only-upgrade vim\nUpgrade: x\nEnd-Date: 2026-11-20  10:01:00\n\
                       \nStart-Date: 2026-11-21  10:00:00\nCommandline: apt upgrade\nUpgrade: x\nError: Sub-process failed\nEnd-Date: 2026-11-21  10:01:00\n";
        assert_eq!(value(&machine(ONE_WAITS).file(HISTORY, history)), ClaimValue::Integer(53));
    }

    #[test]
    fn what_cannot_be_known_is_unknown() {
        let (collector, name) = (updates(), ClaimName::SecurityUpdateAgeDays);
        assert_unknown(&machine(ONE_WAITS).collect(&collector), name, "not known since when (1)");
        let no_source = Fixture::new().directory(LISTS).answers(SIMULATION, "");
        assert_unknown(&no_source.collect(&collector), name, "no list of security updates");
        let failing = machine("").fails(SIMULATION, "E: broken packages");
        assert_unknown(&failing.collect(&updates()), name, "broken packages");
        assert_unknown(&Fixture::new().collect(&collector), name, "no package manager");
    }

    #[test]
    fn the_waiting_updates_are_listed_once_until_something_changes() {
        let (machine, collector) = (machine(ONE_WAITS), updates());
        assert_unknown(&machine.collect(&collector), ClaimName::SecurityUpdateAgeDays, "since when");
        let machine = machine.fails(SIMULATION, "must not be asked again");
        assert_unknown(&machine.collect(&collector), ClaimName::SecurityUpdateAgeDays, "since when");
    }

    #[test]
    fn the_number_is_remembered_over_a_restart_until_something_changes() {
        let (machine, state) = (machine(ONE_WAITS), tempfile::tempdir().expect("tempdir"));
        let restarted = || Updates::new(state.path());
        assert!(restarted().takes_long(&machine.machine()));
        assert_unknown(&machine.collect(&restarted()), ClaimName::SecurityUpdateAgeDays, "since when (1)");
        let machine = machine.fails(SIMULATION, "asked again");
        assert!(!restarted().takes_long(&machine.machine()));
        assert_unknown(&machine.collect(&restarted()), ClaimName::SecurityUpdateAgeDays, "since when (1)");
        let status = fs::File::options().write(true).open(machine.full(STATUS)).expect("status");
        status.set_modified(std::time::UNIX_EPOCH).expect("another time");
        assert!(restarted().takes_long(&machine.machine()));
        assert_unknown(&machine.collect(&restarted()), ClaimName::SecurityUpdateAgeDays, "asked again");
    }

    #[test]
    fn this_machine_gives_an_answer_or_a_reason() {
        let found = updates().collect(&this_machine());
        assert!(matches!(found.as_slice(), [finding] if finding.value.fits(finding.name.kind())), "{found:?}");
    }
}
